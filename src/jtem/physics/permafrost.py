"""Permafrost carbon: four schemes behind one signature.

``none``        all soil carbon is always accessible
``tem6``        share of the root zone's carbon by active layer over rooting depth (Hayes et al. 2014; Kicklighter et al. 2019)
``thaw_ratio``  C, N and water follow the ratio of active-layer thickness (Liu et al. 2022; scheme A)
                ``_irreversible``, ``_inventory``: other transfers; ``_concentration``: N that microbes see as plants do
``layered``     25 layers to 6 m from observed profiles, decomposed layer by layer once thawed (Liu et al. 2024, Eq. 1; B)

A scheme is a tuple of functions; a plan's word becomes one at the door. Stores of thawed or frozen matter have a trailing
``layer`` axis of length 0 (none, tem6), 1 (thaw_ratio: one frozen reservoir) or 25 (layered).
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jtem.constants import CARBON_LAYERS, LAYER_EDGES
from jtem.numerics import safe
from jtem.numerics.layers import to_layers
from jtem.parameters import parameter


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
        unit="1", description="C:N of permafrost over C:N of the active soil pool", scale="log"
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


class Thaw(eqx.Module):
    """Thaw of a year (m): ground that thawed at any time; unfrozen thickness between the fronts, largest month."""

    active_layer_thickness: Float[Array, "*cells"]
    maximum_unfrozen_thickness: Float[Array, "*cells"]


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


class PermafrostScheme(NamedTuple):
    """The one signature; every function is pure and for one cell."""

    name: str
    layers: int
    moves_water: bool
    begin: Callable
    access: Callable
    expose: Callable


# --- profile -------------------------------------------------------------------------------------------------------


def profile_share(depth: Float[Array, "..."], p: PermafrostParameters) -> Float[Array, "..."]:
    """:func:`hyperbolic_share` with the parameters of a cell."""
    return hyperbolic_share(depth, p.profile_half_depth, p.profile_reference_depth)


def hyperbolic_share(
    depth: Float[Array, "..."], b: Float[Array, "..."], reference: Float[Array, "..."]
) -> Float[Array, "..."]:
    """``F(z) = z/(b + z)`` to 3 m, ``F(3) (1 + (z - 3) b/(3 (b + 3)))`` below: hyperbolic, then uniform density.

    Liu et al. (2022), Eq. 1-2; the amplitude cancels because only ratios are used. z, b, reference (3 m) in m.
    """
    above = depth / (b + depth)
    below = reference / (b + reference) * (1.0 + (depth - reference) * b / (reference * (b + reference)))
    return jnp.where(depth <= reference, above, below)


def layer_edges(like: Float[Array, "*cells"]) -> tuple[Float[Array, "layer ..."], Float[Array, "layer ..."]]:
    """Top and bottom (m) of the 25 layers, shaped to combine with values of cells like ``like`` into (layer, cell) arrays."""
    edges = np.asarray(LAYER_EDGES).reshape((-1,) + (1,) * like.ndim)
    return jnp.asarray(edges[:-1], like.dtype), jnp.asarray(edges[1:], like.dtype)


def thawed_share(
    thaw_depth: Float[Array, "*cells"],
    base: Float[Array, "*cells"],
    top: Float[Array, "layer ..."],
    bottom: Float[Array, "layer ..."],
) -> Float[Array, "layer *cells"]:
    """``theta_k = clip((A - max(top, H))/(bottom - max(top, H)), 0, 1)``: thawed share of a layer's permafrost."""
    start = safe.maximum(top, base[None])
    return safe.smooth_unit(safe.divide(thaw_depth[None] - start, bottom - start, floor=1e-9))


# --- stores --------------------------------------------------------------------------------------------------------


def empty_store(layers: int, thaw: Float[Array, "*cells"]) -> PermafrostStore:
    """A store without matter; ``thaw`` (m) the active layer the pools refer to."""
    zero = jnp.zeros((layers,), thaw.dtype)
    return PermafrostStore(zero, zero, zero, zero, zero, zero, reference_thaw=thaw, base_thaw=thaw)


def begin_empty(
    store: PermafrostStore,
    active: ActivePools,
    thaw: Thaw,
    profile: Float[Array, "layer"],
    p: PermafrostParameters,
) -> PermafrostStore:
    """``none`` and ``tem6``: nothing is frozen apart; the reference thaw is the active layer given."""
    return empty_store(0, thaw.active_layer_thickness)


