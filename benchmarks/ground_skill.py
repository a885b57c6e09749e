"""Skill of soil heat at every observed site of the data folder, by options of the ground: nothing is fitted here.

All flux towers (soil temperature at an assumed 5 cm), Alaskan stations (25, 50, 100 cm) and CALM sites (thaw depth), each in the
community of its half-degree cell where no table says it, are run with their own climate as a calibration does
(docs/calibration.md). R2 = 1 - SSE/SST; the standard error in brackets is that of a jackknife over blocks of 5 degrees of
latitude and 10 of longitude. A site-year whose column has no permafrost within 10 m counts as lost and not in the depths.

    python benchmarks/ground_skill.py --data DATA [--options default overlay ...] [--measured] [--sites untouched]

An option is words joined by "+": overlay (jtem_soil_heat), fine (with 10 sub-steps), settling, light (surface), place (columns
from carbon and texture), and files of parameters (.toml). ``--measured``: observed anomalies, gauges of towers without
undercatch, measured snow of stations, texture, topsoil carbon and community of the half-degree cell, as experiments/ground fits.
``--sites``: those that its fit has not seen ("untouched": every third by the hash of its name), or the others ("seen").
"""

import argparse
import csv
import json
import re
from functools import lru_cache
from pathlib import Path

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

import xarray as xr  # noqa: E402

from jtem.assemble.calibration import case  # noqa: E402
from jtem.assemble.validation import hashed  # noqa: E402
from jtem.errors import InputError  # noqa: E402
from jtem.plan import calibration as calibration_plan  # noqa: E402
from jtem.readers.site_climates import nearest_half_degree  # noqa: E402
from jtem.study.calibration.case import Case  # noqa: E402

PLAN = """
[calibration]
name = "ground"
[model]
{model}
{data}
[history]
first = 1991
spin_up = [1901, 1930]
[errors]
floor = {{ soil_temperature = 2.0, active_layer_thickness = 0.1 }}
[[parameter]]
label = "unused"
name = "soil_thermal.geothermal_heat_flux"
bounds = [0.01, 0.2]
"""
LOST = 10.0
TOWERS, STATIONS, THAW = (
    "flux_sites/flux_sites.csv", "soil_temperature/alaska_monthly.csv", "active_layer/calm_alt.csv"
)  # fmt: skip
CONIFERS = "US-NR1", "CH-Dav", "IT-Ren"
BLOCK = 5.0, 10.0
ELEVATIONS = {"CH3": 2500, "CH4": 3410, "CH6": 3040, "CH7": 2888, "CH8": 2394, "CH9": 2946, "CH11": 2754, "CH12": 2690}
"""m, of Swiss boreholes that the table has no elevation of (PERMOS, the Swiss permafrost monitoring network)."""
REGIONS = (
    ("Alaska", 45, 90, -170, -141), ("Canada", 45, 90, -141, -60), ("Greenland, Svalbard, Europe north of 55N", 55, 90, -60, 40),
    ("Europe south of 55N", 45, 55, -20, 40), ("West Siberia", 55, 90, 40, 90), ("Central Asia", 40, 55, 40, 125),
    ("East Siberia and Far East", 50, 90, 90, 190),
)  # fmt: skip
"""South, north, west, east; the first that holds a place."""
MEASURED = 'weather = "observed"\nsurface = "half_degree"\n'


def words(option: str) -> str:
    """Lines of [model]."""
    chosen = set(option.split("+"))
    lines = ['precision = "mixed"']
    overlays = ["jtem_soil_heat"] * ("overlay" in chosen) + sorted(word for word in chosen if word.endswith(".toml"))
    if overlays:
        lines.append(f"parameters = {json.dumps(overlays)}")
    if "place" in chosen:
        lines.append('soil_columns = "place"')
    if "fine" in chosen:
        lines += ['soil_grid = "fine"', "heat_substeps = 10"]
    if "settling" in chosen:
        lines.append('snow = "settling"')
    if "light" in chosen:
        lines.append('surface = "light"')
    return "\n".join(lines)


def table(path: Path) -> dict[str, tuple[float, float]]:
    """Places of a table by site."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["site"]: (float(row["lat"]), float(row["lon"])) for row in csv.DictReader(file)}


@lru_cache(maxsize=1024)
def community(data: Path, place: tuple[float, float]) -> str:
    """Largest community of the nearest half-degree cell; "" where there is none within reach."""
    places = xr.Dataset({"latitude": ("place", [place[0]]), "longitude": ("place", [place[1]])}, {"place": ["here"]})
    try:
        cell = nearest_half_degree(data, places, 0)
    except Exception:  # no land near: no site of ours
        return ""
    slot = int(np.argmax(cell["community_area_fraction"].values[0]))
    return str(cell["community"].values[0, slot])


def names(known, without: set[str]) -> str:
    """Line of the sites."""
    quoted = ", ".join(f'"{name}"' for name in known if name not in without)
    return f"sites = [{quoted}]\n"


def region(place: tuple[float, float]) -> str:
    """Name of a place's region."""
    return next((name for name, s, n, w, e in REGIONS if s <= place[0] < n and w <= place[1] < e), "elsewhere")


def other_third(sites: str, places: dict[str, tuple[float, float]]) -> set[str]:
    """Names that are not asked for."""
    if sites == "all":
        return set()
    return {name for name in places if (hashed(name) % 3 == 0) != (sites == "untouched")}


