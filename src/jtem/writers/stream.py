"""What all writers share: the stream of blocks that a run gives, the frame of a dataset, cells made of columns.

A run hands over results block by block (``records.Sink``): ``{"monthly": {name: (column, year, 12, ...)}, "annual": {name:
(column, year, ...)}}`` in house units. A dataset has time, cells, depths and their bounds (:func:`frame`); columns of a mosaic
cell are summed by their share of the cell's area (:class:`Cells`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jtem.constants import DAYS_IN_MONTH, LAYER_EDGES, PERMAFROST_THAW_LIMIT
from jtem.records import Grid, StageLike
from jtem.variables import VARIABLES, Variable, convert

Attributes = Mapping[str, str | int | float]
MONTHS = {"monthly": 12, "annual": 1}
"""Times a year by frequency."""
DEPTHS = {"heat_layer": "depth", "layer": "carbon_depth"}
"""Dimension of each kind of layer (``Variable.layer``)."""
CALENDAR = "noleap"  # the model's water and carbon know no leap years
FILL = np.float32(1e20)
CONVENTIONS = "CF-1.11"
CAPPED = ("active_layer_thickness", "maximum_unfrozen_thickness")


# --- time and depth --------------------------------------------------------------------------------------------------


def times(years: slice, frequency: str) -> slice:
    """Years of a stage as positions on its time axis."""
    return slice(years.start * MONTHS[frequency], years.stop * MONTHS[frequency])


def joined_months(values: np.ndarray, frequency: str) -> np.ndarray:
    """Results (column, year, [12,] ...) on one time axis: (column, time, ...)."""
    values = np.asarray(values)
    return values.reshape(values.shape[0], -1, *values.shape[3:]) if frequency == "monthly" else values


def split_months(values: np.ndarray, frequency: str) -> np.ndarray:
    """The inverse of :func:`joined_months`."""
    return values.reshape(values.shape[0], -1, 12, *values.shape[2:]) if frequency == "monthly" else values


def layer_edges(layer: str, heat_edges: Sequence[float]) -> np.ndarray:
    """Faces (m) of a kind of layer, (layer + 1,)."""
    return np.asarray(heat_edges if layer == "heat_layer" else LAYER_EDGES, dtype=np.float64)


# --- the frame of a dataset ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Coordinate:
    """A variable that is no result: where and when. ``values`` of dtype object are words."""

    name: str
    dims: tuple[str, ...]
    values: np.ndarray
    attributes: Attributes


def time_coordinates(stage: StageLike, frequency: str) -> list[Coordinate]:
    """Middle, bounds and calendar year of each time of a stage."""
    months = MONTHS[frequency]
    count = stage.years * months
    lengths = np.tile(DAYS_IN_MONTH if months == 12 else DAYS_IN_MONTH.sum(keepdims=True), stage.years)
    ends = np.cumsum(lengths)
    bounds = np.stack([ends - lengths, ends], axis=1)
    said = {
        "standard_name": "time",
        "long_name": "time",
        "units": f"days since {stage.first_year}-01-01",
        "calendar": CALENDAR,
        "axis": "T",
        "bounds": "time_bnds",
    }
    years = (stage.first_year + np.arange(count) // months).astype(np.int32)
    return [
        Coordinate("time", ("time",), bounds.mean(axis=1), said),
        Coordinate("time_bnds", ("time", "bnds"), bounds, {}),
        Coordinate("year", ("time",), years, {"long_name": "calendar year", "units": "1"}),
    ]


def place_coordinates(grid: Grid, dim: str = "cell") -> list[Coordinate]:
    """Latitude, longitude, area and, where known, site and community: of each cell, or of each ``"column"``."""
    which = slice(None) if dim == "cell" else grid.column_cell
    share = 1.0 if dim == "cell" else grid.column_fraction
    result = [
        Coordinate(
            name,
            (dim,),
            np.asarray(values, np.float64)[which],
            {"standard_name": standard, "long_name": f"{standard} of the cell", "units": unit},
        )
        for name, values, standard, unit in (
            ("lat", grid.latitude, "latitude", "degrees_north"),
            ("lon", grid.longitude, "longitude", "degrees_east"),
        )
    ]
    area = {"standard_name": "cell_area", "long_name": f"land area that the {dim} stands for", "units": "m2"}
    result.append(Coordinate("areacella", (dim,), np.asarray(grid.area, np.float64)[which] * share * 1e6, area))
    for name, words, text in (
        ("site", grid.labels, "name of the site"),
        ("community", grid.communities, "largest plant community of the cell"),
    ):
        if words is not None:
            result.append(Coordinate(name, (dim,), np.asarray(words, dtype=object)[which], {"long_name": text}))
    return result


def depth_coordinates(layers: Iterable[str], heat_edges: Sequence[float]) -> list[Coordinate]:
    """Middle and bounds of each kind of layer."""
    result = []
    for layer in sorted(layers):
        edges, name = layer_edges(layer, heat_edges), DEPTHS[layer]
        said = {
            "standard_name": "depth",
            "long_name": "depth below the surface",
            "units": "m",
            "positive": "down",
            "axis": "Z",
            "bounds": f"{name}_bnds",
        }
        result.append(Coordinate(name, (name,), (edges[1:] + edges[:-1]) / 2, said))
        result.append(Coordinate(f"{name}_bnds", (name, "bnds"), np.stack([edges[:-1], edges[1:]], axis=1), {}))
    return result


def frame(
    grid: Grid, stage: StageLike, frequency: str, layers: Iterable[str], heat_edges: Sequence[float]
) -> list[Coordinate]:
    """All coordinates of a dataset by cell, bounds, area and the status of each cell (1: done) among them."""
    status = {
        "long_name": "how the run ended in the cell",
        "flag_values": np.array([1, 2], "i1"),
        "flag_meanings": "done failed",
    }
    return [
        *time_coordinates(stage, frequency),
        *place_coordinates(grid),
        Coordinate("status", ("cell",), np.ones(grid.latitude.size, "i1"), status),
        *depth_coordinates(layers, heat_edges),
    ]


def dims(variable: Variable, last: str = "cell") -> tuple[str, ...]:
    """Dimensions of a result: (time, [depth,] ``last``)."""
    return ("time", *((DEPTHS[variable.layer],) if variable.layer else ()), last)


def described(fields: Iterable[str]) -> list[Variable]:
    """Variables of a file that holds these results, in order: with the share of permafrost after the active layer."""
    result: list[Variable] = []
    for name in fields:
        result.append(VARIABLES[name])
        if name == "active_layer_thickness":
            result.append(VARIABLES["permafrost_fraction"])
    first: dict[str, Variable] = {}
    for variable in result:
        first.setdefault(variable.file_name, variable)
    return list(first.values())


def attributes(variable: Variable, frequency: str, grid: Grid) -> dict[str, str]:
    """CF attributes of a variable in a dataset by cell, and the names that it has in jtem and TEM."""
    words = [name for name, known in (("site", grid.labels), ("community", grid.communities)) if known is not None]
    said = {
        "standard_name": variable.standard_name,
        "long_name": variable.long_name,
        "units": variable.file_unit,
        "units_metadata": units_metadata(variable.file_unit),
        "cell_methods": variable.cell_methods(frequency),
        "cell_measures": "area: areacella",
        "coordinates": " ".join(("lat", "lon", "year", *words)),
        "jtem_name": variable.name,
        "tem_name": variable.tem,
        "plausible_range": f"{variable.low:g} {variable.high:g}",
    }
    if variable.name in CAPPED:
        said["comment"] = (
            "from monthly profiles; the mean of a cell with several communities takes each at most as 10 m"
        )
    return {key: value for key, value in said.items() if value}


def units_metadata(unit: str) -> str:
    """CF's word for a unit of temperature: every temperature of the model is on the scale, no difference."""
    return "temperature: on_scale" if unit in ("K", "degC") else ""


