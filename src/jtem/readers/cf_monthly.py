"""Monthly climate and fixed fields from CF netCDF files, and climate from rasters: any calendar, units from attributes, cells
from coordinates.

Spatial dimensions may be ``lat, lon`` (1-D coordinates), ``y, x`` with 2-D coordinates, ``cell``, or none (one place). Files
finer than a month are averaged, in bounded memory. What is not understood is refused.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from jtem.errors import InputError, suggest
from jtem.readers import cf, contract, embedded, layouts, monthly_series, raster_series, rasters, static_fields
from jtem.readers import co2 as carbon_dioxide
from jtem.readers.catalogue import Domain, Find
from jtem.readers.monthly_series import Piece
from jtem.readers.units import HOUSE_UNITS

NOISE = {"precipitation": -0.01, "shortwave_radiation": -0.1}
"""Negative values down to these (mm month-1, W m-2) are noise of packing and interpolation, and become 0."""
CLOUD_OVERCAST, CLOUD_RANGE = 0.251, 0.509
"""TEM's relation of light to cloudiness, as in ``physics/radiation.py``: light / top = 0.251 + 0.509 (1 - cloud / 100)."""

Sun = Callable[[np.ndarray], np.ndarray]
"""Latitude (cell,) -> radiation at the top of the atmosphere (cell, 12), W m-2."""


# --- climate ---------------------------------------------------------------------------------------------------------


def read_climate(
    paths: Sequence[Path | str],
    first_year: int,
    last_year: int,
    names: Mapping[str, str] | None = None,
    places: tuple[np.ndarray, np.ndarray] | None = None,
    *,
    layout: str = "",
    stamp: str = "",
    said_units: Mapping[str, str] | None = None,
    sun: Sun | None = None,
) -> xr.Dataset:
    """Monthly climate of whole years as (cell, year, month) in degC, mm month-1, W m-2 (no CO2: see ``co2``).

    ``paths``: one or more files, each with one or all variables, for any spans of time that join up; monthly, daily or
    finer. ``names``: what the files call ``air_temperature``, ``precipitation``, ``shortwave_radiation`` (default tas, pr,
    rsds, or those of ``layout``, a word of ``layouts.LAYOUTS``), ``latitude``, ``longitude``, ``time``. ``places``: latitude
    and longitude (cell,) to pick; all places of the first file by default. ``stamp``: what a stamp between two months
    means. ``said_units``: units of variables (house names) in place of those of the files. ``sun``: top of the atmosphere,
    for files of cloudiness. Headers are read once, and values are held between calls. What is to be noted is in the attribute
    ``noted`` (:data:`Noted`). Raises ``InputError``.
    """
    found = _sources(paths, names, layout)
    given = said_units or {}
    for key in given:
        if key not in layouts.CLIMATE_NAMES:
            raise InputError(f"[domain.units]: unknown key '{key}'; {suggest(key, layouts.CLIMATE_NAMES)}")
    result: dict[str, np.ndarray] = {}
    noted: Noted = {}
    where = ", ".join(Path(path).name for path, *_ in found.files)
    beside = [variable for own in monthly_series.variables_of(found.files).values() for variable in own]
    for name, part in found.parts.items():
        own: list[np.ndarray] = []
        for variable in part.names[: 1 if part.how == "daylight" else None]:
            pieces = found.pieces(variable, stamp, given.get(name, ""))
            if part.how == "daylight":
                pieces = monthly_series.shared(pieces, found.pieces(part.names[1], stamp, ""))
            if places is None:
                places = pieces[0].places.latitude, pieces[0].places.longitude
            kind = "cloud" if part.how == "cloud" else name
            _check_meaning(pieces, part, name, beside)
            own.append(monthly_series.series(pieces, kind, first_year, last_year, places))
        assert places is not None
        values = _combine(part.how, own, places[0], sun, found.files[0][0])
        result[name] = _quiet(name, values, first_year, where, noted)
    _stuck(result, first_year, where, noted)
    assert places is not None
    return contract.climate(result, first_year, where, places=places).assign_attrs(noted=noted)


@dataclass(frozen=True)
class _Sources:
    """Files, what is read of them for each climate variable, and how the user calls coordinates."""

    files: tuple[tuple[str, int, int], ...]
    parts: Mapping[str, layouts.Part]
    chosen: layouts.Layout
    coordinates: tuple[tuple[str, str], ...]

    def pieces(self, variable: str, stamp: str, unit: str) -> tuple[Piece, ...]:
        """Headers of one variable in the files that have it, in order of time."""
        return monthly_series.pieces(
            self.files,
            variable,
            self.coordinates,
            stamp or self.chosen.stamp,
            unit or self.chosen.units.get(variable, ""),
            self.chosen.per_day,
        )


