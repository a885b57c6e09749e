"""Figures from written files. matplotlib is optional and is imported only here, with a backend that needs no screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from jtem.errors import InputError
from jtem.report.diagnostics import NO_THAW, Series
from jtem.variables import VARIABLES

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe and Ito: told apart by colour-blind readers
"""One a scenario; in grey the line of a scenario is told by its marker, thaw by solid against dashed."""
MARKERS = ("o", "s", "^", "D")


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ImportError:
        raise InputError("figures need matplotlib, which is not installed; run: pip install 'jtem[plots]'") from None
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def available() -> bool:
    """Whether figures can be drawn."""
    try:
        _matplotlib()
    except InputError:
        return False
    return True


def demo_figure(
    path: Path | str,
    results: dict[str, Series],
    scenarios: Sequence[str],
    maps: Sequence[tuple[str, xr.Dataset, int]],
    title: str,
) -> Path:
    """Three maps of the active layer and six panels of regional series, as one PNG.

    ``maps``: (caption, annual dataset, year). Raises ``InputError`` where matplotlib is absent.
    """
    plt = _matplotlib()
    figure = plt.figure(figsize=(13, 9.5), layout="constrained")
    grid = figure.add_gridspec(3, 12, height_ratios=(1.25, 1, 1))
    on_top = [figure.add_subplot(grid[0, 4 * k : 4 * k + 4], projection="polar") for k in range(len(maps[:3]))]
    images = [_map(axes, *drawn) for axes, drawn in zip(on_top, maps, strict=False)]
    if images:
        bar = figure.colorbar(images[0], ax=on_top, location="right", shrink=0.8, pad=0.02, extend="max")
        bar.set_label("active layer thickness (m)", fontsize=8)
        bar.ax.tick_params(labelsize=8)
    panels = [figure.add_subplot(grid[1 + k // 3, 4 * (k % 3) : 4 * (k % 3) + 4]) for k in range(6)]
    _line(panels[0], results, scenarios, lambda s: s.area, "permafrost area (10$^6$ km$^2$)", start=1950)
    _line(panels[1], results, scenarios, lambda s: s.active_layer, "mean ALT, at most 10 m a cell (m)", start=1950)
    _fluxes(panels[2], results, scenarios)
    _line(panels[3], results, scenarios, lambda s: s.cumulative("exposed"), "exposed permafrost C (Pg C)", start=2010)
    _line(
        panels[4], results, scenarios, lambda s: s.cumulative("thawed_rh"), "decomposed permafrost C (Pg C)", start=2010
    )
    _line(
        panels[5],
        results,
        scenarios,
        lambda s: s.cumulative("nep"),
        "ecosystem C since the end of history (Pg C)",
        start=2010,
    )
    for letter, axes in zip("abcdef", panels, strict=True):
        axes.set_title(f"({letter})", loc="left", fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="0.9", linewidth=0.6)
        axes.tick_params(labelsize=8)
    handles = [
        plt.Line2D([], [], color=COLOURS[k], marker=MARKERS[k], markersize=5, label=label(s))
        for k, s in enumerate(scenarios)
    ]
    handles += [
        plt.Line2D([], [], color="0.2", label="with permafrost thaw"),
        plt.Line2D([], [], color="0.2", linestyle="--", label="without"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)
    figure.suptitle(title, fontsize=13)
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    figure.savefig(partial, dpi=150, format="png")
    plt.close(figure)
    partial.replace(path)
    return path


def label(scenario: str) -> str:
    """How a scenario is written: ``ssp126`` as SSP1-2.6, ``rcp45`` as RCP4.5."""
    name = scenario.upper()
    if name.startswith("RCP") and len(name) == 5:
        return f"{name[:4]}.{name[4]}"
    return f"{name[:4]}-{name[4]}.{name[5]}" if name.startswith("SSP") and len(name) == 6 else name


def _map(axes: Any, caption: str, data: xr.Dataset, year: int) -> Any:
    """North-polar map of the active layer; cells as discs, grey where there is no permafrost."""
    row = int(np.argmin(np.abs(data["year"].values - year)))
    thaw = np.asarray(data[VARIABLES["active_layer_thickness"].file_name].values)[row]
    latitude, longitude = data["lat"].values, data["lon"].values
    southern = max(0.0, float(np.floor(latitude.min() / 5) * 5))
    place = np.deg2rad(longitude), 90.0 - latitude
    size = 2200.0 * np.sqrt(np.asarray(data["areacella"].values) * 1e-6 / 1e5) / max(90.0 - southern, 20.0)
    frozen = thaw < 10.0
    axes.scatter(place[0][~frozen], place[1][~frozen], s=size[~frozen], color="0.85", edgecolors="0.6", linewidths=0.3)
    image = axes.scatter(
        place[0][frozen], place[1][frozen], c=thaw[frozen], s=size[frozen], cmap="cividis", vmin=0.0, vmax=4.0
    )
    axes.set_theta_zero_location("S")
    axes.set_rlim(0, 90.0 - southern)
    axes.set_rgrids([90 - lat for lat in (80, 70, 60, 50) if lat > southern], [])
    axes.set_xticks(np.deg2rad([0, 90, 180, 270]), ["0°", "90°E", "180°", "90°W"], fontsize=7)
    axes.grid(color="0.8", linewidth=0.4)
    axes.set_title(f"{caption}, {int(data['year'].values[row])} (grey: no permafrost)", fontsize=9)
    return image


def _smooth(values: np.ndarray, width: int = 5) -> np.ndarray:
    """Running mean of up to ``width`` years, shorter at the ends."""
    sums = np.convolve(values, np.ones(width), mode="same")
    return sums / np.convolve(np.ones(values.size), np.ones(width), mode="same")


def _line(axes: Any, results: dict[str, Series], scenarios: Sequence[str], pick: Any, label: str, start: int) -> None:
    for k, scenario in enumerate(scenarios):
        for name, style in ((scenario, "-"), (scenario + NO_THAW, "--")):
            if name not in results:
                continue
            s = results[name]
            shown = s.years >= start
            axes.plot(
                s.years[shown],
                pick(s)[shown],
                color=COLOURS[k],
                linestyle=style,
                linewidth=1.4,
                marker=MARKERS[k],
                markevery=20,
                markersize=3.5,
            )
    axes.set_ylabel(label, fontsize=8)


def _fluxes(axes: Any, results: dict[str, Series], scenarios: Sequence[str]) -> None:
    """NPP, RH and NEP, five-year means."""
    for k, scenario in enumerate(scenarios):
        for name, style in ((scenario, "-"), (scenario + NO_THAW, "--")):
            if name not in results:
                continue
            s = results[name]
            shown = s.years >= 1950
            for key in ("npp", "rh", "nep"):
                values = _smooth(s.totals[key])[shown]
                axes.plot(
                    s.years[shown],
                    values,
                    color=COLOURS[k],
                    linestyle=style,
                    linewidth=1.8 if key == "npp" else 1.0,
                    marker=MARKERS[k],
                    markevery=25,
                    markersize=3,
                )
    s = results[scenarios[0]]
    row = int(np.argmax(s.years >= 1955))
    highest, lowest = (_smooth(s.totals[key])[row] for key in ("npp", "nep"))
    axes.annotate("NPP, RH", (s.years[row], highest), (0, 5), textcoords="offset points", fontsize=8)
    axes.annotate("NEP", (s.years[row], lowest), (0, 5), textcoords="offset points", fontsize=8)
    axes.set_ylabel("NPP (thick), RH, NEP (Pg C yr$^{-1}$)", fontsize=8)


def smooth(values: np.ndarray, width: int = 5) -> np.ndarray:
    """Running mean of up to ``width`` years, shorter at the ends."""
    return _smooth(values, width)


class Canvas:
    """A page of panels in one style: colour and marker tell the scenario, line style the quantity; legible in grey."""

    def __init__(self, rows: int, columns: int, title: str):
        self.plt = _matplotlib()
        self.figure, axes = self.plt.subplots(
            rows, columns, figsize=(4.6 * columns, 3.4 * rows + 0.7), layout="constrained", squeeze=False
        )
        self.axes = list(axes.ravel())
        self.figure.suptitle(title, fontsize=11)
        for letter, panel in zip("abcdefghijkl", self.axes, strict=False):
            panel.set_title(f"({letter})", loc="left", fontsize=9)
            panel.spines[["top", "right"]].set_visible(False)
            panel.grid(axis="y", color="0.9", linewidth=0.6)
            panel.tick_params(labelsize=8)
            panel.set_axisbelow(True)

    def line(self, axes: Any, years: np.ndarray, values: np.ndarray, scenario: int, style: str = "-") -> None:
        """One series of a scenario."""
        axes.plot(
            years,
            values,
            color=COLOURS[scenario % len(COLOURS)],
            linestyle=style,
            linewidth=1.4,
            marker=MARKERS[scenario % len(MARKERS)],
            markevery=(4 + 7 * scenario, 20),
            markersize=4,
        )

    def band(self, axes: Any, years: np.ndarray, values: np.ndarray, scenario: int, style: str = "-") -> None:
        """Mean of members (member, year) with one standard deviation on each side."""
        mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1) if values.shape[0] > 1 else 0 * values[0]
        self.line(axes, years, mean, scenario, style)
        colour = COLOURS[scenario % len(COLOURS)]
        axes.fill_between(years, mean - spread, mean + spread, color=colour, alpha=0.18, linewidth=0)

    def bars(
        self,
        axes: Any,
        labels: Sequence[str],
        series: Sequence[np.ndarray],
        text: str,
        *,
        rotate: bool = False,
        spreads: Sequence[np.ndarray] | None = None,
    ) -> None:
        """Groups of bars, one a scenario, hatched so that grey print tells them apart."""
        place, width = np.arange(len(labels)), 0.8 / len(series)
        for k, values in enumerate(series):
            axes.bar(
                place + (k - (len(series) - 1) / 2) * width,
                values,
                width,
                color=COLOURS[k % len(COLOURS)],
                hatch=("", "///", "...", "xx")[k % 4],
                edgecolor="white",
                linewidth=0.5,
                yerr=None if spreads is None else spreads[k],
                ecolor="0.3",
                capsize=2,
            )
        axes.axhline(0, color="0.4", linewidth=0.6)
        axes.set_xticks(place, labels, fontsize=8, rotation=40 if rotate else 0, ha="right" if rotate else "center")
        axes.set_ylabel(text, fontsize=8)

    def label(self, axes: Any, text: str) -> None:
        """What a panel shows, with its unit."""
        axes.set_ylabel(text, fontsize=8)

    def save(self, path: Path, scenarios: Sequence[str], extra: Sequence[tuple[str, str]] = ()) -> Path:
        """Legend below, written whole or not at all. ``extra``: (line style, meaning)."""
        lines = [
            self.plt.Line2D([], [], color=COLOURS[k % 4], marker=MARKERS[k % 4], markersize=5, label=label(s))
            for k, s in enumerate(scenarios)
        ]
        lines += [self.plt.Line2D([], [], color="0.2", linestyle=style, label=text) for style, text in extra]
        self.figure.legend(handles=lines, loc="outside lower center", ncols=len(lines), frameon=False, fontsize=9)
        partial = path.with_name(f".{path.name}.partial")
        self.figure.savefig(partial, dpi=130, format="png")
        self.plt.close(self.figure)
        partial.replace(path)
        return path
