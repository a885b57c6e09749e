"""Whole commands of this checkout beside those of another commit, turn by turn on the same machine.

    python benchmarks/beside.py COMMIT [CASE ...] [--rounds 3] [--how off cold warm] [--data DATA]

Cases and ways are those of ``compile.py``; a commit from before kept programs runs "warm" with JAX's own cache. The other
commit is checked out beside in a temporary worktree. Every round runs the two one after the other in processes of their own;
the median of the rounds' ratios (here / there) depends less on what else the machine does than the seconds do, which are shown
with the load. The last line is one flat JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
MEASURED = ("wall_seconds", "cpu_seconds", "compile_seconds", "trace_seconds", "programs")


def run(checkout: Path, case: str, how: str, cache: Path, data: Path | None) -> dict[str, float]:
    """What ``compile.py`` counts of one command of a checkout; it ends the process where the command fails."""
    environment = os.environ | {
        "PYTHONPATH": str(checkout / "src"),
        "JTEM_CACHE": "off" if how == "off" else str(cache),
        "JTEM_EXPERIMENTS": str(checkout / "experiments"),
    }
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    if how != "off" and not (checkout / "src" / "jtem" / "compile_cache.py").is_file():
        environment |= {"JAX_COMPILATION_CACHE_DIR": str(cache), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    command = [sys.executable, str(HERE / "compile.py"), case, "--here", *(["--data", str(data)] if data else [])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{case}, {how}, {checkout}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(other: Path, case: str, ways: list[str], rounds: int, data: Path | None) -> dict[str, float]:
    """Medians of both and of their ratios, by way and measure."""
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as caches:
            for how in ways:
                for name, checkout in (("there", other), ("here", HERE.parent)):
                    cache = Path(caches) / name
                    cache.mkdir(exist_ok=True)
                    found.setdefault((how, name), []).append(run(checkout, case, how, cache, data))
    result: dict[str, float] = {}
    for how in ways:
        there, here = found[how, "there"], found[how, "here"]
        for word in MEASURED:
            ratio = statistics.median(b[word] / max(a[word], 1e-9) for a, b in zip(there, here, strict=True))
            values = [statistics.median(one[word] for one in side) for side in (there, here)]
            result |= {
                f"{case}_{how}_{word}_there": round(values[0], 2),
                f"{case}_{how}_{word}_here": round(values[1], 2),
                f"{case}_{how}_{word}_ratio": round(ratio, 3),
            }
            print(f"{case:12} {how:5} {word:16} {values[0]:9.1f} {values[1]:9.1f}  ratio {ratio:.2f}", flush=True)
    return result


def main() -> int:
    """Compare and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("commit")
    words.add_argument("case", nargs="*")
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--how", nargs="+", choices=("off", "cold", "warm"), default=["off"])
    words.add_argument("--data", type=Path)
    given = words.parse_args()
    if "warm" in given.how and "cold" not in given.how:
        words.error("a warm run needs the programs of a cold one; say --how cold warm")
    result: dict[str, float] = {"load_before": round(os.getloadavg()[0], 2), "cores": os.cpu_count() or 1}
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "there"
        git = ["git", "-C", str(HERE.parent), "worktree"]
        subprocess.run([*git, "add", "--detach", "--quiet", str(other), given.commit], check=True)
        try:
            for case in given.case or ["demo", "liu2024", "adjoint", *(["calibration"] if given.data else [])]:
                result |= compare(other, case, given.how, given.rounds, given.data)
        finally:
            subprocess.run([*git, "remove", "--force", str(other)], check=True)
    result["load_after"] = round(os.getloadavg()[0], 2)
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
