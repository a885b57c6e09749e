"""What a calibration costs: ours against scipy's least squares with finite differences, twin recovery, gradients, memory.

    python benchmarks/calibration.py --json [--quick | --heat]

One embedded site (Toolik, TEM's snow rule), ten parameters, four years of monthly fluxes and yearly pools with noise; the
same model, the same start points, the same process. A model run of ours finds the Jacobian with the values; runs and
wall time count until the misfit is within 1.05 and 1.01 of the lowest that any search found. Compilation is told apart.
``--heat`` measures instead the reverse gradient of 27 sites x 30 years with soil heat in the model and thermal parameters free.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import time

import jax
import numpy as np

from jtem.assemble.calibration import case
from jtem.plan import calibration as calibration_plan
from jtem.study.calibration import least_squares, misfit
from jtem.study.calibration.case import Case
from jtem.study.calibration.model import Misfit

jax.config.update("jax_enable_x64", True)

HEADER = """
[calibration]
name = "benchmark"
[model]
soil_heat = false
[[data]]
source = "embedded"
path = "TABLE"
[history]
first = 1991
spin_up = [1901, 1930]
[errors]
floor = { nep = 2.0, gpp = 4.0, ecosystem_respiration = 4.0 }
relative = { vegetation_carbon = 0.05, soil_carbon = 0.05, available_nitrogen = 0.1 }
"""
TEN = {
    "photosynthesis.maximum_rate_intercept": (40.0, 700.0),
    "photosynthesis.temperature_optimum_minimum": (0.5, 15.0),
    "respiration.maintenance_intercept": (-6.0, -2.5),
    "litter.carbon_rate": (0.004, 0.04),
    "litter.nitrogen_rate": (0.0013, 0.014),
    "nitrogen.uptake_maximum_intercept_sandy": (20.0, 200.0),
    "decomposition.rate_intercept": (0.0009, 0.0048),
    "decomposition.temperature_sensitivity": (0.031, 0.149),
    "decomposition.immobilization_intercept": (30.0, 180.0),
    "phenology.leaf_carbon_maximum": (40.0, 400.0),
}
THERMAL = {
    "soil_thermal.conductivity_thawed[0]": (0.05, 2.0),
    "soil_thermal.conductivity_frozen[0]": (0.05, 2.5),
    "soil_thermal.water_content[0]": (0.05, 0.8),
    "soil_thermal.conductivity_thawed[1]": (0.05, 2.5),
    "soil_thermal.water_content[1]": (0.02, 0.6),
    "soil_thermal.snow_density": (100.0, 500.0),
    "soil_thermal.surface_factor_thaw": (0.5, 1.5),
}
STREAMS = ("nep", "gpp", "ecosystem_respiration")
POOLS = ("vegetation_carbon", "soil_carbon", "available_nitrogen")


def prepare(table: str, count: int = 10, thermal: int = 0) -> Case:
    """The problem with the first ``count`` parameters free; with soil heat and ``thermal`` of its own where that is not 0."""
    text = HEADER.replace("TABLE", table)
    if thermal:
        text = text.replace("soil_heat = false", "soil_heat = true")
        text = text.replace("floor = { nep", "floor = { soil_temperature = 0.5, active_layer_thickness = 0.05, nep")
    for name, (low, high) in [*list(TEN.items())[:count], *list(THERMAL.items())[:thermal]]:
        text += f'\n[[parameter]]\nname = "{name}"\nbounds = [{low}, {high}]\n'
    return case(calibration_plan.parse(text), None)


def write_table(path: str, heat: bool = False) -> None:
    with open(path, "w") as file:
        file.write("site,year,month,variable,value,depth_m\n")
        for year in range(1992, 1996):
            if heat:
                file.write(f"Toolik,{year},,active_layer_thickness,1,\n")
                file.writelines(f"Toolik,{year},{month},soil_temperature,1,0.1\n" for month in range(1, 13))
            for stream in STREAMS:
                file.writelines(f"Toolik,{year},{month},{stream},1,\n" for month in range(1, 13))
            file.writelines(f"Toolik,{year},,{stream},1,\n" for stream in POOLS)


def observed(prepared: Case, noise: float, seed: int = 5) -> Case:
    """The same problem with what the defaults give as observations."""
    simulated, _ = prepared.model.sensitivity(prepared.model.start_values[None])
    o = prepared.problem.observations
    scale = np.where(o.end - o.begin > 1, 0.05 * np.abs(simulated[0]), o.error)
    value = simulated[0] + noise * np.random.default_rng(seed).normal(size=o.value.size) * scale
    kept = dataclasses.replace(o, value=np.where(np.isfinite(o.value), value, np.nan), error=scale)
    problem = dataclasses.replace(prepared.problem, observations=kept)
    return dataclasses.replace(prepared, problem=problem, model=Misfit(problem))


def starts(model: Misfit, count: int) -> np.ndarray:
    """Starts with parameters off by up to 40 % (of their distance to zero)."""
    rng = np.random.default_rng(2)
    values = model.start_values * (1 + rng.uniform(-0.4, 0.4, (count, len(model.names))))
    t = model.transform
    margin = 0.02 * (t.upper - t.lower)
    return t.free(np.clip(values, t.lower + margin, t.upper - margin))


class Traced:
    """A residual function that notes misfit and time of every run."""

    def __init__(self, function):
        self.function, self.costs, self.times, self.begin = function, [], [], time.perf_counter()

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Residuals (m,) at x (p,)."""
        residual = self.function(x)
        self.costs.append(float(residual @ residual))
        self.times.append(time.perf_counter() - self.begin)
        return residual

    def reach(self, level: float) -> tuple[float, float]:
        """Runs and seconds until the misfit is at ``level``; NaN where it never is."""
        hit = np.flatnonzero(np.array(self.costs) <= level)
        return (float(hit[0] + 1), self.times[hit[0]]) if hit.size else (float("nan"), float("nan"))


