"""Small helpers of the equation tests: one community's parameters with some values given, arrays, slopes."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from sites import TABLE, parameter_tree


def a(value):
    """A float64 array."""
    return jnp.asarray(value, jnp.float64)


def branch(name: str, community: str = "boreal_forest", **given):
    """Parameters of one process (``name`` is the branch), with ``given`` values in place of the table's."""
    row = jax.tree.map(lambda leaf: leaf[TABLE.index(community)], getattr(parameter_tree(), name))
    return dataclasses.replace(row, **{key: a(value) for key, value in given.items()})


def along(function, values):
    """A function of one number at many."""
    return np.array([float(function(a(value))) for value in values])


def close(found, expected, rtol=1e-6, atol=1e-12):
    np.testing.assert_allclose(np.asarray(found), expected, rtol=rtol, atol=atol)


def finite_slopes(function, *points):
    """Forward and reverse derivative of a function of one number are finite and equal at every point."""
    for point in points:
        forward, reverse = jax.jacfwd(function)(a(point)), jax.jacrev(function)(a(point))
        assert np.isfinite(forward).all(), (point, forward)
        np.testing.assert_allclose(forward, reverse, rtol=1e-12, atol=1e-14)
