"""Stages in sequence: spin-up, history, scenarios; cells in chunks, years in blocks, one compiled program for all.

Pure of files: climate comes from loaders, results go to a sink, progress to a callback. The command line wires them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from jtem import equilibrium, run, spinup, step
from jtem.physics.permafrost import Thaw
from jtem.records import Selection
from jtem.state import Cell, Climate

ClimateLoader = Callable[[np.ndarray], Climate]
"""Cell indices -> stacked climate of the stage as host arrays (cell, year, 12); called once a chunk and stage."""


METHODS = ("repeat", "equilibrium")
"""How carbon and nitrogen are spun up."""


@dataclass(frozen=True)
class SpinUp:
    """How the state before history is made. The climate loader gives one cycle (cell, cycle year, 12).

    ``heat_years`` of soil heat under the cycle's mean year (deep profile reset in years 3, 6, 10), then ``years`` of water,
    carbon and nitrogen on that periodic heat with soil nitrogen tied to soil carbon (``baseline``), then
    ``cycle_years`` of the whole model cycling the given years with closed nitrogen.

    ``method``: "repeat" runs those ``years``; "equilibrium" solves for the state that the repeated year does not change and
    runs ``years`` only for columns in which that fails.
    """

    climate: ClimateLoader
    heat_years: int = 60
    years: int = 1000
    cycle_years: int = 0
    method: str = "repeat"

    def __post_init__(self):
        """Refuse a word without meaning."""
        if self.method not in METHODS:
            raise ValueError(f"spin-up method '{self.method}' is unknown; use one of {', '.join(METHODS)}")


@dataclass(frozen=True)
class Stage:
    """One transient run of consecutive years.

    ``parent``: stage whose last state starts this one ("spinup" first). ``begin``: "start" fills the frozen stores before
    the first year from the thaw of the year before; "base_years" fills them after the last year from the mean active layer of
    ``base_years`` (children then expose); "" leaves them. ``expose``: thaw moves matter. ``follow``: accessible shares
    follow the active layer; both False hold it.

    Stages with equal ``heat_key`` have the same air temperature and precipitation, with equal ``water_key`` the same
    climate but for CO2: their heat and water run once. Without keys a stage shares with those that have its loader.
    ``batch``: stages of one family (same parent and years) with the same word go through one carbon program together.
    """

    name: str
    first_year: int
    last_year: int
    climate: ClimateLoader
    parent: str = "spinup"
    expose: bool = False
    follow: bool = True
    begin: str = ""
    base_years: tuple[int, int] | None = None
    heat_key: Hashable = None
    water_key: Hashable = None
    batch: str = ""

    @property
    def years(self) -> int:
        """Number of years."""
        return self.last_year - self.first_year + 1

    @property
    def heat(self) -> Hashable:
        """What tells its heat pass from others."""
        return self.heat_key if self.heat_key is not None else ("loader", id(self.climate))

    @property
    def water(self) -> Hashable:
        """What tells its climate but for CO2 from others."""
        return self.water_key if self.water_key is not None else ("loader", id(self.climate))


@dataclass(frozen=True)
class Experiment:
    """Everything a run needs, as host arrays and frozen choices.

    ``columns``: stacked cells of the model (a mosaic cell gives several columns); ``column_cell``: index of the grid cell of
    each column, handed to the climate loaders.
    """

    design: step.Design
    parameters: step.Parameters
    columns: Cell
    column_cell: np.ndarray
    spin_up: SpinUp | None
    stages: tuple[Stage, ...]
    selection: Selection
    initial_states: dict[str, step.State] = field(default_factory=dict)
    chunk_columns: int = 1024
    block_years: int = 10
    passes: str = "auto"  # "inline": heat, water, carbon in one step; "split": apart; "auto": apart where it saves heat


def families(stages: tuple[Stage, ...]) -> list[tuple[Stage, ...]]:
    """Neighbouring stages that start from one state and span the same years; they may share heat and water."""
    result: list[tuple[Stage, ...]] = []
    for stage in stages:
        mate = result[-1][0] if result else None
        same = mate is not None and (mate.parent, mate.first_year, mate.last_year) == (
            stage.parent,
            stage.first_year,
            stage.last_year,
        )
        if same and not (stage.begin or (mate and mate.begin)):
            result[-1] = (*result[-1], stage)
        else:
            result.append((stage,))
    return result


def heat_passes(stages: tuple[Stage, ...]) -> int:
    """How many times the years of these stages go through soil heat when it is shared."""
    return sum(len({stage.heat for stage in family}) for family in families(stages))


def units(experiment: Experiment) -> list[str]:
    """Names of the units of work of a chunk, in order: what a :class:`Checkpoint` remembers."""
    first = ["spinup"] if experiment.spin_up is not None else []
    return first + [_unit(family) for family in families(experiment.stages)]


def _unit(family: tuple[Stage, ...]) -> str:
    return family[0].name if len(family) == 1 else f"{family[0].name}+{len(family) - 1}"


def chunks(experiment: Experiment) -> list[slice]:
    """Columns of every chunk."""
    count = len(experiment.column_cell)
    size = min(experiment.chunk_columns, count)
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def state_like(experiment: Experiment) -> step.State:
    """Shapes of the state of one column."""
    one = experiment.column_cell[:1]
    climate = jax.tree.map(lambda leaf: leaf[:, :1], _cast(experiment.stages[0].climate(one), experiment.design))
    cells = jax.tree.map(lambda leaf: leaf[:1], experiment.columns)
    return jax.eval_shape(
        lambda p, c, y: run.initial_states(p, c, y, design=experiment.design), experiment.parameters, cells, climate
    )


def splits(experiment: Experiment) -> bool:
    """Whether heat, water and carbon run apart: as ordered, or where that saves a heat pass."""
    if experiment.passes != "auto":
        return experiment.passes == "split"
    return heat_passes(experiment.stages) < len(experiment.stages)


@dataclass(frozen=True)
class Progress:
    """One message to the progress callback."""

    stage: str
    columns: int
    chunk: int
    chunks: int
    column_years_done: int
    column_years_total: int
    seconds: float
    compile_seconds: float


@runtime_checkable
class Sink(Protocol):
    """Where results go. Slices are of columns and of the stage's years."""

    def write(self, stage: Stage, columns: slice, years: slice, outputs: dict[str, dict[str, np.ndarray]]) -> None:
        """Take ``{"monthly": {name: (column, year, 12, ...)}, "annual": {name: (column, year, ...)}}``."""
        ...

    def state(self, stage_name: str, columns: slice, state: step.State) -> None:
        """Take the state (host arrays, leading column axis) at a stage's end."""
        ...


