"""The command ``jtem``: reads a plan, wires readers, model and output, and speaks to people.

Exit code 0: done. 1: the run finished but some cells failed (named). 2: the user must change something (one sentence).
130: stopped with Ctrl-C. Heavy imports happen inside the commands, so that ``--help`` is quick and the number of
devices can be set before JAX starts.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from jtem import __version__
from jtem.devices import usable_cores, use_all_cores
from jtem.errors import InputError, suggest
from jtem.parameters import ParameterError

if TYPE_CHECKING:
    from jtem.parameters import ParameterTable
    from jtem.plan import Plan
    from jtem.records import Grid
    from jtem.study.stages import Experiment, Progress, SpinUpReport, Summary

DONE, FAILED_CELLS, USER_ERROR, STOPPED = 0, 1, 2, 130
COLUMN_YEARS_PER_SECOND = {"mixed": 11000.0, "float64": 7000.0, "float32": 14000.0}
"""Of one core, whole step; for the estimate of ``jtem check`` only. ``benchmarks/throughput.py`` measures it."""
COMPILE_SECONDS = 40.0
STATE_BYTES = 4096  # of one column, rounded up


# --- from a plan to an experiment ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prepared:
    """A plan with everything it names read and checked."""

    plan: Plan
    experiment: Experiment
    grid: Grid
    table: ParameterTable
    inputs: tuple[str, ...]
    emulated: bool

    @property
    def column_years(self) -> int:
        """Years of all columns in the transient stages and the spin-up."""
        spin = self.experiment.spin_up
        years = sum(stage.years for stage in self.experiment.stages)
        return len(self.experiment.column_cell) * (years + (spin.heat_years + spin.cycle_years if spin else 0))

    def memory_bytes(self) -> int:
        """Rough memory of a run: climate of the longest stage of a chunk, a block of outputs, states kept for files."""
        from jtem.variables import VARIABLES

        experiment = self.experiment
        lengths = {"": 1, "heat_layer": 33, "layer": experiment.design.permafrost.layers}
        columns = min(experiment.chunk_columns, len(experiment.column_cell))
        climate = columns * max(stage.years for stage in experiment.stages) * (4 * 12 + 2) * 8 * 3
        monthly = sum(12 * lengths[VARIABLES[name].layer] for name in experiment.selection.monthly)
        annual = sum(lengths[VARIABLES[name].layer] for name, _ in experiment.selection.annual)
        block = columns * experiment.block_years * (monthly + annual) * 8 * 3
        kept = len(experiment.column_cell) * STATE_BYTES * (len(experiment.stages) + 1 if self.plan.output.state else 0)
        working = columns * 33 * 8 * 200
        return 500_000_000 + climate + block + kept + columns * STATE_BYTES * 8 + working


def parameter_files(names: Sequence[str], data: Path | None, where: str) -> list[Path]:
    """The defaults and the overlays of a plan: packaged by name ("liu2024") or a path."""
    from jtem.files import data_path
    from jtem.plan import resolve

    files = [data_path("parameters", "defaults.toml")]
    for name in names:
        if name.endswith(".toml"):
            files.append(Path(name) if Path(name).is_file() else resolve(name, data, where))
        else:
            known = [p.stem for p in files[0].parent.glob("*.toml") if p.stem != "defaults"]
            if name not in known:
                raise InputError(
                    f"{where}: unknown parameter overlay {name!r}; {suggest(name, known)} (or give a .toml path)"
                )
            files.append(data_path("parameters", f"{name}.toml"))
    return files


def prepare(plan: Plan, data: Path | None, *, force: bool = False) -> Prepared:
    """Read and check all inputs of a plan and build the experiment; raises ``InputError`` or ``ParameterError``."""
    import jax
    import jax.numpy as jnp

    from jtem import parameters, step
    from jtem.physics import permafrost, radiation
    from jtem.physics.soil_thermal import ThermalDesign
    from jtem.readers import to_model
    from jtem.records import Grid
    from jtem.study.stages import Experiment, SpinUp

    model = plan.model
    design = step.Design(
        permafrost=model.permafrost,
        thermal=ThermalDesign(substeps=model.heat_substeps),
        carbon_substeps=model.carbon_substeps,
        open_nitrogen=model.open_nitrogen,
        heat_dtype=model.precision.heat_dtype,
        pool_dtype=model.precision.pool_dtype,
    )
    table = parameters.read_table(step.Parameters, parameter_files(model.parameters, data, f"{plan.where}: [model]"))
    cells, source_of, inputs = domain(plan, data)
    model_cells = to_model.model_cells(
        cells,
        table.communities,
        top_of_atmosphere=radiation.top_of_atmosphere,
        carbon_layers=lambda stocks: np.asarray(
            jax.vmap(permafrost.layers_from_intervals)(jnp.asarray(stocks, model.precision.pool_dtype))
        ),
        where=inputs[0],
    )

    def loader(climate: str, first: int, last: int, wrap: bool = False):
        source, where = source_of(climate)
        load = to_model.climate_loader(source, first, last, wrap=wrap, where=where)
        stored = plan.domain.source in ("isimip", "prepared")  # checked when the store was written
        for start in range(
            0, 1 if stored else model_cells.count, plan.run.chunk_columns
        ):  # checked before anything runs
            load(np.arange(start, min(start + plan.run.chunk_columns, model_cells.count)))
        return load

    stages = build_stages(plan, loader)
    spin = plan.spinup
    spin_up = None
    if not plan.run.restart:
        spin_up = SpinUp(
            climate=loader(spin.climate, *spin.cycle, wrap=True),
            heat_years=spin.heat_years,
            years=spin.years,
            cycle_years=spin.cycle_years,
            method=spin.method,
        )
    experiment = Experiment(
        design=design,
        parameters=parameters.build(step.Parameters, table, model.precision.pool_dtype),
        columns=model_cells.columns,
        column_cell=model_cells.column_cell,
        spin_up=spin_up,
        stages=stages,
        selection=selection(plan),
        chunk_columns=plan.run.chunk_columns,
        block_years=plan.run.block_years,
    )
    if plan.run.restart:
        experiment = restarted(plan, experiment, table.hash(), data, force)
    grid = Grid(
        model_cells.latitude,
        model_cells.longitude,
        model_cells.area,
        model_cells.column_cell,
        model_cells.column_fraction,
        model_cells.labels,
        largest_communities(model_cells, table.communities),
    )
    return Prepared(plan, experiment, grid, table, tuple(inputs), plan.domain.source == "embedded")


def largest_communities(model_cells: Any, names: Sequence[str]) -> np.ndarray:
    """Name of the largest community of each cell, (cell,)."""
    result = np.empty(model_cells.latitude.size, dtype=object)
    for column in np.argsort(model_cells.column_fraction, kind="stable"):
        result[model_cells.column_cell[column]] = names[int(model_cells.columns.community[column])]
    return result


def selection(plan: Plan):
    """What the run keeps; the two thaw depths always, because stages and reports need them."""
    from jtem import variables
    from jtem.records import Selection

    annual = (*plan.output.annual, "active_layer_thickness", "maximum_unfrozen_thickness")
    return Selection(*variables.selection(plan.output.monthly, annual, f"{plan.where}: [output]"))


def build_stages(plan: Plan, loader: Callable[..., Any]) -> tuple:
    """History and scenarios; the permafrost scheme decides when frozen stores are filled and what thaw exposes."""
    from jtem.study.stages import Stage

    scheme = plan.model.permafrost
    layered = scheme.name == "layered"
    reservoir = scheme.layers > 0 and not layered
    history = plan.history
    stages = [
        Stage(
            name=history.name,
            first_year=history.first,
            last_year=history.last,
            climate=loader(history.climate, history.first, history.last),
            expose=reservoir,
            begin="base_years" if layered else "start" if reservoir else "",
            base_years=plan.base_years if layered else None,
        )
    ]
    shared: dict[tuple, Any] = {}
    for scenario in plan.scenario:
        key = (scenario.climate, scenario.first, scenario.last)
        if key not in shared:
            shared[key] = loader(*key)
        stages.append(
            Stage(
                name=scenario.name,
                first_year=scenario.first,
                last_year=scenario.last,
                climate=shared[key],
                parent=history.name,
                expose=scenario.expose and scheme.layers > 0,
                follow=scenario.follows,
            )
        )
    return (*stages, *factorial_stages(plan, loader))


def factorial_stages(plan: Plan, loader: Callable[..., Any]) -> tuple:
    """Stages of ``[factorial]``; none where the plan has no such section."""
    from jtem.study import protocol

    f, history = plan.factorial, plan.history
    if not f.scenarios:
        return ()
    base_climate = history.climate if f.base_year <= history.last else f.base_climate or f.scenarios[0]
    return protocol.expand(
        f.protocol,
        {name: loader(name, f.first, f.last) for name in f.scenarios},
        f.ensemble,
        base=loader(base_climate, f.base_year, f.base_year),
        reference=loader(history.climate, max(history.first, history.last - 9), history.last),
        parent=history.name,
        years=(f.first, f.last),
        layers=plan.model.permafrost.layers > 0,
    )


def domain(plan: Plan, data: Path | None):
    """Cells, a function from a climate's name to its source (and its name for errors), and the names of the inputs."""
    from jtem.plan import resolve
    from jtem.readers import cf_monthly, co2, embedded, toolik

    d = plan.domain
    where = f"{plan.where}: [domain]"
    if d.source == "embedded":
        cells = embedded.sites(d.sites) if d.sites else embedded.domain(d.domain)
        cells = cells.isel(cell=slice(None, None, d.stride))
        named = f"sites {', '.join(d.sites)}" if d.sites else f"domain {d.domain}"

        def embedded_source(climate: str):
            def source(rows: np.ndarray, first: int, last: int):
                return joined_climate(cells.isel(cell=rows), climate, first, last)

            return source, f"emulated climate '{climate}'"

        return cells, embedded_source, [f"embedded {named}", "emulated climate (data/embedded)"]
    if d.source == "climate_grid":
        return half_degree_domain(plan, data)
    if d.source in ("isimip", "prepared"):
        return prepared_domain(plan)

    static = resolve(d.static, data, where)
    if d.source == "toolik":
        cells = toolik.read_cells(static)
    else:
        cells = cf_monthly.read_cells(static, d.names, d.community)
    cells = cells.isel(cell=slice(None, None, d.stride))
    files = {name: [resolve(f, data, f"{where} climate.{name}") for f in paths] for name, paths in d.climate.items()}
    table = None if d.co2 == "embedded" else resolve(d.co2, data, f"{where} co2")
    latitude, longitude = cells["latitude"].values, cells["longitude"].values

    def file_source(climate: str):
        paths = files[climate]

        def source(rows: np.ndarray, first: int, last: int):
            result = cf_monthly.read_climate(paths, first, last, d.names, (latitude[rows], longitude[rows]))
            if table is None:
                ppm = co2.embedded_series(d.co2_column or climate, first, last)
            else:
                ppm = co2.read_table(table, first, last, d.co2_column)
            return result.assign(co2=("year", ppm, {"units": "ppm"}))

        return source, ", ".join(str(path) for path in paths)

    inputs = [str(static), *(str(path) for paths in files.values() for path in paths)]
    return cells, file_source, [*inputs, *([str(table)] if table else ["CO2: embedded published series"])]


