"""The command line: exit codes, one sentence for every mistake, nothing half-written."""

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from jtem import run
from jtem.assemble.course import open_plan
from jtem.commands.main import main
from jtem.commands.run import ProgressLine, demo_plan, spin_up_text
from jtem.run import Progress, SpinUpReport, Stage
from jtem.step import Processes

PLAN = """
[plan]
name = "small"
[domain]
source = "embedded"
sites = ["Toolik", "Bonanza Creek"]
[spinup]
heat_years = 12
years = 5
cycle = [1850, 1851]
[history]
first = 2005
last = 2014
[[scenario]]
name = "ssp126"
climate = "ssp126"
first = 2015
last = 2020
[output]
annual = ["npp", "cVeg"]
state = false
"""

OWN = """
[plan]
name = "own"
[domain]
source = "cf_monthly"
static = "static.nc"
co2_column = "ssp126"
[domain.climate]
historical = ["climate.nc"]
[spinup]
heat_years = 12
years = 5
cycle = [2000, 2001]
[history]
first = 2000
last = 2001
[output]
state = false
"""


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    return path


def fake_run(experiment, sink, progress=None, only=None, failed=None, stop=None):
    """Plausible numbers without the model."""
    count = len(experiment.column_cell)
    for number, stage in enumerate(experiment.stages):
        annual = {name: np.full((count, stage.years), 0.5) for name, _ in experiment.selection.annual}
        sink.write(stage, slice(0, count), slice(0, stage.years), {"monthly": {}, "annual": annual})
        if progress:
            progress(run.Progress(stage.name, count, 0, 1, number + 1, len(experiment.stages), 1.0, 0.5))
        if stop:
            sink.save(slice(0, count), "spinup", {"state/spinup/0": np.zeros(count)}, {})
            raise stop
    report = run.SpinUpReport(
        {"water": np.zeros(count), "net_ecosystem_production": np.ones(count)}, np.ones(count, bool), 5
    )
    return run.Summary(1.0, 0.5, 10, report, failed or {})


