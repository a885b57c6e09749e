"""Forcing of observed sites as a calibration may ask for it: undercatch, measured snow, soil of the half-degree cell."""

import numpy as np

from jtem.assemble import calibration, validation
from jtem.plan import calibration as plans
from jtem.readers import climate_grid

PLAN = """
[calibration]
name = "forcing"
[history]
first = 1991
[errors]
floor = { soil_temperature = 2.0, active_layer_thickness = 0.1 }
[fit]
permafrost_error = 0.5
[validation]
[[data]]
source = "flux_sites"
streams = ["soil_temperature"]
sites = ["GL-ZaH", "US-Atq"]
soil_depths = { GL-ZaH = [0.05], US-Atq = [0.05] }
TOWER
[[data]]
source = "alaska"
path = "soil_temperature/alaska_monthly.csv"
streams = ["soil_temperature"]
sites = ["HOWA2", "Franklin Bluffs"]
surface = "half_degree"
STATION
[[data]]
source = "active_layer"
path = "active_layer/calm_alt.csv"
sites = ["U27", "M11"]
surface = "half_degree"
[[parameter]]
name = "soil_thermal.snow_density"
scope = "field"
bounds = [80.0, 500.0]
start = 250.0
"""


def made(data, tower="", station=""):
    plan = plans.parse(PLAN.replace("TOWER", tower).replace("STATION", station))
    return calibration.case(plan, data).problem


def test_forcing_and_soil_of_sites(shared_data):
    """Winter rain of a gauge that misses snow rises to the normal; a swept ridge has a tenth of its cell's; summers stay; texture
    and topsoil carbon are the cell's; where thaw is observed deep ground has a bound; sites that no fit sees are not fitted.
    """
    plain = made(shared_data)
    other = made(shared_data, 'undercatch = "normal"\nweather = "observed"', 'snow = "measured"')
    names = {name: k for k, name in enumerate(plain.sites)}
    rain, raised = plain.spin_up.precipitation, other.spin_up.precipitation
    atq, ridge, plain_site = names["US-Atq"], names["HOWA2"], names["Franklin Bluffs"]
    cold = plain.history.air_temperature[atq].mean(axis=0) < 0
    assert raised[atq][cold].sum() > 1.5 * rain[atq][cold].sum()
    np.testing.assert_allclose(raised[atq][6], rain[atq][6], rtol=0.1)
    below = plain.spin_up.air_temperature[ridge] < -5
    assert raised[ridge][below].sum() < 0.3 * rain[ridge][below].sum()
    np.testing.assert_allclose(raised[ridge][6], rain[ridge][6])
    np.testing.assert_allclose(raised[plain_site], rain[plain_site])  # no depth of its snow is known
    assert len({*plain.cells.silt_clay[[ridge, names["U27"], names["M11"]]]}) == 3
    assert np.ptp(plain.cells.soil_carbon_profile[[ridge, names["U27"]], 0]) > 0
    o = plain.observations
    assert o.bound is not None
    deep = np.flatnonzero(o.bound)
    assert {plain.sites[s] for s in o.site[deep]} <= {"U27"} and np.all(o.value[deep] == 0)  # M11 thaws 4.8 m
    untouched = [validation.hashed(name) % 3 == 0 for name in plain.sites]
    assert not o.fit[np.array(untouched)[o.site]].any()
    assert plain.covariates["annual_snowfall"].shape == (6,)


def test_topsoil_carbon_from_its_share():
    """1.4 percent of mineral soil hold 6 kg m-2 in 0-0.3 m, peat of 40 percent about 40."""
    made = climate_grid.topsoil_carbon(np.array([0.0, 1.4, 40.0]))
    np.testing.assert_allclose(made, [0.0, 6.06, 39.8], rtol=0.02)