def half_degree_domain(plan: Plan, data: Path | None):
    """As :func:`domain`, of the real half-degree fields in the data folder."""
    from jtem.plan import resolve
    from jtem.readers import climate_grid

    d = plan.domain
    folder = resolve("climate_grid", data, f"{plan.where}: [domain]", folder=True).parent
    cells = climate_grid.cells(folder, d.domain, stride=d.stride, soil=d.soil_carbon, subdivide=d.subdivide)

    def half_degree_source(climate: str):
        scenario, member = [*d.climate.get(climate, (climate,)), "gfdl_like"][:2]

        def source(rows: np.ndarray, first: int, last: int):
            return climate_grid.climate(folder, cells.isel(cell=rows), scenario, first, last, member)

        return source, f"half-degree climate '{climate}' ({scenario}, {member})"

    said = [half_degree_source(name)[1] for name in plan.climate_years]
    return cells, half_degree_source, [str(cells.attrs["title"]), *said, "CO2: co2_annual.csv"]


def prepared_domain(plan: Plan):
    """As :func:`domain`, of the store that ``jtem prepare`` made; refuses one that was made with other settings."""
    from jtem.readers import prepare as stores

    path = plan.store
    again = f"run: jtem prepare {plan.where}"
    if not path.is_file():
        raise InputError(f"{plan.where}: prepared store {path} not found; {again}")
    if plan.domain.source == "isimip":
        differing = stores.differences(path, recipe_words(plan))
        if differing:
            raise InputError(f"{path}: prepared with other settings ({', '.join(differing)}); {again} --force")
    have = stores.years(path)
    for name, (first, last) in plan.climate_years.items():
        if name in have and not have[name][0] <= first <= last <= have[name][1]:
            raise InputError(
                f"{path}: climate '{name}' has {have[name][0]}-{have[name][1]}, the plan needs {first}-{last}; "
                f"{again} --force"
            )
    cells = stores.read_cells(path)
    if plan.domain.source == "isimip" or plan.domain.stride == 1:
        return cells, lambda climate: stores.source(path, climate), [str(path), stores.provenance(path)]
    kept = np.arange(cells.sizes["cell"])[:: plan.domain.stride]

    def strided(climate: str):
        source, where = stores.source(path, climate)
        return lambda rows, first, last: source(kept[rows], first, last), where

    return cells.isel(cell=kept), strided, [str(path), stores.provenance(path)]


def recipe_words(plan: Plan) -> dict[str, Any]:
    """The words of a plan that decide what a store holds (not its years, which may be more than needed)."""
    import dataclasses

    def words(value: Any) -> Any:
        return {k: list(v) for k, v in value.items()} if hasattr(value, "items") else value

    d, part = plan.domain, plan.prepare
    result = {
        f.name: words(getattr(part, f.name)) if f.name != "names" else dict(part.names)
        for f in dataclasses.fields(part)
        if f.name != "store"
    }
    scenarios = {name: list(d.climate.get(name, (name,))) for name in plan.climate_years}
    return result | {
        "source": d.source, "domain": d.domain, "stride": d.stride, "subdivide": d.subdivide, "climate": scenarios,
        "co2": d.co2, "co2_column": d.co2_column, "static": d.static, "cells_soil_carbon": d.soil_carbon,
    }  # fmt: skip


def isimip_recipe(plan: Plan, data: Path | None):
    """The recipe of a plan with source "isimip", all paths found."""
    from jtem.plan import resolve
    from jtem.readers import prepare as stores

    d, part = plan.domain, plan.prepare
    where = f"{plan.where}: [prepare]"

    def find(name: str) -> Path | None:
        return resolve(name, data, where) if name else None

    def need(name: str) -> Path:
        return resolve(name, data, where)

    climates = {
        name: stores.Request(d.climate.get(name, (name,)), first, last, part.nitrogen.get(name, ()))
        for name, (first, last) in plan.climate_years.items()
    }
    return stores.Recipe(
        folder=resolve(part.folder, data, where, folder=True),
        climates=climates,
        vegetation=need(part.vegetation),
        texture=need(part.texture),
        elevation=need(part.elevation),
        model=part.model,
        member=part.member,
        region=part.region,
        vegetation_kind=part.vegetation_kind,
        texture_layers=find(part.texture_layers),
        land_mask=find(part.land_mask),
        permafrost_map=find(part.permafrost_map),
        permafrost_codes=part.permafrost_codes,
        soil_carbon=tuple(resolve(n, data, where, folder=not n.endswith(".csv")) for n in part.soil_carbon),
        climate_elevation=find(part.climate_elevation),
        lapse_rate=part.lapse_rate,
        box=part.box,
        resolution=part.resolution,
        stride=d.stride,
        co2=d.co2 if d.co2 in ("embedded", "isimip") else need(d.co2),
        co2_column=d.co2_column,
        names=part.names,
    )


def joined_climate(cells: Any, climate: str, first: int, last: int):
    """Emulated climate of one name, or of two joined: "historical+rcp45" is history as long as it is known, then the other."""
    import xarray as xr

    from jtem.readers import embedded

    name, _, later = climate.partition("+")
    end = embedded.SCENARIO_YEARS.get(name, (first, last))[1]
    if not later or last <= end:
        return embedded.climate(cells, name, first, last)
    after = embedded.climate(cells, later, max(first, end + 1), last)
    if first > end:
        return after
    return xr.concat([embedded.climate(cells, name, first, end), after], "year", combine_attrs="drop_conflicts")


def restarted(plan: Plan, experiment: Experiment, parameter_hash: str, data: Path | None, force: bool) -> Experiment:
    """The experiment that goes on from the state file of ``[run] restart``: after spin-up, or after history."""
    import dataclasses

    import jax

    from jtem import run
    from jtem.plan import resolve
    from jtem.writers.states import load_state, state_attributes

    path = Path(plan.run.restart)
    path = path if path.is_file() else resolve(plan.run.restart, data, f"{plan.where}: [run] restart")
    stage = state_attributes(path).get("stage")
    if stage not in ("spinup", plan.history.name):
        raise InputError(
            f"{path}: state of stage {stage!r}; a run goes on from 'spinup' or '{plan.history.name}', give such a state"
        )
    if stage == "spinup" and experiment.stages[0].begin == "start":
        raise InputError(
            f"{path}: scheme '{plan.model.permafrost.name}' needs the thaw of the spin-up, which a state does "
            "not hold; "
            f"restart from '{plan.history.name}' or run the spin-up"
        )
    stages = experiment.stages[1:] if stage == plan.history.name else experiment.stages
    if not stages:
        raise InputError(f"{path}: nothing to do after '{stage}'; add a [[scenario]] to the plan")
    one_year = jax.tree.map(lambda leaf: leaf[:, :1], experiment.stages[0].climate(experiment.column_cell))
    like = jax.eval_shape(
        lambda p, c, y: run.initial_states(p, c, y, design=experiment.design),
        experiment.parameters,
        experiment.columns,
        jax.tree.map(lambda leaf: np.asarray(leaf, experiment.design.pool_dtype), one_year),
    )
    state = load_state(path, like, parameter_hash, force=force)
    return dataclasses.replace(experiment, stages=stages, initial_states={stage: state})


