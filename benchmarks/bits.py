"""Are the numbers the same, to the bit, before and after a change of the code?

    python benchmarks/bits.py record DIR [CASE ...] [--data DATA]     before
    python benchmarks/bits.py check DIR [CASE ...] [--data DATA]      after, on the same machine with the same jaxlib

A case is one or more commands of the installed ``jtem``; ``record`` keeps what they write, ``check`` runs them again and
compares every variable of every netCDF file and every cell of every CSV table. It prints one line a case: the SHA-256 of all
numbers, "bitwise", or the largest relative difference and where it is. Exit code 1 where a case that must be bitwise is not, or
one of TOLERANT differs by more than 1e-12. Not a test: the bits belong to one processor and one version of jaxlib.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import xarray as xr

EXPERIMENTS = Path(__file__).resolve().parents[1] / "experiments"
SITES = '["Bonanza Creek", "Toolik", "US-Prr", "US-Atq", "GL-ZaH", "CN-Dan"]'
SCHEMES = ("layered", "thaw_ratio_concentration", "thaw_ratio", "tem6", "none")
TOLERANT = {"sensitivity", "calibration"}
TOLERANCE = 1e-12
SKIP_ATTRIBUTES = {"Conventions", "date_created", "history", "creation_date", "source", "jtem_version"}


def small_plan(scheme: str) -> str:
    """Sites of the embedded domain, 40 years, inline passes and a restart state."""
    return f"""
