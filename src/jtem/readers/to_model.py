"""The last door before the model: checks datasets of cells and climate and turns them into stacked host arrays.

What a dataset must look like is in ``docs/architecture.md``. Everything that is wrong raises ``InputError``: one
sentence that names the source, the variable, what was expected and found, and the remedy.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from jtem.constants import LAYER_EDGES
from jtem.errors import InputError, note, suggest
from jtem.readers import embedded
from jtem.readers.contract import CLIMATE_UNITS
from jtem.state import Cell, Climate

ClimateSource = Callable[[np.ndarray, int, int], xr.Dataset]
"""Cell indices, first and last year -> climate dataset (cell, year, month) of those cells."""

INTERVALS = 4
INTERVAL_EDGES = (0.3, 1.0, 2.0)
"""m; faces between the intervals 0-0.3, 0.3-1, 1-2, 2-3 m."""
SILT_CLAY_FLOOR = 0.01

CLIMATE_RANGES = {
    name: (CLIMATE_UNITS[name], low, high)
    for name, low, high in (
        ("air_temperature", -90.0, 60.0),
        ("precipitation", 0.0, 5000.0),
        ("shortwave_radiation", 0.0, 600.0),
        ("nitrogen_input", 0.0, 10.0),
    )
}
OPTIONAL = ("nitrogen_input",)
CELL_FIELDS = {
    "latitude": (-90.0, 90.0),
    "longitude": (-180.0, 360.0),
    "area": (0.0, 1e8),
    "elevation": (-500.0, 9000.0),
    "sand": (0.0, 100.0),
    "silt": (0.0, 100.0),
    "clay": (0.0, 100.0),
}


@dataclass(frozen=True)
class ModelCells:
    """Grid cells and the columns they consist of.

    ``columns``: stacked host arrays, one row a column. ``column_cell`` (column,): index of the cell, never falling.
    ``column_fraction`` (column,): share of the cell's area. ``latitude``, ``longitude`` (degrees), ``area`` (km2),
    all (cell,).
    """

    columns: Cell
    column_cell: np.ndarray
    column_fraction: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    area: np.ndarray
    labels: np.ndarray | None = None

    @property
    def count(self) -> int:
        """Number of grid cells."""
        return self.latitude.size


# --- cells -----------------------------------------------------------------------------------------------------------


def check_cells(cells: xr.Dataset, communities: Sequence[str], where: str) -> None:
    """Raise ``InputError`` unless the cell dataset can be used with these communities."""
    needed = (*CELL_FIELDS, "community", "community_area_fraction")
    for name in needed:
        if name not in cells:
            raise InputError(f"{where}: variable '{name}' is missing; add it ({suggest(name, map(str, cells))})")
    if cells.sizes.get("cell", 0) == 0:
        raise InputError(f"{where}: no cells to simulate; check the vegetation field and the stride")
    if np.all(np.abs(cells["longitude"].values) <= 90) and np.any(np.abs(cells["latitude"].values) > 90):
        value = _first(cells["latitude"].values, np.abs(cells["latitude"].values) > 90)[1]
        raise InputError(
            f"{where}: latitude {value:g} is outside -90..90 while all longitudes are inside; latitude and longitude "
            "are swapped, exchange them"
        )
    for name, (low, high) in CELL_FIELDS.items():
        values = np.asarray(cells[name].values, dtype=np.float64)
        bad = ~np.isfinite(values)
        if bad.any():
            raise InputError(f"{where}: '{name}' is missing (NaN) in {_place(cells, bad)}; fill it or drop the cell")
        bad = (values < low) | (values > high)
        if name == "area":
            bad |= values <= 0
        if bad.any():
            raise InputError(
                f"{where}: '{name}' is {_first(values, bad)[1]:g} in {_place(cells, bad)}, expected {low:g}..{high:g}; "
                "correct the value or its unit"
            )
    total = np.sum([np.asarray(cells[name].values, np.float64) for name in ("sand", "silt", "clay")], axis=0)
    bad = np.abs(total - 100.0) > 1.0
    if bad.any():
        hint = "fractions given as percent? multiply by 100" if np.all(total <= 1.5) else "correct the texture"
        raise InputError(
            f"{where}: sand + silt + clay is {_first(total, bad)[1]:g} percent in {_place(cells, bad)}, expected 100; {hint}"
        )
    _check_communities(cells, communities, where)


def _check_communities(cells: xr.Dataset, communities: Sequence[str], where: str) -> None:
    names = np.asarray(cells["community"].values, dtype=object)
    share = np.asarray(cells["community_area_fraction"].values, dtype=np.float64)
    for name in sorted({str(n) for n in names.ravel()} - {""}):
        if name not in communities:
            raise InputError(
                f"{where}: unknown vegetation type '{name}' in 'community' of "
                f"{_place(cells, (names == name).any(axis=1))}; {suggest(name, communities)}"
            )
    share = np.where(names == "", 0.0, share)
    total = share.sum(axis=1)
    bad = ~(np.abs(total - 1.0) < 1e-3) | (share < 0).any(axis=1)
    if bad.any():
        raise InputError(
            f"{where}: 'community_area_fraction' sums to {_first(total, bad)[1]:g} in {_place(cells, bad)}, expected 1; "
            "give fractions (0-1) of the named communities"
        )


def model_cells(
    cells: xr.Dataset,
    communities: Sequence[str],
    *,
    top_of_atmosphere: Callable[[np.ndarray], np.ndarray],
    carbon_layers: Callable[[np.ndarray, np.ndarray], np.ndarray],
    where: str,
    hyperbola: bool = False,
    nitrogen: bool = False,
) -> ModelCells:
    """Check the cell dataset and make one column for each community of each cell.

    ``communities``: names in the order of the parameter table. ``top_of_atmosphere``: latitude (n,) -> (n, 12) in
    cal cm-2 d-1. ``carbon_layers``: (n, 4) in gC m-2 (0-0.3, 0.3-1, 1-2, 2-3 m) and (n,) whether a hyperbola gives all layers
    -> (n, layer). Where soil organic carbon is not observed in an interval (NaN or absent) the community's mean stock takes
    its place. ``hyperbola``: it gives all layers of cells that are not observed (``soil_carbon_observed``, else those with an
    interval by rule). ``nitrogen``: columns get a profile of nitrogen, that of ``soil_nitrogen`` (cell, interval) in kg m-2, NaN
    where nothing was observed, and elsewhere carbon over the C:N of the community and depth. Raises ``InputError``.
    """
    check_cells(cells, communities, where)
    names = np.asarray(cells["community"].values, dtype=object)
    share = np.asarray(cells["community_area_fraction"].values, dtype=np.float64)
    column_cell, slot = np.nonzero((names != "") & (share > 0))
    fraction = share[column_cell, slot]
    name = names[column_cell, slot]
    index = {community: row for row, community in enumerate(communities)}

    def per_column(field: str) -> np.ndarray:
        return np.asarray(cells[field].values, dtype=np.float64)[column_cell]

    stocks = np.full((column_cell.size, INTERVALS), np.nan)
    if "soil_organic_carbon" in cells:
        stocks = np.asarray(cells["soil_organic_carbon"].values, dtype=np.float64)[column_cell]
        if np.any(stocks < 0) or np.nanmax(np.where(np.isfinite(stocks), stocks, 0.0)) > 500:
            raise InputError(
                f"{where}: 'soil_organic_carbon' has values outside 0..500 kg m-2; give kg m-2 per interval and NaN where "
                "nothing was observed"
            )
    seen = np.isfinite(stocks)
    partly = int(np.unique(column_cell[seen.any(axis=1) & ~seen.all(axis=1)]).size)
    if partly:
        note(
            f"{where}: soil carbon observed in part of the intervals of {partly} cells; means by vegetation complete them"
        )
    typical = embedded.soil_organic_carbon(name[:, None], np.ones((name.size, 1)))
    stocks = np.where(seen, stocks, typical)
    empty = stocks.sum(axis=1) <= 0
    observed = np.asarray(seen.all(axis=1))
    if "soil_carbon_observed" in cells:
        observed = np.asarray(cells["soil_carbon_observed"].values, dtype=bool)[column_cell]
    amounts = 1000.0 * np.where(empty[:, None], 1.0, stocks)
    profile = np.asarray(carbon_layers(amounts, ~observed if hyperbola else np.zeros_like(observed)), dtype=np.float64)
    profile = np.where(empty[:, None], 0.0, profile)
    latitude = np.asarray(cells["latitude"].values, dtype=np.float64)
    columns = Cell(
        elevation=per_column("elevation"),
        silt_clay=np.clip((per_column("silt") + per_column("clay")) / 100.0, SILT_CLAY_FLOOR, 1.0),
        community=np.array([index[str(n)] for n in name], dtype=np.int32),
        top_of_atmosphere=np.asarray(top_of_atmosphere(latitude), dtype=np.float64)[column_cell],
        soil_carbon_profile=profile,
        soil_nitrogen_profile=_nitrogen(cells, column_cell, name, stocks, profile, where) if nitrogen else None,
        inundated_fraction=per_column("inundated_fraction") if "inundated_fraction" in cells else None,
    )
    return ModelCells(
        columns=columns,
        column_cell=column_cell,
        column_fraction=fraction,
        latitude=latitude,
        longitude=np.asarray(cells["longitude"].values, dtype=np.float64),
        area=np.asarray(cells["area"].values, dtype=np.float64),
        labels=np.asarray(cells["site"].values, dtype=object) if "site" in cells.coords else None,
    )


def _nitrogen(
    cells: xr.Dataset, column_cell: np.ndarray, name: np.ndarray, carbon: np.ndarray, profile: np.ndarray, where: str
) -> np.ndarray:
    """Nitrogen of the layers, gN m-2 (column, layer): carbon over the C:N of its interval; below 3 m that of 2-3 m continues.

    ``carbon``: kg m-2 of the intervals (column, 4); ``profile``: gC m-2 of the layers.
    """
    observed = np.full(carbon.shape, np.nan)
    if "soil_nitrogen" in cells:
        observed = np.asarray(cells["soil_nitrogen"].values, dtype=np.float64)[column_cell]
        if np.any(observed < 0) or np.nanmax(np.where(np.isfinite(observed), observed, 0.0)) > 50:
            raise InputError(
                f"{where}: 'soil_nitrogen' has values outside 0..50 kg m-2; give kg m-2 per interval and NaN where nothing "
                "was observed"
            )
    stocks = np.where(np.isfinite(observed), observed, embedded.soil_nitrogen(name, carbon))
    share = np.divide(stocks, carbon, out=np.zeros_like(stocks), where=carbon > 0)
    middle = 0.5 * (np.array(LAYER_EDGES[:-1]) + np.array(LAYER_EDGES[1:]))
    return profile * share[:, np.searchsorted(INTERVAL_EDGES, middle)]


# --- climate ---------------------------------------------------------------------------------------------------------


def check_climate(climate: xr.Dataset, first_year: int, last_year: int, where: str) -> None:
    """Raise ``InputError`` unless the climate dataset covers the years, in house units, complete and plausible."""
    for name in (*CLIMATE_RANGES, "co2"):
        if name not in climate and name not in OPTIONAL:
            raise InputError(f"{where}: variable '{name}' is missing; add it ({suggest(name, map(str, climate))})")
    for name in map(str, climate.data_vars):
        if name not in CLIMATE_RANGES and name != "co2":
            raise InputError(
                f"{where}: unknown variable '{name}'; {suggest(name, (*CLIMATE_RANGES, 'co2'))} (or drop it)"
            )
    _check_calendar(climate, first_year, last_year, where)
    for name, (unit, low, high) in CLIMATE_RANGES.items():
        if name in climate:
            _check_field(climate, name, unit, low, high, where)
    _check_rain(climate, where)
    if "latitude" in climate.coords:
        _check_light(climate, where)
    co2 = np.asarray(climate["co2"].values, dtype=np.float64)
    bad = ~((co2 >= 100.0) & (co2 <= 5000.0))
    if bad.any():
        row, value = _first(co2, bad)
        raise InputError(
            f"{where}: 'co2' is {value:g} in {climate['year'].values[row]}, expected 100..5000 ppm; correct it or its unit"
        )


def _check_calendar(climate: xr.Dataset, first_year: int, last_year: int, where: str) -> None:
    years = np.asarray(climate["year"].values)
    lacking = sorted(set(range(first_year, last_year + 1)) - {int(y) for y in years})
    if lacking:
        raise InputError(
            f"{where}: year {lacking[0]} is missing ({len(lacking)} of {first_year}-{last_year}); complete the data or "
            "change the years"
        )
    if not np.array_equal(years, np.arange(first_year, last_year + 1)):
        raise InputError(f"{where}: 'year' must be {first_year}..{last_year} in order; sort and select the years")
    months = np.asarray(climate["month"].values) if "month" in climate.coords else np.arange(climate.sizes["month"]) + 1
    if not np.array_equal(months, np.arange(1, 13)):
        lost = sorted(set(range(1, 13)) - {int(m) for m in months})
        what = f"month {lost[0]} is missing" if lost else "'month' is not 1..12 in order"
        raise InputError(f"{where}: {what}; give all twelve months of every year")


def _check_field(climate: xr.Dataset, name: str, unit: str, low: float, high: float, where: str) -> None:
    data = climate[name]
    found = data.attrs.get("units")
    if found != unit:
        raise InputError(
            f"{where}: '{name}' is in {found!r}, expected {unit!r}; convert it and set its units attribute"
        )
    if data.dims != ("cell", "year", "month"):
        raise InputError(
            f"{where}: '{name}' has dimensions {data.dims}, expected ('cell', 'year', 'month'); transpose it"
        )
    values = np.asarray(data.values)
    bad = ~np.isfinite(values)
    if bad.any():
        raise InputError(f"{where}: '{name}' is missing (NaN) in {_moment(climate, bad)}; fill it or drop the cell")
    smallest, largest = float(values.min()), float(values.max())
    disguise = _disguised(name, smallest, largest)
    if disguise:
        raise InputError(
            f"{where}: '{name}' has values {smallest:.3g}..{largest:.3g}: {disguise} expected {unit}; convert the values"
        )
    bad = (values < low) | (values > high)
    if bad.any():
        kind = "negative precipitation" if name == "precipitation" and smallest < 0 else f"'{name}'"
        raise InputError(
            f"{where}: {kind} {float(values[bad][0]):.4g} {unit} in {_moment(climate, bad)}, expected {low:g}..{high:g} "
            f"('{name}'); {'a fill value? declare it as _FillValue, or ' if values[bad][0] < -900 else ''}correct the data"
        )


COLD, WET_COLD_YEAR = -20.0, 4000.0
"""degC; mm in a year with a month so cold, of which more is refused. Cold air holds little water: of the 23,307 half-degree cells
of a climatology north of 45 degN and of High Asia that have such a month, the wettest (Saint Elias Mountains) has 2,707 mm, the
median 283. Months alone do not tell: single mountain cells have 209 mm in a month of -21 degC."""


def _check_rain(climate: xr.Dataset, where: str) -> None:
    """Refuse precipitation where the typical cell with cold months is wetter than cold air allows."""
    cold = np.any(np.asarray(climate["air_temperature"].values) < COLD, axis=(1, 2))
    if not cold.any():
        return
    typical = float(np.median(np.asarray(climate["precipitation"].values)[cold].sum(axis=2).mean(axis=1)))
    if typical > WET_COLD_YEAR:
        raise InputError(
            f"{where}: 'precipitation' is {typical:.4g} mm a year in the median cell with a month below {COLD:g} degC, expected "
            f"less than {WET_COLD_YEAR:g}; monthly totals under a unit per day? correct the unit"
        )


LIGHT_FACTOR, LIGHT_SLACK, LIGHT_DOUBT = 1.05, 40.0, 10.0
"""Light may exceed that at the top of the atmosphere by this factor (means over cells, months and twilight) and these W m-2:
beyond the first it is refused, beyond the second doubted."""


def _check_light(climate: xr.Dataset, where: str) -> None:
    """Refuse more light than reaches the top of the atmosphere at that latitude and month."""
    told = _bright(climate, LIGHT_SLACK)
    if told:
        raise InputError(f"{where}: {told}")


def _bright(climate: xr.Dataset, slack: float) -> str:
    """Where light exceeds that at the top of the atmosphere by more than ``slack`` (W m-2); "" where it does nowhere."""
    latitude = np.asarray(climate["latitude"].values, dtype=np.float64)
    top = LIGHT_FACTOR * embedded.top_of_atmosphere(latitude)[:, None, :]
    light = np.asarray(climate["shortwave_radiation"].values)
    shown = light > top + slack
    if not shown.any():
        return ""
    cell, year, month = (int(k) for k in np.argwhere(shown)[0])
    return (
        f"'shortwave_radiation' exceeds the radiation at the top of the atmosphere in {int(shown.sum())} cells and "
        f"months, first {light[cell, year, month]:.4g} W m-2 at {latitude[cell]:.2f} N in "
        f"{climate['year'].values[year]}-{month + 1:02d}, limit {top[cell, 0, month]:.4g}; wrong month, hemisphere or unit?"
    )


WET_YEAR, DRY_YEAR = 6000.0, 40.0
"""mm a year: more in a cell, and less in the median cell, is doubted."""


class Heard:
    """What is to be noted of a climate, gathered over all its cells, so that a note tells the file and not a chunk of it.

    ``where``: what notes call it. ``documented``: the source's own documentation fixes its units, so that they are no question.
    """

    def __init__(self, where: str, documented: bool = False):
        self.where, self.documented = where, documented
        self.rain: list[np.ndarray] = []
        self.bright = ""
        self.counts: dict[str, dict[Hashable, int]] = {}

    def add(self, climate: xr.Dataset) -> None:
        """Some cells and years, with what their reader noted (``attrs["noted"]``: number of cases by part for each text)."""
        self.rain.append(np.asarray(climate["precipitation"].values).sum(axis=2).mean(axis=1))
        if "latitude" in climate.coords and not self.bright:
            self.bright = _bright(climate, LIGHT_DOUBT)
        for text, parts in climate.attrs.get("noted", {}).items():
            mine = self.counts.setdefault(text, {})
            for part, count in parts.items():
                mine[part] = mine.get(part, 0) + count

    def say(self) -> None:
        """The notes, one about each thing."""
        for text, parts in self.counts.items():
            note(text, parts)
        if self.bright:
            note(f"{self.where}: {self.bright}", about=f"{self.where}: light")
        year = np.concatenate(self.rain) if self.rain else np.array([])
        if self.documented or not year.size:
            return
        if (year > WET_YEAR).any():
            note(
                f"{self.where}: precipitation of {int((year > WET_YEAR).sum())} cells is above {WET_YEAR:g} mm a year, up to "
                f"{year.max():.4g}; monthly totals under a unit per day?",
                about=f"{self.where}: wet",
            )
        if float(np.median(year)) < DRY_YEAR:
            note(
                f"{self.where}: precipitation of the median cell is {float(np.median(year)):.3g} mm a year; daily means under a "
                "unit per month?",
                about=f"{self.where}: dry",
            )


def _disguised(name: str, smallest: float, largest: float) -> str:
    """Which other unit the values look like."""
    if name == "air_temperature" and smallest > 150 and largest < 350:
        return "Kelvin?"
    if name == "precipitation" and 0 < largest < 0.05:
        return "kg m-2 s-1?"
    if name == "precipitation" and 0.05 <= largest < 4.0:
        return "mm d-1?"
    if name == "shortwave_radiation" and 5 < largest < 45:
        return "MJ m-2 d-1?"
    if name == "shortwave_radiation" and largest > 600:
        return "cal cm-2 d-1 or kJ?"
    return ""


def climate_loader(
    source: ClimateSource, first_year: int, last_year: int, *, wrap: bool, where: str, goes_on: bool = False,
    heard: Heard | None = None,
) -> Callable[[np.ndarray], Climate]:  # fmt: skip
    """Loader of one stage: cell indices -> stacked climate as float64 host arrays (cell, year, 12), checked.

    The January after each year is the true one inside the stage; after the last year it is December repeated, the
    first January of the cycle where ``wrap`` (repeated climate), or that of the year after it where the source ``goes_on``.
    ``heard`` gathers what is to be noted of what is loaded.
    """
    until, count = last_year + goes_on, last_year - first_year + 1

    def load(cells: np.ndarray) -> Climate:
        wanted, back = np.unique(np.asarray(cells), return_inverse=True)
        climate = source(wanted, first_year, until)
        check_climate(climate, first_year, until, where)
        if heard is not None:
            heard.add(climate)
        januaries = np.asarray(climate["air_temperature"].values, dtype=np.float64)[back, :, 0]
        climate = climate.isel(year=slice(count))

        def values(name: str) -> np.ndarray:
            return np.ascontiguousarray(np.asarray(climate[name].values, dtype=np.float64)[back])

        air = values("air_temperature")
        last = air[:, :1, 0] if wrap else januaries[:, count:] if goes_on else air[:, -1:, 11]
        co2 = np.asarray(climate["co2"].values, dtype=np.float64)
        return Climate(
            air_temperature=air,
            precipitation=values("precipitation"),
            shortwave_radiation=values("shortwave_radiation"),
            co2=np.ascontiguousarray(np.broadcast_to(co2, air.shape[:2])),
            nitrogen_input=values("nitrogen_input") if "nitrogen_input" in climate else np.zeros_like(air),
            following_air_temperature=np.concatenate([air[:, 1:, 0], last], axis=1),
        )

    return load


# --- words for errors ------------------------------------------------------------------------------------------------


def _first(values: np.ndarray, bad: np.ndarray) -> tuple[int, float]:
    row = int(np.argmax(bad))
    return row, float(np.asarray(values)[row])


def _place(cells: xr.Dataset, bad: np.ndarray) -> str:
    row = int(np.argmax(bad))
    latitude, longitude = float(cells["latitude"].values[row]), float(cells["longitude"].values[row])
    return f"cell {row} ({latitude:.2f}, {longitude:.2f}; {int(np.sum(bad))} cells in all)"


def _moment(climate: xr.Dataset, bad: np.ndarray) -> str:
    cell, year, month = (int(k) for k in np.argwhere(bad)[0])
    label = climate["cell"].values[cell] if "cell" in climate.coords else cell
    return f"cell {label}, {climate['year'].values[year]}-{month + 1:02d} ({int(bad.sum())} values in all)"
