"""What a finished search leaves: scores before and after, the calibrated overlay with its uncertainty, tables of everything."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jtem import __version__
from jtem.files import write_text
from jtem.parameters import Handle, Numbers
from jtem.study import scores
from jtem.study.calibration import least_squares
from jtem.study.calibration.case import Case
from jtem.study.calibration.problem import START
from jtem.study.calibration.search import Outcome, Validation


@dataclass(frozen=True)
class Evaluation:
    """Simulated observations before and after, and the standard deviation that the parameters' uncertainty gives."""

    before: np.ndarray
    after: np.ndarray
    spread: np.ndarray
    codes: np.ndarray


def evaluate(case: Case, outcome: Outcome) -> Evaluation:
    """Simulate at the start and at the best fit; the spread is first order (Laplace)."""
    model, x = case.model, outcome.fit.x
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


def parts(case: Case) -> np.ndarray:
    """Part of every observation, (observation,): "fit", "held-out", "untouched", "" where nothing was observed (or a bound)."""
    o, folds = case.problem.observations, case.problem.folds
    part = np.where(o.fit, "fit", "held-out").astype("<U9")
    if folds is not None:
        part[folds[o.site] < 0] = "untouched"
    part[~np.isfinite(o.value)] = ""
    if o.bound is not None:
        part[o.bound] = ""
    return part


def scored(
    case: Case, simulated: np.ndarray, blocked: np.ndarray | None = None, untouched: bool = False
) -> list[scores.Score]:
    """Scores of simulated values (observation,) by site, channel and part; those of fits that did not see the block where
    ``blocked`` has them. Sites that no fit sees are scored where ``untouched``.
    """
    o, p, part = case.problem.observations, case.problem, parts(case)
    rows = [(simulated, k, part[k]) for k in np.flatnonzero((part != "") & (untouched | (part != "untouched")))]
    if blocked is not None:
        rows += [(blocked, k, "blocked") for k in np.flatnonzero(np.isfinite(blocked) & (part == "fit"))]
    return scores.table(
        [p.sites[o.site[k]] for _, k, _ in rows],
        [p.channels[o.channel[k]].name for _, k, _ in rows],
        [str(word) for *_, word in rows],
        np.array([values[k] for values, k, _ in rows]),
        np.array([o.value[k] for _, k, _ in rows]),
    )


def overlay(case: Case, values: np.ndarray) -> tuple[dict[str, dict[str, Numbers]], dict[str, str]]:
    """Table values ``{"branch.field": {community: value}}`` at ``values`` (coordinate,), and what cannot go there (site-wise,
    pools).
    """
    problem, model, entries = case.problem, case.model, case.table.entries
    made: dict[str, dict[str, Numbers]] = {}
    other: dict[str, str] = {}
    done: set[tuple[str, str]] = set()
    for k, free in enumerate(problem.free):
        if free.scope == "field":
            continue
        for full, s in [(n, s) for n in free.names for s in np.flatnonzero(model.applies[:, k])]:
            community, value = problem.communities[s], float(values[model.index[s, k]])
            mates = [r for r in np.flatnonzero(model.applies[:, k]) if problem.communities[r] == community]
            if full in START or len({int(model.index[r, k]) for r in mates}) > 1:
                other[f"{full}:{problem.sites[s]}"] = f"{value!r} ({free.mode})"
                continue
            if (free.label + full, community) in done:
                continue
            done.add((free.label + full, community))
            handle = Handle.of(full)
            entry, by = entries[handle.name], made.setdefault(handle.name, {})
            new = np.array(by.get(community, entry.values[community]), dtype=float)
            where = slice(None) if handle.element is None else handle.element
            changed = np.atleast_1d(new)
            changed[where] = changed[where] * value if free.mode == "factor" else value
            by[community] = np.clip(changed.reshape(new.shape), entry.lower, entry.upper).tolist()
    return made, other


