"""Files on a regular grid and for ISIMIP, from made-up results of half-degree cells."""

from dataclasses import replace

import netCDF4
import numpy as np
import pytest
from test_netcdf import ATTRIBUTES

from jtem.commands.main import main
from jtem.errors import InputError
from jtem.physics.soil_heat import DEFAULT_EDGES
from jtem.records import Grid, StageInfo
from jtem.writers import export
from jtem.writers.netcdf import NetcdfSink

GRID = Grid(
    latitude=np.array([60.25, 60.75, 60.75]),
    longitude=np.array([-150.25, -150.25, -149.25]),
    area=np.array([100.0, 200.0, 300.0]),
    column_cell=np.array([0, 1, 1, 2]),
    column_fraction=np.array([1.0, 0.25, 0.75, 1.0]),
)
WORDS = export.Words("Institute", "A Name <a@b.org>", "3b", "gfdl-esm4", "w5e5", "2015soc", "default")


@pytest.fixture
def files(tmp_path):
    """Monthly and annual file of a stage 1850-1852 with known numbers."""
    stage = StageInfo("historical", 1850, 1852)
    months = np.arange(4 * 36, dtype=np.float64).reshape(4, 3, 12)
    ones = np.ones((4, 3))
    outputs = {
        "monthly": {
            "gross_primary_production": months, "soil_temperature": np.repeat(months[..., None], 33, axis=-1) / 10,
            "air_temperature": months / 10, "precipitation": months,  # on the grid, but no output of the ISIMIP protocol
        },
        "annual": {
            "soil_carbon": 1000.0 * ones, "frozen_carbon": 2000.0 * ones, "thawed_permafrost_carbon": 500.0 * ones,
            "active_layer_thickness": 0.7 * ones,
        },
    }  # fmt: skip
    with NetcdfSink(tmp_path, "x", GRID, attributes=ATTRIBUTES, heat_edges=DEFAULT_EDGES) as sink:
        sink.write(stage, slice(0, 4), slice(0, 3), outputs)
        return sorted(p for p in sink.finish({3: "not finite"}) if "state" not in p.name)


def test_grid_keeps_every_number_and_leaves_holes_empty(files, tmp_path):
    for path in files:
        out = export.gridded(path, tmp_path / f"grid_{path.name}")
        with netCDF4.Dataset(path) as cells, netCDF4.Dataset(out) as grid:
            np.testing.assert_allclose(grid["lat"][:], [60.25, 60.75])
            np.testing.assert_allclose(grid["lon"][:], [-150.25, -149.75, -149.25])
            np.testing.assert_allclose(grid["lat_bnds"][0], [60.0, 60.5])
            assert "on a grid of 0.5 degrees" in grid.history and grid["time"].units == cells["time"].units
            for name in (n for n, v in cells.variables.items() if "jtem_name" in v.ncattrs()):
                assert grid[name].dimensions[-2:] == ("lat", "lon")
                assert grid[name].units == cells[name].units and grid[name].cell_methods == cells[name].cell_methods
                np.testing.assert_array_equal(grid[name][..., 0, 0], cells[name][..., 0])
                np.testing.assert_array_equal(grid[name][..., 1, 0], cells[name][..., 1])
                assert np.ma.getmaskarray(grid[name][..., 0, 1]).all()  # no cell
                assert np.ma.getmaskarray(grid[name][..., 1, 2]).all()  # failed
    assert not list(tmp_path.glob(".*partial*"))


def test_cells_on_no_grid_are_one_sentence():
    with pytest.raises(InputError, match=r"here: cells do not lie on a regular grid of 0\.5 degrees"):
        export.lattice(np.array([60.0, 60.5, 61.2]), np.array([1.0, 2.0, 3.0]), "here")
    with pytest.raises(InputError, match="two cells have one place"):
        export.lattice(np.array([60.0, 60.0, 61.0]), np.array([1.0, 1.0, 3.0]), "here")
    with pytest.raises(InputError, match=r"\(60\.000, 1\.000\) is none of ISIMIP's half-degree grid"):
        export.global_half_degree(np.array([60.0]), np.array([1.0]), "here")


def test_a_grid_across_the_date_line_is_as_wide_as_its_cells(tmp_path):
    grid = export.lattice(np.full(5, 65.25), np.array([179.25, 179.75, -179.75, -178.75, -179.25]), "here")
    np.testing.assert_allclose(grid.longitude, [179.25, 179.75, 180.25, 180.75, 181.25])
    assert grid.column.tolist() == [0, 1, 2, 4, 3]
    around = np.arange(-179.75, 180.0, 0.5)
    whole = export.lattice(np.full(720, 65.25), around, "here")
    np.testing.assert_allclose(whole.longitude, around)