def attributes(prepared: Prepared) -> dict[str, str | int | float]:
    """What every file says about where it comes from."""
    import jax

    plan, experiment = prepared.plan, prepared.experiment
    spin = experiment.spin_up
    if spin is None:
        said = f"restart from {plan.run.restart}"
    else:
        first, last = plan.spinup.cycle
        carbon = f"{spin.years} years of carbon and nitrogen"
        if spin.method == "equilibrium":
            carbon = f"the equilibrium of carbon and nitrogen ({spin.years} repeated years in columns without one)"
        said = (
            f"{spin.heat_years} years of soil heat, then {carbon} (soil nitrogen tied "
            f"to soil carbon) on the mean year of {first}-{last}, then {spin.cycle_years} years cycling those years "
            "with closed nitrogen"
        )
    title = plan.plan.title or plan.plan.name
    if prepared.emulated and "emulated" not in title:
        title += " (emulated climate)"
    device = jax.local_devices()
    result: dict[str, str | int | float] = {
        "title": title,
        "institution": plan.plan.institution,
        "comment": plan.plan.comment,
        "plan": plan.text,
        "parameter_hash": prepared.table.hash(),
        "parameter_files": ", ".join(prepared.table.files),
        "precision": plan.model.precision.name,
        "permafrost_scheme": plan.model.permafrost.name,
        "inputs": "; ".join(Path(name).name if os.sep in name else name for name in prepared.inputs),
        "spin_up": said,
        "jax_version": jax.__version__,
        "devices": f"{len(device)} {device[0].platform}",
    }
    if plan.plan.references:
        result["references"] = plan.plan.references
    return {key: value for key, value in result.items() if value != ""}


# --- progress --------------------------------------------------------------------------------------------------------


class ProgressLine:
    """Says how far a run is: one line that is rewritten on a terminal, a few plain lines elsewhere."""

    def __init__(self, stream: TextIO | None = None, every: float = 0.1):
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self.every, self.next_share, self.width = every, 0.0, 0

    def start(self) -> None:
        """The first program compiles before the first message."""
        self.stream.write("compiling ...\n")
        self.stream.flush()

    def __call__(self, message: Progress) -> None:
        """Take one message of the run."""
        share = message.column_years_done / max(message.column_years_total, 1)
        if not self.live and share < self.next_share:
            return
        self.next_share = share + self.every
        running = max(message.seconds - message.compile_seconds, 1e-3)
        rate = message.column_years_done / running
        left = (message.column_years_total - message.column_years_done) / max(rate, 1e-9)
        chunk = f", chunk {message.chunk + 1}/{message.chunks}" if message.chunks > 1 else ""
        text = (
            f"{100 * share:3.0f} %  {message.stage}{chunk}  {rate:,.0f} cells x years/s  {duration(left)} left  "
            f"(compiled in {message.compile_seconds:.0f} s)"
        )
        if self.live:
            self.stream.write("\r" + text.ljust(self.width))
            self.width = len(text)
        else:
            self.stream.write(text + "\n")
        self.stream.flush()

    def end(self) -> None:
        """Leave the line."""
        if self.live and self.width:
            self.stream.write("\n")


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


# --- commands --------------------------------------------------------------------------------------------------------


def execute(
    prepared: Prepared, folder: Path, *, force: bool, part: tuple[int, int] = (0, 1), resume: bool = False
) -> tuple[int, Summary]:
    """Run an experiment and write its files; returns the exit code and the summary.

    Work is kept in the folder chunk by chunk until all files are written, so that a killed run goes on (``resume``: refuse
    where there is nothing to go on from). ``part`` (i, n): only every n-th chunk; then no files are written.
    """
    import jax

    from jtem.files import prepare_folder
    from jtem.physics.soil_thermal import C25_B
    from jtem.study import stages as work
    from jtem.writers.checkpoint import ChunkStore
    from jtem.writers.netcdf import NetcdfSink, file_names

    plan, experiment = prepared.plan, prepared.experiment
    frequencies = [
        f for f, names in (("monthly", experiment.selection.monthly), ("annual", experiment.selection.annual)) if names
    ]
    stages = [stage.name for stage in experiment.stages]
    names = file_names(plan.plan.name, stages, frequencies, plan.output.state) if plan.output.netcdf else []
    begun = (folder / ".jtem-work").is_dir() and not force
    if resume and not begun:
        raise InputError(f"{folder}: holds no unfinished run to resume; leave out --resume to start one")
    prepare_folder(folder, names, force or begun)
    results = zarr_results(prepared, folder, fresh=force, known=begun or part[1] > 1) if plan.output.zarr else None
    units = work.units(experiment)
    store = ChunkStore(
        folder, identity(prepared), part=part, fresh=force, keep_states=plan.output.state, results=results, units=units
    )
    if store.resumed:
        print(f"going on with the unfinished run in {folder}", flush=True)
    progress = ProgressLine()
    progress.start()
    summary = work.run_experiment(experiment, store, progress)
    progress.end()
    print(
        f"{summary.column_years:,} cells x years in {summary.seconds:.1f} s, of which {summary.compile_seconds:.1f} s "
        "compiling",
        flush=True,
    )
    if part[1] > 1:
        left = len(store.unfinished(work.chunks(experiment), units))
        print(f"part {part[0] + 1} of {part[1]} is done; {left} chunks left; without --part the files are written")
        return report_failed(prepared, summary), summary
    for left in folder.glob(f".{plan.plan.name}_*.partial-*"):  # of a process that was killed while it wrote files
        left.unlink(missing_ok=True)
    with NetcdfSink(
        folder,
        plan.plan.name,
        prepared.grid,
        attributes=attributes(prepared),
        heat_edges=C25_B,
        write_files=plan.output.netcdf,
        write_states=plan.output.state,
        double=plan.output.double,
    ) as sink:
        structure = jax.tree.structure(work.state_like(experiment)) if plan.output.state else None
        store.replay(experiment.stages, structure, sink)
        notes: dict[str, str | int | float] = {}
        if summary.spin_up is not None:
            notes["spin_up_closed_columns"] = int(np.sum(summary.spin_up.closed))
            notes["spin_up_columns"] = int(np.size(summary.spin_up.closed))
            notes["spin_up_method"] = summary.spin_up.method
            if summary.spin_up.code is not None:
                notes["spin_up_equilibrium_columns"] = int(np.sum(summary.spin_up.code == 0))
                notes["spin_up_repeated_columns"] = " ".join(map(str, np.flatnonzero(summary.spin_up.code)))
        written = sink.finish(summary.failed, notes)
        for text in sink.implausible.values():
            print(f"note: {text}", file=sys.stderr)
    store.remove()
    print(f"{len(written)} files in {folder}")
    return report_failed(prepared, summary), summary


def zarr_results(prepared: Prepared, folder: Path, *, fresh: bool, known: bool):
    """The Zarr store of a run: emptied where ``fresh``, gone on with where ``known``, else it must not exist yet."""
    import shutil

    from jtem.physics.soil_thermal import C25_B
    from jtem.writers.zarr import ZarrStore

    plan, experiment = prepared.plan, prepared.experiment
    path = folder / f"{plan.plan.name}.zarr"
    if fresh and path.exists():
        shutil.rmtree(path)
    if path.exists() and not known:
        raise InputError(f"{path}: exists already; choose another folder with --out or overwrite with --force")
    result = ZarrStore.create(
        path,
        prepared.grid,
        experiment.stages,
        experiment.selection,
        chunk_columns=experiment.chunk_columns,
        block_years=experiment.block_years,
        attributes=attributes(prepared),
        heat_edges=C25_B,
        double=plan.output.double,
    )
    if result.meta["plan"] != plan.text:
        raise InputError(
            f"{path}: was made by another plan; choose another folder with --out or overwrite with --force"
        )
    return result


def identity(prepared: Prepared) -> dict[str, Any]:
    """What must be the same for a run to go on with unfinished work."""
    import jax

    devices = jax.local_devices()
    return {
        "plan": prepared.plan.text,
        "parameters": prepared.table.hash(),
        "version": __version__,
        "inputs": list(prepared.inputs),
        "devices": f"{len(devices)} {devices[0].platform}",
        "columns": len(prepared.experiment.column_cell),
    }


def report_failed(prepared: Prepared, summary: Summary) -> int:
    """Name failed cells; exit code 1 if there are any."""
    if not summary.failed:
        return DONE
    grid = prepared.grid
    print(f"{len(summary.failed)} of {grid.column_cell.size} columns failed (missing in the files):", file=sys.stderr)
    for column, reason in list(summary.failed.items())[:20]:
        cell = grid.column_cell[column]
        print(f"  ({grid.latitude[cell]:.3f}, {grid.longitude[cell]:.3f}): {reason}", file=sys.stderr)
    if len(summary.failed) > 20:
        print("  ... all are in the attribute 'failed_cells' of the files", file=sys.stderr)
    return FAILED_CELLS


def spin_up_text(report: SpinUpReport | None) -> str:
    """Length of the spin-up and the drift of its last year beside TEM's closure tolerances."""
    if report is None:
        return "no spin-up (restart)"
    from jtem.spinup import CLOSURE_TOLERANCE
    from jtem.study.stages import tolerance_kind

    units = {"water": "mm", "carbon": "gC m-2", "nitrogen": "gN m-2"}
    made = f"{report.years} years"
    if report.code is not None:
        repeated = np.flatnonzero(report.code)
        made = f"equilibrium in {report.code.size - repeated.size} columns, {report.years} repeated years in {repeated.size}"
        if repeated.size:
            made += f" (columns {', '.join(map(str, repeated[:10]))}{', ...' if repeated.size > 10 else ''})"
    lines = [
        f"spin-up: {made}; {int(np.sum(report.closed))} of {report.closed.size} columns within TEM's closure "
        "tolerances in the last year",
        f"  {'drift of the last year':42}{'median':>11}{'largest':>11}{'tolerance':>11}",
    ]
    for name, values in report.drift.items():
        kind = tolerance_kind(name)
        size = np.abs(np.asarray(values))
        lines.append(
            f"  {name.replace('_', ' '):42}{np.median(size):11.2g}{size.max():11.2g}{CLOSURE_TOLERANCE[kind]:11.2g}  "
            f"{units[kind]} yr-1"
        )
    return "\n".join(lines)


