"""The monthly step: the only place where processes meet. ``month`` = heat pass, water pass, carbon pass.

Everything is pure and for one cell; ``run`` scans it over time and vmaps it over cells. Reading :func:`month`,
:func:`heat_month`, :func:`water_month` and :func:`carbon_month` is reading the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jtem.constants import CARBON_LAYERS
from jtem.numerics import safe
from jtem.numerics.kernels import computed_once, derivative_computed_once
from jtem.numerics.layers import over_layers, to_layers
from jtem.physics import (
    decomposition,
    initial,
    litter,
    nitrogen,
    permafrost,
    phenology,
    photosynthesis,
    radiation,
    respiration,
    soil_thermal,
    water,
)
from jtem.state import Cell, Controls, Forcing


class Parameters(eqx.Module):
    """One branch per process; leaves hold one value per community (or one row after selection)."""

    radiation: radiation.RadiationParameters
    water: water.WaterParameters
    soil_thermal: soil_thermal.SoilThermalParameters
    phenology: phenology.PhenologyParameters
    photosynthesis: photosynthesis.PhotosynthesisParameters
    respiration: respiration.RespirationParameters
    litter: litter.LitterParameters
    nitrogen: nitrogen.NitrogenParameters
    decomposition: decomposition.DecompositionParameters
    permafrost: permafrost.PermafrostParameters
    initial: initial.InitialParameters


KEEP_PHASES = soil_thermal.KEEP_PHASES
"""Rematerialise a year but keep the phases that the heat sweeps chose (2.4 kB a cell-year)."""


class Processes(NamedTuple):
    """Slots for forms on which TEM versions differ; the papers' forms are the default."""

    maintenance_respiration: Callable = respiration.maintenance
    maintenance_temperature: Callable = respiration.temperature_effect
    decomposition_temperature: Callable = decomposition.temperature_response


@dataclass(frozen=True)
class Design:
    """What fixes the compiled program. Hashable; numbers that may change are parameters or controls.

    ``thermal=None``: no soil heat (TEM's snow rule instead). ``heat_dtype`` and ``pool_dtype`` are the two precisions.
    """

    permafrost: permafrost.PermafrostScheme = permafrost.NONE
    thermal: soil_thermal.ThermalDesign | None = soil_thermal.ThermalDesign()  # noqa: RUF009 - frozen and hashable
    carbon_substeps: int = 4
    nitrogen_limitation: bool = True
    open_nitrogen: bool = False
    month_mean_moisture: bool = True
    thaw_restricts_water: bool = True
    heat_dtype: str = "float32"
    pool_dtype: str = "float64"
    processes: Processes = Processes()  # noqa: RUF009 - immutable

    def __post_init__(self):
        """Refuse combinations without meaning."""
        if self.thermal is None and self.permafrost.name != "none":
            raise ValueError(
                f"permafrost scheme '{self.permafrost.name}' needs the soil heat model; use 'none' without it"
            )


class Site(eqx.Module):
    """Parameters and attributes of one column, derived once: what the monthly equations need."""

    parameters: Parameters
    hydraulics: water.SoilHydraulics
    thermal: soil_thermal.ThermalProperties | None
    elevation: Float[Array, "*cells"]
    maximum_photosynthesis: Float[Array, "*cells"]
    maximum_nitrogen_uptake: Float[Array, "*cells"]
    decomposition_rate: Float[Array, "*cells"]
    immobilization: Float[Array, "*cells"]
    decay: Float[Array, "*cells"]
    layers: permafrost.LayerConstants


class HeatMonth(eqx.Module):
    """What the heat pass gives to the others (pool precision)."""

    soil_temperature: Float[Array, "heat_layer *cells"]  # degC, month mean
    thawed_fraction: Float[Array, "heat_layer *cells"]  # 0-1, month mean
    soil_temperature_10cm: Float[Array, "*cells"]
    soil_temperature_20cm: Float[Array, "*cells"]
    surface_soil_temperature: Float[Array, "*cells"]  # degC, mean of the upper 20 cm
    freeze_thaw_factor: Float[Array, "*cells"]  # f_FT
    upper_front_depth: Float[Array, "*cells"]  # m, bottom of the seasonally frozen top
    lower_front_depth: Float[Array, "*cells"]  # m, bottom of the thawed ground below it
    thawed_root_depth: Float[Array, "*cells"]  # m
    thermal_snow: Float[Array, "*cells"]  # mm
    snow_depth: Float[Array, "*cells"]  # m
    surface_heat_flux: Float[Array, "*cells"]  # W m-2, into the ground
    heat_residual: Float[Array, "*cells"]  # MJ m-2
    inconsistent_heat_steps: Float[Array, "*cells"]


class WaterStateWithThaw(eqx.Module):
    """Water stores and the active layer (m) they refer to (``thaw_ratio``)."""

    stores: water.WaterState
    reference_thaw: Float[Array, "*cells"]


class CarbonState(eqx.Module):
    """Carbon and nitrogen pools (g m-2) and the memory of the year."""

    vegetation_carbon: Float[Array, "*cells"]
    structural_nitrogen: Float[Array, "*cells"]
    labile_nitrogen: Float[Array, "*cells"]
    soil: permafrost.ActivePools
    store: permafrost.PermafrostStore
    phenology: phenology.PhenologyMemory
    decomposition_rate: Float[Array, "*cells"]  # Kd, month-1 at 0 degC
    vegetation_cn: Float[Array, "*cells"]
    production_cn: Float[Array, "*cells"]
    year_litter_carbon: Float[Array, "*cells"]
    year_litter_nitrogen: Float[Array, "*cells"]
    year_evapotranspiration: Float[Array, "*cells"]
    year_potential_evapotranspiration: Float[Array, "*cells"]


class State(eqx.Module):
    """Everything that a restart needs."""

    thermal: soil_thermal.ThermalState | None
    water: WaterStateWithThaw
    carbon: CarbonState


