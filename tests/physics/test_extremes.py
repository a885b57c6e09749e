"""The larger and the smaller of two numbers: values of JAX's own, derivatives by comparing the two."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jtem.numerics import safe

X = jnp.asarray([-2.0, -0.5, 0.0, 0.25, 3.0])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda x, y: safe.maximum(x, y), jnp.maximum),
        (lambda x, y: safe.minimum(x, y), jnp.minimum),
        (lambda x, y: safe.clip(x, -1.0, y), lambda x, y: jnp.minimum(jnp.maximum(x, -1.0), y)),
        (lambda x, y: safe.maximum(0.0, x * y), lambda x, y: jnp.maximum(0.0, x * y)),
    ],
)
@pytest.mark.parametrize("y", [jnp.asarray(0.25), jnp.linspace(-1.0, 3.0, 5)])
def test_values_and_derivatives_are_those_of_jax_ties_included(ours, theirs, y):
    y = jnp.broadcast_to(y, X.shape)
    np.testing.assert_array_equal(ours(X, y), theirs(X, y))
    for mode in (jax.jacfwd, jax.jacrev):
        for got, want in zip(mode(ours, (0, 1))(X, y), jax.jacrev(theirs, (0, 1))(X, y), strict=True):
            np.testing.assert_array_equal(got, want)


def test_what_is_not_a_number_stays_so():
    assert jnp.isnan(safe.maximum(jnp.nan, X)).all() and jnp.isnan(safe.clip(jnp.asarray(jnp.nan), 0.0, 1.0))
