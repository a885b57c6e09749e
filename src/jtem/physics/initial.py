"""Initial pools of a community, linear in silt+clay share (TEM 4.3 community files; docs/model.md#i1)."""

import equinox as eqx
from jaxtyping import Array, Float

from jtem.numerics import safe
from jtem.parameters import parameter


class InitialParameters(eqx.Module):
    """``pool = a psi + b`` at the start of an equilibrium run."""

    vegetation_carbon_slope: Float[Array, "*types"] = parameter(
        unit="gC m-2", description="initial vegetation carbon per silt+clay share", symbol="VEGCA", trainable=False
    )
    vegetation_carbon_intercept: Float[Array, "*types"] = parameter(
        unit="gC m-2", description="initial vegetation carbon, constant", symbol="VEGCB", trainable=False
    )
    structural_nitrogen_slope: Float[Array, "*types"] = parameter(
        unit="gN m-2", description="initial structural N per silt+clay share", symbol="STRNA", trainable=False
    )
    structural_nitrogen_intercept: Float[Array, "*types"] = parameter(
        unit="gN m-2", description="initial structural N, constant", symbol="STRNB", trainable=False
    )
    labile_nitrogen_slope: Float[Array, "*types"] = parameter(
        unit="gN m-2", description="initial labile N per silt+clay share", symbol="STONA", trainable=False
    )
    labile_nitrogen_intercept: Float[Array, "*types"] = parameter(
        unit="gN m-2", description="initial labile N, constant", symbol="STONB", trainable=False
    )
    soil_carbon_slope: Float[Array, "*types"] = parameter(
        unit="gC m-2", description="initial soil carbon per silt+clay share", symbol="SOLCA", trainable=False
    )
    soil_carbon_intercept: Float[Array, "*types"] = parameter(
        unit="gC m-2", description="initial soil carbon, constant", symbol="SOLCB", trainable=False
    )
    soil_organic_nitrogen_slope: Float[Array, "*types"] = parameter(
        unit="gN m-2", description="initial soil organic N per silt+clay share", symbol="SOLNA", trainable=False
    )
    soil_organic_nitrogen_intercept: Float[Array, "*types"] = parameter(
        unit="gN m-2", description="initial soil organic N, constant", symbol="SOLNB", trainable=False
    )
    available_nitrogen_slope: Float[Array, "*types"] = parameter(
        unit="gN m-2", description="initial available N per silt+clay share", symbol="AVLNA", trainable=False
    )
    available_nitrogen_intercept: Float[Array, "*types"] = parameter(
        unit="gN m-2", description="initial available N, constant", symbol="AVLNB", trainable=False
    )


def pool(
    silt_clay: Float[Array, "*cells"], slope: Float[Array, "*cells"], intercept: Float[Array, "*cells"]
) -> Float[Array, "*cells"]:
    """``a psi + b`` (g m-2), at least 0: some lines of TEM cross zero in the finest soils."""
    return safe.maximum(0.0, slope * silt_clay + intercept)
