"""Local sensitivity: adjoint (one quantity, everything it depends on), tangent (one direction, all outputs in time),
Hessian-vector products.

The model seen from here is a function of one column: a vector of its trainable parameters, its climate and its soil carbon
profile give yearly outputs, through the equilibrium (implicit derivative, ``equilibrium``), history, the base year of
``layered`` and a scenario. A :class:`Quantity` is a weighted sum of those outputs, so one compiled program serves all quantities.
Columns never touch each other: one reverse pass of the sum over columns is the gradient of every column.

Parameters are per community; a derivative here is with respect to the value that the column's community has.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jtem import equilibrium, parameters, run, spinup, step
from jtem.errors import InputError, suggest
from jtem.physics.permafrost import Thaw
from jtem.state import Cell, Climate
from jtem.study.stages import Experiment, Stage

HOW = ("sum", "mean", "last", "change")
"""How a quantity is made of years: their sum, their mean, the last of them, the last less the first."""

_THAW = ("active_layer_thickness", "maximum_unfrozen_thickness")


# --- what is asked -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Quantity:
    """A number of each column: ``how`` of the yearly ``variable`` over ``first``-``last`` (inclusive), in ``unit``.

    ``reduction``: how the months make a year ("sum", "mean", "last", "max", "year").
    """

    name: str
    variable: str
    reduction: str
    how: str
    first: int
    last: int
    unit: str

    def __post_init__(self):
        """Refuse a word without meaning."""
        if self.how not in HOW:
            raise InputError(f"quantity '{self.name}': {self.how!r} is unknown; {suggest(self.how, HOW)}")
        if self.last < self.first:
            raise InputError(f"quantity '{self.name}' ends in {self.last} before it begins in {self.first}; swap them")

    def weights(self, years: np.ndarray) -> np.ndarray:
        """Weight of each of ``years`` (year,); raises ``InputError`` where the window is not among them."""
        inside = (years >= self.first) & (years <= self.last)
        if inside.sum() != self.last - self.first + 1:
            raise InputError(
                f"quantity '{self.name}' needs {self.first}-{self.last} but the run has {years[0]}-{years[-1]}; "
                "change the window"
            )
        weights = np.zeros(years.size)
        if self.how == "sum":
            weights[inside] = 1.0
        elif self.how == "mean":
            weights[inside] = 1.0 / inside.sum()
        else:
            weights[years == self.last] += 1.0
            if self.how == "change":
                weights[years == self.first] -= 1.0
        return weights


@dataclass(frozen=True)
class Vector:
    """The trainable parameters of a column as one vector: ``names`` (n,) "branch.field" or "branch.field[k]"."""

    names: tuple[str, ...]
    leaves: tuple[str, ...]
    sizes: tuple[int, ...]

    def flatten(self, rows: step.Parameters) -> np.ndarray:
        """Parameter rows of columns (leading axis) to vectors (column, n)."""
        rows = jax.tree.map(jnp.asarray, rows)
        parts = [np.asarray(parameters.get(rows, leaf), np.float64) for leaf in self.leaves]
        return np.concatenate([part.reshape(part.shape[0], -1) for part in parts], axis=1)

    def put(self, row: step.Parameters, vector: Any) -> step.Parameters:
        """One row with the values of ``vector`` (n,)."""
        start = 0
        for leaf, size in zip(self.leaves, self.sizes, strict=True):
            old = parameters.get(row, leaf)
            row = parameters.replace(row, leaf, vector[start : start + size].reshape(old.shape).astype(old.dtype))
            start += size
        return row

    def index(self, names: Sequence[str]) -> list[int]:
        """Places of parameters, named wholly ("litter.carbon_rate"), by element ("x.y[1]") or by branch ("litter")."""
        found: list[int] = []
        for name in names:
            here = [i for i, n in enumerate(self.names) if name in (n, n.split("[")[0], n.split(".")[0])]
            if not here:
                raise InputError(f"unknown trainable parameter '{name}'; {suggest(name, self.names)}")
            found += here
        return list(dict.fromkeys(found))


def vector_of(table: parameters.ParameterTable, rows: step.Parameters) -> Vector:
    """The layout of all trainable parameters of ``table``; ``rows`` tell how many numbers each has."""
    rows = jax.tree.map(jnp.asarray, rows)
    leaves = [name for name, entry in table.entries.items() if entry.trainable]
    sizes = [int(np.prod(parameters.get(rows, name).shape[1:])) for name in leaves]
    names: list[str] = []
    for leaf, size in zip(leaves, sizes, strict=True):
        names += [leaf] if size == 1 else [f"{leaf}[{k}]" for k in range(size)]
    return Vector(tuple(names), tuple(leaves), tuple(sizes))


# --- the model as a function -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """One stage as the program sees it. ``base``: rows of the years whose mean thaw fills the frozen stores at its end."""

    years: int
    expose: bool
    follow: bool
    begin: str
    base: tuple[int, int]


@dataclass(frozen=True)
class Chain:
    """What fixes the compiled program: equilibrium, history, one scenario."""

    design: step.Design
    heat_years: int
    parts: tuple[Part, ...]
    selection: run.Selection
    settings: equilibrium.Settings = equilibrium.Settings()  # noqa: RUF009 - frozen


class Drivers(NamedTuple):
    """Climates of a column: the spin-up's cycle, and one of each part; years first."""

    cycle: Climate
    parts: tuple[Climate, ...]


