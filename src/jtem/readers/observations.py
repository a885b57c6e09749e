"""The one form of observations for calibration and scores, and the user's own table in that form.

An observation dataset has two dimensions. Along ``observation``:

==============  ============================================================================================
``site``        name, one of ``place``
``stream``      what was observed, one of :data:`STREAMS`
``depth``       m below the surface; NaN unless the stream is ``soil_temperature``
``year``        calendar year; NaN where the value is a long-term mean
``month``       1..12; NaN where the value is of a whole year or a long-term mean
``value``       in the unit of the stream
``error``       one standard error in the same unit; NaN where the source states none (see :func:`with_errors`)
``quality``     share (0-1) of the month measured or filled with good quality; NaN where the source states none
``unit``        the stream's unit, in words
``censored``    "" exact; ">" the truth is larger; "<" smaller; "?" one of the two, the source does not say which
==============  ============================================================================================

Along ``place`` (coordinate: site names): ``latitude``, ``longitude`` (degrees), ``elevation`` (m) and ``community``
(model name), NaN or "" where the source has none.

Signs: everything is as the model has it. Net ecosystem production is positive when the ecosystem gains carbon, so
NEP = -NEE; gross primary production and respiration are positive. Small negative values are legal noise.
"""

from __future__ import annotations

import calendar
import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from jtem.errors import InputError, suggest

GRAMS_CARBON_PER_MICROMOLE = 12.011e-6
SECONDS_PER_DAY = 86400.0


@dataclass(frozen=True)
class Stream:
    """One kind of observation: house unit, plausible range (inclusive), when it is taken, the model's variables.

    ``period``: "month", "year" (month is NaN), "state" (a pool or depth: month and year may both be NaN).
    ``variables``: model outputs whose sum it is.
    """

    unit: str
    low: float
    high: float
    period: str
    variables: tuple[str, ...]


_FLUX, _YEARLY = "gC m-2 month-1", "gC m-2 year-1"
STREAMS = {
    "nep": Stream(_FLUX, -1000.0, 1000.0, "month", ("net_ecosystem_production",)),
    "gpp": Stream(_FLUX, -200.0, 1500.0, "month", ("gross_primary_production",)),
    "ecosystem_respiration": Stream(
        _FLUX, -200.0, 1500.0, "month", ("autotrophic_respiration", "heterotrophic_respiration")
    ),
    "evapotranspiration": Stream("mm month-1", -100.0, 500.0, "month", ("evapotranspiration",)),
    "soil_temperature": Stream("degC", -60.0, 60.0, "month", ("soil_temperature",)),
    "snow_depth": Stream("m", 0.0, 20.0, "month", ("snow_depth",)),
    "active_layer_thickness": Stream("m", 0.0, 30.0, "year", ("active_layer_thickness",)),
    "net_primary_production": Stream(_YEARLY, 0.0, 5000.0, "year", ("net_primary_production",)),
    "nitrogen_uptake": Stream("gN m-2 year-1", 0.0, 100.0, "year", ("nitrogen_uptake",)),
    "vegetation_carbon": Stream("gC m-2", 0.0, 1e5, "state", ("vegetation_carbon",)),
    "structural_nitrogen": Stream("gN m-2", 0.0, 5e3, "state", ("structural_nitrogen",)),
    "vegetation_nitrogen": Stream("gN m-2", 0.0, 5e3, "state", ("vegetation_nitrogen",)),
    "soil_carbon": Stream("gC m-2", 0.0, 1e6, "state", ("soil_carbon",)),
    "soil_organic_nitrogen": Stream("gN m-2", 0.0, 1e5, "state", ("soil_organic_nitrogen",)),
    "available_nitrogen": Stream("gN m-2", 0.0, 1e3, "state", ("available_nitrogen",)),
}

TEXT_FIELDS = ("site", "stream", "unit", "censored")
NUMBER_FIELDS = ("depth", "year", "month", "value", "error", "quality")
PLACE_FIELDS = ("latitude", "longitude", "elevation")


# --- making ----------------------------------------------------------------------------------------------------------


def row(site: str, stream: str, value: float, **fields: Any) -> dict[str, Any]:
    """One observation as a dictionary; fields not given are NaN (``depth``, ``year``, ``month``, ``error``,
    ``quality``) or "" (``censored``).
    """
    nothing = dict.fromkeys(("depth", "year", "month", "error", "quality"), np.nan)
    return nothing | {"site": site, "stream": stream, "value": value, "censored": ""} | fields


