"""Monthly climate and fixed fields from CF netCDF files: any calendar, units from attributes, cells from coordinates.

Spatial dimensions may be ``lat, lon`` (1-D coordinates), ``y, x`` with 2-D ``lat``/``lon``, or ``cell``. Latitude may
run either way. Units are converted here and nowhere else; what is not understood is refused.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from jtem.errors import InputError, suggest
from jtem.files import data_path
from jtem.readers import co2 as carbon_dioxide
from jtem.readers.catalogue import Domain, Find
from jtem.readers.embedded import EARTH_RADIUS_KM

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
LATITUDES, LONGITUDES = ("lat", "latitude"), ("lon", "longitude")
SECONDS_PER_DAY = 86400.0


# --- units -----------------------------------------------------------------------------------------------------------


def _plain(unit: str) -> str:
    """A unit without decoration: ``kg/m2/s`` and ``kg m^-2 s**-1`` become ``kg m-2 s-1``."""
    text = unit.replace("**", "").replace("^", "").replace("·", " ").replace(".", " ")
    first, *rest = text.split("/")
    for part in rest:
        part = part.strip()
        digits = part.lstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
        first += f" {part.removesuffix(digits)}-{digits or 1}"
    words = {"day-1": "d-1", "mo-1": "month-1", "mon-1": "month-1", "sec-1": "s-1", "second-1": "s-1"}
    return " ".join(words.get(word, word) for word in first.split())


_TEMPERATURE = {"K": -273.15, "kelvin": -273.15, "Kelvin": -273.15} | dict.fromkeys(
    ("degC", "C", "°C", "celsius", "Celsius", "degrees_Celsius", "degree_Celsius", "deg_C", "degrees C", "degreesC"),
    0.0,
)
_PER_SECOND, _PER_DAY = ("kg m-2 s-1", "mm s-1"), ("mm d-1", "kg m-2 d-1")
_PER_MONTH = ("mm month-1", "kg m-2 month-1", "mm", "kg m-2")
_RADIATION = {"W m-2": 1.0, "MJ m-2 d-1": 1e6 / SECONDS_PER_DAY, "J m-2 d-1": 1.0 / SECONDS_PER_DAY} | {
    "cal cm-2 d-1": 41860.0 / SECONDS_PER_DAY,
    "J m-2 s-1": 1.0,
}
HOUSE_UNITS = {"air_temperature": "degC", "precipitation": "mm month-1", "shortwave_radiation": "W m-2"}


def to_house_units(name: str, values: np.ndarray, unit: str | None, days: np.ndarray, where: str) -> np.ndarray:
    """Convert one climate variable (time first) to degC, mm month-1 or W m-2.

    ``days`` (time,): days of each month in the file's calendar. Raises ``InputError`` for an absent or unknown unit.
    """
    if not unit:
        raise InputError(
            f"{where}: '{name}' has no units attribute, expected something convertible to {HOUSE_UNITS[name]!r}; add it"
        )
    plain = _plain(unit)
    per_time = days.reshape(-1, *([1] * (values.ndim - 1)))
    if name == "air_temperature" and plain in _TEMPERATURE:
        return values + _TEMPERATURE[plain]
    if name == "precipitation" and plain in _PER_SECOND:
        return values * SECONDS_PER_DAY * per_time
    if name == "precipitation" and plain in _PER_DAY:
        return values * per_time
    if name == "precipitation" and plain in _PER_MONTH:
        return values * 1.0
    if name == "shortwave_radiation" and plain in _RADIATION:
        return values * _RADIATION[plain]
    choices = {"air_temperature": "K or degC", "precipitation": "kg m-2 s-1, mm d-1 or mm month-1"}
    raise InputError(
        f"{where}: '{name}' is in {unit!r}, expected {choices.get(name, 'W m-2')}; correct the units "
        "attribute or convert it"
    )


# --- files -----------------------------------------------------------------------------------------------------------


def open_file(path: Path | str) -> xr.Dataset:
    """Open one netCDF file with calendars decoded by cftime; raises ``InputError`` if it cannot be read."""
    try:
        return xr.open_dataset(path, decode_times=xr.coders.CFDatetimeCoder(use_cftime=True), engine="netcdf4")
    except FileNotFoundError:
        raise InputError(f"{path}: file not found; check the name and the data folder") from None
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a readable CF netCDF file ({reason}); check the file") from None


def _variable(dataset: xr.Dataset, name: str, where: str) -> xr.DataArray:
    if name not in dataset:
        raise InputError(
            f"{where}: variable '{name}' is missing; add it or give its name in the file under [domain.names] "
            f"({suggest(name, map(str, dataset.data_vars))})"
        )
    return dataset[name]


def _coordinate(dataset: xr.Dataset, names: Sequence[str], where: str) -> xr.DataArray:
    for name in names:
        if name in dataset.variables:
            return dataset[name]
    raise InputError(f"{where}: no coordinate {' or '.join(map(repr, names))}; add it in degrees")


def flatten(dataset: xr.Dataset, where: str) -> tuple[xr.Dataset, tuple[str, ...]]:
    """Space as one dimension ``cell`` with ``latitude`` and ``longitude`` (degrees, -180..180) along it.

    Returns the dataset and the spatial dimensions of the file. Raises ``InputError`` for absent or impossible
    coordinates.
    """
    latitude, longitude = _coordinate(dataset, LATITUDES, where), _coordinate(dataset, LONGITUDES, where)
    if latitude.ndim == 1 and latitude.dims != longitude.dims:
        dims: tuple[str, ...] = (str(latitude.dims[0]), str(longitude.dims[0]))
        latitude, longitude = xr.broadcast(latitude, longitude)
    else:
        dims = tuple(str(d) for d in latitude.dims)
    lat = np.asarray(latitude.values, dtype=np.float64).ravel()
    lon = np.asarray(longitude.transpose(*latitude.dims).values, dtype=np.float64).ravel()
    if np.nanmax(np.abs(lat), initial=0.0) > 90:
        remedy = "exchange latitude and longitude" if np.nanmax(np.abs(lon)) <= 90 else "correct the coordinate"
        raise InputError(f"{where}: latitude {lat[np.nanargmax(np.abs(lat))]:g} is outside -90..90; {remedy}")
    if len(dims) == 1:
        flat = dataset.rename({dims[0]: "cell"}) if dims[0] != "cell" else dataset
        if "cell" in flat.coords:
            flat = flat.drop_vars("cell")
    else:
        drop = [n for n in (*LATITUDES, *LONGITUDES, *dims) if n in dataset.variables]
        flat = dataset.drop_vars(drop).stack(cell=dims, create_index=False)
    drop = [n for n in (*LATITUDES, *LONGITUDES) if n in flat.variables]
    flat = flat.drop_vars(drop).assign_coords(latitude=("cell", lat), longitude=("cell", (lon + 180.0) % 360.0 - 180.0))
    return flat, dims


def months_of(dataset: xr.Dataset, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Month number since year 0 (time,) and days of each month in the file's calendar (time,), checked consecutive."""
    if "time" not in dataset.variables or dataset["time"].ndim != 1:
        raise InputError(f"{where}: no coordinate 'time'; add it with units 'days since ...'")
    times = dataset["time"].values
    if times.size == 0 or not hasattr(times[0], "year"):
        raise InputError(f"{where}: 'time' has no decodable units; give 'days since YYYY-MM-DD' and a calendar")
    months = np.array([12 * t.year + t.month - 1 for t in times])
    gaps = np.nonzero(np.diff(months) != 1)[0]
    if gaps.size:
        before, after = months[gaps[0]], months[gaps[0] + 1]
        what = "is missing" if after > before + 1 else "is repeated or out of order"
        month = before + 1 if after > before + 1 else after
        raise InputError(
            f"{where}: month {month // 12}-{month % 12 + 1:02d} {what} in 'time'; give consecutive monthly values"
        )
    return months, np.array([float(t.daysinmonth) for t in times])


