"""The state of a column that a repeated cycle of climate does not change, in the cost of some 70 years.

Heat is periodic already (``spinup``). Water and the memory of phenology do not depend on carbon and settle first, by
Anderson acceleration. Then the six slow numbers of carbon and nitrogen are solved by leaps of the linearised cycle
(``numerics/fixed_point``). Soil nitrogen is tied to soil carbon throughout (``baseline``, docs/model.md#b3): with closed
nitrogen the total is conserved, so neither a fixed point of its own nor a derivative exists.

"At equilibrium" is not "after 3,000 years" (``spinup.spin_up``): outputs say which.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jtem import step
from jtem.numerics import fixed_point
from jtem.numerics.anderson import anderson_step, push
from jtem.physics import phenology, roots
from jtem.physics.water import WaterMonth
from jtem.run import spinup, years
from jtem.run.spinup import Drift, PeriodicHeat
from jtem.state import Cell, Climate, Controls, Forcing

CONVERGED, NOT_CONVERGED, NOT_FINITE = 0, 1, 2
"""Result codes. A column that is not converged should get its state from repeated years instead."""

EXTINCT = 1e-3
"""gC m-2. Vegetation below this is dying out: what soil nitrogen remains then depends on the way there, so there is no
fixed point to name and the column counts as not converged."""

LOWEST = (EXTINCT, 1e-9, 1e-9, 1e-6, 1e-9, 1e-12)
"""Floors of the unknowns under the logarithm (g m-2; Kd month-1); a column that falls to one has no equilibrium to name."""


@dataclass(frozen=True)
class Settings:
    """How hard to try. ``water_cycles``: most cycles of water and phenology alone; ``transient_years``: plain years of
    everything before the first leap; ``iterations``: most leaps; ``tolerance``: largest relative move of a long leap that
    counts as none.
    """

    water_cycles: int = 60
    transient_years: int = 10
    iterations: int = 24
    tolerance: float = 1e-5


WetMemory = tuple[step.WaterStateWithThaw, phenology.PhenologyMemory]
"""What settles first: water, and what phenology remembers."""


class Equilibrium(NamedTuple):
    """The state, and how it was found.

    ``drift``: imbalance of the last cycle, mean a year (mm, gC, gN m-2). ``residual``: largest relative change of a pool in
    the last cycle. ``distance``: largest relative move of the last leap. ``water_years``: years of water and phenology
    alone; ``model_years``: whole years evaluated, without the former; ``tangent_years``: years times tangent columns.
    """

    water: step.WaterStateWithThaw
    carbon: step.CarbonState
    drift: Drift
    code: Array
    residual: Array
    distance: Array
    iterations: Array
    water_years: Array
    model_years: Array
    tangent_years: Array


class Cycle(NamedTuple):
    """What drives a column: everything that a derivative may be taken with respect to. Year axis first."""

    climate: Climate
    heat: years.HeatYear
    cell: Cell
    column: step.Column


def cycle_of(climate: Climate, heat: PeriodicHeat, cell: Cell, column: step.Column) -> Cycle:
    """The cycle of a column; a single year (fields (12,)) becomes a cycle of one."""
    made = years.HeatYear(heat.months, heat.thaw)
    if climate.air_temperature.ndim == 1:
        climate, made = jax.tree.map(lambda leaf: leaf[None], (climate, made))
    return Cycle(climate, made, cell, column)


# --- one cycle -----------------------------------------------------------------------------------------------------


def whole_cycle(
    wet: step.WaterStateWithThaw, carbon: step.CarbonState, cycle: Cycle, controls: Controls, design: step.Design
) -> tuple[step.WaterStateWithThaw, step.CarbonState, Drift]:
    """Water, carbon and nitrogen through one cycle; drift is the mean year's."""

    def one_year(carried: years.Pools, inputs: tuple[Climate, years.HeatYear]) -> tuple[years.Pools, Drift]:
        (wet, carbon), (climate, heat) = carried, inputs
        wet, carbon, drift = spinup.repeat_carbon(
            wet, carbon, heat, climate, cycle.cell, cycle.column, controls, years=1, design=design
        )
        return (wet, carbon), drift

    (wet, carbon), drift = years.many(one_year, (wet, carbon), (cycle.climate, cycle.heat))
    return wet, carbon, jax.tree.map(lambda leaf: leaf.mean(axis=0), drift)


