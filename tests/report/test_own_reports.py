"""``jtem report`` of one's own run: one site, several sites, a region, with and without scenarios; files from made-up numbers."""

import csv

import numpy as np
import pytest
import xarray as xr

from jtem import plan as plans
from jtem.commands.main import main
from jtem.commands.report import caption, scenario_stages
from jtem.errors import InputError
from jtem.physics.soil_heat import DEFAULT_EDGES
from jtem.records import Grid, StageInfo
from jtem.report import site_page
from jtem.writers.netcdf import NetcdfSink

PLAN = """
[plan]
name = "own"
title = "my valley"
[domain]
source = "cf_monthly"
static = "static.nc"
[domain.climate]
historical = ["climate.nc"]
warm = ["warm.nc"]
cold = ["cold.nc"]
[history]
first = 2000
last = 2009
[output]
monthly = ["soil_temperature", "gross_primary_production", "snow_depth", "air_temperature"]
"""
SCENARIOS = """
[[scenario]]
name = "warm"
climate = "warm"
first = 2010
last = 2019
[[scenario]]
name = "quiet"
climate = "warm"
first = 2010
last = 2019
expose = false
"""
ANNUAL = ("net_primary_production", "heterotrophic_respiration", "net_ecosystem_production", "vegetation_carbon")


def write(folder, text: str, cells: int = 1, labels=None, monthly: bool = True):
    """Files of a run of this plan: thaw of 0.5 m that deepens by 0.1 m a year, NPP 100 gC m-2 year-1 in every cell."""
    places = np.arange(cells, dtype=float)
    grid = Grid(
        65.0 + places, 20.0 + places, np.full(cells, 100.0), np.arange(cells), np.ones(cells),
        labels=None if labels is None else np.array(labels, dtype=object),
        communities=np.array(["wet_moist_tundra"] * cells, dtype=object),
    )  # fmt: skip
    plan = plans.parse(text)
    stages = [StageInfo("historical", 2000, 2009)]
    stages += [StageInfo(s.name, s.first, s.last, "historical", s.expose) for s in plan.scenario]
    said = {"plan": text, "title": "my valley"}
    with NetcdfSink(folder, "own", grid, attributes=said, heat_edges=DEFAULT_EDGES, write_states=False) as sink:
        for stage in stages:
            shape = (cells, stage.years)
            annual = {name: np.full(shape, 100.0) for name in ANNUAL}
            annual["active_layer_thickness"] = np.broadcast_to(0.5 + 0.1 * np.arange(stage.years), shape)
            season = 10.0 * np.cos(2 * np.pi * (np.arange(12) - 6) / 12)
            depth = np.asarray(DEFAULT_EDGES[1:])
            soil = season[:, None] * np.exp(-depth) - 2.0
            months = {
                "soil_temperature": np.broadcast_to(soil, (*shape, 12, depth.size)),
                "gross_primary_production": np.broadcast_to(np.maximum(season, 0.0), (*shape, 12)),
                "snow_depth": np.broadcast_to(np.maximum(-season, 0.0) / 20, (*shape, 12)),
                "air_temperature": np.broadcast_to(season - 2.0, (*shape, 12)),
            }
            block = {"annual": annual, **({"monthly": months} if monthly else {})}
            sink.write(stage, slice(0, cells), slice(0, stage.years), block)
        sink.finish({})
    return folder


def test_one_site_gets_a_page_and_numbers_per_square_metre(tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="needs the extra 'plots'")
    out = write(tmp_path / "run", PLAN)
    assert main(["report", str(out)]) == 0
    text = capsys.readouterr().out
    assert "my valley: own climate, 'layered' permafrost" in text and "65.00°N, 20.00°E, wet moist tundra" in text
    assert "emulated" not in text and "Pg C" not in text and "Liu" not in text
    assert sorted(p.name for p in (out / "report").iterdir()) == ["own.png", "sites.csv"]
    with (out / "report" / "sites.csv").open(encoding="utf-8") as file:
        rows = {row["quantity"]: row for row in csv.DictReader(file)}
    assert float(rows["NPP"]["historical 2005-2009"]) == pytest.approx(100.0)
    assert float(rows["active layer"]["historical 2000-2004"]) == pytest.approx(0.7)


def test_several_sites_get_a_page_each_and_no_figures_are_drawn_unasked(tmp_path):
    out = write(tmp_path / "run", PLAN + SCENARIOS, cells=2, labels=["Toolik", "Bonanza Creek"], monthly=False)
    assert main(["report", str(out), "--no-figures", "--out", str(tmp_path / "tables")]) == 0
    assert [p.name for p in (tmp_path / "tables").iterdir()] == ["sites.csv"]
    pytest.importorskip("matplotlib", reason="needs the extra 'plots'")
    assert main(["report", str(out)]) == 0
    names = sorted(p.name for p in (out / "report").iterdir())
    assert names == ["Bonanza_Creek.png", "Toolik.png", "sites.csv"]


