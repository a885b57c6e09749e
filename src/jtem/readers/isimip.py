"""ISIMIP forcing: daily files of ISIMIP3b, 3a and 2b to months, a month of days at a time.

Files are recognised by name with a free region field, so that global files and cut-outs are read alike; years come from
the names and must join up without gap; calendars come from the attributes. Nothing is guessed: a file that is not as
its protocol says is refused with ``InputError``, one sentence with file, variable and remedy.

Names (``docs`` of the protocols):

- 3b ``<gcm>_<member>_<bias>_<scenario>_<var>_<region>_daily_<y0>_<y1>.nc``
- 3a ``<forcing>_<obsclim|counterclim>_<var>_<region>_daily_<y0>_<y1>.nc``
- 2b ``<var>_day_<GCM>_<scenario>_<member>_EWEMBI[_<region>]_<YYYYMMDD>-<YYYYMMDD>.nc4``
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import netCDF4
import numpy as np

from jtem.errors import InputError, note, suggest
from jtem.readers import fields, regrid, time_axis
from jtem.readers.units import SECONDS_PER_DAY, understood

DAYS_AT_ONCE = 31
"""No read of daily data is longer than this, whatever the length of the files."""
VARIABLES = {"air_temperature": "tas", "precipitation": "pr", "shortwave_radiation": "rsds"}
UNITS = {"tas": "K", "pr": "kg m-2 s-1", "rsds": "W m-2"}
RANGES = {"tas": (150.0, 350.0), "pr": (0.0, 0.05), "rsds": (0.0, 700.0)}
"""What a daily mean can be, in the units above (0.05 kg m-2 s-1 is 4.3 m of rain in a day)."""
SHARE_STEPS = 1.5
"""A cell without data (sea in land-only files) takes the nearest cell with data within this many steps of the grid."""

WORD = "[A-Za-z0-9-]+"
YEARS = r"(?P<first>\d{4})_(?P<last>\d{4})\.nc4?$"
_NAMES = {
    "ISIMIP3b": re.compile(
        rf"^(?P<model>{WORD})_(?P<member>r\d+i\d+p\d+f\d+)_(?P<bias>{WORD})_(?P<scenario>{WORD})_"
        rf"(?P<variable>[a-z0-9]+)_(?P<region>.+)_daily_{YEARS}",
        re.IGNORECASE,
    ),
    "ISIMIP3a": re.compile(
        rf"^(?P<model>{WORD})_(?P<scenario>obsclim|counterclim|spinclim|transclim)_"
        rf"(?P<variable>[a-z0-9]+)_(?P<region>.+)_daily_{YEARS}",
        re.IGNORECASE,
    ),
    "ISIMIP2b": re.compile(
        rf"^(?P<variable>[a-z0-9]+)_day_(?P<model>{WORD})_(?P<scenario>{WORD})_(?P<member>r\d+i\d+p\d+)_EWEMBI"
        r"(?:_(?P<region>.+))?_(?P<first>\d{4})\d{4}-(?P<last>\d{4})\d{4}\.nc4?$",
        re.IGNORECASE,
    ),
}


# --- names -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FileName:
    """What the name of a file says; ``scenario``, ``model``, ``member``, ``variable``, ``region`` in lower case."""

    path: Path
    round: str
    model: str
    member: str
    scenario: str
    variable: str
    region: str
    first: int
    last: int


def parse_name(path: Path | str) -> FileName | None:
    """What the name of a daily climate file says; None for any other file."""
    path = Path(path)
    for label, pattern in _NAMES.items():
        match = pattern.match(path.name)
        if match:
            said = {key: (value or "").lower() for key, value in match.groupdict().items()}
            return FileName(
                path=path,
                round=label,
                model=said["model"],
                member=said.get("member", ""),
                scenario=said["scenario"],
                variable=said["variable"],
                region=said.get("region") or "global",
                first=int(said["first"]),
                last=int(said["last"]),
            )
    return None


def find(
    folder: Path | str,
    scenarios: Sequence[str],
    first_year: int,
    last_year: int,
    *,
    model: str = "",
    member: str = "",
    region: str = "",
) -> dict[str, tuple[FileName, ...]]:
    """Files that give tas, pr and rsds of ``first_year``..``last_year``, in order of years, by house variable name.

    ``folder`` is searched with all its folders. ``scenarios``: words of the protocol whose periods join up, for
    instance ``("historical", "ssp585")``. ``model``, ``member``, ``region`` choose where the folder holds several.
    Raises ``InputError`` for gaps, overlaps, absent variables and an ambiguous choice.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: folder of ISIMIP files not found; check the name and the data folder")
    everything = [name for path in sorted(folder.rglob("*.nc*")) if (name := parse_name(path)) is not None]
    if not everything:
        raise InputError(f"{folder}: no file with an ISIMIP name (daily, .nc); check the folder")
    wanted = [word.lower() for word in scenarios]
    known = sorted({name.scenario for name in everything})
    for word in wanted:
        if word not in known:
            raise InputError(f"{folder}: no files of scenario '{word}'; {suggest(word, known)}")
    chosen = [name for name in everything if name.scenario in wanted]
    for key, value in (("model", model), ("member", member), ("region", region)):
        if value:
            have = sorted({str(getattr(name, key)) for name in chosen})
            chosen = [name for name in chosen if getattr(name, key) == value.lower()]
            if not chosen:
                raise InputError(f"{folder}: no files of {key} '{value}'; {suggest(value, have)}")
        several = sorted({getattr(name, key) for name in chosen})
        if len(several) > 1:
            raise InputError(f"{folder}: files of several {key}s ({', '.join(several)}); set '{key}' in [prepare]")
    result = {}
    for house, variable in VARIABLES.items():
        files = [name for name in chosen if name.variable == variable]
        result[house] = chain(files, first_year, last_year, f"{folder}: '{variable}' of {'+'.join(scenarios)}")
    return result


