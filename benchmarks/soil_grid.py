"""Error and cost of the grids and sub-steps of soil heat, against a fine solution by other means (benchmarks/fine_soil.py).

Columns: the default and the calibrated (jtem_soil_heat) rows of three communities in three climates, and the random ones of
tests/physics/test_soil_heat.py. Thermal snow, surface and ground are those of the model. All start from the
temperatures of the model's 60th New Year and run for two years; the second is compared (and how much the two differ is said). A
column counts as right where its thaw depth is within 3 cm and the root mean square of the monthly errors at 5, 25, 50 and 100 cm
within 0.3 K. Cost: processor time of the heat of a cell-year in single precision, over that of the first scheme.

    python benchmarks/soil_grid.py [--random 500] [--reference FILE.npz] [--schemes GRID:STEPS:SWEEPS ...]

``--reference`` keeps the fine solution (a minute) for the next time.
"""

import argparse
import dataclasses
import sys
import time
from pathlib import Path

from jtem.devices import use_all_cores

use_all_cores()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

jax.config.update("jax_enable_x64", True)
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/physics"))

from soil_heat_columns import FIXED, random_rows  # noqa: E402

import fine_soil  # noqa: E402
from jtem import parameters, step  # noqa: E402
from jtem.files import data_path  # noqa: E402
from jtem.physics import snow  # noqa: E402
from jtem.physics import soil_heat as st  # noqa: E402

COMMUNITIES = ("boreal_forest", "wet_moist_tundra", "alpine_tundra_polar_desert")
CLIMATES = (
    (-8.5, 20.0, 105.0),
    (-9.5, 29.0, 70.0),
    (-4.0, 19.0, 175.0),
)  # mean, amplitude (degC), snow of seven months (mm)


def grid(*runs: tuple[float, float]) -> tuple[float, ...]:
    """Layers of a thickness down to a depth (m), run by run; below 3 m those of the default."""
    edges = [0.0]
    for thick, to in runs:
        edges += [edges[-1] + thick * (i + 1) for i in range(round((to - edges[-1]) / thick))]
    return (*(round(x, 10) for x in edges), *st.DEFAULT_EDGES[21:])


GRIDS = {
    **st.GRIDS,
    "even": grid((0.05, 1.0), (0.1, 3.0)),
    "top": grid((0.025, 0.5), (0.05, 1.0), (0.1, 3.0)),
    "quarters": grid((0.025, 1.0), (0.05, 3.0)),
}
YEARS = 2
DEEPEST = 3.0
"""Thaw deeper than this (m) counts as this: below, layers of the fine solution are thick, too."""


def known_rows() -> tuple[dict, np.ndarray, np.ndarray, np.ndarray]:
    """Default and calibrated rows of three communities, each in three climates."""
    made: dict[str, list] = {}
    climates = []
    for overlay in ((), ("jtem_soil_heat",)):
        files = [data_path("parameters", f"{name}.toml") for name in ("defaults", *overlay)]
        table = parameters.read_table(step.Parameters, files)
        for community in COMMUNITIES:
            for climate in CLIMATES:
                climates.append(climate)
                for name, entry in table.entries.items():
                    branch, field = name.split(".")
                    if branch == "soil_thermal":
                        made.setdefault(field, []).append(entry.values[community])
    return {k: np.array(v, float) for k, v in made.items()}, *np.array(climates).T


def columns(count: int, seed: int):
    """Known and random columns: parameters, air temperature and snowfall (column, 12), mean air temperature; count of known."""
    known, drawn = known_rows(), random_rows(count, seed)
    rows = {k: np.concatenate([known[0][k], drawn[0][k]]) for k in drawn[0]}
    rows |= {k: np.full_like(rows[k], v) for k, v in FIXED.items()}
    mean, amplitude, largest = (np.concatenate(pair) for pair in zip(known[1:], drawn[1:], strict=True))
    air = mean[:, None] + amplitude[:, None] * np.cos(2 * np.pi * (np.arange(12) + 0.5 - 6.5) / 12)
    return rows, air, np.where(air < -1.0, largest[:, None] / 7, 0.0), mean, len(known[1])