@pytest.mark.parametrize("scenarios", ["", SCENARIOS])
def test_a_region_is_reported_with_and_without_scenarios(tmp_path, capsys, scenarios):
    out = write(tmp_path / "run", PLAN + scenarios, cells=4)
    assert main(["report", str(out)]) == 0
    text = capsys.readouterr().out
    assert "own climate" in text and "emulated" not in text and "Liu" not in text
    assert ("NPP due to thaw" in text) == bool(scenarios)
    assert "quiet" not in text  # without thaw: the twin of 'warm', no scenario of its own
    with (out / "report" / "headline.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert all(row["published"] == "" for row in rows)
    (npp,) = [r for r in rows if r["quantity"] == "NPP"]
    assert float(npp["ours"]) == pytest.approx(100.0 * 4e8 * 1e-9, rel=1e-4) and npp["unit"] == "Gg C yr-1"


def test_stages_without_thaw_belong_to_their_twin_whatever_they_are_called():
    stages = scenario_stages(plans.parse(PLAN + SCENARIOS))
    assert stages == {("warm", "", ""): "warm", ("warm", "", "without thaw"): "quiet"}
    alone = plans.parse(
        PLAN + SCENARIOS.replace('name = "quiet"\nclimate = "warm"', 'name = "quiet"\nclimate = "cold"')
    )
    assert scenario_stages(alone) == {("warm", "", ""): "warm", ("quiet", "", ""): "quiet"}


def test_a_plan_names_its_paper_and_its_climate():
    own = plans.parse(PLAN)
    assert own.paper == "" and caption(own) == "my valley: own climate, 'layered' permafrost"
    factorial = '[factorial]\nruns = "liu2024_all_pairs"\nscenarios = ["warm"]\nfirst = 2010\nlast = 2019\n'
    assert plans.parse(PLAN + factorial).paper == "liu2024"
    assert plans.parse(PLAN + factorial + '[report]\npaper = "none"\n').paper == ""
    assert plans.parse(PLAN + '[report]\npaper = "liu2022"\n').paper == "liu2022"
    with pytest.raises(InputError, match=r"\[report\]: paper 'liu2042' is unknown; did you mean 'liu20"):
        plans.parse(PLAN + '[report]\npaper = "liu2042"\n')


def test_panels_say_what_is_lacking_and_a_wrong_cell_is_one_sentence(tmp_path):
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="needs the extra 'plots'")
    out = write(tmp_path / "run", PLAN)
    with (
        xr.open_dataset(out / "own_historical_annual.nc") as annual,
        xr.open_dataset(out / "own_historical_monthly.nc") as monthly,
    ):
        figure = site_page.overview(annual, monthly[["tsl", "year"]])
        texts = [t.get_text().replace("\n", " ") for axes in figure.axes for t in axes.texts]
        assert any("none of snowpack is among the monthly results: add them to 'monthly'" in t for t in texts)
        axes = site_page.profile(monthly, thaw=annual)
        assert axes.get_ylim() == (3.0, 0.0)  # 0 at the top, 3 m at least
        (steps,) = [p for p in axes.patches if hasattr(p, "get_data")]
        np.testing.assert_allclose(steps.get_data().values, 0.5 + 0.1 * np.arange(10), rtol=1e-6)  # pyright: ignore[reportAttributeAccessIssue]
        with pytest.raises(InputError, match=r"cell 3 is not among the 1 cells of the results; give 0\.\.0"):
            site_page.overview(annual, cell=3)
        with pytest.raises(InputError, match="'soil_temperature' is not among the annual results"):
            site_page.profile(annual)
    pyplot.close("all")


@pytest.mark.parametrize(("stocks", "shown"), [((0.0, 0.0), False), ((0.0, 70.0), True)])
def test_a_frozen_store_that_no_stage_has_filled_is_left_out(stocks, shown, tmp_path):
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="needs the extra 'plots'")
    out = write(tmp_path / "run", PLAN)
    with xr.open_dataset(out / "own_historical_annual.nc") as annual:
        like = annual["cVeg"]
        runs = {
            stage: annual.assign(frozen_carbon=xr.full_like(like, stock).assign_attrs(like.attrs))
            for stage, stock in zip(("historical", "on"), stocks, strict=True)
        }
        rows = {row[0]: row[2:] for row in site_page.table(runs)}
        words = [t.get_text() for axes in site_page.overview(runs).axes for t in _legend_texts(axes)]
    assert ("frozen C" in rows) == shown == ("frozen" in words) and "vegetation C" in rows and "vegetation" in words
    assert rows.get("frozen C", ("0", "0", "70", "70")) == ("0", "0", "70", "70")
    pyplot.close("all")


def _legend_texts(axes):
    legend = axes.get_legend()
    return legend.get_texts() if legend is not None else []
