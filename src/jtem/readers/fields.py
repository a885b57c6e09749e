"""Fixed fields on regular latitude-longitude grids: read by coordinate, only the part that is needed, fill to NaN.

Anything that is not understood is refused with ``InputError``: one sentence with file, variable and remedy. How fields
reach the cells of a run (nearest value, area mean, shares of classes) is in ``regrid``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import netCDF4
import numpy as np

from jtem.errors import InputError, suggest
from jtem.readers import cf, rasters
from jtem.readers.cf import LARGEST_NUMBER, attributes, numbers, open_raw
from jtem.readers.field import WHOLE_EARTH, Box, Map, inside_longitudes

__all__ = [
    "LARGEST_NUMBER", "WHOLE_EARTH", "Box", "Map", "attributes", "axes", "inside_longitudes", "need", "numbers", "open_raw",
    "read",
]  # fmt: skip

UNEVEN = 0.1
"""Steps of an axis may differ by this share (Gaussian latitudes)."""


@dataclass(frozen=True)
class Axes:
    """The regular axes of one file and where the wanted box lies in it.

    ``latitude``, ``longitude``: degrees of the box, ascending, longitude within -180..180. ``rows``, ``columns``:
    indices in the file that give them in this order. ``step``, ``step_lon``: degrees between cell centres along each.
    ``names``: dimensions of latitude and longitude.
    """

    latitude: np.ndarray
    longitude: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    step: float
    step_lon: float = 0.0
    names: tuple[str, str] = ("lat", "lon")


def axes(dataset: netCDF4.Dataset, where: str, box: Box = WHOLE_EARTH, names: Mapping[str, str] | None = None) -> Axes:
    """The latitude and longitude axes of a file inside ``box``; either direction, 0..360 or -180..180.

    ``names`` may name "latitude" and "longitude". Raises ``InputError`` for absent, swapped, irregular or impossible
    coordinates and where nothing lies in the box.
    """
    names = names or {}
    both = [cf.coordinate(dataset, kind, where, names.get(kind, "")) for kind in ("latitude", "longitude")]
    swapped = "east" in str(getattr(both[0], "units", "")) or "north" in str(getattr(both[1], "units", ""))
    (latitude, lat_dim), (longitude, lon_dim) = (
        _axis(variable, kind, k, where)
        for k, (variable, kind) in enumerate(zip(both, ("latitude", "longitude"), strict=True))
    )
    if lat_dim == lon_dim:
        raise InputError(
            f"{where}: cells are a list along '{lat_dim}', expected a map of latitude and longitude; regrid the file"
        )
    if swapped or np.max(np.abs(latitude)) > 90.0 + 1e-6:
        found = f"latitude runs {latitude[0]:g}..{latitude[-1]:g}"
        remedy = (
            "latitude and longitude are swapped, exchange them"
            if _swapped(latitude, longitude) or swapped
            else ("correct the coordinate")
        )
        raise InputError(f"{where}: {found}, expected -90..90; {remedy}")
    step_lat, step_lon = _step(latitude, "latitude", where), _step((longitude + 360.0) % 360.0, "longitude", where)
    if not step_lat and not step_lon:
        raise InputError(
            f"{where}: one place only, expected a map of latitude and longitude; give a map that covers the run"
        )
    step_lat, step_lon = step_lat or step_lon, step_lon or step_lat
    east = (longitude + 180.0) % 360.0 - 180.0
    south, north, west, east_edge = box
    rows, columns = np.argsort(latitude, kind="stable"), np.argsort(east, kind="stable")
    rows = rows[(latitude[rows] > south - 0.5 * step_lat) & (latitude[rows] < north + 0.5 * step_lat)]
    columns = columns[inside_longitudes(east[columns], west, east_edge, 0.5 * step_lon)]
    if not rows.size or not columns.size:
        raise InputError(
            f"{where}: no cell between {south:g}..{north:g} N and {west:g}..{east_edge:g} E (the file has "
            f"{latitude.min():g}..{latitude.max():g} N, {east.min():g}..{east.max():g} E); change 'box' or the file"
        )
    return Axes(latitude[rows], east[columns], rows, columns, float(step_lat), float(step_lon), (lat_dim, lon_dim))


def _axis(variable: netCDF4.Variable, kind: str, along: int, where: str) -> tuple[np.ndarray, str]:
    """One axis in degrees and its dimension; also from two dimensions where it changes along one only."""
    values = cf.degrees(variable, ..., kind, where)
    dims = [str(d) for d in variable.dimensions]
    for k in reversed(range(values.ndim)):
        if values.ndim > 1 and values.shape[k] == 1:
            values = np.take(values, 0, axis=k)
            dims.pop(k)
    if values.ndim == 2 and np.all(np.isfinite(values)) and np.all(np.ptp(values, axis=1 - along) < 1e-6):
        values, dims = np.take(values, 0, axis=1 - along), [dims[along]]
    if values.ndim != 1 or not values.size or not np.all(np.isfinite(values)):
        raise InputError(
            f"{where}: '{variable.name}' has shape {variable.shape}, expected one row of degrees; regrid the file"
        )
    return values, dims[0]


def _swapped(latitude: np.ndarray, longitude: np.ndarray) -> bool:
    return bool(np.max(np.abs(longitude)) <= 90.0) or longitude.size < latitude.size


def _step(values: np.ndarray, name: str, where: str) -> float:
    """Distance of neighbours of a nearly regular axis, the largest one (0 for a single one)."""
    values = np.unique(np.round(values, 9))
    if values.size == 1:
        return 0.0
    gaps = np.diff(values)
    step = float(np.median(gaps))
    wrap = np.abs(gaps - step) > UNEVEN * step
    allowed = 1 if name == "longitude" else 0  # a box across the date line or Greenwich has one wide gap
    if step <= 0 or wrap.sum() > allowed:
        raise InputError(
            f"{where}: '{name}' is not evenly spaced (steps {gaps.min():g}..{gaps.max():g}); regrid the file"
        )
    even = np.abs(gaps - step) <= 0.01 * step
    return step if np.all(even | wrap) else float(gaps[~wrap].max())


def dimensions_of(variable: netCDF4.Variable, grid: Axes, where: str) -> tuple[int, int]:
    """Positions of the latitude and longitude dimensions of a variable."""
    found = []
    for own in grid.names:
        place = [k for k, d in enumerate(variable.dimensions) if d == own]
        if len(place) != 1:
            raise InputError(
                f"{where}: dimensions {variable.dimensions} do not hold latitude and longitude once each; "
                "give the variable on the axes of the file"
            )
        found.append(place[0])
    return found[0], found[1]


def read(path: Path | str, names: Sequence[str] = (), box: Box = WHOLE_EARTH, *, optional: bool = False) -> Map | None:
    """Read one two-dimensional variable inside ``box``.

    ``names``: what it may be called, first match; none: the only two-dimensional variable of the file. ``optional``:
    None instead of an error where the file has none of the names. A raster (GeoTIFF, ...) has one, whatever its name. Raises
    ``InputError``.
    """
    if rasters.is_raster(path):
        return None if optional else rasters.read(path, box)
    with open_raw(path) as dataset:
        name = _pick(dataset, names)
        if name is None:
            if optional:
                return None
            have = [str(n) for n in dataset.variables if dataset.variables[n].ndim >= 2]
            what = f"variable '{names[0]}' is missing" if names else f"several variables ({', '.join(have)})"
            raise InputError(f"{path}: {what}; name it in [prepare.names] ({suggest(names[0] if names else '', have)})")
        where = f"{path}: {name}"
        variable = dataset.variables[name]
        grid = axes(dataset, str(path), box)
        at_lat, at_lon = dimensions_of(variable, grid, where)
        key: list[slice | int] = []
        for k, dimension in enumerate(variable.dimensions):
            if k == at_lat:
                key.append(slice(int(grid.rows.min()), int(grid.rows.max()) + 1))
            elif k == at_lon:
                key.append(slice(int(grid.columns.min()), int(grid.columns.max()) + 1))
            elif len(dataset.dimensions[dimension]) == 1:
                key.append(0)
            else:
                raise InputError(
                    f"{where}: dimension '{dimension}' has {len(dataset.dimensions[dimension])} entries, expected a map of "
                    "latitude and longitude; select one entry"
                )
        values = numbers(variable, tuple(key), where)
        if at_lat > at_lon:
            values = values.T
        values = values[grid.rows - grid.rows.min()][:, grid.columns - grid.columns.min()]
        said = attributes(variable)
        return Map(
            values, grid.latitude, grid.longitude, grid.step, str(said.get("units", "")), name, str(path), said,
            0.0 if abs(grid.step - grid.step_lon) <= 1e-3 * grid.step else grid.step_lon,
        )  # fmt: skip


def need(path: Path | str, names: Sequence[str] = (), box: Box = WHOLE_EARTH) -> Map:
    """:func:`read` of a variable that must be there."""
    found = read(path, names, box)
    assert found is not None
    return found


def _pick(dataset: netCDF4.Dataset, names: Sequence[str]) -> str | None:
    lower = {str(name).lower(): str(name) for name in dataset.variables}
    for name in names:
        if name.lower() in lower:
            return lower[name.lower()]
    if names:
        return None
    maps = [
        str(name)
        for name, variable in dataset.variables.items()
        if variable.ndim >= 2
        and not str(name).endswith(("_bnds", "_bounds"))
        and variable.dtype is not str
        and np.dtype(variable.dtype).kind in "iuf"
        and str(getattr(variable, "standard_name", "")) not in ("latitude", "longitude")
        and str(name).lower() not in ("lat", "lon", "latitude", "longitude", "xlat", "xlong", "nav_lat", "nav_lon")
    ]
    return maps[0] if len(maps) == 1 else None
