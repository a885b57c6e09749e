"""docs/model.md#q1 to #q4: roots that follow thaw."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jtem.physics import roots
from jtem.physics.permafrost import layer_edges

P = roots.RootParameters(*map(jnp.asarray, (0.6, 0.5, 5.0, 100.0)))


def after(depth, thaw, moves=True, at_once=False):
    given = map(jnp.asarray, (depth, thaw, moves, at_once))
    return float(roots.depth_after(*given, P))


@pytest.mark.parametrize(("thaw", "depth"), [(0.5, 0.3), (0.8, 0.48), (2.0, 0.5), (60.0, 0.5)])
def test_roots_go_as_deep_as_thaw_and_community_allow(thaw, depth):
    assert float(roots.depth_towards(jnp.asarray(thaw), P)) == pytest.approx(depth)


def test_a_year_makes_up_a_share_of_the_way_in_both_directions():
    share = 1.0 - np.exp(-0.2)
    assert after(0.3, 0.8) == pytest.approx(0.3 + share * 0.18)
    assert after(0.48, 0.5) == pytest.approx(0.48 - share * 0.18)
    assert after(0.3, 0.8, at_once=True) == pytest.approx(0.48)
    assert after(0.3, 0.8, moves=False) == 0.3
    depth = 0.3
    for _ in range(5):  # one lag
        depth = after(depth, 0.8)
    assert (depth - 0.3) / 0.18 == pytest.approx(1.0 - np.exp(-1.0))


def test_density_is_that_of_jackson():
    """beta = 0.943 (boreal forest): 95 % of the roots above 0.51 m, 1 - beta^30 above 30 cm."""
    depth = np.log(0.05) / np.log(0.943) / 100.0
    top, bottom = (np.asarray(x) for x in layer_edges(jnp.asarray(depth)))
    middle = 0.5 * (top + bottom)
    np.testing.assert_allclose(
        roots.density(jnp.asarray(middle), jnp.asarray(depth)), 0.943 ** (100.0 * middle), rtol=1e-12
    )
    assert depth == pytest.approx(0.51, abs=0.005)
    deeper = roots.density(jnp.asarray(middle), jnp.asarray(2 * depth))
    assert (np.asarray(deeper) > np.asarray(roots.density(jnp.asarray(middle), jnp.asarray(depth)))).all()


def test_only_deepening_costs_and_never_more_than_there_is():
    def cost(before, later, carbon):
        return float(roots.cost(*map(jnp.asarray, (before, later, carbon)), P))

    assert cost(0.3, 0.4, 1000.0) == pytest.approx(10.0)
    assert cost(0.4, 0.3, 1000.0) == 0.0
    assert cost(0.3, 0.4, 4.0) == 4.0
    assert cost(0.3, 0.4, 0.0) == 0.0


def test_slopes_are_those_of_differences():
    def deep(x):
        p = roots.RootParameters(x[0], x[1], x[2], x[3])
        depth = roots.depth_after(x[4], x[5], jnp.asarray(True), jnp.asarray(False), p)
        return roots.density(jnp.asarray([0.1, 0.7]), depth).sum() + roots.cost(x[4], depth, jnp.asarray(500.0), p)

    for thaw in (0.7, 1.4):
        x = jnp.asarray([0.6, 0.5, 5.0, 100.0, 0.3, thaw])
        step = 1e-6
        differences = [(deep(x.at[k].add(step)) - deep(x.at[k].add(-step))) / (2 * step) for k in range(x.size)]
        np.testing.assert_allclose(jax.grad(deep)(x), differences, rtol=1e-6, atol=1e-9)