def compare(prepared: Case, count: int) -> dict[str, float]:
    """Ours and scipy's from the same starts."""
    from scipy.optimize import least_squares as scipy_least_squares

    model = prepared.model
    values = misfit.program("values", model.setting)
    o, t = model.problem.observations, model.transform

    def plain(x: np.ndarray) -> np.ndarray:
        out, _ = values(model._local(t.values(x[None])), model.site, model.heat())
        simulated = np.asarray(out)[0, o.site, model.position]
        return (simulated[model.fitted] - o.value[model.fitted]) / o.error[model.fitted]

    begin = time.perf_counter()
    plain(model.start)
    compile_values = time.perf_counter() - begin
    rules = least_squares.Rules(longest_step=2.0, iterations=60)
    traces: dict[str, list[Traced]] = {"jtem": [], "scipy": []}
    for x in starts(model, count):
        ours = Traced(lambda x_: model.residuals(x_[None])[0])
        least_squares.minimise(ours, lambda x_: model.jacobian(x_[None])[0], x, rules)
        theirs = Traced(plain)
        scipy_least_squares(theirs, x, method="trf", x_scale="jac", max_nfev=60)
        traces["jtem"].append(ours)
        traces["scipy"].append(theirs)
        print(
            f"jtem {len(ours.costs)} runs to {min(ours.costs):.5g}; scipy {len(theirs.costs)} to {min(theirs.costs):.5g}"
        )
    best = min(min(each.costs) for kind in traces.values() for each in kind)
    results = {"compile_seconds_values": compile_values, "lowest_misfit": best, "starts": float(count)}
    for kind, found in traces.items():
        for share in (1.05, 1.01):
            reached = np.array([each.reach(share * best) for each in found])
            word = f"{kind}_to_{share:.2f}_of_lowest_misfit"
            results[f"{word}_share_of_starts"] = float(np.isfinite(reached[:, 0]).mean())
            if np.isfinite(reached).any():
                results[f"{word}_model_runs_median"] = float(np.nanmedian(reached[:, 0]))
                results[f"{word}_seconds_median"] = float(np.nanmedian(reached[:, 1]))
        results[f"{kind}_model_runs_to_own_stop_median"] = float(np.median([len(each.costs) for each in found]))
        results[f"{kind}_seconds_to_own_stop_median"] = float(np.median([each.times[-1] for each in found]))
    return results


