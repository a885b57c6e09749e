"""CO2 of the years from netCDF files: global means by year or month, as input4MIPs publishes them for CMIP6 and CMIP7."""

from __future__ import annotations

import re
from pathlib import Path

import netCDF4
import numpy as np

from jtem.errors import InputError, suggest
from jtem.readers import cf, time_axis
from jtem.readers.months import months_of_axes

STANDARD_NAME = "mole_fraction_of_carbon_dioxide_in_air"
_NAMES = (STANDARD_NAME, "co2", "co2_ppm", "ppm", "xco2", "atmospheric_co2", "co2_concentration")
_PPM = {
    "": 1.0, "ppm": 1.0, "ppmv": 1.0, "umolmol-1": 1.0, "umol/mol": 1.0, "micromolmol-1": 1.0, "1e-6molmol-1": 1.0,
    "partspermillion": 1.0, "molmol-1": 1e6, "mol/mol": 1e6, "mole/mole": 1e6, "ppb": 1e-3, "ppbv": 1e-3,
}  # fmt: skip
"""ppm in one of the unit, whose text has no blanks; a number is the unit's size in mole fractions ("1.e-6")."""
LONGEST_MONTH_STEP = 2.0
"""Steps further apart than so many months are years."""


def read(path: Path | str, column: str = "") -> tuple[dict[tuple[int, int], float], bool]:
    """CO2 (ppm) by year and month (0: of a whole year) of a netCDF file, and whether it is by month.

    The variable is ``column``, else the one with the standard or usual name. Of global and hemispheric means (``sector`` of
    CMIP6) the global one is taken. Raises ``InputError`` for other files, unknown units, fields by latitude, a year twice.
    """
    with cf.open_raw(path) as data:
        variable = _variable(data, column, str(path))
        where = f"{path}: '{variable.name}'"
        months, monthly, dimension = _times(data, variable, str(path))
        values = _factor(str(getattr(variable, "units", "")), where) * _global_mean(data, variable, dimension, where)
    known: dict[tuple[int, int], list[float]] = {}
    for month, value in zip(months, values, strict=True):
        if np.isfinite(value):
            known.setdefault((int(month // 12), int(month % 12) + 1 if monthly else 0), []).append(float(value))
    twice = next((key for key, found in known.items() if len(found) > 1 and not monthly), None)
    if twice:
        raise InputError(f"{where} has the year {twice[0]} twice; leave one out")
    return {key: float(np.mean(found)) for key, found in known.items()}, monthly


def _variable(data: netCDF4.Dataset, column: str, where: str) -> netCDF4.Variable:
    fields = {str(n): v for n, v in data.variables.items() if np.dtype(v.dtype).kind in "iuf" and n not in v.dimensions}
    if column and column in fields:
        return fields[column]
    usual = [v for v in fields.values() if str(getattr(v, "standard_name", "")) == STANDARD_NAME]
    usual += [v for wanted in _NAMES for name, v in fields.items() if name.lower() == wanted]
    if column or not usual:
        known = [name for name in fields if not name.lower().endswith(("_bnds", "_bounds"))]
        raise InputError(
            f"{where}: no variable '{column or 'co2'}' of CO2; {suggest(column or 'co2', known)} ('co2_column' says which)"
        )
    return usual[0]


def _factor(unit: str, where: str) -> float:
    plain = re.sub(r"[\s*^]", "", unit.replace("µ", "u").replace("μ", "u"))
    try:
        return float(plain) * 1e6
    except ValueError:
        factor = _PPM.get(plain.lower())
    if factor is None:
        raise InputError(f"{where} is in {unit!r}, expected a mole fraction (ppm, mol mol-1); convert it")
    return factor


def _global_mean(data: netCDF4.Dataset, variable: netCDF4.Variable, time: str, where: str) -> np.ndarray:
    """Values by time, of the only place or of the whole globe among sectors."""
    key: list[slice | int] = []
    for name, size in zip(variable.dimensions, variable.shape, strict=True):
        if name == time:
            key.append(slice(None))
        elif size == 1:
            key.append(0)
        else:
            said = (
                " ".join(str(v) for v in cf.attributes(data.variables[name]).values()) if name in data.variables else ""
            )
            globe = re.search(r"(\d+)\s*:\s*global\b", said, re.IGNORECASE)
            if globe is None or int(globe[1]) >= size:
                raise InputError(f"{where} has {size} values along '{name}', expected one; give a file of global means")
            key.append(int(globe[1]))
    return cf.numbers(variable, tuple(key), where)


def _times(data: netCDF4.Dataset, variable: netCDF4.Variable, where: str) -> tuple[np.ndarray, bool, str]:
    """Month number (12 x year + month - 1) of each step, whether steps are months, and their dimension."""
    time = time_axis.find(data, where, of=variable)
    numbers = cf.numbers(time, ..., f"{where}: '{time.name}'") if np.dtype(time.dtype).kind in "iuf" else np.empty(0)
    labels = (
        numbers.size and " since " not in str(getattr(time, "units", "")) and str(time.name).lower().startswith("year")
    )
    if labels and np.all((numbers == np.round(numbers)) & (numbers >= 0) & (numbers < 10000)):
        return 12.0 * np.atleast_1d(numbers), False, str(time.dimensions[0])
    axis = time_axis.read(data, where, of=variable, year_zero=True)
    place = axis.place
    if place.size == 1 or float(np.median(np.diff(place))) > LONGEST_MONTH_STEP:
        return 12.0 * np.floor(place / 12.0), False, axis.dimension
    return months_of_axes([axis])[0].month, True, axis.dimension
