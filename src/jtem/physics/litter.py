"""Litterfall: first-order losses of vegetation carbon and structural nitrogen (Raich et al. 1991).

Equations docs/model.md#a4 and #a5.
"""

import equinox as eqx
from jaxtyping import Array, Float

from jtem.numerics import safe
from jtem.parameters import parameter


class LitterParameters(eqx.Module):
    """Litterfall rates."""

    carbon_rate: Float[Array, "*types"] = parameter(
        unit="month-1", description="litterfall of vegetation carbon", symbol="CFALL", scale="log"
    )
    nitrogen_rate: Float[Array, "*types"] = parameter(
        unit="month-1", description="litterfall of structural nitrogen", symbol="NFALL", scale="log"
    )


def loss_rate(rate: Float[Array, "..."], step: float) -> Float[Array, "..."]:
    """Mean loss per month of a donor that decays at ``rate`` (month-1) over a sub-step h: ``(1 - exp(-rate h))/h``.

    Times the pool at the sub-step's start it is the exact mean flux; no pool can lose more than it holds. Fixed within a
    month, so it is evaluated once.
    """
    return safe.loss_fraction(rate, step)


def rates(
    relative_leaf: Float[Array, "*cells"], air_temperature: Float[Array, "*cells"], p: LitterParameters
) -> tuple[Float[Array, "*cells"], Float[Array, "*cells"]]:
    """Litterfall rates (month-1) of vegetation carbon and structural nitrogen: constants (TEM: ``CFALL``, ``NFALL``).

    ``relative_leaf`` (0-1) and air temperature (degC) are there for forms that depend on season.
    """
    del relative_leaf, air_temperature
    return p.carbon_rate, p.nitrogen_rate
