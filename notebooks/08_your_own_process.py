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
# A process is a pure function of physical quantities. Every process of the monthly step is a slot, and a model takes another
# function for it: no registry, no subclass. Here maintenance respiration with a constant Q10 of 2 in place of the published Q10
# that falls with temperature.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jtem
from jtem.physics import respiration

help(respiration.temperature_effect)


# %% [markdown]
# Ours has the same arguments and the same units; it must be finite for any finite input, with a finite derivative.


# %%
def constant_q10(air_temperature, p):
    """Effect of air temperature (degC) on maintenance respiration, 1 at 0 degC: 2^(T/10). ``p`` is not used."""
    del p
    return jnp.exp2(air_temperature / 10.0)


# %%
published = jtem.Model("US-Prr", permafrost="none")
models = {"published": published, "constant Q10": published.replace(maintenance_temperature=constant_q10)}
results = {label: model.run(years=(1995, 2014)) for label, model in models.items()}
for label, result in results.items():
    largest = float(np.abs(result.budget["carbon_residual"]).max())
    print(f"{label}: largest error of the carbon budget {largest:.1e} kg m-2")

# %%
figure, (months, years) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for (label, result), line, colour in zip(results.items(), ("o-", "s--"), ("#0072B2", "#D55E00"), strict=True):
    mean = result.monthly["ra"].sel(time=slice("2005", None)).groupby("time.month").mean()
    months.plot(np.arange(12), 1000 * 86400 * 365 / 12 * mean, line, color=colour, label=label)
    years.plot(result.annual["year"], 1000 * 86400 * 365 * result.annual["npp"], line, color=colour, markersize=3)
months.set_xticks(np.arange(12), list("JFMAMJJASOND"))
months.set_ylabel("R$_A$ (gC m$^{-2}$ month$^{-1}$)")
months.legend(frameon=False)
years.set_ylabel("NPP (gC m$^{-2}$ yr$^{-1}$)")
plt.show()

# %% [markdown]
# Carbon still closes: budgets are kept by the step, not by the process. Derivatives follow by themselves. From a plan it is
# `[model.processes] maintenance_temperature = "my_module:constant_q10"`. To keep a process, put it beside its equations in
# `physics/`, declare its parameters there with unit, bounds and source, and give it a test.

# %%
slope = jax.grad(lambda t: constant_q10(t, None))(10.0)
assert np.isclose(slope, 2 * np.log(2) / 10)
assert not np.allclose(results["published"].annual["ra"], results["constant Q10"].annual["ra"], rtol=1e-3, atol=0)
