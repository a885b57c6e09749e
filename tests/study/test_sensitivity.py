"""Adjoint = tangent = central differences through the equilibrium; indices against known answers; doors.

The regular tests take a design without soil heat (it compiles in seconds); the slow ones both permafrost schemes with heat.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradient_cases
from jtem import run, step
from jtem.commands.sensitivity import quantity_of, read_covariance
from jtem.errors import InputError
from jtem.physics import permafrost
from jtem.run import Experiment, SpinUp, Stage, equilibrium
from jtem.state import Climate
from jtem.study import sensitivity
from jtem.study.sensitivity import Quantity, ensembles, walk
from sites import BONANZA_CREEK, TABLE, TOOLIK, make, parameter_tree

CASES = [(BONANZA_CREEK, 0.366, "boreal_forest", 0.0), (TOOLIK, 0.3665, "wet_moist_tundra", 1.0)]
YEARS = {"history": (2011, 2014), "future": (2015, 2020)}
QUANTITIES = (
    Quantity("gpp", "gross_primary_production", "sum", "mean", 2015, 2020, "gC m-2 year-1"),
    Quantity("rh", "heterotrophic_respiration", "sum", "sum", 2013, 2020, "gC m-2"),
    Quantity("carbon", "soil_carbon", "last", "change", 2012, 2020, "gC m-2"),
    Quantity("vegetation", "vegetation_carbon", "last", "last", 2020, 2020, "gC m-2"),
)
ANNUAL = tuple((q.variable, q.reduction) for q in QUANTITIES)


def experiment(design: step.Design) -> Experiment:
    """Two sites, four years of history and six of a warming future, which begins where the spin-up's year ends."""
    cells, climate = make(CASES, 10, warming_per_year=0.1, co2=400.0)
    noise = np.random.default_rng(3).normal(0.0, 0.7, climate.air_temperature.shape)
    air = np.asarray(climate.air_temperature) + noise

    def loader(first, last):
        part = jax.tree.map(lambda leaf: np.asarray(leaf)[:, first:last], climate)
        mine = air[:, first:last]
        following = np.concatenate([mine[:, 1:, 0], mine[:, -1:, 11]], axis=1)
        part = dataclasses.replace(part, air_temperature=mine, following_air_temperature=following)
        return lambda rows: jax.tree.map(lambda leaf: leaf[rows], part)

    layered = design.permafrost is permafrost.LAYERED
    reservoir = design.permafrost.layers > 0 and not layered
    history = Stage(
        "history", *YEARS["history"], loader(0, 4), expose=reservoir,
        begin="base_years" if layered else "start" if reservoir else "", base_years=(2013, 2014) if layered else None,
    )  # fmt: skip
    future = Stage("future", *YEARS["future"], loader(4, 10), parent="history", expose=design.permafrost.layers > 0)
    return Experiment(
        design=design,
        parameters=parameter_tree(),
        columns=jax.tree.map(np.asarray, cells),
        column_cell=np.arange(2),
        spin_up=SpinUp(loader(0, 4), heat_years=150),
        stages=(history, future),
        selection=run.Selection(),
    )


def model_of(design: step.Design, annual=ANNUAL) -> sensitivity.ColumnModel:
    model = sensitivity.model_of(
        experiment(design),
        TABLE,
        ["future"],
        annual,
        settings=equilibrium.Settings(tolerance=1e-9),
        chunk_columns=2,  # one batch size for everything: six small programs to compile
    )
    vectors = model.vectors.copy()
    for name, nudge in NUDGES.items():
        for k in model.vector.index([name]):
            vectors[:, k] = nudge(vectors[:, k])
    return dataclasses.replace(model, vectors=vectors)


NUDGES = {
    # off the kinks on which the defaults sit
    "photosynthesis.temperature_minimum": lambda v: v - 0.13,
    "soil_thermal.layer_thickness": lambda v: v + 0.017,
    "soil_thermal.surface_factor_thaw": lambda v: v * 1.11,
    "nitrogen.co2_effect_on_cn": lambda v: v + 2e-4,
    "nitrogen.loss_rate": lambda v: v + 0.2,
    "nitrogen.production_cn_minimum": lambda v: v + 5.0,
    "nitrogen.vegetation_cn_slope": lambda v: v + 5.0,
    "nitrogen.vegetation_cn_intercept": lambda v: v * 1.02,
}


