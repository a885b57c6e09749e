"""Workers and schedulers of a run killed at random: ``python tests/cluster_kills.py [WORKERS [SCHEDULERS]]``.

A scheduler and two workers are started and, whenever one has ended, started again; SIGKILL hits one of them at random moments
until so many were hit (default 30 and 5). The run must end as one without kills: bitwise the files, every chunk of the store and
every remembered unit written once (its inode and time of change stay), the status of all columns "done".
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cluster_cases import TINY, same_files

ROOT = Path(__file__).resolve().parents[1]
PLAN = TINY.replace("stride = 19", "stride = 5").replace("chunk_columns = 4", "chunk_columns = 1")
PLAN = PLAN.replace("state = true", "state = true\ndouble = true\nzarr = true")
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), *sys.path]),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1000",  # kills here are no fault of a chunk
}
ENVIRONMENT.pop("XLA_FLAGS", None)


class Cluster:
    """A scheduler and two workers, each started again when it has ended."""

    def __init__(self, log: Path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        port = self.address.rpartition(":")[2]
        scheduler = ["dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"]
        worker = [
            "dask_worker",
            self.address,
            "--nthreads",
            "1",
            "--no-nanny",
            "--no-dashboard",
            "--death-timeout",
            "60",
        ]
        self.commands = {"scheduler": scheduler, "worker 1": worker, "worker 2": worker}
        self.log = log.open("ab")
        self.running: dict[str, subprocess.Popen] = {}

    def keep(self) -> None:
        """Start what does not run."""
        for name, (module, *words) in self.commands.items():
            if name not in self.running or self.running[name].poll() is not None:
                command = [sys.executable, "-m", f"distributed.cli.{module}", *words]
                self.running[name] = subprocess.Popen(command, env=ENVIRONMENT, stdout=self.log, stderr=self.log)

    def kill(self, name: str) -> None:
        """End a process without a word."""
        self.running[name].send_signal(signal.SIGKILL)
        self.running[name].wait()


def written(folder: Path) -> dict[Path, tuple[int, int]]:
    """Chunks of the store and remembered units: their inodes and when they were written."""
    found = {}
    for path in (*folder.glob("*.zarr/**/c/**/*"), *folder.glob(".jtem-work/columns.*/*")):
        if path.is_file() and not path.name.startswith(".") and "partial" not in path.name:
            status = path.stat()
            found[path] = status.st_ino, status.st_mtime_ns
    return found


def run_under_fire(folder: Path, left: dict[str, int], dice: random.Random) -> dict[str, int]:
    """One run; kills as many as it comes to. Returns how many of each kind."""
    cluster, kills, seen = Cluster(folder.parent / "cluster.log"), {"worker": 0, "scheduler": 0}, {}
    command = [sys.executable, "-m", "jtem", "run", "plan.toml", "--out", folder.name, "--dask", cluster.address]
    cluster.keep()
    run = subprocess.Popen(command, env=ENVIRONMENT, cwd=folder.parent)
    try:
        hit, before = time.monotonic() + 15, 0
        while run.poll() is None:
            time.sleep(0.2)
            cluster.keep()
            now = written(folder)
            again = [path for path, status in seen.items() if path in now and now[path] != status]
            assert not again, f"written twice: {again[:3]}"
            seen.update(now)
            moved = len(seen) > before or time.monotonic() > hit + 60  # else a slow machine would never get on
            if time.monotonic() > hit and moved and any(left[kind] > kills[kind] for kind in left):
                open_ = [kind for kind in left if left[kind] > kills[kind]]
                kind = dice.choices(open_, [left[one] - kills[one] for one in open_])[0]
                cluster.kill("scheduler" if kind == "scheduler" else dice.choice(["worker 1", "worker 2"]))
                kills[kind] += 1
                hit, before = time.monotonic() + dice.uniform(0.5, 10), len(seen)
        assert run.returncode == 0, run.returncode
    finally:
        run.kill()
        for name in cluster.running:
            cluster.kill(name)
    print(
        f"{kills['worker']} workers and {kills['scheduler']} schedulers killed, {len(seen)} files, none written twice"
    )
    return kills


def main(workers: int, schedulers: int) -> None:
    """Runs under fire until so many were killed; each compared with a plain run."""
    from jtem.writers.zarr import ZarrStore

    left, runs, dice = {"worker": workers, "scheduler": schedulers}, 0, random.Random(19)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "plan.toml").write_text(PLAN)
        plain = [sys.executable, "-m", "jtem", "run", "plan.toml", "--out", "plain"]
        subprocess.run(plain, env=ENVIRONMENT, cwd=folder, check=True)
        while any(left.values()):
            runs += 1
            kills = run_under_fire(folder / f"run{runs}", left, dice)
            left = {kind: left[kind] - kills[kind] for kind in left}
            count = same_files(folder / "plain", folder / f"run{runs}")
            stores = [ZarrStore.open(folder / name / "tiny.zarr").root for name in ("plain", f"run{runs}")]
            assert all(set(store["status"][:].tolist()) == {1} for store in stores)
            for frequency in ("monthly", "annual"):
                for name, array in stores[0][f"historical/{frequency}"].arrays():
                    assert (array[:] == stores[1][f"historical/{frequency}/{name}"][:]).all(), name
            print(f"run {runs}: {count} files and the store are bitwise those of a plain run")


if __name__ == "__main__":
    main(*map(int, (sys.argv[1:] + ["30", "5"][len(sys.argv) - 1 :])[:2]))
