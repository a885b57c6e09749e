"""The papers' protocols as data: which factors a run holds at its base year, and the climate that follows from it.

A run is a scenario and a set of held factors. The effect of a factor is the transient run less the run that holds it
(docs/model.md#i4). Nothing here computes physics: climates are host arrays, stages are frozen objects.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from jtem.errors import note
from jtem.run.course import Stage
from jtem.state import AnyArray, Climate

FACTORS = ("permafrost", "co2", "temperature", "precipitation", "roots", "abrupt")
"""What can be held. "permafrost": no matter moves and the accessible shares keep the active layer they refer to. "roots": they
keep their depth. "abrupt": no ground thaws abruptly."""

GROUND = frozenset({"temperature", "precipitation"})
"""What ground feels of the factors."""
LEAST_PRECIPITATION = 0.1
"""Share of a scenario's precipitation that a member leaves at least."""

Loader = Callable[[np.ndarray], Climate]


@dataclass(frozen=True)
class Run:
    """One row of a factorial. ``held``: factors kept at the base year; none: the transient run."""

    name: str
    held: frozenset[str] = frozenset()

    @property
    def exposes(self) -> bool:
        """Whether thaw moves matter."""
        return "permafrost" not in self.held


@dataclass(frozen=True)
class Member:
    """One climate of an ensemble made from a scenario: our own spread, not a climate model.

    ``warming``: factor on the departure of air temperature from the reference years. ``precipitation``: relative change of
    precipitation per degC of that annual departure, beyond what the scenario has.
    """

    name: str = ""
    warming: float = 1.0
    precipitation: float = 0.0


def _runs(**held: str) -> tuple[Run, ...]:
    return tuple(Run(name, frozenset(factors.split())) for name, factors in held.items())


LIU2024 = _runs(
    S_Trans="",
    S_PF="permafrost",
    S_CO2="co2",
    S_Temp="temperature",
    S_Prec="precipitation",
    S_PF_CO2="permafrost co2",
    S_PF_Prec="permafrost precipitation",
    S_CO2_Temp="co2 temperature",
    S_CO2_Prec="co2 precipitation",
    S_Temp_Prec="temperature precipitation",
)
"""Table 2 of Liu et al. (2024): the transient run and nine that hold factors at 2015."""
LIU2022 = _runs(S_T="", S_R="permafrost")
"""Liu et al. (2022): the transient run and the one whose active layer is kept from 2021 on."""
BEYOND = _runs(S_Trans="", S_Gradual="roots abrupt", S_Abrupt="roots", S_Roots="abrupt")
"""What the papers lack: everything, gradual thaw alone, with abrupt thaw, with roots that follow thaw. Methane needs no run of
its own: it changes no pool.
"""
PROTOCOLS = {
    "liu2024": LIU2024,
    "liu2024_all_pairs": (*LIU2024, *_runs(S_PF_Temp="permafrost temperature")),  # the pair that the paper lacks
    "liu2022": LIU2022,
    "beyond": BEYOND,
}


def hold(climate: Climate, base: Climate, held: frozenset[str]) -> Climate:
    """Climate (cell, year, 12) with the held factors at those of the first year of ``base``, every year.

    Temperature and precipitation: the twelve months of the base year repeated; CO2: its value. Radiation and nitrogen
    input are never held. The January after each year is the repeated one, after the last year December (decision 7).
    """
    changed = {}

    def repeated(values: AnyArray, like: AnyArray) -> np.ndarray:
        return np.ascontiguousarray(np.broadcast_to(np.asarray(values)[:, :1], np.shape(like)))

    if "temperature" in held:
        air = repeated(base.air_temperature, climate.air_temperature)
        changed["air_temperature"] = air
        changed["following_air_temperature"] = np.concatenate([air[:, 1:, 0], air[:, -1:, 11]], axis=1)
    if "precipitation" in held:
        changed["precipitation"] = repeated(base.precipitation, climate.precipitation)
    if "co2" in held:
        changed["co2"] = repeated(base.co2, climate.co2)
    return dataclasses.replace(climate, **changed) if changed else climate


