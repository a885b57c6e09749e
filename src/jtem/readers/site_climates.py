"""Climate of observed sites: a tower's own, the nearest half-degree cell, the embedded emulator, or a plan's domain.

Each function gives a :data:`jtem.readers.catalogue.ClimateSource` of the places of an observation dataset, in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import xarray as xr

from jtem.errors import InputError
from jtem.readers import climate_grid, co2, contract, embedded
from jtem.readers.catalogue import ClimateSource, Domain
from jtem.readers.towers import FORCING, Tower

LAPSE_RATE = 6.5e-3  # degC m-1, from a grid cell's elevation to the site's
LAST_OBSERVED_YEAR = 2014
MEMBER = {False: "gfdl_like", True: "observed_history"}
"""Climate member whose past a site has, by whether it is observed."""
SNOW_DENSITY = 250.0
"""kg m-3, between taiga (217) and tundra (285) of Sturm et al. (2010)."""
SNOW_SHARES = 0.05, 4.0
"""Least and largest snow at a station over that of its cell."""
LATER = "ssp126"  # the scenario of years since

Fields = dict[str, np.ndarray]
"""Air temperature, precipitation and radiation of one site, each (year, 12)."""


def _source(site: Callable[[int, int, int], Fields]) -> ClimateSource:
    """From a function of one site and years, with embedded CO2, to a source of several sites."""

    def source(rows: np.ndarray, first: int, last: int) -> xr.Dataset:
        pieces = [site(int(k), first, last) for k in rows]
        fields = {name: np.stack([piece[name] for piece in pieces]) for name in pieces[0]}
        return contract.climate(fields, first, co2=co2.embedded_series(LATER, first, last))

    return source


def _fields(air: np.ndarray, rain: np.ndarray, light: np.ndarray) -> Fields:
    return {"air_temperature": air, "precipitation": np.maximum(rain, 0.0), "shortwave_radiation": light}


def tower(
    towers: Sequence[Tower], cells: xr.Dataset, data: Path | None, *, observed: bool = False, raised: bool = False
) -> ClimateSource:
    """The towers' forcing; other years are a tower's mean months moved by the anomaly of the year (precipitation 4.5 % a degC).

    Anomalies are those of the half-degree past where the data folder has it (``observed``: of observed zonal means), else the
    embedded ones. ``raised``: gauges catch less snow than falls, so months whose mean is below 0 degC get the half-degree
    normal's precipitation where theirs is less on the mean, year to year as measured. Raises ``InputError``.
    """

    def site(k: int, first: int, last: int) -> Fields:
        own = {name: np.asarray(towers[k].forcing[name].values[0], np.float64) for name in FORCING}
        if raised:
            own["precipitation"] = _without_undercatch(own, data, cells, k)
        begin, end = towers[k].years
        years = np.arange(first, last + 1)
        mine = np.arange(begin, end + 1)
        change = _annual_anomaly(data, cells, k, np.arange(min(first, begin), max(last, end) + 1), observed)
        base = min(first, begin)
        away = change[years - base] - change[mine - base].mean()
        mean = {name: values.mean(axis=0) for name, values in own.items()}
        made = _fields(
            mean["air_temperature"] + away[:, None],
            mean["precipitation"] * np.maximum(1.0 + climate_grid.PRECIPITATION_PER_DEGREE * away[:, None], 0.1),
            np.repeat(mean["shortwave_radiation"][None], years.size, axis=0),
        )
        for name, values in own.items():
            inside = (years >= begin) & (years <= end)
            made[name] = np.array(made[name])
            made[name][inside] = values[years[inside] - begin]
        return made

    return _source(site)


def _without_undercatch(own: Fields, data: Path | None, cells: xr.Dataset, k: int) -> np.ndarray:
    """Precipitation (year, 12) of a tower, in cold months at least the half-degree normal's on the mean."""
    if data is None:
        raise InputError(
            "undercatch 'normal' needs the half-degree normals; give their folder with --data or JTEM_DATA"
        )
    places = xr.Dataset(
        {n: ("place", np.atleast_1d(cells[n].values)[k : k + 1]) for n in ("latitude", "longitude")},
        {"place": np.atleast_1d(cells["site"].values)[k : k + 1]},
    )
    cell = nearest_half_degree(Path(data), places, 0)
    normal = climate_grid.climate(Path(data), cell, "historical", 1961, 1990)["precipitation"].values[0].mean(axis=0)
    rain = own["precipitation"]
    mean = rain.mean(axis=0)
    low = (own["air_temperature"].mean(axis=0) < 0.0) & (mean < normal)
    factor = np.divide(normal, mean, out=np.ones(12), where=low & (mean > 0.5))
    return np.where(low & (mean <= 0.5), normal, rain * factor)