def _sources(paths: Sequence[Path | str], names: Mapping[str, str] | None, layout: str) -> _Sources:
    """What is read of the files: by the names of the user, of the layout, or of the one layout that fits."""
    called = layouts.check_names(names)
    if not paths:
        raise InputError("no climate files given; name at least one netCDF file")
    files = monthly_series.versions(paths)
    have = monthly_series.variables_of(files)
    every = {variable for own in have.values() for variable in own}
    word = layout or ("" if any(name in called for name in layouts.CLIMATE_NAMES) else layouts.guess(every))
    chosen = layouts.layout(word) if word else layouts.DEFAULT
    parts = {
        name: layouts.Part((called[name],)) if name in called else _part(getattr(chosen, name), every)
        for name in layouts.CLIMATE_NAMES
    }
    for name, part in parts.items():
        for variable in part.names:
            if variable not in every:
                _lost(variable, name, have, chosen)
    return _Sources(files, parts, chosen, tuple((key, called[key]) for key in cf.COORDINATES if key in called))


OTHERWISE = {
    "air_temperature": r"(surface|soil|skin|water|snow|dew_point|wet_bulb|potential|brightness)_temperature|temperature_in_",
    "precipitation": r"snowfall|rainfall_flux|convective|large_scale|stratiform|throughfall|evapo|runoff|canopy",
    "shortwave_radiation": r"longwave|upwelling|net_|photosynthetic|photon|toa_|clear_sky|diffuse|direct|spectral|ultraviolet",
}
"""Parts of standard names that tell another quantity than the one that is wanted."""
OTHER_WORDS = {
    "air_temperature": r"skin|sea surface|(soil|ground|snow|water) temperature|dew ?point|wet ?bulb|potential|brightness"
    r"|radiative",
    "precipitation": r"throughfall|evapo\w*|runoff",
    "shortwave_radiation": r"net|long ?wave|photosynthetic\w*|par|photons?|clear ?sky|reflected|upwards?|upwelling|top of|toa"
    r"|ultraviolet|absorbed",
}
"""The same in long names."""
HALVES = {
    "air_temperature": (r"\bmax\w*", r"\bmin(imum)?\b"),
    "precipitation": (r"convective|cumulus", r"large ?scale|grid ?scale|stratiform"),
    "shortwave_radiation": (r"diffuse|scattered", r"\bdirect\b|\bbeam\b"),
}
"""Parts of a whole: a long name that has words of one alone tells a part."""
SNOW_NAMES = re.compile(r"(?i)snowf\w*|snow(fall)?(_\w+)?|prsn")
_SPREAD = re.compile(r"\b(standard_deviation|variance|range|maximum|minimum)\b(?!\s+within\s+days?\b)")


def _other_quantity(name: str, piece: Piece, how: str, beside: Sequence[str]) -> str:
    """What the attributes tell where it is another quantity than ``name``, else ""; ``beside``: all variables of the files."""
    standard, long_name = (str(piece.said.get(key, "")) for key in ("standard_name", "long_name"))
    if re.search(OTHERWISE[name], standard.lower()):
        return f"standard_name {standard!r}"
    words = re.sub(r"[\W_]+", " ", long_name.lower()).strip()
    one, other = (re.search(pattern, words) for pattern in HALVES[name])
    if re.search(rf"\b({OTHER_WORDS[name]})\b", words) or (how != "mean" and bool(one) != bool(other)):
        return f"long_name {long_name!r}"
    if name != "precipitation":
        return ""
    if re.search(r"\bsnow(fall)?\b", words) and not re.search(r"rain|precip|total", words):
        return f"long_name {long_name!r}"
    rain = re.search(r"\brain(f\w*)?\b", f"{piece.variable} {words}".lower()) and not re.search(
        r"\btotal\b|\bsnow", words
    )
    snow = next((variable for variable in beside if SNOW_NAMES.fullmatch(variable)), "")
    return f"rain beside '{snow}' and without it" if rain and snow else ""


