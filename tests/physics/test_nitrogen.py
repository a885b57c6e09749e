"""Equations N1-N12 of docs/model.md."""

import numpy as np
from equations import a, along, branch, close, finite_slopes
from hypothesis import given, settings
from hypothesis import strategies as st

from jtem.physics import nitrogen

P = branch(
    "nitrogen", uptake_maximum_slope_sandy=100.0, uptake_maximum_intercept_sandy=10.0, uptake_maximum_slope_fine=-20.0,
    uptake_maximum_intercept_fine=60.0, uptake_maximum_cut=0.5, uptake_half_saturation=0.002, labile_maximum_fraction=0.25,
    store_half_saturation=0.05,
    production_cn=80.0, production_cn_minimum=0.0, vegetation_cn_slope=20.0, vegetation_cn_intercept=100.0,
    vegetation_cn_minimum=105.0, co2_effect_on_cn=4e-4, reference_co2=340.0, loss_rate=0.1, fixation_slope=0.00102,
    fixation_intercept=0.00437,
)  # fmt: skip
H = 0.25


def test_n1_by_hand():
    """0.3^3/300 = 9e-5 mm-1; water counts as 0.01 mm at least."""
    close(nitrogen.conductivity_per_water(a([0.3, 0.3, 0.6]), a([300.0, 0.0, 300.0])), [9e-5, 2.7, 72e-5])


def test_n2_by_hand():
    close(along(lambda psi: nitrogen.maximum_uptake(psi, P), [0.2, 0.5, 0.51]), [30.0, 60.0, 49.8])

    def uptake(**changed):
        values = dict(nmax=20.0, foliage=0.5, available=0.002, temperature_factor=1.5) | changed
        return nitrogen.unlimited_uptake(**{k: a(v) for k, v in values.items()}, p=P)

    close(uptake(), 20 * 0.5 * 0.5 * 1.5)  # half saturation
    close([uptake(available=0.0), uptake(available=1e9)], [0.0, 15.0])
    close(uptake(nmax=40.0, foliage=0.25), uptake())


def couple(form=nitrogen.couple, step=H, **changed):
    values = dict(
        potential_gpp=120.0, maintenance_respiration=20.0, growth_fraction=0.2, potential_uptake=0.5, labile_supply=0.3,
        litterfall_carbon=40.0, litterfall_nitrogen=0.4, vegetation_carbon=9000.0, structural_nitrogen=60.0,
        labile_nitrogen=1.0, production_cn=80.0, vegetation_cn=120.0,
    ) | changed  # fmt: skip
    return form(**{k: a(v) for k, v in values.items()}, step=step, p=P)


def test_n4_nitrogen_limits_by_hand():
    """NPP_pot = 0.8 100 = 80 > 80 (0.5 + 0.3) = 64: growth takes a quarter of 64, GPP falls to 100."""
    found = couple()
    close([found.net_primary_production, found.growth_respiration, found.gross_primary_production], [64.0, 16.0, 100.0])
    close([found.structural_uptake, found.labile_uptake, found.mobilization], [0.5, 0.0, 0.3])


def test_n3_resorption_by_hand():
    """Litter of 40 gC at C:N 80 would carry 0.5 gN: 0.1 above 0.4 is resorbed by (60/9000) 120 = 0.8 of it."""
    close([couple().resorption, couple().litterfall_nitrogen], [0.08, 0.4])
    rich = couple(litterfall_nitrogen=0.9)  # richer than production: no resorption, litter at C:N 80
    close([rich.resorption, rich.litterfall_nitrogen], [0.0, 0.5])


