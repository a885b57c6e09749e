"""``jtem calibrate``: a calibration plan and its data to a fitted problem, and everything that is written about it.

:func:`build` reads and checks (nothing is compiled by then), :func:`fit` searches and writes down each iteration,
:func:`write_results` leaves ``calibrated.toml`` (an overlay), ``parameters.csv``, ``correlations.csv``,
``singular_values.csv``, ``scores.csv``, ``scores_before.csv``, ``simulated.csv`` and a figure a site. Where the plan has
[posterior], :func:`sample` draws by NUTS and :func:`write_posterior` leaves ``posterior.csv``, ``posterior_summary.csv``.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jtem import __version__, parameters, step
from jtem.calibration_plan import ALL, CalibrationPlan, DataSection
from jtem.errors import InputError, suggest
from jtem.physics import permafrost, radiation
from jtem.physics.soil_heat import ThermalDesign
from jtem.plan import resolve
from jtem.readers import climate_grid, embedded, fluxnet, observations, site_tables, to_model
from jtem.report import calibration as figures
from jtem.state import Climate
from jtem.study import calibration, descent, least_squares, pest, sampling, scores
from jtem.study.calibration import Channel, Free, Model, Problem

PRECIPITATION_PER_DEGREE = (
    0.045  # share per degC of annual anomaly (Bintanja and Selten 2014), as in the half-degree past
)
LAPSE_RATE = 6.5e-3  # degC m-1, from a grid cell's elevation to the site's
LAST_OBSERVED_YEAR = 2014


@dataclass(frozen=True)
class Prepared:
    """A problem with the names that its numbers lost."""

    plan: CalibrationPlan
    problem: Problem
    model: Model
    table: parameters.ParameterTable
    first_year: int
    notes: tuple[str, ...]
    inputs: tuple[str, ...]


# --- reading ---------------------------------------------------------------------------------------------------------


@dataclass
class _Source:
    """Sites of one [[data]] section: their cells, observations and climate by year."""

    cells: Any
    observations: Any
    climate: Callable[[int, int, int], dict[str, np.ndarray]]  # site, first, last year -> fields (year, 12)
    names: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)  # of the sites that no section before has


def _read(part: DataSection, data: Path | None, where: str, last_years: list[int]) -> _Source:
    """One [[data]] section; appends the last year that its sites can be simulated to ``last_years``."""
    sites = list(part.sites) or None
    towers: dict[str, Any] = {}
    if part.source == "flux_sites":
        folder = resolve(part.path or "flux_sites", data, where, folder=True)
        towers = site_tables.flux_sites(folder, sites, soil_depths=part.soil_depths)
        found = observations.join([t.observations for t in towers.values()], str(folder))
    elif part.source == "fluxnet":
        tower = fluxnet.read(resolve(part.path, data, where))
        towers = {tower.site: tower}
        found = tower.observations
    else:
        reader = {
            "alaska": site_tables.alaska,
            "plateau": site_tables.plateau,
            "toolik": site_tables.toolik,
            "active_layer": site_tables.active_layer,
            "calibration_targets": site_tables.calibration_targets,
            "embedded": observations.read_table,
            "table": observations.read_table,
        }[part.source]
        if not part.path:
            raise InputError(f"{where}: source '{part.source}' needs 'path', its table of observations; add it")
        local = Path(part.path)
        found = reader(local if local.is_file() else resolve(part.path, data, where))
    found = observations.select(found, sites=sites, streams=part.streams or None, exact=True)
    if part.years:
        found = observations.select(found, years=range(part.years[0], part.years[1] + 1))
    if part.depths:
        depth = found["depth"].values
        wanted = np.isnan(depth) | np.isin(np.round(depth, 4), np.round(part.depths, 4))
        found = found.isel(observation=wanted)
    names = [str(n) for n in found["place"].values]
    for site, position in part.places.items():
        if site not in names:
            raise InputError(f"{where}: places names '{site}', which is no site of the data; {suggest(site, names)}")
        for field_name, value in zip(("latitude", "longitude"), position, strict=True):
            column = np.array(found[field_name].values, dtype=np.float64)
            column[names.index(site)] = value
            found[field_name] = (found[field_name].dims, column)
    kind = part.climate or ("tower" if towers else "embedded" if part.source == "embedded" else "climate_grid")
    if part.source == "embedded":
        cells = embedded.sites(names)
    else:
        elevations = dict(part.elevations)
        if kind == "climate_grid":
            root = resolve("climate_grid", data, where, folder=True).parent
            for k, name in enumerate(names):
                if name not in elevations and not np.isfinite(found["elevation"].values[k]):
                    elevations[name] = float(_nearest(root, found, k)["elevation"].values[0])
        cells = site_tables.cells(found, communities=part.communities, elevations=elevations)
    if kind == "tower":
        climate = _tower_climate(towers, names, cells, data)
        last_years += [towers[n].years[1] for n in names]
    elif kind == "climate_grid":
        root = resolve("climate_grid", data, where, folder=True).parent
        station: dict[str, dict[str, np.ndarray]] = {}
        if part.source == "alaska":
            station = site_tables.air_temperature(resolve(part.path, data, where), "ta_degC", names)
        climate = _grid_climate(root, found, cells, station)
    else:
        climate = _embedded_climate(cells)
    return _Source(cells, found, climate, names)


def _nearest(root: Path, found, k: int):
    """The half-degree cell nearest to a place."""
    every = _grid_cells(str(root))
    if not np.isfinite(found["latitude"].values[k] + found["longitude"].values[k]):
        raise InputError(
            f"site '{found['place'].values[k]}' has no latitude and longitude; give them in 'places' of its [[data]]"
        )
    latitude, longitude = (float(found[name].values[k]) for name in ("latitude", "longitude"))
    east = (every["longitude"].values - longitude + 180.0) % 360.0 - 180.0
    distance = (every["latitude"].values - latitude) ** 2 + (np.cos(np.deg2rad(latitude)) * east) ** 2
    best = int(np.argmin(distance))
    if distance[best] > 1.5**2:
        raise InputError(
            f"site '{found['place'].values[k]}' has no cell of the half-degree fields within 1.5 degrees; leave it out"
        )
    return every.isel(cell=[best])


_CELLS: dict[str, Any] = {}


def _grid_cells(root: str):
    if root not in _CELLS:
        _CELLS[root] = climate_grid.cells(root, "all", below_degC=30.0)
    return _CELLS[root]


def _fields(air: np.ndarray, rain: np.ndarray, light: np.ndarray) -> dict[str, np.ndarray]:
    return {"air_temperature": air, "precipitation": np.maximum(rain, 0.0), "shortwave_radiation": light}


def _tower_climate(towers: Mapping[str, Any], names: Sequence[str], cells, data: Path | None):
    """The tower's forcing; other years are its mean months moved by the anomaly of the year (precipitation 4.5 % a degC).

    Anomalies are observed zonal means of the half-degree past where the data folder has it, else the embedded ones.
    """

    def climate(k: int, first: int, last: int) -> dict[str, np.ndarray]:
        tower = towers[names[k]]
        own = {name: np.asarray(tower.forcing[name].values[0], np.float64) for name in fluxnet.FORCING}
        begin, end = tower.years
        years = np.arange(first, last + 1)
        mine = np.arange(begin, end + 1)
        change = _annual_anomaly(data, cells, k, np.arange(min(first, begin), max(last, end) + 1))
        base = min(first, begin)
        away = change[years - base] - change[mine - base].mean()
        mean = {name: values.mean(axis=0) for name, values in own.items()}
        made = _fields(
            mean["air_temperature"] + away[:, None],
            mean["precipitation"] * np.maximum(1.0 + PRECIPITATION_PER_DEGREE * away[:, None], 0.1),
            np.repeat(mean["shortwave_radiation"][None], years.size, axis=0),
        )
        for name, values in own.items():
            inside = (years >= begin) & (years <= end)
            made[name] = np.array(made[name])
            made[name][inside] = values[years[inside] - begin]
        return made

    return climate


def _annual_anomaly(data: Path | None, cells, k: int, years: np.ndarray) -> np.ndarray:
    """Temperature anomaly (year,), degC, at a cell."""
    latitude, longitude = (np.atleast_1d(cells[n].values)[k : k + 1].astype(float) for n in ("latitude", "longitude"))
    if data is not None and (Path(data) / "climate_change").is_dir():
        scenario = "historical" if years[-1] <= LAST_OBSERVED_YEAR else "ssp126"
        return climate_grid.anomaly(data, latitude, longitude, scenario, years)[0].mean(axis=1)
    try:
        made = embedded.climate(cells.isel(cell=[k]), "historical", int(years[0]), int(years[-1]))
    except InputError:  # outside the emulator
        return np.zeros(years.size)
    return made["air_temperature"].values[0].mean(axis=1)


def _grid_climate(root: Path, found, cells, station: Mapping[str, Mapping[str, np.ndarray]]):
    """The half-degree cell's climate, moved to the site's elevation; where the station measured air temperature its
    months are used, and their mean offset in the other months.
    """

    def climate(k: int, first: int, last: int) -> dict[str, np.ndarray]:
        cell = _nearest(root, found, k)
        scenario = "historical" if last <= LAST_OBSERVED_YEAR else "ssp126"
        made = climate_grid.climate(root, cell, scenario, first, last)
        air = np.array(made["air_temperature"].values[0], dtype=np.float64)
        air += LAPSE_RATE * (float(cell["elevation"].values[0]) - float(cells["elevation"].values[k]))
        measured = station.get(str(found["place"].values[k]))
        if measured is not None:
            year, month = measured["year"].astype(int), measured["month"].astype(int) - 1
            inside = (year >= first) & (year <= last)
            year, month, value = year[inside], month[inside], measured["value"][inside]
            if year.size:
                offset = value - air[year - first, month]
                for m in range(12):
                    if (month == m).any():
                        air[:, m] += offset[month == m].mean()
                air[year - first, month] = value
        rain, light = (np.asarray(made[n].values[0], np.float64) for n in ("precipitation", "shortwave_radiation"))
        return _fields(air, rain, light)

    return climate


def _embedded_climate(cells):
    def climate(k: int, first: int, last: int) -> dict[str, np.ndarray]:
        made = embedded.climate(cells.isel(cell=[k]), "historical" if last <= 2014 else "ssp126", first, last)
        return {name: np.asarray(made[name].values[0], np.float64) for name in fluxnet.FORCING}

    return climate


def _co2(first: int, last: int) -> np.ndarray:
    past = embedded.co2("historical", first, min(last, LAST_OBSERVED_YEAR))
    return past if last <= LAST_OBSERVED_YEAR else np.concatenate([past, embedded.co2("ssp126", 2015, last)])


def build(plan: CalibrationPlan, data: Path | None, parameter_files: Sequence[Path]) -> Prepared:
    """Read everything a plan names, check it and lay the problem out. Raises ``InputError``; compiles nothing."""
    where = plan.where
    if plan.calibration.unavailable:
        raise InputError(f"{where}: data not available: {plan.calibration.unavailable}")
    if plan.posterior is not None:
        sampling.library()
    table = parameters.read_table(step.Parameters, list(parameter_files))
    _check_names(plan, table)
    last_years: list[int] = []
    sources = [_read(part, data, f"{where}: [[data]] {i}", last_years) for i, part in enumerate(plan.data, start=1)]
    names: list[str] = []
    for source in sources:  # a site of several sections has the cell and climate of the first
        source.rows = [k for k, n in enumerate(source.names) if n not in names]
        names += [source.names[k] for k in source.rows]
    for given in (*plan.fit.years, *plan.fit.held_out, *plan.fit.held_out_sites):
        if given not in (*names, ALL):
            raise InputError(f"{where}: [fit] names '{given}', which is no site of the data; {suggest(given, names)}")
    for stream in plan.fit.held_out_streams:
        if stream not in observations.STREAMS:
            raise InputError(f"{where}: [fit] unknown stream '{stream}'; {suggest(stream, observations.STREAMS)}")
    found = observations.with_errors(
        observations.join([s.observations for s in sources], where), plan.errors.floor, plan.errors.relative
    )
    first = plan.history.first
    years = found["year"].values
    last = int(max([*years[np.isfinite(years)], *last_years, first]))
    keep = ~(years < first)
    dropped = int((~keep).sum())
    found = found.isel(observation=keep)
    dtype = plan.model.precision.pool_dtype
    pieces, community = [], []
    for source in sources:
        if not source.rows:
            continue
        pieces.append(
            to_model.model_cells(
                source.cells.isel(cell=source.rows),
                table.communities,
                top_of_atmosphere=radiation.top_of_atmosphere,
                carbon_layers=lambda stocks: np.asarray(
                    jax.vmap(permafrost.layers_from_intervals)(jnp.asarray(stocks, dtype))
                ),
                where=where,
            ).columns
        )
        community += [table.communities[int(c)] for c in pieces[-1].community]
    cells = jax.tree.map(lambda *leaves: np.concatenate([np.asarray(leaf) for leaf in leaves]), *pieces)
    spin_up, history = [], []
    for source in sources:
        for k in source.rows:
            history.append(_climate(source.climate(k, first, last), _co2(first, last)))
            begin, end = plan.history.spin_up
            mean = {n: v.mean(axis=0) for n, v in source.climate(k, begin, end).items()}
            spin_up.append(_climate(mean, _co2(begin, end).mean()))
    tree = parameters.build(step.Parameters, table, dtype)
    rows = jax.tree.map(lambda leaf: leaf[np.array([table.index(c) for c in community])], tree)
    observed, channels = _observed(plan, found, names, first)
    problem = Problem(
        sites=tuple(names),
        communities=tuple(community),
        cells=cells,
        rows=rows,
        spin_up=_stack(spin_up),
        history=_stack(history),
        channels=channels,
        observations=observed,
        free=_free(plan, names, community, table),
        design=_design(plan),
        heat_years=plan.history.heat_years,
        heat_differences=plan.search.heat_differences,
    )
    notes = [n for s in sources for n in str(s.observations.attrs.get("notes", "")).splitlines()]
    if dropped:
        notes.append(f"{dropped} observations before {first} left out")
    inputs = [f"{p.source}: {p.path or '(data folder)'}" for p in plan.data]
    return Prepared(plan, problem, Model(problem), table, first, tuple(notes), tuple(inputs))


def _climate(fields: Mapping[str, np.ndarray], co2) -> Climate:
    air = fields["air_temperature"]
    following = air[0] if air.ndim == 1 else np.concatenate([air[1:, 0], air[-1:, 11]])
    return Climate(
        **{name: np.asarray(values, np.float64) for name, values in fields.items()},
        co2=np.asarray(co2, np.float64),
        nitrogen_input=np.zeros_like(air),
        following_air_temperature=np.asarray(following if air.ndim > 1 else air[0]),
    )


def _stack(pieces: Sequence[Climate]) -> Climate:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *pieces)


def _design(plan: CalibrationPlan) -> step.Design:
    model = plan.model
    scheme = permafrost.NONE if model.permafrost.decomposes_layers else model.permafrost
    return step.Design(
        permafrost=scheme,
        thermal=ThermalDesign(substeps=model.heat_substeps) if model.soil_heat else None,
        carbon_substeps=model.carbon_substeps,
        open_nitrogen=model.open_nitrogen,
        heat_dtype=model.precision.heat_dtype,
        pool_dtype=model.precision.pool_dtype,
    )


# --- parameters ------------------------------------------------------------------------------------------------------


def _check_names(plan: CalibrationPlan, table: parameters.ParameterTable) -> None:
    """Parameters, communities and bounds of the plan against the table."""
    for i, part in enumerate(plan.parameter, start=1):
        for full in part.name:
            where = f"{plan.where}: [[parameter]] {i}"
            if full in calibration.START:
                continue
            name, _ = calibration.element_of(full)
            if name not in table.entries:
                known = [*table.entries, *calibration.START]
                raise InputError(f"{where}: unknown parameter '{name}'; {suggest(name, known)}")
            entry = table.entries[name]
            if not entry.trainable:
                raise InputError(f"{where}: '{name}' is a threshold or an initial value and cannot be calibrated")
            low, high = part.bounds
            if part.mode == "value" and (low < entry.lower or high > entry.upper):
                raise InputError(
                    f"{where}: bounds [{low:g}, {high:g}] of '{name}' reach outside the table's [{entry.lower:g}, "
                    f"{entry.upper:g}]; narrow them"
                )
        for community in part.communities:
            if community not in table.communities:
                raise InputError(
                    f"{plan.where}: [[parameter]] {i}: unknown community '{community}'; "
                    f"{suggest(community, table.communities)}"
                )


def _free(
    plan: CalibrationPlan, names: Sequence[str], communities: Sequence[str], table: parameters.ParameterTable
) -> tuple[Free, ...]:
    made = []
    for i, part in enumerate(plan.parameter, start=1):
        where = f"{plan.where}: [[parameter]] {i}"
        for site in part.sites:
            if site not in names:
                raise InputError(f"{where}: no site '{site}' in the data; {suggest(site, names)}")
        mine = [
            s
            for s, (n, c) in enumerate(zip(names, communities, strict=True))
            if (not part.sites or n in part.sites) and (not part.communities or c in part.communities)
        ]
        if not mine:
            raise InputError(f"{where}: no site has the communities {list(part.communities)}; leave the parameter out")
        scale = part.scale or ("log" if part.mode == "factor" else _scale(part.name[0], table))
        if part.mode == "factor":
            _check_factor(part, [communities[s] for s in mine], table, where)
        made.append(
            Free(
                label=part.label or part.name[0],
                names=part.name,
                lower=part.bounds[0],
                upper=part.bounds[1],
                scope=part.scope,
                mode=part.mode,
                scale=scale,
                start=part.start,
                prior=part.prior,
                sites=None if len(mine) == len(names) else tuple(mine),
            )
        )
    return tuple(made)


def _scale(full: str, table: parameters.ParameterTable) -> str:
    name, _ = calibration.element_of(full)
    return table.entries[name].scale if name in table.entries else "linear"


def _check_factor(part, communities: Sequence[str], table: parameters.ParameterTable, where: str) -> None:
    """Factors must keep the values inside the table's bounds, or the result would not load."""
    for full in part.name:
        if full in calibration.START:
            continue
        name, element = calibration.element_of(full)
        entry = table.entries[name]
        for community in dict.fromkeys(communities):
            value = np.asarray(entry.values[community], dtype=float)
            value = np.ravel(value if element is None else value[element])
            for bound in part.bounds:
                if np.any(bound * value < entry.lower) or np.any(bound * value > entry.upper):
                    raise InputError(
                        f"{where}: {bound:g} times '{full}' of {community} leaves the table's bounds [{entry.lower:g}, "
                        f"{entry.upper:g}]; narrow the factor"
                    )


