"""Sections [[data]] of a calibration plan to sites: their observations, their cells, and loaders of their climate."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np
import xarray as xr

from jtem.assemble import model
from jtem.assemble.domain import domain
from jtem.files import Inputs
from jtem.plan.calibration import CalibrationPlan, PastSection
from jtem.readers import observations
from jtem.readers.observed_sites import ObservedSites, open_sites
from jtem.state import Cell, Climate


@dataclass(frozen=True)
class Sites:
    """All sites of a plan. ``observations``: of all sections, with their errors. ``rows``: of each part the sites that no part
    before has: a site has the climate of the first.
    """

    names: tuple[str, ...]
    parts: tuple[ObservedSites, ...]
    rows: tuple[tuple[int, ...], ...]
    observations: xr.Dataset

    def climates(self, section: PastSection, last: int, where: str) -> tuple[Climate, Climate]:
        """The mean year of the spin-up, fields (site, 12), and history to ``last``, (site, year, 12); raises ``InputError``."""
        (begin, end), first = section.spin_up, section.first
        spin_up, history = [], []
        for part, mine in self._given():
            years = part.climate(mine, begin, end, f"{where}: [history] spin_up", wrap=True)
            mean = jax.tree.map(lambda leaf: leaf.mean(axis=1), years)
            spin_up.append(dataclasses.replace(mean, following_air_temperature=mean.air_temperature[:, 0]))
            history.append(part.climate(mine, first, last, f"{where}: [history] first, to the last observation,"))
        stacked = [jax.tree.map(lambda *leaves: np.concatenate(leaves), *pieces) for pieces in (spin_up, history)]
        return stacked[0], stacked[1]

    def columns(self, communities: Sequence[str], dtype: str, where: str) -> Cell:
        """One column a site."""
        pieces = [
            model.columns(part.cells.isel(cell=list(mine)), communities, dtype, where).columns
            for part, mine in self._given()
        ]
        return jax.tree.map(lambda *leaves: np.concatenate([np.asarray(leaf) for leaf in leaves]), *pieces)

    def of_cells(self, name: str) -> np.ndarray:
        """A field of the cells at all sites, (site,)."""
        return np.concatenate([np.asarray(part.cells[name].values)[list(mine)] for part, mine in self._given()])

    def _given(self) -> list[tuple[ObservedSites, tuple[int, ...]]]:
        return [(part, mine) for part, mine in zip(self.parts, self.rows, strict=True) if mine]


def sites(plan: CalibrationPlan, inputs: Inputs) -> Sites:
    """The sites of all [[data]] sections; raises ``InputError``."""
    place = None
    if plan.domain is not None:
        place = domain(plan.domain, [plan.history.climate], inputs, plan.where)
    names: list[str] = []
    parts, rows = [], []
    for i, section in enumerate(plan.data, start=1):
        part = open_sites(section, place, plan.history.climate, inputs, f"{plan.where}: [[data]] {i}")
        rows.append(tuple(k for k, name in enumerate(part.names) if name not in names))
        names += [part.names[k] for k in rows[-1]]
        parts.append(part)
    joined = observations.join([part.observations for part in parts], plan.where)
    return Sites(
        tuple(names),
        tuple(parts),
        tuple(rows),
        observations.with_errors(joined, plan.errors.floor, plan.errors.relative),
    )
