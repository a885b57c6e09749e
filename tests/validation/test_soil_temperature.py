"""Soil temperature and thaw against TEM 6.0.6c (Bonanza Creek) and against measurements (Toolik)."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import reference_tem6
import toolik_soil_temperature

RMSE_LIMIT_DEGC = 0.9


@pytest.fixture(scope="module")
def bonanza_creek(shared_data):
    reference = reference_tem6.read(shared_data)
    series, design = reference_tem6.soil_heat(reference)
    return reference, series, reference_tem6.soil_temperature(reference, series, design)


@pytest.mark.slow
@pytest.mark.parametrize("depth", reference_tem6.DEPTHS_CM)
def test_bonanza_creek_temperature(bonanza_creek, depth):
    numbers = bonanza_creek[2]
    assert numbers[f"soil_temperature_{depth}cm_rmse_degC"] < RMSE_LIMIT_DEGC
    assert abs(numbers[f"soil_temperature_{depth}cm_bias_degC"]) < 0.4


@pytest.mark.slow
def test_bonanza_creek_active_layer(bonanza_creek):
    numbers = bonanza_creek[2]
    assert 0.5 < numbers["active_layer_median_m"] < 0.8
    assert numbers["active_layer_median_m"] == pytest.approx(numbers["file_largest_front_depth_median_m"], abs=0.1)


@pytest.mark.slow
def test_bonanza_creek_evapotranspiration_with_simulated_thaw(bonanza_creek):
    reference, series, _ = bonanza_creek
    score = reference_tem6.evapotranspiration(reference, series.months.thawed_root_depth, stores_of="run")
    assert score["rmse"] < 8.0
    assert score["r"] > 0.96


@pytest.mark.slow
def test_heat_closes(bonanza_creek):
    months = bonanza_creek[1].months
    assert np.abs(months.heat_residual).max() < 1e-9


@pytest.fixture(scope="module")
def toolik(shared_data):
    return toolik_soil_temperature.compare(shared_data)


@pytest.mark.slow
def test_toolik_maximum_thaw_within_the_measured(toolik):
    low, high = toolik_soil_temperature.MEASURED_MAXIMUM_THAW_CM
    assert low - 5.0 < toolik["maximum_thaw_smallest_cm"]
    assert toolik["maximum_thaw_largest_cm"] < high + 5.0


@pytest.mark.slow
def test_toolik_temperature_as_documented(toolik):
    """The uncalibrated column: a start, not an acceptance bar; the numbers of docs/validation.md."""
    documented = {"8p7": (4.6, -0.9), "16": (4.8, -2.3), "23p6": (4.4, -2.8), "46p3": (3.8, -2.4), "97p8": (3.6, -2.5)}
    assert toolik["months_compared"] == 159
    for depth, (rmse, bias) in documented.items():
        assert toolik[f"soil_temperature_{depth}cm_rmse_degC"] == pytest.approx(rmse, abs=0.15)
        assert toolik[f"soil_temperature_{depth}cm_bias_degC"] == pytest.approx(bias, abs=0.15)
        assert toolik[f"soil_temperature_{depth}cm_r2"] > 0.65


def test_script_without_data_says_one_sentence(monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("JTEM_DATA", raising=False)
    monkeypatch.setattr(sys, "argv", ["toolik_soil_temperature.py", "--data", str(tmp_path)])
    with pytest.raises(SystemExit) as exit_:
        toolik_soil_temperature.main()
    assert exit_.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
