"""Half-hourly and hourly files of AmeriFlux BASE, averaged to months in bounded memory.

``AMF_<site>_BASE_(HH|HR)_<version>.csv`` begins with the lines ``# Site:`` and ``# Version:``, has TIMESTAMP_START and
TIMESTAMP_END (YYYYMMDDHHMM, local standard time) and -9999 where nothing was measured (AmeriFlux BASE README, 2019). Names
carry qualifiers: ``_PI`` (by the tower's team), ``_F`` (filled), positions ``_<H>_<V>_<R>``; CO2 fluxes are umol m-2 s-1, LE
and radiation W m-2, precipitation mm of the interval, temperature degC.

BASE is not filled. A month's mean is that of its mean day (each time of the day counts alike, so that gaps at night do not
bias it); its quality is the share of intervals with a value, and values whose ``_SSITC_TEST`` flag is 2 (bad; 0 best) do not
count. Meteorology is used as forcing only where nearly every interval of every month is there.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jtem.errors import InputError, suggest
from jtem.readers import badm, release
from jtem.readers.observations import dataset
from jtem.readers.observed_units import GRAMS_CARBON_PER_MICROMOLE, SECONDS_PER_DAY, days_in_month
from jtem.readers.towers import JOULES_PER_KG, MINIMUM_QUALITY, Tower, flux_rows, forcing_dataset, guard_gpp, place_of

FILE_NAME = re.compile(r"AMF_(?P<site>[A-Z]{2}-[A-Za-z0-9]{3})_BASE_(?P<step>HH|HR)_[\d-]+\.csv")
BASE = {"air_temperature": "TA", "precipitation": "P", "shortwave_radiation": "SW_IN"}
COMPLETE = 0.95
"""Share of a month's intervals that forcing needs."""
BAD_FLAG = 2.0


@dataclass(frozen=True)
class IntervalMeans:
    """Monthly means of an interval file, all (month,) or by column: ``year``, ``month``; ``mean`` of the mean day (NaN
    where some time of the day has no value), ``share`` of the intervals with a value (0-1).
    """

    year: np.ndarray
    month: np.ndarray
    mean: Mapping[str, np.ndarray]
    share: Mapping[str, np.ndarray]


def files_of(path: Path | str) -> dict[str, release.ReleasedFile]:
    """BASE files of a release (file, folder or zip) by site, half-hourly before hourly."""
    path = Path(path)
    members = release.members(path)
    if path.is_file() and path.suffix.lower() != ".zip":
        members = [m for m in members if m.name == path.name]
    found: dict[str, release.ReleasedFile] = {}
    for member in members:
        name = FILE_NAME.fullmatch(member.name)
        if name and (name["site"] not in found or name["step"] == "HH"):
            found[name["site"]] = member
    return found


def choose(header: Sequence[str], variable: str, *, filled: bool) -> str:
    """The column of a variable: its plain name, else by the team (``_PI``), else the first position; "" where none is there.

    ``filled``: filled columns (``_F``) come first, else they are left out.
    """
    pattern = re.compile(rf"{variable}(?P<pi>_PI)?(?P<fill>_F)?(?P<place>_\d+_\d+_(?:\d+|A)|_\d+)?")
    found = [(match, name) for name in header if (match := pattern.fullmatch(name))]
    ranked = sorted(
        (not match["fill"], bool(match["pi"]), match["place"] or "", name)
        for match, name in found
        if filled or not match["fill"]
    )
    return ranked[0][-1] if ranked else ""


