"""The carbon pass: carbon and nitrogen of plants and soil in a month and at a year's end; it needs heat and water."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jtem.constants import CARBON_LAYERS, DAYS_IN_MONTH
from jtem.numerics import safe
from jtem.numerics.kernels import derivative_stored
from jtem.numerics.layers import added, over_layers, to_layers
from jtem.physics import (
    abrupt_thaw,
    initial,
    litter,
    methane,
    permafrost,
    phenology,
    photosynthesis,
    radiation,
    water,
)
from jtem.state import Cell, Controls, Forcing
from jtem.step import options
from jtem.step.column import Column, Design
from jtem.step.heat import HeatMonth
from jtem.step.substep import Fluxes, MonthDrivers, Pools, substep


class CarbonState(eqx.Module):
    """Carbon and nitrogen pools (g m-2) and the memory of the year.

    ``rooting_depth`` (m): None where roots do not move; ``ground``: what abrupt thaw disturbed, None without it.
    """

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
    rooting_depth: Float[Array, "*cells"] | None = None
    ground: abrupt_thaw.Ground | None = None


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
    nitrogen_loss_thawed_permafrost: Float[Array, "*cells"]
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
    methane_production: Float[Array, "*cells"]
    methane_oxidation: Float[Array, "*cells"]
    methane_plant_transport: Float[Array, "*cells"]
    methane_ebullition: Float[Array, "*cells"]
    methane_diffusion: Float[Array, "*cells"]
    methane_soil_uptake: Float[Array, "*cells"]
    wetland_methane: Float[Array, "*cells"]
    wetland_water_table: Float[Array, "*cells"]
    layer_respiration: Float[Array, "layer *cells"]
    layer_net_nitrogen_mineralization: Float[Array, "layer *cells"]
    layer_nitrogen_uptake: Float[Array, "layer *cells"]
    layer_thawed_carbon: Float[Array, "layer *cells"]


def start(
    cell: Cell,
    air_temperature: Float[Array, "12"],
    shortwave_radiation: Float[Array, "12"],
    column: Column,
    design: Design,
) -> CarbonState:
    """Pools and memory on the first of January from a year of air temperature (degC) and shortwave radiation (W m-2)."""
    p = column.parameters
    days = jnp.asarray(DAYS_IN_MONTH, air_temperature.dtype)
    potential = design.processes.potential_evapotranspiration(
        air_temperature, radiation.tem_radiation(shortwave_radiation), days, p.radiation
    )
    warm = jnp.argmax(potential)
    optimum = safe.clip(
        air_temperature[warm],
        p.photosynthesis.temperature_optimum_minimum,
        p.photosynthesis.temperature_optimum_maximum,
    )
    psi, at_start = cell.silt_clay, p.initial

    def pool(name: str) -> Array:
        return initial.pool(psi, getattr(at_start, f"{name}_slope"), getattr(at_start, f"{name}_intercept"))

    return CarbonState(
        vegetation_carbon=pool("vegetation_carbon"),
        structural_nitrogen=pool("structural_nitrogen"),
        labile_nitrogen=pool("labile_nitrogen"),
        soil=permafrost.ActivePools(
            carbon=pool("soil_carbon"),
            organic_nitrogen=pool("soil_organic_nitrogen"),
            available_nitrogen=pool("available_nitrogen"),
        ),
        store=permafrost.empty_store(design.permafrost.layers, column.hydraulics.rooting_depth),
        phenology=phenology.initial_memory(potential[warm], optimum, p.phenology),
        decomposition_rate=column.decomposition_rate,
        vegetation_cn=safe.maximum(p.nitrogen.vegetation_cn_minimum, p.nitrogen.vegetation_cn_intercept),
        production_cn=p.nitrogen.production_cn,
        year_litter_carbon=jnp.zeros_like(psi),
        year_litter_nitrogen=jnp.zeros_like(psi),
        year_evapotranspiration=jnp.zeros_like(psi),
        year_potential_evapotranspiration=jnp.zeros_like(psi),
        rooting_depth=p.roots.maximum_depth if design.roots_follow_thaw else None,
        ground=abrupt_thaw.no_ground(air_temperature.mean()) if design.abrupt_thaw else None,
    )


# --- the month -------------------------------------------------------------------------------------------------------


def month(
    state: CarbonState, forcing: Forcing, heat: HeatMonth, moist: water.WaterMonth, column: Column, design: Design
) -> tuple[CarbonState, CarbonMonth]:
    """Phenology, GPP, respiration, litter, decomposition, nitrogen, in ``carbon_substeps`` sub-steps of exponential
    donor losses with climate, water and leaf factors fixed within the month.
    """
    process, p = design.processes, column.parameters
    light = radiation.tem_radiation(forcing.shortwave_radiation)
    cloud = process.cloudiness(light, forcing.top_of_atmosphere, p.radiation)
    par = process.photosynthetic_radiation(light, cloud, p.radiation)
    memory, leaf = process.phenology(state.phenology, moist.evapotranspiration, forcing.air_temperature, p.phenology)
    climate_rate = process.gross_primary_production(
        cmax=column.maximum_photosynthesis,
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
    drivers = _drivers(state, forcing, heat, moist, climate_rate, leaf, column, design)

    def one(carried: Pools, _: None) -> tuple[Pools, Fluxes]:
        return substep(carried, drivers, column, design)

    pools = Pools(state.vegetation_carbon, state.structural_nitrogen, state.labile_nitrogen, state.soil, state.store)
    # a gradient redoes a sub-step rather than keep its intermediate values: half the memory, a quarter less time
    body = jax.checkpoint(one, prevent_cse=False)
    pools, fluxes = jax.lax.scan(body, pools, None, length=design.carbon_substeps)
    mean = jax.tree.map(lambda leaf_: added(leaf_) / design.carbon_substeps, fluxes)
    new_state = CarbonState(
        **pools._asdict(),
        phenology=memory,
        decomposition_rate=state.decomposition_rate,
        vegetation_cn=state.vegetation_cn,
        production_cn=state.production_cn,
        year_litter_carbon=state.year_litter_carbon + mean.litterfall_carbon,
        year_litter_nitrogen=state.year_litter_nitrogen + mean.litterfall_nitrogen,
        year_evapotranspiration=state.year_evapotranspiration + moist.evapotranspiration,
        year_potential_evapotranspiration=state.year_potential_evapotranspiration + moist.potential_evapotranspiration,
        rooting_depth=state.rooting_depth,
        ground=state.ground,
    )
    soil = _soil_environment(heat, moist, forcing.air_temperature, design) if design.methane else None
    respired = mean.heterotrophic_respiration_active_layer, state.store.thawed_carbon - new_state.store.thawed_carbon
    gas = options.methane_of(state.ground, respired, soil, heat, leaf, column, design)
    outputs = _outputs(state, new_state, mean, leaf, par, gas, column, design)
    if state.ground is not None:
        ground = abrupt_thaw.remembered(state.ground, forcing.air_temperature, outputs.net_ecosystem_production)
        new_state = dataclasses.replace(new_state, ground=ground)
    return new_state, outputs


def _outputs(
    before: CarbonState,
    after: CarbonState,
    f: Fluxes,
    leaf: Float[Array, "*cells"],
    par: Float[Array, "*cells"],
    gas: methane.Methane,
    column: Column,
    design: Design,
) -> CarbonMonth:
    """What a month gives, from the pools at its ends and the mean fluxes of its sub-steps."""
    process, p = design.processes, column.parameters
    # thawed layers change by these fluxes only, so the month's flux is what left the pool (cheaper than summing sub-steps)
    layer_respiration = before.store.thawed_carbon - after.store.thawed_carbon
    layer_net = before.store.thawed_organic_nitrogen - after.store.thawed_organic_nitrogen
    gained = after.store.thawed_available_nitrogen - before.store.thawed_available_nitrogen
    if f.layer_nitrogen_loss is not None:
        gained = gained + f.layer_nitrogen_loss
    layer_uptake = safe.maximum(0.0, layer_net - gained)  # below 0 by rounding only
    layered_respiration = over_layers(layer_respiration)
    respired = f.heterotrophic_respiration_active_layer + layered_respiration
    foliage = process.foliage(after.vegetation_carbon, p.phenology)
    leaf_area = process.leaf_area_index(foliage, leaf, p.phenology)
    npp = f.net_primary_production
    carbon, nitrogen_ = total_carbon(after), total_nitrogen(after)
    lost = jnp.zeros_like(npp) if f.layer_nitrogen_loss is None else over_layers(f.layer_nitrogen_loss)
    return CarbonMonth(
        **{name: value for name, value in f._asdict().items() if name != "layer_nitrogen_loss"},
        nitrogen_loss_thawed_permafrost=lost,
        autotrophic_respiration=f.maintenance_respiration + f.growth_respiration,
        heterotrophic_respiration=respired,
        heterotrophic_respiration_thawed_permafrost=layered_respiration,
        net_ecosystem_production=npp - respired,
        nitrogen_uptake=f.structural_nitrogen_uptake + f.labile_nitrogen_uptake,
        nitrogen_uptake_thawed_permafrost=over_layers(layer_uptake),
        net_nitrogen_mineralization=f.net_nitrogen_mineralization_active_layer + over_layers(layer_net),
        relative_leaf=leaf,
        foliage=foliage,
        leaf_area_index=leaf_area,
        foliar_projected_cover=1.0 - jnp.exp(-0.5 * leaf_area),
        photosynthetic_radiation=par,
        vegetation_carbon=after.vegetation_carbon,
        vegetation_nitrogen=after.structural_nitrogen + after.labile_nitrogen,
        structural_nitrogen=after.structural_nitrogen,
        labile_nitrogen=after.labile_nitrogen,
        soil_carbon=after.soil.carbon,
        soil_organic_nitrogen=after.soil.organic_nitrogen,
        available_nitrogen=after.soil.available_nitrogen,
        frozen_carbon=over_layers(after.store.frozen_carbon),
        thawed_permafrost_carbon=over_layers(after.store.thawed_carbon),
        ecosystem_carbon=carbon,
        ecosystem_nitrogen=nitrogen_,
        carbon_residual=carbon - total_carbon(before) - (npp - respired),
        nitrogen_residual=nitrogen_ - total_nitrogen(before) - (f.nitrogen_input - f.nitrogen_loss),
        methane_production=gas.production,
        methane_oxidation=gas.oxidation,
        methane_plant_transport=gas.plant_transport,
        methane_ebullition=gas.ebullition,
        methane_diffusion=gas.diffusion,
        methane_soil_uptake=gas.soil_uptake,
        wetland_methane=gas.plant_transport + gas.ebullition + gas.diffusion,
        wetland_water_table=gas.water_table,
        layer_respiration=layer_respiration,
        layer_net_nitrogen_mineralization=layer_net,
        layer_nitrogen_uptake=layer_uptake,
        layer_thawed_carbon=after.store.thawed_carbon,
    )


@derivative_stored
def _soil_environment(
    heat: HeatMonth, moist: water.WaterMonth, air_temperature: Float[Array, "*cells"], design: Design
) -> options.Soil:
    if design.thermal is None:
        bare = 1.0 - water.snow_on_ground(moist.snowpack)
        soil_temperature = bare * air_temperature  # 0 degC under snow
    else:
        soil_temperature = heat.surface_soil_temperature
    if design.month_mean_moisture:
        return options.Soil(
            soil_temperature,
            moist.volumetric_moisture_mean,
            moist.volumetric_moisture_20cm_mean,
            moist.soil_water_mean,
        )
    return options.Soil(
        soil_temperature,
        2.0 * moist.volumetric_moisture_mean - moist.volumetric_moisture,
        2.0 * moist.volumetric_moisture_20cm_mean - moist.volumetric_moisture_20cm,
        2.0 * moist.soil_water_mean - moist.soil_water,
    )


@derivative_stored
def _layer_environment(
    heat: HeatMonth, soil: options.Soil, column: Column, design: Design
) -> permafrost.LayerEnvironment:
    """Moisture and water of the thawed layers."""
    p, moisture, upper = column.parameters.permafrost, soil.moisture, None
    if design.two_water_layers:
        upper = soil.upper_moisture
        moisture = water.moisture_below_20cm(moisture, upper, column.hydraulics)
    return permafrost.layer_environment(column.layers, heat.thawed_fraction, moisture, p, upper)


@derivative_stored
def _layer_rate(
    base_rate: Float[Array, "*cells"],
    moisture: Float[Array, "layer *cells"],
    soil_temperature: Float[Array, "heat_layer *cells"],
    column: Column,
    design: Design,
) -> Float[Array, "layer *cells"]:
    """Decomposition rate of the thawed layers (month-1), ``Kd f_M f_T exp(-z_k/z_tau)`` (Liu et al. 2024, Eq. 1)."""
    process, d = design.processes, column.parameters.decomposition
    rate = design.in_rate_precision

    def each(x: Array) -> Array:
        return to_layers(rate(x), CARBON_LAYERS)

    return (
        each(base_rate)
        * process.decomposition_moisture(
            moisture, each(d.moisture_minimum), each(d.moisture_optimum), each(d.moisture_maximum)
        )
        * process.decomposition_temperature(rate(soil_temperature[:CARBON_LAYERS]), each(d.temperature_sensitivity))
        * rate(column.layers.depth_weight)
    )


def _drivers(
    state: CarbonState,
    forcing: Forcing,
    heat: HeatMonth,
    moist: water.WaterMonth,
    climate_rate: Float[Array, "*cells"],
    leaf: Float[Array, "*cells"],
    column: Column,
    design: Design,
) -> MonthDrivers:
    """Rates and environments of the month."""
    process, p, h = design.processes, column.parameters, 1.0 / design.carbon_substeps
    d = p.decomposition
    soil = _soil_environment(heat, moist, forcing.air_temperature, design)
    moisture = soil.upper_moisture if design.two_water_layers else soil.moisture
    soil_rate = (
        state.decomposition_rate
        * process.decomposition_moisture(moisture, d.moisture_minimum, d.moisture_optimum, d.moisture_maximum)
        * process.decomposition_temperature(soil.temperature, d.temperature_sensitivity)
    )
    layers = jax.tree.map(design.in_rate_precision, _layer_environment(heat, soil, column, design))
    if design.permafrost.decomposes_layers:
        layer_rate = _layer_rate(state.decomposition_rate, layers.moisture, heat.soil_temperature, column, design)
    else:
        layer_rate = jnp.zeros_like(layers.moisture)
    inputs = jnp.where(design.open_nitrogen, forcing.nitrogen_input, 0.0)
    if design.open_nitrogen:
        inputs = inputs + process.nitrogen_fixation(moist.evapotranspiration, p.nitrogen)
    carbon_rate, nitrogen_rate = process.litterfall(leaf, forcing.air_temperature, p.litter)
    return MonthDrivers(
        climate_rate=climate_rate,
        plant_warmth=process.uptake_temperature(forcing.air_temperature, p.respiration),
        maintenance_warmth=process.maintenance_temperature(forcing.air_temperature, p.respiration),
        soil_loss=litter.loss_rate(soil_rate, h),
        litter_carbon_loss=litter.loss_rate(carbon_rate, h),
        litter_nitrogen_loss=litter.loss_rate(nitrogen_rate, h),
        labile_loss=litter.loss_rate(jnp.ones_like(soil_rate), h),
        access=design.permafrost.access(
            state.store, options.rooting_depth(state.rooting_depth, column, design), p.permafrost
        ),
        root_access=options.root_access(state.rooting_depth, column, design),
        soil_water=soil.water,
        conductivity=process.nitrogen_conductivity(soil.moisture, soil.water),
        layer_conductivity=process.nitrogen_conductivity(layers.moisture, layers.water),
        layer_loss=design.in_pool_precision(litter.loss_rate(layer_rate, h)),
        layer_leaching=options.leaching(design.in_pool_precision(layers.water), moist, column, design),
        nitrogen_input=inputs,
        water_input=moist.rain + moist.snowmelt,
        evapotranspiration=moist.evapotranspiration,
        production_cn=state.production_cn,
        vegetation_cn=state.vegetation_cn,
    )


# --- totals and the year ---------------------------------------------------------------------------------------------


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
    rooting_depth: Array  # m; 0 where roots do not move
    abrupt: abrupt_thaw.AbruptYear  # 0 without abrupt thaw
    baseline_nitrogen: Array
    carbon_residual: Array
    nitrogen_residual: Array


def _fertilization(co2: Float[Array, "*cells"], column: Column) -> Float[Array, "*cells"]:
    """``f_CO2(CO2) / f_CO2(CO2_ref)`` of leaves that lack no water (1)."""
    p, unlimited = column.parameters.photosynthesis, jnp.ones_like(co2)
    reference = column.parameters.nitrogen.reference_co2 * unlimited
    return photosynthesis.co2_response(co2, unlimited, p) / photosynthesis.co2_response(reference, unlimited, p)


def close_year(
    state: CarbonState,
    thaw: permafrost.Thaw,
    co2: Float[Array, "*cells"],
    column: Column,
    controls: Controls,
    design: Design,
) -> tuple[CarbonState, CarbonYear]:
    """After December: Kd from litter quality, phenology extremes, C:N, baseline nitrogen, exposure."""
    process, p = design.processes, column.parameters
    rate = process.litter_quality(
        column.decomposition_rate, state.year_litter_carbon, state.year_litter_nitrogen, p.decomposition
    )
    relative = safe.divide(state.year_evapotranspiration, state.year_potential_evapotranspiration, floor=1e-9)
    vegetation_cn, production_cn = process.plant_cn(relative, co2, _fertilization(co2, column), p.nitrogen)
    tied = state.soil.carbon / p.decomposition.soil_cn
    organic = jnp.where(controls.baseline, tied, state.soil.organic_nitrogen)
    baseline = organic - state.soil.organic_nitrogen
    active = eqx.tree_at(lambda s: s.organic_nitrogen, state.soil, organic)
    store, active, exposure = design.permafrost.expose(
        state.store, active, thaw, controls.expose, controls.follow, p.permafrost
    )
    zero = jnp.zeros_like(state.year_litter_carbon)
    rooting_depth, grown = options.roots_after(state.rooting_depth, state.vegetation_carbon, thaw, controls, p)
    vegetation_carbon = state.vegetation_carbon
    if grown is not None:
        vegetation_carbon = vegetation_carbon - grown
        active = eqx.tree_at(lambda s: s.carbon, active, active.carbon + grown)
    new_state = CarbonState(
        vegetation_carbon=vegetation_carbon,
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
        rooting_depth=rooting_depth,
        ground=state.ground,
    )
    carbon_residual = total_carbon(new_state) - total_carbon(state)
    nitrogen_residual = total_nitrogen(new_state) - total_nitrogen(state) - baseline
    totals = total_carbon(new_state), total_nitrogen(new_state)
    ground, abrupt = options.abrupt_year(state.ground, store, totals, thaw, controls, column, design)
    if ground is not None:
        new_state = dataclasses.replace(new_state, ground=ground)
        carbon_residual = carbon_residual + abrupt.carbon_residual
        nitrogen_residual = nitrogen_residual + abrupt.nitrogen_residual
    return new_state, CarbonYear(
        exposure=exposure,
        rooting_depth=zero if rooting_depth is None else rooting_depth,
        abrupt=abrupt,
        baseline_nitrogen=baseline,
        carbon_residual=carbon_residual,
        nitrogen_residual=nitrogen_residual,
    )
