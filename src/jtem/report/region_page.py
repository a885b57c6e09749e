"""The page of a region that follows no paper's figures: headline numbers, maps of the active layer, series, effects.

Series are history and each scenario, with permafrost thaw (solid) and, where it was run, without (dashed).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jtem.constants import PERMAFROST_THAW_LIMIT
from jtem.report import maps, regional
from jtem.report.page import COLOURS, MARKERS, Axes, Canvas, empty, label, plain, pyplot, save, smooth
from jtem.report.regional import BASE_YEARS, WITH_THAW, WITHOUT_THAW, Line, Region, RegionalResult

FLUXES = {
    "npp": ("net_primary_production", "NPP"),
    "rh": ("heterotrophic_respiration", "RH"),
    "nep": ("net_ecosystem_production", "NEP"),
}
NEP = "net_ecosystem_production"
THAWED_RH = "heterotrophic_respiration_thawed_permafrost"
STYLES = ("-", "--", "-.", ":")


@dataclass(frozen=True)
class Units:
    """Units of a region: ``mass`` kg and ``area`` m2 with their words for tables and for figures."""

    mass: float
    mass_word: str
    area: float
    area_word: str
    area_figure: str


PG = Units(1e12, "Pg C", 1e12, "1e6 km2", "10$^6$ km$^2$")
SMALLER = (
    (1e12, PG),
    (1e9, Units(1e9, "Tg C", 1e9, "1e3 km2", "10$^3$ km$^2$")),
    (0.0, Units(1e6, "Gg C", 1e6, "km2", "km$^2$")),
)
"""Least area (m2) of the cells for which each of the units is used."""


def units_of(region: Region) -> Units:
    """Units in which the numbers of the region are neither tiny nor huge."""
    return next(units for least, units in SMALLER if region.area.sum() >= least)


class Joined:
    """Series of history and one run, (year,), in ``units`` of mass (per year) and area, and m."""

    def __init__(self, region: Region, scenario: str = "", run: str = "", units: Units = PG):
        self.region, self.past, self.units = region, region.history, units
        self.run = region.get(scenario, run) if scenario else None
        parts = [self.past, self.run] if self.run else [self.past]
        self.parts: list[RegionalResult] = [part for part in parts if part is not None]
        self.years = np.concatenate([part.years for part in self.parts])
        self.future = np.arange(self.years.size) >= (self.past.years.size if self.run else 0)

    def has(self, *names: str) -> bool:
        """Whether all files hold these variables."""
        return all(part.has(*names) for part in self.parts)

    def total(self, name: str) -> np.ndarray:
        """A pool or a flux over the fixed set."""
        return np.concatenate([part.total(name, self.units.mass) for part in self.parts])

    def cumulative(self, name: str) -> np.ndarray:
        """A flux summed since the scenario's first year (since the first year without a scenario)."""
        return np.cumsum(np.where(self.future, self.total(name), 0.0))

    @property
    def permafrost_area(self) -> np.ndarray:
        """Area with an active layer below 10 m in the year, all cells."""
        series = np.concatenate([regional.permafrost_area(part, self.region.area) for part in self.parts])
        return series * (PG.area / self.units.area)

    def active_layer(self, *, frozen: bool = False) -> np.ndarray:
        """Mean with each cell at most 10 m; ``frozen``: of cells still frozen in the year."""
        area, chosen = self.region.area, self.region.chosen
        return np.concatenate([regional.mean_active_layer(p, area, chosen)[int(frozen)] for p in self.parts])

    def mean(self, values: np.ndarray, first: int, last: int) -> float:
        """Mean over the years first..last that exist; NaN where none does."""
        inside = (self.years >= first) & (self.years <= last)
        return float(values[inside].mean()) if inside.any() else float("nan")


# --- headline --------------------------------------------------------------------------------------------------------


def headline(region: Region, printed: Mapping[tuple[str, str], float]) -> list[Line]:
    """The region in numbers: now, and for each scenario at its end; rows whose variables the files lack are left out.

    ``printed``: published values by (key, scenario); none for a run of one's own.
    """
    lines: list[Line] = []

    def add(quantity: str, key: str, scenario: str, value: float, unit: str, note: str = "") -> None:
        lines.append(Line(quantity, scenario, unit, float(value), printed.get((key, scenario)), note))

    name, units = region.history_name, PG if printed else units_of(region)
    start = (region.scenarios[0], region.names[0]) if region.scenarios else ("", "")
    first = Joined(region, *start, units)
    last = int(region.history.years[-1])
    now = (last - 4, last + 1 if region.scenarios else last)
    base = BASE_YEARS if BASE_YEARS[0] <= last <= BASE_YEARS[1] else now
    span = f"{base[0]}-{base[1]}"
    add("permafrost area", "permafrost_area", name, first.mean(first.permafrost_area, *base), units.area_word, span)
    if region.permafrost:
        thaw = first.mean(first.active_layer(), *base)
        add("mean ALT", "", name, thaw, "m", f"{span}, at most 10 m a cell")
    for variable, text in FLUXES.values():
        if first.has(variable):
            add(
                text, "", name, first.mean(first.total(variable), *now), f"{units.mass_word} yr-1", f"{now[0]}-{now[1]}"
            )
    for key, text in (("vegetation_carbon", "vegetation C"), ("soil_carbon", "soil C, active")):
        if first.has(key):
            add(text, key, name, first.mean(first.total(key), *now), units.mass_word)
    for scenario in region.scenarios:
        s = Joined(region, scenario, region.names[0], units)
        _scenario_lines(add, s, scenario, now)
        if WITHOUT_THAW in region.names and region.has(scenario, WITHOUT_THAW):
            _effect_lines(add, s, Joined(region, scenario, WITHOUT_THAW, units), scenario)
    return lines


