"""Equations W1-W14 of docs/model.md and P6."""

import dataclasses
import math

import jax
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
    rooting_depth_constant=0.5, rooting_depth_minimum=0.6, upper_root_share=0.75, drainage_slope=-2.0,
    drainage_intercept=5.0,
)  # fmt: skip
SOIL = water.SoilHydraulics(
    porosity=a(0.5), field_capacity=a(0.3), wilting_point=a(0.1), rooting_depth=a(1.2), drainage=a(4.0)
)


def test_w1_texture_by_hand():
    soil = water.hydraulics(a(0.5), P)
    close([soil.porosity, soil.field_capacity, soil.wilting_point, soil.rooting_depth], [0.49, 0.275, 0.15, 1.25])
    close([soil.drainage, soil.upper_depth], [4.0, 0.2])
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
    thin = dataclasses.replace(SOIL, field_capacity=a(0.1))
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
    wet = sum(quad(density, ends[0], ends[1])[0] for ends in ((0, kinks[0]), kinks, (kinks[1], kinks[1] + 60 * depth)))
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
    close(balance(stores(soil_water=360.0), 0.5, 2.0, 0.0)[1].rain_percolation, 0.5)  # of little rain, too
    close(balance(stores(soil_water=120.0), 5.0, 2.0, 50.0)[1].evapotranspiration, 5.0)  # no more than there is


