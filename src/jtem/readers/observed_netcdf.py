"""Observations of one or several places in a CF netCDF file, months by the one reader of time axes.

A variable is a stream or one of its other names (``observations.STREAMS``, ``ALIASES``), with ``units``; its dimensions are time
and, where there are several, places and depths, in any order (the discrete sampling geometries of CF). Places have latitude and
longitude, and a name in the variable with ``cf_role = "timeseries_id"`` or called site or station (else the file's name). Depths
are a coordinate with a length as units, or the attribute ``depth`` ("5 cm") of a soil temperature. Steps finer than a month are
averaged where enough of them are there; quality is the share that is.
"""

from __future__ import annotations

import re
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr

from jtem.errors import InputError, suggest
from jtem.readers import cf, observations, time_axis, units
from jtem.readers.months import months_of_axes
from jtem.readers.observations import ALIASES, NEGATED, STREAMS, dataset, downwards, refuse_repeated, row
from jtem.readers.observed_units import conversion
from jtem.readers.thaw import yearly_maximum
from jtem.records import Named

LEAST_SHARE = 0.8
"""Share of a month's steps that a mean needs."""
_NAMES = ("site", "station", "station_name", "site_name", "station_id", "site_id", "name")


def read_table(path: Path | str) -> xr.Dataset:
    """The user's own observations: a netCDF file, or a table (:func:`observations.read_table`). Raises ``InputError``."""
    return read(path) if Path(path).suffix.lower() in (".nc", ".nc4", ".cdf") else observations.read_table(path)


def read(path: Path | str) -> xr.Dataset:
    """Observations of a netCDF file in the one form of :mod:`~jtem.readers.observations`; raises ``InputError``."""
    where = str(path)
    with cf.open_raw(path) as data:
        chosen = {n: ALIASES.get(n.lower(), n.lower()) for n in data.variables if _stream(n)}
        if not chosen:
            near = suggest(next((n for n in data.variables if n not in data.dimensions), ""), (*STREAMS, *ALIASES))
            raise InputError(f"{where}: no variable is named by a stream of observations; rename it ({near})")
        here = cf.places(data, where, None, data.variables[next(iter(chosen))])
        sites = _sites(data, here, Path(path))
        rows: list[Named] = []
        notes: list[str] = []
        for name, stream in chosen.items():
            found, short = _observations(data, data.variables[name], stream, here, sites, where)
            rows += found
            if short:
                notes.append(
                    f"{where}: {name}: {short} months with less than {100 * LEAST_SHARE:.0f} % of their steps left out"
                )
    places = {
        site: {"latitude": float(lat), "longitude": float(lon)}
        for site, lat, lon in zip(sites, here.latitude, here.longitude, strict=True)
    }
    notes += downwards(rows, where)
    rows, told = yearly_maximum(rows, places, where)
    if not rows:
        raise InputError(
            f"{where}: no month has {100 * LEAST_SHARE:.0f} % of its steps; give more complete series or monthly means"
        )
    return dataset(refuse_repeated(rows, where), places, where, notes + told)


def _stream(name: str) -> bool:
    return ALIASES.get(name.lower(), name.lower()) in STREAMS


def _sites(data: netCDF4.Dataset, here: cf.Places, path: Path) -> list[str]:
    """Names of the places, from the variable that holds them, else from the file."""
    variable = next(
        (v for v in data.variables.values() if str(getattr(v, "cf_role", "")) == "timeseries_id"),
        next((data.variables[n] for n in _NAMES if n in data.variables and n not in here.names), None),
    )
    if variable is None:
        own = str(getattr(data, "site", getattr(data, "station", ""))) or path.stem
        return [own] if here.count == 1 else [f"{own} {k + 1}" for k in range(here.count)]
    values = np.asarray(variable[...])
    if values.dtype.kind == "S":  # rows of characters
        values = np.array([b"".join(r).decode("utf-8", "replace") for r in np.atleast_2d(values)])
    names = [str(v).strip().strip("\x00") for v in values.ravel()]
    if len(names) != here.count or len(set(names)) != len(names) or not all(names):
        raise InputError(
            f"{path}: '{variable.name}' names {len(set(names))} places of {here.count}; give each place a name of its own"
        )
    return names


