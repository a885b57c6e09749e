import numpy as np
import pytest
import xarray as xr

from jtem.errors import InputError, InputNote
from jtem.readers import to_model

COMMUNITIES = ("alpine_tundra_polar_desert", "wet_moist_tundra", "boreal_forest")


def cells(count: int = 3) -> xr.Dataset:
    one = np.ones(count)
    return xr.Dataset(
        {
            "latitude": ("cell", np.linspace(60.0, 70.0, count)),
            "longitude": ("cell", np.linspace(-150.0, 100.0, count)),
            "area": ("cell", 100.0 * one),
            "elevation": ("cell", 200.0 * one),
            "sand": ("cell", 40.0 * one),
            "silt": ("cell", 45.0 * one),
            "clay": ("cell", 15.0 * one),
            "community": (
                ("cell", "share"),
                np.array(
                    [["boreal_forest", "wet_moist_tundra"]] + [["wet_moist_tundra", ""]] * (count - 1), dtype=object
                ),
            ),
            "community_area_fraction": (("cell", "share"), np.array([[0.5, 0.5]] + [[1.0, 0.0]] * (count - 1))),
            "soil_organic_carbon": (("cell", "interval"), np.array([[9.0, 12.0, 11.0, 10.0]] * count)),
        }
    )


def climate(count: int = 3, first: int = 1990, years: int = 3) -> xr.Dataset:
    dims = ("cell", "year", "month")
    air = np.arange(count * years * 12, dtype=np.float64).reshape(count, years, 12) / 10 - 10
    return xr.Dataset(
        {
            "air_temperature": (dims, air, {"units": "degC"}),
            "precipitation": (dims, np.full(air.shape, 30.0), {"units": "mm month-1"}),
            "shortwave_radiation": (dims, np.full(air.shape, 110.0), {"units": "W m-2"}),
            "co2": ("year", np.linspace(300.0, 310.0, years), {"units": "ppm"}),
        },
        coords={"year": np.arange(first, first + years), "month": np.arange(1, 13)},
    )


def build(data: xr.Dataset, **options):
    return to_model.model_cells(
        data,
        COMMUNITIES,
        top_of_atmosphere=lambda latitude: np.repeat(latitude[:, None], 12, axis=1),
        carbon_layers=lambda stocks, curve: (
            np.where(curve, 2.0, 1.0)[:, None] * stocks.sum(axis=1)[:, None] * np.ones(25)
        ),
        where="my_static.nc",
        **options,
    )


def test_a_mosaic_cell_gives_several_columns():
    result = build(cells())
    assert result.column_cell.tolist() == [0, 0, 1, 2]
    assert result.column_fraction.tolist() == [0.5, 0.5, 1.0, 1.0]
    assert np.asarray(result.columns.community).tolist() == [2, 1, 1, 1]
    assert np.asarray(result.columns.silt_clay) == pytest.approx(0.6)
    assert np.asarray(result.columns.soil_carbon_profile)[0, 0] == pytest.approx(42000.0)
    assert result.columns.elevation.dtype == np.float64
    assert result.count == 3


def test_carbon_that_was_not_observed_comes_from_the_community():
    data = cells()
    data["soil_organic_carbon"][1] = np.nan
    result = build(data)
    profile = np.asarray(result.columns.soil_carbon_profile)
    assert profile[2, 0] > 10000.0 and profile[2, 0] != profile[3, 0]


def test_what_was_observed_to_one_metre_stays():
    data = cells()
    data["soil_organic_carbon"][:, 2:] = np.nan
    with pytest.warns(InputNote, match="soil carbon observed in part of the intervals of 3 cells"):
        result = build(data)
    whole = build(cells())
    stocks = np.asarray(result.columns.soil_carbon_profile)[:, 0]
    rest = stocks - 1000.0 * (9.0 + 12.0)  # of the communities' means below 1 m
    assert np.all(rest > 0) and rest[1] == rest[2] != rest[0]
    assert np.asarray(whole.columns.soil_carbon_profile)[0, 0] == pytest.approx(42000.0)


def test_nitrogen_is_observed_or_follows_from_vegetation_and_depth():
    assert build(cells()).columns.soil_nitrogen_profile is None
    data = cells()
    observed = np.full((3, 4), np.nan)
    observed[2] = data["soil_organic_carbon"].values[2] / [10.0, 11.0, 12.0, 13.0]
    data["soil_nitrogen"] = (("cell", "interval"), observed)
    columns = build(data, nitrogen=True).columns
    ratio = columns.soil_carbon_profile / columns.soil_nitrogen_profile
    np.testing.assert_allclose(ratio[3], np.repeat([10.0, 11.0, 12.0, 13.0], [3, 7, 5, 10]))
    np.testing.assert_allclose(ratio[1], np.repeat([17.6, 16.8, 15.3, 15.2], [3, 7, 5, 10]))  # tundra
    data["soil_nitrogen"][2, 0] = 60.0
    with pytest.raises(InputError, match=r"'soil_nitrogen' has values outside 0..50 kg m-2"):
        build(data, nitrogen=True)


def test_the_hyperbola_is_for_cells_that_are_not_observed():
    data = cells()
    data["soil_organic_carbon"][1, 2] = np.nan
    with pytest.warns(InputNote, match="observed in part"):
        plain, curved = build(data), build(data, hyperbola=True)
    factor = np.asarray(curved.columns.soil_carbon_profile / plain.columns.soil_carbon_profile)[:, 0]
    np.testing.assert_allclose(factor, [1.0, 1.0, 2.0, 1.0])
    data["soil_carbon_observed"] = ("cell", [True, True, False])
    with pytest.warns(InputNote, match="observed in part"):
        curved = build(data, hyperbola=True)
    factor = np.asarray(curved.columns.soil_carbon_profile / plain.columns.soil_carbon_profile)[:, 0]
    np.testing.assert_allclose(factor, [1.0, 1.0, 1.0, 2.0])


