"""Regional numbers of a run from its annual files: permafrost, fluxes, thawed carbon, beside the published ones.

Totals are over a fixed set of cells: those with a mean active layer below 10 m in 2010-2015. Permafrost area is
counted year by year over all cells. The mean active layer is over the fixed set with each cell at most 10 m (ground
without permafrost would count with the depth of the column), and beside it over the cells still frozen in that year.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from jtem.constants import PERMAFROST_THAW_LIMIT
from jtem.errors import InputError
from jtem.files import data_path
from jtem.variables import SECONDS_IN_YEAR, VARIABLES

BASE_YEARS = (2010, 2015)
NO_THAW = "_no_thaw"
KG_TO_PG = 1e-12
FLUXES = {
    "npp": "net_primary_production",
    "rh": "heterotrophic_respiration",
    "nep": "net_ecosystem_production",
    "thawed_rh": "heterotrophic_respiration_thawed_permafrost",
    "exposed": "exposed_carbon",
}
POOLS = {
    "vegetation_carbon": "vegetation_carbon",
    "soil_carbon": "soil_carbon",
    "thawed_carbon": "thawed_permafrost_carbon",
}
NEEDED = ("active_layer_thickness", *FLUXES.values(), *POOLS.values())


@dataclass(frozen=True)
class Series:
    """Regional series of history and one scenario; all (year,). Pg C, Pg C yr-1, 1e6 km2, m."""

    years: np.ndarray
    first_scenario_year: int
    area: np.ndarray
    active_layer: np.ndarray
    active_layer_frozen: np.ndarray
    totals: dict[str, np.ndarray]

    def future(self) -> np.ndarray:
        """Which years belong to the scenario."""
        return self.years >= self.first_scenario_year

    def mean(self, values: np.ndarray, first: int, last: int) -> float:
        """Mean of the years within first..last that exist."""
        inside = (self.years >= first) & (self.years <= last)
        return float(values[inside].mean()) if inside.any() else float("nan")

    def cumulative(self, name: str) -> np.ndarray:
        """Total since the scenario's first year (0 before it)."""
        return np.cumsum(np.where(self.future(), self.totals[name], 0.0))

    def gained(self, name: str) -> float:
        """Change of a pool from the end of history to the last year."""
        return float(self.totals[name][-1] - self.totals[name][~self.future()][-1])


@dataclass(frozen=True)
class Row:
    """One line of the headline table."""

    quantity: str
    scenario: str
    value: float
    published: float | None
    unit: str
    note: str


def open_annual(folder: Path | str, name: str, stage: str) -> xr.Dataset:
    """The annual file of a stage with jtem's variable names, loaded; raises ``InputError``."""
    path = Path(folder) / f"{name}_{stage}_annual.nc"
    if not path.is_file():
        raise InputError(f"{path}: annual file not found; run the plan first or give its folder")
    with xr.open_dataset(path, decode_times=False) as opened:
        data = opened.load()
    lost = [n for n in NEEDED if VARIABLES[n].file_name not in data]
    if lost:
        raise InputError(f"{path}: variable '{lost[0]}' is missing; add it to 'annual' in the plan's [output]")
    return data


def permafrost_set(history: xr.Dataset, scenario: xr.Dataset) -> np.ndarray:
    """The fixed set of cells (cell,): mean active layer of 2010-2015 below 10 m; failed cells are left out."""
    thaw = np.concatenate([_values(history, "active_layer_thickness"), _values(scenario, "active_layer_thickness")])
    years = np.concatenate([history["year"].values, scenario["year"].values])
    inside = (years >= BASE_YEARS[0]) & (years <= BASE_YEARS[1])
    if not inside.any():
        inside = years >= years[history["year"].size - 1] - 4
        inside &= years <= years[history["year"].size - 1]
    return np.nan_to_num(thaw[inside].mean(axis=0), nan=np.inf) < PERMAFROST_THAW_LIMIT


