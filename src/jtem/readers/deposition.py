"""Nitrogen deposition of all cells from a table of years."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jtem.constants import DAYS_IN_MONTH
from jtem.errors import InputError
from jtem.readers import tables
from jtem.readers.columns import split_unit
from jtem.readers.units import factor_to

EVERYWHERE = "deposition"
"""Column for all climates that have none of their own."""
LARGEST, UNIT = 20.0, "gN m-2 a-1"


def monthly(path: Path | str, climate: str, first_year: int, last_year: int) -> np.ndarray:
    """Nitrogen deposition (gN m-2 month-1) of the years, evenly over their days, (year, 12).

    The table has ``year`` and a column of the climate's name or one called ``deposition``, with the unit in its header, as
    ``deposition (gN m-2 a-1)`` or ``(kg N ha-1 a-1)``. Raises ``InputError`` for missing years, columns and units, a year with
    two rows and amounts outside 0 to 20 gN m-2.
    """
    rows = tables.read_rows(path, ("year",))
    headers = {split_unit(name): name for name in rows[0]}
    said, column = next(
        ((unit, name) for wanted in (climate, EVERYWHERE) for (bare, unit), name in headers.items() if bare == wanted),
        ("", ""),
    )
    if not column:
        raise InputError(
            f"{path}: no column '{climate}' or '{EVERYWHERE}' with a unit beside {', '.join(rows[0])}; add it or rename one"
        )
    if not said:
        raise InputError(
            f"{path}: '{column}' has no unit; write it in the header, as '{column} ({UNIT})' or '{column} (kg N ha-1 a-1)'"
        )
    factor = factor_to(UNIT, said, str(path), split_unit(column)[0])
    known: dict[int, float] = {}
    for row in rows:
        where = f"{path}: line {row.line}"
        year, amount = tables.number(row["year"], where), factor * tables.number(row[column], where)
        if not 0.0 <= amount <= LARGEST:
            raise InputError(
                f"{where}: deposition is {amount:g}, outside 0 to {LARGEST:g} gN m-2 a year; correct the unit"
            )
        if year in known:
            raise InputError(f"{where}: year {year:g} stands twice; leave one out")
        known[int(year)] = amount
    wanted = range(first_year, last_year + 1)
    lost = [year for year in wanted if year not in known]
    if lost:
        raise InputError(f"{path}: deposition of {lost[0]} is missing ({len(lost)} years in all); complete the table")
    return np.array([known[year] for year in wanted])[:, None] * DAYS_IN_MONTH / DAYS_IN_MONTH.sum()