def field_lines(case: Case, values: np.ndarray, source: str) -> list[str]:
    """Section [fields] of an overlay: parameters of scope field at ``values`` (coordinate,)."""
    lines = []
    for free in case.problem.free:
        if free.scope != "field":
            continue
        mine = {
            name.removeprefix(f"{free.label}:"): float(v)
            for name, v in zip(case.model.names, values, strict=True)
            if name.startswith(f"{free.label}:")
        }
        parts = [
            [
                f"{word} = {v!r}"
                for word, v in mine.items()
                if word != "constant" and (word in free.covariates) == of_covariates
            ]
            for of_covariates in (True, False)
        ]
        lines += ["", f"[fields.{_quoted(free.names[0])}]", f"source = {_quoted(source)}"]
        lines += [f"bounds = [{free.lower!r}, {free.upper!r}]", f"scale = {_quoted(free.scale)}"]
        lines += [f"constant = {mine['constant']!r}"]
        lines += [
            f"{key} = {{ {', '.join(part)} }}" for key, part in zip(("weights", "communities"), parts, strict=True)
        ]
    return lines


def _quoted(text: str) -> str:
    return json.dumps(" ".join(str(text).split()), ensure_ascii=False)


def overlay_text(case: Case, outcome: Outcome) -> str:
    """``calibrated.toml``: values, uncertainty and provenance; loads like any overlay."""
    values, other = overlay(case, case.model.transform.values(outcome.fit.x))
    fit_ = outcome.fit
    o = case.problem.observations
    source = f"calibrated: {case.name}, {', '.join(case.problem.sites)}"
    lines = [
        f'# Calibrated with jtem {__version__}; an overlay of parameters, e.g. [model] parameters = ["calibrated.toml"].',
        "[overlay]",
        f"name = {_quoted(case.name)}",
        f"source = {_quoted(source)}",
        f"method = {_quoted(outcome.method)}",
        f"stopped = {_quoted(least_squares.REASONS[fit_.reason])}",
        f"misfit_start = {outcome.first_misfit!r}",
        f"misfit = {fit_.cost!r}",
        f"observations_fitted = {int(o.fitted.sum())}",
        f"model_runs = {fit_.runs}",
        f"plan_sha256 = {_quoted(hashlib.sha256(case.text.encode()).hexdigest())}",
        f"parameter_files = {json.dumps(list(case.table.files))}",
        f"parameter_hash_before = {_quoted(case.table.hash())}",
        f"inputs = {json.dumps(list(case.inputs))}",
        "",
        "[overlay.uncertainty] # value, standard error, 95 % interval in the coordinate's own unit (a factor: 1)",
    ]
    for row in least_squares.summary(fit_, case.model.transform):
        numbers = [float(row[k]) for k in ("value", "standard_error", "lower", "upper")]
        text = ", ".join("inf" if math.isinf(v) else repr(v) for v in numbers)
        lines.append(
            f"{_quoted(str(row['name']))} = [{text}]" + (f" # at its {row['bound']} bound" if row["bound"] else "")
        )
    lines += _overlay_lines(values, other, source)
    lines += field_lines(case, case.model.transform.values(outcome.fit.x), source)
    return "\n".join(lines) + "\n"


def _overlay_lines(values: Mapping[str, Mapping[str, Numbers]], other: Mapping[str, str], source: str) -> list[str]:
    """Lines of an overlay from what :func:`overlay` gives."""
    lines = []
    if other:
        lines += ["", "[overlay.sites] # of one site, not of a community: not loaded"]
        lines += [f"{_quoted(name)} = {_quoted(text)}" for name, text in other.items()]
    for name, by in values.items():
        lines += ["", f"[{name}]", f"source = {_quoted(source)}"]
        lines.append("values = { " + ", ".join(f"{c} = {json.dumps(v)}" for c, v in by.items()) + " }")
    return lines


def pest_overlay_text(case: Case, found: Mapping[str, float], file: str) -> str:
    """An overlay of the values that were ``found`` in PEST's ``file`` (of parameters, or what it filled in)."""
    values, other = overlay(case, np.array([found[name] for name in case.model.names]))
    name = case.name
    source = f"PEST: {name}, {', '.join(case.problem.sites)}"
    head = ["[overlay]", f"name = {_quoted(name)}", f"source = {_quoted(source)}", f"values = {_quoted(file)}"]
    lines = field_lines(case, np.array([found[name] for name in case.model.names]), source)
    return "\n".join([*head, *_overlay_lines(values, other, source), *lines]) + "\n"


