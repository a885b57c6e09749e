"""Fixed fields on the cells of a run: texture, elevation, masks, vegetation, soil carbon, regridding."""

import netCDF4
import numpy as np
import pytest
from isimip_files import LATITUDE, LONGITUDE, VEGETATION, write_map, write_ncscd

from jtem.errors import InputError
from jtem.readers import fields, regrid, soil_carbon, soil_texture, surface, vegetation

LAT, LON = (grid.ravel() for grid in np.meshgrid(LATITUDE[::-1], LONGITUDE, indexing="ij"))
TARGETS = regrid.Targets(LAT, LON, 0.5)
FINE_LATITUDE, FINE_LONGITUDE = 68.05 + 0.1 * np.arange(15), -150.45 + 0.1 * np.arange(20)
FLAGS = {"flag_values": np.array([1, 2], "i4"), "flag_meanings": "boreal_forest wet_moist_tundra"}


# --- fields and regridding -------------------------------------------------------------------------------------------


def test_a_field_is_read_by_coordinate_and_box(tmp_path):
    values = np.arange(12.0).reshape(3, 4)
    down = fields.need(write_map(tmp_path / "a.nc", {"z": (values, "m", {})}), ("z",))
    up = fields.need(
        write_map(tmp_path / "b.nc", {"z": (values[::-1], "m", {})}, LATITUDE[::-1], LONGITUDE + 360), ("z",)
    )
    np.testing.assert_array_equal(down.values, values[::-1])
    np.testing.assert_array_equal(up.values, down.values)
    np.testing.assert_allclose(up.longitude, LONGITUDE)
    part = fields.need(tmp_path / "a.nc", ("z",), (68.6, 69.4, -150.0, -149.0))
    np.testing.assert_array_equal(part.values, values[1::-1, 1:3])
    assert fields.need(tmp_path / "a.nc").name == "z"  # the only map
    assert fields.read(tmp_path / "a.nc", ("x",), optional=True) is None


@pytest.mark.parametrize(
    ("names", "more", "match"),
    [
        (("x",), {}, r"variable 'x' is missing; name it in \[prepare.names\]"),
        ((), {"second": (1.0, "", {})}, r"several variables \(z, second\)"),
        (("z",), {"z": (1e20, "m", {})}, r"1e\+20 looks like a fill value that the file does not declare"),
    ],
)
def test_fields_that_are_refused(tmp_path, names, more, match):
    path = write_map(tmp_path / "a.nc", {"z": (1.0, "m", {})} | more)
    with pytest.raises(InputError, match=match):
        fields.need(path, names)


def test_places_that_are_refused(tmp_path):
    path = write_map(tmp_path / "a.nc", {"z": (1.0, "m", {})})
    with pytest.raises(InputError, match=r"no cell between 10..20 N and 0..5 E \(the file has 68.25..69.25 N"):
        fields.need(path, ("z",), (10.0, 20.0, 0.0, 5.0))
    swapped = write_map(tmp_path / "b.nc", {"z": (1.0, "m", {})}, LONGITUDE, LATITUDE)
    with pytest.raises(InputError, match=r"expected -90..90; latitude and longitude are swapped"):
        fields.need(swapped, ("z",))
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"a.nc: not a readable netCDF file"):
        fields.need(path)
    with pytest.raises(InputError, match=r"c.nc: file not found"):
        fields.need(tmp_path / "c.nc")


def test_packed_values_and_fill(tmp_path):
    packed = np.array([[0, 10, -1, 20]] * 3, dtype=np.int16)
    path = write_map(tmp_path / "a.nc", {"z": (packed, "m", {"_FillValue": np.int16(-1)})})
    with netCDF4.Dataset(str(path), "a") as data:
        data["z"].scale_factor, data["z"].add_offset = 0.5, 100.0
    np.testing.assert_array_equal(fields.need(path).values[0], [100.0, 105.0, np.nan, 110.0])


