"""``jtem calibrate``: a calibration plan and its data to a fitted problem, and everything that is written about it.

:func:`build` reads and checks (nothing is compiled by then), :func:`fit` searches and writes down each iteration,
:func:`write_results` leaves ``calibrated.toml`` (an overlay), ``parameters.csv``, ``correlations.csv``,
``singular_values.csv``, ``scores.csv``, ``scores_before.csv``, ``simulated.csv`` and a figure a site. Where the plan has
[posterior], :func:`sample` draws by NUTS and :func:`write_posterior` leaves ``posterior.csv``, ``posterior_summary.csv``.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jtem import __version__
from jtem.assemble.sites import Prepared
from jtem.errors import InputError
from jtem.plan.calibration import CalibrationPlan
from jtem.readers import observations
from jtem.report import calibration as figures
from jtem.study import scores
from jtem.study.calibration import descent, least_squares, misfit, pest, sampling
from jtem.study.calibration.model import near_posterior
from jtem.study.calibration.problem import START, element_of

# --- the search ------------------------------------------------------------------------------------------------------

STATE = "search.json"


@dataclass(frozen=True)
class Outcome:
    """The best fit, the others' ends and what it cost."""

    fit: least_squares.Fit
    searches: tuple[least_squares.Search, ...]
    seconds: float
    first_misfit: float
    method: str


def starts(prepared: Prepared) -> np.ndarray:
    """Starting points in free coordinates (start, coordinate); the first is the plan's."""
    plan, model = prepared.plan.search, prepared.model
    noise = np.random.default_rng(plan.seed).normal(0.0, plan.spread, (plan.starts, len(model.names)))
    noise[0] = 0.0
    return model.start + noise


def identity(plan: CalibrationPlan) -> str:
    """What a resumed search must agree on: the plan but for [posterior], the version."""
    text = re.sub(r"^[ \t]*\[posterior\].*?(?=^[ \t]*\[|\Z)", "", plan.text, flags=re.MULTILINE | re.DOTALL)
    return hashlib.sha256((text.rstrip() + __version__).encode()).hexdigest()[:16]


def _dump(searches: Sequence[Any], plan: CalibrationPlan, seconds: float, path: Path) -> None:
    def plain(value):
        if isinstance(value, list):
            return [plain(part) for part in value]
        return value.tolist() if isinstance(value, np.ndarray) else value

    kept = [
        {
            f.name: plain(getattr(s, f.name))
            for f in dataclasses.fields(s)
            if f.name not in ("rules", "_step", "_factors")
        }
        for s in searches
    ]
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps({"identity": identity(plan), "seconds": seconds, "searches": kept}))
    partial.replace(path)


def _kept(plan: CalibrationPlan, path: Path) -> tuple[list[dict[str, Any]], float]:
    """What :func:`_dump` wrote: the fields of each search, and the seconds spent."""
    try:
        kept = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: nothing to resume ({error}); start without --resume") from None
    if kept["identity"] != identity(plan):
        raise InputError(f"{path}: written by another plan or version; start without --resume in another folder")
    return kept["searches"], float(kept["seconds"])


def _load(plan: CalibrationPlan, path: Path, rules: least_squares.Rules):
    kept, seconds = _kept(plan, path)
    arrays = ("x", "residual", "jacobian", "norms")
    searches = [
        least_squares.Search(
            **dict[str, Any]({k: np.array(v) if k in arrays and v is not None else v for k, v in fields.items()}),
            rules=rules,
        )
        for fields in kept
    ]
    return searches, seconds


