"""Fixed points of slow maps by leaps of the linearised map, and their derivatives without unrolling.

With ``J`` the derivative of a map G at x and ``r = G(x) - x``, the linearised map moves x in n applications by
``(I + J + ... + J^(n-1)) r``; n = 2^k costs k products of small matrices. A short leap follows the trajectory of the
repeated map, a long one is Newton's step ``(I - J)^-1 r``: growing leaps find the state that repetition would reach.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

LONGEST_LEAP = 16
"""log2 of the applications in the longest leap: 65,536."""

LONG_LEAP = 13
"""A leap of 2^13 applications or more that hardly moves says that the end is reached."""


class FixedPoint(NamedTuple):
    """Where the search ended. ``distance``: largest component of the last leap, which is the error before it."""

    x: Array
    converged: Array
    finite: Array
    distance: Array
    iterations: Array


def geometric_sum(
    jacobian: Float[Array, "n n"], doublings: Int[Array, ""] | int, most: int = LONGEST_LEAP
) -> tuple[Float[Array, "n n"], Float[Array, "n n"]]:
    """``I + J + ... + J^(N-1)`` and ``J^N`` for ``N = 2^doublings``, by doubling; ``doublings`` at most ``most``."""

    def double(i: Array, carried: tuple[Array, Array]) -> tuple[Array, Array]:
        total, power = carried
        wanted = i < doublings
        return jnp.where(wanted, power @ total + total, total), jnp.where(wanted, power @ power, power)

    return jax.lax.fori_loop(0, most, double, (jnp.eye(jacobian.shape[0], dtype=jacobian.dtype), jacobian))


def value_and_jacobian(
    function: Callable[[Float[Array, " n"]], Float[Array, " n"]], x: Float[Array, " n"]
) -> tuple[Float[Array, " n"], Float[Array, "n n"]]:
    """``function(x)`` and its derivative by forward mode: one evaluation and n tangent columns."""

    def twice(x_: Array) -> tuple[Array, Array]:
        y = function(x_)
        return y, y

    jacobian, y = jax.jacfwd(twice, has_aux=True)(x)
    return y, jacobian


def solve(
    function: Callable[[Float[Array, " n"]], Float[Array, " n"]],
    x: Float[Array, " n"],
    *,
    lowest: Float[Array, " n"],
    iterations: int,
    tolerance: float = 1e-5,
    first_leap: int = 6,
    largest_move: float = 1.5,
) -> FixedPoint:
    """Stable fixed point that repeating ``function`` from ``x`` leads to.

    An iteration takes the derivative (one evaluation, n tangent columns), leaps 2^k applications, and applies ``function``
    once, which damps what is fast. k starts at ``first_leap``; it grows by 2 where the last leap ended where the linear
    map said (residual within half of the one before), else it shrinks by 2. A leap is shortened to ``largest_move`` in
    its largest component; coordinates should be such that this makes sense (logarithms of pools).

    Done when a leap of 2^13 or more moves no component by more than ``tolerance``; an unstable fixed point is left,
    because powers of J grow there. The search ends without convergence after ``iterations``, where something is not
    finite, or where a component falls to ``lowest``. No derivative is intended: stop gradients of all that enters.
    One problem; under ``vmap`` each problem stops for itself and rests until the last is done.
    """
    negligible = tolerance / 2**LONG_LEAP

    def unfinished(carried: tuple[Array, ...]) -> Array:
        *_, count, _, done, finite, emptied = carried
        return (count < iterations) & ~done & finite & ~emptied

    def body(carried: tuple[Array, ...]) -> tuple[Array, ...]:
        x, leap, predicted, last_residual, count, *_ = carried
        y, jacobian = value_and_jacobian(function, x)
        residual = y - x
        finite = jnp.all(jnp.isfinite(residual)) & jnp.all(jnp.isfinite(jacobian))
        poor = jnp.abs(residual - predicted).max() > 0.5 * last_residual + negligible
        adapted = jnp.where(poor, jnp.maximum(leap - 2, 2), jnp.minimum(leap + 2, LONGEST_LEAP))
        leap = jnp.where(count == 0, leap, adapted)
        total, power = geometric_sum(jacobian, leap)
        move = total @ residual
        usable = jnp.all(jnp.isfinite(move))
        move = jnp.where(usable, move, residual)
        distance = jnp.abs(move).max()
        share = jnp.minimum(1.0, largest_move / jnp.maximum(distance, 1e-30))
        expected = jnp.where(usable, share * (power @ residual) + (1.0 - share) * residual, jnp.zeros_like(x))
        after = jnp.maximum(function(jnp.maximum(x + share * move, lowest)), lowest)
        emptied = jnp.any(after <= lowest)
        done = (leap >= LONG_LEAP) & usable & (distance < tolerance)
        after = jnp.where(finite, after, x)
        return after, leap, expected, jnp.abs(residual).max(), count + 1, distance, done & ~emptied, finite, emptied

    one = jnp.ones((), x.dtype)
    never, always = jnp.zeros((), bool), jnp.ones((), bool)
    start = (
        x,
        jnp.asarray(first_leap),
        jnp.zeros_like(x),
        one,
        jnp.zeros((), int),
        jnp.inf * one,
        never,
        always,
        never,
    )
    x, _, _, _, count, distance, done, finite, _ = jax.lax.while_loop(unfinished, body, start)
    return FixedPoint(x, done & finite, finite & jnp.all(jnp.isfinite(x)), distance, count)


def implicit(
    function: Callable[[Float[Array, " n"], PyTree], Float[Array, " n"]],
    x: Float[Array, " n"],
    theta: PyTree,
    valid: Bool[Array, ""] | bool = True,
) -> Float[Array, " n"]:
    """``x`` unchanged, with the derivative of the fixed point ``x = function(x, theta)`` with respect to ``theta``.

    ``dx = (I + J + ... + J^65535) (dG/dtheta) dtheta``, which is ``(I - J)^-1 (dG/dtheta) dtheta`` where J contracts, and
    does not fail where a component only rests (J = 1 and nothing acts on it). Forward and reverse mode, first derivatives;
    cost: n tangent columns of one application, and one application to differentiate. Where ``valid`` is False, or the
    sum is not finite, the derivative is 0: such a problem does not spoil the gradient of its neighbours.
    """
    x, held = jax.lax.stop_gradient((x, theta))
    jacobian = jax.jacfwd(lambda x_: function(x_, held))(x)
    total, _ = geometric_sum(jacobian, LONGEST_LEAP)
    good = jnp.all(jnp.isfinite(total)) & valid
    total = jax.lax.stop_gradient(jnp.where(good, total, jnp.zeros_like(total)))
    shared = jax.tree.map(lambda moving, still: jnp.where(good, moving, still), theta, held)
    applied = function(x, shared)
    return jnp.where(good, x + total @ (applied - jax.lax.stop_gradient(applied)), x)
