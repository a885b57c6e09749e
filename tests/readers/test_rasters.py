"""Rasters in the layouts in which SoilGrids 2 and HWSD v2 are published, written by the tests, and other GeoTIFFs."""

import numpy as np
import pytest

rasterio = pytest.importorskip("rasterio")
from rasterio.transform import Affine, from_origin  # noqa: E402
from rasterio.warp import transform as between  # noqa: E402

from jtem.errors import InputError  # noqa: E402
from jtem.readers import fields, rasters, regrid, soil_carbon, soil_texture, surface, vegetation  # noqa: E402

HOMOLOSINE = "+proj=igh +lat_0=0 +lon_0=0 +datum=WGS84 +units=m +no_defs"
LATITUDE, LONGITUDE = np.meshgrid([62.25, 62.75, 63.25], [-150.25, -149.75, -149.25, -148.75], indexing="ij")
CELLS = regrid.Targets(LATITUDE.ravel(), LONGITUDE.ravel(), 0.5)
BOX = (62.0, 63.5, -150.5, -148.5)
DEPTHS = ((0, 5), (5, 15), (15, 30), (30, 60), (60, 100), (100, 200))


def sand(latitude, longitude, depth=0):
    """g kg-1, linear in place, so that the mean of a cell is the value at its centre."""
    return 400.0 + 40.0 * (latitude - 62.75) + 20.0 * (longitude + 149.5) + depth


