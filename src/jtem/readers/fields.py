"""Fixed fields on regular latitude-longitude grids: read by coordinate, only the part that is needed, fill to NaN.

Anything that is not understood is refused with ``InputError``: one sentence with file, variable and remedy. How fields
reach the cells of a run (nearest value, area mean, shares of classes) is in ``regrid``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from jtem.errors import InputError, suggest

LATITUDES, LONGITUDES = ("lat", "latitude", "y"), ("lon", "longitude", "x")
LARGEST_NUMBER = 1e15
"""Beyond this a value is a fill value that the file does not declare."""

Box = tuple[float, float, float, float]
"""South, north, west, east in degrees."""
WHOLE_EARTH: Box = (-90.0, 90.0, -180.0, 180.0)


@dataclass(frozen=True)
class Axes:
    """The regular axes of one file and where the wanted box lies in it.

    ``latitude``, ``longitude``: degrees of the box, ascending, longitude within -180..180. ``rows``, ``columns``:
    indices in the file that give them in this order. ``step``: degrees between cell centres.
    """

    latitude: np.ndarray
    longitude: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    step: float


@dataclass(frozen=True)
class Field:
    """One variable: ``values`` (lat, lon) float64, NaN where missing, latitude and longitude ascending (degrees)."""

    values: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    step: float
    units: str
    name: str
    where: str
    attributes: dict[str, Any] = field(default_factory=dict)


def open_raw(path: Path | str) -> netCDF4.Dataset:
    """Open a netCDF file without any automatic conversion; raises ``InputError`` for an absent or corrupt file."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: file not found; check the name and the data folder")
    try:
        dataset = netCDF4.Dataset(str(path))
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"{path}: not a readable netCDF file ({_reason(error)}); it may be cut short, fetch it again "
            "(other formats: convert to netCDF)"
        ) from None
    dataset.set_auto_maskandscale(False)
    return dataset


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def attributes(variable: netCDF4.Variable) -> dict[str, Any]:
    """All attributes of a variable."""
    return {name: variable.getncattr(name) for name in variable.ncattrs()}


def numbers(variable: netCDF4.Variable, key: tuple, where: str, dtype: type = np.float64) -> np.ndarray:
    """Read ``variable[key]`` with fill values as NaN and packing undone.

    Numbers beyond 1e15 are fill values that the file does not declare, and refused; so is unreadable content.
    """
    try:
        raw = np.asarray(variable[key])
    except (OSError, RuntimeError, IndexError) as error:
        raise InputError(
            f"{where}: values cannot be read ({_reason(error)}); the file is corrupt, fetch it again"
        ) from None
    said = attributes(variable)
    bad = np.zeros(raw.shape, dtype=bool)
    for name in ("_FillValue", "missing_value"):
        if name in said:
            for value in np.atleast_1d(said[name]):
                bad |= raw == value
    values = raw.astype(dtype)
    if "scale_factor" in said or "add_offset" in said:
        values = values * dtype(said.get("scale_factor", 1.0)) + dtype(said.get("add_offset", 0.0))
    if bad.any():
        values[bad] = np.nan
    with np.errstate(invalid="ignore"):
        huge = np.abs(values) > LARGEST_NUMBER
    if huge.any():
        raise InputError(
            f"{where}: value {float(values[huge][0]):g} looks like a fill value that the file does not declare; "
            "set the attribute _FillValue of the variable"
        )
    return values


def axes(dataset: netCDF4.Dataset, where: str, box: Box = WHOLE_EARTH) -> Axes:
    """The latitude and longitude axes of a file inside ``box``; either direction, 0..360 or -180..180.

    Raises ``InputError`` for absent, swapped, irregular or impossible coordinates and where nothing lies in the box.
    """
    latitude, longitude = _axis(dataset, LATITUDES, where), _axis(dataset, LONGITUDES, where)
    swapped = _says(dataset, LATITUDES, "east") or _says(dataset, LONGITUDES, "north")
    if swapped or np.max(np.abs(latitude)) > 90.0 + 1e-6:
        found = f"latitude runs {latitude[0]:g}..{latitude[-1]:g}"
        remedy = (
            "latitude and longitude are swapped, exchange them"
            if _swapped(latitude, longitude) or swapped
            else ("correct the coordinate")
        )
        raise InputError(f"{where}: {found}, expected -90..90; {remedy}")
    step_lat, step_lon = _step(latitude, "latitude", where), _step((longitude + 360.0) % 360.0, "longitude", where)
    step = step_lat or step_lon
    if not step or (step_lon and step_lat and abs(step_lat - step_lon) > 1e-3 * step_lat):
        raise InputError(
            f"{where}: cells of {step_lat:g} by {step_lon:g} degrees, expected square ones on a regular grid; "
            "regrid the file"
        )
    east = (longitude + 180.0) % 360.0 - 180.0
    south, north, west, east_edge = box
    rows, columns = np.argsort(latitude, kind="stable"), np.argsort(east, kind="stable")
    near = 0.5 * step
    rows = rows[(latitude[rows] > south - near) & (latitude[rows] < north + near)]
    columns = columns[(east[columns] > west - near) & (east[columns] < east_edge + near)]
    if not rows.size or not columns.size:
        raise InputError(
            f"{where}: no cell between {south:g}..{north:g} N and {west:g}..{east_edge:g} E (the file has "
            f"{latitude.min():g}..{latitude.max():g} N, {east.min():g}..{east.max():g} E); change 'box' or the file"
        )
    return Axes(latitude[rows], east[columns], rows, columns, float(step))


