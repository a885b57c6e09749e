"""Tables of Liu et al. (2022) from a factorial: S_T - S_R, mean and s.d. over members; figures: ``liu2022_figures``.

Upper-case differences are S_T - S_R in the same year; lower-case anomalies are from the end of history. The identities
``SOC_PF = dSOC - sum dLtrC + sum dRH`` and ``SON_PF = dSON - sum dLtrN + sum dNetNMin`` (docs/model.md#i4) are evaluated
beside the transfer that the model booked; all three agree to round-off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from jtem.files import read_table
from jtem.report import drawings, liu2022_figures, regional
from jtem.report.liu2022_balance import (
    MEADOW,
    NEP,
    NPP,
    RH,
    SHARED,
    STEPPE,
    R,
    T,
    active_layer,
    balance,
    gap,
    group_gap,
    identities,
    series,
    soc_net,
    spread,
    thaw_share,
    transient,
)  # fmt: skip
from jtem.report.regional import Line, Region, Report

LAST_DECADE = (2090, 2099)
FLUXES = {"npp": NPP, "rh": RH, "nep": NEP}
Cells = list[tuple[str, ...]]
Add = Callable[[str, str, str, Sequence[float] | np.ndarray, str], str]
"""Adds a line of quantity, key, scenario, values of the members, unit; returns mean and s.d. as text."""


def headline(f: Region, notes: dict[str, str]) -> tuple[list[Line], dict[str, Cells]]:
    """Lines of ``headline.csv`` and Tables 1-3 in the paper's layout."""
    printed, ranges = regional.published("liu2022_headline"), regional.ranges("liu2022_ranges")
    lines: list[Line] = []

    def add(quantity: str, key: str, scenario: str, values: Sequence[float] | np.ndarray, unit: str) -> str:
        mean, sd = spread(values)
        why = notes.get(key.split(" ")[0], "")
        note = f"s.d. over members {sd:.3g}" + (f"; {why}" if why else "")
        place = (key, scenario)
        lines.append(Line(quantity, scenario, unit, mean, printed.get(place), note, ranges.get(place, "")))
        return f"{mean:.4g} ± {sd:.2g}"

    density = 1e12 / f.chosen_area  # Tg over the set to g m-2: 1e12 g in a Tg
    past = f.history
    stock = [past.between(row, 2006, 2015) for row in f.past("soil_carbon")]
    add("SOC in active layers 2006-2015", "soil_carbon_2006_2015", "historical", stock, "Pg C")
    fluxes: dict[tuple[str, str], list[str]] = {}
    carbon = ("dSOC", "sum dLtrC", "sum dRH", "SOC_PF", "(sum dRH - sum dLtrC)/SOC_PF")
    nitrogen = ("dSON", "sum dLtrN", "sum dNetNMin", "SON_PF", "sum dVegNup/SON_PF")
    table2: Cells = [("scenario", *carbon, *nitrogen, "transfer C", "transfer N (organic)")]
    table3: Cells = [
        ("community", "scenario", "SOC_PF (Pg C)", "sum dRH (Pg C)", "SON_PF (Tg N)", "sum dVegNup (Tg N)")
    ]
    for key, name in FLUXES.items():
        now = np.array([past.between(row, 2006, 2011) for row in f.past(name, 1e9)])
        first = f.scenarios[0]
        total = add(f"{key.upper()} total 2006-2011", f"{key}_total_2006_2011", first, now, "Tg C yr-1")
        per = add(f"{key.upper()} density 2006-2011", f"{key}_density_2006_2011", first, now * density, "gC m-2 yr-1")
        fluxes.setdefault(("2006-2011", first), []).extend((total, per))
        for s in f.scenarios:
            t = f.get(s, T)
            values = np.array([t.between(row, *LAST_DECADE) for row in series(f, s, T, name, 1e9)])
            total = add(f"{key.upper()} total 2090s, S_T", f"{key}_total_2090s", s, values, "Tg C yr-1")
            per = add(f"{key.upper()} density 2090s, S_T", f"{key}_density_2090s", s, values * density, "gC m-2 yr-1")
            fluxes.setdefault(("2090s", s), []).extend((total, per))
    _now(f, add)
    for s in f.scenarios:
        _changes(f, s, add)
        table2.append(_budget_row(f, s, add))
        _densities(f, s, add)
        for group in f.get(s, T).groups:
            parts = [balance(f, s, m, group) for m in f.members]
            lost, taken = [b.respiration / b.soc_pf for b in parts], [b.uptake / b.son_pf for b in parts]
            add(f"sum dRH/SOC_PF, {group}", f"respiration_ratio {group}", s, lost, "1")
            add(f"sum dVegNup/SON_PF, {group}", f"uptake_ratio {group}", s, taken, "1")
            table3.append(
                (
                    group,
                    s,
                    add(f"SOC_PF, {group}", f"SOC_PF {group}", s, [b.soc_pf for b in parts], "Pg C"),
                    add(f"sum dRH, {group}", f"sum_dRH {group}", s, [b.respiration for b in parts], "Pg C"),
                    add(f"SON_PF, {group}", f"SON_PF {group}", s, [b.son_pf for b in parts], "Tg N"),
                    add(f"sum dVegNup, {group}", f"sum_dVegNup {group}", s, [b.uptake for b in parts], "Tg N"),
                )
            )
    return lines, {"table1": fluxes_table(fluxes), "table2": table2, "table3": table3}


