"""Rasters of geographic information systems (GeoTIFF, VRT, ESRI BIL) as fields on latitude and longitude.

Read by rasterio (the extra ``raster``). Missing values, scale and offset are those of the file. A raster in another projection,
as SoilGrids in Goode's homolosine, is warped to degrees at its own resolution, each new cell with the value of the nearest old
one, so that classes and codes stay what they are; only the part inside the box is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jtem.errors import InputError
from jtem.readers.field import WHOLE_EARTH, Box, Map, inside_longitudes

if TYPE_CHECKING:
    from rasterio import DatasetReader

SUFFIXES = (".tif", ".tiff", ".vrt", ".bil")
METRES_PER_DEGREE = 111_320.0
MOST_CELLS = 250_000_000
"""Cells of a raster that are read at once (2 GB)."""


def is_raster(path: Path | str) -> bool:
    """Whether the file's name ends like that of a raster."""
    return Path(path).suffix.lower() in SUFFIXES


@contextmanager
def opened(path: Path | str) -> Iterator[DatasetReader]:
    """A raster of one band, open; raises ``InputError`` where it is not there, not readable or has more bands."""
    if not Path(path).is_file():
        raise InputError(f"{path}: file not found; check the name and the data folder")
    try:
        import rasterio
        from rasterio.errors import RasterioError
    except ImportError:
        raise InputError(
            f"{path}: rasters are read with rasterio, which is not installed; pip install 'jtem[raster]'"
        ) from None
    try:
        with rasterio.open(path) as data:
            if data.count != 1:
                raise InputError(f"{path}: {data.count} bands, expected one; take one out (gdal_translate -b 1)")
            yield data
    except RasterioError as error:
        raise InputError(f"{path}: not a readable raster ({error}); fetch it again or convert it to GeoTIFF") from None


def read(path: Path | str, box: Box = WHOLE_EARTH) -> Map:
    """The one band of a raster inside ``box`` as a field; raises ``InputError``.

    ``attributes``: the tags of the band, and ``dtype``, as what its numbers are stored.
    """
    with opened(path) as data:
        latitude, longitude, values = _in_degrees(data, path, box)
        scale, offset = data.scales[0], data.offsets[0]
        said: dict[str, object] = {**data.tags(1), "dtype": data.dtypes[0]}
        unit, name = data.units[0] or "", data.descriptions[0] or Path(path).stem
    masked = values if np.issubdtype(values.dtype, np.floating) else np.ma.asarray(values, np.float64)
    values = np.asarray(masked.filled(np.nan), np.float64) * scale + offset
    order = np.argsort(latitude, kind="stable"), np.argsort(longitude, kind="stable")
    steps = [float(np.median(np.diff(np.unique(axis)))) if axis.size > 1 else 0.0 for axis in (latitude, longitude)]
    step, step_lon = steps[0] or steps[1], steps[1] or steps[0]
    return Map(
        values[order[0]][:, order[1]], latitude[order[0]], longitude[order[1]], step, unit, name, str(path), said,
        0.0 if abs(step - step_lon) <= 1e-3 * step else step_lon,
    )  # fmt: skip


def _in_degrees(data: DatasetReader, path: Path | str, box: Box) -> tuple[np.ndarray, np.ndarray, np.ma.MaskedArray]:
    """Latitudes, longitudes (-180..180) and the masked values inside the box, in any order of rows and columns."""
    bounds = data.bounds
    within = max(abs(bounds.left), abs(bounds.right)) <= 360.5 and max(abs(bounds.top), abs(bounds.bottom)) <= 90.5
    if data.crs is None and not within:
        raise InputError(f"{path}: says no projection and is not in degrees; set it (gdal_edit -a_srs EPSG:...)")
    straight = data.transform.b == 0 and data.transform.d == 0
    if data.crs is None or (data.crs.is_geographic and straight):
        return _window(data, path, box)
    return _warped(data, path, box)


def _centres(first: float, step: float, count: int) -> np.ndarray:
    return first + step * (np.arange(count) + 0.5)


