"""Layouts that people have and that look like something else: each is read right, or refused in one sentence."""

import gzip

import netCDF4
import numpy as np
import pytest
from layout_files import (
    FIRST,
    GRID,
    LAST,
    LATITUDE,
    LONGITUDE,
    axes,
    climate,
    days,
    on_grid,
    plain,
    stamps,
    steps,
    time,
    write,
)
from test_layouts import compare, read

from jtem.errors import InputError, InputNote
from jtem.readers import co2, ground, observations, static_fields, to_model

pytestmark = pytest.mark.filterwarnings("ignore::jtem.errors.InputNote")
EARTH_KM2 = 6371.0**2


@pytest.mark.parametrize("unit", ["l m-2 month-1", "liters/m2/month"])
def test_litres_a_square_metre(tmp_path, unit):
    compare(read(write(tmp_path / "c.nc", time() | axes() | climate(units={"pr": unit}))))


def test_time_counter_with_bounds(tmp_path):
    """History of IPSL models: time_counter with its own bounds."""
    clock = time("bounds", stamp="end")
    clock = {
        "time_counter": (("time_counter",), clock["time"][1], clock["time"][2] | {"bounds": "time_counter_bounds"}),
        "time_counter_bounds": (("time_counter", "axis_nbounds"), clock["time_bnds"][1], {}),
    }
    compare(read(write(tmp_path / "c.nc", clock | axes() | climate(dims=("time_counter", *GRID)))))


def test_a_month_a_file_without_a_dimension_of_time(tmp_path):
    values, clock = on_grid(), time("middle")["time"]
    paths = []
    for k in range(24):
        content = {"time": (("time",), clock[1][k : k + 1], clock[2])} | axes()
        content |= climate({name: array[k] for name, array in values.items()}, dims=GRID)
        paths.append(write(tmp_path / f"{k:02d}.nc", content))
    compare(read(paths))


def daily(path, calendar: str, said: dict, first=FIRST, last=LAST):
    at, month = steps(1.0, calendar, "middle", first, last)
    values = on_grid(first, last)
    rate = values["pr"] / days(calendar, first, last)
    content = climate(
        {"tas": values["tas"][month], "pr": rate[month], "rsds": values["rsds"][month]}, units={"pr": "mm d-1"}
    )
    return write(path, {"time": (("time",), at, {"units": "days since 1850-01-01"} | said)} | axes() | content)


@pytest.mark.parametrize("calendar", ["noleap", "360_day"])
def test_days_whose_calendar_was_lost(tmp_path, calendar):
    """A month and more off after 150 years, with whole months inside the file: read silently otherwise."""
    assert read(daily(tmp_path / "good.nc", calendar, {"calendar": calendar}, 1988, 1994)).sizes["cell"] == 12
    path = daily(tmp_path / "lost.nc", calendar, {}, 1988, 1994)
    with pytest.raises(
        InputError, match=rf"lost.nc: no attribute tells the calendar of 'time'; .* whole years in '{calendar}'"
    ):
        read(path)


@pytest.mark.parametrize(
    ("variable", "said", "message"),
    [
        ("rsds", {"standard_name": "surface_downwelling_longwave_flux_in_air"}, "is not shortwave radiation"),
        ("rsds", {"standard_name": "surface_net_downward_shortwave_flux"}, "is not shortwave radiation"),
        (
            "rsds",
            {"standard_name": "surface_downwelling_photosynthetic_photon_flux_in_air"},
            "is not shortwave radiation",
        ),
        ("tas", {"standard_name": "surface_temperature"}, "is not air temperature"),
        ("pr", {"standard_name": "snowfall_flux"}, "is not precipitation"),
        ("tas", {"long_name": "Temperature anomaly with respect to 1961-1990"}, "holds anomalies by its name"),
    ],
)
def test_another_quantity_under_a_usual_name(tmp_path, variable, said, message):
    path = write(tmp_path / "c.nc", time() | axes() | climate(said={variable: said}))
    with pytest.raises(InputError, match=rf"c.nc: {variable}: .*{message}"):
        read(path)