def differences(model, places, quantities=QUANTITIES, relative=1e-5):
    """Central differences (column, quantity, place)."""
    columns, count = model.columns, len(places)
    some = model.take(np.tile(np.arange(columns), 2 * count))
    vectors = some.vectors.reshape(2, count, columns, -1).copy()
    h = np.empty((count, columns))
    for row, k in enumerate(places):
        h[row] = np.maximum(np.abs(model.vectors[:, k]), 1e-3) * relative
        vectors[0, row, :, k] += h[row]
        vectors[1, row, :, k] -= h[row]
    y, code = sensitivity.forward(some, "future", vectors.reshape(-1, vectors.shape[-1]))
    assert (code == 0).all()
    values = np.einsum("cvy,qvy->cq", y, model.weights(quantities)).reshape(2, count, columns, -1)
    return np.moveaxis((values[0] - values[1]) / (2 * h[..., None]), 0, -1)


@pytest.fixture(scope="module")
def model():
    return model_of(step.Design(thermal=None))


@pytest.fixture(scope="module")
def adjoint(model):
    return sensitivity.adjoint(model, "future", QUANTITIES)


CHECKED = ("litter.carbon_rate", "photosynthesis.maximum_rate_intercept", "respiration.maintenance_intercept",
           "decomposition.rate_intercept", "nitrogen.uptake_half_saturation", "water.field_capacity_intercept")  # fmt: skip


def test_adjoint_equals_tangent_equals_central_differences(model, adjoint):
    places = model.vector.index(CHECKED)
    assert (adjoint.code == 0).all()
    by_reverse = adjoint.parameters[:, :, places]
    moved = sensitivity.tangent(model, "future", [*CHECKED, "warming", "co2", "soil_cycle_warming"])
    weights = model.weights(QUANTITIES)
    by_forward = np.einsum("cdvy,qvy->cqd", moved.derivative, weights)
    np.testing.assert_allclose(by_forward[:, :, : len(places)], by_reverse, rtol=1e-8, atol=1e-9)
    by_difference = differences(model, places)
    scale = np.abs(by_reverse).max(axis=2, keepdims=True)
    np.testing.assert_allclose(by_difference, by_reverse, rtol=1e-4, atol=1e-7 * scale.max())
    assert (np.abs(by_reverse) > 0).sum() >= 40
    # through the climate: the sum over months of the gradient is the tangent of a uniform change
    np.testing.assert_allclose(adjoint.air_temperature.sum(axis=(2, 3)), by_forward[:, :, -3], rtol=1e-8, atol=1e-9)
    percent = 0.01 * np.concatenate([part.co2 for part in model.drivers["future"].parts], axis=1)
    np.testing.assert_allclose((adjoint.co2 * percent[:, None]).sum(axis=2), by_forward[:, :, -2], rtol=1e-8, atol=1e-9)
    cycle = adjoint.cycle_air_temperature.sum(axis=2)
    np.testing.assert_allclose(cycle, by_forward[:, :, -1], rtol=1e-8, atol=1e-9)
    assert (np.abs(cycle[:, 3]) > 0).all()  # the spin-up's climate is felt at the end


def test_gradient_of_any_function_of_the_outputs(model, adjoint):
    """The square of a quantity, columns mixed: what the chain rule makes of the adjoint."""
    weights = model.weights(QUANTITIES[:1])[0]
    gpp = model.variables.index("gross_primary_production")

    def objective(outputs):
        each = outputs["gross_primary_production"] @ jnp.asarray(weights[gpp])
        return each[0] * each[1]

    found = sensitivity.gradient_of(model, "future", objective)
    value, other = adjoint.value[:, 0], adjoint.value[::-1, 0]
    assert found.value == pytest.approx(value.prod(), rel=1e-9) and found.names == model.vector.names
    np.testing.assert_allclose(found.parameters, other[:, None] * adjoint.parameters[:, 0], rtol=1e-9, atol=1e-12)
    air = other[:, None, None] * adjoint.air_temperature[:, 0]
    np.testing.assert_allclose(found.climate.air_temperature, air, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.cycle.co2, other * adjoint.cycle_co2[:, 0], rtol=1e-9, atol=1e-12)
    assert found.outputs["gross_primary_production"].shape == (2, 10) and (found.code == 0).all()
    with pytest.raises(InputError, match="make it one number"):
        sensitivity.gradient_of(model, "future", lambda outputs: outputs["soil_carbon"])


