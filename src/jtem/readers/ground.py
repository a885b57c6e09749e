"""Ground temperature, snow and active layer: tables of stations, boreholes and probings.

Each function reads one published layout and returns observations in the one form of
:mod:`jtem.readers.observations`. What was left out, and why, is in ``attrs["notes"]``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from jtem.errors import InputError, suggest
from jtem.readers.observations import dataset, row
from jtem.readers.observed_units import days_in_month
from jtem.readers.tables import (
    Row,
    date,
    day,
    degrees,
    inequality,
    is_missing,
    number,
    places_of,
    read_rows,
    read_text,
    rows_of,
)
from jtem.readers.thaw import yearly_maximum

COMMUNITY_OF_PLATEAU = {
    "Alpine meadow": "alpine_meadow",
    "Alpine steppe": "alpine_steppe",
    "Alpine desert": "alpine_desert",
}


def _sensors(rows: Sequence[Row], path: Path | str, pattern: str) -> dict[str, float]:
    """Columns of soil temperature and their depth in m; the pattern's group is the depth in cm."""
    found = {name: re.fullmatch(pattern, name) for name in rows[0]}
    depths = {name: float(match[1]) / 100.0 for name, match in found.items() if match}
    if not depths:
        raise InputError(f"{path}: no column of soil temperature, expected names such as ts_25cm_degC; check the table")
    return depths


def alaska(path: Path | str) -> xr.Dataset:
    """Permafrost stations of ``alaska_monthly.csv``: soil temperature at 0 (surface), 0.25 ... 1 m and snow depth.

    Air temperature of the stations is not an observation of the model; see :func:`air_temperature`. No error or
    community is stated. Raises ``InputError``.
    """
    rows = read_rows(path, ("site", "lat", "lon", "year", "month", "snow_depth_m", "ts_surface_degC"))
    places = places_of(rows, {"latitude": "lat", "longitude": "lon"}, path)
    depths = {"ts_surface_degC": 0.0} | _sensors(rows, path, r"ts_(\d+(?:\.\d+)?)cm_degC")
    found = []
    for item in rows:
        when = {"year": float(item["year"]), "month": float(item["month"])}
        for name, depth in depths.items():
            value = number(item[name], f"{path}: {name}")
            if np.isfinite(value):
                found.append(row(item["site"], "soil_temperature", value, depth=depth, **when))
        snow = number(item["snow_depth_m"], f"{path}: snow_depth_m")
        if np.isfinite(snow):
            found.append(row(item["site"], "snow_depth", snow, **when))
    return dataset(found, places, str(path))


def plateau(path: Path | str) -> xr.Dataset:
    """Soil temperature of ``qtp_monthly.csv`` (one row a site, month and depth); no air temperature comes with it.

    Quality is the share of the month's days that have data (at most 1). Raises ``InputError``.
    """
    rows = read_rows(path, ("site", "lat", "lon", "vegetation", "year", "month", "depth_cm", "tsoil_degC", "n_days"))
    places = places_of(rows, {"latitude": "lat", "longitude": "lon"}, path)
    found = []
    for item in rows:
        places[item["site"]]["community"] = COMMUNITY_OF_PLATEAU.get(item["vegetation"], "")
        value = number(item["tsoil_degC"], f"{path}: tsoil_degC")
        if np.isfinite(value):
            year, month = float(item["year"]), float(item["month"])
            depth = number(item["depth_cm"], f"{path}: depth_cm") / 100.0
            share = min(1.0, number(item["n_days"], f"{path}: n_days") / days_in_month(year, month))
            when = {"year": year, "month": month, "depth": depth, "quality": share}
            found.append(row(item["site"], "soil_temperature", value, **when))
    return dataset(found, places, str(path))


TOOLIK = {"latitude": 68.63, "longitude": -149.60, "elevation": 726.0, "community": "wet_moist_tundra"}