def begin_reservoir(
    store: PermafrostStore,
    active: ActivePools,
    thaw: Thaw,
    profile: Float[Array, "layer"],
    p: PermafrostParameters,
) -> PermafrostStore:
    """``thaw_ratio``: ``frozen_X = X (F(z_max)/F(ALT_0) - 1)`` (tem.md section 9.1)."""
    reference = ratio_thaw(thaw, p)
    factor = safe.maximum(0.0, profile_share(p.profile_maximum_depth, p) / profile_share(reference, p) - 1.0)
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


def begin_layers(
    store: PermafrostStore,
    active: ActivePools,
    thaw: Thaw,
    profile: Float[Array, "layer"],
    p: PermafrostParameters,
) -> PermafrostStore:
    """``layered``: inventory below the base active layer H, ``SOC_k (bottom - max(top, H))/dz`` (tem.md section 10.2).

    ``profile`` (gC m-2 per layer) is the observed one. Nitrogen: C over the C:N of the active pool times
    ``exposed_cn_scale``; ``inorganic_fraction`` of it is available once thawed.
    """
    base = thaw.active_layer_thickness
    top, bottom = layer_edges(base)
    share = safe.maximum(0.0, bottom - safe.maximum(top, base)) / (bottom - top)
    carbon = profile * share
    nitrogen_per_carbon = safe.divide(active.organic_nitrogen, active.carbon, floor=1e-6) / p.exposed_cn_scale
    nitrogen = carbon * nitrogen_per_carbon
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


# --- access --------------------------------------------------------------------------------------------------------


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


# --- exposure ------------------------------------------------------------------------------------------------------


def ratio_thaw(thaw: Thaw, p: PermafrostParameters) -> Float[Array, "*cells"]:
    """Active layer of ``thaw_ratio`` (m): between the fronts, from its floor to the bottom of the frozen store."""
    return safe.clip(thaw.maximum_unfrozen_thickness, p.minimum_active_layer, p.profile_maximum_depth)


def thaw_ratio(
    reference: Float[Array, "*cells"], current: Float[Array, "*cells"], p: PermafrostParameters
) -> Float[Array, "*cells"]:
    """``r = F(ALT_i)/F(ALT_{i-1})`` within [0.5, 2] (Liu et al. 2022, Eq. 1-2; SOC_i = SOC_{i-1} r)."""
    return safe.clip(profile_share(current, p) / profile_share(reference, p), 0.5, 2.0)


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
    ``frozen (F_i - F_{i-1})/(F(z_max) - F_{i-1})`` instead of ``X (r - 1)`` (tem.md section 9.1).
    """
    current = ratio_thaw(thaw, p)
    current = safe.maximum(current, store.reference_thaw) if irreversible else current
    current = jnp.where(move | follow, current, store.reference_thaw)
    ratio = jnp.where(move, thaw_ratio(store.reference_thaw, current, p), 1.0)
    before, after = profile_share(store.reference_thaw, p), profile_share(current, p)
    remaining = jnp.where(move, 1.0, 0.0) * safe.divide(
        after - before, profile_share(p.profile_maximum_depth, p) - before, floor=1e-9
    )

    def moved(pool, frozen):
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


def expose_layers(
    store: PermafrostStore,
    active: ActivePools,
    thaw: Thaw,
    move: Bool[Array, "*cells"],
    follow: Bool[Array, "*cells"],
    p: PermafrostParameters,
) -> tuple[PermafrostStore, ActivePools, Exposure]:
    """``layered``: the running maximum A of the yearly active layer moves ``theta_k`` of each layer's inventory from the
    frozen to the thawed store (Liu et al. 2024; tem.md section 10.2); written as the share of what is still frozen.
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


# --- decomposition of thawed layers ----------------------------------------------------------------------------------