def test_n5_n6_n7_carbon_limits_by_hand():
    """NPP_pot = 40 < 64: P = 50, U = 0.5 (1 - (30/80)^2) = 0.4296875; need 0.5 = 0.3 stored + 0.2 taken up. Storage takes
    the rest up to a quarter of (60 + h (0.2 - 0.4 - 0.08 + 0.3)).
    """
    found = couple(potential_gpp=70.0)
    close([found.net_primary_production, found.growth_respiration, found.gross_primary_production], [40.0, 10.0, 70.0])
    close([found.mobilization, found.structural_uptake, found.labile_uptake], [0.3, 0.2, 0.2296875])
    cap = 0.25 * (60 + H * (0.2 - 0.4 - 0.08 + 0.3))
    full = couple(potential_gpp=70.0, labile_nitrogen=cap + H * (-0.08 + 0.3 - 0.1))
    close(full.labile_uptake, 0.1)  # only 0.1 more fits
    stored = couple(potential_gpp=35.0)  # NPP 12: need 0.15 is all in store
    close([stored.mobilization, stored.structural_uptake], [0.15, 0.0])


def test_n6_a_loss_of_carbon_returns_nitrogen_to_storage():
    """GPP - Rm = -16 without growth respiration: need -0.2 times (N/C) B = 0.8."""
    found = couple(potential_gpp=4.0)
    close([found.net_primary_production, found.growth_respiration], [-16.0, 0.0])
    close([found.mobilization, found.structural_uptake], [-0.16, 0.0])


