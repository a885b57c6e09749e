"""Derivatives against differences, their cost, and Sobol' indices, on the embedded domain (emulated climate), float64.

    python benchmarks/sensitivity.py --json [--schemes layered thaw_ratio] [--stride 5] [--samples 64]
    python benchmarks/sensitivity.py --json --map-columns 1000 --schemes layered

Each scheme: equilibrium of the mean year 1995-2004, history 2005-2014, base year, SSP5-8.5 2015-2100. One batch size serves
everything, so a scheme compiles its forward and its adjoint pieces once. With --json the last line is one flat JSON object.

pairs      adjoint, tangent and central differences of the two columns with the largest permafrost loss and of one without
           permafrost carbon, the leading parameters of every quantity
cost       the gradient map of all columns by every parameter, forcing and profile, as a multiple of the forward run
ranking    elasticities at three embedded sites (boreal, wet tundra, polar desert)
sobol      twelve parameters at the first of those columns

--map-columns N measures nothing but the cost of a map of N columns (the domain's, repeated), after compiling on one chunk.
With --out DIR datasets and figures of the gradient map, the ranking and the indices are written.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import resource
import time
from pathlib import Path

import numpy as np

from jtem import plan
from jtem.assemble.course import prepare
from jtem.devices import usable_cores, use_all_cores
from jtem.report import sensitivity as shown
from jtem.run import equilibrium
from jtem.study import sensitivity
from jtem.study.sensitivity import Quantity, ensembles

PLAN = """
[plan]
name = "benchmark"
[domain]
source = "embedded"
stride = {stride}
[model]
permafrost = "{scheme}"
precision = "float64"
parameters = ["liu2024"]
[spinup]
heat_years = 150
cycle = [1995, 2004]
[history]
first = 2005
last = 2014
[[scenario]]
name = "ssp585"
climate = "ssp585"
first = 2015
last = 2100
"""
LOSS = {
    "layered": Quantity("loss", "heterotrophic_respiration_thawed_permafrost", "sum", "sum", 2015, 2100, "gC m-2"),
    "thaw_ratio": Quantity("loss", "exposed_carbon", "year", "sum", 2015, 2100, "gC m-2"),
}
QUANTITIES = (
    Quantity("nep", "net_ecosystem_production", "sum", "sum", 2015, 2100, "gC m-2"),
    Quantity("soil carbon", "soil_carbon", "last", "change", 2015, 2100, "gC m-2"),
    Quantity("gpp", "gross_primary_production", "sum", "mean", 2091, 2100, "gC m-2 year-1"),
    Quantity("active layer", "active_layer_thickness", "year", "mean", 2091, 2100, "m"),
)
FACTORS = (
    "photosynthesis.maximum_rate_intercept", "respiration.maintenance_intercept", "respiration.q10_constant",
    "litter.carbon_rate", "litter.nitrogen_rate", "decomposition.rate_intercept", "decomposition.temperature_sensitivity",
    "decomposition.immobilization_intercept", "nitrogen.uptake_maximum_intercept_fine", "permafrost.e_folding_depth",
    "soil_thermal.snow_density", "soil_thermal.surface_factor_thaw",
)  # fmt: skip
STEPS = (1e-4, 1e-5, 1e-6)


def model_of(scheme: str, stride: int, chunk: int, sites: tuple[str, ...] = ()):
    """The model and the grid of the domain or of named sites."""
    text = PLAN.format(scheme=scheme, stride=stride)
    if sites:
        text = text.replace(f"stride = {stride}", f"sites = {json.dumps(sites)}")
    read = plan.parse(text)
    plan.use_precision(read.model.precision.name)
    prepared = prepare(read, None)
    annual = tuple((q.variable, q.reduction) for q in asked(scheme))
    settings = equilibrium.Settings(tolerance=1e-9)
    model = sensitivity.model_of(
        prepared.experiment, prepared.table, ["ssp585"], annual, settings=settings, chunk_columns=chunk
    )
    return off_kinks(model), prepared.grid


def asked(scheme: str) -> tuple[Quantity, ...]:
    return (LOSS[scheme], *QUANTITIES)


def off_kinks(model: sensitivity.ColumnModel) -> sensitivity.ColumnModel:
    """Defaults that sit on a kink of the published equations (see docs/gradients.md) are moved off it."""
    vectors = model.vectors.copy()
    for name, nudge in {
        "photosynthesis.temperature_minimum": lambda v: v - 0.13,
        "soil_thermal.layer_thickness": lambda v: v + 0.017,
        "soil_thermal.surface_factor_thaw": lambda v: v * 1.07,
        "nitrogen.co2_effect_on_cn": lambda v: v + 2e-4,
        "nitrogen.vegetation_cn_intercept": lambda v: v * 1.02,
    }.items():
        for k in model.vector.index([name]):
            vectors[:, k] = nudge(vectors[:, k])
    return dataclasses.replace(model, vectors=vectors)


SITES = ("US-Prr", "US-Atq", "GL-ZaH")


def ranking(scheme: str, chunk: int, out: Path | None) -> None:
    """Elasticities at the sites, in a batch as long as the domain's so that its program serves."""
    model, grid = model_of(scheme, 1, chunk, SITES)
    long = dataclasses.replace(model.take(np.resize(np.arange(len(SITES)), chunk)), chunk_columns=chunk)
    for q in asked(scheme):
        found = sensitivity.adjoint(long, "ssp585", [q])
        kept = {
            f.name: getattr(found, f.name)[: len(SITES)]
            for f in dataclasses.fields(found)
            if f.name not in ("scenario", "quantities")
        }
        found = dataclasses.replace(found, **kept)
        size = found.elasticity(model.vectors)
        for c, site in enumerate(SITES):
            order = np.argsort(-np.abs(np.nan_to_num(size[c, 0])))[:12]
            said = ", ".join(f"{model.vector.names[k]} {size[c, 0, k]:.2f}" for k in order)
            print(f"ranking {scheme} {site} {q.name} ({found.value[c, 0]:.4g} {q.unit}, code {found.code[c]}): {said}")
        if out:
            data = shown.adjoint_dataset(found, model.axes, grid)
            name = f"sites_{scheme}_{q.name.replace(' ', '_')}"
            shown.write(data, out / f"{name}.nc", {})
            shown.tornado(data, q.name, out / f"{name}.png")