def _water_cycle(
    wet: step.WaterStateWithThaw,
    memory: phenology.PhenologyMemory,
    cycle: Cycle,
    controls: Controls,
    design: step.Design,
) -> tuple[step.WaterStateWithThaw, phenology.PhenologyMemory, WaterMonth]:
    """Water and phenology alone through one cycle; also gives the years of water."""
    p, grow = cycle.column.parameters, design.processes.phenology

    def one_month(carried: WetMemory, forcing: Forcing, heat: step.HeatMonth) -> tuple[WetMemory, WaterMonth]:
        wet, memory = carried
        wet, moist = step.water_month(wet, forcing, heat, cycle.column, design)
        memory, _ = grow(memory, moist.evapotranspiration, forcing.air_temperature, p.phenology)
        return (wet, memory), moist

    def one_year(carried: WetMemory, inputs: tuple[Climate, years.HeatYear]) -> tuple[WetMemory, WaterMonth]:
        climate, heat = inputs
        (wet, memory), moist = years.months(one_month, carried, climate, cycle.cell, heat.months)
        wet, _ = step.water_close_year(wet, heat.thaw, cycle.column, controls, design)
        memory = phenology.close_year(
            memory, p.photosynthesis.temperature_optimum_minimum, p.photosynthesis.temperature_optimum_maximum
        )
        return (wet, memory), moist

    (wet, memory), moist = years.many(one_year, (wet, memory), (cycle.climate, cycle.heat))
    return wet, memory, moist


def _carbon_cycle(
    carbon: step.CarbonState, moist: WaterMonth, cycle: Cycle, controls: Controls, design: step.Design
) -> step.CarbonState:
    """Carbon and nitrogen alone through one cycle of given water."""

    def one_month(
        carbon: step.CarbonState, forcing: Forcing, heat: step.HeatMonth, moist: WaterMonth
    ) -> tuple[step.CarbonState, None]:
        carbon, _ = step.carbon_month(carbon, forcing, heat, moist, cycle.column, design)
        return carbon, None

    def one_year(carbon: step.CarbonState, inputs: tuple) -> tuple[step.CarbonState, None]:
        climate, heat, moist = inputs
        carbon, _ = years.months(one_month, carbon, climate, cycle.cell, heat.months, moist)
        carbon, _ = step.carbon_close_year(carbon, heat.thaw, climate.co2, cycle.column, controls, design)
        return carbon, None

    carbon, _ = years.many(one_year, carbon, (cycle.climate, cycle.heat, moist))
    return carbon


# --- unknowns ------------------------------------------------------------------------------------------------------


def _slow(carbon: step.CarbonState) -> tuple:
    return (
        carbon.vegetation_carbon,
        carbon.structural_nitrogen,
        carbon.labile_nitrogen,
        carbon.soil.carbon,
        carbon.soil.available_nitrogen,
        carbon.decomposition_rate,
    )


def _with_slow(carbon: step.CarbonState, values: Array, column: step.Column) -> step.CarbonState:
    """Set the six slow numbers; soil nitrogen follows soil carbon."""
    carbon = eqx.tree_at(_slow, carbon, tuple(values))
    tied = carbon.soil.carbon / column.parameters.decomposition.soil_cn
    return eqx.tree_at(lambda c: c.soil.organic_nitrogen, carbon, tied)


def _wet_memory(wet: step.WaterStateWithThaw, memory: phenology.PhenologyMemory) -> tuple:
    stores = wet.stores
    upper = () if stores.upper_water is None else (stores.upper_water,)
    return (
        stores.soil_water,
        stores.snowpack,
        stores.rain_groundwater,
        stores.snow_groundwater,
        memory.leaf,
        memory.last_maximum_evapotranspiration,
        memory.last_maximum_leaf,
        *upper,
    )


WET_SCALE = (100.0, 100.0, 100.0, 100.0, 1.0, 10.0, 1.0, 100.0)
"""mm, relative leaf: what counts as a change of similar weight in :func:`_settle`; the last where soil water is two layers."""


