"""Chunks of columns as tasks of Dask, on workers that are threads of this process; run by ``test_cluster.py`` in a process of its
own, for what the other tests put around functions cannot be sent to workers.
"""

from pathlib import Path

import numpy as np
import pytest

from jtem.commands.main import main

distributed = pytest.importorskip("distributed", reason="needs the extra 'distributed' (Dask)")

TINY = """
[plan]
name = "tiny"
[domain]
source = "embedded"
domain = "pan_arctic"
stride = 19
[model]
permafrost = "none"
[spinup]
heat_years = 12
years = 20
cycle = [1850, 1851]
[history]
first = 2000
last = 2003
[output]
state = true
monthly = ["gpp"]
[run]
chunk_columns = 4
block_years = 2
"""


@pytest.fixture
def plan(tmp_path, monkeypatch):
    (tmp_path / "tiny.toml").write_text(TINY)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "tiny.toml"


@pytest.fixture(scope="module")
def client():
    """Two workers that are threads of this process: tasks, plugins and retries are those of processes."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None, worker_dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def same_files(folder: Path, other: Path) -> int:
    import netCDF4

    names = sorted(p.name for p in folder.glob("*.nc"))
    assert names == sorted(p.name for p in other.glob("*.nc"))
    for name in names:
        with netCDF4.Dataset(folder / name) as a, netCDF4.Dataset(other / name) as b:
            for variable in a.variables:
                np.testing.assert_array_equal(a[variable][:], b[variable][:], err_msg=f"{name} {variable}")
    return len(names)


def test_a_run_goes_from_here_to_a_scheduler_and_back(plan, client, capsys):
    """A part here, a part on workers, the files here: bitwise those of one process, and nothing is run twice."""
    assert main(["run", "tiny.toml", "--out", "plain"]) == 0
    assert main(["run", "tiny.toml", "--out", "mixed", "--part", "2/2"]) == 0
    done = {path: path.stat().st_mtime_ns for path in (plan.parent / "mixed").rglob("*.npz")}
    assert len(done) > 4
    capsys.readouterr()
    address = client.scheduler.address
    assert main(["run", "tiny.toml", "--out", "mixed", "--dask", address]) == 0
    said = capsys.readouterr()
    assert "2 of 4 chunks to do" in said.err and "going on with the unfinished run" in said.out
    assert same_files(plan.parent / "plain", plan.parent / "mixed") == 4
    assert main(["run", "tiny.toml", "--out", "plain", "--dask", address]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["run", "tiny.toml", "--out", "new", "--dask", address, "--part", "1/2"]) == 2
    assert "give one of them" in capsys.readouterr().err


def test_a_poisoned_chunk_is_named_and_the_others_are_kept(plan, client, capsys, monkeypatch):
    from jtem.cluster import worker

    ran = []
    real = worker.run_experiment

    def failing(experiment, sink, tell, only):
        ran.extend(only)
        if only == [2]:
            raise MemoryError("no room")
        return real(experiment, sink, tell, only)

    monkeypatch.setattr(worker, "run_experiment", failing)
    address = client.scheduler.address
    assert main(["run", "tiny.toml", "--out", "out", "--dask", address]) == 1
    said = capsys.readouterr().err
    assert "1 of 4 chunks could not be run" in said and "columns 8 to 11" in said and "MemoryError: no room" in said
    assert sorted(ran) == [0, 1, 2, 2, 2, 3] and not list(plan.parent.glob("out/*.nc"))
    monkeypatch.setattr(worker, "run_experiment", real)
    assert main(["run", "tiny.toml", "--out", "out"]) == 0
    assert main(["run", "tiny.toml", "--out", "plain"]) == 0
    assert same_files(plan.parent / "plain", plan.parent / "out") == 4