def fit(prepared: Prepared, folder: Path, *, resume: bool = False, say: Callable[[str], None] = print) -> Outcome:
    """Search, telling each iteration's misfit and writing it down in ``folder``. Raises ``InputError``."""
    plan, model = prepared.plan.search, prepared.model
    rules = least_squares.Rules(decrease=plan.decrease, iterations=plan.iterations, longest_step=2.0)
    begin = time.perf_counter()
    if plan.method != "levenberg_marquardt":
        return _by_gradient(prepared, folder / STATE, resume, say)
    spent = 0.0
    if resume:
        made, spent = _load(prepared.plan, folder / STATE, rules)
        for search in made:
            if search.reason == "iterations" and len(search.history) <= rules.iterations:
                search.reason = ""
    else:
        made = [least_squares.Search(x, rules) for x in starts(prepared)]

    def report(searches: Sequence[least_squares.Search]) -> None:
        seconds = spent + time.perf_counter() - begin
        _dump(searches, prepared.plan, seconds, folder / STATE)
        costs = " ".join(f"{s.cost:.5g}{'*' if s.reason else ''}" for s in searches)
        say(f"iteration {max(len(s.history) for s in searches) - 1:3d}  misfit {costs}  {seconds:.0f} s")

    searches = least_squares.minimise_many(model.residuals, model.jacobian, made, report=report)
    _dump(searches, prepared.plan, spent + time.perf_counter() - begin, folder / STATE)
    usable = [s for s in searches if s.jacobian is not None]
    if not usable:
        values = model.transform.values(np.stack([s.x for s in searches]))
        codes = model.codes(values)[0]
        bad = [n for n, c in zip(prepared.problem.sites, codes, strict=True) if c]
        raise InputError(
            f"{prepared.plan.where}: the residuals at the start are not finite (equilibrium failed at "
            f"{', '.join(bad) or 'no site'}); move the start values"
        )
    best = min(usable, key=lambda s: s.cost)
    return Outcome(
        least_squares.fit_of(best),
        tuple(searches),
        spent + time.perf_counter() - begin,
        searches[0].history[0],
        plan.method,
    )


def _by_gradient(prepared: Prepared, path: Path, resume: bool, say: Callable[[str], None]) -> Outcome:
    """The same misfit by one reverse sweep an evaluation: for many parameters. Starts follow one another."""
    plan, model = prepared.plan.search, prepared.model
    begin, spent = time.perf_counter(), 0.0
    ends = [descent.Descent(x) for x in starts(prepared)]
    if resume:
        kept, spent = _kept(prepared.plan, path)
        arrays = ("x", "slope", "best_x")
        for fields in kept:
            fields.update({k: np.array(fields[k]) for k in arrays if fields[k] is not None})
            fields["memory"] = [np.array(part) for part in fields["memory"]]
        ends = [descent.Descent(**fields) for fields in kept]

    def report(now: descent.Descent) -> None:
        seconds, iteration = spent + time.perf_counter() - begin, len(now.history) - 1
        _dump(ends, prepared.plan, seconds, path)
        if iteration % 5 == 0:
            say(f"iteration {iteration:3d}  misfit {now.value:.5g}  {seconds:.0f} s")

    try:
        for end in ends:
            descent.minimise(
                model.misfit_and_gradient,
                end,
                plan.method,
                iterations=plan.iterations,
                decrease=plan.decrease,
                rate=plan.rate,
                report=report,
            )
    except ValueError as error:
        raise InputError(f"{prepared.plan.where}: {error}; move the start values") from None
    best = min(ends, key=lambda end: end.cost)
    x, history, reason = best.best_x, tuple(best.history), "decrease" if best.ended else "iterations"
    residual, jacobian = model.residuals(x[None])[0], model.jacobian(x[None])[0]
    found = least_squares.Fit(x, best.cost, residual, jacobian, history, best.runs, best.runs, reason)
    return Outcome(found, (), spent + time.perf_counter() - begin, ends[0].history[0], plan.method)


# --- results ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Evaluation:
    """Simulated observations before and after, and the standard deviation that the parameters' uncertainty gives."""

    before: np.ndarray
    after: np.ndarray
    spread: np.ndarray
    codes: np.ndarray


def evaluate(prepared: Prepared, outcome: Outcome) -> Evaluation:
    """Simulate at the start and at the best fit; the spread is first order (Laplace)."""
    model, x = prepared.model, outcome.fit.x
    count = max(1, len(outcome.searches))  # the shape that is compiled already
    before, _ = model.sensitivity(model.transform.values(np.tile(model.start, (count, 1))))
    values = model.transform.values(np.tile(x, (count, 1)))
    after, by_values = model.sensitivity(values)
    codes = model.codes(values)[0]
    by_x = by_values[0] * model.transform.slope(x)
    covariance = outcome.fit.covariance()
    known = np.isfinite(np.diag(covariance))
    spread = np.sqrt(
        np.maximum(np.einsum("ij,jk,ik->i", by_x[:, known], covariance[np.ix_(known, known)], by_x[:, known]), 0)
    )
    return Evaluation(before[0], after[0], spread, codes)


