"""Columns of the ground from what is known of a place: its soil carbon and texture, in place of a table by vegetation.

Carbon makes peat of the top of the soil and mixes organic matter into the mineral soil below (Lawrence and Slater 2008); sand
makes porosity (Cosby et al. 1984), the conductivity of solids by their quartz (Johansen 1975) and how conductivity rises with
water (Côté and Konrad 2005). Moss lies on top where the community has it, rock lies below where it is known.

Equations docs/model.md#h15.
"""

from __future__ import annotations

import dataclasses
import math

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from jtem.numerics import safe
from jtem.parameters import parameter
from jtem.physics.soil_heat.column import DEFAULT_EDGES, SoilThermalParameters

CARBON_EDGES = DEFAULT_EDGES[:26]
"""Edges (m) of the 25 layers of a profile of soil carbon."""
TOPSOIL = 3
"""Layers (of 0.1 m) of the topsoil, in which peat is told from mineral soil."""
SUBSOIL = 10
"""Layers above the subsoil's lower end (1 m), whose carbon the mineral topsoil has too."""
WATER, ICE, PEAT_SOLIDS, DRY_PEAT, QUARTZ = 0.57, 2.29, 0.25, 0.05, 7.7
"""Conductivities (W m-1 K-1): water and ice (Farouki 1981), solids of peat and dry peat (Lawrence and Slater 2008), quartz
(Johansen 1975)."""
PEAT_POROSITY = 0.9
"""m3 m-3, Lawrence and Slater (2008)."""
CAPACITY_SAND, CAPACITY_CLAY, CAPACITY_PEAT, CAPACITY_WATER, CAPACITY_ICE = 2.128, 2.385, 2.5, 4.188, 2.117
"""MJ K-1 per m3 of solids (Farouki 1981; Lawrence and Slater 2008), and per m3 of water, liquid and as ice."""
ROCK_CONDUCTIVITY, ROCK_CAPACITY, ROCK_WATER = 3.0, 2.0, 0.01
"""W m-1 K-1, MJ m-3 K-1 (Clauser and Huenges 1995, as land models take them) and m3 m-3 of water in cracks (jtem choice)."""
PARTICLES = 2700.0
"""Density of mineral solids (kg m-3), Johansen (1975)."""
KERSTEN_SAND, KERSTEN_CLAY, KERSTEN_PEAT = (3.55, 0.95), (1.90, 0.85), (0.60, 0.25)
"""kappa of Côté and Konrad (2005), thawed and frozen: sand, silt and clay, organic fibrous soil."""


class SoilColumnParameters(eqx.Module):
    """What the data of a place do not tell of its column."""

    moss_thickness: Float[Array, "*types"] = parameter(
        unit="m", description="thickness of living and dead moss on the soil"
    )
    saturation: Float[Array, "*types 3"] = parameter(
        unit="1", description="share of pores filled with water: moss, peat, mineral soil", symbol="S_r"
    )
    peat_carbon_density: Float[Array, "*types"] = parameter(
        unit="kg m-3", description="carbon density at which soil is peat alone", symbol="rho_max"
    )
    bedrock_depth: Float[Array, "*types"] = parameter(
        unit="m", description="depth of bedrock below the soil's surface", scale="log"
    )


