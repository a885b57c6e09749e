"""A page of figures: matplotlib fetched once, figures saved once, one style of axes, lines, bars and colours.

matplotlib is optional and is imported only here, with a backend that needs no screen.
"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from jtem.errors import InputError
from jtem.files import whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
else:  # matplotlib is optional
    Axes = Figure = Any

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe and Ito: told apart by colour-blind readers
"""One a scenario; in grey the line of a scenario is told by its marker, thaw by solid against dashed."""
MARKERS = ("o", "s", "^", "D")
HATCHES = ("", "///", "...", "xx")
CLASS_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#F0E442", "#999999")
CLASS_MARKERS = ("s", "o", "^", "v", "D", "P", "X", "*", "h")
NO_MATPLOTLIB = "matplotlib is not installed; run: pip install 'jtem[plots]'"


def pyplot() -> ModuleType:
    """``matplotlib.pyplot``; raises ``InputError`` where matplotlib is absent."""
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
        pyplot()
    except InputError:
        return False
    return True


def save(figure: Figure, path: Path | str, dpi: int = 130) -> Path:
    """Write a figure as PNG, whole or not at all, and forget it."""
    with whole(path) as partial:
        figure.savefig(partial, dpi=dpi, format="png")
    pyplot().close(figure)
    return Path(path)


def plain(axes: Axes, grid: Literal["x", "y", "both"] = "y") -> None:
    """The style of a panel: no frame above and right, light grid lines (of ``grid``: "x", "y", "both") behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color="0.9", linewidth=0.6)
    axes.tick_params(labelsize=8)
    axes.set_axisbelow(True)


def panels(
    count: int, across: int, width: float, height: float, extra: float = 0.6, **options: object
) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` panels in rows of ``across``; inches a panel, and ``extra`` below and above them."""
    across = min(across, count)
    down = -(-count // across)
    figure, axes = pyplot().subplots(
        down, across, figsize=(width * across, height * down + extra), layout="constrained", squeeze=False, **options
    )
    for unused in axes.ravel()[count:]:
        unused.set_axis_off()
    return figure, list(axes.ravel()[:count])


def alone(width: float, height: float) -> Axes:
    """The axes of a new figure with one panel (inches)."""
    _, axes = pyplot().subplots(figsize=(width, height), layout="constrained")
    return axes


def empty(axes: Axes, text: str) -> None:
    """A panel that says why it has nothing to show."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_color("0.8")
    said = "\n".join(textwrap.fill(line, 44, break_long_words=False) for line in text.split("\n"))
    axes.text(0.5, 0.5, said, transform=axes.transAxes, ha="center", va="center", fontsize=8, color="0.35")


def label(scenario: str) -> str:
    """How a scenario is written: ``ssp126`` as SSP1-2.6, ``rcp45`` as RCP4.5; other words as they are."""
    name = scenario.upper()
    if name.startswith("RCP") and len(name) == 5:
        return f"{name[:4]}.{name[4]}"
    return f"{name[:4]}-{name[4]}.{name[5]}" if name.startswith("SSP") and len(name) == 6 else scenario


def smooth(values: np.ndarray, width: int = 5) -> np.ndarray:
    """Running mean of up to ``width`` years, shorter at the ends."""
    sums = np.convolve(values, np.ones(width), mode="same")
    return sums / np.convolve(np.ones(values.size), np.ones(width), mode="same")


def rounded(value: float) -> float:
    """A round number not below ``value`` (> 0), for the end of a scale."""
    if not np.isfinite(value) or value <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step for step in (1, 2, 3, 5, 8, 10) if step * power >= value * (1 - 1e-9)) * power)


class Canvas:
    """A page of panels in one style: colour and marker tell the scenario, line style the quantity; legible in grey."""

    def __init__(self, rows: int, columns: int, title: str):
        self.plt = pyplot()
        self.figure, axes = self.plt.subplots(
            rows, columns, figsize=(4.6 * columns, 3.4 * rows + 0.7), layout="constrained", squeeze=False
        )
        self.axes = list(axes.ravel())
        self.lines = False
        self.figure.suptitle(title, fontsize=11)
        for letter, panel in zip("abcdefghijkl", self.axes, strict=False):
            panel.set_title(f"({letter})", loc="left", fontsize=9)
            plain(panel)

    def line(self, axes: Axes, years: np.ndarray, values: np.ndarray, scenario: int, style: str = "-") -> None:
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

    def band(self, axes: Axes, years: np.ndarray, values: np.ndarray, scenario: int, style: str = "-") -> None:
        """Mean of members (member, year) with one standard deviation on each side."""
        mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1) if values.shape[0] > 1 else 0 * values[0]
        self.line(axes, years, mean, scenario, style)
        colour = COLOURS[scenario % len(COLOURS)]
        axes.fill_between(years, mean - spread, mean + spread, color=colour, alpha=0.18, linewidth=0)

    def bars(
        self,
        axes: Axes,
        labels: Sequence[str],
        series: Sequence[np.ndarray],
        text: str,
        *,
        rotate: bool = False,
        spreads: Sequence[np.ndarray] | None = None,
        numbers: Sequence[Sequence[str]] | None = None,
    ) -> None:
        """Groups of bars, one a scenario, hatched so that grey print tells them apart; ``numbers`` stand above each bar."""
        place, width = np.arange(len(labels)), 0.8 / len(series)
        for k, values in enumerate(series):
            drawn = axes.bar(
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
            if numbers is not None:
                axes.bar_label(drawn, labels=numbers[k], fontsize=6.5, padding=1, color=COLOURS[k % len(COLOURS)])
        axes.axhline(0, color="0.4", linewidth=0.6)
        axes.set_xticks(place, labels, fontsize=8, rotation=40 if rotate else 0, ha="right" if rotate else "center")
        axes.set_ylabel(text, fontsize=8)

    def label(self, axes: Axes, text: str) -> None:
        """What a panel shows, with its unit."""
        axes.set_ylabel(text, fontsize=8)

    def save(self, path: Path, scenarios: Sequence[str], extra: Sequence[tuple[str, str]] = ()) -> Path:
        """Legend below, written whole or not at all. ``extra``: (line style, meaning)."""
        lines = [
            self.plt.Line2D([], [], color=COLOURS[k % 4], marker=MARKERS[k % 4], markersize=5, label=label(s))
            if self.lines
            else self.plt.Rectangle(
                (0, 0), 1, 1, facecolor=COLOURS[k % 4], hatch=HATCHES[k % 4], ec="white", label=label(s)
            )
            for k, s in enumerate(scenarios)
        ]
        lines += [self.plt.Line2D([], [], color="0.2", linestyle=style, label=text) for style, text in extra]
        self.figure.legend(handles=lines, loc="outside lower center", ncols=len(lines), frameon=False, fontsize=9)
        return save(self.figure, path)
