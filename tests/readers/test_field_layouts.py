"""Files of the field as its centres hand them out, one maker a layout: each is the truth, or is refused in one sentence."""

import numpy as np
import pytest
from layout_files import (
    EAST,
    FIRST,
    LAST,
    LATITUDE,
    LONGITUDE,
    NORTH,
    UNITS,
    axes,
    climate,
    days,
    on_grid,
    stamps,
    steps,
    time,
    truth,
    write,
)

from jtem.errors import InputError
from jtem.readers import cf_monthly

pytestmark = pytest.mark.filterwarnings("ignore::jtem.errors.InputNote")
V, D3, N = on_grid(), ("time", "lat", "lon"), 12 * (LAST - FIRST + 1)


def fates_lndgrid(p):
    """Land of CTSM with FATES on a list of cells (lndgrid)."""
    lat, lon = (x.ravel() for x in np.meshgrid(LATITUDE, LONGITUDE, indexing="ij"))
    v = truth(lat, lon)
    c = time("bounds", units="days since 1850-01-01")
    c["time"][2]["bounds"] = "time_bounds"
    c["time_bounds"] = c.pop("time_bnds")
    said = {"cell_methods": "time: mean"}
    ps = [
        write(
            p / "h0.nc",
            c
            | {
                "lat": (("lndgrid",), lat, {"long_name": "coordinate latitude", "units": "degrees_north"}),
                "lon": (("lndgrid",), lon % 360, {"units": "degrees_east"}),
                "TBOT": (("time", "lndgrid"), v["tas"] + 273.15, said | {"units": "K"}),
                "RAIN": (("time", "lndgrid"), 0.5 * v["pr"] / 86400 / days()[:, :, 0], said | {"units": "mm/s"}),
                "SNOW": (("time", "lndgrid"), 0.5 * v["pr"] / 86400 / days()[:, :, 0], said | {"units": "mm/s"}),
                "FSDS": (("time", "lndgrid"), v["rsds"], said | {"units": "W/m^2"}),
            },
        )
    ]
    return ps, {}


def ecearth_time_counter(p):
    """XIOS (EC-Earth, IPSL): time_counter with its bounds."""
    c = {
        "time_counter": (
            ("time_counter",),
            stamps("middle", "standard", units="seconds since 1850-01-01"),
            {
                "units": "seconds since 1850-01-01 00:00:00",
                "calendar": "gregorian",
                "bounds": "time_counter_bounds",
                "standard_name": "time",
                "axis": "T",
            },
        ),
        "time_counter_bounds": (
            ("time_counter", "axis_nbounds"),
            stamps("bounds", "standard", units="seconds since 1850-01-01"),
            {},
        ),
    }
    return [write(p / "a.nc", c | axes() | climate(dims=("time_counter", "lat", "lon")))], {}


def access_um(p):
    """ACCESS and other UM output: fields by stash code, a height of one."""
    v = V
    c = time("bounds", "proleptic_gregorian", stamp="middle")

    def made(n, a, u, s):
        return {
            n: (
                ("time", "height_0", "lat", "lon"),
                a[:, None],
                {"units": u, "standard_name": s, "cell_methods": "time: mean"},
            )
        }

    x = (
        c
        | axes()
        | {"height_0": (("height_0",), [1.5], {"units": "m", "positive": "up"})}
        | made("fld_s03i236", v["tas"] + 273.15, "K", "air_temperature")
        | made("fld_s05i216", v["pr"] / 86400 / days("standard"), "kg m-2 s-1", "precipitation_flux")
        | made("fld_s01i235", v["rsds"], "W m-2", "surface_downwelling_shortwave_flux_in_air")
    )
    return [write(p / "umm.nc", x)], {
        "names": {
            "air_temperature": "fld_s03i236",
            "precipitation": "fld_s05i216",
            "shortwave_radiation": "fld_s01i235",
        }
    }


