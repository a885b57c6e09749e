"""Soil profiles: the half depth b of the hyperbola by vegetation type, mean profiles, active-layer stocks against observed.

Liu et al. (2022), Figure S1: b of ``F(z) = z/(b + z)`` by ecosystem. Liu et al. (2024), Figure S1: mean profiles by
vegetation type, whose hyperbola continues below the observed intervals (docs/model.md#p7). Profiles come as depths (m)
and the stock (g m-2) from the surface to each of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jtem.physics.permafrost import fitted_hyperbola, hyperbolic_share
from jtem.records import Curve, HalfDepth, MeanProfile, Shares
from jtem.study import scores
from jtem.study.calibration import least_squares

Profile = tuple[np.ndarray, np.ndarray]
REFERENCE_DEPTH = 3.0  # m; hyperbolic above, uniform below (Liu et al. 2022, Eq. 1-2)
HALF_DEPTH_BOUNDS = (0.02, 20.0)  # m; as the parameter table has them
EDGES = (0.0, 0.3, 1.0, 2.0, 3.0)  # m; intervals of the inventory (docs/model.md#p7)


# --- the half depth --------------------------------------------------------------------------------------------------


def shares(profiles: Sequence[Profile]) -> Shares:
    """Shares of profiles that have at least two depths and any stock; the others do not tell b."""
    parts = [
        (depth[:-1], np.full(depth.size - 1, depth[-1]), stock[:-1] / stock[-1], np.full(depth.size - 1, k))
        for k, (depth, stock) in enumerate(profiles)
        if depth.size > 1 and stock[-1] > 0
    ]
    if not parts:
        nothing = np.zeros(0)
        return Shares(nothing, nothing, nothing, np.zeros(0, dtype=int))
    return Shares(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def share_above(
    half_depth: Float[Array, ""], depth: Float[Array, "point"], deepest: Float[Array, "point"]
) -> Float[Array, "point"]:
    """``F(z)/F(z_deepest)``: modelled share of the stock above ``deepest`` (m) that lies above ``depth`` (m)."""
    reference = jnp.asarray(REFERENCE_DEPTH, depth.dtype)
    return hyperbolic_share(depth, half_depth, reference) / hyperbolic_share(deepest, half_depth, reference)


@jax.jit
def _shares_and_slopes(
    half_depth: Float[Array, ""], depth: Float[Array, "point"], deepest: Float[Array, "point"]
) -> tuple[Float[Array, "point"], Float[Array, "point"]]:
    return share_above(half_depth, depth, deepest), jax.jacfwd(share_above)(half_depth, depth, deepest)


def fit_half_depth(points: Shares) -> HalfDepth:
    """Least squares of the shares over b > 0, each point alike. NaN where there is no point."""
    if not points.depth.size:
        return HalfDepth(np.nan, np.nan, np.nan, np.nan, np.nan, 0, 0, "")
    low, high = HALF_DEPTH_BOUNDS
    transform = least_squares.Transform(("b",), np.array([low]), np.array([high]), ("log",))
    depth, deepest = jnp.asarray(points.depth), jnp.asarray(points.deepest)

    def residual(x: np.ndarray) -> np.ndarray:
        return np.asarray(_shares_and_slopes(jnp.asarray(transform.values(x)[0]), depth, deepest)[0]) - points.share

    def jacobian(x: np.ndarray) -> np.ndarray:
        by_value = _shares_and_slopes(jnp.asarray(transform.values(x)[0]), depth, deepest)[1]
        return np.asarray(by_value)[:, None] * transform.slope(x)

    starts = [transform.free(np.array([b])) for b in np.geomspace(2 * low, high / 2, 9)]
    start = min(starts, key=lambda x: float((residual(x) ** 2).sum()))
    rules = least_squares.Rules(longest_step=2.0)
    found = least_squares.minimise(residual, jacobian, start, rules)
    value = float(transform.values(found.x)[0])
    bound = dict(transform.at_bounds(transform.values(found.x))).get("b", "")
    slope = np.asarray(_shares_and_slopes(jnp.asarray(value), depth, deepest)[1])
    error = np.nan if bound else float(np.sqrt(_variance_by_profile(slope, found.residual, points.profile)))
    ends = np.clip(value * np.exp(np.array([-1.959964, 1.959964]) * error / value), low, high)
    return HalfDepth(
        value,
        error,
        float(ends[0]),
        float(ends[1]),
        scores.score(found.residual + points.share, points.share)[1],
        np.unique(points.profile).size,
        points.depth.size,
        bound,
    )


def _variance_by_profile(slope: np.ndarray, residual: np.ndarray, profile: np.ndarray) -> float:
    """(J'J)^-1 M (J'J)^-1 of one parameter, M: squared sums of J r by profile; all (point,). NaN for one profile."""
    _, number = np.unique(profile, return_inverse=True)
    count = int(number.max()) + 1
    curvature = float(slope @ slope)
    if count < 2 or curvature <= 0:
        return np.nan
    sums = np.bincount(number, weights=slope * residual)
    return float(sums @ sums) / curvature**2 * count / (count - 1)


def curve(fit: HalfDepth, points: Shares, count: int = 61) -> Curve:
    """The fitted profile and its points on one axis; see :class:`Curve`."""
    depth = np.linspace(0.0, REFERENCE_DEPTH, count)

    def shares_at(value: float, places: np.ndarray) -> np.ndarray:
        bottom = jnp.full(places.size, REFERENCE_DEPTH, dtype=places.dtype)
        return np.asarray(share_above(jnp.asarray(value, places.dtype), jnp.asarray(places), bottom))

    middle, low, high = (shares_at(value, depth) for value in (fit.value, fit.lower, fit.upper))
    return Curve(depth, middle, low, high, points.share * shares_at(fit.value, points.deepest))


# --- mean profiles ---------------------------------------------------------------------------------------------------


def interval_stocks(profiles: Sequence[Profile], edges: Sequence[float] = EDGES) -> np.ndarray:
    """Stocks (g m-2) between ``edges`` (m), (profile, interval); density is uniform between a profile's own depths.

    NaN for intervals that a profile does not reach to the bottom of.
    """
    limits = np.asarray(edges, dtype=np.float64)
    result = np.full((len(profiles), limits.size - 1), np.nan)
    for k, (depth, stock) in enumerate(profiles):
        if depth.size:
            at = np.interp(limits, np.concatenate([[0.0], depth]), np.concatenate([[0.0], stock]))
            result[k] = np.where(limits[1:] <= depth[-1] + 1e-9, np.diff(at), np.nan)
    return result


def mean_profile(stocks: np.ndarray, edges: Sequence[float] = EDGES) -> MeanProfile:
    """Mean of ``stocks`` (profile, interval), interval by interval, and the hyperbola of the means (docs/model.md#p7)."""
    known = np.isfinite(stocks)
    count = known.sum(axis=0)
    total = np.where(known, stocks, 0.0).sum(axis=0)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    square = np.where(known, (stocks - mean) ** 2, 0.0).sum(axis=0)
    deviation = np.where(count > 1, np.sqrt(square / np.maximum(count - 1, 1)), np.nan)
    amplitude = half_depth = np.nan
    if np.isfinite(mean).all() and mean.sum() > 0:
        found = fitted_hyperbola(np.asarray(edges[1:], np.float64), np.cumsum(mean)[None])
        if found[2].all():
            amplitude, half_depth = float(found[0][0]), float(found[1][0])
    return MeanProfile(count, mean, deviation, amplitude, half_depth)


# --- active layer ----------------------------------------------------------------------------------------------------


def stock_scores(group: Sequence[str], element: str, simulated: np.ndarray, observed: np.ndarray) -> list[scores.Score]:
    """Scores of simulated against observed active-layer stocks (place,), by group and together ("all").

    None of these observations was fitted: all are "held-out".
    """
    count = len(group)
    return scores.table(list(group), [f"active_layer_{element}"] * count, ["held-out"] * count, simulated, observed)
