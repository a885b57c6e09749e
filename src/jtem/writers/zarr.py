"""Results streamed to a chunked Zarr store while a run goes on, and from there to CF netCDF.

One group a stage and frequency (``historical/annual``), one array a variable, dimensions ``(time, [depth,] column)`` in house
units exactly as the model gives them, with the coordinates and attributes of the files, so that xarray opens a group as a
dataset. Chunks are one block of years times one chunk of columns, so that every write covers whole chunks, processes with
different chunks of columns never touch the same file; a chunk that is there is never written again. The root
holds the cells (degrees, m2), the cell and share of every column, and ``status`` of every column: 0 not finished, 1 done,
2 failed. zarr is optional: ``pip install 'jtem[distributed]'``.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jtem.errors import InputError
from jtem.files import Anywhere, partial_path, remove_tree
from jtem.records import Block, Grid, Selection, Sink, StageInfo, StageLike
from jtem.variables import VARIABLES, Variable
from jtem.writers import stream
from jtem.writers.stream import CONVENTIONS

NOT_FINISHED, DONE, FAILED = 0, 1, 2
Group = Array = Any
"""``zarr.Group`` and ``zarr.Array``: zarr is optional."""


def _module():
    try:
        import zarr
    except ImportError:
        raise InputError(
            "[output] zarr = true needs zarr, which is not installed; run: pip install 'jtem[distributed]'"
        ) from None
    return zarr


class ZarrStore:
    """A run's results in ``path``; see the module. Use :meth:`create` for a run, :meth:`open` for one that exists."""

    def __init__(self, path: Anywhere, root: Group):
        self.path, self.root = path, root
        self._arrays: dict[str, Any] = {}
        self.meta = dict(root.attrs)
        self.block_years, self.chunk_columns = int(self.meta["block_years"]), int(self.meta["chunk_columns"])

    def __reduce__(self) -> tuple[Callable[[Anywhere], ZarrStore], tuple[Anywhere]]:
        """Opened again by the process that it is sent to."""
        return ZarrStore.open, (self.path,)

    @classmethod
    def begin(
        cls,
        path: Anywhere,
        grid: Grid,
        stages: Sequence[StageLike],
        selection: Selection,
        *,
        fresh: bool,
        known: bool,
        chunk_columns: int,
        block_years: int,
        attributes: Mapping[str, str | int | float],
        heat_edges: Sequence[float],
        double: bool = False,
    ) -> ZarrStore:
        """The store of a run: emptied where ``fresh``, gone on with where ``known``, else it must not exist yet.

        Raises ``InputError`` for one that is there already or that another plan made.
        """
        if fresh and path.exists():
            remove_tree(path)
        another = "choose another folder with --out or overwrite with --force"
        if path.exists() and not known:
            raise InputError(f"{path}: exists already; {another}")
        made = cls.create(
            path, grid, stages, selection, chunk_columns=chunk_columns, block_years=block_years, attributes=attributes,
            heat_edges=heat_edges, double=double,
        )  # fmt: skip
        if made.meta["plan"] != attributes["plan"]:
            raise InputError(f"{path}: was made by another plan; {another}")
        return made

    @classmethod
    def create(
        cls,
        path: Anywhere,
        grid: Grid,
        stages: Sequence[StageLike],
        selection: Selection,
        *,
        chunk_columns: int,
        block_years: int,
        attributes: Mapping[str, str | int | float],
        heat_edges: Sequence[float],
        double: bool = False,
    ) -> ZarrStore:
        """The whole template (all arrays, nothing in them), or the store that is there already.

        It is made under another name and renamed, so that several processes may start at once: the first one wins. In an object
        store, which has no renaming, one process makes it, and what was left of one that was killed is made again.
        """
        zarr, path = _module(), Path(path) if isinstance(path, str) else path
        if _is_whole(path):
            return cls.open(path)
        temporary = partial_path(path) if isinstance(path, Path) else path
        remove_tree(temporary)
        root = zarr.open_group(_store(temporary), mode="w")
        size = min(chunk_columns, int(grid.column_cell.size))
        said = {k: v if isinstance(v, str) else float(v) for k, v in attributes.items()}
        _write_root(root, grid, stages, {**said, "block_years": block_years, "chunk_columns": size}, heat_edges)
        template = _Template(grid, heat_edges, size, block_years, "float64" if double else "float32")
        for stage in stages:
            for frequency, names in selection.names():
                group = root.create_group(f"{stage.name}/{frequency}")
                title = {"title": said["title"]} if "title" in said else {}
                group.attrs.update({"Conventions": CONVENTIONS, **title, "stage": stage.name, "frequency": frequency})
                template.fill(group, stage, frequency, names)
                _consolidate(group)
        _consolidate(root)
        if temporary != path:
            try:
                os.rename(temporary, path)
            except OSError:  # another process was first
                remove_tree(temporary)
        return cls.open(path)

    @classmethod
    def open(cls, path: Anywhere) -> ZarrStore:
        """A store that exists, to be read and for what is not there yet; raises ``InputError``."""
        zarr, path = _module(), Path(path) if isinstance(path, str) else path
        if not (path / "zarr.json").is_file():
            raise InputError(f"{path}: no Zarr store of a run; give the folder that 'jtem run' wrote")
        from jtem.writers.once import WriteOnce

        return cls(path, zarr.open_group(WriteOnce(_store(path)), mode="r+"))

    # --- writing ----------------------------------------------------------------------------------------------------

    def write(self, stage: StageLike, columns: slice, years: slice, outputs: Block) -> None:
        """Take ``{"monthly": {name: (column, year, 12, ...)}, "annual": {name: (column, year, ...)}}``: whole chunks only."""
        total = self.root["status"].shape[0]
        aligned = columns.start % self.chunk_columns == 0 and years.start % self.block_years == 0
        whole = columns.stop in (columns.start + self.chunk_columns, total)
        if not (aligned and whole):
            raise ValueError(f"columns {columns} and years {years} do not cover whole chunks of {self.path}")
        for frequency, fields in outputs.items():
            for name, values in fields.items():
                array = self._array(f"{stage.name}/{frequency}/{name}")
                values = np.moveaxis(stream.joined_months(values, frequency), 0, -1)
                array[stream.times(years, frequency), ..., columns] = values.astype(array.dtype)

    def mark(self, columns: slice, failed: Mapping[int, str]) -> None:
        """The columns of a chunk are finished; ``failed`` ones are marked."""
        status = np.full(columns.stop - columns.start, DONE, np.int8)
        for column in failed:
            if columns.start <= column < columns.stop:
                status[column - columns.start] = FAILED
        self._array("status")[columns] = status

    def tidy(self) -> None:
        """Remove the files that killed processes left half-written under names of their own, once all others have ended."""
        if isinstance(self.path, Path):
            for left in self.path.rglob("*.partial"):
                left.unlink(missing_ok=True)

    def _array(self, name: str) -> Any:
        """An array, whose metadata are read once."""
        if name not in self._arrays:
            self._arrays[name] = self.root[name]
        return self._arrays[name]

    # --- reading ----------------------------------------------------------------------------------------------------

    @property
    def stages(self) -> list[StageInfo]:
        """All stages, in order."""
        return [StageInfo(**entry) for entry in self.meta["stages"]]

    def grid(self) -> Grid:
        """The cells and columns."""
        words = {
            name: np.asarray(json.loads(self.meta[name]), dtype=object) if name in self.meta else None
            for name in ("labels", "communities")
        }
        return Grid(
            latitude=self.root["lat"][:],
            longitude=self.root["lon"][:],
            area=self.root["areacella"][:] / 1e6,
            column_cell=self.root["column_cell"][:],
            column_fraction=self.root["column_fraction"][:],
            **words,
        )

    def chunks(self) -> list[slice]:
        """Columns of every chunk."""
        total = self.root["status"].shape[0]
        return [slice(a, min(a + self.chunk_columns, total)) for a in range(0, total, self.chunk_columns)]

    def blocks(self, stage: StageLike, columns: slice) -> Iterator[tuple[slice, Block]]:
        """Years and results of each block of a stage for a chunk of columns, as they were written; one in memory."""
        group = self.root[stage.name]
        for first in range(0, stage.years, self.block_years):
            years = slice(first, min(first + self.block_years, stage.years))
            outputs: dict[str, dict[str, np.ndarray]] = {}
            for frequency in (f for f in stream.MONTHS if f in group):
                for name, array in group[frequency].arrays():
                    if name in VARIABLES:
                        values = self._read(array, (stream.times(years, frequency), ..., columns))
                        split = stream.split_months(np.moveaxis(values, -1, 0), frequency)
                        outputs.setdefault(frequency, {})[name] = split
            yield years, outputs

    def _read(self, array: Array, where: tuple) -> np.ndarray:
        """Part of an array; raises ``InputError`` where a chunk is damaged: chunks have checksums."""
        try:
            return np.asarray(array[where])
        except (RuntimeError, ValueError, OSError) as error:
            raise InputError(f"{self.path}: '{array.path}' cannot be read ({error}); run the plan again") from None

    def replay(self, sink: Sink) -> None:
        """Hand everything to a sink: chunks in order, stages in order, blocks in order."""
        for columns in self.chunks():
            for stage in self.stages:
                for years, outputs in self.blocks(stage, columns):
                    sink.write(stage, columns, years, outputs)

    def failed(self) -> dict[int, str]:
        """Columns that failed or were not finished."""
        status = np.asarray(self.root["status"][:])
        words = {FAILED: "failed in the run", NOT_FINISHED: "not finished"}
        return {int(c): words[int(status[c])] for c in np.nonzero(status != DONE)[0]}


