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
# is taken up and respired, nitrogen decides how much. One column: Toolik, wet and moist tundra, emulated climate.

# %%
import matplotlib.pyplot as plt
import numpy as np

import jtem

model = jtem.Model("Toolik", permafrost="layered", parameters="liu2024")
names = [
    "air_temperature", "soil_temperature", "thawed_fraction", "snow_depth", "rain", "snowfall", "evapotranspiration", "runoff",
    "leaf_area_index", "gpp", "ra", "rh", "nitrogen_uptake", "net_nitrogen_mineralization",
]  # fmt: skip
result = model.run(years=(1980, 2014), monthly=names)
mean = result.monthly.sel(time=slice("2005", None)).groupby("time.month").mean()
print("active layer, mean of ten years:", result.annual["thawdepth"][-10:].mean().item(), "m")

# %%
month, upper = np.arange(12) + 0.5, mean["depth"] < 2.0
per_month = 86400 * 365 / 12
figure, axes = plt.subplots(2, 3, figsize=(13, 7), layout="constrained")
(ground, water, leaves), (carbon, nitrogen, air) = axes
soil = (mean["tsl"] - 273.15).where(upper, drop=True)
image = ground.pcolormesh(month, soil["depth"], soil.T, cmap="RdBu_r", vmin=-15, vmax=15)
ground.contour(month, soil["depth"], mean["thawed_fraction"].where(upper, drop=True).T, levels=[0.5], colors="k")
ground.invert_yaxis()
ground.set_ylabel("depth (m)")
ground.set_title("soil temperature; line: half thawed", fontsize=10)
figure.colorbar(image, ax=ground, label="°C")
colours, markers = ("#0072B2", "#D55E00", "#009E73", "#CC79A7"), "os^D"


def lines(axis, chosen, factor, unit, title):
    for name, colour, marker in zip(chosen, colours, markers, strict=False):
        data = mean[name]
        axis.plot(
            month, data * factor, color=colour, marker=marker, markersize=4, label=data.attrs.get("jtem_name", name)
        )
    axis.set_ylabel(unit)
    axis.set_title(title, fontsize=10)
    axis.legend(fontsize=7, frameon=False)


lines(water, ("prra", "prsn", "evspsbl", "mrro"), per_month, "mm month$^{-1}$", "water")
lines(leaves, ("lai", "snd"), 1, "1 and m", "leaf area index and snow depth")
lines(carbon, ("gpp", "ra", "rh"), 1000 * per_month, "gC m$^{-2}$ month$^{-1}$", "carbon")
lines(nitrogen, ("fNnetmin", "fNup"), 1000 * per_month, "gN m$^{-2}$ month$^{-1}$", "nitrogen")
air.plot(month, mean["tas"] - 273.15, color="0.2", marker="o", markersize=4)
air.axhline(0, color="0.6", linewidth=0.7)
air.set_ylabel("°C")
air.set_title("air temperature", fontsize=10)
for axis in axes.ravel():
    axis.set_xticks(month, list("JFMAMJJASOND"))
plt.show()

# %% [markdown]
# Where each equation lives: soil heat in `physics/soil_heat`, water in `physics/water.py`, leaves in `physics/phenology.py`, and so
# on; `step/month.py` puts them together and reads top to bottom.

# %%
thawed = mean["thawed_fraction"].mean("depth")
assert thawed[7] > thawed[1], "the ground thaws in summer"
assert mean["gpp"][[0, 11]].max() * per_month < 1e-9 < mean["gpp"][6] * per_month, "no light, no growth"
