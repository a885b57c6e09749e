"""One site from a table: months, days or half-hours of a CSV file, DataFrame or Dataset to whole years of monthly climate.

Columns are found by the usual names of the field (:data:`jtem.readers.columns.NAMES`), units stand in the header
(``tas (degC)``), in a second header line or are given. Nothing is guessed and nothing filled unless it is asked for: what is
missing is named by its months.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr

from jtem.errors import InputError, suggest
from jtem.readers import contract
from jtem.readers.columns import MINUTES_PER_DAY, NAMES, Columns, Table, columns_of, days_of, split_unit, variable_of
from jtem.readers.units import to_house_units

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
        return replace(
            self, fields=fields, notes=(*self.notes, "shortwave radiation from cloudiness by TEM's relation")
        )

    def dataset(self, first: int, last: int) -> xr.Dataset:
        """Climate dataset of one cell for ``first``-``last``, without CO2; raises ``InputError`` for years it has not."""
        have = f"{self.years[0]}-{self.years[-1]}"
        if first < self.years[0] or last > self.years[-1]:
            raise InputError(
                f"{self.title}: years {first}-{last} are not covered, the table has {have}; choose years within it or "
                "complete it"
            )
        rows = slice(first - int(self.years[0]), last - int(self.years[0]) + 1)
        fields = {
            name: values[None, rows].copy() for name, values in self.fields.items() if name in contract.CLIMATE_UNITS
        }
        result = contract.climate(fields, first, self.title)
        others = {name: values[None, rows].copy() for name, values in self.fields.items() if name not in fields}
        return result.assign(
            {name: (("cell", "year", "month"), values, {"units": RANGES[name][2]}) for name, values in others.items()}
        )


def read(
    table: Table,
    *,
    names: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    years: Sequence[int] | None = None,
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
        if len(years) != 2 or years[0] > years[1]:
            raise InputError(f"{label}: years is {tuple(years)}, expected (first, last); give two years in order")
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
    return SiteTable(
        np.arange(first // 12, last // 12 + 1), found, co2, tuple(dict.fromkeys(notes)), _title(table, where)
    )


def _title(table: Table, where: str) -> str:
    if where:
        return where
    return Path(table).name if isinstance(table, str | Path) else f"the {type(table).__name__}"


# --- names and units --------------------------------------------------------------------------------------------------


def _choose(raw: Columns, names: Mapping[str, str]) -> dict[str, str]:
    """Column of each variable; raises ``InputError`` where one is absent, ambiguous or named wrongly."""
    columns = raw.names
    bare = {split_unit(column)[0]: column for column in columns}
    chosen: dict[str, str] = {}
    for variable, column in names.items():
        if variable not in NAMES:
            raise InputError(f"{raw.where}: names has the unknown variable '{variable}'; {suggest(variable, NAMES)}")
        if column not in bare and column not in raw.names:
            raise InputError(f"{raw.where}: no column '{column}' ({_word(variable)}); {suggest(column, bare)}")
        chosen[variable] = column if column in raw.names else bare[column]
    for variable in NAMES:
        mine = [column for column in columns if variable_of(column) == variable]
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
        light = chosen["shortwave_radiation"]
        day = next((column for column in bare if column.lower() == "dayl"), "")
        if day and split_unit(light)[0].lower() == "srad":
            raise InputError(
                f"{raw.where}: '{light}' beside '{bare[day]}' is Daymet's mean over the daylight, not over the day; multiply it "
                f"by the length of the day / 86400 and drop '{bare[day]}'"
            )
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
    have = ", ".join(bare) or "none"
    return f"{where}: no column of {what} among {have}; add one called '{usual}' or give names={{'{variable}': ...}}"


def _word(variable: str) -> str:
    return WORDS.get(variable, variable)


def _units(raw: Columns, chosen: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Unit of each chosen variable, from ``given`` or the table; raises ``InputError`` where none is stated."""
    of: dict[str, str] = {}
    columns = {split_unit(column)[0]: variable for variable, column in chosen.items()}
    for key, unit in given.items():
        variable = key if key in NAMES else columns.get(split_unit(key)[0], "") or variable_of(key)
        if not variable:
            raise InputError(
                f"{raw.where}: units names '{key}', which is no variable; {suggest(key, [*NAMES, *columns])}"
            )
        of[variable] = unit
    for variable, column in chosen.items():
        unit = of.get(variable) or raw.units.get(column, "")
        if not unit:
            values = raw.numbers(column)
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


def _month(number: int) -> str:
    return f"{number // 12}-{number % 12 + 1:02d}"


def _step(raw: Columns) -> int:
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
    raw: Columns, name: str, column: str, unit: str, step: int, coverage: float, span: tuple[int, int]
) -> tuple[np.ndarray, list[str]]:
    """One variable as (year, 12) in house units, NaN where the month is not covered, and notes."""
    first, last = span
    months = 12 * raw.year + raw.month - 1
    values = raw.numbers(column)
    inside = (months >= first) & (months <= last)
    at, values = months[inside] - first, values[inside]
    count = last - first + 1
    days = days_of(np.arange(first, last + 1))
    good = np.isfinite(values)
    total = np.bincount(at[good], values[good], minlength=count)
    number = np.bincount(at[good], minlength=count)
    notes: list[str] = []
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(number > 0, total / number, np.nan)
    if step:
        expected = days * MINUTES_PER_DAY / step
        share = number / expected
        mean = np.where(share >= coverage, mean, np.nan)
        partial = int(
            ((share >= coverage) & (share < 0.999) & (np.abs(expected - number) * step > MINUTES_PER_DAY)).sum()
        )
        kind = {MINUTES_PER_DAY: "daily values", 60: "hourly values", 30: "half-hourly values"}.get(
            step, f"values every {step} minutes"
        )
        notes.append(f"months from {kind}, at least {coverage:.0%} of each")
        if partial:
            notes.append(f"{_word(name)} of {partial} months from {coverage:.0%} to 100 % of their days")
    shown = f"{raw.where}: '{column}'"
    house = _converted(name, mean, unit, days, step / MINUTES_PER_DAY if step else None, shown)
    return house.reshape(-1, 12), notes


def _converted(
    name: str, values: np.ndarray, unit: str, days: np.ndarray, step_days: float | None, shown: str
) -> np.ndarray:
    """Means over the rows of each month (``step_days``: length of a row, None: months) in house units."""
    if name == "co2":
        if unit.strip() not in ("ppm", "ppmv", "umol mol-1", "µmol mol-1", "1e-6"):
            raise InputError(f"{shown} is in {unit!r}, expected ppm; convert it")
        return values
    if name == "cloudiness":
        if unit.strip() in ("1", "fraction"):
            return 100.0 * values
        if unit.strip() not in ("%", "percent"):
            raise InputError(f"{shown} is in {unit!r}, expected percent or a fraction ('1'); convert it")
        return values
    try:
        return to_house_units(name, values, unit, days, shown, step_days=step_days)
    except InputError:
        choices = {
            "air_temperature": "K or degC",
            "precipitation": "mm month-1, mm d-1 or kg m-2 s-1"
            if step_days is None
            else "mm (of each row), mm d-1 or kg m-2 s-1",
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
            raise InputError(
                f"{where}: '{column}' has no value in any {_MONTHS[int(np.argmin(np.isfinite(mean)))]}; add one"
            )
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
