"""What compiling costs: programs and seconds of whole commands, without kept programs, with a cold and with a warm cache.

    python benchmarks/compile.py [CASE ...] [--data DATA] [--how off cold warm]

A case is one command in a process of its own: demo, liu2024 (the factorial on the embedded domain), adjoint (a sensitivity of two
sites), calibration (CN-Dan; needs DATA). JAX's own events are counted: ``programs`` asked for, ``loaded`` of them from the cache,
``compile_seconds`` of both (XLA and loading), ``trace_seconds`` (tracing and lowering); ``cpu_seconds`` of the process, which
depends less than ``wall_seconds`` on what else the machine does. The last line is one flat JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXPERIMENTS = Path(os.environ.get("JTEM_EXPERIMENTS", HERE.parent / "experiments"))
WAYS = ("off", "cold", "warm")
SECONDS = {
    "/jax/core/compile/backend_compile_duration": "compile_seconds",
    "/jax/core/compile/jaxpr_trace_duration": "trace_seconds",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "trace_seconds",
}


def command(case: str, folder: Path, data: Path | None) -> list[str]:
    """Words of the command of a case, which writes into ``folder``."""
    out = ["--out", str(folder / "out")]
    if case == "demo":
        return ["demo", *out]
    if case == "liu2024":
        return ["run", str(EXPERIMENTS / "liu2024" / "embedded.toml"), *out]
    if case == "adjoint":
        from bits import SENSITIVITY

        plan = folder / "plan.toml"
        plan.write_text(SENSITIVITY)
        return ["sensitivity", str(plan), "--no-figures", *out]
    if case == "calibration":
        plan = EXPERIMENTS / "liu2022" / "calibration" / "cn_dan.toml"
        return ["calibrate", str(plan), "--data", str(data), *out]
    sys.exit(f"unknown case {case!r}; one of demo, liu2024, adjoint, calibration")


def measure(case: str, data: Path | None) -> dict[str, float]:
    """One command in this process: what JAX counts, seconds of the processors and of the clock."""
    begin = time.perf_counter()
    import jax

    try:
        from jtem.commands.main import main as jtem
    except ModuleNotFoundError:  # a commit from before the rooms, run by beside.py
        from jtem.cli import main as jtem  # pyright: ignore[reportMissingImports]

    count: Counter[str] = Counter()

    def event(name: str, **_: str | int) -> None:
        count["loaded"] += name == "/jax/compilation_cache/cache_hits"

    def duration(name: str, seconds: float, **_: str | int) -> None:
        if name in SECONDS:
            count[SECONDS[name]] += seconds  # type: ignore[assignment]
        count["programs"] += name == "/jax/core/compile/backend_compile_duration"

    jax.monitoring.register_event_listener(event)  # pyright: ignore[reportArgumentType]
    jax.monitoring.register_event_duration_secs_listener(duration)  # pyright: ignore[reportArgumentType]
    with tempfile.TemporaryDirectory() as folder:
        code = jtem(command(case, Path(folder), data))
    if code:
        sys.exit(code)
    used = resource.getrusage(resource.RUSAGE_SELF)
    words = ("programs", "loaded", "compile_seconds", "trace_seconds")
    found = {word: count[word] for word in words}
    return found | {"cpu_seconds": used.ru_utime + used.ru_stime, "wall_seconds": time.perf_counter() - begin}


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("case", nargs="*")
    words.add_argument("--data", type=Path)
    words.add_argument("--how", nargs="+", choices=WAYS, default=WAYS)
    words.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.here:
        print(json.dumps(measure(given.case[0], given.data)))
        return 0
    result: dict[str, float] = {}
    for case in given.case or ["demo", "liu2024", "adjoint", *(["calibration"] if given.data else [])]:
        with tempfile.TemporaryDirectory() as cache:
            for how in given.how:
                environment = os.environ | {"JTEM_CACHE": "off" if how == "off" else cache}
                environment.pop("JAX_COMPILATION_CACHE_DIR", None)
                more = ["--data", str(given.data)] if given.data else []
                done = subprocess.run(
                    [sys.executable, __file__, case, "--here", *more], env=environment, capture_output=True, text=True
                )
                if done.returncode:
                    sys.exit(f"{case}, {how}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
                found = json.loads(done.stdout.splitlines()[-1])
                print(
                    f"{case:12} {how:5} {found['programs']:4.0f} programs, {found['loaded']:4.0f} loaded; compiling "
                    f"{found['compile_seconds']:6.1f} s, tracing {found['trace_seconds']:5.1f} s; processors "
                    f"{found['cpu_seconds']:6.1f} s, clock {found['wall_seconds']:6.1f} s",
                    flush=True,
                )
                result |= {f"{case}_{how}_{name}": round(value, 2) for name, value in found.items()}
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