def test_finer_sources_are_averaged_and_coarser_ones_shared(tmp_path):
    values = np.repeat(np.repeat(np.arange(12.0).reshape(3, 4), 5, axis=0), 5, axis=1)
    fine = fields.need(write_map(tmp_path / "a.nc", {"z": (values, "m", {})}, FINE_LATITUDE, FINE_LONGITUDE))
    np.testing.assert_allclose(regrid.mean(fine, TARGETS), np.arange(12.0))
    half = fields.Map(np.where(values < 6, np.nan, values), fine.latitude, fine.longitude, fine.step, "m", "z", "x")
    assert np.isnan(regrid.mean(half, TARGETS)[:6]).all()
    coarse = fields.Map(np.arange(12.0).reshape(3, 4), LATITUDE[::-1], LONGITUDE, 0.5, "m", "z", "x")
    small = regrid.regular((68.0, 69.5, -150.5, -148.5), 0.1)
    assert small.latitude.size == 15 * 20
    np.testing.assert_array_equal(regrid.mean(coarse, small).reshape(15, 20), values)
    np.testing.assert_array_equal(regrid.shares(fine, TARGETS, 3.0), np.eye(12)[3])
    outside = regrid.Targets(np.array([60.25]), np.array([10.25]), 0.5)
    assert np.isnan(regrid.mean(coarse, outside)[0])


def test_cells_are_cut_and_areas_kept():
    fine, parent = regrid.subdivide(TARGETS, 5)
    assert fine.latitude.size == 300 and fine.step == pytest.approx(0.1)
    np.testing.assert_allclose(np.bincount(parent, weights=fine.area), TARGETS.area, rtol=1e-12)
    row, column, inside = regrid.holds(fields.Map(np.zeros((3, 4)), LATITUDE[::-1], LONGITUDE, 0.5, "", "z", "x"), fine)
    np.testing.assert_array_equal(row * 4 + column, parent)
    assert inside.all()
    whole = regrid.regular(fields.WHOLE_EARTH, 2.0)
    assert whole.area.sum() == pytest.approx(4 * np.pi * 6371.0**2, rel=1e-9)


def test_lapse_rate():
    offset = regrid.temperature_offset(np.array([1500.0, 300.0]), np.array([500.0, 500.0]), 6.5)
    np.testing.assert_allclose(offset, [-6.5, 1.3])


def test_gaps_are_filled_from_near_places_only():
    values = np.arange(12.0)
    values[0] = np.nan
    filled, which = regrid.fill_nearest(values, TARGETS, 100.0, "x")
    assert filled[0] == 1.0 and which.tolist() == [True] + [False] * 11  # 0.5 degrees of longitude are nearer
    with pytest.raises(InputError, match=r"x: nothing within 5 km of \(68.25, -150.25\) \(1 cells in all\)"):
        regrid.fill_nearest(values, TARGETS, 5.0, "x")


# --- texture, elevation, masks ---------------------------------------------------------------------------------------


def test_texture_with_silt_by_difference(tmp_path):
    sand = np.full((3, 4), 60, dtype=np.int16)
    sand[1, 1] = -9999  # not soil
    path = write_map(tmp_path / "hwsd.nc", {"T_SAND": (sand, "% wt.", {}), "T_CLAY": (10.0, "% wt.", {})})
    parts, filled = soil_texture.read(path, TARGETS)
    np.testing.assert_allclose(parts, np.broadcast_to([60.0, 30.0, 10.0], (12, 3)))
    assert filled.sum() == 1 and filled[5]
    path = write_map(tmp_path / "f.nc", {"sand": (0.6, "1", {}), "clay": (0.1, "1", {}), "silt": (0.29, "1", {})})
    parts, _ = soil_texture.read(path, TARGETS)
    np.testing.assert_allclose(parts.sum(axis=1), 100.0)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (
            {"T_SAND": (60.0, "percent", {}), "T_CLAY": (60.0, "percent", {})},
            r"sand 60, silt -20, clay 60 percent in 12 cells",
        ),
        ({"T_SAND": (60.0, "", {}), "T_CLAY": (10.0, "percent", {})}, r"'T_SAND' is in '', expected 'percent' or '1'"),
        ({"T_SAND": (60.0, "percent", {})}, r"variable 'T_CLAY' is missing"),
        ({"T_SAND": (60.0, "1", {}), "T_CLAY": (10.0, "1", {})}, r"'T_SAND' reaches 6000 percent"),
        (
            {"sand": (60.0, "percent", {}), "silt": (10.0, "percent", {}), "clay": (10.0, "percent", {})},
            r"expected a sum of 100",
        ),
    ],
)
def test_texture_that_is_refused(tmp_path, content, match):
    with pytest.raises(InputError, match=match):
        soil_texture.read(write_map(tmp_path / "hwsd.nc", content), TARGETS)