def chain(files: Sequence[FileName], first_year: int, last_year: int, what: str) -> tuple[FileName, ...]:
    """The files that cover the years, in order; raises ``InputError`` for a gap or an overlap in their names."""
    if not files:
        raise InputError(f"{what}: no file; add the files of this variable")
    ordered = sorted(files, key=lambda name: (name.first, name.last))
    needed = [name for name in ordered if name.last >= first_year and name.first <= last_year]
    year = first_year
    for name in needed:
        if name.first < year and year != first_year:
            raise InputError(f"{what}: {name.path.name} begins in {name.first}, which another file has too; drop one")
        if name.first > year:
            raise InputError(
                f"{what}: years {year}-{name.first - 1} are missing before {name.path.name}; add the file that has them"
            )
        year = name.last + 1
    if year <= last_year:
        raise InputError(
            f"{what}: years {year}-{last_year} are missing (files have {ordered[0].first}-{ordered[-1].last}); add the "
            "files or change the years"
        )
    return tuple(needed)


# --- one file --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DailyFile:
    """One open, checked file: ``month`` (day,) is 12 x year + month - 1 of each day; ``variable`` not yet read."""

    name: FileName
    variable: netCDF4.Variable
    axes: fields.Axes
    month: np.ndarray
    where: str


@contextmanager
def open_daily(name: FileName) -> Iterator[DailyFile]:
    """Open a daily file and check variable, units, dimensions, calendar, days; raises ``InputError``."""
    with fields.open_raw(name.path) as dataset:
        where = f"{name.path}: {name.variable}"
        lower = {str(key).lower(): str(key) for key in dataset.variables}
        if name.variable not in lower:
            raise InputError(
                f"{name.path}: variable '{name.variable}' is missing although the name of the file says it; "
                f"fetch the file again ({suggest(name.variable, lower)})"
            )
        variable = dataset.variables[lower[name.variable]]
        _check_units(variable, UNITS[name.variable], where)
        grid = fields.axes(dataset, str(name.path))
        at_lat, at_lon = fields.dimensions_of(variable, grid, where)
        if variable.ndim != 3 or variable.dimensions[0] != "time" or (at_lat, at_lon) != (1, 2):
            raise InputError(
                f"{where}: dimensions {variable.dimensions}, expected ('time', 'lat', 'lon'); transpose the variable"
            )
        yield DailyFile(name, variable, grid, _days(dataset, name), where)


def _check_units(variable: netCDF4.Variable, expected: str, where: str) -> None:
    found = str(getattr(variable, "units", ""))
    said, wanted = understood(found), understood(expected)
    if (
        said is None
        or wanted is None
        or (said.factor, said.powers, said.offset) != (wanted.factor, wanted.powers, wanted.offset)
    ):
        raise InputError(
            f"{where}: units {found!r}, expected {expected!r} as the ISIMIP protocol says; convert the file "
            "(source = 'cf_monthly' reads monthly files in other units)"
        )


