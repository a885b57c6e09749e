"""The equilibrium solver against brute force: pools, model years, wall time.

Columns: the embedded domain, the embedded sites, and, with --data, real cells: Toolik (climate 1901-1930) and Bonanza Creek
(the climate of TEM 6's own equilibrium run). The brute-force states are in data/golden/equilibrium.csv; they were made by

    python benchmarks/equilibrium.py --golden --data DIR        # 20,000 years of every column

and are compared with by

    python benchmarks/equilibrium.py --json [--data DIR] [--cells 1000]

A *model year* is a year of one column; a tangent column of a derivative counts as one more year each, a year of water and
phenology alone as a whole one. With --json the last line is one flat JSON object.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import os
import time
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jtem import parameters, plan, run, step
from jtem.assemble.course import prepare
from jtem.assemble.model import parameter_files
from jtem.constants import CARBON_LAYERS
from jtem.devices import use_all_cores
from jtem.files import Inputs, data_path
from jtem.physics import permafrost, radiation
from jtem.run import equilibrium, spinup
from jtem.state import Cell, Climate

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "data" / "golden" / "equilibrium.csv"
POOLS = (
    "vegetation_carbon",
    "structural_nitrogen",
    "labile_nitrogen",
    "soil_carbon",
    "soil_organic_nitrogen",
    "available_nitrogen",
    "soil_water",
)
DESIGN = step.Design(permafrost=permafrost.NONE, heat_dtype="float64")  # the same answer whatever the batch
TABLE = parameters.read_table(step.Parameters, [data_path("parameters", "defaults.toml")])
PARAMETERS_OF = ("liu2024",)
HEAT_YEARS, BRUTE_YEARS, PAPER_YEARS = 60, 20000, 3000
HEAT_SETTLED = 1e-4
"""K a year. Above this the heat that 60 years give depends on rounding (and so on the size of the batch)."""


class Columns(NamedTuple):
    """Columns to solve: a name each, attributes, the climate year that is repeated."""

    names: list[str]
    cells: Cell
    year: Climate


def tree_of_parameters() -> step.Parameters:
    """Defaults with the overlay of the demonstration plan, float64."""
    table = parameters.read_table(step.Parameters, parameter_files(PARAMETERS_OF, Inputs(), "benchmark"))
    return parameters.build(step.Parameters, table, "float64")


def of_plan(text: str, name: str, data: Path | None = None, stride: int = 1) -> Columns:
    """Columns and the mean year of the spin-up cycle of a plan."""
    prepared = prepare(plan.parse(text), data)
    experiment = prepared.experiment
    assert experiment.spin_up is not None
    rows = np.arange(0, len(experiment.column_cell), stride)
    cycle = experiment.spin_up.climate(experiment.column_cell[rows])
    year = jax.vmap(run.mean_year)(jax.tree.map(lambda leaf: jnp.asarray(leaf, "float64"), cycle))
    cells = jax.tree.map(lambda leaf: jnp.asarray(leaf)[rows], experiment.columns)
    return Columns([f"{name} {i}" for i in rows], cells, year)


def embedded(stride: int = 1) -> Columns:
    """The embedded pan-Arctic domain, mean of 1850-1860."""
    return of_plan((ROOT / "experiments/demo/plan.toml").read_text(encoding="utf-8"), "embedded", stride=stride)


def sites() -> Columns:
    """The embedded sites, Bonanza Creek and Toolik among them."""
    text = (ROOT / "experiments/demo/plan.toml").read_text(encoding="utf-8")
    from jtem.readers import embedded as reader

    names = [str(name) for name in reader.sites()["site"].values]
    text = text.replace('domain = "pan_arctic"', f"sites = {json.dumps(names)}")
    return of_plan(text, "site")


def toolik(data: Path) -> Columns:
    """Every fifth real cell around Toolik, mean of 1901-1930."""
    text = (ROOT / "experiments/toolik/plan.toml").read_text(encoding="utf-8")
    return of_plan(text, "toolik", data, stride=5)


def bonanza_creek(data: Path) -> Columns:
    """Bonanza Creek with the climate of TEM 6.0.6c's own equilibrium run."""
    import xarray as xr

    stem = data / "tem_reference" / "tem606_bnz_boreal_forest"
    site = json.loads(Path(f"{stem}_parameters.json").read_text(encoding="utf-8"))
    with xr.open_dataset(f"{stem}_ref.nc") as opened:
        air, rain, light, co2 = (
            np.asarray(opened[n].values, float) for n in ("in_tair_eq", "in_prec_eq", "in_nirr_eq", "in_co2")
        )
    zero = jnp.zeros((1, 12))
    year = Climate(
        air_temperature=jnp.asarray(air)[None],
        precipitation=jnp.asarray(rain)[None],
        shortwave_radiation=jnp.asarray(light)[None],
        co2=jnp.asarray(co2[:1]),
        nitrogen_input=zero,
        following_air_temperature=jnp.asarray(air[:1]),
    )
    cells = Cell(
        elevation=jnp.asarray([float(site["site"]["elev"])]),
        silt_clay=jnp.asarray([float(site["derived_for_this_site"]["psiplusc"])]),
        community=jnp.asarray([TABLE.index("boreal_forest")]),
        top_of_atmosphere=jnp.asarray(radiation.top_of_atmosphere(np.array([site["site"]["lat"]]))),
        soil_carbon_profile=jnp.zeros((1, CARBON_LAYERS)),
    )
    return Columns(["bonanza_creek"], cells, year)


