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
# Here over every tenth cell of the embedded pan-Arctic domain (emulated climate), through the equilibrium and 2010-2030. With
# permafrost and to 2100 it is the same call; the plan and the command for it are in `experiments/sensitivity`, the results in
# `docs/sensitivity.md`.

# %%
import matplotlib.pyplot as plt
import numpy as np

import jtem

model = jtem.open(
    {
        "plan": {"name": "adjoint"},
        "domain": {"source": "embedded", "stride": 10},
        "model": {"permafrost": "none", "precision": "float64"},
        "spinup": {"method": "equilibrium", "cycle": [1995, 2004]},
        "history": {"first": 2010, "last": 2014},
        "scenario": [{"name": "ssp585", "climate": "ssp585", "first": 2015, "last": 2030}],
        "output": {"double": True},  # small differences of runs, at the end, need all digits
    }
)
quantity = "mean gpp 2021-2030"
value, gradient = model.gradient(quantity)
gradient

# %% [markdown]
# Over the whole domain, as elasticities (percent per percent), the largest first.

# %%
ranking = model.sensitivity(quantity)
ranking["elasticity"][:10].to_series()

# %%
largest = str(ranking["parameter"].values[0])
here = gradient.sel(parameter=largest).sum("community") * 0.01
figure, (bars, chart) = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
shown = ranking["elasticity"][:10][::-1]
bars.barh(np.arange(10), shown, color=np.where(shown > 0, "#0072B2", "#D55E00"))
bars.set_yticks(np.arange(10), shown["parameter"].values, fontsize=7)
bars.set_xlabel(f"percent of {quantity} per percent")
dots = chart.scatter(gradient["lon"], gradient["lat"], c=here, cmap="RdBu_r", s=30)
chart.set_title(f"by 0.01 {largest}", fontsize=9)
figure.colorbar(dots, ax=chart, label="gC m$^{-2}$ yr$^{-1}$")
plt.show()

# %% [markdown]
# The same reverse run holds the climate: which months' warmth would change GPP, per degC in that month of every year.

# %%
_, by_climate = model.gradient(quantity, wrt="climate")
warmer = by_climate["air_temperature"].sel(time=slice("2010", None)).groupby("time.month").sum("time").mean("cell")
figure, axis = plt.subplots(figsize=(7, 3.6), layout="constrained")
axis.bar(np.arange(12), warmer, color="#0072B2")
axis.axhline(0, color="0.4", linewidth=0.7)
axis.set_xticks(np.arange(12), list("JFMAMJJASOND"))
axis.set_ylabel("gC m$^{-2}$ yr$^{-1}$ per degC")
axis.set_title("GPP 2021-2030, mean of the cells, where this month of 2010-2030 is warmer", fontsize=9)
plt.show()

# %% [markdown]
# A derivative deserves a check: move one parameter, run again.

# %%
name = "litter.carbon_rate"
held = model.parameter(name).sel(community=gradient["community"].values)
sides = []
for sign in (1, -1):
    moved = model.with_parameters({name: held * (1 + sign * 1e-5)})
    annual = moved.run(annual=["gpp"]).annual["gpp"].sel(time=slice("2021", "2030"))
    sides.append(1000 * 365 * 86400 * annual.mean("time"))
difference = (sides[0] - sides[1]) / 2e-5
relative = np.abs(difference / (gradient.sel(parameter=name) * held).sum("community") - 1)
print(f"differences against adjoint: median {relative.median().item():.1e}, largest {relative.max().item():.1e}")
assert relative.median() < 1e-4
