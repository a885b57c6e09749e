"""Figures 4-8, S2 and S5-S7 of Liu et al. (2024) from a factorial, and maps of the active layer and of carbon."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jtem.report import drawings, maps, page, regional
from jtem.report.drawings import Drawing
from jtem.report.liu2024_series import (
    ACTIVE_RH,
    METRE_BOTTOMS,
    METRES,
    MINERALIZATION,
    NEP,
    NPP,
    RH,
    SOIL,
    THAWED_RH,
    UPTAKE,
    VEGETATION,
    by_depth,
    ecosystem,
    nitrogen_by_depth,
    whole_soil,
)  # fmt: skip
from jtem.report.regional import Region, RegionalResult

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
LAYERS_N = ("layer_net_nitrogen_mineralization", "layer_nitrogen_uptake")
WITHOUT_LIMIT = "net_primary_production_without_nitrogen_limitation"
TOP_MOISTURE, ROOT_MOISTURE = "volumetric_moisture_20cm", "volumetric_moisture_mean"


def draw(f: Region, folder: Path) -> list[Path]:
    """All figures for which the files suffice into ``folder``; returns their paths."""
    return drawings.draw(DRAWINGS, f, folder)


def figure4(f: Region, path: Path) -> Path:
    """Permafrost area, mean active layer, NPP RH NEP, carbon pools."""
    canvas = page.Canvas(2, 2, f"{f.title}\nS_Trans: permafrost, fluxes and carbon pools")
    a, b, c, d = canvas.axes
    for k, s in enumerate(f.scenarios):
        t = f.get(s, "S_Trans")
        canvas.line(a, t.years, regional.permafrost_area(t, f.area), k)
        canvas.line(b, t.years, regional.mean_active_layer(t, f.area, f.chosen)[0], k)
        for name, style in ((NPP, "-"), (RH, "--"), (NEP, ":")):
            canvas.line(c, t.years, page.smooth(t.total(name)), k, style)
        canvas.line(d, t.years, whole_soil(f, s), k)
        canvas.line(d, t.years, t.total(VEGETATION) - f.history.total(VEGETATION)[-1], k, "--")
        canvas.line(d, t.years, ecosystem(t), k, ":")
    canvas.label(a, "permafrost area (10$^6$ km$^2$)")
    canvas.label(b, "mean ALT, at most 10 m a cell (m)")
    canvas.label(c, "NPP (—), RH (- -), NEP (···),\nfive-year means (Pg C yr$^{-1}$)")
    last = int(f.history.years[-1])
    canvas.label(d, f"change since {last} of SOC of all depths (—),\nvegetation C (- -), ecosystem C (···) (Pg C)")
    return canvas.save(path, f.scenarios)


def figure5(f: Region, path: Path) -> Path:
    """Effects of permafrost thaw, S_Trans - S_PF: fluxes, soil by part, pools."""
    canvas = page.Canvas(2, 2, f"{f.title}\neffect of permafrost thaw (S_Trans - S_PF)")
    a, b, c, d = canvas.axes
    for k, s in enumerate(f.scenarios):
        years = f.get(s, "S_Trans").years
        thawed = f.effect(s, "S_PF", THAWED_RH)
        for axes, values, style in (
            (a, f.effect(s, "S_PF", RH), "-"),
            (a, thawed, "--"),
            (a, f.effect(s, "S_PF", ACTIVE_RH), ":"),
            (b, f.effect(s, "S_PF", NPP), "-"),
            (b, f.effect(s, "S_PF", NEP), "--"),
            (c, f.effect(s, "S_PF", SOIL), "-"),
            (c, -np.cumsum(thawed), "--"),
            (d, whole_soil(f, s) - whole_soil(f, s, "S_PF"), "-"),
            (d, f.effect(s, "S_PF", VEGETATION), "--"),
            (d, np.cumsum(f.effect(s, "S_PF", NEP)), ":"),
        ):
            canvas.line(axes, years, values, k, style)
    for axes in canvas.axes:
        axes.axhline(0, color="0.4", linewidth=0.6)
    canvas.label(
        a,
        "$\\Delta$RH (—), of thawed permafrost (- -),\nof the former active layer (···) (Pg C yr$^{-1}$)",
    )
    canvas.label(b, "$\\Delta$NPP (—), $\\Delta$NEP (- -)  (Pg C yr$^{-1}$)")
    canvas.label(c, "$\\Delta$SOC of the former active layer (—),\nof thawed permafrost SOC$_{PF}$ (- -)  (Pg C)")
    canvas.label(d, "$\\Delta$SOC$_{NET}$ of all depths (—), vegetation C (- -),\necosystem C (···)  (Pg C)")
    return canvas.save(path, f.scenarios)


def figure6(f: Region, path: Path) -> Path:
    """Exposed carbon and its respiration by metre of depth; the share that is decomposed stands above each bar."""
    title = "SOC exposed and respired by depth, S_Trans to the end of the scenario; above bars: decomposed share (%)"
    canvas = page.Canvas(1, 2, f"{f.title}\n{title}")
    exposed, respired = (
        [by_depth(f.get(s, "S_Trans").cumulative(name)[-1], METRE_BOTTOMS) for s in f.scenarios]
        for name in ("layer_exposed_carbon", "layer_respiration")
    )
    shares = [
        ["" if e <= 0 else _percent(r / e) for r, e in zip(lost, all_, strict=True)]
        for lost, all_ in zip(respired, exposed, strict=True)
    ]
    canvas.bars(canvas.axes[0], METRES, exposed, "exposed SOC, SOC$_{PF}$ (Pg C)", numbers=shares)
    canvas.bars(canvas.axes[1], METRES, respired, "RH of thawed SOC, $\\Sigma$RH$_{PF}$ (Pg C)", numbers=shares)
    return canvas.save(path, f.scenarios)


def _percent(share: float) -> str:
    """A share in percent, short enough to stand above a bar."""
    return "<0.1" if 0.0 < share < 0.0005 else f"{100.0 * share:.1f}"


def figure7(f: Region, path: Path) -> Path:
    """Effects of single and paired factors on NPP, RH, vegetation C and the carbon of all soil."""
    canvas = page.Canvas(2, 2, f"{f.title}\neffects of factors, S_Trans - run that holds them at the base year")
    held = f.names[1:]

    def at_end(s: str, run: str, name: str) -> float:
        if name == "whole_soil":
            return float(whole_soil(f, s)[-1] - whole_soil(f, s, run)[-1])
        effect = f.effect(s, run, name)
        return float(effect[-1] if name == VEGETATION else effect.sum())

    for axes, name, text in zip(
        canvas.axes,
        (NPP, RH, VEGETATION, "whole_soil"),
        (
            "cumulative NPP (Pg C)",
            "cumulative RH (Pg C)",
            "vegetation C at the end (Pg C)",
            "SOC of all depths at the end (Pg C)",
        ),
        strict=True,
    ):
        series = [np.array([at_end(s, run, name) for run in held]) for s in f.scenarios]
        canvas.bars(axes, [EFFECTS.get(run, run) for run in held], series, text, rotate=True)
    return canvas.save(path, f.scenarios)


def figure8(f: Region, path: Path) -> Path:
    """Nitrogen, S_Trans - S_PF: net mineralization and uptake summed over time, and by depth."""
    title = "effect of permafrost thaw on nitrogen (S_Trans - S_PF), sums since the start of the scenario"
    canvas = page.Canvas(1, 3, f"{f.title}\n{title}")
    a, b, c = canvas.axes
    for k, s in enumerate(f.scenarios):
        years = f.get(s, "S_Trans").years
        canvas.line(a, years, np.cumsum(f.effect(s, "S_PF", MINERALIZATION, unit=1e9)), k)
        canvas.line(a, years, np.cumsum(f.effect(s, "S_PF", UPTAKE, unit=1e9)), k, "--")
    a.axhline(0, color="0.4", linewidth=0.6)
    canvas.label(a, "$\\Sigma\\Delta$NetNmin (—), $\\Sigma\\Delta$VegNup (- -)  (Tg N)")
    for axes, total, layers, text in zip(
        (b, c), (MINERALIZATION, UPTAKE), LAYERS_N, ("NetNmin", "VegNup"), strict=True
    ):
        series = [nitrogen_by_depth(f, s, total, layers) for s in f.scenarios]
        places = ["active\nlayer", *METRES]
        canvas.bars(axes, places, series, f"$\\Sigma\\Delta${text} to the end (Tg N)")
        axes.set_title("active layer of the base years; metres: thawed permafrost", loc="right", fontsize=7)
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
    """Loss of carbon from thawed permafrost a year, beside NEP with and without it."""
    canvas = page.Canvas(1, 2, f"{f.title}\nloss of C from thawed permafrost and the sink of the region, S_Trans")
    a, b = canvas.axes
    for k, s in enumerate(f.scenarios):
        t = f.get(s, "S_Trans")
        lost, nep = t.total(THAWED_RH), t.total(NEP)
        canvas.line(a, t.years, lost, k)
        canvas.line(b, t.years, page.smooth(nep), k)
        canvas.line(b, t.years, page.smooth(nep + lost), k, "--")
    b.axhline(0, color="0.4", linewidth=0.6)
    canvas.label(a, "C loss from thawed permafrost (Pg C yr$^{-1}$)")
    canvas.label(b, "NEP (—), NEP without that loss (- -),\nfive-year means (Pg C yr$^{-1}$)")
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


def _climate(r: RegionalResult, name: str, area: float) -> np.ndarray | None:
    """Temperature in degC or a flux in mm yr-1 over ``area`` (m2), (year,); None where the files lack it."""
    if name in r.means:
        return r.means[name] - 273.15
    return r.total(name, area) if name in r.totals else None


def figure_s7(f: Region, path: Path) -> Path:
    """NPP with thaw, without thaw and without nitrogen limitation; soil moisture (top 20 cm where the files hold it)."""
    top = all(TOP_MOISTURE in r.means for r in f.runs.values())
    moisture, place = (TOP_MOISTURE, "the top 20 cm") if top else (ROOT_MOISTURE, "the root zone")
    title = f"nitrogen limitation of NPP, and soil moisture of {place}"
    title += "" if top else " (the files hold none of the top 20 cm)"
    canvas = page.Canvas(1, 2, f"{f.title}\n{title}")
    a, b = canvas.axes
    for k, s in enumerate(f.scenarios):
        t = f.get(s, "S_Trans")
        canvas.line(a, t.years, page.smooth(t.total(WITHOUT_LIMIT)), k, ":")
        canvas.line(a, t.years, page.smooth(t.total(NPP)), k)
        canvas.line(a, t.years, page.smooth(f.get(s, "S_PF").total(NPP)), k, "--")
        if moisture in t.means:
            canvas.line(b, t.years, t.means[moisture], k)
    canvas.label(
        a, "NPP of S_Trans (—), of S_PF (- -), of S_Trans without\nN limitation (···), five-year means (Pg C yr$^{-1}$)"
    )
    canvas.label(b, f"moisture of {place}, S_Trans (m$^3$ m$^{{-3}}$)")
    return canvas.save(path, f.scenarios)


POOLS = (NPP, RH, NEP, VEGETATION)
DRAWINGS = (
    Drawing("figure4", figure4, POOLS),
    Drawing("figure5", figure5, (*POOLS, SOIL, THAWED_RH, ACTIVE_RH)),
    Drawing("figure6", figure6, ("layer_exposed_carbon", "layer_respiration")),
    Drawing("figure7", figure7, POOLS),
    Drawing("figure8", figure8, (MINERALIZATION, UPTAKE, *LAYERS_N)),
    Drawing("figureS2", figure_s2),
    Drawing("figureS5", figure_s5, (NEP, THAWED_RH)),
    Drawing("figureS6", figure_s6),
    Drawing("figureS7", figure_s7, (NPP, WITHOUT_LIMIT)),
    Drawing("map_active_layer", map_active_layer),
    Drawing("map_carbon", map_carbon, ("exposed_carbon", NEP)),
)
"""Every figure with the variables that it needs."""
