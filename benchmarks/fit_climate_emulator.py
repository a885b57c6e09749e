"""Fit the embedded climate emulator, choose the embedded cells, and state the errors.

    python benchmarks/fit_climate_emulator.py DATA [--write]

DATA is a folder with ``climate_grid`` (the real half-degree climatology: BIOME4 driver file, Kaplan et al. 2003; with
relief and land fraction), ``climate_change`` (NASA GISTEMP v4 zonal means, IPSL-CM6A-LR temperature) and ``co2``.
With ``--write`` the tables of ``data/embedded`` are written anew and the soil-carbon scales in ``rules.toml`` are
replaced; without, the normals are fitted and measured, and the rest is measured on the files as they are. The last line
is one flat JSON object of numbers.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import time
from pathlib import Path

import numpy as np
import xarray as xr

from jtem.files import data_path
from jtem.readers import embedded

ANNUAL_ORDER = {"tas": 3, "logpr": 3, "transmissivity": 3}
REGIONS = {  # bump width and spacing in km, ridge
    "normals_north": {"width_km": 900.0, "spacing_km": 600.0, "ridge": 1e-4},
    "normals_plateau": {"width_km": 350.0, "spacing_km": 250.0, "ridge": 1e-4},
}
WARMING_WIDTH_KM = 2500.0
# GFDL-ESM4 SSP5-8.5 land-mean warming 2015-2016 to 2099-2100 (IPCC Atlas regional means, Iturbide et al. 2020): degC,
# and the box (south, north, west, east) used for it here.
GFDL_WARMING = {
    "russian_arctic": (6.5, (66, 77, 40, 180)),
    "east_siberia": (5.4, (48, 66, 85, 150)),
    "northwest_america": (7.0, (50, 71, -168, -105)),
    "tibetan_plateau": (3.7, (27, 39, 75, 100)),
}
# Places where the scale from IPSL to GFDL-ESM4 is anchored (latitude, longitude) and, where GFDL's warming is not known
# to us, the scale assumed there.
SCALE_ANCHORS = {
    "russian_arctic": (72, 105, None),
    "east_siberia": (57, 115, None),
    "northwest_america": (62, -135, None),
    "tibetan_plateau": (33, 88, None),
    "europe": (60, 25, 0.6),
    "northeast_america": (58, -75, 0.8),
    "greenland": (74, -35, 0.8),
}
NORMAL_PERIOD = (1901, 2000)
SEED = 20141
SOC_PUBLISHED_PG = (217.0, 472.0, 1035.0)
SOC_PUBLISHED_AREA_KM2 = 17.8e6
# 0-3 m: 50.43 Pg in all less 35.1 Pg below 3 m (Wang et al. 2020, as cited by Liu et al. 2022), over the 1.06e6 km2 of
# plateau permafrost (Zou et al. 2017).
SOC_PLATEAU_PG = 15.33
SOC_PLATEAU_AREA_KM2 = 1.06e6
SEASONS = {"DJF": [11, 0, 1], "MAM": [2, 3, 4], "JJA": [5, 6, 7], "SON": [8, 9, 10], "year": list(range(12))}
BIOME_GROUPS = {
    "polar_desert": (24, 25, 26, 27),
    "tundra": (22, 23),
    "boreal": (8, 10, 11, 17, 18),
    "temperate_forest": (4, 5, 6, 7, 9),
    "grass_and_dry": (12, 13, 14, 15, 16, 19, 20, 21),
}
COMMUNITY_GROUPS = {
    "alpine_tundra_polar_desert": "polar_desert",
    "wet_moist_tundra": "tundra",
    "boreal_forest": "boreal",
    "temperate_coniferous_forest": "temperate_forest",
    "temperate_deciduous_forest": "temperate_forest",
    "grassland": "grass_and_dry",
    "xeric_shrubland": "grass_and_dry",
}


# ---------------------------------------------------------------- the real fields
def read_land(folder: Path) -> dict[str, np.ndarray]:
    """All ice-free land cells of the half-degree fields as flat arrays; monthly fields are (cell, 12)."""
    surface = xr.open_dataset(folder / "climate_grid" / "surface_0p5deg.nc")
    climatology = xr.open_dataset(folder / "climate_grid" / "climatology_0p5deg.nc")
    tas = climatology["tas"].values
    keep = (surface["land_fraction_hwsd"].values > 0.1) & np.isfinite(tas).all(0)
    latitude, longitude = np.meshgrid(surface["lat"].values, surface["lon"].values, indexing="ij")
    land = {
        "latitude": latitude[keep],
        "longitude": longitude[keep],
        "elevation": surface["elevation"].values[keep].astype(np.float64),
        "area": (surface["area"].values * surface["land_fraction_hwsd"].values)[keep].astype(np.float64),
        "biome": surface["biome4"].values[keep],
    }
    for name in ("tas", "pr", "rsds"):
        land[name] = climatology[name].values[:, keep].T.astype(np.float64)
    return land


def select(land: dict[str, np.ndarray], where: np.ndarray) -> dict[str, np.ndarray]:
    return {name: values[where] for name, values in land.items()}


def precipitation_known(land: dict[str, np.ndarray]) -> np.ndarray:
    """Where the real climatology has believable precipitation.

    58 half-degree cells have none, and about 1,000 near 80N have 0-60 mm a year, less than stations of the high Arctic
    record: the field's own fill. The stated error leaves both out.
    """
    annual = land["pr"].sum(1)
    return np.isfinite(annual) & ((annual >= 60) | (land["latitude"] < 75))


def even_points(spacing_km: float, southern_limit: float) -> np.ndarray:
    """Evenly spaced points (Fibonacci lattice) north of a latitude, (point, 2) latitude and longitude."""
    count = int(4 * np.pi * embedded.EARTH_RADIUS_KM**2 / spacing_km**2)
    number = np.arange(count) + 0.5
    latitude = np.rad2deg(np.arcsin(1 - 2 * number / count))
    longitude = (number * 180 * (3 - np.sqrt(5))) % 360 - 180
    points = np.stack([latitude, longitude], axis=1)
    return np.round(points[latitude > southern_limit], 2)


# ---------------------------------------------------------------- normals
def fit_normals(land: dict[str, np.ndarray], settings: dict, southern_limit: float) -> dict:
    """Weighted ridge regression of the three variables on (space) x (annual waves)."""
    centres = even_points(settings["spacing_km"], southern_limit)
    near = embedded.bumps(land["latitude"], land["longitude"], centres, settings["spacing_km"]).max(0) > np.exp(-1)
    table = {"centres": centres[near], "width_km": settings["width_km"]}
    basis = embedded.normals_basis(land["latitude"], land["longitude"], land["elevation"], table)
    above = embedded.top_of_atmosphere(land["latitude"])
    lit = above > 15
    # Where precipitation is not believable the fit takes at least 5 mm a month, so that it has ground to stand on.
    floor = np.where(precipitation_known(land), 0.5, 5.0)[:, None]
    targets = {
        "tas": (land["tas"], np.ones_like(above)),
        "logpr": (np.log(np.maximum(np.nan_to_num(land["pr"]), floor)), np.ones_like(above)),
        "transmissivity": (np.where(lit, land["rsds"] / np.maximum(above, 1), 0.5), np.where(lit, above / 200, 0)),
    }
    area = land["area"] / land["area"].mean()
    for name, (target, weight) in targets.items():
        waves = embedded.annual_harmonics(ANNUAL_ORDER[name])
        size = basis.shape[1] * waves.shape[0]
        matrix, right = np.zeros((size, size)), np.zeros(size)
        for month in range(12):
            weighted = basis * (area * weight[:, month])[:, None]
            matrix += np.kron(basis.T @ weighted, np.outer(waves[:, month], waves[:, month]))
            right += np.kron(weighted.T @ target[:, month], waves[:, month])
        penalty = np.repeat(np.r_[0.0, 0.0, np.ones(basis.shape[1] - 2)], waves.shape[0])
        matrix[np.diag_indices(size)] += settings["ridge"] * np.trace(matrix) / size * penalty
        # No light in some months, so the highest waves of the transmissivity are not all determined.
        matrix[np.diag_indices(size)] += 1e-9 * np.trace(matrix) / size
        table[name] = np.linalg.solve(matrix, right).reshape(basis.shape[1], -1)
    # exp of a mean logarithm is too dry: restore the area mean of each month.
    waves = embedded.annual_harmonics(ANNUAL_ORDER["logpr"])
    emulated = np.exp(basis @ table["logpr"] @ waves)
    known = precipitation_known(land)
    correction = np.log((area[known] @ land["pr"][known]) / (area[known] @ emulated[known]))
    table["logpr"][0] += np.linalg.lstsq(waves.T, correction, rcond=None)[0]
    return table


def emulate(land: dict[str, np.ndarray], table: dict) -> dict[str, np.ndarray]:
    basis = embedded.normals_basis(land["latitude"], land["longitude"], land["elevation"], table)
    fields = {
        name: basis @ table[name] @ embedded.annual_harmonics(ANNUAL_ORDER[name])
        for name in ("tas", "logpr", "transmissivity")
    }
    sky = embedded.top_of_atmosphere(land["latitude"])
    return {
        "tas": fields["tas"],
        "pr": np.exp(fields["logpr"]),
        "rsds": sky * np.clip(fields["transmissivity"], 0.25, 0.76),
    }


def errors(land: dict[str, np.ndarray], emulated: dict[str, np.ndarray], label: str) -> dict[str, float]:
    """Area-weighted bias, RMSE and r (over cells and months of a season; for "year" of annual means or sums)."""
    result = {}
    all_land, all_emulated, known = land, emulated, precipitation_known(land)
    print(f"\n{label}: bias / RMSE / r")
    for name in ("tas", "pr", "rsds"):
        words = []
        land, emulated = all_land, all_emulated
        if name == "pr":
            land, emulated = select(all_land, known), select(all_emulated, known)
        for season, months in SEASONS.items():
            real, guess = land[name][:, months], emulated[name][:, months]
            if season == "year":
                scale = 12 if name == "pr" else 1
                real, guess = scale * real.mean(1, keepdims=True), scale * guess.mean(1, keepdims=True)
            weight = np.broadcast_to(land["area"][:, None], real.shape)
            difference = guess - real
            bias = np.average(difference, weights=weight)
            rmse = np.sqrt(np.average(difference**2, weights=weight))
            centred = [values - np.average(values, weights=weight) for values in (real, guess)]
            r = np.sum(weight * centred[0] * centred[1]) / np.sqrt(
                np.sum(weight * centred[0] ** 2) * np.sum(weight * centred[1] ** 2)
            )
            words.append(f"{season} {bias:+.2f} / {rmse:.2f} / {r:.3f}")
            for kind, value in (("bias", bias), ("rmse", rmse), ("r", r)):
                result[f"{label}_{name}_{season}_{kind}"] = round(float(value), 3)
        print(f"  {name:5s} " + "  |  ".join(words))
    return result


def held_out_error(land: dict[str, np.ndarray], settings: dict, southern_limit: float, label: str) -> dict[str, float]:
    """Fit without one fifth of the 4-degree squares, chosen by a fixed rule, and measure there."""
    square = (np.floor(land["latitude"] / 4) * 97 + np.floor(land["longitude"] / 4) * 31).astype(int) % 5
    table = fit_normals(select(land, square != 0), settings, southern_limit)
    rest = select(land, square == 0)
    return errors(rest, emulate(rest, table), label)


# ---------------------------------------------------------------- cells
def coarse_cells(land: dict[str, np.ndarray], height: float, width_km: float) -> dict[str, np.ndarray]:
    """Gather half-degree cells into blocks of nearly equal size; small coastal blocks join the nearest one.

    Latitude, longitude and elevation are means weighted by land area, the area is the sum. Also returns, as ``owner``,
    the block of each half-degree cell.
    """
    band = np.floor(land["latitude"] / height)
    circle = 2 * np.pi * embedded.EARTH_RADIUS_KM * np.cos(np.deg2rad((band + 0.5) * height))
    per_band = np.maximum(np.round(circle / width_km), 1)
    column = np.floor((land["longitude"] + 180) / 360 * per_band)
    _, owner = np.unique(np.stack([band, column]), axis=1, return_inverse=True)
    full = (height * 111.2) * width_km
    while True:
        area = np.bincount(owner, land["area"])
        centre = {name: np.bincount(owner, land["area"] * land[name]) / area for name in ("latitude", "longitude")}
        smallest = int(np.argmin(area))
        if area[smallest] > 0.3 * full:
            break
        places = np.stack([centre["latitude"], centre["longitude"]], axis=1)
        closeness = embedded.bumps(places[smallest, :1], places[smallest, 1:], places, 3000.0)[0]
        closeness[smallest] = -1
        # A block never grows across the date line, where a mean longitude has no meaning.
        closeness[np.abs(centre["longitude"] - centre["longitude"][smallest]) > 180] = -1
        owner[owner == smallest] = int(np.argmax(closeness))
        _, owner = np.unique(owner, return_inverse=True)
    elevation = np.bincount(owner, land["area"] * land["elevation"]) / area
    return {**centre, "elevation": elevation, "area": area, "owner": owner}


# ---------------------------------------------------------------- change
def local_mean(data: xr.DataArray, latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Bilinear value of a coarse (..., lat, lon) field at points; latitudes beyond its rows take the last row."""
    wrapped = xr.concat([data, data.isel(lon=0).assign_coords(lon=360.0)], dim="lon")
    where = {
        "lat": xr.DataArray(np.clip(latitude, float(data.lat.min()), float(data.lat.max())), dims="cell"),
        "lon": xr.DataArray(longitude % 360, dims="cell"),
    }
    return wrapped.interp(where).values


