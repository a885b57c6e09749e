import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from jtem.errors import InputError, suggest
from jtem.files import data_path
from jtem.readers import embedded

SCENARIOS = ("ssp126", "ssp585", "rcp45", "rcp85")
NAMES = {
    "alpine_tundra_polar_desert",
    "wet_moist_tundra",
    "boreal_forest",
    "temperate_coniferous_forest",
    "temperate_deciduous_forest",
    "grassland",
    "xeric_shrubland",
    "alpine_meadow",
    "alpine_steppe",
    "alpine_desert",
    "",
}


@pytest.fixture(scope="module")
def arctic() -> xr.Dataset:
    return embedded.domain("pan_arctic")


@pytest.fixture(scope="module")
def history(arctic: xr.Dataset) -> xr.Dataset:
    return embedded.climate(arctic, "historical", 1850, 2014)


@pytest.mark.parametrize("count", [1, 2, 7, 15, 16, 33])
def test_climate_of_a_cell_does_not_depend_on_the_others(count: int, arctic: xr.Dataset, history: xr.Dataset) -> None:
    for cells in (arctic.isel(cell=slice(count)), arctic.isel(cell=slice(-count, None))):
        alone = embedded.climate(cells, "historical", 1850, 2014)
        same = history.isel(cell=slice(count) if cells["cell"][0] == arctic["cell"][0] else slice(-count, None))
        for name in ("air_temperature", "precipitation", "shortwave_radiation"):
            np.testing.assert_array_equal(alone[name].values, same[name].values, err_msg=f"{count} {name}")


def area_mean(data: xr.DataArray, cells: xr.Dataset) -> xr.DataArray:
    return (data * cells["area"]).sum("cell") / cells["area"].sum()


@pytest.mark.parametrize(("name", "fewest", "area_km2"), [("pan_arctic", 200, 26.684e6), ("plateau", 50, 2.664e6)])
def test_domain_has_the_cells_and_the_land_area(name: str, fewest: int, area_km2: float) -> None:
    cells = embedded.domain(name)
    assert cells.sizes["cell"] >= fewest
    assert cells.sizes["interval"] == 4
    np.testing.assert_allclose(cells["area"].sum(), area_km2, rtol=1e-4)
    np.testing.assert_allclose(cells["sand"] + cells["silt"] + cells["clay"], 100.0)
    np.testing.assert_allclose(cells["community_area_fraction"].sum("share"), 1.0)
    assert set(cells["community"].values.ravel()) <= NAMES
    used = cells["community"].values != ""
    assert np.array_equal(used, cells["community_area_fraction"].values > 0)
    assert np.all(cells["soil_organic_carbon"] > 0)
    assert all(np.isfinite(cells[key]).all() for key in ("latitude", "longitude", "area", "elevation"))


def test_domains_lie_where_they_say(arctic: xr.Dataset) -> None:
    assert float(arctic["latitude"].min()) > 45
    plateau = embedded.domain("plateau")
    assert float(plateau["latitude"].min()) > 25
    assert float(plateau["latitude"].max()) < 40
    assert float(plateau["elevation"].min()) > 3000


def test_soil_carbon_of_the_coldest_land_is_the_published_total(arctic: xr.Dataset) -> None:
    temperature = embedded.normals(arctic)["air_temperature"].mean("month").values
    order = np.argsort(temperature)
    area = arctic["area"].values[order]
    counted = np.clip(17.8e6 - (np.cumsum(area) - area), 0, area)
    total = np.cumsum(counted @ arctic["soil_organic_carbon"].values[order] * 1e-6)
    np.testing.assert_allclose(total[[0, 1, 3]], [217, 472, 1035], rtol=1e-3)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_climate_dataset_has_the_agreed_form(arctic: xr.Dataset, scenario: str) -> None:
    data = embedded.climate(arctic, scenario, 2015, 2100)
    assert data["air_temperature"].dims == ("cell", "year", "month")
    assert data["air_temperature"].shape == (arctic.sizes["cell"], 86, 12)
    assert data["month"].values.tolist() == list(range(1, 13))
    assert data["year"].values[[0, -1]].tolist() == [2015, 2100]
    assert "emulated climate" in data.attrs["title"]
    units = {name: data[name].attrs["units"] for name in data.data_vars}
    assert units == {
        "air_temperature": "degC",
        "precipitation": "mm month-1",
        "shortwave_radiation": "W m-2",
        "co2": "ppm",
    }
    assert all(np.isfinite(data[name]).all() for name in data.data_vars)
    assert float(data["precipitation"].min()) > 0
    assert float(data["shortwave_radiation"].min()) >= 0
    assert -55 < float(data["air_temperature"].min()) < float(data["air_temperature"].max()) < 40


