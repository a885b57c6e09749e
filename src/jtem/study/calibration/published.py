"""A paper inverted: its printed regional numbers as observations of a whole factorial, its unprinted parameters free.

The columns go through the equilibrium, history, the base of the permafrost and the runs of every scenario together with the
derivatives along all free coordinates (exact: ``study.sensitivity.walk``). Regional totals, printed numbers, and the
chain rule through them. Sites of the problem are communities: a coordinate acts on all columns of a community.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np

from jtem.constants import LAYER_EDGES, PERMAFROST_THAW_LIMIT
from jtem.errors import InputError
from jtem.study.calibration.model import Model
from jtem.study.calibration.problem import Problem
from jtem.study.sensitivity.model import Model as Columns
from jtem.study.sensitivity.walk import in_chunks

RUNS = ("S_Trans", "S_PF", "S_CO2")
"""Runs of a factorial that the numbers are made of: all factors free; no exposure; CO2 held."""
THAW = "active_layer_thickness"
SCALARS = (
    THAW,
    "maximum_unfrozen_thickness",
    "net_primary_production",
    "net_ecosystem_production",
    "heterotrophic_respiration",
    "heterotrophic_respiration_thawed_permafrost",
    "vegetation_carbon",
    "soil_carbon",
    "vegetation_nitrogen",
    "exposed_carbon",
    "exposed_organic_nitrogen",
    "net_nitrogen_mineralization",
    "nitrogen_uptake",
)
LAYERED = ("layer_exposed_carbon", "layer_respiration")
"""Yearly outputs that are needed; the layered ones come last, a row a layer."""
KEYS = (
    "vegetation_carbon",
    "soil_carbon",
    "active_layer_increase",
    "exposed_carbon",
    "decomposed_carbon",
    "decomposed_share",
    "soil_carbon_thawed_change",
    "exposed_share_1_3m",
    "exposed_carbon_0_3m",
    "emission_share_1_2m",
    "ecosystem_carbon_change",
    "nep_2090s",
    "nep_2090s_without_thaw",
    "thawed_respiration_share_2090s",
    "thawed_share_of_rh_increase",
    "rh_2100_by_thaw",
    "rh_by_thaw",
    "npp_2090s_by_thaw",
    "npp_by_thaw",
    "nep_2090s_by_thaw",
    "ecosystem_carbon_by_thaw",
    "vegetation_carbon_by_thaw",
    "vegetation_nitrogen_by_thaw",
    "exposed_organic_nitrogen",
    "thawed_uptake_share",
    "ecosystem_carbon_by_co2",
)
"""Numbers that can be fitted."""
PETAGRAMS = 1e15  # g
BASE = (2010, 2015)
"""Years whose mean active layer tells where permafrost is (Liu et al. 2024)."""


Stage = str | tuple[str, str]
"""A stage of a course: "" (history) or (scenario, run)."""


# --- printed numbers from yearly totals ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Course:
    """Years of the totals: ``stages`` "" (history) and (scenario, run) to positions in time; ``years``: of each position."""

    stages: Mapping[Stage, np.ndarray]
    years: np.ndarray

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Names of the scenarios."""
        return tuple(dict.fromkeys(key[0] for key in self.stages if key))


Series = Callable[[Stage, str], jax.Array]
"""(stage, variable) to its regional series, Pg or Pg yr-1 (year,), of layered ones (layer, year); active layer in m."""


def numbers(course: Course, series: Series) -> dict[tuple[str, str], jax.Array]:
    """Numbers of Liu et al. (2024) by key and scenario, units as printed; the definitions are those of ``report.liu2024``.

    JAX traces it: derivatives follow.
    """
    past = course.years[course.stages[""]]
    found: dict[tuple[str, str], jax.Array] = {
        ("vegetation_carbon", "historical"): series("", "vegetation_carbon")[-1],
        ("soil_carbon", "historical"): series("", "soil_carbon")[-1],
    }
    for s in course.scenarios:
        found |= {(key, s): value for key, value in _of_scenario(course, series, s, past.size).items()}
    return found


