"""Months of one variable from the netCDF files that have it: headers first, then values by block, in bounded memory.

Files finer than a month are averaged as they are read. What was read is held between the chunks of a run, in memory or, where
it is too long, in a temporary file.
"""

from __future__ import annotations

import itertools
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import netCDF4
import numpy as np

from jtem.errors import InputError
from jtem.readers import cf, time_axis, units
from jtem.readers.months import Months, months_of_axes
from jtem.readers.units import SECONDS_PER_DAY, to_house_units
from jtem.records import Attributes

BLOCK_BYTES = 4 * 2**20
"""No read of a file is longer than this; longer ones leave the caches of processors."""
HELD_BYTES = 512 * 2**20
"""Values of files held in memory between the chunks of a run; longer ones lie in a temporary file."""
MIXED = "expver"
"""Dimension of ERA5 files that mix final (1) and preliminary (5) values, each month in one of the two."""


# --- headers ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Piece:
    """One variable of one file: where its cells lie and which months its steps belong to. Values are not read yet.

    ``mixture``: entries of its dimension :data:`MIXED` in the order in which they count. ``share``: what each step's values
    are multiplied by, a duration or a share of the step.
    """

    path: str
    variable: str
    said: Attributes
    months: Months
    places: cf.Places
    per_day: bool
    bytes: int
    version: tuple[int, int]
    dtype: str
    mixture: tuple[int, ...] = ()
    share: Piece | None = None

    @property
    def where(self) -> str:
        """File and variable, for errors."""
        return f"{self.path}: {self.variable}"


def versions(paths: Sequence[Path | str]) -> tuple[tuple[str, int, int], ...]:
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
def variables_of(files: tuple[tuple[str, int, int], ...]) -> dict[str, tuple[str, ...]]:
    """Names of the variables of each file."""
    result = {}
    for path, *_ in files:
        with cf.open_raw(path) as data:
            result[path] = tuple(map(str, data.variables))
    return result


