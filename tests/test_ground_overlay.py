"""The fitted ground of the north, ``jtem_ground``: it loads with the options it needs, and derivatives hold with it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jtem
from jtem import parameters, step
from jtem.assemble.fields import with_own
from jtem.covariates import covariates
from jtem.errors import InputError
from jtem.files import data_path
from jtem.physics import soil_heat
from jtem.run import years
from jtem.step import heat
from sites import BONANZA_CREEK, PLATEAU_MEADOW, TABLE, TOOLIK, make, parameter_tree

GROUND = parameters.read_table(
    step.Parameters, [data_path("parameters", name) for name in ("defaults.toml", "jtem_ground.toml")]
)
OPTIONS = {"soil_columns": "place", "surface": "light", "soil_grid": "fine", "heat_substeps": 10}
THERMAL = soil_heat.ThermalDesign(
    layer_edges=soil_heat.GRIDS["fine"], substeps=10, sweeps="drd", lit=True, from_place=True
)
DESIGN = step.Design(heat_dtype="float64", thermal=THERMAL)
CASES = [
    (TOOLIK, 0.4, "wet_moist_tundra", 0.0),
    (BONANZA_CREEK, 0.6, "boreal_forest", 0.0),
    (PLATEAU_MEADOW, 0.5, "alpine_steppe", 0.0),
]


def columns(cases):
    """Design and cells that carry the overlay's values, and a year of climate."""
    cells, climate = make(cases, 1)
    year = [np.asarray(x)[:, 0] for x in (climate.air_temperature, climate.precipitation, climate.shortwave_radiation)]
    clay = np.full(len(cases), 18.0)
    sand = 100.0 - 100.0 * np.asarray(cells.silt_clay)
    known = covariates(*year, np.asarray(cells.elevation), sand, clay, np.asarray(cells.soil_carbon_profile))
    return *with_own(DESIGN, cells, known, GROUND), climate


def test_values_are_the_place_s_and_within_their_bounds():
    """Two places of a community differ; communities that no fit saw have values too."""
    design, cells, _ = columns([*CASES, (BONANZA_CREEK, 0.6, "wet_moist_tundra", -8.0)])
    assert design.own == tuple(field.name for field in GROUND.fields)
    for k, field in enumerate(GROUND.fields):
        values = np.asarray(cells.own)[:, k]
        assert np.all((field.lower < values) & (values < field.upper)), field.name
    assert np.any(np.asarray(cells.own)[0] != np.asarray(cells.own)[3])


def test_it_asks_for_columns_of_the_place():
    cells, _ = make(CASES, 1)
    design = dataclasses.replace(DESIGN, thermal=dataclasses.replace(THERMAL, from_place=False))
    with pytest.raises(InputError, match="set \\[model\\] soil_columns = 'place'"):
        with_own(design, cells, {}, GROUND)
    assert jtem.Model("Toolik", parameters=["jtem_ground"], **OPTIONS).setup.table.fields == GROUND.fields


@pytest.mark.parametrize("k", range(len(CASES)), ids=[case[2] for case in CASES])
def test_a_year_s_ground_has_the_derivatives_that_differences_have(k):
    """Annual soil temperature at three depths by each value of the overlay: forward mode and central differences."""
    design, cells, climate = columns(CASES)
    cell, year = (jax.tree.map(lambda leaf: leaf[k], part) for part in (cells, climate))

    def ground(own):
        column = step.derive(parameter_tree(), dataclasses.replace(cell, own=own), design)
        state = heat.start(year.air_temperature[0], column, design)
        _, made = years.many(lambda state, of: years.heat(state, of, cell, column, design=design), state, year)
        return made.months.soil_temperature.mean(axis=(0, 1))[jnp.array([0, 4, 9])]

    run = jax.jit(ground)
    exact = jax.jit(jax.jacfwd(ground))(cell.own)
    size = 1e-5 * np.abs(np.asarray(cell.own))
    slopes = [(run(cell.own + d) - run(cell.own - d)) / (2 * d.sum()) for d in np.diag(size)]
    assert TABLE.communities[int(cell.community)] == CASES[k][2]
    # measured: 8e-9 of the largest and 3e-9 K a unit, which is rounding over the step; the depth of rock is worth up to 2e-5
    np.testing.assert_allclose(exact, np.stack(slopes, axis=1), rtol=1e-6, atol=2e-8)
