"""Limits that act without an error are counted and said: each by hand, and in the files of a run."""

import dataclasses
import os
import subprocess
import sys
import time
import types
from typing import Any

import jax
import jax.numpy as jnp
import netCDF4
import numpy as np
import pytest

import guards
from jtem import run, step
from jtem.assemble.provenance import notes
from jtem.commands.main import main
from jtem.errors import InputError
from jtem.files import output_folder
from jtem.physics import permafrost, soil_heat
from jtem.run import batch, chunk, limits
from jtem.run.work import Work
from jtem.state import Cell, Climate
from sites import TABLE, TOOLIK, make, parameter_tree
from test_cli import PLAN, fake_run


def climate(air):
    air = np.asarray(air, float)
    nothing = np.zeros_like(air)
    return Climate(air, nothing, nothing, nothing[..., 0], nothing, nothing[..., 0])


def test_months_beyond_the_air_that_plants_feel():
    air = np.zeros((3, 2, 12))
    air[1, 0, :3], air[2, 1, 6] = -40.5, 40.0
    top = np.full((3, 12), 500.0)
    cells = Cell(np.zeros(3), np.zeros(3), np.zeros(3, int), top, np.zeros((3, 25)))
    assert limits.of_climate(climate(air), cells)["air"].tolist() == [0, 3, 0]
    bright = dataclasses.replace(climate(air), shortwave_radiation=np.full((3, 2, 12), 0.7 * 500.0 / 2.06))
    bright.shortwave_radiation[1, 1, :5] = 0.8 * 500.0 / 2.06
    found = limits.of_climate(bright, cells)
    assert found["light"].tolist() == [0, 5, 0] and found["dark"].tolist() == [0, 0, 0]
    bright.shortwave_radiation[2, 0, :7] = 0.2 * 500.0 / 2.06
    assert limits.of_climate(bright, cells)["dark"].tolist() == [0, 0, 7]
    night = dataclasses.replace(cells, top_of_atmosphere=np.full((3, 12), 74.0))  # too little light to ask
    bright.shortwave_radiation[:] = 0.2 * 74.0 / 2.06
    assert limits.of_climate(bright, night)["dark"].tolist() == [0, 0, 0]
    assert limits.of_climate(bright, cells)["dark"].tolist() == [24, 24, 24]


def _thaw(depths):
    return permafrost.Thaw(np.asarray(depths), np.asarray(depths))


def test_jumps_of_the_active_layer_where_carbon_is_frozen():
    depths, rows = _thaw([[0.5, 0.6, 1.7, 0.5], [0.5, 1.4, 2.3, 3.2]]), (parameter_tree(), np.array([0, 0]))
    layered = step.Design(permafrost=permafrost.LAYERED)
    found = limits.of_thaw(depths, layered, *rows)
    assert {name: counts.tolist() for name, counts in found.items()} == {"jump": [2, 0]}
    assert limits.of_thaw(depths, step.Design(permafrost=permafrost.NONE), *rows) == {}


@pytest.mark.parametrize(
    ("scheme", "held"),
    [
        ("thaw_ratio", [0, 2]),
        ("thaw_ratio_concentration", [0, 2]),
        ("thaw_ratio_irreversible", [0, 1]),
        ("thaw_ratio_inventory", [0, 1]),
    ],
)
def test_years_whose_ratio_of_active_layers_is_held(scheme, held):
    depths = _thaw([[0.5, 0.55, 0.5, 0.5], [0.1, 0.9, 0.1, 0.11]])
    design = step.Design(permafrost=permafrost.SCHEMES[scheme])
    found = limits.of_thaw(depths, design, parameter_tree(), np.array([0, 0]))
    assert found["ratio"].tolist() == held


def test_a_jump_from_the_year_before_a_stage_counts_where_that_year_is_known():
    end_of: Any = chunk._End
    whole: Any = object.__new__(chunk.Chunk)  # of two columns, one of them padding
    whole.count, whole.columns = 1, slice(0, 1)
    whole.e = types.SimpleNamespace(
        design=step.Design(permafrost=permafrost.LAYERED),
        parameters=parameter_tree(),
        columns=types.SimpleNamespace(community=np.array([0])),
    )
    years = np.array([[2.0, 2.1, 3.2], [2.0, 2.0, 2.0]])
    end = end_of(None, None, (years, years))
    for before, jumps in ((None, 1), (_thaw([0.5, 9.0]), 2), (_thaw([1.5, 9.0]), 1)):
        assert whole._thaw_limits(end_of(None, before), end)["jump"].tolist() == [jumps]


