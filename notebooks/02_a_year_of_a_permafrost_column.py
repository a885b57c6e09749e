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
# # 2. A year in the life of a permafrost column
#
# What each process does, month by month: snow insulates, the ground thaws from the top, water follows, leaves grow, carbon
# is taken up and respired, nitrogen decides how much. One column (Toolik, wet and moist tundra, emulated climate), driven from
# Python instead of a plan: `run.simulate_cells` is one compiled program over cells and years.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from jtem import plan, run
from jtem.assemble.course import prepare
from jtem.physics.soil_heat import DEFAULT_EDGES

text = """
[plan]
name = "year"
[domain]
source = "embedded"
sites = ["Toolik"]
[model]
permafrost = "layered"
parameters = ["liu2024"]
[spinup]
cycle = [1990, 1999]
[history]
first = 1980
last = 2014
"""
parsed = plan.parse(text)
plan.use_precision(parsed.model.precision.name)
experiment = prepare(parsed, None).experiment
design, cells = experiment.design, experiment.columns
climate = experiment.stages[0].climate(np.array([0]))  # host arrays (cell, year, month)

# %% [markdown]
# Thirty-five years are enough for the upper metres to forget their start; pools keep their initial values longer, so read
# the fluxes here as an illustration, not as an estimate of this place.

# %%
monthly = (
    "thawed_fraction", "soil_temperature", "snow_depth", "evapotranspiration", "runoff", "rain", "snowfall", "soil_water_mean",
    "leaf_area_index", "gross_primary_production", "autotrophic_respiration", "heterotrophic_respiration",
    "nitrogen_uptake", "net_nitrogen_mineralization",
)  # fmt: skip
state = run.initial_states(experiment.parameters, cells, climate, design=design)
years = climate.co2.shape[1]
_, out = run.simulate_cells(
    state, jax.tree.map(jnp.asarray, climate), cells, experiment.parameters, run.constant_controls(years), design=design,
    selection=run.Selection(monthly=monthly, annual=(("active_layer_thickness", "year"),)), devices=(jax.local_devices()[0],),
)  # fmt: skip
mean = {name: np.asarray(values)[0, -10:].mean(axis=0) for name, values in out["monthly"].items()}
print(
    "active layer, mean of ten years:",
    np.asarray(out["annual"]["active_layer_thickness"])[0, -10:].mean().round(2),
    "m",
)

# %%
edges = np.asarray(DEFAULT_EDGES)
month = np.arange(12) + 0.5
figure, axes = plt.subplots(2, 3, figsize=(13, 7), layout="constrained")
(ground, water, leaves), (carbon, nitrogen, air) = axes
upper = edges < 2.01
depth = 0.5 * (edges[:-1] + edges[1:])
shallow = depth < 2.0
image = ground.pcolormesh(
    np.arange(13), edges[: shallow.sum() + 1], mean["soil_temperature"].T[shallow], cmap="RdBu_r", vmin=-15, vmax=15
)
ground.contour(month, depth[shallow], mean["thawed_fraction"].T[shallow], levels=[0.5], colors="k")
ground.invert_yaxis()
ground.set_ylabel("depth (m)")
ground.set_title("soil temperature; line: half thawed", fontsize=10)
figure.colorbar(image, ax=ground, label="°C")
styles = (("-", "o"), ("--", "s"), ("-.", "^"), (":", "D"))
colours = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")


def lines(axis, names, unit, title):
    for k, name in enumerate(names):
        axis.plot(month, mean[name], linestyle=styles[k][0], marker=styles[k][1], color=colours[k], markersize=4,
                  label=name.replace("_", " "))  # fmt: skip
    axis.set_ylabel(unit)
    axis.set_title(title, fontsize=10)
    axis.legend(fontsize=7, frameon=False)


lines(water, ("rain", "snowfall", "evapotranspiration", "runoff"), "mm month$^{-1}$", "water")
lines(leaves, ("leaf_area_index", "snow_depth"), "1 and m", "leaf area index and snow depth")
lines(
    carbon,
    ("gross_primary_production", "autotrophic_respiration", "heterotrophic_respiration"),
    "gC m$^{-2}$ month$^{-1}$",
    "carbon",
)
lines(nitrogen, ("net_nitrogen_mineralization", "nitrogen_uptake"), "gN m$^{-2}$ month$^{-1}$", "nitrogen")
air.plot(month, np.asarray(climate.air_temperature)[0, -10:].mean(axis=0), color="0.2", marker="o", markersize=4)
air.axhline(0, color="0.6", linewidth=0.7)
air.set_ylabel("°C")
air.set_title("air temperature", fontsize=10)
for axis in axes.ravel():
    axis.set_xticks(month, list("JFMAMJJASOND"))
plt.show()

# %% [markdown]
# Where each equation lives: soil heat in `physics/soil_heat`, water in `physics/water.py`, leaves in
# `physics/phenology.py`, and so on; `step.month` puts them together and reads top to bottom.

# %%
thawed = mean["thawed_fraction"].mean(axis=1)
assert thawed[7] > thawed[1], "the ground thaws in summer"
assert mean["gross_primary_production"][[0, 11]].max() < 1e-6 < mean["gross_primary_production"][6], (
    "no light, no growth"
)
