"""Files of fixed fields, maps and CO2 tables as people have them: read right, or refused in one sentence."""

from typing import Any

import netCDF4
import numpy as np
import pytest
from isimip_files import write_map
from layout_files import EAST, GRID, LATITUDE, LONGITUDE, NORTH, axes, write

from jtem.errors import InputError, InputNote
from jtem.readers import cf, co2, fields, regrid, soil_texture, static_fields, surface, to_model, vegetation

SHAPE = (3, 4)
BAND = {66.25: 1244.92, 66.75: 1220.15, 67.25: 1195.35}  # km2 of half-degree cells


def fixed(latitude: Any = LATITUDE, longitude: Any = LONGITUDE, dims=GRID, shape=SHAPE, **changed: Any) -> dict:
    """A plain file of fixed fields with some variables put in place."""
    values = {
        "elevation": (300.0, "m"),
        "sand": (40.0, "percent"),
        "silt": (40.0, "percent"),
        "clay": (20.0, "percent"),
    }
    result = {name: (dims, np.full(shape, value), {"units": unit}) for name, (value, unit) in values.items()}
    result["vegetation"] = (dims, np.full(shape, 4, "i4"), {})
    return (axes(latitude, longitude, dims) if len(dims) == 2 else {}) | result | changed


def cells(folder, content, **options):
    return static_fields.read_cells(write(folder / "static.nc", content), **options)


# --- elevation, texture, vegetation, carbon --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (300.0, "m", {}), (300.0, "", {}), (300.0, "metres", {}), (0.3, "km", {}), (300 / 0.3048, "feet", {}),
        (300 / 0.3048, "ft", {}), (30.0, "dam", {}), (30000.0, "cm", {}), (300.0, "m a.s.l.", {}), (300.0, "gpm", {}),
        (300 * 9.80665, "m2 s-2", {"standard_name": "surface_geopotential"}), (300 * 9.80665, "m**2 s**-2", {}),
    ],
)  # fmt: skip
def test_elevation_in_any_length(tmp_path, value, unit, said):
    found = cells(tmp_path, fixed(elevation=(GRID, np.full(SHAPE, value), {"units": unit} | said)))
    np.testing.assert_allclose(found["elevation"].values, 300.0, rtol=1e-6)
    if unit:
        path = write_map(tmp_path / "map.nc", {"z": (value, unit, {})})
        target = regrid.Targets(np.array([68.75]), np.array([-149.75]), 0.5)
        np.testing.assert_allclose(surface.elevation(path, target), 300.0, rtol=1e-6)


def test_elevation_in_another_unit_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"static.nc: 'elevation' is in 'hPa', expected 'm'"):
        cells(tmp_path, fixed(elevation=(GRID, np.full(SHAPE, 900.0), {"units": "hPa"})))


@pytest.mark.parametrize(
    ("unit", "factor"), [("percent", 1.0), ("%", 1.0), ("1", 0.01), ("kg kg-1", 0.01), ("g kg-1", 10.0)]
)
def test_texture_in_any_share(tmp_path, unit, factor):
    parts = {
        n: (GRID, np.full(SHAPE, v * factor), {"units": unit})
        for n, v in (("sand", 40.0), ("silt", 40.0), ("clay", 20.0))
    }
    found = cells(tmp_path, fixed(**parts))
    assert found["sand"].values[0] == pytest.approx(40.0) and found["clay"].values[0] == pytest.approx(20.0)


def test_fractions_called_percent_are_refused(tmp_path):
    parts = {n: (GRID, np.full(SHAPE, v), {"units": "%"}) for n, v in (("sand", 0.4), ("silt", 0.4), ("clay", 0.2))}
    with pytest.raises(InputError, match=r"fractions given as percent\? multiply by 100"):
        to_model.check_cells(cells(tmp_path, fixed(**parts)), ("boreal_forest",), "static.nc")
    path = write_map(tmp_path / "t.nc", {"T_SAND": (0.4, "%", {}), "T_CLAY": (0.2, "%", {})})
    target = regrid.Targets(np.array([68.75]), np.array([-149.75]), 0.5)
    with pytest.raises(
        InputError, match=r"'T_SAND' and 'T_CLAY' are nowhere above 0.4 percent: fractions under units '%'\?"
    ):
        soil_texture.read(path, target)


