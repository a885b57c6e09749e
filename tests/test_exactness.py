"""Each scheme, option and precision: known answers, restart from a file, order and number of columns."""

import functools
import re
import zlib

import jax
import numpy as np
import pytest

import golden
import model_cases
from jtem import run
from jtem.writers.states import load_state, save_state

QUICK = ("everything", "thaw_ratio, options")
"""Cases of the regular suite: between them they have every part of the state."""
COPIES = 16
"""Columns of each place: whole vectors of the processor, for in part of one the last bit may differ (docs/performance.md)."""
CASES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in model_cases.CASES]


@functools.lru_cache(maxsize=1)
def whole(name):
    """Inputs, end and yearly outputs of a case; each test of a case follows the other, so that it compiles once."""
    with jax.enable_x64(golden.precision(name) != "float32"):
        inputs = model_cases.inputs_of(name, COPIES)
        return inputs, *model_cases.years_of(inputs, 0, model_cases.YEARS)


def same(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        x, y = np.asarray(x), np.asarray(y)
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", CASES)
def test_known_answers_restart_and_order(name, tmp_path):
    """Years in one go are k years, a file, and the rest, to the bit; columns in another order are the same columns."""
    inputs, end, outputs = whole(name)
    found = {(name, variable): values[::COPIES, -1] for variable, values in outputs.items()}
    assert not list(golden.differences(found, golden.read(), golden.TOLERANCE[golden.precision(name)]))
    with jax.enable_x64(golden.precision(name) != "float32"):
        k = 1 + zlib.crc32(name.encode()) % (model_cases.YEARS - 1)
        half, first = model_cases.years_of(inputs, 0, k)
        save_state(tmp_path / "state.nc", half, {"parameter_hash": "abc"})
        read = load_state(tmp_path / "state.nc", half, "abc")
        same(read, half)
        after, rest = model_cases.years_of(inputs, k, model_cases.YEARS, read)
        same(after, end)
        same({variable: np.concatenate([first[variable], rest[variable]], axis=1) for variable in outputs}, outputs)
        turned, backwards = model_cases.years_of(inputs, 0, 1, pick=slice(None, None, -1))
        same(
            {variable: values[::-1] for variable, values in backwards.items()},
            {v: x[:, :1] for v, x in outputs.items()},
        )
        del turned


def test_the_quick_cases_have_every_part_of_a_state():
    """What a restart must carry: no leaf of any case's state is in none of the quick ones."""

    def leaves(name):
        inputs = model_cases.design_of(**dict(model_cases.CASES[name]))
        cells, climate = model_cases.make(model_cases.PLACES, 1)
        if inputs.own:
            cells = model_cases.with_own(cells)
        state = jax.eval_shape(lambda: run.initial_states(model_cases.parameter_tree(), cells, climate, design=inputs))
        paths = jax.tree_util.tree_leaves_with_path(state)
        return {jax.tree_util.keystr(path) for path, leaf in paths if leaf.size}

    quick = set().union(*(leaves(name) for name in QUICK))
    mixed = [name for name in model_cases.CASES if golden.precision(name) == "mixed"]
    assert {path for name in mixed for path in leaves(name)} == quick


def test_known_answers_are_declared():
    """The changelog bears the digest of the file: numbers change with a line that says so."""
    assert re.search(rf"^- Known answers: \S.*{golden.digest()}\)", golden.CHANGELOG.read_text(), re.MULTILINE), (
        "tests/golden/model.csv is not the one that CHANGELOG.md declares: "
        "python tests/golden.py --refresh 'what changed, and why'"
    )
    assert {case for case, _ in golden.read()} == set(golden.CASES)


def test_a_known_answer_that_moves_is_named():
    known = {("a", "npp"): np.array([100.0, 1.0, 0.0])}
    assert not list(golden.differences({("a", "npp"): np.array([100.1, 1.005, 1e-10])}, known, 2e-3))
    said = list(golden.differences({("a", "npp"): np.array([100.3, 1.02, np.nan])}, known, 2e-3))
    assert said[0] == "a, npp, number 0: 100.3, known 100" and len(said) == 3
