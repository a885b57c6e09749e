"""Results are written behind: in order, all before the end, and what fails there reaches the run."""

import threading

import numpy as np
import pytest

from jtem.run import Checkpoint, Stage
from jtem.writers.behind import WAITING, Behind
from jtem.writers.checkpoint import ChunkStore


class Slow(ChunkStore):
    """A store that waits for ``go`` before each job and may fail at the job ``fails``."""

    def __init__(self, fails=None):
        self.done, self.fails, self.go = [], fails, threading.Event()

    def _do(self, what):
        assert self.go.wait(10)
        if what == self.fails:
            raise OSError("No space left on device")
        self.done.append(what)

    def write(self, stage, columns, years, outputs):
        self._do(("write", stage.name, years.start))

    def state(self, stage_name, columns, state):
        self._do(("state", stage_name))

    def save(self, columns, unit, arrays, failed):
        self._do(("save", unit))


ALL = slice(0, 2)
HISTORY = Stage("history", 2000, 2010, lambda rows: None)  # pyright: ignore[reportArgumentType]


def block(behind, year):
    behind.write(HISTORY, ALL, slice(year, year + 1), {"annual": {"npp": np.zeros((2, 1))}})


def test_jobs_are_done_in_order_and_all_before_the_end():
    store = Slow()
    with Behind(store) as behind:
        assert isinstance(behind, Checkpoint)
        block(behind, 0)
        block(behind, 1)
        behind.state("history", ALL, None)
        behind.save(ALL, "history", {}, {})
        assert store.done == []  # the run went on meanwhile
        store.go.set()
    assert store.done == [("write", "history", 0), ("write", "history", 1), ("state", "history"), ("save", "history")]


def test_an_error_is_raised_in_the_run_and_nothing_is_written_after_it():
    store = Slow(fails=("write", "history", 1))
    with pytest.raises(OSError, match="No space left"), Behind(store) as behind:
        for year in range(WAITING):
            block(behind, year)
        store.go.set()
        for year in range(100):
            block(behind, WAITING + year)
    assert store.done == [("write", "history", 0)]


def test_an_error_of_the_last_job_is_raised_on_leaving():
    store = Slow(fails=("save", "history"))
    store.go.set()
    with pytest.raises(OSError, match="No space left"), Behind(store) as behind:
        behind.save(ALL, "history", {}, {})


def test_an_error_of_the_run_is_not_hidden_and_what_was_handed_over_is_written():
    store = Slow()
    store.go.set()
    with pytest.raises(KeyboardInterrupt), Behind(store) as behind:
        block(behind, 0)
        raise KeyboardInterrupt
    assert store.done == [("write", "history", 0)]
