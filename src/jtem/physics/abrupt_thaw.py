"""Abrupt thaw: areas that collapse, erode or drown pass through states with emissions of their own (Turetsky et al. 2020).

:func:`flow` and :func:`over_year` are the inventory itself: areas of any states between which area flows at given rates.
:func:`year` is what a column makes of it: three landforms whose ground carries the column's carbon with it, so that nothing is
counted twice. Equations docs/model.md#t1 to #t6.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jtem.constants import PERMAFROST_THAW_LIMIT
from jtem.numerics import safe
from jtem.parameters import parameter

LANDFORMS = ("hillslope", "lake", "wetland")
"""What abrupt thaw makes: slides and gullies, thaw lakes, collapse-scar wetlands. The elements of the parameters, in order."""
STATES = ("undisturbed", "active", "stabilized", "recovered")
"""States of ground: never disturbed; losing carbon; plants are back; permafrost or dry ground is back, and may thaw again."""
BETWEEN = ((0, 1), (1, 2), (2, 3), (3, 1))
"""From which state to which area flows: thaw, stabilisation, recovery, and thaw again."""

Content = TypeVar("Content")
"""A tree of arrays."""


class AbruptThawParameters(eqx.Module):
    """Rates, depths and emissions of the three landforms: one number a landform, in the order of :data:`LANDFORMS`."""

    terrain_share: Float[Array, "*types landform"] = parameter(
        unit="1", description="share of permafrost ground on which the landform can form"
    )
    thaw_rate: Float[Array, "*types landform"] = parameter(
        unit="year-1",
        description="share of undisturbed terrain that begins to thaw abruptly, at the temperature of reference",
    )
    thaw_rate_warming: Float[Array, "*types landform"] = parameter(
        unit="year-1 K-1", description="change of that rate per warming of the air"
    )
    stabilization_rate: Float[Array, "*types landform"] = parameter(
        unit="year-1", description="share of active ground that stabilises"
    )
    recovery_rate: Float[Array, "*types landform"] = parameter(
        unit="year-1", description="share of stabilised ground that recovers"
    )
    exposure_depth: Float[Array, "*types landform"] = parameter(
        unit="m", description="depth down to which abrupt thaw exposes carbon"
    )
    active_carbon_dioxide: Float[Array, "*types landform"] = parameter(
        unit="gC m-2 year-1", description="net emission of CO2 from active ground"
    )
    active_methane: Float[Array, "*types landform"] = parameter(
        unit="gC m-2 year-1", description="net emission of CH4 from active ground"
    )
    active_burial: Float[Array, "*types landform"] = parameter(
        unit="gC m-2 year-1", description="carbon that erosion of active ground buries again"
    )
    stabilized_carbon_dioxide: Float[Array, "*types landform"] = parameter(
        unit="gC m-2 year-1", description="net emission of CO2 from stabilised ground; negative: uptake"
    )
    stabilized_methane: Float[Array, "*types landform"] = parameter(
        unit="gC m-2 year-1", description="net emission of CH4 from stabilised ground"
    )
    memory: Float[Array, "*types"] = parameter(
        unit="year",
        description="e-folding time of the temperature of reference, before matter is exposed",
        trainable=False,
    )


# --- the inventory -----------------------------------------------------------------------------------------------------


def flow(
    content: Float[Array, "state ..."],
    rates: Sequence[Float[Array, "..."]],
    between: Sequence[Sequence[int]],
) -> Float[Array, "state ..."]:
    """``dX_j/dt = sum_i k_ij X_i - X_j sum_l k_jl``: change of what each state holds (docs/model.md#t1).

    ``content``: area, or matter that lies evenly on it; ``rates`` (per time) of the pairs (from, to) of ``between``.
    """
    change = [jnp.zeros_like(content[0])] * content.shape[0]
    for rate, (donor, receiver) in zip(rates, between, strict=True):
        moved = rate * content[donor]
        change[donor] = change[donor] - moved
        change[receiver] = change[receiver] + moved
    return jnp.stack(change)


def over_year(change: Callable[[Content, float], Content], content: Content) -> Content:
    """``content`` (a tree) a year later, by one step of Runge and Kutta's fourth order of ``change(content, time in the year)``.

    What is conserved by ``change`` in sum stays to rounding. Rates up to 0.3 a year are followed to 1e-5.
    """

    def moved(by: Content, share: float) -> Content:
        return jax.tree.map(lambda x, d: x + share * d, content, by)

    first = change(content, 0.0)
    second = change(moved(first, 0.5), 0.5)
    third = change(moved(second, 0.5), 0.5)
    fourth = change(moved(third, 1.0), 1.0)
    return jax.tree.map(lambda x, a, b, c, d: x + (a + 2.0 * (b + c) + d) / 6.0, content, first, second, third, fourth)


# --- a column ----------------------------------------------------------------------------------------------------------


class Ground(eqx.Module):
    """Disturbed ground of a column: shares of its area, and matter on it per area of the column; memory of temperature.

    The first axis of matter and area is :data:`STATES` without the undisturbed, which is the column itself.
    """

    area: Float[Array, "state landform *cells"]  # 1
    exposed_carbon: Float[Array, "state landform *cells"]  # gC m-2
    deep_carbon: Float[Array, "state landform *cells"]  # gC m-2: buried, or below the depth of exposure
    nitrogen: Float[Array, "state landform *cells"]  # gN m-2
    reference_temperature: Float[Array, "*cells"]  # degC
    year_temperature: Float[Array, "*cells"]  # degC month, summed over the year so far
    year_production: Float[Array, "*cells"]  # gC m-2, net ecosystem production of the column over the year so far

    @property
    def undisturbed_share(self) -> Float[Array, "*cells"]:
        """Share of the column's area that abrupt thaw has never touched."""
        return 1.0 - self.area.sum(axis=(0, 1))


class Matter(NamedTuple):
    """What lies on a square metre of undisturbed ground (g m-2), by the landform that would disturb it."""

    exposed_carbon: Array  # plants, active pool, thawed layers, and frozen ones above the depth of exposure
    deep_carbon: Array
    nitrogen: Array


class AbruptYear(NamedTuple):
    """What abrupt thaw does in a year, per area of the column: gC m-2 year-1, shares of area."""

    carbon_dioxide: Array
    methane: Array
    exposed_carbon: Array
    area: Array
    active_area: Array
    production: Array  # of ground that is undisturbed or has recovered
    carbon: Array  # of disturbed ground, gC m-2
    carbon_residual: Array  # gC m-2
    nitrogen_residual: Array  # gN m-2


def no_ground(temperature: Float[Array, "*cells"]) -> Ground:
    """Nothing disturbed; ``temperature`` (degC) the first reference."""
    zero = jnp.zeros((len(STATES) - 1, len(LANDFORMS), *temperature.shape), temperature.dtype)
    none = jnp.zeros_like(temperature)
    return Ground(zero, zero, zero, zero, temperature, none, none)


def remembered(ground: Ground, air_temperature: Float[Array, "*cells"], production: Float[Array, "*cells"]) -> Ground:
    """The ground after a month of air temperature (degC) and net ecosystem production (gC m-2)."""
    return eqx.tree_at(
        lambda g: (g.year_temperature, g.year_production),
        ground,
        (ground.year_temperature + air_temperature, ground.year_production + production),
    )


def thaw_rate(
    warming: Float[Array, "*cells"], active_layer: Float[Array, "*cells"], p: AbruptThawParameters
) -> Float[Array, "landform *cells"]:
    """``k = max(0, k_0 + s dT)`` (year-1) where there is permafrost (active layer below 10 m), else 0 (docs/model.md#t2)."""
    rate = safe.maximum(0.0, p.thaw_rate + p.thaw_rate_warming * warming[None])
    return jnp.where((active_layer < PERMAFROST_THAW_LIMIT)[None], rate, 0.0)


def allowed(wanted: Float[Array, "..."], carbon: Float[Array, "..."]) -> Float[Array, "..."]:
    """``C/(C + W)``: share of what would leave in a year, W, that the carbon there allows (gC m-2; docs/model.md#t4)."""
    held = safe.maximum(0.0, carbon)
    return safe.divide(held, held + wanted, otherwise=0.0, floor=1e-12)


def fluxes(
    area: Float[Array, "2 landform *cells"], carbon: Float[Array, "2 landform *cells"], p: AbruptThawParameters
) -> tuple[Array, Array, Array]:
    """CO2, CH4 and burial (gC m-2 year-1) of active and stabilised ground of some share of area that holds carbon (gC m-2).

    Emission and burial are no more than there is; uptake (a negative flux) has no limit (docs/model.md#t4).
    """
    rates = (
        jnp.stack([p.active_carbon_dioxide, p.stabilized_carbon_dioxide]),
        jnp.stack([p.active_methane, p.stabilized_methane]),
        jnp.stack([p.active_burial, jnp.zeros_like(p.active_burial)]),
    )
    leaving = sum((safe.maximum(0.0, rate) for rate in rates), jnp.zeros_like(area)) * area
    share = allowed(leaving, carbon)
    dioxide, methane, burial = (jnp.where(rate > 0.0, rate * share, rate) * area for rate in rates)
    return dioxide, methane, burial


def year(
    ground: Ground,
    matter: Matter,
    active_layer: Float[Array, "*cells"],
    moves: Bool[Array, "*cells"],
    p: AbruptThawParameters,
) -> tuple[Ground, AbruptYear]:
    """A year of abrupt thaw of a column (docs/model.md#t3 to #t6); where it does not move, only the reference follows.

    ``matter``: of undisturbed ground at the year's end; ``active_layer``: of the year (m).
    """
    mean = ground.year_temperature / 12.0
    rate = jnp.where(moves[None], thaw_rate(mean - ground.reference_temperature, active_layer, p), 0.0)
    rates = (rate, p.stabilization_rate, p.recovery_rate, rate)
    intact = safe.maximum(0.0, p.terrain_share - ground.area.sum(axis=0))

    def with_intact(disturbed: Array, each: Array) -> Array:
        return jnp.concatenate([(intact * each)[None], disturbed])

    def change(held: tuple[Array, ...], _: float) -> tuple[Array, ...]:
        area, exposed, deep, nitrogen = held[:4]
        dioxide, methane, buried = fluxes(area[1:3], exposed[1:3], p)
        lost = dioxide + methane + buried
        none = jnp.zeros_like(lost[0])
        return (
            flow(area, rates, BETWEEN),
            flow(exposed, rates, BETWEEN) - jnp.stack([none, lost[0], lost[1], none]),
            flow(deep, rates, BETWEEN) + jnp.stack([none, buried[0], buried[1], none]),
            flow(nitrogen, rates, BETWEEN),
            dioxide.sum(axis=(0, 1)),
            methane.sum(axis=(0, 1)),
        )

    zero = jnp.zeros_like(mean)
    start = (
        with_intact(ground.area, jnp.ones_like(intact)),
        with_intact(ground.exposed_carbon, matter.exposed_carbon),
        with_intact(ground.deep_carbon, matter.deep_carbon),
        with_intact(ground.nitrogen, matter.nitrogen),
        zero,
        zero,
    )
    area, exposed, deep, nitrogen, dioxide, methane = over_year(change, start)
    kept = ground.year_production[None] * ground.area[2]  # recovered ground grows and respires as the column does
    exposed = exposed.at[3].add(kept)
    reference = ground.reference_temperature + jnp.where(moves, 0.0, (mean - ground.reference_temperature) / p.memory)
    new = Ground(
        area=area[1:],
        exposed_carbon=exposed[1:],
        deep_carbon=deep[1:],
        nitrogen=nitrogen[1:],
        reference_temperature=reference,
        year_temperature=zero,
        year_production=zero,
    )
    left = tuple(before[0] - after[0] for before, after in zip(start[1:4], (exposed, deep, nitrogen), strict=True))
    return new, _booked(ground, new, Matter(*left), kept.sum(axis=0), dioxide, methane)


def _booked(before: Ground, after: Ground, left: Matter, kept: Array, dioxide: Array, methane: Array) -> AbruptYear:
    """Totals of a year. ``left``: matter of ground that thawed; residuals: gains less what came in and went out."""

    def gained(*names: str) -> Array:
        return sum(((getattr(after, name) - getattr(before, name)).sum(axis=(0, 1)) for name in names), 0.0 * kept)

    came = (left.exposed_carbon + left.deep_carbon).sum(axis=0)
    return AbruptYear(
        carbon_dioxide=dioxide,
        methane=methane,
        exposed_carbon=left.exposed_carbon.sum(axis=0),
        area=after.area.sum(axis=(0, 1)),
        active_area=after.area[0].sum(axis=0),
        production=before.year_production * before.undisturbed_share + kept,
        carbon=(after.exposed_carbon + after.deep_carbon).sum(axis=(0, 1)),
        carbon_residual=gained("exposed_carbon", "deep_carbon") - (came + kept - dioxide - methane),
        nitrogen_residual=gained("nitrogen") - left.nitrogen.sum(axis=0),
    )
