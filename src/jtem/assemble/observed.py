"""Observations of a calibration's sites and its section [fit] to rows of a problem: pieces of the model's monthly channels."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from jtem.assemble.sites import Sites
from jtem.errors import InputError, suggest
from jtem.plan.calibration import ALL, CalibrationPlan, FitSection
from jtem.readers import observations
from jtem.study.calibration.problem import Channel, Observations

SUMMED = ("net_primary_production", "nitrogen_uptake")
"""Streams that are totals of a year; others are means."""
FROZEN = (3.0, 5.0)
"""Depths (m) of ground that is permafrost where thaw ends 1 m or more above."""


class Observed(NamedTuple):
    """Rows and channels, the unit of each channel, the last year to simulate, and notes."""

    rows: Observations
    channels: tuple[Channel, ...]
    units: tuple[str, ...]
    last_year: int
    notes: tuple[str, ...]


def observed(plan: CalibrationPlan, found: Sites, folds: np.ndarray | None = None) -> Observed:
    """What the plan fits of the observations since history began; raises ``InputError``.

    ``folds``: of the sites, -1 for those that no fit sees.
    """
    unseen = set() if folds is None else {n for n, fold in zip(found.names, folds, strict=True) if fold < 0}
    check_fit(plan.fit, found.names, plan.where)
    years, first = found.observations["year"].values, plan.history.first
    early = years < first
    notes = [n for part in found.parts for n in str(part.observations.attrs.get("notes", "")).splitlines()]
    if early.any():
        notes.append(f"{int(early.sum())} observations before {first} left out")
    rows, channels = observation_rows(
        plan.fit, found.observations.isel(observation=~early), found.names, first, plan.where, unseen
    )
    units = tuple(
        "degC" if channel.depth is not None else observations.STREAMS[channel.name].unit for channel in channels
    )
    last = int(max([*years[np.isfinite(years)], *(part.last_year for part in found.parts), first]))
    return Observed(rows, channels, units, last, tuple(notes))


def check_fit(section: FitSection, names: Sequence[str], where: str) -> None:
    """Sites and streams that [fit] names must be known; raises ``InputError``."""
    for given in (*section.years, *section.held_out, *section.held_out_sites):
        if given not in (*names, ALL):
            raise InputError(f"{where}: [fit] names '{given}', which is no site of the data; {suggest(given, names)}")
    for stream in section.held_out_streams:
        if stream not in observations.STREAMS:
            raise InputError(f"{where}: [fit] unknown stream '{stream}'; {suggest(stream, observations.STREAMS)}")


def observation_rows(
    section: FitSection,
    found: xr.Dataset,
    names: Sequence[str],
    first: int,
    where: str,
    unseen: Collection[str] = (),
) -> tuple[Observations, tuple[Channel, ...]]:
    """Observations as pieces of monthly channels, with empty rows in between so that monthly series can be drawn.

    Raises ``InputError`` where nothing is left to fit, or nothing at all of a site.
    """
    at = {n: found[n].values for n in ("site", "stream", "depth", "year", "month", "value", "error")}
    channels: dict[Channel, int] = {}
    rows: dict[tuple[int, int, int, int], list] = {}
    monthly: dict[tuple[int, int], list[int]] = {}
    for k in range(at["value"].size):
        site, stream = str(at["site"][k]), str(at["stream"][k])
        year, month = float(at["year"][k]), float(at["month"][k])
        part = use(section, site, stream, year)
        if not part:
            continue
        channel = channels.setdefault(channel_of(stream, float(at["depth"][k])), len(channels))
        begin, end = span(year, month, first)
        key = (names.index(site), channel, begin, end)
        if end == begin + 1 and observations.STREAMS[stream].period == "month":
            monthly.setdefault(key[:2], []).append(int(year))
        if key in rows and np.isfinite(rows[key][5]):
            continue  # the first of two entries for one moment
        how = "sum" if stream in SUMMED else "mean"
        fit = part == "fit" and site not in unseen
        rows[key] = [*key, how, float(at["value"][k]), float(at["error"][k]), fit, False]
        depth = frozen_below(float(at["value"][k])) if stream == "active_layer_thickness" else 0.0
        if section.permafrost_error and depth and fit:
            deep = channels.setdefault(Channel(f"permafrost {depth:.0f} m", depth=depth), len(channels))
            key = (key[0], deep, begin, end)
            rows[key] = [*key, "mean", 0.0, section.permafrost_error, fit, True]
    for (site, channel), years in monthly.items():
        for month in range(12 * (min(years) - first), 12 * (max(years) - first) + 12):
            empty = [site, channel, month, month + 1, "mean", math.nan, 1.0, False, False]
            rows.setdefault((site, channel, month, month + 1), empty)
    if not any(np.isfinite(row[5]) and row[7] for row in rows.values()):
        raise InputError(
            f"{where}: no usable observation is left to fit; check sites, streams, [fit] years and the data's quality"
        )
    seen = {row[0] for row in rows.values() if np.isfinite(row[5])}
    for s, name in enumerate(names):
        if s not in seen:
            raise InputError(
                f"{where}: no observation of site '{name}' is usable: none passes the limits of quality, lies within the years "
                "of [fit] and is of a stream asked for; leave the site out with 'sites', or widen these"
            )
    columns = [np.array(column) for column in zip(*(rows[key] for key in sorted(rows)), strict=True)]
    return Observations(*columns), tuple(channels)


def frozen_below(thaw: float) -> float:
    """Depth (m) at which ground under an observed thaw depth (m) is frozen all year; 0 where nothing is known so deep."""
    return next((depth for depth in FROZEN if thaw < depth - 1.0), 0.0)


def use(section: FitSection, site: str, stream: str, year: float) -> str:
    """Whether an observation is of the "fit", "held-out" or "" (not used). ``year``: NaN where it is of no year."""
    if site in section.held_out_sites or stream in section.held_out_streams:
        return "held-out"
    held, fitted = (table.get(site, table.get(ALL)) for table in (section.held_out, section.years))
    if np.isnan(year):
        return "fit"
    if held and held[0] <= year <= held[1]:
        return "held-out"
    return "fit" if fitted is None or fitted[0] <= year <= fitted[1] else ""


def channel_of(stream: str, depth: float) -> Channel:
    """The channel of a stream; soil temperature has one for each depth (m)."""
    if stream == "soil_temperature":
        return Channel(f"soil_temperature {depth:.2f} m", depth=depth)
    return Channel(stream, observations.STREAMS[stream].variables)


def span(year: float, month: float, first: int) -> tuple[int, int]:
    """First and one past the last month since January of ``first``: a month, a year, or the first year where none is said."""
    if np.isnan(year):
        return 0, 12
    begin = 12 * int(year - first)
    return (begin, begin + 12) if np.isnan(month) else (begin + int(month) - 1, begin + int(month))
