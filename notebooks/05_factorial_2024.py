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
# embedded domain: the shape of the experiment, not its numbers. The whole: `jtem run experiments/liu2024/embedded.toml`, then
# `jtem report`.

# %%
import matplotlib.pyplot as plt

import jtem

held = {"permafrost": "permafrost", "co2": "CO$_2$", "temperature": "temperature", "precipitation": "precipitation"}
model = jtem.open(
    {
        "plan": {"name": "factorial"},
        "domain": {"source": "embedded", "stride": 25},
        "model": {"permafrost": "layered", "parameters": ["liu2024"]},
        "spinup": {"method": "equilibrium", "cycle": [1850, 1860]},
        "history": {"first": 1995, "last": 2014},
        "permafrost": {"base_years": [2010, 2014]},
        "factorial": {
            "runs": ["", *held], "scenarios": ["ssp126", "ssp585"], "first": 2015, "last": 2100, "base_year": 2014,
            "base_climate": "historical",
        },
        "output": {"annual": ["nep", "cSoil", "thawed_permafrost_carbon", "rh", "gpp"]},
    }
)  # fmt: skip
result = model.run()
result

# %%
future = result.annual.sel(time=slice("2015", None))
weights = future["areacella"]
gained = (future["nep"] * 365 * 86400).weighted(weights).mean("cell").cumsum("time")  # kgC m-2 since 2015
styles = (("#0072B2", "-", "o"), ("#D55E00", "--", "s"), ("#009E73", "-.", "^"), ("#CC79A7", ":", "D"))
figure, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained", sharey=True)
effects = {}
for axis, (climate, title) in zip(axes, (("ssp126", "SSP1-2.6"), ("ssp585", "SSP5-8.5")), strict=True):
    for (factor, label), (colour, line, marker) in zip(held.items(), styles, strict=True):
        effect = effects[climate, factor] = gained.sel(scenario=f"{climate}_S_Trans") - gained.sel(
            scenario=f"{climate}_S_{factor}"
        )
        axis.plot(
            future["year"], effect, color=colour, linestyle=line, marker=marker, markevery=15, markersize=4, label=label
        )
    axis.axhline(0, color="0.5", linewidth=0.7)
    axis.set_title(title, fontsize=10)
axes[0].set_ylabel("effect on ecosystem carbon (kgC m$^{-2}$)")
axes[0].legend(frameon=False, fontsize=8)
figure.suptitle("Transient less held at 2014; emulated climate")
plt.show()

# %%
print({f"{s} {f}": round(float(v[-1]), 3) for (s, f), v in effects.items()})
assert effects["ssp585", "permafrost"][-1] != 0
assert effects["ssp585", "co2"][-1] > effects["ssp126", "co2"][-1], "more CO2, more growth"
