"""Levenberg-Marquardt for calibration: bounded parameters by a change of variable, our own stop rule, uncertainty.

Works on plain numpy arrays around two callables, so that the model behind them may be compiled, vmapped over starts and
differentiated in whatever way is cheapest; one linearisation is one call of ``jacobian``. The search runs in free
coordinates x on the real line (:class:`Transform`); the misfit is phi(x) = sum of squares of the residuals, which are
already divided by their standard errors and may contain prior terms.

Each linearisation r + J s is solved by the singular values of J D^-1 (D: largest column norms so far, as in MINPACK,
Moré 1978), so any number of dampings costs one decomposition. Damping follows the gain ratio (Nielsen 1999).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

from jtem.errors import InputError

REASONS = {
    "": "still searching",
    "decrease": "the misfit fell by less than the tolerance over the last iterations",
    "gradient": "the scaled gradient is small",
    "exact": "the misfit is negligible",
    "step": "the step is negligible",
    "rounding": "what is left to gain is within rounding",
    "stuck": "no damping lowers the misfit",
    "iterations": "the largest number of iterations was reached",
    "jacobian": "the Jacobian is not finite",
    "start": "residuals at the start are not finite",
}
CONVERGED = ("decrease", "gradient", "exact", "step", "rounding")


# --- bounds ----------------------------------------------------------------------------------------------------------


def bounded(
    free: jax.Array,
    low: np.ndarray | np.floating | jax.Array,
    width: np.ndarray | np.floating | jax.Array,
    logs: np.ndarray | np.bool_ | jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Free coordinates (..., p) to values inside their bounds, and these on their scale.

    ``low``, ``width`` (p,): the bounds on that scale; ``logs`` (p,): whether it is the logarithm.
    """
    on_scale = jnp.asarray(low) + jax.nn.sigmoid(free) * width
    return jnp.where(logs, jnp.exp(jnp.where(logs, on_scale, 0.0)), on_scale), on_scale


def _unbounded(value: jax.Array, low: np.floating, width: np.floating, log: np.bool_) -> jax.Array:
    """The inverse of :func:`bounded` for one parameter."""
    share = ((jnp.log(value) if log else value) - low) / width
    return jnp.log(share) - jnp.log1p(-share)


