"""Monthly files of FLUXNET2015 (FULLSET and SUBSET): forcing at a tower and what the tower observed.

Pastorello et al. (2020), Scientific Data 7:225. In monthly files ``TIMESTAMP`` is YYYYMM, fluxes are gC m-2 d-1 and
precipitation mm d-1 (means of daily values), temperature degC, radiation W m-2, ``_QC`` the fraction of half-hours
measured or filled with good quality, and -9999 means missing. Here fluxes and precipitation become monthly sums over the
calendar's days (leap years count) and NEE becomes NEP = -NEE.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from jtem.errors import InputError, suggest
from jtem.readers.observations import (
    SECONDS_PER_DAY,
    dataset,
    days_in_month,
    number,
    read_rows,
    row,
)

FILE_NAME = re.compile(
    r"FLX_([A-Z]{2}-[A-Za-z0-9]{3})_FLUXNET2015_(FULLSET|SUBSET)_(HH|HR|DD|WW|MM|YY)_(\d{4})-(\d{4})_(.+)\.csv"
)
MINIMUM_QUALITY = 0.5
GPP_PER_YEAR = (5.0, 4000.0)  # gC m-2; outside it the file's units are doubtful
NIGHT_OFFSET = 5.0  # W m-2; a radiometer's zero in the polar night
QUARTILES_TO_SIGMA = 1.349  # distance of the quartiles of a normal distribution in standard deviations
JOULES_PER_KG = 2.45e6  # latent heat of vaporisation near 20 degC
FORCING = {
    "air_temperature": ("degC", -90.0, 60.0),
    "precipitation": ("mm month-1", 0.0, 5000.0),
    "shortwave_radiation": ("W m-2", 0.0, 600.0),
}


@dataclass(frozen=True)
class Tower:
    """A flux tower: its forcing and its observations.

    ``forcing``: dims ``(cell, year, month)`` with one cell, in the form of a climate dataset without CO2
    (docs/architecture.md). ``forcing_quality``: same dims and names, share (0-1) of the month that was measured or well
    filled; 0 is pure reanalysis, NaN not stated. ``observations``: see :mod:`jtem.readers.observations`; one place.
    """

    site: str
    forcing: xr.Dataset
    forcing_quality: xr.Dataset
    observations: xr.Dataset

    @property
    def years(self) -> tuple[int, int]:
        """First and last year of the forcing."""
        years = self.forcing["year"].values
        return int(years[0]), int(years[-1])


def forcing_dataset(
    site: str,
    year: np.ndarray,
    month: np.ndarray,
    values: dict[str, np.ndarray],
    quality: dict[str, np.ndarray],
    where: str,
) -> tuple[xr.Dataset, xr.Dataset]:
    """Forcing and its quality on ``(cell=1, year, month)`` from monthly series (time,) in house units.

    Every month of every year must be there. Raises ``InputError`` for gaps, repeats and implausible values.
    """
    moment = 12 * year + month - 1
    expected = np.arange(12 * year.min(), 12 * (year.max() + 1))
    order = np.argsort(moment, kind="stable")
    if not np.array_equal(moment[order], expected):
        lost = np.setdiff1d(expected, moment)
        what = "is missing" if lost.size else "is repeated"
        first = lost[0] if lost.size else moment[order][np.argmin(np.diff(moment[order]))]
        raise InputError(
            f"{where}: month {first // 12:.0f}-{first % 12 + 1:02.0f} of {site} {what}; give all twelve months of every year"
        )
    years = np.arange(int(year.min()), int(year.max()) + 1)

    def grid(series: np.ndarray) -> tuple:
        return ("cell", "year", "month"), np.asarray(series, np.float64)[order].reshape(1, years.size, 12)

    for name, (unit, low, high) in FORCING.items():
        bad = ~((values[name] >= low) & (values[name] <= high))
        if bad.any():
            k = int(np.argmax(bad))
            found = "missing" if np.isnan(values[name][k]) else f"{values[name][k]:g}"
            raise InputError(
                f"{where}: '{name}' of {site} is {found} in {year[k]:.0f}-{month[k]:02.0f}, expected {low:g}..{high:g} "
                f"{unit}; complete or correct the file"
            )
    coords = {"year": years, "month": np.arange(1, 13)}
    forcing = xr.Dataset(
        {name: (*grid(values[name]), {"units": FORCING[name][0]}) for name in FORCING}, coords, {"title": where}
    )
    missing = np.full(year.shape, np.nan)
    shares = xr.Dataset(
        {name: (*grid(quality.get(name, missing)), {"units": "1"}) for name in FORCING}, coords, {"title": where}
    )
    return forcing, shares


def two_partitionings(night: np.ndarray, day: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the night-time and day-time estimates of GPP or respiration, and its standard error, both (time,).

    Where one is missing the other stands alone. The error is the root of the sum of squares of NEE's error and half the
    difference of the two estimates; NaN where neither is known.
    """
    both = np.isfinite(night) & np.isfinite(day)
    value = np.where(both, 0.5 * (night + day), np.where(np.isfinite(night), night, day))
    spread = np.where(both, 0.5 * np.abs(night - day), np.nan)
    known = np.isfinite(spread) | np.isfinite(error)
    total = np.sqrt(np.nan_to_num(spread) ** 2 + np.nan_to_num(error) ** 2)
    return value, np.where(known & (total > 0), total, np.nan)


