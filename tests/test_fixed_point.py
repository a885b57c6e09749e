"""Fixed points by leaps of the linearised map: known answers, stability, rest, failure, derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jtem.numerics import fixed_point

LOW = jnp.full((3,), -1e9)


def linear(rates):
    """Pools in a chain: each loses a share a year to the next; constant input to the first. Slow: up to 1,000 years."""
    k = jnp.asarray(rates)

    def step(x, gain=1.0):
        lost = k * x
        return x - lost + jnp.concatenate([jnp.asarray([gain]) * 1.0, 0.5 * lost[:-1]])

    return step, np.cumprod([1.0, 0.5, 0.5]) / np.asarray(rates)


def test_linear_pools_reach_their_known_equilibrium():
    step, expected = linear([0.5, 0.02, 0.001])
    end = fixed_point.solve(step, jnp.ones(3), lowest=LOW, iterations=20, tolerance=1e-6, largest_move=1e9)
    assert bool(end.converged) and bool(end.finite)
    np.testing.assert_allclose(end.x, expected, rtol=1e-10)
    assert int(end.iterations) < 12


def test_geometric_sum_equals_its_terms():
    jacobian = jnp.asarray(np.random.default_rng(0).normal(size=(4, 4)) * 0.4)
    total, power = fixed_point.geometric_sum(jacobian, 3)
    terms = [np.linalg.matrix_power(np.asarray(jacobian), n) for n in range(9)]
    np.testing.assert_allclose(total, sum(terms[:8]), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(power, terms[8], rtol=1e-12, atol=1e-12)


def search(function, x, iterations=60, **more):
    lowest = jnp.full((len(x),), -1e9)
    return fixed_point.solve(function, jnp.asarray(x), lowest=lowest, iterations=iterations, **more)


def half_way(x):
    return x + 0.5 * (10.0 - x)


def test_a_search_takes_the_leaps_it_says():
    """Of 0.15 of the way (1.5 of 10) and then one application; leaps of 2^6, 2^8 to 2^14; one where it begins at the end."""
    one = search(half_way, [0.0], iterations=1)
    assert float(one.x[0]) == 1.5 + 0.5 * 8.5 and float(one.distance) == 10.0 and not bool(one.converged)
    whole = search(half_way, [0.0])
    assert (int(whole.iterations), float(whole.x[0]), bool(whole.converged)) == (5, 10.0, True)
    assert int(search(half_way, [10.0], first_leap=fixed_point.LONG_LEAP).iterations) == 1
    assert int(search(half_way, [10.0], first_leap=fixed_point.LONG_LEAP - 1).iterations) == 2


def test_a_leap_that_ends_half_as_far_off_as_it_began_is_followed_by_a_longer_one():
    """Residual 5, expected 4.25, found 1.75: off by just half of 5. The next leap is of 2^8 and no longer of 2^4."""
    found = search(lambda x: x + 0.5 * jnp.where(x < 3.0, 10.0 - x, 9.25 - x), [0.0], iterations=2, tolerance=0.0)
    assert float(found.distance) == 3.5


def test_leaps_shrink_where_the_linear_map_misleads():
    """Iterations that two bent maps take; computed once."""
    for function, start, count in (
        (lambda x: x + 0.3 * jnp.tanh(5.0 * (1.0 - x)), [-4.0], 7),
        (lambda x: jnp.stack([x[0] + 0.2 * (jnp.exp(-x[0]) - x[0] * x[1]), x[1] + 0.001 * (x[0] - x[1] ** 2)]), [3.0, 0.2], 15),
    ):  # fmt: skip
        found = search(function, start)
        assert bool(found.converged) and int(found.iterations) == count
        np.testing.assert_allclose(function(found.x), found.x, rtol=1e-9)


@pytest.mark.parametrize(("start", "end"), [(0.4, 0.0), (0.6, 1.0)])
def test_the_stable_fixed_point_of_the_own_basin_is_found(start, end):
    """x = 0.5 repels, 0 and 1 attract: Newton's method alone would stop anywhere."""

    def step(x):
        return x + 0.05 * x * (1.0 - x) * (x - 0.5)

    found = fixed_point.solve(
        step, jnp.asarray([start]), lowest=jnp.asarray([-1e9]), iterations=40, tolerance=1e-8, largest_move=0.2
    )
    assert bool(found.converged)
    assert float(found.x[0]) == pytest.approx(end, abs=1e-9)


