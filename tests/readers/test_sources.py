"""Presets: small files in the published layout of each source (``jtem.readers.layouts`` states where it is described)."""

import netCDF4
import numpy as np
import pytest
import xarray as xr
from layout_files import EAST, FIRST, GRID, LAST, NORTH, axes, days, on_grid, stamps, steps, truth, write
from test_layouts import COUNT, LAT2, LON2, compare, read

from jtem.errors import InputError
from jtem.readers import embedded, layouts, monthly_series

pytestmark = pytest.mark.filterwarnings("ignore::jtem.errors.InputNote")
DIMS = ("time", *GRID)
FILL = np.float32(1e20)


def cmip6(folder):
    """Amon: one variable a file, tas with the scalar height, time_bnds, lat_bnds, member in the name only."""
    values, paths = on_grid(), []
    units = {"tas": "K", "pr": "kg m-2 s-1", "rsds": "W m-2"}
    values = {"tas": values["tas"] + 273.15, "pr": values["pr"] / 86400 / days("noleap"), "rsds": values["rsds"]}
    for name, unit in units.items():
        clock = {
            "time": (("time",), stamps("middle"), {"units": "days since 1850-01-01", "calendar": "noleap", "axis": "T",
                                                   "bounds": "time_bnds", "standard_name": "time"}),
            "time_bnds": (("time", "bnds"), stamps("bounds"), {}),
            "height": ((), 2.0, {"units": "m", "axis": "Z", "positive": "up", "standard_name": "height"}),
        }  # fmt: skip
        said = {"units": unit, "cell_methods": "area: time: mean", "cell_measures": "area: areacella", "coordinates": "height",
                "_FillValue": FILL, "missing_value": FILL}  # fmt: skip
        content = clock | axes() | {name: (DIMS, values[name].astype("f4"), said)}
        paths.append(
            write(folder / f"{name}_Amon_XYZ_historical_r1i1p1f1_gn_199101-199212.nc", content, {"frequency": "mon"})
        )
    return paths


def ctsm(folder, stamp="end", tape="h0"):
    """History of the land model: a month a file, time at the end of the month, time_bounds, several land variables, mm/s."""
    values, paths = on_grid(), []
    length = days("noleap")
    at, both = stamps(stamp, units="days since 1850-01-01"), stamps("bounds", units="days since 1850-01-01")
    for k in range(COUNT):
        clock = {
            "time": (("time",), at[k : k + 1], {"units": "days since 1850-01-01 00:00:00", "calendar": "noleap",
                                                "bounds": "time_bounds", "long_name": "time"}),
            "time_bounds": (("time", "hist_interval"), both[k : k + 1], {"long_name": "history time interval endpoints"}),
            "mcdate": (("time",), [19910101], {"long_name": "current date (YYYYMMDD)"}),
        }  # fmt: skip
        land = {"landmask": (GRID, np.ones((3, 4), "i4"), {"long_name": "land/ocean mask (0.=ocean and 1.=land)"})}
        said = {"cell_methods": "time: mean", "_FillValue": np.float32(1e36), "missing_value": np.float32(1e36)}
        rate = values["pr"][k : k + 1] / 86400 / length[k]
        content = {
            "TSA": (DIMS, (values["tas"][k : k + 1] + 273.15).astype("f4"), said | {"units": "K"}),
            "RAIN": (DIMS, (0.7 * rate).astype("f4"), said | {"units": "mm/s"}),
            "SNOW": (DIMS, (0.3 * rate).astype("f4"), said | {"units": "mm/s"}),
            "FSDS": (DIMS, values["rsds"][k : k + 1].astype("f4"), said | {"units": "W/m^2"}),
        }
        name = f"case.clm2.{tape}.{FIRST + k // 12}-{k % 12 + 1:02d}.nc"
        paths.append(
            write(folder / name, clock | land | axes() | content, {"source": "Community Terrestrial Systems Model"})
        )
    return paths


