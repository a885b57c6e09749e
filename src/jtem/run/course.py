"""The course of a column: spin-up, then stages of years; frozen stores are filled before or after the years of a stage.

Nouns (:class:`SpinUp`, :class:`Stage`, :class:`Experiment`), the order of work (:func:`legs`, :func:`families`), and what a leg
does to one column (:func:`start`, :func:`spin`, :func:`fill`; years are ``run.years``). Whoever runs or differentiates an
experiment walks its legs.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from jtem import step
from jtem.errors import InputError, suggest
from jtem.physics.permafrost import Thaw
from jtem.records import Selection
from jtem.run import equilibrium, spinup, years
from jtem.state import Cell, Climate, Controls

ClimateLoader = Callable[[np.ndarray], Climate]
"""Cell indices -> stacked climate of the stage as host arrays (cell, year, 12); called once a chunk and stage."""

METHODS = ("repeat", "equilibrium")
"""How carbon and nitrogen are spun up."""

THAW = ("active_layer_thickness", "maximum_unfrozen_thickness")
"""Yearly outputs that make a :class:`jtem.physics.permafrost.Thaw`, in its order."""


# --- nouns -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SpinUp:
    """How the state before history is made. The climate loader gives one cycle (cell, cycle year, 12).

    ``heat_years`` of soil heat under the cycle's mean year (deep profile reset in years 3, 6, 10), then ``years`` of water,
    carbon and nitrogen on that periodic heat with soil nitrogen tied to soil carbon (``baseline``), then
    ``cycle_years`` of the whole model cycling the given years with closed nitrogen.

    ``method``: "repeat" runs those ``years``; "equilibrium" solves for the state that the repeated year does not change and
    runs ``years`` only for columns in which that fails.
    """

    climate: ClimateLoader
    heat_years: int = 60
    years: int = 1000
    cycle_years: int = 0
    method: str = "repeat"

    def __post_init__(self):
        """Refuse a word without meaning."""
        if self.method not in METHODS:
            raise ValueError(f"spin-up method '{self.method}' is unknown; use one of {', '.join(METHODS)}")


@dataclass(frozen=True)
class Stage:
    """One transient run of consecutive years.

    ``parent``: stage whose last state starts this one ("spinup" first). ``begin``: "start" fills the frozen stores before
    the first year from the thaw of the year before; "base_years" fills them after the last year from the mean active layer of
    ``base_years`` (children then expose); "" leaves them. ``expose``: thaw moves matter. ``follow``: accessible shares
    follow the active layer; both False hold it.

    Stages with equal ``heat_key`` have the same air temperature and precipitation, with equal ``water_key`` the same
    climate but for CO2: their heat and water run once. Without keys a stage shares with those that have its loader.
    ``roots``: where roots may follow thaw, whether they do; ``abrupt``: where ground may thaw abruptly, whether it does.
    ``thaw_climate``: water and photosynthesis see the thaw of ground under this climate in place of the stage's own;
    ``thaw_key`` as ``heat_key``. ``goes_on``: its last December leads to a January of its own climate, not to itself; to that of
    the stage that it is the parent of, if there is one.
    """

    name: str
    first_year: int
    last_year: int
    climate: ClimateLoader
    parent: str = "spinup"
    expose: bool = False
    follow: bool = True
    roots: bool = True
    abrupt: bool = True
    begin: str = ""
    base_years: tuple[int, int] | None = None
    heat_key: Hashable = None
    water_key: Hashable = None
    thaw_climate: ClimateLoader | None = None
    thaw_key: Hashable = None
    goes_on: bool = False

    @property
    def years(self) -> int:
        """Number of years."""
        return self.last_year - self.first_year + 1

    def controls(self, length: int) -> Controls:
        """Its switches in each of ``length`` years."""
        return years.constant_controls(
            length, expose=self.expose, follow=self.follow, roots=self.roots, abrupt=self.abrupt
        )

    @property
    def heat(self) -> Hashable:
        """Stages that have this in common have the same months of heat."""
        return self.heat_key if self.heat_key is not None else ("loader", id(self.climate))

    @property
    def thaw(self) -> Hashable:
        """Stages whose water and photosynthesis see the same thaw have this in common."""
        if self.thaw_climate is None:
            return self.heat
        return self.thaw_key if self.thaw_key is not None else ("loader", id(self.thaw_climate))

    @property
    def water(self) -> Hashable:
        """Stages that have this in common have the same climate but for CO2."""
        return self.water_key if self.water_key is not None else ("loader", id(self.climate))

    @property
    def base(self) -> tuple[int, int]:
        """Rows (first, last) of the years whose mean thaw fills the frozen stores after this stage."""
        first, last = self.base_years or (self.last_year, self.last_year)
        return first - self.first_year, last - self.first_year


@dataclass(frozen=True)
class Experiment:
    """Everything a run needs, as host arrays and frozen choices.

    ``columns``: stacked cells of the model (a mosaic cell gives several columns); ``column_cell``: index of the grid cell of
    each column, handed to the climate loaders. ``initial_states``: of stages that other stages start from and that do not run
    here ("spinup" where ``spin_up`` is None), host arrays with leading column axis; see :func:`continued`.
    """

    design: step.Design
    parameters: step.Parameters
    columns: Cell
    column_cell: np.ndarray
    spin_up: SpinUp | None
    stages: tuple[Stage, ...]
    selection: Selection
    initial_states: Mapping[str, step.State] = field(default_factory=dict)
    chunk_columns: int = 1024
    block_years: int = 10
    passes: str = "auto"  # "inline": heat, water, carbon in one step; "split": apart; "auto": apart where it saves heat

    @property
    def splits(self) -> bool:
        """Whether heat, water and carbon run apart: as ordered, or where a stage sees the thaw of another climate, or where that
        saves a heat pass.
        """
        if any(stage.thaw_climate is not None for stage in self.stages):
            return True
        if self.passes != "auto":
            return self.passes == "split"
        return heat_passes(self.stages) < len(self.stages)


def continued(experiment: Experiment, stage: str, state: step.State) -> Experiment:
    """The experiment that goes on from the states (host arrays, leading column axis) at the end of ``stage``.

    "spinup" is before the first stage. Only stages that descend from ``stage`` are kept. Raises ``InputError`` where there are
    none, and where the first of them fills its frozen stores from the thaw of the spin-up, which a state does not hold.
    """
    known, kept = {stage}, []
    for one in experiment.stages:
        if one.parent in known:
            known.add(one.name)
            kept.append(one)
    names = ["spinup", *(one.name for one in experiment.stages)]
    if not kept:
        raise InputError(f"no stage of the experiment starts from '{stage}'; {suggest(stage, names)}")
    if any(one.parent == stage and one.begin == "start" for one in kept):
        raise InputError(
            f"stage '{kept[0].name}' needs the thaw of the spin-up, which a state does not hold; go on from a later stage"
        )
    return dataclasses.replace(experiment, spin_up=None, stages=tuple(kept), initial_states={stage: state})


def ensemble(experiment: Experiment, members: Sequence[step.Parameters]) -> Experiment:
    """The experiment with every parameter set of ``members`` on all of its columns, in one compiled program.

    Columns of the first set come first, then those of the second (:meth:`jtem.run.memory.Results.member` takes them apart).
    ``members``: trees with a leading community axis, as ``experiment.parameters``. ``chunk_columns`` is multiplied, so that
    the sets of a chunk run together; set it smaller where memory is short. Raises ``InputError`` for no set.
    """
    if not members:
        raise InputError("an ensemble needs at least one parameter set")
    count, communities = len(members), jax.tree.leaves(members[0])[0].shape[0]

    def tiled(tree: PyTree) -> PyTree:
        return jax.tree.map(lambda leaf: np.tile(leaf, (count, *[1] * (np.ndim(leaf) - 1))), tree)

    columns = tiled(experiment.columns)
    shift = np.repeat(np.arange(count) * communities, len(experiment.column_cell))
    community = np.asarray(columns.community)
    return dataclasses.replace(
        experiment,
        parameters=jax.tree.map(lambda *leaves: jnp.concatenate([jnp.asarray(leaf) for leaf in leaves]), *members),
        columns=dataclasses.replace(columns, community=(community + shift).astype(community.dtype)),
        column_cell=np.tile(experiment.column_cell, count),
        initial_states={name: tiled(state) for name, state in experiment.initial_states.items()},
        chunk_columns=experiment.chunk_columns * count,
    )


# --- order -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Leg:
    """One piece of a column's way: "spin" it up, "fill" its frozen stores, or run the "years" of stages.

    ``stages``: those that run together. ``base``: for a fill, rows of the years before it whose mean thaw it takes; None: the
    thaw of the year before.
    """

    kind: Literal["spin", "fill", "years"]
    stages: tuple[Stage, ...] = ()
    base: tuple[int, int] | None = None


def legs(stages: Sequence[Stage], *, spins: bool = True) -> Iterator[Leg]:
    """The way of a column through its spin-up and all stages."""
    if spins:
        yield Leg("spin")
    for family in families(stages):
        first = family[0]
        if first.begin == "start":
            yield Leg("fill", family)
        yield Leg("years", family)
        if first.begin == "base_years":
            yield Leg("fill", family, first.base)


def families(stages: Sequence[Stage]) -> list[tuple[Stage, ...]]:
    """Neighbouring stages that start from one state and span the same years; they may share heat and water."""
    result: list[tuple[Stage, ...]] = []
    for stage in stages:
        mate = result[-1][0] if result else None
        same = mate is not None and (mate.parent, mate.first_year, mate.last_year) == (
            stage.parent,
            stage.first_year,
            stage.last_year,
        )
        if same and not (stage.begin or (mate and mate.begin)):
            result[-1] = (*result[-1], stage)
        else:
            result.append((stage,))
    return result


def heat_passes(stages: Sequence[Stage]) -> int:
    """How many times the years of these stages go through soil heat when it is shared."""
    return sum(len({key for stage in family for key in (stage.heat, stage.thaw)}) for family in families(stages))


@dataclass(frozen=True)
class WorkUnit:
    """Legs of a chunk after which its work is remembered: the spin-up, or a family of stages. ``years`` a column."""

    name: str
    legs: tuple[Leg, ...]
    stages: tuple[Stage, ...]
    years: int


def itinerary(experiment: Experiment) -> list[WorkUnit]:
    """Units of work of a chunk, in order."""
    spin, result = experiment.spin_up, []
    if spin is not None:
        result.append(WorkUnit("spinup", (Leg("spin"),), (), spin.heat_years + spin.cycle_years))
    for family in families(experiment.stages):
        name = family[0].name if len(family) == 1 else f"{family[0].name}+{len(family) - 1}"
        result.append(WorkUnit(name, tuple(legs(family, spins=False)), family, sum(stage.years for stage in family)))
    return result


def units(experiment: Experiment) -> list[str]:
    """Names of the units of work of a chunk, in order: what a ``Checkpoint`` remembers."""
    return [unit.name for unit in itinerary(experiment)]


def chunks(experiment: Experiment) -> list[slice]:
    """Columns of every chunk."""
    count = len(experiment.column_cell)
    size = min(experiment.chunk_columns, count)
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


# --- one column --------------------------------------------------------------------------------------------------------------


def start(
    parameters: step.Parameters, cell: Cell, year: Climate, *, design: step.Design
) -> tuple[step.Column, step.State]:
    """Derived parameters of a column and its state at the first January of a year of climate (fields (12,))."""
    column = step.derive(parameters, cell, design)
    return column, step.start(column, cell, year.air_temperature, year.shortwave_radiation, design)


class Spun(NamedTuple):
    """A column after its spin-up: state, thaw of the last year, drift; ``solver``: what the equilibrium says of itself.

    ``ground``: largest change of a soil layer over the last year of heat (K).
    """

    state: step.State
    thaw: Thaw
    drift: spinup.Drift
    solver: dict[str, Array]
    ground: Array


SOLVER = ("code", "residual", "iterations")
"""What the equilibrium solver says of a column."""


def spin(
    parameters: step.Parameters,
    cell: Cell,
    year: Climate,
    *,
    design: step.Design,
    method: str,
    heat_years: int,
    years: int = 1000,
    settings: equilibrium.Settings | None = None,
    differentiable: bool = False,
) -> Spun:
    """A column through periodic heat and, by ``method``, ``years`` of carbon or its equilibrium, all on one repeated year.

    ``differentiable`` (equilibrium only): derivatives are those of the fixed points.
    """
    _, state = start(parameters, cell, year, design=design)
    if method == "repeat":
        state, drift, heat = spinup.spin_up(
            state, year, cell, parameters, heat_years=heat_years, years=years, design=design
        )
        return Spun(state, heat.thaw, drift, {}, heat.largest_change)
    state, found, heat = equilibrium.spin_up(
        state, year, cell, parameters, heat_years=heat_years, design=design, settings=settings,
        differentiable=differentiable,
    )  # fmt: skip
    return Spun(state, heat.thaw, found.drift, {name: getattr(found, name) for name in SOLVER}, heat.largest_change)


def fill(parameters: step.Parameters, state: step.State, cell: Cell, thaw: Thaw, *, design: step.Design) -> step.State:
    """Fill the frozen stores of a column from what the active layer does not reach."""
    return step.begin_permafrost(state, cell, step.derive(parameters, cell, design), thaw, design)


# --- many columns, where they are -------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def _start_all(design: step.Design):
    return jax.jit(jax.vmap(lambda p, c, y: start(p, c, y, design=design)[1], in_axes=(None, 0, 0)))


@functools.lru_cache(maxsize=64)
def _fill_all(design: step.Design):
    return jax.jit(jax.vmap(functools.partial(fill, design=design), in_axes=(None, 0, 0, 0)))


def initial_states(parameters: step.Parameters, cells: Cell, climate: Climate, *, design: step.Design) -> step.State:
    """States of all cells at the first January, from the first year of ``climate`` (leading cell axis)."""
    return _start_all(design)(parameters, cells, jax.tree.map(lambda leaf: leaf[:, 0], climate))


def begin_permafrost(
    state: step.State, cells: Cell, parameters: step.Parameters, thaw: Thaw, *, design: step.Design
) -> step.State:
    """:func:`fill` for all cells (leading cell axis)."""
    return _fill_all(design)(parameters, state, cells, thaw)


def state_like(experiment: Experiment) -> PyTree:
    """Shapes of the state of one column."""
    one = experiment.column_cell[:1]
    climate = jax.tree.map(
        lambda leaf: np.asarray(leaf[:, :1], experiment.design.pool_dtype), experiment.stages[0].climate(one)
    )
    cells = jax.tree.map(lambda leaf: leaf[:1], experiment.columns)
    return jax.eval_shape(
        lambda p, c, y: initial_states(p, c, y, design=experiment.design), experiment.parameters, cells, climate
    )
