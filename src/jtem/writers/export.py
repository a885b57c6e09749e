"""Files of a finished run on a regular grid: CF with latitude and longitude, and the profile of ISIMIP submissions.

Both read what ``output`` wrote, a block of years at a time. The two profiles contradict each other (cell methods, history,
fill, time), so they are two writers over one table of variables. Rules of the ISIMIP profile: those that its checker
enforces (NETCDF4_CLASSIC, float32, zlib, chunks of one map, the global half-degree grid north to south, 1e20 twice, days since
the round's year, long names and units of the protocol, institution and contact).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import netCDF4
import numpy as np

from jtem.errors import InputError, suggest
from jtem.files import whole
from jtem.writers.stream import FILL

BLOCK_NUMBERS = 8_000_000
"""Numbers of a grid held at once: 64 MB of 64 bits."""
MOST_POINTS = 720 * 360
"""Points that a grid may always have."""
MOST_POINTS_A_CELL = 400
"""Points for every cell beyond which a larger grid is no grid of the cells, but a raster of their digits."""


# --- lattice ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lattice:
    """A regular grid (degrees, cell centres) and the row and column of every cell."""

    latitude: np.ndarray
    longitude: np.ndarray
    row: np.ndarray
    column: np.ndarray

    @property
    def step(self) -> float:
        """Degrees between neighbours."""
        return float(abs(self.latitude[1] - self.latitude[0]))

    def map(self, values: np.ndarray) -> np.ndarray:
        """(..., cell) to (..., lat, lon), NaN elsewhere."""
        result = np.full((*values.shape[:-1], self.latitude.size, self.longitude.size), np.nan)
        result[..., self.row, self.column] = values
        return result


def lattice(latitude: np.ndarray, longitude: np.ndarray, where: str) -> Lattice:
    """The coarsest regular grid that holds all cells; raises ``InputError`` where they lie on none.

    Latitude rises. Longitude rises from the western end of the cells, beyond 180 where they lie across the date line. Cells
    left out by a stride stay empty.
    """
    longitude = _across_the_date_line(longitude)
    gaps = np.concatenate([np.diff(np.unique(np.round(axis, 6))) for axis in (latitude, longitude)])
    gaps = gaps[gaps > 1e-4]
    if gaps.size == 0:
        raise InputError(f"{where}: one cell alone has no grid; use the file as it is")
    step = float(np.round(gaps.min(), 5))
    axes = []
    for values in (latitude, longitude):
        count = (values - values.min()) / step
        if np.abs(count - np.round(count)).max() > 1e-3:
            raise InputError(
                f"{where}: cells do not lie on a regular grid of {step:g} degrees; use the file by cell as it is"
            )
        axes.append(values.min() + step * np.arange(round(count.max()) + 1))
    points = axes[0].size * axes[1].size
    if points > max(MOST_POINTS, MOST_POINTS_A_CELL * latitude.size):
        raise InputError(
            f"{where}: cells do not lie on a regular grid (the coarsest that holds them, of {step:g} degrees, has {points:.1g} "
            f"points for {latitude.size} cells); use the file by cell as it is"
        )
    row, column = (np.round((v - v.min()) / step).astype(int) for v in (latitude, longitude))
    if len(set(zip(row.tolist(), column.tolist(), strict=True))) != row.size:
        raise InputError(f"{where}: two cells have one place on the grid; use the file by cell as it is")
    longest = np.concatenate([axes[0], axes[0][-1:] + step]) if axes[0].size == 1 else axes[0]
    return Lattice(longest, axes[1], row, column)


def _across_the_date_line(longitude: np.ndarray) -> np.ndarray:
    """Longitudes that rise beyond 180 where the cells lie on both sides of the date line within half the globe."""
    places = np.unique(np.asarray(longitude, np.float64))
    gaps = np.diff(places)
    if not gaps.size or places[-1] - places[0] <= 180.0 or gaps.max() < 180.0:
        return longitude
    return np.where(longitude <= places[np.argmax(gaps)], longitude + 360.0, longitude)


def global_half_degree(latitude: np.ndarray, longitude: np.ndarray, where: str) -> Lattice:
    """The 720 x 360 grid of ISIMIP, north to south; raises ``InputError`` where a cell is none of its."""
    rows, columns = (89.75 - latitude) / 0.5, (longitude + 179.75) / 0.5
    row, column = np.round(rows).astype(int), np.round(columns).astype(int)
    off = (np.abs(rows - row) > 1e-3) | (np.abs(columns - column) > 1e-3)
    if off.any():
        k = int(np.argmax(off))
        raise InputError(
            f"{where}: cell ({latitude[k]:.3f}, {longitude[k]:.3f}) is none of ISIMIP's half-degree grid; run the plan on "
            "half-degree cells"
        )
    return Lattice(89.75 - 0.5 * np.arange(360), -179.75 + 0.5 * np.arange(720), row, column)


# --- CF on a grid ----------------------------------------------------------------------------------------------------


def gridded(path: Path | str, out: Path | str) -> Path:
    """The variables of a file by cell, on (time, [depth,] lat, lon) with bounds; everything else as in the file.

    Raises ``InputError`` where the cells lie on no regular grid.
    """
    path, out = Path(path), Path(out)
    with netCDF4.Dataset(path) as source:
        source.set_auto_mask(False)
        grid = lattice(np.asarray(source["lat"][:]), np.asarray(source["lon"][:]), str(path))
        with whole(out) as partial, netCDF4.Dataset(partial, "w", format="NETCDF4") as target:
            _grid_frame(source, target, grid)
            for name, array in source.variables.items():
                if "cell" not in array.dimensions or name in ("lat", "lon") or array.dtype is str:
                    continue
                _copy_variable(array, target, name, grid)
            said = {k: source.getncattr(k) for k in source.ncattrs()}
            said["history"] = f"{said.get('history', '')}; put on a grid of {grid.step:g} degrees"
            target.setncatts(said)
    return out


def _grid_frame(source: netCDF4.Dataset, target: netCDF4.Dataset, grid: Lattice) -> None:
    for name, size in source.dimensions.items():
        if name != "cell":
            target.createDimension(name, len(size))
    for name, values, standard, axis in (
        ("lat", grid.latitude, "latitude", "Y"),
        ("lon", grid.longitude, "longitude", "X"),
    ):
        target.createDimension(name, values.size)
        created = target.createVariable(name, "f8", (name,))
        created.setncatts(
            {"standard_name": standard, "long_name": standard, "units": f"degrees_{'north' if axis == 'Y' else 'east'}",
             "axis": axis, "bounds": f"{name}_bnds"}
        )  # fmt: skip
        created[:] = values
        bounds = target.createVariable(f"{name}_bnds", "f8", (name, "bnds"))
        bounds[:] = np.stack([values - 0.5 * grid.step, values + 0.5 * grid.step], axis=1)
    for name, array in source.variables.items():
        if "cell" in array.dimensions:
            continue
        created = target.createVariable(name, array.dtype, array.dimensions)
        created.setncatts({k: array.getncattr(k) for k in array.ncattrs() if k != "_FillValue"})
        created[:] = array[:]


def _copy_variable(array: netCDF4.Variable, target: netCDF4.Dataset, name: str, grid: Lattice) -> None:
    said = {k: array.getncattr(k) for k in array.ncattrs()}
    fill = said.pop("_FillValue", 0 if array.dtype.kind in "iu" else FILL)
    if "coordinates" in said:
        said["coordinates"] = "year"
    dims = (*(d for d in array.dimensions if d != "cell"), "lat", "lon")
    created = target.createVariable(name, array.dtype, dims, zlib=True, complevel=1, fill_value=fill)
    created.setncatts(said)
    shape = [target.dimensions[d].size for d in dims]
    timed = dims[0] == "time"
    step = max(1, BLOCK_NUMBERS // int(np.prod(shape[1:]))) if timed else 1
    for first in range(0, shape[0] if timed else 1, step):
        rows = slice(first, first + step) if timed else slice(None)
        values = np.asarray(array[rows])
        field = np.full((*values.shape[:-1], grid.latitude.size, grid.longitude.size), fill, array.dtype)
        field[..., grid.row, grid.column] = values
        created[rows] = field


# --- ISIMIP ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """A variable of the protocol: its name in files, long name and unit, and the jtem variables that are summed to it."""

    name: str
    long_name: str
    units: str
    frequency: str
    sources: tuple[str, ...]
    comment: str = ""


_OUT, _INTO = "Carbon Mass Flux out of Atmosphere due to", "Carbon Mass Flux into Atmosphere due to"
TARGETS = (
    Wanted("gpp-total", f"{_OUT} Gross Primary Production on Land", "kg m-2 s-1", "monthly", ("gross_primary_production",)),
    Wanted("npp-total", f"{_OUT} Net Primary Production on Land", "kg m-2 s-1", "monthly", ("net_primary_production",)),
    Wanted("ra-total", f"{_INTO} Autotrophic (plant) Respiration on Land", "kg m-2 s-1", "monthly",
           ("autotrophic_respiration",)),
    Wanted("rh-total", f"{_INTO} Heterotrophic Respiration on Land", "kg m-2 s-1", "monthly",
           ("heterotrophic_respiration",)),
    Wanted("evap-total", "Evapotranspiration", "kg m-2 s-1", "monthly", ("evapotranspiration",)),
    Wanted("qtot", "Total Runoff", "kg m-2 s-1", "monthly", ("runoff",)),
    Wanted("tsl", "Temperature of Soil", "K", "monthly", ("soil_temperature",)),
    Wanted("snd", "Snow Depth", "m", "monthly", ("snow_depth",)),
    Wanted("swe", "Snow Water Equivalent", "kg m-2", "monthly", ("snowpack",)),
    Wanted("cveg-total", "Carbon Mass in Vegetation", "kg m-2", "annual", ("vegetation_carbon",)),
    Wanted("csoil-total", "Carbon Mass in Soil Pool", "kg m-2", "annual",
           ("soil_carbon", "frozen_carbon", "thawed_permafrost_carbon"),
           "active pool, thawed and frozen permafrost; litter is part of the active pool"),
    Wanted("thawdepth", "Maximum Thaw Depth", "m", "annual", ("active_layer_thickness",),
           "maximum of monthly profiles of soil temperature, not of daily ones"),
)  # fmt: skip
"""What jtem has of the protocol's biomes and permafrost sectors (ISIMIP3b OutputData; long names and units as there)."""
EPOCHS = {"3b": 1601, "3a": 1901}


