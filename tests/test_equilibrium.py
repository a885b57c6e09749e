"""The equilibrium solver: brute force, closure, wildly different columns in one batch, cycles, derivatives."""

import dataclasses
import functools
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradient_cases
from jtem import parameters as parameter_module
from jtem import run, step
from jtem.physics import permafrost
from jtem.run import equilibrium, spinup
from sites import BONANZA_CREEK, PLATEAU_MEADOW, TABLE, TOOLIK, make, parameter_tree

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import equilibrium as benchmark

DEVICE = (jax.local_devices()[0],)
WITHOUT_HEAT = step.Design(thermal=None)
LARGEST_POOL_ERROR = 1e-3
MEDIAN_YEARS = 3000 / 30


# --- against 20,000 years --------------------------------------------------------------------------------------------


def compare_with_golden(columns):
    results = benchmark.against_golden(columns, DEVICE)
    assert results["unconverged_share"] == 0.0
    assert results["brute_force_converged_share"] == 1.0
    assert results["heat_settled_share"] > 0.8
    assert results["largest_pool_error_relative"] < LARGEST_POOL_ERROR
    assert results["largest_drift_over_closure_tolerance"] < 1e-3
    assert results["model_years_median"] <= MEDIAN_YEARS
    assert results["model_years_maximum"] < 300
    return results


def test_equilibrium_is_the_state_after_20000_years():
    """Every tenth column of the embedded domain and all embedded sites."""
    compare_with_golden(benchmark.joined([benchmark.embedded(stride=10), benchmark.sites()]))


@pytest.mark.slow
def test_equilibrium_is_the_state_after_20000_years_in_the_whole_domain():
    compare_with_golden(benchmark.embedded())


@pytest.mark.slow
def test_real_toolik_and_bonanza_creek(shared_data):
    compare_with_golden(benchmark.joined([benchmark.toolik(shared_data), benchmark.bonanza_creek(shared_data)]))


# --- one batch, wildly different columns -----------------------------------------------------------------------------

MIXED = [
    (BONANZA_CREEK, 0.366, "boreal_forest", 0.0),
    (TOOLIK, 0.3706, "alpine_tundra_polar_desert", -4.0),
    (PLATEAU_MEADOW, 0.5, "alpine_steppe", 0.0),
    (BONANZA_CREEK, 0.5, "grassland", 9.0),
    (TOOLIK, 0.3706, "alpine_tundra_polar_desert", -25.0),  # no month above freezing: vegetation dies
    (TOOLIK, 0.3665, "wet_moist_tundra", 0.0),
    (BONANZA_CREEK, 0.366, "boreal_forest", 0.0),  # its climate is not a number
]
DEAD, BROKEN = 4, 6


def column(design, method, differentiable=False, years=0):
    """A program of one column on a year (or a cycle) without soil heat: state and what was said of it."""

    def one(cell, climate, row):
        first = climate if climate.air_temperature.ndim == 1 else jax.tree.map(lambda leaf: leaf[0], climate)
        site, state = run.course.start(row, cell, first, design=design)
        _, heat = spinup.heat_of_one_year(None, first, cell, site, years=1, design=design)
        if climate.air_temperature.ndim == 2:
            every = [
                spinup.heat_of_one_year(
                    None, jax.tree.map(lambda leaf, i=i: leaf[i], climate), cell, site, years=1, design=design
                )[1]
                for i in range(climate.co2.shape[0])
            ]
            heat = jax.tree.map(lambda *leaves: jnp.stack(leaves), *every)
        if method == "equilibrium":
            return equilibrium.solve(
                state.water, state.carbon, heat, climate, cell, site, design=design, differentiable=differentiable
            )
        controls = spinup.baseline_controls()
        cycle = equilibrium.cycle_of(climate, heat, cell, site)

        def body(carried, _):
            wet, carbon, _ = equilibrium.whole_cycle(carried[0], carried[1], cycle, controls, design)
            return (wet, carbon), None

        return jax.lax.scan(body, (state.water, state.carbon), None, length=years)[0]

    return jax.jit(jax.vmap(one))


