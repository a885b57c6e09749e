"""Parameters that follow covariates: overlay, values, the column that takes them, and a calibration that fits their weights."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import jtem
from calibration_twins import HEAT, build, write_heat_table
from jtem import parameters, plan, step
from jtem.assemble import course, sites, validation
from jtem.covariates import COVARIATES, LIMIT, covariates, design_matrix
from jtem.errors import InputError
from jtem.files import data_path
from jtem.plan.calibration import ValidationSection
from jtem.readers.observed_sites import ObservedSites
from jtem.study.calibration import least_squares, misfit, results, search
from jtem.study.calibration import problem as problems
from jtem.study.calibration.case import SearchSettings
from jtem.study.sensitivity.model import vector_of
from sites import TABLE, TOOLIK, make, parameter_tree

OVERLAY = """
[fields."soil_thermal.deep_snow_density"]
source = "test"
bounds = [310.0, 800.0]
scale = "log"
constant = -0.4
weights = { annual_mean_temperature = 0.3, sand = -0.2 }
communities = { boreal_forest = 0.5 }
"""
FIELD = """
[[parameter]]
label = "snow"
name = "soil_thermal.surface_factor_thaw"
scope = "field"
bounds = [0.5, 1.6]
start = 1.1
covariates = ["annual_mean_temperature", "topsoil_carbon"]
deviations = [1.0, 0.25]
"""


def read(tmp_path, text):
    path = tmp_path / "own.toml"
    path.write_text(text)
    return parameters.read_table(step.Parameters, [data_path("parameters", "defaults.toml"), path])


def test_covariates_are_centred_scaled_and_limited():
    air = np.linspace(-30.0, 12.0, 12)[None]
    made = covariates(
        air, np.full((1, 12), 30.0), np.full((1, 12), 110.0), np.array([9000.0]), np.array([50.0]), np.array([26.0]),
        np.full((1, 25), 1000.0),
    )  # fmt: skip
    assert set(made) == set(COVARIATES)
    assert made["annual_mean_temperature"][0] == pytest.approx((-9.0 + 6.0) / 7.0)
    assert made["temperature_range"][0] == pytest.approx(0.4)
    cold = 30.0 * (air < 0).sum()
    assert made["annual_snowfall"][0] == pytest.approx((np.log(cold) - 5.0) / 0.5)
    assert made["elevation"][0] == LIMIT
    assert made["sand"][0] == 0.0 and made["clay"][0] == 1.0
    assert made["topsoil_carbon"][0] == pytest.approx((np.log(3.0) - 2.3) / 0.6)
    matrix = design_matrix(made, ["grassland"], ("sand",), ("boreal_forest", "grassland"))
    np.testing.assert_array_equal(matrix, [[1.0, 0.0, 0.0, 1.0]])


def test_an_overlay_gives_every_place_its_value(tmp_path):
    """Logit on log scale, by hand; a later overlay with the plain parameter takes its place; the hash knows fields."""
    table = read(tmp_path, OVERLAY)
    known = {name: np.array([1.5, -1.0]) for name in COVARIATES}
    made = table.fields[0].values(known, ["boreal_forest", "grassland"])
    sums = np.array([-0.4 + 0.1 * 1.5 + 0.5, -0.4 - 0.1])
    np.testing.assert_allclose(made, 310.0 * (800.0 / 310.0) ** (1.0 / (1.0 + np.exp(-sums))), rtol=1e-12)
    assert table.hash() != TABLE.hash()
    again = tmp_path / "again.toml"
    again.write_text('[soil_thermal.deep_snow_density]\nvalue = 400.0\nsource = "test"\n')
    files = [data_path("parameters", "defaults.toml"), tmp_path / "own.toml", again]
    assert parameters.read_table(step.Parameters, files).fields == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("sand = -0.2", "sandy = -0.2", "weights names the unknown 'sandy'; did you mean 'sand'?"),
        ("boreal_forest", "boreal_forst", "did you mean 'boreal_forest'?"),
        ("deep_snow_density", "deep_snow_densty", "unknown parameter; did you mean 'soil_thermal.deep_snow_density'?"),
        ("[310.0, 800.0]", "[31.0, 800.0]", "reach outside the table's ["),
        ("constant = -0.4", "konstant = -0.4", "write bounds, scale, constant, weights, communities and source"),
        ('"log"', '"logit"', "give [low, high] and 'linear' or 'log'"),
        ("deep_snow_density", "water_content", "must name one of the elements 0..2"),
    ],
)
def test_a_wrong_field_is_refused(tmp_path, old, new, said):
    with pytest.raises(InputError) as error:
        read(tmp_path, OVERLAY.replace(old, new))
    assert said in str(error.value)


def test_a_sensitivity_refuses_what_its_parameters_do_not_move(tmp_path):
    with pytest.raises(InputError, match=r"'soil_thermal\.deep_snow_density' follows the place"):
        vector_of(read(tmp_path, OVERLAY), parameter_tree())


def test_the_column_has_the_cell_s_own_values():
    """One parameter and one element, with the derivative by the cell's value."""
    cells, _ = make([(TOOLIK, 0.4, "wet_moist_tundra", 0.0)], 1)
    cell = jax.tree.map(lambda leaf: leaf[0], cells)
    design = step.Design(heat_dtype="float64", own=("soil_thermal.snow_density", "soil_thermal.water_content[1]"))

    def derived(own):
        return step.derive(parameter_tree(), dataclasses.replace(cell, own=own), design)

    own = jnp.array([177.0, 0.3])
    column = derived(own)
    told = step.select_community(parameter_tree(), TABLE.index("wet_moist_tundra")).soil_thermal
    assert column.parameters.soil_thermal.snow_density == 177.0
    np.testing.assert_array_equal(column.parameters.soil_thermal.water_content, told.water_content.at[1].set(0.3))
    slope = jax.grad(lambda own: jnp.sum(derived(own).thermal.enthalpy_thawed))(own)
    assert slope[1] > 0


