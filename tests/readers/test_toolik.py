import numpy as np
import pytest
import xarray as xr

from jtem.errors import InputError
from jtem.readers import cf_monthly, to_model, toolik


def test_the_real_set(shared_data):
    folder = shared_data / "toolik"
    cells = toolik.read_cells(folder / "static.nc")
    assert cells.sizes["cell"] == 100
    assert float(cells["latitude"].min()) > 68.6 and float(cells["longitude"].max()) < -149.3
    assert set(cells["community"].values.ravel()) == {"wet_moist_tundra"}
    assert float(cells["elevation"].min()) > 600
    to_model.check_cells(cells, ("wet_moist_tundra",), "static.nc")
    places = cells["latitude"].values, cells["longitude"].values
    climate = cf_monthly.read_climate([folder / "climate_historic_1901-2015.nc"], 1996, 2015, places=places)
    assert float(climate["air_temperature"].mean()) == pytest.approx(-8.5, abs=0.2)
    assert float(climate["precipitation"].sum("month").mean()) == pytest.approx(313, abs=5)
    climate = climate.assign(co2=("year", np.full(20, 380.0)))
    to_model.check_climate(climate, 1996, 2015, "toolik")
    both = [folder / "climate_historic_1901-2015.nc", folder / "climate_projected_rcp85_2016-2100.nc"]
    joined = cf_monthly.read_climate(both, 2014, 2017, places=places)
    assert joined["year"].values.tolist() == [2014, 2015, 2016, 2017]
    raw = xr.open_dataset(both[0])["tas"].values
    np.testing.assert_allclose(joined["air_temperature"].values[0, 0], raw[-24:-12, 0, 0], rtol=1e-6)


def test_a_class_without_community_is_named(tmp_path):
    full = np.ones((1, 2))
    data = xr.Dataset(
        {name: (("y", "x"), 30.0 * full) for name in ("pct_sand", "pct_silt", "pct_clay", "elevation")},
        coords={"lat": (("y", "x"), 68.0 * full), "lon": (("y", "x"), -149.0 * full)},
    )
    data["veg_class"] = (("y", "x"), np.array([[5, 9]], "i2"))
    data["veg_class"].attrs = {"flag_values": np.array([5, 9], "i2"), "flag_meanings": "tussock_tundra lava"}
    data.to_netcdf(tmp_path / "static.nc")
    with pytest.raises(InputError, match=r"static.nc: unknown vegetation type 'lava' in 'veg_class'"):
        toolik.read_cells(tmp_path / "static.nc")
    data.drop_vars("veg_class").to_netcdf(tmp_path / "bare.nc")
    with pytest.raises(InputError, match=r"variable 'veg_class' is missing"):
        toolik.read_cells(tmp_path / "bare.nc")
