"""Months of climate as rasters, in the layouts of CHELSA, WorldClim, PRISM and SNAP, written by the tests."""

import numpy as np
import pytest

rasterio = pytest.importorskip("rasterio")
from layout_files import FIRST, LAST, LATITUDE, LONGITUDE, on_grid, truth  # noqa: E402
from rasterio.transform import from_origin  # noqa: E402
from rasterio.warp import transform as between  # noqa: E402

from jtem.errors import InputError  # noqa: E402
from jtem.readers import cf_monthly, raster_series  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::jtem.errors.InputNote")
DEGREES = {"crs": "EPSG:4326", "transform": from_origin(LONGITUDE[0] - 0.25, LATITUDE[-1] + 0.25, 0.5, 0.5)}


def save(path, values, nodata=None, scale=1.0, offset=0.0, units="", driver="GTiff", **where):
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = DEGREES | where | {"height": values.shape[0], "width": values.shape[1], "count": 1, "dtype": values.dtype}
    with rasterio.open(path, "w", driver=driver, nodata=nodata, **keys) as data:
        data.write(values, 1)
        data.scales, data.offsets, data.units = (scale,), (offset,), (units,)
    return path


def months():
    return [(k, FIRST + k // 12, k % 12 + 1) for k in range(12 * (LAST - FIRST + 1))]


def chelsa(folder, scaled=False):
    """Version 2.1: K / 10, kg m-2 month-1 / 100, MJ m-2 d-1 / 1000 in 16 bits; with or without scale and offset in the file.

    As users quote its technical specification, section 7.2; names as in the bucket of WSL.
    """
    values, paths = on_grid(), []
    for k, year, month in months():
        for name, array, factor in (("tas", values["tas"] + 273.15, 10), ("pr", values["pr"], 100),
                                    ("rsds", values["rsds"] * 0.0864, 1000)):  # fmt: skip
            stored = np.round(array[k][::-1] * factor).astype("u2")
            scale, offset = (1 / factor, -273.15 if name == "tas" else 0.0) if scaled else (1.0, 0.0)
            path = folder / name / f"CHELSA_{name}_{month:02d}_{year}_V.2.1.tif"
            paths.append(save(path, stored, nodata=65535, scale=scale, offset=offset))
    return paths


def chelsa_with_scale(folder):
    """The same as it is handed out with scale and offset in the file."""
    return chelsa(folder, scaled=True)


def worldclim(folder):
    """Historical monthly weather: extremes in degC, totals in mm, floats, and light on the same cells (kJ m-2 d-1)."""
    values, paths = on_grid(), []
    for k, year, month in months():
        for name, array, units in (("tmin", values["tas"] - 5, ""), ("tmax", values["tas"] + 5, ""), ("prec", values["pr"], ""),
                                   ("srad", values["rsds"] * 86.4, "kJ m-2 d-1")):  # fmt: skip
            path = folder / f"wc2.1_cruts4.09_2.5m_{name}_{year}-{month:02d}.tif"
            paths.append(save(path, array[k][::-1].astype("f4"), nodata=-3.4e38, units=units))
    return paths


def prism(folder):
    """PRISM's BIL: YYYYMM, degC and mm in floats, -9999."""
    values, paths = on_grid(), []
    for k, year, month in months():
        for name, array in (("tmean", values["tas"]), ("ppt", values["pr"]), ("soltotal", values["rsds"] * 0.0864)):
            path = folder / f"PRISM_{name}_stable_4kmM3_{year}{month:02d}_bil.bil"
            paths.append(save(path, array[k][::-1].astype("f4"), nodata=-9999.0, driver="EHdr"))
    return paths


X, Y = np.meshgrid(200e3 + 2e3 * np.arange(4), 2000e3 - 2e3 * np.arange(3))
ALBERS = [np.reshape(v, X.shape) for v in between("EPSG:3338", "EPSG:4326", X.ravel().tolist(), Y.ravel().tolist())[:2]]


def snap(folder):
    """SNAP: Alaska Albers at 2 km, units in the names."""
    values, paths = truth(ALBERS[1], ALBERS[0]), []
    light = values["rsds"] * 0.0864
    where = {"crs": "EPSG:3338", "transform": from_origin(199e3, 2001e3, 2e3, 2e3)}
    for k, year, month in months():
        for name, array in (
            ("tas_mean_C", values["tas"]),
            ("pr_total_mm", values["pr"]),
            ("rsds_mean_MJ-m2-d1", light),
        ):
            path = folder / f"{name}_CRU_TS40_historical_{month:02d}_{year}.tif"
            paths.append(save(path, array[k].astype("f4"), nodata=-9999.0, **where))
    return paths


LIGHT, RAIN = {"shortwave_radiation": "MJ m-2 d-1"}, {"precipitation": "mm", "air_temperature": "degC"}
LAYOUTS = {
    "chelsa": (chelsa, {}),
    "chelsa with scale": (chelsa_with_scale, {"layout": "chelsa"}),
    "worldclim": (worldclim, {"layout": "terraclimate", "names": {"precipitation": "prec"}, "units": RAIN}),
    "prism": (prism, {"names": {"air_temperature": "tmean", "precipitation": "ppt", "shortwave_radiation": "soltotal"},
                      "units": LIGHT | RAIN}),
    "snap": (snap, {"units": LIGHT}),
}  # fmt: skip


def places_of(name):
    return np.array(ALBERS[::-1]) if name == "snap" else np.array(np.meshgrid(LATITUDE, LONGITUDE, indexing="ij"))


@pytest.mark.parametrize("name", LAYOUTS)
def test_months_of_rasters_are_the_truth(tmp_path, name):
    make, keys = LAYOUTS[name]
    latitude, longitude = (v.ravel() for v in places_of(name))
    paths = make(tmp_path)
    names, layout = keys.get("names", {}), keys.get("layout", "")
    files = raster_series.converted(paths, (latitude, longitude), names, layout)
    found = cf_monthly.read_climate(
        files, FIRST, LAST, names, (latitude, longitude), layout=layout, said_units=keys.get("units")
    )
    real = truth(latitude, longitude)
    for house, short, tolerance in (("air_temperature", "tas", 0.0501), ("precipitation", "pr", 0.00501),
                                    ("shortwave_radiation", "rsds", 0.0059)):  # fmt: skip
        wanted = real[short].T.reshape(latitude.size, -1, 12)
        np.testing.assert_allclose(found[house].values, wanted, atol=tolerance if "chelsa" in name else 2e-5)
    assert cf_monthly.covered_years(paths, names) == (FIRST, LAST)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tas_01_01_1991.tif", "is a day by its name; rasters must be single months"),
        ("tas_19910101.tif", "is a day by its name"),
        ("CHELSA_tas_01_1981-2010_V.2.1.tif", "is a mean of many years by its name"),
        ("tas_1991.tif", "the name tells 0 months, expected one"),
        ("tas_13_1991.tif", "the name tells 0 months"),
        ("temperature_01_1991.tif", "the name tells no variable, expected one such as 'tas'"),
        ("tas_pr_01_1991.tif", "the name tells pr and tas"),
    ],
)
def test_names_that_tell_no_month_are_refused(tmp_path, name, message):
    with pytest.raises(InputError, match=message):
        raster_series.converted([save(tmp_path / name, np.zeros((3, 4), "f4"))], (LATITUDE, LONGITUDE[:3]), {}, "")