def one_sentence(capsys) -> str:
    text = capsys.readouterr().err
    assert text.startswith("jtem: ") and text.count("\n") == 1, text
    return text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["sit"], "jtem: COMMAND 'sit' is unknown; did you mean 'site'? ('jtem --help'"),
        (["new", "sitee"], "jtem: kind 'sitee' is unknown; did you mean 'site'? ('jtem new --help'"),
        (["site", "--latitude", "68.6N"], "invalid float value: '68.6N' ('jtem site --help'"),
        ([], "jtem: the following arguments are required: COMMAND ('jtem --help'"),
        (["demo", "--fast"], "jtem: unrecognized arguments: --fast ('jtem --help'"),
    ],
)
def test_a_wrong_word_on_the_command_line_is_one_sentence(words, says, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2 and says in one_sentence(capsys)


def test_variables_parameters_and_info(capsys):
    assert main(["variables"]) == 0
    assert "net_primary_production" in capsys.readouterr().out
    assert main(["variables", "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("| jtem |")
    assert main(["parameters", "--community", "boreal_forest", "--markdown"]) == 0
    assert "permafrost.e_folding_depth" in capsys.readouterr().out
    assert main(["parameters", "--community", "boreal_forst"]) == 2
    assert "did you mean 'boreal_forest'" in one_sentence(capsys)
    assert main(["info"]) == 0
    assert "devices" in capsys.readouterr().out


def test_check_says_what_a_run_would_take(plan, capsys):
    assert main(["check", str(plan)]) == 0
    text = capsys.readouterr().out
    for word in ("cells    2, columns 2", "years    16", "memory", "time", "emulated climate"):
        assert word in text


def test_the_demo_plan_is_valid(capsys):
    assert main(["check", str(demo_plan())]) == 0
    assert "ssp585_no_thaw 2015-2100 after historical, no exposure" in capsys.readouterr().out


def test_run_writes_files_and_reports(plan, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run, "run_experiment", fake_run)
    out = tmp_path / "out"
    assert main(["run", str(plan), "--out", str(out)]) == 0
    captured = capsys.readouterr()
    assert "spin-up: 5 years; 2 of 2 columns" in captured.out and "tolerance" in captured.out
    assert "cells x years/s" in captured.err
    assert sorted(p.name for p in out.iterdir()) == ["small_historical_annual.nc", "small_ssp126_annual.nc"]
    with xr.open_dataset(out / "small_ssp126_annual.nc", decode_times=False) as data:
        assert data.attrs["plan"] == PLAN
        assert data.attrs["precision"] == "mixed" and "emulated climate" in data.attrs["title"]
        assert data.attrs["spin_up_closed_columns"] == 2
        assert data["site"].values.tolist() == ["Toolik", "Bonanza Creek"]
    assert main(["run", str(plan), "--out", str(out)]) == 2
    assert "exists already" in one_sentence(capsys)
    assert main(["run", str(plan), "--out", str(out), "--force"]) == 0


def test_the_demo_prints_the_table_and_draws_the_figure(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run, "run_experiment", fake_run)
    assert main(["demo", "--out", str(tmp_path / "demo")]) == 0
    text = capsys.readouterr().out
    for word in ("emulated climate", "permafrost area", "14.4", "exposed permafrost C", "251.6", "NPP due to thaw"):
        assert word in text
    assert "drift of the last year" in text
    names = {p.name for p in (tmp_path / "demo").iterdir()}
    assert {"demo.png", "demo_historical_annual.nc", "demo_ssp585_no_thaw_annual.nc"} <= names and len(names) == 6
    monkeypatch.setattr("jtem.report.page.available", lambda: False)
    assert main(["demo", "--out", str(tmp_path / "demo")]) == 0
    assert "pip install 'jtem[plots]'" in capsys.readouterr().out


def test_failed_cells_give_exit_code_1(plan, tmp_path, capsys, monkeypatch):
    def failing(experiment, sink, progress=None, only=None):
        return fake_run(experiment, sink, progress, failed={1: "historical 2010: npp is not finite"})

    monkeypatch.setattr(run, "run_experiment", failing)
    assert main(["run", str(plan), "--out", str(tmp_path / "out")]) == 1
    assert "(64.500, -148.300): historical 2010: npp is not finite" in capsys.readouterr().err


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), MemoryError()])
def test_a_stopped_run_leaves_only_its_unfinished_work(plan, tmp_path, capsys, monkeypatch, stop):
    monkeypatch.setattr(run, "run_experiment", lambda e, s, p, only: fake_run(e, s, p, only, stop=stop))
    out = tmp_path / "out"
    if isinstance(stop, KeyboardInterrupt):
        assert main(["run", str(plan), "--out", str(out)]) == 130
    else:
        with pytest.raises(MemoryError):
            main(["run", str(plan), "--out", str(out)])
    assert [path.name for path in out.iterdir()] == [".jtem-work"]
    capsys.readouterr()
    monkeypatch.setattr(run, "run_experiment", fake_run)
    assert main(["run", str(plan), "--out", str(out), "--resume"]) == 0
    assert "going on with the unfinished run" in capsys.readouterr().out
    assert sorted(p.name for p in out.iterdir()) == ["small_historical_annual.nc", "small_ssp126_annual.nc"]
    assert main(["run", str(plan), "--out", str(out), "--resume"]) == 2
    assert "no unfinished run" in one_sentence(capsys)


@pytest.mark.parametrize("command", ["run", "run --force", "demo"])
def test_a_run_that_is_stopped_before_anything_is_finished_leaves_nothing(plan, tmp_path, capsys, monkeypatch, command):
    """So does the demo always: it begins anew."""

    def stopped(experiment, sink, progress=None, only=None):
        if command == "demo":
            sink.save(slice(0, 1), "spinup", {"state/spinup/0": np.zeros(1)}, {})
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "run_experiment", stopped)
    out = tmp_path / "out"
    word, *options = command.split()
    assert main([word, *([str(plan)] if word == "run" else []), *options, "--out", str(out)]) == 130
    said = capsys.readouterr().err
    assert "jtem: stopped by Ctrl-C; nothing half-written is left; the same command starts again" in said
    assert not out.exists()