class CarbonMonth(eqx.Module):
    """Carbon and nitrogen fluxes (g m-2 month-1) and end-of-month pools (g m-2)."""

    gross_primary_production: Float[Array, "*cells"]
    potential_gross_primary_production: Float[Array, "*cells"]
    net_primary_production: Float[Array, "*cells"]
    net_primary_production_without_nitrogen_limitation: Float[Array, "*cells"]
    autotrophic_respiration: Float[Array, "*cells"]
    maintenance_respiration: Float[Array, "*cells"]
    growth_respiration: Float[Array, "*cells"]
    heterotrophic_respiration: Float[Array, "*cells"]
    heterotrophic_respiration_active_layer: Float[Array, "*cells"]
    heterotrophic_respiration_thawed_permafrost: Float[Array, "*cells"]
    net_ecosystem_production: Float[Array, "*cells"]
    litterfall_carbon: Float[Array, "*cells"]
    litterfall_nitrogen: Float[Array, "*cells"]
    nitrogen_uptake: Float[Array, "*cells"]
    structural_nitrogen_uptake: Float[Array, "*cells"]
    labile_nitrogen_uptake: Float[Array, "*cells"]
    nitrogen_uptake_thawed_permafrost: Float[Array, "*cells"]
    nitrogen_mobilization: Float[Array, "*cells"]
    nitrogen_resorption: Float[Array, "*cells"]
    net_nitrogen_mineralization: Float[Array, "*cells"]
    net_nitrogen_mineralization_active_layer: Float[Array, "*cells"]
    gross_nitrogen_mineralization: Float[Array, "*cells"]
    nitrogen_immobilization: Float[Array, "*cells"]
    nitrogen_input: Float[Array, "*cells"]
    nitrogen_loss: Float[Array, "*cells"]
    relative_leaf: Float[Array, "*cells"]
    foliage: Float[Array, "*cells"]
    leaf_area_index: Float[Array, "*cells"]
    foliar_projected_cover: Float[Array, "*cells"]
    photosynthetic_radiation: Float[Array, "*cells"]
    vegetation_carbon: Float[Array, "*cells"]
    vegetation_nitrogen: Float[Array, "*cells"]
    structural_nitrogen: Float[Array, "*cells"]
    labile_nitrogen: Float[Array, "*cells"]
    soil_carbon: Float[Array, "*cells"]
    soil_organic_nitrogen: Float[Array, "*cells"]
    available_nitrogen: Float[Array, "*cells"]
    frozen_carbon: Float[Array, "*cells"]
    thawed_permafrost_carbon: Float[Array, "*cells"]
    ecosystem_carbon: Float[Array, "*cells"]
    ecosystem_nitrogen: Float[Array, "*cells"]
    carbon_residual: Float[Array, "*cells"]
    nitrogen_residual: Float[Array, "*cells"]
    layer_respiration: Float[Array, "layer *cells"]
    layer_net_nitrogen_mineralization: Float[Array, "layer *cells"]
    layer_nitrogen_uptake: Float[Array, "layer *cells"]
    layer_thawed_carbon: Float[Array, "layer *cells"]


class MonthOutput(eqx.Module):
    """All outputs of a month."""

    heat: HeatMonth
    water: water.WaterMonth
    carbon: CarbonMonth


class YearOutput(eqx.Module):
    """What happens once a year: thaw (m), exposure (g m-2 yr-1), nitrogen booked by the baseline (gN m-2 yr-1)."""

    active_layer_thickness: Float[Array, "*cells"]
    maximum_unfrozen_thickness: Float[Array, "*cells"]
    exposed_carbon: Float[Array, "*cells"]
    exposed_nitrogen: Float[Array, "*cells"]
    exposed_organic_nitrogen: Float[Array, "*cells"]
    exposed_water: Float[Array, "*cells"]
    layer_exposed_carbon: Float[Array, "layer *cells"]
    layer_exposed_nitrogen: Float[Array, "layer *cells"]
    baseline_nitrogen: Float[Array, "*cells"]
    decomposition_rate: Float[Array, "*cells"]
    optimum_temperature: Float[Array, "*cells"]
    year_carbon_residual: Float[Array, "*cells"]
    year_nitrogen_residual: Float[Array, "*cells"]
    year_water_residual: Float[Array, "*cells"]


# --- parameters at a cell ------------------------------------------------------------------------------------------


def select_community(parameters: Parameters, community) -> Parameters:
    """The row of one community. JAX clamps a bad index silently: it is validated in ``readers/to_model``."""
    return jax.tree.map(lambda leaf: leaf[community], parameters)


def derive(parameters: Parameters, cell: Cell, design: Design) -> Site:
    """Parameters at a cell (tem.md section 11.1): select the community, evaluate the texture regressions.

    ``parameters`` with a leading community axis, or one row (as a batch of parameter sets gives).
    """
    rows = parameters.litter.carbon_rate.ndim == 1
    row = select_community(parameters, cell.community) if rows else parameters
    thermal = None
    if design.thermal is not None:
        thermal_row = jax.tree.map(lambda leaf: leaf.astype(design.heat_dtype), row.soil_thermal)
        thermal = soil_thermal.properties(thermal_row, design.thermal)
    psi = cell.silt_clay
    hydraulics = water.hydraulics(psi, row.water)
    return Site(
        parameters=row,
        hydraulics=hydraulics,
        thermal=thermal,
        elevation=cell.elevation,
        maximum_photosynthesis=photosynthesis.maximum_rate(psi, row.photosynthesis),
        maximum_nitrogen_uptake=nitrogen.maximum_uptake(psi, row.nitrogen),
        decomposition_rate=decomposition.rate_at_0C(psi, row.decomposition),
        immobilization=decomposition.immobilization_parameter(psi, row.decomposition),
        decay=decomposition.decay(row.decomposition),
        layers=permafrost.layer_constants(
            design.permafrost.layers,
            hydraulics.rooting_depth,
            hydraulics.field_capacity,
            row.permafrost,
        ),
    )


