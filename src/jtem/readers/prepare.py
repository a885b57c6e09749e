"""Raw files to one prepared store, once: cells, monthly climate in house units, provenance; then runs start in seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr

from jtem.errors import InputError
from jtem.readers import (
    co2,
    contract,
    fields,
    isimip,
    isimip_inputs,
    regrid,
    soil_carbon,
    soil_texture,
    store,
    surface,
    vegetation,
)

LEAST_LAND = 0.5
"""Share of a cell that a land mask must call land."""


@dataclass(frozen=True)
class Request:
    """One climate of a plan: protocol words whose periods join up, and the years that the plan needs."""

    scenarios: tuple[str, ...]
    first: int
    last: int
    nitrogen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """What ``jtem prepare`` makes of raw ISIMIP files and maps; paths are resolved, words are those of the plan.

    ``co2``: "embedded", "isimip" (text files in ``folder``) or the path of a table. ``box``: south, north, west, east.
    ``resolution``: degrees of the run's cells, 0: those of the vegetation map. ``lapse_rate``: degC per km, 0: climate
    shared without correction. ``soil_carbon``: a folder of NCSCDv2 files and/or pedon tables, first one that knows.
    """

    folder: Path
    climates: Mapping[str, Request]
    vegetation: Path
    texture: Path
    elevation: Path
    model: str = ""
    member: str = ""
    region: str = ""
    vegetation_kind: str = ""
    texture_layers: Path | None = None
    land_mask: Path | None = None
    permafrost_map: Path | None = None
    permafrost_codes: tuple[int, ...] = ()
    soil_carbon: tuple[Path, ...] = ()
    climate_elevation: Path | None = None
    lapse_rate: float = 0.0
    box: fields.Box = fields.WHOLE_EARTH
    resolution: float = 0.0
    stride: int = 1
    co2: str | Path = "embedded"
    co2_column: str = ""
    names: Mapping[str, str] = field(default_factory=dict)


# --- cells from maps -------------------------------------------------------------------------------------------------


def isimip_cells(recipe: Recipe, communities: Sequence[str]) -> tuple[xr.Dataset, list[str]]:
    """Cells of the run from the maps of a recipe, in the form of ``docs/architecture.md``, and what was filled.

    Land with vegetation inside the box, the land mask and the permafrost map. ``communities``: names of the parameter
    table, which maps of fractions (``vegetation_kind = "fractions"``) are called by. Raises ``InputError``.
    """
    box, names = recipe.box, recipe.names
    fractions = recipe.vegetation_kind == "fractions"
    if recipe.resolution:
        targets = regrid.regular(box, recipe.resolution)
    else:
        name = names.get("vegetation", "")
        called = tuple(communities) if fractions else (name,) if name else vegetation.NAMES
        found = regrid.of_field(fields.need(recipe.vegetation, called, box))
        south, north, west, east = box
        inside = (found.latitude >= south) & (found.latitude <= north)
        inside &= fields.inside_longitudes(found.longitude, west, east)
        targets = found.take(np.nonzero(inside)[0])
    if not targets.latitude.size:
        raise InputError(f"{recipe.vegetation}: no cell in the box {box}; change 'box'")
    land = np.ones(targets.latitude.size)
    if recipe.land_mask is not None:
        land = surface.land_fraction(recipe.land_mask, targets, names.get("land_mask", ""), box)
    keep = land >= LEAST_LAND
    if recipe.permafrost_map is not None:
        codes, name = recipe.permafrost_codes, names.get("permafrost_map", "")
        keep &= surface.permafrost(recipe.permafrost_map, targets, codes, name, box)
    if fractions:
        shares = vegetation.fraction_maps(recipe.vegetation, targets, communities, box)
    else:
        name = names.get("vegetation", "")
        shares = vegetation.community_shares(recipe.vegetation, targets, recipe.vegetation_kind, name, box)
    community, fraction, vegetated = vegetation.as_columns(shares)
    keep &= vegetated > 0
    rows = np.nonzero(keep)[0][:: recipe.stride]
    if not rows.size:
        raise InputError(
            f"{recipe.vegetation}: no cell is left after land mask, permafrost map and vegetation; check that they overlap"
        )
    targets, land, vegetated = targets.take(rows), land[rows], vegetated[rows]
    community, fraction = community[rows], fraction[rows]
    notes = [f"{rows.size} cells of {targets.step:g} degrees"]
    if recipe.texture_layers is not None:
        texture, filled = soil_texture.read_hwsd2(
            recipe.texture, recipe.texture_layers, targets, names.get("texture", ""), box
        )
    else:
        texture, filled = soil_texture.read(recipe.texture, targets, names, box)
    notes.append(f"soil texture of {int(filled.sum())} cells from their nearest neighbour")
    height = surface.elevation(recipe.elevation, targets, names.get("elevation", ""), box)
    height, filled = regrid.fill_nearest(height, targets, soil_texture.FILL_KM, f"{recipe.elevation}: elevation")
    notes.append(f"elevation of {int(filled.sum())} cells from their nearest neighbour")
    area = targets.area * np.minimum(land, 1.0) * np.where(vegetated < 1.0, vegetated, 1.0)
    stocks, nitrogen, seen, said = _stocks(recipe, targets, community, fraction, area)
    notes += said

    flat = {"latitude": targets.latitude, "longitude": targets.longitude, "area": area, "elevation": height}
    flat |= {name: texture[:, k] for k, name in enumerate(("sand", "silt", "clay"))}
    title = f"cells from {recipe.vegetation.name}"
    return contract.cells(flat, community, fraction, title, stocks, nitrogen, seen, step=targets.step), notes


def _stocks(
    recipe: Recipe, targets: regrid.Targets, community: np.ndarray, fraction: np.ndarray, area: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Soil organic carbon and nitrogen (cell, 4) in kg m-2, whether carbon of a cell is observed throughout, what to tell.

    Carbon: observed, and per type where not; NaN without any observation. Nitrogen: observed, NaN where not.
    """
    observed, nitrogen = np.full((2, targets.latitude.size, 4), np.nan)
    if not recipe.soil_carbon:
        return (
            observed,
            nitrogen,
            np.zeros(targets.latitude.size, bool),
            ["soil carbon: not given, means by vegetation"],
        )
    told: list[str] = []
    for path in recipe.soil_carbon:
        if path.is_dir():
            found = soil_carbon.read_folder(path, targets, recipe.box)
        elif soil_carbon.is_hwsd2(path):
            if recipe.texture_layers is None:
                raise InputError(
                    f"{path}: layers of HWSD v2 need the raster of its units; give it as 'texture' with 'texture_layers'"
                )
            found = soil_carbon.read_hwsd2(path, recipe.texture, targets, recipe.names.get("texture", ""), recipe.box)
        else:
            pedons = soil_carbon.read_pedons(path)
            told += pedons.notes
            found = soil_carbon.pedon_means(pedons, targets)
            more = soil_carbon.pedon_means(pedons, targets, "nitrogen")
            nitrogen = np.where(np.isfinite(nitrogen), nitrogen, more)
        whole = np.all(np.isfinite(observed), axis=1)
        observed = np.where(whole[:, None], observed, np.where(np.isfinite(found), found, observed))
    stocks, seen, origin = soil_carbon.complete(observed, community, fraction, area)
    types = "; ".join(f"{name}: {text}" for name, text in origin.items())
    told.append(f"soil carbon observed in {int(seen.sum())} of {seen.size} cells; the others by type ({types})")
    told.append(f"soil nitrogen observed in {int(np.isfinite(nitrogen).any(axis=1).sum())} of {seen.size} cells")
    return stocks, nitrogen, seen, told


