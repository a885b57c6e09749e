"""Soil heat solved for the year that repeats (docs/model.md#h14), at a column near 0 degC where 60 years do not find it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jtem import step
from jtem.physics import permafrost
from jtem.physics import soil_heat as st
from jtem.run.spinup import periodic_heat
from jtem.state import Cell, Climate
from jtem.step import heat
from sites import TABLE, parameter_tree

DESIGN = step.Design(permafrost=permafrost.NONE, thermal=st.ThermalDesign(solved=True), heat_dtype="float64")


@pytest.mark.slow
def test_solved_heat_repeats_and_is_smooth_where_the_search_alone_is_not():
    """Wet tundra at -3.5 degC under snow: its ground ends at 0.3 degC, after centuries."""
    air = jnp.asarray(-3.5 + 16.0 * np.cos(2 * np.pi * (np.arange(12) + 0.5 - 6.5) / 12))
    zero = jnp.zeros(12)
    climate = Climate(air, zero + 25.0, zero + 100.0, jnp.asarray(300.0), zero, air[0])
    community = jnp.asarray(TABLE.index("wet_moist_tundra"))
    cell = Cell(jnp.asarray(100.0), jnp.asarray(0.6), community, zero + 500.0, jnp.zeros(25))
    row = step.select_community(parameter_tree(), community)

    def at_1m(change, design):
        thermal = dataclasses.replace(row.soil_thermal, snow_density=row.soil_thermal.snow_density * jnp.exp(change))
        column = step.derive(dataclasses.replace(row, soil_thermal=thermal), cell, design)
        begin = heat.start(air, column, design)
        assert begin is not None
        _, made = periodic_heat(begin, climate, cell, column, years=40, design=design, differentiable=False)
        return made.months.soil_temperature[:, 9].mean(), made.largest_change

    steps = jnp.asarray([0.0, 1e-6, 2e-6, 3e-6])
    found, change = jax.jit(jax.vmap(lambda s: at_1m(s, DESIGN)))(steps)
    assert float(change.max()) < 1e-6
    assert np.abs(np.diff(found)).max() < 1e-4
    searched = dataclasses.replace(DESIGN, thermal=st.ThermalDesign())
    _, change = jax.jit(lambda: at_1m(jnp.asarray(0.0), searched))()
    assert float(change) > 1e-6
