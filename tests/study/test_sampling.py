"""The sampling driver on densities that are known: moments, the same bits when gone on with, diagnostics, missing blackjax."""

import sys

import jax.numpy as jnp
import numpy as np
import pytest

from jtem.errors import InputError
from jtem.study.calibration import sampling

NEEDED = "blackjax is optional: pip install 'jtem[calibration]'"
MEAN = np.array([1.0, -2.0, 30.0])
COVARIANCE = np.array([[1.0, 0.8, 0.0], [0.8, 1.0, 3.0], [0.0, 3.0, 100.0]])
SETTINGS = sampling.Sampling(samples=1500, warmup=150, chains=4, seed=3)


def density(x, mean, precision):
    return -0.5 * (x - mean) @ precision @ (x - mean)


def draw(settings=SETTINGS, **more):
    arguments = (jnp.asarray(MEAN), jnp.asarray(np.linalg.inv(COVARIANCE)))
    # a Gaussian that is off: shifted by half a standard deviation and twice as wide
    centre = MEAN + 0.5 * np.sqrt(np.diag(COVARIANCE))
    return sampling.sample(density, centre, 4.0 * np.diag(np.diag(COVARIANCE)), settings, arguments=arguments, **more)


@pytest.fixture(scope="module")
def gaussian():
    pytest.importorskip("blackjax", reason=NEEDED)
    blocks = []
    return draw(report=blocks.append), blocks


def test_mean_and_covariance_of_a_gaussian_are_recovered(gaussian):
    kept = gaussian[0].kept(SETTINGS.warmup)
    assert kept.x.shape == (4, 1500, 3) and not kept.divergent.any()
    found = sampling.summarise("abc", kept.x)
    deviation = np.sqrt(np.diag(COVARIANCE))
    for k, one in enumerate(found):
        # five standard errors of a mean and of a standard deviation
        assert one.effective > 1000 and one.r_hat < sampling.LARGEST_R_HAT
        assert one.mean == pytest.approx(MEAN[k], abs=5 * deviation[k] / np.sqrt(one.effective))
        assert one.standard_deviation == pytest.approx(deviation[k], rel=5 / np.sqrt(2 * one.effective))
        assert one.upper - one.lower == pytest.approx(2 * 1.96 * deviation[k], rel=0.1)
    flat = kept.x.reshape(-1, 3) / deviation
    np.testing.assert_allclose(np.cov(flat.T), COVARIANCE / np.outer(deviation, deviation), atol=0.1)
    assert 0.7 < kept.acceptance.mean() < 0.97
    by_hand = [float(density(x, MEAN, np.linalg.inv(COVARIANCE))) for x in kept.x[0, :5]]
    np.testing.assert_allclose(kept.log_density[0, :5], by_hand, rtol=1e-9)
    assert sampling.warnings(kept, found, SETTINGS) == []


def test_draws_gone_on_with_are_the_same_bits(gaussian):
    whole, blocks = gaussian
    assert len(blocks) > 3 and blocks[-1].number == whole.number
    resumed = draw(resume=blocks[1])
    for name in sampling.SERIES:
        np.testing.assert_array_equal(getattr(resumed, name), getattr(whole, name))
    assert draw(resume=whole, say=lambda line: pytest.fail("compiled")) is whole


def test_a_density_in_single_precision(gaussian):
    """The chains stay in JAX's default precision whatever the density takes."""
    few = sampling.Sampling(samples=60, warmup=40, chains=2, seed=1, max_depth=4)
    seen = []

    def single(x):
        seen.append(x.dtype)
        return -0.5 * (x * x).sum()

    made = sampling.sample(single, np.zeros(2), np.eye(2), few, dtype=np.float32)
    assert set(seen) == {np.dtype(np.float32)} and made.x.dtype == np.float64
    assert made.x.shape == (2, 100, 2) and np.isfinite(made.x).all() and 0.5 < made.x[:, 40:].std() < 1.5


def test_warnings_name_what_is_wrong(gaussian):
    kept = gaussian[0].kept(SETTINGS.warmup)
    x = kept.x.copy()
    x[0, :, 1] += 1.0  # a chain of its own
    bad = kept._replace(
        divergent=kept.divergent | (np.arange(1500) == 7), gradients=np.where(kept.x[..., 0] > 3, 1023, kept.gradients)
    )
    said = sampling.warnings(bad, sampling.summarise("abc", x), SETTINGS)
    assert len(said) == 3 and "4 of 6000 draws diverged" in said[0] and "max_depth = 10" in said[1] and "'b'" in said[2]


def test_no_finite_density_is_told():
    pytest.importorskip("blackjax", reason=NEEDED)
    with pytest.raises(InputError, match="not finite near the best fit"):
        sampling.sample(lambda x: jnp.log(-1.0 - (x**2).sum()), np.zeros(2), np.eye(2), SETTINGS)


def test_without_blackjax_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "blackjax", None)
    with pytest.raises(InputError, match=r'pip install "jtem\[calibration\]"'):
        draw()
