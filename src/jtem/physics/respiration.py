"""Maintenance and growth respiration of plants (McGuire et al. 1992; TEM 4.2/4.3).

Equations docs/model.md#a1 to #a3.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from jtem.numerics import safe
from jtem.parameters import parameter

LARGEST_MAINTENANCE = 0.25
"""Largest share of vegetation carbon that maintenance respires, month-1."""


class RespirationParameters(eqx.Module):
    """Autotrophic respiration."""

    maintenance_carbon_slope: Float[Array, "*types"] = parameter(
        unit="m2 gC-1", description="log maintenance rate per vegetation carbon", symbol="KRA"
    )
    maintenance_intercept: Float[Array, "*types"] = parameter(
        unit="log(month-1)", description="log maintenance rate at 0 degC", symbol="KRB"
    )
    q10_constant: Float[Array, "*types"] = parameter(unit="1", description="Q10 polynomial", symbol="RAQ10A0")
    q10_linear: Float[Array, "*types"] = parameter(unit="degC-1", description="Q10 polynomial", symbol="RAQ10A1")
    q10_quadratic: Float[Array, "*types"] = parameter(unit="degC-2", description="Q10 polynomial", symbol="RAQ10A2")
    q10_cubic: Float[Array, "*types"] = parameter(unit="degC-3", description="Q10 polynomial", symbol="RAQ10A3")
    growth_fraction: Float[Array, "*types"] = parameter(
        unit="1", description="growth respiration per (GPP - Rm) where positive"
    )


def temperature_effect(air_temperature: Float[Array, "*cells"], p: RespirationParameters) -> Float[Array, "*cells"]:
    """``q = Q10(T)^(T/10)``, Q10 a cubic in T (degC), evaluated on [-40, 40] degC; Q10 at least 0.5.

    ``exp(kr_b) q`` is at most :data:`LARGEST_MAINTENANCE`, so that maintenance (``kr_a <= 0``) never takes in a sub-step what
    vegetation does not hold. Published parameters stay far below (0.13 month-1, at 32 degC).
    """
    t = safe.clip(air_temperature, -40.0, 40.0)
    q10 = p.q10_constant + t * (p.q10_linear + t * (p.q10_quadratic + t * p.q10_cubic))
    unbounded = jnp.exp(0.1 * t * jnp.log(safe.maximum(q10, 0.5)))
    return safe.minimum(unbounded, LARGEST_MAINTENANCE * jnp.exp(-p.maintenance_intercept))


def maintenance(
    vegetation_carbon: Float[Array, "*cells"], temperature_factor: Float[Array, "*cells"], p: RespirationParameters
) -> Float[Array, "*cells"]:
    """``Rm = exp(kr_a C_V + kr_b) C_V q(T)`` (gC m-2 month-1)."""
    return (
        jnp.exp(p.maintenance_carbon_slope * vegetation_carbon + p.maintenance_intercept)
        * vegetation_carbon
        * temperature_factor
    )


def growth_fraction(
    potential_gpp: Float[Array, "*cells"], maintenance_respiration: Float[Array, "*cells"], p: RespirationParameters
) -> Float[Array, "*cells"]:
    """Share (1) of positive GPP - Rm that growth respires: a constant (TEM: 0.2). Arguments in gC m-2 month-1."""
    del potential_gpp, maintenance_respiration
    return p.growth_fraction


def growth(
    gross_primary_production: Float[Array, "*cells"],
    maintenance_respiration: Float[Array, "*cells"],
    fraction: Float[Array, "*cells"],
) -> Float[Array, "*cells"]:
    """``Rg = 0.2 (GPP - Rm)`` where positive, else 0 (gC m-2 month-1)."""
    return fraction * safe.maximum(0.0, gross_primary_production - maintenance_respiration)
