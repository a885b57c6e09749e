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
# # 9. My own site: from a CSV to a calibrated projection
#
# A tower's monthly table, a first run and its figure, a calibration to measured soil temperature, and a warmer future with the
# calibrated model. The "measurements" of this notebook are made up from the emulated climate of Toolik, so that it runs anywhere;
# with a table of one's own nothing else changes.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import jtem

climate = jtem.site("Toolik").climate_dataset(1979, 2014)
fields = {
    "tas (degC)": climate["air_temperature"],
    "pr (mm month-1)": climate["precipitation"],
    "rsds (W m-2)": climate["shortwave_radiation"],
}
years = climate["year"].values
table = pd.DataFrame({"year": np.repeat(years, 12), "month": np.tile(np.arange(1, 13), years.size)})
table = table.assign(**{name: values.values.ravel().round(3) for name, values in fields.items()})
table.to_csv("tower.csv", index=False)
table.head(3)

# %% [markdown]
# Columns are found by the usual names, units stand in the header; what is not given (soil, CO2) comes from a stated default. In a
# shell the next cell is `jtem site tower.csv --latitude 68.6 --longitude -149.6 --elevation 720 --community wet_moist_tundra`.

# %%
place = {"latitude": 68.6, "longitude": -149.6, "elevation": 720, "community": "wet_moist_tundra"}
site = jtem.site("tower.csv", **place)
model = jtem.Model(site, permafrost="layered", parameters=["jtem_soil_heat"])
result = model.run(spin_up="equilibrium", years=(1979, 2014))
print(site)
figure = jtem.plot.overview(result)

# %% [markdown]
# Soil temperature as a sensor at 0.45 m might have measured it: here the model with denser snow, and noise.

# %%
truth = model.with_parameters({"soil_thermal.snow_density": 230}).run(years=(1995, 2014))
sensor = truth.monthly["tsl"].sel(depth=0.45, method="nearest") - 273.15
noise = np.random.default_rng(1).normal(0, 0.3, sensor.size)
observed = pd.DataFrame(
    {"year": sensor["year"], "month": sensor["time"].dt.month, "soil_temperature_0.45m": sensor.values + noise}
)
fit = model.calibrate(
    observed, ["soil_thermal.snow_density"], errors={"soil_temperature": 0.3}, held_out=(2010, 2014), years=(1995, 2014)
)
fit

# %% [markdown]
# The future as a table too: the last ten years again and again, warmer by 0.05 degC a year and wetter by 4.5 % per degC. The
# calibrated model goes on from the state at the end of 2014.

# %%
ahead = np.arange(2015, 2061)
recent = table.loc[table["year"] > 2004]
later = pd.concat([recent.loc[recent["year"] == 2005 + (year - 2015) % 10].assign(year=year) for year in ahead])
warmer = 0.05 * (later["year"] - 2014)
later["tas (degC)"] += warmer
later["pr (mm month-1)"] *= 1 + 0.045 * warmer
past = fit.model.run(years=(1979, 2014))
future = fit.model.replace(place=jtem.site(later, **place)).run(start=past, years=(2015, 2060))

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for part, colour in ((past.annual, "#0072B2"), (future.annual, "#D55E00")):
    axes[0].plot(part["year"], part["thawdepth"], color=colour)
    axes[1].plot(part["year"], part["cSoil"] + part["cVeg"] + part["thawed_permafrost_carbon"], color=colour)
axes[0].set_ylabel("active layer (m)")
axes[1].set_ylabel("carbon that is not frozen (kg m$^{-2}$)")
plt.show()

# %%
value = fit.parameters["value"].item()
assert abs(value - 230) < max(4 * fit.parameters["standard_error"].item(), 5)
assert future.annual["thawdepth"][-10:].mean() > past.annual["thawdepth"][-10:].mean()