HWSD2 = """HWSD2_SMU_ID,SEQUENCE,SHARE,LAYER,TOPDEP,BOTDEP,SAND,SILT,CLAY
7,1,60,D1,0,20,80,10,10
7,1,60,D2,20,40,40,40,20
7,2,40,D1,0,40,20,50,30
7,3,10,D1,0,20,-9,-9,-9
8,1,100,D7,150,200,10,10,80
8,1,100,D1,0,20,50,25,25
"""


def test_hwsd2_units_weigh_by_share_and_thickness(tmp_path):
    table = tmp_path / "HWSD2_LAYERS.csv"
    table.write_text(HWSD2)
    found = soil_texture.read_hwsd2_layers(table)
    sand = (60 * 20 * 80 + 60 * 20 * 40 + 40 * 40 * 20) / (60 * 40 + 40 * 40)
    assert found[7][0] == pytest.approx(sand) and sum(found[7]) == pytest.approx(100)
    assert found[8] == pytest.approx((50, 25, 25))  # the layer below a metre does not count
    units = np.full((15, 20), 7, dtype=np.int32)
    units[:, ::2] = 8
    raster = write_map(tmp_path / "smu.nc", {"HWSD2_SMU_ID": (units, "", {})}, FINE_LATITUDE, FINE_LONGITUDE)
    parts, filled = soil_texture.read_hwsd2(raster, table, TARGETS)
    assert not filled.any()
    assert parts[:, 0].mean() == pytest.approx((sand + 50) / 2, abs=0.1)  # textures are averaged, ids never
    table.write_text(HWSD2.replace("50,25,25", "50,25,5"))
    with pytest.raises(InputError, match=r"line 7 \(unit 8\): sand \+ silt \+ clay is 80, expected 100"):
        soil_texture.read_hwsd2_layers(table)
    table.write_text(HWSD2.replace("SHARE", "PART"))
    with pytest.raises(InputError, match=r"column 'SHARE' is missing"):
        soil_texture.read_hwsd2_layers(table)
    table.write_text(HWSD2.replace("7,", "9,"))
    units[:] = 1
    raster = write_map(tmp_path / "other.nc", {"HWSD2_SMU_ID": (units, "", {})}, FINE_LATITUDE, FINE_LONGITUDE)
    with pytest.raises(InputError, match=r"none of its units is in"):
        soil_texture.read_hwsd2(raster, table, TARGETS)


def test_elevation_and_masks(tmp_path):
    path = write_map(tmp_path / "z.nc", {"orog": (250.0, "m", {}), "bad": (250.0, "km", {}), "high": (9e4, "m", {})})
    assert surface.elevation(path, TARGETS).tolist() == [250.0] * 12
    with pytest.raises(InputError, match=r"'bad' is in 'km', expected 'm'"):
        surface.elevation(path, TARGETS, "bad")
    with pytest.raises(InputError, match=r"expected -500..9000"):
        surface.elevation(path, TARGETS, "high")
    mask = np.ones((3, 4))
    mask[0, 0] = np.nan
    path = write_map(tmp_path / "m.nc", {"mask": (mask, "", {}), "sftlf": (50.0, "%", {}), "codes": (7.0, "", {})})
    assert surface.land_fraction(path, TARGETS).tolist() == [1.0] * 8 + [0.0] + [1.0] * 3
    assert surface.land_fraction(path, TARGETS, "sftlf").tolist() == [0.5] * 12
    with pytest.raises(InputError, match=r"'codes' runs 7..7 \(no units\), expected 0 for sea"):
        surface.land_fraction(path, TARGETS, "codes")
    path = write_map(tmp_path / "p.nc", {"permafrost": (VEGETATION, "", {}), "extent": (0.6, "1", {})})
    here = surface.permafrost(path, TARGETS, (2, 3))
    assert here.sum() == 5
    assert surface.permafrost(path, TARGETS, (), "extent").all()
    with pytest.raises(InputError, match=r"'permafrost' runs 0..6: classes\? say which ones"):
        surface.permafrost(path, TARGETS)
    with pytest.raises(InputError, match=r"has none of the codes \[9\]"):
        surface.permafrost(path, TARGETS, (9,))


