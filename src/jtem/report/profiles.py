"""Soil profiles by vegetation type: tables, 2022 Figure S1 (b) and 2024 Figure S1 (mean profiles), a run's active layers.

The supplements were not obtainable: the figures show what the papers' text calls Figure S1, not necessarily its panels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import xarray as xr

from jtem.errors import InputError
from jtem.records import Curve, HalfDepth, MeanProfile, Score, Shares
from jtem.report.page import CLASS_COLOURS, CLASS_MARKERS, COLOURS, Axes, pyplot, save
from jtem.report.site_panels import NO_DATA
from jtem.variables import VARIABLES

YEARS = 10
"""Last years of a run whose mean is compared with observed stocks."""
ALL = "all"
NOT_STATED = "not stated"
OTHER = "other types"
MOST_PANELS = 12
MOST_TYPES = len(CLASS_MARKERS)
FEWEST = 5
"""Profiles below which an error by profile means little."""
PAPER_NOTE = "no b is in print: Table S1 of Liu et al. (2022) was not obtainable"
ELEMENTS = {"carbon": "C", "nitrogen": "N"}
PARAMETER_COLUMNS = (
    *("vegetation", "element", "b_m", "standard_error_m", "lower_m", "upper_m", "profiles", "points", "R2", "bound"),
    *("b_of_mean_profile_m", "amplitude_of_mean_profile_kg_m2", "b_paper_m", "note"),
)
MEAN_COLUMNS = ("vegetation", "element", "top_m", "bottom_m", "n", "mean_kg_m2", "sd_kg_m2", "mean_density_kg_m3")
STOCK_COLUMNS = ("site", "vegetation", "element", "active_layer_thickness_m", "observed_kg_m2", "simulated_kg_m2")


@dataclass(frozen=True)
class Group:
    """One vegetation type and element: ``fit``, ``mean``, ``points``, ``curve`` as ``study/profiles.py`` makes them."""

    name: str
    element: str
    fit: HalfDepth
    mean: MeanProfile
    points: Shares
    curve: Curve


# --- a run -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ActiveLayers:
    """Cells of a run, mean of its last years: place (degrees), area (km2), active layer (m), stocks in it (g m-2).

    ``nitrogen`` is NaN where the run did not write it.
    """

    latitude: np.ndarray
    longitude: np.ndarray
    area: np.ndarray
    thaw: np.ndarray
    carbon: np.ndarray
    nitrogen: np.ndarray


def read_run(path: Path) -> ActiveLayers:
    """Active layers from a run's annual file: the active soil pool and what thawed below it. Raises ``InputError``."""
    try:
        with xr.open_dataset(path, decode_times=False) as opened:
            data = opened.load()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a netCDF file ({error}); give the annual file of a run or a CSV table") from None

    def mean(name: str, factor: float, *, needed: bool) -> np.ndarray:
        variable = VARIABLES[name].file_name
        if variable not in data:
            if needed:
                raise InputError(
                    f"{path}: variable '{variable}' is missing; add {name} to 'annual' in the plan's [output]"
                )
            return np.full(data.sizes["cell"], np.nan)
        return factor * np.asarray(data[variable].values, dtype=np.float64)[-YEARS:].mean(axis=0)

    for name in ("lat", "lon", "areacella"):
        if name not in data.variables or "cell" not in data[name].dims:
            raise InputError(f"{path}: '{name}' of the cells is missing; give the annual file that 'jtem run' wrote")
    thawed = np.nan_to_num(mean("thawed_permafrost_carbon", 1000.0, needed=False))
    return ActiveLayers(
        latitude=np.asarray(data["lat"].values, dtype=np.float64),
        longitude=np.asarray(data["lon"].values, dtype=np.float64),
        area=np.asarray(data["areacella"].values, dtype=np.float64) * 1e-6,
        thaw=mean("active_layer_thickness", 1.0, needed=True),
        carbon=mean("soil_carbon", 1000.0, needed=True) + thawed,
        nitrogen=mean("soil_organic_nitrogen", 1000.0, needed=False),
    )


# --- tables ----------------------------------------------------------------------------------------------------------


