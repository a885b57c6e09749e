"""The model from Python: runs, restarts, ensembles, derivatives; one small site, one compiled program for most of it."""

import subprocess
import sys
import tomllib
import warnings

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import jtem
from front import places
from jtem.commands.main import main
from jtem.variables import SECONDS_IN_YEAR

YEARS = (1995, 2006)
SNOW = "soil_thermal.snow_density"
NEP = "nep (gC m-2 month-1)"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return places.written(places.months(), tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def place(table):
    return jtem.site(str(table), **places.PLACE)


@pytest.fixture(scope="module")
def model(place):
    return jtem.Model(place, permafrost="layered", precision="float64")


@pytest.fixture(scope="module")
def result(model):
    return model.run(spin_up="equilibrium", years=YEARS)


# --- runs ------------------------------------------------------------------------------------------------------------------


def test_results_are_labelled(result):
    annual, monthly = result.annual, result.monthly
    assert annual["nep"].dims == ("time",) and monthly["tsl"].dims == ("time", "depth")
    assert annual["nep"].attrs["units"] == "kg m-2 s-1" and monthly["tsl"].attrs["units"] == "K"
    assert annual["year"].values.tolist() == list(range(1995, 2007)) and monthly.sizes["time"] == 144
    assert annual["time"].dtype.kind == "M"  # dates that plot
    assert float(annual["lat"]) == 68.6 and float(annual["lon"]) == -149.6
    assert annual["depth"].attrs["units"] == "m"
    assert float(np.abs(result.budget.to_array()).max()) < 1e-12
    assert "on the mean year of 1990-2009" in result.attrs["spin_up"] and "tower.csv" in result.attrs["inputs"]
    assert list(result) == ["historical"] and list(result.states) == ["spinup", "historical"]
    assert bool(result.spin_up["closed"].all()) and not result.failed
    assert "historical 1995-2006" in repr(result)


def test_the_command_line_gives_the_same_numbers_to_the_bit(model, result, tmp_path, capsys):
    plan = tmp_path / "plan.toml"
    plan.write_text(model.plan(years=YEARS))
    assert main(["run", str(plan), "--out", str(tmp_path / "cli")]) == 0
    capsys.readouterr()
    names = {path.name for path in result.to_netcdf(tmp_path / "python")}
    assert names == {path.name for path in (tmp_path / "cli").glob("*.nc")} and len(names) == 4
    for name in names:
        with (
            xr.open_dataset(tmp_path / "cli" / name, decode_cf=False) as one,
            xr.open_dataset(tmp_path / "python" / name, decode_cf=False) as other,
        ):
            assert {str(v) for v in one.variables} == {str(v) for v in other.variables}
            for variable in one.variables:
                np.testing.assert_array_equal(
                    one[variable].values, other[variable].values, err_msg=f"{name} {variable}"
                )
                assert one[variable].dtype == other[variable].dtype
    assert main(["export", str(tmp_path / "cli")]) == 2 and "one cell alone has no grid" in capsys.readouterr().err
    assert not (tmp_path / "cli" / "grid").exists()
    loaded = jtem.load(tmp_path / "cli")
    xr.testing.assert_equal(loaded.annual.drop_vars("status"), result.annual.drop_vars("status"))
    xr.testing.assert_equal(loaded.monthly["tsl"], result.monthly["tsl"])
    with pytest.raises(jtem.InputError, match="exists already"):
        result.to_netcdf(tmp_path / "python")


def test_jtem_site_runs_a_table_and_leaves_its_plan(table, tmp_path, monkeypatch, capsys, result):
    monkeypatch.chdir(tmp_path)
    words = ["--latitude", "68.6", "--longitude", "-149.6", "--elevation", "720", "--community", "wet_moist_tundra"]
    words += ["--precision", "float64", "--years", "1995", "2006", "--no-figures", "--out", "out"]
    assert main(["site", str(table), *words]) == 0
    said = capsys.readouterr().out
    assert "net primary production" in said and "4 files and plan.toml in out" in said
    xr.testing.assert_equal(jtem.load("out").annual["gpp"], result.annual["gpp"])
    assert main(["site", str(table), *words]) == 2 and "exists already" in capsys.readouterr().err
    assert main(["site", str(table), "--longitude", "3"]) == 2
    assert capsys.readouterr().err.endswith("tower.csv: latitude is missing; give it in degrees\n")


@pytest.mark.slow
def test_jtem_site_needs_no_table_where_climate_is_emulated(tmp_path, monkeypatch, capsys):
    """A place alone; elevation, soil, vegetation and climate from the embedded fields."""
    pytest.importorskip("matplotlib", reason="needs the extra 'plots'")
    monkeypatch.chdir(tmp_path)
    words = ["--lat", "67.0", "--lon", "-155.5", "--years", "2000", "2009", "--out", "out"]
    assert main(["site", *words]) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert "emulated climate" in said and "net primary production" in said
    assert (tmp_path / "out" / "overview.png").stat().st_size > 10_000
    annual = jtem.load("out").annual
    assert annual.sizes["time"] == 10 and float(annual["gpp"].min()) > 0
    assert main(["run", "out/plan.toml", "--out", "again"]) == 0, capsys.readouterr().err
    xr.testing.assert_equal(jtem.load("again").annual["nep"], annual["nep"])


@pytest.mark.parametrize(
    ("header", "left_out", "says"),
    [
        ("tmep (degC)", [], "give --name 'air_temperature=tmep'"),
        ("mast (degC)", [], "give --name 'air_temperature=...'"),
        ("tas", [], "or give --unit 'air_temperature=degC'"),
        ("tas (degC)", [40], "complete the table, or --fill mean takes the mean of the same month"),
    ],
)
def test_jtem_site_names_its_own_options(header, left_out, says, tmp_path, capsys):
    frame = places.months().drop(index=left_out).rename(columns={"tas (degC)": header})
    path = places.written(frame, tmp_path)
    words = ["--latitude", "68.6", "--longitude", "-149.6", "--elevation", "720", "--community", "wet_moist_tundra"]
    assert main(["site", str(path), *words, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert says in said and said.count("\n") == 1 and "{" not in said
    assert not (tmp_path / "out").exists()


def test_a_second_run_compiles_nothing(model, result):
    again = model.run(years=YEARS)
    assert again.compile_seconds == 0 < result.compile_seconds + again.seconds
    xr.testing.assert_equal(again.annual, result.annual)
    other = model.with_parameters({SNOW: 200}).run(years=(1990, 2009))
    assert other.compile_seconds == 0
    assert other.attrs["parameter_hash"] != result.attrs["parameter_hash"]
    assert "soil_thermal.snow_density = 200" in other.attrs["parameter_files"]


def test_nothing_is_mutated(model):
    before = model.table.hash()
    changed = model.with_parameters({SNOW: {"wet_moist_tundra": 210.0}})
    assert model.table.hash() == before != changed.table.hash()
    assert changed.parameter(SNOW).sel(community="wet_moist_tundra").item() == 210.0
    assert changed.parameter(SNOW).sel(community="boreal_forest").item() == model.parameter(SNOW).sel(
        community="boreal_forest"
    )
    with pytest.raises(AttributeError):
        model.place = None
    assert model.communities == ("wet_moist_tundra",)


@pytest.fixture(scope="module")
def halves(model, result):
    del result  # compiled by then
    first = model.run(years=(1990, 1999))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second = model.run(start=first, years=(2000, 2009))
    assert first.compile_seconds == second.compile_seconds == 0
    return first, second


def test_a_run_goes_on_from_a_state_exactly(model, table, halves, tmp_path):
    first, second = halves
    assert list(second) == ["continued"] and second.attrs["spin_up"] == "went on from the state of 'historical'"
    first.to_netcdf(tmp_path)
    for start in (first.state, tmp_path, tmp_path / "tower_historical_state.nc", str(tmp_path)):
        xr.testing.assert_equal(model.run(start=start, years=(2000, 2009)).annual, second.annual)
    # the ground of a run that did not stop: the last December leads to the January that the table has (carbon is another:
    # thaw exposes matter only after a history)
    joined = np.concatenate([first.annual["thawdepth"].values, second.annual["thawdepth"].values])
    np.testing.assert_array_equal(joined, model.run(years=(1990, 2009)).annual["thawdepth"].values)
    # the same two periods as the history and the scenario of one plan
    content = {
        "plan": {"name": "both"},
        "domain": dict(model.content["domain"]) | {"climate": {"historical": [str(table)]}},
        "model": {"permafrost": "layered", "precision": "float64"},
        "spinup": {"method": "equilibrium", "cycle": [1990, 2009]},
        "history": {"first": 1990, "last": 1999},
        "scenario": [{"name": "later", "climate": "historical", "first": 2000, "last": 2009}],
        "output": tomllib.loads(model.plan())["output"],  # one program: the same rounding
    }
    whole = jtem.open(content)
    both = whole.run()
    assert list(both) == ["historical", "later"]
    for name in ("nep", "cSoil", "thawdepth", "thawed_permafrost_carbon"):
        np.testing.assert_array_equal(both["later"].annual[name].values, second.annual[name].values, err_msg=name)
    assert both.annual.sizes["time"] == 20
    np.testing.assert_array_equal(both.annual["gpp"].values[10:], second.annual["gpp"].values)
    again = whole.run(start=both.states["spinup"])
    xr.testing.assert_equal(again["later"].annual, both["later"].annual)


def test_an_ensemble_is_one_batch_of_the_single_runs(model, halves):
    values = [150.0, 250.0, 350.0]
    many = model.ensemble({SNOW: values}, years=YEARS, monthly=[])
    assert many.annual["nep"].dims == ("member", "time") and many.annual[SNOW].values.tolist() == values
    assert float(many.annual["lat"]) == 68.6
    one = model.with_parameters({SNOW: 250.0}).run(years=YEARS)
    for name in ("nep", "tsl", "cVeg"):
        # a batch of three is another program than one column: it may round otherwise
        np.testing.assert_allclose(many.annual[name].values[1], one.annual[name].values, rtol=1e-9, err_msg=name)
    assert np.ptp(many.annual["tsl"].values[:, -1, 5]) > 0.5


def constant_q10(air_temperature, p):
    """Maintenance respiration that doubles with 10 degC."""
    del p
    return jnp.exp2(air_temperature / 10.0)


def test_a_process_of_ones_own_is_part_of_the_design(model):
    other = model.replace(maintenance_temperature=constant_q10)
    assert "maintenance_temperature by constant_q10" in repr(other) and "constant_q10" not in repr(model)
    design = other.setup.prepared(other.setup.sections(years=YEARS)).experiment.design
    assert design.processes.maintenance_temperature is constant_q10
    assert design != model.setup.prepared(model.setup.sections(years=YEARS)).experiment.design


@pytest.mark.slow
def test_a_process_of_ones_own_runs(model, result):
    run = model.replace(maintenance_temperature=constant_q10).run(years=YEARS)
    assert run.attrs["processes"] == "maintenance_temperature by constant_q10"
    # another Q10 moves respiration by far more than rounding could
    assert not np.allclose(run.annual["ra"], result.annual["ra"], rtol=1e-3, atol=0)
    assert float(np.abs(run.budget.to_array()).max()) < 1e-12


# --- derivatives (each compiles for a minute or two) ----------------------------------------------------------------------------


@pytest.mark.slow
def test_gradients_equal_central_differences_of_runs(place):
    model = jtem.Model(place, permafrost="none", precision="float64")
    quantity, years = "sum nep 2003-2006", (1998, 2006)

    def value(of):
        annual = of.run(years=years, annual=["nep"], monthly=[]).annual["nep"]
        return float(annual.sel(time=slice("2003", "2006")).sum() * SECONDS_IN_YEAR * 1e3)

    total, slope = model.gradient(quantity, years=years)
    # the gradient's program against that of a run, float64
    np.testing.assert_allclose(float(total), value(model), rtol=1e-9)
    assert slope.dims == ("parameter", "community") and slope["community"].values.tolist() == ["wet_moist_tundra"]
    for name in (
        SNOW,
        "photosynthesis.maximum_rate_slope",
        "litter.carbon_rate",
        "decomposition.temperature_sensitivity",
    ):
        here = model.parameter(name).sel(community="wet_moist_tundra").item()
        step = 1e-4 * abs(here)
        sides = [value(model.with_parameters({name: here + sign * step})) for sign in (1, -1)]
        # central differences with steps of 1e-4 of the value, as in tests/test_gradients.py
        np.testing.assert_allclose(
            slope.sel(parameter=name).item(), (sides[0] - sides[1]) / (2 * step), rtol=1e-4, err_msg=name
        )

    _, by_climate = model.gradient(quantity, wrt="climate", years=years)
    frame = places.months()
    for column, name, size, year, month in (
        (0, "air_temperature", 1e-3, 2004, 7),
        (0, "air_temperature", 1e-3, 2006, 12),  # the last month; the January after it stays as it is
        (1, "precipitation", 1e-2, 2004, 7),
        (2, "shortwave_radiation", 1e-2, 2004, 7),
    ):
        row = frame.index[((frame["year"] == year) & (frame["month"] == month)).to_numpy()][0]
        sides = []
        for sign in (1, -1):
            moved = frame.copy()
            moved.loc[row, places.HEADER[column]] += sign * size
            sides.append(value(model.replace(place=jtem.site(moved, **places.PLACE))))
        here = by_climate[name].sel(time=f"{year}-{month:02d}").item()
        np.testing.assert_allclose(here, (sides[0] - sides[1]) / (2 * size), rtol=1e-4, err_msg=name)
    assert by_climate["co2"].dims == ("year",)
    _, by_profile = model.gradient(quantity, wrt="initial profile", years=years)
    assert by_profile.dims == ("layer",) and np.all(by_profile.values == 0)  # no frozen store


@pytest.mark.slow
def test_the_gradient_by_the_initial_profile_is_that_of_runs(tmp_path):
    """Observed carbon of 0.3-1 m, a part of which thaws in a scenario: history, which holds permafrost, has none."""
    frame = places.months()
    frame[places.HEADER[0]] += np.where(frame["year"] > 2000, 0.4 * (frame["year"] - 2000), 0.0).round(3)
    table, quantity = str(places.written(frame, tmp_path)), "sum rh 2005-2009"

    def model(carbon):
        here = jtem.site(table, **places.PLACE, soil_organic_carbon=(15.0, carbon, 30.0, 20.0))
        domain = dict(jtem.Model(here).content["domain"])
        return jtem.open(
            {
                "plan": {"name": "thaw"},
                "domain": domain | {"climate": {"historical": [table], "later": [table]}},
                "model": {"permafrost": "layered", "precision": "float64"},
                "spinup": {"method": "equilibrium", "cycle": [1990, 1999]},
                "history": {"first": 1996, "last": 2000},
                "permafrost": {"base_years": [1996, 2000]},
                "scenario": [{"name": "later", "climate": "later", "first": 2001, "last": 2009}],
                "output": {"annual": ["rh"], "double": True, "state": False},
            }
        )

    def value(of):
        annual = of.run()["later"].annual["rh"]
        return float(annual.sel(time=slice("2005", "2009")).sum() * SECONDS_IN_YEAR * 1e3)

    def profile(of):
        return np.asarray(of.setup.prepared(of.setup.sections()).experiment.columns.soil_carbon_profile)[0]

    less, more = model(24.9), model(25.1)
    by_runs = value(more) - value(less)
    assert by_runs > 0.1  # gC m-2: carbon of this interval thaws
    total, slope = model(25.0).gradient(quantity, wrt="initial profile", scenario="later")
    # one number by two programs of 64 bits, and back from kg m-2 s-1
    np.testing.assert_allclose(float(total), value(model(25.0)), rtol=1e-9)
    # curvature over the step: 1.1e-5 measured (3.5 % over ten times the step)
    np.testing.assert_allclose(slope.values @ (profile(more) - profile(less)), by_runs, rtol=1e-4)


@pytest.mark.slow
def test_rankings_are_ordered(place):
    """Elasticities of all parameters; Morris and Sobol' of two that both matter (too few runs to say which one more)."""
    model = jtem.Model(place, permafrost="none", precision="float64")
    quantity, years, two = "sum nep 2003-2006", (1998, 2006), [SNOW, "litter.carbon_rate"]
    ranking = model.sensitivity(quantity, years=years)
    largest = ranking["elasticity"].values
    assert np.all(np.diff(np.abs(largest[np.isfinite(largest)])) <= 0)
    morris = model.sensitivity(quantity, method="morris", parameters=two, trajectories=3, years=years)
    assert morris["mu_star"].values[0] >= morris["mu_star"].values[1] > 0
    sobol = model.sensitivity(quantity, method="sobol", parameters=two, samples=8, years=years)
    assert sobol.attrs["runs"] == 8 * (len(two) + 2) and sobol["total"].dims == ("parameter",)
    assert sobol["total"].values[0] >= sobol["total"].values[1] and np.isfinite(sobol["first"].values).all()
    assert (sobol["total"].values > 0.1).all()


@pytest.mark.slow
def test_a_calibration_finds_the_parameter_that_made_the_observations(place):
    model = jtem.Model(place, permafrost="none", precision="float64")
    truth = model.with_parameters({SNOW: 220.0}).run(years=(1998, 2006))
    ground = truth.monthly["tsl"].isel(depth=4) - 273.15
    observed = pd.DataFrame(
        {"year": ground["year"], "month": np.tile(np.arange(1, 13), 9), "soil_temperature_0.45m": ground.values}
    )
    fit = model.calibrate(observed, [SNOW], errors={"soil_temperature": 0.5}, held_out=(2005, 2006), years=(1998, 2006))
    # soil heat is rough where ground hovers near 0 degC: the search stops within a part of the stated error
    error = fit.parameters["standard_error"].item()
    assert abs(fit.parameters["value"].item() - 220.0) < 0.3 * error < 1.0
    assert fit.misfit[1] < 1e-5 * fit.misfit[0]
    scores = fit.scores.sel(stream="soil_temperature")
    assert (
        scores["r2"].sel(part="held out", when="after").item()
        > 0.999
        > scores["r2"].sel(part="fitted", when="before").item()
    )
    # the simulated series are those that the misfit was found with, and near those of a run (another program)
    residual = (fit.simulated["after"] - fit.simulated["observed"]).values[fit.simulated["fitted"].values] / 0.5
    np.testing.assert_allclose((residual**2).sum(), fit.misfit[1], rtol=1e-9)  # another order of the sum
    again = fit.model.run(years=(1998, 2006)).monthly["tsl"].isel(depth=4) - 273.15
    np.testing.assert_allclose(again.values, fit.simulated["after"].values, atol=0.05)
    assert "soil_thermal.snow_density: 280 -> 2" in repr(fit)


# --- the door itself ---------------------------------------------------------------------------------------------------------


def test_import_is_quick_and_does_not_bring_jax():
    code = (
        "import time; begin = time.perf_counter(); import jtem; took = time.perf_counter() - begin; import sys; "
        "assert not {'jax', 'xarray', 'pandas'} & set(sys.modules); print(took); dir(jtem); jtem.site"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.5


def test_making_a_model_does_not_start_jax(table):
    code = (
        f"import jtem; site = jtem.site({str(table)!r}, latitude=68.6, longitude=-149.6, elevation=720, "
        "community='wet_moist_tundra'); model = jtem.Model(site); model.with_parameters({'soil_thermal.snow_density': 200}); "
        "import jax; jax.config.update('jax_num_cpu_devices', 3)"  # raises where JAX has started
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, env=_plain_environment())


def test_jax_started_before_is_said_once():
    code = (
        "import jax.numpy as jnp; jnp.ones(2); import jtem; "
        "model = jtem.Model('US-Prr', permafrost='none'); model.check(years=(2000, 2001)); model.check(years=(2000, 2001))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_plain_environment()
    )
    assert done.stderr.count("JAX was started before jtem: it runs on one CPU device") == 1
    assert "takes about twice as long" in done.stderr


def _plain_environment():
    import os

    return {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"} | {"JAX_PLATFORMS": "cpu"}


# --- wrong words: one sentence each, nothing compiled ---------------------------------------------------------------------------

WRONG = {
    "no place": (
        lambda m: jtem.Model("US-Pr"),
        "unknown site 'US-Pr'; did you mean 'US-Prr'? (a table is given by a path such as 'tower.csv')",
    ),
    "precision": (
        lambda m: jtem.Model(m.place, precision="double"),
        "the model: [model]: precision 'double' is unknown; known: mixed, float64, float32",
    ),
    "scheme": (
        lambda m: jtem.Model(m.place, permafrost="layerd"),
        "the model: [model]: permafrost 'layerd' is unknown; did you mean 'layered'?",
    ),
    "overlay": (
        lambda m: jtem.Model(m.place, parameters="lui2024"),
        "the model: unknown parameter overlay 'lui2024'; did you mean 'liu2024'? (or give a .toml path)",
    ),
    "parameter": (
        lambda m: m.with_parameters({"soil_thermal.snow_densty": 200}),
        "unknown parameter 'soil_thermal.snow_densty'; did you mean 'soil_thermal.snow_density'?",
    ),
    "parameter asked": (
        lambda m: m.parameter("litter.carbon_rat"),
        "unknown parameter 'litter.carbon_rat'; did you mean 'litter.carbon_rate'?",
    ),
    "bounds": (
        lambda m: m.with_parameters({SNOW: {"wet_moist_tundra": 5000}}),
        "'soil_thermal.snow_density' = 5000 for 'wet_moist_tundra' is outside its bounds [{low:g}, {high:g}] kg m-3; choose a "
        "value within",
    ),
    "no number": (
        lambda m: m.with_parameters({SNOW: "thick"}),
        "'soil_thermal.snow_density' for '{first}' is 'thick', expected a number; correct it",
    ),
    "community": (
        lambda m: m.with_parameters({SNOW: {"wet_tundra": 200}}),
        "'soil_thermal.snow_density': unknown community 'wet_tundra'; did you mean 'wet_moist_tundra'?",
    ),
    "element": (
        lambda m: m.with_parameters({f"{SNOW}[2]": 200}),
        "'soil_thermal.snow_density[2]': the parameter has 1 numbers, [0] to [0]; correct the index",
    ),
    "process": (
        lambda m: m.replace(maintenance_temprature=abs),
        "unknown process 'maintenance_temprature'; did you mean 'maintenance_temperature'?",
    ),
    "process of other arguments": (
        lambda m: m.replace(maintenance_temperature=lambda t: t),
        "process 'maintenance_temperature' takes (air_temperature, p); give <lambda> the same arguments",
    ),
    "process that is no function": (
        lambda m: m.replace(maintenance_temperature=3),
        "process 'maintenance_temperature' is a int, expected a function; give one",
    ),
    "years": (
        lambda m: m.run(years=(1980, 2000)),
        "years 1980-2000 are not covered by the climate of 'tower' (1990-2009); choose years within it",
    ),
    "years swapped": (lambda m: m.run(years=(2000, 1995)), "years ends in 1995 before it begins in 2000; swap them"),
    "one year": (lambda m: m.run(years=[2000]), "years is [2000], expected (first, last); give two years"),
    "spin-up": (
        lambda m: m.run(spin_up="equilibrum"),
        "tower: [spinup]: method 'equilibrum' is unknown; did you mean 'equilibrium'?",
    ),
    "variable": (
        lambda m: m.run(monthly=["gppp"]),
        "tower: [output]: unknown output variable 'gppp'; did you mean 'gpp'? ('jtem variables' lists all)",
    ),
    "yearly variable by month": (
        lambda m: m.run(monthly=["ALT"]),
        "tower: [output]: 'ALT' exists once a year; move it from 'monthly' to 'annual'",
    ),
    "argument of an ensemble": (
        lambda m: m.ensemble({SNOW: [200]}, yeers=(1995, 2000)),
        "a run has no argument 'yeers'; did you mean 'years'?",
    ),
    "ensemble of unequal lengths": (
        lambda m: m.ensemble({SNOW: [200, 210], "litter.carbon_rate": [0.1]}),
        "an ensemble needs as many values of each parameter (soil_thermal.snow_density: 2, litter.carbon_rate: 1); give lists "
        "of one length",
    ),
    "quantity": (
        lambda m: m.gradient("nep 2000-2005"),
        'quantity \'nep 2000-2005\' is not understood; write "HOW VARIABLE FIRST-LAST", such as "sum nep 2000-2022"',
    ),
    "how of a quantity": (
        lambda m: m.gradient("total nep 2000-2005"),
        "quantity 'total nep 2000-2005': 'total' is unknown; known: sum, mean, last, change",
    ),
    "variable of a quantity": (
        lambda m: m.gradient("sum gppp 2000-2005"),
        "quantity 'sum gppp 2000-2005': unknown output variable 'gppp'; did you mean 'gpp'? ('jtem variables' lists all)",
    ),
    "layers of a quantity": (
        lambda m: m.gradient("mean tsl 2000-2005"),
        "quantity 'mean tsl 2000-2005': 'soil_temperature' is not one number a column; choose another variable",
    ),
    "window of a quantity": (
        lambda m: m.gradient("sum nep 2000-2030"),
        "the quantity needs 2000-2030 but the run has 1990-2009; change the window or the years",
    ),
    "with respect to": (
        lambda m: m.gradient("sum nep 2000-2005", wrt="parameter"),
        "wrt 'parameter' is unknown; did you mean 'parameters'?",
    ),
    "gradient through repetition": (
        lambda m: m.gradient("sum nep 2000-2005", spin_up="repeat"),
        "a gradient goes through the equilibrium; use spin_up='equilibrium' in place of 'repeat'",
    ),
    "method": (
        lambda m: m.sensitivity("sum nep 2000-2005", method="sobel"),
        "method 'sobel' is unknown; did you mean 'sobol'?",
    ),
    "start": (
        lambda m: m.run(start="nowhere_state.nc"),
        None,
    ),
    "start from a dataset": (
        lambda m: m.run(start=xr.Dataset()),
        "start is a dataset but no state; give result.state, a result, or a state file",
    ),
    "start from nowhere": (lambda m: jtem.load("nowhere"), "nowhere: folder not found; give the folder of a run"),
    "free parameter": (
        lambda m: m.calibrate(pd.DataFrame({"year": [2000], "month": [7], NEP: [1.0]}), ["litter.carbon_rat"]),
        "unknown parameter 'litter.carbon_rat'; did you mean 'litter.carbon_rate'?",
    ),
    "nothing observed": (
        lambda m: m.calibrate(pd.DataFrame({"year": [2000], "month": [7], "wind": [1.0]}), [SNOW]),
        None,
    ),
    "plan": (lambda m: jtem.open("nowhere.toml"), "nowhere.toml: plan not found; give the path of a TOML file"),
    "region": (
        lambda m: jtem.region("nowhere.nc", static="static.nc"),
        "nowhere.nc: file not found; check the name",
    ),
}


BEGINS = {
    "start": "nowhere_state.nc: state file cannot be read (...); check the path",
    "nothing observed": "the observations: no observed stream among wind; known: nep, gpp,...et",
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_words_are_refused_with_one_sentence(what, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call, sentence = WRONG[what]
    with pytest.raises(jtem.InputError) as caught:
        call(model)
    said = str(caught.value)
    if sentence is None:
        begin, _, end = BEGINS[what].partition("...")
        assert said.startswith(begin) and said.endswith(end)
        return
    entry = model.table.entries[SNOW]
    words = {"low": entry.lower, "high": entry.upper, "first": model.table.communities[0]}
    assert said == (sentence.format(**words) if "{" in sentence else sentence)


def test_a_state_of_other_parameters_or_scheme_is_refused(model, halves):
    first, _ = halves
    other = model.with_parameters({SNOW: 190})
    with pytest.raises(
        jtem.InputError, match=r"start: state was made with parameters .*; use the same parameter files$"
    ):
        other.run(start=first, years=(2000, 2009))
    with pytest.raises(jtem.InputError, match=r"which this run does not know; use the same permafrost scheme$"):
        model.replace(permafrost="none").run(start=first, years=(2000, 2009))
    with pytest.raises(jtem.InputError, match=r"use the same precision$"):
        model.replace(precision="mixed").run(start=first, years=(2000, 2009))


def test_a_break_in_the_years_is_said(model, halves):
    with pytest.warns(UserWarning, match=r"begins in 1999 from a state of the end of 1999; give years=\(2000, ...\)"):
        model.run(start=halves[0], years=(1999, 2009))


def test_a_gradient_does_not_take_a_start(model, halves):
    with pytest.raises(jtem.InputError, match="leave out start"):
        model.gradient("sum nep 2000-2005", start=halves[0])
