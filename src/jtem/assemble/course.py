"""A plan to an experiment: spin-up, stages, what is kept, restart."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

from jtem import parameters, run, step, variables
from jtem import plan as plans
from jtem.assemble import model, origin
from jtem.assemble.domain import Loader, domain_of, loaders
from jtem.assemble.fields import known_of, mean_year, with_own
from jtem.devices import use_all_cores
from jtem.errors import InputError, suggest
from jtem.files import Inputs
from jtem.parameters import ParameterTable
from jtem.plan.run import OutputSection, Plan, SpinUpSection
from jtem.readers.catalogue import Domain
from jtem.readers.to_model import ModelCells
from jtem.records import Grid, Selection
from jtem.run import Experiment, SpinUp, Stage
from jtem.run import factorial as protocol
from jtem.writers.states import check_origin, load_state, state_attributes

STATE_BYTES = 4096  # of one column, rounded up
PROGRAM_BYTES = 1_000_000_000
"""Of a process with JAX and the compiled programs of a factorial, or of the demo with its figure."""
BLOCKS_WAITING = 4
"""Blocks of results that wait to be written (``writers.behind``)."""
Load = Callable[..., Loader]


@dataclass(frozen=True)
class Prepared:
    """A plan with everything it names read and checked. ``title``: what titles say about the climate. ``files``: what
    was read, but for what is packaged with jtem.
    """

    plan: Plan
    experiment: Experiment
    grid: Grid
    table: ParameterTable
    inputs: tuple[str, ...]
    title: str
    files: tuple[Path, ...] = ()

    @property
    def column_years(self) -> int:
        """Years of all columns in the transient stages and the spin-up."""
        spin = self.experiment.spin_up
        years = sum(stage.years for stage in self.experiment.stages)
        return len(self.experiment.column_cell) * (years + (spin.heat_years + spin.cycle_years if spin else 0))

    def memory_bytes(self) -> int:
        """Rough memory of a run: that of a chunk, and states kept for files."""
        experiment = self.experiment
        stages = len(experiment.stages) + 1 if self.plan.output.state else 0
        return self.chunk_bytes() + len(experiment.column_cell) * STATE_BYTES * stages

    def chunk_bytes(self) -> int:
        """Rough memory of a process that runs a chunk: its programs, climates of all stages, blocks of outputs."""
        experiment = self.experiment
        columns = min(experiment.chunk_columns, len(experiment.column_cell))
        climate = sum(stage.years for stage in experiment.stages) * (4 * 12 + 2) * 8 * 2
        waiting = len(experiment.stages) + BLOCKS_WAITING
        block = experiment.block_years * self.values_of_a_year() * 8 * waiting
        return PROGRAM_BYTES + columns * (climate + block + STATE_BYTES * 8)

    def values_of_a_year(self) -> int:
        """Numbers that are kept of a column and year."""
        lengths = {"": 1, "heat_layer": 33, "layer": self.experiment.design.permafrost.layers}
        selection = self.experiment.selection
        monthly = sum(12 * lengths[variables.VARIABLES[name].layer] for name in selection.monthly)
        return monthly + sum(lengths[variables.VARIABLES[name].layer] for name, _ in selection.annual)

    def kept_bytes(self) -> int:
        """Disk that results take in 64 bits, as unfinished work has them until the files are written."""
        years = sum(stage.years for stage in self.experiment.stages)
        return len(self.experiment.column_cell) * years * self.values_of_a_year() * 8


def open_plan(path: Path, data: Path | None, *, force: bool = False, gradients: bool = False) -> Prepared:
    """Read a plan, set precision and devices (for ``gradients``), prepare everything; raises ``InputError``."""
    return started(plans.read(path), data, force=force, gradients=gradients)


def started(plan: Plan, data: Path | None, *, force: bool = False, gradients: bool = False) -> Prepared:
    """:func:`prepare` with the plan's precision, on all cores (with the options for ``gradients``)."""
    use_all_cores(gradients)
    plans.use_precision(plan.model.precision.name)
    return prepare(plan, data, force=force)


