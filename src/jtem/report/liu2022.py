"""Tables and figures of Liu et al. (2022) from a factorial: S_T - S_R, mean and s.d. over members.

Upper-case differences are S_T - S_R in the same year; lower-case anomalies are from the end of history. The identities
``SOC_PF = dSOC - sum dLtrC + sum dRH`` and ``SON_PF = dSON - sum dLtrN + sum dNetNMin`` (docs/model.md#i4) are evaluated
beside the transfer that the model booked; all three agree to round-off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jtem.constants import PERMAFROST_THAW_LIMIT
from jtem.report import maps, page, regional
from jtem.report.regional import Line, Region, Report

T, R = "S_T", "S_R"
LAST_DECADE = (2090, 2099)


@dataclass(frozen=True)
class Balance:
    """One member and scenario at the end, whole set or one group; Pg C or Tg N."""

    soil_carbon: float
    litter_carbon: float
    respiration: float
    transferred_carbon: float
    soil_nitrogen: float
    litter_nitrogen: float
    mineralization: float
    transferred_nitrogen: float
    uptake: float

    @property
    def soc_pf(self) -> float:
        """SOC_PF = dSOC - sum dLtrC + sum dRH."""
        return self.soil_carbon - self.litter_carbon + self.respiration

    @property
    def son_pf(self) -> float:
        """SON_PF = dSON - sum dLtrN + sum dNetNMin."""
        return self.soil_nitrogen - self.litter_nitrogen + self.mineralization


def balance(f: Region, scenario: str, member: str, group: str = "") -> Balance:
    """Terms of the identities at the last year. Thaw acts after December: the pools of the last December hold the
    transfers of all years but the last.
    """
    t, r = f.get(scenario, T, member), f.get(scenario, R, member)
    of = (lambda x: x.groups[group]) if group else (lambda x: x.totals)
    a, b = of(t), of(r)

    def gap(name: str, unit: float) -> np.ndarray:
        return (a[name] - b[name]) / unit

    return Balance(
        soil_carbon=gap("soil_carbon", 1e12)[-1],
        litter_carbon=gap("litterfall_carbon", 1e12).sum(),
        respiration=gap("heterotrophic_respiration", 1e12).sum(),
        transferred_carbon=gap("exposed_carbon", 1e12)[:-1].sum(),
        soil_nitrogen=gap("soil_organic_nitrogen", 1e9)[-1],
        litter_nitrogen=gap("litterfall_nitrogen", 1e9).sum(),
        mineralization=gap("net_nitrogen_mineralization", 1e9).sum(),
        transferred_nitrogen=gap("exposed_organic_nitrogen", 1e9)[:-1].sum(),
        uptake=gap("nitrogen_uptake", 1e9).sum(),
    )


@dataclass(frozen=True)
class Identity:
    """How well an identity holds, relative to the soil stock it concerns."""

    run: str
    carbon: float
    nitrogen: float


def identities(f: Region) -> list[Identity]:
    """SOC_PF and SON_PF less the transfer that was booked, relative to the stock of S_T."""
    result = []
    for s in f.scenarios:
        for m in f.members:
            b, t = balance(f, s, m), f.get(s, T, m)
            carbon = abs(b.soc_pf - b.transferred_carbon) / t.total("soil_carbon")[-1]
            nitrogen = abs(b.son_pf - b.transferred_nitrogen) / t.total("soil_organic_nitrogen", 1e9)[-1]
            result.append(Identity("_".join(p for p in (m, s) if p), float(carbon), float(nitrogen)))
    return result


FLUXES = {"npp": "net_primary_production", "rh": "heterotrophic_respiration", "nep": "net_ecosystem_production"}
Cells = list[tuple[str, ...]]
Add = Callable[[str, str, str, Any, str], str]
"""Adds a line of quantity, key, scenario, values of the members, unit; returns mean and s.d. as text."""


def _spread(values: list[float] | np.ndarray) -> tuple[float, float]:
    array = np.asarray(values)
    return float(array.mean()), float(array.std(ddof=1)) if array.size > 1 else 0.0


def _series(f: Region, s: str, run: str, name: str, unit: float) -> np.ndarray:
    """(member, year)."""
    return np.stack([f.get(s, run, m).total(name, unit) for m in f.members])


def _gap(f: Region, s: str, name: str, unit: float) -> np.ndarray:
    """S_T - S_R (member, year)."""
    return _series(f, s, T, name, unit) - _series(f, s, R, name, unit)


def headline(f: Region, notes: dict[str, str]) -> tuple[list[Line], dict[str, Cells]]:
    """Lines of ``headline.csv`` and Tables 1-3 in the paper's layout."""
    printed = regional.published("liu2022_headline")
    lines: list[Line] = []

    def add(quantity: str, key: str, scenario: str, values, unit: str) -> str:
        mean, sd = _spread(values)
        why = notes.get(key.split(" ")[0], "")
        note = f"s.d. over members {sd:.3g}" + (f"; {why}" if why else "")
        lines.append(Line(quantity, scenario, unit, mean, printed.get((key, scenario)), note))
        return f"{mean:.4g} ± {sd:.2g}"

    density = 1e12 / f.chosen_area  # Tg over the set to g m-2: 1e12 g in a Tg
    past = f.history
    stock = [past.between(row, 2006, 2015) for row in f.past("soil_carbon")]
    add("SOC in active layers 2006-2015", "soil_carbon_2006_2015", "historical", stock, "Pg C")
    table1: Cells = [("flux", "scenario", "period", "total (Tg C yr-1)", "density (gC m-2 yr-1)")]
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
        table1.append((key.upper(), "history", "2006-2011", total, per))
        for s in f.scenarios:
            t = f.get(s, T)
            values = np.array([t.between(row, *LAST_DECADE) for row in _series(f, s, T, name, 1e9)])
            total = add(f"{key.upper()} total 2090s, S_T", f"{key}_total_2090s", s, values, "Tg C yr-1")
            per = add(f"{key.upper()} density 2090s, S_T", f"{key}_density_2090s", s, values * density, "gC m-2 yr-1")
            table1.append((key.upper(), s, "2090s", total, per))
    for s in f.scenarios:
        _changes(f, s, add)
        table2.append(_budget_row(f, s, add))
        for group in f.get(s, T).groups:
            parts = [balance(f, s, m, group) for m in f.members]
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
    return lines, {"table1": table1, "table2": table2, "table3": table3}