@pytest.mark.parametrize(
    "said",
    [
        {"flag_values": np.array([1, 2], "i1"), "flag_meanings": "boreal_forest wet_moist_tundra"},
        {"flag_values": "1b, 2b", "flag_meanings": "boreal_forest wet_moist_tundra"},
        {"flag_values": "1 2", "flag_meanings": "boreal_forest, wet_moist_tundra"},
        {"flag_values": "1, 2", "flag_meanings": "boreal_forest wet_moist_tundra"},
    ],
)
def test_flags_as_numbers_or_text(tmp_path, said):
    codes = np.ones(SHAPE, "i1")
    codes[0] = 2
    found = cells(tmp_path, fixed(vegetation=(GRID, codes, said)))
    assert found["community"].values[:, 0].tolist() == ["wet_moist_tundra"] * 4 + ["boreal_forest"] * 8


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (
            {"flag_values": "one, two", "flag_meanings": "a b"},
            "flag_values of 'vegetation' are 'one, two', expected whole numbers",
        ),
        ({"flag_values": "1, 2, 3", "flag_meanings": "a b"}, "'vegetation' has 3 flag_values and 2 flag_meanings"),
        (
            {"flag_values": np.array([5], "i1"), "flag_meanings": "boreal_forest"},
            "unknown vegetation type 1 in 'vegetation'",
        ),
    ],
)
def test_flags_that_are_refused(tmp_path, said, says):
    with pytest.raises(InputError, match=says):
        cells(tmp_path, fixed(vegetation=(GRID, np.ones(SHAPE, "i1"), said)))


def test_nearly_whole_numbers_of_vegetation(tmp_path):
    found = cells(tmp_path, fixed(vegetation=(GRID, np.full(SHAPE, 3.9999995, "f4"), {})))
    assert set(found["community"].values[:, 0]) == {"boreal_forest"}
    with pytest.raises(InputError, match=r"unknown vegetation type 3.5 \(not a whole number: averaged classes\?\)"):
        cells(tmp_path, fixed(vegetation=(GRID, np.full(SHAPE, 3.5, "f4"), {})))


def test_unsigned_bytes_in_the_old_form(tmp_path):
    said = {"_Unsigned": "true", "flag_values": np.array([130], "u1"), "flag_meanings": "boreal_forest"}
    codes = np.full(SHAPE, 130 - 256, "i1")
    found = cells(tmp_path, fixed(vegetation=(GRID, codes, said)))
    assert set(found["community"].values[:, 0]) == {"boreal_forest"}
    old = said | {"flag_values": np.array([130 - 256], "i1"), "valid_range": np.array([1, -100], "i1")}
    codes[0, 0] = 200 - 256  # outside the valid range: missing, not an unknown class
    path = write(tmp_path / "map.nc", axes() | {"vegetation": (GRID, codes, old)})
    target = regrid.of_field(fields.need(path, ("vegetation",)))
    shares = vegetation.community_shares(path, target)
    assert shares["boreal_forest"].tolist() == [0.0] + [1.0] * 11


@pytest.mark.parametrize(("unit", "factor"), [("1", 1.0), ("percent", 100.0)])
def test_a_map_of_wetland(tmp_path, unit, factor):
    wet = np.full(SHAPE, 0.25 * factor)
    wet[0, 0] = np.nan
    found = cells(tmp_path, fixed(inundated_fraction=(GRID, wet, {"units": unit})))
    values = found["inundated_fraction"].values
    assert np.isnan(values[0]) and (values[1:] == 0.25).all()
    with pytest.raises(InputError, match=r"'inundated_fraction' is .* not a share from 0 to 1"):
        cells(tmp_path, fixed(inundated_fraction=(GRID, 8.0 * wet, {"units": unit})))
    assert "inundated_fraction" not in cells(tmp_path, fixed())


