"""Calibrations whose truth is known: observed without noise at the default parameters, searched from elsewhere."""

import csv

import numpy as np
import pytest

from jtem.assemble.calibration import case
from jtem.files import data_path
from jtem.parameters import Handle
from jtem.plan import calibration as calibration_plan
from jtem.readers.observations import STREAMS

DEFAULTS = [data_path("parameters", "defaults.toml")]
YEARS = (1996, 1997, 1998, 1999)
SITES = ("Toolik", "Bonanza Creek")
MONTHLY = ("nep", "gpp", "ecosystem_respiration")
POOLS = ("vegetation_carbon", "soil_carbon", "available_nitrogen")

CARBON = """
[calibration]
name = "twin"

[model]
soil_heat = false

[[data]]
source = "embedded"
path = "TABLE"

[history]
first = 1995
spin_up = [1901, 1930]

[fit]
held_out = { all = [1999, 1999] }

[errors]
floor = { nep = 1.0, gpp = 1.0, ecosystem_respiration = 1.0 }
relative = { vegetation_carbon = 0.02, soil_carbon = 0.02, available_nitrogen = 0.02 }

[search]
iterations = 40

[[parameter]]
label = "maximum photosynthesis"
name = [
  "photosynthesis.maximum_rate_co2_slope", "photosynthesis.maximum_rate_co2_intercept",
  "photosynthesis.maximum_rate_slope", "photosynthesis.maximum_rate_intercept",
]
mode = "factor"
scope = "community"
bounds = [0.4, 2.5]
start = 1.39

[[parameter]]
name = "respiration.maintenance_intercept"
communities = ["boreal_forest"]
bounds = [-8.0, -3.0]
start = -5.05

[[parameter]]
label = "decomposition rate"
name = ["decomposition.rate_slope", "decomposition.rate_intercept"]
mode = "factor"
scope = "site"
bounds = [0.3, 3.0]
start = 0.65

[[parameter]]
name = "decomposition.temperature_sensitivity"
bounds = [0.03, 0.15]
start = 0.095

[[parameter]]
label = "nitrogen uptake"
name = [
  "nitrogen.uptake_maximum_intercept_sandy", "nitrogen.uptake_maximum_slope_sandy",
  "nitrogen.uptake_maximum_intercept_fine", "nitrogen.uptake_maximum_slope_fine",
]
mode = "factor"
bounds = [0.4, 2.5]
start = 0.62

[[parameter]]
label = "carbon that left the soil"
name = "start.soil_carbon"
mode = "factor"
scope = "site"
sites = ["Toolik"]
bounds = [0.3, 1.5]
start = 0.7
"""

HEAT = """
[calibration]
name = "heat_twin"

[model]
heat_substeps = 4

[[data]]
source = "embedded"
path = "TABLE"

[history]
first = 1997
spin_up = [1961, 1990]
heat_years = 150

[errors]
floor = { soil_temperature = 0.3, active_layer_thickness = 0.05 }

[[parameter]]
name = "soil_thermal.conductivity_thawed[0]"
bounds = [0.05, 2.0]
start = 0.41

[[parameter]]
name = "soil_thermal.water_content[1]"
bounds = [0.02, 0.6]
start = 0.137

[[parameter]]
name = "soil_thermal.snow_density"
bounds = [100.0, 500.0]
start = 210.0
prior = [280.0, 1000.0]
"""


JOINT = """
[calibration]
name = "joint_twin"

[model]
heat_substeps = 4

[[data]]
source = "embedded"
path = "TABLE"

[history]
first = 1997
spin_up = [1961, 1990]
heat_years = 150

[errors]
floor = { soil_temperature = 0.3, active_layer_thickness = 0.05, nep = 1.0, gpp = 1.0, ecosystem_respiration = 1.0 }

[search]
iterations = 40
"""
BOUNDS = {
    "soil_thermal.conductivity_thawed[0]": (0.25, 4.0, 0.85),
    "soil_thermal.conductivity_frozen[0]": (0.25, 4.0, 1.2),
    "soil_thermal.water_content[0]": (0.3, 2.0, 1.1),
    "soil_thermal.conductivity_thawed[1]": (0.25, 4.0, 1.15),
    "soil_thermal.water_content[1]": (0.3, 2.0, 0.9),
    "soil_thermal.snow_density": (0.4, 1.9, 0.87),
    "soil_thermal.surface_factor_thaw": (0.6, 1.5, 1.08),
    "photosynthesis.maximum_rate": (0.4, 2.5, 1.25),
    "nitrogen.uptake_maximum": (0.4, 2.5, 0.8),
    "decomposition.rate": (0.3, 3.0, 0.75),
    "decomposition.immobilization": (0.4, 2.5, 1.2),
    "respiration.maintenance_intercept": (0.75, 1.3, 1.05),
    "decomposition.temperature_sensitivity": (0.5, 2.0, 1.2),
    "phenology.leaf_evapotranspiration_slope": (0.3, 2.0, 0.9),
    "phenology.leaf_memory": (0.3, 2.0, 0.9),
    "photosynthesis.temperature_optimum_minimum": (0.5, 3.0, 2.2),
    "photosynthesis.temperature_minimum": (0.3, 2.0, 1.15),
    "start.soil_carbon": (0.3, 1.5, 0.8),
}
"""What the plans of the papers' sites calibrate, as factors: lower, upper, start (the truth is 1)."""

REGRESSIONS = {
    "photosynthesis.maximum_rate": ("_co2_slope", "_co2_intercept", "_slope", "_intercept"),
    "nitrogen.uptake_maximum": ("_slope_sandy", "_intercept_sandy", "_slope_fine", "_intercept_fine"),
    "decomposition.rate": ("_slope", "_intercept"),
    "decomposition.immobilization": ("_slope", "_intercept"),
}