# --- vegetation ------------------------------------------------------------------------------------------------------


def test_tem_numbers_become_mosaics(tmp_path):
    path = write_map(tmp_path / "v.nc", {"vegetation": (VEGETATION, "", {})})
    shares = vegetation.community_shares(path, TARGETS)
    community, fraction, vegetated = vegetation.as_columns(shares)
    assert vegetated.tolist() == [1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]
    mixed = 6  # the boreal woodland
    assert set(community[mixed]) == {"boreal_forest", "wet_moist_tundra"} and fraction[mixed].tolist() == [0.5, 0.5]
    assert community[1].tolist() == ["", ""] and fraction[0].tolist() == [1.0, 0.0]


def test_a_finer_map_gives_shares(tmp_path):
    values = np.full((15, 20), 4, dtype=np.int32)
    values[:, 0:5:5] = 3  # a fifth of the first column of cells
    values[0, 19] = 2  # a twenty-fifth of one cell
    path = write_map(tmp_path / "v.nc", {"veg": (values, "", {})}, FINE_LATITUDE, FINE_LONGITUDE)
    community, fraction, _ = vegetation.as_columns(vegetation.community_shares(path, TARGETS))
    assert community[0].tolist()[:2] == ["boreal_forest", "wet_moist_tundra"]
    np.testing.assert_allclose(fraction[0, :2], [0.8, 0.2], atol=1e-6)
    assert community[3, 1] == "alpine_tundra_polar_desert" and fraction[3, 1] == pytest.approx(0.04, abs=1e-3)


def test_maps_of_communities(tmp_path):
    path = write_map(tmp_path / "v.nc", {"community": (np.full((3, 4), 2, "i4"), "", FLAGS)})
    assert list(vegetation.community_shares(path, TARGETS)) == ["wet_moist_tundra"]
    path = write_map(tmp_path / "f.nc", {"boreal_forest": (0.25, "1", {}), "grassland": (50.0, "%", {})})
    shares = vegetation.fraction_maps(path, TARGETS, ("boreal_forest", "grassland", "alpine_meadow"))
    _, fraction, vegetated = vegetation.as_columns(shares)
    np.testing.assert_allclose(fraction[0], [2 / 3, 1 / 3])
    np.testing.assert_allclose(vegetated, 0.75)
    with pytest.raises(InputError, match="no variable is called like a community"):
        vegetation.fraction_maps(path, TARGETS, ("alpine_meadow",))


def test_biome4_classes(tmp_path):
    classes = np.array([[8, 17, 22, 24], [28, 21, 19, 4], [22, 22, 22, 22]], dtype=np.int32)[::-1]
    latitude = np.array([33.25, 33.75, 34.25])
    path = write_map(tmp_path / "b.nc", {"biome4": (classes[::-1], "", {})}, latitude, LONGITUDE + 240)
    lat, lon = (grid.ravel() for grid in np.meshgrid(latitude, LONGITUDE + 240, indexing="ij"))
    targets = regrid.Targets(lat, lon, 0.5)
    shares = vegetation.community_shares(path, targets)
    assert shares["boreal_forest"][:2].tolist() == [1.0, 0.5] and shares["alpine_tundra_polar_desert"][3] == 1.0
    rain = np.full(12, 500.0)
    rain[8:] = [100.0, 300.0, 400.0, 900.0]
    plateau = vegetation.with_plateau(shares, lat, lon, rain)
    assert plateau["alpine_desert"][8] == 1 and plateau["alpine_steppe"][9] == 1
    assert plateau["alpine_meadow"][[2, 10, 11]].tolist() == [1, 1, 1]
    assert plateau["wet_moist_tundra"].tolist()[2] == 0
    assert sum(share[4] + share[5] for share in plateau.values()) == 0  # ice and desert: not simulated