def best_time(call, repeats: int = 5) -> float:
    call()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - begin)
    return min(times)


def best_processor_times(calls, repeats: int = 7) -> list[tuple[float, float]]:
    """Least wall and processor seconds of each call, called in turn, so that other work on the machine meets all alike."""
    for call in calls:
        jax.block_until_ready(call())
    times = [[] for _ in calls]
    for _ in range(repeats):
        for call, own in zip(calls, times, strict=True):
            begin = time.perf_counter(), time.process_time()
            jax.block_until_ready(call())
            own.append((time.perf_counter() - begin[0], time.process_time() - begin[1]))
    return [(min(wall for wall, _ in own), min(cpu for _, cpu in own)) for own in times]


def gradients(prepared: Case, few: Case | None) -> dict[str, float]:
    """Reverse gradient against the values, and its growth with the number of parameters."""
    model = prepared.model
    x = jax.numpy.asarray(model.start)
    local = model._local(model.transform.values(model.start[None]))
    forward = best_time(lambda: misfit.program("values", model.setting)(local, model.site, model.heat()))
    with_jacobian = best_time(lambda: misfit.program("jacobian", model.setting)(local, model.site, model.heat()))
    results = {
        "forward_seconds": forward,
        "forward_with_jacobian_10_parameters_seconds": with_jacobian,
        "jacobian_over_forward_10_parameters": with_jacobian / forward,
    }
    run = misfit.gradient_program(model.setting)
    reverse = best_time(lambda: run(x, model.site, model.heat(), model._device_target))
    results |= {"gradient_10_parameters_seconds": reverse, "gradient_over_forward": reverse / forward}
    if few is not None:
        m = few.model
        run = misfit.gradient_program(m.setting)
        y = jax.numpy.asarray(m.start)
        seconds = best_time(lambda: run(y, m.site, m.heat(), m._device_target))
        results |= {
            "gradient_2_parameters_seconds": seconds,
            "gradient_10_over_2_parameters": reverse / seconds,
        }
    return results


