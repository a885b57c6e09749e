"""What the files of a run say about where they come from, and what unfinished work must agree on."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import platform
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np

from jtem import __version__
from jtem.assemble import origin
from jtem.assemble.course import Prepared
from jtem.devices import usable_cores
from jtem.run import Summary, layout, limits

LIBRARIES = ("jax", "jaxlib", "equinox", "numpy", "xarray", "netCDF4")
"""What a run's numbers and files may depend on, beside jtem and Python."""
CIRCUMSTANCES = ("source", "parameter_hash", "input_checksums", "versions", "processor", "devices", "xla_flags")
"""Attributes that say under what circumstances a file was made, for a comparison with another one."""


def checksums(files: tuple[Path, ...]) -> str:
    """Names and SHA-256 of files, one a line, as ``sha256sum`` writes them but without folders."""
    return "\n".join(sorted(f"{_digest(path, *_version(path))}  {path.name}" for path in files))


def _version(path: Path) -> tuple[int, int]:
    """What changes when a file does."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


@functools.lru_cache(maxsize=4096)
def _digest(path: Path, size: int, changed: int) -> str:
    """SHA-256 of a file; read once a version of it."""
    del size, changed
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.cache
def processor() -> str:
    """The processor's name, the machine's kind and the cores that may be used."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = named[0] if named else platform.processor() or "unknown"
    return f"{name} ({platform.system()} {platform.machine()}), {usable_cores()} of {os.cpu_count()} cores"


@functools.cache
def versions() -> str:
    """Python and the libraries."""
    found = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
    return ", ".join([f"python {platform.python_version()}", *found])


def differences(then: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """What of :data:`CIRCUMSTANCES` differs between the attributes of two files, a sentence each."""
    said = []
    for name in CIRCUMSTANCES:
        old, new = str(then.get(name, "")), str(now.get(name, ""))
        if old == new:
            continue
        if name == "input_checksums":
            lines = set(old.splitlines()) ^ set(new.splitlines())
            changed = sorted({line.partition("  ")[2] for line in lines})
            said.append(
                f"inputs differ: {', '.join(changed)}" if old else "the file does not say the checksums of its inputs"
            )
        else:
            said.append(f"{name.replace('_', ' ')}: was '{old or 'not said'}', is '{new or 'none'}'")
    return said


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
        **origin.of_state(experiment.design, experiment.columns, prepared.grid, prepared.table.hash()),
        "parameter_files": ", ".join(prepared.table.files),
        "precision": plan.model.precision.name,
        "permafrost_scheme": plan.model.permafrost.name,
        "inputs": "; ".join(Path(name).name if os.sep in name else name for name in prepared.inputs),
        "input_checksums": checksums(prepared.files),
        "spin_up": said,
        "jax_version": jax.__version__,
        "versions": versions(),
        "processor": processor(),
        "devices": f"{len(device)} {device[0].platform}",
        "xla_flags": os.environ.get("XLA_FLAGS", "").strip(),
    }
    if plan.plan.references:
        result["references"] = plan.plan.references
    return {key: value for key, value in result.items() if value != ""}


def notes(summary: Summary) -> dict[str, str | int | float]:
    """What every file says about how the spin-up ended and which limits acted."""
    report = summary.spin_up
    acted = "; ".join(limits.sentences(summary.limits))
    limited: dict[str, str | int | float] = {"limits": acted or "none acted"} if summary.limits else {}
    if report is None:
        return limited
    said: dict[str, str | int | float] = {
        **limited,
        "spin_up_closed_columns": int(np.sum(report.closed)),
        "spin_up_columns": int(np.size(report.closed)),
        "spin_up_method": report.method,
    }
    if report.code is not None:
        said["spin_up_equilibrium_columns"] = int(np.sum(report.code == 0))
        said["spin_up_repeated_columns"] = " ".join(map(str, np.flatnonzero(report.code)))
    return said


def identity(prepared: Prepared) -> dict[str, object]:
    """What must be the same for a run to go on with unfinished work."""
    devices = jax.local_devices()
    return {
        "plan": prepared.plan.text,
        "parameters": prepared.table.hash(),
        "version": __version__,
        "inputs": list(prepared.inputs),
        "checksums": checksums(prepared.files),
        "layout": f"{devices[0].platform}, {layout.described(prepared.experiment, len(devices))}",
        "columns": len(prepared.experiment.column_cell),
    }
