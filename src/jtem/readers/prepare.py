"""Raw files to one prepared store, once: cells, monthly climate in house units, provenance; then runs start in seconds.

The store is one netCDF file. Root: the cell dataset of ``docs/architecture.md``, for each cell the climate cell it
shares (``climate_cell``) and a correction of its temperature (``temperature_offset``), and the attributes
``jtem_store``, ``recipe`` (the plan's words, JSON), ``inputs`` (names and sizes), ``notes``. One group
``climate_<name>`` a climate: ``year``, ``co2`` (year) in ppm, and ``air_temperature``, ``precipitation``,
``shortwave_radiation``, optionally ``nitrogen_input``, float32 (source, year, month) with one row a climate cell,
cut into chunks of ``CHUNK_CELLS`` cells and ``CHUNK_YEARS`` years with checksums. Writing holds one such span of years
of the climate cells in memory; a run reads only the cells of its chunk. A store appears whole or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr

from jtem.errors import InputError, suggest
from jtem.files import whole
from jtem.readers import co2, fields, isimip, regrid, soil_carbon, soil_texture, surface, to_model, vegetation

FORMAT = 1
CHUNK_CELLS, CHUNK_YEARS = 256, 10
LEAST_LAND = 0.5
"""Share of a cell that a land mask must call land."""
FLAT_CELL_FIELDS = ("latitude", "longitude", "area", "elevation", "sand", "silt", "clay")
CLIMATE_VARIABLES = tuple(isimip.VARIABLES)

Blocks = Callable[[], Iterator[tuple[np.ndarray, int, dict[str, np.ndarray]]]]
"""Makes an iterator of (climate cells, first year, {house name: (cell, year, 12)}) that covers each span of years."""


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


@dataclass(frozen=True)
class ClimateInput:
    """One climate to write: its years, CO2 (year,) in ppm, and where its values come from.

    ``latitude`` (climate cell,): for the check of light, where the values were not checked before.
    """

    first: int
    last: int
    co2: np.ndarray
    blocks: Blocks
    where: str
    latitude: np.ndarray | None = None


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
            f"{recipe.vegetation}: no cell is left after land mask, permafrost map and vegetation; check "
            "that they overlap"
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

    def per_cell(values: np.ndarray, units: str) -> tuple:
        return "cell", np.asarray(values, dtype=np.float64), {"units": units}

    cells = xr.Dataset(
        {
            "latitude": per_cell(targets.latitude, "degrees_north"),
            "longitude": per_cell(targets.longitude, "degrees_east"),
            "area": per_cell(area, "km2"),
            "elevation": per_cell(height, "m"),
            **{name: per_cell(texture[:, k], "percent") for k, name in enumerate(("sand", "silt", "clay"))},
            "community": (("cell", "share"), community),
            "community_area_fraction": (("cell", "share"), fraction, {"units": "1"}),
            "soil_organic_carbon": (("cell", "interval"), stocks, {"units": "kg m-2"}),
            "soil_nitrogen": (("cell", "interval"), nitrogen, {"units": "kg m-2"}),
            "soil_carbon_observed": ("cell", seen),
        },
        coords={"cell": np.arange(rows.size)},
        attrs={"title": f"cells from {recipe.vegetation.name}", "step": targets.step},
    )
    return cells, notes


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
            found = soil_carbon.read_ncscd(path, targets, recipe.box)
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
) -> tuple[dict[str, ClimateInput], isimip.Sharing, np.ndarray, list[str], list[Path]]:
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
        f"climate of {sharing.latitude.size} cells shared by {latitude.size} by nearest cell; "
        f"{int(sharing.moved.sum())} "
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
            nitrogen = isimip.find_nitrogen(recipe.folder, request.nitrogen, request.first, request.last)
            used += [file.path for chained in nitrogen.values() for file in chained]
        climates[name] = ClimateInput(
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
        return isimip.find_co2(recipe.folder, request.scenarios, request.first, request.last)
    if recipe.co2 == "embedded":
        latest = list(request.scenarios).pop()
        word = recipe.co2_column or (name if len(request.scenarios) > 1 else latest)
        word = word if word in co2.embedded.SCENARIO_YEARS else latest
        return co2.embedded_series(word, request.first, request.last)
    return co2.read_table(recipe.co2, request.first, request.last, recipe.co2_column)


def spans(first: int, last: int) -> list[tuple[int, int]]:
    """Years cut as the store is: spans of ``CHUNK_YEARS`` from the first year on."""
    return [(year, min(year + CHUNK_YEARS - 1, last)) for year in range(first, last + 1, CHUNK_YEARS)]


def _isimip_blocks(
    chains: Mapping[str, Sequence[isimip.FileName]],
    nitrogen: Mapping[str, Sequence[isimip.FileName]],
    sharing: isimip.Sharing,
    first: int,
    last: int,
) -> Blocks:
    """Blocks of all climate cells, one span of years at a time, read year by year."""

    def blocks() -> Iterator[tuple[np.ndarray, int, dict[str, np.ndarray]]]:
        every = np.arange(sharing.latitude.size)
        years = isimip.monthly_all(chains, sharing.latitude, sharing.longitude, first, last)
        deposition = isimip.nitrogen(nitrogen, sharing.latitude, sharing.longitude, first, last) if nitrogen else None
        for start, end in spans(first, last):
            names = (*chains, *(["nitrogen_input"] if deposition else []))
            values = {name: np.empty((every.size, end - start + 1, 12)) for name in names}
            for k in range(end - start + 1):
                for name, field_values in next(years)[1].items():
                    values[name][:, k] = field_values
                if deposition:
                    values["nitrogen_input"][:, k] = next(deposition)[1]
            yield every, start, values

    return blocks


def from_source(source: to_model.ClimateSource, count: int, first: int, last: int, where: str) -> ClimateInput:
    """A climate of any other reader (cell indices and years -> dataset) as input of a store, a "
    "chunk of cells at a time.
    """

    def blocks() -> Iterator[tuple[np.ndarray, int, dict[str, np.ndarray]]]:
        for start, end in spans(first, last):
            for low in range(0, count, CHUNK_CELLS):
                rows = np.arange(low, min(low + CHUNK_CELLS, count))
                climate = source(rows, start, end)
                to_model.check_climate(climate, start, end, where)
                names = [name for name in to_model.CLIMATE_RANGES if name in climate]
                yield rows, start, {name: np.asarray(climate[name].values, np.float64) for name in names}

    ppm = source(np.arange(1), first, last)["co2"].values
    return ClimateInput(first, last, np.asarray(ppm, np.float64), blocks, where)


# --- the store -------------------------------------------------------------------------------------------------------


def write(
    path: Path | str,
    cells: xr.Dataset,
    climates: Mapping[str, ClimateInput],
    *,
    climate_cell: np.ndarray | None = None,
    offset: np.ndarray | None = None,
    attributes: Mapping[str, Any],
    progress: Callable[[str], None] | None = None,
) -> None:
    """Write a store, checked block by block; ``path`` appears whole or not at all.

    ``climate_cell`` (cell,): climate cell that each cell shares, by default its own. ``offset`` (cell,): degC added to
    its temperature. ``progress`` is told each span of years. Raises ``InputError`` for climate that cannot be used.
    """
    path = Path(path)
    count = cells.sizes["cell"]
    index = np.arange(count) if climate_cell is None else np.asarray(climate_cell, dtype=np.int64)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as partial, netCDF4.Dataset(str(partial), "w", format="NETCDF4") as data:
            _write_cells(data, cells, index, np.zeros(count) if offset is None else offset)
            data.createDimension("source", int(index.max()) + 1)
            data.createDimension("month", 12)
            for name, entry in climates.items():
                _write_climate(data.createGroup(f"climate_{name}"), name, entry, int(index.max()) + 1, progress)
            data.setncatts({**attributes, "jtem_store": np.int32(FORMAT), "climates": " ".join(climates)})
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"{path}: the store cannot be written ({error}); check the folder and the space on the disk"
        ) from None


def _write_cells(data: netCDF4.Dataset, cells: xr.Dataset, index: np.ndarray, offset: np.ndarray) -> None:
    data.createDimension("cell", cells.sizes["cell"])
    data.createDimension("share", cells.sizes["share"])
    data.createDimension("interval", to_model.INTERVALS)

    def put(name: str, dims: tuple[str, ...], values: np.ndarray, units: str = "", kind: str = "f8") -> Any:
        variable = data.createVariable(name, kind, dims, zlib=True, fletcher32=True)
        variable[:] = values
        if units:
            variable.units = units
        return variable

    for name in FLAT_CELL_FIELDS:
        put(name, ("cell",), cells[name].values, str(cells[name].attrs.get("units", "")))
    names = sorted({str(name) for name in cells["community"].values.ravel()} - {""})
    number = {name: k + 1 for k, name in enumerate(names)} | {"": 0}
    codes = np.vectorize(lambda name: number[str(name)], otypes=[np.int32])(cells["community"].values)
    community = put("community", ("cell", "share"), codes, "", "i4")
    community.flag_values = np.arange(len(names) + 1, dtype=np.int32)
    community.flag_meanings = " ".join(["not_used", *names])
    put("community_area_fraction", ("cell", "share"), cells["community_area_fraction"].values, "1")
    if "soil_organic_carbon" in cells:
        stocks = cells["soil_organic_carbon"].values
        put("soil_organic_carbon", ("cell", "interval"), stocks, "kg m-2").comment = "0-0.3, 0.3-1, 1-2, 2-3 m"
    if "soil_nitrogen" in cells:
        stocks = cells["soil_nitrogen"].values
        put("soil_nitrogen", ("cell", "interval"), stocks, "kg m-2").comment = "0-0.3, 0.3-1, 1-2, 2-3 m"
    if "soil_carbon_observed" in cells:
        put("soil_carbon_observed", ("cell",), cells["soil_carbon_observed"].values.astype(np.int8), "1", "i1")
    put("climate_cell", ("cell",), index, "", "i8").comment = "climate cell that the cell shares"
    put("temperature_offset", ("cell",), offset, "degC").comment = "added to the air temperature of the climate cell"


def _write_climate(
    group: netCDF4.Dataset, name: str, entry: ClimateInput, cells: int, progress: Callable[[str], None] | None
) -> None:
    years = np.arange(entry.first, entry.last + 1)
    group.createDimension("year", years.size)
    group.createVariable("year", "i4", ("year",))[:] = years
    ppm = group.createVariable("co2", "f8", ("year",))
    ppm[:], ppm.units = entry.co2, "ppm"
    variables: dict[str, Any] = {}
    chunks = (min(CHUNK_CELLS, cells), min(CHUNK_YEARS, years.size), 12)
    seen = -1
    for rows, start, values in entry.blocks():
        if progress is not None and start != seen:
            progress(f"climate '{name}' {start}-{min(start + CHUNK_YEARS - 1, entry.last)}")
        seen = start
        count = next(iter(values.values())).shape[1]
        latitude = None if entry.latitude is None else entry.latitude[rows]
        _check_block(values, start, entry.co2[start - entry.first : start - entry.first + count], entry.where, latitude)
        for house, array in values.items():
            if house not in variables:
                variables[house] = group.createVariable(
                    house, "f4", ("source", "year", "month"), chunksizes=chunks, zlib=True, complevel=4,
                    shuffle=True, fletcher32=True,
                )  # fmt: skip
                variables[house].units = to_model.CLIMATE_RANGES[house][0]
            at = start - entry.first
            variables[house][int(rows[0]) : int(rows[-1]) + 1, at : at + count] = array


def _check_block(
    values: Mapping[str, np.ndarray], start: int, ppm: np.ndarray, where: str, latitude: np.ndarray | None
) -> None:
    """The model's own checks, on a block, before it is written."""
    count = next(iter(values.values())).shape[1]
    block = xr.Dataset(
        {
            name: (("cell", "year", "month"), array, {"units": to_model.CLIMATE_RANGES[name][0]})
            for name, array in values.items()
        },
        coords={"year": np.arange(start, start + count), "month": np.arange(1, 13)},
    ).assign(co2=("year", ppm))
    if latitude is not None:
        block = block.assign_coords(latitude=("cell", latitude))
    to_model.check_climate(block, start, start + count - 1, where)