@pytest.fixture
def twin(tmp_path):
    return build(HEAT + FIELD, write_heat_table(tmp_path / "table.csv"))


def test_weights_are_coordinates_and_leave_as_an_overlay(twin, tmp_path):
    """Values at the sites are those that the written overlay gives them; the derivative by the weights equals differences."""
    model = twin.model
    assert model.names[3:] == tuple(
        f"snow:{word}" for word in ("constant", "annual_mean_temperature", "topsoil_carbon", "wet_moist_tundra")
    )
    x = model.start + 0.1 * np.arange(model.start.size)
    values = model.transform.values(x)
    text = "\n".join(results.field_lines(twin, values, "test"))
    (field,) = read(tmp_path, text).fields
    expected = field.values(twin.problem.covariates, twin.problem.communities)
    np.testing.assert_allclose(model._local(values)[:, 3], expected, rtol=1e-12)
    np.testing.assert_allclose(model._local(model.start_values)[:, 3], 1.1, rtol=1e-12)
    made, slope = model._field_values(3, values)
    for k in range(3, 7):
        ends = [model._field_values(3, values + s * 1e-6 * np.eye(7)[k])[0] for s in (1.0, -1.0)]
        np.testing.assert_allclose(slope * model.design[:, 3, k], (ends[0] - ends[1]) / 2e-6, rtol=1e-7, atol=1e-12)
    assert made.shape == (1,)
    residual, mean = model.prior[3]
    assert residual == pytest.approx(np.log(0.6 / 0.5)) and mean == 1.0


@pytest.mark.parametrize(("line", "words"), [("covariates = []", ()), ("", tuple(COVARIATES))])
def test_a_field_follows_all_covariates_or_the_community_alone(tmp_path, line, words):
    named = 'covariates = ["annual_mean_temperature", "topsoil_carbon"]'
    model = build(HEAT + FIELD.replace(named, line), write_heat_table(tmp_path / "table.csv")).model
    assert model.names[3:] == tuple(f"snow:{word}" for word in ("constant", *words, "wet_moist_tundra"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("topsoil_carbon", "topsoil_karbon", "unknown covariate 'topsoil_karbon'; did you mean 'topsoil_carbon'?"),
        ("start = 1.1", "", "scope field needs a 'start'"),
        ("[1.0, 0.25]", "[1.0, 0.0]", "are not positive"),
        ('scope = "field"', 'scope = "shared"', "'covariates' are of scope field"),
        ("start = 1.1", "start = 1.6", "start 1.6 is not inside its bounds"),
    ],
)
def test_a_wrong_plan_is_refused(tmp_path, old, new, said):
    with pytest.raises(InputError) as error:
        build(HEAT + FIELD.replace(old, new), write_heat_table(tmp_path / "table.csv"))
    assert said in str(error.value)


