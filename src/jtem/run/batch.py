"""Space: many columns in one compiled program. ``vmap``, tiles that fit a core's cache, devices, padding.

:func:`compiled` keeps one program a (function, devices, fixed arguments) for as long as the process lives, so that a second
run of the same design, shapes and selection compiles nothing. Numbers are arguments of the programs, never closed over.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree

from jtem import step
from jtem.physics.soil_heat import ThermalState
from jtem.records import Selection
from jtem.run import years
from jtem.run.years import Outputs
from jtem.state import AnyArray, Cell, Climate, Controls

TILE = 128
"""Columns that a CPU core takes at a time: their state and drivers of a month stay in its cache."""
LANES = 16
"""Tiles are padded to a multiple of this many columns: a vector of float32."""


# --- programs ------------------------------------------------------------------------------------------------------------


class Program:
    """A compiled function; :meth:`compiles` says whether a call will have to compile first."""

    def __init__(self, function: Callable[..., PyTree], shared: int, split: NamedSharding | None = None):
        """``function`` compiles at the first call with arguments of a shape, or :meth:`ahead` of it.

        ``shared``: its first arguments that all columns have in common; the others lead with the column axis. ``split``: how
        its results lie on the devices. Said here, for shard_map gives arrays of no elements whole to each
        (``findings/jax_empty_arrays_lose_sharding.sh``), which a program compiled ahead would not take.
        """
        self.jitted, self.shared = jax.jit(function, out_shardings=split), shared
        self._devices = 1 if split is None else split.num_devices
        self._known: set = set()
        self._ahead: dict[tuple, tuple[Future, PyTree]] = {}

    def __call__(self, *arguments: PyTree) -> PyTree:
        """Call it; waits where it still compiles."""
        shapes = _shapes(arguments)
        self._known.add(shapes)
        made = self._ahead.get(shapes)
        return (self.jitted if made is None else made[0].result())(*arguments)

    def in_parts(self, parts: int, *arguments: PyTree) -> PyTree:
        """What a call gives, as host arrays, made of so many parts of the columns one after the other."""
        given, stacked = arguments[: self.shared], jax.tree.map(np.asarray, arguments[self.shared :])
        count = jax.tree.leaves(stacked)[0].shape[0]
        size = -(-count // parts)
        size += -size % self._devices
        made = []
        for first in range(0, count, size):
            some = pad_cells(jax.tree.map(lambda leaf, first=first: leaf[first : first + size], stacked), size)
            made.append(jax.tree.map(np.asarray, self(*given, *some)))
        return jax.tree.map(lambda *leaves: np.concatenate(leaves)[:count], *made)

    def ahead(self, *arguments: PyTree) -> PyTree:
        """Compile for arguments of these shapes while others go on; returns the shapes of what it will give.

        Arguments are arrays or :func:`shape_of` them. It is traced now and compiled in a thread: XLA needs no Python.
        """
        shapes = _shapes(arguments)
        if shapes not in self._ahead:
            lowered = self.jitted.lower(*arguments)
            self._ahead[shapes] = _threads().submit(lowered.compile), lowered.out_info
        return self._ahead[shapes][1]

    def compiles(self, *arguments: PyTree) -> bool:
        """Whether arguments of these shapes come for the first time."""
        return _shapes(arguments) not in self._known

    def compilations(self) -> int:
        """Number of compiled versions, one a shape."""
        return self.jitted._cache_size() + len(self._ahead)  # pyright: ignore[reportAttributeAccessIssue]


@functools.lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    """Threads that compile: a program is optimised on one core, and only its last part on several."""
    return ThreadPoolExecutor(max(2, jax.local_device_count()), thread_name_prefix="compile")


def shape_of(tree: PyTree, devices: tuple, lead: tuple[int, ...] | None = None):
    """Shapes of stacked columns on the devices, for :meth:`Program.ahead`; ``lead`` takes the place of their first axes."""
    split = None if len(devices) == 1 else NamedSharding(_mesh(devices), PartitionSpec("cell"))

    def one(leaf: AnyArray | jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
        shape = leaf.shape if lead is None else (*lead, *leaf.shape[len(lead) :])
        return jax.ShapeDtypeStruct(shape, leaf.dtype, sharding=split)

    return jax.tree.map(one, tree)


def _mesh(devices: tuple) -> jax.sharding.Mesh:
    return jax.sharding.Mesh(np.array(devices), ("cell",))


def _shapes(arguments: tuple) -> tuple:
    leaves, structure = jax.tree.flatten(arguments)
    return structure, tuple((np.shape(leaf), getattr(leaf, "dtype", type(leaf))) for leaf in leaves)


@functools.lru_cache(maxsize=256)
def compiled(
    function: Callable[..., PyTree],
    devices: tuple,
    *,
    shared: int = 1,
    each: bool = True,
    per_cell: int = 1,
    **fixed: Hashable,
) -> Program:
    """``function(*shared, *stacked, **fixed)`` compiled, with the stacked arguments split over the devices and in tiles.

    The first ``shared`` arguments are the same for all columns; the others and all results lead with the cell axis. ``each``:
    ``function`` is of one column; else of stacked columns, which it must treat alike, making ``per_cell`` columns of each.
    Define ``function`` once, outside of other functions: it is part of the key under which the program is kept. A ``design``
    is made that of the devices' platform.
    """
    if isinstance(design := fixed.get("design"), step.Design):
        fixed["design"] = design.on(devices[0].platform)

    def tiled(*arguments: PyTree) -> PyTree:
        one = functools.partial(function, *arguments[:shared], **fixed)
        return in_tiles(jax.vmap(one) if each else one, arguments[shared:], devices, per_cell=per_cell)

    tiled.__name__ = getattr(function, "__name__", "columns")  # what logs of the compiler show
    if len(devices) == 1:
        return Program(tiled, shared)
    mesh = _mesh(devices)
    split, whole = PartitionSpec("cell"), PartitionSpec()

    def call(*arguments: PyTree) -> PyTree:
        specs = (*(whole for _ in range(shared)), *(split for _ in arguments[shared:]))
        return jax.shard_map(tiled, mesh=mesh, in_specs=specs, out_specs=split, check_vma=False)(*arguments)

    call.__name__ = tiled.__name__
    return Program(call, shared, NamedSharding(mesh, split))


def in_tiles(function: Callable[..., PyTree], stacked: tuple, devices: tuple, *, per_cell: int = 1) -> PyTree:
    """``function(*stacked)`` of arrays with a leading cell axis, on CPUs one tile of cells after the other.

    ``function`` must treat cells alike and return arrays that lead with the cell axis; ``per_cell`` is the number of columns
    it makes of each. The last tile is padded with copies of the last cell. Results do not depend on the tiles.
    """
    count = jax.tree.leaves(stacked)[0].shape[0]
    size = tile(count, per_cell)
    if size == count or devices[0].platform != "cpu":
        return function(*stacked)
    tiles = -(-count // size)
    extra = tiles * size - count

    def split(leaf: Array) -> Array:
        last = jnp.broadcast_to(leaf[-1:], (extra, *leaf.shape[1:]))
        return jnp.concatenate([leaf, last]).reshape(tiles, size, *leaf.shape[1:])

    out = jax.lax.map(lambda tile: function(*tile), jax.tree.map(split, stacked))
    return jax.tree.map(lambda leaf: leaf.reshape(tiles * size, *leaf.shape[2:])[:count], out)


def tile(count: int, per_cell: int = 1) -> int:
    """How many of ``count`` cells a CPU core takes at a time: all of them, or a tile."""
    tiles = -(-count * per_cell // TILE)
    if tiles <= 1:
        return count
    size = -(-count // tiles)
    return size + -size % max(1, LANES // per_cell)


def pad_cells(tree: PyTree, multiple: int) -> PyTree:
    """Repeat the last cell until the leading axis is a multiple of ``multiple`` (host arrays; the caller drops them)."""

    def pad(leaf: Array | np.ndarray) -> np.ndarray:
        leaf = np.asarray(leaf)
        extra = -leaf.shape[0] % multiple
        return np.concatenate([leaf, np.repeat(leaf[-1:], extra, axis=0)]) if extra else leaf

    return jax.tree.map(pad, tree)


def place(tree: PyTree, devices: tuple) -> PyTree:
    """Put stacked cells on the devices, split along the leading axis."""
    if len(devices) == 1:
        return jax.device_put(tree, devices[0])
    return jax.device_put(tree, NamedSharding(_mesh(devices), PartitionSpec("cell")))


def place_whole(tree: PyTree, devices: tuple) -> PyTree:
    """Put what all columns share on each of several devices, once: else every call of a program copies each array anew."""
    if len(devices) == 1:
        return tree
    return jax.device_put(tree, NamedSharding(_mesh(devices), PartitionSpec()))


# --- years of many columns -------------------------------------------------------------------------------------------------


def _inline(
    parameters: step.Parameters, controls: Controls, active: Array, state: step.State, climate: Climate, cell: Cell, *,
    design: step.Design, selection: Selection, rests: bool = True,
) -> tuple[step.State, Outputs]:  # fmt: skip
    return years.simulate(
        state,
        climate,
        cell,
        parameters,
        controls,
        design=design,
        selection=selection,
        active=active if rests else None,
    )


def _heat(
    parameters: step.Parameters, active: Array, state: ThermalState | None, climate: Climate, cell: Cell, *,
    design: step.Design,
) -> tuple[ThermalState | None, years.HeatYear]:  # fmt: skip
    return years.heat_years(state, climate, cell, parameters, active, design=design)


def _water(
    parameters: step.Parameters, active: Array, controls: Controls, state: step.WaterStateWithThaw, climate: Climate,
    heat: years.HeatYear, cell: Cell, *, design: step.Design,
) -> tuple[step.WaterStateWithThaw, years.WaterYear]:  # fmt: skip
    return years.water_years(state, climate, heat, controls, cell, parameters, active, design=design)


def _carbon(
    parameters: step.Parameters, active: Array, controls: Controls, states: tuple[step.CarbonState, ...],
    drivers: tuple[years.Drivers, ...], co2: Array, cells: Cell, *, design: step.Design, selection: Selection,
) -> tuple[tuple[step.CarbonState, ...], Outputs]:  # fmt: skip
    return years.carbon_years(
        states, drivers, co2, controls, cells, parameters, active, design=design, selection=selection
    )


def inline_program(design: step.Design, selection: Selection, devices: tuple, *, rests: bool = True) -> Program:
    """Years inline: (parameters, controls, active, state, climate, cells). ``rests``: years that are not active rest."""
    return compiled(_inline, devices, shared=3, design=design, selection=selection, rests=rests)


def heat_program(design: step.Design, devices: tuple) -> Program:
    """Heat pass: (parameters, active, state, climate, cells)."""
    return compiled(_heat, devices, shared=2, design=design)


def water_program(design: step.Design, devices: tuple) -> Program:
    """Water pass: (parameters, active, controls, state, climate, heat, cells)."""
    return compiled(_water, devices, shared=3, design=design)


def carbon_program(design: step.Design, selection: Selection, devices: tuple, runs: int) -> Program:
    """Carbon pass of ``runs`` runs: (parameters, active, controls, states, drivers, co2, cells)."""
    return compiled(_carbon, devices, shared=3, each=False, per_cell=runs, design=design, selection=selection)


def simulate_cells(
    state: step.State,
    climate: Climate,
    cells: Cell,
    parameters: step.Parameters,
    controls: Controls,
    *,
    design: step.Design,
    selection: Selection,
    devices: tuple | None = None,
    active: Array | None = None,
) -> tuple[step.State, Outputs]:
    """:func:`jtem.run.years.simulate` for stacked cells (leading axis), compiled once, split over ``devices`` (default: all).

    The number of cells must be a multiple of the number of devices: :func:`pad_cells` does that.
    """
    chosen = tuple(devices or jax.local_devices())
    count = jax.tree.leaves(cells)[0].shape[0]
    if count % len(chosen):
        raise ValueError(f"{count} cells do not split over {len(chosen)} devices; pad them with pad_cells")
    running = jnp.ones((climate.co2.shape[1],), bool) if active is None else active
    program = inline_program(design, selection, chosen, rests=active is not None)
    return program(parameters, controls, running, state, climate, cells)
