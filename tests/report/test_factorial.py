"""Reports of the factorials from files with known numbers: identities, closures, every table and figure."""

import csv
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from jtem import plan as plans
from jtem import run as runs
from jtem.commands.main import main
from jtem.commands.report import read_factorial
from jtem.report import liu2022, liu2024, page, regional
from jtem.variables import SECONDS_IN_YEAR, VARIABLES

ROOT = Path(__file__).resolve().parents[2]


def balanced_run(experiment, sink, progress=None):
    """Made-up numbers in which pools follow from fluxes, thaw acts after December, and held runs expose nothing."""
    count = len(experiment.column_cell)
    ends = {"spinup": (10000.0, 500.0)}
    for number, stage in enumerate(experiment.stages):
        years = stage.years
        rng = np.random.default_rng(number)
        annual = {}
        for name, _ in experiment.selection.annual:
            shape = (count, years, 25) if VARIABLES[name].layer else (count, years)
            annual[name] = rng.uniform(0.1, 0.4, shape)
        annual["active_layer_thickness"][:] = 1.0
        annual["carbon_residual"][:] = annual["nitrogen_residual"][:] = 0.0
        for pool, gain, loss, moved, which in (
            ("soil_carbon", "litterfall_carbon", "heterotrophic_respiration", "exposed_carbon", 0),
            (
                "soil_organic_nitrogen",
                "litterfall_nitrogen",
                "net_nitrogen_mineralization",
                "exposed_organic_nitrogen",
                1,
            ),
        ):
            annual[moved] *= float(stage.expose)
            late = np.concatenate([np.zeros((count, 1)), annual[moved][:, :-1]], axis=1)
            annual[pool] = ends[stage.parent][which] + np.cumsum(annual[gain] - annual[loss] + late, axis=1)
        annual["exposed_nitrogen"] = annual["exposed_organic_nitrogen"]
        annual["net_ecosystem_production"] = annual["net_primary_production"] - annual["heterotrophic_respiration"]
        annual["ecosystem_carbon"] = 12000.0 + np.cumsum(annual["net_ecosystem_production"], axis=1)
        annual["ecosystem_nitrogen"] = 600.0 + np.cumsum(annual["nitrogen_input"] - annual["nitrogen_loss"], axis=1)
        ends[stage.name] = (annual["soil_carbon"][:1, -1:], annual["soil_organic_nitrogen"][:1, -1:])
        sink.write(stage, slice(0, count), slice(0, years), {"monthly": {}, "annual": annual})
    report = runs.SpinUpReport({"water": np.zeros(count)}, np.ones(count, bool), 5)
    return runs.Summary(1.0, 0.5, 10, report, {})


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run an experiment's plan with made-up numbers and report it; returns the folder of the report."""
    monkeypatch.setattr(runs, "run_experiment", balanced_run)

    def go(paper: str, *changes: tuple[str, str], figures: bool = True) -> Path:
        text = (ROOT / "experiments" / paper / "embedded.toml").read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "plan.toml").write_text(text)
        assert main(["run", str(tmp_path / "plan.toml"), "--out", str(tmp_path / "out")]) == 0
        assert main(["report", str(tmp_path / "out"), *([] if figures else ["--no-figures"])]) == 0
        return tmp_path / "out" / "report"

    return go


def read_again(folder: Path) -> regional.Region:
    """The factorial of a finished run, for one figure alone."""
    return read_factorial([(folder.parent, plans.read(folder.parents[1] / "plan.toml"))])


