"""``jtem prepare``: raw files to one store, once; runs read it; every mistake leaves nothing behind."""

import subprocess
import sys

import netCDF4
import numpy as np
import pytest
import xarray as xr
from isimip_files import (
    name_3b,
    write_daily,
    write_map,
    write_maps,
    write_ncscd,
    write_ndep,
    write_tree,
)

from jtem.commands.main import main
from jtem.readers import isimip, prepare, store, to_model

PLAN = """
[plan]
name = "arctic"
institution = "nobody"
[domain]
source = "isimip"
co2 = "isimip"
[prepare]
store = "STORE"
folder = "ISIMIP3b"
vegetation = "maps/vegetation.nc"
texture = "maps/hwsd.nc"
elevation = "maps/elevation.nc"
soil_carbon = ["ncscd"]
[spinup]
heat_years = 12
years = 5
cycle = [1991, 1992]
[history]
first = 2010
last = 2014
[[scenario]]
name = "ssp585"
climate = "ssp585"
first = 2015
last = 2021
[output]
annual = ["npp", "cVeg"]
"""


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    tree = write_tree(folder)
    write_maps(folder)
    write_ncscd(folder / "ncscd", (120, 300, 150, 100))
    (tree / "co2_historical_annual_1850_2014.txt").write_text("\n".join(f"{y} 350.0" for y in range(1850, 2015)))
    (tree / "co2_ssp585_annual_2015_2100.txt").write_text("\n".join(f"{y} 400.0" for y in range(2015, 2101)))
    return folder


def write_plan(tmp_path, *changes):
    text = PLAN.replace("STORE", str(tmp_path / "store.nc"))
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "plan.toml"
    path.write_text(text)
    return path


def one_sentence(capsys) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("  climate")]
    assert len(lines) == 1 and lines[0].startswith("jtem: "), lines
    return lines[0]


def test_raw_files_to_a_store_and_a_checked_plan(raw, tmp_path, capsys):
    plan = write_plan(tmp_path)
    assert main(["prepare", str(plan), "--data", str(raw)]) == 0
    text = capsys.readouterr().out
    assert "10 cells, climates historical, ssp585" in text and "soil carbon observed in 10 of 10 cells" in text
    assert [p.name for p in tmp_path.glob("store*")] == ["store.nc"]
    assert store.years(tmp_path / "store.nc") == {"historical": (1991, 2014), "ssp585": (2015, 2021)}
    cells = store.read_cells(tmp_path / "store.nc")
    assert cells.sizes["cell"] == 10 and cells["soil_organic_carbon"].values[0].tolist() == [12.0, 18.0, 15.0, 10.0]
    source, where = store.source(tmp_path / "store.nc", "historical")
    climate = source(np.array([0, 7]), 2000, 2003)
    to_model.check_climate(climate, 2000, 2003, where)
    files = isimip.find(raw / "ISIMIP3b", ["historical"], 2000, 2003)
    lat, lon = (cells[name].values[[0, 7]] for name in ("latitude", "longitude"))
    for year, expected in isimip.monthly_all(files, lat, lon, 2000, 2003):
        for name, values in expected.items():
            np.testing.assert_allclose(climate[name].values[:, year - 2000], values, rtol=1e-6, atol=1e-5)
    assert climate["co2"].values.tolist() == [350.0] * 4
    with netCDF4.Dataset(str(tmp_path / "store.nc")) as data:
        group = data["climate_historical"]
        assert group["air_temperature"].chunking() == [10, 10, 12] and group["air_temperature"].filters()["fletcher32"]
        said = data.inputs
        assert "gfdl-esm4_r1i1p1f1_w5e5_historical_pr_global_daily_1991_2000.nc" in said and "bytes" in said
        assert data.plan == plan.read_text() and "nearest" in data.notes
    assert main(["check", str(plan)]) == 0  # the raw files are not needed any more
    text = capsys.readouterr().out
    assert "cells    10, columns 11" in text and "store.nc" in text
    assert main(["prepare", str(plan), "--data", str(raw)]) == 0
    assert "nothing to do" in capsys.readouterr().out
    write_plan(tmp_path, ('source = "isimip"', 'source = "prepared"\nstride = 2'))
    assert main(["check", str(plan)]) == 0
    assert "cells    5, columns" in capsys.readouterr().out


