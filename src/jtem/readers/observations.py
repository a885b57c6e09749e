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

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from jtem.errors import InputError, note, suggest
from jtem.readers import tables
from jtem.readers.observed_units import FLUX, YEARLY, check_celsius, conversion, days_in_month
from jtem.readers.tables import inequality, number
from jtem.readers.thaw import yearly_maximum
from jtem.records import Attributes, Named


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


STREAMS = {
    "nep": Stream(FLUX, -1000.0, 1000.0, "month", ("net_ecosystem_production",)),
    "gpp": Stream(FLUX, -200.0, 1500.0, "month", ("gross_primary_production",)),
    "ecosystem_respiration": Stream(
        FLUX, -200.0, 1500.0, "month", ("autotrophic_respiration", "heterotrophic_respiration")
    ),
    "evapotranspiration": Stream("mm month-1", -100.0, 500.0, "month", ("evapotranspiration",)),
    "soil_temperature": Stream("degC", -60.0, 60.0, "month", ("soil_temperature",)),
    "snow_depth": Stream("m", 0.0, 20.0, "month", ("snow_depth",)),
    "active_layer_thickness": Stream("m", 0.0, 12.0, "year", ("active_layer_thickness",)),
    "net_primary_production": Stream(YEARLY, 0.0, 5000.0, "year", ("net_primary_production",)),
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


def row(site: str, stream: str, value: float, **fields: Any) -> Named:
    """One observation as a dictionary; fields not given are NaN (``depth``, ``year``, ``month``, ``error``,
    ``quality``) or "" (``censored``).
    """
    nothing = dict.fromkeys(("depth", "year", "month", "error", "quality"), np.nan)
    return nothing | {"site": site, "stream": stream, "value": value, "censored": ""} | fields


def dataset(
    rows: Sequence[Named],
    places: Mapping[str, Attributes],
    title: str,
    notes: Sequence[str] = (),
) -> xr.Dataset:
    """Observation dataset from rows (see :func:`row`) and ``{site: {"latitude": ..., "community": ...}}``.

    ``notes``: sentences about what the reader left out or found odd, kept in ``attrs["notes"]`` one to a line. Raises
    ``InputError`` for unknown streams, values outside a stream's range, sites without place, impossible coordinates.
    """
    count = len(rows)
    fields: Named = {}
    for name in NUMBER_FIELDS:
        fields[name] = ("observation", np.array([r[name] for r in rows], dtype=np.float64).reshape(count))
    for name in ("site", "stream", "censored"):
        fields[name] = ("observation", np.array([r[name] for r in rows], dtype=object).reshape(count))
    units = [STREAMS[r["stream"]].unit if r["stream"] in STREAMS else "" for r in rows]
    fields["unit"] = ("observation", np.array(units, dtype=object).reshape(count))
    for name in PLACE_FIELDS:
        values = [p.get(name, np.nan) for p in places.values()]
        column = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
        around = (name == "longitude") & (column > 180) & (column <= 360)
        fields[name] = ("place", np.where(around, column - 360.0, column))
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
    bad = np.abs(longitude) > 360
    if bad.any():
        raise InputError(
            f"{where}: longitude {longitude[bad][0]:g} of '{observations['place'].values[bad][0]}' is outside -180..360; correct "
            "the coordinate"
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
        _check_typical(name, float(np.median(value[mine])), where)
        dated = np.isfinite(observations["month"].values)
        if kind.period == "month" and (mine & ~dated).any():
            raise InputError(f"{where}: '{name}' at {_moment(observations, mine & ~dated)} has no month; give 1..12")
        if kind.period == "year" and (mine & dated).any():
            raise InputError(
                f"{where}: '{name}' at {_moment(observations, mine & dated)} has a month but is of a whole year; leave the "
                "month out"
            )
    _check_depths(observations, where)
    month, quality = observations["month"].values, observations["quality"].values
    year = observations["year"].values
    bad = np.isfinite(year) & ~(np.isin(year, np.arange(1000, 3000)))
    if bad.any():
        raise InputError(f"{where}: year {year[bad][0]:g} of '{stream[bad][0]}', expected a calendar year; correct it")
    bad = np.isfinite(month) & ~np.isin(month, np.arange(1, 13))
    if bad.any():
        raise InputError(
            f"{where}: month {month[bad][0]:g} at {_moment(observations, bad)}, expected 1..12; correct it"
        )
    check_shares(quality, "quality", where)
    bad = observations["error"].values <= 0
    if bad.any():
        found = observations["error"].values[bad][0]
        raise InputError(
            f"{where}: error {found:g} at {_moment(observations, bad)}, expected a positive number or nothing; correct it"
        )
    if not set(observations["censored"].values) <= {"", ">", "<", "?"}:
        raise InputError(f"{where}: 'censored' must be empty, '>', '<' or '?'; correct it")


THIN, THICK, SINK = 0.04, 4.0, -5.0
"""m: median active layers that are refused or doubted; gC m-2 month-1: a median below has the other sign."""


def _check_typical(stream: str, value: float, where: str) -> None:
    """Refuse a median that tells another unit or sign; raises ``InputError``."""
    if stream in ("gpp", "ecosystem_respiration") and value < SINK:
        raise InputError(
            f"{where}: the median '{stream}' is {value:g} {FLUX}, expected positive values; turn their sign"
        )
    if stream == "active_layer_thickness" and value < THIN:
        raise InputError(
            f"{where}: the median '{stream}' is {100 * value:.3g} cm, metres taken for centimetres? correct the unit"
        )
    if stream == "active_layer_thickness" and value > THICK:
        note(f"{where}: the median '{stream}' is {value:g} m, as in bedrock; another unit?")


def check_shares(quality: np.ndarray, name: str, where: str) -> None:
    """Raise ``InputError`` unless flags are shares of 0..1 (1 best): classes of 0..3 (0 best) and percent are told apart."""
    known = quality[np.isfinite(quality)]
    if not np.any((known < 0) | (known > 1)):
        return
    odd = known[np.argmax(np.abs(known - 0.5))]
    if np.isin(known, (0, 1, 2, 3)).all():
        remedy = "classes (0 measured ... 3 poor)? give the share of good values instead"
    else:
        remedy = "percent? divide by 100" if known.min() >= 0 and known.max() <= 100 else "correct it"
    raise InputError(f"{where}: quality {odd:g} in '{name}', expected a share of 0..1; {remedy}")


DEEPEST = 60.0  # m, of the model's soil
QUIET_BELOW, LARGEST_SWING = 5.0, 8.0  # m, degC: below, the seasons of the ground stay within this range


def _check_depths(observations: xr.Dataset, where: str) -> None:
    """Soil temperature has a depth in m, positive downwards, at which its seasons are possible."""
    ground = observations["stream"].values == "soil_temperature"
    depth, value, site = (observations[name].values for name in ("depth", "value", "site"))
    bad = ground & ~(depth >= 0)
    if bad.any():
        said = "no depth" if np.isnan(depth[bad][0]) else f"the depth {depth[bad][0]:g} m"
        raise InputError(
            f"{where}: 'soil_temperature' at {_moment(observations, bad)} has {said}; give the sensor's depth in m, "
            "positive downwards"
        )
    bad = ground & (depth > DEEPEST)
    if bad.any():
        raise InputError(
            f"{where}: 'soil_temperature' at {_moment(observations, bad)} has the depth {depth[bad][0]:g} m, expected "
            f"0..{DEEPEST:g}; give metres (centimetres?) or leave it out"
        )
    for key in sorted({(str(site[k]), float(depth[k])) for k in np.flatnonzero(ground & (depth >= QUIET_BELOW))}):
        mine = value[ground & (site == key[0]) & (depth == key[1])]
        if np.ptp(mine) > LARGEST_SWING:
            raise InputError(
                f"{where}: 'soil_temperature' of {key[0]} at {key[1]:g} m varies by {np.ptp(mine):.1f} degC, which such a "
                "depth does not; give the depth in metres (centimetres?)"
            )


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
    rows: list[Named] = []
    places: dict[str, Named] = {}
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
            f"no error is stated for '{name}' of {_moment(observations, ~(error > 0))}; give one in a column 'error', or for "
            f"the stream in {STREAMS[name].unit} ([errors] floor of a plan)"
        )
    return observations.assign(error=("observation", error))


# --- what several sources need -----------------------------------------------------------------------------------------


def refuse_repeated(rows: Sequence[Named], where: str) -> list[Named]:
    """Rows without exact copies; raises ``InputError`` where one moment of a site and stream has two values."""
    found: dict[tuple, Named] = {}
    for item in rows:
        numbers = (None if np.isnan(item[n]) else float(item[n]) for n in ("depth", "year", "month"))
        key = (item["site"], item["stream"], *numbers)
        known = found.setdefault(key, dict(item))
        if known["value"] != item["value"]:
            when = "".join(f"-{v:02.0f}" for v in (item["year"], item["month"]) if np.isfinite(v)).lstrip("-")
            raise InputError(
                f"{where}: '{item['stream']}' of {item['site']} {when} is given twice ({known['value']:g} and "
                f"{item['value']:g} {STREAMS[item['stream']].unit}); keep one or give their mean"
            ) from None
    return list(found.values())


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
READ_COLUMNS = (*COLUMNS, "date", "depth_cm", "lat", "lon", "long")
"""What a table may hold beside :data:`COLUMNS`: ``date`` for year and month, ``depth_cm``, short names of the place."""


def _when(item: Mapping[str, str], where: str) -> dict[str, float]:
    """Year, month and day of a row, from ``date`` where it is filled."""
    fields = {name: number(item.get(name, ""), where) for name in ("year", "month")}
    if not np.isnan(fields["month"]) and not 1 <= fields["month"] <= 12:
        raise InputError(f"{where}: month {fields['month']:g}, expected 1..12; correct it")
    if not tables.is_missing(item.get("date", "")):
        year, month, day = tables.date(item["date"], where)
        for name, found in (("year", year), ("month", month)):
            if np.isfinite(fields[name]) and fields[name] != found:
                raise InputError(f"{where}: {name} {fields[name]:g} beside the date {item['date']}; keep one")
        return {"year": year, "month": month, "day": day}
    return fields | {"day": np.nan}


def _depth(item: Mapping[str, str], where: str) -> float:
    """Depth in m of a row with ``depth_m`` or ``depth_cm``, its sign as it stands."""
    metres, centimetres = number(item.get("depth_m", ""), where), number(item.get("depth_cm", ""), where)
    if np.isfinite(metres) and np.isfinite(centimetres):
        raise InputError(f"{where}: depth_m and depth_cm are both filled; keep one")
    return metres if np.isfinite(metres) else centimetres / 100.0


def downwards(rows: Sequence[Named], where: str) -> list[str]:
    """Make depths positive downwards, in place, where all are written as negative heights; returns a note about it.

    Raises ``InputError`` for depths of both signs.
    """
    depths = np.array([item["depth"] for item in rows], dtype=np.float64)
    if not np.any(depths < 0):
        return []
    if np.any(depths > 0):
        raise InputError(
            f"{where}: depths of both signs ({depths[depths < 0][0]:g} and {depths[depths > 0][0]:g} m); give all positive "
            "downwards"
        )
    for item in rows:
        item["depth"] = abs(item["depth"])
    return [f"{where}: depths are negative there and were taken as heights, positive downwards"]


def read_table(path: Path | str) -> xr.Dataset:
    """The user's own observations: a table with at least ``site``, ``variable``, ``value`` (see :mod:`~jtem.readers.tables`).

    Columns: :data:`READ_COLUMNS`. ``variable`` is a stream or one of :data:`ALIASES`; ``nee`` is turned into NEP = -NEE.
    Every value has a ``unit``, but soil temperature of cold ground. Thaw depths may carry marks (``>120``, ``120+``,
    ``63*``); with months they are probings whose largest is the year's active layer (:func:`yearly_maximum`). Negative depths
    are heights. Rows without a value are left out and counted in ``notes``. Raises ``InputError``.
    """
    rows, places, empty, bare = [], {}, 0, []
    found = tables.read_rows(path, ("site", "variable", "value"), READ_COLUMNS)
    for item in found:
        where = f"{path}, row {item.line}"
        called = item["variable"].lower()
        stream = ALIASES.get(called, called)
        if stream not in STREAMS:
            raise InputError(f"{where}: unknown variable '{item['variable']}'; {suggest(called, (*STREAMS, *ALIASES))}")
        if not item["site"]:
            raise InputError(f"{where}: no site; give its name")
        fields = _when(item, where)
        thaw = stream == "active_layer_thickness"
        value, censored = inequality(item["value"], where) if thaw else (number(item["value"], where), "")
        _add_place(places, item, where)
        if np.isnan(value):
            empty += 1
            continue
        factor, offset = conversion(
            stream, STREAMS[stream].unit, item.get("unit", ""), days_in_month(fields["year"], fields["month"]), where
        )
        if np.isnan(factor):
            raise InputError(f"{where}: '{stream}' per day needs year and month to become per month; give them")
        if not item.get("unit", "") and stream == "soil_temperature":
            bare.append(value)
        error = abs(factor) * number(item.get("error", ""), where)
        if called in NEGATED:
            factor, censored = -factor, {">": "<", "<": ">"}.get(censored, censored)
        rows.append(
            row(
                item["site"],
                stream,
                value * factor + offset,
                depth=_depth(item, where),
                error=error,
                quality=number(item.get("quality", ""), where),
                censored=item.get("censored", "") or censored,
                **fields,
            )
        )
    check_celsius(bare, str(path))
    notes = [f"{path}: {empty} rows without a value left out"] if empty else []
    notes += downwards(rows, str(path))
    rows, told = yearly_maximum(rows, places, str(path))
    return dataset(refuse_repeated(rows, str(path)), places, str(path), notes + told)


def _add_place(places: dict[str, Named], item: Mapping[str, str], where: str) -> None:
    """The place of a row; what an earlier row of the site left empty is filled, what it gives otherwise is refused."""
    short = {"latitude": ("latitude", "lat"), "longitude": ("longitude", "lon", "long"), "elevation": ("elevation_m",)}
    read = {"latitude": tables.degrees, "longitude": tables.degrees, "elevation": number}
    place: Named = {
        field: read[field](next((item[n] for n in names if item.get(n)), ""), where) for field, names in short.items()
    }
    place["community"] = item.get("community", "")
    known = places.setdefault(item["site"], place)
    for name, value in place.items():
        if known[name] != known[name] or known[name] == "":
            known[name] = value
        elif value == value and value != "" and value != known[name]:
            raise InputError(f"{where}: '{item['site']}' has {name} {known[name]} and {value}; give one")


def write_table(observations: xr.Dataset, path: Path | str) -> None:
    """Write observations as the table that :func:`read_table` reads."""
    position = {name: k for k, name in enumerate(observations["place"].values)}
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        at = {name: observations[name].values for name in (*TEXT_FIELDS, *NUMBER_FIELDS)}
        place = {name: observations[name].values for name in (*PLACE_FIELDS, "community")}

        def text(value: float) -> str:
            return "" if np.isnan(value) else repr(int(value)) if float(value).is_integer() else repr(float(value))

        for k in range(observations.sizes["observation"]):
            here = position[at["site"][k]]
            writer.writerow(
                [at["site"][k], text(at["year"][k]), text(at["month"][k]), at["stream"][k], text(at["value"][k])]
                + [text(at["error"][k]), at["unit"][k], text(at["depth"][k]), text(at["quality"][k]), at["censored"][k]]
                + [text(place[name][here]) for name in PLACE_FIELDS]
                + [place["community"][here]]
            )
