"""``jtem variables``, ``jtem parameters``, ``jtem info``: what there is."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jtem import __version__, compile_cache
from jtem.assemble.model import parameter_files
from jtem.devices import usable_cores, use_all_cores
from jtem.errors import DONE
from jtem.files import Inputs
from jtem.parameters import Numbers


def command_variables(arguments: argparse.Namespace) -> int:
    """The table of output variables."""
    from jtem import variables

    print(variables.table(arguments.markdown))
    return DONE


def command_parameters(arguments: argparse.Namespace) -> int:
    """The table of parameters."""
    from jtem import parameters, step

    table = parameters.read_table(step.Parameters, parameter_files(arguments.overlay, Inputs(), "--overlay"))
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


def spread(values: Sequence[Numbers]) -> str:
    """One value, a range over communities, or a list where a parameter has several numbers."""
    table = np.asarray(values, dtype=np.float64)
    low, high = table.min(axis=0), table.max(axis=0)
    if table.ndim > 1:
        return ", ".join(f"{a:g}" if a == b else f"{a:g} .. {b:g}" for a, b in zip(low, high, strict=True))
    return f"{low:g}" if low == high else f"{low:g} .. {high:g}"


def command_info(arguments: argparse.Namespace) -> int:
    """Versions, devices, data, kept programs."""
    import platform

    import jax

    from jtem.files import DATA_VARIABLE, data_path
    from jtem.readers.embedded import CO2_YEARS, DOMAINS, SCENARIO_YEARS

    use_all_cores()
    devices = jax.local_devices()
    print(f"jtem      {__version__}, Python {platform.python_version()}, jax {jax.__version__}")
    print(f"devices   {len(devices)} {devices[0].platform}; {usable_cores()} usable cores")
    print(f"data      {data_path()}; {DATA_VARIABLE}={os.environ.get(DATA_VARIABLE, '(not set)')}")
    print(f"embedded  domains {', '.join(DOMAINS)}; emulated climates {', '.join(SCENARIO_YEARS)}")
    print(f"          CO2 of {', '.join(CO2_YEARS)}")
    if arguments.clear_cache:
        count, size = compile_cache.clear()
        print(f"cleared   {count} compiled programs, {size / 1e6:.1f} MB")
    print(f"cache     {compile_cache.described()}")
    if devices[0].platform == "cpu" and Path("/dev/nvidia0").exists():
        print("hint      an NVIDIA device is here but JAX runs on the CPU; run: pip install 'jtem[gpu]'")
    return DONE