def _depths(
    data: netCDF4.Dataset, variable: netCDF4.Variable, stream: str, lead: tuple[str, ...], where: str
) -> tuple[str, np.ndarray]:
    """Dimension of depth ("" for none) and the depths in m; raises ``InputError`` for a further dimension of another kind."""
    others = [d for d, n in zip(variable.dimensions, variable.shape, strict=True) if d not in lead and n > 1]
    if not others:
        own = _told_depth(variable, where)
        single = next(
            (data.variables[n] for n in ("depth", "z") if n in data.variables and data.variables[n].size == 1), None
        )
        if single is not None and not np.isfinite(own):
            own = float(np.ravel(cf.numbers(single, ..., where))[0]) * _metres(single, where)
        return "", np.array([float(own) if stream == "soil_temperature" else np.nan])
    axis = data.variables.get(others[0])
    if len(others) > 1 or axis is None or axis.ndim != 1:
        raise InputError(
            f"{where}: {variable.name}: dimensions {variable.dimensions}, expected time, places and depth; select one entry of "
            f"'{others[-1]}'"
        )
    sign = -1.0 if str(getattr(axis, "positive", "down")).lower() == "up" else 1.0
    return others[0], sign * _metres(axis, where) * cf.numbers(axis, ..., f"{where}: {axis.name}")


def _told_depth(variable: netCDF4.Variable, where: str) -> float:
    """Depth (m) of the attribute ``depth``, such as "5 cm"; NaN without it. Raises ``InputError`` for a number without a unit."""
    said = getattr(variable, "depth", None)
    if said is None:
        return np.nan
    found = re.fullmatch(r"\s*([+-]?\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*", str(said))
    length = units.understood(found[2]) if found else None
    if found is None or length is None or length.powers != units.DEPTH:
        raise InputError(
            f"{where}: {variable.name}: attribute depth is {str(said)!r}, expected a length such as '0.05 m'; correct it"
        )
    return float(found[1]) * length.factor


def _metres(axis: netCDF4.Variable, where: str) -> float:
    return units.factor_to("m", str(getattr(axis, "units", "")), where, str(axis.name))


def _observations(
    data: netCDF4.Dataset, variable: netCDF4.Variable, stream: str, here: cf.Places, sites: list[str], where: str
) -> tuple[list[Named], int]:
    """Rows of one variable, and how many months were left out."""
    name = str(variable.name)
    said = f"{where}: {name}"
    unit = str(getattr(variable, "units", "")).strip()
    if not unit:
        raise InputError(f"{said}: no units attribute, expected {STREAMS[stream].unit!r}; add it")
    axis = time_axis.read(data, where, "", variable)
    months = months_of_axes([axis])[0]
    time = (axis.dimension,) if axis.dimension else ()
    deep, depths = _depths(data, variable, stream, (*time, *here.dims), where)
    values = cf.field(variable, here, said, lead=(*time, *((deep,) if deep else ())))
    values = values.reshape(months.month.size, depths.size, here.count)
    number, first = np.unique(months.month, return_index=True)
    rows, short = [], 0
    for k, month in enumerate(number):
        part = values[months.month == month]
        have = np.isfinite(part).sum(axis=0)
        whole = 1 if months.step_days is None else round(float(months.days[first[k]]) / months.step_days)
        with np.errstate(invalid="ignore"):
            mean = np.nansum(part, axis=0) / have
        factor, offset = conversion(stream, STREAMS[stream].unit, unit, float(months.days[first[k]]), said)
        factor = -factor if name.lower() in NEGATED else factor
        for d, p in zip(*np.nonzero(have), strict=True):
            share = min(1.0, have[d, p] / whole)
            if share < LEAST_SHARE:
                short += 1
                continue
            when = {"year": float(month // 12), "month": float(month % 12 + 1), "depth": depths[d]}
            quality = np.nan if months.step_days is None else share
            rows.append(row(sites[p], stream, float(mean[d, p]) * factor + offset, quality=quality, **when))
    return rows, short
