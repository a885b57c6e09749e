"""What a statement is and compares: one printed sentence in our own words with its place, and a comparison of regional series.

"S_Trans - run" is the effect of what the run holds. Soil carbon as a whole (all depths, frozen and thawed) is ecosystem less
vegetation carbon.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from jtem.constants import LAYER_EDGES
from jtem.errors import InputError
from jtem.report import regional
from jtem.report.regional import Region, RegionalResult

NPP, RH, NEP = "net_primary_production", "heterotrophic_respiration", "net_ecosystem_production"
VEGETATION, SOIL = "vegetation_carbon", "soil_carbon"
THAWED_RH, ACTIVE_RH = "heterotrophic_respiration_thawed_permafrost", "heterotrophic_respiration_active_layer"


class Judgement(NamedTuple):
    """The numbers compared, and whether the sentence holds of them."""

    numbers: str
    holds: bool


@dataclass(frozen=True)
class Statement:
    """One printed sentence. ``scenario``: "each", or the place of one in the plan's list (0: the milder, 1: the warmer)."""

    place: str
    text: str
    check: Callable[[View], Judgement]
    scenario: int | str = "each"


# --- comparisons -----------------------------------------------------------------------------------------------------


def more(a: float, b: float) -> Judgement:
    """``a`` is larger than ``b``."""
    return Judgement(f"{a:.4g} > {b:.4g}", bool(a > b))


def rises(a: float) -> Judgement:
    """``a`` is above zero."""
    return more(a, 0.0)


def falls(a: float) -> Judgement:
    """``a`` is below zero."""
    return more(0.0, a)


def within(low: float, a: float, high: float) -> Judgement:
    """``a`` lies between the bounds."""
    return Judgement(f"{low:.4g} <= {a:.4g} <= {high:.4g}", bool(low <= a <= high))


def falling(values: np.ndarray) -> Judgement:
    """Each value is smaller than the one before."""
    return Judgement(" > ".join(f"{v:.4g}" for v in values), bool(np.all(np.diff(values) < 0)))


def every(*outcomes: Judgement) -> Judgement:
    """All hold."""
    return Judgement("; ".join(o.numbers for o in outcomes), all(o.holds for o in outcomes))


def ratio(a: float, b: float) -> float:
    """Quotient; NaN, of which no comparison holds, where there is nothing to divide by."""
    return float(a) / float(b) if b else float("nan")


# --- what is compared ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class View:
    """One scenario of a factorial: ``trans`` lets everything change, ``held`` keeps the active layer."""

    f: Region
    scenario: str
    trans: str
    held: str

    def of(self, name: str, run: str = "", group: str = "") -> np.ndarray:
        """Yearly series (year, ...) of a run (default: the transient one), mean over members, Pg or Pg yr-1."""
        rows = []
        for member in self.f.members:
            result = self.f.get(self.scenario, run or self.trans, member)
            rows.append(_series(result, name, group))
        return np.mean(rows, axis=0)

    def past(self, name: str, first: int, last: int, group: str = "") -> float:
        """Mean over years of history and members, Pg or Pg yr-1."""
        values = []
        for member in self.f.members:
            result = self.f.histories[member]
            values.append(result.between(_series(result, name, group), first, last))
        return float(np.mean(values))

    @property
    def years(self) -> np.ndarray:
        """Years of the scenario."""
        return self.f.get(self.scenario, self.trans).years

    def mean(self, values: np.ndarray, first: int, last: int) -> float:
        """Mean over years."""
        inside = (self.years >= first) & (self.years <= last)
        if not inside.any():
            raise InputError(f"years {first}-{last} are not in the runs of {self.scenario}")
        return float(values[inside].mean())

    def decade(self, values: np.ndarray) -> float:
        """Mean of the last ten years."""
        return float(values[-10:].mean())

    def effect(self, name: str, held: str = "", group: str = "") -> np.ndarray:
        """Transient less the run that holds something (default: the active layer), (year, ...)."""
        return self.of(name, group=group) - self.of(name, held or self.held, group)

    def summed(self, name: str, held: str = "", group: str = "") -> float:
        """Sum over years of an effect."""
        return float(self.effect(name, held, group).sum())

    def ended(self, name: str, held: str = "", group: str = "") -> float:
        """Effect on a pool in the last year."""
        return float(self.effect(name, held, group)[-1])

    def soil(self, held: str = "") -> float:
        """Effect on the carbon of the whole soil in the last year."""
        return self.summed(NEP, held) - self.ended(VEGETATION, held)

    def whole_soil(self) -> np.ndarray:
        """Change of the carbon of the whole soil since the first year of the transient run."""
        nep, plants = self.of(NEP), self.of(VEGETATION)
        return np.cumsum(nep) - nep[0] - (plants - plants[0])

    def metres(self, name: str, run: str = "") -> np.ndarray:
        """Sum over years of a quantity by layer in each of the six metres, (6,)."""
        sums = self.of(name, run).sum(axis=0)
        bottom = np.asarray(LAYER_EDGES[1:])
        return np.array([sums[(bottom > k + 1e-9) & (bottom <= k + 1 + 1e-9)].sum() for k in range(6)])

    def area(self) -> np.ndarray:
        """Permafrost area by year, 1e6 km2."""
        runs = [self.f.get(self.scenario, self.trans, m) for m in self.f.members]
        return np.mean([regional.permafrost_area(r, self.f.area) for r in runs], axis=0)

    def thaw(self, group: str = "") -> np.ndarray:
        """Mean active layer by year (m), each cell at most 10 m."""
        chosen = self.f.chosen
        if group:
            if self.f.community is None:
                raise InputError("the files do not say which community a cell has")
            chosen = chosen & (self.f.community == group)
        runs = [self.f.get(self.scenario, self.trans, m) for m in self.f.members]
        return np.mean([regional.mean_active_layer(r, self.f.area, chosen)[0] for r in runs], axis=0)

    def climate(self, name: str) -> np.ndarray:
        """Mean over the permafrost cells by year, file units."""
        result = self.f.get(self.scenario, self.trans)
        values = result.means.get(name, result.totals.get(name))
        if values is None:
            raise InputError(f"'{name}' is not in the annual files")
        return values


def _series(result: RegionalResult, name: str, group: str) -> np.ndarray:
    if not group:
        return result.total(name)
    if group not in result.groups:
        raise InputError(f"no cell of the files is '{group}'")
    result.total(name)  # the sentence for a variable that is missing
    return result.groups[group][name] / 1e12


def milder(v: View) -> View:
    """The same of the first scenario."""
    return View(v.f, v.f.scenarios[0], v.trans, v.held)
