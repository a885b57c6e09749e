"""Every preset end to end on its small files: check, prepare, run."""

import numpy as np
import pytest
import test_raster_series as rasters
import test_sources as sources
import xarray as xr
from layout_files import EAST, GRID, NORTH, axes, climate, on_grid, time, write
from test_layouts import LAT2, LON2

from jtem.commands.main import main

PLAN = """[plan]
name = "{name}"

[domain]
source = "cf_monthly"
static = "static.nc"
layout = "{layout}"

[domain.climate]
historical = ["climate/**/*.*"]

[model]
permafrost = "none"

[spinup]
years = 5
heat_years = 10
cycle = [1991, 1992]

[history]
first = 1991
last = 1992

[output]
annual = ["gross_primary_production"]
monthly = ["air_temperature"]
state = false
"""
MAKERS = {
    "cmip6": sources.cmip6, "cesm": sources.ctsm, "cesm since 5.3": sources.ctsm_since_5_3, "era5": sources.era5,
    "era5 land": sources.era5_land_of_before, "cru_ts": sources.cru_ts, "crujra": sources.crujra,
    "gswp3_w5e5": sources.gswp3_w5e5, "terraclimate": sources.terraclimate, "chelsa": rasters.chelsa,
    "chelsa netcdf": sources.chelsa, "daymet": sources.daymet,
}  # fmt: skip
"""Layout (the first word) and what writes its files."""


def static(path, two_dimensional: bool) -> None:
    dims = ("y", "x") if two_dimensional else GRID
    place = {"lat": (dims, LAT2, NORTH), "lon": (dims, LON2, EAST)} if two_dimensional else axes()
    fields = {"elevation": (300.0, "m"), "sand": (40.0, "%"), "silt": (40.0, "%"), "clay": (20.0, "%")}
    content = {name: (dims, np.full((3, 4), value), {"units": unit}) for name, (value, unit) in fields.items()}
    write(path, place | content | {"vegetation": (dims, np.full((3, 4), 4, "i4"), {})})


def folder_of(tmp_path, word):
    MAKERS[word](tmp_path / "climate")
    static(tmp_path / "static.nc", word == "daymet")
    (tmp_path / "plan.toml").write_text(PLAN.format(name=word.split()[0], layout=word.split()[0]))
    return str(tmp_path / "plan.toml"), str(tmp_path)


@pytest.mark.parametrize("word", MAKERS)
def test_a_preset_is_checked_prepared_and_run(tmp_path, monkeypatch, capsys, word):
    plan, data = folder_of(tmp_path, word)
    monkeypatch.chdir(tmp_path)
    for command in (["check", plan], ["prepare", plan], ["run", plan, "--out", "out"]):
        assert main([*command, "--data", data]) == 0, capsys.readouterr().err
    (monthly,) = (tmp_path / "out").glob("*monthly*.nc")
    with xr.open_dataset(monthly) as data_set:
        air = next(v for n, v in data_set.items() if str(n) in ("tas", "air_temperature"))
        assert air.size == 12 * 24 and bool(np.isfinite(air).all())


def test_a_pattern_without_files_and_a_wrong_layout_end_with_one_sentence(tmp_path, capsys):
    plan, data = folder_of(tmp_path, "chelsa")
    text = (tmp_path / "plan.toml").read_text()
    (tmp_path / "plan.toml").write_text(text.replace("climate/**/*.*", "climate/*.nc4"))
    assert main(["check", plan, "--data", data]) == 2
    assert "no file fits 'climate/*.nc4'; check the pattern and the folder" in capsys.readouterr().err
    (tmp_path / "plan.toml").write_text(text.replace('layout = "chelsa"', 'layout = "chelsae"'))
    assert main(["check", plan, "--data", data]) == 2
    assert "layout 'chelsae' is unknown; did you mean 'chelsa'?" in capsys.readouterr().err
    (tmp_path / "plan.toml").write_text(text.replace("[model]", '[domain.units]\nprecipitation = "gallon"\n\n[model]'))
    assert main(["check", plan, "--data", data]) == 2
    assert "'precipitation' is in 'gallon'" in capsys.readouterr().err


def test_a_note_tells_the_file_once(tmp_path, monkeypatch, capsys):
    """Three chunks of cells, the spin-up's years and those of the history: one note about each thing, with the file's numbers."""
    (tmp_path / "climate").mkdir()
    values = on_grid()
    values["pr"] *= 0.1
    values["pr"][[0, 3, 13], 0, :3] = -1e-12
    values["tas"][:6, 2, :] = -9.0
    write(tmp_path / "climate" / "c.nc", time() | axes() | climate(values))
    static(tmp_path / "static.nc", False)
    text = PLAN.format(name="dry", layout="cmip6").replace('layout = "cmip6"\n', "")
    (tmp_path / "plan.toml").write_text(text.replace("1991, 1992", "1991, 1991") + "\n[run]\nchunk_columns = 4\n")
    monkeypatch.chdir(tmp_path)
    assert main(["check", "plan.toml", "--data", str(tmp_path)]) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    year = np.median(np.maximum(values["pr"], 0.0).reshape(24, 12)[:12].sum(axis=0))
    expected = [
        "c.nc: 9 values of precipitation between -0.01 mm month-1 and 0 were set to 0",
        "c.nc: air_temperature repeats one value for four months or more in 4 cells and years",
        f"precipitation of the median cell is {year:.3g} mm a year; daily means under a unit per month?",
    ]
    for said in expected:
        assert sum(said in line for line in notes) == 1, notes
    assert not any(
        "were set to 0" in line or "mm a year" in line for line in notes if not any(e in line for e in expected)
    )