def test_soil_carbon_observed_in_part_stays(tmp_path):
    stocks = np.broadcast_to(np.array([10.0, 20.0, np.nan, np.nan]), (*SHAPE, 4)).copy()
    stocks[0, 0] = np.nan
    found = cells(tmp_path, fixed(soil_organic_carbon=((*GRID, "interval"), stocks, {"units": "kg m-2"})))
    given = {}

    def layers(profile, curve):
        given["kg"] = profile / 1000.0
        return np.zeros((profile.shape[0], 5))

    with pytest.warns(InputNote, match="soil carbon observed in part of the intervals of 11 cells"):
        to_model.model_cells(
            found,
            ("boreal_forest",),
            top_of_atmosphere=lambda lat: np.ones((lat.size, 12)),
            carbon_layers=layers,
            where="static.nc",
        )
    assert given["kg"][1, :2].tolist() == [10.0, 20.0] and np.all(given["kg"][1, 2:] > 0)
    np.testing.assert_array_equal(given["kg"][1, 2:], given["kg"][0, 2:])  # the mean of the vegetation
    with pytest.raises(InputError, match=r"'soil_organic_carbon' must have four intervals"):
        cells(tmp_path, fixed(soil_organic_carbon=(("depth", *GRID), np.ones((3, *SHAPE)), {"units": "kg m-2"})))
    first = cells(
        tmp_path, fixed(soil_organic_carbon=(("depth", *GRID), np.moveaxis(stocks, -1, 0), {"units": "kgC/m2"}))
    )
    np.testing.assert_array_equal(first["soil_organic_carbon"].values, found["soil_organic_carbon"].values)


# --- dimensions and values -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["elevation", "sand", "vegetation"])
@pytest.mark.parametrize("extra", ["time", "band", "depth"])
def test_a_dimension_of_one_is_dropped_and_a_longer_one_refused(tmp_path, name, extra):
    dims, values, said = fixed()[name]
    found = cells(tmp_path, fixed(**{name: ((extra, *dims), values[None], said)}))
    assert found.sizes["cell"] == 12 and found["elevation"].values[0] == 300.0
    with pytest.raises(InputError, match=rf"static.nc: {name}: dimension '{extra}' has 2 entries.*select one"):
        cells(tmp_path, fixed(**{name: ((extra, *dims), np.stack([values] * 2), said)}))


@pytest.mark.parametrize("fill", [np.float64(-99.9), np.float64(1e20), np.float64(-9999.9), "-9999"])
def test_a_fill_value_of_another_type_counts_as_missing(tmp_path, fill):
    height = np.full(SHAPE, 300.0, "f4")
    height[1, 2] = np.float32(fill)
    found = cells(tmp_path, fixed(elevation=(GRID, height, {"units": "m", "missing_value": fill})))
    assert np.isnan(found["elevation"].values[6]) and np.isfinite(found["elevation"].values).sum() == 11
    with pytest.raises(InputError, match=r"'elevation' is missing \(NaN\) in cell 6"):
        to_model.check_cells(found, ("boreal_forest",), "static.nc")


def test_one_place_as_scalars(tmp_path):
    place = {"lat": ((), 66.25, NORTH), "lon": ((), -150.25, EAST)}
    found = cells(tmp_path, fixed(dims=(), shape=()) | place)
    assert found.sizes["cell"] == 1 and (found["latitude"].values[0], found["longitude"].values[0]) == (66.25, -150.25)