def test_history_is_the_normal_in_the_mean_of_the_century_and_colder_before(
    arctic: xr.Dataset, history: xr.Dataset
) -> None:
    normal = area_mean(embedded.normals(arctic)["air_temperature"], arctic)
    century = area_mean(history["air_temperature"].sel(year=slice(1901, 2000)).mean("year"), arctic)
    np.testing.assert_allclose(century, normal, atol=0.01)
    yearly = area_mean(history["air_temperature"].mean("month"), arctic)
    assert float(yearly.sel(year=slice(1850, 1879)).mean()) < float(normal.mean()) - 0.3
    assert float(yearly.sel(year=slice(2005, 2014)).mean()) > float(normal.mean()) + 0.8


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_splice_at_2014_has_no_step(arctic: xr.Dataset, history: xr.Dataset, scenario: str) -> None:
    future = embedded.climate(arctic, scenario, 2015, 2100)
    joined = xr.concat([history.drop_vars("co2"), future.drop_vars("co2")], "year", combine_attrs="drop")
    yearly = area_mean(joined["air_temperature"].mean("month"), arctic)
    ordinary = np.abs(np.diff(yearly.sel(year=slice(1880, 2014)))).max()
    assert abs(float(yearly.sel(year=2015) - yearly.sel(year=2014))) <= ordinary
    # Decade to decade the change is that of the observed trend, not of a seam; every place, not only the mean.
    step = joined["air_temperature"].sel(year=slice(2015, 2019)).mean(["year", "month"]) - joined[
        "air_temperature"
    ].sel(year=slice(2010, 2014)).mean(["year", "month"])
    assert float(np.abs(step).max()) < 0.8
    assert abs(embedded.co2(scenario, 2015, 2015)[0] - embedded.co2("historical", 2014, 2014)[0]) < 4.5


def test_scenarios_order_and_warm(arctic: xr.Dataset) -> None:
    def warming(scenario: str) -> float:
        data = area_mean(embedded.climate(arctic, scenario, 2015, 2100)["air_temperature"].mean("month"), arctic)
        return float(data.sel(year=slice(2091, 2100)).mean() - data.sel(year=slice(2015, 2024)).mean())

    low, middle, high = (warming(name) for name in ("ssp126", "rcp45", "ssp585"))
    assert 0.5 < low < 2 < middle < 4 < high < 7


def test_precipitation_follows_temperature(arctic: xr.Dataset) -> None:
    data = embedded.climate(arctic, "ssp585", 2100, 2100)
    normal = embedded.normals(arctic)
    change = (data["air_temperature"].isel(year=0) - normal["air_temperature"]).mean("month")
    ratio = data["precipitation"].isel(year=0) / normal["precipitation"]
    np.testing.assert_allclose(ratio, (1 + 0.045 * change).broadcast_like(ratio).transpose("cell", "month"), rtol=1e-12)


def test_parts_of_a_run_are_the_run(arctic: xr.Dataset, history: xr.Dataset) -> None:
    few = arctic.isel(cell=[3, 100])
    part = embedded.climate(few, "historical", 1900, 1910)
    whole = history.isel(cell=[3, 100]).sel(year=slice(1900, 1910))
    np.testing.assert_allclose(part["air_temperature"], whole["air_temperature"], rtol=0, atol=1e-10)
    np.testing.assert_array_equal(part["co2"], whole["co2"])


def test_two_and_a_half_centuries_take_less_than_two_seconds(arctic: xr.Dataset) -> None:
    start = time.perf_counter()
    embedded.climate(arctic, "historical", 1850, 2014)
    embedded.climate(arctic, "ssp585", 2015, 2100)
    assert time.perf_counter() - start < 2


def test_co2_is_the_published_series() -> None:
    assert embedded.co2("historical", 1850, 1850).tolist() == [284.32]
    assert embedded.co2("ssp126", 2100, 2100).tolist() == [445.63]
    assert embedded.co2("ssp585", 2100, 2100).tolist() == [1135.21]
    assert embedded.co2("rcp45", 2100, 2100).tolist() == [538.36]
    assert embedded.co2("rcp85", 2100, 2100).tolist() == [935.87]
    assert embedded.co2("historical", 1850, 2014).shape == (165,)


