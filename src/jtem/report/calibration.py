"""The fit panel of a calibrated site: observations, the model before and after, predictive band, what was held out; and the
marginals of draws from the posterior beside the Laplace approximation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jtem.report.page import COLOURS, Axes, available, pyplot, save

__all__ = ["Marginal", "Panel", "available", "marginals", "panel"]

BAND = 1.959964  # standard deviations of a 95 % band


@dataclass(frozen=True)
class Panel:
    """One stream of a site, all (time,): ``when`` in decimal years; ``observed`` NaN where only simulated; ``spread``:
    standard deviation from the parameters' uncertainty.
    """

    title: str
    unit: str
    when: np.ndarray
    observed: np.ndarray
    error: np.ndarray
    fit: np.ndarray
    before: np.ndarray
    after: np.ndarray
    spread: np.ndarray


def _r2(simulated: np.ndarray, observed: np.ndarray) -> str:
    if observed.size < 2 or np.ptp(observed) == 0:
        return "-"
    return f"{1.0 - float(((simulated - observed) ** 2).sum() / ((observed - observed.mean()) ** 2).sum()):.2f}"


def panel(path: Path | str, title: str, panels: Sequence[Panel]) -> Path:
    """Draw the panels of one site below each other as one PNG. Raises ``InputError`` where matplotlib is absent."""
    plt = pyplot()
    figure, axes = plt.subplots(
        len(panels), 1, figsize=(9.5, 0.9 + 2.1 * len(panels)), layout="constrained", squeeze=False
    )
    for one, axis in zip(panels, axes[:, 0], strict=True):
        _draw(one, axis)
    handles = [
        plt.Line2D([], [], color="0.1", marker="o", markersize=4, linestyle="", label="observed, fitted"),
        plt.Line2D(
            [],
            [],
            color="0.1",
            marker="o",
            markersize=4,
            linestyle="",
            markerfacecolor="white",
            label="observed, held out",
        ),
        plt.Line2D([], [], color="0.45", linestyle="--", linewidth=1.2, label="start values"),
        plt.Line2D([], [], color=COLOURS[0], linewidth=1.6, label="calibrated"),
        plt.Rectangle((0, 0), 1, 1, color=COLOURS[0], alpha=0.25, linewidth=0, label="95 % from parameters"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=12)
    return save(figure, path, 140)


def _draw(one: Panel, axis: Axes) -> None:
    order = np.argsort(one.when, kind="stable")
    when, before, after, spread = (v[order] for v in (one.when, one.before, one.after, one.spread))
    observed, fit = one.observed[order], one.fit[order]
    marker = "" if when.size > 12 else "_"
    if when.size == 1:  # a long-term mean: a bar instead of a band
        axis.errorbar(when, after, yerr=BAND * spread, color=COLOURS[0], alpha=0.35, linewidth=6)
        axis.set_xlim(when[0] - 1.0, when[0] + 1.0)
    axis.fill_between(when, after - BAND * spread, after + BAND * spread, color=COLOURS[0], alpha=0.25, linewidth=0)
    axis.plot(when, before, color="0.45", linestyle="--", linewidth=1.2, marker=marker)
    axis.plot(when, after, color=COLOURS[0], linewidth=1.6, marker=marker)
    known = np.isfinite(observed)
    for mine, face in ((known & fit, "0.1"), (known & ~fit, "white")):
        axis.plot(
            when[mine], observed[mine], linestyle="", marker="o", markersize=3.6, color="0.1", markerfacecolor=face,
            markeredgewidth=0.8,
        )  # fmt: skip
    parts = [
        f"{word} R$^2$ {_r2(before[mine], observed[mine])} to {_r2(after[mine], observed[mine])} (n = {int(mine.sum())})"
        if mine.sum() > 1
        else word
        for word, mine in (("fit", known & fit), ("held out", known & ~fit))
        if mine.any()
    ]
    axis.set_title(f"{one.title}:  " + ";  ".join(parts), loc="left", fontsize=9)
    axis.set_ylabel(one.unit, fontsize=8)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="y", color="0.9", linewidth=0.6)
    axis.locator_params(axis="x", integer=True)


@dataclass(frozen=True)
class Marginal:
    """One coordinate: ``draws`` (draw,) and the Laplace ``density`` (point,), NaN where unknown, at the values ``grid``
    (point,), in ``unit``; ``lower``, ``upper``: its bounds.
    """

    name: str
    unit: str
    draws: np.ndarray
    grid: np.ndarray
    density: np.ndarray
    lower: float
    upper: float


def marginals(path: Path | str, title: str, found: Sequence[Marginal], columns: int = 4) -> Path:
    """Draw a histogram of the draws and the Laplace density of each coordinate as one PNG. Raises ``InputError`` where
    matplotlib is absent.
    """
    plt = pyplot()
    columns = min(columns, len(found))
    rows = -(-len(found) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(3.1 * columns, 0.9 + 2.2 * rows), layout="constrained", squeeze=False
    )
    for axis in axes.flat[len(found) :]:
        axis.set_visible(False)
    for one, axis in zip(found, axes.flat, strict=False):
        axis.hist(one.draws, bins=40, density=True, color=COLOURS[0], alpha=0.35, linewidth=0)
        height = axis.get_ylim()[1]
        axis.plot(one.grid, one.density, color="0.1", linewidth=1.3)
        low, high = np.quantile(one.draws, [0.001, 0.999])
        if np.isfinite(one.density).any():
            inner = one.grid[one.density > 0.003 * one.density.max()]
            low, high = min(low, inner[0]), max(high, inner[-1])
            height = max(height, 1.05 * float(one.density.max()))
        axis.set_ylim(0.0, min(height, 3.0 * axis.get_ylim()[1]))
        margin = 0.04 * (high - low)
        axis.set_xlim(max(low - margin, one.lower), min(high + margin, one.upper))
        axis.set_title(one.name, fontsize=8)
        axis.set_xlabel("factor" if one.unit == "1" else one.unit, fontsize=8)
        axis.set_yticks([])
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.xaxis.get_major_locator().set_params(nbins=5)
    handles = [
        plt.Rectangle((0, 0), 1, 1, color=COLOURS[0], alpha=0.35, linewidth=0, label="draws (NUTS)"),
        plt.Line2D([], [], color="0.1", linewidth=1.3, label="Laplace"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=11)
    return save(figure, path, 140)
