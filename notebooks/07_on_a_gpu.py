# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 7. The same run on a GPU
#
# Nothing in a plan or a process names a device: JAX compiles the same functions for what it finds. This notebook runs a
# batch on the accelerator and on the CPU and compares; without one it says so and ends.

# %%
import time

import jax
import numpy as np

from jtem import plan, run
from jtem.assemble.course import prepare

try:
    devices = jax.devices("gpu")
except RuntimeError:
    devices = []
if not devices:
    print("no GPU here (or jax without CUDA: pip install 'jtem[gpu]'): nothing to compare, and nothing missing")

# %%
if devices:
    plan.use_precision("float64")
    text = """
    [plan]
    name = "gpu"
    [domain]
    source = "embedded"
    [model]
    permafrost = "layered"
    precision = "float64"
    [history]
    first = 2005
    last = 2014
    """
    experiment = prepare(plan.parse(text), None).experiment
    rows = experiment.column_cell
    climate = experiment.stages[0].climate(rows)
    controls = run.constant_controls(10)
    selection = run.Selection(annual=(("gross_primary_production", "sum"), ("active_layer_thickness", "year")))
    answers = {}
    for device in (devices[0], jax.devices("cpu")[0]):
        with jax.default_device(device):
            inputs = jax.device_put((climate, experiment.columns, experiment.parameters), device)
            state = run.initial_states(inputs[2], inputs[1], inputs[0], design=experiment.design)
            for attempt in ("compile and run", "run"):
                begin = time.perf_counter()
                _, out = run.simulate_cells(
                    state, inputs[0], inputs[1], inputs[2], controls, design=experiment.design, selection=selection,
                    devices=(device,),
                )  # fmt: skip
                answers[device.platform] = {name: np.asarray(value) for name, value in out["annual"].items()}
                print(
                    f"{device.platform}: {attempt} {time.perf_counter() - begin:.2f} s, {len(rows)} columns x 10 years"
                )
    names = list(answers)
    for name in answers[names[0]]:
        a, b = (answers[n][name] for n in names)
        print(name, "largest relative difference", float(np.abs(a - b).max() / np.abs(b).max()))
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