# --- where ----------------------------------------------------------------------------------------------------------------


def _store(path: Anywhere) -> Any:
    """Zarr's store of a folder or of a place in an object store."""
    from zarr import storage

    if isinstance(path, Path):
        return storage.LocalStore(path)
    return storage.FsspecStore.from_url(str(path), storage_options=dict(path.storage_options))


def _is_whole(path: Anywhere) -> bool:
    """Whether the template is there: what is consolidated last stands in the root."""
    root = path / "zarr.json"
    return (
        path.is_dir()
        and root.is_file()
        and bool(json.loads(root.read_text(encoding="utf-8")).get("consolidated_metadata"))
    )


# --- the template ----------------------------------------------------------------------------------------------------


def _put(group: Group, name: str, values: np.ndarray, dims: tuple[str, ...], **said: object) -> None:
    """An array that is known from the start, in one chunk."""
    kind = "str" if values.dtype == object else values.dtype
    array = group.create_array(name, shape=values.shape, dtype=kind, chunks=values.shape, dimension_names=dims)
    array[...] = values
    array.attrs.update({k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in said.items()})


def _consolidate(group: Group) -> None:
    """The metadata of a group's arrays in one file, which xarray looks for; zarr warns that the format may yet change."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _module().consolidate_metadata(group.store, path=group.path)


def _write_root(
    root: Group, grid: Grid, stages: Sequence[StageLike], said: Mapping[str, object], heat_edges: Sequence[float]
) -> None:
    """Cells, columns and their status, and what :meth:`ZarrStore.open` needs to know."""
    root.attrs.update(
        {
            **said,
            "units": "house units: gC, gN, mm, m, degC, month",
            "stages": [
                {"name": s.name, "first_year": s.first_year, "last_year": s.last_year, "parent": s.parent,
                 "expose": bool(s.expose)}
                for s in stages
            ],
        }
    )  # fmt: skip
    _put(root, "lat", np.asarray(grid.latitude, np.float64), ("cell",), units="degrees_north")
    _put(root, "lon", np.asarray(grid.longitude, np.float64), ("cell",), units="degrees_east")
    _put(root, "areacella", np.asarray(grid.area, np.float64) * 1e6, ("cell",), units="m2")
    _put(root, "column_cell", np.asarray(grid.column_cell, np.int64), ("column",), long_name="cell of the column")
    _put(root, "column_fraction", np.asarray(grid.column_fraction, np.float64), ("column",), units="1")
    _put(root, "heat_edges", np.asarray(heat_edges, np.float64), ("depth_edge",), units="m")
    for name, words in (("labels", grid.labels), ("communities", grid.communities)):
        if words is not None:
            root.attrs[name] = json.dumps([str(word) for word in words])
    status = root.create_array(
        "status",
        shape=grid.column_cell.shape,
        dtype="int8",
        chunks=(said["chunk_columns"],),
        fill_value=NOT_FINISHED,
        dimension_names=("column",),
    )
    status.attrs.update({"flag_values": [0, 1, 2], "flag_meanings": "not_finished done failed"})


def _checked():
    """The compression of zarr's default, with a checksum of each chunk."""
    _module()
    from zarr.codecs import ZstdCodec

    return ZstdCodec(level=0, checksum=True)