@lru_cache(maxsize=32)
def pieces(
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
        if variable not in variables_of(files)[path]:
            continue
        with cf.open_raw(path) as data:
            own = data.variables[variable]
            said = cf.attributes(own)
            if said_units:
                said["units"] = said_units
            axis = time_axis.read(data, path, called.get("time", ""), own)
            here = cf.places(data, path, called, own)
            mixture = _mixture(data, own)
            lead = (axis.dimension,) if axis.dimension else ()
            cf.on_cells(own, here, f"{path}: {variable}", lead=lead, chosen={MIXED: 0} if mixture else None)
            ecmwf = per_day or units.of_ecmwf(said, str(getattr(data, "history", "")))
            if own.dtype is str or np.dtype(own.dtype).kind not in "iuf":
                raise InputError(f"{path}: {variable}: holds {own.dtype}, expected numbers; convert it")
            kind = np.dtype(own.dtype)
            unsigned = str(said.get("_Unsigned", "")).lower() == "true" and kind.kind == "i"
            stored = f"u{kind.itemsize}" if unsigned else kind.str
            found.append((path, said, axis, here, ecmwf, own.size * kind.itemsize, version, stored, mixture))
    months = months_of_axes([axis for _, _, axis, *_ in found], stamp) if found else []
    pieces = [  # in the order of the files
        Piece(path, variable, said, own, here, ecmwf, size, (version[0], version[1]), stored, mixture)
        for (path, said, _, here, ecmwf, size, version, stored, mixture), own in zip(found, months, strict=True)
    ]
    if pieces:
        _check_running_sum(pieces[0])
    return tuple(sorted(pieces, key=lambda piece: int(piece.months.month[0])))


def _mixture(data: netCDF4.Dataset, variable: netCDF4.Variable) -> tuple[int, ...]:
    """Entries of :data:`MIXED` in the order in which they count (1 before 5); () where a variable has no such dimension."""
    if MIXED not in variable.dimensions or data.dimensions[MIXED].size == 1 or MIXED not in data.variables:
        return ()
    return tuple(int(k) for k in np.argsort(np.asarray(data.variables[MIXED][:]).astype(int), kind="stable"))


def shared(pieces: Sequence[Piece], shares: Sequence[Piece]) -> tuple[Piece, ...]:
    """Pieces whose steps are multiplied by a share of the day: ``shares`` hold durations, in seconds (of a day).

    Raises ``InputError`` for monthly files, where the product of two means is not the mean of the product.
    """
    result = []
    for piece in pieces:
        other = next((s for s in shares if np.array_equal(s.months.month, piece.months.month)), None)
        if piece.months.step_days is None or other is None or other.places.shape != piece.places.shape:
            what = (
                "is of whole months"
                if piece.months.step_days is None
                else f"has other days or cells than '{shares[0].variable}'"
            )
            raise InputError(
                f"{piece.where}: {what}, and mean light times mean day length is not the light of a month; give the daily "
                f"files of '{piece.variable}' and '{shares[0].variable}' for the same days"
            )
        unit = str(other.said.get("units", ""))
        found = units.understood(unit)
        if found is None or found.offset or found.powers not in ((0, 0, 1, 0, 0, 0), (0, 0, 0, 0, 0, 0)):
            raise InputError(
                f"{other.where}: '{other.variable}' is in {unit!r}, expected 's' of daylight a day; convert it"
            )
        per_day = found.factor / SECONDS_PER_DAY if any(found.powers) else found.factor
        said = dict(other.said) | {"scale_factor": per_day * float(other.said.get("scale_factor", 1.0))}
        said["add_offset"] = per_day * float(other.said.get("add_offset", 0.0))
        result.append(replace(piece, share=replace(other, said=said)))
    return tuple(result)


def _check_running_sum(piece: Piece) -> None:
    """Refuse amounts that run up through each day, month or year (forecasts, gauges), which are no amounts of their steps."""
    step, unit = piece.months.step_days, units.understood(str(piece.said.get("units", "")))
    if unit is None or unit.powers not in (units.DEPTH, units.MASS, units.LIGHT_AMOUNT):
        return
    if step is None or step >= 0.5:
        span = f"each {'year' if step is None else 'month'} and begin again"
        total = _totals(piece, min(36 if step is None else 93, piece.months.month.size))
        group = piece.months.month[: total.size] // (12 if step is None else 1)
        rises, same = np.diff(total), np.diff(group) == 0
        up = np.all(rises[same] >= 0) and np.sum(rises[same] > 0) > 0.5 * np.sum(same) and same.sum() >= 11
        begins = bool(up and not same.all() and np.all(rises[~same] < 0))
        if step is None and total.size > 13 and np.all(rises >= 0) and total[-1] > 5 * total[0]:  # no season does so
            span, begins = "all months", True
    else:
        span, per_day = "each day and begin again", round(1 / step)
        days = min(10, piece.months.month.size // per_day)
        if days < 4:
            return
        total = _totals(piece, days * per_day)
        rise = np.diff(total, append=np.inf).reshape(days, per_day) >= 0
        begins = any(  # hours at which nearly every day begins again, while no other hour ever falls
            np.sum(~rise[:, hour]) >= max(4, days - 2) and np.all(np.delete(rise[1:-1], hour, axis=1))
            for hour in range(per_day)
        )
    if begins:
        raise InputError(
            f"{piece.where}: values in {piece.said['units']!r} run up through {span}, "
            "so they are sums since a fixed time; give amounts of single steps (differences) or daily totals"
        )


def _totals(piece: Piece, count: int) -> np.ndarray:
    """Sums over at most 200 cells of the first ``count`` steps, (step,)."""
    box, inside = _box(piece, np.unique(np.linspace(0, piece.places.count - 1, 200).astype(int)))
    blocks = [np.nansum(values, axis=1, dtype=np.float64) for _, values in _blocks(piece, slice(0, count), box, inside)]
    return np.concatenate(blocks)


# --- values ----------------------------------------------------------------------------------------------------------


class _Held:
    """Values of files that lie in memory, the last used ones up to ``HELD_BYTES``, or in a temporary file."""

    def __init__(self) -> None:
        self.entries: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self.asked: dict[Hashable, int] = {}

    def seldom(self, key: Hashable) -> bool:
        """Whether a key that is not held was asked for less than three times, this time included."""
        self.asked[key] = self.asked.get(key, 0) + 1
        return key not in self.entries and self.asked[key] < 3

    def get(
        self, key: Hashable, size: int, make: Callable[[np.ndarray | None], np.ndarray], spool: tuple
    ) -> np.ndarray | None:
        """What ``make`` gives, kept; None where it is too long and was asked for too seldom to be worth a copy.

        ``make`` fills the array that it is given (a temporary file of ``spool``: shape and dtype) or makes one.
        """
        if key in self.entries:
            self.entries.move_to_end(key)
            return self.entries[key]
        if size > HELD_BYTES:
            if self.seldom(key):
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


def _blocks(piece: Piece, steps: slice, box: tuple[slice, ...] | None, inside: tuple[np.ndarray, ...] | None):
    """Decoded steps of a piece as (first step, (step, cell)), with its ``mixture`` filled and its ``share`` multiplied."""
    for start, values in _stored(piece, steps, box, inside, piece.mixture[0] if piece.mixture else None):
        values = cf.decode(values, piece.said, piece.where, None)
        part = slice(start, start + values.shape[0])
        for entry in piece.mixture[1:]:
            other = np.concatenate([block for _, block in _stored(piece, part, box, inside, entry)])
            values = np.where(np.isnan(values), cf.decode(other, piece.said, piece.where, None), values)
        if piece.share is not None:
            values = values * np.concatenate([block for _, block in _blocks(piece.share, part, box, inside)])
        yield start, values


def _stored(
    piece: Piece,
    steps: slice,
    box: tuple[slice, ...] | None,
    inside: tuple[np.ndarray, ...] | None,
    entry: int | None = None,
):
    """Steps of a piece as stored, (first step, (step, cell)), at most ``BLOCK_BYTES`` at once; ``entry`` of :data:`MIXED`."""
    with cf.open_raw(piece.path) as data:
        variable = data.variables[piece.variable]
        time = piece.months.dimension
        lead = (time,) if time else ()
        chosen = None if entry is None else {MIXED: entry}
        index, order = cf.on_cells(variable, piece.places, piece.where, lead=lead, chosen=chosen)
        boxes = dict(zip(piece.places.dims, box or (slice(None),) * len(piece.places.dims), strict=True))
        each = piece.bytes / max(piece.months.month.size, 1)
        count = max(1, int(BLOCK_BYTES / max(each, 1)))
        chunks = variable.chunking()
        if time and isinstance(chunks, list):  # whole chunks in time, so that none is opened twice
            length = chunks[variable.dimensions.index(time)]
            count = max(count // length * length, length if length * each <= 8 * BLOCK_BYTES else count)
            if count % length == 0:  # the library need not keep what is not read again: half the time
                variable.set_var_chunk_cache(size=0, nelems=1)
        for start in range(steps.start, steps.stop, count):
            stop = min(start + count, steps.stop)
            key = tuple(
                slice(start, stop) if name == time else boxes.get(name, own)
                for name, own in zip(variable.dimensions, index, strict=True)
            )
            values = cf.raw(variable, key, piece.where).transpose(order)
            values = values if time else values[None]
            if inside is None:
                values = values.reshape(stop - start, piece.places.count)
            else:
                values = values.reshape(stop - start, *(s.stop - s.start for s in box or ()))[(slice(None), *inside)]
                values = values.reshape(stop - start, -1)
            yield start, values


def _whole(piece: Piece, steps: slice, into: np.ndarray | None) -> np.ndarray:
    """All cells of some steps as stored, (step, cell)."""
    for start, values in _stored(piece, steps, None, None):
        if into is None:
            into = np.empty((steps.stop - steps.start, piece.places.count), values.dtype)
        into[start - steps.start : start - steps.start + values.shape[0]] = values
    assert into is not None
    return into


def _monthly(piece: Piece, steps: slice, rows: np.ndarray) -> np.ndarray:
    """Values of monthly steps, (step, cell) float64."""
    every = slice(0, piece.months.month.size)
    held = None
    if not piece.mixture and piece.share is None:
        held = _held.get(
            (piece.path, piece.version, piece.variable),
            piece.bytes,
            lambda into: _whole(piece, every, into),
            ((every.stop, piece.places.count), np.dtype(piece.dtype)),
        )
    if held is not None:
        return cf.decode(np.asarray(held[steps][:, rows]), piece.said, piece.where)
    box, inside = _box(piece, rows)
    return np.concatenate([values for _, values in _blocks(piece, steps, box, inside)]).astype(np.float64)


def _sums(piece: Piece, steps: slice, rows: np.ndarray | None, into: np.ndarray | None) -> np.ndarray:
    """Sums over the steps of each month of a finer file, (month, cell) float64; all cells without ``rows``."""
    month = piece.months.month
    first, last = int(month[steps.start]), int(month[steps.stop - 1])
    cells = piece.places.count if rows is None else rows.size
    result = np.zeros((last - first + 1, cells)) if into is None else into
    box, inside = (None, None) if rows is None else _box(piece, rows)
    for start, values in _blocks(piece, steps, box, inside):
        own = month[start : start + values.shape[0]]
        edges = np.concatenate([[0], np.nonzero(np.diff(own))[0] + 1, [own.size]])
        for low, high in itertools.pairwise(edges):
            total = result[int(own[low]) - first]
            for step in values[low:high]:
                np.add(total, step, out=total)
    return result


def _finer(piece: Piece, steps: slice, rows: np.ndarray) -> np.ndarray:
    """Sums of the months of a finer file at some cells, (month, cell)."""
    month = piece.months.month
    shape = (int(month[steps.stop - 1]) - int(month[steps.start]) + 1, piece.places.count)
    key = (piece.path, piece.version, piece.variable, piece.share is not None, steps.start, steps.stop)
    size = shape[0] * shape[1] * 8
    if rows.size * 2 > piece.places.count and size > HELD_BYTES // 64:  # nobody comes for the rest
        found = _sums(piece, steps, None, None)
        return found if np.array_equal(rows, np.arange(shape[1])) else found[:, rows]
    if rows.size * 20 < piece.places.count and size > HELD_BYTES // 8 and _held.seldom(key):
        return _sums(piece, steps, rows, None)
    held = _held.get(
        key,
        size,
        lambda into: _sums(piece, steps, None, into),
        (shape, np.dtype(np.float64)),
    )
    return _sums(piece, steps, rows, None) if held is None else np.asarray(held[:, rows])


def series(
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
            fresh = days[at] == 0
            values[at[fresh]] = found[fresh]
            values[at[~fresh]] += found[~fresh]
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


def _means(
    pieces: Sequence[Piece],
    name: str,
    values: np.ndarray,
    count: np.ndarray,
    days: np.ndarray,
    converted: np.ndarray,
    begin: int,
) -> np.ndarray:
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
