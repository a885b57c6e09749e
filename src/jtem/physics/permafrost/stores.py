"""Matter below the active pool: what a scheme keeps, gives and may move, and what happens where nothing does.

Stores of thawed or frozen matter have a leading ``layer`` axis of length 0 (none, tem6), 1 (thaw_ratio: one frozen reservoir)
or 25 (layered).

Equations docs/model.md#p1.
"""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jtem.numerics import safe
from jtem.parameters import parameter
from jtem.state import AnyArray


class PermafrostParameters(eqx.Module):
    """Depth profiles, exposure and depth control of permafrost carbon."""

    profile_half_depth: Float[Array, "*types"] = parameter(
        unit="m", description="depth that holds half of an infinite hyperbolic carbon profile", symbol="b", scale="log"
    )
    profile_reference_depth: Float[Array, "*types"] = parameter(
        unit="m", description="hyperbolic above, uniform density below", symbol="3 m", trainable=False
    )
    profile_maximum_depth: Float[Array, "*types"] = parameter(
        unit="m", description="bottom of the frozen store of thaw_ratio", symbol="z_max", trainable=False
    )
    minimum_active_layer: Float[Array, "*types"] = parameter(
        unit="m", description="floor of the active layer in ratios", trainable=False
    )
    tem6_share_maximum: Float[Array, "*types"] = parameter(
        unit="1", description="A of the accessible share A x/(B + x), x = ALT/rooting depth", symbol="PROPREACTA"
    )
    tem6_share_half: Float[Array, "*types"] = parameter(
        unit="1", description="B of the accessible share A x/(B + x)", symbol="PROPREACTB"
    )
    e_folding_depth: Float[Array, "*types"] = parameter(
        unit="m", description="depth control of decomposition, exp(-z/z_tau)", symbol="z_tau", scale="log"
    )
    inorganic_fraction: Float[Array, "*types"] = parameter(
        unit="1", description="share of thawed nitrogen that is available at once"
    )
    exposed_cn_scale: Float[Array, "*types"] = parameter(
        unit="1",
        description="C:N of permafrost over that of the active pool, or of the observed profile",
        scale="log",
    )
    deep_moisture_scale: Float[Array, "*types"] = parameter(
        unit="1", description="moisture of thawed layers below the roots over field capacity", symbol="deep_vsm"
    )
    frozen_moisture: Float[Array, "*types"] = parameter(unit="m3 m-3", description="liquid water of frozen layers")
    root_density_decline: Float[Array, "*types"] = parameter(
        unit="m-1",
        description="decline of root density with depth; at 0 layers within the roots give plants all their nitrogen",
        symbol="-100 ln beta",
    )


class PermafrostStore(eqx.Module):
    """Matter below the active pool (gC, gN m-2) and the thaw it refers to (m)."""

    frozen_carbon: Float[Array, "layer *cells"]
    frozen_organic_nitrogen: Float[Array, "layer *cells"]
    frozen_available_nitrogen: Float[Array, "layer *cells"]
    thawed_carbon: Float[Array, "layer *cells"]
    thawed_organic_nitrogen: Float[Array, "layer *cells"]
    thawed_available_nitrogen: Float[Array, "layer *cells"]
    reference_thaw: Float[Array, "*cells"]
    base_thaw: Float[Array, "*cells"]


class ActivePools(eqx.Module):
    """Soil matter of the active pool (gC, gN m-2)."""

    carbon: Float[Array, "*cells"]
    organic_nitrogen: Float[Array, "*cells"]
    available_nitrogen: Float[Array, "*cells"]


class Profile(NamedTuple):
    """Soil matter by layer (gC, gN m-2) as observed; without ``nitrogen`` it follows the C:N of the active pool."""

    carbon: Float[Array, "layer"]
    nitrogen: Float[Array, "layer"] | None = None


class Thaw(eqx.Module):
    """Thaw of a year (m): ground that thawed at any time; unfrozen thickness between the fronts, largest month."""

    active_layer_thickness: Float[AnyArray, "*cells"]
    maximum_unfrozen_thickness: Float[AnyArray, "*cells"]


class Exposure(eqx.Module):
    """Matter that thaw moved out of the frozen store in a year (g m-2 yr-1; negative: refrozen)."""

    carbon: Float[Array, "layer *cells"]
    organic_nitrogen: Float[Array, "layer *cells"]
    available_nitrogen: Float[Array, "layer *cells"]


class Access(eqx.Module):
    """Shares (0-1) of the active pool that decompose, whose N microbes see, whose N plants see."""

    carbon: Float[Array, "*cells"]
    microbial_nitrogen: Float[Array, "*cells"]
    plant_nitrogen: Float[Array, "*cells"]


def empty_store(layers: int, thaw: Float[Array, "*cells"]) -> PermafrostStore:
    """A store without matter; ``thaw`` (m) the active layer the pools refer to."""
    zero = jnp.zeros((layers,), thaw.dtype)
    return PermafrostStore(zero, zero, zero, zero, zero, zero, reference_thaw=thaw, base_thaw=thaw)


def begin_empty(
    store: PermafrostStore,
    active: ActivePools,
    thaw: Thaw,
    profile: Profile,
    p: PermafrostParameters,
) -> PermafrostStore:
    """``none`` and ``tem6``: nothing is frozen apart; the reference thaw is the active layer given."""
    return empty_store(0, thaw.active_layer_thickness)


def access_all(store: PermafrostStore, rooting_depth: Float[Array, "*cells"], p: PermafrostParameters) -> Access:
    """``none`` and ``layered``: the whole active pool."""
    one = jnp.ones_like(rooting_depth)
    return Access(carbon=one, microbial_nitrogen=one, plant_nitrogen=one)


def access_root_zone_share(
    store: PermafrostStore, rooting_depth: Float[Array, "*cells"], p: PermafrostParameters
) -> Access:
    """``tem6``: ``A x/(B + x)``, x = ALT/z_r < 1, else 1; nothing decomposes where ALT is at its floor; N by ALT/z_r."""
    relative = safe.minimum(store.reference_thaw / rooting_depth, 1.0)
    share = safe.minimum(1.0, p.tem6_share_maximum * relative / (p.tem6_share_half + relative))
    thawed = store.reference_thaw > p.minimum_active_layer
    carbon = jnp.where(relative < 1.0, jnp.where(thawed, share, 0.0), 1.0)
    return Access(carbon=carbon, microbial_nitrogen=relative, plant_nitrogen=relative)


def no_exposure(store: PermafrostStore, like: Float[Array, "*cells"]) -> Exposure:
    """Zero exposure with the layers of the store."""
    zero = jnp.zeros_like(store.frozen_carbon)
    return Exposure(zero, zero, zero)


def expose_nothing(
    store: PermafrostStore,
    active: ActivePools,
    thaw: Thaw,
    move: Bool[Array, "*cells"],
    follow: Bool[Array, "*cells"],
    p: PermafrostParameters,
) -> tuple[PermafrostStore, ActivePools, Exposure]:
    """``none`` and ``tem6``: no matter moves; the reference thaw follows the year's active layer unless held."""
    reference = jnp.where(move | follow, thaw.active_layer_thickness, store.reference_thaw)
    return eqx.tree_at(lambda s: s.reference_thaw, store, reference), active, no_exposure(store, reference)


def nothing_above(
    store: PermafrostStore, depth: Float[Array, "*cells"], p: PermafrostParameters
) -> Float[Array, "layer *cells"]:
    """``none`` and ``tem6``: nothing is frozen apart."""
    return jnp.zeros_like(store.frozen_carbon)
