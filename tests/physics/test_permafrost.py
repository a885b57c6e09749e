"""Equations P1-P5 and P7-P11 of docs/model.md, and what each scheme needs."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
import pytest
from equations import a, along, branch, close, finite_slopes
from hypothesis import given, settings
from hypothesis import strategies as st

from jtem.constants import LAYER_EDGES
from jtem.physics import permafrost as pf
from jtem.physics.permafrost import thaw_ratio

P = branch(
    "permafrost", profile_half_depth=0.5, profile_reference_depth=3.0, profile_maximum_depth=10.0, minimum_active_layer=0.05,
    tem6_share_maximum=1.2, tem6_share_half=0.24, e_folding_depth=0.75, inorganic_fraction=0.02, exposed_cn_scale=0.8,
    deep_moisture_scale=1.0, frozen_moisture=0.05, root_density_decline=0.0,
)  # fmt: skip
ACTIVE = pf.ActivePools(a(10000.0), a(500.0), a(2.0))
THICKNESS = np.diff(LAYER_EDGES)
PROFILE = pf.Profile(a(np.repeat([3000.0, 4000.0, 5000.0], [10, 10, 5])))
F = lambda z: z / (0.5 + z) if z <= 3 else (3 / 3.5) * (1 + (z - 3) * 0.5 / 10.5)  # noqa: E731 - equation P2
MOVE, HOLD = jnp.asarray(True), jnp.asarray(False)


def thaw(depth):
    return pf.Thaw(a(depth), a(depth))


def reservoir(active_layer):
    return pf.begin_reservoir(pf.empty_store(1, a(active_layer)), ACTIVE, thaw(active_layer), PROFILE, P)


def layers(base):
    return pf.begin_layers(pf.empty_store(25, a(base)), ACTIVE, thaw(base), PROFILE, P)


def total(store, pools):
    below = (store.frozen_carbon + store.thawed_carbon).sum() + pools.carbon
    organic = (store.frozen_organic_nitrogen + store.thawed_organic_nitrogen).sum() + pools.organic_nitrogen
    available = (store.frozen_available_nitrogen + store.thawed_available_nitrogen).sum() + pools.available_nitrogen
    return np.array([below, organic, available])


def test_what_the_schemes_need():
    fills = {name: scheme.fills for name, scheme in pf.SCHEMES.items()}
    assert fills == {
        "none": "never",
        "tem6": "never",
        "layered": "base_years",
        "layered_concentration": "base_years",
    } | {f"thaw_ratio{how}": "start" for how in ("", "_irreversible", "_inventory", "_concentration")}
    assert [s.name for s in pf.SCHEMES.values() if s.decomposes_layers] == ["layered", "layered_concentration"]
    assert [s.name for s in pf.SCHEMES.values() if not s.needs_heat] == ["none"]
    assert all(s.moves_water == (s.layers == 1) for s in pf.SCHEMES.values())


def test_none_moves_nothing():
    store = pf.begin_empty(pf.empty_store(0, a(0.3)), ACTIVE, thaw(0.8), PROFILE, P)
    assert store.frozen_carbon.shape == (0,) and float(store.reference_thaw) == 0.8
    for move, follow, reference in ((MOVE, HOLD, 1.5), (HOLD, MOVE, 1.5), (HOLD, HOLD, 0.8)):
        after, active, exposed = pf.expose_nothing(store, ACTIVE, thaw(1.5), move, follow, P)
        assert float(after.reference_thaw) == reference and active is ACTIVE and exposed.carbon.shape == (0,)
    assert float(pf.no_exposure(reservoir(1.0), a(1.0)).carbon.sum()) == 0.0
    access = pf.access_all(store, a(1.0), P)
    assert (float(access.carbon), float(access.microbial_nitrogen), float(access.plant_nitrogen)) == (1.0, 1.0, 1.0)


def test_p1_by_hand():
    """ALT half of the roots: 1.2 0.5/0.74 = 0.8108 of the carbon, half of the nitrogen; all at the roots' depth or below."""
    access = lambda alt: pf.access_root_zone_share(pf.empty_store(0, a(alt)), a(1.0), P)  # noqa: E731
    close([access(0.5).carbon, access(0.5).microbial_nitrogen, access(0.5).plant_nitrogen], [0.6 / 0.74, 0.5, 0.5])
    close([access(0.05).carbon, access(1.0).carbon, access(3.0).carbon], [0.0, 1.0, 1.0])
    close([access(0.999).carbon, access(3.0).plant_nitrogen], [1.2 * 0.999 / 1.239, 1.0])
    deeper = pf.access_root_zone_share(
        pf.empty_store(0, a(1.0)), a(2.0), dataclasses.replace(P, tem6_share_maximum=a(2.0))
    )
    close([deeper.carbon, deeper.plant_nitrogen], [1.0, 0.5])  # 2 0.5/0.74, but no more than all


