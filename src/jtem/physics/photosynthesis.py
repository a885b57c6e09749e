"""Gross primary production before nitrogen limitation (Raich et al. 1991; McGuire et al. 1992; Zhuang et al. 2003).

Equations docs/model.md#g1 to #g5.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from jtem.numerics import safe
from jtem.parameters import parameter


class PhotosynthesisParameters(eqx.Module):
    """Maximum rate, light, CO2 and temperature response of GPP."""

    maximum_rate_co2_slope: Float[Array, "*types"] = parameter(
        unit="gC m-2 month-1 ppm-1", description="maximum rate: part times kc, per silt+clay share", symbol="CMAX1 a"
    )
    maximum_rate_co2_intercept: Float[Array, "*types"] = parameter(
        unit="gC m-2 month-1 ppm-1", description="maximum rate: part times kc, constant", symbol="CMAX1 b"
    )
    maximum_rate_slope: Float[Array, "*types"] = parameter(
        unit="gC m-2 month-1", description="maximum rate: per silt+clay share", symbol="CMAX2 a"
    )
    maximum_rate_intercept: Float[Array, "*types"] = parameter(
        unit="gC m-2 month-1", description="maximum rate: constant", symbol="CMAX2 b"
    )
    co2_half_saturation: Float[Array, "*types"] = parameter(
        unit="ppm", description="CO2 at half the maximum rate", symbol="KC", scale="log"
    )
    light_half_saturation: Float[Array, "*types"] = parameter(
        unit="cal cm-2 d-1", description="PAR at half the maximum rate", symbol="KI", scale="log"
    )
    temperature_minimum: Float[Array, "*types"] = parameter(
        unit="degC", description="no GPP at or below", symbol="TMIN"
    )
    temperature_optimum_minimum: Float[Array, "*types"] = parameter(
        unit="degC", description="lower bound of the optimum temperature", symbol="TOPTMIN"
    )
    temperature_optimum_maximum: Float[Array, "*types"] = parameter(
        unit="degC", description="upper bound of the optimum temperature", symbol="TOPTMAX"
    )
    temperature_maximum: Float[Array, "*types"] = parameter(
        unit="degC", description="no GPP at or above", symbol="TMAX"
    )


def maximum_rate(silt_clay: Float[Array, "*cells"], p: PhotosynthesisParameters) -> Float[Array, "*cells"]:
    """``Cmax = kc (a1 psi + b1) + (a2 psi + b2)`` (gC m-2 month-1), TEM 4.3.

    The kc of this regression is the published one through ``co2_half_saturation``: Cmax was calibrated with it.
    """
    return p.co2_half_saturation * (p.maximum_rate_co2_slope * silt_clay + p.maximum_rate_co2_intercept) + (
        p.maximum_rate_slope * silt_clay + p.maximum_rate_intercept
    )


def relative_conductance(
    evapotranspiration: Float[Array, "*cells"], potential: Float[Array, "*cells"]
) -> Float[Array, "*cells"]:
    """``g``: -10 r^2 + 2.9 r for r = EET/PET <= 0.1, else 0.1 + 0.9 r; not below 0 (McGuire et al. 1992)."""
    ratio = safe.divide(evapotranspiration, potential, floor=1e-9)
    dry = safe.maximum(0.0, (2.9 - 10.0 * ratio) * ratio)
    return jnp.where(ratio <= 0.1, dry, 0.1 + 0.9 * ratio)


def co2_response(
    co2: Float[Array, "*cells"], conductance: Float[Array, "*cells"], p: PhotosynthesisParameters
) -> Float[Array, "*cells"]:
    """``f_CO2 = CO2 g / (kc + CO2 g)``."""
    internal = co2 * conductance
    return internal / (p.co2_half_saturation + internal)


def light_response(radiation: Float[Array, "*cells"], p: PhotosynthesisParameters) -> Float[Array, "*cells"]:
    """``f_PAR = PAR / (ki + PAR)``, PAR in cal cm-2 d-1."""
    return radiation / (p.light_half_saturation + radiation)


def temperature_response(
    air_temperature: Float[Array, "*cells"],
    optimum_temperature: Float[Array, "*cells"],
    p: PhotosynthesisParameters,
) -> Float[Array, "*cells"]:
    """``f_T``: 0 outside ]Tmin, Tmax[; 1 from Topt to Topt_max; else ``x/(x - (T - To)^2)``, x = (T - Tmin)(T - Tmax),
    To = Topt below and Topt_max above (Raich et al. 1991). All in degC.
    """
    inside = (air_temperature > p.temperature_minimum) & (air_temperature < p.temperature_maximum)
    clipped = safe.clip(air_temperature, p.temperature_minimum + 1e-3, p.temperature_maximum - 1e-3)
    reference = jnp.where(clipped < optimum_temperature, optimum_temperature, p.temperature_optimum_maximum)
    product = (clipped - p.temperature_minimum) * (clipped - p.temperature_maximum)
    parabola = product / (product - (clipped - reference) ** 2)
    plateau = (clipped >= optimum_temperature) & (clipped <= p.temperature_optimum_maximum)
    return jnp.where(inside, jnp.where(plateau, 1.0, parabola), 0.0)


def climate_limited_rate(
    *,
    cmax: Float[Array, "*cells"],
    co2: Float[Array, "*cells"],
    evapotranspiration: Float[Array, "*cells"],
    potential_evapotranspiration: Float[Array, "*cells"],
    photosynthetic_radiation: Float[Array, "*cells"],
    air_temperature: Float[Array, "*cells"],
    optimum_temperature: Float[Array, "*cells"],
    relative_leaf: Float[Array, "*cells"],
    thawed_share: Float[Array, "*cells"],
    p: PhotosynthesisParameters,
) -> Float[Array, "*cells"]:
    """GPP per unit of foliage, ``Cmax f_CO2 f_PAR f_T f_leaf f_FT`` (gC m-2 month-1); times f_foliage it is GPP_pot."""
    conductance = relative_conductance(evapotranspiration, potential_evapotranspiration)
    return (
        cmax
        * co2_response(co2, conductance, p)
        * light_response(photosynthetic_radiation, p)
        * temperature_response(air_temperature, optimum_temperature, p)
        * relative_leaf
        * thawed_share
    )
