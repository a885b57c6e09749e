"""Tables of Liu et al. (2024) from a factorial: headline numbers, Tables 1 and 2, effects; figures: ``liu2024_figures``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from jtem.files import read_table
from jtem.report import drawings, liu2024_figures, region_page, regional
from jtem.report.liu2024_series import by_depth, ecosystem
from jtem.report.regional import BASE_YEARS, Line, Region, Report

Add = Callable[[str, str, str, float, str], None]
"""Adds a line of quantity, key, scenario, value, unit."""


def headline(f: Region, notes: dict[str, str]) -> list[Line]:
    """All headline numbers beside the printed ones. ``notes``: why they differ, by key."""
    printed = regional.published("liu2024_headline", "liu2024_factorial")
    lines: list[Line] = []

    def add(quantity: str, key: str, scenario: str, value: float, unit: str) -> None:
        lines.append(Line(quantity, scenario, unit, float(value), printed.get((key, scenario)), notes.get(key, "")))

    past, now = f.history, int(f.history.years[-1])
    first = f.get(f.scenarios[0], "S_Trans")
    area_past = regional.permafrost_area(past, f.area)
    both = np.concatenate([area_past, regional.permafrost_area(first, f.area)])
    years = np.concatenate([past.years, first.years])
    window = (years >= BASE_YEARS[0]) & (years <= BASE_YEARS[1])
    at = int(np.argmin(np.abs(years - BASE_YEARS[1])))  # 2015 ends the history, or begins the scenarios
    add("permafrost area 2010-2015", "permafrost_area", "historical", both[window].mean(), "1e6 km2")
    northern = np.where(f.latitude >= 45.0, f.area, 0.0)
    part = np.concatenate([regional.permafrost_area(r, northern) for r in (past, first)])[window].mean()
    add("of it north of 45N", "", "historical", part, "1e6 km2")
    thaw_past, _ = regional.mean_active_layer(past, f.area, f.chosen)
    add("mean ALT, last five years of history", "", "historical", thaw_past[-5:].mean(), "m")
    for name, text in (("vegetation_carbon", "vegetation C 2015"), ("soil_carbon", "SOC in the active layer 2015")):
        stock = np.concatenate([past.total(name), first.total(name)])
        add(text, name, "historical", stock[at], "Pg C")
    for s in f.scenarios:
        _exposure(f, s, both[window].mean(), add)
        _balance(f, s, now, add)
    return lines


def _exposure(f: Region, s: str, area_past: float, add: Add) -> None:
    """Lines of permafrost and of what thaw exposes; ``area_past``: permafrost area (1e6 km2) at the end of history."""
    past, t = f.history, f.get(s, "S_Trans")
    area = regional.permafrost_area(t, f.area)
    add("change of permafrost area", "permafrost_area_change", s, area[-5:].mean() - area_past, "1e6 km2")
    thaw_past, frozen_past = regional.mean_active_layer(past, f.area, f.chosen)
    capped, frozen = regional.mean_active_layer(t, f.area, f.chosen)
    add("increase of mean ALT", "active_layer_increase", s, capped[-5:].mean() - thaw_past[-5:].mean(), "m")
    add("increase of mean ALT, still frozen", "", s, frozen[-5:].mean() - frozen_past[-5:].mean(), "m")
    exposed = t.cumulative("exposed_carbon")[-1]
    lost = t.cumulative("heterotrophic_respiration_thawed_permafrost")[-1]
    add("SOC exposed by thaw, 0-6 m", "exposed_carbon", s, exposed, "Pg C")
    add("decomposed of it", "decomposed_carbon", s, lost, "Pg C")
    add("decomposed share", "decomposed_share", s, 100 * lost / max(exposed, 1e-12), "%")
    if "thawed_permafrost_carbon" in t.totals:  # share = years times rate
        held = t.total("thawed_permafrost_carbon").sum()
        add("years that exposed SOC has been thawed, mean", "", s, held / max(exposed, 1e-12), "yr")
        add("rate at which thawed SOC decomposes, mean", "", s, 100 * lost / max(held, 1e-12), "% yr-1")
    add("change of SOC in previously frozen layers", "soil_carbon_thawed_change", s, -lost, "Pg C")
    yearly = t.total("exposed_carbon")
    add("share of exposed SOC in the first year", "", s, 100 * yearly[0] / max(exposed, 1e-12), "%")
    if "layer_exposed_carbon" in t.totals:
        depth = by_depth(t.cumulative("layer_exposed_carbon")[-1])
        add("share of exposed SOC in 1-3 m", "exposed_share_1_3m", s, 100 * depth[1:3].sum() / depth.sum(), "%")
        add("exposed SOC above 3 m", "exposed_carbon_0_3m", s, depth[:3].sum(), "Pg C")
        add("share of exposed SOC in 0-1 m", "", s, 100 * depth[0] / depth.sum(), "%")
        add("share of exposed SOC in 3-6 m", "", s, 100 * depth[3] / depth.sum(), "%")
    if "layer_respiration" in t.totals:
        depth = by_depth(t.cumulative("layer_respiration")[-1])
        add("share of 1-2 m in RH of thawed SOC", "emission_share_1_2m", s, 100 * depth[1] / depth.sum(), "%")
        add("share of 0-1 m in RH of thawed SOC", "", s, 100 * depth[0] / depth.sum(), "%")
        add("share of 3-6 m in RH of thawed SOC", "", s, 100 * depth[3] / depth.sum(), "%")


def _balance(f: Region, s: str, now: int, add: Add) -> None:
    """Lines of the carbon balance, with and without thaw; ``now``: last year of history."""
    past, t, p = f.history, f.get(s, "S_Trans"), f.get(s, "S_PF")
    end = int(t.years[-1])
    decade = (end - 10, end - 1)
    stock = ecosystem(t)
    add("change of ecosystem C 2015-2100, S_Trans", "ecosystem_carbon_change", s, stock[-1], "Pg C")
    nep, nep_held = t.total("net_ecosystem_production"), p.total("net_ecosystem_production")
    rh = t.total("heterotrophic_respiration")
    thawed_rh = t.total("heterotrophic_respiration_thawed_permafrost")
    add("NEP 2090s", "nep_2090s", s, t.between(nep, *decade), "Pg C yr-1")
    without = t.between(nep + thawed_rh, *decade)
    add("NEP 2090s without RH of thawed SOC", "nep_2090s_without_thaw", s, without, "Pg C yr-1")
    share = 100 * t.between(thawed_rh, *decade) / t.between(rh, *decade)
    add("share of thawed SOC in RH, 2090s", "thawed_respiration_share_2090s", s, share, "%")
    grown = (rh - past.between(past.total("heterotrophic_respiration"), now - 4, now)).sum()
    share = 100 * thawed_rh.sum() / grown if grown > 0 else float("nan")
    add("share of thawed SOC in increase of RH", "thawed_share_of_rh_increase", s, share, "%")
    drh = f.effect(s, "S_PF", "heterotrophic_respiration")
    dnpp = f.effect(s, "S_PF", "net_primary_production")
    add("RH in 2100 due to thaw", "rh_2100_by_thaw", s, drh[-1], "Pg C yr-1")
    add("cumulative RH due to thaw", "rh_by_thaw", s, drh.sum(), "Pg C")
    add("NPP 2090s due to thaw", "npp_2090s_by_thaw", s, t.between(dnpp, *decade), "Pg C yr-1")
    add("cumulative NPP due to thaw", "npp_by_thaw", s, dnpp.sum(), "Pg C")
    add("NEP 2090s due to thaw", "nep_2090s_by_thaw", s, t.between(nep - nep_held, *decade), "Pg C yr-1")
    add("ecosystem C due to thaw", "ecosystem_carbon_by_thaw", s, (nep - nep_held).sum(), "Pg C")
    dveg = f.effect(s, "S_PF", "vegetation_carbon")[-1]
    add("vegetation C due to thaw", "vegetation_carbon_by_thaw", s, dveg, "Pg C")
    dveg = f.effect(s, "S_PF", "vegetation_nitrogen", unit=1e9)[-1]
    add("vegetation N due to thaw", "vegetation_nitrogen_by_thaw", s, dveg, "Tg N")
    if "exposed_organic_nitrogen" in t.totals:
        organic = t.cumulative("exposed_organic_nitrogen")[-1]
        add("soil organic N exposed by thaw", "exposed_organic_nitrogen", s, organic, "Pg N")
    if "layer_net_nitrogen_mineralization" in t.totals:
        mineral = t.cumulative("layer_net_nitrogen_mineralization")[-1].sum()
        taken = t.cumulative("nitrogen_uptake_thawed_permafrost")[-1]
        add("uptake over net mineralization of thawed layers", "", s, 100 * taken / mineral, "%")
    if t.has("net_nitrogen_mineralization", "nitrogen_uptake"):
        gained, mineral = (
            f.effect(s, "S_PF", name).sum() for name in ("nitrogen_uptake", "net_nitrogen_mineralization")
        )
        share = 100 * gained / mineral if mineral else float("nan")
        add("N uptake over net mineralization, both due to thaw", "thawed_uptake_share", s, share, "%")
    for held in f.names[1:]:
        value = (nep - f.get(s, held).total("net_ecosystem_production")).sum()
        key = {"S_CO2": "ecosystem_carbon_by_co2"}.get(held, "")
        if held != "S_PF":
            add(f"ecosystem C, effect S_Trans - {held}", key, s, value, "Pg C")


def design_table(f: Region, held: Mapping[str, Sequence[str]], base_year: int) -> list[tuple[str, ...]]:
    """Table 2: what each run keeps at the base year. ``held``: factors by run."""
    words = {"permafrost": "ALT", "co2": "CO2", "temperature": "temperature", "precipitation": "precipitation"}
    rows: list[tuple[str, ...]] = [("run", *words.values())]
    for run in f.names:
        marks = [f"kept at {base_year}" if factor in held[run] else "transient" for factor in words]
        rows.append((run, *marks))
    return rows


def sites_table() -> list[tuple[str, ...]]:
    """Table 1: the towers of calibration and validation."""
    rows = read_table("published", "liu2024_sites.csv")
    head = ("site", "name", "latitude", "longitude", "elevation (m)", "vegetation", "dates", "role")
    columns = ("site", "name", "latitude", "longitude", "elevation", "vegetation")
    return [head, *((*(row[c] for c in columns), f"{row['first']}-{row['last']}", row["role"]) for row in rows)]


def report(f: Region, notes: dict[str, str], held: Mapping[str, Sequence[str]], base_year: int) -> Report:
    """Headline, Tables 1 and 2, effects and figures. ``notes``: why numbers differ, by key; ``held``: factors by run."""
    tables = {
        "table1": sites_table(),
        "table2": design_table(f, held, base_year),
        "effects": region_page.effects_table(f),
    }
    remarks = drawings.left_out(liu2024_figures.DRAWINGS, f)
    return Report(headline(f, notes), tables, liu2024_figures.draw, remarks)