def test_sandy_soil_keeps_a_floor():
    data = cells()
    data["sand"][:], data["silt"][:], data["clay"][:] = 100.0, 0.0, 0.0
    assert np.asarray(build(data).columns.silt_clay) == pytest.approx(0.01)


def spoil(data: xr.Dataset, name: str, value, at: int = 1) -> xr.Dataset:
    data = data.copy(deep=True)
    data[name].values[at] = value
    return data


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (cells().drop_vars("elevation"), "variable 'elevation' is missing"),
        (cells().rename(elevation="elevatoin"), "did you mean 'elevatoin'"),
        (spoil(cells(), "latitude", 97.0), "'latitude' is 97 in cell 1"),
        (
            cells().assign(latitude=("cell", [150.0, 120.0, 100.0]), longitude=("cell", [60.0, 65.0, 70.0])),
            "latitude and longitude are swapped",
        ),
        (spoil(cells(), "sand", 60.0), r"sand \+ silt \+ clay is 120 percent in cell 1"),
        (cells().assign({n: cells()[n] / 100 for n in ("sand", "silt", "clay")}), "multiply by 100"),
        (spoil(cells(), "elevation", np.nan), r"'elevation' is missing \(NaN\) in cell 1"),
        (spoil(cells(), "community", ["boreal_forst", ""]), "unknown vegetation type 'boreal_forst'.*'boreal_forest'"),
        (spoil(cells(), "community_area_fraction", [0.7, 0.0]), "sums to 0.7 in cell 1"),
        (spoil(cells(), "soil_organic_carbon", [9000.0] * 4), "'soil_organic_carbon' has values outside"),
        (cells().isel(cell=slice(0, 0)), "no cells to simulate"),
    ],
)
def test_bad_cells_end_with_one_sentence(data, says):
    with pytest.raises(InputError, match=says) as caught:
        build(data)
    assert str(caught.value).startswith("my_static.nc:") and "\n" not in str(caught.value)


def value_at(name: str, value: float) -> xr.Dataset:
    data = climate()
    data[name].values[1, 2, 5] = value
    return data


def with_units(name: str, unit: str) -> xr.Dataset:
    data = climate()
    data[name].attrs["units"] = unit
    return data


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (climate().drop_vars("co2"), "variable 'co2' is missing"),
        (climate().rename(precipitation="precip"), "variable 'precipitation' is missing.*did you mean 'precip'"),
        (climate().assign(wind=climate()["precipitation"]), "unknown variable 'wind'"),
        (with_units("air_temperature", "K"), "'air_temperature' is in 'K', expected 'degC'"),
        (climate().assign(air_temperature=climate()["air_temperature"] + 273.15).pipe(
            lambda d: d.assign(air_temperature=d["air_temperature"].assign_attrs(units="degC"))), "Kelvin"),
        (with_units("precipitation", "kg m-2 s-1"), "'precipitation' is in 'kg m-2 s-1'"),
        (climate().assign(precipitation=(climate()["precipitation"] / 1e6).assign_attrs(units="mm month-1")), "kg"),
        (with_units("shortwave_radiation", "MJ m-2 d-1"), "expected 'W m-2'"),
        (climate().assign(shortwave_radiation=(climate()["shortwave_radiation"] / 9).assign_attrs(units="W m-2")), "J"),
        (climate(years=2), "year 1992 is missing"),
        (climate().isel(month=[0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]), "month 6 is missing"),
        (value_at("air_temperature", np.nan), r"'air_temperature' is missing \(NaN\) in cell 1, 1992-06"),
        (value_at("precipitation", -3.0), "negative precipitation -3 mm month-1 in cell 1, 1992-06"),
        (climate().assign(co2=("year", [300.0, 0.03, 310.0], {"units": "ppm"})), "'co2' is 0.03 in 1991"),
    ],
)  # fmt: skip
def test_bad_climate_ends_with_one_sentence(data, says):
    load = to_model.climate_loader(lambda rows, a, b: data.isel(cell=rows), 1990, 1992, wrap=False, where="my.nc")
    with pytest.raises(InputError, match=says) as caught:
        load(np.arange(3))
    assert str(caught.value).startswith("my.nc:") and "\n" not in str(caught.value)


def test_the_january_after_each_year():
    data = climate()
    asked = np.array([2, 0, 0])

    def source(rows, first, last):
        return data.isel(cell=rows)

    stage = to_model.climate_loader(source, 1990, 1992, wrap=False, where="x")(asked)
    air = data["air_temperature"].values[asked]
    np.testing.assert_array_equal(stage.air_temperature, air)
    np.testing.assert_array_equal(stage.following_air_temperature[:, :2], air[:, 1:, 0])
    np.testing.assert_array_equal(stage.following_air_temperature[:, 2], air[:, 2, 11])
    cycle = to_model.climate_loader(source, 1990, 1992, wrap=True, where="x")(asked)
    np.testing.assert_array_equal(cycle.following_air_temperature[:, 2], air[:, 0, 0])
    assert np.shape(stage.co2) == (3, 3) and not np.any(stage.nitrogen_input)
