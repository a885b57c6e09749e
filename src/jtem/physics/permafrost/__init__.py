"""Permafrost carbon: schemes behind one signature.

``none``        all soil carbon is always accessible
``tem6``        share of the root zone's carbon by active layer over rooting depth (Hayes et al. 2014; Kicklighter et al. 2019)
``thaw_ratio``  C, N and water follow the ratio of active-layer thickness (Liu et al. 2022; scheme A)
                ``_irreversible``, ``_inventory``: other transfers; ``_concentration``: N that microbes see as plants do
``layered``     25 layers to 6 m from observed profiles, decomposed layer by layer once thawed (Liu et al. 2024, Eq. 1; B)
"""

from jtem.physics.permafrost.layered import (
    LayerConstants,
    LayerEnvironment,
    begin_layers,
    expose_layers,
    layer_constants,
    layer_environment,
    layers_above,
    thawed_share,
)
from jtem.physics.permafrost.profile import (
    fitted_hyperbola,
    hyperbolic_share,
    layer_edges,
    layers_from_intervals,
    profile_share,
)
from jtem.physics.permafrost.schemes import (
    LAYERED,
    LAYERED_CONCENTRATION,
    NONE,
    SCHEMES,
    TEM6,
    THAW_RATIO,
    THAW_RATIO_CONCENTRATION,
    THAW_RATIO_INVENTORY,
    THAW_RATIO_IRREVERSIBLE,
    PermafrostScheme,
)
from jtem.physics.permafrost.stores import (
    Access,
    ActivePools,
    Exposure,
    PermafrostParameters,
    PermafrostStore,
    Profile,
    Thaw,
    access_all,
    access_root_zone_share,
    begin_empty,
    empty_store,
    expose_nothing,
    no_exposure,
    nothing_above,
)
from jtem.physics.permafrost.thaw_ratio import (
    access_root_zone_concentration,
    access_rooting_share,
    begin_reservoir,
    expose_by_ratio,
    frozen_per_active,
    profile_ratio,
    ratio_thaw,
    reservoir_above,
)

__all__ = [
    "LAYERED",
    "LAYERED_CONCENTRATION",
    "NONE",
    "SCHEMES",
    "TEM6",
    "THAW_RATIO",
    "THAW_RATIO_CONCENTRATION",
    "THAW_RATIO_INVENTORY",
    "THAW_RATIO_IRREVERSIBLE",
    "Access",
    "ActivePools",
    "Exposure",
    "LayerConstants",
    "LayerEnvironment",
    "PermafrostParameters",
    "PermafrostScheme",
    "PermafrostStore",
    "Profile",
    "Thaw",
    "access_all",
    "access_root_zone_concentration",
    "access_root_zone_share",
    "access_rooting_share",
    "begin_empty",
    "begin_layers",
    "begin_reservoir",
    "empty_store",
    "expose_by_ratio",
    "expose_layers",
    "expose_nothing",
    "fitted_hyperbola",
    "frozen_per_active",
    "hyperbolic_share",
    "layer_constants",
    "layer_edges",
    "layer_environment",
    "layers_above",
    "layers_from_intervals",
    "no_exposure",
    "nothing_above",
    "profile_ratio",
    "profile_share",
    "ratio_thaw",
    "reservoir_above",
    "thawed_share",
]
