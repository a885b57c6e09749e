"""Ground temperature, snow and active layer: tables of stations, boreholes and probings.

Each function reads one published layout and returns observations in the one form of
:mod:`jtem.readers.observations`. What was left out, and why, is in ``attrs["notes"]``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
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
_DEPTH = re.compile(
    r"(?i)(?:.*?[^\d.,+-])?(?P<size>-?\d+(?:[.,]\d+)?)\s*_?(?P<unit>cm|m)?(?:[ _(\[](?:degc|c|°c)[)\]]?)?"
)
_DEPTH_WORD = r"depth[ _]*[(\[]?(?:m|cm)?[)\]]?"
_WARM_WORD = r"(?:(?:ground|soil)[ _])?temp(?:erature)?[ _]*[(\[]?(?:deg ?c|°c|c)?[)\]]?"
_FIRST_COLUMNS = ("date", "date/depth", "time", "timestamp", "datetime")
_PLACE_COLUMNS = ("site", "latitude", "longitude", "lat", "lon", "elevation_m", "hour", "year", "month", "day")


def boreholes(path: Path | str) -> xr.Dataset:
    """Ground temperature of a borehole or station, one row a time and one column a depth, as monthly means.

    The layout in which GTN-P hands out boreholes (``Date/Depth`` and depths in m, -999 missing) and stations are usually
    kept: a date (``date``, ``time``, or ``year``, ``month``, ``day``), columns named by depth (``0.5``, ``0.5 m``, ``50cm``,
    ``ts_50cm_degC``; numbers without unit are m, negative ones heights); or, as logs of the USGS, a row a date and depth with
    columns ``depth`` (``depth_m``, ``depth (m)``, ``depth_cm``) and ``temperature``. ``site``, ``latitude``, ``longitude`` may be
    columns;
    without ``site`` the file's name is the site's. Several readings of a day count as one day. Above 5 m months with fewer
    than 80 % of their days are left out and counted; quality is the share of days. Raises ``InputError``.
    """
    path = Path(path)
    table = read_rows(path)
    names = {name.lower(): name for name in table[0]}
    first = next((names[n] for n in _FIRST_COLUMNS if n in names), "")
    if not first and not {"year", "month"} <= set(names):
        raise InputError(f"{path}: no column 'date' (nor 'year' and 'month'); {suggest('date', table[0])}")
    deep, warm = (
        next((n for n in table[0] if re.fullmatch(word, n.lower())), "") for word in (_DEPTH_WORD, _WARM_WORD)
    )
    depths: dict[str, float] = {}
    if not (deep and warm):
        depths = _depth_columns([n for n in table[0] if n != first and n.lower() not in _PLACE_COLUMNS], path)
    factor = 0.01 if "cm" in deep.lower() else 1.0
    sums: dict[tuple[str, float, float, float], dict[int, list[float]]] = {}
    places: dict[str, dict[str, float]] = {}
    for item in table:
        where = f"{path}: line {item.line}"
        site = item.get(names.get("site", ""), "") or path.stem
        place = {
            field: next((degrees(item[names[n]], where) for n in words if n in names), np.nan)
            for field, words in (("latitude", ("latitude", "lat")), ("longitude", ("longitude", "lon")))
        }
        places.setdefault(site, place)
        if first:
            moment = day(item[first], where)
            year, month, number_of_day = float(moment.year), float(moment.month), moment.day
        else:
            year, month = (number(item[names[n]], where) for n in ("year", "month"))
            number_of_day = int(number(item[names["day"]], where)) if "day" in names else 0
        if deep and warm:
            readings = {warm: abs(factor * number(item[deep], f"{where}: '{deep}'"))}
        else:
            readings = depths
        for name, depth in readings.items():
            value = number(item[name], f"{where}: '{name}'")
            if np.isfinite(value):
                sums.setdefault((site, year, month, depth), {}).setdefault(number_of_day, []).append(value)
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
    return dataset(rows, places, str(path), notes)


def _depth_columns(names: Sequence[str], path: Path) -> dict[str, float]:
    """Columns named by a depth, in m below the surface. Raises ``InputError`` for none, both signs and air above ground."""
    found = {name: _DEPTH.fullmatch(name) for name in names}
    depths = {
        name: float(match["size"].replace(",", ".")) * (0.01 if (match["unit"] or "").lower() == "cm" else 1.0)
        for name, match in found.items()
        if match
    }
    if not depths:
        raise InputError(f"{path}: no column is named by a depth, expected such as '0.5' (m) or 'ts_50cm_degC'")
    if min(depths.values()) < 0:
        if max(depths.values()) > 0:
            raise InputError(f"{path}: columns of heights and of depths ({', '.join(depths)}); give the ground alone")
        depths = {name: abs(depth) for name, depth in depths.items()}
    return depths


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
