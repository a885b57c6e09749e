"""Anderson acceleration of a fixed point, one step at a time and safe in 32 bit."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

DEPENDENT = 3e-3
"""A history column that keeps less than this share of its length after projection on the others is dropped."""


def push(history: Float[Array, "memory n"], value: Float[Array, " n"]) -> Float[Array, "memory n"]:
    """Put ``value`` first in a history, newest first, and forget the oldest."""
    return jnp.concatenate([value[None], history[:-1]])


def anderson_step(
    history_x: Float[Array, "memory n"],
    history_residual: Float[Array, "memory n"],
    filled: Int[Array, ""],
    x: Float[Array, " n"],
    residual: Float[Array, " n"],
    *,
    weights: Float[Array, " n"],
    measure: Callable[[Float[Array, " n"]], Float[Array, " n"]] | None = None,
    largest_move: float = float("inf"),
) -> Float[Array, " n"]:
    """Next iterate of ``x = G(x)`` from ``residual = G(x) - x`` and the iterates before (Anderson 1965, mixing 1).

    ``x_next = x + r - (dX + dR) gamma``, gamma the least-squares solution of ``dR gamma = r`` in the norm with
    ``weights`` (square roots included), d the differences of successive iterates. Histories hold earlier x and
    residuals, newest first; ``filled`` says how many count. Least squares by Gram-Schmidt, columns that depend on
    earlier ones dropped: no normal equations, so 32 bit suffices. The plain step ``x + r`` is taken where ``measure``
    of the result is not finite or further than ``largest_move`` from that of the plain step. No derivative is
    intended. Shapes: one problem; batch by ``vmap``.
    """
    memory = history_x.shape[0]
    newest_x = jnp.concatenate([x[None], history_x])
    newest_residual = jnp.concatenate([residual[None], history_residual])
    counts = (jnp.arange(memory) < filled)[:, None]
    moves = jnp.where(counts, newest_x[:-1] - newest_x[1:], jnp.zeros_like(history_x))
    changes = jnp.where(counts, newest_residual[:-1] - newest_residual[1:], jnp.zeros_like(history_x))

    remaining = weights * residual
    tiny = jnp.finfo(x.dtype).tiny
    step = residual
    basis: list[tuple[Array, Array]] = []
    for k in range(memory):
        direction, update = weights * changes[k], moves[k] + changes[k]
        length = jnp.sqrt(jnp.sum(direction**2))
        for unit, unit_update in basis:
            along = jnp.sum(unit * direction)
            direction, update = direction - along * unit, update - along * unit_update
        new_length = jnp.sqrt(jnp.sum(direction**2))
        keep = (new_length > DEPENDENT * length) & (length > tiny)
        scale = jnp.where(
            keep, 1.0 / jnp.where(keep, new_length, jnp.ones_like(new_length)), jnp.zeros_like(new_length)
        )
        unit, unit_update = scale * direction, scale * update
        basis.append((unit, unit_update))
        share = jnp.sum(unit * remaining)
        remaining = remaining - share * unit
        step = step - share * unit_update
    plain, accelerated = x + residual, x + step
    seen_plain, seen = (plain, accelerated) if measure is None else (measure(plain), measure(accelerated))
    accepted = jnp.all(jnp.isfinite(accelerated)) & jnp.all(jnp.abs(seen - seen_plain) <= largest_move)
    return jnp.where(accepted, accelerated, plain)