def _scores(prepared: Prepared, simulated: np.ndarray) -> list[scores.Score]:
    o, p = prepared.problem.observations, prepared.problem
    seen = np.isfinite(o.value)
    return scores.table(
        [p.sites[s] for s in o.site[seen]],
        [p.channels[c].name for c in o.channel[seen]],
        np.where(o.fit[seen], "fit", "held-out").tolist(),
        simulated[seen],
        o.value[seen],
    )


def overlay(prepared: Prepared, values: np.ndarray) -> tuple[dict[str, Any], dict[str, str]]:
    """Table values ``{"branch.field": {community: value}}`` at ``values`` (coordinate,), and what cannot go there (site-wise,
    pools).
    """
    problem, model, table = prepared.problem, prepared.model, prepared.table
    made: dict[str, dict[str, Any]] = {}
    other: dict[str, str] = {}
    done: set[tuple[str, str]] = set()
    for k, free in enumerate(problem.free):
        for full, s in [(n, s) for n in free.names for s in np.flatnonzero(model.applies[:, k])]:
            community, value = problem.communities[s], float(values[model.index[s, k]])
            mates = [r for r in np.flatnonzero(model.applies[:, k]) if problem.communities[r] == community]
            if full in START or len({int(model.index[r, k]) for r in mates}) > 1:
                other[f"{full}:{problem.sites[s]}"] = f"{value!r} ({free.mode})"
                continue
            if (free.label + full, community) in done:
                continue
            done.add((free.label + full, community))
            name, element = element_of(full)
            entry, by = table.entries[name], made.setdefault(name, {})
            new = np.array(by.get(community, entry.values[community]), dtype=float)
            where = slice(None) if element is None else element
            changed = np.atleast_1d(new)
            changed[where] = changed[where] * value if free.mode == "factor" else value
            by[community] = np.clip(changed.reshape(new.shape), entry.lower, entry.upper).tolist()
    return made, other


def _quoted(text: str) -> str:
    return json.dumps(" ".join(str(text).split()), ensure_ascii=False)


def overlay_text(prepared: Prepared, outcome: Outcome) -> str:
    """``calibrated.toml``: values, uncertainty and provenance; loads like any overlay."""
    values, other = overlay(prepared, prepared.model.transform.values(outcome.fit.x))
    plan, fit_ = prepared.plan, outcome.fit
    o = prepared.problem.observations
    source = f"calibrated: {plan.calibration.name}, {', '.join(prepared.problem.sites)}"
    lines = [
        f'# Calibrated with jtem {__version__}; an overlay of parameters, e.g. [model] parameters = ["calibrated.toml"].',
        "[overlay]",
        f"name = {_quoted(plan.calibration.name)}",
        f"source = {_quoted(source)}",
        f"method = {_quoted(outcome.method)}",
        f"stopped = {_quoted(least_squares.REASONS[fit_.reason])}",
        f"misfit_start = {outcome.first_misfit!r}",
        f"misfit = {fit_.cost!r}",
        f"observations_fitted = {int(o.fitted.sum())}",
        f"model_runs = {fit_.runs}",
        f"plan_sha256 = {_quoted(hashlib.sha256(plan.text.encode()).hexdigest())}",
        f"parameter_files = {json.dumps(list(prepared.table.files))}",
        f"parameter_hash_before = {_quoted(prepared.table.hash())}",
        f"inputs = {json.dumps(list(prepared.inputs))}",
        "",
        "[overlay.uncertainty] # value, standard error, 95 % interval in the coordinate's own unit (a factor: 1)",
    ]
    for row in least_squares.summary(fit_, prepared.model.transform):
        numbers = [float(row[k]) for k in ("value", "standard_error", "lower", "upper")]
        text = ", ".join("inf" if math.isinf(v) else repr(v) for v in numbers)
        lines.append(
            f"{_quoted(str(row['name']))} = [{text}]" + (f" # at its {row['bound']} bound" if row["bound"] else "")
        )
    lines += _overlay_lines(values, other, source)
    return "\n".join(lines) + "\n"


