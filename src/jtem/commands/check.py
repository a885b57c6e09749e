"""``jtem check``: is a plan fine, and what would it take?"""

from __future__ import annotations

import argparse

from jtem.assemble.calibration import open_case
from jtem.assemble.course import open_plan
from jtem.commands.calibrate import print_case
from jtem.commands.run import duration
from jtem.commands.sensitivity import asked
from jtem.devices import usable_cores
from jtem.errors import DONE
from jtem.plan import toml

COLUMN_YEARS_PER_SECOND = {"mixed": 11000.0, "float64": 7000.0, "float32": 14000.0}
"""Of one core, whole step; for the estimate of ``jtem check`` only. ``benchmarks/throughput.py`` measures it."""


COMPILE_SECONDS = 40.0


def command_check(arguments: argparse.Namespace) -> int:
    """Validate a plan of a run or of a calibration and all its inputs, without running."""
    if "calibration" in toml.content(toml.read_text(arguments.plan), str(arguments.plan)):
        case = open_case(arguments.plan, arguments.data)
        print(f"{case.where}: fine")
        print_case(case, verbose=True)
        return DONE
    prepared = open_plan(arguments.plan, arguments.data)
    plan, experiment = prepared.plan, prepared.experiment
    quantities, _ = asked(plan)
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
    if quantities:
        print(f"  sensitivity of {', '.join(q.name for q in quantities)}")
    print(f"  model    permafrost {plan.model.permafrost.name}, precision {plan.model.precision.name}")
    print(f"  parameters {', '.join(prepared.table.files)} (hash {prepared.table.hash()})")
    print(f"  inputs   {'; '.join(prepared.inputs)}")
    print(f"  memory   about {prepared.memory_bytes() / 1e9:.1f} GB")
    print(f"  disk     up to {prepared.kept_bytes() / 1e9:.1f} GB until all files are written")
    chunks = -(-len(experiment.column_cell) // experiment.chunk_columns)
    print(f"  workers  work for up to {chunks} (--dask), of about {prepared.chunk_bytes() / 1e9:.1f} GB each")
    print(f"  time     about {duration(seconds)} on {usable_cores()} cores, compilation included")
    return DONE
