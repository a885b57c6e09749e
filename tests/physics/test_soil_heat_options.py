"""The finer grid and settling snow: H13, S5-S7 in a column."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from soil_heat_columns import COLUMNS, FAST, ROWS, air, one_year, parameters, stack

from gradient_cases import OF_GROUND_OPTIONS
from jtem.physics import snow
from jtem.physics import soil_heat as st

FINE = st.ThermalDesign(layer_edges=st.FINE_EDGES, substeps=10, sweeps="drd")
ALL = st.ThermalDesign(layer_edges=st.FINE_EDGES, substeps=10, sweeps="drd", settling_snow=True)
YEARS = 6


# --- H13 ----------------------------------------------------------------------------------------------------------------


def test_h13_results_of_the_fine_grid_are_means_of_the_default_layers():
    assert FINE.layers == 38 and FINE.reported_edges == st.DEFAULT_EDGES and len(FINE.reported_centres) == 33
    values = np.random.default_rng(1).normal(size=(38, 2))
    found = st.reported_layers(jnp.asarray(values), FINE)
    assert found.shape == (33, 2)
    np.testing.assert_allclose(found[:5], values[:10].reshape(5, 2, 2).mean(1), rtol=1e-14)  # (a + b)/2 or weights
    np.testing.assert_array_equal(found[5:], values[10:])
    same = jnp.asarray(values[:33])
    assert st.reported_layers(same, st.ThermalDesign()) is same
    other = st.ThermalDesign(layer_edges=(0.0, 1.0, 2.0))
    assert other.reported_edges == other.layer_edges


@partial(jax.jit, static_argnums=(0, 4))
def steps_at(design, row, start, surfaces, time_step):
    """Sub-steps of one bare column: temperatures after each."""
    props = st.properties(row, design)
    enthalpy = st.state_from_temperature(start, start[0], props).enthalpy

    def step(h, surface):
        h, temperature, _ = st.sub_step(h, surface, jnp.zeros_like(surface), props, time_step, design)
        return h, (temperature, h)

    return jax.lax.scan(step, enthalpy, surfaces)[1]


def test_case_1_neumann_on_the_fine_grid():
    """Thaw from -2 degC under 8 degC: the front within 5 cm over four years, as on the default grid."""
    kt, kf, ct, cf, theta = 1.20, 2.10, 3.1, 1.7, 0.43
    row = parameters([(None, kt, kf, ct, cf, theta)], q_geo=0.0)
    days, count = 365.25 / 120, 480
    temperature, enthalpy = steps_at(FINE, row, jnp.full(FINE.layers, -2.0), jnp.full(count, 8.0), days * 0.0864)
    props = st.properties(row, FINE)
    front = np.clip(np.asarray(enthalpy) / np.asarray(props.enthalpy_thawed), 0, 1) @ np.array(FINE.thickness)
    exact = 2 * 0.272881 * np.sqrt(kt / ct * np.arange(1, count + 1) * days * 0.0864)
    assert np.abs(front - exact)[24:].max() < 0.05
    assert np.all(np.asarray(temperature) <= 8.0 + 1e-9) and np.all(np.asarray(temperature) >= -2.0 - 1e-9)


# --- columns ------------------------------------------------------------------------------------------------------------


def columns():
    """The five reference columns with snowfall, boundaries off the faces of the layers."""
    rows = []
    for _, _, kind, _, rho, _, q, _ in COLUMNS.values():
        first, second, third = ROWS[kind]
        layers = [(first[0] + 0.013, *first[1:]), (second[0] + 0.017, *second[1:]), third]
        rows.append(
            parameters(
                layers, rho, q, deep_snow_density=470.0, snow_load=190.0, snow_settling_time=9.0, snowfall_ratio=1.2,
            )
        )  # fmt: skip
    temperature = jnp.asarray(np.stack([air(c[0], c[1]) for c in COLUMNS.values()]))
    fall = jnp.where(temperature < -1, jnp.asarray([c[3] for c in COLUMNS.values()])[:, None] / 7 + 4.0, 0.0)
    return stack(rows), temperature, fall


def simulated(row, temperature, fall, design, years=YEARS):
    """Years of one column: final state, what was put out, active layers."""
    props = st.properties(row, design)
    state = st.initial_state(jnp.mean(temperature), temperature[11], props, design)

    def year(state, _):
        state, (out, active, _) = one_year(design, state, temperature, temperature[0], fall, props)
        return state, (out, active)

    return jax.lax.scan(year, state, length=years)[1]


@pytest.fixture(scope="module")
def program():
    return jax.jit(jax.vmap(partial(simulated, design=ALL)))


@pytest.fixture(scope="module")
def everything(program):
    return program(*columns())


@pytest.mark.parametrize("name", OF_GROUND_OPTIONS)
def test_parameters_of_the_options_move_the_ground(program, everything, name):
    rows, *weather = columns()
    moved = program(dataclasses.replace(rows, **{name: getattr(rows, name) * 1.2}), *weather)
    assert np.abs(moved[0].temperature - everything[0].temperature).max() > 1e-2


def test_energy_closes_and_phases_settle_with_everything_on(everything):
    out, active = everything
    assert all(bool(jnp.isfinite(x).all()) for x in jax.tree.leaves(everything))
    assert float(jnp.abs(out.energy_residual).sum()) < 1e-8
    assert (
        float(out.inconsistent_steps.mean()) / ALL.substeps < 0.01
    )  # of sub-steps; more sweeps end at the same errors
    assert out.temperature.shape == (5, YEARS, 12, 38)
    thaw = np.asarray(active)[:, -1]
    assert 0 < thaw[0] < 2 and thaw[4] > thaw[2] > 0.5


def test_snow_is_as_much_water_as_without_settling_and_lies_at_a_density_that_snow_has(everything):
    rows, temperature, fall = columns()
    constant = dataclasses.replace(ALL, settling_snow=False)
    plain, _ = jax.jit(jax.vmap(partial(simulated, design=constant)))(rows, temperature, fall * 1.2)
    out, _ = everything
    np.testing.assert_allclose(out.snow_water_equivalent, plain.snow_water_equivalent, rtol=1e-12, atol=1e-12)
    lies = np.asarray(out.snow_water_equivalent) > 5
    density = np.asarray(out.snow_water_equivalent)[lies] / np.asarray(out.snow_depth)[lies]
    assert density.min() > 68 and density.max() < 500 and density[-1] > 100
    assert np.all(np.asarray(out.snow_depth)[np.asarray(out.snow_water_equivalent) == 0] == 0)


@pytest.mark.slow
def test_case_8_derivatives_of_the_options_are_those_of_differences():
    """Forward and reverse derivative against central differences, for every new parameter (and material) and old ones."""
    rows, temperature, fall = columns()

    def value(rows):
        out, active = jax.vmap(partial(simulated, design=ALL, years=3))(rows, temperature, fall)
        at_1m = jax.vmap(lambda t: st.layer_temperature_at(t, 1.0, ALL))(out.temperature[:, -1].mean(1))
        return at_1m + out.temperature_10cm[:, -1, 6] + active[:, -1] + out.snow_depth[:, -1].sum(1)

    both = jax.jit(lambda rows, direction: jax.jvp(value, (rows,), (direction,)))
    reverse = jax.jit(jax.grad(lambda rows: value(rows).sum()))(rows)
    still = jax.tree.map(jnp.zeros_like, rows)
    for name in (*OF_GROUND_OPTIONS, "water_content", "snow_melt_factor"):
        x = np.asarray(getattr(rows, name))
        largest = 0.0
        for k in range(x.shape[1] if x.ndim > 1 else 1):
            direction = x * (np.eye(x.shape[1])[k] if x.ndim > 1 else 1.0)
            step = 1e-6

            def moved(by, name=name, x=x, direction=direction):
                return dataclasses.replace(rows, **{name: jnp.asarray(x + by * direction)})

            along = dataclasses.replace(still, **{name: jnp.asarray(direction)})
            slope = np.asarray(both(rows, along)[1])
            difference = (np.asarray(both(moved(step), along)[0]) - np.asarray(both(moved(-step), along)[0])) / (
                2 * step
            )
            np.testing.assert_allclose(slope, difference, rtol=1e-4, atol=1e-6, err_msg=name)
            np.testing.assert_allclose((np.asarray(getattr(reverse, name)) * direction).sum(), slope.sum(), rtol=1e-8)
            largest = max(largest, np.abs(slope).max())
        assert largest > 1e-3, name


def test_single_precision_and_batches(everything):
    out, active = everything
    single = jax.tree.map(lambda x: x.astype(jnp.float32), columns())
    again, depth = jax.jit(jax.vmap(partial(simulated, design=ALL)))(*single)
    assert again.temperature.dtype == np.float32
    assert np.abs(np.asarray(depth) - np.asarray(active)).max() < 2e-3
    assert np.abs(np.asarray(again.temperature) - np.asarray(out.temperature)).max() < 0.02


def test_split_years_carry_the_snow(everything):
    """Depth of snow is carried by the state from December to January: no jump there, and a restart is exact."""
    row, temperature, fall = jax.tree.map(lambda x: x[0], columns())
    props = st.properties(row, ALL)
    state = st.initial_state(jnp.mean(temperature), temperature[11], props, ALL)
    year = jax.jit(lambda state: one_year(ALL, state, temperature, temperature[0], fall, props)[:2])
    depths = []
    for _ in range(YEARS):
        state, (out, _, _) = year(state)
        depths.append(np.asarray(out.snow_depth))
    np.testing.assert_allclose(depths, everything[0].snow_depth[0], rtol=1e-12, atol=1e-14)
    assert 0 < depths[-2][11] < depths[-1][0]
    assert state.snow_depth is not None and float(state.snow_depth) > 0


def test_a_plan_names_the_options():
    """Words of [model] become the design; without them it is the default."""
    from jtem import step
    from jtem.assemble import model
    from jtem.plan import calibration

    text = """
    [calibration]
    name = "options"
    [model]
    {words}
    [[data]]
    source = "embedded"
    path = "none.csv"
    [[parameter]]
    name = "soil_thermal.deep_snow_density"
    bounds = [400, 500]
    """

    def design(words):
        return model.design(calibration.parse(text.format(words=words)).model, "test")

    assert design("").thermal == st.ThermalDesign() == step.Design().thermal
    assert design("").processes.snow_cover is snow.cover
    made = design('soil_grid = "fine"\nheat_substeps = 10\nsnow = "settling"\nsurface = "light"\nsolve_heat = true')
    assert made.thermal == dataclasses.replace(ALL, lit=True, solved=True)
    assert made.processes.snow_cover is snow.settling_cover
    assert design('soil_grid = "fine"').thermal.sweeps == "drdrd"
    fast = design('numerics = "fast"\nheat_substeps = 5')
    assert fast.thermal == FAST and fast.layer_rate_dtype == fast.heat_dtype and step.Design().layer_rate_dtype is None