def model(rows: dict, air, fall, start, years: int, design: st.ThermalDesign, dtype=jnp.float32):
    """The model's months: temperature (year, 12, layer, column), thaw (year, column), share of unsettled steps; seconds a run.

    ``start``: function of depths that gives the temperatures of January.
    """
    params = st.SoilThermalParameters(**{k: jnp.asarray(v, dtype) for k, v in rows.items()})

    def one(row, temperature, snowfall, start, lies):
        props = st.properties(row, design)
        state = dataclasses.replace(st.state_from_temperature(start, temperature[11], props), snow=lies)

        def month(state, forcing):
            return st.month(state, *forcing, props, cover=snow.cover, design=design)

        def year(state, _):
            state, out = jax.lax.scan(month, state, (temperature, jnp.roll(temperature, -1), snowfall))
            state, active, _ = st.close_year(state, design)
            return state, (out.temperature, active, out.inconsistent_steps.sum() / (12 * design.substeps))

        return jax.lax.scan(year, state, None, length=years)[1]

    run = jax.jit(jax.vmap(one))
    given = (
        params,
        *(
            jnp.asarray(x, dtype)
            for x in (air, fall, start(np.array(design.centres)).T, snow_at_start(rows, air, fall))
        ),
    )
    temperature, active, unsettled = jax.block_until_ready(run(*given))
    spent = []
    for _ in range(5):
        begin = time.process_time()
        jax.block_until_ready(run(*given))
        spent.append(time.process_time() - begin)
    return np.moveaxis(np.asarray(temperature, np.float64), 0, -1), np.asarray(active).T, unsettled.mean(), min(spent)


def snow_at_start(rows: dict, air, fall):
    """Snow (mm) on the first of January, after two years."""
    snow = np.zeros(len(air))
    for _ in range(2):
        snow = fine_soil.weather(rows, air, fall, snow, 60)[2]
    return snow


def started(rows: dict, air, fall, mean):
    """Temperatures of the model's 60th New Year (mean of two months), as a function of depths (linear between layers)."""
    flux = rows["geothermal_heat_flux"]
    design = st.ThermalDesign(layer_edges=st.FINE_EDGES, substeps=10)
    found, *_ = model(rows, air, fall, lambda z: mean + flux * z[:, None] / 1.8, 60, design)
    profile = (found[-2, 11] + found[-1, 0]) / 2

    def at(depth):
        return np.stack([np.interp(depth, design.centres, profile[:, i]) for i in range(profile.shape[1])], 1)

    return at


def read(temperature, design: st.ThermalDesign):
    """Temperatures at the depths of the fine solution, linear between the layers' middles."""
    centres = np.array(design.centres)
    weight = np.array([[np.interp(z, centres, row) for row in np.eye(centres.size)] for z in fine_soil.DEPTHS])
    return np.einsum("zl,ymlc->ymzc", weight, temperature)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--random", type=int, default=500)
    parser.add_argument("--seed", type=int, default=15)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--schemes", nargs="+", default=["default:6:drdrd", "fine:10:drd"])
    arguments = parser.parse_args()
    rows, air, fall, mean, count = columns(arguments.random, arguments.seed)
    start = started(rows, air, fall, mean)
    if arguments.reference and arguments.reference.is_file():
        truth = dict(np.load(arguments.reference))
    else:
        begin = time.perf_counter()
        truth = fine_soil.simulate(rows, air, fall, start, snow_at_start(rows, air, fall), YEARS)
        print(f"fine solution: {time.perf_counter() - begin:.0f} s", flush=True)
        if arguments.reference:
            np.savez(arguments.reference, **truth)
    between = np.abs(np.diff(truth["temperature"], axis=0)).max((0, 1, 2))
    print(
        f"{mean.size} columns; unsettled steps {truth['unsettled']:.1e}; its two years differ by "
        f"{np.quantile(between, 0.5):.2f} K (median), {np.quantile(between, 0.95):.2f} K (95 %)"
    )
    first = None
    for scheme in arguments.schemes:
        grid, steps, sweeps = scheme.split(":")
        design = st.ThermalDesign(layer_edges=GRIDS[grid], substeps=int(steps), sweeps=sweeps)
        temperature, active, unsettled, spent = model(rows, air, fall, start, YEARS, design)
        error = (read(temperature, design) - truth["temperature"])[-1]
        rms, worst = np.sqrt((error**2).mean(0)), np.abs(error).max((0, 1))
        depth = np.abs(np.minimum(active, DEEPEST) - np.minimum(truth["active"], DEEPEST))[-1]
        first = first or spent
        print(f"{scheme}: {design.layers} layers, cost {spent / first:.2f}, unsettled {unsettled:.1e}")
        for name, part in (("known", slice(None, count)), ("random", slice(count, None))):
            near, warm = depth[part] <= 0.03, rms[:, part].max(0) <= 0.3
            at = ", ".join(
                f"{100 * z:.0f} cm {np.median(r):.2f}/{np.quantile(r, 0.9):.2f}/{np.quantile(r, 0.99):.2f}"
                for z, r in zip(fine_soil.DEPTHS, rms[:, part], strict=True)
            )
            print(
                f"  {name}: right {100 * (near & warm).mean():.0f} % (3 cm {100 * near.mean():.0f}, 0.3 K "
                f"{100 * warm.mean():.0f}); thaw, median/90/99 %: {100 * np.median(depth[part]):.1f}/"
                f"{100 * np.quantile(depth[part], 0.9):.1f}/{100 * np.quantile(depth[part], 0.99):.1f} cm; rms K {at}; "
                f"worst month {worst[part].max():.1f} K",
                flush=True,
            )


if __name__ == "__main__":
    main()
