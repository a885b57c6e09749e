"""Process by process against the original TEM 6.0.6c at Bonanza Creek, each fed with the file's inputs and states."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import reference_tem6

P95_LIMIT_PERCENT = 0.5

LISTED = (
    "potential_evapotranspiration",
    "rain",
    "snowfall",
    "snowmelt",
    "snowpack",
    "foliage",
    "unnormalized_leaf",
    "relative_leaf",
    "optimum_temperature",
    "potential_gpp",
    "litterfall",
    "top_of_atmosphere",
    "cloudiness",
    "photosynthetic_radiation",
    "npp_without_nitrogen_limitation",
)


@pytest.fixture(scope="module")
def reference(shared_data):
    return reference_tem6.read(shared_data)


@pytest.fixture(scope="module")
def errors(reference):
    return reference_tem6.processes(reference)


@pytest.fixture(scope="module")
def forms(reference):
    return reference_tem6.tem6_forms(reference)


def test_parameters_derived_from_texture(reference):
    for name, error in reference_tem6.derived_parameters(reference).items():
        assert error.max_percent < 1e-3, name


@pytest.mark.parametrize("name", LISTED)
def test_process(errors, name):
    assert errors[name].months > 200
    assert errors[name].p95_percent < P95_LIMIT_PERCENT


def test_every_process_is_listed(errors):
    assert set(errors) == set(LISTED)


@pytest.mark.parametrize(
    ("name", "limit_percent"),
    [
        ("tem6_maintenance_respiration", 0.02),
        ("tem6_evapotranspiration_reduction", 0.02),
        ("tem6_thawed_share", 0.02),
        ("tem6_decomposition", 0.6),  # the month's moisture is the mean of its ends; TEM 6 integrates
        ("tem6_decomposition_in_month", 0.6),
        ("tem6_maintenance_in_month", 0.05),
        ("potential_gpp_in_month", 0.5),
        ("litterfall_in_month", 0.5),
    ],
)
def test_tem6_forms_through_the_slots(forms, name, limit_percent):
    assert forms[name].p95_percent < limit_percent


def test_largest_errors_are_those_of_the_capped_leaf(reference, errors):
    """TEM 6 integrates the leaf's cap at 1 within the month, so its leaf is below ours there; nothing else is off."""
    assert errors["unnormalized_leaf"].max_percent < 3.5
    assert errors["potential_gpp"].max_percent < 3.0
    assert errors["foliage"].max_percent < 0.01
    assert errors["litterfall"].max_percent < 0.1


def test_free_phenology_chooses_the_same_month(reference):
    fed, free = reference_tem6.optimum_temperatures(reference)
    assert np.mean(np.abs(fed - free) < 1e-3) > 0.9


def test_evapotranspiration(reference):
    months = reference_tem6.HISTORY_YEARS * 12
    thaw = reference.thawed_root_depth[:months]
    restricted = reference_tem6.evapotranspiration(reference, thaw, stores_of="run")
    unrestricted = reference_tem6.evapotranspiration(
        reference, np.full(months, reference.rooting_depth), stores_of="run"
    )
    assert restricted["rmse"] < 4.5
    assert restricted["r"] > 0.99
    middle = reference_tem6.evapotranspiration(reference, thaw, stores_of="month_middle")
    assert middle["rmse"] < 1.0  # what is left above is TEM 6's integration within the month
    assert 10.0 < unrestricted["rmse"] < 12.0
    assert unrestricted["r"] == pytest.approx(0.950, abs=0.005)


def test_evapotranspiration_where_roots_are_always_thawed(shared_data):
    reference = reference_tem6.read(shared_data, "nostm")
    score = reference_tem6.evapotranspiration(
        reference, np.full(reference.months, reference.rooting_depth), stores_of="run"
    )
    assert score["rmse"] < 4.5
    assert score["r"] > 0.99


def test_script_without_data_says_one_sentence(monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("JTEM_DATA", raising=False)
    for arguments in (["reference_tem6.py", "--json"], ["reference_tem6.py", "--data", str(tmp_path)]):
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as exit_:
            reference_tem6.main()
        assert exit_.value.code == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert "tem_reference" in said.err
        assert said.err.count("\n") == 1


@pytest.mark.slow
def test_script_ends_with_one_flat_json_object(monkeypatch, capsys, shared_data):
    monkeypatch.setattr(sys, "argv", ["reference_tem6.py", "--data", str(shared_data), "--json"])
    reference_tem6.main()
    numbers = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert all(isinstance(value, float) for value in numbers.values())
    assert numbers["potential_gpp_p95_error_percent"] < P95_LIMIT_PERCENT
    assert numbers["soil_temperature_50cm_rmse_degC"] < 0.9
