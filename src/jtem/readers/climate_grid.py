"""The real half-degree fields: climatology, surface and climate change of the optional data folder.

Cells: land north of 45N and 25-45N x 65-105E. Climate by the recipe of the data folder: temperature = climatology +
anomaly of IPSL-CM6A-LR, interpolated bilinearly from its 9 x 18 degree grid; precipitation x (1 + 0.045 per degC of
the annual anomaly; Bintanja and Selten 2014); radiation repeats. Files in the folder: ``climate_grid/*.nc``,
``climate_change/*.nc`` and ``*.csv``, ``co2/co2_annual.csv``, optionally ``soil_carbon/*.csv``.

History (1850-2014) is the model's annual anomaly from 1961-1990 as it is. After 2014 a member scales what is added to
the mean of 2005-2014, so that nothing jumps, and months follow the model's own seasonal cycle relative to 2015-2024.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr

from jtem.errors import InputError, suggest
from jtem.readers import co2, contract, embedded, fields, regrid, soil_carbon, vegetation
from jtem.readers.catalogue import SOIL_CARBON, Domain, Find

DOMAINS = ("all", "pan_arctic", "plateau")
SCENARIOS = ("historical", "ssp126", "ssp585", "rcp45", "rcp85")
FIRST_YEAR, SPLIT_YEAR, LAST_YEAR = 1850, 2015, 2100
LEVEL_YEARS = (2005, 2014)
SEASON_YEARS = (2015, 2024)
LEAST_LAND = 0.1
"""Share of a cell with soil; below it there is ice sheet, rock or sea."""
PERMAFROST_BELOW_DEGC = 2.0
"""Warmer normals are left out by default: no cell of the domain above this had permafrost (embedded domain's rule)."""
PRECIPITATION_PER_DEGREE = 0.045


@dataclass(frozen=True)
class EarthModelMember:
    """One climate member: factor on the warming after 2014, GFDL-like in space or uniform, and its "
    "precipitation rule.
    """

    title: str
    factor: float = 1.0
    gfdl_like: bool = True
    precipitation_per_degree: float = PRECIPITATION_PER_DEGREE
    observed_history: bool = False


MEMBERS: Mapping[str, EarthModelMember] = {
    "gfdl_like": EarthModelMember("IPSL-CM6A-LR scaled to published end-point warming of GFDL-ESM4 (+-15 %)"),
    "ipsl": EarthModelMember("IPSL-CM6A-LR as it is", gfdl_like=False),
    "observed_history": EarthModelMember(
        "as gfdl_like, history from observed zonal means (GISTEMP)", observed_history=True
    ),
    "spread_weak": EarthModelMember("our own spread, no GCM: 0.75 x gfdl_like warming", factor=0.75),
    "spread_strong": EarthModelMember("our own spread, no GCM: 1.25 x gfdl_like warming", factor=1.25),
    "spread_dry": EarthModelMember(
        "our own spread, no GCM: gfdl_like warming without more rain", precipitation_per_degree=0.0
    ),
    "spread_wet": EarthModelMember(
        "our own spread, no GCM: gfdl_like warming, rain +9 % per degC", precipitation_per_degree=0.09
    ),
}


# --- cells -----------------------------------------------------------------------------------------------------------


def cells(
    folder: Path | str,
    domain: str = "pan_arctic",
    *,
    stride: int = 1,
    soil: str = "rule",
    below_degC: float = PERMAFROST_BELOW_DEGC,
    subdivide: int = 1,
) -> xr.Dataset:
    """Cells in the form of ``docs/architecture.md``, area = land with soil that a cell stands for, km2.

    ``domain``: "pan_arctic" (north of 45N), "plateau" (25-45N x 65-105E) or "all". ``stride``: every n-th cell, counted
    in rows from south to north; their areas are scaled by one factor so that the domain keeps its area. ``soil``: carbon
    by the "rule" of the embedded domain (default) or by the "statistics" of
    ``soil_carbon/cn_density_by_vegetation.csv`` where they know the community. ``below_degC``: annual mean normal above
    which a cell is left out, as are coastal cells without precipitation in the file. ``subdivide``: cut each cell
    into n x n that share its climate, soil and vegetation (5: the 0.1-degree cells of Liu et al. 2022). Vegetation from
    the file's BIOME4 classes (``vegetation.BIOME4``); in High Mountain Asia tundra is alpine meadow, steppe or desert
    by precipitation. Raises ``InputError``.
    """
    if domain not in DOMAINS:
        raise InputError(f"domain '{domain}' of the half-degree fields is unknown; {suggest(domain, DOMAINS)}")
    if soil not in SOIL_CARBON:
        raise InputError(f"soil carbon '{soil}' of the half-degree fields is unknown; {suggest(soil, SOIL_CARBON)}")
    surface, climatology = Path(folder) / "climate_grid/surface_0p5deg.nc", _climatology_file(folder)
    land = fields.need(surface, ("land_fraction_hwsd",))
    every = regrid.of_field(land)
    flat = {
        name: fields.need(surface, (name,)).values.ravel() for name in ("area", "elevation", "sand", "silt", "clay")
    }
    flat["land"] = land.values.ravel()
    tas, pr = _normals(climatology)
    shares = vegetation.community_shares(surface, every, "biome4", "biome4")
    shares = vegetation.with_plateau(shares, every.latitude, every.longitude, np.nan_to_num(pr.sum(axis=0)))
    community, fraction, vegetated = vegetation.as_columns(shares)
    north = every.latitude >= 45.0
    plateau = ~north & (every.longitude >= 65.0) & (every.longitude <= 105.0)
    inside = {"pan_arctic": north, "plateau": plateau, "all": north | plateau}[domain]
    with np.errstate(invalid="ignore"):
        keep = inside & (flat["land"] >= LEAST_LAND) & (vegetated > 0) & (tas.mean(axis=0) < below_degC)
    dry = keep & ~np.isfinite(pr.sum(axis=0))  # the file has no precipitation at some coasts
    keep &= ~dry
    every_row = np.nonzero(keep)[0]
    rows = every_row[::stride]
    stands_for = (flat["area"] * flat["land"])[every_row].sum() / (flat["area"] * flat["land"])[rows].sum()
    community, fraction = community[rows], fraction[rows]
    stocks = _stocks(Path(folder), soil, community, fraction)
    if soil == "topsoil":
        percent = fields.need(surface, ("topsoil_oc",)).values.ravel()[rows]
        stocks[0][:, 0] = np.where(np.isfinite(percent), topsoil_carbon(np.nan_to_num(percent)), stocks[0][:, 0])
    place, parent = regrid.subdivide(every.take(rows), subdivide)
    area = stands_for * (flat["area"] * flat["land"])[rows][parent]
    if subdivide > 1:
        whole = every.take(rows).area[parent]
        area = area * place.area / whole
    texture = np.stack([flat[name][rows] for name in ("sand", "silt", "clay")], axis=1)
    texture = (100.0 * texture / texture.sum(axis=1, keepdims=True))[parent]

    values = {
        "latitude": place.latitude,
        "longitude": place.longitude,
        "area": area,
        "elevation": flat["elevation"][rows][parent],
    }
    values |= {name: texture[:, k] for k, name in enumerate(("sand", "silt", "clay"))}
    title = (
        f"real half-degree fields, {domain}, every {stride}. cell, cut by {subdivide} "
        f"({int(dry.sum())} coastal cells without precipitation left out)"
    )
    stands = f"{stands_for:.4f} times its own land with soil"
    carbon, nitrogen = (part[parent] for part in stocks)
    cells = contract.cells(
        values, community[parent], fraction[parent], title, carbon, nitrogen, np.zeros(parent.size, bool),
        area_each_cell_stands_for=stands,
    )  # fmt: skip
    cells["soil_organic_carbon"].attrs["source"] = soil
    return cells.assign(source_cell=("cell", rows[parent]))


def _normals(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Air temperature and precipitation of the months, (12, cell), rows from south to north."""
    with netCDF4.Dataset(str(path)) as data:
        tas, pr = (np.ma.filled(data[name][:], np.nan).astype(np.float64) for name in ("tas", "pr"))
        order = np.argsort(np.asarray(data["lat"][:]))
    return tas[:, order].reshape(12, -1), pr[:, order].reshape(12, -1)


def _climatology_file(folder: Path | str) -> Path:
    path = Path(folder) / "climate_grid/climatology_0p5deg.nc"
    if not path.is_file():
        raise InputError(f"{path}: file not found; give the folder that holds 'climate_grid' with --data or JTEM_DATA")
    return path


def topsoil_carbon(percent: np.ndarray) -> np.ndarray:
    """Soil organic carbon of 0-0.3 m, kg m-2, from its share of the soil's weight in percent.

    Bulk density ``100/(om/0.244 + (100-om)/1.64)`` g cm-3 of organic matter and mineral soil (Adams 1973, as Post and Kwon 2000),
    organic matter om (percent) of which 0.58 is carbon.
    """
    organic = np.clip(percent / 0.58, 0.0, 100.0)
    density = 100.0 / (organic / 0.244 + (100.0 - organic) / 1.64)
    return 0.3 * 1000.0 * density * percent / 100.0


def _stocks(folder: Path, soil: str, community: np.ndarray, fraction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Soil organic carbon and nitrogen in 0-0.3, 0.3-1, 1-2, 2-3 m (cell, 4), kg m-2.

    By the embedded rule (nitrogen NaN: by C:N of each community), also below a topsoil, or by statistics, with the rule for the
    rest.
    """
    if soil in ("rule", "topsoil"):
        carbon = embedded.soil_organic_carbon(community, fraction)
        return carbon, np.full(carbon.shape, np.nan)
    names = sorted({str(name) for name in community.ravel()} - {""})
    table = folder / "soil_carbon/cn_density_by_vegetation.csv"
    known = {element: soil_carbon.from_densities(table, names, element) for element in ("carbon", "nitrogen")}
    carbon, nitrogen = np.zeros((2, community.shape[0], 4))
    for name in names:
        rule = embedded.soil_organic_carbon(np.array([[name]], dtype=object), np.ones((1, 1)))
        share = np.where(community == name, fraction, 0.0).sum(axis=1)[:, None]
        carbon += share * known["carbon"].get(name, rule[0])
        nitrogen += share * known["nitrogen"].get(name, embedded.soil_nitrogen(np.array([name]), rule)[0])
    return carbon, nitrogen


# --- climate ---------------------------------------------------------------------------------------------------------


def gfdl_scale(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Factor on the warming of IPSL-CM6A-LR that imitates GFDL-ESM4, (cell,), pure number.

    Ratios of warming from 2015-2016 to 2099-2100, SSP5-8.5, land means: GFDL-ESM4 +6.5 (Russian Arctic), +5.4 (East
    Siberia), +7.0 (northwestern North America), +3.7 degC (Tibetan Plateau) (IPCC Atlas regions, Iturbide et al. 2020;
    end years only, +-15 %) over IPSL-CM6A-LR on the cells of this grid, +10.1, +9.2, +9.7, +8.4: about 0.65, 0.58,
    0.71, 0.44. (The data folder's page prints +7.1 for IPSL in northwestern North America and a factor of 1.0; with it
    the region would warm by 9.7 instead of the published 7.0.) The rest of Eurasia and North America is assumed
    like its neighbours. Linear in between.
    """
    eurasia = np.interp(latitude, [60.0, 70.0], [0.58, 0.65])
    america = np.interp(longitude, [-180.0, -170.0, -165.0, -30.0, 0.0, 180.0], [0.0, 0.0, 1.0, 1.0, 0.0, 0.0])
    plateau = np.interp(latitude, [40.0, 46.0], [1.0, 0.0]) * np.interp(
        longitude, [60.0, 68.0, 102.0, 110.0], [0.0, 1.0, 1.0, 0.0]
    )
    north = eurasia * (1.0 - america) + 0.71 * america
    return north * (1.0 - plateau) + 0.44 * plateau


@lru_cache(maxsize=2)
def _change_file(path: str) -> dict[str, np.ndarray]:
    """The coarse anomalies with a cyclic longitude: lat (8,), lon (21,), hist (165, 8, 21), annual and tas by SSP."""
    if not Path(path).is_file():
        raise InputError(
            f"{path}: file not found; give the folder that holds 'climate_change' with --data or JTEM_DATA"
        )
    with netCDF4.Dataset(path) as data:

        def cyclic(name: str) -> np.ndarray:
            values = np.ma.filled(data[name][:], np.nan).astype(np.float64)
            return np.concatenate([values, values[..., :1]], axis=-1)

        longitude = np.asarray(data["lon"][:], dtype=np.float64)
        result = {"lat": np.asarray(data["lat"][:], np.float64), "lon": np.append(longitude, longitude[0] + 360.0)}
        result["historical"] = cyclic("dtas_hist_annual")
        for name in ("ssp126", "ssp585"):
            annual, months = cyclic(f"dtas_annual_{name}"), cyclic(f"tas_{name}")
            season = months - months.mean(axis=1, keepdims=True)
            normal = season[: SEASON_YEARS[1] - SEASON_YEARS[0] + 1].mean(axis=0)
            result[name] = annual[:, None] + season - normal  # (86, 12, 8, 21), mean over months is the annual anomaly
    return result


def _bilinear(
    table: dict[str, np.ndarray], latitude: np.ndarray, longitude: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Four corner positions (cell, 4) in the flattened coarse grid and their weights (cell, 4)."""
    lat, lon = table["lat"], table["lon"]
    east = longitude % 360.0
    south_north = np.clip(np.interp(latitude, lat, np.arange(lat.size)), 0, lat.size - 1 - 1e-9)
    west_east = np.clip(np.interp(east, lon, np.arange(lon.size)), 0, lon.size - 1 - 1e-9)
    i, j = np.floor(south_north).astype(int), np.floor(west_east).astype(int)
    y, x = south_north - i, west_east - j
    corner = np.stack(
        [i * lon.size + j, i * lon.size + j + 1, (i + 1) * lon.size + j, (i + 1) * lon.size + j + 1], axis=1
    )
    return corner, np.stack([(1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x], axis=1)


def _observed_history(folder: Path, latitude: np.ndarray, years: np.ndarray) -> np.ndarray:
    """Observed zonal anomalies from 1961-1990 (cell, year); before 1880 the mean of 1880-1909."""
    path = folder / "climate_change/gistemp_zonal_annual.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error}); give the folder that holds 'climate_change'") from None
    known = np.array([int(row["year"]) for row in rows])
    zones = np.stack([[float(row[name]) for row in rows] for name in ("lat24N_44N", "lat44N_64N", "lat64N_90N")])
    zones -= zones[:, (known >= 1961) & (known <= 1990)].mean(axis=1, keepdims=True)
    early = zones[:, (known >= 1880) & (known <= 1909)].mean(axis=1)
    series = np.where(years < 1880, early[:, None], zones[:, np.clip(years - known[0], 0, known.size - 1)])
    weights = np.stack([np.interp(latitude, [34.0, 54.0, 77.0], row) for row in np.eye(3)], axis=1)
    return embedded.product(weights, series)


def anomaly(
    folder: Path | str,
    latitude: np.ndarray,
    longitude: np.ndarray,
    scenario: str,
    years: np.ndarray,
    member: str = "gfdl_like",
) -> np.ndarray:
    """Temperature anomaly of months from 1961-1990, degC, (cell, year, 12).

    ``scenario``: "historical" (1850-2014), "ssp126", "ssp585", or "rcp45", "rcp85" (our mixture of the two by nominal
    forcing, as in the embedded climate); a scenario has the history before 2015. Raises ``InputError``.
    """
    if member not in MEMBERS:
        raise InputError(f"climate member '{member}' is unknown; {suggest(member, MEMBERS)}")
    if scenario not in SCENARIOS:
        raise InputError(f"scenario '{scenario}' of the half-degree fields is unknown; {suggest(scenario, SCENARIOS)}")
    last = SPLIT_YEAR - 1 if scenario == "historical" else LAST_YEAR
    if years[0] < FIRST_YEAR or years[-1] > last:
        raise InputError(
            f"years {years[0]}-{years[-1]} of '{scenario}' are outside {FIRST_YEAR}-{last} of the half-degree fields; "
            "change the years"
        )
    chosen = MEMBERS[member]
    table = _change_file(str(Path(folder) / "climate_change/ipsl_cm6a_lr_tas_20x20.nc"))
    corner, weight = _bilinear(table, latitude, longitude)

    def here(values: np.ndarray) -> np.ndarray:
        flat = values.reshape(*values.shape[:-2], -1)[..., corner]  # (..., cell, 4)
        return np.moveaxis((flat * weight).sum(axis=-1), -1, 0)

    result = np.empty((latitude.size, years.size, 12))
    past, future = years < SPLIT_YEAR, years >= SPLIT_YEAR
    model_level = here(table["historical"][LEVEL_YEARS[0] - FIRST_YEAR : LEVEL_YEARS[1] - FIRST_YEAR + 1]).mean(axis=1)
    level = model_level
    if chosen.observed_history:
        level = _observed_history(Path(folder), latitude, np.arange(LEVEL_YEARS[0], LEVEL_YEARS[1] + 1)).mean(axis=1)
    if past.any():
        if chosen.observed_history:
            annual = _observed_history(Path(folder), latitude, years[past])
        else:
            annual = here(table["historical"][years[past] - FIRST_YEAR])
        result[:, past] = annual[:, :, None]
    if future.any():
        part = embedded.rules()["scenario_share_of_ssp585"][scenario]
        rows = years[future] - SPLIT_YEAR
        change = (1 - part) * table["ssp126"][rows] + part * table["ssp585"][rows]
        scale = chosen.factor * (gfdl_scale(latitude, longitude) if chosen.gfdl_like else np.ones(latitude.size))
        result[:, future] = level[:, None, None] + scale[:, None, None] * (here(change) - model_level[:, None, None])
    return result


def climate(
    folder: Path | str, selected: xr.Dataset, scenario: str, first_year: int, last_year: int, member: str = "gfdl_like"
) -> xr.Dataset:
    """Climate dataset (cell, year, month) of ``selected`` cells (from :func:`cells`) by the recipe of this module.

    Cells cut from one half-degree cell share its climate. ``scenario``, ``member``: see :func:`anomaly`, ``MEMBERS``.
    CO2 from ``co2/co2_annual.csv`` of the folder (history: column ssp126; RCPs of Meinshausen et al. 2011).
    Raises ``InputError``.
    """
    years = np.arange(first_year, last_year + 1)
    rows, back = np.unique(np.asarray(selected["source_cell"].values, dtype=int), return_inverse=True)
    normals = {name: values[rows] for name, values in _climatology(str(_climatology_file(folder))).items()}
    warming = anomaly(folder, normals["lat"], normals["lon"], scenario, years, member)
    wetter = 1.0 + MEMBERS[member].precipitation_per_degree * warming.mean(axis=2, keepdims=True)
    warm = (normals["tas"][:, None, :] + warming)[back]
    wet = (normals["pr"][:, None, :] * np.maximum(wetter, 0.1))[back]
    light = np.ascontiguousarray(np.broadcast_to(normals["rsds"][back][:, None, :], warm.shape))
    column = {"historical": "ssp126", "rcp45": "rcp45", "rcp85": "rcp85"}.get(scenario, scenario)
    return contract.climate(
        {"air_temperature": warm, "precipitation": wet, "shortwave_radiation": light},
        first_year,
        f"real half-degree normals, {scenario} {first_year}-{last_year}: {MEMBERS[member].title}",
        _co2(folder, column, first_year, last_year),
    )


def _co2(folder: Path | str, column: str, first_year: int, last_year: int) -> np.ndarray:
    """History (one for all) to 2014, then the column."""
    path = Path(folder) / "co2/co2_annual.csv"
    return _co2_of(path, path.stat().st_mtime_ns if path.is_file() else 0, column, first_year, last_year).copy()


@lru_cache(maxsize=16)
def _co2_of(path: Path, version: int, column: str, first_year: int, last_year: int) -> np.ndarray:
    parts = []
    if first_year < SPLIT_YEAR:
        parts.append(co2.read_table(path, first_year, min(last_year, SPLIT_YEAR - 1), "ssp126"))
    if last_year >= SPLIT_YEAR:
        parts.append(co2.read_table(path, max(first_year, SPLIT_YEAR), last_year, column))
    return np.concatenate(parts)


@lru_cache(maxsize=1)
def _climatology(path: str) -> dict[str, np.ndarray]:
    """The normals (lat x lon, 12), south to north, and the coordinates (lat x lon,) of their cells."""
    with netCDF4.Dataset(path) as data:
        order = np.argsort(np.asarray(data["lat"][:]))
        result = {
            name: np.ma.filled(data[name][:], np.nan)[:, order].reshape(12, -1).T.astype(np.float64)
            for name in ("tas", "pr", "rsds")
        }
        lat, lon = np.meshgrid(np.asarray(data["lat"][:])[order], np.asarray(data["lon"][:]), indexing="ij")
        return {**result, "lat": lat.ravel(), "lon": lon.ravel()}


# --- for plans -------------------------------------------------------------------------------------------------------


def open_domain(
    find: Find,
    climates: Sequence[str],
    *,
    domain: str,
    climate: Mapping[str, Sequence[str]],
    subdivide: int,
    soil_carbon: str,
    stride: int,
) -> Domain:
    """The cells of a [domain] with source "climate_grid"; ``climate``: scenario and member of each climate that is not called
    as its scenario. Raises ``InputError``.
    """
    folder = find("climate_grid", folder=True).parent
    for part in ("climate_grid/*.nc", "climate_change/*.*", "co2/co2_annual.csv", "soil_carbon/*.csv"):
        for path in sorted(folder.glob(part)):
            find(str(path.absolute()))
    places = cells(folder, domain, stride=stride, soil=soil_carbon, subdivide=subdivide)

    def source(name: str):
        scenario, member = [*climate.get(name, (name,)), "gfdl_like"][:2]

        def years(rows: np.ndarray, first: int, last: int) -> xr.Dataset:
            return _CLIMATE(folder, places.isel(cell=rows), scenario, first, last, member)

        return years, f"half-degree climate '{name}' ({scenario}, {member})"

    said = [source(name)[1] for name in climates]
    inputs = (str(places.attrs["title"]), *said, "CO2: co2_annual.csv")
    return Domain(places, source, inputs, title="half-degree climate", documented=True)


_CLIMATE = climate  # whose name is a key above
