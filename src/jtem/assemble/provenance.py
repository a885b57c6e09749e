"""What the files of a run say about where they come from, and what unfinished work must agree on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jtem import __version__
from jtem.assemble.course import Prepared
from jtem.run import Summary


def attributes(prepared: Prepared) -> dict[str, str | int | float]:
    """What every file says about where it comes from."""
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
    if prepared.title and prepared.title.split()[0] not in title:
        title += f" ({prepared.title})"
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


def identity(prepared: Prepared) -> dict[str, Any]:
    """What must be the same for a run to go on with unfinished work."""
    devices = jax.local_devices()
    return {
        "plan": prepared.plan.text,
        "parameters": prepared.table.hash(),
        "version": __version__,
        "inputs": list(prepared.inputs),
        "devices": f"{len(devices)} {devices[0].platform}",
        "columns": len(prepared.experiment.column_cell),
    }