def rows_of(cases):
    rows = jnp.asarray([TABLE.index(name) for _, _, name, _ in cases])
    return jax.tree.map(lambda leaf: leaf[rows], parameter_tree())


def mixed():
    cells, climate = make(MIXED, 1)
    year = jax.vmap(run.mean_year)(climate)
    air = year.air_temperature.at[BROKEN, 3].set(jnp.nan)
    return cells, dataclasses.replace(year, air_temperature=air), rows_of(MIXED)


def test_wildly_different_columns_in_one_batch():
    cells, year, rows = mixed()
    solve = column(WITHOUT_HEAT, "equilibrium")
    found = solve(cells, year, rows)
    assert found.code.tolist() == [0, 0, 0, 0, equilibrium.NOT_CONVERGED, 0, equilibrium.NOT_FINITE]
    assert int(found.iterations[BROKEN]) < 3
    live = np.flatnonzero(np.asarray(found.code) == 0)
    wet, carbon = column(WITHOUT_HEAT, "repeat", years=5000)(cells, year, rows)
    expected = benchmark.pools(wet, carbon, len(MIXED))
    np.testing.assert_allclose(benchmark.pools(found.water, found.carbon, len(MIXED))[live], expected[live], rtol=1e-6)
    assert expected[DEAD, 0] < equilibrium.EXTINCT
    others = np.resize(live, len(MIXED))  # the same without the dead and the broken one
    alone = solve(*jax.tree.map(lambda leaf: leaf[others], (cells, year, rows)))
    np.testing.assert_array_equal(np.asarray(alone.iterations), np.asarray(found.iterations)[others])
    np.testing.assert_allclose(
        benchmark.pools(alone.water, alone.carbon, len(MIXED)),
        benchmark.pools(found.water, found.carbon, len(MIXED))[others],
        rtol=1e-9,
    )


@pytest.mark.slow
def test_a_cycle_of_several_years():
    cases = [MIXED[0], MIXED[5]]
    cells, climate = make(cases, 3)
    warm = jnp.asarray([-1.0, 0.0, 1.5])[None, :, None]
    wet = jnp.asarray([1.3, 1.0, 0.6])[None, :, None]
    climate = dataclasses.replace(
        climate, air_temperature=climate.air_temperature + warm, precipitation=climate.precipitation * wet
    )
    rows = rows_of(cases)
    found = column(WITHOUT_HEAT, "equilibrium")(cells, climate, rows)
    assert found.code.tolist() == [0, 0]
    expected = benchmark.pools(*column(WITHOUT_HEAT, "repeat", years=2000)(cells, climate, rows), 2)
    np.testing.assert_allclose(benchmark.pools(found.water, found.carbon, 2), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "change", [{"open_nitrogen": True}, {"nitrogen_limitation": False}], ids=["open nitrogen", "carbon only"]
)
@pytest.mark.slow
def test_other_forms_of_the_nitrogen_cycle(change):
    design = dataclasses.replace(WITHOUT_HEAT, **change)
    cells, climate = make(MIXED[:1], 1)
    year = jax.vmap(run.mean_year)(climate)
    rows = rows_of(MIXED[:1])
    found = column(design, "equilibrium")(cells, year, rows)
    expected = benchmark.pools(*column(design, "repeat", years=8000)(cells, year, rows), 1)
    np.testing.assert_allclose(benchmark.pools(found.water, found.carbon, 1), expected, rtol=1e-4)


# --- in a run --------------------------------------------------------------------------------------------------------


class Nothing:
    """A sink that keeps the states."""

    def __init__(self):
        self.states = {}

    def write(self, stage, columns, years, outputs):
        pass

    def state(self, stage_name, columns, state):
        self.states[stage_name] = state


