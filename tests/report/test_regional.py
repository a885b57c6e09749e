"""Regional numbers from files with known values."""

import numpy as np
import pytest

from jtem.errors import InputError
from jtem.physics.soil_heat import DEFAULT_EDGES
from jtem.records import Grid, StageInfo
from jtem.report import region_page, regional
from jtem.report.regional import WITH_THAW, WITHOUT_THAW, Files
from jtem.writers.netcdf import NetcdfSink

GRID = Grid(
    latitude=np.array([70.0, 60.0, 50.0]),
    longitude=np.array([0.0, 10.0, 20.0]),
    area=np.array([1e6, 2e6, 4e6]),
    column_cell=np.arange(3),
    column_fraction=np.ones(3),
)
NEEDED = (
    *("active_layer_thickness", "net_primary_production", "heterotrophic_respiration", "net_ecosystem_production"),
    *("heterotrophic_respiration_thawed_permafrost", "exposed_carbon"),
    *("vegetation_carbon", "soil_carbon", "thawed_permafrost_carbon"),
)
STAGES = {("ssp585", "", WITH_THAW): "ssp585", ("ssp585", "", WITHOUT_THAW): "ssp585_no_thaw"}
ATTRIBUTES = {"title": "t", "institution": "unspecified"}


def fields(stage: StageInfo, thaw: float, npp: float, exposed: float) -> dict:
    shape = (3, stage.years)
    annual = {name: np.full(shape, 1000.0) for name in NEEDED}
    annual["active_layer_thickness"] = np.array([[thaw], [thaw + 1.0], [60.5]]) + np.zeros(shape)
    annual["net_primary_production"] = np.full(shape, npp)
    annual["heterotrophic_respiration"] = np.full(shape, 90.0)
    annual["net_ecosystem_production"] = np.full(shape, npp - 90.0)
    annual["heterotrophic_respiration_thawed_permafrost"] = np.full(shape, exposed / 10)
    annual["exposed_carbon"] = np.full(shape, exposed)
    return annual


@pytest.fixture
def folder(tmp_path):
    with NetcdfSink(tmp_path, "r", GRID, attributes=ATTRIBUTES, heat_edges=DEFAULT_EDGES, write_states=False) as sink:
        for stage, numbers in (
            (StageInfo("historical", 2005, 2014), (1.0, 100.0, 0.0)),
            (StageInfo("ssp585", 2015, 2024, "historical", True), (9.5, 120.0, 50.0)),
            (StageInfo("ssp585_no_thaw", 2015, 2024, "historical"), (9.5, 110.0, 0.0)),
        ):
            sink.write(stage, slice(0, 3), slice(0, stage.years), {"annual": fields(stage, *numbers)})
        sink.finish({})
    return tmp_path


def region(folder, stages=STAGES) -> regional.Region:
    return regional.read({"": Files(folder, "r")}, "historical", stages, (2010, 2015))


def test_regional_series(folder):
    data = region(folder)
    assert data.names == (WITH_THAW, WITHOUT_THAW) and data.scenarios == ("ssp585",) and data.permafrost
    s = region_page.Joined(data, "ssp585")
    assert s.years.tolist() == list(range(2005, 2025))
    assert s.permafrost_area[0] == pytest.approx(3.0) and s.permafrost_area[-1] == pytest.approx(1.0)  # 1e6 km2
    assert s.active_layer()[0] == pytest.approx((1.0 * 1 + 2.0 * 2) / 3)
    assert s.active_layer()[-1] == pytest.approx((9.5 * 1 + 10.0 * 2) / 3)  # at most 10 m a cell
    assert s.active_layer(frozen=True)[-1] == pytest.approx(9.5)
    assert s.total("net_primary_production")[0] == pytest.approx(100.0 * 3e12 * 1e-15, rel=1e-6)  # g m-2, 3e12 m2: Pg
    assert s.cumulative("exposed_carbon")[-1] == pytest.approx(50.0 * 10 * 3e12 * 1e-15, rel=1e-6)
    assert s.cumulative("exposed_carbon")[9] == 0.0


