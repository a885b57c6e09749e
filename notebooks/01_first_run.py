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
# # 1. First run
#
# A run is a plan: a text file that names cells, climate, processes and outputs. Here two of the embedded sites, the
# emulated climate (`data/embedded`: no download, and no measured weather either), a short spin-up and a warming future.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import xarray as xr

from jtem.commands.main import main
from jtem.variables import VARIABLES

folder = Path(tempfile.mkdtemp())
plan = folder / "first.toml"
plan.write_text("""
[plan]
name = "first"
title = "First run"

[domain]
source = "embedded"
sites = ["Toolik", "US-Prr"]

[model]
permafrost = "layered"
parameters = ["liu2024"]

[spinup]            # the papers take thousands of years; this is a demonstration
heat_years = 60
years = 300
cycle = [1850, 1860]

[history]
first = 1990
last = 2014

[[scenario]]
name = "ssp585"
climate = "ssp585"
first = 2015
last = 2060

[output]
state = false
annual = ["active_layer_thickness", "gpp", "npp", "rh", "nep", "cVeg", "cSoil", "thawed_permafrost_carbon"]
""")

# %% [markdown]
# `jtem check` says what a plan would do; `jtem run` does it. In a shell: `jtem run first.toml --out first`.

# %%
assert main(["check", str(plan)]) == 0
assert main(["run", str(plan), "--out", str(folder / "first")]) == 0
sorted(path.name for path in (folder / "first").glob("*.nc"))

# %% [markdown]
# Files follow CF: names as in CMIP where there is one, units kg m-2 s-1 for fluxes, and every file carries the plan, the
# hash of the parameters and how the spin-up was done.

# %%
parts = [
    xr.open_dataset(folder / "first" / f"first_{s}_annual.nc", decode_times=False) for s in ("historical", "ssp585")
]
print({key: str(value)[:70] for key, value in parts[1].attrs.items() if key in ("title", "spin_up", "parameter_hash")})
years = [part["year"].values for part in parts]
seconds = 365 * 86400

# %%
figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
shown = (
    ("active_layer_thickness", "active layer thickness (m)", 1.0),
    ("gross_primary_production", "GPP (gC m$^{-2}$ yr$^{-1}$)", 1000 * seconds),
    ("net_ecosystem_production", "NEP (gC m$^{-2}$ yr$^{-1}$)", 1000 * seconds),
)
for axis, (name, text, factor) in zip(axes, shown, strict=True):
    for site, (label, colour, marker) in enumerate((("Toolik", "#0072B2", "o"), ("US-Prr", "#D55E00", "s"))):
        for year, part in zip(years, parts, strict=True):
            axis.plot(
                year, part[VARIABLES[name].file_name][:, site] * factor, color=colour, marker=marker, markersize=2.5,
                linewidth=1, label=label if year[0] == 1990 else None,
            )  # fmt: skip
    axis.axvline(2014.5, color="0.6", linestyle=":", linewidth=1)
    axis.set_ylabel(text)
    axis.set_xlabel("year")
axes[0].legend(frameon=False)
figure.suptitle("Two embedded sites, emulated climate, SSP5-8.5 after the dotted line")
plt.show()

# %% [markdown]
# What a column is called, in which unit the model has it and in which the file: `jtem variables`; the parameters with unit,
# bounds and source: `jtem parameters`.

# %%
assert (parts[1]["thawdepth"] > 0).all()
