"""Verification of soil heat: analytic truth, reference columns, conservation, precision, spin-up, invariants.

Case numbers are those of the specification of the soil thermal core; measured values stand beside the tolerances.
"""

import dataclasses
import json
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from soil_heat_columns import (
    COLUMNS,
    FAST,
    MONTHS,
    ROWS,
    air,
    five_columns,
    linear_start,
    month_end_snow,
    one_year,
    parameters,
    random_rows,
    run_columns,
    simulate,
    snow_in_substeps,
    stack,
)

from jtem.constants import MONTH_DAYS, MONTH_MEGASECONDS
from jtem.numerics.anderson import anderson_step, push
from jtem.physics import snow
from jtem.physics import soil_heat as st
from jtem.physics.soil_heat import solver

DESIGN = st.ThermalDesign()
DAY = 0.0864  # Ms
UNIT = st.ThermalDesign(layer_edges=tuple(float(i) for i in range(7)))


def erf_solution(x):
    return np.array([math.erf(v) for v in np.ravel(x)]).reshape(np.shape(x))


@partial(jax.jit, static_argnums=(0, 4))
def steps_at(design, row, start, surfaces, time_step):
    """Many sub-steps of one bare column under given surface temperatures: temperatures and thawed thickness."""
    props = st.properties(row, design)
    enthalpy = st.state_from_temperature(start, start[0], props).enthalpy

    def step(h, surface):
        h, temperature, _ = st.sub_step(h, surface, jnp.zeros_like(surface), props, time_step, design)
        thawed = st.liquid_fraction(h, props.enthalpy_thawed)
        return h, (temperature, jnp.sum(thawed * jnp.asarray(design.thickness, h.dtype)))

    return jax.lax.scan(step, enthalpy, surfaces)[1]


# --- the parts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edges", [(-0.1, 1.0, 2.0), (0.1, 1.0, 2.0), (0.0, 1.0), (0.0, 1.0, 1.0), (0.0, 2.0, 1.0)])
def test_edges_that_are_no_layers_are_refused(edges):
    with pytest.raises(ValueError, match="layer_edges must start at 0 and increase, with two layers or more"):
        st.ThermalDesign(layer_edges=edges)


@pytest.mark.parametrize("substeps", [0, 61])
def test_substeps_that_are_none_or_too_many_are_refused(substeps):
    with pytest.raises(ValueError, match=r"substeps must be within 1\.\.60"):
        st.ThermalDesign(substeps=substeps)
    assert (st.ThermalDesign(substeps=1).substeps, st.ThermalDesign(substeps=60).substeps) == (1, 60)


def test_default_layers():
    """Edges of Liu et al. (2024) to 6 m and eight layers below, and what is said of the default design."""
    assert DESIGN.layers == 33 and DESIGN.bottom == 60.5 and DESIGN.layer_edges[25] == 6.0
    below_half_a_metre = [*[0.1] * 5, *[0.2] * 10, *[0.5] * 4, 1, 1, 1.5, 2, 3, 5, 8, 14, 20]
    np.testing.assert_allclose(DESIGN.thickness, [*[0.1] * 5, *below_half_a_metre], atol=1e-9)
    fine = st.ThermalDesign(layer_edges=st.GRIDS["fine"])
    np.testing.assert_allclose(fine.thickness, [*[0.05] * 10, *below_half_a_metre], atol=1e-9)
    assert set(st.DEFAULT_EDGES) < set(st.FINE_EDGES) and st.GRIDS["default"] == st.DEFAULT_EDGES
    options = (st.DEFAULT_EDGES, 6, "drdrd", *[False] * 4, True, True, False, math.inf, False)
    assert dataclasses.astuple(DESIGN) == options
    with pytest.raises(ValueError, match="layer_edges"):
        st.ThermalDesign(layer_edges=(0.0, 1.0, 0.5))
    with pytest.raises(ValueError, match="substeps"):
        st.ThermalDesign(substeps=0)
    with pytest.raises(ValueError, match="sweeps"):
        st.ThermalDesign(sweeps="dx")


def test_freezing_curve_and_its_inverse():
    temperature = jnp.asarray([-20.0, -0.011, -0.01, -0.004, 0.0, 0.5, 12.0])
    cf, ct, e = (jnp.full_like(temperature, v) for v in (1.7, 3.1, 143.0))
    delta = jnp.asarray(0.01)
    h = st.enthalpy_from_temperature(temperature, cf, ct, e, delta)
    np.testing.assert_allclose(st.temperature_from_enthalpy(h, cf, ct, e, delta), temperature, atol=1e-12)
    np.testing.assert_allclose(h[jnp.array([2, 4, 6])], [0.0, 143.0, 143.0 + 3.1 * 12], atol=1e-12)
    np.testing.assert_allclose(st.liquid_fraction(h, e), [0, 0, 0, 0.6, 1, 1, 1], atol=1e-12)