def _text(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4g}"


def parameter_table(groups: Sequence[Group]) -> list[tuple[str, ...]]:
    """Lines of ``profile_parameters.csv``, columns :data:`PARAMETER_COLUMNS`; what is not known is empty."""
    lines: list[tuple[str, ...]] = [PARAMETER_COLUMNS]
    for g in groups:
        f = g.fit
        notes = [PAPER_NOTE]
        if not f.points:
            notes.insert(0, "no profile with two known depths")
        elif f.profiles == 1:
            notes.insert(0, "one profile: no error")
        elif f.profiles < FEWEST:
            notes.insert(0, f"fewer than {FEWEST} profiles: the error is rough")
        if f.bound:
            notes.insert(0, "density does not fall with depth" if f.bound == "upper" else "all stock is at the surface")
        numbers = [_text(v) for v in (f.value, f.standard_error, f.lower, f.upper)]
        tail = [_text(g.mean.half_depth), _text(g.mean.amplitude / 1000.0), "", "; ".join(notes)]
        lines.append((g.name, g.element, *numbers, str(f.profiles), str(f.points), _text(f.r2), f.bound, *tail))
    return lines


def mean_table(groups: Sequence[Group], edges: Sequence[float]) -> list[tuple[str, ...]]:
    """Lines of ``mean_profiles.csv``, columns :data:`MEAN_COLUMNS`."""
    lines: list[tuple[str, ...]] = [MEAN_COLUMNS]
    for g in groups:
        for k, (top, bottom) in enumerate(pairwise(edges)):
            mean, deviation = g.mean.mean[k] / 1000.0, g.mean.deviation[k] / 1000.0
            numbers = (_text(mean), _text(deviation), _text(mean / (bottom - top)))
            lines.append((g.name, g.element, f"{top:g}", f"{bottom:g}", str(int(g.mean.count[k])), *numbers))
    return lines


# --- figures ---------------------------------------------------------------------------------------------------------


def largest(groups: Sequence[Group], element: str) -> list[Group]:
    """At most ``MOST_PANELS`` groups of an element with a fit: all together first, then by the number of profiles."""
    usable = [g for g in groups if g.element == element and g.fit.points]
    return sorted(usable, key=lambda g: (g.name != ALL, -g.fit.profiles))[:MOST_PANELS]


def draw(groups: Sequence[Group], edges: Sequence[float], source: str, folder: Path) -> list[Path]:
    """Both Figures S1 for carbon and, where there is any, for nitrogen; returns their paths."""
    written = []
    for element, letter in ELEMENTS.items():
        shown = largest(groups, element)
        if not shown:
            continue
        suffix = "" if element == "carbon" else f"_{element}"
        title = f"Half depth b of the {element} profile (Liu et al. 2022, Figure S1)\n{source}"
        path = folder / f"liu2022_figureS1{suffix}.png"
        written.append(_page(path, title, shown, lambda axis, g, word=element: _share_panel(axis, g, word), True))
        title = f"Mean {element} profiles, bars: one standard deviation (Liu et al. 2024, Figure S1)\n{source}"
        path = folder / f"liu2024_figureS1{suffix}.png"
        written.append(_page(path, title, shown, lambda axis, g, x=letter: _mean_panel(axis, g, edges, x), False))
    return written


