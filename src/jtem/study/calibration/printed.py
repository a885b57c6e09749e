"""Printed regional numbers of the papers that can be inverted, from yearly totals; the definitions are those of ``jtem.report``.

JAX traces the functions: derivatives of the totals follow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from jtem.constants import LAYER_EDGES

Stage = str | tuple[str, str]
"""A stage of a course: "" (history) or (scenario, run)."""
Numbers = dict[tuple[str, str], jax.Array]
"""Numbers by key and scenario, units as printed."""
THAW = "active_layer_thickness"
NPP, RH, NEP = "net_primary_production", "heterotrophic_respiration", "net_ecosystem_production"
THAWED_RH = "heterotrophic_respiration_thawed_permafrost"
MARGIN = 0.03
"""By how much, relative to both sides, a printed statement has to hold before it counts as met: the columns of a fit are few."""


@dataclass(frozen=True)
class Course:
    """Years of the totals: ``stages`` "" (history) and (scenario, run) to positions in time; ``years``: of each position."""

    stages: Mapping[Stage, np.ndarray]
    years: np.ndarray

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Names of the scenarios."""
        return tuple(dict.fromkeys(key[0] for key in self.stages if key))

    def of(self, stage: Stage) -> np.ndarray:
        """Calendar years of a stage."""
        return self.years[self.stages[stage]]


class Totals:
    """Regional series of a course. ``series(stage, variable, group)``: Pg or Pg yr-1 (year,), of layered ones (layer, year),
    of the active layer its mean (m); ``area``: m2 of the permafrost cells by group, "" for all of them.
    """

    def __init__(
        self, course: Course, series: Callable[[Stage, str, str], jax.Array], area: Mapping[str, float | jax.Array]
    ):
        """As the class says."""
        self.course, self.series, self.area = course, series, area

    def past(self, name: str, first: int, last: int, group: str = "") -> jax.Array:
        """Mean over years of history."""
        years = self.course.of("")
        return self.series("", name, group)[(years >= first) & (years <= last)].mean()

    def effect(self, scenario: str, name: str, free: str, held: str, group: str = "") -> jax.Array:
        """Series of the run ``free`` less the run ``held``."""
        return self.series((scenario, free), name, group) - self.series((scenario, held), name, group)


@dataclass(frozen=True)
class PrintedPaper:
    """What its printed numbers need. ``tables``: of printed values; ``runs``: of the factorial; ``scalars``, ``layered``: yearly
    outputs, the active layer first; ``keys``: numbers that can be fitted; ``groups``: communities with numbers of their own;
    ``base``: years that tell where permafrost is, from the last year of history.
    """

    tables: tuple[str, ...]
    runs: tuple[str, ...]
    scalars: tuple[str, ...]
    layered: tuple[str, ...]
    keys: tuple[str, ...]
    groups: tuple[str, ...]
    base: Callable[[int], tuple[int, int]]
    numbers: Callable[[Totals], Numbers]


# --- statements: what lacks of them, 0 where they hold -----------------------------------------------------------------


def lacks(a: jax.Array, b: jax.Array) -> jax.Array:
    """What lacks of "a is larger than b", relative to both; 0 where it holds by :data:`MARGIN`. One-sided, with a slope."""
    return jnp.maximum(0.0, MARGIN + (b - a) / (jnp.abs(a) + jnp.abs(b)))


def outside(low: float, a: jax.Array, b: jax.Array, high: float) -> jax.Array:
    """What lacks of "a is low to high times b", of positive ``a`` and ``b``."""
    return lacks(a, low * b) + lacks(high * b, a)


# --- Liu et al. (2024) ---------------------------------------------------------------------------------------------------


def _numbers_2024(totals: Totals) -> Numbers:
    series, course = totals.series, totals.course
    found: Numbers = {
        ("vegetation_carbon", "historical"): series("", "vegetation_carbon", "")[-1],
        ("soil_carbon", "historical"): series("", "soil_carbon", "")[-1],
    }
    for s in course.scenarios:
        found |= {(key, s): value for key, value in _of_scenario_2024(totals, s).items()}
    return found


