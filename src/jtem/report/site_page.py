"""The page of one site: soil temperature over depth and time, thaw, fluxes, pools, seasonal cycles, snow.

Everything is drawn from datasets as the files have them (``fields``); what they lack is said in its panel. Units are house units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import xarray as xr

from jtem.constants import PERMAFROST_THAW_LIMIT
from jtem.errors import InputError
from jtem.report import fields
from jtem.report.fields import SiteSeries
from jtem.report.page import COLOURS, Axes, Figure, alone, empty, label, plain, pyplot

MONTHS = "JFMAMJJASOND"
SNOW_YEAR = np.roll(np.arange(12), -6)
"""July to June: a snow season in one piece."""
LAST_YEARS = 10
"""Years at the end of a stage whose mean seasonal cycle is drawn."""
MOST_CONTOUR_YEARS = 30
"""Years up to which the line of 0 degC is drawn month by month; it would be a black area in more."""
STAGE_STYLES = ("-", "--", "-.", ":")
FLUXES = ("gross_primary_production", "net_primary_production", "heterotrophic_respiration", "net_ecosystem_production")
STORES = ("thawed_permafrost_carbon", "frozen_carbon")
"""Pools that hold nothing before thaw can expose them; left out where no stage has any."""
POOLS = ("vegetation_carbon", "soil_carbon", *STORES)
WORDS = {
    "gross_primary_production": "GPP",
    "net_primary_production": "NPP",
    "heterotrophic_respiration": "RH",
    "net_ecosystem_production": "NEP",
    "vegetation_carbon": "vegetation",
    "soil_carbon": "active soil",
    "thawed_permafrost_carbon": "thawed permafrost",
    "frozen_carbon": "frozen",
}
Data = xr.Dataset | Mapping[str, xr.Dataset]


def overview(annual: Data, monthly: Data | None = None, *, cell: int = 0, title: str = "") -> Figure:
    """Draw the page of one cell: soil temperature over depth and time, then by year, then by season.

    ``annual``, ``monthly``: datasets of one stage, or of several by name, in order; ``cell``: its position. Panels: (a) soil
    temperature with the line of 0 degC and the yearly thaw depth; (b) thaw depth, (c) carbon fluxes and (d) pools by year; mean
    seasonal cycles of (e) temperatures and (f) fluxes and (g) snow in the last ten years of each stage. Raises ``InputError``
    where matplotlib or the cell is absent.
    """
    years, months = fields.by_stage(annual), fields.by_stage(monthly)
    count = fields.cells(next(iter(years.values())))
    if not 0 <= cell < count:
        raise InputError(f"cell {cell} is not among the {count} cells of the results; give 0..{count - 1}")
    rows = 3 if months else 1
    figure = pyplot().figure(figsize=(12.5, 3.1 * rows + 0.8), layout="constrained")
    grid = figure.add_gridspec(rows, 3)
    letters = iter("abcdefg")

    def panel(row: int, column: slice | int) -> Axes:
        axes = figure.add_subplot(grid[row, column])
        axes.set_title(f"({next(letters)})", loc="left", fontsize=9)
        return axes

    if months:
        _profile_of_all(panel(0, slice(None)), months, years, cell)
    for column, draw in enumerate((_thaw, _fluxes, _pools)):
        draw(panel(1 if months else 0, column), years, cell)
    if months:
        for column, draw in enumerate((_temperatures, _seasonal_fluxes, _snow)):
            draw(panel(2, column), months, cell)
    figure.suptitle(title or fields.place_name(next(iter(years.values())), cell), fontsize=11)
    return figure


def profile(
    data: xr.Dataset,
    *,
    cell: int = 0,
    thaw: xr.Dataset | None = None,
    deepest: float | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw soil temperature (degC) of one cell over time and depth with the line of 0 degC.

    ``data``: monthly or annual dataset with ``soil_temperature``; ``thaw``: annual dataset whose active layer is drawn as steps;
    ``deepest``: m, the end of the axis (default: 3 m, or half as deep again as the deepest thaw). Draws into ``axes`` or a new
    figure and returns the axes. Raises ``InputError`` where soil temperature or matplotlib is absent.
    """
    found = fields.needed(data, "soil_temperature", cell)
    if found.depth is None:
        raise InputError("soil temperature has no layers in these results; give the dataset of a run")
    axes = axes or alone(9.0, 3.4)
    depths = None if thaw is None else fields.field(thaw, "active_layer_thickness", cell)
    known = None if depths is None else np.where(depths.values < PERMAFROST_THAW_LIMIT, depths.values, np.nan)
    reached = 0.0 if known is None or np.isnan(known).all() else float(np.nanmax(known))
    bottom = deepest or min(max(3.0, 1.5 * reached), float(found.depth[-1]))
    edges = _edges(found.depth)
    shown = int(np.searchsorted(edges[:-1], bottom)) or 1
    step = 1.0 / 12.0 if found.monthly else 1.0
    when = np.append(found.when - step / 2, found.when[-1] + step / 2)
    values = found.values[:, :shown].T
    wide = max(float(np.ceil(np.nanpercentile(np.abs(values), 99.0))), 1.0)
    mesh = axes.pcolormesh(when, edges[: shown + 1], values, cmap="RdBu_r", vmin=-wide, vmax=wide, rasterized=True)
    crosses = np.nanmin(values) < 0.0 < np.nanmax(values)
    if crosses and np.ptp(when) <= MOST_CONTOUR_YEARS:
        axes.contour(found.when, found.depth[:shown], values, levels=[0.0], colors="0.1", linewidths=0.7)
    if known is not None and depths is not None:
        axes.stairs(known, np.append(depths.years, depths.years[-1] + 1), baseline=None, color="0.1", linewidth=1.5)
    axes.set_ylim(bottom, 0.0)
    axes.set_xlim(when[0], when[-1])
    axes.locator_params(axis="x", integer=True)
    axes.set_ylabel("depth (m)", fontsize=8)
    axes.tick_params(labelsize=8)
    bar = axes.figure.colorbar(mesh, ax=axes, pad=0.01, extend="both")
    bar.set_label("soil temperature (°C)", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return axes


def _edges(depth: np.ndarray) -> np.ndarray:
    """Faces of layers that begin at 0 and have these middles (m)."""
    edges = [0.0]
    for middle in depth:
        edges.append(2.0 * float(middle) - edges[-1])
    return (
        np.asarray(edges)
        if np.all(np.diff(edges) > 0)
        else np.append(0.0, np.append((depth[1:] + depth[:-1]) / 2, depth[-1]))
    )


# --- panels ----------------------------------------------------------------------------------------------------------


def _chain(stages: Mapping[str, xr.Dataset]) -> list[str]:
    """The first stage and the last one, if it goes on where the first one ends: what is drawn over time."""
    names = list(stages)
    last = names[-1]
    if last != names[0] and fields.years_of(stages[last])[0] == fields.years_of(stages[names[0]])[-1] + 1:
        return [names[0], last]
    return names[:1]


def _profile_of_all(axes: Axes, months: Mapping[str, xr.Dataset], years: Mapping[str, xr.Dataset], cell: int) -> None:
    """Panel (a): history and the last scenario in one picture."""
    chain = [name for name in _chain(months) if fields.field(months[name], "soil_temperature", cell) is not None]
    if not chain:
        empty(axes, "soil_temperature is not among the monthly results: add it to 'monthly' in [output]")
        return
    joined = [months[name][["year", _key(months[name], "soil_temperature")]] for name in chain]
    whole = xr.concat(joined, "time") if len(joined) > 1 else joined[0]
    thaw = [years[name][["year", _key(years[name], "active_layer_thickness")]] for name in chain if name in years]
    profile(whole, cell=cell, thaw=(xr.concat(thaw, "time") if len(thaw) > 1 else thaw[0]) if thaw else None, axes=axes)
    said = " and ".join(_said(name) for name in chain if name)
    axes.set_title(f"(a) {said}{'; ' if said else ''}steps: thaw depth of the year", loc="left", fontsize=9)


def _key(data: xr.Dataset, name: str) -> str:
    file_name = fields.find(name, "the figure").file_name
    return file_name if file_name in data.variables else name


def _said(stage: str) -> str:
    return label(stage) if stage else ""


def _by_stage(stages: Mapping[str, xr.Dataset], name: str, cell: int) -> list[tuple[str, SiteSeries]]:
    """A variable in every stage that has it."""
    found = [(stage, fields.field(data, name, cell)) for stage, data in stages.items()]
    return [(stage, one) for stage, one in found if one is not None]


def _legend(axes: Axes, colours: Sequence[tuple[str, str]], stages: Sequence[str]) -> None:
    """Above the panel: what colours mean, and line styles where there are several stages."""
    line = pyplot().Line2D
    alone = len(colours) == 1 and colours[0][0] in axes.get_ylabel()
    handles = [] if alone else [line([], [], color=colour, label=text) for text, colour in colours]
    if len(stages) > 1:
        handles += [
            line([], [], color="0.2", linestyle=STAGE_STYLES[k % 4], label=_said(stage))
            for k, stage in enumerate(stages)
        ]
    if handles:
        axes.legend(
            handles=handles, fontsize=6.5, frameon=False, ncols=3 if len(handles) > 4 else len(handles), loc="lower right",
            bbox_to_anchor=(1.02, 0.98), handlelength=1.8, columnspacing=1.0, borderaxespad=0.2, borderpad=0.0,
        )  # fmt: skip


def _by_year(axes: Axes, stages: Mapping[str, xr.Dataset]) -> None:
    """The axis of years of all stages, with whole numbers."""
    years = np.concatenate([fields.years_of(data) for data in stages.values()])
    axes.set_xlim(years.min() - 0.5, years.max() + 0.5)
    axes.locator_params(axis="x", integer=True)


def _thaw(axes: Axes, stages: Mapping[str, xr.Dataset], cell: int) -> None:
    """Active layer of every year and stage, downwards."""
    plain(axes)
    found = _by_stage(stages, "active_layer_thickness", cell)
    known = [(stage, f.years, np.where(f.values < PERMAFROST_THAW_LIMIT, f.values, np.nan)) for stage, f in found]
    known = [one for one in known if np.isfinite(one[2]).any()]
    if not known:
        empty(axes, "no permafrost: the ground thaws to 10 m or more in every year")
        return
    for k, (stage, years, depth) in enumerate(known):
        axes.plot(years, depth, color=COLOURS[k % 4], linewidth=1.3, label=_said(stage))
    _by_year(axes, stages)
    axes.invert_yaxis()
    axes.set_ylim(top=0.0)
    axes.set_ylabel("thaw depth (m)", fontsize=8)
    if len(known) > 1:
        axes.legend(fontsize=7, frameon=False)
    if sum(np.isnan(depth).sum() for *_, depth in known):
        axes.set_xlabel("years without a line: no permafrost above 10 m", fontsize=8)


def _lines(
    axes: Axes, stages: Mapping[str, xr.Dataset], cell: int, names: Sequence[str], scale: float, text: str
) -> None:
    """Several variables by year: a colour a variable, a line style a stage."""
    plain(axes)
    shown: list[tuple[str, str]] = []
    used: list[str] = []
    for name, colour in zip(names, COLOURS, strict=True):
        found = _by_stage(stages, name, cell)
        if _is_unfilled(name, [one for _, one in found]):
            continue
        for stage, one in found:
            if stage not in used:
                used.append(stage)
            style = STAGE_STYLES[used.index(stage) % 4]
            axes.plot(one.years, one.values * scale, color=colour, linestyle=style, linewidth=1.2)
            if (WORDS[name], colour) not in shown:
                shown.append((WORDS[name], colour))
    if not shown:
        empty(axes, f"none of {', '.join(names)}\nis among the annual results: add them to 'annual' in [output]")
        return
    _by_year(axes, stages)
    axes.set_ylabel(text, fontsize=8)
    _legend(axes, shown, used)


def _fluxes(axes: Axes, stages: Mapping[str, xr.Dataset], cell: int) -> None:
    _lines(axes, stages, cell, FLUXES, 1.0, "carbon fluxes (gC m$^{-2}$ year$^{-1}$)")
    if axes.lines:
        axes.axhline(0, color="0.5", linewidth=0.6)


def _pools(axes: Axes, stages: Mapping[str, xr.Dataset], cell: int) -> None:
    _lines(axes, stages, cell, POOLS, 1e-3, "carbon pools (kgC m$^{-2}$)")
    if axes.lines:
        axes.set_ylim(bottom=0.0)


def _cycles(
    axes: Axes,
    stages: Mapping[str, xr.Dataset],
    cell: int,
    curves: Sequence[tuple[str, str, Callable[[SiteSeries], SiteSeries] | None]],
    text: str,
    order: np.ndarray | None = None,
) -> None:
    """Mean seasonal cycles of the last years of the first and the last stage: a colour a curve, a line style a stage."""
    order = np.arange(12) if order is None else order
    plain(axes)
    names = list(stages)
    ends = [names[0]] if len(names) == 1 else [names[0], names[-1]]
    shown: list[tuple[str, str]] = []
    for (word, name, pick), colour in zip(curves, COLOURS, strict=False):
        for k, stage in enumerate(ends):
            one = fields.field(stages[stage], name, cell)
            if one is None:
                continue
            one = pick(one) if pick else one
            last = int(one.years[-1])
            cycle = one.cycle(last - LAST_YEARS + 1, last)[order]
            axes.plot(
                np.arange(1, 13), cycle, color=colour, linestyle=STAGE_STYLES[k], linewidth=1.3, marker="." if k else ""
            )
            if (word, colour) not in shown:
                shown.append((word, colour))
    if not shown:
        lacking = ", ".join(dict.fromkeys(name for _, name, _ in curves))
        empty(axes, f"none of {lacking}\nis among the monthly results: add them to 'monthly' in [output]")
        return
    axes.set_xticks(np.arange(1, 13), [MONTHS[k] for k in order])
    axes.set_ylabel(text, fontsize=8)
    spans = [_last_span(stages[stage]) for stage in ends]
    axes.set_xlabel("mean of " + ", ".join(f"{a}-{b}" for a, b in spans), fontsize=8)
    _legend(axes, shown, ends)


def _last_span(data: xr.Dataset) -> tuple[int, int]:
    years = fields.years_of(data)
    return max(int(years[-1]) - LAST_YEARS + 1, int(years[0])), int(years[-1])


def _layer(depth: float) -> Callable[[SiteSeries], SiteSeries]:
    def pick(one: SiteSeries) -> SiteSeries:
        return SiteSeries(one.name, one.long_name, one.at(depth), one.unit, one.years, None)

    return pick


def _temperatures(axes: Axes, stages: Mapping[str, xr.Dataset], cell: int) -> None:
    curves = [
        ("air", "air_temperature", None),
        *((f"soil {d:g} m", "soil_temperature", _layer(d)) for d in (0.1, 0.5, 2.0)),
    ]
    _cycles(axes, stages, cell, curves, "temperature (°C)")
    if axes.lines:
        axes.axhline(0, color="0.5", linewidth=0.6)


def _seasonal_fluxes(axes: Axes, stages: Mapping[str, xr.Dataset], cell: int) -> None:
    _cycles(
        axes, stages, cell, [(WORDS[name], name, None) for name in FLUXES], "carbon fluxes (gC m$^{-2}$ month$^{-1}$)"
    )
    if axes.lines:
        axes.axhline(0, color="0.5", linewidth=0.6)


def _snow(axes: Axes, stages: Mapping[str, xr.Dataset], cell: int) -> None:
    if any(fields.field(data, "snow_depth", cell) is not None for data in stages.values()):
        _cycles(axes, stages, cell, [("snow depth", "snow_depth", None)], "snow depth (m)", SNOW_YEAR)
    else:
        _cycles(axes, stages, cell, [("snowpack", "snowpack", None)], "snow water equivalent (mm)", SNOW_YEAR)
    if axes.lines:
        axes.set_ylim(bottom=0.0)


# --- numbers ---------------------------------------------------------------------------------------------------------

TABLE = (
    ("gross_primary_production", "GPP", 1.0, "gC m-2 year-1"),
    ("net_primary_production", "NPP", 1.0, "gC m-2 year-1"),
    ("heterotrophic_respiration", "RH", 1.0, "gC m-2 year-1"),
    ("net_ecosystem_production", "NEP", 1.0, "gC m-2 year-1"),
    ("vegetation_carbon", "vegetation C", 1e-3, "kgC m-2"),
    ("soil_carbon", "active soil C", 1e-3, "kgC m-2"),
    ("thawed_permafrost_carbon", "thawed permafrost C", 1e-3, "kgC m-2"),
    ("frozen_carbon", "frozen C", 1e-3, "kgC m-2"),
    ("active_layer_thickness", "active layer", 1.0, "m"),
    ("surface_soil_temperature", "soil temperature 0-20 cm", 1.0, "degC"),
    ("evapotranspiration", "evapotranspiration", 1.0, "mm year-1"),
    ("runoff", "runoff", 1.0, "mm year-1"),
)
"""Rows of :func:`table`: variable, words, factor on the house unit, unit."""


def table(annual: Data, cell: int = 0) -> list[tuple[str, ...]]:
    """Means over the first and last years (at most ten) of every stage, a row a quantity that the datasets have; with header."""
    stages = fields.by_stage(annual)
    spans: list[tuple[str, int, int]] = []
    for stage, data in stages.items():
        years = fields.years_of(data)
        size = min(LAST_YEARS, max(years.size // 2, 1))
        if years.size > 1:
            spans.append((stage, int(years[0]), int(years[0]) + size - 1))
        spans.append((stage, int(years[-1]) - size + 1, int(years[-1])))
    rows: list[tuple[str, ...]] = [("quantity", "unit", *(f"{s} {a}-{b}".strip() for s, a, b in spans))]
    for name, words, factor, unit in TABLE:
        known = {stage: fields.field(data, name, cell) for stage, data in stages.items()}
        if any(known.values()) and not _is_unfilled(name, known.values()):
            means = [np.nan if known[s] is None else float(_mean(known[s], a, b)) * factor for s, a, b in spans]
            rows.append((words, unit, *("" if np.isnan(v) else f"{v:.4g}" for v in means)))
    return rows


def _is_unfilled(name: str, found: Iterable[SiteSeries | None]) -> bool:
    """Whether a pool is one of :data:`STORES` and empty throughout."""
    return name in STORES and not any(one is not None and np.any(one.values) for one in found)


def _mean(one: SiteSeries | None, first: int, last: int) -> np.ndarray:
    assert one is not None
    return one.by_year(first, last)


def as_text(rows: Sequence[tuple[str, ...]], caption: str) -> str:
    """A table for a terminal."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = [caption]
    for row in rows:
        left = [cell.ljust(w) for cell, w in zip(row[:2], widths[:2], strict=True)]
        right = [cell.rjust(w) for cell, w in zip(row[2:], widths[2:], strict=True)]
        lines.append("  ".join([*left, *right]).rstrip())
    return "\n".join(lines)
