"""One netCDF file by its CF attributes: coordinates, places of cells, values with what is missing as NaN.

Coordinates are found by ``standard_name``, units and ``axis`` before names, so that files may call them as they like.
Nothing is decoded that was not asked for. What is not understood raises ``InputError``: one sentence with file, variable and
remedy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from jtem.errors import InputError, suggest
from jtem.readers.units import understood
from jtem.records import Attributes, Named

Index = Any
"""What picks values of a variable: slices and whole numbers."""
LARGEST_NUMBER = 1e15
"""Beyond this a value is a fill value that the file does not declare."""
COORDINATES = ("latitude", "longitude", "time")
"""What ``[domain.names]`` may name beside variables."""
_NORTH = {
    "degrees_north",
    "degree_north",
    "degree_n",
    "degrees_n",
    "degreen",
    "degreesn",
    "degrees north",
    "degree north",
}
_EAST = {"degrees_east", "degree_east", "degree_e", "degrees_e", "degreee", "degreese", "degrees east", "degree east"}
DEGREES = {
    **dict.fromkeys((*_NORTH, *_EAST, "degrees", "degree", "deg", "°", "decimal degrees", "decimal_degrees", "arc_degree"), 1.0),
    **dict.fromkeys(("radian", "radians", "rad"), 180.0 / np.pi),
    **dict.fromkeys(("degrees_west", "degrees_south", "degree_west", "degree_south"), -1.0),
}  # fmt: skip
_NAMES = {
    "latitude": ("lat", "latitude", "lats", "nav_lat", "xlat", "tlat", "latixy", "lat2d", "clat", "ylat", "gridlat",
                 "xlat_m", "latitudes", "geolat", "tlatitude", "glat", "y", "ydim"),
    "longitude": ("lon", "longitude", "lons", "nav_lon", "xlong", "tlong", "tlon", "longxy", "lon2d", "clon", "xlon",
                  "gridlon", "xlong_m", "longitudes", "long", "geolon", "tlongitude", "glon", "x", "xdim"),
}  # fmt: skip
_ELSE = ("grid_latitude", "grid_longitude", "projection_x_coordinate", "projection_y_coordinate")


# --- values ----------------------------------------------------------------------------------------------------------


def open_raw(path: Path | str) -> netCDF4.Dataset:
    """Open a netCDF file without any automatic conversion; raises ``InputError`` for an absent or corrupt file."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: a folder (a Zarr store?), expected a netCDF file; convert it (xarray: to_netcdf)")
    if not path.is_file():
        raise InputError(f"{path}: file not found; check the name and the data folder")
    try:
        dataset = netCDF4.Dataset(str(path))
    except (OSError, RuntimeError) as error:
        with path.open("rb") as file:
            packed = {b"\x1f\x8b": "gzip", b"PK": "zip", b"BZ": "bzip2"}.get(file.read(2))
        if packed:
            raise InputError(f"{path}: packed with {packed}; unpack it and give the netCDF files in it") from None
        raise InputError(
            f"{path}: not a readable netCDF file ({_reason(error)}); it may be cut short, fetch it again "
            "(other formats: convert to netCDF; a table of one site: jtem site)"
        ) from None
    dataset.set_auto_maskandscale(False)
    if dataset.groups and not dataset.variables:
        names = ", ".join(dataset.groups)
        dataset.close()
        raise InputError(f"{path}: all variables lie in groups ({names}); take one out (ncks -G : -g GROUP)")
    return dataset


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def attributes(variable: netCDF4.Variable) -> Named:
    """All attributes of a variable."""
    return {name: variable.getncattr(name) for name in variable.ncattrs()}


def raw(variable: netCDF4.Variable, key: Index, where: str) -> np.ndarray:
    """``variable[key]`` as stored, unsigned where the file says so; raises ``InputError`` for unreadable content."""
    try:
        values = np.asarray(variable[key])
    except (OSError, RuntimeError, IndexError) as error:
        raise InputError(
            f"{where}: values cannot be read ({_reason(error)}); the file is corrupt, fetch it again"
        ) from None
    if values.dtype.kind not in "iufb":
        raise InputError(f"{where}: holds text or {values.dtype}, expected numbers; convert it")
    if values.dtype.kind == "i" and str(getattr(variable, "_Unsigned", "")).lower() == "true":
        values = values.view(f"u{values.dtype.itemsize}")
    return values


