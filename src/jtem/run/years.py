"""Time: twelve months make a year, years follow each other. The only file with a loop over months.

Heat and water do not depend on carbon or CO2. So a year is either :func:`inline` (heat, water and carbon of a month one after
the other) or passes that run apart, each on what those before it give: :func:`heat`, :func:`water`, :func:`carbon`.
:func:`pools` is water and carbon together on given heat, as a spin-up repeats it. All are of one column and made of the same
functions of ``step``: there is one physics. Batches run :func:`cells_last`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Hashable
from typing import NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, PyTree

from jtem import step
from jtem.constants import DAYS_IN_MONTH
from jtem.numerics.batching import trailing_batch
from jtem.physics import permafrost, soil_heat
from jtem.physics import water as water_physics
from jtem.records import Selection
from jtem.state import AnyArray, Cell, Climate, Controls, Forcing

Outputs = dict[str, dict[str, AnyArray]]
"""``{"monthly": {variable: (..., 12, ...)}, "annual": {variable: (...)}}``."""


# --- what is kept ------------------------------------------------------------------------------------------------------


S = TypeVar("S")
X = TypeVar("X")
Y = TypeVar("Y")
"""What a loop carries, reads of each turn and stacks."""
Pools = tuple[step.WaterStateWithThaw, step.CarbonState]


def month_fields(output: step.MonthOutput) -> dict[str, Array]:
    """All monthly outputs of the model by name; :func:`forcing_fields` has those that are its forcing."""
    return {**vars(output.heat), **vars(output.water), **vars(output.carbon)}


def forcing_fields(climate: Climate) -> dict[str, jax.Array]:
    """The climate of one year and cell (arrays (12,), CO2 scalar) as monthly outputs by name: all that forces the model.

    A run that holds a factor is given, and so shows, the held one.
    """
    air = jnp.asarray(climate.air_temperature)
    return {
        "air_temperature": air,
        "precipitation": jnp.asarray(climate.precipitation),
        "shortwave_radiation": jnp.asarray(climate.shortwave_radiation),
        "co2": jnp.broadcast_to(climate.co2, air.shape),
    }


def _chosen(output: step.MonthOutput, selection: Selection) -> dict[str, Array]:
    """Outputs of a month that the selection needs; its forcing is added at the year's end."""
    wanted = {*selection.monthly, *(name for name, how in selection.annual if how != "year")}
    return {name: values for name, values in month_fields(output).items() if name in wanted}


def _reduce(values: Array, how: str) -> Array:
    if how == "sum":
        return values.sum(axis=0)
    if how == "mean":
        return values.mean(axis=0)
    if how == "last":
        return values[-1]
    if how == "max":
        return values.max(axis=0)
    raise ValueError(f"unknown yearly reduction '{how}'; use sum, mean, last, max or year")


def _select(months: dict[str, Array], climate: Climate, year: step.YearOutput, selection: Selection) -> Outputs:
    months, once = {**months, **forcing_fields(climate)}, vars(year)
    annual = {name: once[name] if how == "year" else _reduce(months[name], how) for name, how in selection.annual}
    return {"monthly": {name: months[name] for name in selection.monthly}, "annual": annual}


# --- one year of one column ----------------------------------------------------------------------------------------------


class HeatYear(NamedTuple):
    """A year of the heat pass (or years, first axis): months (12, ...) and the thaw of the year."""

    months: step.HeatMonth
    thaw: permafrost.Thaw


class WaterYear(NamedTuple):
    """A year of the water pass (or years, first axis): months (12,), exposed water (mm) and what closing the year added (mm)."""

    months: water_physics.WaterMonth
    exposed: Array
    residual: Array


class Drivers(NamedTuple):
    """What the carbon pass needs of the passes before it. The CO2 of ``climate`` is not used."""

    climate: Climate
    heat: HeatYear
    water: WaterYear


def year_forcing(climate: Climate, cell: Cell) -> Forcing:
    """One year of one cell (arrays (12,), scalars) as twelve months of forcing stacked first."""
    air = climate.air_temperature
    following = jnp.concatenate([air[1:], climate.following_air_temperature[None]])
    days = jnp.asarray(DAYS_IN_MONTH, air.dtype).reshape((-1,) + (1,) * (air.ndim - 1))
    return Forcing(
        air_temperature=air,
        next_air_temperature=following,
        precipitation=climate.precipitation,
        shortwave_radiation=climate.shortwave_radiation,
        top_of_atmosphere=cell.top_of_atmosphere,
        co2=jnp.broadcast_to(climate.co2, air.shape),
        nitrogen_input=climate.nitrogen_input,
        days=jnp.broadcast_to(days, air.shape),
    )


