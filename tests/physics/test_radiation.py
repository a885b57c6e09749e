"""Equations R1-R5 of docs/model.md."""

import math

import numpy as np
import pytest
from equations import a, along, branch, close, finite_slopes

from jtem.constants import DAYS_IN_MONTH
from jtem.physics import radiation

P = branch("radiation")


def test_r1_a_watt_in_calories():
    close(radiation.tem_radiation(a([0.0, 1.0, 100.0])), [0.0, 2.06402, 206.402], rtol=1e-5)


@pytest.mark.parametrize("latitude", [0.0, 45.0, -45.0, 60.0, 80.0])
def test_r2_hourly_sum_is_the_integral_over_the_day(latitude):
    """Closed form over a day: (24/pi) S0 (H sin sin + cos cos sin H), H the hour angle of sunset."""
    phi, day = math.radians(latitude), np.arange(1, 366)
    declination = math.radians(-23.4856) * np.cos(2 * np.pi * (day + 10) / 365.25)
    sunset = np.arccos(np.clip(-math.tan(phi) * np.tan(declination), -1, 1))
    distance = 1 - 0.016729 * np.cos(np.radians(0.9856 * (day - 4)))
    daily = 24 / math.pi * (1368 * 3600 / 41860) / distance**2
    daily *= sunset * math.sin(phi) * np.sin(declination) + math.cos(phi) * np.cos(declination) * np.sin(sunset)
    month = np.repeat(np.arange(12), DAYS_IN_MONTH.astype(int))
    expected = [daily[month == m].mean() for m in range(12)]
    np.testing.assert_allclose(radiation.top_of_atmosphere(np.array([latitude]))[0], expected, rtol=0.01)


def test_r2_polar_night_and_seasons():
    top = radiation.top_of_atmosphere(np.array([80.0, 0.0, -80.0]))
    assert top.shape == (3, 12) and top[0, 11] == 0 and top[2, 5] == 0
    assert top[0].argmax() == 5 and top[2].argmax() == 11
    # January is nearer to the sun: the southern summer is brighter
    assert 1.05 < top[2, 11] / top[0, 5] < 1.08


@pytest.mark.parametrize("count", [2, 256, 257, 513])
def test_r2_in_any_company(count):
    """Latitudes are worked once each and some at a time; neither changes a bit, nor does the order."""
    latitude = np.random.default_rng(count).uniform(-90.0, 90.0, count)
    top = radiation.top_of_atmosphere(latitude)
    order = np.r_[np.arange(count)[::-1], 0, 0]
    np.testing.assert_array_equal(radiation.top_of_atmosphere(latitude[order]), top[order])
    np.testing.assert_array_equal(radiation.top_of_atmosphere(latitude[-2:]), top[-2:])
    np.testing.assert_array_equal(radiation.top_of_atmosphere(np.full(3, latitude[0])), top[[0, 0, 0]])


def test_r3_cloudiness_by_hand_and_back():
    top = a([400.0, 400.0, 400.0, 400.0, 400.0, 0.0])
    light = a([0.251, 0.760, 0.5055, 0.9, 0.1, 0.0]) * top
    close(radiation.cloudiness(light, top, P), [100.0, 0.0, 50.0, 0.0, 100.0, 50.0], atol=1e-9)
    cloud = a(np.linspace(0, 100, 11))
    under = radiation.radiation_under_cloud(a(321.0) + 0 * cloud, cloud, P)
    assert (np.diff(under) < 0).all()
    close(under[0], 321.0 * 0.76)
    close(radiation.cloudiness(under, a(321.0) + 0 * cloud, P), cloud, atol=1e-9)


def test_r4_photosynthetic_radiation():
    close(along(lambda c: radiation.photosynthetic_radiation(a(200.0), c, P), [0, 50, 100]), [90.0, 110.0, 130.0])


def test_r5_potential_evapotranspiration_by_hand():
    """10 degC is 50 F: (0.7 - 0.37) 0.016742 300 30 = 49.72374 mm; below -3.1 degC only the floor is left."""
    pet = lambda t, q=300.0, n=30.0: radiation.potential_evapotranspiration(a(t), a(q), a(n), P)  # noqa: E731
    close(pet(10.0), 49.72374)
    close([pet(-20.0), pet(-3.2)], 0.001)
    close(pet(10.0, q=150.0), 49.72374 / 2)
    close(pet(10.0, n=31.0), 49.72374 * 31 / 30)
    close(pet(11.0) - pet(10.0), 0.014 * 1.8 * 0.016742 * 300 * 30)


def test_slopes_at_the_edges():
    finite_slopes(lambda t: radiation.potential_evapotranspiration(t, a(300.0), a(30.0), P), -40.0, -3.1, 10.0)
    finite_slopes(lambda q: radiation.cloudiness(q, a(0.0), P), 0.0)
    finite_slopes(lambda q: radiation.cloudiness(q, a(400.0), P), 0.0, 100.4, 304.0)