@pytest.mark.parametrize(
    ("values", "kind", "attributes", "match"),
    [
        (36, "", {}, r"unknown vegetation type 36 in 'vegetation', expected 1..35"),
        (2, "temm", {}, r"vegetation_kind 'temm' is unknown; did you mean 'tem'\?"),
        (3, "communities", {}, r"has no flag_values and flag_meanings"),
        (3, "", FLAGS, r"unknown vegetation type 3 .* expected 1..2"),
        (1, "", {}, r"'vegetation' has no vegetation in the run's cells"),
    ],
)
def test_vegetation_that_is_refused(tmp_path, values, kind, attributes, match):
    path = write_map(tmp_path / "v.nc", {"vegetation": (np.full((3, 4), values, "i4"), "", attributes)})
    with pytest.raises(InputError, match=match):
        vegetation.community_shares(path, TARGETS, kind)


# --- soil carbon -----------------------------------------------------------------------------------------------------


def test_ncscd_grids(tmp_path):
    thirty = np.full((3, 4), 120, dtype=np.int16)
    thirty[0, 0], thirty[0, 1] = -32768, 0
    write_ncscd(tmp_path / "n", (thirty, 300, 150, 100))
    stocks = soil_carbon.read_ncscd(tmp_path / "n", TARGETS)
    np.testing.assert_allclose(stocks[0], [12.0, 18.0, 15.0, 10.0])
    assert np.isnan(stocks[8:10]).all() and np.isfinite(stocks[10:]).all()


@pytest.mark.parametrize(
    ("stocks", "match"),
    [
        ((300, 120, 150, 100), r"less carbon in 0-100 cm than in 0-30 cm at 12 of 12 cells.*exchanged\?"),
        ((120, 300, -9999, 100), r"'NCSCDv2' runs -9999..-9999 hg C m-2, expected 0..5000"),
        ((12000, 30000, 150, 100), r"runs 30000..30000 hg C m-2, expected 0..5000"),
    ],
)
def test_ncscd_that_is_refused(tmp_path, stocks, match):
    write_ncscd(tmp_path / "n", stocks)
    with pytest.raises(InputError, match=match):
        soil_carbon.read_ncscd(tmp_path / "n", TARGETS)


def test_ncscd_files_that_are_absent_or_relabelled(tmp_path):
    folder = write_ncscd(tmp_path / "n", (120, 300, 150, 100))
    (folder / "NCSCDv2_Circumpolar_WGS84_SOCC300_05deg.nc").rename(folder / "x.txt")
    with pytest.raises(InputError, match=r"the NCSCDv2 file SOCC300 is missing"):
        soil_carbon.read_ncscd(folder, TARGETS)
    write_ncscd(tmp_path / "n", (120, 300, 150, 100))
    with netCDF4.Dataset(str(folder / "NCSCDv2_Circumpolar_WGS84_SOCC100_05deg.nc"), "a") as data:
        data["NCSCDv2"].units = "kg m-2"
    with pytest.raises(InputError, match=r"'NCSCDv2' is in 'kgm-2', expected 'hg C m-2' as published"):
        soil_carbon.read_ncscd(folder, TARGETS)
    with pytest.raises(InputError, match=r"folder of NCSCDv2 files not found"):
        soil_carbon.read_ncscd(tmp_path / "none", TARGETS)


PEDONS = """pedon,lat,lon,soc_0_30,soc_0_100,soc_100_200,soc_200_300
1,68.30,-150.30,10,30,20,15
2,68.20,-150.20,20,50,30,
3,10.0,10.0,20,50,30,1
"""