def _moved(tree, branch, *names):
    """Parameters with values that bring what they belong to far below zero."""
    far = dict.fromkeys(names, jnp.full(len(TABLE.communities), -1000.0))
    return dataclasses.replace(tree, **{branch: dataclasses.replace(getattr(tree, branch), **far)})


def test_snow_without_end_and_dead_plants():
    cells, weather = make([(TOOLIK, 0.4, "wet_moist_tundra", 0.0)] * 2, 1)
    for thermal, names in ((soil_heat.ThermalDesign(), {"bare", "snow"}), (None, {"bare"})):
        design = step.Design(thermal=thermal)
        shapes = jax.eval_shape(lambda d=design: run.initial_states(parameter_tree(), cells, weather, design=d))
        state = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
        state.carbon.vegetation_carbon[1] = 2.0
        if thermal is not None:
            state.thermal.snow[1] = 3100.0
        found = {name: counts.tolist() for name, counts in limits.of_state(state).items()}
        assert found == {name: {"bare": [1, 0], "snow": [0, 1]}[name] for name in names}


def test_ground_and_growth():
    assert limits.of_ground(np.array([0.0, 1e-5, 2e-4]))["ground"].tolist() == [0, 0, 1]
    nothing = jnp.zeros((2, 12))
    cells = Cell(jnp.zeros(2), jnp.array([0.2, 0.9]), jnp.array([0, 0]), nothing, jnp.zeros((2, 25)))
    tree = parameter_tree()
    acted = {name for name, values in limits.of_columns(tree, cells).items() if values.any()}
    assert acted <= {"roots"}, acted  # of clay, roots are as shallow as they get
    found = limits.of_columns(_moved(tree, "decomposition", "rate_intercept", "immobilization_intercept"), cells)
    assert found["decomposition"].tolist() == found["immobilization"].tolist() == [1, 1] and found[
        "roots"
    ].tolist() == [0, 1]
    assert limits.of_columns(_moved(tree, "water", "rooting_depth_constant"), cells)["roots"].tolist() == [1, 1]
    falling = jnp.full(len(TABLE.communities), -1000.0)
    nitrogen = dataclasses.replace(tree.nitrogen, uptake_maximum_slope_fine=falling)
    found = limits.of_columns(dataclasses.replace(tree, nitrogen=nitrogen), cells)
    assert found["uptake"].tolist() == [0, 1] and found["photosynthesis"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("name", "value"), [("q10_constant", -1.0), ("q10_linear", -0.2), ("maintenance_intercept", -1.0)]
)
def test_parameters_that_the_bounds_of_maintenance_hold(name, value):
    nothing = jnp.zeros((2, 12))
    cells = Cell(jnp.zeros(2), jnp.array([0.2, 0.9]), jnp.array([0, 3]), nothing, jnp.zeros((2, 25)))
    tree = parameter_tree()
    assert limits.of_columns(tree, cells)["maintenance"].tolist() == [0, 0]
    changed = getattr(tree.respiration, name).at[3].set(value)
    tree = dataclasses.replace(tree, respiration=dataclasses.replace(tree.respiration, **{name: changed}))
    assert limits.of_columns(tree, cells)["maintenance"].tolist() == [0, 1]


def test_sentences_name_how_often_and_where():
    counts = limits.summed([{"bare": np.array([0, 1, 0])}, {"bare": np.array([0, 1, 1]), "air": np.zeros(3, int)}])
    assert limits.sentences(counts) == [
        "stages at whose end the vegetation is dead (less than 1 gC m-2): 3, in 2 of 3 columns (1, 2)"
    ]
    many = limits.sentences({"ground": np.ones(12, int)})
    assert many[0].endswith("12, in 12 of 12 columns (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...)")
    assert set(limits.SAID) == {
        "air", "ground", "jump", "bare", "light", "snow", "photosynthesis", "uptake", "decomposition", "immobilization", "roots",
        "ratio", "maintenance", "dark",
    }  # fmt: skip


