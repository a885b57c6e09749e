"""The trailing-batch primitive: layout, nesting, derivatives, sharding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jtem.numerics.batching import trailing_batch
from jtem.numerics.layers import over_layers, to_layers

SHAPES = []


def layered(tree, scale):
    """A scan over depth of a (layer, ...) array; remembers the shapes it was traced with."""
    SHAPES.append(tree["x"].shape)

    def down(above, x):
        new = jnp.sin(x * scale) + 0.5 * above
        return new, new

    last, rows = jax.lax.scan(down, jnp.zeros_like(scale), tree["x"])
    return {"rows": rows, "last": last, "sum": jnp.sum(rows, axis=0)}


quick = trailing_batch(layered)
X, S = jnp.linspace(-1.0, 2.0, 3 * 5).reshape(3, 5), jnp.linspace(0.5, 1.5, 3)


def compare(got, want):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), got, want)


def test_the_mapped_axis_arrives_last():
    SHAPES.clear()
    got = jax.vmap(quick, ({"x": 0}, 0))({"x": X}, S)
    assert SHAPES[-1] == (5, 3)
    compare(got, jax.vmap(layered, ({"x": 0}, 0))({"x": X}, S))
    compare(
        jax.vmap(quick, ({"x": 1}, 0), out_axes=-1)({"x": X.T}, S), jax.tree.map(lambda a: jnp.moveaxis(a, 0, -1), got)
    )
    compare(jax.jit(quick)({"x": X[0]}, S[0]), layered({"x": X[0]}, S[0]))


def test_unmapped_arguments_and_nesting():
    compare(jax.vmap(quick, (None, 0))({"x": X[0]}, S), jax.vmap(layered, (None, 0))({"x": X[0]}, S))

    def twice(f):
        return jax.vmap(jax.vmap(f, (None, 0)), ({"x": 0}, None))({"x": X}, S)

    SHAPES.clear()
    got = twice(quick)
    assert (5, 3, 3) in SHAPES
    compare(got, twice(layered))


def test_derivatives_before_and_after_vmap():
    def total(f):
        return lambda x, s: sum(jnp.sum(v) for v in jax.tree.leaves(f({"x": x}, s)))

    want = jax.vmap(jax.grad(total(layered), (0, 1)))(X, S)
    compare(jax.vmap(jax.grad(total(quick), (0, 1)))(X, S), want)

    def batch(f):
        return lambda x, s: jnp.sum(jax.vmap(total(f))(x, s))

    for wrap in (lambda f: f, jax.checkpoint, jax.jit):
        compare(jax.grad(wrap(batch(quick)), (0, 1))(X, S), want)
    compare(jax.jacfwd(batch(quick), (0, 1))(X, S), want)
    compare(jax.hessian(batch(quick), 1)(X, S), jax.hessian(batch(layered), 1)(X, S))

    # only one argument differentiated, inside a scan
    def scanned(f):
        return lambda s: jax.lax.scan(lambda c, x: (c + total(f)(x, s), None), jnp.asarray(0.0), X)[0]

    compare(jax.grad(scanned(quick))(S[0]), jax.grad(scanned(layered))(S[0]))


def test_between_cells_and_their_layers():
    """Broadcast and sum over layers, transposes of each other, under every transformation and in both layouts."""
    weights = jnp.linspace(0.5, 2.0, 4)

    def model(x, s):  # x (layer, ...), s (...)
        return over_layers(jnp.sin(x * to_layers(s, 4)) ** 2)

    def plain(x, s):
        return jnp.sum(jnp.sin(x * s) ** 2, axis=0)

    x = jnp.linspace(-1.0, 1.0, 12).reshape(3, 4)
    for f in (model, trailing_batch(model)):
        compare(jax.vmap(f)(x, S), jax.vmap(plain)(x, S))
        compare(jax.vmap(f, (None, 0))(x[0], S), jax.vmap(plain, (None, 0))(x[0], S))
        compare(f(x[0], S[0]), plain(x[0], S[0]))
        total = lambda s: jnp.sum(jax.vmap(f)(x, s))  # noqa: B023, E731
        want = jax.hessian(lambda s: jnp.sum(jax.vmap(plain)(x, s)))(S)
        compare(jax.grad(total)(S), jax.vmap(jax.grad(plain, 1))(x, S))
        compare(jax.jacfwd(total)(S), jax.grad(total)(S))
        compare(jax.hessian(total)(S), want)
    compare(to_layers(weights, 2), jnp.stack([weights, weights]))
    assert over_layers(jnp.zeros((0, 3))).tolist() == [0.0, 0.0, 0.0]
    assert to_layers(weights, 0).shape == (0, 4)


def test_an_output_without_the_batch_is_refused():
    constant = trailing_batch(lambda x: (x, jnp.ones(2)))
    with pytest.raises(TypeError, match="mapped axis"):
        jax.vmap(constant)(X)


@pytest.mark.skipif(jax.device_count() < 2, reason="needs two devices")
def test_on_two_devices():
    mesh = Mesh(np.array(jax.devices()[:2]), ("cells",))
    x, s = jnp.tile(X, (2, 1)), jnp.tile(S, 2)
    f = jax.vmap(lambda x, s: quick({"x": x}, s))
    want = f(x, s)
    spec = PartitionSpec("cells")
    placed = jax.device_put((x, s), NamedSharding(mesh, spec))
    compare(jax.jit(f)(*placed), want)
    split = jax.jit(jax.shard_map(f, mesh=mesh, in_specs=(spec, spec), out_specs=spec))
    compare(split(x, s), want)
    gradient = jax.jit(jax.grad(lambda x, s: jnp.sum(split(x, s)["sum"])))
    compare(gradient(x, s), jax.grad(lambda x, s: jnp.sum(f(x, s)["sum"]))(x, s))
