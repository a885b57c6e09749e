"""Ten years of the whole model as a function of one row of parameters: shared by the gradient tests."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jtem import parameters as parameter_module
from jtem import run, step
from jtem.physics import nitrogen, permafrost
from sites import BONANZA_CREEK, PLATEAU_MEADOW, TABLE, TOOLIK, make, parameter_tree

YEARS = 10
OUTPUTS = (
    "gross_primary_production",
    "heterotrophic_respiration",
    "active_layer_thickness",
    "soil_carbon",
    "landscape_carbon_balance",
    "wetland_methane",
    "methane_soil_uptake",
    "methane_ebullition",
    "runoff",
    "leaf_area_index",
)
"""Means over the ten years, soil carbon at their end. The first six are the acceptance quantities, two of them of options that
``layered_concentration`` has; the last four make parameters alive that act on nothing else.
"""
SELECTION = run.Selection(
    annual=(
        ("gross_primary_production", "sum"),
        ("heterotrophic_respiration", "sum"),
        ("active_layer_thickness", "year"),
        ("soil_carbon", "last"),
        ("landscape_carbon_balance", "year"),
        ("wetland_methane", "sum"),
        ("methane_soil_uptake", "sum"),
        ("methane_ebullition", "sum"),
        ("runoff", "sum"),
        ("leaf_area_index", "mean"),
    )
)
CASES = {
    "layered": [
        (TOOLIK, 0.15, "wet_moist_tundra", 2.0),
        (BONANZA_CREEK, 0.366, "boreal_forest", 0.0),
    ],
    "thaw_ratio": [
        (PLATEAU_MEADOW, 0.6, "alpine_meadow", -1.0),
        (TOOLIK, 0.3706, "alpine_tundra_polar_desert", 3.0),
    ],
    "tem6": [
        (TOOLIK, 0.6, "wet_moist_tundra", 0.0),
        (BONANZA_CREEK, 0.366, "boreal_forest", 9.0),
    ],
}
CASES["layered_concentration"] = CASES["layered"]
BASE_THAW = {"layered": (0.9, 1.1), "layered_concentration": (0.9, 1.1), "thaw_ratio": (1.2, 0.4), "tem6": (0.6, 0.7)}
OF_GROUND_OPTIONS = ("deep_snow_density", "snow_load", "snow_settling_time", "snowfall_ratio")
"""Parameters of soil heat that act with the option ``snow`` only: ``physics/test_soil_heat_options.py``."""
OF_SURFACE = ("canopy_transmission", "surface_wetness", "aerodynamic_resistance")
"""Those of the option ``surface``: ``physics/test_surface.py``."""
QUICK_TO_COMPILE = {"xla_backend_optimization_level": 0}
"""Options of ``jax.jit`` for programs that run once: machine code as it comes. What XLA makes of the mathematics stays."""
TRAINABLE = tuple(name for name, entry in TABLE.entries.items() if entry.trainable)


def design_of(scheme: str) -> step.Design:
    """All float64; nitrogen open in two of the schemes so that its parameters are alive; ``layered_concentration`` comes with
    C:N of tissue by photosynthesis, nitrogen of the season, two layers of soil water, roots that follow thaw, abrupt thaw and
    methane (and observed nitrogen).
    """
    design = step.Design(
        permafrost=permafrost.SCHEMES[scheme], heat_dtype="float64", open_nitrogen=scheme in ("tem6", "thaw_ratio")
    )
    if scheme != "layered_concentration":
        return design
    design = dataclasses.replace(
        design, two_water_layers=True, roots_follow_thaw=True, abrupt_thaw=True, methane=True, deep_nitrogen_losses=True
    )
    return step.with_processes(
        design, plant_cn=nitrogen.vegetation_cn_by_photosynthesis, nitrogen_coupling=nitrogen.couple_by_store
    )


def base_rows(scheme: str):
    """Parameter rows of the cases, nudged off the kinks that defaults sit on (layer faces, n_loss = 0 and the like)."""
    rows = jnp.asarray([TABLE.index(community) for _, _, community, _ in CASES[scheme]])
    tree = jax.tree.map(lambda leaf: leaf[rows], parameter_tree())
    nudges = {
        "soil_thermal.layer_thickness": lambda v: v + jnp.asarray([[0.013, 0.029]]),
        "soil_thermal.surface_factor_thaw": lambda v: v * 1.11,
        "nitrogen.loss_rate": lambda v: v + 0.2,
        "permafrost.root_density_decline": lambda v: v + 0.7,
        "roots.construction_cost": lambda v: v + 200.0,
        "nitrogen.co2_effect_on_cn": lambda v: v + 2e-4,
        "nitrogen.production_cn_minimum": lambda v: v + 5.0,
        "nitrogen.vegetation_cn_slope": lambda v: v + 5.0,
        "nitrogen.vegetation_cn_intercept": lambda v: v * (0.97 if scheme == "tem6" else 1.02),
    }
    for name, nudge in nudges.items():
        tree = parameter_module.Handle(name).put(tree, nudge(parameter_module.get(tree, name)))
    return tree


def flatten(rows):
    """Rows of parameters as a matrix (case, scalar) of the trainable ones, with names."""
    names, columns = [], []
    for name in TRAINABLE:
        leaf = parameter_module.get(rows, name)
        flat = leaf.reshape(leaf.shape[0], -1)
        names += [name if flat.shape[1] == 1 else f"{name}[{i}]" for i in range(flat.shape[1])]
        columns.append(flat)
    return names, jnp.concatenate(columns, axis=1)


def unflatten(rows_like, vector):
    """One row of parameters from a vector of the trainable scalars; the rest from ``rows_like`` (one row)."""
    tree, start = rows_like, 0
    for name in TRAINABLE:
        leaf = parameter_module.get(rows_like, name)
        tree = parameter_module.Handle(name).put(tree, vector[start : start + leaf.size].reshape(leaf.shape))
        start += leaf.size
    return tree


def program(scheme: str):
    """``outputs(vectors, rows, cells, climate, base_thaw)``: (case, scalar) to (case, output), batched over cases."""
    design = design_of(scheme)

    def one(vector, row, cell, climate, base_thaw):
        p = unflatten(row, vector)
        site, state = run.course.start(p, cell, jax.tree.map(lambda leaf: leaf[0], climate), design=design)
        thaw = permafrost.Thaw(base_thaw, base_thaw)
        state = step.begin_permafrost(state, cell, site, thaw, design)
        controls = run.constant_controls(YEARS, expose=True)
        _, out = run.simulate(state, climate, cell, p, controls, design=design, selection=SELECTION)
        annual = out["annual"]
        return jnp.stack([annual[name][-1] if name == "soil_carbon" else annual[name].mean() for name in OUTPUTS])

    return jax.vmap(one)


def inputs(scheme: str):
    """Names of the scalars and the arguments of :func:`program`; air warms by 0.25 degC a year, CO2 is high."""
    cells, climate = make(CASES[scheme], YEARS, warming_per_year=0.25, co2=420.0)
    noise = np.random.default_rng(7).normal(0.0, 1.5, climate.air_temperature.shape)
    air = climate.air_temperature + jnp.asarray(noise)
    following = jnp.concatenate([air[:, 1:, 0], air[:, -1:, 11]], axis=1)
    climate = dataclasses.replace(
        climate, air_temperature=air, following_air_temperature=following,
        nitrogen_input=climate.nitrogen_input + 0.02,
    )  # fmt: skip
    if scheme == "layered_concentration":
        cells = dataclasses.replace(cells, soil_nitrogen_profile=cells.soil_carbon_profile / 12.0)
    rows = base_rows(scheme)
    names, vectors = flatten(rows)
    return names, (vectors, rows, cells, climate, jnp.asarray(BASE_THAW[scheme]))