def spin_up_of_stages(method):
    """Report and state of a boreal, a dead and a tundra column."""
    cells, year, _ = mixed()
    keep = np.array([0, DEAD, 5])
    cells, year = jax.tree.map(lambda leaf: np.asarray(leaf)[keep], (cells, year))
    climate = jax.tree.map(lambda leaf: leaf[:, None], year)
    climate = dataclasses.replace(climate, following_air_temperature=climate.air_temperature[:, :, 0])
    load = lambda rows: jax.tree.map(lambda leaf: leaf[rows], climate)  # noqa: E731
    sink = Nothing()
    experiment = run.Experiment(
        design=WITHOUT_HEAT,
        parameters=parameter_tree(),
        columns=cells,
        column_cell=np.arange(3),
        spin_up=run.SpinUp(load, heat_years=1, years=400, method=method),
        stages=(run.Stage("one year", 1850, 1850, load),),
        selection=run.Selection(),
    )
    return run.run_experiment(experiment, sink).spin_up, sink.states["spinup"]


def test_a_run_takes_the_equilibrium_and_repeats_years_where_it_fails():
    report, state = spin_up_of_stages("equilibrium")
    assert report.method == "equilibrium"
    assert report.code.tolist() == [0, 1, 0]
    assert report.closed[[0, 2]].all()
    assert report.iterations.shape == report.residual.shape == (3,)
    assert report.drift["water"].shape == (3,)
    assert state.carbon.soil.carbon[1] > 10.0  # 400 years leave more than the search, which goes to the end


@pytest.mark.slow
def test_columns_that_fail_are_those_of_repeated_years():
    _, state = spin_up_of_stages("equilibrium")
    plain, repeated = spin_up_of_stages("repeat")
    assert plain.code is None and plain.method == "repeat"
    np.testing.assert_allclose(state.carbon.soil.carbon[1], repeated.carbon.soil.carbon[1], rtol=1e-12)
    assert plain.closed.shape == (3,)


def test_an_unknown_spin_up_method_is_refused():
    with pytest.raises(ValueError, match="use one of repeat, equilibrium"):
        run.SpinUp(lambda rows: None, method="newton")  # pyright: ignore


# --- derivatives -----------------------------------------------------------------------------------------------------

DERIVATIVE_CASES = [
    (BONANZA_CREEK, 0.366, "boreal_forest", 0.0),
    (TOOLIK, 0.3665, "wet_moist_tundra", 0.0),
    (TOOLIK, 0.3706, "alpine_tundra_polar_desert", 2.0),
]
OUTPUTS = ("vegetation_carbon", "soil_carbon", "available_nitrogen", "active_layer_thickness")
RELEVANT = 1e-3  # elasticities above this share of the largest count
HEAT_YEARS = 150
STRICT = equilibrium.Settings(tolerance=1e-9)
NUDGES = {
    # off the kinks on which the defaults sit
    "photosynthesis.temperature_minimum": lambda v: v - 0.13,  # Toolik's May is at -1 degC exactly
    "soil_thermal.layer_thickness": lambda v: v + jnp.asarray([[0.013, 0.029]]),
    "soil_thermal.surface_factor_thaw": lambda v: v * 1.11,
    "nitrogen.co2_effect_on_cn": lambda v: v + 2e-4,
    "nitrogen.loss_rate": lambda v: v + 0.2,
    "nitrogen.production_cn_minimum": lambda v: v + 5.0,
    "nitrogen.vegetation_cn_slope": lambda v: v + 5.0,
    "nitrogen.vegetation_cn_intercept": lambda v: v * 1.02,
}


def derivative_inputs():
    cells, climate = make(DERIVATIVE_CASES, 1)
    rows = rows_of(DERIVATIVE_CASES)
    for name, nudge in NUDGES.items():
        rows = parameter_module.Handle(name).put(rows, nudge(parameter_module.get(rows, name)))
    names, vectors = gradient_cases.flatten(rows)
    return names, vectors, rows, cells, jax.vmap(run.mean_year)(climate)


def spun_up(design, differentiable):
    """``f(vectors, rows, cells, years)``: outputs (case, output) and result codes, of periodic heat and equilibrium."""

    def one(vector, row, cell, year):
        p = gradient_cases.unflatten(row, vector)
        _, state = run.course.start(p, cell, year, design=design)
        state, found, heat = equilibrium.spin_up(
            state, year, cell, p, heat_years=HEAT_YEARS, design=design, settings=STRICT, differentiable=differentiable
        )
        c = state.carbon
        thaw = heat.thaw.active_layer_thickness
        return jnp.stack([c.vegetation_carbon, c.soil.carbon, c.soil.available_nitrogen, thaw]), found.code

    return jax.vmap(one)


