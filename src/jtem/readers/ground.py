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

from jtem.errors import InputError
from jtem.readers.observations import dataset, row
from jtem.readers.observed_units import days_in_month
from jtem.readers.tables import inequality, number, places_of, read_rows

COMMUNITY_OF_PLATEAU = {
    "Alpine meadow": "alpine_meadow",
    "Alpine steppe": "alpine_steppe",
    "Alpine desert": "alpine_desert",
}


def _sensors(rows: Sequence[Mapping[str, str]], path: Path | str, pattern: str) -> dict[str, float]:
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
    """Monthly air temperature beside a table of ground temperature: ``{site: {"year", "month", "value"}}``, (time,), degC.

    ``column``: ``ta_degC`` (Alaska), ``nrcs_ta_degC`` or ``tfs_ta_degC`` (Toolik). Months without a value are left out.
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


# --- active layer ----------------------------------------------------------------------------------------------------


def active_layer(path: Path | str) -> xr.Dataset:
    """Yearly active-layer thickness (m) of ``calm_alt.csv`` or ``qtp_alt_from_temperature.csv``, or of a like table.

    Entries with an inequality are kept and flagged: ``>`` or ``<`` where the entry or the flag says which (thaw beyond
    the deepest sensor is ``>`` with that sensor's depth as value), "?" where ``censored`` is 1 and the direction is not
    in the table. The plateau's estimates carry their stated error of 0.2 m; CALM states none. Raises ``InputError``.
    """
    rows = read_rows(path, ("site", "lat", "lon", "year", "alt_cm"))
    columns = {"latitude": "lat", "longitude": "lon"} | ({"elevation": "elev_m"} if "elev_m" in rows[0] else {})
    places = places_of(rows, columns, path)
    found, empty = [], 0
    estimated = "deepest_sensor_cm" in rows[0]
    for item in rows:
        if "vegetation" in item:
            places[item["site"]]["community"] = COMMUNITY_OF_PLATEAU.get(item["vegetation"], "")
        value, sign = inequality(item["alt_cm"], f"{path}: alt_cm")
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
        year = float(item["year"])
        found.append(row(item["site"], "active_layer_thickness", value / 100.0, year=year, censored=sign, error=error))
    notes = [f"{path}: {empty} rows without a thickness left out"] if empty else []
    return dataset(found, places, str(path), notes)
