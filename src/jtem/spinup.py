"""Spin-up: soil heat to its periodic state, then carbon and nitrogen on that periodic heat; or years repeated as published.

Heat and water do not depend on carbon, so one periodic year of heat serves the whole carbon spin-up. "After N years" and
"at equilibrium" are different states: the drift of the last year is always returned.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jtem import run, step
from jtem.constants import MONTH_MEGASECONDS, MONTHS_PER_YEAR
from jtem.numerics.anderson import anderson_step, push
from jtem.numerics.fixed_point import implicit
from jtem.physics import permafrost, soil_heat
from jtem.state import Cell, Climate, Controls, Forcing

RESET_YEARS = (3, 6, 10)
"""Years of the heat spin-up after which the deep profile is reset (soil_thermal.md section 6)."""

ANDERSON_MEMORY = 5
"""Iterates that acceleration looks back on."""

CLOSURE_TOLERANCE = {"water": 0.01, "carbon": 1.0, "nitrogen": 0.02}
"""mm, gC m-2, gN m-2 a year: TEM's own tests of equilibrium (tem.md section 11)."""


class PeriodicHeat(NamedTuple):
    """A year of heat that repeats: twelve months, its thaw, and how far from periodic the ground still is."""

    months: step.HeatMonth
    thaw: permafrost.Thaw
    heat_gain: Array  # W m-2, mean over the last year
    largest_change: Array  # degC, largest change of a layer over the last year


class Drift(NamedTuple):
    """Imbalance of the last spin-up year: mm, gC m-2, gN m-2 a year (tem.md section 11.3)."""

    water: Array
    npp_minus_litter: Array
    litter_minus_respiration: Array
    net_ecosystem_production: Array
    uptake_minus_litter_nitrogen: Array
    uptake_minus_mineralization: Array
    litter_nitrogen_minus_mineralization: Array
    nitrogen_input_minus_loss: Array


def _heat_year(thermal, forcing, site, design) -> tuple[soil_heat.ThermalState, step.HeatMonth]:
    def one_month(carried, month_forcing):
        after, out = step.heat_month(carried, month_forcing, site, design)
        assert after is not None
        return after, out

    return jax.lax.scan(one_month, thermal, forcing)


def periodic_heat(
    thermal: soil_heat.ThermalState,
    climate: Climate,
    cell: Cell,
    site: step.Column,
    *,
    years: int,
    design: step.Design,
    differentiable: bool = False,
) -> tuple[soil_heat.ThermalState, PeriodicHeat]:
    """Soil heat under one repeated year of climate (fields (12,)) for one column: plain years with a reset of the deep
    profile after years 3, 6 and 10, then Anderson acceleration on the enthalpy, then two plain years
    (soil_thermal.md section 6). Returns the state at a January and the periodic year.

    ``differentiable``: the search is not differentiated; the state before the last year carries the derivative of the
    periodic state (implicit, unknowns: enthalpy of every layer and thermal snow), and the last year is differentiated.
    """
    if differentiable:
        held = jax.lax.stop_gradient((thermal, climate, cell, site))
        thermal, _ = periodic_heat(*held, years=years - 1, design=design)
        thermal = _implicit_heat(thermal, _wrapped(run.year_forcing(climate, cell)), site, design)
        return _last_heat_year(thermal, _wrapped(run.year_forcing(climate, cell)), site, design)
    forcing = _wrapped(run.year_forcing(climate, cell))
    weights = jnp.sqrt(jnp.asarray(_thermal_design(design).thickness, jnp.dtype(design.heat_dtype)))

    def plain_year(state):
        after, months = _heat_year(state, forcing, site, design)
        after, _, _ = soil_heat.close_year(after, _thermal_design(design))
        return after, months.soil_temperature.mean(axis=0).astype(weights.dtype)

    def one_year(carried, year):
        state, earlier, earlier_residuals, filled = carried
        after, annual_mean = plain_year(state)
        residual = after.enthalpy - state.enthalpy

        def plain(_):
            return after.enthalpy

        def reset(_):
            return soil_heat.reset_deep_profile(after, annual_mean, _properties(site), _thermal_design(design)).enthalpy

        def accelerate(_):
            return anderson_step(
                earlier,
                earlier_residuals,
                filled,
                state.enthalpy,
                residual,
                weights=weights,
                measure=lambda h: soil_heat.column_temperature(
                    dataclasses.replace(after, enthalpy=h), _properties(site)
                ),
                largest_move=5.0,
            )

        accelerating = year > RESET_YEARS[-1]
        choice = jnp.where(jnp.isin(year, jnp.asarray(RESET_YEARS)), 1, jnp.where(accelerating, 2, 0))
        enthalpy = jax.lax.switch(choice, (plain, reset, accelerate), None)
        filled = filled + accelerating.astype(filled.dtype)
        carried = (
            dataclasses.replace(after, enthalpy=enthalpy),
            push(earlier, state.enthalpy),
            push(earlier_residuals, residual),
            filled,
        )
        return carried, None

    none = jnp.zeros((ANDERSON_MEMORY, *thermal.enthalpy.shape), thermal.enthalpy.dtype)
    start = (thermal, none, none, jnp.array(0))
    (thermal, *_), _ = jax.lax.scan(one_year, start, jnp.arange(1, max(years, 3) - 1))
    thermal, _ = plain_year(thermal)
    return _last_heat_year(thermal, forcing, site, design)