def test_a_forced_run_goes_on_without_force(plan, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run, "run_experiment", lambda e, s, p, only: fake_run(e, s, p, only, stop=KeyboardInterrupt()))
    out = tmp_path / "out"
    assert main(["run", str(plan), "--force", "--out", str(out)]) == 130
    assert f"finished work is kept in {out}; the same command without --force goes on" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == [".jtem-work"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('loss = "sum RH_PX 2015-2016"', "[sensitivity.quantities] loss: unknown"),
        ('loss = "total net_ecosystem_production 2015-2016"', "'total' is unknown"),
        ('loss = "sum net_ecosystem_production 1700-1701"', "needs 1700-1701 but the run has"),
        ('loss = "sum net_ecosystem_production"', 'write "HOW VARIABLE FIRST-LAST"'),
        ('loss = "sum net_ecosystem_production 2015-2016"', ""),
    ],
)
def test_check_reads_the_quantities_of_a_sensitivity(tmp_path, capsys, line, says):
    path = tmp_path / "plan.toml"
    path.write_text(PLAN + f"\n[sensitivity.quantities]\n{line}\n")
    assert main(["check", str(path)]) == (2 if says else 0)
    if says:
        assert says in one_sentence(capsys)
    else:
        assert "sensitivity of loss" in capsys.readouterr().out


def inputs(folder, change=lambda climate, static: (climate, static)):
    shape = (24, 2, 2)
    light = np.array([15, 50, 100, 160, 200, 220, 210, 160, 100, 50, 20, 10] * 2, float)[:, None, None] + np.zeros(
        shape
    )
    coords = {"lat": [60.0, 61.0], "lon": [10.0, 12.0]}
    months = np.arange("2000-01", "2002-01", dtype="datetime64[M]").astype("datetime64[D]") + np.timedelta64(14, "D")
    climate = xr.Dataset(
        {
            "tas": (("time", "lat", "lon"), np.full(shape, 270.0), {"units": "K"}),
            "pr": (("time", "lat", "lon"), np.full(shape, 1e-5), {"units": "kg m-2 s-1"}),
            "rsds": (("time", "lat", "lon"), light, {"units": "W m-2"}),
        },
        coords={"time": months, **coords},
    )
    fields = {"elevation": 100.0, "sand": 40.0, "silt": 40.0, "clay": 20.0, "vegetation": 4.0}
    static = xr.Dataset({n: (("lat", "lon"), np.full((2, 2), v)) for n, v in fields.items()}, coords=coords)
    climate, static = change(climate, static)
    folder.mkdir(exist_ok=True)
    climate.to_netcdf(folder / "climate.nc")
    static.to_netcdf(folder / "static.nc")


def at(data: xr.Dataset, name: str, value: float) -> xr.Dataset:
    data = data.copy(deep=True)
    data[name][(0,) * data[name].ndim] = value
    return data


def units(data: xr.Dataset, name: str, unit: str) -> xr.Dataset:
    return data.assign({name: data[name].assign_attrs(units=unit)})


def test_own_data_run_through_the_check(tmp_path, capsys):
    inputs(tmp_path / "data")
    (tmp_path / "plan.toml").write_text(OWN)
    assert main(["check", str(tmp_path / "plan.toml"), "--data", str(tmp_path / "data")]) == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c, s: (c.rename(tas="tax"), s), ("climate.nc", "'tas'", "did you mean 'tax'")),
        (lambda c, s: (units(c, "pr", "furlong"), s), ("climate.nc", "'precipitation'", "correct the units attribute")),
        (lambda c, s: (units(c, "tas", "degC"), s), ("climate.nc", "'air_temperature'", "Kelvin")),
        (lambda c, s: (c.isel(time=[k for k in range(24) if k != 5]), s), ("climate.nc", "month 2000-06", "'time'")),
        (lambda c, s: (at(c, "rsds", np.nan), s), ("climate.nc", "'shortwave_radiation'", "fill it")),
        (lambda c, s: (at(c, "pr", -1e-5), s), ("climate.nc", "'precipitation'", "correct the data")),
        (
            lambda c, s: (c, s.assign_coords(lat=[160.0, 161.0])),
            ("static.nc", "latitude 161", "exchange latitude and longitude"),
        ),
        (lambda c, s: (c, at(s, "sand", 80.0)), ("static.nc", "sand + silt + clay is 140", "correct the texture")),
        (lambda c, s: (c, at(s, "vegetation", 99.0)), ("static.nc", "unknown vegetation type 99", "correct the field")),
        (lambda c, s: (c, s.drop_vars("elevation")), ("static.nc", "'elevation' is missing", "[domain.names]")),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(tmp_path, capsys, change, says):
    inputs(tmp_path / "data", change)
    (tmp_path / "plan.toml").write_text(OWN)
    out = tmp_path / "out"
    code = main(["run", str(tmp_path / "plan.toml"), "--data", str(tmp_path / "data"), "--out", str(out)])
    text = one_sentence(capsys)
    assert code == 2
    for word in says:
        assert word in text
    assert not out.exists()