def test_pedons(tmp_path):
    path = tmp_path / "pedons.csv"
    path.write_text(PEDONS)
    stocks = soil_carbon.pedon_means(soil_carbon.read_pedons(path), TARGETS)
    np.testing.assert_allclose(stocks[0], [15.0, 25.0, 25.0, 15.0])
    assert np.isnan(stocks[1:]).all()
    for wrong, match in (
        (("10,30", "40,30"), r"line 2: stocks 40, 30, 20, 15 kg m-2 do not give four intervals"),
        (
            ("68.30,-150.30", "-150.30,68.30"),
            r"line 2: place \(-150.3, 68.3\) is impossible; are lat and lon swapped\?",
        ),
        (("10,30", "ten,30"), r"line 2: 'soc_0_30': 'ten' is not a number"),
        (("soc_0_30", "soc30"), r"column 'soc_0_30' is missing"),
    ):
        path.write_text(PEDONS.replace(*wrong, 1))
        with pytest.raises(InputError, match=match):
            soil_carbon.read_pedons(path)


def test_nitrogen_of_profiles_is_read_beside_carbon(tmp_path):
    path = tmp_path / "profiles.csv"
    path.write_text(
        "site,latitude,longitude,top_m,bottom_m,carbon_kg_m2,nitrogen_kg_m2\n"
        "a,68.30,-150.30,0,0.3,9,0.6\na,68.30,-150.30,0.3,1,14,\na,68.30,-150.30,1,2,12,1.0\n"
        "b,68.20,-150.20,0,0.3,11,0.8\n"
    )
    pedons = soil_carbon.read_pedons(path)
    nitrogen = soil_carbon.pedon_means(pedons, TARGETS, "nitrogen")
    np.testing.assert_allclose(nitrogen[0], [0.7, np.nan, 1.0, np.nan])
    np.testing.assert_allclose(soil_carbon.pedon_means(pedons, TARGETS)[0], [10.0, 14.0, 12.0, np.nan])


def test_the_rest_is_filled_by_type():
    observed = np.full((14, 4), np.nan)
    observed[:12] = [10.0, 20.0, 15.0, 12.0]
    observed[5, 3] = np.nan
    community = np.array([["boreal_forest", ""]] * 13 + [["boreal_forest", "wet_moist_tundra"]], dtype=object)
    fraction = np.array([[1.0, 0.0]] * 13 + [[0.5, 0.5]])
    stocks, seen, origin = soil_carbon.complete(observed, community, fraction, np.ones(14))
    np.testing.assert_allclose(stocks[12], [10.0, 20.0, 15.0, 12.0])
    np.testing.assert_allclose(stocks[5], [10.0, 20.0, 15.0, 12.0])
    assert seen.sum() == 11 and "mean of 12 cells" in origin["boreal_forest"]
    assert origin["wet_moist_tundra"] == "embedded rule"
    rule = soil_carbon.embedded.soil_organic_carbon(np.array([["wet_moist_tundra"]], dtype=object), np.ones((1, 1)))[0]
    np.testing.assert_allclose(stocks[13], 0.5 * np.array([10.0, 20.0, 15.0, 12.0]) + 0.5 * rule)


def test_the_real_pedons_and_densities(shared_data):
    pedons = soil_carbon.read_pedons(shared_data / "soil_carbon/ncscd_pedons.csv")
    assert pedons.latitude.size == 374
    # the data page prints means of 16, 47 (0-1 m), 32 and 23, rounded
    np.testing.assert_allclose(np.nanmean(pedons.stocks, axis=0), [16, 31, 32, 23], rtol=0.1)
    known = soil_carbon.from_densities(
        shared_data / "soil_carbon/cn_density_by_vegetation.csv", ["boreal_forest", "wet_moist_tundra", "grassland"]
    )
    assert sorted(known) == ["boreal_forest", "wet_moist_tundra"]
    assert known["wet_moist_tundra"][:2].sum() == pytest.approx(25.3, abs=1.0)
    assert np.isnan(pedons.nitrogen).all()
    densities = shared_data / "soil_carbon/cn_density_by_vegetation.csv"
    names = sorted(soil_carbon.DENSITY_TYPES)
    carbon, nitrogen = (soil_carbon.from_densities(densities, names, element) for element in ("carbon", "nitrogen"))
    stocks = np.stack([carbon[name] for name in names])
    rule = soil_carbon.embedded.soil_nitrogen(np.array(names), stocks)  # the shipped ratios are those of this table
    np.testing.assert_allclose(rule, [nitrogen[name] for name in names], rtol=0.01)
