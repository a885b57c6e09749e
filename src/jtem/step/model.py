"""The model on one page: a month is heat, water, carbon; a year closes after twelve of them.

Everything is pure and for one cell; ``run`` scans it over time and vmaps it over cells. The passes may also run apart, each
for many months: heat needs neither water nor carbon, and water needs no carbon.
"""

from __future__ import annotations

import equinox as eqx
import jax
from jaxtyping import Array, Float

from jtem.numerics.kernels import derivative_computed_once
from jtem.numerics.layers import over_layers
from jtem.physics import permafrost, soil_heat
from jtem.physics.water import WaterMonth, total_water
from jtem.state import Cell, Controls, Forcing
from jtem.step import carbon, heat, water
from jtem.step.column import Column, Design


class State(eqx.Module):
    """Everything that a restart needs."""

    thermal: soil_heat.ThermalState | None
    water: water.WaterStateWithThaw
    carbon: carbon.CarbonState


class MonthOutput(eqx.Module):
    """All outputs of a month."""

    heat: heat.HeatMonth
    water: WaterMonth
    carbon: carbon.CarbonMonth


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
    rooting_depth: Float[Array, "*cells"]
    abrupt_thaw_carbon_dioxide: Float[Array, "*cells"]
    abrupt_thaw_methane: Float[Array, "*cells"]
    abrupt_thaw_exposed_carbon: Float[Array, "*cells"]
    abrupt_thaw_area: Float[Array, "*cells"]
    abrupt_thaw_active_area: Float[Array, "*cells"]
    abrupt_thaw_carbon: Float[Array, "*cells"]
    undisturbed_production: Float[Array, "*cells"]
    landscape_carbon_balance: Float[Array, "*cells"]
    baseline_nitrogen: Float[Array, "*cells"]
    decomposition_rate: Float[Array, "*cells"]
    optimum_temperature: Float[Array, "*cells"]
    year_carbon_residual: Float[Array, "*cells"]
    year_nitrogen_residual: Float[Array, "*cells"]
    year_water_residual: Float[Array, "*cells"]


def start(
    column: Column,
    cell: Cell,
    air_temperature: Float[Array, "12"],
    shortwave_radiation: Float[Array, "12"],
    design: Design,
) -> State:
    """State on the first of January from a year of air temperature (degC) and shortwave radiation (W m-2)."""
    return State(
        thermal=heat.start(air_temperature, column, design),
        water=water.start(air_temperature, column, design),
        carbon=carbon.start(cell, air_temperature, shortwave_radiation, column, design),
    )


def month(state: State, forcing: Forcing, column: Column, *, design: Design) -> tuple[State, MonthOutput]:
    """One month of the whole model: snow and soil heat, water, carbon and nitrogen."""
    thermal, warm = derivative_computed_once(heat.month(state.thermal, forcing, column, design))

    def water_and_carbon(
        state: State, forcing: Forcing, warm: heat.HeatMonth, column: Column
    ) -> tuple[water.WaterStateWithThaw, WaterMonth, carbon.CarbonState, carbon.CarbonMonth]:
        wet, moist = derivative_computed_once(water.month(state.water, forcing, warm, column, design))
        new_carbon, fluxes = carbon.month(state.carbon, forcing, warm, moist, column, design)
        return wet, moist, new_carbon, fluxes

    # a gradient redoes water and carbon of a month rather than keep their intermediate values for a whole year
    redone = jax.checkpoint(water_and_carbon, prevent_cse=False)
    wet, moist, new_carbon, fluxes = redone(State(None, state.water, state.carbon), forcing, warm, column)
    return State(thermal, wet, new_carbon), MonthOutput(warm, moist, fluxes)


def close_year(
    state: State, co2: Float[Array, "*cells"], column: Column, controls: Controls, *, design: Design
) -> tuple[State, YearOutput]:
    """After December: the yearly memory rolls, thaw exposes matter."""
    thermal, thaw = heat.close_year(state.thermal, column, design)
    wet, exposed_water = water.close_year(state.water, thaw, column, controls, design)
    new_carbon, year = carbon.close_year(state.carbon, thaw, co2, column, controls, design)
    residual = total_water(wet.stores) - total_water(state.water.stores)
    return State(thermal, wet, new_carbon), year_values(thaw, exposed_water, residual, new_carbon, year)


def year_values(
    thaw: permafrost.Thaw,
    exposed_water: Float[Array, "*cells"],
    water_residual: Float[Array, "*cells"],
    state: carbon.CarbonState,
    year: carbon.CarbonYear,
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
        rooting_depth=year.rooting_depth,
        abrupt_thaw_carbon_dioxide=year.abrupt.carbon_dioxide,
        abrupt_thaw_methane=year.abrupt.methane,
        abrupt_thaw_exposed_carbon=year.abrupt.exposed_carbon,
        abrupt_thaw_area=year.abrupt.area,
        abrupt_thaw_active_area=year.abrupt.active_area,
        abrupt_thaw_carbon=year.abrupt.carbon,
        undisturbed_production=year.abrupt.production,
        landscape_carbon_balance=year.abrupt.production - year.abrupt.carbon_dioxide - year.abrupt.methane,
        baseline_nitrogen=year.baseline_nitrogen,
        decomposition_rate=state.decomposition_rate,
        optimum_temperature=state.phenology.optimum_temperature,
        year_carbon_residual=year.carbon_residual,
        year_nitrogen_residual=year.nitrogen_residual,
        year_water_residual=water_residual,
    )


def begin_permafrost(state: State, cell: Cell, column: Column, thaw: permafrost.Thaw, design: Design) -> State:
    """Fill the frozen stores from the pools, the observed profile and the base thaw (m) of a stage's start.

    The scheme says when (``design.permafrost.fills``): ``thaw_ratio`` at the start of history, ``layered`` at its base years.
    """
    profile = permafrost.Profile(cell.soil_carbon_profile, cell.soil_nitrogen_profile)
    store = design.permafrost.begin(state.carbon.store, state.carbon.soil, thaw, profile, column.parameters.permafrost)
    return State(
        thermal=state.thermal,
        water=water.begin_permafrost(state.water, thaw, column, design),
        carbon=eqx.tree_at(lambda c: c.store, state.carbon, store),
    )
