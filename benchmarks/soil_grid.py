"""Error and cost of the grids and sub-steps of soil heat, against a fine solution by other means (benchmarks/fine_soil.py).

Columns: the default and the calibrated (jtem_soil_heat) rows of three communities in three climates, and random ones. Thermal
snow, surface and ground are those of the model. A column counts as right where thaw depth of every year from the third is
within 3 cm and the root mean square of the monthly errors of its layers to 3 m is within 0.3 K. Cost: time of the heat of a
cell-year on one core in single precision, over that of the default.

    python benchmarks/soil_grid.py [--random 500] [--years 5] [--reference FILE.npz] [--schemes GRID:STEPS:SWEEPS ...]

``--reference`` keeps the fine solution (minutes) for the next time.
"""

import argparse
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import fine_soil

jax.config.update("jax_enable_x64", True)

from jtem import parameters, step  # noqa: E402
from jtem.files import data_path  # noqa: E402
from jtem.physics import snow  # noqa: E402
from jtem.physics import soil_heat as st  # noqa: E402

COMMUNITIES = ("boreal_forest", "wet_moist_tundra", "alpine_tundra_polar_desert")
CLIMATES = (
    (-8.5, 20.0, 15.0),
    (-9.5, 29.0, 10.0),
    (-4.0, 19.0, 25.0),
)  # mean, amplitude (degC), snowfall (mm) of a cold month
GRIDS = {
    "default": st.DEFAULT_EDGES,
    "fine": tuple(
        round(x, 10)
        for x in (*(0.05 * i for i in range(21)), *(1.0 + 0.2 * i for i in range(1, 11)), *st.DEFAULT_EDGES[21:])
    ),
    "fine30": tuple(
        round(x, 10)
        for x in (
            *(0.05 * i for i in range(11)), *(0.5 + 0.1 * i for i in range(1, 6)), *(1.0 + 0.2 * i for i in range(1, 11)),
            *st.DEFAULT_EDGES[21:],
        )
    ),
    "top": tuple(
        round(x, 10)
        for x in (
            *(0.025 * i for i in range(9)), *(0.2 + 0.05 * i for i in range(1, 7)), *(0.5 + 0.1 * i for i in range(1, 6)),
            *(1.0 + 0.2 * i for i in range(1, 11)), *st.DEFAULT_EDGES[21:],
        )
    ),
    "finest": tuple(
        round(x, 10)
        for x in (*(0.025 * i for i in range(41)), *(1.0 + 0.05 * i for i in range(1, 41)), *st.DEFAULT_EDGES[21:])
    ),
}  # fmt: skip


def random_rows(count: int, seed: int) -> tuple[dict, np.ndarray, np.ndarray, np.ndarray]:
    """Columns over the whole range of the ground (docs/model.md, H4), with their climate."""
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
    return _with_climate(rows, uniform(-22, 12), uniform(2, 32), uniform(0, 45))


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
    return _with_climate({k: np.array(v, float) for k, v in made.items()}, *np.array(climates).T)


def _with_climate(rows: dict, mean, amplitude, snowfall):
    count = len(mean)
    fixed = dict(
        snow_melt_factor=4.0,
        snow_half_cover=10.0,
        surface_factor_thaw=1.0,
        surface_factor_freeze=1.0,
        freezing_interval=0.01,
    )
    rows = {**{k: np.full(count, v) for k, v in fixed.items()}, **rows}
    air = mean[:, None] + amplitude[:, None] * np.cos(2 * np.pi * (np.arange(12) + 0.5 - 6.5) / 12)
    return rows, air, np.where(air < -1.0, snowfall[:, None], 0.0), mean


