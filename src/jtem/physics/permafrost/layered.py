"""``layered``: 25 layers to 6 m from observed profiles, decomposed one by one once thawed (Liu et al. 2024; scheme B).

Equations docs/model.md#p8 to #p11.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jtem.constants import CARBON_LAYERS, UPPER_SOIL
from jtem.numerics import safe
from jtem.numerics.layers import to_layers
from jtem.physics.permafrost.profile import layer_edges
from jtem.physics.permafrost.stores import ActivePools, Exposure, PermafrostParameters, PermafrostStore, Profile, Thaw


class LayerConstants(eqx.Module):
    """What stays fixed for the thawed layers of a cell: depth weight, whether the layer lies within the roots (0 or 1), the
    share of its available N that roots reach (0-1), thickness (m), moisture of thawed ground below the roots (m3 m-3).
    """

    depth_weight: Float[Array, "layer *cells"]
    within_roots: Float[Array, "layer *cells"]
    root_access: Float[Array, "layer *cells"]
    thickness: Float[Array, "layer *cells"]
    deep_moisture: Float[Array, "layer *cells"]


class LayerEnvironment(eqx.Module):
    """What decomposition of thawed layers feels in a month: moisture (m3 m-3), water (mm)."""

    moisture: Float[Array, "layer *cells"]
    water: Float[Array, "layer *cells"]


def thawed_share(
    thaw_depth: Float[Array, "*cells"],
    base: Float[Array, "*cells"],
    top: Float[Array, "layer ..."],
    bottom: Float[Array, "layer ..."],
) -> Float[Array, "layer *cells"]:
    """``theta_k = clip((A - max(top, H))/(bottom - max(top, H)), 0, 1)``: thawed share of a layer's permafrost."""
    start = safe.maximum(top, base[None])
    return safe.smooth_unit(safe.divide(thaw_depth[None] - start, bottom - start, floor=1e-9))


def begin_layers(
    store: PermafrostStore,
    active: ActivePools,
    thaw: Thaw,
    profile: Profile,
    p: PermafrostParameters,
) -> PermafrostStore:
    """``layered``: inventory below the base active layer H, ``SOC_k (bottom - max(top, H))/dz`` (docs/model.md#p8).

    Nitrogen: that of ``profile``, else C over the C:N of the active pool; over ``exposed_cn_scale``. ``inorganic_fraction`` of
    it is available once thawed.
    """
    base = thaw.active_layer_thickness
    top, bottom = layer_edges(base)
    share = safe.maximum(0.0, bottom - safe.maximum(top, base)) / (bottom - top)
    carbon = profile.carbon * share
    if profile.nitrogen is None:
        nitrogen_per_carbon = safe.divide(active.organic_nitrogen, active.carbon, floor=1e-6) / p.exposed_cn_scale
        nitrogen = carbon * nitrogen_per_carbon
    else:
        nitrogen = profile.nitrogen * share / p.exposed_cn_scale
    zero = jnp.zeros_like(carbon)
    return PermafrostStore(
        frozen_carbon=carbon,
        frozen_organic_nitrogen=nitrogen * (1.0 - p.inorganic_fraction),
        frozen_available_nitrogen=nitrogen * p.inorganic_fraction,
        thawed_carbon=zero,
        thawed_organic_nitrogen=zero,
        thawed_available_nitrogen=zero,
        reference_thaw=base,
        base_thaw=base,
    )