def test_report_of_the_plateau_satisfies_the_identities(run, capsys):
    folder = run("liu2022", ('domain = "plateau"', 'domain = "plateau"\nstride = 12'))
    text = capsys.readouterr().out
    words = text.split("agree within ")[1]
    assert float(words.split(" ")[0]) < 1e-13 and float(words.split("SON_PF within ")[1].split(" ")[0]) < 1e-13
    with (folder / "headline.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["quantity", "scenario", "unit", "ours", "published", "difference", "note"]
    line = next(r for r in rows if r["quantity"] == "SOC_PF" and r["scenario"] == "rcp85")
    assert line["published"] == "1.93" and "s.d. over members" in line["note"]
    assert float(line["difference"]) == pytest.approx(float(line["ours"]) - 1.93, abs=1e-3)
    figures = {f"figure{k}.png" for k in ("1b", 3, 4, 5, 6, 7, 8, "S3", "S4", "S5")}
    assert {p.name for p in folder.iterdir()} >= {"table1.csv", "table2.csv", "table3.csv", "closure.csv", *figures}
    with (folder / "table3.csv").open() as file:
        assert {row["community"] for row in csv.DictReader(file)} <= {"alpine_meadow", "alpine_steppe", "alpine_desert"}


def test_climate_models_in_folders_of_their_own_are_reported_together(tmp_path, monkeypatch, capsys):
    """A plan a GCM, each with its own history: mean and s.d. over them, anomalies from each one's own history."""
    monkeypatch.setattr(runs, "run_experiment", balanced_run)
    text = (ROOT / "experiments" / "liu2022" / "embedded.toml").read_text()
    start = text.index("[factorial.members]")
    text = text[:start] + text[text.index("[output]") :]
    text = text.replace('domain = "plateau"', 'domain = "plateau"\nstride = 12')
    for name in ("one", "two"):
        (tmp_path / f"{name}.toml").write_text(text.replace('name = "liu2022"', f'name = "{name}"', 1))
        assert main(["run", str(tmp_path / f"{name}.toml"), "--out", str(tmp_path / name)]) == 0
    for path in (tmp_path / "two").glob("*_annual.nc"):  # the second model is 1 % more productive throughout
        with netCDF4.Dataset(path, "a") as data:
            for variable in ("npp", "nep"):
                data[variable][:] = data[variable][:] * 1.01
    capsys.readouterr()
    assert main(["report", str(tmp_path / "one"), str(tmp_path / "two"), "--out", str(tmp_path / "both")]) == 0
    capsys.readouterr()
    for name in ("one", "two"):
        assert main(["report", str(tmp_path / name), "--no-figures"]) == 0

    def npp(folder):
        with (folder / "headline.csv").open() as file:
            rows = [r for r in csv.DictReader(file) if r["quantity"].startswith("NPP total")]
        return np.array([float(r["ours"]) for r in rows]), [r["note"] for r in rows]

    one, two, (both, notes) = (
        npp(tmp_path / "one" / "report")[0],
        npp(tmp_path / "two" / "report")[0],
        npp(tmp_path / "both"),
    )
    # headline.csv has five digits of a value and three of a standard deviation
    np.testing.assert_allclose(both, 0.5 * (one + two), rtol=1e-4)
    np.testing.assert_allclose(two, 1.01 * one, rtol=1e-4)
    spread = [float(note.split("s.d. over members ")[1].split(";")[0]) for note in notes]
    np.testing.assert_allclose(spread, 0.01 * one / np.sqrt(2.0), rtol=6e-3)  # three digits, and half of the last
    assert (tmp_path / "both" / "figure5.png").is_file()
    with (tmp_path / "both" / "closure.csv").open() as file:
        assert {row["run"].split("_")[0] for row in csv.DictReader(file)} == {"one", "two"}
    # not without reason: other cells, the same run twice
    other = text.replace("stride = 12", "stride = 13").replace('name = "liu2022"', 'name = "three"', 1)
    (tmp_path / "three.toml").write_text(other)
    assert main(["run", str(tmp_path / "three.toml"), "--out", str(tmp_path / "three")]) == 0
    for pair, words in ((("one", "three"), "has other cells than"), (("one", "one"), "are called as another's")):
        capsys.readouterr()
        assert main(["report", *(str(tmp_path / p) for p in pair), "--out", str(tmp_path / "no")]) == 2
        assert words in capsys.readouterr().err


def test_report_of_the_arctic_writes_every_table_and_figure(run, capsys):
    folder = run("liu2024", ('domain = "pan_arctic"', 'domain = "pan_arctic"\nstride = 25'))
    assert "closes within" in capsys.readouterr().out
    names = {p.name for p in folder.iterdir()}
    assert {"figure4.png", "figure5.png", "figure6.png", "figure7.png", "figure8.png"} <= names
    assert {
        "figureS2.png",
        "figureS5.png",
        "figureS6.png",
        "figureS7.png",
        "map_active_layer.png",
        "map_carbon.png",
    } <= names
    assert {"table1.csv", "table2.csv", "effects.csv"} <= names
    with (folder / "table2.csv").open() as file:
        table = {row["run"]: row for row in csv.DictReader(file)}
    assert len(table) == 10 and table["S_PF_CO2"]["ALT"] == table["S_PF_CO2"]["CO2"] == "kept at 2015"
    assert table["S_PF_CO2"]["temperature"] == "transient"
    with (folder / "closure.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 20


@pytest.mark.parametrize("forced", [True, False])
def test_climate_figures_show_the_forcing_where_the_files_have_it(run, monkeypatch, tmp_path, forced):
    said = []
    real = page.Canvas.label
    monkeypatch.setattr(page.Canvas, "label", lambda c, a, t: (said.append((c, a, t)), real(c, a, t))[1])
    change = [] if forced else [('"air_temperature", "precipitation",', "")]
    folder = run("liu2024", ('domain = "pan_arctic"', 'domain = "pan_arctic"\nstride = 25'), *change, figures=False)
    assert liu2024.figure_s6(read_again(folder), tmp_path / "s6.png").is_file()
    words = [text for _, _, text in said]
    assert ("air temperature (°C)" in words) == ("precipitation (mm yr$^{-1}$)" in words) == forced
    assert ("evapotranspiration (mm yr$^{-1}$)" in words) != forced
    canvas, left, _ = next(v for v in said if v[2] in ("air temperature (°C)", "soil temperature 0-20 cm (°C)"))
    assert ("no air temperature and precipitation" in canvas.figure.get_suptitle()) != forced
    assert len(left.lines) == 4  # two scenarios, transient and held


def test_climate_of_the_plateau_shows_the_forcing_where_the_files_have_it(run, monkeypatch, tmp_path):
    said = []
    monkeypatch.setattr(page.Canvas, "label", lambda c, a, t: said.append(t))
    with_radiation = ('"precipitation",', '"precipitation", "shortwave_radiation",')
    folder = run("liu2022", ('domain = "plateau"', 'domain = "plateau"\nstride = 12'), with_radiation, figures=False)
    assert liu2022.figure_s3(read_again(folder), tmp_path / "s3.png").is_file()
    assert {text for _, text in liu2022.CLIMATE} <= set(said)


def test_sums_of_cells_are_the_printed_totals(run):
    """Headline and tables from the files again, cell by cell; communities add up to the region."""
    folder = run("liu2024", ('domain = "pan_arctic"', 'domain = "pan_arctic"\nstride = 25'), figures=False)
    with (folder / "headline.csv").open() as file:
        printed = {(r["quantity"], r["scenario"]): float(r["ours"]) for r in csv.DictReader(file)}
    path = folder.parent / "liu2024_ssp126_{}_annual.nc"
    with netCDF4.Dataset(str(path).format("S_Trans")) as t, netCDF4.Dataset(str(path).format("S_PF")) as p:
        area = np.asarray(t["areacella"][:], np.float64)

        def total(data, name, years=slice(None)):
            return float((np.asarray(data[VARIABLES[name].file_name][years], np.float64) * area).sum()) / 1e12

        seconds = SECONDS_IN_YEAR
        assert printed["vegetation C 2015", "historical"] == pytest.approx(
            total(t, "vegetation_carbon", slice(0, 1)), rel=1e-4
        )
        assert printed["SOC exposed by thaw, 0-6 m", "ssp126"] == pytest.approx(
            total(t, "exposed_carbon") * seconds, rel=1e-4
        )
        effect = (total(t, "heterotrophic_respiration") - total(p, "heterotrophic_respiration")) * seconds
        assert printed["cumulative RH due to thaw", "ssp126"] == pytest.approx(effect, rel=1e-3, abs=1e-9)
    stages = regional.factorial_stages(["ssp126"], {"": ""}, ["S_Trans"])
    data = regional.read({"": regional.Files(folder.parent, "liu2024")}, "historical", stages, (2010, 2015))
    result = data.get("ssp126", "S_Trans")
    assert len(result.groups) > 1
    for name, values in result.totals.items():
        parts = sum(group[name] for group in result.groups.values())
        np.testing.assert_allclose(parts, values, rtol=1e-10, atol=1e-12 * np.abs(values).max(), err_msg=name)
    exposed = data.summed("ssp126", "S_Trans", "exposed_carbon") @ data.area / 1e12
    assert exposed == pytest.approx(result.cumulative("exposed_carbon")[-1], rel=1e-9)


def test_depth_intervals_share_all_layers():
    layers = np.ones(25)
    np.testing.assert_array_equal(liu2024.by_depth(layers), [10.0, 5.0, 5.0, 5.0])


def test_a_folder_without_a_run_is_one_sentence(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 2
    assert "no annual files" in capsys.readouterr().err
