"""Time and space: scan over years of (scan over twelve months + ``close_year``), vmap over cells, split over devices.

:func:`simulate` is one cell and differentiable; :func:`simulate_cells` is many cells in one compiled program.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from jtem import step
from jtem.constants import DAYS_IN_MONTH
from jtem.numerics.batching import trailing_batch
from jtem.physics import permafrost, water
from jtem.records import Selection
from jtem.state import Cell, Climate, Controls, Forcing


def month_fields(output: step.MonthOutput) -> dict[str, Any]:
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


def _reduce(values, how: str):
    if how == "sum":
        return values.sum(axis=0)
    if how == "mean":
        return values.mean(axis=0)
    if how == "last":
        return values[-1]
    if how == "max":
        return values.max(axis=0)
    raise ValueError(f"unknown yearly reduction '{how}'; use sum, mean, last, max or year")


def _select(months: dict[str, Any], year: step.YearOutput, selection: Selection) -> dict[str, dict[str, Any]]:
    once = vars(year)
    annual = {name: once[name] if how == "year" else _reduce(months[name], how) for name, how in selection.annual}
    return {"monthly": {name: months[name] for name in selection.monthly}, "annual": annual}


def simulate_year(
    state: step.State,
    climate: Climate,
    cell: Cell,
    site: step.Column,
    controls: Controls,
    *,
    design: step.Design,
    selection: Selection,
) -> tuple[step.State, dict[str, dict[str, Any]]]:
    """Twelve months and the year's end for one cell. Climate fields have shape (12,) or ()."""
    return _year_program(design, selection)(state, climate, cell, site, controls)


@functools.lru_cache(maxsize=64)
def _year_program(design: step.Design, selection: Selection):
    """The year of a design and selection, run on arrays with cells last; one object each, so that traces are shared."""

    def year(state, climate, cell, site, controls):
        def one_month(carried, forcing):
            carried, output = step.month(carried, forcing, site, design=design)
            return carried, month_fields(output)

        state, months = jax.lax.scan(one_month, state, year_forcing(climate, cell))
        state, closed = step.close_year(state, climate.co2, site, controls, design=design)
        return state, _select({**months, **forcing_fields(climate)}, closed, selection)

    return trailing_batch(year)


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
) -> tuple[step.State, dict[str, dict[str, Any]]]:
    """Many years of one cell; differentiable, year-wise rematerialised.

    Climate fields (year, 12) or (year,); controls (year,); outputs lead with the year axis. Years whose ``active`` is
    False leave the state untouched and cost nothing (they pad a block of fixed length).
    """
    site = step.derive(parameters, cell, design)

    def one_year(carried, inputs):
        climate_year, controls_year = inputs
        return simulate_year(carried, climate_year, cell, site, controls_year, design=design, selection=selection)

    body = jax.checkpoint(one_year, policy=step.KEEP_PHASES)
    if active is None:
        return jax.lax.scan(body, state, (climate, controls))

    def guarded(carried, inputs):
        running, *rest = inputs
        shapes = jax.eval_shape(body, carried, tuple(rest))[1]

        def rest_year(s, _):
            return s, jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

        return jax.lax.cond(running, body, rest_year, carried, tuple(rest))

    return jax.lax.scan(guarded, state, (active, climate, controls))


def initial_states(parameters: step.Parameters, cells: Cell, climate: Climate, *, design: step.Design) -> step.State:
    """States of all cells at the first January, from the first year of ``climate`` (leading cell axis)."""

    def one(cell, air_temperature, shortwave_radiation):
        site = step.derive(parameters, cell, design)
        return step.start(site, cell, air_temperature, shortwave_radiation, design)

    return _initial_program(design, one)(cells, climate.air_temperature[:, 0], climate.shortwave_radiation[:, 0])


def _initial_program(design: step.Design, one):
    del design
    return jax.jit(jax.vmap(one))


def begin_permafrost(
    state: step.State, cells: Cell, parameters: step.Parameters, thaw, *, design: step.Design
) -> step.State:
    """:func:`jtem.step.begin_permafrost` for all cells (leading cell axis)."""

    def one(state_, cell, thaw_):
        return step.begin_permafrost(state_, cell, step.derive(parameters, cell, design), thaw_, design)

    return jax.jit(jax.vmap(one))(state, cells, thaw)


