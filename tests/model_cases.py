"""Every scheme, option and precision of the model as a small run of its own: for tests of known answers, restart, order."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jtem import run, step
from jtem.physics import nitrogen, permafrost, snow, soil_heat
from jtem.physics.permafrost import Thaw
from jtem.state import Cell, Climate
from sites import BONANZA_CREEK, PLATEAU_MEADOW, TOOLIK, make, parameter_tree

YEARS = 4
PLACES = [
    (BONANZA_CREEK, 0.366, "boreal_forest", 0.0),
    (TOOLIK, 0.3665, "wet_moist_tundra", 2.0),
    (PLATEAU_MEADOW, 0.43, "alpine_meadow", 1.0),
]
ANNUAL = {
    "active_layer_thickness": "year",
    "soil_temperature_10cm": "mean",
    "snow_depth": "max",
    "runoff": "sum",
    "soil_water": "mean",
    "gross_primary_production": "sum",
    "net_primary_production": "sum",
    "heterotrophic_respiration": "sum",
    "heterotrophic_respiration_thawed_permafrost": "sum",
    "nitrogen_uptake": "sum",
    "net_nitrogen_mineralization": "sum",
    "nitrogen_loss": "sum",
    "vegetation_carbon": "last",
    "soil_carbon": "last",
    "available_nitrogen": "last",
    "frozen_carbon": "last",
    "thawed_permafrost_carbon": "last",
    "ecosystem_carbon": "last",
    "wetland_methane": "sum",
    "methane_soil_uptake": "sum",
    "landscape_carbon_balance": "year",
}
SELECTION = run.Selection((), tuple(ANNUAL.items()))
GROUND = {"settling_snow": True, "lit": True, "from_place": True}
CARBON = {
    "open_nitrogen": True, "two_water_layers": True, "roots_follow_thaw": True, "abrupt_thaw": True, "methane": True,
    "deep_nitrogen_losses": True,
}  # fmt: skip
EVERYTHING: Mapping[str, Any] = {
    "scheme": "layered_concentration",
    **GROUND,
    **CARBON,
    "tissue": True,
    "fine": True,
    "own": True,
}
CASES: dict[str, Mapping[str, Any]] = {
    **{scheme: {"scheme": scheme} for scheme in permafrost.SCHEMES},
    **{option: {option: True} for option in (*GROUND, *CARBON)},
    "tissue nitrogen by photosynthesis": {"tissue": True},
    "nitrogen of the season": {"season": True},
    "fine layers": {"fine": True},
    "parameters of the place": {"own": True},
    "moisture of the month's beginning": {"month_mean_moisture": False},
    "no soil heat": {"scheme": "none", "heat": False},
    "thaw_ratio, options": {"scheme": "thaw_ratio", **CARBON, "deep_nitrogen_losses": False},
    "layered, float64": {"precision": "float64"},
    "layered, float32": {"precision": "float32"},
    "everything": EVERYTHING,
    "everything, float64": {**EVERYTHING, "precision": "float64"},
    "everything, float32": {**EVERYTHING, "precision": "float32"},
}
"""By name: what differs from scheme ``layered`` in mixed precision."""
FIELDS = ("soil_thermal.snow_density", "litter.carbon_rate")
"""Parameters that the case of own values takes from the cell."""


def design_of(
    scheme: str = "layered", precision: str = "mixed", heat: bool = True, tissue: bool = False, season: bool = False,
    fine: bool = False, own: bool = False, **options: Any,
) -> step.Design:  # fmt: skip
    """The design of a case."""
    ground: dict[str, Any] = {name: options.pop(name) for name in GROUND if name in options}
    edges = soil_heat.GRIDS["fine" if fine else "default"]
    made = step.Design(
        permafrost=permafrost.SCHEMES[scheme],
        thermal=soil_heat.ThermalDesign(layer_edges=edges, **ground) if heat else None,
        heat_dtype="float64" if precision == "float64" else "float32",
        pool_dtype="float32" if precision == "float32" else "float64",
        own=FIELDS if own else (),
        **options,
    )
    functions: dict[str, Callable] = {"snow_cover": snow.settling_cover} if ground.get("settling_snow") else {}
    if season:
        functions["nitrogen_coupling"] = nitrogen.couple_by_store
    if tissue:
        functions["plant_cn"] = nitrogen.vegetation_cn_by_photosynthesis
    return step.with_processes(made, **functions)


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What a case runs with: stacked columns, their climate of :data:`YEARS` years, parameters, and the state before."""

    design: step.Design
    cells: Cell
    climate: Climate
    parameters: step.Parameters
    state: step.State


def with_own(cells: Cell) -> Cell:
    """Cells with values of their own for :data:`FIELDS`."""
    rate = parameter_tree(str(cells.elevation.dtype)).litter.carbon_rate[cells.community]
    return dataclasses.replace(cells, own=jnp.stack([jnp.full_like(rate, 240.0), 1.1 * rate], axis=1))


def inputs_of(name: str, copies: int = 1) -> Inputs:
    """Inputs of a case, each place ``copies`` times in a row."""
    words = dict(CASES[name])
    design = design_of(**words)
    dtype = design.pool_dtype
    cells, climate = make([place for place in PLACES for _ in range(copies)], YEARS, dtype, warming_per_year=0.4)
    year, swing = np.arange(YEARS, dtype=dtype), 0.3 * np.sin(np.arange(YEARS * 12)).reshape(YEARS, 12)
    climate = dataclasses.replace(
        climate,
        air_temperature=jnp.asarray(np.asarray(climate.air_temperature) + swing.astype(dtype)),
        co2=jnp.asarray(np.asarray(climate.co2) + np.asarray(2.0, dtype) * year),
        nitrogen_input=jnp.full_like(climate.nitrogen_input, 0.02),
    )
    parameters = parameter_tree(dtype)
    if design.own:
        cells = with_own(cells)
    state = run.initial_states(parameters, cells, climate, design=design)
    thaw = jnp.full(cells.elevation.shape, 0.6, dtype)
    state = run.begin_permafrost(state, cells, parameters, Thaw(thaw, thaw), design=design)
    return Inputs(design, cells, climate, parameters, state)


def years_of(inputs: Inputs, first: int, last: int, state: step.State | None = None, pick: slice = slice(None)):
    """State after the years ``first`` to ``last`` (not included), each a call of one program, and their yearly outputs."""
    begin: step.State = inputs.state if state is None else state
    after, cells = jax.tree.map(lambda x: jnp.asarray(x)[pick], (begin, inputs.cells))
    controls = run.constant_controls(1, expose=True)
    found = []
    for year in range(first, last):
        climate = jax.tree.map(lambda x, year=year: x[pick, year : year + 1], inputs.climate)
        after, out = run.simulate_cells(
            after, climate, cells, inputs.parameters, controls, design=inputs.design, selection=SELECTION,
            devices=(jax.local_devices()[0],),
        )  # fmt: skip
        found.append({name: np.asarray(values)[:, 0] for name, values in out["annual"].items()})
    return after, {name: np.stack([one[name] for one in found], axis=1) for name in (found[0] if found else {})}
