"""The search of a calibration: all starts at once, each iteration written down, so that it can be gone on with."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jtem import __version__
from jtem.errors import InputError
from jtem.files import write_text
from jtem.records import Named
from jtem.study.calibration import descent, least_squares
from jtem.study.calibration.case import Case

STATE = "search.json"


@dataclass(frozen=True)
class Outcome:
    """The best fit, the others' ends and what it cost."""

    fit: least_squares.Minimum
    searches: tuple[least_squares.Search, ...]
    seconds: float
    first_misfit: float
    method: str


def starts(case: Case) -> np.ndarray:
    """Starting points in free coordinates (start, coordinate); the first is the plan's."""
    settings, model = case.search, case.model
    noise = np.random.default_rng(settings.seed).normal(0.0, settings.spread, (settings.starts, len(model.names)))
    noise[0] = 0.0
    return model.start + noise


def identity(text: str) -> str:
    """What a resumed search must agree on: the plan but for [posterior], the version."""
    kept = re.sub(r"^[ \t]*\[posterior\].*?(?=^[ \t]*\[|\Z)", "", text, flags=re.MULTILINE | re.DOTALL)
    return hashlib.sha256((kept.rstrip() + __version__).encode()).hexdigest()[:16]


def dump(
    searches: Sequence[least_squares.Search] | Sequence[descent.Descent], text: str, seconds: float, path: Path
) -> None:
    """Write down searches or descents, and the seconds spent."""

    def plain(value: object) -> object:
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
    write_text(path, json.dumps({"identity": identity(text), "seconds": seconds, "searches": kept}))


def kept_searches(text: str, path: Path) -> tuple[list[Named], float]:
    """What :func:`dump` wrote: the fields of each search, and the seconds spent."""
    try:
        kept = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: nothing to resume ({error}); start without --resume") from None
    if kept["identity"] != identity(text):
        raise InputError(f"{path}: written by another plan or version; start without --resume in another folder")
    return kept["searches"], float(kept["seconds"])


def load(text: str, path: Path, rules: least_squares.Rules) -> tuple[list[least_squares.Search], float]:
    """Searches to go on with, and the seconds spent; raises ``InputError``."""
    kept, seconds = kept_searches(text, path)
    arrays = ("x", "residual", "jacobian", "norms")
    searches = [
        least_squares.Search(
            **Named({k: np.array(v) if k in arrays and v is not None else v for k, v in fields.items()}),
            rules=rules,
        )
        for fields in kept
    ]
    return searches, seconds


def fit(case: Case, folder: Path, *, resume: bool = False, say: Callable[[str], None] = print) -> Outcome:
    """Search, telling each iteration's misfit and writing it down in ``folder``. Raises ``InputError``."""
    settings, model = case.search, case.model
    rules = least_squares.Rules(decrease=settings.decrease, iterations=settings.iterations, longest_step=2.0)
    begin = time.perf_counter()
    if settings.method != "levenberg_marquardt":
        return by_gradient(case, folder / STATE, resume, say)
    spent = 0.0
    if resume:
        made, spent = load(case.text, folder / STATE, rules)
        for search in made:
            if search.reason == "iterations" and len(search.history) <= rules.iterations:
                search.reason = ""
    else:
        made = [least_squares.Search(x, rules) for x in starts(case)]

    def report(searches: Sequence[least_squares.Search]) -> None:
        seconds = spent + time.perf_counter() - begin
        dump(searches, case.text, seconds, folder / STATE)
        costs = " ".join(f"{s.cost:.5g}{'*' if s.reason else ''}" for s in searches)
        say(f"iteration {max(len(s.history) for s in searches) - 1:3d}  misfit {costs}  {seconds:.0f} s")

    searches = least_squares.minimise_many(model.residuals, model.jacobian, made, report=report)
    dump(searches, case.text, spent + time.perf_counter() - begin, folder / STATE)
    usable = [s for s in searches if s.jacobian is not None]
    if not usable:
        values = model.transform.values(np.stack([s.x for s in searches]))
        codes = model.codes(values)[0]
        bad = [n for n, c in zip(case.problem.sites, codes, strict=True) if c]
        raise InputError(
            f"{case.where}: the residuals at the start are not finite (equilibrium failed at "
            f"{', '.join(bad) or 'no site'}); move the start values"
        )
    best = min(usable, key=lambda s: s.cost)
    return Outcome(
        least_squares.fit_of(best),
        tuple(searches),
        spent + time.perf_counter() - begin,
        searches[0].history[0],
        settings.method,
    )


