"""The embedded default: real places and areas with an emulated climate, so that jtem runs with no download.

The climate is *emulated*: smooth functions whose coefficients were fitted to real fields by
``benchmarks/fit_climate_emulator.py`` and lie in ``data/embedded``. ``docs/climate_emulator.md`` states their error.
Only the dataset wrappers use xarray; everything inside is numpy.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Sequence
from functools import cache

import numpy as np
import xarray as xr

from jtem.constants import EARTH_RADIUS_KM
from jtem.errors import InputError, suggest
from jtem.files import data_path
from jtem.readers import contract
from jtem.records import Named

DOMAINS = ("pan_arctic", "plateau")
SCENARIO_YEARS = {
    "historical": (1850, 2014),
    "ssp126": (2015, 2100),
    "ssp585": (2015, 2100),
    "rcp45": (2015, 2100),
    "rcp85": (2015, 2100),
}

SOLAR_CONSTANT = 1361.0  # W m-2
MONTH_LENGTHS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
MONTHS = np.arange(1, 13)
BLOCK = 16
"""Rows of a matrix product are filled up to a multiple of this many."""


# ---- the building blocks of the emulator, shared with the script that fits it ----
def top_of_atmosphere(latitude: np.ndarray) -> np.ndarray:
    """Monthly mean radiation on a horizontal surface above the atmosphere, W m-2, shape (cell, 12).

    ``latitude``: degrees, shape (cell,). Daily integral over a 365-day year (Iqbal 1983, An Introduction to Solar
    Radiation, chapter 4), averaged over the days of each month.
    """
    day = np.arange(1, 366)
    declination = np.deg2rad(-23.44) * np.cos(2 * np.pi * (day + 10) / 365)
    distance = 1 + 0.033 * np.cos(2 * np.pi * day / 365)
    phi = np.deg2rad(np.clip(latitude, -89.9, 89.9))[:, None]
    sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(declination), -1, 1))
    height = sunset * np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.sin(sunset)
    daily = SOLAR_CONSTANT / np.pi * distance * height
    ends = np.cumsum(MONTH_LENGTHS)
    return np.stack([daily[:, end - n : end].mean(1) for end, n in zip(ends, MONTH_LENGTHS, strict=True)], axis=1)


def annual_harmonics(order: int) -> np.ndarray:
    """Mean, cosine and sine waves of the year at mid-month, shape (1 + 2 order, 12), pure numbers."""
    phase = 2 * np.pi * (MONTHS - 0.5) / 12
    waves = [np.ones(12)]
    for number in range(1, order + 1):
        waves += [np.cos(number * phase), np.sin(number * phase)]
    return np.stack(waves)


def product(rows: np.ndarray, *matrices: np.ndarray) -> np.ndarray:
    """``rows @ matrix @ ...``, (cell, ...), of a cell the same to the bit whatever the other cells are.

    A library of linear algebra takes the last row of an odd number, or a single one, in another order than the others, so the
    rows are filled up to whole blocks. Else a climate would depend on how cells are put into chunks.
    """
    count = rows.shape[0]
    made = np.pad(rows, ((0, -count % BLOCK), (0, 0)))
    for matrix in matrices:
        made = made @ matrix
    return made[:count]


def bumps(latitude: np.ndarray, longitude: np.ndarray, centres: np.ndarray, width_km: float) -> np.ndarray:
    """Gaussian bumps ``exp(-(d/width)^2)`` on the sphere, shape (cell, centre).

    ``latitude``, ``longitude``: degrees, shape (cell,). ``centres``: (centre, 2) latitude and longitude in degrees.
    ``d`` is the straight chord in km.
    """

    def position(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        lat, lon = np.deg2rad(lat), np.deg2rad(lon)
        return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)

    cosine = product(position(latitude, longitude), position(centres[:, 0], centres[:, 1]).T)
    squared_chord = 2 * EARTH_RADIUS_KM**2 * np.maximum(1 - cosine, 0)
    return np.exp(-squared_chord / width_km**2)


def normals_basis(latitude: np.ndarray, longitude: np.ndarray, elevation: np.ndarray, table: dict) -> np.ndarray:
    """Constant, elevation in km, and bumps: the spatial terms of the normals, shape (cell, 2 + centre)."""
    local = bumps(latitude, longitude, table["centres"], table["width_km"])
    return np.concatenate([np.ones((latitude.size, 1)), elevation[:, None] / 1000, local], axis=1)


# ---- tables ----
def _read_csv(name: str) -> dict[str, np.ndarray]:
    """Columns of a numeric CSV table of ``data/embedded``; lines that begin with # are its description."""
    with data_path("embedded", name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(line for line in file if not line.startswith("#")))
    values = np.array(rows[1:], dtype=np.float64)
    return dict(zip(rows[0], values.T, strict=True))


