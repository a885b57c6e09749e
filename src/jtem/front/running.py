"""A prepared run in memory: from a state or a spin-up to labelled results, and their files."""

from __future__ import annotations

import dataclasses
import functools
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from jtem.errors import InputError
from jtem.front.result import Result, load, plain, read_state, state_dataset

if TYPE_CHECKING:
    from distributed import Client

    from jtem.assemble.course import Prepared
    from jtem.parameters import ParameterTable
    from jtem.records import Grid, Sink
    from jtem.run import Experiment, Progress, Results, Summary
    from jtem.run.memory import Runner

CONTINUED = "continued"
"""Stage that goes on from a state after the spin-up."""

Start = Result | xr.Dataset | str | Path


def continued(prepared: Prepared, start: Start, *, own_place: bool) -> Prepared:
    """The same run from a state in place of the spin-up; raises ``InputError`` where the state does not fit.

    ``own_place``: the run has one stage, which then takes the place of what follows the state's stage.
    """
    import jax

    from jtem import run as running
    from jtem.assemble import origin
    from jtem.writers import states

    given, where = state_of(start)
    experiment, stage = prepared.experiment, str(given.attrs.get("stage", ""))
    count = len(experiment.column_cell)
    one = running.state_like(experiment)
    like = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((count, *leaf.shape[1:]), leaf.dtype), one)
    arrays = {str(name): np.asarray(given[name].values) for name in given.data_vars}
    made_with = str(given.attrs.get("parameter_hash", "none"))
    state = states.restored(arrays, made_with, like, prepared.table.hash(), where, anyhow="")
    wanted = origin.of_state(experiment.design, experiment.columns, prepared.grid, prepared.table.hash())
    states.check_origin(given.attrs, wanted, where, anyhow="")
    if own_place and stage != "spinup":
        later = dataclasses.replace(
            experiment.stages[0], name=CONTINUED if stage != CONTINUED else f"{CONTINUED}_on", parent=stage,
            expose=experiment.design.permafrost.layers > 0, follow=True, begin="", base_years=None,
        )  # fmt: skip
        last = given.attrs.get("last_year")
        if last is not None and int(last) != later.first_year - 1:
            warnings.warn(
                f"the run begins in {later.first_year} from a state of the end of {int(last)}; give "
                f"years=({int(last) + 1}, ...) to go on without a break",
                stacklevel=4,
            )
        experiment = dataclasses.replace(experiment, stages=(later,))
    return dataclasses.replace(prepared, experiment=running.continued(experiment, stage, state))


def execute(
    prepared: Prepared, notes: Mapping[str, str], *, is_site: bool, progress: bool = False, members: int = 0,
    client: Client | None = None,
) -> Result:  # fmt: skip
    """Run an experiment and label what it gives. ``notes``: more for the attributes; ``members``: of an ensemble.

    ``client``: of the Dask workers that run its chunks, in place of this process.
    """
    from jtem import run as running
    from jtem.assemble import provenance
    from jtem.physics.soil_heat import DEFAULT_EDGES
    from jtem.writers import states
    from jtem.writers.memory import MemorySink

    experiment = prepared.experiment
    attributes = {**provenance.attributes(prepared), **notes}
    if experiment.spin_up is None:
        attributes["spin_up"] = f"went on from the state of '{next(iter(experiment.initial_states))}'"
    runner = running.run_experiment if client is None else on_workers(client)
    raw = running.run_in_memory(experiment, teller(progress), runner)
    summary = raw.summary
    sink = MemorySink(
        prepared.grid, attributes=attributes, heat_edges=DEFAULT_EDGES, double=prepared.plan.output.double
    )
    replay(raw, experiment, sink)
    sink.finish(summary.failed, provenance.notes(summary))
    frequencies = ["annual", *(["monthly"] if experiment.selection.monthly else [])]
    stages: dict[str, dict[str, xr.Dataset]] = {}
    for stage in experiment.stages:
        found = {frequency: sink.dataset(stage.name, frequency) for frequency in frequencies}
        by_member = {f: by_members(data, members) if members else data for f, data in found.items()}
        stages[stage.name] = {f: plain(data, is_site=is_site) for f, data in by_member.items()}
    kept: dict[str, xr.Dataset] = {}
    if not members:
        ends = {"spinup": raw.start} if raw.start is not None else {}
        ends |= {stage.name: raw.stages[stage.name].state for stage in experiment.stages}
        last_years = {stage.name: {"last_year": stage.last_year} for stage in experiment.stages}
        for name, state in ends.items():
            meta = {**attributes, "stage": name, **last_years.get(name, {})}
            kept[name] = state_dataset(states.state_arrays(state), meta)
    tell_troubles(summary, sink.implausible, prepared)
    return Result(
        stages=stages,
        states=kept,
        failed=dict(summary.failed),
        spin_up=spin_up_report(summary),
        seconds=summary.seconds,
        compile_seconds=summary.compile_seconds,
        name=prepared.plan.plan.name,
        files=None if members else functools.partial(write, prepared, raw, attributes),
    )


