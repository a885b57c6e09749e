"""Tables of one place as columns of numbers with the moment of each row: CSV text, DataFrames, Datasets, netCDF files.

Columns of climate are known by the usual names of the field (:data:`NAMES`); a unit may stand in the header (``tas (degC)``), in
the name (``tas_degC``) or in a second header line.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cftime
import numpy as np
import xarray as xr

from jtem.errors import InputError
from jtem.readers import tables, time_axis
from jtem.readers.months import month_of_monthly
from jtem.records import Named

Table = Any
"""A path, a pandas DataFrame or an xarray Dataset."""
NAMES: dict[str, tuple[str, ...]] = {
    "air_temperature": (
        "air_temperature", "tas", "ta", "t2m", "t2", "tair", "t_air", "tmean", "tavg", "tmp", "temp", "temperature",
        "air_temp", "airtemp", "mean_temperature", "mean_air_temperature", "2m_temperature", "ta_f", "ta_era",
        "temperature_2m_mean",
    ),
    "precipitation": (
        "precipitation", "pr", "p", "precip", "ppt", "prec", "prcp", "pre", "tp", "total_precipitation", "p_f", "p_era",
        "prectotcorr", "precipitation_sum",
    ),
    "shortwave_radiation": (
        "shortwave_radiation", "rsds", "sw_in", "swin", "swdown", "sw_down", "sw_in_f", "sw_in_era", "shortwave", "srad",
        "ssrd", "rg", "global_radiation", "solar_radiation", "incoming_shortwave", "nirr",
        "allsky_sfc_sw_dwn", "shortwave_radiation_sum",
    ),
    "cloudiness": ("cloudiness", "cld", "clds", "clt", "cloud", "clouds", "cloud_cover", "tcc", "cloud_fraction"),
    "co2": ("co2", "co2_ppm"),
}  # fmt: skip
"""What tables call each variable; letters' case and a unit in the name (``tas_degC``) do not matter."""

MISSING = ("", "na", "nan", "n/a", "null", "none", "-", "-9999", "-9999.0", "-9999.00", "-6999", "-99999", "-99.99")
MINUTES_PER_DAY = 1440
UNITS_IN_NAMES = {
    "degc": "degC", "c": "degC", "celsius": "degC", "k": "K", "kelvin": "K", "mm": "mm", "mm_month": "mm month-1",
    "mm_day": "mm d-1", "mm_d": "mm d-1", "wm2": "W m-2", "w_m2": "W m-2", "wm_2": "W m-2", "w_m_2": "W m-2",
    "percent": "percent", "pct": "percent", "ppm": "ppm",
}  # fmt: skip


@dataclass(frozen=True)
class Columns:
    """A table as it came: ``numbers`` of a column, units where stated, and the moment of each row.

    ``minute``: minutes since the month began, None where rows are months.
    """

    names: tuple[str, ...]
    numbers: Callable[[str], np.ndarray]
    units: dict[str, str]
    year: np.ndarray
    month: np.ndarray
    minute: np.ndarray | None
    where: str


# --- the table as it came ---------------------------------------------------------------------------------------------


def columns_of(table: Table, where: str) -> Columns:
    """A table of any kind as columns of numbers with the moment of each row; raises ``InputError``."""
    if isinstance(table, str | Path):
        path = Path(table)
        if path.suffix in (".nc", ".nc4", ".cdf"):
            return _of_dataset(_opened(path), where)
        return _of_text(path, where)
    if isinstance(table, xr.Dataset):
        return _of_dataset(table, where)
    if hasattr(table, "columns") and hasattr(table, "index"):
        return _of_frame(table, where)
    raise InputError(
        f"{where}: a site needs a CSV or netCDF path, a DataFrame, a Dataset or the name of a known site; give one"
    )


def _opened(path: Path) -> xr.Dataset:
    try:
        coder = xr.coders.CFDatetimeCoder(use_cftime=True)
        with xr.open_dataset(path, decode_times=coder, engine="netcdf4") as opened:
            return opened.load()
    except FileNotFoundError:
        raise InputError(f"{path}: file not found; check the name") from None
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a readable CF netCDF file ({reason}); check the file") from None


