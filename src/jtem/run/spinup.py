"""Spin-up: soil heat to its periodic state, then carbon and nitrogen on that periodic heat; or years repeated as published.

Heat and water do not depend on carbon, so one periodic year of heat serves the whole carbon spin-up. "After N years" and
"at equilibrium" are different states: the drift of the last year is always returned.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jtem import step
from jtem.constants import MONTH_MEGASECONDS, MONTHS_PER_YEAR
from jtem.numerics.anderson import anderson_step, push
from jtem.numerics.fixed_point import implicit, solve
from jtem.physics import permafrost, soil_heat, water
from jtem.run.years import HeatYear, Pools, many, repeat
from jtem.run.years import heat as heat_year
from jtem.run.years import pools as pools_year
from jtem.state import AnyArray, Cell, Climate, Controls

RESET_YEARS = (3, 6, 10)
"""Years of the heat spin-up after which the deep profile is reset (docs/model.md#h12)."""

ANDERSON_MEMORY = 5
"""Iterates that acceleration looks back on."""

SEARCH = {"iterations": 40, "tolerance": 1e-4, "largest_move": 30.0}
"""Leaps that solve for the year that repeats; MJ m-3 (and mm or m of snow)."""

CLOSURE_TOLERANCE = {"water": 0.01, "carbon": 1.0, "nitrogen": 0.02}
"""mm, gC m-2, gN m-2 a year: TEM's own tests of equilibrium (docs/model.md#i3)."""


Theta = tuple[Climate, Cell, step.Column]
"""What drives a year of heat."""


class PeriodicHeat(NamedTuple):
    """A year of heat that repeats: twelve months, its thaw, and how far from periodic the ground still is."""

    months: step.HeatMonth
    thaw: permafrost.Thaw
    heat_gain: Array  # W m-2, mean over the last year
    largest_change: Array  # degC, largest change of a layer over the last year


class Drift(NamedTuple):
    """Imbalance of the last spin-up year: mm, gC m-2, gN m-2 a year (docs/model.md#i3)."""

    water: Array
    npp_minus_litter: Array
    litter_minus_respiration: Array
    net_ecosystem_production: Array
    uptake_minus_litter_nitrogen: Array
    uptake_minus_mineralization: Array
    litter_nitrogen_minus_mineralization: Array
    nitrogen_input_minus_loss: Array


def periodic_heat(
    thermal: soil_heat.ThermalState,
    climate: Climate,
    cell: Cell,
    column: step.Column,
    *,
    years: int,
    design: step.Design,
    differentiable: bool = False,
) -> tuple[soil_heat.ThermalState, PeriodicHeat]:
    """Soil heat under one repeated year of climate (fields (12,)) for one column: plain years with a reset of the deep
    profile after years 3, 6 and 10, then Anderson acceleration on the enthalpy, then two plain years
    (docs/model.md#h12). Returns the state at a January and the periodic year.

    ``differentiable``: the search is not differentiated; the state before the last year carries the derivative of the
    periodic state (implicit, unknowns: enthalpy of every layer and thermal snow), and the last year is differentiated.
    Where the design solves for the year that repeats, leaps follow the search (docs/model.md#h14).
    """
    climate = _wrapped(climate)
    if _thermal_design(design).solved:
        searched = dataclasses.replace(design, thermal=dataclasses.replace(_thermal_design(design), solved=False))
        held = jax.lax.stop_gradient((thermal, climate, cell, column))
        thermal, _ = periodic_heat(*held, years=years - 1, design=searched)
        thermal = jax.lax.stop_gradient(_solved_heat(thermal, *held[1:], searched))
        if differentiable:
            thermal = _implicit_heat(thermal, climate, cell, column, design)
        return _last_heat_year(thermal, climate, cell, column, design)
    if differentiable:
        held = jax.lax.stop_gradient((thermal, climate, cell, column))
        thermal, _ = periodic_heat(*held, years=years - 1, design=design)
        thermal = _implicit_heat(thermal, climate, cell, column, design)
        return _last_heat_year(thermal, climate, cell, column, design)
    thermal = _searched_heat(thermal, climate, cell, column, years, design)
    return _last_heat_year(thermal, climate, cell, column, design)


def _searched_heat(
    thermal: soil_heat.ThermalState, climate: Climate, cell: Cell, column: step.Column, years: int, design: step.Design
) -> soil_heat.ThermalState:
    """The January after all years but the last of the search (docs/model.md#h12)."""
    weights = jnp.sqrt(jnp.asarray(_thermal_design(design).thickness, jnp.dtype(design.heat_dtype)))

    def plain_year(state: soil_heat.ThermalState) -> tuple[soil_heat.ThermalState, Array]:
        after, made = _thermal_year(state, climate, cell, column, design)
        return after, made.months.soil_temperature.mean(axis=0).astype(weights.dtype)

    def one_year(carried: tuple, year: Array) -> tuple[tuple, None]:
        state, earlier, earlier_residuals, filled = carried
        after, annual_mean = plain_year(state)
        residual = after.enthalpy - state.enthalpy

        def plain(_: None) -> Array:
            return after.enthalpy

        def reset(_: None) -> Array:
            return soil_heat.reset_deep_profile(
                after, annual_mean, _properties(column), _thermal_design(design)
            ).enthalpy

        def accelerate(_: None) -> Array:
            def measure(h: Array) -> Array:
                return soil_heat.column_temperature(dataclasses.replace(after, enthalpy=h), _properties(column))

            return anderson_step(
                earlier, earlier_residuals, filled, state.enthalpy, residual, weights=weights, measure=measure,
                largest_move=5.0,
            )  # fmt: skip

        accelerating = year > RESET_YEARS[-1]
        choice = jnp.where(jnp.isin(year, jnp.asarray(RESET_YEARS)), 1, jnp.where(accelerating, 2, 0))
        enthalpy = jax.lax.switch(choice, (plain, reset, accelerate), None)
        filled = filled + accelerating.astype(filled.dtype)
        carried = (
            dataclasses.replace(after, enthalpy=enthalpy),
            push(earlier, state.enthalpy),
            push(earlier_residuals, residual),
            filled,
        )
        return carried, None

    none = jnp.zeros((ANDERSON_MEMORY, *thermal.enthalpy.shape), thermal.enthalpy.dtype)
    start = (thermal, none, none, jnp.array(0))
    (thermal, *_), _ = many(one_year, start, jnp.arange(1, max(years, 3) - 1))
    return plain_year(thermal)[0]


def _wrapped(climate: Climate) -> Climate:
    """Repeated climate wraps to its own January."""
    return dataclasses.replace(climate, following_air_temperature=climate.air_temperature[0])


def _thermal_year(
    thermal: soil_heat.ThermalState, climate: Climate, cell: Cell, column: step.Column, design: step.Design
) -> tuple[soil_heat.ThermalState, HeatYear]:
    """A year of heat of a design that has soil heat."""
    after, made = heat_year(thermal, climate, cell, column, design=design)
    assert after is not None
    return after, made


def _last_heat_year(
    thermal: soil_heat.ThermalState, climate: Climate, cell: Cell, column: step.Column, design: step.Design
) -> tuple[soil_heat.ThermalState, PeriodicHeat]:
    """One more year, and how far from periodic it is."""
    weights = jnp.sqrt(jnp.asarray(_thermal_design(design).thickness, jnp.dtype(design.heat_dtype)))
    after, made = _thermal_year(thermal, climate, cell, column, design)
    return after, _periodic(made, thermal, after, weights**2, 1, column, design)


def _periodic(
    made: HeatYear,
    before: soil_heat.ThermalState,
    after: soil_heat.ThermalState,
    weights: Array,
    years: int,
    column: step.Column,
    design: step.Design,
) -> PeriodicHeat:
    """Heat between two Januaries, and how far from periodic these years are."""
    dtype = jnp.dtype(design.pool_dtype)
    gained = ((after.enthalpy - before.enthalpy) * weights).sum() / (years * MONTHS_PER_YEAR * MONTH_MEGASECONDS)
    change = soil_heat.column_temperature(after, _properties(column)) - soil_heat.column_temperature(
        before, _properties(column)
    )
    return PeriodicHeat(*made, heat_gain=gained.astype(dtype), largest_change=jnp.abs(change).max().astype(dtype))


def _thermal_design(design: step.Design) -> soil_heat.ThermalDesign:
    if design.thermal is None:
        raise ValueError("this design has no soil heat")
    return design.thermal


def _properties(column: step.Column) -> soil_heat.ThermalProperties:
    if column.thermal is None:
        raise ValueError("this column has no soil heat")
    return column.thermal


def _unknowns(state: soil_heat.ThermalState) -> Array:
    """What a January's heat consists of: enthalpy of every layer, and thermal snow with its depth where it has one."""
    return jnp.concatenate([state.enthalpy, *(x[None] for x in (state.snow, state.snow_depth) if x is not None)])


def _with_unknowns(state: soil_heat.ThermalState, x: Array, climate: Climate) -> soil_heat.ThermalState:
    """The state of :func:`_unknowns`, after the last month of the climate."""
    layers = state.enthalpy.shape[0]
    return dataclasses.replace(
        state,
        enthalpy=x[:layers],
        snow=x[layers],
        snow_depth=None if state.snow_depth is None else x[layers + 1],
        previous_air_temperature=climate.air_temperature[-1].astype(x.dtype),
    )


def _implicit_heat(
    thermal: soil_heat.ThermalState, climate: Climate, cell: Cell, column: step.Column, design: step.Design
) -> soil_heat.ThermalState:
    """The January state with the derivative of the periodic state."""

    def year(x: Array, theta: Theta) -> Array:
        after, _ = _thermal_year(_with_unknowns(thermal, x, theta[0]), *theta, design)
        return _unknowns(after)

    theta = (climate, cell, column)
    return _with_unknowns(thermal, implicit(year, _unknowns(thermal), theta), climate)


def _solved_heat(
    thermal: soil_heat.ThermalState, climate: Climate, cell: Cell, column: step.Column, design: step.Design
) -> soil_heat.ThermalState:
    """The January state that repeats, by leaps of the linearised year from ``thermal``, in the precision of pools."""
    exact = dataclasses.replace(design, heat_dtype=design.pool_dtype)
    wide, ground = jax.tree.map(lambda leaf: leaf.astype(design.pool_dtype), (thermal, column.thermal))
    column = dataclasses.replace(column, thermal=ground)

    def year(x: Array) -> Array:
        return _unknowns(_thermal_year(_with_unknowns(wide, x, climate), climate, cell, column, exact)[0])

    start = _unknowns(wide)
    found = solve(year, start, lowest=jnp.full_like(start, -jnp.inf), **SEARCH)
    good = found.finite
    x = jnp.where(good, found.x, start).astype(thermal.enthalpy.dtype)
    return _with_unknowns(thermal, x, climate)


def cycle_heat(
    thermal: soil_heat.ThermalState,
    climate: Climate,
    cell: Cell,
    column: step.Column,
    *,
    passes: int,
    design: step.Design,
) -> tuple[soil_heat.ThermalState, PeriodicHeat]:
    """Soil heat under a repeated cycle of years (fields (year, 12)): the last of ``passes`` plain passes, year axis first.

    Start from the periodic state of the cycle's mean year. ``heat_gain`` and ``largest_change`` are those of the last pass.
    """
    wrapped = dataclasses.replace(climate, following_air_temperature=jnp.roll(climate.air_temperature[:, 0], -1))
    weights = jnp.asarray(_thermal_design(design).thickness, jnp.dtype(design.heat_dtype))

    def one_pass(state: soil_heat.ThermalState) -> tuple[soil_heat.ThermalState, HeatYear]:
        return many(lambda carried, year: _thermal_year(carried, year, cell, column, design), state, wrapped)

    thermal = repeat(lambda state: one_pass(state)[0], thermal, max(passes - 1, 0))
    after, made = one_pass(thermal)
    return after, _periodic(made, thermal, after, weights, climate.co2.shape[0], column, design)


def repeat_carbon(
    wet: step.WaterStateWithThaw,
    carbon: step.CarbonState,
    heat: PeriodicHeat | HeatYear,
    climate: Climate,
    cell: Cell,
    column: step.Column,
    controls: Controls,
    *,
    years: int,
    design: step.Design,
) -> tuple[step.WaterStateWithThaw, step.CarbonState, Drift]:
    """Water, carbon and nitrogen of one column repeated on a periodic year of heat and climate (fields (12,))."""
    made = HeatYear(heat.months, heat.thaw)

    def one_year(carried: Pools) -> tuple[Pools, Drift]:
        carried, (moist, fluxes), closed_ = pools_year(
            carried,
            climate,
            made,
            controls,
            cell,
            column,
            design=design,
            keep=lambda month: (month.water, month.carbon),
        )
        return carried, year_drift(climate, moist, fluxes, closed_.baseline_nitrogen)

    carried = (wet, carbon)
    if years > 1:
        carried = repeat(lambda state: one_year(state)[0], carried, years - 1)
    (wet, carbon), last = one_year(carried)
    return wet, carbon, last


def year_drift(
    climate: Climate, moist: water.WaterMonth, fluxes: step.CarbonMonth, baseline_nitrogen: Float[Array, ""]
) -> Drift:
    """Imbalances of a year from its twelve months (stacked first)."""
    npp, litter = fluxes.net_primary_production.sum(axis=0), fluxes.litterfall_carbon.sum(axis=0)
    respired = fluxes.heterotrophic_respiration.sum(axis=0)
    uptake, litter_nitrogen = fluxes.nitrogen_uptake.sum(axis=0), fluxes.litterfall_nitrogen.sum(axis=0)
    mineralized = fluxes.net_nitrogen_mineralization.sum(axis=0)
    nitrogen_input = fluxes.nitrogen_input.sum(axis=0) + baseline_nitrogen
    return Drift(
        water=climate.precipitation.sum() - moist.evapotranspiration.sum(axis=0) - moist.runoff.sum(axis=0),
        npp_minus_litter=npp - litter,
        litter_minus_respiration=litter - respired,
        net_ecosystem_production=npp - respired,
        uptake_minus_litter_nitrogen=uptake - litter_nitrogen,
        uptake_minus_mineralization=uptake - mineralized,
        litter_nitrogen_minus_mineralization=litter_nitrogen - mineralized,
        nitrogen_input_minus_loss=nitrogen_input - fluxes.nitrogen_loss.sum(axis=0),
    )


def spin_up(
    state: step.State,
    climate: Climate,
    cell: Cell,
    parameters: step.Parameters,
    *,
    heat_years: int,
    years: int,
    design: step.Design,
) -> tuple[step.State, Drift, PeriodicHeat]:
    """One column: periodic heat, then ``years`` of water, carbon and nitrogen with soil N tied to soil C (``baseline``).

    ``climate``: one year (fields (12,) and ()). With the ``layered`` scheme the permafrost layers are empty until the base
    year, so they are left out here. Without soil heat the snow rule holds.
    """
    column = step.derive(parameters, cell, design)
    thermal, heat = heat_of_one_year(state.thermal, climate, cell, column, years=heat_years, design=design)
    lean, lean_column, carbon = without_layers(state.carbon, cell, parameters, column, design)
    wet, carbon, drift = repeat_carbon(
        state.water, carbon, heat, climate, cell, lean_column, baseline_controls(), years=years, design=lean
    )
    carbon = with_layers(carbon, state.carbon, heat.thaw, design)
    return step.State(thermal, wet, carbon), drift, heat


def baseline_controls() -> Controls:
    """Soil nitrogen tied to soil carbon, nothing exposed, accessible shares follow the active layer."""
    return Controls(baseline=jnp.array(True), expose=jnp.array(False), follow=jnp.array(True))


def heat_of_one_year(
    thermal: soil_heat.ThermalState | None,
    climate: Climate,
    cell: Cell,
    column: step.Column,
    *,
    years: int,
    design: step.Design,
    differentiable: bool = False,
) -> tuple[soil_heat.ThermalState | None, PeriodicHeat]:
    """:func:`periodic_heat`, or the year without soil heat where the design has none."""
    if design.thermal is None or thermal is None:
        _, made = heat_year(None, climate, cell, column, design=design)
        zero = jnp.zeros_like(cell.elevation)
        return None, PeriodicHeat(*made, heat_gain=zero, largest_change=zero)
    return periodic_heat(thermal, climate, cell, column, years=years, design=design, differentiable=differentiable)


def without_layers(
    carbon: step.CarbonState, cell: Cell, parameters: step.Parameters, column: step.Column, design: step.Design
) -> tuple[step.Design, step.Column, step.CarbonState]:
    """Design, column and carbon state for a spin-up: the 25 layers of ``layered`` are empty until the base year."""
    if not design.permafrost.decomposes_layers:
        return design, column, carbon
    lean = dataclasses.replace(design, permafrost=permafrost.NONE)
    store = permafrost.empty_store(0, carbon.store.reference_thaw)
    return lean, step.derive(parameters, cell, lean), dataclasses.replace(carbon, store=store)


def with_layers(
    carbon: step.CarbonState, before: step.CarbonState, thaw: permafrost.Thaw, design: step.Design
) -> step.CarbonState:
    """Put the empty layers of ``before`` back after :func:`without_layers`."""
    if not design.permafrost.decomposes_layers:
        return carbon
    store = dataclasses.replace(before.store, reference_thaw=thaw.active_layer_thickness)
    return dataclasses.replace(carbon, store=store)


def closed(drift: Drift) -> AnyArray:
    """Whether all of TEM's closure tests hold (docs/model.md#i3); scalar or per column."""

    def small(value: AnyArray, kind: str) -> AnyArray:
        return abs(value) <= CLOSURE_TOLERANCE[kind]

    return (
        small(drift.water, "water")
        & small(drift.npp_minus_litter, "carbon")
        & small(drift.litter_minus_respiration, "carbon")
        & small(drift.net_ecosystem_production, "carbon")
        & small(drift.uptake_minus_litter_nitrogen, "nitrogen")
        & small(drift.uptake_minus_mineralization, "nitrogen")
        & small(drift.litter_nitrogen_minus_mineralization, "nitrogen")
        & small(drift.nitrogen_input_minus_loss, "nitrogen")
    )