def months(month: Callable[..., tuple[S, Y]], state: S, climate: Climate, cell: Cell, *given: PyTree) -> tuple[S, Y]:
    """The loop over the months of a year: ``month(state, forcing, *given)`` gives the next state and what is stacked.

    ``given``: trees whose leaves lead with the twelve months.
    """

    def body(carried: S, inputs: tuple) -> tuple[S, Y]:
        return month(carried, *inputs)

    return jax.lax.scan(body, state, (year_forcing(climate, cell), *given))


def heat(
    state: soil_heat.ThermalState | None, climate: Climate, cell: Cell, column: step.Column, *, design: step.Design
) -> tuple[soil_heat.ThermalState | None, HeatYear]:
    """Soil heat of a year. Without soil heat (state None) the year of TEM's snow rule."""

    def month(
        carried: soil_heat.ThermalState | None, forcing: Forcing
    ) -> tuple[soil_heat.ThermalState | None, step.HeatMonth]:
        return step.heat_month(carried, forcing, column, design)

    state, made = months(month, state, climate, cell)
    state, thaw = step.heat_close_year(state, column, design)
    return state, HeatYear(made, thaw)


def water(
    state: step.WaterStateWithThaw,
    climate: Climate,
    heat: HeatYear,
    controls: Controls,
    cell: Cell,
    column: step.Column,
    *,
    design: step.Design,
) -> tuple[step.WaterStateWithThaw, WaterYear]:
    """Water of a year on its months of heat."""

    def month(
        carried: step.WaterStateWithThaw, forcing: Forcing, month_heat: step.HeatMonth
    ) -> tuple[step.WaterStateWithThaw, water_physics.WaterMonth]:
        return step.water_month(carried, forcing, month_heat, column, design)

    before, made = months(month, state, climate, cell, heat.months)
    after, exposed = step.water_close_year(before, heat.thaw, column, controls, design)
    residual = water_physics.total_water(after.stores) - water_physics.total_water(before.stores)
    return after, WaterYear(made, exposed, residual)


def carbon(
    state: step.CarbonState,
    drivers: Drivers,
    controls: Controls,
    cell: Cell,
    column: step.Column,
    *,
    design: step.Design,
    selection: Selection,
) -> tuple[step.CarbonState, Outputs]:
    """Carbon and nitrogen of a year on its months of heat and water."""
    climate, year_heat, year_water = drivers

    def month(
        carried: step.CarbonState, forcing: Forcing, month_heat: step.HeatMonth, moist: water_physics.WaterMonth
    ) -> tuple[step.CarbonState, dict[str, Array]]:
        carried, fluxes = step.carbon_month(carried, forcing, month_heat, moist, column, design)
        return carried, _chosen(step.MonthOutput(month_heat, moist, fluxes), selection)

    state, made = months(month, state, climate, cell, year_heat.months, year_water.months)
    state, closed = step.carbon_close_year(state, year_heat.thaw, climate.co2, column, controls, design)
    year = step.year_values(year_heat.thaw, year_water.exposed, year_water.residual, state, closed)
    return state, _select(made, climate, year, selection)


def pools(
    state: Pools,
    climate: Climate,
    heat: HeatYear,
    controls: Controls,
    cell: Cell,
    column: step.Column,
    *,
    design: step.Design,
    keep: Callable[[step.MonthOutput], Y],
) -> tuple[Pools, Y, step.CarbonYear]:
    """Water, carbon and nitrogen of a year on its months of heat: state, ``keep`` of every month, what closed the carbon year."""

    def month(carried: Pools, forcing: Forcing, month_heat: step.HeatMonth) -> tuple[Pools, Y]:
        wet, carbon_ = carried
        wet, moist = step.water_month(wet, forcing, month_heat, column, design)
        carbon_, fluxes = step.carbon_month(carbon_, forcing, month_heat, moist, column, design)
        return (wet, carbon_), keep(step.MonthOutput(month_heat, moist, fluxes))

    (wet, carbon_), kept = months(month, state, climate, cell, heat.months)
    wet, _ = step.water_close_year(wet, heat.thaw, column, controls, design)
    carbon_, closed = step.carbon_close_year(carbon_, heat.thaw, climate.co2, column, controls, design)
    return (wet, carbon_), kept, closed


