"""Fields of a run's datasets for figures and tables: found by name, in house units, with their years.

The datasets are those of the CF files (``writers``) as ``xarray.open_dataset`` gives them, times decoded or not, or those of
results in memory; variables carry their names in files (``tsl``) or in jtem (``soil_temperature``), one cell or many.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from jtem.errors import InputError
from jtem.variables import SECONDS_IN_MONTH, SECONDS_IN_YEAR, find


@dataclass(frozen=True)
class SiteSeries:
    """One variable: ``values (time, [depth,] [cell])`` in ``unit`` (house units, a year's sum of rates in annual data)."""

    name: str
    long_name: str
    values: np.ndarray
    unit: str
    years: np.ndarray
    depth: np.ndarray | None

    @property
    def monthly(self) -> bool:
        """Whether there are twelve times a year."""
        return is_monthly(self.years)

    @property
    def when(self) -> np.ndarray:
        """Middle of each time in decimal years, (time,)."""
        if self.monthly:
            return self.years + (np.arange(self.years.size) % 12 + 0.5) / 12.0
        return self.years + 0.5

    @property
    def label(self) -> str:
        """Name and unit for an axis."""
        return f"{self.long_name} ({pretty(self.unit)})"

    def at(self, depth: float) -> np.ndarray:
        """Values ``(time, [cell])`` of the layer nearest to a depth (m)."""
        if self.depth is None:
            return self.values
        return self.values[:, int(np.argmin(np.abs(self.depth - depth)))]

    def by_year(self, first: int, last: int) -> np.ndarray:
        """Mean over the times of the years first..last that exist, ``([depth,] [cell])``; NaN where there are none."""
        inside = (self.years >= first) & (self.years <= last)
        if not inside.any():
            return np.full(self.values.shape[1:], np.nan)
        return np.asarray(self.values[inside].mean(axis=0))

    def cycle(self, first: int, last: int) -> np.ndarray:
        """Mean seasonal cycle over years, ``(12, [depth,] [cell])``."""
        inside = (self.years >= first) & (self.years <= last)
        values = self.values[inside]
        return values.reshape(-1, 12, *values.shape[1:]).mean(axis=0)


def is_monthly(years: np.ndarray) -> bool:
    """Whether the times of these years (time,) are months."""
    return years.size == 12 * np.unique(years).size


def years_of(data: xr.Dataset) -> np.ndarray:
    """Calendar year of each time, (time,)."""
    if "year" in data.variables and data["year"].dims == ("time",):
        return np.asarray(data["year"].values, dtype=int)
    return np.asarray(data["time"].dt.year.values, dtype=int)


def field(data: xr.Dataset, name: str, cell: int | None = None) -> SiteSeries | None:
    """A variable by jtem's, a file's or TEM's name, of one ``cell`` or all; None where the dataset lacks it.

    Raises ``InputError`` for a name that no output has.
    """
    variable = find(name, "the figure")
    key = next((k for k in (variable.file_name, variable.name) if k in data.variables), None)
    if key is None:
        return None
    array = data[key]
    if cell is not None and "cell" in array.dims:
        array = array.isel(cell=cell)
    years = years_of(data)
    values = np.asarray(array.values, dtype=np.float64)
    unit = str(array.attrs.get("units", variable.file_unit))
    monthly = is_monthly(years)
    if unit == variable.file_unit:
        how = variable.conversion
        if how.rate:
            seconds = np.resize(SECONDS_IN_MONTH, years.size) if monthly else np.full(years.size, SECONDS_IN_YEAR)
            values = values * seconds.reshape(-1, *([1] * (values.ndim - 1)))
        values, unit = (values - how.offset) / how.scale, variable.unit
    if not monthly:
        unit = unit.replace("month-1", "year-1") if variable.conversion.rate else unit
    deep = [str(d) for d in array.dims if "depth" in str(d)]
    depth = np.asarray(data[deep[0]].values, dtype=np.float64) if deep else None
    return SiteSeries(variable.name, variable.long_name, values, unit, years, depth)


def needed(data: xr.Dataset, name: str, cell: int | None = None) -> SiteSeries:
    """:func:`field`; raises ``InputError`` where the dataset lacks it."""
    found = field(data, name, cell)
    if found is None:
        kind = "monthly" if is_monthly(years_of(data)) else "annual"
        raise InputError(
            f"'{find(name).name}' is not among the {kind} results; add it to '{kind}' in the plan's [output] and run"
        )
    return found


def pretty(unit: str) -> str:
    """A unit with raised exponents and the degree sign, for figures."""
    if unit == "degC":
        return "°C"
    return re.sub(r"(?<=[a-zA-Z])(-?\d)", r"$^{\1}$", unit)


def cells(data: xr.Dataset) -> int:
    """Number of cells."""
    return int(data.sizes.get("cell", 1))


def place_name(data: xr.Dataset, cell: int) -> str:
    """Name of the site, else latitude and longitude; with the community where it is known."""

    def one(name: str):
        return data[name].values if data[name].ndim == 0 else data[name].values[cell]

    if "site" in data.variables:
        place = str(one("site"))
    else:
        latitude, longitude = float(one("lat")), (float(one("lon")) + 180.0) % 360.0 - 180.0
        place = f"{abs(latitude):.2f}°{'N' if latitude >= 0 else 'S'}, {abs(longitude):.2f}°{'E' if longitude >= 0 else 'W'}"
    return f"{place}, {str(one('community')).replace('_', ' ')}" if "community" in data.variables else place


def by_stage(data: xr.Dataset | Mapping[str, xr.Dataset] | None) -> dict[str, xr.Dataset]:
    """Datasets by stage: one alone is called "" or as its attribute ``stage`` says."""
    if data is None:
        return {}
    if isinstance(data, xr.Dataset):
        return {str(data.attrs.get("stage", "")): data}
    return dict(data)


def open_stages(folder: Path | str, name: str, stages: Sequence[str], frequency: str) -> dict[str, xr.Dataset]:
    """The files of a run's stages, opened (not loaded), without those that are absent."""
    found = {}
    for stage in stages:
        path = Path(folder) / f"{name}_{stage}_{frequency}.nc"
        if path.is_file():
            found[stage] = xr.open_dataset(path, decode_times=False)
    return found


def written_plan(folder: Path) -> str:
    """The plan that a run's files carry."""
    for path in sorted(folder.glob("*_annual.nc")):
        with xr.open_dataset(path, decode_times=False) as data:
            return str(data.attrs["plan"])
    raise InputError(
        f"{folder}: no annual files of a finished run and no simulated.csv; give a folder that 'jtem run' or "
        "'jtem calibrate' wrote"
    )