def prepare(
    plan: Plan,
    data: Path | None,
    *,
    force: bool = False,
    place: Domain | None = None,
    table: ParameterTable | None = None,
    processes: step.Processes | None = None,
) -> Prepared:
    """Read and check all inputs of a plan and build its experiment; raises ``InputError``.

    ``place``, ``table``, ``processes``: in place of what [domain], [model] parameters and [model.processes] name. ``force``:
    go on from a state of other parameters.
    """
    inputs = Inputs(data)
    design = model.design(plan.model, plan.where)
    design = design if processes is None else dataclasses.replace(design, processes=processes)
    read = model.parameter_files(plan.model.parameters, inputs, f"{plan.where}: [model]")
    begin = inputs.here_or(plan.run.restart, f"{plan.where}: [run] restart") if plan.run.restart else None
    table = table or parameters.read_table(step.Parameters, read)
    named = plan.domain.community
    if named and named not in table.communities:
        raise InputError(f"{plan.where}: [domain] community {named!r} is unknown; {suggest(named, table.communities)}")
    place = place or domain_of(plan, inputs)
    cells = model.columns(place.cells, table.communities, design.pool_dtype, place.inputs[0], plan.permafrost)
    nitrogen = plan.domain.nitrogen_deposition
    table_of = inputs.here_or(nitrogen, f"{plan.where}: [domain] nitrogen_deposition") if nitrogen else None
    load = loaders(place, cells.count, plan.run.chunk_columns, table_of)
    if table.fields:
        cycle = load(plan.spinup.climate, plan.spinup.cycle, f"{plan.where}: [spinup] cycle", wrap=True)
        year = [field[cells.column_cell] for field in mean_year(cycle, cells.count)]
        sand, clay = (np.asarray(place.cells[name].values, np.float64)[cells.column_cell] for name in ("sand", "clay"))
        known = known_of(cells.columns, year, sand, clay)
        design, own = with_own(design, cells.columns, known, table)
        cells = dataclasses.replace(cells, columns=own)
    experiment = Experiment(
        design=design,
        parameters=parameters.build(step.Parameters, table, design.pool_dtype),
        columns=cells.columns,
        column_cell=cells.column_cell,
        spin_up=None if begin else spin_up(plan.spinup, load, plan.where),
        stages=(*stages(plan, load), *factorial_stages(plan, load)),
        selection=selection(plan.output, plan.where),
        chunk_columns=plan.run.chunk_columns,
        block_years=plan.run.block_years,
    )
    where = grid(cells, table.communities)
    if begin:
        wanted = origin.of_state(design, cells.columns, where, table.hash())
        experiment = restarted(plan, experiment, wanted, begin, force)
    return Prepared(
        plan=plan,
        experiment=experiment,
        grid=where,
        table=table,
        inputs=place.inputs,
        title=place.title,
        files=tuple(dict.fromkeys((*place.files, *inputs.found))),
    )


def spin_up(section: SpinUpSection, load: Load, where: str) -> SpinUp:
    """The spin-up of a section; raises ``InputError`` where its climate is absent."""
    return SpinUp(
        climate=load(section.climate, section.cycle, f"{where}: [spinup] cycle", wrap=True),
        heat_years=section.heat_years,
        years=section.years,
        cycle_years=section.cycle_years,
        method=section.method,
    )


