"""Monthly climate from rasters, one a variable and month, as CHELSA, WorldClim, PRISM and SNAP publish it.

Each raster becomes a netCDF file of the cells of a run, under its own name in a temporary folder that goes with the process;
``monthly_series`` reads it like any other. Variable and month stand in the name of the raster, scale and offset in the raster,
the unit in the raster, in its name or in ``CHELSA``; else the plan gives it. In any projection a cell of the run is the one of
the raster whose centre lies at its place.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cftime
import netCDF4
import numpy as np

from jtem.errors import InputError
from jtem.readers import cf, layouts, rasters

if TYPE_CHECKING:
    from rasterio import DatasetReader

CHELSA = {"tas": "0.1 K", "tasmin": "0.1 K", "tasmax": "0.1 K", "pr": "0.01 kg m-2 month-1", "rsds": "0.001 MJ m-2 d-1"}
"""Units of the whole numbers in CHELSA's monthly files of version 2.1, which have no scale of their own (its technical
specification, section 7.2, as users quote it)."""
UNIT_WORDS = {"C": "degC", "K": "K", "mm": "mm"}
"""Units as names of rasters hold them (``tas_mean_C_...``, ``pr_total_mm_...`` of SNAP)."""
_DAYS = re.compile(r"(?<!\d)(\d{8}|\d\d[-_]\d\d[-_]\d{4}|\d{4}[-_]\d\d[-_]\d\d)(?!\d)")
_MANY_YEARS = re.compile(r"(?<!\d)\d{4}-\d{4}(?!\d)")
_MONTHS = (
    re.compile(r"(?<!\d)(?P<month>\d\d)[-_](?P<year>\d{4})(?!\d)"),
    re.compile(r"(?<!\d)(?P<year>\d{4})[-_]?(?P<month>\d\d)(?!\d)"),
)
_kept: list[tempfile.TemporaryDirectory[str]] = []


def named(path: Path | str, names: Mapping[str, str]) -> tuple[str, int]:
    """Variable and month (12 year + month - 1) in the name of a raster; ``names``: as of a plan. Raises ``InputError``."""
    stem = Path(path).stem
    known = {n.lower(): n for one in layouts.LAYOUTS.values() for part in one.parts for n in part.names}
    known |= {n.lower(): n for key, n in names.items() if key in layouts.CLIMATE_NAMES}
    found = {known[word.lower()] for word in re.split(r"[^0-9A-Za-z]+", stem) if word.lower() in known}
    if len(found) != 1:
        raise InputError(
            f"{path}: the name tells {'no variable' if not found else ' and '.join(sorted(found))}, expected one such as 'tas'; "
            "rename the file or say under [domain.names] how its variable is called there"
        )
    for pattern, what in ((_DAYS, "a day"), (_MANY_YEARS, "a mean of many years")):
        if pattern.search(stem):
            raise InputError(f"{path}: is {what} by its name; rasters must be single months, as tas_01_1991.tif")
    months = {
        12 * int(match["year"]) + int(match["month"]) - 1
        for pattern in _MONTHS
        for match in pattern.finditer(stem)
        if 1 <= int(match["month"]) <= 12 and 1000 <= int(match["year"]) < 3000
    }
    if len(months) != 1:
        raise InputError(
            f"{path}: the name tells {len(months)} months, expected one as in tas_01_1991.tif or tas_1991-01.tif"
        )
    return found.pop(), months.pop()


def covered(paths: Sequence[Path | str], names: Mapping[str, str]) -> dict[str, list[int]]:
    """Months of each variable among rasters, in order; raises ``InputError`` for a month that is there twice."""
    result: dict[str, dict[int, str]] = {}
    for path in paths:
        variable, month = named(path, names)
        other = result.setdefault(variable, {}).setdefault(month, str(path))
        if other != str(path):
            raise InputError(
                f"{path}: '{variable}' of {month // 12}-{month % 12 + 1:02d} is in {other}, too; drop one file"
            )
    return {variable: sorted(months) for variable, months in result.items()}


def converted(
    paths: Sequence[Path], places: tuple[np.ndarray, np.ndarray], names: Mapping[str, str] | None, layout: str
) -> list[Path]:
    """The paths, with a netCDF file of the cells at ``places`` (latitude, longitude) for each raster. Raises ``InputError``."""
    own = [path for path in paths if rasters.is_raster(path)]
    if not own:
        return list(paths)
    covered(own, names or {})
    _kept.append(tempfile.TemporaryDirectory(prefix="jtem-rasters-"))
    at: dict[tuple, tuple[np.ndarray, np.ndarray]] = {}
    made = []
    for number, path in enumerate(own):
        folder = Path(_kept[-1].name) / str(number)  # names may be there twice, in other folders
        folder.mkdir()
        variable, month = named(path, names or {})
        with rasters.opened(path) as data:
            key = (data.transform, data.crs, data.shape)
            if key not in at:
                at[key] = _cells(data, path, *places)
            _write(folder / path.name, data, at[key], places, variable, month, layout)
        made.append(folder / path.name)
    return [path for path in paths if not rasters.is_raster(path)] + made


def _cells(
    data: DatasetReader, path: Path, latitude: np.ndarray, longitude: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the cells whose centres lie at the places; raises ``InputError`` where there is none."""
    x, y, degree = longitude, latitude, 1.0
    if data.crs is not None and not data.crs.is_geographic:
        from rasterio.warp import transform

        x, y = (np.array(v) for v in transform("EPSG:4326", data.crs, longitude.tolist(), latitude.tolist())[:2])
        degree = rasters.METRES_PER_DEGREE / data.crs.linear_units_factor[1]
    else:
        x = data.bounds.left + (x - data.bounds.left) % 360.0
    back = ~data.transform
    column, row = back.a * x + back.b * y + back.c, back.d * x + back.e * y + back.f
    width, height = (abs(v) for v in (data.transform.a, data.transform.e))
    off = np.hypot((column % 1.0 - 0.5) * width, (row % 1.0 - 0.5) * height) / degree
    inside = (column >= 0) & (column < data.width) & (row >= 0) & (row < data.height)
    bad = ~inside | (off > min(cf.TOLERANCE, min(width, height) / degree / cf.CLEARLY))
    if bad.any():
        k = int(np.argmax(bad))
        raise InputError(
            f"{path}: no cell with its centre at ({latitude[k]:.4f}, {longitude[k]:.4f}), which the static file has; bring both "
            "to the same grid (gdalwarp -tr ... -te ...)"
        )
    return row.astype(int), column.astype(int)


