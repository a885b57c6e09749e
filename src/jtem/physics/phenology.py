"""Relative leaf, foliage by allometry, thermal acclimation of the optimum temperature (Raich et al. 1991; TEM 4.3).

Equations docs/model.md#l1 to #l4.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jtem.numerics import safe
from jtem.parameters import parameter

MINIMUM_YEARLY_EVAPOTRANSPIRATION = 0.1
"""mm month-1; floor of last year's largest EET: a year without rain must not give 0/0 (docs/model.md#l1)."""

MINIMUM_YEARLY_LEAF = 0.01
"""Floor of last year's largest leaf, same reason: in tundra the smallest leaf is 0."""


class PhenologyParameters(eqx.Module):
    """Leaf phenology and allometry."""

    leaf_minimum: Float[Array, "*types"] = parameter(unit="1", description="smallest relative leaf", symbol="MINLEAF")
    leaf_evapotranspiration_slope: Float[Array, "*types"] = parameter(
        unit="1", description="leaf response to EET relative to last year's largest", symbol="ALEAF"
    )
    leaf_memory: Float[Array, "*types"] = parameter(
        unit="1", description="leaf response to the leaf of the month before", symbol="BLEAF"
    )
    leaf_offset: Float[Array, "*types"] = parameter(unit="1", description="leaf constant", symbol="CLEAF")
    leaf_initial: Float[Array, "*types"] = parameter(
        unit="1", description="leaf of the December before the run", symbol="UNLEAF12", trainable=False
    )
    leaf_maximum_initial: Float[Array, "*types"] = parameter(
        unit="1", description="largest leaf of the year before the run", symbol="INITLEAFMX", trainable=False
    )
    leaf_carbon_maximum: Float[Array, "*types"] = parameter(
        unit="gC m-2", description="largest leaf carbon", symbol="LEAFMXC", scale="log"
    )
    leaf_carbon_coefficient: Float[Array, "*types"] = parameter(
        unit="1", description="allometry coefficient", symbol="KLEAFC"
    )
    leaf_carbon_shape: Float[Array, "*types"] = parameter(
        unit="m2 gC-1", description="allometry exponent (negative)", symbol="COV"
    )
    specific_leaf_area: Float[Array, "*types"] = parameter(
        unit="m2 gC-1", description="leaf area per leaf carbon", symbol="SLA", scale="log"
    )


class PhenologyMemory(eqx.Module):
    """What phenology keeps: last month's leaf, this year's extremes so far, last year's extremes."""

    leaf: Float[Array, "*cells"]
    year_maximum_evapotranspiration: Float[Array, "*cells"]
    year_maximum_leaf: Float[Array, "*cells"]
    year_temperature_at_maximum_leaf: Float[Array, "*cells"]
    last_maximum_evapotranspiration: Float[Array, "*cells"]
    last_maximum_leaf: Float[Array, "*cells"]
    optimum_temperature: Float[Array, "*cells"]


def unnormalized_leaf(
    evapotranspiration: Float[Array, "*cells"],
    last_maximum_evapotranspiration: Float[Array, "*cells"],
    previous_leaf: Float[Array, "*cells"],
    p: PhenologyParameters,
) -> Float[Array, "*cells"]:
    """``L = a EET/EETmax + b L_prev + c`` between leaf_min/2 and 1 (Raich et al. 1991; TEM 4.3)."""
    relative = evapotranspiration / safe.maximum(last_maximum_evapotranspiration, MINIMUM_YEARLY_EVAPOTRANSPIRATION)
    leaf = p.leaf_evapotranspiration_slope * relative + p.leaf_memory * previous_leaf + p.leaf_offset
    return safe.clip(leaf, 0.5 * p.leaf_minimum, 1.0)


def relative_leaf(
    leaf: Float[Array, "*cells"], last_maximum_leaf: Float[Array, "*cells"], p: PhenologyParameters
) -> Float[Array, "*cells"]:
    """``f_leaf = clip(L / Lmax of last year, leaf_min, 1)``."""
    return safe.clip(leaf / safe.maximum(last_maximum_leaf, MINIMUM_YEARLY_LEAF), p.leaf_minimum, 1.0)


