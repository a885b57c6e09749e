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
# # 8. Write a process and swap it in
#
# A process is a pure function of physical quantities. Where TEM versions differ, `step.Processes` has a slot, and a design
# takes another function: no registry, no subclass. Here maintenance respiration with a constant Q10 of 2 in place of the
# published Q10 that falls with temperature.

# %%

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from jtem import plan, run, step
from jtem.assemble.course import prepare
from jtem.physics import respiration

plan.use_precision("float64")
help(respiration.temperature_effect)


# %% [markdown]
# Ours has the same arguments and the same units; it must be finite for any finite input, with a finite derivative.


# %%
def constant_q10(temperature, p):
    """Effect of temperature (degC) on maintenance respiration, 1 at 0 degC: 2^(T/10). ``p`` is not used."""
    del p
    return jnp.exp2(temperature / 10.0)


# %%
text = """
[plan]
name = "own"
[domain]
source = "embedded"
sites = ["US-Prr", "US-Atq"]
[history]
first = 1995
last = 2014
"""
experiment = prepare(plan.parse(text), None).experiment
climate = jax.tree.map(jnp.asarray, experiment.stages[0].climate(np.arange(2)))
names = ("autotrophic_respiration", "net_primary_production")
months = {}
for label, process in (("published", respiration.temperature_effect), ("constant Q10", constant_q10)):
    design = step.Design(thermal=None, processes=step.Processes(maintenance_temperature=process))
    state = run.initial_states(experiment.parameters, experiment.columns, climate, design=design)
    _, out = run.simulate_cells(
        state, climate, experiment.columns, experiment.parameters, run.constant_controls(20), design=design,
        selection=run.Selection(monthly=(*names, "carbon_residual")), devices=(jax.local_devices()[0],),
    )  # fmt: skip
    months[label] = {name: np.asarray(values)[:, -10:].mean(axis=1) for name, values in out["monthly"].items()}
    print(
        label,
        "largest error of the carbon budget:",
        np.abs(np.asarray(out["monthly"]["carbon_residual"])).max(),
        "gC m-2",
    )

# %%
row = jax.tree.map(lambda leaf: leaf[int(experiment.columns.community[0])], experiment.parameters)
temperature = jnp.linspace(-5, 30, 100)
figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
for (label, process), colour, line in zip(
    (("published", respiration.temperature_effect), ("constant Q10", constant_q10)),
    ("#0072B2", "#D55E00"),
    ("-", "--"),
    strict=True,
):
    axes[0].plot(temperature, process(temperature, row.respiration), line, color=colour, label=label)
    for k, site in enumerate(("US-Prr", "US-Atq")):
        axes[k + 1].plot(
            np.arange(12), months[label]["autotrophic_respiration"][k], line, color=colour, marker="os"[line == "--"]
        )
        axes[k + 1].set_title(site, fontsize=10)
        axes[k + 1].set_xticks(np.arange(12), list("JFMAMJJASOND"))
        axes[k + 1].set_ylabel("R$_A$ (gC m$^{-2}$ month$^{-1}$)")
axes[0].set_xlabel("°C")
axes[0].set_ylabel("effect of temperature (1)")
axes[0].legend(frameon=False)
plt.show()

# %% [markdown]
# Carbon still closes: budgets are kept by the step, not by the process. Derivatives follow by themselves. To keep a process,
# put it beside its equations in `physics/`, declare its parameters there with unit, bounds and source, and give it a test.

# %%
slope = jax.grad(lambda t: constant_q10(t, row.respiration))(10.0)
assert np.isclose(slope, 2 * np.log(2) / 10)
assert not np.allclose(
    months["published"]["autotrophic_respiration"], months["constant Q10"]["autotrophic_respiration"]
)
