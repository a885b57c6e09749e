"""The nouns that travel between rooms: plain data, no computation, so that no room needs ``Any`` for another's results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import PyTree


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


@dataclass(frozen=True)
class Selection:
    """What a run keeps. ``annual`` pairs a name with "sum", "mean", "last", "max" or "year" (once-a-year outputs)."""

    monthly: tuple[str, ...] = ()
    annual: tuple[tuple[str, str], ...] = ()

    def names(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Frequency and names of what is kept, "monthly" before "annual"; without a frequency of which nothing is."""
        for frequency, names in (("monthly", self.monthly), ("annual", tuple(name for name, _ in self.annual))):
            if names:
                yield frequency, names


@runtime_checkable
class StageLike(Protocol):
    """What files need to know of a stage: its name, first and last year, the stage before it, whether thaw exposes."""

    @property
    def name(self) -> str:
        """Name in file names."""
        ...

    @property
    def first_year(self) -> int:
        """First year."""
        ...

    @property
    def last_year(self) -> int:
        """Last year."""
        ...

    @property
    def parent(self) -> str:
        """Stage whose last state starts this one."""
        ...

    @property
    def expose(self) -> bool:
        """Whether thaw moves matter."""
        ...

    @property
    def years(self) -> int:
        """Number of years."""
        ...


@dataclass(frozen=True)
class StageInfo:
    """A :class:`StageLike` alone: what a store knows of a stage that another process ran."""

    name: str
    first_year: int
    last_year: int
    parent: str = "spinup"
    expose: bool = False

    @property
    def years(self) -> int:
        """Number of years."""
        return self.last_year - self.first_year + 1


Block = Mapping[str, Mapping[str, np.ndarray]]
"""Results of some columns and years of a stage in house units, by frequency and name: ``{"monthly": {name: (column, year, 12,
...)}, "annual": {name: (column, year, ...)}}``."""


@runtime_checkable
class Sink(Protocol):
    """Where the results of a run go. Slices are of columns and of the stage's years."""

    def write(self, stage: StageLike, columns: slice, years: slice, outputs: Block) -> None:
        """Take a block of results."""
        ...

    def state(self, stage_name: str, columns: slice, state: PyTree) -> None:
        """Take the state (a tree of host arrays, leading column axis) at a stage's end."""
        ...


@dataclass(frozen=True)
class Score:
    """Scores of one stream at one site ("all": all sites together) in one part.

    ``n``: pairs in which both are known. ``r2``: coefficient of determination 1 - sum (sim - obs)^2 / sum (obs - mean)^2,
    at most 1 and negative where the mean would do better. ``rmse`` and ``bias`` (mean of sim - obs): in the stream's
    unit. ``correlation``: squared linear correlation, which forgives bias and scale (papers often print it as R2).
    NaN where too few pairs or no variance.
    """

    site: str
    stream: str
    part: str
    n: int
    r2: float
    rmse: float
    bias: float
    correlation: float