def test_values_are_those_of_the_forward_run_and_elasticities_relative(model, adjoint):
    y, _ = sensitivity.forward(model, "future")
    np.testing.assert_allclose(adjoint.value, np.einsum("cvy,qvy->cq", y, model.weights(QUANTITIES)), rtol=1e-9)
    k = model.vector.index(["litter.carbon_rate"])[0]
    moved = model.vectors.copy()
    moved[:, k] *= 1.0001
    y, _ = sensitivity.forward(model, "future", moved)
    changed = np.einsum("cvy,qvy->cq", y, model.weights(QUANTITIES))
    percent = (changed / adjoint.value - 1.0) / 1e-4 * np.sign(adjoint.value)
    np.testing.assert_allclose(adjoint.elasticity(model.vectors)[:, :, k], percent, rtol=5e-3)


def test_columns_in_chunks_are_those_of_one_batch(model, adjoint):
    rows = np.array([1, 0, 1])  # two chunks of two, the last padded
    parts = sensitivity.adjoint(model.take(rows), "future", QUANTITIES)
    np.testing.assert_allclose(parts.parameters, adjoint.parameters[rows], rtol=1e-9, atol=1e-12)
    directions = [*CHECKED, "warming", "co2", "soil_cycle_warming"]
    whole = sensitivity.tangent(model, "future", directions)
    moved = sensitivity.tangent(model.take(rows), "future", directions)
    np.testing.assert_allclose(moved.derivative, whole.derivative[rows], rtol=1e-9, atol=1e-12)


def test_hessian_product_is_symmetric_and_that_of_gradients(model):
    a, b = model.vector.index(["litter.carbon_rate", "respiration.maintenance_intercept"])
    along_a, along_b = np.zeros_like(model.vectors), np.zeros_like(model.vectors)
    along_a[:, a], along_b[:, b] = model.vectors[:, a], model.vectors[:, b]
    of_a = sensitivity.hessian_product(model, "future", QUANTITIES, along_a)
    of_b = sensitivity.hessian_product(model, "future", QUANTITIES, along_b)
    np.testing.assert_allclose((of_a[:, 0] * along_b).sum(axis=1), (of_b[:, 0] * along_a).sum(axis=1), rtol=1e-4)


# --- ensembles against known answers: the model is replaced by a formula, SALib and the bookkeeping are real -----------------


@dataclasses.dataclass
class Formula:
    """Stands where ``ensemble`` runs the model: additive terms, one interaction, one dead factor."""

    calls: int = 0

    def __call__(self, model, scenario, places, factors, quantities):
        self.calls += len(factors)
        x = (factors - 1.0) / 0.2
        y = 4.0 * x[:, 0] + 2.0 * x[:, 1] + x[:, 2] * x[:, 3] + 10.0
        return np.stack([y, np.full_like(y, 3.0)], axis=1)[:, None]


@pytest.fixture
def formula(monkeypatch):
    made = Formula()
    monkeypatch.setattr(ensembles, "ensemble", made)
    return made


FACTORS = ("litter.carbon_rate", "litter.nitrogen_rate", "respiration.growth_fraction", "nitrogen.uptake_half_saturation",
           "photosynthesis.co2_half_saturation")  # fmt: skip


def test_sobol_indices_of_a_known_function(model, formula):
    pytest.importorskip("SALib")
    found = ensembles.sobol(model.take(np.array([0])), "future", FACTORS, QUANTITIES[:2], samples=1024)
    assert formula.calls == found.runs == 1024 * (len(FACTORS) + 2)
    variance = np.array([16 / 3, 4 / 3, 1 / 9])
    first = np.array([*variance[:2], 0, 0, 0]) / variance.sum()
    total = np.array([*variance[:2], variance[2], variance[2], 0]) / variance.sum()
    np.testing.assert_allclose(found.first[0, 0], first, atol=0.02)
    np.testing.assert_allclose(found.total[0, 0], total, atol=0.02)
    assert (np.abs(found.first[0, 0] - first) < 2 * found.first_interval[0, 0] + 1e-9).all()
    assert found.first[0, 0].sum() <= 1.02 and found.total[0, 0].sum() >= 0.98
    assert np.isnan(found.first[0, 1]).all()  # a constant has no variance to share


def test_a_failed_run_takes_its_block_out(model, formula, monkeypatch):
    pytest.importorskip("SALib")

    def with_hole(*arguments):
        values = formula(*arguments)
        values[11] = np.nan
        return values

    monkeypatch.setattr(ensembles, "ensemble", with_hole)
    found = ensembles.sobol(model.take(np.array([0])), "future", FACTORS, QUANTITIES[:2], samples=64)
    assert found.kept[0, 0] == 63 and np.isfinite(found.first[0, 0]).all()


