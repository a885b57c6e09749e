"""What the papers say in words, as checks on a factorial: signs, orderings, shares; ``statements.csv``.

Totals can agree by errors that cancel; orderings seldom do. Each :class:`Statement` is one printed sentence in our own words with
its place, and a comparison of regional series. "S_Trans - run" is the effect of what the run holds. Soil carbon as a whole (all
depths, frozen and thawed) is ecosystem less vegetation carbon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from jtem.constants import LAYER_EDGES
from jtem.errors import InputError
from jtem.report import regional
from jtem.report.regional import Region, Result

NPP, RH, NEP = "net_primary_production", "heterotrophic_respiration", "net_ecosystem_production"
VEGETATION, SOIL = "vegetation_carbon", "soil_carbon"
THAWED_RH, ACTIVE_RH = "heterotrophic_respiration_thawed_permafrost", "heterotrophic_respiration_active_layer"
METRES = tuple(f"{k}-{k + 1} m" for k in range(6))
HEADER = ("paper", "place", "statement", "scenario", "jtem", "holds")


class Outcome(NamedTuple):
    """The numbers compared, and whether the sentence holds of them."""

    numbers: str
    holds: bool


@dataclass(frozen=True)
class Statement:
    """One printed sentence. ``scenario``: "each", or the place of one in the plan's list (0: the milder, 1: the warmer)."""

    place: str
    text: str
    check: Callable[[View], Outcome]
    scenario: int | str = "each"


# --- comparisons -----------------------------------------------------------------------------------------------------


def more(a: float, b: float) -> Outcome:
    """``a`` is larger than ``b``."""
    return Outcome(f"{a:.4g} > {b:.4g}", bool(a > b))


def rises(a: float) -> Outcome:
    """``a`` is above zero."""
    return more(a, 0.0)


def falls(a: float) -> Outcome:
    """``a`` is below zero."""
    return more(0.0, a)


def within(low: float, a: float, high: float) -> Outcome:
    """``a`` lies between the bounds."""
    return Outcome(f"{low:.4g} <= {a:.4g} <= {high:.4g}", bool(low <= a <= high))


def falling(values: np.ndarray) -> Outcome:
    """Each value is smaller than the one before."""
    return Outcome(" > ".join(f"{v:.4g}" for v in values), bool(np.all(np.diff(values) < 0)))


def every(*outcomes: Outcome) -> Outcome:
    """All hold."""
    return Outcome("; ".join(o.numbers for o in outcomes), all(o.holds for o in outcomes))


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


def _series(result: Result, name: str, group: str) -> np.ndarray:
    if not group:
        return result.total(name)
    if group not in result.groups:
        raise InputError(f"no cell of the files is '{group}'")
    result.total(name)  # the sentence for a variable that is missing
    return result.groups[group][name] / 1e12


# --- Liu et al. (2024) -----------------------------------------------------------------------------------------------

SINGLES = {"S_PF": "thaw", "S_CO2": "CO2", "S_Temp": "warming", "S_Prec": "precipitation"}
PAIRS = {
    "S_PF_CO2": ("S_PF", "S_CO2"),
    "S_PF_Temp": ("S_PF", "S_Temp"),
    "S_PF_Prec": ("S_PF", "S_Prec"),
    "S_CO2_Temp": ("S_CO2", "S_Temp"),
    "S_CO2_Prec": ("S_CO2", "S_Prec"),
    "S_Temp_Prec": ("S_Temp", "S_Prec"),
}


def _others(v: View, name: str, *besides: str) -> float:
    """Largest effect on a summed flux of the runs that hold one or two factors (the paper has five of the six pairs)."""
    return max(v.summed(name, run) for run in (*SINGLES, *PAIRS) if run in v.f.names and run not in besides)


def _largest(v: View, name: str, which: str) -> Outcome:
    """A run has the largest effect on a summed flux."""
    return more(v.summed(name, which), _others(v, name, which))