def ctsm_since_5_3(folder):
    """Stamps in the middle of the bounds, averages on a tape of their own (ESCOMP/CTSM pull request 2838)."""
    return ctsm(folder, "middle", "h0a")


def cam(folder):
    """Atmosphere of the same models without bounds: TREFHT, PRECC + PRECL in m/s."""
    values = on_grid()
    clock = {"time": (("time",), stamps("end"), {"units": "days since 1850-01-01", "calendar": "noleap"})}
    rate = values["pr"] / 86400e3 / days("noleap")
    content = {
        "TREFHT": (DIMS, values["tas"] + 273.15, {"units": "K"}),
        "PRECC": (DIMS, 0.6 * rate, {"units": "m/s"}),
        "PRECL": (DIMS, 0.4 * rate, {"units": "m/s"}),
        "FSDS": (DIMS, values["rsds"], {"units": "W/m2"}),
    }
    return [write(folder / "case.cam.h0.nc", clock | axes() | content, {"source": "CAM"})]


def era5(folder):
    """Monthly averages of today, as cfgrib writes them for the Climate Data Store (headers of ``ncdump -h``, September 2026).

    A file a kind of step; valid_time in seconds, scalar number, text expver along time, latitudes from the north, GRIB
    attributes, "unknown" standard names; tp in m and ssrd in J m-2 a day.
    """
    values, paths = on_grid(), []
    length = days("proleptic_gregorian")
    dims = ("valid_time", "latitude", "longitude")
    said = {
        "units": "seconds since 1970-01-01",
        "calendar": "proleptic_gregorian",
        "standard_name": "time",
        "long_name": "time",
    }
    at = stamps("start", "proleptic_gregorian", units="seconds since 1970-01-01").astype("i8")
    clock = {
        "number": (
            (),
            np.int64(0),
            {"units": "1", "standard_name": "realization", "long_name": "ensemble member numerical id"},
        ),
        "valid_time": (("valid_time",), at, said),
        "expver": (("valid_time",), np.array(["0001"] * (COUNT - 3) + ["0005"] * 3), {}),
    }
    nothing = {"_FillValue": np.float64("nan")}
    place = {
        "latitude": (("latitude",), axes()["lat"][1][::-1], nothing | NORTH | {"stored_direction": "decreasing"}),
        "longitude": (("longitude",), axes()["lon"][1], nothing | EAST),
    }
    grib = {"GRIB_dataType": "fc", "GRIB_missingValue": 3.40282346638529e38, "GRIB_NV": 0, "GRIB_typeOfLevel": "surface",
            "standard_name": "unknown", "coordinates": "number valid_time latitude longitude expver",
            "_FillValue": np.float32("nan")}  # fmt: skip
    table = (("avgua", "t2m", values["tas"] + 273.15, "K"), ("avgad", "tp", values["pr"] * 1e-3 / length, "m"),
             ("avgad", "ssrd", values["rsds"] * 86400, "J m**-2"))  # fmt: skip
    for kind in ("avgua", "avgad"):
        content = {
            name: (dims, array[:, ::-1].astype("f4"), {"units": unit, "GRIB_stepType": kind} | grib)
            for of, name, array, unit in table
            if of == kind
        }
        history = "2026-09-25T15:06 GRIB to CDM+CF via cfgrib-0.9.15.1/ecCodes-2.48.2"
        attributes = {"GRIB_centre": "ecmf", "Conventions": "CF-1.7", "history": history}
        paths.append(write(folder / f"data_stream-moda_stepType-{kind}.nc", clock | place | content, attributes))
    return paths