def initial_state(
    site: Site,
    cell: Cell,
    air_temperature: Float[Array, "12"],
    shortwave_radiation: Float[Array, "12"],
    days: Float[Array, "12"],
    design: Design,
) -> State:
    """State at the first January from the first year's climate (tem.md section 11.2, soil_thermal.md section 6)."""
    p = site.parameters
    potential = radiation.potential_evapotranspiration(
        air_temperature, radiation.tem_radiation(shortwave_radiation), days, p.radiation
    )
    warm = jnp.argmax(potential)
    optimum = safe.clip(
        air_temperature[warm],
        p.photosynthesis.temperature_optimum_minimum,
        p.photosynthesis.temperature_optimum_maximum,
    )
    psi, start = cell.silt_clay, p.initial
    thermal = None
    thaw = site.hydraulics.rooting_depth
    if design.thermal is not None and site.thermal is not None:
        heat = jnp.dtype(design.heat_dtype)
        thermal = soil_thermal.initial_state(
            air_temperature.mean().astype(heat), air_temperature[11].astype(heat), site.thermal, design.thermal
        )
    carbon = CarbonState(
        vegetation_carbon=initial.pool(psi, start.vegetation_carbon_slope, start.vegetation_carbon_intercept),
        structural_nitrogen=initial.pool(psi, start.structural_nitrogen_slope, start.structural_nitrogen_intercept),
        labile_nitrogen=initial.pool(psi, start.labile_nitrogen_slope, start.labile_nitrogen_intercept),
        soil=permafrost.ActivePools(
            carbon=initial.pool(psi, start.soil_carbon_slope, start.soil_carbon_intercept),
            organic_nitrogen=initial.pool(
                psi, start.soil_organic_nitrogen_slope, start.soil_organic_nitrogen_intercept
            ),
            available_nitrogen=initial.pool(psi, start.available_nitrogen_slope, start.available_nitrogen_intercept),
        ),
        store=permafrost.empty_store(design.permafrost.layers, thaw),
        phenology=phenology.initial_memory(potential[warm], optimum, p.phenology),
        decomposition_rate=site.decomposition_rate,
        vegetation_cn=safe.maximum(p.nitrogen.vegetation_cn_minimum, p.nitrogen.vegetation_cn_intercept),
        production_cn=p.nitrogen.production_cn,
        year_litter_carbon=jnp.zeros_like(psi),
        year_litter_nitrogen=jnp.zeros_like(psi),
        year_evapotranspiration=jnp.zeros_like(psi),
        year_potential_evapotranspiration=jnp.zeros_like(psi),
    )
    stores = water.initial_state(air_temperature[11], air_temperature[10], site.hydraulics)
    return State(thermal=thermal, water=WaterStateWithThaw(stores, thaw), carbon=carbon)


# --- heat pass -----------------------------------------------------------------------------------------------------


def heat_month(
    state: soil_thermal.ThermalState | None, forcing: Forcing, site: Site, design: Design
) -> tuple[soil_thermal.ThermalState | None, HeatMonth]:
    """Thermal snow, soil temperature, thaw. Needs only climate; casts to and from the heat precision."""
    if design.thermal is None or state is None or site.thermal is None:
        return None, _heat_without_model(forcing, site)
    p = site.parameters
    snowfall, _ = water.snowfall_and_rain(forcing.precipitation, forcing.air_temperature, p.water)
    heat, pools = jnp.dtype(design.heat_dtype), jnp.dtype(design.pool_dtype)
    new_state, out = soil_thermal.month(
        state,
        forcing.air_temperature.astype(heat),
        forcing.next_air_temperature.astype(heat),
        snowfall.astype(heat),
        site.thermal,
        design=design.thermal,
    )
    out = jax.tree.map(lambda leaf: leaf.astype(pools), out)
    return new_state, HeatMonth(
        soil_temperature=out.temperature,
        thawed_fraction=out.thawed_fraction,
        soil_temperature_10cm=out.temperature_10cm,
        soil_temperature_20cm=out.temperature_20cm,
        surface_soil_temperature=0.5 * (out.temperature[0] + out.temperature[1]),
        freeze_thaw_factor=out.thawed_fraction[0],
        upper_front_depth=out.upper_front_depth,
        lower_front_depth=out.lower_front_depth,
        thawed_root_depth=soil_thermal.thawed_thickness(
            out.thawed_fraction, site.hydraulics.rooting_depth, design.thermal
        ),
        thermal_snow=out.snow_water_equivalent,
        snow_depth=out.snow_depth,
        surface_heat_flux=out.surface_heat_flux,
        heat_residual=out.energy_residual,
        inconsistent_heat_steps=out.inconsistent_steps,
    )


def _heat_without_model(forcing: Forcing, site: Site) -> HeatMonth:
    """No soil heat: roots always thawed; TEM's snow rule is applied where the snowpack is known (carbon pass)."""
    zero = jnp.zeros_like(forcing.air_temperature)
    none = jnp.zeros((0, *zero.shape), zero.dtype)
    return HeatMonth(
        soil_temperature=none,
        thawed_fraction=none,
        soil_temperature_10cm=zero,
        soil_temperature_20cm=zero,
        surface_soil_temperature=zero,
        freeze_thaw_factor=zero + 1.0,
        upper_front_depth=zero,
        lower_front_depth=zero,
        thawed_root_depth=site.hydraulics.rooting_depth,
        thermal_snow=zero,
        snow_depth=zero,
        surface_heat_flux=zero,
        heat_residual=zero,
        inconsistent_heat_steps=zero,
    )