def monthly(member: release.ReleasedFile, columns: Sequence[str]) -> IntervalMeans:
    """Months of the columns (see :class:`IntervalMeans`), read line by line; flags ``_SSITC_TEST`` of a column are respected.

    Raises ``InputError`` for lines that are no intervals of a BASE file.
    """
    lines = (line for line in member.lines() if not line.startswith("#"))
    reader = csv.reader(lines)
    header = [name.strip() for name in next(reader, [])]
    for name in ("TIMESTAMP_START", "TIMESTAMP_END", *columns):
        if name not in header:
            raise InputError(f"{member.where}: column '{name}' is missing; {suggest(name, header or ['none'])}")
    begin, end = header.index("TIMESTAMP_START"), header.index("TIMESTAMP_END")
    at = [header.index(name) for name in columns]
    flags = [header.index(flag) if (flag := _flag_of(name, header)) else -1 for name in columns]
    slots, total, count = 0, {}, {}
    for number, fields in enumerate(reader, start=1):
        try:
            stamp, minutes = fields[begin], _minutes(fields[end]) - _minutes(fields[begin])
            if len(stamp) != 12 or minutes % 1440 not in (30, 60):
                raise ValueError
            if not slots:
                slots = 1440 // (minutes % 1440)
            values = [float(fields[k]) for k in at]
            bad = [k >= 0 and float(fields[k]) >= BAD_FLAG for k in flags]
            slot = (int(stamp[8:10]) * 60 + int(stamp[10:])) * slots // 1440
            key = (int(stamp[:4]), int(stamp[4:6]))
        except (ValueError, IndexError):
            raise InputError(
                f"{member.where}: row {number} is no interval of 30 or 60 minutes with numbers; download the file again"
            ) from None
        if key not in total:
            total[key], count[key] = np.zeros((slots, len(at))), np.zeros((slots, len(at)), int)
        row_total, row_count = total[key][slot], count[key][slot]
        for k, value in enumerate(values):
            if value > -9990.0 and not bad[k]:
                row_total[k] += value
                row_count[k] += 1
    if not total:
        raise InputError(f"{member.where}: no intervals; download the file again")
    keys = sorted(total)
    year, month = (np.array([key[k] for key in keys], dtype=float) for k in (0, 1))
    days = np.array([days_in_month(y, m) for y, m in zip(year, month, strict=True)])
    sums, numbers = (np.stack([table[key] for key in keys]) for table in (total, count))  # (month, slot, column)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (sums / numbers).mean(axis=1)
    share = numbers.sum(axis=1) / (days * slots)[:, None]
    if share.max() > 1.0 + 1e-9:
        k = int(np.argmax(share.max(axis=1)))
        raise InputError(
            f"{member.where}: {year[k]:.0f}-{month[k]:02.0f} has repeated intervals; download the file again"
        )
    return IntervalMeans(
        year,
        month,
        {name: mean[:, k] for k, name in enumerate(columns)},
        {name: share[:, k] for k, name in enumerate(columns)},
    )


def _minutes(stamp: str) -> int:
    return 60 * int(stamp[8:10]) + int(stamp[10:12])


def _flag_of(column: str, header: Sequence[str]) -> str:
    variable, place = re.fullmatch(r"(.*?)((?:_\d+){0,3})", column).groups()  # type: ignore[union-attr]
    plain = variable.replace("_PI", "").replace("NEE", "FC")
    return next((n for n in (f"{plain}_SSITC_TEST{place}", f"{plain}_SSITC_TEST") if n in header), "")