def _second(v: View, name: str, first: str, second: str) -> Outcome:
    return every(
        more(v.summed(name, first), v.summed(name, second)),
        more(v.summed(name, second), _others(v, name, first, second)),
    )


def _pairs_above(v: View, name: str, besides: tuple[str, ...] = ()) -> Outcome:
    return every(
        *(
            more(v.summed(name, pair), max(v.summed(name, one) for one in singles))
            for pair, singles in PAIRS.items()
            if pair in v.f.names and pair not in besides
        )
    )


def _exposed_share(v: View, low: int, high: int) -> float:
    exposed = v.metres("layer_exposed_carbon")
    return ratio(exposed[low:high].sum(), exposed.sum())


def _decomposed(v: View) -> np.ndarray:
    """Share of the exposed carbon that was respired, by metre."""
    exposed = v.metres("layer_exposed_carbon")
    return v.metres("layer_respiration") / np.maximum(exposed, 1e-12)


def _lost_share(v: View) -> float:
    """Share of all exposed carbon that was respired."""
    return ratio(v.of(THAWED_RH).sum(), v.of("exposed_carbon").sum())


def _other(v: View) -> View:
    """The same of the first scenario."""
    return View(v.f, v.f.scenarios[0], v.trans, v.held)


def _grown(v: View, name: str) -> float:
    series = v.of(name)
    return v.decade(series) - float(series[:10].mean())


def _mineralised(v: View) -> float:
    return v.summed("net_nitrogen_mineralization")


def _deep_thaw(v: View) -> Outcome:
    first = v.f.get(v.scenario, v.trans).active_layer[0]
    known = v.f.chosen & np.isfinite(first)
    return more(float(v.f.area[known & (first > 1.0)].sum() / v.f.area[known].sum()), 1 / 3)


def _moisture(v: View) -> np.ndarray:
    return v.climate("volumetric_moisture_20cm")


