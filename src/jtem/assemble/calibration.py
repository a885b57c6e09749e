"""A calibration plan to a case: everything read and checked, laid out as a problem; nothing is compiled."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Collection, Sequence
from pathlib import Path

import jax
import numpy as np
import xarray as xr

from jtem import parameters, step
from jtem.assemble import inversion, model
from jtem.assemble.fields import known_of, with_own
from jtem.assemble.free_parameters import check_names, free
from jtem.assemble.sites import Sites, sites
from jtem.devices import use_all_cores
from jtem.errors import InputError, suggest
from jtem.physics import permafrost
from jtem.plan import calibration as plans
from jtem.plan import use_precision
from jtem.plan.calibration import ALL, CalibrationModel, CalibrationPlan, FitSection, ValidationSection
from jtem.readers import observations
from jtem.state import Cell, Climate
from jtem.study.calibration import sampling
from jtem.study.calibration.case import Case, Settings
from jtem.study.calibration.model import Model
from jtem.study.calibration.problem import Channel, Observations, Problem

SUMMED = ("net_primary_production", "nitrogen_uptake")
"""Streams that are totals of a year; others are means."""
FROZEN = (3.0, 5.0)
"""Depths (m) of ground that is permafrost where thaw ends 1 m or more above."""


def open_case(path: Path, data: Path | None, *, overlays: Sequence[str] = ()) -> Case:
    """Read a calibration plan, set precision and devices, build its case; raises ``InputError``.

    ``overlays``: further overlays of parameters.
    """
    plan = plans.read(path)
    use_all_cores(gradients=True)
    use_precision(plan.model.precision.name)
    return case(plan, data, overlays)


def case(plan: CalibrationPlan, data: Path | None, overlays: Sequence[str] = ()) -> Case:
    """Everything a plan names, checked and laid out; raises ``InputError``."""
    where = plan.where
    if plan.calibration.unavailable:
        raise InputError(f"{where}: data not available: {plan.calibration.unavailable}")
    if plan.posterior is not None:
        sampling.library()
    if any(part.source == "published" for part in plan.data):
        return inversion.case(plan, data, overlays)
    table = model.table((*plan.model.parameters, *overlays), data, f"{where}: [model]")
    check_names(plan, table)
    found = sites(plan, data)
    names, rows = distinct(found)
    check_fit(plan.fit, names, where)
    observed, last, notes = observed_until(plan, found)
    made = design(plan.model, where)
    cells = columns(found, rows, table, made.pool_dtype, where)
    communities = [table.communities[int(c)] for c in cells.community]
    spin_up, history = climates(plan, found, rows, last)
    followed = known(found, rows, cells, spin_up)
    made, cells = with_own(made, cells, followed, table, not_free(plan, table))
    values = parameters.build(step.Parameters, table, made.pool_dtype)
    folds = None if plan.validation is None else folds_of(plan.validation, found, rows, names)
    unseen = set() if folds is None else {n for n, fold in zip(names, folds, strict=True) if fold < 0}
    seen, channels = observation_rows(plan.fit, observed, names, plan.history.first, where, unseen)
    problem = Problem(
        sites=tuple(names),
        communities=tuple(communities),
        cells=cells,
        rows=jax.tree.map(lambda leaf: leaf[np.array([table.index(c) for c in communities])], values),
        spin_up=spin_up,
        history=history,
        channels=channels,
        observations=seen,
        free=free(plan, names, communities, table),
        design=made,
        covariates=followed,
        heat_years=plan.history.heat_years,
        loss_scale=plan.search.loss_scale,
        folds=folds,
        heat_differences=plan.search.heat_differences,
    )
    search = {f.name: getattr(plan.search, f.name) for f in dataclasses.fields(Settings)}
    return Case(
        name=plan.calibration.name,
        title=plan.calibration.title or plan.calibration.name,
        text=plan.text,
        where=where,
        problem=problem,
        model=Model(problem),
        table=table,
        first_year=plan.history.first,
        units=tuple(
            "degC" if channel.depth is not None else observations.STREAMS[channel.name].unit for channel in channels
        ),
        inputs=tuple(part.provenance for part in found),
        notes=tuple(notes),
        search=Settings(**search),
        posterior=None if plan.posterior is None else sampling.Settings(**dataclasses.asdict(plan.posterior)),
    )


def design(section: CalibrationModel, where: str) -> step.Design:
    """As a run's; scheme ``layered`` is ``none``, and soil heat may be left out."""
    made = model.design(section, where)
    scheme = permafrost.NONE if made.permafrost.decomposes_layers else made.permafrost
    return dataclasses.replace(made, permafrost=scheme, thermal=made.thermal if section.soil_heat else None)


# --- sites -----------------------------------------------------------------------------------------------------------


def distinct(found: Sequence[Sites]) -> tuple[list[str], list[list[int]]]:
    """Names of all sites, and of each section the rows that no section before has: a site has the climate of the first."""
    names: list[str] = []
    rows = []
    for part in found:
        rows.append([k for k, name in enumerate(part.names) if name not in names])
        names += [part.names[k] for k in rows[-1]]
    return names, rows


