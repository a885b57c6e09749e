"""Observed soil organic carbon (and nitrogen) in 0-0.3, 0.3-1, 1-2, 2-3 m: NCSCDv2, SoilGrids, HWSD v2, pedons, and the rest.

Below 3 m the model itself extends the four intervals (hyperbolic fit, ``physics/permafrost/profile.py``).
"""

from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import netCDF4
import numpy as np

from jtem.errors import InputError, suggest
from jtem.readers import embedded, fields, regrid, soil_profiles, soil_texture, soilgrids
from jtem.readers.tables import number, read_rows

INTERVALS = ((0.0, 0.3), (0.3, 1.0), (1.0, 2.0), (2.0, 3.0))  # m
NCSCD_NAME = re.compile(r"^NCSCDv2_Circumpolar_WGS84_SOCC(?P<depth>30|100|200|300)_(?P<grid>\w+)\.nc$")
NCSCD_FILL = -32768.0
HG_TO_KG = 0.1
NO_DATA_BELOW = 1e-3  # kg m-2: zeros outside the mapped area mean that nothing was mapped (as ILAMB reads them)
LARGEST = 500.0  # kg m-2 in one interval
FEWEST_FOR_A_TYPE = 10
"""Observed cells that a community needs for a mean profile of its own; with fewer the embedded rule takes its place."""


# --- grids -----------------------------------------------------------------------------------------------------------