@dataclass(frozen=True)
class Words:
    """Who and what a submission is of: [plan] institution and contact, and the words of [isimip]."""

    institution: str
    contact: str
    round: str
    forcing: str
    bias: str
    soc: str
    sens: str


def checked(words: Words, where: str) -> Words:
    """The words themselves; raises ``InputError`` for what ISIMIP's checker would refuse. ``where``: the plan's name."""
    wrong = []  # all of them in one sentence: each costs the run that is to be exported again
    if words.institution.strip() in ("", "unspecified"):
        wrong.append("[plan] institution is missing")
    if not re.fullmatch(r"[^<>]+ <[^<>@\s]+@[^<>@\s]+>", words.contact):
        wrong.append(f'[plan] contact is {words.contact!r}, expected "Name <e-mail>"')
    if words.round not in EPOCHS:
        wrong.append(f"[isimip] round {words.round!r} is unknown, {suggest(words.round, EPOCHS)}")
    for key in ("forcing", "soc", "sens", *(("bias",) if words.round == "3b" else ())):
        word = getattr(words, key)
        if not re.fullmatch(r"[a-z0-9-]+", word):
            wrong.append(
                f"[isimip] {key} is {word!r}, expected lower-case letters, digits and '-' (it is part of file names)"
            )
    if wrong:
        raise InputError(
            f"{where}: ISIMIP files need other words: {'; '.join(wrong)}; correct them, or give a plan that has them "
            "with --plan (the run need not be made again)"
        )
    return words


