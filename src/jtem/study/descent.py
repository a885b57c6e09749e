"""Lowest misfit by gradients alone (optax): for so many parameters that a Jacobian costs more than it tells."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

METHODS = ("adam", "lbfgs")
LONGEST_STEP = 1.0  # of a coordinate in one iteration; logit coordinates are flat far out
PATIENCE = 20


@dataclass(frozen=True)
class Descent:
    """The best point x (p,), its misfit, the lowest misfit after each iteration and the evaluations used."""

    x: np.ndarray
    cost: float
    history: tuple[float, ...]
    runs: int


def minimise(
    misfit_and_gradient: Callable[[np.ndarray], tuple[float, np.ndarray]],
    start: np.ndarray,
    method: str = "lbfgs",
    *,
    iterations: int = 200,
    decrease: float = 1e-4,
    rate: float = 0.05,
    report: Callable[[int, float], None] | None = None,
) -> Descent:
    """Descend from ``start`` (p,): "adam" with ``rate``, or "lbfgs" with backtracking (Armijo).

    Stops when the lowest misfit fell by less than ``decrease`` of itself over 20 iterations. Raises ``ValueError`` where
    the misfit at the start is not finite, or for an unknown method.
    """
    import optax

    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; use {' or '.join(METHODS)}")
    x = np.array(start, dtype=np.float64)
    value, slope = misfit_and_gradient(x)
    if not (math.isfinite(value) and np.isfinite(slope).all()):
        raise ValueError("the misfit at the start is not finite")
    line_search = method == "lbfgs"
    optimiser: Any = optax.scale_by_lbfgs() if line_search else optax.adam(rate)
    next_update = jax.jit(optimiser.update)
    state = optimiser.init(jnp.asarray(x))
    best, history, runs = (value, x), [value], 1
    for iteration in range(1, iterations + 1):
        with jax.numpy_dtype_promotion("standard"):  # optax counts iterations in 32 bits
            update, state = next_update(jnp.asarray(slope), state, jnp.asarray(x))
        move = np.asarray(update, dtype=np.float64) * (-1.0 if line_search else 1.0)
        if line_search and float(move @ slope) >= 0:
            move = -slope
        move = move * min(1.0, LONGEST_STEP / max(float(np.abs(move).max()), 1e-300))
        tried, runs = misfit_and_gradient(x + move), runs + 1
        while line_search and not tried[0] <= value + 1e-4 * float(move @ slope) and np.abs(move).max() > 1e-9:
            move = 0.3 * move
            tried, runs = misfit_and_gradient(x + move), runs + 1
        if not (math.isfinite(tried[0]) and np.isfinite(tried[1]).all()):
            break
        x, (value, slope) = x + move, tried
        if value < best[0]:
            best = (value, x)
        history.append(best[0])
        if report is not None:
            report(iteration, value)
        if len(history) > PATIENCE and history[-1 - PATIENCE] - history[-1] < decrease * history[-1 - PATIENCE]:
            break
    return Descent(best[1], best[0], tuple(history), runs)