def open_plan(path: Path, data: Path | None, *, force: bool = False, gradients: bool = False) -> Prepared:
    """Read a plan, set precision and devices (for ``gradients``), prepare everything."""
    from jtem import plan as plans

    plan = plans.read(path)
    use_all_cores(gradients)
    plans.use_precision(plan.model.precision.name)
    return prepare(plan, data, force=force)


def demo_plan() -> Path:
    """The plan of ``jtem demo``: inside an installed package, or in a checkout."""
    package = Path(__file__).resolve().parent
    for path in (
        package / "_data" / "plans" / "demo.toml",
        package.parents[1] / "experiments" / "demo" / "plan.toml",
    ):
        if path.is_file():
            return path
    raise InputError("the demo's plan is not in this installation; reinstall jtem")


@contextlib.contextmanager
def output_folder(folder: Path):
    """The output folder, tried before anything else; a folder made for a run that ends in an error goes again."""
    from jtem.files import prepare_folder

    made = prepare_folder(folder)
    try:
        yield
    except BaseException:
        if made:
            with contextlib.suppress(OSError):  # not empty
                folder.rmdir()
        raise


def command_demo(arguments: argparse.Namespace) -> int:
    """The embedded default: two futures, each with and without permafrost thaw; table, files, figure."""
    begin = time.perf_counter()
    with output_folder(arguments.out):
        prepared = open_plan(demo_plan(), None)
        plan = prepared.plan
        cells = f"{prepared.grid.latitude.size} cells ({prepared.grid.column_cell.size} columns)"
        print(f"jtem {__version__}: {plan.plan.title}; {cells}, emulated climate", flush=True)
        code, summary = execute(prepared, arguments.out, force=True)
    print(spin_up_text(summary.spin_up))
    report(plan, arguments.out, figure=True)
    print(f"done in {time.perf_counter() - begin:.0f} s; every number and figure here is from emulated climate")
    return code


def report(plan: Plan, folder: Path, *, figure: bool) -> None:
    """Headline table and figure of a run with scenarios, from its files."""
    from jtem.report import diagnostics, figures

    scenarios = [s.name for s in plan.scenario if not s.name.endswith(diagnostics.NO_THAW)]
    results = diagnostics.all_series(folder, plan.plan.name, plan.history.name, scenarios)
    rows = diagnostics.headline(results, scenarios)
    print(diagnostics.text_table(rows, f"{plan.plan.title or plan.plan.name}: emulated climate, 'layered' permafrost"))
    if not figure:
        return
    if not figures.available():
        print("no figure: matplotlib is not installed; run: pip install 'jtem[plots]'")
        return
    past = diagnostics.open_annual(folder, plan.plan.name, plan.history.name)
    maps = [("ALT", past, plan.history.last)]
    maps += [
        (f"ALT, {figures.label(name)}", diagnostics.open_annual(folder, plan.plan.name, name), plan.scenario[0].last)
        for name in scenarios[:2]
    ]
    path = figures.demo_figure(
        folder / f"{plan.plan.name}.png",
        results,
        scenarios,
        maps,
        f"{plan.plan.title or plan.plan.name} - emulated climate",
    )
    print(f"figure: {path}")


def command_run(arguments: argparse.Namespace) -> int:
    """Run a plan."""
    from jtem import plan as plans

    folder = arguments.out or Path(plans.read(arguments.plan).plan.name)
    part, wait = arguments.part or (0, 1), None
    if arguments.distributed:
        if arguments.part:
            raise InputError("--part and --distributed both share out the chunks; give one of them")
        use_all_cores()
        part, wait = joined_processes(arguments.distributed)
    with output_folder(folder):
        prepared = open_plan(arguments.plan, arguments.data, force=arguments.force)
        code, summary = execute(prepared, folder, force=arguments.force, part=part, resume=arguments.resume)
        if wait is not None and part[1] > 1:
            wait()
            if part[0] == 0:  # everything is remembered: this only writes the files
                code, summary = execute(prepared, folder, force=False)
    print(spin_up_text(summary.spin_up))
    return code


def command_report(arguments: argparse.Namespace) -> int:
    """Tables and figures of a finished run; the papers' site panels of finished calibrations; soil profiles of a table."""
    from jtem import plan as plans
    from jtem.report import site_panels

    folders: list[Path] = arguments.folders
    if arguments.profiles is not None:
        if folders:
            raise InputError(f"--profiles reports a table of soil profiles on its own; leave {folders[0]} out")
        profile_report(arguments)
        return DONE
    if not folders:
        raise InputError("nothing to report; give the folder of a run or of calibrations, or --profiles TABLE.csv")
    if arguments.by or arguments.simulated is not None:
        raise InputError("--by and --simulated belong to --profiles TABLE.csv; add it or leave them out")
    finished = [site_panels.calibrations(folder) for folder in folders]
    if any(finished):
        for folder, found in zip(folders, finished, strict=True):
            if not found:
                raise InputError(f"{folder}: holds no simulated.csv of a finished calibration, as the other folders do")
        out = arguments.out or (folders[0] / "report" if len(folders) == 1 else Path("calibration_report"))
        calibration_report([path for found in finished for path in found], out, not arguments.no_figures)
        return DONE
    parsed = [(folder, plans.parse(written_plan(folder), f"the plan in {folder}")) for folder in folders]
    if len(parsed) > 1:
        out = arguments.out or Path("factorial_report")
        factorial_report(parsed, out, figures_wanted=not arguments.no_figures)
        return DONE
    ((folder, plan),) = parsed
    if not plan.factorial.scenarios:
        report(plan, folder, figure=not arguments.no_figures)
        return DONE
    factorial_report(parsed, arguments.out or folder / "report", figures_wanted=not arguments.no_figures)
    return DONE


def calibration_report(folders: Sequence[Path], out: Path, figures_wanted: bool) -> None:
    """The papers' site panels and ``scores_beside_papers.csv`` of finished calibrations, into ``out``."""
    from jtem.files import prepare_folder
    from jtem.report import factorial, figures, site_panels
    from jtem.study import scores

    runs = site_panels.read_all(folders)
    prepare_folder(out)
    found = []
    for run in runs:
        seen = run.part != ""
        names = (run.site[seen].tolist(), run.stream[seen].tolist(), run.part[seen].tolist())
        found.append(scores.table(*names, run.after[seen], run.observed[seen]))
    rows = site_panels.beside(runs, found, site_panels.cases())
    lines = site_panels.table(rows)
    written = [factorial.write_table(out / "scores_beside_papers.csv", lines)]
    print(f"{'site':16s} {'stream':24s} {'part':9s} {'n':>4s} {'R2':>8s} {'paper':>10s}  figure")
    for line in lines[1:]:
        site, stream, part, n, r2, paper, *_, source, figure, _, note = line
        if source:
            said = note if n == "0" else ""
            print(f"{site:16s} {stream:24s} {part:9s} {n:>4s} {r2:>8s} {paper:>10s}  {source} {figure} {said}".rstrip())
    if figures_wanted and figures.available():
        written += site_panels.draw(rows, out)
    elif figures_wanted:
        print("no figures: matplotlib is not installed; run: pip install 'jtem[plots]'")
    print(f"{len(written)} files in {out}")


def profile_report(arguments: argparse.Namespace) -> None:
    """Half depths, mean profiles and, beside a run, active-layer stocks of a table of soil profiles."""
    from jtem.files import prepare_folder
    from jtem.plan import use_precision
    from jtem.readers import site_tables
    from jtem.report import factorial, figures
    from jtem.report import profiles as shown
    from jtem.study import profiles, scores

    path: Path = arguments.profiles
    if not path.is_file() and not path.is_absolute() and "JTEM_DATA" in os.environ:
        path = Path(os.environ["JTEM_DATA"]) / path
    table = site_tables.profile_table(path, arguments.by)
    use_precision("float64")
    out: Path = arguments.out or Path(f"{path.stem}_profiles")
    prepare_folder(out)
    for note in str(table.attrs["notes"]).splitlines():
        print(note)
    kind = np.array([str(word) or shown.NOT_STATED for word in table["vegetation"].values])
    names = [shown.ALL, *sorted(set(kind.tolist()) - {shown.NOT_STATED}), shown.NOT_STATED]
    groups = []
    for element in shown.ELEMENTS:
        known = site_tables.cumulative_stocks(table, element, estimated=False)
        for name in names:
            mine = [p for p, word in zip(known, kind, strict=True) if name in (shown.ALL, word) and p[0].size]
            if mine:
                points = profiles.shares(mine)
                fit = profiles.fit_half_depth(points)
                mean = profiles.mean_profile(profiles.interval_stocks(mine))
                groups.append(shown.Group(name, element, fit, mean, points, profiles.curve(fit, points)))
    written = [
        factorial.write_table(out / "profile_parameters.csv", shown.parameter_table(groups)),
        factorial.write_table(out / "mean_profiles.csv", shown.mean_table(groups, profiles.EDGES)),
    ]
    print(f"{'vegetation':32s} {'element':8s} {'b (m)':>7s} {'+-':>6s} {'n':>5s} {'R2':>6s}")
    for element in shown.ELEMENTS:
        for g in shown.largest(groups, element):
            said = f"at its {g.fit.bound} bound" if g.fit.bound else ""
            print(
                f"{g.name[:32]:32s} {element:8s} {g.fit.value:7.2f} {g.fit.standard_error:6.2f} {g.fit.profiles:5d} "
                f"{g.fit.r2:6.2f} {said}".rstrip()
            )
    simulated: Path | None = arguments.simulated
    stocks: list[tuple[str, ...]] = []
    found: list[Any] = []
    if simulated is not None:
        stocks, found = active_layer_comparison(simulated, table, kind)
        written.append(factorial.write_table(out / "active_layer_stocks.csv", stocks))
        scores.write(found, out / "active_layer_scores.csv")
        written.append(out / "active_layer_scores.csv")
        for s in found:
            if s.site == scores.ALL or len(found) == 1:
                print(
                    f"{s.stream}: n {s.n}, R2 {s.r2:.2f}, RMSE {s.rmse / 1000:.3g} kg m-2, bias {s.bias / 1000:.3g} kg m-2"
                )
    if not arguments.no_figures and figures.available():
        written += shown.draw(groups, profiles.EDGES, path.name, out)
        if simulated is not None:
            places = [np.asarray(table[name].values, dtype=np.float64) for name in ("latitude", "longitude")]
            drawn, source = out / "liu2022_figure2_stocks.png", f"{path.name} and {simulated.name}"
            plateau = bool(shown.on_plateau(*places).any())
            written.append(shown.stocks_figure(drawn, stocks, found, source, plateau=plateau))
    elif not arguments.no_figures:
        print("no figures: matplotlib is not installed; run: pip install 'jtem[plots]'")
    print(f"{len(written)} files in {out}")


