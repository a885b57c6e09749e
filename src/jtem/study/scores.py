"""How well a run agrees with observations: R2, RMSE and bias by site, stream and part (fitted or held out)."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jtem.errors import InputError
from jtem.records import Score

PARTS = ("fit", "blocked", "held-out", "untouched")
"""Fitted; the same, by fits that did not see the block of the site; scored only; at sites that no fit sees."""
ALL = "all"
COLUMNS = ("site", "stream", "part", "n", "R2", "RMSE", "bias")


def score(simulated: np.ndarray, observed: np.ndarray) -> tuple[int, float, float, float, float]:
    """Return n, R2, RMSE, bias and squared correlation of two series (time,); pairs with a NaN do not count."""
    simulated, observed = (np.asarray(v, dtype=np.float64) for v in (simulated, observed))
    known = np.isfinite(simulated) & np.isfinite(observed)
    sim, obs = simulated[known], observed[known]
    if sim.size == 0:
        return 0, np.nan, np.nan, np.nan, np.nan
    error, spread, width = sim - obs, obs - obs.mean(), sim - sim.mean()
    variance, other = float(spread @ spread), float(width @ width)
    r2 = 1.0 - float(error @ error) / variance if variance > 0 else np.nan
    correlation = float(spread @ width) ** 2 / (variance * other) if variance > 0 and other > 0 else np.nan
    return int(sim.size), r2, float(np.sqrt(np.mean(error**2))), float(error.mean()), correlation


def table(
    site: Sequence[str],
    stream: Sequence[str],
    part: Sequence[str],
    simulated: np.ndarray,
    observed: np.ndarray,
) -> list[Score]:
    """Scores for each (site, stream, part) and for all sites of a stream and part together, all inputs (observation,).

    Sorted by stream, part ("fit" first), site ("all" last; only where a stream has several sites). Groups without one
    known pair are listed with n = 0, so that nothing is lost in silence. Raises ``InputError`` for an unknown part.
    """
    names = [np.asarray(v).astype(str) for v in (site, stream, part)]
    unknown = sorted(set(names[2].tolist()) - set(PARTS))
    if unknown:
        raise InputError(f"part {unknown[0]!r} is unknown; use {', '.join(PARTS[:-1])} or {PARTS[-1]}")
    simulated, observed = np.asarray(simulated, np.float64), np.asarray(observed, np.float64)
    scores = []
    for each in sorted(set(names[1].tolist())):
        for piece in PARTS:
            mine = (names[1] == each) & (names[2] == piece)
            sites = sorted(set(names[0][mine].tolist()))
            for name in sites:
                here = mine & (names[0] == name)
                scores.append(Score(name, each, piece, *score(simulated[here], observed[here])))
            if len(sites) > 1:
                scores.append(Score(ALL, each, piece, *score(simulated[mine], observed[mine])))
    return scores


def write(scores: Sequence[Score], path: Path | str) -> None:
    """Write ``scores.csv``, columns :data:`COLUMNS`; what is not known is empty."""
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for each in scores:
            numbers = ("" if np.isnan(v) else f"{v:.6g}" for v in (each.r2, each.rmse, each.bias))
            writer.writerow([each.site, each.stream, each.part, each.n, *numbers])


def read(path: Path | str) -> list[Score]:
    """Read ``scores.csv`` back (it does not hold ``correlation``); raises ``InputError`` where it is not one."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(
            f"{path}: score table cannot be read ({error}); give the scores.csv of a calibration"
        ) from None
    rows = list(csv.reader(lines))
    if not rows or tuple(rows[0]) != COLUMNS:
        raise InputError(f"{path}: not a score table, expected the columns {', '.join(COLUMNS)}")
    scores = []
    for site, stream, part, count, *numbers in rows[1:]:
        r2, rmse, bias = (float(v) if v else np.nan for v in numbers)
        scores.append(Score(site, stream, part, int(count), r2, rmse, bias, np.nan))
    return scores