@runtime_checkable
class Checkpoint(Protocol):
    """A sink that remembers finished work (spin-up, families of stages) of a chunk, so that a killed run goes on."""

    def wanted(self, chunk: int) -> bool:
        """Whether this process works on the chunk."""
        ...

    def load(self, columns: slice, unit: str) -> dict[str, np.ndarray] | None:
        """What :meth:`save` was given, or None where the unit is not finished."""
        ...

    def save(self, columns: slice, unit: str, arrays: dict[str, np.ndarray], failed: dict[int, str]) -> None:
        """Remember a finished unit, after its results were written."""
        ...

    def failures(self, columns: slice) -> dict[int, str]:
        """Failed columns of the finished units of a chunk."""
        ...


@dataclass(frozen=True)
class SpinUpReport:
    """Per column: drift of the last spin-up year against TEM's closure tolerances (tem.md section 11).

    With method "equilibrium" also the solver's result ``code`` (0 converged; else the state is that of ``years`` repeated
    years), ``residual`` (largest relative change of a pool in a year, before such a repeat) and ``iterations``.
    """

    drift: dict[str, np.ndarray]
    closed: np.ndarray
    years: int
    method: str = "repeat"
    code: np.ndarray | None = None
    residual: np.ndarray | None = None
    iterations: np.ndarray | None = None


