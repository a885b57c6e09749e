"""The way of a chunk of columns through equilibrium, history and scenario: values, derivatives along directions, and back.

A column goes through the equilibrium (implicit derivative, ``run.equilibrium``), history, the base year of ``layered`` and a
scenario, leg by leg (``run.course.legs``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from jtem import step
from jtem.physics.permafrost import Thaw
from jtem.run import batch, course, years
from jtem.run.course import THAW, Leg, Stage
from jtem.state import Cell, Climate, Controls
from jtem.study.sensitivity.model import Chain, ColumnModel, Vector

BLOCK_YEARS = 50
"""At most so many years in one compiled block; reverse mode keeps the states between blocks and those of one block's years."""


# --- compiled pieces ---------------------------------------------------------------------------------------------------
# The way of a column is cut at its legs, and years into blocks of one length: a piece compiles once whatever the plan's years,
# and reverse mode keeps the states between blocks instead of everything. A piece takes what may move (first the vector, already
# put into a row of parameters), what stays (the cell) and what all columns share; it gives a value and a code, the code without
# a derivative.


def _spin(chain: Chain, shared: PyTree, moving: tuple, cell: Cell, differentiable: bool) -> tuple[PyTree, jax.Array]:
    """(vector, cycle) to (state, thaw) and the equilibrium's code."""
    del shared
    row, cycle = moving
    spun = course.spin(
        row, cell, years.mean_year(cycle), design=chain.design, method="equilibrium", heat_years=chain.heat_years,
        settings=chain.settings, differentiable=differentiable,
    )  # fmt: skip
    return (spun.state, spun.thaw), spun.solver["code"]


def _fill(chain: Chain, shared: PyTree, moving: tuple, cell: Cell, differentiable: bool) -> tuple[PyTree, jax.Array]:
    """(vector, state, thaw, profile) to the state with its frozen stores filled."""
    del shared, differentiable
    row, state, thaw, profile = moving
    cell = replace(cell, soil_carbon_profile=profile)
    return course.fill(row, state, cell, thaw, design=chain.design), jnp.zeros(())


def _years(chain: Chain, shared: PyTree, moving: tuple, cell: Cell, differentiable: bool) -> tuple[PyTree, jax.Array]:
    """A block of years: (vector, state, climate) to (state, outputs (row, year)). ``shared``: which years run, controls.

    A row a variable; a layered one, which must come after the others, has a row a layer.
    """
    del differentiable
    row, state, climate = moving
    active, controls = shared
    state, out = years.simulate(
        state, climate, cell, row, controls, design=chain.design, selection=chain.selection, active=active
    )
    rows = [out["annual"][name] for name, _ in chain.selection.annual]
    series = jnp.concatenate([values.reshape(values.shape[0], -1).T for values in rows])
    return (state, series), jnp.zeros(())


Piece = Callable[[Chain, PyTree, tuple, Cell, bool], tuple[PyTree, jax.Array]]
"""(chain, shared, moving, cell, differentiable) to a value and a code."""


def _stacked(
    piece: Piece, chain: Chain, vector: Vector, shared: PyTree, rows: step.Parameters, moving: tuple, cells: Cell,
    differentiable: bool,
) -> tuple[PyTree, jax.Array]:  # fmt: skip
    def one(row: step.Parameters, moves: tuple, cell: Cell) -> tuple[PyTree, jax.Array]:
        return piece(chain, shared, (vector.put(row, moves[0]), *moves[1:]), cell, differentiable)

    return jax.vmap(one)(rows, moving, cells)


def _swapped(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), tree)


def _forward(
    shared: PyTree, rows: step.Parameters, moving: tuple, cells: Cell, *, piece: Piece, chain: Chain, vector: Vector
) -> tuple[PyTree, jax.Array]:
    """Value and code of stacked columns."""
    return _stacked(piece, chain, vector, shared, rows, moving, cells, False)


def _adjoint(
    shared: PyTree,
    rows: step.Parameters,
    moving: tuple,
    cells: Cell,
    seeds: PyTree,
    *,
    piece: Piece,
    chain: Chain,
    vector: Vector,
) -> PyTree:
    """Derivatives by ``moving`` (column, quantity, ...) of the value weighted by ``seeds`` (column, quantity, ...)."""
    _, pull, _ = jax.vjp(lambda m: _stacked(piece, chain, vector, shared, rows, m, cells, True), moving, has_aux=True)
    return _swapped(jax.lax.map(lambda seed: pull(seed)[0], _swapped(seeds)))