LIU2024 = (
    Statement("3.2, Fig. 4a", "permafrost area shrinks by 2100", lambda v: more(v.area()[0], v.decade(v.area()))),
    Statement(
        "3.2, Fig. 4a", "under SSP1-2.6 the area goes on falling after 2060",
        lambda v: more(v.mean(v.area(), 2056, 2065), v.decade(v.area())), 0,
    ),
    Statement(
        "3.2, Fig. 4a", "under SSP5-8.5 the area falls faster after 2060 than before",
        lambda v: more(
            (v.mean(v.area(), 2056, 2065) - v.decade(v.area())) / 35,
            (float(v.area()[:10].mean()) - v.mean(v.area(), 2056, 2065)) / 40,
        ), 1,
    ),
    Statement(
        "3.2, Fig. 4a", "more area is lost under SSP5-8.5",
        lambda v: more(v.area()[0] - v.decade(v.area()), _other(v).area()[0] - v.decade(_other(v).area())), 1,
    ),
    Statement("3.2, Fig. 4b", "the active layer deepens", lambda v: more(v.decade(v.thaw()), v.thaw()[0])),
    Statement(
        "3.2, Fig. 4b", "the active layer deepens at least twice as much under SSP5-8.5",
        lambda v: more(v.decade(v.thaw()) - v.thaw()[0], 2 * (v.decade(_other(v).thaw()) - _other(v).thaw()[0])), 1,
    ),
    Statement("3.2, Fig. 4c", "NPP increases", lambda v: rises(_grown(v, NPP))),
    Statement("3.2, Fig. 4c", "RH increases", lambda v: rises(_grown(v, RH))),
    Statement(
        "3.2, Fig. 4c", "NPP and RH rise more steeply under SSP5-8.5",
        lambda v: every(*(more(_grown(v, n), _grown(_other(v), n)) for n in (NPP, RH))), 1,
    ),
    Statement(
        "3.2, Fig. 4c", "most years NPP exceeds RH",
        lambda v: more(float((v.of(NPP) > v.of(RH)).mean()), 0.5),
    ),
    Statement(
        "3.2, Fig. 4c", "at the end of the century SSP1-2.6 is a weak source",
        lambda v: falls(v.decade(v.of(NEP))), 0,
    ),
    Statement(
        "3.2, Fig. S5", "the rate of carbon loss from thawed permafrost keeps rising",
        lambda v: every(
            more(v.mean(v.of(THAWED_RH), 2051, 2060), v.mean(v.of(THAWED_RH), 2021, 2030)),
            more(v.decade(v.of(THAWED_RH)), v.mean(v.of(THAWED_RH), 2051, 2060)),
        ),
    ),
    Statement(
        "3.2", "without carbon from thawed permafrost the sink of the 2090s triples (at least 2.5 times)",
        lambda v: every(
            rises(v.decade(v.of(NEP))),
            more(v.decade(v.of(NEP)) + v.decade(v.of(THAWED_RH)), 2.5 * v.decade(v.of(NEP))),
        ), 1,
    ),
    Statement("3.2, Fig. 4d", "vegetation gains carbon", lambda v: more(v.of(VEGETATION)[-1], v.of(VEGETATION)[0])),
    Statement("3.2, Fig. 4d", "ecosystem carbon increases by 2100", lambda v: rises(float(v.of(NEP).sum()))),
    Statement("3.2", "soil carbon increases under SSP1-2.6", lambda v: rises(v.whole_soil()[-1]), 0),
    Statement(
        "3.2, Fig. 4d", "under SSP5-8.5 soil carbon falls after 2060",
        lambda v: more(v.mean(v.whole_soil(), 2056, 2065), v.decade(v.whole_soil())), 1,
    ),
    Statement(
        "3.2", "under SSP5-8.5 soils lose less carbon than vegetation gains",
        lambda v: more(v.of(VEGETATION)[-1] - v.of(VEGETATION)[0], -v.whole_soil()[-1]), 1,
    ),
    Statement("3.3, Fig. 5a", "thaw increases cumulative RH", lambda v: rises(v.summed(RH))),
    Statement(
        "3.3", "thaw changes RH of the active layer less than it adds from thawed permafrost",
        lambda v: more(v.summed(THAWED_RH), abs(v.summed(ACTIVE_RH))),
    ),
    Statement(
        "3.3, Fig. 5b", "thaw increases the carbon of the active layer, by less than thawed layers lose",
        lambda v: every(rises(v.ended(SOIL)), more(v.summed(THAWED_RH), v.ended(SOIL))),
    ),
    Statement("3.3, Fig. 5c", "thaw decreases the carbon of the whole soil", lambda v: falls(v.soil())),
    Statement(
        "3.3", "most of the thawed carbon remains in the ground",
        lambda v: more(0.5, _lost_share(v)),
    ),
    Statement("3.3, Fig. 5a", "thaw increases NPP", lambda v: rises(v.summed(NPP))),
    Statement("3.3, Fig. 5a", "thaw increases NPP by less than RH", lambda v: more(v.summed(RH), v.summed(NPP))),
    Statement("3.3", "thaw decreases NEP of the 2090s", lambda v: falls(v.decade(v.effect(NEP)))),
    Statement("3.3, Fig. 5c", "thaw decreases ecosystem carbon", lambda v: falls(v.summed(NEP))),
    Statement(
        "3.3, Fig. 6", "exposed carbon decreases with depth below 1 m",
        lambda v: falling(v.metres("layer_exposed_carbon")[1:]),
    ),
    Statement(
        "3.3, Fig. 6", "less carbon is exposed in 0-1 m than in 1-2 m",
        lambda v: falling(v.metres("layer_exposed_carbon")[1::-1]),
    ),
    Statement(
        "3.3, Fig. 6", "exposed carbon of 0-1 m is small (at most a tenth)",
        lambda v: within(0.0, _exposed_share(v, 0, 1), 0.1),
    ),
    Statement("3.3", "much of the area has more than 1 m of active layer now (a third at least)", _deep_thaw),
    Statement(
        "3.3, Fig. 6", "nearly half of the exposed carbon lies in 1-3 m (0.4-0.55)",
        lambda v: within(0.4, _exposed_share(v, 1, 3), 0.55),
    ),
    Statement(
        "3.3, Fig. 6", "the decomposed share decreases with depth below 1 m", lambda v: falling(_decomposed(v)[1:])
    ),
    Statement(
        "3.3, Fig. 6", "1-2 m gives most of the respired thawed carbon",
        lambda v: more(v.metres("layer_respiration")[1], np.delete(v.metres("layer_respiration"), 1).max()),
    ),
    Statement(
        "3.3, Fig. 6", "a larger share is decomposed under SSP5-8.5 at every depth",
        lambda v: every(*(more(a, b) for a, b in zip(_decomposed(v), _decomposed(_other(v)), strict=True))), 1,
    ),
    Statement(
        "3.3", "a larger share of all exposed carbon is decomposed under SSP5-8.5",
        lambda v: more(_lost_share(v), _lost_share(_other(v))), 1,
    ),
    *(
        Statement("3.4, Fig. 7a", f"{word} increases NPP", lambda v, run=run: rises(v.summed(NPP, run)))
        for run, word in SINGLES.items()
        if run != "S_PF"
    ),
    *(
        Statement(
            "3.4, Fig. 7", f"{SINGLES[run]} increases RH by more than NPP",
            lambda v, run=run: more(v.summed(RH, run), v.summed(NPP, run)),
        )
        for run in ("S_PF", "S_Temp", "S_Prec")
    ),
    *(
        Statement("3.4, Fig. 7d", f"{SINGLES[run]} decreases soil carbon", lambda v, run=run: falls(v.soil(run)))
        for run in ("S_Temp", "S_Prec")
    ),
    Statement("3.4, Fig. 7c", "CO2 increases vegetation carbon", lambda v: rises(v.ended(VEGETATION, "S_CO2"))),
    Statement("3.4, Fig. 7b", "CO2 increases RH", lambda v: rises(v.summed(RH, "S_CO2"))),
    Statement("3.4, Fig. 7d", "CO2 increases soil carbon", lambda v: rises(v.soil("S_CO2"))),
    Statement(
        "3.4", "CO2 outweighs what warming and precipitation take from ecosystem carbon",
        lambda v: more(v.summed(NEP, "S_CO2"), -(v.summed(NEP, "S_Temp") + v.summed(NEP, "S_Prec"))),
    ),
    Statement(
        "3.4, Fig. 7a", "pairs raise NPP by more than each factor alone (under SSP5-8.5 but for CO2 and warming)",
        lambda v: _pairs_above(v, NPP, ("S_CO2_Temp",) if v.scenario == v.f.scenarios[-1] else ()),
    ),
    Statement(
        "3.4, Fig. 7a", "under SSP5-8.5 CO2 and warming raise NPP less than CO2 alone",
        lambda v: more(v.summed(NPP, "S_CO2"), v.summed(NPP, "S_CO2_Temp")), 1,
    ),
    Statement(
        "3.4, Fig. 7a", "under SSP5-8.5 CO2 and precipitation raise NPP most",
        lambda v: _largest(v, NPP, "S_CO2_Prec"), 1,
    ),
    Statement(
        "3.4, Fig. 7a", "under SSP1-2.6 CO2 and warming raise NPP most", lambda v: _largest(v, NPP, "S_CO2_Temp"), 0
    ),
    Statement(
        "3.4, Fig. 7b", "pairs raise RH by more than each factor alone", lambda v: _pairs_above(v, RH)
    ),
    Statement(
        "3.4, Fig. 7b", "warming and precipitation raise RH most", lambda v: _largest(v, RH, "S_Temp_Prec")
    ),
    Statement(
        "3.4, Fig. 7b", "CO2 and warming have the second largest effect on RH",
        lambda v: _second(v, RH, "S_Temp_Prec", "S_CO2_Temp"),
    ),
    Statement(
        "3.4, Fig. 7b", "CO2 and warming raise RH by more than warming",
        lambda v: more(v.summed(RH, "S_CO2_Temp"), v.summed(RH, "S_Temp")),
    ),
    Statement("3.4, Fig. 7d", "warming with precipitation decreases soil carbon", lambda v: falls(v.soil("S_Temp_Prec"))),
    *(
        Statement(
            "3.4, Fig. 7d", f"{word} with CO2 raises soil carbon by less than CO2 alone",
            lambda v, run=run: more(v.soil("S_CO2"), v.soil(run)),
        )
        for run, word in (("S_CO2_Temp", "warming"), ("S_CO2_Prec", "precipitation"))
    ),
    Statement("4.2", "thaw increases net nitrogen mineralization", lambda v: rises(_mineralised(v))),
    Statement("4.2", "thaw increases vegetation carbon", lambda v: rises(v.ended(VEGETATION))),
    Statement("4.2", "thaw increases vegetation nitrogen", lambda v: rises(v.ended("vegetation_nitrogen"))),
    Statement(
        "4.2", "vegetation gains less carbon by thaw than soils lose",
        lambda v: more(-v.soil(), v.ended(VEGETATION)),
    ),
    Statement(
        "4.2, Fig. S7", "NPP stays far below NPP without nitrogen limitation (at most 0.8 of it)",
        lambda v: more(0.8 * v.decade(v.of("net_primary_production_without_nitrogen_limitation")), v.decade(v.of(NPP))),
    ),
    Statement(
        "4.2, Fig. 8a", "plants take up at most 5 % of the nitrogen that thaw mineralizes",
        lambda v: within(0.0, ratio(v.summed("nitrogen_uptake"), _mineralised(v)), 0.05),
    ),
    Statement(
        "4.2, Fig. 8c", "uptake of thawed nitrogen concentrates in the upper 2 m",
        lambda v: more(
            float(v.metres("layer_nitrogen_uptake")[:2].sum()), float(v.metres("layer_nitrogen_uptake")[2:].sum())
        ),
    ),
    Statement(
        "4.2, Fig. 8b", "a large fraction of net mineralization by thaw is deeper than 2 m (a third at least)",
        lambda v: more(
            float(v.metres("layer_net_nitrogen_mineralization")[2:].sum()),
            float(v.metres("layer_net_nitrogen_mineralization").sum()) / 3,
        ),
    ),
    Statement(
        "4.2, Fig. 8a", "net mineralization by thaw builds up after 2050 (at least twice the mean before)",
        lambda v: more(
            v.mean(v.effect("net_nitrogen_mineralization"), 2051, 2100),
            2 * v.mean(v.effect("net_nitrogen_mineralization"), 2015, 2050),
        ),
    ),
    Statement(
        "4.3, Fig. S6", "precipitation increases",
        lambda v: rises(float(np.polyfit(v.years, v.climate("precipitation"), 1)[0])),
    ),
    Statement(
        "4.3, Fig. S7", "under SSP5-8.5 the moisture of the top 20 cm decreases",
        lambda v: falls(float(np.polyfit(v.years, _moisture(v), 1)[0])), 1,
    ),
)  # fmt: skip