def heat_close_year(
    state: soil_thermal.ThermalState | None, site: Site, design: Design
) -> tuple[soil_thermal.ThermalState | None, permafrost.Thaw]:
    """Active layer of the year (pool precision), running maxima reset."""
    if design.thermal is None or state is None:
        depth = site.hydraulics.rooting_depth
        return None, permafrost.Thaw(active_layer_thickness=depth, maximum_unfrozen_thickness=depth)
    pools = jnp.dtype(design.pool_dtype)
    new_state, active_layer_thickness, maximum_unfrozen_thickness = soil_thermal.close_year(state, design.thermal)
    return new_state, permafrost.Thaw(active_layer_thickness.astype(pools), maximum_unfrozen_thickness.astype(pools))


# --- water pass ----------------------------------------------------------------------------------------------------


def water_month(
    state: WaterStateWithThaw, forcing: Forcing, heat: HeatMonth, site: Site, design: Design
) -> tuple[WaterStateWithThaw, water.WaterMonth]:
    """PET, snowpack, soil water, runoff. Needs the thaw of the same month."""
    p = site.parameters
    potential = radiation.potential_evapotranspiration(
        forcing.air_temperature, radiation.tem_radiation(forcing.shortwave_radiation), forcing.days, p.radiation
    )
    restricted = design.thaw_restricts_water and design.thermal is not None
    stores, out = water.month(
        state.stores,
        precipitation=forcing.precipitation,
        air_temperature=forcing.air_temperature,
        potential=potential,
        thawed_root_depth=heat.thawed_root_depth if restricted else site.hydraulics.rooting_depth,
        days=forcing.days,
        elevation=site.elevation,
        soil=site.hydraulics,
        p=p.water,
    )
    return WaterStateWithThaw(stores, state.reference_thaw), out


def water_close_year(
    state: WaterStateWithThaw, thaw: permafrost.Thaw, site: Site, controls: Controls, design: Design
) -> tuple[WaterStateWithThaw, Float[Array, "*cells"]]:
    """Scheme ``thaw_ratio`` moves soil water with the active layer; returns the exposed water (mm)."""
    if not design.permafrost.moves_water:
        return state, jnp.zeros_like(state.reference_thaw)
    p = site.parameters.permafrost
    current = permafrost.ratio_thaw(thaw, p)
    current = jnp.where(controls.expose | controls.follow, current, state.reference_thaw)
    ratio = jnp.where(controls.expose, permafrost.thaw_ratio(state.reference_thaw, current, p), 1.0)
    stores, exposed = water.expose_water(state.stores, ratio, site.hydraulics)
    return WaterStateWithThaw(stores, current), exposed


# --- carbon pass ---------------------------------------------------------------------------------------------------


class _MonthDrivers(NamedTuple):
    """What stays fixed within a month of carbon and nitrogen."""

    climate_rate: Array  # GPP per foliage, gC m-2 month-1
    plant_warmth: Array  # q(T) of nitrogen uptake
    maintenance_warmth: Array  # q(T) of maintenance respiration
    soil_loss: Array  # of the active pool at Kd f_M f_T, mean over a sub-step, month-1
    litter_carbon_loss: Array
    litter_nitrogen_loss: Array
    labile_loss: Array
    access: permafrost.Access
    soil_water: Array
    conductivity: Array  # relative conductivity per water, mm-1
    layer_conductivity: Array
    layer_loss: Array  # month-1 per layer
    nitrogen_input: Array
    water_input: Array
    evapotranspiration: Array