def test_a_cell_with_vegetation_needs_a_place(tmp_path):
    lat, lon = np.meshgrid(LATITUDE, LONGITUDE, indexing="ij")
    lat[0, 0] = np.nan
    place = {"lat": (("y", "x"), lat, NORTH), "lon": (("y", "x"), lon, EAST)}
    content = {n: (("y", "x"), v, s) for n, (_, v, s) in fixed().items() if n not in GRID}
    with pytest.raises(InputError, match="1 cells with vegetation have no latitude or longitude"):
        cells(tmp_path, content | place)
    codes = np.full(SHAPE, 4, "i4")
    codes[0, 0] = 0
    assert cells(tmp_path, content | place | {"vegetation": (("y", "x"), codes, {})}).sizes["cell"] == 11


# --- areas -----------------------------------------------------------------------------------------------------------

LAT2, LON2 = np.meshgrid(LATITUDE, LONGITUDE, indexing="ij")
PLACE2 = {"lat": (("y", "x"), LAT2, NORTH), "lon": (("y", "x"), LON2, EAST)}


def two_dimensional(**more):
    return {n: (("y", "x"), v, s) for n, (_, v, s) in fixed().items() if n not in GRID} | PLACE2 | more


def areas(folder, content):
    found = cells(folder, content)
    return found["latitude"].values, found["area"].values


@pytest.mark.parametrize(
    "longitude",
    [
        np.array([178.75, 179.25, 179.75, -179.75]),  # across the date line
        np.array([-149.25, -150.25, -148.75, -149.75]),  # in any order
        np.array([10.25, 10.75, 50.25, 50.75]),  # two regions
        np.array([359.25, 359.75, 0.25, 0.75]),  # across Greenwich
    ],
)
def test_areas_of_half_degree_cells(tmp_path, longitude):
    latitude, area = areas(tmp_path, fixed(longitude=longitude))
    np.testing.assert_allclose(area, [BAND[lat] for lat in latitude], rtol=1e-4)


def test_areas_of_one_row_and_of_a_globe(tmp_path):
    latitude, area = areas(tmp_path, fixed(np.array([66.75]), shape=(1, 4)))
    np.testing.assert_allclose(area, [BAND[lat] for lat in latitude], rtol=1e-4)
    latitude, longitude = np.arange(-88.0, 90, 4), np.arange(0.0, 360, 5)
    _, area = areas(tmp_path, fixed(latitude, longitude, shape=(45, 72)))
    assert area.sum() == pytest.approx(4 * np.pi * 6371.0**2, rel=1e-9)


def test_areas_of_a_curvilinear_grid(tmp_path):
    latitude, area = areas(tmp_path, two_dimensional())
    np.testing.assert_allclose(area, [BAND[lat] for lat in latitude], rtol=1e-3)
    across = {"lon": (("y", "x"), (LON2 - LONGITUDE[0] + 179.0 + 180.0) % 360.0 - 180.0, EAST)}
    latitude, area = areas(tmp_path, two_dimensional(**across))
    np.testing.assert_allclose(area, [BAND[lat] for lat in latitude], rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("areacella", {"units": "m2", "standard_name": "cell_area"}),
        ("dx_dy", {"units": "m2", "standard_name": "cell_area"}),
        ("area", {"units": "m^2"}),
        ("tarea", {"units": "m2"}),
    ],
)
def test_areas_of_the_file(tmp_path, name, said):
    _, area = areas(tmp_path, two_dimensional(**{name: (("y", "x"), np.full(SHAPE, 1.2e9), said)}))
    np.testing.assert_allclose(area, 1200.0)
    measured = two_dimensional(garea=(("y", "x"), np.full(SHAPE, 1200.0), {"units": "km2"}))
    measured["elevation"][2]["cell_measures"] = "area: garea"
    np.testing.assert_allclose(areas(tmp_path, measured)[1], 1200.0)
    with pytest.raises(InputError, match=rf"'{name}' is in 'K', expected 'm2' or 'km2'"):
        areas(tmp_path, two_dimensional(**{name: (("y", "x"), np.full(SHAPE, 1.2e9), said | {"units": "K"})}))