def _of_scenario_2024(totals: Totals, s: str) -> dict[str, jax.Array]:
    years = totals.course.of((s, "S_Trans"))
    decade = (years >= years[-1] - 10) & (years <= years[-1] - 1)
    end = int(totals.course.of("")[-1])

    def free(name: str) -> jax.Array:
        return totals.series((s, "S_Trans"), name, "")

    def effect(name: str, held: str = "S_PF") -> jax.Array:
        return totals.effect(s, name, "S_Trans", held)

    rh, thawed = free(RH), free(THAWED_RH)
    exposed, lost = free("exposed_carbon").sum(), thawed.sum()
    by_layer, respired = (free(name).sum(axis=-1) for name in LIU2024.layered)
    bottom = np.asarray(LAYER_EDGES[1:])
    metres = [bottom <= 1.001, (bottom > 1.001) & (bottom <= 2.001), (bottom > 2.001) & (bottom <= 3.001)]
    depth = [by_layer[rows].sum() for rows in metres]
    before = totals.past(RH, end - 4, end)
    drh, dnep = effect(RH), effect(NEP)
    taken, mineral = effect("nitrogen_uptake").sum(), effect("net_nitrogen_mineralization").sum()
    return {
        "active_layer_increase": free(THAW)[-5:].mean() - totals.past(THAW, end - 4, end),
        "exposed_carbon": exposed,
        "decomposed_carbon": lost,
        "decomposed_share": 100.0 * lost / exposed,
        "soil_carbon_thawed_change": -lost,
        "exposed_share_1_3m": 100.0 * (depth[1] + depth[2]) / by_layer.sum(),
        "exposed_carbon_0_3m": depth[0] + depth[1] + depth[2],
        "emission_share_1_2m": 100.0 * respired[metres[1]].sum() / respired.sum(),
        "ecosystem_carbon_change": free(NEP).sum(),
        "nep_2090s": free(NEP)[decade].mean(),
        "nep_2090s_without_thaw": (free(NEP) + thawed)[decade].mean(),
        "thawed_respiration_share_2090s": 100.0 * thawed[decade].mean() / rh[decade].mean(),
        "thawed_share_of_rh_increase": 100.0 * lost / (rh - before).sum(),
        "rh_2100_by_thaw": drh[-1],
        "rh_by_thaw": drh.sum(),
        "npp_2090s_by_thaw": effect(NPP)[decade].mean(),
        "npp_by_thaw": effect(NPP).sum(),
        "nep_2090s_by_thaw": dnep[decade].mean(),
        "ecosystem_carbon_by_thaw": dnep.sum(),
        "vegetation_carbon_by_thaw": effect("vegetation_carbon")[-1],
        "vegetation_nitrogen_by_thaw": 1000.0 * effect("vegetation_nitrogen")[-1],
        "exposed_organic_nitrogen": free("exposed_organic_nitrogen").sum(),
        "thawed_uptake_share": 100.0 * taken / mineral,
        "ecosystem_carbon_by_co2": effect(NEP, "S_CO2").sum(),
    }


LIU2024 = PrintedPaper(
    tables=("liu2024_headline", "liu2024_factorial"),
    runs=("S_Trans", "S_PF", "S_CO2"),
    scalars=(
        THAW, "maximum_unfrozen_thickness", NPP, NEP, RH, THAWED_RH, "vegetation_carbon", "soil_carbon", "vegetation_nitrogen",
        "exposed_carbon", "exposed_organic_nitrogen", "net_nitrogen_mineralization", "nitrogen_uptake",
    ),
    layered=("layer_exposed_carbon", "layer_respiration"),
    keys=(
        "vegetation_carbon", "soil_carbon", "active_layer_increase", "exposed_carbon", "decomposed_carbon", "decomposed_share",
        "soil_carbon_thawed_change", "exposed_share_1_3m", "exposed_carbon_0_3m", "emission_share_1_2m",
        "ecosystem_carbon_change", "nep_2090s", "nep_2090s_without_thaw", "thawed_respiration_share_2090s",
        "thawed_share_of_rh_increase", "rh_2100_by_thaw", "rh_by_thaw", "npp_2090s_by_thaw", "npp_by_thaw",
        "nep_2090s_by_thaw", "ecosystem_carbon_by_thaw", "vegetation_carbon_by_thaw", "vegetation_nitrogen_by_thaw",
        "exposed_organic_nitrogen", "thawed_uptake_share", "ecosystem_carbon_by_co2",
    ),
    groups=(),
    base=lambda last: (2010, 2015),
    numbers=_numbers_2024,
)  # fmt: skip
"""Runs: all factors free; no exposure; CO2 held."""


