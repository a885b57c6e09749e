"""Chunks handed out to Dask's workers and waited for; results put together where tasks return them."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from jtem.errors import InputError
from jtem.records import Sink, Spread
from jtem.run import Experiment, Progress, Summary, chunks, course, together

if TYPE_CHECKING:
    from distributed import Client

    from jtem.cluster.worker import Part
    from jtem.writers.checkpoint import ChunkStore

RETRIES = 2
"""A chunk that ends in an error is tried so many times again, on any worker."""


Report = Callable[[Progress], None]
"""What is told of the progress."""


class Lost(Exception):
    """The scheduler went away; what is not finished must be handed out again."""


class Ended:
    """What came of the chunks: a part of each that was finished, the error of each that was not."""

    def __init__(self):
        """Nothing has ended yet."""
        self.parts: dict[int, Part] = {}
        self.wrong: dict[int, BaseException] = {}


class Meter:
    """Sums up what workers tell of their progress."""

    def __init__(self, experiment: Experiment, numbers: Sequence[int], report: Report | None):
        self.report = report or (lambda message: None)
        every = chunks(experiment)
        columns = sum(every[n].stop - every[n].start for n in numbers)
        self.total = columns * sum(unit.years for unit in course.itinerary(experiment))
        self.done, self.finished, self.failed, self.chunks = 0, 0, 0, len(numbers)
        self.start = time.perf_counter()

    def told(self, event: tuple[float, dict[str, float]]) -> None:
        """Take what a worker says, and say how far the run is."""
        self.done += int(event[1]["done"])
        seconds = time.perf_counter() - self.start
        failed = f", {self.failed} columns failed" if self.failed else ""
        self.report(
            Progress(
                stage=f"{self.finished} of {self.chunks} chunks{failed}",
                columns=0,
                chunk=0,
                chunks=1,
                column_years_done=self.done,
                column_years_total=self.total,
                seconds=seconds,
                compile_seconds=0.0,
                seconds_left=(self.total - self.done) * seconds / self.done if self.done else None,
            )
        )


def run_chunks(
    client: Client,
    experiment: Experiment,
    store: ChunkStore | None,
    numbers: Sequence[int],
    ended: Ended,
    meter: Meter,
    share: int = 0,
) -> None:
    """Run chunks on the workers of ``client``; what comes of them goes into ``ended`` as it comes.

    ``store``: where tasks write; None: they return results. ``share``: see :class:`jtem.cluster.worker.ChunkWork`. Raises
    :class:`Lost`, and ``InputError`` for workers that take several tasks at a time.
    """
    from distributed import CancelledError, as_completed
    from distributed.client import ClosedClientError

    from jtem.cluster.worker import ChunkWork, run_chunk

    name = new_name(client)
    work = ChunkWork(name, experiment, store, share)
    try:
        client.subscribe_topic(name, meter.told)
        client.register_plugin(work, name=name)
        submit = functools.partial(client.submit, run_chunk, name, retries=RETRIES, pure=False)
        futures = {submit(n, key=f"{name}-{n}"): n for n in numbers}
        for future in as_completed(list(futures)):
            number = futures.pop(future)
            if future.status == "error":
                error = future.exception()
                assert error is not None
                ended.wrong[number] = error
            else:
                ended.parts[number] = future.result()
                meter.finished += 1
                meter.failed += len(ended.parts[number][0].failed)
        client.unsubscribe_topic(name)
        client.unregister_worker_plugin(name)
    except (CancelledError, ClosedClientError, OSError) as error:
        raise Lost(str(error) or type(error).__name__) from error


def new_name(client: Client) -> str:
    """A name for what is registered at the workers; raises ``InputError`` for workers that take several tasks at a time."""
    threads: dict[str, int] = client.nthreads()  # pyright: ignore[reportAssignmentType] (a coroutine of asynchronous clients only)
    wide = [address for address, n in threads.items() if n > 1]
    if wide:
        raise InputError(
            f"worker {wide[0]} takes several tasks at a time; start workers with --nthreads 1, as a task uses all cores of its "
            "worker"
        )
    return f"jtem-{uuid.uuid4().hex[:12]}"


AHEAD = 2
"""Tasks of a :func:`spread` that wait for each worker: their arguments lie in this process until they are done."""


@contextlib.contextmanager
def spread(client: Client, workers: int, share: int = 0) -> Iterator[Spread]:
    """Functions called on the workers of ``client``, with as many JAX devices as here, results in order: a task for each tuple of
    arguments, tried again where its worker is lost (as often as Dask allows: ``InputError``).

    ``workers``: how many there will be. ``share``: see :class:`jtem.cluster.worker.Ready`. The calls raise what the function
    raises, and :class:`Lost`.
    """
    import cloudpickle
    import jax
    from distributed import CancelledError, KilledWorker
    from distributed.client import ClosedClientError

    from jtem.cluster.worker import Ready, call

    name = new_name(client)
    client.register_plugin(Ready(name, [jax.local_device_count()], share, gradients=True), name=name)

    def calls(function: Callable[..., object], tasks: Iterable[tuple[object, ...]]) -> Iterator[object]:
        waiting, source = deque(), iter(tasks)
        try:
            while True:
                there = max(workers, len(client.nthreads()))  # pyright: ignore[reportArgumentType]
                for arguments in itertools.islice(source, max(AHEAD * there - len(waiting), 0)):
                    task = cloudpickle.dumps((function, arguments))
                    waiting.append(client.submit(call, name, task, retries=RETRIES, pure=False))
                if not waiting:
                    return
                yield waiting.popleft().result()
        except (CancelledError, ClosedClientError, OSError) as error:
            raise Lost(str(error) or type(error).__name__) from error
        except KilledWorker as error:
            raise InputError(
                f"a task's workers died each time ({error.allowed_failures + 1} of them; no memory?); give workers more memory, "
                "or take smaller chunks or more workers"
            ) from None
        finally:
            client.cancel(list(waiting))

    try:
        yield calls
    finally:
        with contextlib.suppress(CancelledError, ClosedClientError, OSError):
            client.unregister_worker_plugin(name)


def run_in_workers(client: Client) -> Callable[[Experiment, Sink, Report | None], Summary]:
    """A runner like :func:`jtem.run.run_experiment` whose chunks run on the workers of ``client`` and come back to the sink."""

    def run(experiment: Experiment, sink: Sink, progress: Report | None = None) -> Summary:
        begin, ended, every = time.perf_counter(), Ended(), chunks(experiment)
        numbers = range(len(every))
        run_chunks(client, experiment, None, numbers, ended, Meter(experiment, numbers, progress))
        for number, error in sorted(ended.wrong.items()):
            raise RuntimeError(f"columns {every[number].start} to {every[number].stop - 1}: {error}") from error
        for number in numbers:
            memory = ended.parts[number][1]
            assert memory is not None
            memory.replay(sink, experiment.stages, every[number])
        summary = together([ended.parts[number][0] for number in numbers])
        return dataclasses.replace(summary, seconds=time.perf_counter() - begin)

    return run


@contextlib.contextmanager
def needed() -> Iterator[None]:
    """Raise ``InputError`` where Dask is not installed."""
    try:
        import cloudpickle
        import distributed  # noqa: F401

        del cloudpickle
    except ImportError:
        raise InputError("this needs Dask, which is not installed; run: pip install 'jtem[distributed]'") from None
    yield
