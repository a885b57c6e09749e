"""A calibration plan to a case: everything read and checked, laid out as a problem; nothing is compiled."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from jtem import parameters, step
from jtem.assemble import inversion, model
from jtem.assemble.fields import known_of, with_own
from jtem.assemble.free_parameters import check_names, free
from jtem.assemble.observed import observed
from jtem.assemble.sites import sites
from jtem.assemble.validation import folds_of
from jtem.devices import use_all_cores
from jtem.errors import InputError
from jtem.files import Inputs
from jtem.physics import permafrost
from jtem.plan import calibration as plans
from jtem.plan import use_precision
from jtem.plan.calibration import CalibrationModel, CalibrationPlan
from jtem.study.calibration import sampling
from jtem.study.calibration.case import Case, SearchSettings
from jtem.study.calibration.model import Misfit
from jtem.study.calibration.problem import Problem


def open_case(path: Path, data: Path | None, *, overlays: Sequence[str] = ()) -> Case:
    """Read a calibration plan, set precision and devices, build its case; raises ``InputError``.

    ``overlays``: further overlays of parameters.
    """
    plan = plans.read(path)
    use_all_cores(gradients=True)
    use_precision(plan.model.precision.name)
    return case(plan, data, overlays)


def case(plan: CalibrationPlan, data: Path | None, overlays: Sequence[str] = ()) -> Case:
    """Everything a plan names, checked and laid out; raises ``InputError``."""
    where = plan.where
    if plan.calibration.unavailable:
        raise InputError(f"{where}: data not available: {plan.calibration.unavailable}")
    if plan.posterior is not None:
        sampling.library()
    if any(part.source == "published" for part in plan.data):
        return inversion.case(plan, data, overlays)
    inputs = Inputs(data)
    made = design(plan.model, where)
    table = model.table((*plan.model.parameters, *overlays), inputs, f"{where}: [model]")
    values = parameters.build(step.Parameters, table, made.pool_dtype)
    check_names(plan, table)
    found = sites(plan, inputs)
    folds = folds_of(plan.validation, found)
    seen = observed(plan, found, folds)
    spin_up, history = found.climates(plan.history, seen.last_year, where)
    cells = found.columns(table.communities, made.pool_dtype, where)
    communities = [table.communities[int(c)] for c in cells.community]
    year = (spin_up.air_temperature, spin_up.precipitation, spin_up.shortwave_radiation)
    known = known_of(cells, year, found.of_cells("sand"), found.of_cells("clay"))
    made, cells = with_own(made, cells, known, table, not_free(plan, table))
    problem = Problem(
        sites=found.names,
        communities=tuple(communities),
        cells=cells,
        rows=jax.tree.map(lambda leaf: leaf[np.array([table.index(c) for c in communities])], values),
        spin_up=spin_up,
        history=history,
        channels=seen.channels,
        observations=seen.rows,
        free=free(plan, found.names, communities, table),
        design=made,
        covariates=known,
        heat_years=plan.history.heat_years,
        loss_scale=plan.search.loss_scale,
        folds=folds,
        heat_differences=plan.search.heat_differences,
    )
    search = {f.name: getattr(plan.search, f.name) for f in dataclasses.fields(SearchSettings)}
    return Case(
        name=plan.calibration.name,
        title=plan.calibration.title or plan.calibration.name,
        text=plan.text,
        where=where,
        problem=problem,
        model=Misfit(problem),
        table=table,
        first_year=plan.history.first,
        units=seen.units,
        inputs=tuple(part.provenance for part in found.parts),
        notes=seen.notes,
        search=SearchSettings(**search),
        posterior=None if plan.posterior is None else sampling.Sampling(**dataclasses.asdict(plan.posterior)),
    )


def not_free(plan: CalibrationPlan, table: parameters.ParameterTable) -> list[parameters.Field]:
    """Fields of the overlays but for those of parameters that the plan sets free."""
    free_ones = [parameters.Handle.of(name) for part in plan.parameter for name in part.name]
    return [f for f in table.fields if not any(parameters.Handle.of(f.name).covered_by(one) for one in free_ones)]


def design(section: CalibrationModel, where: str) -> step.Design:
    """As a run's; scheme ``layered`` is ``none``, and soil heat may be left out."""
    made = model.design(section, where)
    scheme = permafrost.NONE if made.permafrost.decomposes_layers else made.permafrost
    return dataclasses.replace(made, permafrost=scheme, thermal=made.thermal if section.soil_heat else None)