VALIDATION = "validation.json"


@dataclass(frozen=True)
class Validation:
    """Blocked cross-validation: ``simulated`` (observation,) by the fit that did not see the block of the site (NaN at sites
    without one), and where each fit ended, ``x`` (fold, coordinate).
    """

    simulated: np.ndarray
    x: np.ndarray


def validate(
    case: Case, folder: Path, *, resume: bool = False, say: Callable[[str], None] = print
) -> Validation | None:
    """Fit once without each fold of the blocks, from the plan's start and by its rules; None where the plan asks for none.

    Each finished fold is written down in ``folder``. Raises ``InputError``.
    """
    model, folds, o = case.model, case.problem.folds, case.problem.observations
    if folds is None:
        return None
    settings, path = case.search, folder / VALIDATION
    rules = least_squares.Rules(decrease=settings.decrease, iterations=settings.iterations, longest_step=2.0)
    done: list[list[float]] = []
    if resume and path.exists():
        kept = json.loads(path.read_text())
        if kept["identity"] != identity(case.text):
            raise InputError(f"{path}: written by another plan or version; start without --resume in another folder")
        done = kept["x"]

    def many(x: np.ndarray) -> np.ndarray:
        return np.tile(x, (max(settings.starts, 1), 1))  # the shape that is compiled already

    first = model.residuals(many(model.start))[0], model.jacobian(many(model.start))[0]
    simulated = np.full(o.value.size, np.nan)
    for fold in range(int(folds.max()) + 1):
        seen = np.concatenate([folds[o.site[model.fitted]] != fold, np.ones(model.with_prior.size, dtype=bool)])
        if fold >= len(done):
            search = least_squares.Search(model.start, rules)
            search.begin(first[0][seen])
            search.linearise(first[1][seen])
            found = least_squares.minimise(
                lambda x, seen=seen: model.residuals(many(x))[0][seen],
                lambda x, seen=seen: model.jacobian(many(x))[0][seen],
                search,
            )
            done.append(found.x.tolist())
            write_text(path, json.dumps({"identity": identity(case.text), "x": done}))
            say(f"without blocks of fold {fold + 1}: misfit {found.cost:.5g} after {len(found.history) - 1} iterations")
        at, _ = model.sensitivity(model.transform.values(many(np.array(done[fold]))))
        mine = folds[o.site] == fold
        simulated[mine] = at[0][mine]
    return Validation(simulated, np.array(done))


def by_gradient(case: Case, path: Path, resume: bool, say: Callable[[str], None]) -> Outcome:
    """The same misfit by one reverse sweep an evaluation: for many parameters. Starts follow one another."""
    settings, model = case.search, case.model
    begin, spent = time.perf_counter(), 0.0
    ends = [descent.Descent(x) for x in starts(case)]
    if resume:
        kept, spent = kept_searches(case.text, path)
        arrays = ("x", "slope", "best_x")
        for fields in kept:
            fields.update({k: np.array(fields[k]) for k in arrays if fields[k] is not None})
            fields["memory"] = [np.array(part) for part in fields["memory"]]
        ends = [descent.Descent(**fields) for fields in kept]

    def report(now: descent.Descent) -> None:
        seconds, iteration = spent + time.perf_counter() - begin, len(now.history) - 1
        dump(ends, case.text, seconds, path)
        if iteration % 5 == 0:
            say(f"iteration {iteration:3d}  misfit {now.value:.5g}  {seconds:.0f} s")

    try:
        for end in ends:
            descent.minimise(
                model.misfit_and_gradient,
                end,
                settings.method,
                iterations=settings.iterations,
                decrease=settings.decrease,
                rate=settings.rate,
                report=report,
            )
    except ValueError as error:
        raise InputError(f"{case.where}: {error}; move the start values") from None
    best = min(ends, key=lambda end: end.cost)
    x, history, reason = best.best_x, tuple(best.history), "decrease" if best.ended else "iterations"
    residual, jacobian = model.residuals(x[None])[0], model.jacobian(x[None])[0]
    found = least_squares.Minimum(x, best.cost, residual, jacobian, history, best.runs, best.runs, reason)
    return Outcome(found, (), spent + time.perf_counter() - begin, ends[0].history[0], settings.method)