# --- observations ----------------------------------------------------------------------------------------------------


def _channel(stream: str, depth: float) -> Channel:
    if stream == "soil_temperature":
        return Channel(f"soil_temperature {depth:.2f} m", depth=depth)
    return Channel(stream, observations.STREAMS[stream].variables)


def _observed(plan: CalibrationPlan, found, names: Sequence[str], first: int):
    """Observation rows, with empty rows in between so that monthly series can be drawn."""
    at = {n: found[n].values for n in ("site", "stream", "depth", "year", "month", "value", "error")}
    channels: dict[Channel, int] = {}
    rows: dict[tuple, list] = {}
    flat = plan.fit

    def use(site: str, stream: str, year: float) -> str:
        if site in flat.held_out_sites or stream in flat.held_out_streams:
            return "held-out"
        held, fitted = (t.get(site, t.get(ALL)) for t in (flat.held_out, flat.years))
        if np.isnan(year):
            return "fit"
        if held and held[0] <= year <= held[1]:
            return "held-out"
        return "fit" if fitted is None or fitted[0] <= year <= fitted[1] else ""

    known_years: dict[tuple[int, int], list[int]] = {}
    for k in range(at["value"].size):
        stream, year, month = str(at["stream"][k]), float(at["year"][k]), float(at["month"][k])
        part = use(str(at["site"][k]), stream, year)
        if not part:
            continue
        site = names.index(str(at["site"][k]))
        channel = channels.setdefault(_channel(stream, float(at["depth"][k])), len(channels))
        kind = observations.STREAMS[stream]
        total = stream in ("net_primary_production", "nitrogen_uptake")
        if np.isnan(year):
            begin, end = 0, 12
        elif np.isnan(month):
            begin, end = 12 * int(year - first), 12 * int(year - first) + 12
        else:
            begin = 12 * int(year - first) + int(month) - 1
            end = begin + 1
            if kind.period == "month":
                known_years.setdefault((site, channel), []).append(int(year))
        key = (site, channel, begin, end)
        if key in rows and np.isfinite(rows[key][5]):
            continue  # the first of two entries for one moment
        how = "sum" if total else "mean"
        rows[key] = [*key, how, float(at["value"][k]), float(at["error"][k]), part == "fit"]
    for (site, channel), years in known_years.items():
        for month in range(12 * (min(years) - first), 12 * (max(years) - first) + 12):
            rows.setdefault(
                (site, channel, month, month + 1), [site, channel, month, month + 1, "mean", math.nan, 1.0, False]
            )
    if not any(np.isfinite(r[5]) and r[7] for r in rows.values()):
        raise InputError(
            f"{plan.where}: no usable observation is left to fit; check sites, streams, [fit] years and the data's quality"
        )
    ordered = [rows[key] for key in sorted(rows)]
    columns = [np.array(column) for column in zip(*ordered, strict=True)]
    return calibration.Observations(*columns), tuple(channels)


