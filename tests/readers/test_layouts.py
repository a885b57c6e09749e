"""Layouts of climate files as people have them: each is read right to 1e-6, or refused in one sentence with the remedy."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layout_files import (
    EAST,
    FIRST,
    GRID,
    LAST,
    LATITUDE,
    LONGITUDE,
    NORTH,
    axes,
    climate,
    days,
    on_grid,
    plain,
    stamps,
    steps,
    time,
    truth,
    write,
)

from jtem.errors import InputError
from jtem.readers import catalogue, cf_monthly, layouts, to_model

HOUSE = {"tas": "air_temperature", "pr": "precipitation", "rsds": "shortwave_radiation"}
TABLE: dict = {}
pytestmark = pytest.mark.filterwarnings("ignore::jtem.errors.InputNote")


def layout(refused: str = "", **options):
    """Put a function folder -> path or paths into the table; ``refused``: what the one sentence must say."""

    def keep(make):
        TABLE[make.__name__] = (make, refused, options)
        return make

    return keep


def every(said: dict) -> dict:
    """The same attributes for all three variables."""
    return {name: dict(said) for name in HOUSE}


def compare(result: xr.Dataset, names=HOUSE, first: int = FIRST, last: int = LAST, rtol: float = 1e-6, atol=2e-5):
    expected = truth(result["latitude"].values, result["longitude"].values, first, last)
    for name in names:
        found = result[HOUSE[name]].values
        np.testing.assert_allclose(
            found.reshape(found.shape[0], -1).T, expected[name], rtol=rtol, atol=atol, err_msg=name
        )


def read(paths, first: int = FIRST, last: int = LAST, **options) -> xr.Dataset:
    paths = paths if isinstance(paths, list) else [paths]
    result = cf_monthly.read_climate(paths, first, last, **options)
    to_model.check_climate(result.assign(co2=("year", np.full(last - first + 1, 350.0))), first, last, str(paths[0]))
    return result


# --- time ------------------------------------------------------------------------------------------------------------

for calendar in ("noleap", "standard", "proleptic_gregorian", "360_day", "julian", "all_leap", "365_day", "gregorian"):
    for where in ("middle", "start", "end", "bounds", 14.0):

        def one(folder, calendar=calendar, where=where):
            return plain(folder / "c.nc", time(where, calendar))

        one.__name__ = f"time_{calendar}_{where}"
        layout()(one)

for units in (
    "hours since 1900-01-01",
    "minutes since 1970-01-01",
    "seconds since 1970-01-01",
    "days since 0001-01-01",
):

    def one(folder, units=units):
        return plain(folder / "c.nc", time("middle", "standard", units))

    one.__name__ = f"time_{units.replace(' ', '_')}"
    layout()(one)

COUNT = 12 * (LAST - FIRST + 1)
YEAR, MONTH = np.repeat(np.arange(FIRST, LAST + 1), 12), np.tile(np.arange(1, 13), LAST - FIRST + 1)
CLOCKS = {
    "months_since": (np.arange(COUNT), {"units": f"months since {FIRST}-01-01"}),
    "months_since_middle": (np.arange(COUNT) + 0.5, {"units": f"months since {FIRST}-01-01"}),
    "months_since_the_15th": (np.arange(COUNT), {"units": f"months since {FIRST}-01-15"}),
    "months_since_far": (
        np.arange(COUNT) + 12 * (FIRST - 1960),
        {"units": "months since 1960-01-01", "calendar": "360"},
    ),
    "decimal_years": (YEAR + (MONTH - 0.5) / 12, {"units": "years"}),
    "decimal_years_start": (YEAR + (MONTH - 1) / 12, {"units": "year A.D."}),
    "years_since": ((YEAR - 1900) + (MONTH - 0.5) / 12, {"units": "years since 1900-01-01"}),
    "yyyymm": (100 * YEAR + MONTH, {"units": "YYYYMM"}),
    "yyyymm_without_units": (100 * YEAR + MONTH, {}),
    "yyyymmdd": (10000 * YEAR + 100 * MONTH + 15, {"units": "day as %Y%m%d.%f"}),
    "yyyymmdd_fraction": (10000 * YEAR + 100 * MONTH + 16.5, {"units": "day as %Y%m%d.%f"}),
    "epoch_with_zone": (
        stamps("middle", "standard"),
        {"units": "days since 1850-01-01 00:00:00 UTC", "calendar": "standard"},
    ),
}
for word, (values, said) in CLOCKS.items():

    def one(folder, values=values, said=said):
        return plain(folder / "c.nc", {"time": (("time",), values.astype(float), said)})

    one.__name__ = f"time_{word}"
    layout()(one)


@layout()
def time_as_text(folder):
    text = np.array([f"{y}-{m:02d}-16_12:00:00" for y, m in zip(YEAR, MONTH, strict=True)])
    return plain(folder / "c.nc", {"Times": (("time",), text, {})})


@layout()
def valid_time(folder):
    clock = {
        "valid_time": (
            ("valid_time",),
            stamps("start", "proleptic_gregorian", units="seconds since 1970-01-01"),
            {"units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian", "standard_name": "time"},
        )
    }
    return write(folder / "c.nc", clock | axes() | climate(dims=("valid_time", *GRID)))  # fmt: skip


@layout()
def time_found_by_axis(folder):
    clock = {"T": (("T",), stamps(), {"units": "days since 1850-01-01", "calendar": "noleap", "axis": "T"})}
    return write(folder / "c.nc", clock | axes() | climate(dims=("T", *GRID)))


@layout(names={"time": "when"})
def time_named_by_the_user(folder):
    clock = {"when": (("n",), stamps(), {"units": "days since 1850-01-01", "calendar": "noleap"})}
    other = {"issued": (("n",), stamps() + 90, {"units": "days since 1850-01-01", "calendar": "noleap", "axis": "T"})}
    return write(folder / "c.nc", other | clock | axes() | climate(dims=("n", *GRID)))


@layout()
def bounds_whose_attribute_is_lost(folder):
    clock = time("bounds")
    del clock["time"][2]["bounds"]
    return plain(folder / "c.nc", clock)


@layout()
def bounds_that_end_on_the_last_day(folder):
    clock = time("bounds", stamp="middle")
    clock["time_bnds"] = (("time", "bnds"), clock["time_bnds"][1] - [0.0, 1.0], {})
    return plain(folder / "c.nc", clock)


@layout()
def end_of_month_in_single_precision(folder):
    clock = time("end")
    return plain(folder / "c.nc", {"time": (("time",), clock["time"][1].astype("f4"), clock["time"][2])})


@layout()
def a_year_each_file(folder):
    every = on_grid()
    paths = []
    for k, year in enumerate(range(FIRST, LAST + 1)):
        part = {name: values[12 * k : 12 * k + 12] for name, values in every.items()}
        clock = time("end", first=year, last=year)
        paths.append(write(folder / f"c{year}.nc", clock | axes() | climate(part)))
    return paths[::-1]


@layout()
def a_month_each_file_stamped_at_its_end(folder):
    every, at, paths = on_grid(), stamps("end"), []
    for k in range(COUNT):
        clock = {"time": (("time",), at[k : k + 1], {"units": "days since 1850-01-01", "calendar": "noleap"})}
        part = {name: values[k : k + 1] for name, values in every.items()}
        paths.append(write(folder / f"c{k}.nc", clock | axes() | climate(part)))
    return paths


def beyond(folder, where, more=None):
    """Months from October before to the last March after: no whole years."""
    span = {"first": FIRST - 1, "last": LAST + 1}
    part = slice(9, 12 * (LAST - FIRST + 3) - 9)
    every = {name: values for name, values in on_grid(FIRST, LAST + 2).items()}
    shifted = {name: np.concatenate([values[-12:], values[:-12]]) for name, values in every.items()}
    clock = time(where, **span, **(more or {}))
    clock = {name: (dims, values[part], said) for name, (dims, values, said) in clock.items()}
    return write(folder / "c.nc", clock | axes() | climate({n: v[part] for n, v in shifted.items()}))


@layout(refused="c.nc: 'time' has no bounds and stamps like 1990-10-01.*stamp = \"start\"")
def stamps_between_months(folder):
    return beyond(folder, "start")


@layout(stamp="start")
def stamps_between_months_told_by_the_plan(folder):
    return beyond(folder, "start")


@layout(stamp="end")
def stamps_at_the_end_told_by_the_plan(folder):
    return beyond(folder, "end")


@layout()
def stamps_at_the_end_told_by_the_file(folder):
    return beyond(folder, "end", {"long_name": "time at end of averaging period"})


@layout()
def stamps_at_the_end_told_by_bounds(folder):
    return beyond(folder, "bounds")


@layout(refused="stamp 'before' is unknown", stamp="before")
def stamps_told_wrongly(folder):
    return beyond(folder, "start")


@layout(refused="c.nc: stamps of 'time' move through the month.*calendar")
def calendar_lost(folder):
    return plain(folder / "c.nc", time("middle", say=False))


@layout(refused="c.nc: stamps of 'time' move through the month.*set the attribute 'calendar'")
def calendar_lost_at_the_firsts_of_months(folder):
    return plain(folder / "c.nc", time("start", units="days since 1992-01-01", say=False))


@layout(
    refused="no attribute tells the calendar of 'time'; its steps are whole years in 'noleap' and not in the standard one"
)
def calendar_lost_by_one_day(folder):
    return plain(folder / "c.nc", time("start", units="days since 1988-01-01", say=False, first=1989, last=1990))


@layout(refused="c.nc: bounds of 'time' .* are no calendar month")
def calendar_lost_with_bounds(folder):
    return plain(folder / "c.nc", time("bounds", say=False))


@layout(refused="calendar 'lunar' of 'time' is unknown")
def calendar_unknown(folder):
    return plain(
        folder / "c.nc", {"time": (("time",), stamps(), {"units": "days since 1850-01-01", "calendar": "lunar"})}
    )


@layout(refused="month 1991-06 is missing in 'time'")
def month_missing(folder):
    keep = [k for k in range(COUNT) if k != 5]
    clock = {"time": (("time",), stamps()[keep], {"units": "days since 1850-01-01", "calendar": "noleap"})}
    return write(folder / "c.nc", clock | axes() | climate({n: v[keep] for n, v in on_grid().items()}))


@layout(refused="one step a year, expected months")
def yearly(folder):
    clock = {
        "time": (("time",), 182.5 + 365 * np.arange(COUNT), {"units": "days since 1850-01-01", "calendar": "noleap"})
    }
    return plain(folder / "c.nc", clock)


@layout(refused="steps of 'time' are 8 days")
def eight_days(folder):
    clock = {"time": (("time",), 8.0 * np.arange(COUNT), {"units": "days since 1991-01-01", "calendar": "noleap"})}
    return plain(folder / "c.nc", clock)


@layout(refused="'time' is a climatology of many years")
def climatology(folder):
    return plain(folder / "c.nc", time("middle", climatology="climatology_bounds"))


@layout(refused="'time' has no decodable units")
def time_without_units(folder):
    return plain(folder / "c.nc", {"time": (("time",), np.arange(float(COUNT)), {})})


@layout(refused="'time' in 'days since the flood' cannot be decoded")
def time_since_nothing(folder):
    return plain(folder / "c.nc", {"time": (("time",), np.arange(float(COUNT)), {"units": "days since the flood"})})


@layout(refused="'time' has missing values")
def time_with_gaps(folder):
    at = stamps()
    at[3] = np.nan
    return plain(folder / "c.nc", {"time": (("time",), at, {"units": "days since 1850-01-01", "calendar": "noleap"})})


@layout()
def another_variable_with_odd_time(folder):
    return plain(folder / "c.nc", step=(("time",), np.arange(float(COUNT)), {"units": "hours since analysis"}))


# --- places ----------------------------------------------------------------------------------------------------------


@layout()
def longitudes_to_360(folder):
    return write(folder / "c.nc", time() | axes(longitude=LONGITUDE + 360) | climate())


@layout()
def north_to_south(folder):
    return write(
        folder / "c.nc", time() | axes(LATITUDE[::-1]) | climate({n: v[:, ::-1] for n, v in on_grid().items()})
    )


@layout()
def across_the_date_line(folder):
    lon = np.array([178.75, 179.25, 179.75, -179.75, -179.25])
    return write(folder / "c.nc", time() | axes(longitude=lon) | climate(on_grid(longitude=lon)))


@layout()
def dimensions_in_another_order(folder):
    values = {n: v.transpose(2, 0, 1) for n, v in on_grid().items()}
    return write(folder / "c.nc", time() | axes() | climate(values, ("lon", "time", "lat")))


LAT2, LON2 = np.meshgrid(LATITUDE, LONGITUDE, indexing="ij")
LAT2, LON2 = LAT2 + 0.02 * np.arange(4), LON2 + 0.03 * np.arange(3)[:, None]
NAMES_2D = {
    "lat_lon": ("lat", "lon", NORTH, EAST),
    "tlat": ("TLAT", "TLONG", NORTH | {"standard_name": "latitude"}, EAST | {"standard_name": "longitude"}),
    "nav_lat": ("nav_lat", "nav_lon", {}, {}),
    "xlat": ("XLAT", "XLONG", {"units": "degree_north"}, {"units": "degree_east"}),
    "latixy": ("LATIXY", "LONGXY", {"units": "degrees north"}, {"units": "degrees east"}),
    "odd": ("breite", "laenge", {"standard_name": "latitude", "units": "degrees"},
            {"standard_name": "longitude", "units": "degrees"}),
    "by_units": ("g5_lat_0", "g5_lon_1", NORTH, EAST),
    "capital": ("Latitude", "Longitude", {}, {}),
    "radians": ("clat", "clon", {"units": "radian"}, {"units": "radian"}),
}  # fmt: skip
for word, (lat_name, lon_name, lat_said, lon_said) in NAMES_2D.items():

    def one(folder, names=(lat_name, lon_name, lat_said, lon_said)):
        turn = np.deg2rad if names[2].get("units") == "radian" else np.asarray
        place = {names[0]: (("y", "x"), turn(LAT2), names[2]), names[1]: (("y", "x"), turn(LON2), names[3])}
        return write(folder / "c.nc", time() | place | climate(truth(LAT2, LON2), ("time", "y", "x")))

    one.__name__ = f"curvilinear_{word}"
    layout()(one)

    def one(folder, names=(lat_name, lon_name, lat_said, lon_said)):
        turn = np.deg2rad if names[2].get("units") == "radian" else np.asarray
        place = {names[0]: (("n",), turn(LAT2.ravel()), names[2]), names[1]: (("n",), turn(LON2.ravel()), names[3])}
        return write(folder / "c.nc", time() | place | climate(truth(LAT2.ravel(), LON2.ravel()), ("time", "n")))

    one.__name__ = f"unstructured_{word}"
    layout()(one)

for word in (
    ("latitude", "longitude"),
    ("y", "x"),
    ("LAT", "LON"),
    ("nlat", "nlon"),
    ("lsmlat", "lsmlon"),
    ("YDim", "XDim"),
):

    def one(folder, names=word):
        return write(folder / "c.nc", time() | axes(names=names) | climate(dims=("time", *names)))

    one.__name__ = f"axes_{word[0]}"
    layout()(one)


@layout()
def projection_with_true_places(folder):
    place = {
        "y": (("y",), 1000.0 * np.arange(3), {"units": "m", "standard_name": "projection_y_coordinate"}),
        "x": (("x",), 1000.0 * np.arange(4), {"units": "m", "standard_name": "projection_x_coordinate"}),
        "latitude": (("y", "x"), LAT2, NORTH),
        "longitude": (("y", "x"), LON2, EAST),
    }
    return write(folder / "c.nc", time() | place | climate(truth(LAT2, LON2), ("time", "y", "x")))


@layout()
def two_grids_told_apart_by_coordinates(folder):
    place = {
        "ULAT": (("y", "x"), LAT2 + 0.1, NORTH), "ULON": (("y", "x"), LON2 + 0.1, EAST),
        "TLAT": (("y", "x"), LAT2, NORTH), "TLON": (("y", "x"), LON2, EAST),
    }  # fmt: skip
    said = every({"coordinates": "TLON TLAT time"})
    return write(folder / "c.nc", time() | place | climate(truth(LAT2, LON2), ("time", "y", "x"), said=said))


@layout(names={"latitude": "here_lat", "longitude": "here_lon"})
def places_named_by_the_user(folder):
    place = {"here_lat": (("n",), LAT2.ravel(), {}), "here_lon": (("n",), LON2.ravel(), {})}
    return write(folder / "c.nc", time() | place | climate(truth(LAT2.ravel(), LON2.ravel()), ("time", "n")))


@layout()
def one_place_as_scalars(folder):
    place = {"lat": ((), 66.25, NORTH), "lon": ((), -150.25, EAST)}
    return write(folder / "c.nc", time() | place | climate(truth(66.25, -150.25), ("time",)))


@layout()
def one_place_repeated_in_time(folder):
    place = {"lat": (("time",), np.full(COUNT, 66.25), NORTH), "lon": (("time",), np.full(COUNT, -150.25), EAST)}
    return write(folder / "c.nc", time() | place | climate(truth(66.25, -150.25), ("time",)))


@layout()
def one_place_as_axes_of_one(folder):
    lat, lon = np.array([66.25]), np.array([-150.25])
    return write(folder / "c.nc", time() | axes(lat, lon) | climate(on_grid(latitude=lat, longitude=lon)))


@layout()
def one_place_beside_axes_of_one(folder):
    lat, lon = np.array([66.25]), np.array([-150.25])
    return write(folder / "c.nc", time() | axes(lat, lon) | climate(truth(66.25, -150.25), ("time",)))


@layout()
def dimensions_of_one(folder):
    values = {n: v[None, :, None] for n, v in on_grid().items()}
    more = {"height": (("height",), [2.0], {"units": "m"}), "member": (("member",), [1], {})}
    return write(folder / "c.nc", time() | axes() | more | climate(values, ("member", "time", "height", *GRID)))


@layout(refused="c.nc: tas: dimension 'member' has 3 entries")
def several_members(folder):
    values = {n: np.stack([v] * 3) for n, v in on_grid().items()}
    return write(folder / "c.nc", time() | axes() | climate(values, ("member", "time", *GRID)))


@layout(refused="c.nc: 'rlat' is a coordinate of a projection .grid_latitude., not latitude")
def rotated_places_only(folder):
    place = {"rlat": (("rlat",), LATITUDE, {"units": "degrees", "standard_name": "grid_latitude"}),
             "rlon": (("rlon",), LONGITUDE, {"units": "degrees", "standard_name": "grid_longitude"})}  # fmt: skip
    return write(folder / "c.nc", time() | place | climate(dims=("time", "rlat", "rlon")))


@layout(refused="c.nc: 'lat' is a coordinate of a projection .grid_latitude., not latitude")
def rotated_places_under_plain_names(folder):
    place = {"lat": (("lat",), LATITUDE - 60, {"units": "degrees", "standard_name": "grid_latitude"}),
             "lon": (("lon",), LONGITUDE, {"units": "degrees", "standard_name": "grid_longitude"})}  # fmt: skip
    return write(folder / "c.nc", time() | place | climate())


@layout(refused="c.nc: 'lat' is in 'km', expected degrees or radians")
def places_in_kilometres(folder):
    place = {"lat": (("lat",), LATITUDE, {"units": "km"}), "lon": (("lon",), LONGITUDE, {"units": "km"})}
    return write(folder / "c.nc", time() | place | climate())


@layout(refused="c.nc: 'lat' has no units .*radians")
def places_in_radians_without_units(folder):
    place = {"lat": (("n",), np.deg2rad(LAT2.ravel()), {}), "lon": (("n",), np.deg2rad(LON2.ravel()), {})}
    return write(folder / "c.nc", time() | place | climate(truth(LAT2.ravel(), LON2.ravel()), ("time", "n")))


@layout(refused="c.nc: several latitudes .*under .domain.names.")
def two_grids_not_told_apart(folder):
    place = {
        "ALAT": (("y", "x"), LAT2 + 0.1, NORTH), "ALON": (("y", "x"), LON2 + 0.1, EAST),
        "BLAT": (("y", "x"), LAT2, NORTH), "BLON": (("y", "x"), LON2, EAST),
    }  # fmt: skip
    return write(folder / "c.nc", time() | place | climate(truth(LAT2, LON2), ("time", "y", "x")))


# --- stored values ---------------------------------------------------------------------------------------------------


@layout()
def packed_integers(folder):
    values = {n: np.round((v - 100.0) / 1e-6).astype("i4") for n, v in on_grid().items()}
    said = every({"scale_factor": 1e-6, "add_offset": 100.0})
    return write(folder / "c.nc", time() | axes() | climate(values, said=said))


@layout()
def unsigned_shorts_in_the_old_form(folder):
    packed = {n: np.round((v + 50.0) / 0.005).astype("u2").view("i2") for n, v in on_grid().items()}
    exact = {n: np.round((v + 50.0) / 0.005) * 0.005 - 50.0 for n, v in on_grid().items()}
    said = every({"scale_factor": 0.005, "add_offset": -50.0, "_Unsigned": "true"})
    write(folder / "exact.nc", time() | axes() | climate(exact))
    TABLE["unsigned_shorts_in_the_old_form"][2]["expected"] = folder / "exact.nc"
    return write(folder / "c.nc", time() | axes() | climate(packed, said=said))


@layout()
def single_precision_and_unlimited_time(folder):
    values = {n: v.astype("f4") for n, v in on_grid().items()}
    return write(folder / "c.nc", time() | axes() | climate(values), unlimited=True)


def hole(fill, said, dtype="f8"):
    values = {n: v.astype(dtype) for n, v in on_grid().items()}
    values["tas"][3, 1, 2] = fill
    return climate(values, said={"tas": said})


@layout(refused="'air_temperature' is missing .NaN. in cell 6, 1991-04")
def missing_value_of_another_type(folder):
    return write(
        folder / "c.nc", time() | axes() | hole(np.float32(-9999.9), {"missing_value": np.float64(-9999.9)}, "f4")
    )


@layout(refused="'air_temperature' is missing .NaN. in cell 6, 1991-04")
def missing_value_as_text(folder):
    return write(folder / "c.nc", time() | axes() | hole(-9999.0, {"missing_value": "-9999."}))


@layout(refused="'air_temperature' is missing .NaN. in cell 6, 1991-04")
def outside_the_valid_range(folder):
    return write(folder / "c.nc", time() | axes() | hole(99.0, {"valid_range": np.array([-80.0, 60.0])}))


@layout(refused="'air_temperature' is missing .NaN. in cell 6, 1991-04")
def fill_value_of_the_library(folder):
    return write(folder / "c.nc", time() | axes() | hole(9.969209968386869e36, {}))


@layout(refused="c.nc: tas: value 1e.20 looks like a fill value that the file does not declare")
def fill_value_not_declared(folder):
    return write(folder / "c.nc", time() | axes() | hole(1e20, {}))


@layout(refused="c.nc: tas: attribute scale_factor is 'one', expected a number")
def scale_as_text(folder):
    return write(folder / "c.nc", time() | axes() | climate(said={"tas": {"scale_factor": "one"}}))


@layout(refused="c.nc: variable 'tas' is missing.*did you mean 'tax'")
def another_name(folder):
    values = on_grid()
    values["tax"] = values.pop("tas")
    return write(folder / "c.nc", time() | axes() | climate(values))


# --- units -----------------------------------------------------------------------------------------------------------

D = days()
WORDS = {
    "tas": {
        "K": (1.0, 273.15), "kelvin": (1.0, 273.15), "degrees Celsius": (1.0, 0.0), "deg_C": (1.0, 0.0), "C": (1.0, 0.0),
        "°C": (1.0, 0.0), "\u2103": (1.0, 0.0), "Celsius": (1.0, 0.0), "degF": (1.8, 32.0), "deg C": (1.0, 0.0),
        "Degrees Kelvin": (1.0, 273.15),
    },
    "pr": {
        "kg m-2 s-1": (1 / 86400 / D, 0.0), "kg m**-2 s**-1": (1 / 86400 / D, 0.0), "kg/m^2/s": (1 / 86400 / D, 0.0),
        "kgm-2s-1": (1 / 86400 / D, 0.0), "kg/(m2 s)": (1 / 86400 / D, 0.0), "mm/day": (1 / D, 0.0), "mm d-1": (1 / D, 0.0),
        "mm s-1": (1 / 86400 / D, 0.0), "m s-1": (1e-3 / 86400 / D, 0.0), "mm/h": (1 / 24 / D, 0.0), "mm": (1.0, 0.0),
        "mm/month": (1.0, 0.0), "cm month-1": (0.1, 0.0), "kg m-2": (1.0, 0.0), "inch": (1 / 25.4, 0.0),
        "in/month": (1 / 25.4, 0.0), "m d-1": (1e-3 / D, 0.0), "mm per day": (1 / D, 0.0), "kg m-2 day-1": (1 / D, 0.0),
        "kg m⁻² s⁻¹": (1 / 86400 / D, 0.0), "mm H2O/day": (1 / D, 0.0), "mm/6h": (0.25 / D, 0.0),
        "mm yr-1": (365 / D, 0.0), "kg m-2 a-1": (365 / D, 0.0),
    },
    "rsds": {
        "W m-2": (1.0, 0.0), "Wm-2": (1.0, 0.0), "W/m^2": (1.0, 0.0), "W m**-2": (1.0, 0.0), "watts/m2": (1.0, 0.0),
        "J m-2 s-1": (1.0, 0.0), "MJ m-2 d-1": (0.0864, 0.0), "MJ/m2/day": (0.0864, 0.0), "kJ m-2 day-1": (86.4, 0.0),
        "J m-2 d-1": (86400.0, 0.0), "cal cm-2 d-1": (86400 / 41860, 0.0), "ly/day": (86400 / 41840, 0.0),
        "kWh m-2 d-1": (0.024, 0.0), "kW-hr/m^2/day": (0.024, 0.0), "J m-2 month-1": (86400.0 * D, 0.0), "W.m-2": (1.0, 0.0),
    },
}  # fmt: skip
WRONG = {
    "tas": ("degR", "m", "K m-1", "1", "coulomb"),
    "pr": ("gallon", "K", "kg", "g C m-2 d-1", "W m-2"),
    "rsds": ("lux", "W", "umol m-2 s-1", "W m-2 d-1", "K"),
}


@pytest.mark.parametrize(("name", "unit"), [(name, unit) for name, words in WORDS.items() for unit in words])
def test_units(tmp_path, name, unit):
    factor, offset = WORDS[name][unit]
    values = on_grid()
    values[name] = values[name] * factor + offset
    compare(read(write(tmp_path / "c.nc", time() | axes() | climate(values, units={name: unit}))))


@pytest.mark.parametrize(("name", "unit"), [(name, unit) for name, words in WRONG.items() for unit in words])
def test_units_that_are_refused(tmp_path, name, unit):
    path = write(tmp_path / "c.nc", time() | axes() | climate(units={name: unit}))
    with pytest.raises(InputError, match=rf"c.nc: {name}: '{HOUSE[name]}' is in '{unit}', expected .*domain.units"):
        read(path)


def amounts(folder, name, unit, factor, said, attributes=None):
    values = on_grid()
    values[name] = values[name] * factor
    content = time() | axes() | climate(values, units={name: unit}, said={name: said})
    return write(folder / "c.nc", content, attributes)


@layout()
def mean_of_daily_sums(folder):
    return amounts(folder, "pr", "mm", 1 / D, {"cell_methods": "time: sum within days time: mean over days"})


@layout()
def sum_of_the_month(folder):
    return amounts(folder, "pr", "m", 1e-3, {"cell_methods": "area: mean time: sum (interval: 1 day)"})


@layout(refused="'precipitation' is in 'mm' with cell_methods 'time: mean', which does not say of what time")
def mean_of_amounts(folder):
    return amounts(folder, "pr", "mm", 1 / D, {"cell_methods": "time: mean"})


@layout(refused="'precipitation' is in 'mm' with standard_name 'precipitation_flux'.*'mm d-1' or 'mm month-1'")
def flux_in_millimetres(folder):
    return amounts(folder, "pr", "mm", 1 / D, {"standard_name": "precipitation_flux"})


@layout(refused="'precipitation' is in 'mm' with long_name 'mean daily precipitation', which does not say")
def daily_by_its_long_name(folder):
    return amounts(folder, "pr", "mm", 5 / D, {"long_name": "mean daily precipitation"})


@layout(said_units={"precipitation": "mm d-1"})
def flux_in_millimetres_told_by_the_plan(folder):
    return amounts(folder, "pr", "mm", 1 / D, {"standard_name": "precipitation_flux"})


@layout(refused="has values .*: mm d-1\\?")
def daily_means_called_millimetres(folder):
    return amounts(folder, "pr", "mm", 1 / D, {})


@layout(refused="'shortwave_radiation' is in 'J m-2' with an amount, which does not say of what time")
def light_as_energy(folder):
    return amounts(folder, "rsds", "J m-2", 86400.0, {})


@layout(refused="cell_methods 'time: maximum' is not a mean or sum over time")
def maxima(folder):
    return amounts(folder, "tas", "degC", 1.0, {"cell_methods": "time: maximum"})


@layout(refused="cell_methods 'time: minimum within days time: mean over days' tells daily minima, expected means")
def daily_minima(folder):
    return amounts(folder, "tas", "degC", 1.0, {"cell_methods": "time: minimum within days time: mean over days"})


@layout(refused="'air_temperature' has no units attribute")
def no_units(folder):
    return amounts(folder, "tas", "", 1.0, {})


@layout(refused="'shortwave_radiation' exceeds the radiation at the top of the atmosphere")
def half_a_year_off(folder):
    return write(folder / "c.nc", time() | axes() | climate({n: np.roll(v, 6, axis=0) for n, v in on_grid().items()}))


@layout(refused="negative precipitation -2")
def negative_rain(folder):
    values = on_grid()
    values["pr"][0, 0, 0] = -2.0
    return write(folder / "c.nc", time() | axes() | climate(values))


# --- finer than months -----------------------------------------------------------------------------------------------


def finer(
    path, per_day=1.0, calendar="standard", place="middle", units=None, factors=None, keep=None, names=None, **said
):
    """Steps that hold the mean of their month, so that the truth is exact."""
    at, month = steps(per_day, calendar, place)
    keep = slice(None) if keep is None else keep(at, month)
    factors = {"pr": 1 / 86400 / days(calendar)} if factors is None else factors
    values = {n: (v * factors.get(n, 1.0))[month][keep] for n, v in on_grid().items()}
    units = {"pr": "kg m-2 s-1"} if units is None else units
    clock = {"time": (("time",), at[keep], {"units": "days since 1850-01-01", "calendar": calendar} | said)}
    content = clock | axes() | climate(values, units=units)
    for old, new in (names or {}).items():
        content[new] = content.pop(old)
    return write(path, content)


for calendar in ("standard", "noleap", "360_day"):
    for place in ("start", "middle", "end"):
        for per_day in (1.0, 4.0, 8.0):

            def one(folder, options=(per_day, calendar, place)):
                return finer(folder / "c.nc", *options)

            one.__name__ = f"steps_{per_day:g}_a_day_{calendar}_{place}"
            layout()(one)


@layout()
def daily_with_bounds(folder):
    at, month = steps(1.0, "standard", "start")
    clock = {
        "time": (("time",), at + 1.0, {"units": "days since 1850-01-01", "calendar": "standard", "bounds": "tb"}),
        "tb": (("time", "two"), np.stack([at, at + 1.0], axis=1), {}),
    }
    values = {n: v[month] for n, v in on_grid().items()}
    values["pr"] = values["pr"] / days("standard")[month]
    return write(folder / "c.nc", clock | axes() | climate(values, units={"pr": "mm d-1"}))


@layout()
def daily_totals(folder):
    return finer(
        folder / "c.nc", units={"pr": "mm", "rsds": "J m-2"}, factors={"pr": 1 / days("standard"), "rsds": 86400.0}
    )


@layout()
def hourly_totals_of_a_reanalysis(folder):
    factors = {"pr": 1e-3 / 24 / days("standard"), "rsds": 3600.0}
    return finer(folder / "c.nc", 24.0, place="end", units={"pr": "m", "rsds": "J m**-2"}, factors=factors)


@layout(refused="c.nc: pr: values in 'm' run up through each day and begin again, so they are sums since a fixed time")
def hourly_totals_that_run_up_through_the_day(folder):
    at, month = steps(24.0, "standard", "start")
    rain = on_grid()["pr"][month] * 1e-3 / 31 / 24 * (1 + np.arange(at.size) % 24)[:, None, None]
    values = {n: v[month] for n, v in on_grid().items()} | {"pr": rain}
    clock = {"time": (("time",), at, {"units": "days since 1850-01-01", "calendar": "standard"})}
    return write(folder / "c.nc", clock | axes() | climate(values, units={"pr": "m"}))


@layout()
def six_hourly_millimetres(folder):
    return finer(folder / "c.nc", 4.0, "noleap", "start", {"pr": "mm/6h"}, {"pr": 0.25 / days("noleap")})


@layout()
def without_29_february(folder):
    def keep(at, month):
        leap = np.nonzero(month == 13)[0][-1]
        return np.delete(np.arange(at.size), leap)

    return finer(folder / "c.nc", keep=keep)


@layout()
def without_31_december_of_leap_years(folder):
    return finer(folder / "c.nc", keep=lambda at, month: np.arange(at.size - 1))


@layout(refused="step 1991-04-11 is missing in 'time'")
def a_day_missing(folder):
    return finer(folder / "c.nc", keep=lambda at, month: np.delete(np.arange(at.size), 100))


@layout(refused="month 1991-04 is there in part")
def half_a_month_missing(folder):
    a = finer(folder / "a.nc", keep=lambda at, month: np.arange(100))
    return [a, finer(folder / "b.nc", keep=lambda at, month: np.arange(110, at.size))]


@layout()
def a_month_in_two_files(folder):
    a = finer(folder / "a.nc", keep=lambda at, month: np.arange(100))
    return [a, finer(folder / "b.nc", keep=lambda at, month: np.arange(100, at.size))]


@layout(refused="month 1991-04 is there twice")
def days_in_two_files(folder):
    a = finer(folder / "a.nc", keep=lambda at, month: np.arange(101))
    return [a, finer(folder / "b.nc", keep=lambda at, month: np.arange(100, at.size))]


@layout()
def temperature_monthly_and_rain_daily(folder):
    finer(folder / "all.nc")
    with xr.open_dataset(folder / "all.nc", decode_times=False) as data:
        data[["pr"]].load().to_netcdf(folder / "pr.nc")
    values = on_grid()
    values.pop("pr")
    return [folder / "pr.nc", write(folder / "rest.nc", time() | axes() | climate(values))]


# --- the table -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLE)
def test_layout(tmp_path, name):
    make, refused, options = TABLE[name]
    paths = make(tmp_path)
    options = dict(options)
    expected = options.pop("expected", None)
    if refused:
        with pytest.raises(InputError, match=refused) as caught:
            read(paths, **options)
        assert "\n" not in str(caught.value) and str(caught.value).count(". ") <= 1
        return
    result = read(paths, **options)
    if expected is None:
        compare(result)
    else:
        xr.testing.assert_allclose(result, read(expected), rtol=1e-9)


def test_the_words_of_plans_are_those_of_the_readers():
    assert set(catalogue.LAYOUTS) == set(layouts.LAYOUTS)


def test_the_table_is_long_enough():
    assert len(TABLE) + len([w for words in WORDS.values() for w in words]) >= 60
    assert sum(bool(refused) for _, refused, _ in TABLE.values()) >= 25


def test_unknown_names_of_the_plan_are_refused(tmp_path):
    path = plain(tmp_path / "c.nc")
    with pytest.raises(InputError, match=r"\[domain.names\]: unknown key 'latitud'; did you mean 'latitude'"):
        read(path, names={"latitud": "lat"})
    with pytest.raises(InputError, match=r"\[domain.units\]: unknown key 'pr'"):
        read(path, said_units={"pr": "mm"})
    with pytest.raises(InputError, match="layout 'era' is unknown; did you mean 'era5'"):
        read(path, layout="era")
    with pytest.raises(InputError, match=r"no coordinate 'breite' .latitude."):
        read(path, names={"latitude": "breite"})


# --- random layouts --------------------------------------------------------------------------------------------------


@st.composite
def random_layouts(draw):
    """A valid CF file by chance: every choice that the table tries one by one, all at once."""
    choose = lambda *options: draw(st.sampled_from(options))  # noqa: E731
    return {
        "calendar": choose("noleap", "standard", "proleptic_gregorian", "360_day", "julian"),
        "clock": choose("start", "middle", "end", "bounds", 9.25, "daily", "six-hourly"),
        "units": choose(
            "days since 1850-01-01", "hours since 1900-01-01", "seconds since 1970-01-01", "days since 0001-01-01"
        ),
        "space": choose("axes", "curvilinear", "cells", "place"),
        "down": choose(False, True),
        "turn": choose(0.0, 360.0),
        "names": choose(("lat", "lon"), ("latitude", "longitude"), ("TLAT", "TLONG"), ("eta", "xi")),
        "order": draw(st.permutations(range(3))),
        "extra": choose("", "height", "member"),
        "dtype": choose("f4", "f8", "i4"),
        "tas": choose(*WORDS["tas"]),
        "rsds": choose("W m-2", "W/m^2", "MJ m-2 d-1", "cal cm-2 d-1"),
        "pr": choose("kg m-2 s-1", "mm d-1", "m s-1", "mm/h"),
        "files": choose("one", "each", "years"),
    }


def build(folder, chance):
    """Files of a random layout."""
    calendar, clock = chance["calendar"], chance["clock"]
    per_day = {"daily": 1.0, "six-hourly": 4.0}.get(clock)
    lat, lon = LATITUDE[::-1] if chance["down"] else LATITUDE, LONGITUDE
    lat2, lon2 = (lat[:, None], lon[None, :]) if chance["space"] == "axes" else (LAT2, LON2)
    a, b = chance["names"]
    north, east = NORTH | {"standard_name": "latitude"}, EAST | {"standard_name": "longitude"}
    if chance["space"] == "axes":
        place, dims = {a: ((a,), lat, north), b: ((b,), lon + chance["turn"], east)}, (a, b)
    elif chance["space"] == "curvilinear":
        place, dims = {a: (("j", "i"), lat2, north), b: (("j", "i"), lon2 + chance["turn"], east)}, ("j", "i")
    elif chance["space"] == "cells":
        lat2, lon2 = lat2.ravel(), lon2.ravel()
        place, dims = {a: (("n",), lat2, north), b: (("n",), lon2 + chance["turn"], east)}, ("n",)
    else:
        lat2, lon2 = lat2[0, 0], lon2[0, 0]
        place, dims = {a: ((), lat2, north), b: ((), lon2 + chance["turn"], east)}, ()
    values = truth(lat2, lon2)
    values = {n: v.reshape(COUNT, *np.shape(lat2)) if chance["space"] != "axes" else v for n, v in values.items()}
    length = days(calendar).reshape(-1, *([1] * (values["tas"].ndim - 1)))
    factor = {
        "pr": {
            "kg m-2 s-1": 1 / 86400 / length,
            "mm d-1": 1 / length,
            "m s-1": 1e-3 / 86400 / length,
            "mm/h": 1 / 24 / length,
        },
        "rsds": {"W m-2": 1.0, "W/m^2": 1.0, "MJ m-2 d-1": 0.0864, "cal cm-2 d-1": 86400 / 41860},
    }
    scale, offset = WORDS["tas"][chance["tas"]]
    values["tas"] = values["tas"] * scale + offset
    values["pr"] = values["pr"] * factor["pr"][chance["pr"]]
    values["rsds"] = values["rsds"] * factor["rsds"][chance["rsds"]]
    unit, epoch = chance["units"].split(" since ")
    each = {"days": 1.0, "hours": 24.0, "seconds": 86400.0}[unit]
    month = np.arange(COUNT)
    if per_day:
        at, month = steps(per_day, calendar, "middle")
        shift = stamps("start", calendar, units=f"days since {epoch}")[0] - stamps("start", calendar)[0]
        at, bounds = (at + shift) * each, None
    else:
        at = stamps("end" if clock == "bounds" else clock, calendar, units=chance["units"])
        bounds = stamps("bounds", calendar, units=chance["units"]) if clock == "bounds" else None
    parts = [slice(None)]
    if chance["files"] == "years":
        cut = int(np.searchsorted(month, 12))
        parts = [slice(0, cut), slice(cut, None)]
    groups = [[n] for n in values] if chance["files"] == "each" else [list(values)]
    order = [d for d in (("time", *dims)[k] for k in chance["order"] if k <= len(dims))]
    paths = []
    for p, part in enumerate(parts):
        said = {"units": chance["units"], "calendar": calendar, "standard_name": "time"}
        content = {
            "time": (("time",), at[part], said | ({"bounds": "time_bnds"} if bounds is not None else {}))
        } | place
        if bounds is not None:
            content["time_bnds"] = (("time", "bnds"), bounds[part], {})
        for g, group in enumerate(groups):
            own = dict(content)
            for name in group:
                array = values[name][month[part]].transpose([("time", *dims).index(d) for d in order])
                attributes = {"units": chance[name]}
                if chance["dtype"] == "i4":
                    low, high = float(array.min()), float(array.max())
                    step = max((high - low) / 4e9, 1e-300)
                    attributes |= {
                        "scale_factor": step,
                        "add_offset": 0.5 * (low + high),
                        "_FillValue": np.int32(-(2**31)),
                    }
                    array = np.round((array - 0.5 * (low + high)) / step).astype("i4")
                array = array.astype(chance["dtype"])
                full = tuple(order)
                if chance["extra"]:
                    array, full = array[None], (chance["extra"], *full)
                own[name] = (full, array, attributes)
            paths.append(write(folder / f"{p}{g}.nc", own))
    return paths


@settings(max_examples=40, deadline=None, suppress_health_check=[*HealthCheck], derandomize=True)  # pyright: ignore[reportArgumentType]
@given(chance=random_layouts())
def test_random_layouts(tmp_path_factory, chance):
    compare(read(build(tmp_path_factory.mktemp("random"), chance)), rtol=2e-6 if chance["dtype"] == "f4" else 1e-6)
