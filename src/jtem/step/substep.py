"""A sub-step of carbon and nitrogen: plants, soil, and how they share the nitrogen.

:func:`_plants` is what carbon and climate allow, :func:`_soil` decomposition and mineralisation, :func:`_uptake` the coupling.
``derivative_stored`` and its kin stand where the derivatives of many quantities meet; they change no value.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
from jaxtyping import Array

from jtem.numerics import safe
from jtem.numerics.kernels import computed_once, derivative_stored
from jtem.numerics.layers import over_layers, to_layers
from jtem.physics import nitrogen, permafrost, respiration
from jtem.step.column import Column, Design


class Pools(NamedTuple):
    """Pools that change within a month."""

    vegetation_carbon: Array
    structural_nitrogen: Array
    labile_nitrogen: Array
    soil: permafrost.ActivePools
    store: permafrost.PermafrostStore


class MonthDrivers(NamedTuple):
    """What stays fixed within a month of carbon and nitrogen."""

    climate_rate: Array  # GPP per foliage, gC m-2 month-1
    plant_warmth: Array  # q(T) of nitrogen uptake
    maintenance_warmth: Array  # q(T) of maintenance respiration
    soil_loss: Array  # of the active pool at Kd f_M f_T, mean over a sub-step, month-1
    litter_carbon_loss: Array
    litter_nitrogen_loss: Array
    labile_loss: Array
    access: permafrost.Access
    root_access: Array  # share of each layer's nitrogen that roots reach
    soil_water: Array
    conductivity: Array  # relative conductivity per water, mm-1
    layer_conductivity: Array
    layer_loss: Array  # month-1 per layer
    layer_leaching: (
        Array | None
    )  # of available nitrogen, mean over a sub-step, month-1 per layer; None without deep losses
    nitrogen_input: Array
    water_input: Array
    evapotranspiration: Array
    production_cn: Array
    vegetation_cn: Array


class Fluxes(NamedTuple):
    """Fluxes of a sub-step, or their mean over a month (g m-2 month-1), by their names in :class:`CarbonMonth`."""

    growth_respiration: Array
    gross_nitrogen_mineralization: Array
    gross_primary_production: Array
    nitrogen_immobilization: Array
    labile_nitrogen_uptake: Array
    litterfall_carbon: Array
    litterfall_nitrogen: Array
    maintenance_respiration: Array
    nitrogen_mobilization: Array
    net_nitrogen_mineralization_active_layer: Array
    net_primary_production: Array
    nitrogen_input: Array
    nitrogen_loss: Array
    potential_gross_primary_production: Array
    net_primary_production_without_nitrogen_limitation: Array
    nitrogen_resorption: Array
    heterotrophic_respiration_active_layer: Array
    structural_nitrogen_uptake: Array
    layer_nitrogen_loss: Array | None  # by layer; None without deep losses


class _Plants(NamedTuple):
    """What carbon and climate allow, before nitrogen."""

    foliage: Array
    potential_gpp: Array
    maintenance: Array
    growth_fraction: Array
    litter_carbon: Array
    litter_nitrogen: Array


class _Soil(NamedTuple):
    """Decomposition and mineralisation of the active pool and of the thawed layers."""

    respired: Array
    net: Array
    gross: Array
    immobilized: Array
    layer_respired: Array
    layer_net: Array
    layer_gross: Array
    layer_immobilized: Array


class _Uptake(NamedTuple):
    """Plants after nitrogen; what they took from the active pool and from the layers; what drained away."""

    plant: nitrogen.PlantNitrogenFluxes
    active: Array
    layers: Array
    loss: Array
    layer_loss: Array | None


def substep(pools: Pools, month: MonthDrivers, column: Column, design: Design) -> tuple[Pools, Fluxes]:
    """One sub-step of all carbon and nitrogen pools; fluxes are rates per month.

    Losses are exponential in their donor, so pools stay >= 0 without clipping; available N limits uptake, and
    immobilisation cannot take more than there is.
    """
    plants = _plants(pools, month, column, design)
    soil = _soil(pools, month, column, design)
    uptake = _uptake(pools, plants, soil, month, column, design)
    new_pools = _after(pools, plants, soil, uptake, month, 1.0 / design.carbon_substeps)
    plant, potential = uptake.plant, plants.potential_gpp
    growth = respiration.growth(potential, plants.maintenance, plants.growth_fraction)
    return new_pools, Fluxes(
        gross_primary_production=plant.gross_primary_production,
        potential_gross_primary_production=potential,
        net_primary_production=plant.net_primary_production,
        net_primary_production_without_nitrogen_limitation=potential - plants.maintenance - growth,
        maintenance_respiration=plants.maintenance,
        growth_respiration=plant.growth_respiration,
        heterotrophic_respiration_active_layer=soil.respired,
        litterfall_carbon=plants.litter_carbon,
        litterfall_nitrogen=plant.litterfall_nitrogen,
        nitrogen_resorption=plant.resorption,
        nitrogen_mobilization=plant.mobilization,
        structural_nitrogen_uptake=plant.structural_uptake,
        labile_nitrogen_uptake=plant.labile_uptake,
        net_nitrogen_mineralization_active_layer=soil.net,
        gross_nitrogen_mineralization=soil.gross + over_layers(soil.layer_gross),
        nitrogen_immobilization=soil.immobilized + over_layers(soil.layer_immobilized),
        nitrogen_input=month.nitrogen_input,
        nitrogen_loss=uptake.loss if uptake.layer_loss is None else uptake.loss + over_layers(uptake.layer_loss),
        layer_nitrogen_loss=uptake.layer_loss,
    )


def _plants(pools: Pools, month: MonthDrivers, column: Column, design: Design) -> _Plants:
    process, p = design.processes, column.parameters
    foliage = process.foliage(pools.vegetation_carbon, p.phenology)
    potential_gpp = month.climate_rate * foliage
    maintenance = process.maintenance_respiration(pools.vegetation_carbon, month.maintenance_warmth, p.respiration)
    return _Plants(
        foliage=foliage,
        potential_gpp=potential_gpp,
        maintenance=maintenance,
        growth_fraction=process.growth_fraction(potential_gpp, maintenance, p.respiration),
        litter_carbon=pools.vegetation_carbon * month.litter_carbon_loss,
        litter_nitrogen=pools.structural_nitrogen * month.litter_nitrogen_loss,
    )


@derivative_stored
def _within(net: Array, lower: Array, upper: Array) -> Array:
    """Net mineralisation no larger than the organic stock, immobilisation no larger than the available one."""
    return safe.clip(net, lower, upper)


def _soil(pools: Pools, month: MonthDrivers, column: Column, design: Design) -> _Soil:
    d, h = column.parameters.decomposition, 1.0 / design.carbon_substeps
    mineralization, soil, store = design.processes.mineralization, pools.soil, pools.store
    concentration = soil.available_nitrogen * month.access.microbial_nitrogen * month.conductivity
    respired = soil.carbon * month.access.carbon * month.soil_loss
    net, gross, immobilized = mineralization(
        respiration=respired,
        carbon=soil.carbon,
        organic_nitrogen=soil.organic_nitrogen,
        available_per_water=concentration,
        immobilization=column.immobilization,
        half_saturation=d.immobilization_half_saturation,
        decay_share=column.decay,
        soil_cn=d.soil_cn,
    )
    net = _within(net, -(soil.available_nitrogen / h + month.nitrogen_input), soil.organic_nitrogen / h)

    rate = design.in_rate_precision

    def each(x: Array) -> Array:
        return to_layers(rate(x), design.permafrost.layers)

    layer_concentration = rate(store.thawed_available_nitrogen) * month.layer_conductivity
    if design.permafrost.root_zone_concentration:
        layer_concentration = each(concentration)
    layer_respired = store.thawed_carbon * month.layer_loss
    mineralized = mineralization(
        respiration=rate(layer_respired),
        carbon=rate(store.thawed_carbon),
        organic_nitrogen=rate(store.thawed_organic_nitrogen),
        available_per_water=layer_concentration,
        immobilization=each(column.immobilization),
        half_saturation=each(d.immobilization_half_saturation),
        decay_share=each(column.decay),
        soil_cn=each(d.soil_cn),
    )
    layer_net, layer_gross, layer_immobilized = map(design.in_pool_precision, mineralized)
    return _Soil(
        respired=respired,
        net=net,
        gross=gross,
        immobilized=immobilized,
        layer_respired=layer_respired,
        layer_net=_within(layer_net, -store.thawed_available_nitrogen / h, store.thawed_organic_nitrogen / h),
        layer_gross=layer_gross,
        layer_immobilized=layer_immobilized,
    )


@derivative_stored
def _potential_uptake(
    supply: Array, accessible: Array, foliage: Array, month: MonthDrivers, column: Column, design: Design
) -> Array:
    """Uptake (gN m-2 month-1) by demand, warmth and concentration, but no more than there is."""
    return safe.minimum(
        supply,
        design.processes.nitrogen_uptake(
            nmax=column.maximum_nitrogen_uptake,
            foliage=foliage,
            available=accessible * month.conductivity,
            temperature_factor=month.plant_warmth,
            p=column.parameters.nitrogen,
        ),
    )


@derivative_stored
def _coupled(
    pools: Pools, plants: _Plants, potential_uptake: Array, month: MonthDrivers, column: Column, design: Design
) -> nitrogen.PlantNitrogenFluxes:
    return design.processes.nitrogen_coupling(
        potential_gpp=plants.potential_gpp,
        maintenance_respiration=plants.maintenance,
        growth_fraction=plants.growth_fraction,
        potential_uptake=potential_uptake,
        labile_supply=pools.labile_nitrogen * month.labile_loss,
        litterfall_carbon=plants.litter_carbon,
        litterfall_nitrogen=plants.litter_nitrogen,
        vegetation_carbon=pools.vegetation_carbon,
        structural_nitrogen=pools.structural_nitrogen,
        labile_nitrogen=pools.labile_nitrogen,
        production_cn=month.production_cn,
        vegetation_cn=month.vegetation_cn,
        step=1.0 / design.carbon_substeps,
        p=column.parameters.nitrogen,
    )


def _uptake(pools: Pools, plants: _Plants, soil: _Soil, month: MonthDrivers, column: Column, design: Design) -> _Uptake:
    """What plants can take is the active pool's accessible share and the thawed layers within the roots."""
    h, access = 1.0 / design.carbon_substeps, month.root_access
    available, thawed = pools.soil.available_nitrogen, pools.store.thawed_available_nitrogen
    share = month.access.plant_nitrogen
    accessible = share * available + over_layers(access * thawed)
    supply_active = share * safe.maximum(0.0, available / h + month.nitrogen_input + soil.net)
    supply_layers = access * safe.maximum(0.0, thawed / h + soil.layer_net)
    supply = supply_active + over_layers(supply_layers)
    potential_uptake = _potential_uptake(supply, accessible, plants.foliage, month, column, design)
    plant = _coupled(pools, plants, potential_uptake, month, column, design)
    taken = computed_once(safe.divide(plant.structural_uptake + plant.labile_uptake, supply, floor=1e-15))
    active, layers = supply_active * taken, supply_layers * to_layers(taken, design.permafrost.layers)
    drained = design.processes.nitrogen_loss(
        available_nitrogen=available,
        soil_water=month.soil_water,
        water_input=month.water_input,
        evapotranspiration=month.evapotranspiration,
        rooting_depth=column.hydraulics.rooting_depth,
        p=column.parameters.nitrogen,
    )
    return _Uptake(
        plant=plant,
        active=active,
        layers=layers,
        loss=safe.minimum(drained, safe.maximum(0.0, available / h + month.nitrogen_input + soil.net - active)),
        layer_loss=_layer_loss(thawed, layers, soil, month, column, h),
    )