def test_air_temperature_keeps_the_mean_and_is_continuous():
    a = jnp.asarray(air(-8.0, 20.0))
    steps = jax.vmap(lambda p, c, n: st.interpolate_air_temperature(p, c, n, 6))(jnp.roll(a, 1), a, jnp.roll(a, -1))
    np.testing.assert_allclose(steps.mean(1), a, atol=1e-12)
    jumps = np.abs(np.diff(np.ravel(steps)))
    assert jumps.max() < 2.5  # a step is about 1/72 of a year: 20 K amplitude gives 1.8 K


def test_thermal_snow_and_surface():
    end, water = snow.degree_day_snow(
        jnp.asarray(50.0), jnp.asarray([-5.0, -1.0, 1.0, 8.0]), jnp.asarray(8.0), jnp.asarray(4.0)
    )
    days = MONTH_DAYS / 4
    expected = [50, 52, 54, 56 - 4 * days]
    expected.append(max(0.0, expected[-1] + 2 - 32 * days))
    np.testing.assert_allclose(end, expected[-1])
    np.testing.assert_allclose(water, (np.array(expected[1:]) + expected[:-1]) / 2)
    np.testing.assert_allclose(snow.snow_conductivity(jnp.asarray(250.0)), 10 ** (2.650 * 0.25 - 1.652))
    ten, factor = jnp.asarray(10.0), jnp.asarray(1.0)
    np.testing.assert_allclose(snow.surface_temperature(ten, ten, ten, factor, factor), 5.0)
    np.testing.assert_allclose(snow.surface_temperature(-ten, ten, ten, factor, 0.5 * factor), -5.0)
    np.testing.assert_allclose(snow.snow_resistance(jnp.asarray(9999.0), factor), 3000.0 / 10 ** (2.65e-3 - 1.652))


@pytest.mark.parametrize(
    ("phi", "upper", "lower"),
    [
        ([0.5, 1, 1, 0.3, 0, 0], 0.5, 3.3),
        ([0.2, 1, 0.5, 0, 0, 1], 0.8, 2.5),
        ([0, 0, 0.3, 1, 0.5, 0], 2.7, 4.5),
        ([1, 1, 1, 0.2, 0, 1], 0.0, 3.2),
        ([0] * 6, 6.0, 6.0),
        ([1] * 6, 0.0, 6.0),
    ],
)
def test_fronts_by_hand(phi, upper, lower):
    z1, z2 = st.fronts(jnp.asarray(phi, float), UNIT)
    np.testing.assert_allclose((z1, z2), (upper, lower), atol=1e-12)


def test_active_layer_and_thawed_thickness():
    maximum = jnp.asarray([1.0, 1.0, 0.4, 0.0, 1.0, 1.0])
    zero = jnp.asarray(0.0)
    state = st.ThermalState(maximum, zero, maximum, jnp.asarray(2.1), zero)
    state, active, unfrozen = st.close_year(state, UNIT)
    np.testing.assert_allclose((active, unfrozen), (2.4, 2.1))
    assert float(jnp.max(state.maximum_thawed_fraction)) == 0.0 and float(state.maximum_unfrozen_thickness) == 0.0

    def thawed(z):
        return st.thawed_thickness(maximum, z, UNIT.layer_edges)

    np.testing.assert_allclose(thawed(jnp.asarray(2.5)), 2.2)
    np.testing.assert_allclose(jax.grad(thawed)(jnp.asarray(2.5)), 0.4)
    np.testing.assert_allclose(st.layer_temperature_at(maximum, 2.25, UNIT), 0.4 + 0.6 * 0.25)
    # the unfrozen ground below permafrost is no active layer
    _, active, unfrozen = st.close_year(st.ThermalState(maximum, zero, maximum, jnp.asarray(30.0), zero), UNIT)
    assert float(unfrozen) == float(active)


def test_a_sub_step_is_inconsistent_where_a_layer_misses_its_temperature_by_more_than_a_tenth_of_a_kelvin():
    row, layers = parameters(ROWS["wet tundra"]), 2.0 * np.eye(6)

    @jax.jit
    @jax.vmap
    def unsettled(missed):
        ground, per_step = st.properties(row, UNIT), jnp.full(6, 2.5)
        temperature = jnp.asarray([-7.0, -0.004, 3.0, 0.5, -0.5, 9.0])
        content = per_step * st.enthalpy_of(temperature, ground)
        return solver.unsettled(content, temperature + missed, solver.contents_per_step(ground, per_step))

    near, far = 0.04995 * layers, 0.05005 * layers
    assert not unsettled(np.concatenate([near, -near])).any() and unsettled(np.concatenate([far, -far])).all()


def test_air_beyond_what_there_is_counts_as_its_limit():
    """-90 and 60 degC: beyond them nothing changes, within them ground follows the air."""
    design = st.ThermalDesign(layer_edges=(0.0, 0.1, 0.3, 1.0), substeps=2, sweeps="d")
    row = parameters(ROWS["wet tundra"])

    @jax.jit
    @jax.vmap
    def after(air):
        ground = st.properties(row, design)
        start = dataclasses.replace(
            st.initial_state(-5.0 + 0.0 * air, air, ground, design), previous_air_temperature=air
        )
        return st.month(start, air, air, 0.0 * air, ground, cover=snow.cover, design=design)[1].temperature[0]

    colder, coldest, cold, warm, warmest, warmer = after(jnp.asarray([-120.0, -90.0, -89.9, 59.9, 60.0, 90.0]))
    # equal here; another lane of a vector may round otherwise
    np.testing.assert_allclose((colder, warmer), (coldest, warmest), rtol=1e-14)
    assert cold > coldest + 1e-3 and warm < warmest - 1e-3


