"""Derivatives of soil heat: cases 8 and 9, finiteness at extremes, every way of differentiating and batching."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from soil_heat_columns import COLUMNS, FAST, ROWS, air, one_year, parameters, stack

from gradient_cases import OF_GROUND_OPTIONS, OF_SURFACE
from jtem.physics import snow
from jtem.physics import soil_heat as st

DESIGN = st.ThermalDesign()
YEARS = 10
OUTPUTS = ("active layer", "annual mean at 1 m", "July at 10 cm")


def columns():
    """The five columns with degree-day snow, layer boundaries off the faces of the layers: (5, parameters) and
    climate."""
    rows = []
    for name, (_, _, row, _, rho, _, q, _) in COLUMNS.items():
        first, second, third = ROWS[row]
        layers = [(first[0] + 0.013, *first[1:]), (second[0] + 0.017, *second[1:]), third]
        thaw, freeze = (1.03, 0.97) if name != "polar" else (1.4, 0.95)
        rows.append(parameters(layers, rho, q, surface_factor_thaw=thaw, surface_factor_freeze=freeze))
    temperature = jnp.asarray(np.stack([air(c[0], c[1]) for c in COLUMNS.values()]))
    snowfall = jnp.where(temperature < -1, jnp.asarray([c[3] for c in COLUMNS.values()])[:, None] / 7, 0.0)
    return stack(rows), temperature, snowfall


ROWS_, TEMPERATURE, SNOWFALL = columns()
_, UNRAVEL = ravel_pytree(jax.tree.map(lambda x: x[0], ROWS_))
VECTORS = jax.vmap(lambda row: ravel_pytree(row)[0])(ROWS_)
NAMES = [
    jax.tree_util.keystr(path) + (f"[{k}]" if leaf.ndim > 1 else "")
    for path, leaf in jax.tree_util.tree_leaves_with_path(ROWS_)
    for k in range(leaf[0].size)
]


def outputs(design, vector, temperature, snowfall):
    """Active layer, annual mean at 1 m and July 10 cm temperature in the last year, of one column."""
    props = st.properties(UNRAVEL(vector), design)
    state = st.initial_state(jnp.mean(temperature), temperature[11], props, design)

    def year(state, _):
        state, (out, active, _) = one_year(design, state, temperature, temperature[0], snowfall, props)
        at_1m = st.layer_temperature_at(jnp.mean(out.temperature, 0), 1.0, design)
        return state, jnp.stack([active, at_1m, out.temperature_10cm[6]])

    return jax.lax.scan(jax.checkpoint(year, policy=st.KEEP_PHASES), state, length=YEARS)[1][-1]


@pytest.fixture(scope="module")
def forward():
    return jax.jit(jax.vmap(partial(outputs, DESIGN)))


@pytest.fixture(scope="module")
def jacobian():
    return jacobian_of(DESIGN)


def jacobian_of(design):
    """Reverse mode, one output at a time: vectors (n, p) -> values (n, 3), derivatives of parameters and air (3, n,
    ...)."""

    @jax.jit
    def pull(cotangent, vectors, temperature, snowfall):
        def f(v, t):
            return jax.vmap(partial(outputs, design))(v, t, snowfall)

        value, back = jax.vjp(f, vectors, temperature)
        return value, back(jnp.broadcast_to(cotangent, value.shape))

    def all_outputs(vectors, temperature, snowfall):
        results = [pull(row, vectors, temperature, snowfall) for row in jnp.eye(3)]
        return results[0][0], np.stack([r[1][0] for r in results]), np.stack([r[1][1] for r in results])

    return all_outputs


@pytest.fixture(scope="module")
def derivatives(jacobian):
    return jacobian(VECTORS, TEMPERATURE, SNOWFALL)


def shifted(forward, relative):
    """Outputs with every parameter of every column shifted by the relative steps: (step, column, parameter, output)."""
    count = VECTORS.shape[1]
    move = 1.0 + jnp.asarray(relative)[:, None, None, None] * jnp.eye(count)[None, None]
    vectors = VECTORS[None, :, None, :] * move
    shape = vectors.shape[:3]

    def spread(x):
        return jnp.broadcast_to(x[None, :, None, :], (*shape, x.shape[-1])).reshape(-1, x.shape[-1])

    result = forward(vectors.reshape(-1, count), spread(TEMPERATURE), spread(SNOWFALL))
    return np.asarray(result).reshape(*shape, 3)


@pytest.fixture(scope="module")
def fast():
    """Forward run and derivatives of fast numerics."""
    return jax.jit(jax.vmap(partial(outputs, FAST))), jacobian_of(FAST)(VECTORS, TEMPERATURE, SNOWFALL)


def test_fast_numerics_have_the_derivatives_of_cases_8_and_9(fast):
    equal_central_differences(*fast, step=1e-7)  # the active layer of warmqtp has a kink within 1e-6
    near_the_slope(*fast, share=0.9)  # 0.916: rougher than the standard numerics, which fits should take


def test_case_8_reverse_mode_equals_central_differences(forward, derivatives):
    equal_central_differences(forward, derivatives, step=1e-6)


def equal_central_differences(forward, derivatives, step):
    down, up = shifted(forward, [-step, step])
    difference = (up - down) / (2 * step * np.asarray(VECTORS)[:, :, None])
    _, exact, exact_air = derivatives
    exact = np.moveaxis(exact, 0, -1)
    assert np.all(np.isfinite(exact)) and np.all(np.isfinite(exact_air))
    rounding = 2e-13 / (step * np.abs(np.asarray(VECTORS)))[:, :, None]
    error = np.abs(exact - difference)
    excess = error - 1e-4 * np.abs(difference) - rounding - np.where(np.abs(difference) > 1e-3, 0.0, 1e-6)
    worst = np.unravel_index(excess.argmax(), excess.shape)
    place = (NAMES[worst[1]], list(COLUMNS)[worst[0]], OUTPUTS[worst[2]])
    assert excess[worst] < 0, (place, exact[worst], difference[worst])
    # every parameter is alive in some column and output; the melt factor and half cover too, with degree-day snow
    dead = {name.split("[")[0][1:] for j, name in enumerate(NAMES) if not np.any(np.abs(exact[:, j]) > 1e-9)}
    assert dead == {*OF_GROUND_OPTIONS, *OF_SURFACE}  # off here; tests of the options try them


def test_case_9_derivative_equals_the_slope_over_one_percent(forward, derivatives):
    near_the_slope(forward, derivatives, share=0.95)


def near_the_slope(forward, derivatives, share):
    steps = np.linspace(-0.01, 0.01, 9)
    curve = shifted(forward, steps)
    slope = np.tensordot(steps, curve, (0, 0)) / np.sum(steps**2) / np.asarray(VECTORS)[:, :, None]
    exact = np.moveaxis(derivatives[1], 0, -1)
    trained = np.array([".freezing_interval" not in name for name in NAMES])
    relevant = (np.abs(slope * np.asarray(VECTORS)[:, :, None]) > 1e-2) & trained[None, :, None]
    ratio = (exact / np.where(relevant, slope, 1.0))[relevant]
    assert relevant.sum() > 60
    assert np.mean((ratio > 0.8) & (ratio < 1.25)) >= share
    assert abs(np.median(ratio) - 1) < 0.02


@pytest.mark.parametrize("extreme", ["no snow", "no organic layer", "hardly any water", "12 K warmer", "20 K colder"])
def test_finite_at_extremes(jacobian, extreme):
    rows, temperature, snowfall = ROWS_, TEMPERATURE, SNOWFALL
    if extreme == "no snow":
        snowfall = jnp.zeros_like(snowfall)
    elif extreme == "no organic layer":
        rows = jax.tree_util.tree_map(lambda x: x, rows)
        object.__setattr__(rows, "layer_thickness", rows.layer_thickness.at[:, 0].set(0.0))
    elif extreme == "hardly any water":
        rows = jax.tree_util.tree_map(lambda x: x, rows)
        object.__setattr__(rows, "water_content", rows.water_content * 0.001)
    else:
        temperature = temperature + (12.0 if "warmer" in extreme else -20.0)
    vectors = jax.vmap(lambda row: ravel_pytree(row)[0])(rows)
    for values in jacobian(vectors, temperature, snowfall):
        assert np.all(np.isfinite(values))
        assert np.abs(values).max() < 1e5


@pytest.mark.slow
def test_float32_gradient_is_close(derivatives):
    def single(x):
        return x.astype(jnp.float32)

    _, unravel = ravel_pytree(jax.tree.map(lambda x: single(x[0]), ROWS_))
    design = DESIGN

    def total(vectors):
        def one(vector, temperature, snowfall):
            props = st.properties(unravel(vector), design)
            state = st.initial_state(jnp.mean(temperature), temperature[11], props, design)

            def year(state, _):
                state, (out, _, _) = one_year(design, state, temperature, temperature[0], snowfall, props)
                return state, st.layer_temperature_at(jnp.mean(out.temperature, 0), 1.0, design)

            return jax.lax.scan(year, state, length=YEARS)[1][-1]

        return jnp.sum(jax.vmap(one)(vectors, single(TEMPERATURE), single(SNOWFALL)))

    gradient = jax.jit(jax.grad(total))(single(VECTORS))
    assert gradient.dtype == jnp.float32
    exact = derivatives[1][1]
    assert np.abs(np.asarray(gradient) - exact).max() < 2e-3 * np.abs(exact).max()


# --- every way through one month --------------------------------------------------------------------------------------


SHORT = st.ThermalDesign(substeps=2, sweeps="dr")
PLAIN = st.ThermalDesign(substeps=2, sweeps="dr", batched=False, checkpoint=False)


def month_sum(design, conductivity, enthalpy):
    row = parameters(ROWS["wet tundra"], 280.0, 0.05)
    p = st.properties(row, design)
    p = jax.tree.map(lambda x: x, p)
    object.__setattr__(p, "resistance_upper_thawed", p.resistance_upper_thawed * conductivity)
    state = st.initial_state(jnp.asarray(-6.0), jnp.asarray(-18.0), p, design)
    object.__setattr__(state, "enthalpy", state.enthalpy + enthalpy)
    state, out = st.month(
        state, jnp.asarray(9.0), jnp.asarray(10.0), jnp.asarray(5.0), p, cover=snow.cover, design=design
    )
    return jnp.sum(out.temperature) + 0.01 * jnp.sum(state.enthalpy)


@pytest.fixture(scope="module")
def month_inputs():
    return jnp.linspace(0.8, 1.2, 4), jnp.linspace(0.0, 3.0, 4)


@pytest.mark.slow
def test_all_derivatives_of_a_month_agree(month_inputs):
    k, h = month_inputs
    plain = partial(month_sum, PLAIN)
    quick = partial(month_sum, SHORT)
    expected = jax.jit(jax.vmap(jax.grad(plain, argnums=(0, 1))))(k, h)

    def batched(k, h):
        return jnp.sum(jax.vmap(quick)(k, h))

    ways = {
        "grad of the batch": jax.grad(batched, argnums=(0, 1)),
        "grad before vmap": jax.vmap(jax.grad(quick, argnums=(0, 1))),
        "jacfwd": lambda k, h: tuple(map(jnp.diagonal, jax.jacfwd(jax.vmap(quick), argnums=(0, 1))(k, h))),
        "jacrev": lambda k, h: tuple(map(jnp.diagonal, jax.jacrev(jax.vmap(quick), argnums=(0, 1))(k, h))),
    }
    for name, way in ways.items():
        for got, want in zip(jax.jit(way)(k, h), expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-10, err_msg=name)
    one = jax.jit(jax.grad(quick))(k[0], h[0])  # a bare cell
    np.testing.assert_allclose(one, expected[0][0], rtol=1e-9)
    _, along = jax.jit(lambda k, h: jax.jvp(batched, (k, h), (jnp.ones_like(k), jnp.zeros_like(h))))(k, h)
    np.testing.assert_allclose(along, jnp.sum(expected[0]), rtol=1e-9)


@pytest.mark.slow
def test_nested_vmap_and_hessian_vector_product(month_inputs):
    k, h = month_inputs
    quick, plain = partial(month_sum, SHORT), partial(month_sum, PLAIN)

    def table(f):
        return jax.jit(jax.vmap(jax.vmap(f, (None, 0)), (0, None)))(k, h)

    np.testing.assert_allclose(table(quick), table(plain), rtol=1e-12)

    def batched(k):
        return jnp.sum(jax.vmap(quick)(k, h))

    product = jax.jit(lambda k: jax.jvp(jax.grad(batched), (k,), (jnp.ones_like(k),))[1])(k)
    step = 1e-5
    difference = (jax.jit(jax.grad(batched))(k + step) - jax.jit(jax.grad(batched))(k - step)) / (2 * step)
    np.testing.assert_allclose(product, difference, rtol=1e-5, atol=1e-6)