def pism(p):
    """PISM's climate: kelvin, kg m-2 year-1, a projection with true places."""
    lat, lon = np.meshgrid(LATITUDE, LONGITUDE, indexing="ij")
    c = time("bounds", stamp="start")
    c["time"][2].update(calendar="365_day")
    sh = ("time", "y", "x")
    x = c | {
        "x": (("x",), 1e3 * np.arange(4), {"units": "m", "standard_name": "projection_x_coordinate"}),
        "y": (("y",), 1e3 * np.arange(3), {"units": "m", "standard_name": "projection_y_coordinate"}),
        "lat": (("y", "x"), lat, {"units": "degree_north"}),
        "lon": (("y", "x"), lon, {"units": "degree_east"}),
        "mapping": ((), b"x"[0], {"grid_mapping_name": "polar_stereographic"}),
        "air_temp": (
            sh,
            V["tas"] + 273.15,
            {"units": "kelvin", "long_name": "near surface air temperature", "grid_mapping": "mapping"},
        ),
        "precipitation": (
            sh,
            V["pr"] * 365 / days(),
            {"units": "kg m-2 year-1", "standard_name": "precipitation_flux"},
        ),
        "ssr": (sh, V["rsds"], {"units": "watt m-2"}),
    }
    return [write(p / "a.nc", x)], {
        "names": {"air_temperature": "air_temp", "precipitation": "precipitation", "shortwave_radiation": "ssr"}
    }


def wrf(p, accumulated):
    """Polar WRF by month: Times as characters, XTIME, places repeated in time."""
    lat, lon = np.meshgrid(LATITUDE, LONGITUDE, indexing="ij")
    when = stamps("start", "standard", units="minutes since 1990-01-01")
    times = np.array([list(f"{FIRST + k // 12}-{k % 12 + 1:02d}-01_00:00:00") for k in range(N)], "S1")
    sh = ("Time", "south_north", "west_east")

    def tile(a):
        return np.repeat(a[None], N, 0).astype("f4")

    rain = V["pr"]
    x = {
        "Times": (("Time", "DateStrLen"), times, {}),
        "XTIME": (("Time",), when, {"units": "minutes since 1990-01-01 00:00:00", "description": "minutes since"}),
        "XLAT": (sh, tile(lat), {"units": "degree_north"}),
        "XLONG": (sh, tile(lon), {"units": "degree_east"}),
        "T2": (sh, V["tas"] + 273.15, {"units": "K", "coordinates": "XLONG XLAT XTIME", "description": "TEMP at 2 M"}),
        "RAINNC": (
            sh,
            np.cumsum(rain, 0) if accumulated else rain,
            {
                "units": "mm",
                "description": "ACCUMULATED TOTAL GRID SCALE PRECIPITATION",
                "coordinates": "XLONG XLAT XTIME",
            },
        ),
        "SWDOWN": (sh, V["rsds"], {"units": "W m-2", "coordinates": "XLONG XLAT XTIME"}),
    }
    return [write(p / "wrfmon.nc", x, {"TITLE": "OUTPUT FROM WRF"})], {
        "names": {"air_temperature": "T2", "precipitation": "RAINNC", "shortwave_radiation": "SWDOWN"}
    }


def wrf_accumulated(p):
    """WRF's rain, summed since the start."""
    return wrf(p, True)


def wrf_monthly(p):
    """Monthly sums of WRF."""
    return wrf(p, False)


def merra2(p):
    """MERRA-2 M2TMNX: a month a file, begin_date, 1e15 as fill value and valid range."""
    ps = []
    for k in range(N):
        y, m = FIRST + k // 12, k % 12 + 1
        c = {
            "time": (
                ("time",),
                np.array([0], "i4"),
                {
                    "long_name": "time",
                    "units": f"minutes since {y}-{m:02d}-01 00:30:00",
                    "begin_date": np.int32(y * 10000 + m * 100 + 1),
                    "begin_time": np.int32(3000),
                    "time_increment": np.int32(60000),
                },
            )
        }

        def made(n, a, u, k=k):
            return {
                n: (
                    D3,
                    a[k : k + 1].astype("f4"),
                    {
                        "units": u,
                        "_FillValue": np.float32(1e15),
                        "missing_value": np.float32(1e15),
                        "fmissing_value": np.float32(1e15),
                        "vmax": np.float32(1e15),
                        "vmin": np.float32(-1e15),
                        "valid_range": np.array([-1e15, 1e15], "f4"),
                        "long_name": n,
                    },
                )
            }

        for coll, part in (
            ("slv", made("T2M", V["tas"] + 273.15, "K")),
            ("flx", made("PRECTOT", V["pr"] / 86400 / days("standard"), "kg m-2 s-1")),
            ("rad", made("SWGDN", V["rsds"], "W m-2")),
        ):
            ps.append(write(p / f"MERRA2_200.tavgM_2d_{coll}_Nx.{y}{m:02d}.nc4", c | axes() | part))
    return ps, {"names": {"air_temperature": "T2M", "precipitation": "PRECTOT", "shortwave_radiation": "SWGDN"}}


