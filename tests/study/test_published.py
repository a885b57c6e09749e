"""A paper inverted: its numbers from yearly totals, derivatives by coordinates, what a plan must say."""

import dataclasses
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from jtem.assemble.calibration import case
from jtem.errors import InputError
from jtem.files import read_table
from jtem.plan import calibration as plans
from jtem.report import liu2022, liu2024
from jtem.report.regional import Region, RegionalResult
from jtem.report.statements import judge
from jtem.study.calibration import published
from jtem.study.calibration.printed import PAPERS, Course, PrintedPaper, Stage
from jtem.study.calibration.problem import Free

PAST = {"liu2024": np.arange(2000, 2016), "liu2022": np.arange(2000, 2021)}
YEARS = {"liu2024": np.arange(2016, 2101), "liu2022": np.arange(2021, 2100)}


SCENARIOS = {"liu2024": ("ssp126", "ssp585"), "liu2022": ("rcp45", "rcp85")}
COMMUNITIES = ("alpine_meadow", "alpine_steppe", "alpine_desert")


def course(name: str) -> Course:
    past, years = PAST[name], YEARS[name]
    stages: dict[Stage, np.ndarray] = {"": np.arange(past.size)}
    start = past.size
    for scenario in SCENARIOS[name]:
        for run in PAPERS[name].runs:
            stages[scenario, run] = np.arange(start, start + years.size)
            start += years.size
    return Course(stages, np.concatenate([past, *[years] * 2 * len(PAPERS[name].runs)]))


def outputs(rng, columns: int, name: str = "liu2024") -> np.ndarray:
    """(column, row, time) in g m-2; every third column without permafrost."""
    paper = PAPERS[name]
    size = course(name).years.size
    y = rng.uniform(50.0, 400.0, (columns, len(paper.scalars) + 25 * len(paper.layered), size))
    y[:, 0] = rng.uniform(1.0, 4.0, (columns, size))
    y[::3, 0] += 10.0
    y[:, paper.scalars.index("heterotrophic_respiration"), PAST[name].size :] += 300.0
    return y


def regional(keys, name: str = "liu2024") -> Any:
    """As far as reduction needs it."""
    made: Any = object.__new__(published.Regional)
    made.course, made.keys, made.paper = course(name), tuple(keys), PAPERS[name]
    made.problem = SimpleNamespace(communities=COMMUNITIES)
    made._rows = published.rows_of(made.paper)
    return made


def region_of(name: str, y: np.ndarray, area: np.ndarray, site: np.ndarray, chosen: np.ndarray) -> Region:
    """The region of the report that has the same outputs."""
    paper, rows = PAPERS[name], published.rows_of(PAPERS[name])
    groups = {g: chosen & (np.array(COMMUNITIES)[site] == g) for g in COMMUNITIES}

    def result(stage: Stage, years: np.ndarray) -> RegionalResult:
        at = course(name).stages[stage]

        def totals(mask: np.ndarray) -> dict[str, np.ndarray]:
            made = {n: 1e-3 * np.einsum("c,ct->t", area * mask, y[:, rows[n].start][:, at]) for n in paper.scalars}
            for n in paper.layered:
                made[n] = 1e-3 * np.einsum("c,clt->tl", area * mask, y[:, rows[n]][:, :, at])
            return made | {n: np.zeros(at.size) for n in ("exposed_carbon", "exposed_organic_nitrogen", "vegetation_carbon")
                           if n not in made}  # fmt: skip

        depth = y[:, 0][:, at].T
        split = {g: totals(mask) for g, mask in groups.items()}
        return RegionalResult(years, totals(chosen), split, {}, depth, (depth < 10.0).astype(float))

    return Region(
        histories={"": result("", PAST[name])},
        runs={(s, "", r): result((s, r), YEARS[name]) for s in SCENARIOS[name] for r in paper.runs},
        stages={}, area=area, chosen=chosen, permafrost=True, scenarios=SCENARIOS[name], members=("",),
        names=paper.runs, title="", latitude=np.full(6, 65.0), longitude=np.zeros(6), community=np.array(COMMUNITIES)[site],
    )  # fmt: skip


