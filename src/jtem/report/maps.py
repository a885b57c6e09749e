"""Maps without any download: a region on its own extent with the coastline that jtem carries.

North-polar (azimuthal equidistant) where the cells go around the pole, else degrees. :func:`draw` is one map of one variable of
a dataset; :class:`MapCanvas` a page of maps.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from jtem.coast import coastline
from jtem.constants import PERMAFROST_THAW_LIMIT
from jtem.errors import InputError
from jtem.report import fields
from jtem.report.page import CLASS_COLOURS, CLASS_MARKERS, Axes, alone, pyplot, rounded, save

KM_PER_DEGREE = 111.2
LAND = "0.88"
"""Grey of cells without a value."""


class MapView:
    """How places lie on a page: the projection and the window that hold these cells.

    ``polar``: degrees from the pole with 0 degrees downwards, for cells around the pole; else degrees east and north, beyond
    180 where the cells lie across the date line. ``stretch``: height of a unit of y beside one of x.
    """

    def __init__(self, latitude: np.ndarray, longitude: np.ndarray, area: np.ndarray):
        self.west = _western_end(longitude)
        wide = float(np.ptp(self._unwrapped(longitude)))
        self.polar = wide > 120.0 and float(latitude.min()) > 20.0
        x, y = self.place(latitude, longitude)
        half = 0.5 * float(np.sqrt(area.max() * 1e-6)) / KM_PER_DEGREE
        margin = half + max(0.06 * max(float(np.ptp(x)), float(np.ptp(y))), 3.0 if self.polar else 1.0)
        middle = float(0.5 * (latitude.min() + latitude.max()))
        self.stretch = 1.0 if self.polar else 1.0 / max(np.cos(np.deg2rad(middle)), 0.1)
        across = margin * self.stretch
        self.window = (x.min() - across, x.max() + across, y.min() - margin, y.max() + margin)

    @property
    def proportion(self) -> float:
        """Height over width."""
        return self.stretch * (self.window[3] - self.window[2]) / (self.window[1] - self.window[0])

    def _unwrapped(self, longitude: np.ndarray) -> np.ndarray:
        return self.west + (np.asarray(longitude, np.float64) - self.west) % 360.0

    def place(self, latitude: np.ndarray, longitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates on the page."""
        if not self.polar:
            return self._unwrapped(longitude), np.asarray(latitude, np.float64)
        distance, angle = 90.0 - latitude, np.deg2rad(longitude)
        return distance * np.sin(angle), -distance * np.cos(angle)

    def frame(self, axes: Axes) -> None:
        """Limits, coast, parallels and meridians."""
        axes.set_aspect(self.stretch)
        self._coast(axes)
        axes.set_xlim(*self.window[:2])
        axes.set_ylim(*self.window[2:])
        axes.tick_params(labelsize=8)
        if not self.polar:
            axes.xaxis.set_major_formatter(lambda value, _: _degrees((value + 180.0) % 360.0 - 180.0, "EW"))
            axes.yaxis.set_major_formatter(lambda value, _: _degrees(value, "NS"))
            axes.locator_params(axis="x", nbins=5)
            axes.locator_params(axis="y", nbins=6)
            return
        axes.set_xticks([])
        axes.set_yticks([])
        around = np.linspace(-180.0, 180.0, 361)
        for parallel in (30.0, 45.0, 60.0, 75.0):
            axes.plot(*self.place(np.full(around.size, parallel), around), color="0.8", linewidth=0.4, zorder=0)
            x, y = self.place(np.array([parallel]), np.array([0.0]))
            if self.window[2] < y[0] < self.window[3]:
                axes.annotate(f"{parallel:.0f}°N", (x[0], y[0]), fontsize=6, color="0.4", ha="center", va="center")
        for meridian in range(0, 360, 45):
            axes.plot(*self.place(np.array([85.0, 20.0]), np.full(2, float(meridian))), color="0.8", lw=0.4, zorder=0)

    def _coast(self, axes: Axes) -> None:
        longitude, latitude = coastline().T
        if self.polar:
            latitude = np.where(latitude > 5.0, latitude, np.nan)
        x, y = self.place(latitude, longitude)
        if not self.polar:  # a line that leaves the page on one side and comes back on the other
            y = np.where(np.abs(np.diff(x, prepend=x[:1])) > 180.0, np.nan, y)
        axes.plot(x, y, color="0.25", linewidth=0.5, zorder=3)

    def shapes(self, latitude: np.ndarray, longitude: np.ndarray, area: np.ndarray, mark: str = "s") -> list:
        """Outlines of cells (m2) in page coordinates: squares of their area, or marks "v" inside them; never too small."""
        x, y = self.place(latitude, longitude)
        smallest = (self.window[3] - self.window[2]) / 110.0
        half = 0.5 * np.maximum(np.sqrt(np.asarray(area) * 1e-6) / KM_PER_DEGREE, smallest)
        across = half if self.polar else half / np.maximum(np.cos(np.deg2rad(latitude)), 0.1)
        corners = np.array({"s": [(-1, -1), (1, -1), (1, 1), (-1, 1)], "v": [(-1, 0.8), (1, 0.8), (0, -1)]}[mark])
        return list(np.stack([x, y], axis=1)[:, None] + corners[None] * np.stack([across, half], axis=1)[:, None])