def _settle(
    wet: step.WaterStateWithThaw,
    memory: phenology.PhenologyMemory,
    cycle: Cycle,
    controls: Controls,
    settings: Settings,
    design: step.Design,
) -> tuple[step.WaterStateWithThaw, phenology.PhenologyMemory, Array]:
    """Water and phenology under the repeated cycle, by Anderson acceleration. Returns both and the cycles used."""
    dtype = memory.leaf.dtype
    scale = jnp.asarray(WET_SCALE[: len(_wet_memory(wet, memory))], dtype)
    small = 1e-11 if dtype == jnp.float64 else 1e-6

    def put(wet: step.WaterStateWithThaw, memory: phenology.PhenologyMemory, values: Array) -> WetMemory:
        wet, memory = eqx.tree_at(lambda s: _wet_memory(*s), (wet, memory), tuple(values))
        return wet, memory

    def unfinished(carried: tuple) -> Array:
        return (carried[4] < settings.water_cycles) & (carried[5] > small)

    def body(carried: tuple) -> tuple:
        wet, memory, earlier, earlier_residuals, count, _ = carried
        before = jnp.stack(_wet_memory(wet, memory))
        wet, memory, _ = _water_cycle(wet, memory, cycle, controls, design)
        residual = jnp.stack(_wet_memory(wet, memory)) - before
        filled = jnp.maximum(count - 1, 0)
        values = anderson_step(earlier, earlier_residuals, filled, before, residual, weights=1.0 / scale)
        values = jnp.where(count > 1, jnp.maximum(values, 0.0), before + residual)
        wet, memory = put(wet, memory, values)
        change = jnp.abs(residual / scale).max()
        return wet, memory, push(earlier, before), push(earlier_residuals, residual), count + 1, change

    none = jnp.zeros((3, scale.size), dtype)
    start = (wet, memory, none, none, jnp.zeros((), int), jnp.full((), jnp.inf, dtype))
    wet, memory, _, _, count, _ = jax.lax.while_loop(unfinished, body, start)
    return wet, memory, count


# --- the solver ----------------------------------------------------------------------------------------------------


def solve(
    wet: step.WaterStateWithThaw,
    carbon: step.CarbonState,
    heat: PeriodicHeat,
    climate: Climate,
    cell: Cell,
    column: step.Column,
    *,
    design: step.Design,
    settings: Settings | None = None,
    differentiable: bool = False,
) -> Equilibrium:
    """Equilibrium of water, carbon and nitrogen of one column on periodic heat.

    ``climate`` and ``heat``: one year (fields (12,), ()), or a cycle (year axis first, ``spinup.cycle_heat``). Start from the
    initial state. Nothing is raised: see ``code``. Under ``vmap`` columns do not touch each other.

    ``differentiable``: the returned pools carry the derivative of the fixed point (forward and reverse, first order) with
    respect to climate, heat, cell and column; where the code is not 0 the unknowns have derivative 0.
    """
    settings = settings or Settings()
    cycle = cycle_of(climate, heat, cell, column)
    controls = spinup.baseline_controls()
    found = _search(*jax.lax.stop_gradient((wet, carbon, cycle)), controls, settings, design)
    if not differentiable:
        return found
    wet, carbon = _with_derivative(found, cycle, controls, design)
    return found._replace(water=wet, carbon=carbon)


