"""Everything to be known of a GPU in one run of less than eight minutes.

    python benchmarks/gpu.py [--minutes 8] [--tiny]

Correctness against the CPU (300 cells, three precisions), cell-years per second at 1,000 to 400,000 cells, the gradient by all
parameters, a factorial of 20 runs 2015-2100 on 20,000 cells (ten climates, each with and without exposed stores), memory, and how
many kernels the compiled year holds. All programs are compiled at once in threads, because a GPU program compiles for about a
minute. What does not fit in the time is left out and named in ``left_out``. The last line is one flat JSON object.

``--tiny``: few cells and years, to try the script itself on a CPU.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import jax
import numpy as np

from jtem import parameters, run, step
from jtem.physics import permafrost
from jtem.records import Block
from throughput import PRECISIONS, SELECTION, TABLE, domain  # starts JAX as benchmarks do

SIZES = {1_000: 20, 10_000: 10, 100_000: 4, 400_000: 2}
"""Cells and years of the throughput."""
CORRECT, GRADIENT, FACTORIAL = 300, 10_000, 20_000
CLIMATES, YEARS = 10, (2015, 2100)
TINY = {"sizes": {4: 2, 8: 2}, "correct": 4, "gradient": 4, "factorial": 4, "climates": 2, "years": (2015, 2017)}
BEGIN = time.perf_counter()


class Case:
    """A forward program or its gradient for cells of one device, compiled in a thread from shapes alone."""

    def __init__(
        self, threads: ThreadPoolExecutor, device: Any, cells: int, years: int, precision: str, gradient: bool
    ):
        heat, pools = PRECISIONS[precision]
        self.design = step.Design(permafrost=permafrost.LAYERED, heat_dtype=heat, pool_dtype=pools)
        self.device, self.cells, self.years, self.pools = device, cells, years, pools
        self.tree = parameters.build(step.Parameters, TABLE, pools)
        self.controls = run.constant_controls(years, expose=True)
        program = run.inline_program(self.design, SELECTION, (device,), rests=False)

        def production(tree: step.Parameters, *rest):
            _, out = program.jitted(tree, *rest)
            return out["annual"]["net_primary_production"].sum()

        function = jax.jit(jax.value_and_grad(production)) if gradient else program.jitted
        self.arguments = jax.eval_shape(self.made, np.int32(0))
        with jax.default_device(device):
            lowered = function.lower(*self.arguments)
        self.compiled: Future[Any] = threads.submit(lowered.compile)

    def made(self, _: Any = None) -> tuple:
        """Arguments: random cells and climate, states with filled frozen stores."""
        cells, climate = domain(self.cells, self.years, self.pools)
        state = run.initial_states(self.tree, cells, climate, design=self.design)
        thaw = np.full(self.cells, 0.6, self.pools)
        state = run.begin_permafrost(state, cells, self.tree, permafrost.Thaw(thaw, thaw), design=self.design)
        return self.tree, self.controls, np.ones(self.years, bool), state, climate, cells

    def run(self) -> tuple[Any, float]:
        """Results, and the shortest seconds of three calls."""
        program = self.compiled.result()
        with jax.default_device(self.device):
            arguments = jax.device_put(self.made(), self.device)
        seconds = []
        for _ in range(3):
            begin = time.perf_counter()
            result = jax.block_until_ready(program(*arguments))
            seconds.append(time.perf_counter() - begin)
        return result, min(seconds)

    def memory(self) -> float:
        """MB of arguments, results and work of the compiled program."""
        found = self.compiled.result().memory_analysis()
        return (found.temp_size_in_bytes + found.argument_size_in_bytes + found.output_size_in_bytes) / 1e6

    def kernels(self) -> dict[str, float]:
        """Kernels and loops in the compiled program, by kind; each is counted once, however often it runs."""
        count: Counter[str] = Counter()
        for line in self.compiled.result().as_text().splitlines():
            for kind in (" fusion(", " custom-call(", " while(", " copy(", " conditional("):
                count[kind.strip(" (").replace("-", "_")] += kind in line
        return {f"kernels_{kind}": float(number) for kind, number in count.items()}


class Nothing:
    """A sink that keeps sums only."""

    def __init__(self):
        self.production = 0.0

    def write(self, stage: Any, columns: slice, years: slice, outputs: Block) -> None:
        """Add the net primary production of a block."""
        self.production += float(outputs["annual"]["net_primary_production"].sum())

    def state(self, stage_name: str, columns: slice, state: Any) -> None:
        """A state is dropped."""


def factorial(cells: int, climates: int, years: tuple[int, int]) -> dict[str, float]:
    """Twice as many runs as climates, each climate with and without exposed stores, as ``jtem run`` makes them."""
    first, last = years
    length = last - first + 1
    case_cells, base = domain(cells, 1, "float64")
    design = step.Design(permafrost=permafrost.LAYERED)
    tree = parameters.build(step.Parameters, TABLE, "float64")
    state = run.initial_states(tree, case_cells, base, design=design)
    thaw = np.full(cells, 0.6)
    state = run.begin_permafrost(state, case_cells, tree, permafrost.Thaw(thaw, thaw), design=design)

    def loader(k: int) -> Callable[[np.ndarray], Any]:
        def load(indices: np.ndarray):
            climate = jax.tree.map(lambda leaf: np.repeat(np.asarray(leaf)[indices], length, axis=1), base_of_years)
            warming = (0.02 + 0.005 * k) * np.arange(length)
            air = climate.air_temperature + warming[None, :, None]
            following = np.concatenate([air[:, 1:, 0], air[:, -1:, 11]], axis=1)
            return type(climate)(**{**vars(climate), "air_temperature": air, "following_air_temperature": following})

        return load

    base_of_years = base
    stages = tuple(
        run.Stage(f"run {k} {expose}", first, last, load, expose=expose, heat_key=k, water_key=k)
        for k, load in ((k, loader(k)) for k in range(climates))
        for expose in (True, False)
    )
    experiment = run.Experiment(
        design=design,
        parameters=tree,
        columns=jax.tree.map(np.asarray, case_cells),
        column_cell=np.arange(cells),
        spin_up=None,
        stages=stages,
        selection=SELECTION,
        initial_states={"spinup": jax.tree.map(np.asarray, state)},
        chunk_columns=cells,
        block_years=min(10, length),
    )
    sink = Nothing()
    summary = run.run_experiment(experiment, sink)
    runs = cells * length * len(stages)
    return {
        "factorial_runs": float(len(stages)),
        "factorial_seconds": summary.seconds,
        "factorial_compile_seconds": summary.compile_seconds,
        "factorial_cell_years_per_second": runs / max(summary.seconds - summary.compile_seconds, 1e-9),
        "factorial_failed": float(len(summary.failed)),
        "factorial_mean_production": sink.production / runs,
    }


def differences(device: Case, host: Case, name: str) -> dict[str, float]:
    """Largest relative difference of the yearly results on the device and on the CPU, and the largest budget residuals."""
    (_, first), (_, second) = device.run()[0], host.run()[0]
    found = {}
    for variable, values in second["annual"].items():
        scale = np.maximum(np.abs(np.asarray(values)), 1e-3 * np.abs(np.asarray(values)).max())
        miss = np.abs(np.asarray(first["annual"][variable]) - np.asarray(values)) / scale
        found[f"difference_{name}_{variable}"] = float(miss.max())
        found[f"difference_{name}_{variable}_99_percent"] = float(np.percentile(miss, 99))
    return found


def main() -> int:
    """All parts in order of their worth."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--minutes", type=float, default=8.0)
    words.add_argument("--tiny", action="store_true")
    given = words.parse_args()
    sizes, correct, at, cells = SIZES, CORRECT, GRADIENT, FACTORIAL
    climates, span = CLIMATES, YEARS
    if given.tiny:
        sizes, correct, at, cells, climates, span = TINY.values()
    device, host = jax.local_devices()[0], jax.local_devices(backend="cpu")[0]
    print(f"{device.device_kind}, {len(jax.local_devices())} device(s), JAX {jax.__version__}", flush=True)
    results: dict[str, float | str | list[str]] = {"device": device.device_kind, "jax": jax.__version__, "left_out": []}
    threads = ThreadPoolExecutor(8)
    precisions = ["mixed"] if given.tiny else list(PRECISIONS)
    pairs = {
        name: (Case(threads, device, correct, 2, name, False), Case(threads, host, correct, 2, name, False))
        for name in precisions
    }
    forward = {count: Case(threads, device, count, years, "mixed", False) for count, years in sizes.items()}
    gradient = Case(threads, device, at, sizes.get(at, 2), "mixed", True)

    def throughput(count: int) -> dict[str, float]:
        case, key = forward[count], f"mixed_{count}_cells"
        _, seconds = case.run()
        return {
            f"forward_{key}_cell_years_per_second": count * case.years / seconds,
            f"forward_{key}_memory_MB": case.memory(),
        }

    def derivative() -> dict[str, float]:
        _, seconds = gradient.run()
        whole = forward[at].run()[1] * gradient.years / forward[at].years
        return {"gradient_ratio_to_forward": seconds / whole, "gradient_memory_MB": gradient.memory()}

    parts: list[tuple[str, Callable[[], dict[str, float]]]] = [
        *((f"correct {name}", lambda pair=pair, name=name: differences(*pair, name)) for name, pair in pairs.items()),
        *((f"throughput {count}", lambda count=count: throughput(count)) for count in sizes),
        ("kernels", next(iter(forward.values())).kernels),
        ("factorial", lambda: factorial(cells, climates, span)),
        ("gradient", derivative),
    ]
    for name, part in parts:
        if time.perf_counter() - BEGIN > 60 * given.minutes:
            results["left_out"].append(name)  # pyright: ignore[reportAttributeAccessIssue]
            continue
        try:
            found = part()
        except jax.errors.JaxRuntimeError as error:  # out of memory at a size says nothing of the others
            found = {}
            results[f"failed_{name}"] = str(error).splitlines()[0][:200]
        results |= found
        print(f"{time.perf_counter() - BEGIN:6.0f} s  {name}: {found}", flush=True)
    statistics = device.memory_stats() or {}
    results |= {"peak_memory_MB": statistics.get("peak_bytes_in_use", 0) / 1e6, "seconds": time.perf_counter() - BEGIN}
    print(json.dumps(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
