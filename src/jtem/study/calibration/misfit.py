"""Calibration as one function: parameter values -> periodic heat -> equilibrium -> years of history -> what was observed.

A :class:`Problem` is data: sites with their climate, observations as pieces of monthly channels, and the parameters that
are free. From one compiled simulation of a site (:func:`predict`) come the residuals and their exact Jacobian
(:meth:`Misfit.residuals`, :meth:`Misfit.jacobian`; Levenberg-Marquardt) and the log-posterior with its gradient
(:meth:`Misfit.log_posterior`; optax, NUTS): one misfit behind everything. No year of the spin-up's search is
differentiated: heat and pools carry the implicit derivative of their fixed points (docs/equilibrium.md).

Two savings. A site's columns of the Jacobian are those parameters that act on it (slots), however many sites the
problem has. Heat does not depend on carbon: it is found once where no free parameter acts on it
(:func:`acts_on_heat`), and carbon columns never differentiate it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from jtem import parameters, step
from jtem.constants import MONTHS_PER_YEAR
from jtem.numerics import safe
from jtem.physics.soil_heat import ThermalState
from jtem.run import course, equilibrium, spinup, years
from jtem.state import Cell, Climate, Controls
from jtem.study.calibration.least_squares import bounded
from jtem.study.calibration.problem import START, Channel, acts_on_heat

Pools = tuple[step.WaterStateWithThaw, step.CarbonState]


class SiteInputs(NamedTuple):
    """What one site's simulation reads; stacked over sites. ``applies``, ``width``, ``logarithmic`` (slot,); picks (pick,)."""

    cell: Cell
    row: step.Parameters
    spin_up: Climate
    history: Climate
    applies: jax.Array
    width: jax.Array
    logarithmic: jax.Array
    channel: jax.Array
    begin: jax.Array
    end: jax.Array
    share: jax.Array


class Heat(NamedTuple):
    """Heat of a site: periodic year, then the years of history (year, ...)."""

    periodic: spinup.PeriodicHeat
    history: years.HeatYear


@dataclass(frozen=True)
class Setting:
    """What fixes the compiled program."""

    design: step.Design
    heat_years: int
    channels: tuple[Channel, ...]
    slots: tuple[tuple[tuple[str, ...], str], ...]  # (names, mode)
    differences: float = 0.0  # of heat slots: share of their width on their scale; 0: exact derivatives
    loss_scale: float = 0.0  # of Cauchy's loss; 0: squares

    @property
    def carbon(self) -> bool:
        """Whether anything observed needs water, carbon or nitrogen."""
        return any(channel.needs_carbon for channel in self.channels)

    @property
    def heat_slots(self) -> tuple[int, ...]:
        """Slots that act on heat."""
        return tuple(k for k, (names, _) in enumerate(self.slots) if any(acts_on_heat(n) for n in names))

    @property
    def carbon_slots(self) -> tuple[int, ...]:
        """Slots that do not."""
        return tuple(k for k in range(len(self.slots)) if k not in self.heat_slots)


# --- one site --------------------------------------------------------------------------------------------------------


def with_values(
    setting: Setting, local: jax.Array | np.ndarray, site: SiteInputs
) -> tuple[step.Parameters, dict[str, jax.Array]]:
    """The site's row of parameters with the free values (slot,), and the factors on pools of :data:`START`."""
    row, starts = site.row, {}
    for k, (names, mode) in enumerate(setting.slots):
        for full in names:
            if full in START:
                starts[full] = jnp.where(site.applies[k], local[k], jnp.ones_like(local[k]))
                continue
            handle = parameters.Handle.of(full)
            leaf = handle.leaf(row)
            value = local[k].astype(leaf.dtype)
            changed = leaf * value if mode == "factor" else jnp.broadcast_to(value, leaf.shape)
            row = handle.put(row, jnp.where(site.applies[k], handle.onto(leaf, changed), leaf))
    return row, starts