[plan]
name = "small"
[domain]
source = "embedded"
sites = {SITES}
[model]
permafrost = "{scheme}"
parameters = ["liu2024"]
[spinup]
heat_years = 20
years = 200
cycle = [1850, 1860]
cycle_years = 11
[history]
first = 1995
last = 2014
[permafrost]
base_years = [2010, 2014]
[[scenario]]
name = "ssp585"
climate = "ssp585"
first = 2015
last = 2034
[output]
state = true
annual = ["active_layer_thickness", "net_primary_production", "heterotrophic_respiration", "ecosystem_carbon", "runoff"]
monthly = ["soil_temperature", "gross_primary_production", "snow_depth", "soil_water"]
"""


FACTORIAL = """
[plan]
name = "factorial"
[domain]
source = "embedded"
sites = ["Toolik", "US-Prr"]
[model]
permafrost = "layered"
parameters = ["liu2024"]
[spinup]
heat_years = 20
years = 200
cycle = [1850, 1860]
[history]
first = 1990
last = 2014
[permafrost]
base_years = [2010, 2014]
[factorial]
runs = "liu2024"
scenarios = ["ssp126", "ssp585"]
first = 2015
last = 2034
base_year = 2015
[run]
chunk_columns = 1
"""

SENSITIVITY = """
[plan]
name = "sens"
[domain]
source = "embedded"
sites = ["Toolik", "US-Prr"]
[model]
permafrost = "layered"
precision = "float64"
parameters = ["liu2024"]
[spinup]
heat_years = 60
cycle = [1995, 2004]
[history]
first = 2005
last = 2014
[[scenario]]
name = "ssp585"
climate = "ssp585"
first = 2015
last = 2030
[sensitivity]
methods = ["adjoint"]
[sensitivity.quantities]
loss = "sum RH_PF 2015-2030"
npp = "mean NPP 2020-2030"
"""


def jtem(*words: str | Path) -> None:
    """One command, quietly; its output is shown where it fails."""
    done = subprocess.run([sys.executable, "-m", "jtem", *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"jtem {' '.join(map(str, words))}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")


def run_text(text: str, folder: Path, command: str = "run") -> None:
    """A plan given as text, run into ``folder``."""
    with tempfile.TemporaryDirectory() as kept:
        plan = Path(kept) / "plan.toml"
        plan.write_text(text)
        jtem(command, plan, "--out", folder, *(["--no-figures"] if command == "sensitivity" else []))


def cases(data: Path | None) -> dict[str, object]:
    """Name of each case and what it runs into a folder."""

    def with_report(plan: str):
        def action(folder: Path) -> None:
            jtem("run", EXPERIMENTS / plan, "--out", folder)
            jtem("report", folder, "--no-figures")

        return action

    result: dict[str, object] = {f"small_{s}": lambda out, s=s: run_text(small_plan(s), out) for s in SCHEMES}
    result["small_equilibrium"] = lambda out: run_text(
        small_plan("layered").replace("[spinup]", '[spinup]\nmethod = "equilibrium"'), out
    )
    result["factorial"] = lambda out: run_text(FACTORIAL, out)
    result["sensitivity"] = lambda out: run_text(SENSITIVITY, out, "sensitivity")
    result["demo"] = lambda out: jtem("demo", "--out", out)
    result["liu2024"] = with_report("liu2024/embedded.toml")
    result["liu2022"] = with_report("liu2022/embedded.toml")
    if data is not None:
        plan = EXPERIMENTS / "liu2022" / "calibration" / "cn_dan.toml"
        result["calibration"] = lambda out: jtem("calibrate", plan, "--data", data, "--out", out)
    return result


def arrays(folder: Path) -> dict[str, np.ndarray]:
    """Every variable of every netCDF file, and every column of every CSV table, by file and name."""
    found: dict[str, np.ndarray] = {}
    for path in sorted(folder.rglob("*.nc")):
        with xr.open_dataset(path, decode_times=False, mask_and_scale=False) as dataset:
            for name in [*dataset.variables]:
                plain = str(name).replace(".", "_")  # names of states had points
                found[f"{path.relative_to(folder)}:{plain}"] = dataset[name].values
            words = [f"{k}={v}" for k, v in sorted(dataset.attrs.items()) if k not in SKIP_ATTRIBUTES]
            found[f"{path.relative_to(folder)}:attributes"] = np.array(words)
    for path in sorted(folder.rglob("*.csv")):
        with path.open(newline="") as file:
            lines = [line for line in csv.reader(file) if line]
        width = max(map(len, lines), default=0)
        for k in range(width):
            column = [line[k] if k < len(line) else "" for line in lines]
            found[f"{path.relative_to(folder)}:column{k}"] = np.array(column)
    return found


def numbers(values: np.ndarray) -> np.ndarray | None:
    """Values as float64, text that is no number left out as NaN; None where nothing is a number."""
    if values.dtype.kind in "fiu":
        return values.astype(np.float64)
    if values.dtype.kind != "U":
        return None

    def number(word: str) -> float:
        try:
            return float(word)
        except ValueError:
            return np.nan

    return np.array([number(word) for word in values.ravel()])


def compare(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> tuple[float, str]:
    """Largest relative difference (0: the same bits) and where; infinite where things are missing or not comparable."""
    before, after = (
        {name: array for name, array in made.items() if not name.endswith(":attributes")} for made in (before, after)
    )
    if before.keys() != after.keys():
        return np.inf, f"different contents: {', '.join(sorted(before.keys() ^ after.keys())[:4])}"
    worst, place = 0.0, ""
    for name, old in before.items():
        new = after[name]
        if old.dtype == new.dtype and old.shape == new.shape and old.tobytes() == new.tobytes():
            continue
        a, b = numbers(old), numbers(new)
        if a is None or b is None or a.shape != b.shape:
            return np.inf, name
        scale = np.nanmax(np.abs(a), initial=0.0) or 1.0
        size = np.abs(a - b)
        known = np.isfinite(a) | np.isfinite(b)
        difference = float(np.max(size[known], initial=0.0)) / scale
        difference = np.inf if not np.isfinite(difference) else max(difference, 1e-300)
        if difference > worst:
            worst, place = difference, name
    return worst, place


def same(a: np.ndarray, b: np.ndarray | None) -> bool:
    """Whether two arrays of words are equal."""
    return b is not None and a.tolist() == b.tolist()


def digest(values: dict[str, np.ndarray]) -> str:
    """SHA-256 of all numbers and their names."""
    total = hashlib.sha256()
    for name, array in sorted(values.items()):
        total.update(name.encode())
        total.update(np.ascontiguousarray(array).astype(str).tobytes() if array.dtype == object else array.tobytes())
    return total.hexdigest()[:16]


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("action", choices=("record", "check"))
    words.add_argument("folder", type=Path)
    words.add_argument("case", nargs="*")
    words.add_argument("--data", type=Path)
    given = words.parse_args()
    known = cases(given.data)
    failed = 0
    for name in given.case or known:
        if name not in known:
            sys.exit(f"unknown case {name!r}; one of {', '.join(known)}")
        action = known[name]
        assert callable(action)
        kept = given.folder / name
        if given.action == "record":
            shutil.rmtree(kept, ignore_errors=True)
            kept.mkdir(parents=True)
            action(kept)
            print(f"{name:24} {digest(arrays(kept))}  recorded", flush=True)
            continue
        if not kept.is_dir():
            print(f"{name:24} not recorded", flush=True)
            failed += 1
            continue
        with tempfile.TemporaryDirectory() as folder:
            action(Path(folder))
            after = arrays(Path(folder))
            worst, place = compare(arrays(kept), after)
        fine = worst == 0.0 or (name in TOLERANT and worst <= TOLERANCE)
        failed += not fine
        words = [n for n, array in arrays(kept).items() if n.endswith(":attributes") and not same(array, after.get(n))]
        said = "bitwise" if worst == 0.0 else f"{'fine' if fine else 'DIFFERS'}: {worst:.2e} in {place}"
        said += f" (attributes of {len(words)} files differ)" if words else ""
        print(f"{name:24} {digest(after)}  {said}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
