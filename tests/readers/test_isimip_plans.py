"""The plans of both papers for raw ISIMIP files, on small files in the published layout over shorter years."""

from pathlib import Path

import netCDF4
import numpy as np
import pytest
from isimip_files import LATITUDE, LONGITUDE, name_3b, write_daily, write_map, write_maps, write_ncscd

from jtem.commands.main import main
from jtem.readers import store

ROOT = Path(__file__).resolve().parents[2]


def shortened(paper: str, folder: Path, changes: dict[str, str]) -> Path:
    """The plan with other years, box and store; every text that is changed must be in it."""
    text = (ROOT / "experiments" / paper / "isimip.toml").read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    path = folder / "plan.toml"
    path.write_text(text)
    return path


def write_co2(folder: Path, **spans: tuple[int, int]) -> None:
    for scenario, (first, last) in spans.items():
        rows = "\n".join(f"{year} {300.0 + 0.5 * (year - 1900):.1f}" for year in range(first, last + 1))
        (folder / f"co2_{scenario}_annual_{first}_{last}.txt").write_text(rows)


def test_plan_of_liu2024_is_prepared_and_checked(tmp_path, monkeypatch, capsys):
    write_maps(tmp_path)
    write_ncscd(tmp_path / "ncscd", (120, 300, 150, 100))
    spans = {"historical": [(2001, 2010), (2011, 2014)], "ssp126": [(2015, 2018)], "ssp585": [(2015, 2018)]}
    for scenario, decades in spans.items():
        for first, last in decades:
            for variable in ("tas", "pr", "rsds"):
                path = tmp_path / "ISIMIP3b" / scenario / name_3b(variable, first, last, scenario)
                write_daily(path, variable, first, last)
    write_co2(tmp_path / "ISIMIP3b", historical=(2001, 2014), ssp126=(2015, 2018), ssp585=(2015, 2018))
    changes = {
        "cycle = [1850, 1860]": "cycle = [2001, 2003]",
        "first = 1850": "first = 2001",
        "last = 2100": "last = 2018",
    }
    plan = shortened("liu2024", tmp_path, changes)
    monkeypatch.chdir(tmp_path)
    assert main(["prepare", str(plan), "--data", str(tmp_path)]) == 0, capsys.readouterr().err
    assert store.years("liu2024_gfdl-esm4.nc") == {
        "historical": (2001, 2015),
        "ssp126": (2016, 2018),
        "ssp585": (2016, 2018),
    }
    capsys.readouterr()
    assert main(["check", str(plan)]) == 0
    text = capsys.readouterr().out
    assert text.count("stage ") == 21 and "roots_by_depth.toml" in text


@pytest.mark.parametrize(("model", "calendar"), [("gfdl-esm2m", "noleap"), ("hadgem2-es", "360_day")])
def test_plan_of_liu2022_is_prepared_and_checked_for_its_models(model, calendar, tmp_path, monkeypatch, capsys):
    """``sed s/gfdl-esm2m/MODEL/`` makes the plan of another climate model; climate is shared by the cells of 0.1 degree."""
    south = LATITUDE - 35.0  # the plateau
    east = LONGITUDE + 240.0
    names = ("alpine_meadow", "alpine_steppe", "alpine_desert")
    fine_latitude, fine_longitude = np.arange(34.45, 33.0, -0.1), np.arange(89.55, 91.5, 0.1)
    codes = np.add.outer(np.arange(fine_latitude.size), np.arange(fine_longitude.size)) % 3 + 1
    write_map(
        tmp_path / "maps/plateau_vegetation.nc",
        {"community": (codes.astype(np.int32), "", {"flag_meanings": " ".join(names)})},
        fine_latitude,
        fine_longitude,
    )
    with netCDF4.Dataset(str(tmp_path / "maps/plateau_vegetation.nc"), "a") as data:
        data["community"].flag_values = np.array([1, 2, 3], dtype=np.int32)
    write_map(tmp_path / "maps/hwsd.nc", {"T_SAND": (45.0, "%", {}), "T_CLAY": (15.0, "%", {})}, south, east)
    write_map(tmp_path / "maps/elevation.nc", {"orog": (4500.0, "m", {})}, south, east)
    frozen = np.ones((3, 4), np.int32)
    frozen[:, -1] = 0
    write_map(tmp_path / "maps/permafrost.nc", {"class": (frozen, "", {})}, south, east)
    write_ncscd(tmp_path / "ncscd", (120, 300, 150, 100), south, east)
    spans = {"historical": (2001, 2005), "rcp45": (2006, 2023), "rcp85": (2006, 2023)}
    for scenario, (first, last) in spans.items():
        for variable in ("tas", "pr", "rsds"):
            name = f"{variable}_day_{model.upper()}_{scenario}_r1i1p1_EWEMBI_{first}0101-{last}1231.nc4"
            path = tmp_path / "ISIMIP2b" / model / name
            write_daily(path, variable, first, last, calendar=calendar, latitude=south, longitude=east)
    write_co2(tmp_path / "ISIMIP2b", **spans)
    changes = {
        "gfdl-esm2m": model,
        "cycle = [1861, 1900]": "cycle = [2001, 2003]",
        "first = 1901": "first = 2001",
        "last = 2099": "last = 2023",
    }
    plan = shortened("liu2022", tmp_path, changes)
    monkeypatch.chdir(tmp_path)
    assert main(["prepare", str(plan), "--data", str(tmp_path)]) == 0, capsys.readouterr().err
    cells = store.read_cells(f"liu2022_{model}.nc")
    assert cells.sizes["cell"] > 100 and float(cells["longitude"].max()) < 91.0
    capsys.readouterr()
    assert main(["check", str(plan)]) == 0
    assert capsys.readouterr().out.count("stage ") == 5  # history, S_T and S_R under two pathways
