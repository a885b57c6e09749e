"""A plan to an experiment: spin-up, stages, restart, and what its files say about where they come from."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jtem.assemble.domain import domain
from jtem.assemble.model import parameter_files
from jtem.devices import use_all_cores
from jtem.errors import InputError

if TYPE_CHECKING:
    from jtem.parameters import ParameterTable
    from jtem.plan import Plan
    from jtem.records import Grid
    from jtem.run import Experiment, Summary


STATE_BYTES = 4096  # of one column, rounded up


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


def open_plan(path: Path, data: Path | None, *, force: bool = False, gradients: bool = False) -> Prepared:
    """Read a plan, set precision and devices (for ``gradients``), prepare everything."""
    from jtem import plan as plans

    plan = plans.read(path)
    use_all_cores(gradients)
    plans.use_precision(plan.model.precision.name)
    return prepare(plan, data, force=force)


def prepare(
    plan: Plan,
    data: Path | None,
    *,
    force: bool = False,
    place: Any = None,
    table: ParameterTable | None = None,
    processes: Mapping[str, Callable[..., Any]] | None = None,
) -> Prepared:
    """Read and check all inputs of a plan and build the experiment; raises ``InputError``.

    From Python: ``place`` (cells, function from a climate's name to its source, names of inputs) in place of the plan's
    [domain], ``table`` in place of its parameters, ``processes`` in place of the published ones.
    """
    import jax
    import jax.numpy as jnp

    from jtem import parameters, step
    from jtem.physics import permafrost, radiation
    from jtem.physics.soil_thermal import ThermalDesign
    from jtem.readers import to_model
    from jtem.records import Grid
    from jtem.run import Experiment, SpinUp

    model = plan.model
    design = step.Design(
        permafrost=model.permafrost,
        thermal=ThermalDesign(substeps=model.heat_substeps),
        carbon_substeps=model.carbon_substeps,
        open_nitrogen=model.open_nitrogen,
        heat_dtype=model.precision.heat_dtype,
        pool_dtype=model.precision.pool_dtype,
    )
    if processes:
        design = dataclasses.replace(design, processes=step.Processes()._replace(**processes))
    if table is None:
        files = parameter_files(model.parameters, data, f"{plan.where}: [model]")
        table = parameters.read_table(step.Parameters, files)
    cells, source_of, inputs = domain(plan, data) if place is None else place
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
    from jtem.run import Stage

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
    from jtem.run import factorial as protocol

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


def notes(summary: Summary) -> dict[str, str | int | float]:
    """What every file says about how the spin-up ended."""
    report = summary.spin_up
    if report is None:
        return {}
    said: dict[str, str | int | float] = {
        "spin_up_closed_columns": int(np.sum(report.closed)),
        "spin_up_columns": int(np.size(report.closed)),
        "spin_up_method": report.method,
    }
    if report.code is not None:
        said["spin_up_equilibrium_columns"] = int(np.sum(report.code == 0))
        said["spin_up_repeated_columns"] = " ".join(map(str, np.flatnonzero(report.code)))
    return said
