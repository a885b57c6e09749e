"""From the grid of a file to the cells of a run: nearest value, area mean, shares of classes, nearest filled place.

A coarser source is shared: each cell of the run takes the value of the source cell that holds its centre, as Liu et al.
(2022) did with 0.5-degree climate on 0.1-degree cells (no correction by default). A finer source is averaged over the
cell, or counted by class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jtem.constants import EARTH_RADIUS_KM
from jtem.errors import InputError
from jtem.readers.fields import Box, Map, inside_longitudes

FINER = 0.75
"""A source is finer than the run where its step is below this share of the run's."""


@dataclass(frozen=True)
class Targets:
    """Cells of a run: centres ``latitude``, ``longitude`` (cell,) in degrees on a regular grid of ``step`` degrees."""

    latitude: np.ndarray
    longitude: np.ndarray
    step: float

    def take(self, rows: np.ndarray) -> Targets:
        """Some of the cells."""
        return Targets(self.latitude[rows], self.longitude[rows], self.step)

    @property
    def area(self) -> np.ndarray:
        """Area of the whole cells, km2, (cell,)."""
        half = 0.5 * self.step
        south, north = (np.deg2rad(np.clip(self.latitude + s * half, -90.0, 90.0)) for s in (-1, 1))
        return EARTH_RADIUS_KM**2 * (np.sin(north) - np.sin(south)) * np.deg2rad(self.step)


def regular(box: Box, step: float) -> Targets:
    """All cells of a global grid of ``step`` degrees (edges at -90 and -180) whose centres lie in ``box``."""
    south, north, west, east = box
    latitude = -90.0 + step * (np.arange(round(180.0 / step)) + 0.5)
    longitude = -180.0 + step * (np.arange(round(360.0 / step)) + 0.5)
    latitude = latitude[(latitude >= south) & (latitude <= north)]
    longitude = longitude[inside_longitudes(longitude, west, east)]
    lat, lon = np.meshgrid(np.round(latitude, 6), np.round(longitude, 6), indexing="ij")
    return Targets(lat.ravel(), lon.ravel(), float(step))


def of_field(field: Map) -> Targets:
    """The cells of a field; raises ``InputError`` unless they are square."""
    if abs(field.steps[0] - field.steps[1]) > 1e-3 * field.step:
        raise InputError(
            f"{field.where}: cells of {field.steps[0]:g} by {field.steps[1]:g} degrees cannot be the cells of a run; set "
            "'resolution' in [prepare]"
        )
    lat, lon = np.meshgrid(field.latitude, field.longitude, indexing="ij")
    return Targets(lat.ravel(), lon.ravel(), field.step)


def nearest_index(axis: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Index of the nearest value of an ascending axis, (wanted,)."""
    right = np.clip(np.searchsorted(axis, wanted), 1, max(axis.size - 1, 1))
    if axis.size == 1:
        return np.zeros(wanted.shape, dtype=int)
    left = right - 1
    return np.where(wanted - axis[left] <= axis[right] - wanted, left, right)


def nearest_longitude(axis: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """As :func:`nearest_index` of an ascending axis of longitudes, round the Earth."""
    around = np.concatenate([axis[-1:] - 360.0, axis, axis[:1] + 360.0])
    east = (np.asarray(wanted) + 180.0) % 360.0 - 180.0
    return (nearest_index(around, east) - 1) % axis.size


def apart(longitude: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Distance of longitudes in degrees, 0..180."""
    return np.abs((longitude - other + 180.0) % 360.0 - 180.0)


def holds(field: Map, targets: Targets) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row and column of the source cell that holds each centre, and whether there is one; each (cell,)."""
    row, column = nearest_index(field.latitude, targets.latitude), nearest_longitude(field.longitude, targets.longitude)
    edge, edge_lon = (0.5 * step * (1 + 1e-6) for step in field.steps)
    inside = np.abs(field.latitude[row] - targets.latitude) <= edge
    inside &= apart(field.longitude[column], targets.longitude) <= edge_lon
    return row, column, inside


def members(field: Map, targets: Targets) -> np.ndarray:
    """Which cell of the run each cell of a finer source falls into: index, or -1; shape of the field."""
    south, west = targets.latitude.min() - 0.5 * targets.step, targets.longitude.min() - 0.5 * targets.step
    height = round((targets.latitude.max() - south) / targets.step + 0.5)
    width = round((targets.longitude.max() - west) / targets.step + 0.5)
    lookup = np.full((height, width), -1, dtype=np.int64)
    at = np.floor((targets.latitude - south) / targets.step).astype(int)
    along = np.floor((targets.longitude - west) / targets.step).astype(int)
    lookup[at, along] = np.arange(targets.latitude.size)
    row = np.floor((field.latitude - south) / targets.step + 1e-9).astype(int)
    column = np.floor((field.longitude - west) / targets.step + 1e-9).astype(int)
    inside = ((row >= 0) & (row < height))[:, None] & ((column >= 0) & (column < width))[None, :]
    found = lookup[np.clip(row, 0, height - 1)][:, np.clip(column, 0, width - 1)]
    return np.where(inside, found, -1)


def mean(field: Map, targets: Targets) -> np.ndarray:
    """Value for each cell of the run, (cell,); NaN where the source has none.

    A finer source is averaged by area over its cells with data, a coarser one shared.
    """
    if max(field.steps) >= FINER * targets.step:
        row, column, inside = holds(field, targets)
        return np.where(inside, field.values[row, column], np.nan)
    total, weight = _sums(field, targets, np.isfinite(field.values), field.values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), np.nan)


def shares(field: Map, targets: Targets, code: float) -> np.ndarray:
    """Share of each cell's area that has class ``code``, (cell,); missing source cells count as without it."""
    if max(field.steps) >= FINER * targets.step:
        row, column, inside = holds(field, targets)
        return np.where(inside & (field.values[row, column] == code), 1.0, 0.0)
    everywhere = np.ones(field.values.shape, dtype=bool)
    total, weight = _sums(field, targets, everywhere, (field.values == code).astype(np.float64))
    return np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), 0.0)