def toolik(path: Path | str) -> xr.Dataset:
    """Soil temperature of ``toolik_monthly.csv`` at ten depths (0.006-0.978 m), one place "Toolik".

    The 0.16 m sensor reads warm in some late summers. Air temperature: :func:`air_temperature`. Raises ``InputError``.
    """
    rows = read_rows(path, ("year", "month", "nrcs_ta_degC"))
    depths = _sensors(rows, path, r"ts_(\d+(?:\.\d+)?)cm_degC")
    found = []
    for item in rows:
        for name, depth in depths.items():
            value = number(item[name], f"{path}: {name}")
            if np.isfinite(value):
                when = {"year": float(item["year"]), "month": float(item["month"])}
                found.append(row("Toolik", "soil_temperature", value, depth=depth, **when))
    return dataset(found, {"Toolik": TOOLIK}, str(path))


def air_temperature(
    path: Path | str, column: str, sites: Sequence[str] | None = None
) -> dict[str, dict[str, np.ndarray]]:
    """Monthly air temperature (degC), or depth of snow (m), beside a table of ground temperature: ``{site: {"year", "month",
    "value"}}``, (time,).

    ``column``: ``ta_degC`` or ``snow_depth_m`` (Alaska), ``nrcs_ta_degC`` or ``tfs_ta_degC`` (Toolik). Months without a value are
    left out.
    Raises ``InputError``.
    """
    series: dict[str, list[tuple[float, float, float]]] = {}
    for item in read_rows(path, ("year", "month", column)):
        site, value = item.get("site", "Toolik"), number(item[column], f"{path}: {column}")
        if np.isfinite(value) and (sites is None or site in sites):
            series.setdefault(site, []).append((float(item["year"]), float(item["month"]), value))
    return {
        site: dict(zip(("year", "month", "value"), np.array(rows).T, strict=True))
        for site, rows in sorted(series.items())
    }


MINIMUM_DAYS = 0.8
"""Share of a month's days that a mean needs near the surface; deep ground (5 m and below) may be read once a month."""
DEEP = 5.0  # m
_LENGTHS = {"mm": 0.001, "cm": 0.01, "m": 1.0, "ft": 0.3048}
"""m in each unit of depths."""
_DEPTH = re.compile(
    r"(?i)(?:.*?[^\d.,+-])?(?P<size>-?\d+(?:[.,]\d+)?)\s*_?(?P<unit>mm|cm|m|ft)?(?:[ _]*[(\[]?(?:deg ?c|°c|c)[)\]]?)?"
)
_UNIT = r"[ _]*[(\[]?(?P<unit>mm|cm|m|ft)?[)\]]?"
_DEPTH_WORD = rf"depth{_UNIT}"
_WARM_WORD = r"(?:(?:ground|soil)[ _])?temp(?:erature)?[ _]*[(\[]?(?:deg ?c|°c|c)?[)\]]?"
_FIRST_WORD = rf"date|time|timestamp|datetime|utc_time|(?P<gtnp>date ?/ ?depth){_UNIT}"
_SITE_COLUMNS = ("site", "dataset_id")
_PLACE_COLUMNS = ("site", "latitude", "longitude", "lat", "lon", "elevation_m", "hour", "year", "month", "day")
_BAD_FLAG = re.compile(r"(?i)suspicious|invalid|error|missing|no data|\bbad\b")


