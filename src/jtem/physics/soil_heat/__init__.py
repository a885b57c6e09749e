"""Soil temperature, freezing and thawing: one-dimensional conduction in enthalpy form.

``column``: what the ground is made of; ``place``: the same from data of a place; ``solver``: one implicit step; ``months``:
the month, the year, the spin-up's reset.
"""

from jtem.physics.soil_heat.column import (
    DEFAULT_EDGES,
    FINE_EDGES,
    FREEZING,
    FREEZING_NODES,
    GRIDS,
    LATENT_HEAT,
    SoilThermalParameters,
    ThermalDesign,
    ThermalProperties,
    ThermalState,
    column_temperature,
    enthalpy_from_temperature,
    enthalpy_of,
    face_temperature,
    fronts,
    initial_state,
    layer_temperature_at,
    liquid_fraction,
    properties,
    reported_layers,
    state_from_temperature,
    temperature_from_enthalpy,
    temperature_of,
    thawed_thickness,
    unfrozen_share,
)
from jtem.physics.soil_heat.months import (
    ThermalMonth,
    close_year,
    interpolate_air_temperature,
    month,
    reset_deep_profile,
)
from jtem.physics.soil_heat.place import SoilColumnParameters, materials
from jtem.physics.soil_heat.solver import KEEP_PHASES, sub_step

__all__ = [
    "DEFAULT_EDGES",
    "FINE_EDGES",
    "FREEZING",
    "FREEZING_NODES",
    "GRIDS",
    "KEEP_PHASES",
    "LATENT_HEAT",
    "SoilColumnParameters",
    "SoilThermalParameters",
    "ThermalDesign",
    "ThermalMonth",
    "ThermalProperties",
    "ThermalState",
    "close_year",
    "column_temperature",
    "enthalpy_from_temperature",
    "enthalpy_of",
    "face_temperature",
    "fronts",
    "initial_state",
    "interpolate_air_temperature",
    "layer_temperature_at",
    "liquid_fraction",
    "materials",
    "month",
    "properties",
    "reported_layers",
    "reset_deep_profile",
    "state_from_temperature",
    "sub_step",
    "temperature_from_enthalpy",
    "temperature_of",
    "thawed_thickness",
    "unfrozen_share",
]