def carbon_month(
    state: CarbonState, forcing: Forcing, heat: HeatMonth, moist: water.WaterMonth, site: Site, design: Design
) -> tuple[CarbonState, CarbonMonth]:
    """Phenology, GPP, respiration, litter, decomposition, nitrogen, in ``carbon_substeps`` sub-steps of exponential
    donor losses with climate, water and leaf factors fixed within the month (tem.md section 8).
    """
    p = site.parameters
    light = radiation.tem_radiation(forcing.shortwave_radiation)
    cloud = radiation.cloudiness(light, forcing.top_of_atmosphere, p.radiation)
    par = radiation.photosynthetic_radiation(light, cloud, p.radiation)
    memory, leaf = phenology.month(state.phenology, moist.evapotranspiration, forcing.air_temperature, p.phenology)
    climate_rate = photosynthesis.climate_limited_rate(
        cmax=site.maximum_photosynthesis,
        co2=forcing.co2,
        evapotranspiration=moist.evapotranspiration,
        potential_evapotranspiration=moist.potential_evapotranspiration,
        photosynthetic_radiation=par,
        air_temperature=forcing.air_temperature,
        optimum_temperature=memory.optimum_temperature,
        relative_leaf=leaf,
        thawed_share=heat.freeze_thaw_factor,
        p=p.photosynthesis,
    )
    if design.thermal is None:
        bare = 1.0 - water.snow_on_ground(moist.snowpack)
        soil_temperature = bare * forcing.air_temperature  # 0 degC under snow
    else:
        soil_temperature = heat.surface_soil_temperature
    if design.month_mean_moisture:
        moisture, soil_water = moist.volumetric_moisture_mean, moist.soil_water_mean
    else:
        moisture = 2.0 * moist.volumetric_moisture_mean - moist.volumetric_moisture
        soil_water = 2.0 * moist.soil_water_mean - moist.soil_water
    soil_temperature, moisture, soil_water = derivative_computed_once((soil_temperature, moisture, soil_water))
    drivers = _month_drivers(
        state, forcing, heat, moist, site, design, climate_rate, soil_temperature, moisture, soil_water
    )

    def substep(carried, _):
        return carbon_substep(carried, drivers, state, site, design)

    pools = _Pools(state.vegetation_carbon, state.structural_nitrogen, state.labile_nitrogen, state.soil, state.store)
    # a gradient redoes a sub-step rather than keep its intermediate values: half the memory, a quarter less time
    body = jax.checkpoint(substep, prevent_cse=False)
    pools, fluxes = jax.lax.scan(body, pools, None, length=design.carbon_substeps)
    f = jax.tree.map(lambda leaf_: leaf_.mean(axis=0), fluxes)

    # thawed layers change by these fluxes only, so the month's flux is what left the pool (cheaper than summing sub-steps)
    layer_respiration = state.store.thawed_carbon - pools.store.thawed_carbon
    layer_net = state.store.thawed_organic_nitrogen - pools.store.thawed_organic_nitrogen
    gained = pools.store.thawed_available_nitrogen - state.store.thawed_available_nitrogen
    layer_uptake = safe.maximum(0.0, layer_net - gained)  # below 0 by rounding only
    layered_respiration = over_layers(layer_respiration)
    respired = f["respiration"] + layered_respiration
    foliage = phenology.foliage(pools.vegetation_carbon, p.phenology)
    leaf_area = phenology.leaf_area_index(foliage, leaf, p.phenology)
    mineralized = f["net_mineralization"] + over_layers(layer_net)
    new_state = CarbonState(
        vegetation_carbon=pools.vegetation_carbon,
        structural_nitrogen=pools.structural_nitrogen,
        labile_nitrogen=pools.labile_nitrogen,
        soil=pools.soil,
        store=pools.store,
        phenology=memory,
        decomposition_rate=state.decomposition_rate,
        vegetation_cn=state.vegetation_cn,
        production_cn=state.production_cn,
        year_litter_carbon=state.year_litter_carbon + f["litterfall_carbon"],
        year_litter_nitrogen=state.year_litter_nitrogen + f["litterfall_nitrogen"],
        year_evapotranspiration=state.year_evapotranspiration + moist.evapotranspiration,
        year_potential_evapotranspiration=state.year_potential_evapotranspiration + moist.potential_evapotranspiration,
    )
    npp = f["net_primary_production"]
    carbon_residual = total_carbon(new_state) - total_carbon(state) - (npp - respired)
    nitrogen_residual = total_nitrogen(new_state) - total_nitrogen(state) - (f["nitrogen_input"] - f["nitrogen_loss"])
    return new_state, CarbonMonth(
        gross_primary_production=f["gross_primary_production"],
        potential_gross_primary_production=f["potential_gross_primary_production"],
        net_primary_production=npp,
        net_primary_production_without_nitrogen_limitation=f["potential_net_primary_production"],
        autotrophic_respiration=f["maintenance_respiration"] + f["growth_respiration"],
        maintenance_respiration=f["maintenance_respiration"],
        growth_respiration=f["growth_respiration"],
        heterotrophic_respiration=respired,
        heterotrophic_respiration_active_layer=f["respiration"],
        heterotrophic_respiration_thawed_permafrost=layered_respiration,
        net_ecosystem_production=npp - respired,
        litterfall_carbon=f["litterfall_carbon"],
        litterfall_nitrogen=f["litterfall_nitrogen"],
        nitrogen_uptake=f["structural_uptake"] + f["labile_uptake"],
        structural_nitrogen_uptake=f["structural_uptake"],
        labile_nitrogen_uptake=f["labile_uptake"],
        nitrogen_uptake_thawed_permafrost=over_layers(layer_uptake),
        nitrogen_mobilization=f["mobilization"],
        nitrogen_resorption=f["resorption"],
        net_nitrogen_mineralization=mineralized,
        net_nitrogen_mineralization_active_layer=f["net_mineralization"],
        gross_nitrogen_mineralization=f["gross_mineralization"],
        nitrogen_immobilization=f["immobilization"],
        nitrogen_input=f["nitrogen_input"],
        nitrogen_loss=f["nitrogen_loss"],
        relative_leaf=leaf,
        foliage=foliage,
        leaf_area_index=leaf_area,
        foliar_projected_cover=1.0 - jnp.exp(-0.5 * leaf_area),
        photosynthetic_radiation=par,
        vegetation_carbon=pools.vegetation_carbon,
        vegetation_nitrogen=pools.structural_nitrogen + pools.labile_nitrogen,
        structural_nitrogen=pools.structural_nitrogen,
        labile_nitrogen=pools.labile_nitrogen,
        soil_carbon=pools.soil.carbon,
        soil_organic_nitrogen=pools.soil.organic_nitrogen,
        available_nitrogen=pools.soil.available_nitrogen,
        frozen_carbon=over_layers(pools.store.frozen_carbon),
        thawed_permafrost_carbon=over_layers(pools.store.thawed_carbon),
        ecosystem_carbon=total_carbon(new_state),
        ecosystem_nitrogen=total_nitrogen(new_state),
        carbon_residual=carbon_residual,
        nitrogen_residual=nitrogen_residual,
        layer_respiration=layer_respiration,
        layer_net_nitrogen_mineralization=layer_net,
        layer_nitrogen_uptake=layer_uptake,
        layer_thawed_carbon=pools.store.thawed_carbon,
    )