def test_areas_from_bounds(tmp_path):
    content = fixed()
    content["lat"] = (("lat",), LATITUDE, NORTH | {"bounds": "lat_bnds"})
    content["lon"] = (("lon",), LONGITUDE, EAST | {"bounds": "lon_bnds"})
    content["lat_bnds"] = (("lat", "nv"), LATITUDE[:, None] + [-0.25, 0.25], {})
    content["lon_bnds"] = (("lon", "nv"), LONGITUDE[:, None] + [-0.125, 0.125], {})
    latitude, area = areas(tmp_path, content)
    np.testing.assert_allclose(area, [0.5 * BAND[lat] for lat in latitude], rtol=1e-4)
    corners = {
        "lat": (("cell",), LAT2.ravel(), NORTH | {"bounds": "lat_v"}),
        "lon": (("cell",), LON2.ravel(), EAST | {"bounds": "lon_v"}),
        "lat_v": (("cell", "nv"), LAT2.reshape(-1, 1) + 0.25 * np.array([-1, -1, 1, 1]), {}),
        "lon_v": (("cell", "nv"), LON2.reshape(-1, 1) + 0.25 * np.array([-1, 1, 1, -1]), {}),
    }
    flat = {n: (("cell",), v.ravel(), s) for n, (_, v, s) in fixed().items() if n not in GRID}
    latitude, area = areas(tmp_path, flat | corners)
    np.testing.assert_allclose(area, [BAND[lat] for lat in latitude], rtol=1e-3)


def test_cells_without_any_area_are_told(tmp_path):
    flat = {n: (("cell",), v.ravel(), s) for n, (_, v, s) in fixed().items() if n not in GRID}
    place = {"lat": (("cell",), LAT2.ravel(), NORTH), "lon": (("cell",), LON2.ravel(), EAST)}
    with pytest.warns(InputNote, match="nothing tells the area of the cells; each counts as 1 km2"):
        assert set(areas(tmp_path, flat | place)[1]) == {1.0}


# --- matching of places ----------------------------------------------------------------------------------------------


def places(latitude, longitude, shape=None) -> cf.Places:
    dims = ("cell",) if shape is None else ("y", "x")
    return cf.Places(latitude, longitude, dims, shape or (latitude.size,), None, ("lat", "lon"))


def test_cells_of_a_hundred_metres_are_their_own(tmp_path):
    lat, lon = 68.6 + 0.0009 * np.arange(6), -149.6 + 0.0009 * np.arange(7)
    rng = np.random.default_rng(1)
    wanted = rng.permutation(42)[:30]
    lat2, lon2 = (grid.ravel() for grid in np.meshgrid(lat, lon, indexing="ij"))
    one = cf.match(places(lat2, lon2), lat2[wanted], lon2[wanted], "x")
    np.testing.assert_array_equal(one, wanted)
    grid = cf.Places(lat2, lon2, GRID, (6, 7), (lat, lon), GRID)
    np.testing.assert_array_equal(cf.match(grid, lat2[wanted], lon2[wanted] + 360.0, "x"), wanted)
    single = cf.match(
        places(lat2.astype("f4").astype(float), lon2.astype("f4").astype(float)), lat2[wanted], lon2[wanted], "x"
    )
    np.testing.assert_array_equal(single, wanted)  # coordinates of 32 bits
    for shift in (0.0004, 0.0009 * 0.5):
        with pytest.raises(InputError, match=r"x: (no cell|two cells)"):
            cf.match(places(lat2, lon2), lat2 + shift, lon2, "x")
        with pytest.raises(InputError, match="x: no cell"):
            cf.match(grid, lat2 + shift, lon2, "x")


def test_two_cells_at_one_place_are_refused():
    lat, lon = np.array([60.0, 60.0, 61.0]), np.array([10.0, 10.0, 11.0])
    with pytest.raises(InputError, match=r"two cells at or near \(60.0000, 10.0000\)"):
        cf.match(places(lat, lon), lat[:1], lon[:1], "x")
    assert cf.match(places(lat, lon), lat[2:], lon[2:], "x").tolist() == [2]