def _of_scenario(course: Course, series: Series, s: str, past: int) -> dict[str, jax.Array]:
    years = course.years[course.stages[s, "S_Trans"]]
    decade = (years >= years[-1] - 10) & (years <= years[-1] - 1)

    def free(name: str) -> jax.Array:
        return series((s, "S_Trans"), name)

    def effect(name: str, held: str = "S_PF") -> jax.Array:
        return free(name) - series((s, held), name)

    rh, thawed = free("heterotrophic_respiration"), free("heterotrophic_respiration_thawed_permafrost")
    npp, nep = "net_primary_production", "net_ecosystem_production"
    exposed, lost = free("exposed_carbon").sum(), thawed.sum()
    by_layer, respired = (free(name).sum(axis=-1) for name in LAYERED)
    bottom = np.asarray(LAYER_EDGES[1:])
    metres = [bottom <= 1.001, (bottom > 1.001) & (bottom <= 2.001), (bottom > 2.001) & (bottom <= 3.001)]
    depth = [by_layer[rows].sum() for rows in metres]
    before = series("", "heterotrophic_respiration")[past - 5 :].mean()
    drh, dnep = effect("heterotrophic_respiration"), effect(nep)
    taken, mineral = effect("nitrogen_uptake").sum(), effect("net_nitrogen_mineralization").sum()
    return {
        "active_layer_increase": free(THAW)[-5:].mean() - series("", THAW)[-5:].mean(),
        "exposed_carbon": exposed,
        "decomposed_carbon": lost,
        "decomposed_share": 100.0 * lost / exposed,
        "soil_carbon_thawed_change": -lost,
        "exposed_share_1_3m": 100.0 * (depth[1] + depth[2]) / by_layer.sum(),
        "exposed_carbon_0_3m": depth[0] + depth[1] + depth[2],
        "emission_share_1_2m": 100.0 * respired[metres[1]].sum() / respired.sum(),
        "ecosystem_carbon_change": free(nep).sum(),
        "nep_2090s": free(nep)[decade].mean(),
        "nep_2090s_without_thaw": (free(nep) + thawed)[decade].mean(),
        "thawed_respiration_share_2090s": 100.0 * thawed[decade].mean() / rh[decade].mean(),
        "thawed_share_of_rh_increase": 100.0 * lost / (rh - before).sum(),
        "rh_2100_by_thaw": drh[-1],
        "rh_by_thaw": drh.sum(),
        "npp_2090s_by_thaw": effect(npp)[decade].mean(),
        "npp_by_thaw": effect(npp).sum(),
        "nep_2090s_by_thaw": dnep[decade].mean(),
        "ecosystem_carbon_by_thaw": dnep.sum(),
        "vegetation_carbon_by_thaw": effect("vegetation_carbon")[-1],
        "vegetation_nitrogen_by_thaw": 1000.0 * effect("vegetation_nitrogen")[-1],
        "exposed_organic_nitrogen": free("exposed_organic_nitrogen").sum(),
        "thawed_uptake_share": 100.0 * taken / mineral,
        "ecosystem_carbon_by_co2": effect(nep, "S_CO2").sum(),
    }


# --- the model -----------------------------------------------------------------------------------------------------------


