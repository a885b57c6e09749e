"""Annual CO2: from a table or netCDF file of the user or from the embedded published series."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from jtem.errors import InputError, suggest
from jtem.readers import co2_netcdf, embedded, tables

_YEARS = ("year", "years", "yr", "date", "time", "jahr")
_MONTHS = ("month", "mon", "mo", "mm", "mn", "mth")
_VALUES = (
    "co2",
    "co2_ppm",
    "ppm",
    "xco2",
    "co2_annual",
    "mean",
    "average",
    "monthly_average",
    "co2_conc",
    "concentration",
    "data_mean_global",
)
_OTHERS = (
    "unc",
    "uncertainty",
    "sd",
    "sdev",
    "std",
    "flag",
    "#days",
    "ndays",
    "days",
    "site",
    "sta",
    "station",
    "decimal",
    "decimal_date",
)
_ELSE = re.compile("emission|anomal|growth|flux|change|increase|ch4|n2o|temp")
"""Names of columns that hold something else than a concentration of CO2."""
SAME_PPM = 1e-6


def read_table(path: Path | str, first_year: int, last_year: int, column: str = "", scenario: str = "") -> np.ndarray:
    """CO2 (ppm) of ``first_year``..``last_year`` from a text table or netCDF file (``co2_netcdf``), shape (year,).

    Comma, semicolon (with decimal points or commas), blank or tab separated; with a header line (``year`` and the CO2
    column), which other lines may precede (Scripps, MAGICC), or two bare columns, as in ISIMIP. A column ``month`` makes
    the years means of twelve months. ``column``: which one; by default the only one or the one called ``co2``/``co2_ppm``.
    ``scenario``: which rows, where the table has a column of scenarios. Raises ``InputError`` for missing years and months,
    a year with two values, unknown columns and values outside 100..5000 ppm.
    """
    path = Path(path)
    if path.suffix.lower() in (".nc", ".nc4", ".cdf"):
        found, monthly = co2_netcdf.read(path, column)
        return _years(path, {key: (value, 0) for key, value in found.items()}, monthly, first_year, last_year)
    rows = _below_preamble(_rows(path))
    if not rows:
        raise InputError(f"{path}: CO2 table is empty; give rows of year and ppm")
    year_at, month_at, value_at, scenario_at, body = 0, -1, 1, -1, rows
    if not _is_number(rows[0][1][0]) or not _is_number(rows[0][1][-1]):
        header, body = [name.strip().strip('"').lstrip("#").strip() for name in rows[0][1]], rows[1:]
        lower = [name.lower() for name in header]
        year_at = next((lower.index(word) for word in _YEARS if word in lower), -1)
        if year_at < 0:
            raise InputError(
                f"{path}: CO2 table has no column 'year' ({', '.join(header)}); name it in the header line"
            )
        month_at = next((lower.index(word) for word in _MONTHS if word in lower), -1)
        dated, month_of_date = _dated(body, year_at)
        texts = [k for k in range(len(header)) if k not in (year_at, month_at) and body and _all_text(body, k)]
        if len(texts) == len(header) - (2 if month_at >= 0 else 1):
            texts = []
        words = {row[k].lower() for k in texts for _, row in body if len(row) > k}
        value_at = _column(header, {year_at, month_at, *texts}, column, words, path)
        wide = max((len(row) for _, row in body), default=0)
        if wide > len(header):
            number = next(number for number, row in body if len(row) > len(header))
            raise InputError(
                f"{path}: line {number} has more columns than the header ({wide} and {len(header)}); name every column"
            )
        scenario_at = _scenarios(header, texts, body)
        body, month_at = (dated, month_of_date) if month_at < 0 else (body, month_at)
    elif len(rows[0][1]) > 2:
        raise InputError(
            f"{path}: {len(rows[0][1])} columns without a header line; add one that names 'year', the CO2 column (and 'month')"
        )
    body = _chosen(path, body, scenario_at, scenario or column)
    values = _values(path, body, year_at, month_at, value_at)
    return _years(path, values, month_at >= 0, first_year, last_year)


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Line numbers and cells of a table, whatever separates them; lines that begin with # are comments."""
    text = tables.read_text(path)
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    comments = [(number, line) for number, line in lines if line.startswith("#")]
    lines = [(number, line) for number, line in lines if line.strip(",; \t") and not line.startswith("#")]
    some = lines[len(lines) // 2 :][:3]  # rows of numbers, below whatever a file begins with
    if any(";" in line for _, line in some):
        return [(n, [cell.strip().replace(",", ".") if k else cell.strip() for k, cell in enumerate(line.split(";"))])
                for n, line in lines]  # fmt: skip
    if any("\t" in line for _, line in some) and not any("," in line for _, line in some):
        return [(n, [cell.strip() for cell in line.split("\t")] if "\t" in line else line.split()) for n, line in lines]
    read = [(n, next(tables.cells_of([line], ",", str(path)))[1]) for n, line in lines]
    rows = [
        (n, [cell.strip() for cell in row] if len(row) > 1 else row[0].split())
        for n, row in read
        if any(map(str.split, row))
    ]
    above = [(n, line.lstrip("# ").split()) for n, line in comments if rows and n < rows[0][0]][-1:]
    bare = rows and len(rows[0][1]) > 2 and all(_is_number(cell) for cell in rows[0][1])
    return (
        [*above, *rows] if bare and above and len(above[0][1]) == len(rows[0][1]) else rows
    )  # names in the last comment


def _below_preamble(rows: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """Rows from the header line on: the nearest one above the numbers that has as many cells and names the year.

    Lines below it and above the numbers are words that go on (Scripps: ``CO2`` over ``filled``) where cells of them are
    empty, else units or numbers of columns (MAGICC), which are left out.
    """
    first = next((k for k, (_, row) in enumerate(rows) if _DATA.match(row[0]) and len(row) > 1), 0)
    wide = len(rows[first][1]) if rows else 0
    heads = [k for k in range(first) if len(rows[k][1]) == wide and _names_year(rows[k][1])]
    if not heads or heads[-1] == first - 1 == 0:
        return rows
    at = heads[-1]
    more = [row for _, row in rows[at + 1 : first] if len(row) == wide and "" in row]
    names = [" ".join(word for word in words if word) for words in zip(rows[at][1], *more, strict=True)]
    return [(rows[at][0], names), *rows[first:]]


_DATA = re.compile(r"\d{1,4}(?:\.\d*|-\d.*)?$")


def _names_year(row: list[str]) -> bool:
    return any(cell.lower().strip('"# ') in _YEARS for cell in row)


_DATE = re.compile(r"(\d{4})-(\d{1,2})(?:-\d{1,2})?(?:[T ].*)?")


def _dated(body: list[tuple[int, list[str]]], at: int) -> tuple[list[tuple[int, list[str]]], int]:
    """Rows whose dates (2001-07-01) are years, or years and months in a column behind the others; that column, or -1."""
    found = [_DATE.fullmatch(row[at]) if len(row) > at else None for _, row in body]
    dates = [(match[1], match[2]) for match in found if match]
    if not dates or len(dates) < len(body):
        return body, -1
    wide = max(len(row) for _, row in body)
    whole = len({year for year, _ in dates}) == len(dates)
    rows = [(n, [*row[:at], date[0], *row[at + 1 :], *[""] * (wide - len(row)), date[1]])
            for (n, row), date in zip(body, dates, strict=True)]  # fmt: skip
    return rows, -1 if whole else wide


def _all_text(body: list[tuple[int, list[str]]], k: int) -> bool:
    cells = [row[k] for _, row in body if len(row) > k and row[k]]
    return bool(cells) and not any(_is_number(cell) or tables.is_missing(cell) for cell in cells)


def _scenarios(header: list[str], texts: list[int], body: list[tuple[int, list[str]]]) -> int:
    """Column whose text tells series apart; -1 where there is none."""
    named = [k for k in texts if header[k].lower() in ("scenario", "experiment", "ssp", "rcp", "pathway", "variant")]
    several = [
        k for k in texts if header[k].lower() not in _OTHERS and len({row[k] for _, row in body if len(row) > k}) > 1
    ]
    return next(iter(named or several), -1)


def _chosen(path: Path, body: list, at: int, word: str) -> list:
    """Rows of one scenario."""
    if at < 0:
        return body
    have = list(dict.fromkeys(row[at] for _, row in body if len(row) > at))
    match = [name for name in have if name.lower() == word.lower()]
    if match:
        keep = {match[0], *(name for name in have if name.lower() in ("historical", "history", "observed"))}
        return [(n, row) for n, row in body if len(row) > at and row[at] in keep]
    if len(have) > 1 and not {name.lower() for name in have} <= {"historical", "history", "observed"}:
        raise InputError(
            f"{path}: rows of several scenarios ({', '.join(have)}); say which one with 'co2_column', or drop the others"
        )
    return body


def _column(header: list[str], known: set[int], column: str, words: set[str], path: Path) -> int:
    """The CO2 column: as asked, else by its usual name, else the only one. ``words``: scenarios, which rows are chosen by."""
    others = [name for k, name in enumerate(header) if k not in known]
    lower = [name.lower() for name in header]
    if column and column.lower() in lower:
        return header.index(column) if column in header else lower.index(column.lower())
    bare = [re.sub(r"\s*[\[(].*", "", name) for name in lower]  # without the unit
    if column and column.lower() in bare:
        return bare.index(column.lower())
    if column and column.lower() not in words:
        raise InputError(f"{path}: no CO2 column '{column}'; {suggest(column, others)}")
    plain = [name.split(" ")[0].split("[")[0].split("(")[0] for name in lower]
    possible = [k for k in range(len(header)) if k not in known and not _ELSE.search(lower[k])]
    usual = [k for word in _VALUES for k in possible if plain[k] == word]
    left = [k for k in possible if plain[k] not in _OTHERS]
    if not usual and len(left) != 1:
        what = "several columns" if left else "no column of CO2 concentrations"
        raise InputError(f"{path}: {what} ({', '.join(others)}); say which one with 'co2_column'")
    return (usual or left)[0]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _values(
    path: Path, body: list, year_at: int, month_at: int, value_at: int
) -> dict[tuple[int, int], tuple[float, int]]:
    """(year, month or 0) -> value and line. Raises ``InputError`` for what is no number and for two values of a time."""
    series: dict[tuple[int, int], tuple[float, int]] = {}
    for number, row in body:
        if len(row) > max(year_at, value_at) and tables.is_missing(row[value_at]):
            continue  # other columns go on where this one has no value
        try:
            year, value = float(row[year_at]), float(row[value_at])
            month = int(float(row[month_at])) if month_at >= 0 else 0
        except (ValueError, IndexError):
            raise InputError(
                f"{path}: line {number}: CO2 row {','.join(row)!r} is not a year and a number; correct it"
            ) from None
        if month_at < 0 and year != int(year):
            raise InputError(
                f"{path}: line {number}: year {year:g} is not whole; give years, or a column 'month' with whole years"
            )
        if month_at >= 0 and not 1 <= month <= 12:
            raise InputError(f"{path}: line {number}: month {row[month_at]} is not 1..12; correct it")
        if value < -9 and month_at >= 0:
            continue  # observatories write -9.99 or -99.99 for a month without measurements
        key = (int(year), month)
        if key in series and abs(series[key][0] - value) > SAME_PPM:
            other, line = series[key]
            when = f"{key[0]}" + (f"-{month:02d}" if month else "")
            raise InputError(
                f"{path}: CO2 of {when} is given twice, {other:g} in line {line} and {value:g} in line {number}; choose a "
                "scenario or drop one of them"
            )
        series[key] = (value, number)
    if not series:
        raise InputError(f"{path}: no row of the CO2 table has a value; give rows of year and ppm")
    return series


def _years(path: Path, series: dict, monthly: bool, first_year: int, last_year: int) -> np.ndarray:
    have = sorted({year for year, _ in series})
    result = []
    for year in range(first_year, last_year + 1):
        found = {month: series[year, month][0] for month in range(13) if (year, month) in series}
        if not found:
            raise InputError(
                f"{path}: CO2 of {year} is missing (table has {have[0]}-{have[-1]}); complete the table or change the years"
            )
        if monthly and len(found) < 12:
            lost = next(month for month in range(1, 13) if month not in found)
            raise InputError(
                f"{path}: CO2 of {year}-{lost:02d} is missing ({len(found)} of 12 months); complete the year or change the years"
            )
        value = float(np.mean(list(found.values())))
        if not 100.0 <= value <= 5000.0:
            raise InputError(f"{path}: CO2 of {year} is {value:g}, expected 100..5000 ppm; correct the value")
        result.append(value)
    return np.array(result)


def embedded_series(scenario: str, first_year: int, last_year: int) -> np.ndarray:
    """Published CO2 (ppm), shape (year,): history to 2014 and the scenario after it.

    ``scenario``: one of the embedded ones; "historical" alone ends in 2014. Raises ``InputError`` otherwise.
    """
    end_of_history = embedded.CO2_YEARS["historical"][1]
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
    scenario, end = column or climate, embedded.CO2_YEARS["historical"][1]
    scenarios = [name for name in embedded.CO2_YEARS if name != "historical"]
    if (last_year > end and scenario not in scenarios) or (column and column not in embedded.CO2_YEARS):
        raise InputError(
            f"CO2 of climate '{climate}' after {end} depends on the scenario"
            + (f", and '{column}' is none that is embedded" if column and column != "historical" else "")
            + f"; say which with [domain] co2_column, one of {', '.join(scenarios)}, or give a table with [domain] co2"
        )
    return embedded_series(scenario, first_year, last_year)
