"""A chunk of columns on its way through an experiment: spin-up, fills, years in blocks, inline or in passes."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array, PyTree

from jtem import step
from jtem.physics.permafrost import Thaw
from jtem.records import Selection, Sink
from jtem.run import batch, course, layout, limits, overdrawn, spinup, years
from jtem.run.course import THAW, Experiment, Leg, Spun, Stage, WorkUnit
from jtem.run.work import Work
from jtem.state import Cell, Climate

BUDGET_LIMIT = {"float64": 1e-9, "float32": 1e-5}
"""Largest relative monthly budget residual by pool precision (decisions: mixed and float64 1e-9, float32 1e-5)."""

RESIDUALS = {
    "carbon_residual": "ecosystem_carbon",
    "nitrogen_residual": "soil_organic_nitrogen",
    "water_residual": "soil_water",
}
"""Budget residuals of a year (largest month) and the pool that each is compared with."""


# --- what a chunk talks to -----------------------------------------------------------------------------------------------------


@runtime_checkable
class Checkpoint(Protocol):
    """A sink that remembers finished work (spin-up, families of stages) of a chunk, so that a killed run goes on."""

    def load(self, columns: slice, unit: str) -> dict[str, np.ndarray] | None:
        """What :meth:`save` was given, or None where the unit is not finished."""
        ...

    def save(self, columns: slice, unit: str, arrays: dict[str, np.ndarray], failed: dict[int, str]) -> None:
        """Remember a finished unit, after its results were written."""
        ...

    def failures(self, columns: slice) -> dict[int, str]:
        """Failed columns of the finished units of a chunk."""
        ...


# --- one chunk -----------------------------------------------------------------------------------------------------------------


class _End(NamedTuple):
    """Where a stage ends: state and thaw of its last year (padded, placed), thaw of all years (host arrays, column and year)."""

    state: step.State
    thaw: Thaw | None
    series: tuple[np.ndarray, ...] = ()


class Chunk:
    """The columns of one chunk on their way through the units of an experiment."""

    def __init__(
        self,
        experiment: Experiment,
        number: int,
        columns: slice,
        sink: Sink,
        memory: Checkpoint | None,
        work: Work,
        failed: dict[int, str],
    ):
        self.e, self.number, self.columns = experiment, number, columns
        self.sink, self.memory, self.work, self.failed = sink, memory, work, failed
        self.devices = tuple(jax.local_devices())
        self.parameters = batch.place_whole(experiment.parameters, self.devices)
        self.indices = experiment.column_cell[columns]
        self.count = len(self.indices)
        each = layout.columns_a_device(experiment, len(self.devices))
        self.size = each * len(self.devices)
        self.runs = layout.runs_together(experiment, each)
        self.block = min(experiment.block_years, max(stage.years for stage in experiment.stages))
        self.selection = with_checks(experiment.selection)
        self.wanted = {name for name, _ in experiment.selection.annual}
        self.cells: Cell | None = None
        self.limits: limits.Counts = {}
        self.acted: list[limits.Counts] = []

    def run(self) -> dict[str, np.ndarray]:
        """All units in order; what the spin-up says of each column."""
        ends = {name: _End(self._rows(state), None) for name, state in self.e.initial_states.items()}
        report: dict[str, np.ndarray] = {}
        self.limits = limits.of_columns(
            self.e.parameters, jax.tree.map(lambda leaf: leaf[self.columns], self.e.columns)
        )
        if self.memory is not None:
            self.failed.update(self.memory.failures(self.columns))
        units = course.itinerary(self.e)
        last_use = {unit.stages[0].parent: i for i, unit in enumerate(units) if unit.stages}
        for i, unit in enumerate(units):
            if unit.stages and unit.stages[0].parent not in ends:
                name, parent = unit.stages[0].name, unit.stages[0].parent
                raise ValueError(f"stage '{name}' starts from '{parent}', which has not run")
            made, extra = self._remembered(unit) or self._done(unit, ends, set(last_use))
            self.limits = limits.summed([self.limits, {n[6:]: v for n, v in extra.items() if n.startswith(_LIMIT)}])
            report.update({name: value for name, value in extra.items() if not name.startswith(_LIMIT)})
            ends.update({name: end for name, end in made.items() if name in last_use})
            for name in [n for n in ends if last_use.get(n, -1) <= i]:
                del ends[name]
        return report

    def _done(
        self, unit: WorkUnit, ends: dict[str, _End], used: set[str]
    ) -> tuple[dict[str, _End], dict[str, np.ndarray]]:
        """Ends of a unit's stages, after its results and states went to the sink and into the memory."""
        made, extra = self._walk(unit, ends)
        found = [
            limits.of_state(jax.tree.map(lambda x: np.asarray(x)[: self.count], end.state)) for end in made.values()
        ]
        found += [self._thaw_limits(ends[stage.parent], made[stage.name]) for stage in unit.stages if stage.expose]
        acted = limits.summed([*found, *self.acted])
        self.acted = []
        extra |= {f"{_LIMIT}{name}": counts for name, counts in acted.items()}
        for name, end in made.items():
            for row, pool in overdrawn.columns(end.state, self.count, self.e.design.pool_dtype):
                self.failed.setdefault(self.columns.start + row, f"end of {name}: {pool} is below zero")
            self.sink.state(name, self.columns, jax.tree.map(lambda leaf: np.asarray(leaf)[: self.count], end.state))
        if self.memory is not None:
            first, last = self.columns.start, self.columns.stop
            mine = {column: reason for column, reason in self.failed.items() if first <= column < last}
            kept = {name: end for name, end in made.items() if name in used or not unit.stages}
            self.memory.save(self.columns, unit.name, {**extra, **_arrays(kept, self.count)}, mine)
        return made, extra

    def _walk(self, unit: WorkUnit, ends: dict[str, _End]) -> tuple[dict[str, _End], dict[str, np.ndarray]]:
        """The legs of a unit."""
        made, extra = {}, {}
        begin = ends[unit.stages[0].parent] if unit.stages else None
        for leg in unit.legs:
            if leg.kind == "spin":
                made["spinup"], extra = self._spin()
            elif leg.kind == "years":
                assert begin is not None
                made = self._years(leg.stages, begin)
            elif leg.base is None:
                assert begin is not None
                begin = self._filled(begin)
            else:
                made = {name: self._filled(end, leg) for name, end in made.items()}
        return made, extra

    # --- legs

    def _spin(self) -> tuple[_End, dict[str, np.ndarray]]:
        spin, cells = self.e.spin_up, self.placed_cells()
        assert spin is not None
        cycle = _cast(spin.climate(self.indices), self.e.design)
        first = _mean_years(self.place(cycle))
        self._compile_ahead(cycle, first)
        spun = self.work.call(self._spin_program(spin.method), self.parameters, cells, first)
        solver = {key: np.asarray(value)[: self.count] for key, value in spun.solver.items()}
        if solver and (failed := np.flatnonzero(solver["code"])).size:
            spun = self._repeat_some(failed, cells, first, spun._replace(solver={}))
        self.acted.append(limits.of_ground(np.asarray(spun.ground)[: self.count]))
        self.work.finished(self.count * spin.heat_years, "spin-up", self.number, self.count)
        end = _End(spun.state, spun.thaw)
        if spin.cycle_years:
            stage = Stage("cyclic spin-up", 1, spin.cycle_years, spin.climate, follow=True)
            end = self._years((stage,), end, cycle)[stage.name]
        drift = jax.tree.map(lambda value: np.asarray(value)[: self.count], spun.drift)
        return end, {**drift._asdict(), "closed": np.asarray(spinup.closed(drift)), **solver}

    def _spin_program(self, method: str) -> batch.Program:
        spin = self.e.spin_up
        assert spin is not None
        length = {"years": spin.years} if method == "repeat" else {}
        return batch.compiled(
            course.spin, self.devices, design=self.e.design, method=method, heat_years=spin.heat_years, **length
        )

    def _compile_ahead(self, cycle: Climate, first: Climate) -> None:
        """Start to compile all programs of the experiment, the spin-up's first; each waits for its own only.

        ``cycle``: host climate (column, year, ...); ``first``: what the spin-up starts from, on the devices.
        """
        e, spin, cells = self.e, self.e.spin_up, self.placed_cells()
        assert spin is not None
        begun = self._spin_program(spin.method).ahead(self.parameters, cells, first)
        state, thaw = batch.shape_of((begun.state, begun.thaw), self.devices)
        climate = batch.shape_of(cycle, self.devices, (self.size, self.block))
        active, switches = np.ones(self.block, bool), years.constant_controls(self.block)
        if e.splits:
            heat_args = (self.parameters, active, state.thermal, climate, cells)
            _, heat = batch.heat_program(e.design, self.devices).ahead(*heat_args)
            heat = batch.shape_of(heat, self.devices)
            water_args = (self.parameters, active, switches, state.water, climate, heat, cells)
            _, water = batch.water_program(e.design, self.devices).ahead(*water_args)
            drivers = years.Drivers(climate, heat, batch.shape_of(water, self.devices))
            batch.carbon_program(e.design, self.selection, self.devices, self.runs).ahead(
                self.parameters,
                active,
                jax.tree.map(lambda leaf: np.stack([leaf] * self.runs), switches),
                (state.carbon,) * self.runs,
                (drivers,) * self.runs,
                batch.shape_of(cycle.co2[:, None], self.devices, (self.size, self.runs, self.block)),
                cells,
            )
        else:
            inline = batch.inline_program(e.design, self.selection, self.devices)
            inline.ahead(self.parameters, switches, active, state, climate, cells)
        if any(stage.begin for stage in e.stages):
            fill = batch.compiled(course.fill, self.devices, design=e.design)
            fill.ahead(self.parameters, state, cells, thaw)

    def _repeat_some(self, failed: np.ndarray, cells: Cell, climate: Climate, found: Spun) -> Spun:
        """Replace columns in which the solver failed by repeated years, in a batch of their own."""
        size = len(self.devices) * (1 << max(0, -(-len(failed) // len(self.devices)) - 1).bit_length())
        rows = np.concatenate([failed, np.full(size - len(failed), failed[-1])])
        some = jax.tree.map(lambda leaf: np.asarray(leaf)[rows], (cells, climate))
        some = batch.place(some, self.devices)
        repeated = self.work.call(self._spin_program("repeat"), self.parameters, *some)

        def put(whole: Array, part: Array) -> np.ndarray:
            host = np.array(whole)
            host[failed] = np.asarray(part)[: len(failed)]
            return host

        return batch.place(jax.tree.map(put, found, repeated), self.devices)

    def _thaw_limits(self, before: _End, end: _End) -> limits.Counts:
        """How thaw of an exposing stage's years acted, the year before with them where it is known."""
        last = [[np.asarray(leaf)[:, None]] for leaf in jax.tree.leaves(before.thaw)] or [[], []]
        parts = [[*one, values] for one, values in zip(last, end.series, strict=True)]
        thaw = Thaw(*(np.concatenate([values[: self.count] for values in part], axis=1) for part in parts))
        rows = np.asarray(self.e.columns.community)[self.columns]
        return limits.of_thaw(thaw, self.e.design, self.e.parameters, rows)

    def _filled(self, end: _End, leg: Leg | None = None) -> _End:
        """Frozen stores filled from the thaw of the year before, or from the mean of a leg's base years."""
        thaw = end.thaw
        if leg is not None and leg.base is not None:
            window = slice(leg.base[0], leg.base[1] + 1)
            thaw = Thaw(*self.place([values[:, window].mean(axis=1) for values in end.series], pad=False))
        if thaw is None:  # restart: the pools refer to the thaw in their store
            known = end.state.carbon.store.reference_thaw
            thaw = Thaw(known, known)
        program = batch.compiled(course.fill, self.devices, design=self.e.design)
        return end._replace(state=self.work.call(program, self.parameters, end.state, self.placed_cells(), thaw))

    def _years(self, stages: tuple[Stage, ...], begin: _End, cycle: Climate | None = None) -> dict[str, _End]:
        """Years of a family of stages, inline or in passes; ``cycle``: host climate that is repeated and not written."""
        if self.e.splits:
            climates = [self._climate(stage) if cycle is None else cycle for stage in stages]
            return _Passes(self, stages, begin, climates, cycle is not None).run()
        ends = {}
        for stage in stages:
            climate = self.place(self._climate(stage) if cycle is None else cycle)
            ends[stage.name] = self._inline(stage, begin.state, climate, cycle is not None)
        return ends

    def _climate(self, stage: Stage) -> Climate:
        """Climate of a stage (column, year, ...) on the host, looked at for limits."""
        climate = _cast(stage.climate(self.indices), self.e.design)
        self.acted.append(limits.of_climate(climate, jax.tree.map(lambda leaf: leaf[self.columns], self.e.columns)))
        return climate

    def _inline(self, stage: Stage, state: step.State, climate: Climate, cyclic: bool) -> _End:
        program = batch.inline_program(self.e.design, self.selection, self.devices)
        recent: list[tuple[np.ndarray, ...]] = []
        for block in self.blocks(stage.years, climate.co2.shape[1], cyclic):
            state, outputs = self.work.call(
                program,
                self.parameters,
                stage.controls(self.block),
                block.active,
                state,
                _years_of(climate, block.index),
                self.placed_cells(),
            )
            recent.append(tuple(np.asarray(outputs["annual"][name])[:, : block.live] for name in THAW))
            host = jax.tree.map(lambda leaf, live=block.live: np.asarray(leaf)[: self.count, :live], outputs)
            self.hand_over(stage, block, host, cyclic)
            self.work.finished(self.count * block.live, stage.name, self.number, self.count)
        return self.end(state, recent)

    # --- blocks

    def blocks(self, length: int, given: int, cyclic: bool) -> Iterator[_Block]:
        """Blocks of years of a stage of ``length`` years; ``given``: years of climate."""
        for first in range(0, length, self.block):
            span = np.arange(first, first + self.block)
            index = span % given if cyclic else np.minimum(span, length - 1)
            yield _Block(first, int((span < length).sum()), span < length, index)

    def hand_over(self, stage: Stage, block: _Block, host: years.Outputs, cyclic: bool) -> None:
        """Check a block of one stage and give it to the sink."""
        for row, year, reason in failures(host["annual"], BUDGET_LIMIT[self.e.design.pool_dtype]):
            where = f"{stage.name} {stage.first_year + block.first + year}"
            self.failed.setdefault(self.columns.start + row, f"{where}: {reason}")
        if not cyclic:
            host = {**host, "annual": {n: v for n, v in host["annual"].items() if n in self.wanted}}
            self.sink.write(stage, self.columns, slice(block.first, block.first + block.live), host)

    def end(self, state: step.State, recent: list[tuple[np.ndarray, ...]]) -> _End:
        """Where a stage ends, from the thaw of its blocks of years (column, year)."""
        series = tuple(np.concatenate(parts, axis=1) for parts in zip(*recent, strict=True))
        thaw = Thaw(*self.place([values[:, -1] for values in series], pad=False))
        return _End(state, thaw, series)

    # --- arrays

    def placed_cells(self) -> Cell:
        """The chunk's columns on the devices, placed when first needed."""
        cells = self._rows(self.e.columns) if self.cells is None else self.cells
        self.cells = cells
        return cells

    def _rows(self, tree: PyTree) -> PyTree:
        return self.place(jax.tree.map(lambda leaf: leaf[self.columns], tree))

    def place(self, tree: PyTree, pad: bool = True) -> PyTree:
        """Columns of the chunk on the devices, padded to its size."""
        if pad and jax.tree.leaves(tree)[0].shape[0] < self.size:
            tree = batch.pad_cells(tree, self.size)
        return batch.place(tree, self.devices)

    def _remembered(self, unit: WorkUnit) -> tuple[dict[str, _End], dict[str, np.ndarray]] | None:
        """Ends of a finished unit, placed, and its other arrays; None where it is not finished."""
        arrays = self.memory.load(self.columns, unit.name) if self.memory is not None else None
        if arrays is None:
            return None
        self.work.skipped(self.count * unit.years)
        structure = jax.tree.structure(course.state_like(self.e))
        ends: dict[str, _End] = {}
        for name in [stage.name for stage in unit.stages] or ["spinup"]:
            leaves = [arrays.get(f"state/{name}/{k}") for k in range(structure.num_leaves)]
            if leaves[0] is None:
                continue
            thaw = [arrays.get(f"thaw/{name}/{k}") for k in range(len(THAW))]
            known = None if thaw[0] is None else Thaw(*self.place(thaw))
            ends[name] = _End(self.place(jax.tree.unflatten(structure, leaves)), known)
        return ends, {key: value for key, value in arrays.items() if "/" not in key}


class _Block(NamedTuple):
    """Years of a stage that run together: the first, how many run, which of the block's, and which years of climate they take."""

    first: int
    live: int
    active: np.ndarray
    index: np.ndarray


class _Passes:
    """Years of a family with heat once a distinct climate, water once a distinct climate and treatment, and carbon of
    ``Chunk.runs`` stages at a time.

    ``climates``: of each stage, host arrays (cell, year, ...). Dictionaries of heat are by ``Stage.heat``, those of water by
    :func:`_treatment`; ``carbon`` is by stage.
    """

    def __init__(self, chunk: Chunk, stages: tuple[Stage, ...], begin: _End, climates: list[Climate], cyclic: bool):
        self.chunk, self.stages, self.cyclic = chunk, stages, cyclic
        moves_water = chunk.e.design.permafrost.moves_water
        self.treatments = [_treatment(stage, moves_water) for stage in stages]
        self.heat_of: dict[Hashable, int] = {}
        self.water_of: dict[Hashable, int] = {}
        climates = list(climates)
        for k, stage in enumerate(stages):
            self.heat_of.setdefault(stage.heat, k)
            self.water_of.setdefault(self.treatments[k], k)
        for stage in stages:
            if stage.thaw_climate is not None and stage.thaw not in self.heat_of:
                self.heat_of[stage.thaw] = len(climates)
                climates.append(_cast(stage.thaw_climate(chunk.indices), chunk.e.design))
        self.co2 = [np.array(climate.co2) for climate in climates]
        self.climates = {k: climates[k] for k in {*self.heat_of.values(), *self.water_of.values()}}
        self.thermal = dict.fromkeys(self.heat_of, begin.state.thermal)
        self.wet = dict.fromkeys(self.water_of, begin.state.water)
        self.carbon = [begin.state.carbon] * len(stages)
        self.recent: dict[Hashable, list[tuple[np.ndarray, ...]]] = {key: [] for key in self.heat_of}

    def run(self) -> dict[str, _End]:
        """All years; the end of every stage."""
        chunk = self.chunk
        for block in chunk.blocks(self.stages[0].years, self.co2[0].shape[1], self.cyclic):
            climates = {k: chunk.place(_years_of(climate, block.index)) for k, climate in self.climates.items()}
            drivers = self._water(block, climates, self._heat(block, climates))
            for first in range(0, len(self.stages), chunk.runs):
                self._carbon(block, range(first, min(first + chunk.runs, len(self.stages))), drivers)
        ends = {}
        for stage, treatment, carbon in zip(self.stages, self.treatments, self.carbon, strict=True):
            state = step.State(self.thermal[stage.heat], self.wet[treatment], carbon)
            ends[stage.name] = chunk.end(state, self.recent[stage.heat])
        return ends

    def _heat(self, block: _Block, climates: dict[int, Climate]) -> dict[Hashable, years.HeatYear]:
        chunk, made = self.chunk, {}
        program = batch.heat_program(chunk.e.design, chunk.devices)
        for key, k in self.heat_of.items():
            self.thermal[key], made[key] = chunk.work.call(
                program, chunk.parameters, block.active, self.thermal[key], climates[k], chunk.placed_cells()
            )
            self.recent[key].append(
                tuple(np.asarray(leaf)[:, : block.live] for leaf in jax.tree.leaves(made[key].thaw))
            )
        return made

    def _water(
        self, block: _Block, climates: dict[int, Climate], heat: dict[Hashable, years.HeatYear]
    ) -> dict[Hashable, years.Drivers]:
        chunk, made = self.chunk, {}
        program = batch.water_program(chunk.e.design, chunk.devices)
        for key, k in self.water_of.items():
            stage = self.stages[k]
            self.wet[key], moist = chunk.work.call(
                program,
                chunk.parameters,
                block.active,
                stage.controls(chunk.block),
                self.wet[key],
                climates[k],
                heat[stage.thaw],
                chunk.placed_cells(),
            )
            made[key] = years.Drivers(climates[k], years.with_thaw(heat[stage.heat], heat[stage.thaw]), moist)
        return made

    def _carbon(self, block: _Block, rows: range, drivers: dict[Hashable, years.Drivers]) -> None:
        """Carbon of the stages ``rows``; places that are left take the last of them once more."""
        chunk = self.chunk
        filled = [*rows, *[rows[-1]] * (chunk.runs - len(rows))]
        stages = [self.stages[k] for k in filled]
        switches = [s.controls(chunk.block) for s in stages]
        states, outputs = chunk.work.call(
            batch.carbon_program(chunk.e.design, chunk.selection, chunk.devices, chunk.runs),
            chunk.parameters,
            block.active,
            jax.tree.map(lambda *leaves: np.stack(leaves), *switches),
            tuple(self.carbon[k] for k in filled),
            tuple(drivers[self.treatments[k]] for k in filled),
            chunk.place(np.stack([self.co2[k][:, block.index] for k in filled], axis=1)),
            chunk.placed_cells(),
        )
        host = jax.tree.map(np.asarray, outputs)
        for row, k in enumerate(rows):
            self.carbon[k] = states[row]
            own = jax.tree.map(lambda leaf, row=row: leaf[: chunk.count, row, : block.live], host)
            chunk.hand_over(self.stages[k], block, own, self.cyclic)
        said = stages[0].name if len(rows) == 1 else f"{self.stages[rows[0]].name} to {self.stages[rows[-1]].name}"
        chunk.work.finished(chunk.count * block.live * len(rows), said, chunk.number, chunk.count)


# --- help ----------------------------------------------------------------------------------------------------------------------


def with_checks(selection: Selection) -> Selection:
    """The selection and, after it, what a run needs to check budgets and to fill frozen stores."""
    needed = (
        *((name, "max") for name in RESIDUALS),
        *((name, "last") for name in RESIDUALS.values()),
        *((name, "year") for name in THAW),
    )
    return Selection(selection.monthly, tuple(dict.fromkeys((*selection.annual, *needed))))


def failures(annual: dict[str, np.ndarray], limit: float) -> Iterator[tuple[int, int, str]]:
    """Columns that are not finite or whose budgets do not close, with the first such year and the variable."""

    def rows(bad: np.ndarray, reason: str):
        for row in np.flatnonzero(bad.any(axis=1)):
            yield int(row), int(np.argmax(bad[row])), reason

    for name, values in annual.items():
        bad = np.asarray(~np.isfinite(values.reshape(*values.shape[:2], -1)).all(axis=2))
        yield from rows(bad, f"{name} is not finite")
    for residual, scale in RESIDUALS.items():
        bad = np.asarray(np.abs(annual[residual]) > limit * np.maximum(np.abs(annual[scale]), 1.0))
        yield from rows(bad, f"{residual} exceeds {limit:g} of {scale}")


_LIMIT = "limit:"
"""Begins the names of counts of limits among the arrays of a unit."""

_mean_years = jax.jit(jax.vmap(years.mean_year))


def _treatment(stage: Stage, moves_water: bool) -> Hashable:
    """Stages that have this in common have the same heat and water."""
    return (stage.heat, stage.thaw, stage.water, (stage.expose, stage.follow) if moves_water else ())


def _arrays(ends: dict[str, _End], count: int) -> dict[str, np.ndarray]:
    """States and thaw of ends as a checkpoint keeps them, without padding."""
    arrays = {}
    for name, end in ends.items():
        for kind, tree in (("state", end.state), ("thaw", end.thaw)):
            for k, leaf in enumerate(jax.tree.leaves(tree)):
                arrays[f"{kind}/{name}/{k}"] = np.asarray(leaf)[:count]
    return arrays


def _cast(climate: Climate, design: step.Design) -> Climate:
    return jax.tree.map(lambda leaf: np.asarray(leaf, design.pool_dtype), climate)


def _years_of(climate: Climate, index: np.ndarray) -> Climate:
    return jax.tree.map(lambda leaf: leaf[:, index], climate)