def test_an_undeclared_fill_value_is_called_one(tmp_path):
    values = {name: array.copy() for name, array in on_grid().items()}
    values["tas"][3, 1, 1] = -9999.0
    with pytest.raises(InputError, match=r"-9999 degC in cell 5, 1991-04 .* a fill value\? declare it as _FillValue"):
        read(write(tmp_path / "c.nc", time() | axes() | climate(values)))


def test_packed_files_and_groups(tmp_path):
    whole = plain(tmp_path / "c.nc")
    packed = tmp_path / "c.nc.gz"
    packed.write_bytes(gzip.compress(whole.read_bytes()))
    with pytest.raises(InputError, match=r"c.nc.gz: packed with gzip; unpack it"):
        read(packed)
    (tmp_path / "download.nc").write_bytes(b"PK\x03\x04 as the Climate Data Store hands out several files")
    with pytest.raises(InputError, match=r"download.nc: packed with zip; unpack it"):
        read(tmp_path / "download.nc")
    with netCDF4.Dataset(str(tmp_path / "groups.nc"), "w") as data:
        data.createGroup("forcing").createDimension("time", 1)
    with pytest.raises(InputError, match=r"groups.nc: all variables lie in groups \(forcing\); take one out"):
        read(tmp_path / "groups.nc")


def cells(path, **changed):
    fields = {"elevation": (300.0, "m"), "sand": (40.0, "%"), "silt": (40.0, "%"), "clay": (20.0, "%")}
    content = {name: (GRID, np.full((3, 4), value), {"units": unit}) for name, (value, unit) in fields.items()}
    return static_fields.read_cells(
        write(path, axes() | content | {"vegetation": (GRID, np.full((3, 4), 4, "i4"), {})} | changed)
    )


def test_areas_in_angles_and_in_wrong_units(tmp_path):
    for unit in ("steradian", "radians^2", "sr"):
        found = cells(tmp_path / "a.nc", area=(GRID, np.full((3, 4), 3e-5), {"units": unit}))
        np.testing.assert_allclose(found["area"].values, 3e-5 * EARTH_KM2, rtol=1e-3)
    with pytest.raises(InputError, match=r"a.nc: 'area' is 1e\+06 times the area of the cells by their coordinates"):
        cells(tmp_path / "a.nc", area=(GRID, np.full((3, 4), 1.22e9), {"units": "km2"}))
    with pytest.raises(InputError, match=r"'area' is 1e-06 times the area of the cells"):
        cells(tmp_path / "a.nc", area=(GRID, np.full((3, 4), 1220.0), {"units": "m2"}))


def test_fixed_fields_in_other_words(tmp_path):
    parts = {name: (GRID, np.full((3, 4), value), {"units": "permille"}) for name, value in
             (("sand", 400.0), ("silt", 400.0), ("clay", 200.0))}  # fmt: skip
    np.testing.assert_allclose(cells(tmp_path / "a.nc", **parts)["sand"].values, 40.0)
    height = (GRID, np.full((3, 4), 2942.0), {"long_name": "Geopotential"})
    with pytest.raises(InputError, match=r"'elevation' is a geopotential without units; set its units attribute"):
        cells(tmp_path / "b.nc", elevation=height)


def test_tables_of_co2_and_of_the_ground(tmp_path):
    path = tmp_path / "co2.csv"
    path.write_text("Yr,Mn,CO2\n" + "".join(f"{y},{m},{350 + m}\n" for y in (1991, 1992) for m in range(1, 13)))
    np.testing.assert_allclose(co2.read_table(path, 1991, 1992), 356.5)
    path = tmp_path / "log.csv"
    path.write_text(
        "site,date,depth (m),temperature (degC)\nAWU,1984-08-20,10,-5.2\nAWU,1984-08-20,20,-6.2\nAWU,1984-08-20,1,3\n"
    )
    found = ground.boreholes(path)
    assert found["depth"].values.tolist() == [10.0, 20.0] and found["value"].values.tolist() == [-5.2, -6.2]
    assert "1 months with less than 80 %" in found.attrs["notes"]  # one reading near the surface is no month
    path = tmp_path / "comma.csv"
    path.write_text("Date;5,0 m;10,0 m\n15.08.2001;-1,5;-2,25\n")
    assert ground.boreholes(path)["value"].values.tolist() == [-1.5, -2.25]


