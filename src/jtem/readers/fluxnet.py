"""Monthly files of FLUXNET: forcing at a tower and what the tower observed, from every release that ONEFlux made.

=====================  ============================================================================================
FLUXNET2015            ``FLX_<site>_FLUXNET2015_(FULLSET|SUBSET)_MM_<years>_<version>.csv`` (Pastorello et al. 2020,
                       Scientific Data 7:225)
AmeriFlux FLUXNET      ``AMF_<site>_FLUXNET_(FULLSET|SUBSET)_MM_<years>_<version>.csv`` (README of the product, 2021)
FLUXNET Shuttle        ``<network>_<site>_FLUXNET_FLUXMET_MM_<years>_v<version>_r<run>.csv`` with ``_BIF_`` and
                       ``_BIFVARINFO_MM_`` (AmeriFlux, ICOS, TERN and their partners, 2025-26)
ICOS ETC               ``ICOSETC_<site>_FLUXNET_MM_L2.csv`` with ``_SITEINFO_L2`` and ``_VARINFO_FLUXNET_MM_L2``
=====================  ============================================================================================

In monthly files ``TIMESTAMP`` is YYYYMM, fluxes are gC m-2 d-1 and precipitation mm d-1 (means of daily values),
temperature degC, radiation W m-2, ``_QC`` the fraction of half-hours measured or filled with good quality (not the classes
0-3 of half-hourly files), and -9999 means missing. Here fluxes and precipitation become monthly sums over the calendar's
days (leap years count) and NEE becomes NEP = -NEE. Where a release has no NEE of variable u* threshold (VUT), that of the
constant threshold (CUT) is taken for the whole site.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from jtem.errors import InputError, suggest
from jtem.readers import ameriflux, badm, release
from jtem.readers.observations import check_shares, dataset
from jtem.readers.observed_units import SECONDS_PER_DAY, days_in_month
from jtem.readers.tables import Row, number, rows_of
from jtem.readers.towers import (
    JOULES_PER_KG,
    MINIMUM_QUALITY,
    QUARTILES_TO_SIGMA,
    Tower,
    flux_rows,
    forcing_dataset,
    guard_gpp,
    place_of,
    two_partitionings,
)

FILE_NAME = re.compile(
    r"(?P<network>[A-Z]{2,10})_(?P<site>[A-Z]{2}-[A-Za-z0-9]{3})_FLUXNET(?:2015)?"
    r"(?:_(?P<group>FULLSET|SUBSET|FLUXMET|ERA5|ERAI))?_(?P<step>HH|HR|DD|WW|MM|YY)"
    r"(?:_(?P<first>\d{4})-(?P<last>\d{4}))?(?:_[A-Za-z0-9.-]+)*\.csv"
)
NIGHT_OFFSET = 5.0  # W m-2; a radiometer's zero in the polar night
SOURCES = {
    "air_temperature": (("TA_F", "TA_F_QC"), ("TA_F_MDS", "TA_F_MDS_QC"), ("TA_ERA", "")),
    "precipitation": (("P_F", "P_F_QC"), ("P", ""), ("P_ERA", "")),
    "shortwave_radiation": (("SW_IN_F", "SW_IN_F_QC"), ("SW_IN_F_MDS", "SW_IN_F_MDS_QC"), ("SW_IN_ERA", "")),
}
"""Columns of a forcing variable and of their quality, each where those before it are missing."""
OTHER_UNITS = re.compile(r"(?i)mol|month|mo-1|m-1$|y-1$|year|s-1$")


def site_of(path: Path | str) -> tuple[str, int, int]:
    """Site, first and last year (0, 0: not in the name) from a monthly file's name; ``InputError`` for any other."""
    found = FILE_NAME.fullmatch(Path(path).name)
    if found is None:
        raise InputError(
            f"{path}: not the name of a FLUXNET file, expected such as FLX_US-Prr_FLUXNET2015_FULLSET_MM_2003-2014_1-4.csv, "
            "AMF_US-Prr_FLUXNET_FLUXMET_MM_2010-2024_v1.3_r1.csv or ICOSETC_FI-Hyy_FLUXNET_MM_L2.csv"
        )
    if found["group"] in ("ERA5", "ERAI"):
        raise InputError(f"{path}: reanalysis at the tower, expected its fluxes; give the file with FLUXMET or FULLSET")
    if found["step"] != "MM":
        raise InputError(
            f"{path}: resolution {found['step']}, expected monthly values; give the _MM_ file of {found['site']}"
        )
    return found["site"], int(found["first"] or 0), int(found["last"] or 0)


