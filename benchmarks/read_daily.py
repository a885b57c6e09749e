"""Megabytes a second and memory of reading daily CF files to months, beside ``cdo monmean`` on the same files.

Wall and processor seconds are both told: on a shared machine only the second can be compared.

    python benchmarks/read_daily.py --folder SCRATCH [--gigabytes 1 10] [--rounds 2] [--deflate 0] [--json]

Writes half-degree daily tas, pr and rsds, one file a variable over all years (as large as asked for), and reads them year by
year for all cells, as ``jtem prepare`` does, in a process of its own, in turn with ``cdo monmean`` of the three files. The
means of both must agree. The files are removed at the end. The last line is one flat JSON object of numbers.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import netCDF4
import numpy as np

ROWS, COLUMNS = 360, 720
VARIABLES = {"tas": ("K", 260.0, 15.0), "pr": ("kg m-2 s-1", 3e-5, 1e-5), "rsds": ("W m-2", 150.0, 60.0)}
FIRST = 1901
DAY_BYTES = ROWS * COLUMNS * 4


def write(folder: Path, years: int, deflate: int) -> list[Path]:
    """The three files; values repeat every 31 days around a field that differs from cell to cell."""
    chance = np.random.default_rng(1)
    paths = []
    for name, (unit, mean, spread) in VARIABLES.items():
        fields = (mean + spread * chance.uniform(-1, 1, (31, ROWS, COLUMNS)).round(2)).astype("f4")
        path = folder / f"{name}.nc"
        with netCDF4.Dataset(str(path), "w") as data:
            for dimension, size in (("time", None), ("lat", ROWS), ("lon", COLUMNS)):
                data.createDimension(dimension, size)
            axes = (
                ("lat", 89.75 - 0.5 * np.arange(ROWS), "degrees_north"),
                ("lon", -179.75 + 0.5 * np.arange(COLUMNS), "degrees_east"),
            )
            for axis, values, units in axes:
                own = data.createVariable(axis, "f8", (axis,))
                own[:], own.units = values, units
            clock = data.createVariable("time", "f8", ("time",))
            clock.units, clock.calendar = f"days since {FIRST}-01-01", "365_day"
            clock[:] = 0.5 + np.arange(365 * years)
            own = data.createVariable(  # pyright: ignore[reportCallIssue]
                name,
                "f4",
                ("time", "lat", "lon"),
                chunksizes=(1, ROWS, COLUMNS),
                zlib=deflate > 0,
                complevel=deflate or 4,  # pyright: ignore[reportArgumentType]
            )
            own.units, own.cell_methods = unit, "time: mean"
            for start in range(0, 365 * years, 31):
                count = min(31, 365 * years - start)
                own[start : start + count] = fields[:count]
        paths.append(path)
    return paths


def read(paths: list[Path], years: int) -> None:
    """What the process of its own does: all cells, a year at a time; prints the mean temperature of each month."""
    from jtem.readers import cf_monthly

    for year in range(FIRST, FIRST + years):
        result = cf_monthly.read_climate(paths, year, year)
        print(*result["air_temperature"].values[:: ROWS * 7, 0].ravel().tolist())


def timed(command: list[str]) -> tuple[np.ndarray, str]:
    """Wall and processor seconds, and output of a command."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return np.array([wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime]), done.stdout


def measure(folder: Path, gigabytes: float, rounds: int, deflate: int) -> dict[str, float]:
    """Both readers in turn on files of about ``gigabytes``."""
    years = max(1, round(gigabytes * 1e9 / (3 * 365 * DAY_BYTES)))
    paths = write(folder, years, deflate)
    stored = sum(path.stat().st_size for path in paths) / 1e6
    values = 3 * 365 * years * DAY_BYTES / 1e6
    seconds: dict[str, list[np.ndarray]] = {"cdo": [], "jtem": []}
    memory, cdo = 0.0, shutil.which("cdo")
    for _ in range(rounds):
        if cdo:
            seconds["cdo"].append(
                np.sum(
                    [timed([cdo, "-s", "-O", "monmean", str(p), str(folder / f"mean_{p.name}")])[0] for p in paths],
                    axis=0,
                )
            )
        took, output = timed([sys.executable, __file__, "--reader", str(years), "--folder", str(folder)])
        *lines, peak = output.splitlines()
        seconds["jtem"].append(took)
        memory = max(memory, float(peak))
    found = np.array([[float(v) for v in line.split()] for line in lines]).reshape(years, -1, 12)
    if cdo:
        with netCDF4.Dataset(str(folder / "mean_tas.nc")) as data:
            mean = np.asarray(data["tas"][:], np.float64).reshape(years, 12, -1)[:, :, :: ROWS * 7] - 273.15
        worst = float(np.abs(found - mean.transpose(0, 2, 1)).max())
        assert worst < 1e-3, f"means of jtem and cdo differ by {worst} K"
    for path in folder.glob("*.nc"):
        path.unlink()
    result = {"years": years, "megabytes": values, "megabytes_stored": stored, "jtem_peak_megabytes": memory}
    for name, own in seconds.items():
        if own:
            wall, processor = np.min(own, axis=0)
            result |= {
                f"{name}_seconds": wall,
                f"{name}_processor_seconds": processor,
                f"{name}_megabytes_per_second": values / wall,
            }
    if cdo:
        for kind in ("seconds", "processor_seconds"):
            result[f"cdo_over_jtem_{kind}"] = result[f"cdo_{kind}"] / result[f"jtem_{kind}"]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="scratch folder; its .nc files are removed")
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[1.0, 10.0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--deflate", type=int, default=0, help="level of compression of the files")
    parser.add_argument("--json", action="store_true", help="print the numbers as the last line (always done)")
    parser.add_argument("--reader", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.reader:
        read([arguments.folder / f"{name}.nc" for name in VARIABLES], arguments.reader)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
        return
    arguments.folder.mkdir(parents=True, exist_ok=True)
    flat: dict[str, float] = {}
    for size in arguments.gigabytes:
        result = measure(arguments.folder, size, arguments.rounds, arguments.deflate)
        print(f"{size:g} GB:", ", ".join(f"{name} {value:.4g}" for name, value in result.items()), flush=True)
        flat |= {f"{name}_{size:g}gb": value for name, value in result.items()}
    print(json.dumps(flat))


if __name__ == "__main__":
    main()
