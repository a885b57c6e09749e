"""Runs that go on from a state file: to the bit as if they had not stopped, or refused in a sentence; the same on any layout."""

import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import netCDF4
import numpy as np
import pytest

import jtem
from jtem.assemble import origin
from jtem.assemble.course import open_plan
from jtem.commands.main import main
from jtem.errors import InputError
from jtem.run import layout, state_like
from jtem.writers.states import load_state, save_state, state_arrays

ROOT = Path(__file__).resolve().parents[1]
PLAN = """
[plan]
name = "small"
[domain]
source = "embedded"
sites = ["Toolik", "Bonanza Creek"]
nitrogen_deposition = "deposition.csv"
[model]
permafrost = "layered_concentration"
snow = "settling"
surface = "light"
soil_columns = "place"
soil_grid = "fine"
solve_heat = true
nitrogen = "open"
soil_water = "two_layers"
roots = "follow_thaw"
abrupt_thaw = "areas"
methane = "wetlands"
deep_nitrogen_losses = true
tissue_nitrogen = "photosynthesis"
[spinup]
method = "repeat"
heat_years = 12
years = 20
cycle = [1995, 1996]
cycle_years = 2
[history]
first = 2008
last = 2014
[permafrost]
base_years = [2012, 2014]
[[scenario]]
name = "warm"
climate = "ssp585"
first = 2015
last = 2018
[factorial]
runs = ["", "co2+temperature", "roots+abrupt"]
scenarios = ["ssp126"]
first = 2015
last = 2018
base_year = 2014
[output]
annual = ["active_layer_thickness", "npp", "cVeg", "ecosystem_carbon", "landscape_carbon_balance", "wetland_methane"]
monthly = ["gpp", "runoff"]
double = true
[run]
chunk_columns = 2
block_years = 2
"""
HEADER = "year,deposition (gN m-2 a-1)\n"
DEPOSITION = HEADER + "".join(f"{year},{0.1 + 0.01 * (year - 1990):.2f}\n" for year in range(1990, 2020))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "plan.toml").write_text(PLAN)
    (tmp_path / "deposition.csv").write_text(DEPOSITION)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- what a run refuses ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def zeros(tmp_path_factory):
    """A state of the plan, of zeros, and what its run would write into its file."""
    where = tmp_path_factory.mktemp("state")
    (where / "plan.toml").write_text(PLAN)
    (where / "deposition.csv").write_text(DEPOSITION)
    prepared = open_plan(where / "plan.toml", where)
    e = prepared.experiment
    state = jax.tree.map(lambda leaf: np.zeros((2, *leaf.shape[1:]), leaf.dtype), state_like(e))
    said = origin.of_state(e.design, e.columns, prepared.grid, prepared.table.hash())
    return state, {**said, "stage": "historical", "last_year": 2014}


def refused(text):
    """Why a plan cannot go on from ``state.nc``; "" where it can."""
    Path("again.toml").write_text(text + 'restart = "state.nc"\n')
    try:
        open_plan(Path("again.toml"), Path("."))
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('nitrogen = "open"', 'nitrogen = "open"\nparameters = ["jtem_pools"]', "state was made with parameters "),
        (
            '"layered_concentration"',
            '"layered"',
            "permafrost = layered_concentration, this run has layered; use the options of",
        ),
        (
            'surface = "light"',
            'surface = "air"',
            "surface = light, this run has air; use the options of [model] of the state",
        ),
        ('soil_columns = "place"', 'soil_columns = "community"', "soil_columns = place, this run has community"),
        (
            "deep_nitrogen_losses = true",
            "deep_nitrogen_losses = false",
            "deep_nitrogen_losses = true, this run has false",
        ),
        (
            'tissue_nitrogen = "photosynthesis"',
            "",
            "plant_cn = vegetation_cn_by_photosynthesis, this run has the model's own",
        ),
        (
            '"Toolik", "Bonanza Creek"',
            '"Bonanza Creek", "Toolik"',
            "state is of other columns (places, communities or their",
        ),
        ('"Toolik", "Bonanza Creek"', '"Toolik", "US-Prr"', "state is of other columns"),
        ('soil_grid = "fine"', "", "use the domain, mosaic and permafrost scheme of the state"),
        ('sites = ["Toolik", "Bonanza Creek"]', 'sites = ["Toolik"]', "use the domain, mosaic"),
        ('methane = "wetlands"', 'methane = "wetlands"\nprecision = "float64"', "use the same precision"),
        ('snow = "settling"', "", "state has 'thermal_snow_depth', which this run does not know"),
    ],
)
def test_a_state_of_something_else_is_one_sentence(old, new, says, folder, zeros):
    """Another parameter set, other options, other columns, another grid, another precision."""
    save_state(folder / "state.nc", *zeros)
    assert old in PLAN
    said = refused(PLAN.replace(old, new))
    assert says in said and "\n" not in said


