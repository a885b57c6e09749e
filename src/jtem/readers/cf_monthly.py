"""Monthly climate and fixed fields from CF netCDF files: any calendar, units from attributes, cells from coordinates.

Spatial dimensions may be ``lat, lon`` (1-D coordinates), ``y, x`` with 2-D coordinates, ``cell``, or none (one place). Files
finer than a month are averaged, in bounded memory. What is not understood is refused.
"""

from __future__ import annotations

import itertools
import re
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from jtem.errors import InputError, note, suggest
from jtem.files import note_input
from jtem.readers import cf, embedded, layouts, time_axis, units
from jtem.readers import co2 as carbon_dioxide
from jtem.readers.catalogue import Domain, Find
from jtem.readers.units import HOUSE_UNITS, SECONDS_PER_DAY, to_house_units
from jtem.readers.vegetation import mosaic_of, vegetation_mosaic, whole_codes

__all__ = ["HOUSE_UNITS", "SECONDS_PER_DAY", "read_cells", "read_climate", "to_house_units", "vegetation_mosaic"]

CLIMATE_NAMES = {"air_temperature": "tas", "precipitation": "pr", "shortwave_radiation": "rsds"}
STATIC_NAMES = {
    "elevation": "elevation",
    "sand": "sand",
    "silt": "silt",
    "clay": "clay",
    "vegetation": "vegetation",
    "area": "area",
    "soil_organic_carbon": "soil_organic_carbon",
}
NOISE = {"precipitation": -0.01, "shortwave_radiation": -0.1}
"""Negative values down to these (mm month-1, W m-2) are noise of packing and interpolation, and become 0."""
BLOCK_BYTES = 64 * 2**20
"""No read of a file is longer than this."""
HELD_BYTES = 512 * 2**20
"""Values of files held in memory between the chunks of a run; longer ones lie in a temporary file."""
CLOUD_OVERCAST, CLOUD_RANGE = 0.251, 0.509
"""TEM's relation of light to cloudiness, as in ``physics/radiation.py``: light / top = 0.251 + 0.509 (1 - cloud / 100)."""

Sun = Callable[[np.ndarray], np.ndarray]
"""Latitude (cell,) -> radiation at the top of the atmosphere (cell, 12), W m-2."""


def check_names(names: Mapping[str, str] | None) -> dict[str, str]:
    """``[domain.names]``: house names or coordinates to names in the files; an unknown key raises ``InputError``."""
    known = (*CLIMATE_NAMES, *STATIC_NAMES, *cf.COORDINATES)
    for key in names or {}:
        if key not in known:
            raise InputError(f"[domain.names]: unknown key '{key}'; {suggest(key, known)}")
    return dict(names or {})


# --- headers ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Piece:
    """One variable of one file: where its cells lie and which months its steps belong to. Values are not read yet."""

    path: str
    variable: str
    said: Mapping[str, Any]
    months: time_axis.Months
    places: cf.Places
    per_day: bool
    bytes: int
    version: tuple[int, int]
    dtype: str

    @property
    def where(self) -> str:
        """File and variable, for errors."""
        return f"{self.path}: {self.variable}"


def _versions(paths: Sequence[Path | str]) -> tuple[tuple[str, int, int], ...]:
    """Paths with size and time of change, so that a file that changed is read again."""
    result = []
    for path in paths:
        try:
            stat = Path(path).stat()
        except OSError:
            raise InputError(f"{path}: file not found; check the name and the data folder") from None
        result.append((str(path), stat.st_size, stat.st_mtime_ns))
    return tuple(result)


@lru_cache(maxsize=16)
def _variables(files: tuple[tuple[str, int, int], ...]) -> dict[str, tuple[str, ...]]:
    """Names of the variables of each file."""
    result = {}
    for path, *_ in files:
        with cf.open_raw(path) as data:
            result[path] = tuple(map(str, data.variables))
    return result