def layer_constants(
    layers: int,
    rooting_depth: Float[Array, "*cells"],
    field_capacity: Float[Array, "*cells"],
    p: PermafrostParameters,
) -> LayerConstants:
    """Depth weight ``exp(-z_k/z_tau)`` at mid-depth z_k and root access of the layers (tem.md sections 10.3, 10.4).

    Roots reach a layer whose middle lies above z_r, and of its available N the share ``exp(-k z_k)``, root density there
    over that at the surface, ``k = -100 ln beta`` (Jackson et al. 1996: the share of roots above a depth of d cm is
    1 - beta^d). k = 0, the default, is the letter of section 10.4. Below the roots thawed ground is at field capacity.
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
) -> LayerEnvironment:
    """Moisture and water of the thawed layers in a month (tem.md section 10.3).

    Layers within the roots have the root zone's moisture, deeper ones ``deep_moisture``; the frozen share of the month
    (1 - phi_k) has ``frozen_moisture``.
    """
    layers = constants.within_roots.shape[0]
    if layers != CARBON_LAYERS:
        zero = jnp.zeros_like(constants.within_roots)
        return LayerEnvironment(zero, zero)
    wet = jnp.where(constants.within_roots > 0.5, to_layers(root_moisture, layers), constants.deep_moisture)
    phi = thawed_fraction[:CARBON_LAYERS]
    moisture = phi * wet + (1.0 - phi) * to_layers(p.frozen_moisture, layers)
    return LayerEnvironment(moisture=moisture, water=1000.0 * constants.thickness * moisture)


# --- observed profiles -----------------------------------------------------------------------------------------------


def fitted_hyperbola(
    depth: Float[Array, "interval"], cumulative: Float[Array, "interval"]
) -> tuple[Float[Array, ""], Float[Array, ""], Bool[Array, ""]]:
    """A, B of ``C(z) = A z/(B + z)`` by least squares of ``z/C = B/A + z/A``; False where A <= 0 or B <= 0 (no use).

    tem.md section 10.1. ``depth`` (m) and ``cumulative`` stock from the surface to it; A in its unit, B in m.
    """
    ratio = safe.divide(depth, cumulative, floor=1e-9)
    deviation = depth - depth.mean()
    slope = (deviation * ratio).sum() / (deviation**2).sum()
    intercept = ratio.mean() - slope * depth.mean()
    falling = (slope > 0.0) & (intercept > 0.0)
    amplitude = safe.divide(jnp.ones_like(slope), slope, floor=1e-12)
    return amplitude, intercept * amplitude, falling


def layers_from_intervals(intervals: Float[Array, "interval"], dtype=None) -> Float[Array, "layer"]:
    """Observed carbon of 0-0.3, 0.3-1, 1-2, 2-3 m to the 25 layers; below 3 m a fitted hyperbola (tem.md section 10.1).

    Inside an interval carbon is spread evenly. ``C(z) = A z/(B + z)`` is fitted to the four cumulative values
    (:func:`fitted_hyperbola`); if A <= 0 or B <= 0 the density of 2-3 m continues. Units of the input (mass m-2).
    """
    edges = np.asarray(LAYER_EDGES)
    interval_edges = np.array([0.0, 0.3, 1.0, 2.0, 3.0])
    overlap = np.clip(
        np.minimum(edges[1:, None], interval_edges[None, 1:]) - np.maximum(edges[:-1, None], interval_edges[None, :-1]),
        0.0,
        None,
    ) / np.diff(interval_edges)
    shallow = jnp.asarray(overlap, intervals.dtype) @ intervals
    depth = jnp.asarray(interval_edges[1:], intervals.dtype)
    cumulative = jnp.cumsum(intervals)
    amplitude, half_depth, falling = fitted_hyperbola(depth, cumulative)
    edge_depth = jnp.asarray(edges, intervals.dtype)
    hyperbola = amplitude * edge_depth / safe.maximum(half_depth + edge_depth, 1e-6)
    deep_fit = hyperbola[1:] - hyperbola[:-1]
    deep_uniform = intervals[3] * jnp.asarray(np.diff(edges), intervals.dtype)
    below = jnp.asarray(edges[:-1] >= 3.0 - 1e-9)
    return jnp.where(below, jnp.where(falling, deep_fit, deep_uniform), shallow)


NONE = PermafrostScheme("none", 0, False, begin_empty, access_all, expose_nothing)
TEM6 = PermafrostScheme("tem6", 0, False, begin_empty, access_root_zone_share, expose_nothing)
THAW_RATIO = PermafrostScheme("thaw_ratio", 1, True, begin_reservoir, access_rooting_share, expose_by_ratio)
THAW_RATIO_IRREVERSIBLE = PermafrostScheme(
    "thaw_ratio_irreversible",
    1,
    True,
    begin_reservoir,
    access_rooting_share,
    partial(expose_by_ratio, irreversible=True),
)
THAW_RATIO_INVENTORY = PermafrostScheme(
    "thaw_ratio_inventory",
    1,
    True,
    begin_reservoir,
    access_rooting_share,
    partial(expose_by_ratio, from_inventory=True),
)
THAW_RATIO_CONCENTRATION = PermafrostScheme(
    "thaw_ratio_concentration", 1, True, begin_reservoir, access_root_zone_concentration, expose_by_ratio
)
LAYERED = PermafrostScheme("layered", CARBON_LAYERS, False, begin_layers, access_all, expose_layers)

SCHEMES = {
    scheme.name: scheme
    for scheme in (
        NONE,
        TEM6,
        THAW_RATIO,
        THAW_RATIO_IRREVERSIBLE,
        THAW_RATIO_INVENTORY,
        THAW_RATIO_CONCENTRATION,
        LAYERED,
    )
}
