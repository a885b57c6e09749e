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
# A place, a model, a run. Here two embedded sites under emulated climate (`data/embedded`: no download, and no measured weather
# either), history and a warming future. For one's own site give a table in place of the name: notebook 9.

# %%
import matplotlib.pyplot as plt

import jtem

plan = {
    "plan": {"name": "first", "title": "First run"},
    "domain": {"source": "embedded", "sites": ["Toolik", "US-Prr"]},
    "model": {"permafrost": "layered", "parameters": ["liu2024"]},
    "spinup": {"method": "equilibrium", "cycle": [1850, 1860]},
    "history": {"first": 1990, "last": 2014},
    "scenario": [{"name": "ssp585", "climate": "ssp585", "first": 2015, "last": 2060}],
    "output": {"annual": ["active_layer_thickness", "gpp", "npp", "nep", "cVeg", "cSoil", "thawed_permafrost_carbon"]},
}
model = jtem.open(plan)
result = model.run()
result

# %% [markdown]
# The same plan as a file (`print(model.plan())`) runs in a shell: `jtem check first.toml`, `jtem run first.toml`. Results are xarray:
# names as in CMIP where there is one, CF units, and where they come from.

# %%
print({key: str(value)[:70] for key, value in result.attrs.items() if key in ("title", "spin_up", "parameter_hash")})
annual = result.annual  # history and scenario, one series
annual

# %%
per_year = 1000 * 365 * 86400  # kg m-2 s-1 to gC m-2 yr-1
shown = (
    (annual["thawdepth"], "active layer thickness (m)"),
    (annual["gpp"] * per_year, "GPP (gC m$^{-2}$ yr$^{-1}$)"),
    (annual["nep"] * per_year, "NEP (gC m$^{-2}$ yr$^{-1}$)"),
)
figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
for axis, (values, text) in zip(axes, shown, strict=True):
    for cell, (colour, marker) in enumerate((("#0072B2", "o"), ("#D55E00", "s"))):
        label = str(annual["site"].values[cell])
        axis.plot(
            annual["year"], values[:, cell], color=colour, marker=marker, markersize=2.5, linewidth=1, label=label
        )
    axis.axvline(2014.5, color="0.6", linestyle=":", linewidth=1)
    axis.set_ylabel(text)
axes[0].legend(frameon=False)
figure.suptitle("Two embedded sites, emulated climate, SSP5-8.5 after the dotted line")
plt.show()

# %% [markdown]
# What a column is called, in which unit the model has it and in which the file: `jtem variables`; the parameters with unit,
# bounds and source: `jtem parameters`.

# %%
assert (annual["thawdepth"] > 0).all()
