"""Every file says where it comes from, and the run that it came from can be made again and compared to the bit."""

import gc
import hashlib
import os
import signal
import warnings

import netCDF4
import numpy as np
import pytest
import xarray as xr

from jtem import run
from jtem.commands.main import main
from jtem.errors import InputNote
from jtem.writers import compare
from test_cli import OWN, PLAN, fake_run, one_sentence


def own_files(folder):
    """A climate of two cells and two years, and their fixed fields."""
    place = {
        "lat": ("cell", [66.0, 67.0], {"units": "degrees_north"}),
        "lon": ("cell", [-150.0, -149.0], {"units": "degrees_east"}),
    }
    season = -10.0 + 20.0 * np.sin(np.arange(24) * np.pi / 6.0 - 2.0)
    months = np.arange("2000-01", "2002-01", dtype="datetime64[M]").astype("datetime64[ns]")
    climate = {
        "tas": (("time", "cell"), np.stack([season, season + 1.0], axis=1), {"units": "degC"}),
        "pr": (("time", "cell"), np.full((24, 2), 30.0), {"units": "mm month-1"}),
        "rsds": (("time", "cell"), np.stack([np.maximum(100.0 + 8 * season, 1.0)] * 2, axis=1), {"units": "W m-2"}),
    }
    xr.Dataset(climate | place, coords={"time": months}).to_netcdf(folder / "climate.nc")
    fixed = {"elevation": ("m", 300.0), "sand": ("percent", 40.0), "silt": ("percent", 40.0), "clay": ("percent", 20.0)}
    fields = {name: ("cell", [value, value], {"units": unit}) for name, (unit, value) in fixed.items()}
    fields["vegetation"] = ("cell", [4, 4], {})
    fields["area"] = ("cell", [100.0, 100.0], {"units": "km2"})
    xr.Dataset(fields | place).to_netcdf(folder / "static.nc")


@pytest.fixture
def made(tmp_path, monkeypatch):
    """The files of a run of own inputs, without the model."""
    monkeypatch.setattr(run, "run_experiment", fake_run)
    monkeypatch.setenv("JTEM_DATA", str(tmp_path))
    own_files(tmp_path)
    (tmp_path / "plan.toml").write_text(OWN)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputNote)
        assert main(["run", str(tmp_path / "plan.toml"), "--out", str(tmp_path / "out")]) == 0
    return tmp_path / "out" / "own_historical_annual.nc"


def test_a_file_says_its_inputs_versions_and_processor(made):
    said = {name: str(value) for name, value in compare.attributes(made).items()}
    expected = [
        f"{hashlib.sha256((made.parents[1] / n).read_bytes()).hexdigest()}  {n}" for n in ("climate.nc", "static.nc")
    ]
    assert sorted(said["input_checksums"].splitlines()) == sorted(expected)
    assert "jaxlib " in said["versions"] and "python " in said["versions"] and "cores" in said["processor"]
    assert said["plan"] == OWN and said["parameter_hash"] and "xla" in said["xla_flags"]


def test_rerun_makes_the_same_files_and_says_so(made, tmp_path, capsys):
    assert main(["rerun", str(made), "--out", str(tmp_path / "again")]) == 0
    text = capsys.readouterr().out
    assert "own_historical_annual.nc: bitwise the same" in text and "1 of 1 files are bitwise the same" in text
    assert main(["rerun", str(made), "--out", str(tmp_path / "again")]) == 2  # never overwrites
    assert "exists already" in one_sentence(capsys)


def test_rerun_says_what_differs(made, tmp_path, capsys):
    with netCDF4.Dataset(made, "a") as data:
        data["npp"][0, 0] = data["npp"][0, 0] * 1.5
        data.versions = "python 2.7"
        data.processor = "another one"
    with netCDF4.Dataset(tmp_path / "climate.nc", "a") as data:
        data["pr"][0] = 31.0
    assert main(["rerun", str(made), "--out", str(tmp_path / "again")]) == 1
    text = capsys.readouterr().out
    assert "variables differ, most of all 'npp': 1 of 4 values, by up to 3.3e-01 of the largest" in text
    assert "versions: was 'python 2.7'" in text and "processor: was 'another one'" in text
    assert "inputs differ: climate.nc" in text and "0 of 1 files are bitwise the same" in text


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ({"plan": None}, "does not say its plan; give a file that 'jtem run' wrote"),
        ({"processes": "x by y"}, "was made with functions given in Python (x by y)"),
        ({"spin_up": "went on from the state of 'spinup'"}, "repeat it with the script that made it"),
        ({"parameter_hash": "0123"}, "was made with parameters 0123"),
    ],
)
def test_rerun_refuses_what_a_plan_alone_does_not_give(made, tmp_path, capsys, attributes, says):
    with netCDF4.Dataset(made, "a") as data:
        for name, value in attributes.items():
            data.delncattr(name) if value is None else data.setncattr(name, value)
    capsys.readouterr()
    assert main(["rerun", str(made), "--out", str(tmp_path / "again")]) == 2
    assert says in one_sentence(capsys) and not (tmp_path / "again").exists()