def _changes(f: Region, s: str, add: Add) -> None:
    """Lines of what a scenario changes beside the budgets of Table 2."""
    thaw = [regional.mean_active_layer(f.get(s, T, m), f.area, f.chosen)[0][-10:].mean() for m in f.members]
    add("mean ALT 2090s, at most 10 m a cell", "active_layer_2090s", s, thaw, "m")
    add("RH in the last year, S_T - S_R", "rh_increase_2099", s, _gap(f, s, FLUXES["rh"], 1e9)[:, -1], "Tg C yr-1")
    add(
        "NPP in the last year, S_T - S_R",
        "npp_increase_2099",
        s,
        _gap(f, s, FLUXES["npp"], 1e9)[:, -1],
        "Tg C yr-1",
    )
    add("cumulative NEP, S_T - S_R", "nep_cumulative", s, _gap(f, s, FLUXES["nep"], 1e9).sum(axis=1), "Tg C")
    stored = _series(f, s, T, FLUXES["nep"], 1e12).sum(axis=1)
    add("increase of ecosystem C, S_T", "ecosystem_carbon_s_t", s, stored, "Pg C")


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
        "{:.4g} ± {:.2g}".format(*_spread([b.transferred_carbon for b in rows])),
        "{:.4g} ± {:.2g}".format(*_spread([b.transferred_nitrogen for b in rows])),
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
    return Report(lines, tables, draw, (remark,))


