"""The real half-degree fields (optional data folder)."""

import numpy as np
import pytest

from jtem.errors import InputError
from jtem.readers import climate_grid, to_model

COMMUNITIES = (
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
)


@pytest.fixture(scope="module")
def everywhere(shared_data):
    return climate_grid.cells(shared_data, "all", stride=7)


def test_cells_of_both_regions(shared_data, everywhere):
    to_model.check_cells(everywhere, COMMUNITIES, "half-degree")
    north = climate_grid.cells(shared_data, "pan_arctic")
    plateau = climate_grid.cells(shared_data, "plateau")
    assert float(north["latitude"].min()) > 45 and 18e6 < float(north["area"].sum()) < 30e6
    assert float(plateau["latitude"].max()) < 45 and plateau.sizes["cell"] > 1000
    assert {"alpine_meadow", "alpine_steppe"} <= set(plateau["community"].values.ravel())
    assert everywhere.sizes["cell"] == -(-(north.sizes["cell"] + plateau.sizes["cell"]) // 7)
    area, stock = everywhere["area"].values, everywhere["soil_organic_carbon"].values.sum(axis=1)
    assert 30 < float(np.average(stock, weights=area)) < 80
    other = climate_grid.cells(shared_data, "all", stride=7, soil="statistics")
    ratio = other["soil_organic_carbon"].values.sum() / everywhere["soil_organic_carbon"].values.sum()
    assert 0.6 < ratio < 1.4


def test_the_climate_follows_the_recipe(shared_data, everywhere):
    some = everywhere.isel(cell=slice(0, None, 50))
    past = climate_grid.climate(shared_data, some, "historical", 1850, 2014)
    to_model.check_climate(past, 1850, 2014, "half-degree")
    normal = past["air_temperature"].sel(year=slice(1961, 1990)).mean("year")
    file = climate_grid._climatology(str(shared_data / "climate_grid/climatology_0p5deg.nc"))
    rows = some["source_cell"].values
    np.testing.assert_allclose(normal.values, file["tas"][rows], atol=0.02)  # anomalies are from 1961-1990
    anomaly = past["air_temperature"].values - file["tas"][rows][:, None]
    expected = file["pr"][rows][:, None] * (1 + 0.045 * anomaly.mean(axis=2, keepdims=True))
    np.testing.assert_allclose(past["precipitation"].values, np.maximum(expected, 0), rtol=1e-9)
    np.testing.assert_allclose(past["shortwave_radiation"].values[:, 7], file["rsds"][rows])
    assert float(past["co2"][0]) == pytest.approx(284.3, abs=0.1)
    for scenario, ppm in (("ssp126", 445.6), ("ssp585", 1135.2), ("rcp45", 538.4), ("rcp85", 935.9)):
        future = climate_grid.climate(shared_data, some, scenario, 2015, 2100)
        to_model.check_climate(future, 2015, 2100, scenario)
        assert float(future["co2"][-1]) == pytest.approx(ppm, rel=0.01)
        jump = future["air_temperature"].values[:, :10].mean() - past["air_temperature"].values[:, -10:].mean()
        assert abs(jump) < 1.0
    with pytest.raises(InputError, match=r"years 2014-2015 of 'historical' are outside 1850-2014"):
        climate_grid.climate(shared_data, some, "historical", 2014, 2015)


def test_warming_is_that_published_for_gfdl(shared_data):
    land = climate_grid.cells(shared_data, "all", below_degC=40.0)
    lat, lon, area = (land[name].values for name in ("latitude", "longitude", "area"))
    years = np.arange(2015, 2101)
    boxes = {  # degC, 2015-2016 to 2099-2100, SSP5-8.5 (IPCC Atlas regional means); south, north, west, east
        "Russian Arctic": (6.5, (66, 77, 40, 180)),
        "East Siberia": (5.4, (48, 66, 85, 150)),
        "northwestern North America": (7.0, (50, 71, -168, -105)),
        "Tibetan Plateau": (3.7, (27, 39, 75, 100)),
    }
    for name, (published, (south, north, west, east)) in boxes.items():
        here = (lat > south) & (lat < north) & (lon > west) & (lon < east)
        change = climate_grid.anomaly(shared_data, lat[here], lon[here], "ssp585", years).mean(axis=2)
        warming = np.average(change[:, -2:].mean(axis=1) - change[:, :2].mean(axis=1), weights=area[here])
        assert warming == pytest.approx(published, rel=0.1), name


def test_members_and_observed_history(shared_data, everywhere):
    some = everywhere.isel(cell=slice(0, None, 40))

    def warming(member):
        late = climate_grid.climate(shared_data, some, "ssp585", 2091, 2100, member)
        early = climate_grid.climate(shared_data, some, "historical", 2005, 2014, member)
        return float(late["air_temperature"].mean() - early["air_temperature"].mean())

    base = warming("gfdl_like")
    assert warming("ipsl") > 1.3 * base
    assert warming("spread_weak") == pytest.approx(0.75 * base, rel=1e-6)
    assert warming("observed_history") == pytest.approx(base, rel=1e-6)
    seen = climate_grid.climate(shared_data, some, "historical", 1850, 2014, "observed_history")
    assert float(seen["air_temperature"][:, :30].std("year").max()) == pytest.approx(0.0, abs=1e-9)  # before 1880
    with pytest.raises(InputError, match=r"climate member 'gfdl' is unknown; did you mean 'gfdl_like'\?"):
        warming("gfdl")


def test_cut_cells_share_climate_soil_and_area(shared_data):
    whole = climate_grid.cells(shared_data, "plateau", stride=300)
    fine = climate_grid.cells(shared_data, "plateau", stride=300, subdivide=5)
    assert fine.sizes["cell"] == 25 * whole.sizes["cell"]
    np.testing.assert_allclose(float(fine["area"].sum()), float(whole["area"].sum()), rtol=1e-6)
    a = climate_grid.climate(shared_data, whole, "rcp85", 2050, 2050)["air_temperature"].values
    b = climate_grid.climate(shared_data, fine, "rcp85", 2050, 2050)["air_temperature"].values
    np.testing.assert_array_equal(b, np.repeat(a, 25, axis=0))


def test_words_and_folders_that_are_refused(shared_data, tmp_path):
    with pytest.raises(InputError, match=r"domain 'arctic' of the half-degree fields is unknown"):
        climate_grid.cells(shared_data, "arctic")
    with pytest.raises(InputError, match=r"soil carbon 'map'"):
        climate_grid.cells(shared_data, soil="map")
    with pytest.raises(InputError, match=r"climatology_0p5deg.nc: file not found; give the folder"):
        climate_grid.cells(tmp_path)


def test_sampled_cells_stand_for_the_whole_domain(shared_data):
    whole, sampled = (climate_grid.cells(shared_data, "plateau", stride=n) for n in (1, 7))
    assert sampled.sizes["cell"] < whole.sizes["cell"] / 6
    np.testing.assert_allclose(float(sampled["area"].sum()), float(whole["area"].sum()), rtol=1e-12)
    assert "stand" in " ".join(sampled.attrs)
