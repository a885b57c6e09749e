"""Chunks of columns as tasks of Dask, on workers that are threads of this process; run by ``test_cluster.py`` in a process of its
own, for what the other tests put around functions cannot be sent to workers.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from jtem.cluster import driver
from jtem.cluster.places import connected
from jtem.commands.main import main
from jtem.errors import InputError

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


def _setting(name: str) -> str | None:
    return os.environ.get(name)


def test_local_workers_keep_freed_memory(monkeypatch):
    """Dask's own setting makes malloc give it back at each step: ten times the page faults, a fifth of the time."""
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    with connected("local", 1) as (client, workers):
        assert workers == 1 and client.submit(_setting, "OMP_NUM_THREADS").result() == "1"
        assert client.submit(_setting, "MALLOC_TRIM_THRESHOLD_").result() is None


def test_workers_that_take_several_tasks_are_refused(plan, capsys):
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=3, processes=False, dashboard_address=None, worker_dashboard_address=None
    ) as cluster:
        assert main(["run", "tiny.toml", "--out", "out", "--dask", cluster.scheduler.address]) == 2
    assert "start workers with --nthreads 1" in capsys.readouterr().err


def test_a_model_and_an_ensemble_run_on_workers(plan, client):
    """Bitwise the results of this process; members in other chunks than here, so to rounding."""
    import jtem

    model = jtem.open(plan)
    here, there = model.run(), model.run(client=client)
    for frequency in ("annual", "monthly"):
        assert there.stages["historical"][frequency].equals(here.stages["historical"][frequency])
    assert there.state.equals(here.state) and there.spin_up is not None and there.spin_up.equals(here.spin_up)  # pyright: ignore
    site = jtem.Model("US-Prr", permafrost="none")
    short = {"years": (2011, 2012), "spin_up": {"method": "repeat", "heat_years": 12, "years": 20}}
    values = {"soil_thermal.snow_density": [150.0, 250.0, 350.0]}
    a, b = site.ensemble(values, **short), site.ensemble(values, **short, client=client)
    # members go in chunks of another size there, which rounds otherwise: a few last digits of float32
    for name, one in a.stages["historical"]["annual"].data_vars.items():
        np.testing.assert_allclose(b.stages["historical"]["annual"][name], one, rtol=1e-6, err_msg=name)
    with pytest.raises(jtem.InputError, match="give a distributed"):
        model.run(client="tcp://127.0.0.1:8786")  # pyright: ignore


def _half(number: int) -> float:
    if number == 7:
        raise InputError("seven is no number")
    return number / 2


def test_functions_are_called_on_workers_in_order(client):
    """Also more of them than wait at once; what one raises is raised here, and nothing is left behind."""
    with driver.spread(client, 2) as calls:
        assert list(calls(_half, ((n,) for n in range(6)))) == [n / 2 for n in range(6)]
        assert list(calls(lambda a, b: a - b, [(3, 1)])) == [2] and list(calls(_half, [])) == []
        with pytest.raises(InputError, match="seven is no number"):
            list(calls(_half, ((n,) for n in range(5, 12))))
    left = client.run(lambda dask_worker: [name for name in dask_worker.plugins if name.startswith("jtem-")])
    assert list(left.values()) == [[], []]


def _dies_once(marker: Path) -> int:
    if not marker.exists():
        marker.touch()
        os._exit(1)
    return 3


def test_a_lost_worker_is_made_up_for_and_a_task_that_kills_each_is_one_sentence(tmp_path, monkeypatch):
    import dask.config

    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    for failures, expected in ((1, [3]), (0, None)):
        marker = tmp_path / str(failures)
        with (
            dask.config.set({"distributed.scheduler.allowed-failures": failures}),
            connected("local", 1) as (client, share),
            driver.spread(client, 1, share) as calls,
        ):
            if expected:
                assert list(calls(_dies_once, [(marker,)])) == expected and marker.exists()
                continue
            with pytest.raises(InputError, match=r"workers died each time \(1 of them"):
                list(calls(_dies_once, [(marker,)]))


SENSITIVITY = """
[[scenario]]
name = "ssp126"
climate = "ssp126"
first = 2015
last = 2016
[sensitivity]
methods = METHODS
directions = ["warming", "litter.carbon_rate"]
parameters = ["litter.carbon_rate", "decomposition.temperature_sensitivity"]
trajectories = 2
chunk_columns = 8
[sensitivity.quantities]
carbon = "change cSoil 2011-2016"
"""