def test_far_residuals_count_little_and_bounds_one_way(twin):
    """Cauchy's loss is the sum of squares of what counts; its derivative equals differences; below a bound nothing counts."""
    o = twin.problem.observations
    bound = np.zeros(o.value.size, dtype=bool)
    bound[model_rows(twin)[0]] = True
    problem = dataclasses.replace(twin.problem, loss_scale=3.0, observations=dataclasses.replace(o, bound=bound))
    model = type(twin.model)(problem)
    error = np.linspace(-9.0, 9.0, model.fitted.size)[None]
    counted, slope = model._lost(error)
    assert counted[0, 0] == 0.0 and slope[0, 0] == 0.0
    np.testing.assert_allclose(counted[0, 1:] ** 2, 9.0 * np.log1p((error[0, 1:] / 3.0) ** 2), rtol=1e-12)
    up, down = model._lost(error + 1e-6)[0], model._lost(error - 1e-6)[0]
    np.testing.assert_allclose(slope, (up - down) / 2e-6, rtol=1e-5, atol=1e-9)


def model_rows(prepared):
    return prepared.model.fitted


def test_reverse_misfit_is_the_squares_of_the_residuals(twin, monkeypatch):
    """The traceable misfit equals the residuals squared, with a field, a bound and the loss, whatever the model says."""
    problem = dataclasses.replace(twin.problem, loss_scale=3.0)
    bound = np.zeros(problem.observations.value.size, dtype=bool)
    bound[model_rows(twin)[:9]] = True
    problem = dataclasses.replace(problem, observations=dataclasses.replace(problem.observations, bound=bound))
    model = type(twin.model)(problem)

    def simple(setting, local, site, heat):
        return site.begin.astype(local.dtype) * 0.01 + local[3] * local[0] - local[2] * 0.01, jnp.zeros((), int)

    monkeypatch.setattr(misfit, "_site_values", simple)
    x = model.start + 0.1 * np.arange(model.start.size)
    total, _ = misfit.misfit(model.setting, jnp.asarray(x), model.site, None, model.target)
    values = model.transform.values(x)
    local = jnp.asarray(model._local(values))
    picks = np.asarray(jax.vmap(lambda v, site: simple(None, v, site, None)[0])(local, model.site))
    o = problem.observations
    simulated = picks[o.site, model.position]
    counted, _ = model._lost(((simulated[model.fitted] - o.value[model.fitted]) / o.error[model.fitted])[None])
    prior = (model.transform.on_scale(values) - model.target.prior_mean) * model.target.prior_weight
    assert float(total) == pytest.approx(float((counted**2).sum() + (prior**2).sum()), rel=1e-12)


PLAN = """
[plan]
name = "place"
[domain]
source = "embedded"
sites = ["Toolik"]
[model]
parameters = ["OVERLAY"]
soil_columns = "place"
[spinup]
cycle = [1961, 1990]
[history]
first = 1901
last = 1902
"""


def test_a_run_and_a_calibration_give_a_place_the_same_value(twin, tmp_path):
    """The same site, the same mean year: the columns of a run carry what the calibration had. Covariates agree to rounding."""
    values = twin.model.transform.values(twin.model.start + 0.2)
    path = tmp_path / "fitted.toml"
    path.write_text("\n".join(results.field_lines(twin, values, "test")))
    prepared = course.prepare(plan.parse(PLAN.replace("OVERLAY", str(path))), None)
    design, own = prepared.experiment.design, prepared.experiment.columns.own
    assert design.own == ("soil_thermal.surface_factor_thaw",) and design.thermal.from_place
    assert own is not None
    np.testing.assert_allclose(own, twin.model._local(values)[:, 3:], rtol=1e-10)
    without = course.prepare(plan.parse(PLAN.replace('parameters = ["OVERLAY"]', "")), None)
    assert without.experiment.columns.own is None and without.experiment.design.own == ()


def test_a_field_gives_way_to_what_is_said_later(twin, tmp_path):
    """``with_parameters`` of the front door, and a free parameter of a calibration, take the place of a field."""
    path = tmp_path / "fitted.toml"
    path.write_text("\n".join(results.field_lines(twin, twin.model.start_values, "test")))
    model = jtem.Model("Toolik", parameters=[str(path)])
    assert len(model.setup.table.fields) == 1
    changed = model.with_parameters({"soil_thermal.surface_factor_thaw": 1.2})
    assert changed.setup.table.fields == ()
    text = HEAT.replace("heat_substeps = 4", f'heat_substeps = 4\nparameters = ["{path}"]')
    table = write_heat_table(tmp_path / "heat.csv")
    assert build(text, table).problem.design.own == ("soil_thermal.surface_factor_thaw",)
    assert build(text + FIELD, table).problem.design.own == ()


