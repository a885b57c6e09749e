import dataclasses
import json
import tomllib
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from jtem import plan
from jtem.assemble.model import design
from jtem.errors import InputError
from jtem.files import Inputs, data_path
from jtem.physics import permafrost
from jtem.plan import calibration, schema, toml

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


BEYOND = """
[plan]
name = "beyond"
[domain]
source = "embedded"
[model]
roots = "follow_thaw"
abrupt_thaw = "areas"
methane = "wetlands"
[history]
first = 1991
last = 2015
[factorial]
runs = "beyond"
scenarios = ["ssp126", "ssp585"]
first = 2016
[output]
annual = ["wetlandCH4", "landscape_carbon_balance", "rooting_depth"]
"""


def test_beyond_holds_what_its_runs_lack():
    made = plan.parse(BEYOND)
    assert made.paper == ""  # of no paper
    assert {run.name: set(run.held) for run in made.factorial.protocol} == {
        "S_Trans": set(), "S_Gradual": {"roots", "abrupt"}, "S_Abrupt": {"roots"}, "S_Roots": {"abrupt"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            'roots = "follow_thaw"\n',
            r"a run holds 'roots', which nothing moves; set roots = \"follow_thaw\" in \[model\]",
        ),
        (
            'abrupt_thaw = "areas"\n',
            r"a run holds 'abrupt', which nothing moves; set abrupt_thaw = \"areas\" in \[model\]",
        ),
        ('methane = "wetlands"\n', r"\[output\] 'wetlandCH4' needs methane = \"wetlands\" in \[model\]"),
    ],
)
def test_options_that_a_plan_needs_and_lacks(line, said):
    with pytest.raises(InputError, match=said):
        plan.parse(BEYOND.replace(line, ""))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            {"roots": "follow_thaw"},
            r"roots = \"follow_thaw\" needs matter below the active pool, which permafrost = \"tem6\"",
        ),
        ({"abrupt_thaw": "areas"}, r"abrupt_thaw = \"areas\" needs matter below the active pool"),
        ({"deep_nitrogen_losses": True}, r"deep_nitrogen_losses needs layers of thawed ground"),
    ],
)
def test_options_that_a_scheme_has_no_matter_for(words, said):
    sections = {"plan": {"name": "a"}, "domain": {"source": "embedded"}, "history": {"first": 2000, "last": 2001}}
    section = plan.from_dict(sections | {"model": {"permafrost": "tem6", **words}}).model
    with pytest.raises(InputError, match=said):
        design(section, "the plan")


def test_words_become_objects():
    result = plan.parse(GOOD)
    assert result.model.permafrost is permafrost.SCHEMES["thaw_ratio"]
    assert result.model.precision.heat_dtype == "float64"
    assert result.model.open_nitrogen and not result.model.two_water_layers
    assert plan.parse(GOOD.replace('nitrogen = "open"', 'soil_water = "two_layers"')).model.two_water_layers
    assert result.base_years == (2010, 2014)
    assert [s.follows for s in result.scenario] == [True, False]
    assert result.simulated_years == 165 + 12
    assert result.text == GOOD
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.plan.name = "other"  # pyright: ignore[reportAttributeAccessIssue]


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
    assert Inputs(tmp_path).find("a.nc", "p") == tmp_path / "a.nc"
    with pytest.raises(InputError, match="--data DIR or the variable JTEM_DATA"):
        Inputs().find("a.nc", "p")
    monkeypatch.setenv("JTEM_DATA", str(tmp_path))
    assert Inputs().find("a.nc", "p").is_file()
    with pytest.raises(InputError, match=r"b.nc not found"):
        Inputs().find("b.nc", "p")


def test_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="plan not found"):
        plan.read(tmp_path / "nothing.toml")


CALIBRATION = """
[calibration]
name = "fit"
[model]
nitrogen = "open"
[[data]]
source = "table"
path = "o.csv"
[[parameter]]
name = "soil_thermal.snow_density"
bounds = [150, 450.0]
"""


def test_a_calibration_takes_the_keys_of_a_runs_model():
    assert calibration.parse(CALIBRATION).model.open_nitrogen
    assert not calibration.parse(CALIBRATION.replace('nitrogen = "open"', "")).model.open_nitrogen
    with pytest.raises(InputError, match=r"unknown key 'nitrogn'; did you mean 'nitrogen'"):
        calibration.parse(CALIBRATION.replace("nitrogen", "nitrogn"))