def test_temperature_at_a_face_carries_one_flux_through_both_halves():
    """2 and -4 degC with 1 and 3 m2 K W-1 to their face: 0.5 degC, and 1.5 W m-2 on both sides."""
    temperature = jnp.asarray([2.0, -4.0, *[0.0] * 4])
    above, below = jnp.asarray([9.0, 1.0, *[1.0] * 4]), jnp.asarray([9.0, 3.0, *[1.0] * 4])
    np.testing.assert_allclose(st.face_temperature(temperature, above, below, 1.0, UNIT), 0.5)
    np.testing.assert_allclose(
        st.face_temperature(temperature, above, below, 0.75, UNIT), 2.0 - 6.0 * 0.25
    )  # no face there


def test_properties_integrate_the_material_layers():
    row = parameters([(0.21, *ROWS["wet tundra"][0][1:]), *ROWS["wet tundra"][1:]])
    p = st.properties(row, DESIGN)
    d = jnp.asarray(DESIGN.thickness)
    heights = np.array([0.21, 0.60, 60.5 - 0.81])
    resistance = p.resistance_upper_frozen + p.resistance_lower_frozen
    np.testing.assert_allclose(jnp.sum(resistance), np.sum(heights / np.asarray(row.conductivity_frozen)))
    thawed = p.resistance_upper_thawed + p.resistance_lower_thawed
    np.testing.assert_allclose(jnp.sum(thawed), np.sum(heights / np.asarray(row.conductivity_thawed)))
    np.testing.assert_allclose(
        p.resistance_upper_thawed[2], (0.01 / 0.30 + 0.04 / 0.70)
    )  # 0.20-0.25 m, material ends at 0.21
    np.testing.assert_allclose(
        jnp.sum(p.heat_capacity_thawed * d), np.sum(heights * np.asarray(row.heat_capacity_thawed))
    )
    water = (p.enthalpy_thawed - 0.01 * (p.heat_capacity_frozen + p.heat_capacity_thawed) / 2) / st.LATENT_HEAT
    np.testing.assert_allclose(jnp.sum(water * d), np.sum(heights * np.asarray(row.water_content)))
    state = st.initial_state(jnp.asarray(-8.0), jnp.asarray(-20.0), p, DESIGN)
    bottom = st.column_temperature(state, p)[-1]
    np.testing.assert_allclose(bottom, -8 + 0.05 * (jnp.sum(resistance) - p.resistance_lower_frozen[-1]), rtol=1e-12)


# --- analytic truth: cases 1, 2, 3 ------------------------------------------------------------------------------------

FINE = tuple(
    np.round(np.concatenate([np.arange(0, 5, 0.01), np.arange(5, 10, 0.1), np.arange(10, 31, 1.0)]), 8).tolist()
)