def era5_and_era5t(folder):
    """The mixture of before 2024: a dimension expver (1: ERA5, 5: ERA5T), each month in one, one month in both."""
    values = on_grid()
    length = days("standard")
    clock = {"time": (("time",), stamps("start", "standard", units="hours since 1900-01-01").astype("i4"),
                      {"units": "hours since 1900-01-01 00:00:00.0", "calendar": "gregorian", "long_name": "time"}),
             "expver": (("expver",), np.array([5, 1], "i4"), {"long_name": "expver"})}  # fmt: skip
    dims = ("time", "expver", "latitude", "longitude")
    place = {n: ((n,), v.astype("f4"), s)
             for n, v, s in (("latitude", axes()["lat"][1], NORTH), ("longitude", axes()["lon"][1], EAST))}  # fmt: skip
    content = {}
    for name, array, unit in (("t2m", values["tas"] + 273.15, "K"), ("tp", values["pr"] * 1e-3 / length, "m"),
                              ("ssrd", values["rsds"] * 86400, "J m**-2")):  # fmt: skip
        step, middle = float(np.ptp(array)) / 65530, 0.5 * float(array.max() + array.min())
        both = np.full((COUNT, 2, 3, 4), -32767, "i2")
        stored = np.round((array - middle) / step).astype("i2")
        both[:-2, 1], both[-2:, 0], both[-3, 0] = stored[:-2], stored[-2:], 77
        said = {"units": unit, "scale_factor": step, "add_offset": middle, "_FillValue": np.int16(-32767),
                "missing_value": np.int16(-32767)}  # fmt: skip
        content[name] = (dims, both, said)
    return [write(folder / "era5.nc", clock | place | content, {"history": "2022-11-01 by grib_to_netcdf-2.25.1"})]


def era5_land_of_before(folder):
    """The files before 2024: packed integers, hours since 1900, no GRIB attributes, history of grib_to_netcdf."""
    values = on_grid()
    length = days("standard")
    clock = {"time": (("time",), stamps("start", "standard", units="hours since 1900-01-01").astype("i4"),
                      {"units": "hours since 1900-01-01 00:00:00.0", "calendar": "gregorian", "long_name": "time"})}  # fmt: skip
    dims = ("time", "latitude", "longitude")
    place = {n: ((n,), v.astype("f4"), s)
             for n, v, s in (("latitude", axes()["lat"][1], NORTH), ("longitude", axes()["lon"][1], EAST))}  # fmt: skip
    content = {}
    for name, array, unit in (("t2m", values["tas"] + 273.15, "K"), ("tp", values["pr"] * 1e-3 / length, "m"),
                              ("ssrd", values["rsds"] * 86400, "J m**-2")):  # fmt: skip
        step, middle = float(np.ptp(array)) / 65530, 0.5 * float(array.max() + array.min())
        said = {"units": unit, "scale_factor": step, "add_offset": middle, "_FillValue": np.int16(-32767),
                "missing_value": np.int16(-32767)}  # fmt: skip
        content[name] = (dims, np.round((array - middle) / step).astype("i2"), said)
    return [write(folder / "era5land.nc", clock | place | content, {"history": "2023-05-01 by grib_to_netcdf-2.25.1"})]