# --- time -------------------------------------------------------------------------------------------------------------

NOLEAP = {"units": "days since 1850-01-01", "calendar": "noleap"}
YEAR, MONTH = np.repeat([1991, 1992], 12), np.tile(np.arange(1, 13), 2)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (stamps("end") - 1 / 86400, NOLEAP),  # the last second of each month
        (stamps("end") - 1.0, NOLEAP),
        ((stamps("middle") - 51000) / 0.5, NOLEAP | {"scale_factor": 0.5, "add_offset": 51000.0}),
        (stamps("middle"), {"units": "Days since 1850-1-1 0:0:0", "calendar": "NOLEAP"}),
        (stamps("middle") + 365 * 1850, {"units": "days since 0000-01-01", "calendar": "noleap"}),
        (
            stamps("middle", "standard", units="seconds since 1970-01-01") * 1e3,
            {"units": "milliseconds since 1970-01-01"},
        ),
        (np.arange(24.0), {"units": "months since 1991-1"}),
        ((stamps("middle") - stamps("start")[0]) / 365 + 1991, {"units": "year"}),  # years by the day of the year
        (100 * YEAR + MONTH, {"units": "month as %Y%m.%f"}),
    ],
)
def test_clocks_that_people_use(tmp_path, values, said):
    compare(read(plain(tmp_path / "c.nc", {"time": (("time",), np.asarray(values, float), said)})))


@pytest.mark.parametrize(
    ("clock", "message"),
    [
        ({"time": (("time",), stamps(), {"units": "days since 01-01-1850"})}, "begins its date with a day or month"),
        ({"time": (("time",), np.arange(24.0), {"units": "months"})}, "has no decodable units"),
        ({"time": (("time",), stamps("middle", first=1971, last=1972), {"units": "days since 1850-01-01"})},
         "no attribute tells the calendar of 'time'; its steps are whole years in 'noleap'"),
    ],
)  # fmt: skip
def test_clocks_that_are_refused(tmp_path, clock, message):
    path = plain(tmp_path / "c.nc", clock)
    with pytest.raises(InputError, match=f"c.nc: .*{message}"):
        read(path, *((1971, 1972) if "noleap" in message else ()))


def test_years_and_months_as_two_dimensions(tmp_path):
    values = {name: array.reshape(2, 12, 3, 4) for name, array in on_grid().items()}
    clock = {"year": (("year",), np.array([1991, 1992]), {}), "month": (("month",), np.arange(1, 13), {})}
    path = write(tmp_path / "c.nc", clock | axes() | climate(values, ("year", "month", *GRID)))
    with pytest.raises(InputError, match=r"c.nc: 'year' and 'month' are two dimensions; stack them to one of time"):
        read(path)


def test_bounds_in_other_units_than_their_time(tmp_path):
    clock = time("bounds")
    hours = {"time_bnds": (("time", "bnds"), clock["time_bnds"][1] * 24, {"units": "hours since 1850-01-01"})}
    compare(read(plain(tmp_path / "c.nc", clock | hours)))
    since = {"units": "days since 1900-01-01", "calendar": "noleap"}
    compare(
        read(plain(tmp_path / "d.nc", clock | {"time_bnds": (("time", "bnds"), clock["time_bnds"][1] - 18250, since)}))
    )
    turned = {"time_bnds": (("time", "bnds"), clock["time_bnds"][1][:, ::-1], {})}
    with pytest.raises(InputError, match=r"e.nc: bounds of 'time' cannot be right"):
        read(plain(tmp_path / "e.nc", clock | turned))