def expose_layers(
    store: PermafrostStore,
    active: ActivePools,
    thaw: Thaw,
    move: Bool[Array, "*cells"],
    follow: Bool[Array, "*cells"],
    p: PermafrostParameters,
) -> tuple[PermafrostStore, ActivePools, Exposure]:
    """``layered``: the running maximum A of the yearly active layer moves ``theta_k`` of each layer's inventory from the
    frozen to the thawed store (Liu et al. 2024; docs/model.md#p8); written as the share of what is still frozen.
    """
    top, bottom = layer_edges(store.reference_thaw)
    deepest = jnp.where(move, safe.maximum(store.reference_thaw, thaw.active_layer_thickness), store.reference_thaw)
    before = thawed_share(store.reference_thaw, store.base_thaw, top, bottom)
    after = thawed_share(deepest, store.base_thaw, top, bottom)
    share = safe.divide(after - before, 1.0 - before, floor=1e-9)
    exposure = Exposure(
        carbon=share * store.frozen_carbon,
        organic_nitrogen=share * store.frozen_organic_nitrogen,
        available_nitrogen=share * store.frozen_available_nitrogen,
    )
    new_store = PermafrostStore(
        frozen_carbon=store.frozen_carbon - exposure.carbon,
        frozen_organic_nitrogen=store.frozen_organic_nitrogen - exposure.organic_nitrogen,
        frozen_available_nitrogen=store.frozen_available_nitrogen - exposure.available_nitrogen,
        thawed_carbon=store.thawed_carbon + exposure.carbon,
        thawed_organic_nitrogen=store.thawed_organic_nitrogen + exposure.organic_nitrogen,
        thawed_available_nitrogen=store.thawed_available_nitrogen + exposure.available_nitrogen,
        reference_thaw=deepest,
        base_thaw=store.base_thaw,
    )
    return new_store, active, exposure


def layers_above(
    store: PermafrostStore, depth: Float[Array, "*cells"], p: PermafrostParameters
) -> Float[Array, "layer *cells"]:
    """``layered``: share of each layer's frozen matter above a depth (m); evenly below the thaw (docs/model.md#t5)."""
    top, bottom = layer_edges(depth)
    return thawed_share(depth, store.reference_thaw, top, bottom)


def layer_constants(
    layers: int,
    rooting_depth: Float[Array, "*cells"],
    field_capacity: Float[Array, "*cells"],
    p: PermafrostParameters,
) -> LayerConstants:
    """Depth weight ``exp(-z_k/z_tau)`` at mid-depth z_k and root access of the layers (docs/model.md#p9, docs/model.md#p11).

    Roots reach a layer whose middle lies above z_r, and of its available N the share ``exp(-k z_k)``, root density there
    over that at the surface, ``k = -100 ln beta`` (Jackson et al. 1996: the share of roots above a depth of d cm is
    1 - beta^d). k = 0, the default, gives plants all of it. Below the roots thawed ground is at field capacity.
    """
    if layers != CARBON_LAYERS:
        zero = jnp.zeros((layers,), rooting_depth.dtype)
        return LayerConstants(zero, zero, zero, zero, zero)
    top, bottom = layer_edges(rooting_depth)
    middle = 0.5 * (top + bottom)
    within_roots = (middle <= rooting_depth).astype(rooting_depth.dtype)
    return LayerConstants(
        depth_weight=jnp.exp(-middle / p.e_folding_depth),
        within_roots=within_roots,
        root_access=within_roots * jnp.exp(-p.root_density_decline * middle),
        thickness=bottom - top,
        deep_moisture=jnp.broadcast_to(p.deep_moisture_scale * field_capacity, middle.shape),
    )


def layer_environment(
    constants: LayerConstants,
    thawed_fraction: Float[Array, "heat_layer *cells"],
    root_moisture: Float[Array, "*cells"],
    p: PermafrostParameters,
    upper_moisture: Float[Array, "*cells"] | None = None,
) -> LayerEnvironment:
    """Moisture and water of the thawed layers in a month (docs/model.md#p10).

    Layers within the roots have the root zone's moisture, deeper ones ``deep_moisture``; the frozen share of the month
    (1 - phi_k) has ``frozen_moisture``. Where soil water is two layers those above 20 cm have ``upper_moisture``, and
    ``root_moisture`` is that of the root zone below.
    """
    layers = constants.within_roots.shape[0]
    if layers != CARBON_LAYERS:
        zero = jnp.zeros_like(constants.within_roots)
        return LayerEnvironment(zero, zero)
    wet = jnp.where(constants.within_roots > 0.5, to_layers(root_moisture, layers), constants.deep_moisture)
    if upper_moisture is not None:
        top, bottom = layer_edges(upper_moisture)
        wet = jnp.where(0.5 * (top + bottom) < UPPER_SOIL, to_layers(upper_moisture, layers), wet)
    phi = thawed_fraction[:CARBON_LAYERS]
    moisture = phi * wet + (1.0 - phi) * to_layers(p.frozen_moisture, layers)
    return LayerEnvironment(moisture=moisture, water=1000.0 * constants.thickness * moisture)
