"""Run an experiment without files: outputs, states and budgets come back as host arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import numpy as np

from jtem import step
from jtem.records import Block, Selection, Sink, StageLike
from jtem.run.chunk import RESIDUALS
from jtem.run.course import Experiment
from jtem.run.runner import Summary, report_arrays, run_experiment
from jtem.run.work import Progress
from jtem.run.years import Outputs


@dataclass(frozen=True)
class StageResult:
    """Outputs of one stage, host arrays with leading column axis.

    ``years`` (year,): calendar years. ``monthly``: (column, year, 12, ...); ``annual``: (column, year, ...), by variable, in the
    units of ``variables.csv``. ``residuals``: largest monthly budget residual of each year (column, year) of carbon, nitrogen
    (g m-2) and water (mm). ``state``: at the stage's end.
    """

    name: str
    years: np.ndarray
    monthly: dict[str, np.ndarray]
    annual: dict[str, np.ndarray]
    residuals: dict[str, np.ndarray]
    state: step.State


@dataclass(frozen=True)
class Results:
    """What a run made. ``start``: state at the end of the spin-up, None where states were given."""

    stages: dict[str, StageResult]
    start: step.State | None
    summary: Summary

    def member(self, k: int, of: int) -> Results:
        """Results of parameter set ``k`` (from 0) of an :func:`jtem.run.course.ensemble` ``of`` so many sets."""
        if not 0 <= k < of:
            raise ValueError(f"an ensemble of {of} sets has the members 0 to {of - 1}, not {k}")
        one = next(iter(self.stages.values())).state
        count = jax.tree.leaves(one)[0].shape[0] // of
        rows = slice(k * count, (k + 1) * count)
        stages, start, spin_up = jax.tree.map(
            lambda leaf: leaf[rows], (self._arrays(), self.start, report_arrays(self.summary.spin_up))
        )
        failed = {c - rows.start: why for c, why in self.summary.failed.items() if rows.start <= c < rows.stop}
        report = self.summary.spin_up
        report = None if report is None else dataclasses.replace(report, **spin_up)
        return Results(
            {name: dataclasses.replace(result, **stages[name]) for name, result in self.stages.items()},
            start,
            dataclasses.replace(
                self.summary,
                spin_up=report,
                failed=failed,
                limits={name: counts[rows] for name, counts in self.summary.limits.items()},
            ),
        )

    def _arrays(self) -> dict[str, dict]:
        kept = ("monthly", "annual", "residuals", "state")
        return {name: {field: getattr(result, field) for field in kept} for name, result in self.stages.items()}


class Memory:
    """A sink that keeps everything (:class:`jtem.records.Sink`)."""

    def __init__(self):
        """Nothing is kept yet."""
        self.outputs: dict[str, list[tuple[int, int, Block]]] = {}
        self.states: dict[str, list[step.State]] = {}

    def write(self, stage: StageLike, columns: slice, years: slice, outputs: Block) -> None:
        """Keep a block of a stage; blocks of a chunk of columns come in order."""
        self.outputs.setdefault(stage.name, []).append((columns.start, years.start, outputs))

    def state(self, stage_name: str, columns: slice, state: step.State) -> None:
        """Keep the state at a stage's end."""
        self.states.setdefault(stage_name, []).append(state)

    def replay(self, sink: Sink, stages: Sequence[StageLike], columns: slice) -> None:
        """Hand what was kept of a chunk of columns to another sink."""
        by_name = {stage.name: stage for stage in stages}
        for name, blocks in self.outputs.items():
            for _, first, outputs in blocks:
                count = jax.tree.leaves(outputs)[0].shape[1]
                sink.write(by_name[name], columns, slice(first, first + count), outputs)
        for name, states in self.states.items():
            for state in states:
                sink.state(name, columns, state)

    def joined(self, stage: str) -> Outputs:
        """All outputs of a stage: columns and years put together."""
        blocks = self.outputs[stage]
        rows: dict[int, list[Block]] = {}
        for first, _, outputs in sorted(blocks, key=lambda block: block[:2]):
            rows.setdefault(first, []).append(outputs)
        by_rows = [jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), *parts) for parts in rows.values()]
        return jax.tree.map(lambda *parts: np.concatenate(parts, axis=0), *by_rows)

    def end(self, stage: str) -> step.State | None:
        """State of all columns at a stage's end; None where it was not handed over."""
        parts = self.states.get(stage)
        return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts) if parts else None


Runner = Callable[[Experiment, Sink, Callable[[Progress], None] | None], Summary]
"""What runs an experiment into a sink: :func:`jtem.run.runner.run_experiment`, or one that hands its chunks to others."""


def run_in_memory(
    experiment: Experiment, progress: Callable[[Progress], None] | None = None, runner: Runner = run_experiment
) -> Results:
    """Run an experiment and return what it makes: the outputs of its selection by stage, states, budgets, spin-up report.

    Columns that failed are named in ``Results.summary.failed``; their numbers are returned as they are. Everything is held in
    memory: a large domain belongs in files (:func:`jtem.run.runner.run_experiment` with a sink that writes them).
    """
    asked = experiment.selection
    checks = tuple((name, "max") for name in RESIDUALS if name not in dict(asked.annual))
    sink = Memory()
    selection = Selection(asked.monthly, (*asked.annual, *checks))
    summary = runner(dataclasses.replace(experiment, selection=selection), sink, progress)
    stages, extra = {}, {name for name, _ in checks}
    for stage in experiment.stages:
        outputs, state = sink.joined(stage.name), sink.end(stage.name)
        annual = outputs["annual"]
        assert state is not None
        stages[stage.name] = StageResult(
            name=stage.name,
            years=np.arange(stage.first_year, stage.last_year + 1),
            monthly=outputs["monthly"],
            annual={name: values for name, values in annual.items() if name not in extra},
            residuals={name: annual[name] for name in RESIDUALS},
            state=state,
        )
    return Results(stages, sink.end("spinup"), summary)