def _enlarged(model: Misfit, sites: int, years: int):
    """A model's site, its target and, where held, its heat, repeated to many sites and years."""
    history = jax.tree.map(
        lambda leaf: jax.numpy.repeat(leaf, -(-years // leaf.shape[1]), axis=1)[:, :years], model.site.history
    )
    site = model.site._replace(history=history)
    site = jax.tree.map(lambda leaf: jax.numpy.repeat(leaf, sites, axis=0), site)
    target = model._device_target._replace(
        **{
            n: jax.numpy.repeat(getattr(model._device_target, n), sites, axis=0)
            for n in ("index", "observed", "weight")
        }
    )
    heat = model.heat()
    if heat is not None:
        heat = jax.tree.map(lambda leaf: jax.numpy.repeat(leaf, sites, axis=0), _heat_of_years(heat, years))
    return site, target, heat


def memory(prepared: Case, sites: int = 27, years: int = 30) -> dict[str, float]:
    """Temporary memory of the reverse gradient for many sites and years, from the compiler."""
    model = prepared.model
    site, target, heat = _enlarged(model, sites, years)
    assert heat is not None
    compiled = (
        misfit.gradient_program(model.setting).lower(jax.numpy.asarray(model.start), site, heat, target).compile()
    )
    return {f"gradient_memory_{sites}_sites_{years}_years_megabytes": _megabytes(compiled)}


def _megabytes(compiled) -> float:
    """Temporary memory of a compiled program."""
    found = compiled.memory_analysis()
    assert found is not None
    return found.temp_size_in_bytes / 1e6


def with_heat(table: str, quick: bool, sites: int = 27, years: int = 30) -> dict[str, float]:
    """Seconds and memory of the reverse gradient where thermal parameters are free, and its growth with their number."""
    results, calls = {}, {}
    for count, thermal in ((10, 7),) if quick else ((10, 7), (1, 1)):
        model = prepare(table, count, thermal).model
        site, target, heat = _enlarged(model, sites, years)
        assert heat is None
        x, run = jax.numpy.asarray(model.start), misfit.gradient_program(model.setting)
        programs = {f"gradient_{count + thermal}_parameters": (run, (x, site, None, target))}
        if thermal == len(THERMAL):
            forward = jax.jit(functools.partial(_misfit, model.setting))
            programs |= {"forward": (forward, (x, site, None, target))}
        for word, (program, arguments) in programs.items():
            begin = time.perf_counter()
            compiled = program.lower(*arguments).compile()
            results[f"heat_free_{word}_compile_seconds"] = time.perf_counter() - begin
            results[f"heat_free_{word}_memory_megabytes"] = _megabytes(compiled)
            calls[word] = functools.partial(compiled, *arguments)
        print(json.dumps(results), flush=True)  # so far
    for word, (wall, processor) in zip(calls, best_processor_times(list(calls.values())), strict=True):
        results[f"heat_free_{word}_{sites}_sites_{years}_years_seconds"] = wall
        results[f"heat_free_{word}_{sites}_sites_{years}_years_processor_seconds"] = processor
    cost = {word: results[f"heat_free_{word}_{sites}_sites_{years}_years_processor_seconds"] for word in calls}
    results["heat_free_gradient_over_forward_processor_time"] = cost["gradient_17_parameters"] / cost["forward"]
    if not quick:
        growth = cost["gradient_17_parameters"] / cost["gradient_2_parameters"]
        results["heat_free_gradient_17_over_2_parameters_processor_time"] = growth
    return results


def _misfit(setting, x, site, heat, target):
    return misfit.misfit(setting, x, site, heat, target)[0]


def _heat_of_years(heat, years: int):
    longer = lambda leaf: jax.numpy.repeat(leaf, -(-years // leaf.shape[1]), axis=1)[:, :years]  # noqa: E731
    return heat._replace(history=jax.tree.map(longer, heat.history))


def twin(prepared: Case) -> dict[str, float]:
    """Noise-free recovery from starts off by up to 40 %, of the parameters that the observations depend on at all: a parameter
    with a column of zeros (the observations do not change) stays where it started, whatever the search does.
    """
    clean = observed(prepared, 0.0)
    rules = least_squares.Rules(longest_step=2.0, iterations=80)
    errors, shares, without = [], [], []
    for x in starts(clean.model, 5):
        fit = least_squares.minimise(
            lambda x_: clean.model.residuals(x_[None])[0], lambda x_: clean.model.jacobian(x_[None])[0], x, rules
        )
        acting = np.linalg.norm(fit.jacobian, axis=0) > 0
        error = np.abs(clean.model.transform.values(fit.x) / clean.model.start_values - 1)
        errors.append(error[acting].max())
        shares.append(fit.cost / fit.history[0])
        without.append(int((~acting).sum()))
    return {
        "twin_noise_free_parameters_without_effect": float(max(without)),
        "twin_noise_free_largest_relative_error_of_worst_start": float(max(errors)),
        "twin_noise_free_largest_share_of_first_misfit_left": float(max(shares)),
        "twin_noise_free_starts_recovered_to_1e-3_share": float(np.mean(np.array(errors) < 1e-3)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="kept for uniformity: the last line is always JSON")
    parser.add_argument("--quick", action="store_true", help="without gradients of few parameters and memory")
    parser.add_argument("--heat", action="store_true", help="only the gradient with soil heat free")
    parser.add_argument("--starts", type=int, default=5)
    arguments = parser.parse_args()
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        table = f"{folder}/observed.csv"
        write_table(table, arguments.heat)
        if arguments.heat:
            print(json.dumps(with_heat(table, arguments.quick)))
            return
        begin = time.perf_counter()
        blank = prepare(table)
        noisy = observed(blank, 1.0)
        results = {"compile_seconds_jacobian": time.perf_counter() - begin}
        results |= compare(noisy, arguments.starts)
        results |= twin(blank)
        print(json.dumps({k: v for k, v in results.items() if np.isfinite(v)}), flush=True)  # so far
        few = None if arguments.quick else observed(prepare(table, 2), 1.0)
        results |= gradients(noisy, few)
        if not arguments.quick:
            results |= memory(noisy)
    print(json.dumps({k: v for k, v in results.items() if np.isfinite(v)}))


if __name__ == "__main__":
    main()