def differences(model, columns, places, quantities, chunk):
    """Central differences (step, column, quantity, place) for every size of step, in batches of one size."""
    jobs = [(s, c, p, sign) for s in STEPS for c in columns for p in places for sign in (1.0, -1.0)]
    weights = model.weights(quantities)
    values = []
    for start in range(0, len(jobs), chunk):
        some = [jobs[min(k, len(jobs) - 1)] for k in range(start, start + chunk)]
        part = model.take(np.array([job[1] for job in some]))
        vectors = part.vectors.copy()
        for row, (step, _, place, sign) in enumerate(some):
            vectors[row, place] += sign * step * max(abs(vectors[row, place]), 1e-3)
        y, code = sensitivity.forward(part, "ssp585", vectors)
        values.append(np.where((code == 0)[:, None], np.einsum("cvy,qvy->cq", y, weights), np.nan))
    y = np.concatenate(values)[: len(jobs)].reshape(len(STEPS), len(columns), len(places), 2, -1)
    h = np.array(STEPS)[:, None, None] * np.maximum(np.abs(model.vectors[np.ix_(columns, places)]), 1e-3)
    return np.moveaxis((y[:, :, :, 0] - y[:, :, :, 1]) / (2 * h[..., None]), 3, 2)


def by_plateau(values: np.ndarray) -> np.ndarray:
    """Of the sizes of step the pair of neighbours that agree best, and of it the smaller step; knows nothing of the adjoint."""
    gap = np.abs(np.diff(values, axis=0))
    best = np.argmin(np.where(np.isnan(gap), np.inf, gap), axis=0)
    return np.take_along_axis(values, best[None] + 1, axis=0)[0]


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def of_map(scheme: str, columns: int, chunk: int) -> dict[str, float]:
    """Time and memory of a gradient map of ``columns`` columns as a multiple of their forward run."""
    model, _ = model_of(scheme, 1, chunk)
    model = dataclasses.replace(model.take(np.resize(np.arange(model.columns), columns)), chunk_columns=chunk)
    some = model.take(np.arange(min(chunk, columns)))
    result: dict[str, float] = {"map_columns": columns, "map_chunk_columns": chunk}
    base = peak()
    for name, call in (
        ("forward", lambda of: sensitivity.forward(of, "ssp585")),
        ("adjoint", lambda of: sensitivity.adjoint(of, "ssp585", asked(scheme)[:1])),
    ):
        begin = time.perf_counter()
        call(some)
        warm = time.perf_counter()
        call(model)
        seconds = time.perf_counter() - warm
        result |= {f"map_{name}_first_chunk_s": warm - begin, f"map_{name}_s": seconds}
        result[f"map_{name}_peak_above_start_gb"] = peak() - base
        print(f"{scheme} {name}: {columns} columns x 96 years {seconds:.1f} s", flush=True)
    result["map_gradient_over_forward"] = result["map_adjoint_s"] / result["map_forward_s"]
    return {f"{scheme}_{key}": value for key, value in result.items()}