@pytest.mark.parametrize("span", ["month", "year"])
def test_amounts_that_run_up_through_months_or_years(tmp_path, span):
    if span == "year":
        run_up = np.cumsum(on_grid()["pr"].reshape(2, 12, 3, 4), axis=1).reshape(24, 3, 4)
        path = write(tmp_path / "c.nc", time() | axes() | climate(on_grid() | {"pr": run_up}, units={"pr": "mm"}))
    else:
        at, month = steps(1.0, "standard", "start")
        share = (np.arange(at.size) - np.searchsorted(month, month) + 1) / days("standard")[month].ravel()
        values = {name: array[month] for name, array in on_grid().items()}
        values["pr"] = values["pr"] * share[:, None, None]
        clock = {"time": (("time",), at, {"units": "days since 1850-01-01"})}
        path = write(tmp_path / "c.nc", clock | axes() | climate(values, units={"pr": "mm"}))
    with pytest.raises(InputError, match=f"c.nc: pr: values in 'mm' run up through each {span} and begin again"):
        read(path)


# --- places -----------------------------------------------------------------------------------------------------------


def gathered(path, keep, said=None, pair="lat lon"):
    order = (0, 1, 2) if pair == "lat lon" else (0, 2, 1)
    values = {name: array.transpose(order).reshape(24, -1)[:, keep] for name, array in on_grid().items()}
    first = int(said is not None and said.pop("first", 0))
    land = {"land": (("land",), (np.asarray(keep) + first).astype("i4"), {"compress": pair})}
    return write(path, time() | axes() | land | climate(values, ("time", "land")), said)


def test_cells_gathered_to_a_list(tmp_path):
    """CF's compression by gathering; counted from 1 by some land models, which only the last cell can tell."""
    for k, (keep, said, pair) in enumerate(
        (([0, 2, 3, 11], None, "lat lon"), ([0, 2, 3, 11], {"first": 1}, "lat lon"), ([0, 5, 7], None, "lon lat"),
         ([1, 2, 5], {"Conventions": "CF-1.8"}, "lat lon"))
    ):  # fmt: skip
        found = read(gathered(tmp_path / f"{k}.nc", keep, said, pair))
        assert found.sizes["cell"] == len(keep)
        compare(found)
    with pytest.raises(InputError, match=r"'land' keeps cells 1..5 of 12, counted from 0 \(as CF says\) or from 1\?"):
        read(gathered(tmp_path / "a.nc", [1, 2, 5]))
    with pytest.raises(InputError, match=r"'land' counts cells 0..12 of 12"):
        read(gathered(tmp_path / "b.nc", [-1, 2, 11], {"first": 1}))


def test_degrees_west_and_a_circle_that_closes(tmp_path):
    place = {
        "lat": (("lat",), LATITUDE, {"units": "degrees_north"}),
        "lon": (("lon",), -LONGITUDE, {"units": "degrees_west"}),
    }
    compare(read(write(tmp_path / "c.nc", time() | place | climate())))
    east = np.append(LONGITUDE, LONGITUDE[0] + 360)
    values = {name: np.concatenate([array, array[:, :, :1]], axis=2) for name, array in on_grid().items()}
    assert read(write(tmp_path / "d.nc", time() | axes(longitude=east) | climate(values)))["air_temperature"].size


def test_a_folder_in_place_of_a_file(tmp_path):
    (tmp_path / "store.zarr").mkdir()
    with pytest.raises(InputError, match=r"store.zarr: a folder \(a Zarr store\?\), expected a netCDF file"):
        read(tmp_path / "store.zarr")


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "valid", [{}, {"valid_range": np.array([-32767, 32767], "i2")}, {"valid_range": np.array([-100.0, 400.0])}]
)
def test_packed_shorts_with_a_valid_range(tmp_path, valid):
    packed, exact, said = {}, {}, {}
    for name, array in on_grid().items():
        step, middle = np.ptp(array) / 65000, 0.5 * (array.min() + array.max())
        packed[name] = np.round((array - middle) / step).astype("i2")
        exact[name] = packed[name] * step + middle
        said[name] = {"scale_factor": step, "add_offset": middle, "_FillValue": np.int16(-32768)} | valid
    found = read(write(tmp_path / "c.nc", time() | axes() | climate(packed, said=said)))
    for name, word in (("tas", "air_temperature"), ("pr", "precipitation"), ("rsds", "shortwave_radiation")):
        np.testing.assert_allclose(
            found[word].values.reshape(12, 24).T.reshape(24, 3, 4), exact[name], rtol=1e-9, atol=1e-9
        )