def active_layer_comparison(simulated: Path, table: Any, kind: np.ndarray) -> tuple[list[tuple[str, ...]], list[Any]]:
    """Observed stocks down to the simulated active layer beside the simulated ones: lines of a table, and scores.

    ``simulated``: an annual file of a run (a profile takes the nearest cell whose middle is within the side of its area),
    or a CSV table by site. ``kind`` (place,): vegetation types. Raises ``InputError`` where nothing can be compared.
    """
    from jtem.readers import regrid, site_tables
    from jtem.report import profiles as shown
    from jtem.study import profiles

    places = [str(name) for name in table["place"].values]
    if simulated.suffix == ".csv":
        mine = site_tables.active_layer_stocks(simulated, places)
    else:
        run = shown.read_run(simulated)
        place = [np.asarray(table[name].values, dtype=np.float64) for name in ("latitude", "longitude")]
        known = np.isfinite(place[0]) & np.isfinite(place[1])
        cell = np.zeros(known.size, dtype=int)
        distance = np.full(known.size, np.inf)
        if known.any():
            cell[known], distance[known] = regrid.nearest_place(
                place[0][known], place[1][known], run.latitude, run.longitude
            )
        inside = distance <= np.sqrt(run.area[cell])
        mine = {name: np.where(inside, getattr(run, name)[cell], np.nan) for name in ("thaw", "carbon", "nitrogen")}
        print(
            f"{int(inside.sum())} of {inside.size} profiles lie in a cell of {simulated.name} (mean of its last "
            f"{shown.YEARS} years)"
        )
    lines: list[tuple[str, ...]] = [shown.STOCK_COLUMNS]
    found = []
    for element in shown.ELEMENTS:
        observed = site_tables.stock_above(table, mine["thaw"], element, estimated=False)
        both = np.isfinite(observed) & np.isfinite(mine[element])
        if not both.any():
            continue
        found += profiles.stock_scores(kind[both].tolist(), element, mine[element][both], observed[both])
        for k in np.flatnonzero(both):
            numbers = (mine["thaw"][k], observed[k] / 1000.0, mine[element][k] / 1000.0)
            lines.append((places[k], kind[k], element, *(f"{v:.5g}" for v in numbers)))
    if not found:
        raise InputError(
            f"{simulated}: no profile is known down to the simulated active layer at its place; check that places or sites and "
            "depths match"
        )
    return lines, found


def written_plan(folder: Path) -> str:
    """The plan that a run's files carry."""
    import xarray as xr

    for path in sorted(folder.glob("*_annual.nc")):
        with xr.open_dataset(path, decode_times=False) as data:
            return str(data.attrs["plan"])
    raise InputError(
        f"{folder}: no annual files of a finished run and no simulated.csv; give a folder that 'jtem run' or "
        "'jtem calibrate' wrote"
    )


def climate_models(found: Sequence[tuple[Path, Plan]]) -> dict[str, Any]:
    """Members of runs reported together, a climate model each: its word in the plan's [prepare], else the plan's name."""
    from jtem.report.factorial import Files

    (first_folder, first), *others = found
    for folder, plan in found:
        if not plan.factorial.scenarios or plan.factorial.members:
            raise InputError(
                f"{folder}: only runs of a [factorial] without members of their own are reported together; give one run"
            )
    for folder, plan in others:
        a, b = first.factorial, plan.factorial
        same = {
            "runs": a.runs == b.runs,
            "scenarios": a.scenarios == b.scenarios,
            "base_year": a.base_year == b.base_year,
        }
        same["history"] = (first.history.name, first.history.last) == (plan.history.name, plan.history.last)
        if not all(same.values()):
            key = next(name for name, equal in same.items() if not equal)
            raise InputError(f"{folder}: has another {key} than {first_folder}; report runs of one protocol together")
    words = [plan.prepare.model or plan.plan.name for _, plan in found]
    if len(set(words)) < len(words):
        words = [folder.name for folder, _ in found]
    if len(set(words)) < len(words):
        raise InputError(
            f"{first_folder}: its climate model, plan and folder are called as another's; rename the folder"
        )
    return {word: Files(folder, plan.plan.name) for word, (folder, plan) in zip(words, found, strict=True)}


def factorial_report(found: Sequence[tuple[Path, Plan]], out: Path, *, figures_wanted: bool) -> None:
    """Report of a plan with ``[factorial]`` into ``out``: headline, tables, closures, figures.

    Several runs are the climate models of one protocol, each with its own history.
    """
    import tomllib

    from jtem.files import data_path, prepare_folder
    from jtem.report import factorial, figures, liu2022, liu2024

    folder, plan = found[0]
    f = plan.factorial
    rows = f.protocol
    paper = "liu2022" if {"S_T", "S_R"} <= {row.name for row in rows} else "liu2024"
    if len(found) > 1:
        files = climate_models(found)
        if paper == "liu2024":
            raise InputError(f"{folder}: Liu et al. (2024) have one climate model; report each run on its own")
    else:
        files = {member.name: factorial.Files(folder, plan.plan.name, member.name) for member in f.ensemble}
    prepare_folder(out)
    data = factorial.read_members(
        files,
        plan.history.name,
        f.scenarios,
        [row.name for row in rows],
        (plan.history.last - 9, plan.history.last) if paper == "liu2022" else (2010, 2015),
        plan.plan.title or plan.plan.name,
    )
    reasons = tomllib.loads(data_path("published", "differences.toml").read_text(encoding="utf-8"))
    own = {"embedded": "emulated", "climate_grid": "half_degree"}.get(plan.domain.source, "")
    notes = {**reasons[paper], **reasons.get(f"{paper}_{own}", {})}
    written = []
    if paper == "liu2022":
        lines, tables = liu2022.headline(data, notes)
        worst = liu2022.identities(data)
        print(
            f"identities: SOC_PF and the transfer agree within {max(i.carbon for i in worst):.1e} of SOC, SON_PF within "
            f"{max(i.nitrogen for i in worst):.1e} of SON ({len(worst)} pairs of runs)"
        )
        draw = liu2022.draw
    else:
        lines = liu2024.headline(data, notes)
        sites = tomllib.loads(data_path("embedded", "sites.toml").read_text(encoding="utf-8"))
        tables = {
            "table1": liu2024.sites_table(sites),
            "table2": liu2024.design_table(data, {row.name: sorted(row.held) for row in rows}, f.base_year),
            "effects": liu2024.effects_table(data),
        }
        draw = liu2024.draw
    closed = factorial.closures(data)
    tables["closure"] = [
        ("run", "years", "carbon left over (Pg C)", "carbon (Pg C)", "nitrogen left over (Pg N)", "nitrogen (Pg N)"),
        *(
            (
                c.run,
                str(c.years),
                f"{c.carbon:.2e}",
                f"{c.carbon_stock:.6g}",
                f"{c.nitrogen:.2e}",
                f"{c.nitrogen_stock:.6g}",
            )
            for c in closed
        ),
    ]
    worst_carbon = max(abs(c.carbon) / c.carbon_stock for c in closed)
    worst_nitrogen = max(abs(c.nitrogen) / c.nitrogen_stock for c in closed)
    print(
        f"region: carbon of {len(closed)} runs closes within {worst_carbon:.1e} of its stock over {closed[0].years} years, "
        f"nitrogen within {worst_nitrogen:.1e}"
    )
    written.append(factorial.write_lines(out / "headline.csv", lines))
    written += [factorial.write_table(out / f"{name}.csv", rows_) for name, rows_ in tables.items()]
    print(factorial.as_text(lines, plan.plan.title or plan.plan.name))
    if figures_wanted and figures.available():
        written += draw(data, out)
    elif figures_wanted:
        print("no figures: matplotlib is not installed; run: pip install 'jtem[plots]'")
    print(f"{len(written)} files in {out}")


