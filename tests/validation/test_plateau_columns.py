"""Overlays of the plateau: under one climate meadow thaws less deep than steppe; steppe grows as grassland does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jtem import parameters, step
from jtem.files import data_path
from jtem.physics import snow, soil_heat
from sites import PLATEAU_MEADOW, TABLE

FILES = [data_path("parameters", f"{name}.toml") for name in ("defaults", "plateau_columns", "grassland_on_plateau")]


@pytest.fixture(scope="module")
def table():
    return parameters.read_table(step.Parameters, FILES)


def thaw(tree, community, air, snowfall):
    """Active layer (m) of the fortieth year under a repeated one."""
    design = soil_heat.ThermalDesign()
    row = jax.tree.map(lambda leaf: leaf[TABLE.index(community)], tree.soil_thermal)
    made = soil_heat.properties(row, design)

    def month(state, now):
        return soil_heat.month(state, *now, made, cover=snow.cover, design=design)[0], None

    def year(state, _):
        state, _ = jax.lax.scan(month, state, (air, jnp.roll(air, -1), snowfall))
        state, active, _ = soil_heat.close_year(state, design)
        return state, active

    return jax.lax.scan(year, soil_heat.initial_state(air.mean(), air[11], made, design), None, length=40)[1][-1]


def test_meadow_thaws_less_deep_than_steppe_under_one_climate(table):
    tree = parameters.build(step.Parameters, table, "float64")
    colder = np.array([2.5, 3.0, 3.5])
    air = jnp.asarray(np.array(PLATEAU_MEADOW["air_temperature"]) - colder[:, None])
    snowfall = jnp.where(air < -1.0, jnp.asarray(PLATEAU_MEADOW["precipitation"], float), 0.0)
    depth = {c: np.asarray(jax.jit(jax.vmap(lambda t, s, c=c: thaw(tree, c, t, s)))(air, snowfall))
             for c in ("alpine_meadow", "alpine_steppe")}  # fmt: skip
    assert (depth["alpine_meadow"] < 0.97 * depth["alpine_steppe"]).all(), depth
    assert (depth["alpine_meadow"] > 0.5).all() and (depth["alpine_steppe"] < 5.0).all(), depth


def test_steppe_has_the_carbon_and_nitrogen_of_grassland(table):
    other = {"water", "soil_thermal", "soil_column", "permafrost", "radiation", "abrupt_thaw", "methane", "roots"}
    for name, entry in table.entries.items():
        if name.split(".")[0] not in other:
            np.testing.assert_array_equal(entry.values["alpine_steppe"], entry.values["grassland"], err_msg=name)
            np.testing.assert_array_equal(entry.values["alpine_meadow"], TABLE.entries[name].values["alpine_meadow"])
