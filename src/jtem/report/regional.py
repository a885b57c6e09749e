"""Regional numbers of runs from their annual files: totals, effects of thaw and of held factors, budgets, published values.

Totals are area-weighted sums over a fixed set of cells, those with a mean active layer below 10 m in the base years (decision 9;
all cells where there is none); a factor's effect is the first run of a scenario less the run that holds it. Permafrost area is
counted year by year over all cells. The mean active layer is over the fixed set with each cell at most 10 m (ground without
permafrost would count with the depth of the column), and beside it over the cells still frozen in that year. Nothing is modelled
here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr

from jtem.constants import LAYER_EDGES, PERMAFROST_THAW_LIMIT
from jtem.errors import InputError
from jtem.files import read_table, write_table
from jtem.variables import SECONDS_IN_YEAR, VARIABLES

LAYER_BOTTOM = np.asarray(LAYER_EDGES[1:])
"""Bottoms (m) of the 25 permafrost layers."""
BASE_YEARS = (2010, 2015)
"""Years that tell where permafrost is, as in Liu et al. (2024)."""
Key = tuple[str, str, str]
"""Scenario, member ("": one alone), run of a result."""
YEARS_AT_ONCE = 10
"""Of which values of all cells are in memory in 64 bits."""
WITH_THAW, WITHOUT_THAW = "", "without thaw"
"""Runs of a scenario outside a factorial."""


@dataclass(frozen=True)
class RegionalResult:
    """Regional annual series of one stage: kg, kg yr-1 (year,) or (year, layer), and the active layer of every cell (m)."""

    years: np.ndarray
    totals: dict[str, np.ndarray]
    groups: dict[str, dict[str, np.ndarray]]
    means: dict[str, np.ndarray]
    active_layer: np.ndarray
    frozen_share: np.ndarray

    def total(self, name: str, unit: float = 1e12) -> np.ndarray:
        """Series of a variable in ``unit`` kg (1e12: Pg, 1e9: Tg); rates per year."""
        if name not in self.totals:
            raise InputError(
                f"'{name}' is not in the annual files; add it to 'annual' in the plan's [output] and run again"
            )
        return self.totals[name] / unit

    def cumulative(self, name: str, unit: float = 1e12) -> np.ndarray:
        """Running sum of a rate."""
        return np.cumsum(self.total(name, unit), axis=0)

    def has(self, *names: str) -> bool:
        """Whether the files hold all of these."""
        return all(name in self.totals for name in names)

    def between(self, values: np.ndarray, first: int, last: int) -> float:
        """Mean of the years first..last that exist."""
        inside = (self.years >= first) & (self.years <= last)
        return float(values[inside].mean()) if inside.any() else float("nan")


@dataclass(frozen=True)
class Files:
    """Where the annual files of a member are: their folder and what their names begin with."""

    folder: Path
    stem: str

    def open(self, stage: str) -> xr.Dataset:
        """The annual file of a stage; raises ``InputError``."""
        path = self.folder / f"{self.stem}_{stage}_annual.nc"
        if not path.is_file():
            raise InputError(f"{path}: annual file not found; run the plan first or give its folder")
        return xr.open_dataset(path, decode_times=False)


@dataclass(frozen=True)
class Region:
    """Histories and all runs of a region. ``histories``: member to its history (one for all where they share it);
    ``runs``: (scenario, member, run) to its result, ``stages`` to its name in files; ``area`` (cell,) m2; ``chosen`` (cell,): the
    fixed set; ``permafrost``: whether that is the cells with permafrost, else there is none and it is all cells.
    """

    histories: dict[str, RegionalResult]
    runs: dict[Key, RegionalResult]
    stages: dict[Key, str]
    area: np.ndarray
    chosen: np.ndarray
    permafrost: bool
    scenarios: tuple[str, ...]
    members: tuple[str, ...]
    names: tuple[str, ...]
    title: str
    latitude: np.ndarray
    longitude: np.ndarray
    community: np.ndarray | None = None
    files: dict[str, Files] = field(default_factory=dict)
    history_name: str = "historical"

    @property
    def history(self) -> RegionalResult:
        """The first member's history: everybody's where members share it."""
        return self.histories[self.members[0]]

    def past(self, name: str, unit: float = 1e12) -> np.ndarray:
        """Series of a variable over each member's own history, (member, year), in ``unit`` kg as :meth:`Result.total`."""
        return np.stack([self.histories[m].total(name, unit) for m in self.members])

    def get(self, scenario: str, run: str, member: str = "") -> RegionalResult:
        """One run."""
        return self.runs[scenario, member or self.members[0], run]

    def has(self, scenario: str, run: str) -> bool:
        """Whether a scenario has this run."""
        return (scenario, self.members[0], run) in self.runs

    def effect(self, scenario: str, held: str, name: str, member: str = "", unit: float = 1e12) -> np.ndarray:
        """Transient less the run that holds a factor, (year, ...)."""
        return self.get(scenario, self.names[0], member).total(name, unit) - self.get(scenario, held, member).total(
            name, unit
        )

    def field(self, scenario: str, run: str, name: str, years: tuple[int, int], member: str = "") -> np.ndarray:
        """Mean over the years first..last of a variable in every cell, (cell,), file units, rates per year; NaN where missing.

        ``scenario`` "": history. Read from the files again, so that regional series need not hold cells.
        """
        member = member or self.members[0]
        where = self.files[member]
        stage = self.stages[scenario, member, run] if scenario else self.history_name
        with where.open(stage) as data:
            inside = (data["year"].values >= years[0]) & (data["year"].values <= years[1])
            variable = VARIABLES[name]
            if variable.file_name not in data or not inside.any():
                raise InputError(
                    f"{where.folder}: '{name}' of {years[0]}-{years[1]} is not in the annual files of '{stage}'; add it to "
                    "'annual' in the plan's [output] and run again"
                )
            values = np.asarray(data[variable.file_name].values[inside], dtype=np.float64).mean(axis=0)
        return values * (SECONDS_IN_YEAR if variable.conversion.rate else 1.0)

    def summed(self, scenario: str, run: str, name: str, member: str = "") -> np.ndarray:
        """Sum over all years of a run of a rate in every cell, (cell,), file units times year."""
        years = self.get(scenario, run, member).years
        return self.field(scenario, run, name, (int(years[0]), int(years[-1])), member) * years.size

    @property
    def chosen_area(self) -> float:
        """Area of the fixed set, m2."""
        return float(self.area[self.chosen].sum())