def test_sites_have_names_and_printed_normals() -> None:
    sites = embedded.sites()
    wanted = {"Bonanza Creek", "Toolik", "US-Prr", "US-Atq", "GL-ZaH", "CN-Dan"}
    assert wanted <= set(sites["site"].values)
    toolik = embedded.site_normals("Toolik")
    np.testing.assert_array_equal(toolik["air_temperature"][0, [0, 6]], [-23.0, 11.0])
    np.testing.assert_allclose(toolik["precipitation"].sum(), 303.0)
    assert 180 < float(toolik["shortwave_radiation"][0, 5]) < 260
    climate = embedded.climate(embedded.sites(["US-Prr", "CN-Dan"]), "historical", 2003, 2014)
    annual = climate["air_temperature"].mean(["year", "month"])
    # Towers 2010-2014 and 2004-2005 measured -2.7 and 2.2 degC.
    np.testing.assert_allclose(annual, [-2.7, 2.2], atol=2.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: embedded.domain("panarctic"), "did you mean 'pan_arctic'"),
        (lambda: embedded.sites(["Tolik"]), "did you mean 'Toolik'"),
        (lambda: embedded.site_normals("US-Atq"), "no printed normals"),
        (lambda: embedded.co2("ssp245", 2015, 2020), "unknown scenario"),
        (lambda: embedded.co2("historical", 1849, 1900), "1850-2014"),
        (lambda: embedded.climate(embedded.sites(), "ssp126", 2010, 2020), "2015-2100"),
        (lambda: embedded.climate(embedded.sites(), "ssp126", 2030, 2020), "first_year <= last_year"),
        (lambda: embedded.normals(embedded.sites().assign(latitude=("cell", np.full(8, 10.0)))), "no emulated climate"),
        (lambda: embedded.normals(embedded.sites().drop_vars("elevation")), "'elevation'"),
        (lambda: embedded.normals(embedded.sites().assign(elevation=("cell", np.full(8, np.nan)))), "missing values"),
        (lambda: data_path("embedded", "nothing.csv"), "nothing.csv"),
    ],
)
def test_bad_input_is_one_clear_sentence(call, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_suggest_lists_what_is_known_where_nothing_is_similar() -> None:
    assert suggest("zzz", ["abc", "def"]) == "known: abc, def"


def test_top_of_atmosphere_has_the_solar_constant_and_the_polar_night() -> None:
    radiation = embedded.top_of_atmosphere(np.array([0.0, 45.0, 80.0]))
    assert radiation.shape == (3, 12)
    assert 400 < radiation[0].mean() < 430
    assert radiation[2, 11] == 0
    assert 500 < radiation[2, 5] < 530


def test_emulator_error_against_the_real_climatology_is_the_stated_one(shared_data: Path) -> None:
    real = (
        xr.open_dataset(shared_data / "climate_grid" / "climatology_0p5deg.nc")
        .sel(lat=slice(50, 75))
        .isel(lat=slice(0, None, 5), lon=slice(0, None, 10))
    )
    surface = xr.open_dataset(shared_data / "climate_grid" / "surface_0p5deg.nc").sel(lat=real.lat, lon=real.lon)
    keep = (surface["land_fraction_hwsd"] > 0.1).values & np.isfinite(real["tas"].values).all(
        axis=real["tas"].dims.index("month")
    )
    keep &= np.isfinite(real["pr"].values).all(axis=real["pr"].dims.index("month"))
    latitude, longitude = np.meshgrid(real.lat, real.lon, indexing="ij")
    cells = xr.Dataset(
        {
            "latitude": ("cell", latitude[keep]),
            "longitude": ("cell", longitude[keep]),
            "elevation": ("cell", surface["elevation"].values[keep].astype(float)),
        }
    )
    emulated = embedded.normals(cells)
    difference = emulated["air_temperature"].values.T - real["tas"].values[:, keep]
    assert abs(difference.mean()) < 0.3
    assert np.sqrt((difference**2).mean()) < 1.7
    r = np.corrcoef(emulated["precipitation"].values.T.ravel(), real["pr"].values[:, keep].ravel())[0, 1]
    assert r > 0.85


def test_embedded_files_are_small_and_name_no_machine_path() -> None:
    folder = data_path("embedded")
    files = [path for path in folder.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 600_000
    assert (folder / "README.md").exists()
    assert not any("/work" in path.read_text(encoding="utf-8") for path in files)