@dataclass(frozen=True)
class Transform:
    """Bounded parameter values and the free coordinates of the search.

    ``names`` (p,), ``lower``, ``upper`` (p,) in the parameters' own units, ``scales`` (p,) "linear", "log", or "weight" of
    what has no bounds and is its own coordinate. Raises
    ``InputError`` for empty or, on log scale, not positive intervals.
    """

    names: tuple[str, ...]
    lower: np.ndarray
    upper: np.ndarray
    scales: tuple[str, ...]

    def __post_init__(self):
        """Refuse what cannot be transformed."""
        for name, low, high, scale in zip(self.names, self.lower, self.upper, self.scales, strict=True):
            if scale == "weight":
                continue
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise InputError(f"bounds of '{name}' are [{low:g}, {high:g}]; give a finite low below high")
            if scale not in ("linear", "log"):
                raise InputError(f"scale of '{name}' is {scale!r}; use 'linear' or 'log'")
            if scale == "log" and low <= 0:
                raise InputError(f"'{name}' is on log scale but its lower bound is {low:g}; give a positive bound")

    @cached_property
    def logs(self) -> np.ndarray:
        """Whether each parameter is on log scale, (p,)."""
        return np.array([scale == "log" for scale in self.scales])

    @cached_property
    def weights(self) -> np.ndarray:
        """Whether each is a weight, its own coordinate, (p,)."""
        return np.array([scale == "weight" for scale in self.scales])

    @cached_property
    def low(self) -> np.ndarray:
        """Lower bounds on the parameters' scales, (p,)."""
        return self.on_scale(np.asarray(self.lower, dtype=np.float64))

    @cached_property
    def width(self) -> np.ndarray:
        """Distance between the bounds on the parameters' scales, (p,)."""
        return self.on_scale(np.asarray(self.upper, dtype=np.float64)) - self.low

    def on_scale(self, values: np.ndarray) -> np.ndarray:
        """Values (..., p), logarithms of those on log scale."""
        return np.where(self.logs, np.log(np.where(self.logs, values, 1.0)), values)

    def free(self, values: np.ndarray) -> np.ndarray:
        """Values (..., p) to free coordinates; raises ``InputError`` for a value not strictly inside its bounds."""
        for name, low, high, column in zip(
            self.names, self.lower, self.upper, np.moveaxis(np.asarray(values), -1, 0), strict=True
        ):
            if not np.all((column > low) & (column < high)):
                found = np.ravel(column)[np.argmax(~np.ravel((column > low) & (column < high)))]
                raise InputError(
                    f"start value {found:g} of '{name}' is not inside its bounds [{low:g}, {high:g}]; move the start or the "
                    "bounds"
                )
        return np.where(self.weights, values, self._each(_unbounded, values))

    def values(self, free: np.ndarray) -> np.ndarray:
        """Free coordinates (..., p) to values."""
        return np.where(self.weights, free, self._each(lambda *given: bounded(*given)[0], free))

    def _each(self, function: Callable[..., jax.Array], given: np.ndarray) -> np.ndarray:
        """A parameter at a time, so that its last bits do not depend on how many there are."""
        columns = np.moveaxis(np.asarray(given, dtype=np.float64), -1, 0)
        made = [function(jnp.asarray(column), *part) for column, *part in zip(columns, *self._scaled, strict=True)]
        return np.stack([np.asarray(column, dtype=np.float64) for column in made], axis=-1)

    @property
    def _scaled(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.low, self.width, self.logs

    def slope(self, free: np.ndarray) -> np.ndarray:
        """Derivative of the values by the free coordinates, (..., p)."""
        share = 1.0 / (1.0 + np.exp(-np.asarray(free, dtype=np.float64)))
        ratios = zip(self.lower, self.upper, self.logs, strict=True)
        width = np.array([math.log(high / low) if log else high - low for low, high, log in ratios])
        slope = np.where(self.logs, self.values(free), 1.0) * width * share * (1.0 - share)
        return np.where(self.weights, 1.0, slope)

    def at_bounds(self, values: np.ndarray, share: float = 0.01) -> list[tuple[str, str]]:
        """Names of parameters within ``share`` of the width (on their scale) of a bound: ``[(name, "lower")]``."""
        place = (self.on_scale(np.asarray(values, dtype=np.float64)) - self.low) / self.width
        return [
            (name, "lower" if at <= share else "upper")
            for name, at in zip(self.names, place, strict=True)
            if at <= share or at >= 1.0 - share
        ]

    def interval(self, free: np.ndarray, covariance: np.ndarray, deviations: float = 1.959964) -> np.ndarray:
        """Lower and upper end of each parameter, (2, p): normal in free coordinates, so never outside the bounds.

        ``covariance`` (p, p) in free coordinates; 1.96 standard deviations are a 95 % interval. Infinite variance
        gives the bounds.
        """
        spread = deviations * np.sqrt(np.diag(covariance))
        ends = np.stack([free - spread, free + spread])
        return self.values(np.clip(ends, -700.0, 700.0))


# --- the search ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rules:
    """When to stop and how far to go.

    ``decrease`` over ``memory`` iterations: relative fall of the misfit that is too little to go on (1e-4 over 4: the
    usual 0.5 % stops in flat valleys, 1-3 % above the optimum). ``gradient``: largest cosine between the residuals and a
    column of the Jacobian. ``exact``: misfit as a share of the first. ``step``: largest move relative to 1 + |x|.
    ``longest_step``: no coordinate moves further in one iteration (infinite: no limit; about 2 suits logit coordinates,
    which are flat far out). ``iterations`` counts accepted steps, ``trials`` the dampings tried for one of them.
    """

    decrease: float = 1e-4
    memory: int = 4
    gradient: float = 1e-6
    exact: float = 1e-24
    step: float = 1e-12
    longest_step: float = math.inf
    iterations: int = 100
    trials: int = 25
    damping: float = 1e-3


@dataclass
class Search:
    """One Levenberg-Marquardt search that asks for residuals and Jacobians: ``trial`` and ``judge``, ``linearise``.

    All fields are numbers and arrays, so a search can be written down and gone on with: x (p,) is the best point so far,
    ``residual`` (m,) and ``jacobian`` (m, p) belong to it, ``history`` has the misfit at the start and after each accepted
    step. ``reason`` is one of :data:`REASONS`.
    """

    x: np.ndarray
    rules: Rules = field(default_factory=Rules)
    residual: np.ndarray | None = None
    jacobian: np.ndarray | None = None
    history: list[float] = field(default_factory=list)
    damping: float = math.nan
    growth: float = 2.0
    norms: np.ndarray | None = None
    refused: int = 0
    runs: int = 0
    linearisations: int = 0
    reason: str = ""
    _step: np.ndarray | None = None
    _factors: tuple | None = None

    @property
    def cost(self) -> float:
        """The misfit at x; infinite before the first residuals."""
        return self.history[-1] if self.history else math.inf

    def begin(self, residual: np.ndarray) -> None:
        """Take the residuals at the start (m,)."""
        self.runs += 1
        self.residual = np.asarray(residual, dtype=np.float64)
        cost = float(self.residual @ self.residual)
        self.history = [cost]
        if not math.isfinite(cost):
            self.reason = "start"
        elif cost == 0.0:
            self.reason = "exact"

    def linearise(self, jacobian: np.ndarray) -> None:
        """Take the Jacobian at x, (m, p); stops the search where it is not finite or the gradient is small."""
        self.linearisations += 1
        self.jacobian = np.asarray(jacobian, dtype=np.float64)
        self._factors = None
        assert self.residual is not None
        if not np.isfinite(self.jacobian).all():
            self.reason = "jacobian"
            return
        norms = np.linalg.norm(self.jacobian, axis=0)
        self.norms = norms if self.norms is None else np.maximum(self.norms, norms)
        size = np.linalg.norm(self.residual)
        cosine = np.abs(self.jacobian.T @ self.residual) / np.where(norms * size > 0, norms * size, 1.0)
        if not self.reason and cosine.max(initial=0.0) <= self.rules.gradient:
            self.reason = "gradient"
        if math.isnan(self.damping):
            self.damping = self.rules.damping

    def trial(self) -> np.ndarray:
        """The next point to try, (p,); x itself once the search has stopped."""
        if self.reason or self.jacobian is None or self.residual is None or self.norms is None:
            return self.x
        scale = np.where(self.norms > 0, self.norms, 1.0)
        if self._factors is None:
            left, singular, right = np.linalg.svd(self.jacobian / scale, full_matrices=False)
            self._factors = (left.T @ self.residual, singular, right)
        projected, singular, right = self._factors
        step = -(right.T @ (projected * singular / (singular**2 + self.damping))) / scale
        reach = np.abs(step).max()
        self._step = step * min(1.0, self.rules.longest_step / reach) if reach > 0 else step
        return self.x + self._step

    def judge(self, residual: np.ndarray) -> bool:
        """Take the residuals at the trial point (m,); True where it is accepted and a Jacobian is wanted there."""
        if self.reason:
            return False
        assert self._step is not None and self.residual is not None and self.jacobian is not None
        self.runs += 1
        residual = np.asarray(residual, dtype=np.float64)
        cost, linear = float(residual @ residual), self.residual + self.jacobian @ self._step
        expected = self.cost - float(linear @ linear)
        gain = (self.cost - cost) / expected if expected > 0 else -1.0
        small = bool(np.abs(self._step).max() <= self.rules.step * (1.0 + np.abs(self.x).max()))
        if not (math.isfinite(cost) and gain > 0 and cost < self.cost):
            if expected <= 1e-14 * self.cost:
                self.reason = "rounding"
            self.damping, self.growth, self.refused = self.damping * self.growth, self.growth * 2.0, self.refused + 1
            if small:
                self.reason = "step"
            elif not self.reason and self.refused >= self.rules.trials:
                self.reason = "stuck"
            return False
        self.x, self.residual, self.jacobian = self.x + self._step, residual, None
        self.damping = max(1e-15, self.damping * max(1.0 / 3.0, 1.0 - (2.0 * gain - 1.0) ** 3))
        self.growth, self.refused = 2.0, 0
        self.history.append(cost)
        self._stop(small)
        return True

    def _stop(self, small: bool) -> None:
        rules, history = self.rules, self.history
        if history[-1] <= rules.exact * history[0]:
            self.reason = "exact"
        elif small:
            self.reason = "step"
        elif len(history) > rules.memory and history[-1 - rules.memory] - history[-1] < (
            rules.decrease * history[-1 - rules.memory]
        ):
            self.reason = "decrease"
        elif len(history) > rules.iterations:
            self.reason = "iterations"


@dataclass(frozen=True)
class Minimum:
    """Where a search ended and what the data say about the parameters there.

    ``x`` (p,), ``residual`` (m,), ``jacobian`` (m, p) at the end; ``history``: misfit at the start and after each accepted
    step; ``runs``, ``linearisations``: calls; ``reason``: a key of :data:`REASONS`.
    """

    x: np.ndarray
    cost: float
    residual: np.ndarray
    jacobian: np.ndarray
    history: tuple[float, ...]
    runs: int
    linearisations: int
    reason: str

    @property
    def converged(self) -> bool:
        """True where the stop rule, not a limit, ended the search."""
        return self.reason in CONVERGED

    @property
    def singular_values(self) -> np.ndarray:
        """Singular values of the Jacobian, falling, (min(m, p),): 1/s is the error of a direction in free coordinates."""
        return np.linalg.svd(self.jacobian, compute_uv=False)

    @property
    def directions(self) -> np.ndarray:
        """Directions in parameter space, best known first, (p, p): rows are right singular vectors."""
        return _decompose(self.jacobian)[1]

    def rank(self, tolerance: float = 1e-10) -> int:
        """Number of directions whose singular value is above ``tolerance`` of the largest."""
        singular = self.singular_values
        return int((singular > tolerance * singular.max(initial=0.0)).sum())

    def covariance(self, *, rescale: bool = False, tolerance: float = 1e-10) -> np.ndarray:
        """Covariance of x, (p, p): (J'J)^-1, the Gaussian (Laplace) posterior where residuals have unit error.

        ``rescale``: times phi/(m - p), for errors known up to a factor. A parameter that the data do not determine (it
        takes part in a direction without singular value) has infinite variance and zero covariance. Raises
        ``ValueError`` for ``rescale`` without more residuals than parameters.
        """
        singular, right = _decompose(self.jacobian)
        count, parameters = self.jacobian.shape
        rank = int((singular > tolerance * singular.max(initial=0.0)).sum())
        known = right[:rank] / singular[:rank, None]
        covariance = known.T @ known
        if rescale:
            if count <= parameters:
                raise ValueError(f"{count} residuals cannot give the error of {parameters} parameters")
            covariance = covariance * (self.cost / (count - parameters))
        loose = (right[rank:] ** 2).sum(axis=0) > 1e-6
        covariance[loose, :] = covariance[:, loose] = 0.0
        covariance[loose, loose] = math.inf
        return covariance

    def correlation(self, tolerance: float = 1e-10) -> np.ndarray:
        """Correlations of x, (p, p); NaN with parameters that the data do not determine."""
        covariance = self.covariance(tolerance=tolerance)
        deviation = np.sqrt(np.diag(covariance))
        known = np.isfinite(deviation)
        correlation = np.full(covariance.shape, np.nan)
        inner = np.ix_(known, known)
        correlation[inner] = covariance[inner] / np.outer(deviation[known], deviation[known])
        np.fill_diagonal(correlation, 1.0)
        return correlation


def _decompose(jacobian: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Singular values (min(m, p),) and all right singular vectors (p, p), without the large left ones."""
    small = np.linalg.qr(jacobian, mode="r") if jacobian.shape[0] > jacobian.shape[1] else jacobian
    _, singular, right = np.linalg.svd(small, full_matrices=True)
    return singular, right


def summary(fit: Minimum, transform: Transform, covariance: np.ndarray | None = None) -> list[dict[str, float | str]]:
    """One row a parameter: name, value, standard_error (first order), lower and upper end of the 95 % interval, bound.

    ``covariance`` (p, p) in free coordinates, by default ``fit.covariance()``. ``bound`` is "lower" or "upper" where the
    value lies within 1 % of that bound, else "". Units are the parameters' own; an undetermined parameter has an
    infinite error and its bounds as interval.
    """
    covariance = fit.covariance() if covariance is None else covariance
    values, stuck = transform.values(fit.x), dict(transform.at_bounds(transform.values(fit.x)))
    ends = transform.interval(fit.x, covariance)
    error = np.sqrt(np.diag(covariance)) * transform.slope(fit.x)
    return [
        {
            "name": name,
            "value": float(values[k]),
            "standard_error": float(error[k]),
            "lower": float(ends[0, k]),
            "upper": float(ends[1, k]),
            "bound": stuck.get(name, ""),
        }
        for k, name in enumerate(transform.names)
    ]


def fit_of(search: Search) -> Minimum:
    """The result of a search; raises ``ValueError`` where it never had finite residuals and a Jacobian."""
    if search.residual is None or search.jacobian is None:
        raise ValueError(f"the search has no result: {REASONS[search.reason]}")
    return Minimum(
        x=search.x,
        cost=search.cost,
        residual=search.residual,
        jacobian=search.jacobian,
        history=tuple(search.history),
        runs=search.runs,
        linearisations=search.linearisations,
        reason=search.reason,
    )


Vector = Callable[[np.ndarray], np.ndarray]


def minimise(
    residual: Vector,
    jacobian: Vector,
    start: np.ndarray | Search,
    rules: Rules | None = None,
    report: Callable[[Search], None] | None = None,
) -> Minimum:
    """Lowest sum of squares from one start: ``residual`` (p,) -> (m,), ``jacobian`` (p,) -> (m, p).

    ``start``: x (p,) or a :class:`Search` to go on with. ``report`` is called at the start and after each accepted step, when
    the search can be written down (its fields) and gone on with later. A trial point
    with residuals that are not finite is refused like one with a larger misfit. Raises ``ValueError`` where the
    residuals at the start are not finite.
    """
    result = minimise_many(
        lambda x: np.asarray(residual(x[0]))[None],
        lambda x: np.asarray(jacobian(x[0]))[None],
        [start if isinstance(start, Search) else Search(np.asarray(start, np.float64), rules or Rules())],
        report=None if report is None else lambda searches: report(searches[0]),
    )
    return fit_of(result[0])


def minimise_many(
    residuals: Vector,
    jacobians: Vector,
    starts: np.ndarray | Sequence[Search],
    rules: Rules | None = None,
    report: Callable[[Sequence[Search]], None] | None = None,
) -> list[Search]:
    """Several searches side by side, so that a vmapped model serves all: (s, p) -> (s, m) and (s, p) -> (s, m, p).

    ``starts``: x (s, p) or searches to go on with. Shapes never change, so one compiled program serves all rounds; a
    search that has stopped repeats its own point. Searches stop independently. ``report`` is called at the start and
    after each round in which a step was accepted, with residuals and Jacobians that belong to the points. Returns the
    searches (see :func:`fit_of`), in the order of the starts.
    """
    searches = (
        [Search(np.array(x, dtype=np.float64), rules or Rules()) for x in starts]
        if isinstance(starts, np.ndarray)
        else list(starts)
    )

    def points() -> np.ndarray:
        return np.stack([search.x for search in searches])

    if any(search.residual is None for search in searches):
        for search, first in zip(searches, np.asarray(residuals(points())), strict=True):
            if search.residual is None:
                search.begin(first)
    while True:
        wanted = [search.jacobian is None and search.reason != "start" for search in searches]
        if any(wanted):
            for search, slope, want in zip(searches, np.asarray(jacobians(points())), wanted, strict=True):
                if want:
                    search.linearise(slope)
            if report is not None:
                report(searches)
        if all(search.reason for search in searches):
            break
        tried = np.asarray(residuals(np.stack([search.trial() for search in searches])))
        for search, value in zip(searches, tried, strict=True):
            search.judge(value)
    return searches
