"""Equations A1-A3 of docs/model.md."""

import math

import numpy as np
from equations import a, branch, close, finite_slopes

from jtem.physics import respiration

P = branch("respiration", maintenance_carbon_slope=-1e-5, maintenance_intercept=-5.0, growth_fraction=0.2)


def test_a1_by_hand():
    """Q10 = 2.35665 - 0.053077 T + 0.0023842 T^2 - 0.0000411 T^3: 2.0232 at 10 degC, 3.16694 at -10 degC."""
    q = lambda t: respiration.temperature_effect(a(t), P)  # noqa: E731
    close(q(0.0), 1.0)
    close(q(10.0), 2.0232)
    close(q(-10.0), 1 / 3.16694)
    close(q(20.0), (2.35665 - 1.06154 + 0.95368 - 0.3288) ** 2)


def test_a1_is_held_outside_its_range_and_never_falls_below_a_half():
    q = lambda t: float(respiration.temperature_effect(a(t), P))  # noqa: E731
    assert q(-60.0) == q(-40.0) and q(55.0) == q(40.0)
    falling = branch("respiration", q10_constant=-3.0, q10_linear=0.0, q10_quadratic=0.0, q10_cubic=0.0)
    close(respiration.temperature_effect(a(10.0), falling), 0.5)
    within = np.asarray(respiration.temperature_effect(a(np.linspace(-40, 30, 71)), P))
    assert (np.diff(within) > 0).all()


def test_a1_lets_maintenance_take_no_more_than_a_quarter_in_a_month():
    """A polynomial off by a few percent: unbounded, 4 times and more of what there is would be respired at 40 degC."""
    off = branch("respiration", maintenance_carbon_slope=0.0, maintenance_intercept=-3.0, q10_cubic=-2e-5)
    warm = a(np.linspace(-40.0, 45.0, 86))
    share = np.exp(off.maintenance_intercept) * np.asarray(respiration.temperature_effect(warm, off))
    np.testing.assert_allclose(share.max(), respiration.LARGEST_MAINTENANCE)
    assert (share[:40] < 0.1).all()
    published = branch("respiration")
    free = branch("respiration", maintenance_intercept=-1e3)
    bounded, unbounded = (respiration.temperature_effect(warm, p) for p in (published, free))
    np.testing.assert_array_equal(bounded, unbounded)


def test_a2_by_hand():
    """exp(-1e-5 20000 - 5) 20000 = exp(-5.2) 20000 = 110.331 gC m-2 month-1."""
    close(respiration.maintenance(a(20000.0), a(1.0), P), 110.3313, rtol=1e-5)
    close(respiration.maintenance(a(20000.0), a(2.5), P), 2.5 * 20000 * math.exp(-5.2))
    close(respiration.maintenance(a(0.0), a(1.0), P), 0.0)


def test_a3_takes_a_fifth_of_what_is_left_and_nothing_of_a_loss():
    close(respiration.growth(a([100.0, 20.0, 5.0]), a([40.0, 20.0, 20.0]), a([0.2, 0.2, 0.2])), [12.0, 0.0, 0.0])
    assert float(respiration.growth_fraction(a(100.0), a(40.0), P)) == 0.2


def test_slopes_at_the_edges():
    finite_slopes(lambda t: respiration.temperature_effect(t, P), -60.0, -40.0, 0.0, 40.0)
    hot = branch("respiration", maintenance_intercept=-2.0)
    finite_slopes(lambda t: respiration.temperature_effect(t, hot), 20.0, 40.0)
    finite_slopes(lambda c: respiration.maintenance(c, a(1.0), P), 0.0, 1e5)
    finite_slopes(lambda gpp: respiration.growth(gpp, a(20.0), a(0.2)), 0.0, 20.0)
