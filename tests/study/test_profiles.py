"""Half depths and mean profiles from profiles with a known answer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jtem.physics.permafrost import PermafrostParameters, hyperbolic_share, layers_from_intervals, profile_share
from jtem.study import profiles

DEPTHS = np.array([0.3, 1.0, 2.0, 3.0])


def hyperbola(half_depth: float, depth: np.ndarray, amplitude: float = 4e4) -> tuple[np.ndarray, np.ndarray]:
    """An exact profile; uniform below 3 m with the density of the hyperbola there."""
    above = amplitude * depth / (half_depth + depth)
    at, slope = amplitude * 3 / (half_depth + 3), amplitude * half_depth / (half_depth + 3) ** 2
    return depth, np.where(depth <= 3, above, at + slope * (depth - 3))


def noisy(half_depth: float, count: int, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Profiles whose intervals are off by 30 % and whose own b varies by 20 %."""
    made = []
    for _ in range(count):
        depth, stock = hyperbola(half_depth * np.exp(0.2 * rng.standard_normal()), DEPTHS)
        parts = np.diff(stock, prepend=0.0) * np.exp(0.3 * rng.standard_normal(4))
        made.append((depth, np.cumsum(parts)))
    return made


@pytest.mark.parametrize("half_depth", [0.1, 0.5, 1.3, 6.0])
def test_exact_profiles_give_their_half_depth(half_depth):
    several = [
        hyperbola(half_depth, d, a) for d, a in ((DEPTHS, 1e4), (DEPTHS[:2], 3e4), (np.array([0.5, 2.5, 5.0]), 2e4))
    ]
    points = profiles.shares(several)
    assert points.depth.size == 3 + 1 + 2  # the deepest of each says nothing
    found = profiles.fit_half_depth(points)
    assert found.value == pytest.approx(half_depth, rel=1e-6)
    assert found.standard_error < 1e-5 * half_depth and found.r2 == pytest.approx(1.0)
    assert (found.profiles, found.points, found.bound) == (3, 6, "")


def test_slopes_are_exact():
    depth, deepest = jnp.asarray([0.3, 1.0, 4.0]), jnp.asarray([3.0, 2.0, 5.0])
    slope = jax.jacfwd(profiles.share_above)(jnp.asarray(0.8), depth, deepest)
    up, down = (profiles.share_above(jnp.asarray(0.8 + d), depth, deepest) for d in (1e-6, -1e-6))
    assert np.allclose(slope, (up - down) / 2e-6, rtol=1e-6)
    batch = jax.vmap(profiles.share_above, (0, None, None))(jnp.asarray([0.8, 2.0]), depth, deepest)
    assert np.allclose(batch[0], profiles.share_above(jnp.asarray(0.8), depth, deepest), rtol=1e-14)


def test_standard_error_is_the_spread_of_repeats():
    rng = np.random.default_rng(3)
    found = [profiles.fit_half_depth(profiles.shares(noisy(1.3, 40, rng))) for _ in range(120)]
    values = np.array([f.value for f in found])
    spread = values.std(ddof=1)
    assert np.mean([f.standard_error for f in found]) == pytest.approx(spread, rel=0.25)
    middle = np.median(values)
    inside = np.mean([f.lower <= middle <= f.upper for f in found])
    assert 0.88 <= inside <= 0.99


def test_points_of_one_profile_are_not_independent():
    rng = np.random.default_rng(5)
    few = noisy(1.3, 20, rng)
    once = profiles.fit_half_depth(profiles.shares(few))
    fine = [
        (np.linspace(0.1, 3, 30), np.interp(np.linspace(0.1, 3, 30), np.append(0, d), np.append(0, s))) for d, s in few
    ]
    dense = profiles.fit_half_depth(profiles.shares(fine))
    assert dense.points == 20 * 29 and dense.standard_error > 0.6 * once.standard_error


