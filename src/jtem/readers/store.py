"""The prepared store: cells and monthly climates in one netCDF file, written once and read by chunk.

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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import netCDF4
import numpy as np
import xarray as xr

from jtem.errors import InputError, suggest
from jtem.files import Anywhere, fetched, whole
from jtem.readers import contract, fields, to_model
from jtem.records import Attributes, Named

FORMAT = 1
CHUNK_CELLS, CHUNK_YEARS = 256, 10
SOIL_FIELDS = ("soil_organic_carbon", "soil_nitrogen", "soil_carbon_observed")
FLAT_CELL_FIELDS = tuple(contract.CELL_UNITS)

Blocks = Callable[[], Iterator[tuple[np.ndarray, int, dict[str, np.ndarray]]]]
"""Makes an iterator of (climate cells, first year, {house name: (cell, year, 12)}) that covers each span of years."""


@dataclass(frozen=True)
class ClimateInput:
    """One climate to write: its years, CO2 (year,) in ppm, and where its values come from.

    ``latitude`` (climate cell,): for the check of light, where the values were not checked before (raw ISIMIP files, whose units
    are those of the protocol).
    """

    first: int
    last: int
    co2: np.ndarray
    blocks: Blocks
    where: str
    latitude: np.ndarray | None = None


def spans(first: int, last: int) -> list[tuple[int, int]]:
    """Years cut as the store is: spans of ``CHUNK_YEARS`` from the first year on."""
    return [(year, min(year + CHUNK_YEARS - 1, last)) for year in range(first, last + 1, CHUNK_YEARS)]


def from_source(
    source: to_model.ClimateSource, count: int, first: int, last: int, where: str, documented: bool = False
) -> ClimateInput:
    """A climate of any other reader (cell indices and years -> dataset) as input of a store, a chunk of cells at a time.

    ``documented``: see ``catalogue.Domain``.
    """

    def blocks() -> Iterator[tuple[np.ndarray, int, dict[str, np.ndarray]]]:
        heard = to_model.Heard(where, documented)
        for start, end in spans(first, last):
            for low in range(0, count, CHUNK_CELLS):
                rows = np.arange(low, min(low + CHUNK_CELLS, count))
                climate = source(rows, start, end)
                to_model.check_climate(climate, start, end, where)
                heard.add(climate)
                names = [name for name in to_model.CLIMATE_RANGES if name in climate]
                yield rows, start, {name: np.asarray(climate[name].values, np.float64) for name in names}
        heard.say()

    ppm = source(np.arange(1), first, last)["co2"].values
    return ClimateInput(first, last, np.asarray(ppm, np.float64), blocks, where)


def write(
    path: Path | str,
    cells: xr.Dataset,
    climates: Mapping[str, ClimateInput],
    *,
    climate_cell: np.ndarray | None = None,
    offset: np.ndarray | None = None,
    attributes: Attributes,
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

    def put(
        name: str, dims: tuple[str, ...], values: np.ndarray, units: str = "", kind: str = "f8"
    ) -> netCDF4.Variable:
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
    group.createVariable("year", "i4", ("year",), fletcher32=True)[:] = years
    ppm = group.createVariable("co2", "f8", ("year",), fletcher32=True)
    ppm[:], ppm.units = entry.co2, "ppm"
    variables: Named = {}
    chunks = (min(CHUNK_CELLS, cells), min(CHUNK_YEARS, years.size), 12)
    seen, heard = -1, to_model.Heard(entry.where, documented=True)
    for rows, start, values in entry.blocks():
        if progress is not None and start != seen:
            progress(f"climate '{name}' {start}-{min(start + CHUNK_YEARS - 1, entry.last)}")
        seen = start
        count = next(iter(values.values())).shape[1]
        latitude = None if entry.latitude is None else entry.latitude[rows]
        ppm_here = entry.co2[start - entry.first : start - entry.first + count]
        block = _checked_block(values, start, ppm_here, entry.where, latitude)
        if latitude is not None:
            heard.add(block)
        for house, array in values.items():
            if house not in variables:
                variables[house] = group.createVariable(
                    house, "f4", ("source", "year", "month"), chunksizes=chunks, zlib=True, complevel=4,
                    shuffle=True, fletcher32=True,
                )  # fmt: skip
                variables[house].units = contract.CLIMATE_UNITS[house]
            at = start - entry.first
            variables[house][int(rows[0]) : int(rows[-1]) + 1, at : at + count] = array
    heard.say()


def _checked_block(
    values: Mapping[str, np.ndarray], start: int, ppm: np.ndarray, where: str, latitude: np.ndarray | None
) -> xr.Dataset:
    """A block as a climate dataset after the model's own checks, before it is written."""
    places = None if latitude is None else (latitude, np.zeros_like(latitude))
    block = contract.climate(values, start, co2=ppm, places=places)
    to_model.check_climate(block, start, start + ppm.size - 1, where)
    return block