def of_scheme(scheme: str, stride: int, samples: int, tangents: bool, out: Path | None) -> dict[str, float]:
    quantities, result = asked(scheme), {}
    whole, grid = model_of(scheme, stride, 1024)
    chunk = whole.columns
    model = dataclasses.replace(whole, chunk_columns=chunk)
    base = peak()
    times = {}
    for name, call in (
        ("forward", lambda: sensitivity.forward(model, "ssp585")),
        ("adjoint", lambda: sensitivity.adjoint(model, "ssp585", quantities[:1])),
    ):
        begin = time.perf_counter()
        made = call()
        first = time.perf_counter() - begin
        after = peak()
        begin = time.perf_counter()
        made = call()
        times[name] = time.perf_counter() - begin
        result[f"{name}_compile_s"], result[f"{name}_s"] = first - times[name], times[name]
        result[f"{name}_peak_above_start_gb"] = after - base
        print(f"{scheme} {name}: {chunk} columns x 96 years {times[name]:.1f} s (first {first:.0f} s)", flush=True)
    gradient = sensitivity.adjoint(model, "ssp585", quantities[:1])
    result |= {"columns": chunk, "gradient_over_forward": times["adjoint"] / times["forward"]}
    result["columns_without_equilibrium"] = int((gradient.code != 0).sum())
    del made
    if out:
        data = shown.adjoint_dataset(gradient, model.axes, grid)
        shown.write(data, out / f"map_{scheme}.nc", {})
        shown.maps(data, "loss", out / f"map_{scheme}.png", count=3)
        shown.tornado(data, "loss", out / f"tornado_{scheme}.png")
    ranking(scheme, chunk, out)

    loss = np.where(gradient.code == 0, gradient.value[:, 0], -1.0)
    order = np.argsort(-loss)
    none = [int(c) for c in order if loss[c] == 0][:1]
    columns = [int(order[0]), int(order[1]), *none]
    reverse = [sensitivity.adjoint(model, "ssp585", [q]) for q in quantities]  # the program of one quantity
    mine = np.concatenate([r.parameters for r in reverse], axis=1)[columns]
    value = np.concatenate([r.value for r in reverse], axis=1)[columns]
    size = np.abs(mine * whole.vectors[columns][:, None])
    places = np.unique(np.argsort(-size, axis=2)[:, :, :5])
    by_difference = by_plateau(differences(model, columns, places, quantities, chunk))
    counts = size[:, :, places] > 1e-2 * size.max(axis=2, keepdims=True).clip(1e-300)
    counts &= (value != 0)[:, :, None]  # a quantity of 0 (no permafrost there) has derivatives of rounding only
    derivative = mine[:, :, places]
    error = np.abs(by_difference - derivative) / np.maximum(np.abs(derivative), np.abs(by_difference)).clip(1e-300)
    good = counts & (error < 1e-4)
    for c, q, p in zip(*np.where(counts & ~good), strict=True):
        print(
            f"  {model.communities[columns[c]]} {quantities[q].name} (value {value[c, q]:.4g}) by "
            f"{model.vector.names[places[p]]}: adjoint {derivative[c, q, p]:.6g}, differences {by_difference[c, q, p]:.6g}"
        )
    result |= {
        "pairs": int(counts.sum()),
        "pairs_within_1e-4": int(good.sum()),
        "median_error": float(np.median(error[counts])),
    }
    print(
        f"{scheme}: {good.sum()} of {counts.sum()} pairs within 1e-4, median {np.median(error[counts]):.1e}", flush=True
    )
    if samples:
        result |= indices(scheme, model, columns[0], chunk, samples, grid, out)
    if tangents:
        few = dataclasses.replace(model.take(np.array(columns)), chunk_columns=len(columns) * len(places))
        moved = sensitivity.tangent(few, "ssp585", [model.vector.names[k] for k in places])
        forward = np.einsum("cdvy,qvy->cqd", moved.derivative, few.weights(quantities))
        apart = np.abs(forward - derivative) / np.maximum(np.abs(derivative), np.abs(forward)).clip(1e-300)
        result["tangent_pairs_within_1e-4"] = int((apart[counts] < 1e-4).sum())
        result["tangent_largest_error"] = float(apart[counts].max())
        print(f"{scheme}: adjoint against tangent, largest {apart[counts].max():.1e}", flush=True)

    return {f"{scheme}_{key}": value for key, value in result.items()}