def _month_drivers(
    state, forcing, heat, moist, site, design, climate_rate, soil_temperature, moisture, soil_water
) -> _MonthDrivers:
    """Rates and environments of the month."""
    p, h = site.parameters, 1.0 / design.carbon_substeps
    d = p.decomposition
    warmth = design.processes.decomposition_temperature
    base_rate = state.decomposition_rate if design.nitrogen_limitation else site.decomposition_rate
    soil_rate = (
        base_rate
        * decomposition.moisture_response(moisture, d.moisture_minimum, d.moisture_optimum, d.moisture_maximum)
        * warmth(soil_temperature, d.temperature_sensitivity)
    )
    layers = derivative_computed_once(
        permafrost.layer_environment(site.layers, heat.thawed_fraction, moisture, p.permafrost)
    )
    if design.permafrost.layers == CARBON_LAYERS:

        def each(x):
            return to_layers(x, CARBON_LAYERS)

        layer_rate = derivative_computed_once(
            each(base_rate)
            * decomposition.moisture_response(
                layers.moisture, each(d.moisture_minimum), each(d.moisture_optimum), each(d.moisture_maximum)
            )
            * warmth(heat.soil_temperature[:CARBON_LAYERS], each(d.temperature_sensitivity))
            * site.layers.depth_weight
        )
    else:
        layer_rate = jnp.zeros_like(layers.moisture)
    inputs = jnp.where(design.open_nitrogen, forcing.nitrogen_input, 0.0)
    if design.open_nitrogen:
        inputs = inputs + nitrogen.fixation(moist.evapotranspiration, p.nitrogen)
    return _MonthDrivers(
        climate_rate=climate_rate,
        plant_warmth=respiration.temperature_effect(forcing.air_temperature, p.respiration),
        maintenance_warmth=design.processes.maintenance_temperature(forcing.air_temperature, p.respiration),
        soil_loss=litter.loss_rate(soil_rate, h),
        litter_carbon_loss=litter.loss_rate(p.litter.carbon_rate, h),
        litter_nitrogen_loss=litter.loss_rate(p.litter.nitrogen_rate, h),
        labile_loss=litter.loss_rate(jnp.ones_like(soil_rate), h),
        access=design.permafrost.access(state.store, site.hydraulics.rooting_depth, p.permafrost),
        soil_water=soil_water,
        conductivity=nitrogen.conductivity_per_water(moisture, soil_water),
        layer_conductivity=nitrogen.conductivity_per_water(layers.moisture, layers.water),
        layer_loss=litter.loss_rate(layer_rate, h),
        nitrogen_input=inputs,
        water_input=moist.rain + moist.snowmelt,
        evapotranspiration=moist.evapotranspiration,
    )


class _Pools(NamedTuple):
    """Pools that change within a month."""

    vegetation_carbon: Array
    structural_nitrogen: Array
    labile_nitrogen: Array
    soil: permafrost.ActivePools
    store: permafrost.PermafrostStore


