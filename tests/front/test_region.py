"""A region from CF files."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import jtem
from front import places


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two by two cells, one of them sea; the climate of the site, warmer by a degree eastwards."""
    folder = tmp_path_factory.mktemp("region")
    frame = places.months()
    time = pd.to_datetime(frame[["year", "month"]].assign(day=15))
    grid = {"lat": [68.0, 68.5], "lon": [-150.0, -149.5]}
    fields = {}
    for name, column, unit in zip(("tas", "pr", "rsds"), places.HEADER, ("degC", "mm month-1", "W m-2"), strict=True):
        values = np.broadcast_to(frame[column].values[:, None, None], (len(frame), 2, 2)).copy()
        if name == "tas":
            values[:, :, 1] += 1.0
        fields[name] = (("time", "lat", "lon"), values, {"units": unit})
    xr.Dataset(fields, coords={**grid, "time": time.values}).to_netcdf(folder / "climate.nc")
    static = {name: np.full((2, 2), value) for name, value in (("elevation", 300.0), ("sand", 40.0), ("silt", 45.0))}
    static |= {"clay": np.full((2, 2), 15.0), "vegetation": np.array([[4.0, 4.0], [0.0, 4.0]])}
    made = {name: (("lat", "lon"), values) for name, values in static.items()}
    xr.Dataset(made, coords=grid).to_netcdf(folder / "static.nc")
    return folder


def test_cells_and_years_come_from_the_files(files):
    region = jtem.region(files / "climate.nc", static=files / "static.nc")
    assert not region.is_site and region.years == (1990, 2009) and region.cells.sizes["cell"] == 3
    climate = region.climate_dataset(2000, 2001)
    frame = places.months().query("year == 2000")
    expected = frame["tas (degC)"].values + np.array([0.0, 1.0, 1.0])[:, None]
    np.testing.assert_allclose(climate["air_temperature"].values[:, 0], expected)
    assert "region of 3 cells" in repr(region) and "climate.nc" in repr(region)
    plan = jtem.Model(region, permafrost="none").check(years=(1995, 2000))
    assert plan.domain.source == "cf_monthly" and plan.history.last == 2000


def test_one_vegetation_for_all_cells_and_wrong_words(files):
    with pytest.raises(jtem.InputError, match="community 'boreal' is unknown; did you mean 'boreal_forest'"):
        jtem.region(files / "climate.nc", static=files / "static.nc", community="boreal")
    with pytest.raises(jtem.InputError, match="file not found"):
        jtem.region(files / "climate.nc", static=files / "statics.nc")
    with xr.open_dataset(files / "climate.nc") as climate:
        climate.rename(tas="a", pr="b", rsds="c").to_netcdf(files / "other.nc")
    with pytest.raises(jtem.InputError, match=r"other.nc: variable 'tas' is missing"):
        jtem.region(files / "other.nc", static=files / "static.nc")
    with pytest.raises(jtem.InputError, match="years 1980-1990 are not covered by the climate of 'region'"):
        jtem.Model(jtem.region(files / "climate.nc", static=files / "static.nc")).run(years=(1980, 1990))


@pytest.mark.slow
def test_a_region_runs_and_is_drawn(files):
    region = jtem.region(files / "climate.nc", static=files / "static.nc")
    model = jtem.Model(region, permafrost="none")
    result = model.run(years=(1998, 2009))
    assert result.annual["nep"].dims == ("time", "cell") and result.annual["lat"].dims == ("cell",)
    site = jtem.site(places.months(), **{**places.PLACE, "latitude": 68.0, "longitude": -150.0, "elevation": 300.0})
    one = model.replace(place=site).run(years=(1998, 2009))
    for name in ("gpp", "thawdepth"):
        # at the tower's place the table has radiation, texture and soil carbon of the same numbers
        np.testing.assert_allclose(result.annual[name].values[:, 0], one.annual[name].values, rtol=1e-5, err_msg=name)
    with pytest.raises(jtem.InputError, match="keep it with annual"):
        jtem.plot.map(result, "snd")