def guard_gpp(site: str, year: np.ndarray, gpp: np.ndarray) -> list[str]:
    """Sentences about years (twelve months known) whose GPP is outside 5..4000 gC m-2; ``year``, ``gpp``: (time,)."""
    notes = []
    for each in np.unique(year[np.isfinite(gpp)]):
        mine = gpp[(year == each) & np.isfinite(gpp)]
        total = float(mine.sum())
        if mine.size == 12 and not GPP_PER_YEAR[0] <= total <= GPP_PER_YEAR[1]:
            notes.append(
                f"{site}: GPP of {each:.0f} is {total:.0f} gC m-2, outside {GPP_PER_YEAR[0]:g}..{GPP_PER_YEAR[1]:g}; "
                "check the file's units"
            )
    return notes


def flux_rows(
    site: str,
    year: np.ndarray,
    month: np.ndarray,
    streams: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
    minimum_quality: float,
    depth: float = float("nan"),
) -> tuple[list[dict], list[str]]:
    """Rows of streams ``{name: (value, error, quality)}``, each (time,), in house units, where quality is above the least.

    Returns the rows and a note on how many months of each stream were left out for their quality (unknown quality
    counts as too low).
    """
    rows, notes = [], []
    for name, (value, error, quality) in streams.items():
        known = np.isfinite(value)
        good = known & (quality > minimum_quality)
        for k in np.flatnonzero(good):
            fields = {"year": float(year[k]), "month": float(month[k]), "error": float(error[k]), "depth": depth}
            if not fields["error"] > 0:
                fields["error"] = np.nan
            rows.append(row(site, name, float(value[k]), quality=min(1.0, float(quality[k])), **fields))
        if known.sum() > good.sum():
            at = "" if np.isnan(depth) else f" at {depth:g} m"
            notes.append(
                f"{site}: {known.sum() - good.sum()} of {known.sum()} months of {name}{at} left out, quality not above "
                f"{minimum_quality:g}"
            )
    return rows, notes


def site_of(path: Path | str) -> tuple[str, int, int]:
    """Site, first and last year from a monthly file's name; raises ``InputError`` for any other name or resolution."""
    found = FILE_NAME.fullmatch(Path(path).name)
    if found is None:
        raise InputError(
            f"{path}: not a FLUXNET2015 file name, expected "
            "FLX_<CC-Sss>_FLUXNET2015_(FULLSET|SUBSET)_MM_<year>-<year>_<version>.csv"
        )
    if found[3] != "MM":
        raise InputError(f"{path}: resolution {found[3]}, expected monthly values; give the _MM_ file of {found[1]}")
    return found[1], int(found[4]), int(found[5])


