"""The finer grid, the freezing curve and settling snow: H13-H16, S5-S7 in a column."""

import dataclasses
import math
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from soil_heat_columns import COLUMNS, ROWS, air, one_year, parameters, stack

from gradient_cases import OF_GROUND_OPTIONS
from jtem.physics import snow
from jtem.physics import soil_heat as st

FINE = st.ThermalDesign(layer_edges=st.FINE_EDGES, substeps=10, sweeps="drd")
CURVE = st.ThermalDesign(freezing_nodes=st.FREEZING_NODES)
ALL = st.ThermalDesign(
    layer_edges=st.FINE_EDGES, substeps=10, sweeps="drd", freezing_nodes=st.FREEZING_NODES, settling_snow=True
)
STEEP: dict[str, Any] = {
    "freezing_depression": [1e-5],
    "freezing_exponent": [2.0],
}  # all water freezes in the last piece
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
    assert st.reported_layers(same, CURVE) is same
    other = st.ThermalDesign(layer_edges=(0.0, 1.0, 2.0))
    assert other.reported_edges == other.layer_edges


# --- H14, H15 -----------------------------------------------------------------------------------------------------------


def test_h14_by_hand():
    """Depression 0.01 K, exponent 0.5: 0.1 at -1 degC, 0.5 at -0.04, all above -0.01."""
    share = [float(st.unfrozen_share(t, jnp.asarray(0.01), jnp.asarray(0.5))) for t in (-1.0, -0.04, -0.01, -0.001)]
    np.testing.assert_allclose(share, [0.1, 0.5, 1.0, 1.0], rtol=1e-12)