# --- climate from ISIMIP ---------------------------------------------------------------------------------------------


def isimip_climates(
    recipe: Recipe, cells: xr.Dataset
) -> tuple[dict[str, store.ClimateInput], isimip.Sharing, np.ndarray, list[str], list[Path]]:
    """Inputs of each climate, the sharing of climate cells, the temperature offsets (cell,), notes and the files.

    Only names and headers are read here, and the first day. Raises ``InputError``.
    """
    latitude, longitude = (np.asarray(cells[name].values, np.float64) for name in ("latitude", "longitude"))
    chains: dict[str, dict[str, tuple[isimip.FileName, ...]]] = {}
    used: list[Path] = []
    sharing: isimip.Sharing | None = None
    for name, request in recipe.climates.items():
        chains[name] = isimip.find(
            recipe.folder,
            request.scenarios,
            request.first,
            request.last,
            model=recipe.model,
            member=recipe.member,
            region=recipe.region,
        )
        used += [file.path for chained in chains[name].values() for file in chained]
        shared = isimip.share(chains[name], latitude, longitude)
        if sharing is not None and not (
            np.array_equal(shared.index, sharing.index) and np.allclose(shared.latitude, sharing.latitude, atol=1e-3)
        ):
            raise InputError(f"{used[-1]}: land of climate '{name}' differs from the others; give files of one region")
        sharing = sharing or shared
    assert sharing is not None
    for chained in chains.values():
        for files in chained.values():
            for file in files:
                with isimip.open_daily(file):  # units, calendar and days of every file before the first long read
                    pass
    offset = np.zeros(latitude.size)
    notes = [
        f"climate of {sharing.latitude.size} cells shared by {latitude.size} by nearest cell; {int(sharing.moved.sum())} "
        "took the nearest one with data"
    ]
    if recipe.lapse_rate:
        offset = _offset(recipe, cells, sharing)
        notes.append(
            f"temperature corrected by {recipe.lapse_rate:g} degC per km of elevation, "
            f"{offset.min():.1f}..{offset.max():.1f} degC"
        )
    climates = {}
    for name, request in recipe.climates.items():
        nitrogen = {}
        if request.nitrogen:
            nitrogen = isimip_inputs.find_nitrogen(recipe.folder, request.nitrogen, request.first, request.last)
            used += [file.path for chained in nitrogen.values() for file in chained]
        climates[name] = store.ClimateInput(
            request.first,
            request.last,
            _co2(recipe, name, request),
            _isimip_blocks(chains[name], nitrogen, sharing, request.first, request.last),
            f"{recipe.folder}: climate '{name}'",
            sharing.latitude,
        )
    return climates, sharing, offset, notes, sorted(set(used))