def peat_thickness(
    profile: Float[Array, " carbon_layer"], peat_density: Float[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Thickness (m) of peat on mineral soil, and carbon density (kg m-3) of the mineral topsoil below it.

    The topsoil holds its carbon in peat of density rho_max over soil as rich as the subsoil:
    ``h rho_max + (d-h) rho_s = C``, h within 0 and d. ``profile``: gC m-2 in the 25 layers.
    """
    depth, below = CARBON_EDGES[TOPSOIL], CARBON_EDGES[SUBSOIL] - CARBON_EDGES[TOPSOIL]
    stock = 1e-3 * jnp.sum(profile[:TOPSOIL])
    subsoil = 1e-3 * jnp.sum(profile[TOPSOIL:SUBSOIL]) / below
    mineral = safe.minimum(safe.minimum(subsoil, stock / depth), peat_density)
    room = safe.maximum(peat_density - mineral, 0.05 * peat_density)
    thickness = safe.clip((stock - depth * mineral) / room, 0.0, depth)
    return thickness, mineral


def mineral_porosity(sand: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Porosity (m3 m-3) of mineral soil: ``0.489 - 0.126 sand``, sand 0-1. Cosby et al. (1984)."""
    return 0.489 - 0.126 * sand


def mineral_solids(sand: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Conductivity (W m-1 K-1) of mineral solids, ``7.7^q k_o^(1-q)``, quartz q as the sand (Peters-Lidard et al. 1998).

    Johansen (1975): k_o is 2 where q > 0.2, else 3; here linear between q of 0.1 and 0.3, for a step has no derivative.
    """
    other = 3.0 - safe.clip(5.0 * sand - 0.5, 0.0, 1.0)
    return jnp.exp(sand * math.log(QUARTZ) + (1.0 - sand) * jnp.log(other))


def dry_mineral(porosity: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Conductivity (W m-1 K-1) of dry natural soil: ``(0.135 gamma + 64.7)/(2700 - 0.947 gamma)``, gamma its dry density in
    kg m-3. Johansen (1975).
    """
    density = PARTICLES * (1.0 - porosity)
    return (0.135 * density + 64.7) / (PARTICLES - 0.947 * density)


def soil_conductivity(
    saturation: Float[Array, "*shape"],
    porosity: Float[Array, "*shape"],
    solids: Float[Array, "*shape"],
    dry: Float[Array, "*shape"],
    kappa: Float[Array, "*shape"],
    fluid: float,
) -> Float[Array, "*shape"]:
    """Conductivity (W m-1 K-1) of soil: ``dry + (sat - dry) Ke``, ``sat = solids^(1-n) fluid^n`` (Johansen 1975),
    ``Ke = kappa S/(1 + (kappa-1) S)`` (Côté and Konrad 2005). ``fluid``: conductivity of water or of ice.
    """
    saturated = jnp.exp((1.0 - porosity) * jnp.log(solids) + porosity * math.log(fluid))
    return dry + (saturated - dry) * kappa * saturation / (1.0 + (kappa - 1.0) * saturation)


def materials(
    p: SoilThermalParameters,
    own: SoilColumnParameters,
    profile: Float[Array, " carbon_layer"],
    silt_clay: Float[Array, ""],
) -> SoilThermalParameters:
    """The row of parameters with the materials of a place: moss, peat, mineral topsoil, soil by layers of carbon, rock.

    ``p``, ``own``: one row each; ``profile``: gC m-2 in the 25 layers; ``silt_clay`` 0-1. What ``p`` says of snow, surface and
    freezing stays. Properties of soil are those of mineral and of organic matter, mixed by the organic share
    ``f = min(rho/rho_max, 1)``.
    """
    dtype = p.water_content.dtype
    profile, sand = profile.astype(dtype), 1.0 - silt_clay.astype(dtype)
    edges = jnp.asarray(CARBON_EDGES, dtype)
    thickness = edges[1:] - edges[:-1]
    peat, topsoil = peat_thickness(profile, own.peat_carbon_density)
    density = jnp.concatenate([topsoil[None], 1e-3 * profile[TOPSOIL:] / thickness[TOPSOIL:]])
    share = safe.clip(density / own.peat_carbon_density, 0.0, 1.0)
    one, zero = jnp.ones((1,), dtype), jnp.zeros((1,), dtype)
    organic = jnp.concatenate([one, one, share, zero])  # moss, peat, topsoil, layers, soil below the profile
    saturation = own.saturation[1] * organic + own.saturation[2] * (1.0 - organic)
    saturation = saturation.at[0].set(own.saturation[0])

    def mixed(mineral: Array, organic_one: float) -> Array:
        return mineral + organic * (organic_one - mineral)

    porosity = mixed(mineral_porosity(sand), PEAT_POROSITY)
    solids = mixed(mineral_solids(sand), PEAT_SOLIDS)
    dry = mixed(dry_mineral(mineral_porosity(sand)), DRY_PEAT)
    capacity = (1.0 - porosity) * mixed(CAPACITY_SAND * sand + CAPACITY_CLAY * (1.0 - sand), CAPACITY_PEAT)
    water = saturation * porosity

    def conductivity_with(fluid: float, k: int) -> Array:
        kappa = mixed(KERSTEN_CLAY[k] + sand * (KERSTEN_SAND[k] - KERSTEN_CLAY[k]), KERSTEN_PEAT[k])
        return soil_conductivity(saturation, porosity, solids, dry, kappa, fluid)

    # boundaries from the soil's surface, moss above it; of each material the part below bedrock is rock
    top = jnp.concatenate([zero, peat[None], edges[TOPSOIL:]])
    deep = safe.maximum(own.bedrock_depth - edges[-1], 0.0)
    parts = jnp.concatenate([top[1:] - top[:-1], deep[None]])
    stony = safe.clip((top[1:] - own.bedrock_depth) / safe.maximum(top[1:] - top[:-1], 1e-3), 0.0, 1.0)
    rock = jnp.concatenate([zero, stony, zero])

    def with_rock(soil: Array, of_rock: float) -> Array:
        return jnp.concatenate([soil + rock * (of_rock - soil), jnp.full((1,), of_rock, dtype)])

    return dataclasses.replace(
        p,
        layer_thickness=jnp.concatenate([own.moss_thickness[None], parts]),
        conductivity_thawed=with_rock(conductivity_with(WATER, 0), ROCK_CONDUCTIVITY),
        conductivity_frozen=with_rock(conductivity_with(ICE, 1), ROCK_CONDUCTIVITY),
        heat_capacity_thawed=with_rock(capacity + CAPACITY_WATER * water, ROCK_CAPACITY),
        heat_capacity_frozen=with_rock(capacity + CAPACITY_ICE * water, ROCK_CAPACITY),
        water_content=with_rock(water, ROCK_WATER),
    )