def in_box(land: dict[str, np.ndarray], box: tuple) -> np.ndarray:
    south, north, west, east = box
    return (
        (land["latitude"] >= south)
        & (land["latitude"] <= north)
        & (land["longitude"] >= west)
        & (land["longitude"] <= east)
    )


def scenario_course(ssp585: np.ndarray, ssp126: np.ndarray) -> dict[str, np.ndarray]:
    """Smooth warming since 2014, degC, shape (87,): two cubics of one slope at 2014, where they part."""
    tau = np.arange(87) / 86
    ones, zeros = np.ones(86), np.zeros(86)
    one, two, three = tau[1:], tau[1:] ** 2, tau[1:] ** 3
    high = np.stack([ones, one, two, three, zeros, zeros], axis=1)
    low = np.stack([ones, one, zeros, zeros, two, three], axis=1)
    fit = np.linalg.lstsq(np.concatenate([high, low]), np.concatenate([ssp585, ssp126]), rcond=None)[0]
    return {
        name: np.maximum(fit[1] * tau + fit[k] * tau**2 + fit[k + 1] * tau**3, 0)
        for name, k in (("ssp585", 2), ("ssp126", 4))
    }


def fit_change(folder: Path, land: dict[str, np.ndarray], arctic: dict[str, np.ndarray]) -> tuple[dict, dict, dict]:
    """Pattern of warming (1 in the area mean of the pan-Arctic cells) and its course in two scenarios."""
    model = xr.open_dataset(folder / "climate_change" / "ipsl_cm6a_lr_tas_20x20.nc")
    latitude, longitude = np.meshgrid(model.lat.values, (model.lon.values + 180) % 360 - 180, indexing="ij")
    latitude, longitude = latitude.ravel(), longitude.ravel()
    tas = model["tas_ssp585"]
    change = (tas.sel(year=slice(2081, 2100)).mean("year") - tas.sel(year=slice(2015, 2024)).mean("year")).values
    change = change.reshape(12, -1).T

    ends = tas.isel(year=[-2, -1]).mean(["year", "month"]) - tas.isel(year=[0, 1]).mean(["year", "month"])
    boxes = {name: in_box(land, box) for name, (_, box) in GFDL_WARMING.items()}
    real_warming = {
        name: np.average(local_mean(ends, land["latitude"][here], land["longitude"][here]), weights=land["area"][here])
        for name, here in boxes.items()
    }
    scale = {name: GFDL_WARMING[name][0] / real_warming[name] for name in GFDL_WARMING}
    anchors = np.array([[lat, lon] for lat, lon, _ in SCALE_ANCHORS.values()], dtype=np.float64)
    centres = even_points(1900.0, 15.0)
    waves = embedded.annual_harmonics(2)
    local = np.concatenate(
        [np.ones((latitude.size, 1)), embedded.bumps(latitude, longitude, centres, WARMING_WIDTH_KM)], axis=1
    )
    weight = np.cos(np.deg2rad(latitude))[:, None]
    penalty = 0.03 * np.diag(np.r_[0.0, np.ones(centres.shape[0])])

    def pattern_at(places: dict, coefficients: np.ndarray) -> np.ndarray:
        near = embedded.bumps(places["latitude"], places["longitude"], centres, WARMING_WIDTH_KM)
        return np.concatenate([np.ones((near.shape[0], 1)), near], axis=1) @ coefficients @ waves

    mean_annual = model["dtas_annual_ssp585"], model["dtas_annual_ssp126"]
    factor = dict(scale)
    for _ in range(8):  # move the anchors until the four boxes warm as GFDL-ESM4 does
        values = np.array([factor.get(name, given) for name, (_, _, given) in SCALE_ANCHORS.items()], dtype=np.float64)
        near = embedded.bumps(latitude, longitude, anchors, 2200.0) + 1e-6
        scaling = near @ values / near.sum(1)
        coefficients = np.linalg.solve(
            local.T @ (weight * local) + penalty, local.T @ (weight * scaling[:, None] * change)
        )
        coefficients = coefficients @ np.linalg.pinv(waves)
        mean = np.average(pattern_at(arctic, coefficients).mean(1), weights=arctic["area"])
        coefficients = coefficients / mean
        scaled_near = embedded.bumps(arctic["latitude"], arctic["longitude"], anchors, 2200.0) + 1e-6
        scaled = scaled_near @ values / scaled_near.sum(1)
        local_changes = [local_mean(data, arctic["latitude"], arctic["longitude"]) * scaled for data in mean_annual]
        course = scenario_course(*(change @ arctic["area"] / arctic["area"].sum() for change in local_changes))
        reached = {
            name: np.average(pattern_at(select(land, here), coefficients).mean(1), weights=land["area"][here])
            * (course["ssp585"][-2:].mean() - course["ssp585"][1:3].mean())
            for name, here in boxes.items()
        }
        factor = {name: factor[name] * GFDL_WARMING[name][0] / reached[name] for name in factor}
    print("\nwarming 2015-2016 to 2099-2100 under SSP5-8.5, emulated / GFDL-ESM4 / IPSL, degC")
    numbers = {}
    for name in GFDL_WARMING:
        print(f"  {name:18s} {reached[name]:5.2f} / {GFDL_WARMING[name][0]:4.1f} / {real_warming[name]:5.2f}")
        numbers[f"warming_ssp585_{name}"] = round(float(reached[name]), 2)
    table = {"centres": centres, "width_km": WARMING_WIDTH_KM, "pattern": coefficients}
    return table, course, numbers


