"""Results to CF netCDF and states to restart files; nothing half-written stays behind.

Files are written under a temporary name in the output folder and renamed when a run has ended.
"""

from __future__ import annotations

import contextlib
import datetime
import glob
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import netCDF4
import numpy as np
from jaxtyping import PyTree

from jtem import __version__
from jtem.files import partial_path, prepare_folder
from jtem.records import Block, Grid, StageLike
from jtem.variables import Variable
from jtem.writers import stream
from jtem.writers.states import write_state
from jtem.writers.stream import CONVENTIONS, FILL

REFERENCES = (
    "Liu et al. 2024, Earth's Future 12, e2024EF004996; Liu et al. 2022, Global Biogeochemical Cycles 36, e2021GB007068"
)


LARGEST_CACHE = 64_000_000
"""Bytes of a variable that stay uncompressed while neighbouring columns are written."""


def file_names(name: str, stages: Sequence[str], frequencies: Sequence[str], states: bool) -> list[str]:
    """Names of all files of a run, states included."""
    files = [f"{name}_{stage}_{frequency}.nc" for stage in stages for frequency in frequencies]
    return files + [f"{name}_{stage}_state.nc" for stage in (("spinup", *stages) if states else ())]


def provenance(
    stage: StageLike, frequency: str, attributes: Mapping[str, str | int | float]
) -> dict[str, str | int | float]:
    """Global attributes of a dataset of results: convention, program, where it comes from, which stage it is."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "Conventions": CONVENTIONS,
        "source": f"jtem {__version__}",
        "history": f"{now} written by jtem {__version__}",
        "references": REFERENCES,
        **attributes,
        "stage": stage.name,
        "stage_parent": stage.parent,
        "stage_exposes_permafrost": str(bool(stage.expose)).lower(),
        "frequency": frequency,
    }


@dataclass(frozen=True)
class FilesWritten:
    """Files that another process wrote for a :class:`NetcdfSink`, and what it has to say of them."""

    files: Mapping[tuple[str, str], Path]
    temporary: Mapping[str, Path]
    years: Mapping[str, int]
    implausible: Mapping[str, str]


class NetcdfSink:
    """Takes results slice by slice (``records.Sink``): one file a stage and frequency.

    Use it as a context manager and call :meth:`finish` at the end; leaving without (an error, Ctrl-C) removes
    everything. ``double``: numbers of 64 bits, for budgets from files. ``attributes`` go to every file.
    ``heat_edges``: depths (m) of the faces of the soil heat layers. One that has taken nothing may be sent to another process:
    what :meth:`part` gives there :meth:`take` takes here.
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
        self.attributes, self.heat_edges = dict(attributes), heat_edges
        self.write_files, self.write_states = write_files, write_states
        self.kind = "f8" if double else "f4"
        self.process = os.getpid()
        self.cells = stream.Cells(grid)
        self._made = prepare_folder(self.folder)
        self._files: dict[tuple[str, str], Path] = {}
        self._open: dict[tuple[str, str], netCDF4.Dataset] = {}
        self._temporary: dict[str, Path] = {}
        self._states: dict[str, list[tuple[slice, PyTree]]] = {}
        self._years: dict[str, int] = {}

    def __enter__(self) -> NetcdfSink:
        return self

    def __exit__(self, *_: object) -> None:
        self.abandon()

    @property
    def implausible(self) -> dict[str, str]:
        """A sentence for every variable of which a value lies outside its plausible range."""
        return self.cells.implausible

    def write(self, stage: StageLike, columns: slice, years: slice, outputs: Block) -> None:
        """Take ``{"monthly": {name: (column, year, 12, ...)}, "annual": {name: (column, year, ...)}}``."""
        if not self.write_files:
            return
        self._years[stage.name] = stage.last_year
        for frequency, fields in outputs.items():
            if not fields:
                continue
            target = self._dataset(stage, frequency, fields)
            where = stream.times(years, frequency)
            for name, values in fields.items():
                for part in self.cells.parts(name, frequency, columns, stream.joined_months(values, frequency)):
                    array = target.variables[part.variable.file_name]
                    array.set_auto_mask(False)
                    self.cells.put(part, array, where, stage, years)

    def part(self) -> FilesWritten:
        """Close what was written in a process that another one sent this sink to, which takes the files."""
        self._close_all()
        return FilesWritten(self._files, self._temporary, self._years, self.implausible)

    def take(self, part: FilesWritten) -> None:
        """Take files that another process wrote as if written here, after those taken before."""
        self._files.update(part.files)
        self._temporary.update(part.temporary)
        self._years.update(part.years)
        for name, sentence in part.implausible.items():
            self.implausible.setdefault(name, sentence)

    def state(self, stage_name: str, columns: slice, state: PyTree) -> None:
        """Take the state (host arrays, leading column axis) at a stage's end."""
        if self.write_states:
            self._states.setdefault(stage_name, []).append((columns, jax.tree.map(np.asarray, state)))

    def finish(self, failed: Mapping[int, str], notes: Mapping[str, str | int | float] | None = None) -> list[Path]:
        """Blank the failed columns' cells, add late attributes, close and rename all files. Returns their paths."""
        cells, said = self.cells.failures(failed)
        for key in self._files:
            target = self._reopened(key)
            target.setncatts(dict(notes or {}))
            if cells:
                _mark_failed(target, cells, said)
        for stage_name, parts in self._states.items():
            parts = sorted(parts, key=lambda part: part[0].start)
            whole = jax.tree.map(lambda *leaves: np.concatenate(leaves), *(part[1] for part in parts))
            meta = {**self.attributes, **dict(notes or {}), "stage": stage_name}
            if stage_name in self._years:
                meta["last_year"] = self._years[stage_name]
            write_state(self._temporary_path(f"{self.name}_{stage_name}_state.nc"), whole, meta)
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
        for path in self.folder.glob(partial_path(Path(f"{glob.escape(self.name)}_*"), self.process).name):
            path.unlink(missing_ok=True)
        self._temporary, self._states = {}, {}
        if self._made:
            with contextlib.suppress(OSError):
                self.folder.rmdir()

    # --- one file ---------------------------------------------------------------------------------------------------

    def _temporary_path(self, final: str) -> Path:
        path = partial_path(self.folder / final, self.process)
        self._temporary[final] = path
        return path

    def _dataset(self, stage: StageLike, frequency: str, fields: Mapping[str, np.ndarray]) -> netCDF4.Dataset:
        key = (stage.name, frequency)
        if key in self._files:
            return self._reopened(key)
        self._close_all(besides=stage.name)
        path = self._temporary_path(f"{self.name}_{stage.name}_{frequency}.nc")
        target = netCDF4.Dataset(path, "w", format="NETCDF4")
        self._files[key], self._open[key] = path, target
        found = stream.described(fields)
        write_frame(target, stream.frame(self.grid, stage, frequency, {v.layer for v in found} - {""}, self.heat_edges))
        target.setncatts(provenance(stage, frequency, self.attributes))
        for variable in found:
            self._define(target, variable, frequency)
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

    def _define(self, target: netCDF4.Dataset, variable: Variable, frequency: str) -> None:
        dims = stream.dims(variable)
        limits = {"time": 120, "cell": 1024}
        sizes = [target.dimensions[d].size for d in dims]
        chunk = tuple(min(size, limits.get(d, size)) for d, size in zip(dims, sizes, strict=True))
        row = (
            int(self.kind[1]) * math.prod(chunk) * -(-sizes[dims.index("time")] // limits["time"])
        )  # chunks of the same cells
        created = target.createVariable(
            variable.file_name,
            self.kind,
            dims,
            zlib=True,
            complevel=1,
            shuffle=True,
            fletcher32=True,
            fill_value=FILL,
            chunksizes=chunk,
            chunk_cache=min(2 * row, LARGEST_CACHE),
        )
        created.setncatts(stream.attributes(variable, frequency, self.grid))


def write_frame(target: netCDF4.Dataset, coordinates: Sequence[stream.Coordinate]) -> None:
    """Create the coordinates of a dataset with their dimensions."""
    for one in coordinates:
        for dim, size in zip(one.dims, one.values.shape, strict=True):
            if dim not in target.dimensions:
                target.createDimension(dim, size)
        created = target.createVariable(one.name, str if one.values.dtype == object else one.values.dtype, one.dims)
        created.setncatts(dict(one.attributes))
        created[:] = one.values


def _mark_failed(target: netCDF4.Dataset, cells: Sequence[int], said: str) -> None:
    for array in target.variables.values():
        if "jtem_name" in array.ncattrs():
            for cell in cells:
                array[..., cell] = FILL
    target.variables["status"][list(cells)] = 2
    target.failed_cells = said