def _annual_anomaly(
    data: Path | None, cells: xr.Dataset, k: int, years: np.ndarray, observed: bool = False
) -> np.ndarray:
    """Temperature anomaly (year,), degC, at a cell."""
    latitude, longitude = (np.atleast_1d(cells[n].values)[k : k + 1].astype(float) for n in ("latitude", "longitude"))
    if data is not None and (Path(data) / "climate_change").is_dir():
        scenario = "historical" if years[-1] <= LAST_OBSERVED_YEAR else LATER
        return climate_grid.anomaly(data, latitude, longitude, scenario, years, MEMBER[observed])[0].mean(axis=1)
    try:
        made = embedded.climate(cells.isel(cell=[k]), "historical", int(years[0]), int(years[-1]))
    except InputError:  # outside the emulator
        return np.zeros(years.size)
    return made["air_temperature"].values[0].mean(axis=1)


def half_degree(
    root: Path,
    places: xr.Dataset,
    cells: xr.Dataset,
    station: Mapping[str, Mapping[str, np.ndarray]],
    *,
    observed: bool = False,
    snow: Mapping[str, Mapping[str, np.ndarray]] | None = None,
) -> ClimateSource:
    """The half-degree cell's climate, moved to the site's elevation; where the station measured air temperature its
    months are used, and their mean offset in the other months. ``observed``: the past has observed anomalies of the zone.

    ``snow``: depths measured (m). The months below 0 degC from October to March of the normal then get the precipitation that
    makes their mean depth of February and March, at :data:`SNOW_DENSITY`: ground that wind sweeps has less snow than its cell.
    """

    def site(k: int, first: int, last: int) -> Fields:
        cell = nearest_half_degree(root, places, k)
        scenario = "historical" if last <= LAST_OBSERVED_YEAR else LATER
        made = climate_grid.climate(root, cell, scenario, first, last, MEMBER[observed])
        air = np.array(made["air_temperature"].values[0], dtype=np.float64)
        air += LAPSE_RATE * (float(cell["elevation"].values[0]) - float(cells["elevation"].values[k]))
        measured = station.get(str(places["place"].values[k]))
        if measured is not None:
            year, month = measured["year"].astype(int), measured["month"].astype(int) - 1
            inside = (year >= first) & (year <= last)
            year, month, value = year[inside], month[inside], measured["value"][inside]
            if year.size:
                offset = value - air[year - first, month]
                for m in range(12):
                    if (month == m).any():
                        air[:, m] += offset[month == m].mean()
                air[year - first, month] = value
        rain, light = (np.asarray(made[n].values[0], np.float64) for n in ("precipitation", "shortwave_radiation"))
        depth = (snow or {}).get(str(places["place"].values[k]))
        if depth is not None:
            rain = rain * np.where(air < 0.0, _share_of_snow(depth, root, cell), 1.0)
        return _fields(air, rain, light)

    return _source(site)


def _share_of_snow(depth: Mapping[str, np.ndarray], root: Path, cell: xr.Dataset) -> float:
    """Snow that lies at a station over what the normal's months below 0 degC bring; 1 where no late winter was measured."""
    late = np.isin(depth["month"], (2, 3))
    if not late.any():
        return 1.0
    normal = climate_grid.climate(root, cell, "historical", 1961, 1990)
    air, rain = (normal[name].values[0].mean(axis=0) for name in ("air_temperature", "precipitation"))
    winter = np.isin(np.arange(12), (9, 10, 11, 0, 1, 2)) & (air < 0.0)
    fallen = max(float(rain[winter].sum()), 1.0)
    return float(np.clip(SNOW_DENSITY * depth["value"][late].mean() / fallen, *SNOW_SHARES))


