"""What Liu et al. (2022) say in words, as checks."""

from __future__ import annotations

import numpy as np

from jtem.errors import InputError
from jtem.report.statements.checks import (
    NEP,
    NPP,
    RH,
    SOIL,
    VEGETATION,
    Statement,
    View,
    every,
    falls,
    milder,
    more,
    ratio,
    rises,
    within,
)

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
        lambda v: more(float(v.of(NEP).sum()), float(milder(v).of(NEP).sum())), 1,
    ),
    Statement(
        "3.2, Fig. 4b", "thaw contributes more to changes of RH and NPP under RCP8.5",
        lambda v: every(*(more(_share(v, n), _share(milder(v), n)) for n in (NPP, RH))), 1,
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
        lambda v: more(v.decade(v.thaw()) - v.thaw()[0], v.decade(milder(v).thaw()) - milder(v).thaw()[0]), 1,
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