@pytest.mark.parametrize(
    "methods",
    [["morris"], pytest.param(["adjoint", "tangent"], marks=pytest.mark.slow)],
    ids=["ensemble", "derivatives"],
)
def test_a_sensitivity_on_workers_is_bitwise_that_of_one_process(methods, plan, client, capsys):
    text = TINY.replace("first = 2000\nlast = 2003", "first = 2011\nlast = 2014")
    (plan.parent / "sens.toml").write_text(text + SENSITIVITY.replace("METHODS", str(methods)))
    assert main(["sensitivity", "sens.toml", "--out", "here", "--no-figures"]) == 0
    capsys.readouterr()
    place = ["--dask", client.scheduler.address]
    assert main(["sensitivity", "sens.toml", "--out", "there", "--no-figures", *place]) == 0
    assert "2 workers; " in capsys.readouterr().err
    assert same_files(plan.parent / "here", plan.parent / "there") == len(methods)
    assert main(["sensitivity", "sens.toml", "--out", "new", "--dask", "nonsense://x"]) == 2
    assert "give local, a scheduler's address" in capsys.readouterr().err and not (plan.parent / "new").exists()


def test_results_and_unfinished_work_in_an_object_store(plan, client, capsys):
    """All that workers write goes to another place than the folder; a first try ends in the middle and is gone on with."""
    pytest.importorskip("upath", reason="needs the extra 'distributed' (universal-pathlib)")
    zarr = plan.parent / "zarr.toml"
    zarr.write_text(TINY.replace("state = true", "state = true\ndouble = true\nzarr = true"))
    store = ["--store", "memory://place/run"]
    assert main(["run", "zarr.toml", "--out", "plain"]) == 0
    assert main(["run", "zarr.toml", "--out", "remote", "--part", "1/2", *store]) == 0
    assert main(["run", "zarr.toml", "--out", "remote", "--dask", client.scheduler.address, *store]) == 0
    assert "2 of 4 chunks to do" in capsys.readouterr().err
    assert same_files(plan.parent / "plain", plan.parent / "remote") == 4
    assert not (plan.parent / "remote" / "tiny.zarr").exists() and not list((plan.parent / "remote").glob(".jtem*"))
    from upath import UPath

    from jtem.writers.zarr import ZarrStore

    place = UPath("memory://place/run")
    assert [path.name for path in place.iterdir()] == ["tiny.zarr"]
    here, there = ZarrStore.open(plan.parent / "plain" / "tiny.zarr"), ZarrStore.open(place / "tiny.zarr")
    assert there.root["status"][:].tolist() == [1] * 15
    for name in ("annual/soil_carbon", "monthly/gross_primary_production"):
        np.testing.assert_array_equal(here.root[f"historical/{name}"][:], there.root[f"historical/{name}"][:])
    assert main(["run", "zarr.toml", "--out", "remote2", *store]) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_prepared_store_that_lies_in_an_object_store(plan, capsys):
    pytest.importorskip("upath", reason="needs the extra 'distributed' (universal-pathlib)")
    from upath import UPath

    prepared = TINY + '[prepare]\nstore = "climate.nc"\n'
    Path("raw.toml").write_text(prepared)
    assert main(["prepare", "raw.toml"]) == 0
    near = prepared.replace('source = "embedded"\ndomain = "pan_arctic"\nstride = 19', 'source = "prepared"')
    Path("near.toml").write_text(near)
    Path("far.toml").write_text(near.replace("climate.nc", "memory://inputs/climate.nc"))
    UPath("memory://inputs/climate.nc").write_bytes(Path("climate.nc").read_bytes())
    assert main(["run", "near.toml", "--out", "near"]) == 0 and main(["run", "far.toml", "--out", "far"]) == 0
    assert same_files(plan.parent / "near", plan.parent / "far") == 4
    Path("raw.toml").write_text(prepared.replace("climate.nc", "s3://bucket/climate.nc"))
    capsys.readouterr()
    assert main(["prepare", "raw.toml"]) == 2
    assert "prepare to a file" in capsys.readouterr().err