@dataclass(frozen=True)
class Model:
    """Columns, their drivers and their parameters, ready to be differentiated; host arrays, leading column axis.

    ``drivers``: of each scenario. ``years``: calendar years of the outputs. ``vectors`` (column, n): the trainable parameters of
    the column's community. ``units``: of the parameters (n,). ``report``: told of finished work, ``report(scenario, done,
    total, what)``; not called from compiled code.
    """

    chain: Chain
    vector: Vector
    vectors: np.ndarray
    rows: step.Parameters
    cells: Cell
    drivers: dict[str, Drivers]
    years: np.ndarray
    column_cell: np.ndarray
    communities: tuple[str, ...]
    units: tuple[str, ...]
    bounds: np.ndarray  # (n, 2)
    chunk_columns: int = 256
    report: Callable[[str, int, int, str], None] | None = None

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the yearly outputs."""
        return tuple(name for name, _ in self.chain.selection.annual)

    @property
    def columns(self) -> int:
        """Number of columns."""
        return len(self.column_cell)

    def weights(self, quantities: Sequence[Quantity]) -> np.ndarray:
        """Quantities as weights of the outputs, (quantity, variable, year)."""
        result = np.zeros((len(quantities), len(self.variables), self.years.size))
        for k, quantity in enumerate(quantities):
            result[k, self.variables.index(quantity.variable)] = quantity.weights(self.years)
        return result

    def take(self, columns: np.ndarray) -> Model:
        """The model of some columns."""
        part = jax.tree.map(lambda leaf: leaf[columns], (self.vectors, self.rows, self.cells, self.drivers))
        vectors, rows, cells, drivers = part
        return replace(
            self,
            vectors=vectors,
            rows=rows,
            cells=cells,
            drivers=drivers,
            column_cell=self.column_cell[columns],
            communities=tuple(np.asarray(self.communities)[columns]),
        )


def model_of(
    experiment: Experiment,
    table: parameters.ParameterTable,
    scenarios: Sequence[str],
    annual: Sequence[tuple[str, str]],
    *,
    settings: equilibrium.Settings | None = None,
    chunk_columns: int = 256,
) -> Model:
    """The model of an experiment's history and of each of ``scenarios`` (names of its stages, of equal length and switches).

    ``annual``: (variable, reduction) of the outputs. Raises ``InputError`` for a restart, for spin-up years that cycle the
    climate (they have no derivative here) and for scenarios that are not stages after history.
    """
    if experiment.spin_up is None:
        raise InputError("a sensitivity needs the spin-up; leave out [run] restart")
    if experiment.spin_up.cycle_years:
        raise InputError(
            "a sensitivity starts at the equilibrium of the cycle's mean year; set [spinup] cycle_years to 0"
        )
    stages = {stage.name: stage for stage in experiment.stages}
    history = experiment.stages[0]
    known = [stage.name for stage in experiment.stages if stage.parent == history.name]
    for name in scenarios:
        if name not in known:
            raise InputError(f"[sensitivity] scenario {name!r} is not a scenario of the plan; {suggest(name, known)}")
    parts = {tuple(_part(stage) for stage in (history, stages[name])) for name in scenarios}
    if len(parts) != 1:
        raise InputError("scenarios of a sensitivity must have the same years and the same exposure; make them equal")
    design = experiment.design
    names = dict(annual) | dict.fromkeys(_THAW, "year")
    cast = lambda climate: jax.tree.map(lambda leaf: np.asarray(leaf, design.pool_dtype), climate)  # noqa: E731
    past, cycle = (
        cast(history.climate(experiment.column_cell)),
        cast(experiment.spin_up.climate(experiment.column_cell)),
    )
    community = np.asarray(experiment.columns.community)
    rows = jax.tree.map(lambda leaf: np.asarray(leaf)[community], experiment.parameters)
    vector = vector_of(table, rows)
    entries = [table.entries[name.split("[")[0]] for name in vector.names]
    last = stages[scenarios[0]]
    return Model(
        chain=Chain(
            design,
            experiment.spin_up.heat_years,
            parts.pop(),
            run.Selection(annual=tuple(names.items())),
            settings or equilibrium.Settings(),
        ),
        vector=vector,
        vectors=vector.flatten(rows).astype(design.pool_dtype),
        rows=rows,
        cells=jax.tree.map(np.asarray, experiment.columns),
        drivers={
            name: Drivers(cycle, (past, cast(stages[name].climate(experiment.column_cell)))) for name in scenarios
        },
        years=np.arange(history.first_year, last.last_year + 1),
        column_cell=np.asarray(experiment.column_cell),
        communities=tuple(table.communities[k] for k in community),
        units=tuple(entry.unit for entry in entries),
        bounds=np.array([(entry.lower, entry.upper) for entry in entries]),
        chunk_columns=min(chunk_columns, experiment.chunk_columns),
    )


def _part(stage: Stage) -> Part:
    first, last = stage.base_years or (stage.last_year, stage.last_year)
    return Part(
        stage.years, stage.expose, stage.follow, stage.begin, (first - stage.first_year, last - stage.first_year)
    )


# --- compiled pieces ---------------------------------------------------------------------------------------------------
# The way from the equilibrium to the last year is cut at the stages and into blocks of years of one length: a piece compiles
# once whatever the plan's years, and reverse mode keeps the states between blocks instead of everything.


def _spin(chain: Chain, shared, moving, still, differentiable: bool):
    """Initial state, periodic heat, equilibrium: (vector, cycle) to (state, thaw) and the result code."""
    del shared
    (row, cycle), (cell,) = moving, still
    design = chain.design
    site = step.derive(row, cell, design)
    year = spinup.mean_year(cycle)
    state = step.start(site, cell, year.air_temperature, year.shortwave_radiation, design)
    state, found, heat = equilibrium.spin_up(
        state, year, cell, row, heat_years=chain.heat_years, design=design, settings=chain.settings,
        differentiable=differentiable,
    )  # fmt: skip
    return (state, heat.thaw), found.code


def _begin(chain: Chain, shared, moving, still, differentiable: bool):
    """Fill the frozen stores: (vector, state, thaw, profile) to the state."""
    del shared, differentiable
    (row, state, thaw, profile), (cell,) = moving, still
    cell = replace(cell, soil_carbon_profile=profile)
    return step.begin_permafrost(state, cell, step.derive(row, cell, chain.design), thaw, chain.design), jnp.zeros(())


def _years(chain: Chain, shared, moving, still, differentiable: bool):
    """A block of years: (vector, state, climate) to (state, outputs (variable, year)). ``shared``: which years run, controls."""
    del differentiable
    (row, state, climate), (cell,) = moving, still
    active, controls = shared
    state, out = run.simulate(
        state, climate, cell, row, controls, design=chain.design, selection=chain.selection, active=active
    )
    series = jnp.stack([out["annual"][name] for name, _ in chain.selection.annual])
    return (state, series), jnp.zeros(())


_PIECES = {"spin": _spin, "begin": _begin, "years": _years}


@functools.lru_cache(maxsize=32)
def _program(which: str, mode: str, chain: Chain, vector: Vector, devices: tuple):
    """A piece over stacked columns, compiled: ``(shared, rows, moving, still, seeds)``, results with the column axis first.

    ``mode`` "forward": value and code. "adjoint": ``seeds`` (column, quantity, ...) of the value give derivatives by ``moving``.
    "tangent": ``seeds`` (column, direction, ...) of ``moving`` give value, code and derivatives of the value.
    """
    piece = _PIECES[which]

    def stacked(shared, rows, moving, still, differentiable):
        def one(row, mine, fixed):
            return piece(chain, shared, (vector.put(row, mine[0]), *mine[1:]), fixed, differentiable)

        return jax.vmap(one)(rows, moving, still)

    def swapped(tree):
        return jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), tree)

    def forward(shared, rows, moving, still):
        return stacked(shared, rows, moving, still, False)

    def adjoint(shared, rows, moving, still, seeds):
        _, pull, _ = jax.vjp(lambda m: stacked(shared, rows, m, still, True), moving, has_aux=True)
        return swapped(jax.lax.map(lambda seed: pull(seed)[0], swapped(seeds)))

    def tangent(shared, rows, moving, still, seeds):
        def along(seed):
            value, moved, code = jax.jvp(
                lambda m: stacked(shared, rows, m, still, True), (moving,), (seed,), has_aux=True
            )
            return (value, code), moved

        (value, code), moved = jax.vmap(along, out_axes=(None, 0))(swapped(seeds))
        return value, code, swapped(moved)

    return run.split_over({"forward": forward, "adjoint": adjoint, "tangent": tangent}[mode], devices)


@dataclass(frozen=True)
class _Block:
    """Years ``rows`` of part ``part``; ``live`` of them run. ``columns`` are placed arrays of one chunk."""

    part: int
    rows: np.ndarray
    live: int


class _Chunk:
    """The chain of one chunk of columns: goes forward keeping what reverse mode needs, then backward."""

    def __init__(self, model: Model, scenario: str, columns: slice, size: int, devices: tuple):
        self.model, self.chain, self.devices = model, model.chain, devices
        self.live = columns.stop - columns.start
        placed = lambda tree: run.place(  # noqa: E731
            run.pad_cells(jax.tree.map(lambda leaf: np.asarray(leaf)[columns], tree), size), devices
        )
        self.placed = placed
        self.rows, self.vectors, self.cells = placed(model.rows), placed(model.vectors), placed(model.cells)
        drivers = model.drivers[scenario]
        self.cycle, self.climates = placed(drivers.cycle), [placed(part) for part in drivers.parts]
        self.names = list(model.variables)
        longest = self.chain.parts[-1].years
        self.block = -(-longest // -(-longest // BLOCK_YEARS))

    def call(self, which: str, mode: str, moving, shared=None, *seeds):
        program = _program(which, mode, self.chain, self.model.vector, self.devices)
        shared = jnp.zeros(()) if shared is None else shared
        return program(shared, self.rows, moving, (self.cells,), *seeds)

    def blocks(self, part: int) -> list[_Block]:
        years = self.chain.parts[part].years
        spans = [np.arange(first, first + self.block) for first in range(0, years, self.block)]
        return [_Block(part, np.minimum(span, years - 1), int((span < years).sum())) for span in spans]

    def shared(self, block: _Block):
        part = self.chain.parts[block.part]
        active = jnp.asarray(np.arange(self.block) < block.live)
        return active, run.constant_controls(self.block, expose=part.expose, follow=part.follow)

    def climate(self, block: _Block) -> Climate:
        return jax.tree.map(lambda leaf: leaf[:, block.rows], self.climates[block.part])

    def base(self, part: Part, series: jax.Array) -> Thaw:
        """Mean thaw of the base years from the part's outputs (column, variable, year)."""
        window = series[..., part.base[0] : part.base[1] + 1].mean(axis=-1)
        return Thaw(*[window[..., self.names.index(name)] for name in _THAW])

    def forward(self, keep: bool = False):
        """Outputs (column, variable, year), codes, and where asked the tape: pieces with their inputs, in order."""
        tape: list[tuple] = []
        (state, thaw), code = self.call("spin", "forward", (self.vectors, self.cycle))
        whole = []
        for k, part in enumerate(self.chain.parts):
            if part.begin == "start":
                tape.append(("begin", k, (self.vectors, state, thaw, self.cells.soil_carbon_profile)))
                state, _ = self.call("begin", "forward", tape[-1][2])
            series = []
            for block in self.blocks(k):
                tape.append(("years", block, (self.vectors, state, self.climate(block))))
                (state, values), _ = self.call("years", "forward", tape[-1][2], self.shared(block))
                series.append(values[..., : block.live])
            series = jnp.concatenate(series, axis=-1)
            if part.begin == "base_years":
                tape.append(
                    ("begin", k, (self.vectors, state, self.base(part, series), self.cells.soil_carbon_profile))
                )
                state, _ = self.call("begin", "forward", tape[-1][2])
            whole.append(series)
            if not keep:
                tape.clear()
        return jnp.concatenate(whole, axis=-1), code, state, tape

    def adjoint(self, weights: np.ndarray):
        """Outputs, codes and the gradients of every quantity; ``weights`` (quantity, variable, year)."""
        y, code, state, tape = self.forward(keep=True)
        columns, count = y.shape[0], len(weights)
        seed = np.broadcast_to(weights[None], (columns, *weights.shape)).astype(y.dtype)
        seeds, first = [], 0
        for part in self.chain.parts:
            seeds.append(jnp.asarray(seed[..., first : first + part.years]))
            first += part.years

        def zeros(tree):
            return jax.tree.map(lambda leaf: jnp.zeros((columns, count, *leaf.shape[1:]), leaf.dtype), tree)

        by_state, by_thaw = zeros(state), Thaw(*[jnp.zeros((columns, count), y.dtype) for _ in _THAW])
        by_vector, by_profile = zeros(self.vectors), zeros(self.cells.soil_carbon_profile)
        by_climate = [zeros(climate) for climate in self.climates]
        while tape:
            kind, where, moving = tape.pop()
            if kind == "begin":
                more, by_state, by_thaw, profile = self.call("begin", "adjoint", moving, None, by_state)
                by_profile = by_profile + profile
                part = self.chain.parts[where]
                if part.begin == "base_years":  # the thaw is the mean of outputs of this part
                    low, high = part.base
                    for name in _THAW:
                        at = (slice(None), slice(None), self.names.index(name), slice(low, high + 1))
                        seeds[where] = seeds[where].at[at].add((getattr(by_thaw, name) / (high - low + 1))[..., None])
                    by_thaw = jax.tree.map(jnp.zeros_like, by_thaw)
            else:
                rows = where.rows[: where.live]
                mine = seeds[where.part][..., rows]
                mine = jnp.pad(mine, [(0, 0)] * 3 + [(0, self.block - where.live)])
                more, by_state, climate = self.call("years", "adjoint", moving, self.shared(where), (by_state, mine))
                by_climate[where.part] = jax.tree.map(
                    lambda total, part, r=rows, n=where.live: total.at[:, :, r].add(part[:, :, :n]),
                    by_climate[where.part],
                    climate,
                )
            by_vector = by_vector + more
        more, by_cycle = self.call("spin", "adjoint", (self.vectors, self.cycle), None, (by_state, by_thaw))
        return y, code, by_vector + more, by_cycle, [_untied(climate) for climate in by_climate], by_profile

    def tangent(self, steps):
        """Outputs, codes and derivatives (column, direction, variable, year) along ``steps`` of all columns."""
        by_vector, drivers = self.placed(steps)
        count = by_vector.shape[1]
        (state, thaw), code, (moved, moved_thaw) = self.call(
            "spin", "tangent", (self.vectors, self.cycle), None, (by_vector, drivers.cycle)
        )
        profile = self.cells.soil_carbon_profile
        still = jnp.zeros((profile.shape[0], count, *profile.shape[1:]), profile.dtype)
        whole, whole_moved = [], []
        for k, part in enumerate(self.chain.parts):
            if part.begin == "start":
                moving, seeds = (self.vectors, state, thaw, profile), (by_vector, moved, moved_thaw, still)
                state, _, moved = self.call("begin", "tangent", moving, None, seeds)
            series, series_moved = [], []
            for block in self.blocks(k):
                climate_moved = jax.tree.map(lambda leaf, r=block.rows: leaf[:, :, r], drivers.parts[k])
                (state, values), _, (moved, values_moved) = self.call(
                    "years", "tangent", (self.vectors, state, self.climate(block)), self.shared(block),
                    (by_vector, moved, climate_moved),
                )  # fmt: skip
                series.append(values[..., : block.live])
                series_moved.append(values_moved[..., : block.live])
            series, series_moved = jnp.concatenate(series, axis=-1), jnp.concatenate(series_moved, axis=-1)
            if part.begin == "base_years":
                moving = (self.vectors, state, self.base(part, series), profile)
                seeds = (by_vector, moved, self.base(part, series_moved), still)
                state, _, moved = self.call("begin", "tangent", moving, None, seeds)
            whole.append(series)
            whole_moved.append(series_moved)
        return jnp.concatenate(whole, axis=-1), code, jnp.concatenate(whole_moved, axis=-1)


