"""Runs in memory: what comes back, going on from states, ensembles of parameters, nothing compiled twice, order of the legs."""

import dataclasses
import logging

import jax
import numpy as np
import pytest

from jtem import parameters, run, step
from jtem.errors import InputError
from jtem.run import course
from sites import BONANZA_CREEK, TOOLIK, make, parameter_tree

CASES = [(BONANZA_CREEK, 0.366, "boreal_forest", 0.0), (TOOLIK, 0.3665, "wet_moist_tundra", 1.0)] * 2
YEARS = 3
DESIGN = step.Design(thermal=None)
SELECTION = run.Selection(("runoff",), (("net_primary_production", "sum"), ("soil_carbon", "last")))


def loader(climate):
    return lambda rows: jax.tree.map(lambda leaf: np.asarray(leaf)[rows], climate)


def experiment(warming: float = 0.0, tree: step.Parameters | None = None) -> run.Experiment:
    """Four columns without soil heat, so that its programs compile in seconds: spin-up, three years, three warmer years."""
    cells, past = make(CASES, YEARS)
    _, future = make(CASES, YEARS, warming_per_year=0.5 + warming)
    return run.Experiment(
        design=DESIGN,
        parameters=parameter_tree() if tree is None else tree,
        columns=jax.tree.map(np.asarray, cells),
        column_cell=np.arange(len(CASES)),
        spin_up=run.SpinUp(loader(past), heat_years=1, years=20),
        stages=(
            run.Stage("historical", 2001, 2003, loader(past)),
            run.Stage("ssp", 2004, 2006, loader(future), parent="historical"),
        ),
        selection=SELECTION,
    )


def other_parameters() -> step.Parameters:
    tree = parameter_tree()
    rate = parameters.Handle.of("litter.carbon_rate")
    return rate.put(tree, rate.leaf(tree) * 1.1)


def equal(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


@pytest.fixture(scope="module")
def results():
    return run.run_in_memory(experiment())


def test_results_hold_what_was_selected_and_budgets_close(results):
    assert list(results.stages) == ["historical", "ssp"] and not results.summary.failed
    stage = results.stages["ssp"]
    assert stage.years.tolist() == [2004, 2005, 2006]
    assert {k: v.shape for k, v in stage.monthly.items()} == {"runoff": (4, 3, 12)}
    assert {k: v.shape for k, v in stage.annual.items()} == {"net_primary_production": (4, 3), "soil_carbon": (4, 3)}
    assert {k: v.shape for k, v in stage.residuals.items()} == {
        f"{n}_residual": (4, 3) for n in ("carbon", "nitrogen", "water")
    }
    assert np.abs(stage.residuals["carbon_residual"]).max() < 1e-6
    np.testing.assert_array_equal(stage.state.carbon.soil.carbon, stage.annual["soil_carbon"][:, -1])
    assert results.start is not None and results.start.carbon.vegetation_carbon.shape == (4,)
    report = results.summary.spin_up
    assert report is not None and report.drift["water"].shape == report.closed.shape == (4,)
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves((results.start, stage.state, stage.annual)))


def test_a_second_experiment_compiles_nothing(results, caplog):
    """Other numbers, fresh loaders, the same shapes: parameters and climate are arguments of the programs."""
    del results  # compiled by then
    changed = experiment(warming=0.3, tree=other_parameters())
    with caplog.at_level(logging.WARNING), jax.log_compiles():
        summary = run.run_in_memory(changed).summary
    compiled = [record.getMessage() for record in caplog.records if "Compiling" in record.getMessage()]
    assert not compiled and summary.compile_seconds == 0.0
    with caplog.at_level(logging.WARNING), jax.log_compiles():
        run.run_in_memory(dataclasses.replace(changed, selection=run.Selection(("evapotranspiration",))))
    assert any("Compiling" in record.getMessage() for record in caplog.records)  # so it would have been seen


def test_going_on_from_states_is_the_whole_run(results):
    kept = results.stages["historical"].state
    rest = run.run_in_memory(run.continued(experiment(), "historical", kept))
    assert list(rest.stages) == ["ssp"] and rest.start is None
    equal(rest.stages["ssp"].annual, results.stages["ssp"].annual)
    equal(rest.stages["ssp"].state, results.stages["ssp"].state)
    with pytest.raises(InputError, match="did you mean 'historical'"):
        run.continued(experiment(), "history", kept)
    with pytest.raises(InputError, match="needs the thaw of the spin-up"):
        first = dataclasses.replace(experiment().stages[0], begin="start")
        run.continued(dataclasses.replace(experiment(), stages=(first,)), "spinup", kept)


def test_members_of_an_ensemble_are_runs_of_their_own(results):
    members = [parameter_tree(), other_parameters()]
    together = run.run_in_memory(run.ensemble(experiment(), members))
    alone = run.run_in_memory(experiment(tree=members[1]))
    for k, one in enumerate((results, alone)):
        mine = together.member(k, of=2)
        for x, y in zip(
            jax.tree.leaves(mine.stages["ssp"].annual), jax.tree.leaves(one.stages["ssp"].annual), strict=True
        ):
            np.testing.assert_allclose(x, y, rtol=1e-12)
        assert mine.summary.spin_up is not None and mine.summary.spin_up.closed.shape == (4,)
    npp = [together.member(k, of=2).stages["ssp"].annual["net_primary_production"] for k in (0, 1)]
    assert np.abs(npp[0] - npp[1]).min() > 0
    kept = results.stages["historical"].state
    rest = run.run_in_memory(run.ensemble(run.continued(experiment(), "historical", kept), members)).member(1, of=2)
    assert rest.start is None and rest.stages["ssp"].annual["soil_carbon"].shape == (4, 3)
    with pytest.raises(ValueError, match="members 0 to 1"):
        together.member(2, of=2)


def test_the_legs_of_a_course():
    stages = (
        run.Stage("historical", 1990, 2000, loader(None), begin="base_years", base_years=(1998, 1999)),
        *(run.Stage(name, 2001, 2010, loader(None), parent="historical") for name in ("a", "b")),
    )
    legs = list(course.legs(stages))
    assert [leg.kind for leg in legs] == ["spin", "years", "fill", "years"]
    assert legs[2].base == (8, 9) and [stage.name for stage in legs[3].stages] == ["a", "b"]
    first = dataclasses.replace(stages[0], begin="start")
    assert [leg.kind for leg in course.legs((first,), spins=False)] == ["fill", "years"]
    whole = dataclasses.replace(experiment(), stages=stages)
    assert run.units(whole) == ["spinup", "historical", "a+1"]
    assert [unit.years for unit in course.itinerary(whole)] == [1, 11, 20]


def test_time_left_comes_from_work_that_did_not_compile():
    messages = []
    small = dataclasses.replace(experiment(), chunk_columns=2, block_years=1)
    run.run_experiment(small, run.Memory(), messages.append)
    assert [m.column_years_done for m in messages][-1] == messages[-1].column_years_total
    assert messages[0].seconds_left is None or messages[0].compile_seconds == 0.0
    assert messages[-1].seconds_left == 0.0 and messages[-2].seconds_left > 0.0
    assert messages[-1].compile_seconds < messages[-1].seconds
