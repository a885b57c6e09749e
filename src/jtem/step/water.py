"""The water pass: PET, snowpack, soil water, runoff. It needs the thaw of the same month."""

from __future__ import annotations

import dataclasses

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from jtem.physics import permafrost, radiation, soil_heat, water
from jtem.state import Controls, Forcing
from jtem.step.column import Column, Design
from jtem.step.heat import HeatMonth


class WaterStateWithThaw(eqx.Module):
    """Water stores and the active layer (m) they refer to (``thaw_ratio``)."""

    stores: water.WaterState
    reference_thaw: Float[Array, "*cells"]


def start(air_temperature: Float[Array, "12"], column: Column, design: Design) -> WaterStateWithThaw:
    """Stores on the first of January from a year of air temperature (degC)."""
    stores = water.initial_state(
        air_temperature[11], air_temperature[10], column.hydraulics, layers=design.two_water_layers
    )
    return WaterStateWithThaw(stores, column.hydraulics.rooting_depth)


def month(
    state: WaterStateWithThaw, forcing: Forcing, heat: HeatMonth, column: Column, design: Design
) -> tuple[WaterStateWithThaw, water.WaterMonth]:
    """Snow or rain, melt, PET, EET, percolation and runoff of a month."""
    process, p, stores = design.processes, column.parameters, state.stores
    potential = process.potential_evapotranspiration(
        forcing.air_temperature, radiation.tem_radiation(forcing.shortwave_radiation), forcing.days, p.radiation
    )
    snowfall, rain = process.snowfall_and_rain(forcing.precipitation, forcing.air_temperature, p.water)
    melt = process.snowmelt(
        stores.snowpack, forcing.air_temperature, stores.previous_air_temperature, column.elevation, p.water
    )
    available, capacity, layers = _available(stores, heat, column, design)
    evaporated = process.evapotranspiration(rain + melt, potential, available, capacity, forcing.days, p.water)
    new_stores, out = process.water_balance(
        stores,
        precipitation=forcing.precipitation,
        snowfall=snowfall,
        rain=rain,
        melt=melt,
        evapotranspiration=evaporated,
        potential=potential,
        available=available,
        capacity=capacity,
        air_temperature=forcing.air_temperature,
        elevation=column.elevation,
        soil=column.hydraulics,
        p=p.water,
    )
    if layers is not None and stores.upper_water is not None:
        upper = water.upper_water_after(
            stores.upper_water,
            layers,
            water_input=rain + melt,
            evapotranspiration=out.evapotranspiration,
            days=forcing.days,
            soil=column.hydraulics,
            p=p.water,
        )
        out = water.with_layers(out, stores.upper_water, upper, column.hydraulics)
        new_stores = dataclasses.replace(new_stores, upper_water=upper)
    return WaterStateWithThaw(new_stores, state.reference_thaw), out


def _available(
    stores: water.WaterState, heat: HeatMonth, column: Column, design: Design
) -> tuple[Float[Array, "*cells"], Float[Array, "*cells"], water.WaterLayers | None]:
    """Water in reach of roots and how much of it fits (mm), and both by layer where soil water is two layers."""
    soil, p = column.hydraulics, column.parameters.water
    if stores.upper_water is None:
        return *water.available_water(stores.soil_water, heat.thawed_root_depth, soil, p), None
    upper = soil.upper_depth
    if design.thermal is not None:
        upper = soil_heat.thawed_thickness(heat.thawed_fraction, upper, design.thermal.reported_edges)
    layers = water.two_layers(stores.soil_water, stores.upper_water, heat.thawed_root_depth, upper, soil, p)
    available = layers.upper_available + layers.lower_available
    return available, layers.upper_capacity + layers.lower_capacity, layers


def close_year(
    state: WaterStateWithThaw, thaw: permafrost.Thaw, column: Column, controls: Controls, design: Design
) -> tuple[WaterStateWithThaw, Float[Array, "*cells"]]:
    """Scheme ``thaw_ratio`` moves soil water with the active layer; returns the exposed water (mm)."""
    if not design.permafrost.moves_water:
        return state, jnp.zeros_like(state.reference_thaw)
    p = column.parameters.permafrost
    current = permafrost.ratio_thaw(thaw, p)
    current = jnp.where(controls.expose | controls.follow, current, state.reference_thaw)
    ratio = jnp.where(controls.expose, permafrost.profile_ratio(state.reference_thaw, current, p), 1.0)
    stores, exposed = water.expose_water(state.stores, ratio, column.hydraulics)
    return WaterStateWithThaw(stores, current), exposed


def begin_permafrost(
    state: WaterStateWithThaw, thaw: permafrost.Thaw, column: Column, design: Design
) -> WaterStateWithThaw:
    """Fill the frozen water from the base thaw (m), where the scheme moves water."""
    if not design.permafrost.moves_water:
        return state
    p = column.parameters.permafrost
    reference = permafrost.ratio_thaw(thaw, p)
    frozen = state.stores.soil_water * permafrost.frozen_per_active(reference, p)
    return WaterStateWithThaw(eqx.tree_at(lambda s: s.frozen_water, state.stores, frozen), reference)