def background_temperature(folder: Path, centres: dict[str, float]) -> dict[str, np.ndarray]:
    """Zonal anomalies from 1901-2000, degC, 1850-2100: observed 1880-2014, seeded AR(1) variability elsewhere."""
    rows = list(csv.DictReader((folder / "climate_change" / "gistemp_zonal_annual.csv").open()))
    year = np.array([int(row["year"]) for row in rows])
    source = dict(zip(centres, ("lat24N_44N", "lat44N_64N", "lat64N_90N"), strict=True))
    observed = np.array([[float(row[source[name]]) for row in rows] for name in centres])
    observed -= observed[:, (year >= NORMAL_PERIOD[0]) & (year <= NORMAL_PERIOD[1])].mean(1, keepdims=True)
    kernel = np.exp(-0.5 * ((year[:, None] - year[None, :]) / 15.0) ** 2)
    smooth = np.empty_like(observed)
    for row, weight in enumerate(kernel):  # local straight lines, so that the ends are not pulled to the middle
        line = np.stack([np.ones(year.size), year - year[row]], axis=1)
        smooth[:, row] = np.linalg.solve(line.T @ (weight[:, None] * line), line.T @ (weight[:, None] * observed.T))[0]
    residual = observed - smooth
    memory = np.sum(residual[:, 1:] * residual[:, :-1]) / np.sum(residual[:, :-1] ** 2)
    innovation = np.linalg.cholesky(np.cov(residual[:, 1:] - memory * residual[:, :-1]))
    random = np.random.default_rng(SEED)

    def simulate(count: int, start: np.ndarray) -> np.ndarray:
        state, states = start, []
        for _ in range(count):
            state = memory * state + innovation @ random.standard_normal(len(centres))
            states.append(state)
        return np.stack(states, axis=1)

    until_2014 = year <= 2014
    at_2014 = int(np.flatnonzero(year == 2014)[0])
    early = observed[:, :30].mean(1, keepdims=True) + simulate(30, residual[:, 0])[:, ::-1]
    late = smooth[:, at_2014, None] + simulate(86, residual[:, at_2014])
    series = np.concatenate([early, observed[:, until_2014], late], axis=1)
    print(f"\nAR(1) memory {memory:.2f}, sd {residual.std(1).round(2)}; level of 2014 {smooth[:, at_2014].round(2)}")
    return {"year": np.arange(1850, 2101), **dict(zip(centres, series.round(3), strict=True))}