# --- Liu et al. (2022) -----------------------------------------------------------------------------------------------

MEADOW, STEPPE = "alpine_meadow", "alpine_steppe"


def _pf(v: View, group: str = "") -> float:
    """SOC_PF = dSOC - sum dLtrC + sum dRH, Pg C."""
    gain = v.ended(SOIL, group=group) - v.summed("litterfall_carbon", group=group)
    return gain + v.summed(RH, group=group)


def _pf_nitrogen(v: View, group: str = "") -> float:
    """SON_PF = dSON - sum dLtrN + sum dNetNMin, Pg N."""
    gain = v.ended("soil_organic_nitrogen", group=group) - v.summed("litterfall_nitrogen", group=group)
    return gain + v.summed("net_nitrogen_mineralization", group=group)


def _net(v: View, group: str = "") -> float:
    """SOC_NET: change of soil carbon by thaw without what thaw moves, Pg C."""
    return v.ended(SOIL, group=group) - _pf(v, group)


def _since(v: View, name: str, run: str = "", pool: bool = False) -> float:
    """Change since the end of history: last year of a pool, last decade of a flux."""
    last = int(v.f.history.years[-1])
    series = v.of(name, run)
    return float(series[-1]) - v.past(name, last, last) if pool else v.decade(series) - v.past(name, last - 9, last)


