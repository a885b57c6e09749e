"""Carbon over depth: the hyperbolic profile, the 25 layers, and layers from observed stocks.

Equations docs/model.md#p2 and #p7.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jtem.constants import LAYER_EDGES
from jtem.physics.permafrost.stores import PermafrostParameters


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


def fitted_hyperbola(
    depth: Float[np.ndarray, "interval"], cumulative: Float[np.ndarray, "column interval"]
) -> tuple[Float[np.ndarray, " column"], Float[np.ndarray, " column"], Bool[np.ndarray, " column"]]:
    """A, B of ``C(z) = A z/(B + z)`` by least squares of ``z/C = B/A + z/A``; False where A <= 0 or B <= 0 (no use).

    docs/model.md#p7. ``depth`` (m) and ``cumulative`` stock from the surface to it; A in its unit, B in m. Of observations, on
    the host: nothing here is traced or differentiated.
    """
    ratio = _quotient(np.broadcast_to(depth, cumulative.shape), cumulative, 1e-9)
    deviation = depth - depth.mean()
    slope = (deviation * ratio).sum(axis=-1) * (1.0 / (deviation**2).sum())
    intercept = ratio.mean(axis=-1) - slope * depth.mean()
    falling = (slope > 0.0) & (intercept > 0.0)
    amplitude = _quotient(np.ones_like(slope), slope, 1e-12)
    return amplitude, intercept * amplitude, falling


def _quotient(numerator: np.ndarray, denominator: np.ndarray, floor: float) -> np.ndarray:
    """The quotient where the denominator is larger than ``floor``, else 0."""
    good = np.abs(denominator) > floor
    return np.divide(numerator, denominator, out=np.zeros_like(denominator), where=good)


def layers_from_intervals(
    intervals: Float[np.ndarray, "column interval"], everywhere: bool | Bool[np.ndarray, "column"] = False
) -> Float[np.ndarray, "column layer"]:
    """Carbon of 0-0.3, 0.3-1, 1-2, 2-3 m to the 25 layers; below 3 m a fitted hyperbola (docs/model.md#p7).

    Inside an interval carbon is spread evenly. ``C(z) = A z/(B + z)`` is fitted to the four cumulative values
    (:func:`fitted_hyperbola`); if A <= 0 or B <= 0 the density of 2-3 m continues. ``everywhere``: the fit gives all layers
    where it has one (Liu et al. 2024: cells without observations). Units of the input (mass m-2).
    """
    dtype = intervals.dtype
    edges = np.asarray(LAYER_EDGES)
    interval_edges = np.array([0.0, 0.3, 1.0, 2.0, 3.0])
    overlap = np.clip(
        np.minimum(edges[1:, None], interval_edges[None, 1:]) - np.maximum(edges[:-1, None], interval_edges[None, :-1]),
        0.0,
        None,
    ) / np.diff(interval_edges)
    shallow = intervals @ overlap.T.astype(dtype)
    depth = interval_edges[1:].astype(dtype)
    amplitude, half_depth, falling = fitted_hyperbola(depth, np.cumsum(intervals, axis=-1))
    edge_depth = edges.astype(dtype)
    hyperbola = amplitude[..., None] * edge_depth / np.maximum(half_depth[..., None] + edge_depth, dtype.type(1e-6))
    deep_uniform = intervals[..., 3:] * np.diff(edges).astype(dtype)
    below = edges[:-1] >= 3.0 - 1e-9
    fitted = falling[..., None] & (below | np.asarray(everywhere)[..., None])
    return np.where(fitted, np.diff(hyperbola, axis=-1), np.where(below, deep_uniform, shallow))