@functools.lru_cache(maxsize=64)
def _program(design: step.Design, selection: Selection, devices: tuple, guarded: bool):
    """One compiled program a (design, selection, devices); cells split over the devices."""

    def batched(state, climate, cells, parameters, controls, active):
        def one(s, c, cell):
            return simulate(
                s, c, cell, parameters, controls, design=design, selection=selection, active=active if guarded else None
            )

        return in_tiles(jax.vmap(one), (state, climate, cells), devices)

    if len(devices) == 1:
        return jax.jit(batched)
    mesh = jax.sharding.Mesh(np.array(devices), ("cell",))
    split, whole = PartitionSpec("cell"), PartitionSpec()
    return jax.jit(
        jax.shard_map(
            batched,
            mesh=mesh,
            in_specs=(split, split, split, whole, whole, whole),
            out_specs=(split, split),
            check_vma=False,
        )
    )


def simulate_cells(
    state: step.State,
    climate: Climate,
    cells: Cell,
    parameters: step.Parameters,
    controls: Controls,
    *,
    design: step.Design,
    selection: Selection,
    devices: tuple | None = None,
    active=None,
) -> tuple[step.State, dict[str, dict[str, Any]]]:
    """:func:`simulate` for stacked cells (leading axis), compiled once, split over ``devices`` (default: all local).

    The number of cells must be a multiple of the number of devices: :func:`pad_cells` does that.
    """
    chosen = tuple(devices or jax.local_devices())
    count = jax.tree.leaves(cells)[0].shape[0]
    if count % len(chosen):
        raise ValueError(f"{count} cells do not split over {len(chosen)} devices; pad them with pad_cells")
    years = climate.co2.shape[1]
    running = jnp.ones((years,), bool) if active is None else active
    program = _program(design, selection, chosen, active is not None)
    return program(state, climate, cells, parameters, controls, running)


# --- passes ----------------------------------------------------------------------------------------------------------
# Heat and water do not depend on carbon or CO2, so they may run apart (decisions: "heat and water do not depend on carbon").
# The years below are built of the same functions of ``step`` as ``simulate_year``: there is one physics.


class Drivers(eqx.Module):
    """What the carbon pass needs of the passes before it, many years: year first, then month where there is one.

    ``climate``: years of climate (its CO2 is not used); ``months``, ``thaw``: of the heat pass; ``moist``,
    ``exposed_water`` (mm), ``water_residual`` (mm): of the water pass.
    """

    climate: Climate
    months: step.HeatMonth
    thaw: permafrost.Thaw
    moist: water.WaterMonth
    exposed_water: jax.Array
    water_residual: jax.Array


def _years(body, carried, xs, active):
    """Scan of ``body`` over years; years that are not ``active`` leave the state alone and cost nothing."""

    def guarded(state, inputs):
        running, *rest = inputs
        shapes = jax.eval_shape(body, state, tuple(rest))[1]

        def rest_year(s, _):
            return s, jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

        return jax.lax.cond(running, body, rest_year, state, tuple(rest))

    return jax.lax.scan(guarded, carried, (active, *xs))


def heat_years(thermal, climate: Climate, cell: Cell, parameters: step.Parameters, active, *, design: step.Design):
    """Heat pass of one cell: thermal state after the years, heat months (year, 12, ...), thaw (year,)."""
    site = step.derive(parameters, cell, design)
    year = _pass_year("heat", design)
    return _years(lambda state, inputs: year(state, *inputs, cell, site), thermal, (climate,), active)


def water_years(
    wet, climate: Climate, months, thaw, controls: Controls, cell: Cell, parameters, active, *, design: step.Design
):
    """Water pass of one cell on the heat months: water state, water months (year, 12), exposed water and yearly residual
    (year,).
    """
    site = step.derive(parameters, cell, design)
    year = _pass_year("water", design)
    inputs = (climate, months, thaw, controls)
    return _years(lambda state, inputs: year(state, *inputs, cell, site), wet, inputs, active)