def _wrapped(forcing: Forcing) -> Forcing:
    """Repeated climate wraps to its own January."""
    return dataclasses.replace(forcing, next_air_temperature=jnp.roll(forcing.air_temperature, -1))


def _last_heat_year(thermal, forcing: Forcing, site: step.Column, design: step.Design):
    """One more year, and how far from periodic it is."""
    before = thermal
    weights = jnp.sqrt(jnp.asarray(_thermal_design(design).thickness, jnp.dtype(design.heat_dtype)))
    thermal, months = _heat_year(thermal, forcing, site, design)
    thermal, thaw = step.heat_close_year(thermal, site, design)
    assert thermal is not None
    pools = jnp.dtype(design.pool_dtype)
    gained = ((thermal.enthalpy - before.enthalpy) * weights**2).sum() / (MONTHS_PER_YEAR * MONTH_MEGASECONDS)
    change = soil_heat.column_temperature(thermal, _properties(site)) - soil_heat.column_temperature(
        before, _properties(site)
    )
    return thermal, PeriodicHeat(
        months=months,
        thaw=thaw,
        heat_gain=gained.astype(pools),
        largest_change=jnp.abs(change).max().astype(pools),
    )


def _thermal_design(design: step.Design) -> soil_heat.ThermalDesign:
    if design.thermal is None:
        raise ValueError("this design has no soil heat")
    return design.thermal


def _properties(site: step.Column) -> soil_heat.ThermalProperties:
    if site.thermal is None:
        raise ValueError("this site has no soil heat")
    return site.thermal


def _implicit_heat(
    thermal: soil_heat.ThermalState, forcing: Forcing, site: step.Column, design: step.Design
) -> soil_heat.ThermalState:
    """The January state with the derivative of the periodic state; enthalpy and thermal snow are the unknowns."""

    def state_of(x, theta):
        forcing_, _ = theta
        air = forcing_.air_temperature[-1].astype(x.dtype)
        return dataclasses.replace(thermal, enthalpy=x[:-1], snow=x[-1], previous_air_temperature=air)

    def year(x, theta):
        forcing_, site_ = theta
        after, _ = _heat_year(state_of(x, theta), forcing_, site_, design)
        return jnp.concatenate([after.enthalpy, after.snow[None]])

    theta = (forcing, site)
    x = implicit(year, jnp.concatenate([thermal.enthalpy, thermal.snow[None]]), theta)
    return state_of(x, theta)


