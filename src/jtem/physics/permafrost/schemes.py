"""Eight schemes behind one signature; a plan's word becomes one at the door."""

import math
from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

from jtem.constants import CARBON_LAYERS
from jtem.physics.permafrost.layered import begin_layers, expose_layers, layers_above
from jtem.physics.permafrost.stores import (
    access_all,
    access_root_zone_share,
    begin_empty,
    expose_nothing,
    nothing_above,
)
from jtem.physics.permafrost.thaw_ratio import (
    RATIO,
    access_root_zone_concentration,
    access_rooting_share,
    begin_reservoir,
    expose_by_ratio,
    reservoir_above,
)


class PermafrostScheme(NamedTuple):
    """What a scheme does (three functions, pure and for one cell) and what it needs of those who run it."""

    name: str
    """The word of plans."""
    begin: Callable
    """``(store, active, thaw, profile, p) -> store``: fill the frozen store."""
    access: Callable
    """``(store, rooting_depth, p) -> Access``: shares of the active pool."""
    expose: Callable
    """``(store, active, thaw, move, follow, p) -> (store, active, Exposure)``: what a year's thaw moves."""
    above: Callable = nothing_above
    """``(store, depth, p) -> share``: of the frozen matter of each layer that lies above a depth (m)."""
    layers: int = 0
    """Layers of its stores."""
    fills: Literal["never", "start", "base_years"] = "never"
    """When the frozen store is filled: not at all, at the start of history, or after the years of the base active layer."""
    moves_water: bool = False
    """Whether soil water moves with the active layer."""
    ratio_within: tuple[float, float] | None = None
    """Bounds of the ratio of a year's matter to that of the year before, where matter follows it."""
    decomposes_layers: bool = False
    """Whether thawed layers decompose beside the active pool; they are empty until the base years."""
    root_zone_concentration: bool = False
    """Whether microbes of thawed layers immobilise by the nitrogen concentration of the root zone, not by their layer's own."""
    needs_heat: bool = True
    """Whether it needs the thaw of the soil heat model."""


NONE = PermafrostScheme("none", begin_empty, access_all, expose_nothing, needs_heat=False)
TEM6 = PermafrostScheme("tem6", begin_empty, access_root_zone_share, expose_nothing)
THAW_RATIO = PermafrostScheme(
    "thaw_ratio",
    begin_reservoir,
    access_rooting_share,
    expose_by_ratio,
    reservoir_above,
    layers=1,
    fills="start",
    moves_water=True,
    ratio_within=RATIO,
)
THAW_RATIO_IRREVERSIBLE = THAW_RATIO._replace(
    name="thaw_ratio_irreversible", expose=partial(expose_by_ratio, irreversible=True), ratio_within=(0.0, RATIO[1])
)
THAW_RATIO_INVENTORY = THAW_RATIO._replace(
    name="thaw_ratio_inventory", expose=partial(expose_by_ratio, from_inventory=True), ratio_within=(RATIO[0], math.inf)
)
THAW_RATIO_CONCENTRATION = THAW_RATIO._replace(name="thaw_ratio_concentration", access=access_root_zone_concentration)
LAYERED = PermafrostScheme(
    "layered",
    begin_layers,
    access_all,
    expose_layers,
    layers_above,
    layers=CARBON_LAYERS,
    fills="base_years",
    decomposes_layers=True,
)
LAYERED_CONCENTRATION = LAYERED._replace(name="layered_concentration", root_zone_concentration=True)

SCHEMES = {
    scheme.name: scheme
    for scheme in (
        NONE,
        TEM6,
        THAW_RATIO,
        THAW_RATIO_IRREVERSIBLE,
        THAW_RATIO_INVENTORY,
        THAW_RATIO_CONCENTRATION,
        LAYERED,
        LAYERED_CONCENTRATION,
    )
}
