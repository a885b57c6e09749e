"""Values computed once: the same values and derivatives, and the repeated chain gone from the compiled program."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jtem.numerics.kernels import computed_once, derivative_computed_once
from jtem.numerics.layers import added, over_layers, to_layers


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("once", [computed_once, derivative_computed_once])
def test_values_stay_as_they_are_to_the_last_bit(once, dtype):
    limits = np.finfo(dtype)
    x = np.array([0.0, -0.0, 1.0, -2.5, limits.tiny, limits.max, np.inf, -np.inf, np.nan], dtype)
    (got,) = jax.tree.leaves(jax.jit(once)({"x": x}))
    assert got.dtype == x.dtype and np.asarray(got).tobytes() == x.tobytes()


@pytest.mark.parametrize("rows", [1, 4, 32, 33, 38])
def test_rows_are_added_in_the_order_of_xla_with_the_derivative_of_a_sum(rows):
    x = jax.random.normal(jax.random.key(rows), (rows, 5), "float32")
    np.testing.assert_array_equal(jax.jit(added)(x), jax.jit(lambda x: x.sum(axis=0))(x))
    weight = jnp.arange(1.0, 6.0, dtype="float32")
    np.testing.assert_array_equal(jax.grad(lambda x: (added(x) * weight).sum())(x), jnp.tile(weight, (rows, 1)))
    np.testing.assert_array_equal(jax.vmap(added)(jnp.stack([x, 2 * x])), jnp.stack([added(x), 2 * added(x)]))


def chain(x, once):
    y = jnp.sin(x) * jnp.linspace(1.0, 2.0, 3)
    return to_layers(once(y), 4) * jnp.arange(1.0, 5.0)[:, None] + x[None]


@pytest.mark.parametrize("once", [computed_once, derivative_computed_once])
def test_derivatives_and_batches_are_those_of_the_identity(once):
    x = jnp.linspace(0.1, 0.9, 3)
    for transform in (jax.jacrev, jax.jacfwd, lambda f: jax.jacrev(jax.jacrev(f))):
        got = jax.jit(transform(lambda x: chain(x, once)))(x)
        # a few units in the last place: sine and cosine compiled in another program
        np.testing.assert_allclose(got, transform(lambda x: chain(x, lambda y: y))(x), rtol=1e-14)
    many = jnp.stack([x, 2 * x])
    for axis in (0, 1):
        got = jax.jit(jax.vmap(lambda x: chain(x, once), in_axes=axis))(jnp.moveaxis(many, 0, axis))
        np.testing.assert_allclose(got, jnp.stack([chain(v, lambda y: y) for v in many]), rtol=1e-14)


def multiplications(function, *arguments):
    """Of numbers, in the kernels that XLA makes: what it repeats is counted as often as it is there."""
    text = jax.jit(function).lower(*arguments).compile().as_text()
    return sum(" multiply(" in line for line in text.splitlines())


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="only on CPUs are values stored so")
def test_a_chain_is_not_repeated_where_it_is_computed_once():
    """Three readers of a chain of twenty products, which XLA cannot read in one kernel because each is summed apart."""

    def readers(x, once):
        y = x
        for k in range(20):
            y = y * (x + k)
        y = once(y)
        return [over_layers(jnp.cos(k * x) * y) for k in (1.0, 2.0, 3.0)]

    x = jnp.linspace(0.1, 0.9, 4 * 16).reshape(4, 16)
    repeated = multiplications(lambda x: readers(x, lambda y: y), x)
    once = multiplications(lambda x: readers(x, computed_once), x)
    assert repeated >= 60 and once <= repeated - 40


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="only on CPUs are values stored so")
def test_the_derivative_that_three_arrays_share_is_not_repeated():
    def gradients(once):
        def scalar(a, b, c, factors):
            y = once(a * b * c)
            for factor in factors:
                y = y * factor
            return y.sum()

        x = jnp.linspace(0.1, 0.9, 64)
        factors = [x + k for k in range(20)]
        return multiplications(jax.grad(scalar, argnums=(0, 1, 2)), x, x + 1.0, x + 2.0, factors)

    assert gradients(derivative_computed_once) <= gradients(lambda y: y) - 30