# --- validation -------------------------------------------------------------------------------------------------------


def line(case, matrix, problem):
    """The case with a model that is linear in two weights: residuals of ``matrix @ x - value`` and two priors, and what it was
    asked.
    """
    model, asked = object.__new__(type(case.model)), []
    fitted = np.flatnonzero(problem.observations.fitted)
    model.fitted, model.with_prior, model.start_values = fitted, np.arange(2), np.zeros(2)
    model.transform = least_squares.Transform(("a", "b"), np.full(2, -20.0), np.full(2, 20.0), ("weight", "weight"))

    def sensitivity(values):
        asked.append(values)
        return values @ matrix.T, np.broadcast_to(matrix, (len(values), *matrix.shape))

    def residuals(x):
        return np.concatenate([sensitivity(x)[0][:, fitted] - problem.observations.value[fitted], 0.1 * x], axis=1)

    def jacobian(x):
        one = np.concatenate([matrix[fitted], 0.1 * np.eye(2)])
        return np.broadcast_to(one, (len(x), *one.shape))

    model.sensitivity, model.residuals, model.jacobian = sensitivity, residuals, jacobian
    settings = SearchSettings(iterations=20)
    return dataclasses.replace(case, problem=problem, model=model, search=settings, text="plan"), asked


def test_each_block_is_simulated_by_a_fit_that_has_not_seen_it(twin, tmp_path):
    """Folds equal ridge regressions without their rows, sites that no fit sees are in none, and finished folds are kept."""
    random = np.random.default_rng(3)
    count = 60
    matrix, site = random.normal(size=(count, 2)), np.arange(count) % 6
    value = matrix @ [1.0, -2.0] + random.normal(size=count)
    folds = np.array([0, 1, 0, 2, -1, 1])
    o = problems.Observations(
        site, np.zeros(count, int), np.zeros(count, int), np.ones(count, int), np.array(["mean"] * count), value,
        np.ones(count), folds[site] >= 0,
    )  # fmt: skip
    problem = dataclasses.replace(twin.problem, observations=o, folds=folds)
    made, _ = line(twin, matrix, problem)
    found = search.validate(made, tmp_path, say=lambda line: None)
    for fold in range(3):
        rows = o.fit & (folds[site] != fold)
        ridge = np.linalg.solve(matrix[rows].T @ matrix[rows] + 0.01 * np.eye(2), matrix[rows].T @ value[rows])
        np.testing.assert_allclose(found.x[fold], ridge, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(
            found.simulated[folds[site] == fold], (matrix @ ridge)[folds[site] == fold], rtol=1e-4
        )
    assert np.isnan(found.simulated[folds[site] < 0]).all()
    again, asked = line(twin, matrix, problem)
    np.testing.assert_array_equal(search.validate(again, tmp_path, resume=True, say=lambda line: None).x, found.x)
    assert len(asked) == 4  # the first Jacobian, and each fold where it ended
    with pytest.raises(InputError, match="another plan"):
        search.validate(dataclasses.replace(again, text="other"), tmp_path, resume=True)


def test_blocks_stay_whole_and_every_third_site_is_left():
    random = np.random.default_rng(1)
    latitude, longitude = random.uniform(50, 75, 300), random.uniform(-180, 180, 300)
    names = [f"site {k}" for k in range(300)]
    cells = xr.Dataset({"latitude": ("cell", latitude), "longitude": ("cell", longitude)})
    part = ObservedSites(tuple(names), cells, xr.Dataset(), lambda *_: xr.Dataset(), 0, "")
    found = sites.Sites(tuple(names), (part,), (tuple(range(300)),), xr.Dataset())
    folds = validation.folds_of(ValidationSection(), found)
    assert folds is not None
    assert 70 < (folds == -1).sum() < 130
    np.testing.assert_array_equal(folds == -1, [validation.hashed(name) % 3 == 0 for name in names])
    block = [(a // 5, b // 10) for a, b in zip(latitude, longitude, strict=True)]
    for one in set(block):
        mine = folds[[b == one for b in block]]
        assert len(set(mine[mine >= 0])) <= 1
    assert set(folds) == {-1, 0, 1, 2, 3, 4}