def _overlay_lines(values: Mapping[str, Any], other: Mapping[str, str], source: str) -> list[str]:
    """Lines of an overlay from what :func:`overlay` gives."""
    lines = []
    if other:
        lines += ["", "[overlay.sites] # of one site, not of a community: not loaded"]
        lines += [f"{_quoted(name)} = {_quoted(text)}" for name, text in other.items()]
    for name, by in values.items():
        lines += ["", f"[{name}]", f"source = {_quoted(source)}"]
        lines.append("values = { " + ", ".join(f"{c} = {json.dumps(v)}" for c, v in by.items()) + " }")
    return lines


def pest_overlay_text(prepared: Prepared, path: Path) -> str:
    """An overlay of the values in ``path`` (PEST's parameter file, or what it filled in). Raises ``InputError``."""
    found = pest.read_values(path, prepared.model.names)
    values, other = overlay(prepared, np.array([found[name] for name in prepared.model.names]))
    name = prepared.plan.calibration.name
    source = f"PEST: {name}, {', '.join(prepared.problem.sites)}"
    head = ["[overlay]", f"name = {_quoted(name)}", f"source = {_quoted(source)}", f"values = {_quoted(path.name)}"]
    return "\n".join([*head, *_overlay_lines(values, other, source)]) + "\n"


def write_results(prepared: Prepared, outcome: Outcome, folder: Path, *, figure: bool = True) -> list[scores.Score]:
    """Everything about a finished search; returns the scores after calibration."""
    result = evaluate(prepared, outcome)
    _write(folder / "calibrated.toml", overlay_text(prepared, outcome))
    rows = least_squares.summary(outcome.fit, prepared.model.transform)
    _table(folder / "parameters.csv", list(rows[0]), [list(row.values()) for row in rows])
    names = prepared.model.names
    correlation = outcome.fit.correlation()
    _table(
        folder / "correlations.csv",
        ["name", *names],
        [[n, *r] for n, r in zip(names, correlation.tolist(), strict=True)],
    )
    singular, directions = outcome.fit.singular_values, outcome.fit.directions
    _table(
        folder / "singular_values.csv",
        ["singular_value", *names],
        [[s, *d] for s, d in zip(singular.tolist(), directions.tolist(), strict=False)],
    )
    if outcome.searches:
        _table(
            folder / "starts.csv",
            ["start", "misfit_first", "misfit_last", "iterations", "runs", "reason", *names],
            [
                [k, s.history[0], s.cost, len(s.history) - 1, s.runs, s.reason, *prepared.model.transform.values(s.x)]
                for k, s in enumerate(outcome.searches)
            ],
        )
    found = _scores(prepared, result.after)
    scores.write(found, folder / "scores.csv")
    scores.write(_scores(prepared, result.before), folder / "scores_before.csv")
    o, p = prepared.problem.observations, prepared.problem
    year, month = prepared.first_year + o.begin // 12, o.begin % 12 + 1
    part = np.where(np.isfinite(o.value), np.where(o.fit, "fit", "held-out"), "")
    header = ["site", "stream", "year", "month", "months", "part"]
    numbers = {"observed": o.value, "error": o.error, "before": result.before, "after": result.after}
    numbers["spread"] = result.spread
    where = zip(
        (p.sites[s] for s in o.site),
        (p.channels[c].name for c in o.channel),
        year,
        month,
        o.end - o.begin,
        part,
        strict=True,
    )
    _table(
        folder / "simulated.csv",
        [*header, *numbers],
        [[*place, *row] for place, row in zip(where, np.stack(list(numbers.values()), axis=1), strict=True)],
    )
    if figure and figures.available():
        for s, name in enumerate(p.sites):
            figures.panel(folder / f"fit_{_file_name(name)}.png", name, _panels(prepared, result, s))
    return found


# --- draws from the posterior ----------------------------------------------------------------------------------------

