"""One program, many cells: vmap = loop, blocks = whole, 1 device = 2 devices, one compilation, restart identity."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jtem import run, step
from jtem.errors import InputError
from jtem.physics import permafrost, soil_heat
from jtem.writers.states import load_state, save_state
from sites import BONANZA_CREEK, PLATEAU_MEADOW, TOOLIK, make, parameter_tree

YEARS = 6
CASES = [
    (BONANZA_CREEK, 0.366, "boreal_forest", 0.0),
    (TOOLIK, 0.3665, "wet_moist_tundra", 1.0),
    (PLATEAU_MEADOW, 0.43, "alpine_meadow", 1.0),
    (BONANZA_CREEK, 0.5, "grassland", 8.0),
]
FORCING = {"air_temperature": "mean", "precipitation": "sum", "shortwave_radiation": "mean", "co2": "mean"}
SELECTION = run.Selection(
    ("soil_temperature_10cm", *FORCING),
    (("net_primary_production", "sum"), ("active_layer_thickness", "year"), *FORCING.items()),
)
DESIGN = step.Design(permafrost=permafrost.LAYERED)


@pytest.fixture(scope="module")
def whole():
    cells, climate = make(CASES, YEARS, warming_per_year=0.3)
    parameters = parameter_tree()
    state = run.initial_states(parameters, cells, climate, design=DESIGN)
    thaw = jnp.full((len(CASES),), 0.5)
    state = run.begin_permafrost(state, cells, parameters, permafrost.Thaw(thaw, thaw), design=DESIGN)
    return cells, climate, parameters, state


def go(inputs, years=slice(None), devices=None, design=DESIGN, pick=slice(None), active=None):
    cells, climate, parameters, state = inputs
    take = lambda tree: jax.tree.map(lambda x: x[pick], tree)  # noqa: E731
    climate = jax.tree.map(lambda x: x[pick, years], climate)
    count = climate.co2.shape[1]
    return run.simulate_cells(
        take(state), climate, take(cells), parameters, run.constant_controls(count, expose=True), design=design,
        selection=SELECTION, devices=devices or (jax.local_devices()[0],), active=active,
    )  # fmt: skip


def equal(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


def test_batch_equals_loop_over_cells(whole):
    together = go(whole)
    for i in range(len(CASES)):
        alone = go(whole, pick=slice(i, i + 1))
        for x, y in zip(jax.tree.leaves(alone), jax.tree.leaves(together), strict=True):
            np.testing.assert_allclose(np.asarray(x)[0], np.asarray(y)[i], rtol=2e-4, atol=2e-4)


def test_batch_equals_loop_in_float64(whole):
    design = step.Design(permafrost=permafrost.LAYERED, heat_dtype="float64")
    cells, climate, parameters, _ = whole
    state = run.initial_states(parameters, cells, climate, design=design)
    inputs = (cells, climate, parameters, state)
    together = go(inputs, design=design)
    for i in (0, 2):
        alone = go(inputs, pick=slice(i, i + 1), design=design)
        for x, y in zip(jax.tree.leaves(alone), jax.tree.leaves(together), strict=True):
            np.testing.assert_allclose(np.asarray(x)[0], np.asarray(y)[i], rtol=1e-10, atol=1e-10)


def test_forcing_comes_out_as_it_was_given(whole):
    climate = whole[1]
    _, out = go(whole)
    for name, how in FORCING.items():
        given = np.asarray(getattr(climate, name))
        given = np.repeat(given[..., None], 12, axis=2) if name == "co2" else given
        np.testing.assert_array_equal(np.asarray(out["monthly"][name]), given, err_msg=name)
        year = given.sum(axis=2) if how == "sum" else given.mean(axis=2)
        np.testing.assert_allclose(np.asarray(out["annual"][name]), year, rtol=1e-14, err_msg=name)


def test_undecorated_one_cell_form_gives_the_same(whole):
    plain = step.Design(permafrost=permafrost.LAYERED, thermal=soil_heat.ThermalDesign(batched=False))
    for x, y in zip(jax.tree.leaves(go(whole)), jax.tree.leaves(go(whole, design=plain)), strict=True):
        # two programs of float32 heat may round apart on another processor (here 1e-6 holds)
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=2e-4, atol=2e-4)


def test_two_devices_give_the_same_states_bitwise(whole):
    if len(jax.local_devices()) < 2:
        pytest.skip("needs two devices: XLA_FLAGS=--xla_force_host_platform_device_count=2")
    cells, climate, parameters, state = whole
    many = lambda tree: jax.tree.map(lambda x: jnp.repeat(x, 8, axis=0), tree)  # noqa: E731
    inputs = (many(cells), many(climate), parameters, many(state))  # 16 cells a device: whole vector registers
    (state_1, out_1), (state_2, out_2) = go(inputs), go(inputs, devices=tuple(jax.local_devices()[:2]))
    equal(state_1, state_2)
    for x, y in zip(jax.tree.leaves(out_1), jax.tree.leaves(out_2), strict=True):  # yearly sums may round differently
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=1e-14)


def test_tiles_give_what_one_batch_gives(whole, monkeypatch):
    """20 cells in tiles of 16 (two of them, the last padded) against the four cells they repeat."""
    monkeypatch.setattr(run.batch, "TILE", 16)
    run.batch.compiled.cache_clear()
    cells, climate, parameters, state = whole
    many = lambda tree: jax.tree.map(lambda x: jnp.tile(x, (5,) + (1,) * (x.ndim - 1)), tree)  # noqa: E731
    tiled = go((many(cells), many(climate), parameters, many(state)))
    run.batch.compiled.cache_clear()
    for x, y in zip(jax.tree.leaves(tiled), jax.tree.leaves(many(go(whole))), strict=True):
        assert x.shape == y.shape
        # two programs of float32 heat may round apart on another processor (here 1e-6 holds)
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize(("count", "per_cell"), [(3, 1), (40, 1), (41, 1), (25, 3), (130, 1)])
def test_tiles_cover_every_cell_once(monkeypatch, count, per_cell):
    monkeypatch.setattr(run.batch, "TILE", 16)
    sizes = []

    def function(x, tree):
        sizes.append(x.shape[0])
        return {"sum": x + tree["y"].sum(axis=1), "square": tree["y"] ** 2}

    x, y = jnp.arange(float(count)), jnp.arange(3.0 * count).reshape(count, 3)
    devices = (jax.local_devices()[0],)
    got = run.in_tiles(function, (x, {"y": y}), devices, per_cell=per_cell)
    want = {"sum": x + y.sum(axis=1), "square": y**2}
    equal(got, want)
    assert max(sizes) * per_cell <= 32
    total = lambda y: sum(v.sum() for v in run.in_tiles(function, (x, {"y": y}), devices).values())  # noqa: E731
    np.testing.assert_allclose(jax.grad(total)(y), 1.0 + 2.0 * y)  # padding adds nothing


def test_indivisible_cells_are_refused_with_a_remedy(whole):
    with pytest.raises(ValueError, match="pad_cells"):
        go(whole, devices=tuple(jax.local_devices()[:2]), pick=slice(0, 3))


def test_order_of_cells_does_not_matter(whole):
    reverse = go(whole, pick=slice(None, None, -1))
    equal(jax.tree.map(lambda x: x[::-1], reverse), go(whole))


def test_run_in_two_parts_is_bitwise_the_whole(whole):
    cells, climate, parameters, _ = whole
    state, first = go(whole, years=slice(0, 3))
    end, second = go((cells, climate, parameters, state), years=slice(3, 6))
    whole_end, whole_out = go(whole)
    equal(end, whole_end)
    joined = jax.tree.map(lambda a, b: jnp.concatenate([a, b], axis=1), first, second)
    equal(joined, whole_out)


@pytest.mark.slow
def test_two_layers_of_soil_water_go_on_from_a_file(whole, tmp_path):
    """Six years, and three from the state that three left in a file: bitwise."""
    cells, climate, parameters, _ = whole
    design = dataclasses.replace(DESIGN, two_water_layers=True)
    start = run.initial_states(parameters, cells, climate, design=design)
    state, first = go((cells, climate, parameters, start), years=slice(0, 3), design=design)
    save_state(tmp_path / "state.nc", state, {"parameter_hash": "abc"})
    state = load_state(tmp_path / "state.nc", state, "abc")
    end, second = go((cells, climate, parameters, state), years=slice(3, 6), design=design)
    whole_end, whole_out = go((cells, climate, parameters, start), design=design)
    equal(end, whole_end)
    equal(jax.tree.map(lambda a, b: jnp.concatenate([a, b], axis=1), first, second), whole_out)
    with pytest.raises(InputError, match=r"upper_water.*soil_water"):
        load_state(tmp_path / "state.nc", run.initial_states(parameters, cells, climate, design=DESIGN), "abc")
    one = run.initial_states(parameters, cells, climate, design=DESIGN)
    save_state(tmp_path / "one.nc", one, {"parameter_hash": "abc"})
    with pytest.raises(InputError, match=r"lacks.*upper_water.*soil_water"):
        load_state(tmp_path / "one.nc", start, "abc")


@pytest.mark.slow
def test_roots_and_disturbed_ground_go_on_from_a_file(whole, tmp_path):
    """Six years of all options, and three from the state that three left in a file: bitwise; a state without them is refused."""
    cells, climate, parameters, plain = whole
    design = dataclasses.replace(
        DESIGN, roots_follow_thaw=True, abrupt_thaw=True, methane=True, deep_nitrogen_losses=True
    )
    start = run.initial_states(parameters, cells, climate, design=design)
    thaw = jnp.full((len(CASES),), 0.5)
    start = run.begin_permafrost(start, cells, parameters, permafrost.Thaw(thaw, thaw), design=design)
    state, first = go((cells, climate, parameters, start), years=slice(0, 3), design=design)
    save_state(tmp_path / "state.nc", state, {"parameter_hash": "abc"})
    state = load_state(tmp_path / "state.nc", state, "abc")
    assert float(state.carbon.ground.area.max()) > 0.0
    end, second = go((cells, climate, parameters, state), years=slice(3, 6), design=design)
    whole_end, whole_out = go((cells, climate, parameters, start), design=design)
    equal(end, whole_end)
    equal(jax.tree.map(lambda a, b: jnp.concatenate([a, b], axis=1), first, second), whole_out)
    save_state(tmp_path / "plain.nc", plain, {"parameter_hash": "abc"})
    with pytest.raises(InputError, match=r"lacks 'carbon_rooting_depth'"):
        load_state(tmp_path / "plain.nc", start, "abc")


def test_resting_years_leave_the_state_alone(whole):
    active = jnp.arange(YEARS) < 3
    state, out = go(whole, active=active)
    short, short_out = go(whole, years=slice(0, 3))
    # Programs of other lengths are other programs: XLA may fuse (and so round) them differently.
    for x, y in zip(jax.tree.leaves(state), jax.tree.leaves(short), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=1e-12 if x.dtype == np.float64 else 1e-5)
    for x, y in zip(jax.tree.leaves(out), jax.tree.leaves(short_out), strict=True):
        np.testing.assert_allclose(np.asarray(x)[:, :3], np.asarray(y), rtol=1e-12)
    assert float(jnp.abs(out["annual"]["net_primary_production"][:, 3:]).max()) == 0.0


def test_one_compilation_for_many_calls(whole):
    cells, climate, parameters, state = whole
    program = run.inline_program(DESIGN, SELECTION, (jax.local_devices()[0],))
    running = jnp.ones((YEARS,), bool)
    before = program.compilations()
    for warm in range(3):
        controls = run.constant_controls(YEARS, expose=warm > 0, baseline=warm == 1)
        state, _ = program(parameters, controls, running, state, climate, cells)
    assert program.compilations() - before <= 1


def test_undefined_combinations_are_refused():
    with pytest.raises(ValueError, match="needs the soil heat model"):
        step.Design(permafrost=permafrost.LAYERED, thermal=None)