def read_climate(
    paths: Sequence[Path | str],
    first_year: int,
    last_year: int,
    names: Mapping[str, str] | None = None,
    places: tuple[np.ndarray, np.ndarray] | None = None,
) -> xr.Dataset:
    """Monthly climate of whole years as (cell, year, month) in degC, mm month-1, W m-2 (no CO2: see ``co2``).

    ``paths``: one or more files, each with one or all variables, for any spans of time that join up. ``names``: what
    the files call ``air_temperature``, ``precipitation``, ``shortwave_radiation`` (default tas, pr, rsds).
    ``places``: latitude and longitude (cell,) to pick, matched to 1e-3 degrees; all places of the first file by
    default. Raises ``InputError``.
    """
    called = {**CLIMATE_NAMES, **{k: v for k, v in (names or {}).items() if k in CLIMATE_NAMES}}
    if not paths:
        raise InputError("no climate files given; name at least one netCDF file")
    pieces: dict[str, list[tuple[np.ndarray, np.ndarray, str]]] = {name: [] for name in called}
    for path in paths:
        with open_file(path) as opened:
            present = {name: var for name, var in called.items() if var in opened}
            if not present or (len(paths) == 1 and len(present) < len(called)):
                lost = next(var for name, var in called.items() if name not in present)
                _variable(opened, lost, str(path))
            flat, _ = flatten(opened, str(path))
            months, days = months_of(opened, str(path))
            if places is None:
                places = flat["latitude"].values, flat["longitude"].values
            rows = match_places(flat, places, str(path))
            inside = (months >= 12 * first_year) & (months < 12 * (last_year + 1))
            for name, var in present.items():
                data = flat[var].transpose("time", "cell").isel(time=inside, cell=rows)
                where = f"{path}: {var}"
                values = to_house_units(
                    name, np.asarray(data.values, np.float64), data.attrs.get("units"), days[inside], where
                )
                pieces[name].append((months[inside], values, str(path)))
    fields = {name: _join(name, called[name], found, first_year, last_year) for name, found in pieces.items()}
    years = np.arange(first_year, last_year + 1)
    return xr.Dataset(
        {name: (("cell", "year", "month"), values, {"units": HOUSE_UNITS[name]}) for name, values in fields.items()},
        coords={"year": years, "month": np.arange(1, 13)},
        attrs={"title": ", ".join(Path(p).name for p in paths)},
    )