def _of_text(path: Path, where: str) -> Columns:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{where}: table cannot be read ({error.strerror or error}); check the path") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")  # the degree sign of older programs
    lines = [
        (k, line) for k, line in enumerate(text.splitlines(), start=1) if line.strip() and not line.startswith("#")
    ]
    lines = lines[_header_at([line for _, line in lines[:MOST_TITLES]]) :]
    if len(lines) < 2:
        raise InputError(f"{where}: table is empty; give a header line and rows of numbers")
    header_line = lines[0][1]
    counts = {mark: header_line.count(mark) for mark in (",", ";", "\t")}
    mark = max(counts, key=lambda m: counts[m])
    if counts[mark]:
        rows = [row for _, row in tables.cells_of([line for _, line in lines], mark, where)]
        if len(rows) != len(lines):
            found = next((k for k, line in lines if line.count('"') % 2), lines[-1][0])
            raise InputError(f"{where}: line {found} opens a quotation mark and does not close it; correct the line")
    else:
        rows = [line.split() for _, line in lines]
    header = [cell.strip().strip('"') for cell in rows[0]]
    if all(is_number(cell) for cell in header if cell):
        raise InputError(
            f"{where}: no header line; the first line must name the columns, such as 'year,month,tas (degC)'"
        )
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


MOST_TITLES = 60
"""Lines that may stand above the header, as those of NASA POWER, Daymet's single pixels and Open-Meteo do."""


def _header_at(lines: Sequence[str]) -> int:
    """Number of the line that names the columns: the first one with a word of time whose next line has as many cells; else 0."""
    cells = [re.split(r"[,;\t]", line) if re.search(r"[,;\t]", line) else line.split() for line in lines]
    words = {"year", *TIME_NAMES}
    return next(
        (
            k
            for k, row in enumerate(cells[:-1])
            if words & {cell.strip(' "').lower() for cell in row} and len(cells[k + 1]) == len(row)
        ),
        0,
    )


def _unit_line(header: Sequence[str], row: Sequence[str]) -> list[str] | None:
    """The second header line where it holds units: some column of a climate variable has a word in place of a number."""
    if len(row) != len(header):
        return None
    known = [k for k, name in enumerate(header) if variable_of(name)]
    words = [row[k].strip() for k in known]
    if not any(word.lower() not in MISSING for word in words) or any(
        is_number(word.replace(",", ".")) for word in words
    ):
        return None
    return [cell.strip().strip("()[]") for cell in row]


def _of_frame(frame: Table, where: str) -> Columns:
    units: dict[str, str] = {}
    columns: Named = {}
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


def _of_dataset(dataset: xr.Dataset, where: str) -> Columns:
    time = next((str(name) for name in ("time", "date", "TIMESTAMP") if name in dataset.variables), "")
    if not time or dataset[time].ndim != 1:
        raise InputError(f"{where}: no coordinate 'time'; add it with dates")
    along = dataset[time].dims[0]
    others = [d for d in dataset.dims if d != along and dataset.sizes[d] > 1]
    wanted = [str(v) for v in dataset.data_vars if dataset[v].dims and along in dataset[v].dims]
    lost = [d for d in others if any(d in dataset[v].dims for v in wanted if variable_of(v))]
    if lost:
        raise InputError(
            f"{where}: {dataset.sizes[lost[0]]} places along '{lost[0]}'; choose one, or use jtem.region for all of them"
        )
    single = dataset.isel({d: 0 for d in dataset.dims if d != along and dataset.sizes[d] == 1})
    names = [v for v in wanted if single[v].dims == (along,)]
    dates, bounds = _dates(single[time]), None
    if not dates.size:
        raise InputError(f"{where}: 'time' has no decodable units; give 'days since YYYY-MM-DD' and a calendar")
    edges = str(single[time].attrs.get("bounds", single[time].encoding.get("bounds", "")))
    if edges in dataset.variables and dataset[edges].shape == (dates.size, 2):
        bounds = _dates(dataset[edges])
        dates = bounds[:, 0] if bounds.size else dates
    number = None
    if dates.size > 1:
        axis = time_axis.of_dates(
            _dates(single[time]), bounds if bounds is not None and bounds.size else None, time, where
        )
        number = month_of_monthly(axis)
    if number is not None:
        times: tuple[np.ndarray, ...] = (number // 12, number % 12 + 1)
    else:
        times = tuple(np.array([getattr(t, part) for t in dates], dtype=int) for part in MOMENTS)
    units = {name: str(single[name].attrs["units"]) for name in names if single[name].attrs.get("units")}

    def numeric(name: str) -> np.ndarray:
        return np.asarray(single[name].values, dtype=np.float64)

    return _made(names, lambda name: [str(v) for v in single[name].values], numeric, units, times, where)


MOMENTS = ("year", "month", "day", "hour", "minute")


def _dates(variable: xr.DataArray) -> np.ndarray:
    """Values as dates of cftime, in their shape; empty where they are none."""
    values = np.asarray(variable.values)
    if values.dtype.kind == "M":
        flat = [cftime.datetime(*(int(n) for n in re.split(r"[-T:]", str(t)[:19])), calendar="standard")
                for t in values.astype("datetime64[s]").ravel()]  # fmt: skip
        return np.array(flat, dtype=object).reshape(values.shape)
    return values if values.size and hasattr(values.ravel()[0], "calendar") else np.array([], dtype=object)


def _moments(index: Any) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(getattr(index, part), dtype=int) for part in MOMENTS)


