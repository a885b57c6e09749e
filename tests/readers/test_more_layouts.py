"""Layouts that people have and that look like something else: each is read right, or refused in one sentence."""

import gzip

import netCDF4
import numpy as np
import pytest
from layout_files import FIRST, GRID, LAST, axes, climate, days, on_grid, plain, steps, time, write
from test_layouts import compare, read

from jtem.errors import InputError
from jtem.readers import co2, ground, static_fields

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
    path.write_text("Date;5,0;10,0\n15.08.2001;-1,5;-2,25\n")
    assert ground.boreholes(path)["value"].values.tolist() == [-1.5, -2.25]
