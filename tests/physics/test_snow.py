"""Equations S2-S4 of docs/model.md: snow as the ground feels it."""

import numpy as np
from equations import a, along, close, finite_slopes
from hypothesis import given, settings
from hypothesis import strategies as st

from jtem.physics import snow

DAYS = 30.4375  # of one of the twelve equal months


def test_s2_by_hand():
    """50 mm, 8 mm of new snow in four sub-steps at -5, -1, 1, 8 degC, 4 mm per degree and day."""
    end, mean = snow.degree_day_snow(a(50.0), a([-5.0, -1.0, 1.0, 8.0]), a(8.0), a(4.0))
    after = [52.0, 54.0, 56.0 - 4 * DAYS / 4]
    after.append(max(0.0, after[-1] + 2 - 32 * DAYS / 4))
    assert after[-1] == 0.0
    close(end, 0.0)
    close(mean, (np.array([50.0, *after[:-1]]) + after) / 2)


@given(
    pack=st.floats(0, 500),
    new=st.floats(0, 200),
    air=st.lists(st.floats(-40, 25), min_size=6, max_size=6),
    factor=st.floats(0.5, 10),
)
@settings(max_examples=40, deadline=None)
def test_s2_never_melts_more_than_there_is(pack, new, air, factor):
    end, mean = snow.degree_day_snow(a(pack), a(air), a(new), a(factor))
    assert 0 <= float(end) <= pack + new + 1e-9 and (np.asarray(mean) >= 0).all()
    if max(air) <= 0:
        close(end, pack + new, atol=1e-9)


def test_s3_conductivity_and_resistance_by_hand():
    """Sturm: 10^(2.65 0.25 - 1.652) = 0.102447 W m-1 K-1 at 250 kg m-3; 100 mm lie 0.4 m deep: 3.9045 m2 K W-1."""
    close(snow.snow_conductivity(a([250.0, 350.0])), [0.102447, 0.188582], rtol=2e-4)
    close(snow.snow_resistance(a(100.0), a(250.0)), 0.4 / 10 ** (0.6625 - 1.652))
    close(snow.snow_resistance(a(-1.0), a(250.0)), 0.0)
    close(snow.snow_resistance(a(9999.0), a(250.0)), 12.0 / 10 ** (0.6625 - 1.652))  # 3 m of water and no more


def test_s4_by_hand():
    at = lambda t, w: snow.surface_temperature(a(t), a(w), a(10.0), a(1.2), a(0.9))  # noqa: E731
    close(at(10.0, 0.0), 12.0)
    close(at(10.0, 10.0), 6.0)  # half covered
    close(at(10.0, 990.0), 0.12)
    close([at(-10.0, 0.0), at(-10.0, 500.0)], [-9.0, -9.0])  # cold air reaches the surface of the snow
    close(at(0.0, 50.0), 0.0)


def test_cover_is_made_of_these():
    air = a([-5.0, -1.0, 1.0, 8.0])
    over = snow.cover(
        a(50.0), air, a(8.0), density=a(250.0), melt_factor=a(4.0), half_cover=a(10.0), factor_thaw=a(1.2),
        factor_freeze=a(0.9),
    )  # fmt: skip
    end, mean = snow.degree_day_snow(a(50.0), air, a(8.0), a(4.0))
    close(over.snow, end)
    close(over.water_equivalent, mean)
    close(over.resistance, np.asarray(mean) / 250 / 10 ** (0.6625 - 1.652))
    close(over.surface_temperature[:2], [-4.5, -0.9])
    close(over.surface_temperature[3], 1.2 * 8.0 * 10 / (10 + float(mean[3])))


def test_slopes_at_the_edges():
    finite_slopes(lambda w: snow.degree_day_snow(w, a([5.0, 5.0]), a(0.0), a(4.0))[0], 0.0, 304.375, 400.0)
    finite_slopes(lambda w: snow.snow_resistance(w, a(250.0)), 0.0, 3000.0)
    finite_slopes(lambda t: snow.surface_temperature(t, a(0.0), a(10.0), a(1.0), a(1.0)), 0.0)


def test_s5_fresh_snow_by_hand():
    close(snow.fresh_snow_density(a([0.0, -2.59, 5.0])), [119.17, 67.92 + 51.25 / np.e, 119.17])


