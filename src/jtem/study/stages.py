"""Stages in sequence: spin-up, history, scenarios; cells in chunks, years in blocks, one compiled program for all.

Pure of files: climate comes from loaders, results go to a sink, progress to a callback. The command line wires them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from jtem import equilibrium, run, spinup, step
from jtem.physics.permafrost import Thaw
from jtem.run import Selection
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

    @property
    def years(self) -> int:
        """Number of years."""
        return self.last_year - self.first_year + 1


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
            columns = slice(chunk * self.chunk_size, min((chunk + 1) * self.chunk_size, self.count))
            reports.append(self._chunk(chunk, columns))
        spin_report = None
        if self.e.spin_up is not None:
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
        cells = self._place(jax.tree.map(lambda leaf: leaf[columns], e.columns))
        indices = e.column_cell[columns]
        states: dict[str, step.State] = {
            name: self._place(jax.tree.map(lambda leaf: leaf[columns], state))
            for name, state in e.initial_states.items()
        }
        thaws: dict[str, Thaw | None] = {}
        report: dict[str, np.ndarray] = {}
        if e.spin_up is not None:
            states["spinup"], thaws["spinup"], report = self._spin_up(chunk, columns, cells, indices)
            self._save_state("spinup", columns, states["spinup"])
        last_use = {stage.parent: i for i, stage in enumerate(e.stages)}
        for i, stage in enumerate(e.stages):
            if stage.parent not in states:
                raise ValueError(f"stage '{stage.name}' starts from '{stage.parent}', which has not run")
            states[stage.name], thaws[stage.name] = self._stage(
                stage, chunk, columns, cells, indices, states[stage.parent], thaws.get(stage.parent)
            )
            self._save_state(stage.name, columns, states[stage.name])
            for name in [n for n in states if last_use.get(n, -1) <= i and n != stage.name]:
                del states[name]
        return report

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
            state, thaw = self._years(stage, chunk, columns, cells, state, cycle, len(indices), cyclic=True)
        host = jax.tree.map(lambda value: np.asarray(value)[: len(indices)], drift)
        return state, thaw, {**host._asdict(), "closed": spinup.closed(host), **solver}

    def _start(self, parameters, cell: Cell, year: Climate) -> step.State:
        site = step.derive(parameters, cell, self.e.design)
        days = jnp.asarray(run.DAYS_IN_MONTH, year.air_temperature.dtype)
        return step.initial_state(site, cell, year.air_temperature, year.shortwave_radiation, days, self.e.design)

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

    def _stage(self, stage: Stage, chunk, columns, cells, indices, state, thaw):
        e = self.e
        climate = self._place(_cast(stage.climate(indices), e.design))
        if stage.begin == "start":
            if thaw is None:  # restart: the pools refer to the thaw in their store
                known = state.carbon.store.reference_thaw
                thaw = Thaw(known, known)
            state = self._begin(state, cells, thaw)
        return self._years(stage, chunk, columns, cells, state, climate, len(indices))

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
            self._check(stage, columns, first, host["annual"])
            recent.append(tuple(np.asarray(outputs["annual"][n])[:, :live] for n in _THAW))
            if not cyclic:
                host["annual"] = {n: v for n, v in host["annual"].items() if n in self.wanted}
                self.sink.write(stage, columns, slice(first, first + live), host)
            self.done += count * live
            self._tell(stage.name, chunk, count)
        series = [np.concatenate(parts, axis=1) for parts in zip(*recent, strict=True)]
        thaw = self._place(Thaw(*[jnp.asarray(values[:, -1]) for values in series]), pad=False)
        if stage.begin == "base_years":
            low, high = stage.base_years or (stage.last_year, stage.last_year)
            window = slice(low - stage.first_year, high - stage.first_year + 1)
            base = self._place(Thaw(*[jnp.asarray(values[:, window].mean(axis=1)) for values in series]), pad=False)
            state = self._begin(state, cells, base)
        return state, thaw

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
            bad = np.asarray(np.abs(annual[residual]) > limit * np.maximum(np.abs(annual[scale]), 1.0))
            self._name_failed(stage, columns, first, np.atleast_2d(bad), f"{residual} exceeds {limit:g} of {scale}")

    def _name_failed(self, stage: Stage, columns: slice, first: int, bad: np.ndarray, reason: str) -> None:
        for row in np.flatnonzero(bad.any(axis=1)):
            column = columns.start + int(row)
            year = stage.first_year + first + int(np.argmax(bad[row]))
            self.failed.setdefault(column, f"{stage.name} {year}: {reason}")


def _cast(climate: Climate, design: step.Design) -> Climate:
    return jax.tree.map(lambda leaf: np.asarray(leaf, design.pool_dtype), climate)


def tolerance_kind(name: str) -> str:
    """Which of ``spinup.CLOSURE_TOLERANCE`` judges a field of ``Drift``."""
    if name == "water":
        return "water"
    return "nitrogen" if "nitrogen" in name or "uptake" in name else "carbon"
