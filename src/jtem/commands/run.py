"""``jtem demo``, ``jtem run``, ``jtem check``: a plan's experiment run into files, with progress and what failed."""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import jax
import numpy as np

from jtem import __version__, compile_cache
from jtem import plan as plans
from jtem import run as work
from jtem.assemble.course import Prepared, open_plan, started
from jtem.assemble.provenance import attributes, identity, notes
from jtem.cluster.sharing import share_out
from jtem.commands.report import region_report
from jtem.devices import usable_cores, use_all_cores
from jtem.errors import DONE, FAILED_CELLS, InputError
from jtem.files import output_folder, place, prepare_folder
from jtem.physics.soil_heat import DEFAULT_EDGES
from jtem.records import Attributes, Grid
from jtem.run import Progress, SpinUpReport, Stage, Summary, limits, tolerance_kind
from jtem.run.course import families
from jtem.run.spinup import CLOSURE_TOLERANCE
from jtem.writers.behind import Behind
from jtem.writers.checkpoint import FOLDER, ChunkStore
from jtem.writers.netcdf import NetcdfSink, file_names
from jtem.writers.together import write_stages
from jtem.writers.zarr import ZarrStore

LARGE = 2e9
"""Bytes of results from which several processes write the files of a run."""


def demo_plan() -> Path:
    """The plan of ``jtem demo``: inside an installed package, or in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for path in (
        package / "_data" / "plans" / "demo.toml",
        package.parents[1] / "experiments" / "demo" / "plan.toml",
    ):
        if path.is_file():
            return path
    raise InputError("the demo's plan is not in this installation; reinstall jtem")


class ProgressLine:
    """Says how far a run is: one line that is rewritten on a terminal, a few plain lines elsewhere."""

    def __init__(
        self, stages: Sequence[Stage] = (), spin_up: bool = False, stream: TextIO | None = None, every: float = 0.1
    ):
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self.every, self.next_share, self.width = every, 0.0, 0
        self.programs = {stage.name: (stage.years, stage.begin) for stage in stages}
        together = [family for family in families(tuple(stages)) if len(family) > 1]
        self.together = {self.programs[stage.name] for family in together for stage in family}
        self.expected: set[Hashable] = {*self.programs.values(), *(["spin-up"] if spin_up else [])}
        self.seen: set[Hashable] = set()

    def start(self) -> None:
        """The first program compiles before the first message."""
        self.stream.write("compiling ...\n")
        self.stream.flush()

    def __call__(self, message: Progress) -> None:
        """Take one message of the run."""
        share = message.column_years_done / max(message.column_years_total, 1)
        if not self.live and share < self.next_share:
            return
        self.next_share = share + self.every
        running = max(message.seconds - message.compile_seconds, 1e-3)
        rate = message.column_years_done / running
        left = (message.column_years_total - message.column_years_done) / max(rate, 1e-9) + self.compiling_left(message)
        chunk = f", chunk {message.chunk + 1}/{message.chunks}" if message.chunks > 1 else ""
        compiled = f"  (compiled in {message.compile_seconds:.0f} s)" if message.compile_seconds else ""
        text = f"{100 * share:3.0f} %  {message.stage}{chunk}  {rate:,.0f} cells x years/s  {duration(left)} left{compiled}"
        if self.live:
            self.stream.write("\r" + text.ljust(self.width))
            self.width = len(text)
        else:
            self.stream.write(text + "\n")
        self.stream.flush()

    def compiling_left(self, message: Progress) -> float:
        """Seconds that further programs will compile for, if each takes as long as those so far did."""
        if message.stage in self.programs:
            self.seen.add(self.programs[message.stage])
        else:
            self.seen |= {"spin-up"} if message.stage in ("spinup", "spin-up") else self.together
        return message.compile_seconds / max(len(self.seen), 1) * len(self.expected - self.seen)

    def files(self, done: int, total: int) -> None:
        """Say how many stages of a large run have their files."""
        text = f"files of {done} of {total} stages"
        if self.live:
            self.stream.write("\r" + text + ("\n" if done == total else ""))
        elif done * 10 // total > (done - 1) * 10 // total:
            self.stream.write(text + "\n")
        self.stream.flush()

    def end(self) -> None:
        """Leave the line."""
        if self.live and self.width:
            self.stream.write("\n")


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


@dataclass(frozen=True)
class Way:
    """How a run is done. ``force``: discard what is there; ``resume``: refuse where there is nothing to go on from.

    ``part`` (i, n): only every n-th chunk, and no files. ``dask``: where workers are that run the chunks, ``workers`` of them.
    ``store``: where results and unfinished work go, if not into the output folder. ``keep``: whether finished work stays when
    the run is stopped.
    """

    force: bool = False
    resume: bool = False
    part: tuple[int, int] = (0, 1)
    dask: str = ""
    workers: int = 0
    store: str = ""
    keep: bool = True

    @property
    def shared(self) -> bool:
        """Whether other processes may be at the same work."""
        return self.part[1] > 1 or bool(self.dask)


def begun_work(prepared: Prepared, folder: Path, way: Way) -> tuple[ChunkStore, Attributes]:
    """The work of a run, new or to go on with, and what its files say; refuses folders that hold other things."""
    plan, experiment = prepared.plan, prepared.experiment
    origin, agreed = attributes(prepared), identity(prepared)
    where = place(way.store) if way.store else folder.absolute()
    frequencies = [frequency for frequency, _ in experiment.selection.names()]
    stages = [stage.name for stage in experiment.stages]
    names = file_names(plan.plan.name, stages, frequencies, plan.output.state) if plan.output.netcdf else []
    begun = (where / FOLDER).is_dir() and not way.force
    if way.resume and not begun:
        raise InputError(f"{way.store or folder}: holds no unfinished run to resume; leave out --resume to start one")
    prepare_folder(folder, names, way.force or begun)
    results = None
    if plan.output.zarr:
        results = ZarrStore.begin(
            where / f"{plan.plan.name}.zarr", prepared.grid, experiment.stages, experiment.selection, fresh=way.force,
            known=begun or way.part[1] > 1, chunk_columns=experiment.chunk_columns, block_years=experiment.block_years,
            attributes=origin, heat_edges=DEFAULT_EDGES, double=plan.output.double,
        )  # fmt: skip
    store = ChunkStore(
        where, agreed, fresh=way.force, keep_states=plan.output.state, results=results, units=work.units(experiment)
    )
    if store.resumed:
        print(f"going on with the unfinished run in {way.store or folder}", flush=True)
    return store, origin


def note(text: str) -> None:
    """A line for people, beside what the command prints."""
    print(text, file=sys.stderr, flush=True)


def execute(prepared: Prepared, folder: Path, way: Way) -> tuple[int, Summary]:
    """Run an experiment and write its files; returns the exit code and the summary.

    Work is kept chunk by chunk until all files are written, so that a killed run goes on, here or in other processes.
    """
    plan, experiment = prepared.plan, prepared.experiment
    store, origin = begun_work(prepared, folder, way)
    every = work.chunks(experiment)
    progress = ProgressLine() if way.dask else ProgressLine(experiment.stages, experiment.spin_up is not None)
    with store.at_work(way.keep, way.shared):
        if not way.dask:
            progress.start()
        elif share_out(experiment, store, way.dask, way.workers, prepared.grid, progress, note):
            return FAILED_CELLS, Summary(0.0, 0.0, 0, None, {})
        with Behind(store) as behind:  # after Dask everything is remembered, and this only says how it ended
            summary = work.run_experiment(experiment, behind, progress, range(way.part[0], len(every), way.part[1]))
    progress.end()
    if not way.dask:
        print(
            f"{summary.column_years:,} cells x years in {summary.seconds:.1f} s, of which {summary.compile_seconds:.1f} s "
            "compiling",
            flush=True,
        )
    if way.part[1] > 1:
        left = len(store.unfinished(every, store.units))
        print(
            f"part {way.part[0] + 1} of {way.part[1]} is done; {left} chunks left; without --part the files are written"
        )
    else:
        for left in folder.glob(f".{plan.plan.name}_*.partial-*"):  # of a process that was killed while it wrote files
            left.unlink(missing_ok=True)
        with NetcdfSink(
            folder, plan.plan.name, prepared.grid, attributes=origin, heat_edges=DEFAULT_EDGES,
            write_files=plan.output.netcdf, write_states=plan.output.state, double=plan.output.double,
        ) as sink:  # fmt: skip
            if plan.output.netcdf:
                large = prepared.kept_bytes() > LARGE
                several = min(usable_cores(), len(experiment.stages)) if large else 1
                write_stages(store, experiment.stages, sink, several, progress.files if large else lambda *_: None)
            if plan.output.state:
                store.replay_states(experiment.stages, jax.tree.structure(work.state_like(experiment)), sink)
            implausible = list(sink.implausible.values())
            said = {**notes(summary), **({"implausible": "; ".join(implausible)} if implausible else {})}
            written = sink.finish(summary.failed, said)
            for text in [*implausible, *limits.sentences(summary.limits)]:
                note(f"note: {text}")
        if isinstance(store.results, ZarrStore):
            store.results.tidy()
        store.remove()
        print(f"{len(written)} files in {folder}")
    return report_failed(prepared.grid, summary), summary


def report_failed(grid: Grid, summary: Summary) -> int:
    """Name failed cells; exit code 1 if there are any, or where an equilibrium was asked for and no column is near it."""
    report = summary.spin_up
    if not summary.failed:
        return FAILED_CELLS if report is not None and report.method == "equilibrium" and unbalanced(report) else DONE
    print(f"{len(summary.failed)} of {grid.column_cell.size} columns failed (missing in the files):", file=sys.stderr)
    for column, reason in list(summary.failed.items())[:20]:
        cell = grid.column_cell[column]
        print(f"  ({grid.latitude[cell]:.3f}, {grid.longitude[cell]:.3f}): {reason}", file=sys.stderr)
    if len(summary.failed) > 20:
        print("  ... all are in the attribute 'failed_cells' of the files", file=sys.stderr)
    return FAILED_CELLS


def unbalanced(report: SpinUpReport) -> bool:
    """Whether a spin-up left no column in balance."""
    return report.closed.size > 0 and not np.any(report.closed)


def spin_up_text(report: SpinUpReport | None) -> str:
    """Length of the spin-up and the drift of its last year beside TEM's closure tolerances."""
    if report is None:
        return "no spin-up (restart)"
    units = {"water": "mm", "carbon": "gC m-2", "nitrogen": "gN m-2"}
    made = f"{report.years} years"
    if report.code is not None:
        repeated = np.flatnonzero(report.code)
        made = f"equilibrium in {report.code.size - repeated.size} columns, {report.years} repeated years in {repeated.size}"
        if repeated.size:
            made += f" (columns {', '.join(map(str, repeated[:10]))}{', ...' if repeated.size > 10 else ''})"
    lines = [
        f"spin-up: {made}; {int(np.sum(report.closed))} of {report.closed.size} columns within TEM's closure "
        "tolerances in the last year",
        f"  {'drift of the last year':42}{'median':>11}{'largest':>11}{'tolerance':>11}",
    ]
    for name, values in report.drift.items():
        kind = tolerance_kind(name)
        size = np.abs(np.asarray(values))
        lines.append(
            f"  {name.replace('_', ' '):42}{np.median(size):11.2g}{size.max():11.2g}{CLOSURE_TOLERANCE[kind]:11.2g}  "
            f"{units[kind]} yr-1"
        )
    if unbalanced(report):
        remedy = "raise [spinup] years and cycle_years" if report.code is None else "raise [spinup] cycle_years"
        if report.method != "equilibrium":
            remedy += ', or set method = "equilibrium"'
        lines.append(
            f"warning: no column is in balance, so that later years show the spin-up's drift beside their own change; {remedy}"
        )
        if np.all(np.asarray(report.drift.get("nitrogen_input_minus_loss", 0.0)) > CLOSURE_TOLERANCE["nitrogen"]):
            lines.append(
                "warning: more nitrogen comes in than leaves, in every column; where none can leave (nitrogen.loss_rate, "
                "nitrogen.mobile_share and nitrogen.gaseous_share are 0) no number of years ends that: set one of them, or "
                'nitrogen = "closed" in [model]'
            )
    return "\n".join(lines)