def scale(climate: Climate, reference: Climate, member: Member) -> Climate:
    """A member's climate: the departure from the monthly means of ``reference`` (cell, year, 12) times ``warming``,
    year-to-year variability included; precipitation times ``1 + precipitation * departure``, at least a tenth.
    """
    if member.warming == 1.0 and member.precipitation == 0.0:
        return climate
    normal = np.asarray(reference.air_temperature).mean(axis=1, keepdims=True)
    departure = member.warming * (np.asarray(climate.air_temperature) - normal)
    air = normal + departure
    change = 1.0 + member.precipitation * departure.mean(axis=2, keepdims=True)
    wetter = np.maximum(change, LEAST_PRECIPITATION)
    if limited := int((change < LEAST_PRECIPITATION).sum()):
        note(
            f"member '{member.name}' would take away more than nine tenths of the precipitation in {limited} of {change.size} "
            "cells x years; a tenth stays"
        )
    return dataclasses.replace(
        climate,
        air_temperature=air,
        precipitation=np.asarray(climate.precipitation) * wetter,
        following_air_temperature=np.concatenate([air[:, 1:, 0], air[:, -1:, 11]], axis=1),
    )


def remembering(load: Loader) -> Loader:
    """The loader, keeping its last answer: the runs of a chunk ask for the same cells one after another."""
    last: list[tuple[bytes, Climate]] = []

    def cached(cells: np.ndarray) -> Climate:
        key = np.ascontiguousarray(cells).tobytes()
        if not last or last[0][0] != key:
            last[:] = [(key, load(cells))]
        return last[0][1]

    return cached


def stage_name(run: Run, scenario: str, member: Member) -> str:
    """Name of a run's stage and files, e.g. ``ssp126_S_PF`` or ``warm_rcp45_S_R``."""
    return "_".join(part for part in (member.name, scenario, run.name) if part)


def expand(
    runs: Sequence[Run],
    scenarios: dict[str, Loader],
    members: Sequence[Member],
    *,
    base: Loader,
    reference: Loader,
    parent: str,
    years: tuple[int, int],
    layers: bool,
    keep_thaw: bool = False,
) -> tuple[Stage, ...]:
    """Stages of a factorial, ordered by scenario, member and run.

    ``scenarios``: loader of each climate over ``years``; ``base``: loader whose first year is the base year, one and the same
    for all scenarios, so that ground under held temperature and precipitation is passed through heat once; ``reference``:
    years that members depart from; ``layers``: whether the permafrost scheme has matter to move; ``keep_thaw``: where permafrost
    is held, water and photosynthesis see the thaw of ground under the base year's temperature and precipitation.
    """
    base, reference = remembering(base), remembering(reference)
    stages = []
    for scenario, load in scenarios.items():
        load = remembering(load)
        for member in members or (Member(),):
            own = remembering(_member_loader(load, reference, member))
            for run in runs:
                free = (scenario, member.name)
                keeps = keep_thaw and not run.exposes
                heat = tuple("held" if f in run.held else free for f in ("temperature", "precipitation"))
                stages.append(
                    Stage(
                        name=stage_name(run, scenario, member),
                        first_year=years[0],
                        last_year=years[1],
                        climate=_held_loader(own, base, run.held),
                        parent=parent,
                        expose=run.exposes and layers,
                        follow=run.exposes,
                        roots="roots" not in run.held,
                        abrupt="abrupt" not in run.held,
                        heat_key=heat,
                        water_key=(heat, free),
                        thaw_climate=_held_loader(own, base, GROUND) if keeps else None,
                        thaw_key=("held", "held") if keeps else None,
                    )
                )
    return tuple(stages)


def _member_loader(load: Loader, reference: Loader, member: Member) -> Loader:
    return lambda cells: scale(load(cells), reference(cells), member)


def _held_loader(load: Loader, base: Loader, held: frozenset[str]) -> Loader:
    return lambda cells: hold(load(cells), base(cells), held)