def test_p2_by_hand_continuous_in_value_and_slope():
    share = lambda z: pf.profile_share(z, P)  # noqa: E731
    close(along(share, [0.5, 1.0, 3.0, 10.0]), [0.5, 2 / 3, 6 / 7, 6 / 7 * (1 + 3.5 / 10.5)])
    e = 1e-6
    at = along(share, [3 - e, 3, 3 + e])
    close(at[1] - at[0], at[2] - at[1], rtol=1e-4)
    close(pf.hyperbolic_share(a(2.0), a(0.5), a(3.0)), 0.8)


def test_p3_ratio_by_hand_and_within_its_bounds():
    ratio = lambda before, now: float(pf.profile_ratio(a(before), a(now), P))  # noqa: E731
    close([ratio(0.5, 1.0), ratio(1.0, 0.5), ratio(1.0, 1.0)], [4 / 3, 0.75, 1.0])
    close([ratio(0.05, 3.0), ratio(3.0, 0.05)], [2.0, 0.5])
    close([pf.ratio_thaw(thaw(d), P) for d in (0.0, 1.3, 60.5)], [0.05, 1.3, 10.0])


def test_p4_frozen_store_is_the_rest_of_the_profile():
    close(pf.frozen_per_active(a(1.0), P), F(10) / F(1) - 1)
    close(pf.frozen_per_active(a(10.0), P), 0.0)
    close(total(reservoir(1.0), ACTIVE), np.array([10000.0, 500.0, 2.0]) * F(10) / F(1))


@pytest.mark.parametrize(("now", "moved"), [(1.5, F(1.5) / F(1) - 1), (0.8, F(0.8) / F(1) - 1), (1.0, 0.0)])
def test_p3_p4_transfer_by_hand(now, moved):
    store = reservoir(1.0)
    after, active, exposed = pf.expose_by_ratio(store, ACTIVE, thaw(now), MOVE, HOLD, P)
    close([active.carbon, active.organic_nitrogen, active.available_nitrogen], np.array([10000, 500, 2]) * (1 + moved))
    close(exposed.carbon, [10000 * moved], atol=1e-9)
    close(total(after, active), total(store, ACTIVE))
    assert float(after.reference_thaw) == now


def test_p4_other_transfers_and_switches():
    store = reservoir(1.0)
    close(pf.expose_by_ratio(store, ACTIVE, thaw(0.8), MOVE, HOLD, P, irreversible=True)[2].carbon, [0.0])
    gained = pf.expose_by_ratio(store, ACTIVE, thaw(1.5), MOVE, HOLD, P, from_inventory=True)[2].carbon
    close(gained, [10000 * (F(10) / F(1) - 1) * (F(1.5) - F(1)) / (F(10) - F(1))])
    held, follows = (pf.expose_by_ratio(store, ACTIVE, thaw(1.5), HOLD, f, P) for f in (HOLD, MOVE))
    close([held[0].reference_thaw, follows[0].reference_thaw], [1.0, 1.5])
    close([held[2].carbon[0], follows[2].carbon[0]], 0.0)
    empty = pf.empty_store(1, a(1.0))
    close(pf.expose_by_ratio(empty, ACTIVE, thaw(1.5), MOVE, HOLD, P)[2].carbon, [0.0])  # nothing is made


def test_p5_by_hand():
    store = reservoir(1.0)
    plants = pf.access_rooting_share(store, a(0.5), P)
    close([plants.carbon, plants.microbial_nitrogen, plants.plant_nitrogen], [1.0, 1.0, 0.75])
    both = pf.access_root_zone_concentration(store, a(0.5), P)
    close([both.carbon, both.microbial_nitrogen, both.plant_nitrogen], [1.0, 0.75, 0.75])
    close(pf.access_rooting_share(store, a(2.0), P).plant_nitrogen, 1.0)