def _search(
    wet: step.WaterStateWithThaw,
    carbon: step.CarbonState,
    cycle: Cycle,
    controls: Controls,
    settings: Settings,
    design: step.Design,
) -> Equilibrium:
    length = cycle.climate.co2.shape[0]
    wet, memory, water_cycles = _settle(wet, carbon.phenology, cycle, controls, settings, design)
    carbon = dataclasses.replace(carbon, phenology=memory)

    transient = max(1, -(-settings.transient_years // length))
    wet, carbon = years.repeat(
        lambda state: whole_cycle(state[0], state[1], cycle, controls, design)[:2], (wet, carbon), transient
    )
    _, _, moist = _water_cycle(wet, carbon.phenology, cycle, controls, design)

    lowest = jnp.asarray(LOWEST, carbon.vegetation_carbon.dtype)

    def logarithms(state: step.CarbonState) -> Array:
        return jnp.log(jnp.maximum(jnp.stack(_slow(state)), lowest))

    def one_cycle(x: Array) -> Array:
        return logarithms(_carbon_cycle(_with_slow(carbon, jnp.exp(x), cycle.column), moist, cycle, controls, design))

    end = fixed_point.solve(
        one_cycle,
        logarithms(carbon),
        lowest=jnp.log(lowest),
        iterations=settings.iterations,
        tolerance=settings.tolerance,
    )
    wet, carbon, drift = whole_cycle(wet, _with_slow(carbon, jnp.exp(end.x), cycle.column), cycle, controls, design)
    residual = jnp.abs(logarithms(carbon) - end.x).max()
    finite = end.finite & jnp.isfinite(residual)
    good = end.converged & spinup.closed(drift)
    code = jnp.where(finite, jnp.where(good, CONVERGED, NOT_CONVERGED), NOT_FINITE)
    return Equilibrium(
        water=wet,
        carbon=carbon,
        drift=drift,
        code=code,
        residual=residual,
        distance=end.distance,
        iterations=end.iterations,
        water_years=length * (water_cycles + 1),
        model_years=length * (transient + 2 * end.iterations + 1),
        tangent_years=length * len(LOWEST) * end.iterations,
    )


# --- the derivative ------------------------------------------------------------------------------------------------


def _all_unknowns(wet: step.WaterStateWithThaw, carbon: step.CarbonState) -> tuple:
    """What a cycle hands to the next: water, phenology, C:N, and the six slow numbers."""
    return (
        *_wet_memory(wet, carbon.phenology),
        carbon.phenology.optimum_temperature,
        carbon.vegetation_cn,
        carbon.production_cn,
        *_slow(carbon),
    )


def _with_derivative(found: Equilibrium, cycle: Cycle, controls: Controls, design: step.Design) -> years.Pools:
    """The state with the implicit derivative of the fixed point of all unknowns; what follows from drivers alone (thaw and
    air temperature that the state remembers, soil nitrogen tied to carbon) is derived from them.
    """
    held_wet, held_carbon = found.water, found.carbon

    def state_of(values: Array, cycle_: Cycle) -> years.Pools:
        p = cycle_.column.parameters
        thaw = jax.tree.map(lambda leaf: leaf[-1], cycle_.heat.thaw)
        air = cycle_.climate.air_temperature[-1]
        store, _, _ = design.permafrost.expose(
            held_carbon.store, held_carbon.soil, thaw, controls.expose, controls.follow, p.permafrost
        )
        wet, _ = step.water_close_year(held_wet, thaw, cycle_.column, controls, design)
        wet = eqx.tree_at(
            lambda w: (w.stores.previous_air_temperature, w.stores.air_temperature_two_months_ago),
            wet,
            (air[11], air[10]),
        )
        carbon = eqx.tree_at(lambda c: c.store, held_carbon, store)
        if carbon.rooting_depth is not None:
            carbon = dataclasses.replace(
                carbon, rooting_depth=roots.depth_towards(thaw.active_layer_thickness, p.roots)
            )
        if carbon.ground is not None:
            carbon = eqx.tree_at(
                lambda c: c.ground.reference_temperature, carbon, cycle_.climate.air_temperature.mean()
            )
        wet, carbon = eqx.tree_at(lambda s: _all_unknowns(*s), (wet, carbon), tuple(values))
        return wet, _with_slow(carbon, values[-len(LOWEST) :], cycle_.column)

    def one_cycle(values: Array, cycle_: Cycle) -> Array:
        wet, carbon, _ = whole_cycle(*state_of(values, cycle_), cycle_, controls, design)
        return jnp.stack(_all_unknowns(wet, carbon))

    values = jnp.stack(_all_unknowns(held_wet, held_carbon))
    values = fixed_point.implicit(one_cycle, values, cycle, found.code == CONVERGED)
    return state_of(values, cycle)


# --- with heat -----------------------------------------------------------------------------------------------------


def spin_up(
    state: step.State,
    climate: Climate,
    cell: Cell,
    parameters: step.Parameters,
    *,
    heat_years: int,
    design: step.Design,
    settings: Settings | None = None,
    differentiable: bool = False,
) -> tuple[step.State, Equilibrium, PeriodicHeat]:
    """One column: periodic heat under one repeated year (fields (12,)), then the equilibrium of the rest.

    As ``spinup.spin_up``, with "at equilibrium" instead of "after so many years". ``differentiable`` reaches through the
    heat: thermal parameters move the equilibrium by soil temperature and thaw.
    """
    column = step.derive(parameters, cell, design)
    thermal, heat = spinup.heat_of_one_year(
        state.thermal, climate, cell, column, years=heat_years, design=design, differentiable=differentiable
    )
    lean, lean_column, carbon = spinup.without_layers(state.carbon, cell, parameters, column, design)
    found = solve(
        state.water,
        carbon,
        heat,
        climate,
        cell,
        lean_column,
        design=lean,
        settings=settings,
        differentiable=differentiable,
    )
    carbon = spinup.with_layers(found.carbon, state.carbon, heat.thaw, design)
    found = found._replace(carbon=carbon)
    return step.State(thermal, found.water, carbon), found, heat


def largest_imbalance(drift: Drift) -> Float[Array, ""]:
    """Largest imbalance relative to TEM's closure tolerance: below 1 all tests hold."""
    kinds = ("water", *["carbon"] * 3, *["nitrogen"] * 4)
    return jnp.stack(
        [jnp.abs(value) / spinup.CLOSURE_TOLERANCE[kind] for value, kind in zip(drift, kinds, strict=True)]
    ).max()
