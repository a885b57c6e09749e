"""Figures 1b, 3-8 and S3-S5 of Liu et al. (2022) from a factorial: S_T - S_R, mean and s.d. over members.

The supplement was not obtainable: S3 (S_T and S_R side by side), S4 (climate) and S5 (nitrogen limitation of NPP) show what the
paper's text says of them, not necessarily its panels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jtem.report import drawings, maps, page
from jtem.report.drawings import Drawing
from jtem.report.liu2022_balance import (
    NEP,
    NPP,
    RH,
    SHARED,
    SOIL,
    VEGETATION,
    R,
    T,
    active_layer,
    gap,
    group_gap,
    series,
    soc_net,
    spread,
    thaw_share,
    transient,
)  # fmt: skip
from jtem.report.regional import Region

WITHOUT_LIMIT = "net_primary_production_without_nitrogen_limitation"
NITROGEN = (
    ("vegetation_nitrogen", "VegN"),
    ("soil_organic_nitrogen", "SON"),
    ("litterfall_nitrogen", "LtrN"),
    ("net_nitrogen_mineralization", "NetNMin"),
    ("nitrogen_uptake", "VegNup"),
)
"""Panels of Figures 7 and 8: two pools, then three fluxes."""
DELTA, SIGMA = "$\\delta$", "$\\Sigma$"
POOLS_N = ("vegetation_nitrogen", "soil_organic_nitrogen")


def draw(f: Region, folder: Path) -> list[Path]:
    """All figures for which the files suffice into ``folder``; returns their paths."""
    return drawings.draw(DRAWINGS, f, folder)


def _over(f: Region) -> str:
    return f"mean and s.d. over {len(f.members)} members"


def _years(f: Region) -> np.ndarray:
    return f.get(f.scenarios[0], T).years


def figure1b(f: Region, path: Path) -> Path:
    """Permafrost cells and their plant communities."""
    canvas = maps.MapCanvas(1, 1, f"{f.title}\nplant communities of permafrost cells, share of the area", *_place(f))
    names = np.array(["no permafrost"] * f.area.size, dtype=object)
    names[f.chosen] = "not stated" if f.community is None else f.community[f.chosen]
    canvas.classes(canvas.axes[0], names, "")
    return canvas.save(path)


def _place(f: Region) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return f.latitude, f.longitude, f.area


def figure3(f: Region, path: Path) -> Path:
    """S_T - S_R: NPP, RH, NEP, vegetation C, SOC and ecosystem C, and both without what thaw moves into the active layer."""
    canvas = page.Canvas(2, 4, f"{f.title}\nS_T - S_R, {_over(f)}")
    for k, s in enumerate(f.scenarios):
        plant, soil, net = gap(f, s, VEGETATION, 1e9), gap(f, s, SOIL, 1e12), soc_net(f, s)
        shown = (*(gap(f, s, n, 1e9) for n in (NPP, RH, NEP)), plant, soil, soil + plant / 1e3, net, net + plant)
        for axes, values in zip(canvas.axes, shown, strict=True):
            canvas.band(axes, _years(f), values, k)
    texts = (
        *(f"$\\Delta${word} (Tg C yr$^{{-1}}$)" for word in ("NPP", "RH", "NEP")),
        "$\\Delta$VegC (Tg C)",
        "$\\Delta$SOC, with the C from thaw (Pg C)",
        "$\\Delta$EcoC, with the C from thaw (Pg C)",
        "$\\Delta$SOC$_{NET}$ (Tg C)",
        "$\\Delta$EcoC$_{NET}$ (Tg C)",
    )
    _zero(canvas, canvas.axes)
    for axes, text in zip(canvas.axes, texts, strict=True):
        canvas.label(axes, text)
    return canvas.save(path, f.scenarios)


def _zero(canvas: page.Canvas, panels: Sequence[page.Axes]) -> None:
    """The line of no effect."""
    for axes in panels:
        axes.axhline(0, color="0.4", linewidth=0.6)


def figure4(f: Region, path: Path) -> Path:
    """Active layer, and the part of thaw in changes of the carbon balance since history."""
    canvas = page.Canvas(
        1, 2, f"{f.title}\nactive layer, and part of thaw in changes of the carbon balance, {_over(f)}"
    )
    a, b = canvas.axes
    shares = [[spread(thaw_share(f, s, name, pool)) for name, pool in SHARED.values()] for s in f.scenarios]
    for k, s in enumerate(f.scenarios):
        canvas.band(a, _years(f), active_layer(f, transient(f, s)), k)
    canvas.label(a, "mean ALT, at most 10 m a cell (m)")
    _bars(canvas, b, list(SHARED), shares, "(S_T - S_R) over the change of S_T since history (%)")
    return canvas.save(path, f.scenarios)


def _bars(
    canvas: page.Canvas,
    axes: page.Axes,
    labels: Sequence[str],
    values: Sequence[Sequence[tuple[float, float]]],
    text: str,
) -> None:
    """Bars with s.d. over members. ``values``: mean and s.d., by scenario and label."""
    means, spreads = ([np.array([pair[i] for pair in row]) for row in values] for i in (0, 1))
    canvas.bars(axes, labels, means, text, spreads=spreads)


def _cells(f: Region, s: str, name: str, pool: bool) -> np.ndarray:
    """S_T - S_R in every permafrost cell (kg m-2), mean over members: a pool in the last year, a flux summed over years."""
    end = int(_years(f)[-1])

    def of(run: str, m: str) -> np.ndarray:
        return f.field(s, run, name, (end, end), m) if pool else f.summed(s, run, name, m)

    return np.where(f.chosen, np.mean([of(T, m) - of(R, m) for m in f.members], axis=0), np.nan)


def figure5(f: Region, path: Path) -> Path:
    """Maps of S_T - S_R: vegetation C and SOC in the last year, NPP, RH, NEP summed over years; mean over members."""
    end = int(_years(f)[-1])
    shown = (
        (VEGETATION, True, "$\\Delta$VegC"),
        (SOIL, True, "$\\Delta$SOC"),
        (NPP, False, "$\\Sigma\\Delta$NPP"),
        (RH, False, "$\\Sigma\\Delta$RH"),
        (NEP, False, "$\\Sigma\\Delta$NEP"),
    )
    title = f"{f.title}\nS_T - S_R, mean over {len(f.members)} members: pools in {end}, fluxes summed to {end}; triangles: < 0"
    canvas = maps.MapCanvas(len(shown), len(f.scenarios), title, *_place(f))
    for row, (name, pool, word) in enumerate(shown):
        values = [_cells(f, s, name, pool) for s in f.scenarios]
        top = page.rounded(float(np.nanpercentile(np.abs(values), 90)))
        for k, s in enumerate(f.scenarios):
            canvas.values(
                canvas.axes[len(f.scenarios) * row + k], values[k], f"{word}, {page.label(s)}", "kg C m$^{-2}$",
                low=-top, high=top, signed=True, said=False,
            )  # fmt: skip
    return canvas.save(path)


def _main_groups(f: Region, count: int = 2) -> list[str]:
    """The communities that cover most of the permafrost area; meadow and steppe on the plateau."""
    wanted = [g for g in ("alpine_meadow", "alpine_steppe") if g in f.history.groups]
    if f.community is None:
        return wanted
    size = {g: float(f.area[f.chosen & (f.community == g)].sum()) for g in f.history.groups}
    return [*wanted, *(g for g in sorted(size, key=lambda g: -size[g]) if g not in wanted)][:count]


def _words(group: str) -> str:
    return group.replace("_", " ")


def figure6(f: Region, path: Path) -> Path:
    """Alpine meadow (solid) beside alpine steppe (dashed): deepening since history, and S_T - S_R of fluxes and pools."""
    groups = _main_groups(f)
    last = int(f.history.years[-1])
    canvas = page.Canvas(2, 3, f"{f.title}\ndeepening since {last}, and S_T - S_R by community, {_over(f)}")
    past = [f.histories[m] for m in f.members]
    styles = ("-", "--", ":", "-.")[: len(groups)]
    for group, style in zip(groups, styles, strict=True):
        for k, s in enumerate(f.scenarios):
            deeper = active_layer(f, transient(f, s), group) - active_layer(f, past, group)[:, -1:]
            shown = (
                deeper,
                *(group_gap(f, s, n, 1e9, group) for n in (NPP, RH, NEP, VEGETATION)),
                soc_net(f, s, group),
            )
            for axes, values in zip(canvas.axes, shown, strict=True):
                canvas.band(axes, _years(f), values, k, style)
    texts = (
        "$\\delta$ALT, at most 10 m a cell (m)",
        *(f"$\\Delta${word} (Tg C yr$^{{-1}}$)" for word in ("NPP", "RH", "NEP")),
        "$\\Delta$VegC (Tg C)",
        "$\\Delta$SOC$_{NET}$ (Tg C)",
    )
    _zero(canvas, canvas.axes)
    for axes, text in zip(canvas.axes, texts, strict=True):
        canvas.label(axes, text)
    return canvas.save(path, f.scenarios, [(style, _words(g)) for g, style in zip(groups, styles, strict=True)])


def _ended(values: np.ndarray, name: str) -> tuple[float, float]:
    """Mean and s.d. over members of (member, year): the last year of a pool, the sum of a flux."""
    return spread(values[:, -1] if name in POOLS_N else values.sum(axis=1))


def figure7(f: Region, path: Path) -> Path:
    """Nitrogen of S_R and S_T since history: change of pools, sums of fluxes."""
    first, end = int(_years(f)[0]), int(_years(f)[-1])
    title = f"nitrogen of S_R and S_T: change of pools since {first - 1}, fluxes summed {first}-{end}"
    canvas = page.Canvas(2, 3, f"{f.title}\n{title}, {_over(f)}")
    canvas.axes[-1].set_visible(False)
    for axes, (name, word) in zip(canvas.axes, NITROGEN, strict=False):
        pool = name in POOLS_N
        values = []
        for s in f.scenarios:
            runs = [series(f, s, run, name, 1e9) for run in (R, T)]
            values.append([_ended(v - f.past(name, 1e9)[:, -1:] * pool, name) for v in runs])
        _bars(canvas, axes, ("S_R", "S_T"), values, f"{DELTA if pool else SIGMA}{word} (Tg N)")
    return canvas.save(path, f.scenarios)


def figure8(f: Region, path: Path) -> Path:
    """Nitrogen of alpine meadow beside alpine steppe, S_T - S_R: pools in the last year, sums of fluxes."""
    groups, end = _main_groups(f), int(_years(f)[-1])
    title = f"nitrogen by community, S_T - S_R: pools in {end}, fluxes summed to {end}"
    canvas = page.Canvas(2, 3, f"{f.title}\n{title}, {_over(f)}")
    canvas.axes[-1].set_visible(False)
    for axes, (name, word) in zip(canvas.axes, NITROGEN, strict=False):
        values = [[_ended(group_gap(f, s, name, 1e9, g), name) for g in groups] for s in f.scenarios]
        text = f"{'' if name in POOLS_N else SIGMA}$\\Delta${word} (Tg N)"
        _bars(canvas, axes, [_words(g) for g in groups], values, text)
    return canvas.save(path, f.scenarios)


def figure_s3(f: Region, path: Path) -> Path:
    """S_T beside S_R: NPP, RH, NEP and change of vegetation C, SOC, ecosystem C since history."""
    last = int(f.history.years[-1])
    canvas = page.Canvas(
        2, 3, f"{f.title}\nS_T (—) and S_R (- -), fluxes as five-year means, pools since {last}, {_over(f)}"
    )
    for k, s in enumerate(f.scenarios):
        for run, style in ((T, "-"), (R, "--")):
            fluxes = [series(f, s, run, name, 1e9) for name in (NPP, RH, NEP)]
            pools = [series(f, s, run, n, 1e12) - f.past(n, 1e12)[:, -1:] for n in (VEGETATION, SOIL)]
            smooth = [np.stack([page.smooth(row) for row in values]) for values in fluxes]
            for axes, values in zip(canvas.axes, (*smooth, *pools, np.cumsum(fluxes[2], axis=1) / 1e3), strict=True):
                canvas.band(axes, _years(f), values, k, style)
    texts = (
        *(f"{word} (Tg C yr$^{{-1}}$)" for word in ("NPP", "RH", "NEP")),
        "change of vegetation C (Pg C)",
        "change of SOC in the active layer (Pg C)",
        "change of ecosystem C, sum of NEP (Pg C)",
    )
    for axes, text in zip(canvas.axes, texts, strict=True):
        canvas.label(axes, text)
    return canvas.save(path, f.scenarios, [("-", "S_T"), ("--", "S_R")])


CLIMATE = (
    ("air_temperature", "air temperature (°C)"),
    ("precipitation", "precipitation (mm yr$^{-1}$)"),
    ("shortwave_radiation", "shortwave radiation (W m$^{-2}$)"),
    ("surface_soil_temperature", "soil temperature 0-20 cm (°C)"),
    ("evapotranspiration", "evapotranspiration (mm yr$^{-1}$)"),
    ("volumetric_moisture_mean", "moisture of the root zone (m$^3$ m$^{-3}$)"),
)
"""Panels of Figure S4: the forcing, then the ground."""


def figure_s4(f: Region, path: Path) -> Path:
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


def figure_s5(f: Region, path: Path) -> Path:
    """NPP of S_T and S_R beside NPP of S_T without nitrogen limitation."""
    canvas = page.Canvas(1, 1, f"{f.title}\nnitrogen limitation of NPP, five-year means,\n{_over(f)}")
    (axes,) = canvas.axes
    for k, s in enumerate(f.scenarios):
        for run, name, style in ((T, NPP, "-"), (R, NPP, "--"), (T, WITHOUT_LIMIT, ":")):
            canvas.band(axes, _years(f), np.stack([page.smooth(row) for row in series(f, s, run, name, 1e9)]), k, style)
    axes.set_ylim(bottom=0)
    canvas.label(axes, "NPP of S_T (—), of S_R (- -), of S_T without\nN limitation (···)  (Tg C yr$^{-1}$)")
    return canvas.save(path, f.scenarios)


CARBON = (NPP, RH, NEP, VEGETATION, SOIL)
BALANCE = (*CARBON, "litterfall_carbon")
FLUXES_N = tuple(name for name, _ in NITROGEN)
DRAWINGS = (
    Drawing("figure1b", figure1b),
    Drawing("figure3", figure3, BALANCE),
    Drawing("figure4", figure4, (NPP, RH, VEGETATION, SOIL)),
    Drawing("figure5", figure5, CARBON),
    Drawing("figure6", figure6, BALANCE, groups=True),
    Drawing("figure7", figure7, FLUXES_N),
    Drawing("figure8", figure8, FLUXES_N, groups=True),
    Drawing("figureS3", figure_s3, CARBON),
    Drawing("figureS4", figure_s4),
    Drawing("figureS5", figure_s5, (NPP, WITHOUT_LIMIT)),
)
"""Every figure with the variables that it needs."""
