"""Derivatives of the whole model through ten years of freezing and thawing, with respect to every trainable parameter.

Reverse mode = forward mode = central differences in float64; and the slope over +-1 %, which is what an optimiser feels.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradient_cases import CASES, OF_GROUND_OPTIONS, OF_SURFACE, OUTPUTS, QUICK_TO_COMPILE, inputs, program
from sites import TABLE

ACCEPTANCE = 6  # the first outputs: GPP, RH, active layer, soil carbon, balance of the landscape, methane
RELEVANT = 1e-3  # elasticities above this share of the largest count

KINKS = {
    # (scheme, case, output, parameter): why the two sides differ there
}


def elasticity(derivative, vector):
    return derivative * np.maximum(np.abs(vector), 1e-3)[:, None, :]


def central_differences(f, arguments, relative):
    """(case, output, parameter) by two runs a parameter, all in one batch."""
    vectors = np.asarray(arguments[0])
    cases, n = vectors.shape
    h = np.maximum(np.abs(vectors), 1e-3) * relative
    moved = (
        vectors[:, None, None, :]
        + np.array([1.0, -1.0])[None, :, None, None] * np.eye(n)[None, None] * h[:, None, None]
    )
    rest = [jax.tree.map(lambda leaf: jnp.repeat(leaf, 2 * n, axis=0), a) for a in arguments[1:]]
    y = np.asarray(f(jnp.asarray(moved.reshape(-1, n)), *rest)).reshape(cases, 2, n, len(OUTPUTS))
    return np.moveaxis((y[:, 0] - y[:, 1]) / (2 * h[..., None]), 1, 2)


@functools.cache
def reverse(scheme):
    """Derivatives (case, output, parameter) by reverse mode."""
    vectors, *rest = inputs(scheme)[1]
    f = program(scheme)

    @functools.partial(jax.jit, compiler_options=QUICK_TO_COMPILE)
    def pulled(v):
        y, pull = jax.vjp(lambda x: f(x, *rest), v)
        return jax.vmap(lambda seed: pull(jnp.broadcast_to(seed, y.shape))[0])(jnp.eye(len(OUTPUTS)))

    return np.moveaxis(np.asarray(pulled(vectors)), 0, 1)


ON_DEMAND = ("tem6", "layered_concentration")
SCHEMES = [pytest.param(s, marks=pytest.mark.slow) if s in ON_DEMAND else s for s in CASES]


@pytest.fixture(scope="module", params=SCHEMES)
def derivatives(request):
    scheme = request.param
    names, arguments = inputs(scheme)
    f = program(scheme)
    compiled = jax.jit(f)
    return {
        "scheme": scheme,
        "names": names,
        "vectors": np.asarray(arguments[0]),
        "reverse": reverse(scheme),
        "differences": central_differences(compiled, arguments, 1e-6),
        "slope": central_differences(compiled, arguments, 1e-2),
        "f": f,
        "arguments": arguments,
    }


def relevant(d, key="reverse"):
    e = np.abs(elasticity(d[key], d["vectors"]))[:, :ACCEPTANCE]
    return e > RELEVANT * e.max(axis=2, keepdims=True)


def test_every_derivative_is_finite(derivatives):
    assert np.isfinite(derivatives["reverse"]).all()


def test_reverse_equals_central_differences(derivatives):
    d = derivatives
    reverse, differences = d["reverse"][:, :ACCEPTANCE], d["differences"][:, :ACCEPTANCE]
    counts = relevant(d) | relevant(d, "differences")
    error = np.abs(reverse - differences) / np.maximum(np.abs(reverse), np.abs(differences)).clip(1e-300)
    named = {key[1:]: why for key, why in KINKS.items() if key[0] == d["scheme"]}
    wrong = [
        (int(c), OUTPUTS[k], d["names"][j], float(error[c, k, j]))
        for c, k, j in zip(*np.where(counts & (error > 1e-4)), strict=True)
        if (int(c), OUTPUTS[k], d["names"][j]) not in named
    ]
    assert not wrong, wrong
    assert np.median(error[counts]) < 1e-6
    assert counts.sum() > 200


def test_slope_that_an_optimiser_feels(derivatives):
    """Equal in sign and within 25 % of the slope over +-1 % for 95 % of the pairs."""
    d = derivatives
    counts = relevant(d)
    ratio = d["slope"][:, :ACCEPTANCE] / np.where(d["reverse"] == 0, np.nan, d["reverse"])[:, :ACCEPTANCE]
    good = (ratio > 0.75) & (ratio < 1.25)
    off = [
        f"{OUTPUTS[k]} d {d['names'][j]} case {c}: slope/derivative {ratio[c, k, j]:.2f}"
        for c, k, j in zip(*np.where(counts & ~good), strict=True)
    ]
    print(f"{d['scheme']}: {len(off)} of {counts.sum()} pairs off by more than 25 %: {off}")
    assert good[counts].mean() >= 0.95, off


def test_forward_mode_equals_reverse_mode(derivatives):
    """One random direction through all parameters at once, each case."""
    d = derivatives
    if d["scheme"] != "layered":
        pytest.skip("forward mode is compiled once, for the layered scheme; the full set runs with -m slow")
    forward_equals_reverse(d)


@pytest.mark.slow
def test_forward_mode_equals_reverse_mode_in_every_scheme(derivatives):
    forward_equals_reverse(derivatives)


def forward_equals_reverse(d):
    vectors, *rest = d["arguments"]
    scale = np.maximum(np.abs(d["vectors"]), 1e-3)
    direction = np.random.default_rng(0).normal(size=scale.shape) * scale

    @functools.partial(jax.jit, compiler_options=QUICK_TO_COMPILE)
    def tangent(v, t):
        return jax.jvp(lambda x: d["f"](x, *rest), (v,), (t,))[1]

    forward = np.asarray(tangent(vectors, jnp.asarray(direction)))
    np.testing.assert_allclose(forward, np.einsum("ckn,cn->ck", d["reverse"], direction), rtol=1e-10, atol=1e-10)


def test_no_parameter_is_dead():
    """Every trainable parameter moves an output in at least one scheme; those of options of soil heat are tried there.

    By derivatives where these are compiled anyway; else by runs, whose derivatives ``-m slow`` compares with them.
    """
    alive = {f"soil_thermal.{name}" for name in (*OF_GROUND_OPTIONS, *OF_SURFACE)}
    alive |= {name for name in TABLE.entries if name.startswith("soil_column.")}  # physics/test_soil_columns.py
    for scheme in CASES:
        names, arguments = inputs(scheme)
        by_runs = scheme in ON_DEMAND
        found = central_differences(jax.jit(program(scheme)), arguments, 1e-2) if by_runs else reverse(scheme)
        moved = np.abs(found).max(axis=(0, 1)) > 0
        alive |= {name.split("[")[0] for name, moves in zip(names, moved, strict=True) if moves}
    dead = {name for name, entry in TABLE.entries.items() if entry.trainable} - alive
    assert not dead, sorted(dead)