def dataset(
    rows: Sequence[Mapping[str, Any]],
    places: Mapping[str, Mapping[str, Any]],
    title: str,
    notes: Sequence[str] = (),
) -> xr.Dataset:
    """Observation dataset from rows (see :func:`row`) and ``{site: {"latitude": ..., "community": ...}}``.

    ``notes``: sentences about what the reader left out or found odd, kept in ``attrs["notes"]`` one to a line. Raises
    ``InputError`` for unknown streams, values outside a stream's range, sites without place, impossible coordinates.
    """
    count = len(rows)
    fields: dict[str, Any] = {}
    for name in NUMBER_FIELDS:
        fields[name] = ("observation", np.array([r[name] for r in rows], dtype=np.float64).reshape(count))
    for name in ("site", "stream", "censored"):
        fields[name] = ("observation", np.array([r[name] for r in rows], dtype=object).reshape(count))
    units = [STREAMS[r["stream"]].unit if r["stream"] in STREAMS else "" for r in rows]
    fields["unit"] = ("observation", np.array(units, dtype=object).reshape(count))
    for name in PLACE_FIELDS:
        values = [p.get(name, np.nan) for p in places.values()]
        fields[name] = ("place", np.array([np.nan if v is None else v for v in values], dtype=np.float64))
    fields["community"] = ("place", np.array([p.get("community", "") for p in places.values()], dtype=object))
    made = xr.Dataset(
        fields,
        coords={"place": np.array(list(places), dtype=object)},
        attrs={"title": title, "notes": "\n".join(notes)},
    )
    for name, unit in (
        ("depth", "m"),
        ("latitude", "degrees_north"),
        ("longitude", "degrees_east"),
        ("elevation", "m"),
    ):
        made[name].attrs["units"] = unit
    check(made, title)
    return made


def check(observations: xr.Dataset, where: str) -> None:
    """Raise ``InputError`` unless the dataset is in the form of this module's docstring with plausible values."""
    for name in (*TEXT_FIELDS, *NUMBER_FIELDS, *PLACE_FIELDS, "community", "place"):
        if name not in observations.variables:
            raise InputError(f"{where}: observation dataset lacks '{name}'; see jtem.readers.observations")
    lost = set(observations["site"].values) - set(observations["place"].values)
    if lost:
        raise InputError(f"{where}: site '{sorted(lost)[0]}' has observations but no entry along 'place'; add it")
    latitude, longitude = observations["latitude"].values, observations["longitude"].values
    bad = np.abs(latitude) > 90
    if bad.any():
        remedy = "exchange latitude and longitude" if np.abs(longitude[bad][0]) <= 90 else "correct the coordinate"
        raise InputError(
            f"{where}: latitude {latitude[bad][0]:g} of '{observations['place'].values[bad][0]}' is outside "
            f"-90..90; {remedy}"
        )
    stream, value = observations["stream"].values, observations["value"].values
    for name in dict.fromkeys(stream):
        if name not in STREAMS:
            raise InputError(f"{where}: unknown stream '{name}'; {suggest(name, STREAMS)}")
        kind, mine = STREAMS[name], stream == name
        bad = mine & ~((value >= kind.low) & (value <= kind.high))
        if bad.any():
            raise InputError(
                f"{where}: '{name}' is {value[bad][0]:g} at {_moment(observations, bad)}, expected "
                f"{kind.low:g}..{kind.high:g} {kind.unit}; correct the value or its unit"
            )
        bad = mine & ~np.isfinite(observations["month"].values) & (kind.period == "month")
        if bad.any():
            raise InputError(f"{where}: '{name}' at {_moment(observations, bad)} has no month; give 1..12")
    bad = (stream == "soil_temperature") & ~(observations["depth"].values >= 0)
    if bad.any():
        raise InputError(
            f"{where}: 'soil_temperature' at {_moment(observations, bad)} has no depth; give the sensor's depth in m"
        )
    month, quality = observations["month"].values, observations["quality"].values
    bad = np.isfinite(month) & ~np.isin(month, np.arange(1, 13))
    if bad.any():
        raise InputError(
            f"{where}: month {month[bad][0]:g} at {_moment(observations, bad)}, expected 1..12; correct it"
        )
    for name, bad in (("error", observations["error"].values <= 0), ("quality", (quality < 0) | (quality > 1))):
        if bad.any():
            wanted = "a positive number or nothing" if name == "error" else "a share between 0 and 1"
            found = observations[name].values[bad][0]
            raise InputError(
                f"{where}: {name} {found:g} at {_moment(observations, bad)}, expected {wanted}; correct it"
            )
    if not set(observations["censored"].values) <= {"", ">", "<", "?"}:
        raise InputError(f"{where}: 'censored' must be empty, '>', '<' or '?'; correct it")


