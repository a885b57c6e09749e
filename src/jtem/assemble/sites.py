"""Sections [[data]] of a calibration plan to sites: their observations, their cells, and loaders of their climate."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from jtem.assemble.domain import domain
from jtem.errors import InputError, suggest
from jtem.files import resolve
from jtem.plan.calibration import CalibrationPlan, DataSection
from jtem.readers import embedded, ground, observations, places, site_climates, to_model
from jtem.readers.catalogue import OBSERVATIONS, ClimateSource, Domain
from jtem.readers.towers import Tower
from jtem.state import Climate

DOMAIN_CELL = 1.5  # degrees, from a site to the middle of its cell of [domain]


@dataclass(frozen=True)
class Sites:
    """The sites of one [[data]] section.

    ``cells``: cell dataset (site,). ``source``: their climate. ``last_year``: last year that towers can be simulated, 0 for
    others. ``provenance``: where observations and climate are from.
    """

    names: tuple[str, ...]
    cells: xr.Dataset
    observations: xr.Dataset
    source: ClimateSource
    last_year: int
    provenance: str

    def climate(self, rows: Sequence[int], first: int, last: int, asked: str, *, wrap: bool = False) -> Climate:
        """Checked climate of some sites, (site, year, 12); ``asked``: the key that says the years. Raises ``InputError``."""
        load = to_model.climate_loader(self.source, first, last, wrap=wrap, where=self.provenance)
        try:
            return load(np.asarray(rows))
        except InputError as error:
            raise InputError(f"{asked} {first}-{last}: {error}") from None


def sites(plan: CalibrationPlan, data: Path | None) -> list[Sites]:
    """The sites of all [[data]] sections; raises ``InputError``."""
    place = None
    if plan.domain is not None:
        place = domain(plan.domain, [plan.history.climate], data, plan.where)
    return [
        section_sites(part, place, plan.history.climate, data, f"{plan.where}: [[data]] {i}")
        for i, part in enumerate(plan.data, start=1)
    ]


def section_sites(part: DataSection, place: Domain | None, climate: str, data: Path | None, where: str) -> Sites:
    """The sites of one section; ``place``: the plan's [domain], whose ``climate`` they take by default."""
    found, towers = read(part, data, where)
    found = selected(part, found, where)
    names = tuple(str(n) for n in found["place"].values)
    word = part.climate or ("domain" if place is not None else OBSERVATIONS[part.source].climate)
    if word == "domain" and place is not None:
        rows = np.array(
            [site_climates.nearest(place.cells, found, k, DOMAIN_CELL, "[domain]") for k in range(len(names))]
        )
        cells = domain_cells(part, place, rows, names, where)
        source, said = site_climates.of_domain(place, climate, rows), place.source(climate)[1]
    else:
        cells = own_cells(part, found, names, word, data, where)
        source, said = own_climate(part, word, found, cells, towers, data, where)
    last = max((towers[n].years[1] for n in names), default=0) if word == "tower" else 0
    return Sites(names, cells, found, source, last, f"{part.source}: {part.path or '(data folder)'}; climate: {said}")


def read(part: DataSection, data: Path | None, where: str) -> tuple[xr.Dataset, Mapping[str, Tower]]:
    """All observations of a section's source, and its towers by name where it has forcing; raises ``InputError``."""
    layout = OBSERVATIONS[part.source]
    module, _, name = layout.function.partition(":")
    reader = getattr(importlib.import_module(f"jtem.readers.{module}"), name)
    if layout.folder:
        folder = resolve(part.path or layout.folder, data, where, folder=True)
        towers = reader(folder, list(part.sites) or None, soil_depths=part.soil_depths)
        return observations.join([t.observations for t in towers.values()], str(folder)), towers
    if not part.path:
        raise InputError(f"{where}: source '{part.source}' needs 'path', its table of observations; add it")
    path = found_at(part.path, data, where)
    if layout.towers:
        own = part.climate in ("", "tower")
        towers = reader(path, list(part.sites) or None, soil_depths=part.soil_depths, forcing=own)
        return observations.join([t.observations for t in towers.values()], str(path)), towers
    return reader(path), {}


def found_at(name: str, data: Path | None, where: str) -> Path:
    """A table, or the folder or archive of a release: as it is named, else in the data folder; raises ``InputError``."""
    local = Path(name)
    if local.exists():
        return local
    return resolve(name, data, where, folder=local.suffix.lower() not in (".csv", ".txt", ".zip", ".xlsx"))