def monthly_files(path: Path | str, *, needed: bool = True) -> dict[str, release.ReleasedFile]:
    """Monthly files of a release (file, folder or zip) by site. Raises ``InputError`` where there is none (``needed``), or
    two of a site that are no FULLSET beside its SUBSET.
    """
    path = Path(path)
    members = release.members(path)
    if path.is_file() and path.suffix.lower() != ".zip":
        if not needed:
            return {}
        site = site_of(path)[0]
        return {site: next(m for m in members if m.name == path.name)}
    found: dict[str, release.ReleasedFile] = {}
    for member in members:
        name = FILE_NAME.fullmatch(member.name)
        if name is None or name["step"] != "MM" or name["group"] in ("ERA5", "ERAI"):
            continue
        other = found.get(name["site"])
        if other is None or "_SUBSET_" in other.name:
            found[name["site"]] = member
        elif "_SUBSET_" not in member.name:
            raise InputError(
                f"{path}: two monthly files of {name['site']}, {other.name} and {member.name}; name the file to read"
            )
    if needed and not found:
        raise InputError(
            f"{path}: no monthly file of FLUXNET, expected a name such as AMF_US-Prr_FLUXNET_FLUXMET_MM_2010-2024_v1.3_r1.csv"
        )
    return found


def read_release(
    path: Path | str,
    sites: Sequence[str] | None = None,
    *,
    soil_depths: Mapping[str, Sequence[float]] | None = None,
    forcing: bool = True,
) -> dict[str, Tower]:
    """Towers of a release (file, folder or zip) by site, all or those of ``sites``; see :func:`read`.

    A site that has no monthly file of FLUXNET but one of AmeriFlux BASE is read from that (:mod:`jtem.readers.ameriflux`).
    """
    base = ameriflux.files_of(path)
    found = monthly_files(path, needed=not base)
    readers = {site: ameriflux.read for site in base} | {site: read for site in found}
    for given in (sites or (), soil_depths or ()):
        for name in given:
            if name not in readers:
                raise InputError(f"{path}: no site '{name}'; {suggest(name, readers)}")
    return {
        site: readers[site](path, site=site, soil_depths=(soil_depths or {}).get(site, ()), forcing=forcing)
        for site in (sites or readers)
    }


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
    """Read the monthly file of one tower: the file itself, or the folder or zip of a release (``site``: which).

    ``latitude``, ``longitude`` (degrees), ``elevation`` (m), ``community``: of the tower, in place of what the metadata
    beside the file say. ``soil_depths``: depth in m of the sensors ``TS_F_MDS_1``, ``_2``, ..., else that of the variable
    information; their number is an order, not a depth, so sensors without a depth are not read. ``minimum_quality``: months
    are used where the flag is above it. ``forcing``: False leaves the meteorology out.

    Streams: ``nep`` (error: JOINTUNC; without it, as in SUBSET, the root of the squares of RANDUNC and of the spread of
    the u*-threshold ensemble, (p75 - p25)/1.349; else RANDUNC), ``gpp`` and ``ecosystem_respiration`` (mean of night-time and
    day-time partitioning, quality of NEE), ``evapotranspiration`` (LE), ``soil_temperature``. Raises ``InputError``.
    """
    files = monthly_files(path)
    if len(files) > 1 and not site:
        raise InputError(f"{path}: {len(files)} sites; say which to read ({', '.join(files)})")
    name = site or next(iter(files))
    if name not in files:
        raise InputError(f"{path}: no site '{name}'; {suggest(name, files)}")
    member = files[name]
    _, first, last = site_of(member.name)
    table = rows_of(member.text(), member.where, ("TIMESTAMP",))
    year, month = _time(table, first, last, member.where)
    known = badm.about(name, release.members(path))
    place = {"latitude": latitude, "longitude": longitude, "elevation": elevation, "community": community}
    return _Reading(name, table, year, month, member.where, minimum_quality, known).tower(
        place_of(place, known.place), soil_depths, forcing
    )