def inline(
    state: step.State,
    climate: Climate,
    controls: Controls,
    cell: Cell,
    column: step.Column,
    *,
    design: step.Design,
    selection: Selection,
) -> tuple[step.State, Outputs]:
    """The whole model for a year, month by month. Climate fields have shape (12,) or ()."""

    def month(carried: step.State, forcing: Forcing) -> tuple[step.State, dict[str, Array]]:
        carried, output = step.month(carried, forcing, column, design=design)
        return carried, _chosen(output, selection)

    state, made = months(month, state, climate, cell)
    state, closed = step.close_year(state, climate.co2, column, controls, design=design)
    return state, _select(made, climate, closed, selection)


@functools.lru_cache(maxsize=256)
def cells_last(year: Callable[..., Y], **fixed: Hashable) -> Callable[..., Y]:
    """``year`` with its keyword arguments ``fixed``, which ``vmap`` runs on arrays with cells last; one object each, so that
    traces are shared.

    Passes run apart and years run inline are batched by the same function, so that both round alike.
    """
    return trailing_batch(functools.partial(year, **fixed))


# --- many years of one column --------------------------------------------------------------------------------------------


def many(
    year: Callable[[S, X], tuple[S, Y]], state: S, inputs: X, *, running: Bool[Array, " year"] | None = None
) -> tuple[S, Y]:
    """The loop over years: ``year(state, inputs of the year)`` gives the next state and what is stacked.

    Years that are not ``running`` leave the state alone and cost nothing (they pad a block of fixed length); their outputs are 0.
    """
    if running is None:
        return jax.lax.scan(year, state, inputs)

    def guarded(carried: S, given: tuple[Array, X]) -> tuple[S, Y]:
        runs, of_year = given
        shapes = jax.eval_shape(year, carried, of_year)[1]

        def rest(s: S, _: X) -> tuple[S, Y]:
            return s, jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

        return jax.lax.cond(runs, year, rest, carried, of_year)

    return jax.lax.scan(guarded, state, (running, inputs))


def repeat(year: Callable[[S], S], state: S, times: int) -> S:
    """State after ``times`` applications of ``year(state)``."""
    return jax.lax.scan(lambda carried, _: (year(carried), None), state, None, length=times)[0]


def simulate(
    state: step.State,
    climate: Climate,
    cell: Cell,
    parameters: step.Parameters,
    controls: Controls,
    *,
    design: step.Design,
    selection: Selection,
    active: jax.Array | None = None,
) -> tuple[step.State, Outputs]:
    """Many years of one cell; differentiable, year-wise rematerialised.

    Climate fields (year, 12) or (year,); controls (year,); outputs lead with the year axis. Years whose ``active`` is
    False leave the state untouched and cost nothing (they pad a block of fixed length).
    """
    column = step.derive(parameters, cell, design)
    year = cells_last(inline, design=design, selection=selection)

    def one_year(carried: step.State, inputs: tuple[Climate, Controls]) -> tuple[step.State, Outputs]:
        return year(carried, *inputs, cell, column)

    body = jax.checkpoint(one_year, policy=step.KEEP_PHASES)
    return many(body, state, (climate, controls), running=active)


def heat_years(
    state: soil_heat.ThermalState | None,
    climate: Climate,
    cell: Cell,
    parameters: step.Parameters,
    active: Array | None,
    *,
    design: step.Design,
) -> tuple[soil_heat.ThermalState | None, HeatYear]:
    """Heat pass of one cell: thermal state after the years, heat months (year, 12, ...) and thaw (year,)."""
    column = step.derive(parameters, cell, design)
    year = cells_last(heat, design=design)
    return many(lambda carried, of_year: year(carried, of_year, cell, column), state, climate, running=active)


def water_years(
    state: step.WaterStateWithThaw,
    climate: Climate,
    heat: HeatYear,
    controls: Controls,
    cell: Cell,
    parameters: step.Parameters,
    active: Array | None,
    *,
    design: step.Design,
) -> tuple[step.WaterStateWithThaw, WaterYear]:
    """Water pass of one cell on years of heat: water state; water months (year, 12), exposed water and residual (year,)."""
    column = step.derive(parameters, cell, design)
    year = cells_last(water, design=design)
    inputs = (climate, heat, controls)
    return many(lambda carried, of_year: year(carried, *of_year, cell, column), state, inputs, running=active)