def reverse_derivative(design, vectors, rows, cells, year):
    f = spun_up(design, True)

    @functools.partial(jax.jit, compiler_options=gradient_cases.QUICK_TO_COMPILE)
    def reverse(v):
        y, pull = jax.vjp(lambda x: f(x, rows, cells, year)[0], v)
        return y, jax.vmap(lambda seed: pull(jnp.broadcast_to(seed, y.shape))[0])(jnp.eye(len(OUTPUTS)))

    value, derivative = reverse(vectors)
    return np.asarray(value), np.moveaxis(np.asarray(derivative), 0, 1)


def central_differences(design, vectors, rows, cells, year, *, relative=1e-5):
    """Outputs (case, output) without a derivative, and differences (case, output, parameter), all in one batch."""
    f = jax.jit(spun_up(design, False))
    base = np.asarray(vectors)
    cases, n = base.shape
    h = np.maximum(np.abs(base), 1e-3) * relative
    sign = np.array([1.0, -1.0])[None, :, None, None]
    moved = base[:, None, None, :] + sign * np.eye(n)[None, None] * h[:, None, None]
    moved = np.concatenate([moved.reshape(cases, 2 * n, n), base[:, None]], axis=1)
    rest = [jax.tree.map(lambda leaf: jnp.repeat(leaf, 2 * n + 1, axis=0), a) for a in (rows, cells, year)]
    y, code = f(jnp.asarray(moved.reshape(-1, n)), *rest)
    assert np.asarray(code).max() == 0
    y = np.asarray(y).reshape(cases, 2 * n + 1, len(OUTPUTS))
    plain, y = y[:, -1], y[:, :-1].reshape(cases, 2, n, len(OUTPUTS))
    return plain, np.moveaxis((y[:, 0] - y[:, 1]) / (2 * h[..., None]), 1, 2)


def assert_equal_derivatives(names, vectors, reverse, differences):
    scale = np.maximum(np.abs(np.asarray(vectors)), 1e-3)[:, None, :]
    large = np.maximum(np.abs(reverse), np.abs(differences))
    counts = large * scale > RELEVANT * (large * scale).max(axis=2, keepdims=True)
    error = np.abs(reverse - differences) / large.clip(1e-300)
    wrong = [
        (DERIVATIVE_CASES[c][2], OUTPUTS[k], names[j], float(error[c, k, j]))
        for c, k, j in zip(*np.where(counts & (error > 1e-4)), strict=True)
    ]
    print(f"{counts.sum()} derivatives, median error {np.median(error[counts]):.1e}, largest {error[counts].max():.1e}")
    assert not wrong, wrong
    assert np.median(error[counts]) < 1e-6
    return int(counts.sum())


def test_implicit_derivative_equals_central_differences_without_soil_heat():
    design = step.Design(thermal=None)
    names, *inputs = derivative_inputs()
    value, reverse = reverse_derivative(design, *inputs)
    plain, differences = central_differences(design, *inputs)
    np.testing.assert_allclose(value, plain, rtol=1e-10)  # the derivative does not change the value
    assert assert_equal_derivatives(names, inputs[0], reverse, differences) > 300


@pytest.mark.slow
def test_implicit_derivative_reaches_through_soil_heat():
    """Periodic heat and equilibrium together, every trainable parameter, thermal ones included; permafrost in two cases."""
    design = step.Design(permafrost=permafrost.LAYERED, heat_dtype="float64")
    names, *inputs = derivative_inputs()
    value, reverse = reverse_derivative(design, *inputs)
    assert (value[1:, 3] < 3.0).all()
    _, differences = central_differences(design, *inputs)
    assert assert_equal_derivatives(names, inputs[0], reverse, differences) > 400
    thermal = [i for i, name in enumerate(names) if name.startswith("soil_thermal.")]
    assert (np.abs(reverse[1, 3, thermal]) > 0).any() and (np.abs(reverse[1, 1, thermal]) > 0).any()


