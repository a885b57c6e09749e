"""Equations G1-G5 of docs/model.md."""

import numpy as np
import pytest
from equations import a, along, branch, close, finite_slopes

from jtem.physics import photosynthesis

P = branch(
    "photosynthesis",
    maximum_rate_co2_slope=0.1,
    maximum_rate_co2_intercept=0.5,
    maximum_rate_slope=20.0,
    maximum_rate_intercept=30.0,
    co2_half_saturation=400.0,
    light_half_saturation=75.0,
    temperature_minimum=-1.0,
    temperature_optimum_minimum=10.0,
    temperature_optimum_maximum=20.0,
    temperature_maximum=25.0,
)


def test_g2_by_hand():
    close(photosynthesis.maximum_rate(a(0.5), P), 400 * 0.55 + 40.0)


@pytest.mark.parametrize(("ratio", "expected"), [(0.0, 0.0), (0.05, 0.12), (0.1, 0.19), (0.5, 0.55), (1.0, 1.0)])
def test_g3_conductance_by_hand(ratio, expected):
    close(photosynthesis.relative_conductance(a(ratio * 60.0), a(60.0)), expected)


def test_g3_conductance_is_continuous_rises_and_survives_a_month_without_demand():
    g = lambda r: float(photosynthesis.relative_conductance(a(r), a(1.0)))  # noqa: E731
    assert g(0.1 + 1e-9) - g(0.1) < 1e-8
    assert (np.diff([g(r) for r in np.linspace(0, 1, 101)]) > 0).all()
    close(photosynthesis.relative_conductance(a(0.0), a(0.0)), 0.0)


def test_g3_co2_and_g4_light_saturate():
    close(photosynthesis.co2_response(a([400.0, 1200.0, 800.0]), a([1.0, 1.0, 0.5]), P), [0.5, 0.75, 0.5])
    close(photosynthesis.co2_response(a(400.0), a(0.0), P), 0.0)
    close(photosynthesis.light_response(a([0.0, 75.0, 225.0]), P), [0.0, 0.5, 0.75])


def test_g5_by_hand():
    """At 5 degC, Topt 15: x = 6 (-20) = -120, 120/220; at 23 degC above Toptmax 20: x = 24 (-2) = -48, 48/57."""

    def f(*temperatures):
        return along(lambda t: photosynthesis.temperature_response(t, a(15.0), P), temperatures)

    close(f(5.0, 23.0), [120 / 220, 48 / 57])
    close(f(15.0, 18.0, 20.0), 1.0)
    close(f(-1.0, -30.0, 25.0, 40.0), 0.0)
    close(f(-0.999), 0.0, atol=2e-4)
    assert (np.diff(f(*np.linspace(-0.9, 15, 20))) > 0).all() and (np.diff(f(*np.linspace(20, 24.9, 20))) < 0).all()


def rate(**changed):
    values = dict(
        cmax=500.0, co2=400.0, evapotranspiration=30.0, potential_evapotranspiration=30.0,
        photosynthetic_radiation=75.0, air_temperature=18.0, optimum_temperature=15.0, relative_leaf=0.8,
        thawed_share=1.0,
    )  # fmt: skip
    return photosynthesis.climate_limited_rate(**{k: a(v) for k, v in (values | changed).items()}, p=P)


def test_g1_is_the_product_of_its_factors():
    close(rate(), 500 * 0.5 * 0.5 * 1.0 * 0.8)
    close(rate(thawed_share=0.25), 25.0)
    close(rate(relative_leaf=0.4), 50.0)
    close(rate(cmax=1000.0), 200.0)
    close(rate(evapotranspiration=1.5), 500 * (48 / 448) * 0.5 * 0.8)  # r = 0.05, g = 0.12
    for nothing in ({"thawed_share": 0.0}, {"photosynthetic_radiation": 0.0}, {"evapotranspiration": 0.0},
                    {"air_temperature": -1.0}):  # fmt: skip
        assert float(rate(**nothing)) == 0.0


def test_slopes_at_the_edges():
    finite_slopes(lambda e: photosynthesis.relative_conductance(e, a(0.0)), 0.0)
    finite_slopes(lambda e: photosynthesis.relative_conductance(e, a(50.0)), 0.0, 5.0, 50.0)
    finite_slopes(lambda t: photosynthesis.temperature_response(t, a(15.0), P), -30.0, -1.0, 15.0, 20.0, 25.0)
    finite_slopes(lambda c: photosynthesis.co2_response(c, a(0.0), P), 0.0)