def indices(scheme, model, column, chunk, samples, grid, out) -> dict[str, float]:
    """Sobol' indices at one column."""
    place = dataclasses.replace(model.take(np.array([column])), chunk_columns=chunk)
    factors = [name for name in FACTORS if scheme == "layered" or name != "permafrost.e_folding_depth"]
    quantities = (LOSS[scheme], QUANTITIES[0])
    begin = time.perf_counter()
    found = ensembles.sobol(place, "ssp585", factors, quantities, samples=samples, spread=0.1)
    result = {"sobol_s": time.perf_counter() - begin, "sobol_runs": found.runs, "sobol_parameters": len(factors)}
    for q, name in enumerate(("loss", "nep")):
        result[f"sobol_{name}_sum_first"] = float(found.first[0, q].sum())
        result[f"sobol_{name}_sum_total"] = float(found.total[0, q].sum())
        result[f"sobol_{name}_blocks_kept"] = int(found.kept[0, q])
        print(f"{scheme} Sobol' {name}: sum first {found.first[0, q].sum():.2f}, total {found.total[0, q].sum():.2f}")
        for k in np.argsort(-found.total[0, q]):
            print(
                f"  {found.names[k]:44}{found.first[0, q, k]:7.3f} ± {found.first_interval[0, q, k]:.3f}"
                f"{found.total[0, q, k]:9.3f} ± {found.total_interval[0, q, k]:.3f}"
            )
    print(f"{scheme}: {found.runs} runs in {result['sobol_s']:.0f} s", flush=True)
    if out:
        data = shown.indices_dataset(found, place, grid, "ssp585")
        shown.write(data, out / f"sobol_{scheme}.nc", {})
        shown.indices(data, out / f"sobol_{scheme}.png")
    return result


def main() -> None:
    reading = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reading.add_argument("--schemes", nargs="+", default=["layered", "thaw_ratio"], choices=["layered", "thaw_ratio"])
    reading.add_argument("--stride", type=int, default=5, help="every so many cells of the embedded domain")
    reading.add_argument("--samples", type=int, default=64, help="Sobol' samples, a power of 2; 0: none")
    reading.add_argument("--map-columns", type=int, default=0, help="only the cost of a map of so many columns")
    reading.add_argument("--chunk", type=int, default=250, help="columns in one program of that map")
    reading.add_argument("--no-tangent", action="store_true", help="do not compile the tangent")
    reading.add_argument("--json", action="store_true")
    reading.add_argument("--out", type=Path, metavar="DIR", help="write datasets and figures")
    arguments = reading.parse_args()
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
    os.environ["JTEM_CACHE"] = "off"  # compiling is measured
    use_all_cores(gradients=True)
    result: dict[str, float] = {"cores": usable_cores(), "load": os.getloadavg()[0]}
    for scheme in arguments.schemes:
        if arguments.map_columns:
            result |= of_map(scheme, arguments.map_columns, arguments.chunk)
            continue
        result |= of_scheme(scheme, arguments.stride, arguments.samples, not arguments.no_tangent, arguments.out)
    result["peak_gb"] = peak()
    if arguments.json:
        print(json.dumps({key: round(value, 6) for key, value in result.items()}))


if __name__ == "__main__":
    main()
