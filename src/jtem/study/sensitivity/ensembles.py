"""Ensembles of parameters: Morris and Sobol indices, and an uncertainty carried through the model, linearly and by sampling.

Every sample of every column goes through the compiled pieces of ``derivatives`` in chunks of one size. What varies are
*factors*: a relative change that all communities share, so that one number moves a parameter of a whole region and its effect
is an elasticity. Sampling plans and indices are SALib's (Herman and Usher 2017); Sobol' indices: Saltelli et al. (2010), total
effect of Jansen (1999); elementary effects: Morris (1991), Campolongo et al. (2007).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from jtem.errors import InputError
from jtem.records import Indices, Propagated, Quantity
from jtem.study.calibration.least_squares import Transform
from jtem.study.sensitivity import derivatives
from jtem.study.sensitivity.model import ColumnModel


def _salib() -> ModuleType:
    try:
        import SALib.analyze.morris
        import SALib.analyze.sobol
        import SALib.sample.morris
        import SALib.sample.sobol
    except ImportError:
        raise InputError(
            "Morris and Sobol indices need SALib, which is not installed; run: pip install 'jtem[calibration]'"
        ) from None
    return SALib


def factor_bounds(model: ColumnModel, names: Sequence[str], spread: float = np.inf) -> tuple[list[int], np.ndarray]:
    """Places of parameters in the vector and the factors they may take, (p, 2).

    Within 1 - ``spread`` to 1 + ``spread`` and such that every column stays within the parameter's bounds. Raises
    ``InputError`` for unknown names and for a parameter whose value is 0 or that no factor may change.
    """
    places = model.vector.index(names)
    bounds = np.empty((len(places), 2))
    for row, k in enumerate(places):
        values = model.vectors[:, k].astype(np.float64)
        if (values == 0).any():
            raise InputError(
                f"parameter '{model.vector.names[k]}' is 0 in some columns, so a relative change means nothing; leave it out"
            )
        ends = np.sort(model.bounds[k][None] / values[:, None], axis=1)
        bounds[row] = max(ends[:, 0].max(), 1.0 - spread), min(ends[:, 1].min(), 1.0 + spread)
        if not bounds[row, 0] < bounds[row, 1]:
            raise InputError(
                f"parameter '{model.vector.names[k]}' has no room within its bounds for a common relative change; leave it out"
            )
    return places, bounds


def ensemble(
    model: ColumnModel, scenario: str, places: Sequence[int], factors: np.ndarray, quantities: Sequence[Quantity]
) -> np.ndarray:
    """Quantities of every sample and column, (sample, column, quantity), where parameters ``places`` (p,) are multiplied by
    ``factors`` (sample, p). NaN where the equilibrium was not found or the outputs are not finite.
    """
    weights = model.weights(quantities)
    columns, samples = model.columns, len(factors)
    together = max(1, model.chunk_columns // columns)
    together = min(together, samples)
    some = model.bare(scenario).take(np.tile(np.arange(columns), together))

    def moved(start: int) -> tuple[ColumnModel, str, np.ndarray]:
        rows = np.minimum(np.arange(start, start + together), samples - 1)  # the last chunk is as long as the others
        vectors = some.vectors.copy()
        vectors[:, places] *= np.repeat(factors[rows], columns, axis=0)
        return some, scenario, vectors

    results, starts = [], range(0, samples, together)
    for start, (y, code) in zip(starts, model.spread(derivatives.forward, map(moved, starts)), strict=True):
        values = np.einsum("cvy,qvy->cq", y, weights)
        values[code != 0] = np.nan
        results.append(values.reshape(together, columns, -1)[: min(together, samples - start)])
        if model.report is not None:
            model.report(scenario, start + len(results[-1]), samples, "runs")
    return np.concatenate(results)


# --- indices -----------------------------------------------------------------------------------------------------------


def _problem(names: Sequence[str], bounds: np.ndarray) -> dict[str, object]:
    return {"num_vars": len(names), "names": list(names), "bounds": bounds.tolist()}


def _places(values: np.ndarray, area: np.ndarray | None) -> np.ndarray:
    """(sample, column, quantity); with ``area`` (column,) one place, the area-weighted sum."""
    return values if area is None else np.einsum("scq,c->sq", values, area)[:, None]


def _analyse(
    values: np.ndarray, group: int, parameters: int, one: Callable[[np.ndarray, np.ndarray], list[np.ndarray]]
) -> tuple[list[np.ndarray], np.ndarray]:
    """``one(rows, y)`` on every place and quantity, on whole groups of ``group`` samples whose runs are all finite.

    Four arrays (place, quantity, parameter), NaN where fewer than two groups are whole or the quantity does not vary, and
    the number of whole groups (place, quantity).
    """
    width = 4
    _, places, quantities = values.shape
    kept = np.zeros((places, quantities), int)
    found: list[list[np.ndarray]] = []
    for place in range(places):
        for q in range(quantities):
            y = values[:, place, q].reshape(-1, group)
            whole = np.isfinite(y).all(axis=1)
            kept[place, q] = whole.sum()
            rows = np.repeat(whole, group)
            good = y[whole].ravel()
            usable = whole.sum() > 1 and good.std() > 1e-12 * max(np.abs(good).max(), 1e-300)
            found.append(one(rows, good) if usable else [np.full(parameters, np.nan)] * width)
    arrays = [np.array([part[k] for part in found]).reshape(places, quantities, parameters) for k in range(width)]
    return arrays, kept


def sobol(
    model: ColumnModel,
    scenario: str,
    names: Sequence[str],
    quantities: Sequence[Quantity],
    *,
    samples: int = 256,
    spread: float = 0.2,
    area: np.ndarray | None = None,
    seed: int = 0,
) -> Indices:
    """First-order and total Sobol' indices of ``names``, uniform within ``spread`` and their bounds.

    ``samples`` (a power of 2) of Saltelli's plan: samples (p + 2) runs a column. With ``area`` (column,) of the region's sum,
    else of every column. Bootstrap intervals of 95 %.
    """
    if samples < 2 or samples & (samples - 1):
        raise InputError(f"samples of a Sobol ensemble is {samples}; give a power of 2, such as 256")
    library = _salib()
    places, bounds = factor_bounds(model, names, spread)
    full = [model.vector.names[k] for k in places]
    problem = _problem(full, bounds)
    plan = library.sample.sobol.sample(problem, samples, calc_second_order=False, seed=seed)
    values = _places(ensemble(model, scenario, places, plan, quantities), area)

    def one(rows: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        del rows
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = library.analyze.sobol.analyze(problem, y, calc_second_order=False, num_resamples=200, seed=seed)
        return [np.asarray(result[key]) for key in ("S1", "S1_conf", "ST", "ST_conf")]

    arrays, kept = _analyse(values, len(full) + 2, len(full), one)
    first, first_interval, total, total_interval = arrays
    return Indices(
        "sobol", tuple(full), bounds, tuple(quantities), first, first_interval, total, total_interval,
        np.full_like(first, np.nan), len(plan), samples, kept,
    )  # fmt: skip


def morris(
    model: ColumnModel,
    scenario: str,
    names: Sequence[str],
    quantities: Sequence[Quantity],
    *,
    trajectories: int = 20,
    spread: float = 0.2,
    area: np.ndarray | None = None,
    seed: int = 0,
) -> Indices:
    """Elementary effects: ``trajectories`` (p + 1) runs a column; a cheap ranking before Sobol'."""
    library = _salib()
    places, bounds = factor_bounds(model, names, spread)
    full = [model.vector.names[k] for k in places]
    problem = _problem(full, bounds)
    plan = library.sample.morris.sample(problem, trajectories, num_levels=4, seed=seed)
    values = _places(ensemble(model, scenario, places, plan, quantities), area)

    def one(rows: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        result = library.analyze.morris.analyze(problem, plan[rows], y, num_levels=4, num_resamples=200, seed=seed)
        return [np.asarray(result[key], np.float64) for key in ("mu", "mu_star", "mu_star_conf", "sigma")]

    arrays, kept = _analyse(values, len(full) + 1, len(full), one)
    mu, mu_star, interval, sigma = arrays
    return Indices(
        "morris", tuple(full), bounds, tuple(quantities), mu, np.full_like(mu, np.nan), mu_star, interval, sigma,
        len(plan), trajectories, kept,
    )  # fmt: skip


# --- an uncertainty carried through ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Uncertainty:
    """What is known of parameters: ``names`` (p,), ``values`` (p,) and ``covariance`` (p, p) in the parameters' own units.

    Where communities have other values than ``values``, the relative change is what they share. Raises ``InputError`` unless
    the covariance is symmetric and not negative.
    """

    names: tuple[str, ...]
    values: np.ndarray
    covariance: np.ndarray
    source: str = ""

    def __post_init__(self):
        """Refuse what is no covariance."""
        c = np.asarray(self.covariance)
        if c.shape != (len(self.names),) * 2 or len(self.values) != len(self.names):
            raise InputError(
                f"covariance of {len(self.names)} parameters has shape {c.shape}; give one row and column each"
            )
        if not np.isfinite(c).all():
            raise InputError(
                "the covariance has entries that are not finite (undetermined parameters); leave those out"
            )
        if not np.allclose(c, c.T, rtol=1e-6, atol=1e-12 * np.abs(c).max(initial=0.0)):
            raise InputError("the covariance is not symmetric; check its rows")
        if c.size and np.linalg.eigvalsh(self.relative).min() < -1e-8 * np.abs(self.relative).max():
            raise InputError("the covariance has negative variances; check its rows")

    @property
    def relative(self) -> np.ndarray:
        """Covariance of the factors, (p, p)."""
        values = np.asarray(self.values, np.float64)
        return np.asarray(self.covariance, np.float64) / np.outer(values, values)


def prior(model: ColumnModel, names: Sequence[str], share: float = 0.1) -> Uncertainty:
    """Independent parameters, one standard deviation being ``share`` of the width of the factors that the bounds allow."""
    places, bounds = factor_bounds(model, names)
    values = model.vectors[:, places].mean(axis=0)
    deviation = share * (bounds[:, 1] - bounds[:, 0]) * np.abs(values)
    full = tuple(model.vector.names[k] for k in places)
    return Uncertainty(full, values, np.diag(deviation**2), f"prior: {share:g} of the bounds' width")


def _standard_draws(samples: int, count: int, seed: int) -> np.ndarray:
    """Standard normal draws (samples, count); where there are enough, moved so that their mean is 0 and their covariance 1."""
    draws = np.random.default_rng(seed).standard_normal((samples, count))
    if samples < count + 2:
        return draws
    draws -= draws.mean(axis=0)
    return np.linalg.solve(np.linalg.cholesky(np.cov(draws, rowvar=False).reshape(count, count)), draws.T).T


def _moments(
    made: np.ndarray, expected: np.ndarray, again: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[float], int]:
    """Mean, standard deviation and its error (by the bootstrap ``again``), quantiles, R2 with ``expected``, number of samples
    of the rows of ``made`` (row, sample).
    """
    with np.errstate(divide="ignore", invalid="ignore"):  # a quantity that does not vary has no correlation
        agreement = [float(np.corrcoef(a, b)[0, 1] ** 2) for a, b in zip(made, expected, strict=True)]
    error = made[:, again].std(axis=2, ddof=1).std(axis=1)
    quantiles = np.quantile(made, (0.05, 0.5, 0.95), axis=1).T
    return made.mean(axis=1), made.std(axis=1, ddof=1), error, quantiles, agreement, made.shape[1]


def propagate(
    model: ColumnModel,
    uncertainty: Uncertainty,
    quantities: Sequence[Quantity],
    area: np.ndarray,
    *,
    samples: int = 100,
    scales: Sequence[float] = (0.25, 1.0),
    seed: int = 0,
    unit: str = "",
) -> Propagated:
    """Carry an uncertainty through every scenario of ``model``: by the adjoint's derivative (J C J') and by an ensemble.

    ``area`` (column,): weights of the columns in the region's sum (any unit; ``unit`` names that of the sum). The ensemble is
    normal in coordinates without bounds, so no sample leaves the bounds of a parameter, and its draws have the covariance
    exactly (second-order matching); small uncertainties agree with the linear ones, large ones need not. The same random
    numbers serve all scales and scenarios. Raises ``InputError`` for names that are not trainable parameters.
    """
    places, bounds = factor_bounds(model, uncertainty.names)
    if [model.vector.names[k] for k in places] != list(uncertainty.names):
        raise InputError(
            "an uncertainty names single numbers ('branch.field' or 'branch.field[k]'), each once; correct it"
        )
    transform = Transform(uncertainty.names, bounds[:, 0], bounds[:, 1], ("linear",) * len(places))
    relative = uncertainty.relative
    centre = transform.free(np.ones(len(places)))
    slope = transform.slope(centre)
    values, vectors = np.linalg.eigh(relative / np.outer(slope, slope))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    draws = _standard_draws(samples, len(places), seed) @ root.T

    names = tuple(model.drivers)
    best, gradient = [], []
    for scenario in names:
        a = derivatives.adjoint(model, scenario, quantities)
        if (a.code != 0).any():
            raise InputError(
                f"{int((a.code != 0).sum())} columns have no equilibrium, so no derivative; leave them out of the domain"
            )
        best.append(area @ a.value)
        gradient.append(derivatives.regional(a.parameters, model.vectors, area)[:, places])
    rows = [(scenario, q.name) for scenario in names for q in quantities]
    if len(names) > 1:
        rows += [(f"{names[-1]} less {names[0]}", q.name) for q in quantities]

    def with_difference(parts: list[np.ndarray]) -> np.ndarray:
        return np.concatenate([*parts, parts[-1] - parts[0]] if len(parts) > 1 else parts, axis=0)

    best, jacobian = with_difference(best), with_difference(gradient)
    moments = []
    random = np.random.default_rng(seed + 1)
    for scale in scales:
        factors = transform.values(centre + scale * draws)
        parts = [np.einsum("scq,c->qs", ensemble(model, s, places, factors, quantities), area) for s in names]
        made = with_difference(parts)  # (row, sample)
        good = np.isfinite(made).all(axis=0)
        made, expected = made[:, good], jacobian @ (factors[good] - 1.0).T
        again = random.integers(0, good.sum(), (200, good.sum()))
        moments.append(_moments(made, expected, again))
    variance = np.einsum("rp,pk,rk->r", jacobian, relative, jacobian)
    mean, deviation, error, quantiles, agreement, kept = (np.array(part) for part in zip(*moments, strict=True))
    return Propagated(
        rows=tuple(rows),
        names=uncertainty.names,
        unit=unit,
        scales=np.asarray(scales, np.float64),
        best=best,
        slope=jacobian,
        linear=np.asarray(scales)[:, None] * np.sqrt(np.maximum(variance, 0.0))[None],
        mean=mean,
        deviation=deviation,
        deviation_error=error,
        quantiles=quantiles,
        agreement=agreement,
        kept=kept,
        samples=samples,
        source=uncertainty.source,
    )
