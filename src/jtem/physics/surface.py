"""The surface of snow-free ground: how much warmer than the air light makes it.

A balance of radiation, evaporation and turbulent heat, linear in the difference to the air. Equations docs/model.md#s8 to #s11.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from jtem.constants import WATTS_TO_TEM_RADIATION
from jtem.numerics import safe

STEFAN_BOLTZMANN = 5.670e-8
"""W m-2 K-4."""
SATURATION = 0.6108, 17.27, 237.3
"""kPa, 1 and K of the saturation vapour pressure (Allen et al. 1998, Eq. 11)."""
PSYCHROMETRIC = 0.0665
"""kPa K-1 at the pressure of sea level (Allen et al. 1998, Eq. 8)."""
PRIESTLEY_TAYLOR = 1.26
"""Evaporation of wet ground over its equilibrium value (Priestley and Taylor 1972)."""
AIR_HEAT_CAPACITY = 1230.0
"""J m-3 K-1 at sea level: 1013 J kg-1 K-1 (Allen et al. 1998) at 1.21 kg m-3."""
ALBEDO = 0.18
"""Of snow-free tundra, steppe and open forest; 0.23 of the reference grass of Allen et al. (1998)."""
HUMIDITY = 0.7
"""Vapour pressure over its saturation value, where no humidity is given (ours)."""
GROUND_SHARE = 0.1
"""Share of net radiation that goes into the ground (Allen et al. 1998, Eq. 45)."""


def relative_pressure(elevation: Float[Array, "*cells"]) -> Float[Array, "*cells"]:
    """Air pressure over that of sea level: ``(1 - 0.0065 z/293)^5.26``, z in m. Allen et al. (1998, Eq. 7)."""
    return jnp.power(1.0 - 0.0065 / 293.0 * elevation, 5.26)


def net_radiation(
    air_temperature: Float[Array, "*cells"],
    shortwave: Float[Array, "*cells"],
    top_of_atmosphere: Float[Array, "*cells"],
    elevation: Float[Array, "*cells"],
) -> Float[Array, "*cells"]:
    """Net radiation (W m-2) of open ground as warm as the air. Allen et al. (1998, Eqs. 37 to 40).

    ``0.82 S - sigma T^4 (0.34 - 0.14 sqrt(e)) (1.35 [S/S_clear] - 0.35)``, ``S_clear = (0.75 + 2e-5 z) S_top``, the ratio
    within 0.3 and 1, e = 0.7 e_s (kPa). Air temperature degC, shortwave W m-2, top of the atmosphere cal cm-2 d-1, elevation m.
    """
    vapour = HUMIDITY * saturation(air_temperature)
    clear = (0.75 + 2e-5 * elevation) * top_of_atmosphere / WATTS_TO_TEM_RADIATION
    bright = safe.clip(safe.divide(shortwave, clear, otherwise=0.5, floor=1.0), 0.3, 1.0)
    longwave = STEFAN_BOLTZMANN * jnp.square(jnp.square(air_temperature + 273.15))
    return (1.0 - ALBEDO) * shortwave - longwave * (0.34 - 0.14 * jnp.sqrt(vapour)) * (1.35 * bright - 0.35)


def saturation(air_temperature: Float[Array, "*cells"]) -> Float[Array, "*cells"]:
    """Saturation vapour pressure (kPa): ``0.6108 exp(17.27 T/(T + 237.3))``, T in degC. Allen et al. (1998, Eq. 11)."""
    scale, factor, offset = SATURATION
    return scale * jnp.exp(factor * air_temperature / (air_temperature + offset))


def evaporating_share(
    air_temperature: Float[Array, "*cells"], elevation: Float[Array, "*cells"], wetness: Float[Array, "*cells"]
) -> Float[Array, "*cells"]:
    """Share of the energy at the surface that evaporates water: ``min(1, 1.26 beta s/(s + gamma))``.

    Priestley and Taylor (1972) for wet ground, times the wetness beta (1). s (kPa K-1) is the slope of the saturation vapour
    pressure, gamma the psychrometric constant at the pressure of the elevation (m).
    """
    _, factor, offset = SATURATION
    slope = factor * offset * saturation(air_temperature) / jnp.square(air_temperature + offset)
    gamma = PSYCHROMETRIC * relative_pressure(elevation)
    return safe.minimum(PRIESTLEY_TAYLOR * wetness * slope / (slope + gamma), 1.0)


def excess(
    air_temperature: Float[Array, "*cells"],
    shortwave: Float[Array, "*cells"],
    top_of_atmosphere: Float[Array, "*cells"],
    elevation: Float[Array, "*cells"],
    *,
    transmission: Float[Array, "*cells"],
    wetness: Float[Array, "*cells"],
    resistance: Float[Array, "*cells"],
) -> Float[Array, "*cells"]:
    """By how much light warms snow-free ground above the air (K), no less than 0.

    ``tau 0.9 Rn+ (1 - LE share)/(rho c_p/r_a + 4 sigma T^3)``: what does not evaporate or go into the ground leaves as turbulent
    heat and thermal radiation. ``transmission`` tau of the canopy (1), ``wetness`` beta (1), aerodynamic resistance r_a (s m-1).
    """
    energy = (
        (1.0 - GROUND_SHARE)
        * transmission
        * safe.maximum(net_radiation(air_temperature, shortwave, top_of_atmosphere, elevation), 0.0)
    )
    turbulent = AIR_HEAT_CAPACITY * relative_pressure(elevation) / resistance
    kelvin = air_temperature + 273.15
    thermal = 4.0 * STEFAN_BOLTZMANN * kelvin * jnp.square(kelvin)
    return energy * (1.0 - evaporating_share(air_temperature, elevation, wetness)) / (turbulent + thermal)