@dataclass(frozen=True)
class Summary:
    """What happened: wall seconds, compile seconds, column-years, spin-up report, failed columns with reason."""

    seconds: float
    compile_seconds: float
    column_years: int
    spin_up: SpinUpReport | None
    failed: dict[int, str]


def run_experiment(experiment: Experiment, sink: Sink, progress: Callable[[Progress], None] | None = None) -> Summary:
    """Run all stages for all columns, chunk by chunk; memory is bounded by the chunk whatever the domain.

    Every stage of every chunk goes through one compiled program (blocks of ``block_years``; years beyond a stage's end rest).
    Columns whose outputs are not finite, or whose budgets do not close, are named in ``Summary.failed``; they do not touch their
    neighbours.
    """
    return _Runner(experiment, sink, progress or (lambda message: None)).run()


BUDGET_LIMIT = {"float64": 1e-9, "float32": 1e-5}
"""Largest relative monthly budget residual by pool precision (decisions: mixed and float64 1e-9, float32 1e-5)."""

_SOLVER = ("code", "residual", "iterations")
"""What the equilibrium solver says of a column."""

_CHECKS = ("carbon_residual", "nitrogen_residual", "water_residual")
_THAW = ("active_layer_thickness", "maximum_unfrozen_thickness")
_SCALES = ("ecosystem_carbon", "soil_organic_nitrogen", "soil_water")