def check_fit(section: FitSection, names: Sequence[str], where: str) -> None:
    """Sites and streams that [fit] names must be known; raises ``InputError``."""
    for given in (*section.years, *section.held_out, *section.held_out_sites):
        if given not in (*names, ALL):
            raise InputError(f"{where}: [fit] names '{given}', which is no site of the data; {suggest(given, names)}")
    for stream in section.held_out_streams:
        if stream not in observations.STREAMS:
            raise InputError(f"{where}: [fit] unknown stream '{stream}'; {suggest(stream, observations.STREAMS)}")


def observed_until(plan: CalibrationPlan, found: Sequence[Sites]) -> tuple[xr.Dataset, int, list[str]]:
    """All observations with their errors since history began, the last year to simulate, and notes; raises ``InputError``."""
    joined = observations.with_errors(
        observations.join([part.observations for part in found], plan.where), plan.errors.floor, plan.errors.relative
    )
    years = joined["year"].values
    first = plan.history.first
    last = int(max([*years[np.isfinite(years)], *(part.last_year for part in found), first]))
    early = years < first
    notes = [n for part in found for n in str(part.observations.attrs.get("notes", "")).splitlines()]
    if early.any():
        notes.append(f"{int(early.sum())} observations before {first} left out")
    return joined.isel(observation=~early), last, notes


def columns(
    found: Sequence[Sites], rows: Sequence[Sequence[int]], table: parameters.ParameterTable, dtype: str, where: str
) -> Cell:
    """One column a site, stacked over all sections."""
    pieces = [
        model.columns(part.cells.isel(cell=list(mine)), table.communities, dtype, where).columns
        for part, mine in zip(found, rows, strict=True)
        if mine
    ]
    return jax.tree.map(lambda *leaves: np.concatenate([np.asarray(leaf) for leaf in leaves]), *pieces)


def known(found: Sequence[Sites], rows: Sequence[Sequence[int]], cells: Cell, year: Climate) -> dict[str, np.ndarray]:
    """Covariates of the sites, from the mean year of the spin-up, as a run has them."""
    chosen = [
        part.cells.isel(cell=list(mine))[["sand", "clay"]] for part, mine in zip(found, rows, strict=True) if mine
    ]
    texture = xr.Dataset({n: ("cell", np.concatenate([c[n].values for c in chosen])) for n in ("sand", "clay")})
    fields = (year.air_temperature, year.precipitation, year.shortwave_radiation)
    return known_of(cells, np.arange(texture.sizes["cell"]), texture, fields)


def not_free(plan: CalibrationPlan, table: parameters.ParameterTable) -> list[parameters.Field]:
    """Fields of the overlays but for those of parameters that the plan sets free."""
    free_ones = [parameters.Handle.of(name) for part in plan.parameter for name in part.name]
    return [f for f in table.fields if not any(parameters.Handle.of(f.name).covered_by(one) for one in free_ones)]


def folds_of(
    section: ValidationSection, found: Sequence[Sites], rows: Sequence[Sequence[int]], names: Sequence[str]
) -> np.ndarray:
    """Fold of each site (site,): blocks in the order of their hash go round the folds; -1 for sites that no fit sees, by theirs
    again.
    """
    parts = [part.cells.isel(cell=list(mine)) for part, mine in zip(found, rows, strict=True) if mine]
    latitude, longitude = (np.concatenate([p[n].values for p in parts]) for n in ("latitude", "longitude"))
    block = np.stack([latitude // section.block[0], longitude // section.block[1]], axis=1).astype(int)
    order = sorted({tuple(b) for b in block.tolist()}, key=lambda b: hashed(f"{b[0]} {b[1]}"))
    fold = np.array([order.index(tuple(b)) % section.folds for b in block.tolist()])
    untouched = [section.untouched > 0 and hashed(name) % section.untouched == 0 for name in names]
    return np.where(untouched, -1, fold)


def hashed(name: str) -> int:
    """A number of a name that is the same everywhere."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16)


def climates(
    plan: CalibrationPlan, found: Sequence[Sites], rows: Sequence[Sequence[int]], last: int
) -> tuple[Climate, Climate]:
    """The mean year of the spin-up, fields (site, 12), and history, fields (site, year, 12); raises ``InputError``."""
    (begin, end), first = plan.history.spin_up, plan.history.first
    spin_up, history = [], []
    for part, mine in zip(found, rows, strict=True):
        if mine:
            years = part.climate(mine, begin, end, f"{plan.where}: [history] spin_up", wrap=True)
            mean = jax.tree.map(lambda leaf: leaf.mean(axis=1), years)
            spin_up.append(dataclasses.replace(mean, following_air_temperature=mean.air_temperature[:, 0]))
            history.append(part.climate(mine, first, last, f"{plan.where}: [history] first, to the last observation,"))
    stacked = [jax.tree.map(lambda *leaves: np.concatenate(leaves), *pieces) for pieces in (spin_up, history)]
    return stacked[0], stacked[1]


# --- observations ----------------------------------------------------------------------------------------------------


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
