import copy
import math

import numpy as np
import pytest

from jtem.errors import InputError
from jtem.study.calibration import least_squares as ls


def rosenbrock(x):
    return np.array([10.0 * (x[1] - x[0] ** 2), 1.0 - x[0]])


def rosenbrock_slope(x):
    return np.array([[-20.0 * x[0], 10.0], [-1.0, 0.0]])


TIMES = np.linspace(0.0, 4.0, 40)
TRUTH = np.array([3.0, 0.7, 0.5])


def decay(x, times=TIMES):
    return x[0] * np.exp(-x[1] * times) + x[2]


def decay_slope(x, times=TIMES):
    decayed = np.exp(-x[1] * times)
    return np.stack([decayed, -x[0] * times * decayed, np.ones_like(times)], axis=1)


def fit_decay(observed, error, start, **rules):
    return ls.minimise(
        lambda x: (decay(x) - observed) / error, lambda x: decay_slope(x) / error, start, ls.Rules(**rules)
    )


def test_rosenbrock():
    fit = ls.minimise(rosenbrock, rosenbrock_slope, np.array([-1.2, 1.0]))
    assert fit.converged and fit.reason in ("exact", "gradient")
    np.testing.assert_allclose(fit.x, 1.0, atol=1e-10)
    assert fit.runs < 60 and fit.linearisations == len(fit.history)
    assert all(later < earlier for earlier, later in zip(fit.history, fit.history[1:], strict=False))


@pytest.mark.parametrize("factor", [0.6, 1.4])
def test_noise_free_parameters_are_recovered(factor):
    fit = fit_decay(decay(TRUTH), 0.05, factor * TRUTH)
    assert fit.converged
    np.testing.assert_allclose(fit.x, TRUTH, rtol=1e-8)


def test_covariance_is_the_known_one_for_a_linear_problem():
    rng = np.random.default_rng(3)
    design, observed = rng.normal(size=(50, 4)), rng.normal(size=50)
    fit = ls.minimise(lambda x: design @ x - observed, lambda x: design, np.zeros(4))
    inverse = np.linalg.inv(design.T @ design)
    best = inverse @ design.T @ observed
    np.testing.assert_allclose(fit.x, best, atol=1e-5)
    np.testing.assert_allclose(fit.covariance(), inverse, rtol=1e-10)
    phi = np.sum((design @ fit.x - observed) ** 2)
    np.testing.assert_allclose(fit.covariance(rescale=True), inverse * phi / 46, rtol=1e-10)
    deviation = np.sqrt(np.diag(inverse))
    np.testing.assert_allclose(fit.correlation(), inverse / np.outer(deviation, deviation), rtol=1e-9)
    np.testing.assert_allclose(fit.singular_values, np.linalg.svd(design)[1], rtol=1e-12)
    # the best and the worst known direction have variance 1/s^2
    for row in (0, -1):
        direction = fit.directions[row]
        assert direction @ fit.covariance() @ direction == pytest.approx(1 / fit.singular_values[row] ** 2)


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng, inside, repeats, error = np.random.default_rng(11), np.zeros(3), 200, 0.05
    for _ in range(repeats):
        fit = fit_decay(decay(TRUTH) + error * rng.normal(size=TIMES.size), error, 1.3 * TRUTH)
        assert fit.converged
        inside += np.abs(fit.x - TRUTH) <= 1.959964 * np.sqrt(np.diag(fit.covariance()))
    coverage = inside / repeats  # binomial standard deviation 1.5 %
    assert (coverage > 0.90).all() and (coverage < 0.99).all(), coverage