# ---------------------------------------------------------------- writing
def write_csv(name: str, comment: str, columns: dict[str, np.ndarray], digits: int) -> None:
    lines = [f"# {line}" for line in comment.splitlines()] + [",".join(columns)]
    for row in zip(*columns.values(), strict=True):
        lines.append(",".join(f"{round(float(value), digits):.{digits}f}".rstrip("0").rstrip(".") for value in row))
    (data_path("embedded") / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_coefficients(name: str, comment: str, table: dict, terms_without_centre: int) -> None:
    centres = np.concatenate([np.zeros((terms_without_centre, 2)), table["centres"]])
    term = np.arange(-terms_without_centre, table["centres"].shape[0])
    columns = {"term": term, "latitude": centres[:, 0], "longitude": centres[:, 1]}
    for variable, values in table.items():
        if variable not in ("centres", "width_km"):
            columns |= {f"{variable}_{wave}": values[:, wave] for wave in range(values.shape[1])}
    write_csv(f"{name}.csv", comment, columns, 5)


def write_co2(folder: Path) -> None:
    rows = list(csv.DictReader((folder / "co2" / "co2_annual.csv").open()))
    rows = [row for row in rows if 1850 <= int(row["year"]) <= 2100]
    names = ("year", "ssp126", "ssp585", "rcp45", "rcp85", "ssp245", "ssp370")
    columns = {name: np.array([float(row[name]) for row in rows]) for name in names}
    comment = (
        "Annual global-mean CO2 at the surface, ppm. SSPs: CMIP6 history to 2014 (Meinshausen et al. 2017)\n"
        "and scenarios (Meinshausen et al. 2020). rcp45, rcp85: Meinshausen et al. (2011)."
    )
    write_csv("co2.csv", comment, columns, 2)


# ---------------------------------------------------------------- vegetation and soil carbon
def vegetation_agreement(arctic: dict[str, np.ndarray], land: dict[str, np.ndarray]) -> dict[str, float]:
    """Share of the land whose embedded community belongs to the group of its BIOME4 biome."""
    group_of_biome = {code: name for name, codes in BIOME_GROUPS.items() for code in codes}
    truth = np.array([group_of_biome.get(int(code), "other") for code in np.nan_to_num(land["biome"])])

    def agree(community: np.ndarray, fraction: np.ndarray) -> np.ndarray:
        share = np.zeros(truth.size)
        for k in (0, 1):
            guess = np.array([COMMUNITY_GROUPS.get(name, "") for name in community[:, k]])
            share += fraction[:, k] * (guess == truth)
        return share

    fine = embedded._emulated_normals(land["latitude"], land["longitude"], land["elevation"])
    fine_community, fine_fraction = embedded.communities(land["latitude"], fine["tas"], fine["pr"])
    coarse = embedded._emulated_normals(arctic["latitude"], arctic["longitude"], arctic["elevation"])
    community, fraction = embedded.communities(arctic["latitude"], coarse["tas"], coarse["pr"])
    owner = arctic["owner"]
    result = {}
    for label, (names, shares) in {
        "half_degree": (fine_community, fine_fraction),
        "coarse": (community[owner], fraction[owner]),
    }.items():
        whole = np.where(shares[:, 1:] > 0, [[1.0, 0.0]], shares)  # a woodland counted as the forest it is
        for mosaic, value in (("woodland_as_forest", agree(names, whole)), ("by_share", agree(names, shares))):
            result[f"biome4_agreement_{label}_{mosaic}"] = round(float(np.average(value, weights=land["area"])), 3)
    print("\nrows BIOME4 group, columns embedded group (coarse, by share), 1e6 km2")
    groups = list(BIOME_GROUPS)
    print(" " * 18 + "".join(f"{name[:16]:>18s}" for name in groups))
    for real in groups:
        row = []
        for name in groups:
            share = sum(
                fraction[owner][:, k]
                * np.isin(community[owner][:, k], [c for c, g in COMMUNITY_GROUPS.items() if g == name])
                for k in (0, 1)
            )
            row.append(float(np.sum(land["area"] * share * (truth == real))) / 1e6)
        print(f"{real:18s}" + "".join(f"{value:18.2f}" for value in row))
    for name in sorted(set(community.ravel()) - {""}):
        area = float(np.sum(arctic["area"][:, None] * fraction * (community == name)) / 1e6)
        print(f"  {name:30s} {area:6.2f} e6 km2")
        result[f"area_{name}_Mkm2"] = round(area, 3)
    return result


def coldest_stocks(cells: dict[str, np.ndarray], region_km2: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Unscaled stocks (Pg, four intervals) of the coldest ``region_km2`` and of all cells; the edge temperature."""
    fields = embedded._emulated_normals(cells["latitude"], cells["longitude"], cells["elevation"])
    community, fraction = embedded.communities(cells["latitude"], fields["tas"], fields["pr"])
    order = np.argsort(fields["tas"].mean(1))
    before = np.cumsum(cells["area"][order]) - cells["area"][order]
    counted = np.zeros(order.size)
    counted[order] = np.clip(region_km2 - before, 0, cells["area"][order])
    density = np.zeros((order.size, 4))
    for name, stock in embedded.rules()["soil_organic_carbon_kg_m2"].items():
        density += (fraction * (community == name)).sum(1)[:, None] * np.array(stock)
    edge = float(fields["tas"].mean(1)[counted > 0].max())
    return counted @ density * 1e-6, cells["area"] @ density * 1e-6, edge  # kg m-2 x km2 x 1e-6 = Pg


def soil_carbon_scale(arctic: dict, plateau: dict) -> tuple[dict[str, object], dict[str, float]]:
    """Factors that give the published totals over the coldest land, and the totals reached."""
    stock, whole, edge = coldest_stocks(arctic, SOC_PUBLISHED_AREA_KM2)
    top, metre, three = SOC_PUBLISHED_PG
    wanted = np.array([top, metre - top, *((three - metre) * stock[2:] / stock[2:].sum())])
    scale = np.round(wanted / stock, 4)
    high_stock, high_whole, high_edge = coldest_stocks(plateau, SOC_PLATEAU_AREA_KM2)
    high_scale = round(SOC_PLATEAU_PG / high_stock.sum(), 4)
    print(f"\nsoil carbon scale {scale}, plateau {high_scale}; coldest land: below {edge:.1f} and {high_edge:.1f} degC")
    names = ("0_30cm", "0_100cm", "0_200cm", "0_300cm")
    total = {
        "permafrost_region": stock * scale,
        "whole_domain": whole * scale,
        "plateau_permafrost": high_stock * high_scale,
    }
    total["plateau_whole"] = high_whole * high_scale
    numbers = {
        f"soc_{name}_{region}_Pg": round(float(value), 2)
        for region, parts in total.items()
        for name, value in zip(names, np.cumsum(parts), strict=True)
    }
    factors = {"soil_organic_carbon_scale": scale.tolist(), "soil_organic_carbon_plateau_scale": high_scale}
    return factors, numbers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--write", action="store_true", help="write data/embedded anew")
    arguments = parser.parse_args()
    land = read_land(arguments.data)
    rules = embedded.rules()
    report: dict[str, float] = {}

    annual = land["tas"].mean(1)
    north = select(land, (land["latitude"] > 45) & (annual < 8))
    high_asia = select(land, (land["latitude"] < 46) & (land["longitude"] > 65) & (land["elevation"] > 2000))
    arctic_land = select(land, (land["latitude"] > 45) & (annual < rules["pan_arctic_below_degC"]))
    plateau_land = select(
        land,
        (land["latitude"] > 25)
        & (land["latitude"] < 40)
        & (land["longitude"] > 70)
        & (land["longitude"] < 105)
        & (land["elevation"] > 3000),
    )
    tables = {
        "normals_north": fit_normals(north, REGIONS["normals_north"], 40),
        "normals_plateau": fit_normals(high_asia, REGIONS["normals_plateau"], 20),
    }
    report |= errors(arctic_land, emulate(arctic_land, tables["normals_north"]), "pan_arctic")
    report |= errors(plateau_land, emulate(plateau_land, tables["normals_plateau"]), "plateau")
    report |= held_out_error(arctic_land, REGIONS["normals_north"], 40, "pan_arctic_held_out")
    lapse = tables["normals_north"]["tas"][1] @ embedded.annual_harmonics(3)
    print("\nlapse rate by month, degC per km:", lapse.round(1))

    arctic = coarse_cells(arctic_land, 3.0, 340.0)
    plateau = coarse_cells(plateau_land, 2.0, 200.0)
    for name, cells, fine in (("pan_arctic", arctic, arctic_land), ("plateau", plateau, plateau_land)):
        print(f"\n{name}: {cells['area'].size} cells, {cells['area'].sum() / 1e6:.3f} e6 km2")
        report[f"{name}_cells"] = int(cells["area"].size)
        report[f"{name}_area_Mkm2"] = round(float(cells["area"].sum() / 1e6), 3)
        report[f"{name}_land_area_of_the_fields_Mkm2"] = round(float(fine["area"].sum() / 1e6), 3)
    gathered = {
        name: np.stack(
            [np.bincount(arctic["owner"], arctic_land["area"] * month) for month in arctic_land[name].T], axis=1
        )
        / arctic["area"][:, None]
        for name in ("tas", "pr", "rsds")
    }
    report |= errors(
        {**gathered, "area": arctic["area"], "latitude": arctic["latitude"]},
        emulate(arctic, tables["normals_north"]),
        "pan_arctic_coarse",
    )
    for limit in (-4, -3, -2, 0):
        cold = {"half_degree": (arctic_land["tas"], arctic_land["area"])}
        guess = emulate(arctic, tables["normals_north"])
        cold["coarse"] = (guess["tas"], arctic["area"])
        for label, (tas, area) in cold.items():
            report[f"area_colder_{-limit}_{label}_Mkm2"] = round(float(area[tas.mean(1) < limit].sum() / 1e6), 2)

    pattern, course, numbers = fit_change(arguments.data, land, arctic)
    report |= numbers
    background = background_temperature(arguments.data, rules["zone_centres"])

    if arguments.write:
        origin = "Fitted by benchmarks/fit_climate_emulator.py; see docs/climate_emulator.md and README.md."
        for name, table in tables.items():
            write_coefficients(
                name,
                f"Monthly normals: coefficients of (constant, elevation in km, bumps) x annual waves.\n{origin}",
                table,
                2,
            )
        write_coefficients(
            "warming_pattern",
            f"Local warming per degC of pan-Arctic land warming: (constant, bumps) x annual waves.\n{origin}",
            pattern,
            1,
        )
        write_csv(
            "scenario_warming.csv",
            f"Pan-Arctic land warming since 2014 without variability, degC.\n{origin}",
            {"year": np.arange(2014, 2101), "ssp126": course["ssp126"], "ssp585": course["ssp585"]},
            3,
        )
        write_csv(
            "background_temperature.csv",
            "Zonal annual temperature anomaly from 1901-2000, degC: 1880-2014 observed (NASA GISTEMP v4), before and\n"
            f"after: level of the ends plus seeded AR(1) variability.\n{origin}",
            background,
            3,
        )
        for name, cells in (("pan_arctic", arctic), ("plateau", plateau)):
            write_csv(
                f"{name}_cells.csv",
                "Coarse cells: mean place (degrees) and elevation (m) and sum of the ice-free land area (km2) of\n"
                f"half-degree cells.\n{origin}",
                {key: cells[key] for key in ("latitude", "longitude", "elevation", "area")},
                3,
            )
        write_co2(arguments.data)
        embedded._coefficients.cache_clear()
        embedded._series.cache_clear()

    report |= vegetation_agreement(arctic, arctic_land)
    factors, numbers = soil_carbon_scale(arctic, plateau)
    report |= numbers
    if arguments.write:
        path = data_path("embedded", "rules.toml")
        text = path.read_text(encoding="utf-8")
        for key, value in factors.items():
            text = re.sub(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
        path.write_text(text, encoding="utf-8")
        embedded.rules.cache_clear()

    cells = embedded.domain("pan_arctic")
    start = time.perf_counter()
    history = embedded.climate(cells, "historical", 1850, 2014)
    futures = {name: embedded.climate(cells, name, 2015, 2100) for name in ("ssp126", "ssp585")}
    report["seconds_337_years_of_climate"] = round(time.perf_counter() - start, 3)
    weights = cells["area"] / cells["area"].sum()

    def mean(data: xr.Dataset, first: int, last: int, variable: str = "air_temperature") -> float:
        return float((data[variable].sel(year=slice(first, last)).mean(["year", "month"]) * weights).sum())

    report["tas_1850_1879"] = round(mean(history, 1850, 1879), 2)
    report["tas_1901_2000"] = round(mean(history, 1901, 2000), 2)
    report["tas_2005_2014"] = round(mean(history, 2005, 2014), 2)
    for name, future in futures.items():
        report[f"splice_{name}"] = round(mean(future, 2015, 2024) - mean(history, 2005, 2014), 2)
        report[f"warming_{name}_2015_2024_to_2091_2100"] = round(mean(future, 2091, 2100) - mean(future, 2015, 2024), 2)
        wetter = mean(future, 2091, 2100, "precipitation") / mean(future, 2015, 2024, "precipitation") - 1
        report[f"precipitation_percent_{name}"] = round(100 * wetter, 1)
    print("\n" + json.dumps(report))


if __name__ == "__main__":
    main()