def test_without_whole_blocks_indices_are_missing(model, formula, monkeypatch):
    pytest.importorskip("SALib")
    monkeypatch.setattr(ensembles, "ensemble", lambda *arguments: formula(*arguments) * np.nan)
    for found in (
        ensembles.sobol(model.take(np.array([0])), "future", FACTORS, QUANTITIES[:2], samples=8),
        ensembles.morris(model.take(np.array([0])), "future", FACTORS, QUANTITIES[:2], trajectories=4),
    ):
        assert found.first.shape == found.total.shape == (1, 2, len(FACTORS))
        assert np.isnan(found.first).all() and (found.kept == 0).all()


def test_morris_effects_of_a_known_function(model, formula):
    pytest.importorskip("SALib")
    found = ensembles.morris(model.take(np.array([0])), "future", FACTORS, QUANTITIES[:2], trajectories=10)
    np.testing.assert_allclose(found.total[0, 0, :2], [8.0, 4.0], rtol=1e-9)  # over the whole range, 2 in x
    assert found.total[0, 0, 4] == 0 and found.spread[0, 0, 2] > 0


def test_ensemble_runs_the_model_with_the_factors(model, adjoint):
    places, _ = ensembles.factor_bounds(model, ["litter.carbon_rate"])
    values = ensembles.ensemble(model, "future", places, np.array([[1.0], [1.001], [0.999]]), QUANTITIES)
    assert values.shape == (3, 2, 4)
    np.testing.assert_allclose(values[0], adjoint.value, rtol=1e-9)
    slope = (values[1] - values[2]) / 0.002
    np.testing.assert_allclose(
        slope, adjoint.parameters[:, :, places[0]] * model.vectors[:, places[0], None], rtol=2e-3
    )


def test_a_small_uncertainty_is_carried_linearly(model):
    names = ("litter.carbon_rate", "respiration.maintenance_intercept")
    unsure = ensembles.prior(model, names, 0.02)
    carried = ensembles.propagate(
        model, unsure, QUANTITIES, np.ones(2), samples=24, scales=(0.005,), unit="gC m-2 (sum of two sites)"
    )
    assert carried.rows == tuple(("future", q.name) for q in QUANTITIES)
    assert (carried.agreement > 0.99).all() and carried.kept.tolist() == [24]
    np.testing.assert_allclose(carried.deviation, carried.linear, rtol=0.02)  # the draws have the covariance exactly


# --- doors -----------------------------------------------------------------------------------------------------------------


def test_what_cannot_be_asked_is_refused_in_one_sentence(model):
    with pytest.raises(InputError, match="did you mean 'sum'"):
        Quantity("a", "soil_carbon", "last", "sums", 2015, 2016, "")
    with pytest.raises(InputError, match="the run has 2011-2020"):
        sensitivity.adjoint(model, "future", [Quantity("a", "soil_carbon", "last", "sum", 2000, 2016, "")])
    with pytest.raises(InputError, match=r"litter.carbon_rate"):
        sensitivity.tangent(model, "future", ["litter.carbon_rat"])
    with pytest.raises(InputError, match="power of 2"):
        ensembles.sobol(model, "future", FACTORS, QUANTITIES, samples=100)
    with pytest.raises(InputError, match="not a scenario"):
        sensitivity.model_of(experiment(step.Design(thermal=None)), TABLE, ["futur"], ANNUAL)
    with pytest.raises(InputError, match="not symmetric"):
        ensembles.Uncertainty(("a", "b"), np.ones(2), np.array([[1.0, 0.5], [0.0, 1.0]]))


def test_words_of_a_plan_become_quantities():
    found = quantity_of("loss", "sum RH_PF 2015-2100", "plan.toml")
    assert (found.variable, found.how, found.first, found.last, found.unit) == (
        "heterotrophic_respiration_thawed_permafrost", "sum", 2015, 2100, "gC m-2"
    )  # fmt: skip
    assert quantity_of("g", "mean GPP 2015-2024", "p").unit == "gC m-2 year-1"
    for text in ("sum RH_PF", "sum RH_PF then-now", "sum RH_PFF 2015-2100", "sum layer_respiration 2015-2100"):
        with pytest.raises(InputError, match=r"\[sensitivity.quantities\] loss"):
            quantity_of("loss", text, "plan.toml")