def numbers(variable: netCDF4.Variable, key: Index, where: str, dtype: type | None = np.float64) -> np.ndarray:
    """Read ``variable[key]`` with what is missing as NaN and packing undone; see :func:`decode`."""
    return decode(raw(variable, key, where), attributes(variable), where, dtype)


def decode(values: np.ndarray, said: Attributes, where: str, dtype: type | None = np.float64) -> np.ndarray:
    """Stored values as numbers: NaN for fill values of any type and for what lies outside the valid range.

    ``said``: attributes. ``dtype``: of the result; None: as stored where that is a floating type that needs no unpacking.
    Numbers beyond 1e15 are fill values that the file does not declare, and refused.
    """
    scale, offset = (_number(said, name, where) for name in ("scale_factor", "add_offset"))
    packed = scale is not None or offset is not None
    kind: Any = dtype or (values.dtype.type if values.dtype.kind == "f" and not packed else np.float64)
    result = values.astype(kind, copy=packed)  # nobody else holds them
    if packed:
        result *= kind(1.0 if scale is None else scale)
        result += kind(0.0 if offset is None else offset)
    span = _extremes(values)
    bad = _missing(values, result, said, packed, span)
    if bad is not None:
        result[bad] = np.nan
    low, high = _extremes(result) if packed or bad is not None else span
    if high > LARGEST_NUMBER or low < -LARGEST_NUMBER:
        raise InputError(
            f"{where}: value {high if high > LARGEST_NUMBER else low:g} looks like a fill value that the file does not declare; "
            "set the attribute _FillValue of the variable"
        )
    return result


def _extremes(values: np.ndarray) -> tuple[float, float]:
    """Smallest and largest value, NaN left out (0, 0 without any value), without a copy."""
    if not values.size:
        return 0.0, 0.0
    low, high = values.min(), values.max()
    if low != low:  # NaN somewhere
        low, high = np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)
    return (float(low), float(high)) if low == low else (0.0, 0.0)


def _number(said: Attributes, name: str, where: str) -> float | None:
    if name not in said:
        return None
    try:
        return float(np.asarray(said[name]).ravel()[0])
    except (ValueError, IndexError):
        raise InputError(f"{where}: attribute {name} is {said[name]!r}, expected a number; correct it") from None


def _listed(said: Attributes, name: str) -> np.ndarray:
    """Numbers of an attribute, also where it was written as text; empty where absent or not numbers."""
    if name not in said:
        return np.array([])
    value = said[name]
    try:
        return np.atleast_1d(np.asarray(value.replace(",", " ").split() if isinstance(value, str) else value)).astype(
            float
        )
    except ValueError:
        return np.array([])


def _missing(
    values: np.ndarray, unpacked: np.ndarray, said: Attributes, packed: bool, span: tuple[float, float]
) -> Any:
    """Where values are missing; None where nothing is. ``span``: smallest and largest value."""
    bad = None

    def mark(found: Any) -> None:
        nonlocal bad
        if np.any(found):
            bad = found if bad is None else bad | found

    kind = values.dtype
    least, most = span
    fills = np.concatenate([_listed(said, "_FillValue"), _listed(said, "missing_value")])
    if not fills.size and kind.str[1:] in ("f4", "f8", "i2", "i4"):
        fills = np.array([float(netCDF4.default_fillvals[kind.str[1:]])])
    for fill in np.unique(fills[np.isfinite(fills)]):
        if kind.kind == "f":
            with np.errstate(over="ignore"):
                own: Any = kind.type(fill)
            if least <= own <= most or np.isinf(own):
                mark(values == own)
        elif fill == int(fill):
            own = int(fill) + ((1 << (8 * kind.itemsize)) if kind.kind == "u" and fill < 0 else 0)
            if least <= own <= most:
                mark(values == own)
        elif packed:
            mark(np.abs(unpacked - fill) <= 1e-6 * abs(fill))  # given as the unpacked number
    low, high = _valid_range(said)
    if low is None and high is None:
        return bad
    limits = [x for n in ("valid_range", "valid_min", "valid_max") if n in said for x in np.atleast_1d(said[n])]
    of_unpacked = packed and kind.kind in "iu" and any(np.asarray(x).dtype.kind == "f" for x in limits)
    compared = unpacked if of_unpacked else values
    if kind.kind == "u" and not of_unpacked:
        low, high = (None if x is None else x + (1 << (8 * kind.itemsize)) if x < 0 else x for x in (low, high))
        if low is not None and high is not None and low > high:
            return bad
    if of_unpacked:
        least, most = _extremes(unpacked)
    slack = 1e-6 if compared.dtype.kind == "f" else 0.0
    with np.errstate(invalid="ignore"):
        if low is not None and least < low - slack * abs(low):
            mark(compared < low - slack * abs(low))
        if high is not None and most > high + slack * abs(high):
            mark(compared > high + slack * abs(high))
    return bad