# --- cells of columns ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slab:
    """A piece of a file's variable: ``values`` (time, ..., cell), file units, NaN where missing, from cell ``first`` on.

    ``cut``: its first cell has columns before these; what they gave is to be added.
    """

    variable: Variable
    values: np.ndarray
    first: int
    cut: bool


class Cells:
    """Turns results of columns (house units) into values of cells (file units) and looks for implausible ones."""

    def __init__(self, grid: Grid):
        self.grid = grid
        self.implausible: dict[str, str] = {}

    def parts(self, name: str, frequency: str, columns: slice, values: np.ndarray) -> Iterator[Slab]:
        """Pieces of one result (column, time, ...) in house units: converted and summed over the columns of a cell."""
        if name == "active_layer_thickness":
            frozen = np.where(np.isfinite(values), values < PERMAFROST_THAW_LIMIT, np.nan)
            yield from self.parts("permafrost_fraction", frequency, columns, frozen)
        variable = VARIABLES[name]
        if name in CAPPED:
            mixed = self.grid.mixed(columns)[:, None]
            values = np.where(mixed, np.minimum(values, PERMAFROST_THAW_LIMIT), values)
        values = convert(variable, values, frequency, 1)
        cells, share = self.grid.column_cell[columns], self.grid.column_fraction[columns]
        starts = np.nonzero(np.diff(cells, prepend=-1))[0]
        summed = values
        if starts.size < cells.size or np.any(share != 1.0):
            summed = np.add.reduceat(values * share.reshape(-1, *([1] * (values.ndim - 1))), starts, axis=0)
        summed = np.moveaxis(summed, 0, -1)
        first = int(cells[0])
        cut = columns.start > 0 and self.grid.column_cell[columns.start - 1] == first
        yield Slab(variable, summed, first, bool(cut))

    def put(self, part: Slab, array: Any, where: slice, stage: StageLike, years: slice) -> None:
        """Write a piece into ``array`` (time, ..., cell) at the times ``where``; missing values become ``FILL``."""
        values, cells = part.values, slice(part.first, part.first + part.values.shape[-1])
        if part.cut:
            before = np.asarray(array[where, ..., part.first : part.first + 1], dtype=np.float64)
            values[..., :1] += np.where(before >= FILL, np.nan, before)
        self._check_range(part, values, stage, years)
        stored = values.astype(array.dtype)
        stored[~np.isfinite(values)] = FILL
        array[where, ..., cells] = stored

    def _check_range(self, part: Slab, values: np.ndarray, stage: StageLike, years: slice) -> None:
        variable = part.variable
        bad = (values < variable.low) | (values > variable.high)
        if variable.name in self.implausible or not bad.any():
            return
        position = np.argwhere(bad)[0]
        cell = part.first + int(position[-1])
        self.implausible[variable.name] = (
            f"'{variable.name}' is {values[tuple(position)]:.4g} {variable.file_unit} at "
            f"({self.grid.latitude[cell]:.2f}, {self.grid.longitude[cell]:.2f}) in stage {stage.name}, "
            f"{stage.first_year + years.start}-{stage.first_year + years.stop - 1}; plausible are "
            f"{variable.low:g}..{variable.high:g}"
        )

    def failures(self, failed: Mapping[int, str]) -> tuple[list[int], str]:
        """Cells with a failed column, and the sentence that names them."""
        cells = sorted({int(self.grid.column_cell[column]) for column in failed})
        said = "; ".join(
            f"({self.grid.latitude[c]:.3f}, {self.grid.longitude[c]:.3f}): {reason}"
            for column, reason in failed.items()
            for c in [int(self.grid.column_cell[column])]
        )
        return cells, said