def cycle_heat(
    thermal: soil_heat.ThermalState,
    climate: Climate,
    cell: Cell,
    site: step.Column,
    *,
    passes: int,
    design: step.Design,
) -> tuple[soil_heat.ThermalState, PeriodicHeat]:
    """Soil heat under a repeated cycle of years (fields (year, 12)): the last of ``passes`` plain passes, year axis first.

    Start from the periodic state of the cycle's mean year. ``heat_gain`` and ``largest_change`` are those of the last pass.
    """
    years = climate.co2.shape[0]
    wrapped = dataclasses.replace(climate, following_air_temperature=jnp.roll(climate.air_temperature[:, 0], -1))
    weights = jnp.asarray(_thermal_design(design).thickness, jnp.dtype(design.heat_dtype))
    pools = jnp.dtype(design.pool_dtype)

    def one_year(state, climate_year):
        after, months = _heat_year(state, run.year_forcing(climate_year, cell), site, design)
        after, thaw = step.heat_close_year(after, site, design)
        assert after is not None
        return after, (months, thaw)

    def one_pass(state, _) -> tuple[soil_heat.ThermalState, tuple[step.HeatMonth, permafrost.Thaw]]:
        last, outputs = jax.lax.scan(one_year, state, wrapped)
        return last, outputs

    thermal, _ = jax.lax.scan(lambda s, x: _drop(one_pass(s, x)), thermal, None, length=max(passes - 1, 0))
    before = thermal
    thermal, (months, thaw) = one_pass(thermal, None)
    gained = ((thermal.enthalpy - before.enthalpy) * weights).sum() / (years * MONTHS_PER_YEAR * MONTH_MEGASECONDS)
    change = soil_heat.column_temperature(thermal, _properties(site)) - soil_heat.column_temperature(
        before, _properties(site)
    )
    return thermal, PeriodicHeat(months, thaw, gained.astype(pools), jnp.abs(change).max().astype(pools))


def repeat_carbon(
    wet: step.WaterStateWithThaw,
    carbon: step.CarbonState,
    heat: PeriodicHeat,
    climate: Climate,
    cell: Cell,
    site: step.Column,
    controls: Controls,
    *,
    years: int,
    design: step.Design,
) -> tuple[step.WaterStateWithThaw, step.CarbonState, Drift]:
    """Water, carbon and nitrogen of one column repeated on a periodic year of heat and climate (fields (12,))."""
    forcing = run.year_forcing(climate, cell)

    def one_month(carried, inputs):
        wet_, carbon_ = carried
        month_forcing, month_heat = inputs
        wet_, moist = step.water_month(wet_, month_forcing, month_heat, site, design)
        carbon_, fluxes = step.carbon_month(carbon_, month_forcing, month_heat, moist, site, design)
        return (wet_, carbon_), (moist, fluxes)

    def one_year(carried, _):
        carried, (moist, fluxes) = jax.lax.scan(one_month, carried, (forcing, heat.months))
        wet_, carbon_ = carried
        wet_, _ = step.water_close_year(wet_, heat.thaw, site, controls, design)
        carbon_, year = step.carbon_close_year(carbon_, heat.thaw, climate.co2, site, controls, design)
        return (wet_, carbon_), year_drift(climate, moist, fluxes, year.baseline_nitrogen)

    carried = (wet, carbon)
    if years > 1:
        carried, _ = jax.lax.scan(lambda c, x: _drop(one_year(c, x)), carried, None, length=years - 1)
    (wet, carbon), last = one_year(carried, None)
    return wet, carbon, last


def _drop(result):
    return result[0], None


def year_drift(climate: Climate, moist, fluxes: step.CarbonMonth, baseline_nitrogen: Float[Array, ""]) -> Drift:
    """Imbalances of a year from its twelve months (stacked first)."""
    npp, litter = fluxes.net_primary_production.sum(axis=0), fluxes.litterfall_carbon.sum(axis=0)
    respired = fluxes.heterotrophic_respiration.sum(axis=0)
    uptake, litter_nitrogen = fluxes.nitrogen_uptake.sum(axis=0), fluxes.litterfall_nitrogen.sum(axis=0)
    mineralized = fluxes.net_nitrogen_mineralization.sum(axis=0)
    nitrogen_input = fluxes.nitrogen_input.sum(axis=0) + baseline_nitrogen
    return Drift(
        water=climate.precipitation.sum() - moist.evapotranspiration.sum(axis=0) - moist.runoff.sum(axis=0),
        npp_minus_litter=npp - litter,
        litter_minus_respiration=litter - respired,
        net_ecosystem_production=npp - respired,
        uptake_minus_litter_nitrogen=uptake - litter_nitrogen,
        uptake_minus_mineralization=uptake - mineralized,
        litter_nitrogen_minus_mineralization=litter_nitrogen - mineralized,
        nitrogen_input_minus_loss=nitrogen_input - fluxes.nitrogen_loss.sum(axis=0),
    )


