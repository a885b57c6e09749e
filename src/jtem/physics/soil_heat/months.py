"""A month and a year of soil heat: sub-steps under thermal snow, fronts, active layer, the deep profile of a spin-up.

A month is a fixed number of implicit Euler sub-steps. What lies on the ground comes as a function, ``cover``
(:func:`jtem.physics.snow.cover` in the model): the ground knows nothing of snow but its resistance and surface temperature.

Equations docs/model.md#s1, #h7, #h10, #h12.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jaxtyping import Array, Float, PyTree

from jtem.constants import MONTH_MEGASECONDS
from jtem.numerics import safe
from jtem.numerics.batching import trailing_batch
from jtem.numerics.kernels import derivative_computed_once
from jtem.numerics.layers import added
from jtem.physics.soil_heat.column import (
    ThermalDesign,
    ThermalProperties,
    ThermalState,
    enthalpy_of,
    face_temperature,
    fronts,
    per_layer,
)
from jtem.physics.soil_heat.solver import (
    KEEP_PHASES,
    HeatContents,
    contents_per_step,
    implicit_step,
    unsettled,
)

"""Snow above this (mm water) is glacier, and insulates no further."""
COLDEST_AIR, WARMEST_AIR = -90.0, 60.0
"""Air temperature outside these (degC) is held at them."""


def _keep_phases_and_solutions(primitive: Primitive, *arguments: PyTree, **how: PyTree) -> PyTree:
    """Checkpoint policy of a sub-step: what it takes from the solve is arithmetic of layers, quicker done again than stored."""
    return primitive.name == "custom_linear_solve" or KEEP_PHASES(primitive, *arguments, **how)


class ThermalMonth(eqx.Module):
    """What one month of soil heat gives: means over its sub-steps, unless said otherwise."""

    temperature: Float[Array, "layer *cells"]
    """degC, of every layer."""
    thawed_fraction: Float[Array, "layer *cells"]
    """1, of every layer; that of the top layer is the thawed share of the month."""
    temperature_10cm: Float[Array, "*cells"]
    """degC, at 0.1 m."""
    temperature_20cm: Float[Array, "*cells"]
    """degC, at 0.2 m."""
    upper_front_depth: Float[Array, "*cells"]
    """m, lower edge of the seasonally frozen top, from the monthly thawed fractions."""
    lower_front_depth: Float[Array, "*cells"]
    """m, lower edge of the thawed ground below it."""
    surface_heat_flux: Float[Array, "*cells"]
    """W m-2 into the column."""
    energy_residual: Float[Array, "*cells"]
    """MJ m-2, heat gained by the column in the month less what crossed its ends: rounding only."""
    inconsistent_steps: Float[Array, "*cells"]
    """Number of sub-steps in which the phases had not settled in some layer."""
    snow_water_equivalent: Float[Array, "*cells"]
    """mm, of the thermal snow."""
    snow_depth: Float[Array, "*cells"]
    """m, of the thermal snow."""


def interpolate_air_temperature(
    previous: Float[Array, "*cells"], current: Float[Array, "*cells"], following: Float[Array, "*cells"], substeps: int
) -> Float[Array, "substep *cells"]:
    """Mean air temperature of every sub-step from the monthly means of three months, keeping the mean of the current
    one.

    With e0, e1 the means of neighbouring months at the two ends and ``q = 6 (current - (e0+e1)/2)``,
    ``T(s) = e0 + (e1-e0) s + q s (1-s)``, s in [0, 1], averaged exactly over each sub-step. The month's mean is kept
    exactly; TEM's three straight lines lose 3.4 % of the annual amplitude. Shapes: scalars; result (substep,). Units:
    degC.
    """
    first, last = (previous + current) / 2, (current + following) / 2
    bulge = 6.0 * (current - (first + last) / 2)

    def integral(s: float):
        return first * s + (last - first) * (s * s / 2) + bulge * (s * s / 2 - s**3 / 3)

    at_edges = [integral(j / substeps) for j in range(substeps + 1)]
    return jnp.stack([substeps * (b - a) for a, b in itertools.pairwise(at_edges)])


def month(
    state: ThermalState,
    air_temperature: Float[Array, "*cells"],
    next_air_temperature: Float[Array, "*cells"],
    snowfall: Float[Array, "..."],
    properties: ThermalProperties,
    *,
    cover: Callable,
    design: ThermalDesign,
) -> tuple[ThermalState, ThermalMonth]:
    """One month of snow, soil heat and phase change of one column.

    Air temperature (degC) of this month and the next, snowfall (mm month-1 water); at the end of a series repeat the
    last month. ``cover`` tells what lies on the ground, with the signature of :func:`jtem.physics.snow.cover`; give the same
    function each time, for every one is a program of its own. ``vmap`` over cells runs at the speed of code written for
    ``(layer, cell)`` arrays.
    """
    return _program(design, cover)(state, air_temperature, next_air_temperature, snowfall, properties)


@functools.lru_cache(maxsize=64)
def _program(design: ThermalDesign, cover: Callable) -> Callable:
    """The month for a design; one object per design, so that traces and compiled code are shared."""

    def heat_month(
        state: ThermalState,
        air_temperature: Array,
        next_air_temperature: Array,
        snowfall: Array,
        properties: ThermalProperties,
    ) -> tuple[ThermalState, ThermalMonth]:
        return _month(state, air_temperature, next_air_temperature, snowfall, properties, cover, design)

    program = heat_month
    if design.checkpoint:
        program = jax.checkpoint(program, prevent_cse=False, policy=KEEP_PHASES)
    return trailing_batch(program) if design.batched else program


class _Totals(NamedTuple):
    """What the sub-steps of a month carry: heat contents D h, the liquid share that the next one's conductances are of, and sums
    and maxima since its start.
    """

    content: Array
    phi: Array
    temperature: Array
    thawed: Array
    largest: Array
    at_10cm: Array
    at_20cm: Array
    flux: Array
    inconsistent: Array


def _month(
    state: ThermalState,
    air_temperature: Float[Array, "*cells"],
    next_air_temperature: Float[Array, "*cells"],
    snowfall: Float[Array, "..."],
    properties: ThermalProperties,
    cover: Callable,
    design: ThermalDesign,
) -> tuple[ThermalState, ThermalMonth]:
    substeps, time_step = design.substeps, MONTH_MEGASECONDS / design.substeps
    air = interpolate_air_temperature(state.previous_air_temperature, air_temperature, next_air_temperature, substeps)
    if state.snow_depth is None:
        pack = {"density": properties.snow_density}
    else:
        pack = {
            "depth": state.snow_depth,
            "deep_density": properties.deep_snow_density,
            "load": properties.snow_load,
            "settling_time": properties.snow_settling_time,
            "snowfall_ratio": properties.snowfall_ratio,
        }
    if properties.surface_excess is not None:
        pack["excess"] = properties.surface_excess
    above = cover(
        state.snow,
        safe.clip(air, COLDEST_AIR, WARMEST_AIR),
        snowfall,
        **pack,
        melt_factor=properties.snow_melt_factor,
        half_cover=properties.snow_half_cover,
        factor_thaw=properties.surface_factor_thaw,
        factor_freeze=properties.surface_factor_freeze,
    )
    per_step = per_layer(tuple(d / time_step for d in design.thickness), state.enthalpy)
    contents = contents_per_step(properties, per_step)
    first = state.enthalpy * per_step
    zero, none = jnp.zeros_like(first), jnp.zeros_like(air_temperature)
    start = _Totals(
        first, contents.liquid_share(first), zero, zero, state.maximum_thawed_fraction, none, none, none, none
    )

    def step(carried: _Totals, forcing: tuple[Array, Array]) -> tuple[_Totals, None]:
        surface, resistance = forcing
        return _add_sub_step(carried, surface, resistance, contents, properties, design), None

    redone = jax.checkpoint(step, prevent_cse=False, policy=_keep_phases_and_solutions)
    end, _ = lax.scan(redone, start, (above.surface_temperature, above.resistance))
    thawed = end.thawed / substeps
    upper, lower = fronts(thawed, design)
    gained = added(end.content - first) - end.flux - substeps * properties.geothermal_heat_flux
    mean_snow = added(above.water_equivalent) / substeps
    new_state = ThermalState(
        enthalpy=end.content / per_step,
        snow=above.snow,
        maximum_thawed_fraction=end.largest,
        maximum_unfrozen_thickness=safe.maximum(state.maximum_unfrozen_thickness, lower - upper),
        previous_air_temperature=air_temperature,
        snow_depth=None if state.snow_depth is None else above.depth,
    )
    return new_state, ThermalMonth(
        temperature=end.temperature / substeps,
        thawed_fraction=thawed,
        temperature_10cm=end.at_10cm / substeps,
        temperature_20cm=end.at_20cm / substeps,
        upper_front_depth=upper,
        lower_front_depth=lower,
        surface_heat_flux=end.flux / substeps,
        energy_residual=gained * time_step,
        inconsistent_steps=end.inconsistent,
        snow_water_equivalent=mean_snow,
        snow_depth=mean_snow / properties.snow_density if state.snow_depth is None else above.mean_depth,
    )


def _add_sub_step(
    t: _Totals,
    surface: Float[Array, "*cells"],
    resistance: Float[Array, "*cells"],
    contents: HeatContents,
    properties: ThermalProperties,
    design: ThermalDesign,
) -> _Totals:
    """Totals after one more sub-step."""
    content, temperature, above, below = implicit_step(
        t.content, t.phi, surface, resistance, contents, properties, design.sweeps, design.on_gpu, design.swept
    )
    phi = derivative_computed_once(contents.liquid_share(content))
    expected = safe.clip(2.0 * phi - contents.liquid_share(t.content), 0.0, 1.0) if design.ahead else phi
    return _Totals(
        content=content,
        phi=expected,
        temperature=t.temperature + temperature,
        thawed=t.thawed + phi,
        largest=safe.maximum(t.largest, phi),
        at_10cm=t.at_10cm + face_temperature(temperature, above, below, 0.1, design),
        at_20cm=t.at_20cm + face_temperature(temperature, above, below, 0.2, design),
        flux=t.flux + (surface - temperature[0]) / (above[0] + below[0]),
        inconsistent=t.inconsistent
        + lax.stop_gradient(unsettled(content, temperature, contents)).astype(t.inconsistent.dtype),
    )


def close_year(
    state: ThermalState, design: ThermalDesign
) -> tuple[ThermalState, Float[Array, "*cells"], Float[Array, "*cells"]]:
    """End the year: active-layer thickness, largest unfrozen thickness (m), and the state with both maxima reset.

    Active-layer thickness ``sum d_i prod_{j<=i} Fmax_j``, Fmax the largest thawed fraction of the year: ground above
    the first that never thawed. Without permafrost both are the depth of the column; ground that never thaws gives 0.
    The largest unfrozen thickness is that of any month between its two fronts (Liu et al. 2022), but no more than the
    active layer: in a month that is frozen from the surface the first thawed run may be the unfrozen ground below
    permafrost.
    """
    thickness = jnp.asarray(design.thickness, state.enthalpy.dtype)

    def step(carry: tuple[Array, ...], layer: tuple[Array, ...]) -> tuple[tuple[Array, ...], None]:
        reached, total = carry
        fraction, d = layer
        reached = reached * fraction
        return (reached, total + d * reached), None

    zero = jnp.zeros_like(state.snow)
    (_, active), _ = lax.scan(step, (zero + 1.0, zero), (state.maximum_thawed_fraction, thickness))
    unfrozen = safe.minimum(state.maximum_unfrozen_thickness, active)
    new_state = dataclasses.replace(
        state,
        maximum_thawed_fraction=jnp.zeros_like(state.maximum_thawed_fraction),
        maximum_unfrozen_thickness=jnp.zeros_like(unfrozen),
    )
    return new_state, active, unfrozen


def reset_deep_profile(
    state: ThermalState,
    annual_mean_temperature: Float[Array, " reported"],
    properties: ThermalProperties,
    design: ThermalDesign,
    depth: float = 3.25,
) -> ThermalState:
    """Replace the slow deep ground by the steady profile under the annual mean temperature of the reported layer at ``depth``
    (m).

    Below that layer ``T_i = T_{i-1} + q_geo (half resistances of i-1 and i)``, frozen values where ``T_{i-1} < 0``,
    else thawed; the ground above keeps its state. For spin-up (one column); temperatures in degC.
    """
    p = properties

    def layer_at(edges: Sequence[float]) -> int:
        return next(i for i, edge in enumerate(edges[1:]) if depth < edge or edge == design.bottom)

    last, reported = layer_at(design.layer_edges), layer_at(design.reported_edges)
    below = slice(last + 1, None)
    above = slice(last, -1)
    frozen = p.resistance_lower_frozen[above] + p.resistance_upper_frozen[below]
    thawed = p.resistance_lower_thawed[above] + p.resistance_upper_thawed[below]

    def step(temperature: Array, face: tuple[Array, Array]) -> tuple[Array, Array]:
        temperature = temperature + p.geothermal_heat_flux * jnp.where(temperature < 0.0, *face)
        return temperature, temperature

    _, deep = lax.scan(step, annual_mean_temperature[reported], (frozen, thawed))
    deep = enthalpy_of(jnp.concatenate([jnp.zeros_like(state.enthalpy[: last + 1]), deep]), p)[below]
    return dataclasses.replace(state, enthalpy=jnp.concatenate([state.enthalpy[: last + 1], deep]))
