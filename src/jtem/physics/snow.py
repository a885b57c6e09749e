"""Thermal snow: the pack that the ground feels, its resistance and the temperature of its surface.

A state of its own beside the snowpack of the water balance: it melts by degree days within the month.

Its density is a constant of the community, or a state: fresh snow is light, and settles with time, load and warmth.

Equations docs/model.md#s2 to #s7.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jtem.constants import MONTH_DAYS
from jtem.numerics import safe

DEEPEST_SNOW = 3000.0
"""Snow above this (mm water) is glacier, and insulates no further."""
FRESH_DENSITY = 67.92, 51.25, 2.59
"""kg m-3, kg m-3 and K of the density of fresh snow (Hedstrom and Pomeroy 1998)."""
LOAD_DEPTH = 0.673
"""m: depth of snow by which its load acts (Bartlett et al. 2006)."""
MELTING_DENSITY = 250.0
"""Melting snow settles to a density larger by this (kg m-3): 700 over 450 in Bartlett et al. (2006)."""


class Cover(NamedTuple):
    """What lies on the ground in a month."""

    snow: Float[Array, "*cells"]
    """mm water, at the end of the month."""
    water_equivalent: Float[Array, "substep *cells"]
    """mm water, mean of every sub-step."""
    surface_temperature: Float[Array, "substep *cells"]
    """degC, of the snow or ground surface."""
    resistance: Float[Array, "substep *cells"]
    """m2 K W-1, between that surface and the ground."""
    depth: Float[Array, "*cells"] | None = None
    """m, at the end of the month, where snow settles."""
    mean_depth: Float[Array, "*cells"] | None = None
    """m, mean of the month, where snow settles."""


def degree_day_snow(
    snow: Float[Array, "*cells"],
    air_temperature: Float[Array, "substep *cells"],
    snowfall: Float[Array, "*cells"],
    melt_factor: Float[Array, "*cells"],
) -> tuple[Float[Array, "*cells"], Float[Array, "substep *cells"]]:
    """Thermal snow: ``w_new = max(0, w + snowfall/S - m_f max(T_air, 0) n_s)`` in each of S sub-steps of n_s days.

    Returns the snow at the end of the month and, for every sub-step, the mean of its start and end (mm water).
    Units: snow mm, air temperature degC, snowfall mm month-1, melt factor mm K-1 d-1. Kink where the snow runs out.
    """
    substeps = air_temperature.shape[0]
    melt = safe.maximum(air_temperature, 0.0) * (MONTH_DAYS / substeps) * melt_factor[None]

    def step(snow: Array, melt: Array) -> tuple[Array, Array]:
        new = safe.maximum(snow + snowfall / substeps - melt, 0.0)
        return new, (snow + new) / 2

    return lax.scan(step, snow, melt)


def snow_conductivity(density: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Thermal conductivity of snow (W m-1 K-1): ``10^(2.650 rho/1000 - 1.652)``, rho in kg m-3.

    Sturm et al. (1997), in the form of TEM.
    """
    return jnp.exp(math.log(10.0) * (2.650e-3 * density - 1.652))