# --- the search ------------------------------------------------------------------------------------------------------

STATE = "search.json"


@dataclass(frozen=True)
class Outcome:
    """The best fit, the others' ends and what it cost."""

    fit: least_squares.Fit
    searches: tuple[least_squares.Search, ...]
    seconds: float
    first_misfit: float
    method: str


def starts(prepared: Prepared) -> np.ndarray:
    """Starting points in free coordinates (start, coordinate); the first is the plan's."""
    plan, model = prepared.plan.search, prepared.model
    noise = np.random.default_rng(plan.seed).normal(0.0, plan.spread, (plan.starts, len(model.names)))
    noise[0] = 0.0
    return model.start + noise


def identity(plan: CalibrationPlan) -> str:
    """What a resumed search must agree on: the plan but for [posterior], the version."""
    text = re.sub(r"^[ \t]*\[posterior\].*?(?=^[ \t]*\[|\Z)", "", plan.text, flags=re.MULTILINE | re.DOTALL)
    return hashlib.sha256((text.rstrip() + __version__).encode()).hexdigest()[:16]


def _dump(searches: Sequence[Any], plan: CalibrationPlan, seconds: float, path: Path) -> None:
    def plain(value):
        if isinstance(value, list):
            return [plain(part) for part in value]
        return value.tolist() if isinstance(value, np.ndarray) else value

    kept = [
        {
            f.name: plain(getattr(s, f.name))
            for f in dataclasses.fields(s)
            if f.name not in ("rules", "_step", "_factors")
        }
        for s in searches
    ]
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps({"identity": identity(plan), "seconds": seconds, "searches": kept}))
    partial.replace(path)


