"""The papers' sentences as checks, on series with known answers."""

import dataclasses

import numpy as np
import pytest

from jtem.report import statements
from jtem.report.regional import Region, RegionalResult

YEARS = np.arange(2015, 2101)
RUNS_2024 = ("S_Trans", *statements.SINGLES, *(p for p in statements.PAIRS if p != "S_PF_Temp"))


def result(**totals: float | np.ndarray) -> RegionalResult:
    """One cell of 1e12 m2; totals in Pg or Pg yr-1, a number a year or a series."""
    series = {n: 1e12 * np.broadcast_to(np.asarray(v, float), (86, *np.shape(v)[1:])) for n, v in totals.items()}
    thaw = np.linspace(1.5, 3.0, YEARS.size)[:, None]
    return RegionalResult(YEARS, series, {}, {}, thaw, np.ones((YEARS.size, 1)))


def factorial(runs: dict[str, RegionalResult], scenarios=("ssp126", "ssp585")) -> Region:
    """The same runs under every scenario."""
    history = dataclasses.replace(next(iter(runs.values())), years=np.arange(1929, 2015))
    return Region(
        histories={"": history},
        runs={(s, "", name): r for s in scenarios for name, r in runs.items()},
        stages={},
        area=np.array([1e12]),
        chosen=np.array([True]),
        permafrost=True,
        scenarios=tuple(scenarios),
        members=("",),
        names=tuple(runs),
        title="",
        latitude=np.array([65.0]),
        longitude=np.array([20.0]),
    )


def by_text(judged, part: str):
    found = [j for j in judged if part in j.statement.text]
    assert found, part
    return found


def test_every_statement_has_a_place_and_says_something_else():
    for paper, (said, _, _) in statements.PAPERS.items():
        assert len(said) >= 35, paper
        assert len({s.text for s in said}) == len(said)
        assert all(s.place for s in said)


def test_orderings_of_effects_are_judged():
    """The transient run respires 10; held runs less by their effect: T&P 4, CO2&T 3, singles 1 or 2."""
    effect = {"S_PF": 1.0, "S_CO2": 1.0, "S_Temp": 2.0, "S_Prec": 1.0, "S_PF_CO2": 2.0, "S_PF_Prec": 2.0}
    effect |= {"S_CO2_Temp": 3.0, "S_CO2_Prec": 2.5, "S_Temp_Prec": 4.0}
    runs = {"S_Trans": result(heterotrophic_respiration=10.0)}
    runs |= {name: result(heterotrophic_respiration=10.0 - e) for name, e in effect.items()}
    judged = statements.judge(factorial(runs), "liu2024")
    for part in ("warming and precipitation raise RH most", "second largest effect on RH", "RH by more than warming"):
        assert all(j.holds is True for j in by_text(judged, part))
    assert all(j.holds is True for j in by_text(judged, "pairs raise RH"))
    runs["S_Temp"] = result(heterotrophic_respiration=6.5)  # warming alone now more than CO2 and warming
    judged = statements.judge(factorial(runs), "liu2024")
    assert all(j.holds is False for j in by_text(judged, "second largest effect on RH"))
    assert all(j.holds is False for j in by_text(judged, "pairs raise RH"))


def test_depths_are_summed_by_metre():
    """Ten layers of 0.1 m, ten of 0.2, four of 0.5, one of 1 m."""
    one = np.ones((86, 25))
    runs = {"S_Trans": result(layer_exposed_carbon=one, layer_respiration=0.1 * one)}
    view = statements.View(factorial(runs), "ssp126", "S_Trans", "S_PF")
    assert view.metres("layer_exposed_carbon") / 86 == pytest.approx([10, 5, 5, 2, 2, 1])
    judged = statements.judge(factorial(runs), "liu2024")
    assert all(j.holds is False for j in by_text(judged, "less carbon is exposed in 0-1 m"))


def test_what_the_files_lack_is_said_and_not_counted():
    runs = {"S_Trans": result(net_primary_production=1.0)}
    judged = statements.judge(factorial(runs), "liu2024")
    lost = by_text(judged, "CO2 increases NPP")
    assert all(j.holds is None and "S_CO2" in j.numbers for j in lost)
    missing = by_text(judged, "thaw increases vegetation carbon")
    assert all(j.holds is None and "vegetation_carbon" in j.numbers for j in missing)
    rows = statements.table(judged, "liu2024")
    assert rows[0] == statements.HEADER and {row[5] for row in rows[1:]} <= {"true", "false", "not in the files"}
    assert "need variables that the files lack" in statements.summary(judged)


def test_one_scenario_leaves_comparisons_of_two_out():
    runs = {"S_Trans": result(net_primary_production=np.linspace(1, 2, 86), heterotrophic_respiration=1.0)}
    judged = statements.judge(factorial(runs, ("ssp585",)), "liu2024")
    assert all(j.statement.scenario == "each" for j in judged)
    assert by_text(judged, "NPP increases")[0].holds is True
    assert by_text(judged, "RH increases")[0].holds is False


def test_identity_of_the_plateau_and_its_share():
    """SOC_PF = dSOC - sum dLtrC + sum dRH; of 2 Pg moved 0.5 Pg are respired beyond litter."""
    grown = np.linspace(0.0, 1.5, 86)
    trans = result(soil_carbon=10 + grown, litterfall_carbon=1.5 / 86, heterotrophic_respiration=2.0 / 86)
    held = result(soil_carbon=10.0, litterfall_carbon=1.0 / 86, heterotrophic_respiration=1.0 / 86)
    judged = statements.judge(factorial({"S_T": trans, "S_R": held}, ("rcp45", "rcp85")), "liu2022")
    share = by_text(judged, "a fifth to a quarter of the moved carbon")
    assert all(j.holds is True for j in share) and share[0].numbers.split(" <= ")[1] == "0.25"
    assert all(j.holds is True for j in by_text(judged, "net of what it moves"))
