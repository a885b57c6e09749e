"""One place and its climate to cells and sources: from the user's table, or from the embedded fields."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from jtem.coast import in_open_sea, on_land
from jtem.errors import InputError, note, suggest
from jtem.files import data_path
from jtem.readers import co2 as carbon
from jtem.readers import contract, embedded, site_table, static_fields
from jtem.readers.catalogue import Domain, Find
from jtem.readers.cf_monthly import CLOUD_OVERCAST, CLOUD_RANGE, Sun
from jtem.readers.site_table import SiteTable
from jtem.records import Named

LATER_CO2 = "ssp126"
"""Scenario of the embedded CO2 after 2014 where none is named: it lies closest to what was observed since."""


@dataclass(frozen=True)
class Position:
    """Where a site lies and what grows there; None, "" and () are looked up, and said.

    ``latitude``, ``longitude`` (degrees), ``elevation`` (m); ``community``: name of a plant community; ``texture``: sand,
    silt, clay (percent); ``soil_organic_carbon``: kg m-2 in 0-0.3, 0.3-1, 1-2, 2-3 m; ``static``: a CF file of fixed fields.
    """

    latitude: float
    longitude: float
    elevation: float | None = None
    community: str = ""
    texture: tuple[float, ...] = ()
    soil_organic_carbon: tuple[float, ...] = ()
    static: Path | None = None
    name: str = "site"


def communities() -> list[str]:
    """Names of the plant communities of the parameter table."""
    return list(tomllib.loads(data_path("parameters", "defaults.toml").read_text(encoding="utf-8"))["communities"])


def check_position(latitude: float, longitude: float, where: str) -> None:
    """Raise ``InputError`` unless this is a place on Earth."""
    for word, value in (("latitude", latitude), ("longitude", longitude)):
        if value is None or not np.isfinite(value):
            raise InputError(f"{where}: {word} is missing; give it in degrees")
    if abs(latitude) > 90:
        swapped = abs(longitude) <= 90
        remedy = "latitude and longitude are swapped, exchange them" if swapped else "correct it"
        raise InputError(f"{where}: latitude {latitude:g} is outside -90..90; {remedy}")
    if not -180 <= longitude <= 360:
        raise InputError(f"{where}: longitude {longitude:g} is outside -180..360; correct it")


UNLIKE, LIKER = 6.0, 0.5
"""A site's monthly air temperature is strange where it is off the climatology by so much (K, root mean square), and the mirrored
place meant where it is off by less than this part there."""


def doubtful_longitude(position: Position, normals: Mapping[str, np.ndarray] | None, where: str) -> None:
    """Note a longitude whose sign seems wrong: open sea here and land at the other sign, or a table that has the climate of
    there. ``normals``: as :func:`site_cells` takes them.
    """
    east = (position.longitude + 180.0) % 360.0 - 180.0
    here, there = (f"({position.latitude:g}, {value:g})" for value in (east, -east))
    remedy = "check its sign (western longitude is negative)"
    if in_open_sea(position.latitude, east):
        if on_land(position.latitude, -east):
            note(f"{where}: {here} lies in the sea and {there} on land; is the longitude {-east:g}? {remedy}")
        return
    height = position.elevation
    if normals is None or height is None or position.latitude < 45.0 or not on_land(position.latitude, -east):
        return
    climates = [_air_of(position.latitude, x, height) for x in (east, -east)]
    off = [float(np.sqrt(np.mean((normals["air_temperature"] - air) ** 2))) for air in climates]
    if off[0] > UNLIKE and off[1] < LIKER * off[0]:
        note(
            f"{where}: air temperature is {off[0]:.0f} K off the climatology of {here} and {off[1]:.0f} K off that of {there}; "
            f"is the longitude {-east:g}? {remedy}"
        )


def _air_of(latitude: float, longitude: float, elevation: float) -> np.ndarray:
    """Emulated monthly air temperature (12,), degC."""
    place = {"latitude": latitude, "longitude": longitude, "elevation": elevation}
    cells = xr.Dataset({name: ("cell", np.array([value])) for name, value in place.items()})
    return embedded.normals(cells)["air_temperature"].values[0]


def site_cells(
    position: Position, normals: Mapping[str, np.ndarray] | None, where: str
) -> tuple[xr.Dataset, list[str]]:
    """The one cell of a site, and what was not given: looked up in the static file, or assumed.

    ``normals``: monthly means (12,) of air_temperature (degC) and precipitation (mm month-1), for vegetation by rule. Raises
    ``InputError``.
    """
    check_position(position.latitude, position.longitude, where)
    notes: list[str] = []
    found = _looked_up(position, where, notes)
    latitude, longitude = float(position.latitude), float((position.longitude + 180.0) % 360.0 - 180.0)
    elevation = position.elevation if position.elevation is not None else found.get("elevation")
    if elevation is None:
        raise InputError(f"{where}: elevation is missing; give it in m, or static= a CF file that has it")
    if position.community:
        community, fraction = np.array([[position.community, ""]], dtype=object), np.array([[1.0, 0.0]])
    elif "community" in found:
        community, fraction = found["community"], found["fraction"]
    elif normals is not None:
        air, rain = (np.asarray(normals[name])[None] for name in ("air_temperature", "precipitation"))
        community, fraction = embedded.communities(np.array([latitude]), air, rain)
        notes.append(f"vegetation by rule from the climate: {' and '.join(str(n) for n in community[0] if n)}")
    else:
        raise InputError(f"{where}: community is missing; give the name of a plant community")
    texture = position.texture or found.get("texture")
    if texture is None:
        texture = embedded.texture_of_loam()
        notes.append("soil texture of the embedded loam (sand {:g}, silt {:g}, clay {:g} percent)".format(*texture))
    if len(texture) != 3:
        raise InputError(
            f"{where}: texture has {len(texture)} numbers, expected sand, silt and clay in percent; give three"
        )
    stocks = position.soil_organic_carbon or found.get("soil_organic_carbon")
    if stocks is None:
        stocks = (np.nan,) * 4
        notes.append("soil carbon profile of the community's mean stocks")
    if len(stocks) != 4:
        raise InputError(
            f"{where}: soil_organic_carbon has {len(stocks)} numbers, expected kg m-2 in 0-0.3, 0.3-1, 1-2, 2-3 m; give four"
        )
    fields = {"latitude": latitude, "longitude": longitude, "elevation": float(elevation), "area": 1.0}
    fields |= dict(zip(("sand", "silt", "clay"), map(float, texture), strict=True))
    cells = contract.cells(fields, community, fraction, position.name, np.array([stocks], dtype=np.float64))
    return cells.assign_coords(site=("cell", np.array([position.name], dtype=object))), notes


def _looked_up(position: Position, where: str, notes: list[str]) -> Named:
    """What the user's map says at the place."""
    if position.static is None:
        return {}
    cells = static_fields.read_cells(position.static, community=position.community)
    latitude, longitude = cells["latitude"].values, cells["longitude"].values
    east = (longitude - position.longitude + 180.0) % 360.0 - 180.0
    distance = np.hypot(latitude - position.latitude, np.cos(np.deg2rad(position.latitude)) * east)
    best = int(np.argmin(distance))
    if distance[best] > 1.5:
        mirrored = np.hypot(
            latitude - position.latitude, (longitude + position.longitude + 180.0) % 360.0 - 180.0
        ).min()
        remedy = (
            f"it has one at longitude {-position.longitude:g}: check the sign"
            if mirrored < 1.5
            else "give another file, or the values"
        )
        raise InputError(
            f"{where}: {position.static} has no cell within 1.5 degrees of ({position.latitude:g}, {position.longitude:g}); "
            f"{remedy}"
        )
    here = cells.isel(cell=[best])
    notes.append(
        f"fixed fields of {position.static.name} at ({latitude[best]:.2f}, {longitude[best]:.2f}) where none were given"
    )
    result: Named = {
        "elevation": float(here["elevation"].values[0]),
        "texture": tuple(float(here[name].values[0]) for name in ("sand", "silt", "clay")),
        "community": here["community"].values,
        "fraction": here["community_area_fraction"].values,
    }
    if "soil_organic_carbon" in here:
        result["soil_organic_carbon"] = tuple(here["soil_organic_carbon"].values[0])
    return result