@pytest.mark.parametrize(
    ("variable", "said", "message"),
    [
        ("pr", {"standard_name": "large_scale_precipitation_amount"}, "is not precipitation"),
        ("pr", {"long_name": "Snowfall"}, "long_name 'Snowfall' is not precipitation"),
        (
            "rsds",
            {"standard_name": "surface_downwelling_shortwave_flux_in_air_assuming_clear_sky"},
            "is not shortwave radiation",
        ),
        ("rsds", {"standard_name": "surface_diffuse_downwelling_shortwave_flux_in_air"}, "is not shortwave radiation"),
        ("tas", {"cell_methods": "time: mean within years time: mean over years"}, "tells a climatology of many years"),
        (
            "tas",
            {"cell_methods": "time: mean realization: standard_deviation"},
            r"not a mean or sum over time \(standard_dev",
        ),
        ("tas", {"cell_methods": "area: maximum time: mean"}, r"is not a mean or sum over time \(maximum\)"),
    ],
)
def test_what_is_no_mean_of_the_quantity(tmp_path, variable, said, message):
    path = write(tmp_path / "c.nc", time() | axes() | climate(said={variable: said}))
    with pytest.raises(InputError, match=rf"c.nc: {variable}: .*{message}"):
        read(path)


def test_precipitation_that_cold_air_cannot_hold(tmp_path):
    """Monthly totals under a unit per day are thirty times too much; daily means under a unit per month too little."""
    path = write(tmp_path / "c.nc", time() | axes() | climate(units={"pr": "mm/day"}))
    with pytest.raises(
        InputError,
        match=r"'precipitation' is \d+ mm a year in the median cell with a month below -20 degC, expected less",
    ):
        read(path)
    mountains = on_grid() | {"pr": np.full_like(on_grid()["pr"], 170.0)}  # as in the Pamir in January
    assert read(write(tmp_path / "m.nc", time() | axes() | climate(mountains)))["precipitation"].max() == pytest.approx(
        170.0
    )
    little = on_grid() | {"pr": on_grid()["pr"] * 0.1}
    heard = to_model.Heard("d.nc")
    heard.add(read(write(tmp_path / "d.nc", time() | axes() | climate(little))))
    with pytest.warns(InputNote, match="d.nc: precipitation of the median cell is 30.9 mm a year; daily means under"):
        heard.say()


# --- fixed fields and tables ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "value"),
    [("meters above mean sea level", 300.0), ("m AMSL", 300.0), ("m (asl)", 300.0), ("m MSL", 300.0), ("kft", 0.3 / 0.3048),
     ("geopotential meters", 300.0), ("J kg-1", 300 * 9.80665), ("decameters", 30.0)],
)  # fmt: skip
def test_heights_with_their_datum(tmp_path, unit, value):
    height = (GRID, np.full((3, 4), value), {"units": unit})
    np.testing.assert_allclose(cells(tmp_path / "a.nc", elevation=height)["elevation"].values, 300.0)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"units": "m", "positive": "down"}, "'elevation' is positive downwards"),
        ({"units": "m", "standard_name": "surface_roughness_length"}, "expected a height"),
        ({"units": "m", "standard_name": "geopotential"}, "is a geopotential in 'm'"),
    ],
)
def test_heights_that_are_none(tmp_path, said, message):
    with pytest.raises(InputError, match=f"a.nc: .*{message}"):
        cells(tmp_path / "a.nc", elevation=(GRID, np.full((3, 4), 300.0), said))