def thinned(community: Sequence[str], area: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of about ``count`` columns (0: all), evenly from each community in order, and their areas, scaled so that each
    community keeps its own; ``area`` (column,).
    """
    names = np.asarray(community)
    if not count or count >= names.size:
        return np.arange(names.size), area
    rows, areas = [], []
    for name in dict.fromkeys(community):
        mine = np.flatnonzero(names == name)
        number = max(1, round(count * mine.size / names.size))
        kept = mine[np.unique(np.round(np.linspace(0.0, mine.size - 1.0, 2 * number + 1)[1::2]).astype(int))]
        rows.append(kept)
        areas.append(area[kept] * area[mine].sum() / area[kept].sum())
    order = np.argsort(np.concatenate(rows))
    return np.concatenate(rows)[order], np.concatenate(areas)[order]


class Regional(Model):
    """Residuals and Jacobian of printed regional numbers; ``problem``: sites are communities, observations ``keys``.

    ``columns``: history and the runs as stages, one scenario "runs" of drivers. ``area`` (column,) in m2. ``keys``: of
    :func:`numbers`, in the order of the observations. ``skipped``: columns without an equilibrium at the last point.
    """

    def __init__(
        self,
        problem: Problem,
        columns: Columns,
        area: np.ndarray,
        course: Course,
        keys: Sequence[tuple[str, str]],
    ):
        """Lay the problem out."""
        super().__init__(problem)
        self.columns, self.area, self.course, self.keys = columns, area, course, tuple(keys)
        self.skipped = 0
        self._known: dict[bytes, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        known = {name: s for s, name in enumerate(problem.communities)}
        self.site_of = np.array([known[name] for name in columns.communities])
        self._places = [[np.array(columns.vector.index([name])) for name in free.names] for free in problem.free]
        layers = len(LAYER_EDGES) - 1
        self._rows = {name: slice(k, k + 1) for k, name in enumerate(SCALARS)} | {
            name: slice(len(SCALARS) + k * layers, len(SCALARS) + (k + 1) * layers) for k, name in enumerate(LAYERED)
        }

    def moved(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Vectors of parameters (column, n) at values (coordinate,), and their derivatives (column, coordinate, n)."""
        vectors = self.columns.vectors.copy()
        steps = np.zeros((vectors.shape[0], values.size, vectors.shape[1]), vectors.dtype)
        for k, free in enumerate(self.problem.free):
            here = np.flatnonzero(self.applies[self.site_of, k])
            coordinate = self.index[self.site_of[here], k]
            for places in self._places[k]:
                for place in places:
                    before = vectors[here, place]
                    if free.mode == "factor":
                        vectors[here, place] = before * values[coordinate]
                        steps[here, :, place] *= values[coordinate][:, None]
                        steps[here, coordinate, place] += before
                    else:
                        vectors[here, place] = values[coordinate]
                        steps[here, :, place] = 0.0
                        steps[here, coordinate, place] = 1.0
        return vectors, steps

    def sensitivity(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Numbers (start, number) and their derivatives by the values (start, number, coordinate)."""
        if self._last is not None and np.array_equal(self._last[0], values):
            return self._last[1], self._last[2]
        for one in values:
            if one.tobytes() not in self._known:
                self._known[one.tobytes()] = self._one(one)
        made = [self._known[one.tobytes()] for one in values]
        found, slope, codes = (np.stack(parts) for parts in zip(*made, strict=True))
        self._last = (np.array(values), found, slope, codes)
        return found, slope

    def simulate(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Numbers (start, number) and codes (start, site)."""
        found, _ = self.sensitivity(values)
        assert self._last is not None
        return found, self._last[3]

    def _one(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        vectors, steps = self.moved(values)
        model = replace(self.columns, vectors=vectors)
        (drivers,) = model.drivers.values()
        count = values.size

        def still(leaf: np.ndarray) -> np.ndarray:
            leaf = np.asarray(leaf)
            return np.broadcast_to(np.zeros((), leaf.dtype), (leaf.shape[0], count, *leaf.shape[1:]))

        seeds = (steps, jax.tree.map(still, drivers))
        (scenario,) = model.drivers
        size = max(1, model.chunk_columns // count)
        y, code, slope = in_chunks(model, scenario, size, lambda chunk: chunk.tangent(seeds))
        usable = (code == 0) & np.isfinite(y).all(axis=(1, 2)) & np.isfinite(slope).all(axis=(1, 2, 3))
        self.skipped = int((~usable).sum())
        if not usable.any():
            raise InputError("no column has an equilibrium; move the start values")
        codes = np.array([int(code[self.site_of == s].max(initial=0)) for s in range(len(self.problem.sites))])
        found, by_values = self.reduce(
            y[usable], slope[usable], self.area[usable] * self.area.sum() / self.area[usable].sum()
        )
        return found, by_values, codes

    def reduce(self, y: np.ndarray, slope: np.ndarray, area: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Numbers (number,) and derivatives (number, coordinate) from outputs (column, row, time) and theirs
        (column, coordinate, row, time).
        """
        depth = self._rows[THAW]
        past = self.course.stages[""]
        base = past[(self.course.years[past] >= BASE[0]) & (self.course.years[past] <= BASE[1])]
        frozen = y[:, depth.start, base].mean(axis=1) < PERMAFROST_THAW_LIMIT
        if not frozen.any():
            raise InputError("no column has permafrost in 2010-2015; move the start values")
        share = area * frozen
        capped = y[:, depth] > PERMAFROST_THAW_LIMIT
        y, slope = y.copy(), slope.copy()
        y[:, depth] = np.minimum(y[:, depth], PERMAFROST_THAW_LIMIT)
        slope[:, :, depth] = np.where(capped[:, None], 0.0, slope[:, :, depth])
        total = np.einsum("c,crt->rt", share, y) / PETAGRAMS
        moved = np.einsum("c,cprt->prt", share, slope) / PETAGRAMS
        for part in (total[None], moved):
            part[:, depth] *= PETAGRAMS / share.sum()

        def of(totals: jax.Array) -> jax.Array:
            def series(stage: Stage, name: str) -> jax.Array:
                part = totals[self._rows[name]][:, self.course.stages[stage]]
                return part if name in LAYERED else part[0]

            made = numbers(self.course, series)
            return jnp.stack([made[key] for key in self.keys])

        value, by = jax.vmap(lambda d: jax.jvp(of, (jnp.asarray(total),), (d,)), out_axes=(None, 0))(jnp.asarray(moved))
        return np.asarray(value), np.asarray(by).T