@contextlib.contextmanager
def open_store(path: Path | str) -> Iterator[netCDF4.Dataset]:
    """Open a store; raises ``InputError`` for anything that is not one."""
    with fields.open_raw(path) as data:
        found = getattr(data, "jtem_store", None)
        if found is None or int(found) != FORMAT:
            raise InputError(
                f"{path}: not a store of 'jtem prepare' (format {found}, expected {FORMAT}); prepare it again"
            )
        data.set_auto_mask(False)
        yield data


def settings(path: Path | str) -> dict[str, Any]:
    """The recipe that a store was made with, in the plan's words."""
    with open_store(path) as data:
        return json.loads(str(getattr(data, "recipe", "{}")))


def provenance(path: Path | str) -> str:
    """When a store was made and from how many inputs, with a hash of their names and sizes."""
    with open_store(path) as data:
        inputs = str(getattr(data, "inputs", ""))
        made = str(getattr(data, "date_created", "at an unknown time"))
    return f"prepared {made}, {len(inputs.split('; '))} inputs, hash {hashlib.sha256(inputs.encode()).hexdigest()[:12]}"


def differences(path: Path | str, recipe: Mapping[str, Any]) -> list[str]:
    """Keys whose words in the store differ from ``recipe``."""
    stored = settings(path)
    now = json.loads(json.dumps(recipe))
    return sorted(key for key in {*stored, *now} if stored.get(key) != now.get(key))