def carbon_substep(pools: _Pools, month: _MonthDrivers, memory: CarbonState, site: Site, design: Design):
    """One sub-step of all carbon and nitrogen pools; fluxes are rates per month.

    Losses are exponential in their donor, so pools stay >= 0 without clipping; available N limits uptake, and
    immobilisation cannot take more than there is (tem.md sections 5, 6, 8, 10.3, 10.4). ``derivative_computed_once`` stands
    where the derivatives of many quantities meet; it changes no value.
    """
    p, h = site.parameters, 1.0 / design.carbon_substeps
    soil, store = pools.soil, pools.store
    zero = jnp.zeros_like(pools.vegetation_carbon)

    # plants, carbon side
    foliage = phenology.foliage(pools.vegetation_carbon, p.phenology)
    potential_gpp = month.climate_rate * foliage
    maintenance = design.processes.maintenance_respiration(
        pools.vegetation_carbon, month.maintenance_warmth, p.respiration
    )
    litter_carbon = pools.vegetation_carbon * month.litter_carbon_loss
    litter_nitrogen = pools.structural_nitrogen * month.litter_nitrogen_loss

    # soil: active pool
    respired = soil.carbon * month.access.carbon * month.soil_loss
    microbial = soil.available_nitrogen * month.access.microbial_nitrogen * month.conductivity
    net, gross, immobilized = decomposition.net_mineralization(
        respiration=respired,
        carbon=soil.carbon,
        organic_nitrogen=soil.organic_nitrogen,
        available_per_water=microbial,
        immobilization=site.immobilization,
        half_saturation=p.decomposition.immobilization_half_saturation,
        decay_share=site.decay,
        soil_cn=p.decomposition.soil_cn,
    )
    net = derivative_computed_once(
        safe.clip(net, -(soil.available_nitrogen / h + month.nitrogen_input), soil.organic_nitrogen / h)
    )

    # soil: thawed permafrost layers
    layers = design.permafrost.layers
    layer_respired = store.thawed_carbon * month.layer_loss
    layer_net, layer_gross, layer_immobilized = decomposition.net_mineralization(
        respiration=layer_respired,
        carbon=store.thawed_carbon,
        organic_nitrogen=store.thawed_organic_nitrogen,
        available_per_water=store.thawed_available_nitrogen * month.layer_conductivity,
        immobilization=to_layers(site.immobilization, layers),
        half_saturation=to_layers(p.decomposition.immobilization_half_saturation, layers),
        decay_share=to_layers(site.decay, layers),
        soil_cn=to_layers(p.decomposition.soil_cn, layers),
    )
    layer_net = derivative_computed_once(
        safe.clip(layer_net, -store.thawed_available_nitrogen / h, store.thawed_organic_nitrogen / h)
    )

    if design.nitrogen_limitation:
        # what plants can take: the active pool's accessible share and the thawed layers within the roots
        accessible = month.access.plant_nitrogen * soil.available_nitrogen + over_layers(
            site.layers.root_access * store.thawed_available_nitrogen
        )
        supply_active = month.access.plant_nitrogen * safe.maximum(
            0.0, soil.available_nitrogen / h + month.nitrogen_input + net
        )
        supply_layers = site.layers.root_access * safe.maximum(0.0, store.thawed_available_nitrogen / h + layer_net)
        supply = supply_active + over_layers(supply_layers)
        potential_uptake = derivative_computed_once(
            safe.minimum(
                supply,
                nitrogen.unlimited_uptake(
                    nmax=site.maximum_nitrogen_uptake,
                    foliage=foliage,
                    available=accessible * month.conductivity,
                    temperature_factor=month.plant_warmth,
                    p=p.nitrogen,
                ),
            )
        )
        plant = nitrogen.couple(
            potential_gpp=potential_gpp,
            maintenance_respiration=maintenance,
            growth_fraction=p.respiration.growth_fraction,
            potential_uptake=potential_uptake,
            labile_supply=pools.labile_nitrogen * month.labile_loss,
            litterfall_carbon=litter_carbon,
            litterfall_nitrogen=litter_nitrogen,
            vegetation_carbon=pools.vegetation_carbon,
            structural_nitrogen=pools.structural_nitrogen,
            labile_nitrogen=pools.labile_nitrogen,
            production_cn=memory.production_cn,
            vegetation_cn=memory.vegetation_cn,
            step=h,
            p=p.nitrogen,
        )
        plant = derivative_computed_once(plant)
        uptake = plant.structural_uptake + plant.labile_uptake
        taken_share = computed_once(safe.divide(uptake, supply, floor=1e-15))
        uptake_active = supply_active * taken_share
        uptake_layers = supply_layers * to_layers(taken_share, layers)
        loss = safe.minimum(
            nitrogen.drained_loss(
                available_nitrogen=soil.available_nitrogen,
                soil_water=month.soil_water,
                water_input=month.water_input,
                evapotranspiration=month.evapotranspiration,
                rooting_depth=site.hydraulics.rooting_depth,
                p=p.nitrogen,
            ),
            safe.maximum(0.0, soil.available_nitrogen / h + month.nitrogen_input + net - uptake_active),
        )
        nitrogen_input = month.nitrogen_input
    else:  # carbon only: nitrogen pools rest
        growth = respiration.growth(potential_gpp, maintenance, p.respiration)
        plant = nitrogen.PlantNitrogenFluxes(
            gross_primary_production=potential_gpp,
            net_primary_production=potential_gpp - maintenance - growth,
            growth_respiration=growth,
            litterfall_nitrogen=zero,
            resorption=zero,
            mobilization=zero,
            structural_uptake=zero,
            labile_uptake=zero,
        )
        net, gross, immobilized, loss, nitrogen_input, uptake_active = zero, zero, zero, zero, zero, zero
        layer_net, uptake_layers = jnp.zeros_like(layer_net), jnp.zeros_like(layer_net)

    npp = plant.net_primary_production
    new_pools = _Pools(
        vegetation_carbon=pools.vegetation_carbon + h * (npp - litter_carbon),
        structural_nitrogen=pools.structural_nitrogen
        + h * (plant.structural_uptake - plant.litterfall_nitrogen - plant.resorption + plant.mobilization),
        labile_nitrogen=pools.labile_nitrogen + h * (plant.labile_uptake + plant.resorption - plant.mobilization),
        soil=permafrost.ActivePools(
            carbon=soil.carbon + h * (litter_carbon - respired),
            organic_nitrogen=soil.organic_nitrogen + h * (plant.litterfall_nitrogen - net),
            available_nitrogen=soil.available_nitrogen + h * (nitrogen_input + net - uptake_active - loss),
        ),
        store=eqx.tree_at(
            lambda s: (s.thawed_carbon, s.thawed_organic_nitrogen, s.thawed_available_nitrogen),
            store,
            (
                store.thawed_carbon - h * layer_respired,
                store.thawed_organic_nitrogen - h * layer_net,
                store.thawed_available_nitrogen + h * (layer_net - uptake_layers),
            ),
        ),
    )
    fluxes = {
        "gross_primary_production": plant.gross_primary_production,
        "potential_gross_primary_production": potential_gpp,
        "net_primary_production": npp,
        "potential_net_primary_production": potential_gpp
        - maintenance
        - respiration.growth(potential_gpp, maintenance, p.respiration),
        "maintenance_respiration": maintenance,
        "growth_respiration": plant.growth_respiration,
        "respiration": respired,
        "litterfall_carbon": litter_carbon,
        "litterfall_nitrogen": plant.litterfall_nitrogen,
        "resorption": plant.resorption,
        "mobilization": plant.mobilization,
        "structural_uptake": plant.structural_uptake,
        "labile_uptake": plant.labile_uptake,
        "net_mineralization": net,
        "gross_mineralization": gross + over_layers(layer_gross),
        "immobilization": immobilized + over_layers(layer_immobilized),
        "nitrogen_input": nitrogen_input,
        "nitrogen_loss": loss,
    }
    return new_pools, fluxes


def total_carbon(state: CarbonState) -> Float[Array, "*cells"]:
    """All carbon of the column (gC m-2), frozen and thawed permafrost included."""
    store = state.store
    return state.vegetation_carbon + state.soil.carbon + over_layers(store.frozen_carbon + store.thawed_carbon)


def total_nitrogen(state: CarbonState) -> Float[Array, "*cells"]:
    """All nitrogen of the column (gN m-2), frozen and thawed permafrost included."""
    store = state.store
    below = (
        store.frozen_organic_nitrogen
        + store.frozen_available_nitrogen
        + store.thawed_organic_nitrogen
        + store.thawed_available_nitrogen
    )
    return (
        state.structural_nitrogen
        + state.labile_nitrogen
        + state.soil.organic_nitrogen
        + state.soil.available_nitrogen
        + over_layers(below)
    )


class CarbonYear(NamedTuple):
    """What the carbon pass does at a year's end."""

    exposure: permafrost.Exposure
    baseline_nitrogen: Array
    carbon_residual: Array
    nitrogen_residual: Array


