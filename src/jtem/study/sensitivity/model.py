"""The model as a function of one column's numbers, and the quantities of its yearly outputs that are asked for.

Parameters are per community; a derivative here is with respect to the value that the column's community has.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jtem import parameters, step
from jtem.errors import InputError, suggest
from jtem.records import Quantity, SensitivityAxes, Spread
from jtem.run import Selection, equilibrium
from jtem.run.course import THAW, Experiment, Stage
from jtem.state import Cell, Climate


@dataclass(frozen=True)
class Vector:
    """The trainable parameters of a column as one vector: ``handles`` (n,) of its numbers, ``leaves`` of ``sizes`` numbers."""

    handles: tuple[parameters.Handle, ...]
    leaves: tuple[parameters.Handle, ...]
    sizes: tuple[int, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names (n,) "branch.field" or "branch.field[k]"."""
        return tuple(str(handle) for handle in self.handles)

    def flatten(self, rows: step.Parameters) -> np.ndarray:
        """Parameter rows of columns (leading axis) to vectors (column, n)."""
        rows = jax.tree.map(jnp.asarray, rows)
        parts = [np.asarray(leaf.leaf(rows), np.float64) for leaf in self.leaves]
        return np.concatenate([part.reshape(part.shape[0], -1) for part in parts], axis=1)

    def put(self, row: step.Parameters, vector: jax.Array) -> step.Parameters:
        """One row with the values of ``vector`` (n,)."""
        start = 0
        for leaf, size in zip(self.leaves, self.sizes, strict=True):
            old = leaf.leaf(row)
            row = leaf.put(row, vector[start : start + size].reshape(old.shape).astype(old.dtype))
            start += size
        return row

    def index(self, names: Sequence[str]) -> list[int]:
        """Places of parameters, named wholly ("litter.carbon_rate"), by element ("x.y[1]") or by branch ("litter")."""
        found: list[int] = []
        for name in names:
            here = [i for i, handle in enumerate(self.handles) if handle.answers(name)]
            if not here:
                raise InputError(f"unknown trainable parameter '{name}'; {suggest(name, self.names)}")
            found += here
        return list(dict.fromkeys(found))


def vector_of(table: parameters.ParameterTable, rows: step.Parameters) -> Vector:
    """The layout of all trainable parameters of ``table``; ``rows`` tell how many numbers each has. Raises ``InputError`` where
    some follow the place: their row moves nothing.
    """
    if table.fields:
        raise InputError(
            f"parameter '{table.fields[0].name}' follows the place (a field of an overlay), and sensitivities are by the "
            "values of communities; leave that overlay out"
        )
    rows = jax.tree.map(jnp.asarray, rows)
    leaves = [parameters.Handle(name) for name, entry in table.entries.items() if entry.trainable]
    sizes = [int(np.prod(leaf.leaf(rows).shape[1:])) for leaf in leaves]
    handles: list[parameters.Handle] = []
    for leaf, size in zip(leaves, sizes, strict=True):
        handles += [leaf] if size == 1 else [parameters.Handle(leaf.name, k) for k in range(size)]
    return Vector(tuple(handles), tuple(leaves), tuple(sizes))


# --- the model as a function -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Chain:
    """What fixes the compiled programs."""

    design: step.Design
    heat_years: int
    selection: Selection
    settings: equilibrium.Settings = equilibrium.Settings()  # noqa: RUF009 - frozen


class ScenarioClimate(NamedTuple):
    """Climates of a column: the spin-up's cycle, and one of each part; years first."""

    cycle: Climate
    parts: tuple[Climate, ...]


