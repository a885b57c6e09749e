"""The fit panel of a calibrated site: observations, the model before and after, predictive band, what was held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jtem.report.figures import COLOURS, _matplotlib, available

__all__ = ["Panel", "available", "panel"]

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
    plt = _matplotlib()
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
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    figure.savefig(partial, dpi=140, format="png")
    plt.close(figure)
    partial.replace(path)
    return path


def _draw(one: Panel, axis: Any) -> None:
    order = np.argsort(one.when, kind="stable")
    when, before, after, spread = (v[order] for v in (one.when, one.before, one.after, one.spread))
    observed, fit = one.observed[order], one.fit[order]
    marker = "" if when.size > 12 else "_"
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
        for word, mine in (("fit", known & fit), ("held out", known & ~fit))
        if mine.any()
    ]
    axis.set_title(f"{one.title}:  " + ";  ".join(parts), loc="left", fontsize=9)
    axis.set_ylabel(one.unit, fontsize=8)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="y", color="0.9", linewidth=0.6)
    axis.xaxis.get_major_locator().set_params(integer=True)