def carbon_close_year(
    state: CarbonState,
    thaw: permafrost.Thaw,
    co2: Float[Array, "*cells"],
    site: Site,
    controls: Controls,
    design: Design,
) -> tuple[CarbonState, CarbonYear]:
    """Yearly hook (tem.md section 7): Kd from litter quality, phenology extremes, C:N, baseline nitrogen, exposure."""
    p = site.parameters
    rate = decomposition.litter_quality_rate(
        site.decomposition_rate, state.year_litter_carbon, state.year_litter_nitrogen, p.decomposition
    )
    relative = safe.divide(state.year_evapotranspiration, state.year_potential_evapotranspiration, floor=1e-9)
    vegetation_cn, production_cn = nitrogen.vegetation_cn(relative, co2, p.nitrogen)
    tied = state.soil.carbon / p.decomposition.soil_cn
    organic = jnp.where(controls.baseline, tied, state.soil.organic_nitrogen)
    baseline = organic - state.soil.organic_nitrogen
    active = eqx.tree_at(lambda s: s.organic_nitrogen, state.soil, organic)
    store, active, exposure = design.permafrost.expose(
        state.store, active, thaw, controls.expose, controls.follow, p.permafrost
    )
    zero = jnp.zeros_like(state.year_litter_carbon)
    new_state = CarbonState(
        vegetation_carbon=state.vegetation_carbon,
        structural_nitrogen=state.structural_nitrogen,
        labile_nitrogen=state.labile_nitrogen,
        soil=active,
        store=store,
        phenology=phenology.close_year(
            state.phenology,
            p.photosynthesis.temperature_optimum_minimum,
            p.photosynthesis.temperature_optimum_maximum,
        ),
        decomposition_rate=rate,
        vegetation_cn=vegetation_cn,
        production_cn=production_cn,
        year_litter_carbon=zero,
        year_litter_nitrogen=zero,
        year_evapotranspiration=zero,
        year_potential_evapotranspiration=zero,
    )
    return new_state, CarbonYear(
        exposure=exposure,
        baseline_nitrogen=baseline,
        carbon_residual=total_carbon(new_state) - total_carbon(state),
        nitrogen_residual=total_nitrogen(new_state) - total_nitrogen(state) - baseline,
    )


# --- the composition -----------------------------------------------------------------------------------------------


def month(state: State, forcing: Forcing, site: Site, *, design: Design) -> tuple[State, MonthOutput]:
    """One month of the whole model: snow and soil heat, water, carbon and nitrogen."""
    thermal, heat = derivative_computed_once(heat_month(state.thermal, forcing, site, design))

    def water_and_carbon(state, forcing, heat, site):
        wet, moist = derivative_computed_once(water_month(state.water, forcing, heat, site, design))
        carbon, fluxes = carbon_month(state.carbon, forcing, heat, moist, site, design)
        return wet, moist, carbon, fluxes

    # a gradient redoes water and carbon of a month rather than keep their intermediate values for a whole year
    redone = jax.checkpoint(water_and_carbon, prevent_cse=False)
    wet, moist, carbon, fluxes = redone(State(None, state.water, state.carbon), forcing, heat, site)
    return State(thermal, wet, carbon), MonthOutput(heat, moist, fluxes)


def close_year(
    state: State, co2: Float[Array, "*cells"], site: Site, controls: Controls, *, design: Design
) -> tuple[State, YearOutput]:
    """After December: the yearly memory rolls, thaw exposes matter."""
    thermal, thaw = heat_close_year(state.thermal, site, design)
    wet, exposed_water = water_close_year(state.water, thaw, site, controls, design)
    carbon, year = carbon_close_year(state.carbon, thaw, co2, site, controls, design)
    return State(thermal, wet, carbon), year_output(thaw, exposed_water, state.water, wet, carbon, year)


def year_output(
    thaw: permafrost.Thaw,
    exposed_water: Float[Array, "*cells"],
    before: WaterStateWithThaw,
    after: WaterStateWithThaw,
    carbon: CarbonState,
    year: CarbonYear,
) -> YearOutput:
    """Collect what :func:`close_year` gives."""
    residual = water.total_water(after.stores) - water.total_water(before.stores)
    return year_values(thaw, exposed_water, residual, carbon, year)


def year_values(
    thaw: permafrost.Thaw,
    exposed_water: Float[Array, "*cells"],
    water_residual: Float[Array, "*cells"],
    carbon: CarbonState,
    year: CarbonYear,
) -> YearOutput:
    """:class:`YearOutput` from what the three passes give at a year's end (the passes may have run apart)."""
    exposed_nitrogen = year.exposure.organic_nitrogen + year.exposure.available_nitrogen
    return YearOutput(
        active_layer_thickness=thaw.active_layer_thickness,
        maximum_unfrozen_thickness=thaw.maximum_unfrozen_thickness,
        exposed_carbon=over_layers(year.exposure.carbon),
        exposed_nitrogen=over_layers(exposed_nitrogen),
        exposed_organic_nitrogen=over_layers(year.exposure.organic_nitrogen),
        exposed_water=exposed_water,
        layer_exposed_carbon=year.exposure.carbon,
        layer_exposed_nitrogen=exposed_nitrogen,
        baseline_nitrogen=year.baseline_nitrogen,
        decomposition_rate=carbon.decomposition_rate,
        optimum_temperature=carbon.phenology.optimum_temperature,
        year_carbon_residual=year.carbon_residual,
        year_nitrogen_residual=year.nitrogen_residual,
        year_water_residual=water_residual,
    )


def begin_permafrost(state: State, cell: Cell, site: Site, thaw: permafrost.Thaw, design: Design) -> State:
    """Fill the frozen stores from the pools, the observed profile and the base thaw (m) of a stage's start.

    ``thaw_ratio``: at the start of history; ``layered``: at its base year (tem.md sections 9.1, 10.2).
    """
    p = site.parameters.permafrost
    carbon = state.carbon
    store = design.permafrost.begin(carbon.store, carbon.soil, thaw, cell.soil_carbon_profile, p)
    wet = state.water
    if design.permafrost.moves_water:
        reference = permafrost.ratio_thaw(thaw, p)
        full = permafrost.profile_share(p.profile_maximum_depth, p)
        factor = safe.maximum(0.0, full / permafrost.profile_share(reference, p) - 1.0)
        stores = eqx.tree_at(lambda s: s.frozen_water, wet.stores, wet.stores.soil_water * factor)
        wet = WaterStateWithThaw(stores, reference)
    return State(state.thermal, wet, eqx.tree_at(lambda c: c.store, carbon, store))