def _kept(plan: CalibrationPlan, path: Path) -> tuple[list[dict[str, Any]], float]:
    """What :func:`_dump` wrote: the fields of each search, and the seconds spent."""
    try:
        kept = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: nothing to resume ({error}); start without --resume") from None
    if kept["identity"] != identity(plan):
        raise InputError(f"{path}: written by another plan or version; start without --resume in another folder")
    return kept["searches"], float(kept["seconds"])


def _load(plan: CalibrationPlan, path: Path, rules: least_squares.Rules):
    kept, seconds = _kept(plan, path)
    arrays = ("x", "residual", "jacobian", "norms")
    searches = [
        least_squares.Search(
            **dict[str, Any]({k: np.array(v) if k in arrays and v is not None else v for k, v in fields.items()}),
            rules=rules,
        )
        for fields in kept
    ]
    return searches, seconds


def fit(prepared: Prepared, folder: Path, *, resume: bool = False, say: Callable[[str], None] = print) -> Outcome:
    """Search, telling each iteration's misfit and writing it down in ``folder``. Raises ``InputError``."""
    plan, model = prepared.plan.search, prepared.model
    rules = least_squares.Rules(decrease=plan.decrease, iterations=plan.iterations, longest_step=2.0)
    begin = time.perf_counter()
    if plan.method != "levenberg_marquardt":
        return _by_gradient(prepared, folder / STATE, resume, say)
    spent = 0.0
    if resume:
        made, spent = _load(prepared.plan, folder / STATE, rules)
        for search in made:
            if search.reason == "iterations" and len(search.history) <= rules.iterations:
                search.reason = ""
    else:
        made = [least_squares.Search(x, rules) for x in starts(prepared)]

    def report(searches: Sequence[least_squares.Search]) -> None:
        seconds = spent + time.perf_counter() - begin
        _dump(searches, prepared.plan, seconds, folder / STATE)
        costs = " ".join(f"{s.cost:.5g}{'*' if s.reason else ''}" for s in searches)
        say(f"iteration {max(len(s.history) for s in searches) - 1:3d}  misfit {costs}  {seconds:.0f} s")

    searches = least_squares.minimise_many(model.residuals, model.jacobian, made, report=report)
    _dump(searches, prepared.plan, spent + time.perf_counter() - begin, folder / STATE)
    usable = [s for s in searches if s.jacobian is not None]
    if not usable:
        values = model.transform.values(np.stack([s.x for s in searches]))
        codes = model.codes(values)[0]
        bad = [n for n, c in zip(prepared.problem.sites, codes, strict=True) if c]
        raise InputError(
            f"{prepared.plan.where}: the residuals at the start are not finite (equilibrium failed at "
            f"{', '.join(bad) or 'no site'}); move the start values"
        )
    best = min(usable, key=lambda s: s.cost)
    return Outcome(
        least_squares.fit_of(best),
        tuple(searches),
        spent + time.perf_counter() - begin,
        searches[0].history[0],
        plan.method,
    )