def selected(part: DataSection, found: xr.Dataset, where: str) -> xr.Dataset:
    """The observations that a section asks for, at the places that it gives; raises ``InputError``."""
    bounds = int((found["censored"].values != "").sum())
    if bounds:
        found.attrs["notes"] += f"\n{where}: {bounds} observations are bounds or doubtful (>, <, ?) and are not used"
    found = observations.select(found, sites=list(part.sites) or None, streams=part.streams or None, exact=True)
    if part.years:
        found = observations.select(found, years=range(part.years[0], part.years[1] + 1))
    if part.depths:
        depth = found["depth"].values
        found = found.isel(observation=np.isnan(depth) | np.isin(np.round(depth, 4), np.round(part.depths, 4)))
    names = [str(n) for n in found["place"].values]
    for site, position in part.places.items():
        if site not in names:
            raise InputError(f"{where}: places names '{site}', which is no site of the data; {suggest(site, names)}")
        for field_name, value in zip(("latitude", "longitude"), position, strict=True):
            column = np.array(found[field_name].values, dtype=np.float64)
            column[names.index(site)] = value
            found[field_name] = (found[field_name].dims, column)
    return found


def own_cells(
    part: DataSection, found: xr.Dataset, names: Sequence[str], climate: str, data: Path | None, where: str
) -> xr.Dataset:
    """Cells of sites from what is known of them; their elevation from the half-degree fields where these give the climate."""
    if part.source == "embedded":
        for key in ("communities", "elevations"):
            if getattr(part, key):
                raise InputError(
                    f"{where}: '{key}' of source 'embedded' are known and not taken; leave them out, or choose source 'table'"
                )
        return embedded.sites(names)
    elevations = dict(part.elevations)
    if climate == "climate_grid":
        root = resolve("climate_grid", data, where, folder=True).parent
        for k, name in enumerate(names):
            if name not in elevations and not np.isfinite(found["elevation"].values[k]):
                elevations[name] = float(site_climates.nearest_half_degree(root, found, k)["elevation"].values[0])
    if part.surface == "rule":
        return places.cells(found, communities=part.communities, elevations=elevations)
    root = resolve("climate_grid", data, where, folder=True).parent
    communities = dict(part.communities)
    for k, (name, own) in enumerate(zip(names, found["community"].values, strict=True)):
        if not own and name not in communities:
            cell = site_climates.nearest_half_degree(root, found, k)
            largest = int(np.argmax(cell["community_area_fraction"].values[0]))
            communities[name] = str(cell["community"].values[0, largest])
    made = places.cells(found, communities=communities, elevations=elevations)
    return site_climates.with_soil(root, found, made)


def own_climate(
    part: DataSection,
    word: str,
    found: xr.Dataset,
    cells: xr.Dataset,
    towers: Mapping[str, Tower],
    data: Path | None,
    where: str,
) -> tuple[ClimateSource, str]:
    """Climate of sites by its word, and what it is called; raises ``InputError``."""
    names = [str(n) for n in found["place"].values]
    if word == "tower":
        source = site_climates.tower(
            [towers[n] for n in names], cells, data, observed=part.weather == "observed", raised=part.undercatch
        )
        return source, "the towers' own"
    if word == "climate_grid":
        root = resolve("climate_grid", data, where, folder=True).parent
        station: dict[str, dict[str, np.ndarray]] = {}
        if part.source == "alaska":
            station = ground.air_temperature(resolve(part.path, data, where), "ta_degC", names)
        depths = ground.air_temperature(resolve(part.path, data, where), "snow_depth_m", names) if part.snow else None
        observed = part.weather == "observed"
        source = site_climates.half_degree(root, found, cells, station, observed=observed, snow=depths)
        return source, "half-degree fields"
    return site_climates.emulated(cells), "emulated"


def domain_cells(part: DataSection, place: Domain, rows: np.ndarray, names: Sequence[str], where: str) -> xr.Dataset:
    """The domain's cells at the sites, each with one community: the plan's, or the largest of the cell."""
    cells = place.cells.isel(cell=rows)
    community = np.asarray(cells["community"].values, dtype=object)
    largest = np.argmax(np.asarray(cells["community_area_fraction"].values, np.float64), axis=1)
    chosen = community[np.arange(rows.size), largest]
    elevation = np.array(cells["elevation"].values, dtype=np.float64)
    for table, values in ((part.communities, chosen), (part.elevations, elevation)):
        for name, value in table.items():
            if name not in names:
                raise InputError(f"{where}: no site '{name}' among the observations; {suggest(name, names)}")
            values[list(names).index(name)] = value
    return cells.drop_vars(["community", "community_area_fraction"]).assign(
        community=(("cell", "share"), chosen[:, None]),
        community_area_fraction=(("cell", "share"), np.ones((rows.size, 1)), {"units": "1"}),
        elevation=("cell", elevation, {"units": "m"}),
    ).assign_coords(cell=np.arange(rows.size), site=("cell", np.array(names, dtype=object)))  # fmt: skip
