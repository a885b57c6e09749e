"""Plans as dictionaries and as text."""

import tomllib

import pytest

import jtem
from jtem.front import plans

CONTENT = {
    "plan": {"name": "a", "title": 'with "quotes" and \\ and\nlines'},
    "domain": {"source": "embedded", "sites": ["US-Prr", "Toolik"], "climate": {"a b": ["x.nc"]}},
    "history": {"first": 1990, "last": 2014},
    "scenario": [{"name": "one", "first": 2015}, {"name": "two", "expose": False, "share": 0.25}],
}


def test_text_says_what_the_dictionary_says():
    assert tomllib.loads(plans.text_of(CONTENT)) == CONTENT


def test_a_plan_is_a_path_a_text_or_a_dictionary(tmp_path):
    content = {k: v for k, v in CONTENT.items() if k in ("plan", "history")} | {
        "domain": {"source": "embedded", "sites": ["Toolik"]}
    }
    text = plans.text_of(content)
    path = tmp_path / "plan.toml"
    path.write_text(text)
    for plan in (path, str(path), text, content):
        model = jtem.open(plan)
        assert tomllib.loads(model.plan()) == content
        assert "Toolik" in model.plan() and repr(model).startswith("<jtem model of 'a': permafrost layered")
    shorter = model.plan(years=(2000, 2005), annual=["nep"])
    assert tomllib.loads(shorter)["history"] == {"first": 2000, "last": 2005, "goes_on": True}
    later = model.plan(years=(2000, content["history"]["last"]))
    assert "goes_on" not in tomllib.loads(later)["history"]


def test_wrong_plans_are_refused(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text("[plan\n")
    with pytest.raises(jtem.InputError, match="not valid TOML"):
        jtem.open(path)
    with pytest.raises(jtem.InputError, match="unknown section"):
        jtem.open({"plan": {"name": "a"}, "domian": {}}).check()


def test_words_of_the_ground_stay_words_in_a_plan():
    model = jtem.Model("US-Prr", permafrost="none")
    assert model.check(years=(2000, 2001)).model.soil_grid == "default"
    assert model.replace(soil_grid="fine").check(years=(2000, 2001)).model.soil_grid == "fine"
    with pytest.raises(jtem.InputError, match="soil_grid 'fin' is unknown; did you mean 'fine'"):
        model.replace(soil_grid="fin")