def test_an_undetermined_parameter_is_told():
    # only the sum of the first two is seen; the third does nothing
    def residual(x):
        return np.array([x[0] + x[1] - 2.0, 2.0 * (x[0] + x[1]) - 3.9, x[3] - 1.0])

    slope = np.array([[1.0, 1.0, 0.0, 0.0], [2.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    fit = ls.minimise(residual, lambda x: slope, np.array([0.3, 0.1, 5.0, 0.0]))
    assert fit.converged and fit.rank() == 2
    assert fit.x[0] + fit.x[1] == pytest.approx(9.8 / 5, rel=1e-6) and fit.x[2] == 5.0
    variance = np.diag(fit.covariance())
    assert np.isinf(variance[:3]).all() and variance[3] == pytest.approx(1.0)
    assert np.isnan(fit.correlation()[0, 3]) and fit.correlation()[3, 3] == 1.0
    with pytest.raises(ValueError, match="3 residuals cannot give the error of 4 parameters"):
        fit.covariance(rescale=True)


def test_stop_rule():
    rng = np.random.default_rng(5)
    noisy = decay(TRUTH) + 0.1 * rng.normal(size=TIMES.size)
    exactly = fit_decay(noisy, 0.1, 1.4 * TRUTH, decrease=0.0, gradient=0.0)
    assert exactly.reason == "rounding"
    assert fit_decay(noisy, 0.1, 1.4 * TRUTH).cost <= exactly.cost * (1 + 1e-10)
    # a long valley on a high floor: little is gained in each step
    valley = ls.minimise(
        lambda x: np.append(rosenbrock(x), 100.0),
        lambda x: np.append(rosenbrock_slope(x), [[0.0, 0.0]], axis=0),
        np.array([-1.2, 1.0]),
    )
    assert valley.reason == "decrease" and len(valley.history) >= 5
    assert valley.history[-5] - valley.history[-1] < 1e-4 * valley.history[-5]
    assert fit_decay(noisy, 0.1, 1.4 * TRUTH, decrease=0.0, gradient=1e-5).reason == "gradient"
    few = fit_decay(noisy, 0.1, np.array([30.0, 5.0, 20.0]), iterations=2)
    assert few.reason == "iterations" and not few.converged and len(few.history) == 3
    short = fit_decay(noisy, 0.1, 1.4 * TRUTH, iterations=1, longest_step=0.01)
    assert np.abs(short.x - 1.4 * TRUTH).max() == pytest.approx(0.01)
    assert set(ls.CONVERGED) < set(ls.REASONS)


def test_points_that_fail_are_refused():
    def residual(x):
        return np.array([math.log(x[0]) if x[0] > 0 else math.nan, 0.1 * (x[0] - 2.0)])

    def slope(x):
        return np.array([[1.0 / x[0]], [0.1]])

    fit = ls.minimise(residual, slope, np.array([9.0]))  # the first full step goes below zero
    assert fit.converged and abs(slope(fit.x)[:, 0] @ residual(fit.x)) < 1e-5
    with pytest.raises(ValueError, match="residuals at the start are not finite"):
        ls.minimise(residual, slope, np.array([-1.0]))
    broken = ls.minimise(residual, lambda x: np.full((2, 1), math.nan), np.array([9.0]))
    assert broken.reason == "jacobian" and not broken.converged


def test_many_starts_give_what_each_gives_alone():
    observed = decay(TRUTH) + 0.05 * np.random.default_rng(2).normal(size=TIMES.size)
    starts = TRUTH * np.array([[0.6, 1.4, 0.8], [1.4, 1.4, 1.4], [1.0, 1.0, 1.0]])
    shapes = set()

    def residuals(x):
        shapes.add(x.shape)
        return np.stack([decay(row) - observed for row in x])

    def jacobians(x):
        shapes.add(x.shape)
        return np.stack([decay_slope(row) for row in x])

    together = [ls.fit_of(search) for search in ls.minimise_many(residuals, jacobians, starts)]
    assert shapes == {(3, 3)}
    for start, fit in zip(starts, together, strict=True):
        alone = ls.minimise(lambda x: decay(x) - observed, decay_slope, start)
        np.testing.assert_array_equal(fit.x, alone.x)
        assert fit.history == alone.history and fit.reason == alone.reason
        np.testing.assert_array_equal(fit.jacobian, decay_slope(fit.x))


def test_a_search_can_be_gone_on_with():
    observed = decay(TRUTH) + 0.05 * np.random.default_rng(2).normal(size=TIMES.size)
    saved = []
    whole = ls.minimise(
        lambda x: decay(x) - observed,
        decay_slope,
        1.4 * TRUTH,
        report=lambda search: saved.append(copy.deepcopy(search)),
    )
    assert len(saved) == len(whole.history)
    later = ls.minimise(lambda x: decay(x) - observed, decay_slope, saved[2])
    np.testing.assert_array_equal(later.x, whole.x)
    assert later.history == whole.history and later.runs == whole.runs


BOUNDED = ls.Transform(("rate", "share"), np.array([1e-3, 0.0]), np.array([1.0, 1.0]), ("log", "linear"))


def test_bounds():
    values = np.array([[0.02, 0.3], [0.5, 0.99]])
    np.testing.assert_allclose(BOUNDED.values(BOUNDED.free(values)), values, rtol=1e-12)
    free = BOUNDED.free(values)
    step = 1e-6
    central = (BOUNDED.values(free + step) - BOUNDED.values(free - step)) / (2 * step)
    np.testing.assert_allclose(BOUNDED.slope(free), central, rtol=1e-8)
    assert BOUNDED.at_bounds(np.array([0.00105, 0.991])) == [("rate", "lower"), ("share", "upper")]
    assert BOUNDED.at_bounds(np.array([0.5, 0.5])) == []
    ends = BOUNDED.interval(free[0], np.diag([0.04, math.inf]))
    assert ends[0, 0] < 0.02 < ends[1, 0] and ends[:, 1] == pytest.approx([0.0, 1.0])
    with pytest.raises(InputError, match=r"start value 2 of 'rate' is not inside its bounds \[0.001, 1\]"):
        BOUNDED.free(np.array([2.0, 0.5]))
    for bounds, scale, message in (((1.0, 1.0), "linear", "low below high"), ((0.0, 1.0), "log", "positive bound")):
        with pytest.raises(InputError, match=message):
            ls.Transform(("x",), np.array(bounds[:1]), np.array(bounds[1:]), (scale,))
    with pytest.raises(InputError, match="use 'linear' or 'log'"):
        ls.Transform(("x",), np.array([0.0]), np.array([1.0]), ("cubic",))


def test_a_parameter_pushed_to_its_bound_is_told():
    # the data want a share of 1.2, which the bounds forbid
    def residual(x):
        rate, share = BOUNDED.values(x)
        return np.array([10.0 * (share - 1.2), 5.0 * np.log(rate / 0.1)])

    def slope(x):
        rate, _ = BOUNDED.values(x)
        return np.array([[0.0, 10.0], [5.0 / rate, 0.0]]) * BOUNDED.slope(x)

    fit = ls.minimise(residual, slope, BOUNDED.free(np.array([0.01, 0.5])), ls.Rules(longest_step=2.0))
    rate, share = ls.summary(fit, BOUNDED)
    assert rate["value"] == pytest.approx(0.1, rel=1e-3) and rate["bound"] == ""
    assert rate["standard_error"] == pytest.approx(0.1 / 5.0, rel=1e-2)
    assert share["bound"] == "upper" and 0.99 < float(share["value"]) <= 1.0
    assert rate["lower"] == pytest.approx(0.1 * math.exp(-1.96 / 5), rel=0.02)


def test_as_few_trials_as_optimistix():
    """Our trial points against those of optimistix's Levenberg-Marquardt (decision 13), on the same noisy problem."""
    optimistix = pytest.importorskip("optimistix")
    import jax.numpy as jnp

    observed = decay(TRUTH) + 0.05 * np.random.default_rng(2).normal(size=TIMES.size)
    start = np.array([6.0, 0.2, 2.0])
    costs = []

    def traced(x, _):
        return x[0] * jnp.exp(-x[1] * TIMES) + x[2] - observed

    for steps in (4, 8, 16):
        solver = optimistix.LevenbergMarquardt(rtol=1e-12, atol=1e-12)
        solution = optimistix.least_squares(traced, solver, jnp.asarray(start), max_steps=steps, throw=False)
        costs.append(float(jnp.sum(traced(solution.value, None) ** 2)))
    trials = []
    ours = ls.minimise(
        lambda x: decay(x) - observed,
        decay_slope,
        start,
        report=lambda search: trials.append((search.runs - 1, search.cost)),
    )
    assert ours.cost <= 1.0001 * costs[-1]
    within = next(runs for runs, cost in trials if cost <= 1.01 * costs[-1])
    assert within <= next(n for n, cost in zip((4, 8, 16), costs, strict=True) if cost <= 1.01 * costs[-1])