DRAWS = "posterior.npz"


def _settings(plan: CalibrationPlan) -> sampling.Settings:
    assert plan.posterior is not None
    return sampling.Settings(**dataclasses.asdict(plan.posterior))


def _draws_identity(prepared: Prepared, x: np.ndarray, covariance: np.ndarray) -> str:
    """What resumed draws must agree on: the plan but for the number of samples, the version, where the search ended."""
    made = hashlib.sha256(identity(prepared.plan).encode())
    made.update(repr(dataclasses.replace(_settings(prepared.plan), samples=0)).encode())
    made.update(np.ascontiguousarray(x).tobytes() + np.ascontiguousarray(covariance).tobytes())
    return made.hexdigest()[:16]


def _write_draws(path: Path, draws: sampling.Draws, made_by: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    arrays = {name: getattr(draws, name) for name in sampling.SERIES}
    arrays |= {f"state_{k}": leaf for k, leaf in enumerate(draws.state)}
    with partial.open("wb") as file:
        np.savez(file, identity=np.array(made_by), seconds=np.array(draws.seconds), **arrays)
    partial.replace(path)


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
    prepared: Prepared, outcome: Outcome, folder: Path, *, resume: bool = False, say: Callable[[str], None] = print
) -> sampling.Draws:
    """Draw from the log-posterior around the best fit as the plan's [posterior] says, all draws, warming up first.

    Each block of draws is written down in ``folder``; ``resume`` goes on from it where it is there. x is in free
    coordinates. Raises ``InputError``.
    """
    settings, model, path = _settings(prepared.plan), prepared.model, folder / DRAWS
    x, covariance = outcome.fit.x, near_posterior(outcome.fit.jacobian)
    made_by = _draws_identity(prepared, x, covariance)
    so_far = _read_draws(path, made_by) if resume and path.exists() else None
    if so_far is not None and so_far.number > settings.warmup + settings.samples:
        raise InputError(
            f"{path}: holds more draws than [posterior] samples asks for; raise it or start without --resume"
        )
    say(
        f"sampling the posterior: {settings.chains} chains, {settings.warmup} draws to warm up, {settings.samples} kept"
    )
    if prepared.plan.search.heat_differences and model.setting.heat_slots:
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
        dtype=prepared.problem.design.pool_dtype,
        start=start,
        resume=so_far,
        say=say,
        report=report,
    )


def write_posterior(
    prepared: Prepared, outcome: Outcome, draws: sampling.Draws, folder: Path, *, figure: bool = True
) -> tuple[list[sampling.Summary], list[str]]:
    """``posterior.csv`` (without the warm-up), ``posterior_summary.csv`` beside the Laplace values and a figure of the
    marginals, in the coordinates' own units; returns the summary and sentences of warning.
    """
    settings, transform, fit_ = _settings(prepared.plan), prepared.model.transform, outcome.fit
    kept = draws.kept(settings.warmup)
    values = transform.values(kept.x)
    found = sampling.summarise(transform.names, values)
    chains, samples, _ = values.shape
    _table(
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
    _table(
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
            for one, unit, row in zip(found, _units(prepared), laplace, strict=True)
        ],
    )
    if figure and figures.available():
        figures.marginals(
            folder / "posterior.png",
            prepared.plan.calibration.title or prepared.plan.calibration.name,
            _marginals(prepared, outcome, values),
        )
    return found, sampling.warnings(kept, found, settings)


def _units(prepared: Prepared) -> list[str]:
    """Unit of each coordinate; "1" of a factor."""
    problem, model = prepared.problem, prepared.model
    units = ["1"] * len(model.names)
    for k, free in enumerate(problem.free):
        name, _ = element_of(free.names[0])
        if free.mode == "value" and name in prepared.table.entries:
            for c in {int(i) for i in model.index[model.applies[:, k], k]}:
                units[c] = prepared.table.entries[name].unit
    return units


