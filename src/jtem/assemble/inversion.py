"""A calibration plan of source "published" to a case: a run plan's factorial, and the numbers that its paper prints."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jtem import variables
from jtem.assemble import course, model
from jtem.assemble.free_parameters import check_names, free
from jtem.errors import InputError, suggest
from jtem.files import Inputs, read_table
from jtem.parameters import ParameterTable
from jtem.plan import run as run_plans
from jtem.plan.calibration import ALL, CalibrationPlan
from jtem.study.calibration import printed as papers
from jtem.study.calibration import published
from jtem.study.calibration.case import Case, SearchSettings
from jtem.study.calibration.problem import Channel, Observations, Problem
from jtem.study.sensitivity.model import ColumnModel, ScenarioClimate, model_of

TANGENTS = 448
"""ColumnModel times directions that go through the programs together."""


def case(plan: CalibrationPlan, data: Path | None, overlays: Sequence[str] = ()) -> Case:
    """The run plan with the calibration's [model], thinned, and the paper's numbers as observations; raises ``InputError``."""
    where = f"{plan.where}: [[data]]"
    if len(plan.data) != 1:
        raise InputError(f"{where}: source 'published' stands alone; leave the other sections out")
    (section,) = plan.data
    if not section.path:
        raise InputError(f"{where}: source 'published' needs 'path', the run plan of the factorial; add it")
    inputs = Inputs(data)
    beside = Path(plan.where).parent / section.path
    run_plan = run_plans.read(beside if beside.is_file() else inputs.find(section.path, where))
    if run_plan.paper not in papers.PAPERS:
        raise InputError(
            f"{run_plan.where}: numbers of paper '{run_plan.paper}' cannot be fitted; {suggest(run_plan.paper, papers.PAPERS)}"
        )
    paper = papers.PAPERS[run_plan.paper]
    run_plan = dataclasses.replace(run_plan, factorial=dataclasses.replace(run_plan.factorial, members={}))
    table = model.table((*plan.model.parameters, *overlays), inputs, f"{plan.where}: [model]")
    check_names(plan, table)
    prepared = course.prepare(dataclasses.replace(run_plan, model=plan.model), data, table=table)
    stages = {stage.name: stage for stage in prepared.experiment.stages}
    scenarios, history = run_plan.factorial.scenarios, prepared.experiment.stages[0]
    names = {(s, r): f"{s}_{r}" for s in scenarios for r in paper.runs}
    for name in names.values():
        if name not in stages:
            raise InputError(f"{run_plan.where}: [factorial] has no run '{name}', which the numbers need; add it")
    annual = variables.selection((), (*paper.scalars, *paper.layered), plan.where)[1]
    whole = model_of(prepared.experiment, table, [], annual, chunk_columns=TANGENTS)
    grid = prepared.grid
    area = 1e6 * np.asarray(grid.area)[grid.column_cell] * grid.column_fraction
    (drivers,) = whole.drivers.values()
    air = np.asarray(drivers.parts[0].air_temperature).mean(axis=(1, 2))
    rows, area = published.thinned(whole.communities, area, air, section.columns)
    climates = [stages[name].climate(prepared.experiment.column_cell) for name in names.values()]
    dtype = whole.chain.design.pool_dtype
    climates = [jax.tree.map(lambda leaf: np.asarray(leaf, dtype), climate) for climate in climates]
    columns = dataclasses.replace(
        whole,
        stages=(history, *(stages[name] for name in names.values())),
        drivers={"runs": ScenarioClimate(drivers.cycle, (*drivers.parts, *climates))},
    ).take(rows)
    spans, start = {}, 0
    years: list[int] = []
    for key, stage in [("", history), *((key, stages[name]) for key, name in names.items())]:
        spans[key] = np.arange(start, start + stage.years)
        years += range(stage.first_year, stage.last_year + 1)
        start += stage.years
    printed = _printed(plan, paper, scenarios)
    problem = _problem(plan, columns, table, printed)
    keys = [(row["key"], row["scenario"]) for row in printed]
    return Case(
        name=plan.calibration.name,
        title=plan.calibration.title or plan.calibration.name,
        text=plan.text,
        where=plan.where,
        problem=problem,
        model=published.Regional(problem, columns, area, papers.Course(spans, np.array(years)), keys, paper),
        table=table,
        first_year=history.first_year,
        units=tuple(row["unit"] for row in printed),
        inputs=(
            f"printed numbers of {run_plan.paper}: an inversion of the paper, no observation of nature",
            f"{columns.columns} of {whole.columns} columns of {run_plan.where}",
            *prepared.inputs,
        ),
        notes=(),
        search=SearchSettings(**{f.name: getattr(plan.search, f.name) for f in dataclasses.fields(SearchSettings)}),
        posterior=None,
    )


def _printed(plan: CalibrationPlan, paper: papers.PrintedPaper, scenarios: Sequence[str]) -> list[dict[str, str]]:
    """Rows of the printed numbers that the plan asks for; raises ``InputError`` for unknown keys."""
    rows = [row for name in paper.tables for row in read_table("published", f"{name}.csv")]
    rows = [row for row in rows if row["scenario"] in ("historical", *scenarios) and row["key"] in paper.keys]
    known = list(dict.fromkeys(row["key"] for row in rows))
    asked = plan.data[0].streams
    for key in (*asked, *plan.fit.held_out_streams, *plan.errors.relative, *plan.errors.floor):
        if key not in (*known, ALL):
            raise InputError(f"{plan.where}: '{key}' is no printed number; {suggest(key, known)}")
    return [row for row in rows if not asked or row["key"] in asked]


def _problem(
    plan: CalibrationPlan, columns: ColumnModel, table: ParameterTable, printed: Sequence[dict[str, str]]
) -> Problem:
    """Communities as sites; a printed number an observation with the error that [errors] gives its key, or "all"."""
    communities = tuple(dict.fromkeys(columns.communities))
    first = np.array([columns.communities.index(name) for name in communities])
    value = np.array([float(row["value"]) for row in printed])

    def of(kind: str, default: float) -> np.ndarray:
        given = getattr(plan.errors, kind)
        return np.array([given.get(row["key"], given.get(ALL, default)) for row in printed])

    error = np.maximum(of("relative", 0.15) * np.abs(value), of("floor", 0.0))
    if (error == 0.0).any():
        key = printed[int(np.argmin(error))]["key"]
        raise InputError(f"{plan.where}: the error of '{key}' is 0; give it one in [errors] floor")
    (drivers,) = columns.drivers.values()
    zero = np.zeros(len(printed), dtype=int)
    observations = Observations(
        site=zero,
        channel=np.arange(len(printed)),
        begin=zero,
        end=zero + 1,
        how=np.array(["mean"] * len(printed)),
        value=value,
        error=error,
        fit=np.array([row["key"] not in plan.fit.held_out_streams for row in printed]),
    )
    return Problem(
        sites=communities,
        communities=communities,
        cells=jax.tree.map(lambda leaf: leaf[first], columns.cells),
        rows=jax.tree.map(lambda leaf: jnp.asarray(leaf[first]), columns.rows),
        spin_up=jax.tree.map(lambda leaf: leaf[first], drivers.cycle),
        history=jax.tree.map(lambda leaf: leaf[first], drivers.parts[0]),
        channels=tuple(Channel(f"{row['key']} {row['scenario']}", ("net_primary_production",)) for row in printed),
        observations=observations,
        free=free(plan, communities, communities, table),
        design=columns.chain.design,
    )