def foliage(vegetation_carbon: Float[Array, "*cells"], p: PhenologyParameters) -> Float[Array, "*cells"]:
    """``f_foliage = 1/(1 + 1.6662 exp(cov C_V))``: relative leaf carbon by allometry (Raich et al. 1991)."""
    return 1.0 / (1.0 + p.leaf_carbon_coefficient * jnp.exp(p.leaf_carbon_shape * vegetation_carbon))


def leaf_area_index(
    foliage_share: Float[Array, "*cells"], leaf: Float[Array, "*cells"], p: PhenologyParameters
) -> Float[Array, "*cells"]:
    """``LAI = sla leafC f_leaf`` (m2 m-2), leafC = leaf_c_max f_foliage."""
    return p.specific_leaf_area * p.leaf_carbon_maximum * foliage_share * leaf


def month(
    memory: PhenologyMemory,
    evapotranspiration: Float[Array, "*cells"],
    air_temperature: Float[Array, "*cells"],
    p: PhenologyParameters,
) -> tuple[PhenologyMemory, Float[Array, "*cells"]]:
    """Advance phenology by a month; returns the memory and ``f_leaf``."""
    leaf = unnormalized_leaf(evapotranspiration, memory.last_maximum_evapotranspiration, memory.leaf, p)
    new_maximum = leaf > memory.year_maximum_leaf
    warmer = fixed_leaf(p) & (air_temperature > memory.year_temperature_at_maximum_leaf)
    new = PhenologyMemory(
        leaf=leaf,
        year_maximum_evapotranspiration=safe.maximum(memory.year_maximum_evapotranspiration, evapotranspiration),
        year_maximum_leaf=safe.maximum(memory.year_maximum_leaf, leaf),
        year_temperature_at_maximum_leaf=jnp.where(
            new_maximum | warmer, air_temperature, memory.year_temperature_at_maximum_leaf
        ),
        last_maximum_evapotranspiration=memory.last_maximum_evapotranspiration,
        last_maximum_leaf=memory.last_maximum_leaf,
        optimum_temperature=memory.optimum_temperature,
    )
    return new, relative_leaf(leaf, memory.last_maximum_leaf, p)


def fixed_leaf(p: PhenologyParameters) -> Bool[Array, "*cells"]:
    """True for types whose leaf does not react (a = b = 0); their optimum follows the warmest month."""
    return (p.leaf_evapotranspiration_slope == 0.0) & (p.leaf_memory == 0.0)


def close_year(
    memory: PhenologyMemory, optimum_minimum: Float[Array, "*cells"], optimum_maximum: Float[Array, "*cells"]
) -> PhenologyMemory:
    """Roll the yearly extremes; Topt = temperature of the month of the largest leaf, within [Topt_min, Topt_max]."""
    low = jnp.full_like(memory.leaf, -1e3)
    return PhenologyMemory(
        leaf=memory.leaf,
        year_maximum_evapotranspiration=jnp.zeros_like(memory.leaf),
        year_maximum_leaf=jnp.full_like(memory.leaf, -1.0),
        year_temperature_at_maximum_leaf=low,
        last_maximum_evapotranspiration=memory.year_maximum_evapotranspiration,
        last_maximum_leaf=memory.year_maximum_leaf,
        optimum_temperature=safe.clip(memory.year_temperature_at_maximum_leaf, optimum_minimum, optimum_maximum),
    )


def initial_memory(
    largest_potential_evapotranspiration: Float[Array, "*cells"],
    optimum_temperature: Float[Array, "*cells"],
    p: PhenologyParameters,
) -> PhenologyMemory:
    """Year one: EETmax = largest PET; Topt = air temperature of the month of largest PET (already clipped)."""
    return PhenologyMemory(
        leaf=p.leaf_initial,
        year_maximum_evapotranspiration=jnp.zeros_like(p.leaf_initial),
        year_maximum_leaf=jnp.full_like(p.leaf_initial, -1.0),
        year_temperature_at_maximum_leaf=jnp.full_like(p.leaf_initial, -1e3),
        last_maximum_evapotranspiration=largest_potential_evapotranspiration,
        last_maximum_leaf=p.leaf_maximum_initial,
        optimum_temperature=optimum_temperature,
    )
