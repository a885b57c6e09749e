"""Decomposition of soil organic matter, net nitrogen mineralisation (Raich et al. 1991; McGuire et al. 1992, 1997).

Equations docs/model.md#d2 to #d6.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from jtem.numerics import safe
from jtem.parameters import parameter


class DecompositionParameters(eqx.Module):
    """Heterotrophic respiration and immobilisation."""

    rate_slope: Float[Array, "*types"] = parameter(
        unit="month-1", description="decomposition rate at 0 degC per silt+clay share", symbol="KDA"
    )
    rate_intercept: Float[Array, "*types"] = parameter(
        unit="month-1", description="decomposition rate at 0 degC, constant", symbol="KDB"
    )
    temperature_sensitivity: Float[Array, "*types"] = parameter(
        unit="degC-1", description="exponent of soil temperature, exp(x T)", symbol="0.069"
    )
    moisture_minimum: Float[Array, "*types"] = parameter(
        unit="m3 m-3", description="moisture below which nothing decomposes", symbol="MOISTMIN"
    )
    moisture_optimum: Float[Array, "*types"] = parameter(
        unit="m3 m-3", description="moisture of fastest decomposition", symbol="MOISTOPT"
    )
    moisture_maximum: Float[Array, "*types"] = parameter(
        unit="m3 m-3", description="moisture above which nothing decomposes", symbol="MOISTMAX"
    )
    litter_quality_exponent: Float[Array, "*types"] = parameter(
        unit="1", description="exponent of the litter C:N in Kd", symbol="-0.784"
    )
    litter_cn_reference: Float[Array, "*types"] = parameter(
        unit="gC gN-1", description="litter C:N at calibration", symbol="LCCLNC", scale="log"
    )
    litter_to_soil_fraction: Float[Array, "*types"] = parameter(
        unit="1", description="share of litter that becomes soil organic matter", symbol="PROPFTOS"
    )
    decay_constant: Float[Array, "*types"] = parameter(unit="1", description="decay polynomial, constant")
    decay_linear: Float[Array, "*types"] = parameter(unit="1", description="decay polynomial, linear")
    decay_quadratic: Float[Array, "*types"] = parameter(unit="1", description="decay polynomial, quadratic")
    immobilization_slope: Float[Array, "*types"] = parameter(
        unit="gN gC-1", description="immobilisation parameter per silt+clay share", symbol="NUPA"
    )
    immobilization_intercept: Float[Array, "*types"] = parameter(
        unit="gN gC-1", description="immobilisation parameter, constant", symbol="NUPB"
    )
    immobilization_half_saturation: Float[Array, "*types"] = parameter(
        unit="gN m-2 mm-1", description="available N per water at half immobilisation", symbol="KN2", scale="log"
    )
    soil_cn: Float[Array, "*types"] = parameter(
        unit="gC gN-1", description="C:N towards which soil organic matter is drawn", symbol="CNSOIL", scale="log"
    )


def rate_at_0C(silt_clay: Float[Array, "*cells"], p: DecompositionParameters) -> Float[Array, "*cells"]:
    """``kdc = max(0, a psi + b)`` (month-1 at 0 degC), form of the TEM 4.3 files."""
    return safe.maximum(0.0, p.rate_slope * silt_clay + p.rate_intercept)


def immobilization_parameter(silt_clay: Float[Array, "*cells"], p: DecompositionParameters) -> Float[Array, "*cells"]:
    """``nup = max(0, a psi + b)``, form of the TEM 4.3 files."""
    return safe.maximum(0.0, p.immobilization_slope * silt_clay + p.immobilization_intercept)


def decay(p: DecompositionParameters) -> Float[Array, "*cells"]:
    """``decay = 0.26299 + 1.14757 x - 0.42956 x^2``, x = share of litter that becomes soil organic matter."""
    x = p.litter_to_soil_fraction
    return p.decay_constant + x * (p.decay_linear + x * p.decay_quadratic)


def litter_quality_rate(
    base_rate: Float[Array, "*cells"],
    litter_carbon: Float[Array, "*cells"],
    litter_nitrogen: Float[Array, "*cells"],
    p: DecompositionParameters,
) -> Float[Array, "*cells"]:
    """``Kd = kdc (LTRC/LTRN)^-0.784 / litter_cn_reference^-0.784`` with last year's litter (ratio within 1 to 1000).

    A year without litter nitrogen leaves ``kdc``.
    """
    ratio = safe.clip(safe.divide(litter_carbon, litter_nitrogen, otherwise=1.0, floor=1e-9), 1.0, 1000.0)
    has_litter = (litter_nitrogen > 1e-9) & (litter_carbon > 1e-9)
    relative = jnp.where(has_litter, ratio, p.litter_cn_reference) / p.litter_cn_reference
    return base_rate * jnp.exp(p.litter_quality_exponent * jnp.log(relative))


def moisture_response(
    moisture: Float[Array, "..."],
    minimum: Float[Array, "..."],
    optimum: Float[Array, "..."],
    maximum: Float[Array, "..."],
) -> Float[Array, "..."]:
    """``f_M = x/(x - (M - M_opt)^2)``, x = (M - M_min)(M - M_max); 0 outside, 1 at the optimum (Tian et al. 1999).

    Volumetric moisture (m3 m-3). Also used per layer with trailing layer axes of all four arguments.
    """
    inside = (moisture > minimum) & (moisture < maximum)
    m = safe.clip(moisture, minimum + 1e-6, maximum - 1e-6)
    product = (m - minimum) * (m - maximum)
    return jnp.where(inside, product / (product - (m - optimum) ** 2), 0.0)


def temperature_response(
    soil_temperature: Float[Array, "..."], sensitivity: Float[Array, "..."]
) -> Float[Array, "..."]:
    """``exp(0.069 T)`` (Liu et al. 2024, Eq. 1; 2^(T/10) to 0.5 %), rate 1 at 0 degC."""
    return jnp.exp(sensitivity * soil_temperature)


def net_mineralization(
    *,
    respiration: Float[Array, "..."],
    carbon: Float[Array, "..."],
    organic_nitrogen: Float[Array, "..."],
    available_per_water: Float[Array, "..."],
    immobilization: Float[Array, "..."],
    half_saturation: Float[Array, "..."],
    decay_share: Float[Array, "..."],
    soil_cn: Float[Array, "..."],
) -> tuple[Float[Array, "..."], Float[Array, "..."], Float[Array, "..."]]:
    """Net N mineralisation (gN m-2 month-1) of a pool of soil organic matter, before availability limits.

    ``c`` = available N times relative conductivity per water; ``imm = nup c/(kn2 + c) decay RH``;
    ``gross = (N/C) RH``; ``net = gross - imm``, times (N/C) soil_cn where >= 0, times (C/N)/soil_cn where < 0: both pull
    soil C:N to soil_cn, continuous at 0 (McGuire et al. 1992; TEM 4.2/4.3). An empty pool takes the ratio 1/soil_cn.

    Returns net, gross and immobilisation; gross - immobilisation = net holds before the pull only.
    """
    has_pool = (carbon > 1e-9) & (organic_nitrogen > 1e-12)
    nitrogen_per_carbon = jnp.where(has_pool, organic_nitrogen / jnp.where(has_pool, carbon, 1.0), 1.0 / soil_cn)
    gross = nitrogen_per_carbon * respiration
    immobilized = (
        immobilization * available_per_water / (half_saturation + available_per_water) * decay_share * respiration
    )
    net = gross - immobilized
    richness = nitrogen_per_carbon * soil_cn  # above 1 where the pool is richer in nitrogen than soil_cn
    pulled = net * jnp.where(net >= 0.0, richness, 1.0 / richness)
    return pulled, gross, immobilized
