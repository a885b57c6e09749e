"""The free parameters of a calibration plan against the table of parameters: names, bounds, starts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jtem import parameters
from jtem.covariates import COVARIATES
from jtem.errors import InputError, suggest
from jtem.plan.calibration import CalibrationPlan, ParameterSection
from jtem.study.calibration.problem import START, Free


def check_names(plan: CalibrationPlan, table: parameters.ParameterTable) -> None:
    """Parameters, communities and bounds of the plan against the table; raises ``InputError``."""
    for i, part in enumerate(plan.parameter, start=1):
        for full in part.name:
            where = f"{plan.where}: [[parameter]] {i}"
            if full in START:
                continue
            name = parameters.Handle.of(full).name
            if name not in table.entries:
                known = [*table.entries, *START]
                raise InputError(f"{where}: unknown parameter '{name}'; {suggest(name, known)}")
            entry = table.entries[name]
            if not entry.trainable:
                raise InputError(f"{where}: '{name}' is a threshold or an initial value and cannot be calibrated")
            low, high = part.bounds
            if part.mode == "value" and (low < entry.lower or high > entry.upper):
                raise InputError(
                    f"{where}: bounds [{low:g}, {high:g}] of '{name}' reach outside the table's [{entry.lower:g}, "
                    f"{entry.upper:g}]; narrow them"
                )
        for community in part.communities:
            if community not in table.communities:
                raise InputError(
                    f"{plan.where}: [[parameter]] {i}: unknown community '{community}'; "
                    f"{suggest(community, table.communities)}"
                )


def free(
    plan: CalibrationPlan, names: Sequence[str], communities: Sequence[str], table: parameters.ParameterTable
) -> tuple[Free, ...]:
    """The free quantities of the plan at its sites; raises ``InputError``."""
    made = []
    for i, part in enumerate(plan.parameter, start=1):
        where = f"{plan.where}: [[parameter]] {i}"
        for site in part.sites:
            if site not in names:
                raise InputError(f"{where}: no site '{site}' in the data; {suggest(site, names)}")
        mine = [
            s
            for s, (n, c) in enumerate(zip(names, communities, strict=True))
            if (not part.sites or n in part.sites) and (not part.communities or c in part.communities)
        ]
        if not mine:
            raise InputError(f"{where}: no site has the communities {list(part.communities)}; leave the parameter out")
        scale = part.scale or ("log" if part.mode == "factor" else _scale(part.name[0], table))
        if part.mode == "factor":
            _check_factor(part, [communities[s] for s in mine], table, where)
        made.append(
            Free(
                label=part.label or part.name[0],
                names=part.name,
                lower=part.bounds[0],
                upper=part.bounds[1],
                scope=part.scope,
                mode=part.mode,
                scale=scale,
                start=part.start,
                prior=part.prior,
                covariates=_covariates(part),
                deviations=part.deviations,
                sites=None if len(mine) == len(names) else tuple(mine),
            )
        )
    return tuple(made)


def _scale(full: str, table: parameters.ParameterTable) -> str:
    name = parameters.Handle.of(full).name
    return table.entries[name].scale if name in table.entries else "linear"


def _check_factor(
    part: ParameterSection, communities: Sequence[str], table: parameters.ParameterTable, where: str
) -> None:
    """Factors must keep the values inside the table's bounds, or the result would not load."""
    for full in part.name:
        if full in START:
            continue
        handle = parameters.Handle.of(full)
        entry = table.entries[handle.name]
        for community in dict.fromkeys(communities):
            value = np.ravel(handle.pick(np.asarray(entry.values[community], dtype=float)))
            for bound in part.bounds:
                if np.any(bound * value < entry.lower) or np.any(bound * value > entry.upper):
                    raise InputError(
                        f"{where}: {bound:g} times '{full}' of {community} leaves the table's bounds [{entry.lower:g}, "
                        f"{entry.upper:g}]; narrow the factor"
                    )


def _covariates(part: ParameterSection) -> tuple[str, ...]:
    """What a parameter of scope field follows beside the community: all, unless the plan says which."""
    if part.scope != "field":
        return ()
    return tuple(COVARIATES) if part.covariates is None else part.covariates