def _moment(observations: xr.Dataset, bad: np.ndarray) -> str:
    k = int(np.argmax(bad))
    year, month = observations["year"].values[k], observations["month"].values[k]
    when = "" if np.isnan(year) else f" {year:.0f}" + ("" if np.isnan(month) else f"-{month:02.0f}")
    return f"{observations['site'].values[k]}{when} ({int(bad.sum())} in all)"


# --- using -----------------------------------------------------------------------------------------------------------


def select(
    observations: xr.Dataset,
    *,
    sites: Iterable[str] | None = None,
    streams: Iterable[str] | None = None,
    years: Iterable[int] | None = None,
    exact: bool = False,
) -> xr.Dataset:
    """The observations of some sites, streams and calendar years (long-term means belong to every year).

    ``exact``: without censored values. Raises ``InputError`` for a site or stream that the dataset does not have.
    """
    keep = np.ones(observations.sizes["observation"], dtype=bool)
    for name, wanted, known in (
        ("site", sites, observations["place"].values),
        ("stream", streams, dict.fromkeys(observations["stream"].values)),
    ):
        if wanted is not None:
            wanted = list(wanted)
            for item in wanted:
                if item not in known:
                    raise InputError(
                        f"{observations.attrs.get('title', '')}: no {name} '{item}'; {suggest(item, known)}"
                    )
            keep &= np.isin(observations[name].values.astype(str), wanted)
    if years is not None:
        year = observations["year"].values
        keep &= np.isnan(year) | np.isin(year, list(years))
    if exact:
        keep &= observations["censored"].values == ""
    chosen = observations.isel(observation=keep)
    if sites is not None:
        chosen = chosen.isel(place=np.isin(chosen["place"].values.astype(str), list(sites)))
    return chosen


def join(pieces: Sequence[xr.Dataset], title: str = "observations") -> xr.Dataset:
    """All observations of several datasets; a site in two of them must lie at the same place (within 0.2 degrees).

    Raises ``InputError`` otherwise. What one dataset does not know of a place is taken from the other.
    """
    rows: list[dict[str, Any]] = []
    places: dict[str, dict[str, Any]] = {}
    for piece in pieces:
        names = (*NUMBER_FIELDS, "site", "stream", "censored")
        columns = [piece[name].values.tolist() for name in names]
        for fields in zip(*columns, strict=True):
            rows.append({name: field for name, field in zip(names, fields, strict=True)})
        for k, name in enumerate(piece["place"].values):
            place = {field: float(piece[field].values[k]) for field in PLACE_FIELDS}
            known = places.setdefault(name, place | {"community": str(piece["community"].values[k])})
            for field in PLACE_FIELDS:
                if np.isnan(known[field]):
                    known[field] = place[field]
                elif field != "elevation" and abs(known[field] - place[field]) > 0.2:
                    raise InputError(
                        f"site '{name}' lies at {field} {known[field]:g} in one source and {place[field]:g} in another; "
                        "rename one of them"
                    )
            known["community"] = known["community"] or str(piece["community"].values[k])
    notes = [line for piece in pieces for line in str(piece.attrs.get("notes", "")).splitlines()]
    return dataset(rows, places, title, notes)


def with_errors(
    observations: xr.Dataset,
    floor: Mapping[str, float],
    relative: Mapping[str, float] | None = None,
) -> xr.Dataset:
    """Complete standard errors: the largest of the source's error, ``floor`` and ``relative * |value|`` by stream.

    ``floor`` in the stream's unit. Raises ``InputError`` where a stream without stated error has neither.
    """
    relative = relative or {}
    for name in (*floor, *relative):
        if name not in STREAMS:
            raise InputError(f"unknown stream '{name}' among the observation errors; {suggest(name, STREAMS)}")
    stream, value = observations["stream"].values, observations["value"].values
    least = np.array([floor.get(s, 0.0) for s in stream], dtype=np.float64).reshape(value.shape)
    share = np.array([relative.get(s, 0.0) for s in stream], dtype=np.float64).reshape(value.shape)
    error = np.fmax(np.fmax(observations["error"].values, least), share * np.abs(value))
    if (~(error > 0)).any():
        name = stream[int(np.argmax(~(error > 0)))]
        raise InputError(
            f"no error is stated for '{name}' of {_moment(observations, ~(error > 0))}; give one for the stream in "
            f"{STREAMS[name].unit}"
        )
    return observations.assign(error=("observation", error))