def _by_gradient(prepared: Prepared, path: Path, resume: bool, say: Callable[[str], None]) -> Outcome:
    """The same misfit by one reverse sweep an evaluation: for many parameters. Starts follow one another."""
    plan, model = prepared.plan.search, prepared.model
    begin, spent = time.perf_counter(), 0.0
    ends = [descent.Descent(x) for x in starts(prepared)]
    if resume:
        kept, spent = _kept(prepared.plan, path)
        arrays = ("x", "slope", "best_x")
        for fields in kept:
            fields.update({k: np.array(fields[k]) for k in arrays if fields[k] is not None})
            fields["memory"] = [np.array(part) for part in fields["memory"]]
        ends = [descent.Descent(**fields) for fields in kept]

    def report(now: descent.Descent) -> None:
        seconds, iteration = spent + time.perf_counter() - begin, len(now.history) - 1
        _dump(ends, prepared.plan, seconds, path)
        if iteration % 5 == 0:
            say(f"iteration {iteration:3d}  misfit {now.value:.5g}  {seconds:.0f} s")

    try:
        for end in ends:
            descent.minimise(
                model.misfit_and_gradient,
                end,
                plan.method,
                iterations=plan.iterations,
                decrease=plan.decrease,
                rate=plan.rate,
                report=report,
            )
    except ValueError as error:
        raise InputError(f"{prepared.plan.where}: {error}; move the start values") from None
    best = min(ends, key=lambda end: end.cost)
    x, history, reason = best.best_x, tuple(best.history), "decrease" if best.ended else "iterations"
    residual, jacobian = model.residuals(x[None])[0], model.jacobian(x[None])[0]
    found = least_squares.Fit(x, best.cost, residual, jacobian, history, best.runs, best.runs, reason)
    return Outcome(found, (), spent + time.perf_counter() - begin, ends[0].history[0], plan.method)


# --- results ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Evaluation:
    """Simulated observations before and after, and the standard deviation that the parameters' uncertainty gives."""

    before: np.ndarray
    after: np.ndarray
    spread: np.ndarray
    codes: np.ndarray


def evaluate(prepared: Prepared, outcome: Outcome) -> Evaluation:
    """Simulate at the start and at the best fit; the spread is first order (Laplace)."""
    model, x = prepared.model, outcome.fit.x
    count = max(1, len(outcome.searches))  # the shape that is compiled already
    before, _ = model.sensitivity(model.transform.values(np.tile(model.start, (count, 1))))
    values = model.transform.values(np.tile(x, (count, 1)))
    after, by_values = model.sensitivity(values)
    codes = model.codes(values)[0]
    by_x = by_values[0] * model.transform.slope(x)
    covariance = outcome.fit.covariance()
    known = np.isfinite(np.diag(covariance))
    spread = np.sqrt(
        np.maximum(np.einsum("ij,jk,ik->i", by_x[:, known], covariance[np.ix_(known, known)], by_x[:, known]), 0)
    )
    return Evaluation(before[0], after[0], spread, codes)


def _scores(prepared: Prepared, simulated: np.ndarray) -> list[scores.Score]:
    o, p = prepared.problem.observations, prepared.problem
    seen = np.isfinite(o.value)
    return scores.table(
        [p.sites[s] for s in o.site[seen]],
        [p.channels[c].name for c in o.channel[seen]],
        np.where(o.fit[seen], "fit", "held-out").tolist(),
        simulated[seen],
        o.value[seen],
    )


def overlay(prepared: Prepared, outcome: Outcome) -> tuple[dict[str, Any], dict[str, str]]:
    """Calibrated table values ``{"branch.field": {community: value}}``, and what cannot go there (site-wise, pools)."""
    problem, model, table = prepared.problem, prepared.model, prepared.table
    values = model.transform.values(outcome.fit.x)
    made: dict[str, dict[str, Any]] = {}
    other: dict[str, str] = {}
    done: set[tuple[str, str]] = set()
    for k, free in enumerate(problem.free):
        for full, s in [(n, s) for n in free.names for s in np.flatnonzero(model.applies[:, k])]:
            community, value = problem.communities[s], float(values[model.index[s, k]])
            mates = [r for r in np.flatnonzero(model.applies[:, k]) if problem.communities[r] == community]
            if full in calibration.START or len({int(model.index[r, k]) for r in mates}) > 1:
                other[f"{full}:{problem.sites[s]}"] = f"{value!r} ({free.mode})"
                continue
            if (free.label + full, community) in done:
                continue
            done.add((free.label + full, community))
            name, element = calibration.element_of(full)
            entry, by = table.entries[name], made.setdefault(name, {})
            new = np.array(by.get(community, entry.values[community]), dtype=float)
            where = slice(None) if element is None else element
            changed = np.atleast_1d(new)
            changed[where] = changed[where] * value if free.mode == "factor" else value
            by[community] = np.clip(changed.reshape(new.shape), entry.lower, entry.upper).tolist()
    return made, other


