"""Lowest misfit by gradients alone (optax): for so many parameters that a Jacobian costs more than it tells."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

METHODS = ("adam", "lbfgs")
LONGEST_STEP = 1.0  # of a coordinate in one iteration; logit coordinates are flat far out
PATIENCE = 20


@dataclass
class Descent:
    """A descent that can be written down after each iteration and gone on with to the same bits: numbers and arrays only.

    ``x`` (p,), ``value``, ``slope`` (p,): where it is now; ``best_x``, ``cost``: the best point so far; ``history``: the
    lowest misfit at the start and after each iteration; ``runs``: evaluations; ``memory``: the optimiser's own arrays;
    ``ended``: the stop rule (or a limit) has spoken.
    """

    x: np.ndarray
    value: float = math.nan
    slope: np.ndarray | None = None
    best_x: np.ndarray = field(default_factory=lambda: np.zeros(0))
    history: list[float] = field(default_factory=list)
    runs: int = 0
    memory: list[np.ndarray] = field(default_factory=list)
    ended: bool = False

    @property
    def cost(self) -> float:
        """The lowest misfit so far; infinite before the first evaluation."""
        return self.history[-1] if self.history else math.inf


def minimise(
    misfit_and_gradient: Callable[[np.ndarray], tuple[float, np.ndarray]],
    start: np.ndarray | Descent,
    method: str = "lbfgs",
    *,
    iterations: int = 200,
    decrease: float = 1e-4,
    rate: float = 0.05,
    report: Callable[[Descent], None] | None = None,
) -> Descent:
    """Descend from ``start``, x (p,) or a descent to go on with: "adam" with ``rate``, or "lbfgs" with backtracking (Armijo).

    Stops when the lowest misfit fell by less than ``decrease`` of itself over 20 iterations. ``report`` is called after
    each iteration. Raises ``ValueError`` where the misfit at the start is not finite, or for an unknown method.
    """
    import optax

    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; use {' or '.join(METHODS)}")
    line_search = method == "lbfgs"
    optimiser = optax.scale_by_lbfgs() if line_search else optax.adam(rate)
    next_update = jax.jit(optimiser.update)
    here = start if isinstance(start, Descent) else Descent(np.array(start, dtype=np.float64))
    if here.slope is None:
        here.value, here.slope = misfit_and_gradient(here.x)
        if not (math.isfinite(here.value) and np.isfinite(here.slope).all()):
            raise ValueError("the misfit at the start is not finite")
        here.best_x, here.history, here.runs = here.x, [here.value], 1
    leaves, layout = jax.tree.flatten(optimiser.init(jnp.asarray(here.x)))
    if here.memory:
        leaves = [jnp.asarray(kept, leaf.dtype) for kept, leaf in zip(here.memory, leaves, strict=True)]
    state = jax.tree.unflatten(layout, leaves)
    while not here.ended and len(here.history) <= iterations:
        x, value, slope = here.x, here.value, here.slope
        with jax.numpy_dtype_promotion("standard"):  # optax counts iterations in 32 bits
            update, state = next_update(jnp.asarray(slope), state, jnp.asarray(x))
        move = np.asarray(update, dtype=np.float64) * (-1.0 if line_search else 1.0)
        if line_search and float(move @ slope) >= 0:
            move = -slope
        move = move * min(1.0, LONGEST_STEP / max(float(np.abs(move).max()), 1e-300))
        tried, here.runs = misfit_and_gradient(x + move), here.runs + 1
        while line_search and not tried[0] <= value + 1e-4 * float(move @ slope) and np.abs(move).max() > 1e-9:
            move = 0.3 * move
            tried, here.runs = misfit_and_gradient(x + move), here.runs + 1
        if not (math.isfinite(tried[0]) and np.isfinite(tried[1]).all()):
            here.ended = True
            break
        here.x, (here.value, here.slope) = x + move, tried
        here.memory = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
        history = here.history
        if here.value < here.cost:
            here.best_x = here.x
        history.append(min(here.value, here.cost))
        here.ended = (
            len(history) > PATIENCE and history[-1 - PATIENCE] - history[-1] < decrease * history[-1 - PATIENCE]
        )
        if report is not None:
            report(here)
    return here
