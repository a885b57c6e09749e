"""Every process of the model as a slot: a function with the published form as default, replaced by handing over another."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from jtem.physics import (
    decomposition,
    litter,
    nitrogen,
    photosynthesis,
    radiation,
    respiration,
    snow,
    water,
)
from jtem.physics import (
    phenology as leaves,  # a slot has its own name
)
from jtem.physics import (
    soil_heat as ground,
)


class Processes(NamedTuple):
    """The functions that the step calls. A replacement takes the same arguments in the same units and gives the same results.

    Every function is pure, for one cell, finite for finite input, with a finite derivative; ``p`` holds the parameters of
    its branch. Budgets are kept by the step: they close whatever stands here, or the residuals among the outputs say so.
    :func:`jtem.step.with_processes` replaces by name.
    """

    # light and water
    cloudiness: Callable = radiation.cloudiness
    """``(radiation, top, p)``: both cal cm-2 d-1; gives cloudiness (%)."""
    photosynthetic_radiation: Callable = radiation.photosynthetic_radiation
    """``(radiation, cloud, p)``: cal cm-2 d-1 and %; gives PAR (cal cm-2 d-1)."""
    potential_evapotranspiration: Callable = radiation.potential_evapotranspiration
    """``(air_temperature, radiation, days, p)``: degC, cal cm-2 d-1, days of the month; gives PET (mm month-1)."""
    snowfall_and_rain: Callable = water.snowfall_and_rain
    """``(precipitation, air_temperature, p)``: mm month-1, degC; gives snowfall and rain (mm month-1), also for the heat."""
    snowmelt: Callable = water.snowmelt
    """``(snowpack, air_temperature, previous_air_temperature, elevation, p)``: mm, degC, degC, m; gives melt (mm month-1)."""
    evapotranspiration: Callable = water.evapotranspiration
    """``(water_input, potential, available_water, capacity, days, p)``: mm month-1, mm month-1, mm, mm, d; gives EET
    (mm month-1)."""
    water_balance: Callable = water.balance
    """Soil water, groundwater and runoff: signature of :func:`jtem.physics.water.balance`; gives ``WaterState, WaterMonth``."""

    # heat
    snow_cover: Callable = snow.cover
    """``(snow, air_temperature, snowfall, *, density, melt_factor, half_cover, factor_thaw, factor_freeze, excess)``: mm, degC of
    every sub-step, mm month-1; gives :class:`jtem.physics.snow.Cover`."""
    soil_heat: Callable = ground.month
    """``(state, air_temperature, next_air_temperature, snowfall, properties, *, cover, design)``; gives ``ThermalState,
    ThermalMonth``."""

    # plants
    phenology: Callable = leaves.month
    """``(memory, evapotranspiration, air_temperature, p)``: mm month-1, degC; gives ``PhenologyMemory`` and the relative leaf
    (0-1)."""
    foliage: Callable = leaves.foliage
    """``(vegetation_carbon, p)``: gC m-2; gives the share of full foliage (0-1)."""
    leaf_area_index: Callable = leaves.leaf_area_index
    """``(foliage, relative_leaf, p)``: shares (0-1); gives LAI (m2 m-2), an output only."""
    gross_primary_production: Callable = photosynthesis.climate_limited_rate
    """Signature of :func:`jtem.physics.photosynthesis.climate_limited_rate`; gives GPP per unit of foliage (gC m-2 month-1)."""
    maintenance_temperature: Callable = respiration.temperature_effect
    """``(air_temperature, p)``: degC; gives the factor of maintenance respiration (1)."""
    maintenance_respiration: Callable = respiration.maintenance
    """``(vegetation_carbon, temperature_factor, p)``: gC m-2, 1; gives Rm (gC m-2 month-1)."""
    growth_fraction: Callable = respiration.growth_fraction
    """``(potential_gpp, maintenance_respiration, p)``: gC m-2 month-1; gives the share of positive GPP - Rm respired by growth
    (0-1, below 1)."""
    litterfall: Callable = litter.rates
    """``(relative_leaf, air_temperature, p)``: 0-1, degC; gives the loss rates of carbon and structural nitrogen (month-1)."""

    # soil
    decomposition_temperature: Callable = decomposition.temperature_response
    """``(soil_temperature, temperature_sensitivity)``: degC, degC-1; gives the factor of decomposition (1). Called for the active
    pool and for ``(layer, ...)`` arrays."""
    decomposition_moisture: Callable = decomposition.moisture_response
    """``(moisture, minimum, optimum, maximum)``: m3 m-3; gives the factor of decomposition (0-1). Called for layers too."""
    mineralization: Callable = decomposition.net_mineralization
    """Signature of :func:`jtem.physics.decomposition.net_mineralization`; gives net and gross mineralisation and
    immobilisation (gN m-2 month-1). Called for layers too."""
    litter_quality: Callable = decomposition.litter_quality_rate
    """``(base_rate, litter_carbon, litter_nitrogen, p)``, once a year: month-1, gC and gN m-2 yr-1; gives Kd (month-1 at
    0 degC)."""

    # nitrogen
    uptake_temperature: Callable = respiration.temperature_effect
    """``(air_temperature, p)``: degC, respiration parameters; gives the factor of nitrogen uptake (1)."""
    nitrogen_conductivity: Callable = nitrogen.conductivity_per_water
    """``(moisture, water)``: m3 m-3, mm; gives relative conductivity per water (mm-1). Called for layers too."""
    nitrogen_uptake: Callable = nitrogen.unlimited_uptake
    """``(*, nmax, foliage, available, temperature_factor, p)``: gN m-2 month-1, 0-1, gN m-2 mm-1, 1; gives uptake before the
    limit of supply (gN m-2 month-1)."""
    nitrogen_coupling: Callable = nitrogen.couple
    """How carbon and nitrogen limit each other: signature of :func:`jtem.physics.nitrogen.couple`; gives
    ``PlantNitrogenFluxes``."""
    nitrogen_loss: Callable = nitrogen.drained_loss
    """``(*, available_nitrogen, soil_water, water_input, evapotranspiration, rooting_depth, p)``: gN m-2, mm, mm month-1, mm
    month-1, m; gives the loss (gN m-2 month-1), of which the step takes no more than there is."""
    nitrogen_fixation: Callable = nitrogen.fixation
    """``(evapotranspiration, p)``: mm month-1; gives fixation (gN m-2 month-1); called where nitrogen is open."""
    plant_cn: Callable = nitrogen.vegetation_cn
    """``(relative_evapotranspiration, co2, fertilization, p)``, once a year: 0-1, ppm, f_CO2 over that at the reference CO2 (1);
    gives C:N of vegetation and of production (gC gN-1)."""