def test_what_no_raster_tells_is_asked_for(tmp_path):
    here = tuple(v.ravel() for v in places_of(""))
    paths = chelsa(tmp_path)
    twice = save(tmp_path / "again" / "CHELSA_tas_01_1991_V.2.1.tif", np.zeros((3, 4), "u2"))
    with pytest.raises(InputError, match=r"'tas' of 1991-01 is in .*; drop one file"):
        raster_series.converted([*paths, twice], here, {}, "")
    with pytest.raises(
        InputError, match=r"tif: no cell with its centre at \(66.2600, -150.2500\), which the static file has"
    ):
        raster_series.converted(paths, (here[0] + 0.01, here[1]), {}, "")
    with pytest.raises(InputError, match=r"no cell with its centre at \(66.2500, -153.2500\)"):
        raster_series.converted(paths, (here[0], here[1] - 3.0), {}, "")
    bare = [save(p.parent.with_name("float") / p.name, np.full((3, 4), 10.0, "f4")) for p in paths]
    with pytest.raises(
        InputError, match=r"tif: tas: 'air_temperature' has no units attribute, .* under \[domain.units\]"
    ):
        cf_monthly.read_climate(raster_series.converted(bare, here, {}, ""), FIRST, LAST)
    with pytest.raises(InputError, match="'tas' lacks month 1991-01"):
        cf_monthly.read_climate(raster_series.converted(paths[1:], here, {}, ""), FIRST, LAST)
