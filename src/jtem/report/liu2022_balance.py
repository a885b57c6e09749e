"""Terms of the experiment of Liu et al. (2022) that its tables and figures share: S_T - S_R, balances, shares of thaw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jtem.report import regional
from jtem.report.regional import Region, RegionalResult

T, R = "S_T", "S_R"
MEADOW, STEPPE = "alpine_meadow", "alpine_steppe"
NPP, RH, NEP = "net_primary_production", "heterotrophic_respiration", "net_ecosystem_production"
VEGETATION, SOIL = "vegetation_carbon", "soil_carbon"
SHARED = {"NPP": (NPP, False), "RH": (RH, False), "VegC": (VEGETATION, True), "SOC": (SOIL, True)}
"""What the share of thaw is told of: variable, and whether it is a pool."""


@dataclass(frozen=True)
class Balance:
    """One member and scenario at the end, whole set or one group; Pg C or Tg N."""

    soil_carbon: float
    litter_carbon: float
    respiration: float
    transferred_carbon: float
    soil_nitrogen: float
    litter_nitrogen: float
    mineralization: float
    transferred_nitrogen: float
    uptake: float

    @property
    def soc_pf(self) -> float:
        """SOC_PF = dSOC - sum dLtrC + sum dRH."""
        return self.soil_carbon - self.litter_carbon + self.respiration

    @property
    def son_pf(self) -> float:
        """SON_PF = dSON - sum dLtrN + sum dNetNMin."""
        return self.soil_nitrogen - self.litter_nitrogen + self.mineralization


def balance(f: Region, scenario: str, member: str, group: str = "") -> Balance:
    """Terms of the identities at the last year. Thaw acts after December: the pools of the last December hold the
    transfers of all years but the last.
    """
    t, r = f.get(scenario, T, member), f.get(scenario, R, member)
    of = (lambda x: x.groups[group]) if group else (lambda x: x.totals)
    a, b = of(t), of(r)

    def gap(name: str, unit: float) -> np.ndarray:
        return (a[name] - b[name]) / unit

    return Balance(
        soil_carbon=gap("soil_carbon", 1e12)[-1],
        litter_carbon=gap("litterfall_carbon", 1e12).sum(),
        respiration=gap("heterotrophic_respiration", 1e12).sum(),
        transferred_carbon=gap("exposed_carbon", 1e12)[:-1].sum(),
        soil_nitrogen=gap("soil_organic_nitrogen", 1e9)[-1],
        litter_nitrogen=gap("litterfall_nitrogen", 1e9).sum(),
        mineralization=gap("net_nitrogen_mineralization", 1e9).sum(),
        transferred_nitrogen=gap("exposed_organic_nitrogen", 1e9)[:-1].sum(),
        uptake=gap("nitrogen_uptake", 1e9).sum(),
    )


@dataclass(frozen=True)
class Identity:
    """How well an identity holds, relative to the soil stock it concerns."""

    run: str
    carbon: float
    nitrogen: float


def identities(f: Region) -> list[Identity]:
    """SOC_PF and SON_PF less the transfer that was booked, relative to the stock of S_T."""
    result = []
    for s in f.scenarios:
        for m in f.members:
            b, t = balance(f, s, m), f.get(s, T, m)
            carbon = abs(b.soc_pf - b.transferred_carbon) / t.total("soil_carbon")[-1]
            nitrogen = abs(b.son_pf - b.transferred_nitrogen) / t.total("soil_organic_nitrogen", 1e9)[-1]
            result.append(Identity("_".join(p for p in (m, s) if p), float(carbon), float(nitrogen)))
    return result


def spread(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Mean and s.d. over members; s.d. 0 where there is one."""
    array = np.asarray(values)
    return float(array.mean()), float(array.std(ddof=1)) if array.size > 1 else 0.0


def series(f: Region, s: str, run: str, name: str, unit: float) -> np.ndarray:
    """(member, year)."""
    return np.stack([f.get(s, run, m).total(name, unit) for m in f.members])


def gap(f: Region, s: str, name: str, unit: float) -> np.ndarray:
    """S_T - S_R (member, year)."""
    return series(f, s, T, name, unit) - series(f, s, R, name, unit)


def of_group(r: RegionalResult, name: str, group: str, unit: float) -> np.ndarray:
    """Series of a variable in ``unit`` kg (year,) over a community ("": the whole set)."""
    values = r.total(name, unit)  # the sentence for a variable that is missing
    return r.groups[group][name] / unit if group else values


def group_gap(f: Region, s: str, name: str, unit: float, group: str = "") -> np.ndarray:
    """S_T - S_R of a community ("": the whole set), (member, year)."""
    return np.stack(
        [of_group(f.get(s, T, m), name, group, unit) - of_group(f.get(s, R, m), name, group, unit) for m in f.members]
    )


def soc_pf(f: Region, s: str, group: str = "") -> np.ndarray:
    """Identity SOC_PF year by year, Pg C (member, year)."""
    lost = group_gap(f, s, RH, 1e12, group) - group_gap(f, s, "litterfall_carbon", 1e12, group)
    return group_gap(f, s, SOIL, 1e12, group) + np.cumsum(lost, axis=1)


def soc_net(f: Region, s: str, group: str = "") -> np.ndarray:
    """SOC_NET = dSOC - SOC_PF: what thaw does to the carbon of the whole soil, Tg C (member, year)."""
    return 1e3 * (group_gap(f, s, SOIL, 1e12, group) - soc_pf(f, s, group))


def thaw_share(f: Region, s: str, name: str, pool: bool) -> np.ndarray:
    """(S_T - S_R) over the change of S_T since history, %, (member,); signed, NaN where nothing changes.

    A flux: last ten years, against the last ten of history; a ``pool``: last year against the last of history.
    """
    years = slice(-1, None) if pool else slice(-10, None)
    change = series(f, s, T, name, 1e12)[:, years].mean(axis=1) - f.past(name, 1e12)[:, years].mean(axis=1)
    effect = gap(f, s, name, 1e12)[:, years].mean(axis=1)
    return 100.0 * np.divide(effect, change, out=np.full_like(effect, np.nan), where=change != 0)


def active_layer(f: Region, results: Sequence[RegionalResult], group: str = "", *, frozen: bool = False) -> np.ndarray:
    """Mean active layer (m) by year, (member, year): each cell at most 10 m, or of the cells still ``frozen`` in the year."""
    chosen = f.chosen & (f.community == group) if group else f.chosen
    return np.stack([regional.mean_active_layer(r, f.area, chosen)[int(frozen)] for r in results])


def transient(f: Region, s: str) -> list[RegionalResult]:
    """S_T of all members."""
    return [f.get(s, T, m) for m in f.members]
