"""Stages in sequence: spin-up, history, scenarios; cells in chunks, years in blocks, one compiled program for all.

Pure of files: climate comes from loaders, results go to a sink, progress to a callback. The command line wires them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jtem import run, spinup, step
from jtem.physics.permafrost import Thaw
from jtem.run import Selection
from jtem.state import Cell, Climate, Controls

ClimateLoader = Callable[[np.ndarray], Climate]
"""Cell indices -> stacked climate of the stage as host arrays (cell, year, 12); called once a chunk and stage."""


@dataclass(frozen=True)
class SpinUp:
    """How the state before history is made. The climate loader gives one cycle (cell, cycle year, 12).

    ``heat_years`` of soil heat under the cycle's mean year (deep profile reset in years 3, 6, 10), then ``years`` of water,
    carbon and nitrogen on that periodic heat with soil nitrogen tied to soil carbon (``baseline``), then
    ``cycle_years`` of the whole model cycling the given years with closed nitrogen.
    """

    climate: ClimateLoader
    heat_years: int = 60
    years: int = 1000
    cycle_years: int = 0


@dataclass(frozen=True)
class Stage:
    """One transient run of consecutive years.

    ``parent``: stage whose last state starts this one ("spinup" first). ``begin``: "start" fills the frozen stores before
    the first year from the thaw of the year before; "base_years" fills them after the last year from the mean active layer of
    ``base_years`` (children then expose); "" leaves them. ``expose``: thaw moves matter. ``follow``: accessible shares
    follow the active layer; both False hold it.
    """

    name: str
    first_year: int
    last_year: int
    climate: ClimateLoader
    parent: str = "spinup"
    expose: bool = False
    follow: bool = True
    begin: str = ""
    base_years: tuple[int, int] | None = None

    @property
    def years(self) -> int:
        """Number of years."""
        return self.last_year - self.first_year + 1


@dataclass(frozen=True)
class Experiment:
    """Everything a run needs, as host arrays and frozen choices.

    ``columns``: stacked cells of the model (a mosaic cell gives several columns); ``column_cell``: index of the grid cell of
    each column, handed to the climate loaders.
    """

    design: step.Design
    parameters: step.Parameters
    columns: Cell
    column_cell: np.ndarray
    spin_up: SpinUp | None
    stages: tuple[Stage, ...]
    selection: Selection
    initial_states: dict[str, step.State] = field(default_factory=dict)
    chunk_columns: int = 1024
    block_years: int = 10


@dataclass(frozen=True)
class Progress:
    """One message to the progress callback."""

    stage: str
    columns: int
    chunk: int
    chunks: int
    column_years_done: int
    column_years_total: int
    seconds: float
    compile_seconds: float


class Sink(Protocol):
    """Where results go. Slices are of columns and of the stage's years."""

    def write(self, stage: Stage, columns: slice, years: slice, outputs: dict[str, dict[str, np.ndarray]]) -> None:
        """Take ``{"monthly": {name: (column, year, 12, ...)}, "annual": {name: (column, year, ...)}}``."""
        ...

    def state(self, stage_name: str, columns: slice, state: step.State) -> None:
        """Take the state (host arrays, leading column axis) at a stage's end."""
        ...


@dataclass(frozen=True)
class SpinUpReport:
    """Per column: drift of the last spin-up year against TEM's closure tolerances (tem.md section 11)."""

    drift: dict[str, np.ndarray]
    closed: np.ndarray
    years: int


@dataclass(frozen=True)
class Summary:
    """What happened: wall seconds, compile seconds, column-years, spin-up report, failed columns with reason."""

    seconds: float
    compile_seconds: float
    column_years: int
    spin_up: SpinUpReport | None
    failed: dict[int, str]