def test_p7_a_hyperbola_is_found_again_and_layers_keep_the_stocks():
    depth = np.array([0.3, 1.0, 2.0, 3.0])
    amplitude, half, falling = pf.fitted_hyperbola(depth, (40.0 * depth / (0.7 + depth))[None])
    close([amplitude[0], half[0]], [40.0, 0.7])
    assert falling.all()
    for slope, intercept in ((2.0, -0.1), (-0.1, 2.0)):  # z/C rises from below zero, or falls: no hyperbola
        ratio = slope * depth + intercept
        assert not pf.fitted_hyperbola(depth, (depth / ratio)[None])[2].any()
    stocks = np.diff(40.0 * depth / (0.7 + depth), prepend=0.0)
    found = pf.layers_from_intervals(stocks[None])[0]
    close([found[:3].sum(), found[3:10].sum(), found[10:15].sum(), found[15:20].sum()], stocks)
    close(found[:3], stocks[0] / 3)
    close(found[20:].sum(), 40 * (6 / 6.7 - 3 / 3.7))
    near = stocks * np.array([1.1, 0.9, 1.05, 0.95])  # near a hyperbola: what was observed stays, spread evenly
    close(pf.layers_from_intervals(near[None])[0][:20], np.repeat(near / [3, 7, 5, 5], [3, 7, 5, 5]))
    uniform = pf.layers_from_intervals(np.array([[0.3, 0.7, 1.0, 9.0]]))[0]  # density rises: that of 2-3 m goes on
    close(uniform[20:], 9.0 * THICKNESS[20:])
    top, bottom = pf.layer_edges(a(0.0))
    close([top[0], bottom[-1], (bottom - top).sum()], [0.0, 6.0, 6.0])
    assert [edge.shape for edge in pf.layer_edges(jnp.zeros(7))] == [(25, 1)] * 2


def test_p7_without_observations_the_hyperbola_gives_all_layers():
    depth = np.array([0.3, 1.0, 2.0, 3.0])
    stocks = np.diff(40.0 * depth / (0.7 + depth), prepend=0.0)
    edges = np.asarray(LAYER_EDGES)
    both = np.stack([stocks, stocks, [0.3, 0.7, 1.0, 9.0]])  # no hyperbola fits the last: its intervals stay
    found = pf.layers_from_intervals(both, np.array([True, False, True]))
    close(found[0], np.diff(40.0 * edges / (0.7 + edges)))
    close(found[1:], pf.layers_from_intervals(both[1:]))


def test_ground_thawed_beyond_the_profile_has_no_frozen_reservoir():
    deepest = float(P.profile_maximum_depth)
    share, none = (float(thaw_ratio.frozen_per_active(a(deepest * by), P)) for by in (0.5, 1.5))
    assert share > 0.0 and none == 0.0


def test_p8_inventory_by_hand():
    """Base 1.3 m: nothing above, half of the layer 1.2-1.4 m, all below; C:N 20 0.8, 2 % of the nitrogen available."""
    store = layers(1.3)
    expected = np.asarray(PROFILE.carbon) * np.r_[np.zeros(11), 0.5, np.ones(13)]
    close(store.frozen_carbon, expected)
    close(store.frozen_organic_nitrogen, expected / 16 * 0.98)
    close(store.frozen_available_nitrogen, expected / 16 * 0.02)
    assert float(store.thawed_carbon.sum()) == 0.0


def test_p8_nitrogen_of_the_profile_where_it_has_some():
    """Half of the layer 1.2-1.4 m, all below, over the scale of C:N of 0.8; carbon as without."""
    observed = PROFILE._replace(nitrogen=a(np.linspace(100.0, 340.0, 25)))
    store = pf.begin_layers(pf.empty_store(25, a(1.3)), ACTIVE, thaw(1.3), observed, P)
    expected = np.linspace(100.0, 340.0, 25) * np.r_[np.zeros(11), 0.5, np.ones(13)] / 0.8
    close(store.frozen_organic_nitrogen, expected * 0.98)
    close(store.frozen_available_nitrogen, expected * 0.02)
    close(store.frozen_carbon, layers(1.3).frozen_carbon)