def _join(name: str, variable: str, pieces: list, first_year: int, last_year: int) -> np.ndarray:
    """Pieces of one variable in time order as (cell, year, month); raises ``InputError`` for absent months."""
    if not pieces:
        raise InputError(f"variable '{variable}' ({name}) is in none of the climate files; add the file that has it")
    pieces = sorted(pieces, key=lambda piece: piece[0][0] if piece[0].size else -1)
    months = np.concatenate([piece[0] for piece in pieces])
    expected = np.arange(12 * first_year, 12 * (last_year + 1))
    lost = np.setdiff1d(expected, months)
    files = ", ".join(dict.fromkeys(piece[2] for piece in pieces))
    if lost.size:
        raise InputError(
            f"{files}: '{variable}' lacks month {lost[0] // 12}-{lost[0] % 12 + 1:02d} ({lost.size} of "
            f"{first_year}-{last_year} missing); add the file that has it or change the years"
        )
    if months.size != expected.size:
        twice = months[np.nonzero(np.diff(np.sort(months)) == 0)[0][0]]
        raise InputError(f"{files}: '{variable}' has month {twice // 12}-{twice % 12 + 1:02d} twice; drop one file")
    values = np.concatenate([piece[1] for piece in pieces], axis=0)
    return np.ascontiguousarray(values.T.reshape(values.shape[1], last_year - first_year + 1, 12))