def test_components_that_rest_stay_where_they_are():
    found = fixed_point.solve(
        lambda x: jnp.stack([0.9 * x[0] + 1.0, x[1]]), jnp.asarray([0.0, 7.0]), lowest=LOW[:2], iterations=20,
        largest_move=1e9,
    )  # fmt: skip
    assert bool(found.converged)
    np.testing.assert_allclose(found.x, [10.0, 7.0], rtol=1e-12)


def test_problems_in_a_batch_do_not_touch_each_other():
    """One drifts forever, one is not a number, one converges: same answer as alone."""

    def step(x, drift, broken):
        return jnp.where(broken, jnp.nan, 0.99 * x + 1.0) + drift

    def solve(x, slope, drift, broken):
        return fixed_point.solve(
            lambda y: step(slope * y, drift, broken), x, lowest=jnp.asarray([-1e9]), iterations=15, largest_move=1e9
        )

    x, slope = jnp.zeros((3, 1)), jnp.asarray([1.0, 1.0, 1.0 / 0.99])
    drift, broken = jnp.asarray([0.0, 0.0, 1.0]), jnp.asarray([False, True, False])
    together = jax.vmap(solve)(x, slope, drift, broken)
    assert together.converged.tolist() == [True, False, False]
    assert together.finite.tolist() == [True, False, True]
    alone = jax.vmap(solve)(x[:1], slope[:1], drift[:1], broken[:1])
    np.testing.assert_allclose(alone.x[0], together.x[0], rtol=1e-14)
    np.testing.assert_allclose(together.x[0], [100.0], rtol=1e-10)


def test_implicit_derivative_in_both_modes_and_against_unrolling():
    step, _ = linear([0.5, 0.02, 0.01])

    def system(x, theta):
        return step(x, theta[0]) * jnp.asarray([1.0, 1.0, 1.0]) - theta[1] * x**2 * 1e-3

    def equilibrium(theta):
        held = jax.lax.stop_gradient(theta)
        end = fixed_point.solve(
            lambda x: system(x, held), jnp.ones(3), lowest=LOW, iterations=30, tolerance=1e-10, largest_move=1e9
        )
        return fixed_point.implicit(system, end.x, theta, end.converged)

    def unrolled(theta):
        return jax.lax.fori_loop(0, 4000, lambda _, x: system(x, theta), jnp.ones(3))

    theta = jnp.asarray([1.3, 0.2])
    np.testing.assert_allclose(equilibrium(theta), unrolled(theta), rtol=1e-10)
    forward, reverse = jax.jacfwd(equilibrium)(theta), jax.jacrev(equilibrium)(theta)
    np.testing.assert_allclose(forward, reverse, rtol=1e-12)
    np.testing.assert_allclose(forward, jax.jacfwd(unrolled)(theta), rtol=1e-9)


def test_a_problem_without_a_fixed_point_has_derivative_zero_and_spoils_no_neighbour():
    def system(x, theta):
        return jnp.exp(theta * x)  # no fixed point where theta > 1/e; slope beyond all numbers at x = 800

    def value(theta, x, valid):
        return fixed_point.implicit(system, x, theta, valid).sum()

    x, valid = jnp.asarray([[1.2958555], [800.0]]), jnp.asarray([True, False])
    gradient = jax.grad(lambda t: jax.vmap(value)(t, x, valid).sum())(jnp.asarray([0.2, 1.5]))
    assert np.isfinite(gradient).all() and float(gradient[1]) == 0.0
    y = 1.2958555
    assert float(gradient[0]) == pytest.approx(y * np.exp(0.2 * y) / (1 - 0.2 * np.exp(0.2 * y)), rel=1e-6)
