"""What Liu et al. (2024) say in words, as checks."""

from __future__ import annotations

import numpy as np

from jtem.report.statements.checks import (
    ACTIVE_RH,
    NEP,
    NPP,
    RH,
    SOIL,
    THAWED_RH,
    VEGETATION,
    Judgement,
    Statement,
    View,
    every,
    falling,
    falls,
    milder,
    more,
    ratio,
    rises,
    within,
)

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


def _largest(v: View, name: str, which: str) -> Judgement:
    """A run has the largest effect on a summed flux."""
    return more(v.summed(name, which), _others(v, name, which))


def _second(v: View, name: str, first: str, second: str) -> Judgement:
    return every(
        more(v.summed(name, first), v.summed(name, second)),
        more(v.summed(name, second), _others(v, name, first, second)),
    )


def _pairs_above(v: View, name: str, besides: tuple[str, ...] = ()) -> Judgement:
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


def _grown(v: View, name: str) -> float:
    series = v.of(name)
    return v.decade(series) - float(series[:10].mean())


def _mineralised(v: View) -> float:
    return v.summed("net_nitrogen_mineralization")


def _deep_thaw(v: View) -> Judgement:
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
        lambda v: more(v.area()[0] - v.decade(v.area()), milder(v).area()[0] - v.decade(milder(v).area())), 1,
    ),
    Statement("3.2, Fig. 4b", "the active layer deepens", lambda v: more(v.decade(v.thaw()), v.thaw()[0])),
    Statement(
        "3.2, Fig. 4b", "the active layer deepens at least twice as much under SSP5-8.5",
        lambda v: more(v.decade(v.thaw()) - v.thaw()[0], 2 * (v.decade(milder(v).thaw()) - milder(v).thaw()[0])), 1,
    ),
    Statement("3.2, Fig. 4c", "NPP increases", lambda v: rises(_grown(v, NPP))),
    Statement("3.2, Fig. 4c", "RH increases", lambda v: rises(_grown(v, RH))),
    Statement(
        "3.2, Fig. 4c", "NPP and RH rise more steeply under SSP5-8.5",
        lambda v: every(*(more(_grown(v, n), _grown(milder(v), n)) for n in (NPP, RH))), 1,
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
        lambda v: every(*(more(a, b) for a, b in zip(_decomposed(v), _decomposed(milder(v)), strict=True))), 1,
    ),
    Statement(
        "3.3", "a larger share of all exposed carbon is decomposed under SSP5-8.5",
        lambda v: more(_lost_share(v), _lost_share(milder(v))), 1,
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