@pytest.mark.parametrize(
    ("section", "says"),
    [
        (
            "[factorial]\nmembers = { warm = [1.2] }",
            r"'members.warm' has 1 entries, expected \[factor on warming, change of",
        ),
        ("[prepare]\nbox = [1.0, 2.0]", r"expected \[south, north, west, east\]"),
        ("[sensitivity]\nspread = 11", r"'spread' is 11, expected a number within 1e-06..10"),
        ('[sensitivity]\nmethods = ["adjont"]', r"methods 'adjont' is unknown; did you mean 'adjoint'"),
        ('[output]\nnetcdf = "yes"', "'netcdf' is 'yes', expected true or false"),
        ('[prepare]\nvegetation_kind = "biome"', "vegetation_kind 'biome' is unknown; did you mean 'biome4'"),
    ],
)
def test_every_key_says_what_it_may_be(section, says):
    with pytest.raises(InputError, match=says):
        plan.parse(GOOD[: GOOD.index("[output]")] + section)


def test_a_key_that_the_source_passes_over_is_refused():
    with pytest.raises(InputError, match=r"source 'embedded' does not take 'subdivide'.*climate_grid"):
        plan.parse(GOOD.replace("[model]", "subdivide = 2\n[model]"))


def test_words_that_differ_in_numbers_are_no_slips():
    text = GOOD.replace('source = "embedded"\nsites = ["Toolik"]', 'source = "cf_monthly"\nstatic = "s.nc"')
    text = text.replace("[model]", '[domain.climate]\nhistorical = ["h.nc"]\nssp585 = ["f.nc"]\n[model]')
    with pytest.raises(InputError, match=r"climate 'ssp245' has no files.*known: historical, ssp585"):
        plan.parse(text.replace('climate = "ssp126"', 'climate = "ssp245"'))


def test_a_plan_from_python_is_the_plan_of_its_text():
    given = {
        "plan": {"name": "small", "comment": 'a "b" \\ c'},
        "domain": {"source": "embedded", "sites": ("Toolik",), "stride": np.int64(1)},
        "history": {"first": 1990, "last": 2014},
        "scenario": [{"name": "s", "climate": "ssp126", "first": 2015, "last": 2020}],
        "output": {"annual": ["npp"], "state": False},
        "sensitivity": {"scales": np.array([0.25, 1.0]), "quantities": {"a b": "sum NPP 2015-2020"}},
    }
    made = plan.from_dict(given)
    assert dataclasses.replace(plan.parse(made.text), text="") == dataclasses.replace(made, text="")
    assert made.domain.sites == ("Toolik",) and made.plan.comment == 'a "b" \\ c'
    assert made.sensitivity.scales == (0.25, 1.0) and made.scenario[0].last == 2020
    given["domain"]["source"] = "embeded"
    with pytest.raises(InputError, match="did you mean 'embedded'"):
        plan.from_dict(given)
    with pytest.raises(InputError, match="give texts, numbers"):
        plan.from_dict({"plan": {"name": object()}})
    assert tomllib.loads(toml.dumps(toml.plain(given)))["scenario"][0]["name"] == "s"


ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("word", schema.PLANS)
def test_the_schema_takes_every_plan_and_refuses_what_reading_refuses(word):
    made = schema.schema(word)
    jsonschema.Draft202012Validator.check_schema(made)
    files = sorted(ROOT.glob("experiments/*/calibration/*.toml" if word == "calibration" else "experiments/*/*.toml"))
    files += [
        path for path in data_path("plans").glob("*.toml") if (path.stem == "calibration") == (word == "calibration")
    ]
    assert len(files) > 10
    for path in files:
        jsonschema.validate(tomllib.loads(path.read_text()), made)
    bad = json.loads(json.dumps(tomllib.loads(files[0].read_text())))
    bad["model"] = {"heat_substeps": 0}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(bad, made)


@pytest.mark.parametrize("word", schema.PLANS)
def test_every_key_is_explained_by_one_sentence(word):
    for section in toml.sections(schema.PLANS[word]):
        assert schema.first_paragraph(section.kind).endswith("."), section.name
        for key in toml.keys(section.kind):
            assert key.about.text.endswith("."), (section.name, key.name)
            assert f"| `{key.name}` |" in schema.markdown(word)


@pytest.mark.parametrize(
    ("after", "line", "goes_on", "last"),
    [
        ("historical", "", True, 2014),  # the scenario's years are there anyway
        ("historical", "goes_on = false", False, 2014),
        ("ssp126", "", False, 2009),
        ("", "", False, 2009),
        ("", "goes_on = true", True, 2010),  # a prepared store needs the January
    ],
)
def test_history_goes_on_where_all_that_follows_has_its_climate(after, line, goes_on, last):
    scenario = f'[[scenario]]\nname = "rest"\nclimate = "{after}"\nfirst = 2010\nlast = 2014\n' if after else ""
    text = GOOD.partition("[history]")[0] + f"[history]\nfirst = 1990\nlast = 2009\n{line}\n{scenario}"
    made = plan.parse(text)
    assert made.history_goes_on is goes_on and made.climate_years["historical"] == (1850, last)