def _share(v: View, name: str, pool: bool = False) -> float:
    """Part of thaw in the change since history."""
    gap = v.ended(name) if pool else v.decade(v.effect(name))
    return ratio(gap, _since(v, name, pool=pool))


def _area(v: View, group: str) -> float:
    """Area of a community's permafrost cells, m2."""
    if v.f.community is None or not (v.f.chosen & (v.f.community == group)).any():
        raise InputError(f"no cell of the files is '{group}'")
    return float(v.f.area[v.f.chosen & (v.f.community == group)].sum())


def _per_area(v: View, name: str, group: str) -> float:
    """Effect of thaw summed over years, kg m-2."""
    return 1e12 * v.summed(name, group=group) / _area(v, group)


def _deepening(v: View, group: str) -> float:
    return v.decade(v.thaw(group)) - float(v.thaw(group)[0])


LIU2022 = (
    Statement("3.2, Fig. S3", "NPP and RH increase", lambda v: every(rises(_since(v, NPP)), rises(_since(v, RH)))),
    Statement("3.2", "the sink grows", lambda v: rises(_since(v, NEP))),
    Statement("3.2", "under RCP8.5 NPP increases by more than RH", lambda v: more(_since(v, NPP), _since(v, RH)), 1),
    Statement(
        "3.2", "under RCP4.5 NPP and RH increase alike (within a quarter)",
        lambda v: within(0.75, ratio(_since(v, NPP), _since(v, RH)), 1.25), 0,
    ),
    Statement(
        "3.2", "more carbon is sequestered under RCP8.5",
        lambda v: more(float(v.of(NEP).sum()), float(_other(v).of(NEP).sum())), 1,
    ),
    Statement(
        "3.2, Fig. 4b", "thaw contributes more to changes of RH and NPP under RCP8.5",
        lambda v: every(*(more(_share(v, n), _share(_other(v), n)) for n in (NPP, RH))), 1,
    ),
    Statement(
        "3.2, Fig. 4b", "thaw contributes a part of the changes of NPP and RH (0.1 to 0.5)",
        lambda v: every(*(within(0.1, _share(v, n), 0.5) for n in (NPP, RH))),
    ),
    Statement(
        "3.2, Fig. 4b", "thaw has more part in RH than in NPP", lambda v: more(_share(v, RH), _share(v, NPP))
    ),
    Statement(
        "3.2, Fig. 4b", "thaw has more part in soil than in vegetation carbon",
        lambda v: more(_share(v, SOIL, True), _share(v, VEGETATION, True)),
    ),
    Statement(
        "3.2, Fig. 3", "by thaw both NPP and RH are higher",
        lambda v: every(rises(v.decade(v.effect(NPP))), rises(v.decade(v.effect(RH)))),
    ),
    Statement(
        "3.2, Fig. 3", "thaw raises RH by more than NPP",
        lambda v: more(v.decade(v.effect(RH)), v.decade(v.effect(NPP))),
    ),
    Statement("3.2, Fig. S3", "NEP is smaller with thaw", lambda v: falls(v.summed(NEP))),
    Statement("3.2, Fig. 3e", "thaw increases the carbon of the active layer", lambda v: rises(v.ended(SOIL))),
    Statement("3.2, Fig. 3g", "thaw decreases soil carbon net of what it moves", lambda v: falls(_net(v))),
    Statement("3.2, Fig. 3", "thaw increases vegetation carbon", lambda v: rises(v.ended(VEGETATION))),
    Statement(
        "3.2, Fig. 3", "soils lose more carbon by thaw than vegetation gains",
        lambda v: more(-_net(v), v.ended(VEGETATION)),
    ),
    Statement(
        "3.2", "with all factors ecosystem carbon still increases", lambda v: rises(float(v.of(NEP).sum()))
    ),
    Statement(
        "4.2, Fig. S3", "climate and CO2 matter more for NPP and RH than thaw does",
        lambda v: every(*(more(abs(_since(v, n)), 2 * abs(v.decade(v.effect(n)))) for n in (NPP, RH))),
    ),
    Statement("3.2, Fig. 4a", "the active layer deepens", lambda v: more(v.decade(v.thaw()), v.thaw()[0])),
    Statement(
        "3.2, Fig. 4a", "the active layer deepens more under RCP8.5",
        lambda v: more(v.decade(v.thaw()) - v.thaw()[0], v.decade(_other(v).thaw()) - _other(v).thaw()[0]), 1,
    ),
    Statement(
        "4.4", "meadow has a shallower active layer than steppe", lambda v: more(v.thaw(STEPPE)[0], v.thaw(MEADOW)[0])
    ),
    Statement(
        "3.3, Fig. 6", "the active layer of steppe deepens about twice as much as that of meadow (1.4-3 times)",
        lambda v: within(1.4, ratio(_deepening(v, STEPPE), _deepening(v, MEADOW)), 3.0),
    ),
    Statement(
        "3.3, Fig. 5", "thaw raises NPP of meadow by more than of steppe, an area",
        lambda v: more(_per_area(v, NPP, MEADOW), _per_area(v, NPP, STEPPE)),
    ),
    Statement(
        "3.3, Fig. 5", "thaw raises RH of meadow by more than of steppe, an area",
        lambda v: more(_per_area(v, RH, MEADOW), _per_area(v, RH, STEPPE)),
    ),
    *(
        Statement(
            "3.3, Fig. 6", f"in {word} thaw raises RH by more than NPP, and net soil carbon falls",
            lambda v, g=group: every(more(v.summed(RH, group=g), v.summed(NPP, group=g)), falls(_net(v, g))),
        )
        for group, word in ((MEADOW, "meadow"), (STEPPE, "steppe"))
    ),
    Statement(
        "3.3", "thaw takes more from cumulative NEP of steppe than of meadow",
        lambda v: more(v.summed(NEP, group=MEADOW), v.summed(NEP, group=STEPPE)),
    ),
    Statement(
        "4.3, Fig. 7", "soil nitrogen of the active layer increases with thaw and decreases without",
        lambda v: every(
            rises(_since(v, "soil_organic_nitrogen", pool=True)),
            falls(_since(v, "soil_organic_nitrogen", v.held, pool=True)),
        ),
    ),
    Statement("4.3, Fig. 7", "thaw increases uptake of nitrogen", lambda v: rises(v.summed("nitrogen_uptake"))),
    Statement("4.3, Fig. 7", "thaw increases vegetation nitrogen", lambda v: rises(v.ended("vegetation_nitrogen"))),
    Statement(
        "4.3", "vegetation gains much less nitrogen by thaw than soils (at most a tenth)",
        lambda v: more(0.1 * v.ended("soil_organic_nitrogen"), v.ended("vegetation_nitrogen")),
    ),
    Statement(
        "4.3, Table 2", "a fifth to a quarter of the moved carbon is respired (0.15-0.35)",
        lambda v: within(0.15, ratio(v.summed(RH) - v.summed("litterfall_carbon"), _pf(v)), 0.35),
    ),
    Statement(
        "4.3, Table 2", "plants absorb little of the moved nitrogen (0.05-0.25)",
        lambda v: within(0.05, ratio(v.summed("nitrogen_uptake"), _pf_nitrogen(v)), 0.25),
    ),
    Statement(
        "4.3, Fig. S5", "thaw eases nitrogen limitation only slightly (at most a tenth of the gap of S_R)",
        lambda v: more(
            0.1 * v.decade(
                v.of("net_primary_production_without_nitrogen_limitation", v.held) - v.of(NPP, v.held)
            ),
            v.decade(v.effect(NPP)),
        ),
    ),
    Statement("4.4, Table 3", "meadow gains more carbon by thaw", lambda v: more(_pf(v, MEADOW), _pf(v, STEPPE))),
    Statement(
        "4.4, Table 3", "meadow gains more nitrogen by thaw",
        lambda v: more(_pf_nitrogen(v, MEADOW), _pf_nitrogen(v, STEPPE)),
    ),
    Statement(
        "4.4, Table 3", "meadow uses a larger part of the moved nitrogen than steppe (at least three times)",
        lambda v: more(
            ratio(v.summed("nitrogen_uptake", group=MEADOW), _pf_nitrogen(v, MEADOW)),
            3 * ratio(v.summed("nitrogen_uptake", group=STEPPE), _pf_nitrogen(v, STEPPE)),
        ),
    ),
    Statement(
        "4.4", "meadow holds about twice the soil carbon of steppe, an area (1.4-3 times)",
        lambda v: within(
            1.4,
            ratio(v.of(SOIL, group=MEADOW)[0] * _area(v, STEPPE), v.of(SOIL, group=STEPPE)[0] * _area(v, MEADOW)),
            3.0,
        ),
    ),
    Statement(
        "4.2, Fig. S4", "air temperature and precipitation increase",
        lambda v: every(
            *(rises(float(np.polyfit(v.years, v.climate(n), 1)[0])) for n in ("air_temperature", "precipitation"))
        ),
    ),
)  # fmt: skip