def test_a_state_of_another_version_is_one_sentence(folder, zeros, capsys):
    state, said = zeros
    save_state(folder / "state.nc", state, {**said, "source": "jtem 0.0.9"})
    assert f"written by jtem 0.0.9, this is jtem {jtem.__version__}, whose numbers may mean something else" in refused(
        PLAN
    )
    assert main(["check", "again.toml", "--data", "."]) == 2 and "force it with --force" in capsys.readouterr().err
    assert open_plan(Path("again.toml"), Path("."), force=True).experiment.spin_up is None
    save_state(folder / "state.nc", state, {**said, "stage": "warm"})
    assert "a run goes on from 'spinup' or 'historical'" in refused(PLAN)
    save_state(folder / "state.nc", state, said)
    assert not refused(PLAN)


def test_a_state_says_what_it_is(folder, zeros):
    """Names as CF wants them, a unit and a description of every variable of every option; points in names are of old files."""
    save_state(folder / "state.nc", *zeros)
    with netCDF4.Dataset("state.nc") as data:
        assert data.Conventions.startswith("CF-") and data.stage == "historical"
        assert data.model_options.startswith("permafrost = layered_concentration; ")
        assert len(data.variables) == 51
        for name, variable in data.variables.items():
            assert re.fullmatch("[a-z][a-z0-9_]*", name) and variable.long_name and variable.units
    state, said = zeros
    with (
        netCDF4.Dataset("state.nc") as new,
        netCDF4.Dataset("old.nc", "w") as old,
    ):
        for name, size in new.dimensions.items():
            old.createDimension(name, len(size))
        for name, values in state_arrays(state).items():
            dims = new[name].dimensions
            old.createVariable(name.replace("carbon_soil_", "carbon.soil."), values.dtype, dims)[:] = values
    for x, y in zip(jax.tree.leaves(load_state("old.nc", state, "none")), jax.tree.leaves(state), strict=True):
        np.testing.assert_array_equal(x, y)
    del said


# --- what it goes on from, to the bit -----------------------------------------------------------------------------------


def command(*words, devices=1):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), *sys.path]), "JTEM_CACHE": "off"}
    environment["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    line = [sys.executable, "-m", "jtem", *map(str, words)]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def differing(folder, other):
    """Variables of the files of a run that are not those of another run to the bit, and how many files there are."""
    found, names = [], sorted(path.name for path in Path(folder).glob("*.nc"))
    for name in names:
        with netCDF4.Dataset(Path(folder) / name) as a, netCDF4.Dataset(Path(other) / name) as b:
            assert set(a.variables) == set(b.variables)
            for variable in a.variables:
                one, two = (np.ma.getdata(data[variable][:]) for data in (a, b))
                if one.dtype == object:
                    one, two = one.astype(str), two.astype(str)
                if one.tobytes() != two.tobytes():
                    found.append(f"{name} {variable}")
    return found, len(names)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["repeat", "equilibrium"])