def model(rows: dict, air, fall, start, years: int, design: st.ThermalDesign):
    """The model's months of the columns: (year, 12, reported layer, column) temperature, (year, column) thaw; seconds a run."""
    dtype = jnp.float32
    known = {f.name for f in st.SoilThermalParameters.__dataclass_fields__.values()}
    params = st.SoilThermalParameters(**{k: jnp.asarray(v, dtype) for k, v in rows.items() if k in known})
    faces = np.array(design.layer_edges)
    weight = np.zeros((len(fine_soil.REPORTED) - 1, design.layers))
    centres = np.array(design.centres)
    for i, (a, b) in enumerate(zip(fine_soil.REPORTED[:-1], fine_soil.REPORTED[1:], strict=True)):
        inside = (centres > a) & (centres < b)
        weight[i, inside] = np.diff(faces)[inside] / (b - a)

    def one(row, temperature, snowfall, mean):
        props = st.properties(row, design)
        at = mean + row.geothermal_heat_flux * jnp.asarray(design.centres, dtype) / 1.8
        state = st.state_from_temperature(at, temperature[11], props)

        def month(state, forcing):
            now, later, falls = forcing
            return st.month(state, now, later, falls, props, cover=snow.cover, design=design)

        def year(state, _):
            state, out = jax.lax.scan(month, state, (temperature, jnp.roll(temperature, -1), snowfall))
            state, active, _ = st.close_year(state, design)
            return state, (out.temperature, active, out.inconsistent_steps.sum())

        return jax.lax.scan(year, state, None, length=years)[1]

    run = jax.jit(jax.vmap(one))
    given = (params, *(jnp.asarray(x, dtype) for x in (air, fall, start)))
    temperature, active, _ = jax.block_until_ready(run(*given))
    spent = []
    for _ in range(3):
        begin = time.perf_counter()
        jax.block_until_ready(run(*given))
        spent.append(time.perf_counter() - begin)
    layers = np.einsum("lk,cymk->ymlc", weight, np.asarray(temperature, np.float64))
    return layers, np.asarray(active).T, min(spent)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--random", type=int, default=500)
    parser.add_argument("--years", type=int, default=5)
    parser.add_argument("--seed", type=int, default=15)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--schemes", nargs="+", default=["default:6:drdrd", "fine:10:drd"])
    arguments = parser.parse_args()
    known, drawn = known_rows(), random_rows(arguments.random, arguments.seed)
    shared = set(known[0]) & set(drawn[0])
    rows = {k: np.concatenate([known[0][k], drawn[0][k]]) for k in shared}
    air, fall, start = (np.concatenate(pair) for pair in zip(known[1:], drawn[1:], strict=True))
    count = len(known[3])
    if arguments.reference and arguments.reference.is_file():
        truth = dict(np.load(arguments.reference))
    else:
        begin = time.perf_counter()
        truth = fine_soil.simulate(rows, air, fall, start, arguments.years)
        print(
            f"fine solution: {time.perf_counter() - begin:.0f} s, unsettled steps {truth['unsettled']:.4f}", flush=True
        )
        if arguments.reference:
            np.savez(arguments.reference, **truth)
    first = None
    for scheme in arguments.schemes:
        grid, steps, sweeps = scheme.split(":")
        design = st.ThermalDesign(layer_edges=GRIDS[grid], substeps=int(steps), sweeps=sweeps)
        temperature, active, spent = model(rows, air, fall, start, arguments.years, design)
        error = temperature[2:] - truth["temperature"][2:]
        rms, worst = np.sqrt((error**2).mean((0, 1)).max(0)), np.abs(error).max((0, 1, 2))
        depth = np.abs(active[2:] - truth["active"][2:]).max(0)
        first = first or spent
        right = (depth <= 0.03) & (rms <= 0.3)
        said = [
            f"{name}: right {100 * right[part].mean():.0f} % (3 cm {100 * (depth[part] <= 0.03).mean():.0f}, "
            f"0.3 K {100 * (rms[part] <= 0.3).mean():.0f}), thaw median/90 % {100 * np.median(depth[part]):.1f}/"
            f"{100 * np.quantile(depth[part], 0.9):.1f} cm, rms median/90 % {np.median(rms[part]):.2f}/"
            f"{np.quantile(rms[part], 0.9):.2f} K, worst month {worst[part].max():.1f} K"
            for name, part in (("known", slice(None, count)), ("random", slice(count, None)))
        ]
        print(f"{scheme:18s} layers {design.layers}, cost {spent / first:.2f}; {'; '.join(said)}", flush=True)


if __name__ == "__main__":
    main()
