"""The files of a run from its kept work: stage by stage, and of a large run several stages at once in processes of their own.

The netCDF library writes one file at a time in a process, and compressing takes about as long as computing on a few cores.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from jtem.records import StageInfo, StageLike
from jtem.writers.checkpoint import ChunkStore
from jtem.writers.netcdf import FilesWritten, NetcdfSink

WATCH_SECONDS = 0.5
"""How often a process that writes looks whether the one that began it is still there."""


def write_stages(
    store: ChunkStore,
    stages: Sequence[StageLike],
    sink: NetcdfSink,
    processes: int = 1,
    say: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Hand the results of all stages to ``sink``, by so many processes; its files are the same, however many.

    ``say``: stages written so far, of how many. Raises what writing raises, and ``ChildProcessError`` where a process was
    killed; then all others have ended.
    """
    if processes < 2:
        for done, stage in enumerate(stages, 1):
            store.replay(stage, sink)
            say(done, len(stages))
        return
    plain = [StageInfo(s.name, s.first_year, s.last_year, s.parent, s.expose) for s in stages]
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")  # a copy of this process would have its threads' locks
    with ProcessPoolExecutor(processes, context, _begin, (os.getpid(),)) as pool:
        try:
            jobs = [pool.submit(_write, store, stage, sink) for stage in plain]
            for done, job in enumerate(as_completed(jobs), 1):
                job.result()
                say(done, len(jobs))
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(multiprocessing.active_children()) - others:
                child.kill()
            if isinstance(error, BrokenProcessPool):
                raise ChildProcessError("the end of a process that wrote files (too little memory?)") from None
            raise
    for job in jobs:
        sink.take(job.result())


def _begin(parent: int) -> None:
    """In a new process: signals of the terminal are the parent's to answer, and without it this process ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _write(store: ChunkStore, stage: StageInfo, sink: NetcdfSink) -> FilesWritten:
    store.replay(stage, sink)
    return sink.part()