@given(
    gpp=st.floats(0, 300), respiration=st.floats(0, 100), uptake=st.floats(0, 3), supply=st.floats(0, 3),
    litter=st.floats(0, 100), litter_nitrogen=st.floats(0, 2), labile=st.floats(0, 30),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_production_never_has_more_nitrogen_than_there_is(
    gpp, respiration, uptake, supply, litter, litter_nitrogen, labile
):
    f = couple(
        potential_gpp=gpp, maintenance_respiration=respiration, potential_uptake=uptake, labile_supply=supply,
        litterfall_carbon=litter, litterfall_nitrogen=litter_nitrogen, labile_nitrogen=labile,
    )  # fmt: skip
    npp, growth = float(f.net_primary_production), float(f.growth_respiration)
    close(float(f.gross_primary_production), npp + growth + respiration, rtol=1e-9, atol=1e-9)
    assert float(f.gross_primary_production) <= gpp + 1e-9 and growth >= 0
    assert float(f.structural_uptake) >= -1e-12 and float(f.labile_uptake) >= -1e-12
    assert float(f.structural_uptake + f.labile_uptake) <= uptake + 1e-12
    assert float(f.mobilization) <= supply + 1e-12 and float(f.litterfall_nitrogen) <= litter_nitrogen + 1e-12
    if npp > 1e-6:  # new tissue has the C:N of production, or less where uptake is cut short of the need
        used = float(f.structural_uptake + f.mobilization)
        assert used <= npp / 80 + 1e-9

    g = couple(
        nitrogen.couple_by_store, potential_gpp=gpp, maintenance_respiration=respiration, potential_uptake=uptake,
        labile_supply=supply, litterfall_carbon=litter, litterfall_nitrogen=litter_nitrogen, labile_nitrogen=labile,
    )  # fmt: skip
    npp, growth = float(g.net_primary_production), float(g.growth_respiration)
    close(float(g.gross_primary_production), npp + growth + respiration, rtol=1e-9, atol=1e-9)
    assert float(g.gross_primary_production) <= gpp + 1e-9 and 0.0 <= float(g.labile_uptake) <= uptake + 1e-12
    assert H * float(g.mobilization) <= labile + 1e-12
    if npp > 1e-6:
        close(float(g.mobilization), npp / 80, rtol=1e-9)


def test_n12_a_store_that_lasts_the_season_by_hand():
    """1 gN in store, half of what 60 gN of tissue need is met by 0.05 60 = 3 gN: s = 1/4, NPP = 80/4 in a short step."""
    found = couple(nitrogen.couple_by_store, step=1e-9, labile_nitrogen=1.0)
    close(
        [found.net_primary_production, found.growth_respiration, found.gross_primary_production],
        [20.0, 5.0, 45.0],
        rtol=1e-8,  # the step of 1e-9 months itself
    )
    close(
        [found.mobilization, found.labile_uptake, found.structural_uptake], [0.25, 0.5 * (1 - 1 / 16), 0.0], rtol=1e-8
    )
    close([found.resorption, found.litterfall_nitrogen], [0.08, 0.4])
    slow = couple(nitrogen.couple_by_store, labile_nitrogen=1.0)  # a quarter of a month of the rate 1/4 month-1
    close(slow.mobilization, -np.expm1(-0.25 * 0.25) / 0.25)


def test_n12_months_share_the_store():
    """Two months alike but for uptake grow alike from the same store; with N4 each grows by its own uptake."""
    fed, starved = (couple(nitrogen.couple_by_store, potential_uptake=u).net_primary_production for u in (0.5, 0.0))
    close(fed, starved)
    fed, starved = (couple(potential_uptake=u).net_primary_production for u in (0.5, 0.0))
    close(fed - starved, 80 * 0.5)
    loss = couple(nitrogen.couple_by_store, potential_gpp=0.0)
    close(loss.mobilization, couple(potential_gpp=0.0).mobilization)  # a loss of carbon returns nitrogen in both


def test_the_two_limits_meet():
    """At u = 1 both sides give the same production and the same uptake by plants' tissue."""
    low, high = couple(potential_gpp=100.0 - 1e-9), couple(potential_gpp=100.0 + 1e-9)
    for name in ("net_primary_production", "gross_primary_production", "structural_uptake", "mobilization"):
        close(getattr(low, name), getattr(high, name), rtol=1e-8)


def test_n8_by_hand():
    """0.1 (2/300) (50 - 20 + 1200)/1200 gN; nothing where soil dries faster than it holds."""

    def lost(eet, water=300.0):
        return nitrogen.drained_loss(
            available_nitrogen=a(2.0), soil_water=a(water), water_input=a(50.0), evapotranspiration=a(eet),
            rooting_depth=a(1.2), p=P,
        )  # fmt: skip

    close(lost(20.0), 0.1 * 2 / 300 * 1230 / 1200)
    close([lost(5000.0), lost(50.0, water=0.0)], [0.0, 0.1 * 2 / 0.01])
    close(along(lambda e: nitrogen.fixation(e, P), [0.0, 0.1, 50.0]), [0.0, 0.0, 0.05537])


def test_n9_by_hand():
    def ratios(relative, co2):
        return np.array(nitrogen.vegetation_cn(a(relative), a(co2), a(7.0), P))

    close(ratios(0.8, 340.0), [116.0, 80.0])
    close(ratios(0.1, 340.0), [105.0, 80.0])  # its floor
    close(ratios(0.8, 680.0), [116 * 1.136, 80 * 1.136])


def test_tissue_follows_photosynthesis():
    """Both C:N by the factor of fertilization, whatever dc2n; 1.385 for 680 ppm at kc = 400: (680/1080) / (340/740)."""
    made = nitrogen.vegetation_cn_by_photosynthesis(a(0.8), a(1e9), a(1.385), P)
    close(np.array(made), [116 * 1.385, 80 * 1.385])


def test_slopes_at_the_edges():
    finite_slopes(lambda n: couple(potential_uptake=n, labile_supply=0.0).net_primary_production, 0.0)
    finite_slopes(lambda c: couple(vegetation_carbon=c, structural_nitrogen=0.0).resorption, 0.0, 1e-6)
    finite_slopes(lambda g: couple(potential_gpp=g).labile_uptake, 0.0, 20.0, 100.0)
    finite_slopes(lambda w: nitrogen.conductivity_per_water(a(0.0), w), 0.0, 0.01)


def test_n10_n11_deep_losses_by_hand():
    """A tenth moves; 20 mm through 50 mm of water: 0.04 a month; a hundredth of 2 gN mineralised leaves as gas, of -1 nothing."""
    rate = nitrogen.leaching_rate(a(20.0), a([50.0, 0.0]), a([0.1, 0.1]))
    close(rate, [0.04, 2.0])  # at least 1 mm of water
    close(nitrogen.gaseous_loss(a([2.0, -1.0]), a([0.01, 0.01])), [0.02, 0.0])
