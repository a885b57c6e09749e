"""Equations W1-W10 of docs/model.md and P6."""

import math

import numpy as np
import pytest
from equations import a, along, branch, close, finite_slopes
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from jtem.physics import water

P = branch(
    "water", porosity_slope=28.0, porosity_intercept=35.0, field_capacity_slope=35.0, field_capacity_intercept=10.0,
    wilting_point_slope=20.0, wilting_point_intercept=5.0, rooting_depth_quadratic=-1.0, rooting_depth_linear=2.0,
    rooting_depth_constant=0.5, rooting_depth_minimum=0.6,
)  # fmt: skip
SOIL = water.SoilHydraulics(porosity=a(0.5), field_capacity=a(0.3), wilting_point=a(0.1), rooting_depth=a(1.2))


def test_w1_texture_by_hand():
    soil = water.hydraulics(a(0.5), P)
    close([soil.porosity, soil.field_capacity, soil.wilting_point, soil.rooting_depth], [0.49, 0.275, 0.15, 1.25])
    close(along(lambda psi: water.rooting_depth(psi, P), [0.01, 1.0]), [0.6, 1.5])


def test_w2_snow_or_rain():
    for temperature, share in ((-1.001, 1.0), (-1.0, 0.0), (5.0, 0.0)):
        snowfall, rain = water.snowfall_and_rain(a(40.0), a(temperature), P)
        close([snowfall, rain], [40 * share, 40 * (1 - share)])


@pytest.mark.parametrize(
    ("now", "before", "elevation", "share"),
    [(-1.1, -5, 100, 0), (-1.1, 5, 900, 0), (0, -5, 100, 1), (0, -5, 500, 1), (0, -5, 501, 0.5), (3, 0, 900, 1)],
)
def test_w3_melt(now, before, elevation, share):
    close(water.snowmelt(a(80.0), a(now), a(before), a(elevation), P), 80 * share)


def test_w4_water_in_the_thawed_part_of_the_root_zone():
    """300 mm in 1.2 m; thawed to 0.6 m: half of it less 60 mm that nobody reaches, of at most 0.2 0.6 m."""
    at = lambda sm, z: np.array(water.available_water(a(sm), a(z), SOIL, P))  # noqa: E731
    close(at(300.0, 0.6), [90.0, 120.0])
    close(at(300.0, 5.0), [180.0, 240.0])
    close(at(300.0, 0.0), at(300.0, 0.05))
    close(at(300.0, 0.05), [7.5, 10.0])
    close(at(100.0, 0.6)[0], 0.0)  # below the wilting point
    thin = water.SoilHydraulics(a(0.5), a(0.1), a(0.1), a(1.2))
    close(water.available_water(a(300.0), a(0.6), thin, P)[1], 1.0)


def expected_change(rain, pet, stored, largest, days):
    """Mean change of soil water a day: storms of exponential depth with chance p; without rain the soil dries by g PET."""
    chance = 1 - math.exp(-0.005 * rain)
    depth = rain / (days * chance)
    g = (1 - math.exp(-5 * stored / largest)) / (1 - math.exp(-5))
    demand, room = pet / days, largest - stored
    gain = lambda x: -g * (demand - x) if x < demand else min(x - demand, room)  # noqa: E731
    density = lambda x: gain(x) * math.exp(-x / depth) / depth  # noqa: E731
    kinks = [demand, demand + room]
    wet = sum(quad(density, *ends)[0] for ends in ((0, kinks[0]), kinks, (kinks[1], kinks[1] + 60 * depth)))
    return chance * wet - (1 - chance) * g * demand


@pytest.mark.parametrize(("rain", "pet", "stored", "largest"), [(20, 60, 50, 100), (5, 90, 20, 150), (40, 60, 70, 100)])
def test_w5_is_the_mean_over_random_storms(rain, pet, stored, largest):
    found = water.evapotranspiration(a(rain), a(pet), a(stored), a(largest), a(30.0), P)
    close(found, min(pet, rain - 30 * expected_change(rain, pet, stored, largest, 30)), rtol=1e-7)
    assert float(found) < pet


def test_w5_limits():
    eet = lambda r, w: float(water.evapotranspiration(a(r), a(60.0), a(w), a(100.0), a(30.0), P))  # noqa: E731
    assert eet(60.0, 0.0) == 60.0 == eet(200.0, 50.0)  # enough rain
    close([eet(0.0, 100.0), eet(0.0, 0.0)], [60.0, 0.0])  # full and empty soil without rain
    close(eet(0.0, 50.0), 60 * (1 - math.exp(-2.5)) / (1 - math.exp(-5)))
    assert (np.diff([eet(20.0, w) for w in range(0, 71, 10)]) > 0).all()


def balance(state, precipitation, temperature, eet, thawed=5.0, elevation=100.0):
    snowfall, rain = water.snowfall_and_rain(a(precipitation), a(temperature), P)
    melt = water.snowmelt(state.snowpack, a(temperature), state.previous_air_temperature, a(elevation), P)
    available, capacity = water.available_water(state.soil_water, a(thawed), SOIL, P)
    return water.balance(
        state, precipitation=a(precipitation), snowfall=snowfall, rain=rain, melt=melt, evapotranspiration=a(eet),
        potential=a(60.0), available=available, capacity=capacity, air_temperature=a(temperature),
        elevation=a(elevation), soil=SOIL, p=P,
    )  # fmt: skip


