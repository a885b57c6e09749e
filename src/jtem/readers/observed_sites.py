"""Observed sites, as a calibration asks for them: observations of one source, cells of the sites, and their climate."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import xarray as xr

from jtem.errors import InputError, suggest
from jtem.files import Inputs
from jtem.readers import embedded, ground, observations, places, site_climates, to_model
from jtem.readers.catalogue import OBSERVATIONS, ClimateSource, Domain
from jtem.readers.towers import Tower
from jtem.state import Climate

DOMAIN_CELL = 1.5  # degrees, from a site to the middle of its cell of [domain]


@runtime_checkable
class Asked(Protocol):
    """What a section [[data]] of a calibration plan asks for; its keys are explained there."""

    @property
    def source(self) -> str:
        """Layout of the observations."""
        ...

    @property
    def path(self) -> str:
        """File or folder of the observations."""
        ...

    @property
    def sites(self) -> tuple[str, ...]:
        """Sites to use; none: all."""
        ...

    @property
    def streams(self) -> tuple[str, ...]:
        """Streams to use; none: all."""
        ...

    @property
    def climate(self) -> str:
        """Where the climate comes from; none: the domain, else as the layout has it."""
        ...

    @property
    def communities(self) -> Mapping[str, str]:
        """Vegetation community by site."""
        ...

    @property
    def elevations(self) -> Mapping[str, float]:
        """Elevation by site, m."""
        ...

    @property
    def soil_depths(self) -> Mapping[str, tuple[float, ...]]:
        """Depths of a tower's soil sensors by site, m."""
        ...

    @property
    def places(self) -> Mapping[str, tuple[float, float]]:
        """Latitude and longitude by site, for tables that have none."""
        ...

    @property
    def depths(self) -> tuple[float, ...]:
        """Soil temperature of these depths only, m."""
        ...

    @property
    def depth_unit(self) -> str:
        """Unit of a borehole's depths whose table gives none."""
        ...

    @property
    def weather(self) -> str:
        """Whether years without measurements have the default member's anomalies, or observed ones."""
        ...

    @property
    def undercatch(self) -> bool:
        """Whether a tower's cold months get at least the normal's precipitation."""
        ...

    @property
    def snow(self) -> bool:
        """Whether a station's cold months get the precipitation of its measured snow."""
        ...

    @property
    def surface(self) -> str:
        """Where texture, topsoil carbon and unknown communities come from."""
        ...

    @property
    def years(self) -> tuple[int, int] | None:
        """Observations of these years only."""
        ...


@dataclass(frozen=True)
class ObservedSites:
    """The sites of one [[data]] section.

    ``cells``: cell dataset (site,). ``source``: their climate. ``last_year``: last year that towers can be simulated, 0 for
    others. ``provenance``: where observations and climate are from. ``documented``: as ``catalogue.Domain`` has it.
    """

    names: tuple[str, ...]
    cells: xr.Dataset
    observations: xr.Dataset
    source: ClimateSource
    last_year: int
    provenance: str
    documented: bool = False

    def climate(self, rows: Sequence[int], first: int, last: int, asked: str, *, wrap: bool = False) -> Climate:
        """Checked climate of some sites, (site, year, 12); ``asked``: the key that says the years. Raises ``InputError``."""
        heard = to_model.Heard(self.provenance, self.documented)
        load = to_model.climate_loader(self.source, first, last, wrap=wrap, where=self.provenance, heard=heard)
        try:
            found = load(np.asarray(rows))
        except InputError as error:
            raise InputError(f"{asked} {first}-{last}: {error}") from None
        heard.say()
        return found