def _marginals(prepared: Prepared, outcome: Outcome, values: np.ndarray) -> list[figures.Marginal]:
    """Draws of each coordinate and the density of the Laplace approximation (normal in free coordinates)."""
    transform, x = prepared.model.transform, outcome.fit.x
    deviation = np.sqrt(np.diag(outcome.fit.covariance()))
    known = np.isfinite(deviation)
    spread = np.where(known, deviation, 1.0)
    steps = np.linspace(-4.0, 4.0, 161)[:, None]
    points = x + steps * spread
    density = np.exp(-0.5 * steps**2) / (np.sqrt(2.0 * np.pi) * spread) / transform.slope(points)
    density[:, ~known] = np.nan
    grid, flat = transform.values(points), values.reshape(-1, x.size)
    return [
        figures.Marginal(name, unit, flat[:, k], grid[:, k], density[:, k], transform.lower[k], transform.upper[k])
        for k, (name, unit) in enumerate(zip(transform.names, _units(prepared), strict=True))
    ]


def print_posterior(
    found: Sequence[sampling.Summary], laplace: Sequence[Mapping[str, float | str]], say: Callable[[str], None]
) -> None:
    """A table for people; ``laplace``: rows of ``least_squares.summary``."""
    say(f"{'coordinate':44s} {'mean':>10s} {'s.d.':>10s} {'Laplace':>10s} {'error':>10s} {'R-hat':>7s} {'ESS':>7s}")
    for one, row in zip(found, laplace, strict=True):
        say(
            f"{one.name:44s} {one.mean:10.4g} {one.standard_deviation:10.3g} {float(row['value']):10.4g} "
            f"{float(row['standard_error']):10.3g} {one.r_hat:7.3f} {one.effective:7.0f}"
        )


# --- panels and tables -----------------------------------------------------------------------------------------------


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)


def _panels(prepared: Prepared, result: Evaluation, site: int) -> list[figures.Panel]:
    o, p = prepared.problem.observations, prepared.problem
    made = []
    for c, channel in enumerate(p.channels):
        mine = np.flatnonzero((o.site == site) & (o.channel == c))
        if not mine.size:
            continue
        stream = channel.name.split(" ")[0]
        unit = observations.STREAMS[stream].unit
        when = prepared.first_year + (o.begin[mine] + o.end[mine]) / 24.0
        made.append(
            figures.Panel(
                channel.name.replace("_", " "),
                unit,
                when,
                o.value[mine],
                o.error[mine],
                o.fit[mine],
                result.before[mine],
                result.after[mine],
                result.spread[mine],
            )
        )
    return made


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _table(path: Path, header: Sequence[str], rows: Sequence[Any]) -> None:
    def text(value: Any) -> str:
        if isinstance(value, float | np.floating):
            return "" if math.isnan(value) else f"{value:.8g}"
        return str(value)

    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([[text(v) for v in row] for row in rows])


# --- PEST ------------------------------------------------------------------------------------------------------------


def pest_problem(prepared: Prepared) -> pest.Problem:
    """The same problem for PEST: see :func:`jtem.study.calibration.pest.problem_of`."""
    return pest.problem_of(prepared.model, prepared.first_year)


def simulated_for_pest(prepared: Prepared, values: Path, path: Path) -> None:
    """Write what PEST reads back, at the ``values`` that PEST filled in (or of its parameter file). Raises ``InputError``."""
    found = pest.read_values(values, prepared.model.names)
    pest.write_simulated(pest_problem(prepared), pest.simulated(prepared.model, found), path)


def print_scores(found: Sequence[scores.Score], before: Sequence[scores.Score], say: Callable[[str], None]) -> None:
    """A table for people."""
    old = {(s.site, s.stream, s.part): s for s in before}
    say(f"{'site':12s} {'stream':28s} {'part':9s} {'n':>5s} {'R2 before':>10s} {'R2':>7s} {'RMSE':>9s} {'bias':>9s}")
    for s in found:
        b = old.get((s.site, s.stream, s.part))
        r2 = b.r2 if b else math.nan
        say(f"{s.site:12s} {s.stream:28s} {s.part:9s} {s.n:5d} {r2:10.3f} {s.r2:7.3f} {s.rmse:9.3g} {s.bias:9.3g}")


def read_before(folder: Path) -> list[scores.Score]:
    """``scores_before.csv`` of a finished calibration."""
    return scores.read(folder / "scores_before.csv")