# --- Liu et al. (2022) ---------------------------------------------------------------------------------------------------

AREA_2022 = 188.3e12 / 194.2
"""Permafrost of the plateau (m2) by Table 1: total over density of NPP. Totals in Pg and Tg are those of this area."""
MEADOW, STEPPE = "alpine_meadow", "alpine_steppe"
FLUXES = {"npp": NPP, "rh": RH, "nep": NEP}


def _numbers_2022(totals: Totals) -> Numbers:
    end, groups = int(totals.course.of("")[-1]), LIU2022.groups
    whole = AREA_2022 / totals.area[""]

    def density(name: str, first: int, last: int) -> jax.Array:
        """Kg m-2 yr-1 or kg m-2."""
        return 1e12 * totals.past(name, first, last) / totals.area[""]

    found: Numbers = {
        ("soil_carbon_2006_2015", "historical"): whole * totals.past("soil_carbon", 2006, 2015),
        ("active_layer_2013_2014", "historical"): totals.past(THAW, 2013, 2014),
        ("npp_density_2002_2012", "historical"): 1e3 * density(NPP, 2002, 2012),
        ("soil_nitrogen_density_2013_2014", "historical"): density("soil_organic_nitrogen", 2013, 2014),
    }
    for group in groups:
        found[f"active_layer_now {group}", "historical"] = totals.past(THAW, end - 9, end, group)
    first = totals.course.scenarios[0]
    for key, name in FLUXES.items():
        found[f"{key}_density_2006_2011", first] = 1e3 * density(name, 2006, 2011)
        found[f"{key}_total_2006_2011", first] = 1e3 * whole * totals.past(name, 2006, 2011)
    for s in totals.course.scenarios:
        found |= {(key, s): value for key, value in _of_scenario_2022(totals, s, end, whole).items()}
    return found


def _of_scenario_2022(totals: Totals, s: str, end: int, whole: float | jax.Array) -> dict[str, jax.Array]:
    def free(name: str) -> jax.Array:
        return whole * totals.series((s, "S_T"), name, "")

    def gap(name: str) -> jax.Array:
        return whole * totals.effect(s, name, "S_T", "S_R")

    moved = _balance(totals, s, "")
    made = {key: whole * moved[key] for key in ("dSOC", "sum_dLtrC", "sum_dRH", "SOC_PF")}
    made |= {key: 1e3 * whole * moved[key] for key in ("dSON", "sum_dLtrN", "sum_dNetNMin", "SON_PF")}
    made |= {
        "active_layer_2090s": totals.series((s, "S_T"), THAW, "")[-10:].mean(),
        "ecosystem_carbon_s_t": free(NEP).sum(),
        "nep_cumulative": 1e3 * gap(NEP).sum(),
        "rh_increase_2099": 1e3 * gap(RH)[-1],
        "npp_increase_2099": 1e3 * gap(NPP)[-1],
        "loss_ratio": (moved["sum_dRH"] - moved["sum_dLtrC"]) / moved["SOC_PF"],
        "uptake_ratio": moved["uptake"] / moved["SON_PF"],
        "SOC_PF_density": 1e12 * moved["SOC_PF"] / totals.area[""],
        "SON_PF_density": 1e15 * moved["SON_PF"] / totals.area[""],
        "vegetation_nitrogen_by_thaw": 1e3 * gap("vegetation_nitrogen")[-1],
        "nitrogen_uptake_by_thaw": 1e3 * whole * moved["uptake"],
    }
    for key, name in FLUXES.items():
        last = 1e3 * free(name)[-10:].mean()
        made[f"{key}_total_2090s"] = last
        made[f"{key}_density_2090s"] = 1e12 * last / AREA_2022
        made[f"{key}_increase_s_t"] = last - 1e3 * whole * totals.past(name, end - 9, end)
    for group in LIU2022.groups:
        part = _balance(totals, s, group)
        made[f"respiration_ratio {group}"] = part["sum_dRH"] / part["SOC_PF"]
        made[f"uptake_ratio {group}"] = part["uptake"] / part["SON_PF"]
    return made | _stated_2022(totals, s)