def _axis(dataset: netCDF4.Dataset, names: Sequence[str], where: str) -> np.ndarray:
    for name in names:
        if name in dataset.variables:
            values = np.asarray(dataset.variables[name][:], dtype=np.float64)
            if values.ndim != 1 or not values.size or not np.all(np.isfinite(values)):
                raise InputError(
                    f"{where}: '{name}' has shape {values.shape}, expected one row of degrees; regrid the file"
                )
            return values
    raise InputError(f"{where}: no coordinate {' or '.join(map(repr, names[:2]))}; add it in degrees")


def _says(dataset: netCDF4.Dataset, names: Sequence[str], word: str) -> bool:
    return any(
        name in dataset.variables and word in str(getattr(dataset.variables[name], "units", "")) for name in names
    )


def _swapped(latitude: np.ndarray, longitude: np.ndarray) -> bool:
    return bool(np.max(np.abs(longitude)) <= 90.0) or longitude.size < latitude.size


def _step(values: np.ndarray, name: str, where: str) -> float:
    """Distance of neighbours of a regular axis (0 for a single one)."""
    if values.size == 1:
        return 0.0
    gaps = np.diff(np.sort(values))
    step = float(np.median(gaps))
    wrap = np.abs(gaps - step) > 0.01 * step
    allowed = 1 if name == "longitude" else 0  # a box across the date line or Greenwich has one wide gap
    if step <= 0 or wrap.sum() > allowed:
        raise InputError(
            f"{where}: '{name}' is not evenly spaced (steps {gaps.min():g}..{gaps.max():g}); regrid the file"
        )
    return step


def dimensions_of(variable: netCDF4.Variable, dataset: netCDF4.Dataset, where: str) -> tuple[int, int]:
    """Positions of the latitude and longitude dimensions of a variable; other dimensions must have "
    "length 1 or be named.
    """
    found = []
    for names in (LATITUDES, LONGITUDES):
        own = {dataset.variables[name].dimensions[0] for name in names if name in dataset.variables}
        place = [k for k, d in enumerate(variable.dimensions) if d in own]
        if len(place) != 1:
            raise InputError(
                f"{where}: dimensions {variable.dimensions} do not hold latitude and longitude once each; "
                "give the variable on the axes of the file"
            )
        found.append(place[0])
    return found[0], found[1]


def read(
    path: Path | str, names: Sequence[str] = (), box: Box = WHOLE_EARTH, *, optional: bool = False
) -> Field | None:
    """Read one two-dimensional variable inside ``box``.

    ``names``: what it may be called, first match; none: the only two-dimensional variable of the file. ``optional``:
    None instead of an error where the file has none of the names. Raises ``InputError``.
    """
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
        at_lat, at_lon = dimensions_of(variable, dataset, where)
        key: list[Any] = []
        for k, dimension in enumerate(variable.dimensions):
            if k == at_lat:
                key.append(slice(int(grid.rows.min()), int(grid.rows.max()) + 1))
            elif k == at_lon:
                key.append(slice(int(grid.columns.min()), int(grid.columns.max()) + 1))
            elif len(dataset.dimensions[dimension]) == 1:
                key.append(0)
            else:
                raise InputError(
                    f"{where}: dimension '{dimension}' has {len(dataset.dimensions[dimension])} entries, expected a "
                    "map "
                    "of latitude and longitude; select one entry"
                )
        values = numbers(variable, tuple(key), where)
        if at_lat > at_lon:
            values = values.T
        values = values[grid.rows - grid.rows.min()][:, grid.columns - grid.columns.min()]
        said = attributes(variable)
        return Field(
            values, grid.latitude, grid.longitude, grid.step, str(said.get("units", "")), name, str(path), said
        )


def need(path: Path | str, names: Sequence[str] = (), box: Box = WHOLE_EARTH) -> Field:
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
        and np.dtype(variable.dtype).kind in "iuf"
    ]
    return maps[0] if len(maps) == 1 else None