def match_places(flat: xr.Dataset, places: tuple[np.ndarray, np.ndarray], where: str) -> np.ndarray:
    """Indices of cells at the wanted latitudes and longitudes (within 1e-3 degrees); raises ``InputError``."""

    def key(latitude, longitude) -> list[tuple[int, int]]:
        east = (np.asarray(longitude) + 180.0) % 360.0 - 180.0
        rounded = np.round(500.0 * np.stack([np.asarray(latitude), east], axis=1)).astype(int)
        return [(south_north, west_east) for south_north, west_east in rounded.tolist()]

    lat, lon = flat["latitude"].values, flat["longitude"].values
    if lat.size == places[0].size and np.allclose(lat, places[0], atol=1e-3) and np.allclose(lon, places[1], atol=1e-3):
        return np.arange(lat.size)
    known = {place: row for row, place in enumerate(key(lat, lon))}
    rows = []
    for place, latitude, longitude in zip(key(*places), *places, strict=True):
        found = next(
            (
                known[near]
                for near in ((place[0] + i, place[1] + j) for i in (0, -1, 1) for j in (0, -1, 1))
                if near in known
            ),
            None,
        )
        if found is None:
            raise InputError(
                f"{where}: no cell at ({latitude:.3f}, {longitude:.3f}), which the static file has; "
                "bring both to the same grid"
            )
        rows.append(found)
    return np.array(rows, dtype=int)


# --- fixed fields ----------------------------------------------------------------------------------------------------


@cache
def vegetation_mosaic() -> dict[int, tuple[tuple[str, float], ...]]:
    """The 35 TEM vegetation types: number -> communities with their share of the area (empty: not simulated)."""
    with data_path("vegetation_mosaic.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return {
            int(row["number"]): tuple(
                (row[f"community_{k}"], float(row[f"percent_{k}"]) / 100.0) for k in (1, 2) if row[f"community_{k}"]
            )
            for row in rows
        }


def read_cells(
    path: Path | str,
    names: Mapping[str, str] | None = None,
    community: str = "",
) -> xr.Dataset:
    """Cells from a file of fixed fields, in the form of ``docs/architecture.md``; sea and ice are left out.

    Needs elevation (m), sand, silt, clay (percent) and a vegetation field: TEM vegetation numbers 1-35, or flags whose
    ``flag_meanings`` are community names; without the field ``community`` names one for all cells. Optional: area (m2
    or km2; from the lat/lon grid otherwise), soil_organic_carbon (kg m-2; 0-0.3, 0.3-1, 1-2, 2-3 m as last
    dimension). ``names``: what the file calls them. Raises ``InputError``.
    """
    where = str(path)
    called = {**STATIC_NAMES, **{k: v for k, v in (names or {}).items() if k in STATIC_NAMES}}
    with open_file(path) as opened:
        area = _area(opened, called["area"], where)
        flat, _ = flatten(opened.assign(__area=area), where)
        flat = flat.load()

    def field(name: str) -> np.ndarray:
        return np.asarray(_variable(flat, called[name], where).values, dtype=np.float64)

    fields = {name: field(name) for name in ("elevation", "sand", "silt", "clay")}
    if called["vegetation"] in flat or not community:
        share_names, shares = _vegetation(_variable(flat, called["vegetation"], where), where)
    else:
        everywhere = np.isfinite(fields["elevation"])[:, None]
        share_names, shares = np.where(everywhere, community, "").astype(object), everywhere.astype(np.float64)
    land = np.nonzero((share_names != "").any(axis=1))[0]
    units = {"elevation": "m", "sand": "percent", "silt": "percent", "clay": "percent"}
    result: dict[str, Any] = {name: ("cell", values[land], {"units": units[name]}) for name, values in fields.items()}
    result["latitude"] = ("cell", flat["latitude"].values[land], {"units": "degrees_north"})
    result["longitude"] = ("cell", flat["longitude"].values[land], {"units": "degrees_east"})
    result["area"] = ("cell", np.asarray(flat["__area"].values, dtype=np.float64)[land], {"units": "km2"})
    result["community"] = (("cell", "share"), share_names[land])
    result["community_area_fraction"] = (("cell", "share"), shares[land], {"units": "1"})
    if called["soil_organic_carbon"] in flat:
        stocks = flat[called["soil_organic_carbon"]]
        others = [d for d in stocks.dims if d != "cell"]
        if len(others) != 1 or stocks.sizes[others[0]] != 4 or _plain(str(stocks.attrs.get("units"))) != "kg m-2":
            raise InputError(
                f"{where}: '{called['soil_organic_carbon']}' must have four intervals (0-0.3, 0.3-1, 1-2, 2-3 m) in "
                f"'kg m-2', found {dict(stocks.sizes)} in {stocks.attrs.get('units')!r}; convert it"
            )
        values = np.asarray(stocks.transpose("cell", others[0]).values, dtype=np.float64)[land]
        result["soil_organic_carbon"] = (("cell", "interval"), values, {"units": "kg m-2"})
    return xr.Dataset(result, coords={"cell": np.arange(land.size)}, attrs={"title": Path(path).name})