BLOCK_YEARS = 50
"""At most so many years in one compiled block; reverse mode keeps the states between blocks and those of one block's years."""


def _untied(gradient: Climate) -> Climate:
    """The January after a year is the next year's own: its derivative joins that month's (column, quantity, year, ...)."""
    after = gradient.following_air_temperature
    air = gradient.air_temperature.at[:, :, 1:, 0].add(after[:, :, :-1]).at[:, :, -1, 11].add(after[:, :, -1])
    return replace(gradient, air_temperature=air, following_air_temperature=jnp.zeros_like(after))


def _tied(direction: Climate) -> Climate:
    """The same for a direction: what follows a year moves with the next January."""
    air = direction.air_temperature
    return replace(direction, following_air_temperature=np.concatenate([air[:, 1:, 0], air[:, -1:, 11]], axis=1))


def _in_chunks(model: Model, scenario: str, chunk: int, work):
    """``work(chunk, columns)`` over chunks of one size (the last one padded, its padding dropped), joined as host arrays."""
    devices = tuple(jax.local_devices())
    count = model.columns
    size = min(chunk, count)
    size += -size % len(devices)
    pieces = []
    for start in range(0, count, size):
        columns = slice(start, min(start + size, count))
        result = work(_Chunk(model, scenario, columns, size, devices), columns)
        pieces.append(jax.tree.map(lambda leaf, n=columns.stop - start: np.asarray(leaf)[:n], result))
        if model.report is not None:
            model.report(scenario, columns.stop, count, "columns")
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *pieces)


