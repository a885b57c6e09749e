"""The step without compiling it: slots are all called, refused by name, and no budget depends on what stands in them."""

import dataclasses
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jtem import run, step
from jtem.errors import InputError
from jtem.physics import permafrost, respiration
from jtem.step import carbon
from sites import TOOLIK, make, parameter_tree

LAYERED = step.Design(permafrost=permafrost.LAYERED, open_nitrogen=True)


def column(design):
    """One column with its first state, first January and controls."""
    cells, climate = make([(TOOLIK, 0.37, "wet_moist_tundra", 0.0)], 1)
    cell, year = jax.tree.map(lambda leaf: leaf[0], cells), jax.tree.map(lambda leaf: leaf[0, 0], climate)
    derived = step.derive(parameter_tree(), cell, design)
    state = step.start(derived, cell, year.air_temperature, year.shortwave_radiation, design)
    january = jax.tree.map(lambda leaf: leaf[0], run.year_forcing(year, cell))
    controls = jax.tree.map(lambda leaf: leaf[0], run.constant_controls(1))
    return state, january, derived, controls


def month_and_year(state, forcing, derived, controls, design):
    state, out = step.month(state, forcing, derived, design=design)
    return step.close_year(state, forcing.co2, derived, controls, design=design), out


def test_every_slot_is_called():
    called = set()

    def recorded(name, function):
        def wrapped(*args, **kwargs):
            called.add(name)
            return function(*args, **kwargs)

        return wrapped

    every = {name: recorded(name, function) for name, function in step.Processes()._asdict().items()}
    design = step.with_processes(LAYERED, **every)
    jax.eval_shape(lambda *x: month_and_year(*x, design), *column(LAYERED))
    assert called == set(step.Processes._fields)


def test_every_slot_says_what_it_takes_and_gives():
    text = inspect.getsource(step.Processes)
    for name, function in step.Processes()._asdict().items():
        said = text.split(f"    {name}: Callable")[1].split('"""')[1]
        assert "gives" in said, name
        if "``(" in said:
            named = " ".join(said.split("``(")[1].split(")")[0].split()).replace("*, ", "").split(", ")
            assert len(named) == len(inspect.signature(function).parameters), name


def test_a_slot_changes_the_month():
    def warm(air_temperature, p):
        return 2.0 * respiration.temperature_effect(air_temperature, p)

    plain = step.Design(thermal=None)
    changed = step.with_processes(plain, maintenance_temperature=warm)
    assert changed != plain and dataclasses.replace(changed, processes=step.Processes()) == plain
    state, january, derived, _ = column(plain)
    july = dataclasses.replace(january, air_temperature=jnp.asarray(11.0), shortwave_radiation=jnp.asarray(200.0))
    outs = [step.month(state, july, derived, design=design)[1].carbon for design in (plain, changed)]
    np.testing.assert_allclose(outs[1].maintenance_respiration, 2 * outs[0].maintenance_respiration, rtol=0.01)
    for out in outs:
        np.testing.assert_allclose(out.carbon_residual, 0.0, atol=1e-9)
        np.testing.assert_allclose(out.nitrogen_residual, 0.0, atol=1e-9)


def test_unknown_slots_and_things_that_are_no_function_are_refused():
    with pytest.raises(InputError, match=r"unknown process 'evapotranspirtion'; did you mean 'evapotranspiration'\?"):
        step.with_processes(LAYERED, evapotranspirtion=respiration.growth)
    with pytest.raises(InputError, match=r"process 'snowmelt' is 4\.0; give a function"):
        step.with_processes(LAYERED, snowmelt=4.0)


def test_schemes_that_need_heat_are_refused_without_it():
    for name, scheme in permafrost.SCHEMES.items():
        if name == "none":
            assert step.Design(permafrost=scheme, thermal=None).thermal is None
        else:
            with pytest.raises(ValueError, match=f"'{name}' needs the soil heat model"):
                step.Design(permafrost=scheme, thermal=None)


@pytest.mark.parametrize("two", [False, True])
def test_decomposition_feels_the_upper_20_cm_where_they_have_water_of_their_own(two):
    """The active pool theirs, layers below 20 cm the rest's, nitrogen the root zone's; with one layer nothing of it counts."""
    design = dataclasses.replace(LAYERED, two_water_layers=two)
    state, january, derived, _ = column(design)
    _, warm = step.heat_month(state.thermal, january, derived, design)
    warm = dataclasses.replace(warm, thawed_fraction=jnp.ones_like(warm.thawed_fraction))
    _, moist = step.water_month(state.water, january, warm, derived, design)
    root, hydraulics, d = jnp.asarray(0.3), derived.hydraulics, derived.parameters.decomposition

    def response(moisture):
        return design.processes.decomposition_moisture(
            jnp.asarray(moisture), d.moisture_minimum, d.moisture_optimum, d.moisture_maximum
        )

    def drivers(upper):
        wet = dataclasses.replace(moist, volumetric_moisture_mean=root, volumetric_moisture_20cm_mean=upper)
        state_ = state.carbon
        one = jnp.asarray(1.0)
        return carbon._drivers(state_, january, warm, wet, one, one, derived, design)

    same, dry = drivers(jnp.asarray(root)), drivers(jnp.asarray(0.12))
    below = (root * hydraulics.rooting_depth - 0.12 * 0.2) / (hydraulics.rooting_depth - 0.2)
    assert float(same.conductivity) == float(dry.conductivity) > 0.0
    small = 1e-3  # losses are exponential in the rate
    ratio = (response(0.12) / response(root), response(below) / response(root)) if two else (1.0, 1.0)
    np.testing.assert_allclose(dry.soil_loss / same.soil_loss, ratio[0], rtol=small)
    np.testing.assert_allclose((dry.layer_loss / same.layer_loss)[:2], ratio[0], rtol=small)
    np.testing.assert_allclose((dry.layer_loss / same.layer_loss)[2:8], ratio[1], rtol=small)
    assert not two or (ratio[0] < 0.9 and abs(ratio[1] - 1) > 0.01)
