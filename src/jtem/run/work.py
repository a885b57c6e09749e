"""Work of a run, counted: what is done and to do, how long it took, and how much of it fits into memory at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
from jaxtyping import PyTree

from jtem.errors import InputError, note
from jtem.run import batch, course
from jtem.run.course import Experiment


@dataclass(frozen=True)
class Progress:
    """One message to the progress callback.

    ``seconds``: since the start; ``compile_seconds``: of those in calls that compiled. ``seconds_left``: from the speed of
    work in which nothing compiled; None before there was any.
    """

    stage: str
    columns: int
    chunk: int
    chunks: int
    column_years_done: int
    column_years_total: int
    seconds: float
    compile_seconds: float
    seconds_left: float | None = None


class Work:
    """Column-years done and to do, the seconds they took, and how many of those went into compiling."""

    def __init__(self, experiment: Experiment, chunks: Sequence[slice], report: Callable[[Progress], None] | None):
        self.report = report or (lambda message: None)
        self.chunks = len(course.chunks(experiment))
        columns = sum(chunk.stop - chunk.start for chunk in chunks)
        self.total = columns * sum(unit.years for unit in course.itinerary(experiment))
        self.done = 0
        self.start = self.mark = time.perf_counter()
        self.compile_seconds = 0.0
        self.compiling = False
        self.parts: dict[batch.Program, int] = {}
        self.steady_seconds, self.steady_done = 0.0, 0

    def call(self, program: batch.Program, *arguments: PyTree) -> PyTree:
        """The result of a program, waited for. A call that compiles counts as compiling: what it ran for is small beside."""
        begin, compiles = time.perf_counter(), program.compiles(*arguments)
        result = self._within_memory(program, arguments)
        if compiles:
            self.compile_seconds += time.perf_counter() - begin
            self.compiling = True
        return result

    def _within_memory(self, program: batch.Program, arguments: tuple) -> PyTree:
        """The result of a program; where memory does not hold all columns at once, of halves of them, and so on."""
        columns = jax.tree.leaves(arguments[program.shared :])[0].shape[0]
        while True:
            parts = self.parts.get(program, 1)
            try:
                if parts == 1:
                    return jax.block_until_ready(program(*arguments))
                return program.in_parts(parts, *arguments)
            except (jax.errors.JaxRuntimeError, MemoryError) as error:
                if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in str(error):
                    raise
                if parts >= columns:
                    raise InputError(f"memory does not hold one column ({str(error).splitlines()[0]})") from None
                self.parts[program] = 2 * parts
                note(
                    f"memory does not hold {-(-columns // parts)} columns at once; the run goes on with "
                    f"{-(-columns // (2 * parts))} at a time (set [run] chunk_columns to that, so that none are tried in vain)"
                )

    def finished(self, column_years: int, stage: str, chunk: int, columns: int) -> None:
        """Count a piece of work and tell of it."""
        now = time.perf_counter()
        self.done += column_years
        if not self.compiling:
            self.steady_seconds += now - self.mark
            self.steady_done += column_years
        self.mark, self.compiling = now, False
        left = (self.total - self.done) * self.steady_seconds / self.steady_done if self.steady_done else None
        self.report(
            Progress(
                stage=stage,
                columns=columns,
                chunk=chunk,
                chunks=self.chunks,
                column_years_done=self.done,
                column_years_total=self.total,
                seconds=now - self.start,
                compile_seconds=self.compile_seconds,
                seconds_left=left,
            )
        )

    def skipped(self, column_years: int) -> None:
        """Work that was finished by an earlier run."""
        self.total -= column_years
