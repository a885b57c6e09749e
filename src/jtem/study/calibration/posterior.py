"""Draws from the posterior of a calibration after its search, written down block by block; tables of them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jtem.errors import InputError
from jtem.files import whole
from jtem.study.calibration import least_squares, misfit, sampling
from jtem.study.calibration.case import Case
from jtem.study.calibration.model import near_posterior
from jtem.study.calibration.results import table, units
from jtem.study.calibration.search import Outcome, identity

DRAWS = "posterior.npz"


def settings_of(case: Case) -> sampling.Sampling:
    """The settings of a case with [posterior]."""
    assert case.posterior is not None
    return case.posterior


def _draws_identity(case: Case, x: np.ndarray, covariance: np.ndarray) -> str:
    """What resumed draws must agree on: the plan but for the number of samples, the version, where the search ended."""
    made = hashlib.sha256(identity(case.text).encode())
    made.update(repr(dataclasses.replace(settings_of(case), samples=0)).encode())
    made.update(np.ascontiguousarray(x).tobytes() + np.ascontiguousarray(covariance).tobytes())
    return made.hexdigest()[:16]


def _write_draws(path: Path, draws: sampling.Draws, made_by: str) -> None:
    arrays = {name: getattr(draws, name) for name in sampling.SERIES}
    arrays |= {f"state_{k}": leaf for k, leaf in enumerate(draws.state)}
    with whole(path) as partial, partial.open("wb") as file:
        np.savez(file, identity=np.array(made_by), seconds=np.array(draws.seconds), **arrays)


def _read_draws(path: Path, made_by: str) -> sampling.Draws:
    try:
        with np.load(path) as kept:
            if str(kept["identity"]) != made_by:
                raise InputError(
                    f"{path}: drawn with another plan or version, or from another end of the search; delete it or start "
                    "without --resume"
                )
            state = tuple(kept[f"state_{k}"] for k in range(sum(name.startswith("state_") for name in kept.files)))
            series = {name: kept[name] for name in sampling.SERIES}
            return sampling.Draws(**series, state=state, seconds=float(kept["seconds"]), compiling=0.0)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: draws cannot be read ({error}); delete it or start without --resume") from None


def sample(
    case: Case, outcome: Outcome, folder: Path, *, resume: bool = False, say: Callable[[str], None] = print
) -> sampling.Draws:
    """Draw from the log-posterior around the best fit as the plan's [posterior] says, all draws, warming up first.

    Each block of draws is written down in ``folder``; ``resume`` goes on from it where it is there. x is in free
    coordinates. Raises ``InputError``.
    """
    settings, model, path = settings_of(case), case.model, folder / DRAWS
    x, covariance = outcome.fit.x, near_posterior(outcome.fit.jacobian)
    made_by = _draws_identity(case, x, covariance)
    so_far = _read_draws(path, made_by) if resume and path.exists() else None
    if so_far is not None and so_far.number > settings.warmup + settings.samples:
        raise InputError(
            f"{path}: holds more draws than [posterior] samples asks for; raise it or start without --resume"
        )
    say(
        f"sampling the posterior: {settings.chains} chains, {settings.warmup} draws to warm up, {settings.samples} kept"
    )
    if case.problem.heat_differences and model.setting.heat_slots:
        say(
            "warning: [search] heat_differences says that heat is rough here; NUTS follows the exact gradient: expect small "
            "steps and divergences"
        )
    total = settings.warmup + settings.samples
    last = (0, 0.0) if so_far is None else (so_far.number, so_far.seconds)

    def start(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        width = max(1, len(outcome.searches))  # the shape that is compiled already
        rows = np.resize(np.arange(len(x)), -(-len(x) // width) * width).reshape(-1, width)
        parts = [model.log_posterior_and_gradient(x[some]) for some in rows]
        value, slope = (np.concatenate(part)[: len(x)] for part in zip(*parts, strict=True))
        return value, slope

    def report(draws: sampling.Draws) -> None:
        nonlocal last
        _write_draws(path, draws, made_by)
        number, seconds = draws.number, draws.seconds
        each = (seconds - last[1]) / max(number - last[0], 1)
        acceptance = " ".join(f"{v:.2f}" for v in draws.acceptance[:, last[0] :].mean(axis=1))
        warm = number <= settings.warmup
        divergent = int(draws.divergent[:, 0 if warm else settings.warmup :].sum())
        say(
            f"draw {number:5d} of {total}{' (warming up)' if warm else ''}  acceptance of each chain {acceptance}  "
            f"gradients a draw {draws.gradients[:, last[0] :].mean():.0f}  divergent {divergent}  {seconds:.0f} s, about "
            f"{each * (total - number):.0f} s left"
        )
        last = (number, seconds)

    return sampling.sample(
        misfit.log_density(model.setting),
        x,
        covariance,
        settings,
        arguments=model.density_arguments(),
        dtype=case.problem.design.pool_dtype,
        start=start,
        resume=so_far,
        say=say,
        report=report,
    )


def write_posterior(
    case: Case, outcome: Outcome, draws: sampling.Draws, folder: Path
) -> tuple[list[sampling.PosteriorSummary], list[str]]:
    """``posterior.csv`` (without the warm-up), ``posterior_summary.csv`` beside the Laplace values, in the
    coordinates' own units; returns the summary and sentences of warning.
    """
    settings, transform, fit_ = settings_of(case), case.model.transform, outcome.fit
    kept = draws.kept(settings.warmup)
    values = transform.values(kept.x)
    found = sampling.summarise(transform.names, values)
    chains, samples, _ = values.shape
    table(
        folder / "posterior.csv",
        ["chain", "draw", *transform.names, "log_density", "divergent", "acceptance", "gradients"],
        [
            [
                c + 1,
                d + 1,
                *values[c, d],
                kept.log_density[c, d],
                int(kept.divergent[c, d]),
                kept.acceptance[c, d],
                kept.gradients[c, d],
            ]
            for c in range(chains)
            for d in range(samples)
        ],
    )
    laplace = least_squares.summary(fit_, transform)
    table(
        folder / "posterior_summary.csv",
        [
            *(
                "name",
                "unit",
                "mean",
                "standard_deviation",
                "quantile_2.5",
                "median",
                "quantile_97.5",
                "r_hat",
                "ess_bulk",
            ),
            *("laplace_value", "laplace_standard_error", "laplace_lower", "laplace_upper"),
        ],
        [
            [
                one.name,
                unit,
                *(one.mean, one.standard_deviation, one.lower, one.median, one.upper, one.r_hat, one.effective),
                *(row["value"], row["standard_error"], row["lower"], row["upper"]),
            ]
            for one, unit, row in zip(found, units(case), laplace, strict=True)
        ],
    )
    return found, sampling.warnings(kept, found, settings)
