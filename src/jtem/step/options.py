"""Processes that a design may add to the carbon pass, all off by default: roots that follow thaw, abrupt thaw, methane, deep
losses of nitrogen.

Each function gives what the published model has where its process is off.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jtem.numerics.layers import over_layers, to_layers
from jtem.physics import abrupt_thaw, litter, methane, nitrogen, permafrost, roots, water
from jtem.state import Controls
from jtem.step.column import Column, Design, Parameters
from jtem.step.heat import HeatMonth


class Soil(NamedTuple):
    """What decomposition and roots feel in a month."""

    temperature: Array  # degC
    moisture: Array  # of the root zone, m3 m-3
    upper_moisture: Array  # of its upper 20 cm, m3 m-3: that of the root zone where soil water is one layer
    water: Array  # of the root zone, mm


# --- roots -----------------------------------------------------------------------------------------------------------------


def rooting_depth(moving: Float[Array, "*cells"] | None, column: Column, design: Design) -> Float[Array, "*cells"]:
    """Depth (m) that roots reach nitrogen in: their own where they follow thaw and matter lies below the active pool."""
    if moving is None or not design.permafrost.layers:
        return column.hydraulics.rooting_depth
    return moving


def root_access(moving: Float[Array, "*cells"] | None, column: Column, design: Design) -> Float[Array, "layer *cells"]:
    """Share of the available nitrogen of thawed layers that roots reach."""
    if moving is None or not design.permafrost.decomposes_layers:
        return column.layers.root_access
    top, bottom = permafrost.layer_edges(moving)
    return roots.density(0.5 * (top + bottom), moving)


def roots_after(
    depth: Float[Array, "*cells"] | None,
    vegetation_carbon: Float[Array, "*cells"],
    thaw: permafrost.Thaw,
    controls: Controls,
    parameters: Parameters,
) -> tuple[Float[Array, "*cells"] | None, Float[Array, "*cells"] | None]:
    """Rooting depth (m) at a year's end and the vegetation carbon that deepening turned into litter (gC m-2)."""
    if depth is None:
        return None, None
    moves = controls.expose | controls.follow
    if controls.roots is not None:
        moves = moves & controls.roots
    deeper = roots.depth_after(depth, thaw.active_layer_thickness, moves, controls.baseline, parameters.roots)
    grown = roots.cost(depth, deeper, vegetation_carbon, parameters.roots)
    return deeper, jnp.where(controls.baseline, 0.0, grown)


# --- abrupt thaw -------------------------------------------------------------------------------------------------------------


def abrupt_year(
    ground: abrupt_thaw.Ground | None,
    store: permafrost.PermafrostStore,
    totals: tuple[Float[Array, "*cells"], Float[Array, "*cells"]],
    thaw: permafrost.Thaw,
    controls: Controls,
    column: Column,
    design: Design,
) -> tuple[abrupt_thaw.Ground | None, abrupt_thaw.AbruptYear]:
    """Disturbed ground after a year, from the carbon and nitrogen (``totals``, g m-2) of undisturbed ground at its end."""
    carbon, nitrogen = totals
    if ground is None:
        return None, abrupt_thaw.AbruptYear(*[jnp.zeros_like(carbon)] * len(abrupt_thaw.AbruptYear._fields))
    p = column.parameters
    deep = jnp.stack([
        over_layers(store.frozen_carbon * (1.0 - design.permafrost.above(store, depth, p.permafrost)))
        for depth in p.abrupt_thaw.exposure_depth
    ])  # fmt: skip
    matter = abrupt_thaw.Matter(carbon[None] - deep, deep, jnp.broadcast_to(nitrogen[None], deep.shape))
    moves = controls.expose if controls.abrupt is None else controls.expose & controls.abrupt
    return abrupt_thaw.year(ground, matter, thaw.active_layer_thickness, moves, p.abrupt_thaw)


# --- methane -----------------------------------------------------------------------------------------------------------------


def methane_of(
    ground: abrupt_thaw.Ground | None,
    respired: tuple[Float[Array, "*cells"], Float[Array, "layer *cells"]],
    soil: Soil | None,
    heat: HeatMonth,
    relative_leaf: Float[Array, "*cells"],
    column: Column,
    design: Design,
) -> methane.Methane:
    """Methane out of a month's decomposition (``respired``: of active pool and thawed layers, gC m-2), which stays what it is.

    Where ground thaws abruptly it is that of undisturbed ground, per area of the column.
    """
    active, layered = respired
    if soil is None:
        return methane.Methane(*[jnp.zeros_like(active)] * len(methane.Methane._fields))
    p, hydraulics, layers = column.parameters.methane, column.hydraulics, layered.shape[0]
    wet = soil.upper_moisture if design.two_water_layers else soil.moisture
    filled = methane.filling(wet, hydraulics.wilting_point, hydraulics.field_capacity)
    gas = methane.month(
        inundated=column.inundated_fraction,
        filled=filled,
        respiration=active,
        temperature=soil.temperature,
        layer_respiration=layered,
        layer_temperature=heat.soil_temperature[:layers]
        if design.permafrost.decomposes_layers
        else jnp.zeros_like(layered),
        relative_leaf=relative_leaf,
        thawed_share=heat.freeze_thaw_factor,
        p=p,
    )
    if ground is None:
        return gas
    share = ground.undisturbed_share
    return methane.Methane(*(share * flux for flux in gas[:-1]), water_table=gas.water_table)


# --- deep losses of nitrogen -------------------------------------------------------------------------------------------------


def leaching(
    layer_water: Float[Array, "layer *cells"], moist: water.WaterMonth, column: Column, design: Design
) -> Float[Array, "layer *cells"] | None:
    """Rate at which thawed layers lose available nitrogen with the water of the month, mean over a sub-step (month-1)."""
    if not design.deep_nitrogen_losses:
        return None
    mobile = to_layers(column.parameters.nitrogen.mobile_share, layer_water.shape[0])
    percolation = moist.rain_percolation + moist.snow_percolation
    rate = nitrogen.leaching_rate(percolation, layer_water, mobile)
    return litter.loss_rate(rate, 1.0 / design.carbon_substeps)