@lru_cache(maxsize=32)
def _pieces(
    files: tuple[tuple[str, int, int], ...],
    variable: str,
    names: tuple[tuple[str, str], ...],
    stamp: str,
    said_units: str,
    per_day: bool,
) -> tuple[Piece, ...]:
    """Headers of one variable in all files that have it, in order of time. Raises ``InputError``."""
    called = dict(names)
    found = []
    for path, *version in files:
        if variable not in _variables(files)[path]:
            continue
        with cf.open_raw(path) as data:
            own = data.variables[variable]
            said = cf.attributes(own)
            if said_units:
                said["units"] = said_units
            axis = time_axis.read(data, path, called.get("time", ""), own)
            here = cf.places(data, path, called, own)
            cf.on_cells(own, here, f"{path}: {variable}", lead=(axis.dimension,) if axis.dimension else ())
            ecmwf = per_day or units.of_ecmwf(said, str(getattr(data, "history", "")))
            if own.dtype is str or np.dtype(own.dtype).kind not in "iuf":
                raise InputError(f"{path}: {variable}: holds {own.dtype}, expected numbers; convert it")
            kind = np.dtype(own.dtype)
            unsigned = str(said.get("_Unsigned", "")).lower() == "true" and kind.kind == "i"
            stored = f"u{kind.itemsize}" if unsigned else kind.str
            found.append((path, said, axis, here, ecmwf, own.size * kind.itemsize, version, stored))
    months = time_axis.months([axis for _, _, axis, *_ in found], stamp) if found else []
    pieces = [  # in the order of the files
        Piece(path, variable, said, own, here, ecmwf, size, (version[0], version[1]), stored)
        for (path, said, _, here, ecmwf, size, version, stored), own in zip(found, months, strict=True)
    ]
    if pieces:
        _check_running_sum(pieces[0])
    return tuple(sorted(pieces, key=lambda piece: int(piece.months.month[0])))