@dataclass(frozen=True)
class ColumnModel:
    """Columns, their drivers and their parameters, ready to be differentiated; host arrays, leading column axis.

    ``stages``: history and one scenario, which stands for all. ``drivers``: of each scenario. ``years``: calendar years of the
    outputs. ``vectors`` (column, n): the trainable parameters of the column's community. ``units``: of the parameters
    (n,). ``report``: told of finished work, ``report(scenario, done, total, what)``; not called from compiled code. ``spread``:
    what calls the work on chunks of columns, here or on workers.
    """

    chain: Chain
    stages: tuple[Stage, ...]
    vector: Vector
    vectors: np.ndarray
    rows: step.Parameters
    cells: Cell
    drivers: dict[str, ScenarioClimate]
    years: np.ndarray
    column_cell: np.ndarray
    communities: tuple[str, ...]
    units: tuple[str, ...]
    bounds: np.ndarray  # (n, 2)
    chunk_columns: int = 256
    report: Callable[[str, int, int, str], None] | None = None
    spread: Spread = itertools.starmap

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the yearly outputs."""
        return tuple(name for name, _ in self.chain.selection.annual)

    @property
    def columns(self) -> int:
        """Number of columns."""
        return len(self.column_cell)

    @property
    def axes(self) -> SensitivityAxes:
        """What the axes of results are."""
        return SensitivityAxes(
            self.column_cell, self.communities, self.vector.names, self.units, self.vectors, self.variables, self.years
        )

    def weights(self, quantities: Sequence[Quantity]) -> np.ndarray:
        """Quantities as weights of the outputs, (quantity, variable, year)."""
        result = np.zeros((len(quantities), len(self.variables), self.years.size))
        for k, quantity in enumerate(quantities):
            result[k, self.variables.index(quantity.variable)] = quantity.weights(self.years)
        return result

    def bare(self, scenario: str) -> ColumnModel:
        """The model of one scenario, with nothing that a worker does not need."""
        stages = tuple(replace(stage, climate=_elsewhere) for stage in self.stages)
        return replace(
            self, stages=stages, drivers={scenario: self.drivers[scenario]}, report=None, spread=itertools.starmap
        )

    def take(self, columns: np.ndarray | slice) -> ColumnModel:
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


def _elsewhere(columns: np.ndarray) -> Climate:
    """Where a stage of a column model has its climate."""
    raise AssertionError("the climate of a column model is in its drivers")


def model_of(
    experiment: Experiment,
    table: parameters.ParameterTable,
    scenarios: Sequence[str],
    annual: Sequence[tuple[str, str]],
    *,
    settings: equilibrium.Settings | None = None,
    chunk_columns: int = 256,
) -> ColumnModel:
    """The model of an experiment's history and of each of ``scenarios`` (names of its stages, of equal length and switches).

    Without ``scenarios`` the model ends with history, and its one scenario is called as that stage is.
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
    ways = {
        tuple((s.years, s.expose, s.follow, s.begin, s.base) for s in (history, stages[name])) for name in scenarios
    }
    if len(ways) > 1:
        raise InputError("scenarios of a sensitivity must have the same years and the same exposure; make them equal")
    design = experiment.design
    names = dict(annual) | dict.fromkeys(THAW, "year")
    cast = lambda climate: jax.tree.map(lambda leaf: np.asarray(leaf, design.pool_dtype), climate)  # noqa: E731
    past, cycle = (
        cast(history.climate(experiment.column_cell)),
        cast(experiment.spin_up.climate(experiment.column_cell)),
    )
    community = np.asarray(experiment.columns.community)
    rows = jax.tree.map(lambda leaf: np.asarray(leaf)[community], experiment.parameters)
    vector = vector_of(table, rows)
    entries = [table.entries[handle.name] for handle in vector.handles]
    last = stages[scenarios[0]] if scenarios else history
    return ColumnModel(
        chain=Chain(
            design,
            experiment.spin_up.heat_years,
            Selection(annual=tuple(names.items())),
            settings or equilibrium.Settings(),
        ),
        stages=(history, last) if scenarios else (history,),
        vector=vector,
        vectors=vector.flatten(rows).astype(design.pool_dtype),
        rows=rows,
        cells=jax.tree.map(np.asarray, experiment.columns),
        drivers={
            name: ScenarioClimate(cycle, (past, cast(stages[name].climate(experiment.column_cell))))
            for name in scenarios
        }
        or {history.name: ScenarioClimate(cycle, (past,))},
        years=np.arange(history.first_year, last.last_year + 1),
        column_cell=np.asarray(experiment.column_cell),
        communities=tuple(table.communities[k] for k in community),
        units=tuple(entry.unit for entry in entries),
        bounds=np.array([(entry.lower, entry.upper) for entry in entries]),
        chunk_columns=min(chunk_columns, experiment.chunk_columns),
    )