def boreholes(path: Path | str, depth_unit: str = "") -> xr.Dataset:
    """Ground temperature of a borehole or station as monthly means: one row a time and one column a depth, or a row a reading.

    Columns: a date (``date``, ``time``, or ``year``, ``month``, ``day``) and columns named by depth with its unit (``0.5 m``,
    ``50cm``, ``ts_50cm_degC``; negative ones are heights); or, as logs of the USGS, ``depth (m)``, ``depth_cm`` and
    ``temperature``. Depths without a unit are metres in the exports of GTN-P (before 2026 columns beside ``Date/Depth``; since
    then rows with ``dataset_id``, ``date`` or ``utc_time``, ``depth``, ``temperature``, ``flag``), as the package tsp reads them;
    elsewhere they are asked for: ``depth_unit``. ``site`` (or ``dataset_id``), ``latitude``, ``longitude`` may be columns;
    without a site the file's name is. -999 is missing, readings that a ``flag`` calls suspicious are left out. Several readings
    of a day count as one day. Above 5 m months with fewer than 80 % of their days are left out and counted; quality is the share
    of days. Raises ``InputError``.
    """
    path = Path(path)
    table = read_rows(path)
    names = {name.lower(): name for name in table[0]}
    first = next((name for lower, name in names.items() if re.fullmatch(_FIRST_WORD, lower)), "")
    if not first and not {"year", "month"} <= set(names):
        raise InputError(f"{path}: no column 'date' (nor 'year' and 'month'); {suggest('date', table[0])}")
    warm = next((name for lower, name in names.items() if re.fullmatch(_WARM_WORD, lower)), "")
    depth = next((name for lower, name in names.items() if re.fullmatch(_DEPTH_WORD, lower)), "")
    unit = depth_unit or _unit_without(first, names)
    if depth and warm:
        factor = _length(_unit_of(_DEPTH_WORD, depth) or unit, [depth], path)
        readings = [{factor * number(row[depth], f"{path}: line {row.line}: '{depth}'"): warm} for row in table]
    else:
        columns = [name for name in table[0] if name != first and name.lower() not in _PLACE_COLUMNS]
        readings = [_depth_columns(columns, unit, path)] * len(table)
    found = np.array([size for one in readings for size in one])
    if np.any(found < 0) and np.any(found > 0):
        listed = ", ".join(f"{size:g}" for size in np.unique(found[np.isfinite(found)]))
        raise InputError(f"{path}: heights and depths together ({listed}); give the ground alone")
    sums, places, flagged = _daily(table, readings, names, first, path)
    return _monthly(sums, places, flagged, path)


def _unit_of(pattern: str, name: str) -> str:
    match = re.fullmatch(pattern, name.lower())
    return (match["unit"] or "") if match else ""


def _unit_without(first: str, names: Mapping[str, str]) -> str:
    """Unit of depths that have none by the header: that beside "Date/Depth", metres in the exports of GTN-P, else ""."""
    match = re.fullmatch(_FIRST_WORD, first.lower())
    return (match["unit"] if match else "") or ("m" if "dataset_id" in names or (match and match["gtnp"]) else "")


def _length(unit: str, names: Sequence[str], path: Path) -> float:
    """Metres in a unit of depths; raises ``InputError`` where none is said."""
    if unit in _LENGTHS:
        return _LENGTHS[unit]
    what = f"unit {unit!r} of depths is unknown" if unit else "depths without a unit"
    example = "depth_cm" if names[0].lower() == "depth" else f"{names[0]} cm"
    raise InputError(
        f"{path}: {what} in {', '.join(map(repr, names[:4]))}; write it in the header, such as '{example}', or give depth_unit = "
        "'m' or 'cm'"
    )


def _depth_columns(names: Sequence[str], unit: str, path: Path) -> dict[float, str]:
    """Columns named by a depth, by their depth in m; raises ``InputError`` for none, for depths without a unit and two alike."""
    found = {name: match for name in names if (match := _DEPTH.fullmatch(name))}
    sizes = {name: float(match["size"].replace(",", ".")) for name, match in found.items()}
    if not found:
        raise InputError(f"{path}: no column is named by a depth, expected such as '0.5 m' or 'ts_50cm_degC'")
    without = [name for name, match in found.items() if not match["unit"] and sizes[name]]
    other = _length(unit, without, path) if without else 1.0
    depths: dict[float, str] = {}
    for name, match in found.items():
        size = sizes[name] * (_LENGTHS[match["unit"].lower()] if match["unit"] else other)
        if size in depths:
            raise InputError(f"{path}: columns '{depths[size]}' and '{name}' are both {size:g} m deep; keep one")
        depths[size] = name
    return depths


Readings = dict[tuple[str, float, float, float], dict[int, list[float]]]
"""Temperatures by (site, year, month, depth) and day (0 where there are none)."""