# --- the user's table ------------------------------------------------------------------------------------------------

ALIASES = {
    "nee": "nep",
    "net_ecosystem_production": "nep",
    "net_ecosystem_exchange": "nep",
    "gross_primary_production": "gpp",
    "reco": "ecosystem_respiration",
    "alt": "active_layer_thickness",
    "thaw_depth": "active_layer_thickness",
    "et": "evapotranspiration",
}
NEGATED = ("nee", "net_ecosystem_exchange")
COLUMNS = (
    *("site", "year", "month", "variable", "value", "error", "unit", "depth_m", "quality", "censored"),
    *("latitude", "longitude", "elevation_m", "community"),
)
MISSING = ("", "nan", "na", "-9999", "-9999.0")


def conversion(stream: str, unit: str, days: float, where: str) -> tuple[float, float]:
    """Factor and offset from ``unit`` to the stream's house unit; ``days`` of the month (NaN: not monthly).

    Raises ``InputError`` for a unit that is not known for the stream.
    """
    target = STREAMS[stream].unit
    plain = " ".join(unit.replace("g C", "gC").replace("g N", "gN").replace("mon-1", "month-1").split())
    plain = plain.replace("yr-1", "year-1").replace("day-1", "d-1")
    choices = {
        _FLUX: {"gC m-2 d-1": days, "umol m-2 s-1": days * SECONDS_PER_DAY * GRAMS_CARBON_PER_MICROMOLE},
        "mm month-1": {"mm d-1": days},
        "m": {"cm": 0.01, "mm": 0.001},
        "gC m-2": {"kg m-2": 1000.0, "kgC m-2": 1000.0},
        "gN m-2": {"kg m-2": 1000.0, "kgN m-2": 1000.0},
    }.get(target, {})
    if plain in ("", target):
        return 1.0, 0.0
    if target == "degC" and plain in ("C", "K"):
        return 1.0, -273.15 if plain == "K" else 0.0
    if plain not in choices:
        raise InputError(f"{where}: '{stream}' is in {unit!r}, expected {' or '.join((target, *choices))}; convert it")
    return choices[plain], 0.0


def days_in_month(year: float, month: float) -> float:
    """Days of a calendar month (leap years count); NaN where year or month is NaN."""
    return float("nan") if np.isnan(year + month) else float(calendar.monthrange(int(year), int(month))[1])


def read_rows(path: Path | str, needed: Sequence[str] = (), known: Sequence[str] | None = None) -> list[dict[str, str]]:
    """Rows of a comma-separated table with one header line; lines that start with ``#`` are left out.

    Raises ``InputError`` for an unreadable or empty table, for missing ``needed`` columns and, where ``known`` is
    given, for unknown ones.
    """
    path = Path(path)
    try:
        lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except FileNotFoundError:
        raise InputError(f"{path}: file not found; check the name and the data folder") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: table cannot be read ({error}); give a comma-separated text file") from None
    reader = csv.DictReader(line for line in lines if not line.startswith("#"))
    header = [name.strip() for name in reader.fieldnames or []]
    reader.fieldnames = header
    for name in needed:
        if name not in header:
            raise InputError(f"{path}: column '{name}' is missing; {suggest(name, header) if header else 'add it'}")
    for name in header:
        if known is not None and name not in known:
            raise InputError(f"{path}: unknown column '{name}'; {suggest(name, known)}")
    rows = [{k: (v or "").strip() for k, v in item.items() if k is not None} for item in reader]
    if not rows:
        raise InputError(f"{path}: table is empty; give one row an observation")
    return rows