def _time(table: Sequence[Row], first: int, last: int, where: str) -> tuple[np.ndarray, np.ndarray]:
    stamps = [item["TIMESTAMP"] for item in table]
    for stamp in stamps:
        if not re.fullmatch(r"\d{6}", stamp) or not 1 <= int(stamp[4:]) <= 12:
            raise InputError(f"{where}: TIMESTAMP {stamp!r}, expected YYYYMM; give the monthly (_MM_) file")
    year, month = (np.array([float(s[part]) for s in stamps]) for part in (slice(0, 4), slice(4, 6)))
    if last and (year.min() < first or year.max() > last):
        raise InputError(
            f"{where}: years {year.min():.0f}-{year.max():.0f} inside, {first}-{last} in the name; check the file"
        )
    return year, month


class _Reading:
    """One monthly table on its way to a tower."""

    def __init__(
        self,
        site: str,
        table: Sequence[Row],
        year: np.ndarray,
        month: np.ndarray,
        where: str,
        minimum_quality: float,
        about: badm.TowerFacts,
    ):
        self.site, self.table, self.year, self.month = site, table, year, month
        self.where, self.minimum_quality, self.about = where, minimum_quality, about
        self.days = np.array([days_in_month(y, m) for y, m in zip(year, month, strict=True)])
        self.nothing = np.full(len(table), np.nan)
        self.notes: list[str] = list(about.notes)

    def column(self, name: str) -> np.ndarray:
        """A column (time,), NaN where it is missing or absent; quality flags are checked to be shares."""
        if name not in self.table[0]:
            return self.nothing
        values = np.array([number(item[name], f"{self.where}: {name}") for item in self.table])
        if name.endswith("_QC"):
            check_shares(values, name, self.where)
        return values

    def tower(self, place: Mapping[str, float | str], soil_depths: Sequence[float], forcing: bool) -> Tower:
        """Everything that is read of the table."""
        meteorology = self.meteorology() if forcing else None
        rows = self.fluxes() + self.ground(soil_depths)
        return Tower(self.site, meteorology, dataset(rows, {self.site: place}, self.where, self.notes))

    def meteorology(self):
        """Forcing and its quality; see :data:`SOURCES`."""
        values, quality, columns = {}, {}, {}
        for house, choices in SOURCES.items():
            value, share = self.nothing, self.nothing
            for name, flag in choices:
                found = self.column(name)
                taken = np.isnan(value) & np.isfinite(found)
                if name != choices[0][0] and taken.any():
                    self.notes.append(
                        f"{self.site}: {choices[0][0]} is missing in {taken.sum()} months, taken from {name}"
                    )
                value = np.where(taken, found, value)
                share = np.where(
                    taken, self.column(flag) if flag else (0.0 if name.endswith("_ERA") else np.nan), share
                )
            values[house], quality[house], columns[house] = value, share, choices[0][0]
        values["precipitation"] = values["precipitation"] * self.days
        light = values["shortwave_radiation"]
        dark = (light < 0) & (light > -NIGHT_OFFSET)
        values["shortwave_radiation"] = np.where(dark, 0.0, light)
        if dark.any():
            self.notes.append(
                f"{self.site}: {dark.sum()} months with radiation between -{NIGHT_OFFSET:g} and 0 W m-2 set to 0"
            )
        return forcing_dataset(self.site, self.year, self.month, values, quality, self.where, columns)

    def _threshold(self) -> str:
        """VUT, or CUT where the site has no NEE of VUT."""
        if np.isfinite(self.column("NEE_VUT_REF")).any():
            if "NEE_VUT_REF_QC" not in self.table[0]:
                raise InputError(
                    f"{self.where}: column 'NEE_VUT_REF_QC' is missing; {suggest('NEE_VUT_REF_QC', self.table[0])}"
                )
            return "VUT"
        if np.isfinite(self.column("NEE_CUT_REF")).any():
            self.notes.append(
                f"{self.site}: no NEE of variable u* threshold (VUT), that of the constant one (CUT) is taken"
            )
            return "CUT"
        if not {"NEE_VUT_REF", "NEE_CUT_REF"} & set(self.table[0]):
            raise InputError(f"{self.where}: column 'NEE_VUT_REF' is missing; {suggest('NEE_VUT_REF', self.table[0])}")
        self.notes.append(f"{self.site}: NEE_VUT_REF and NEE_CUT_REF are missing in all months")
        return "VUT"

    def fluxes(self) -> list[dict]:
        """Rows of net ecosystem production, gross primary production, respiration and evapotranspiration."""
        column, days, cut = self.column, self.days, self._threshold()
        unit = self.about.units.get(f"NEE_{cut}_REF", "")
        if unit and OTHER_UNITS.search(unit.replace("gC m-2 d-1", "").strip()):
            raise InputError(
                f"{self.where}: NEE_{cut}_REF is in {unit!r} by its variable information, expected gC m-2 d-1; check the file"
            )
        quality = column(f"NEE_{cut}_REF_QC")
        joint, random = column(f"NEE_{cut}_REF_JOINTUNC"), column(f"NEE_{cut}_REF_RANDUNC")
        threshold = np.abs(column(f"NEE_{cut}_75") - column(f"NEE_{cut}_25")) / QUARTILES_TO_SIGMA
        joint = np.where(np.isfinite(joint), joint, np.hypot(random, threshold))
        error = np.where(np.isfinite(joint), joint, random) * days
        streams = {"nep": (-column(f"NEE_{cut}_REF") * days, error, quality)}
        for stream, name in (("gpp", "GPP"), ("ecosystem_respiration", "RECO")):
            night, day = (column(f"{name}_{kind}_{cut}_REF") * days for kind in ("NT", "DT"))
            streams[stream] = (*two_partitionings(night, day, error), quality)
        evaporation = SECONDS_PER_DAY * days / JOULES_PER_KG
        latent = column("LE_F_MDS"), column("LE_RANDUNC")
        streams["evapotranspiration"] = (latent[0] * evaporation, latent[1] * evaporation, column("LE_F_MDS_QC"))
        rows, notes = flux_rows(self.site, self.year, self.month, streams, self.minimum_quality)
        self.notes += notes + guard_gpp(self.site, self.year, streams["gpp"][0])
        return rows

    def ground(self, soil_depths: Sequence[float]) -> list[dict]:
        """Rows of soil temperature of the sensors whose depth is known."""
        present = [name for name in self.table[0] if re.fullmatch(r"TS_F_MDS_\d+", name)]
        if soil_depths:
            sensors = {f"TS_F_MDS_{order}": float(depth) for order, depth in enumerate(soil_depths, start=1)}
        else:
            sensors = {n: self.about.depths[n] for n in present if n in self.about.depths}
        for name, depth in sensors.items():
            if name not in present:
                raise InputError(
                    f"{self.where}: no soil temperature '{name}' for the depth {depth:g} m; {suggest(name, present or ['none'])}"
                )
        without = [n for n in present if n not in sensors and np.isfinite(self.column(n)).any()]
        if without:
            self.notes.append(f"{self.site}: {', '.join(without)} not read, no depth is known; give soil_depths")
        rows: list[dict] = []
        for name, depth in sensors.items():
            sensor = {"soil_temperature": (self.column(name), self.nothing, self.column(f"{name}_QC"))}
            more, told = flux_rows(self.site, self.year, self.month, sensor, self.minimum_quality, depth)
            rows, self.notes = rows + more, self.notes + told
        return rows