@functools.lru_cache(maxsize=64)
def _pass_year(which: str, design: step.Design):
    """A year of the heat or the water pass, run on arrays with cells last as the inline year is (the same rounding)."""

    def heat(state, climate, cell, site):
        def one_month(carried, forcing):
            return step.heat_month(carried, forcing, site, design)

        state, months = jax.lax.scan(one_month, state, year_forcing(climate, cell))
        state, thaw = step.heat_close_year(state, site, design)
        return state, (months, thaw)

    def wet(state, climate, months, thaw, controls, cell, site):
        def one_month(carried, month):
            return step.water_month(carried, month[0], month[1], site, design)

        before, moist = jax.lax.scan(one_month, state, (year_forcing(climate, cell), months))
        after, exposed = step.water_close_year(before, thaw, site, controls, design)
        residual = water.total_water(after.stores) - water.total_water(before.stores)
        return after, (moist, exposed, residual)

    return trailing_batch({"heat": heat, "water": wet}[which])


def carbon_years(
    carbon,
    drivers: Drivers,
    of_run,
    co2,
    controls: Controls,
    cells: Cell,
    parameters: step.Parameters,
    active,
    *,
    design: step.Design,
    selection: Selection,
):
    """Carbon pass of stacked cells for many runs at once.

    ``carbon``: state (cell, run, ...); ``drivers``: (cell, driver, year, ...), of which run r uses number ``of_run[r]``;
    ``co2``: (cell, run, year) ppm; ``controls``: (run, year). Returns the state (cell, run, ...) and the selected outputs
    (cell, run, year, ...).

    Cells and runs are one flat batch: with a run axis of its own the compiler would round shared terms otherwise than in
    the inline run (measured: one unit in the last place).
    """
    count, runs = co2.shape[:2]

    def flat(leaf):
        return leaf.reshape(count * runs, *leaf.shape[2:])

    def repeated(leaf):
        return jnp.repeat(leaf, runs, axis=0)

    flat_cells = jax.tree.map(repeated, cells)
    sites = jax.vmap(lambda cell: step.derive(parameters, cell, design))(flat_cells)

    @trailing_batch
    def carbon_year(state, climate, d: Drivers, controls_year, cell, site):
        def one_month(carried, month):
            forcing, heat, moist = month
            carried, fluxes = step.carbon_month(carried, forcing, heat, moist, site, design)
            return carried, month_fields(step.MonthOutput(heat, moist, fluxes))

        state, months = jax.lax.scan(one_month, state, (year_forcing(climate, cell), d.months, d.moist))
        state, closed = step.carbon_close_year(state, d.thaw, climate.co2, site, controls_year, design)
        year = step.year_values(d.thaw, d.exposed_water, d.water_residual, state, closed)
        return state, _select({**months, **forcing_fields(climate)}, year, selection)

    def run_year(state, d: Drivers, ppm, controls_year, cell, site):
        return carbon_year(state, dataclasses.replace(d.climate, co2=ppm), d, controls_year, cell, site)

    def one_year(state, inputs):
        year_drivers, ppm, controls_year = inputs
        own = jax.tree.map(lambda leaf: flat(leaf[:, of_run]), year_drivers)
        switches = jax.tree.map(lambda leaf: jnp.tile(leaf, count), controls_year)
        return jax.vmap(run_year)(state, own, flat(ppm), switches, flat_cells, sites)

    by_year = (
        jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 2, 0), (drivers, co2)),
        jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), controls),
    )
    xs = (*by_year[0], by_year[1])
    state, outputs = _years(one_year, jax.tree.map(flat, carbon), xs, active)

    def unflat(leaf):
        return leaf.reshape(count, runs, *leaf.shape[1:])

    state = jax.tree.map(unflat, state)
    return state, jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, 1).reshape(count, runs, -1, *leaf.shape[2:]), outputs)


