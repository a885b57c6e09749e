"""Months of any time axis: bounds first, then stamps with the file's frequency; one place for all readers.

A step belongs to the month that holds the middle of its bounds. Without bounds its stamp decides, except where it stands
between two months (the first of a month, 00:00): monthly means of climate models are stamped at the end of their month,
those of reanalyses at its start. Then the files' first and last step (whole years), what the file says of itself, and the
plan (``stamp``: "start", "middle", "end") decide, in this order of need; else the axis is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cftime
import netCDF4
import numpy as np

from jtem.errors import InputError, suggest
from jtem.readers import cf
from jtem.readers.catalogue import STAMPS

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
_EPOCH = "days since 0001-01-01"
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
        date = cftime.num2date(value, _EPOCH, self.calendar, only_use_cftime_datetimes=True)
        return f"{date.year}-{date.month:02d}-{date.day:02d}"

    def month_place(self, days: np.ndarray) -> np.ndarray:
        """Days as month number and fraction, the same in every calendar."""
        k = np.clip(np.searchsorted(self.edges, days, side="right") - 1, 0, self.edges.size - 2)
        return self.first + k + (days - self.edges[k]) / (self.edges[k + 1] - self.edges[k])


@dataclass(frozen=True)
class Months:
    """Steps of one file by month: ``month`` (step,) is 12 x year + month - 1; ``days`` (step,): length of that month.

    ``step_days``: length of the steps where they are shorter than a month; None: monthly. ``year_days`` (mean length of the
    year in the calendar).
    """

    month: np.ndarray
    days: np.ndarray
    step_days: float | None
    dimension: str
    calendar: str
    stamp: str

    @property
    def year_days(self) -> float:
        """Mean length of the calendar's year."""
        return {"360_day": 360.0, "noleap": 365.0, "365_day": 365.0, "all_leap": 366.0, "366_day": 366.0}.get(
            self.calendar, 365.2425
        )


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


def read(dataset: netCDF4.Dataset, where: str, called: str = "", of: netCDF4.Variable | None = None) -> Axis:
    """The time axis of a file; nothing else of it is decoded. Raises ``InputError``."""
    time = find(dataset, where, called, of)
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
    if values.size < 360 or " since " not in unit or unit.strip().lower().startswith(("month", "year")):
        return ""

    def whole(calendar: str) -> bool:
        _, days = _clock(values[[0, -1]], unit, calendar, name, where)
        assert days is not None
        first, last = (cftime.num2date(d, _EPOCH, calendar, only_use_cftime_datetimes=True) for d in days)
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


def _clock(values, unit: str, calendar: str, name: str, where: str) -> tuple[np.ndarray | None, np.ndarray | None]:
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
        return None, float(cftime.date2num(base, _EPOCH, calendar)) + values * _DAYS[found[1]]
    if found and found[1] in ("common_years", "common_year"):
        base = _date(found[2], unit, calendar, name, where)
        return None, float(cftime.date2num(base, _EPOCH, calendar)) + values * 365.0
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
        result[k] = float(cftime.date2num(date, _EPOCH, calendar)) + (value - whole)
    return result


def _bounds(dataset, time, unit: str, calendar: str, where: str) -> np.ndarray | None:
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
        ends = cftime.num2date(np.array([days.min(), days.max()]), _EPOCH, calendar, only_use_cftime_datetimes=True)
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
    return np.asarray(cftime.date2num(dates, _EPOCH, calendar), np.float64)


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


# --- months ----------------------------------------------------------------------------------------------------------


def months(axes: Sequence[Axis], stamp: str = "") -> list[Months]:
    """Months of the steps of files that belong together (one variable, any spans of time).

    ``stamp``: what the user says of stamps on the first of a month. Raises ``InputError`` for other frequencies than
    monthly to sub-daily, for stamps that could mean two months, and for stamps that drift through the month.
    """
    if stamp and stamp not in STAMPS:
        raise InputError(f"stamp '{stamp}' is unknown; {suggest(stamp, STAMPS)}")
    step = _frequency(axes)
    chosen = stamp
    between = [_between(axis, step) for axis in axes]
    if any(b.any() for b in between) and not chosen:
        chosen = _whole_years(axes, step) or next((a.hint for a in axes if a.hint), "")
        if not chosen and (step is None or step >= 1):
            _ask(axes, between)
    return [_cut(axis, step, chosen or "middle") for axis in axes]


def of_dates(dates: np.ndarray, bounds: np.ndarray | None, name: str, where: str) -> Axis:
    """The axis of dates that are decoded already (cftime, (step,)), with bounds (step, 2) where there are any."""
    calendar = str(dates[0].calendar)
    stamp = np.asarray(cftime.date2num(dates, _EPOCH, calendar), np.float64)
    both = None if bounds is None else np.asarray(cftime.date2num(bounds, _EPOCH, calendar), np.float64)
    start, stop = (stamp, stamp) if both is None else (both[:, 0], both[:, 1])
    low, high = _span(np.concatenate([start, stop]), calendar, where, name)
    edges = month_edges(low, high, calendar, where)
    return Axis(name, name, start, stop, both is not None, edges, low, calendar, False, "", HOUR, where)


