"""The one table of output variables: names, units, conversion to file units, cell methods, plausible range.

The rows are ``data/variables.csv``. They feed files (``output``), plans (which names exist), the command ``jtem
variables`` and the docs. The model's numbers are in house units (gC, gN, mm, m, degC, ppm, month); :func:`convert` gives the
units of the files (kg m-2, kg m-2 s-1, K).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from jtem.constants import DAYS_IN_MONTH
from jtem.errors import InputError, suggest
from jtem.files import data_path

SECONDS_IN_MONTH = DAYS_IN_MONTH * 86400.0
SECONDS_IN_YEAR = float(SECONDS_IN_MONTH.sum())
REDUCTIONS = ("sum", "mean", "last", "max", "year")


@dataclass(frozen=True)
class Conversion:
    """House unit to file unit: ``value * scale + offset``; ``rate``: over the seconds of the month or year."""

    unit: str
    scale: float = 1.0
    offset: float = 0.0
    rate: bool = False


CONVERSIONS = {
    "gC m-2 month-1": Conversion("kg m-2 s-1", 1e-3, rate=True),
    "gN m-2 month-1": Conversion("kg m-2 s-1", 1e-3, rate=True),
    "gC(CH4) m-2 month-1": Conversion(
        "kg m-2 s-1", 1e-3 * 16.043 / 12.011, rate=True
    ),  # files have the mass of methane
    "gC(CH4) m-2 year-1": Conversion("kg m-2 s-1", 1e-3 * 16.043 / 12.011, rate=True),
    "mm month-1": Conversion("kg m-2 s-1", rate=True),
    "gC m-2 year-1": Conversion("kg m-2 s-1", 1e-3, rate=True),
    "gN m-2 year-1": Conversion("kg m-2 s-1", 1e-3, rate=True),
    "mm year-1": Conversion("kg m-2 s-1", rate=True),
    "gC m-2": Conversion("kg m-2", 1e-3),
    "gN m-2": Conversion("kg m-2", 1e-3),
    "mm": Conversion("kg m-2"),
    "degC": Conversion("K", offset=273.15),
    "cal cm-2 d-1": Conversion("W m-2", 41860.0 / 86400.0),
    "MJ m-2": Conversion("J m-2", 1e6),
    "month-1": Conversion("month-1"),
    "W m-2": Conversion("W m-2"),
    "ppm": Conversion("mol mol-1", 1e-6),
    "m3 m-3": Conversion("m3 m-3"),
    "m": Conversion("m"),
    "1": Conversion("1"),
}


@dataclass(frozen=True)
class Variable:
    """One output: its names, unit and how it is reduced to a year.

    ``short``: name in CMIP or ISIMIP tables, which is the name in files where there is one. ``yearly``: "sum", "mean",
    "last", "max" of the months, or "year" for what the model gives once a year. ``layer``: "" (none), "heat_layer" (the
    layers of soil heat) or "layer" (the permafrost scheme's). ``low``, ``high``: plausible range in file units.
    ``derived``: made by ``output`` from another variable, not by the model.
    """

    name: str
    tem: str
    standard_name: str
    short: str
    unit: str
    yearly: str
    layer: str
    low: float
    high: float
    long_name: str
    derived: bool = False

    @property
    def file_name(self) -> str:
        """Name of the variable in a file."""
        return self.short or self.name

    @property
    def conversion(self) -> Conversion:
        """How house units become file units."""
        return CONVERSIONS[self.unit]

    @property
    def file_unit(self) -> str:
        """Unit in files."""
        return self.conversion.unit

    @property
    def monthly(self) -> bool:
        """Whether the model gives it every month."""
        return self.yearly != "year"

    def cell_methods(self, frequency: str) -> str:
        """CF cell methods in a "monthly" or "annual" file."""
        over_time = {"sum": "mean", "mean": "mean", "last": "point", "max": "maximum", "year": "point"}[self.yearly]
        if frequency == "monthly" and self.yearly == "max":
            over_time = "mean"
        if self.yearly == "year" and (self.conversion.rate or self.name in _YEAR_MAXIMA):
            over_time = "mean" if self.conversion.rate else "maximum"
        return f"area: mean where land time: {over_time}"


_YEAR_MAXIMA = ("active_layer_thickness", "maximum_unfrozen_thickness")


def _read() -> dict[str, Variable]:
    with data_path("variables.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        read = [{**row, "low": float(row["low"]), "high": float(row["high"])} for row in rows]
    return {row["name"]: Variable(**row, derived=row["name"] in DERIVED) for row in read}


DERIVED = ("permafrost_fraction",)
VARIABLES = _read()


def find(name: str, where: str = "the plan") -> Variable:
    """The variable with this jtem, CMIP/ISIMIP or TEM name; raises ``InputError`` with the nearest known name."""
    if name in VARIABLES:
        return VARIABLES[name]
    for variable in VARIABLES.values():
        if name and name in (variable.short, variable.tem):
            return variable
    known = [*VARIABLES, *(v.short for v in VARIABLES.values() if v.short)]
    raise InputError(f"{where}: unknown output variable {name!r}; {suggest(name, known)} ('jtem variables' lists all)")


def selection(
    monthly: Iterable[str], annual: Iterable[str], where: str = "the plan"
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Names from a plan to what ``run.Selection`` takes: monthly names, and annual names with their reduction.

    Derived variables (``permafrost_fraction``) are dropped: ``output`` makes them. Raises ``InputError`` for unknown
    names and for once-a-year variables asked for monthly.
    """
    months = []
    for name in monthly:
        variable = find(name, where)
        if not variable.monthly:
            raise InputError(f"{where}: {name!r} exists once a year; move it from 'monthly' to 'annual'")
        months.append(variable.name)
    years = [find(name, where) for name in annual]
    pairs = dict.fromkeys((v.name, v.yearly) for v in years if not v.derived)
    return tuple(dict.fromkeys(months)), tuple(pairs)


def convert(variable: Variable, values: np.ndarray, frequency: str, time_axis: int) -> np.ndarray:
    """House units to file units; rates over the seconds of the month ("monthly": axis of length 12 n) or year."""
    how = variable.conversion
    values = np.asarray(values, dtype=np.float64) * how.scale + how.offset
    if not how.rate:
        return values
    if frequency == "annual":
        return values / SECONDS_IN_YEAR
    seconds = np.tile(SECONDS_IN_MONTH, values.shape[time_axis] // 12)
    shape = [1] * values.ndim
    shape[time_axis] = seconds.size
    return values / seconds.reshape(shape)


def table(markdown: bool = False) -> str:
    """All variables as text for the command line or as a Markdown table for the docs."""
    header = ("jtem", "TEM", "file name", "CF standard name", "house unit", "file unit", "per year", "meaning")
    rows: list[tuple[str, ...]] = [
        (v.name, v.tem, v.file_name, v.standard_name, v.unit, v.file_unit, v.yearly, v.long_name)
        for v in VARIABLES.values()
    ]
    if markdown:
        lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
        return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
    keep = (0, 1, 2, 4, 5, 6, 7)
    chosen = [tuple(row[k] for k in keep) for row in [header, *rows]]
    widths = [max(len(row[k]) for row in chosen) for k in range(len(keep))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in chosen)