@pytest.mark.parametrize(
    ("edges", "days", "years", "front_limit", "temperature_limit"),
    [
        pytest.param(st.DEFAULT_EDGES, 365.25 / 120, 4, 0.05, 0.03, id="C25-b"),  # 0.032 m, 0.019 K
        pytest.param(st.FINE_EDGES, 365.25 / 120, 4, 0.05, 0.03, id="fine grid"),
        pytest.param(FINE, 0.25, 4, 0.006, 0.03, id="centimetres", marks=pytest.mark.slow),
    ],
)
def test_case_1_neumann_thaw(edges, days, years, front_limit, temperature_limit):
    design = st.ThermalDesign(layer_edges=edges)
    kt, kf, ct, cf, theta = 1.20, 2.10, 3.1, 1.7, 0.43
    row = parameters([(None, kt, kf, ct, cf, theta)], q_geo=0.0)
    lam, at, af = 0.272881, kt / ct, kf / cf
    left = kt * 8 * math.exp(-(lam**2)) / (math.sqrt(math.pi * at) * math.erf(lam)) + kf * -2.0 * math.exp(
        -(lam**2) * at / af
    ) / (math.sqrt(math.pi * af) * math.erfc(lam * math.sqrt(at / af)))
    np.testing.assert_allclose(left, 334 * theta * lam * math.sqrt(at), rtol=1e-5)
    count = round(years * 365.25 / days)
    time = np.arange(1, count + 1) * days * DAY
    temperature, front = steps_at(design, row, jnp.full(design.layers, -2.0), jnp.full(count, 8.0), days * DAY)
    exact = 2 * lam * np.sqrt(at * time)
    year = round(365.25 / days) - 1
    np.testing.assert_allclose(exact[year], 1.9075, atol=1e-3)
    assert np.abs(np.asarray(front) - exact)[count // 20 :].max() < front_limit
    z, t = np.asarray(design.centres), time[year]
    thawed = 8 * (1 - erf_solution(z / (2 * np.sqrt(at * t))) / math.erf(lam))
    far = -2 * (1 - (1 - erf_solution(z / (2 * np.sqrt(af * t)))) / math.erfc(lam * math.sqrt(at / af)))
    expected = np.where(z < exact[year], thawed, far)
    error = np.asarray(temperature[year]) - expected
    assert np.sqrt(np.mean(error**2)) < temperature_limit


@pytest.mark.parametrize(
    ("tm", "psi", "gamma"), [(-1.0, 0.18092, 1.78929), (-4.0, 0.07807, 1.21564)], ids=["narrow", "wide"]
)
@pytest.mark.parametrize(
    ("edges", "days", "limit"),
    [
        pytest.param(st.DEFAULT_EDGES, 3.04375, 0.05, id="C25-b"),  # 0.022, 0.033
        pytest.param(FINE, 0.0203, 0.001, id="fine", marks=pytest.mark.slow),
    ],
)
def test_case_2_lunardini_three_zones(edges, days, limit, tm, psi, gamma):
    design = st.ThermalDesign(layer_edges=edges)
    k, c, theta = 2.5, 2.0, 0.3
    row = parameters([(None, k, k, c, c, theta)], q_geo=0.0, delta=-tm)
    a1, a4 = k / c, k / (c + 334 * theta / abs(tm))
    count = round(60.875 / days)
    temperature, _ = steps_at(design, row, jnp.full(design.layers, 4.0), jnp.full(count, -6.0), days * DAY)
    t = count * days * DAY
    z = np.asarray(design.centres)
    x1, x = 2 * psi * math.sqrt(a1 * t), 2 * gamma * math.sqrt(a4 * t)
    s1, s4 = erf_solution(z / (2 * math.sqrt(a1 * t))), erf_solution(z / (2 * math.sqrt(a4 * t)))
    frozen = -6 + (tm + 6) * s1 / math.erf(psi)
    mushy = tm * (s4 - math.erf(gamma)) / (math.erf(psi * math.sqrt(a1 / a4)) - math.erf(gamma))
    warm = 4 - 4 * (1 - s1) / math.erfc(gamma * math.sqrt(a4 / a1))
    expected = np.where(z < x1, frozen, np.where(z < x, mushy, warm))
    error = (np.asarray(temperature[-1]) - expected)[z < 3]
    assert np.sqrt(np.mean(error**2)) < limit


@pytest.mark.parametrize(("substeps", "at_1m", "at_5m"), [(10, 0.004, 0.025), (6, 0.008, 0.04)])
def test_case_3_annual_wave_without_water(substeps, at_1m, at_5m):
    row = parameters([(None, 1.8, 1.8, 2.2, 2.2, 0.0)], q_geo=0.0)
    per_year, years = 12 * substeps, 12
    omega = 2 * math.pi / (12 * MONTH_MEGASECONDS)
    edges = np.arange(years * per_year + 1) * MONTH_MEGASECONDS / substeps
    surface = 15 * np.diff(np.sin(omega * edges)) / omega / np.diff(edges)  # exact step means of 15 cos(omega t)
    temperature, _ = steps_at(DESIGN, row, jnp.zeros(33), jnp.asarray(surface), MONTH_MEGASECONDS / substeps)
    last = np.asarray(temperature[-per_year:])
    middle = (edges[:-1] + edges[1:])[-per_year:] / 2
    turn = np.exp(-1j * omega * middle)
    wave, driven = 2 * np.mean(last * turn[:, None], axis=0), 2 * np.mean(surface[-per_year:] * turn)
    length = math.sqrt(2 * 1.8 / (2.2 * omega))
    np.testing.assert_allclose(length, 2.8668, atol=1e-4)
    # what implicit steps on these layers make of a wave: (C (1 - exp(-i omega dt))/dt + G) T = g_0 T_s, by linear algebra
    thick = np.asarray(DESIGN.thickness)
    g = 1.8 / np.concatenate([thick[:1] / 2, (thick[1:] + thick[:-1]) / 2])
    matrix = np.diag(
        2.2 * thick * (1 - np.exp(-1j * omega * MONTH_MEGASECONDS / substeps)) * substeps / MONTH_MEGASECONDS + g
    )
    matrix += np.diag(np.append(g[1:], 0.0)) - np.diag(g[1:], 1) - np.diag(g[1:], -1)
    of_scheme = np.linalg.solve(matrix, np.eye(len(g))[0] * g[0])
    # 0.95 m, the layer nearest to 1 m: 0.9961 and 0.9933; 5.5 m: 0.9777 and 0.9618; early by 0.25, 0.42 and 0.81,
    # 1.82 d: of_scheme shows that the day of the specification is not to be had at 5.5 m with six sub-steps
    for cell, limit, days in ((9, at_1m, 1.0), (24, at_5m, 1.0 if substeps == 10 else 2.0)):
        z = DESIGN.centres[cell]
        assert abs(abs(wave[cell] / driven) / math.exp(-z / length) - 1) < limit
        assert abs(-np.angle(wave[cell]) - z / length) / omega / DAY < days
        assert (
            abs(wave[cell] / driven / of_scheme[cell] - 1) < 3e-5
        )  # what twelve years leave of the start (forty: 1e-7)


# --- reference columns: cases 4, 5, 6, 10 -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def twenty_years():
    return jax.tree.map(np.asarray, run_columns(DESIGN, *five_columns(), 20))


@pytest.fixture(scope="module")
def twenty_years_single():
    return jax.tree.map(np.asarray, run_columns(DESIGN, *five_columns(jnp.float32), 20))


@pytest.fixture(scope="module")
def reference(shared_data):
    return json.loads((shared_data / "soil_thermal" / "reference_columns.json").read_text())["cases"]


def test_case_4_energy(twenty_years, twenty_years_single):
    for (_, (out, _, _)), limit in ((twenty_years, 1e-8), (twenty_years_single, 0.5)):
        residual = np.asarray(out.energy_residual, np.float64).sum((1, 2))
        assert np.abs(residual).max() < limit
    assert twenty_years[1][0].inconsistent_steps.sum() == 0


def test_case_4_energy_from_the_states(twenty_years):
    rows, temperature, _, t0 = five_columns()
    state, (out, _, _) = twenty_years
    d = np.asarray(DESIGN.thickness)
    start = jax.vmap(
        lambda row, a, t: linear_start(t, row.geothermal_heat_flux, a[11], st.properties(row, DESIGN), DESIGN).enthalpy
    )(rows, temperature, t0)
    gained = ((state.enthalpy - np.asarray(start)) * d).sum(1)
    through = MONTH_MEGASECONDS * (out.surface_heat_flux + np.asarray(rows.geothermal_heat_flux)[:, None, None]).sum(
        (1, 2)
    )
    np.testing.assert_allclose(gained, through, atol=1e-8)


def test_case_5_active_layers_of_the_five_columns(twenty_years):
    _, (_, active, _) = twenty_years
    np.testing.assert_allclose(active[:, -1], [c[7] for c in COLUMNS.values()], atol=0.03)
    # a second implementation of the same scheme
    np.testing.assert_allclose(active[:, -1], [0.815, 0.862, 1.256, 0.100, 2.058], atol=6e-4)


def test_case_5_temperatures_of_the_five_columns(twenty_years, reference):
    _, (out, active, _) = twenty_years
    errors = {"ALT": [], "T10": [], "T20": [], "T25": []}
    for i, name in enumerate(COLUMNS):
        truth = reference[name]
        depths = np.array(truth["T_depths_last_year"])
        errors["ALT"].append(active[i, 2:] - truth["ALT"][2:])
        errors["T10"].append(out.temperature_10cm[i, -1] - depths[:, 1])
        errors["T20"].append(out.temperature_20cm[i, -1] - depths[:, 2])
        errors["T25"].append(out.temperature[i, -1, :, :25] - truth["T_layers_last_year"])
    rmse = {name: float(np.sqrt(np.mean(np.square(error)))) for name, error in errors.items()}
    assert np.abs(errors["ALT"]).max() < 0.03  # 0.022
    assert rmse["T10"] < 0.35 and rmse["T20"] < 0.35 and rmse["T25"] < 0.30  # 0.25, 0.25, 0.22
    assert np.abs(errors["T25"]).max() < 2.0  # 1.3


def test_case_5_fast_numerics_are_no_less_right(reference):
    """Every error is smaller than that of the default design, with five steps a month in place of six."""
    _, (out, active, _) = jax.tree.map(np.asarray, run_columns(FAST, *five_columns(substeps=5), 20))
    for i, name in enumerate(COLUMNS):
        assert np.abs(active[i, 2:] - reference[name]["ALT"][2:]).max() < 0.02  # 0.016; default 0.022
    layers = [out.temperature[i, -1, :, :25] - reference[name]["T_layers_last_year"] for i, name in enumerate(COLUMNS)]
    at_10cm = [
        out.temperature_10cm[i, -1] - np.array(reference[name]["T_depths_last_year"])[:, 1]
        for i, name in enumerate(COLUMNS)
    ]
    assert np.sqrt(np.mean(np.square(layers))) < 0.22 and np.abs(layers).max() < 1.2  # 0.214, 1.09; default 0.225, 1.27
    assert np.sqrt(np.mean(np.square(at_10cm))) < 0.24  # 0.235; default 0.245
    residual = out.energy_residual.sum((1, 2))
    assert np.abs(residual).max() < 1e-8


def test_case_6_warming_columns(reference):
    names = ["toolik", "warmqtp"]
    chosen = [list(COLUMNS).index(name) for name in names]
    rows, temperature, snow, start = jax.tree.map(lambda x: x[jnp.asarray(chosen)], five_columns())
    _, (out, active, _) = run_columns(DESIGN, rows, temperature, snow, start, 60, jnp.asarray([0.1, 0.03]))
    toolik, qtp = reference["toolik_warm"], reference["warmqtp40"]

    def rmse(i, truth):
        return np.sqrt(np.mean((np.asarray(out.temperature[i, -1, :, :25]) - truth["T_layers_last_year"]) ** 2))

    assert np.abs(np.asarray(active[0]) - toolik["ALT"])[2:].max() < 0.07  # 0.048
    assert rmse(0, toolik) < 0.6  # 0.50
    assert abs(float(active[1, -1]) - qtp["ALT"][-1]) < 1.0
    assert rmse(1, qtp) < 0.25  # 0.19


def test_case_10_single_precision(twenty_years, twenty_years_single):
    (_, (double, deep, _)), (_, (single, deep_single, _)) = twenty_years, twenty_years_single
    assert single.temperature.dtype == np.float32
    assert np.abs(deep - deep_single).max() < 2e-4  # m
    assert np.abs(double.temperature - single.temperature).max() < 0.002


# --- case 7: random columns -------------------------------------------------------------------------------------------


def random_columns(count, dtype, seed=7):
    rows, mean, amplitude, snow = random_rows(count, seed)
    temperature = np.stack([air(m, a) for m, a in zip(mean, amplitude, strict=True)])
    swe = np.stack([snow_in_substeps(month_end_snow(s), 6) for s in snow])
    rows = st.SoilThermalParameters(**{name: jnp.asarray(value, dtype) for name, value in rows.items()})
    return rows, jnp.asarray(temperature, dtype), jnp.asarray(swe, dtype), jnp.asarray(mean, dtype)


def test_case_7_random_columns():
    columns = random_columns(256, jnp.float32)
    _, (out, active, _) = run_columns(DESIGN, *columns, 15)
    _, (_, exact, _) = run_columns(st.ThermalDesign(sweeps="dr" * 6 + "dd"), *columns, 15)
    assert all(bool(jnp.all(jnp.isfinite(x))) for x in jax.tree.leaves(out))
    assert float(out.inconsistent_steps.sum()) / (256 * 15 * 72) < 1e-3  # 1.6e-4 in the specification
    rows, temperature, _swe, mean = columns
    props = jax.vmap(lambda row: st.properties(row, DESIGN))(rows)
    reach = jnp.sum(props.resistance_upper_thawed + props.resistance_lower_thawed, 1)
    reach = jnp.maximum(reach, jnp.sum(props.resistance_upper_frozen + props.resistance_lower_frozen, 1))
    neighbours = (jnp.roll(temperature, 1, 1), temperature, jnp.roll(temperature, -1, 1))
    steps = st.interpolate_air_temperature(*neighbours, 6)
    lowest, highest = jnp.minimum(jnp.min(steps, (0, 2)), 0.0), jnp.max(steps, (0, 2))  # snow holds warm air at 0
    warmest = jnp.maximum(highest, mean + 0.09 * 60.5 / 1.8) + rows.geothermal_heat_flux * reach
    coldest = jnp.minimum(lowest, mean)
    assert bool(jnp.all(out.temperature >= coldest[:, None, None, None] - 1.0))
    assert bool(jnp.all(out.temperature <= warmest[:, None, None, None] + 1.0))
    difference = np.sort(np.abs(np.asarray(active - exact)[:, 1:]).ravel())
    assert difference[int(0.99 * difference.size)] < 0.005


def test_case_7_random_columns_with_fast_numerics_settle():
    rows, temperature, _, mean = random_columns(256, jnp.float32)
    swe = np.stack([snow_in_substeps(month_end_snow(s), 5) for s in random_rows(256, 7)[3]])
    _, (out, active, _) = run_columns(FAST, rows, temperature, jnp.asarray(swe, jnp.float32), mean, 15)
    many = dataclasses.replace(FAST, sweeps="dr" * 6 + "dd", front_depth=math.inf)
    _, (_, exact, _) = run_columns(many, rows, temperature, jnp.asarray(swe, jnp.float32), mean, 15)
    assert all(bool(jnp.all(jnp.isfinite(x))) for x in jax.tree.leaves(out))
    assert float(out.inconsistent_steps.sum()) / (256 * 15 * 60) < 1.5e-3  # 8e-4; default 1e-5
    difference = np.sort(np.abs(np.asarray(active - exact)[:, 1:]).ravel())
    assert difference[int(0.99 * difference.size)] < 0.005


# --- spin-up and invariants: cases 11, 12, 13 -------------------------------------------------------------------------


def accelerated_spinup(design, row, temperature, snow, years, memory=5):
    """Deep resets after years 3, 6, 10, then Anderson steps (docs/model.md#h12); one column."""
    props = st.properties(row, design)
    state = st.initial_state(jnp.mean(temperature), temperature[11], props, design)
    weights = jnp.sqrt(jnp.asarray(design.thickness, temperature.dtype))

    def in_kelvin(h):
        return st.temperature_from_enthalpy(
            h, props.heat_capacity_frozen, props.heat_capacity_thawed, props.enthalpy_thawed, props.freezing_interval
        )

    def step(carry, year):
        state, history_h, history_r = carry
        new, (out, active, _) = one_year(design, state, temperature, temperature[0], snow, props)
        annual = jnp.mean(out.temperature, 0)
        resets = (year == 3) | (year == 6) | (year == 10)
        fresh = st.reset_deep_profile(new, annual, props, design).enthalpy
        h, r = state.enthalpy, new.enthalpy - state.enthalpy
        filled = jnp.maximum(year - 11, 0)
        faster = anderson_step(history_h, history_r, filled, h, r, weights=weights, measure=in_kelvin, largest_move=5.0)
        enthalpy = jnp.where(resets, fresh, jnp.where(year > 10, faster, new.enthalpy))
        new = st.ThermalState(
            enthalpy,
            new.snow,
            new.maximum_thawed_fraction,
            new.maximum_unfrozen_thickness,
            new.previous_air_temperature,
        )
        return (new, push(history_h, h), push(history_r, r)), (annual, active)

    empty = jnp.zeros((memory, design.layers), temperature.dtype)
    _, outputs = jax.lax.scan(step, (state, empty, empty), jnp.arange(1, years + 1))
    return outputs


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [jnp.float64, jnp.float32])
def test_cases_11_and_13_spinup(dtype):
    design = st.ThermalDesign(substeps=10)
    rows, temperature, snow, _ = jax.tree.map(lambda x: x[:4], five_columns(dtype, substeps=10))
    spin = jax.jit(jax.vmap(partial(accelerated_spinup, design, years=60)))
    annual, active = spin(rows, temperature, snow)
    np.testing.assert_allclose(active[:, -1], [0.809, 0.845, 1.240, 0.100], atol=0.01)
    np.testing.assert_allclose(annual[:, -1, 25], [-6.17, -5.38, -3.44, -8.81], atol=0.03)

    def plain(row, temperature, snow):
        props = st.properties(row, design)
        state = st.initial_state(jnp.mean(temperature), temperature[11], props, design)

        def year(state, _):
            state, (out, _, _) = one_year(design, state, temperature, temperature[0], snow, props)
            return state, jnp.mean(out.temperature, 0)

        return jax.lax.scan(year, state, length=400)[1][-1]

    long = jax.jit(jax.vmap(plain))(rows, temperature, snow)
    assert np.abs(np.asarray(long) - np.asarray(annual)[:, -1]).max() < 0.02


