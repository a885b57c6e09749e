"""First figures of a result: the site at a glance, the ground over depth and time, a map."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

import xarray as xr

from jtem.errors import InputError
from jtem.front.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def overview(result: Result, *, cell: int = 0, title: str = "") -> Figure:
    """One page of a site or a cell: soil temperature over depth and time, thaw, seasonal cycle, fluxes and pools.

    Raises ``InputError`` where matplotlib is not installed.
    """
    from jtem.report import site_page

    monthly = _with_cell(result.monthly) if _has(result, "monthly") else None
    return site_page.overview(_with_cell(result.annual), monthly, cell=cell, title=title or result.name)


def profile(result: Result, *, cell: int = 0, axes: Axes | None = None) -> Axes:
    """Soil temperature over depth and time, with the 0 degC line and the thaw depth. Raises ``InputError``."""
    from jtem.report import site_page

    data = result.monthly if _has(result, "monthly") and "tsl" in result.monthly else result.annual
    if "tsl" not in data:
        raise InputError("the result has no soil temperature; keep it with monthly=['soil_temperature']")
    return site_page.profile(_with_cell(data), cell=cell, axes=axes)


def map(
    result: Result,
    variable: str,
    *,
    year: int | tuple[int, int] | None = None,
    axes: Axes | None = None,
    title: str = "",
) -> Axes:
    """A map of a yearly variable (any of its names) of a region: one ``year``, the mean of (first, last), or of all.

    Raises ``InputError`` for an unknown variable or year, and for a site.
    """
    from jtem import variables
    from jtem.report import maps

    data = result.annual
    if "cell" not in data.dims:
        raise InputError("the result is of one site; a map needs a region")
    found = variables.find(variable, "map")
    if found.file_name not in data:
        raise InputError(f"the result has no '{found.name}'; keep it with annual=['{found.name}']")
    return maps.draw(data, found.file_name, year=year, axes=axes, title=title)


def _has(result: Result, frequency: str) -> bool:
    return any(frequency in parts for parts in result.stages.values())


def _with_cell(data: xr.Dataset) -> xr.Dataset:
    """A site as a dataset of one cell, as the files have it."""
    if "cell" in data.dims:
        return data
    still: set[Hashable] = {name for name in data.variables if "time" not in data[name].dims and name not in _PLACE}
    moving = data.drop_vars(still).expand_dims("cell", axis=-1)
    along = {name: ("cell", [data[name].values]) for name in _PLACE if name in data.coords}
    kept = moving.drop_vars([name for name in along if name in moving.variables]).assign_coords(along)
    times = {name: data[name] for name in ("time", "year") if name in data.coords}
    return kept.assign_coords(times).merge(data[list(still)])


_PLACE = ("lat", "lon", "areacella", "site", "community", "status")