def command_demo(arguments: argparse.Namespace) -> int:
    """The embedded default: two futures, each with and without permafrost thaw; table, files, figure."""
    begin = time.perf_counter()
    with output_folder(arguments.out):
        prepared = open_plan(demo_plan(), None)
        plan = prepared.plan
        cells = f"{prepared.grid.latitude.size} cells ({prepared.grid.column_cell.size} columns)"
        print(f"jtem {__version__}: {plan.plan.title}; {cells}, emulated climate", flush=True)
        code, summary = execute(prepared, arguments.out, Way(force=True, keep=False))
    print(spin_up_text(summary.spin_up))
    region_report(plan, arguments.out, arguments.out / f"{plan.plan.name}.png", None)
    print(f"done in {time.perf_counter() - begin:.0f} s; every number and figure here is from emulated climate")
    return code


def command_warm(arguments: argparse.Namespace) -> int:
    """The demo into a folder that goes again: what stays is its compiled programs."""
    del arguments
    use_all_cores()
    if compile_cache.current().folder is None:
        raise InputError(f"nothing to warm: compiled programs are not kept ({compile_cache.current().reason})")
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        code, _ = execute(open_plan(demo_plan(), None), Path(folder), Way(force=True))
    print(f"cache: {compile_cache.described()}")
    return code


def command_run(arguments: argparse.Namespace) -> int:
    """Run a plan."""
    plan = plans.read(arguments.plan)
    folder = arguments.out = arguments.out or Path(plan.plan.name)
    a = arguments
    if a.dask and a.part:
        raise InputError("--part and --dask both share out the chunks; give one of them")
    way = Way(a.force, a.resume, a.part or (0, 1), a.dask, a.workers, a.store)
    with output_folder(folder, way.part):
        code, summary = execute(started(plan, a.data, force=a.force), folder, way)
    print(spin_up_text(summary.spin_up))
    return code
