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
# # 4. Adjoint sensitivity and maps
#
# One reverse run gives the derivative of a quantity by *every* parameter, every month of the climate and the soil, of every cell.
# Here over the embedded pan-Arctic domain (emulated climate), through the equilibrium and 2010-2030, without soil heat so
# that it compiles in a notebook's time. With permafrost and to 2100 it is the same call; the plan and the command for it are
# in `experiments/sensitivity`, the results in `docs/sensitivity.md`.

# %%
import dataclasses
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Image, display

from jtem import plan, step
from jtem.assemble.course import prepare
from jtem.devices import use_all_cores
from jtem.report import sensitivity as report
from jtem.study import sensitivity
from jtem.study.sensitivity import Quantity

plan.use_precision("float64")
text = """
[plan]
name = "adjoint"
[domain]
source = "embedded"
stride = 4
[model]
permafrost = "none"
precision = "float64"
[spinup]
cycle = [1995, 2004]
[history]
first = 2010
last = 2014
[[scenario]]
name = "ssp585"
climate = "ssp585"
first = 2015
last = 2030
"""
use_all_cores(gradients=True)
prepared = prepare(plan.parse(text), None)
experiment = dataclasses.replace(prepared.experiment, design=step.Design(thermal=None))
quantities = (
    Quantity("soil_carbon", "soil_carbon", "last", "last", 2030, 2030, "gC m-2"),
    Quantity("gpp", "gross_primary_production", "sum", "mean", 2021, 2030, "gC m-2 year-1"),
)
annual = tuple((q.variable, q.reduction) for q in quantities)
model = sensitivity.model_of(experiment, prepared.table, ["ssp585"], annual)
result = sensitivity.adjoint(model, "ssp585", quantities)
print(
    f"{model.columns} columns x {len(model.vector.names)} parameters; {(result.code != 0).sum()} without an equilibrium"
)

# %% [markdown]
# Labelled, with elasticities (percent per percent) as the common unit.

# %%
data = report.adjoint_dataset(result, model, prepared.grid)
print(report.as_text(data))
folder = Path(tempfile.mkdtemp())
display(Image(report.tornado(data, "soil_carbon", folder / "tornado.png")))
display(Image(report.maps(data, "gpp", folder / "map.png")))

# %% [markdown]
# The same gradient holds the climate: which months' warmth would change GPP of 2021-2030, per degC in that month of every year.

# %%
good = result.code == 0
area = prepared.grid.area[prepared.grid.column_cell] * prepared.grid.column_fraction * good
by_month = np.einsum("c,cqym->qm", area, np.nan_to_num(result.air_temperature)) / area.sum()
by_spin_up = np.einsum("c,cqm->qm", area, np.nan_to_num(result.cycle_air_temperature)) / area.sum()
figure, axis = plt.subplots(figsize=(7, 3.6), layout="constrained")
axis.bar(np.arange(12) - 0.2, by_month[1], 0.4, color="#0072B2", label="this month of 2010-2030 1 degC warmer")
axis.bar(
    np.arange(12) + 0.2, by_spin_up[1], 0.4, color="#E69F00", hatch="///", label="this month of the spin-up's years"
)
axis.axhline(0, color="0.4", linewidth=0.7)
axis.set_xticks(np.arange(12), list("JFMAMJJASOND"))
axis.set_ylabel("gC m$^{-2}$ yr$^{-1}$ per degC")
axis.legend(frameon=False, fontsize=8)
axis.set_title("GPP 2021-2030, mean of the domain", fontsize=10)
display(figure)  # the report's figures have switched matplotlib to files

# %% [markdown]
# A derivative deserves a check: move one parameter, run again.

# %%
k = model.vector.index(["litter.carbon_rate"])[0]
sides = []
for sign in (1, -1):
    moved = model.vectors.copy()
    moved[:, k] *= 1 + sign * 1e-5
    y, _ = sensitivity.forward(model, "ssp585", moved)
    sides.append(np.einsum("cvy,qvy->cq", y, model.weights(quantities)))
difference = (sides[0] - sides[1])[good] / (2e-5 * model.vectors[good, k])[:, None]
relative = np.abs(difference / result.parameters[good][:, :, k] - 1)
print(f"differences against adjoint: median {np.median(relative):.1e}, largest {relative.max():.1e}")
assert np.median(relative) < 1e-5