def stores(**given):
    values = dict.fromkeys(
        ("soil_water", "snowpack", "rain_groundwater", "snow_groundwater", "frozen_water", "previous_air_temperature",
         "air_temperature_two_months_ago"), 0.0,
    )  # fmt: skip
    return water.WaterState(**{name: a(value) for name, value in (values | given).items()})


def test_w6_w7_w8_by_hand():
    """340 mm of at most 360; 30 rain and 10 melt, 5 evaporate: 15 percolate, three quarters as rain."""
    start = stores(
        soil_water=340.0, snowpack=10.0, rain_groundwater=8.0, snow_groundwater=4.0, previous_air_temperature=-4.0
    )
    new, out = balance(start, 30.0, 2.0, 5.0)
    close([out.rain_percolation, out.snow_percolation, new.soil_water, new.snowpack], [11.25, 3.75, 360.0, 0.0])
    close([out.rain_runoff, out.snow_runoff], [0.5 * 19.25, 0.1 * 7.75])
    close([new.rain_groundwater, new.snow_groundwater], [0.5 * 19.25, 0.9 * 7.75])
    close([out.soil_water_mean, out.volumetric_moisture_mean, out.volumetric_moisture], [350.0, 0.35 / 1.2, 0.3])
    close([out.available_water, out.saturation, out.runoff], [240.0, 0.6, 0.5 * 19.25 + 0.1 * 7.75])
    close([new.previous_air_temperature, new.air_temperature_two_months_ago], [2.0, -4.0])
    close(balance(stores(), 0.0, 2.0, 0.0)[1].volumetric_moisture, 0.001)
    close(balance(stores(soil_water=120.0), 5.0, 2.0, 50.0)[1].evapotranspiration, 5.0)  # no more than there is


@pytest.mark.parametrize(
    ("now", "before", "earlier", "elevation", "share"),
    [(-2, 5, 5, 100, 0), (1, -2, -2, 900, 0.1), (1, 1, -2, 100, 0.5), (1, 1, -2, 501, 0.25), (1, 1, 1, 900, 0.5)],
)
def test_w7_share_of_the_snow_that_runs_off(now, before, earlier, elevation, share):
    close(water.snow_runoff_share(a(now), a(before), a(earlier), a(elevation), P), share)


@given(
    level=st.floats(0, 1), pack=st.floats(0, 400), rain=st.floats(0, 300), air=st.floats(-30, 25), eet=st.floats(0, 200),
    thawed=st.floats(0, 2), high=st.booleans(),
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_w9_nothing_is_lost_and_no_store_falls_below_zero(level, pack, rain, air, eet, thawed, high):
    start = stores(soil_water=120 + level * 240, snowpack=pack, rain_groundwater=20.0, snow_groundwater=10.0)
    new, out = balance(start, rain, air, eet, thawed, 900.0 if high else 100.0)
    kept = float(water.total_water(new) - water.total_water(start))
    close(kept, rain - float(out.evapotranspiration + out.runoff), atol=1e-9)
    close(out.water_residual, 0.0, atol=1e-9)
    assert min(float(x) for x in (new.soil_water, new.snowpack, new.rain_groundwater, new.snow_groundwater)) >= 0
    assert 0 <= float(out.evapotranspiration) <= eet


def test_w10_and_start():
    close(water.snow_on_ground(a([0.0, 1e-15, 0.01, 0.011, 50.0])), [0.0, 0.0, 0.0, 1.0, 1.0])
    start = water.initial_state(a(-20.0), a(-10.0), SOIL)
    close([start.soil_water, water.total_water(start)], 360.0)
    close([start.previous_air_temperature, start.air_temperature_two_months_ago], [-20.0, -10.0])


def test_p6_water_follows_the_active_layer_within_its_limits():
    state = stores(soil_water=200.0, frozen_water=50.0, rain_groundwater=3.0)
    cases = [(1.0, 0, 200), (1.1, 20, 220), (1.5, 50, 250), (0.9, -20, 180), (0.5, -80, 120)]
    for ratio, moved, soil in cases:
        new, exposed = water.expose_water(state, a(ratio), SOIL)
        close([exposed, new.soil_water, new.rain_groundwater, new.frozen_water], [moved, soil, 3, 50 - moved])
    new, exposed = water.expose_water(stores(soil_water=350.0, frozen_water=50.0), a(1.1), SOIL)
    close([exposed, new.soil_water, new.rain_groundwater], [35.0, 360.0, 25.0])  # above field capacity: groundwater


def test_slopes_at_the_edges():
    finite_slopes(lambda r: water.evapotranspiration(r, a(60.0), a(30.0), a(100.0), a(30.0), P), 0.0, 1e-3, 60.0)
    finite_slopes(lambda e: water.evapotranspiration(a(0.0), e, a(0.0), a(1.0), a(30.0), P), 0.001)
    finite_slopes(lambda w: water.evapotranspiration(a(20.0), a(60.0), w, a(100.0), a(30.0), P), 0.0, 100.0)
    finite_slopes(lambda z: water.available_water(a(300.0), z, SOIL, P)[0], 0.0, 0.05, 1.2)