@contextlib.contextmanager
def open_store(path: Anywhere) -> Iterator[netCDF4.Dataset]:
    """Open a store; raises ``InputError`` for anything that is not one."""
    with fields.open_raw(fetched(Path(path) if isinstance(path, str) else path)) as data:
        found = getattr(data, "jtem_store", None)
        if found is None or int(found) != FORMAT:
            raise InputError(
                f"{path}: not a store of 'jtem prepare' (format {found}, expected {FORMAT}); prepare it again"
            )
        data.set_auto_mask(False)
        try:
            yield data
        except (RuntimeError, OSError, LookupError, AttributeError) as error:
            raise InputError(f"{path}: the store is damaged ({error}); prepare it again") from None


def settings(path: Anywhere) -> Named:
    """The recipe that a store was made with, in the plan's words."""
    with open_store(path) as data:
        return json.loads(str(getattr(data, "recipe", "{}")))


def provenance(path: Anywhere) -> str:
    """When a store was made and from how many inputs, with a hash of their names and sizes."""
    with open_store(path) as data:
        inputs = str(getattr(data, "inputs", ""))
        made = str(getattr(data, "date_created", "at an unknown time"))
    return f"prepared {made}, {len(inputs.split('; '))} inputs, hash {hashlib.sha256(inputs.encode()).hexdigest()[:12]}"


def differences(path: Anywhere, recipe: Attributes) -> list[str]:
    """Keys whose words in the store differ from ``recipe``."""
    stored = settings(path)
    now = json.loads(json.dumps(recipe))
    return sorted(key for key in {*stored, *now} if stored.get(key) != now.get(key))


def years(path: Anywhere) -> dict[str, tuple[int, int]]:
    """First and last year of each climate of a store."""
    with open_store(path) as data:
        found = {name: np.asarray(data[f"climate_{name}"]["year"][:]) for name in str(data.climates).split()}
        return {name: (int(own[0]), int(own[-1])) for name, own in found.items()}


def read_cells(path: Anywhere) -> xr.Dataset:
    """The cell dataset of a store, in the form of ``docs/architecture.md``."""
    with open_store(path) as data:
        try:
            fields = {name: np.asarray(data[name][:]) for name in FLAT_CELL_FIELDS}
            names = np.array(["", *str(data["community"].flag_meanings).split()[1:]], dtype=object)
            community = names[np.asarray(data["community"][:])]
            share = np.asarray(data["community_area_fraction"][:])
            kept = {name: np.asarray(data[name][:]) for name in SOIL_FIELDS if name in data.variables}
            if "soil_carbon_observed" in kept:
                kept["soil_carbon_observed"] = kept["soil_carbon_observed"].astype(bool)
        except (RuntimeError, OSError, KeyError, IndexError) as error:
            raise InputError(
                f"{path}: cells cannot be read ({error}); the store is corrupt, prepare it again"
            ) from None
        return contract.cells(fields, community, share, str(getattr(data, "title", "")), **kept)


def source(path: Anywhere, climate: str) -> tuple[to_model.ClimateSource, str]:
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
        result: dict[str, np.ndarray] = {}
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
                    result[name] = values
            ppm = np.asarray(group["co2"][at])
        return contract.climate(result, first, where, ppm)

    return read, where


@runtime_checkable
class Sliced(Protocol):
    """What a part of can be taken, such as a variable of a file."""

    def __getitem__(self, key: tuple[slice, slice], /) -> np.ndarray:
        """The part."""
        ...


def _gather(variable: Sliced, wanted: np.ndarray, at: slice) -> np.ndarray:
    """Rows ``wanted`` (ascending) of a variable as float64, read in runs so that only touched chunks are opened."""
    result = np.empty((wanted.size, at.stop - at.start, 12))
    breaks = np.nonzero(np.diff(wanted // CHUNK_CELLS) > 0)[0] + 1
    for part in np.split(np.arange(wanted.size), breaks):
        low, high = int(wanted[part[0]]), int(wanted[part[-1]])
        result[part] = np.asarray(variable[low : high + 1, at])[wanted[part] - low]
    return result
