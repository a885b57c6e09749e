import cftime
import numpy as np
import pytest
import xarray as xr

from jtem.errors import InputError
from jtem.readers import cf_monthly, co2, static_fields, units, vegetation

LATITUDE, LONGITUDE = np.array([60.0, 62.0]), np.array([10.0, 12.0, 14.0])


def times(first: int, months: int, calendar: str) -> list:
    kind = cftime.datetime
    return [kind(first + k // 12, k % 12 + 1, 15, calendar=calendar) for k in range(months)]


def climate(
    first: int = 2000, years: int = 2, calendar: str = "noleap", descending: bool = False, units: dict | None = None
) -> xr.Dataset:
    units = {"tas": "K", "pr": "kg m-2 s-1", "rsds": "W m-2"} | (units or {})
    latitude = LATITUDE[::-1] if descending else LATITUDE
    shape = (12 * years, 2, 3)
    base = {"tas": 270.0, "pr": 1e-5, "rsds": 120.0}
    place = 0.01 * latitude[:, None] + 0.001 * LONGITUDE
    data = {
        name: (("time", "lat", "lon"), base[name] * (1 + np.broadcast_to(place, shape) * 1e-3), {"units": units[name]})
        for name in base
    }
    coords = {"time": times(first, 12 * years, calendar), "lat": latitude, "lon": LONGITUDE}
    return xr.Dataset(data, coords=coords)


def static(vegetation=4) -> xr.Dataset:
    dims, full = ("lat", "lon"), np.ones((2, 3))
    return xr.Dataset(
        {
            "elevation": (dims, 100.0 * full),
            "sand": (dims, 40.0 * full),
            "silt": (dims, 40.0 * full),
            "clay": (dims, 20.0 * full),
            "vegetation": (dims, np.array([[vegetation, 6, 0], [1, 3, 2]])),
        },
        coords={"lat": LATITUDE, "lon": LONGITUDE},
    )


def save(data: xr.Dataset, path) -> str:
    data.to_netcdf(path)
    return str(path)


@pytest.mark.parametrize("calendar", ["standard", "proleptic_gregorian", "noleap", "360_day"])
def test_units_and_calendars(tmp_path, calendar):
    path = save(climate(calendar=calendar), tmp_path / "c.nc")
    result = cf_monthly.read_climate([path], 2000, 2001)
    assert result["air_temperature"].dims == ("cell", "year", "month")
    raw = climate(calendar=calendar)
    assert result["air_temperature"].values[4, 1, 0] == pytest.approx(raw["tas"].values[12, 1, 1] - 273.15)
    days = {"standard": 29, "proleptic_gregorian": 29, "noleap": 28, "360_day": 30}[calendar]
    assert result["precipitation"].values[0, 0, 1] == pytest.approx(raw["pr"].values[1, 0, 0] * 86400 * days)
    assert result["shortwave_radiation"].attrs["units"] == "W m-2"


@pytest.mark.parametrize(
    ("name", "unit", "factor"),
    [
        ("air_temperature", "degC", 1.0),
        ("precipitation", "mm month-1", 1.0),
        ("precipitation", "mm/day", 31.0),
        ("precipitation", "mm d-1", 31.0),
        ("precipitation", "kg/m2/s", 31 * 86400.0),
        ("precipitation", "kg m^-2 s^-1", 31 * 86400.0),
        ("precipitation", "mm 6h-1", 31 * 4.0),
        ("shortwave_radiation", "MJ m-2 d-1", 1e6 / 86400),
        ("shortwave_radiation", "cal cm-2 d-1", 41860 / 86400),
    ],
)
def test_units_that_are_understood(name, unit, factor):
    values = units.to_house_units(name, np.ones((1, 2)), unit, np.array([31.0]), "x")
    assert values == pytest.approx(factor)


def test_places_are_matched_by_coordinate_not_by_index(tmp_path):
    up = save(climate(), tmp_path / "up.nc")
    down = save(climate(descending=True), tmp_path / "down.nc")
    cells = static_fields.read_cells(save(static(), tmp_path / "static.nc"))
    places = cells["latitude"].values, cells["longitude"].values
    a = cf_monthly.read_climate([up], 2000, 2001, places=places)
    b = cf_monthly.read_climate([down], 2000, 2001, places=places)
    xr.testing.assert_allclose(a, b)
    shifted = climate().assign_coords(lon=LONGITUDE + 360.0)
    c = cf_monthly.read_climate([save(shifted, tmp_path / "east.nc")], 2000, 2001, places=places)
    xr.testing.assert_allclose(a, c)
    with pytest.raises(InputError, match="no cell at"):
        far = climate().assign_coords(lat=LATITUDE + 1)
        cf_monthly.read_climate([save(far, tmp_path / "far.nc")], 2000, 2001, places=places)


def test_cells_from_vegetation_numbers(tmp_path):
    cells = static_fields.read_cells(save(static(), tmp_path / "static.nc"))
    assert cells.sizes["cell"] == 4  # sea (0) and ice (1) are left out
    assert cells["community"].values[1].tolist() == ["boreal_forest", "wet_moist_tundra"]
    assert cells["community_area_fraction"].values[1].tolist() == [0.5, 0.5]
    assert cells["area"].values[0] == pytest.approx(2 * 111.2 * 2 * 111.2 * np.cos(np.deg2rad(60)), rel=0.01)
    assert set(vegetation.vegetation_mosaic()) == set(range(1, 36))


def test_cells_from_flags_on_a_curvilinear_grid(tmp_path):
    data = static().drop_vars(["lat", "lon"]).rename(lat="y", lon="x")
    latitude, longitude = np.meshgrid(LATITUDE, LONGITUDE, indexing="ij")
    data = data.assign_coords(lat=(("y", "x"), latitude), lon=(("y", "x"), longitude))
    data["vegetation"] = data["vegetation"] * 0 + 7
    data["vegetation"].attrs = {"flag_values": np.array([7], "i4"), "flag_meanings": "boreal_forest"}
    cells = static_fields.read_cells(save(data, tmp_path / "static.nc"))
    assert cells.sizes["cell"] == 6 and cells["community"].values[0, 0] == "boreal_forest"
    assert cells["latitude"].values[3] == 62.0
    assert cells["area"].values[0] == pytest.approx(2 * 111.2 * 2 * 111.2 * np.cos(np.deg2rad(60)), rel=0.01)


def test_several_files_join_in_any_order(tmp_path):
    later, earlier = save(climate(2002), tmp_path / "b.nc"), save(climate(2000), tmp_path / "a.nc")
    result = cf_monthly.read_climate([later, earlier], 2001, 2003)
    assert result["year"].values.tolist() == [2001, 2002, 2003]
    parts = [save(climate()[[name]], tmp_path / f"{name}.nc") for name in ("tas", "pr", "rsds")]
    assert "precipitation" in cf_monthly.read_climate(parts, 2000, 2001)
    with pytest.raises(InputError, match=r"2000-01 twice"):
        cf_monthly.read_climate([earlier, save(climate(2000), tmp_path / "c.nc")], 2000, 2001)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (climate().rename(tas="tax"), r"variable 'tas' is missing; .*did you mean 'tax'"),
        (climate(units={"tas": "degR"}), r"'air_temperature' is in 'degR', expected K or degC"),
        (climate(units={"pr": "gallon"}), r"'precipitation' is in 'gallon', expected kg m-2 s-1"),
        (climate(units={"rsds": "foot"}), r"'shortwave_radiation' is in 'foot', expected W m-2"),
        (climate(units={"tas": ""}), r"'air_temperature' has no units attribute"),
        (climate().isel(time=[k for k in range(24) if k != 5]), r"month 2000-06 is missing in 'time'"),
        (climate().isel(time=[*range(12), *range(11, 24)]), r"month 2000-12 is repeated"),
        (climate(years=1), r"'tas' lacks month 2001-01 \(12 of 2000-2001 missing\)"),
        (climate().drop_vars("lat"), r"no coordinate 'lat'"),
        (climate().assign_coords(lat=[100.0, 120.0]), r"latitude 120 is outside -90..90; exchange"),
        (climate().drop_vars("time"), r"no coordinate 'time'"),
    ],
)
def test_bad_files_end_with_one_sentence(tmp_path, data, says):
    path = save(data, tmp_path / "bad.nc")
    with pytest.raises(InputError, match=says) as caught:
        cf_monthly.read_climate([path], 2000, 2001)
    assert "bad.nc" in str(caught.value) and "\n" not in str(caught.value)