@pytest.mark.parametrize(
    ("now", "before", "earlier", "elevation", "share"),
    [
        (-2, 5, 5, 100, 0),
        (1, -2, -2, 900, 0.1),
        (1, 1, -2, 100, 0.5),
        (1, 1, -2, 500, 0.5),
        (1, 1, -2, 501, 0.25),
        (1, 1, 1, 900, 0.5),
    ],
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
    assert start.upper_water is None
    start = water.initial_state(a(-20.0), a(-10.0), SOIL, layers=True)
    close([start.soil_water, water.total_water(start), start.upper_water], [360.0, 360.0, 60.0])
    close([start.previous_air_temperature, start.air_temperature_two_months_ago], [-20.0, -10.0])


def test_p6_water_follows_the_active_layer_within_its_limits():
    state = stores(soil_water=200.0, frozen_water=50.0, rain_groundwater=3.0)
    cases = [(1.0, 0, 200), (1.1, 20, 220), (1.5, 50, 250), (0.9, -20, 180), (0.5, -80, 120)]
    for ratio, moved, soil in cases:
        new, exposed = water.expose_water(state, a(ratio), SOIL)
        close([exposed, new.soil_water, new.rain_groundwater, new.frozen_water], [moved, soil, 3, 50 - moved])
    new, exposed = water.expose_water(stores(soil_water=350.0, frozen_water=50.0), a(1.1), SOIL)
    close([exposed, new.soil_water, new.rain_groundwater], [35.0, 360.0, 25.0])  # above field capacity: groundwater


# --- two layers: 0.2 m of 20 to 60 mm above 1 m of 100 to 300 mm ------------------------------------------------------------


def layers(soil_water, upper_water, thawed=1.2, upper_thawed=0.2, soil=SOIL):
    return water.two_layers(a(soil_water), a(upper_water), a(thawed), a(upper_thawed), soil, P)


def test_w11_by_hand():
    found = layers(280.0, 50.0, 0.5, 0.1)  # half of the upper 20 cm and 0.4 of the metre below are thawed
    close([found.upper_available, found.lower_available], [15.0, 230 * 0.4 - 40])
    close([found.upper_capacity, found.lower_capacity], [20.0, 80.0])
    close([found.upper_thawed, found.lower_thawed], [0.5, 0.4])
    dry = layers(110.0, 15.0)
    close([dry.upper_available, dry.lower_available], [0.0, 0.0])
    frozen = layers(280.0, 50.0, 0.0, 0.0)
    close([frozen.upper_available, frozen.lower_available, frozen.lower_capacity], [7.5, 0.0, 0.0])
    thin = layers(280.0, 50.0, soil=dataclasses.replace(SOIL, field_capacity=a(0.1)))
    close([thin.upper_capacity, thin.lower_capacity], [1.0, 0.0])
    none = layers(280.0, 50.0, soil=dataclasses.replace(SOIL, field_capacity=a(0.09)))  # below the wilting point
    close([none.upper_capacity, none.lower_capacity], [1.0, 0.0])
    close(layers(280.0, 50.0, 0.05, 0.1).lower_thawed, 0.0)  # roots in less than is thawed above
    autumn = layers(280.0, 50.0, 1.0, 0.0)  # the top froze, a metre below has not
    close([autumn.upper_thawed, autumn.lower_thawed], [0.25, 1.0])
    shallow = dataclasses.replace(SOIL, rooting_depth=a(0.1))
    close(shallow.upper_depth, 0.09)


@pytest.mark.parametrize("soil_water", [130.0, 300.0, 360.0])
def test_w11_equal_moisture_gives_w4(soil_water):
    """All thawed, and any moisture that is the same in both: the store of one layer."""
    found = layers(soil_water, soil_water / 6.0)
    available, capacity = water.available_water(a(soil_water), a(1.2), SOIL, P)
    close(found.upper_available + found.lower_available, available)
    close(found.upper_capacity + found.lower_capacity, capacity)


def test_w12_roots_share_and_layers_help_each_other():
    out = lambda e, **given: np.array(water.withdrawn(layers(**given), a(10.0), a(e), P))  # noqa: E731
    close(out(20.0, soil_water=300.0, upper_water=50.0), [15.0, 5.0])  # three quarters of the roots
    half = dict(soil_water=300.0, upper_water=50.0, thawed=0.7, upper_thawed=0.2)  # half of the lower layer is thawed
    close(out(21.0, **half), [18.0, 3.0])
    close(out(30.0, soil_water=300.0, upper_water=20.0), [10.0, 20.0])  # only the rain is left above
    close(out(30.0, soil_water=150.0, upper_water=50.0), [30.0, 0.0])  # nothing below
    close(out(30.0, soil_water=300.0, upper_water=50.0, thawed=0.2), [30.0, 0.0])  # frozen below
    close(out(500.0, soil_water=300.0, upper_water=50.0), [40.0, 150.0])  # all there is


@pytest.mark.parametrize("conductance", [0.0, 0.3, 120.0, 1e5])
def test_w13_the_implicit_step_is_solved(conductance):
    held = np.array([0.0, 1e-9, 0.5, 12.0, 40.0, 90.0, 400.0])
    left = np.array([water.drained(a(x), a(40.0), a(conductance)) for x in held])
    close(left + conductance * (left / 40.0) ** 4, held, rtol=1e-13)
    assert (left >= 0).all() and (np.diff(left) > 0).all()


def test_w13_limits():
    """Little water stays; much is left by a quarter power; a steady inflow is drained at the moisture where K is the inflow; and
    short steps follow the exact dx/dt = -k (x/C)^4."""
    close(water.drained(a(0.4), a(40.0), a(120.0)), 0.4, rtol=1e-4)
    close(water.drained(a(4e7), a(40.0), a(120.0)), 40 * (4e7 / 120) ** 0.25, rtol=1e-4)
    held = a(40.0)
    for _ in range(60):
        held = water.drained(held + 30.0, a(40.0), a(120.0))
    close(held, 40 * (30 / 120) ** 0.25)
    held, steps = a(40.0), 2000
    for _ in range(steps):
        held = water.drained(held, a(40.0), a(120.0 / steps))
    close(held, 40.0 * (1 + 3 * 120 / 40) ** (-1 / 3), rtol=1e-3)


def upper_after(soil_water, upper_water, rain=0.0, eet=0.0, thawed=1.2, upper_thawed=0.2):
    return water.upper_water_after(
        a(upper_water), layers(soil_water, upper_water, thawed, upper_thawed), water_input=a(rain),
        evapotranspiration=a(eet), days=a(30.0), soil=SOIL, p=P,
    )  # fmt: skip


def test_w13_by_hand():
    left = float(
        water.drained(a(34.0), a(40.0), a(120.0))
    )  # 30 mm above wilting, 10 rain, three quarters of 8 evaporate
    close(upper_after(250.0, 50.0, 10.0, 8.0), 20.0 + left)
    close(upper_after(360.0, 60.0), 60.0)  # below there is no room
    close(upper_after(357.0, 60.0), 57.0)  # room for three mm
    close(upper_after(357.0, 60.0, eet=8.0), 60.0 - 6.0 - 5.0)  # and for what roots took there: eight in all
    close(upper_after(300.0, 60.0, 500.0), 60.0)  # what exceeds field capacity leaves
    close(upper_after(200.0, 60.0, 0.0, 0.0, 0.2), 60.0)  # frozen below: nothing drains
    close(upper_after(200.0, 60.0, 25.0, 0.0, 0.2), 60.0)  # rain neither
    close(upper_after(150.0, 20.0), 20.0)  # at the wilting point


def test_w13_w6_water_that_leaves_the_upper_layer_is_below_or_percolates():
    """Both layers at once: never above field capacity nor below the wilting point, whatever comes."""
    rng = np.random.default_rng(5)
    upper, lower = 60.0, 300.0
    for _ in range(80):
        thawed = float(rng.choice([0.05, 0.15, 0.2, 0.6, 1.2]))
        rain, demand = rng.uniform(0, 120), rng.uniform(0, 150)
        made = layers(upper + lower, upper, thawed, min(thawed, 0.2))
        available = made.upper_available + made.lower_available
        new, out = water.balance(
            stores(soil_water=upper + lower), precipitation=a(rain), snowfall=a(0.0), rain=a(rain), melt=a(0.0),
            evapotranspiration=a(demand), potential=a(150.0), available=available,
            capacity=made.upper_capacity + made.lower_capacity, air_temperature=a(8.0), elevation=a(100.0), soil=SOIL,
            p=P,
        )  # fmt: skip
        after = water.upper_water_after(
            a(upper), made, water_input=a(rain), evapotranspiration=out.evapotranspiration, days=a(30.0), soil=SOIL, p=P
        )
        upper, lower = float(after), float(new.soil_water - after)
        close(out.water_residual, 0.0, atol=1e-9)
        assert 20 - 1e-9 <= upper <= 60 + 1e-9 and 100 - 1e-9 <= lower <= 300 + 1e-9, (upper, lower)


def test_w14_moisture_of_the_layers():
    _, out = balance(stores(soil_water=240.0), 0.0, 2.0, 0.0)
    close([out.volumetric_moisture_20cm, out.volumetric_moisture_20cm_mean], 0.2)  # one layer: the root zone's
    wet = water.with_layers(out, a(30.0), a(50.0), SOIL)
    close([wet.volumetric_moisture_20cm, wet.volumetric_moisture_20cm_mean], [0.25, 0.2])
    close(water.with_layers(out, a(0.0), a(0.0), SOIL).volumetric_moisture_20cm, 0.001)
    close(water.with_layers(out, a(0.0), a(0.0), SOIL).volumetric_moisture_20cm_mean, 0.001)
    close(water.moisture_below_20cm(a(0.25), a(0.15), SOIL), (0.3 - 0.03) / 1.0)
    close(water.moisture_below_20cm(a(0.01), a(0.3), SOIL), 0.001)


def test_p6_of_two_layers_is_the_lower_ones():
    state = dataclasses.replace(stores(soil_water=200.0, frozen_water=50.0), upper_water=a(40.0))
    for ratio, upper in ((1.0, 40.0), (1.1, 40.0), (0.9, 40.0), (0.5, 20.0)):
        new, _ = water.expose_water(state, a(ratio), SOIL)
        close(new.upper_water, upper)
    state = dataclasses.replace(stores(soil_water=330.0, frozen_water=90.0), upper_water=a(35.0))
    new, _ = water.expose_water(state, a(1.05), SOIL)  # five mm fit below, 11.5 go above
    close([new.soil_water, new.upper_water], [346.5, 46.5])
    shallow = dataclasses.replace(SOIL, rooting_depth=a(0.7))  # half a metre below: 150 mm at most
    state = dataclasses.replace(stores(soil_water=180.0, frozen_water=90.0), upper_water=a(35.0))
    new, _ = water.expose_water(state, a(1.1), shallow)
    close([new.soil_water, new.upper_water], [198.0, 48.0])


def test_slopes_of_two_layers_are_those_of_differences():
    """Of the new parameters and of the water itself, away from kinks; finite where it is dry, full or frozen."""

    def after(x, soil_water=250.0, thawed=0.9):
        share, drainage, upper = x
        p, soil = dataclasses.replace(P, upper_root_share=share), dataclasses.replace(SOIL, drainage=drainage)
        made = water.two_layers(a(soil_water), upper, a(thawed), a(min(thawed, 0.2)), soil, p)
        return water.upper_water_after(
            upper, made, water_input=a(12.0), evapotranspiration=a(20.0), days=a(30.0), soil=soil, p=p
        )

    x = a([0.7, 4.0, 50.0])
    slope = np.array([(after(x.at[i].add(h)) - after(x.at[i].add(-h))) / (2 * h) for i, h in enumerate((1e-5,) * 3)])
    close(jax.grad(after)(x), slope, rtol=1e-7)
    close(jax.jacfwd(after)(x), slope, rtol=1e-7)
    assert (np.abs(slope) > 1e-2).all()
    for soil_water, upper, thawed in ((120.0, 20.0, 1.2), (360.0, 60.0, 1.2), (360.0, 60.0, 0.0), (0.0, 0.0, 0.0)):
        assert np.isfinite(jax.grad(after)(a([0.7, 4.0, upper]), soil_water, thawed)).all()
    finite_slopes(lambda w: water.drained(w, a(40.0), a(120.0)), 0.0, 1e-12, 40.0)
    finite_slopes(lambda k: water.drained(a(30.0), a(40.0), k), 0.0, 120.0)
    finite_slopes(jax.grad(lambda w: water.drained(w, a(40.0), a(120.0))), 1.0, 40.0)


def test_slopes_at_the_edges():
    finite_slopes(lambda r: water.evapotranspiration(r, a(60.0), a(30.0), a(100.0), a(30.0), P), 0.0, 1e-3, 60.0)
    finite_slopes(lambda e: water.evapotranspiration(a(0.0), e, a(0.0), a(1.0), a(30.0), P), 0.001)
    finite_slopes(lambda w: water.evapotranspiration(a(20.0), a(60.0), w, a(100.0), a(30.0), P), 0.0, 100.0)
    finite_slopes(lambda z: water.available_water(a(300.0), z, SOIL, P)[0], 0.0, 0.05, 1.2)