@pytest.mark.slow
def test_implicit_derivative_equals_unrolled_derivative_and_forward_mode_reverse_mode():
    """8,000 unrolled years from the initial state, three random directions through all parameters."""
    design = step.Design(thermal=None)
    _, vectors, rows, cells, year = derivative_inputs()
    _, reverse = reverse_derivative(design, vectors, rows, cells, year)
    scale = np.maximum(np.abs(np.asarray(vectors)), 1e-3)

    def unrolled(v):
        def one(vector, row, cell, climate):
            p = gradient_cases.unflatten(row, vector)
            _, state = run.course.start(p, cell, climate, design=design)
            state, _, heat = spinup.spin_up(state, climate, cell, p, heat_years=1, years=8000, design=design)
            c = state.carbon
            thaw = heat.thaw.active_layer_thickness
            return jnp.stack([c.vegetation_carbon, c.soil.carbon, c.soil.available_nitrogen, thaw])

        return jax.vmap(one)(v, rows, cells, year)

    implicit = lambda v: spun_up(design, True)(v, rows, cells, year)[0]  # noqa: E731
    tangent = jax.jit(lambda f_v, t: jax.jvp(implicit, (f_v,), (t,))[1])
    brute = jax.jit(lambda f_v, t: jax.jvp(unrolled, (f_v,), (t,))[1])
    for seed in range(3):
        direction = np.random.default_rng(seed).normal(size=scale.shape) * scale * 0.1
        expected = np.einsum("ckn,cn->ck", reverse, direction)
        np.testing.assert_allclose(tangent(vectors, jnp.asarray(direction)), expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(brute(vectors, jnp.asarray(direction)), expected, rtol=1e-4)


# --- what follows ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_history_from_equilibrium_equals_one_from_20000_years():
    """Yearly fluxes 1901-2015 of embedded columns (soil heat from the same spin-up) differ by less than 0.1 %."""
    text = (benchmark.ROOT / "experiments/demo/plan.toml").read_text(encoding="utf-8")
    columns = benchmark.embedded(stride=15)
    prepared = benchmark.prepare(benchmark.plan.parse(text), None)
    experiment = prepared.experiment
    rows = np.arange(0, len(experiment.column_cell), 15)
    climate = experiment.stages[0].climate(experiment.column_cell[rows])
    climate = jax.tree.map(lambda leaf: jnp.asarray(leaf[:, 51:], "float64"), climate)
    p, design = benchmark.tree_of_parameters(), benchmark.DESIGN

    def both(cell, year):
        site, state = run.course.start(p, cell, year, design=design)
        assert state.thermal is not None
        thermal, heat = spinup.periodic_heat(state.thermal, year, cell, site, years=60, design=design)
        found = equilibrium.solve(state.water, state.carbon, heat, year, cell, site, design=design)
        wet, carbon, _ = spinup.repeat_carbon(
            state.water, state.carbon, heat, year, cell, site, spinup.baseline_controls(), years=20000, design=design
        )
        return step.State(thermal, found.water, found.carbon), step.State(thermal, wet, carbon)

    fast, slow = jax.jit(jax.vmap(both))(columns.cells, columns.year)
    names = ("gross_primary_production", "heterotrophic_respiration", "net_primary_production", "nitrogen_uptake")
    selection = run.Selection(annual=tuple((name, "sum") for name in names))
    years = climate.co2.shape[1]
    out = [
        run.simulate_cells(
            state, climate, columns.cells, p, run.constant_controls(years), design=design, selection=selection,
            devices=DEVICE,
        )[1]["annual"]
        for state in (fast, slow)
    ]  # fmt: skip
    for name in names:
        scale = np.abs(np.asarray(out[1][name])).mean(axis=1, keepdims=True)
        assert (np.abs(np.asarray(out[0][name]) - np.asarray(out[1][name])) < 1e-3 * scale).all(), name