def years(path: Path | str) -> dict[str, tuple[int, int]]:
    """First and last year of each climate of a store."""
    with open_store(path) as data:
        found = {name: np.asarray(data[f"climate_{name}"]["year"][:]) for name in str(data.climates).split()}
        return {name: (int(own[0]), int(own[-1])) for name, own in found.items()}


def read_cells(path: Path | str) -> xr.Dataset:
    """The cell dataset of a store, in the form of ``docs/architecture.md``."""
    with open_store(path) as data:
        try:
            result: dict[str, Any] = {
                name: ("cell", np.asarray(data[name][:]), {"units": str(getattr(data[name], "units", ""))})
                for name in FLAT_CELL_FIELDS
            }
            names = np.array(["", *str(data["community"].flag_meanings).split()[1:]], dtype=object)
            result["community"] = (("cell", "share"), names[np.asarray(data["community"][:])])
            share = np.asarray(data["community_area_fraction"][:])
            result["community_area_fraction"] = (("cell", "share"), share, {"units": "1"})
            for name in ("soil_organic_carbon", "soil_nitrogen"):
                if name in data.variables:
                    result[name] = (("cell", "interval"), np.asarray(data[name][:]), {"units": "kg m-2"})
            if "soil_carbon_observed" in data.variables:
                result["soil_carbon_observed"] = ("cell", np.asarray(data["soil_carbon_observed"][:]).astype(bool))
        except (RuntimeError, OSError, KeyError, IndexError) as error:
            raise InputError(
                f"{path}: cells cannot be read ({error}); the store is corrupt, prepare it again"
            ) from None
        return xr.Dataset(
            result, coords={"cell": np.arange(share.shape[0])}, attrs={"title": str(getattr(data, "title", ""))}
        )


