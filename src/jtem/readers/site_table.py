"""One site from a table: months, days or half-hours of a CSV file, DataFrame or Dataset to whole years of monthly climate.

Columns are found by the usual names of the field (:data:`NAMES`), units stand in the header (``tas (degC)``), in a second
header line or are given. Nothing is guessed and nothing filled unless it is asked for: what is missing is named by its months.
"""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from jtem.errors import InputError, suggest
from jtem.readers import cf_monthly

NAMES: dict[str, tuple[str, ...]] = {
    "air_temperature": (
        "air_temperature", "tas", "ta", "t2m", "t2", "tair", "t_air", "tmean", "tavg", "tmp", "temp", "temperature",
        "air_temp", "airtemp", "mean_temperature", "mean_air_temperature", "2m_temperature", "ta_f", "ta_era",
    ),
    "precipitation": (
        "precipitation", "pr", "p", "precip", "ppt", "prec", "prcp", "pre", "tp", "total_precipitation", "p_f", "p_era",
    ),
    "shortwave_radiation": (
        "shortwave_radiation", "rsds", "sw_in", "swin", "swdown", "sw_down", "sw_in_f", "sw_in_era", "shortwave", "srad",
        "ssrd", "rg", "global_radiation", "solar_radiation", "incoming_shortwave", "nirr",
    ),
    "cloudiness": ("cloudiness", "cld", "clds", "clt", "cloud", "clouds", "cloud_cover", "tcc", "cloud_fraction"),
    "co2": ("co2", "co2_ppm"),
}  # fmt: skip
"""What tables call each variable; letters' case and a unit in the name (``tas_degC``) do not matter."""

NEEDED = ("air_temperature", "precipitation")
LIGHT = ("shortwave_radiation", "cloudiness")
RANGES = {
    "air_temperature": (-90.0, 60.0, "degC"),
    "precipitation": (0.0, 5000.0, "mm month-1"),
    "shortwave_radiation": (0.0, 600.0, "W m-2"),
    "cloudiness": (0.0, 100.0, "percent"),
    "co2": (100.0, 5000.0, "ppm"),
}
WORDS = {"air_temperature": "air temperature", "shortwave_radiation": "shortwave radiation", "co2": "CO2"}
EXAMPLES = {
    "air_temperature": "degC",
    "precipitation": "mm month-1",
    "shortwave_radiation": "W m-2",
    "cloudiness": "percent",
    "co2": "ppm",
}
COVERAGE = 0.8
"""Least share of a month's days or half-hours that makes a month."""
NIGHT_OFFSET = 5.0
"""W m-2: a radiometer's zero in the polar night."""
MISSING = ("", "na", "nan", "n/a", "null", "none", "-", "-9999", "-9999.0", "-9999.00", "-6999", "-99999", "-99.99")
MINUTES_PER_DAY = 1440
UNITS_IN_NAMES = {
    "degc": "degC", "c": "degC", "celsius": "degC", "k": "K", "kelvin": "K", "mm": "mm", "mm_month": "mm month-1",
    "mm_day": "mm d-1", "mm_d": "mm d-1", "wm2": "W m-2", "w_m2": "W m-2", "wm_2": "W m-2", "w_m_2": "W m-2",
    "percent": "percent", "pct": "percent", "ppm": "ppm",
}  # fmt: skip


@dataclass(frozen=True)
class SiteTable:
    """Whole years of monthly climate at one place.

    ``years`` (year,) calendar years in order; ``fields``: air_temperature (degC), precipitation (mm month-1) and
    shortwave_radiation (W m-2) or cloudiness (percent), each (year, 12); ``co2`` (year,) ppm or None. ``notes``: what was
    averaged, left out or filled.
    """

    years: np.ndarray
    fields: dict[str, np.ndarray]
    co2: np.ndarray | None
    notes: tuple[str, ...]
    title: str

    def lit(self, light_of: Callable[[np.ndarray], np.ndarray]) -> SiteTable:
        """The table with radiation in place of cloudiness, by ``light_of`` (percent (year, 12) to W m-2)."""
        if "shortwave_radiation" in self.fields:
            return self
        fields = {name: values for name, values in self.fields.items() if name != "cloudiness"}
        fields["shortwave_radiation"] = light_of(self.fields["cloudiness"])
        return replace(self, fields=fields, notes=(*self.notes, "shortwave radiation from cloudiness by TEM's relation"))

    def dataset(self, first: int, last: int) -> xr.Dataset:
        """Climate dataset of one cell for ``first``-``last``, without CO2; raises ``InputError`` for years it has not."""
        have = f"{self.years[0]}-{self.years[-1]}"
        if first < self.years[0] or last > self.years[-1]:
            raise InputError(
                f"{self.title}: years {first}-{last} are not covered, the table has {have}; choose years within it or "
                "complete it"
            )
        rows = slice(first - int(self.years[0]), last - int(self.years[0]) + 1)
        dims = ("cell", "year", "month")
        fields = {
            name: (dims, values[None, rows].copy(), {"units": RANGES[name][2]}) for name, values in self.fields.items()
        }
        return xr.Dataset(
            fields, coords={"year": self.years[rows], "month": np.arange(1, 13)}, attrs={"title": self.title}
        )


