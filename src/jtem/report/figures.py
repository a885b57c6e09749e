"""Figures from written files. matplotlib is optional and is imported only here, with a backend that needs no screen."""

from __future__ import annotations

import os
import sys
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
HATCHES = ("", "///", "...", "xx")


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ImportError:
        raise InputError("figures need matplotlib, which is not installed; run: pip install 'jtem[plots]'") from None
    if "MPLBACKEND" not in os.environ and "matplotlib.pyplot" not in sys.modules:
        matplotlib.use("Agg")  # needs no screen; a notebook or a caller that has chosen already keeps its own
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
        self.lines = False
        self.figure.suptitle(title, fontsize=11)
        for letter, panel in zip("abcdefghijkl", self.axes, strict=False):
            panel.set_title(f"({letter})", loc="left", fontsize=9)
            panel.spines[["top", "right"]].set_visible(False)
            panel.grid(axis="y", color="0.9", linewidth=0.6)
            panel.tick_params(labelsize=8)
            panel.set_axisbelow(True)

    def line(self, axes: Any, years: np.ndarray, values: np.ndarray, scenario: int, style: str = "-") -> None:
        """One series of a scenario."""
        self.lines = True
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
                hatch=HATCHES[k % 4],
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
        lines: list[Any] = [
            self.plt.Line2D([], [], color=COLOURS[k % 4], marker=MARKERS[k % 4], markersize=5, label=label(s))
            if self.lines
            else self.plt.Rectangle(
                (0, 0), 1, 1, facecolor=COLOURS[k % 4], hatch=HATCHES[k % 4], ec="white", label=label(s)
            )
            for k, s in enumerate(scenarios)
        ]
        lines += [self.plt.Line2D([], [], color="0.2", linestyle=style, label=text) for style, text in extra]
        self.figure.legend(handles=lines, loc="outside lower center", ncols=len(lines), frameon=False, fontsize=9)
        partial = path.with_name(f".{path.name}.partial")
        self.figure.savefig(partial, dpi=130, format="png")
        self.plt.close(self.figure)
        partial.replace(path)
        return path