def fluxes_table(ours: Mapping[tuple[str, str], Sequence[str]]) -> Cells:
    """Table 1: other studies, the paper and jtem. ``ours``: total and density of NPP, RH, NEP by period and scenario."""
    words = [
        f"{flux} {part}" for flux in ("NPP", "RH", "NEP") for part in ("total (Tg C yr-1)", "density (gC m-2 yr-1)")
    ]
    rows: Cells = [("model", "period", "scenario", *words, "source")]
    rows += [tuple(row.values()) for row in read_table("published", "liu2022_table1.csv")]
    rows += [("jtem (S_T)", period, scenario, *values, "here") for (period, scenario), values in ours.items()]
    return rows


def _now(f: Region, add: Add) -> None:
    """Lines of the end of history."""
    past = [f.histories[m] for m in f.members]

    def mean(rows: np.ndarray, first: int, last: int) -> list[float]:
        return [r.between(row, first, last) for r, row in zip(past, rows, strict=True)]

    end = int(f.history.years[-1])
    place = ("active_layer_2013_2014", "historical")
    add("mean ALT 2013-2014, at most 10 m a cell", *place, mean(active_layer(f, past), 2013, 2014), "m")
    add("mean ALT 2013-2014, still frozen", "", "historical", mean(active_layer(f, past, frozen=True), 2013, 2014), "m")
    for group in (g for g in (MEADOW, STEPPE) if g in f.history.groups):
        thaw = mean(active_layer(f, past, group), end - 9, end)
        add(f"mean ALT {end - 9}-{end}, {group}", f"active_layer_now {group}", "historical", thaw, "m")
    density = np.array(mean(f.past(NPP, 1e9), 2002, 2012)) * 1e12 / f.chosen_area
    add("NPP density 2002-2012", "npp_density_2002_2012", "historical", density, "gC m-2 yr-1")
    for group in (g for g in (MEADOW, STEPPE) if g in f.history.groups):
        density = np.array(mean(np.stack([r.groups[group][NPP] for r in past]), 2006, 2011)) * 1e3 / _area(f, group)
        add(f"NPP density 2006-2011, {group}", f"npp_density {group}", "historical", density, "gC m-2 yr-1")
    density = np.array(mean(f.past("soil_organic_nitrogen", 1.0), 2013, 2014)) / f.chosen_area
    add("SON density 2013-2014", "soil_nitrogen_density_2013_2014", "historical", density, "kg N m-2")


def _changes(f: Region, s: str, add: Add) -> None:
    """Lines of what a scenario changes beside the budgets of Table 2."""
    thaw = active_layer(f, transient(f, s))[:, -10:].mean(axis=1)
    add("mean ALT 2090s, at most 10 m a cell", "active_layer_2090s", s, thaw, "m")
    thaw = active_layer(f, transient(f, s), frozen=True)[:, -10:].mean(axis=1)
    add("mean ALT 2090s, still frozen", "", s, thaw, "m")
    add("RH in the last year, S_T - S_R", "rh_increase_2099", s, gap(f, s, FLUXES["rh"], 1e9)[:, -1], "Tg C yr-1")
    add(
        "NPP in the last year, S_T - S_R",
        "npp_increase_2099",
        s,
        gap(f, s, FLUXES["npp"], 1e9)[:, -1],
        "Tg C yr-1",
    )
    add("cumulative NEP, S_T - S_R", "nep_cumulative", s, gap(f, s, FLUXES["nep"], 1e9).sum(axis=1), "Tg C")
    stored = series(f, s, T, FLUXES["nep"], 1e12).sum(axis=1)
    add("increase of ecosystem C, S_T", "ecosystem_carbon_s_t", s, stored, "Pg C")
    end = int(f.history.years[-1])
    for key, name in FLUXES.items():
        grown = series(f, s, T, name, 1e9)[:, -10:].mean(axis=1) - f.past(name, 1e9)[:, -10:].mean(axis=1)
        words = f"{key.upper()}, last ten years less {end - 9}-{end}, S_T"
        add(words, f"{key}_increase_s_t", s, grown, "Tg C yr-1")
    for word, (name, pool) in SHARED.items():
        add(f"share of thaw in the change of {word}", "thaw_share", s, thaw_share(f, s, name, pool), "%")
    lost = soc_net(f, s)[:, -1]
    add("SOC_NET, S_T - S_R", "", s, lost, "Tg C")
    kept = lost + gap(f, s, "vegetation_carbon", 1e9)[:, -1]
    add("ecosystem C with SOC_NET, S_T - S_R", "ecosystem_carbon_by_thaw", s, kept, "Tg C")
    for run in (T, R):
        nitrogen = series(f, s, run, "soil_organic_nitrogen", 1e9)[:, -1] - f.past("soil_organic_nitrogen", 1e9)[:, -1]
        add(f"change of SON since {end}, {run}", f"son_change_{run.lower()}", s, nitrogen, "Tg N")
    nitrogen = gap(f, s, "vegetation_nitrogen", 1e9)[:, -1]
    add("vegetation N, S_T - S_R", "vegetation_nitrogen_by_thaw", s, nitrogen, "Tg N")
    taken = gap(f, s, "nitrogen_uptake", 1e9).sum(axis=1)
    add("cumulative N uptake, S_T - S_R", "nitrogen_uptake_by_thaw", s, taken, "Tg N")
    for group in (g for g in (MEADOW, STEPPE) if g in f.history.groups):
        sink = group_gap(f, s, NEP, 1e9, group).sum(axis=1)
        add(f"cumulative NEP, S_T - S_R, {group}", f"nep_cumulative {group}", s, sink, "Tg C")
        add(f"SOC_NET, S_T - S_R, {group}", f"SOC_NET {group}", s, soc_net(f, s, group)[:, -1], "Tg C")