def source(path: Path | str, climate: str) -> tuple[to_model.ClimateSource, str]:
    """A climate of a store as (cell indices, first, last) -> dataset, and its name for errors.

    Each call reads only what the cells need, chunk by chunk. Raises ``InputError`` for an unknown climate, for years
    outside the store and for a store that cannot be read.
    """
    have = years(path)
    where = f"{path}: climate '{climate}'"
    if climate not in have:
        raise InputError(f"{path}: no climate '{climate}' in the store; {suggest(climate, have)} (or prepare it again)")
    begin, end = have[climate]
    with open_store(path) as data:
        index = np.asarray(data["climate_cell"][:])
        offset = np.asarray(data["temperature_offset"][:])

    def read(rows: np.ndarray, first: int, last: int) -> xr.Dataset:
        if first < begin or last > end:
            raise InputError(f"{where}: years {first}-{last} asked, the store has {begin}-{end}; prepare it again")
        wanted, back = np.unique(index[rows], return_inverse=True)
        at = slice(first - begin, last - begin + 1)
        result: dict[str, Any] = {}
        with open_store(path) as data:
            group = data[f"climate_{climate}"]
            for name in to_model.CLIMATE_RANGES:
                if name in group.variables:
                    try:
                        values = _gather(group[name], wanted, at)[back]
                    except (RuntimeError, OSError) as error:
                        raise InputError(
                            f"{where}: '{name}' cannot be read ({error}); the store is corrupt, prepare it again"
                        ) from None
                    if name == "air_temperature":
                        values = values + offset[rows][:, None, None]
                    result[name] = (("cell", "year", "month"), values, {"units": str(group[name].units)})
            result["co2"] = ("year", np.asarray(group["co2"][at]), {"units": "ppm"})
        coords = {"year": np.arange(first, last + 1), "month": np.arange(1, 13)}
        return xr.Dataset(result, coords=coords, attrs={"title": where})

    return read, where


def _gather(variable: Any, wanted: np.ndarray, at: slice) -> np.ndarray:
    """Rows ``wanted`` (ascending) of a variable as float64, read in runs so that only touched chunks are opened."""
    result = np.empty((wanted.size, at.stop - at.start, 12))
    breaks = np.nonzero(np.diff(wanted // CHUNK_CELLS) > 0)[0] + 1
    for part in np.split(np.arange(wanted.size), breaks):
        low, high = int(wanted[part[0]]), int(wanted[part[-1]])
        result[part] = np.asarray(variable[low : high + 1, at])[wanted[part] - low]
    return result
