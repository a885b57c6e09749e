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
# Nothing in a plan or a process names a device: JAX compiles the same functions for what it finds. This notebook runs a region on
# what is here, then the same plan in a process of its own on the CPU, and compares; without a GPU it says so, and compares the CPU
# with itself.

# %%
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import jtem

model = jtem.open(
    {
        "plan": {"name": "device"},
        "domain": {"source": "embedded", "stride": 5},
        "model": {"permafrost": "layered", "precision": "float64"},
        "spinup": {"method": "equilibrium", "cycle": [1990, 1999]},
        "history": {"first": 2000, "last": 2014},
        "output": {"annual": ["gpp", "active_layer_thickness"], "double": True},
    }
)
here = model.run()
print(here.attrs["devices"], f"{here.seconds:.1f} s, of which {here.compile_seconds:.1f} s compiling")
if "cpu" in str(here.attrs["devices"]):
    print("no GPU here (or jax without CUDA: pip install 'jtem[gpu]'): the CPU is compared with itself")

# %%
Path("device.toml").write_text(model.plan())
command = [sys.executable, "-m", "jtem", "run", "device.toml", "--out", "cpu", "--force"]
subprocess.run(command, env={**os.environ, "JAX_PLATFORMS": "cpu"}, check=True, capture_output=True)
there = jtem.load("cpu")
for name in ("gpp", "thawdepth"):
    a, b = here.annual[name].values, there.annual[name].values
    print(name, "largest relative difference", np.abs(a - b).max() / np.abs(b).max())
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6 * np.abs(b).max())