def carbon(path, depth, values=(10.0, 20.0, 30.0, 5.0), unit="m", **said):
    stocks = np.broadcast_to(np.array(values), (3, 4, 4)).copy()
    changed = {"soil_organic_carbon": ((*GRID, "depth"), stocks, {"units": "kg m-2"} | said)}
    return cells(path, **changed, depth=(("depth",), np.array(depth, float), {"units": unit} if unit else {}))


def test_intervals_of_soil_carbon_by_their_depths(tmp_path):
    """Tops, middles or bottoms, upwards or downwards, in any length; other layers are not taken for these."""
    down = [10.0, 20.0, 30.0, 5.0]
    for depth, values, unit in (
        ([0.15, 0.65, 1.5, 2.5], down, "m"), ([0.3, 1, 2, 3], down, "m"), ([0, 0.3, 1, 2], down, "m"),
        ([30, 100, 200, 300], down, "cm"), ([15, 65, 150, 250], down, ""),
        ([2.5, 1.5, 0.65, 0.15], down[::-1], "m"), ([-0.15, -0.65, -1.5, -2.5], down, "m"), ([1, 2, 3, 4], down, ""),
    ):  # fmt: skip
        found = carbon(tmp_path / "a.nc", depth, values, unit)["soil_organic_carbon"].values
        np.testing.assert_allclose(found, np.tile(down, (12, 1)))
    with pytest.raises(
        InputError, match=r"'depth' is 0.05, 0.15, 0.3, 0.6 m, expected the intervals 0-0.3, 0.3-1, 1-2, 2-3 m"
    ):
        carbon(tmp_path / "a.nc", [0.05, 0.15, 0.3, 0.6])
    for name in ("cumulative stock of organic carbon", "soil organic matter"):
        with pytest.raises(InputError, match="by its long_name, expected organic carbon of each interval"):
            carbon(tmp_path / "a.nc", [0.15, 0.65, 1.5, 2.5], long_name=name)


@pytest.mark.parametrize(
    "text",
    [
        "# year mean unc\n" + "".join(f"  {y}   {350 + y - 1991}   0.10\n" for y in (1991, 1992)),
        "# year month decimal average deseason ndays sdev unc\n"
        + "".join(
            f"{y} {m} {y + m / 12:.3f} {350 + y - 1991} 349 -1 -9.99 -0.99\n"
            for y in (1991, 1992)
            for m in range(1, 13)
        ),
        "date,co2\n1991-07-01,350\n1992-07-01,351\n",
        "date,co2\n" + "".join(f"{y}-{m:02d}-15,{350 + y - 1991}\n" for y in (1991, 1992) for m in range(1, 13)),
    ],
)
def test_co2_as_observatories_publish_it(tmp_path, text):
    (tmp_path / "co2.txt").write_text(text)
    np.testing.assert_allclose(co2.read_table(tmp_path / "co2.txt", 1991, 1992), [350.0, 351.0])


@pytest.mark.parametrize("column", ["co2_emissions", "co2_anomaly", "co2 growth rate"])
def test_other_columns_are_not_concentrations(tmp_path, column):
    (tmp_path / "co2.csv").write_text(f"year,{column}\n1991,350\n1992,351\n")
    with pytest.raises(InputError, match=rf"no column of CO2 concentrations \({column}\)"):
        co2.read_table(tmp_path / "co2.csv", 1991, 1992)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "A,2004,7,gpp,-50,gC m-2 month-1",
            "the median 'gpp' is -50 gC m-2 month-1, expected positive values; turn their sign",
        ),
        ("A,2004,,alt,0.35,cm", "the median 'active_layer_thickness' is 0.35 cm, metres taken for centimetres"),
    ],
)
def test_observations_with_another_sign_or_unit(tmp_path, row, message):
    (tmp_path / "o.csv").write_text(f"site,year,month,variable,value,unit\n{row}\n")
    with pytest.raises(InputError, match=f"o.csv: {message}"):
        observations.read_table(tmp_path / "o.csv")