def test_an_unwritable_folder_is_found_before_anything_runs(plan, tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    assert main(["run", str(plan), "--out", str(tmp_path / "file" / "out")]) == 2
    assert "output folder cannot be written" in one_sentence(capsys)
    assert main(["demo", "--out", str(tmp_path / "file" / "out")]) == 2
    assert "--out DIR" in one_sentence(capsys)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"npp"', '"nppp"', "unknown output variable 'nppp'"),
        ('"Toolik"', '"Toolick"', "did you mean 'Toolik'"),
        ("first = 2005", "first = 1700", "1700-2014"),
        ('climate = "ssp126"', 'climate = "ssp127"', "known: historical, ssp126"),
        ("[spinup]", '[model]\nparameters = ["liu2025"]\n[spinup]', "unknown parameter overlay 'liu2025'"),
        ("[spinup]", '[run]\nrestart = "no_such.nc"\n[spinup]', "no_such.nc"),
    ],
)
def test_a_wrong_plan_is_exit_code_2(plan, tmp_path, capsys, old, new, says):
    plan.write_text(PLAN.replace(old, new))
    assert main(["run", str(plan), "--out", str(tmp_path / "out")]) == 2
    assert says in one_sentence(capsys)
    assert not (tmp_path / "out").exists()


def test_no_plan(tmp_path, capsys):
    assert main(["check", str(tmp_path / "none.toml")]) == 2
    assert "plan not found" in one_sentence(capsys)


@pytest.mark.slow
def test_a_real_run_and_its_restart(plan, tmp_path, capsys):
    plan.write_text(PLAN.replace("state = false", "state = true"))
    whole = tmp_path / "whole"
    assert main(["run", str(plan), "--out", str(whole)]) == 0, capsys.readouterr().err
    state = whole / "small_historical_state.nc"
    again = tmp_path / "again.toml"
    again.write_text(PLAN + f'[run]\nrestart = "{state}"\n')
    rest = tmp_path / "rest"
    assert main(["run", str(again), "--out", str(rest)]) == 0, capsys.readouterr().err
    with (
        xr.open_dataset(whole / "small_ssp126_annual.nc") as a,
        xr.open_dataset(rest / "small_ssp126_annual.nc") as b,
    ):
        for name in ("npp", "cVeg", "thawdepth"):
            np.testing.assert_array_equal(a[name].values, b[name].values)


@pytest.mark.parametrize("kind", ["site", "region", "factorial", "calibration", "sensitivity"])
def test_a_new_plan_is_one_that_check_accepts(kind, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["new", kind]) == 0
    file = tmp_path / f"{kind}.toml"
    assert "wrote" in capsys.readouterr().out and file.read_text().startswith("# ")
    assert main(["new", kind]) == 2
    assert "overwrite it with --force" in one_sentence(capsys)
    if kind == "site":
        light = [0.5, 10, 60, 130, 190, 210, 190, 130, 70, 20, 1, 0.2]
        months = [(year, month) for year in range(1990, 2015) for month in range(1, 13)]
        rows = [f"{y},{m},{-10.0 + 20.0 * (5 < m < 9)},30.0,{light[m - 1]}" for y, m in months]
        header = "year,month,tas (degC),pr (mm month-1),rsds (W m-2)"
        (tmp_path / "my_site.csv").write_text("\n".join([header, *rows]) + "\n")
    if kind == "calibration":
        rows = [f"Toolik,{y},{m},soil_temperature,0.1,{m - 8.0}" for y in range(2005, 2015) for m in range(1, 13)]
        header = "site,year,month,variable,depth_m,value"
        (tmp_path / "observations.csv").write_text("\n".join([header, *rows]) + "\n")
    assert main(["check", str(file), "--data", str(tmp_path)]) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert "fine" in said
    if kind == "calibration":
        assert "climate: emulated climate 'historical'" in said


