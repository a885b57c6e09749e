"""Regional numbers from files with known values."""

import numpy as np
import pytest

from jtem.errors import InputError
from jtem.physics.soil_heat import DEFAULT_EDGES
from jtem.records import Grid, StageInfo
from jtem.report import diagnostics
from jtem.writers.netcdf import NetcdfSink

GRID = Grid(
    latitude=np.array([70.0, 60.0, 50.0]),
    longitude=np.array([0.0, 10.0, 20.0]),
    area=np.array([1e6, 2e6, 4e6]),
    column_cell=np.arange(3),
    column_fraction=np.ones(3),
)
ATTRIBUTES = {"title": "t", "institution": "unspecified"}


def fields(stage: StageInfo, thaw: float, npp: float, exposed: float) -> dict:
    shape = (3, stage.years)
    annual = {name: np.full(shape, 1000.0) for name in diagnostics.NEEDED}
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


def test_regional_series(folder):
    results = diagnostics.all_series(folder, "r", "historical", ["ssp585"])
    assert set(results) == {"ssp585", "ssp585_no_thaw"}
    s = results["ssp585"]
    assert s.years.tolist() == list(range(2005, 2025))
    assert s.area[0] == pytest.approx(3.0) and s.area[-1] == pytest.approx(1.0)  # 1e6 km2
    assert s.active_layer[0] == pytest.approx((1.0 * 1 + 2.0 * 2) / 3)
    assert s.active_layer[-1] == pytest.approx((9.5 * 1 + 10.0 * 2) / 3)  # at most 10 m a cell
    assert s.active_layer_frozen[-1] == pytest.approx(9.5)
    assert s.totals["npp"][0] == pytest.approx(100.0 * 3e12 * 1e-15, rel=1e-6)  # g m-2 over 3e12 m2 in Pg
    assert s.cumulative("exposed")[-1] == pytest.approx(50.0 * 10 * 3e12 * 1e-15, rel=1e-6)
    assert s.cumulative("exposed")[9] == 0.0


def test_headline_table(folder):
    results = diagnostics.all_series(folder, "r", "historical", ["ssp585"])
    rows = {(row.quantity, row.scenario): row for row in diagnostics.headline(results, ["ssp585"])}
    assert rows["exposed permafrost C", "ssp585"].published == 251.57
    assert rows["decomposed share", "ssp585"].value == pytest.approx(10.0, rel=1e-5)
    assert rows["NPP due to thaw", "ssp585"].value == pytest.approx(10.0 * 10 * 3e12 * 1e-15, rel=1e-4)
    assert rows["change of ecosystem C", "ssp585"].value == pytest.approx(30.0 * 10 * 3e12 * 1e-15, rel=1e-4)
    text = diagnostics.text_table(list(rows.values()), "caption")
    assert "Liu 2024" in text and "251.6" in text


def test_every_published_number_has_a_line(folder):
    results = diagnostics.all_series(folder, "r", "historical", ["ssp585"])
    shown = [row for row in diagnostics.headline(results, ["ssp585"]) if row.published is not None]
    printed = [key for key in diagnostics.published() if key[1] in ("historical", "ssp585")]
    assert len(shown) == len(printed)


def test_missing_files_are_named(folder):
    with pytest.raises(InputError, match=r"r_ssp126_annual.nc: annual file not found"):
        diagnostics.all_series(folder, "r", "historical", ["ssp126"])