def _inside(path: Path | str, latitude: np.ndarray, longitude: np.ndarray, box: Box, steps: tuple[float, float]):
    """Rows and columns of cells that touch the box; raises ``InputError`` for none and for too many."""
    south, north, west, east = box
    half, half_lon = 0.5 * steps[0], 0.5 * steps[1]
    rows = np.flatnonzero((latitude > south - half) & (latitude < north + half))
    columns = np.flatnonzero(inside_longitudes(longitude, west, east, half_lon))
    if not rows.size or not columns.size:
        raise InputError(
            f"{path}: no cell between {south:g}..{north:g} N and {west:g}..{east:g} E (the file has "
            f"{latitude.min():g}..{latitude.max():g} N, {longitude.min():g}..{longitude.max():g} E); change 'box' or the file"
        )
    if rows.size * columns.size > MOST_CELLS:
        raise InputError(
            f"{path}: {rows.size} x {columns.size} cells of {steps[0]:.2g} degrees in the box do not fit into memory; make 'box' "
            "smaller, or average the raster first (gdalwarp -t_srs EPSG:4326 -tr 0.01 0.01 -r average; codes: -r mode)"
        )
    return rows, columns


def _window(data: DatasetReader, path: Path | str, box: Box) -> tuple[np.ndarray, np.ndarray, np.ma.MaskedArray]:
    """The part of a raster in degrees."""
    t = data.transform
    latitude = _centres(t.f, t.e, data.height)
    longitude = (_centres(t.c, t.a, data.width) + 180.0) % 360.0 - 180.0
    rows, columns = _inside(path, latitude, longitude, box, (abs(t.e), abs(t.a)))
    window = ((int(rows[0]), int(rows[-1]) + 1), (int(columns[0]), int(columns[-1]) + 1))
    values = data.read(1, window=window, masked=True)[:, columns - columns[0]]
    return latitude[rows], longitude[columns], values


def _warped(data: DatasetReader, path: Path | str, box: Box) -> tuple[np.ndarray, np.ndarray, np.ma.MaskedArray]:
    """The part of a raster in another projection, at its own resolution in degrees, cut to where it has values."""
    from rasterio.enums import Resampling
    from rasterio.transform import Affine
    from rasterio.vrt import WarpedVRT

    metres = (abs(data.transform.a) * abs(data.transform.e) + abs(data.transform.b) * abs(data.transform.d)) ** 0.5
    metres *= 1.0 if data.crs.is_geographic else data.crs.linear_units_factor[1]
    step = metres if data.crs.is_geographic else metres / METRES_PER_DEGREE
    height, width = round(180.0 / step), round(360.0 / step)
    down, along = 180.0 / height, 360.0 / width
    latitude, longitude = _centres(90.0, -down, height), _centres(-180.0, along, width)
    rows, columns = _inside(path, latitude, longitude, box, (down, along))
    transform = Affine(along, 0.0, -180.0, 0.0, -down, 90.0)
    window = ((int(rows[0]), int(rows[-1]) + 1), (int(columns[0]), int(columns[-1]) + 1))
    options = {
        "crs": "EPSG:4326",
        "transform": transform,
        "width": width,
        "height": height,
        "add_alpha": data.nodata is None,
    }
    with WarpedVRT(data, resampling=Resampling.nearest, **options) as warped:
        values = warped.read(1, window=window, masked=True)
        if data.nodata is None:
            values = np.ma.masked_where(warped.dataset_mask(window=window) == 0, values)
    values = values[:, columns - columns[0]]
    there = ~np.ma.getmaskarray(values)
    if not there.any():
        raise InputError(f"{path}: no value inside the box; change 'box' or give the raster that covers it")
    keep = [np.flatnonzero(there.any(axis=axis)) for axis in (1, 0)]
    high, wide = (slice(int(k[0]), int(k[-1]) + 1) for k in keep)
    return latitude[rows][high], longitude[columns][wide], values[high, wide]
