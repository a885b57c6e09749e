"""Active-layer thickness of a year from thaw depths that were probed through the summer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from jtem.errors import InputError
from jtem.records import Named

SEASON = {True: (8, 9, 10, 11), False: (2, 3, 4, 5)}
"""Months whose thaw depth can be the year's largest, in the northern hemisphere (True) and in the southern (False)."""


def yearly_maximum(rows: Sequence[Named], places: Mapping[str, Named], where: str) -> tuple[list[Named], list[str]]:
    """Rows in which thaw depths with a month (probed through the summer) became active-layer thickness of the year.

    The active layer is the largest thaw depth of a year at a site; points probed on one ``day`` (a field that rows may
    have) count with their mean. It is ">" where the last probing lies before August (southern hemisphere: February). Rows
    of other streams and thickness without month stay. Returns the rows and sentences about what was joined. Raises
    ``InputError`` for several values of one month without days, which may be points or visits.
    """
    kept: list[Named] = []
    probed: dict[tuple[str, float], dict[tuple[float, float], list[Named]]] = {}
    for item in rows:
        if item["stream"] == "active_layer_thickness" and np.isfinite(item["month"]):
            day = float(np.nan_to_num(item.get("day", 0.0)))
            probed.setdefault((item["site"], item["year"]), {}).setdefault((item["month"], day), []).append(dict(item))
        else:
            kept.append(dict(item))
    early = several = points = 0
    for (site, year), visits in probed.items():
        means = []
        for (month, day), found in visits.items():
            if len(found) > 1 and not day:
                raise InputError(
                    f"{where}: thaw depth of {site} {year:.0f}-{month:02.0f} is given {len(found)} times; give dates, or the "
                    "mean of a visit's points"
                )
            points += len(found) > 1
            means.append(found[0] | {"value": float(np.mean([item["value"] for item in found]))} | _mark_of(found))
        latitude = float(places.get(site, {}).get("latitude", np.nan))
        season = SEASON[not latitude < 0]
        largest = max(means, key=lambda item: (item["value"], item["censored"] == ">"))
        several += len(means) > 1
        if not any(item["month"] in season for item in means) and largest["censored"] != ">":
            largest["censored"], early = ">", early + 1
        kept.append(largest | {"month": np.nan})
    notes = []
    if points:
        notes.append(f"{where}: {points} visits have several thaw depths, their mean is taken")
    if several:
        notes.append(
            f"{where}: thaw depth was probed on several dates in {several} years of a site, the largest is taken"
        )
    if early:
        notes.append(
            f"{where}: {early} active layers are only bounds (>), thaw was probed before the end of the summer alone"
        )
    return kept, notes


def _mark_of(found: Sequence[Named]) -> dict[str, str]:
    """The mark of a mean: that of all values, "?" where they differ."""
    marks = {item["censored"] for item in found}
    return {"censored": marks.pop() if len(marks) == 1 else "?"}