# --- adjoint -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Adjoint:
    """Derivatives of quantities of every column under one scenario.

    ``value`` (column, quantity); ``parameters`` (column, quantity, n) per unit of the parameter; ``air_temperature``,
    ``precipitation``, ``shortwave_radiation`` (column, quantity, year, 12) and ``co2`` (column, quantity, year) of history and
    scenario; ``cycle_...`` the same by the spin-up's mean year (column, quantity, 12), ``cycle_co2`` (column, quantity);
    ``soil_carbon_profile`` (column, quantity, layer) per gC m-2. ``code`` (column,): result code of the equilibrium; where it is
    not 0 all derivatives are NaN.
    """

    scenario: str
    quantities: tuple[Quantity, ...]
    value: np.ndarray
    code: np.ndarray
    parameters: np.ndarray
    air_temperature: np.ndarray
    precipitation: np.ndarray
    shortwave_radiation: np.ndarray
    co2: np.ndarray
    cycle_air_temperature: np.ndarray
    cycle_precipitation: np.ndarray
    cycle_co2: np.ndarray
    soil_carbon_profile: np.ndarray

    def elasticity(self, vectors: np.ndarray) -> np.ndarray:
        """Percent of the quantity per percent of the parameter, (column, quantity, n); NaN where the quantity is 0."""
        return elasticity(self.parameters, vectors[:, None], self.value[..., None])