def all_keys(paper: PrintedPaper, name: str) -> list[tuple[str, str]]:
    """Keys of the printed numbers."""
    printed = [key for table in paper.tables for key in liu2024.regional.published(table)]
    return [key for key in printed if key[0] in paper.keys]


@pytest.mark.parametrize("name", ["liu2024", "liu2022"])
def test_numbers_are_those_of_the_report(name, monkeypatch):
    rng = np.random.default_rng(4)
    y, area = outputs(rng, 6, name), rng.uniform(1e11, 2e12, 6)
    site, chosen = np.array([0, 0, 1, 1, 1, 2]), np.array([False, True, True, False, True, True])
    keys = all_keys(PAPERS[name], name)
    assert {key for key, _ in keys} == set(PAPERS[name].keys)
    if name == "liu2022":  # totals are those of the printed area
        monkeypatch.setattr("jtem.study.calibration.printed.AREA_2022", area[chosen].sum())
    found, _ = regional(keys, name).reduce(y, np.zeros((6, 1, *y.shape[1:])), area, site)
    lines = _headline_by_key(
        region_of(name, y, area, site, chosen), {key: float(k) for k, key in enumerate(keys)}, name
    )
    for key, value in zip(keys, found, strict=True):
        if not key[0].startswith("stated_"):
            np.testing.assert_allclose(value, lines[key], rtol=1e-9, err_msg=str(key))


def test_what_lacks_of_statements_is_zero_where_the_report_calls_them_true(monkeypatch):
    """On regions at random, where each of them is true in some and false in others."""
    rows = read_table("published", "liu2022_statements.csv")
    keys = [(row["key"], row["scenario"]) for row in rows]
    text = {(row["key"], row["scenario"]): row["note"] for row in rows}
    site, chosen = np.array([0, 0, 1, 1, 1, 2]), np.array([False, True, True, False, True, True])
    monkeypatch.setattr("jtem.study.calibration.printed.MARGIN", 0.0)
    seen: dict[str, set[bool]] = {}
    for seed in range(12):
        rng = np.random.default_rng(seed)
        y, area = outputs(rng, 6, "liu2022"), rng.uniform(1e11, 2e12, 6)
        y[2:5] *= rng.uniform(0.3, 1.5)
        y[3, 0] += 10.0  # still without permafrost
        found, _ = regional(keys, "liu2022").reduce(y, np.zeros((6, 1, *y.shape[1:])), area, site)
        judged = judge(region_of("liu2022", y, area, site, chosen), "liu2022")
        holds = {(j.statement.text, j.scenario): j.holds for j in judged}
        for key, lacking in zip(keys, found, strict=True):
            assert (lacking == 0.0) == holds[text[key], key[1]], (seed, key, lacking)
            seen.setdefault(key[0], set()).add(bool(lacking == 0.0))
    assert all(len(both) == 2 for both in seen.values()), seen


def _headline_by_key(region: Region, marked: dict[tuple[str, str], float], name: str) -> dict[tuple[str, str], float]:
    """Lines of the report by key: the printed value that it puts beside tells which is which."""
    original = liu2024.regional.published
    liu2024.regional.published = lambda *_: marked
    try:
        lines = liu2024.headline(region, {}) if name == "liu2024" else liu2022.headline(region, {})[0]
    finally:
        liu2024.regional.published = original
    keys = list(marked)
    return {keys[int(line.published)]: line.ours for line in lines if line.published is not None}


def test_derivatives_of_numbers_are_those_of_differences():
    rng = np.random.default_rng(5)
    y, area = outputs(rng, 5), rng.uniform(1e11, 2e12, 5)
    model = regional(
        [("decomposed_share", "ssp585"), ("active_layer_increase", "ssp126"), ("emission_share_1_2m", "ssp126")]
    )
    direction = rng.normal(0.0, 1.0, (5, 2, *y.shape[1:]))
    site = np.zeros(5, int)
    _, slope = model.reduce(y, direction, area, site)
    for k in range(2):
        up, down = (model.reduce(y + h * direction[:, k], direction, area, site)[0] for h in (1e-5, -1e-5))
        np.testing.assert_allclose(slope[:, k], (up - down) / 2e-5, rtol=1e-5)


