"""Flux towers: what every source of them gives, and the tidy table ``flux_sites.csv``.

A :class:`Tower` is one tower's monthly forcing and observations; the readers of published layouts
(:mod:`jtem.readers.fluxnet`, :mod:`jtem.readers.ameriflux`) and :func:`flux_sites` return it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from jtem.errors import InputError, suggest
from jtem.readers.observations import check_shares, dataset, row
from jtem.readers.observed_units import SECONDS_PER_DAY, days_in_month
from jtem.readers.tables import number, read_rows

MINIMUM_QUALITY = 0.5
WETTEST = 8000.0  # mm a year; no tower has more
GPP_PER_YEAR = (5.0, 4000.0)  # gC m-2; outside it the file's units are doubtful
NIGHT_OFFSET = 5.0  # W m-2; a radiometer's zero in the polar night
QUARTILES_TO_SIGMA = 1.349  # distance of the quartiles of a normal distribution in standard deviations
JOULES_PER_KG = 2.45e6  # latent heat of vaporisation near 20 degC
FORCING = {
    "air_temperature": ("degC", -90.0, 60.0),
    "precipitation": ("mm month-1", 0.0, 5000.0),
    "shortwave_radiation": ("W m-2", 0.0, 600.0),
}

COMMUNITY_OF_GROUP = {
    "boreal_forest": "boreal_forest",
    "wet_tundra": "wet_moist_tundra",
    "polar_desert_alpine_tundra": "alpine_tundra_polar_desert",
    "alpine_meadow": "alpine_meadow",
    "steppe": "grassland",
    "alpine_other": "",
}
"""Vegetation group of ``flux_sites.csv`` and the model's community that stands for it ("": the user has to say)."""


@dataclass(frozen=True)
class Tower:
    """A flux tower: its forcing and its observations.

    ``forcing``: dims ``(cell, year, month)`` with one cell, in the form of a climate dataset without CO2
    (docs/architecture.md). ``forcing_quality``: same dims and names, share (0-1) of the month that was measured or well
    filled; 0 is pure reanalysis, NaN not stated. ``observations``: see :mod:`jtem.readers.observations`; one place.
    """

    site: str
    meteorology: tuple[xr.Dataset, xr.Dataset] | None
    observations: xr.Dataset

    @property
    def forcing(self) -> xr.Dataset:
        """See the class; raises ``InputError`` where the tower was read for its observations alone."""
        return self._meteorology()[0]

    @property
    def forcing_quality(self) -> xr.Dataset:
        """See the class; raises ``InputError`` where the tower was read for its observations alone."""
        return self._meteorology()[1]

    @property
    def years(self) -> tuple[int, int]:
        """First and last year of the forcing."""
        years = self.forcing["year"].values
        return int(years[0]), int(years[-1])

    def _meteorology(self) -> tuple[xr.Dataset, xr.Dataset]:
        if self.meteorology is None:
            raise InputError(
                f"the meteorology of {self.site} was not read; choose climate = 'climate_grid' or 'embedded'"
            )
        return self.meteorology