def test_a_run_goes_on_from_its_states(method, folder):
    """All options, history, scenario and factorial: from the state of the spin-up, and from that of history."""
    text = PLAN
    if method == "equilibrium":  # which there is none of where nitrogen comes in and none leaves
        text = PLAN.replace('"repeat"', '"equilibrium"').replace('nitrogen_deposition = "deposition.csv"\n', "").replace(
            'nitrogen = "open"\n', "").replace("deep_nitrogen_losses = true\n", "")  # fmt: skip
    (folder / "plan.toml").write_text(text)
    command("run", "plan.toml", "--data", ".", "--out", "whole")
    for stage, files in (("spinup", 15), ("historical", 12)):
        (folder / "again.toml").write_text(text + f'restart = "whole/small_{stage}_state.nc"\n')
        command("run", "again.toml", "--data", ".", "--out", f"from_{stage}")
        assert differing(f"from_{stage}", "whole") == ([], files)


@pytest.mark.slow
def test_cutting_a_history_anywhere_changes_no_bit(folder):
    """A history of seven years, and every cut of it into a history and a scenario: the same years (blocks of two: some rest)."""
    plain = PLAN.partition("[permafrost]")[0].replace("layered_concentration", "thaw_ratio").replace(
        "deep_nitrogen_losses = true\n", ""
    )  # fmt: skip
    rest = "[output]" + PLAN.partition("[output]")[2]
    (folder / "plan.toml").write_text(plain + rest)
    command("run", "plan.toml", "--data", ".", "--out", "whole")
    with netCDF4.Dataset("whole/small_historical_annual.nc") as data:
        whole = {name: np.asarray(data[name][:]) for name in ("npp", "cVeg", "thawdepth") if name in data.variables}
    assert len(whole) == 3
    for last in (2009, 2011, 2012):
        scenario = f'[[scenario]]\nname = "rest"\nclimate = "historical"\nfirst = {last + 1}\nlast = 2014\n'
        (folder / "cut.toml").write_text(plain.replace("last = 2014", f"last = {last}") + scenario + rest)
        command("run", "cut.toml", "--data", ".", "--out", f"cut_{last}")
        with (
            netCDF4.Dataset(f"cut_{last}/small_historical_annual.nc") as one,
            netCDF4.Dataset(f"cut_{last}/small_rest_annual.nc") as two,
        ):
            for name, values in whole.items():
                joined = np.concatenate([np.asarray(one[name][:]), np.asarray(two[name][:])])
                np.testing.assert_array_equal(joined, values, err_msg=f"{last} {name}")


@pytest.mark.slow
def test_layouts_that_are_said_to_have_the_same_bits_have_them(folder):
    """Chunks, devices and padding: bitwise where ``layout.described`` says the same, to 3e-5 of the largest where not.

    Soil heat is in 32 bits, and a spin-up that solves for its year ends elsewhere in the last of them: 6.6e-6 of enthalpy, once.
    """
    text = PLAN.replace('sites = ["Toolik", "Bonanza Creek"]', 'domain = "pan_arctic"\nstride = 4').replace(
        "layered_concentration", "layered"
    )
    runs = {
        "32, two devices": (32, 2),
        "48, three devices": (48, 3),
        "64, four devices": (64, 4),
        "16, one device": (16, 1),
        "40, two devices": (40, 2),
    }
    said = {}
    for name, (columns, devices) in runs.items():
        (folder / "plan.toml").write_text(text.replace("chunk_columns = 2", f"chunk_columns = {columns}"))
        experiment = open_plan(Path("plan.toml"), Path(".")).experiment
        assert len(experiment.column_cell) > 64
        said[name] = layout.described(experiment, devices)
        command("run", "plan.toml", "--data", ".", "--out", name, devices=devices)
    first = next(iter(runs))
    assert list(said.values()).count(said[first]) == 3, said
    for name in runs:
        wrong, files = differing(name, first)
        assert files == 16
        assert (said[name] != said[first]) or not wrong, (name, wrong[:5])
        for one in wrong:
            file, variable = one.split()
            with netCDF4.Dataset(f"{name}/{file}") as a, netCDF4.Dataset(f"{first}/{file}") as b:
                x, y = (np.ma.filled(data[variable][:], 0.0).astype(float) for data in (a, b))
            assert np.abs(x - y).max() <= 3e-5 * np.abs(y).max(), (one, np.abs(x - y).max() / np.abs(y).max())
