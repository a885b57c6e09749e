"""Results written in a thread of their own while the next block runs."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from types import TracebackType

import numpy as np
from jaxtyping import PyTree

from jtem.records import Block, StageLike
from jtem.writers.checkpoint import ChunkStore

WAITING = 4
"""Blocks that may wait to be written; a run that is faster than the disk waits."""


class Behind:
    """A :class:`ChunkStore` that takes results at once and writes them behind, one after the other in the order given.

    What remembers a finished unit comes after the unit's results, so a killed run finds either both or does the unit again.
    Use it as a context manager: leaving waits until all is written. What fails in the thread is raised at the next call, or on
    leaving, in the thread of the run; nothing is written after it.
    """

    def __init__(self, store: ChunkStore):
        self.store = store
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue(WAITING)
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="writer")

    def __enter__(self) -> Behind:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._jobs.put(None)
        self._thread.join()
        if self._failed is not None and error is None:
            raise self._failed

    def write(self, stage: StageLike, columns: slice, years: slice, outputs: Block) -> None:
        """Write a block of results, later."""
        self._later(lambda: self.store.write(stage, columns, years, outputs))

    def state(self, stage_name: str, columns: slice, state: PyTree) -> None:
        """Keep a state, later."""
        self._later(lambda: self.store.state(stage_name, columns, state))

    def save(self, columns: slice, unit: str, arrays: dict[str, np.ndarray], failed: dict[int, str]) -> None:
        """Remember a finished unit, after everything handed over before."""
        self._later(lambda: self.store.save(columns, unit, arrays, failed))

    def load(self, columns: slice, unit: str) -> dict[str, np.ndarray] | None:
        """As the store says: of units that an earlier run finished."""
        return self.store.load(columns, unit)

    def failures(self, columns: slice) -> dict[int, str]:
        """As the store says: of units that an earlier run finished."""
        return self.store.failures(columns)

    def _later(self, job: Callable[[], None]) -> None:
        if self._failed is not None:
            raise self._failed
        self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._failed is None:
                try:
                    job()
                except BaseException as error:  # raised again in the run's own thread
                    self._failed = error