TIME_NAMES = ("timestamp_start", "timestamp", "date", "datetime", "time", "valid_time", "timestamp_end")
SHORT_NAMES = {"mo": "month", "mn": "month", "dy": "day", "hr": "hour"}
"""What publishers call parts of a date (NASA POWER: YEAR, MO, DY, HR)."""


DAYS_OF_YEAR = ("doy", "day_of_year", "dayofyear", "julian_day", "jday", "yday")


def _of_days(year: np.ndarray, day: np.ndarray, column: str, where: str) -> tuple[np.ndarray, ...]:
    """Year, month and day of days of the year 1..366."""
    bad = ~((day >= 1) & (day <= 366) & np.isfinite(year))
    if bad.any():
        raise InputError(
            f"{where}: '{column}' is {day[bad][0]:g} in row {int(np.argmax(bad)) + 1}, expected 1..366; correct it"
        )
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
) -> Columns:
    """Columns of numbers with the moment of every row; only columns that may be climate become numbers."""
    by_word = {name.strip().lower(): name for name in reversed(names)}
    by_word |= {word: by_word[short] for short, word in SHORT_NAMES.items() if short in by_word and word not in by_word}
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
        raise InputError(
            f"{where}: year {year[bad][0]} in row {int(np.argmax(bad)) + 1}, expected four digits; correct it"
        )
    minute = None
    if len(parts) > 2:
        padded = [*parts, *[np.zeros_like(year)] * (5 - len(parts))]
        minute = (padded[2] - 1) * MINUTES_PER_DAY + padded[3] * 60 + padded[4]
        year, month, minute = (
            _from_ends(year, month, minute) if dated.lower() == "timestamp_end" else (year, month, minute)
        )
        if np.unique(12 * year + month).size == year.size:
            minute = None  # dated months
    own = {**{name: unit for name, unit in units.items() if unit}, **header_units(names)}
    skipped = {by_word[w] for w in ("year", "month", "day", "hour", "minute", *DAYS_OF_YEAR) if w in by_word} | {dated}
    kept = tuple(name for name in names if name not in skipped)
    return Columns(kept, numeric, own, year, month, minute, where)


def _from_ends(year: np.ndarray, month: np.ndarray, minute: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows stamped at their end to rows stamped at their beginning."""
    step = int(np.median(np.diff(minute))) if minute.size > 1 else 30
    start = minute - step
    before = start < 0
    months = 12 * year + month - 1 - before
    start = np.where(before, start + days_of(months) * MINUTES_PER_DAY, start)
    return months // 12, months % 12 + 1, start.astype(int)


def _parsed(texts: Sequence[str], column: str, where: str) -> tuple[np.ndarray, ...]:
    """Year, month and, where there are any, day, hour, minute of dates such as 1981-05, 1981-05-17 or 198105171330."""
    made = []
    for k, text in enumerate(texts):
        plain = text.strip().removesuffix(".0")
        if re.fullmatch(r"\d{6}|\d{8}|\d{12}", plain):
            parts = [plain[:4], plain[4:6], plain[6:8], plain[8:10], plain[10:12]]
        else:
            found = re.fullmatch(
                r"(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::\d{2}.*)?Z?)?)?", plain
            )
            if not found:
                raise InputError(
                    f"{where}: '{column}' is {text!r} in row {k + 1}, expected a date like 1981-05-17; write dates that way"
                )
            parts = [part or "" for part in found.groups()]
        made.append([int(part) for part in parts if part])
    if len({len(row) for row in made}) != 1:
        raise InputError(f"{where}: '{column}' mixes dates of several forms; write all of them alike")
    return tuple(np.array(part, dtype=int) for part in zip(*made, strict=True))


# --- names ---


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


def variable_of(name: str) -> str:
    """The variable that a column of this name holds, "" where it is none."""
    plain = split_unit(name)[0].lower().replace(" ", "_").replace("-", "_")
    return _ALIASES.get(plain, "")


def header_units(names: Sequence[str]) -> dict[str, str]:
    """Units of the columns whose name carries one."""
    return {name: unit for name in names if (unit := split_unit(name)[1])}


# --- help ---


def days_of(months: np.ndarray) -> np.ndarray:
    """Days of months counted from year 0."""
    start = (months // 12 - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (months % 12).astype(
        "timedelta64[M]"
    )
    return ((start + np.timedelta64(1, "M")).astype("datetime64[D]") - start.astype("datetime64[D]")).astype(int)


def is_number(text: str) -> bool:
    """Whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