def spin_up(
    state: step.State,
    climate: Climate,
    cell: Cell,
    parameters: step.Parameters,
    *,
    heat_years: int,
    years: int,
    design: step.Design,
) -> tuple[step.State, Drift, PeriodicHeat]:
    """One column: periodic heat, then ``years`` of water, carbon and nitrogen with soil N tied to soil C (``baseline``).

    ``climate``: one year (fields (12,) and ()). With the ``layered`` scheme the permafrost layers are empty until the base
    year, so they are left out here. Without soil heat the snow rule holds.
    """
    site = step.derive(parameters, cell, design)
    thermal, heat = heat_of_one_year(state.thermal, climate, cell, site, years=heat_years, design=design)
    lean, lean_site, carbon = without_layers(state.carbon, cell, parameters, site, design)
    wet, carbon, drift = repeat_carbon(
        state.water, carbon, heat, climate, cell, lean_site, baseline_controls(), years=years, design=lean
    )
    carbon = with_layers(carbon, state.carbon, heat.thaw, design)
    return step.State(thermal, wet, carbon), drift, heat


def baseline_controls() -> Controls:
    """Soil nitrogen tied to soil carbon, nothing exposed, accessible shares follow the active layer."""
    return Controls(baseline=jnp.array(True), expose=jnp.array(False), follow=jnp.array(True))


def heat_of_one_year(
    thermal: soil_heat.ThermalState | None,
    climate: Climate,
    cell: Cell,
    site: step.Column,
    *,
    years: int,
    design: step.Design,
    differentiable: bool = False,
) -> tuple[soil_heat.ThermalState | None, PeriodicHeat]:
    """:func:`periodic_heat`, or the year without soil heat where the design has none."""
    if design.thermal is None or thermal is None:
        return None, _no_heat(climate, cell, site, design)
    return periodic_heat(thermal, climate, cell, site, years=years, design=design, differentiable=differentiable)


def without_layers(
    carbon: step.CarbonState, cell: Cell, parameters: step.Parameters, site: step.Column, design: step.Design
) -> tuple[step.Design, step.Column, step.CarbonState]:
    """Design, site and carbon state for a spin-up: the 25 layers of ``layered`` are empty until the base year."""
    if not design.permafrost.decomposes_layers:
        return design, site, carbon
    lean = dataclasses.replace(design, permafrost=permafrost.NONE)
    store = permafrost.empty_store(0, carbon.store.reference_thaw)
    return lean, step.derive(parameters, cell, lean), dataclasses.replace(carbon, store=store)


def with_layers(
    carbon: step.CarbonState, before: step.CarbonState, thaw: permafrost.Thaw, design: step.Design
) -> step.CarbonState:
    """Put the empty layers of ``before`` back after :func:`without_layers`."""
    if not design.permafrost.decomposes_layers:
        return carbon
    store = dataclasses.replace(before.store, reference_thaw=thaw.active_layer_thickness)
    return dataclasses.replace(carbon, store=store)


def closed(drift: Drift):
    """Whether all of TEM's closure tests hold (tem.md section 11.3); scalar or per column."""

    def small(value, kind):
        return abs(value) <= CLOSURE_TOLERANCE[kind]

    return (
        small(drift.water, "water")
        & small(drift.npp_minus_litter, "carbon")
        & small(drift.litter_minus_respiration, "carbon")
        & small(drift.net_ecosystem_production, "carbon")
        & small(drift.uptake_minus_litter_nitrogen, "nitrogen")
        & small(drift.uptake_minus_mineralization, "nitrogen")
        & small(drift.litter_nitrogen_minus_mineralization, "nitrogen")
        & small(drift.nitrogen_input_minus_loss, "nitrogen")
    )


def _no_heat(climate: Climate, cell: Cell, site: step.Column, design: step.Design) -> PeriodicHeat:
    forcing = run.year_forcing(climate, cell)
    _, months = jax.lax.scan(lambda c, f: (c, step.heat_month(None, f, site, design)[1]), None, forcing)
    _, thaw = step.heat_close_year(None, site, design)
    zero = jnp.zeros_like(cell.elevation)
    return PeriodicHeat(months, thaw, zero, zero)


def mean_year(climate: Climate) -> Climate:
    """The mean year of a cycle for one cell: (year, 12) to (12,); it wraps to its own January."""
    air = climate.air_temperature.mean(axis=0)
    return Climate(
        air_temperature=air,
        precipitation=climate.precipitation.mean(axis=0),
        shortwave_radiation=climate.shortwave_radiation.mean(axis=0),
        co2=climate.co2.mean(axis=0),
        nitrogen_input=climate.nitrogen_input.mean(axis=0),
        following_air_temperature=air[0],
    )