def jra3q(p):
    """JRA-3Q: names with hyphens, Gaussian latitudes, mm/day."""
    lat = np.array([66.18, 66.74, 67.31])
    v = on_grid(latitude=lat)
    c = {
        "time": (
            ("time",),
            stamps("start", "standard", units="hours since 1900-01-01"),
            {"units": "hours since 1900-01-01 00:00", "calendar": "standard"},
        ),
        "time_bnds": (("time", "nv"), stamps("bounds", "standard", units="hours since 1900-01-01"), {}),
    }
    c["time"][2]["bounds"] = "time_bnds"
    x = (
        c
        | axes(lat)
        | {
            "tmp2m-hgt-an-gauss": (D3, v["tas"] + 273.15, {"units": "K"}),
            "tprate1have-sfc-fc-gauss": (D3, v["pr"] / days("standard"), {"units": "mm/day"}),
            "dswrf1have-sfc-fc-gauss": (D3, v["rsds"], {"units": "W m**-2"}),
        }
    )
    return [write(p / "a.nc", x)], {
        "names": {
            "air_temperature": "tmp2m-hgt-an-gauss",
            "precipitation": "tprate1have-sfc-fc-gauss",
            "shortwave_radiation": "dswrf1have-sfc-fc-gauss",
        },
        "latitude": lat,
    }


def ncep(p):
    """NCEP/NCAR reanalysis: degK, Kg/m^2/s, a level of one, 0-360, north to south."""
    ps = []
    for n, a, u in (
        ("air", V["tas"] + 273.15, "degK"),
        ("prate", V["pr"] / 86400 / days("standard"), "Kg/m^2/s"),
        ("dswrf", V["rsds"], "W/m^2"),
    ):
        c = {
            "time": (
                ("time",),
                stamps("start", "standard", units="hours since 1800-01-01"),
                {
                    "units": "hours since 1800-01-01 00:00:0.0",
                    "long_name": "Time",
                    "delta_t": "0000-01-00 00:00:00",
                    "avg_period": "0000-01-00 00:00:00",
                    "prev_avg_period": "0000-00-01 00:00:00",
                    "standard_name": "time",
                    "axis": "T",
                },
            )
        }
        ps.append(
            write(
                p / f"{n}.mon.mean.nc",
                c
                | axes(LATITUDE[::-1], LONGITUDE % 360)
                | {
                    "level": (("level",), [2.0], {"units": "m"}),
                    n: (
                        ("time", "level", "lat", "lon"),
                        a[:, None, ::-1].astype("f4"),
                        {
                            "units": u,
                            "statistic": "Mean",
                            "missing_value": np.float32(-9.96921e36),
                            "parent_stat": "Individual Obs",
                        },
                    ),
                },
            )
        )
    return ps, {"names": {"air_temperature": "air", "precipitation": "prate", "shortwave_radiation": "dswrf"}}


def carra(p):
    """CARRA by month: Lambert, kg m**-2 and J m**-2 a day in GRIB's words."""
    lat, lon = np.meshgrid(LATITUDE, LONGITUDE, indexing="ij")
    sh = ("valid_time", "y", "x")
    c = {
        "valid_time": (
            ("valid_time",),
            stamps("start", "proleptic_gregorian", units="seconds since 1970-01-01").astype("i8"),
            {"units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian", "standard_name": "time"},
        )
    }
    g = {"GRIB_stepType": "avgas", "standard_name": "unknown", "coordinates": "latitude longitude valid_time"}
    L2 = days("standard")
    x = c | {
        "latitude": (("y", "x"), lat, NORTH),
        "longitude": (("y", "x"), lon % 360, EAST),
        "t2m": (sh, V["tas"] + 273.15, g | {"units": "K"}),
        "tp": (sh, V["pr"] / L2, g | {"units": "kg m**-2"}),
        "ssrd": (sh, V["rsds"] * 86400, g | {"units": "J m**-2"}),
    }
    return [write(p / "a.nc", x, {"GRIB_centre": "enmi"})], {}