def series(history: xr.Dataset, scenario: xr.Dataset, chosen: np.ndarray) -> Series:
    """Regional series over the fixed set ``chosen`` (cell,)."""
    area = np.asarray(history["areacella"].values, dtype=np.float64)  # m2
    inside = area * chosen

    def joined(name: str) -> np.ndarray:
        return np.concatenate([_values(history, name), _values(scenario, name)])

    def total(values: np.ndarray) -> np.ndarray:
        return np.where(chosen, np.nan_to_num(values), 0.0) @ area

    thaw, frozen = joined("active_layer_thickness"), np.nan_to_num(joined("permafrost_fraction"))
    capped = np.nan_to_num(np.minimum(thaw, PERMAFROST_THAW_LIMIT))
    still = inside * (np.nan_to_num(thaw, nan=np.inf) < PERMAFROST_THAW_LIMIT)
    totals = {key: total(joined(name)) * SECONDS_IN_YEAR * KG_TO_PG for key, name in FLUXES.items()}
    totals |= {key: total(joined(name)) * KG_TO_PG for key, name in POOLS.items()}
    tiny = np.finfo(np.float64).tiny
    return Series(
        years=np.concatenate([history["year"].values, scenario["year"].values]),
        first_scenario_year=int(scenario["year"].values[0]),
        area=frozen @ area / 1e12,
        active_layer=capped @ inside / max(inside.sum(), tiny),
        active_layer_frozen=(capped * still).sum(axis=1) / np.maximum(still.sum(axis=1), tiny),
        totals=totals,
    )


def all_series(folder: Path | str, name: str, history: str, scenarios: Sequence[str]) -> dict[str, Series]:
    """Series of every scenario and, where it was run, of the same without thaw (``<scenario>_no_thaw``)."""
    past = open_annual(folder, name, history)
    chosen = None
    result = {}
    for stage in (s + end for s in scenarios for end in ("", NO_THAW)):
        if not (Path(folder) / f"{name}_{stage}_annual.nc").is_file() and stage.endswith(NO_THAW):
            continue
        future = open_annual(folder, name, stage)
        chosen = permafrost_set(past, future) if chosen is None else chosen
        result[stage] = series(past, future, chosen)
    return result