def _sums(field: Map, targets: Targets, valid: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    where = members(field, targets)
    use = valid & (where >= 0)
    weight = np.broadcast_to(np.cos(np.deg2rad(field.latitude))[:, None], values.shape)[use]
    count = targets.latitude.size
    total = np.bincount(where[use], weights=weight * values[use], minlength=count)
    return total, np.bincount(where[use], weights=weight, minlength=count)


def nearest_place(
    latitude: np.ndarray, longitude: np.ndarray, known_latitude: np.ndarray, known_longitude: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Nearest known place on the sphere to each place: index and distance in km, each (place,)."""

    def position(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        lat, lon = np.deg2rad(lat), np.deg2rad(lon)
        return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)

    known = position(known_latitude, known_longitude)
    index, distance = np.zeros(latitude.size, dtype=int), np.zeros(latitude.size)
    for start in range(0, latitude.size, 256):  # memory is that of 256 places, whatever their number
        part = slice(start, start + 256)
        cosine = position(latitude[part], longitude[part]) @ known.T
        index[part] = np.argmax(cosine, axis=1)
        chord = np.sqrt(np.maximum(2.0 - 2.0 * np.max(cosine, axis=1), 0.0))
        distance[part] = 2.0 * EARTH_RADIUS_KM * np.arcsin(np.clip(0.5 * chord, 0.0, 1.0))
    return index, distance


def fill_nearest(values: np.ndarray, targets: Targets, limit_km: float, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Cells without a value take that of the nearest cell with one, within ``limit_km``.

    ``values``: (cell,) or (cell, n), NaN where missing. Returns the values and which cells were filled (cell,).
    Raises ``InputError`` where nothing lies near enough.
    """
    table = values.reshape(values.shape[0], -1)
    missing = ~np.all(np.isfinite(table), axis=1)
    if not missing.any():
        return values, missing
    known = np.nonzero(~missing)[0]
    place = targets.take(missing)
    if not known.size:
        raise InputError(f"{what}: no cell of the run has a value; check that the file covers the box")
    index, distance = nearest_place(place.latitude, place.longitude, targets.latitude[known], targets.longitude[known])
    worst = int(np.argmax(distance))
    if distance[worst] > limit_km:
        raise InputError(
            f"{what}: nothing within {limit_km:g} km of ({place.latitude[worst]:.2f}, {place.longitude[worst]:.2f}) "
            f"({int(np.sum(distance > limit_km))} cells in all); complete the file or leave those cells out with a mask"
        )
    filled = table.copy()
    filled[missing] = table[known[index]]
    return filled.reshape(values.shape), missing


def temperature_offset(run_elevation: np.ndarray, climate_elevation: np.ndarray, lapse_rate: float) -> np.ndarray:
    """Correction of air temperature for the difference of elevation, degC, (cell,).

    ``run_elevation``, ``climate_elevation``: m, of the cell and of the climate cell it shares. ``lapse_rate``: fall of
    temperature with height, degC per km (6.5 is the standard atmosphere's; 0 switches it off).
    """
    return -lapse_rate / 1000.0 * (run_elevation - climate_elevation)


def subdivide(targets: Targets, parts: int) -> tuple[Targets, np.ndarray]:
    """Each cell cut into ``parts`` x ``parts``: the small cells and the index of the cell each lies in."""
    step = targets.step / parts
    offset = (np.arange(parts) - 0.5 * (parts - 1)) * step
    lat = targets.latitude[:, None, None] + offset[:, None]
    lon = targets.longitude[:, None, None] + offset[None, :]
    lat, lon = np.broadcast_arrays(lat, lon)
    parent = np.repeat(np.arange(targets.latitude.size), parts * parts)
    return Targets(np.round(lat.ravel(), 6), np.round(lon.ravel(), 6), float(step)), parent