def udel(p):
    """University of Delaware: totals in cm."""
    ps = []
    for n, a, u in (("air", V["tas"], "degC"), ("precip", V["pr"] / 10, "cm")):
        ps.append(
            write(
                p / f"{n}.nc",
                time("start", "standard", units="hours since 1900-1-1")
                | axes(LATITUDE[::-1], LONGITUDE % 360)
                | {
                    n: (
                        D3,
                        a[:, ::-1],
                        {
                            "units": u,
                            "long_name": f"Monthly {'mean air temperature' if n == 'air' else 'total of precipitation'}",
                            "statistic": "Mean" if n == "air" else "Total",
                        },
                    )
                },
            )
        )
    ps.append(write(p / "r.nc", time("middle", "standard") | axes() | {"rsds": (D3, V["rsds"], {"units": "W m-2"})}))
    return ps, {"names": {"air_temperature": "air", "precipitation": "precip"}}


def gldas(p):
    """GLDAS Noah by month: bounds, rain and snow beside the total."""
    ps = []
    for k in range(N):
        y, m = FIRST + k // 12, k % 12 + 1
        n = days("standard")[k, 0, 0]
        c = {
            "time": (
                ("time",),
                [0.0],
                {
                    "units": f"days since {y}-{m:02d}-01 00:00:00",
                    "bounds": "time_bnds",
                    "long_name": "time",
                    "begin_date": f"{y}{m:02d}01",
                    "begin_time": "000000",
                },
            ),
            "time_bnds": (("time", "bnds"), [[0.0, n]], {}),
        }
        said = {"missing_value": np.float32(-9999), "_FillValue": np.float32(-9999)}
        ps.append(
            write(
                p / f"GLDAS_NOAH025_M.A{y}{m:02d}.021.nc4",
                c
                | axes()
                | {
                    "Tair_f_inst": (
                        D3,
                        (V["tas"][k : k + 1] + 273.15).astype("f4"),
                        said | {"units": "K", "standard_name": "air_temperature", "cell_methods": "time:mean"},
                    ),
                    "Rainf_f_tavg": (
                        D3,
                        (V["pr"][k : k + 1] / 86400 / n).astype("f4"),
                        said
                        | {
                            "units": "kg m-2 s-1",
                            "standard_name": "precipitation_flux",
                            "long_name": "Total precipitation rate",
                            "cell_methods": "time: mean",
                        },
                    ),
                    "Snowf_tavg": (
                        D3,
                        (0.4 * V["pr"][k : k + 1] / 86400 / n).astype("f4"),
                        said | {"units": "kg m-2 s-1", "long_name": "Snow precipitation rate"},
                    ),
                    "Rainf_tavg": (
                        D3,
                        (0.6 * V["pr"][k : k + 1] / 86400 / n).astype("f4"),
                        said | {"units": "kg m-2 s-1", "long_name": "Rain precipitation rate"},
                    ),
                    "SWdown_f_tavg": (
                        D3,
                        V["rsds"][k : k + 1].astype("f4"),
                        said | {"units": "W m-2", "cell_methods": "time: mean"},
                    ),
                },
            )
        )
    return ps, {
        "names": {
            "air_temperature": "Tair_f_inst",
            "precipitation": "Rainf_f_tavg",
            "shortwave_radiation": "SWdown_f_tavg",
        }
    }


def gldas_rain_alone(p):
    """The rain of GLDAS for its total."""
    paths, keys = gldas(p)
    return paths, {"names": keys["names"] | {"precipitation": "Rainf_tavg"}}


def wfde5_rain_alone(p):
    """WFDE5: rain and snow apart."""
    at, m = steps(8.0, "standard", "start")
    z = stamps("start", "standard", 1900, 1900)[0]
    c = {
        "time": (
            ("time",),
            (at - z) * 24,
            {"units": "hours since 1900-01-01", "calendar": "proleptic_gregorian", "standard_name": "time"},
        )
    }
    r = V["pr"] / 86400 / days("standard")
    x = (
        c
        | axes()
        | {
            "Tair": (D3, (V["tas"] + 273.15)[m], {"units": "K", "standard_name": "air_temperature"}),
            "Rainf": (
                D3,
                0.6 * r[m],
                {"units": "kg m-2 s-1", "standard_name": "rainfall_flux", "long_name": "Rainfall Flux"},
            ),
            "Snowf": (
                D3,
                0.4 * r[m],
                {"units": "kg m-2 s-1", "standard_name": "snowfall_flux", "long_name": "Snowfall Flux"},
            ),
            "SWdown": (D3, V["rsds"][m], {"units": "W m-2"}),
        }
    )
    return [write(p / "a.nc", x)], {
        "names": {"air_temperature": "Tair", "precipitation": "Rainf", "shortwave_radiation": "SWdown"}
    }