def command_export(arguments: argparse.Namespace) -> int:
    """Other files of a finished run: on a regular grid, for ISIMIP, or netCDF from its Zarr store."""
    from jtem import plan as plans
    from jtem.files import prepare_folder
    from jtem.writers import export
    from jtem.writers.netcdf import NetcdfSink
    from jtem.writers.zarr import ZarrStore

    folder: Path = arguments.folder
    out: Path = arguments.out or folder / arguments.profile
    if arguments.profile == "netcdf":
        stores = sorted(folder.glob("*.zarr"))
        if len(stores) != 1:
            raise InputError(f"{folder}: holds {len(stores)} Zarr stores, expected one; give the folder of one run")
        store = ZarrStore.open(stores[0])
        prepare_folder(out)
        said = {k: v for k, v in store.meta.items() if k not in ("stages", "labels", "communities", "units")}
        with NetcdfSink(
            out,
            stores[0].stem,
            store.grid(),
            attributes=said,
            heat_edges=store.root["heat_edges"][:],
            write_states=False,
            double=arguments.double,
        ) as sink:
            store.replay(sink)
            written = sink.finish(store.failed())
    else:
        files = sorted([*folder.glob("*_annual.nc"), *folder.glob("*_monthly.nc")])
        plan = plans.parse(written_plan(folder), f"the plan in {folder}")
        if arguments.profile == "isimip":
            words = export.isimip_words(plan.plan.institution, plan.plan.contact, plan.isimip, f"the plan in {folder}")
            prepare_folder(out)
            written = export.isimip(files, out, words, {s: plan.isimip.scenarios.get(c, c) for s, c in climates(plan)})
        else:
            prepare_folder(out)
            written = [export.gridded(path, out / path.name) for path in files]
    if not written:
        raise InputError(
            f"{folder}: has nothing for the profile '{arguments.profile}'; add variables to [output] and run"
        )
    print(f"{len(written)} files in {out}")
    return DONE


def climates(plan: Plan) -> list[tuple[str, str]]:
    """Stage and climate of every stage in which nothing is held."""
    from jtem.study.protocol import stage_name

    f = plan.factorial
    free = [run for run in f.protocol if not run.held] if f.scenarios else []
    result = [(plan.history.name, plan.history.climate), *((s.name, s.climate) for s in plan.scenario if s.expose)]
    return result + [(stage_name(r, s, m), s) for s in f.scenarios for m in f.ensemble for r in free]


def command_check(arguments: argparse.Namespace) -> int:
    """Validate everything and say what a run would take, without running."""
    prepared = open_plan(arguments.plan, arguments.data)
    plan, experiment = prepared.plan, prepared.experiment
    rate = COLUMN_YEARS_PER_SECOND[plan.model.precision.name] * usable_cores()
    seconds = COMPILE_SECONDS + prepared.column_years / rate
    spin = experiment.spin_up
    print(f"{plan.where}: fine")
    print(f"  cells    {prepared.grid.latitude.size:,}, columns {prepared.grid.column_cell.size:,}")
    if spin is not None:
        carbon = "equilibrium" if spin.method == "equilibrium" else f"{spin.years} years"
        print(f"  spin-up  {spin.heat_years} years of heat, {carbon} of carbon, {spin.cycle_years} years cycling")
    for stage in experiment.stages:
        thaw = "thaw exposes permafrost" if stage.expose else "no exposure"
        print(f"  stage    {stage.name} {stage.first_year}-{stage.last_year} after {stage.parent}, {thaw}")
    print(f"  years    {sum(s.years for s in experiment.stages):,}; cells x years {prepared.column_years:,}")
    print(f"  model    permafrost {plan.model.permafrost.name}, precision {plan.model.precision.name}")
    print(f"  parameters {', '.join(prepared.table.files)} (hash {prepared.table.hash()})")
    print(f"  inputs   {'; '.join(prepared.inputs)}")
    print(f"  memory   about {prepared.memory_bytes() / 1e9:.1f} GB")
    print(f"  time     about {duration(seconds)} on {usable_cores()} cores, compilation included")
    return DONE


def command_prepare(arguments: argparse.Namespace) -> int:
    """Raw files to one prepared store, once."""
    import json

    from jtem import parameters, step
    from jtem import plan as plans
    from jtem.readers import prepare as stores
    from jtem.readers import to_model

    begin = time.perf_counter()
    plan, data = plans.read(arguments.plan), arguments.data
    path, words = plan.store, recipe_words(plan)
    if plan.domain.source == "prepared":
        raise InputError(f"{plan.where}: [domain] source is 'prepared' already; run the plan, or name the raw source")
    if path.exists() and not arguments.force:
        differing, have = stores.differences(path, words), stores.years(path)
        fits = all(
            name in have and have[name][0] <= a <= b <= have[name][1] for name, (a, b) in plan.climate_years.items()
        )
        if not differing and fits:
            print(f"{path}: prepared already with these settings; nothing to do")
            return DONE
        what = ", ".join(differing) or "years"
        raise InputError(
            f"{path}: exists, prepared with other settings ({what}); use --force or another [prepare] store"
        )
    table = parameters.read_table(
        step.Parameters, parameter_files(plan.model.parameters, data, f"{plan.where}: [model]")
    )
    files: list[Path] = []
    if plan.domain.source == "isimip":
        recipe = isimip_recipe(plan, data)
        cells, notes = stores.isimip_cells(recipe, table.communities)
        inputs = [str(recipe.vegetation)]
    else:
        cells, source_of, inputs = domain(plan, data)
        notes = []
    to_model.check_cells(cells, table.communities, inputs[0])
    climate_cell, offset = None, None
    if plan.domain.source == "isimip":
        climates, sharing, offset, said, files = stores.isimip_climates(recipe, cells)
        climate_cell, notes = sharing.index, [*notes, *said]
        maps = (recipe.vegetation, recipe.texture, recipe.texture_layers, recipe.elevation, recipe.land_mask)
        maps += (recipe.permafrost_map, recipe.climate_elevation)
        files += [name for name in maps if name is not None]
    else:
        climates = {}
        for name, (first, last) in plan.climate_years.items():
            source, where = source_of(name)
            climates[name] = stores.from_source(source, cells.sizes["cell"], first, last, where)
    print(f"preparing {path}: {cells.sizes['cell']:,} cells, climates {', '.join(climates)}", flush=True)
    attributes = {
        "title": plan.plan.title or plan.plan.name,
        "institution": plan.plan.institution,
        "source": f"jtem {__version__} prepare",
        "date_created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "plan": plan.text,
        "recipe": json.dumps(words, sort_keys=True),
        "inputs": "; ".join([f"{name.name} ({name.stat().st_size} bytes)" for name in files] or inputs),
        "notes": "; ".join(notes),
    }
    stores.write(
        path,
        cells,
        climates,
        climate_cell=climate_cell,
        offset=offset,
        attributes=attributes,
        progress=lambda text: print(f"  {text}", file=sys.stderr, flush=True),
    )
    for note in notes:
        print(f"  {note}")
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB in {time.perf_counter() - begin:.1f} s")
    return DONE


def command_sensitivity(arguments: argparse.Namespace) -> int:
    """Derivatives, indices and propagated uncertainty of a plan with [sensitivity]: datasets, tables, figures."""
    from jtem import plan as plans

    begin = time.perf_counter()
    plan = plans.read(arguments.plan)
    if not plan.sensitivity.quantities:
        raise InputError(
            f'{plan.where}: section [sensitivity.quantities] is missing; add e.g. loss = "sum RH_PF 2015-2100"'
        )
    folder: Path = arguments.out or Path(f"{plan.plan.name}_sensitivity")
    with output_folder(folder):
        prepared = open_plan(arguments.plan, arguments.data, gradients=True)
        written, failed = sensitivity_results(prepared, folder, figures_wanted=not arguments.no_figures)
    print(f"{len(written)} files in {folder}, {duration(time.perf_counter() - begin)}")
    return FAILED_CELLS if failed else DONE


def quantity_of(name: str, text: str, where: str):
    """``"sum RH_PF 2015-2100"`` as a :class:`jtem.study.sensitivity.Quantity`; raises ``InputError``."""
    from jtem import variables
    from jtem.study.sensitivity import HOW, Quantity

    where = f"{where}: [sensitivity.quantities] {name}"
    words = text.split()
    window = words[2].split("-") if len(words) == 3 else []
    if len(window) not in (1, 2) or not all(word.isdigit() for word in window):
        raise InputError(f'{where} is {text!r}; write "HOW VARIABLE FIRST-LAST" with how one of {", ".join(HOW)}')
    variable = variables.find(words[1], where)
    if variable.layer or variable.derived:
        raise InputError(f"{where}: {variable.name!r} is not one number a column; choose another variable")
    unit = variable.unit
    if words[0] == "sum":
        unit = unit.replace(" month-1", "").replace(" year-1", "")
    else:
        unit = unit.replace("month-1", "year-1") if variable.yearly == "sum" else unit
    return Quantity(name, variable.name, variable.yearly, words[0], int(window[0]), int(window[-1]), unit)


def read_covariance(path: Path):
    """A table of name, value and one column a name, as :class:`jtem.study.ensembles.Uncertainty`; raises ``InputError``."""
    import csv

    from jtem.study.ensembles import Uncertainty

    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    names = tuple(str(row.get("name")) for row in rows)
    try:
        values = np.array([float(row["value"]) for row in rows])
        covariance = np.array([[float(row[other]) for other in names] for row in rows])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: not a covariance ({error}); write the columns name, value and one named after each parameter"
        ) from None
    return Uncertainty(names, values, covariance.reshape(len(names), len(names)), path.name)