def _scenario_lines(add: Callable[..., None], s: Joined, scenario: str, now: tuple[int, int]) -> None:
    """What a scenario changes."""
    begin, end = now[0] + 4, int(s.years[-1])
    last, decade = (end - 4, end), (end - 10, end - 1)

    def change(values: np.ndarray) -> float:
        return s.mean(values, *last) - s.mean(values, *now)

    span, tens = f"{last[0]}-{last[1]} less {now[0]}-{now[1]}", f"{decade[0]}-{decade[1]}"
    if s.region.permafrost:
        add(
            "change of permafrost area",
            "permafrost_area_change",
            scenario,
            change(s.permafrost_area),
            s.units.area_word,
            span,
        )
        add("increase of mean ALT", "active_layer_increase", scenario, change(s.active_layer()), "m", span)
        grown = change(s.active_layer(frozen=True))
        add("increase of mean ALT, still frozen", "", scenario, grown, "m", "cells with permafrost in that year")
    for key, (variable, text) in FLUXES.items():
        if s.has(variable):
            value = s.mean(s.total(variable), *decade)
            add(f"{text}, last decade", f"{key}_2090s", scenario, value, f"{s.units.mass_word} yr-1", tens)
    if s.has("exposed_carbon", THAWED_RH):
        exposed, lost = s.cumulative("exposed_carbon")[-1], s.cumulative(THAWED_RH)[-1]
        add("exposed permafrost C", "exposed_carbon", scenario, exposed, s.units.mass_word, f"0-6 m, to {end}")
        add(
            "decomposed permafrost C",
            "decomposed_carbon",
            scenario,
            lost,
            s.units.mass_word,
            f"RH of thawed layers to {end}",
        )
        share = 100.0 * lost / exposed if exposed > 0 else np.nan
        add("decomposed share", "decomposed_share", scenario, share, "%")
        if s.has("heterotrophic_respiration"):
            rh = s.mean(s.total("heterotrophic_respiration"), *decade)
            share = 100.0 * s.mean(s.total(THAWED_RH), *decade) / rh if rh > 0 else np.nan
            add("thawed share of RH", "thawed_respiration_share_2090s", scenario, share, "%", tens)
    for key, text in (("vegetation_carbon", "vegetation C"), ("soil_carbon", "soil C, active")):
        if s.has(key):
            add(f"change of {text}", "", scenario, _gained(s, key), s.units.mass_word, f"{begin}-{end}")
    if s.has(NEP):
        stored = s.cumulative(NEP)[-1]
        add(
            "change of ecosystem C",
            "ecosystem_carbon_change",
            scenario,
            stored,
            s.units.mass_word,
            f"sum of NEP to {end}",
        )


def _effect_lines(add: Callable[..., None], s: Joined, without: Joined, scenario: str) -> None:
    """What thaw does: a scenario less the same without it."""
    end = int(s.years[-1])
    for key, name in (("npp_by_thaw", "npp"), ("rh_by_thaw", "rh")):
        variable = FLUXES[name][0]
        if s.has(variable) and without.has(variable):
            value = s.cumulative(variable)[-1] - without.cumulative(variable)[-1]
            add(
                f"{name.upper()} due to thaw",
                key,
                scenario,
                value,
                s.units.mass_word,
                "cumulative, with less without thaw",
            )
    for key, text in (("vegetation_carbon", "vegetation"), ("soil_carbon", "active soil")):
        if s.has(key) and without.has(key):
            value = _gained(s, key) - _gained(without, key)
            add(f"{text} C due to thaw", f"{key}_by_thaw", scenario, value, s.units.mass_word, "with less without thaw")
    if s.has(NEP) and without.has(NEP):
        value = s.cumulative(NEP)[-1] - without.cumulative(NEP)[-1]
        add(
            "ecosystem C due to thaw",
            "ecosystem_carbon_by_thaw",
            scenario,
            value,
            s.units.mass_word,
            "with less without thaw",
        )
        value = without.mean(without.total(NEP), end - 10, end - 1)
        add("NEP, last decade, without thaw", "nep_2090s_without_thaw", scenario, value, f"{s.units.mass_word} yr-1")