# --- figures ---------------------------------------------------------------------------------------------------------


def draw(f: Region, folder: Path) -> list[Path]:
    """Figures 1b, 3-8, S3-S5 into ``folder``; returns their paths.

    The supplement was not obtainable: S3 to S5 show what the paper's text rests on (climate at the ground, runs side by
    side, communities), not necessarily its panels.
    """
    todo: dict[str, Callable[[Region, Path], Path]] = {
        "figure1b": figure1b,
        "figure3": figure3,
        "figure4": figure4,
        "figure5": figure5,
        "figure6": figure6,
        "figure7": figure7,
        "figure8": figure8,
        "figureS3": figure_s3,
        "figureS4": figure_s4,
        "figureS5": figure_s5,
    }
    return [function(f, folder / f"{name}.png") for name, function in todo.items()]


def figure1b(f: Region, path: Path) -> Path:
    """Permafrost cells and their plant communities."""
    canvas = maps.MapCanvas(1, 1, f"{f.title}\nplant communities of permafrost cells, share of the area", *_place(f))
    names = np.array(["no permafrost"] * f.area.size, dtype=object)
    names[f.chosen] = "not stated" if f.community is None else f.community[f.chosen]
    canvas.classes(canvas.axes[0], names, "")
    return canvas.save(path)


def _place(f: Region) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return f.latitude, f.longitude, f.area


def _cells(f: Region, s: str, name: str, how: str) -> np.ndarray:
    """S_T - S_R in every permafrost cell, (cell,), mean over members; ``how``: "sum" of a rate, "last" decade's mean."""
    gaps = []
    for m in f.members:
        if how == "sum":
            gaps.append(f.summed(s, T, name, m) - f.summed(s, R, name, m))
        else:
            end = int(f.get(s, T, m).years[-1])
            gaps.append(f.field(s, T, name, (end - 9, end), m) - f.field(s, R, name, (end - 9, end), m))
    return np.where(f.chosen, np.mean(gaps, axis=0), np.nan)


def figure5(f: Region, path: Path) -> Path:
    """Maps: deepening of the active layer, and S_T - S_R of exposed SOC, RH, NPP, mean over members."""
    rows = len(f.scenarios)
    title = f"{f.title}\ndeepening of the active layer since history, and S_T - S_R, mean over {len(f.members)} members"
    canvas = maps.MapCanvas(rows, 4, title, *_place(f))
    past = [np.minimum(f.histories[m].active_layer[-10:].mean(axis=0), PERMAFROST_THAW_LIMIT) for m in f.members]
    before = np.mean(past, axis=0)
    fields: dict[str, list[np.ndarray]] = {"ALT": [], "SOC": [], "RH": [], "NPP": []}
    for s in f.scenarios:
        after = [np.minimum(f.get(s, T, m).active_layer[-10:].mean(axis=0), PERMAFROST_THAW_LIMIT) for m in f.members]
        fields["ALT"].append(np.where(f.chosen, np.mean(after, axis=0) - before, np.nan))
        fields["SOC"].append(_cells(f, s, "exposed_carbon", "sum"))
        fields["RH"].append(1e3 * _cells(f, s, "heterotrophic_respiration", "last"))
        fields["NPP"].append(1e3 * _cells(f, s, "net_primary_production", "last"))
    units = {
        "ALT": "deepening (m)",
        "SOC": "exposed SOC (kg C m$^{-2}$)",
        "RH": "RH (gC m$^{-2}$ yr$^{-1}$)",
        "NPP": "NPP (gC m$^{-2}$ yr$^{-1}$)",
    }
    for column, (key, values) in enumerate(fields.items()):
        signed = bool(np.nanmin(values) < 0)
        top = page.rounded(float(np.nanpercentile(np.abs(values), 97)))
        for k, s in enumerate(f.scenarios):
            end = int(f.get(s, T).years[-1])
            when = f"to {end}" if key in ("ALT", "SOC") else f"{end - 9}-{end}"
            canvas.values(
                canvas.axes[4 * k + column], values[k], f"{key}, {page.label(s)}, {when}", units[key],
                low=-top if signed else 0.0, high=top, signed=signed,
            )  # fmt: skip
    return canvas.save(path)