def _write(
    path: Path,
    data: DatasetReader,
    at: tuple[np.ndarray, np.ndarray],
    places: tuple[np.ndarray, np.ndarray],
    variable: str,
    month: int,
    layout: str,
) -> None:
    """One month of one variable on cells, as stored in the raster."""
    from rasterio.windows import Window

    rows, columns = at
    low, left = int(rows.min()), int(columns.min())
    high, wide = int(rows.max()) + 1 - low, int(columns.max()) + 1 - left
    if high * wide > rasters.MOST_CELLS:
        raise InputError(
            f"{path.name}: {high} x {wide} cells around the static file's do not fit into memory; take fewer"
        )
    kind = np.dtype(data.dtypes[0])
    values = data.read(1, window=Window(left, low, wide, high))[rows - low, columns - left]  # pyright: ignore[reportCallIssue]
    said: dict[str, str | float] = {"units": _unit(data, path, variable, kind, layout)}
    if (data.scales[0], data.offsets[0]) != (1.0, 0.0):
        said |= {"scale_factor": data.scales[0], "add_offset": data.offsets[0]}
    said = {name: value for name, value in said.items() if value != ""}
    fill = data.nodata
    if fill is not None and kind.kind in "iu" and not np.iinfo(kind).min <= fill <= np.iinfo(kind).max:
        fill = None
    unit = "days since 1850-01-01"
    edges = [
        cftime.date2num(cftime.datetime(k // 12, k % 12 + 1, 1, calendar="standard"), unit, "standard")
        for k in (month, month + 1)
    ]
    with netCDF4.Dataset(str(path), "w") as file:
        for name, size in (("time", 1), ("bnds", 2), ("cell", rows.size)):
            file.createDimension(name, size)
        for name, dims, content, attributes in (
            ("latitude", ("cell",), places[0], {"units": "degrees_north"}),
            ("longitude", ("cell",), places[1], {"units": "degrees_east"}),
            ("time", ("time",), edges[:1], {"units": unit, "calendar": "standard", "bounds": "time_bnds"}),
            ("time_bnds", ("time", "bnds"), [edges], {}),
        ):
            own = file.createVariable(name, "f8", dims)
            own[...] = content
            own.setncatts(attributes)
        own = file.createVariable(
            variable, kind.str, ("time", "cell"), fill_value=None if fill is None else kind.type(fill)
        )
        own.set_auto_maskandscale(False)
        own.setncatts(said)
        own[0] = values


def _unit(data: DatasetReader, path: Path, variable: str, kind: np.dtype, layout: str) -> str:
    """Unit of a raster's numbers; "" where nothing tells it."""
    if data.units[0]:
        return str(data.units[0])
    words = {UNIT_WORDS[word] for word in re.split(r"[^0-9A-Za-z]+", path.stem) if word in UNIT_WORDS}
    if len(words) == 1:
        return words.pop()
    unit = CHELSA.get(variable, "") if layout == "chelsa" or path.name.startswith("CHELSA_") else ""
    if not unit or kind.kind == "f":
        return ""
    if (data.scales[0], data.offsets[0]) == (1.0, 0.0):
        return unit
    return "degC" if unit.endswith(" K") and data.offsets[0] < -200.0 else unit.partition(" ")[2]