def _gained(s: Joined, name: str) -> float:
    """Change of a pool from the end of history to the last year."""
    values = s.total(name)
    return float(values[-1] - values[~s.future][-1])


def effects_table(region: Region) -> list[tuple[str, ...]]:
    """Effect of each held set on cumulative NPP, RH, NEP and on vegetation and soil C at the end (Pg C).

    SOC_NET is the carbon of all soil, frozen and thawed: ecosystem less vegetation C.
    """
    first = region.names[0]
    names = ("NPP", "RH", "ecosystem C", "vegetation C", "active soil C", "thawed SOC", "SOC_NET")
    rows: list[tuple[str, ...]] = [("scenario", f"effect ({first} - run)", *names)]
    for s in region.scenarios:
        for held in region.names[1:]:
            sums = [region.effect(s, held, n).sum() for n in ("net_primary_production", "heterotrophic_respiration")]
            eco = region.effect(s, held, NEP).sum()
            ends = [
                region.effect(s, held, n)[-1] for n in ("vegetation_carbon", "soil_carbon", "thawed_permafrost_carbon")
            ]
            rows.append((s, held, *(f"{v:.4g}" for v in (*sums, eco, *ends, eco - ends[0]))))
    return rows


# --- figure ----------------------------------------------------------------------------------------------------------


def draw(region: Region, path: Path, title: str) -> Path:
    """Maps of the active layer now and at the end of up to two scenarios, and panels of regional series, as one PNG."""
    plt = pyplot()
    shown = _maps(region)
    view = maps.MapView(region.latitude, region.longitude, region.area)
    tall = float(np.clip(3.6 * view.proportion, 1.8, 4.4))
    figure = plt.figure(figsize=(13, 5.8 + tall), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(tall + 0.3, 5.5))
    top = _deepest(region)
    for (caption, thaw), axes in zip(shown, above.subplots(1, len(shown), squeeze=False)[0], strict=True):
        view.frame(axes)
        frozen = np.where(thaw < PERMAFROST_THAW_LIMIT, thaw, np.nan)
        place = [region.latitude, region.longitude, region.area]
        maps.paint(axes, view, place, frozen, "active layer thickness (m)", low=0.0, high=top, signed=False)
        axes.set_title(f"{caption} (grey: no permafrost)", fontsize=9)
    panels = list(below.subplots(2, 3).ravel())
    for letter, axes in zip("abcdef", panels, strict=True):
        axes.set_title(f"({letter})", loc="left", fontsize=9)
        plain(axes)
    _series_panels(panels, region)
    handles = [
        plt.Line2D([], [], color=COLOURS[k % 4], marker=MARKERS[k % 4], markersize=5, label=label(s))
        for k, s in enumerate(region.scenarios)
    ]
    if len(region.names) > 1:
        words = {WITH_THAW: "with permafrost thaw", WITHOUT_THAW: "without"}
        handles += [
            plt.Line2D([], [], color="0.2", linestyle=STYLES[k % 4], label=words.get(name, name))
            for k, name in enumerate(region.names)
        ]
    if handles:
        below.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)
    figure.suptitle(title, fontsize=13)
    return save(figure, path, 150)


def _maps(region: Region) -> list[tuple[str, np.ndarray]]:
    """Caption and active layer (cell,) of at most three years."""
    past = region.history
    found = [(f"{label(region.history_name)}, {int(past.years[-1])}", past.active_layer[-1])]
    for scenario in region.scenarios[:2]:
        run = region.get(scenario, region.names[0])
        found.append((f"{label(scenario)}, {int(run.years[-1])}", run.active_layer[-1]))
    if not region.scenarios and past.years.size > 1:
        found.insert(0, (f"{label(region.history_name)}, {int(past.years[0])}", past.active_layer[0]))
    return found


def _deepest(region: Region) -> float:
    """End of the colours of the active layer: 4 m, less where all ground thaws less."""
    thaw = np.concatenate([values[np.isfinite(values)] for _, values in _maps(region)])
    frozen = thaw[thaw < PERMAFROST_THAW_LIMIT]
    return min(4.0, maps.rounded(float(frozen.max()))) if frozen.size else 4.0


