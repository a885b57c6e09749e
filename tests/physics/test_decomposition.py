"""Equations D2-D6 of docs/model.md."""

import math

import numpy as np
from equations import a, along, branch, close, finite_slopes
from hypothesis import given, settings
from hypothesis import strategies as st

from jtem.physics import decomposition

P = branch(
    "decomposition", rate_slope=-0.002, rate_intercept=0.0015, litter_quality_exponent=-0.784, litter_cn_reference=50.0,
    litter_to_soil_fraction=0.5, immobilization_slope=10.0, immobilization_intercept=20.0,
)  # fmt: skip


def test_d2_temperature_by_hand():
    close(along(lambda t: decomposition.temperature_response(t, a(0.069)), [0, 10, -10]), [1.0, 1.993716, 0.501576])
    assert abs(math.exp(0.69) / 2 - 1) < 0.005  # a doubling in 10 degC, to half a percent


def test_d3_moisture_by_hand():
    """Between 0 and 1 with the optimum at 0.5: at 0.25 x = -0.1875 and x/(x - 0.0625) = 0.75; the same at 0.75."""
    f = lambda m, optimum=0.5: float(decomposition.moisture_response(a(m), a(0.0), a(optimum), a(1.0)))  # noqa: E731
    close([f(0.25), f(0.75), f(0.5)], [0.75, 0.75, 1.0])
    assert [f(0.0), f(1.0), f(-0.1), f(1.2)] == [0.0] * 4
    close(f(0.3, optimum=0.6), 0.21 / (0.21 + 0.09))
    close(decomposition.moisture_response(a(0.3), a(0.1), a(0.5), a(0.9)), 0.12 / (0.12 + 0.04))
    assert (np.diff([f(m) for m in np.linspace(0.01, 0.5, 20)]) > 0).all()
    close(f(1e-5), 4e-5, rtol=1e-3)  # falls to 0 without a jump


def test_d4_rate_from_texture_and_litter():
    close(along(lambda psi: decomposition.rate_at_0C(psi, P), [0.25, 0.75, 1.0]), [0.001, 0.0, 0.0])
    kd = lambda c, n: float(decomposition.litter_quality_rate(a(0.001), a(c), a(n), P))  # noqa: E731
    close(kd(100.0, 2.0), 0.001)  # litter as at calibration
    close(kd(200.0, 2.0), 0.001 * 0.580756, rtol=1e-5)  # twice the C:N: 2^-0.784
    close(kd(1e6, 1.0), 0.001 * 20**-0.784)  # C:N held at 1000
    close(kd(1.0, 10.0), 0.001 * 50**0.784)  # and at 1
    assert kd(0.0, 0.0) == kd(5.0, 0.0) == kd(0.0, 5.0) == 0.001  # a year without litter


def test_d5_by_hand():
    """0.26299 + 1.14757/2 - 0.42956/4 = 0.729385."""
    close(decomposition.decay(P), 0.729385)
    close(decomposition.immobilization_parameter(a(0.5), P), 25.0)
    negative = branch("decomposition", immobilization_slope=-50.0, immobilization_intercept=20.0)
    close(decomposition.immobilization_parameter(a(0.5), negative), 0.0)


def mineralized(respiration=10.0, carbon=10000.0, nitrogen=500.0, concentration=0.01, parameter=0.1, soil_cn=25.0):
    return tuple(
        float(x)
        for x in decomposition.net_mineralization(
            respiration=a(respiration), carbon=a(carbon), organic_nitrogen=a(nitrogen),
            available_per_water=a(concentration), immobilization=a(parameter), half_saturation=a(0.01),
            decay_share=a(0.8), soil_cn=a(soil_cn),
        )
    )  # fmt: skip


def test_d6_by_hand():
    """C:N 20: gross 10/20 = 0.5; immobilised 0.1 (1/2) 0.8 10 = 0.4; net 0.1, drawn to C:N 25 by 25/20."""
    close(mineralized(), (0.125, 0.5, 0.4))
    close(mineralized(parameter=0.2), (-0.3 * 20 / 25, 0.5, 0.8))  # immobilisation prevails: the other way
    close(mineralized(soil_cn=20.0)[0], 0.1)  # at its ratio soil keeps it
    close(mineralized(concentration=0.0), (0.5 * 1.25, 0.5, 0.0))
    close(mineralized(respiration=0.0), (0.0, 0.0, 0.0))
    close(mineralized(carbon=0.0, nitrogen=0.0, respiration=0.0), (0.0, 0.0, 0.0))
    close(mineralized(carbon=0.0, nitrogen=0.0)[1], 10 / 25)  # an empty pool has the ratio it is drawn to
    close(mineralized(nitrogen=1e-12)[1], 10 / 25)  # so has one at the edge of being empty
    close(mineralized(carbon=1e-9, nitrogen=2e-9)[1], 10 / 25)
    close(mineralized(carbon=2e-9, nitrogen=2e-9)[1], 10.0)


@given(nitrogen=st.floats(100, 2000), parameter=st.floats(0, 1), concentration=st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_d6_both_branches_pull_towards_one_ratio(nitrogen, parameter, concentration):
    net, gross, immobilized = mineralized(nitrogen=nitrogen, parameter=parameter, concentration=concentration)
    before = gross - immobilized
    richness = nitrogen / 400  # soil C:N is 25 at 1
    close(net, before * (richness if before >= 0 else 1 / richness), rtol=1e-12)


def test_slopes_at_the_edges():
    moisture = lambda m: decomposition.moisture_response(m, a(0.0), a(0.5), a(1.0))  # noqa: E731
    finite_slopes(moisture, -0.1, 0.0, 0.5, 1.0, 1.2)
    finite_slopes(lambda n: decomposition.litter_quality_rate(a(0.001), a(50.0), n, P), 0.0, 1e-9, 1.0)

    def net(carbon):
        return decomposition.net_mineralization(
            respiration=a(0.0), carbon=carbon, organic_nitrogen=a(0.0), available_per_water=a(0.0),
            immobilization=a(0.1), half_saturation=a(0.01), decay_share=a(0.8), soil_cn=a(20.0),
        )[0]  # fmt: skip

    finite_slopes(net, 0.0, 1e-9)
