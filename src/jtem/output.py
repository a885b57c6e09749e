"""Results to CF netCDF and states to restart files; nothing half-written stays behind.

Files are written under a temporary name in the output folder and renamed when a run has ended. Columns of a mosaic
cell are summed by their share of the cell's area.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import netCDF4
import numpy as np

from jtem import __version__, variables
from jtem.constants import DAYS_IN_MONTH, LAYER_EDGES, PERMAFROST_THAW_LIMIT
from jtem.errors import InputError
from jtem.variables import VARIABLES, Variable

FILL = np.float32(1e20)
CALENDAR = "noleap"  # the model's water and carbon know no leap years
CAPPED = ("active_layer_thickness", "maximum_unfrozen_thickness")
REFERENCES = (
    "Liu et al. 2024, Earth's Future 12, e2024EF004996; Liu et al. 2022, Global Biogeochemical Cycles 36, e2021GB007068"
)


@dataclass(frozen=True)
class Grid:
    """Where columns lie: cells (degrees, km2); the cell and area share of each column (cells in rising order)."""

    latitude: np.ndarray
    longitude: np.ndarray
    area: np.ndarray
    column_cell: np.ndarray
    column_fraction: np.ndarray
    labels: np.ndarray | None = None
    communities: np.ndarray | None = None  # name of the largest community of each cell

    def mixed(self, columns: slice) -> np.ndarray:
        """Which of these columns share their cell with others."""
        counts = np.bincount(self.column_cell, minlength=self.latitude.size)
        return counts[self.column_cell[columns]] > 1


def prepare_folder(folder: Path | str, files: Sequence[str] = (), force: bool = True) -> bool:
    """Make the output folder and try to write in it, before any computation. Returns whether it was made.

    Raises ``InputError`` where it cannot be written or, unless ``force``, where one of ``files`` exists already.
    """
    folder = Path(folder)
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, trial = tempfile.mkstemp(prefix=".jtem-", dir=folder)
        os.close(handle)
        os.unlink(trial)
    except OSError as error:
        raise InputError(
            f"{folder}: output folder cannot be written ({error.strerror or error}); choose another with --out DIR"
        ) from None
    for name in files:
        if (folder / name).exists() and not force:
            raise InputError(
                f"{folder / name}: exists already; choose another folder with --out or overwrite with --force"
            )
    return made


def file_names(name: str, stages: Sequence[str], frequencies: Sequence[str], states: bool) -> list[str]:
    """Names of all files of a run, states included."""
    files = [f"{name}_{stage}_{frequency}.nc" for stage in stages for frequency in frequencies]
    return files + [f"{name}_{stage}_state.nc" for stage in (("spinup", *stages) if states else ())]


class NetcdfSink:
    """Takes results slice by slice (``study.stages.Sink``): one file a stage and frequency.

    Use it as a context manager and call :meth:`finish` at the end; leaving without (an error, Ctrl-C) removes
    everything. ``double``: numbers of 64 bits, for budgets from files. ``attributes`` go to every file.
    ``heat_edges``: depths (m) of the faces of the soil heat layers.
    """

    def __init__(
        self,
        folder: Path | str,
        name: str,
        grid: Grid,
        *,
        attributes: Mapping[str, str | int | float],
        heat_edges: Sequence[float],
        write_files: bool = True,
        write_states: bool = True,
        double: bool = False,
    ):
        self.folder, self.name, self.grid = Path(folder), name, grid
        self.attributes, self.heat_edges = dict(attributes), np.asarray(heat_edges, dtype=np.float64)
        self.write_files, self.write_states = write_files, write_states
        self.kind = "f8" if double else "f4"
        self.implausible: dict[str, str] = {}
        self._made = prepare_folder(self.folder)
        self._files: dict[tuple[str, str], Path] = {}
        self._open: dict[tuple[str, str], netCDF4.Dataset] = {}
        self._temporary: dict[str, Path] = {}
        self._states: dict[str, list[tuple[slice, Any]]] = {}
        self._years: dict[str, int] = {}

    def __enter__(self) -> NetcdfSink:
        return self

    def __exit__(self, *_: object) -> None:
        self.abandon()

    def write(self, stage: Any, columns: slice, years: slice, outputs: dict[str, dict[str, np.ndarray]]) -> None:
        """Take ``{"monthly": {name: (column, year, 12, ...)}, "annual": {name: (column, year, ...)}}``."""
        if not self.write_files:
            return
        self._years[stage.name] = stage.last_year
        for frequency, fields in outputs.items():
            if not fields:
                continue
            target = self._dataset(stage, frequency, fields)
            for name, values in fields.items():
                values = np.asarray(values)
                if frequency == "monthly":
                    values = values.reshape(values.shape[0], -1, *values.shape[3:])
                self._write_variable(target, VARIABLES[name], frequency, columns, years, values, stage)

    def state(self, stage_name: str, columns: slice, state: Any) -> None:
        """Take the state (host arrays, leading column axis) at a stage's end."""
        if self.write_states:
            self._states.setdefault(stage_name, []).append((columns, jax.tree.map(np.asarray, state)))

    def finish(self, failed: Mapping[int, str], notes: Mapping[str, str | int | float] | None = None) -> list[Path]:
        """Blank the failed columns' cells, add late attributes, close and rename all files. Returns their paths."""
        cells = sorted({int(self.grid.column_cell[column]) for column in failed})
        for key in self._files:
            target = self._reopened(key)
            target.setncatts(dict(notes or {}))
            self._mark_failed(target, cells, failed)
        for stage_name, parts in self._states.items():
            parts = sorted(parts, key=lambda part: part[0].start)
            whole = jax.tree.map(lambda *leaves: np.concatenate(leaves), *(part[1] for part in parts))
            final = f"{self.name}_{stage_name}_state.nc"
            meta = {**self.attributes, **dict(notes or {}), "stage": stage_name}
            if stage_name in self._years:
                meta["last_year"] = self._years[stage_name]
            _write_state(self._temporary_path(final), whole, meta)
        self._close_all()
        written = []
        for final, temporary in self._temporary.items():
            os.replace(temporary, self.folder / final)
            written.append(self.folder / final)
        self._temporary, self._states, self._made = {}, {}, False
        self._files = {}
        return written

    def abandon(self) -> None:
        """Remove whatever is unfinished, and the folder if it was made for this run and is empty."""
        for target in self._open.values():
            with contextlib.suppress(RuntimeError):
                target.close()
        self._open, self._files = {}, {}
        for path in self._temporary.values():
            path.unlink(missing_ok=True)
        self._temporary, self._states = {}, {}
        if self._made:
            with contextlib.suppress(OSError):
                self.folder.rmdir()

    # --- one file ---------------------------------------------------------------------------------------------------

    def _temporary_path(self, final: str) -> Path:
        path = self.folder / f".{final}.partial-{os.getpid()}"
        self._temporary[final] = path
        return path

    def _dataset(self, stage: Any, frequency: str, fields: Mapping[str, np.ndarray]) -> netCDF4.Dataset:
        key = (stage.name, frequency)
        if key in self._files:
            return self._reopened(key)
        self._close_all(besides=stage.name)
        path = self._temporary_path(f"{self.name}_{stage.name}_{frequency}.nc")
        target = netCDF4.Dataset(path, "w", format="NETCDF4")
        self._files[key], self._open[key] = path, target
        self._write_frame(target, stage, frequency, {VARIABLES[n].layer for n in fields} - {""})
        for name in fields:
            self._define(target, VARIABLES[name], frequency)
            if name == "active_layer_thickness":
                self._define(target, variables.VARIABLES["permafrost_fraction"], frequency)
        return target

    def _reopened(self, key: tuple[str, str]) -> netCDF4.Dataset:
        """The file of a stage, with those of other stages closed: an open file keeps megabytes of chunks a variable."""
        if key not in self._open:
            self._close_all(besides=key[0])
            self._open[key] = netCDF4.Dataset(self._files[key], "a")
        return self._open[key]

    def _close_all(self, besides: str = "") -> None:
        for key in [key for key in self._open if key[0] != besides]:
            self._open.pop(key).close()

    def _write_frame(self, target: netCDF4.Dataset, stage: Any, frequency: str, layers: set[str]) -> None:
        """Dimensions, coordinates with bounds, cell area and global attributes."""
        months = 12 if frequency == "monthly" else 1
        count = stage.years * months
        target.createDimension("time", count)
        target.createDimension("cell", self.grid.latitude.size)
        target.createDimension("bnds", 2)
        lengths = np.tile(DAYS_IN_MONTH if months == 12 else DAYS_IN_MONTH.sum(keepdims=True), stage.years)
        ends = np.cumsum(lengths)
        bounds = np.stack([ends - lengths, ends], axis=1)
        _coordinate(
            target,
            "time",
            bounds.mean(axis=1),
            {
                "standard_name": "time",
                "long_name": "time",
                "units": f"days since {stage.first_year}-01-01",
                "calendar": CALENDAR,
                "axis": "T",
                "bounds": "time_bnds",
            },
        )
        _plain_variable(target, "time_bnds", "f8", ("time", "bnds"), bounds, {})
        years = stage.first_year + np.arange(count) // months
        _plain_variable(target, "year", "i4", ("time",), years, {"long_name": "calendar year", "units": "1"})
        for name, values, standard, unit in (
            ("lat", self.grid.latitude, "latitude", "degrees_north"),
            ("lon", self.grid.longitude, "longitude", "degrees_east"),
        ):
            attributes = {"standard_name": standard, "long_name": f"{standard} of the cell", "units": unit}
            _plain_variable(target, name, "f8", ("cell",), values, attributes)
        area = {"standard_name": "cell_area", "long_name": "land area that the cell stands for", "units": "m2"}
        _plain_variable(target, "areacella", "f8", ("cell",), self.grid.area * 1e6, area)
        if self.grid.labels is not None:
            labels = target.createVariable("site", str, ("cell",))
            labels.long_name = "name of the site"
            labels[:] = np.asarray(self.grid.labels, dtype=object)
        if self.grid.communities is not None:
            names = target.createVariable("community", str, ("cell",))
            names.long_name = "largest plant community of the cell"
            names[:] = np.asarray(self.grid.communities, dtype=object)
        status = {
            "long_name": "how the run ended in the cell",
            "flag_values": np.array([1, 2], "i1"),
            "flag_meanings": "done failed",
        }
        _plain_variable(target, "status", "i1", ("cell",), np.ones(self.grid.latitude.size, "i1"), status)
        for layer in sorted(layers):
            edges = self.heat_edges if layer == "heat_layer" else np.asarray(LAYER_EDGES)
            name = _DEPTHS[layer]
            target.createDimension(name, edges.size - 1)
            attributes = {
                "standard_name": "depth",
                "long_name": "depth below the surface",
                "units": "m",
                "positive": "down",
                "axis": "Z",
                "bounds": f"{name}_bnds",
            }
            _coordinate(target, name, (edges[1:] + edges[:-1]) / 2, attributes)
            _plain_variable(target, f"{name}_bnds", "f8", (name, "bnds"), np.stack([edges[:-1], edges[1:]], axis=1), {})
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        target.setncatts(
            {
                "Conventions": "CF-1.8",
                "source": f"jtem {__version__}",
                "history": f"{now} written by jtem {__version__}",
                "references": REFERENCES,
                **self.attributes,
                "stage": stage.name,
                "stage_parent": stage.parent,
                "stage_exposes_permafrost": str(bool(stage.expose)).lower(),
                "frequency": frequency,
            }
        )

    def _define(self, target: netCDF4.Dataset, variable: Variable, frequency: str) -> None:
        depth = (_DEPTHS[variable.layer],) if variable.layer else ()
        if variable.file_name in target.variables:
            return
        created = target.createVariable(
            variable.file_name,
            self.kind,
            ("time", *depth, "cell"),
            zlib=True,
            complevel=1,
            shuffle=True,
            fill_value=FILL,
            chunksizes=(
                min(target.dimensions["time"].size, 120),
                *(target.dimensions[d].size for d in depth),
                min(target.dimensions["cell"].size, 1024),
            ),
        )
        attributes = {
            "standard_name": variable.standard_name,
            "long_name": variable.long_name,
            "units": variable.file_unit,
            "cell_methods": variable.cell_methods(frequency),
            "cell_measures": "area: areacella",
            "coordinates": "lat lon year",
            "jtem_name": variable.name,
            "tem_name": variable.tem,
            "plausible_range": f"{variable.low:g} {variable.high:g}",
        }
        if variable.name in CAPPED:
            attributes["comment"] = (
                "from monthly profiles; the mean of a cell with several communities takes each at most as 10 m"
            )
        created.setncatts({k: v for k, v in attributes.items() if v})

    def _write_variable(
        self,
        target: netCDF4.Dataset,
        variable: Variable,
        frequency: str,
        columns: slice,
        years: slice,
        values: np.ndarray,
        stage: Any,
    ) -> None:
        """Values (column, time, ...) in house units: converted, summed over the columns of a cell, put in place."""
        if variable.name == "active_layer_thickness":
            frozen = np.where(np.isfinite(values), values < PERMAFROST_THAW_LIMIT, np.nan)
            share = variables.VARIABLES["permafrost_fraction"]
            self._write_variable(target, share, frequency, columns, years, frozen, stage)
        if variable.name in CAPPED:
            mixed = self.grid.mixed(columns)[:, None]
            values = np.where(mixed, np.minimum(values, PERMAFROST_THAW_LIMIT), values)
        values = variables.convert(variable, values, frequency, 1)
        cells = self.grid.column_cell[columns]
        starts = np.nonzero(np.diff(cells, prepend=-1))[0]
        weights = self.grid.column_fraction[columns].reshape(-1, *([1] * (values.ndim - 1)))
        summed = np.add.reduceat(values * weights, starts, axis=0)  # (cell, time, ...)
        summed = np.moveaxis(summed, 0, -1)  # (time, ..., cell)
        months = 12 if frequency == "monthly" else 1
        times = slice(years.start * months, years.stop * months)
        first, last = int(cells[0]), int(cells[-1]) + 1
        array = target.variables[variable.file_name]
        array.set_auto_mask(False)
        if columns.start > 0 and self.grid.column_cell[columns.start - 1] == first:
            before = np.asarray(array[times, ..., first : first + 1], dtype=np.float64)
            summed[..., :1] += np.where(before >= FILL, np.nan, before)
        self._check_range(variable, summed, first, stage, years)
        array[times, ..., first:last] = np.where(np.isfinite(summed), summed, FILL).astype(self.kind)

    def _check_range(self, variable: Variable, values: np.ndarray, first: int, stage: Any, years: slice) -> None:
        bad = (values < variable.low) | (values > variable.high)
        if variable.name in self.implausible or not bad.any():
            return
        position = np.argwhere(bad)[0]
        cell = first + int(position[-1])
        self.implausible[variable.name] = (
            f"'{variable.name}' is {values[tuple(position)]:.4g} {variable.file_unit} at "
            f"({self.grid.latitude[cell]:.2f}, {self.grid.longitude[cell]:.2f}) in stage {stage.name}, "
            f"{stage.first_year + years.start}-{stage.first_year + years.stop - 1}; plausible are "
            f"{variable.low:g}..{variable.high:g}"
        )

    def _mark_failed(self, target: netCDF4.Dataset, cells: Sequence[int], failed: Mapping[int, str]) -> None:
        if not cells:
            return
        for array in target.variables.values():
            if "jtem_name" in array.ncattrs():
                for cell in cells:
                    array[..., cell] = FILL
        target.variables["status"][list(cells)] = 2
        target.failed_cells = "; ".join(
            f"({self.grid.latitude[c]:.3f}, {self.grid.longitude[c]:.3f}): {reason}"
            for column, reason in failed.items()
            for c in [int(self.grid.column_cell[column])]
        )


