"""Small netCDF files with known truth, in any layout: for the tests of readers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cftime
import netCDF4
import numpy as np

LATITUDE, LONGITUDE = np.array([66.25, 66.75, 67.25]), np.array([-150.25, -149.75, -149.25, -148.75])
FIRST, LAST = 1991, 1992
NORTH, EAST = {"units": "degrees_north"}, {"units": "degrees_east"}
UNITS = {"tas": "degC", "pr": "mm month-1", "rsds": "W m-2"}
GRID = ("lat", "lon")


def truth(latitude, longitude, first: int = FIRST, last: int = LAST) -> dict[str, np.ndarray]:
    """tas (degC), pr (mm month-1), rsds (W m-2) as (month, *places)."""
    latitude, longitude = np.broadcast_arrays(np.asarray(latitude, float), np.asarray(longitude, float))
    t = np.arange(12 * (last - first + 1)).reshape(-1, *([1] * latitude.ndim))
    east = (longitude + 180.0) % 360.0 - 180.0
    place = np.sin(25.0 * latitude) + np.cos(19.0 * east)
    tas = -9.0 + 19.0 * np.cos(2 * np.pi * (t % 12 - 6) / 12) + place + 0.3 * (t // 12)
    pr = 26.0 + 18.0 * np.cos(2 * np.pi * (t % 12 - 7) / 12) + place + 0.7 * (t // 12)
    rsds = np.clip(95.0 + 100.0 * np.cos(2 * np.pi * (t % 12 - 5) / 12), 0.0, None) + 0.5 * (2 + place)
    return {"tas": tas, "pr": pr, "rsds": rsds}


def on_grid(first: int = FIRST, last: int = LAST, latitude=LATITUDE, longitude=LONGITUDE) -> dict[str, np.ndarray]:
    """:func:`truth` on two axes, (month, lat, lon)."""
    return truth(np.asarray(latitude)[:, None], np.asarray(longitude)[None, :], first, last)


def length(year: int, month: int, calendar: str) -> int:
    """Days of a month."""
    return cftime.datetime(year, month, 1, calendar=calendar).daysinmonth


def days(calendar: str = "noleap", first: int = FIRST, last: int = LAST) -> np.ndarray:
    """Days of the months, (month, 1, 1)."""
    each = [length(year, month, calendar) for year in range(first, last + 1) for month in range(1, 13)]
    return np.array(each, float).reshape(-1, 1, 1)


def stamps(
    where: Any = "middle", calendar="noleap", first=FIRST, last=LAST, units="days since 1850-01-01"
) -> np.ndarray:
    """Stamps of months in ``units``: "start", "middle", "end", a day of the month, or "bounds" (month, 2)."""
    result = []
    for year in range(first, last + 1):
        for month in range(1, 13):
            begin = float(
                cftime.date2num(cftime.datetime(year, month, 1, calendar=calendar), "days since 1850-01-01", calendar)
            )
            size = length(year, month, calendar)
            shift = {"start": 0.0, "middle": 0.5 * size, "end": size}.get(str(where), 0.0)
            shift = where if isinstance(where, int | float) else shift
            result.append((begin, begin + size) if where == "bounds" else begin + shift)
    base = np.array(result, float)
    unit, _, epoch = units.partition(" since ")
    zero = float(
        cftime.date2num(cftime.num2date(0, f"days since {epoch}", calendar), "days since 1850-01-01", calendar)
    )
    scale = {"days": 1.0, "hours": 24.0, "minutes": 1440.0, "seconds": 86400.0}[unit]
    return (base - zero) * scale


def time(
    where: str | float = "middle", calendar="noleap", units="days since 1850-01-01", *, say: bool = True, **more
) -> dict:
    """A time coordinate (with bounds where asked), as variables of :func:`write`."""
    said = {"units": units} | ({"calendar": calendar} if say else {})
    span = {k: more.pop(k) for k in ("first", "last") if k in more}
    if where == "bounds":
        place = more.pop("stamp", "end")
        return {
            "time": (("time",), stamps(place, calendar, units=units, **span), said | {"bounds": "time_bnds"} | more),
            "time_bnds": (("time", "bnds"), stamps("bounds", calendar, units=units, **span), {}),
        }
    return {"time": (("time",), stamps(where, calendar, units=units, **span), said | more)}


def write(path: Path, variables: dict, attributes: dict | None = None, unlimited: bool = False) -> Path:
    """A file; ``variables``: name -> (dimensions, values, attributes); sizes come from the values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with netCDF4.Dataset(str(path), "w") as data:
        for dims, values, _ in variables.values():
            for name, size in zip(dims, np.shape(values), strict=True):
                if name not in data.dimensions:
                    data.createDimension(name, None if unlimited and name == "time" else size)
        for name, (dims, values, said) in variables.items():
            values = np.asarray(values)
            kind = str if values.dtype.kind in "OU" else values.dtype
            own = data.createVariable(name, kind, dims, fill_value=said.get("_FillValue"))
            own.set_auto_maskandscale(False)
            own.setncatts({k: v for k, v in said.items() if k != "_FillValue"})
            own[...] = values.astype(object) if kind is str else values
        data.setncatts(attributes or {})
    return path


def axes(latitude=LATITUDE, longitude=LONGITUDE, names=GRID) -> dict:
    """Two one-dimensional coordinates."""
    return {names[0]: ((names[0],), latitude, NORTH), names[1]: ((names[1],), longitude, EAST)}


def climate(
    values: dict | None = None, dims=("time", *GRID), units: dict | None = None, said: dict | None = None
) -> dict:
    """tas, pr, rsds as variables of :func:`write`."""
    values = on_grid() if values is None else values
    units = UNITS | (units or {})
    return {
        name: (dims, array, {"units": units.get(name, "")} | (said or {}).get(name, {}))
        for name, array in values.items()
    }


def plain(path: Path, clock: dict | None = None, **changed) -> Path:
    """A plain monthly file with some variables put in place."""
    return write(path, (time() if clock is None else clock) | axes() | climate() | changed)


def steps(per_day: float = 1.0, calendar="standard", place: str = "middle", first=FIRST, last=LAST):
    """Finer steps: stamps (days since 1850-01-01) and the month of each, 0 is the first."""
    zero, one = (
        float(cftime.date2num(cftime.datetime(year, 1, 1, calendar=calendar), "days since 1850-01-01", calendar))
        for year in (first, last + 1)
    )
    begin = zero + np.arange(round((one - zero) * per_day)) / per_day
    edges = np.append(stamps("start", calendar, first, last), one)
    month = np.searchsorted(edges, begin + 1e-6, side="right") - 1
    return begin + {"start": 0.0, "middle": 0.5, "end": 1.0}[place] / per_day, month