def number(text: str, where: str) -> float:
    """A number, NaN where the field is empty, "NaN", "NA" or -9999; raises ``InputError`` for anything else."""
    if text.lower() in MISSING:
        return float("nan")
    try:
        value = float(text)
    except ValueError:
        raise InputError(f"{where}: {text!r} is not a number; correct it or leave the field empty") from None
    return float("nan") if value <= -9999 else value


def inequality(text: str, where: str) -> tuple[float, str]:
    """Number and flag of entries such as ``">120"``, ``"<45"``, ``"63*"``; flags are those of ``censored``.

    A trailing mark that is not understood (``*`` or a letter) gives "?": the row is kept and says so.
    """
    text = text.strip()
    if text[:1] in ("<", ">"):
        return number(text[1:].lstrip("= "), where), text[0]
    if text.lower() not in MISSING and text[-1:] and (text[-1] == "*" or text[-1].isalpha()):
        return number(text[:-1], where), "?"
    return number(text, where), ""


def read_table(path: Path | str) -> xr.Dataset:
    """The user's own observations: a comma-separated table with at least ``site``, ``variable``, ``value``.

    Columns: :data:`COLUMNS`. ``variable`` is a stream or one of :data:`ALIASES`; ``nee`` is turned into NEP = -NEE.
    ``unit`` empty means the stream's own unit. Thaw depths may carry ``>`` or ``<``. Rows without a value are left out and
    counted in ``notes``. Raises ``InputError``.
    """
    rows, places, empty = [], {}, 0
    for line, item in enumerate(read_rows(path, ("site", "variable", "value"), COLUMNS), start=2):
        where = f"{path}, row {line}"
        called = item["variable"].lower()
        stream = ALIASES.get(called, called)
        if stream not in STREAMS:
            raise InputError(f"{where}: unknown variable '{item['variable']}'; {suggest(called, (*STREAMS, *ALIASES))}")
        if not item["site"]:
            raise InputError(f"{where}: no site; give its name")
        fields = {n: number(item.get(c, ""), where) for n, c in (("year", "year"), ("month", "month"))}
        if not np.isnan(fields["month"]) and not 1 <= fields["month"] <= 12:
            raise InputError(f"{where}: month {fields['month']:g}, expected 1..12; correct it")
        thaw = stream == "active_layer_thickness"
        value, censored = inequality(item["value"], where) if thaw else (number(item["value"], where), "")
        place = {n: number(item.get(n, ""), where) for n in ("latitude", "longitude")}
        place |= {"elevation": number(item.get("elevation_m", ""), where), "community": item.get("community", "")}
        known = places.setdefault(item["site"], place)
        for name, found in place.items():
            if known[name] != known[name] or known[name] == "":
                known[name] = found
        if np.isnan(value):
            empty += 1
            continue
        factor, offset = conversion(stream, item.get("unit", ""), days_in_month(**fields), where)
        if np.isnan(factor):
            raise InputError(f"{where}: '{stream}' per day needs year and month to become per month; give them")
        error = abs(factor) * number(item.get("error", ""), where)
        if called in NEGATED:
            factor, censored = -factor, {">": "<", "<": ">"}.get(censored, censored)
        rows.append(
            row(
                item["site"],
                stream,
                value * factor + offset,
                depth=number(item.get("depth_m", ""), where),
                error=error,
                quality=number(item.get("quality", ""), where),
                censored=item.get("censored", "") or censored,
                **fields,
            )
        )
    notes = [f"{path}: {empty} rows without a value left out"] if empty else []
    return dataset(rows, places, str(path), notes)


def write_table(observations: xr.Dataset, path: Path | str) -> None:
    """Write observations as the table that :func:`read_table` reads."""
    position = {name: k for k, name in enumerate(observations["place"].values)}
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        at = {name: observations[name].values for name in (*TEXT_FIELDS, *NUMBER_FIELDS)}
        place = {name: observations[name].values for name in (*PLACE_FIELDS, "community")}

        def text(value) -> str:
            return "" if np.isnan(value) else repr(int(value)) if float(value).is_integer() else repr(float(value))

        for k in range(observations.sizes["observation"]):
            here = position[at["site"][k]]
            writer.writerow(
                [at["site"][k], text(at["year"][k]), text(at["month"][k]), at["stream"][k], text(at["value"][k])]
                + [text(at["error"][k]), at["unit"][k], text(at["depth"][k]), text(at["quality"][k]), at["censored"][k]]
                + [text(place[name][here]) for name in PLACE_FIELDS]
                + [place["community"][here]]
            )
