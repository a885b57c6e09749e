"""Litterfall: first-order losses of vegetation carbon and structural nitrogen (Raich et al. 1991)."""

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


def litterfall(pool: Float[Array, "*cells"], rate: Float[Array, "*cells"], step: float) -> Float[Array, "*cells"]:
    """``pool (1 - exp(-rate h))/h`` (g m-2 month-1): the exact mean of ``rate pool`` over a sub-step h (months)."""
    return pool * safe.loss_fraction(rate, step)
