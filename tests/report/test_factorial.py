"""Reports of the factorials from files with known numbers: identities, closures, every table and figure."""

import csv
import dataclasses
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from jtem import plan as plans
from jtem import run as runs
from jtem.commands.main import main
from jtem.commands.report import read_factorial
from jtem.report import drawings, liu2022_figures, liu2024_figures, liu2024_series, maps, page, regional
from jtem.variables import SECONDS_IN_YEAR, VARIABLES

NEP = "net_ecosystem_production"
ROOT = Path(__file__).resolve().parents[2]


def balanced_run(experiment, sink, progress=None, only=None):
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
    densities_times_areas_are_totals(read_again(folder), rows)
    figures = {f"figure{k}.png" for k in ("1b", 3, 4, 5, 6, 7, 8, "S3", "S4", "S5")}
    assert {p.name for p in folder.iterdir()} >= {"table1.csv", "table2.csv", "table3.csv", "closure.csv", *figures}
    with (folder / "table3.csv").open() as file:
        assert {row["community"] for row in csv.DictReader(file)} <= {"alpine_meadow", "alpine_steppe", "alpine_desert"}


def densities_times_areas_are_totals(f, rows):
    ours = {(r["quantity"], r["scenario"]): float(r["ours"]) for r in rows}
    for group in ("", ", alpine_meadow"):
        area = f.area[f.chosen & (f.community == "alpine_meadow")].sum() if group else f.chosen_area
        for s in f.scenarios:
            assert ours[f"SOC_PF density{group}", s] * area == pytest.approx(1e12 * ours[f"SOC_PF{group}", s], rel=1e-4)
            assert ours[f"SON_PF density{group}", s] * area == pytest.approx(1e12 * ours[f"SON_PF{group}", s], rel=1e-4)
    each = [ours[f"NPP density 2006-2011, {g}", "historical"] for g in ("alpine_meadow", "alpine_steppe")]
    assert min(each) <= ours["NPP density 2006-2011", f.scenarios[0]] <= max(each)


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
    only = tuple(d for d in liu2022_figures.DRAWINGS if d.name == "figure5")
    monkeypatch.setattr(liu2022_figures, "DRAWINGS", only)  # the figure that reads the files again
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
    assert liu2024_figures.figure_s6(read_again(folder), tmp_path / "s6.png").is_file()
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
    assert liu2022_figures.figure_s4(read_again(folder), tmp_path / "s4.png").is_file()
    assert {text for _, text in liu2022_figures.CLIMATE} <= set(said)


