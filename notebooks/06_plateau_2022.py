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
# # 6. The plateau experiment of 2022
#
# Liu et al. (2022) ask how much carbon thaw sets free on the Qinghai-Tibet Plateau, with the scheme `thaw_ratio`: what the
# deepening active layer reaches joins the active soil. Run with thaw (transient) and with the permafrost held, on every 12th
# embedded plateau cell. The whole experiment: `experiments/liu2022/embedded.toml`.

# %%
import matplotlib.pyplot as plt

import jtem

model = jtem.open(
    {
        "plan": {"name": "plateau"},
        "domain": {"source": "embedded", "domain": "plateau", "stride": 12},
        "model": {"permafrost": "thaw_ratio", "parameters": ["liu2022"]},
        "spinup": {"method": "equilibrium", "cycle": [1861, 1900]},
        "history": {"first": 1995, "last": 2014},
        "factorial": {
            "runs": ["", "permafrost"], "scenarios": ["ssp126", "ssp585"], "first": 2015, "last": 2100, "base_year": 2014,
            "base_climate": "historical",
        },
        "output": {"annual": ["active_layer_thickness", "exposed_carbon", "cSoil", "nep", "frozen_carbon"]},
    }
)  # fmt: skip
future = model.run().annual.sel(time=slice("2015", None))

# %%
figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
gain = {}
for climate, label, colour, marker in (("ssp126", "SSP1-2.6", "#0072B2", "o"), ("ssp585", "SSP5-8.5", "#D55E00", "s")):
    thaws, held = (future.sel(scenario=f"{climate}_{run}") for run in ("S_Trans", "S_permafrost"))
    area = future["areacella"].where(thaws["thawdepth"][0] < 10.0, 0.0)  # columns with permafrost
    style = {"color": colour, "marker": marker, "markevery": 15}
    axes[0].plot(future["year"], thaws["thawdepth"].clip(max=10).weighted(area).mean("cell"), label=label, **style)
    exposed = (thaws["exposed_carbon"].weighted(area).mean("cell") * 365 * 86400).cumsum("time")
    axes[1].plot(future["year"], exposed, **style)
    for data, line in ((thaws, "-"), (held, "--")):
        stored = (data["nep"].weighted(area).mean("cell") * 365 * 86400).cumsum("time")
        axes[2].plot(future["year"], stored, linestyle=line, **style)
    gain[climate] = float(exposed[-1])
words = ("active layer (m, at most 10)", "exposed carbon since 2015 (kgC m$^{-2}$)", "cumulative NEP (kgC m$^{-2}$)")
for axis, text in zip(axes, words, strict=True):
    axis.set_ylabel(text)
axes[0].legend(frameon=False)
axes[2].set_title("solid: with thaw, dashed: held", fontsize=9)
figure.suptitle("Plateau permafrost cells, emulated climate, scheme thaw_ratio")
plt.show()

# %%
print("exposed by 2100, kgC m-2:", gain)
assert gain["ssp585"] > gain["ssp126"]