def test_what_undisturbed_ground_does_counts_with_its_share(tmp_path):
    """A cell of 1, 2 and 4e12 m2, the last without permafrost; of the second a quarter has thawed abruptly."""
    name = "heterotrophic_respiration_thawed_permafrost"
    stage = StageInfo("historical", 2005, 2014)
    given = fields(stage, 1.0, 100.0, 80.0)
    given["abrupt_thaw_area"] = np.array([[0.0], [0.25], [0.5]]) + np.zeros((3, stage.years))
    with NetcdfSink(tmp_path, "r", GRID, attributes=ATTRIBUTES, heat_edges=DEFAULT_EDGES, write_states=False) as sink:
        sink.write(stage, slice(0, 3), slice(0, stage.years), {"annual": given})
        sink.finish({})
    r = regional.read({"": Files(tmp_path, "r")}, "historical", {}, (2010, 2015)).history
    assert r.total(name)[0] == pytest.approx(8.0 * 3e-3, rel=1e-5)
    assert r.total(regional.undisturbed(name))[0] == pytest.approx(8.0 * (1 + 0.75 * 2) * 1e-3, rel=1e-5)


def headline(data, *printed):
    return {(row.quantity, row.scenario): row for row in region_page.headline(data, regional.published(*printed))}


def test_headline_table(folder):
    rows = headline(region(folder), "liu2024_headline")
    assert rows["exposed permafrost C", "ssp585"].published == 251.57
    assert rows["decomposed share", "ssp585"].ours == pytest.approx(10.0, rel=1e-5)
    assert rows["NPP due to thaw", "ssp585"].ours == pytest.approx(10.0 * 10 * 3e12 * 1e-15, rel=1e-4)
    assert rows["change of ecosystem C", "ssp585"].ours == pytest.approx(30.0 * 10 * 3e12 * 1e-15, rel=1e-4)
    text = regional.as_text(list(rows.values()), "caption", "Liu 2024")
    assert "Liu 2024" in text and "251.6" in text
    text = regional.as_text(list(headline(region(folder)).values()), "caption")
    assert "251.6" not in text and "exposed permafrost C" in text


def test_every_published_number_has_a_line(folder):
    shown = [row for row in headline(region(folder), "liu2024_headline").values() if row.published is not None]
    printed = [key for key in regional.published("liu2024_headline") if key[1] in ("historical", "ssp585")]
    assert len(shown) == len(printed)


def test_history_alone_has_a_headline_and_a_page(folder, tmp_path):
    data = region(folder, {})
    rows = headline(data)
    assert {s for _, s in rows} == {"historical"} and rows["NPP", "historical"].note == "2010-2014"
    assert rows["NPP", "historical"].ours == pytest.approx(100.0 * 3e12 * 1e-15, rel=1e-6)
    pytest.importorskip("matplotlib", reason="needs the extra 'plots'")
    assert region_page.draw(data, tmp_path / "page.png", "title").stat().st_size > 20_000


def test_a_region_without_permafrost_is_summed_over_all_cells(tmp_path):
    stage = StageInfo("historical", 2005, 2014)
    with NetcdfSink(tmp_path, "r", GRID, attributes=ATTRIBUTES, heat_edges=DEFAULT_EDGES, write_states=False) as sink:
        annual = {"active_layer_thickness": np.full((3, 10), 60.5), "net_primary_production": np.full((3, 10), 100.0)}
        sink.write(stage, slice(0, 3), slice(0, 10), {"annual": annual})
        sink.finish({})
    data = region(tmp_path, {})
    assert not data.permafrost and data.chosen.all()
    rows = headline(data)
    assert rows["NPP", "historical"].ours == pytest.approx(100.0 * 7e12 * 1e-15, rel=1e-6)
    assert ("mean ALT", "historical") not in rows and rows["permafrost area", "historical"].ours == 0.0


def test_missing_files_are_named(folder):
    with pytest.raises(InputError, match=r"r_ssp126_annual.nc: annual file not found"):
        region(folder, {("ssp126", "", WITH_THAW): "ssp126"})
