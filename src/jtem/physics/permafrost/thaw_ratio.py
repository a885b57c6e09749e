"""``thaw_ratio``: carbon, nitrogen and water follow the ratio of active-layer profiles (Liu et al. 2022; scheme A).

Equations docs/model.md#p3 to #p5.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jtem.numerics import safe
from jtem.physics.permafrost.profile import profile_share
from jtem.physics.permafrost.stores import (
    Access,
    ActivePools,
    Exposure,
    PermafrostParameters,
    PermafrostStore,
    Profile,
    Thaw,
)

RATIO = (0.5, 2.0)
"""Bounds of the ratio of a year's matter to that of the year before (docs/model.md#p3)."""


def ratio_thaw(thaw: Thaw, p: PermafrostParameters) -> Float[Array, "*cells"]:
    """Active layer of ``thaw_ratio`` (m): between the fronts, from its floor to the bottom of the frozen store."""
    return safe.clip(thaw.maximum_unfrozen_thickness, p.minimum_active_layer, p.profile_maximum_depth)


def profile_ratio(
    reference: Float[Array, "*cells"], current: Float[Array, "*cells"], p: PermafrostParameters
) -> Float[Array, "*cells"]:
    """``r = F(ALT_i)/F(ALT_{i-1})`` within [0.5, 2] (Liu et al. 2022, Eq. 1-2; SOC_i = SOC_{i-1} r)."""
    return safe.clip(profile_share(current, p) / profile_share(reference, p), *RATIO)


def frozen_per_active(reference: Float[Array, "*cells"], p: PermafrostParameters) -> Float[Array, "*cells"]:
    """``F(z_max)/F(ALT_0) - 1``, not below 0: matter of the frozen reservoir per matter above an active layer (m)."""
    return safe.maximum(0.0, profile_share(p.profile_maximum_depth, p) / profile_share(reference, p) - 1.0)


def begin_reservoir(
    store: PermafrostStore,
    active: ActivePools,
    thaw: Thaw,
    profile: Profile,
    p: PermafrostParameters,
) -> PermafrostStore:
    """``thaw_ratio``: ``frozen_X = X (F(z_max)/F(ALT_0) - 1)`` (docs/model.md#p4)."""
    reference = ratio_thaw(thaw, p)
    factor = frozen_per_active(reference, p)
    zero = jnp.zeros((1,), reference.dtype)
    return PermafrostStore(
        frozen_carbon=(active.carbon * factor)[None],
        frozen_organic_nitrogen=(active.organic_nitrogen * factor)[None],
        frozen_available_nitrogen=(active.available_nitrogen * factor)[None],
        thawed_carbon=zero,
        thawed_organic_nitrogen=zero,
        thawed_available_nitrogen=zero,
        reference_thaw=reference,
        base_thaw=reference,
    )


def access_rooting_share(
    store: PermafrostStore, rooting_depth: Float[Array, "*cells"], p: PermafrostParameters
) -> Access:
    """``thaw_ratio``: plants reach ``min(1, F(z_r)/F(ALT))`` of available N, microbes all (Liu et al. 2022)."""
    one = jnp.ones_like(rooting_depth)
    plant = safe.minimum(1.0, profile_share(rooting_depth, p) / profile_share(store.reference_thaw, p))
    return Access(carbon=one, microbial_nitrogen=one, plant_nitrogen=plant)


def access_root_zone_concentration(
    store: PermafrostStore, rooting_depth: Float[Array, "*cells"], p: PermafrostParameters
) -> Access:
    """``thaw_ratio_concentration``: microbes respond to the concentration of the root zone, as plants do.

    Uptake and immobilisation respond to ``c = N_av vsm^3/SM`` with SM the water of the root zone. Liu et al. (2022) scale
    available N *and* soil water by the same ratio, so c does not change when the active layer deepens. Here water is
    bounded by the root zone's storage; so that c keeps its meaning, the N over that water is that of the root zone,
    ``N_av F(z_r)/F(ALT)``, for both. All of N_av still bounds immobilisation.
    """
    shared = access_rooting_share(store, rooting_depth, p)
    return Access(carbon=shared.carbon, microbial_nitrogen=shared.plant_nitrogen, plant_nitrogen=shared.plant_nitrogen)


def expose_by_ratio(
    store: PermafrostStore,
    active: ActivePools,
    thaw: Thaw,
    move: Bool[Array, "*cells"],
    follow: Bool[Array, "*cells"],
    p: PermafrostParameters,
    *,
    irreversible: bool = False,
    from_inventory: bool = False,
) -> tuple[PermafrostStore, ActivePools, Exposure]:
    """``thaw_ratio``: ``X_i = X_{i-1} r`` (Liu et al. 2022); what X gains leaves the frozen store and back.

    ``move``: transfer matter; ``follow``: only let the reference follow the active layer (spin-up); neither: hold both.
    ``irreversible``: the running maximum of the active layer. ``from_inventory``: where r > 1 the frozen store gives
    ``frozen (F_i - F_{i-1})/(F(z_max) - F_{i-1})`` instead of ``X (r - 1)`` (docs/model.md#p4).
    """
    current = ratio_thaw(thaw, p)
    current = safe.maximum(current, store.reference_thaw) if irreversible else current
    current = jnp.where(move | follow, current, store.reference_thaw)
    ratio = jnp.where(move, profile_ratio(store.reference_thaw, current, p), 1.0)
    before, after = profile_share(store.reference_thaw, p), profile_share(current, p)
    remaining = jnp.where(move, 1.0, 0.0) * safe.divide(
        after - before, profile_share(p.profile_maximum_depth, p) - before, floor=1e-9
    )

    def moved(pool: Array, frozen: Array) -> Array:
        growth = (
            frozen * safe.clip(remaining, 0.0, 1.0) if from_inventory else safe.minimum(pool * (ratio - 1.0), frozen)
        )
        return jnp.where(ratio > 1.0, growth, pool * (ratio - 1.0))

    carbon = moved(active.carbon, store.frozen_carbon[0])
    organic = moved(active.organic_nitrogen, store.frozen_organic_nitrogen[0])
    available = moved(active.available_nitrogen, store.frozen_available_nitrogen[0])
    new_store = eqx.tree_at(
        lambda s: (s.frozen_carbon, s.frozen_organic_nitrogen, s.frozen_available_nitrogen, s.reference_thaw),
        store,
        (
            store.frozen_carbon - carbon[None],
            store.frozen_organic_nitrogen - organic[None],
            store.frozen_available_nitrogen - available[None],
            current,
        ),
    )
    new_active = ActivePools(
        carbon=active.carbon + carbon,
        organic_nitrogen=active.organic_nitrogen + organic,
        available_nitrogen=active.available_nitrogen + available,
    )
    return new_store, new_active, Exposure(carbon[None], organic[None], available[None])


def reservoir_above(
    store: PermafrostStore, depth: Float[Array, "*cells"], p: PermafrostParameters
) -> Float[Array, "layer *cells"]:
    """``thaw_ratio``: ``(F(z) - F(ALT))/(F(z_max) - F(ALT))`` of the reservoir lies above a depth (m; docs/model.md#t5)."""
    thawed, whole = profile_share(store.reference_thaw, p), profile_share(p.profile_maximum_depth, p)
    share = safe.divide(profile_share(depth, p) - thawed, whole - thawed, floor=1e-9)
    return safe.smooth_unit(share)[None]
