"""A paper inverted: its printed regional numbers as observations of a whole factorial, its unprinted parameters free.

The columns go through the equilibrium, history, the base of the permafrost and the runs of every scenario together with the
derivatives along all free coordinates (exact: ``study.sensitivity.walk``). Regional totals, printed numbers, and the
chain rule through them. Sites of the problem are communities: a coordinate acts on all columns of a community.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from jtem.constants import LAYER_EDGES, PERMAFROST_THAW_LIMIT
from jtem.errors import InputError
from jtem.records import Spread
from jtem.study.calibration.model import Misfit
from jtem.study.calibration.printed import THAW, Course, PrintedPaper, Stage, Totals
from jtem.study.calibration.problem import Problem
from jtem.study.sensitivity.model import ColumnModel
from jtem.study.sensitivity.walk import Walk, in_chunks

PETAGRAMS = 1e15  # g
STEEPEST = 1e3
"""Relative change of a column's output per relative change of a coordinate beyond which there is no slope: heat after a repeated
spin-up is rough near 0 degC (docs/model.md#h14)."""


def thinned(community: Sequence[str], area: np.ndarray, air: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of about ``count`` columns (0: all), evenly from the coldest to the warmest of each community, and their areas, scaled
    so that each community keeps its own; ``area``, ``air`` (column,): mean temperature.
    """
    names = np.asarray(community)
    if not count or count >= names.size:
        return np.arange(names.size), area
    rows, areas = [], []
    for name in dict.fromkeys(community):
        mine = np.flatnonzero(names == name)
        mine = mine[np.argsort(air[mine], kind="stable")]
        number = max(1, round(count * mine.size / names.size))
        kept = mine[np.unique(np.round(np.linspace(0.0, mine.size - 1.0, 2 * number + 1)[1::2]).astype(int))]
        rows.append(kept)
        areas.append(area[kept] * area[mine].sum() / area[kept].sum())
    order = np.argsort(np.concatenate(rows))
    return np.concatenate(rows)[order], np.concatenate(areas)[order]


def rows_of(paper: PrintedPaper) -> dict[str, slice]:
    """Where each yearly output stands among the rows of the outputs: a row each, of layered ones a row a layer."""
    layers, first = len(LAYER_EDGES) - 1, len(paper.scalars)
    rows = {name: slice(k, k + 1) for k, name in enumerate(paper.scalars)}
    return rows | {name: slice(first + k * layers, first + (k + 1) * layers) for k, name in enumerate(paper.layered)}


class Regional(Misfit):
    """Residuals and Jacobian of printed regional numbers; ``problem``: sites are communities, observations ``keys``.

    ``columns``: history and the runs as stages, one scenario "runs" of drivers. ``area`` (column,) in m2. ``keys``: of
    ``paper.numbers``, in the order of the observations. ``skipped``: columns without an equilibrium at the last point.
    """

    def __init__(
        self,
        problem: Problem,
        columns: ColumnModel,
        area: np.ndarray,
        course: Course,
        keys: Sequence[tuple[str, str]],
        paper: PrintedPaper,
    ):
        """Lay the problem out."""
        super().__init__(problem)
        self.columns, self.area, self.course, self.keys, self.paper = columns, area, course, tuple(keys), paper
        self.skipped = 0
        self._known: dict[bytes, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        known = {name: s for s, name in enumerate(problem.communities)}
        self.site_of = np.array([known[name] for name in columns.communities])
        self._places = [[np.array(columns.vector.index([name])) for name in free.names] for free in problem.free]
        self._rows = rows_of(paper)

    def share_out(self, spread: Spread, workers: int) -> None:
        """Have ``spread`` call the model from now on, chunk by chunk of columns."""
        del workers
        self.columns = replace(self.columns, spread=spread)

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
        chunks = -(-model.columns * count // model.chunk_columns)
        size = -(-model.columns // chunks)
        y, code, slope = in_chunks(model, scenario, size, Walk.tangent, seeds)
        slope[self.rough(values, y, slope)] = 0.0
        usable = (code == 0) & np.isfinite(y).all(axis=(1, 2)) & np.isfinite(slope).all(axis=(1, 2, 3))
        self.skipped = int((~usable).sum())
        if not usable.any():
            raise InputError("no column has an equilibrium; move the start values")
        codes = np.array([int(code[self.site_of == s].max(initial=0)) for s in range(len(self.problem.sites))])
        area = self.area[usable] * self.area.sum() / self.area[usable].sum()
        found, by_values = self.reduce(y[usable], slope[usable], area, self.site_of[usable])
        return found, by_values, codes

    def rough(self, values: np.ndarray, y: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """Where (column, coordinate) a derivative is no slope; ``y``, ``slope`` as in :meth:`reduce`. It counts as zero."""
        size = np.maximum(np.abs(y).max(axis=-1), 1e-6)
        with np.errstate(invalid="ignore"):
            change = np.abs(slope).max(axis=-1) * np.abs(values)[:, None]
            return (change > STEEPEST * size[:, None]).any(axis=-1)

    def reduce(
        self, y: np.ndarray, slope: np.ndarray, area: np.ndarray, site: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Numbers (number,) and derivatives (number, coordinate) from outputs (column, row, time) and theirs
        (column, coordinate, row, time); ``site`` (column,): community.
        """
        depth = self._rows[THAW]
        past = self.course.stages[""]
        base = self.paper.base(int(self.course.years[past[-1]]))
        inside = past[(self.course.years[past] >= base[0]) & (self.course.years[past] <= base[1])]
        frozen = y[:, depth.start, inside].mean(axis=1) < PERMAFROST_THAW_LIMIT
        if not frozen.any():
            raise InputError(f"no column has permafrost in {base[0]}-{base[1]}; move the start values")
        capped = y[:, depth] > PERMAFROST_THAW_LIMIT
        y, slope = y.copy(), slope.copy()
        y[:, depth] = np.minimum(y[:, depth], PERMAFROST_THAW_LIMIT)
        slope[:, :, depth] = np.where(capped[:, None], 0.0, slope[:, :, depth])
        names = ("", *self.paper.groups)
        member = np.array([[not name or self.problem.communities[k] == name for k in site] for name in names])
        share = area * frozen * member
        if (empty := [name for name, row in zip(names, share, strict=True) if not row.any()]) != []:
            raise InputError(f"no column of '{empty[0]}' has permafrost in {base[0]}-{base[1]}; move the start values")
        total = np.einsum("gc,crt->grt", share, y) / PETAGRAMS
        moved = np.einsum("gc,cprt->pgrt", share, slope) / PETAGRAMS
        for part in (total[None], moved):
            part[:, :, depth] *= (PETAGRAMS / share.sum(axis=1))[:, None, None]
        areas = dict(zip(names, share.sum(axis=1), strict=True))

        def of(totals: jax.Array) -> jax.Array:
            def series(stage: Stage, name: str, group: str) -> jax.Array:
                part = totals[names.index(group), self._rows[name]][:, self.course.stages[stage]]
                return part if name in self.paper.layered else part[0]

            made = self.paper.numbers(Totals(self.course, series, areas))
            return jnp.stack([made[key] for key in self.keys])

        value, by = jax.vmap(lambda d: jax.jvp(of, (jnp.asarray(total),), (d,)), out_axes=(None, 0))(jnp.asarray(moved))
        return np.asarray(value), np.asarray(by).T