def _offset(recipe: Recipe, cells: xr.Dataset, sharing: isimip.Sharing) -> np.ndarray:
    """Temperature offsets (cell,) from the elevation of the climate cells."""
    step = float(np.median(np.diff(np.unique(sharing.latitude)))) if np.unique(sharing.latitude).size > 1 else 0.5
    places = regrid.Targets(sharing.latitude, sharing.longitude, step)
    path = recipe.climate_elevation or recipe.elevation
    height = surface.elevation(path, places, recipe.names.get("climate_elevation", ""))
    if not np.all(np.isfinite(height)):
        raise InputError(
            f"{path}: no elevation for {int(np.sum(~np.isfinite(height)))} climate cells; complete the file"
        )
    return regrid.temperature_offset(
        np.asarray(cells["elevation"].values, np.float64), height[sharing.index], recipe.lapse_rate
    )


def _co2(recipe: Recipe, name: str, request: Request) -> np.ndarray:
    if recipe.co2 == "isimip":
        return isimip_inputs.find_co2(recipe.folder, request.scenarios, request.first, request.last)
    if recipe.co2 == "embedded":
        latest = list(request.scenarios).pop()
        word = recipe.co2_column or (name if len(request.scenarios) > 1 else latest)
        word = word if word in co2.embedded.CO2_YEARS else latest
        return co2.embedded_series(word, request.first, request.last)
    return co2.read_table(recipe.co2, request.first, request.last, recipe.co2_column)


def _isimip_blocks(
    chains: Mapping[str, Sequence[isimip.FileName]],
    nitrogen: Mapping[str, Sequence[isimip.FileName]],
    sharing: isimip.Sharing,
    first: int,
    last: int,
) -> store.Blocks:
    """Blocks of all climate cells, one span of years at a time, read year by year."""

    def blocks() -> Iterator[tuple[np.ndarray, int, dict[str, np.ndarray]]]:
        every = np.arange(sharing.latitude.size)
        years = isimip.monthly_all(chains, sharing.latitude, sharing.longitude, first, last)
        deposition = (
            isimip_inputs.nitrogen(nitrogen, sharing.latitude, sharing.longitude, first, last) if nitrogen else None
        )
        for start, end in store.spans(first, last):
            names = (*chains, *(["nitrogen_input"] if deposition else []))
            values = {name: np.empty((every.size, end - start + 1, 12)) for name in names}
            for k in range(end - start + 1):
                for name, field_values in next(years)[1].items():
                    values[name][:, k] = field_values
                if deposition:
                    values["nitrogen_input"][:, k] = next(deposition)[1]
            yield every, start, values

    return blocks
