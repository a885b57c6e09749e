"""Roots that follow thaw: rooting depth moves towards the active layer with a lag and a maximum, and density with it.

Equations docs/model.md#q1 to #q4.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jtem.numerics import safe
from jtem.parameters import parameter


class RootParameters(eqx.Module):
    """How deep roots grow, how fast, and at what cost."""

    depth_per_thaw: Float[Array, "*types"] = parameter(
        unit="1", description="rooting depth over the active layer, where nothing else limits roots"
    )
    maximum_depth: Float[Array, "*types"] = parameter(
        unit="m", description="largest rooting depth that a community reaches", scale="log"
    )
    lag: Float[Array, "*types"] = parameter(
        unit="year", description="time in which rooting depth makes up 63 % of its way to the active layer", scale="log"
    )
    construction_cost: Float[Array, "*types"] = parameter(
        unit="gC m-2 m-1", description="vegetation carbon turned into litter per metre that roots deepen"
    )


SHARE_WITHIN = 0.95
"""Share of roots above the rooting depth."""


def depth_towards(thaw: Float[Array, "*cells"], p: RootParameters) -> Float[Array, "*cells"]:
    """``z* = min(s ALT, z_max)``: the rooting depth (m) that an active layer (m) allows (docs/model.md#q1)."""
    return safe.minimum(p.depth_per_thaw * thaw, p.maximum_depth)


def depth_after(
    depth: Float[Array, "*cells"],
    thaw: Float[Array, "*cells"],
    moves: Bool[Array, "*cells"],
    at_once: Bool[Array, "*cells"],
    p: RootParameters,
) -> Float[Array, "*cells"]:
    """``z' = z + (z* - z)(1 - exp(-1/lag))`` a year (docs/model.md#q2), where roots move; ``at_once``: z*, as in equilibrium."""
    target = depth_towards(thaw, p)
    share = jnp.where(at_once, 1.0, -jnp.expm1(-1.0 / p.lag))
    return jnp.where(moves, depth + share * (target - depth), depth)


def density(middle: Float[Array, "layer ..."], depth: Float[Array, "*cells"]) -> Float[Array, "layer *cells"]:
    """Root density at ``middle`` (m) over that at the surface, ``exp(-k z)``, ``k = -ln 0.05 / z_r`` (docs/model.md#q3).

    The share of roots above z is ``1 - exp(-k z)``, the form of Jackson et al. (1996) with ``beta = exp(-k/100)``: 95 % of
    them lie above the rooting depth.
    """
    decline = -jnp.log(1.0 - SHARE_WITHIN) / safe.maximum(depth, 0.01)
    return jnp.exp(-decline[None] * middle)


def cost(
    before: Float[Array, "*cells"],
    after: Float[Array, "*cells"],
    vegetation_carbon: Float[Array, "*cells"],
    p: RootParameters,
) -> Float[Array, "*cells"]:
    """``min(c max(0, z' - z), C_V)``: vegetation carbon (gC m-2) that deepening turns into litter (docs/model.md#q4)."""
    wanted = p.construction_cost * safe.maximum(0.0, after - before)
    return safe.minimum(wanted, safe.maximum(0.0, vegetation_carbon))
