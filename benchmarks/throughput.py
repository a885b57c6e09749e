"""Cell-years per second of the whole monthly step, forward and gradient, by number of cells and precision.

Compile time and spin-up are reported apart; peak memory is the compiled program's working memory plus arguments. The
yardsticks: original TEM 6.0.6c with its soil thermal model makes 1,330-1,780 cell-years per second on one core, dvm-dos-tem
about 48. The gradient is that of the cells' net primary production with respect to every parameter of every community.

    python benchmarks/throughput.py --json [--cells 1 100 1000 10000] [--precisions mixed float64 float32] [--devices N]

The last line is one flat JSON object of numbers. Runs on whatever JAX sees (CPU or GPU).
"""

import argparse
import json
import os
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--json", action="store_true", help="print the numbers as the last line (always done)")
parser.add_argument("--cells", type=int, nargs="+", default=[1, 100, 1000, 10000])
parser.add_argument("--precisions", nargs="+", default=["mixed", "float64", "float32"])
parser.add_argument("--scheme", default="layered")
parser.add_argument("--devices", type=int, default=0, help="CPU devices (default: all cores)")
parser.add_argument("--seconds", type=float, default=3.0, help="aim for about this long a measurement")
parser.add_argument("--fast", action="store_true", help="numerics fast with five sub-steps of soil heat")
parser.add_argument("--no-gradient", action="store_true")
arguments = parser.parse_args(None if __name__ == "__main__" else [])

os.environ["JTEM_CACHE"] = "off"  # compiling is measured

import jax  # noqa: E402

from jtem.devices import use_all_cores  # noqa: E402

jax.config.update("jax_enable_x64", True)
use_all_cores(gradients=True)
if arguments.devices:
    jax.config.update("jax_num_cpu_devices", arguments.devices)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from jtem import parameters, run, step  # noqa: E402
from jtem.assemble import model  # noqa: E402
from jtem.constants import WATTS_TO_TEM_RADIATION  # noqa: E402
from jtem.files import data_path  # noqa: E402
from jtem.physics import permafrost, radiation  # noqa: E402
from jtem.plan import toml  # noqa: E402
from jtem.plan.model import ModelSection  # noqa: E402
from jtem.state import Cell, Climate  # noqa: E402

PRECISIONS = {"mixed": ("float32", "float64"), "float64": ("float64", "float64"), "float32": ("float32", "float32")}
COMMUNITIES = ("boreal_forest", "wet_moist_tundra", "alpine_tundra_polar_desert")
TABLE = parameters.read_table(step.Parameters, [data_path("parameters", "defaults.toml")])
SELECTION = run.Selection(
    annual=(
        ("net_primary_production", "sum"),
        ("heterotrophic_respiration", "sum"),
        ("active_layer_thickness", "year"),
        ("soil_carbon", "last"),
    )
)


def design_of(heat: str, pools: str) -> step.Design:
    """What is measured, as the words of a plan make it."""
    plain = step.Design(permafrost=permafrost.SCHEMES[arguments.scheme], heat_dtype=heat, pool_dtype=pools)
    if not arguments.fast:
        return plain
    precision = next(name for name, pair in PRECISIONS.items() if pair == (heat, pools))
    section = {"permafrost": arguments.scheme, "precision": precision, "numerics": "fast", "heat_substeps": 5}
    return model.design(toml.fill_section(section, ModelSection, "throughput"), "throughput")


def domain(count: int, years: int, dtype: str):
    """Cold, wet and dry cells: seasonal cycles with random means, amplitudes and precipitation (fixed seed)."""
    rng = np.random.default_rng(1)
    latitude = rng.uniform(55, 74, count)
    top = radiation.top_of_atmosphere(latitude)
    season = np.cos(2 * np.pi * (np.arange(12) - 6.5) / 12)
    mean, amplitude = rng.uniform(-14, -1, count), rng.uniform(14, 26, count)
    air = mean[:, None, None] + amplitude[:, None, None] * season + rng.normal(0, 1, (count, years, 12))
    rain = rng.uniform(10, 60, count)[:, None, None] * (1.0 + 0.5 * season) * rng.uniform(0.7, 1.3, (count, years, 12))
    light = np.broadcast_to((top * 0.45 / WATTS_TO_TEM_RADIATION)[:, None], air.shape)
    following = np.concatenate([air[:, 1:, 0], air[:, -1:, 11]], axis=1)
    climate = Climate(
        air_temperature=air,
        precipitation=rain,
        shortwave_radiation=light,
        co2=np.full((count, years), 380.0),
        nitrogen_input=np.zeros_like(air),
        following_air_temperature=following,
    )
    cells = Cell(
        elevation=rng.uniform(0, 900, count),
        silt_clay=rng.uniform(0.2, 0.7, count),
        community=np.array([TABLE.index(COMMUNITIES[i % 3]) for i in range(count)]),
        top_of_atmosphere=top,
        soil_carbon_profile=np.tile(np.repeat([3000.0, 4000.0, 5000.0], [10, 10, 5]), (count, 1)),
    )
    cast = lambda tree: jax.tree.map(lambda x: x.astype(dtype) if x.dtype.kind == "f" else x, tree)  # noqa: E731
    return cast(cells), cast(climate)