def usable(
    data: Path, option: str, measured: bool = False, sites: str = "all"
) -> tuple[Case, dict[str, tuple[float, float]]]:
    """The case of all sites that have a usable observation, and their places."""
    without: set[str] = set()
    for path in (TOWERS, STATIONS, THAW):
        without |= other_third(sites, table(data / path))
    while True:
        text, places = sections(data, without, measured)
        try:
            return case(calibration_plan.parse(PLAN.format(model=words(option), data=text)), data), places
        except InputError as error:
            found = re.search(
                r"no observation of site '([^']*)' is usable|'([^']*)' has no observation|site '([^']*)' has no cell",
                str(error),
            )
            if not found:
                raise
            without.add(found[1] or found[2] or found[3])


def sections(data: Path, without: set[str], measured: bool = False) -> tuple[str, dict[str, tuple[float, float]]]:
    """[[data]] of all sites but some, and their places."""
    places: dict[str, tuple[float, float]] = {}
    text = ""
    towers = table(data / TOWERS)
    depths = ", ".join(f"{name} = [0.05]" for name in towers if name not in without)
    text += '[[data]]\nsource = "flux_sites"\nstreams = ["soil_temperature"]\nyears = [1991, 2014]\n'
    text += f"soil_depths = {{ {depths} }}\n{names(towers, without)}"
    text += "elevations = { CN-HaM = 3250.0 }\n" if "CN-HaM" not in without else ""
    text += MEASURED + 'undercatch = "normal"\n' if measured else ""
    conifers = ", ".join(f'{name} = "temperate_coniferous_forest"' for name in CONIFERS if name not in without)
    text += f"communities = {{ {conifers} }}\n"
    places |= towers
    for source, path, extra in (
        ("alaska", STATIONS, 'streams = ["soil_temperature"]\ndepths = [0.25, 0.5, 1.0]\n'),
        ("active_layer", THAW, ""),
    ):
        found = {name: place for name, place in table(data / path).items() if place[0] > 45}
        known = {name: community(data, place) for name, place in found.items()}
        known = {name: c for name, c in known.items() if c and name not in without}
        if measured:
            heights = ", ".join(
                f"{n} = {z}.0" for n, z in ELEVATIONS.items() if source == "active_layer" and n in known
            )
            extra += MEASURED + (f"elevations = {{ {heights} }}\n" if heights else "")
            extra += 'snow = "measured"\n' if source == "alaska" else ""
        given = ", ".join(f'"{name}" = "{c}"' for name, c in known.items())
        text += (
            f'[[data]]\nsource = "{source}"\npath = "{path}"\nyears = [1991, 2014]\n{extra}\n'
            f"communities = {{ {given} }}\n{names(known, without)}"
        )
        places |= {name: found[name] for name in known}
    return text, places


def r2(simulated: np.ndarray, observed: np.ndarray) -> float:
    """1 - SSE/SST."""
    return 1 - ((simulated - observed) ** 2).sum() / ((observed - observed.mean()) ** 2).sum()


def line(name: str, simulated: np.ndarray, observed: np.ndarray, block: np.ndarray) -> str:
    """Count, R2 with its jackknife error over blocks, RMSE, bias."""
    error = simulated - observed
    left = [r2(simulated[block != b], observed[block != b]) for b in np.unique(block)]
    n = len(left)
    spread = np.sqrt((n - 1) / n * ((np.array(left) - np.mean(left)) ** 2).sum()) if n > 2 else np.nan
    return (
        f"{name}: n {error.size}, blocks {n}, R2 {r2(simulated, observed):.2f} ({spread:.2f}), RMSE "
        f"{np.sqrt((error**2).mean()):.2f}, bias {error.mean():+.2f}, r2 {np.corrcoef(simulated, observed)[0, 1] ** 2:.2f}"
    )


def main():
    """Print a block of lines for every option."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--options", nargs="+", default=["default", "overlay", "fine", "fine+settling"])
    parser.add_argument("--measured", action="store_true")
    parser.add_argument("--sites", choices=("all", "untouched", "seen"), default="all")
    arguments = parser.parse_args()
    for option in arguments.options:
        made, places = usable(arguments.data, option, arguments.measured, arguments.sites)
        problem, model = made.problem, made.model
        simulated, _ = model.simulate(model.start_values)
        o = problem.observations
        channels = np.array([channel.name for channel in problem.channels])[o.channel]
        group = np.array(problem.communities)[o.site]
        where = np.array([places[problem.sites[s]] for s in o.site])
        block = (where // np.array(BLOCK)) @ np.array([1000, 1])
        area = np.array([region(places[problem.sites[s]]) for s in range(len(problem.sites))])[o.site]
        seen = np.isfinite(o.value)

        def winter(part, o=o, error=simulated - o.value):
            cold = part & np.isin(o.begin % 12, (11, 0, 1, 2)) & (o.end - o.begin == 1)
            return f", winter bias {np.mean(error[cold]):+.2f} K" if cold.any() else ""

        print(
            f"== {option}: {len(problem.sites)} sites, {problem.design.thermal and problem.design.thermal.layers} layers"
        )
        for name in sorted(set(channels)):
            mine = seen & (channels == name)
            if name == "active_layer_thickness":
                lost = mine & (simulated > LOST)
                by = ", ".join(
                    f"{kind} {100 * lost[mine & (group == kind)].mean():.0f} % of {(mine & (group == kind)).sum()}"
                    for kind in sorted(set(group[mine]))
                )
                print(f"no permafrost: {100 * lost.sum() / mine.sum():.1f} % of {mine.sum()} site-years ({by})")
                mine &= ~lost
            print(line(name, simulated[mine], o.value[mine], block[mine]))
            for sort in (group, area):
                for kind in sorted(set(sort[mine])):
                    part = mine & (sort == kind)
                    if part.sum() > 30:
                        print("   " + line(kind, simulated[part], o.value[part], block[part]) + winter(part))
            print("  " + winter(mine), flush=True)


if __name__ == "__main__":
    main()