# --- the user's table -------------------------------------------------------------------------------------------------


def light_under_cloud(top: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Cloudiness (percent, (year, 12)) to shortwave radiation (W m-2) under the light ``top`` (12,): TEM's relation
    (``physics.radiation.radiation_under_cloud``).
    """
    return lambda cloud: top * (CLOUD_OVERCAST + CLOUD_RANGE * (1.0 - cloud / 100.0))


def checked(table: SiteTable, latitude: float, sun: Sun, where: str) -> SiteTable:
    """The table with radiation, checked against the sun of its latitude; raises ``InputError`` where they disagree."""
    top = sun(np.array([latitude]))[0]
    table = table.lit(light_under_cloud(top))
    air = table.fields["air_temperature"].mean(axis=0)
    winter, summer = air[[11, 0, 1]].mean(), air[5:8].mean()
    if abs(latitude) > 23.5 and abs(summer - winter) > 3.0 and (latitude > 0) != (summer > winter):
        season = "June to August" if summer > winter else "December to February"
        side = "northern latitude is positive" if summer > winter else "southern latitude is negative"
        raise InputError(
            f"{where}: {season} are the warmest months, latitude is {latitude:g}; a {side}, write {-latitude:g}"
        )
    light = table.fields["shortwave_radiation"]
    bad = light > 1.1 * top + 15.0
    if bad.any():
        year, month = (int(k) for k in np.argwhere(bad)[0])
        raise InputError(
            f"{where}: shortwave radiation is {light[year, month]:.0f} W m-2 in {table.years[year]}-{month + 1:02d}, above the "
            f"atmosphere at latitude {latitude:g} it is {top[month]:.0f}; check latitude, months and unit"
        )
    return table


def open_domain(
    find: Find,
    climates: Sequence[str],
    *,
    climate: Mapping[str, Sequence[str]],
    names: Mapping[str, str],
    units: Mapping[str, str],
    fill: str,
    co2: str,
    co2_column: str,
    latitude: float | None,
    longitude: float | None,
    elevation: float | None,
    community: str,
    texture: Sequence[float],
    soil_organic_carbon: Sequence[float],
    static: str,
    sun: Sun,
) -> Domain:
    """The site of a [domain] with source "table"; raises ``InputError``.

    Tables are looked for in the current folder, then in the data folder.
    """

    def found(name: str) -> Path:
        return find(name, here=True)

    tables = {}
    for word in climates:
        files = climate[word]
        if len(files) != 1:
            raise InputError(f"climate '{word}' of a site has {len(files)} tables; join them to one")
        path = found(files[0])
        tables[word] = site_table.read(path, names=names, units=units, fill=fill, where=str(path))
    one = next(iter(tables.values()))
    position = Position(
        given(latitude, "latitude", one.title), given(longitude, "longitude", one.title), elevation, community,
        tuple(texture), tuple(soil_organic_carbon), found(static) if static else None, Path(one.title).stem,
    )  # fmt: skip
    series, said = carbon_dioxide_of(None if co2 == "embedded" else co2, co2_column, found, one.title)
    if series is None and co2_column:
        series, said = scenario_co2(co2_column, tables)
    made = table_domain(tables, position, sun, one.title, series)
    return replace(made, inputs=(*made.inputs, *said))


def given(value: float | None, word: str, where: str) -> float:
    """A coordinate; raises ``InputError`` where it is missing."""
    if value is None:
        raise InputError(f"{where}: {word} is missing; give it in degrees")
    return float(value)


def scenario_co2(
    column: str, tables: Mapping[str, SiteTable]
) -> tuple[Callable[[str, int, int], np.ndarray], tuple[str, ...]]:
    """Embedded CO2 of the scenario that a plan names, and what to say of it; raises ``InputError``."""
    if column not in embedded.CO2_YEARS:
        raise InputError(f"[domain] co2_column '{column}' is no embedded series; {suggest(column, embedded.CO2_YEARS)}")
    for table in tables.values():
        if table.co2 is not None:
            raise InputError(f"{table.title} holds CO2 and [domain] co2_column is '{column}'; leave one of them out")
    return (
        lambda climate, first, last: carbon.of_climate(climate, column, first, last),
        (f"CO2: embedded published series ({column} after 2014)",),
    )


def carbon_dioxide_of(
    source: Any, column: str, found: Callable[[str], Path], where: str
) -> tuple[Callable[[str, int, int], np.ndarray] | None, tuple[str, ...]]:
    """CO2 that is not the default (ppm by climate and years), and what to say of it.

    ``source``: None, the name of an embedded series, a path, a number, or numbers by year.
    """
    if source is None:
        return None, ()
    if isinstance(source, str | Path):
        if str(source) in embedded.CO2_YEARS:
            return lambda climate, first, last: default_co2(str(source), first, last), (f"CO2: embedded {source}",)
        path = found(str(source))
        return lambda climate, first, last: carbon.read_table(path, first, last, column), (f"CO2: {path.name}",)
    words = f"CO2: {source:g} ppm" if isinstance(source, int | float | np.number) else "CO2: given by year"
    return constant_or_series(source, where), (words,)


def table_domain(
    tables: Mapping[str, SiteTable],
    position: Position,
    sun: Sun,
    where: str,
    carbon_dioxide: Callable[[str, int, int], np.ndarray] | None = None,
) -> Domain:
    """Cell, climate by name and inputs of a site whose climates are tables.

    ``sun``: light at the top of the atmosphere, latitude (n,) to W m-2 (n, 12).

    ``carbon_dioxide``: (climate, first, last) to ppm (year,), where neither the tables nor the embedded series shall give it.
    """
    check_position(position.latitude, position.longitude, where)
    lit = {name: checked(table, position.latitude, sun, table.title) for name, table in tables.items()}
    one = next(iter(lit.values()))
    normals = {name: one.fields[name].mean(axis=0) for name in ("air_temperature", "precipitation")}
    doubtful_longitude(position, normals, where)
    cells, notes = site_cells(position, normals, where)

    def source_of(climate: str):
        table = lit[climate]

        def source(rows: np.ndarray, first: int, last: int) -> xr.Dataset:
            made = table.dataset(first, last).isel(cell=np.zeros(len(rows), dtype=int))
            if carbon_dioxide is not None:
                ppm = carbon_dioxide(climate, first, last)
            elif table.co2 is not None:
                begin = first - int(table.years[0])
                ppm = table.co2[begin : begin + last - first + 1]
            else:
                ppm = default_co2(climate, first, last)
            return made.assign(co2=("year", ppm, {"units": "ppm"}))

        return source, table.title

    inputs = [table.title for table in lit.values()]
    for table in lit.values():
        notes += table.notes
    if carbon_dioxide is None and all(table.co2 is None for table in lit.values()):
        notes.append(f"CO2: embedded published series (after 2014 {LATER_CO2} where the climate names no scenario)")
    return Domain(cells, source_of, (*dict.fromkeys(inputs), *dict.fromkeys(notes)))


def default_co2(climate: str, first: int, last: int) -> np.ndarray:
    """Embedded CO2 (ppm), (year,): of the climate where it is called like a scenario, else :data:`LATER_CO2` after 2014."""
    known = [name for name in embedded.CO2_YEARS if name != "historical"]
    return carbon.embedded_series(climate if climate in known else LATER_CO2, first, last)


def constant_or_series(value: Any, where: str) -> Callable[[str, int, int], np.ndarray]:
    """CO2 given as one number (ppm) or by year."""

    def of(climate: str, first: int, last: int) -> np.ndarray:
        del climate
        years = range(first, last + 1)
        if isinstance(value, int | float | np.number):
            return np.full(len(years), float(value))
        series = {int(year): float(ppm) for year, ppm in value.items()}
        lost = [year for year in years if year not in series]
        if lost:
            raise InputError(f"{where}: CO2 of {lost[0]} is missing; give every year of {first}-{last}")
        return np.array([series[year] for year in years])

    return of


# --- the embedded fields ----------------------------------------------------------------------------------------------


def emulated_domain(position: Position, where: str) -> Domain:
    """Cell, climate by name and inputs of any place that the climate emulator covers; raises ``InputError``."""
    check_position(position.latitude, position.longitude, where)
    doubtful_longitude(position, None, where)
    notes: list[str] = []
    if position.elevation is None and position.static is None:
        elevation, distance = _nearest_elevation(position.latitude, position.longitude)
        notes.append(f"elevation {elevation:.0f} m of the nearest embedded cell ({distance:.1f} degrees away)")
        position = replace(position, elevation=elevation)
    cells, more = site_cells(replace(position, community=position.community or "boreal_forest"), None, where)
    if not position.community:
        normals = embedded.normals(cells)
        fields = {name: normals[name].values[0] for name in ("air_temperature", "precipitation")}
        cells, more = site_cells(position, fields, where)
    else:
        embedded.normals(cells)  # refuses places that it does not cover

    def source_of(climate: str):
        def source(rows: np.ndarray, first: int, last: int) -> xr.Dataset:
            here = cells.isel(cell=np.zeros(len(rows), dtype=int))
            return embedded.joined_climate(here, climate, first, last)

        return source, f"emulated climate '{climate}'"

    place = f"embedded fields at ({position.latitude:g}, {position.longitude:g})"
    inputs = (place, "emulated climate (data/embedded)", *notes, *more)
    return Domain(cells, source_of, inputs, title="emulated climate", documented=True)


def _nearest_elevation(latitude: float, longitude: float) -> tuple[float, float]:
    best, result = np.inf, 0.0
    for name in embedded.DOMAINS:
        cells = embedded.domain(name)
        east = (cells["longitude"].values - longitude + 180.0) % 360.0 - 180.0
        distance = np.hypot(cells["latitude"].values - latitude, np.cos(np.deg2rad(latitude)) * east)
        k = int(np.argmin(distance))
        if distance[k] < best:
            best, result = float(distance[k]), float(cells["elevation"].values[k])
    return result, best