def best(call, repeats: int = 3) -> float:
    """Shortest of several timed calls, each waited for."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - begin)
    return min(times)


def working_memory(compiled) -> float:
    """MB of arguments, outputs and temporaries of a compiled program, all devices of one program."""
    analysis = compiled.memory_analysis()
    if analysis is None:
        return float("nan")
    size = analysis.temp_size_in_bytes + analysis.argument_size_in_bytes + analysis.output_size_in_bytes
    return size / 1e6


def measure(count: int, precision: str, results: dict[str, float]) -> None:
    """One row: forward and gradient at one number of cells and one precision."""
    heat, pools = PRECISIONS[precision]
    design = design_of(heat, pools)
    devices = tuple(jax.local_devices()) if count >= len(jax.local_devices()) else (jax.local_devices()[0],)
    padded = count + (-count % len(devices))
    years = int(np.clip(arguments.seconds * 15000 * len(devices) / max(padded, 30), 2, 30))
    tree = parameters.build(step.Parameters, TABLE, pools)
    cells, climate = domain(padded, years, pools)
    cells, climate = run.place(cells, devices), run.place(climate, devices)
    state = run.initial_states(tree, cells, climate, design=design)
    thaw = run.place(jnp.full((padded,), 0.6, pools), devices)
    state = run.begin_permafrost(state, cells, tree, permafrost.Thaw(thaw, thaw), design=design)
    controls = run.constant_controls(years, expose=True)
    program = run.inline_program(design, SELECTION, devices, rests=False)
    active = jnp.ones((years,), bool)
    begin = time.perf_counter()
    compiled = program.jitted.lower(tree, controls, active, state, climate, cells).compile()
    compile_seconds = time.perf_counter() - begin
    seconds = best(lambda: compiled(tree, controls, active, state, climate, cells))
    key = f"{precision}_{count}_cells"
    results[f"forward_{key}_cell_years_per_second"] = count * years / seconds
    results[f"forward_{key}_cell_years_per_second_per_device"] = count * years / seconds / len(devices)
    results[f"forward_{key}_compile_seconds"] = compile_seconds
    results[f"forward_{key}_memory_MB"] = working_memory(compiled)
    line = f"{precision:8s} {count:6d} cells {years:3d} years: forward {count * years / seconds:10.0f} cell-years/s"
    if not arguments.no_gradient:

        def objective(p, s, c, cell):
            _, out = program(p, controls, active, s, c, cell)
            return out["annual"]["net_primary_production"].sum()

        gradient = jax.jit(jax.value_and_grad(objective))
        begin = time.perf_counter()
        compiled_gradient = gradient.lower(tree, state, climate, cells).compile()
        gradient_compile = time.perf_counter() - begin
        gradient_seconds = best(lambda: compiled_gradient(tree, state, climate, cells), 2)
        results[f"gradient_{key}_cell_years_per_second"] = count * years / gradient_seconds
        results[f"gradient_{key}_ratio_to_forward"] = gradient_seconds / seconds
        results[f"gradient_{key}_compile_seconds"] = gradient_compile
        results[f"gradient_{key}_memory_MB"] = working_memory(compiled_gradient)
        line += f", gradient {gradient_seconds / seconds:4.1f} x forward"
    print(line + f"; compiled in {compile_seconds:.0f} s", flush=True)


def measure_spin_up(count: int, precision: str, results: dict[str, float]) -> None:
    """60 years of heat and 1,000 years of carbon on it, as the spin-up of a run does."""
    heat, pools = PRECISIONS[precision]
    design = design_of(heat, pools)
    devices = tuple(jax.local_devices())
    padded = count + (-count % len(devices))
    tree = parameters.build(step.Parameters, TABLE, pools)
    cells, climate = domain(padded, 1, pools)
    cells, climate = run.place(cells, devices), run.place(climate, devices)

    program = run.batch.compiled(run.course.spin, devices, design=design, method="repeat", heat_years=60, years=1000)
    climate = jax.vmap(run.mean_year)(climate)
    begin = time.perf_counter()
    jax.block_until_ready(program(tree, cells, climate))
    first = time.perf_counter() - begin
    seconds = best(lambda: program(tree, cells, climate), 1)
    results[f"spin_up_{precision}_{count}_cells_seconds"] = seconds
    results[f"spin_up_{precision}_{count}_cells_compile_seconds"] = first - seconds
    print(f"{precision:8s} {count:6d} cells spin-up (60 years heat, 1000 years carbon): {seconds:.1f} s", flush=True)


def main() -> None:
    """All rows, then the JSON line."""
    devices = jax.local_devices()
    print(f"{len(devices)} device(s): {devices[0].device_kind}, JAX {jax.__version__}, scheme {arguments.scheme}")
    results: dict[str, float] = {"devices": float(len(devices))}
    for precision in arguments.precisions:
        for count in arguments.cells:
            measure(count, precision, results)
    measure_spin_up(min(1000, max(arguments.cells)), arguments.precisions[0], results)
    best_forward = max(v for k, v in results.items() if k.startswith("forward_") and k.endswith("years_per_second"))
    results["best_forward_over_tem6_one_core"] = best_forward / 1780.0
    print(json.dumps(results))


if __name__ == "__main__":
    main()