def sensitivity_results(prepared: Prepared, folder: Path, *, figures_wanted: bool) -> tuple[list[Path], int]:
    """All methods of [sensitivity] into ``folder``; the files and the number of columns without an equilibrium."""
    from jtem import variables
    from jtem.plan import resolve
    from jtem.report import figures
    from jtem.report import sensitivity as shown
    from jtem.study import ensembles, sensitivity

    plan, part, grid = prepared.plan, prepared.plan.sensitivity, prepared.grid
    where = f"{plan.where}: [sensitivity]"
    quantities = [quantity_of(name, text, plan.where) for name, text in part.quantities.items()]
    outputs = [variables.find(name, where) for name in part.outputs]
    known = [s.name for s in plan.scenario]
    if not known:
        raise InputError(f"{plan.where}: a sensitivity needs a [[scenario]]; add one")
    chosen = part.scenarios or (tuple(known) if "feedback" in part.methods else tuple(known[:1]))
    annual = dict((q.variable, q.reduction) for q in quantities) | {v.name: v.yearly for v in outputs}
    model = sensitivity.model_of(
        prepared.experiment, prepared.table, chosen, tuple(annual.items()), chunk_columns=part.chunk_columns
    )
    said = attributes(prepared) | {"spin_up": f"{model.chain.heat_years} years of soil heat, then the equilibrium"}
    drawing = figures_wanted and figures.available()
    if figures_wanted and not drawing:
        print("no figures: matplotlib is not installed; run: pip install 'jtem[plots]'")
    written: list[Path] = []
    print(
        f"{model.columns} columns, {len(model.vector.names)} parameters, {model.years[0]}-{model.years[-1]}", flush=True
    )
    begin, label = time.perf_counter(), ["forward"]

    def tell(scenario: str, done: int, total: int, what: str) -> None:
        print(f"  {label[0]} {scenario}: {done} of {total} {what}, {time.perf_counter() - begin:.0f} s", flush=True)

    print("compiling; the adjoint takes minutes", flush=True)
    model = replace(model, report=tell)
    whole = sensitivity.settled(model, chosen[0])
    failed = int((~whole).sum())
    settled, area = model.take(np.flatnonzero(whole)), sensitivity_area(prepared)[whole]
    if failed:
        print(
            f"{failed} columns have no equilibrium; their derivatives are missing in the files, and ensembles and sums "
            "leave them out",
            file=sys.stderr,
        )
    for scenario in chosen:
        if "adjoint" in part.methods:
            label[0] = "adjoint"
            result = sensitivity.adjoint(model, scenario, quantities)
            data = shown.adjoint_dataset(result, model, grid)
            written.append(shown.write(data, folder / f"adjoint_{scenario}.nc", said))
            print(shown.as_text(data), flush=True)
            for quantity in quantities if drawing else ():
                written.append(shown.tornado(data, quantity.name, folder / f"tornado_{scenario}_{quantity.name}.png"))
                if len(np.unique(model.column_cell)) > 6:
                    written.append(shown.maps(data, quantity.name, folder / f"map_{scenario}_{quantity.name}.png"))
        if "tangent" in part.methods:
            label[0] = "tangent"
            moved = sensitivity.tangent(model, scenario, part.directions)
            data = shown.tangent_dataset(moved, model, grid)
            written.append(shown.write(data, folder / f"tangent_{scenario}.nc", said))
            if drawing:
                names = [v.name for v in outputs] or [q.variable for q in quantities]
                written.append(shown.time_series(data, list(dict.fromkeys(names)), folder / f"tangent_{scenario}.png"))
        for method in ("morris", "sobol"):
            if method not in part.methods:
                continue
            label[0] = method
            size = {"trajectories": part.trajectories} if method == "morris" else {"samples": part.samples}
            found = getattr(ensembles, method)(
                settled, scenario, factors_of(part.parameters, where), quantities, spread=part.spread,
                area=area if settled.columns > 6 else None, seed=part.seed, **size,
            )  # fmt: skip
            data = shown.indices_dataset(found, settled, grid, scenario)
            written.append(shown.write(data, folder / f"{method}_{scenario}.nc", said))
            if drawing:
                written.append(shown.indices(data, folder / f"{method}_{scenario}.png"))
    if "feedback" in part.methods:
        if part.covariance:
            path = Path(part.covariance)
            path = path if path.is_file() else resolve(part.covariance, None, where)
            uncertainty = read_covariance(path)
        else:
            uncertainty = ensembles.prior(settled, factors_of(part.parameters, where), part.prior)
        units = {q.unit for q in quantities}
        pg = units == {"gC m-2"}
        if len(units) > 1:
            raise InputError(f"{where}: quantities of a feedback must share a unit, found {', '.join(sorted(units))}")
        weights = area * 1e-15 if pg else area / area.sum()
        label[0] = "feedback"
        carried = ensembles.propagate(
            settled, uncertainty, quantities, weights, samples=part.members, scales=part.scales, seed=part.seed,
            unit="Pg C" if pg else f"{units.pop()} (mean of the area)",
        )  # fmt: skip
        data = shown.feedback_dataset(carried)
        written.append(shown.write(data, folder / "feedback.nc", said))
        print(feedback_text(carried))
        if drawing:
            written.append(shown.feedback(data, folder / "feedback.png"))
    return written, failed


def factors_of(names: Sequence[str], where: str) -> Sequence[str]:
    """The parameters of an ensemble; raises ``InputError`` where none is named."""
    if not names:
        raise InputError(f"{where}: 'parameters' is missing; name those that the ensemble varies")
    return names


def sensitivity_area(prepared: Prepared) -> np.ndarray:
    """Area of every column in m2; 1 for named sites, which have none."""
    grid = prepared.grid
    area = np.asarray(grid.area)[grid.column_cell] * np.asarray(grid.column_fraction) * 1e6
    return area if np.isfinite(area).all() and (area > 0).all() else np.ones(area.size)


def feedback_text(result: Any) -> str:
    """Linear and sampled uncertainty side by side."""
    lines = [f"uncertainty carried through ({result.source}; {result.unit})"]
    lines.append(f"  {'':42}{'scale':>6}{'best':>10}{'sd linear':>11}{'sd ensemble':>13}{'+-':>8}{'r2':>7}{'runs':>6}")
    for k, scale in enumerate(result.scales):
        for r, (scenario, name) in enumerate(result.rows):
            lines.append(
                f"  {scenario + ': ' + name:42}{scale:6.2g}{result.best[r]:10.4g}{result.linear[k, r]:11.4g}"
                f"{result.deviation[k, r]:13.4g}{result.deviation_error[k, r]:8.2g}{result.agreement[k, r]:7.3f}"
                f"{result.kept[k]:6d}"
            )
    return "\n".join(lines)


def command_calibrate(arguments: argparse.Namespace) -> int:
    """Fit parameters to observations: see ``calibration_plan.py``; or export the problem to PEST and stop."""
    from jtem import calibration_plan
    from jtem.plan import use_precision

    plan = calibration_plan.read(arguments.plan)
    use_all_cores(gradients=True)
    use_precision(plan.model.precision.name)
    from jtem import calibrate
    from jtem.study import pest

    files = parameter_files((*plan.model.parameters, *arguments.overlay), arguments.data, f"{plan.where}: [model]")
    data = arguments.data or (Path(os.environ["JTEM_DATA"]) if "JTEM_DATA" in os.environ else None)
    prepared = calibrate.build(plan if arguments.pest_run is None else calibrate.for_pest_run(plan), data, files)
    observed = prepared.problem.observations
    held = int((np.isfinite(observed.value) & ~observed.fit).sum())
    print(
        f"{plan.calibration.title or plan.calibration.name}: {len(prepared.problem.sites)} sites, {observed.fitted.sum()} "
        f"observations to fit, {held} held out, {len(prepared.model.names)} free coordinates"
    )
    for note in prepared.notes[: 20 if arguments.verbose else 0]:
        print(f"  {note}")
    if arguments.pest is not None:
        problem = calibrate.pest_problem(prepared)
        again = f"jtem calibrate {arguments.plan.resolve()} --overlay parameters.toml --pest-run simulated.txt"
        again += f" --data {data.resolve()}" if data else ""
        for path in pest.write(problem, arguments.pest, plan.calibration.name, again).values():
            print(f"wrote {path}")
        return DONE
    if arguments.pest_run is not None:
        calibrate.simulated_for_pest(prepared, calibrate.pest_problem(prepared), arguments.pest_run)
        return DONE
    folder = arguments.out or Path(plan.calibration.name)
    with output_folder(folder):
        print("compiling, then searching (misfit of each start; * has stopped)", flush=True)
        outcome = calibrate.fit(prepared, folder, resume=arguments.resume, say=lambda line: print(line, flush=True))
        found = calibrate.write_results(prepared, outcome, folder)
    from jtem.study.least_squares import REASONS, summary

    print(f"stopped: {REASONS[outcome.fit.reason]}; {outcome.fit.runs} model runs, {outcome.seconds:.0f} s")
    for name, bound in prepared.model.transform.at_bounds(prepared.model.transform.values(outcome.fit.x)):
        print(f"  {name} is at its {bound} bound")
    calibrate.print_scores(found, calibrate.read_before(folder), print)
    print(f"wrote {folder / 'calibrated.toml'}, scores.csv, parameters.csv and figures", flush=True)
    if plan.posterior is not None:
        with output_folder(folder):
            draws = calibrate.sample(
                prepared, outcome, folder, resume=arguments.resume, say=lambda line: print(line, flush=True)
            )
            drawn, warnings = calibrate.write_posterior(prepared, outcome, draws, folder)
        calibrate.print_posterior(drawn, summary(outcome.fit, prepared.model.transform), print)
        for warning in warnings:
            print(f"warning: {warning}")
        print(
            f"wrote {folder / 'posterior.csv'}, posterior_summary.csv and the figure; {draws.seconds:.0f} s of drawing"
        )
    return DONE