def _valid_range(said: Attributes) -> tuple[float | None, float | None]:
    both = _listed(said, "valid_range")
    if both.size == 2:
        return float(both[0]), float(both[1])
    low, high = _listed(said, "valid_min"), _listed(said, "valid_max")
    return (float(low[0]) if low.size else None), (float(high[0]) if high.size else None)


# --- coordinates -----------------------------------------------------------------------------------------------------


def coordinate(dataset: netCDF4.Dataset, kind: str, where: str, called: str = "", of: netCDF4.Variable | None = None):
    """The variable that holds ``kind`` ("latitude" or "longitude").

    ``called``: its name where the user gives it. ``of``: a variable whose places are wanted; its ``coordinates`` attribute
    and its dimensions decide among several. Raises ``InputError`` where none or several are found.
    """
    if called:
        if called in dataset.variables:
            return dataset.variables[called]
        raise InputError(f"{where}: no coordinate '{called}' ({kind}); {suggest(called, dataset.variables)}")
    words = _NORTH if kind == "latitude" else _EAST
    bounds = {str(getattr(v, "bounds", "")) for v in dataset.variables.values()}
    every = {
        name: v
        for name, v in dataset.variables.items()
        if name not in bounds and not name.lower().endswith(("_bnds", "_bounds", "_vertices"))
        and not isinstance(v.dtype, str) and v.dtype is not str and np.dtype(v.dtype).kind in "iuf"
    }  # fmt: skip
    standard = [n for n, v in every.items() if str(getattr(v, "standard_name", "")) == kind]
    unit = [
        n for n, v in every.items()
        if str(getattr(v, "units", "")).strip().lower() in words and not getattr(v, "standard_name", "")
    ]  # fmt: skip
    known = [
        n for want in _NAMES[kind] for n in every
        if n.lower() == want and str(getattr(every[n], "standard_name", kind)) in ("", kind)
        and (want not in ("x", "y", "xdim", "ydim") or not _metric(every[n]))
    ]  # fmt: skip
    for found in (standard, unit, known):
        chosen = _one(found, dataset, kind, where, of)
        if chosen is not None:
            return chosen
    other = [n for n, v in every.items() if str(getattr(v, "standard_name", "")) in _ELSE]
    if other:
        raise InputError(
            f"{where}: '{other[0]}' is a coordinate of a projection ({every[other[0]].standard_name}), not {kind}; add true "
            f"latitudes and longitudes of the cells (degrees_north, degrees_east)"
        )
    both = " or ".join(map(repr, _NAMES[kind][:2]))
    raise InputError(
        f"{where}: no coordinate {both}, nor one with standard_name or units of {kind}; add it in degrees or give its name "
        f"as '{kind}' under [domain.names]"
    )


def _metric(variable: netCDF4.Variable) -> bool:
    unit = understood(str(getattr(variable, "units", "")))
    return unit is not None and unit.powers == (1, 0, 0, 0, 0, 0)


def _one(found: Sequence[str], dataset: netCDF4.Dataset, kind: str, where: str, of: netCDF4.Variable | None):
    """The one of several candidates that is meant; None where there is none."""
    if not found:
        return None
    listed = str(getattr(of, "coordinates", "")).split() if of is not None else []
    for keep in (
        [n for n in found if n in listed],
        [n for n in found if n.lower() in _NAMES[kind][:2]],
        [n for n in found if of is not None and set(dataset.variables[n].dimensions) <= set(of.dimensions)],
        list(found),
    ):
        if keep:
            if len(keep) == 1 or keep[0].lower() in _NAMES[kind]:
                ranked = sorted(keep, key=lambda n: _NAMES[kind].index(n.lower()) if n.lower() in _NAMES[kind] else 99)
                return dataset.variables[ranked[0]]
            raise InputError(
                f"{where}: several {kind}s ({', '.join(keep)}); give the one of the variables as '{kind}' under [domain.names]"
            )
    return None


