"""Guarded divisions, powers and logarithms: the only file that holds double-``where`` patterns.

Every function returns the plain result wherever that is defined, a stated value elsewhere, and finite derivatives on
both sides of the guard.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def divide(
    numerator: Float[Array, "..."], denominator: Float[Array, "..."], otherwise: float = 0.0, floor: float = 1e-12
) -> Float[Array, "..."]:
    """``numerator / denominator`` where ``|denominator| > floor``, else ``otherwise``. Any shapes that broadcast."""
    good = jnp.abs(denominator) > floor
    return jnp.where(good, numerator / jnp.where(good, denominator, 1.0), otherwise)


def power(base: Float[Array, "..."], exponent: Float[Array, "..."], floor: float = 1e-12) -> Float[Array, "..."]:
    """``base ** exponent`` for ``base > floor``, else 0, with derivative 0 there."""
    good = base > floor
    return jnp.where(good, jnp.exp(exponent * jnp.log(jnp.where(good, base, 1.0))), 0.0)


def loss_fraction(rate: Float[Array, "..."], step: float) -> Float[Array, "..."]:
    """Mean donor loss rate ``(1 - exp(-rate * step)) / step`` of a first-order loss over a sub-step (rate per month)."""
    return -jnp.expm1(-rate * step) / step


def smooth_unit(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Clip to [0, 1]."""
    return jnp.clip(x, 0.0, 1.0)