def isimip(files: Sequence[Path], out: Path, words: Words, climates: Mapping[str, str]) -> list[Path]:
    """One file a stage and variable of :data:`TARGETS` whose sources the run's files have, in ``out``.

    ``climates``: the protocol's scenario of each stage that is to be written; others are left out. Raises ``InputError``.
    """
    written = []
    for path in files:
        with netCDF4.Dataset(path) as source:
            source.set_auto_mask(False)
            stage, frequency = str(source.stage), str(source.frequency)
            if stage not in climates:
                continue
            climate = climates[stage]
            if not re.fullmatch(r"[a-z0-9-]+", climate):
                raise InputError(
                    f"{path}: climate {climate!r} of stage '{stage}' cannot be part of a file name; say [isimip.scenarios]"
                )
            names = {getattr(v, "jtem_name", ""): k for k, v in source.variables.items()}
            for target in TARGETS:
                if target.frequency == frequency and target.sources[0] in names:
                    written.append(_isimip_file(source, path, target, names, out, words, climate))
    return written


def _isimip_file(
    source: netCDF4.Dataset,
    path: Path,
    target: Wanted,
    names: Mapping[str, str],
    out: Path,
    words: Words,
    climate: str,
) -> Path:
    years = np.asarray(source["year"][:])
    bias = (words.bias,) if words.round == "3b" else ()
    parts = ("jtem", words.forcing, *bias, climate, words.soc, words.sens, target.name, "global", target.frequency)
    final = out / ("_".join((*parts, str(years[0]), str(years[-1]))) + ".nc")
    grid = global_half_degree(np.asarray(source["lat"][:]), np.asarray(source["lon"][:]), str(path))
    arrays = [source[names[name]] for name in target.sources if name in names]
    deep = [d for d in arrays[0].dimensions if d not in ("time", "cell")]
    with whole(final) as partial, netCDF4.Dataset(partial, "w", format="NETCDF4_CLASSIC") as file:
        _isimip_frame(source, file, grid, EPOCHS[words.round], years, deep)
        depth = [len(source.dimensions[d]) for d in deep]
        created = file.createVariable(
            target.name,
            "f4",
            ("time", *(["depth"] if deep else []), "lat", "lon"),
            zlib=True,
            complevel=5,
            fill_value=FILL,
            chunksizes=(1, *depth, 360, 720),
        )
        said = {"long_name": target.long_name, "units": target.units, "missing_value": FILL}
        created.setncatts({**said, **({"comment": target.comment} if target.comment else {})})
        for time in range(years.size):
            total = np.zeros((*depth, grid.row.size))
            for array in arrays:
                values = np.asarray(array[time], dtype=np.float64)
                total = total + np.where(values < 1e19, values, np.nan)
            field = grid.map(total)
            created[time] = np.where(np.isfinite(field), field, FILL).astype(np.float32)
        file.setncatts({"institution": words.institution, "contact": words.contact, "title": str(source.title),
                        "source": str(source.source)})  # fmt: skip
    return final


