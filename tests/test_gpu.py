"""The same states on a GPU as on the CPU (runs only where JAX sees one: JAX_PLATFORMS=cuda,cpu pytest tests/test_gpu.py)."""

import jax
import numpy as np
import pytest

from jtem import run, step
from jtem.physics import permafrost
from sites import BONANZA_CREEK, PLATEAU_MEADOW, TOOLIK, make, parameter_tree


def gpu():
    try:
        return jax.devices("gpu")[0]
    except RuntimeError:
        return None


def compare_devices(first, second, design, years=10):
    """Yearly outputs of the same run on two devices."""
    cases = [
        (BONANZA_CREEK, 0.366, "boreal_forest", 0.0),
        (TOOLIK, 0.3665, "wet_moist_tundra", 1.0),
        (PLATEAU_MEADOW, 0.43, "alpine_meadow", 1.0),
        (BONANZA_CREEK, 0.5, "grassland", 8.0),
    ]
    selection = run.Selection(
        annual=(
            ("net_primary_production", "sum"),
            ("heterotrophic_respiration", "sum"),
            ("active_layer_thickness", "year"),
            ("soil_carbon", "last"),
            ("carbon_residual", "max"),
        )
    )
    results = []
    for device in (first, second):
        with jax.default_device(device):
            cells, climate = make(cases, years, warming_per_year=0.2)
            parameters = parameter_tree()
            state = run.initial_states(parameters, cells, climate, design=design)
            thaw = jax.numpy.full((len(cases),), 0.6)
            state = run.begin_permafrost(state, cells, parameters, permafrost.Thaw(thaw, thaw), design=design)
            _, out = run.simulate_cells(
                state, climate, cells, parameters, run.constant_controls(years, expose=True), design=design,
                selection=selection, devices=(device,),
            )  # fmt: skip
            results.append({name: np.asarray(value) for name, value in out["annual"].items()})
    return results


@pytest.mark.skipif(gpu() is None, reason="JAX sees no GPU here")
@pytest.mark.parametrize(("heat", "tolerance"), [("float64", 1e-9), ("float32", 2e-3)])
def test_gpu_and_cpu_agree(heat, tolerance):
    design = step.Design(permafrost=permafrost.LAYERED, heat_dtype=heat)
    on_cpu, on_gpu = compare_devices(jax.devices("cpu")[0], gpu(), design)
    for name, values in on_cpu.items():
        if name == "carbon_residual":
            assert np.abs(on_gpu[name]).max() < 1e-9 * on_cpu["soil_carbon"].max()
        else:
            np.testing.assert_allclose(on_gpu[name], values, rtol=tolerance, err_msg=name)