def elasticity(derivative: np.ndarray, parameter: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Logarithmic derivative by a parameter, percent per percent; NaN where the value is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        result = derivative * parameter / np.abs(value)
    return np.where(value == 0, np.nan, result)


def adjoint(model: Model, scenario: str, quantities: Sequence[Quantity]) -> Adjoint:
    """Gradients of all ``quantities`` of all columns with respect to parameters, climate and soil carbon profile."""
    weights = model.weights(quantities).astype(model.chain.design.pool_dtype)
    y, code, by_vector, by_cycle, by_climates, by_profile = _in_chunks(
        model, scenario, model.chunk_columns, lambda chunk, _: chunk.adjoint(weights)
    )

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in by_climates], axis=2)

    def cycle(name: str) -> np.ndarray:
        return getattr(by_cycle, name).sum(axis=2)

    def known(values: np.ndarray) -> np.ndarray:
        return np.where((code == 0).reshape(-1, *[1] * (values.ndim - 1)), values, np.nan)

    return Adjoint(
        scenario=scenario,
        quantities=tuple(quantities),
        value=np.einsum("cvy,qvy->cq", y, weights),
        code=code,
        parameters=known(by_vector),
        air_temperature=known(joined("air_temperature")),
        precipitation=known(joined("precipitation")),
        shortwave_radiation=known(joined("shortwave_radiation")),
        co2=known(joined("co2")),
        cycle_air_temperature=known(cycle("air_temperature")),
        cycle_precipitation=known(cycle("precipitation")),
        cycle_co2=known(cycle("co2")),
        soil_carbon_profile=known(by_profile),
    )