@dataclass(frozen=True)
class _Columns:
    """A table as it came: numbers by column, their units where stated, and the moment of each row.

    ``minute``: minutes since the month began, None where rows are months.
    """

    values: dict[str, np.ndarray]
    units: dict[str, str]
    year: np.ndarray
    month: np.ndarray
    minute: np.ndarray | None
    where: str


def read(
    table: Any,
    *,
    names: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    years: tuple[int, int] | None = None,
    coverage: float = COVERAGE,
    fill: str = "",
    where: str = "",
) -> SiteTable:
    """Whole years of monthly climate from a table of one site.

    ``table``: path of a CSV file (comma, semicolon, tab or blanks; lines with # are left out), of a netCDF file, a pandas
    DataFrame or an xarray Dataset. Rows are months (columns ``year``, ``month``), or moments with a date: days, hours and
    half-hours are averaged, precipitation is summed, and a month counts where at least ``coverage`` of it is there.
    ``names``: columns of air_temperature, precipitation, shortwave_radiation or cloudiness, co2 where they have unusual names.
    ``units``: of variables or columns whose header states none. ``years``: first and last year to take. ``fill``: "mean"
    puts the mean of the same month of the other years where months are missing, and says so in ``notes``.

    Raises ``InputError`` with one sentence for whatever cannot be understood: unknown columns, units or dates, months that are
    missing or twice, impossible values.
    """
    label = where or (str(table) if isinstance(table, str | Path) else f"the {type(table).__name__}")
    if fill not in ("", "mean"):
        raise InputError(f"{label}: fill {fill!r} is unknown; leave it out or use 'mean', the mean of the same month")
    raw = columns_of(table, label)
    chosen = _choose(raw, names or {})
    given = _units(raw, chosen, units or {})
    notes: list[str] = []
    found: dict[str, np.ndarray] = {}
    step = _step(raw)
    months = 12 * raw.year + raw.month - 1
    first, last = int(months.min()), int(months.max())
    if years is not None:
        first, last = max(first, 12 * years[0]), min(last, 12 * years[1] + 11)
    first, last = first + (-first) % 12, last - (last + 1) % 12
    if last < first or (years is not None and (first > 12 * years[0] or last < 12 * years[1] + 11)):
        span = f"{_month(int(months.min()))}..{_month(int(months.max()))}"
        wanted = "no whole year" if years is None else f"not all of {years[0]}-{years[1]}"
        raise InputError(f"{label}: {wanted} between {span}; give every month from January to December")
    if years is None and (int(months.min()) < first or int(months.max()) > last):
        notes.append(f"incomplete first or last year left out; {first // 12}-{last // 12} are used")
    gaps: dict[str, np.ndarray] = {}
    for name, column in chosen.items():
        values, told = _monthly(raw, name, column, given[name], step, coverage, (first, last))
        notes += told
        if name != "co2":
            gaps[column] = ~np.isfinite(values)
        found[name] = values
    short = f" (months with less than {coverage:.0%} of their values count as missing)" if step else ""
    _complete(found, chosen, gaps, first, fill, notes, label, short)
    for name, column in chosen.items():
        found[name] = _in_range(name, column, found[name], first, notes, label)
    co2 = found.pop("co2", None)
    if co2 is not None:
        with np.errstate(invalid="ignore"):
            co2 = np.array([row[np.isfinite(row)].mean() if np.isfinite(row).any() else np.nan for row in co2])
        if not np.isfinite(co2).all():
            lost = first // 12 + int(np.argmin(np.isfinite(co2)))
            raise InputError(f"{label}: CO2 of {lost} is missing in '{chosen['co2']}'; complete it or drop the column")
    if "shortwave_radiation" in found:
        found.pop("cloudiness", None)
    return SiteTable(np.arange(first // 12, last // 12 + 1), found, co2, tuple(dict.fromkeys(notes)), _title(table, where))


def _title(table: Any, where: str) -> str:
    if where:
        return where
    return Path(table).name if isinstance(table, str | Path) else f"the {type(table).__name__}"


# --- the table as it came ---------------------------------------------------------------------------------------------


def columns_of(table: Any, where: str) -> _Columns:
    """A table of any kind as columns of numbers with the moment of each row; raises ``InputError``."""
    if isinstance(table, str | Path):
        path = Path(table)
        if path.suffix in (".nc", ".nc4", ".cdf"):
            with cf_monthly.open_file(path) as opened:
                return _of_dataset(opened.load(), where)
        return _of_text(path, where)
    if isinstance(table, xr.Dataset):
        return _of_dataset(table, where)
    if hasattr(table, "columns") and hasattr(table, "index"):
        return _of_frame(table, where)
    raise InputError(
        f"{where}: a site needs a CSV or netCDF path, a DataFrame, a Dataset or the name of a known site; give one"
    )


def _of_text(path: Path, where: str) -> _Columns:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{where}: table cannot be read ({error.strerror or error}); check the path") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")  # the degree sign of older programs
    lines = [(k, line) for k, line in enumerate(text.splitlines(), start=1) if line.strip() and not line.startswith("#")]
    if len(lines) < 2:
        raise InputError(f"{where}: table is empty; give a header line and rows of numbers")
    header_line = lines[0][1]
    counts = {mark: header_line.count(mark) for mark in (",", ";", "\t")}
    mark = max(counts, key=lambda m: counts[m])
    if counts[mark]:
        rows = list(csv.reader([line for _, line in lines], delimiter=mark, skipinitialspace=True))
    else:
        rows = [line.split() for _, line in lines]
    header = [cell.strip().strip('"') for cell in rows[0]]
    if all(_is_number(cell) for cell in header if cell):
        raise InputError(f"{where}: no header line; the first line must name the columns, such as 'year,month,tas (degC)'")
    numbers, body = [k for k, _ in lines[1:]], rows[1:]
    second = _unit_line(header, body[0])
    if second is not None:
        numbers, body = numbers[1:], body[1:]
    for number, row in zip(numbers, body, strict=True):
        if len(row) != len(header):
            raise InputError(
                f"{where}: line {number} has {len(row)} entries, the header {len(header)}; correct the line"
            )
    cells = {name: [row[k].strip() for row in body] for k, name in enumerate(header) if name}
    units = dict(zip(header, second, strict=True)) if second is not None else {}

    def numeric(name: str) -> np.ndarray:
        made = np.empty(len(body))
        for k, cell in enumerate(cells[name]):
            if cell.lower() in MISSING:
                made[k] = np.nan
                continue
            try:
                made[k] = float(cell)
            except ValueError:
                hint = "write a decimal point" if re.fullmatch(r"-?\d+,\d+", cell) else "correct it"
                raise InputError(f"{where}: line {numbers[k]}, '{name}' is {cell!r}, not a number; {hint}") from None
        return np.where(made == -9999.0, np.nan, made)

    return _made(list(cells), lambda name: cells[name], numeric, units, None, where)


def _unit_line(header: Sequence[str], row: Sequence[str]) -> list[str] | None:
    """The second header line where it holds units: some column of a climate variable has a word in place of a number."""
    if len(row) != len(header):
        return None
    known = [k for k, name in enumerate(header) if _variable_of(name)]
    words = [row[k].strip() for k in known]
    if not any(word.lower() not in MISSING and not _is_number(word) for word in words) or any(map(_is_number, words)):
        return None
    return [cell.strip().strip("()[]") for cell in row]


def _of_frame(frame: Any, where: str) -> _Columns:
    units: dict[str, str] = {}
    columns: dict[str, Any] = {}
    for label in frame.columns:
        name = str(label[0] if isinstance(label, tuple) else label)
        if isinstance(label, tuple) and len(label) > 1 and label[1]:
            units[name] = str(label[1])
        if name in columns:
            raise InputError(f"{where}: column '{name}' appears twice; drop one")
        columns[name] = frame[label]
    index = frame.index
    if hasattr(index, "to_timestamp"):
        index = index.to_timestamp()
    times = None
    if hasattr(index, "year") and hasattr(index, "month"):
        times = _moments(index)
    elif index.name is not None and _time_word(str(index.name)) and str(index.name) not in columns:
        columns[str(index.name)] = index.to_series(index=frame.index)

    def texts(name: str) -> list[str]:
        return [str(value) for value in columns[name]]

    def numeric(name: str) -> np.ndarray:
        try:
            made = np.asarray(columns[name], dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(f"{where}: column '{name}' is not of numbers; convert it") from None
        return np.where(made == -9999.0, np.nan, made)

    return _made(list(columns), texts, numeric, units, times, where)


def _of_dataset(dataset: xr.Dataset, where: str) -> _Columns:
    time = next((str(name) for name in ("time", "date", "TIMESTAMP") if name in dataset.variables), "")
    if not time or dataset[time].ndim != 1:
        raise InputError(f"{where}: no coordinate 'time'; add it with dates")
    along = dataset[time].dims[0]
    others = [d for d in dataset.dims if d != along and dataset.sizes[d] > 1]
    wanted = [str(v) for v in dataset.data_vars if dataset[v].dims and along in dataset[v].dims]
    lost = [d for d in others if any(d in dataset[v].dims for v in wanted if _variable_of(v))]
    if lost:
        raise InputError(
            f"{where}: {dataset.sizes[lost[0]]} places along '{lost[0]}'; choose one, or use jtem.region for all of them"
        )
    single = dataset.isel({d: 0 for d in dataset.dims if d != along and dataset.sizes[d] == 1})
    names = [v for v in wanted if single[v].dims == (along,)]
    values = dataset[time].values
    if values.dtype.kind == "M":
        times = _moments(dataset.indexes[along] if along in dataset.indexes else single[time].dt)
    elif values.size and hasattr(values[0], "year"):
        parts = [[getattr(t, part) for t in values] for part in ("year", "month", "day", "hour", "minute")]
        times = tuple(np.array(part, dtype=int) for part in parts)
    else:
        raise InputError(f"{where}: 'time' has no decodable units; give 'days since YYYY-MM-DD' and a calendar")
    units = {name: str(single[name].attrs["units"]) for name in names if single[name].attrs.get("units")}

    def numeric(name: str) -> np.ndarray:
        return np.asarray(single[name].values, dtype=np.float64)

    return _made(names, lambda name: [str(v) for v in single[name].values], numeric, units, times, where)


def _moments(index: Any) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(getattr(index, part), dtype=int) for part in ("year", "month", "day", "hour", "minute"))


TIME_NAMES = ("timestamp_start", "timestamp", "date", "datetime", "time", "timestamp_end")


DAYS_OF_YEAR = ("doy", "day_of_year", "dayofyear", "julian_day", "jday", "yday")


def _of_days(year: np.ndarray, day: np.ndarray, column: str, where: str) -> tuple[np.ndarray, ...]:
    """Year, month and day of days of the year 1..366."""
    bad = ~((day >= 1) & (day <= 366) & np.isfinite(year))
    if bad.any():
        raise InputError(f"{where}: '{column}' is {day[bad][0]:g} in row {int(np.argmax(bad)) + 1}, expected 1..366; correct it")
    start = (year.astype(int) - 1970).astype("datetime64[Y]").astype("datetime64[D]")
    date = start + (day.astype(int) - 1)
    month = date.astype("datetime64[M]")
    return year.astype(int), month.astype(int) % 12 + 1, (date - month.astype("datetime64[D]")).astype(int) + 1


def _time_word(name: str) -> str:
    plain = name.strip().lower()
    return plain if plain in TIME_NAMES else ""


def _made(
    names: list[str],
    texts: Callable[[str], list[str]],
    numeric: Callable[[str], np.ndarray],
    units: Mapping[str, str],
    times: tuple[np.ndarray, ...] | None,
    where: str,
) -> _Columns:
    """Columns of numbers with the moment of every row; only columns that may be climate become numbers."""
    by_word = {name.strip().lower(): name for name in reversed(names)}
    parts: tuple[np.ndarray, ...] | None = times
    dated = next((by_word[word] for word in TIME_NAMES if word in by_word), "")
    if parts is None and "year" in by_word and "month" in by_word:
        pieces = []
        for word in ("year", "month", "day", "hour", "minute"):
            if word not in by_word:
                break
            column = numeric(by_word[word])
            bad = ~(np.isfinite(column) & (column == np.round(np.nan_to_num(column))))
            if bad.any():
                raise InputError(
                    f"{where}: row {int(np.argmax(bad)) + 1} has no whole number in '{by_word[word]}'; correct it"
                )
            pieces.append(column.astype(int))
        parts = tuple(pieces)
    elif parts is None and "year" in by_word and (day := next((by_word[w] for w in DAYS_OF_YEAR if w in by_word), "")):
        parts = _of_days(numeric(by_word["year"]), numeric(day), day, where)
    elif parts is None and dated:
        parts = _parsed(texts(dated), dated, where)
    elif parts is None:
        near = difflib.get_close_matches("month", by_word, n=1, cutoff=0.6)
        hint = f" (is it '{by_word[near[0]]}'?)" if near else ""
        raise InputError(f"{where}: no dates; add the columns 'year' and 'month', or 'date'{hint}")
    year, month = parts[0], parts[1]
    bad = (month < 1) | (month > 12)
    if bad.any():
        raise InputError(f"{where}: month {month[bad][0]} in row {int(np.argmax(bad)) + 1}, expected 1..12; correct it")
    bad = (year < 1) | (year > 9999)
    if bad.any():
        raise InputError(f"{where}: year {year[bad][0]} in row {int(np.argmax(bad)) + 1}, expected four digits; correct it")
    minute = None
    if len(parts) > 2:
        padded = [*parts, *[np.zeros_like(year)] * (5 - len(parts))]
        minute = (padded[2] - 1) * MINUTES_PER_DAY + padded[3] * 60 + padded[4]
        year, month, minute = _from_ends(year, month, minute) if dated.lower() == "timestamp_end" else (year, month, minute)
        if np.unique(12 * year + month).size == year.size:
            minute = None  # dated months
    own = {**{name: unit for name, unit in units.items() if unit}, **_header_units(names)}
    skipped = {by_word[w] for w in ("year", "month", "day", "hour", "minute", *DAYS_OF_YEAR) if w in by_word} | {dated}
    values = {}
    for name in names:
        if name not in skipped:
            values[name] = _Lazy(numeric, name)
    return _Columns(values, own, year, month, minute, where)  # type: ignore[arg-type]


class _Lazy:
    """Numbers of a column, made when they are asked for: other columns may hold words."""

    def __init__(self, numeric: Callable[[str], np.ndarray], name: str):
        self.numeric, self.name = numeric, name

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.numeric(self.name), dtype)


