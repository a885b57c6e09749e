"""Equations A4 and A5 of docs/model.md."""

import math

import numpy as np
from equations import a, branch, close, finite_slopes
from hypothesis import given, settings
from hypothesis import strategies as st

from jtem.physics import litter


def test_a5_by_hand():
    close(litter.loss_rate(a(math.log(2.0)), 1.0), 0.5)  # half is lost in a month
    close(litter.loss_rate(a(0.25), 1e-9), 0.25)  # short steps: the rate itself
    close(litter.loss_rate(a(0.0), 0.25), 0.0)
    close(litter.loss_rate(a(1e6), 0.25), 4.0)  # all that is there, spread over the step


@given(rate=st.floats(0.0, 50.0), steps=st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_a5_sub_steps_give_the_exact_decay_of_a_month(rate, steps):
    pool, h = 7.0, 1.0 / steps
    mean = float(litter.loss_rate(a(rate), h))
    for _ in range(steps):
        assert h * mean <= 1.0 + 1e-15
        pool -= h * pool * mean
    np.testing.assert_allclose(pool, 7.0 * math.exp(-rate), rtol=1e-9, atol=1e-12)


def test_a4_rates_are_constant():
    p = branch("litter", carbon_rate=0.01, nitrogen_rate=0.02)
    for leaf, temperature in ((0.0, -30.0), (1.0, 20.0)):
        carbon, nitrogen = litter.rates(a(leaf), a(temperature), p)
        assert (float(carbon), float(nitrogen)) == (0.01, 0.02)


def test_slopes_at_the_edges():
    finite_slopes(lambda rate: litter.loss_rate(rate, 0.25), 0.0, 1e-12, 1.0, 1e3)
