"""The sites of a calibration plan: their observations, cells and climate to a problem, checked; nothing is compiled."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jtem import parameters, step
from jtem.errors import InputError, suggest
from jtem.files import resolve
from jtem.physics import permafrost, radiation
from jtem.physics.soil_heat import ThermalDesign
from jtem.plan.calibration import ALL, CalibrationPlan, DataSection
from jtem.readers import climate_grid, embedded, fluxnet, ground, observations, places, pools, to_model
from jtem.readers.towers import FORCING, flux_sites
from jtem.state import Climate
from jtem.study.calibration import sampling
from jtem.study.calibration.model import Model
from jtem.study.calibration.problem import START, Channel, Free, Observations, Problem, element_of

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
        towers = flux_sites(folder, sites, soil_depths=part.soil_depths)
        found = observations.join([t.observations for t in towers.values()], str(folder))
    elif part.source == "fluxnet":
        path = _found(part.path, data, where)
        own = part.climate in ("", "tower")
        towers = fluxnet.read_release(path, sites, soil_depths=part.soil_depths, forcing=own)
        found = observations.join([t.observations for t in towers.values()], str(path))
    else:
        reader = {
            "alaska": ground.alaska,
            "plateau": ground.plateau,
            "toolik": ground.toolik,
            "active_layer": ground.active_layer,
            "boreholes": ground.boreholes,
            "calibration_targets": pools.calibration_targets,
            "embedded": observations.read_table,
            "table": observations.read_table,
        }[part.source]
        if not part.path:
            raise InputError(f"{where}: source '{part.source}' needs 'path', its table of observations; add it")
        found = reader(_found(part.path, data, where))
    bounds = int((found["censored"].values != "").sum())
    if bounds:
        found.attrs["notes"] += f"\n{where}: {bounds} observations are bounds or doubtful (>, <, ?) and are not used"
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
        cells = places.cells(found, communities=part.communities, elevations=elevations)
    if kind == "tower":
        climate = _tower_climate(towers, names, cells, data)
        last_years += [towers[n].years[1] for n in names]
    elif kind == "climate_grid":
        root = resolve("climate_grid", data, where, folder=True).parent
        station: dict[str, dict[str, np.ndarray]] = {}
        if part.source == "alaska":
            station = ground.air_temperature(resolve(part.path, data, where), "ta_degC", names)
        climate = _grid_climate(root, found, cells, station)
    else:
        climate = _embedded_climate(cells)
    return _Source(cells, found, climate, names)


def _found(name: str, data: Path | None, where: str) -> Path:
    """A table, or the folder or archive of a release: as it is named, else in the data folder."""
    local = Path(name)
    if name and local.exists():
        return local
    return resolve(name, data, where, folder=local.suffix.lower() not in (".csv", ".txt", ".zip", ".xlsx"))


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
        own = {name: np.asarray(tower.forcing[name].values[0], np.float64) for name in FORCING}
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
        return {name: np.asarray(made[name].values[0], np.float64) for name in FORCING}

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
            if full in START:
                continue
            name, _ = element_of(full)
            if name not in table.entries:
                known = [*table.entries, *START]
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
    name, _ = element_of(full)
    return table.entries[name].scale if name in table.entries else "linear"


def _check_factor(part, communities: Sequence[str], table: parameters.ParameterTable, where: str) -> None:
    """Factors must keep the values inside the table's bounds, or the result would not load."""
    for full in part.name:
        if full in START:
            continue
        name, element = element_of(full)
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
    return Observations(*columns), tuple(channels)