def test_anderson_solves_a_stiff_linear_map():
    rates = jnp.asarray([0.999, 0.99, 0.9, 0.5, 0.0])
    for dtype, limit in ((jnp.float64, 1e-6), (jnp.float32, 1e-2)):
        r, target = rates.astype(dtype), jnp.arange(1.0, 6.0, dtype=dtype)
        x = jnp.zeros(5, dtype)
        history_x = history_r = jnp.zeros((5, 5), dtype)
        for k in range(10):
            residual = r * (x - target) + target - x
            filled = jnp.asarray(min(k, 5))
            new = anderson_step(history_x, history_r, filled, x, residual, weights=jnp.ones(5, dtype))
            history_x, history_r, x = push(history_x, x), push(history_r, residual), new
        assert float(jnp.max(jnp.abs(x - target))) < limit
        residual = jnp.asarray(residual)
        held = anderson_step(
            history_x, history_r, jnp.asarray(5), x + 1, residual + 1, weights=jnp.ones(5, dtype), largest_move=0.0
        )
        np.testing.assert_allclose(held, x + 1 + residual + 1)


@pytest.mark.parametrize("target", [10.0, -10.0])
def test_anderson_leaps_no_further_than_asked(target):
    """Of two iterates of a line the leap is to its end; where that is too far from the plain step, the plain step is taken."""
    first, second = jnp.zeros(1), jnp.full(1, 0.1 * target)
    residuals = [0.1 * (target - x) for x in (first, second)]
    plain = second + residuals[1]
    for room, expected in ((1.01, target), (0.99, float(plain[0]))):
        found = anderson_step(
            jnp.stack([first, jnp.full(1, 7.0)]), jnp.stack([residuals[0], jnp.full(1, 3.0)]), jnp.asarray(1), second,
            residuals[1], weights=jnp.ones(1), largest_move=room * abs(target - float(plain[0])),
        )  # fmt: skip
        np.testing.assert_allclose(found, [expected], rtol=1e-12)  # rounding of a line through two points
    far = anderson_step(
        first[None], residuals[0][None], jnp.asarray(1), second, residuals[1], weights=jnp.ones(1),
        measure=lambda x: 100.0 * x, largest_move=50.0 * abs(target - float(plain[0])),
    )  # fmt: skip
    np.testing.assert_allclose(far, plain, rtol=1e-12)