@pytest.mark.slow
def test_a_prepared_tree_is_run(raw, tmp_path):
    plan = write_plan(tmp_path)
    for words in (["prepare", str(plan), "--data", str(raw)], ["run", str(plan), "--out", str(tmp_path / "out")]):
        done = subprocess.run([sys.executable, "-m", "jtem", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    with xr.open_dataset(tmp_path / "out/arctic_ssp585_annual.nc", decode_times=False) as data:
        assert data["npp"].sizes["time"] == 7 and np.isfinite(data["npp"].values).sum() == 70


@pytest.mark.parametrize("calendar", ["noleap", "360_day"])
def test_other_calendars(raw, tmp_path, calendar):
    write_maps(tmp_path)
    write_ncscd(tmp_path / "ncscd", (120, 300, 150, 100))
    write_tree(tmp_path, {"historical": [(1991, 2014)], "ssp585": [(2015, 2021)]}, calendar, "box_a")
    plan = write_plan(tmp_path, ('co2 = "isimip"', 'co2 = "embedded"'))
    assert main(["prepare", str(plan), "--data", str(tmp_path)]) == 0
    source, _ = store.source(tmp_path / "store.nc", "historical")
    rain = source(np.arange(1), 2001, 2001)["precipitation"].values[0, 0]
    assert rain[0] / rain[11] == pytest.approx({"noleap": 1.0, "360_day": 1.0}[calendar], rel=0.01)
    days = {"noleap": 28 / 31, "360_day": 1.0}[calendar]
    assert rain[1] / rain[10] == pytest.approx(days * (31 / 30 if calendar == "noleap" else 1), rel=0.01)


def test_finer_cells_share_climate_with_a_lapse_rate(raw, tmp_path):
    fine_lat, fine_lon = 68.05 + 0.1 * np.arange(15), -150.45 + 0.1 * np.arange(20)
    height = 300.0 + np.where(np.arange(300).reshape(15, 20) == 0, 1000.0, 0.0)
    write_map(raw / "maps/fine.nc", {"elevation": (height, "m", {})}, fine_lat, fine_lon)
    changes = (
        ('elevation = "maps/elevation.nc"', 'elevation = "maps/fine.nc"\nclimate_elevation = "maps/elevation.nc"'),
        ("[spinup]", "lapse_rate = 6.5\nresolution = 0.1\nbox = [68, 69.5, -150.5, -148.5]\n[spinup]"),
    )
    plan = write_plan(tmp_path, *changes)
    assert main(["prepare", str(plan), "--data", str(raw)]) == 0
    with netCDF4.Dataset(str(tmp_path / "store.nc")) as data:
        assert len(data.dimensions["cell"]) == 250 and len(data.dimensions["source"]) == 10
        assert data["temperature_offset"][0] == pytest.approx(-6.5) and data["temperature_offset"][1] == 0
    source, _ = store.source(tmp_path / "store.nc", "historical")
    climate = source(np.array([1, 0, 2, 21]), 2000, 2000)["air_temperature"].values
    np.testing.assert_allclose(climate[1], climate[0] - 6.5, atol=1e-5)
    np.testing.assert_array_equal(climate[0], climate[2])


def test_other_kinds_of_maps_and_nitrogen(raw, tmp_path, capsys):
    for variable in ("nhx", "noy"):
        write_ndep(raw / "ISIMIP3b", variable, 1991, 2014)
    units = np.full((3, 4), 7, dtype=np.int32)
    write_map(raw / "maps/smu.nc", {"HWSD2_SMU_ID": (units, "", {})})
    (raw / "maps/layers.csv").write_text(
        "HWSD2_SMU_ID,SHARE,TOPDEP,BOTDEP,SAND,SILT,CLAY\n7,100,0,20,50,30,20\n7,100,20,40,30,50,20\n"
    )
    fractions = {"boreal_forest": (0.25, "1", {}), "wet_moist_tundra": (0.5, "1", {})}
    write_map(raw / "maps/fractions.nc", fractions)
    plan = write_plan(
        tmp_path,
        ('"maps/vegetation.nc"', '"maps/fractions.nc"\nvegetation_kind = "fractions"'),
        ('"maps/hwsd.nc"', '"maps/smu.nc"\ntexture_layers = "maps/layers.csv"'),
        ('soil_carbon = ["ncscd"]', ""),
        ("[spinup]", '[prepare.nitrogen]\nhistorical = ["histsoc"]\n[spinup]'),
    )
    assert main(["prepare", str(plan), "--data", str(raw)]) == 0
    cells = store.read_cells(tmp_path / "store.nc")
    assert cells["community"].values[0].tolist() == ["wet_moist_tundra", "boreal_forest"]
    np.testing.assert_allclose(cells["community_area_fraction"].values[0], [2 / 3, 1 / 3])
    assert cells["sand"].values.tolist() == [40.0] * 12 and cells["silt"].values[0] == pytest.approx(40.0)
    half = prepare.regrid.Targets(cells["latitude"].values, cells["longitude"].values, 0.5)
    np.testing.assert_allclose(cells["area"].values, 0.75 * half.area)
    source, _ = store.source(tmp_path / "store.nc", "historical")
    climate = source(np.array([3]), 1992, 1993)
    np.testing.assert_allclose(climate["nitrogen_input"].values[0, 1], 0.03 + 0.002 * np.arange(24, 36), rtol=1e-5)
    assert main(["check", str(plan)]) == 0
    assert "inputs   " in (text := capsys.readouterr().out) and " inputs, hash " in text


def test_masks_choose_the_cells(raw, tmp_path, capsys):
    mask, frozen = np.ones((3, 4)), np.zeros((3, 4), dtype=np.int32)
    mask[0, 0], frozen[0], frozen[1, :2] = 0, 1, 2
    write_map(raw / "maps/mask.nc", {"mask": (mask, "", {})})
    write_map(raw / "maps/permafrost.nc", {"class": (frozen, "", {})})
    more = 'land_mask = "maps/mask.nc"\npermafrost_map = "maps/permafrost.nc"\npermafrost_codes = [1, 2]\n[spinup]'
    plan = write_plan(tmp_path, ("[spinup]", more))
    assert main(["prepare", str(plan), "--data", str(raw)]) == 0
    cells = store.read_cells(tmp_path / "store.nc")
    assert sorted(zip(cells["latitude"].values.tolist(), cells["longitude"].values.tolist(), strict=True)) == [
        (68.75, -150.25), (68.75, -149.75), (69.25, -149.75), (69.25, -149.25),
    ]  # fmt: skip


MISTAKES = {
    "wrong units": ("tas", {"units": "degC"}, r"tas: units 'degC', expected 'K'"),
    "swapped axes": (
        "pr",
        {"dims": ("time", "lon", "lat")},
        r"('time', 'lon', 'lat'), expected ('time', 'lat', 'lon')",
    ),
    "fill as number": ("pr", {"declare_fill": False, "sea": (1, 1)}, r"looks like a fill value that the file does not"),
    "missing days": ("rsds", {"days": 500}, r"time runs 2001-2002 but the name says 2001-2010"),
    "celsius": ("tas", {"values": np.full((3653, 3, 4), -5.0, "f4")}, "degrees Celsius labelled K?"),
}


@pytest.mark.parametrize("mistake", [*MISTAKES, "missing decade", "corrupt file", "cut in the middle"])
def test_one_sentence_and_no_output(raw, tmp_path, capsys, mistake):
    write_maps(tmp_path)
    write_ncscd(tmp_path / "ncscd", (120, 300, 150, 100))
    tree = write_tree(tmp_path, {"historical": [(1991, 2000), (2011, 2014)], "ssp585": [(2015, 2021)]})
    folder = next(tree.rglob("historical")) / "GFDL-ESM4"
    for variable in ("tas", "pr", "rsds"):
        if mistake != "missing decade":
            wrong = MISTAKES[mistake][1] if mistake in MISTAKES and MISTAKES[mistake][0] == variable else {}
            if "values" in wrong:
                wrong = {"values": wrong["values"][:3652]}
            write_daily(folder / name_3b(variable, 2001, 2010), variable, 2001, 2010, **wrong)
    path = folder / name_3b("pr", 2001, 2010)
    if mistake == "corrupt file":
        path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"0" * 1000)
        expected = "pr_global_daily_2001_2010.nc: not a readable netCDF file"
    elif mistake == "cut in the middle":
        content = bytearray(path.read_bytes())
        content[len(content) // 2 : len(content) // 2 + 20000] = b"\0" * 20000
        path.write_bytes(bytes(content))
        expected = "gfdl-esm4_r1i1p1f1_w5e5_historical_pr_global_daily_2001_2010.nc"
    else:
        expected = MISTAKES[mistake][2] if mistake in MISTAKES else "years 2001-2010 are missing before"
    plan = write_plan(tmp_path, ('co2 = "isimip"', 'co2 = "embedded"'))
    assert main(["prepare", str(plan), "--data", str(tmp_path)]) == 2
    assert expected in one_sentence(capsys)
    assert not list(tmp_path.glob("store*"))


def test_a_store_that_does_not_fit_the_plan(raw, tmp_path, capsys):
    plan = write_plan(tmp_path)
    assert main(["run", str(plan), "--out", str(tmp_path / "out")]) == 2
    assert "store.nc not found; run: jtem prepare" in one_sentence(capsys)
    assert not (tmp_path / "out").exists()
    assert main(["prepare", str(plan), "--data", str(raw)]) == 0
    capsys.readouterr()
    write_plan(tmp_path, ('soil_carbon = ["ncscd"]', "lapse_rate = 6.5"))
    for command in (["check", str(plan)], ["prepare", str(plan), "--data", str(raw)]):
        assert main(command) == 2
        assert "prepared with other settings (lapse_rate, soil_carbon)" in one_sentence(capsys)
    write_plan(tmp_path, ("last = 2021", "last = 2023"))
    assert main(["check", str(plan)]) == 2
    assert "climate 'ssp585' has 2015-2021, the plan needs 2015-2023" in one_sentence(capsys)
    store = tmp_path / "store.nc"
    content = bytearray(store.read_bytes())
    with netCDF4.Dataset(str(store)) as data:
        assert data["climate_historical"]["precipitation"].shape == (10, 24, 12)
    store.write_bytes(bytes(content[: len(content) // 2]))
    write_plan(tmp_path)
    assert main(["check", str(plan)]) == 2
    assert "store.nc: not a readable netCDF file" in one_sentence(capsys)
    write_map(store, {"z": (1.0, "m", {})})
    assert main(["check", str(plan)]) == 2
    assert "not a store of 'jtem prepare'" in one_sentence(capsys)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (('folder = "ISIMIP3b"', ""), "source 'isimip' needs 'folder'"),
        (('folder = "ISIMIP3b"', 'folder = "nowhere"'), "folder"),
        (('elevation = "maps/elevation.nc"', 'elevation = "maps/none.nc"'), "maps/none.nc not found"),
        (("[spinup]", "box = [80, 60, -180, 180]\n[spinup]"), "is not [south, north, west, east] in degrees"),
        (("[spinup]", "box = [60, 80]\n[spinup]"), "'box' has 2 entries, expected [south, north, west, east]"),
        (("[spinup]", 'lapse_rate = "6.5"\n[spinup]'), "'lapse_rate' is '6.5', expected a number"),
        (("[spinup]", "lapse_rate = 65\n[spinup]"), "'lapse_rate' is 65, expected a number within 0..15"),
        (("[spinup]", "[prepare.nitrogen]\nssp126 = ['ssp126soc']\n[spinup]"), "nitrogen of climate 'ssp126'"),
        (("[spinup]", 'model = "gfdl-esm5"\n[spinup]'), "no files of model 'gfdl-esm5'"),
        (("[spinup]", "box = [10, 20, 10, 20]\n[spinup]"), "change 'box' or the file"),
        (('co2 = "isimip"', 'co2 = "co2.txt"'), "co2.txt not found"),
    ],
)
def test_plans_that_are_refused(raw, tmp_path, capsys, change, match):
    plan = write_plan(tmp_path, change)
    assert main(["prepare", str(plan), "--data", str(raw)]) == 2
    assert match in one_sentence(capsys)
    assert not list(tmp_path.glob("store*"))


def test_only_the_chunk_is_read(raw, tmp_path, monkeypatch):
    """A load of some cells touches only their rows of the store, whatever its size."""
    count = 2000
    cells = xr.Dataset(
        {name: ("cell", np.full(count, 50.0)) for name in store.FLAT_CELL_FIELDS}
        | {
            "community": (("cell", "share"), np.full((count, 1), "boreal_forest", dtype=object)),
            "community_area_fraction": (("cell", "share"), np.ones((count, 1))),
        }
    )
    asked = []

    def source(rows, first, last):
        asked.append((rows.size, last - first + 1))
        shape = (rows.size, last - first + 1, 12)
        fields = {
            "air_temperature": -5.0 + 1e-3 * rows,
            "precipitation": 30.0 + 0 * rows,
            "shortwave_radiation": 100 + 0 * rows,
        }
        data = {
            name: (
                ("cell", "year", "month"),
                np.broadcast_to(v[:, None, None], shape),
                {"units": to_model.CLIMATE_RANGES[name][0]},
            )
            for name, v in fields.items()
        }
        years = np.arange(first, last + 1)
        return xr.Dataset(data, coords={"year": years, "month": np.arange(1, 13)}).assign(
            co2=("year", 400.0 + 0.0 * years)
        )

    entry = store.from_source(source, count, 1990, 2012, "x")
    path = tmp_path / "store.nc"
    store.write(path, cells, {"historical": entry}, attributes={"recipe": "{}"})
    assert max(size for size, _ in asked) <= store.CHUNK_CELLS
    assert max(length for size, length in asked if size > 1) <= store.CHUNK_YEARS
    load, _ = store.source(path, "historical")
    touched = []
    gather = store._gather

    class Counted:
        def __init__(self, variable):
            self.variable = variable

        def __getitem__(self, key):
            touched.append(key[0].stop - key[0].start)
            return self.variable[key]

    monkeypatch.setattr(store, "_gather", lambda variable, wanted, at: gather(Counted(variable), wanted, at))  # pyright: ignore[reportArgumentType]
    found = load(np.array([1999, 3, 300, 4]), 1995, 1996)
    np.testing.assert_allclose(
        found["air_temperature"].values[:, 0, 0], -5 + 1e-3 * np.array([1999, 3, 300, 4]), rtol=1e-6
    )
    assert max(touched) <= 2


def test_the_half_degree_fields_are_prepared(shared_data, tmp_path, capsys):
    path = tmp_path / "plan.toml"
    path.write_text(
        f"""
[plan]
name = "half"
[domain]
source = "climate_grid"
domain = "plateau"
stride = 100
subdivide = 2
[domain.climate]
rcp85_weak = ["rcp85", "spread_weak"]
[prepare]
store = "{tmp_path / "store.nc"}"
[history]
first = 2000
last = 2014
[[scenario]]
name = "weak"
climate = "rcp85_weak"
first = 2015
last = 2030
"""
    )
    assert main(["check", str(path), "--data", str(shared_data)]) == 0
    assert "cells    48" in capsys.readouterr().out
    assert main(["prepare", str(path), "--data", str(shared_data)]) == 0
    assert store.years(tmp_path / "store.nc") == {"historical": (1850, 2014), "rcp85_weak": (2015, 2030)}
    path.write_text(path.read_text().replace('"climate_grid"', '"prepared"').replace("stride = 100", ""))
    assert main(["check", str(path)]) == 0
    assert "cells    48" in capsys.readouterr().out
