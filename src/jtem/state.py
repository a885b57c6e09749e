"""What a cell is, gets and carries. All for one cell; a stacked copy has leading ``*cells``."""

import equinox as eqx
from jaxtyping import Array, Bool, Float, Int


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
    """Forcing of many years for one cell (or stacked cells first)."""

    air_temperature: Float[Array, "*cells year 12"]  # degC
    precipitation: Float[Array, "*cells year 12"]  # mm month-1
    shortwave_radiation: Float[Array, "*cells year 12"]  # W m-2
    co2: Float[Array, "*cells year"]  # ppm
    nitrogen_input: Float[Array, "*cells year 12"]  # gN m-2 month-1
    following_air_temperature: Float[Array, "*cells year"]  # degC, the January after each year


class Cell(eqx.Module):
    """Fixed attributes of one column."""

    elevation: Float[Array, "*cells"]  # m
    silt_clay: Float[Array, "*cells"]  # psi, 0.01-1
    community: Int[Array, "*cells"]  # row of the parameter table
    top_of_atmosphere: Float[Array, "*cells 12"]  # cal cm-2 d-1
    soil_carbon_profile: Float[Array, "*cells layer"]  # gC m-2 in the 25 layers


class Controls(eqx.Module):
    """Switches that may change between stages without compiling again."""

    baseline: Bool[Array, "*cells"]  # soil N tied to soil C at the year's end (equilibrium only)
    expose: Bool[Array, "*cells"]  # thaw moves matter between the frozen store and the rest
    follow: Bool[Array, "*cells"]  # without moving matter, accessible shares follow the active layer (else it is held)