@pytest.mark.parametrize(("mean", "kind"), [(-4.0, "frozen"), (0.0, "thawed"), (3.0, "thawed")])
def test_the_deep_profile_is_reset_to_the_heat_flux_from_below(mean, kind):
    """Below the layer at 2 m each is warmer than the one above by the flux times the halves of resistance between them (H12)."""
    rows = jax.tree.map(lambda x: x[0], five_columns()[0])
    ground = st.properties(rows, DESIGN)
    start = st.initial_state(jnp.asarray(-1.0), jnp.asarray(-20.0), ground, DESIGN)
    annual = jnp.full(DESIGN.layers, mean)
    state = st.reset_deep_profile(start, annual, ground, DESIGN, depth=2.0)
    found = st.column_temperature(state, ground)
    last = next(i for i, edge in enumerate(DESIGN.layer_edges[1:]) if edge > 2.0)
    np.testing.assert_array_equal(state.enthalpy[: last + 1], start.enthalpy[: last + 1])
    lower, upper = (getattr(ground, f"resistance_{side}_{kind}") for side in ("lower", "upper"))
    expected = mean + ground.geothermal_heat_flux * np.cumsum(np.asarray(lower[last:-1] + upper[last + 1 :]))
    np.testing.assert_allclose(found[last + 1 :], expected, rtol=1e-11)  # rounding; 2e-13 near 0 degC