def test_bad_static_files_end_with_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"unknown vegetation type 77 in 'vegetation', expected 1..35"):
        static_fields.read_cells(save(static(77), tmp_path / "a.nc"))
    with pytest.raises(InputError, match=r"variable 'clay' is missing"):
        static_fields.read_cells(save(static().drop_vars("clay"), tmp_path / "b.nc"))
    with pytest.raises(InputError, match=r"variable 'vegetation' is missing"):
        static_fields.read_cells(save(static().drop_vars("vegetation"), tmp_path / "c.nc"))
    bare = static_fields.read_cells(tmp_path / "c.nc", community="boreal_forest")
    assert bare.sizes["cell"] == 6
    (tmp_path / "text.nc").write_text("not netCDF")
    with pytest.raises(InputError, match="not a readable netCDF file"):
        static_fields.read_cells(tmp_path / "text.nc")
    with pytest.raises(InputError, match="file not found"):
        static_fields.read_cells(tmp_path / "nothing.nc")


def test_co2_tables(tmp_path):
    table = tmp_path / "co2.csv"
    table.write_text("# source\nyear,ssp126,ssp585\n2000,370,370\n2001,371,372\n")
    assert co2.read_table(table, 2000, 2001, "ssp585").tolist() == [370.0, 372.0]
    with pytest.raises(InputError, match="several columns"):
        co2.read_table(table, 2000, 2001)
    with pytest.raises(InputError, match=r"no CO2 column 'ssp858'; known: ssp126, ssp585"):
        co2.read_table(table, 2000, 2001, "ssp858")
    with pytest.raises(InputError, match="CO2 of 2002 is missing"):
        co2.read_table(table, 2000, 2002, "ssp126")
    bare = tmp_path / "isimip.txt"
    bare.write_text("1850 284.73\n1851\t0.03\n")
    assert co2.read_table(bare, 1850, 1850).tolist() == [284.73]
    with pytest.raises(InputError, match=r"CO2 of 1851 is 0.03, expected 100..5000 ppm"):
        co2.read_table(bare, 1850, 1851)


def test_embedded_co2_joins_history_and_scenario():
    series = co2.embedded_series("ssp585", 2013, 2017)
    assert series.size == 5 and np.all(np.diff(series) > 0)