def _daily(
    table: Sequence[Row], readings: Sequence[Mapping[float, str]], names: Mapping[str, str], first: str, path: Path
) -> tuple[Readings, dict[str, dict[str, float]], int]:
    """Readings of each day, places of the sites, and how many readings a flag has left out."""
    site_column = next((names[n] for n in _SITE_COLUMNS if n in names), "")
    sums: Readings = {}
    places: dict[str, dict[str, float]] = {}
    flagged = 0
    for item, depths in zip(table, readings, strict=True):
        where = f"{path}: line {item.line}"
        site = item.get(site_column, "") or path.stem
        place = {
            field: next((degrees(item[names[n]], where) for n in words if n in names), np.nan)
            for field, words in (("latitude", ("latitude", "lat")), ("longitude", ("longitude", "lon")))
        }
        places.setdefault(site, place)
        if "flag" in names and _BAD_FLAG.search(item[names["flag"]]):
            flagged += 1
            continue
        if first:
            moment = day(item[first], where)
            year, month, number_of_day = float(moment.year), float(moment.month), moment.day
        else:
            year, month = (number(item[names[n]], where) for n in ("year", "month"))
            number_of_day = int(number(item[names["day"]], where)) if "day" in names else 0
        for depth, name in depths.items():
            value = number(item[name], f"{where}: '{name}'")
            if np.isfinite(value + depth):
                sums.setdefault((site, year, month, abs(depth)), {}).setdefault(number_of_day, []).append(value)
    return sums, places, flagged


def _monthly(sums: Readings, places: Mapping[str, dict[str, float]], flagged: int, path: Path) -> xr.Dataset:
    """Monthly means of readings as observations."""
    rows, short = [], 0
    for (site, year, month, depth), days in sorted(sums.items()):
        share = 1.0 if list(days) == [0] else len(days) / days_in_month(year, month)
        if share < MINIMUM_DAYS and depth < DEEP:
            short += 1
            continue
        value = float(np.mean([np.mean(values) for values in days.values()]))
        when = {"year": year, "month": month, "depth": depth, "quality": share}
        rows.append(row(site, "soil_temperature", value, **when))
    if not rows:
        raise InputError(f"{path}: no month has {100 * MINIMUM_DAYS:.0f} % of its days; give daily or monthly means")
    notes = (
        [f"{path}: {short} months with less than {100 * MINIMUM_DAYS:.0f} % of their days left out"] if short else []
    )
    if flagged:
        notes.append(f"{path}: {flagged} readings that a flag calls bad left out")
    return dataset(rows, places, str(path), notes)


# --- active layer ----------------------------------------------------------------------------------------------------


def active_layer(path: Path | str) -> xr.Dataset:
    """Yearly active-layer thickness (m): a row a site and year (columns site, lat, lon, year, alt_cm), or CALM's summary.

    CALM's summary sheet (saved as CSV; ``.xlsx`` where openpyxl is installed) has a row a site and a column a year, in cm,
    under titles, with lines that name regions: see :func:`calm_summary`. A ``month`` or ``date`` makes entries probings,
    whose largest of a year counts.

    Entries with an inequality are kept and flagged: ``>`` or ``<`` where the entry or the flag says which (thaw beyond
    the deepest sensor is ``>`` with that sensor's depth as value), "?" where ``censored`` is 1 and the direction is not
    in the table. The plateau's estimates carry their stated error of 0.2 m; CALM states none. Raises ``InputError``.
    """
    text = read_text(path)
    if _is_summary(text):
        return calm_summary(text, path)
    rows = rows_of(text, str(path), ("site", "lat", "lon", "alt_cm"))
    if "year" not in rows[0] and "date" not in rows[0]:
        raise InputError(f"{path}: column 'year' is missing; {suggest('year', rows[0])}")
    columns = {"latitude": "lat", "longitude": "lon"} | ({"elevation": "elev_m"} if "elev_m" in rows[0] else {})
    places = places_of(rows, columns, path)
    found, empty = [], 0
    estimated = "deepest_sensor_cm" in rows[0]
    for item in rows:
        if "vegetation" in item:
            places[item["site"]]["community"] = COMMUNITY_OF_PLATEAU.get(item["vegetation"], "")
        value, sign = inequality(item["alt_cm"], f"{path}: line {item.line}: alt_cm")
        deeper = "deeper than deepest sensor" in item.get("flag", "")
        if deeper and np.isnan(value):
            value = number(item["deepest_sensor_cm"], f"{path}: deepest_sensor_cm")
        if np.isnan(value):
            empty += 1
            continue
        if deeper and not sign:
            sign = ">"
        if not sign and item.get("censored", "0") not in ("", "0"):
            sign = "?"
        error = 0.2 if estimated else np.nan
        where = f"{path}: line {item.line}"
        if "date" in item:
            year, month, visit = date(item["date"], where)
        else:
            year, month, visit = number(item["year"], where), number(item.get("month", ""), where), np.nan
        when = {"year": year, "month": month, "day": visit, "censored": sign, "error": error}
        found.append(row(item["site"], "active_layer_thickness", value / 100.0, **when))
    notes = [f"{path}: {empty} rows without a thickness left out"] if empty else []
    found, told = yearly_maximum(found, places, str(path))
    return dataset(found, places, str(path), notes + told)