def joined(parts: list[Columns]) -> Columns:
    """All columns as one batch."""
    names = [name for part in parts for name in part.names]

    def stack(*leaves):
        return jnp.concatenate([jnp.asarray(leaf, leaves[0].dtype) for leaf in leaves])

    return Columns(names, *(jax.tree.map(stack, *(part[i] for part in parts)) for i in (1, 2)))


def many(columns: Columns, count: int) -> Columns:
    """``count`` different columns: the given ones under changed temperature (degC) and precipitation."""
    changes = [(0.0, 1.0), (1.5, 1.1), (-1.5, 0.9), (3.0, 1.2), (-0.7, 1.0), (0.7, 0.9)]
    parts = []
    for number, (warmer, wetter) in enumerate(changes):
        year = dataclasses.replace(
            columns.year,
            air_temperature=columns.year.air_temperature + warmer,
            following_air_temperature=columns.year.following_air_temperature + warmer,
            precipitation=columns.year.precipitation * wetter,
        )
        parts.append(Columns([f"{name} change {number}" for name in columns.names], columns.cells, year))
    whole = joined(parts)
    rows = slice(0, count)
    return Columns(whole.names[rows], *(jax.tree.map(lambda leaf: leaf[rows], whole[i]) for i in (1, 2)))


# --- programs --------------------------------------------------------------------------------------------------------


def start(p, cell, year):
    """Initial state and periodic heat of one column."""
    site, state = run.course.start(p, cell, year, design=DESIGN)
    assert state.thermal is not None
    _, heat = spinup.periodic_heat(state.thermal, year, cell, site, years=HEAT_YEARS, design=DESIGN)
    return state.water, state.carbon, heat


def solved(p, cell, year, wet, carbon, heat):
    """Equilibrium of one column on its heat."""
    return equilibrium.solve(wet, carbon, heat, year, cell, step.derive(p, cell, DESIGN), design=DESIGN)


def repeated(years: int):
    """``years`` of one column on its heat."""

    def program(p, cell, year, wet, carbon, heat):
        site, controls = step.derive(p, cell, DESIGN), spinup.baseline_controls()
        return spinup.repeat_carbon(wet, carbon, heat, year, cell, site, controls, years=years, design=DESIGN)

    return program


def compiled(one, devices):
    """A program of one column over stacked columns on all devices."""
    return run.batch.compiled(one, devices)


def on_devices(columns: Columns, devices):
    """Stacked columns padded to the devices."""
    return run.place(run.pad_cells((columns.cells, columns.year), len(devices)), devices)