def _western_end(longitude: np.ndarray) -> float:
    """Longitude from which on the cells take the least of the circle; -180 where they go around it."""
    places = np.unique(np.asarray(longitude, np.float64) % 360.0)
    gaps = np.diff(places, append=places[0] + 360.0)
    k = int(np.argmax(gaps))
    if places.size > 1 and gaps[k] < 60.0:
        return -180.0
    first = float(places[(k + 1) % places.size])
    start = first - 0.5 * min(float(gaps[k]), 120.0)  # the coast west of the cells belongs to the page
    return start - 360.0 if first + 0.5 * (360.0 - float(gaps[k])) >= 180.0 else start


def _degrees(value: float, words: str) -> str:
    text = f"{abs(value):.4g}°"
    return text if abs(value) < 1e-9 else text + (words[0] if value > 0 else words[1])


def draw(
    data: xr.Dataset,
    variable: str,
    *,
    year: int | tuple[int, int] | None = None,
    depth: float = 0.0,
    axes: Axes | None = None,
    title: str | None = None,
    low: float | None = None,
    high: float | None = None,
) -> Axes:
    """Draw one variable of every cell as a map on the cells' own extent, with coastlines and a colour bar.

    ``data``: a stage's dataset, annual or monthly, as the files or ``jtem`` results have it. ``year``: one year or (first, last),
    whose mean is drawn; default: the last ten years. ``depth``: m, for variables by layer. ``low``, ``high``: ends of the
    colours (default: 2nd and 98th percentile, rounded; symmetric about 0 where both signs occur). Draws into ``axes`` or a new
    figure and returns the axes. Active layers of 10 m and more count as no permafrost and are grey, as are missing cells. Raises
    ``InputError`` where the variable or years are missing or matplotlib is absent.
    """
    found = fields.needed(data, variable)
    span = (
        (int(found.years[-1]) - 9, int(found.years[-1]))
        if year is None
        else (year, year)
        if isinstance(year, int)
        else year
    )
    span = (max(span[0], int(found.years[0])), min(span[1], int(found.years[-1])))
    if span[0] > span[1]:
        raise InputError(
            f"year {year} of '{variable}' is not in the results, which have {found.years[0]}-{found.years[-1]}; give one of those"
        )
    inside = (found.years >= span[0]) & (found.years <= span[1])
    values = np.atleast_1d(found.at(depth)[inside].mean(axis=0))
    if found.name in ("active_layer_thickness", "maximum_unfrozen_thickness"):
        values = np.where(values < PERMAFROST_THAW_LIMIT, values, np.nan)
    place = [np.atleast_1d(np.asarray(data[n].values, np.float64)) for n in ("lat", "lon", "areacella")]
    view = MapView(*place)
    axes = axes or alone(7.2, float(np.clip(6.0 * view.proportion + 1.0, 3.0, 9.0)))
    view.frame(axes)
    scale = _scale(values, low, high)
    paint(axes, view, place, values, fields.pretty(found.unit), **scale)
    when = f"{span[0]}" if span[0] == span[1] else f"{span[0]}-{span[1]}"
    axes.set_title(f"{found.name.replace('_', ' ')}, {when}" if title is None else title, fontsize=9)
    return axes


def _scale(values: np.ndarray, low: float | None, high: float | None) -> dict[str, Any]:
    """Ends of the colours and whether both signs are shown."""
    known = values[np.isfinite(values)]
    if not known.size:
        return {"low": low or 0.0, "high": high or 1.0, "signed": False}
    bottom, top = np.percentile(known, [2.0, 98.0])
    if low is not None or high is not None:
        return {"low": bottom if low is None else low, "high": top if high is None else high, "signed": False}
    if known.min() < 0.0 < known.max():
        wide = rounded(float(max(-bottom, top)))
        return {"low": -wide, "high": wide, "signed": True}
    if bottom >= 0.0 and (bottom < 0.5 * top or bottom == top):
        return {"low": 0.0, "high": rounded(float(top)), "signed": False}
    return {"low": bottom, "high": top if top > bottom else bottom + 1.0, "signed": False}


