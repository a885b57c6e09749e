"""What the papers could not say: abrupt thaw, roots that follow thaw and methane beside gradual thaw, of protocol ``beyond``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jtem.report import maps
from jtem.report.page import Canvas, label, rounded, smooth
from jtem.report.regional import OF_UNDISTURBED, Region, RegionalResult, undisturbed

COLUMNS = {"S_Gradual": "gradual thaw", "S_Abrupt": "+ abrupt thaw", "S_Roots": "+ roots", "S_Trans": "all"}
"""Runs of the protocol and what they have."""
NEEDED = (
    "landscape_carbon_balance", "abrupt_thaw_carbon_dioxide", "abrupt_thaw_methane", "wetland_methane", "methane_soil_uptake",
    *(undisturbed(name) for name in OF_UNDISTURBED),
)  # fmt: skip
"""Yearly outputs that the table needs."""
CARBON_IN_METHANE, CARBON_IN_DIOXIDE = 12.011 / 16.043, 12.011 / 44.01
WARMING_POTENTIAL = 27.0
"""Mass of CO2 that warms as much as one of methane over 100 years (not fossil; IPCC AR6 WG1, Table 7.15)."""


def methane(r: RegionalResult) -> np.ndarray:
    """Net emission of methane by wetland, dry soil and ground that thawed abruptly (Tg CH4 a year)."""
    return r.total("wetland_methane", 1e9) + r.total("abrupt_thaw_methane", 1e9) - r.total("methane_soil_uptake", 1e9)


def equivalents(r: RegionalResult, with_methane: bool = True) -> np.ndarray:
    """Net emission in Pg of CO2-equivalents a year, or that of CO2 alone as if all carbon left as CO2."""
    carbon = -r.total("landscape_carbon_balance")
    if not with_methane:
        return carbon / CARBON_IN_DIOXIDE
    mass = methane(r) / 1e3
    return (carbon - CARBON_IN_METHANE * mass) / CARBON_IN_DIOXIDE + WARMING_POTENTIAL * mass


def table(f: Region) -> list[tuple[str, ...]]:
    """Sums over the scenario by run, all over the whole region: what undisturbed ground does counts with its share of it.

    CO2-equivalents with and without methane, which has no run of its own.
    """
    thawed_rh, thawed_uptake, plants = (undisturbed(name) for name in OF_UNDISTURBED)
    rows: list[tuple[str, ...]] = [("quantity", "scenario", "unit", *COLUMNS.values())]
    for s in f.scenarios:
        runs = {name: f.get(s, name) for name in COLUMNS}

        def add(quantity: str, unit: str, values: list[float], s: str = s) -> None:
            rows.append((quantity, label(s), unit, *(f"{v:.4g}" for v in values)))

        end = int(next(iter(runs.values())).years[-1])
        for quantity, unit, name, scale in (
            ("carbon balance of the landscape", "Pg C", "landscape_carbon_balance", 1e12),
            ("decomposed of carbon that thawed gradually", "Pg C", thawed_rh, 1e12),
            ("CO2 of ground that thawed abruptly", "Pg C", "abrupt_thaw_carbon_dioxide", 1e12),
            ("CH4 of ground that thawed abruptly", "Tg CH4", "abrupt_thaw_methane", 1e9),
            ("CH4 of wetland", "Tg CH4", "wetland_methane", 1e9),
            ("CH4 that dry soil took up", "Tg CH4", "methane_soil_uptake", 1e9),
            ("nitrogen that plants took from thawed layers", "Tg N", thawed_uptake, 1e9),
        ):
            add(quantity, unit, [r.cumulative(name, scale)[-1] for r in runs.values()])
        change = [r.total(plants)[-1] - r.total(plants)[0] for r in runs.values()]
        add("change of vegetation carbon of undisturbed ground", "Pg C", change)
        add(
            f"net CH4 emission, {end - 9}-{end}",
            "Tg CH4 yr-1",
            [r.between(methane(r), end - 9, end) for r in runs.values()],
        )
        add("net emission, all carbon as CO2", "Pg CO2", [equivalents(r, False).sum() for r in runs.values()])
        add("net emission, + methane", "Pg CO2-eq", [equivalents(r).sum() for r in runs.values()])
    return rows


def _lost(f: Region, s: str, run: str) -> float:
    """Carbon that a run loses more than gradual thaw alone (Pg C)."""
    name = "landscape_carbon_balance"
    return float(f.get(s, "S_Gradual").cumulative(name)[-1] - f.get(s, run).cumulative(name)[-1])


def figure(f: Region, path: Path) -> Path:
    """Carbon balance since the beginning of the scenarios by run, and what each option adds to net emission."""
    canvas = Canvas(2, 2, f"{f.title}\nwhat the papers could not say")
    balance, gas, added, warming = canvas.axes
    for k, s in enumerate(f.scenarios):
        for run, style in (("S_Gradual", "-"), ("S_Abrupt", "--"), ("S_Trans", ":")):
            r = f.get(s, run)
            canvas.line(balance, r.years, r.cumulative("landscape_carbon_balance"), k, style)
            canvas.line(gas, r.years, smooth(methane(r)), k, style)
    canvas.label(balance, "carbon gained since the start (Pg C):\ngradual (—), + abrupt (- -), all (···)")
    canvas.label(gas, "net CH4 emission (Tg yr$^{-1}$),\nfive-year means")
    carbon = [
        np.array([_lost(f, s, run) for run in ("S_Abrupt", "S_Roots", "S_Trans")]) for s in f.scenarios
    ]  # fmt: skip
    canvas.bars(added, ("+ abrupt", "+ roots", "all"), carbon, "carbon lost more than by\ngradual thaw alone (Pg C)")
    equal = [
        np.array(
            [equivalents(f.get(s, "S_Gradual"), False).sum(), *(equivalents(f.get(s, run)).sum() for run in COLUMNS)]
        )
        for s in f.scenarios
    ]
    names = ("CO2 of gradual", *(COLUMNS[run].replace(" thaw", "") for run in COLUMNS))
    canvas.bars(warming, names, equal, "net emission (Pg CO2-eq);\nfirst bars without CH4", rotate=True)
    return canvas.save(path, f.scenarios)


def map_options(f: Region, path: Path) -> Path:
    """What abrupt thaw takes and roots give back to the end of each scenario, and emission of methane in the last decade."""
    count = len(f.scenarios)
    canvas = maps.MapCanvas(
        3, count, f"{f.title}\nwhat the options do, permafrost cells", f.latitude, f.longitude, f.area
    )
    name = "landscape_carbon_balance"
    rows: list[tuple[str, list[np.ndarray]]] = [
        ("carbon lost by abrupt thaw (kg C m$^{-2}$)", []),
        ("carbon gained by roots (kg C m$^{-2}$)", []),
        ("net CH$_4$ of the last ten years (g m$^{-2}$ yr$^{-1}$)", []),
    ]
    for s in f.scenarios:
        gradual = f.summed(s, "S_Gradual", name)
        rows[0][1].append(gradual - f.summed(s, "S_Abrupt", name))
        rows[1][1].append(f.summed(s, "S_Roots", name) - gradual)
        end = int(f.get(s, "S_Trans").years[-1])
        gas, abrupt, taken = (
            1e3 * f.field(s, "S_Trans", part, (end - 9, end))
            for part in ("wetland_methane", "abrupt_thaw_methane", "methane_soil_uptake")
        )
        rows[2][1].append(gas + abrupt - taken)
    for k, (unit, fields) in enumerate(rows):
        shown = [np.where(f.chosen, field, np.nan) for field in fields]
        wide = rounded(float(np.nanpercentile(np.abs(shown), 98)))
        for i, s in enumerate(f.scenarios):
            canvas.values(
                canvas.axes[k * count + i],
                shown[i],
                label(s),
                unit,
                low=0.0 if k == 2 else -wide,
                high=wide,
                signed=k < 2,
            )
    return canvas.save(path)
