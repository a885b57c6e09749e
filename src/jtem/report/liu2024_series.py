"""Series of the factorial of Liu et al. (2024) that its tables and figures share: sums by depth, the whole soil."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jtem.report.regional import LAYER_BOTTOM, Region, RegionalResult

PLACES = ("0-1 m", "1-2 m", "2-3 m", "3-6 m")
PLACE_BOTTOMS = (1.0, 2.0, 3.0, 6.0)
METRES = tuple(f"{k}-{k + 1} m" for k in range(6))
METRE_BOTTOMS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
NPP, RH, NEP = "net_primary_production", "heterotrophic_respiration", "net_ecosystem_production"
THAWED_RH, ACTIVE_RH = "heterotrophic_respiration_thawed_permafrost", "heterotrophic_respiration_active_layer"
VEGETATION, SOIL = "vegetation_carbon", "soil_carbon"
MINERALIZATION, UPTAKE = "net_nitrogen_mineralization", "nitrogen_uptake"


def by_depth(layers: np.ndarray, bottoms: Sequence[float] = PLACE_BOTTOMS) -> np.ndarray:
    """Sums over depth intervals, told by their bottoms (m; default those of :data:`PLACES`), of (..., layer)."""
    edges = np.searchsorted(LAYER_BOTTOM, np.asarray(bottoms) - 1e-9) + 1
    return np.stack([layers[..., a:b].sum(axis=-1) for a, b in zip([0, *edges[:-1]], edges, strict=True)], axis=-1)


def ecosystem(r: RegionalResult) -> np.ndarray:
    """Change of ecosystem carbon since the start of the scenario, Pg C (year,)."""
    return np.cumsum(r.total(NEP))


def whole_soil(f: Region, scenario: str, run: str = "S_Trans") -> np.ndarray:
    """Change of the carbon of all soil, frozen and thawed, since the start of the scenario, Pg C (year,)."""
    r = f.get(scenario, run)
    return ecosystem(r) - (r.total(VEGETATION) - f.history.total(VEGETATION)[-1])


def nitrogen_by_depth(f: Region, scenario: str, total: str, layers: str, held: str = "S_PF") -> np.ndarray:
    """S_Trans less ``held`` of a nitrogen flux, summed over years, Tg N (7,): active layer of the base years, then each metre.

    The active layer is one pool: its part is the total less that of the layers, which are permafrost that thawed.
    """
    thawed = np.cumsum(f.effect(scenario, held, layers, unit=1e9), axis=0)[-1]
    whole = f.effect(scenario, held, total, unit=1e9).sum()
    return np.array([whole - thawed.sum(), *by_depth(thawed, METRE_BOTTOMS)])