def month_of_monthly(axis: Axis) -> np.ndarray | None:
    """Month number of each step of a monthly axis, which may have gaps; None for finer steps.

    Raises ``InputError`` for stamps that can mean two months.
    """
    if _frequency([axis]) is not None:
        return None
    stamp = ""
    if _between(axis, None).any():
        stamp = _whole_years([axis], None)
        if not stamp:
            raise InputError(
                f"{axis.where}: '{axis.name}' has no bounds and stamps like {axis.day(float(axis.start[0]))}, which can mean the "
                "month before or after; add bounds, whole years, or stamps within the months"
            )
    return axis.first + _place(axis, None, stamp)


def _place(axis: Axis, monthly: float | None, stamp: str) -> np.ndarray:
    """Index of the month (of ``edges``) of each step, (step,)."""
    middle = 0.5 * (axis.start + axis.stop)
    if not axis.bounded and monthly is None:
        middle = axis.start - 0.5 if stamp == "end" else axis.start + axis.slack
    elif not axis.bounded and monthly is not None:
        middle = axis.start - 0.5 * monthly if stamp == "end" else axis.start + 1e-4
    return np.searchsorted(axis.edges, middle, side="right") - 1


def _frequency(axes: Sequence[Axis]) -> float | None:
    """Days of a step, None for months. Raises ``InputError`` for anything longer or irregular."""
    lengths = np.concatenate([axis.stop - axis.start for axis in axes if axis.bounded] or [np.zeros(0)])
    where = axes[0].where
    if not lengths.size or not all(axis.bounded for axis in axes):
        place = np.sort(np.concatenate([axis.place for axis in axes]))
        gaps = np.diff(place)
        gaps = gaps[gaps > 1e-9]
        if not gaps.size:
            lengths = np.array([30.0]) if not lengths.size else lengths
        else:
            own = np.diff(np.sort(np.concatenate([axis.start for axis in axes if axis.calendar == axes[0].calendar])))
            own = own[own > 1e-9]
            monthly = 0.85 < float(np.median(gaps)) < 1.15 or not own.size
            lengths = np.array([30.0 if monthly else float(np.median(own))])
    typical = float(np.median(lengths))
    if 26.9 <= typical <= 32.1:
        return None
    if typical <= 1.0 + 1e-6:
        step = round(typical * 1440) / 1440  # whole minutes
        if step <= 0 or abs(round(1 / step) - 1 / step) > 1e-6:
            raise InputError(f"{where}: steps of '{axes[0].name}' are {24 * typical:g} hours, expected a part of a day")
        return step
    if typical > 360:
        raise InputError(f"{where}: '{axes[0].name}' has one step a year, expected months; give monthly values")
    raise InputError(f"{where}: steps of '{axes[0].name}' are {typical:g} days, expected months or parts of a day")


def _between(axis: Axis, monthly: float | None) -> np.ndarray:
    """Which stamps stand between two steps (the first of a month, midnight of a daily file), (step,)."""
    if axis.bounded or axis.labels:
        return np.zeros(axis.start.size, bool)
    if monthly is not None:
        return np.abs(axis.start / monthly - np.round(axis.start / monthly)) <= 1e-3
    k = np.clip(np.searchsorted(axis.edges, axis.start + 1e-3, side="right") - 1, 0, axis.edges.size - 2)
    return axis.start - axis.edges[k] <= axis.slack


def _whole_years(axes: Sequence[Axis], monthly: float | None) -> str:
    """Give "start" or "end" where only one of them makes whole years of the files; "" otherwise."""
    first, last = (f([axis.place.min() if f is min else axis.place.max() for axis in axes]) for f in (min, max))
    step = 1.0 if monthly is None else monthly / 31.0
    near = 0.3 * step

    def new_year(place: float) -> bool:
        return bool(abs((place / 12.0 - round(place / 12.0)) * 12.0) < near)

    start = new_year(first) + new_year(last + step)
    end = new_year(first - step) + new_year(last)
    if start and not end:
        return "start"
    if end == 2 and not start:
        return "end"
    return ""


def _ask(axes: Sequence[Axis], between: Sequence[np.ndarray]) -> None:
    axis = next(a for a, b in zip(axes, between, strict=True) if b.any())
    day = axis.day(float(axis.start[0]))
    raise InputError(
        f"{axis.where}: '{axis.name}' has no bounds and stamps like {day}, which can mean the step before or after; set "
        'stamp = "start", "middle" or "end" in [domain]'
    )


