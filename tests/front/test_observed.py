"""What was observed at a site, from the tables that people have, and how a fit weighs it."""

import numpy as np
import pandas as pd
import pytest

import jtem
from jtem.front import calibration


def test_a_wide_table_of_months_and_depths():
    table = pd.DataFrame(
        {"year": [2004, 2004], "month": [1, 7], "nee (gC m-2 month-1)": [3.0, -40.0], "soil_temperature_0.1m": [-12.0, 9.0],
         "ts_40cm (K)": [262.15, 274.15], "gpp (gC m-2 month-1)": [np.nan, 90.0], "gpp_error": [np.nan, 4.0], "wind": [1.0, 2.0]}
    )  # fmt: skip
    found, notes = calibration.observed(table, "here", {})
    rows = {(str(s), float(d), float(m)): float(v) for s, d, m, v in zip(
        found["stream"].values, found["depth"].values, found["month"].values, found["value"].values, strict=True
    ) if np.isfinite(d)}  # fmt: skip
    assert rows == {("soil_temperature", 0.1, 1): -12.0, ("soil_temperature", 0.1, 7): 9.0,
                    ("soil_temperature", 0.4, 1): -11.0, ("soil_temperature", 0.4, 7): 1.0}  # fmt: skip
    nep = found["value"].values[found["stream"].values == "nep"]
    assert nep.tolist() == [-3.0, 40.0] and not notes
    gpp = found.isel(observation=found["stream"].values == "gpp")
    assert gpp.sizes["observation"] == 1 and gpp["error"].item() == 4.0
    weighed, said = calibration._with_errors(found, {"soil_temperature": 0.5})
    assert set(weighed["error"].values[found["stream"].values == "soil_temperature"]) == {0.5}
    assert said == ["error of 'nep' not stated: the standard deviation of its values, 21.5"]


def test_yearly_values_and_the_long_form(tmp_path):
    yearly = pd.DataFrame({"year": [2004, 2005], "active_layer_thickness (cm)": [55.0, 60.0]})
    found, _ = calibration.observed(yearly, "here", {})
    np.testing.assert_allclose(found["value"].values, [0.55, 0.60])
    assert np.isnan(found["month"].values).all()
    long = pd.DataFrame(
        {"variable": ["gpp", "nee"], "year": 2004, "month": 7, "value": [90.0, -40.0], "unit": "gC m-2 month-1"}
    )
    found, _ = calibration.observed(long, "here", {})
    assert sorted(found["value"].values.tolist()) == [40.0, 90.0]
    long.assign(site="here").to_csv(tmp_path / "long.csv", index=False)
    assert calibration.observed(str(tmp_path / "long.csv"), "here", {})[0].sizes["observation"] == 2


def test_wrong_tables_of_observations_are_refused():
    with pytest.raises(jtem.InputError, match="'nep' needs a month; add the column 'month'"):
        calibration.observed(pd.DataFrame({"year": [2004], "nep": [1.0]}), "here", {})


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("nep", 1.0, r"'nep' has no unit, expected gC m-2 month-1 .* or in the header, as 'nep \(gC m-2 month-1\)'"),
        ("ts_1", 1.0, r"is 'ts_1' at 1 m or cm, or sensor 1\? name the column with its depth, as 'ts_10cm'"),
        ("ts_10cm", 41.0, r"'ts_10cm': 'soil_temperature' has no unit and the median 41, degC or degF"),
    ],
)
def test_units_and_depths_are_asked_for(column, value, message):
    table = pd.DataFrame({"year": [2004], "month": [7], column: [value]})
    with pytest.raises(jtem.InputError, match=message):
        calibration.observed(table, "here", {})
    days = pd.DataFrame({"nep": np.ones(60)}, index=pd.date_range("2004-01-01", periods=60))
    with pytest.raises(jtem.InputError, match="rows are not months; average them to months"):
        calibration.observed(days, "here", {})
    with pytest.raises(jtem.InputError, match="'gpp' is in 'furlong', expected gC m-2 month-1"):
        calibration.observed(pd.DataFrame({"year": [2004], "month": [7], "gpp (furlong)": [1.0]}), "here", {})
    with pytest.raises(jtem.InputError, match=r"nowhere.csv: table cannot be read"):
        calibration.observed("nowhere.csv", "here", {})
