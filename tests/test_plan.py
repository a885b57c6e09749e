import dataclasses

import pytest

from jtem import plan
from jtem.errors import InputError
from jtem.files import resolve
from jtem.physics import permafrost

GOOD = """
[plan]
name = "small"
[domain]
source = "embedded"
sites = ["Toolik"]
[model]
permafrost = "thaw_ratio"
precision = "float64"
nitrogen = "open"
[spinup]
years = 20
cycle = [1850, 1852]
[history]
first = 1850
last = 2014
[[scenario]]
name = "ssp126"
climate = "ssp126"
first = 2015
last = 2020
[[scenario]]
name = "ssp126_no_thaw"
climate = "ssp126"
first = 2015
last = 2020
expose = false
[output]
monthly = ["gpp"]
"""


def test_words_become_objects():
    result = plan.parse(GOOD)
    assert result.model.permafrost is permafrost.SCHEMES["thaw_ratio"]
    assert result.model.precision.heat_dtype == "float64"
    assert result.model.open_nitrogen
    assert result.base_years == (2010, 2014)
    assert [s.follows for s in result.scenario] == [True, False]
    assert result.simulated_years == 165 + 12
    assert result.text == GOOD
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.plan.name = "other"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[spinup]\nyears", "[spinup]\nyeers", r"\[spinup\]: unknown key 'yeers'; did you mean 'years'"),
        (
            "[spinup]\n",
            '[spinup]\nmethod = "newton"\n',
            r"\[spinup\]: method 'newton' is unknown; known: repeat, equilibrium",
        ),
        ("[spinup]", "[spinpu]", r"unknown section \[spinpu\]; did you mean 'spinup'"),
        ('"thaw_ratio"', '"thawratio"', r"permafrost 'thawratio' is unknown; did you mean 'thaw_ratio'"),
        ('"float64"', '"double"', r"precision 'double' is unknown"),
        ('"open"', '"opened"', r"nitrogen 'opened' is unknown; did you mean 'open'"),
        ("years = 20", 'years = "20"', r"'years' is '20', expected a whole number"),
        ("years = 20", "years = -1", r"'years' is -1, expected a number within"),
        ("cycle = [1850, 1852]", "cycle = [1850]", r"'cycle' has 1 entries, expected \[first year, last year\]"),
        ('source = "embedded"', 'source = "embeded"', r"did you mean 'embedded'"),
        ("first = 1850", "first = 2050", r"ends in 2014 before it begins"),
        ("first = 2015\nlast = 2020\n[[", "first = 2016\nlast = 2020\n[[", r"set its 'first' to 2015"),
        ('"gpp"', '"gppp"', r"unknown output variable 'gppp'"),
        ('name = "small"', 'name = "a/b"', r"name 'a/b' begins file names"),
        ('name = "ssp126_no_thaw"', 'name = "ssp126"', r"must be unique"),
        ('name = "small"\n', "", r"\[plan\]: key 'name' is missing"),
        ("[plan]", "[plan", r"not valid TOML"),
        ('source = "embedded"', 'source = "cf_monthly"', r"needs 'static'"),
    ],
)
def test_a_wrong_plan_ends_with_one_sentence(old, new, says):
    assert old in GOOD
    with pytest.raises(InputError, match=says) as caught:
        plan.parse(GOOD.replace(old, new), "my_plan.toml")
    assert str(caught.value).startswith("my_plan.toml")
    assert "\n" not in str(caught.value)


def test_files_are_relative_to_the_data_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("JTEM_DATA", raising=False)
    (tmp_path / "a.nc").write_text("x")
    assert resolve("a.nc", tmp_path, "p") == tmp_path / "a.nc"
    with pytest.raises(InputError, match="--data DIR or the variable JTEM_DATA"):
        resolve("a.nc", None, "p")
    monkeypatch.setenv("JTEM_DATA", str(tmp_path))
    assert resolve("a.nc", None, "p").is_file()
    with pytest.raises(InputError, match=r"b.nc not found"):
        resolve("b.nc", None, "p")


def test_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="plan not found"):
        plan.read(tmp_path / "nothing.toml")