def _densities(f: Region, s: str, add: Add) -> None:
    """Lines of what thaw moves in a square metre: totals follow the area too, which is not the paper's."""
    areas = {"": f.chosen_area} | {g: _area(f, g) for g in (MEADOW, STEPPE) if g in f.history.groups}
    for group, area in areas.items():
        said, key = (f", {group}", f" {group}") if group else ("", "")
        rows = [balance(f, s, m, group) for m in f.members]
        moved = [1e12 * b.soc_pf / area for b in rows]
        add(f"SOC_PF density{said}", f"SOC_PF_density{key}", s, moved, "kg m-2")
        moved = [1e12 * b.son_pf / area for b in rows]
        add(f"SON_PF density{said}", f"SON_PF_density{key}", s, moved, "gN m-2")


def _area(f: Region, group: str) -> float:
    """Area of a community's permafrost cells, m2."""
    assert f.community is not None
    return float(f.area[f.chosen & (f.community == group)].sum())


def _budget_row(f: Region, s: str, add: Add) -> tuple[str, ...]:
    """A row of Table 2: the terms of both identities and what the model booked."""
    rows = [balance(f, s, m) for m in f.members]
    return (
        s,
        add("dSOC", "dSOC", s, [b.soil_carbon for b in rows], "Pg C"),
        add("sum dLtrC", "sum_dLtrC", s, [b.litter_carbon for b in rows], "Pg C"),
        add("sum dRH", "sum_dRH", s, [b.respiration for b in rows], "Pg C"),
        add("SOC_PF", "SOC_PF", s, [b.soc_pf for b in rows], "Pg C"),
        add(
            "(sum dRH - sum dLtrC)/SOC_PF",
            "loss_ratio",
            s,
            [(b.respiration - b.litter_carbon) / b.soc_pf for b in rows],
            "1",
        ),
        add("dSON", "dSON", s, [b.soil_nitrogen for b in rows], "Tg N"),
        add("sum dLtrN", "sum_dLtrN", s, [b.litter_nitrogen for b in rows], "Tg N"),
        add("sum dNetNMin", "sum_dNetNMin", s, [b.mineralization for b in rows], "Tg N"),
        add("SON_PF", "SON_PF", s, [b.son_pf for b in rows], "Tg N"),
        add("sum dVegNup/SON_PF", "uptake_ratio", s, [b.uptake / b.son_pf for b in rows], "1"),
        "{:.4g} ± {:.2g}".format(*spread([b.transferred_carbon for b in rows])),
        "{:.4g} ± {:.2g}".format(*spread([b.transferred_nitrogen for b in rows])),
    )


def report(f: Region, notes: dict[str, str], held: Mapping[str, Sequence[str]], base_year: int) -> Report:
    """Headline, Tables 1-3 and figures. ``notes``: why numbers differ, by key."""
    del held, base_year  # both runs hold one thing or nothing
    lines, tables = headline(f, notes)
    worst = identities(f)
    remark = (
        f"identities: SOC_PF and the transfer agree within {max(i.carbon for i in worst):.1e} of SOC, SON_PF within "
        f"{max(i.nitrogen for i in worst):.1e} of SON ({len(worst)} pairs of runs)"
    )
    return Report(lines, tables, liu2022_figures.draw, (remark, *drawings.left_out(liu2022_figures.DRAWINGS, f)))
