"""Annual CO2: from a table of the user or from the embedded published series."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from jtem.errors import InputError, suggest
from jtem.readers import embedded


def read_table(path: Path | str, first_year: int, last_year: int, column: str = "") -> np.ndarray:
    """CO2 (ppm) of ``first_year``..``last_year`` from a text table, shape (year,).

    Comma, blank or tab separated; with a header line (``year`` and the CO2 column) or two bare columns, as in ISIMIP.
    ``column``: which one; by default the only one or the one called ``co2``/``co2_ppm``. Raises ``InputError`` for
    missing years, unknown columns and values outside 100..5000 ppm.
    """
    path = Path(path)
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: CO2 table cannot be read ({error}); give the path of a text table") from None
    lines = [line for line in lines if line and not line.startswith("#")]
    rows = [row if len(row) > 1 else row[0].split() for row in csv.reader(lines)]
    if not rows:
        raise InputError(f"{path}: CO2 table is empty; give rows of year and ppm")
    year_at, value_at = 0, 1
    if not _is_number(rows[0][0]):
        header, rows = [name.strip() for name in rows[0]], rows[1:]
        year_at = header.index("year") if "year" in header else 0
        value_at = _column(header, year_at, column, path)
    series = {}
    for row in rows:
        if len(row) > max(year_at, value_at) and not row[value_at].strip():
            continue  # other columns go on where this one has no value
        try:
            series[int(float(row[year_at]))] = float(row[value_at])
        except (ValueError, IndexError):
            raise InputError(f"{path}: CO2 row {','.join(row)!r} is not a year and a number; correct it") from None
    years = np.arange(first_year, last_year + 1)
    for year in years:
        if int(year) not in series:
            raise InputError(
                f"{path}: CO2 of {year} is missing (table has {min(series)}-{max(series)}); complete the table or "
                "change the years"
            )
        if not 100.0 <= series[int(year)] <= 5000.0:
            raise InputError(
                f"{path}: CO2 of {year} is {series[int(year)]:g}, expected 100..5000 ppm; correct the value"
            )
    return np.array([series[int(year)] for year in years])


def _column(header: list[str], year_at: int, column: str, path: Path) -> int:
    others = [name for k, name in enumerate(header) if k != year_at]
    if column:
        if column not in header:
            raise InputError(f"{path}: no CO2 column '{column}'; {suggest(column, others)}")
        return header.index(column)
    for name in ("co2", "co2_ppm"):
        if name in header:
            return header.index(name)
    if len(others) != 1:
        raise InputError(f"{path}: several columns ({', '.join(others)}); say which one with 'co2_column'")
    return header.index(others[0])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def embedded_series(scenario: str, first_year: int, last_year: int) -> np.ndarray:
    """Published CO2 (ppm), shape (year,): history to 2014 and the scenario after it.

    ``scenario``: one of the embedded ones; "historical" alone ends in 2014. Raises ``InputError`` otherwise.
    """
    end_of_history = embedded.SCENARIO_YEARS["historical"][1]
    parts = []
    if first_year <= end_of_history:
        parts.append(embedded.co2("historical", first_year, min(last_year, end_of_history)))
    if last_year > end_of_history:
        parts.append(embedded.co2(scenario, max(first_year, end_of_history + 1), last_year))
    return np.concatenate(parts)


def of_climate(climate: str, column: str, first_year: int, last_year: int) -> np.ndarray:
    """Published CO2 (ppm), shape (year,), of a plan's climate: by its key 'co2_column', else by the climate's name.

    Raises ``InputError`` where neither says which scenario follows history.
    """
    scenario, end = column or climate, embedded.SCENARIO_YEARS["historical"][1]
    scenarios = [name for name in embedded.SCENARIO_YEARS if name != "historical"]
    if last_year > end and scenario not in scenarios:
        raise InputError(
            f"CO2 of climate '{climate}' after {end} depends on the scenario"
            + (f", and '{column}' is none that is embedded" if column and column != "historical" else "")
            + f"; say which with [domain] co2_column, one of {', '.join(scenarios)}, or give a table with [domain] co2"
        )
    return embedded_series(scenario, first_year, last_year)
