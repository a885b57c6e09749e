"""A region from CF files."""

import jax
import numpy as np
import pytest
import xarray as xr

import jtem
from front import places


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return places.region(tmp_path_factory.mktemp("region"))


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


@pytest.fixture
def model(files):
    return jtem.Model(jtem.region(files / "climate.nc", static=files / "static.nc"), permafrost="none")


@pytest.fixture
def first_cell(model):
    """The model at a site that is the region's first cell."""
    place = {**places.PLACE, "latitude": 68.0, "longitude": -150.0, "elevation": 300.0}
    return model.replace(place=jtem.site(places.months(), name="first_cell", **place))


def test_a_cell_of_the_files_is_the_site_of_the_table(model, first_cell):
    """Column, climate and CO2 of the first cell are those of a site of the same numbers."""
    years = (1998, 2009)
    region, site = (m.setup.prepared(m.setup.sections(years=years)).experiment for m in (model, first_cell))
    for leaf, same in zip(jax.tree.leaves(region.columns), jax.tree.leaves(site.columns), strict=True):
        # light at the top of the atmosphere: sines of three latitudes at once may round otherwise than of one
        np.testing.assert_allclose(np.asarray(leaf)[0], np.asarray(same)[0], rtol=1e-14)
    one, other = (m.place.climate_dataset(*years).isel(cell=0, missing_dims="ignore") for m in (model, first_cell))
    for name in ("air_temperature", "precipitation", "shortwave_radiation", "co2"):
        np.testing.assert_array_equal(one[name].values, other[name].values, err_msg=name)
    assert first_cell.check(years=years).plan.name == "first_cell"  # not that of the region


@pytest.mark.slow
def test_a_region_runs_and_is_drawn(model, first_cell):
    result, one = (m.run(years=(1998, 2009)) for m in (model, first_cell))
    assert result.annual["nep"].dims == ("time", "cell") and result.annual["lat"].dims == ("cell",)
    for name in ("gpp", "thawdepth"):
        # a batch of three is another program than one column, and soil heat has 32 bits
        np.testing.assert_allclose(result.annual[name].values[:, 0], one.annual[name].values, rtol=1e-5, err_msg=name)
    with pytest.raises(jtem.InputError, match="keep it with annual"):
        jtem.plot.map(result, "snd")