def paint(
    axes: Axes,
    view: MapView,
    place: list[np.ndarray],
    values: np.ndarray,
    unit: str,
    *,
    low: float,
    high: float,
    signed: bool,
    said: bool = True,
) -> None:
    """One field (cell,) on ``axes`` with its colour bar; NaN is light grey, values beyond low..high take the end colours.

    Signed fields: negative cells are triangles, so that grey print keeps the sign; ``said``: the label of the bar says so.
    """
    plt = pyplot()
    from matplotlib.collections import PolyCollection

    known = np.isfinite(values)
    latitude, longitude, area = place
    # light to dark both ways for a signed field, dark to light else: both legible in grey
    norm, colours = plt.matplotlib.colors.Normalize(low, high), "PuOr" if signed else "cividis"
    negative = known & (values < 0) & signed
    for which, mark in ((~known, "s"), (known & ~negative, "s"), (negative, "v")):
        if which.any():
            shapes = PolyCollection(
                view.shapes(latitude[which], longitude[which], area[which], mark), linewidths=0, zorder=2
            )
            if known[which].all():
                shapes.set(array=values[which], norm=norm, cmap=colours)
            else:
                shapes.set_facecolor(LAND)
            axes.add_collection(shapes, autolim=False)
    above, below = (bool((known & beyond).any()) for beyond in (values > high, values < low))
    extend = {(True, True): "both", (True, False): "max", (False, True): "min"}.get((above, below), "neither")
    scale = plt.matplotlib.cm.ScalarMappable(norm, cmap=colours)
    bar = axes.figure.colorbar(scale, ax=axes, shrink=0.75, pad=0.04, extend=extend)
    bar.set_label(unit + (", triangles < 0" if said and negative.any() else ""), fontsize=8)
    bar.ax.tick_params(labelsize=7)


class MapCanvas:
    """A page of maps of the same cells (degrees, m2): one window and projection for all."""

    def __init__(
        self, rows: int, columns: int, title: str, latitude: np.ndarray, longitude: np.ndarray, area: np.ndarray
    ):
        self.place = [np.asarray(v, dtype=np.float64) for v in (latitude, longitude, area)]
        self.area = self.place[2]
        self.view = MapView(*self.place)
        width = 4.4 if rows * columns > 1 else 7.0
        height = 0.82 * width * self.view.proportion + 0.35
        self.figure, axes = pyplot().subplots(
            rows,
            columns,
            figsize=(width * columns, height * rows + 0.6 + (1.6 if rows * columns == 1 else 0.0)),
            layout="constrained",
            squeeze=False,
        )
        self.axes = list(axes.ravel())
        self.figure.suptitle(title, fontsize=11)
        for axes in self.axes:
            self.view.frame(axes)

    def values(
        self,
        axes: Axes,
        values: np.ndarray,
        caption: str,
        unit: str,
        *,
        low: float,
        high: float,
        signed: bool = False,
        said: bool = True,
    ) -> None:
        """One field (cell,): see :func:`paint`."""
        paint(axes, self.view, self.place, values, unit, low=low, high=high, signed=signed, said=said)
        axes.set_title(caption, fontsize=9)

    def classes(self, axes: Axes, names: np.ndarray, caption: str) -> None:
        """One word a cell; legend with the share of the area."""
        from matplotlib.collections import PolyCollection

        shares = {str(n): float(self.area[names == n].sum() / self.area.sum()) for n in sorted(set(names.tolist()))}
        latitude, longitude, area = self.place
        for k, name in enumerate(sorted(shares, key=lambda n: -shares[n])):
            turn, n = divmod(k, len(CLASS_COLOURS))
            colour, marker = CLASS_COLOURS[n], CLASS_MARKERS[(n + turn) % len(CLASS_MARKERS)]
            which = names == name
            if turn == 0 and n == 0:
                shapes = self.view.shapes(latitude[which], longitude[which], area[which])
                axes.add_collection(PolyCollection(shapes, linewidths=0, zorder=2, facecolors=colour), autolim=False)
            else:
                x, y = self.view.place(latitude[which], longitude[which])
                axes.scatter(x, y, s=self._marks(area[which]), marker=marker, linewidths=0, color=colour, zorder=2)
            share = f"{100 * shares[name]:.0f}" if shares[name] >= 0.01 else "< 1"
            text = f"{name.replace('_', ' ')} ({share} %)"
            axes.scatter([], [], s=30, color=colour, marker=marker, label=text)
        self.figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
        axes.set_title(caption, fontsize=9)

    def _marks(self, area: np.ndarray) -> np.ndarray:
        """Sizes (points^2) of marks as large as their cells."""
        degrees = np.sqrt(area * 1e-6) / KM_PER_DEGREE * (1.0 if self.view.polar else self.view.stretch)
        points = 0.78 * self.figure.get_figwidth() * 72 / (self.view.window[1] - self.view.window[0])
        return 1.3 * np.clip(degrees * points, 0.7, 14.0) ** 2

    def sites(self, axes: Axes, places: dict[str, tuple[float, float]]) -> None:
        """Named places (latitude, longitude) as open circles."""
        for name, (latitude, longitude) in places.items():
            x, y = self.view.place(np.array([latitude]), np.array([longitude]))
            axes.scatter(x, y, s=34, facecolors="none", edgecolors="black", linewidths=1.2, zorder=5)
            axes.annotate(name, (float(x[0]), float(y[0])), (4, 4), textcoords="offset points", fontsize=7, zorder=6)

    def save(self, path: Path) -> Path:
        """Written whole or not at all."""
        return save(self.figure, path, 140)