def _days(dataset: netCDF4.Dataset, name: FileName) -> np.ndarray:
    """Month number of each day, checked: every day of every year that the name of the file says, once, in order."""
    axis = time_axis.read(dataset, str(name.path), "time" if "time" in dataset.variables else "")
    years = (axis.month_place(axis.start[[0, -1]]) // 12).astype(int)
    if (years[0], years[1]) != (name.first, name.last):
        raise InputError(
            f"{name.path}: time runs {years[0]}-{years[1]} but the name says {name.first}-{name.last}; "
            "rename the file or fetch it again"
        )
    days = np.floor(axis.start + 1e-6)
    edges = time_axis.month_edges(12 * name.first, 12 * (name.last + 1), axis.calendar, str(name.path))
    wanted = np.arange(edges[0], edges[-1])
    if not np.array_equal(days, wanted):
        shared = min(days.size, wanted.size)
        off = np.nonzero(days[:shared] != wanted[:shared])[0]
        lost = axis.day(wanted[off[0] if off.size else min(shared, wanted.size - 1)])
        raise InputError(
            f"{name.path}: day {lost} is missing or out of order in 'time' ({axis.calendar} calendar); fetch the file again"
        )
    return 12 * name.first + np.searchsorted(edges, wanted, side="right") - 1


def read_days(file: DailyFile, start: int, stop: int, rows: slice, columns: slice) -> np.ndarray:
    """Days ``start``..``stop`` of a box in file order, (day, lat, lon) float32, NaN where missing.

    The only place that reads daily values. Never more than ``DAYS_AT_ONCE`` days.
    """
    if stop - start > DAYS_AT_ONCE:
        raise ValueError(f"{stop - start} days asked at once; at most {DAYS_AT_ONCE}")
    return fields.numbers(file.variable, (slice(start, stop), rows, columns), file.where, np.float32)


NOISE = {"pr": -1e-7, "rsds": -0.1}
"""Negative values down to these (kg m-2 s-1: 0.01 mm a day; W m-2) are noise and become 0."""


def without_noise(values: np.ndarray, variable: str, where: str, when: str) -> np.ndarray:
    """Values with negative noise of packing and interpolation set to 0, which the file's note counts, month by month."""
    limit = NOISE.get(variable)
    if limit is None:
        return values
    with np.errstate(invalid="ignore"):
        noise = (values < 0) & (values >= limit)
    if not noise.any():
        return values
    note(f"{where}: {{count}} values between {limit:g} {UNITS[variable]} and 0 were set to 0", {when: int(noise.sum())})
    return np.where(noise, np.zeros((), values.dtype), values)


def check_values(values: np.ndarray, name: FileName, where: str, when: str) -> None:
    """Raise ``InputError`` unless the values (K, kg m-2 s-1, W m-2) are there and can be what the variable says."""
    variable = name.variable
    low, high = RANGES[variable]
    if not np.all(np.isfinite(values)):
        raise InputError(
            f"{where}: missing values at {int(np.sum(~np.isfinite(values)))} cells and days in {when}, where "
            "the run has land; leave those cells out with a land mask or fetch the file again"
        )
    smallest, largest = float(values.min()), float(values.max())
    if low <= smallest and largest <= high:
        return
    hint = "correct the file"
    if variable == "tas" and smallest > -95.0 and largest < 70.0:
        hint = "degrees Celsius labelled K? correct the units"
    elif variable == "pr" and smallest >= 0.0:
        hint = "mm per day labelled kg m-2 s-1? divide by 86400"
    elif variable == "pr":
        hint = "negative precipitation, correct the file"
    raise InputError(
        f"{where}: values {smallest:.4g}..{largest:.4g} {UNITS[variable]} in {when}, expected {low:g}..{high:g}; {hint}"
    )


# --- cells -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sharing:
    """Which climate cell each cell of the run takes.

    ``latitude``, ``longitude`` (climate cell,): the climate cells in use. ``index`` (cell,): climate cell of each cell.
    ``moved`` (cell,): the cell that holds the centre has no data, the nearest one with data was taken.
    """

    latitude: np.ndarray
    longitude: np.ndarray
    index: np.ndarray
    moved: np.ndarray


def share(files: Mapping[str, Sequence[FileName]], latitude: np.ndarray, longitude: np.ndarray) -> Sharing:
    """Climate cells for cells at ``latitude``, ``longitude`` (cell,): nearest one where all variables have data.

    Reads the first day of each variable. Raises ``InputError`` where none lies within ``SHARE_STEPS`` of the grid.
    """
    valid, grid, where = None, None, ""
    for chained in files.values():
        with open_daily(chained[0]) as file:
            where = str(file.name.path)
            first_day = read_days(file, 0, 1, slice(None), slice(None))[0][file.axes.rows][:, file.axes.columns]
            finite = np.isfinite(first_day)
            if grid is not None and (
                finite.shape != valid.shape  # pyright: ignore[reportOptionalMemberAccess]
                or not np.allclose(grid.latitude, file.axes.latitude, atol=1e-3)
                or not np.allclose(grid.longitude, file.axes.longitude, atol=1e-3)
            ):
                raise InputError(f"{where}: not on the grid of the other variables; give files of one region")
            grid, valid = file.axes, finite if valid is None else valid & finite
    assert grid is not None and valid is not None
    return share_grid(grid, valid, latitude, longitude, where)


def share_grid(
    grid: fields.Axes, valid: np.ndarray, latitude: np.ndarray, longitude: np.ndarray, where: str
) -> Sharing:
    """As :func:`share` for one grid; ``valid`` (lat, lon): where it has data."""
    row, column = regrid.nearest_index(grid.latitude, latitude), regrid.nearest_longitude(grid.longitude, longitude)
    edge, edge_lon = (0.5 * step * (1 + 1e-6) for step in (grid.step, grid.step_lon or grid.step))
    inside = np.abs(grid.latitude[row] - latitude) <= edge
    inside &= regrid.apart(grid.longitude[column], longitude) <= edge_lon
    good = inside & valid[row, column]
    if not good.all():
        rows, columns = np.nonzero(valid)
        if not rows.size:
            raise InputError(f"{where}: no values at all on the first day; fetch the file again")
        index, distance = regrid.nearest_place(
            latitude[~good], longitude[~good], grid.latitude[rows], grid.longitude[columns]
        )
        limit = SHARE_STEPS * grid.step * 111.2
        far = distance > limit
        if far.any():
            k = int(np.nonzero(~good)[0][np.argmax(distance)])
            raise InputError(
                f"{where}: no climate within {limit:.0f} km of the cell ({latitude[k]:.2f}, {longitude[k]:.2f}) "
                f"({int(far.sum())} cells in all); make 'box' smaller or give files that cover it"
            )
        row[~good], column[~good] = rows[index], columns[index]
    cells, index = np.unique(np.stack([row, column], axis=1), axis=0, return_inverse=True)
    return Sharing(grid.latitude[cells[:, 0]], grid.longitude[cells[:, 1]], index.ravel(), ~good)


def positions(grid: fields.Axes, latitude: np.ndarray, longitude: np.ndarray, where: str) -> tuple:
    """Slices of the smallest box of the file around the places, and the row and column of each inside it."""
    row, column = regrid.nearest_index(grid.latitude, latitude), regrid.nearest_longitude(grid.longitude, longitude)
    off = np.abs(grid.latitude[row] - latitude) + regrid.apart(grid.longitude[column], longitude)
    if off.max(initial=0.0) > 2e-3:
        k = int(np.argmax(off))
        raise InputError(
            f"{where}: no cell at ({latitude[k]:.3f}, {longitude[k]:.3f}), which the other files have; give files of one "
            "region"
        )
    row, column = grid.rows[row], grid.columns[column]
    rows = slice(int(row.min()), int(row.max()) + 1)
    columns = slice(int(column.min()), int(column.max()) + 1)
    return rows, columns, row - rows.start, column - columns.start


# --- months ----------------------------------------------------------------------------------------------------------


def monthly(
    files: Sequence[FileName], latitude: np.ndarray, longitude: np.ndarray, first_year: int, last_year: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each year's months, (year, (cell, 12) float64), of one variable in house units.

    ``files``: as :func:`chain` gives them. ``latitude``, ``longitude`` (cell,): cell centres of the files. Temperature:
    mean over the days present, degC; precipitation: sum over the days present, mm month-1; radiation: mean, W m-2. The
    days are those of the file's calendar. Memory: one month of days of the box, and one year of months.
    """
    for name in files:
        with open_daily(name) as file:
            rows, columns, row, column = positions(file.axes, latitude, longitude, file.where)
            for year in range(max(first_year, name.first), min(last_year, name.last) + 1):
                result = np.empty((latitude.size, 12))
                for month in range(12):
                    start, stop = (
                        int(k) for k in np.searchsorted(file.month, [12 * year + month, 12 * year + month + 1])
                    )
                    box = read_days(file, start, stop, rows, columns)
                    when = f"{year}-{month + 1:02d}"
                    values = without_noise(box[:, row, column], name.variable, file.where, when)
                    check_values(values, name, file.where, when)
                    days = stop - start
                    mean = values.mean(axis=0, dtype=np.float64)
                    result[:, month] = _house(name.variable, mean, days)
                yield year, result


def _house(variable: str, mean: np.ndarray, days: int) -> np.ndarray:
    """Mean of a month to degC, mm month-1 or W m-2."""
    if variable == "tas":
        return mean - 273.15
    if variable == "pr":
        return mean * SECONDS_PER_DAY * days
    return mean


def monthly_all(
    files: Mapping[str, Sequence[FileName]],
    latitude: np.ndarray,
    longitude: np.ndarray,
    first_year: int,
    last_year: int,
) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """Yield each year with all variables: (year, {house name: (cell, 12)}); see :func:`monthly`."""
    streams = {name: monthly(chained, latitude, longitude, first_year, last_year) for name, chained in files.items()}
    with ExitStack() as stack:
        for stream in streams.values():
            stack.callback(stream.close)  # pyright: ignore[reportAttributeAccessIssue]
        for year in range(first_year, last_year + 1):
            values: dict[str, np.ndarray] = {}
            for name, stream in streams.items():
                found, values[name] = next(stream)
                assert found == year
            yield year, values