def find_ncscd(folder: Path | str) -> dict[int, Path]:
    """The four NCSCDv2 files of a folder by lower depth in cm: 30, 100, 200, 300. Raises ``InputError``."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: folder of NCSCDv2 files not found; check the name and the data folder")
    found: dict[str, dict[int, Path]] = {}
    for path in sorted(folder.rglob("*.nc")):
        match = NCSCD_NAME.match(path.name)
        if match:
            found.setdefault(match["grid"], {})[int(match["depth"])] = path
    if not found:
        raise InputError(
            f"{folder}: no file NCSCDv2_Circumpolar_WGS84_SOCC<30|100|200|300>_<grid>.nc; check the folder"
        )
    if len(found) > 1:
        raise InputError(f"{folder}: files of several grids ({', '.join(sorted(found))}); name the folder of one grid")
    (files,) = found.values()
    for depth in (30, 100, 200, 300):
        if depth not in files:
            raise InputError(
                f"{folder}: the NCSCDv2 file SOCC{depth} is missing; add it (30, 100, 200 and 300 are needed)"
            )
    return files


def read_ncscd(folder: Path | str, targets: regrid.Targets, box: fields.Box = fields.WHOLE_EARTH) -> np.ndarray:
    """Stocks of the cells from NCSCDv2 netCDF files, kg m-2, (cell, 4); NaN where nothing was mapped.

    The files hold hg C m-2 (x 0.1), fill -32768, and zeros outside the mapped area. SOCC30 is 0-30 cm, SOCC100 is
    0-100 cm, so that the second interval is their difference; SOCC200 is 100-200 and SOCC300 200-300 cm. Aligned by
    coordinate (the half-degree files are not global). Raises ``InputError``.
    """
    files = find_ncscd(folder)
    stock = {depth: _ncscd_field(path, box) for depth, path in files.items()}
    first = stock[30]
    for depth, field in stock.items():
        if field.values.shape != first.values.shape:
            raise InputError(f"{files[depth]}: not on the grid of SOCC30; give the four files of one set")
    with np.errstate(invalid="ignore"):
        difference = stock[100].values - first.values
        mapped = np.isfinite(difference) & np.isfinite(stock[200].values) & np.isfinite(stock[300].values)
        wrong = mapped & (difference < -NO_DATA_BELOW)
    if wrong.sum() > 0.05 * max(int(mapped.sum()), 1):
        raise InputError(
            f"{files[100]}: less carbon in 0-100 cm than in 0-30 cm at {int(wrong.sum())} of {int(mapped.sum())} cells; "
            "SOCC100 must hold 0-100 cm (are SOCC30 and SOCC100 exchanged?)"
        )
    mapped &= ~wrong
    layers = (first.values, difference, stock[200].values, stock[300].values)
    return np.stack(
        [
            regrid.mean(dataclasses.replace(first, values=np.where(mapped, np.maximum(values, 0.0), np.nan)), targets)
            for values in layers
        ],
        axis=1,
    )


def _ncscd_field(path: Path, box: fields.Box) -> fields.Map:
    """One NCSCDv2 file in kg m-2, NaN for fill and for zeros."""
    with fields.open_raw(path) as dataset:
        name = next((n for n in ("NCSCDv2", "Band1") if n in dataset.variables), "")
        if not name:
            raise InputError(
                f"{path}: variable 'NCSCDv2' is missing ({suggest('NCSCDv2', dataset.variables)}); check the file"
            )
        unit = str(getattr(dataset.variables[name], "units", "")).replace(" ", "")
        if unit.lower() not in ("", "1", "hgcm-2", "hgc/m2", "hgm-2", "hg/m2", "hgc/m^2", "hgc/m**2"):
            raise InputError(f"{path}: '{name}' is in {unit!r}, expected 'hg C m-2' as published; convert it")
        _check_type(dataset.variables[name], path)
    field = fields.need(path, (name,), box)
    with np.errstate(invalid="ignore"):
        values = np.where(field.values == NCSCD_FILL, np.nan, HG_TO_KG * field.values)
        values = np.where(np.abs(values) < NO_DATA_BELOW, np.nan, values)
    if np.any(values < 0) or np.nanmax(values, initial=0.0) > LARGEST:
        raise InputError(
            f"{path}: '{name}' runs {np.nanmin(values) / HG_TO_KG:g}..{np.nanmax(values) / HG_TO_KG:g} hg C m-2, expected "
            f"0..{LARGEST / HG_TO_KG:g}; correct the file (other fill values than -32768?)"
        )
    return dataclasses.replace(field, values=values, units="kg m-2")


def _check_type(variable: netCDF4.Variable, path: Path) -> None:
    if np.dtype(variable.dtype).kind not in "iuf":
        raise InputError(f"{path}: '{variable.name}' holds {variable.dtype}, expected numbers; check the file")


def read_folder(path: Path | str, targets: regrid.Targets, box: fields.Box = fields.WHOLE_EARTH) -> np.ndarray:
    """Stocks of the cells from a folder of SoilGrids rasters or of NCSCDv2 files, kg m-2, (cell, 4)."""
    if soilgrids.find(path):
        return soilgrids.carbon(path, targets, INTERVALS, box)
    return read_ncscd(path, targets, box)


HWSD2_COLUMNS = ("HWSD2_SMU_ID", "SHARE", "TOPDEP", "BOTDEP", "ORG_CARBON", "BULK", "COARSE")


def is_hwsd2(path: Path | str) -> bool:
    """Whether a table is that of the layers of HWSD v2."""
    with Path(path).open(encoding="utf-8-sig", errors="replace") as file:
        return "HWSD2_SMU_ID" in file.readline()


def read_hwsd2(
    layers: Path | str,
    raster: Path | str,
    targets: regrid.Targets,
    name: str = "",
    box: fields.Box = fields.WHOLE_EARTH,
) -> np.ndarray:
    """Stocks of the cells from the layers of HWSD v2 (to 2 m) and the raster of its units, kg m-2, (cell, 4).

    Organic carbon (percent of mass) x bulk density (g cm-3) x fine share of the volume; soils of a unit weigh by SHARE, what is
    not soil (negative codes) does not count. Raises ``InputError``.
    """
    stocks: dict[int, np.ndarray] = {}
    reached: dict[int, np.ndarray] = {}
    for item in read_rows(layers, HWSD2_COLUMNS):
        where = f"{layers}: line {item.line}"
        unit, share, top, bottom, carbon, bulk, coarse = (number(item[n], f"{where}: {n}") for n in HWSD2_COLUMNS)
        if not (share > 0 and carbon >= 0 and bulk > 0 and coarse >= 0 and bottom > top):
            continue
        overlap = np.array([max(0.0, min(bottom / 100, b) - max(top / 100, a)) for a, b in INTERVALS])
        density = 10.0 * carbon * bulk * (1.0 - coarse / 100.0)  # kg m-3
        stocks[int(unit)] = stocks.get(int(unit), np.zeros(4)) + share * density * overlap
        reached[int(unit)] = reached.get(int(unit), np.zeros(4)) + share * overlap
    if not stocks:
        raise InputError(f"{layers}: no row with organic carbon; export HWSD2_LAYERS with its values")
    thick = np.array([b - a for a, b in INTERVALS])
    with np.errstate(invalid="ignore", divide="ignore"):  # by the soils that reach so deep
        table = {unit: np.where(reached[unit] > 0, thick * stocks[unit] / reached[unit], np.nan) for unit in stocks}
    return soil_texture.unit_means(raster, table, layers, targets, name, box)


# --- pedons ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pedons:
    """Profiles: ``latitude``, ``longitude`` (pedon,); ``stocks`` of carbon and ``nitrogen`` (pedon, 4) in kg m-2, NaN where not
    known; ``notes``.
    """

    latitude: np.ndarray
    longitude: np.ndarray
    stocks: np.ndarray
    nitrogen: np.ndarray
    notes: tuple[str, ...] = ()


def read_pedons(path: Path | str) -> Pedons:
    """Stocks of the four intervals from any table of profiles that :mod:`jtem.readers.soil_profiles` reads.

    What is missing, or only known for a thicker layer (0-1 m alone), is NaN and counted in ``notes``. Raises
    ``InputError`` for absent columns, impossible places and stocks, and for tables in which nothing is usable.
    """
    profiles = soil_profiles.profile_table(path)
    stocks, nitrogen = (
        soil_profiles.interval_stocks(profiles, INTERVALS, element) / 1000.0 for element in ("carbon", "nitrogen")
    )
    placed = np.isfinite(profiles["latitude"].values + profiles["longitude"].values)
    nothing = ~np.isfinite(stocks).any(axis=1)
    notes = [line for line in str(profiles.attrs["notes"]).splitlines() if line]
    if nothing.any():
        notes.append(f"{path}: {int(nothing.sum())} profiles do not tell any of the intervals 0-0.3, 0.3-1, 1-2, 2-3 m")
    if not placed.all():
        notes.append(f"{path}: {int((~placed).sum())} profiles have no latitude and longitude")
    use = placed & ~nothing
    if not use.any():
        raise InputError(f"{path}: no profile with a place and a stock of 0-0.3, 0.3-1, 1-2 or 2-3 m; check the table")
    if stocks[use].max(initial=0.0, where=np.isfinite(stocks[use])) > LARGEST:
        k = int(np.argmax(np.nan_to_num(stocks).max(axis=1)))
        raise InputError(
            f"{path}: stock {np.nanmax(stocks[k]):g} kg m-2 of '{profiles['place'].values[k]}', expected 0..{LARGEST:g} in one "
            "interval; correct it or its unit"
        )
    longitude = (profiles["longitude"].values[use] + 180.0) % 360.0 - 180.0
    return Pedons(profiles["latitude"].values[use], longitude, stocks[use], nitrogen[use], tuple(notes))


def pedon_means(pedons: Pedons, targets: regrid.Targets, element: str = "stocks") -> np.ndarray:
    """Mean ``stocks`` of carbon, or "nitrogen", of the pedons in each cell, kg m-2, (cell, 4); NaN for an interval that none of
    them measured.

    Profiles are not an area sample (they favour peat); a grid of stocks is better where there is one.
    """
    count = targets.latitude.size
    inside = regrid.nearest_place(pedons.latitude, pedons.longitude, targets.latitude, targets.longitude)[0]
    half = 0.5 * targets.step
    east = np.abs((pedons.longitude - targets.longitude[inside] + 180.0) % 360.0 - 180.0)
    hit = (np.abs(pedons.latitude - targets.latitude[inside]) <= half) & (east <= half)
    result = np.full((count, 4), np.nan)
    stocks = getattr(pedons, element)
    for k in range(4):
        use = hit & np.isfinite(stocks[:, k])
        number = np.bincount(inside[use], minlength=count)
        total = np.bincount(inside[use], weights=stocks[use, k], minlength=count)
        result[:, k] = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    return result


# --- what fills the rest ---------------------------------------------------------------------------------------------


def complete(
    observed: np.ndarray, community: np.ndarray, fraction: np.ndarray, area: np.ndarray
) -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    """Give every cell a profile: observed intervals, else the mean of its communities (Liu et al. 2024: per type).

    ``observed``: kg m-2 (cell, 4), NaN where not observed. ``community``, ``fraction``: (cell, share). ``area``: km2
    (cell,). The mean of a community is that of the observed cells it dominates, by area, interval by interval; with
    fewer than ``FEWEST_FOR_A_TYPE`` such cells, the embedded rule. Returns the stocks (cell, 4), which cells were
    observed in full (cell,), and for each community where its profile comes from.
    """
    dominant = community[np.arange(community.shape[0]), np.argmax(fraction, axis=1)]
    names = sorted({str(name) for name in community.ravel()} - {""})
    typical, source = {}, {}
    for name in names:
        rule = embedded.soil_organic_carbon(np.array([[name]], dtype=object), np.ones((1, 1)))[0]
        values, origin = rule.copy(), ["embedded rule"] * 4
        for k in range(4):
            use = (dominant == name) & np.isfinite(observed[:, k])
            if use.sum() >= FEWEST_FOR_A_TYPE:
                values[k] = np.average(observed[use, k], weights=area[use])
                origin[k] = f"mean of {int(use.sum())} cells"
        typical[name] = values
        source[name] = ", ".join(dict.fromkeys(origin))
    by_type = np.zeros(observed.shape)
    for name in names:
        by_type += np.where(community == name, fraction, 0.0).sum(axis=1)[:, None] * typical[name]
    seen = np.isfinite(observed)
    return np.where(seen, observed, by_type), np.all(seen, axis=1), source


DENSITY_COLUMNS = (
    ("0_30", 0, 0.3),
    ("30_50", 1, 0.2),
    ("50_100", 1, 0.5),
    ("100_200", 2, 1.0),
    ("200plus", 3, 1.0),
)
DENSITY_TYPES = {
    "alpine_tundra_polar_desert": (2,),
    "wet_moist_tundra": (3, 7),
    "boreal_forest": (4, 6),
}


def from_densities(path: Path | str, communities: Sequence[str], element: str = "carbon") -> dict[str, np.ndarray]:
    """Mean stocks (kg m-2, four intervals) of communities from densities (kg m-3) by TEM vegetation number.

    ``path``: a table like ``cn_density_by_vegetation.csv``; numbers of one community are weighted by their cells.
    ``element``: "carbon" or "nitrogen". Only communities that the table knows are returned. Raises ``InputError``.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = {int(row["temveg"]): row for row in csv.DictReader(file)}
        result = {}
        for name in communities:
            known = [number for number in DENSITY_TYPES.get(name, ()) if number in rows]
            if not known:
                continue
            weight = np.array([float(rows[number]["n_cells"]) for number in known])
            stocks = np.zeros((len(known), 4))
            for column, interval, thickness in DENSITY_COLUMNS:
                stocks[:, interval] += [
                    thickness * float(rows[number][f"{element[0]}_{column}_mean"]) for number in known
                ]
            result[name] = weight @ stocks / weight.sum()
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{path}: not a table of densities by TEM vegetation ({error}); give cn_density_by_vegetation.csv"
        ) from None
    return result
