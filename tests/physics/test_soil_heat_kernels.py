"""Kernels for GPUs: the same numbers as the plain sweeps and solve (interpreted on the CPU), and what is lowered for CUDA."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from soil_heat_columns import ROWS, parameters

from jtem.physics import soil_heat as st
from jtem.physics.soil_heat import kernels, solver
from jtem.physics.soil_heat.column import per_layer

DESIGN = st.ThermalDesign()
ON_GPU = dataclasses.replace(DESIGN, on_gpu=True)
TIME_STEP = 0.4


def case(design, cells, dtype):
    """Heat contents, conductances, loads of random columns near 0 degC: ``cells`` axes after the layers."""
    rng = np.random.default_rng(3)

    def draw(low, high, *shape):
        return jnp.asarray(rng.uniform(low, high, (*shape, *cells)), dtype)

    props = st.properties(parameters(ROWS["wet tundra"], dtype=dtype), design)
    props = jax.tree.map(lambda x: jnp.broadcast_to(x.reshape(*x.shape, *[1] * len(cells)), (*x.shape, *cells)), props)
    enthalpy = draw(-30.0, 160.0, design.layers)
    per_step = per_layer(tuple(d / TIME_STEP for d in design.thickness), enthalpy)
    contents = solver.contents_per_step(props, per_step)
    return contents, draw(0.05, 5.0, design.layers), enthalpy * per_step, draw(0.04, 0.08), draw(-25.0, 20.0)


@pytest.mark.parametrize(("cells", "dtype"), [((), "float64"), ((40,), "float32"), ((3, 17), "float64")])
@pytest.mark.parametrize("swept", [DESIGN.layers, 21])
def test_kernels_give_the_numbers_of_the_plain_version(cells, dtype, swept):
    contents, conductance, content, source, surface = case(DESIGN, cells, jnp.dtype(dtype))
    phase = solver._choose_phases(contents, conductance, content, source, surface, "drd", swept)
    found = kernels.choose_phases(contents, conductance, content, source, surface, "drd", swept, interpret=True)
    assert found.dtype == phase.dtype and found.shape == phase.shape
    np.testing.assert_array_equal(found, phase)
    if cells:
        assert len(np.unique(phase)) >= 3  # frozen, freezing and thawed layers all occur
    c, c_tau = contents.for_layers().line_of_phase(phase)
    expected = solver._tridiagonal(c, conductance, content + c_tau)
    solved = kernels.tridiagonal(c, conductance, content + c_tau, interpret=True)
    np.testing.assert_allclose(solved, expected, rtol=0, atol=20 * np.finfo(dtype).eps * float(jnp.abs(expected).max()))


def test_the_solve_is_that_of_the_full_matrix_with_its_derivatives():
    """``(c_i + g_i + g_{i+1}) T_i - g_i T_{i-1} - g_{i+1} T_{i+1} = h_i + c_i tau_i`` (H5), and the derivatives of that."""
    design = st.ThermalDesign(layer_edges=tuple(map(float, range(7))))
    contents, conductance, content, source, surface = case(design, (), "float64")
    phase = jnp.asarray([2, 1, 0, 0, 1, 2], "int8")
    weights = np.linspace(1.0, 2.0, 6)

    @partial(jax.value_and_grad, argnums=(0, 1, 2, 3, 4), has_aux=True)
    def total(conductance, content, source, surface, contents):
        temperature, after = solver._solve(phase, contents, conductance, content, source, surface, False)
        return jnp.sum(weights * temperature), (temperature, after)

    (_, (temperature, after)), slopes = jax.jit(total)(conductance, content, source, surface, contents)
    g, lower = np.asarray(conductance), np.append(np.asarray(conductance[1:]), 0.0)
    c = np.select([phase == 0, phase == 2], [contents.frozen, contents.thawed], contents.melted / contents.interval)
    offset = -np.where(phase == 0, contents.interval * contents.frozen, contents.melted)
    matrix = np.diag(c + g + lower) - np.diag(g[1:], 1) - np.diag(g[1:], -1)
    load = content + offset + np.eye(6)[5] * source + np.eye(6)[0] * g[0] * surface
    expected = np.linalg.solve(matrix, load)
    # the same sums in another order: 2e-16 (temperature), 2e-15 (contents) measured
    np.testing.assert_allclose(temperature, expected, rtol=1e-13)
    np.testing.assert_allclose(after, c * expected - offset, rtol=1e-13)
    pull = np.linalg.solve(matrix, weights)
    above = np.concatenate([[surface], expected[:-1]])
    by_conductance = (above - expected) * (pull - np.concatenate([[0.0], pull[:-1]]))
    frozen, freezing, thawed = (1.0 * (np.asarray(phase) == number) for number in range(3))
    delta = float(contents.interval)
    by_capacity = (-frozen * (expected + delta) * pull, -thawed * expected * pull)
    by_melted = -(freezing * (expected / delta + 1.0) + thawed) * pull
    of_column = (slopes[4].frozen, slopes[4].thawed, slopes[4].melted)
    for found, wanted in zip(
        (*slopes[:4], *of_column),
        (by_conductance, pull, pull[-1], g[0] * pull[0], *by_capacity, by_melted),
        strict=True,
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-13)  # 3e-15 measured


def sub_steps(enthalpy, surface, properties, design):
    """Sum of temperatures after two sub-steps."""
    for _ in range(2):
        enthalpy, temperature, _ = st.sub_step(
            enthalpy, surface, jnp.full_like(surface, 0.1), properties, TIME_STEP, design
        )
    return temperature.sum()


@pytest.fixture(scope="module")
def ground():
    properties = st.properties(parameters(ROWS["wet tundra"]), DESIGN)
    properties = jax.tree.map(lambda x: jnp.stack([x] * 5, axis=-1), properties)
    enthalpy = jnp.asarray(np.random.default_rng(1).uniform(-30.0, 160.0, (DESIGN.layers, 5)))
    return enthalpy, jnp.linspace(-10.0, 15.0, 5), properties


def test_on_a_cpu_the_design_for_gpus_gives_the_same_numbers_and_derivatives(ground):
    for function in (sub_steps, jax.grad(sub_steps, argnums=(0, 1, 2))):
        plain, same = (jax.jit(function, static_argnums=3)(*ground, design) for design in (DESIGN, ON_GPU))
        for one, other in zip(jax.tree.leaves(plain), jax.tree.leaves(same), strict=True):
            np.testing.assert_array_equal(one, other)


def lowered_for_cuda(function, *arguments):
    unchecked = jax.export.DisabledSafetyCheck.custom_call("__gpu$xla.gpu.triton")
    gpu = jax.sharding.AbstractDevice(device_kind="NVIDIA H100 80GB HBM3", num_cores=None, platform="gpu")
    with jax.sharding.use_abstract_mesh(jax.sharding.AbstractMesh((), (), abstract_device=gpu)):  # no GPU is needed
        exported = jax.export.export(jax.jit(function), platforms=["cuda"], disabled_checks=[unchecked])(*arguments)
    return exported.mlir_module()


@pytest.mark.filterwarnings("ignore:The Pallas Triton backend:DeprecationWarning")  # of jax 0.12
def test_for_cuda_a_sub_step_is_two_kernels_and_no_loop_over_layers(ground):
    """Also with its gradient, whose backward sub-step solves once more."""
    text = lowered_for_cuda(lambda *given: sub_steps(*given, ON_GPU), *ground)
    assert text.count("xla.gpu.triton") == 4 and "stablehlo.while" not in text
    text = lowered_for_cuda(jax.grad(lambda *given: sub_steps(*given, ON_GPU)), *ground)
    assert text.count("xla.gpu.triton") == 6 and "stablehlo.while" not in text
    assert "stablehlo.while" in lowered_for_cuda(lambda *given: sub_steps(*given, DESIGN), *ground)