def narr(p):
    """NARR: amounts whose cell_methods say sum and mean."""
    lat, lon = np.meshgrid(LATITUDE, LONGITUDE, indexing="ij")
    sh = ("time", "y", "x")
    x = time("start", "standard", units="hours since 1800-1-1") | {
        "lat": (("y", "x"), lat, NORTH),
        "lon": (("y", "x"), lon, EAST),
        "air": (sh, V["tas"] + 273.15, {"units": "degK"}),
        "apcp": (
            sh,
            V["pr"] / days("standard"),
            {
                "units": "kg/m^2",
                "long_name": "Monthly Mean Accumulated total precipitation",
                "cell_methods": "time: sum (of 8 times daily values) mean (of daily values)",
            },
        ),
        "dswrf": (sh, V["rsds"], {"units": "W/m^2"}),
    }
    return [write(p / "a.nc", x)], {
        "names": {"air_temperature": "air", "precipitation": "apcp", "shortwave_radiation": "dswrf"}
    }


def cordex_rotated(p):
    """CORDEX: rotated pole, scalar height."""
    lat, lon = np.meshgrid(LATITUDE, LONGITUDE, indexing="ij")
    sh = ("time", "rlat", "rlon")
    c = time("bounds", "365_day", stamp="middle")
    x = c | {
        "rlat": (("rlat",), [1.0, 2.0, 3.0], {"units": "degrees", "standard_name": "grid_latitude"}),
        "rlon": (("rlon",), [1.0, 2.0, 3.0, 4.0], {"units": "degrees", "standard_name": "grid_longitude"}),
        "rotated_pole": ((), b"x"[0], {"grid_mapping_name": "rotated_latitude_longitude"}),
        "lat": (("rlat", "rlon"), lat, NORTH | {"standard_name": "latitude"}),
        "lon": (("rlat", "rlon"), lon, EAST | {"standard_name": "longitude"}),
        "height": ((), 2.0, {"units": "m", "axis": "Z"}),
    }
    for n, a, u in (
        ("tas", V["tas"] + 273.15, "K"),
        ("pr", V["pr"] / 86400 / days("365_day"), "kg m-2 s-1"),
        ("rsds", V["rsds"], "W m-2"),
    ):
        x[n] = (
            sh,
            a,
            {"units": u, "coordinates": "lat lon height", "cell_methods": "time: mean", "grid_mapping": "rotated_pole"},
        )
    return [write(p / "a.nc", x)], {}


def ldasin_without_time(p):
    """HRLDAS forcing: an hour a file, no time in it."""
    x = axes() | {
        "T2D": (("Time", "lat", "lon"), V["tas"][:1] + 273.15, {"units": "K"}),
        "RAINRATE": (("Time", "lat", "lon"), V["pr"][:1] / 86400 / 31, {"units": "kg m-2 s-1"}),
        "SWDOWN": (("Time", "lat", "lon"), V["rsds"][:1], {"units": "W m-2"}),
    }
    return [write(p / "1991010100.LDASIN_DOMAIN1", x)], {
        "names": {"air_temperature": "T2D", "precipitation": "RAINRATE", "shortwave_radiation": "SWDOWN"}
    }


def era5_by_hour_of_day(p):
    """ERA5 monthly averages by hour of day: 24 stamps on the first of each month."""
    h = np.arange(24)
    at = (stamps("start", "proleptic_gregorian", units="seconds since 1970-01-01")[:, None] + 3600 * h).ravel()
    c = {
        "valid_time": (
            ("valid_time",),
            at,
            {"units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian", "standard_name": "time"},
        )
    }
    cyc = np.sin(2 * np.pi * h / 24)
    tas = (V["tas"][:, None] + 3 * cyc[None, :, None, None]).reshape(-1, 3, 4)

    def rep(a):
        return np.repeat(a, 24, 0)

    g = {"GRIB_stepType": "avgua"}
    sh = ("valid_time", "lat", "lon")
    return [
        write(
            p / "a.nc",
            c
            | axes()
            | {
                "t2m": (sh, tas + 273.15, g | {"units": "K"}),
                "tp": (sh, rep(V["pr"] / 1e3 / days("standard") / 24), g | {"units": "m"}),
                "ssrd": (sh, rep(V["rsds"] * 3600), g | {"units": "J m**-2"}),
            },
        )
    ], {}