def carbon_years(
    states: tuple[step.CarbonState, ...],
    drivers: tuple[Drivers, ...],
    co2: Array,
    controls: Controls,
    cells: Cell,
    parameters: step.Parameters,
    active: Array | None,
    *,
    design: step.Design,
    selection: Selection,
) -> tuple[tuple[step.CarbonState, ...], Outputs]:
    """Carbon pass of stacked cells for one or more runs at once.

    ``states`` and ``drivers`` of each run: (cell, ...) and (cell, year, ...); ``co2``: (cell, run, year) ppm; ``controls``:
    (run, year). Returns the states of each run (cell, ...) and the selected outputs (cell, run, year, ...).

    Cells and runs are one flat batch: with a run axis of its own the compiler would round shared terms otherwise than in
    the inline run (measured: one unit in the last place).
    """
    count, runs = co2.shape[:2]

    def flat(leaf: Array) -> Array:
        return leaf.reshape(count * runs, *leaf.shape[2:])

    def joined(trees: tuple) -> PyTree:
        return jax.tree.map(lambda *leaves: flat(jnp.stack(leaves, axis=1)), *trees)

    flat_cells = jax.tree.map(lambda leaf: jnp.repeat(leaf, runs, axis=0), cells)
    columns = jax.vmap(lambda cell: step.derive(parameters, cell, design))(flat_cells)
    year = cells_last(carbon, design=design, selection=selection)

    def run_year(
        carried: step.CarbonState, of_year: Drivers, ppm: Array, switches: Controls, cell: Cell, column: step.Column
    ) -> tuple[step.CarbonState, Outputs]:
        of_year = of_year._replace(climate=dataclasses.replace(of_year.climate, co2=ppm))
        return year(carried, of_year, switches, cell, column)

    def one_year(carried: step.CarbonState, inputs: tuple) -> tuple[step.CarbonState, Outputs]:
        of_year, ppm, switches = inputs
        switches = jax.tree.map(lambda leaf: jnp.tile(leaf, count), switches)
        return jax.vmap(run_year)(carried, joined(of_year), flat(ppm), switches, flat_cells, columns)

    by_year = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 1, 0), drivers)
    inputs = (by_year, jnp.moveaxis(co2, 2, 0), jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), controls))
    state, outputs = many(one_year, joined(states), inputs, running=active)
    state = jax.tree.map(lambda leaf: leaf.reshape(count, runs, *leaf.shape[1:]), state)
    ends = tuple(jax.tree.map(lambda leaf, run=run: leaf[:, run], state) for run in range(runs))
    return ends, jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, 1).reshape(count, runs, -1, *leaf.shape[2:]), outputs)


def with_thaw(heat: HeatYear, thaw: HeatYear) -> HeatYear:
    """Heat whose thaw, as water and photosynthesis see it, is another one's."""
    if thaw is heat:
        return heat
    other = (thaw.months.freeze_thaw_factor, thaw.months.thawed_root_depth)
    seen = eqx.tree_at(lambda months: (months.freeze_thaw_factor, months.thawed_root_depth), heat.months, other)
    return heat._replace(months=seen)


# --- small things ----------------------------------------------------------------------------------------------------------


def constant_controls(
    years: int,
    *,
    baseline: bool = False,
    expose: bool = False,
    follow: bool = True,
    roots: bool = True,
    abrupt: bool = True,
) -> Controls:
    """The same switches in every year."""
    given = {"baseline": baseline, "expose": expose, "follow": follow, "roots": roots, "abrupt": abrupt}
    return Controls(**{name: np.full((years,), value) for name, value in given.items()})


def mean_year(climate: Climate) -> Climate:
    """The mean year of a cycle for one cell: (year, 12) to (12,); it wraps to its own January."""
    air = climate.air_temperature.mean(axis=0)
    return Climate(
        air_temperature=air,
        precipitation=climate.precipitation.mean(axis=0),
        shortwave_radiation=climate.shortwave_radiation.mean(axis=0),
        co2=climate.co2.mean(axis=0),
        nitrogen_input=climate.nitrogen_input.mean(axis=0),
        following_air_temperature=air[0],
    )
