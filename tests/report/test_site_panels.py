"""The papers' site panels from files in the layout of ``jtem calibrate`` with known numbers."""

import csv
from pathlib import Path

import numpy as np
import pytest

from jtem.commands.main import main
from jtem.errors import InputError
from jtem.report import site_panels

HEADER = "site,stream,year,month,months,part,observed,error,before,after,spread\n"


def calibration(folder: Path, rows) -> Path:
    """Write ``simulated.csv``; rows: site, stream, year, month, months, part, observed, after."""
    folder.mkdir(parents=True)
    lines = [
        f"{site},{stream},{year},{month},{months},{part},{observed},1,0,{after},0.5"
        for site, stream, year, month, months, part, observed, after in rows
    ]
    (folder / "simulated.csv").write_text(HEADER + "\n".join(lines) + "\n")
    return folder


def months(site, stream, year, part, error, missing=()):
    """A year whose simulation is off by ``error``, without observation in ``missing`` months."""
    made = []
    for month in range(1, 13):
        truth = -10.0 * np.cos(2 * np.pi * month / 12)
        gone = month in missing
        made.append((site, stream, year, month, 1, "" if gone else part, "" if gone else truth, truth + error))
    return made


@pytest.fixture
def folders(tmp_path):
    prr = months("US-Prr", "soil_temperature 0.05 m", 2011, "fit", 0.0, missing=(3,))
    prr += months("US-Prr", "soil_temperature 0.50 m", 2011, "fit", 3.0)
    prr += months("US-Prr", "soil_temperature 0.05 m", 2013, "held-out", 1.0)
    prr += months("US-Prr", "nep", 2011, "fit", 2.0) + months("US-Prr", "gpp", 2011, "fit", -1.0)
    thaw = [
        (site, "active_layer_thickness", 2011, 1, 12, "held-out", observed, after)
        for site, observed, after in (("QT01", 1.5, 1.6), ("QT05", 3.0, 2.9), ("Ch06", 2.0, 2.0))
    ]
    plateau = thaw + months("QT01", "soil_temperature 0.10 m", 2011, "held-out", 0.5)
    calibration(tmp_path / "all" / "prr", prr)
    calibration(tmp_path / "all" / "plateau", plateau)
    return tmp_path / "all"