def _main_groups(f: Region, count: int = 2) -> list[str]:
    """The communities that cover most of the permafrost area; meadow and steppe on the plateau."""
    wanted = [g for g in ("alpine_meadow", "alpine_steppe") if g in f.history.groups]
    if f.community is None:
        return wanted
    size = {g: float(f.area[f.chosen & (f.community == g)].sum()) for g in f.history.groups}
    return [*wanted, *(g for g in sorted(size, key=lambda g: -size[g]) if g not in wanted)][:count]


def _group_gap(f: Region, s: str, group: str, name: str, unit: float) -> np.ndarray:
    """S_T - S_R of a community (member, year)."""
    return np.stack(
        [(f.get(s, T, m).groups[group][name] - f.get(s, R, m).groups[group][name]) / unit for m in f.members]
    )


def figure6(f: Region, path: Path) -> Path:
    """Alpine meadow beside alpine steppe: S_T - S_R of SOC, cumulative RH, NPP, litter."""
    groups = _main_groups(f)
    canvas = page.Canvas(
        len(groups), 3, f"{f.title}\nS_T - S_R by community, mean and s.d. over {len(f.members)} members"
    )
    years = f.get(f.scenarios[0], T).years
    for row, group in enumerate(groups):
        for k, s in enumerate(f.scenarios):
            rh = _group_gap(f, s, group, "heterotrophic_respiration", 1e9)
            npp = _group_gap(f, s, group, "net_primary_production", 1e9)
            soil = _group_gap(f, s, group, "soil_carbon", 1e12)
            for axes, values in zip(canvas.axes[3 * row : 3 * row + 3], (npp, rh, soil), strict=True):
                canvas.band(axes, years, values, k)
        word = group.replace("_", " ")
        for axes, text in zip(
            canvas.axes[3 * row : 3 * row + 3],
            (f"{word}: NPP (Tg C yr$^{{-1}}$)", f"{word}: RH (Tg C yr$^{{-1}}$)", f"{word}: SOC (Pg C)"),
            strict=True,
        ):
            canvas.label(axes, text)
    return canvas.save(path, f.scenarios)


CLIMATE = (
    ("air_temperature", "air temperature (°C)"),
    ("precipitation", "precipitation (mm yr$^{-1}$)"),
    ("shortwave_radiation", "shortwave radiation (W m$^{-2}$)"),
    ("surface_soil_temperature", "soil temperature 0-20 cm (°C)"),
    ("evapotranspiration", "evapotranspiration (mm yr$^{-1}$)"),
    ("volumetric_moisture_mean", "moisture of the root zone (m$^3$ m$^{-3}$)"),
)
"""Panels of Figure S3: the forcing, then the ground."""