def site_heat(setting: Setting, local: jax.Array, site: SiteInputs, differentiable: bool = True) -> Heat:
    """Periodic heat of the spin-up's year, with its implicit derivative, then history."""
    design = setting.design
    row, _ = with_values(setting, local, site)
    derived, state = course.start(row, site.cell, site.spin_up, design=design)
    thermal, periodic = spinup.heat_of_one_year(
        state.thermal,
        site.spin_up,
        site.cell,
        derived,
        years=setting.heat_years,
        design=design,
        differentiable=differentiable,
    )

    def one_year(thermal: ThermalState | None, climate: Climate) -> tuple[ThermalState | None, years.HeatYear]:
        return years.heat(thermal, climate, site.cell, derived, design=design)

    body = jax.checkpoint(one_year, policy=step.KEEP_PHASES)
    return Heat(periodic, years.many(body, thermal, site.history)[1])


def _carbon_series(
    setting: Setting, local: jax.Array, site: SiteInputs, heat: Heat, names: Sequence[str]
) -> tuple[dict[str, jax.Array], jax.Array]:
    """Equilibrium on the periodic heat, then history: named monthly outputs (year, 12) and the solver's code."""
    design = setting.design
    row, starts = with_values(setting, local, site)
    derived, state = course.start(row, site.cell, site.spin_up, design=design)
    found = equilibrium.solve(
        state.water, state.carbon, heat.periodic, site.spin_up, site.cell, derived, design=design, differentiable=True
    )
    wet, carbon = found.water, found.carbon
    if design.permafrost.layers:
        begun = step.State(None, wet, carbon)
        begun = step.begin_permafrost(begun, site.cell, derived, heat.periodic.thaw, design)
        wet, carbon = begun.water, begun.carbon
    carbon = _scaled(carbon, starts)
    controls = Controls(
        baseline=jnp.array(False), expose=jnp.array(bool(design.permafrost.layers)), follow=jnp.array(True)
    )

    def named(month: step.MonthOutput) -> dict[str, jax.Array]:
        fields = years.month_fields(month)
        return {name: fields[name] for name in names}

    def one_year(carried: Pools, inputs: tuple[Climate, years.HeatYear]) -> tuple[Pools, dict[str, jax.Array]]:
        climate, year = inputs
        carried, series, _ = years.pools(
            carried, climate, year, controls, site.cell, derived, design=design, keep=named
        )
        return carried, series

    _, series = years.many(jax.checkpoint(one_year), (wet, carbon), (site.history, heat.history))
    return series, found.code


def _scaled(carbon: step.CarbonState, starts: Mapping[str, jax.Array]) -> step.CarbonState:
    """Pools times the factors of :data:`START`; C:N ratios stay."""
    if "start.vegetation_carbon" in starts:
        f = starts["start.vegetation_carbon"]
        carbon = dataclasses.replace(
            carbon,
            vegetation_carbon=carbon.vegetation_carbon * f,
            structural_nitrogen=carbon.structural_nitrogen * f,
            labile_nitrogen=carbon.labile_nitrogen * f,
        )
    if "start.soil_carbon" in starts:
        f = starts["start.soil_carbon"]
        soil = dataclasses.replace(
            carbon.soil, carbon=carbon.soil.carbon * f, organic_nitrogen=carbon.soil.organic_nitrogen * f
        )
        carbon = dataclasses.replace(carbon, soil=soil)
    return carbon


def predict(setting: Setting, local: jax.Array, site: SiteInputs, heat: Heat) -> tuple[jax.Array, jax.Array]:
    """What would be observed at a site, (pick,), and the equilibrium's code (0 where carbon is not needed)."""
    layers = [channel.depth for channel in setting.channels if channel.depth is not None]
    names = sorted({v for c in setting.channels if c.depth is None for v in c.variables} - {"active_layer_thickness"})
    dtype = local.dtype
    code = jnp.zeros((), int)
    fields: dict[str, jax.Array] = vars(heat.history.months)
    if setting.carbon:
        fields, code = _carbon_series(setting, local, site, heat, names)
    length = site.history.co2.shape[0]
    temperature = None
    if layers and setting.design.thermal is not None:
        weights = depth_weights(np.array(layers), setting.design.thermal.reported_centres)
        temperature = heat.history.months.soil_temperature @ jnp.asarray(
            weights, heat.history.months.soil_temperature.dtype
        )
    columns, seen = [], 0
    for channel in setting.channels:
        if channel.depth is not None:
            assert temperature is not None
            series, seen = temperature[..., seen], seen + 1
        elif channel.variables == ("active_layer_thickness",):
            series = jnp.broadcast_to(heat.history.thaw.active_layer_thickness[:, None], (length, MONTHS_PER_YEAR))
        else:
            series = sum(fields[name] for name in channel.variables)
        columns.append(jnp.asarray(series).astype(dtype).reshape(length * MONTHS_PER_YEAR))
    summed = jnp.cumsum(jnp.stack(columns), axis=1)
    summed = jnp.concatenate([jnp.zeros((len(columns), 1), dtype), summed], axis=1)
    return (summed[site.channel, site.end] - summed[site.channel, site.begin]) * site.share, code