def write_results(
    case: Case,
    outcome: Outcome,
    result: Evaluation,
    folder: Path,
    validation: Validation | None = None,
    untouched: bool = False,
) -> list[scores.Score]:
    """Everything about a finished search; returns the scores after calibration. ``untouched``: score sites that no fit sees."""
    write_text(folder / "calibrated.toml", overlay_text(case, outcome))
    rows = least_squares.summary(outcome.fit, case.model.transform)
    table(folder / "parameters.csv", list(rows[0]), [list(row.values()) for row in rows])
    names = case.model.names
    correlation = outcome.fit.correlation()
    table(
        folder / "correlations.csv",
        ["name", *names],
        [[n, *r] for n, r in zip(names, correlation.tolist(), strict=True)],
    )
    singular, directions = outcome.fit.singular_values, outcome.fit.directions
    table(
        folder / "singular_values.csv",
        ["singular_value", *names],
        [[s, *d] for s, d in zip(singular.tolist(), directions.tolist(), strict=False)],
    )
    if outcome.searches:
        table(
            folder / "starts.csv",
            ["start", "misfit_first", "misfit_last", "iterations", "runs", "reason", *names],
            [
                [k, s.history[0], s.cost, len(s.history) - 1, s.runs, s.reason, *case.model.transform.values(s.x)]
                for k, s in enumerate(outcome.searches)
            ],
        )
    blocked = None if validation is None else validation.simulated
    found = scored(case, result.after, blocked, untouched)
    scores.write(found, folder / "scores.csv")
    before = scored(
        case,
        result.before,
        None if blocked is None else np.where(np.isfinite(blocked), result.before, np.nan),
        untouched,
    )
    scores.write(before, folder / "scores_before.csv")
    o, p = case.problem.observations, case.problem
    year, month = case.first_year + o.begin // 12, o.begin % 12 + 1
    part = parts(case)
    header = ["site", "stream", "year", "month", "months", "part"]
    numbers = {"observed": o.value, "error": o.error, "before": result.before, "after": result.after}
    numbers["spread"] = result.spread
    if validation is not None:
        numbers["blocked"] = validation.simulated
        shown = untouched | (part != "untouched")
        numbers = {name: np.where(shown, values, np.nan) for name, values in numbers.items()}
        table(
            folder / "folds.csv",
            ["fold", *names],
            [[k + 1, *case.model.transform.values(x)] for k, x in enumerate(validation.x)],
        )
    where = zip(
        (p.sites[s] for s in o.site),
        (p.channels[c].name for c in o.channel),
        year,
        month,
        o.end - o.begin,
        part,
        strict=True,
    )
    table(
        folder / "simulated.csv",
        [*header, *numbers],
        [[*place, *row] for place, row in zip(where, np.stack(list(numbers.values()), axis=1), strict=True)],
    )
    return found


def units(case: Case) -> list[str]:
    """Unit of each coordinate; "1" of a factor."""
    problem, model = case.problem, case.model
    units = ["1"] * len(model.names)
    for k, free in enumerate(problem.free):
        name = Handle.of(free.names[0]).name
        if free.mode == "value" and free.scope != "field" and name in case.table.entries:
            for c in {int(i) for i in model.index[model.applies[:, k], k]}:
                units[c] = case.table.entries[name].unit
    return units


def read_before(folder: Path) -> list[scores.Score]:
    """``scores_before.csv`` of a finished calibration."""
    return scores.read(folder / "scores_before.csv")


def table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write rows of numbers and texts as CSV; what is not a number is empty."""

    def text(value: object) -> str:
        if isinstance(value, float | np.floating):
            return "" if math.isnan(value) else f"{value:.8g}"
        return str(value)

    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([[text(v) for v in row] for row in rows])