# --- reading ---------------------------------------------------------------------------------------------------------


def factorial_stages(scenarios: Sequence[str], members: Mapping[str, str], runs: Sequence[str]) -> dict[Key, str]:
    """Names in files of all runs of a factorial. ``members``: name to its word in the names of stages ("": none)."""
    return {
        (scenario, member, run): "_".join(part for part in (word, scenario, run) if part)
        for scenario in scenarios
        for member, word in members.items()
        for run in runs
    }


def read(
    files: Mapping[str, Files],
    history: str,
    stages: Mapping[Key, str],
    base_years: tuple[int, int],
    title: str = "",
) -> Region:
    """Read all annual files of a region and reduce them to regional series; one file in memory at a time.

    ``files``: where each member's are, each with its own history (climate models, a plan each), or the same for all. ``stages``:
    names of all runs, none for history alone. Permafrost is where the active layer, mean over ``base_years`` and members, is
    below 10 m: one set of cells for all. Raises ``InputError`` where a file is missing or members have other cells or years.
    """
    scenarios, runs = (tuple(dict.fromkeys(key[k] for key in stages)) for k in (0, 2))
    first_stage = {member: stages[scenarios[0], member, runs[0]] if scenarios else "" for member in files}
    (latitude, longitude, area), community, chosen = _cells(files, history, first_stage, base_years)
    permafrost = bool(chosen.any())
    if not permafrost:
        chosen = np.ones_like(chosen)
    groups = {} if community is None else {str(g): chosen & (community == g) for g in sorted(set(community[chosen]))}
    known: dict[Files, RegionalResult] = {}
    for where in files.values():
        if where not in known:
            with where.open(history) as data:
                known[where] = _reduce(data, area, chosen, groups)
    results: dict[Key, RegionalResult] = {}
    for (scenario, member, run), stage in stages.items():
        with files[member].open(stage) as data:
            made = results[scenario, member, run] = _reduce(data, area, chosen, groups)
        first = results[scenario, next(iter(files)), run]
        if not np.array_equal(made.years, first.years):
            raise InputError(
                f"{files[member].folder}: years of '{run}' under {scenario} differ from those of "
                f"{next(iter(files.values())).folder}; run the plans over the same years"
            )
    return Region(
        histories={member: known[where] for member, where in files.items()},
        runs=results,
        stages=dict(stages),
        area=area,
        chosen=chosen,
        permafrost=permafrost,
        scenarios=scenarios,
        members=tuple(files),
        names=runs,
        title=title,
        latitude=latitude,
        longitude=longitude,
        community=community,
        files=dict(files),
        history_name=history,
    )