def stages(plan: Plan, load: Load) -> tuple[Stage, ...]:
    """History and scenarios; the permafrost scheme decides when frozen stores are filled and what thaw exposes."""
    scheme, history = plan.model.permafrost, plan.history
    first = Stage(
        name=history.name,
        first_year=history.first,
        last_year=history.last,
        climate=load(
            history.climate,
            (history.first, history.last),
            f"{plan.where}: [history] first, last",
            goes_on=plan.history_goes_on,
        ),
        expose=scheme.fills == "start",
        begin="" if scheme.fills == "never" else scheme.fills,
        base_years=plan.base_years if scheme.fills == "base_years" else None,
        goes_on=plan.history_goes_on,
    )
    futures = [
        Stage(
            name=s.name,
            first_year=s.first,
            last_year=s.last,
            climate=load(s.climate, (s.first, s.last), f"{plan.where}: [[scenario]] first, last", goes_on=s.goes_on),
            parent=history.name,
            expose=s.expose and scheme.layers > 0,
            follow=s.follows,
            goes_on=s.goes_on,
        )
        for s in plan.scenario
    ]
    return (first, *futures)


def factorial_stages(plan: Plan, load: Load) -> tuple[Stage, ...]:
    """Stages of ``[factorial]``; none where the plan has no such section."""
    f, history, where = plan.factorial, plan.history, f"{plan.where}: [factorial]"
    if not f.scenarios:
        return ()
    base_climate = history.climate if f.base_year <= history.last else f.base_climate or f.scenarios[0]
    reference = (max(history.first, history.last - 9), history.last)
    return protocol.expand(
        f.protocol,
        {name: load(name, (f.first, f.last), f"{where} first, last") for name in f.scenarios},
        f.ensemble,
        base=load(base_climate, (f.base_year, f.base_year), f"{where} base_year"),
        reference=load(history.climate, reference, f"{where} reference"),
        parent=history.name,
        years=(f.first, f.last),
        layers=plan.model.permafrost.layers > 0,
        keep_thaw=f.keep_thaw,
    )


def selection(section: OutputSection, where: str) -> Selection:
    """What the run keeps; the two thaw depths always, because stages and reports need them."""
    annual = (*section.annual, "active_layer_thickness", "maximum_unfrozen_thickness")
    return Selection(*variables.selection(section.monthly, annual, f"{where}: [output]"))


def grid(cells: ModelCells, communities: Sequence[str]) -> Grid:
    """Where the columns are, for files; each cell named after its largest community."""
    largest = np.empty(cells.count, dtype=object)
    for column in np.argsort(cells.column_fraction, kind="stable"):
        largest[cells.column_cell[column]] = communities[int(cells.columns.community[column])]
    return Grid(
        cells.latitude,
        cells.longitude,
        cells.area,
        cells.column_cell,
        cells.column_fraction,
        cells.labels,
        largest,
    )


def restarted(plan: Plan, experiment: Experiment, wanted: Mapping[str, str], path: Path, force: bool) -> Experiment:
    """The experiment that goes on from a state file: after spin-up, or after history; raises ``InputError``.

    ``wanted``: what the state must be a state of (``assemble.origin``).
    """
    said = state_attributes(path)
    stage = said.get("stage")
    if stage not in ("spinup", plan.history.name):
        raise InputError(
            f"{path}: state of stage {stage!r}; a run goes on from 'spinup' or '{plan.history.name}', give such a state"
        )
    if stage == "spinup" and experiment.stages[0].begin == "start":
        raise InputError(
            f"{path}: scheme '{plan.model.permafrost.name}' needs the thaw of the spin-up, which a state does not hold; "
            f"restart from '{plan.history.name}' or run the spin-up"
        )
    stages = experiment.stages[1:] if stage == plan.history.name else experiment.stages
    if not stages:
        raise InputError(f"{path}: nothing to do after '{stage}'; add a [[scenario]] to the plan")
    columns = len(experiment.column_cell)
    one_year = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((columns, 1, *np.shape(leaf)[2:]), experiment.design.pool_dtype),
        experiment.stages[0].climate(experiment.column_cell[:1]),
    )
    like = jax.eval_shape(
        lambda p, c, y: run.initial_states(p, c, y, design=experiment.design),
        experiment.parameters,
        experiment.columns,
        one_year,
    )
    state = load_state(path, like, wanted["parameter_hash"], force=force)
    check_origin(said, wanted, str(path), force=force)
    return dataclasses.replace(experiment, stages=stages, initial_states={stage: state})
