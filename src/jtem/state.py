"""What a cell is, gets and carries. All for one cell; a stacked copy has leading ``*cells``."""

from typing import TYPE_CHECKING

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool, Float, Int

if TYPE_CHECKING:
    from typing import Any as AnyArray
else:
    AnyArray = Array | np.ndarray
"""Doors hand over host arrays; the step sees device arrays."""


class Forcing(eqx.Module):
    """One month at one cell.

    ``next_air_temperature`` is the true next month inside a stage, the cycle's first January under repeated climate, the
    last month again at the end of a stage (soil heat interpolates towards it).
    """

    air_temperature: Float[Array, "*cells"]  # degC
    next_air_temperature: Float[Array, "*cells"]  # degC
    precipitation: Float[Array, "*cells"]  # mm month-1
    shortwave_radiation: Float[Array, "*cells"]  # W m-2
    top_of_atmosphere: Float[Array, "*cells"]  # cal cm-2 d-1
    co2: Float[Array, "*cells"]  # ppm
    nitrogen_input: Float[Array, "*cells"]  # gN m-2 month-1
    days: Float[Array, "*cells"]  # days of the month


class Climate(eqx.Module):
    """Forcing of one year (12,), many years of a cell (year, 12), or stacked cells first; host or device arrays."""

    air_temperature: Float[AnyArray, "*when 12"]  # degC
    precipitation: Float[AnyArray, "*when 12"]  # mm month-1
    shortwave_radiation: Float[AnyArray, "*when 12"]  # W m-2
    co2: Float[AnyArray, "*when"]  # ppm
    nitrogen_input: Float[AnyArray, "*when 12"]  # gN m-2 month-1
    following_air_temperature: Float[AnyArray, "*when"]  # degC, the January after each year


class Cell(eqx.Module):
    """Fixed attributes of one column."""

    elevation: Float[AnyArray, "*cells"]  # m
    silt_clay: Float[AnyArray, "*cells"]  # psi, 0.01-1
    community: Int[AnyArray, "*cells"]  # row of the parameter table
    top_of_atmosphere: Float[AnyArray, "*cells 12"]  # cal cm-2 d-1
    soil_carbon_profile: Float[AnyArray, "*cells layer"]  # gC m-2 in the 25 layers
    soil_nitrogen_profile: Float[AnyArray, "*cells layer"] | None = None  # gN m-2; None: by the C:N of the active pool
    inundated_fraction: Float[AnyArray, "*cells"] | None = None  # of a map; NaN and None: that of the community
    own: Float[AnyArray, "*cells parameter"] | None = (
        None  # values of the parameters that follow the place (Design.own)
    )


class Controls(eqx.Module):
    """Switches that may change between stages without compiling again."""

    baseline: Bool[AnyArray, "*cells"]  # soil N tied to soil C at the year's end (equilibrium only)
    expose: Bool[AnyArray, "*cells"]  # thaw moves matter between the frozen store and the rest
    follow: Bool[
        AnyArray, "*cells"
    ]  # without moving matter, accessible shares follow the active layer (else it is held)
    roots: Bool[AnyArray, "*cells"] | None = None  # where roots follow thaw: whether they do (None: yes)
    abrupt: Bool[AnyArray, "*cells"] | None = None  # where abrupt thaw may happen: whether it does (None: yes)