def test_shells_complete_commands_and_options(capsys):
    for shell in ("bash", "zsh", "fish"):
        assert main(["completion", shell]) == 0
        said = capsys.readouterr().out
        assert all(word in said for word in ("calibrate", "sensitivity", "resume", "factorial"))


def test_a_schema_is_printed(capsys):
    assert main(["schema", "calibration"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["properties"]["parameter"]["items"]["required"] == ["name", "bounds"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ('oun_process = "a:b"', "unknown process 'oun_process'"),
        ('maintenance_temperature = "my_module"', 'write "module:function"'),
        ('maintenance_temperature = "no_such_module_here:f"', "cannot be imported"),
        ('maintenance_temperature = "math:expp"', "has no function 'expp'; did you mean 'exp'"),
    ],
)
def test_a_wrong_process_of_a_plan_is_one_sentence(plan, capsys, words, says):
    plan.write_text(PLAN + f"[model.processes]\n{words}\n")
    assert main(["check", str(plan)]) == 2
    assert says in one_sentence(capsys)


def test_a_plan_names_an_own_process(plan, tmp_path, monkeypatch, capsys):
    (tmp_path / "my_respiration.py").write_text(
        "def flat(air_temperature, p):\n    return air_temperature * 0.0 + 1.0\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    plan.write_text(PLAN + '[model.processes]\nmaintenance_temperature = "my_respiration:flat"\n')
    assert main(["check", str(plan)]) == 0, capsys.readouterr().err
    prepared = open_plan(plan, None)
    assert prepared.experiment.design.processes.maintenance_temperature.__name__ == "flat"


def test_every_process_is_a_slot_of_a_plan(plan, tmp_path, monkeypatch, capsys):
    lines = [
        f"def my_{name}(*given, **named):\n    return getattr(Processes(), {name!r})(*given, **named)"
        for name in Processes._fields
    ]
    (tmp_path / "every_process.py").write_text("\n".join(["from jtem.step import Processes", *lines]) + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    words = [f'{name} = "every_process:my_{name}"' for name in Processes._fields]
    plan.write_text(PLAN + "\n".join(["[model.processes]", *words]) + "\n")
    made = open_plan(plan, None).experiment.design.processes._asdict()
    assert {name: function.__name__ for name, function in made.items()} == {name: f"my_{name}" for name in made}


def test_numbers_where_an_overlay_wants_tables_are_one_sentence(plan, tmp_path, capsys):
    for text, says in (
        ("a = 1", "'a' is 1, not a table"),
        ("[soil_thermal]\nsnow_density = 200", "write [soil_thermal.snow_den"),
    ):
        (tmp_path / "overlay.toml").write_text(text)
        plan.write_text(PLAN + f"[model]\nparameters = ['{tmp_path / 'overlay.toml'}']\n")
        assert main(["check", str(plan)]) == 2
        assert says in one_sentence(capsys)


def test_years_that_no_file_has_name_the_key(tmp_path, capsys):
    inputs(tmp_path / "data")
    for old, new, says in (
        ("cycle = [2000, 2001]", "", "[spinup] cycle 1850-1860: "),
        ("last = 2001", "last = 2005", "[history] first, last 2000-2005: "),
    ):
        (tmp_path / "plan.toml").write_text(OWN.replace(old, new))
        assert main(["check", str(tmp_path / "plan.toml"), "--data", str(tmp_path / "data")]) == 2
        said = one_sentence(capsys)
        assert says in said and "shorten the stage" not in said


def test_a_new_plan_without_its_table_says_where_it_was_looked_for(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JTEM_DATA", raising=False)
    assert main(["new", "site", "site.toml"]) == 0
    assert main(["check", "site.toml"]) == 2
    assert "[domain]: my_site.csv is not in the current folder; correct its name, or give the folder" in one_sentence(
        capsys
    )


def test_co2_of_a_scenario_that_is_not_named_is_one_sentence(tmp_path, capsys):
    later = np.arange("2014-01", "2016-01", dtype="datetime64[M]").astype("datetime64[D]") + np.timedelta64(14, "D")
    inputs(tmp_path / "data", lambda climate, static: (climate.assign_coords(time=later), static))
    text = OWN.replace("2000", "2014").replace("2001", "2015").replace('co2_column = "ssp126"\n', "")
    (tmp_path / "plan.toml").write_text(text)
    check = ["check", str(tmp_path / "plan.toml"), "--data", str(tmp_path / "data")]
    assert main(check) == 2
    said = one_sentence(capsys)
    assert (
        "plan.toml: [spinup] cycle 2014-2015: CO2 of climate 'historical' after 2014 depends on the scenario; say which"
        in said
    )
    assert "with [domain] co2_column, one of ssp126, ssp585, " in said and "or give a table with [domain] co2" in said
    (tmp_path / "plan.toml").write_text(text.replace("[domain]", "[domain]\nco2_column = 'ssp585'"))
    assert main(check) == 0, capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "check", "calibrate", "sensitivity"])
def test_a_table_in_place_of_a_plan_is_pointed_to_jtem_site(command, tmp_path, capsys):
    table, climate = tmp_path / "tower.csv", tmp_path / "climate.nc"
    table.write_text("year,month,tas (degC)\n1990,1,-24.9\n")
    assert main([command, str(table)]) == 2
    assert f"tower.csv: is a table, not a plan; run it with 'jtem site {table} --latitude" in one_sentence(capsys)
    climate.write_bytes(b"CDF")
    assert main([command, str(climate)]) == 2
    assert "climate.nc: is a netCDF file, not a plan; 'jtem inspect" in one_sentence(capsys)


def no_climate(rows):
    """A loader that nobody calls."""
    raise NotImplementedError


def test_time_left_counts_programs_that_will_compile(tmp_path):
    history, future = (Stage(n, 1, y, no_climate) for n, y in (("historical", 100), ("ssp126", 50)))
    with (tmp_path / "told").open("w") as told:
        line = ProgressLine([history, future], spin_up=True, stream=told)
        line(Progress("spinup", 1, 0, 1, 50, 150, 40.0, 30.0))
    assert line.compiling_left(Progress("spinup", 1, 0, 1, 50, 150, 40.0, 30.0)) == 60.0  # two more of 30 s
    assert " 80 s left" in (tmp_path / "told").read_text()  # and 100 column-years at 5 a second


def test_nothing_is_left_to_compile_after_stages_that_ran_together(tmp_path):
    history = Stage("historical", 1901, 2014, no_climate)
    futures = [Stage(name, 2015, 2100, no_climate, parent="historical") for name in ("ssp126", "ssp585")]
    with (tmp_path / "told").open("w") as told:
        line = ProgressLine([history, *futures], spin_up=True, stream=told)
        for stage, done in (("spin-up", 50), ("historical", 164), ("scenarios", 336)):
            line(Progress(stage, 1, 0, 1, done, 336, 40.0, 30.0))
    assert (tmp_path / "told").read_text().splitlines()[-1].startswith(
        "100 %  scenarios"
    ) and not line.expected - line.seen


@pytest.mark.parametrize(("method", "code"), [("equilibrium", 1), ("repeat", 0)])
def test_a_spin_up_without_balance_says_what_to_do(method, code, plan, tmp_path, capsys, monkeypatch):
    """An equilibrium that was asked for and not found is a failure; years that were asked for and made are not."""

    def drifting(experiment, sink, progress=None, only=None):
        made = fake_run(experiment, sink, progress)
        assert made.spin_up is not None
        return replace(made, spin_up=replace(made.spin_up, closed=np.zeros(2, bool), method=method))

    monkeypatch.setattr(run, "run_experiment", drifting)
    assert main(["run", str(plan), "--out", str(tmp_path / "out")]) == code
    assert "no column is in balance" in capsys.readouterr().out and list((tmp_path / "out").iterdir())
    drift = {"carbon": np.array([3.0])}
    assert 'set method = "equilibrium"' in spin_up_text(SpinUpReport(drift, np.array([False]), 5))
    assert "warning" not in spin_up_text(SpinUpReport(drift, np.array([True]), 5))
    gains = {"nitrogen_input_minus_loss": np.array([0.3, 0.4])}
    assert "more nitrogen comes in than leaves" in spin_up_text(SpinUpReport(gains, np.array([False, False]), 5))
    gains = {"nitrogen_input_minus_loss": np.array([0.3, -0.4])}
    assert "more nitrogen" not in spin_up_text(SpinUpReport(gains, np.array([False, False]), 5))
