"""Guarded divisions, powers and logarithms, and the larger and smaller of two numbers.

The only file that holds double-``where`` patterns. Every function returns the plain result wherever that is defined, a
stated value elsewhere, and finite derivatives on both sides of the guard.

JAX derives ``jnp.maximum(x, y)`` by asking which of the two equals the result. Where a gradient redoes the forward run, XLA may
compute x twice in different kernels, rounded differently, and then neither does: the derivative is lost without a word (found
in a gradient through ten years: up to 46 % wrong). :func:`maximum`, :func:`minimum` and :func:`clip` compare x with y.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Pair = tuple[Array, Array]


@jax.custom_jvp
def _larger(x: Array, y: Array) -> Array:
    return jax.lax.max(x, y)


@jax.custom_jvp
def _smaller(x: Array, y: Array) -> Array:
    return jax.lax.min(x, y)


@_larger.defjvp
def _larger_jvp(primals: Pair, tangents: Pair) -> Pair:
    (x, y), (dx, dy) = primals, tangents
    return jax.lax.max(x, y), jnp.where(x > y, dx, jnp.where(x < y, dy, 0.5 * (dx + dy)))


@_smaller.defjvp
def _smaller_jvp(primals: Pair, tangents: Pair) -> Pair:
    (x, y), (dx, dy) = primals, tangents
    return jax.lax.min(x, y), jnp.where(x < y, dx, jnp.where(x > y, dy, 0.5 * (dx + dy)))


def _alike(x: float | Array, y: float | Array) -> Sequence[Array]:
    """Both as arrays of one shape and type; a Python number takes the type of the other."""
    dtype = jnp.result_type(x, y)
    return jnp.broadcast_arrays(jnp.asarray(x, dtype), jnp.asarray(y, dtype))


def maximum(x: float | Float[Array, "..."], y: float | Float[Array, "..."]) -> Float[Array, "..."]:
    """The larger of two; where they are equal each has half of the derivative. Shapes broadcast."""
    return _larger(*_alike(x, y))


def minimum(x: float | Float[Array, "..."], y: float | Float[Array, "..."]) -> Float[Array, "..."]:
    """The smaller of two; where they are equal each has half of the derivative. Shapes broadcast."""
    return _smaller(*_alike(x, y))


def clip(
    x: Float[Array, "..."], low: float | Float[Array, "..."], high: float | Float[Array, "..."]
) -> Float[Array, "..."]:
    """``minimum(maximum(x, low), high)``. Shapes broadcast."""
    return minimum(maximum(x, low), high)


def divide(
    numerator: Float[Array, "..."], denominator: Float[Array, "..."], otherwise: float = 0.0, floor: float = 1e-12
) -> Float[Array, "..."]:
    """``numerator / denominator`` where ``|denominator| > floor``, else ``otherwise``. Shapes broadcast."""
    good = jnp.abs(denominator) > floor
    return jnp.where(good, numerator / jnp.where(good, denominator, 1.0), otherwise)


def loss_fraction(rate: Float[Array, "..."], step: float) -> Float[Array, "..."]:
    """Mean donor loss rate ``(1 - exp(-rate * step)) / step`` of a first-order loss over a sub-step (rate per month)."""
    return -jnp.expm1(-rate * step) / step


def smooth_unit(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Clip to [0, 1]."""
    return clip(x, 0.0, 1.0)
