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
# # 5. The factorial experiment of 2024
#
# Liu et al. (2024) run the pan-Arctic under two futures with factors held at 2015: permafrost, CO2, temperature,
# precipitation. The effect of a factor is the transient run less the run that holds it. Here every 25th cell of the
# embedded domain with a short spin-up: the shape of the experiment, not its numbers. The whole: `jtem run
# experiments/liu2024/embedded.toml`, then `jtem report`.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from jtem.commands.main import main

folder = Path(tempfile.mkdtemp())
path = folder / "factorial.toml"
path.write_text("""
[plan]
name = "factorial"
[domain]
source = "embedded"
stride = 25
[model]
permafrost = "layered"
parameters = ["liu2024"]
[spinup]
heat_years = 60
years = 300
cycle = [1850, 1860]
[history]
first = 1995
last = 2014
[permafrost]
base_years = [2010, 2014]
[factorial]
runs = ["", "permafrost", "co2", "temperature", "precipitation"]
scenarios = ["ssp126", "ssp585"]
first = 2015
last = 2100
base_year = 2014
base_climate = "historical"
[output]
state = false
annual = ["nep", "cSoil", "thawed_permafrost_carbon", "rh", "gpp"]
""")
assert main(["run", str(path), "--out", str(folder / "out")]) == 0
files = sorted(p.name for p in (folder / "out").glob("*_annual.nc"))
print(len(files), "files, for example", files[:3])

# %%
seconds = 365 * 86400


def carbon_gained(name):
    """Cumulative NEP since 2015, kg m-2, mean of the cells by area."""
    data = xr.open_dataset(folder / "out" / name, decode_times=False)
    area = data["areacella"].values
    flux = np.nan_to_num(data["nep"].values) @ area / area.sum()
    return data["year"].values, np.cumsum(flux) * seconds


held = {"permafrost": "permafrost", "co2": "CO$_2$", "temperature": "temperature", "precipitation": "precipitation"}
styles = (("#0072B2", "-", "o"), ("#D55E00", "--", "s"), ("#009E73", "-.", "^"), ("#CC79A7", ":", "D"))
figure, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained", sharey=True)
effects = {}
for axis, scenario in zip(axes, ("ssp126", "ssp585"), strict=True):
    years, transient = carbon_gained(next(f for f in files if scenario in f and "S_Trans" in f))
    for (factor, label), (colour, line, marker) in zip(held.items(), styles, strict=True):
        _, without = carbon_gained(next(f for f in files if scenario in f and f"S_{factor}" in f))
        effects[scenario, factor] = transient - without
        axis.plot(
            years,
            transient - without,
            color=colour,
            linestyle=line,
            marker=marker,
            markevery=15,
            markersize=4,
            label=label,
        )
    axis.axhline(0, color="0.5", linewidth=0.7)
    axis.set_title({"ssp126": "SSP1-2.6", "ssp585": "SSP5-8.5"}[scenario], fontsize=10)
axes[0].set_ylabel("effect on ecosystem carbon (kgC m$^{-2}$)")
axes[0].legend(frameon=False, fontsize=8)
figure.suptitle("Transient less held at 2014; emulated climate, 12 cells")
plt.show()

# %%
print({f"{s} {f}": round(float(v[-1]), 3) for (s, f), v in effects.items()})
assert effects["ssp585", "permafrost"][-1] != 0
assert effects["ssp585", "co2"][-1] > effects["ssp126", "co2"][-1], "more CO2, more growth"