# --- tangent -----------------------------------------------------------------------------------------------------------

FORCING_DIRECTIONS = {"warming": "degC", "precipitation": "percent", "co2": "percent", "soil_cycle_warming": "degC"}
"""Directions through the climate: +1 degC or +1 % in every month of history and scenario; or of the spin-up's cycle alone."""


@dataclass(frozen=True)
class Tangent:
    """Derivative of every yearly output along directions: ``derivative`` (column, direction, variable, year), per unit of the
    parameter, degC or percent; ``value`` (column, variable, year); ``unit`` of each direction; NaN where ``code`` is not 0.
    """

    scenario: str
    directions: tuple[str, ...]
    units: tuple[str, ...]
    value: np.ndarray
    derivative: np.ndarray
    code: np.ndarray


def tangent(model: Model, scenario: str, directions: Sequence[str]) -> Tangent:
    """Derivative of all outputs in time along each direction: names of parameters or of :data:`FORCING_DIRECTIONS`."""
    names, units, steps = [], [], []
    drivers = model.drivers[scenario]
    zero = jax.tree.map(np.zeros_like, (model.vectors, drivers))
    for word in directions:
        if word in FORCING_DIRECTIONS:
            names.append(word)
            units.append(FORCING_DIRECTIONS[word])
            steps.append((zero[0], _moved_drivers(drivers, zero[1], word)))
            continue
        try:
            places = model.vector.index([word])
        except InputError:
            known = (*FORCING_DIRECTIONS, *model.vector.names)
            raise InputError(f"unknown direction '{word}' of a tangent; {suggest(word, known)}") from None
        for k in places:
            moved = np.zeros_like(model.vectors)
            moved[:, k] = 1.0
            names.append(model.vector.names[k])
            units.append(model.units[k])
            steps.append((moved, zero[1]))
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves, axis=1), *steps)

    chunk_columns = max(1, model.chunk_columns // len(steps))
    y, code, dy = _in_chunks(model, scenario, chunk_columns, lambda chunk, _: chunk.tangent(stacked))
    dy = np.where((code == 0)[:, None, None, None], dy, np.nan)
    return Tangent(scenario, tuple(names), tuple(units), y, dy, code)


def _moved_drivers(drivers: Drivers, zero: Drivers, word: str) -> Drivers:
    if word == "soil_cycle_warming":
        ones = np.ones_like(zero.cycle.air_temperature)
        return zero._replace(cycle=replace(zero.cycle, air_temperature=ones))
    field = {"warming": "air_temperature"}.get(word, word)

    def move(climate: Climate, still: Climate) -> Climate:
        values = getattr(climate, field)
        return _tied(replace(still, **{field: np.ones_like(values) if word == "warming" else 0.01 * values}))

    return zero._replace(parts=tuple(move(c, s) for c, s in zip(drivers.parts, zero.parts, strict=True)))


# --- forward and second order ------------------------------------------------------------------------------------------


def forward(model: Model, scenario: str, vectors: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Outputs (column, variable, year) and equilibrium codes (column,), with other parameters where ``vectors`` are given."""
    if vectors is not None:
        model = replace(model, vectors=vectors.astype(model.vectors.dtype))
    return _in_chunks(model, scenario, model.chunk_columns, lambda chunk, _: chunk.forward()[:2])


def settled(model: Model, scenario: str) -> np.ndarray:
    """Whether the equilibrium of each column was found, (column,) of bool; without one a column has no derivative."""
    return forward(model, scenario)[1] == 0


def hessian_product(
    model: Model, scenario: str, quantities: Sequence[Quantity], direction: np.ndarray, relative: float = 1e-5
) -> np.ndarray:
    """Hessian times ``direction`` (column, n) of every quantity, (column, quantity, n).

    Central difference of two gradients along the direction: the equilibrium's implicit derivative is of first order, so
    differentiating it once more would leave out how the fixed point itself bends. Two adjoint runs whatever the number of
    parameters. ``relative``: step as a share of the parameters' size along the direction.
    """
    size = np.maximum(np.abs(model.vectors), 1e-3)
    reach = np.abs(direction / size).max(axis=1, keepdims=True)
    step_size = relative / np.where(reach > 0, reach, 1.0)
    sides = [
        adjoint(replace(model, vectors=model.vectors + sign * step_size * direction), scenario, quantities).parameters
        for sign in (1.0, -1.0)
    ]
    return (sides[0] - sides[1]) / (2.0 * step_size[:, :, None])


def regional(
    derivative: np.ndarray, vectors: np.ndarray, area: np.ndarray, chosen: np.ndarray | None = None
) -> np.ndarray:
    """Area-weighted sum of d(quantity)/d(ln parameter) over columns, (quantity, n): the effect of one common relative change.

    ``derivative`` (column, quantity, n), ``area`` (column,) m2; columns without a derivative are left out.
    """
    whole = np.isfinite(derivative).all(axis=(1, 2)) if chosen is None else chosen
    return np.einsum("c,cqn,cn->qn", area[whole], derivative[whole], vectors[whole])