class _Template:
    """Makes the empty arrays of a group with its coordinates. ``size``: columns of a chunk."""

    def __init__(self, grid: Grid, heat_edges: Sequence[float], size: int, block_years: int, kind: str):
        self.grid, self.heat_edges, self.size = grid, heat_edges, size
        self.block_years, self.kind = block_years, kind

    def fill(self, group: Group, stage: StageLike, frequency: str, names: Sequence[str]) -> None:
        """Arrays of these results of a stage, and what says when, where and how deep."""
        found = [VARIABLES[name] for name in names]
        columns = stream.place_coordinates(self.grid, "column")
        for one in (
            *stream.time_coordinates(stage, frequency),
            *columns,
            *stream.depth_coordinates({v.layer for v in found} - {""}, self.heat_edges),
        ):
            _put(group, one.name, one.values, one.dims, **one.attributes)
        where = " ".join(("year", *(one.name for one in columns)))
        for variable in found:
            self._result(group, variable, stage, frequency, where)

    def _result(self, group: Group, variable: Variable, stage: StageLike, frequency: str, coordinates: str) -> None:
        months = stream.MONTHS[frequency]
        depth = (stream.layer_edges(variable.layer, self.heat_edges).size - 1,) if variable.layer else ()
        array = group.create_array(
            variable.name,
            shape=(stage.years * months, *depth, self.grid.column_cell.size),
            dtype=self.kind,
            chunks=(min(self.block_years, stage.years) * months, *depth, self.size),
            compressors=_checked(),
            fill_value=float("nan"),
            dimension_names=stream.dims(variable, "column"),
        )
        said = {
            "standard_name": variable.standard_name,
            "long_name": variable.long_name,
            "units": variable.unit,
            "units_metadata": stream.units_metadata(variable.unit),
            "cell_methods": variable.cell_methods(frequency),
            "coordinates": coordinates,
            "tem_name": variable.tem,
        }
        array.attrs.update({key: value for key, value in said.items() if value})