def save(path, values, crs, transform, nodata=None, units="", driver="GTiff", bands=1, scale=1.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = values.shape
    with rasterio.open(path, "w", driver=driver, height=height, width=width, count=bands, dtype=values.dtype, crs=crs,
                       transform=transform, nodata=nodata) as data:  # fmt: skip
        for band in range(bands):
            data.write(values, band + 1)
        if units:
            data.units = (units,)
        if scale != 1.0:
            data.scales = (scale,)
    return path


def homolosine(metres=5000.0):
    """Transform of a tile of 5 km cells around the box, and the place of each cell."""
    x, y, *_ = between("EPSG:4326", HOMOLOSINE, [-152.5, -146.5, -152.5, -146.5], [61.0, 61.0, 64.5, 64.5])
    west, north = min(x), max(y)
    width, height = int((max(x) - west) / metres), int((north - min(y)) / metres)
    columns, rows = np.meshgrid(west + metres * (np.arange(width) + 0.5), north - metres * (np.arange(height) + 0.5))
    longitude, latitude, *_ = between(HOMOLOSINE, "EPSG:4326", columns.ravel(), rows.ravel())
    return from_origin(west, north, metres, metres), *(np.reshape(v, rows.shape) for v in (latitude, longitude))


def soilgrids(folder, depths=DEPTHS[:5]):
    """As ISRIC publishes it: g kg-1 in 16 bits, -32768 where nothing is, Goode's homolosine, a property and depth a file."""
    transform, latitude, longitude = homolosine()
    for k, (top, bottom) in enumerate(depths):
        parts = {"sand": sand(latitude, longitude, 10 * k), "silt": 350.0 + 0 * latitude}
        parts["clay"] = 1000.0 - parts["sand"] - parts["silt"]
        for name, values in parts.items():
            stored = np.where(longitude > -146.8, -32768, np.round(values)).astype("i2")
            save(folder / name / f"{name}_{top}-{bottom}cm_mean.tif", stored, HOMOLOSINE, transform, -32768)
    return folder


def test_soilgrids_in_homolosine(tmp_path):
    texture, filled = soil_texture.read(soilgrids(tmp_path), CELLS, box=BOX)
    weights = np.array([0.05, 0.1, 0.15, 0.3, 0.4])
    expected = (sand(CELLS.latitude, CELLS.longitude) + 10 * weights @ np.arange(5)) / 10.0
    np.testing.assert_allclose(texture[:, 0], expected, atol=0.15)  # cells of 5 km in half a degree
    np.testing.assert_allclose(texture[:, 1], 35.0, atol=1e-9)
    np.testing.assert_allclose(texture.sum(axis=1), 100.0)
    assert not filled.any()


def test_soilgrids_of_a_mirror_in_percent(tmp_path):
    """As geodata for R hands it out: degrees, percent, floating numbers."""
    latitude, longitude = np.meshgrid(
        64.0 - 0.1 * (np.arange(25) + 0.5), -151.0 + 0.1 * (np.arange(30) + 0.5), indexing="ij"
    )
    for top, bottom in DEPTHS[:5]:
        first = sand(latitude, longitude) / 10.0
        for name, values in (("sand", first), ("silt", 35.0 + 0 * first), ("clay", 65.0 - first)):
            path = tmp_path / f"{name}_{top}-{bottom}cm_mean_30s.tif"
            save(path, values.astype("f4"), "EPSG:4326", from_origin(-151.0, 64.0, 0.1, 0.1), -9999.0)
    texture, _ = soil_texture.read(tmp_path, CELLS, box=BOX)
    np.testing.assert_allclose(texture[:, 0], sand(CELLS.latitude, CELLS.longitude) / 10.0, atol=5e-3)


def test_carbon_of_soilgrids(tmp_path):
    transform, latitude, _ = homolosine()
    for (top, bottom), density in zip(DEPTHS, (500, 400, 300, 200, 100, 50), strict=True):
        values = np.full(latitude.shape, density, "i2")
        save(tmp_path / f"ocd_{top}-{bottom}cm_mean.tif", values, HOMOLOSINE, transform, -32768)
    stocks = soil_carbon.read_folder(tmp_path, CELLS, BOX)
    upper = 50 * 0.05 + 40 * 0.1 + 30 * 0.15
    np.testing.assert_allclose(stocks[0], [upper, 20 * 0.3 + 10 * 0.4, 5.0, np.nan])


def test_carbon_from_concentration_density_and_stones(tmp_path):
    transform, latitude, _ = homolosine()
    for top, bottom in DEPTHS:
        for name, value in (("soc", 500), ("bdod", 120), ("cfvo", 250)):  # 5 % carbon, 1200 kg m-3, a quarter stones
            values = np.full(latitude.shape, value, "i2")
            save(tmp_path / f"{name}_{top}-{bottom}cm_mean.tif", values, HOMOLOSINE, transform, -32768)
    stocks = soil_carbon.read_folder(tmp_path, CELLS, BOX)
    np.testing.assert_allclose(stocks[0, :3], 0.05 * 1200 * 0.75 * np.array([0.3, 0.7, 1.0]), rtol=1e-12)


LAYERS = """ID,HWSD2_SMU_ID,SHARE,LAYER,TOPDEP,BOTDEP,SAND,SILT,CLAY,ORG_CARBON,BULK,COARSE
1,11,60,D1,0,20,50,30,20,4,1.2,10
2,11,60,D2,20,200,50,30,20,1,1.4,10
3,11,40,D1,0,20,20,40,40,10,0.8,0
4,11,40,D2,20,200,20,40,40,2,1.3,0
5,22,100,D1,0,200,-9,-9,-9,-9,-9,-9
6,33,100,D1,0,200,10,30,60,2,1.0,0
"""


def hwsd2(folder):
    """HWSD2.bil with its header: unit numbers of 16 bits in degrees; and the table of layers."""
    codes = np.full((30, 40), 11, "u2")
    codes[:, 20:], codes[:10, :10] = 33, 22
    path = save(folder / "HWSD2.bil", codes, "EPSG:4326", from_origin(-150.5, 63.5, 0.05, 0.05), 65535, driver="EHdr")
    (folder / "HWSD2_LAYERS.csv").write_text(LAYERS)
    return path, folder / "HWSD2_LAYERS.csv"


def test_texture_and_carbon_of_hwsd_2(tmp_path):
    raster, layers = hwsd2(tmp_path)
    texture, _ = soil_texture.read_hwsd2(raster, layers, CELLS, box=BOX)
    at = CELLS.longitude < -149.5
    np.testing.assert_allclose(texture[at & (CELLS.latitude < 63)], [[38.0, 34.0, 28.0]] * 4)
    np.testing.assert_allclose(texture[~at], [[10.0, 30.0, 60.0]] * 6)
    assert soil_carbon.is_hwsd2(layers)
    stocks = soil_carbon.read_hwsd2(layers, raster, CELLS, box=BOX)
    first = 0.6 * (43.2 * 0.2 + 12.6 * 0.1) + 0.4 * (80.0 * 0.2 + 26.0 * 0.1)
    second = 0.6 * 12.6 + 0.4 * 26.0
    np.testing.assert_allclose(stocks[0], [first, 0.7 * second, second, np.nan])
    np.testing.assert_allclose(stocks[-1], [6.0, 14.0, 20.0, np.nan])


def test_other_maps_may_be_geotiffs(tmp_path):
    """Elevation with scale and unit, vegetation codes, longitudes of 0-360 degrees."""
    height = np.round(sand(CELLS.latitude, CELLS.longitude).reshape(3, 4)[::-1] * 10).astype("i4")
    path = save(tmp_path / "dem.tif", height, "EPSG:4326", from_origin(209.5, 63.5, 0.5, 0.5), units="m", scale=0.1)
    np.testing.assert_allclose(surface.elevation(path, CELLS), sand(CELLS.latitude, CELLS.longitude), atol=0.051)
    codes = np.full((3, 4), 4, "u1")
    path = save(tmp_path / "veg.tif", codes, "EPSG:4326", from_origin(-150.5, 63.5, 0.5, 0.5))
    shares = vegetation.community_shares(path, CELLS, "tem", "", BOX)
    assert set(shares) == {"boreal_forest"} and np.all(shares["boreal_forest"] == 1.0)
    field = fields.need(path, ("anything",), (62.0, 63.0, -150.0, -149.0))
    assert field.values.shape == (2, 2) and field.step == 0.5


def test_boxes_across_the_date_line(tmp_path):
    codes = np.arange(36, dtype="i2").reshape(1, 36)
    path = save(tmp_path / "row.tif", codes, "EPSG:4326", from_origin(-180.0, 70.0, 10.0, 10.0))
    field = rasters.read(path, (60.0, 70.0, 160.0, -160.0))
    np.testing.assert_array_equal(field.longitude, [-175.0, -165.0, 165.0, 175.0])
    np.testing.assert_array_equal(field.values[0], [0, 1, 34, 35])


def test_what_cannot_be_told_is_refused(tmp_path, monkeypatch):
    ones, place = np.ones((3, 4), "i2"), from_origin(-150.5, 63.5, 0.5, 0.5)
    two = save(tmp_path / "two.tif", ones, "EPSG:4326", place, bands=2)
    with pytest.raises(InputError, match=r"two.tif: 2 bands, expected one"):
        rasters.read(two)
    lost = save(tmp_path / "lost.tif", ones, None, Affine(5000.0, 0, 1e6, 0, -5000.0, 7e6))
    with pytest.raises(InputError, match=r"lost.tif: says no projection and is not in degrees; set it"):
        rasters.read(lost)
    with pytest.raises(
        InputError, match=r"one raster cannot hold sand, silt and clay; name the folder of the SoilGrids"
    ):
        soil_texture.read(two, CELLS)
    far = save(tmp_path / "far.tif", ones, "EPSG:4326", from_origin(10.0, 10.0, 0.5, 0.5))
    with pytest.raises(InputError, match=r"far.tif: no cell between 62..63.5 N"):
        rasters.read(far, BOX)
    (tmp_path / "bad.tif").write_text("no raster")
    with pytest.raises(InputError, match=r"bad.tif: not a readable raster"):
        rasters.read(tmp_path / "bad.tif")
    monkeypatch.setattr(rasters, "MOST_CELLS", 3)
    with pytest.raises(InputError, match=r"do not fit into memory; make 'box' smaller, or average the raster"):
        rasters.read(two.parent / "far.tif")


def test_incomplete_soilgrids_are_refused(tmp_path):
    soilgrids(tmp_path, DEPTHS[:4])
    with pytest.raises(
        InputError, match=r"'sand': depths do not fill 0-100 cm once \(0-5 cm, 5-15 cm, 15-30 cm, 30-60 cm\)"
    ):
        soil_texture.read(tmp_path, CELLS, box=BOX)
    transform, latitude, _ = homolosine()
    for name in ("sand", "silt", "clay"):
        values = np.full(latitude.shape, 200, "i2")
        save(tmp_path / name / f"{name}_60-100cm_mean.tif", values, HOMOLOSINE, transform, -32768)
    with pytest.raises(InputError, match=r"sand \+ silt \+ clay is .*, expected 1000 \(g kg-1, as published\) or 100"):
        soil_texture.read(tmp_path, CELLS, box=BOX)
    save(tmp_path / "sand" / "sand_0-5cm_Q0.5.tif", np.ones(latitude.shape, "i2"), HOMOLOSINE, transform, -32768)
    with pytest.raises(InputError, match=r"is of the same property and depth; keep one"):
        soil_texture.read(tmp_path, CELLS, box=BOX)
    other = tmp_path / "carbon"
    for top, bottom in DEPTHS:
        save(
            other / f"ocd_{top}-{bottom}cm_mean.tif", np.full(latitude.shape, 40, "f4"), HOMOLOSINE, transform, -9999.0
        )
    with pytest.raises(InputError, match=r"holds float32, expected the integers that SoilGrids publishes"):
        soil_carbon.read_folder(other, CELLS, BOX)
