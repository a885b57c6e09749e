"""What the readers understand of a netCDF file, as text: coordinates, months, units, values, before any plan is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import netCDF4
import numpy as np

from jtem.errors import InputError
from jtem.readers import cell_area, cf, layouts, time_axis, units
from jtem.readers.months import Months, months_of_axes

MOST_VALUES = 2_000_000
"""No more values of a variable than this are looked at."""
SHADES = " .:-=+*#%@"
MAP_COLUMNS, MAP_ROWS = 60, 16


def describe(path: Path | str, names: Mapping[str, str] | None = None, stamp: str = "") -> str:
    """What the readers understand of one file; what they refuse stands in the text as a problem with its remedy.

    ``names``: names of ``latitude``, ``longitude``, ``time`` in the file; ``stamp``: as ``cf_monthly.read_climate`` takes it.
    Raises ``InputError`` only where the file cannot be opened.
    """
    called = layouts.check_names(names)
    path = Path(path)
    with cf.open_raw(path) as data:
        lines = [
            f"{path} ({path.stat().st_size / 1e6:.3g} MB, {getattr(data, 'Conventions', 'no Conventions attribute')})"
        ]
        here = _places(data, str(path), called, lines)
        months = _months(data, str(path), called, stamp, lines)
        fields = [v for v in data.variables.values() if _is_field(v, data, here, months)]
        for variable in fields:
            lines += _variable(variable, here, months)
        lines.append(_layout(data, months))
        known = {n for one in layouts.LAYOUTS.values() for p in one.parts for n in p.names}
        shown = sorted(fields, key=lambda v: str(v.name) not in known)
        if here is not None and shown:
            lines += _map(shown[0], here, months)
    return "\n".join(line for line in lines if line)


def _places(data: netCDF4.Dataset, where: str, names: Mapping[str, str], lines: list[str]) -> cf.Places | None:
    try:
        here = cf.places(data, where, names)
        area, origin = cell_area.area(data, here, where)
    except InputError as error:
        lines.append(f"  places: problem: {_short(error, where)}")
        return None
    lat, lon = here.latitude[np.isfinite(here.latitude)], here.longitude[np.isfinite(here.longitude)]
    kind = (
        f"grid of {here.axes[0].size} x {here.axes[1].size}"
        if here.axes is not None
        else f"grid of {here.shape[0]} x {here.shape[1]} with two-dimensional coordinates"
        if len(here.shape) == 2
        else f"{here.count} cells"
        if here.dims
        else "one place"
    )
    spans = f"{lat.min():.4g}..{lat.max():.4g} N, {lon.min():.4g}..{lon.max():.4g} E"
    said = f"  places: {kind} ({here.names[0]}, {here.names[1]}), {spans}"
    lost = here.count - int(np.isfinite(here.latitude + here.longitude).sum())
    lines.append(said + (f", {lost} without a place" if lost else ""))
    lines.append(
        f"  area: {area.min():.4g}..{area.max():.4g} km2 a cell, from {origin}"
        if origin
        else "  area: not known, 1 km2 a cell"
    )
    return here


def _months(data: netCDF4.Dataset, where: str, names: Mapping[str, str], stamp: str, lines: list[str]) -> Months | None:
    try:
        axis = time_axis.read(data, where, names.get("time", ""))
    except InputError as error:
        lines.append(
            "  time: none" if "no coordinate 'time'" in str(error) else f"  time: problem: {_short(error, where)}"
        )
        return None
    calendar = axis.calendar + ("" if axis.said_calendar else ", which no attribute tells")
    try:
        (months,) = months_of_axes([axis], stamp)
    except InputError as error:
        lines.append(f"  time: {axis.name}, {axis.start.size} steps ({calendar}); problem: {_short(error, where)}")
        return None
    first, last = int(months.month[0]), int(months.month[-1])
    how = "months" if months.step_days is None else f"steps of {24 * months.step_days:g} hours"
    by = {"bounds": "by bounds", "end": "by stamps at the end of each"}.get(
        months.stamp, "by stamps within or at the start of each"
    )
    lines.append(
        f"  time: {axis.name}, {months.month.size} {how}, {first // 12}-{first % 12 + 1:02d} to {last // 12}-{last % 12 + 1:02d} "
        f"({calendar}; {by})"
    )
    return months


def _short(error: InputError, where: str) -> str:
    return str(error).removeprefix(f"{where}: ")


def _is_field(variable: netCDF4.Variable, data: netCDF4.Dataset, here: cf.Places | None, months: Months | None) -> bool:
    """Whether a variable holds values of cells or months, and is no coordinate or bounds."""
    if variable.dtype is str or np.dtype(variable.dtype).kind not in "iuf":
        return False
    bounds = {str(getattr(v, "bounds", "")) for v in data.variables.values()}
    name = str(variable.name)
    coordinate = name in variable.dimensions or name in bounds or name.lower().endswith(("_bnds", "_bounds"))
    coordinate |= here is not None and name in here.names
    lead = {months.dimension} if months is not None else set()
    spatial = bool(here is not None and set(variable.dimensions) & set(here.dims))
    return not coordinate and (
        spatial or (bool(lead & set(variable.dimensions)) and here is not None and not here.dims)
    )


def _variable(variable: netCDF4.Variable, here: cf.Places | None, months: Months | None) -> list[str]:
    """Units, missing share, range and first values of one variable."""
    unit = str(getattr(variable, "units", ""))
    said = cf.attributes(variable)
    shape = ", ".join(f"{d} {n}" for d, n in zip(variable.dimensions, variable.shape, strict=True))
    text = f"  {variable.name} ({shape}): {_meaning(unit)}"
    method = units.cell_method(said)
    if said.get("cell_methods"):
        text += f", cell_methods {said['cell_methods']!r}" + (" (mean of daily sums)" if method == "day" else "")
    result = [text]
    try:
        values = _some(variable)
    except InputError as error:
        return [*result, f"    problem: {error}"]
    good = values[np.isfinite(values)]
    if not good.size:
        return [*result, "    all missing in what was looked at"]
    start = ", ".join(f"{v:.6g}" for v in good[:4])
    missing = 100.0 * (1 - good.size / values.size)
    result.append(f"    {good.min():.6g}..{good.max():.6g}, {missing:.3g} % missing, first values {start}")
    doubt = _doubt(unit, float(good.min()), float(good.max()), months is not None)
    return [*result, f"    {doubt}"] if doubt else result


def _meaning(unit: str) -> str:
    if not unit:
        return "no units"
    found = units.understood(unit)
    if found is None:
        return f"{unit!r}, not understood"
    kind = {
        (0, 0, 0, 1, 0, 0): "a temperature", (1, 0, -1, 0, 0, 0): "a rate of water", (-2, 1, -1, 0, 0, 0): "a rate of mass",
        (1, 0, 0, 0, -1, 0): "water a month", (-2, 1, 0, 0, -1, 0): "mass a month", (1, 0, 0, 0, 0, 0): "a length",
        (-2, 1, 0, 0, 0, 0): "a mass on an area", (0, 1, -3, 0, 0, 0): "a flux of energy",
        (0, 1, -2, 0, 0, 0): "energy on an area", (2, 0, -2, 0, 0, 0): "a geopotential",
        (0, 0, 0, 0, 0, 0): "a number", (2, 0, 0, 0, 0, 0): "an area",
    }.get(found.powers, "other")  # fmt: skip
    return f"{unit!r}, {kind}" + (f" of {'carbon' if found.of == 'C' else 'nitrogen'}" if found.of else "")


def _some(variable: netCDF4.Variable) -> np.ndarray:
    """Values of the first steps, decoded."""
    where = f"{variable.group().filepath()}: {variable.name}"
    if variable.size <= MOST_VALUES or not variable.ndim:
        return cf.numbers(variable, ..., where)
    each = max(variable.size // variable.shape[0], 1)
    return cf.numbers(variable, slice(0, max(MOST_VALUES // each, 1)), where)


def _doubt(unit: str, low: float, high: float, timely: bool) -> str:
    """A doubt about units from the range of values; "" where there is none."""
    found = units.understood(unit)
    if found is None:
        return ""
    if found.powers == (0, 0, 0, 1, 0, 0):
        celsius = (found.factor * low + found.offset - 273.15, found.factor * high + found.offset - 273.15)
        if celsius[0] < -95 or celsius[1] > 70:
            return f"doubtful: {celsius[0]:.4g}..{celsius[1]:.4g} degC is no air temperature; another unit?"
    if found.powers == (0, 1, -3, 0, 0, 0) and timely and (found.factor * high > 700 or found.factor * low < -0.1):
        return f"doubtful: {found.factor * low:.4g}..{found.factor * high:.4g} W m-2 is no mean of shortwave light; another unit?"
    if found.powers == (0, 0, 0, 0, 0, 0) and unit in ("%", "percent") and 0 < high <= 1:
        return "doubtful: nowhere above 1 percent; fractions?"
    return ""


def _layout(data: netCDF4.Dataset, months: Months | None) -> str:
    """Which variables of a run the file has, by the names of a layout."""
    if months is None:
        return ""
    have = set(data.variables)
    if set(layouts.CLIMATE_NAMES.values()) & have:
        word, chosen = "tas, pr, rsds", layouts.DEFAULT
    else:
        fits = [
            (sum(any(set(p.names) <= have for p in getattr(one, name)) for name in layouts.CLIMATE_NAMES), word)
            for word, one in layouts.LAYOUTS.items()
        ]
        best, word = max(fits, key=lambda pair: pair[0])
        if not best:
            parts = [word for word, one in layouts.LAYOUTS.items() if have & {n for p in one.parts for n in p.names}]
            return "  layout: " + (
                f"part of {', '.join(parts)}"
                if parts
                else "no variable of a run by any known name; give names under [domain.names]"
            )
        chosen = layouts.layout(word)
    found = {
        name: " + ".join(next(p for p in getattr(chosen, name) if set(p.names) <= have).names)
        for name in layouts.CLIMATE_NAMES
        if any(set(p.names) <= have for p in getattr(chosen, name))
    }
    return f"  layout: {word} ({', '.join(f'{name} from {own}' for name, own in found.items())})"


def _map(variable: netCDF4.Variable, here: cf.Places, months: Months | None) -> list[str]:
    """A small map of the first values of a variable, north up; blanks are missing."""
    if here.count < 2:
        return []
    try:
        lead = (months.dimension,) if months is not None and months.dimension in variable.dimensions else ()
        index, order = cf.on_cells(variable, here, variable.name, lead=lead)
        key = tuple(slice(0, 1) if d in lead else k for d, k in zip(variable.dimensions, index, strict=True))
        values = cf.numbers(variable, key, variable.name).transpose(order).ravel()
    except InputError:
        return []
    good = np.isfinite(values) & np.isfinite(here.latitude) & np.isfinite(here.longitude)
    if not good.any():
        return []
    if len(here.shape) == 2:  # as the file has it, north up
        north_south, west_east = (k.ravel().astype(float) for k in np.indices(here.shape))
        lat = np.where(np.isfinite(here.latitude), here.latitude, 0.0).reshape(here.shape).mean(axis=1)
        north_south = -north_south if lat[0] < lat[-1] else north_south
    else:
        north_south, west_east = -here.latitude, here.longitude
    north_south, west_east, values = north_south[good], west_east[good], values[good]

    def place(x: np.ndarray, size: int) -> tuple[np.ndarray, int]:
        size = min(size, np.unique(np.round(x, 6)).size)
        span = max(float(np.ptp(x)), 1e-9)
        return np.minimum(((x - x.min()) / span * size).astype(int), size - 1), size

    (row, rows), (column, columns) = place(north_south, MAP_ROWS), place(west_east, MAP_COLUMNS)
    total, count = (
        np.bincount(row * columns + column, weights=w, minlength=rows * columns) for w in (values, np.ones(values.size))
    )
    with np.errstate(invalid="ignore"):
        mean = total / count
    low, high = float(np.nanmin(mean)), float(np.nanmax(mean))
    shade = np.clip((mean - low) / max(high - low, 1e-300) * (len(SHADES) - 2) + 1, 1, len(SHADES) - 1)
    text = [SHADES[int(s)] if n else " " for s, n in zip(np.nan_to_num(shade), count, strict=True)]
    lines = ["".join(text[k * columns : (k + 1) * columns]) for k in range(rows)]
    return [
        f"  {variable.name}, first values, {low:.4g} ({SHADES[1]}) to {high:.4g} ({SHADES[-1]}):",
        *(f"    |{line}|" for line in lines),
    ]