def _tangent(
    shared: PyTree,
    rows: step.Parameters,
    moving: tuple,
    cells: Cell,
    seeds: PyTree,
    *,
    piece: Piece,
    chain: Chain,
    vector: Vector,
) -> tuple[PyTree, PyTree, jax.Array]:
    """Value, derivative of the value along ``seeds`` (column, direction, ...) of ``moving``, and code."""

    def along(seed: PyTree) -> PyTree:
        value, moved, code = jax.jvp(
            lambda m: _stacked(piece, chain, vector, shared, rows, m, cells, True), (moving,), (seed,), has_aux=True
        )
        return (value, code), moved

    (value, code), moved = jax.vmap(along, out_axes=(None, 0))(_swapped(seeds))
    return value, _swapped(moved), code


# --- one chunk of columns ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Block:
    """Years ``rows`` of stage number ``stage``; ``live`` of them run."""

    stage: int
    rows: np.ndarray
    live: int


@dataclass(frozen=True)
class _Played:
    """A piece that has run: which leg or block it was and what moved in it."""

    piece: Piece
    where: Leg | _Block | None
    moving: tuple
    shared: PyTree


class Walk:
    """The way of one chunk of columns: walked forward, alone or with derivatives along directions, then backward.

    What moves on the way is a tuple: the value (column, ...) and, in tangent mode, its derivatives (column, direction, ...).
    """

    def __init__(self, model: ColumnModel, scenario: str, size: int, devices: tuple):
        self.model, self.chain, self.devices, self.size = model, model.chain, devices, size
        self.rows, self.vectors, self.cells = map(self.placed, (model.rows, model.vectors, model.cells))
        drivers = model.drivers[scenario]
        self.cycle, self.climates = self.placed(drivers.cycle), [self.padded(part) for part in drivers.parts]
        self.legs = tuple(course.legs(model.stages))
        self.names = list(model.variables)
        longest = model.stages[-1].years
        self.block = -(-longest // -(-longest // BLOCK_YEARS))

    def padded(self, tree: PyTree) -> PyTree:
        """Host arrays (column, ...), padded."""
        return batch.pad_cells(jax.tree.map(np.asarray, tree), self.size)

    def placed(self, tree: PyTree) -> PyTree:
        """The same on the devices."""
        return self.on_devices(self.padded(tree))

    def on_devices(self, tree: PyTree) -> PyTree:
        """Padded host arrays on the devices: arguments of a piece are placed alike, else it would compile once more."""
        return batch.place(tree, self.devices)

    def call(self, piece: Piece, mode: Callable[..., PyTree], shared: PyTree, moving: tuple, *seeds: PyTree) -> PyTree:
        """A piece of all columns."""
        program = batch.compiled(
            mode, self.devices, each=False, piece=piece, chain=self.chain, vector=self.model.vector
        )
        shared = np.zeros(()) if shared is None else shared
        return program(shared, self.rows, moving, self.cells, *seeds)

    def blocks(self, stage: int) -> list[_Block]:
        """Years of a stage in blocks of one length."""
        length = self.model.stages[stage].years
        spans = [np.arange(first, first + self.block) for first in range(0, length, self.block)]
        return [_Block(stage, np.minimum(span, length - 1), int((span < length).sum())) for span in spans]

    def switches(self, block: _Block) -> tuple[np.ndarray, Controls]:
        """Which years run, and their controls."""
        stage = self.model.stages[block.stage]
        active = np.arange(self.block) < block.live
        return active, years.constant_controls(self.block, expose=stage.expose, follow=stage.follow)

    def base(self, leg: Leg, series: np.ndarray) -> Thaw:
        """Mean thaw of the years that a leg fills from; ``series`` (..., variable, year), on the host."""
        assert leg.base is not None
        window = np.asarray(_mean_of_years(series[..., leg.base[0] : leg.base[1] + 1]))
        return Thaw(*self.on_devices([window[..., self.names.index(name)] for name in THAW]))

    def walk(self, steps: PyTree | None = None, tape: list[_Played] | None = None):
        """All legs: outputs (column, variable, year), codes, end state; each with derivatives along ``steps`` where given.

        ``steps``: directions of vectors and drivers, (column, direction, ...). ``tape`` takes the pieces in order. Stages that
        share a leg (the runs of a factorial) all start from its beginning; their years follow one another in the outputs.
        """
        still = self.cells.soil_carbon_profile
        profile, vectors, cycle = (still,), (self.vectors,), (self.cycle,)
        climates = [(climate,) for climate in self.climates]
        if steps is not None:
            by_vector, drivers = steps[0], steps[1]
            vectors, cycle = (*vectors, self.placed(by_vector)), (*cycle, self.placed(drivers.cycle))
            climates = [(*one, self.padded(moved)) for one, moved in zip(climates, drivers.parts, strict=True)]
            zero = np.zeros((still.shape[0], by_vector.shape[1], *still.shape[1:]), still.dtype)
            profile = (still, self.on_devices(zero))

        def play(piece: Piece, where: Leg | _Block | None, shared: PyTree, *moving: PyTree) -> tuple[list, jax.Array]:
            values, *seeds = zip(*moving, strict=True)
            if tape is not None:
                tape.append(_Played(piece, where, values, shared))
            if seeds:
                *results, code = self.call(piece, _tangent, shared, values, seeds[0])
            else:
                *results, code = self.call(piece, _forward, shared, values)
            return results, code

        results, code = play(_spin, None, None, vectors, cycle)
        state, thaw = zip(*results, strict=True)
        series, whole = (), []
        for leg in self.legs:
            if leg.kind == "fill":
                source = thaw if leg.base is None else tuple(self.base(leg, part) for part in series)
                state, _ = play(_fill, leg, None, vectors, state, source, profile)
            elif leg.kind == "years":
                begin = state
                for stage in leg.stages:
                    state, parts = begin, []
                    for block in self.blocks(self.model.stages.index(stage)):
                        climate = tuple(
                            self.on_devices(_years_of(tree, block, axis))
                            for axis, tree in enumerate(climates[block.stage], 1)
                        )
                        results, _ = play(_years, block, self.switches(block), vectors, state, climate)
                        state, values = zip(*results, strict=True)
                        parts.append([np.asarray(part)[..., : block.live] for part in values])
                    series = tuple(np.concatenate(pieces, axis=-1) for pieces in zip(*parts, strict=True))
                    whole.append(series)
        outputs = tuple(np.concatenate(pieces, axis=-1) for pieces in zip(*whole, strict=True))
        return outputs, code, state

    def forward(self):
        """Outputs (column, variable, year) and codes."""
        outputs, code, _ = self.walk()
        return outputs[0], code

    def tangent(self, steps: PyTree) -> tuple[np.ndarray, jax.Array, np.ndarray]:
        """Outputs, codes and derivatives (column, direction, variable, year) along ``steps``."""
        (y, moved), code, _ = self.walk(steps)
        return y, code, moved

    def adjoint(self, weights: np.ndarray):
        """Outputs, codes and the gradients of every quantity; ``weights`` (column, quantity, variable, year)."""
        if any(len(leg.stages) > 1 for leg in self.legs):
            raise ValueError("reverse mode goes back one way; give a model of one scenario")
        tape: list[_Played] = []
        (y,), code, (state,) = self.walk(tape=tape)
        weights = self.padded(weights.astype(y.dtype))
        count, first, seeds = weights.shape[1], 0, []
        for stage in self.model.stages:
            seeds.append(weights[..., first : first + stage.years].copy())
            first += stage.years

        def zeros(tree: PyTree) -> PyTree:
            return jax.tree.map(lambda leaf: np.zeros((leaf.shape[0], count, *leaf.shape[1:]), leaf.dtype), tree)

        no_thaw = Thaw(*self.on_devices([zeros(y[:, 0, 0]) for _ in THAW]))
        by_state, by_thaw = self.on_devices(zeros(state)), no_thaw
        by_vector, by_profile = zeros(self.vectors), zeros(self.cells.soil_carbon_profile)
        by_climates, by_cycle = [zeros(climate) for climate in self.climates], None
        while tape:
            played = tape.pop()
            where, again = played.where, (played.piece, _adjoint, played.shared, played.moving)
            if isinstance(where, _Block):
                outputs = np.pad(
                    seeds[where.stage][..., where.rows[: where.live]], [(0, 0)] * 3 + [(0, self.block - where.live)]
                )
                more, by_state, climate = self.call(*again, (by_state, self.on_devices(outputs)))
                _add(by_climates[where.stage], climate, where)
            elif where is not None:
                more, by_state, by_thaw, profile = self.call(*again, by_state)
                by_profile += np.asarray(profile)
                if where.base is not None:  # the thaw is the mean of outputs of this stage
                    stage, (low, high) = self.model.stages.index(where.stages[0]), where.base
                    for name in THAW:
                        share = np.asarray(getattr(by_thaw, name)) / (high - low + 1)
                        seeds[stage][:, :, self.names.index(name), low : high + 1] += share[..., None]
                    by_thaw = no_thaw
            else:
                more, by_cycle = self.call(*again, (by_state, by_thaw))
            by_vector += np.asarray(more)
        return y, code, by_vector, by_cycle, _untied(by_climates, self.model.stages), by_profile


@jax.jit
def _mean_of_years(series: jax.Array) -> jax.Array:
    return series.mean(axis=-1)


def _years_of(climate: Climate, block: _Block, axis: int) -> Climate:
    """The block's years; they are on axis 1 of values, 2 of derivatives."""
    return jax.tree.map(lambda leaf: leaf[(slice(None),) * axis + (block.rows,)], climate)


def _add(total: Climate, part: Climate, block: _Block) -> None:
    """Add the gradient of a block's years (column, quantity, year, ...) to that of the stage, on the host."""
    rows = block.rows[: block.live]
    for whole, leaf in zip(jax.tree.leaves(total), jax.tree.leaves(part), strict=True):
        whole[:, :, rows] += np.asarray(leaf)[:, :, : block.live]


def _untied(gradients: Sequence[Climate], stages: Sequence[Stage]) -> list[Climate]:
    """The January after a year is the next year's own: its derivative joins that month's (column, quantity, year, ...).

    After a stage it is the last December again, or where the stage goes on that of the next stage (none: a month outside).
    """
    air = [gradient.air_temperature.copy() for gradient in gradients]
    for k, (gradient, stage) in enumerate(zip(gradients, stages, strict=True)):
        after = gradient.following_air_temperature
        air[k][:, :, 1:, 0] += after[:, :, :-1]
        if not stage.goes_on:
            air[k][:, :, -1, 11] += after[:, :, -1]
        elif k + 1 < len(air):
            air[k + 1][:, :, 0, 0] += after[:, :, -1]
    return [
        replace(
            gradient, air_temperature=one, following_air_temperature=np.zeros_like(gradient.following_air_temperature)
        )
        for gradient, one in zip(gradients, air, strict=True)
    ]


def tied(direction: Climate) -> Climate:
    """The same for a direction: what follows a year moves with the next January."""
    air = direction.air_temperature
    return replace(direction, following_air_temperature=np.concatenate([air[:, 1:, 0], air[:, -1:, 11]], axis=1))


def in_chunks(model: ColumnModel, scenario: str, chunk: int, way: Callable[..., PyTree], *given: PyTree) -> PyTree:
    """What the method ``way`` of :class:`Walk` makes of chunks of one size (the last one padded, its padding dropped), joined as
    host arrays; ``given``: its arguments (column, ...), of all columns.
    """
    count = model.columns
    size = min(chunk, count)
    size += -size % jax.local_device_count()
    spans = [slice(start, min(start + size, count)) for start in range(0, count, size)]
    bare = model.bare(scenario)
    tasks = (
        (way, bare.take(span), scenario, size, jax.tree.map(lambda leaf, span=span: leaf[span], given))
        for span in spans
    )
    pieces = []
    for span, piece in zip(spans, model.spread(walked, tasks), strict=True):
        pieces.append(piece)
        if model.report is not None:
            model.report(scenario, span.stop, count, "columns")
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *pieces)


def walked(way: Callable[..., PyTree], model: ColumnModel, scenario: str, size: int, given: tuple) -> PyTree:
    """One chunk of :func:`in_chunks`: all columns of ``model``, padded to ``size``."""
    result = way(Walk(model, scenario, size, tuple(jax.local_devices())), *given)
    return jax.tree.map(lambda leaf: np.asarray(leaf)[: model.columns], result)