PAPERS = {"liu2024": (LIU2024, "S_Trans", "S_PF"), "liu2022": (LIU2022, "S_T", "S_R")}


@dataclass(frozen=True)
class Judged:
    """A statement of one scenario; ``holds`` None where the files lack what it needs (``numbers`` says what)."""

    statement: Statement
    scenario: str
    numbers: str
    holds: bool | None


def judge(f: Region, paper: str) -> list[Judged]:
    """All statements of a paper ("liu2024", "liu2022") on a factorial, scenario by scenario."""
    statements, trans, held = PAPERS[paper]
    return [judged for statement in statements for judged in _judged(f, statement, trans, held)]


def _judged(f: Region, statement: Statement, trans: str, held: str) -> Iterator[Judged]:
    if statement.scenario == "each":
        scenarios = f.scenarios
    elif len(f.scenarios) < 2:
        return
    else:
        scenarios = (f.scenarios[0 if statement.scenario == 0 else -1],)
    for scenario in scenarios:
        try:
            outcome = statement.check(View(f, scenario, trans, held))
        except (InputError, KeyError) as missing:
            said = str(missing) if isinstance(missing, InputError) else f"no run {missing} in the files"
            yield Judged(statement, scenario, said, None)
        else:
            yield Judged(statement, scenario, *outcome)


def table(judged: list[Judged], paper: str) -> list[tuple[str, ...]]:
    """Lines of ``statements.csv``; ``holds`` is true, false, or "not in the files"."""
    words = {True: "true", False: "false", None: "not in the files"}
    rows = [(paper, j.statement.place, j.statement.text, j.scenario, j.numbers, words[j.holds]) for j in judged]
    return [HEADER, *rows]


def summary(judged: list[Judged]) -> str:
    """One sentence for a terminal."""
    known = [j for j in judged if j.holds is not None]
    true = sum(bool(j.holds) for j in known)
    left = len(judged) - len(known)
    share = f" ({100 * true / len(known):.0f} %)" if known else ""
    rest = f"; {left} need variables that the files lack" if left else ""
    return f"statements of the paper that hold: {true} of {len(known)}{share}{rest}"