def test_case_12_more_snow_is_warmer_and_steady_profile():
    rows, temperature, snow, start = jax.tree.map(lambda x: x[:2], five_columns())
    _, (out, _, _) = run_columns(DESIGN, rows, temperature, snow, start, 20)
    _, (deeper, _, _) = run_columns(DESIGN, rows, temperature, 1.5 * snow, start, 20)

    def mean(o):
        return np.asarray(o.temperature)[:, -1].mean(1)[:, :20]

    assert np.all(mean(deeper) > mean(out) + 0.1)

    row = parameters(ROWS["wet tundra"])
    props = st.properties(row, DESIGN)
    constant, zero = jnp.full(12, -6.0), jnp.zeros(12)
    state = st.initial_state(jnp.asarray(-6.0), jnp.asarray(-6.0), props, DESIGN)
    steady = st.column_temperature(state, props)
    later, _ = simulate(DESIGN, state, constant, zero, props, 5)
    np.testing.assert_allclose(st.column_temperature(later, props), steady, atol=1e-3)
    reset = st.reset_deep_profile(state, steady + 1.0, props, DESIGN)
    moved = np.asarray(st.column_temperature(reset, props) - steady)
    first = next(i for i, edge in enumerate(DESIGN.layer_edges) if edge > 3.25)
    np.testing.assert_allclose(moved[first:], 1.0, atol=1e-9)
    np.testing.assert_allclose(moved[:first], 0.0, atol=1e-12)


