"""Results streamed to a chunked Zarr store while a run goes on, and from there to CF netCDF.

One group a stage and frequency (``historical/annual``), one array a variable, dimensions ``(time, [depth,] column)`` in house
units exactly as the model gives them. Chunks are one block of years times one chunk of columns, so that every write
covers whole chunks, processes with different chunks of columns never touch the same file, and a block that a killed run left is
simply written again. The root holds the cells (degrees, m2), the cell and share of every column, and ``status`` of every column:
0 not finished, 1 done, 2 failed. zarr is optional: ``pip install 'jtem[distributed]'``.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jtem.constants import LAYER_EDGES
from jtem.errors import InputError
from jtem.output import Grid
from jtem.variables import VARIABLES

NOT_FINISHED, DONE, FAILED = 0, 1, 2
_DEPTHS = {"heat_layer": "depth", "layer": "carbon_depth"}


def _zarr() -> Any:
    try:
        import zarr
    except ImportError:
        raise InputError(
            "[output] zarr = true needs zarr, which is not installed; run: pip install 'jtem[distributed]'"
        ) from None
    return zarr


@dataclass(frozen=True)
class StoredStage:
    """What the store knows of a stage; enough for ``output.NetcdfSink``."""

    name: str
    first_year: int
    last_year: int
    parent: str
    expose: bool

    @property
    def years(self) -> int:
        """Number of years."""
        return self.last_year - self.first_year + 1


class ZarrStore:
    """A run's results in ``path``; see the module. Use :meth:`create` for a run, :meth:`open` for one that exists."""

    def __init__(self, path: Path, root: Any):
        self.path, self.root = path, root
        meta = dict(root.attrs)
        self.block_years, self.chunk_columns = int(meta["block_years"]), int(meta["chunk_columns"])
        self.meta = meta

    @classmethod
    def create(
        cls,
        path: Path | str,
        grid: Grid,
        stages: Sequence[Any],
        selection: Any,
        *,
        chunk_columns: int,
        block_years: int,
        attributes: Mapping[str, str | int | float],
        heat_edges: Sequence[float],
        double: bool = False,
    ) -> ZarrStore:
        """The whole template (all arrays, nothing in them), or the store that is there already.

        It is made under another name and renamed, so that several processes may start at once: the first one wins.
        """
        zarr, path = _zarr(), Path(path)
        if path.is_dir():
            return cls.open(path)
        temporary = path.with_name(f".{path.name}.partial-{os.getpid()}")
        shutil.rmtree(temporary, ignore_errors=True)
        root = zarr.open_group(str(temporary), mode="w")
        columns = int(grid.column_cell.size)
        size = min(chunk_columns, columns)
        root.attrs.update(
            {
                **{k: v if isinstance(v, str) else float(v) for k, v in attributes.items()},
                "block_years": block_years,
                "chunk_columns": size,
                "units": "house units: gC, gN, mm, m, degC, month",
                "stages": [
                    {"name": s.name, "first_year": s.first_year, "last_year": s.last_year, "parent": s.parent,
                     "expose": bool(s.expose)}
                    for s in stages
                ],
            }
        )  # fmt: skip

        def put(group: Any, name: str, values: np.ndarray, dims: tuple[str, ...], **attrs: Any) -> None:
            array = group.create_array(
                name, shape=values.shape, dtype=values.dtype, chunks=values.shape, dimension_names=dims
            )
            array[...] = values
            array.attrs.update(attrs)

        put(root, "lat", np.asarray(grid.latitude, np.float64), ("cell",), units="degrees_north")
        put(root, "lon", np.asarray(grid.longitude, np.float64), ("cell",), units="degrees_east")
        put(root, "areacella", np.asarray(grid.area, np.float64) * 1e6, ("cell",), units="m2")
        put(root, "column_cell", np.asarray(grid.column_cell, np.int64), ("column",), long_name="cell of the column")
        put(root, "column_fraction", np.asarray(grid.column_fraction, np.float64), ("column",), units="1")
        put(root, "heat_edges", np.asarray(heat_edges, np.float64), ("depth_edge",), units="m")
        for name, words in (("labels", grid.labels), ("communities", grid.communities)):
            if words is not None:
                root.attrs[name] = json.dumps([str(word) for word in words])
        status = root.create_array(
            "status",
            shape=(columns,),
            dtype="int8",
            chunks=(size,),
            fill_value=NOT_FINISHED,
            dimension_names=("column",),
        )
        status.attrs.update({"flag_values": [0, 1, 2], "flag_meanings": "not_finished done failed"})
        kind = "float64" if double else "float32"
        lengths = {"": 0, "heat_layer": len(heat_edges) - 1, "layer": len(LAYER_EDGES) - 1}
        for stage in stages:
            years = stage.last_year - stage.first_year + 1
            for frequency, names, months in (
                ("monthly", selection.monthly, 12),
                ("annual", [name for name, _ in selection.annual], 1),
            ):
                if not names:
                    continue
                group = root.create_group(f"{stage.name}/{frequency}")
                put(group, "year", stage.first_year + np.arange(years * months) // months, ("time",), units="1")
                for name in names:
                    variable = VARIABLES[name]
                    depth = lengths[variable.layer]
                    shape = (years * months, *((depth,) if depth else ()), columns)
                    block = (min(block_years, years) * months, *((depth,) if depth else ()), size)
                    array = group.create_array(
                        name,
                        shape=shape,
                        dtype=kind,
                        chunks=block,
                        fill_value=float("nan"),
                        dimension_names=("time", *((_DEPTHS[variable.layer],) if depth else ()), "column"),
                    )
                    array.attrs.update({"units": variable.unit, "long_name": variable.long_name})
        try:
            os.rename(temporary, path)
        except OSError:  # another process was first
            shutil.rmtree(temporary, ignore_errors=True)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path | str) -> ZarrStore:
        """A store that exists; raises ``InputError``."""
        zarr, path = _zarr(), Path(path)
        if not (path / "zarr.json").is_file():
            raise InputError(f"{path}: no Zarr store of a run; give the folder that 'jtem run' wrote")
        return cls(path, zarr.open_group(str(path), mode="r+"))

    # --- writing ----------------------------------------------------------------------------------------------------

    def write(self, stage: Any, columns: slice, years: slice, outputs: dict[str, dict[str, np.ndarray]]) -> None:
        """Take ``{"monthly": {name: (column, year, 12, ...)}, "annual": {name: (column, year, ...)}}``: whole chunks only."""
        total = self.root["status"].shape[0]
        aligned = columns.start % self.chunk_columns == 0 and years.start % self.block_years == 0
        whole = columns.stop in (columns.start + self.chunk_columns, total)
        if not (aligned and whole):
            raise ValueError(f"columns {columns} and years {years} do not cover whole chunks of {self.path}")
        for frequency, fields in outputs.items():
            for name, values in fields.items():
                array = self.root[f"{stage.name}/{frequency}/{name}"]
                months = 12 if frequency == "monthly" else 1
                values = np.asarray(values)
                if frequency == "monthly":
                    values = values.reshape(values.shape[0], -1, *values.shape[3:])
                times = slice(years.start * months, years.stop * months)
                array[times, ..., columns] = np.moveaxis(values, 0, -1).astype(array.dtype)

    def mark(self, columns: slice, failed: Mapping[int, str]) -> None:
        """The columns of a chunk are finished; ``failed`` ones are marked."""
        status = np.full(columns.stop - columns.start, DONE, np.int8)
        for column in failed:
            if columns.start <= column < columns.stop:
                status[column - columns.start] = FAILED
        self.root["status"][columns] = status

    # --- reading ----------------------------------------------------------------------------------------------------

    @property
    def stages(self) -> list[StoredStage]:
        """All stages, in order."""
        return [StoredStage(**entry) for entry in self.meta["stages"]]

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

    def blocks(self, stage: Any, columns: slice) -> Iterator[tuple[slice, dict[str, dict[str, np.ndarray]]]]:
        """Years and results of each block of a stage for a chunk of columns, as they were written; one in memory."""
        group = self.root[stage.name]
        for first in range(0, stage.years, self.block_years):
            years = slice(first, min(first + self.block_years, stage.years))
            outputs: dict[str, dict[str, np.ndarray]] = {}
            for frequency in ("monthly", "annual"):
                if frequency not in group:
                    continue
                months = 12 if frequency == "monthly" else 1
                times = slice(years.start * months, years.stop * months)
                for name, array in group[frequency].arrays():
                    if name == "year":
                        continue
                    values = np.moveaxis(np.asarray(array[times, ..., columns]), -1, 0)
                    if frequency == "monthly":
                        values = values.reshape(values.shape[0], -1, 12, *values.shape[2:])
                    outputs.setdefault(frequency, {})[name] = values
            yield years, outputs

    def replay(self, sink: Any) -> None:
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