def _quoted(text: str) -> str:
    return json.dumps(" ".join(str(text).split()), ensure_ascii=False)


def overlay_text(prepared: Prepared, outcome: Outcome) -> str:
    """``calibrated.toml``: values, uncertainty and provenance; loads like any overlay."""
    values, other = overlay(prepared, outcome)
    plan, fit_ = prepared.plan, outcome.fit
    o = prepared.problem.observations
    source = f"calibrated: {plan.calibration.name}, {', '.join(prepared.problem.sites)}"
    lines = [
        f'# Calibrated with jtem {__version__}; an overlay of parameters, e.g. [model] parameters = ["calibrated.toml"].',
        "[overlay]",
        f"name = {_quoted(plan.calibration.name)}",
        f"source = {_quoted(source)}",
        f"method = {_quoted(outcome.method)}",
        f"stopped = {_quoted(least_squares.REASONS[fit_.reason])}",
        f"misfit_start = {outcome.first_misfit!r}",
        f"misfit = {fit_.cost!r}",
        f"observations_fitted = {int(o.fitted.sum())}",
        f"model_runs = {fit_.runs}",
        f"plan_sha256 = {_quoted(hashlib.sha256(plan.text.encode()).hexdigest())}",
        f"parameter_files = {json.dumps(list(prepared.table.files))}",
        f"parameter_hash_before = {_quoted(prepared.table.hash())}",
        f"inputs = {json.dumps(list(prepared.inputs))}",
        "",
        "[overlay.uncertainty] # value, standard error, 95 % interval in the coordinate's own unit (a factor: 1)",
    ]
    for row in least_squares.summary(fit_, prepared.model.transform):
        numbers = [float(row[k]) for k in ("value", "standard_error", "lower", "upper")]
        text = ", ".join("inf" if math.isinf(v) else repr(v) for v in numbers)
        lines.append(
            f"{_quoted(str(row['name']))} = [{text}]" + (f" # at its {row['bound']} bound" if row["bound"] else "")
        )
    if other:
        lines += ["", "[overlay.sites] # of one site, not of a community: not loaded"]
        lines += [f"{_quoted(name)} = {_quoted(text)}" for name, text in other.items()]
    for name, by in values.items():
        lines += ["", f"[{name}]", f"source = {_quoted(source)}"]
        lines.append("values = { " + ", ".join(f"{c} = {json.dumps(v)}" for c, v in by.items()) + " }")
    return "\n".join(lines) + "\n"


def write_results(prepared: Prepared, outcome: Outcome, folder: Path, *, figure: bool = True) -> list[scores.Score]:
    """Everything about a finished search; returns the scores after calibration."""
    result = evaluate(prepared, outcome)
    _write(folder / "calibrated.toml", overlay_text(prepared, outcome))
    rows = least_squares.summary(outcome.fit, prepared.model.transform)
    _table(folder / "parameters.csv", list(rows[0]), [list(row.values()) for row in rows])
    names = prepared.model.names
    correlation = outcome.fit.correlation()
    _table(
        folder / "correlations.csv",
        ["name", *names],
        [[n, *r] for n, r in zip(names, correlation.tolist(), strict=True)],
    )
    singular, directions = outcome.fit.singular_values, outcome.fit.directions
    _table(
        folder / "singular_values.csv",
        ["singular_value", *names],
        [[s, *d] for s, d in zip(singular.tolist(), directions.tolist(), strict=False)],
    )
    if outcome.searches:
        _table(
            folder / "starts.csv",
            ["start", "misfit_first", "misfit_last", "iterations", "runs", "reason", *names],
            [
                [k, s.history[0], s.cost, len(s.history) - 1, s.runs, s.reason, *prepared.model.transform.values(s.x)]
                for k, s in enumerate(outcome.searches)
            ],
        )
    found = _scores(prepared, result.after)
    scores.write(found, folder / "scores.csv")
    scores.write(_scores(prepared, result.before), folder / "scores_before.csv")
    o, p = prepared.problem.observations, prepared.problem
    year, month = prepared.first_year + o.begin // 12, o.begin % 12 + 1
    part = np.where(np.isfinite(o.value), np.where(o.fit, "fit", "held-out"), "")
    header = ["site", "stream", "year", "month", "months", "part"]
    numbers = {"observed": o.value, "error": o.error, "before": result.before, "after": result.after}
    numbers["spread"] = result.spread
    where = zip(
        (p.sites[s] for s in o.site),
        (p.channels[c].name for c in o.channel),
        year,
        month,
        o.end - o.begin,
        part,
        strict=True,
    )
    _table(
        folder / "simulated.csv",
        [*header, *numbers],
        [[*place, *row] for place, row in zip(where, np.stack(list(numbers.values()), axis=1), strict=True)],
    )
    if figure and figures.available():
        for s, name in enumerate(p.sites):
            figures.panel(folder / f"fit_{_file_name(name)}.png", name, _panels(prepared, result, s))
    return found


# --- draws from the posterior ----------------------------------------------------------------------------------------

DRAWS = "posterior.npz"


def _settings(plan: CalibrationPlan) -> sampling.Settings:
    assert plan.posterior is not None
    return sampling.Settings(**dataclasses.asdict(plan.posterior))


def _draws_identity(prepared: Prepared, x: np.ndarray, covariance: np.ndarray) -> str:
    """What resumed draws must agree on: the plan but for the number of samples, the version, where the search ended."""
    made = hashlib.sha256(identity(prepared.plan).encode())
    made.update(repr(dataclasses.replace(_settings(prepared.plan), samples=0)).encode())
    made.update(np.ascontiguousarray(x).tobytes() + np.ascontiguousarray(covariance).tobytes())
    return made.hexdigest()[:16]


