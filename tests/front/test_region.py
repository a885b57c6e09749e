"""A region from CF files."""

import jax
import numpy as np
import pytest
import xarray as xr

import jtem
from front import places
from jtem.commands.main import main


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


def test_a_plan_of_what_was_in_memory_is_refused(files, tmp_path, capsys):
    with xr.open_dataset(files / "static.nc") as data:
        static = data.load()
    model = jtem.Model(jtem.region(files / "climate.nc", static=static))
    assert 'static = "(the Dataset)"' in model.plan()
    assert "(the Dataset)" in model.setup.place.inputs
    site = jtem.Model(jtem.site(places.months(), **places.PLACE))
    for made, said in ((model, "[domain]: the Dataset was in the memory"), (site, "the DataFrame was in the memory")):
        (tmp_path / "plan.toml").write_text(made.plan())
        assert main(["check", str(tmp_path / "plan.toml")]) == 2
        assert said in capsys.readouterr().err


def test_fixed_fields_as_a_dataset_a_table_and_files_of_their_own(files, tmp_path):
    wanted = jtem.region(files / "climate.nc", static=files / "static.nc").cells
    with xr.open_dataset(files / "static.nc") as data:
        static = data.load()
    split = {}
    for name in static.data_vars:
        split[name] = tmp_path / f"{name}.nc"
        static[[name]].to_netcdf(split[name])
    table = static.to_dataframe().rename(columns={"elevation": "z"})
    for given, names in (
        (static, {}),
        (table, {"elevation": "z"}),
        (table.reset_index(), {"elevation": "z"}),
        (split, {}),
    ):
        found = jtem.region(files / "climate.nc", static=given, names=names).cells
        rows = [int(np.argmin(np.hypot(*(found[n].values - wanted[n].values[k] for n in ("latitude", "longitude")))))
                for k in range(3)]  # fmt: skip
        assert found.sizes["cell"] == 3 and sorted(rows) == [0, 1, 2]
        for name in ("latitude", "longitude", "elevation", "sand", "silt", "clay", "community"):
            np.testing.assert_array_equal(found[name].values[rows], wanted[name].values, name)


def test_fixed_fields_of_rasters(files, tmp_path):
    rasterio = pytest.importorskip("rasterio")
    wanted = jtem.region(files / "climate.nc", static=files / "static.nc").cells
    with xr.open_dataset(files / "static.nc") as data:
        static = data.load().sortby("lat", ascending=False)
    step = [float(abs(np.diff(static[axis].values)[0])) for axis in ("lon", "lat")]
    west, north = float(static["lon"][0]) - step[0] / 2, float(static["lat"][0]) + step[1] / 2
    given = {}
    for name in ("elevation", "sand", "silt", "clay", "vegetation"):
        given[name] = tmp_path / f"{name}.tif"
        values = static[name].values.astype("float32")
        with rasterio.open(
            given[name], "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, dtype="float32",
            crs="EPSG:4326", transform=rasterio.transform.from_origin(west, north, *step), nodata=-9999.0,
        ) as file:  # fmt: skip
            file.write(np.nan_to_num(values, nan=-9999.0), 1)
    found = jtem.region(files / "climate.nc", static=given).cells
    for name in ("latitude", "longitude", "elevation", "sand", "community"):
        np.testing.assert_allclose(found[name].values, wanted[name].values) if name != "community" else None
    assert found["community"].values.tolist() == wanted["community"].values.tolist()


def test_fixed_fields_that_are_none(files, tmp_path):
    with xr.open_dataset(files / "static.nc") as data:
        static = data.load()
    table = static.to_dataframe().reset_index()
    other = tmp_path / "other.nc"
    static[["sand"]].isel(lat=slice(0, 1)).to_netcdf(other)
    static[["elevation"]].to_netcdf(tmp_path / "elevation.nc")
    for given, says in (
        (3, "static is a int, expected the path of a CF file, a Dataset, a DataFrame"),
        (table.drop(columns="lon"), "static has no column 'longitude'"),
        (table.iloc[[0, 0, 1]], "static has the cell .* twice"),
        (table[["lat", "lon"]], "static has none of"),
        ({"height": other}, "unknown field 'height'"),
        ({"elevation": tmp_path / "elevation.nc", "sand": other}, "'sand' has other latitudes than 'elevation'"),
        ({"elevation": tmp_path / "absent.tif"}, "absent.tif: file not found"),
    ):
        with pytest.raises(jtem.InputError, match=says) as caught:
            jtem.region(files / "climate.nc", static=given)  # pyright: ignore
        assert "\n" not in str(caught.value)


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