def read(
    path: Path | str,
    *,
    site: str = "",
    latitude: float = float("nan"),
    longitude: float = float("nan"),
    elevation: float = float("nan"),
    community: str = "",
    soil_depths: Sequence[float] = (),
    minimum_quality: float = MINIMUM_QUALITY,
    forcing: bool = True,
) -> Tower:
    """A tower from its BASE file, the folder or zip that holds it (``site``: which); arguments as :func:`fluxnet.read`.

    Streams: ``nep`` from NEE_PI, else NEE, else FC + SC (FC alone where storage was not measured, said in the notes);
    ``gpp`` and ``ecosystem_respiration`` where the team gives them (quality of NEE); ``evapotranspiration``;
    ``soil_temperature`` of sensors ``TS...`` in the file's order or with a depth in the metadata. No errors are stated.
    Raises ``InputError``.
    """
    files = files_of(path)
    if not files:
        raise InputError(f"{path}: no file of AmeriFlux BASE, expected a name such as AMF_US-Prr_BASE_HH_3-5.csv")
    if len(files) > 1 and not site:
        raise InputError(f"{path}: {len(files)} sites; say which to read ({', '.join(files)})")
    name = site or next(iter(files))
    if name not in files:
        raise InputError(f"{path}: no site '{name}'; {suggest(name, files)}")
    member = files[name]
    header = next(csv.reader(line for line in member.lines() if not line.startswith("#")), [])
    header = [each.strip() for each in header]
    about = badm.about(name, release.members(path))
    notes = list(about.notes)
    carbon = choose(header, "NEE", filled=False) or choose(header, "FC", filled=False)
    if not carbon:
        raise InputError(f"{member.where}: no column of CO2 flux (NEE_PI, NEE, FC); check the file")
    storage = choose(header, "SC", filled=False) if carbon.startswith("FC") else ""
    if carbon.startswith("FC") and not storage:
        notes.append(f"{name}: NEE is {carbon} without storage (SC), which was not measured")
    other = {"gpp": "GPP", "ecosystem_respiration": "RECO", "evapotranspiration": "LE"}
    fluxes = {
        stream: choose(header, base, filled=stream in ("gpp", "ecosystem_respiration"))
        for stream, base in other.items()
    }
    present = [each for each in header if re.fullmatch(r"TS(_PI)?(_\d+_\d+_(\d+|A)|_\d+)?", each)]
    sensors = (
        dict(zip(present, map(float, soil_depths), strict=False))
        if soil_depths
        else {each: about.depths[each] for each in present if each in about.depths}
    )
    if len(soil_depths) > len(present):
        raise InputError(f"{member.where}: {len(soil_depths)} soil depths for {len(present)} sensors; give fewer")
    if len(sensors) < len(present):
        notes.append(
            f"{name}: {len(present) - len(sensors)} soil sensors not read, no depth is known; give soil_depths"
        )
    weather = {house: choose(header, base, filled=True) for house, base in BASE.items()} if forcing else {}
    wanted = [carbon, storage, *fluxes.values(), *sensors, *weather.values()]
    found = monthly(member, list(dict.fromkeys(filter(None, wanted))))
    days = np.array([days_in_month(y, m) for y, m in zip(found.year, found.month, strict=True)])
    grams = SECONDS_PER_DAY * days * GRAMS_CARBON_PER_MICROMOLE
    unknown = np.full(days.shape, np.nan)
    exchange, quality = found.mean[carbon], found.share[carbon]
    if storage:
        exchange, quality = exchange + found.mean[storage], np.minimum(quality, found.share[storage])
    streams = {"nep": (-exchange * grams, unknown, quality)}
    for stream, column in fluxes.items():
        if column:
            factor = grams if stream != "evapotranspiration" else SECONDS_PER_DAY * days / JOULES_PER_KG
            share = found.share[column] if stream == "evapotranspiration" else np.minimum(quality, found.share[column])
            streams[stream] = (found.mean[column] * factor, unknown, share)
    rows, told = flux_rows(name, found.year, found.month, streams, minimum_quality)
    notes += told + (guard_gpp(name, found.year, streams["gpp"][0]) if "gpp" in streams else [])
    for column, depth in sensors.items():
        sensor = {"soil_temperature": (found.mean[column], unknown, found.share[column])}
        more, told = flux_rows(name, found.year, found.month, sensor, minimum_quality, depth)
        rows, notes = rows + more, notes + told
    place = {"latitude": latitude, "longitude": longitude, "elevation": elevation, "community": community}
    meteorology = _meteorology(name, found, weather, days, member) if forcing else None
    return Tower(name, meteorology, dataset(rows, {name: place_of(place, about.place)}, member.where, notes))


def _meteorology(
    site: str, found: IntervalMeans, weather: Mapping[str, str], days: np.ndarray, member: release.ReleasedFile
):
    values, quality = {}, {}
    step = 48 if "_HH_" in member.name else 24
    for house, column in weather.items():
        if not column:
            raise InputError(
                f"{member.where}: no column '{BASE[house]}' for the forcing; take climate = 'climate_grid' or 'embedded'"
            )
        scale = days * step if house == "precipitation" else 1.0
        value, share = found.mean[column] * scale, found.share[column]
        short = share < COMPLETE
        if short.any():
            k = int(np.argmax(short))
            raise InputError(
                f"{member.where}: {column} has {100 * share[k]:.0f} % of the intervals of {found.year[k]:.0f}-"
                f"{found.month[k]:02.0f} ({int(short.sum())} months below {100 * COMPLETE:.0f} %), too few for a forcing; take "
                "climate = 'climate_grid' or 'embedded'"
            )
        if house == "shortwave_radiation":
            value = np.where((value < 0) & (value > -5.0), 0.0, value)
        values[house], quality[house] = value, share
    return forcing_dataset(site, found.year, found.month, values, quality, member.where, weather)
