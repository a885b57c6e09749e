"""Where workers are: on this machine, at a scheduler's address, or jobs of a batch system as a TOML file says."""

from __future__ import annotations

import contextlib
import inspect
import logging
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jtem.errors import InputError, suggest

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 60
BATCH = {"slurm": "SLURMCluster", "pbs": "PBSCluster"}
"""Batch systems and their classes in dask-jobqueue."""


def is_elsewhere(place: str) -> bool:
    """Whether the scheduler is none of this process, so that it may come again after it was lost."""
    return place != "local" and not place.endswith(".toml")


TRIM = "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_"
"""By which Dask lets its workers give freed memory back at once: JAX asks for it again at each step, a fifth of the time."""


@contextlib.contextmanager
def connected(place: str, workers: int) -> Iterator[tuple[Client, int]]:
    """A client of the workers at ``place``, and how many of them share out this machine's cores (0: others than these).

    ``place``: "local" (``workers`` processes here), a TOML file (``workers`` jobs of a batch system, or as many as it says), the
    JSON file that a scheduler writes, or its address. Raises ``InputError``, and ``OSError`` where no scheduler answers.
    """
    import dask.config
    from distributed import Client, LocalCluster
    from distributed.system import MEMORY_LIMIT

    if place == "local":
        count = workers or 1
        with dask.config.set({TRIM: None}):
            cluster = LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                memory_limit=MEMORY_LIMIT // count,
                dashboard_address=":0",
                silence_logs=logging.ERROR,
            )
        with cluster, Client(cluster) as client:
            yield client, count
        return
    if place.endswith(".toml"):
        with batch(Path(place), workers) as cluster, Client(cluster) as client:
            yield client, 0
        return
    where: dict[str, Any] = {"scheduler_file": place} if place.endswith(".json") else {"address": place}
    try:
        client = Client(**where, timeout=CONNECT_SECONDS)
    except ValueError as error:
        raise InputError(
            f"--dask {place}: {str(error).splitlines()[0]}; give local, a scheduler's address such as tcp://HOST:8786, the JSON "
            "file that it wrote, or a TOML file of a batch system"
        ) from None
    try:
        yield client, 0
    finally:
        client.close(timeout=2)


def batch(path: Path, workers: int) -> Any:
    """The jobs of a batch system that a TOML file describes: a cluster of dask-jobqueue; raises ``InputError``.

    ``system``: "slurm" or "pbs"; ``workers``: how many jobs (or ``minimum`` and ``maximum``: as many as there is work for);
    everything in ``[job]`` goes to dask-jobqueue as it is (cores, memory, queue, walltime, account, job_script_prologue, ...).
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: is no TOML file that can be read ({error})") from None
    known = ("system", "workers", "minimum", "maximum", "job")
    for key in said:
        if key not in known:
            raise InputError(f"{path}: '{key}' is unknown; {suggest(key, known)}")
    system, job = said.get("system", ""), said.get("job", {})
    if system not in BATCH:
        raise InputError(f"{path}: system {system!r} is unknown; {suggest(str(system), BATCH)}")
    try:
        import dask_jobqueue
    except ImportError:
        raise InputError(
            f"{path}: needs dask-jobqueue, which is not installed; run: pip install dask-jobqueue"
        ) from None
    made = getattr(dask_jobqueue, BATCH[system])
    takes = _options(made)
    for key in job:
        if key not in takes:
            raise InputError(f"{path}: [job] '{key}' is no option of dask-jobqueue; {suggest(key, takes)}")
    if not job.get("cores") or not job.get("memory"):
        raise InputError(
            f"{path}: [job] must say cores and memory of a worker ('jtem check PLAN' says how much it needs)"
        )
    # one task at a time, which uses all cores of its job
    extra = [*job.pop("worker_extra_args", []), "--nthreads", "1"]
    try:
        cluster = made(**{"processes": 1, **job}, worker_extra_args=extra)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: [job] {error}") from None
    if "maximum" in said:
        cluster.adapt(minimum_jobs=said.get("minimum", 0), maximum_jobs=said["maximum"])
    else:
        cluster.scale(jobs=workers or said.get("workers", 1))
    return cluster


def _options(made: type) -> set[str]:
    """Names of the options of a cluster of dask-jobqueue and of its jobs."""
    found: set[str] = set()
    for one in (*made.__mro__, *made.job_cls.__mro__):  # pyright: ignore[reportAttributeAccessIssue]
        if "__init__" in vars(one) and one is not object:
            found |= set(inspect.signature(one.__init__).parameters)
    return found - {"self", "args", "kwargs"}