def _from_ends(year: np.ndarray, month: np.ndarray, minute: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows stamped at their end to rows stamped at their beginning."""
    step = int(np.median(np.diff(minute))) if minute.size > 1 else 30
    start = minute - step
    before = start < 0
    months = 12 * year + month - 1 - before
    start = np.where(before, start + _days(months) * MINUTES_PER_DAY, start)
    return months // 12, months % 12 + 1, start.astype(int)


def _parsed(texts: Sequence[str], column: str, where: str) -> tuple[np.ndarray, ...]:
    """Year, month and, where there are any, day, hour, minute of dates such as 1981-05, 1981-05-17 or 198105171330."""
    made = []
    for k, text in enumerate(texts):
        plain = text.strip().removesuffix(".0")
        if re.fullmatch(r"\d{6}|\d{8}|\d{12}", plain):
            parts = [plain[:4], plain[4:6], plain[6:8], plain[8:10], plain[10:12]]
        else:
            found = re.fullmatch(r"(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::\d{2}.*)?Z?)?)?", plain)
            if not found:
                raise InputError(
                    f"{where}: '{column}' is {text!r} in row {k + 1}, expected a date like 1981-05-17; write dates that way"
                )
            parts = [part or "" for part in found.groups()]
        made.append([int(part) for part in parts if part])
    if len({len(row) for row in made}) != 1:
        raise InputError(f"{where}: '{column}' mixes dates of several forms; write all of them alike")
    return tuple(np.array(part, dtype=int) for part in zip(*made, strict=True))


# --- names and units --------------------------------------------------------------------------------------------------


def split_unit(name: str) -> tuple[str, str]:
    """A header's name and the unit it carries: ``tas (degC)``, ``pr [mm/month]``, ``tas_degC``."""
    found = re.fullmatch(r"\s*(.*?)\s*[(\[]\s*(.*?)\s*[)\]]\s*", name)
    if found:
        return found[1], found[2]
    plain = name.strip()
    for suffix, unit in sorted(UNITS_IN_NAMES.items(), key=lambda item: -len(item[0])):
        if plain.lower().endswith("_" + suffix) and plain.lower()[: -len(suffix) - 1] in _ALIASES:
            return plain[: -len(suffix) - 1], unit
    return plain, ""


_ALIASES = {alias: variable for variable, aliases in NAMES.items() for alias in aliases}


def _variable_of(name: str) -> str:
    """The variable that a column of this name holds, "" where it is none."""
    plain = split_unit(name)[0].lower().replace(" ", "_").replace("-", "_")
    return _ALIASES.get(plain, "")


def _header_units(names: Sequence[str]) -> dict[str, str]:
    return {name: unit for name in names if (unit := split_unit(name)[1])}


def _choose(raw: _Columns, names: Mapping[str, str]) -> dict[str, str]:
    """Column of each variable; raises ``InputError`` where one is absent, ambiguous or named wrongly."""
    columns = list(raw.values)
    bare = {split_unit(column)[0]: column for column in columns}
    chosen: dict[str, str] = {}
    for variable, column in names.items():
        if variable not in NAMES:
            raise InputError(f"{raw.where}: names has the unknown variable '{variable}'; {suggest(variable, NAMES)}")
        if column not in bare and column not in raw.values:
            raise InputError(f"{raw.where}: no column '{column}' ({_word(variable)}); {suggest(column, bare)}")
        chosen[variable] = column if column in raw.values else bare[column]
    for variable in NAMES:
        mine = [column for column in columns if _variable_of(column) == variable]
        if variable in chosen or not mine:
            continue
        if len(mine) > 1:
            raise InputError(
                f"{raw.where}: both '{mine[0]}' and '{mine[1]}' may be {_word(variable)}; choose with "
                f"names={{'{variable}': '{mine[0]}'}}"
            )
        chosen[variable] = mine[0]
    for variable in (*NEEDED, *([] if any(light in chosen for light in LIGHT) else LIGHT[:1])):
        if variable not in chosen:
            raise InputError(_no_column(variable, bare, raw.where))
    if "shortwave_radiation" in chosen:
        chosen.pop("cloudiness", None)
    return chosen


def _no_column(variable: str, bare: Mapping[str, str], where: str) -> str:
    what = _word(variable) + (" or cloudiness" if variable == "shortwave_radiation" else "")
    aliases = [*NAMES[variable], *(NAMES["cloudiness"] if variable == "shortwave_radiation" else ())]
    best, score = "", 0.0
    for column in bare:
        for alias in aliases:
            near = difflib.SequenceMatcher(None, column.lower(), alias).ratio()
            if near > score:
                best, score = column, near
    usual = NAMES[variable][1]
    if score >= 0.6:
        return (
            f"{where}: no column of {what}; is it '{best}'? Call it '{usual}' or give names={{'{variable}': '{best}'}}"
        )
    return f"{where}: no column of {what} among {', '.join(bare) or 'none'}; add one called '{usual}' or give names={{'{variable}': ...}}"


def _word(variable: str) -> str:
    return WORDS.get(variable, variable)


def _units(raw: _Columns, chosen: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Unit of each chosen variable, from ``given`` or the table; raises ``InputError`` where none is stated."""
    of: dict[str, str] = {}
    columns = {split_unit(column)[0]: variable for variable, column in chosen.items()}
    for key, unit in given.items():
        variable = key if key in NAMES else columns.get(split_unit(key)[0], "") or _variable_of(key)
        if not variable:
            raise InputError(f"{raw.where}: units names '{key}', which is no variable; {suggest(key, [*NAMES, *columns])}")
        of[variable] = unit
    for variable, column in chosen.items():
        unit = of.get(variable) or raw.units.get(column, "")
        if not unit:
            values = np.asarray(raw.values[column], dtype=np.float64)
            low, high = np.nanmin(values, initial=np.inf), np.nanmax(values, initial=-np.inf)
            looks = " (its values look like K)" if variable == "air_temperature" and low > 150 and high < 350 else ""
            example = "K" if looks else EXAMPLES[variable]
            raise InputError(
                f"{raw.where}: '{column}' has no unit{looks}; write it in the header, as '{split_unit(column)[0]} ({example})', "
                f"or give units={{'{variable}': '{example}'}}"
            )
        of[variable] = unit
    return of


# --- months -----------------------------------------------------------------------------------------------------------


def _days(months: np.ndarray) -> np.ndarray:
    """Days of months counted from year 0."""
    start = (months // 12 - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (months % 12).astype("timedelta64[M]")
    return ((start + 1).astype("datetime64[D]") - start.astype("datetime64[D]")).astype(int)


def _month(number: int) -> str:
    return f"{number // 12}-{number % 12 + 1:02d}"


def _step(raw: _Columns) -> int:
    """Minutes from row to row, 0 for months; raises ``InputError`` for moments that are twice or steps of other length."""
    months = 12 * raw.year + raw.month - 1
    if raw.minute is None:
        values, counts = np.unique(months, return_counts=True)
        if (counts > 1).any():
            twice = _month(int(values[np.argmax(counts > 1)]))
            raise InputError(f"{raw.where}: month {twice} appears {counts.max()} times; keep one row")
        return 0
    key = months * 32 * MINUTES_PER_DAY + raw.minute
    order = np.argsort(key, kind="stable")
    difference = np.diff(key[order])
    if (difference == 0).any():
        k = order[int(np.argmax(difference == 0))]
        day, rest = divmod(int(raw.minute[k]), MINUTES_PER_DAY)
        clock = f" {rest // 60:02d}:{rest % 60:02d}" if rest else ""
        raise InputError(f"{raw.where}: {_month(int(months[k]))}-{day + 1:02d}{clock} appears twice; keep one row")
    inside = difference[np.diff(months[order]) == 0]
    step = int(np.median(inside))
    if step > MINUTES_PER_DAY or MINUTES_PER_DAY % step:
        raise InputError(
            f"{raw.where}: rows are {step / MINUTES_PER_DAY:g} days apart; give months, days, hours or half-hours"
        )
    return step


def _monthly(
    raw: _Columns, name: str, column: str, unit: str, step: int, coverage: float, span: tuple[int, int]
) -> tuple[np.ndarray, list[str]]:
    """One variable as (year, 12) in house units, NaN where the month is not covered, and notes."""
    first, last = span
    months = 12 * raw.year + raw.month - 1
    values = np.asarray(raw.values[column], dtype=np.float64)
    inside = (months >= first) & (months <= last)
    at, values = months[inside] - first, values[inside]
    count = last - first + 1
    days = _days(np.arange(first, last + 1))
    good = np.isfinite(values)
    total = np.bincount(at[good], values[good], minlength=count)
    number = np.bincount(at[good], minlength=count)
    notes: list[str] = []
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(number > 0, total / number, np.nan)
    plain = cf_monthly._plain(unit)
    if step:
        expected = days * MINUTES_PER_DAY / step
        share = number / expected
        mean = np.where(share >= coverage, mean, np.nan)
        partial = int(((share >= coverage) & (share < 0.999) & (np.abs(expected - number) * step > MINUTES_PER_DAY)).sum())
        kind = {MINUTES_PER_DAY: "daily values", 60: "hourly values", 30: "half-hourly values"}.get(
            step, f"values every {step} minutes"
        )
        notes.append(f"months from {kind}, at least {coverage:.0%} of each")
        if partial:
            notes.append(f"{_word(name)} of {partial} months from {coverage:.0%} to 100 % of their days")
        if name == "precipitation" and plain in ("mm", "kg m-2"):
            mean, plain = mean * expected, "mm month-1"
    shown = f"{raw.where}: '{column}'"
    house = _converted(name, mean, plain, unit, days, shown, raw.where, column)
    return house.reshape(-1, 12), notes


def _converted(
    name: str, values: np.ndarray, plain: str, unit: str, days: np.ndarray, shown: str, where: str, column: str
) -> np.ndarray:
    if name == "co2":
        if plain not in ("ppm", "ppmv", "umol mol-1", "µmol mol-1", "1e-6"):
            raise InputError(f"{shown} is in {unit!r}, expected ppm; convert it")
        return values
    if name == "cloudiness":
        if plain in ("1", "fraction"):
            return 100.0 * values
        if plain not in ("%", "percent"):
            raise InputError(f"{shown} is in {unit!r}, expected percent or a fraction ('1'); convert it")
        return values
    if name == "precipitation" and plain in ("mm h-1", "mm hour-1", "mm hr-1", "kg m-2 h-1"):
        return values * 24.0 * days
    try:
        return cf_monthly.to_house_units(name, values, plain, days, where)
    except InputError:
        choices = {
            "air_temperature": "K or degC",
            "precipitation": "mm month-1, mm d-1 or kg m-2 s-1",
            "shortwave_radiation": "W m-2 or MJ m-2 d-1",
        }
        raise InputError(f"{shown} is in {unit!r}, expected {choices[name]}; correct the unit or convert it") from None


def _complete(
    found: dict[str, np.ndarray],
    chosen: Mapping[str, str],
    gaps: Mapping[str, np.ndarray],
    first: int,
    fill: str,
    notes: list[str],
    where: str,
    short: str,
) -> None:
    """Refuse months without a value, or fill them where that is asked for."""
    lacking = {column: first + np.flatnonzero(bad) for column, bad in gaps.items() if bad.any()}
    if not lacking:
        return
    sets = {tuple(months) for months in lacking.values()}
    if not fill:
        if len(sets) == 1:
            what = "all columns lack" if len(lacking) == len(gaps) else f"{', '.join(map(repr, lacking))} lacks"
            said = f"{what} {spelled(np.array(sets.pop()))}"
        else:
            said = "; ".join(f"'{column}' lacks {spelled(months)}" for column, months in lacking.items())
        raise InputError(
            f"{where}: {said}{short}; complete the table, choose years=(first, last) without gaps, or fill='mean' takes the mean "
            "of the same month"
        )
    for name, column in chosen.items():
        if column not in lacking:
            continue
        values = found[name]
        with np.errstate(invalid="ignore"):
            known = np.isfinite(values)
            mean = np.where(known, values, 0.0).sum(axis=0) / known.sum(axis=0)
        if not np.isfinite(mean).all():
            raise InputError(f"{where}: '{column}' has no value in any {_MONTHS[int(np.argmin(np.isfinite(mean)))]}; add one")
        found[name] = np.where(known, values, mean)
        notes.append(f"{_word(name)} of {spelled(lacking[column])} filled with the mean of the same month")


_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def spelled(months: np.ndarray, longest: int = 8) -> str:
    """Months since year 0 as people say them: ``1983-02..1983-04, 1990-11``."""
    breaks = np.flatnonzero(np.diff(months) != 1) + 1
    runs = [(_month(int(run[0])), _month(int(run[-1]))) for run in np.split(months, breaks)]
    said = [a if a == b else f"{a}..{b}" for a, b in runs[:longest]]
    more = f" and {len(runs) - longest} more gaps" if len(runs) > longest else ""
    return ", ".join(said) + more + f" ({months.size} month{'s' if months.size > 1 else ''})"


def _in_range(name: str, column: str, values: np.ndarray, first: int, notes: list[str], where: str) -> np.ndarray:
    """Values within their plausible range, a radiometer's offset in the dark set to 0; raises ``InputError``."""
    low, high, unit = RANGES[name]
    if name == "shortwave_radiation":
        dark = (values < 0) & (values > -NIGHT_OFFSET)
        if dark.any():
            notes.append(f"shortwave radiation between -{NIGHT_OFFSET:g} and 0 W m-2 set to 0 in {dark.sum()} months")
            values = np.where(dark, 0.0, values)
    finite = values[np.isfinite(values)]
    if finite.size:
        smallest, largest = float(finite.min()), float(finite.max())
        looks = {
            "air_temperature": "K" if smallest > 150 and largest < 350 else "",
            "precipitation": "kg m-2 s-1" if 0 < largest < 0.05 else "",
            "shortwave_radiation": "MJ m-2 d-1" if 5 < largest < 45 else "",
            "cloudiness": "a fraction ('1')" if 0 < largest <= 1.0 else "",
        }.get(name, "")
        if looks:
            raise InputError(
                f"{where}: '{column}' has values {smallest:.3g}..{largest:.3g} {unit}, which look like {looks}; correct its unit"
            )
    bad = (values < low) | (values > high)
    if bad.any():
        at = int(np.argmax(bad))
        kind = "negative precipitation" if name == "precipitation" and values.ravel()[at] < 0 else f"'{column}' is"
        raise InputError(
            f"{where}: {kind} {values.ravel()[at]:.4g} {unit} in {_month(first + at)}, expected {low:g}..{high:g}; "
            "correct the value or its unit"
        )
    return values


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
