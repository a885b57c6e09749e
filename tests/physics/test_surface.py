"""The surface of snow-free ground: S8-S11."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from equations import a, along, close, finite_slopes

from gradient_cases import OF_SURFACE
from jtem import parameters, step
from jtem.constants import WATTS_TO_TEM_RADIATION
from jtem.files import data_path
from jtem.physics import permafrost, radiation, soil_heat, surface
from jtem.state import Cell, Forcing
from jtem.step import heat

OPEN = {"transmission": a(1.0), "wetness": a(0.5), "resistance": a(42.0)}
TOP = a(400.0 * WATTS_TO_TEM_RADIATION)


def test_s8_to_s11_by_hand():
    """10 degC, 200 W m-2 of 400 above the air: 300 under a clear sky; 1.228 kPa saturate the air."""
    close(surface.saturation(a(10.0)), 1.2280, rtol=1e-4)
    close(surface.relative_pressure(a(1800.0)), 81.8 / 101.3, rtol=1e-3)  # Allen et al., Example 2
    longwave = 5.67e-8 * 283.15**4 * (0.34 - 0.14 * np.sqrt(0.7 * 1.2280)) * (1.35 * 200 / 300 - 0.35)
    net = 0.82 * 200 - longwave
    close(surface.net_radiation(a(10.0), a(200.0), TOP, a(0.0)), net, rtol=1e-4)
    slope = 4098 * 1.2280 / 247.3**2
    share = 1.26 * 0.5 * slope / (slope + 0.0665)
    close(surface.evaporating_share(a(10.0), a(0.0), a(0.5)), share, rtol=1e-4)
    expected = 0.9 * net * (1 - share) / (1230 / 42 + 4 * 5.67e-8 * 283.15**3)
    close(surface.excess(a(10.0), a(200.0), TOP, a(0.0), **OPEN), expected, rtol=1e-4)
    assert 1.5 < expected < 2.5


def test_no_light_no_warmth_and_shade_wetness_and_wind_take_it():
    assert float(surface.excess(a(-20.0), a(0.0), a(0.0), a(0.0), **OPEN)) == 0.0
    open_ = float(surface.excess(a(10.0), a(200.0), TOP, a(0.0), **OPEN))
    for name, value in (("transmission", 0.2), ("wetness", 0.9), ("resistance", 20.0)):
        assert float(surface.excess(a(10.0), a(200.0), TOP, a(0.0), **(OPEN | {name: a(value)}))) < 0.8 * open_
    assert float(surface.excess(a(10.0), a(200.0), TOP, a(4500.0), **OPEN)) > 1.2 * open_  # thin air
    light = along(lambda s: surface.excess(a(5.0), s, TOP, a(0.0), **OPEN), [0.0, 50.0, 100.0, 200.0, 300.0])
    assert (np.diff(np.asarray(light)) >= 0).all()


def test_slopes_at_the_edges():
    finite_slopes(lambda s: surface.excess(a(0.0), s, TOP, a(0.0), **OPEN), 0.0, 40.0, 500.0)
    finite_slopes(lambda t: surface.excess(t, a(100.0), a(0.0), a(5000.0), **OPEN), -60.0, 0.0, 40.0)
    finite_slopes(lambda b: surface.excess(a(30.0), a(300.0), TOP, a(0.0), **(OPEN | {"wetness": b})), 0.0, 1.0)


@pytest.fixture(scope="module")
def july():
    """``(parameters of the surface, light on or off) -> mean temperature of July at 10 cm`` of a steppe; residual of heat."""
    table = parameters.read_table(step.Parameters, [data_path("parameters", "defaults.toml")])
    row = step.select_community(
        parameters.build(step.Parameters, table, "float64"), jnp.asarray(table.index("alpine_steppe"))
    )
    cell = Cell(a(4500.0), a(0.5), jnp.asarray(0), jnp.zeros(12), jnp.zeros(25))
    air = -3.0 - 13.0 * np.cos(2 * np.pi * np.arange(12) / 12)
    top = radiation.top_of_atmosphere(np.array([33.0]))[0]
    months = Forcing(*(jnp.asarray(x) for x in (
        air, np.roll(air, -1), np.full(12, 10.0), 0.6 * top / WATTS_TO_TEM_RADIATION, top, 0 * air + 300, 0 * air, 0 * air + 30,
    )))  # fmt: skip

    def run(values, lit):
        design = step.Design(permafrost=permafrost.NONE, thermal=soil_heat.ThermalDesign(lit=lit), heat_dtype="float64")
        ground = dataclasses.replace(row.soil_thermal, **dict(zip(OF_SURFACE, values, strict=True)))
        column = step.derive(dataclasses.replace(row, soil_thermal=ground), cell, design)
        state = heat.start(jnp.asarray(air), column, design)
        _, out = jax.lax.scan(lambda s, m: heat.month(s, m, column, design), state, months)
        return out.soil_temperature_10cm[6], out.heat_residual

    return jax.jit(run, static_argnums=1)


def test_light_warms_the_ground_with_exact_derivatives_and_energy_closes(july):
    values = a([1.0, 0.4, 42.0])
    (warm, residual), (cool, _) = july(values, True), july(values, False)
    assert 1.0 < float(warm - cool) < 6.0 and float(jnp.abs(residual).max()) < 1e-8
    slope = np.asarray(jax.jacfwd(lambda v: july(v, True)[0])(values))
    for k, name in enumerate(OF_SURFACE):
        by = np.zeros(3)
        by[k] = 1e-5
        difference = float(july(values + by, True)[0] - july(values - by, True)[0]) / 2e-5
        np.testing.assert_allclose(slope[k], difference, rtol=1e-4, err_msg=name)
        assert abs(difference) > 1e-3
