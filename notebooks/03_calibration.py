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
# # 3. Calibration at a tower
#
# `model.calibrate` fits parameters to observations with exact derivatives, through the equilibrium and the years of history. The data
# here are a twin: the model itself makes monthly fluxes at Bonanza Creek with known parameters, noise is added, and the search
# starts elsewhere. A twin says what data of this kind *can* tell. For measured data put one's own table in its place; several sites at
# once, priors, factors and posterior draws: `jtem calibrate PLAN.toml` and `experiments/*/calibration`.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import jtem

truth = {
    "respiration.maintenance_intercept": -5.2,
    "decomposition.temperature_sensitivity": 0.075,
    "photosynthesis.light_half_saturation": 68.0,
}
errors = {"nep": 5.0, "gpp": 8.0, "ecosystem_respiration": 8.0}  # one standard error, gC m-2 month-1
model = jtem.Model("Bonanza Creek", permafrost="none")
known = model.with_parameters(truth).run(years=(1995, 2010), monthly=["gpp", "ra", "rh", "nep"])

# %%
months = known.monthly.sel(time=slice("2003", None))
seconds = 86400 * np.tile([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], months.sizes["time"] // 12)
noise = np.random.default_rng(0)
fluxes = {"nep": months["nep"], "gpp": months["gpp"], "ecosystem_respiration": months["ra"] + months["rh"]}
tower = pd.DataFrame({"year": months["year"], "month": months["time"].dt.month})
for name, values in fluxes.items():
    tower[name] = 1000 * seconds * values.values + noise.normal(0.0, errors[name], seconds.size)
tower.head()

# %% [markdown]
# 2008 to 2010 are held out: scored, not fitted.

# %%
fit = model.calibrate(tower, list(truth), errors=errors, held_out=(2008, 2010), years=(1995, 2010))
print(fit)
fit.scores[["r2", "rmse"]].to_dataframe().unstack("when")

# %%
gpp = fit.simulated.where(fit.simulated["stream"] == "gpp", drop=True)
time = gpp["year"] + (gpp["month"] - 0.5) / 12
figure, (series, bars) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained", width_ratios=(1.7, 1))
series.errorbar(
    time, gpp["observed"], gpp["error"], fmt="o", color="0.6", markersize=2.5, linewidth=0.6, label="twin data"
)
series.plot(time, gpp["before"], "--", color="#D55E00", label="start")
series.plot(time, gpp["after"], "-", color="#0072B2", label="fitted")
series.axvspan(2008, 2011, color="0.93", zorder=0)
series.set_ylabel("GPP (gC m$^{-2}$ month$^{-1}$)")
series.legend(frameon=False, fontsize=8, loc="upper left", ncols=3)
found, aim = fit.parameters, np.array(list(truth.values()))
spread = 1.96 * found["standard_error"] / np.abs(aim)
place = np.arange(aim.size)
bars.errorbar(place, found["value"] / aim, spread, fmt="s", color="#0072B2", capsize=4, label="found, 95 %")
bars.plot(place, found["start"] / aim, "x", color="#D55E00", label="start")
bars.axhline(1, color="0.5", linewidth=0.8)
bars.set_xticks(place, [name.replace(".", "\n") for name in truth], fontsize=6)
bars.set_ylabel("share of the truth")
bars.legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# `fit.model` is the calibrated model: run it, go on from it, differentiate it.

# %%
assert (np.abs(found["value"] / aim - 1) < np.maximum(2 * spread, 0.01)).all()
assert float(fit.scores["r2"].sel(part="held out", when="after").min()) > 0.6