def snap_wrf_daily_xc(p):
    """SNAP's dynamical downscaling: daily, mm, places without attributes."""
    lat, lon = np.meshgrid(LATITUDE, LONGITUDE, indexing="ij")
    at, m = steps(1.0, "noleap", "start")
    sh = ("time", "yc", "xc")
    x = {
        "time": (("time",), at, {"units": "days since 1850-01-01", "calendar": "noleap"}),
        "xc": (("xc",), 1e3 * np.arange(4), {"units": "meters"}),
        "yc": (("yc",), 1e3 * np.arange(3), {"units": "meters"}),
        "lat": (("yc", "xc"), lat, {}),
        "lon": (("yc", "xc"), lon, {}),
        "T2": (sh, (V["tas"] + 273.15)[m], {"units": "K"}),
        "PCPT": (sh, (V["pr"] / days())[m], {"units": "mm"}),
        "SWDNB": (sh, V["rsds"][m], {"units": "W m-2"}),
    }
    return [write(p / "a.nc", x)], {
        "names": {"air_temperature": "T2", "precipitation": "PCPT", "shortwave_radiation": "SWDNB"}
    }


def wfde5_both(p):
    """The sum of both."""
    return wfde5_rain_alone(p)[0], {"layout": "wfde5"}


def clm_forcing(p):
    """Forcing of CLM (datm): a month a file and variable, LATIXY and LONGXY."""
    lat, lon = np.meshgrid(LATITUDE, LONGITUDE, indexing="ij")
    at, m = steps(4.0, "noleap", "middle")
    ps = []
    for k in range(N):
        sel = m == k
        y, mo = FIRST + k // 12, k % 12 + 1
        z = stamps("start", first=FIRST)[k]
        for n, a, u in (
            ("TBOT", V["tas"][k] + 273.15, "K"),
            ("PRECTmms", V["pr"][k] / 86400 / days()[k], "mm H2O / sec"),
            ("FSDS", V["rsds"][k], "W/m**2"),
        ):
            x = {
                "time": (
                    ("time",),
                    at[sel] - z,
                    {"units": f"days since {y}-{mo:02d}-01 00:00:00", "calendar": "noleap"},
                ),
                "LATIXY": (
                    ("lat", "lon"),
                    lat,
                    {"units": "degrees_north", "long_name": "latitude", "mode": "time-invariant"},
                ),
                "LONGXY": (("lat", "lon"), lon % 360, {"units": "degrees_east", "long_name": "longitude"}),
                n: (D3, np.repeat(a[None], sel.sum(), 0), {"units": u, "mode": "time-dependent"}),
            }
            ps.append(write(p / f"clmforc.{n}.{y}-{mo:02d}.nc", x))
    return ps, {}


def agera5_names_long(p):
    """AgERA5: daily, long names."""
    at, m = steps(1.0, "standard", "start")
    c = {"time": (("time",), at, {"units": "days since 1850-01-01", "calendar": "proleptic_gregorian"})}
    return [
        write(
            p / "a.nc",
            c
            | axes()
            | {
                "Temperature_Air_2m_Mean_24h": (
                    D3,
                    (V["tas"] + 273.15)[m],
                    {"units": "K", "long_name": "2 metre temperature", "temporal_aggregation": "Mean 24h"},
                ),
                "Precipitation_Flux": (
                    D3,
                    (V["pr"] / days("standard"))[m],
                    {"units": "mm d-1", "long_name": "Total precipitation"},
                ),
                "Solar_Radiation_Flux": (
                    D3,
                    (V["rsds"] * 86400)[m],
                    {"units": "J m-2 d-1", "long_name": "Surface solar radiation downwards"},
                ),
            },
        )
    ], {
        "names": {
            "air_temperature": "Temperature_Air_2m_Mean_24h",
            "precipitation": "Precipitation_Flux",
            "shortwave_radiation": "Solar_Radiation_Flux",
        }
    }