def test_a_derivative_of_rough_heat_is_no_slope():
    """1e19 m of thaw per unit in one column along one direction; the others stay."""
    model: Any = object.__new__(published.Regional)
    y, slope = np.full((3, 2, 4), 2.0), np.full((3, 2, 2, 4), 5.0)
    slope[1, 0, 1, 2] = 1e19
    np.testing.assert_array_equal(model.rough(np.array([1.0, 3.0]), y, slope), [[0, 0], [1, 0], [0, 0]])
    slope[2, 1, 0, 3] = np.inf
    assert model.rough(np.array([1.0, 3.0]), y, slope)[2].tolist() == [False, True]


def test_factors_and_values_move_the_columns_of_their_communities():
    model: Any = object.__new__(published.Regional)
    vectors = np.array([[2.0, 5.0], [3.0, 5.0], [4.0, 5.0]])
    model.columns = SimpleNamespace(vectors=vectors)
    free = (
        Free("a", ("x",), 0.1, 9.0, mode="factor"),
        Free("b", ("y",), 0.1, 9.0),
        Free("c", ("x",), 0.1, 9.0, mode="factor"),
    )
    model.problem = SimpleNamespace(free=free)
    model.applies = np.array([[True, True, True], [True, True, False]])
    model.index = np.array([[0, 1, 2], [0, 1, 0]])
    model.site_of = np.array([0, 0, 1])
    model._places = [[[0]], [[1]], [[0]]]
    moved, steps = model.moved(np.array([0.5, 7.0, 10.0]))
    np.testing.assert_allclose(moved, [[10.0, 7.0], [15.0, 7.0], [2.0, 7.0]])
    np.testing.assert_allclose(steps[0], [[20.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    np.testing.assert_allclose(steps[2], [[4.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    np.testing.assert_allclose(vectors[:, 1], 5.0)


def test_thinned_columns_stand_for_all_of_their_community():
    names = ["forest"] * 30 + ["tundra"] * 12 + ["desert"]
    area = np.linspace(1.0, 2.0, 43)
    air = np.random.default_rng(2).permutation(43).astype(float)
    rows, areas = published.thinned(names, area, air, 10)
    assert 10 <= rows.size <= 12 and np.all(np.diff(rows) > 0)
    ranks = np.argsort(np.argsort(air[:30]))[rows[rows < 30]]  # every fourth or fifth of the 30 from cold to warm
    assert np.all(np.diff(np.sort(ranks)) >= 4) and np.all(np.diff(np.sort(ranks)) <= 5)
    for first, last in ((0, 30), (30, 42), (42, 43)):
        mine = (rows >= first) & (rows < last)
        np.testing.assert_allclose(areas[mine].sum(), area[first:last].sum())
    np.testing.assert_array_equal(published.thinned(names, area, air, 0)[0], np.arange(43))


RUN = """
[plan]
name = "liu2024"
[domain]
source = "embedded"
[model]
permafrost = "layered_concentration"
[spinup]
heat_years = 12
[history]
climate = "historical+ssp126"
first = 2008
last = 2015
[permafrost]
base_years = [2015, 2015]
nitrogen = "observed"
[factorial]
runs = "liu2024"
scenarios = ["ssp126", "ssp585"]
first = 2016
last = 2028
base_year = 2015
"""
SEARCH = {
    "calibration": {"name": "inverted"},
    "data": [{"source": "published", "path": "run.toml", "columns": 4, "streams": ["exposed_carbon", "npp_by_thaw"]}],
    "model": {"permafrost": "layered_concentration", "precision": "mixed", "parameters": ["liu2024", "deep_active_layer"]},
    "errors": {"relative": {"all": 0.2}},
    "parameter": [
        {"name": ["permafrost.e_folding_depth"], "bounds": [0.3, 20.0], "start": 3.0},
        {
            "name": ["decomposition.rate_slope", "decomposition.rate_intercept"], "label": "kd", "mode": "factor",
            "bounds": [0.05, 1.5], "start": 0.3,
        },
    ],
}  # fmt: skip


def opened(folder, change=lambda sections: None, text=RUN):
    (folder / "run.toml").write_text(text)
    sections = {
        key: [dict(p) for p in value] if isinstance(value, list) else dict(value) for key, value in SEARCH.items()
    }
    change(sections)
    return case(dataclasses.replace(plans.from_dict(sections), where=str(folder / "search.toml")), None)


def test_a_plan_gives_columns_runs_and_printed_numbers(tmp_path):
    made = opened(tmp_path)
    model = made.model
    assert isinstance(model, published.Regional)
    assert [stage.name for stage in model.columns.stages][:4] == [
        "historical",
        "ssp126_S_Trans",
        "ssp126_S_PF",
        "ssp126_S_CO2",
    ]
    assert model.columns.columns in range(4, 9) and model.names == ("permafrost.e_folding_depth", "kd")
    assert list(made.problem.observations.value) == [119.3, 251.57, 2.18, 5.34]
    np.testing.assert_allclose(made.problem.observations.error, 0.2 * made.problem.observations.value)
    assert model.columns.cells.soil_nitrogen_profile is not None
    assert sum(part.size for part in model.course.stages.values()) == model.course.years.size


def test_profiles_of_frozen_ground_can_be_scaled(tmp_path):
    models: list[Any] = [
        opened(tmp_path, text=RUN.replace("[permafrost]", f"[permafrost]\nprofile_scale = {scale}")).model
        for scale in (1.0, 0.75)
    ]
    plain, less = (model.columns.cells for model in models)
    np.testing.assert_array_equal(less.soil_carbon_profile, 0.75 * plain.soil_carbon_profile)
    np.testing.assert_array_equal(less.soil_nitrogen_profile, 0.75 * plain.soil_nitrogen_profile)
    assert plain.soil_carbon_profile.max() > 0


@pytest.mark.parametrize(
    ("change", "text", "match"),
    [
        (lambda s: s["data"][0].update(streams=["exposed_carbn"]), RUN, "did you mean 'exposed_carbon'"),
        (lambda s: s["data"][0].update(path=""), RUN, "needs 'path', the run plan"),
        (lambda s: s["errors"].update(relative={"npp_by_thaw": 0.0}), RUN, "the error of 'npp_by_thaw' is 0"),
        (lambda s: s["data"].append({"source": "alaska"}), RUN, "'published' stands alone"),
        (lambda s: None, RUN.replace('"liu2024"\nscenarios', '["", "co2"]\nscenarios'), "numbers of paper ''"),
        (lambda s: None, RUN + '[report]\npaper = "liu2022"\n', "has no run 'ssp126_S_T'"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, change, text, match):
    with pytest.raises(InputError, match=match):
        opened(tmp_path, change, text)


@pytest.mark.slow
def test_the_jacobian_through_the_factorial_is_that_of_differences(tmp_path):
    """Equilibrium, history, base of the permafrost and six runs of a few columns, against central differences."""

    def few(sections):
        sections["data"][0].update(
            columns=1, streams=["decomposed_carbon", "rh_by_thaw", "ecosystem_carbon_change", "soil_carbon"]
        )
        sections["model"]["precision"] = "float64"

    model = opened(tmp_path, few).model
    _, slope = model.sensitivity(model.start_values[None])
    for k, value in enumerate(model.start_values):
        step = np.zeros(model.start_values.size)
        step[k] = 1e-4 * value
        up, down = (model.sensitivity((model.start_values + sign * step)[None])[0][0] for sign in (1.0, -1.0))
        differences = (up - down) / (2.0 * step[k])
        np.testing.assert_allclose(slope[0][:, k], differences, rtol=1e-5, atol=1e-10)
    assert (slope[0] != 0.0).sum() == slope[
        0
    ].size - 1  # soil carbon before the base year does not know the e-folding depth
    assert jnp.isfinite(slope).all()
