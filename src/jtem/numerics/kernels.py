"""What XLA computes once, and what it computes again in every kernel that reads it.

On a CPU, XLA makes a kernel of every array that is stored and repeats in it all that is cheap to compute: a derivative that
is a chain of a hundred products and choices is worked out anew for each of the arrays it goes to, and in each layer where those
have layers. (It drops optimisation barriers before it makes kernels.) The operations here leave values as they are and have
no effect on other devices.
"""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array

Tree = TypeVar("Tree")
Given = ParamSpec("Given")


def computed_once(tree: Tree) -> Tree:
    """The same arrays (any shapes), stored before they are used; so are their derivatives in reverse mode."""
    return jax.tree.map(lambda x: _once.bind(jnp.asarray(x)), tree)


def derivative_computed_once(tree: Tree) -> Tree:
    """The same arrays (any shapes); their derivatives in reverse mode are stored before they are used."""
    return jax.tree.map(lambda x: _derivative_once.bind(jnp.asarray(x)), tree)


def derivative_stored(function: Callable[Given, Tree]) -> Callable[Given, Tree]:
    """Decorate a function whose results many others read: :func:`derivative_computed_once` on what it returns."""

    @functools.wraps(function)
    def stored(*args: Given.args, **kwargs: Given.kwargs) -> Tree:
        return derivative_computed_once(function(*args, **kwargs))

    return stored


def _stored(x: Array) -> Array:
    """x/1, which XLA holds to be expensive and so does not repeat; it can't know that the divisor of a number x is 1."""
    return x / jnp.where(x == x, 1, 2).astype(x.dtype)


def _identity(name: str) -> Primitive:
    primitive = Primitive(name)
    primitive.def_impl(lambda x: x)
    primitive.def_abstract_eval(lambda x: x)
    batching.defvectorized(primitive)
    ad.deflinear2(primitive, lambda cotangent, x: [_once.bind(cotangent)])
    mlir.register_lowering(primitive, lambda context, x: [x])
    return primitive


_once = _identity("computed_once")
_derivative_once = _identity("derivative_computed_once")
mlir.register_lowering(_once, mlir.lower_fun(_stored, multiple_results=False), platform="cpu")
