"""Months of the steps of time axes: which month each step belongs to, and what is no series of months or of finer steps.

The rules stand in ``time_axis``: bounds, then stamps, whole years, what a file says of itself, and the plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cftime
import numpy as np

from jtem.errors import InputError, suggest
from jtem.readers.catalogue import STAMPS
from jtem.readers.time_axis import EPOCH, HOUR, Axis

MINUTE = 1.0 / 1440.0
"""Days."""


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


def months_of_axes(axes: Sequence[Axis], stamp: str = "") -> list[Months]:
    """Months of the steps of files that belong together (one variable, any spans of time).

    ``stamp``: what the user says of stamps on the first of a month. Raises ``InputError`` for other frequencies than
    monthly to sub-daily, for stamps that could mean two months, and for stamps that drift through the month.
    """
    if stamp and stamp not in STAMPS:
        raise InputError(f"stamp '{stamp}' is unknown; {suggest(stamp, STAMPS)}")
    step = _frequency(axes)
    chosen = stamp or ("end" if step is None and _last_steps(axes) else "")
    between = [_between(axis, step) for axis in axes]
    if any(b.any() for b in between) and not chosen:
        chosen = _whole_years(axes, step) or next((a.hint for a in axes if a.hint), "")
        if not chosen and (step is None or step >= 1):
            _ask(axes, between)
    return [_cut(axis, step, chosen or "middle") for axis in axes]


def month_of_monthly(axis: Axis) -> np.ndarray | None:
    """Month number of each step of a monthly axis, which may have gaps; None for finer steps.

    Raises ``InputError`` for stamps that can mean two months.
    """
    if _frequency([axis]) is not None:
        return None
    stamp = "end" if _last_steps([axis]) else ""
    if _between(axis, None).any() and not stamp:
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
    k = np.searchsorted(axis.edges, axis.start + axis.slack, side="right") - 1
    return np.abs(axis.start - axis.edges[k]) <= axis.slack


def _last_steps(axes: Sequence[Axis]) -> bool:
    """Whether monthly stamps without bounds all lie the same minutes before a month's end: the last step of a model in it.

    Stamps of the month's first instant that were rounded would lie on both sides.
    """
    stamps = [axis for axis in axes if not (axis.bounded or axis.labels)]
    before = [axis.edges[np.searchsorted(axis.edges, axis.start, side="right")] - axis.start for axis in stamps]
    left = np.concatenate(before) if before else np.array([np.inf])
    return bool(left.min() > MINUTE and left.max() <= HOUR + MINUTE and np.ptp(left) < MINUTE)


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
    if axis.other_calendar and not (monthly is None and axis.bounded):
        raise InputError(
            f"{axis.where}: no attribute tells the calendar of '{axis.name}'; its steps are whole years in "
            f"'{axis.other_calendar}' and not in the standard one; set the attribute 'calendar'"
        )
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
    else:
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
        "middle": np.max(np.abs(day - 0.5 * length)) - 0.95,  # also of even steps and of days of the year
        "end": np.max(length - day) + 10.0 * (np.ptp(length - day) > 0.6),  # the last days of the months, all alike
    }
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
        date = cftime.num2date(lost, EPOCH, axis.calendar, only_use_cftime_datetimes=True)
        skipped = abs(gaps[k] - step - 1.0) < 0.02 and (date.month, date.day) in ((2, 29), (12, 31), (3, 1), (1, 1))
        if not skipped:
            what = "is missing" if gaps[k] > step else "is followed by a repeated or earlier one"
            raise InputError(
                f"{axis.where}: step {date.year}-{date.month:02d}-{date.day:02d} {what} in '{axis.name}'; complete the file"
            )