def degrees(variable: netCDF4.Variable, key: Index, kind: str, where: str) -> np.ndarray:
    """Values of a latitude or longitude in degrees (north, east), from degrees or radians.

    Raises ``InputError`` for other units, and for numbers without units that look like radians.
    """
    unit = str(getattr(variable, "units", "")).strip().lower()
    values = numbers(variable, key, f"{where}: {variable.name}")
    if unit in ("", "1") and values.size > 1:
        limit = np.pi / 2 if kind == "latitude" else 2 * np.pi
        if np.nanmax(np.abs(values)) <= limit + 1e-6 and np.nanmax(values) - np.nanmin(values) > 0:
            raise InputError(
                f"{where}: '{variable.name}' has no units and runs {np.nanmin(values):.4g}..{np.nanmax(values):.4g}: radians? "
                "set its units attribute (radian, or degrees)"
            )
    if unit not in ("", "1") and unit not in DEGREES:
        raise InputError(
            f"{where}: '{variable.name}' is in {variable.units!r}, expected degrees or radians of {kind}; convert it or give "
            f"the true {kind} under [domain.names]"
        )
    return np.asarray(values * DEGREES.get(unit, 1.0))


# --- places ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Places:
    """Where the cells of a file lie.

    ``latitude``, ``longitude`` (cell,): degrees, longitude within -180..180, NaN where the file gives no place. ``dims``:
    spatial dimensions of the file in the order of the cells (none for one place); ``shape``: their lengths. ``axes``: the
    two axes (degrees, in file order) where latitude and longitude have one dimension each.
    """

    latitude: np.ndarray
    longitude: np.ndarray
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    axes: tuple[np.ndarray, np.ndarray] | None
    names: tuple[str, str]

    @property
    def count(self) -> int:
        """Number of cells."""
        return self.latitude.size


def places(
    dataset: netCDF4.Dataset, where: str, names: Mapping[str, str] | None = None, of: netCDF4.Variable | None = None
) -> Places:
    """Places of the cells of a file; ``names`` may name its "latitude" and "longitude". Raises ``InputError``."""
    names = names or {}
    found = [coordinate(dataset, kind, where, names.get(kind, ""), of) for kind in ("latitude", "longitude")]
    still = [_still(variable, kind, where) for variable, kind in zip(found, ("latitude", "longitude"), strict=True)]
    (lat, lat_dims), (lon, lon_dims) = still
    called = (str(found[0].name), str(found[1].name))
    gathered = next((v for v in dataset.variables.values() if "compress" in v.ncattrs() and v.ndim == 1), None)
    if gathered is not None and (of is None or gathered.dimensions[0] in of.dimensions):
        pair = tuple(str(gathered.compress).split())
        if pair in ((*lat_dims, *lon_dims), (*lon_dims, *lat_dims)) and len(lat_dims) == 1:
            lat, lon = (
                grid.ravel() for grid in np.meshgrid(lat, lon, indexing="ij" if pair[0] == lat_dims[0] else "xy")
            )
            lat, lon = (values[_gathered(gathered, values.size, where)] for values in (lat, lon))
            lat_dims = lon_dims = gathered.dimensions
    axes = None
    if len(lat_dims) <= 1 and len(lon_dims) <= 1 and lat_dims != lon_dims:
        axes = lat.ravel(), lon.ravel()
        _check_axes(*axes, called, where)
        dims = (*lat_dims, *lon_dims)
        shape = tuple(len(dataset.dimensions[d]) for d in dims)
        lat, lon = (grid.ravel() for grid in np.meshgrid(*axes, indexing="ij"))
    elif set(lat_dims) != set(lon_dims):
        raise InputError(
            f"{where}: '{called[0]}' has dimensions {lat_dims} and '{called[1]}' {lon_dims}; give both on the same cells"
        )
    else:
        dims, shape = lat_dims, lat.shape
        lon = lon.transpose([lon_dims.index(d) for d in dims]) if dims else lon
        lat, lon = lat.ravel(), lon.ravel()
    _check_degrees(lat, lon, where)
    return Places(lat, (lon + 180.0) % 360.0 - 180.0, tuple(dims), tuple(shape), axes, called)