@functools.lru_cache(maxsize=64)
def pass_program(which: str, design: step.Design, selection: Selection, devices: tuple):
    """Compiled "heat", "water" or "carbon" pass over stacked cells, split over ``devices``.

    heat (parameters, active, thermal, climate, cells); water (parameters, active, controls, wet, climate, months, thaw,
    cells); carbon (parameters, active, of_run, controls, carbon, drivers, co2, cells). What follows ``controls`` leads with
    the cell axis.
    """

    def heat(parameters, active, thermal, climate, cells):
        one = jax.vmap(lambda s, c, cell: heat_years(s, c, cell, parameters, active, design=design))
        return in_tiles(one, (thermal, climate, cells), devices)

    def wet(parameters, active, controls, state, climate, months, thaw, cells):
        def one(s, c, m, t, cell):
            return water_years(s, c, m, t, controls, cell, parameters, active, design=design)

        return in_tiles(jax.vmap(one), (state, climate, months, thaw, cells), devices)

    def carbon(parameters, active, of_run, controls, state, drivers, co2, cells):
        def some(s, d, c, cell):
            return carbon_years(s, d, of_run, c, controls, cell, parameters, active, design=design, selection=selection)

        return in_tiles(some, (state, drivers, co2, cells), devices, per_cell=co2.shape[1])

    function, shared = {"heat": (heat, 2), "water": (wet, 3), "carbon": (carbon, 4)}[which]
    if len(devices) == 1:
        return jax.jit(function)
    mesh = jax.sharding.Mesh(np.array(devices), ("cell",))
    split, whole = PartitionSpec("cell"), PartitionSpec()

    def call(*arguments):
        specs = (*(whole for _ in range(shared)), *(split for _ in arguments[shared:]))
        return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=split, check_vma=False)(*arguments)

    return jax.jit(call)


def pad_cells(tree, multiple: int):
    """Repeat the last cell until the leading axis is a multiple of ``multiple`` (host arrays; the caller drops them)."""

    def pad(leaf):
        leaf = np.asarray(leaf)
        extra = -leaf.shape[0] % multiple
        return np.concatenate([leaf, np.repeat(leaf[-1:], extra, axis=0)]) if extra else leaf

    return jax.tree.map(pad, tree)


TILE = 128
"""Columns that a CPU core takes at a time: their state and drivers of a month stay in its cache."""
LANES = 16
"""Tiles are padded to a multiple of this many columns: a vector of float32."""


def in_tiles(function, stacked, devices: tuple, *, per_cell: int = 1):
    """``function(*stacked)`` of arrays with a leading cell axis, on CPUs one tile of cells after the other.

    ``function`` must treat cells alike and return arrays that lead with the cell axis; ``per_cell`` is the number of columns
    it makes of each. The last tile is padded with copies of the last cell. Results do not depend on the tiles.
    """
    count = jax.tree.leaves(stacked)[0].shape[0]
    tiles = -(-count * per_cell // TILE)
    if tiles <= 1 or devices[0].platform != "cpu":
        return function(*stacked)
    size = -(-count // tiles)
    size += -size % max(1, LANES // per_cell)
    tiles = -(-count // size)
    extra = tiles * size - count

    def split(leaf):
        last = jnp.broadcast_to(leaf[-1:], (extra, *leaf.shape[1:]))
        return jnp.concatenate([leaf, last]).reshape(tiles, size, *leaf.shape[1:])

    out = jax.lax.map(lambda tile: function(*tile), jax.tree.map(split, stacked))
    return jax.tree.map(lambda leaf: leaf.reshape(tiles * size, *leaf.shape[2:])[:count], out)


def split_over(function, devices: tuple):
    """Compile ``function(parameters, *stacked)`` with the stacked arguments split over the devices and in tiles.

    ``function`` must treat cells alike and return arrays that lead with the cell axis.
    """

    def tiled(parameters, *stacked):
        return in_tiles(functools.partial(function, parameters), stacked, devices)

    if len(devices) == 1:
        return jax.jit(tiled)
    mesh = jax.sharding.Mesh(np.array(devices), ("cell",))
    split, whole = PartitionSpec("cell"), PartitionSpec()

    def call(parameters, *stacked):
        specs = (whole, *(split for _ in stacked))
        return jax.shard_map(tiled, mesh=mesh, in_specs=specs, out_specs=split, check_vma=False)(parameters, *stacked)

    return jax.jit(call)


def place(tree, devices: tuple):
    """Put stacked cells on the devices, split along the leading axis."""
    if len(devices) == 1:
        return jax.device_put(tree, devices[0])
    mesh = jax.sharding.Mesh(np.array(devices), ("cell",))
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec("cell")))


def constant_controls(years: int, *, baseline: bool = False, expose: bool = False, follow: bool = True) -> Controls:
    """The same switches in every year."""
    return Controls(
        baseline=jnp.full((years,), baseline), expose=jnp.full((years,), expose), follow=jnp.full((years,), follow)
    )
