"""Sweeps and solve of a sub-step of soil heat as GPU kernels (Pallas), a column a thread.

XLA runs a loop over layers on a GPU as one small kernel a layer: hundreds of launches a sub-step, however many columns. These do
what ``solver._choose_phases`` and ``solver._tridiagonal`` do, which stay the reference and run everywhere else. No derivative is
needed: the phases have none, and the derivative of the solve is one more solve.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, PyTree


@runtime_checkable
class Contents(Protocol):
    """Heat contents of layers per time step (``solver.HeatContents``): lines of their phases."""

    def line_of_content(self, x: Array) -> tuple[Array, Array]:
        """Slope and offset of the phase that holds heat contents x."""
        ...

    def line_of_gain(self, gain: Array, a: Array) -> tuple[Array, Array]:
        """Slope and offset of the phase in which ``h + a T = gain``."""
        ...

    def phase(self, x: Array) -> Array:
        """Number of the phase that holds heat contents x."""
        ...


Kernel = Callable[[Callable[[Sequence], PyTree], int, tuple], None]
"""What builds the tree of inputs of their references, how many these are, and the references of inputs and results."""
WARP = 32
"""Columns of a block: one for each thread of a warp, so that few columns spread over many processors."""


def _call(kernel: Kernel, inputs: PyTree, outputs: tuple[jnp.dtype, ...], interpret: bool) -> tuple[Array, ...]:
    """Results (layer, cells) of a kernel on arrays (layer, cells) or (cells,), of which the first leaf has layers.

    Columns are padded to whole blocks with copies of the last; any axes of cells, also none, become one.
    """
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton

    leaves, structure = jax.tree.flatten(inputs)
    (layers, *cells), axes = leaves[0].shape, leaves[0].ndim - 1
    count = leaves[0].size // layers
    padded = -(-count // WARP) * WARP

    def flat(leaf: Array) -> Array:
        lead = () if leaf.ndim == axes else (layers,)
        leaf = leaf.reshape(*lead, count)
        return jnp.pad(leaf, [(0, 0)] * len(lead) + [(0, padded - count)], mode="edge")

    def block(rows: tuple[int, ...]) -> pl.BlockSpec:
        return pl.BlockSpec((*rows, WARP), lambda k: (*(0 for _ in rows), k))

    columns = [flat(leaf) for leaf in leaves]
    made = pl.pallas_call(
        lambda *refs: kernel(functools.partial(jax.tree.unflatten, structure), len(leaves), refs),
        grid=(padded // WARP,),
        in_specs=[block(column.shape[:-1]) for column in columns],
        out_specs=[block((layers,)) for _ in outputs],
        out_shape=[jax.ShapeDtypeStruct((layers, padded), dtype) for dtype in outputs],
        interpret=interpret,
        compiler_params=None if interpret else triton.CompilerParams(num_warps=1),
    )(*columns)
    return tuple(one[:, :count].reshape(layers, *cells) for one in made)


def _rows(count: int, body: Callable[[Array, PyTree], PyTree], start: PyTree) -> PyTree:
    """``fori_loop`` with a counter of 32 bit, whatever JAX's default is."""
    return lax.fori_loop(jnp.int32(0), jnp.int32(count), body, start)


def choose_phases(
    column: Contents,
    conductance: Float[Array, "layer *cells"],
    content: Float[Array, "layer *cells"],
    source: Float[Array, "*cells"],
    surface: Float[Array, "*cells"],
    sweeps: str,
    swept: int,
    *,
    interpret: bool = False,
) -> Int[Array, "layer *cells"]:
    """As ``solver._choose_phases``; ``column``: ``HeatContents``."""
    dtype = content.dtype
    kernel = functools.partial(_phases_kernel, sweeps, swept)
    outputs = (jnp.dtype(jnp.int8), dtype, dtype, dtype)
    return _call(kernel, (content, conductance, source, surface, column), outputs, interpret)[0]


def _phases_kernel(sweeps: str, swept: int, tree: Callable[[Sequence], PyTree], given: int, refs: tuple) -> None:
    content, conductance, source, surface, column = tree(refs[:given])
    phase, x, p, r = refs[given:]
    layers = content.shape[0]

    def of_layer(i: Array) -> Contents:
        return jax.tree.map(lambda ref: ref[i, :] if len(ref.shape) == 2 else ref[:], column)

    def begin(i: Array, none: Array) -> Array:
        x[i, :] = content[i, :]
        return none

    none = jnp.zeros_like(surface[:])
    _rows(layers, begin, none)
    p[layers - 1, :] = none
    r[layers - 1, :] = source[:]

    def eliminate(below: int, above: int) -> None:
        def up(j: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
            p_, r_ = carry
            i = below - 1 - j
            g = conductance[i, :]
            c, c_tau = of_layer(i).line_of_content(x[i, :])
            share = g / (c + p_ + g)
            p_, r_ = g - g * share, share * (content[i, :] + r_ + c_tau)
            p[i - 1, :] = p_
            r[i - 1, :] = r_
            return p_, r_

        _rows(below - above, up, (p[below - 1, :], r[below - 1, :]))

    eliminate(layers, swept)
    for kind in sweeps:

        def down(i: Array, above: Array, kind: str = kind) -> Array:
            g = conductance[i, :]
            a = g + p[i, :]
            gain = content[i, :] + r[i, :] + g * above
            c, c_tau = of_layer(i).line_of_gain(gain, a)
            temperature = (gain + c_tau) / (a + c)
            direct = gain - a * temperature
            before = x[i, :]
            x[i, :] = direct if kind == "d" else before + 0.5 * (direct - before)
            return temperature

        eliminate(swept, 1)
        _rows(swept, down, surface[:])

    def end(i: Array, none: Array) -> Array:
        phase[i, :] = of_layer(i).phase(x[i, :])
        return none

    _rows(layers, end, none)


def tridiagonal(
    c: Float[Array, "layer *cells"],
    conductance: Float[Array, "layer *cells"],
    load: Float[Array, "layer *cells"],
    *,
    interpret: bool = False,
) -> Float[Array, "layer *cells"]:
    """As ``solver._tridiagonal``."""
    outputs = (load.dtype, load.dtype)
    return _call(_tridiagonal_kernel, (load, c, conductance), outputs, interpret)[0]


def _tridiagonal_kernel(tree: Callable[[Sequence], PyTree], given: int, refs: tuple) -> None:
    load, c, conductance = tree(refs[:given])
    y_all, e_all = refs[given:]
    layers = load.shape[0]

    def up(j: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        q, y, g_below = carry
        i = layers - 1 - j
        g = conductance[i, :]
        k = c[i, :] + g_below * q
        w = 1.0 / (k + g)
        y = (load[i, :] + g_below * y) * w
        e_all[i, :] = g * w
        y_all[i, :] = y
        return k * w, y, g

    def down(i: Array, above: Array) -> Array:
        temperature = e_all[i, :] * above + y_all[i, :]
        y_all[i, :] = temperature
        return temperature

    zero = jnp.zeros_like(load[0, :])
    _rows(layers, up, (zero, zero, zero))
    _rows(layers, down, zero)
