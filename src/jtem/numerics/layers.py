"""Between values of a cell and values of its layers, in programs that run on ``(layer, ..., cell)`` arrays.

A sum over layers that XLA fuses with what it sums runs one cell at a time on a CPU; as a product with a row of ones it
does not (measured: a month of carbon in 25 layers takes half the time). The same holds for the sum that reverse mode makes
of a broadcast, so that sum and broadcast are linear operations of their own, each the transpose of the other.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float

from jtem.numerics.kernels import computed_once


def over_layers(x: Float[Array, "layer *cells"]) -> Float[Array, "*cells"]:
    """Sum over the layers; 0 where there are none."""
    return _over_layers.bind(x)


def added(x: Float[Array, "row *cells"]) -> Float[Array, "*cells"]:
    """Sum over the first axis, written out as additions of its rows; of more than 32 rows the two halves apart.

    XLA adds in this order, too, but one cell at a time, and more than 32 rows through windows with a test an element.
    """
    return _added.bind(x)


def to_layers(x: Float[Array, "*cells"], layers: int) -> Float[Array, "layer *cells"]:
    """The value of a cell in each of its layers."""
    return _to_layers.bind(jnp.asarray(x), layers=layers)


def _sum(x: Array) -> Array:
    return jnp.tensordot(jnp.ones(x.shape[:1], x.dtype), x, axes=1, precision=jax.lax.Precision.HIGHEST)


def _sum_of_rows(x: Array) -> Array:
    half = -(-x.shape[0] // 2) if x.shape[0] > 32 else x.shape[0]
    parts = (functools.reduce(jnp.add, rows) for rows in (list(x[:half]), list(x[half:])) if rows)
    return functools.reduce(jnp.add, parts)


def _broadcast(x: Array, *, layers: int) -> Array:
    return jnp.broadcast_to(x[None], (layers, *x.shape))


def _linear(
    name: str,
    function: Callable[..., Array],
    shape: Callable[..., tuple[int, ...]],
    transpose: Callable[..., Array],
    batch: Callable[..., tuple[Array, int]],
) -> Primitive:
    primitive = Primitive(name)
    primitive.def_impl(function)
    primitive.def_abstract_eval(lambda x, **how: x.update(shape=shape(x.shape, **how)))
    batching.primitive_batchers[primitive] = batch
    ad.deflinear2(primitive, lambda cotangent, x, **how: [transpose(cotangent, x)])
    mlir.register_lowering(primitive, mlir.lower_fun(function, multiple_results=False))
    return primitive


_over_layers = _linear(
    "over_layers",
    _sum,
    lambda shape: shape[1:],
    lambda cotangent, x: to_layers(computed_once(cotangent), x.aval.shape[0]),
    lambda values, axes: (over_layers(jnp.moveaxis(values[0], axes[0], -1)), values[0].ndim - 2),
)
_added = _linear(
    "added",
    _sum_of_rows,
    lambda shape: shape[1:],
    lambda cotangent, x: to_layers(computed_once(cotangent), x.aval.shape[0]),
    lambda values, axes: (added(jnp.moveaxis(values[0], axes[0], -1)), values[0].ndim - 2),
)
_to_layers = _linear(
    "to_layers",
    _broadcast,
    lambda shape, layers: (layers, *shape),
    lambda cotangent, x: over_layers(cotangent),
    lambda values, axes, layers: (to_layers(values[0], layers), axes[0] + 1),
)