def command_variables(arguments: argparse.Namespace) -> int:
    """The table of output variables."""
    from jtem import variables

    print(variables.table(arguments.markdown))
    return DONE


def command_parameters(arguments: argparse.Namespace) -> int:
    """The table of parameters."""
    from jtem import parameters, step

    table = parameters.read_table(step.Parameters, parameter_files(arguments.overlay, None, "--overlay"))
    communities = [arguments.community] if arguments.community else list(table.communities)
    for name in communities:
        table.index(name)
    rows = [("parameter", "symbol", "unit", "value", "bounds", "meaning", "source")]
    for entry in table.entries.values():
        value = spread([entry.values[name] for name in communities])
        bounds = f"{entry.lower:g} .. {entry.upper:g}"
        rows.append((entry.name, entry.symbol, entry.unit, value, bounds, entry.description, entry.source))
    if arguments.markdown:
        for k, row in enumerate(rows):
            print("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
            if k == 0:
                print("|" + " --- |" * len(row))
        return DONE
    widths = [max(len(row[k]) for row in rows) for k in range(6)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row[:6], widths, strict=True)).rstrip())
    if not arguments.community:
        print(f"\ncommunities: {', '.join(table.communities)}")
    return DONE


def spread(values: Sequence[Any]) -> str:
    """One value, a range over communities, or a list where a parameter has several numbers."""
    table = np.asarray(values, dtype=np.float64)
    low, high = table.min(axis=0), table.max(axis=0)
    if table.ndim > 1:
        return ", ".join(f"{a:g}" if a == b else f"{a:g} .. {b:g}" for a, b in zip(low, high, strict=True))
    return f"{low:g}" if low == high else f"{low:g} .. {high:g}"


def command_info(arguments: argparse.Namespace) -> int:
    """Versions, devices, data."""
    del arguments
    import platform

    import jax

    from jtem.files import data_path
    from jtem.plan import DATA_VARIABLE
    from jtem.readers.embedded import DOMAINS, SCENARIO_YEARS

    use_all_cores()
    devices = jax.local_devices()
    print(f"jtem      {__version__}, Python {platform.python_version()}, jax {jax.__version__}")
    print(f"devices   {len(devices)} {devices[0].platform}; {usable_cores()} usable cores")
    print(f"data      {data_path()}; {DATA_VARIABLE}={os.environ.get(DATA_VARIABLE, '(not set)')}")
    print(f"embedded  domains {', '.join(DOMAINS)}; emulated climates {', '.join(SCENARIO_YEARS)}")
    if devices[0].platform == "cpu" and Path("/dev/nvidia0").exists():
        print("hint      an NVIDIA device is here but JAX runs on the CPU; run: pip install 'jtem[gpu]'")
    return DONE


def joined_processes(words: str) -> tuple[tuple[int, int], Callable[[], None]]:
    """Join JAX's distributed runtime: this process's share of the chunks (i, n), and how to leave it.

    ``words``: "auto" (a cluster that JAX knows, such as Slurm) or "HOST:PORT,I,N" with I from 0. Cells do not speak to one
    another, so processes share nothing but the folder; the runtime tells each its number and stops all if one dies. Leaving
    waits for the others, for as long as they work (collectives would give up after seconds).
    """
    import jax

    patience = 30 * 86400
    try:
        if words == "auto":
            jax.distributed.initialize(shutdown_timeout_seconds=patience)
        else:
            address, index, count = words.split(",")
            jax.distributed.initialize(
                coordinator_address=address,
                num_processes=int(count),
                process_id=int(index),
                shutdown_timeout_seconds=patience,
            )
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"--distributed {words!r}: JAX's processes could not be joined ({str(error).splitlines()[0]}); give 'auto' on a "
            "cluster that JAX knows, or HOST:PORT,I,N with I from 0"
        ) from None
    return (jax.process_index(), jax.process_count()), jax.distributed.shutdown


def part_of(text: str) -> tuple[int, int]:
    """``2/8``: the second of eight parts, as (1, 8)."""
    try:
        part, parts = (int(word) for word in text.split("/"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N, e.g. 2/8") from None
    if not 1 <= part <= parts:
        raise argparse.ArgumentTypeError(f"{text!r}: the part must lie within 1..{parts}")
    return part - 1, parts


def parser() -> argparse.ArgumentParser:
    """All commands and options."""
    top = argparse.ArgumentParser(prog="jtem", description="A JAX-differentiable Terrestrial Ecosystem Model.")
    top.add_argument("--version", action="version", version=f"jtem {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, action: Callable[[argparse.Namespace], int], help_text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help_text, description=help_text)
        command.set_defaults(action=action)
        return command

    demo = add("demo", command_demo, "run the embedded default (emulated climate): table, netCDF files, one figure")
    demo.add_argument("--out", type=Path, default=Path("jtem_demo"), metavar="DIR", help="output folder (jtem_demo)")
    run = add("run", command_run, "run a plan")
    reporting = add("report", command_report, "tables and figures of a finished run or of finished calibrations")
    reporting.add_argument(
        "folders",
        type=Path,
        nargs="*",
        metavar="DIR",
        help="folder of a run; or of calibrations, or a folder that holds them",
    )
    reporting.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder of the report (default: DIR/report; calibration_report for several)",
    )
    reporting.add_argument("--no-figures", action="store_true", help="tables only")
    reporting.add_argument(
        "--profiles", type=Path, metavar="TABLE.csv", help="half depths and mean profiles of a table of soil profiles"
    )
    reporting.add_argument(
        "--by", default="", metavar="COLUMN", help="with --profiles: the column that names vegetation types"
    )
    reporting.add_argument(
        "--simulated",
        type=Path,
        metavar="FILE",
        help="with --profiles: annual file of a run (or CSV) whose active layers to score",
    )
    exporting = add("export", command_export, "other files of a finished run: lat-lon grid, ISIMIP, netCDF from Zarr")
    exporting.add_argument("folder", type=Path, metavar="RUN_DIR")
    exporting.add_argument(
        "--profile", choices=("grid", "isimip", "netcdf"), default="grid", help="what to write (grid)"
    )
    exporting.add_argument("--out", type=Path, metavar="DIR", help="folder of the files (default: RUN_DIR/PROFILE)")
    exporting.add_argument("--double", action="store_true", help="netcdf: numbers of 64 bits")
    check = add("check", command_check, "validate a plan and all its inputs; estimate memory and time; run nothing")
    ready = add("prepare", command_prepare, "turn raw files into one prepared store, once; runs then start in seconds")
    ready.add_argument("--force", action="store_true", help="prepare again over an existing store")
    sensing = add(
        "sensitivity", command_sensitivity, "derivatives, Sobol indices and uncertainty of a plan's quantities"
    )
    sensing.add_argument("--no-figures", action="store_true", help="datasets and tables only")
    for command in (run, check, ready, sensing):
        command.add_argument("plan", type=Path, metavar="PLAN.toml")
        command.add_argument(
            "--data", type=Path, metavar="DIR", help="folder of input files (or the variable JTEM_DATA)"
        )
    run.add_argument("--out", type=Path, metavar="DIR", help="output folder (default: the plan's name)")
    sensing.add_argument("--out", type=Path, metavar="DIR", help="output folder (default: NAME_sensitivity)")
    run.add_argument(
        "--force",
        action="store_true",
        help="overwrite files, discard unfinished work; accept a state of other parameters",
    )
    run.add_argument(
        "--resume", action="store_true", help="go on with the unfinished run in the output folder, or refuse"
    )
    run.add_argument(
        "--part",
        type=part_of,
        metavar="I/N",
        help="only every N-th chunk from the I-th (job array); then run without it",
    )
    run.add_argument(
        "--distributed",
        metavar="auto|HOST:PORT,I,N",
        help="share the chunks among the processes of JAX's distributed runtime; the first one writes the files",
    )
    fitting = add("calibrate", command_calibrate, "fit parameters to observations by exact derivatives")
    fitting.add_argument("plan", type=Path, metavar="PLAN.toml")
    fitting.add_argument("--data", type=Path, metavar="DIR", help="folder of input files (or the variable JTEM_DATA)")
    fitting.add_argument("--out", type=Path, metavar="DIR", help="output folder (default: the plan's name)")
    fitting.add_argument(
        "--resume",
        action="store_true",
        help="go on with the search, and with the draws of [posterior], in the output folder",
    )
    fitting.add_argument("--overlay", action="append", default=[], metavar="NAME", help="one more parameter overlay")
    fitting.add_argument("--pest", type=Path, metavar="DIR", help="write the problem as PEST files and stop")
    fitting.add_argument(
        "--pest-run", type=Path, metavar="FILE", help="one model run for PEST: write its output and stop"
    )
    fitting.add_argument("--verbose", action="store_true", help="what the readers left out")
    listing = add("variables", command_variables, "list all output variables")
    listing.add_argument("--markdown", action="store_true", help="as a Markdown table")
    values = add("parameters", command_parameters, "list all parameters with value, unit, bounds and source")
    values.add_argument("--community", metavar="NAME", help="values of one community")
    values.add_argument("--overlay", action="append", default=[], metavar="NAME", help="with an overlay, e.g. liu2024")
    values.add_argument("--markdown", action="store_true", help="as a Markdown table, with sources")
    add("info", command_info, "versions, devices, data")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    arguments = parser().parse_args(argv)
    try:
        return arguments.action(arguments)
    except (InputError, ParameterError) as error:
        print(f"jtem: {' '.join(str(error).split())}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print("\njtem: stopped; the same command goes on from the last finished piece of work", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:
        sys.stderr.close()
        return DONE


if __name__ == "__main__":
    sys.exit(main())
