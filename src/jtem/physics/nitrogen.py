"""Plant nitrogen: uptake, resorption, mobilisation, storage, and how nitrogen limits production.

McGuire et al. (1992, 1993, 1997); algebra of TEM 4.2/4.3 (docs/model.md#n1 to #n12).
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from jtem.numerics import safe
from jtem.parameters import parameter


class NitrogenParameters(eqx.Module):
    """Plant nitrogen and the open nitrogen cycle."""

    uptake_maximum_slope_sandy: Float[Array, "*types"] = parameter(
        unit="gN m-2 month-1", description="largest uptake per silt+clay share, sandy branch", symbol="NMAX1A"
    )
    uptake_maximum_intercept_sandy: Float[Array, "*types"] = parameter(
        unit="gN m-2 month-1", description="largest uptake, constant, sandy branch", symbol="NMAX1B"
    )
    uptake_maximum_slope_fine: Float[Array, "*types"] = parameter(
        unit="gN m-2 month-1", description="largest uptake per silt+clay share, fine branch", symbol="NMAX2A"
    )
    uptake_maximum_intercept_fine: Float[Array, "*types"] = parameter(
        unit="gN m-2 month-1", description="largest uptake, constant, fine branch", symbol="NMAX2B"
    )
    uptake_maximum_cut: Float[Array, "*types"] = parameter(
        unit="1", description="silt+clay share between the branches", symbol="NMAXCUT", trainable=False
    )
    uptake_half_saturation: Float[Array, "*types"] = parameter(
        unit="gN m-2 mm-1", description="available N per water at half uptake", symbol="KN1", scale="log"
    )
    labile_maximum_fraction: Float[Array, "*types"] = parameter(
        unit="1", description="largest labile N per structural N", symbol="LABNCON"
    )
    store_half_saturation: Float[Array, "*types"] = parameter(
        unit="gN gN-1",
        description="labile N per structural N that meets half of the demand, plant nitrogen of the season only",
        scale="log",
    )
    production_cn: Float[Array, "*types"] = parameter(
        unit="gC gN-1", description="C:N of new production", symbol="CNEVEN", scale="log"
    )
    production_cn_minimum: Float[Array, "*types"] = parameter(
        unit="gC gN-1", description="smallest C:N of new production", symbol="CNMIN"
    )
    vegetation_cn_slope: Float[Array, "*types"] = parameter(
        unit="gC gN-1", description="vegetation C:N per yearly EET/PET", symbol="C2NA"
    )
    vegetation_cn_intercept: Float[Array, "*types"] = parameter(
        unit="gC gN-1", description="vegetation C:N, constant", symbol="C2NB"
    )
    vegetation_cn_minimum: Float[Array, "*types"] = parameter(
        unit="gC gN-1", description="smallest vegetation C:N", symbol="C2NMIN"
    )
    co2_effect_on_cn: Float[Array, "*types"] = parameter(
        unit="ppm-1", description="relative change of plant C:N per CO2 above the reference", symbol="DC2N"
    )
    reference_co2: Float[Array, "*types"] = parameter(
        unit="ppm", description="CO2 at which C:N is as given", symbol="INITCO2"
    )
    loss_rate: Float[Array, "*types"] = parameter(
        unit="1", description="loss of available N with drained water", symbol="NLOSS"
    )
    mobile_share: Float[Array, "*types"] = parameter(
        unit="1", description="share of the available nitrogen of thawed layers that moves with water, deep losses only"
    )
    gaseous_share: Float[Array, "*types"] = parameter(
        unit="1", description="share of the net mineralisation of thawed layers that leaves as gas, deep losses only"
    )
    fixation_slope: Float[Array, "*types"] = parameter(
        unit="gN m-2 mm-1", description="biological fixation per EET, open nitrogen only", symbol="BNF slope"
    )
    fixation_intercept: Float[Array, "*types"] = parameter(
        unit="gN m-2 month-1", description="biological fixation, constant, open nitrogen only", symbol="BNF intercept"
    )


class PlantNitrogenFluxes(eqx.Module):
    """Outcome of the carbon-nitrogen coupling of one sub-step; gC and gN m-2 month-1."""

    gross_primary_production: Float[Array, "*cells"]
    net_primary_production: Float[Array, "*cells"]
    growth_respiration: Float[Array, "*cells"]
    litterfall_nitrogen: Float[Array, "*cells"]
    resorption: Float[Array, "*cells"]
    mobilization: Float[Array, "*cells"]
    structural_uptake: Float[Array, "*cells"]
    labile_uptake: Float[Array, "*cells"]


def maximum_uptake(silt_clay: Float[Array, "*cells"], p: NitrogenParameters) -> Float[Array, "*cells"]:
    """``Nmax`` (gN m-2 month-1): linear in psi, two branches at ``cut`` (sandy for psi <= cut)."""
    sandy = p.uptake_maximum_slope_sandy * silt_clay + p.uptake_maximum_intercept_sandy
    fine = p.uptake_maximum_slope_fine * silt_clay + p.uptake_maximum_intercept_fine
    return jnp.where(silt_clay <= p.uptake_maximum_cut, sandy, fine)


def conductivity_per_water(moisture: Float[Array, "..."], water: Float[Array, "..."]) -> Float[Array, "..."]:
    """``vsm^3/SM`` (mm-1): relative hydraulic conductivity per soil water (at least 0.01 mm).

    Times available N it is ``c = N_av vsm^3/SM`` (gN m-2 mm-1), what uptake and immobilisation respond to.
    """
    return moisture**3 / safe.maximum(water, 0.01)


def unlimited_uptake(
    *,
    nmax: Float[Array, "*cells"],
    foliage: Float[Array, "*cells"],
    available: Float[Array, "*cells"],
    temperature_factor: Float[Array, "*cells"],
    p: NitrogenParameters,
) -> Float[Array, "*cells"]:
    """``Nup_pot = Nmax f_foliage c/(kn1 + c) q(T)`` (gN m-2 month-1), before the limit of what is available."""
    return nmax * foliage * available / (p.uptake_half_saturation + available) * temperature_factor


def couple(
    *,
    potential_gpp: Float[Array, "*cells"],
    maintenance_respiration: Float[Array, "*cells"],
    growth_fraction: Float[Array, "*cells"],
    potential_uptake: Float[Array, "*cells"],
    labile_supply: Float[Array, "*cells"],
    litterfall_carbon: Float[Array, "*cells"],
    litterfall_nitrogen: Float[Array, "*cells"],
    vegetation_carbon: Float[Array, "*cells"],
    structural_nitrogen: Float[Array, "*cells"],
    labile_nitrogen: Float[Array, "*cells"],
    production_cn: Float[Array, "*cells"],
    vegetation_cn: Float[Array, "*cells"],
    step: float,
    p: NitrogenParameters,
) -> PlantNitrogenFluxes:
    """Nitrogen down-regulates production, or carbon cuts uptake (McGuire et al. 1992; docs/model.md#n3 to #n7).

    ``u = NPP_pot/(Nup_pot + N_s)/C`` > 1: nitrogen limits, ``NPP = C (Nup_pot + N_s)``. ``u <= 1``: carbon limits, uptake
    is ``Nup_pot max(0, 1 - ((C - P)/(C - Cmin))^2)`` with P = NPP_pot/(Nup_pot + N_s), storage takes the surplus up to its
    cap. All rates per month; ``step`` h (months) enters the storage cap only.
    """
    surplus = potential_gpp - maintenance_respiration
    potential_npp = _npp(surplus, growth_fraction)
    structural_per_carbon = safe.divide(structural_nitrogen, vegetation_carbon, floor=1e-6)

    # 0. resorption of nitrogen that litter would carry above the production ratio
    litter_nitrogen, resorption = _litter(
        litterfall_carbon, litterfall_nitrogen, production_cn, structural_per_carbon, vegetation_cn
    )

    # 1. carbon-limited C:N of production relative to production_cn
    nitrogen_supply = potential_uptake + labile_supply
    nitrogen_limited_npp = production_cn * nitrogen_supply
    nitrogen_limits = potential_npp > nitrogen_limited_npp

    # 3. carbon limits: uptake is cut
    production_ratio = safe.divide(potential_npp, nitrogen_supply, otherwise=0.0, floor=1e-15)
    shortfall = (production_cn - production_ratio) / (production_cn - p.production_cn_minimum)
    reduced_uptake = potential_uptake * safe.maximum(0.0, 1.0 - shortfall**2)
    need = potential_npp / production_cn
    storage_suffices = labile_supply >= need
    mobilization = jnp.where(
        storage_suffices,
        jnp.where(need < 0.0, need * structural_per_carbon * vegetation_cn, need),
        labile_supply,
    )
    structural_uptake = jnp.where(storage_suffices, 0.0, safe.clip(need - labile_supply, 0.0, reduced_uptake))
    cap = p.labile_maximum_fraction * (
        structural_nitrogen + step * (structural_uptake - litter_nitrogen - resorption + mobilization)
    )
    labile_uptake = safe.clip(
        (cap - labile_nitrogen) / step - resorption + mobilization, 0.0, reduced_uptake - structural_uptake
    )

    # 2. nitrogen limits: production is cut, everything available is used
    npp = jnp.where(nitrogen_limits, nitrogen_limited_npp, potential_npp)
    growth_respiration = jnp.where(
        nitrogen_limits,
        nitrogen_limited_npp * growth_fraction / (1.0 - growth_fraction),
        jnp.where(surplus > 0.0, growth_fraction * surplus, 0.0),
    )
    return PlantNitrogenFluxes(
        gross_primary_production=jnp.where(
            nitrogen_limits, npp + growth_respiration + maintenance_respiration, potential_gpp
        ),
        net_primary_production=npp,
        growth_respiration=growth_respiration,
        litterfall_nitrogen=litter_nitrogen,
        resorption=resorption,
        mobilization=jnp.where(nitrogen_limits, labile_supply, mobilization),
        structural_uptake=jnp.where(nitrogen_limits, potential_uptake, structural_uptake),
        labile_uptake=jnp.where(nitrogen_limits, 0.0, labile_uptake),
    )


def couple_by_store(
    *,
    potential_gpp: Float[Array, "*cells"],
    maintenance_respiration: Float[Array, "*cells"],
    growth_fraction: Float[Array, "*cells"],
    potential_uptake: Float[Array, "*cells"],
    labile_supply: Float[Array, "*cells"],
    litterfall_carbon: Float[Array, "*cells"],
    litterfall_nitrogen: Float[Array, "*cells"],
    vegetation_carbon: Float[Array, "*cells"],
    structural_nitrogen: Float[Array, "*cells"],
    labile_nitrogen: Float[Array, "*cells"],
    production_cn: Float[Array, "*cells"],
    vegetation_cn: Float[Array, "*cells"],
    step: float,
    p: NitrogenParameters,
) -> PlantNitrogenFluxes:
    """:func:`couple` where labile nitrogen lasts the season (docs/model.md#n12); same arguments, units and results.

    All nitrogen taken up goes to the labile store, growth draws on it: ``NPP = s NPP_pot``, ``s = N_l/(N_l + k N_v)``, and a full
    store takes up less, ``Nup_pot (1 - s^2)``. Months then share what the year takes up, in place of each living on its own
    uptake. The step's loss of the store is exponential, so that growth never uses more than there is. Our form.
    """
    del labile_supply
    surplus = potential_gpp - maintenance_respiration
    potential_npp = _npp(surplus, growth_fraction)
    structural_per_carbon = safe.divide(structural_nitrogen, vegetation_carbon, floor=1e-6)
    litter_nitrogen, resorption = _litter(
        litterfall_carbon, litterfall_nitrogen, production_cn, structural_per_carbon, vegetation_cn
    )
    need = potential_npp / production_cn
    within = labile_nitrogen + p.store_half_saturation * structural_nitrogen
    spent = labile_nitrogen * safe.loss_fraction(safe.divide(safe.maximum(0.0, need), within, floor=1e-9), step)
    sufficiency = safe.divide(labile_nitrogen, within, floor=1e-9)
    grows = surplus > 0.0
    npp = jnp.where(grows, production_cn * spent, potential_npp)
    growth_respiration = jnp.where(grows, npp * growth_fraction / (1.0 - growth_fraction), 0.0)
    return PlantNitrogenFluxes(
        gross_primary_production=jnp.where(grows, npp + growth_respiration + maintenance_respiration, potential_gpp),
        net_primary_production=npp,
        growth_respiration=growth_respiration,
        litterfall_nitrogen=litter_nitrogen,
        resorption=resorption,
        mobilization=jnp.where(grows, spent, need * structural_per_carbon * vegetation_cn),
        structural_uptake=jnp.zeros_like(npp),
        labile_uptake=potential_uptake * (1.0 - sufficiency**2),
    )


def _npp(surplus: Float[Array, "*cells"], growth_fraction: Float[Array, "*cells"]) -> Float[Array, "*cells"]:
    """GPP - Rm without what growth respires of it, where it is positive."""
    return jnp.where(surplus > 0.0, (1.0 - growth_fraction) * surplus, surplus)


def _litter(
    carbon: Float[Array, "*cells"],
    nitrogen: Float[Array, "*cells"],
    production_cn: Float[Array, "*cells"],
    structural_per_carbon: Float[Array, "*cells"],
    vegetation_cn: Float[Array, "*cells"],
) -> tuple[Float[Array, "*cells"], Float[Array, "*cells"]]:
    """Nitrogen of litter, no more than new production has, and resorption (gN m-2 month-1; docs/model.md#n3)."""
    resorption = safe.maximum(0.0, carbon / production_cn - nitrogen) * structural_per_carbon * vegetation_cn
    return safe.minimum(nitrogen, carbon / production_cn), resorption


def drained_loss(
    *,
    available_nitrogen: Float[Array, "*cells"],
    soil_water: Float[Array, "*cells"],
    water_input: Float[Array, "*cells"],
    evapotranspiration: Float[Array, "*cells"],
    rooting_depth: Float[Array, "*cells"],
    p: NitrogenParameters,
) -> Float[Array, "*cells"]:
    """``N_lost = n_loss N_av/SM (rain + melt - EET + 1000 z_r)/(1000 z_r)`` (gN m-2 month-1), not below 0 (TEM 4.2/4.3)."""
    root_zone = 1000.0 * rooting_depth
    flush = safe.maximum(0.0, (water_input - evapotranspiration + root_zone) / root_zone)
    return p.loss_rate * available_nitrogen / safe.maximum(soil_water, 0.01) * flush


def leaching_rate(
    percolation: Float[Array, "*cells"], water: Float[Array, "layer *cells"], mobile: Float[Array, "layer *cells"]
) -> Float[Array, "layer *cells"]:
    """``m q/W`` (month-1): water that percolates, q (mm month-1), takes the mobile share m of a layer's nitrogen with it as it
    renews the layer's water W (at least 1 mm; docs/model.md#n10).
    """
    return mobile * percolation[None] / safe.maximum(water, 1.0)


def gaseous_loss(
    mineralized: Float[Array, "layer *cells"], share: Float[Array, "layer *cells"]
) -> Float[Array, "layer *cells"]:
    """``g max(0, net)`` (gN m-2 month-1): what nitrifiers and denitrifiers lose of net mineralisation (docs/model.md#n11)."""
    return share * safe.maximum(0.0, mineralized)


def fixation(evapotranspiration: Float[Array, "*cells"], p: NitrogenParameters) -> Float[Array, "*cells"]:
    """Biological fixation ``0.00102 EET + 0.00437`` (gN m-2 month-1), 0 where EET <= 0.1 mm (TEM 6, boreal)."""
    active = evapotranspiration > 0.1
    return jnp.where(active, p.fixation_slope * evapotranspiration + p.fixation_intercept, 0.0)


def vegetation_cn(
    relative_evapotranspiration: Float[Array, "*cells"],
    co2: Float[Array, "*cells"],
    fertilization: Float[Array, "*cells"],
    p: NitrogenParameters,
) -> tuple[Float[Array, "*cells"], Float[Array, "*cells"]]:
    """Yearly ``vegetation_cn = max(min, b + a EET_yr/PET_yr) adj`` and ``production_cn = production_cn0 adj``,
    ``adj = 1 + dc2n (CO2 - CO2_ref)`` (McGuire et al. 1997). Returns both (gC gN-1).
    """
    del fertilization
    return _adjusted_cn(relative_evapotranspiration, 1.0 + p.co2_effect_on_cn * (co2 - p.reference_co2), p)


def vegetation_cn_by_photosynthesis(
    relative_evapotranspiration: Float[Array, "*cells"],
    co2: Float[Array, "*cells"],
    fertilization: Float[Array, "*cells"],
    p: NitrogenParameters,
) -> tuple[Float[Array, "*cells"], Float[Array, "*cells"]]:
    """:func:`vegetation_cn` with ``adj = f_CO2(CO2) / f_CO2(CO2_ref)``: tissue is as much poorer in nitrogen as photosynthesis is
    richer in carbon, so CO2 does not meet nitrogen limitation at once. Our form for Liu et al. (2024), who print none.
    """
    del co2
    return _adjusted_cn(relative_evapotranspiration, fertilization, p)


def _adjusted_cn(
    relative_evapotranspiration: Float[Array, "*cells"], adjustment: Float[Array, "*cells"], p: NitrogenParameters
) -> tuple[Float[Array, "*cells"], Float[Array, "*cells"]]:
    base = safe.maximum(
        p.vegetation_cn_minimum, p.vegetation_cn_intercept + p.vegetation_cn_slope * relative_evapotranspiration
    )
    return base * adjustment, p.production_cn * adjustment