def _gathered(variable: netCDF4.Variable, size: int, where: str) -> np.ndarray:
    """Index from 0 of the cells of a grid that a file keeps (CF's compression by gathering); some files count from 1."""
    kept = numbers(variable, ..., f"{where}: {variable.name}").astype(int)
    low, high = (int(kept.min()), int(kept.max())) if kept.size else (-1, 0)
    if low < 0 or high > size or (low == 0 and high == size):
        raise InputError(
            f"{where}: '{variable.name}' counts cells {low}..{high} of {size}; correct it or give the whole grid"
        )
    if low > 0 and high < size and not str(getattr(variable.group(), "Conventions", "")).upper().startswith("CF"):
        raise InputError(
            f"{where}: '{variable.name}' keeps cells {low}..{high} of {size}, counted from 0 (as CF says) or from 1? set the "
            "attribute Conventions of the file (CF-1.8), or give the whole grid"
        )
    return kept - (1 if high == size else 0)


def _check_axes(lat: np.ndarray, lon: np.ndarray, called: tuple[str, str], where: str) -> None:
    """Every value of an axis once; the last longitude may close the circle."""
    for values, allowed, name in ((lat, 0, called[0]), (np.round(lon % 360.0, 6) % 360.0, 1, called[1])):
        finite = values[np.isfinite(values)]
        if finite.size - np.unique(finite).size > allowed:
            raise InputError(f"{where}: '{name}' repeats values; give each row and column of cells once")


def _check_degrees(lat: np.ndarray, lon: np.ndarray, where: str) -> None:
    if not np.isfinite(lat).any() or not np.isfinite(lon).any():
        raise InputError(f"{where}: latitude and longitude are missing everywhere; fill in the coordinates")
    worst = lat[np.nanargmax(np.abs(lat))]
    if abs(worst) > 90 + 1e-6:
        remedy = "exchange latitude and longitude" if np.nanmax(np.abs(lon)) <= 90 else "correct the coordinate"
        raise InputError(f"{where}: latitude {worst:g} is outside -90..90; {remedy}")
    worst = lon[np.nanargmax(np.abs(lon))]
    if abs(worst) > 540:
        raise InputError(f"{where}: longitude {worst:g} is outside -360..360; correct the coordinate")