@cache
def rules() -> Named:
    """Constants of the embedded climate, soils and vegetation (``rules.toml``)."""
    return tomllib.loads(data_path("embedded", "rules.toml").read_text(encoding="utf-8"))


@cache
def _site_table() -> dict[str, Named]:
    return tomllib.loads(data_path("embedded", "sites.toml").read_text(encoding="utf-8"))


@cache
def _series(name: str) -> dict[str, np.ndarray]:
    return _read_csv(name)


@cache
def _coefficients(region: str) -> Named:
    """Coefficients of one region: ``centres`` (centre, 2), ``width_km`` and a (term, wave) array per variable."""
    columns = _read_csv(f"{region}.csv")
    width_km = float(rules()["bump_width_km"][region])
    has_centre = columns["term"] >= 0
    table: Named = {
        "width_km": width_km,
        "centres": np.stack([columns["latitude"], columns["longitude"]], axis=1)[has_centre],
    }
    for variable in sorted({name.rsplit("_", 1)[0] for name in columns if name[-1].isdigit()}):
        waves = sorted(name for name in columns if name.rsplit("_", 1)[0] == variable)
        table[variable] = np.stack([columns[name] for name in waves], axis=1)
    return table


# ---- climate ----
def _emulated_normals(latitude: np.ndarray, longitude: np.ndarray, elevation: np.ndarray) -> dict[str, np.ndarray]:
    """Monthly normals (cell, 12) of ``tas`` (degC), ``pr`` (mm month-1), ``rsds`` (W m-2)."""
    north = latitude >= 45
    on_plateau = (latitude >= 25) & ~north & (longitude >= 65) & (longitude <= 105)
    if not np.all(north | on_plateau):
        first = int(np.argmin(north | on_plateau))
        raise InputError(
            f"no emulated climate at latitude {latitude[first]:.2f}, longitude {longitude[first]:.2f}: it covers land "
            "north of 45N and 25-45N, 65-105E; bring your own climate for other places"
        )
    result = {name: np.empty((latitude.size, 12)) for name in ("tas", "pr", "rsds")}
    for region, here in (("normals_north", north), ("normals_plateau", on_plateau)):
        if not here.any():
            continue
        table = _coefficients(region)
        basis = normals_basis(latitude[here], longitude[here], elevation[here], table)
        fields = {
            name: product(basis, table[name], annual_harmonics((table[name].shape[1] - 1) // 2))
            for name in ("tas", "logpr", "transmissivity")
        }
        result["tas"][here] = fields["tas"]
        result["pr"][here] = np.exp(fields["logpr"])
        result["rsds"][here] = top_of_atmosphere(latitude[here]) * np.clip(fields["transmissivity"], 0.25, 0.76)
    return result


def _normals(cells: xr.Dataset) -> dict[str, np.ndarray]:
    """Normals of each cell: emulated, or printed ones where the cell is a site that has them."""
    latitude, longitude, elevation = (
        np.atleast_1d(_column(cells, name)) for name in ("latitude", "longitude", "elevation")
    )
    result = _emulated_normals(latitude, longitude, elevation)
    for row, name in enumerate(cells["site"].values if "site" in cells.coords else []):
        printed = _site_table().get(str(name), {})
        if "air_temperature" in printed:
            cloud = np.array(printed["cloud"], dtype=np.float64)
            result["tas"][row] = printed["air_temperature"]
            result["pr"][row] = printed["precipitation"]
            result["rsds"][row] = top_of_atmosphere(latitude[row : row + 1])[0] * (0.251 + 0.509 * (1 - cloud / 100))
    return result


def _column(cells: xr.Dataset, name: str) -> np.ndarray:
    if name not in cells:
        raise InputError(f"the cell dataset has no {name!r}; it needs latitude, longitude and elevation per cell")
    values = np.asarray(cells[name].values, dtype=np.float64)
    if not np.all(np.isfinite(values)):
        raise InputError(f"{name!r} of the cell dataset has missing values; fill them or drop those cells")
    return values


def normals(cells: xr.Dataset) -> xr.Dataset:
    """Return the emulated monthly climate of the 20th century (mean of 1901-2000) at ``cells``.

    ``cells``: dataset with ``latitude``, ``longitude`` (degrees), ``elevation`` (m) on ``(cell,)``; cells of
    :func:`sites` that have printed normals get those. Returns ``air_temperature`` (degC), ``precipitation``
    (mm month-1), ``shortwave_radiation`` (W m-2) on ``(cell, month)``.

    Error north of 45N: see ``docs/climate_emulator.md``. Source: coefficients fitted by us to the driver climatology
    of BIOME4 (Kaplan et al. 2003). Raises ``InputError`` outside 45-90N and 25-45N, 65-105E.
    """
    fields = _normals(cells)
    return xr.Dataset(
        {
            "air_temperature": (("cell", "month"), fields["tas"], {"units": "degC"}),
            "precipitation": (("cell", "month"), fields["pr"], {"units": "mm month-1"}),
            "shortwave_radiation": (("cell", "month"), fields["rsds"], {"units": "W m-2"}),
        },
        coords={"month": MONTHS},
        attrs={"title": "emulated climate: normals of 1901-2000"},
    )


def _check_years(scenario: str, first_year: int, last_year: int) -> None:
    if scenario not in SCENARIO_YEARS:
        raise InputError(f"unknown scenario {scenario!r}; {suggest(scenario, SCENARIO_YEARS)}")
    first_known, last_known = SCENARIO_YEARS[scenario]
    if not first_known <= first_year <= last_year <= last_known:
        raise InputError(
            f"years {first_year}-{last_year} of {scenario!r} are not available; choose first_year <= last_year "
            f"within {first_known}-{last_known}"
        )


def _scenario_warming(scenario: str, years: np.ndarray) -> np.ndarray:
    """Pan-Arctic land warming since 2014 without year-to-year variability, degC, shape (year,)."""
    table = _series("scenario_warming.csv")
    row = np.clip(years - 2014, 0, None).astype(int)
    if scenario == "historical":
        return np.zeros(years.size)
    share = rules()["scenario_share_of_ssp585"][scenario]
    return ((1 - share) * table["ssp126"] + share * table["ssp585"])[row]


def _temperature_change(latitude: np.ndarray, longitude: np.ndarray, scenario: str, years: np.ndarray) -> np.ndarray:
    """Change of air temperature from the normals of 1901-2000, degC, shape (cell, year, month)."""
    table = _coefficients("warming_pattern")
    local = bumps(latitude, longitude, table["centres"], table["width_km"])
    basis = np.concatenate([np.ones((latitude.size, 1)), local], axis=1)
    pattern = product(basis, table["pattern"], annual_harmonics((table["pattern"].shape[1] - 1) // 2))
    annual_pattern = pattern.mean(1)
    background = _series("background_temperature.csv")
    rows = (years - int(background["year"][0])).astype(int)
    centres = rules()["zone_centres"]
    zones = np.stack([background[name][rows] for name in centres])
    weights = np.stack([np.interp(latitude, list(centres.values()), row) for row in np.eye(len(centres))], axis=1)
    yearly = product(weights, zones) / annual_pattern[:, None] + _scenario_warming(scenario, years)
    return yearly[:, :, None] * pattern[:, None, :]


def climate(cells: xr.Dataset, scenario: str, first_year: int, last_year: int) -> xr.Dataset:
    """Return the emulated monthly climate of ``cells`` for the years ``first_year``..``last_year``.

    ``cells``: dataset with ``latitude``, ``longitude`` (degrees), ``elevation`` (m) on ``(cell,)``. ``scenario``:
    "historical" (1850-2014) or "ssp126", "ssp585", "rcp45", "rcp85" (2015-2100); history is one for all scenarios.
    Returns ``air_temperature`` (degC), ``precipitation`` (mm month-1), ``shortwave_radiation`` (W m-2) on
    ``(cell, year, month)`` and ``co2`` (ppm) on ``(year)``.

    Temperature: normals plus a change made of observed zonal means to 2014 (NASA GISTEMP v4; before 1880 and after 2014
    a seeded AR(1) series takes the place of observed variability) and, after 2014, a pattern of IPSL-CM6A-LR scaled
    towards the regional warming of GFDL-ESM4. Precipitation rises 4.5 % per degC of local annual warming (Bintanja and
    Selten 2014). Radiation repeats its normals. "rcp45" lies between the two SSPs in proportion to nominal forcing;
    "rcp85" warms like "ssp585". Errors: ``docs/climate_emulator.md``. Raises ``InputError`` for an unknown scenario,
    for years outside it, and for places without emulated climate.
    """
    _check_years(scenario, first_year, last_year)
    years = np.arange(first_year, last_year + 1)
    fields = _normals(cells)
    change = _temperature_change(_column(cells, "latitude"), _column(cells, "longitude"), scenario, years)
    wetter = 1 + rules()["precipitation_per_degree"] * change.mean(2)
    shape = change.shape
    result = contract.climate(
        {
            "air_temperature": fields["tas"][:, None, :] + change,
            "precipitation": fields["pr"][:, None, :] * np.maximum(wetter, 0.1)[:, :, None],
            "shortwave_radiation": np.broadcast_to(fields["rsds"][:, None, :], shape).copy(),
        },
        first_year,
        f"emulated climate: {scenario} {first_year}-{last_year}",
        co2(scenario, first_year, last_year),
    )
    return result.assign_attrs(scenario=scenario)


def co2(scenario: str, first_year: int, last_year: int) -> np.ndarray:
    """Return the annual global-mean CO2 at the surface, ppm, shape (year,).

    Scenarios and years as in :func:`climate`. Real published series: history and SSPs from Meinshausen et al. (2017,
    2020), RCPs from Meinshausen et al. (2011). Raises ``InputError`` for an unknown scenario or years outside it.
    """
    _check_years(scenario, first_year, last_year)
    table = _series("co2.csv")
    column = "ssp126" if scenario == "historical" else scenario
    start = first_year - int(table["year"][0])
    return table[column][start : start + last_year - first_year + 1].copy()


# ---- cells ----
def communities(latitude: np.ndarray, tas: np.ndarray, pr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Potential vegetation by rule from the normals: community names and area fractions, each (cell, 2).

    ``latitude``: degrees (cell,). ``tas`` (degC) and ``pr`` (mm month-1): normals (cell, 12). Thresholds on degree-days
    above 0 degC, on the warmest and coldest month and on annual precipitation are in ``data/embedded/rules.toml``;
    cells south of 45N follow the plateau rule. A single community leaves the second share "" with fraction 0.
    """
    limit = rules()["vegetation"]
    warmest, coldest, annual = tas.max(1), tas.min(1), pr.sum(1)
    degree_days = np.maximum(tas, 0) @ MONTH_LENGTHS
    dryness = np.where(warmest >= limit["dry_above_warmest_degC"], annual / np.maximum(warmest, 1), np.inf)
    plateau = latitude < 45
    north_choices = [
        (degree_days < limit["polar_desert_below_degree_days"], ("alpine_tundra_polar_desert", "")),
        (degree_days < limit["tundra_below_degree_days"], ("wet_moist_tundra", "")),
        (dryness < limit["xeric_shrubland_below_mm_per_degC"], ("xeric_shrubland", "")),
        (dryness < limit["grassland_below_mm_per_degC"], ("grassland", "")),
        (degree_days < limit["woodland_below_degree_days"], ("boreal_forest", "wet_moist_tundra")),
        (
            (warmest >= limit["temperate_above_warmest_degC"]) & (coldest >= limit["temperate_above_coldest_degC"]),
            ("temperate_coniferous_forest", "temperate_deciduous_forest"),
        ),
    ]
    plateau_choices = [
        (annual < limit["alpine_desert_below_mm"], ("alpine_desert", "")),
        (annual < limit["alpine_steppe_below_mm"], ("alpine_steppe", "")),
        (plateau, ("alpine_meadow", "")),
    ]
    tests = [plateau & test for test, _ in plateau_choices] + [~plateau & test for test, _ in north_choices]
    names = [pair for _, pair in plateau_choices] + [pair for _, pair in north_choices]
    shares = [np.select(tests, [pair[k] for pair in names], default=("boreal_forest", "")[k]) for k in (0, 1)]
    community = np.stack(shares, axis=1).astype(object)
    mixed = community[:, 1] != ""
    fraction = np.stack([np.where(mixed, 0.5, 1.0), np.where(mixed, 0.5, 0.0)], axis=1)
    return community, fraction


def soil_organic_carbon(community: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """Soil organic carbon by rule from vegetation, kg m-2 in 0-0.3, 0.3-1, 1-2, 2-3 m, shape (cell, 4).

    ``community``, ``fraction``: (cell, share). Mean stocks per community (our statistics), scaled interval by interval
    so that the coldest 17.8e6 km2 of the pan-Arctic domain hold the published 217, 472 and 1035 Pg in 0-0.3, 0-1 and
    0-3 m (Hugelius et al. 2014); numbers and sources in ``data/embedded/rules.toml``.
    """
    stocks = rules()["soil_organic_carbon_kg_m2"]
    scale = np.array(rules()["soil_organic_carbon_scale"])
    plateau_scale = rules()["soil_organic_carbon_plateau_scale"]
    result = np.zeros((community.shape[0], 4))
    for name, values in stocks.items():
        weight = np.where(community == name, fraction, 0.0).sum(1)
        factor = plateau_scale if name in ("alpine_meadow", "alpine_steppe", "alpine_desert") else scale
        result += weight[:, None] * (np.array(values) * factor)
    return result


def soil_nitrogen(community: np.ndarray, carbon: np.ndarray) -> np.ndarray:
    """Soil nitrogen by rule, kg m-2 in 0-0.3, 0.3-1, 1-2, 2-3 m, (column, 4): ``carbon`` over C:N by community and depth.

    ``carbon``: kg m-2; ``community`` (column,): names. Ratios and their sources in ``data/embedded/rules.toml``.
    """
    ratios = rules()["soil_carbon_per_nitrogen"]
    return carbon / np.array([ratios.get(str(name), ratios["others"]) for name in community]).reshape(-1, 4)


def texture_of_loam() -> tuple[float, float, float]:
    """Sand, silt and clay (percent) of the one loam that embedded cells have."""
    texture = rules()["texture_percent"]
    return float(texture["sand"]), float(texture["silt"]), float(texture["clay"])


def cell_dataset(
    latitude: np.ndarray,
    longitude: np.ndarray,
    elevation: np.ndarray,
    area: np.ndarray,
    community: np.ndarray,
    fraction: np.ndarray,
    title: str,
) -> xr.Dataset:
    """Cells in the form of ``docs/architecture.md``, with the texture and soil carbon of the embedded rules."""
    fields = {"latitude": latitude, "longitude": longitude, "area": area, "elevation": elevation}
    return contract.cells(
        fields | rules()["texture_percent"],
        community,
        fraction,
        title,
        soil_organic_carbon(community, fraction),
        soil_carbon_observed=np.zeros(latitude.size, dtype=bool),
    )


def domain(name: str = "pan_arctic") -> xr.Dataset:
    """Return the embedded cells of "pan_arctic" (north of 45N) or "plateau" (25-40N, 70-105E, above 3000 m).

    Dataset on ``cell`` as ``docs/architecture.md`` describes: ``latitude``, ``longitude`` (degrees), ``area`` (km2, the
    ice-free land the cell stands for), ``elevation`` (m), ``sand``, ``silt``, ``clay`` (percent), ``community`` and
    ``community_area_fraction`` (cell, share), ``soil_organic_carbon`` (cell, interval) in kg m-2, and that no cell of it is
    observed (``soil_carbon_observed``).

    Places, areas and elevations are aggregates of half-degree fields (relief: ETOPO); vegetation, texture and soil
    carbon follow the rules of ``data/embedded/rules.toml``. Raises ``InputError`` for an unknown name.
    """
    if name not in DOMAINS:
        raise InputError(f"unknown domain {name!r}; {suggest(name, DOMAINS)}")
    table = _series(f"{name}_cells.csv")
    place = (table["latitude"], table["longitude"], table["elevation"])
    fields = _emulated_normals(*place)
    community, fraction = communities(table["latitude"], fields["tas"], fields["pr"])
    title = f"embedded domain {name}: real land areas, rule-based vegetation and soil carbon"
    return cell_dataset(*place, table["area"], community, fraction, title)


def sites(names: Sequence[str] | None = None) -> xr.Dataset:
    """Return the embedded sites as cells of 1 km2 with their name in the coordinate ``site``.

    ``names``: which sites and in which order; all of them by default. The dataset is that of :func:`domain`; latitude,
    longitude, elevation and community are published values (Liu et al. 2024, Table 1; FLUXNET2015), texture and soil
    carbon follow the rules. Raises ``InputError`` for an unknown site.
    """
    table = _site_table()
    chosen = list(table) if names is None else list(names)
    for name in chosen:
        if name not in table:
            raise InputError(f"unknown site {name!r}; {suggest(name, table)}")
    latitude, longitude, elevation = (
        np.array([table[name][column] for name in chosen], dtype=np.float64)
        for column in ("latitude", "longitude", "elevation")
    )
    community = np.array([[table[name]["community"], ""] for name in chosen], dtype=object)
    fraction = np.tile([1.0, 0.0], (len(chosen), 1))
    cells = cell_dataset(latitude, longitude, elevation, np.ones(len(chosen)), community, fraction, "embedded sites")
    for part in ("sand", "silt", "clay"):
        cells[part].values[:] = [table[name].get(part, rules()["texture_percent"][part]) for name in chosen]
    return cells.assign_coords(site=("cell", np.array(chosen, dtype=object)))


def with_community(cells: xr.Dataset, community: str) -> xr.Dataset:
    """Cells with one community everywhere and its mean stocks of soil carbon."""
    names = np.full(cells["community"].shape, "", dtype=object)
    names[:, 0] = community
    fraction = np.zeros(names.shape)
    fraction[:, 0] = 1.0
    return cells.assign(
        community=(("cell", "share"), names),
        community_area_fraction=(("cell", "share"), fraction, {"units": "1"}),
        soil_organic_carbon=(
            ("cell", "interval"),
            soil_organic_carbon(names, fraction),
            cells["soil_organic_carbon"].attrs,
        ),
    )


def site_normals(name: str) -> xr.Dataset:
    """Return the printed monthly normals of a site ("Bonanza Creek" or "Toolik") in the form of :func:`normals`.

    One cell; air temperature (degC), precipitation (mm month-1) and shortwave radiation (W m-2) on ``(cell, month)``.
    Radiation is top-of-atmosphere radiation times ``0.251 + 0.509 (1 - cloud/100)``, TEM 4.2's cloudiness rule. They
    are approximate normals, not TEM's original climate. Raises ``InputError`` for a site without printed normals.
    """
    printed = [known for known, entry in _site_table().items() if "air_temperature" in entry]
    if name not in printed:
        raise InputError(f"site {name!r} has no printed normals; {suggest(name, printed)}")
    result = normals(sites([name]))
    result.attrs["title"] = f"printed normals of {name}"
    return result


# ---- for plans ----
def joined_climate(cells: xr.Dataset, name: str, first_year: int, last_year: int) -> xr.Dataset:
    """As :func:`climate`, of one scenario or of two joined: "historical+rcp45" is history while known, then the other."""
    begin, _, later = name.partition("+")
    end = SCENARIO_YEARS.get(begin, (first_year, last_year))[1]
    if not later or last_year <= end:
        return climate(cells, begin, first_year, last_year)
    after = climate(cells, later, max(first_year, end + 1), last_year)
    if first_year > end:
        return after
    return xr.concat([climate(cells, begin, first_year, end), after], "year", combine_attrs="drop_conflicts")