class _Runner:
    """State of one run: what is compiled, how much is done."""

    def __init__(self, experiment: Experiment, sink: Sink, progress: Callable[[Progress], None]):
        self.e, self.sink, self.report = experiment, sink, progress
        self.memory = sink if isinstance(sink, Checkpoint) else None
        self._cells: Cell | None = None
        self.devices = tuple(jax.local_devices())
        self.count = len(experiment.column_cell)
        size = min(experiment.chunk_columns, self.count)
        self.size = size + (-size % len(self.devices))
        self.chunks = -(-self.count // size)
        self.chunk_size = size
        spin = experiment.spin_up
        self.total = self.count * (
            sum(stage.years for stage in experiment.stages) + ((spin.heat_years + spin.cycle_years) if spin else 0)
        )
        self.done = 0
        self.start = time.perf_counter()
        self.compile_seconds = 0.0
        self.compiled: set[Any] = set()
        self.failed: dict[int, str] = {}
        kept = dict.fromkeys(
            (
                *experiment.selection.annual,
                *((n, "max") for n in _CHECKS),
                *((n, "last") for n in _SCALES),
                *((n, "year") for n in _THAW),
            )
        )
        self.annual = tuple(kept)
        self.selection = Selection(experiment.selection.monthly, self.annual)
        self.wanted = {name for name, _ in experiment.selection.annual}

    def run(self) -> Summary:
        reports: list[dict[str, np.ndarray]] = []
        for chunk in range(self.chunks):
            if self.memory is not None and not self.memory.wanted(chunk):
                continue
            columns = slice(chunk * self.chunk_size, min((chunk + 1) * self.chunk_size, self.count))
            reports.append(self._chunk(chunk, columns))
        spin_report = None
        if self.e.spin_up is not None and reports:
            joined = {name: np.concatenate([report[name] for report in reports]) for name in reports[0]}
            solver = {name: joined.pop(name) for name in _SOLVER if name in joined}
            closed = joined.pop("closed")
            spin_report = SpinUpReport(joined, closed, self.e.spin_up.years, self.e.spin_up.method, **solver)
        return Summary(
            seconds=time.perf_counter() - self.start,
            compile_seconds=self.compile_seconds,
            column_years=self.done,
            spin_up=spin_report,
            failed=self.failed,
        )

    # --- one chunk -----------------------------------------------------------------------------------------------

    def _chunk(self, chunk: int, columns: slice):
        e = self.e
        indices = e.column_cell[columns]
        self._cells = None
        states: dict[str, step.State] = {name: self._rows(state, columns) for name, state in e.initial_states.items()}
        thaws: dict[str, Thaw | None] = {}
        report: dict[str, np.ndarray] = {}
        if self.memory is not None:
            self.failed.update(self.memory.failures(columns))
        if e.spin_up is not None:
            kept = self._remembered(columns, "spinup")
            if kept is None:
                state, thaw, report = self._spin_up(chunk, columns, self._columns(columns), indices)
                self._save_state("spinup", columns, state)
                self._remember(columns, "spinup", {"spinup": (state, thaw)}, report)
                states["spinup"], thaws["spinup"] = state, thaw
            else:
                found, report = kept
                states["spinup"], thaws["spinup"] = found["spinup"]
        groups = families(e.stages)
        last_use = {family[0].parent: i for i, family in enumerate(groups)}
        for i, family in enumerate(groups):
            parent = family[0].parent
            if parent not in states:
                raise ValueError(f"stage '{family[0].name}' starts from '{parent}', which has not run")
            unit = _unit(family)
            kept = self._remembered(columns, unit)
            if kept is None:
                ends = self._family(
                    family, chunk, columns, self._columns(columns), indices, states[parent], thaws.get(parent)
                )
                for name, (state, _) in ends.items():
                    self._save_state(name, columns, state)
                used = {name: end for name, end in ends.items() if name in last_use}
                self._remember(columns, unit, used, {})
            else:
                ends = kept[0]
            for name, (state, thaw) in ends.items():
                if name in last_use:
                    states[name], thaws[name] = state, thaw
            for name in [n for n in states if last_use.get(n, -1) <= i]:
                del states[name]
        return report

    def _columns(self, columns: slice) -> Cell:
        """The chunk's columns on the devices, placed when first needed."""
        placed = self._cells if self._cells is not None else self._rows(self.e.columns, columns)
        self._cells = placed
        return placed

    def _rows(self, tree, columns: slice):
        return self._place(jax.tree.map(lambda leaf: leaf[columns], tree))

    def _remembered(self, columns: slice, unit: str):
        """States and thaw at the end of a finished unit, placed, and its other arrays; None where it is not finished."""
        arrays = self.memory.load(columns, unit) if self.memory is not None else None
        if arrays is None:
            return None
        ends: dict[str, tuple[step.State, Thaw | None]] = {}
        count = columns.stop - columns.start
        years = sum(s.years for f in families(self.e.stages) if f[0].name == unit.split("+")[0] for s in f)
        if unit == "spinup" and self.e.spin_up is not None:
            years = self.e.spin_up.heat_years + self.e.spin_up.cycle_years
        self.total -= count * years
        structure = jax.tree.structure(state_like(self.e))
        for name in {key.split("/")[1] for key in arrays if key.startswith("state/")}:
            leaves = [arrays[f"state/{name}/{k}"] for k in range(structure.num_leaves)]
            state = self._place(jax.tree.unflatten(structure, leaves))
            pair = [arrays.get(f"thaw/{name}/{k}") for k in (0, 1)]
            thaw = None if pair[0] is None else self._place(Thaw(*[jnp.asarray(values) for values in pair]))
            ends[name] = (state, thaw)
        return ends, {key: value for key, value in arrays.items() if "/" not in key}

    def _remember(self, columns: slice, unit: str, ends: dict, extra: dict[str, np.ndarray]) -> None:
        if self.memory is None:
            return
        count = columns.stop - columns.start
        arrays = dict(extra)
        for name, (state, thaw) in ends.items():
            for k, leaf in enumerate(jax.tree.leaves(state)):
                arrays[f"state/{name}/{k}"] = np.asarray(leaf)[:count]
            for k, leaf in enumerate(jax.tree.leaves(thaw)):
                arrays[f"thaw/{name}/{k}"] = np.asarray(leaf)[:count]
        mine = {c: reason for c, reason in self.failed.items() if columns.start <= c < columns.stop}
        self.memory.save(columns, unit, arrays, mine)

    def _spin_up(self, chunk: int, columns: slice, cells: Cell, indices: np.ndarray):
        e, spin = self.e, self.e.spin_up
        assert spin is not None
        cycle = self._place(_cast(spin.climate(indices), e.design))
        first = jax.jit(jax.vmap(spinup.mean_year))(cycle)

        name = "spinup" if spin.method == "repeat" else "equilibrium"
        one = self._repeat_column if spin.method == "repeat" else self._equilibrium_column
        state, drift, heat, solver = self._timed(name, self._columns_program(name, one), e.parameters, cells, first)
        solver = {key: np.asarray(value)[: len(indices)] for key, value in solver.items()}
        if solver and (failed := np.flatnonzero(solver["code"])).size:
            state, drift, heat = self._repeat_some(failed, cells, first, (state, drift, heat))
        self.done += len(indices) * spin.heat_years
        self._tell("spin-up", chunk, len(indices))
        thaw = heat.thaw if heat is not None else None
        if spin.cycle_years:
            stage = Stage("cyclic spin-up", 1, spin.cycle_years, spin.climate, follow=True)
            if splits(e):
                whole = _cast(spin.climate(indices), e.design)
                ends = self._split((stage,), chunk, columns, cells, state, [whole], len(indices), cyclic=True)
                state, thaw = ends[stage.name]
            else:
                state, thaw = self._years(stage, chunk, columns, cells, state, cycle, len(indices), cyclic=True)
        host = jax.tree.map(lambda value: np.asarray(value)[: len(indices)], drift)
        return state, thaw, {**host._asdict(), "closed": spinup.closed(host), **solver}

    def _start(self, parameters, cell: Cell, year: Climate) -> step.State:
        site = step.derive(parameters, cell, self.e.design)
        return step.start(site, cell, year.air_temperature, year.shortwave_radiation, self.e.design)

    def _repeat_column(self, parameters, cell: Cell, year: Climate):
        spin = self.e.spin_up
        assert spin is not None
        state = self._start(parameters, cell, year)
        state, drift, heat = spinup.spin_up(
            state, year, cell, parameters, heat_years=spin.heat_years, years=spin.years, design=self.e.design
        )
        return state, drift, heat, {}

    def _equilibrium_column(self, parameters, cell: Cell, year: Climate):
        spin = self.e.spin_up
        assert spin is not None
        state = self._start(parameters, cell, year)
        state, found, heat = equilibrium.spin_up(
            state, year, cell, parameters, heat_years=spin.heat_years, design=self.e.design
        )
        return state, found.drift, heat, {name: getattr(found, name) for name in _SOLVER}

    def _columns_program(self, name: str, one):
        return self._program(
            name, lambda parameters, cells, climate: jax.vmap(lambda c, y: one(parameters, c, y))(cells, climate)
        )

    def _repeat_some(self, failed: np.ndarray, cells: Cell, climate: Climate, found):
        """Replace columns in which the solver failed by repeated years, in a batch of their own."""
        size = len(self.devices) * (1 << max(0, -(-len(failed) // len(self.devices)) - 1).bit_length())
        rows = np.concatenate([failed, np.full(size - len(failed), failed[-1])])
        some = run.place(jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)[rows]), (cells, climate)), self.devices)
        program = self._columns_program("spinup", self._repeat_column)
        *repeated, _ = self._timed(f"spinup of {size}", program, self.e.parameters, *some)

        def put(whole, part):
            host = np.array(whole)
            host[failed] = np.asarray(part)[: len(failed)]
            return host

        return run.place(jax.tree.map(put, found, tuple(repeated)), self.devices)

    def _family(self, family: tuple[Stage, ...], chunk, columns, cells, indices, state, thaw):
        """End state and last thaw of every stage of a family, by name."""
        e = self.e
        if family[0].begin == "start":
            if thaw is None:  # restart: the pools refer to the thaw in their store
                known = state.carbon.store.reference_thaw
                thaw = Thaw(known, known)
            state = self._begin(state, cells, thaw)
        if splits(e):
            climates = [_cast(stage.climate(indices), e.design) for stage in family]
            return self._split(family, chunk, columns, cells, state, climates, len(indices))
        ends = {}
        for stage in family:
            climate = self._place(_cast(stage.climate(indices), e.design))
            ends[stage.name] = self._years(stage, chunk, columns, cells, state, climate, len(indices))
        return ends

    def _split(self, family, chunk, columns, cells, state, climates, count, cyclic: bool = False):
        """Years of a family with heat once a distinct climate, water once a distinct climate and treatment, and carbon of
        all stages of a batch in one program. ``climates``: of each stage, host arrays (cell, year, ...).
        """
        e, block = self.e, min(self.e.block_years, max(s.years for s in self.e.stages))
        heat_program, water_program, carbon_program = (
            run.pass_program(which, e.design, self.selection if which == "carbon" else Selection(), self.devices)
            for which in ("heat", "water", "carbon")
        )
        first_of_heat: dict[Hashable, int] = {}
        drivers: dict[Hashable, int] = {}
        for k, stage in enumerate(family):
            first_of_heat.setdefault(stage.heat, k)
            drivers.setdefault(self._driver(stage), k)
        batches: dict[str, list[int]] = {}
        for k, stage in enumerate(family):
            batches.setdefault(stage.batch, []).append(k)
        thermal = {key: state.thermal for key in first_of_heat}
        wet = {key: state.water for key in drivers}
        carbon = {name: _repeated(state.carbon, len(rows)) for name, rows in batches.items()}
        co2 = [np.array(climate.co2) for climate in climates]
        kept = {k: climates[k] for k in {*first_of_heat.values(), *drivers.values()}}
        del climates
        recent: dict[Hashable, list[tuple[np.ndarray, ...]]] = {key: [] for key in first_of_heat}
        years = family[0].years
        for first in range(0, years, block):
            span = np.arange(first, first + block)
            active = jnp.asarray(span < years)
            live = int((span < years).sum())
            length = co2[0].shape[1]
            index = span % length if cyclic else np.minimum(span, years - 1)

            part = {k: self._place(_years_of(climate, index)) for k, climate in kept.items()}
            heat = {}
            for key, k in first_of_heat.items():
                thermal[key], heat[key] = self._timed(
                    "heat", heat_program, e.parameters, active, thermal[key], part[k], cells
                )
                recent[key].append(tuple(np.asarray(leaf)[:, :live] for leaf in jax.tree.leaves(heat[key][1])))
            ready = {}
            for key, k in drivers.items():
                stage = family[k]
                months, thaw = heat[stage.heat]
                controls = run.constant_controls(block, expose=stage.expose, follow=stage.follow)
                climate = part[k]
                wet[key], (moist, exposed, residual) = self._timed(
                    "water", water_program, e.parameters, active, controls, wet[key], climate, months, thaw, cells
                )
                ready[key] = run.Drivers(climate, months, thaw, moist, exposed, residual)
            del heat
            for name, rows in batches.items():
                used = list(dict.fromkeys(self._driver(family[k]) for k in rows))
                stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=1), *(ready[key] for key in used))
                of_run = jnp.asarray([used.index(self._driver(family[k])) for k in rows])
                controls = jax.tree.map(
                    lambda *leaves: jnp.stack(leaves),
                    *(run.constant_controls(block, expose=family[k].expose, follow=family[k].follow) for k in rows),
                )
                ppm = self._place(np.stack([co2[k][:, index] for k in rows], axis=1))
                carbon[name], outputs = self._timed(
                    f"carbon {len(rows)} {len(used)}",
                    carbon_program,
                    e.parameters,
                    active,
                    of_run,
                    controls,
                    carbon[name],
                    stacked,
                    ppm,
                    cells,
                )
                del stacked
                host = jax.tree.map(np.asarray, outputs)
                for row, k in enumerate(rows):
                    mine = _part(host, (slice(count), row, slice(live)))
                    self._hand_over(family[k], columns, first, live, mine, cyclic)
                self.done += count * live * len(rows)
                self._tell(family[rows[0]].name if len(rows) == 1 else name or "scenarios", chunk, count)
        ends = {}
        for name, rows in batches.items():
            for row, k in enumerate(rows):
                stage = family[k]
                end = step.State(thermal[stage.heat], wet[self._driver(stage)], _part(carbon[name], (slice(None), row)))
                series = [np.concatenate(parts, axis=1) for parts in zip(*recent[stage.heat], strict=True)]
                ends[stage.name] = self._close(stage, end, cells, series)
        return ends

    def _driver(self, stage: Stage) -> Hashable:
        """What tells the heat and water of a stage from those of others."""
        treatment = (stage.expose, stage.follow) if self.e.design.permafrost.moves_water else ()
        return (stage.heat, stage.water, treatment)

    def _hand_over(self, stage: Stage, columns: slice, first: int, live: int, host, cyclic: bool) -> None:
        """Check a block of one stage and give it to the sink."""
        self._check(stage, columns, first, host["annual"])
        if not cyclic:
            host = {**host, "annual": {n: v for n, v in host["annual"].items() if n in self.wanted}}
            self.sink.write(stage, columns, slice(first, first + live), host)

    def _close(self, stage: Stage, state, cells, series):
        """State and last thaw at a stage's end; frozen stores filled where the stage says so. ``series``: thaw (cell, year)."""
        thaw = self._place(Thaw(*[jnp.asarray(values[:, -1]) for values in series]), pad=False)
        if stage.begin == "base_years":
            low, high = stage.base_years or (stage.last_year, stage.last_year)
            window = slice(low - stage.first_year, high - stage.first_year + 1)
            base = self._place(Thaw(*[jnp.asarray(values[:, window].mean(axis=1)) for values in series]), pad=False)
            state = self._begin(state, cells, base)
        return state, thaw

    def _years(self, stage: Stage, chunk, columns, cells, state, climate, count, cyclic: bool = False):
        e, block = self.e, min(self.e.block_years, max(s.years for s in self.e.stages))
        program = run._program(e.design, self.selection, self.devices, True)
        recent: list[tuple[np.ndarray, ...]] = []
        for first in range(0, stage.years, block):
            years = np.arange(first, first + block)
            running = years < stage.years
            index = years % climate.co2.shape[1] if cyclic else np.minimum(years, stage.years - 1)
            part = jax.tree.map(lambda leaf, index=index: leaf[:, index], climate)
            controls = run.constant_controls(block, expose=stage.expose, follow=stage.follow)
            state, outputs = self._timed(
                "block", program, state, part, cells, e.parameters, controls, jnp.asarray(running)
            )
            live = int(running.sum())
            host = jax.tree.map(lambda leaf, live=live: np.asarray(leaf)[:count, :live], outputs)
            recent.append(tuple(np.asarray(outputs["annual"][n])[:, :live] for n in _THAW))
            self._hand_over(stage, columns, first, live, host, cyclic)
            self.done += count * live
            self._tell(stage.name, chunk, count)
        series = [np.concatenate(parts, axis=1) for parts in zip(*recent, strict=True)]
        return self._close(stage, state, cells, series)

    def _begin(self, state, cells, thaw):
        program = self._program(
            "begin",
            lambda parameters, s, c, t: jax.vmap(
                lambda s_, c_, t_: step.begin_permafrost(
                    s_, c_, step.derive(parameters, c_, self.e.design), t_, self.e.design
                )
            )(s, c, t),
        )
        return self._timed("begin", program, self.e.parameters, state, cells, thaw)

    # --- help ----------------------------------------------------------------------------------------------------

    def _program(self, name: str, function):
        """Compile a (parameters, *stacked) function split over the devices; kept for the next chunk."""
        if not hasattr(self, "_programs"):
            self._programs: dict[str, Any] = {}
        if name not in self._programs:
            self._programs[name] = run.split_over(function, self.devices)
        return self._programs[name]

    def _timed(self, key: str, program, *arguments):
        begin = time.perf_counter()
        result = jax.block_until_ready(program(*arguments))
        if key not in self.compiled:  # the first call compiles; what it ran for is small beside that
            self.compiled.add(key)
            self.compile_seconds += time.perf_counter() - begin
        return result

    def _place(self, tree, pad: bool = True):
        if pad:
            count = jax.tree.leaves(tree)[0].shape[0]
            tree = run.pad_cells(tree, self.size) if count < self.size else tree
        return run.place(jax.tree.map(jnp.asarray, tree), self.devices)

    def _save_state(self, name: str, columns: slice, state: step.State) -> None:
        count = columns.stop - columns.start
        self.sink.state(name, columns, jax.tree.map(lambda leaf: np.asarray(leaf)[:count], state))

    def _tell(self, stage: str, chunk: int, columns: int) -> None:
        self.report(
            Progress(
                stage=stage,
                columns=columns,
                chunk=chunk,
                chunks=self.chunks,
                column_years_done=self.done,
                column_years_total=self.total,
                seconds=time.perf_counter() - self.start,
                compile_seconds=self.compile_seconds,
            )
        )

    def _check(self, stage: Stage, columns: slice, first: int, annual: dict[str, np.ndarray]) -> None:
        """Name columns that are not finite or whose budgets do not close, with year and variable."""
        for name, values in annual.items():
            bad = ~np.isfinite(values.reshape(values.shape[0], values.shape[1], -1)).all(axis=2)
            self._name_failed(stage, columns, first, bad, f"{name} is not finite")
        limit = BUDGET_LIMIT[self.e.design.pool_dtype]
        for residual, scale in zip(_CHECKS, _SCALES, strict=True):
            bad = np.atleast_2d(np.abs(annual[residual]) > limit * np.maximum(np.abs(annual[scale]), 1.0))
            self._name_failed(stage, columns, first, bad, f"{residual} exceeds {limit:g} of {scale}")

    def _name_failed(self, stage: Stage, columns: slice, first: int, bad: Any, reason: str) -> None:
        for row in np.flatnonzero(bad.any(axis=1)):
            column = columns.start + int(row)
            year = stage.first_year + first + int(np.argmax(bad[row]))
            self.failed.setdefault(column, f"{stage.name} {year}: {reason}")


def _cast(climate: Climate, design: step.Design) -> Climate:
    return jax.tree.map(lambda leaf: np.asarray(leaf, design.pool_dtype), climate)


def _repeated(tree, runs: int):
    """A run axis after the cell axis."""
    return jax.tree.map(lambda leaf: jnp.repeat(leaf[:, None], runs, axis=1), tree)


def _years_of(climate: Climate, index: np.ndarray) -> Climate:
    return jax.tree.map(lambda leaf: leaf[:, index], climate)


def _part(tree, where: tuple):
    return jax.tree.map(lambda leaf: leaf[where], tree)


def tolerance_kind(name: str) -> str:
    """Which of ``spinup.CLOSURE_TOLERANCE`` judges a field of ``Drift``."""
    if name == "water":
        return "water"
    return "nitrogen" if "nitrogen" in name or "uptake" in name else "carbon"
