"""Equations L1-L4 of docs/model.md."""

import dataclasses

import numpy as np
from equations import a, branch, close, finite_slopes

from jtem.physics import phenology

P = branch(
    "phenology",
    leaf_minimum=0.1,
    leaf_evapotranspiration_slope=0.5,
    leaf_memory=0.3,
    leaf_offset=0.05,
    leaf_initial=0.2,
    leaf_maximum_initial=1.0,
    leaf_carbon_maximum=200.0,
    leaf_carbon_coefficient=1.6662,
    leaf_carbon_shape=-0.001,
    specific_leaf_area=0.01,
)
MEMORY = phenology.initial_memory(a(80.0), a(12.0), P)


def test_l1_by_hand_and_within_its_bounds():
    leaf = lambda e, largest=100.0, before=0.4: phenology.unnormalized_leaf(a(e), a(largest), a(before), P)  # noqa: E731
    close(leaf(60.0), 0.5 * 0.6 + 0.3 * 0.4 + 0.05)
    close(leaf(0.0, before=0.0), 0.05)  # half of the smallest leaf
    close(leaf(1e4), 1.0)
    close(leaf(0.02, largest=0.0, before=0.0), 0.5 * 0.2 + 0.05)  # a year without evapotranspiration counts as 0.1 mm


def test_l2_over_last_years_largest():
    close(phenology.relative_leaf(a([0.3, 0.03, 0.9]), a([0.6, 0.6, 0.6]), P), [0.5, 0.1, 1.0])
    close(phenology.relative_leaf(a(0.005), a(0.0), P), 0.5)  # a largest leaf of 0 counts as 0.01


def test_l3_foliage_and_leaf_area():
    """Without vegetation 1/2.6662 = 0.375066; at 1000 gC m-2 1/(1 + 1.6662/e) = 0.619978."""
    close(phenology.foliage(a([0.0, 1000.0, 1e5]), P), [0.375066, 0.619978, 1.0], rtol=1e-5)
    close(phenology.leaf_area_index(a(0.5), a(0.8), P), 0.01 * 200 * 0.5 * 0.8)


def months(evapotranspiration, temperature, p=P, memory=MEMORY):
    leaves = []
    for e, t in zip(evapotranspiration, temperature, strict=True):
        memory, leaf = phenology.month(memory, a(e), a(t), p)
        leaves.append(float(leaf))
    return memory, leaves


def test_l4_a_year_leaves_its_extremes_and_the_temperature_of_the_fullest_month():
    memory, leaves = months([5.0, 60.0, 80.0, 20.0], [-5.0, 14.0, 11.0, 16.0])
    unnormalized = [0.05 + 0.5 * 5 / 80 + 0.3 * 0.2]
    for e in (60.0, 80.0, 20.0):
        unnormalized.append(0.05 + 0.5 * e / 80 + 0.3 * unnormalized[-1])
    close(leaves, unnormalized)  # last year's largest leaf was 1
    closed = phenology.close_year(memory, a(5.0), a(20.0))
    close(closed.last_maximum_leaf, max(unnormalized))
    close(closed.last_maximum_evapotranspiration, 80.0)
    close(closed.optimum_temperature, 11.0)  # third month, though the fourth is warmer
    close(closed.leaf, unnormalized[-1])  # goes on into January
    assert float(closed.year_maximum_leaf) == -1.0 and float(closed.year_maximum_evapotranspiration) == 0.0
    close(phenology.close_year(memory, a(12.0), a(20.0)).optimum_temperature, 12.0)
    close(phenology.close_year(memory, a(5.0), a(9.0)).optimum_temperature, 9.0)


def test_l4_leaves_that_do_not_react_follow_the_warmest_month():
    fixed = dataclasses.replace(P, leaf_evapotranspiration_slope=a(0.0), leaf_memory=a(0.0), leaf_offset=a(1.0))
    assert bool(phenology.fixed_leaf(fixed)) and not bool(phenology.fixed_leaf(P))
    memory, leaves = months([5.0, 60.0, 80.0, 20.0], [-5.0, 14.0, 11.0, 16.0], fixed)
    assert leaves == [1.0] * 4
    close(phenology.close_year(memory, a(5.0), a(20.0)).optimum_temperature, 16.0)


def test_first_year_and_slopes_at_the_edges():
    close([MEMORY.leaf, MEMORY.last_maximum_leaf, MEMORY.last_maximum_evapotranspiration], [0.2, 1.0, 80.0])
    finite_slopes(lambda e: phenology.unnormalized_leaf(e, a(0.0), a(0.0), P), 0.0, 0.1)
    finite_slopes(lambda x: phenology.relative_leaf(a(0.0), x, P), 0.0, 0.01)
    finite_slopes(lambda c: phenology.foliage(c, P), 0.0, 1e6)
    assert np.isfinite(months([0.0] * 12, [-40.0] * 12)[1]).all()