def test_a_covariance_is_read_from_its_table(tmp_path):
    path = tmp_path / "posterior.csv"
    path.write_text("name,value,litter.carbon_rate,litter.nitrogen_rate\n"
                    "litter.carbon_rate,0.02,1e-6,5e-7\nlitter.nitrogen_rate,0.01,5e-7,1e-6\n")  # fmt: skip
    found = read_covariance(path)
    assert found.names == ("litter.carbon_rate", "litter.nitrogen_rate")
    np.testing.assert_allclose(found.relative, [[1e-6 / 4e-4, 5e-7 / 2e-4], [5e-7 / 2e-4, 1e-6 / 1e-4]])
    path.write_text("name,value,x\nlitter.carbon_rate,0.02,1e-6\n")
    with pytest.raises(InputError, match="not a covariance"):
        read_covariance(path)


# --- with soil heat and permafrost ------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["thaw_ratio", "layered"])
def test_derivatives_with_permafrost(scheme):
    """Every trainable parameter and the observed profile, through heat, equilibrium, base year and exposure."""
    lost = (
        Quantity("exposed", "exposed_carbon", "year", "sum", 2015, 2020, "gC m-2"),
        Quantity("active layer", "active_layer_thickness", "year", "mean", 2018, 2020, "m"),
    )
    annual = (*ANNUAL, *((q.variable, q.reduction) for q in lost))
    model = model_of(step.Design(permafrost=permafrost.SCHEMES[scheme], heat_dtype="float64"), annual)
    asked = (*QUANTITIES, *lost)
    reverse = sensitivity.adjoint(model, "future", asked)
    assert (reverse.code == 0).all()
    size = np.abs(reverse.elasticity(model.vectors))
    places = np.unique(
        [k for c in range(2) for q in range(len(asked)) for k in np.argsort(-np.nan_to_num(size[c, q]))[:12]]
    )
    by_difference = differences(model, places, asked, 1e-6)
    mine = reverse.parameters[:, :, places]
    weight = np.abs(mine * model.vectors[:, None, places])
    counts = weight > 1e-2 * weight.max(axis=2, keepdims=True).clip(1e-12)
    error = np.abs(by_difference - mine) / np.maximum(np.abs(mine), np.abs(by_difference)).clip(1e-300)
    wrong = [
        (int(c), asked[q].name, model.vector.names[places[p]], float(error[c, q, p]))
        for c, q, p in zip(*np.where(counts & (error > 1e-4)), strict=True)
    ]
    print(f"{scheme}: {counts.sum()} pairs, median error {np.median(error[counts]):.1e}, above 1e-4: {wrong}")
    assert counts.sum() >= 40 and len(wrong) <= 0.05 * counts.sum()
    if scheme == "layered":
        assert (np.abs(reverse.soil_carbon_profile[1]) > 0).any()


def test_vector_puts_back_what_it_took(model):
    names, vectors = gradient_cases.flatten(jax.tree.map(jnp.asarray, model.rows))
    assert list(model.vector.names) == list(names)
    np.testing.assert_array_equal(model.vector.flatten(model.rows), np.asarray(vectors))
    row = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), model.rows)
    again = model.vector.put(row, jnp.asarray(model.vector.flatten(model.rows)[0]))
    assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a == b).all()), row, again)))


@pytest.mark.parametrize("goes_on", [False, True])
def test_the_january_after_a_stage_is_the_month_that_it_is_taken_from(goes_on):
    """Of one column, two quantities, stages of three and two years: what no month has lies after the last of them."""

    def part(length, offset):
        shape, after = (1, 2, length, 12), offset + np.arange(1.0, length + 1)
        zero = np.zeros(shape)
        return Climate(zero, zero, zero, zero[..., 0], zero, np.broadcast_to(after, shape[:3]))

    stages = [
        Stage(name, first, last, lambda rows: part(1, 0.0), goes_on=goes_on)
        for name, first, last in (("past", 2000, 2002), ("later", 2003, 2004))
    ]
    past, later = walk._untied([part(3, 0.0), part(2, 10.0)], stages)
    assert not past.following_air_temperature.any() and not later.following_air_temperature.any()
    np.testing.assert_array_equal(past.air_temperature[0, 1, :, 0], [0.0, 1.0, 2.0])
    np.testing.assert_array_equal(later.air_temperature[0, 1, :, 0], [3.0 if goes_on else 0.0, 11.0])
    last = [part.air_temperature[0, 1, -1, 11] for part in (past, later)]
    assert last == ([0.0, 0.0] if goes_on else [3.0, 12.0])
    assert past.air_temperature.sum() + later.air_temperature.sum() == (2 * 17.0 if goes_on else 2 * 29.0)