def test_every_bound_of_the_physics_is_in_the_table_with_its_kind():
    assert guards.differences() == []
    table = guards.in_table()
    assert {line["kind"] for line in table} == set(guards.KINDS)
    counted = {line["why"] for line in table if line["kind"] == "counted"}
    assert counted <= set(limits.SAID)
    assert all(line["why"] for line in table)
    page = (guards.ROOT / "docs" / "limits.md").read_text()
    for kind in guards.KINDS:
        assert f"| {kind} | {sum(line['kind'] == kind for line in table)} |" in page, kind


def test_files_say_which_limits_acted(tmp_path, monkeypatch, capsys):
    def limited(experiment, sink, progress=None, only=None):
        counts = {"bare": np.array([1, 0]), "air": np.array([0, 0])}
        return dataclasses.replace(fake_run(experiment, sink, progress), limits=counts)

    monkeypatch.setattr(run, "run_experiment", limited)
    (tmp_path / "plan.toml").write_text(PLAN)
    assert main(["run", str(tmp_path / "plan.toml"), "--out", str(tmp_path / "out")]) == 0
    said = "stages at whose end the vegetation is dead (less than 1 gC m-2): 1, in 1 of 2 columns (0)"
    assert f"note: {said}" in capsys.readouterr().err
    with netCDF4.Dataset(tmp_path / "out" / "small_ssp126_annual.nc") as data:
        assert data.limits == said
    none = run.Summary(1.0, 0.0, 1, None, {}, {"air": np.zeros(2, int)})
    assert notes(none) == {"limits": "none acted"}


# --- memory, folders --------------------------------------------------------------------------------------------------


def test_work_that_memory_does_not_hold_is_done_in_halves():
    def of(parameters, x):
        return {"y": parameters * x, "sum": x.sum(axis=-1)}

    program = batch.Program(of, shared=1)
    plain, sizes = batch.Program.__call__, []

    class Small(batch.Program):
        def __call__(self, *arguments):
            sizes.append(arguments[1].shape[0])
            if sizes[-1] > 2:
                raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.")
            return plain(self, *arguments)

    x = np.arange(21.0).reshape(7, 3)
    whole = program(jnp.asarray(2.0), jnp.asarray(x))
    work, small = object.__new__(Work), Small(of, shared=1)  # of no experiment: calls alone
    work.parts, work.compiling, work.compile_seconds = {}, False, 0.0
    with pytest.warns(match="memory does not hold 7 columns at once; the run goes on with 4 at a time"):
        found = work.call(small, jnp.asarray(2.0), jnp.asarray(x))
    assert sizes == [7, 4, 2, 2, 2, 2]
    for name in whole:
        np.testing.assert_array_equal(found[name], whole[name])
    sizes.clear()
    work.call(small, jnp.asarray(2.0), jnp.asarray(x))
    assert sizes == [2, 2, 2, 2]  # not tried in vain again

    class None_(batch.Program):
        def __call__(self, *arguments):
            raise MemoryError("no byte is left")

    with pytest.warns(), pytest.raises(InputError, match="memory does not hold one column"):
        work.call(None_(of, shared=1), jnp.asarray(2.0), jnp.asarray(x))


def test_a_folder_is_one_process_s_until_it_ends(tmp_path):
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom jtem.files import output_folder\n"
        "with output_folder(Path(sys.argv[1]), (int(sys.argv[2]), int(sys.argv[3]))):\n    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )

    def holder(part, parts):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), str(part), str(parts)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        return process

    process = holder(0, 2)
    with output_folder(tmp_path, (1, 2)):
        pass
    for part in ((0, 2), (0, 1)):
        with pytest.raises(InputError, match="another jtem is at work in it"), output_folder(tmp_path, part):
            pass
    process.kill()
    process.wait()
    time.sleep(0.05)
    with output_folder(tmp_path):
        pass
    assert os.listdir(tmp_path) == [] or set(os.listdir(tmp_path)) == {".jtem-lock.1-of-2"}