def cru_ts(folder):
    """A variable a file, with the count of stations and (since 4.08) errors beside it; time in 32 bits; cloud cover for light.

    Header of ``cru_ts4.08.1901.2023.tmp.dat.nc`` as ncdf4 prints it.
    """
    values = on_grid()
    light = embedded.top_of_atmosphere(axes()["lat"][1])  # (lat, 12)
    top = np.tile(light.T[:, :, None], (COUNT // 12, 1, 4))
    share = np.where(top > 1.0, values["rsds"] / np.where(top > 1, top, 1.0), 0.5)
    cloud = 100.0 * np.clip(1.0 - (share - 0.251) / 0.509, 0.0, 1.0)
    at = stamps("start", "standard", units="days since 1900-01-01") + np.tile([15, 14] + [15] * 10, COUNT // 12)
    paths = []
    for name, array, unit in (("tmp", values["tas"], "degrees Celsius"), ("pre", values["pr"], "mm/month"),
                              ("cld", cloud, "percentage")):  # fmt: skip
        clock = {
            "time": (
                ("time",),
                at.astype("f4"),
                {"units": "days since 1900-1-1", "calendar": "gregorian", "long_name": "time"},
            )
        }
        said = {"units": unit, "_FillValue": np.float32(9.96921e36), "missing_value": np.float32(9.96921e36)}
        stations = {
            "stn": (DIMS, np.full(array.shape, 8, "i4"), {"description": "number of stations contributing to each datum",
                                                          "_FillValue": np.int32(-999), "missing_value": np.int32(-999)}),
            "mae": (DIMS, np.ones(array.shape, "f4"), {"description": "mean of absolute diffs, where available"}),
        }  # fmt: skip
        content = clock | axes() | stations | {name: (DIMS, array.astype("f4"), said)}
        paths.append(write(folder / f"cru_ts4.07.1991.2000.{name}.dat.nc", content))
    return paths


CRUJRA = (("tmp", "tas", "Degrees Kelvin"), ("pre", "pr", "mm/6h"), ("dswrf", "rsds", "J/m^2"))
TRENDY = (*CRUJRA[:2], ("tswrf", "rsds", "W m-2"))


def crujra(folder, variables=CRUJRA):
    """Six-hourly on 365 days, a year and variable a file, south to north from the date line, the axis of time first.

    The unit texts are those that MPI-M's script for JSBACH (ICON, ``calculate_jsbach_forcing_CRUJRA.bash``) names as found in
    the files; order and origin of the axes are those of the HYBRID programs that read them by position.
    """
    at, month = steps(4.0, "noleap", "start")
    values = on_grid()
    in_file = {"Degrees Kelvin": values["tas"] + 273.15, "mm/6h": values["pr"] / 4 / days("noleap"),
               "J/m^2": values["rsds"] * 21600, "W m-2": values["rsds"]}  # fmt: skip
    paths = []
    for year in range(FIRST, LAST + 1):
        part = (month // 12) == year - FIRST
        for name, _, unit in variables:
            clock = {"time": (("time",), at[part], {"units": "days since 1850-01-01", "calendar": "365_day"})}
            said = {"units": unit, "_FillValue": np.float32(-9.9e36)}
            content = clock | axes() | {name: (DIMS, in_file[unit][month[part]].astype("f4"), said)}
            paths.append(write(folder / f"crujra.v2.5.5d.{name}.{year}.365d.noc.nc", content))
    return paths


def crujra_of_trendy(folder):
    """As TRENDY hands it out since its version 10: light is tswrf."""
    return crujra(folder, TRENDY)


ISIMIP = {
    "tas": ("K", "air_temperature", "Near-Surface Air Temperature"),
    "pr": ("kg m-2 s-1", "precipitation_flux", "Precipitation"),
    "rsds": ("W m-2", "surface_downwelling_shortwave_flux_in_air", "Surface Downwelling Shortwave Radiation"),
}


def isimip3a(folder, name_of, parts):
    """Daily files of ISIMIP3a: a variable a file, north to south, days since 1901, no bounds and no cell_methods.

    ``parts``: months of each file. By ISIMIP's conventions for forcing (protocol 3a, names and attributes of its variables).
    """
    at, month = steps(1.0, "standard", "start")
    zero = stamps("start", "standard", 1901, 1901)[0]
    values = on_grid(latitude=axes()["lat"][1][::-1])
    place = axes(axes()["lat"][1][::-1])
    for name, word, letter in (("lat", "latitude", "Y"), ("lon", "longitude", "X")):
        place[name] = (
            *place[name][:2],
            place[name][2] | {"standard_name": word, "long_name": word.title(), "axis": letter},
        )
    paths = []
    for name, array in (
        ("tas", values["tas"] + 273.15),
        ("pr", values["pr"] / 86400 / days("standard")),
        ("rsds", values["rsds"]),
    ):
        unit, standard, words = ISIMIP[name]
        told = {"standard_name": standard, "long_name": words, "units": unit, "_FillValue": FILL, "missing_value": FILL}
        for begin in range(0, COUNT, parts):
            part = (month >= begin) & (month < begin + parts)
            said = {"standard_name": "time", "long_name": "Time", "units": "days since 1901-1-1 00:00:00",
                    "calendar": "proleptic_gregorian", "axis": "T"}  # fmt: skip
            content = {"time": (("time",), at[part] - zero, said)} | place
            content[name] = (DIMS, array[month[part]].astype("f4"), told)
            paths.append(write(folder / name_of(name, begin), content, {"project": "ISIMIP3a"}, unlimited=True))
    return paths


def gswp3_w5e5(folder):
    """By decade, named as at files.isimip.org."""
    return isimip3a(folder, lambda name, _: f"gswp3-w5e5_obsclim_{name}_global_daily_1991_1992.nc", COUNT)


def chelsa_w5e5(folder):
    """CHELSA's netCDF files at files.isimip.org: a month a file, in the conventions of ISIMIP."""
    return isimip3a(
        folder,
        lambda name, k: f"chelsa-w5e5v1.0_obsclim_{name}_1800arcsec_global_daily_{FIRST + k // 12}{k % 12 + 1:02d}.nc",
        1,
    )


def terraclimate(folder):
    """A variable and year a file, packed integers, stamps on the first, crs, extremes of temperature."""
    values, paths = on_grid(), []
    table = (("tmax", values["tas"] + 5.0, "degC"), ("tmin", values["tas"] - 5.0, "degC"), ("ppt", values["pr"], "mm"),
             ("srad", values["rsds"], "W/m^2"))  # fmt: skip
    for year in range(FIRST, LAST + 1):
        part = slice(12 * (year - FIRST), 12 * (year - FIRST) + 12)
        for name, array, unit in table:
            clock = {"time": (("time",), stamps("start", "standard", year, year, "days since 1900-01-01"),
                              {"units": "days since 1900-01-01 00:00:00", "calendar": "gregorian"})}  # fmt: skip
            said = {"units": unit, "scale_factor": 1e-7, "add_offset": 0.0, "_FillValue": np.int32(-(2**31)),
                    "cell_methods": "time: maximum within days time: mean over days" if name[0] == "t" else "time: sum",
                    "grid_mapping": "crs"}  # fmt: skip
            crs = {"crs": ((), np.int16(3), {"grid_mapping_name": "latitude_longitude"})}
            said = {k: v for k, v in said.items() if k != "cell_methods" or name != "srad"}
            content = clock | crs | axes() | {name: (DIMS, np.round(array[part] / 1e-7).astype("i4"), said)}
            paths.append(write(folder / f"TerraClimate_{name}_{year}.nc", content))
    return paths


def terraclimate_1_1(folder):
    """Version 1.1 (its own ``create_nc_files.m``): a month a file, tmmx, tmmn, pr, srad without a dimension of time, int16."""
    values, paths = on_grid(), []
    at = stamps("start", "standard", units="days since 1900-01-01")
    clock = {"units": "days since 1900-01-01 00:00:00", "calendar": "gregorian", "axis": "T", "standard_name": "time"}
    table = (("tmmx", values["tas"] + 5.0, "C", 0.01, "maximum_air_temperature"),
             ("tmmn", values["tas"] - 5.0, "C", 0.01, "minimum_air_temperature"),
             ("pr", values["pr"], "mm", 0.01, "precipitation_amount"),
             ("srad", values["rsds"], "W m-2", 0.01, "surface_downwelling_shortwave_flux_in_air"))  # fmt: skip
    for k in range(COUNT):
        content = {
            "time": (("time",), at[k : k + 1], clock),
            "crs": (("crs",), np.array([3], "i2"), {"grid_mapping_name": "latitude_longitude"}),
        } | axes()
        for name, array, unit, scale, standard in table:
            said = {"units": unit, "standard_name": standard, "scale_factor": scale, "add_offset": 0.0, "grid_mapping": "crs",
                    "_FillValue": np.int16(-32768), "missing_value": np.int16(-32768)}  # fmt: skip
            content[name] = (GRID, np.round(array[k] / scale).astype("i2"), said)
        paths.append(
            write(folder / f"TerraClimate_{FIRST + k // 12}_{k % 12 + 1:02d}.nc", content, {"version": "V1.1"})
        )
    return paths


def chelsa(folder):
    """Monthly series as netCDF: K, kg m-2 month-1, MJ m-2 d-1, stamps in the middle."""
    values, paths = on_grid(), []
    for name, array, unit in (("tas", values["tas"] + 273.15, "K"), ("pr", values["pr"], "kg m-2 month-1"),
                              ("rsds", values["rsds"] * 0.0864, "MJ m-2 d-1")):  # fmt: skip
        clock = {
            "time": (
                ("time",),
                stamps("middle", "standard"),
                {"units": "days since 1850-01-01", "calendar": "standard"},
            )
        }
        content = clock | axes() | {name: (DIMS, array, {"units": unit})}
        paths.append(write(folder / f"CHELSA_{name}_V.2.1.nc", content))
    return paths


def daymet(folder):
    """A variable and year a file on Lambert's projection with true places, yearday, extremes, totals; radiation beside it."""
    values, paths = truth(LAT2, LON2), []
    place = {
        "x": (("x",), 1000.0 * np.arange(4), {"units": "m", "standard_name": "projection_x_coordinate"}),
        "y": (("y",), -1000.0 * np.arange(3), {"units": "m", "standard_name": "projection_y_coordinate"}),
        "lat": (("y", "x"), LAT2, NORTH | {"standard_name": "latitude"}),
        "lon": (("y", "x"), LON2, EAST | {"standard_name": "longitude"}),
        "lambert_conformal_conic": ((), np.int16(0), {"grid_mapping_name": "lambert_conformal_conic"}),
    }
    table = (
        ("tmax", values["tas"] + 5.0, "degrees C", "area: mean time: maximum within days time: mean over days"),
        ("tmin", values["tas"] - 5.0, "degrees C", "area: mean time: minimum within days time: mean over days"),
        ("prcp", values["pr"], "mm", "area: mean time: sum within days time: sum over days"),
        ("rsds", values["rsds"], "W/m2", "area: mean time: mean"),
    )
    for year in range(FIRST, LAST + 1):
        part = slice(12 * (year - FIRST), 12 * (year - FIRST) + 12)
        middle = stamps("middle", "standard", year, year, "days since 1950-01-01")
        said = {"units": "days since 1950-01-01 00:00:00", "calendar": "standard", "bounds": "time_bnds"}
        clock = {
            "time": (("time",), middle, said),
            "time_bnds": (("time", "nv"), stamps("bounds", "standard", year, year, "days since 1950-01-01"), {}),
            "yearday": (
                ("time",),
                np.arange(1, 13, dtype="i2"),
                {"long_name": "day of year (DOY) starting with day 1"},
            ),
        }
        for name, array, unit, method in table:
            said = {"units": unit, "cell_methods": method, "coordinates": "lat lon", "_FillValue": np.float32(-9999.0),
                    "missing_value": np.float32(-9999.0), "grid_mapping": "lambert_conformal_conic"}  # fmt: skip
            content = clock | place | {name: (("time", "y", "x"), array[part].astype("f4"), said)}
            paths.append(write(folder / f"daymet_v4_{name}_mon_na_{year}.nc", content))
    return paths


def daymet_daily(folder):
    """Daily files: light as a mean over the daylight with the length of the day beside it; leap years without 31 December."""
    values, paths = truth(LAT2, LON2), []
    every, month = steps(1.0, "standard", "middle")
    place = {
        "x": (("x",), 1000.0 * np.arange(4), {"units": "m", "standard_name": "projection_x_coordinate"}),
        "y": (("y",), -1000.0 * np.arange(3), {"units": "m", "standard_name": "projection_y_coordinate"}),
        "lat": (("y", "x"), LAT2, NORTH | {"standard_name": "latitude"}),
        "lon": (("y", "x"), LON2, EAST | {"standard_name": "longitude"}),
    }
    zero = stamps("start", "standard", 1950, 1950, "days since 1850-01-01")[0]
    length = 43200.0 + 20000.0 * np.cos(np.arange(every.size) / 58.0).reshape(-1, 1, 1) + np.zeros((1, 3, 4))
    rain = (values["pr"] / np.bincount(month).reshape(-1, 1, 1))[month]
    table = (("tmax", values["tas"][month] + 5.0, "degrees C", "daily maximum temperature"),
             ("tmin", values["tas"][month] - 5.0, "degrees C", "daily minimum temperature"),
             ("prcp", rain, "mm/day", "daily total precipitation"),
             ("srad", values["rsds"][month] * 86400.0 / length, "W/m2", "daylight average incident shortwave radiation"),
             ("dayl", length, "s", "daylength"))  # fmt: skip
    for year in range(FIRST, LAST + 1):
        part = np.flatnonzero(month // 12 == year - FIRST)[:365]
        said = {"units": "days since 1950-01-01 00:00:00", "calendar": "standard", "bounds": "time_bnds"}
        at = every[part] - zero
        clock = {"time": (("time",), at, said), "time_bnds": (("time", "nv"), np.stack([at - 0.5, at + 0.5], 1), {})}
        for name, array, unit, words in table:
            said = {"units": unit, "long_name": words, "coordinates": "lat lon", "_FillValue": np.float32(-9999.0)}
            content = clock | place | {name: (("time", "y", "x"), array[part].astype("f4"), said)}
            paths.append(write(folder / f"daymet_v4_daily_na_{name}_{year}.nc", content))
    return paths


@pytest.mark.parametrize(
    ("make", "word", "tolerance"),
    [
        (cmip6, "cmip6", 1e-6),
        (ctsm, "cesm", 1e-6),
        (ctsm_since_5_3, "cesm", 1e-6),
        (cam, "cesm", 1e-6),
        (era5, "era5", 1e-6),
        (era5_land_of_before, "era5", 2e-3),  # packed on 16 bits
        (era5_and_era5t, "era5", 2e-3),
        (crujra, "crujra", 1e-6),
        (crujra_of_trendy, "crujra", 1e-6),
        (gswp3_w5e5, "gswp3_w5e5", 1e-6),
        (chelsa_w5e5, "gswp3_w5e5", 1e-6),
        (terraclimate, "terraclimate", 1e-6),
        (terraclimate_1_1, "terraclimate", 2e-3),  # packed on 16 bits
        (chelsa, "chelsa", 1e-6),
        (daymet, "daymet", 1e-6),
        (daymet_daily, "daymet", 1e-6),
    ],
)
def test_published_layouts(tmp_path, make, word, tolerance):
    paths = make(tmp_path)
    atol: dict[str, float] = {"tas": 4e-5} if tolerance < 1e-3 else {}  # 32-bit kelvin
    places = read(paths, layout=word)
    expected = truth(places["latitude"].values, places["longitude"].values)
    for options in ({"layout": word}, {}):  # the names alone tell the layout, too
        result = read(paths, **options)
        for name, house in (("tas", "air_temperature"), ("pr", "precipitation"), ("rsds", "shortwave_radiation")):
            found = result[house].values
            np.testing.assert_allclose(
                found.reshape(found.shape[0], -1).T,
                expected[name],
                rtol=tolerance,
                atol=atol.get(name) or 20 * tolerance,
            )


def test_cloud_cover_becomes_light_by_the_relation_of_the_model(tmp_path):
    from jtem import constants
    from jtem.physics import radiation

    paths = cru_ts(tmp_path)
    result = read(
        paths, layout="cru_ts", sun=lambda lat: radiation.top_of_atmosphere(lat) / constants.WATTS_TO_TEM_RADIATION
    )
    compare(result, ("tas", "pr"), rtol=1e-6)
    with xr.open_dataset(paths[2], decode_times=False) as data:
        cloud = data["cld"].values.transpose(1, 2, 0).reshape(12, COUNT // 12, 12)
    top = radiation.top_of_atmosphere(result["latitude"].values) / constants.WATTS_TO_TEM_RADIATION
    light = top[:, None, :] * (0.251 + 0.509 * (1 - cloud / 100))
    np.testing.assert_allclose(result["shortwave_radiation"].values, light, rtol=1e-6)
    assert layouts.guess({"tmp", "pre", "cld", "stn"}) == "cru_ts"


def test_daymet_without_radiation_says_so(tmp_path):
    paths = [path for path in daymet(tmp_path) if "rsds" not in path.name]
    with pytest.raises(
        InputError, match=r"daymet_v4_\w+_1991.nc: variable 'rsds' .*Daymet's monthly files have no radiation"
    ):
        read(paths, layout="daymet")


def test_light_over_the_daylight_is_never_taken_for_that_of_the_day(tmp_path):
    paths = daymet_daily(tmp_path)
    names = {"air_temperature": "tmax", "precipitation": "prcp", "shortwave_radiation": "srad"}
    with pytest.raises(InputError, match="tmax: long_name 'daily maximum temperature' is not air temperature"):
        read(paths, names=names)
    for path in paths:
        if "tmax" in path.name:
            with netCDF4.Dataset(str(path), "a") as data:
                data["tmax"].long_name = "temperature"
    with pytest.raises(InputError, match=r"srad_1991.nc: srad: 'daylight average .*' is a mean over the daylight"):
        read(paths, names=names)
    other = [path for path in paths if "dayl_1992" not in path.name]
    with pytest.raises(InputError, match=r"srad_1992.nc: srad: has other days or cells than 'dayl'"):
        read(other, layout="daymet")


def test_the_diffuse_share_of_trendy_is_not_light(tmp_path):
    paths = crujra(tmp_path)
    for path in paths:
        if "dswrf" in path.name:
            with netCDF4.Dataset(str(path), "a") as data:
                light = data.variables["dswrf"]
                data.createVariable("fd", "f4", light.dimensions)[:] = 0.4
                data.variables["fd"].units = "1"
                data.renameVariable("dswrf", "tswrf")
    compare(read(paths, layout="crujra"), rtol=1e-6)


def test_chunks_of_cells_are_read_alike(tmp_path):
    """Cells in any number and order, from files held in memory or read by box."""
    paths = crujra(tmp_path)
    whole = read(paths)
    places = whole["latitude"].values, whole["longitude"].values
    for rows in (np.arange(12)[::-1], np.array([5]), np.array([7, 2, 2])):
        part = read(paths, places=(places[0][rows], places[1][rows]))
        for name in ("air_temperature", "precipitation", "shortwave_radiation"):
            np.testing.assert_array_equal(part[name].values, whole[name].values[rows])


@pytest.mark.parametrize("make", [cmip6, crujra, daymet])
def test_files_too_long_to_hold_are_read_in_parts(tmp_path, monkeypatch, make):
    whole = read(make(tmp_path))
    monkeypatch.setattr(monthly_series, "_held", monthly_series._Held())
    monkeypatch.setattr(monthly_series, "HELD_BYTES", 16)
    monkeypatch.setattr(monthly_series, "BLOCK_BYTES", 5000)
    for _ in range(4):  # by box at first, then from a temporary file
        again = read(make(tmp_path), places=(whole["latitude"].values[3:7], whole["longitude"].values[3:7]))
        np.testing.assert_allclose(again["precipitation"].values, whole["precipitation"].values[3:7], rtol=1e-12)