def _check_meaning(pieces: Sequence[Piece], part: layouts.Part, name: str, beside: Sequence[str]) -> None:
    """Refuse other quantities, anomalies, climatologies, extremes and means over the daylight where means are needed."""
    for piece in pieces:
        standard = str(piece.said.get("standard_name", "")).lower()
        long_name = str(piece.said.get("long_name", ""))
        told = _other_quantity(name, piece, part.how, beside) if part.how != "sum" else ""
        if told:
            raise InputError(
                f"{piece.where}: {told} is not {name.replace('_', ' ')}; give another variable under [domain.names] or correct "
                "the attribute"
            )
        if "anomal" in f"{standard} {long_name}".lower():
            raise InputError(f"{piece.where}: holds anomalies by its name; add the mean that they belong to")
        text = f"{long_name} {piece.said.get('description', '')}"
        if re.search(r"\bdaylight\b", text.lower()) and part.how != "daylight":
            raise InputError(
                f"{piece.where}: {text.strip()!r} is a mean over the daylight, not over the day; take layout = 'daymet' with the "
                "length of the day (dayl) beside it, or give daily means"
            )
        methods = str(piece.said.get("cell_methods", ""))
        found = re.search(r"(maximum|minimum)\s+within\s+days?", methods)
        if found and part.how != "mean":
            raise InputError(
                f"{piece.where}: cell_methods {methods!r} tells daily {found[1].replace('mum', 'ma')}, "
                "expected means; give the mean, or both extremes in a layout that averages them"
            )
        if "over years" in methods:
            raise InputError(
                f"{piece.where}: cell_methods {methods!r} tells a climatology of many years; give the months of single years"
            )
        spread = _SPREAD.search(methods)
        if spread and part.how != "mean":
            raise InputError(
                f"{piece.where}: cell_methods {methods!r} is not a mean or sum over time ({spread[1]}); give monthly means"
            )