# --- maps ------------------------------------------------------------------------------------------------------------

TARGETS = regrid.Targets(LAT2.ravel(), LON2.ravel(), 0.5)


def test_a_map_of_cells_that_are_not_square(tmp_path):
    lat, lon = np.arange(65.0, 71.0, 0.9424), np.arange(-153.75, -146.0, 1.25)
    values = lat[:, None] + 0.01 * lon[None, :]
    path = write_map(tmp_path / "z.nc", {"z": (values, "m", {})}, lat, lon)
    found = surface.elevation(path, TARGETS)
    nearest = [
        lat[np.argmin(np.abs(lat - a))] + 0.01 * lon[np.argmin(np.abs(lon - b))]
        for a, b in zip(LAT2.ravel(), LON2.ravel(), strict=True)
    ]
    np.testing.assert_allclose(found, nearest)
    with pytest.raises(
        InputError, match=r"cells of 0.9424 by 1.25 degrees cannot be the cells of a run; set 'resolution'"
    ):
        regrid.of_field(fields.need(path, ("z",)))


def test_gaussian_latitudes_are_read(tmp_path):
    lat = np.rad2deg(np.arcsin(np.polynomial.legendre.leggauss(94)[0]))
    lon = np.arange(0.0, 360, 1.875)
    path = write_map(tmp_path / "z.nc", {"z": (np.broadcast_to(lat[:, None], (94, 192)), "m", {})}, lat, lon)
    found = surface.elevation(path, TARGETS)
    np.testing.assert_allclose(found, lat[[np.argmin(np.abs(lat - a)) for a in LAT2.ravel()]])


def test_a_box_across_the_date_line(tmp_path):
    lat, lon = np.arange(65.25, 70, 0.5), np.arange(-179.75, 180, 0.5)
    path = write_map(tmp_path / "z.nc", {"z": (np.broadcast_to(lon, (10, 720)), "m", {})}, lat, lon)
    for box in ((66.0, 68.0, 178.0, -178.0), (66.0, 68.0, 178.0, 182.0)):
        found = fields.need(path, ("z",), box)
        assert sorted(set(found.longitude.tolist())) == [
            -179.75,
            -179.25,
            -178.75,
            -178.25,
            178.25,
            178.75,
            179.25,
            179.75,
        ]
        targets = regrid.regular(box, 0.25)
        assert targets.latitude.size == 8 * 16
        values = surface.elevation(path, targets, box=box)
        np.testing.assert_array_less(regrid.apart(values, targets.longitude), 0.2501)
        coarse = regrid.regular(box, 1.0)
        assert coarse.latitude.size == 2 * 4
        means = regrid.mean(found, coarse)
        np.testing.assert_allclose(means, coarse.longitude)


def test_maps_with_other_names_of_coordinates(tmp_path):
    for word in (("Lat", "Lon"), ("y", "x"), ("nav_lat", "nav_lon"), ("g0_lat_1", "g0_lon_2")):
        path = write(tmp_path / "z.nc", axes(names=word) | {"z": (word, LAT2, {"units": "m"})})
        np.testing.assert_allclose(surface.elevation(path, TARGETS), TARGETS.latitude)
    two = write(tmp_path / "z.nc", PLACE2 | {"z": (("y", "x"), LAT2, {"units": "m"})})
    np.testing.assert_allclose(surface.elevation(two, TARGETS), TARGETS.latitude)  # two dimensions that are two axes