def read(
    path: Path | str,
    *,
    latitude: float = float("nan"),
    longitude: float = float("nan"),
    elevation: float = float("nan"),
    community: str = "",
    soil_depths: Sequence[float] = (),
    minimum_quality: float = MINIMUM_QUALITY,
) -> Tower:
    """Read one monthly FULLSET or SUBSET file.

    ``latitude``, ``longitude`` (degrees), ``elevation`` (m), ``community``: of the tower; not in the file.
    ``soil_depths``: depth in m of the sensors ``TS_F_MDS_1``, ``_2``, ...; their number is an order, not a depth, so
    sensors without a depth here are not read. ``minimum_quality``: months are used where the flag is above it.

    Streams: ``nep`` (error: JOINTUNC; without it, as in SUBSET, the root of the squares of RANDUNC and of the spread of
    the u*-threshold ensemble, (p75 - p25)/1.349; else RANDUNC), ``gpp`` and ``ecosystem_respiration`` (mean of night-time and
    day-time partitioning, quality of NEE), ``evapotranspiration`` (LE), ``soil_temperature``. Raises ``InputError``.
    """
    site, first, last = site_of(path)
    where = str(path)
    table = read_rows(path, ("TIMESTAMP", "TA_F", "SW_IN_F", "P_F", "NEE_VUT_REF", "NEE_VUT_REF_QC"))
    stamps = [item["TIMESTAMP"] for item in table]
    for stamp in stamps:
        if not re.fullmatch(r"\d{6}", stamp) or not 1 <= int(stamp[4:]) <= 12:
            raise InputError(f"{where}: TIMESTAMP {stamp!r}, expected YYYYMM; give the monthly (_MM_) file")
    year, month = (np.array([float(s[part]) for s in stamps]) for part in (slice(0, 4), slice(4, 6)))
    if year.min() < first or year.max() > last:
        raise InputError(
            f"{where}: years {year.min():.0f}-{year.max():.0f} inside, {first}-{last} in the name; check the file"
        )
    days = np.array([days_in_month(y, m) for y, m in zip(year, month, strict=True)])

    def column(name: str) -> np.ndarray:
        if name not in table[0]:
            return np.full(len(table), np.nan)
        return np.array([number(item[name], f"{where}: {name}") for item in table])

    values = {
        "air_temperature": column("TA_F"),
        "precipitation": column("P_F") * days,
        "shortwave_radiation": column("SW_IN_F"),
    }
    dark = (values["shortwave_radiation"] < 0) & (values["shortwave_radiation"] > -NIGHT_OFFSET)
    values["shortwave_radiation"] = np.where(dark, 0.0, values["shortwave_radiation"])
    names = {"air_temperature": "TA_F_QC", "precipitation": "P_F_QC", "shortwave_radiation": "SW_IN_F_QC"}
    quality = {house: column(name) for house, name in names.items()}
    forcing, shares = forcing_dataset(site, year, month, values, quality, where)

    nee_quality = column("NEE_VUT_REF_QC")
    joint, random = column("NEE_VUT_REF_JOINTUNC"), column("NEE_VUT_REF_RANDUNC")
    threshold = np.abs(column("NEE_VUT_75") - column("NEE_VUT_25")) / QUARTILES_TO_SIGMA
    joint = np.where(np.isfinite(joint), joint, np.hypot(random, threshold))
    nee_error = np.where(np.isfinite(joint), joint, random) * days
    streams = {"nep": (-column("NEE_VUT_REF") * days, nee_error, nee_quality)}
    for stream, name in (("gpp", "GPP"), ("ecosystem_respiration", "RECO")):
        night, day = (column(f"{name}_{kind}_VUT_REF") * days for kind in ("NT", "DT"))
        value, error = two_partitionings(night, day, nee_error)
        streams[stream] = (value, error, nee_quality)
    evaporation = SECONDS_PER_DAY * days / JOULES_PER_KG
    latent_error = column("LE_RANDUNC") * evaporation
    streams["evapotranspiration"] = (column("LE_F_MDS") * evaporation, latent_error, column("LE_F_MDS_QC"))
    rows, notes = flux_rows(site, year, month, streams, minimum_quality)
    if dark.any():
        notes.append(f"{site}: {dark.sum()} months with radiation between -{NIGHT_OFFSET:g} and 0 W m-2 set to 0")
    notes += guard_gpp(site, year, streams["gpp"][0])
    for order, depth in enumerate(soil_depths, start=1):
        name = f"TS_F_MDS_{order}"
        if name not in table[0]:
            present = [n for n in table[0] if n.startswith("TS_F_MDS") and not n.endswith("_QC")]
            raise InputError(
                f"{where}: no soil temperature '{name}' for the depth {depth:g} m; {suggest(name, present or ['none'])}"
            )
        sensor = {"soil_temperature": (column(name), np.full(len(table), np.nan), column(f"{name}_QC"))}
        more, told = flux_rows(site, year, month, sensor, minimum_quality, float(depth))
        rows, notes = rows + more, notes + told
    place = {"latitude": latitude, "longitude": longitude, "elevation": elevation, "community": community}
    return Tower(site, forcing, shares, dataset(rows, {site: place}, where, notes))
