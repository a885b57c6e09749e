"""What the readers understand of a table of one site, as text, before any plan is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jtem.errors import InputError
from jtem.readers import units
from jtem.readers.columns import Columns, columns_of, split_unit, variable_of


def describe(path: Path | str) -> str:
    """What ``jtem site`` understands of a table: moments of its rows, columns, units, values.

    What it refuses stands in the text as a problem with its remedy.
    """
    path = Path(path)
    try:
        table = columns_of(path, str(path))
    except InputError as error:
        return f"{path}\n  problem: {str(error).removeprefix(f'{path}: ')}"
    first, last = (f"{number // 12}-{number % 12 + 1:02d}" for number in _ends(table))
    rows = "months" if table.minute is None else "moments within months"
    lines = [f"{path} ({table.year.size} rows, {rows}, {first} to {last})"]
    for name in table.names:
        lines.append(_column(table, name, str(path)))
    lines.append(
        "  as a table of observations: source 'table' or 'boreholes' of a calibration plan; of a tower: 'fluxnet'"
    )
    return "\n".join(lines)


def _ends(table: Columns) -> tuple[int, int]:
    months = 12 * table.year + table.month - 1
    return int(months.min()), int(months.max())


def _column(table: Columns, name: str, where: str) -> str:
    """One column: what it is taken for, its unit, how much is missing, its range and first values."""
    shown, kind = split_unit(name)[0], variable_of(name)
    if not kind:
        return f"  {shown}: not taken (no usual name of climate)"
    unit = table.units.get(name, "")
    told = f"{unit!r}" + ("" if units.understood(unit) else ", not understood") if unit else "no unit: give it"
    try:
        values = table.numbers(name)
    except InputError as error:
        return f"  {shown}: {kind}, problem: {str(error).removeprefix(f'{where}: ')}"
    good = values[np.isfinite(values)]
    if not good.size:
        return f"  {shown}: {kind}, {told}, all missing"
    start = ", ".join(f"{value:.4g}" for value in good[:3])
    missing = 100.0 * (1.0 - good.size / values.size)
    return (
        f"  {shown}: {kind}, {told}, {good.min():.4g}..{good.max():.4g}, {missing:.3g} % missing, first values {start}"
    )