def test_case_12_batches_agree():
    columns = random_columns(8, jnp.float32, seed=3)
    _, (many, active, _) = run_columns(DESIGN, *columns, 2)
    order = jnp.asarray([3, 1, 7, 0, 2, 6, 5, 4])
    _, (_, permuted, _) = run_columns(DESIGN, *jax.tree.map(lambda x: x[order], columns), 2)
    np.testing.assert_array_equal(permuted, active[order])
    _, (one, active_one, _) = run_columns(DESIGN, *jax.tree.map(lambda x: x[:1], columns), 2)
    np.testing.assert_allclose(active_one[0], active[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(one.temperature[0], many.temperature[0], atol=1e-4)


def test_case_14_one_trace_for_months_and_years():
    traces = []
    row = parameters(ROWS["boreal"])
    props = st.properties(row, DESIGN)

    @jax.jit
    def month(state, a, b, snowfall):
        traces.append(1)
        return st.month(state, a, b, snowfall, props, cover=snow.cover, design=DESIGN)[0]

    state = st.initial_state(jnp.asarray(-5.0), jnp.asarray(-20.0), props, DESIGN)
    temperature = jnp.asarray(air(-5.0, 18.0))
    for m in MONTHS:
        state = month(state, temperature[m], temperature[(m + 1) % 12], jnp.asarray(10.0))
    assert len(traces) == 1
    assert "callback" not in month.lower(state, temperature[0], temperature[1], temperature[2]).as_text()
    # the month of one bare column equals the sub-steps it is made of
    start = st.initial_state(jnp.asarray(-5.0), jnp.asarray(-20.0), props, DESIGN)
    whole = jax.jit(partial(st.month, cover=snow.cover, design=DESIGN))
    new, out = whole(start, temperature[5], temperature[6], jnp.asarray(0.0), props)
    one_step = jax.jit(
        lambda h, surface: st.sub_step(h, surface, jnp.zeros_like(surface), props, MONTH_MEGASECONDS / 6, DESIGN)
    )
    h, mean = start.enthalpy, 0.0
    for surface in st.interpolate_air_temperature(jnp.asarray(-20.0), temperature[5], temperature[6], 6):
        h, temperature_of_step, _ = one_step(h, surface)
        mean = mean + temperature_of_step / 6
    np.testing.assert_allclose(new.enthalpy, h, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(out.temperature, mean, rtol=1e-10, atol=1e-12)


def test_rows_stack():
    rows = stack([parameters(ROWS["boreal"]), parameters(ROWS["qtp"])])
    assert rows.layer_thickness.shape == (2, 2) and rows.snow_density.shape == (2,)