def covered_years(
    paths: Sequence[Path | str], names: Mapping[str, str] | None = None, *, layout: str = "", stamp: str = ""
) -> tuple[int, int]:
    """First and last whole year of which the files have all climate variables; raises ``InputError`` where there is none."""
    own = [path for path in paths if rasters.is_raster(path)]
    if own:  # netCDF files beside them must have the same years
        spans = [(months[0], months[-1]) for months in raster_series.covered(own, names or {}).values()]
    else:
        found = _sources(paths, names, layout)
        pieces = [found.pieces(name, stamp, "") for part in found.parts.values() for name in part.names]
        spans = [
            (min(int(piece.months.month[0]) for piece in of), max(int(piece.months.month[-1]) for piece in of))
            for of in pieces
        ]
    begin, end = max(span[0] for span in spans), min(span[1] for span in spans)
    first, last = -(-begin // 12), (end + 1) // 12 - 1
    if last < first:
        raise InputError(f"{paths[0]}: no whole year in which all climate variables are there; give files that join up")
    return first, last


def _part(ways: Sequence[layouts.Part], every: set[str]) -> layouts.Part:
    """The first way whose variables the files have, else the first."""
    return next((part for part in ways if set(part.names) <= every), ways[0])


def _lost(variable: str, name: str, have: Mapping[str, Sequence[str]], chosen: layouts.Layout) -> None:
    """Raise ``InputError`` for a variable that no file has."""
    names = [n for own in have.values() for n in own]
    if len(have) == 1:
        (where,) = have
        what = f"variable '{variable}' is missing"
    else:
        where, what = next(iter(have)), f"variable '{variable}' ({name}) is in none of the climate files"
    more = (
        chosen.hint
        if chosen.hint and name == "shortwave_radiation"
        else (
            f"add it, give its name in the file under [domain.names] or the 'layout' of the files ({suggest(variable, names)})"
        )
    )
    raise InputError(f"{where}: {what}; {more}")


def _combine(how: str, own: Sequence[np.ndarray], latitude: np.ndarray, sun: Sun | None, where: str) -> np.ndarray:
    if how == "sum":
        return np.sum(own, axis=0)
    if how == "mean":
        return np.mean(own, axis=0)
    if how != "cloud":
        return own[0]
    cloud = own[0]
    if np.nanmax(cloud) > 1.0 + 1e-3 or np.nanmin(cloud) < -1e-3:
        raise InputError(
            f"{where}: cloudiness runs {100 * np.nanmin(cloud):g}..{100 * np.nanmax(cloud):g} percent, expected "
            "0..100; correct it"
        )
    top = (sun or embedded.top_of_atmosphere)(np.asarray(latitude, np.float64))
    return top[:, None, :] * (CLOUD_OVERCAST + CLOUD_RANGE * (1.0 - np.clip(cloud, 0.0, 1.0)))


Noted = dict[str, dict[Hashable, int]]
"""Number of cases by part (a year) of each text to be noted, which ``to_model.Heard`` sums over cells."""


def _quiet(name: str, values: np.ndarray, first_year: int, where: str, noted: Noted) -> np.ndarray:
    """Noise below zero becomes zero, and is noted."""
    limit = NOISE.get(name)
    if limit is None:
        return values
    with np.errstate(invalid="ignore"):
        noise = (values < 0) & (values >= limit)
    if not noise.any():
        return values
    text = f"{where}: {{count}} values of {name} between {limit:g} {HOUSE_UNITS[name]} and 0 were set to 0"
    noted[text] = _by_year(noise.sum(axis=2), first_year)
    return np.where(noise, 0.0, values)


def _stuck(result: Mapping[str, np.ndarray], first_year: int, where: str, noted: Noted) -> None:
    """Noted where temperature, or all light, repeats itself from month to month, and temperature from year to year."""
    for name in ("air_temperature", "shortwave_radiation"):
        values = result[name]
        flat = values.reshape(values.shape[0], -1)
        same = np.diff(flat, axis=1) == 0
        if name == "shortwave_radiation":
            same &= flat[:, 1:] > 0
        run = same[:, :-2] & same[:, 1:-1] & same[:, 2:] if flat.shape[1] > 3 else same[:, :0]
        if run.any():
            ends = np.pad(run, ((0, 0), (3, 0))).reshape(values.shape)  # the fourth month of each run
            text = f"{where}: {name} repeats one value for four months or more in {{count}} cells and years"
            noted[text] = _by_year(np.asarray(ends.any(axis=2)), first_year)
    values = result["air_temperature"]
    repeated = np.all(values[:, 1:] == values[:, :-1], axis=2)
    if repeated.any():
        text = f"{where}: air_temperature of a year is that of the year before in {{count}} cells and years"
        noted[text] = _by_year(repeated, first_year + 1)


def _by_year(cases: np.ndarray, first_year: int) -> dict[Hashable, int]:
    """Number of cases (cell, year) in each year that has any."""
    return {first_year + k: int(count) for k, count in enumerate(cases.sum(axis=0)) if count}


# --- for plans -------------------------------------------------------------------------------------------------------


def find_all(find: Find, names: Sequence[str]) -> list[Path]:
    """Paths of files; a name with ``*``, ``?`` or ``[`` stands for all that fit, in order. Raises ``InputError``."""
    result: list[Path] = []
    for name in names:
        if not any(mark in name for mark in "*?["):
            result.append(find(name))
            continue
        parts = Path(name).parts
        fixed = list(itertools.takewhile(lambda part: not any(mark in part for mark in "*?["), parts))
        folder = find(str(Path(*fixed)) if fixed else ".", folder=True)
        fitting = sorted(path for path in folder.glob(str(Path(*parts[len(fixed) :]))) if path.is_file())
        if not fitting:
            raise InputError(f"{folder}: no file fits '{name}'; check the pattern and the folder")
        result += fitting
        for path in fitting:
            find(str(path.absolute()))
    return list(dict.fromkeys(result))


def open_domain(
    find: Find, climates: Sequence[str], *, static: str, community: str, stride: int, **keys: Any
) -> Domain:
    """The cells of a [domain] with source "cf_monthly"; further keys: those of :func:`domain_of`. Raises ``InputError``."""
    del climates
    path = find(static)
    return domain_of(static_fields.read_cells(path, keys["names"], community), path, find, stride=stride, **keys)


def domain_of(
    cells: xr.Dataset,
    static: Path,
    find: Find,
    *,
    climate: Mapping[str, Sequence[str]],
    names: Mapping[str, str],
    co2: str,
    co2_column: str,
    stride: int,
    layout: str = "",
    stamp: str = "",
    units: Mapping[str, str] | None = None,
    sun: Sun | None = None,
) -> Domain:
    """Every ``stride``-th of some cells with the files of each climate and CO2 from a table or the embedded series.

    ``layout``, ``stamp``, ``units``, ``sun``: as :func:`read_climate` takes them.
    """
    cells = cells.isel(cell=slice(None, None, stride))
    files = {name: find_all(find, paths) for name, paths in climate.items()}
    table = None if co2 == "embedded" else find(co2)
    latitude, longitude = cells["latitude"].values, cells["longitude"].values

    @cache
    def of_netcdf(name: str) -> list[Path]:
        return raster_series.converted(files[name], (latitude, longitude), names, layout)

    def source(name: str):
        def years(rows: np.ndarray, first: int, last: int) -> xr.Dataset:
            found = read_climate(
                of_netcdf(name),
                first,
                last,
                names,
                (latitude[rows], longitude[rows]),
                layout=layout,
                stamp=stamp,
                said_units=units,
                sun=sun,
            )
            if table is None:
                ppm = carbon_dioxide.of_climate(name, co2_column, first, last)
            else:
                ppm = carbon_dioxide.read_table(table, first, last, co2_column)
            return found.assign(co2=("year", ppm, {"units": "ppm"}))

        return years, ", ".join(str(path) for path in files[name])

    inputs = [str(static), *(str(path) for paths in files.values() for path in paths)]
    return Domain(cells, source, (*inputs, str(table) if table else "CO2: embedded published series"))