def test_h15_polygon_goes_through_the_curve_and_has_an_inverse():
    row = parameters(ROWS["wet tundra"], freezing_depression=[0.02, 0.01, 0.005], freezing_exponent=[0.6, 0.4, 0.3])
    p = st.properties(row, CURVE)
    deep = 20  # all of the third material
    shares = [(0.005 / -t) ** 0.3 for t in st.FREEZING_NODES[:-1]] + [1.0]
    assert p.liquid_at_nodes is not None
    np.testing.assert_allclose(p.liquid_at_nodes[:, deep], shares[:-1], rtol=1e-12)
    _, _, ct, cf, theta = ROWS["wet tundra"][2][1:]
    expected = [0.0]
    for (a, b), (wet_a, wet_b) in zip(pairwise(st.FREEZING_NODES), pairwise(shares), strict=True):
        # the integral of the capacity and the ice that melts
        expected.append(expected[-1] + (b - a) * (cf + (ct - cf) * (wet_a + wet_b) / 2) + 334 * theta * (wet_b - wet_a))
    for node, enthalpy in zip(st.FREEZING_NODES, expected, strict=True):
        np.testing.assert_allclose(st.enthalpy_of(jnp.full(33, node), p)[deep], enthalpy, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(st.enthalpy_of(jnp.full(33, 2.0), p)[deep], expected[-1] + 2 * ct, rtol=1e-10)
    cold = cf + (ct - cf) * shares[0]
    np.testing.assert_allclose(st.enthalpy_of(jnp.full(33, -8.0), p)[deep], -3 * cold, rtol=1e-10)
    temperature = jnp.linspace(-9.0, 4.0, 33)
    np.testing.assert_allclose(st.temperature_of(st.enthalpy_of(temperature, p), p), temperature, atol=1e-12)
    # a layer of two materials: 0.2 m of the first, then the second
    mixed = st.properties(dataclasses.replace(row, layer_thickness=jnp.asarray([0.23, 0.6])), CURVE)
    first, second = 0.03 * 0.35, 0.07 * 0.10
    each = [(0.02 / 5) ** 0.6, (0.01 / 5) ** 0.4]
    assert mixed.liquid_at_nodes is not None
    np.testing.assert_allclose(mixed.liquid_at_nodes[0, 2], (first * each[0] + second * each[1]) / (first + second))


def test_freezing_nodes_are_checked():
    for nodes in ((-1.0, 0.0), (-1.0, -2.0, 0.0), (-3.0, -1.0, -0.1)):
        with pytest.raises(ValueError, match="freezing_nodes"):
            st.ThermalDesign(freezing_nodes=nodes)


@partial(jax.jit, static_argnums=(0, 4))
def steps_at(design, row, start, surfaces, time_step):
    """Sub-steps of one bare column: temperatures after each."""
    props = st.properties(row, design)
    enthalpy = st.state_from_temperature(start, start[0], props).enthalpy

    def step(h, surface):
        h, temperature, _ = st.sub_step(h, surface, jnp.zeros_like(surface), props, time_step, design)
        return h, (temperature, h)

    return jax.lax.scan(step, enthalpy, surfaces)[1]


@pytest.mark.parametrize(
    ("edges", "sweeps"), [(st.DEFAULT_EDGES, "drdrd"), (st.FINE_EDGES, "drd")], ids=["default", "fine"]
)
def test_case_1_neumann_in_the_limit_of_a_steep_curve(edges, sweeps):
    """Thaw from -2 degC under 8 degC, water frozen below -0.04 degC: the front of Neumann within 5 cm over four years."""
    design = st.ThermalDesign(layer_edges=edges, sweeps=sweeps, freezing_nodes=st.FREEZING_NODES)
    kt, kf, ct, cf, theta = 1.20, 2.10, 3.1, 1.7, 0.43
    row = parameters([(None, kt, kf, ct, cf, theta)], q_geo=0.0, **STEEP)
    days, count = 365.25 / 120, 480
    temperature, enthalpy = steps_at(design, row, jnp.full(design.layers, -2.0), jnp.full(count, 8.0), days * 0.0864)
    props = st.properties(row, design)
    low, high = (np.asarray(st.enthalpy_of(jnp.full(design.layers, t), props)) for t in (-0.04, 0.0))
    front = np.clip((np.asarray(enthalpy) - low) / (high - low), 0, 1) @ np.array(design.thickness)
    exact = 2 * 0.272881 * np.sqrt(kt / ct * np.arange(1, count + 1) * days * 0.0864)
    assert np.abs(front - exact)[24:].max() < 0.05
    assert np.all(np.asarray(temperature) <= 8.0 + 1e-9) and np.all(np.asarray(temperature) >= -2.0 - 1e-9)


@pytest.mark.parametrize(("tm", "psi", "gamma"), [(-1.0, 0.18092, 1.78929), (-4.0, 0.07807, 1.21564)])
def test_case_2_lunardini_with_a_piece_of_the_curve(tm, psi, gamma):
    """Three zones: water that freezes evenly between tm and 0 degC is one piece of the polygon."""
    design = st.ThermalDesign(freezing_nodes=(tm - 4.0, tm - 1e-3, tm, 0.0), sweeps="drd")
    k, c, theta, days = 2.5, 2.0, 0.3, 365.25 / 120
    row = parameters([(None, k, k, c, c, theta)], q_geo=0.0, freezing_depression=[1e-9], freezing_exponent=[1.0])
    count = round(60.9 / days)
    temperature, _ = steps_at(design, row, jnp.full(design.layers, 4.0), jnp.full(count, -6.0), days * 0.0864)
    time, z = count * days * 0.0864, np.array(design.centres)
    a1, a4 = k / c, k / (c + 334 * theta / -tm)
    x1, x2 = 2 * psi * math.sqrt(a1 * time), 2 * gamma * math.sqrt(a4 * time)
    erf = np.vectorize(math.erf)
    frozen = -6 + (tm + 6) * erf(z / (2 * math.sqrt(a1 * time))) / math.erf(psi)
    u = z / (2 * math.sqrt(a4 * time))
    mushy = tm * (erf(u) - math.erf(gamma)) / (math.erf(psi * math.sqrt(a1 / a4)) - math.erf(gamma))
    warm = 4 - 4 * (1 - erf(z / (2 * math.sqrt(a1 * time)))) / (1 - math.erf(gamma * math.sqrt(a4 / a1)))
    expected = np.where(z < x1, frozen, np.where(z < x2, mushy, warm))
    near = z < 3
    error = np.asarray(temperature[-1]) - expected
    assert np.sqrt(np.mean(error[near] ** 2)) < 0.05


# --- columns ------------------------------------------------------------------------------------------------------------


def columns():
    """The five reference columns with snowfall, boundaries off the faces of the layers."""
    rows = []
    for _, _, kind, _, rho, _, q, _ in COLUMNS.values():
        first, second, third = ROWS[kind]
        layers = [(first[0] + 0.013, *first[1:]), (second[0] + 0.017, *second[1:]), third]
        rows.append(
            parameters(
                layers, rho, q, freezing_depression=[1e-4, 0.003, 0.0017], freezing_exponent=[0.37, 0.21, 0.17],
                deep_snow_density=470.0, snow_settling_time=9.0,
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
    assert float(out.inconsistent_steps.mean()) < 0.02
    assert out.temperature.shape == (5, YEARS, 12, 38)
    thaw = np.asarray(active)[:, -1]
    assert 0 < thaw[0] < 2 and thaw[4] > thaw[2] > 0.5


def test_snow_is_as_much_water_as_without_settling_and_lies_at_a_density_that_snow_has(everything):
    plain, _ = jax.jit(jax.vmap(partial(simulated, design=dataclasses.replace(ALL, settling_snow=False))))(*columns())
    out, _ = everything
    np.testing.assert_allclose(out.snow_water_equivalent, plain.snow_water_equivalent, rtol=1e-12, atol=1e-12)
    lies = np.asarray(out.snow_water_equivalent) > 5
    density = np.asarray(out.snow_water_equivalent)[lies] / np.asarray(out.snow_depth)[lies]
    assert density.min() > 68 and density.max() < 450 and density[-1] > 100
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
    made = design('soil_grid = "fine"\nheat_substeps = 10\nsnow = "settling"\nfreezing = "curve"\nsolve_heat = true')
    assert made.thermal == dataclasses.replace(ALL, solved=True)
    assert made.processes.snow_cover is snow.settling_cover
    assert design('soil_grid = "fine"').thermal.sweeps == "drdrd"