def test_profiles_that_tell_nothing():
    nothing = profiles.fit_half_depth(profiles.shares([(DEPTHS[:1], np.array([5.0])), (DEPTHS, np.zeros(4))]))
    assert nothing.points == 0 and np.isnan(nothing.value)
    single = profiles.fit_half_depth(profiles.shares([hyperbola(0.7, DEPTHS)]))
    assert single.value == pytest.approx(0.7, rel=1e-6) and np.isnan(single.standard_error) and np.isnan(single.lower)
    rising = profiles.fit_half_depth(profiles.shares([(DEPTHS, DEPTHS**1.5)] * 3))  # peat: denser below
    assert rising.bound == "upper" and np.isnan(rising.standard_error)


def test_mean_profiles_by_hand():
    several = [
        (np.array([0.3, 1.0, 2.0, 3.0]), np.array([6.0, 13.0, 23.0, 28.0])),
        (np.array([0.5, 1.5, 2.0]), np.array([5.0, 15.0, 25.0])),  # other depths, not below 2 m
        (np.zeros(0), np.zeros(0)),
    ]
    stocks = profiles.interval_stocks(several)
    assert np.allclose(stocks[0], [6.0, 7.0, 10.0, 5.0])
    assert np.allclose(stocks[1][:3], [3.0, 7.0, 15.0]) and np.isnan(stocks[1][3]) and np.isnan(stocks[2]).all()
    mean = profiles.mean_profile(stocks)
    assert mean.count.tolist() == [2, 2, 2, 1]
    assert np.allclose(mean.mean, [4.5, 7.0, 12.5, 5.0])
    assert np.allclose(mean.deviation[:3], [np.sqrt(4.5), 0.0, np.sqrt(12.5)]) and np.isnan(mean.deviation[3])
    assert np.isnan(profiles.mean_profile(stocks[1:2]).half_depth)


def test_hyperbola_of_the_means_is_the_models():
    _, stock = hyperbola(0.9, DEPTHS, 5e4)
    mean = profiles.mean_profile(np.diff(stock, prepend=0.0)[None])
    assert mean.half_depth == pytest.approx(0.9) and mean.amplitude == pytest.approx(5e4)
    layers = layers_from_intervals(np.diff(stock, prepend=0.0)[None])[0]
    deep = 5e4 * (6.0 / 6.9 - 3.0 / 3.9)  # what the model puts into 3-6 m
    assert float(layers[20:].sum()) == pytest.approx(deep, rel=1e-9)
    assert np.isnan(profiles.mean_profile(np.array([[1.0, 4.0, 9.0, 12.0]])).half_depth)  # density does not fall


def test_the_fit_uses_the_models_profile():
    fields = dict.fromkeys(PermafrostParameters.__dataclass_fields__, jnp.asarray(1.0))
    parameters = PermafrostParameters(
        **fields | {"profile_half_depth": jnp.asarray(0.6), "profile_reference_depth": jnp.asarray(3.0)}
    )
    depth = jnp.asarray([0.2, 1.0, 3.0, 7.0])
    assert np.array_equal(profile_share(depth, parameters), hyperbolic_share(depth, jnp.asarray(0.6), jnp.asarray(3.0)))
    expected = hyperbola(0.6, np.asarray(depth), 1.0)[1]
    assert np.allclose(profile_share(depth, parameters), expected, rtol=1e-12)


def test_curve_passes_through_exact_points():
    several = [hyperbola(0.5, DEPTHS), hyperbola(0.5, DEPTHS[:2])]
    points = profiles.shares(several)
    curve = profiles.curve(profiles.fit_half_depth(points), points)
    assert np.allclose(np.interp(points.depth, curve.depth, curve.share), curve.observed, atol=2e-3)
    assert curve.share[-1] == pytest.approx(1.0)


def test_scores_of_active_layers():
    observed, simulated = np.array([1.0, 3.0, 5.0]), np.array([2.0, 3.0, 4.0])
    found = profiles.stock_scores(["meadow", "meadow", "steppe"], "carbon", simulated, observed)
    (together,) = [s for s in found if s.site == "all"]
    assert together.stream == "active_layer_carbon" and together.n == 3
    assert together.r2 == pytest.approx(1 - 2 / 8) and together.bias == 0.0