class MapCanvas:
    """A page of maps without any download: north-polar (azimuthal equidistant, cropped) or, for a small region, degrees.

    Cells are squares as large as the land they stand for; land without a value is light grey, so that the cells of the run
    draw their own coast. Signed fields: negative cells are triangles, so that grey print keeps the sign.
    """

    def __init__(self, rows: int, columns: int, title: str, latitude, longitude, area):
        self.plt = _matplotlib()
        self.latitude, self.longitude, self.area = (
            np.asarray(v, dtype=np.float64) for v in (latitude, longitude, area)
        )
        self.polar = bool(np.ptp(self.longitude) > 120.0)
        self.x, self.y = self.place(self.latitude, self.longitude)
        margin = 3.0 if self.polar else 1.0
        self.window = (self.x.min() - margin, self.x.max() + margin, self.y.min() - margin, self.y.max() + margin)
        stretch = 1.0 if self.polar else 1.0 / np.cos(np.deg2rad(self._middle()))
        width = 4.4 if rows * columns > 1 else 7.0
        height = width * 0.82 * (self.window[3] - self.window[2]) * stretch / (self.window[1] - self.window[0]) + 0.35
        self.figure, axes = self.plt.subplots(
            rows,
            columns,
            figsize=(width * columns, height * rows + 0.6 + (1.6 if rows * columns == 1 else 0.0)),
            layout="constrained",
            squeeze=False,
        )
        self.axes = list(axes.ravel())
        self.figure.suptitle(title, fontsize=11)
        for axes in self.axes:
            self._frame(axes, stretch)
        side = np.sqrt(self.area * 1e-6) / 111.2 / (1.0 if self.polar else 1.0 / stretch)  # degrees along x
        points = 0.78 * width * 72 / (self.window[1] - self.window[0])
        self.size = np.clip(side * points, 0.7, 14.0) ** 2

    def _middle(self) -> float:
        return float(0.5 * (self.latitude.min() + self.latitude.max()))

    def _frame(self, axes: Any, stretch: float) -> None:
        axes.set_aspect(stretch)
        axes.set_xlim(*self.window[:2])
        axes.set_ylim(*self.window[2:])
        if not self.polar:
            axes.set_xlabel("longitude (°E)", fontsize=8)
            axes.set_ylabel("latitude (°N)", fontsize=8)
            axes.tick_params(labelsize=8)
            return
        axes.set_xticks([])
        axes.set_yticks([])
        around = np.linspace(-180.0, 180.0, 361)
        for parallel in (30.0, 45.0, 60.0, 75.0):
            axes.plot(*self.place(np.full(around.size, parallel), around), color="0.75", linewidth=0.4, zorder=0)
            x, y = self.place(np.array([parallel]), np.array([0.0]))
            if self.window[2] < y[0] < self.window[3]:
                axes.annotate(f"{parallel:.0f}°N", (x[0], y[0]), fontsize=6, color="0.4", ha="center", va="center")
        for meridian in range(0, 360, 45):
            axes.plot(*self.place(np.array([85.0, 20.0]), np.full(2, float(meridian))), color="0.75", lw=0.4, zorder=0)

    def place(self, latitude: np.ndarray, longitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates on the page: degrees from the pole with 0 degrees downwards, or degrees."""
        if not self.polar:
            return longitude, latitude
        distance, angle = 90.0 - latitude, np.deg2rad(longitude)
        return distance * np.sin(angle), -distance * np.cos(angle)

    def _scatter(self, axes: Any, which: np.ndarray, marker: str, **options: Any) -> Any:
        size = self.size[which] * (1.0 if marker == "s" else 1.3)  # a square looks larger than other marks
        return axes.scatter(self.x[which], self.y[which], s=size, marker=marker, linewidths=0, **options)

    def values(
        self, axes: Any, values: np.ndarray, caption: str, unit: str, *, low: float, high: float, signed: bool = False
    ) -> None:
        """One field (cell,) with its colour bar; NaN is light grey. Values beyond low..high take the end colours."""
        known = np.isfinite(values)
        self._scatter(axes, ~known, "s", color="0.88")
        # light to dark both ways for a signed field, dark to light else: both legible in grey
        options = {"cmap": "PuOr" if signed else "cividis", "vmin": low, "vmax": high}
        for which, marker in ((known & ~((values < 0) & signed), "s"), (known & (values < 0) & signed, "v")):
            self._scatter(axes, which, marker, c=values[which], **options)
        above, below = (bool((known & beyond).any()) for beyond in (values > high, values < low))
        extend = {(True, True): "both", (True, False): "max", (False, True): "min"}.get((above, below), "neither")
        scale = self.plt.matplotlib.cm.ScalarMappable(
            self.plt.matplotlib.colors.Normalize(low, high), cmap=options["cmap"]
        )
        bar = self.figure.colorbar(scale, ax=axes, shrink=0.75, pad=0.04, extend=extend)
        bar.set_label(unit + (", triangles < 0" if signed else ""), fontsize=8)
        bar.ax.tick_params(labelsize=7)
        axes.set_title(caption, fontsize=9)

    def classes(self, axes: Any, names: np.ndarray, caption: str) -> None:
        """One word a cell; legend with the share of the area."""
        shares = {str(n): float(self.area[names == n].sum() / self.area.sum()) for n in sorted(set(names.tolist()))}
        for k, name in enumerate(sorted(shares, key=lambda n: -shares[n])):
            turn, n = divmod(k, len(CLASS_COLOURS))
            colour, marker = CLASS_COLOURS[n], CLASS_MARKERS[(n + turn) % len(CLASS_MARKERS)]
            self._scatter(axes, names == name, marker, color=colour)
            share = f"{100 * shares[name]:.0f}" if shares[name] >= 0.01 else "< 1"
            text = f"{name.replace('_', ' ')} ({share} %)"
            axes.scatter([], [], s=30, color=colour, marker=marker, label=text)
        self.figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
        axes.set_title(caption, fontsize=9)

    def sites(self, axes: Any, places: dict[str, tuple[float, float]]) -> None:
        """Named places (latitude, longitude) as open circles."""
        for name, (latitude, longitude) in places.items():
            x, y = self.place(np.array([latitude]), np.array([longitude]))
            axes.scatter(x, y, s=34, facecolors="none", edgecolors="black", linewidths=1.2, zorder=5)
            axes.annotate(name, (float(x[0]), float(y[0])), (4, 4), textcoords="offset points", fontsize=7, zorder=6)

    def save(self, path: Path) -> Path:
        """Written whole or not at all."""
        partial = path.with_name(f".{path.name}.partial")
        self.figure.savefig(partial, dpi=140, format="png")
        self.plt.close(self.figure)
        partial.replace(path)
        return path


CLASS_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#F0E442", "#999999")
CLASS_MARKERS = ("s", "o", "^", "v", "D", "P", "X", "*", "h")


def rounded(value: float) -> float:
    """A round number not below ``value`` (> 0), for the end of a scale."""
    if not np.isfinite(value) or value <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step for step in (1, 2, 3, 5, 8, 10) if step * power >= value * (1 - 1e-9)) * power)