def emulated(cells: xr.Dataset) -> ClimateSource:
    """The embedded emulator at the cells."""

    def site(k: int, first: int, last: int) -> Fields:
        scenario = "historical" if last <= LAST_OBSERVED_YEAR else LATER
        made = embedded.climate(cells.isel(cell=[k]), scenario, first, last)
        return {name: np.asarray(made[name].values[0], np.float64) for name in FORCING}

    return _source(site)


def of_domain(domain: Domain, climate: str, places: xr.Dataset, within: float) -> tuple[np.ndarray, ClimateSource, str]:
    """The cells of a plan's domain nearest to the places, their climate, CO2 with it, and what it is called.

    Raises ``InputError`` for a place further than ``within`` degrees from all of them.
    """
    source, said = domain.source(climate)
    rows = np.array([nearest(domain.cells, places, k, within, "[domain]") for k in range(places.sizes["place"])])

    def at_sites(wanted: np.ndarray, first: int, last: int) -> xr.Dataset:
        cells, back = np.unique(rows[wanted], return_inverse=True)
        return source(cells, first, last).isel(cell=back)

    return rows, at_sites, said


# --- the nearest cell ------------------------------------------------------------------------------------------------


def nearest(every: xr.Dataset, places: xr.Dataset, k: int, within: float, called: str) -> int:
    """Index of the cell nearest to place ``k`` of an observation dataset; raises ``InputError`` beyond ``within`` degrees."""
    name = places["place"].values[k]
    latitude, longitude = (float(places[field].values[k]) for field in ("latitude", "longitude"))
    if not np.isfinite(latitude + longitude):
        raise InputError(f"site '{name}' has no latitude and longitude; give them in 'places' of its [[data]]")
    east = (every["longitude"].values - longitude + 180.0) % 360.0 - 180.0
    distance = (every["latitude"].values - latitude) ** 2 + (np.cos(np.deg2rad(latitude)) * east) ** 2
    best = int(np.argmin(distance))
    if distance[best] > within**2:
        raise InputError(f"site '{name}' has no cell of {called} within {within:g} degrees; leave it out")
    return best


def nearest_half_degree(root: Path, places: xr.Dataset, k: int) -> xr.Dataset:
    """The half-degree cell nearest to a place; raises ``InputError``."""
    every = _half_degree_cells(str(root))
    return every.isel(cell=[nearest(every, places, k, 1.5, "the half-degree fields")])


def heights(root: Path, places: xr.Dataset) -> dict[str, float]:
    """Elevation (m) of the half-degree cells of places that have none."""
    unknown = np.flatnonzero(~np.isfinite(places["elevation"].values))
    return {
        str(places["place"].values[k]): float(nearest_half_degree(root, places, int(k))["elevation"].values[0])
        for k in unknown
    }


def communities(root: Path, places: xr.Dataset) -> dict[str, str]:
    """Largest community of the half-degree cells of places that have none."""
    found = {}
    for k, own in enumerate(places["community"].values):
        if not own:
            cell = nearest_half_degree(root, places, k)
            largest = int(np.argmax(cell["community_area_fraction"].values[0]))
            found[str(places["place"].values[k])] = str(cell["community"].values[0, largest])
    return found


def with_soil(root: Path, places: xr.Dataset, cells: xr.Dataset) -> xr.Dataset:
    """Cells of sites with the texture and topsoil carbon of the nearest half-degree cells (each with its own community's stocks
    below). Raises ``InputError``.
    """
    every = _half_degree_cells(str(root), "topsoil")
    rows = [nearest(every, places, k, 1.5, "the half-degree fields") for k in range(places.sizes["place"])]
    made = cells.copy(deep=True)
    for name in ("sand", "silt", "clay"):
        made[name].values[:] = every[name].values[rows]
    made["soil_organic_carbon"].values[:, 0] = every["soil_organic_carbon"].values[rows, 0]
    return made


@lru_cache(maxsize=2)
def _half_degree_cells(root: str, soil: str = "rule") -> xr.Dataset:
    return climate_grid.cells(root, "all", soil=soil, below_degC=30.0)