def _still(variable: netCDF4.Variable, kind: str, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """A coordinate without dimensions of length one beside others, and without time where it does not move."""
    values = degrees(variable, ..., kind, where)
    dims = [str(d) for d in variable.dimensions]
    for name in list(dims):
        axis = dims.index(name)
        timely = name.lower() in ("time", "valid_time", "times", "t") or (
            name in variable.group().variables
            and " since " in str(getattr(variable.group().variables[name], "units", ""))
        )
        if (timely or (values.ndim > 2)) and values.shape[axis] >= 1:
            first = np.take(values, [0], axis=axis)
            if not np.all((np.abs(values - first) < 1e-6) | (np.isnan(values) & np.isnan(first))):
                raise InputError(f"{where}: '{variable.name}' changes along '{name}'; give one place for each cell")
            values = np.asarray(np.take(values, 0, axis=axis))
            dims.remove(name)
    if values.ndim > 2:
        raise InputError(
            f"{where}: '{variable.name}' has dimensions {variable.dimensions}, expected one or two; select one"
        )
    return values, tuple(dims)


def on_cells(
    variable: netCDF4.Variable,
    here: Places,
    where: str,
    *,
    lead: Sequence[str] = (),
    chosen: Mapping[str, int] | None = None,
) -> tuple[tuple, tuple[int, ...]]:
    """Index that leaves the dimensions ``lead`` and space, and the order that puts ``lead`` first and space as in ``here``.

    Dimensions of length one are dropped; of a longer one the entry in ``chosen`` is taken, else ``InputError`` is raised.
    """
    keep: list[str] = []
    index: list[Index] = []
    for name, size in zip(variable.dimensions, variable.shape, strict=True):
        if name in lead or name in here.dims:
            keep.append(name)
            index.append(slice(None))
        elif size == 1 or name in (chosen or {}):
            index.append((chosen or {}).get(name, 0))
        else:
            raise InputError(
                f"{where}: dimension '{name}' has {size} entries, expected only {', '.join((*lead, *here.dims)) or 'one value'}; "
                "select one entry (for instance: ncks -d or xarray.isel)"
            )
    sizes = dict(zip(here.dims, here.shape, strict=True))
    lost = [d for d in (*lead, *here.dims) if d not in keep and sizes.get(d) != 1]
    if lost:
        raise InputError(
            f"{where}: dimensions {variable.dimensions} lack '{lost[0]}' of the coordinates; give the variable on the cells "
            "of the file"
        )
    return tuple(index), tuple(keep.index(d) for d in (*lead, *here.dims) if d in keep)


def field(variable: netCDF4.Variable, here: Places, where: str, *, lead: Sequence[str] = ()) -> np.ndarray:
    """Values of a variable on all cells, (*lead, cell), NaN where missing. Raises ``InputError``."""
    index, order = on_cells(variable, here, where, lead=lead)
    values = numbers(variable, index, where).transpose(order)
    return values.reshape(*values.shape[: len(lead)], here.count)


def match(here: Places, latitude: np.ndarray, longitude: np.ndarray, where: str) -> np.ndarray:
    """Index of the cell at each wanted place, within 1e-3 degrees and clearly nearer than any other.

    Raises ``InputError`` where a file has no such cell, or two that could be meant.
    """
    if here.axes is not None and np.array_equal(here.latitude, latitude) and np.array_equal(here.longitude, longitude):
        return np.arange(here.count)
    east = (np.asarray(longitude, np.float64) + 180.0) % 360.0 - 180.0
    lat = np.asarray(latitude, np.float64)
    if here.axes is not None and min(a.size for a in here.axes) >= 1:
        row, far_row = _nearest(here.axes[0], lat, 1.0, False)
        column, far_column = _nearest((here.axes[1] + 180.0) % 360.0 - 180.0, east, _narrow(lat), True)
        bad = far_row | far_column
        if bad.any():
            _no_cell(lat, east, int(np.argmax(bad)), where)
        return row * here.axes[1].size + column
    order = np.argsort(here.latitude, kind="stable")
    order = order[np.isfinite(here.latitude[order]) & np.isfinite(here.longitude[order])]
    sorted_lat, sorted_lon = here.latitude[order], here.longitude[order]
    low, high = np.searchsorted(sorted_lat, lat - TOLERANCE), np.searchsorted(sorted_lat, lat + TOLERANCE, side="right")
    result = np.empty(lat.size, dtype=int)
    for k in range(lat.size):
        part = slice(low[k], high[k])
        gap = np.abs((sorted_lon[part] - east[k] + 180.0) % 360.0 - 180.0) * _narrow(lat[k])
        distance = np.hypot(sorted_lat[part] - lat[k], gap)
        if not distance.size or distance.min() > TOLERANCE:
            _no_cell(lat, east, k, where)
        best = int(np.argmin(distance))
        if np.sum(distance <= max(CLEARLY * distance[best], 1e-9)) > 1:
            raise InputError(
                f"{where}: two cells at or near ({lat[k]:.4f}, {east[k]:.4f}) could be meant; give each place once"
            )
        result[k] = order[part][best]
    return result


TOLERANCE = 1e-3
"""Degrees of a great circle: how far the places of two files may differ and still be the same cell."""
CLEARLY = 3.0
"""The second nearest cell must be this many times farther than the nearest."""


def _narrow(latitude: Any) -> Any:
    """Length of a degree of longitude beside one of latitude (near the poles: of 89 degrees)."""
    return np.maximum(np.cos(np.deg2rad(latitude)), 0.02)


def _nearest(axis: np.ndarray, wanted: np.ndarray, scale: Any, around: bool) -> tuple[np.ndarray, np.ndarray]:
    """Index of the nearest value of an axis, and where none is near and clearly the nearest; ``scale``: length of a degree."""
    order = np.argsort(axis, kind="stable")
    values = axis[order]
    place = np.searchsorted(values, wanted)
    near = np.stack(
        [(place + k) % values.size if around else np.clip(place + k, 0, values.size - 1) for k in (-2, -1, 0, 1)]
    )
    gap = np.abs(values[near] - wanted)
    if around:
        gap = np.minimum(gap, 360.0 - gap)
    gap = gap * scale
    best = np.take_along_axis(near, np.argmin(gap, axis=0)[None], axis=0)[0]
    least = gap.min(axis=0)
    other = np.where(np.abs(values[near] - values[best]) < 1e-9, np.inf, gap).min(axis=0)
    return order[best], (least > TOLERANCE) | (other <= np.maximum(CLEARLY * least, 1e-9))


def _no_cell(latitude: np.ndarray, longitude: np.ndarray, k: int, where: str) -> None:
    raise InputError(
        f"{where}: no cell at ({latitude[k]:.4f}, {longitude[k]:.4f}), which the static file has; bring both to the same grid"
    )