def forcing_dataset(
    site: str,
    year: np.ndarray,
    month: np.ndarray,
    values: dict[str, np.ndarray],
    quality: dict[str, np.ndarray],
    where: str,
    columns: Mapping[str, str] = {},
) -> tuple[xr.Dataset, xr.Dataset]:
    """Forcing and its quality on ``(cell=1, year, month)`` from monthly series (time,) in house units.

    ``columns``: what the source calls a variable, for messages. Every month of every year must be there. Raises
    ``InputError`` for gaps, repeats and implausible values.
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
            count = ", ".join([*([columns[name]] if name in columns else []), f"{int(bad.sum())} months"])
            remedy = "take climate = 'climate_grid'" if np.isnan(values[name][k]) else "correct it"
            raise InputError(
                f"{where}: '{name}' of {site} is {found} in {year[k]:.0f}-{month[k]:02.0f} ({count}), "
                f"expected {low:g}..{high:g} {unit}; complete the file or {remedy}"
            )
    rain = grid(values["precipitation"])[1][0].sum(axis=1)
    if np.any(rain <= 0):
        raise InputError(
            f"{where}: 'precipitation' of {site} is 0 in all months of {years[np.argmax(rain <= 0)]}; mark what is missing, or "
            "take climate = 'climate_grid'"
        )
    if np.any(rain > WETTEST):
        raise InputError(
            f"{where}: 'precipitation' of {site} is {rain.max():.0f} mm in {years[np.argmax(rain)]}, expected below {WETTEST:g}; "
            "correct its unit (sums of the month for mm a day?)"
        )
    coords = {"year": years, "month": np.arange(1, 13)}
    forcing = xr.Dataset(
        {name: (*grid(values[name]), {"units": FORCING[name][0]}) for name in FORCING}, coords, {"title": where}
    )
    missing = np.full(year.shape, np.nan)
    for name, share in quality.items():
        check_shares(share, f"quality of {name}", where)
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
        check_shares(quality, f"quality of {name}", site)
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


def flux_sites(
    folder: Path | str,
    sites: Sequence[str] | None = None,
    *,
    soil_depths: Mapping[str, Sequence[float]] | Sequence[float] = (),
    minimum_quality: float = MINIMUM_QUALITY,
) -> dict[str, Tower]:
    """Towers of ``flux_sites.csv`` and ``flux_sites_monthly.csv`` by name: forcing and observations.

    ``sites``: which (default all). ``soil_depths``: depth in m of the sensors ts1, ts2, ts3, for all sites or by site;
    the file does not hold it (sensor 1 is the shallowest, typically 0.02-0.1 m), sensors without a depth are not read.
    ``minimum_quality``: fluxes are used where ``nee_qc`` is above it, soil temperature where its own flag is.

    Errors: NEP from the quartiles of the u*-threshold ensemble, (p75 - p25)/1.349, which leaves random error out; GPP
    and respiration add half the difference of the two partitionings. Complete them with ``observations.with_errors``.
    Elevation is NaN where the archive has none (CN-HaM). Raises ``InputError``.
    """
    folder = Path(folder)
    about = {
        item["site"]: item for item in read_rows(folder / "flux_sites.csv", ("site", "lat", "lon", "elev_m", "group"))
    }
    chosen = list(about) if sites is None else list(sites)
    for name in chosen:
        if name not in about:
            raise InputError(f"{folder / 'flux_sites.csv'}: no site '{name}'; {suggest(name, about)}")
    if isinstance(soil_depths, Mapping):
        for name in soil_depths:
            if name not in about:
                raise InputError(f"soil depths are given for '{name}', which is no tower; {suggest(name, about)}")
    path = folder / "flux_sites_monthly.csv"
    needed = ("site", "year", "month", "ta_degC", "sw_in_W_m2", "precip_mm", "nee_gC_m2_mon", "nee_qc")
    by_site: dict[str, list[dict[str, str]]] = {name: [] for name in chosen}
    for item in read_rows(path, needed):
        if item["site"] in by_site:
            by_site[item["site"]].append(item)
    towers = {}
    for name, rows in by_site.items():
        if not rows:
            raise InputError(f"{path}: no months of site '{name}', which flux_sites.csv lists; complete the table")
        depths = soil_depths.get(name, ()) if isinstance(soil_depths, Mapping) else soil_depths
        towers[name] = _tower(name, rows, about[name], depths, minimum_quality, path)
    return towers


def _tower(
    site: str,
    rows: Sequence[Mapping[str, str]],
    about: Mapping[str, str],
    depths: Sequence[float],
    minimum_quality: float,
    path: Path,
) -> Tower:
    def column(name: str) -> np.ndarray:
        return np.array([number(item.get(name, ""), f"{path}: {name}") for item in rows])

    year, month = column("year"), column("month")
    days = np.array([days_in_month(y, m) for y, m in zip(year, month, strict=True)])
    values = {"air_temperature": "ta_degC", "precipitation": "precip_mm", "shortwave_radiation": "sw_in_W_m2"}
    shares = {"air_temperature": "ta_qc", "precipitation": "precip_qc", "shortwave_radiation": "sw_in_qc"}
    forcing, quality = forcing_dataset(
        site,
        year,
        month,
        {house: column(name) for house, name in values.items()},
        {house: column(name) for house, name in shares.items()},
        str(path),
    )
    error = np.abs(column("nee_p75_gC_m2_mon") - column("nee_p25_gC_m2_mon")) / QUARTILES_TO_SIGMA
    nee_quality = column("nee_qc")
    streams = {"nep": (-column("nee_gC_m2_mon"), error, nee_quality)}
    for stream, name in (("gpp", "gpp"), ("ecosystem_respiration", "reco")):
        night, day = (column(f"{name}_{kind}_gC_m2_mon") for kind in ("nt", "dt"))
        value, spread = two_partitionings(night, day, error)
        streams[stream] = (value, spread, nee_quality)
    unknown = np.full(year.shape, np.nan)
    evaporation = column("le_W_m2") * SECONDS_PER_DAY * days / JOULES_PER_KG
    streams["evapotranspiration"] = (evaporation, unknown, column("le_qc"))
    found, notes = flux_rows(site, year, month, streams, minimum_quality)
    notes += guard_gpp(site, year, streams["gpp"][0])
    for order, depth in enumerate(depths, start=1):
        if f"ts{order}_degC" not in rows[0]:
            raise InputError(f"{path}: no soil temperature ts{order} for the depth {depth:g} m; give fewer depths")
        sensor = {"soil_temperature": (column(f"ts{order}_degC"), unknown, column(f"ts{order}_qc"))}
        more, told = flux_rows(site, year, month, sensor, minimum_quality, float(depth))
        found, notes = found + more, notes + told
    place = {
        "latitude": number(about["lat"], f"flux_sites.csv: {site}"),
        "longitude": number(about["lon"], f"flux_sites.csv: {site}"),
        "elevation": number(about["elev_m"], f"flux_sites.csv: {site}"),
        "community": COMMUNITY_OF_GROUP.get(about["group"], ""),
    }
    return Tower(site, (forcing, quality), dataset(found, {site: place}, f"{path}: {site}", notes))


def place_of(given: Mapping[str, float | str], stated: Mapping[str, float]) -> dict[str, float | str]:
    """The place of a tower: what was given, else what its metadata state (``latitude``, ``longitude``, ``elevation``)."""
    return {name: stated.get(name, value) if value != value else value for name, value in given.items()}