def on_workers(client: Client) -> Runner:
    """What runs an experiment on the workers of a Dask client; raises ``InputError`` where it is none."""
    from jtem.cluster import driver

    with driver.needed():
        from distributed import Client
    if not isinstance(client, Client):
        raise InputError(f"client is a {type(client).__name__}; give a distributed.Client")
    return driver.run_in_workers(client)


@functools.cache
def warn_once(text: str) -> None:
    """Warn of something that one warning in a process tells enough."""
    warnings.warn(text, stacklevel=5)


def state_of(start: Start) -> tuple[xr.Dataset, str]:
    """The state to go on from, and what to call it in errors."""
    if isinstance(start, Result):
        return start.state, "start"
    if isinstance(start, xr.Dataset):
        if "parameter_hash" not in start.attrs or "stage" not in start.attrs:
            raise InputError("start is a dataset but no state; give result.state, a result, or a state file")
        return start, "start"
    if isinstance(start, str | Path):
        path = Path(start)
        if path.is_dir():
            return load(path).state, str(path)
        state = read_state(path)
        if "parameter_hash" not in state.attrs:
            raise InputError(f"{path}: is no state of jtem; give a file that ends in _state.nc")
        return state, str(path)
    raise InputError(f"start is a {type(start).__name__}; give a result, its state, or the path of a state file")


