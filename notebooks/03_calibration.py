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
# # 3. Calibration
#
# A twin experiment: the model makes monthly GPP and RH with known parameters, noise is added, and Levenberg-Marquardt
# (`jtem.study.least_squares`) finds them again from a wrong start, with the model's own derivatives. A twin says what data of this
# kind *can* tell: which parameters, how well, and which only together.

# %%

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from jtem import cli, parameters, plan, run, step
from jtem.study import least_squares

plan.use_precision("float64")
text = """
[plan]
name = "twin"
[domain]
source = "embedded"
sites = ["US-Prr"]
[history]
first = 2003
last = 2014
"""
prepared = cli.prepare(plan.parse(text), None)
experiment, table = prepared.experiment, prepared.table
design = step.Design(thermal=None)  # without soil heat the program compiles in seconds
names = (
    "photosynthesis.maximum_rate_intercept", "respiration.maintenance_intercept", "decomposition.rate_intercept",
    "nitrogen.uptake_maximum_intercept_fine",
)  # fmt: skip
row = jax.tree.map(lambda leaf: leaf[int(experiment.columns.community[0])], experiment.parameters)
cell = jax.tree.map(lambda leaf: jnp.asarray(leaf)[0], experiment.columns)
climate = jax.tree.map(lambda leaf: jnp.asarray(leaf)[0], experiment.stages[0].climate(np.array([0])))
observed = ("gross_primary_production", "heterotrophic_respiration")


def with_values(values):
    tree = row
    for k, name in enumerate(names):
        tree = parameters.replace(tree, name, values[k])
    return tree


def months(values):
    """Monthly GPP and RH of the last ten years."""
    p = with_values(values)
    site = step.derive(p, cell, design)
    days = jnp.asarray(run.DAYS_IN_MONTH)
    state = step.initial_state(site, cell, climate.air_temperature[0], climate.shortwave_radiation[0], days, design)
    years = climate.co2.shape[0]
    _, out = run.simulate(
        state, climate, cell, p, run.constant_controls(years), design=design, selection=run.Selection(monthly=observed)
    )
    return jnp.concatenate([out["monthly"][name][2:].ravel() for name in observed])


# %%
truth = np.array([float(parameters.get(row, name)) for name in names])
clean = np.asarray(jax.jit(months)(truth))
error = 0.05 * np.abs(clean) + 2.0  # gC m-2 month-1, one standard error
data = clean + np.random.default_rng(0).normal(0.0, 1.0, clean.size) * error

entries = [table.entries[name] for name in names]
lower = np.minimum(truth * 0.5, truth * 1.8)
upper = np.maximum(truth * 0.5, truth * 1.8)
transform = least_squares.Transform(names, lower, upper, ("linear",) * len(names))


def residuals(x):
    share = jax.nn.sigmoid(x)
    return (months(lower + share * (upper - lower)) - data) / error


residual, jacobian = jax.jit(residuals), jax.jit(jax.jacfwd(residuals))
start = transform.free(truth * np.array([0.8, 1.2, 1.25, 0.75]))
fit = least_squares.minimise(residual, jacobian, start)
print(least_squares.REASONS[fit.reason], "after", fit.linearisations, "linearisations and", fit.runs, "runs")
for line in least_squares.summary(fit, transform):
    k = names.index(line["name"])
    print(f"{line['name']:42} true {truth[k]:10.4g}  found {line['value']:10.4g} +- {line['standard_error']:.2g}")

# %%
figure, (series, bars) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
length = data.size // 2
time = 2005 + (np.arange(length) + 0.5) / 12
series.errorbar(
    time[-36:],
    data[length - 36 : length],
    error[length - 36 : length],
    fmt="o",
    color="0.5",
    markersize=3,
    label="twin data",
)
for values, style, label in ((transform.values(start), "--", "start"), (transform.values(fit.x), "-", "fitted")):
    series.plot(time[-36:], np.asarray(jax.jit(months)(values))[length - 36 : length], style, label=label,
                color="#D55E00" if style == "--" else "#0072B2")  # fmt: skip
series.set_ylabel("GPP (gC m$^{-2}$ month$^{-1}$)")
series.legend(frameon=False, fontsize=8)
place = np.arange(len(names))
found, spread = transform.values(fit.x), np.sqrt(np.diag(fit.covariance())) * transform.slope(fit.x)
bars.errorbar(
    place, found / truth, 1.96 * spread / np.abs(truth), fmt="s", color="#0072B2", capsize=4, label="found, 95 %"
)
bars.plot(place, transform.values(start) / truth, "x", color="#D55E00", label="start")
bars.axhline(1, color="0.5", linewidth=0.8)
bars.set_xticks(place, [name.replace(".", "\n").replace("_", " ") for name in names], fontsize=7)
bars.set_ylabel("share of the truth")
bars.legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# Parameters that the data know only together show as correlations near one.

# %%
print(np.round(fit.correlation(), 2))
assert fit.converged
assert (np.abs(found - truth) < 4 * spread).all()