def read(make, folder):
    paths, keys = make(folder)
    keys = dict(keys)
    latitude = keys.pop("latitude", LATITUDE)
    places = tuple(v.ravel() for v in np.meshgrid(latitude, LONGITUDE, indexing="ij"))
    return cf_monthly.read_climate(paths, FIRST, LAST, keys.pop("names", None), places, **keys), truth(*places)


@pytest.mark.parametrize(
    "make",
    [fates_lndgrid, ecearth_time_counter, access_um, pism, wrf_monthly, merra2, jra3q, ncep, carra, udel, gldas, wfde5_both,
     cordex_rotated, snap_wrf_daily_xc, clm_forcing, agera5_names_long],
)  # fmt: skip
def test_files_as_handed_out_are_the_truth(tmp_path, make):
    found, real = read(make, tmp_path)
    for house, name in (("air_temperature", "tas"), ("precipitation", "pr"), ("shortwave_radiation", "rsds")):
        wanted = real[name].T.reshape(found.sizes["cell"], -1, 12)
        # some files hold 32 bits: kelvins of 256-512 to 1.5e-5, rates to 6e-8 of their value
        np.testing.assert_allclose(found[house].values, wanted, rtol=1e-6, atol=2e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            wrf_accumulated,
            "RAINNC: values in 'mm' run up through all months, so they are sums since a fixed time",
        ),
        (
            gldas_rain_alone,
            "Rainf_tavg: rain beside 'Snowf_tavg' and without it is not precipitation; give another variable",
        ),
        (wfde5_rain_alone, "Rainf: standard_name 'rainfall_flux' is not precipitation"),
        (narr, "does not say of what time; give 'kg/m\\^2 d-1' or 'kg/m\\^2 month-1'"),
        (ldasin_without_time, "no coordinate 'time'; add it"),
        (era5_by_hour_of_day, "step 1991-01-02 is missing in 'valid_time'; complete the file"),
    ],
)
def test_files_that_tell_too_little_are_refused(tmp_path, make, message):
    with pytest.raises(InputError, match=message):
        read(make, tmp_path)


WORDS = {
    "tas": ("2 metre dewpoint temperature", "Surface skin temperature", "Daily Maximum Near-Surface Air Temperature",
            "Minimum temperature at 2 metres since previous post-processing", "Soil temperature layer 1"),
    "pr": ("Convective precipitation", "Large-scale precipitation rate", "Snowfall",
           "ACCUMULATED TOTAL GRID SCALE PRECIPITATION"),
    "rsds": ("Surface net short-wave radiation flux", "Photosynthetically active radiation", "diffuse radiation",
             "TOA incident solar radiation", "Clear-sky downward shortwave"),
}  # fmt: skip
HOUSE = {"tas": "air temperature", "pr": "precipitation", "rsds": "shortwave radiation"}


@pytest.mark.parametrize(("name", "words"), [(name, words) for name, every in WORDS.items() for words in every])
def test_long_names_of_other_quantities_are_refused(tmp_path, name, words):
    content = climate() | {name: (D3, V[name], {"units": UNITS[name], "long_name": words})}
    path = write(tmp_path / "a.nc", time("middle", "standard") | axes() | content)
    with pytest.raises(InputError, match=f"{name}: long_name '{words}' is not {HOUSE[name]}; give another variable"):
        cf_monthly.read_climate([path], FIRST, LAST)


RIGHT_WORDS = {
    "tas": ("near-surface temperature", "Temperature 2 m above ground (mean of daily max and min)", "2m air temperature"),
    "pr": ("rain and snow", "Total (convective and large-scale) precipitation rate (liq + ice)", "rainfall"),
    "rsds": ("Incident direct plus diffuse solar", "Surface solar radiation downwards", "atmospheric incident solar radiation"),
}  # fmt: skip


@pytest.mark.parametrize("k", range(3))
def test_long_names_of_what_is_wanted_are_read(tmp_path, k):
    content = {n: (D3, V[n], {"units": UNITS[n], "long_name": words[k]}) for n, words in RIGHT_WORDS.items()}
    path = write(tmp_path / "a.nc", time("middle", "standard") | axes() | content)
    assert np.ptp(cf_monthly.read_climate([path], FIRST, LAST)["air_temperature"].values) > 30
