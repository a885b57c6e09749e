"""Area of the cells of a netCDF file: from a variable, from bounds, else from the distance of neighbours."""

from __future__ import annotations

import itertools
import re

import netCDF4
import numpy as np

from jtem.constants import EARTH_RADIUS_KM
from jtem.errors import InputError
from jtem.readers import cf
from jtem.readers.units import understood


def area(dataset: netCDF4.Dataset, here: cf.Places, where: str, called: str = "") -> tuple[np.ndarray, str]:
    """Area of the cells in km2, and where it comes from.

    From the variable ``called``, else one that ``cell_measures`` or the standard name ``cell_area`` tell, else from bounds of
    the coordinates, else from the distance of neighbours; 1 km2 where nothing tells. Raises ``InputError``.
    """
    name = called if called in dataset.variables else _measure(dataset, here)
    if name:
        variable = dataset.variables[name]
        said = str(getattr(variable, "units", ""))
        values = cf.field(variable, here, f"{where}: {name}")
        if _ANGLE.fullmatch(said.strip()):
            return _plausible(values * EARTH_RADIUS_KM**2, dataset, here, where, name), f"'{name}'"
        unit = understood(said)
        if unit is None or unit.powers != (2, 0, 0, 0, 0, 0):
            raise InputError(
                f"{where}: '{name}' is in {getattr(variable, 'units', '')!r}, expected 'm2' or 'km2'; set its units attribute"
            )
        factor = {1.0: 1e-6, 1e6: 1.0}.get(unit.factor, unit.factor * 1e-6)
        return _plausible(values * factor, dataset, here, where, name), f"'{name}'"
    return _from_coordinates(dataset, here, where)


def _from_coordinates(dataset: netCDF4.Dataset, here: cf.Places, where: str) -> tuple[np.ndarray, str]:
    """Areas that bounds or neighbours tell, and which of them; 1 km2 and "" where nothing does."""
    corners = _from_corners(dataset, here, where)
    if corners is not None:
        return corners, "bounds"
    if here.axes is not None and max(a.size for a in here.axes) > 1:
        return _from_axes(*here.axes), "spacing"
    if here.axes is None and len(here.shape) == 2 and max(here.shape) > 1:
        return _from_neighbours(here), "neighbours"
    return np.ones(here.count), ""


_ANGLE = re.compile(r"sr|ster(?:adian)?s?|rad(?:ian)?s?\s*(?:\^|\*\*)?\s*2", re.IGNORECASE)
MOST, LEAST = 2.0, 1e-3
"""How many times a typical cell's area may be that of its place on the grid; land areas are shares of it."""


def _plausible(values: np.ndarray, dataset: netCDF4.Dataset, here: cf.Places, where: str, name: str) -> np.ndarray:
    """Areas (km2) that cells of this grid can have; raises ``InputError`` for others (m2 called km2)."""
    own, origin = _from_coordinates(dataset, here, where)
    use = np.isfinite(values) & (values > 0) & (own > 0)
    if origin and use.any():
        share = float(np.median(values[use] / own[use]))
        if not LEAST < share < MOST:
            raise InputError(
                f"{where}: '{name}' is {share:.3g} times the area of the cells by their coordinates (typically "
                f"{np.median(values[use]):.4g} km2); correct its units attribute (m2, km2)"
            )
    return values


def _measure(dataset: netCDF4.Dataset, here: cf.Places) -> str:
    """Name of the variable of cell areas; "" where there is none."""
    named = []
    for variable in dataset.variables.values():
        words = str(getattr(variable, "cell_measures", "")).replace(":", ": ").split()
        named += [after for word, after in itertools.pairwise(words) if word == "area:"]
    named += [n for n, v in dataset.variables.items() if str(getattr(v, "standard_name", "")) == "cell_area"]
    named += [
        n for n in dataset.variables if n.lower() in ("area", "areacella", "cell_area", "gridarea", "garea", "tarea")
    ]
    return next(
        (n for n in named if n in dataset.variables and set(here.dims) <= set(dataset.variables[n].dimensions)), ""
    )