def _check_running_sum(piece: Piece) -> None:
    """Refuse amounts that run up through each day (forecasts, ERA5-Land by the hour), which are no amounts of their steps."""
    step, unit = piece.months.step_days, units.understood(str(piece.said.get("units", "")))
    if step is None or step >= 0.5 or unit is None or unit.powers not in (units.DEPTH, units.MASS, units.LIGHT_AMOUNT):
        return
    per_day = round(1 / step)
    days = min(10, piece.months.month.size // per_day)
    if days < 4:
        return
    rows = np.unique(np.linspace(0, piece.places.count - 1, 200).astype(int))
    box, inside = _box(piece, rows)
    steps = slice(0, days * per_day)
    values = np.concatenate([block for _, block in _blocks(piece, steps, box, inside, True)])
    total = np.nansum(values, axis=1, dtype=np.float64).reshape(days, per_day)
    rises = np.diff(total.ravel(), append=np.inf).reshape(days, per_day) >= 0
    begins = [  # hours at which nearly every day begins again, while no other hour ever falls
        hour
        for hour in range(per_day)
        if np.sum(~rises[:, hour]) >= max(4, days - 2) and np.all(np.delete(rises[1:-1], hour, axis=1))
    ]
    if begins:
        raise InputError(
            f"{piece.where}: values in {piece.said['units']!r} run up through each day and begin again, so they are sums since "
            "a fixed hour; give amounts of single steps (differences) or daily totals"
        )


# --- values ----------------------------------------------------------------------------------------------------------


class _Held:
    """Values of files that lie in memory, the last used ones up to ``HELD_BYTES``, or in a temporary file."""

    def __init__(self) -> None:
        self.entries: OrderedDict[Any, np.ndarray] = OrderedDict()
        self.asked: dict[Any, int] = {}

    def get(
        self, key: Any, size: int, make: Callable[[np.ndarray | None], np.ndarray], spool: tuple
    ) -> np.ndarray | None:
        """What ``make`` gives, kept; None where it is too long and was asked for too seldom to be worth a copy.

        ``make`` fills the array that it is given (a temporary file of ``spool``: shape and dtype) or makes one.
        """
        if key in self.entries:
            self.entries.move_to_end(key)
            return self.entries[key]
        if size > HELD_BYTES:
            self.asked[key] = self.asked.get(key, 0) + 1
            if self.asked[key] < 3:
                return None
            with tempfile.TemporaryFile() as file:
                try:
                    value = make(np.memmap(file, dtype=spool[1], mode="w+", shape=spool[0]))
                except OSError:
                    return None
        else:
            value = make(None)
        self.entries[key] = value
        total = 0
        for old in reversed(list(self.entries)):
            total += 0 if isinstance(self.entries[old], np.memmap) else self.entries[old].nbytes
            if total > HELD_BYTES and old != key:
                del self.entries[old]
        return value


_held = _Held()


def _box(piece: Piece, rows: np.ndarray) -> tuple[tuple[slice, ...], tuple[np.ndarray, ...]]:
    """Smallest box of the spatial dimensions around some cells, and their places in it."""
    at = np.unravel_index(rows, piece.places.shape) if piece.places.shape else ()
    slices = tuple(slice(int(k.min()), int(k.max()) + 1) for k in at)
    return slices, tuple(k - s.start for k, s in zip(at, slices, strict=True))


def _blocks(piece: Piece, steps: slice, box: tuple[slice, ...] | None, inside: Any, decoded: bool):
    """Steps of a piece as (first step, (step, cell)), at most ``BLOCK_BYTES`` at once."""
    with cf.open_raw(piece.path) as data:
        variable = data.variables[piece.variable]
        time = piece.months.dimension
        lead = (time,) if time else ()
        index, order = cf.on_cells(variable, piece.places, piece.where, lead=lead)
        boxes = dict(zip(piece.places.dims, box or (slice(None),) * len(piece.places.dims), strict=True))
        each = piece.bytes / max(piece.months.month.size, 1)
        count = max(1, int(BLOCK_BYTES / max(each, 1)))
        chunks = variable.chunking()
        if time and isinstance(chunks, list):  # whole chunks in time, so that none is opened twice
            length = chunks[variable.dimensions.index(time)]
            count = max(count // length * length, length if length * each <= 8 * BLOCK_BYTES else count)
        for start in range(steps.start, steps.stop, count):
            stop = min(start + count, steps.stop)
            key = tuple(
                slice(start, stop) if name == time else boxes.get(name, own) if own != 0 else 0
                for name, own in zip(variable.dimensions, index, strict=True)
            )
            values = cf.raw(variable, key, piece.where).transpose(order)
            values = values if time else values[None]
            if inside is None:
                values = values.reshape(stop - start, piece.places.count)
            else:
                values = values.reshape(stop - start, *(s.stop - s.start for s in box or ()))[(slice(None), *inside)]
                values = values.reshape(stop - start, -1)
            yield start, cf.decode(values, piece.said, piece.where, None) if decoded else values


def _whole(piece: Piece, steps: slice, into: np.ndarray | None) -> np.ndarray:
    """All cells of some steps as stored, (step, cell)."""
    for start, values in _blocks(piece, steps, None, None, False):
        if into is None:
            into = np.empty((steps.stop - steps.start, piece.places.count), values.dtype)
        into[start - steps.start : start - steps.start + values.shape[0]] = values
    assert into is not None
    return into


def _monthly(piece: Piece, steps: slice, rows: np.ndarray) -> np.ndarray:
    """Values of monthly steps, (step, cell) float64."""
    every = slice(0, piece.months.month.size)
    held = _held.get(
        (piece.path, piece.version, piece.variable),
        piece.bytes,
        lambda into: _whole(piece, every, into),
        ((every.stop, piece.places.count), np.dtype(piece.dtype)),
    )
    if held is not None:
        return cf.decode(np.asarray(held[steps][:, rows]), piece.said, piece.where)
    box, inside = _box(piece, rows)
    return np.concatenate([values for _, values in _blocks(piece, steps, box, inside, True)]).astype(np.float64)


def _sums(piece: Piece, steps: slice, rows: np.ndarray | None, into: np.ndarray | None) -> np.ndarray:
    """Sums over the steps of each month of a finer file, (month, cell) float64; all cells without ``rows``."""
    month = piece.months.month
    first, last = int(month[steps.start]), int(month[steps.stop - 1])
    cells = piece.places.count if rows is None else rows.size
    result = np.zeros((last - first + 1, cells)) if into is None else into
    box, inside = (None, None) if rows is None else _box(piece, rows)
    for start, values in _blocks(piece, steps, box, inside, True):
        own = month[start : start + values.shape[0]]
        edges = np.concatenate([[0], np.nonzero(np.diff(own))[0] + 1, [own.size]])
        for low, high in itertools.pairwise(edges):
            result[int(own[low]) - first] += values[low:high].sum(axis=0, dtype=np.float64)
    return result


def _finer(piece: Piece, steps: slice, rows: np.ndarray) -> np.ndarray:
    """Sums of the months of a finer file at some cells, (month, cell)."""
    month = piece.months.month
    shape = (int(month[steps.stop - 1]) - int(month[steps.start]) + 1, piece.places.count)
    if rows.size * 20 < piece.places.count and shape[0] * piece.places.count * 8 > HELD_BYTES // 8:
        return _sums(piece, steps, rows, None)
    held = _held.get(
        (piece.path, piece.version, piece.variable, steps.start, steps.stop),
        shape[0] * shape[1] * 8,
        lambda into: _sums(piece, steps, None, into),
        (shape, np.dtype(np.float64)),
    )
    return _sums(piece, steps, rows, None) if held is None else np.asarray(held[:, rows])


def _series(
    pieces: Sequence[Piece], name: str, first_year: int, last_year: int, places: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Monthly values of one variable in house units, (cell, year, month); raises ``InputError`` for absent months.

    ``name``: house name, or "cloud" (result: share of the sky 0..1).
    """
    begin, end = 12 * first_year, 12 * (last_year + 1)
    values = np.full((end - begin, places[0].size), np.nan)
    days, steps_seen = np.zeros(end - begin), np.zeros(end - begin)
    converted = np.zeros(end - begin, bool)
    files = ", ".join(dict.fromkeys(piece.path for piece in pieces))
    for piece in pieces:
        month = piece.months.month
        inside = (month >= begin) & (month < end)
        if not inside.any():
            continue
        steps = slice(int(np.argmax(inside)), int(inside.size - np.argmax(inside[::-1])))
        rows = cf.match(piece.places, *places, piece.path)
        finer = piece.months.step_days is not None
        found = _finer(piece, steps, rows) if finer else _monthly(piece, steps, rows)
        at = np.unique(month[steps]) - begin
        length = piece.months.days[steps][np.unique(month[steps], return_index=True)[1]]
        if not finer:
            if steps_seen[at].any():
                twice = int(at[steps_seen[at] > 0][0]) + begin
                raise InputError(
                    f"{files}: '{piece.variable}' has month {twice // 12}-{twice % 12 + 1:02d} twice; drop one file"
                )
            values[at] = _house(piece, name, found, length)
            steps_seen[at] = 1
            converted[at] = True
        else:
            steps_seen[at] += np.bincount(month[steps] - month[steps.start])[: at.size]
            values[at] = np.where(np.isnan(values[at]) & (days[at] == 0)[:, None], 0.0, values[at]) + found
        days[at] = length
    present = days > 0
    if not present.all():
        lost = int(np.argmin(present)) + begin
        raise InputError(
            f"{files}: '{pieces[0].variable}' lacks month {lost // 12}-{lost % 12 + 1:02d} ({int((~present).sum())} of "
            f"{first_year}-{last_year} missing); add the file that has it or change the years"
        )
    if not converted.all():
        values = _means(pieces, name, values, steps_seen, days, converted, begin)
    return np.ascontiguousarray(values.T.reshape(values.shape[1], last_year - first_year + 1, 12))


def _means(pieces, name, values, count, days, converted, begin) -> np.ndarray:
    """Sums of finer steps to house units, checked for complete months."""
    piece = next(p for p in pieces if p.months.step_days is not None)
    step = piece.months.step_days
    got = count * step
    month = np.arange(begin, begin + count.size) % 12
    short = ~converted & (np.abs(got - days) > 1e-3) & ~((np.abs(got - days + 1) < 1e-3) & np.isin(month, (1, 11)))
    if short.any():
        k = int(np.argmax(short))
        what = "twice; drop one file" if got[k] > days[k] else "in part; add the file that completes it"
        raise InputError(
            f"{piece.where}: month {(begin + k) // 12}-{month[k] + 1:02d} is there {what} ({got[k]:g} of {days[k]:g} days)"
        )
    use = ~converted
    values[use] = _house(piece, name, values[use] / count[use, None], days[use])
    return values


def _house(piece: Piece, name: str, values: np.ndarray, days: np.ndarray) -> np.ndarray:
    unit = piece.said.get("units")
    if name == "cloud":
        return values * units.factor_to("1", str(unit or ""), piece.path, piece.variable, hint=" (or percent)")
    return to_house_units(
        name,
        values,
        None if unit is None else str(unit),
        days,
        piece.where,
        said=piece.said,
        step_days=piece.months.step_days,
        per_day=piece.per_day,
        year_days=piece.months.year_days,
    )


# --- climate ---------------------------------------------------------------------------------------------------------


def read_climate(
    paths: Sequence[Path | str],
    first_year: int,
    last_year: int,
    names: Mapping[str, str] | None = None,
    places: tuple[np.ndarray, np.ndarray] | None = None,
    *,
    layout: str = "",
    stamp: str = "",
    said_units: Mapping[str, str] | None = None,
    sun: Sun | None = None,
) -> xr.Dataset:
    """Monthly climate of whole years as (cell, year, month) in degC, mm month-1, W m-2 (no CO2: see ``co2``).

    ``paths``: one or more files, each with one or all variables, for any spans of time that join up; monthly, daily or
    finer. ``names``: what the files call ``air_temperature``, ``precipitation``, ``shortwave_radiation`` (default tas, pr,
    rsds, or those of ``layout``, a word of ``layouts.LAYOUTS``), ``latitude``, ``longitude``, ``time``. ``places``: latitude
    and longitude (cell,) to pick; all places of the first file by default. ``stamp``: what a stamp between two months
    means. ``said_units``: units of variables (house names) in place of those of the files. ``sun``: top of the atmosphere,
    for files of cloudiness. Headers are read once, and values are held between calls. Raises ``InputError``.
    """
    found = _sources(paths, names, layout)
    given = said_units or {}
    for key in given:
        if key not in CLIMATE_NAMES:
            raise InputError(f"[domain.units]: unknown key '{key}'; {suggest(key, CLIMATE_NAMES)}")
    result: dict[str, np.ndarray] = {}
    where = ", ".join(Path(path).name for path, *_ in found.files)
    for name, part in found.parts.items():
        own: list[np.ndarray] = []
        for variable in part.names:
            pieces = found.pieces(variable, stamp, given.get(name, ""))
            if places is None:
                places = pieces[0].places.latitude, pieces[0].places.longitude
            kind = "cloud" if part.how == "cloud" else name
            _check_extremes(pieces, part)
            own.append(_series(pieces, kind, first_year, last_year, places))
        assert places is not None
        result[name] = _quiet(name, _combine(part.how, own, places[0], sun, found.files[0][0]), where)
    _stuck(result, where)
    assert places is not None
    return xr.Dataset(
        {name: (("cell", "year", "month"), values, {"units": HOUSE_UNITS[name]}) for name, values in result.items()},
        coords={
            "year": np.arange(first_year, last_year + 1),
            "month": np.arange(1, 13),
            "latitude": ("cell", np.asarray(places[0], np.float64)),
            "longitude": ("cell", np.asarray(places[1], np.float64)),
        },
        attrs={"title": where},
    )


@dataclass(frozen=True)
class _Sources:
    """Files, what is read of them for each climate variable, and how the user calls coordinates."""

    files: tuple[tuple[str, int, int], ...]
    parts: Mapping[str, layouts.Part]
    chosen: layouts.Layout
    coordinates: tuple[tuple[str, str], ...]

    def pieces(self, variable: str, stamp: str, unit: str) -> tuple[Piece, ...]:
        """Headers of one variable in the files that have it, in order of time."""
        return _pieces(
            self.files,
            variable,
            self.coordinates,
            stamp or self.chosen.stamp,
            unit or self.chosen.units.get(variable, ""),
            self.chosen.per_day,
        )


def _sources(paths: Sequence[Path | str], names: Mapping[str, str] | None, layout: str) -> _Sources:
    """What is read of the files: by the names of the user, of the layout, or of the one layout that fits."""
    called = check_names(names)
    if not paths:
        raise InputError("no climate files given; name at least one netCDF file")
    files = _versions(paths)
    have = _variables(files)
    every = {variable for own in have.values() for variable in own}
    word = layout or ("" if any(name in called for name in CLIMATE_NAMES) else layouts.guess(every))
    chosen = layouts.layout(word) if word else layouts.DEFAULT
    parts = {
        name: layouts.Part((called[name],)) if name in called else _part(getattr(chosen, name), every)
        for name in CLIMATE_NAMES
    }
    for name, part in parts.items():
        for variable in part.names:
            if variable not in every:
                _lost(variable, name, have, chosen)
    return _Sources(files, parts, chosen, tuple((key, called[key]) for key in cf.COORDINATES if key in called))


def _check_extremes(pieces: Sequence[Piece], part: layouts.Part) -> None:
    """Refuse daily maxima or minima where means are needed."""
    for piece in pieces:
        found = re.search(r"(maximum|minimum)\s+within\s+days?", str(piece.said.get("cell_methods", "")))
        if found and part.how != "mean":
            raise InputError(
                f"{piece.where}: cell_methods {piece.said['cell_methods']!r} tells daily {found[1].replace('mum', 'ma')}, "
                "expected means; give the mean, or both extremes in a layout that averages them"
            )


def covered_years(
    paths: Sequence[Path | str], names: Mapping[str, str] | None = None, *, layout: str = "", stamp: str = ""
) -> tuple[int, int]:
    """First and last whole year of which the files have all climate variables; raises ``InputError`` where there is none."""
    found = _sources(paths, names, layout)
    begin, end = -(10**9), 10**9
    for part in found.parts.values():
        for variable in part.names:
            pieces = found.pieces(variable, stamp, "")
            begin = max(begin, min(int(piece.months.month[0]) for piece in pieces))
            end = min(end, max(int(piece.months.month[-1]) for piece in pieces))
    first, last = -(-begin // 12), (end + 1) // 12 - 1
    if last < first:
        raise InputError(f"{paths[0]}: no whole year in which all climate variables are there; give files that join up")
    return first, last


def _part(ways: Sequence[layouts.Part], every: set[str]) -> layouts.Part:
    """The first way whose variables the files have, else the first."""
    return next((part for part in ways if set(part.names) <= every), ways[0])


def _lost(variable: str, name: str, have: Mapping[str, Sequence[str]], chosen: layouts.Layout) -> None:
    """Raise ``InputError`` for a variable that no file has."""
    names = [n for own in have.values() for n in own]
    if len(have) == 1:
        (where,) = have
        what = f"variable '{variable}' is missing"
    else:
        where, what = next(iter(have)), f"variable '{variable}' ({name}) is in none of the climate files"
    more = (
        chosen.hint
        if chosen.hint and name == "shortwave_radiation"
        else (
            f"add it, give its name in the file under [domain.names] or the 'layout' of the files ({suggest(variable, names)})"
        )
    )
    raise InputError(f"{where}: {what}; {more}")


def _combine(how: str, own: Sequence[np.ndarray], latitude: np.ndarray, sun: Sun | None, where: str) -> np.ndarray:
    if how == "sum":
        return np.sum(own, axis=0)
    if how == "mean":
        return np.mean(own, axis=0)
    if how != "cloud":
        return own[0]
    cloud = own[0]
    if np.nanmax(cloud) > 1.0 + 1e-3 or np.nanmin(cloud) < -1e-3:
        raise InputError(
            f"{where}: cloudiness runs {100 * np.nanmin(cloud):g}..{100 * np.nanmax(cloud):g} percent, expected "
            "0..100; correct it"
        )
    top = (sun or embedded.top_of_atmosphere)(np.asarray(latitude, np.float64))
    return top[:, None, :] * (CLOUD_OVERCAST + CLOUD_RANGE * (1.0 - np.clip(cloud, 0.0, 1.0)))


def _quiet(name: str, values: np.ndarray, where: str) -> np.ndarray:
    """Noise below zero becomes zero, and is counted in a note."""
    limit = NOISE.get(name)
    if limit is None:
        return values
    with np.errstate(invalid="ignore"):
        noise = (values < 0) & (values >= limit)
    if noise.any():
        note(f"{where}: {int(noise.sum())} values of {name} between {limit:g} {HOUSE_UNITS[name]} and 0 were set to 0")
        values = np.where(noise, 0.0, values)
    return values


def _stuck(result: Mapping[str, np.ndarray], where: str) -> None:
    """A note where temperature, or all light, repeats itself from month to month or from year to year."""
    for name in ("air_temperature", "shortwave_radiation"):
        values = result[name]
        flat = values.reshape(values.shape[0], -1)
        same = np.diff(flat, axis=1) == 0
        if name == "shortwave_radiation":
            same &= flat[:, 1:] > 0
        run = same[:, :-2] & same[:, 1:-1] & same[:, 2:] if flat.shape[1] > 3 else same[:, :0]
        if run.any():
            note(f"{where}: {name} repeats one value for four months or more in {int(run.any(axis=1).sum())} cells")
    values = result["air_temperature"]
    if values.shape[1] > 1:
        repeated = np.all(values[:, 1:] == values[:, :-1], axis=(0, 2))
        if repeated.any():
            note(f"{where}: air_temperature of {int(repeated.sum())} years is that of the year before in all cells")


# --- fixed fields ----------------------------------------------------------------------------------------------------


def read_cells(
    path: Path | str,
    names: Mapping[str, str] | None = None,
    community: str = "",
) -> xr.Dataset:
    """Cells from a file of fixed fields, in the form of ``docs/architecture.md``; sea and ice are left out.

    Needs elevation (m, or another length or a geopotential by its units), sand, silt, clay (percent, or fractions by their
    units) and a vegetation field: TEM vegetation numbers 1-35, or flags whose ``flag_meanings`` are community names; without
    the field ``community`` names one for all cells. Optional: area (m2 or km2; see ``cf.area`` otherwise),
    soil_organic_carbon (kg m-2; 0-0.3, 0.3-1, 1-2, 2-3 m in a dimension of four). Dimensions of length one are dropped.
    ``names``: what the file calls them, and its ``latitude`` and ``longitude``. Raises ``InputError``.
    """
    where, given = str(path), check_names(names)
    called = {**STATIC_NAMES, **{k: v for k, v in given.items() if k in STATIC_NAMES}}
    with cf.open_raw(path) as data:
        first = next((data.variables[v] for v in called.values() if v in data.variables), None)
        here = cf.places(data, where, given, first)

        def field(name: str) -> tuple[np.ndarray, Mapping[str, Any]]:
            variable = _variable(data, called[name], where)
            return cf.field(variable, here, f"{where}: {called[name]}"), cf.attributes(variable)

        fields = {
            name: _in_house(name, *field(name), called[name], where) for name in ("elevation", "sand", "silt", "clay")
        }
        if called["vegetation"] in data.variables or not community:
            values, said = field("vegetation")
            share_names, shares = _shares(values, said, called["vegetation"], where)
        else:
            everywhere = np.isfinite(fields["elevation"])[:, None]
            share_names, shares = np.where(everywhere, community, "").astype(object), everywhere.astype(np.float64)
        area, origin = cf.area(data, here, where, called["area"])
        stocks = None
        if called["soil_organic_carbon"] in data.variables:
            stocks = _stocks(data.variables[called["soil_organic_carbon"]], here, where)
    land = np.nonzero((share_names != "").any(axis=1))[0]
    lost = land[~np.isfinite(here.latitude[land] + here.longitude[land])]
    if lost.size:
        raise InputError(
            f"{where}: {lost.size} cells with vegetation have no latitude or longitude (first: cell {lost[0]}); complete them"
        )
    if not origin and land.size > 1:
        note(
            f"{where}: nothing tells the area of the cells; each counts as 1 km2 (add 'area' in m2 or bounds of lat and lon)"
        )
    units_of = {"elevation": "m", "sand": "percent", "silt": "percent", "clay": "percent"}
    result: dict[str, Any] = {
        name: ("cell", values[land], {"units": units_of[name]}) for name, values in fields.items()
    }
    result["latitude"] = ("cell", here.latitude[land], {"units": "degrees_north"})
    result["longitude"] = ("cell", here.longitude[land], {"units": "degrees_east"})
    result["area"] = ("cell", area[land], {"units": "km2"})
    result["community"] = (("cell", "share"), share_names[land])
    result["community_area_fraction"] = (("cell", "share"), shares[land], {"units": "1"})
    if stocks is not None:
        result["soil_organic_carbon"] = (("cell", "interval"), stocks[land], {"units": "kg m-2"})
    return xr.Dataset(result, coords={"cell": np.arange(land.size)}, attrs={"title": Path(path).name})


def _variable(data: Any, name: str, where: str) -> Any:
    if name not in data.variables:
        raise InputError(
            f"{where}: variable '{name}' is missing; add it or give its name in the file under [domain.names] "
            f"({suggest(name, map(str, data.variables))})"
        )
    return data.variables[name]


def _in_house(name: str, values: np.ndarray, said: Mapping[str, Any], called: str, where: str) -> np.ndarray:
    """Elevation in m, texture in percent, by the units of the file (without any: taken as they are)."""
    unit = str(said.get("units", "")).strip()
    if not unit:
        return values
    if name == "elevation":
        return values * units.height_factor(unit, where, called)
    values = values * (100.0 * units.factor_to("1", unit, where, called, hint=" or 'percent'"))
    return values


def _shares(values: np.ndarray, said: Mapping[str, Any], called: str, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Community names and shares, each (cell, 2), "" where nothing grows."""
    mosaic = mosaic_of(said, called, where)
    codes = whole_codes(values, mosaic, called, where)
    names = np.full((codes.size, 2), "", dtype=object)
    shares = np.zeros((codes.size, 2))
    for code in np.unique(codes[codes >= 0]):
        for slot, (name, share) in enumerate(mosaic.get(int(code), ())):
            names[codes == code, slot] = name
            shares[codes == code, slot] = share
    return names, shares


def _stocks(variable: Any, here: cf.Places, where: str) -> np.ndarray:
    """Soil organic carbon (cell, 4), kg m-2, NaN where nothing was observed."""
    others = [d for d, n in zip(variable.dimensions, variable.shape, strict=True) if d not in here.dims and n != 1]
    unit = units.understood(str(getattr(variable, "units", "")))
    fits = unit is not None and unit.powers == (-2, 1, 0, 0, 0, 0) and unit.of in ("", "C")
    if len(others) != 1 or variable.shape[variable.dimensions.index(others[0])] != 4 or not fits:
        raise InputError(
            f"{where}: '{variable.name}' must have four intervals (0-0.3, 0.3-1, 1-2, 2-3 m) in 'kg m-2', found "
            f"{dict(zip(variable.dimensions, variable.shape, strict=True))} in {getattr(variable, 'units', '')!r}; convert it"
        )
    assert unit is not None
    return cf.field(variable, here, f"{where}: {variable.name}", lead=(others[0],)).T * unit.factor


# --- for plans -------------------------------------------------------------------------------------------------------


def find_all(find: Find, names: Sequence[str]) -> list[Path]:
    """Paths of files; a name with ``*``, ``?`` or ``[`` stands for all that fit, in order. Raises ``InputError``."""
    result: list[Path] = []
    for name in names:
        if not any(mark in name for mark in "*?["):
            result.append(find(name))
            continue
        parts = Path(name).parts
        fixed = list(itertools.takewhile(lambda part: not any(mark in part for mark in "*?["), parts))
        folder = find(str(Path(*fixed)) if fixed else ".", folder=True)
        fitting = sorted(path for path in folder.glob(str(Path(*parts[len(fixed) :]))) if path.is_file())
        if not fitting:
            raise InputError(f"{folder}: no file fits '{name}'; check the pattern and the folder")
        result += map(note_input, fitting)
    return list(dict.fromkeys(result))


def open_domain(
    find: Find, climates: Sequence[str], *, static: str, community: str, stride: int, **keys: Any
) -> Domain:
    """The cells of a [domain] with source "cf_monthly"; further keys: those of :func:`domain_of`. Raises ``InputError``."""
    del climates
    path = find(static)
    return domain_of(read_cells(path, keys["names"], community), path, find, stride=stride, **keys)


def domain_of(
    cells: xr.Dataset,
    static: Path,
    find: Find,
    *,
    climate: Mapping[str, Sequence[str]],
    names: Mapping[str, str],
    co2: str,
    co2_column: str,
    stride: int,
    layout: str = "",
    stamp: str = "",
    units: Mapping[str, str] | None = None,
    sun: Sun | None = None,
) -> Domain:
    """Every ``stride``-th of some cells with the files of each climate and CO2 from a table or the embedded series.

    ``layout``, ``stamp``, ``units``, ``sun``: as :func:`read_climate` takes them.
    """
    cells = cells.isel(cell=slice(None, None, stride))
    files = {name: find_all(find, paths) for name, paths in climate.items()}
    table = None if co2 == "embedded" else find(co2)
    latitude, longitude = cells["latitude"].values, cells["longitude"].values

    def source(name: str):
        def years(rows: np.ndarray, first: int, last: int) -> xr.Dataset:
            found = read_climate(
                files[name],
                first,
                last,
                names,
                (latitude[rows], longitude[rows]),
                layout=layout,
                stamp=stamp,
                said_units=units,
                sun=sun,
            )
            if table is None:
                ppm = carbon_dioxide.of_climate(name, co2_column, first, last)
            else:
                ppm = carbon_dioxide.read_table(table, first, last, co2_column)
            return found.assign(co2=("year", ppm, {"units": "ppm"}))

        return years, ", ".join(str(path) for path in files[name])

    inputs = [str(static), *(str(path) for paths in files.values() for path in paths)]
    return Domain(cells, source, (*inputs, str(table) if table else "CO2: embedded published series"))
