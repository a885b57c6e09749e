"""The nouns that travel between rooms: plain data, no computation, so that rooms take another's results by their types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from jtem.errors import InputError, suggest

if TYPE_CHECKING:  # which imports JAX
    from jaxtyping import PyTree

Attributes = Mapping[str, Any]
"""What a file says of itself or of a variable: texts, numbers, arrays by name."""
Named = dict[str, Any]
"""Values by name: a row of a table, the variables of a dataset before they are one."""
Spread = Callable[[Callable[..., Any], Iterable[tuple[Any, ...]]], Iterable[Any]]
"""Calls a function with each tuple of arguments, results in that order: ``itertools.starmap`` here, or on workers."""


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


# --- soil profiles ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shares:
    """Points of profiles, all (point,): ``share`` (0-1) of the stock above ``deepest`` that lies above ``depth`` (m).

    ``profile``: number of the profile a point is of. The deepest point of a profile says nothing (its share is 1) and is
    not among them.
    """

    depth: np.ndarray
    deepest: np.ndarray
    share: np.ndarray
    profile: np.ndarray


@dataclass(frozen=True)
class HalfDepth:
    """b of a vegetation type in m, with standard error and 95 % interval (normal in log b); R2 of the shares; what was used.

    The error allows for points of one profile being alike (sandwich by profile); NaN for one profile. ``bound``: "lower"
    or "upper" where b lies at an end of what is searched: the profiles then are no hyperbola and b has no error.
    """

    value: float
    standard_error: float
    lower: float
    upper: float
    r2: float
    profiles: int
    points: int
    bound: str


@dataclass(frozen=True)
class MeanProfile:
    """Stock of each interval, all (interval,): number of profiles that know it, mean and standard deviation (g m-2).

    ``amplitude`` (g m-2) and ``half_depth`` (m): the hyperbola through the sums of the means, NaN where there is none.
    """

    count: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    amplitude: float
    half_depth: float


@dataclass(frozen=True)
class Curve:
    """A fit to draw: share of the stock of 0-3 m above ``depth`` (m), with the ends of its interval, all (depth,).

    ``observed`` (point,): shares of the points as shares of 0-3 m; profiles that end above 3 m are continued by the fit.
    """

    depth: np.ndarray
    share: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    observed: np.ndarray


# --- sensitivities ---------------------------------------------------------------------------------------------------

HOW = ("sum", "mean", "last", "change")
"""How a quantity is made of years: their sum, their mean, the last of them, the last less the first."""


@dataclass(frozen=True)
class Quantity:
    """A number of each column: ``how`` of the yearly ``variable`` over ``first``-``last`` (inclusive), in ``unit``.

    ``reduction``: how the months make a year ("sum", "mean", "last", "max", "year").
    """

    name: str
    variable: str
    reduction: str
    how: str
    first: int
    last: int
    unit: str

    def __post_init__(self):
        """Refuse a word without meaning."""
        if self.how not in HOW:
            raise InputError(f"quantity '{self.name}': {self.how!r} is unknown; {suggest(self.how, HOW)}")
        if self.last < self.first:
            raise InputError(f"quantity '{self.name}' ends in {self.last} before it begins in {self.first}; swap them")

    def weights(self, years: np.ndarray) -> np.ndarray:
        """Weight of each of ``years`` (year,); raises ``InputError`` where the window is not among them."""
        inside = (years >= self.first) & (years <= self.last)
        if inside.sum() != self.last - self.first + 1:
            raise InputError(
                f"quantity '{self.name}' needs {self.first}-{self.last} but the run has {years[0]}-{years[-1]}; "
                "change the window"
            )
        weights = np.zeros(years.size)
        if self.how == "sum":
            weights[inside] = 1.0
        elif self.how == "mean":
            weights[inside] = 1.0 / inside.sum()
        else:
            weights[years == self.last] += 1.0
            if self.how == "change":
                weights[years == self.first] -= 1.0
        return weights


@dataclass(frozen=True)
class SensitivityAxes:
    """What the axes of sensitivities are: cell and community of each column; the parameters' ``names`` and ``units`` (n,) and
    their values ``vectors`` (column, n); the yearly ``variables``; the ``years`` (year,).
    """

    column_cell: np.ndarray
    communities: tuple[str, ...]
    names: tuple[str, ...]
    units: tuple[str, ...]
    vectors: np.ndarray
    variables: tuple[str, ...]
    years: np.ndarray


def elasticity(derivative: np.ndarray, parameter: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Logarithmic derivative by a parameter, percent per percent; NaN where the value is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        result = derivative * parameter / np.abs(value)
    return np.where(value == 0, np.nan, result)


@dataclass(frozen=True)
class Adjoint:
    """Derivatives of quantities of every column under one scenario.

    ``value`` (column, quantity); ``parameters`` (column, quantity, n) per unit of the parameter; ``air_temperature``,
    ``precipitation``, ``shortwave_radiation`` (column, quantity, year, 12) and ``co2`` (column, quantity, year) of history and
    scenario; ``cycle_...`` the same by the spin-up's mean year (column, quantity, 12), ``cycle_co2`` (column, quantity);
    ``soil_carbon_profile`` (column, quantity, layer) per gC m-2. ``code`` (column,): result code of the equilibrium; where it is
    not 0 all derivatives are NaN.
    """

    scenario: str
    quantities: tuple[Quantity, ...]
    value: np.ndarray
    code: np.ndarray
    parameters: np.ndarray
    air_temperature: np.ndarray
    precipitation: np.ndarray
    shortwave_radiation: np.ndarray
    co2: np.ndarray
    cycle_air_temperature: np.ndarray
    cycle_precipitation: np.ndarray
    cycle_co2: np.ndarray
    soil_carbon_profile: np.ndarray

    def elasticity(self, vectors: np.ndarray) -> np.ndarray:
        """Percent of the quantity per percent of the parameter, (column, quantity, n); NaN where the quantity is 0."""
        return elasticity(self.parameters, vectors[:, None], self.value[..., None])


@dataclass(frozen=True)
class Tangent:
    """Derivative of every yearly output along directions: ``derivative`` (column, direction, variable, year), per unit of the
    parameter, degC or percent; ``value`` (column, variable, year); ``unit`` of each direction; NaN where ``code`` is not 0.
    """

    scenario: str
    directions: tuple[str, ...]
    units: tuple[str, ...]
    value: np.ndarray
    derivative: np.ndarray
    code: np.ndarray


@dataclass(frozen=True)
class Indices:
    """Sensitivity indices of each place (a column, or the region) and quantity with 95 % confidence half-widths.

    All arrays (place, quantity, p). ``method`` "sobol": ``first`` and ``total`` are shares of the variance. "morris":
    ``first`` is mu (mean elementary effect over the parameter's whole range, unit of the quantity), ``total`` is mu*;
    ``spread`` sigma. ``runs``: samples of a place; ``kept``: of ``groups`` blocks of the sampling plan, those without a failed
    run (place, quantity).
    """

    method: str
    names: tuple[str, ...]
    bounds: np.ndarray
    quantities: tuple[Quantity, ...]
    first: np.ndarray
    first_interval: np.ndarray
    total: np.ndarray
    total_interval: np.ndarray
    spread: np.ndarray
    runs: int
    groups: int
    kept: np.ndarray


@dataclass(frozen=True)
class Propagated:
    """Quantities under an uncertain model, for each scenario and for the last scenario less the first.

    ``rows``: (scenario or difference, quantity) names. ``scales`` (k,): factors on the standard deviations. ``best`` (row,);
    ``slope`` (row, p): derivative by a relative change of each parameter; ``linear`` (k, row): standard deviation J C J';
    ``mean``, ``deviation`` (k, row), ``quantiles`` (k, row, 3): 5, 50, 95 % of the ensemble; ``agreement`` (k, row): squared
    correlation of the ensemble with its linear prediction; ``deviation_error`` (k, row): sampling error of ``deviation`` by
    bootstrap (too large where the model is linear, because the draws have the covariance exactly).
    ``kept`` (k,): samples without a failed column, of ``samples``.
    """

    rows: tuple[tuple[str, str], ...]
    names: tuple[str, ...]
    unit: str
    scales: np.ndarray
    best: np.ndarray
    slope: np.ndarray
    linear: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    deviation_error: np.ndarray
    quantiles: np.ndarray
    agreement: np.ndarray
    kept: np.ndarray
    samples: int
    source: str
