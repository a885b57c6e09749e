"""Results kept in memory as labelled datasets: the same names, units, coordinates and numbers as the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jax
import numpy as np
import xarray as xr
from jaxtyping import PyTree

from jtem.errors import InputError, suggest
from jtem.records import Block, Grid, StageLike
from jtem.writers import stream
from jtem.writers.netcdf import provenance
from jtem.writers.stream import FILL


class MemorySink:
    """Takes results slice by slice (``records.Sink``) and gives them back as datasets; nothing is written.

    ``double``, ``attributes``, ``heat_edges``: as for ``netcdf.NetcdfSink``, whose files have bitwise the same numbers.
    """

    def __init__(
        self,
        grid: Grid,
        *,
        attributes: Mapping[str, str | int | float],
        heat_edges: Sequence[float],
        double: bool = False,
    ):
        self.grid, self.heat_edges = grid, heat_edges
        self.attributes = dict(attributes)
        self.kind = "f8" if double else "f4"
        self.cells = stream.Cells(grid)
        self._raw: dict[tuple[str, str], xr.Dataset] = {}
        self._states: dict[str, list[tuple[slice, PyTree]]] = {}

    @property
    def implausible(self) -> dict[str, str]:
        """A sentence for every variable of which a value lies outside its plausible range."""
        return self.cells.implausible

    def write(self, stage: StageLike, columns: slice, years: slice, outputs: Block) -> None:
        """Take ``{"monthly": {name: (column, year, 12, ...)}, "annual": {name: (column, year, ...)}}``."""
        for frequency, fields in outputs.items():
            if not fields:
                continue
            if (stage.name, frequency) not in self._raw:
                self._raw[stage.name, frequency] = self._empty(stage, frequency, fields)
            target = self._raw[stage.name, frequency]
            where = stream.times(years, frequency)
            for name, values in fields.items():
                for part in self.cells.parts(name, frequency, columns, stream.joined_months(values, frequency)):
                    self.cells.put(part, target[part.variable.file_name].values, where, stage, years)

    def state(self, stage_name: str, columns: slice, state: PyTree) -> None:
        """Take the state (host arrays, leading column axis) at a stage's end."""
        self._states.setdefault(stage_name, []).append((columns, jax.tree.map(np.asarray, state)))

    def finish(self, failed: Mapping[int, str], notes: Mapping[str, str | int | float] | None = None) -> None:
        """Blank the failed columns' cells and add late attributes."""
        cells, said = self.cells.failures(failed)
        for data in self._raw.values():
            data.attrs.update(notes or {})
            if cells:
                data.attrs["failed_cells"] = said
                data["status"].values[cells] = 2
                for array in data.data_vars.values():
                    if "jtem_name" in array.attrs:
                        array.values[..., cells] = FILL

    def dataset(self, stage: str, frequency: str) -> xr.Dataset:
        """Results of a stage, "monthly" or "annual", as ``xarray.open_dataset`` gives the file; raises ``InputError``."""
        if (stage, frequency) not in self._raw:
            known = [f"{a} {b}" for a, b in self._raw]
            raise InputError(f"no results '{stage} {frequency}'; {suggest(f'{stage} {frequency}', known)}")
        return xr.decode_cf(self._raw[stage, frequency])

    def final_state(self, stage: str) -> PyTree:
        """State at a stage's end ("spinup" too), host arrays with a leading column axis; raises ``InputError``."""
        if stage not in self._states:
            raise InputError(f"no state of '{stage}'; {suggest(stage, self._states)}")
        parts = sorted(self._states[stage], key=lambda part: part[0].start)
        return jax.tree.map(lambda *leaves: np.concatenate(leaves), *(state for _, state in parts))

    def _empty(self, stage: StageLike, frequency: str, fields: Mapping[str, np.ndarray]) -> xr.Dataset:
        found = stream.described(fields)
        frame = stream.frame(self.grid, stage, frequency, {v.layer for v in found} - {""}, self.heat_edges)
        data = xr.Dataset({c.name: (c.dims, _words(c.values), dict(c.attributes)) for c in frame})
        data.attrs = provenance(stage, frequency, self.attributes)
        for variable in found:
            dims = stream.dims(variable)
            values = np.full([data.sizes[d] for d in dims], FILL, self.kind)
            said = {**stream.attributes(variable, frequency, self.grid), "_FillValue": FILL}
            data[variable.file_name] = (dims, values, said)
        return data


def _words(values: np.ndarray) -> np.ndarray:
    return values.astype(str) if values.dtype == object else values