def published() -> dict[tuple[str, str], float]:
    """(key, scenario) -> value printed by Liu et al. (2024)."""
    with data_path("published", "liu2024_headline.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return {(row["key"], row["scenario"]): float(row["value"]) for row in rows}


def headline(results: dict[str, Series], scenarios: Sequence[str]) -> list[Row]:
    """The headline table: our numbers beside the published ones."""
    printed = published()
    rows: list[Row] = []

    def add(quantity: str, key: str, scenario: str, value: float, unit: str, note: str = "") -> None:
        rows.append(Row(quantity, scenario, value, printed.get((key, scenario)), unit, note))

    first = results[scenarios[0]]
    begin, end = int(first.years[~first.future()][-1]), int(first.years[-1])
    now = (begin - 4, begin + 1)
    add("permafrost area", "permafrost_area", "historical", first.mean(first.area, *BASE_YEARS), "1e6 km2", "2010-2015")
    add(
        "mean ALT", "", "historical", first.mean(first.active_layer, *BASE_YEARS), "m", "2010-2015, at most 10 m a cell"
    )
    for key, text in (("npp", "NPP"), ("rh", "RH"), ("nep", "NEP")):
        add(text, "", "historical", first.mean(first.totals[key], *now), "Pg C yr-1", f"{now[0]}-{now[1]}")
    add("vegetation C", "vegetation_carbon", "historical", first.mean(first.totals["vegetation_carbon"], *now), "Pg C")
    add("soil C, active", "soil_carbon", "historical", first.mean(first.totals["soil_carbon"], *now), "Pg C")
    last = (end - 4, end)
    decade = (end - 10, end - 1)
    for scenario in scenarios:
        with_thaw, without = results[scenario], results.get(scenario + NO_THAW)

        def change(values: np.ndarray, s: Series = with_thaw) -> float:
            return s.mean(values, *last) - s.mean(values, *now)

        span = f"{last[0]}-{last[1]} less {now[0]}-{now[1]}"
        add("change of permafrost area", "permafrost_area_change", scenario, change(with_thaw.area), "1e6 km2", span)
        add("increase of mean ALT", "active_layer_increase", scenario, change(with_thaw.active_layer), "m", span)
        grown = change(with_thaw.active_layer_frozen)
        add("increase of mean ALT, still frozen", "", scenario, grown, "m", "cells with permafrost in that year")
        for key, text in (("npp", "NPP"), ("rh", "RH"), ("nep", "NEP")):
            value = with_thaw.mean(with_thaw.totals[key], *decade)
            add(f"{text}, last decade", f"{key}_2090s", scenario, value, "Pg C yr-1", f"{decade[0]}-{decade[1]}")
        exposed, lost = with_thaw.cumulative("exposed")[-1], with_thaw.cumulative("thawed_rh")[-1]
        add("exposed permafrost C", "exposed_carbon", scenario, exposed, "Pg C", f"0-6 m, to {end}")
        add("decomposed permafrost C", "decomposed_carbon", scenario, lost, "Pg C", f"RH of thawed layers to {end}")
        share = 100.0 * lost / exposed if exposed > 0 else float("nan")
        add("decomposed share", "decomposed_share", scenario, share, "%")
        rh = with_thaw.mean(with_thaw.totals["rh"], *decade)
        share = 100.0 * with_thaw.mean(with_thaw.totals["thawed_rh"], *decade) / rh if rh > 0 else float("nan")
        add("thawed share of RH", "thawed_respiration_share_2090s", scenario, share, "%", f"{decade[0]}-{decade[1]}")
        for key, text in (("vegetation_carbon", "vegetation C"), ("soil_carbon", "soil C, active")):
            add(f"change of {text}", "", scenario, with_thaw.gained(key), "Pg C", f"{begin}-{end}")
        stored = with_thaw.cumulative("nep")[-1]
        add("change of ecosystem C", "ecosystem_carbon_change", scenario, stored, "Pg C", f"sum of NEP to {end}")
        if without is None:
            continue
        for key, name in (("npp_by_thaw", "npp"), ("rh_by_thaw", "rh")):
            value = with_thaw.cumulative(name)[-1] - without.cumulative(name)[-1]
            add(f"{name.upper()} due to thaw", key, scenario, value, "Pg C", "cumulative, with less without thaw")
        for key, text in (("vegetation_carbon", "vegetation"), ("soil_carbon", "active soil")):
            value = with_thaw.gained(key) - without.gained(key)
            add(f"{text} C due to thaw", f"{key}_by_thaw", scenario, value, "Pg C", "with less without thaw")
        value = with_thaw.cumulative("nep")[-1] - without.cumulative("nep")[-1]
        add("ecosystem C due to thaw", "ecosystem_carbon_by_thaw", scenario, value, "Pg C", "with less without thaw")
        value = without.mean(without.totals["nep"], *decade)
        add("NEP, last decade, without thaw", "nep_2090s_without_thaw", scenario, value, "Pg C yr-1")
    return rows


def text_table(rows: Sequence[Row], caption: str) -> str:
    """The headline table for a terminal."""
    lines = [caption, f"{'':36}{'':12}{'jtem':>10}{'Liu 2024':>10}  unit"]
    for row in rows:
        value = "-" if not np.isfinite(row.value) else f"{row.value:.4g}"
        beside = "-" if row.published is None else f"{row.published:.4g}"
        lines.append(f"{row.quantity:36}{row.scenario:12}{value:>10}{beside:>10}  {row.unit:11}{row.note}".rstrip())
    return "\n".join(lines)


def _values(data: xr.Dataset, name: str) -> np.ndarray:
    return np.asarray(data[VARIABLES[name].file_name].values, dtype=np.float64)