def _vegetation(data: xr.DataArray, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Community names and shares, each (cell, 2), "" where nothing grows."""
    codes = np.asarray(data.values, dtype=np.float64)
    mosaic = vegetation_mosaic()
    if "flag_meanings" in data.attrs:
        flags = np.atleast_1d(np.asarray(data.attrs["flag_values"])).astype(int)
        meanings = str(data.attrs["flag_meanings"]).split()
        mosaic = {int(flag): ((name, 1.0),) for flag, name in zip(flags, meanings, strict=True)}
    names = np.full((codes.size, 2), "", dtype=object)
    shares = np.zeros((codes.size, 2))
    for code in np.unique(codes[np.isfinite(codes)]):
        if code == 0 and 0 not in mosaic:
            continue
        if code != int(code) or int(code) not in mosaic:
            raise InputError(
                f"{where}: unknown vegetation type {code:g} in '{data.name}', expected "
                f"{min(mosaic)}..{max(mosaic)} (0 or missing: not simulated); correct the field"
            )
        for slot, (name, share) in enumerate(mosaic[int(code)]):
            names[codes == code, slot] = name
            shares[codes == code, slot] = share
    return names, shares


def _area(dataset: xr.Dataset, name: str, where: str) -> xr.DataArray:
    """Area of the cells in km2: from the file, else from a regular lat/lon grid, else 1."""
    if name in dataset:
        unit = _plain(str(dataset[name].attrs.get("units")))
        if unit not in ("m2", "km2"):
            raise InputError(f"{where}: '{name}' is in {unit!r}, expected 'm2' or 'km2'; set its units attribute")
        return dataset[name] * (1e-6 if unit == "m2" else 1.0)
    latitude, longitude = _coordinate(dataset, LATITUDES, where), _coordinate(dataset, LONGITUDES, where)
    if latitude.ndim == 1 and latitude.dims != longitude.dims and latitude.size > 1 and longitude.size > 1:
        step_lat = np.abs(np.gradient(np.asarray(latitude.values, np.float64)))
        step_lon = np.abs(np.gradient(np.asarray(longitude.values, np.float64)))
        middle = np.asarray(latitude.values, np.float64)
        south, north = (np.clip(middle + s * step_lat / 2, -90, 90) for s in (-1, 1))
        band = EARTH_RADIUS_KM**2 * (np.sin(np.deg2rad(north)) - np.sin(np.deg2rad(south)))
        values = band[:, None] * np.deg2rad(step_lon)[None, :]
        return xr.DataArray(values, dims=(latitude.dims[0], longitude.dims[0]))
    return xr.ones_like(latitude, dtype=np.float64)


# --- for plans -------------------------------------------------------------------------------------------------------


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
) -> Domain:
    """Every ``stride``-th of some cells with the files of each climate and CO2 from a table or the embedded series."""
    cells = cells.isel(cell=slice(None, None, stride))
    files = {name: [find(file) for file in paths] for name, paths in climate.items()}
    table = None if co2 == "embedded" else find(co2)
    latitude, longitude = cells["latitude"].values, cells["longitude"].values

    def source(name: str):
        def years(rows: np.ndarray, first: int, last: int) -> xr.Dataset:
            found = read_climate(files[name], first, last, names, (latitude[rows], longitude[rows]))
            if table is None:
                ppm = carbon_dioxide.of_climate(name, co2_column, first, last)
            else:
                ppm = carbon_dioxide.read_table(table, first, last, co2_column)
            return found.assign(co2=("year", ppm, {"units": "ppm"}))

        return years, ", ".join(str(path) for path in files[name])

    inputs = [str(static), *(str(path) for paths in files.values() for path in paths)]
    return Domain(cells, source, (*inputs, str(table) if table else "CO2: embedded published series"))