def _cut(axis: Axis, monthly: float | None, stamp: str) -> Months:
    """Month of each step, checked."""
    if monthly is None and axis.bounded:
        _check_bounds(axis)
    elif monthly is None and not axis.labels:
        _check_drift(axis)
    k = _place(axis, monthly, stamp)
    month = axis.first + k
    days = np.diff(axis.edges)[k]
    if monthly is None:
        gaps = np.nonzero(np.diff(month) != 1)[0]
        if gaps.size:
            before, after = int(month[gaps[0]]), int(month[gaps[0] + 1])
            what = "is missing" if after > before + 1 else "is repeated or out of order"
            lost = before + 1 if after > before + 1 else after
            hint = "" if axis.said_calendar else " (or give the attribute 'calendar' that was lost)"
            raise InputError(
                f"{axis.where}: month {lost // 12}-{lost % 12 + 1:02d} {what} in '{axis.name}'; give consecutive monthly "
                f"values{hint}"
            )
        late = not axis.bounded and not axis.labels and np.all(axis.edges[k + 1] - axis.start < 4.0)
        if late and not axis.said_calendar and (month[0] % 12, month[-1] % 12) == (11, 10):
            raise InputError(
                f"{axis.where}: stamps of '{axis.name}' on the last days of months run from December to November, and no "
                "attribute tells the calendar: firsts of months in another one? set the attribute 'calendar' of time"
            )
    else:
        if axis.other_calendar:
            raise InputError(
                f"{axis.where}: no attribute tells the calendar of '{axis.name}'; its steps are whole years in "
                f"'{axis.other_calendar}' and not in the standard one; set the attribute 'calendar'"
            )
        _check_steps(axis, monthly)
    return Months(month, days, monthly, axis.dimension, axis.calendar, "bounds" if axis.bounded else stamp)


def _check_bounds(axis: Axis) -> None:
    """Bounds of monthly steps must be calendar months (to 1.6 days, as some end on the last day)."""
    middle = 0.5 * (axis.start + axis.stop)
    k = np.searchsorted(axis.edges, middle, side="right") - 1
    off = np.maximum(np.abs(axis.start - axis.edges[k]), np.abs(axis.stop - axis.edges[k + 1]))
    if off.max() > 1.6:
        at = int(np.argmax(off > 1.6))
        raise InputError(
            f"{axis.where}: bounds of '{axis.name}' {axis.day(axis.start[at])}..{axis.day(axis.stop[at])} are no calendar "
            f"month in the {axis.calendar} calendar; correct 'calendar' or the bounds"
        )


def _check_drift(axis: Axis) -> None:
    """Stamps of months keep their day of the month, or the middle, or even steps; what drifts has the wrong calendar."""
    if axis.start.size < 2:
        return
    shifted = axis.start + axis.slack
    k = np.clip(np.searchsorted(axis.edges, shifted, side="right") - 1, 0, axis.edges.size - 2)
    length = axis.edges[k + 1] - axis.edges[k]
    day = axis.start - axis.edges[k]
    kinds = {
        "day": np.ptp(day),  # the same day of each month
        "middle": 2.0 * np.max(np.abs(day - 0.5 * length)) - 0.5,
        "end": np.max(length - day) + 10.0 * (np.ptp(length - day) > 0.6),  # the last days of the months, all alike
    }
    even = axis.start - (
        axis.start[0] + np.arange(axis.start.size) * (axis.start[-1] - axis.start[0]) / (axis.start.size - 1)
    )
    if np.max(np.abs(even)) < 0.6 and np.max(np.abs(day - 0.5 * length)) < 3.0:
        return
    if min(kinds.values()) > 2.05:
        raise InputError(
            f"{axis.where}: stamps of '{axis.name}' move through the month (day {day.min() + 1:.1f} to {day.max() + 1:.1f}) in "
            f"the {axis.calendar} calendar{'' if axis.said_calendar else ', which no attribute tells'}, as no file of months "
            "does; set the attribute 'calendar' of time (noleap?)"
        )


def _check_steps(axis: Axis, step: float) -> None:
    """Steps shorter than a month must follow each other; 29 February and 31 December may be left out."""
    at = 0.5 * (axis.start + axis.stop)
    gaps = np.diff(at)
    wrong = np.abs(gaps - step) > 0.02 * step + 1e-4
    for k in np.nonzero(wrong)[0]:
        lost = at[k] + step
        date = cftime.num2date(lost, _EPOCH, axis.calendar, only_use_cftime_datetimes=True)
        skipped = abs(gaps[k] - step - 1.0) < 0.02 and (date.month, date.day) in ((2, 29), (12, 31), (3, 1), (1, 1))
        if not skipped:
            what = "is missing" if gaps[k] > step else "is followed by a repeated or earlier one"
            raise InputError(
                f"{axis.where}: step {date.year}-{date.month:02d}-{date.day:02d} {what} in '{axis.name}'; complete the file"
            )
