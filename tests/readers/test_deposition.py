"""Nitrogen deposition from a table, and through a plan."""

import numpy as np
import pytest

from jtem import plan
from jtem.assemble import course
from jtem.errors import InputError
from jtem.readers import deposition

TABLE = "year;ssp126 (gN m-2 a-1);deposition (kg N ha-1 yr-1)\n2000;0,1;3,65\n2001;0,2;7,3\n"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "nitrogen.csv"
    path.write_text(TABLE)
    return path


def test_amounts_lie_evenly_over_the_days(table):
    found = deposition.monthly(table, "historical", 2000, 2001)
    np.testing.assert_allclose(found[:, 0], [0.031, 0.062])
    np.testing.assert_allclose(found.sum(axis=1), [0.365, 0.73])
    np.testing.assert_allclose(deposition.monthly(table, "ssp126", 2001, 2001).sum(), 0.2)


@pytest.mark.parametrize(
    ("text", "years", "said"),
    [
        (TABLE, (1999, 2001), "deposition of 1999 is missing"),
        ("year,deposition\n2000,1\n", (2000, 2000), r"'deposition' has no unit; write it in the header"),
        ("year,deposition (mg)\n2000,1\n", (2000, 2000), r"'deposition' is in 'mg', expected 'gN m-2 a-1'"),
        ("year,other\n2000,1\n", (2000, 2000), "no column 'historical' or 'deposition'"),
        ("year,deposition (g m-2 year-1)\n2000,30\n", (2000, 2000), "30, outside 0 to 20 gN m-2 a year"),
        ("year,deposition (gN/m2/yr)\n2000,1\n2000,1\n", (2000, 2000), "2000 stands twice"),
    ],
)
def test_tables_that_are_refused(tmp_path, text, years, said):
    path = tmp_path / "nitrogen.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        deposition.monthly(path, "historical", *years)


def test_a_plan_adds_it_to_the_climate(table):
    sections = {
        "plan": {"name": "deposited"},
        "domain": {"source": "embedded", "sites": ["US-Prr"], "nitrogen_deposition": str(table)},
        "model": {"nitrogen": "open", "permafrost": "none"},
        "spinup": {"cycle": [2000, 2001]},
        "history": {"first": 2000, "last": 2001},
    }
    prepared = course.prepare(plan.from_dict(sections), None)
    history = prepared.experiment.stages[0].climate(np.array([0]))
    np.testing.assert_allclose(np.asarray(history.nitrogen_input).sum(axis=2), [[0.365, 0.73]])
    sections["model"] = {"permafrost": "none"}
    with pytest.raises(
        InputError, match='nitrogen_deposition enters only where nitrogen is open; set nitrogen = "open"'
    ):
        plan.from_dict(sections)