def figure_s3(f: Region, path: Path) -> Path:
    """Climate of S_T, as far as the files hold it: air temperature, precipitation, radiation, and that of the ground."""
    runs = {s: [f.get(s, T, m) for m in f.members] for s in f.scenarios}
    first = runs[f.scenarios[0]][0]
    shown = [(name, text) for name, text in CLIMATE if name in first.means or name in first.totals]
    forced = any(name in ("air_temperature", "precipitation") for name, _ in shown)
    words = "climate" if forced else "climate at the ground (the files hold no air temperature and precipitation)"
    across = min(3, max(len(shown), 1))
    canvas = page.Canvas(
        -(-max(len(shown), 1) // across),
        across,
        f"{f.title}\n{words}, S_T, permafrost cells, mean and s.d. over {len(f.members)} members",
    )
    for axes in canvas.axes[len(shown) :]:
        axes.set_visible(False)
    for axes, (name, text) in zip(canvas.axes, shown, strict=False):
        for k, s in enumerate(f.scenarios):
            if name in first.totals:
                values = np.stack([r.total(name, f.chosen_area) for r in runs[s]])
            else:
                values = np.stack([r.means[name] - (273.15 if "temperature" in name else 0.0) for r in runs[s]])
            canvas.band(axes, first.years, values, k)
        canvas.label(axes, text)
    return canvas.save(path, f.scenarios)


def figure_s4(f: Region, path: Path) -> Path:
    """S_T beside S_R: NPP, RH, NEP of the region since history."""
    canvas = page.Canvas(1, 3, f"{f.title}\nS_T (—) and S_R (- -), five-year means, mean and s.d. over members")
    years = f.get(f.scenarios[0], T).years
    names = ("net_primary_production", "heterotrophic_respiration", "net_ecosystem_production")
    for axes, name, text in zip(canvas.axes, names, ("NPP", "RH", "NEP"), strict=True):
        for k, s in enumerate(f.scenarios):
            for run, style in ((T, "-"), (R, "--")):
                values = np.stack([page.smooth(row) for row in _series(f, s, run, name, 1e9)])
                canvas.band(axes, years, values, k, style)
        canvas.label(axes, f"{text} (Tg C yr$^{{-1}}$)")
    return canvas.save(path, f.scenarios)


def figure_s5(f: Region, path: Path) -> Path:
    """What thaw transfers and loses by community at the end: SOC_PF, sum dRH, SON_PF, sum dVegNup (Table 3 drawn)."""
    groups = list(f.history.groups)
    canvas = page.Canvas(2, 2, f"{f.title}\nby community at the end, S_T - S_R, mean and s.d. over members")
    picks: tuple[tuple[str, Callable[[Balance], float]], ...] = (
        ("SOC$_{PF}$ (Pg C)", lambda b: b.soc_pf),
        ("sum of $\\Delta$RH (Pg C)", lambda b: b.respiration),
        ("SON$_{PF}$ (Tg N)", lambda b: b.son_pf),
        ("sum of $\\Delta$ N uptake (Tg N)", lambda b: b.uptake),
    )
    for axes, (text, pick) in zip(canvas.axes, picks, strict=True):
        spreads = [[_spread([pick(balance(f, s, m, g)) for m in f.members]) for g in groups] for s in f.scenarios]
        canvas.bars(
            axes,
            [g.replace("_", " ") for g in groups],
            [np.array([mean for mean, _ in row]) for row in spreads],
            text,
            rotate=True,
            spreads=[np.array([sd for _, sd in row]) for row in spreads],
        )
    return canvas.save(path, f.scenarios)


def _soc_pf(f: Region, s: str) -> np.ndarray:
    """Identity SOC_PF year by year, Pg C (member, year)."""
    sums = np.cumsum(_gap(f, s, "heterotrophic_respiration", 1e12) - _gap(f, s, "litterfall_carbon", 1e12), axis=1)
    return _gap(f, s, "soil_carbon", 1e12) + sums


def figure3(f: Region, path: Path) -> Path:
    """S_T - S_R: NPP, RH, NEP, SOC, SOC_NET, ecosystem C."""
    canvas = page.Canvas(2, 3, f"{f.title}\nS_T - S_R, mean and s.d. over {len(f.members)} members")
    years = f.get(f.scenarios[0], T).years
    for k, s in enumerate(f.scenarios):
        npp, rh = (_gap(f, s, n, 1e9) for n in ("net_primary_production", "heterotrophic_respiration"))
        net = (_gap(f, s, "soil_carbon", 1e12) - _soc_pf(f, s)) * 1e3
        plant = _gap(f, s, "vegetation_carbon", 1e9)
        for axes, values in zip(
            canvas.axes, (npp, rh, npp - rh, _gap(f, s, "soil_carbon", 1e12), net, net + plant), strict=True
        ):
            canvas.band(axes, years, values, k)
    for axes, text in zip(
        canvas.axes,
        (
            "NPP (Tg C yr$^{-1}$)",
            "RH (Tg C yr$^{-1}$)",
            "NEP (Tg C yr$^{-1}$)",
            "SOC (Pg C)",
            "SOC without the transfer, SOC$_{NET}$ (Tg C)",
            "vegetation C + SOC$_{NET}$ (Tg C)",
        ),
        strict=True,
    ):
        canvas.label(axes, text)
    return canvas.save(path, f.scenarios)


def figure4(f: Region, path: Path) -> Path:
    """Active layer, and the part of thaw in changes of the carbon balance since history."""
    canvas = page.Canvas(1, 2, f"{f.title}\nactive layer, and share of its deepening in carbon changes")
    a, b = canvas.axes
    names = ("net_primary_production", "heterotrophic_respiration", "net_ecosystem_production")
    shares, spreads = [], []
    for k, s in enumerate(f.scenarios):
        t = f.get(s, T)
        thaw = np.stack([regional.mean_active_layer(f.get(s, T, m), f.area, f.chosen)[0] for m in f.members])
        canvas.band(a, t.years, thaw, k)
        values = []
        for name in names:
            now = f.past(name, 1e9)[:, -10:].mean(axis=1)
            change = _series(f, s, T, name, 1e9)[:, -10:].mean(axis=1) - now
            gap = _gap(f, s, name, 1e9)[:, -10:].mean(axis=1)
            values.append(100 * np.abs(gap) / (np.abs(gap) + np.abs(change - gap)))
        shares.append(np.array([v.mean() for v in values]))
        spreads.append(np.array([v.std(ddof=1) if v.size > 1 else 0.0 for v in values]))
    canvas.label(a, "mean ALT, at most 10 m a cell (m)")
    text = "|effect of thaw| of all change by the 2090s (%)"
    canvas.bars(b, ("NPP", "RH", "NEP"), shares, text, spreads=spreads)
    return canvas.save(path, f.scenarios)


def figure7(f: Region, path: Path) -> Path:
    """Nitrogen pools and cumulative fluxes, S_T and S_R, since history."""
    canvas = page.Canvas(1, 3, f"{f.title}\nnitrogen since the end of history, S_T (—) and S_R (- -)")
    years = f.get(f.scenarios[0], T).years
    for k, s in enumerate(f.scenarios):
        for run, style in ((T, "-"), (R, "--")):
            for axes, name in zip(canvas.axes, ("soil_organic_nitrogen", "vegetation_nitrogen"), strict=False):
                canvas.band(axes, years, _series(f, s, run, name, 1e9) - f.past(name, 1e9)[:, -1:], k, style)
        canvas.band(canvas.axes[2], years, np.cumsum(_gap(f, s, "nitrogen_uptake", 1e9), axis=1), k)
    canvas.label(canvas.axes[0], "soil organic N (Tg N)")
    canvas.label(canvas.axes[1], "vegetation N (Tg N)")
    canvas.label(canvas.axes[2], "cumulative N uptake, S_T - S_R (Tg N)")
    return canvas.save(path, f.scenarios)


def figure8(f: Region, path: Path) -> Path:
    """Yearly nitrogen fluxes, S_T - S_R."""
    canvas = page.Canvas(1, 3, f"{f.title}\nnitrogen fluxes, S_T - S_R")
    years = f.get(f.scenarios[0], T).years
    for k, s in enumerate(f.scenarios):
        for axes, name in zip(
            canvas.axes, ("net_nitrogen_mineralization", "nitrogen_uptake", "litterfall_nitrogen"), strict=True
        ):
            canvas.band(axes, years, _gap(f, s, name, 1e9), k)
    for axes, text in zip(canvas.axes, ("net mineralization", "uptake by plants", "litterfall"), strict=True):
        canvas.label(axes, f"{text} (Tg N yr$^{{-1}}$)")
    return canvas.save(path, f.scenarios)
