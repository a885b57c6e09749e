"""The chunks of a run shared out to other processes, until all are finished or some cannot be (``jtem run --dask``)."""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
from collections.abc import Callable, Iterator

from jtem import run as work
from jtem.cluster import driver, places
from jtem.errors import InputError
from jtem.records import Grid, Spread
from jtem.run import Experiment
from jtem.writers.checkpoint import ChunkStore

PATIENCE = 600.0
"""Seconds to wait for a scheduler that was lost: whoever started it may start it again."""


def quiet() -> None:
    """What Dask logs of lost workers and schedulers is said here in words; after its import, which sets its own levels."""
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextlib.contextmanager
def spread(place: str, workers: int, say: Callable[[str], None]) -> Iterator[tuple[Spread, int]]:
    """What calls the tasks of a study, and among how many workers: here where ``place`` is "", else on those at ``place``.

    ``say`` takes lines for people. Raises ``InputError``, also where the scheduler is lost on the way.
    """
    if not place:
        yield itertools.starmap, 1
        return
    with driver.needed(), contextlib.ExitStack() as stack:
        quiet()
        try:
            client, share = stack.enter_context(places.connected(place, workers))
        except OSError as error:
            raise InputError(f"--dask {place}: no scheduler answers ({error}); correct the address") from None
        asked = len(getattr(client.cluster, "worker_spec", ()))  # of which some may not have come yet
        count = max(workers, asked, len(client.nthreads()), 1)  # pyright: ignore[reportArgumentType]
        say(f"{count} workers; {client.dashboard_link or client.scheduler}")
        try:
            yield stack.enter_context(driver.spread(client, count, share)), count
        except driver.Lost as error:
            raise InputError(f"--dask {place}: the scheduler is gone ({error}); start again") from None


def share_out(
    experiment: Experiment,
    store: ChunkStore,
    place: str,
    workers: int,
    grid: Grid,
    progress: driver.Report,
    say: Callable[[str], None],
) -> int:
    """Run every chunk that ``store`` lacks on the workers at ``place``; names those that could not be run, returns how many.

    ``say`` takes lines for people.
    A scheduler elsewhere that goes away is waited for, and what is not finished is handed out again. Raises ``InputError``.
    """
    every, units = work.chunks(experiment), work.units(experiment)

    def left() -> list[int]:
        missing = {chunk.start for chunk in store.unfinished(every, units)}
        return [n for n, chunk in enumerate(every) if chunk.start in missing]

    numbers, seen = left(), 0.0  # when a scheduler answered last
    meter, ended = driver.Meter(experiment, numbers, progress), driver.Ended()
    with driver.needed():
        quiet()
        while numbers:
            try:
                with places.connected(place, workers) as (client, share):
                    if not seen:
                        say(f"{len(numbers)} of {len(every)} chunks to do; {client.dashboard_link or client.scheduler}")
                    try:
                        driver.run_chunks(client, experiment, store, numbers, ended, meter, share)
                        break
                    finally:
                        seen = time.monotonic()
            except (driver.Lost, OSError) as error:  # OSError: nobody answers at the place
                if not seen:
                    raise InputError(f"--dask {place}: no scheduler answers ({error}); correct the address") from None
                if not places.is_elsewhere(place) or time.monotonic() > seen + PATIENCE:
                    raise InputError(
                        f"--dask {place}: the scheduler is gone ({error}); the same command goes on from there"
                    ) from None
                say(f"the scheduler does not answer ({type(error).__name__} {error}); waiting for it")
                time.sleep(1)
            numbers = [n for n in left() if n not in ended.wrong]
    summary = work.together([part for part, _ in ended.parts.values()])
    say(
        f"{summary.column_years:,} cells x years in {time.perf_counter() - meter.start:.1f} s; workers were busy for "
        f"{summary.seconds:.1f} s, of which {summary.compile_seconds:.1f} s compiling"
    )
    if ended.wrong:
        say(
            f"{len(ended.wrong)} of {len(every)} chunks could not be run, the others are finished; the same command tries again:"
        )
    for number, error in sorted(ended.wrong.items())[:20]:
        rows, cell = every[number], grid.column_cell[every[number].start]
        text = " ".join(str(error).split()) or type(error).__name__
        where = f"from ({grid.latitude[cell]:.3f}, {grid.longitude[cell]:.3f})"
        say(f"  columns {rows.start} to {rows.stop - 1}, {where}: {type(error).__name__}: {text[:300]}")
    return len(ended.wrong)