def _layer_loss(
    thawed: Array, taken: Array, soil: _Soil, month: MonthDrivers, column: Column, h: float
) -> Array | None:
    """Available nitrogen that thawed layers lose with water and as gas (gN m-2 month-1), no more than plants left."""
    if month.layer_leaching is None:
        return None
    share = to_layers(column.parameters.nitrogen.gaseous_share, thawed.shape[0])
    wanted = month.layer_leaching * thawed + nitrogen.gaseous_loss(soil.layer_net, share)
    return safe.minimum(wanted, safe.maximum(0.0, thawed / h + soil.layer_net - taken))


def _after(pools: Pools, plants: _Plants, soil: _Soil, uptake: _Uptake, month: MonthDrivers, h: float) -> Pools:
    """Pools after a sub-step of ``h`` months."""
    plant, active, store = uptake.plant, pools.soil, pools.store
    leaving = uptake.layers if uptake.layer_loss is None else uptake.layers + uptake.layer_loss
    return Pools(
        vegetation_carbon=pools.vegetation_carbon + h * (plant.net_primary_production - plants.litter_carbon),
        structural_nitrogen=pools.structural_nitrogen
        + h * (plant.structural_uptake - plant.litterfall_nitrogen - plant.resorption + plant.mobilization),
        labile_nitrogen=pools.labile_nitrogen + h * (plant.labile_uptake + plant.resorption - plant.mobilization),
        soil=permafrost.ActivePools(
            carbon=active.carbon + h * (plants.litter_carbon - soil.respired),
            organic_nitrogen=active.organic_nitrogen + h * (plant.litterfall_nitrogen - soil.net),
            available_nitrogen=active.available_nitrogen
            + h * (month.nitrogen_input + soil.net - uptake.active - uptake.loss),
        ),
        store=eqx.tree_at(
            lambda s: (s.thawed_carbon, s.thawed_organic_nitrogen, s.thawed_available_nitrogen),
            store,
            (
                store.thawed_carbon - h * soil.layer_respired,
                store.thawed_organic_nitrogen - h * soil.layer_net,
                store.thawed_available_nitrogen + h * (soil.layer_net - leaving),
            ),
        ),
    )
