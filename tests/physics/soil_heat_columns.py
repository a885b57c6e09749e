"""Columns and small drivers shared by the tests of soil heat."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from jtem.physics import snow as snow_physics
from jtem.physics import soil_heat as st

FAST = st.ThermalDesign(substeps=5, sweeps="drd", front_depth=3.0, ahead=True)
"""What ``numerics = "fast"`` with five sub-steps asks of soil heat."""
MINERAL = (1.20, 2.10, 3.1, 1.7, 0.43)
ROWS = {  # thickness, k thawed, k frozen, c thawed, c frozen, theta
    "alpine": [(0.22, 0.09, 1.20, 1.7, 1.5, 0.34), (0.50, 0.20, 1.25, 1.7, 1.5, 0.45), (None, *MINERAL)],
    "wet tundra": [(0.20, 0.30, 0.56, 1.5, 1.2, 0.35), (0.60, 0.70, 1.50, 1.3, 1.2, 0.10), (None, *MINERAL)],
    "boreal": [(0.20, 0.35, 0.35, 1.7, 1.5, 0.18), (0.35, 0.50, 1.00, 2.6, 2.4, 0.20), (None, *MINERAL)],
    "qtp": [(0.10, 0.60, 0.90, 2.0, 1.6, 0.25), (0.30, 1.00, 1.50, 2.2, 1.7, 0.25), (None, 1.40, 2.00, 2.3, 1.8, 0.20)],
}
COLUMNS = {  # mean, amplitude, row, largest snow, snow density, T0, q, reference ALT in year 20
    "toolik": (-8.5, 20.0, "wet tundra", 110.0, 250.0, -5.0, 0.05, 0.809),
    "yakutsk": (-9.5, 29.0, "boreal", 70.0, 220.0, -3.0, 0.05, 0.854),
    "qtp": (-3.0, 12.0, "qtp", 5.0, 250.0, -1.5, 0.06, 1.256),
    "polar": (-10.0, 16.0, "alpine", 150.0, 280.0, -5.0, 0.05, 0.100),
    "warmqtp": (0.6, 13.0, "qtp", 5.0, 250.0, -0.4, 0.06, 2.036),
}
MONTHS = np.arange(12)


def air(mean, amplitude):
    shape = np.cos(2 * np.pi * (MONTHS + 0.5 - 6.5) / 12) * math.sin(math.radians(15)) / math.radians(15)
    return mean + amplitude * shape


def month_end_snow(largest):
    swe = np.zeros(12)
    for step, month in enumerate((9, 10, 11, 0, 1, 2, 3), 1):
        swe[month] = largest * step / 7
    return swe


def snow_in_substeps(month_end, substeps):
    """SWE in the middle of every sub-step, linear between month ends (wrapping): (12, substeps)."""
    before = np.roll(month_end, 1)
    s = (np.arange(substeps) + 0.5) / substeps
    return before[:, None] + (month_end - before)[:, None] * s


FIXED = {
    "snow_melt_factor": 4.0,
    "snow_half_cover": 10.0,
    "surface_factor_thaw": 1.0,
    "surface_factor_freeze": 1.0,
    "freezing_interval": 0.01,
    "deep_snow_density": 450.0,
    "snow_load": 204.7,
    "snow_settling_time": 4.17,
    "snowfall_ratio": 1.0,
    "canopy_transmission": 1.0,
    "surface_wetness": 0.5,
    "aerodynamic_resistance": 42.0,
}
"""Parameters that random columns share."""


def random_rows(count, seed):
    """Columns over the whole range of the ground (docs/model.md#h4): parameters by name; mean and amplitude of air temperature
    (degC), largest snow (mm).
    """
    rng = np.random.default_rng(seed)

    def uniform(low, high, *shape):
        return rng.uniform(low, high, (count, *shape))

    def log(low, high, *shape):
        return np.exp(uniform(np.log(low), np.log(high), *shape))

    rows = dict(
        layer_thickness=uniform(0.03, 0.9, 2),
        conductivity_thawed=log(0.05, 3.5, 3),
        conductivity_frozen=log(0.05, 3.5, 3),
        heat_capacity_thawed=uniform(1.0, 3.5, 3),
        heat_capacity_frozen=uniform(0.8, 2.5, 3),
        water_content=uniform(0.01, 0.85, 3),
        snow_density=uniform(150, 400),
        geothermal_heat_flux=uniform(0.03, 0.09),
    )
    for name, value in FIXED.items():
        rows[name] = np.full(count, value)
    return rows, uniform(-22, 12), uniform(2, 32), uniform(0, 300)


def parameters(layers, snow_density=280.0, q_geo=0.05, *, delta=0.01, dtype=jnp.float64, **scalars):
    """One row of parameters from a list of (thickness, k_t, k_f, c_t, c_f, theta)."""

    def column(j):
        return jnp.asarray([layer[j] for layer in layers], dtype)

    values = FIXED | dict(snow_density=snow_density, geothermal_heat_flux=q_geo, freezing_interval=delta)
    return st.SoilThermalParameters(
        layer_thickness=jnp.asarray([layer[0] for layer in layers[:-1]], dtype),
        conductivity_thawed=column(1),
        conductivity_frozen=column(2),
        heat_capacity_thawed=column(3),
        heat_capacity_frozen=column(4),
        water_content=column(5),
        **{name: jnp.asarray(value, dtype) for name, value in (values | scalars).items()},
    )


def stack(rows):
    return jax.tree.map(lambda *x: jnp.stack(x), *rows)


def five_columns(dtype=jnp.float64, substeps=6):
    """Parameters, air temperature (12,), snow per sub-step (12, S) and T0 of the five reference columns."""
    rows = [parameters(ROWS[row], rho, q, dtype=dtype) for _, _, row, _, rho, _, q, _ in COLUMNS.values()]
    temperature = np.stack([air(mean, amp) for mean, amp, *_ in COLUMNS.values()])
    snow = np.stack([snow_in_substeps(month_end_snow(c[3]), substeps) for c in COLUMNS.values()])
    start = np.array([c[5] for c in COLUMNS.values()])
    return stack(rows), jnp.asarray(temperature, dtype), jnp.asarray(snow, dtype), jnp.asarray(start, dtype)


def given_snow(snow, air_temperature, water, *, density, half_cover, factor_thaw, factor_freeze, **_):
    """A cover whose snow (mm water) in the middle of every sub-step is given."""
    del snow
    each = [jnp.broadcast_to(x[None], air_temperature.shape) for x in (half_cover, factor_thaw, factor_freeze, density)]
    return snow_physics.Cover(
        snow=water[-1],
        water_equivalent=water,
        surface_temperature=snow_physics.surface_temperature(air_temperature, water, *each[:3]),
        resistance=snow_physics.snow_resistance(water, each[3]),
    )


def linear_start(t0, q_geo, december, props, design):
    """State of the reference columns: T0 + q z / 1.8."""
    temperature = t0 + q_geo * jnp.asarray(design.centres, props.enthalpy_thawed.dtype) / 1.8
    return st.state_from_temperature(temperature, december, props)


def one_year(design, state, temperature, following_january, snow, props):
    """Twelve months of one column and the end of the year; ``snow`` (12, S) series or (12,) snowfall."""
    following = jnp.concatenate([temperature[1:], following_january[None]])
    degree_days = snow_physics.settling_cover if design.settling_snow else snow_physics.cover
    cover = given_snow if snow.ndim == 2 else degree_days

    def step(state, forcing):
        return st.month(state, *forcing, props, cover=cover, design=design)

    state, out = jax.lax.scan(step, state, (temperature, following, snow))
    state, active, unfrozen = st.close_year(state, design)
    return state, (out, active, unfrozen)


def simulate(design, state, temperature, snow, props, years, trend=0.0):
    """Years of repeated (or steadily warming) climate of one column: final state, and all that was put out."""

    def step(state, year):
        warming = jnp.asarray(trend, temperature.dtype) * year
        now = temperature + warming
        later = now[0] + jnp.asarray(trend, temperature.dtype)
        return one_year(design, state, now, later, snow, props)

    return jax.lax.scan(step, state, jnp.arange(years, dtype=temperature.dtype))


@functools.partial(jax.jit, static_argnums=(0, 5))
def run_columns(design, rows, temperature, snow, start, years, trend=None):
    """vmap of :func:`simulate` from the reference columns' start."""
    trend = jnp.zeros_like(start) if trend is None else trend

    def one(row, temperature, snow, t0, trend):
        props = st.properties(row, design)
        state = linear_start(t0, row.geothermal_heat_flux, temperature[11], props, design)
        return simulate(design, state, temperature, snow, props, years, trend)

    return jax.vmap(one)(rows, temperature, snow, start, trend)


def at_10cm(out):
    return np.asarray(out.temperature_10cm)
