"""Random columns in extreme climates: pools never below zero, budgets closed, all finite. ``properties.py`` makes them."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import properties
from jtem import run
from jtem.errors import InputError
from jtem.parameters import check_order
from jtem.physics import initial
from jtem.run import overdrawn
from jtem.step import Parameters
from sites import TABLE, parameter_tree


@pytest.mark.parametrize(
    "name",
    [
        "layered",
        pytest.param("thaw_ratio", marks=pytest.mark.slow),
        *(pytest.param(n, marks=pytest.mark.slow) for n in properties.DESIGNS if n not in ("layered", "thaw_ratio")),
    ],
)
def test_ten_thousand_random_years(name):
    """1000 columns of 10 years: parameters, states, climates by chance."""
    assert properties.faults(properties.design_of(**properties.DESIGNS[name]), 5, 1000) == []


def test_the_climates_are_extreme():
    """Heat above 40 degC, cold of -70 degC, no rain."""
    rng = np.random.default_rng(0)
    cells = properties.some_cells(rng, 20)
    climate = properties.some_climate(rng, cells, 10)
    assert float(jnp.max(climate.air_temperature)) > 40.0 and float(jnp.min(climate.air_temperature)) == -70.0
    assert float(jnp.min(climate.precipitation)) == 0.0


def test_overdrawn_pools_are_named():
    rng = np.random.default_rng(1)
    design, parameters = properties.design_of("none"), parameter_tree()
    cells = dataclasses.replace(properties.some_cells(rng, 4), community=jnp.arange(4))
    climate = properties.some_climate(rng, cells, 2)
    state = jax.tree.map(np.array, run.initial_states(parameters, cells, climate, design=design))
    assert list(overdrawn.columns(state, 4, "float64")) == []
    state = eqx.tree_at(lambda s: s.carbon.vegetation_carbon, state, np.array([5.0, -0.1, 3.0, 0.0]))
    state = eqx.tree_at(lambda s: s.carbon.soil.carbon, state, np.array([5.0, 0.1, -3.0, 0.0]))
    assert list(overdrawn.columns(state, 4, "float64")) == [(1, "vegetation carbon"), (2, "soil carbon")]


def test_pools_at_the_start_are_never_below_zero():
    branch = parameter_tree().initial
    for name in {field.name.rpartition("_")[0] for field in dataclasses.fields(branch)}:
        for silt_clay in (0.01, 0.5, 1.0):
            share = jnp.full(len(TABLE.communities), silt_clay)
            made = initial.pool(share, getattr(branch, f"{name}_slope"), getattr(branch, f"{name}_intercept"))
            assert float(made.min()) >= 0.0, (name, silt_clay)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("photosynthesis.temperature_maximum", 16.0),
        ("photosynthesis.temperature_minimum", 14.9),
        ("nitrogen.production_cn_minimum", 50.0),
        ("decomposition.moisture_optimum", 1.0),
    ],
)
def test_parameters_in_the_wrong_order_are_refused(name, value):
    entry = TABLE.entries[name]
    entries = {**TABLE.entries, name: dataclasses.replace(entry, values=dict.fromkeys(entry.values, value))}
    with pytest.raises(InputError, match=r"the table: '.*' is .* for '.*', not above '.*' \(.*\); correct one of them"):
        check_order(dataclasses.replace(TABLE, entries=entries), Parameters.ORDERED, "the table")
    check_order(TABLE, Parameters.ORDERED, "the table")