def test_rerun_of_what_is_no_file_of_a_run(tmp_path, capsys):
    (tmp_path / "text.nc").write_text("hello")
    for path in (tmp_path / "text.nc", tmp_path / "absent.nc", tmp_path):
        assert main(["rerun", str(path)]) == 2
        assert "cannot be read" in one_sentence(capsys)


# --- stopped, logged --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code", "by"), [(signal.SIGTERM, 143, "SIGTERM"), (signal.SIGINT, 130, "Ctrl-C")])
def test_a_stopped_run_keeps_its_work_and_says_how_to_go_on(tmp_path, monkeypatch, capsys, number, code, by):
    def told(experiment, sink, progress=None, only=None):
        sink.save(slice(0, 2), "spinup", {"state/spinup/0": np.zeros(2)}, {})
        gc.disable()  # what is raised in a callback of the collector (hypothesis has one) is lost
        try:
            os.kill(os.getpid(), number)
        finally:
            gc.enable()
        return fake_run(experiment, sink, progress)

    monkeypatch.setattr(run, "run_experiment", told)
    (tmp_path / "plan.toml").write_text(PLAN)
    out = tmp_path / "out"
    before = signal.getsignal(number)
    assert main(["run", str(tmp_path / "plan.toml"), "--out", str(out)]) == code
    said = capsys.readouterr().err
    assert f"jtem: stopped by {by}; finished work is kept in {out}; the same command goes on from there" in said
    assert signal.getsignal(number) is before
    assert (out / ".jtem-work").is_dir() and not list(out.glob("*.nc"))
    monkeypatch.setattr(run, "run_experiment", fake_run)
    assert main(["run", str(tmp_path / "plan.toml"), "--out", str(out), "--resume"]) == 0
    assert "going on with the unfinished run" in capsys.readouterr().out and not (out / ".jtem-work").exists()


def test_unfinished_work_of_changed_inputs_is_refused(made, tmp_path, monkeypatch, capsys):
    def killed(experiment, sink, progress=None, only=None):
        sink.save(slice(0, 1), "spinup", {"state/spinup/0": np.zeros(1)}, {})
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "run_experiment", killed)
    out = tmp_path / "other"
    assert main(["run", str(tmp_path / "plan.toml"), "--out", str(out)]) == 130
    with netCDF4.Dataset(tmp_path / "climate.nc", "a") as data:
        data["pr"][0] = 31.0
    capsys.readouterr()
    assert main(["run", str(tmp_path / "plan.toml"), "--out", str(out)]) == 2
    assert "holds unfinished work of another run ('checksums' differs)" in one_sentence(capsys)


def test_a_log_has_all_that_was_said_and_each_warning_once(tmp_path, monkeypatch, capsys):
    def noisy(experiment, sink, progress=None, only=None):
        for _ in range(3):
            warnings.warn("the soil is odd", InputNote, stacklevel=1)
        return fake_run(experiment, sink, progress)

    monkeypatch.setattr(run, "run_experiment", noisy)
    (tmp_path / "plan.toml").write_text(PLAN)
    log = tmp_path / "run.log"
    words = ["run", str(tmp_path / "plan.toml"), "--out", str(tmp_path / "out"), "--log", str(log)]
    assert main(words) == 0 and main(words) == 2
    shown, text = capsys.readouterr(), log.read_text()
    assert shown.err.count("the soil is odd") == 1 and text.count("the soil is odd") == 1
    for said in ("jtem run", "cells x years/s", "2 files in", "exists already"):
        assert said in text
    assert all(line[:2] == "20" and line[19] == " " for line in text.splitlines())


def test_a_log_that_cannot_be_written(tmp_path, capsys):
    assert main(["run", "plan.toml", "--log", str(tmp_path / "absent" / "log")]) == 2
    assert "cannot be written" in one_sentence(capsys)
