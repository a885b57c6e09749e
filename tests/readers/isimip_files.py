"""Small files in the exact published layout of ISIMIP, HWSD and NCSCDv2, for the tests of the readers."""

from pathlib import Path

import cftime
import netCDF4
import numpy as np

LATITUDE = np.array([69.25, 68.75, 68.25])  # north to south, as the files have it
LONGITUDE = np.array([-150.25, -149.75, -149.25, -148.75])
UNITS = {"tas": "K", "pr": "kg m-2 s-1", "rsds": "W m-2"}
FILL = np.float32(1e20)


def dates(first: int, last: int, calendar: str) -> list:
    unit = "days since 1601-01-01 00:00:00"
    begin = cftime.date2num(cftime.datetime(first, 1, 1, calendar=calendar), unit, calendar)
    end = cftime.date2num(cftime.datetime(last + 1, 1, 1, calendar=calendar), unit, calendar)
    return [unit, np.arange(begin, end)]


def daily_values(variable: str, months: np.ndarray, latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Plausible (day, lat, lon): a season, a place."""
    season = -np.cos(2 * np.pi * (months + 0.5) / 12)[:, None, None]
    place = (0.1 * latitude[:, None] + 0.01 * longitude[None, :])[None]
    base, wave, step = {"tas": (262.0, 18.0, -1.0), "pr": (1.2e-5, 6e-6, 1e-7), "rsds": (100.0, 95.0, 0.1)}[variable]
    return (base + wave * season + step * (place - 5.0)).astype(np.float32)


def name_3b(variable, first, last, scenario="historical", region="global", gcm="gfdl-esm4", member="r1i1p1f1"):
    return f"{gcm}_{member}_w5e5_{scenario}_{variable}_{region}_daily_{first}_{last}.nc"


def write_daily(
    path: Path,
    variable: str,
    first: int,
    last: int,
    *,
    calendar: str = "proleptic_gregorian",
    latitude: np.ndarray = LATITUDE,
    longitude: np.ndarray = LONGITUDE,
    units: str | None = None,
    dims: tuple[str, ...] = ("time", "lat", "lon"),
    values=None,
    declare_fill: bool = True,
    sea: tuple[int, int] | None = None,
    days: int | None = None,
) -> Path:
    """One daily file: float32, one chunk a day, latitude north to south, fill 1e20, time in days since 1601."""
    unit, time = dates(first, last, calendar)
    time = time[:days]
    months = np.array([d.month - 1 for d in cftime.num2date(time, unit, calendar)])
    if values is None:
        values = daily_values(variable, months, latitude, longitude)
    if sea is not None:
        values = values.copy()
        values[:, sea[0], sea[1]] = FILL
    path.parent.mkdir(parents=True, exist_ok=True)
    with netCDF4.Dataset(str(path), "w", format="NETCDF4_CLASSIC") as data:
        data.createDimension("time", None)
        data.createDimension("lat", latitude.size)
        data.createDimension("lon", longitude.size)
        t = data.createVariable("time", "f8", ("time",))
        t.units, t.calendar, t.axis, t.standard_name = unit, calendar, "T", "time"
        t[:] = time
        for name, axis, degrees in (("lat", latitude, "degrees_north"), ("lon", longitude, "degrees_east")):
            coordinate = data.createVariable(name, "f8", (name,))
            coordinate.units = degrees
            coordinate[:] = axis
        size = {"time": 1, "lat": latitude.size, "lon": longitude.size}
        v = data.createVariable(
            variable, "f4", dims, zlib=True, complevel=1, chunksizes=[size[d] for d in dims],
            fill_value=FILL if declare_fill else None,
        )  # fmt: skip
        if declare_fill:
            v.missing_value = FILL
        v.units = UNITS.get(variable, "1") if units is None else units
        v[:] = values.transpose([("time", "lat", "lon").index(d) for d in dims])
    return path


def write_tree(folder: Path, spans=None, calendar="proleptic_gregorian", region="global", **more) -> Path:
    """ISIMIP3b decades: history 1991-2014, ssp585 2015-2030, in the folders of the repository."""
    spans = spans or {"historical": [(1991, 2000), (2001, 2010), (2011, 2014)], "ssp585": [(2015, 2020), (2021, 2030)]}
    root = folder / "ISIMIP3b/InputData/climate/atmosphere/bias-adjusted/global/daily"
    for scenario, decades in spans.items():
        for first, last in decades:
            for variable in UNITS:
                path = root / scenario / "GFDL-ESM4" / name_3b(variable, first, last, scenario, region)
                write_daily(path, variable, first, last, calendar=calendar, **more)
    return folder / "ISIMIP3b"


def write_map(path: Path, fields: dict, latitude=LATITUDE, longitude=LONGITUDE) -> Path:
    """A map: {name: (values, units, other attributes)}."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with netCDF4.Dataset(str(path), "w") as data:
        data.createDimension("lat", latitude.size)
        data.createDimension("lon", longitude.size)
        for name, axis in (("lat", latitude), ("lon", longitude)):
            data.createVariable(name, "f8", (name,))[:] = axis
        for name, (values, units, attributes) in fields.items():
            values = np.broadcast_to(np.asarray(values), (latitude.size, longitude.size))
            fill = attributes.get("_FillValue")
            v = data.createVariable(name, values.dtype.str[1:], ("lat", "lon"), fill_value=fill)
            if units:
                v.units = units
            v.setncatts({k: a for k, a in attributes.items() if k != "_FillValue"})
            v[:] = values
    return path


VEGETATION = np.array([[2, 3, 3, 1], [4, 4, 6, 3], [4, 0, 5, 2]], dtype=np.int32)


def write_maps(folder: Path) -> None:
    """Vegetation (TEM numbers; one ice, one empty), texture as HWSD regridded, elevation, mask, permafrost."""
    write_map(folder / "maps/vegetation.nc", {"vegetation": (VEGETATION, "", {})})
    write_map(folder / "maps/hwsd.nc", {"T_SAND": (45.0, "percent", {}), "T_CLAY": (15.0, "percent", {})})
    write_map(folder / "maps/elevation.nc", {"orog": (300.0, "m", {})})


def write_ncscd(folder: Path, stocks, latitude=LATITUDE, longitude=LONGITUDE, grid="05deg") -> Path:
    """Four NCSCDv2 files; ``stocks``: SOCC30, SOCC100, SOCC200, SOCC300 in hg C m-2 (numbers or maps)."""
    for depth, values in zip((30, 100, 200, 300), stocks, strict=True):
        name = f"NCSCDv2_Circumpolar_WGS84_SOCC{depth}_{grid}.nc"
        values = np.asarray(values, dtype=np.int16)
        write_map(
            folder / name, {"NCSCDv2": (values, "hg C m-2", {"_FillValue": np.int16(-32768)})}, latitude, longitude
        )
    return folder


def write_ndep(folder: Path, variable: str, first: int, last: int, units="g m-2 month-1", months=None):
    path = folder / f"ndep-{variable}_histsoc_annual_{first}_{last}.nc"
    write_map(path, {})
    with netCDF4.Dataset(str(path), "a") as data:
        count = 12 * (last - first + 1) if months is None else months
        data.createDimension("time", count)
        v = data.createVariable(variable, "f4", ("time", "lat", "lon"), fill_value=FILL)
        v.units = units
        v[:] = (0.01 if variable == "nhx" else 0.02) + 0.001 * np.arange(count)[:, None, None] * np.ones((1, 3, 4))
