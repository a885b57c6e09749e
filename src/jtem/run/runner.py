"""An experiment for all its columns: cells in chunks, years in blocks, one compiled program for all.

Pure of files: climate comes from loaders, results go to a sink, progress to a callback.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import jax
import numpy as np

from jtem.records import Sink
from jtem.run import course, limits
from jtem.run.chunk import Checkpoint, Chunk
from jtem.run.course import SOLVER, Experiment
from jtem.run.work import Progress, Work


@dataclass(frozen=True)
class SpinUpReport:
    """Per column: drift of the last spin-up year against TEM's closure tolerances (docs/model.md#i3).

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
    """What happened: wall seconds, compile seconds, column-years, spin-up report, failed columns with reason.

    ``limits``: how often each limit acted in each column (``run.limits``), in the order of the columns that were run.
    """

    seconds: float
    compile_seconds: float
    column_years: int
    spin_up: SpinUpReport | None
    failed: dict[int, str]
    limits: dict[str, np.ndarray] = field(default_factory=dict)


def run_experiment(
    experiment: Experiment,
    sink: Sink,
    progress: Callable[[Progress], None] | None = None,
    only: Sequence[int] | None = None,
) -> Summary:
    """Run all stages for all columns, chunk by chunk; memory is bounded by the chunk whatever the domain.

    ``only``: numbers of the chunks to run (all): processes that share them out run one each.

    Every stage of every chunk goes through one compiled program (blocks of ``block_years``; years beyond a stage's end rest).
    Columns whose outputs are not finite, or whose budgets do not close, are named in ``Summary.failed``; they do not touch their
    neighbours.
    """
    memory = sink if isinstance(sink, Checkpoint) else None
    every = course.chunks(experiment)
    numbers = range(len(every)) if only is None else only
    work = Work(experiment, [every[number] for number in numbers], progress)
    failed: dict[int, str] = {}
    reports: list[dict[str, np.ndarray]] = []
    acted: list[limits.Counts] = []
    for number in numbers:
        chunk = Chunk(experiment, number, every[number], sink, memory, work, failed)
        reports.append(chunk.run())
        acted.append(chunk.limits)
    return Summary(
        seconds=time.perf_counter() - work.start,
        compile_seconds=work.compile_seconds,
        column_years=work.done,
        spin_up=_joined(experiment, reports),
        failed=failed,
        limits=limits.joined(acted),
    )


def report_arrays(report: SpinUpReport | None) -> dict:
    """The arrays of a report, which lead with the column axis."""
    kept = ("drift", "closed", "code", "residual", "iterations")
    return {} if report is None else {field: getattr(report, field) for field in kept}


def together(parts: Sequence[Summary]) -> Summary:
    """One summary of runs of chunks that follow each other; ``seconds`` are those of all processes."""
    reports = [part.spin_up for part in parts if part.spin_up is not None]
    spin_up = None
    if reports:
        joined = jax.tree.map(lambda *values: np.concatenate(values), *map(report_arrays, reports))
        spin_up = dataclasses.replace(reports[0], **joined)
    return Summary(
        seconds=sum(part.seconds for part in parts),
        compile_seconds=sum(part.compile_seconds for part in parts),
        column_years=sum(part.column_years for part in parts),
        spin_up=spin_up,
        failed={column: why for part in parts for column, why in part.failed.items()},
        limits=limits.joined([part.limits for part in parts]),
    )


def _joined(experiment: Experiment, reports: list[dict[str, np.ndarray]]) -> SpinUpReport | None:
    spin = experiment.spin_up
    if spin is None or not reports:
        return None
    joined = {name: np.concatenate([report[name] for report in reports]) for name in reports[0]}
    solver = {name: joined.pop(name) for name in SOLVER if name in joined}
    return SpinUpReport(closed=joined.pop("closed"), drift=joined, years=spin.years, method=spin.method, **solver)


def tolerance_kind(name: str) -> str:
    """Which of ``spinup.CLOSURE_TOLERANCE`` judges a field of ``Drift``."""
    if name == "water":
        return "water"
    return "nitrogen" if "nitrogen" in name or "uptake" in name else "carbon"