def depth_weights(depths: np.ndarray, centres: Sequence[float]) -> np.ndarray:
    """Weights (layer, depth) of linear interpolation between the middles of layers, constant beyond the ends."""
    return np.stack([np.interp(depths, centres, row) for row in np.eye(len(centres))])


# --- compiled programs -----------------------------------------------------------------------------------------------
# One a setting and shape, whichever problem asks: compiling takes longer than most searches.


def _site_values(
    setting: Setting, local: jax.Array, site: SiteInputs, heat: Heat | None
) -> tuple[jax.Array, jax.Array]:
    return predict(setting, local, site, site_heat(setting, local, site) if heat is None else heat)


def _site_jacobian(
    setting: Setting, local: jax.Array, site: SiteInputs, heat: Heat | None
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Value (pick,), code and derivative (pick, slot).

    Heat slots turn heat; from there one program of carbon serves all slots (each with heat's own turn), so it is compiled
    once, and carbon columns never differentiate heat.
    """
    held, rates, slope = heat, None, None
    slots = setting.carbon_slots if setting.carbon else ()
    if heat is None and setting.differences:
        held = site_heat(setting, local, site, differentiable=False)
        slope = _heat_differences(setting, local, site)
    elif heat is None:
        where = jnp.asarray(setting.heat_slots)
        slots = tuple(sorted((*setting.heat_slots, *slots)))

        def turn(part: jax.Array) -> tuple[Heat, Heat]:
            found = site_heat(setting, local.at[where].set(part), site)
            return found, found

        turned, held = jax.jacfwd(turn, has_aux=True)(local[where])
        by_slot = jnp.asarray([slots.index(k) for k in setting.heat_slots])
        rates = jax.tree.map(
            lambda leaf: (
                jnp.zeros((len(slots), *leaf.shape[:-1]), leaf.dtype).at[by_slot].set(jnp.moveaxis(leaf, -1, 0))
            ),
            turned,
        )

    assert held is not None

    def column(direction: jax.Array, rate: Heat | None) -> tuple[jax.Array, jax.Array, jax.Array]:
        if rate is None:
            return jax.jvp(lambda all_: predict(setting, all_, site, held), (local,), (direction,), has_aux=True)
        return jax.jvp(
            lambda all_, found: predict(setting, all_, site, found), (local, held), (direction, rate), has_aux=True
        )

    if not slots:
        value, code = predict(setting, local, site, held)
    else:
        directions = jnp.eye(local.size, dtype=local.dtype)[jnp.asarray(slots)]
        value, columns, code = jax.vmap(column, out_axes=(None, 0, None))(directions, rates)
    slope = jnp.zeros((value.size, local.size), value.dtype) if slope is None else slope
    return value, code, slope.at[:, jnp.asarray(slots)].set(columns.T) if slots else slope


def _heat_differences(setting: Setting, local: jax.Array, site: SiteInputs) -> jax.Array:
    """Derivative (pick, slot) by heat slots from central differences, 0 for the others."""

    def moved(all_: jax.Array) -> jax.Array:
        return predict(setting, all_, site, site_heat(setting, all_, site, differentiable=False))[0]

    where = jnp.asarray(setting.heat_slots)
    size = setting.differences * site.width * jnp.where(site.logarithmic, local, jnp.ones_like(local))
    steps = jnp.diag(size)[where]
    # one batch: value by value would compile as many programs
    up, down = jnp.split(jax.vmap(moved)(jnp.concatenate([local[None] + steps, local[None] - steps])), 2)
    by_slot = ((up - down) / (2.0 * size[where])[:, None]).T
    return jnp.zeros((by_slot.shape[0], local.size), by_slot.dtype).at[:, where].set(by_slot)


@functools.lru_cache(maxsize=32)
def program(which: str, setting: Setting) -> Callable[..., PyTree]:
    """Compiled "heat" (local, site), or "values" and "jacobian" (local with a leading start axis, site, heat)."""
    if which == "heat":
        return jax.jit(jax.vmap(functools.partial(site_heat, setting)))
    one = {"values": _site_values, "jacobian": _site_jacobian}[which]
    return jax.jit(jax.vmap(jax.vmap(functools.partial(one, setting)), in_axes=(0, None, None)))


def called(which: str, setting: Setting, *given: PyTree) -> PyTree:
    """What a :func:`program` makes of its arguments, as host arrays."""
    return jax.tree.map(np.asarray, program(which, setting)(*given))


class Fields(NamedTuple):
    """Parameters of scope field: columns of the weights ``design`` (site, slot, coordinate), which slots they are, lower bound,
    width on their scale and whether it is logarithmic (slot,), and which coordinates are weights (coordinate,).
    """

    design: jax.Array | np.ndarray
    slot: jax.Array | np.ndarray
    low: jax.Array | np.ndarray
    width: jax.Array | np.ndarray
    logarithmic: jax.Array | np.ndarray
    weight: jax.Array | np.ndarray


class Target(NamedTuple):
    """What the misfit reads beside the sites. ``index`` (site, slot); ``observed``, ``weight`` (site, pick); the rest
    (coordinate,); a weight of 0 counts nothing. ``bound`` (site, pick): values that are upper bounds.
    """

    index: jax.Array | np.ndarray
    observed: jax.Array | np.ndarray
    weight: jax.Array | np.ndarray
    low: jax.Array | np.ndarray
    width: jax.Array | np.ndarray
    logarithmic: jax.Array | np.ndarray
    prior_mean: jax.Array | np.ndarray
    prior_weight: jax.Array | np.ndarray
    fields: Fields | None = None
    bound: jax.Array | np.ndarray | None = None


def _with_fields(fields: Fields, values: jax.Array, design: jax.Array, local: jax.Array) -> jax.Array:
    """Values of one site (slot,), those of scope field from its columns ``design`` (slot, coordinate)."""
    made, _ = bounded(design @ values, fields.low, fields.width, fields.logarithmic)
    return jnp.where(fields.slot, made, local)


def misfit(
    setting: Setting, x: jax.Array, site: SiteInputs, heat: Heat | None, target: Target
) -> tuple[jax.Array, jax.Array]:
    """Sum of squared residuals at x (coordinate,), and the log-density of the change of variables to x (for samplers)."""
    values, on_scale = bounded(x, target.low, target.width, target.logarithmic)
    change = jax.nn.log_sigmoid(x) + jax.nn.log_sigmoid(-x)
    if target.fields is not None:
        weight = target.fields.weight
        values, on_scale = (jnp.where(weight, x, part) for part in (values, on_scale))
        change = jnp.where(weight, jnp.zeros_like(x), change)
    local = values[target.index]
    if target.fields is not None:
        local = jax.vmap(functools.partial(_with_fields, target.fields, values))(
            jnp.asarray(target.fields.design), local
        )
    simulated, _ = jax.vmap(functools.partial(_site_values, setting))(local, site, heat)
    error = (simulated - target.observed) * target.weight
    if target.bound is not None:
        error = jnp.where(target.bound, safe.maximum(error, 0.0), error)
    square = error**2
    if setting.loss_scale:
        square = setting.loss_scale**2 * jnp.log1p(square / setting.loss_scale**2)
    total = square.sum()
    total = total + (((on_scale - target.prior_mean) * target.prior_weight) ** 2).sum()
    return total, change.sum()


@functools.lru_cache(maxsize=32)
def log_density(setting: Setting) -> Callable[..., jax.Array]:
    """The unnormalised log-posterior (x, site, heat, target) -> (), traceable: see :meth:`Misfit.log_posterior`."""

    def density(x: jax.Array, *rest: PyTree) -> jax.Array:
        value, change = misfit(setting, x, *rest)
        return -0.5 * value + change

    return jax.jit(density)  # a piece of its own is traced once, however many loops a sampler lays around it


@functools.lru_cache(maxsize=32)
def gradient_program(setting: Setting) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """Compiled misfit and its gradient by one reverse sweep: (x, site, heat, target)."""
    return jax.jit(jax.value_and_grad(lambda x, *rest: misfit(setting, x, *rest)[0]))
