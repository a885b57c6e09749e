"""The water pass: PET, snowpack, soil water, runoff. It needs the thaw of the same month."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from jtem.physics import permafrost, radiation, water
from jtem.state import Controls, Forcing
from jtem.step.column import Column, Design
from jtem.step.heat import HeatMonth


class WaterStateWithThaw(eqx.Module):
    """Water stores and the active layer (m) they refer to (``thaw_ratio``)."""

    stores: water.WaterState
    reference_thaw: Float[Array, "*cells"]


def start(air_temperature: Float[Array, "12"], column: Column) -> WaterStateWithThaw:
    """Stores on the first of January from a year of air temperature (degC)."""
    stores = water.initial_state(air_temperature[11], air_temperature[10], column.hydraulics)
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
    available, capacity = water.available_water(stores.soil_water, heat.thawed_root_depth, column.hydraulics, p.water)
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
    return WaterStateWithThaw(new_stores, state.reference_thaw), out


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
