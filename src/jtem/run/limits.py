"""Limits that acted without an error: counted a column, from what a run has on the host anyway, and named at its end.

Nothing here touches a number of the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jax
import numpy as np
from jaxtyping import Array, Float

from jtem import step
from jtem.constants import WATTS_TO_TEM_RADIATION
from jtem.physics import nitrogen, permafrost, photosynthesis, respiration, snow
from jtem.state import Cell, Climate

AIR = (-40.0, 40.0)
"""Air temperature (degC) beyond which respiration and nitrogen uptake of plants feel the limit (docs/model.md#a1)."""
GROUND = 1e-4
"""Change of a soil layer (K) over the last year of the spin-up above which ground has not converged."""
CLEAR = 0.761
"""Light over that at the top of the atmosphere beyond which no cloud is left (docs/model.md#r3), and some room."""
OVERCAST = 0.25
"""Light over that at the top of the atmosphere below which clouds are complete (docs/model.md#r3), and some room."""
DUSK = 75.0
"""Light at the top of the atmosphere (cal cm-2 d-1) above which it matters how much arrives (k_i of docs/model.md#g4); a low sun
under clouds has less than :data:`OVERCAST` of it in many a winter."""
JUMP = 1.0
"""Change of the active layer (m) from one year to the next that exposes or buries at once what years should."""
BARE = 1.0
"""Vegetation carbon (gC m-2) below which a column's plants have died."""

SAID = {
    "air": "months beyond -40 to 40 degC, of which plants feel those",
    "ground": "ground not converged: a layer changes by more than 1e-4 K in the last year of the spin-up",
    "jump": "years in which the active layer moves by more than 1 m and carbon is exposed or buried at once",
    "ratio": "years in which the active layer's part of the profile changes by more than a factor of two, and matter by two",
    "bare": "stages at whose end the vegetation is dead (less than 1 gC m-2)",
    "light": "months brighter than under a cloudless sky, of which plants feel that",
    "dark": "months darker than under full clouds, of which plants feel that",
    "snow": "stages at whose end more than 3000 mm of snow lie, which insulate as 3000 mm do",
    "maintenance": "maintenance respiration that its bounds hold somewhere between -40 and 40 degC, from parameters",
    "photosynthesis": "maximum photosynthesis below zero, from parameters and texture",
    "uptake": "maximum nitrogen uptake below zero, from parameters and texture",
    "decomposition": "decomposition that texture brings to zero",
    "immobilization": "immobilisation that texture brings to zero",
    "roots": "roots that texture makes shallower than their smallest depth",
}
"""What each limit is, for people; counts are by these names."""

Counts = dict[str, np.ndarray]
"""How often a limit acted, by its name: (column,) whole numbers."""


def of_climate(climate: Climate, cells: Cell) -> Counts:
    """Months of a stage (fields (column, year, 12), host) beyond :data:`AIR`, brighter than :data:`CLEAR` or darker than
    :data:`OVERCAST`.
    """
    air, light = climate.air_temperature, climate.shortwave_radiation
    low, high = AIR
    top = np.asarray(cells.top_of_atmosphere)[:, None]
    above = top / WATTS_TO_TEM_RADIATION
    return {
        "air": ((air < low) | (air > high)).sum(axis=(1, 2)),
        "light": (light > np.maximum(CLEAR * above, 1e-6)).sum(axis=(1, 2)),
        "dark": ((light < OVERCAST * above) & (top > DUSK)).sum(axis=(1, 2)),
    }


def of_thaw(thaw: permafrost.Thaw, design: step.Design, parameters: step.Parameters, rows: np.ndarray) -> Counts:
    """Years of an exposing stage in which the active layer jumps, or its ratio is held (docs/model.md#p3).

    ``thaw``: of the year before, where it is known, and of the stage's years (column, year; m); ``rows``: the columns'
    communities.
    """
    if design.permafrost is permafrost.NONE:
        return {}
    counts = {"jump": (np.abs(np.diff(np.asarray(thaw.active_layer_thickness), axis=1)) > JUMP).sum(axis=1)}
    if design.permafrost.ratio_within is not None:
        low, high = design.permafrost.ratio_within
        share = np.asarray(_shares(thaw, jax.tree.map(lambda leaf: np.asarray(leaf)[rows], parameters.permafrost)))
        if low == 0.0:  # what only grows follows the running maximum
            share = np.maximum.accumulate(share, axis=1)
        ratio = share[:, 1:] / share[:, :-1]
        counts["ratio"] = ((ratio < low) | (ratio > high)).sum(axis=1)
    return counts


def of_state(state: step.State) -> Counts:
    """Dead vegetation, and glaciers, at a stage's end (leading column axis)."""
    counts = {"bare": (np.asarray(state.carbon.vegetation_carbon) < BARE).astype(int)}
    if state.thermal is not None:
        counts["snow"] = (np.asarray(state.thermal.snow) > snow.DEEPEST_SNOW).astype(int)
    return counts


def of_ground(change: np.ndarray) -> Counts:
    """Ground (column,) that changes (K) in the last year of the spin-up."""
    return {"ground": (change > GROUND).astype(int)}


def of_columns(parameters: step.Parameters, cells: Cell) -> Counts:
    """What texture and parameters of a column bring below zero, below the smallest depth of roots, or to another bound."""
    rows, psi = np.asarray(cells.community), np.asarray(cells.silt_clay)
    p = jax.tree.map(lambda leaf: np.asarray(leaf)[rows], parameters)
    soil, depth = p.decomposition, p.water
    rates = _largest_rates(cells.silt_clay, p.photosynthesis, p.nitrogen)
    below = {
        **{name: np.asarray(values) for name, values in rates.items()},
        "decomposition": soil.rate_slope * psi + soil.rate_intercept,
        "immobilization": soil.immobilization_slope * psi + soil.immobilization_intercept,
        "roots": depth.rooting_depth_quadratic * psi**2 + depth.rooting_depth_linear * psi + depth.rooting_depth_constant
        - depth.rooting_depth_minimum,
    }  # fmt: skip
    below["maintenance"] = -1.0 * _maintenance_is_held(parameters.respiration)[rows]
    return {name: (values < 0.0).astype(int) for name, values in below.items()}


def _maintenance_is_held(p: respiration.RespirationParameters) -> np.ndarray:
    """Of each row of parameters whether a bound of docs/model.md#a1 acts at any temperature that plants feel."""
    t = np.linspace(*AIR, 161)[:, None]
    rising = np.asarray(p.q10_quadratic) + t * np.asarray(p.q10_cubic)
    q10 = np.asarray(p.q10_constant) + t * (np.asarray(p.q10_linear) + t * rising)
    rate = np.exp(np.asarray(p.maintenance_intercept)) * np.maximum(q10, 0.5) ** (0.1 * t)
    return np.any((q10 < 0.5) | (rate > respiration.LARGEST_MAINTENANCE), axis=0)


@jax.jit
def _shares(thaw: permafrost.Thaw, p: permafrost.PermafrostParameters) -> Array:
    across = jax.tree.map(lambda leaf: leaf[:, None], p)
    return permafrost.profile_share(permafrost.ratio_thaw(thaw, across), across)


@jax.jit
def _largest_rates(
    silt_clay: Float[Array, "*cells"],
    carbon: photosynthesis.PhotosynthesisParameters,
    plants: nitrogen.NitrogenParameters,
) -> dict[str, Array]:
    return {
        "photosynthesis": photosynthesis.maximum_rate(silt_clay, carbon),
        "uptake": nitrogen.maximum_uptake(silt_clay, plants),
    }


def summed(counts: Sequence[Mapping[str, np.ndarray]]) -> Counts:
    """Counts of the same columns together."""
    total: Counts = {}
    for one in counts:
        for name, values in one.items():
            total[name] = values if name not in total else total[name] + values
    return total


def joined(parts: Sequence[Counts]) -> Counts:
    """Counts of columns that follow each other."""
    return {name: np.concatenate([counts[name] for counts in parts]) for name in (parts[0] if parts else {})}


def sentences(counts: Mapping[str, np.ndarray]) -> list[str]:
    """A sentence for every limit that acted, with how often, in how many columns, and the first of them."""
    said = []
    for name, values in counts.items():
        columns = np.flatnonzero(values)
        if columns.size:
            first = ", ".join(map(str, columns[:10])) + (", ..." if columns.size > 10 else "")
            said.append(f"{SAID[name]}: {int(values.sum())}, in {columns.size} of {values.size} columns ({first})")
    return said