def tiled(grid: Grid, count: int) -> Grid:
    """The grid of an ensemble: the cells of every member after those of the one before."""
    cells = grid.latitude.size

    def tile(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else np.tile(values, count)

    shift = np.repeat(np.arange(count) * cells, grid.column_cell.size)
    return dataclasses.replace(
        grid,
        latitude=tile(grid.latitude), longitude=tile(grid.longitude), area=tile(grid.area),
        column_cell=np.tile(grid.column_cell, count) + shift, column_fraction=tile(grid.column_fraction),
        labels=tile(grid.labels), communities=tile(grid.communities),
    )  # fmt: skip


def of_members(prepared: Prepared, tables: Sequence[ParameterTable], *, apart: bool = False) -> Prepared:
    """The run of an ensemble: one member of each table of parameters. ``apart``: in chunks as small as those of one run."""
    from jtem import parameters, run, step

    experiment = prepared.experiment
    if any(table.fields != prepared.table.fields for table in tables):
        raise InputError(
            "members of an ensemble differ in parameters that follow the place (fields of an overlay); run them one by one"
        )
    trees = [parameters.build(step.Parameters, table, experiment.design.pool_dtype) for table in tables]
    many = run.ensemble(experiment, trees)
    if apart:
        many = dataclasses.replace(many, chunk_columns=experiment.chunk_columns)
    return dataclasses.replace(prepared, experiment=many, grid=tiled(prepared.grid, len(tables)))


def by_members(data: xr.Dataset, members: int) -> xr.Dataset:
    """Cells of all members to a leading dimension ``member``."""
    count = data.sizes["cell"] // members
    by_cell = [name for name in data.variables if "cell" in data[name].dims]
    still = [name for name in ("lat", "lon", "areacella", "site", "community") if name in by_cell]
    parts = [
        data[[n for n in by_cell if n not in still]].isel(cell=slice(k * count, (k + 1) * count))
        for k in range(members)
    ]
    joined = xr.concat(parts, "member", coords="minimal", compat="override", combine_attrs="override")
    rest = data.drop_vars([n for n in by_cell if n not in still]).isel(cell=slice(0, count))
    return rest.merge(joined, compat="no_conflicts").assign_attrs(data.attrs)


def spin_up_report(summary: Summary) -> xr.Dataset | None:
    """How the spin-up ended in each column: closed or not, the solver's words, drifts of the last year."""
    report = summary.spin_up
    if report is None:
        return None
    fields = {"closed": ("column", np.asarray(report.closed))}
    for name in ("code", "residual", "iterations"):
        if getattr(report, name) is not None:
            fields[name] = ("column", np.asarray(getattr(report, name)))
    fields |= {f"drift_{name}": ("column", np.asarray(values)) for name, values in report.drift.items()}
    return xr.Dataset(fields, attrs={"method": report.method, "years": report.years})


def tell_troubles(summary: Summary, implausible: Mapping[str, str], prepared: Prepared) -> None:
    """One warning for each kind of trouble."""
    from jtem.run import limits

    columns = prepared.experiment.column_cell.size
    if summary.failed:
        column, why = next(iter(summary.failed.items()))
        warnings.warn(f"{len(summary.failed)} of {columns} columns failed, column {column}: {why}", stacklevel=5)
    report = summary.spin_up
    if report is not None and not np.all(report.closed):
        open_ = int(np.sum(~np.asarray(report.closed)))
        warnings.warn(
            f"the spin-up did not close in {open_} of {columns} columns: their pools still drift (result.spin_up says how "
            "much); use spin_up='equilibrium', or more years of it",
            stacklevel=5,
        )
    for text in (*implausible.values(), *limits.sentences(summary.limits)):
        warnings.warn(text, stacklevel=5)


def teller(progress: bool) -> Callable[[Progress], None] | None:
    """What tells of the progress of a run on standard error, if that is asked for."""
    if not progress:
        return None
    sys.stderr.write("compiling ...\n")
    told = [0.0]

    def tell(message: Progress) -> None:
        share = message.column_years_done / max(message.column_years_total, 1)
        if share >= told[0]:
            told[0] = share + 0.2
            sys.stderr.write(f"{share:4.0%} {message.stage}, {message.seconds:.0f} s\n")

    return tell


def replay(raw: Results, experiment: Experiment, sink: Sink) -> None:
    """Hand a run's raw results to a sink, residuals of the budgets included."""
    count = len(experiment.column_cell)
    for stage in experiment.stages:
        found = raw.stages[stage.name]
        outputs = {"monthly": found.monthly, "annual": {**found.annual, **found.residuals}}
        sink.write(stage, slice(0, count), slice(0, stage.years), {k: v for k, v in outputs.items() if v})


def write(
    prepared: Prepared, raw: Results, attributes: Mapping[str, str | int | float], folder: Path, force: bool
) -> list[Path]:
    """The files of a run, as the command line writes them."""
    from jtem.assemble import provenance
    from jtem.files import prepare_folder
    from jtem.physics.soil_heat import DEFAULT_EDGES
    from jtem.writers.netcdf import NetcdfSink, file_names

    plan, experiment = prepared.plan, prepared.experiment
    frequencies = ["annual", *(["monthly"] if experiment.selection.monthly else [])]
    names = file_names(plan.plan.name, [stage.name for stage in experiment.stages], frequencies, plan.output.state)
    prepare_folder(folder, names, force)
    count = len(experiment.column_cell)
    with NetcdfSink(
        folder, plan.plan.name, prepared.grid, attributes=attributes, heat_edges=DEFAULT_EDGES,
        write_states=plan.output.state, double=plan.output.double,
    ) as sink:  # fmt: skip
        replay(raw, experiment, sink)
        if raw.start is not None:
            sink.state("spinup", slice(0, count), raw.start)
        for name, found in raw.stages.items():
            sink.state(name, slice(0, count), found.state)
        return sink.finish(raw.summary.failed, provenance.notes(raw.summary))