def joint_plan(only=tuple(BOUNDS)):
    """The plan with some of :data:`BOUNDS` free."""
    text = JOINT
    for label in only:
        low, high, start = BOUNDS[label]
        names = [label + end for end in REGRESSIONS.get(label, ("",))]
        text += f'\n[[parameter]]\nlabel = "{label}"\nname = {names}\nmode = "factor"\nbounds = [{low}, {high}]\n'
        text += f"start = {start}\n"
    return text.replace("'", '"')


def write_table(path, sites, values=None):
    """Observations at all moments; values in the order of the rows, by default 1."""
    rows = []
    for site in sites:
        for year in YEARS:
            rows += [(site, year, month, stream, "") for stream in MONTHLY for month in range(1, 13)]
            rows += [(site, year, "", stream, "") for stream in POOLS]
    return save(path, rows, values)


def write_heat_table(path, values=None, streams=()):
    """Soil temperature at two depths and thaw depth of two years at Toolik; ``streams``: monthly fluxes too."""
    rows = []
    for year in (1998, 1999):
        rows += [("Toolik", year, m, "soil_temperature", d) for d in (0.1, 0.5) for m in range(1, 13)]
        rows.append(("Toolik", year, "", "active_layer_thickness", ""))
        rows += [("Toolik", year, month, stream, "") for stream in streams for month in range(1, 13)]
    return save(path, rows, values)


def save(path, rows, values):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["site", "year", "month", "variable", "depth_m", "value", "unit"])
        for k, (site, year, month, stream, depth) in enumerate(rows):
            value = repr(float(1.0 if values is None else values[k]))
            writer.writerow([site, year, month, stream, depth, value, STREAMS[stream].unit])
    return path


def build(text, table):
    plan = calibration_plan.parse(text.replace("TABLE", str(table)))
    return case(plan, None)


def truth(prepared):
    """Default values of the coordinates."""
    made = []
    for name, start in zip(prepared.model.names, prepared.model.start_values, strict=True):
        field = name.split(":")[0]
        handle = Handle.of(field)
        if handle.name in prepared.table.entries:
            value = np.asarray(prepared.table.entries[handle.name].values[prepared.problem.communities[-1]])
            made.append(float(handle.pick(value)))
        else:
            made.append(1.0 + 0.0 * start)
    return np.array(made)


def rows_of(prepared, simulated, order):
    """Simulated values in the order of a table's rows."""
    o, p = prepared.problem.observations, prepared.problem
    at = {
        (p.sites[s], p.channels[c].name, b, e): v
        for s, c, b, e, v in zip(o.site, o.channel, o.begin, o.end, simulated, strict=True)
    }
    found = []
    with order.open() as file:
        for row in csv.DictReader(file):
            begin = 12 * (int(row["year"]) - prepared.first_year)
            begin, end = (begin, begin + 12) if not row["month"] else (begin + int(row["month"]) - 1,) * 2
            end = end + 1 if row["month"] else end
            name = row["variable"] + (f" {float(row['depth_m']):.2f} m" if row["depth_m"] else "")
            found.append(at[row["site"], name, begin, end])
    return found


def carbon_twin(folder, noise=0.0):
    """Two sites without soil heat, parameters off by up to 40 %: the problem, its plan's file and the folder.

    ``noise``: standard deviation in standard errors.
    """
    table = write_table(folder / "observed.csv", SITES)
    blank = build(CARBON, table)
    simulated, _ = blank.model.sensitivity(truth(blank)[None])
    write_table(table, SITES, rows_of(blank, simulated[0], table))
    if noise:
        error = build(CARBON, table).problem.observations.error
        noisy = simulated[0] + noise * np.random.default_rng(7).normal(size=error.size) * error
        write_table(table, SITES, rows_of(blank, noisy, table))
    plan = folder / "twin.toml"
    plan.write_text(CARBON.replace("TABLE", str(table)))
    return build(CARBON, table), plan, folder


def heat_twin(folder):
    """One site, thermal parameters only."""
    table = write_heat_table(folder / "observed.csv")
    blank = build(HEAT, table)
    simulated, _ = blank.model.sensitivity(truth(blank)[None])
    write_heat_table(table, rows_of(blank, simulated[0], table))
    return build(HEAT, table)


def joint_twin(folder, only=tuple(BOUNDS)):
    """One site, soil heat, carbon and nitrogen free together, soil temperature, thaw depth and fluxes observed."""
    table = write_heat_table(folder / "observed.csv", streams=MONTHLY)
    blank = build(joint_plan(only), table)
    simulated, _ = blank.model.sensitivity(np.ones((1, len(only))))
    write_heat_table(table, rows_of(blank, simulated[0], table), MONTHLY)
    return build(joint_plan(only), table)


def check_gradient(prepared, step_size=1e-5):
    """Gradient of the misfit from the Jacobian against central differences, every coordinate."""
    model, x = prepared.model, prepared.model.start
    gradient = 2.0 * model.jacobian(x[None])[0].T @ model.residuals(x[None])[0]
    assert np.all(np.abs(gradient) > 0)
    for k in range(x.size):
        moved = [x + sign * step_size * np.eye(x.size)[k] for sign in (1, -1)]
        up, down = (float((model.residuals(point[None])[0] ** 2).sum()) for point in moved)
        assert gradient[k] == pytest.approx((up - down) / (2 * step_size), rel=1e-4), model.names[k]
    return gradient