@pytest.mark.parametrize(
    ("values", "said", "land"),
    [
        ([1, 0], {}, [1, 0]),
        ([100, 0], {"units": "%"}, [1, 0]),
        ([1, 0], {"flag_values": np.array([0, 1]), "flag_meanings": "land sea"}, [0, 1]),
        ([0, 1], {"flag_values": np.array([0, 1]), "flag_meanings": "sea land"}, [0, 1]),
        ([2, 1], {"flag_values": np.array([1, 2]), "flag_meanings": "land water"}, [0, 1]),
        ([1, 0], {"standard_name": "sea_binary_mask"}, [0, 1]),
        ([1, 0], {"standard_name": "land_binary_mask", "long_name": "land sea mask"}, [1, 0]),
        ([1, 0], {"long_name": "mask, 1=ocean, 0=land"}, [0, 1]),
        ([1, 0], {"long_name": "mask (1 = land, 0 = water)"}, [1, 0]),
        ([1, 0], {"long_name": "ocean mask"}, [0, 1]),
    ],
)
def test_masks_say_which_number_is_land(tmp_path, values, said, land):
    units = said.pop("units", "")
    path = write_map(tmp_path / "m.nc", {"mask": (np.repeat(values, 2)[None, :], units, said)}, LATITUDE, LONGITUDE)
    np.testing.assert_array_equal(surface.land_fraction(path, TARGETS), np.tile(np.repeat(land, 2), 3))


@pytest.mark.parametrize(
    ("value", "said", "says"),
    [
        (2, {}, "'mask' runs 2..2 .no units., expected 0 for sea and 1 for land"),
        (1, {"flag_values": np.array([0, 1]), "flag_meanings": "low high"}, "flags of 'mask' .* name no land"),
        (7, {"flag_values": np.array([0, 1]), "flag_meanings": "land sea"}, "lack the value 7"),
        (1, {"standard_name": "land_binary_mask", "long_name": "1 = sea"}, "calls itself both land and sea"),
    ],
)
def test_masks_that_are_refused(tmp_path, value, said, says):
    path = write_map(tmp_path / "m.nc", {"mask": (value, "", said)}, LATITUDE, LONGITUDE)
    with pytest.raises(InputError, match=f"m.nc: .*{says}"):
        surface.land_fraction(path, TARGETS)


def test_packed_fill_given_as_the_unpacked_number(tmp_path):
    path = write_map(tmp_path / "z.nc", {"z": (np.full(SHAPE, 100, "i2"), "m", {})}, LATITUDE, LONGITUDE)
    with netCDF4.Dataset(str(path), "a") as data:
        data["z"].setncatts({"scale_factor": 0.1, "missing_value": np.float64(-999.9)})
        data["z"].set_auto_maskandscale(False)
        data["z"][0, 0] = -9999
    assert np.isnan(fields.need(path, ("z",)).values[0, 0]) and fields.need(path, ("z",)).values[1, 1] == pytest.approx(
        10.0
    )


# --- CO2 -------------------------------------------------------------------------------------------------------------


def table(folder, text):
    path = folder / "co2.csv"
    path.write_text(text, encoding="utf-8")
    return path


YEARS = range(1990, 1994)
PPM = {year: 350.0 + year - 1990 for year in YEARS}
MONTHLY = "\n".join(f"{y},{m},{PPM[y] + 0.1 * (m - 6.5):.2f}" for y in YEARS for m in range(1, 13))


