"""Numbers of two independent programs of the same equations: derived parameters, equilibria with and without soil heat."""

import jax
import numpy as np
import pytest

from jtem import run, step
from jtem.physics import decomposition, nitrogen, photosynthesis, water
from jtem.run import spinup
from sites import BONANZA_CREEK, TABLE, TOOLIK, make, parameter_tree

SELECTION = run.Selection(
    annual=(
        ("vegetation_carbon", "mean"),
        ("net_primary_production", "sum"),
        ("nitrogen_uptake", "sum"),
        ("soil_carbon", "mean"),
    )
)
CASES = [
    (BONANZA_CREEK, 0.366, "boreal_forest", 0.0),
    (TOOLIK, 0.3665, "wet_moist_tundra", 0.0),
    (TOOLIK, 0.3706, "alpine_tundra_polar_desert", 0.0),
    (BONANZA_CREEK, 0.366, "boreal_forest", 0.0),
]
# second, independent implementation: vegetation carbon, NPP, N uptake, soil carbon
WITHOUT_HEAT = [(9800, 240, 2.50, 14610), (594, 95.0, 0.635, 7090), (343, 49.5, 0.382, 3370)]
WITH_HEAT = [(8880, 217, 2.28, 15950), (614, 98, 0.66, 11940), (367, 53, 0.41, 6680)]
MONTH_START = (9935, 243, 2.54, 14680)


def row(community):
    return step.select_community(parameter_tree(), TABLE.index(community))


@pytest.mark.parametrize(
    ("community", "psi", "expected"),
    [
        ("boreal_forest", 0.366, {"cmax": 590.3, "nmax": 122.1, "kdc": 0.00167, "nup": 24.98, "depth": 2.13}),
        ("wet_moist_tundra", 0.487, {"cmax": 551.1, "nmax": 66.9, "kdc": 0.00112, "nup": 49.0, "depth": 1.18}),
    ],
)
def test_derived_parameters(community, psi, expected):
    p, psi = row(community), jax.numpy.asarray(psi)
    found = {
        "cmax": photosynthesis.maximum_rate(psi, p.photosynthesis),
        "nmax": nitrogen.maximum_uptake(psi, p.nitrogen),
        "kdc": decomposition.rate_at_0C(psi, p.decomposition),
        "nup": decomposition.immobilization_parameter(psi, p.decomposition),
        "depth": water.rooting_depth(psi, p.water),
    }
    for name, value in expected.items():
        digits = {"kdc": 5e-6, "depth": 5e-3, "nup": 5e-2}.get(name, 5e-2)  # half a unit of the printed last digit
        assert float(found[name]) == pytest.approx(value, rel=1e-3, abs=digits), name


def equilibrium(design, years, cases):
    cells, climate = make(cases, 1)

    def one(cell, year):
        parameters = parameter_tree()
        _, state = run.course.start(parameters, cell, year, design=design)
        state, drift, _ = spinup.spin_up(state, year, cell, parameters, heat_years=60, years=years, design=design)
        controls = run.constant_controls(1, baseline=True)
        climate_year = jax.tree.map(lambda leaf: leaf[None], year)
        state, out = run.simulate(state, climate_year, cell, parameters, controls, design=design, selection=SELECTION)
        return {name: value[0] for name, value in out["annual"].items()}, drift

    first = jax.vmap(run.mean_year)(climate)
    return jax.jit(jax.vmap(one))(cells, first)


def compare(found, expected):
    vegetation, npp, uptake, soil = (np.asarray(found[n]) for n, _ in SELECTION.annual)
    for i, (c_v, production, n_up, c_s) in enumerate(expected):
        assert vegetation[i] == pytest.approx(c_v, rel=0.03)
        assert npp[i] == pytest.approx(production, rel=0.03)
        assert uptake[i] == pytest.approx(n_up, rel=0.03)
        assert soil[i] == pytest.approx(c_s, rel=0.12)


def test_equilibria_without_soil_heat():
    found, drift = equilibrium(step.Design(thermal=None), 1500, CASES[:3])
    compare(found, WITHOUT_HEAT)
    assert np.abs(drift.water).max() < 0.01
    assert np.abs(drift.net_ecosystem_production).max() < 1.0


def test_month_start_moisture_variant():
    found, _ = equilibrium(step.Design(thermal=None, month_mean_moisture=False), 1500, CASES[:1])
    compare(found, [MONTH_START])


def test_equilibria_with_soil_heat():
    found, drift = equilibrium(step.Design(), 1500, CASES[:3])
    compare(found, WITH_HEAT)
    assert np.abs(drift.net_ecosystem_production).max() < 1.0