def test_s7_by_hand():
    """0.673 m: 450 - 204.7/0.673 (1 - 1/e) = 257.74; melting 250 more; a thin pack 304.16 less than a deep one."""
    at = along(lambda t: snow.settled_density(a(0.673), t, a(450.0), a(204.7)), [-10.0, 0.0, 4.0])
    close(at, 450 - 204.7 / 0.673 * (1 - 1 / np.e) + np.array([0.0, 125.0, 250.0]))
    # no snow counts as 1e-4 of 0.673 m; of very deep snow the exponential is nil
    close(snow.settled_density(a(0.0), a(-10.0), a(450.0), a(204.7)), 450 - 204.7 / 0.673 * (1 - np.exp(-1e-4)) / 1e-4)
    close(snow.settled_density(a(1e4), a(-10.0), a(450.0), a(204.7)), 450 - 204.7 / 1e4)


def test_s6_by_hand():
    """Without time to settle, depths of fresh snow add, melt takes its share; where settling takes none, sub-steps end at S7."""
    air = a([-5.18, -2.59, 1.0])
    water, depth, _, depths = snow.settling_snow(a(0.0), a(0.0), air, a(30.0), a(0.5), a(450.0), a(204.7), a(1e12))
    fresh = 67.92 + 51.25 * np.exp([-2.0, -1.0, 0.0])
    piled, pile = 10.0, 10.0 / fresh[0]
    first = pile
    piled, pile = piled + 10.0, pile + 10.0 / fresh[1]
    before, pile = piled + 10.0, pile + 10.0 / fresh[2]
    left = before - 0.5 * DAYS / 3
    close(water, left)
    close(depth, pile * left / before)
    close(depths[0], first / 2)
    water, depth, _, _ = snow.settling_snow(
        a(100.0), a(0.5), a([-20.0] * 6), a(0.0), a(4.0), a(500.0), a(204.7), a(1e-3)
    )
    close(water, 100.0)
    sunk = 0.5
    for _ in range(6):  # each sub-step reaches the density of the depth that it found
        sunk = 100.0 / max(100.0 / sunk, 500 - 204.7 / sunk * (1 - np.exp(-sunk / 0.673)))
    close(depth, sunk)


@given(
    pack=st.floats(0, 500),
    density=st.floats(60, 500),
    new=st.floats(0, 200),
    air=st.lists(st.floats(-40, 25), min_size=6, max_size=6),
    factor=st.floats(0.5, 10),
)
@settings(max_examples=40, deadline=None)
def test_s6_keeps_the_water_of_s2_and_snow_only_grows_denser(pack, density, new, air, factor):
    end, mean = snow.degree_day_snow(a(pack), a(air), a(new), a(factor))
    water, depth, again, depths = snow.settling_snow(
        a(pack), a(pack / density), a(air), a(new), a(factor), a(450.0), a(204.7), a(4.0)
    )
    close(water, end, atol=1e-12)
    close(again, mean, atol=1e-12)
    assert (np.asarray(depths) >= 0).all() and np.isfinite(float(depth))
    if float(water) > 1e-3:
        assert 1 / (1 / min(density, 68.0) + 1e-9) <= float(water / depth) * 1.0001 and float(water / depth) <= 701


def test_settling_cover_is_made_of_these():
    air = a([-5.0, -1.0, 1.0, 8.0])
    given_ = dict(melt_factor=a(0.4), half_cover=a(10.0), factor_thaw=a(1.2), factor_freeze=a(0.9))
    over = snow.settling_cover(
        a(50.0),
        air,
        a(8.0),
        depth=a(0.25),
        deep_density=a(450.0),
        load=a(204.7),
        settling_time=a(4.0),
        snowfall_ratio=a(1.5),
        **given_,
    )
    water, depth, mean, depths = snow.settling_snow(a(50.0), a(0.25), air, a(12.0), a(0.4), a(450.0), a(204.7), a(4.0))
    close(over.snow, water)
    close(over.depth, depth)
    close(over.mean_depth, np.asarray(depths).mean())
    density = np.asarray(mean) / np.asarray(depths)
    close(over.resistance, np.asarray(depths) / 10 ** (2.650e-3 * density - 1.652))
    plain = snow.cover(a(50.0), air, a(12.0), density=a(200.0), **given_)
    close(over.surface_temperature, plain.surface_temperature)
    lit = snow.cover(a(50.0), air, a(12.0), density=a(200.0), **given_, excess=a(3.0))
    close(lit.surface_temperature - plain.surface_temperature, 3.0 * 10 / (10 + np.asarray(plain.water_equivalent)))


def test_slopes_of_settling_at_the_edges():
    def depth(w):
        return snow.settling_snow(w, 0.004 * w, a([-5.0, 5.0]), a(0.0), a(4.0), a(450.0), a(204.7), a(4.0))[1]

    finite_slopes(depth, 0.0, 100.0, 400.0)
    finite_slopes(lambda t: snow.fresh_snow_density(t), 0.0, -300.0)
    finite_slopes(lambda z: snow.settled_density(z, a(0.0), a(450.0), a(204.7)), 0.0, 1e-5, 50.0)