@pytest.mark.parametrize(
    "text",
    [
        "year,co2\n" + "\n".join(f"{y},{v}" for y, v in PPM.items()),
        "\ufeffYear,CO2 (ppm)\n" + "\n".join(f"{y},{v}" for y, v in PPM.items()),
        "year;co2\n" + "\n".join(f"{y};{v:.2f}" for y, v in PPM.items()),
        "year;co2\n" + "\n".join(f"{y};{v:.2f}".replace(".", ",") for y, v in PPM.items()),
        "year\tco2\n" + "\n".join(f"{y}\t{v}" for y, v in PPM.items()),
        "\n".join(f"{y} {v}" for y, v in PPM.items()),
        "year co2\n" + "\n".join(f"{y}   {v}" for y, v in PPM.items()),
        "# year month co2\nyear,month,co2\n" + MONTHLY,
        "year,month,decimal date,average,deseasonalized,ndays,sdev,unc\n"
        + "\n".join(f"{y},{m},{y + m / 12:.4f},{PPM[y]},{PPM[y] + 1},30,0.2,0.1" for y in YEARS for m in range(1, 13)),
        "year,co2,unc\n" + "\n".join(f"{y},{v},0.1" for y, v in PPM.items()),
        "site,year,co2\n" + "\n".join(f"mlo,{y},{v}" for y, v in PPM.items()),
        "year,co2\n" + "\n".join(f"{y},{v}" for y, v in PPM.items()) + "\n1990,350.0\n",  # twice alike
        "year,co2\n1989,NA\n" + "\n".join(f"{y},{v}" for y, v in PPM.items()),
        "scenario,year,co2\n" + "\n".join(f"ssp126,{y},{v}" for y, v in PPM.items()),
    ],
)
def test_co2_tables_as_people_write_them(tmp_path, text):
    np.testing.assert_allclose(co2.read_table(table(tmp_path, text), 1990, 1993), list(PPM.values()), atol=1e-9)


def test_co2_of_one_scenario_of_several(tmp_path):
    rows = [f"{name},{y},{v + more}" for name, more in (("ssp126", 0), ("ssp585", 100)) for y, v in PPM.items()]
    path = table(tmp_path, "scenario,year,co2\n" + "\n".join(rows))
    assert co2.read_table(path, 1990, 1990, "ssp585").tolist() == [450.0]
    assert co2.read_table(path, 1990, 1990, scenario="ssp126").tolist() == [350.0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("scenario,year,co2\nssp126,1990,350\nssp585,1990,450\n", r"rows of several scenarios \(ssp126, ssp585\)"),
        ("year,co2\n1990,350\n1990,370\n", "CO2 of 1990 is given twice, 350 in line 2 and 370 in line 3"),
        (
            "year,month,co2\n" + "\n".join(f"1990,{m},350" for m in range(1, 12)),
            "CO2 of 1990-12 is missing .11 of 12 months",
        ),
        ("1990,1,350\n1990,2,351\n", "3 columns without a header line"),
        ("year,co2\n1990,1,350\n1990,2,351\n", "line 2 has more columns than the header .3 and 2"),
        ("month,co2\n1,350\n", "no column 'year'"),
        ("year,co2\n1990.5,350\n", "year 1990.5 is not whole"),
        ("year,month,co2\n1990,13,350\n", "month 13 is not 1..12"),
        ("year,co2\n1990,much\n", "line 2: CO2 row '1990,much' is not a year and a number"),
        ("year,a,b\n1990,350,351\n", r"several columns \(a, b\); say which one"),
        ("", "CO2 table is empty"),
        ("year,co2\n1991,350\n", r"CO2 of 1990 is missing \(table has 1991-1991\)"),
        ("year,co2\n1990,0.00035\n", "CO2 of 1990 is 0.00035, expected 100..5000 ppm"),
    ],
)
def test_co2_tables_that_are_refused(tmp_path, text, says):
    with pytest.raises(InputError, match=f"co2.csv: .*{says}|co2.csv: {says}"):
        co2.read_table(table(tmp_path, text), 1990, 1990)
    with pytest.raises(InputError, match="no CO2 column 'ssp999'"):
        co2.read_table(table(tmp_path, "year,co2\n1990,350\n"), 1990, 1990, "ssp999")


def test_tables_of_soil_units_with_semicolons_and_missing_values(tmp_path):
    path = tmp_path / "layers.csv"
    path.write_text(
        "HWSD2_SMU_ID;SHARE;TOPDEP;BOTDEP;SAND;SILT;CLAY\n1;100;0;20;40,5;39,5;20\n1;100;20;40;NA;NA;NA\n2;100;0;20;-9;-9;-9\n",
        encoding="utf-8",
    )
    assert soil_texture.read_hwsd2_layers(path) == {1: pytest.approx((40.5, 39.5, 20.0))}
