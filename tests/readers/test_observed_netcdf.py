"""Observations in CF netCDF files: any geometry, months by the one reader of time axes."""

import numpy as np
import pytest
from layout_files import EAST, NORTH, stamps, steps, time, write

from jtem.errors import InputError
from jtem.readers import observed_netcdf

PLACES = {"lat": (("station",), np.array([68.6, 64.9]), NORTH), "lon": (("station",), np.array([210.4, -147.7]), EAST)}
MONTHS = np.arange(24.0)


def rows_of(found, **wanted):
    keep = np.ones(found.sizes["observation"], bool)
    for name, value in wanted.items():
        keep &= found[name].values == value
    return found.isel(observation=keep)


def test_stations_with_depths_stamped_at_the_end_of_the_month(tmp_path):
    """Bounds say the month, as everywhere else; kelvin and centimetres become the house's."""
    ground = 270.0 + MONTHS[:, None, None] / 10 + np.array([0.0, 5.0])[:, None] + np.array([0.0, 1.0])
    ground = np.moveaxis(ground, 2, 0)  # (depth, time, station)
    ground[1, 3, 0] = -999.0
    content = time("bounds", stamp="end") | PLACES | {
        "station_name": (("station",), np.array(["Toolik", "Fairbanks"]), {"cf_role": "timeseries_id"}),
        "depth": (("depth",), np.array([10.0, 50.0]), {"units": "cm", "positive": "down"}),
        "soil_temperature": (("depth", "time", "station"), ground, {"units": "K", "_FillValue": -999.0}),
    }  # fmt: skip
    found = observed_netcdf.read_table(write(tmp_path / "ground.nc", content))
    assert found.sizes["observation"] == 2 * 2 * 24 - 1
    np.testing.assert_allclose(found["longitude"].values, [-149.6, -147.7])
    january = rows_of(found, site="Fairbanks", year=1991, month=1, depth=0.5)
    np.testing.assert_allclose(january["value"].values, [270.0 + 5.0 + 1.0 - 273.15])
    assert rows_of(found, site="Toolik", year=1991, month=4)["depth"].values.tolist() == [0.1]


def test_days_of_one_tower_become_months_where_enough_are_there(tmp_path):
    at, month = steps(1.0, "standard", "middle")
    flux = 1.0 + month.astype(float)
    flux[month == 5] = np.where(np.arange((month == 5).sum()) < 20, np.nan, flux[month == 5])
    flux[np.flatnonzero(month == 6)[:2]] = np.nan
    clock = {"time": (("time",), at, {"units": "days since 1850-01-01", "calendar": "standard"})}
    place = {"latitude": ((), 63.9, NORTH), "longitude": ((), -145.7, EAST)}
    content = clock | place | {"NEE": (("time",), flux, {"units": "gC m-2 d-1"})}
    found = observed_netcdf.read_table(write(tmp_path / "US-Xyz.nc", content))
    assert set(found["site"].values) == {"US-Xyz"} and set(found["stream"].values) == {"nep"}
    assert found.sizes["observation"] == 23 and "1 months with less than 80 %" in found.attrs["notes"]
    july = rows_of(found, year=1991, month=7)
    np.testing.assert_allclose(july["value"].values, [-7.0 * 31])
    np.testing.assert_allclose(july["quality"].values, [29 / 31])


def test_probings_of_thaw_become_the_year_s_active_layer(tmp_path):
    depth = np.full(24, np.nan)
    depth[[6, 7, 8, 18, 20]] = 30.0, 45.0, 50.0, 40.0, 61.0
    content = time("middle") | {"lat": ((), 68.6, NORTH), "lon": ((), -149.6, EAST)}
    content |= {"thaw_depth": (("time",), depth, {"units": "cm"})}
    found = observed_netcdf.read_table(write(tmp_path / "Toolik.nc", content))
    np.testing.assert_allclose(found["value"].values, [0.50, 0.61])
    assert np.isnan(found["month"].values).all() and found["year"].values.tolist() == [1991, 1992]


def test_a_depth_told_by_an_attribute(tmp_path):
    content = time("middle") | {"lat": ((), 68.6, NORTH), "lon": ((), -149.6, EAST)}
    content |= {"soil_temperature": (("time",), MONTHS / 10, {"units": "degC", "depth": "5 cm"})}
    assert set(observed_netcdf.read_table(write(tmp_path / "x.nc", content))["depth"].values) == {0.05}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gpp": (("time",), MONTHS, {"units": "mm"})}, r"gpp: 'gpp' is in 'mm', expected gC m-2 month-1"),
        ({"gpp": (("time",), MONTHS, {})}, r"gpp: no units attribute, expected 'gC m-2 month-1'; add it"),
        ({"gpq": (("time",), MONTHS, {"units": "1"})}, r"x.nc: no variable is named by a stream of observations; rename it"),
        ({"soil_temperature": (("time",), MONTHS, {"units": "degC"})}, r"has no depth; give the sensor's depth in m"),
        ({"soil_temperature": (("time",), MONTHS, {"units": "degC", "depth": 5.0})}, "attribute depth is '5.0', expected"),
        ({"soil_temperature": (("time",), MONTHS, {"units": "degC", "depth": "deep"})}, "attribute depth is 'deep', expected a"),
        (
            {"gpp": (("time", "band"), np.ones((24, 3)), {"units": "gC m-2 month-1"})},
            r"gpp: dimensions \('time', 'band'\), expected time, places and depth; select one entry of 'band'",
        ),
        (
            {"gpp": (("time",), MONTHS, {"units": "gC m-2 month-1"}),
             "time": (("time",), stamps("start"), {"units": "days since 1850-01-01", "calendar": "noleap", "climatology": "c"})},
            "is a climatology of many years",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_refused(tmp_path, change, message):
    content = time("middle") | {"lat": ((), 68.6, NORTH), "lon": ((), -149.6, EAST)} | change
    with pytest.raises(InputError, match=message):
        observed_netcdf.read_table(write(tmp_path / "x.nc", content))