def _stated_2022(totals: Totals, s: str) -> dict[str, jax.Array]:
    """Meadow beside steppe: the statements of ``report.statements.liu2022`` of the same words."""

    def gained(name: str, group: str) -> jax.Array:
        """By thaw, summed over years, an area."""
        return totals.effect(s, name, "S_T", "S_R", group).sum() / totals.area[group]

    def deepening(group: str) -> jax.Array:
        thaw = totals.series((s, "S_T"), THAW, group)
        return thaw[-10:].mean() - thaw[0]

    def first(name: str, group: str) -> jax.Array:
        return totals.series((s, "S_T"), name, group)[0]

    meadow, steppe = (_balance(totals, s, group) for group in (MEADOW, STEPPE))
    density = [first("soil_carbon", group) / totals.area[group] for group in (MEADOW, STEPPE)]
    return {
        "stated_active_layer": lacks(first(THAW, STEPPE), first(THAW, MEADOW)),
        "stated_deepening": outside(1.4, deepening(STEPPE), deepening(MEADOW), 3.0),
        "stated_npp_by_thaw": lacks(gained(NPP, MEADOW), gained(NPP, STEPPE)),
        "stated_rh_by_thaw": lacks(gained(RH, MEADOW), gained(RH, STEPPE)),
        "stated_carbon_by_thaw": lacks(meadow["SOC_PF"], steppe["SOC_PF"]),
        "stated_nitrogen_by_thaw": lacks(meadow["SON_PF"], steppe["SON_PF"]),
        "stated_soil_carbon": outside(1.4, density[0], density[1], 3.0),
    }


def _balance(totals: Totals, s: str, group: str) -> dict[str, jax.Array]:
    """Terms of SOC_PF and SON_PF (docs/model.md#i4), Pg."""

    def gap(name: str) -> jax.Array:
        return totals.effect(s, name, "S_T", "S_R", group)

    carbon, nitrogen = gap("soil_carbon")[-1], gap("soil_organic_nitrogen")[-1]
    litter, respired = gap("litterfall_carbon").sum(), gap(RH).sum()
    litter_nitrogen, mineral = gap("litterfall_nitrogen").sum(), gap("net_nitrogen_mineralization").sum()
    return {
        "dSOC": carbon, "sum_dLtrC": litter, "sum_dRH": respired, "SOC_PF": carbon - litter + respired,
        "dSON": nitrogen, "sum_dLtrN": litter_nitrogen, "sum_dNetNMin": mineral,
        "SON_PF": nitrogen - litter_nitrogen + mineral, "uptake": gap("nitrogen_uptake").sum(),
    }  # fmt: skip


LIU2022 = PrintedPaper(
    tables=("liu2022_headline", "liu2022_statements"),
    runs=("S_T", "S_R"),
    scalars=(
        THAW, "maximum_unfrozen_thickness", NPP, NEP, RH, "soil_carbon", "soil_organic_nitrogen", "litterfall_carbon",
        "litterfall_nitrogen", "vegetation_nitrogen", "net_nitrogen_mineralization", "nitrogen_uptake",
    ),
    layered=(),
    keys=(
        "soil_carbon_2006_2015", "active_layer_2013_2014", "npp_density_2002_2012", "soil_nitrogen_density_2013_2014",
        *(f"active_layer_now {group}" for group in (MEADOW, STEPPE)),
        *(f"{flux}_{kind}_{when}" for flux in FLUXES for kind in ("total", "density") for when in ("2006_2011", "2090s")),
        "dSOC", "sum_dLtrC", "sum_dRH", "SOC_PF", "dSON", "sum_dLtrN", "sum_dNetNMin", "SON_PF",
        "active_layer_2090s", "ecosystem_carbon_s_t", "nep_cumulative", "rh_increase_2099", "npp_increase_2099", "loss_ratio",
        "uptake_ratio", "SOC_PF_density", "SON_PF_density", "vegetation_nitrogen_by_thaw", "nitrogen_uptake_by_thaw",
        *(f"{flux}_increase_s_t" for flux in FLUXES),
        *(f"{kind}_ratio {group}" for kind in ("respiration", "uptake") for group in (MEADOW, STEPPE)),
        *(f"stated_{what}" for what in (
            "active_layer", "deepening", "npp_by_thaw", "rh_by_thaw", "carbon_by_thaw", "nitrogen_by_thaw", "soil_carbon",
        )),
    ),
    groups=(MEADOW, STEPPE),
    base=lambda last: (last - 9, last),
    numbers=_numbers_2022,
)  # fmt: skip
"""Runs: the active layer follows the ground; it is kept."""

PAPERS = {"liu2022": LIU2022, "liu2024": LIU2024}
"""Papers that can be inverted."""
