"""Months of any time axis: bounds first, then stamps with the file's frequency; one place for all readers.

A step belongs to the month that holds the middle of its bounds. Without bounds its stamp decides, except where it stands
between two months (the first of a month, 00:00): monthly means of climate models are stamped at the end of their month,
those of reanalyses at its start. Then the files' first and last step (whole years), what the file says of itself, and the
plan (``stamp``: "start", "middle", "end") decide, in this order of need; else the axis is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import cftime
import netCDF4
import numpy as np

from jtem.errors import InputError, suggest
from jtem.readers import cf

CALENDARS = (
    "standard",
    "gregorian",
    "proleptic_gregorian",
    "julian",
    "noleap",
    "365_day",
    "all_leap",
    "366_day",
    "360_day",
)
_ALIAS = {
    "360": "360_day", "365": "noleap", "366": "all_leap", "360d": "360_day", "no_leap": "noleap", "365_days": "noleap",
    "no leap": "noleap", "365d": "noleap", "360_days": "360_day", "gregorian_proleptic": "proleptic_gregorian",
    "365day": "noleap", "360day": "360_day", "proleptic": "proleptic_gregorian", "": "standard",
}  # fmt: skip
_DAYS = {
    "day": 1.0, "days": 1.0, "d": 1.0, "hour": 1 / 24, "hours": 1 / 24, "hr": 1 / 24, "hrs": 1 / 24, "h": 1 / 24,
    "minute": 1 / 1440, "minutes": 1 / 1440, "min": 1 / 1440, "mins": 1 / 1440,
    "second": 1 / 86400, "seconds": 1 / 86400, "sec": 1 / 86400, "secs": 1 / 86400, "s": 1 / 86400,
    "millisecond": 1 / 86400e3, "milliseconds": 1 / 86400e3, "msec": 1 / 86400e3,
    "microseconds": 1 / 86400e6, "nanoseconds": 1 / 86400e9,
}  # fmt: skip
_MONTHS = {"month": 1, "months": 1, "mon": 1, "mons": 1, "year": 12, "years": 12, "yr": 12, "yrs": 12}
_NAMES = ("time", "valid_time", "times", "t", "date", "month", "xtime", "year", "yyyymm", "mtime")
EPOCH = "days since 0001-01-01"
HOUR = 1.0 / 24.0


@dataclass(frozen=True)
class Axis:
    """The time axis of one file, not yet cut into months.

    ``start``, ``stop`` (step,): days (of ``edges``) where each step begins and ends, from bounds; both the stamp without
    bounds. ``bounded``: whether they are bounds. ``edges``: first days of the months ``first``, ``first`` + 1, ... (month
    number: 12 x year + month - 1). ``labels``: the stamps are names of months. ``hint``: what the file says of its stamps
    ("start", "end", ""). ``slack``: days that a stamp may be off by rounding. ``other_calendar``: one in which the steps are
    whole years, where the file says none and they are not.
    """

    name: str
    dimension: str
    start: np.ndarray
    stop: np.ndarray
    bounded: bool
    edges: np.ndarray
    first: int
    calendar: str
    labels: bool
    hint: str
    slack: float
    where: str
    said_calendar: bool = True
    other_calendar: str = ""

    @property
    def place(self) -> np.ndarray:
        """Stamps (or middles of bounds) as month number and fraction, (step,)."""
        return self.month_place(0.5 * (self.start + self.stop))

    def day(self, value: float) -> str:
        """A day as YYYY-MM-DD."""
        date = cftime.num2date(value, EPOCH, self.calendar, only_use_cftime_datetimes=True)
        return f"{date.year}-{date.month:02d}-{date.day:02d}"

    def month_place(self, days: np.ndarray) -> np.ndarray:
        """Days as month number and fraction, the same in every calendar."""
        k = np.clip(np.searchsorted(self.edges, days, side="right") - 1, 0, self.edges.size - 2)
        return self.first + k + (days - self.edges[k]) / (self.edges[k + 1] - self.edges[k])


# --- decoding --------------------------------------------------------------------------------------------------------


def find(
    dataset: netCDF4.Dataset, where: str, called: str = "", of: netCDF4.Variable | None = None
) -> netCDF4.Variable:
    """The time coordinate, of variable ``of`` where given; raises ``InputError`` where there is none."""
    if called:
        if called not in dataset.variables:
            raise InputError(f"{where}: no coordinate '{called}' (time); {suggest(called, dataset.variables)}")
        return dataset.variables[called]
    usable = {
        n: v for n, v in dataset.variables.items()
        if v.ndim <= 2 and (of is None or v.size == 1 or v.dimensions[0] in of.dimensions)
        and not n.lower().endswith(("_bnds", "_bounds", "_bound"))
    }  # fmt: skip
    tests = (
        lambda n, v: n == "time" and (v.ndim == 0 or v.dimensions[0] == n),
        lambda n, v: str(getattr(v, "standard_name", "")) == "time" and v.dimensions[:1] == (n,),
        lambda n, v: str(getattr(v, "standard_name", "")) == "time" or str(getattr(v, "axis", "")) == "T",
        lambda n, v: n.lower() in _NAMES[:7] and _since(v),
        lambda n, v: _since(v) and v.dimensions[:1] == (n,),
        lambda n, v: n.lower() in _NAMES and v.dimensions[:1] in ((n,), (n.lower(),), ("time",), ("Time",)),
    )
    for test in tests:
        for name, variable in usable.items():
            if test(name, variable):
                return variable
    raise InputError(
        f"{where}: no coordinate 'time'; add it with units 'days since ...' or give its name as 'time' under [domain.names]"
    )


def _since(variable: netCDF4.Variable) -> bool:
    return " since " in str(getattr(variable, "units", ""))


def read(
    dataset: netCDF4.Dataset,
    where: str,
    called: str = "",
    of: netCDF4.Variable | None = None,
    *,
    year_zero: bool = False,
) -> Axis:
    """The time axis of a file; nothing else of it is decoded. Raises ``InputError``.

    ``year_zero``: days since the year 0, which the standard calendar lacks, are counted in the proleptic one. That may be two
    days off, so it is for values of years or of middles of months.
    """
    time = find(dataset, where, called, of)
    apart = [d for d in (of.dimensions if of is not None else ()) if d.lower() in ("year", "years", "month", "months")]
    if len(apart) > 1:
        raise InputError(f"{where}: '{apart[0]}' and '{apart[1]}' are two dimensions; stack them to one of time")
    if time.ndim > 1 and time.dtype.kind != "S":
        raise InputError(
            f"{where}: '{time.name}' has dimensions {time.dimensions}, expected one; give one time for all cells"
        )
    said = cf.attributes(time)
    if "climatology" in said:
        raise InputError(f"{where}: '{time.name}' is a climatology of many years; give the months of single years")
    dimension = str(time.dimensions[0]) if time.ndim else ""
    if time.size == 1 and of is not None and dimension not in of.dimensions:
        dimension = ""  # a file of one month, whose variable has no dimension of time
    calendar = str(said.get("calendar", "standard")).strip().lower()
    calendar = _ALIAS.get(calendar, calendar)
    if calendar not in CALENDARS:
        raise InputError(f"{where}: calendar '{calendar}' of '{time.name}' is unknown; {suggest(calendar, CALENDARS)}")
    unit = str(said.get("units", "")).strip()
    if year_zero and calendar in CALENDARS[:2] and re.search(r"\bsince\s+0+-", unit):
        calendar = "proleptic_gregorian"
    values = _stored(time, where)
    if not values.size:
        raise InputError(f"{where}: '{time.name}' has no values; give at least one month")
    months, days = _clock(values, unit, calendar, time.name, where)
    slack = HOUR
    if months is not None:  # already months: whole ones and fractions
        low, high = int(np.floor(months.min())) - 2, int(np.floor(months.max())) + 3
        edges = month_edges(low, high, calendar, where)
        k = np.floor(months + 1e-9).astype(int)
        stamp = edges[k - low] + (months - k) * (edges[k - low + 1] - edges[k - low])
        labels = days is not None
        bounds = None
    else:
        assert days is not None
        stamp, labels = days, False
        bounds = _bounds(dataset, time, unit, calendar, where)
        every = stamp if bounds is None else np.concatenate([stamp, bounds.ravel()])
        low, high = _span(every, calendar, where, time.name)
        edges = month_edges(low, high, calendar, where)
    hint = _hint(dataset, said, of)
    if bounds is not None:
        middle = 0.5 * (bounds[:, 0] + bounds[:, 1])
        length = bounds[:, 1] - bounds[:, 0]
        off = (stamp < bounds[:, 0] - 1.0) | (stamp > bounds[:, 1] + 1.0)
        if np.any(length <= 0) or off.any() or np.any(np.diff(middle) <= 0):
            if np.all(length == 0):
                bounds = None
            else:
                what = "stamps lie outside them" if off.any() else "they do not follow each other"
                raise InputError(
                    f"{where}: bounds of '{time.name}' cannot be right ({what}); correct them or remove the attribute 'bounds'"
                )
    start, stop = (stamp, stamp) if bounds is None else (bounds[:, 0], bounds[:, 1])
    return Axis(
        str(time.name), dimension, start, stop, bounds is not None, edges, low, calendar, labels, hint, slack, where,
        "calendar" in said, _other_calendar(values, unit, str(time.name), where) if "calendar" not in said else "",
    )  # fmt: skip


def _other_calendar(values: np.ndarray, unit: str, name: str, where: str) -> str:
    """The calendar in which first and last stamp make whole years, where the standard one does not; "" for none."""
    if values.size < 12 or " since " not in unit or unit.strip().lower().startswith(("month", "year")):
        return ""
    monthly = values.size < 360

    def whole(calendar: str) -> bool:
        _, days = _clock(values[[0, -1]], unit, calendar, name, where)
        assert days is not None
        first, last = (cftime.num2date(d, EPOCH, calendar, only_use_cftime_datetimes=True) for d in days)
        if monthly:
            return (first.month, last.month) == (1, 12)
        return (first.month, first.day) == (1, 1) and (last.month, last.day) in ((12, 31), (12, 30), (1, 1))

    try:
        return "" if whole("standard") else next((c for c in ("noleap", "360_day") if whole(c)), "")
    except (ValueError, OverflowError, InputError):
        return ""


def _stored(time: netCDF4.Variable, where: str) -> np.ndarray:
    """Numbers of the axis; texts like 2001-01-15 12:00 become YYYYMMDD with fractions."""
    if time.dtype is str or np.dtype(time.dtype).kind in "SU":
        array = np.asarray(time[...])
        texts = [str(t) for t in array.ravel()] if time.dtype is str else [
            b"".join(row).decode("ascii", "replace") if array.ndim > 1 else str(row) for row in np.atleast_1d(array)
        ]  # fmt: skip
        result = []
        for text in texts:
            found = re.match(r"\s*(\d{4})-(\d{1,2})(?:-(\d{1,2}))?(?:[T_ ](\d{1,2})(?::(\d{2}))?)?", text)
            if not found:
                raise InputError(
                    f"{where}: '{time.name}' is {text!r}, expected a date like 2001-01-15; convert it to 'days since'"
                )
            year, month, day, hour, minute = (
                int(g) if g else d for g, d in zip(found.groups(), (0, 1, 1, 0, 0), strict=True)
            )
            result.append(1e4 * year + 100 * month + day + (hour + minute / 60) / 24)
        return np.array(result)
    values = np.atleast_1d(cf.numbers(time, ..., f"{where}: {time.name}"))
    if not np.all(np.isfinite(values)):
        raise InputError(f"{where}: '{time.name}' has missing values; complete the time axis")
    return values


def _clock(
    values: np.ndarray, unit: str, calendar: str, name: str, where: str
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(months with fractions, None | marker of labels) or (None, days since the year 1 in the calendar)."""
    lower = unit.lower()
    found = re.match(r"\s*([a-z_]+)\s+since\s+(.*)", lower)
    if found and found[1] in _MONTHS:
        base = _date(found[2], unit, calendar, name, where)
        begin = 12 * base.year + base.month - 1
        part = (base.day - 1 + (base.hour + base.minute / 60) / 24) / base.daysinmonth
        months = begin + part + _MONTHS[found[1]] * values
        return np.where(np.abs(months - np.round(months)) < 1e-4, np.round(months), months), None
    if found and found[1] in _DAYS:
        base = _date(found[2], unit, calendar, name, where)
        return None, float(cftime.date2num(base, EPOCH, calendar)) + values * _DAYS[found[1]]
    if found and found[1] in ("common_years", "common_year"):
        base = _date(found[2], unit, calendar, name, where)
        return None, float(cftime.date2num(base, EPOCH, calendar)) + values * 365.0
    if np.all((values >= 10000000) & (values < 100000000)) and _plausible(values // 10000, values // 100 % 100):
        return None, _dates(values, calendar, name, where)
    if np.all((values >= 1000) & (values < 1000000) & (values == np.round(values))) and _plausible(
        values // 100, values % 100
    ):
        return 12 * (values // 100) + values % 100 - 1 + 0.5, values
    decimal = re.search(r"\byears?\b|\byr\b|a\.d\.|decimal|%y", lower) is not None or name.lower() in ("year", "years")
    decimal |= not unit and bool(np.any(values != np.round(values)))
    if decimal and np.all((values > 1000) & (values < 3000)):
        if np.all(values == np.round(values)):
            raise InputError(f"{where}: '{name}' holds whole years, expected months; give monthly values")
        months = 12 * values
        return np.where(np.abs(months - np.round(months)) < 0.02, np.round(months), months), None
    if " since " in unit:
        raise InputError(
            f"{where}: '{name}' in {unit!r} cannot be decoded; give 'days since YYYY-MM-DD' and a calendar"
        )
    raise InputError(
        f"{where}: '{name}' has no decodable units ({unit!r}, first value {values[0]:g}); give 'days since YYYY-MM-DD' and a "
        "calendar"
    )


def _plausible(years: np.ndarray, months: np.ndarray) -> bool:
    return bool(np.all((years >= 1) & (months >= 1) & (months <= 12)))


def _date(text: str, unit: str, calendar: str, name: str, where: str):
    if re.match(r"\d{1,2}[-./]\d{1,2}[-./]\d{4}\b", text):
        raise InputError(
            f"{where}: '{name}' in {unit!r} begins its date with a day or month; write it as 'days since YYYY-MM-DD'"
        )
    text = f"{text}-01" if re.fullmatch(r"\d{1,4}-\d{1,2}", text) else text
    try:
        return cftime.num2date(0, f"days since {text}", calendar, only_use_cftime_datetimes=True)
    except (ValueError, OverflowError, OSError, RuntimeError, TypeError) as error:
        raise InputError(
            f"{where}: '{name}' in {unit!r} cannot be decoded ({str(error).splitlines()[0]}); give 'days since YYYY-MM-DD' and "
            "a calendar"
        ) from None


def _dates(values: np.ndarray, calendar: str, name: str, where: str) -> np.ndarray:
    """Days of numbers YYYYMMDD.fraction."""
    result = np.empty(values.size)
    for k, value in enumerate(values):
        whole = int(np.floor(value + 1e-6))
        try:
            date = cftime.datetime(whole // 10000, whole // 100 % 100, whole % 100, calendar=calendar)
        except ValueError:
            raise InputError(
                f"{where}: '{name}' has the date {whole}, which the {calendar} calendar lacks; correct it"
            ) from None
        result[k] = float(cftime.date2num(date, EPOCH, calendar)) + (value - whole)
    return result


def _bounds(
    dataset: netCDF4.Dataset, time: netCDF4.Variable, unit: str, calendar: str, where: str
) -> np.ndarray | None:
    """Bounds of the steps (step, 2) in days; also under their usual names where the attribute was lost."""
    wanted = str(getattr(time, "bounds", ""))
    names = [wanted] if wanted else [f"{time.name}_bnds", f"{time.name}_bounds", f"{time.name}_bound"]
    for name in names:
        if name not in dataset.variables:
            continue
        variable = dataset.variables[name]
        if variable.ndim != 2 or variable.shape[1] != 2 or variable.dimensions[0] != (time.dimensions or ("",))[0]:
            if variable.shape == (2,) and time.ndim == 0:
                pass
            else:
                raise InputError(
                    f"{where}: '{name}' has shape {variable.shape}, expected one pair for each '{time.name}'; correct the bounds"
                )
        values = cf.numbers(variable, ..., f"{where}: {name}").reshape(-1, 2)
        if not np.all(np.isfinite(values)):
            raise InputError(
                f"{where}: '{name}' has missing values; complete the bounds or remove the attribute 'bounds'"
            )
        own = str(getattr(variable, "units", unit))
        _, days = _clock(values.ravel(), own if " since " in own else unit, calendar, name, where)
        return None if days is None else days.reshape(-1, 2)
    return None


def _span(days: np.ndarray, calendar: str, where: str, name: str) -> tuple[int, int]:
    try:
        ends = cftime.num2date(np.array([days.min(), days.max()]), EPOCH, calendar, only_use_cftime_datetimes=True)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"{where}: '{name}' has impossible dates ({str(error).splitlines()[0]}); correct its units"
        ) from None
    return 12 * ends[0].year + ends[0].month - 3, 12 * ends[1].year + ends[1].month + 2


def month_edges(first: int, last: int, calendar: str, where: str = "") -> np.ndarray:
    """Days of the first of each month ``first`` .. ``last``, in days since the year 1 of the calendar."""
    try:
        dates = [cftime.datetime(m // 12, m % 12 + 1, 1, calendar=calendar) for m in range(first, last + 1)]
    except ValueError as error:
        raise InputError(f"{where}: time runs to impossible years ({error}); correct its units") from None
    return np.asarray(cftime.date2num(dates, EPOCH, calendar), np.float64)


def _hint(dataset: netCDF4.Dataset, said: Mapping, of: netCDF4.Variable | None) -> str:
    """What the file says of its stamps: "start", "end" or ""."""
    text = " ".join(str(said.get(k, "")) for k in ("long_name", "comment", "description", "note")).lower()
    if of is not None:
        text += " " + str(getattr(of, "cell_methods", "")).lower()
    for word, pattern in (
        ("end", r"\bend(?:ing)? (?:of|time|point)|at (?:the )?end\b|right (?:edge|label)|end of"),
        (
            "start",
            r"\b(?:start|begin(?:ning)?) of|at (?:the )?(?:start|beginning)\b|start (?:time|date)|left (?:edge|label)",
        ),
    ):
        if re.search(pattern, text):
            return word
    history, source = (str(getattr(dataset, k, "")) for k in ("history", "source"))
    if "grib_to_netcdf" in history or "cfgrib" in history or hasattr(dataset, "GRIB_centre"):
        return "start"
    if of is not None and any(a.startswith("GRIB_") for a in of.ncattrs()):
        return "start"
    title = str(getattr(dataset, "title", ""))
    if re.search(
        r"\b(CAM|CLM|CTSM|ELM|EAM|CESM\d?|E3SM|Community (?:Terrestrial Systems|Land) Model)\b", f"{source} {title}"
    ):
        return "end"
    return ""


def of_dates(dates: np.ndarray, bounds: np.ndarray | None, name: str, where: str) -> Axis:
    """The axis of dates that are decoded already (cftime, (step,)), with bounds (step, 2) where there are any."""
    calendar = str(dates[0].calendar)
    stamp = np.asarray(cftime.date2num(dates, EPOCH, calendar), np.float64)
    both = None if bounds is None else np.asarray(cftime.date2num(bounds, EPOCH, calendar), np.float64)
    start, stop = (stamp, stamp) if both is None else (both[:, 0], both[:, 1])
    low, high = _span(np.concatenate([start, stop]), calendar, where, name)
    edges = month_edges(low, high, calendar, where)
    return Axis(name, name, start, stop, both is not None, edges, low, calendar, False, "", HOUR, where)