def test_sums_of_cells_are_the_printed_totals(run):
    """Headline and tables from the files again, cell by cell; communities add up to the region."""
    folder = run("liu2024", ('domain = "pan_arctic"', 'domain = "pan_arctic"\nstride = 25'), figures=False)
    with (folder / "headline.csv").open() as file:
        printed = {(r["quantity"], r["scenario"]): float(r["ours"]) for r in csv.DictReader(file)}
    path = folder.parent / "liu2024_ssp126_{}_annual.nc"
    past = folder.parent / "liu2024_historical_annual.nc"  # its last year is 2015, the base of the plan
    with (
        netCDF4.Dataset(str(path).format("S_Trans")) as t,
        netCDF4.Dataset(str(path).format("S_PF")) as p,
        netCDF4.Dataset(str(past)) as h,
    ):
        area = np.asarray(t["areacella"][:], np.float64)

        def total(data, name, years=slice(None)):
            return float((np.asarray(data[VARIABLES[name].file_name][years], np.float64) * area).sum()) / 1e12

        seconds = SECONDS_IN_YEAR
        assert printed["vegetation C 2015", "historical"] == pytest.approx(
            total(h, "vegetation_carbon", slice(-1, None)), rel=1e-4
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
    np.testing.assert_array_equal(liu2024_series.by_depth(layers), [10.0, 5.0, 5.0, 5.0])


def test_a_folder_without_a_run_is_one_sentence(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 2
    assert "no annual files" in capsys.readouterr().err


ARCTIC = ('domain = "pan_arctic"', 'domain = "pan_arctic"\nstride = 25')
PLATEAU = ('domain = "plateau"', 'domain = "plateau"\nstride = 12')


def rows_of(path: Path) -> list[dict[str, str]]:
    """Rows of a table of a report."""
    with path.open() as file:
        return list(csv.DictReader(file))


def headline_of(folder: Path) -> dict[tuple[str, str], float]:
    """Our value by quantity and scenario."""
    return {(r["quantity"], r["scenario"]): float(r["ours"]) for r in rows_of(folder / "headline.csv")}


@dataclasses.dataclass
class Drawn:
    """What a figure draws: lines by (panel, scenario, style), bars (scenario, label) by panel, maps by caption, words."""

    lines: dict = dataclasses.field(default_factory=dict)
    bars: dict = dataclasses.field(default_factory=dict)
    labels: dict = dataclasses.field(default_factory=dict)
    numbers: dict = dataclasses.field(default_factory=dict)
    maps: dict = dataclasses.field(default_factory=dict)
    title: str = ""


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Calls a figure's function and returns what it drew, without a picture."""
    now = Drawn()

    def line(canvas, axes, years, values, scenario, style="-"):
        assert len(years) == len(values)
        now.lines[canvas.axes.index(axes), scenario, style] = np.asarray(values)

    def band(canvas, axes, years, values, scenario, style="-"):
        line(canvas, axes, years, values.mean(axis=0), scenario, style)

    def bars(canvas, axes, labels, series, text, *, rotate=False, spreads=None, numbers=None):
        k = canvas.axes.index(axes)
        now.labels[k], now.bars[k], now.numbers[k] = list(labels), np.array(series), numbers

    def save(figure, path, dpi=130):
        now.title = figure.get_suptitle()
        page.pyplot().close(figure)
        return path

    def values(canvas, axes, values, caption, unit, *, low, high, signed=False, said=True):
        assert np.isfinite([low, high]).all() and low < high
        now.maps[caption] = values

    for name, stub in (("line", line), ("band", band), ("bars", bars)):
        monkeypatch.setattr(page.Canvas, name, stub)
    monkeypatch.setattr(maps.MapCanvas, "values", values)
    monkeypatch.setattr(page, "save", save)
    monkeypatch.setattr(maps, "save", save)

    def go(function, region: regional.Region) -> Drawn:
        now.__init__()
        assert function(region, tmp_path / "x.png") == tmp_path / "x.png"
        return dataclasses.replace(now)

    return go


def test_figures_of_the_arctic_follow_from_the_files(run, drawn):
    folder = run("liu2024", ARCTIC, figures=False)
    f, headline = read_again(folder), headline_of(folder)
    end = {s: k for k, s in enumerate(f.scenarios)}
    four, five, six, seven, eight, s5, s7 = (
        drawn(getattr(liu2024_figures, f"figure{n}"), f) for n in ("4", "5", "6", "7", "8", "_s5", "_s7")
    )
    effects = {(r["scenario"], r["effect (S_Trans - run)"]): r for r in rows_of(folder / "effects.csv")}
    for s, k in end.items():
        trans = f.get(s, "S_Trans")
        # soil of all depths and vegetation are the ecosystem, in S_Trans and in the effect of thaw
        for lines in (four.lines, five.lines):
            np.testing.assert_allclose(lines[3, k, "-"] + lines[3, k, "--"], lines[3, k, ":"], atol=1e-9)
        np.testing.assert_allclose(four.lines[3, k, ":"][-1], trans.total("net_ecosystem_production").sum(), rtol=1e-12)
        # dNEP = dNPP - dRH; thawed layers lose what they respire
        nep = five.lines[1, k, "-"] - five.lines[0, k, "-"]
        np.testing.assert_allclose(five.lines[1, k, "--"], nep, atol=1e-12)
        np.testing.assert_allclose(five.lines[2, k, "--"], -np.cumsum(five.lines[0, k, "--"]), rtol=1e-12)
        # metres share everything that is exposed; the number is the part that is respired
        np.testing.assert_allclose(six.bars[0][k].sum(), trans.cumulative("layer_exposed_carbon")[-1].sum(), rtol=1e-12)
        np.testing.assert_allclose(six.bars[1][k].sum(), trans.cumulative("layer_respiration")[-1].sum(), rtol=1e-12)
        shares = 100 * six.bars[1][k] / six.bars[0][k]
        np.testing.assert_allclose([float(x) for x in six.numbers[0][k]], shares, atol=0.05001)
        # the table of effects has the bars
        for panel, column in ((0, "NPP"), (1, "RH"), (2, "vegetation C"), (3, "SOC_NET")):
            table = [float(effects[s, run][column]) for run in f.names[1:]]
            np.testing.assert_allclose(seven.bars[panel][k], table, rtol=1e-3, atol=1e-9)
        np.testing.assert_allclose(seven.bars[3][k][0], five.lines[3, k, "-"][-1], rtol=1e-9)
        # depths add up to the end of the sums over time
        for panel, style in ((1, "-"), (2, "--")):
            np.testing.assert_allclose(eight.bars[panel][k].sum(), eight.lines[0, k, style][-1], rtol=1e-9)
        ratio = 100 * eight.lines[0, k, "--"][-1] / eight.lines[0, k, "-"][-1]
        assert headline["N uptake over net mineralization, both due to thaw", s] == pytest.approx(ratio, rel=1e-3)
        # NEP without the loss is NEP and the loss
        np.testing.assert_allclose(
            s5.lines[1, k, "--"] - s5.lines[1, k, "-"], page.smooth(s5.lines[0, k, "-"]), rtol=1e-9
        )
        assert {style for panel, j, style in s7.lines if (panel, j) == (0, k)} == {"-", "--", ":"}
        for words, name in (
            ("share of exposed SOC in {}", "layer_exposed_carbon"),
            ("share of {} in RH of thawed SOC", "layer_respiration"),
        ):
            parts = [headline[words.format(place), s] for place in ("0-1 m", "3-6 m")]
            metres = by_metre(f, s, name)
            shares = [100 * metres[0] / metres.sum(), 100 * metres[3:].sum() / metres.sum()]
            np.testing.assert_allclose(parts, shares, rtol=1e-3)
    assert six.labels[0] == [f"{k}-{k + 1} m" for k in range(6)] and len(eight.labels[1]) == 7
    assert "root zone" in s7.title
    top = {
        key: dataclasses.replace(r, means={**r.means, "volumetric_moisture_20cm": np.ones(r.years.size)})
        for key, r in f.runs.items()
    }
    moist = drawn(liu2024_figures.figure_s7, dataclasses.replace(f, runs=top))
    assert "top 20 cm" in moist.title and (moist.lines[1, 0, "-"] == 1.0).all()
    sites = rows_of(folder / "table1.csv")
    assert [r["role"] for r in sites] == ["calibration"] * 3 + ["validation"] * 6
    assert {"Toolik", "Bonanza Creek"}.isdisjoint(r["site"] for r in sites)
    assert (sites[0]["name"], sites[0]["dates"]) == ("Poker Flat Research Range", "2011-2012")


def by_metre(f: regional.Region, scenario: str, name: str) -> np.ndarray:
    """Sum of S_Trans over years in each of the six metres, (6,)."""
    layers = f.get(scenario, "S_Trans").total(name).sum(axis=0)
    return np.add.reduceat(layers, [0, 10, 15, 20, 22, 24])


def test_figures_of_the_plateau_follow_from_the_files(run, drawn, capsys):
    folder = run("liu2022", PLATEAU, figures=False)
    assert "is left out" not in capsys.readouterr().out
    f, headline = read_again(folder), headline_of(folder)
    three, four, five, six, seven, eight, s3, s5 = (
        drawn(getattr(liu2022_figures, f"figure{n}"), f) for n in ("3", "4", "5", "6", "7", "8", "_s3", "_s5")
    )
    groups = [g for g in ("alpine_meadow", "alpine_steppe") if g in f.history.groups]
    assert groups and four.labels[1] == ["NPP", "RH", "VegC", "SOC"]
    table3 = {(r["community"], r["scenario"]): r for r in rows_of(folder / "table3.csv")}
    printed = {(r["quantity"], r["scenario"]): r for r in rows_of(folder / "headline.csv")}

    def mean(s, run_, name, years, unit=1e12):
        return np.array([f.get(s, run_, m).total(name, unit)[years].mean() for m in f.members])

    for k, s in enumerate(f.scenarios):
        lines = three.lines
        np.testing.assert_allclose(lines[2, k, "-"], lines[0, k, "-"] - lines[1, k, "-"], atol=1e-9)
        np.testing.assert_allclose(lines[5, k, "-"], lines[4, k, "-"] + lines[3, k, "-"] / 1e3, atol=1e-9)
        np.testing.assert_allclose(lines[7, k, "-"], lines[6, k, "-"] + lines[3, k, "-"], atol=1e-9)
        assert headline["SOC_NET, S_T - S_R", s] == pytest.approx(lines[6, k, "-"][-1], rel=1e-3)
        for label, name, years in (
            ("NPP", "net_primary_production", slice(-10, None)),
            ("SOC", "soil_carbon", slice(-1, None)),
        ):
            past = np.array([f.histories[m].total(name)[years].mean() for m in f.members])
            effect = mean(s, "S_T", name, years) - mean(s, "S_R", name, years)
            share = (100 * effect / (mean(s, "S_T", name, years) - past)).mean()
            np.testing.assert_allclose(four.bars[1][k][four.labels[1].index(label)], share, rtol=1e-9)
            line = printed[f"share of thaw in the change of {label}", s]
            assert float(line["ours"]) == pytest.approx(share, rel=1e-3)
            assert line["published"] == {"rcp45": "13-23", "rcp85": "17-35"}[s] and line["difference"] == ""
        for caption, name, pool in (("$\\Delta$SOC", "soil_carbon", True), ("$\\Sigma\\Delta$NEP", NEP, False)):
            cells = np.nan_to_num(five.maps[f"{caption}, {page.label(s)}"]) @ f.area / 1e12
            gap = [f.get(s, "S_T", m).total(name) - f.get(s, "S_R", m).total(name) for m in f.members]
            np.testing.assert_allclose(cells, np.mean([g[-1] if pool else g.sum() for g in gap]), rtol=1e-6, atol=1e-9)
        for group, style in zip(groups, ("-", "--"), strict=False):
            nep = six.lines[1, k, style] - six.lines[2, k, style]
            np.testing.assert_allclose(six.lines[3, k, style], nep, atol=1e-9)
            assert headline[f"SOC_NET, S_T - S_R, {group}", s] == pytest.approx(six.lines[5, k, style][-1], rel=1e-3)
            uptake = float(table3[group, s]["sum dVegNup (Tg N)"].split(" ")[0])
            assert eight.bars[4][k][groups.index(group)] == pytest.approx(uptake, rel=1e-3, abs=1e-9)
        unfrozen, thawed = seven.bars[4][k]
        assert headline["cumulative N uptake, S_T - S_R", s] == pytest.approx(thawed - unfrozen, rel=1e-3, abs=1e-9)
        assert headline["change of SON since 2020, S_T", s] == pytest.approx(seven.bars[1][k][1], rel=1e-3)
        for style in ("-", "--"):
            nep = s3.lines[0, k, style] - s3.lines[1, k, style]
            np.testing.assert_allclose(s3.lines[2, k, style], nep, atol=1e-9)
        assert {style for _, j, style in s5.lines if j == k} == {"-", "--", ":"}
    assert len(five.maps) == 5 * len(f.scenarios)
    table1 = rows_of(folder / "table1.csv")
    assert sum(r["model"] == "jtem (S_T)" for r in table1) == 3
    other = next(r for r in table1 if r["source"] == "Lin et al. (2017)")
    assert (other["NPP total (Tg C yr-1)"], other["NEP density (gC m-2 yr-1)"]) == ("344.0", "5.3")


def test_a_figure_without_its_variable_is_left_out(run, drawn, capsys):
    """Not an error: the report says which figure and what it lacks."""
    name = "net_primary_production_without_nitrogen_limitation"
    folder = run(
        "liu2022", PLATEAU, (f'"net_primary_production", "{name}",', '"net_primary_production",'), figures=False
    )
    assert f"figureS5 is left out: the annual files lack '{name}'" in capsys.readouterr().out
    f = read_again(folder)
    names = {p.stem for p in liu2022_figures.draw(f, folder)}
    assert names == {d.name for d in liu2022_figures.DRAWINGS} - {"figureS5"}
    alone = dataclasses.replace(f, histories={m: dataclasses.replace(r, groups={}) for m, r in f.histories.items()})
    said = drawings.left_out(liu2022_figures.DRAWINGS, alone)
    assert [text.split(" ")[0] for text in said] == ["figure6", "figure8", "figureS5"]
    assert "the communities of its cells" in said[0]
