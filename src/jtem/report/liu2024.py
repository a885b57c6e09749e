"""Tables and figures of Liu et al. (2024) from a factorial: headline numbers, Table 1-2 and figures 4-8, S5-S7."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from jtem.files import data_path
from jtem.report import maps, page, region_page, regional
from jtem.report.regional import BASE_YEARS, LAYER_BOTTOM, Line, Region, Report, Result

PLACES = ("0-1 m", "1-2 m", "2-3 m", "3-6 m")
PLACE_BOTTOMS = (1.0, 2.0, 3.0, 6.0)
Add = Callable[[str, str, str, float, str], None]
"""Adds a line of quantity, key, scenario, value, unit."""
EFFECTS = {
    "S_PF": "permafrost",
    "S_CO2": "CO$_2$",
    "S_Temp": "temperature",
    "S_Prec": "precipitation",
    "S_PF_CO2": "PF & CO$_2$",
    "S_PF_Temp": "PF & temp.",
    "S_PF_Prec": "PF & prec.",
    "S_CO2_Temp": "CO$_2$ & temp.",
    "S_CO2_Prec": "CO$_2$ & prec.",
    "S_Temp_Prec": "temp. & prec.",
}


def by_depth(layers: np.ndarray) -> np.ndarray:
    """Sums over the depth intervals of :data:`PLACES` of (..., layer)."""
    edges = np.searchsorted(LAYER_BOTTOM, np.asarray(PLACE_BOTTOMS) - 1e-9) + 1
    return np.stack([layers[..., a:b].sum(axis=-1) for a, b in zip([0, *edges[:-1]], edges, strict=True)], axis=-1)


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
    add("change of SOC in previously frozen layers", "soil_carbon_thawed_change", s, -lost, "Pg C")
    if "layer_exposed_carbon" in t.totals:
        depth = by_depth(t.cumulative("layer_exposed_carbon")[-1])
        add("share of exposed SOC in 1-3 m", "exposed_share_1_3m", s, 100 * depth[1:3].sum() / depth.sum(), "%")
        add("exposed SOC above 3 m", "exposed_carbon_0_3m", s, depth[:3].sum(), "Pg C")
    if "layer_respiration" in t.totals:
        depth = by_depth(t.cumulative("layer_respiration")[-1])
        add("share of 1-2 m in RH of thawed SOC", "emission_share_1_2m", s, 100 * depth[1] / depth.sum(), "%")


def _balance(f: Region, s: str, now: int, add: Add) -> None:
    """Lines of the carbon balance, with and without thaw; ``now``: last year of history."""
    past, t, p = f.history, f.get(s, "S_Trans"), f.get(s, "S_PF")
    end = int(t.years[-1])
    decade = (end - 10, end - 1)
    stock = _ecosystem(t)
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


def _ecosystem(r: Result) -> np.ndarray:
    """Change of ecosystem carbon since the start of the scenario, Pg C."""
    return np.cumsum(r.total("net_ecosystem_production"))


def design_table(f: Region, held: Mapping[str, Sequence[str]], base_year: int) -> list[tuple[str, ...]]:
    """Table 2: what each run keeps at the base year. ``held``: factors by run."""
    words = {"permafrost": "ALT", "co2": "CO2", "temperature": "temperature", "precipitation": "precipitation"}
    rows: list[tuple[str, ...]] = [("run", *words.values())]
    for run in f.names:
        marks = [f"kept at {base_year}" if factor in held[run] else "transient" for factor in words]
        rows.append((run, *marks))
    return rows


def sites_table() -> list[tuple[str, ...]]:
    """Table 1: the sites that jtem carries."""
    rows: list[tuple[str, ...]] = [("site", "latitude", "longitude", "elevation (m)", "community")]
    for name, entry in tomllib.loads(data_path("embedded", "sites.toml").read_text(encoding="utf-8")).items():
        place = (f"{entry[k]:g}" for k in ("latitude", "longitude", "elevation"))
        rows.append((name, *place, str(entry["community"])))
    return rows


def report(f: Region, notes: dict[str, str], held: Mapping[str, Sequence[str]], base_year: int) -> Report:
    """Headline, Tables 1 and 2, effects and figures. ``notes``: why numbers differ, by key; ``held``: factors by run."""
    tables = {
        "table1": sites_table(),
        "table2": design_table(f, held, base_year),
        "effects": region_page.effects_table(f),
    }
    return Report(headline(f, notes), tables, draw)


# --- figures ---------------------------------------------------------------------------------------------------------


def draw(f: Region, folder: Path) -> list[Path]:
    """All figures into ``folder``; returns their paths."""
    todo: list[tuple[str, Callable[[Region, Path], Path]]] = [
        ("figure4", figure4),
        ("figure5", figure5),
        ("figure6", figure6),
        ("figure7", figure7),
        ("figure8", figure8),
        ("figureS2", figure_s2),
        ("figureS5", figure_s5),
        ("figureS6", figure_s6),
        ("figureS7", figure_s7),
        ("map_active_layer", map_active_layer),
        ("map_carbon", map_carbon),
    ]
    return [function(f, folder / f"{name}.png") for name, function in todo]


def figure4(f: Region, path: Path) -> Path:
    """Permafrost area, mean active layer, NPP RH NEP, carbon pools."""
    canvas = page.Canvas(2, 2, f"{f.title}\nS_Trans: permafrost, fluxes and carbon pools")
    a, b, c, d = canvas.axes
    for k, s in enumerate(f.scenarios):
        t = f.get(s, "S_Trans")
        area = regional.permafrost_area(t, f.area)
        canvas.line(a, t.years, area, k)
        canvas.line(b, t.years, regional.mean_active_layer(t, f.area, f.chosen)[0], k)
        for name, style in (
            ("net_primary_production", "-"),
            ("heterotrophic_respiration", "--"),
            ("net_ecosystem_production", ":"),
        ):
            canvas.line(c, t.years, page.smooth(t.total(name)), k, style)
        for name, style in (("vegetation_carbon", "-"), ("soil_carbon", "--")):
            canvas.line(d, t.years, t.total(name) - f.history.total(name)[-1], k, style)
        canvas.line(d, t.years, -t.cumulative("heterotrophic_respiration_thawed_permafrost"), k, ":")
        canvas.line(d, t.years, _ecosystem(t), k, "-.")
    canvas.label(a, "permafrost area (10$^6$ km$^2$)")
    canvas.label(b, "mean ALT, at most 10 m a cell (m)")
    canvas.label(c, "NPP (—), RH (- -), NEP (···)  (Pg C yr$^{-1}$)")
    canvas.label(d, "change of vegetation C (—), active SOC (- -),\nthawed SOC (···), ecosystem C (-·)  (Pg C)")
    return canvas.save(path, f.scenarios)


def figure5(f: Region, path: Path) -> Path:
    """Effects of permafrost thaw: S_Trans - S_PF."""
    canvas = page.Canvas(1, 3, f"{f.title}\neffect of permafrost thaw (S_Trans - S_PF)")
    a, b, c = canvas.axes
    for k, s in enumerate(f.scenarios):
        years = f.get(s, "S_Trans").years
        canvas.line(a, years, f.effect(s, "S_PF", "heterotrophic_respiration"), k)
        thawed = f.effect(s, "S_PF", "heterotrophic_respiration_thawed_permafrost")
        active = f.effect(s, "S_PF", "heterotrophic_respiration_active_layer")
        canvas.line(a, years, thawed, k, "--")
        canvas.line(a, years, active, k, ":")
        canvas.line(b, years, f.effect(s, "S_PF", "soil_carbon"), k, ":")
        canvas.line(b, years, -np.cumsum(thawed), k, "--")
        canvas.line(b, years, f.effect(s, "S_PF", "soil_carbon") - np.cumsum(thawed), k)
        canvas.line(c, years, np.cumsum(f.effect(s, "S_PF", "net_ecosystem_production")), k)
        canvas.line(c, years, f.effect(s, "S_PF", "vegetation_carbon"), k, "--")
    canvas.label(a, "RH (—), of thawed SOC (- -),\nof the active pool (···)  (Pg C yr$^{-1}$)")
    canvas.label(b, "SOC net (—), previously frozen (- -),\nactive pool (···)  (Pg C)")
    canvas.label(c, "ecosystem C (—), vegetation C (- -)  (Pg C)")
    return canvas.save(path, f.scenarios)


def figure6(f: Region, path: Path) -> Path:
    """Exposed carbon and its respiration by depth."""
    canvas = page.Canvas(1, 2, f"{f.title}\nSOC exposed and respired by depth, S_Trans to the end of the scenario")
    for axes, name, text in zip(
        canvas.axes,
        ("layer_exposed_carbon", "layer_respiration"),
        ("exposed SOC (Pg C)", "RH of thawed SOC (Pg C)"),
        strict=True,
    ):
        series = [by_depth(f.get(s, "S_Trans").cumulative(name)[-1]) for s in f.scenarios]
        canvas.bars(axes, PLACES, series, text)
    return canvas.save(path, f.scenarios)


def figure7(f: Region, path: Path) -> Path:
    """Effects of single and paired factors on NPP, RH, vegetation C, SOC."""
    canvas = page.Canvas(2, 2, f"{f.title}\neffects of factors, S_Trans - run that holds them at the base year")
    held = [name for name in f.names[1:]]
    labels = [EFFECTS.get(name, name) for name in held]
    for axes, name, text, summed in (
        (canvas.axes[0], "net_primary_production", "cumulative NPP (Pg C)", True),
        (canvas.axes[1], "heterotrophic_respiration", "cumulative RH (Pg C)", True),
        (canvas.axes[2], "vegetation_carbon", "vegetation C at the end (Pg C)", False),
        (canvas.axes[3], "soil_carbon", "active SOC at the end (Pg C)", False),
    ):
        series = []
        for s in f.scenarios:
            effects = [f.effect(s, run, name) for run in held]
            series.append(np.array([e.sum() if summed else e[-1] for e in effects]))
        canvas.bars(axes, labels, series, text, rotate=True)
    return canvas.save(path, f.scenarios)


def figure8(f: Region, path: Path) -> Path:
    """Nitrogen from thawed permafrost: over time and by depth."""
    canvas = page.Canvas(1, 3, f"{f.title}\nnitrogen of thawed permafrost, S_Trans")
    a, b, c = canvas.axes
    for k, s in enumerate(f.scenarios):
        t = f.get(s, "S_Trans")
        canvas.line(a, t.years, t.total("layer_net_nitrogen_mineralization", 1e9).sum(axis=-1), k)
        canvas.line(a, t.years, t.total("nitrogen_uptake_thawed_permafrost", 1e9), k, "--")
    canvas.label(a, "net mineralization (—), plant uptake (- -)\n(Tg N yr$^{-1}$)")
    for axes, name, text in (
        (b, "layer_net_nitrogen_mineralization", "net mineralization to the end (Tg N)"),
        (c, "layer_nitrogen_uptake", "plant uptake to the end (Tg N)"),
    ):
        series = [by_depth(f.get(s, "S_Trans").cumulative(name, 1e9)[-1]) for s in f.scenarios]
        canvas.bars(axes, PLACES, series, text)
    return canvas.save(path, f.scenarios)


def figure_s2(f: Region, path: Path) -> Path:
    """Vegetation map: the largest community of every cell, with the sites of Table 1."""
    names = np.full(f.latitude.size, "not stated", dtype=object) if f.community is None else f.community
    canvas = maps.MapCanvas(1, 1, f"{f.title}\nplant communities, share of the area", f.latitude, f.longitude, f.area)
    canvas.classes(canvas.axes[0], names, "")
    return canvas.save(path)


def map_active_layer(f: Region, path: Path) -> Path:
    """Active layer at the end of history and of the scenarios, and its change; grey: no permafrost."""
    count = len(f.scenarios)
    canvas = maps.MapCanvas(
        1, 1 + count, f"{f.title}\nactive layer of permafrost cells (< 10 m)", f.latitude, f.longitude, f.area
    )
    last = int(f.history.years[-1])
    shown = [(f"{last - 4}-{last}", f.history.active_layer[-5:].mean(axis=0))]
    for s in f.scenarios:
        r = f.get(s, "S_Trans")
        shown.append((f"{page.label(s)}, {int(r.years[-5])}-{int(r.years[-1])}", r.active_layer[-5:].mean(axis=0)))
    for axes, (caption, thaw) in zip(canvas.axes, shown, strict=True):
        frozen = np.where(thaw < 10.0, thaw, np.nan)
        canvas.values(axes, frozen, caption, "active layer thickness (m)", low=0.0, high=5.0)
    return canvas.save(path)


def map_carbon(f: Region, path: Path) -> Path:
    """Carbon exposed by thaw, and what thaw does to ecosystem carbon, to the end of each scenario."""
    count = len(f.scenarios)
    canvas = maps.MapCanvas(
        2, count, f"{f.title}\nSOC exposed by thaw, and ecosystem C by thaw (S_Trans - S_PF)", f.latitude, f.longitude,
        f.area,
    )  # fmt: skip
    exposed = [np.where(f.chosen, f.summed(s, "S_Trans", "exposed_carbon"), np.nan) for s in f.scenarios]
    name = "net_ecosystem_production"
    effect = [np.where(f.chosen, f.summed(s, "S_Trans", name) - f.summed(s, "S_PF", name), np.nan) for s in f.scenarios]
    top = page.rounded(float(np.nanpercentile(exposed, 98)))
    wide = page.rounded(float(np.nanpercentile(np.abs(effect), 98)))
    for k, s in enumerate(f.scenarios):
        end = int(f.get(s, "S_Trans").years[-1])
        caption = f"{page.label(s)}, to {end}"
        canvas.values(canvas.axes[k], exposed[k], caption, "exposed SOC (kg C m$^{-2}$)", low=0.0, high=top)
        canvas.values(
            canvas.axes[count + k], effect[k], caption, "ecosystem C by thaw (kg C m$^{-2}$)", low=-wide, high=wide,
            signed=True,
        )  # fmt: skip
    return canvas.save(path)


def figure_s5(f: Region, path: Path) -> Path:
    """Yearly loss rate of thawed carbon."""
    canvas = page.Canvas(1, 2, f"{f.title}\nloss of thawed SOC, S_Trans")
    a, b = canvas.axes
    for k, s in enumerate(f.scenarios):
        t = f.get(s, "S_Trans")
        stock = t.total("thawed_permafrost_carbon")
        lost = t.total("heterotrophic_respiration_thawed_permafrost")
        rate = np.where(stock > 1e-9, 100 * lost / np.maximum(stock, 1e-9), np.nan)
        canvas.line(a, t.years, rate, k)
        canvas.line(b, t.years, t.cumulative("exposed_carbon"), k)
        canvas.line(b, t.years, np.cumsum(lost), k, "--")
    canvas.label(a, "loss rate of thawed SOC (% yr$^{-1}$)")
    canvas.label(b, "exposed (—), respired (- -)  (Pg C)")
    return canvas.save(path, f.scenarios)


def figure_s6(f: Region, path: Path) -> Path:
    """Air temperature and precipitation of S_Trans and of the run that holds them, means over the permafrost cells.

    Runs whose files lack them show surface soil temperature and evapotranspiration instead, and the title says so.
    """
    transient = [f.get(s, "S_Trans") for s in f.scenarios]
    known = all("air_temperature" in r.means and "precipitation" in r.totals for r in transient)
    names = ("air_temperature", "precipitation") if known else ("surface_soil_temperature", "evapotranspiration")
    title = "climate of the permafrost cells, S_Trans (—) and held (- -)"
    if not known:
        title = "surface soil temperature and evapotranspiration, S_Trans (—) and S_Temp (- -)\n"
        title += "(the files hold no air temperature and precipitation)"
    canvas = page.Canvas(1, 2, f"{f.title}\n{title}")
    held = ("S_Temp", "S_Prec" if known else "S_Temp")
    for axes, name, run_held in zip(canvas.axes, names, held, strict=True):
        slopes = []
        for k, s in enumerate(f.scenarios):
            for run, style in (("S_Trans", "-"), (run_held, "--")):
                if run not in f.names:
                    continue
                r = f.get(s, run)
                values = _climate(r, name, f.chosen_area)
                if values is None:
                    continue
                canvas.line(axes, r.years, values, k, style)
                if run == "S_Trans" and values.size > 1:
                    slope = 10.0 * np.polyfit(r.years - r.years[0], values, 1)[0]
                    slopes.append(f"{page.label(s)} {slope:+.2g}")
        if known:
            axes.set_title("S_Trans per decade: " + ", ".join(slopes), loc="right", fontsize=8)
    texts = ("air temperature (°C)", "precipitation (mm yr$^{-1}$)")
    if not known:
        texts = ("soil temperature 0-20 cm (°C)", "evapotranspiration (mm yr$^{-1}$)")
    for axes, text in zip(canvas.axes, texts, strict=True):
        canvas.label(axes, text)
    return canvas.save(path, f.scenarios)


def _climate(r: Result, name: str, area: float) -> np.ndarray | None:
    """Temperature in degC or a flux in mm yr-1 over ``area`` (m2), (year,); None where the files lack it."""
    if name in r.means:
        return r.means[name] - 273.15
    return r.total(name, area) if name in r.totals else None


def figure_s7(f: Region, path: Path) -> Path:
    """NPP with and without nitrogen limitation, and soil moisture."""
    canvas = page.Canvas(1, 2, f"{f.title}\nnitrogen limitation of NPP and soil moisture, S_Trans")
    a, b = canvas.axes
    for k, s in enumerate(f.scenarios):
        t = f.get(s, "S_Trans")
        canvas.line(a, t.years, t.total("net_primary_production"), k)
        canvas.line(a, t.years, t.total("net_primary_production_without_nitrogen_limitation"), k, "--")
        if "volumetric_moisture_mean" in t.means:
            canvas.line(b, t.years, t.means["volumetric_moisture_mean"], k)
    canvas.label(a, "NPP (—), without N limitation (- -)  (Pg C yr$^{-1}$)")
    canvas.label(b, "moisture of the root zone (m$^3$ m$^{-3}$)")
    return canvas.save(path, f.scenarios)