def _series_panels(panels: Sequence[Axes], region: Region) -> None:
    """Permafrost area, active layer, fluxes; carbon exposed and decomposed (pools without a scenario), ecosystem carbon."""
    units = units_of(region)
    last = int(region.history.years[-1])
    early = max(int(region.history.years[0]), last - 64)
    recent = max(int(region.history.years[0]), last - 4)
    _lines(panels[0], region, lambda s: s.permafrost_area, f"permafrost area ({units.area_figure})", early)
    _lines(panels[1], region, lambda s: s.active_layer(), "mean ALT, at most 10 m a cell (m)", early)
    _flux_lines(panels[2], region, early)
    wanted: list[tuple[str, str, bool]] = [
        ("exposed_carbon", f"exposed permafrost C ({units.mass_word})", True),
        (THAWED_RH, f"decomposed permafrost C ({units.mass_word})", True),
        (NEP, f"ecosystem C since {last} ({units.mass_word})", True),
    ]
    if not region.scenarios:
        wanted = [
            ("vegetation_carbon", f"vegetation C ({units.mass_word})", False),
            ("soil_carbon", f"active soil C ({units.mass_word})", False),
            (NEP, f"ecosystem C since {int(region.history.years[0])} ({units.mass_word})", True),
        ]
    for axes, (name, text, summed) in zip(panels[3:], wanted, strict=True):

        def pick(s: Joined, name: str = name, summed: bool = summed) -> np.ndarray | None:
            if not s.has(name):
                return None
            return s.cumulative(name) if summed else s.total(name)

        _lines(axes, region, pick, text, recent if region.scenarios else early)
        if not axes.lines:
            empty(axes, f"'{name}' is not among the annual results: add it to 'annual' in [output]")


def _all_series(region: Region) -> list[tuple[int, int, Joined]]:
    """Number of scenario and run, and their series; history alone where there is no scenario."""
    if not region.scenarios:
        return [(0, 0, Joined(region, units=units_of(region)))]
    return [
        (k, n, Joined(region, scenario, run, units_of(region)))
        for k, scenario in enumerate(region.scenarios)
        for n, run in enumerate(region.names)
        if region.has(scenario, run)
    ]


def _lines(axes: Axes, region: Region, pick: Callable[[Joined], np.ndarray | None], text: str, start: int) -> None:
    for k, n, s in _all_series(region):
        values = pick(s)
        if values is None:
            continue
        shown = s.years >= start
        axes.plot(
            s.years[shown], values[shown], color=COLOURS[k % 4], linestyle=STYLES[n % 4], linewidth=1.4,
            marker=MARKERS[k % 4], markevery=20, markersize=3.5,
        )  # fmt: skip
    axes.set_ylabel(text, fontsize=8)
    axes.locator_params(axis="x", integer=True)


def _flux_lines(axes: Axes, region: Region, start: int) -> None:
    """NPP, RH and NEP, five-year means."""
    drawn = [(key, name) for key, (name, _) in FLUXES.items() if all(s.has(name) for *_, s in _all_series(region))]
    for k, n, s in _all_series(region):
        shown = s.years >= start
        for key, name in drawn:
            axes.plot(
                s.years[shown], smooth(s.total(name))[shown], color=COLOURS[k % 4], linestyle=STYLES[n % 4],
                linewidth=1.8 if key == "npp" else 1.0, marker=MARKERS[k % 4], markevery=25, markersize=3,
            )  # fmt: skip
    if not drawn:
        empty(axes, "no carbon fluxes among the annual results: add them to 'annual' in [output]")
        return
    _, _, s = _all_series(region)[0]
    row = int(np.argmax(s.years >= start + 5))
    for name, text in (("net_primary_production", "NPP, RH"), (NEP, "NEP")):
        if s.has(name):
            place = (s.years[row], smooth(s.total(name))[row])
            axes.annotate(text, place, (0, 5), textcoords="offset points", fontsize=8)
    axes.set_ylabel(f"NPP (thick), RH, NEP ({s.units.mass_word} yr$^{{-1}}$)", fontsize=8)
    axes.locator_params(axis="x", integer=True)


def effects_figure(region: Region, path: Path) -> Path:
    """Effects of every held set on cumulative NPP and RH and on vegetation and soil carbon at the end, by scenario."""
    first, held = region.names[0], region.names[1:]
    canvas = Canvas(2, 2, f"{region.title}\neffects of factors, {first} - run that holds them")
    for axes, name, text, summed in (
        (canvas.axes[0], "net_primary_production", "cumulative NPP (Pg C)", True),
        (canvas.axes[1], "heterotrophic_respiration", "cumulative RH (Pg C)", True),
        (canvas.axes[2], "vegetation_carbon", "vegetation C at the end (Pg C)", False),
        (canvas.axes[3], "soil_carbon", "active SOC at the end (Pg C)", False),
    ):
        series = []
        for s in region.scenarios:
            effects = [region.effect(s, run, name) for run in held]
            series.append(np.array([e.sum() if summed else e[-1] for e in effects]))
        canvas.bars(axes, held, series, text, rotate=True)
    return canvas.save(path, region.scenarios)