def pools(wet: step.WaterStateWithThaw, carbon: step.CarbonState, count: int) -> np.ndarray:
    """(column, pool) in the order of :data:`POOLS`."""
    values = (
        carbon.vegetation_carbon,
        carbon.structural_nitrogen,
        carbon.labile_nitrogen,
        carbon.soil.carbon,
        carbon.soil.organic_nitrogen,
        carbon.soil.available_nitrogen,
        wet.stores.soil_water,
    )
    return np.stack([np.asarray(value)[:count] for value in values], axis=1)


def relative(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Largest relative difference of a pool, each column; below 1 mg m-2 a difference of 1e-6 g m-2 counts as 0.1 %."""
    return (np.abs(found - expected) / np.maximum(np.abs(expected), 1e-3)).max(axis=1)


# --- golden file -----------------------------------------------------------------------------------------------------


def write_golden(columns: Columns, devices) -> None:
    """Brute force: 20,000 years, and how much the last 1,000 still changed."""
    p, count = tree_of_parameters(), len(columns.names)
    cells, year = on_devices(columns, devices)
    wet, carbon, heat = compiled(start, devices)(p, cells, year)
    block, changed = compiled(repeated(1000), devices), np.zeros(count)
    for _ in range(BRUTE_YEARS // 1000):
        before = pools(wet, carbon, count)
        wet, carbon, _ = block(p, cells, year, wet, carbon, heat)
        changed = relative(pools(wet, carbon, count), before)
    GOLDEN.parent.mkdir(parents=True, exist_ok=True)
    with GOLDEN.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["column", *POOLS, "change_in_last_1000_years", "heat_change_K"])
        heat_change = np.asarray(heat.largest_change)[:count]
        for name, values, change, kelvin in zip(
            columns.names, pools(wet, carbon, count), changed, heat_change, strict=True
        ):
            writer.writerow([name, *(f"{value:.8g}" for value in values), f"{change:.1e}", f"{kelvin:.1e}"])
    print(f"{GOLDEN.relative_to(ROOT)}: {count} columns; largest change in the last 1000 years {changed.max():.1e}")


def read_golden(names: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the named columns: pools of :data:`POOLS`, their change in the last 1,000 years, change of heat (K a year)."""
    with GOLDEN.open(encoding="utf-8") as file:
        rows = {row[0]: np.array([float(x) for x in row[1:]]) for row in list(csv.reader(file))[1:]}
    values = np.stack([rows[name] for name in names])
    return values[:, :-2], values[:, -2], values[:, -1]


# --- measurements ----------------------------------------------------------------------------------------------------


def percentiles(values) -> list[float]:
    """Median, 95th percentile, largest."""
    return [float(x) for x in np.percentile(np.asarray(values), [50, 95, 100])]


def against_golden(columns: Columns, devices) -> dict[str, float]:
    """Pools against brute force, and model years."""
    p, count = tree_of_parameters(), len(columns.names)
    cells, year = on_devices(columns, devices)
    begun = compiled(start, devices)(p, cells, year)
    found = jax.tree.map(lambda leaf: np.asarray(leaf)[:count], compiled(solved, devices)(p, cells, year, *begun))
    expected, changed, heat_change = read_golden(columns.names)
    settled = changed < 1e-4
    same_heat = np.maximum(np.asarray(begun[2].largest_change)[:count], heat_change) < HEAT_SETTLED
    error = relative(pools(found.water, found.carbon, count), expected)
    good = found.code == equilibrium.CONVERGED
    forward = found.water_years + found.model_years
    total = forward + found.tangent_years
    imbalance = jax.vmap(equilibrium.largest_imbalance)(found.drift)
    print(
        f"{count} columns, {int(good.sum())} converged, {int(settled.sum())} of the brute-force states have converged"
    )
    for kind in dict.fromkeys(name.split()[0] for name in columns.names):
        of = np.array([name.split()[0] == kind for name in columns.names])
        shown = ", ".join(f"{x:.0f}" for x in percentiles(total[of]))
        worst = [error[of & good & settled & which].max(initial=0.0) for which in (same_heat, ~same_heat)]
        print(
            f"  {kind:14s} {of.sum():4d} columns: model years {shown}; largest pool error {worst[0]:.1e}, "
            f"{worst[1]:.1e} in the {(of & ~same_heat).sum()} whose heat has not settled"
        )
    for name in np.array(columns.names)[~good]:
        print(f"  not converged: {name}")
    names = ("median", "p95", "maximum")
    return {
        "columns_count": count,
        "unconverged_share": float(1.0 - good.mean()),
        "brute_force_converged_share": float(settled.mean()),
        "heat_settled_share": float(same_heat.mean()),
        "largest_pool_error_relative": float(error[good & settled & same_heat].max()),
        "largest_pool_error_with_unsettled_heat_relative": float(error[good & settled].max()),
        "largest_drift_over_closure_tolerance": float(np.max(np.asarray(imbalance)[good])),
        **{f"model_years_{n}": x for n, x in zip(names, percentiles(total), strict=True)},
        **{f"forward_years_{n}": x for n, x in zip(names, percentiles(forward), strict=True)},
        **{f"water_years_{n}": x for n, x in zip(names, percentiles(found.water_years), strict=True)},
        **{f"leaps_{n}": x for n, x in zip(names, percentiles(found.iterations), strict=True)},
        "years_saved_ratio_median": PAPER_YEARS / percentiles(total)[0],
    }


def best(call, repeats: int) -> float:
    """Smallest wall seconds of some calls after one to warm up."""
    jax.block_until_ready(call())
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        jax.block_until_ready(call())
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def wall_time(columns: Columns, devices) -> dict[str, float]:
    """Equilibrium and 3,000 repeated years of the same columns on the same heat."""
    p, count = tree_of_parameters(), len(columns.names)
    cells, year = on_devices(columns, devices)
    heat_program = compiled(start, devices)
    begun = heat_program(p, cells, year)
    solve, repeat = compiled(solved, devices), compiled(repeated(PAPER_YEARS), devices)
    code = np.asarray(solve(p, cells, year, *begun).code)[:count]
    heat_seconds = best(lambda: heat_program(p, cells, year), 1)
    solve_seconds = best(lambda: solve(p, cells, year, *begun), 3)
    repeat_seconds = best(lambda: repeat(p, cells, year, *begun), 1)
    print(
        f"{count} cells on {len(devices)} devices: equilibrium {solve_seconds:.2f} s, {PAPER_YEARS} years "
        f"{repeat_seconds:.1f} s, {HEAT_YEARS} years of heat {heat_seconds:.1f} s; {int((code != 0).sum())} not converged"
    )
    return {
        "wall_cells_count": count,
        "wall_devices_count": len(devices),
        "wall_unconverged_share": float((code != 0).mean()),
        "equilibrium_seconds": solve_seconds,
        "repeat_3000_years_seconds": repeat_seconds,
        "heat_60_years_seconds": heat_seconds,
        "wall_time_ratio": repeat_seconds / solve_seconds,
        "wall_time_ratio_with_heat": (repeat_seconds + heat_seconds) / (solve_seconds + heat_seconds),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("JTEM_DATA"), help="folder of the real data")
    parser.add_argument("--golden", action="store_true", help="make the golden file again (20,000 years)")
    parser.add_argument("--cells", type=int, default=1000, help="cells of the wall-time comparison; 0: none")
    parser.add_argument("--json", action="store_true", help="end with one flat JSON object")
    arguments = parser.parse_args()
    use_all_cores()
    jax.config.update("jax_enable_x64", True)
    devices = tuple(jax.local_devices())
    parts = [embedded(), sites()]
    if arguments.data:
        data = Path(arguments.data)
        parts += [toolik(data), bonanza_creek(data)]
    columns = joined(parts)
    if arguments.golden:
        write_golden(columns, devices)
    results = against_golden(columns, devices)
    if arguments.cells:
        results |= wall_time(many(parts[0], arguments.cells), devices)
    if arguments.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
