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
# `jtem calibrate PLAN.toml` fits parameters to observations with exact derivatives, through the equilibrium and the years of history. Here is
# such a plan, as one writes it for a tower, and the same steps from Python. The data are a twin: the model itself makes monthly NEP, GPP
# and respiration at Bonanza Creek with known parameters, noise is added, and the search starts elsewhere. A twin says what data of this
# kind *can* tell. For measured data replace the table by one's own (columns as below) or by FLUXNET files: `experiments/*/calibration`.

# %%
import csv
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np

from jtem.assemble.calibration import case
from jtem.plan import calibration as calibration_plan
from jtem.study import scores
from jtem.study.calibration import results, search

jax.config.update("jax_enable_x64", True)
PLAN = """
[calibration]
name = "tower"

[model]
soil_heat = false            # TEM's snow rule instead: compiles in seconds. Leave this line out for the whole model.

[[data]]
source = "embedded"          # emulated climate of the embedded domain; the table is the user's own
path = "tower.csv"

[history]
first = 1995
spin_up = [1901, 1930]

[fit]
years = { all = [2003, 2007] }
held_out = { all = [2008, 2010] }

[errors]
floor = { nep = 5.0, gpp = 8.0, ecosystem_respiration = 8.0 }

[[parameter]]
label = "maximum photosynthesis"
name = [
  "photosynthesis.maximum_rate_co2_slope", "photosynthesis.maximum_rate_co2_intercept",
  "photosynthesis.maximum_rate_slope", "photosynthesis.maximum_rate_intercept",
]
mode = "factor"
bounds = [0.4, 2.5]
prior = [1.0, 0.5]
start = 1.3

[[parameter]]
name = "respiration.maintenance_intercept"
bounds = [-8.0, -3.0]
start = -5.0

[[parameter]]
name = "decomposition.temperature_sensitivity"
bounds = [0.03, 0.15]
start = 0.09

[[parameter]]
label = "carbon that left the soil before"
name = "start.soil_carbon"
mode = "factor"
scope = "site"
bounds = [0.3, 1.5]
start = 0.8
"""
STREAMS, YEARS = ("nep", "gpp", "ecosystem_respiration"), range(2003, 2011)


def write_table(values):
    with Path("tower.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["site", "year", "month", "variable", "depth_m", "value"])
        for (stream, year, month), value in zip(MOMENTS, values, strict=True):
            writer.writerow(["Bonanza Creek", year, month, stream, "", value])


def build():
    plan = calibration_plan.parse(PLAN)
    return case(plan, None)


# %% [markdown]
# The truth: default parameters, and 90 % of the equilibrium's soil carbon.

# %%
MOMENTS = [(stream, year, month) for stream in STREAMS for year in YEARS for month in range(1, 13)]
write_table(np.ones(len(MOMENTS)))
blank = build()
names = blank.model.names
truth = np.array([1.0, -5.387, 0.069, 0.9])
print(dict(zip(names, truth, strict=True)))
clean = blank.model.simulate(truth[None])[0][0]
observations = blank.problem.observations
order = {
    (STREAMS[k // (12 * len(YEARS))], YEARS[k // 12 % len(YEARS)], k % 12 + 1): k for k in range(len(MOMENTS))
}
where = [
    order[blank.problem.channels[c].name, blank.first_year + b // 12, b % 12 + 1]
    for c, b in zip(observations.channel, observations.begin, strict=True)
]
noisy = np.empty(len(MOMENTS))
noisy[where] = clean + np.random.default_rng(0).normal(size=clean.size) * observations.error
write_table(noisy)

# %%
twin = build()  # the same shapes, so nothing is compiled again
outcome = search.fit(twin, Path())
found = results.write_results(twin, outcome, results.evaluate(twin, outcome), Path())
print(Path("parameters.csv").read_text())
for score in found:
    if score.site != "all":
        print(f"{score.stream:24}{score.part:9} n {score.n:3d}  R2 {score.r2:.3f}  RMSE {score.rmse:.3g}")

# %% [markdown]
# `calibrated.toml` is a parameter overlay: name it in `[model] parameters` of any plan. `parameters.csv` has the intervals, `correlations.csv`
# what the data know only together; below, the band is the prediction's uncertainty (first order) beside the noise of the twin.

# %%
result = results.evaluate(twin, outcome)
gpp = np.array([twin.problem.channels[c].name == "gpp" for c in observations.channel])
time = twin.first_year + (observations.begin[gpp] + 0.5) / 12
first = np.argsort(time)
time = time[first]


def of_gpp(values):
    return np.asarray(values)[gpp][first]


figure, (series, bars) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained", width_ratios=(1.7, 1))
series.errorbar(time, of_gpp(twin.problem.observations.value), of_gpp(observations.error), fmt="o", color="0.6", markersize=2.5,
                linewidth=0.6, label="twin data")  # fmt: skip
series.plot(time, of_gpp(result.before), "--", color="#D55E00", label="start")
series.plot(time, of_gpp(result.after), "-", color="#0072B2", label="fitted")
series.fill_between(
    time, of_gpp(result.after - 1.96 * result.spread), of_gpp(result.after + 1.96 * result.spread), color="#0072B2", alpha=0.3
)
series.axvspan(2008, 2011, color="0.93", zorder=0)
series.text(2009.5, -30, "held out", ha="center", fontsize=8)
series.set_ylim(None, 1.25 * series.get_ylim()[1])
series.set_ylabel("GPP (gC m$^{-2}$ month$^{-1}$)")
series.legend(frameon=False, fontsize=8, loc="upper left", ncols=3)
with Path("parameters.csv").open() as file:
    rows = list(csv.DictReader(file))
value, lower, upper = (np.array([float(row[key]) for row in rows]) for key in ("value", "lower", "upper"))
place = np.arange(len(names))
interval = np.sort(np.stack([lower, upper]) / truth, axis=0)
bars.errorbar(place, value / truth, [value / truth - interval[0], interval[1] - value / truth], fmt="s", color="#0072B2", capsize=4,
              label="found, 95 %")  # fmt: skip
bars.plot(place, twin.model.start_values / truth, "x", color="#D55E00", label="start")
bars.axhline(1, color="0.5", linewidth=0.8)
bars.set_xticks(place, ["maximum\nphotosynthesis", "maintenance\nrespiration", "decomposition\nby temperature", "soil carbon\nat the start"],
                fontsize=7)  # fmt: skip
bars.set_ylabel("share of the truth")
bars.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
plt.show()

# %%
print(Path("correlations.csv").read_text())
assert outcome.fit.converged
assert (interval[0] < 1.05).all() and (interval[1] > 0.95).all()
held_out = scores.read(Path("scores.csv"))
assert all(score.r2 > 0.6 for score in held_out if score.part == "held-out" and np.isfinite(score.r2))
