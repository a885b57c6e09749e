"""What a Dask worker does: it starts JAX as the run needs it, then takes one chunk of columns after the other."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import time
from collections.abc import Callable, Iterator, Sequence

import cloudpickle
import jax
from distributed import Worker, WorkerPlugin, get_worker

from jtem import __version__, devices
from jtem.errors import InputError
from jtem.run import Experiment, Memory, Progress, Summary, layout, run_experiment
from jtem.writers.behind import Behind
from jtem.writers.checkpoint import ChunkStore

MOST_DEVICES = 1024
"""JAX devices of a worker that are thought of."""
TELL_SECONDS = 2.0
"""A worker tells of its progress at most so often."""
Part = tuple[Summary, Memory | None]
"""What a task returns: what happened and, where there is no store, the results."""


class Ready(WorkerPlugin):
    """Starts JAX on a worker as the numbers need it; every worker gets one when it joins.

    ``fitting``: numbers of JAX devices that give the numbers of this process. ``share``: number of workers that share out this
    machine's cores, by their number (0: a worker has the cores that it may use already).
    """

    def __init__(self, name: str, fitting: Sequence[int], share: int = 0, gradients: bool = False):
        self.name, self.fitting, self.share, self.gradients = name, list(fitting), share, gradients
        self.platform = jax.default_backend()
        self.double = bool(jax.config.jax_enable_x64)  # pyright: ignore[reportAttributeAccessIssue]
        self.versions, self.folder = versions(), os.getcwd()
        self.started = False

    def setup(self, worker: Worker) -> None:
        """Give the worker its cores; called by Dask before the first task."""
        if self.share:
            pin(int(worker.name), self.share)

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """JAX as the numbers need it, started at the first time; raises ``InputError`` where it cannot give the same."""
        with jax.enable_x64(self.double):
            if not self.started:
                self._start()
                self.started = True
            yield

    def _start(self) -> None:
        other = [f"{name} {found}" for name, found in versions().items() if self.versions[name] != found]
        if other:
            raise InputError(f"the worker has {', '.join(other)}, the run {self.versions}; give them one environment")
        with contextlib.suppress(OSError):  # relative paths are those of the run, where the worker has its folder
            os.chdir(self.folder)
        if self.platform == "cpu":
            jax.config.update("jax_platforms", "cpu")
            cores = devices.usable_cores()
            count = max((n for n in self.fitting if n <= cores), default=self.fitting[0])
            devices.use_all_cores(self.gradients, devices=count)
        if jax.default_backend() != self.platform or jax.local_device_count() not in self.fitting:
            raise InputError(
                f"the worker has {jax.local_device_count()} devices of kind {jax.default_backend()}, the run {self.platform} "
                f"and {', '.join(map(str, self.fitting[:9]))}; start fresh workers, and let nothing start JAX in them before"
            )


class ChunkWork(Ready):
    """An experiment on a worker; :func:`run_chunk` is the task that uses it.

    ``store``: where results go and what remembers them; None: tasks return results. The numbers are bitwise those of this
    process: a worker takes as many JAX devices as it has cores, or the next number that has the same layout.
    """

    def __init__(self, name: str, experiment: Experiment, store: ChunkStore | None, share: int = 0):
        mine = layout.described(experiment, jax.local_device_count())
        fitting = [count for count in range(1, MOST_DEVICES) if layout.described(experiment, count) == mine]
        super().__init__(name, fitting, share)
        self.payload = cloudpickle.dumps((experiment, store))
        self.loaded: tuple[Experiment, ChunkStore | None] | None = None

    def run(self, number: int, tell: Callable[[Progress], None]) -> Part:
        """Run a chunk through all stages."""
        with self.computing():
            if self.loaded is None:
                self.loaded = cloudpickle.loads(self.payload)
            assert self.loaded is not None
            experiment, store = self.loaded
            if store is None:
                sink = Memory()
                return run_experiment(experiment, sink, tell, [number]), sink
            with Behind(store) as behind:
                return run_experiment(experiment, behind, tell, [number]), None


def call(name: str, task: bytes) -> object:
    """The task of a :class:`Ready` of that name: ``task``, a function and its arguments as cloudpickle writes them."""
    ready = get_worker().plugins[name]
    with ready.computing():  # pyright: ignore[reportAttributeAccessIssue]
        function, arguments = cloudpickle.loads(task)
        return function(*arguments)


def run_chunk(name: str, number: int) -> Part:
    """The task: chunk ``number`` of the :class:`ChunkWork` of that name; progress goes to the topic ``name``."""
    worker, told = get_worker(), [time.monotonic(), 0.0]

    def tell(message: Progress) -> None:
        if time.monotonic() >= told[0] + TELL_SECONDS:
            worker.log_event(name, {"done": message.column_years_done - told[1]})
            told[:] = time.monotonic(), message.column_years_done

    part = worker.plugins[name].run(number, tell)  # pyright: ignore[reportAttributeAccessIssue]
    worker.log_event(name, {"done": part[0].column_years - told[1]})
    return part


def versions() -> dict[str, str]:
    """What a worker must have in common with the run."""
    return {"jtem": __version__, **{name: importlib.metadata.version(name) for name in ("jax", "jaxlib", "numpy")}}


def pin(number: int, workers: int) -> None:
    """Keep this process to its share of the cores: of several workers a share each, else a core for several."""
    if not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    first = number % workers
    mine = cores[first * len(cores) // workers : (first + 1) * len(cores) // workers] or [cores[first % len(cores)]]
    for thread in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(thread), mine)