def open_sites(part: Asked, place: Domain | None, climate: str, inputs: Inputs, where: str) -> ObservedSites:
    """The sites of one section; ``place``: the plan's [domain], whose ``climate`` they take by default."""
    found, towers = read(part, inputs, where)
    found = selected(part, found, where)
    names = tuple(str(n) for n in found["place"].values)
    word = part.climate or ("domain" if place is not None else OBSERVATIONS[part.source].climate)
    last = 0
    if word == "domain" and place is not None:
        rows, source, said = site_climates.of_domain(place, climate, found, DOMAIN_CELL)
        cells = domain_cells(part, place, rows, names, where)
    elif word == "climate_grid":
        root = inputs.find("climate_grid", where, folder=True).parent
        heights = site_climates.heights(root, found) if part.source != "embedded" else {}
        station, depths = {}, None
        if part.source == "alaska":
            table = inputs.find(part.path, where)
            station = ground.air_temperature(table, "ta_degC", list(names))
            depths = ground.air_temperature(table, "snow_depth_m", list(names)) if part.snow else None
        cells = own_cells(part, found, heights, inputs, where)
        source = site_climates.half_degree(
            root, found, cells, station, observed=part.weather == "observed", snow=depths
        )
        said = "half-degree fields"
    else:
        cells = own_cells(part, found, {}, inputs, where)
        source, said = site_climates.emulated(cells), "emulated"
        if word == "tower":
            last = max((towers[n].years[1] for n in names), default=0)
            source = site_climates.tower(
                [towers[n] for n in names],
                cells,
                inputs.folder,
                observed=part.weather == "observed",
                raised=part.undercatch,
            )
            said = "the towers' own"
    provenance = f"{part.source}: {part.path or '(data folder)'}; climate: {said}"
    documented = place.documented if word == "domain" and place is not None else True
    return ObservedSites(names, cells, found, source, last, provenance, documented)


def read(part: Asked, inputs: Inputs, where: str) -> tuple[xr.Dataset, Mapping[str, Tower]]:
    """All observations of a section's source, and its towers by name where it has forcing; raises ``InputError``."""
    layout = OBSERVATIONS[part.source]
    module, _, name = layout.function.partition(":")
    reader = getattr(importlib.import_module(f"jtem.readers.{module}"), name)
    if not part.path and not layout.folder:
        raise InputError(f"{where}: source '{part.source}' needs 'path', its table of observations; add it")
    if layout.folder:
        path = inputs.find(part.path or layout.folder, where, folder=True)
    else:
        path = found_at(part.path, inputs, where)
    if not layout.folder and not layout.towers:
        return (reader(path, depth_unit=part.depth_unit) if part.depth_unit else reader(path)), {}
    words = {} if layout.folder else {"forcing": part.climate in ("", "tower")}
    towers = reader(path, list(part.sites) or None, soil_depths=part.soil_depths, **words)
    return observations.join([t.observations for t in towers.values()], str(path)), towers


def found_at(name: str, inputs: Inputs, where: str) -> Path:
    """A table, or the folder or archive of a release: as it is named, else in the data folder; raises ``InputError``."""
    local = Path(name)
    if local.exists():
        return local
    return inputs.find(name, where, folder=local.suffix.lower() not in (".csv", ".txt", ".zip", ".xlsx"))


def selected(part: Asked, found: xr.Dataset, where: str) -> xr.Dataset:
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


def own_cells(part: Asked, found: xr.Dataset, heights: Mapping[str, float], inputs: Inputs, where: str) -> xr.Dataset:
    """Cells of sites from what is known of them; ``heights``: elevations (m) of sites for which nobody says any."""
    elevations = {**heights, **part.elevations}
    if part.source != "embedded" and part.surface == "half_degree":
        root = inputs.find("climate_grid", where, folder=True).parent
        communities = {**site_climates.communities(root, found), **part.communities}
        return site_climates.with_soil(root, found, places.cells(found, communities=communities, elevations=elevations))
    if part.source != "embedded":
        return places.cells(found, communities=part.communities, elevations=elevations)
    for key in ("communities", "elevations"):
        if getattr(part, key):
            raise InputError(
                f"{where}: '{key}' of source 'embedded' are known and not taken; leave them out, or choose source 'table'"
            )
    return embedded.sites([str(n) for n in found["place"].values])


def domain_cells(part: Asked, place: Domain, rows: np.ndarray, names: Sequence[str], where: str) -> xr.Dataset:
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
