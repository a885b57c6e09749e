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
# # 6. The plateau experiment of 2022
#
# Liu et al. (2022) ask how much carbon thaw sets free on the Qinghai-Tibet Plateau, with the scheme `thaw_ratio`: what the
# deepening active layer reaches joins the active soil. Run with thaw (transient) and with the permafrost held, on every 12th
# embedded plateau cell. The whole experiment: `experiments/liu2022/embedded.toml`.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from jtem.commands.main import main

folder = Path(tempfile.mkdtemp())
path = folder / "plateau.toml"
path.write_text("""
[plan]
name = "plateau"
[domain]
source = "embedded"
domain = "plateau"
stride = 12
[model]
permafrost = "thaw_ratio"
parameters = ["liu2022"]
[spinup]
heat_years = 60
years = 300
cycle = [1861, 1900]
[history]
first = 1995
last = 2014
[factorial]
runs = ["", "permafrost"]
scenarios = ["ssp126", "ssp585"]
first = 2015
last = 2100
base_year = 2014
base_climate = "historical"
[output]
state = false
annual = ["active_layer_thickness", "exposed_carbon", "cSoil", "nep", "frozen_carbon"]
""")
assert main(["run", str(path), "--out", str(folder / "out")]) == 0

# %%
files = sorted(p.name for p in (folder / "out").glob("*_annual.nc"))
figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
gain = {}
for scenario, colour, marker in (("ssp126", "#0072B2", "o"), ("ssp585", "#D55E00", "s")):
    name = {"ssp126": "SSP1-2.6", "ssp585": "SSP5-8.5"}[scenario]
    with_thaw = xr.open_dataset(
        folder / "out" / next(f for f in files if scenario in f and "S_Trans" in f), decode_times=False
    )
    held = xr.open_dataset(
        folder / "out" / next(f for f in files if scenario in f and "S_permafrost" in f), decode_times=False
    )
    year, area = with_thaw["year"], with_thaw["areacella"].values
    frozen = with_thaw["thawdepth"].values[0] < 10.0  # columns with permafrost
    weight = area * frozen / (area * frozen).sum()
    axes[0].plot(
        year,
        np.minimum(with_thaw["thawdepth"].values, 10) @ weight,
        color=colour,
        marker=marker,
        markevery=15,
        label=name,
    )
    exposed = np.cumsum(with_thaw["exposed_carbon"].values @ weight) * 365 * 86400
    axes[1].plot(year, exposed, color=colour, marker=marker, markevery=15)
    for data, line in ((with_thaw, "-"), (held, "--")):
        stored = np.cumsum(data["nep"].values @ weight) * 365 * 86400
        axes[2].plot(year, stored, color=colour, linestyle=line, marker=marker, markevery=15)
    gain[scenario] = float(exposed[-1])
for axis, text in zip(
    axes,
    ("active layer (m, at most 10)", "exposed carbon since 2015 (kgC m$^{-2}$)", "cumulative NEP (kgC m$^{-2}$)"),
    strict=True,
):
    axis.set_ylabel(text)
axes[0].legend(frameon=False)
axes[2].set_title("solid: with thaw, dashed: held", fontsize=9)
figure.suptitle("Plateau permafrost cells, emulated climate, scheme thaw_ratio")
plt.show()

# %%
print("exposed by 2100, kgC m-2:", gain)
assert gain["ssp585"] > gain["ssp126"]