def _cells(
    files: Mapping[str, Files], history: str, first_stage: Mapping[str, str], base_years: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Latitude, longitude, area (3, cell) and community of the cells of all members, and where permafrost is (cell,)."""
    thaw, place, community = [], np.zeros((3, 0)), None
    for member, where in files.items():
        stages = [history, *([first_stage[member]] if first_stage[member] else [])]
        depths, years = [], []
        for stage in stages:
            with where.open(stage) as data:
                depths.append(_values(data, "active_layer_thickness"))
                years.append(data["year"].values)
                mine = np.stack([np.asarray(data[n].values, np.float64) for n in ("lat", "lon", "areacella")])
                words = np.asarray(data["community"].values, dtype=object) if "community" in data else None
        if not thaw:
            place, community = mine, words
        elif place.shape != mine.shape or not np.allclose(place, mine):
            first = next(iter(files.values())).folder
            raise InputError(f"{where.folder}: has other cells than {first}; report runs of one domain together")
        when = np.concatenate(years)
        inside = (when >= base_years[0]) & (when <= base_years[1])
        if not inside.any():
            raise InputError(
                f"{where.folder}: no year of {base_years[0]}-{base_years[1]} in the files; permafrost is undefined"
            )
        thaw.append(np.nan_to_num(np.concatenate(depths)[inside].mean(axis=0), nan=np.inf))
    return place, community, np.mean(thaw, axis=0) < PERMAFROST_THAW_LIMIT


def _values(data: xr.Dataset, name: str) -> np.ndarray:
    return np.asarray(data[VARIABLES[name].file_name].values, dtype=np.float64)


OF_UNDISTURBED = (
    "heterotrophic_respiration_thawed_permafrost", "nitrogen_uptake_thawed_permafrost", "vegetation_carbon",
)  # fmt: skip
"""Of these a region has another total: that of ground which abrupt thaw never touched. The column books them per area of it."""


def undisturbed(name: str) -> str:
    """Name of that total."""
    return f"{name} of undisturbed ground"


def _reduce(data: xr.Dataset, area: np.ndarray, chosen: np.ndarray, groups: dict[str, np.ndarray]) -> RegionalResult:
    known = {v.file_name: v for v in VARIABLES.values()}
    totals, means = {}, {}
    split: dict[str, dict[str, np.ndarray]] = {g: {} for g in groups}
    share = VARIABLES["abrupt_thaw_area"]
    disturbed = np.nan_to_num(_values(data, share.name)) if share.file_name in data else None
    weights = np.stack([area * mask for mask in (chosen, *groups.values())], axis=1)
    for file_name in map(str, data.data_vars):
        variable = known.get(file_name)
        if variable is None or variable.derived:
            continue
        values = np.asarray(data[file_name].values)
        if variable.file_unit in ("kg m-2", "kg m-2 s-1"):
            summed = _summed(values, weights) * (SECONDS_IN_YEAR if variable.conversion.rate else 1.0)
            totals[variable.name] = summed[..., 0]
            for k, group in enumerate(groups, 1):
                split[group][variable.name] = summed[..., k]
            if variable.name in OF_UNDISTURBED and disturbed is not None:
                calm = _summed(values * (1.0 - disturbed), weights[:, :1])[..., 0]
                totals[undisturbed(variable.name)] = calm * (SECONDS_IN_YEAR if variable.conversion.rate else 1.0)
        else:
            means[variable.name] = _summed(values, weights[:, :1])[..., 0] / max(area[chosen].sum(), 1.0)
    return RegionalResult(
        years=np.asarray(data["year"].values),
        totals=totals,
        groups=split,
        means=means,
        active_layer=_values(data, "active_layer_thickness"),
        frozen_share=_values(data, "permafrost_fraction"),
    )


def _summed(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sums over cells (year, [layer,] weight) of values (year, [layer,] cell), missing ones zero, by weights (cell, weight)."""
    result = np.empty((*values.shape[:-1], weights.shape[1]))
    for first in range(0, len(values), YEARS_AT_ONCE):
        years = slice(first, first + YEARS_AT_ONCE)
        some = values[years].astype(np.float64)
        np.copyto(some, 0.0, where=np.isnan(some))
        result[years] = some @ weights
    return result


def permafrost_area(result: RegionalResult, area: np.ndarray) -> np.ndarray:
    """Area with an active layer below 10 m in the year, 1e6 km2, over all cells."""
    return np.nan_to_num(result.frozen_share) @ area / 1e12


def mean_active_layer(result: RegionalResult, area: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over the fixed set with each cell at most 10 m, and over its cells still frozen in the year (m)."""
    weight = area * chosen
    thaw = np.nan_to_num(result.active_layer, nan=np.inf)
    capped = np.minimum(thaw, PERMAFROST_THAW_LIMIT)
    still = weight * (thaw < PERMAFROST_THAW_LIMIT)
    frozen = (capped * still).sum(axis=1) / np.maximum(still.sum(axis=1), 1.0)
    return capped @ weight / max(weight.sum(), 1.0), frozen


@dataclass(frozen=True)
class Closure:
    """Budget of the region over history and one run. Pg: what is left over, and the largest stock it is judged by."""

    run: str
    years: int
    carbon: float
    carbon_stock: float
    nitrogen: float
    nitrogen_stock: float


def closures(f: Region) -> list[Closure]:
    """Carbon and nitrogen of the region, history and each run: end less begin less the sum of fluxes.

    Frozen stores that the ``layered`` scheme fills at the end of history are an inventory, not a flux: carbon counts it from
    the first frozen stock of the run; nitrogen starts at the end of the run's first year.
    """
    result = []
    for (scenario, member, run), r in f.runs.items():
        past = f.histories[member]
        left = _unclosed(past.total("ecosystem_carbon"), past.total("net_ecosystem_production"))
        left_n = _unclosed(past.total("ecosystem_nitrogen"), past.total("nitrogen_input") - past.total("nitrogen_loss"))
        stock, flux = r.total("ecosystem_carbon"), r.total("net_ecosystem_production")
        begin = past.total("ecosystem_carbon")[-1]
        filled = r.total("frozen_carbon")[0] if "layer_exposed_carbon" in r.totals else 0.0
        carbon = left + stock[-1] - (begin + filled) - flux.sum()
        nitrogen = left_n + _unclosed(
            r.total("ecosystem_nitrogen"), r.total("nitrogen_input") - r.total("nitrogen_loss")
        )
        name = "_".join(p for p in (member, scenario, run) if p)
        result.append(
            Closure(
                name,
                past.years.size + r.years.size,
                float(carbon),
                float(stock[-1]),
                float(nitrogen),
                float(r.total("ecosystem_nitrogen")[-1]),
            )
        )
    return result


def _unclosed(stock: np.ndarray, flux: np.ndarray) -> float:
    """Change of a stock from the end of the first to the end of the last year less the fluxes between."""
    return float(stock[-1] - stock[0] - flux[1:].sum())


# --- published numbers -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One line of ``headline.csv``; ``range``: printed instead of one value."""

    quantity: str
    scenario: str
    unit: str
    ours: float
    published: float | None
    note: str
    range: str = ""

    @property
    def difference(self) -> float | None:
        """Ours less published."""
        return None if self.published is None else self.ours - self.published

    @property
    def printed(self) -> str:
        """What the paper prints: a value, a range, or "" for nothing."""
        return self.range if self.published is None else f"{self.published:g}"


def published(*names: str) -> dict[tuple[str, str], float]:
    """(key, scenario) to the printed value, from these files of ``data/published``; ranges are in :func:`ranges`."""
    rows = (row for name in names for row in read_table("published", f"{name}.csv"))
    return {(row["key"], row["scenario"]): float(row["value"]) for row in rows}


def ranges(name: str) -> dict[tuple[str, str], str]:
    """(key, scenario) to the printed range, from a file of ``data/published``."""
    return {(row["key"], row["scenario"]): row["range"] for row in read_table("published", f"{name}.csv")}


def write_lines(path: Path, lines: Iterable[Line]) -> Path:
    """``headline.csv``: quantity, scenario, unit, ours, published, difference, note."""
    rows: list[tuple[str, ...]] = [("quantity", "scenario", "unit", "ours", "published", "difference", "note")]
    for line in lines:
        beside = (line.printed, "" if line.difference is None else f"{line.difference:.4g}")
        rows.append((line.quantity, line.scenario, line.unit, f"{line.ours:.5g}", *beside, line.note))
    return write_table(path, rows)


def as_text(lines: Sequence[Line], caption: str, beside: str = "", *, notes: bool = True) -> str:
    """The lines for a terminal. ``beside``: head of the column of published values, which is left out where it is empty."""
    width = max((len(line.quantity) for line in lines), default=0) + 2
    result = [caption, f"{'':{width}}{'':11}{'jtem':>10}{f'{beside:>10}' if beside else ''}  unit"]
    for line in lines:
        printed = (line.range or "-") if line.published is None else f"{line.published:.4g}"
        ours = f"{line.ours:.4g}" if np.isfinite(line.ours) else "-"
        said = f"{line.quantity:{width}}{line.scenario:11}{ours:>10}"
        said += f"{printed:>10}" if beside else ""
        result.append(f"{said}  {line.unit:11}{line.note if notes else ''}".rstrip())
    return "\n".join(result)


@dataclass(frozen=True)
class Report:
    """What a report gives: lines of ``headline.csv``, other tables by name, remarks, and how its figures are drawn."""

    lines: list[Line]
    tables: dict[str, list[tuple[str, ...]]]
    draw: Callable[[Region, Path], list[Path]]
    remarks: tuple[str, ...] = ()
