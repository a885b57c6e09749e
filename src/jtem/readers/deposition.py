"""Nitrogen deposition of all cells from a table of years."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jtem.constants import DAYS_IN_MONTH
from jtem.errors import InputError
from jtem.readers import tables

EVERYWHERE = "deposition"
"""Column for all climates that have none of their own."""
LARGEST = 20.0
"""gN m-2 a year."""


def monthly(path: Path | str, climate: str, first_year: int, last_year: int) -> np.ndarray:
    """Nitrogen deposition (gN m-2 month-1) of the years, evenly over their days, (year, 12).

    The table has ``year`` and, in gN m-2 a year, a column of the climate's name or one called ``deposition``. Raises
    ``InputError`` for missing years and columns, a year with two rows and amounts outside 0 to 20.
    """
    rows = tables.read_rows(path, ("year",))
    column = climate if climate in rows[0] else EVERYWHERE
    if column not in rows[0]:
        raise InputError(
            f"{path}: no column '{climate}' or '{EVERYWHERE}' (gN m-2 a year) beside {', '.join(rows[0])}; add it or rename one"
        )
    known: dict[int, float] = {}
    for row in rows:
        where = f"{path}: line {row.line}"
        year, amount = tables.number(row["year"], where), tables.number(row[column], where)
        if not 0.0 <= amount <= LARGEST:
            raise InputError(
                f"{where}: deposition is {amount:g}, outside 0 to {LARGEST:g} gN m-2 a year; kg ha-1 are ten times as many"
            )
        if year in known:
            raise InputError(f"{where}: year {year:g} stands twice; leave one out")
        known[int(year)] = amount
    wanted = range(first_year, last_year + 1)
    lost = [year for year in wanted if year not in known]
    if lost:
        raise InputError(f"{path}: deposition of {lost[0]} is missing ({len(lost)} years in all); complete the table")
    return np.array([known[year] for year in wanted])[:, None] * DAYS_IN_MONTH / DAYS_IN_MONTH.sum()
