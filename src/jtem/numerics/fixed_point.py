"""Anderson acceleration of a fixed-point iteration x <- G(x), one column at a time. No ecology in here."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class History(NamedTuple):
    """The last differences of iterates and residuals (newest overwrites oldest), and the last pair."""

    iterate_differences: Float[Array, "memory n"]
    residual_differences: Float[Array, "memory n"]
    iterate: Float[Array, "n"]
    residual: Float[Array, "n"]
    count: Int[Array, ""]


def empty_history(memory: int, like: Float[Array, "n"]) -> History:
    """No differences yet."""
    none = jnp.zeros((memory, *like.shape), like.dtype)
    return History(none, none, jnp.zeros_like(like), jnp.zeros_like(like), jnp.array(0))


def anderson(
    history: History,
    iterate: Float[Array, "n"],
    residual: Float[Array, "n"],
    weights: Float[Array, "n"],
    ridge: float = 1e-6,
) -> tuple[Float[Array, "n"], History]:
    """Next iterate ``x + r - (dX + dR) gamma``, gamma the weighted least-squares fit of r by dR (Walker and Ni 2011).

    ``residual`` r = G(x) - x. ``ridge`` is relative to the largest squared difference, so float32 does. The first call
    returns G(x).
    """
    memory = history.iterate_differences.shape[0]
    slot = jnp.mod(history.count - 1, memory)
    started = history.count > 0
    differences = jnp.where(started, iterate - history.iterate, 0.0)
    residual_differences = jnp.where(started, residual - history.residual, 0.0)
    dx = history.iterate_differences.at[slot].set(differences)
    dr = history.residual_differences.at[slot].set(residual_differences)
    dx = jnp.where(started, dx, history.iterate_differences)
    dr = jnp.where(started, dr, history.residual_differences)

    weighted = dr * weights[None]
    scale = jnp.sqrt((weighted**2).sum(axis=1))
    scale = jnp.where(scale > 0.0, scale, 1.0)
    unit = weighted / scale[:, None]
    gram = unit @ unit.T + ridge * jnp.eye(memory, dtype=iterate.dtype)
    gamma = jnp.linalg.solve(gram, unit @ (weights * residual)) / scale
    following = iterate + residual - gamma @ (dx + dr)
    return following, History(dx, dr, iterate, residual, history.count + 1)