def test_p8_thaw_by_hand():
    """From 1.3 to 1.9 m: the rest of 1.2-1.4 m, all to 1.8 m, half of 1.8-2.0 m; less thaw later gives nothing back."""
    store = layers(1.3)
    top, bottom = pf.layer_edges(a(0.0))
    close(pf.thawed_share(a(1.9), a(1.3), top, bottom), np.r_[np.zeros(11), 1, 1, 1, 0.5, np.zeros(10)], atol=1e-9)
    after, active, exposed = pf.expose_layers(store, ACTIVE, thaw(1.9), MOVE, HOLD, P)
    close(exposed.carbon, np.r_[np.zeros(11), 2000, 4000, 4000, 2000, np.zeros(10)], atol=1e-9)
    close(total(after, active), total(store, ACTIVE))
    again, _, nothing = pf.expose_layers(after, ACTIVE, thaw(1.5), MOVE, HOLD, P)
    assert float(again.reference_thaw) == 1.9 and float(nothing.carbon.sum()) == 0.0
    held, _, _ = pf.expose_layers(store, ACTIVE, thaw(1.9), HOLD, MOVE, P)
    close(held.reference_thaw, 1.3)


@given(depths=st.lists(st.floats(0.0, 8.0), min_size=1, max_size=5))
@settings(max_examples=15, deadline=None)
def test_p8_the_order_of_years_does_not_matter(depths):
    step_by_step = layers(0.8)
    for depth in depths:
        step_by_step, _, _ = pf.expose_layers(step_by_step, ACTIVE, thaw(depth), MOVE, HOLD, P)
    at_once, _, _ = pf.expose_layers(layers(0.8), ACTIVE, thaw(max(depths)), MOVE, HOLD, P)
    close(step_by_step.thawed_carbon, at_once.thawed_carbon, rtol=1e-9, atol=1e-6)
    close(total(step_by_step, ACTIVE), total(layers(0.8), ACTIVE), rtol=1e-12)


def test_p9_p10_p11_by_hand():
    constants = pf.layer_constants(25, a(0.95), a(0.3), P)
    close(np.asarray(constants.depth_weight)[[0, 10, 24]], [math.exp(-z / 0.75) for z in (0.05, 1.1, 5.5)])
    close(constants.within_roots, np.r_[np.ones(10), np.zeros(15)])  # middles to 0.95 m
    close(constants.root_access, constants.within_roots)
    close(constants.thickness, THICKNESS)
    fewer = pf.layer_constants(25, a(0.95), a(0.3), dataclasses.replace(P, root_density_decline=a(2.0)))
    close(fewer.root_access[:2], [math.exp(-0.1), math.exp(-0.3)])
    phi = a(np.r_[np.ones(9), 0.5, 0.25, np.zeros(22)])
    found = pf.layer_environment(constants, phi, a(0.4), P)
    moisture = np.r_[np.full(9, 0.4), 0.225, 0.25 * 0.3 + 0.75 * 0.05, np.full(14, 0.05)]
    close(found.moisture, moisture)
    close(found.water, 1000 * THICKNESS * moisture)
    found = pf.layer_environment(constants, phi, a(0.4), P, a(0.2))  # two layers of soil water: 0-20 cm have their own
    close(found.moisture, np.r_[0.2, 0.2, moisture[2:]])
    none = pf.layer_constants(0, a(1.0), a(0.3), P)
    assert none.thickness.shape == (0,) and pf.layer_environment(none, phi, a(0.4), P).water.shape == (0,)


def test_slopes_at_the_edges():
    finite_slopes(lambda z: pf.profile_share(z, P), 0.0, 3.0, 10.0)
    finite_slopes(lambda z: pf.profile_ratio(a(0.05), z, P), 0.05, 10.0)
    top, bottom = pf.layer_edges(a(0.0))
    finite_slopes(lambda z: pf.thawed_share(z, a(1.0), top, bottom), 0.0, 1.0, 1.2, 6.0, 60.0)
    finite_slopes(lambda z: pf.thawed_share(a(7.0), z, top, bottom), 0.0, 1.2, 6.0, 60.0)
    finite_slopes(lambda n: pf.access_root_zone_share(pf.empty_store(0, n), a(1.0), P).carbon, 0.05, 1.0)