_DEPTHS = {"heat_layer": "depth", "layer": "carbon_depth"}


def _coordinate(target: netCDF4.Dataset, name: str, values: np.ndarray, attributes: Mapping[str, Any]) -> None:
    _plain_variable(target, name, "f8", (name,), values, attributes)


def _plain_variable(target, name: str, kind: str, dims: tuple[str, ...], values, attributes: Mapping[str, Any]) -> None:
    created = target.createVariable(name, kind, dims)
    created.setncatts(dict(attributes))
    created[:] = values


# --- states ----------------------------------------------------------------------------------------------------------


def _leaf_names(tree: Any) -> list[tuple[str, Any]]:
    """Readable names (``carbon.soil.carbon``) and leaves of a state."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [
        (".".join(str(getattr(key, "name", getattr(key, "idx", key))) for key in path), leaf) for path, leaf in leaves
    ]


def _write_state(path: Path, state: Any, meta: Mapping[str, str | int | float]) -> None:
    with netCDF4.Dataset(path, "w", format="NETCDF4") as target:
        leaves = _leaf_names(state)
        target.createDimension("column", np.shape(leaves[0][1])[0])
        for name, leaf in leaves:
            leaf = np.asarray(leaf)
            if leaf.size == 0:
                continue  # layers that this scheme does not have
            dims = ["column"]
            for length in leaf.shape[1:]:
                dims.append(f"layer_{length}")
                if dims[-1] not in target.dimensions:
                    target.createDimension(dims[-1], length)
            target.createVariable(name, leaf.dtype, tuple(dims))[:] = leaf
        target.setncatts({"title": "state of jtem for a restart, house units", "source": f"jtem {__version__}", **meta})


def save_state(path: Path | str, state: Any, meta: Mapping[str, str | int | float]) -> None:
    """Write a state (leaves lead with the column axis) as netCDF, atomically; ``meta`` has ``parameter_hash``."""
    path = Path(path)
    prepare_folder(path.parent)
    temporary = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        _write_state(temporary, state, meta)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load_state(path: Path | str, like: Any, parameter_hash: str, *, force: bool = False) -> Any:
    """Read a state into the structure of ``like`` (arrays or shapes with a leading column axis), exactly as saved.

    Raises ``InputError`` if the file was written with other parameters (unless ``force``), for other columns or another
    permafrost scheme.
    """
    try:
        source = netCDF4.Dataset(path)
    except OSError as error:
        raise InputError(f"{path}: state file cannot be read ({error.strerror or error}); check the path") from None
    with source:
        source.set_auto_mask(False)
        found = getattr(source, "parameter_hash", "none")
        if found != parameter_hash and not force:
            raise InputError(
                f"{path}: state was made with parameters {found}, this run has {parameter_hash}; use the same "
                "parameter "
                "files or force it with --force"
            )
        leaves = []
        named = _leaf_names(like)
        for name, leaf in named:
            shape = tuple(leaf.shape)
            if 0 in shape[1:]:
                leaves.append(np.zeros(shape, leaf.dtype))
                continue
            if name not in source.variables:
                raise InputError(f"{path}: state lacks '{name}'; it was made with another permafrost scheme or version")
            values = np.asarray(source.variables[name][:])
            if values.shape != shape:
                raise InputError(
                    f"{path}: '{name}' has shape {values.shape}, this run needs {shape}; use the domain, mosaic and "
                    "permafrost scheme of the state"
                )
            if values.dtype != leaf.dtype and not force:
                raise InputError(
                    f"{path}: '{name}' is {values.dtype}, this run has {leaf.dtype}; use the same precision or --force"
                )
            leaves.append(values.astype(leaf.dtype))
        extra = set(source.variables) - {name for name, _ in named}
        if extra:
            raise InputError(
                f"{path}: state has '{sorted(extra)[0]}', which this run does not know; use the same permafrost scheme"
            )
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def state_attributes(path: Path | str) -> dict[str, Any]:
    """Attributes of a state file: stage, last year, parameter hash, precision, plan."""
    try:
        with netCDF4.Dataset(path) as source:
            return {name: source.getncattr(name) for name in source.ncattrs()}
    except OSError as error:
        raise InputError(f"{path}: state file cannot be read ({error.strerror or error}); check the path") from None