def snow_resistance(
    snow_water_equivalent: Float[Array, "*shape"], density: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Thermal resistance of snow (m2 K W-1): depth over conductivity. Snow in mm water, density kg m-3."""
    depth = safe.clip(snow_water_equivalent, 0.0, DEEPEST_SNOW) / density
    return depth / snow_conductivity(density)


def surface_temperature(
    air_temperature: Float[Array, "*shape"],
    snow_water_equivalent: Float[Array, "*shape"],
    half_cover: Float[Array, "*shape"],
    factor_thaw: Float[Array, "*shape"],
    factor_freeze: Float[Array, "*shape"],
) -> Float[Array, "*shape"]:
    """Temperature (degC) of the snow or ground surface: ``n_t max(T,0) (1-s_c) + n_f min(T,0)``, ``s_c =
    W/(W+W_half)``.

    Snow holds the surface near 0 degC in warm air, and does not under cold air. Snow W in mm water.
    """
    snow = safe.maximum(snow_water_equivalent, 0.0)
    bare = half_cover / (snow + half_cover)
    return factor_thaw * safe.maximum(air_temperature, 0.0) * bare + factor_freeze * safe.minimum(air_temperature, 0.0)


def cover(
    snow: Float[Array, "*cells"],
    air_temperature: Float[Array, "substep *cells"],
    snowfall: Float[Array, "*cells"],
    *,
    density: Float[Array, "*cells"],
    melt_factor: Float[Array, "*cells"],
    half_cover: Float[Array, "*cells"],
    factor_thaw: Float[Array, "*cells"],
    factor_freeze: Float[Array, "*cells"],
    excess: Float[Array, "*cells"] | None = None,
) -> Cover:
    """Snow, surface temperature and resistance in every sub-step of a month.

    ``snow`` (mm water) at the month's start, air temperature (degC) of its sub-steps, snowfall (mm month-1); density kg m-3,
    melt factor mm K-1 d-1, half cover mm, factors 1; ``excess`` (K) is added to the temperature of ground without snow.
    """
    snow, water = degree_day_snow(snow, air_temperature, snowfall, melt_factor)

    surface = _surface(air_temperature, water, half_cover, factor_thaw, factor_freeze, excess)
    return Cover(snow, water, surface, snow_resistance(water, jnp.broadcast_to(density[None], water.shape)))


def _surface(
    air_temperature: Float[Array, "substep *cells"],
    water: Float[Array, "substep *cells"],
    half_cover: Float[Array, "*cells"],
    factor_thaw: Float[Array, "*cells"],
    factor_freeze: Float[Array, "*cells"],
    excess: Float[Array, "*cells"] | None,
) -> Float[Array, "substep *cells"]:
    """:func:`surface_temperature` of every sub-step, and the excess (K) that light adds to ground without snow."""
    half, thaw, freeze = (jnp.broadcast_to(x[None], water.shape) for x in (half_cover, factor_thaw, factor_freeze))
    surface = surface_temperature(air_temperature, water, half, thaw, freeze)
    return surface if excess is None else surface + excess[None] * half / (water + half)


def fresh_snow_density(air_temperature: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Density of fresh snow (kg m-3): ``67.92 + 51.25 exp(T/2.59)``, T in degC and at most 0. Hedstrom and Pomeroy (1998)."""
    light, warm, scale = FRESH_DENSITY
    return light + warm * jnp.exp(safe.minimum(air_temperature, 0.0) / scale)


def settled_density(
    depth: Float[Array, "*shape"],
    air_temperature: Float[Array, "*shape"],
    deep: Float[Array, "*shape"],
    load: Float[Array, "*shape"],
) -> Float[Array, "*shape"]:
    """Density (kg m-3) that a pack settles to: ``rho_d - L/z (1 - exp(-z/0.673))``, ``rho_d`` that of deep snow.

    Bartlett et al. (2006), who have 450 kg m-3 for cold deep snow and 700 for melting snow (in between, air of -1 to 1 degC,
    linear), and a load L of 204.7 kg m-2. Depth m, air temperature degC.
    """
    x = safe.maximum(depth / LOAD_DEPTH, 1e-4)
    melting = MELTING_DENSITY * safe.clip(0.5 * (air_temperature + 1.0), 0.0, 1.0)
    return deep + melting + load / LOAD_DEPTH * jnp.expm1(-x) / x


def settling_snow(
    snow: Float[Array, "*cells"],
    depth: Float[Array, "*cells"],
    air_temperature: Float[Array, "substep *cells"],
    snowfall: Float[Array, "*cells"],
    melt_factor: Float[Array, "*cells"],
    deep_density: Float[Array, "*cells"],
    load: Float[Array, "*cells"],
    settling_time: Float[Array, "*cells"],
) -> tuple[
    Float[Array, "*cells"], Float[Array, "*cells"], Float[Array, "substep *cells"], Float[Array, "substep *cells"]
]:
    """Thermal snow with a depth: water as :func:`degree_day_snow` has it; fresh snow adds its depth, melt takes its share.

    Then the pack settles: ``rho_new = rho + (rho_s - rho)+ (1 - exp(-n/tau))`` over n days (Verseghy 1991). Returns water (mm)
    and depth (m) at the end of the month, and of every sub-step the mean of its start and end. Units: as there; density of
    deep snow kg m-3, load kg m-2, settling time d.
    """
    substeps = air_temperature.shape[0]
    days = MONTH_DAYS / substeps
    melt = safe.maximum(air_temperature, 0.0) * days * melt_factor[None]
    light = 1.0 / fresh_snow_density(air_temperature)
    settled = -jnp.expm1(-days / settling_time)

    def step(pack: tuple[Array, Array], forcing: tuple[Array, Array, Array]):
        (snow, depth), (air, melt, light) = pack, forcing
        piled = snow + snowfall / substeps
        new = safe.maximum(piled - melt, 0.0)
        volume = safe.divide(depth + snowfall / substeps * light, piled, otherwise=0.01, floor=1e-6)
        density = 1.0 / volume
        density = (
            density + safe.maximum(settled_density(new * volume, air, deep_density, load) - density, 0.0) * settled
        )
        deep = new / density
        return (new, deep), ((snow + new) / 2, (depth + deep) / 2)

    (snow, depth), (water, depths) = lax.scan(step, (snow, depth), (air_temperature, melt, light))
    return snow, depth, water, depths


def settling_cover(
    snow: Float[Array, "*cells"],
    air_temperature: Float[Array, "substep *cells"],
    snowfall: Float[Array, "*cells"],
    *,
    depth: Float[Array, "*cells"],
    deep_density: Float[Array, "*cells"],
    load: Float[Array, "*cells"],
    settling_time: Float[Array, "*cells"],
    snowfall_ratio: Float[Array, "*cells"],
    melt_factor: Float[Array, "*cells"],
    half_cover: Float[Array, "*cells"],
    factor_thaw: Float[Array, "*cells"],
    factor_freeze: Float[Array, "*cells"],
    excess: Float[Array, "*cells"] | None = None,
) -> Cover:
    """As :func:`cover`, for snow whose depth (m) is a state; deep density kg m-3, load kg m-2, settling time d, snow on the
    ground over snowfall as measured 1.
    """
    snow, end, water, depths = settling_snow(
        snow, depth, air_temperature, snowfall * snowfall_ratio, melt_factor, deep_density, load, settling_time
    )
    surface = _surface(air_temperature, water, half_cover, factor_thaw, factor_freeze, excess)
    density = safe.divide(water, depths, otherwise=100.0, floor=1e-9)
    return Cover(snow, water, surface, snow_resistance(water, density), end, jnp.mean(depths, axis=0))