_YEAR = re.compile(r"(?:19|20)\d\d(?:\.0)?")


def _is_summary(text: str) -> bool:
    """Whether some line of the first thirty names a latitude and two years or more."""
    return any(
        re.search(r"(?i)\blat(?:itude)?\b", line) and len(re.findall(r"\b(?:19|20)\d\d\b", line)) >= 2
        for line in text.splitlines()[:30]
    )


def _years(header: Sequence[str], path: Path | str) -> dict[str, float]:
    """Columns of years; unreadable names ("###") between two years are told by their position. Raises ``InputError``."""
    named = {k: float(name[:4]) for k, name in enumerate(header) if _YEAR.fullmatch(name)}
    first, last = min(named), max(named)
    if any(year != named[first] + k - first for k, year in named.items()):
        return {header[k]: year for k, year in named.items()}
    return {header[k]: named[first] + k - first for k in range(first, last + 1)}


def calm_summary(text: str, path: Path | str) -> xr.Dataset:
    """CALM's summary sheet as text: columns with code or name of the site, LAT, LONG, and thickness in cm by year.

    Lines without position are titles of regions; marks are kept as in :func:`active_layer`. Sites without position, and
    entries that are missing, are left out. Raises ``InputError``.
    """
    table = rows_of(text, str(path), header="lat")
    names = {name.lower(): name for name in table[0]}
    columns = {
        field: next((names[n] for n in words if n in names), "")
        for field, words in (
            ("site", ("site code", "site", "code", "column 1", "site name", "name")),
            ("latitude", ("lat", "latitude")),
            ("longitude", ("long", "lon", "longitude")),
        )
    }
    for field, name in columns.items():
        if not name:
            raise InputError(f"{path}: no column with the {field}; {suggest(field, table[0])}")
    years = _years(list(table[0]), path)
    rows, places, lost = [], {}, 0
    for item in table:
        where = f"{path}: line {item.line}"
        latitude, longitude = item[columns["latitude"]], item[columns["longitude"]]
        if latitude == columns["latitude"]:  # the header again, above another region
            continue
        if is_missing(latitude) or is_missing(longitude):
            lost += any(not is_missing(item[name]) for name in years) and bool(item[columns["site"]])
            continue
        site = item[columns["site"]]
        if not site or site in places:
            raise InputError(f"{where}: site {site!r} is {'there twice' if site else 'not named'}; give each one code")
        places[site] = {"latitude": degrees(latitude, where), "longitude": degrees(longitude, where)}
        for name, year in years.items():
            value, sign = inequality(item[name], f"{where}: {name}")
            if np.isfinite(value):
                rows.append(row(site, "active_layer_thickness", value / 100.0, year=year, censored=sign))
    notes = [f"{path}: {lost} sites without latitude and longitude left out"] if lost else []
    return dataset(rows, places, str(path), notes)
