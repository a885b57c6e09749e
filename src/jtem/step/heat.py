"""The heat pass: thermal snow, soil temperature, thaw. It needs climate only."""

from __future__ import annotations

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jtem.physics import permafrost, soil_heat, surface
from jtem.state import Forcing
from jtem.step.column import Column, Design


class HeatMonth(eqx.Module):
    """What the heat pass gives to the others (pool precision)."""

    soil_temperature: Float[Array, "heat_layer *cells"]  # degC, month mean
    thawed_fraction: Float[Array, "heat_layer *cells"]  # 0-1, month mean
    soil_temperature_10cm: Float[Array, "*cells"]
    soil_temperature_20cm: Float[Array, "*cells"]
    surface_soil_temperature: Float[Array, "*cells"]  # degC, mean of the upper 20 cm
    freeze_thaw_factor: Float[Array, "*cells"]  # f_FT
    upper_front_depth: Float[Array, "*cells"]  # m, bottom of the seasonally frozen top
    lower_front_depth: Float[Array, "*cells"]  # m, bottom of the thawed ground below it
    thawed_root_depth: Float[Array, "*cells"]  # m
    thermal_snow: Float[Array, "*cells"]  # mm
    snow_depth: Float[Array, "*cells"]  # m
    surface_heat_flux: Float[Array, "*cells"]  # W m-2, into the ground
    heat_residual: Float[Array, "*cells"]  # MJ m-2
    inconsistent_heat_steps: Float[Array, "*cells"]


def start(air_temperature: Float[Array, "12"], column: Column, design: Design) -> soil_heat.ThermalState | None:
    """Heat on the first of January from a year of air temperature (degC); None where the design has no soil heat."""
    if design.thermal is None or column.thermal is None:
        return None
    heat = jnp.dtype(design.heat_dtype)
    return soil_heat.initial_state(
        air_temperature.mean().astype(heat), air_temperature[11].astype(heat), column.thermal, design.thermal
    )


def month(
    state: soil_heat.ThermalState | None, forcing: Forcing, column: Column, design: Design
) -> tuple[soil_heat.ThermalState | None, HeatMonth]:
    """Thermal snow, soil temperature, thaw. Casts to and from the heat precision."""
    if design.thermal is None or state is None or column.thermal is None:
        return None, _without_model(forcing, column)
    process = design.processes
    snowfall, _ = process.snowfall_and_rain(forcing.precipitation, forcing.air_temperature, column.parameters.water)
    heat, pools = jnp.dtype(design.heat_dtype), jnp.dtype(design.pool_dtype)
    ground = column.thermal
    if design.thermal.lit:
        p = column.parameters.soil_thermal
        excess = surface.excess(
            forcing.air_temperature, forcing.shortwave_radiation, forcing.top_of_atmosphere, column.elevation,
            transmission=p.canopy_transmission, wetness=p.surface_wetness, resistance=p.aerodynamic_resistance,
        )  # fmt: skip
        ground = dataclasses.replace(ground, surface_excess=excess.astype(heat))
    new_state, out = process.soil_heat(
        state,
        forcing.air_temperature.astype(heat),
        forcing.next_air_temperature.astype(heat),
        snowfall.astype(heat),
        ground,
        cover=process.snow_cover,
        design=design.thermal,
    )
    out = jax.tree.map(lambda leaf: leaf.astype(pools), out)
    temperature, thawed = (soil_heat.reported_layers(x, design.thermal) for x in (out.temperature, out.thawed_fraction))
    return new_state, HeatMonth(
        soil_temperature=temperature,
        thawed_fraction=thawed,
        soil_temperature_10cm=out.temperature_10cm,
        soil_temperature_20cm=out.temperature_20cm,
        surface_soil_temperature=0.5 * (temperature[0] + temperature[1]),
        freeze_thaw_factor=thawed[0],
        upper_front_depth=out.upper_front_depth,
        lower_front_depth=out.lower_front_depth,
        thawed_root_depth=soil_heat.thawed_thickness(
            out.thawed_fraction, column.hydraulics.rooting_depth, design.thermal.layer_edges
        ),
        thermal_snow=out.snow_water_equivalent,
        snow_depth=out.snow_depth,
        surface_heat_flux=out.surface_heat_flux,
        heat_residual=out.energy_residual,
        inconsistent_heat_steps=out.inconsistent_steps,
    )


def _without_model(forcing: Forcing, column: Column) -> HeatMonth:
    """No soil heat: roots always thawed; TEM's snow rule is applied where the snowpack is known (carbon pass)."""
    zero = jnp.zeros_like(forcing.air_temperature)
    none = jnp.zeros((0, *zero.shape), zero.dtype)
    return HeatMonth(
        soil_temperature=none,
        thawed_fraction=none,
        soil_temperature_10cm=zero,
        soil_temperature_20cm=zero,
        surface_soil_temperature=zero,
        freeze_thaw_factor=zero + 1.0,
        upper_front_depth=zero,
        lower_front_depth=zero,
        thawed_root_depth=column.hydraulics.rooting_depth,
        thermal_snow=zero,
        snow_depth=zero,
        surface_heat_flux=zero,
        heat_residual=zero,
        inconsistent_heat_steps=zero,
    )


def close_year(
    state: soil_heat.ThermalState | None, column: Column, design: Design
) -> tuple[soil_heat.ThermalState | None, permafrost.Thaw]:
    """Active layer of the year (pool precision), running maxima reset."""
    if design.thermal is None or state is None:
        depth = column.hydraulics.rooting_depth
        return None, permafrost.Thaw(active_layer_thickness=depth, maximum_unfrozen_thickness=depth)
    pools = jnp.dtype(design.pool_dtype)
    new_state, active_layer_thickness, maximum_unfrozen_thickness = soil_heat.close_year(state, design.thermal)
    return new_state, permafrost.Thaw(active_layer_thickness.astype(pools), maximum_unfrozen_thickness.astype(pools))