def _isimip_frame(
    source: netCDF4.Dataset, file: netCDF4.Dataset, grid: Lattice, epoch: int, years: np.ndarray, deep: Sequence[str]
) -> None:
    """Time from the round's year on a calendar without leap days, depth with bounds, the global grid."""
    first = str(source["time"].units).split()[2]
    offset = 365.0 * (int(first.split("-")[0]) - epoch)
    axes: list[tuple[str, np.ndarray, dict[str, str]]] = [
        ("time", np.asarray(source["time"][:], np.float64) + offset,
         {"standard_name": "time", "long_name": "Time", "units": f"days since {epoch}-01-01", "calendar": "365_day",
          "axis": "T"}),
        ("lat", grid.latitude, {"standard_name": "latitude", "long_name": "Latitude", "units": "degrees_north", "axis": "Y"}),
        ("lon", grid.longitude,
         {"standard_name": "longitude", "long_name": "Longitude", "units": "degrees_east", "axis": "X"}),
    ]  # fmt: skip
    if deep:
        axes.insert(1, ("depth", np.asarray(source[deep[0]][:], np.float64),
                        {"standard_name": "depth_below_surface", "long_name": "Depth of Vertical Layer Center Below Surface",
                         "units": "m", "positive": "down", "axis": "Z", "bounds": "depth_bnds"}))  # fmt: skip
    for name, values, said in axes:
        file.createDimension(name, None if name == "time" else values.size)
        created = file.createVariable(name, "f8", (name,))
        created.setncatts(said)
        created[:] = values
    if deep:
        file.createDimension("bnds", 2)
        file.createVariable("depth_bnds", "f8", ("depth", "bnds"))[:] = np.asarray(source[f"{deep[0]}_bnds"][:])