def test_mean_places_of_coarse_cells_are_refused_and_memory_is_bounded(files, tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    latitude, longitude = np.round(random.uniform(45, 80, 300), 3), np.round(random.uniform(-180, 180, 300), 3)
    with pytest.raises(
        InputError, match=r"regular grid \(the coarsest .* has 1e\+10 points for 300 cells\); use the file"
    ):
        export.lattice(latitude, longitude, "here")
    whole = export.gridded(files[1], tmp_path / "whole.nc")
    monkeypatch.setattr(export, "BLOCK_NUMBERS", 1)  # one time at once
    cut = export.gridded(files[1], tmp_path / "cut.nc")
    with netCDF4.Dataset(whole) as a, netCDF4.Dataset(cut) as b:
        for name in a.variables:
            np.testing.assert_array_equal(a[name][:], b[name][:])


def test_isimip_files_follow_the_checker(files, tmp_path):
    written = export.isimip(files, tmp_path, WORDS, {"historical": "historical"})
    stem = "jtem_gfdl-esm4_w5e5_historical_2015soc_default"
    assert sorted(p.name for p in written) == [
        f"{stem}_csoil-total_global_annual_1850_1852.nc",
        f"{stem}_gpp-total_global_monthly_1850_1852.nc",
        f"{stem}_thawdepth_global_annual_1850_1852.nc",
        f"{stem}_tsl_global_monthly_1850_1852.nc",
    ]
    fluxes = 1e-3 / (86400 * np.array([31, 28, 31]))
    for path in written:
        with netCDF4.Dataset(path) as data:
            name = path.name.split("_")[6]
            array = data[name]
            assert data.data_model == "NETCDF4_CLASSIC"
            assert array.dtype == np.float32 and array.filters()["zlib"] and array.filters()["complevel"] >= 5
            deep = ("depth",) if name == "tsl" else ()
            assert array.dimensions == ("time", *deep, "lat", "lon")
            assert array.chunking() == [1, *([33] if deep else []), 360, 720]
            assert array._FillValue == array.missing_value == np.float32(1e20)
            assert set(array.ncattrs()) <= {"_FillValue", "missing_value", "long_name", "units", "comment"}
            assert data["time"].units == "days since 1601-01-01" and data["time"].calendar == "365_day"
            years = data["time"][:] / 365.0 + 1601
            assert years.size == (3 if "annual" in path.name else 36) and 1850 <= years[0] < years[-1] < 1853
            assert data["lat"][0] == 89.75 and data["lat"][-1] == -89.75 and data["lon"][0] == -179.75
            assert data.contact == WORDS.contact and data.institution == "Institute"
            assert "history" not in data.ncattrs()
            values = array[:]
            assert values.count() == values.shape[0] * (33 if deep else 1) * 2  # two cells; the failed one is missing
            at = (..., int((89.75 - 60.25) / 0.5), int((179.75 - 150.25) / 0.5))
            if name == "gpp-total":
                np.testing.assert_allclose(values[at][:3], np.arange(3) * fluxes, rtol=1e-6)
            if name == "csoil-total":
                np.testing.assert_allclose(values[at], 3.5)
            if deep:
                bounds = data[data["depth"].bounds]
                assert data["depth"].positive == "down" and np.all(np.diff(data["depth"][:]) > 0)
                np.testing.assert_allclose(bounds[:].mean(axis=1), data["depth"][:])


@pytest.mark.parametrize(
    ("institution", "contact", "change", "sentence"),
    [
        ("unspecified", "A <a@b.org>", {}, r"\[plan\] institution is missing"),
        ("I", "", {}, r"ISIMIP files need other words: \[plan\] contact is '', expected"),
        ("I", "a@b.org", {}, "contact is 'a@b.org'"),
        ("I", "A <a@b.org>", {"forcing": ""}, r"\[isimip\] forcing is ''"),
        ("I", "A <a@b.org>", {"soc": "2015_soc"}, r"\[isimip\] soc is '2015_soc'"),
        ("", "", {"forcing": ""}, r"institution is missing; \[plan\] contact is .*; \[isimip\] forcing is ''"),
        ("I", "A <a@b.org>", {"round": "3c"}, r"round '3c' is unknown, did you mean '3"),
    ],
)
def test_what_the_checker_would_refuse_is_one_sentence(institution, contact, change, sentence):
    words = replace(WORDS, institution=institution, contact=contact, **change)
    with pytest.raises(InputError, match=sentence):
        export.checked(words, "the plan")


@pytest.mark.parametrize("profile", ["grid", "isimip"])
def test_a_store_without_files_is_told_the_way(tmp_path, capsys, profile):
    (tmp_path / "half.zarr").mkdir()
    assert main(["export", str(tmp_path), "--profile", profile]) == 2
    assert "holds a Zarr store and no netCDF files; make them with" in capsys.readouterr().err