def _write_draws(path: Path, draws: sampling.Draws, made_by: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    arrays = {name: getattr(draws, name) for name in sampling.SERIES}
    arrays |= {f"state_{k}": leaf for k, leaf in enumerate(draws.state)}
    with partial.open("wb") as file:
        np.savez(file, identity=np.array(made_by), seconds=np.array(draws.seconds), **arrays)
    partial.replace(path)


def _read_draws(path: Path, made_by: str) -> sampling.Draws:
    try:
        with np.load(path) as kept:
            if str(kept["identity"]) != made_by:
                raise InputError(
                    f"{path}: drawn with another plan or version, or from another end of the search; delete it or start "
                    "without --resume"
                )
            state = tuple(kept[f"state_{k}"] for k in range(sum(name.startswith("state_") for name in kept.files)))
            series = {name: kept[name] for name in sampling.SERIES}
            return sampling.Draws(**series, state=state, seconds=float(kept["seconds"]), compiling=0.0)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: draws cannot be read ({error}); delete it or start without --resume") from None


def sample(
    prepared: Prepared, outcome: Outcome, folder: Path, *, resume: bool = False, say: Callable[[str], None] = print
) -> sampling.Draws:
    """Draw from the log-posterior around the best fit as the plan's [posterior] says, all draws, warming up first.

    Each block of draws is written down in ``folder``; ``resume`` goes on from it where it is there. x is in free
    coordinates. Raises ``InputError``.
    """
    settings, model, path = _settings(prepared.plan), prepared.model, folder / DRAWS
    x, covariance = outcome.fit.x, calibration.near_posterior(outcome.fit.jacobian)
    made_by = _draws_identity(prepared, x, covariance)
    so_far = _read_draws(path, made_by) if resume and path.exists() else None
    if so_far is not None and so_far.number > settings.warmup + settings.samples:
        raise InputError(
            f"{path}: holds more draws than [posterior] samples asks for; raise it or start without --resume"
        )
    say(
        f"sampling the posterior: {settings.chains} chains, {settings.warmup} draws to warm up, {settings.samples} kept"
    )
    if prepared.plan.search.heat_differences and model.setting.heat_slots:
        say(
            "warning: [search] heat_differences says that heat is rough here; NUTS follows the exact gradient: expect small "
            "steps and divergences"
        )
    total = settings.warmup + settings.samples
    last = (0, 0.0) if so_far is None else (so_far.number, so_far.seconds)

    def start(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        width = max(1, len(outcome.searches))  # the shape that is compiled already
        rows = np.resize(np.arange(len(x)), -(-len(x) // width) * width).reshape(-1, width)
        parts = [model.log_posterior_and_gradient(x[some]) for some in rows]
        value, slope = (np.concatenate(part)[: len(x)] for part in zip(*parts, strict=True))
        return value, slope

    def report(draws: sampling.Draws) -> None:
        nonlocal last
        _write_draws(path, draws, made_by)
        number, seconds = draws.number, draws.seconds
        each = (seconds - last[1]) / max(number - last[0], 1)
        acceptance = " ".join(f"{v:.2f}" for v in draws.acceptance[:, last[0] :].mean(axis=1))
        warm = number <= settings.warmup
        divergent = int(draws.divergent[:, 0 if warm else settings.warmup :].sum())
        say(
            f"draw {number:5d} of {total}{' (warming up)' if warm else ''}  acceptance of each chain {acceptance}  "
            f"gradients a draw {draws.gradients[:, last[0] :].mean():.0f}  divergent {divergent}  {seconds:.0f} s, about "
            f"{each * (total - number):.0f} s left"
        )
        last = (number, seconds)

    return sampling.sample(
        calibration.log_density(model.setting),
        x,
        covariance,
        settings,
        arguments=model.density_arguments(),
        dtype=prepared.problem.design.pool_dtype,
        start=start,
        resume=so_far,
        say=say,
        report=report,
    )


def write_posterior(
    prepared: Prepared, outcome: Outcome, draws: sampling.Draws, folder: Path, *, figure: bool = True
) -> tuple[list[sampling.Summary], list[str]]:
    """``posterior.csv`` (without the warm-up), ``posterior_summary.csv`` beside the Laplace values and a figure of the
    marginals, in the coordinates' own units; returns the summary and sentences of warning.
    """
    settings, transform, fit_ = _settings(prepared.plan), prepared.model.transform, outcome.fit
    kept = draws.kept(settings.warmup)
    values = transform.values(kept.x)
    found = sampling.summarise(transform.names, values)
    chains, samples, _ = values.shape
    _table(
        folder / "posterior.csv",
        ["chain", "draw", *transform.names, "log_density", "divergent", "acceptance", "gradients"],
        [
            [
                c + 1,
                d + 1,
                *values[c, d],
                kept.log_density[c, d],
                int(kept.divergent[c, d]),
                kept.acceptance[c, d],
                kept.gradients[c, d],
            ]
            for c in range(chains)
            for d in range(samples)
        ],
    )
    laplace = least_squares.summary(fit_, transform)
    _table(
        folder / "posterior_summary.csv",
        [
            *(
                "name",
                "unit",
                "mean",
                "standard_deviation",
                "quantile_2.5",
                "median",
                "quantile_97.5",
                "r_hat",
                "ess_bulk",
            ),
            *("laplace_value", "laplace_standard_error", "laplace_lower", "laplace_upper"),
        ],
        [
            [
                one.name,
                unit,
                *(one.mean, one.standard_deviation, one.lower, one.median, one.upper, one.r_hat, one.effective),
                *(row["value"], row["standard_error"], row["lower"], row["upper"]),
            ]
            for one, unit, row in zip(found, _units(prepared), laplace, strict=True)
        ],
    )
    if figure and figures.available():
        figures.marginals(
            folder / "posterior.png",
            prepared.plan.calibration.title or prepared.plan.calibration.name,
            _marginals(prepared, outcome, values),
        )
    return found, sampling.warnings(kept, found, settings)


def _units(prepared: Prepared) -> list[str]:
    """Unit of each coordinate; "1" of a factor."""
    problem, model = prepared.problem, prepared.model
    units = ["1"] * len(model.names)
    for k, free in enumerate(problem.free):
        name, _ = calibration.element_of(free.names[0])
        if free.mode == "value" and name in prepared.table.entries:
            for c in {int(i) for i in model.index[model.applies[:, k], k]}:
                units[c] = prepared.table.entries[name].unit
    return units


def _marginals(prepared: Prepared, outcome: Outcome, values: np.ndarray) -> list[figures.Marginal]:
    """Draws of each coordinate and the density of the Laplace approximation (normal in free coordinates)."""
    transform, x = prepared.model.transform, outcome.fit.x
    deviation = np.sqrt(np.diag(outcome.fit.covariance()))
    known = np.isfinite(deviation)
    spread = np.where(known, deviation, 1.0)
    steps = np.linspace(-4.0, 4.0, 161)[:, None]
    points = x + steps * spread
    density = np.exp(-0.5 * steps**2) / (np.sqrt(2.0 * np.pi) * spread) / transform.slope(points)
    density[:, ~known] = np.nan
    grid, flat = transform.values(points), values.reshape(-1, x.size)
    return [
        figures.Marginal(name, unit, flat[:, k], grid[:, k], density[:, k], transform.lower[k], transform.upper[k])
        for k, (name, unit) in enumerate(zip(transform.names, _units(prepared), strict=True))
    ]


def print_posterior(
    found: Sequence[sampling.Summary], laplace: Sequence[Mapping[str, float | str]], say: Callable[[str], None]
) -> None:
    """A table for people; ``laplace``: rows of ``least_squares.summary``."""
    say(f"{'coordinate':44s} {'mean':>10s} {'s.d.':>10s} {'Laplace':>10s} {'error':>10s} {'R-hat':>7s} {'ESS':>7s}")
    for one, row in zip(found, laplace, strict=True):
        say(
            f"{one.name:44s} {one.mean:10.4g} {one.standard_deviation:10.3g} {float(row['value']):10.4g} "
            f"{float(row['standard_error']):10.3g} {one.r_hat:7.3f} {one.effective:7.0f}"
        )


# --- panels and tables -----------------------------------------------------------------------------------------------


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)


def _panels(prepared: Prepared, result: Evaluation, site: int) -> list[figures.Panel]:
    o, p = prepared.problem.observations, prepared.problem
    made = []
    for c, channel in enumerate(p.channels):
        mine = np.flatnonzero((o.site == site) & (o.channel == c))
        if not mine.size:
            continue
        stream = channel.name.split(" ")[0]
        unit = observations.STREAMS[stream].unit
        when = prepared.first_year + (o.begin[mine] + o.end[mine]) / 24.0
        made.append(
            figures.Panel(
                channel.name.replace("_", " "),
                unit,
                when,
                o.value[mine],
                o.error[mine],
                o.fit[mine],
                result.before[mine],
                result.after[mine],
                result.spread[mine],
            )
        )
    return made


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _table(path: Path, header: Sequence[str], rows: Sequence[Any]) -> None:
    def text(value: Any) -> str:
        if isinstance(value, float | np.floating):
            return "" if math.isnan(value) else f"{value:.8g}"
        return str(value)

    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([[text(v) for v in row] for row in rows])


# --- PEST ------------------------------------------------------------------------------------------------------------


def pest_problem(prepared: Prepared) -> pest.Problem:
    """The same problem for PEST: only single values, shared or by community, can be told to it. Raises ``InputError``."""
    problem, model = prepared.problem, prepared.model
    made = []
    for k, free in enumerate(problem.free):
        if free.mode != "value" or free.scope == "site" or free.names[0] in calibration.START or "[" in free.names[0]:
            raise InputError(
                f"'{free.label}' cannot be exported to PEST: only values of whole parameters, shared or by community; "
                "change its mode and scope"
            )
        for c in sorted({int(i) for i in model.index[model.applies[:, k], k]}):
            community = model.names[c].partition(":")[2]
            low, high = float(model.transform.lower[c]), float(model.transform.upper[c])
            made.append(
                pest.Parameter(
                    free.names[0] + (f":{community}" if community else ""),
                    float(model.start_values[c]),
                    low,
                    high,
                    "log" if free.scale == "log" else "none",
                )
            )
    o = problem.observations
    seen = [
        pest.Observation(
            f"{problem.sites[o.site[k]]} {problem.channels[o.channel[k]].name} {prepared.first_year + o.begin[k] // 12}-"
            f"{o.begin[k] % 12 + 1:02d}",
            float(o.value[k]),
            1.0 / float(o.error[k]) if o.fit[k] else 0.0,
            problem.channels[o.channel[k]].name,
        )
        for k in np.flatnonzero(np.isfinite(o.value))
    ]
    return pest.Problem(tuple(made), tuple(seen))


def for_pest_run(plan: CalibrationPlan) -> CalibrationPlan:
    """The plan without its start values, which the parameter file that PEST filled takes the place of."""
    inside = [
        dataclasses.replace(p, start=_middle(p.bounds)) for p in plan.parameter
    ]  # PEST goes to the bounds, a start not
    return dataclasses.replace(plan, parameter=tuple(inside))


def _middle(bounds: tuple[float, float]) -> float:
    return 0.5 * (bounds[0] + bounds[1])


def simulated_for_pest(prepared: Prepared, problem: pest.Problem, path: Path) -> None:
    """Write what PEST reads back, at the values of the parameter table (the overlay that PEST filled is a part of it)."""
    model, values = prepared.model, np.array(prepared.model.start_values)
    for k, free in enumerate(prepared.problem.free):
        for s in np.flatnonzero(model.applies[:, k]):
            values[model.index[s, k]] = np.ravel(model.value_in_table(free.names[0], int(s)))[0]
    simulated, _ = model.simulate(values)
    o = prepared.problem.observations
    pest.write_simulated(problem, simulated[np.isfinite(o.value)], path)


def print_scores(found: Sequence[scores.Score], before: Sequence[scores.Score], say: Callable[[str], None]) -> None:
    """A table for people."""
    old = {(s.site, s.stream, s.part): s for s in before}
    say(f"{'site':12s} {'stream':28s} {'part':9s} {'n':>5s} {'R2 before':>10s} {'R2':>7s} {'RMSE':>9s} {'bias':>9s}")
    for s in found:
        b = old.get((s.site, s.stream, s.part))
        r2 = b.r2 if b else math.nan
        say(f"{s.site:12s} {s.stream:28s} {s.part:9s} {s.n:5d} {r2:10.3f} {s.r2:7.3f} {s.rmse:9.3g} {s.bias:9.3g}")


def read_before(folder: Path) -> list[scores.Score]:
    """``scores_before.csv`` of a finished calibration."""
    return scores.read(folder / "scores_before.csv")