def written(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_panels_and_scores_of_a_folder_of_calibrations(folders, tmp_path, capsys):
    out = tmp_path / "report"
    assert main(["report", str(folders), "--out", str(out)]) == 0
    rows = written(out / "scores_beside_papers.csv")

    def one(site, stream, part, figure):
        (row,) = [r for r in rows if (r["site"], r["stream"], r["part"], r["figure"]) == (site, stream, part, figure)]
        return row

    fit = one("US-Prr", "soil_temperature 0.05 m", "fit", "2")
    assert (fit["n"], fit["R2"], fit["R2_paper"], fit["run"]) == ("11", "1", "~0.9", "prr")
    assert "at 0.05 m; the paper: 0.1 m" in fit["note"] and "2011; the paper: 2011-12" in fit["note"]
    held = one("US-Prr", "soil_temperature 0.05 m", "held-out", "3")
    assert float(held["R2"]) == pytest.approx(1 - 1.0 / 50.0) and held["R2_paper"] == "> 0.7"
    assert float(held["RMSE"]) == 1.0 and float(held["bias"]) == 1.0
    assert float(one("US-Prr", "nep", "fit", "2")["R2"]) == pytest.approx(1 - 4.0 / 50.0)
    assert one("US-Prr", "gpp", "fit", "S3")["R2_paper"] == ""
    # another depth and other sites stand beside no paper
    assert one("US-Prr", "soil_temperature 0.50 m", "fit", "")["paper"] == ""
    assert "no panel of the papers" in one("QT01", "soil_temperature 0.10 m", "held-out", "")["note"]
    plateau = one("all", "active_layer_thickness", "held-out", "2")
    observed, after = np.array([1.5, 3.0, 2.0]), np.array([1.6, 2.9, 2.0])
    expected = 1 - ((after - observed) ** 2).sum() / ((observed - observed.mean()) ** 2).sum()
    assert float(plateau["R2"]) == pytest.approx(expected, rel=1e-3) and plateau["R2_paper"] == "> 0.8"
    # what the papers have and we have not
    lost = one("RU-SkP", "nep", "held-out", "3")
    assert lost["n"] == "0" and lost["R2"] == "" and lost["note"].startswith("data not available: RU-SkP")
    for stream in ("active_layer_carbon", "active_layer_nitrogen"):
        assert one("plateau", stream, "held-out", "2")["note"].startswith("data not available: no table of plateau")
    assert one("US-Atq", "nep", "fit", "2")["note"] == "not among the calibrations given"
    for case in site_panels.cases():
        if case.site != "plateau":
            assert any(r["figure"] == case.figure and r["site"] == case.site for r in rows), case
    drawn = {path.name for path in out.glob("*.png")}
    assert drawn == {
        "liu2024_figure2.png",
        "liu2024_figure3.png",
        "liu2024_figureS3.png",
        "liu2022_figure2_active_layer.png",
        "soil_temperature_further_sites.png",
    }
    assert "~0.9" in capsys.readouterr().out


def test_folders_one_by_one_and_without_figures(folders, tmp_path):
    out = tmp_path / "report"
    arguments = ["report", str(folders / "prr"), str(folders / "plateau"), "--no-figures", "--out", str(out)]
    assert main(arguments) == 0
    assert [path.name for path in out.iterdir()] == ["scores_beside_papers.csv"]
    assert main(["report", str(folders / "prr"), "--no-figures"]) == 0
    assert (folders / "prr" / "report" / "scores_beside_papers.csv").is_file()


def test_thaw_of_other_regions_is_not_the_plateau(tmp_path):
    rows = [
        (site, "active_layer_thickness", 2011, 1, 12, "held-out", observed, observed)
        for site, observed in (("QT01", 1.5), ("U8", 0.5))
    ]
    run = site_panels.read(calibration(tmp_path / "mixed", rows))
    plateau = [case for case in site_panels.cases() if case.site == "plateau" and case.part == "held-out"]
    score = own_scores(run)[-1]
    assert score.site == "all"
    assert site_panels.beside([run], [[score]], plateau)[0].case is None


def own_scores(run):
    from jtem.study import scores

    return scores.table(run.site.tolist(), run.stream.tolist(), run.part.tolist(), run.after, run.observed)


def test_what_is_refused(folders, tmp_path, capsys):
    assert main(["report", str(folders / "prr"), str(tmp_path / "nothing")]) == 2
    assert "holds no simulated.csv" in capsys.readouterr().err
    calibration(folders / "twice", months("US-Prr", "nep", 2011, "fit", 0.0))
    assert main(["report", str(folders)]) == 2
    assert "stream 'nep' of site 'US-Prr' is in two calibrations, prr and twice" in capsys.readouterr().err
    empty = tmp_path / "empty"
    empty.mkdir()
    assert main(["report", str(empty)]) == 2
    assert "no annual files of a finished run and no simulated.csv" in capsys.readouterr().err
    path = folders / "prr" / "simulated.csv"
    path.write_text(path.read_text().replace(",fit,", ",test,"))
    with pytest.raises(InputError, match="part 'test' is unknown"):
        site_panels.read(folders / "prr")
    path.write_text("site,stream\nA,nep\n")
    with pytest.raises(InputError, match=r"simulated\.csv: column 'part' is missing"):
        site_panels.read(folders / "prr")


def test_sensor_nearest_to_ten_centimetres(tmp_path):
    rows = [r for d in ("0.02", "0.05", "0.25") for r in months("A", f"soil_temperature {d} m", 2011, "fit", 0.0)]
    run = site_panels.read(calibration(tmp_path / "a", rows))
    assert site_panels.channel(run, "A", "soil_temperature") == "soil_temperature 0.05 m"
    run = site_panels.read(calibration(tmp_path / "b", months("A", "soil_temperature 0.25 m", 2011, "fit", 0.0)))
    assert site_panels.channel(run, "A", "soil_temperature") == ""  # too deep to stand for the papers' 10 cm


def test_a_run_that_holds_calibrations_is_still_a_run(folders):
    assert len(site_panels.calibrations(folders)) == 2
    (folders / "run_historical_annual.nc").touch()
    assert site_panels.calibrations(folders) == []


def test_printed_values_are_those_of_the_specification(shared_data):
    path = shared_data.parent / "science" / "published_results.csv"
    if not path.is_file():
        pytest.skip("no science folder beside the data")
    with path.open(encoding="utf-8", newline="") as file:
        rows = [r for r in csv.DictReader(line for line in file if not line.startswith("#")) if "R2" in r["quantity"]]
    printed = {
        paper: " ".join(r["value"] + " " + (r["note"] or "") for r in rows if r["paper"] == paper)
        for paper in ("Liu2024", "Liu2022")
    }
    stated = {(case.paper, case.r2) for case in site_panels.cases() if case.r2}
    assert stated == {
        *(("Liu2024", v) for v in ("~0.9", "> 0.7", "0.69-0.93")),
        *(("Liu2022", v) for v in ("> 0.9", "> 0.8")),
    }
    for paper, value in stated:
        assert value.replace(" ", "") in printed[paper].replace(" ", ""), (paper, value)
