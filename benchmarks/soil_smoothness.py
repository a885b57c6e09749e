"""How smooth the periodic ground is in its parameters: jumps in steps of 1e-6, and exact derivatives against wide slopes.

Ten columns near 0 degC (an alpine meadow like CN-HaM; three communities at three mean temperatures) are brought to the year that
repeats. Their annual mean temperature at 1 m is read at 11 values of a parameter 1e-6 apart (as factors): the largest step
beyond the line through them is the jump. The exact derivative of the periodic state is put beside the slope over +-0.5 %.

    python benchmarks/soil_smoothness.py [--options point ...] [--years 80]

An option is words joined by "+": point, settling, fine, solved.
"""

import argparse
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

from jtem import parameters, step  # noqa: E402
from jtem.files import data_path  # noqa: E402
from jtem.physics import permafrost, snow  # noqa: E402
from jtem.physics import soil_heat as st  # noqa: E402
from jtem.run.spinup import periodic_heat  # noqa: E402
from jtem.state import Cell, Climate  # noqa: E402
from jtem.step import heat  # noqa: E402

TABLE = parameters.read_table(step.Parameters, [data_path("parameters", "defaults.toml")])
CASES = [("alpine_meadow", -1.7, 12.0, 6.0)] + [
    (community, mean, amplitude, fall)
    for community, amplitude, fall in (
        ("boreal_forest", 18.0, 30.0), ("wet_moist_tundra", 16.0, 25.0), ("alpine_meadow", 11.0, 5.0),
    )
    for mean in (-3.5, -2.0, -0.5)
]  # fmt: skip
NEAR, APART = np.arange(-5, 6) * 1e-6, 5e-3
LAYER = 9  # 0.9-1.0 m


def design_of(option: str) -> step.Design:
    """The heat alone with the options named."""
    words = set(option.split("+"))
    thermal = st.ThermalDesign(
        layer_edges=st.GRIDS["fine" if "fine" in words else "default"],
        substeps=10 if "fine" in words else 6,
        settling_snow="settling" in words,
        solved="solved" in words,
    )
    made = step.Design(permafrost=permafrost.NONE, thermal=thermal, heat_dtype="float64")
    return step.with_processes(made, snow_cover=snow.settling_cover) if "settling" in words else made


def mean_temperature(design: step.Design, years: int, name: str):
    """``(log factor, case) -> annual mean temperature`` (degC) of the periodic state at 1 m."""

    def value(change, community, air, precipitation):
        rows = parameters.build(step.Parameters, TABLE, "float64")
        row = step.select_community(rows, community)
        thermal = dataclasses.replace(row.soil_thermal, **{name: getattr(row.soil_thermal, name) * jnp.exp(change)})
        row = dataclasses.replace(row, soil_thermal=thermal)
        zero = jnp.zeros(12)
        climate = Climate(air, precipitation, zero + 100.0, jnp.asarray(300.0), zero, air[0])
        cell = Cell(jnp.asarray(100.0), jnp.asarray(0.6), community, zero + 500.0, jnp.zeros(25))
        column = step.derive(row, cell, design)
        state = heat.start(air, column, design)
        assert state is not None
        _, made = periodic_heat(state, climate, cell, column, years=years, design=design, differentiable=True)
        return made.months.soil_temperature[:, LAYER].mean(), made.largest_change

    return value


def main():
    """Print a line for every option and parameter."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--options", nargs="+", default=["point", "point+solved", "fine+settling+solved"])
    parser.add_argument("--years", type=int, default=60)
    arguments = parser.parse_args()
    index = jnp.asarray([TABLE.index(c[0]) for c in CASES])
    angle = np.cos(2 * np.pi * (np.arange(12) + 0.5 - 6.5) / 12)
    air = jnp.asarray([m + a * angle for _, m, a, _ in CASES])
    rain = jnp.asarray([np.full(12, fall) for *_, fall in CASES])
    for option in arguments.options:
        design = design_of(option)
        agree = []
        for name in (
            "deep_snow_density" if "settling" in option else "snow_density",
            "conductivity_thawed",
            "conductivity_frozen",
        ):
            value = mean_temperature(design, arguments.years, name)
            over = jax.vmap(value, in_axes=(0, None, None, None))
            steps = jnp.asarray([*NEAR, -APART, APART])
            found, change = jax.jit(jax.vmap(over, in_axes=(None, 0, 0, 0)))(steps, index, air, rain)
            slope = jax.jit(jax.vmap(jax.grad(value, has_aux=True), in_axes=(None, 0, 0, 0)))(0.0, index, air, rain)[0]
            found, slope = np.asarray(found), np.asarray(slope)
            near, wide = found[:, : NEAR.size], (found[:, -1] - found[:, -2]) / (2 * APART)
            jump = np.abs(np.diff(near, axis=1) - wide[:, None] * 1e-6).max(1)
            right = np.abs(slope - wide) <= 0.25 * np.abs(wide)
            agree.append(right)
            above = f"{(jump > 0.005).sum()} of {jump.size} above 0.005"
            print(
                f"{option} {name}: mean {np.round(near[:, 5], 2)}; not periodic by {np.asarray(change).max():.1e} K; "
                f"jump {jump.max():.1e} K ({above}); derivative {np.round(slope, 2)} against {np.round(wide, 2)}: "
                f"{right.sum()} of {right.size} within 25 %",
                flush=True,
            )
        print(f"{option}: derivatives right {100 * np.mean(agree):.0f} %", flush=True)


if __name__ == "__main__":
    main()