def _page(path: Path, title: str, shown: Sequence[Group], panel: Callable[[Axes, Group], None], shares: bool) -> Path:
    plt = pyplot()
    across = min(4, len(shown))
    down = -(-len(shown) // across)
    figure, axes = plt.subplots(
        down,
        across,
        figsize=(max(3.1 * across, 6.4), 3.0 * down + 1.1),
        layout="constrained",
        squeeze=False,
        sharey=True,
    )
    for k, axis in enumerate(axes.ravel()):
        if k >= len(shown):
            axis.set_visible(False)
            continue
        panel(axis, shown[k])
        axis.set_ylim(3.1, 0.0)
        axis.tick_params(labelsize=8, labelleft=k % across == 0, labelbottom=True)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(color="0.92", linewidth=0.6)
        axis.set_axisbelow(True)
        if k % across == 0:
            axis.set_ylabel("depth (m)", fontsize=8)
    if shares:
        handles = [
            plt.Line2D([], [], color="0.45", marker="o", markersize=3, linestyle="", label="observed"),
            plt.Line2D([], [], color=COLOURS[0], linewidth=1.6, label="fit"),
            plt.Rectangle((0, 0), 1, 1, color=COLOURS[0], alpha=0.3, linewidth=0, label="95 %"),
        ]
    else:
        handles = [
            plt.Line2D([], [], color=COLOURS[0], linewidth=1.6, marker="o", markersize=4, label="mean of the interval"),
            plt.Line2D([], [], color="0.2", linestyle="--", linewidth=1.2, label="hyperbola of the means"),
        ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=10)
    return save(figure, path)


def _short(name: str) -> str:
    return name if len(name) <= 30 else name[:29] + "…"


def _share_panel(axis: Axes, group: Group, element: str) -> None:
    f, c = group.fit, group.curve
    axis.plot(c.observed, group.points.depth, linestyle="", marker="o", markersize=2.2, color="0.45", alpha=0.6)
    if np.isfinite(c.lower).all():
        axis.fill_betweenx(c.depth, c.lower, c.upper, color=COLOURS[0], alpha=0.3, linewidth=0)
    axis.plot(c.share, c.depth, color=COLOURS[0], linewidth=1.6)
    error = f" ± {f.standard_error:.2f}" if np.isfinite(f.standard_error) else ""
    value = f"b at its {f.bound} bound" if f.bound else f"b = {f.value:.2f}{error} m"
    r2 = f", R$^2$ {f.r2:.2f}" if np.isfinite(f.r2) else ""
    axis.set_title(f"{_short(group.name)}\n{value}, n = {f.profiles}{r2}", loc="left", fontsize=8)
    axis.set_xlim(0.0, 1.05)
    axis.set_xlabel(f"share of the {element} of 0-3 m", fontsize=8)


def _mean_panel(axis: Axes, group: Group, edges: Sequence[float], letter: str) -> None:
    m, limits = group.mean, np.asarray(edges, dtype=np.float64)
    thickness = np.diff(limits)
    mean, deviation = m.mean / thickness / 1000.0, m.deviation / thickness / 1000.0
    middle = 0.5 * (limits[:-1] + limits[1:])
    axis.plot(np.repeat(mean, 2), np.repeat(limits, 2)[1:-1], color=COLOURS[0], linewidth=1.6)
    axis.errorbar(
        mean, middle, xerr=np.nan_to_num(deviation), fmt="o", markersize=4, color=COLOURS[0], ecolor="0.35", capsize=2
    )
    top = float(np.nanmax(mean + np.nan_to_num(deviation)))
    if np.isfinite(m.half_depth):
        depth = np.linspace(0.0, limits[-1], 61)
        density = m.amplitude * m.half_depth / (m.half_depth + depth) ** 2 / 1000.0
        axis.plot(density, depth, color="0.2", linestyle="--", linewidth=1.2)
    counts = f"{int(m.count.min())}" if m.count.min() == m.count.max() else f"{int(m.count.min())}-{int(m.count.max())}"
    axis.set_title(f"{_short(group.name)}\nn = {counts} an interval", loc="left", fontsize=8)
    axis.set_xlim(0.0, 1.1 * top)
    axis.set_xlabel(f"density (kg {letter} m$^{{-3}}$)", fontsize=8)


# --- active layer ----------------------------------------------------------------------------------------------------

ON_PLATEAU = ((25.0, 40.0), (70.0, 105.0))
"""Latitudes (N) and longitudes (E) within which a profile may be one of the plateau that Liu et al. (2022) model."""


def on_plateau(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Whether each place (place,), degrees, lies in the box :data:`ON_PLATEAU`; unknown places do not."""
    (south, north), (west, east) = ON_PLATEAU
    return (latitude >= south) & (latitude <= north) & (longitude >= west) & (longitude <= east)


def stocks_figure(
    path: Path, lines: Sequence[tuple[str, ...]], found: Sequence[Score], source: str, *, plateau: bool
) -> Path:
    """Simulated against observed active-layer carbon and nitrogen (kg m-2): the stocks' panels of 2022 Figure 2.

    ``lines``: of ``active_layer_stocks.csv``, with header; ``found``: their scores (g m-2) by vegetation type and together.
    Vegetation types differ in colour and mark. An element without a pair says so; without a profile on the ``plateau`` the
    title says that the paper's data are not available.
    """
    plt = pyplot()
    rows = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["vegetation"]] = counts.get(row["vegetation"], 0) + 1
    types = sorted(counts, key=lambda name: (name == NOT_STATED, -counts[name], name))
    shown, rest = (types, []) if len(types) <= MOST_TYPES else (types[: MOST_TYPES - 1], types[MOST_TYPES - 1 :])
    figure, axes = plt.subplots(1, 2, figsize=(10.4, 6.0), squeeze=False, layout="constrained")
    for axis, (element, letter), word in zip(axes[0], ELEMENTS.items(), ("a", "b"), strict=True):
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
        pairs = {name: _pairs(rows, element, [name]) for name in shown}
        if rest:
            pairs[OTHER] = _pairs(rows, element, rest)
        every = np.concatenate(list(pairs.values()))
        if not every.size:
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_box_aspect(1)
            axis.set_title(f"({word}) soil {element}", loc="left", fontsize=9)
            text = f"{NO_DATA}:\nno pair of observed and simulated {element}"
            axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", fontsize=9, color="0.35")
            continue
        unit = f"kg {letter} m$^{{-2}}$"
        by_type = {s.site: s for s in found if s.stream == f"active_layer_{element}"}
        top, size = 1.05 * float(every.max()), 5.0 if len(every) < 100 else 3.8
        axis.plot([0, top], [0, top], color="0.5", linewidth=0.8, linestyle="--", label="1 : 1")
        for k, (name, values) in enumerate(pairs.items()):
            if not values.size:
                continue
            label = f"{name.replace('_', ' ')}: " + (
                _scores(by_type[name], unit) if name in by_type else f"n = {len(values)}"
            )
            axis.plot(
                *values.T, linestyle="", marker=CLASS_MARKERS[k], markersize=size, color=CLASS_COLOURS[k], alpha=0.85,
                markeredgecolor="0.15", markeredgewidth=0.4, label=label,
            )  # fmt: skip
        axis.set_xlim(0, top)
        axis.set_ylim(0, top)
        axis.set_aspect("equal")
        axis.set_xlabel(f"observed {element} of the active layer ({unit})", fontsize=9)
        axis.set_ylabel(f"simulated ({unit})", fontsize=9)
        together = by_type.get(ALL) or next(iter(by_type.values()))
        axis.set_title(f"({word}) soil {element}: {_scores(together, unit)}", loc="left", fontsize=9)
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), fontsize=7.5, frameon=False)
    title = f"Active-layer stocks (panels of Liu et al. 2022, Figure 2)\n{source}"
    if not plateau:
        title += f"\n{NO_DATA} of the plateau: no profile of this table is known to lie there"
    figure.suptitle(title, fontsize=10)
    return save(figure, path)


def _pairs(rows: Sequence[dict[str, str]], element: str, names: Sequence[str]) -> np.ndarray:
    """Observed and simulated stock (pair, 2), kg m-2, of an element and vegetation types."""
    mine = [row for row in rows if row["element"] == element and row["vegetation"] in names]
    both = [(float(row["observed_kg_m2"]), float(row["simulated_kg_m2"])) for row in mine]
    return np.array(both, dtype=np.float64).reshape(-1, 2)


def _scores(score: Score, unit: str) -> str:
    """R2, RMSE and n of a score in g m-2; R2 of fewer than three pairs says nothing and is left out."""
    r2 = f"R$^2$ {round(score.r2, 2) + 0.0:.2f}, " if np.isfinite(score.r2) and score.n > 2 else ""
    return f"{r2}RMSE {score.rmse / 1000.0:.2g} {unit}, n = {score.n}"
