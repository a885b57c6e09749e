"""Years, columns and experiments: how the monthly step becomes a run.

``years`` (time), ``batch`` (space), ``spinup`` and ``equilibrium`` (the state before history), ``course`` (what an experiment
is), ``chunk``, ``runner`` and ``memory`` (run it), ``factorial`` (experiments that hold factors).
"""

from jtem.records import Selection, Sink
from jtem.run import batch, chunk, course, equilibrium, factorial, layout, memory, runner, spinup, years
from jtem.run.batch import in_tiles, inline_program, pad_cells, place, simulate_cells
from jtem.run.chunk import Checkpoint
from jtem.run.course import (
    METHODS,
    Experiment,
    SpinUp,
    Stage,
    begin_permafrost,
    chunks,
    continued,
    ensemble,
    heat_passes,
    initial_states,
    state_like,
    units,
)
from jtem.run.memory import Memory, Results, StageResult, run_in_memory
from jtem.run.runner import SpinUpReport, Summary, run_experiment, together, tolerance_kind
from jtem.run.work import Progress
from jtem.run.years import (
    constant_controls,
    forcing_fields,
    mean_year,
    month_fields,
    simulate,
    year_forcing,
)

__all__ = [
    "METHODS",
    "Checkpoint",
    "Experiment",
    "Memory",
    "Progress",
    "Results",
    "Selection",
    "Sink",
    "SpinUp",
    "SpinUpReport",
    "Stage",
    "StageResult",
    "Summary",
    "batch",
    "begin_permafrost",
    "chunk",
    "chunks",
    "constant_controls",
    "continued",
    "course",
    "ensemble",
    "equilibrium",
    "factorial",
    "forcing_fields",
    "heat_passes",
    "in_tiles",
    "initial_states",
    "inline_program",
    "layout",
    "mean_year",
    "memory",
    "month_fields",
    "pad_cells",
    "place",
    "run_experiment",
    "run_in_memory",
    "runner",
    "simulate",
    "simulate_cells",
    "spinup",
    "state_like",
    "together",
    "tolerance_kind",
    "units",
    "year_forcing",
    "years",
]