def _from_corners(dataset: netCDF4.Dataset, here: cf.Places, where: str) -> np.ndarray | None:
    """Areas (cell,) from the bounds that the coordinates name; None without them."""
    found = []
    for name in here.names:
        variable = dataset.variables[name]
        bounds = dataset.variables.get(str(getattr(variable, "bounds", "")))
        if bounds is None or bounds.ndim != variable.ndim + 1 or bounds.dimensions[:-1] != variable.dimensions:
            return None
        values = cf.numbers(bounds, ..., f"{where}: {bounds.name}")
        if not np.all(np.isfinite(values)):
            return None
        unit = str(getattr(bounds, "units", getattr(variable, "units", ""))).strip().lower()
        found.append(values * cf.DEGREES.get(unit, 1.0))
    lat, lon = found
    if here.axes is not None:
        if lat.shape[-1] != 2 or lon.shape[-1] != 2:
            return None
        lat, lon = lat.reshape(-1, 2), lon.reshape(-1, 2)
        sine = np.sin(np.deg2rad(np.clip(lat, -90, 90)))
        width = np.abs((lon[:, 1] - lon[:, 0] + 180.0) % 360.0 - 180.0)
        width = np.where((width < 1e-9) & (np.abs(lon[:, 1] - lon[:, 0]) > 359), 360.0, width)
        result = EARTH_RADIUS_KM**2 * np.abs(sine[:, 1] - sine[:, 0])[:, None] * np.deg2rad(width)
        return result.ravel() if np.all(result > 0) else None
    if lat.shape[-1] < 3:
        return None
    count = lat.shape[-1]
    corner = _position(lat.reshape(-1, count), lon.reshape(-1, count))
    first, second, third = corner[:, :1], corner[:, 1:-1], corner[:, 2:]
    triple = np.einsum("ckx,ckx->ck", np.broadcast_to(first, second.shape), np.cross(second, third))
    under = 1 + (first * second).sum(-1) + (second * third).sum(-1) + (third * first).sum(-1)
    result = np.abs(2 * np.arctan2(triple, under).sum(axis=1)) * EARTH_RADIUS_KM**2
    return result if np.all(result > 0) else None


def _position(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    lat, lon = np.deg2rad(lat), np.deg2rad(lon)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def halves(axis: np.ndarray, around: bool) -> tuple[np.ndarray, np.ndarray]:
    """Half the distance to the next lower and the next higher neighbour of an axis in any order, degrees.

    ``around``: neighbours across the date line count. At a gap or an end the smaller side stands for both, and for an axis
    of one value both are 0.
    """
    order = np.argsort((axis + 180.0) % 360.0 - 180.0 if around else axis, kind="stable")
    values = ((axis + 180.0) % 360.0 - 180.0 if around else axis)[order]
    values, back = np.unique(values, return_inverse=True)
    if values.size == 1:
        return np.zeros(axis.size), np.zeros(axis.size)
    gaps = np.diff(values)
    below, above = np.concatenate([[np.inf], gaps]), np.concatenate([gaps, [np.inf]])
    if around:
        below[0] = above[-1] = values[0] + 360.0 - values[-1]
    below, above = np.where(below > 1.5 * above, above, below), np.where(above > 1.5 * below, below, above)
    result = np.empty((2, axis.size))
    result[:, order] = 0.5 * np.stack([below, above])[:, back]
    return result[0], result[1]


def _from_axes(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Areas (cell,), km2, of the cells of two axes; an axis of one value takes the step of the other."""
    (south, north), (west, east) = halves(latitude, False), halves(longitude, True)
    if latitude.size == 1 or not north.any():
        south = north = np.full(latitude.size, 0.25 * np.median(west + east) * 2.0)
    if longitude.size == 1 or not east.any():
        west = east = np.full(longitude.size, 0.25 * np.median(south + north) * 2.0)
    low, high = np.clip(latitude - south, -90, 90), np.clip(latitude + north, -90, 90)
    band = EARTH_RADIUS_KM**2 * (np.sin(np.deg2rad(high)) - np.sin(np.deg2rad(low)))
    return (band[:, None] * np.deg2rad(west + east)[None, :]).ravel()


def _from_neighbours(here: cf.Places) -> np.ndarray:
    """Areas (cell,), km2, of a grid with two-dimensional coordinates, from the distance of neighbours on the sphere."""
    place = _position(here.latitude, here.longitude).reshape(*here.shape, 3)
    sides = [np.gradient(place, axis=k) if here.shape[k] > 1 else None for k in (0, 1)]
    if sides[0] is None or sides[1] is None:
        side = sides[0] if sides[0] is not None else sides[1]
        assert side is not None
        return (EARTH_RADIUS_KM**2 * (side**2).sum(-1)).ravel()
    return EARTH_RADIUS_KM**2 * np.linalg.norm(np.cross(sides[0], sides[1]), axis=-1).ravel()
