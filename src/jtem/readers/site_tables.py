"""Tidy tables of sites: flux towers, ground temperature, active layer, pools by community, soil carbon and nitrogen.

Each function reads one published layout and returns observations in the one form of
:mod:`jtem.readers.observations` (towers: with their forcing; soil profiles: see :func:`soil_profiles`). What was left
out, and why, is in ``attrs["notes"]``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from jtem.errors import InputError, suggest
from jtem.readers import embedded
from jtem.readers.fluxnet import (
    JOULES_PER_KG,
    MINIMUM_QUALITY,
    QUARTILES_TO_SIGMA,
    Tower,
    flux_rows,
    forcing_dataset,
    guard_gpp,
    two_partitionings,
)
from jtem.readers.observations import (
    SECONDS_PER_DAY,
    dataset,
    days_in_month,
    inequality,
    number,
    read_rows,
    row,
)

COMMUNITY_OF_GROUP = {
    "boreal_forest": "boreal_forest",
    "wet_tundra": "wet_moist_tundra",
    "polar_desert_alpine_tundra": "alpine_tundra_polar_desert",
    "alpine_meadow": "alpine_meadow",
    "steppe": "grassland",
    "alpine_other": "",
}
"""Vegetation group of ``flux_sites.csv`` and the model's community that stands for it ("": the user has to say)."""

COMMUNITY_OF_PLATEAU = {
    "Alpine meadow": "alpine_meadow",
    "Alpine steppe": "alpine_steppe",
    "Alpine desert": "alpine_desert",
}
COMMUNITY_OF_TARGET = {
    "black spruce forest": "boreal_forest",
    "white spruce forest": "boreal_forest",
    "deciduous forest": "boreal_forest",
    "shrub tundra": "wet_moist_tundra",
    "tussock tundra": "wet_moist_tundra",
    "wet sedge tundra": "wet_moist_tundra",
    "heath tundra": "alpine_tundra_polar_desert",
}


def _distinct(rows: Sequence[Mapping[str, str]], columns: Mapping[str, str], path: Path | str) -> dict[str, dict]:
    """Places of a table by site; ``columns``: field -> column. Raises ``InputError`` where a site moves."""
    places: dict[str, dict] = {}
    for item in rows:
        place = {field: number(item[column], f"{path}: {column}") for field, column in columns.items()}
        known = places.setdefault(item["site"], place)
        for field in ("latitude", "longitude"):
            if abs(known[field] - place[field]) > 1e-3:
                raise InputError(
                    f"{path}: site '{item['site']}' has {field} {known[field]:g} and {place[field]:g}; give one"
                )
    return places


# --- towers ----------------------------------------------------------------------------------------------------------


def flux_sites(
    folder: Path | str,
    sites: Sequence[str] | None = None,
    *,
    soil_depths: Mapping[str, Sequence[float]] | Sequence[float] = (),
    minimum_quality: float = MINIMUM_QUALITY,
) -> dict[str, Tower]:
    """Towers of ``flux_sites.csv`` and ``flux_sites_monthly.csv`` by name: forcing and observations.

    ``sites``: which (default all). ``soil_depths``: depth in m of the sensors ts1, ts2, ts3, for all sites or by site;
    the file does not hold it (sensor 1 is the shallowest, typically 0.02-0.1 m), sensors without a depth are not read.
    ``minimum_quality``: fluxes are used where ``nee_qc`` is above it, soil temperature where its own flag is.

    Errors: NEP from the quartiles of the u*-threshold ensemble, (p75 - p25)/1.349, which leaves random error out; GPP
    and respiration add half the difference of the two partitionings. Complete them with ``observations.with_errors``.
    Elevation is NaN where the archive has none (CN-HaM). Raises ``InputError``.
    """
    folder = Path(folder)
    about = {
        item["site"]: item for item in read_rows(folder / "flux_sites.csv", ("site", "lat", "lon", "elev_m", "group"))
    }
    chosen = list(about) if sites is None else list(sites)
    for name in chosen:
        if name not in about:
            raise InputError(f"{folder / 'flux_sites.csv'}: no site '{name}'; {suggest(name, about)}")
    if isinstance(soil_depths, Mapping):
        for name in soil_depths:
            if name not in about:
                raise InputError(f"soil depths are given for '{name}', which is no tower; {suggest(name, about)}")
    path = folder / "flux_sites_monthly.csv"
    needed = ("site", "year", "month", "ta_degC", "sw_in_W_m2", "precip_mm", "nee_gC_m2_mon", "nee_qc")
    by_site: dict[str, list[dict[str, str]]] = {name: [] for name in chosen}
    for item in read_rows(path, needed):
        if item["site"] in by_site:
            by_site[item["site"]].append(item)
    towers = {}
    for name, rows in by_site.items():
        if not rows:
            raise InputError(f"{path}: no months of site '{name}', which flux_sites.csv lists; complete the table")
        depths = soil_depths.get(name, ()) if isinstance(soil_depths, Mapping) else soil_depths
        towers[name] = _tower(name, rows, about[name], depths, minimum_quality, path)
    return towers


def _tower(
    site: str,
    rows: Sequence[Mapping[str, str]],
    about: Mapping[str, str],
    depths: Sequence[float],
    minimum_quality: float,
    path: Path,
) -> Tower:
    def column(name: str) -> np.ndarray:
        return np.array([number(item.get(name, ""), f"{path}: {name}") for item in rows])

    year, month = column("year"), column("month")
    days = np.array([days_in_month(y, m) for y, m in zip(year, month, strict=True)])
    values = {"air_temperature": "ta_degC", "precipitation": "precip_mm", "shortwave_radiation": "sw_in_W_m2"}
    shares = {"air_temperature": "ta_qc", "precipitation": "precip_qc", "shortwave_radiation": "sw_in_qc"}
    forcing, quality = forcing_dataset(
        site,
        year,
        month,
        {house: column(name) for house, name in values.items()},
        {house: column(name) for house, name in shares.items()},
        str(path),
    )
    error = np.abs(column("nee_p75_gC_m2_mon") - column("nee_p25_gC_m2_mon")) / QUARTILES_TO_SIGMA
    nee_quality = column("nee_qc")
    streams = {"nep": (-column("nee_gC_m2_mon"), error, nee_quality)}
    for stream, name in (("gpp", "gpp"), ("ecosystem_respiration", "reco")):
        night, day = (column(f"{name}_{kind}_gC_m2_mon") for kind in ("nt", "dt"))
        value, spread = two_partitionings(night, day, error)
        streams[stream] = (value, spread, nee_quality)
    unknown = np.full(year.shape, np.nan)
    evaporation = column("le_W_m2") * SECONDS_PER_DAY * days / JOULES_PER_KG
    streams["evapotranspiration"] = (evaporation, unknown, column("le_qc"))
    found, notes = flux_rows(site, year, month, streams, minimum_quality)
    notes += guard_gpp(site, year, streams["gpp"][0])
    for order, depth in enumerate(depths, start=1):
        if f"ts{order}_degC" not in rows[0]:
            raise InputError(f"{path}: no soil temperature ts{order} for the depth {depth:g} m; give fewer depths")
        sensor = {"soil_temperature": (column(f"ts{order}_degC"), unknown, column(f"ts{order}_qc"))}
        more, told = flux_rows(site, year, month, sensor, minimum_quality, float(depth))
        found, notes = found + more, notes + told
    place = {
        "latitude": number(about["lat"], f"flux_sites.csv: {site}"),
        "longitude": number(about["lon"], f"flux_sites.csv: {site}"),
        "elevation": number(about["elev_m"], f"flux_sites.csv: {site}"),
        "community": COMMUNITY_OF_GROUP.get(about["group"], ""),
    }
    return Tower(site, forcing, quality, dataset(found, {site: place}, f"{path}: {site}", notes))


def cells(
    observations: xr.Dataset,
    *,
    communities: Mapping[str, str] | None = None,
    elevations: Mapping[str, float] | None = None,
) -> xr.Dataset:
    """Cells of 1 km2 (docs/architecture.md) for the places of an observation dataset, with their name in ``site``.

    ``communities``, ``elevations`` (m): by site, in place of or in addition to the dataset's. Texture and soil carbon
    follow the embedded rules, as nothing else is known. Raises ``InputError`` where a place has no position, community or
    elevation.
    """
    names = [str(name) for name in observations["place"].values]
    for given in (communities or {}, elevations or {}):
        for name in given:
            if name not in names:
                raise InputError(f"no site '{name}' among the observations; {suggest(name, names)}")
    community = [
        (communities or {}).get(n, str(c)) for n, c in zip(names, observations["community"].values, strict=True)
    ]
    elevation = [
        (elevations or {}).get(n, float(z)) for n, z in zip(names, observations["elevation"].values, strict=True)
    ]
    latitude, longitude = observations["latitude"].values, observations["longitude"].values
    for what, lost in (
        ("latitude and longitude", ~np.isfinite(latitude + longitude)),
        ("elevation", ~np.isfinite(elevation)),
        ("community", np.array([not c for c in community])),
    ):
        if lost.any():
            raise InputError(
                f"site '{names[int(np.argmax(lost))]}' has no {what}; give it ({lost.sum()} sites lack it)"
            )
    slots = np.array([[name, ""] for name in community], dtype=object)
    made = embedded._cell_dataset(
        latitude,
        longitude,
        np.array(elevation, dtype=np.float64),
        np.ones(len(names)),
        slots,
        np.tile([1.0, 0.0], (len(names), 1)),
        "observed sites",
    )
    return made.assign_coords(site=("cell", np.array(names, dtype=object)))


# --- ground temperature ----------------------------------------------------------------------------------------------


def _sensors(rows: Sequence[Mapping[str, str]], path: Path | str, pattern: str) -> dict[str, float]:
    """Columns of soil temperature and their depth in m; the pattern's group is the depth in cm."""
    found = {name: re.fullmatch(pattern, name) for name in rows[0]}
    depths = {name: float(match[1]) / 100.0 for name, match in found.items() if match}
    if not depths:
        raise InputError(f"{path}: no column of soil temperature, expected names such as ts_25cm_degC; check the table")
    return depths


def alaska(path: Path | str) -> xr.Dataset:
    """Permafrost stations of ``alaska_monthly.csv``: soil temperature at 0 (surface), 0.25 ... 1 m and snow depth.

    Air temperature of the stations is not an observation of the model; see :func:`air_temperature`. No error or
    community is stated. Raises ``InputError``.
    """
    rows = read_rows(path, ("site", "lat", "lon", "year", "month", "snow_depth_m", "ts_surface_degC"))
    places = _distinct(rows, {"latitude": "lat", "longitude": "lon"}, path)
    depths = {"ts_surface_degC": 0.0} | _sensors(rows, path, r"ts_(\d+(?:\.\d+)?)cm_degC")
    found = []
    for item in rows:
        when = {"year": float(item["year"]), "month": float(item["month"])}
        for name, depth in depths.items():
            value = number(item[name], f"{path}: {name}")
            if np.isfinite(value):
                found.append(row(item["site"], "soil_temperature", value, depth=depth, **when))
        snow = number(item["snow_depth_m"], f"{path}: snow_depth_m")
        if np.isfinite(snow):
            found.append(row(item["site"], "snow_depth", snow, **when))
    return dataset(found, places, str(path))


def plateau(path: Path | str) -> xr.Dataset:
    """Soil temperature of ``qtp_monthly.csv`` (one row a site, month and depth); no air temperature comes with it.

    Quality is the share of the month's days that have data (at most 1). Raises ``InputError``.
    """
    rows = read_rows(path, ("site", "lat", "lon", "vegetation", "year", "month", "depth_cm", "tsoil_degC", "n_days"))
    places = _distinct(rows, {"latitude": "lat", "longitude": "lon"}, path)
    found = []
    for item in rows:
        places[item["site"]]["community"] = COMMUNITY_OF_PLATEAU.get(item["vegetation"], "")
        value = number(item["tsoil_degC"], f"{path}: tsoil_degC")
        if np.isfinite(value):
            year, month = float(item["year"]), float(item["month"])
            depth = number(item["depth_cm"], f"{path}: depth_cm") / 100.0
            share = min(1.0, number(item["n_days"], f"{path}: n_days") / days_in_month(year, month))
            when = {"year": year, "month": month, "depth": depth, "quality": share}
            found.append(row(item["site"], "soil_temperature", value, **when))
    return dataset(found, places, str(path))


TOOLIK = {"latitude": 68.63, "longitude": -149.60, "elevation": 726.0, "community": "wet_moist_tundra"}


def toolik(path: Path | str) -> xr.Dataset:
    """Soil temperature of ``toolik_monthly.csv`` at ten depths (0.006-0.978 m), one place "Toolik".

    The 0.16 m sensor reads warm in some late summers. Air temperature: :func:`air_temperature`. Raises ``InputError``.
    """
    rows = read_rows(path, ("year", "month", "nrcs_ta_degC"))
    depths = _sensors(rows, path, r"ts_(\d+(?:\.\d+)?)cm_degC")
    found = []
    for item in rows:
        for name, depth in depths.items():
            value = number(item[name], f"{path}: {name}")
            if np.isfinite(value):
                when = {"year": float(item["year"]), "month": float(item["month"])}
                found.append(row("Toolik", "soil_temperature", value, depth=depth, **when))
    return dataset(found, {"Toolik": TOOLIK}, str(path))


def air_temperature(
    path: Path | str, column: str, sites: Sequence[str] | None = None
) -> dict[str, dict[str, np.ndarray]]:
    """Monthly air temperature beside a table of ground temperature: ``{site: {"year", "month", "value"}}``, (time,), degC.

    ``column``: ``ta_degC`` (Alaska), ``nrcs_ta_degC`` or ``tfs_ta_degC`` (Toolik). Months without a value are left out.
    Raises ``InputError``.
    """
    series: dict[str, list[tuple[float, float, float]]] = {}
    for item in read_rows(path, ("year", "month", column)):
        site, value = item.get("site", "Toolik"), number(item[column], f"{path}: {column}")
        if np.isfinite(value) and (sites is None or site in sites):
            series.setdefault(site, []).append((float(item["year"]), float(item["month"]), value))
    return {
        site: dict(zip(("year", "month", "value"), np.array(rows).T, strict=True))
        for site, rows in sorted(series.items())
    }


# --- active layer ----------------------------------------------------------------------------------------------------


def active_layer(path: Path | str) -> xr.Dataset:
    """Yearly active-layer thickness (m) of ``calm_alt.csv`` or ``qtp_alt_from_temperature.csv``, or of a like table.

    Entries with an inequality are kept and flagged: ``>`` or ``<`` where the entry or the flag says which (thaw beyond
    the deepest sensor is ``>`` with that sensor's depth as value), "?" where ``censored`` is 1 and the direction is not
    in the table. The plateau's estimates carry their stated error of 0.2 m; CALM states none. Raises ``InputError``.
    """
    rows = read_rows(path, ("site", "lat", "lon", "year", "alt_cm"))
    columns = {"latitude": "lat", "longitude": "lon"} | ({"elevation": "elev_m"} if "elev_m" in rows[0] else {})
    places = _distinct(rows, columns, path)
    found, empty = [], 0
    estimated = "deepest_sensor_cm" in rows[0]
    for item in rows:
        if "vegetation" in item:
            places[item["site"]]["community"] = COMMUNITY_OF_PLATEAU.get(item["vegetation"], "")
        value, sign = inequality(item["alt_cm"], f"{path}: alt_cm")
        deeper = "deeper than deepest sensor" in item.get("flag", "")
        if deeper and np.isnan(value):
            value = number(item["deepest_sensor_cm"], f"{path}: deepest_sensor_cm")
        if np.isnan(value):
            empty += 1
            continue
        if deeper and not sign:
            sign = ">"
        if not sign and item.get("censored", "0") not in ("", "0"):
            sign = "?"
        error = 0.2 if estimated else np.nan
        year = float(item["year"])
        found.append(row(item["site"], "active_layer_thickness", value / 100.0, year=year, censored=sign, error=error))
    notes = [f"{path}: {empty} rows without a thickness left out"] if empty else []
    return dataset(found, places, str(path), notes)


# --- pools by community ----------------------------------------------------------------------------------------------

TARGETS = {
    "NPP": "net_primary_production",
    "plant_N_uptake": "nitrogen_uptake",
    "vegetation_C": "vegetation_carbon",
    "vegetation_structural_N": "structural_nitrogen",
    "soil_organic_N_organic_plus_mineral_0_1m": "soil_organic_nitrogen",
    "soil_available_N_rooting_zone": "available_nitrogen",
}
SOIL_CARBON_PARTS = ("soil_C_fibric_horizon", "soil_C_humic_horizon", "soil_C_mineral_0_1m")
IMPLAUSIBLE = {
    "CMT08 shrubland": "NPP of 687 gC m-2 year-1 is implausibly high",
    "CMT09 shrub tundra": "NPP of 1321 gC m-2 year-1 is implausibly high",
}
COPIED_SOIL = ("CMT44 shrub tundra",)
NOT_OBSERVED = ("derived", "default")


def calibration_targets(
    path: Path | str, *, literature: bool = False, leave_out: Mapping[str, str] = IMPLAUSIBLE
) -> xr.Dataset:
    """Pools and yearly fluxes by plant community of ``calibration_targets.csv``: one place a community.

    Totals over plant types (rows ``ALL``) that were observed; GPP and NPP "without N limitation" and the default dead
    moss are not observations and are never read. Soil carbon is fibric + humic + mineral to 1 m. ``literature``: also
    plant nitrogen uptake from reviews. ``leave_out``: communities with the reason. Kougarok's soil pools are copies of
    Toolik's and are left out. Places have no coordinates; ``year`` and ``month`` are NaN. Raises ``InputError``.
    """
    rows = read_rows(path, ("community", "variable", "pft", "value", "unit", "basis"))
    units = {"g C m-2 yr-1": "gC m-2 year-1", "g N m-2 yr-1": "gN m-2 year-1", "g C m-2": "gC m-2", "g N m-2": "gN m-2"}
    pools: dict[str, dict[str, float]] = {}
    notes = [f"{name} left out: {reason}" for name, reason in leave_out.items()]
    for item in rows:
        if item["pft"] != "ALL" or item["basis"] in NOT_OBSERVED or item["community"] in leave_out:
            continue
        if item["basis"] == "literature" and not literature:
            continue
        if item["variable"] not in (*TARGETS, *SOIL_CARBON_PARTS):
            raise InputError(
                f"{path}: unknown variable '{item['variable']}'; {suggest(item['variable'], (*TARGETS, *SOIL_CARBON_PARTS))}"
            )
        if item["unit"] not in units:
            raise InputError(f"{path}: unknown unit '{item['unit']}'; {suggest(item['unit'], units)}")
        pools.setdefault(item["community"], {})[item["variable"]] = number(item["value"], f"{path}: value")
    found, places = [], {}
    for community, values in pools.items():
        places[community] = {"community": COMMUNITY_OF_TARGET.get(community.split(maxsplit=1)[-1], "")}
        copied = community in COPIED_SOIL
        if copied:
            notes.append(f"{community}: soil pools left out, they are copied from CMT04 shrub tundra")
        for variable, stream in TARGETS.items():
            if np.isfinite(values.get(variable, np.nan)) and not (copied and variable.startswith("soil")):
                found.append(row(community, stream, values[variable]))
        parts = [values.get(part, np.nan) for part in SOIL_CARBON_PARTS]
        if np.all(np.isfinite(parts)) and not copied:
            found.append(row(community, "soil_carbon", float(sum(parts))))
    return dataset(found, places, str(path), notes)


# --- soil profiles ---------------------------------------------------------------------------------------------------

PROFILE_QUANTITIES: dict[str, dict[str, float]] = {
    "top": {"top_m": 1.0, "top_cm": 0.01, "depth_top_m": 1.0, "depth_top_cm": 0.01},
    "bottom": {"bottom_m": 1.0, "bottom_cm": 0.01, "depth_bottom_m": 1.0, "depth_bottom_cm": 0.01},
    "carbon": {"carbon_kg_m2": 1000.0, "carbon_g_m2": 1.0},
    "nitrogen": {"nitrogen_kg_m2": 1000.0, "nitrogen_g_m2": 1.0},
    "carbon_error": {"carbon_error_kg_m2": 1000.0, "carbon_error_g_m2": 1.0},
    "nitrogen_error": {"nitrogen_error_kg_m2": 1000.0, "nitrogen_error_g_m2": 1.0},
}
"""Column names of a profile table, which state the unit, and what makes m and g m-2 of them; one of each is read."""
PROFILE_WORDS = ("vegetation", "ecosystem", "community")
PROFILE_COLUMNS = (
    *("site", *(name for names in PROFILE_QUANTITIES.values() for name in names)),
    *("latitude", "longitude", "elevation_m", *PROFILE_WORDS),
)


def _profiles(rows: Sequence[Mapping[str, Any]], places: Mapping[str, Mapping], title: str, notes: Sequence[str]):
    """Profile dataset, checked: see :func:`soil_profiles`."""
    numbers = ("top", "bottom", "carbon", "nitrogen", "carbon_error", "nitrogen_error")
    fields = {name: np.array([r.get(name, np.nan) for r in rows], dtype=np.float64) for name in numbers}
    site = np.array([r["site"] for r in rows], dtype=object)
    for k in range(len(rows)):
        if not 0 <= fields["top"][k] < fields["bottom"][k]:
            raise InputError(
                f"{title}: interval {fields['top'][k]:g}-{fields['bottom'][k]:g} m of '{site[k]}', expected 0 <= top < "
                "bottom; correct the depths"
            )
        for name, most in (("carbon", 1e6), ("nitrogen", 1e5)):
            if not np.isnan(fields[name][k]) and not 0 <= fields[name][k] <= most:
                raise InputError(
                    f"{title}: {name} {fields[name][k]:g} g m-2 in '{site[k]}', expected 0..{most:g}; correct the value or "
                    "its unit"
                )
    for name in dict.fromkeys(site):
        mine = np.flatnonzero(site == name)
        mine = mine[np.argsort(fields["top"][mine])]
        over = np.flatnonzero(fields["top"][mine][1:] < fields["bottom"][mine][:-1] - 1e-9)
        if over.size:
            raise InputError(
                f"{title}: intervals of '{name}' overlap at {fields['top'][mine][over[0] + 1]:g} m; give each depth once"
            )
    units = {"top": "m", "bottom": "m", "carbon": "gC m-2", "carbon_error": "gC m-2"}
    units |= {"nitrogen": "gN m-2", "nitrogen_error": "gN m-2"}
    made = xr.Dataset(
        {name: ("interval", values, {"units": units[name]}) for name, values in fields.items()}
        | {"site": ("interval", site)}
        | {
            "estimated": ("interval", np.array([bool(r.get("estimated", False)) for r in rows])),
        }
        | {
            name: ("place", np.array([p.get(name, "") for p in places.values()], dtype=object))
            for name in ("community", "vegetation")
        }
        | {
            name: ("place", np.array([p.get(name, np.nan) for p in places.values()], dtype=np.float64))
            for name in ("latitude", "longitude", "elevation", "thaw_depth")
        },
        coords={"place": np.array(list(places), dtype=object)},
        attrs={"title": title, "notes": "\n".join(notes)},
    )
    return made


def profile_table(path: Path | str, group: str = "") -> xr.Dataset:
    """Profiles from any of the layouts of :func:`soil_profiles`, :func:`pedons` and :func:`mean_profiles`, told by columns.

    ``group``: the column whose words name the vegetation types ("": the layout's own). Raises ``InputError``.
    """
    header = read_rows(path)[0]
    if "pedon" in header:
        return pedons(path, group or "veg_class")
    if "temveg" in header:
        if group:
            raise InputError(f"{path}: a table of means by 'temveg' has no other groups; leave '{group}' out")
        return mean_profiles(path)
    return soil_profiles(path, group)


def _column(header: Mapping[str, str], quantity: str, path: Path | str, *, needed: bool) -> tuple[str, float]:
    """Which column of a profile table holds a quantity and the factor to m or g m-2; "" where none does."""
    names = PROFILE_QUANTITIES[quantity]
    found = [name for name in names if name in header]
    if len(found) > 1:
        raise InputError(f"{path}: columns '{found[0]}' and '{found[1]}' both give the {quantity}; keep one")
    if not found and needed:
        raise InputError(
            f"{path}: no column with the {quantity} of intervals; name it {' or '.join(names)}, as its unit is"
        )
    return (found[0], names[found[0]]) if found else ("", np.nan)


def soil_profiles(path: Path | str, group: str = "") -> xr.Dataset:
    """Soil carbon and nitrogen by depth interval from the user's table, columns :data:`PROFILE_COLUMNS`.

    Needed: ``site``, top, bottom and carbon of the intervals, whose column names state the unit (``top_m`` or ``top_cm``,
    ``carbon_kg_m2`` or ``carbon_g_m2``, ...); nitrogen may be absent or empty. Stocks of the interval, not densities.
    ``group``: the column that names the vegetation type ("": ``vegetation`` or ``ecosystem``, else ``community``).
    Returns dims ``interval`` (``site``, ``top``, ``bottom`` in m; ``carbon``, ``nitrogen`` and their errors in
    g m-2, NaN where not observed; ``estimated``: True where the source filled the interval) and ``place`` (``latitude``,
    ``longitude``, ``elevation``, ``community``, ``vegetation``, ``thaw_depth`` in m at sampling). Raises ``InputError``.
    """
    table = read_rows(path, ("site",), PROFILE_COLUMNS)
    columns = {
        name: _column(table[0], name, path, needed=name in ("top", "bottom", "carbon")) for name in PROFILE_QUANTITIES
    }
    words = [name for name in PROFILE_WORDS[:2] if name in table[0]]
    if group and group not in table[0]:
        raise InputError(f"{path}: column '{group}' is missing; {suggest(group, table[0])}")
    if len(words) > 1 and not group:
        raise InputError(
            f"{path}: columns 'vegetation' and 'ecosystem' both name types; say which one groups the profiles"
        )
    kind = group or (words[0] if words else "community")
    rows, places = [], {}
    for item in table:
        site = item["site"]
        if not site:
            raise InputError(f"{path}: an interval has no site; name the profile that it belongs to")
        field = {
            name: number(item.get(name, ""), f"{path}: {name}") for name in ("latitude", "longitude", "elevation_m")
        }
        for name, most in (("latitude", 90.0), ("longitude", 360.0)):
            if abs(field[name]) > most:
                raise InputError(f"{path}: {name} {field[name]:g} of '{site}' is impossible; correct it (swapped?)")
        place = {name: field[name] for name in ("latitude", "longitude")} | {"elevation": field["elevation_m"]}
        place |= {"community": item.get("community", ""), "vegetation": item.get(kind, "")}
        for name, value in places.setdefault(site, place).items():
            if value != place[name] and not (value != value and place[name] != place[name]):
                raise InputError(f"{path}: '{site}' has {name} {value} and {place[name]}; give one in all its rows")
        rows.append(
            {"site": site}
            | {
                name: factor * number(item[column], f"{path}: {column}")
                for name, (column, factor) in columns.items()
                if column
            }
        )
    return _profiles(rows, places, str(path), [])


def pedons(path: Path | str, group: str = "veg_class") -> xr.Dataset:
    """Soil carbon of ``ncscd_pedons.csv`` as profiles: 0-0.3, 0.3-1, 1-2, 2-3 m; see :func:`soil_profiles`.

    ``soc_0_100`` holds the upper 30 cm, so the second interval is their difference. ``estimated`` marks intervals below
    1 m of pedons whose ``gapfill_code`` names x3, x4 or y (deep part extrapolated). No nitrogen. The sample is biased
    to peat: do not average it as a map. ``group``: the column whose words are the vegetation type (also "order",
    "suborder", "region"; words as the source has them but for case). Raises ``InputError``.
    """
    columns = ("soc_0_30", "soc_0_100", "soc_100_200", "soc_200_300")
    table = read_rows(path, ("pedon", "lat", "lon", "thaw_depth_cm", "gapfill_code", *columns))
    if group not in table[0] and group != "veg_class":
        raise InputError(f"{path}: column '{group}' is missing; {suggest(group, table[0])}")
    rows, places, odd = [], {}, 0
    for item in table:
        site = f"pedon {item['pedon']}"
        upper, metre, second, third = (number(item[name], f"{path}: {name}") for name in columns)
        places[site] = {
            "latitude": number(item["lat"], f"{path}: lat"),
            "longitude": number(item["lon"], f"{path}: lon"),
            "thaw_depth": number(item["thaw_depth_cm"], f"{path}: thaw_depth_cm") / 100.0,
            "vegetation": item.get(group, "").capitalize(),
        }
        filled = bool({"x3", "x4", "y"} & {code.strip() for code in item["gapfill_code"].split(",")})
        if metre < upper:
            odd, metre = odd + 1, np.nan
        stocks = (upper, metre - upper, second, third)
        for top, bottom, stock in zip((0.0, 0.3, 1.0, 2.0), (0.3, 1.0, 2.0, 3.0), stocks, strict=True):
            if np.isfinite(stock):
                rows.append(
                    {"site": site, "top": top, "bottom": bottom, "carbon": 1000.0 * stock}
                    | {"estimated": filled and top >= 1.0}
                )
    notes = [f"{path}: 0.3-1 m of {odd} pedons left out, 0-30 cm holds more than 0-100 cm"] if odd else []
    return _profiles(rows, places, str(path), notes)


DENSITY_INTERVALS = {
    "0_30": (0.0, 0.3),
    "30_50": (0.3, 0.5),
    "50_100": (0.5, 1.0),
    "100_200": (1.0, 2.0),
    "200plus": (2.0, 3.0),
}
COMMUNITY_OF_TEMVEG = {
    2: "alpine_tundra_polar_desert",
    3: "wet_moist_tundra",
    4: "boreal_forest",
    6: "boreal_forest",
    7: "wet_moist_tundra",
}
TEMVEG_WORDS = {
    2: "alpine tundra and polar desert",
    3: "wet/moist tundra",
    4: "boreal forest",
    6: "boreal woodland",
    7: "non-forested boreal wetland",
}


def mean_profiles(path: Path | str) -> xr.Dataset:
    """Mean carbon and nitrogen by TEM vegetation code of ``cn_density_by_vegetation.csv`` as profiles to 3 m.

    Densities (kg m-3) times thickness; the layer "> 200 cm" counts to 3 m. Errors are standard deviations among cells,
    not of the mean. Site names are ``temveg <code>``. Raises ``InputError``; see :func:`soil_profiles` for the form.
    """
    rows, places = [], {}
    needed = [f"{e}_{part}_{what}" for e in "cn" for part in DENSITY_INTERVALS for what in ("mean", "std")]
    for item in read_rows(path, ("temveg", *needed)):
        site = f"temveg {item['temveg']}"
        code = int(item["temveg"])
        places[site] = {"community": COMMUNITY_OF_TEMVEG.get(code, ""), "vegetation": TEMVEG_WORDS.get(code, site)}
        for part, (top, bottom) in DENSITY_INTERVALS.items():
            made: dict[str, Any] = {"site": site, "top": top, "bottom": bottom}
            for element, letter in (("carbon", "c"), ("nitrogen", "n")):
                for suffix, what in (("", "mean"), ("_error", "std")):
                    density = number(item[f"{letter}_{part}_{what}"], f"{path}: {letter}_{part}_{what}")
                    made[f"{element}{suffix}"] = 1000.0 * density * (bottom - top)
            rows.append(made)
    return _profiles(rows, places, str(path), [])


def cumulative_stocks(
    profiles: xr.Dataset, element: str = "carbon", *, estimated: bool = True
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each place: bottoms (m) of the intervals that follow without gaps from the surface, stock (g m-2) down to them.

    Empty arrays where the profile does not begin at the surface. ``estimated``: whether intervals that the source filled
    count as known.
    """
    site, values = profiles["site"].values, profiles[element].values
    known = np.isfinite(values) & (estimated | ~profiles["estimated"].values)
    result = []
    for name in profiles["place"].values:
        mine = np.flatnonzero((site == name) & known)
        mine = mine[np.argsort(profiles["top"].values[mine])]
        top, bottom = profiles["top"].values[mine], profiles["bottom"].values[mine]
        gap = np.flatnonzero(np.abs(top - np.concatenate([[0.0], bottom])[: top.size]) > 1e-9)
        end = gap[0] if gap.size else top.size
        result.append((bottom[:end], np.cumsum(values[mine][:end])))
    return result


def stock_above(
    profiles: xr.Dataset, depth: np.ndarray, element: str = "carbon", *, estimated: bool = True
) -> np.ndarray:
    """Stock (g m-2) from the surface to ``depth`` (place,) in m, (place,): the active layer's where depth is its base.

    Density is uniform within an interval. NaN where the profile is not known without gaps from the surface to the depth;
    ``estimated``: whether intervals that the source filled count as known.
    """
    result = np.full(profiles.sizes["place"], np.nan)
    for k, (bottom, stock) in enumerate(cumulative_stocks(profiles, element, estimated=estimated)):
        if bottom.size and 0 <= depth[k] <= bottom[-1] + 1e-9:
            result[k] = np.interp(depth[k], np.concatenate([[0.0], bottom]), np.concatenate([[0.0], stock]))
    return result


def active_layer_stocks(path: Path | str, places: Sequence[str]) -> dict[str, np.ndarray]:
    """Simulated active layers of ``places`` from a table: site, active_layer_thickness_m, carbon_kg_m2[, nitrogen_kg_m2].

    Returns ``thaw`` (m), ``carbon`` and ``nitrogen`` (g m-2), each (place,), NaN where the table has nothing. Sites that are
    not among ``places`` are left out. Raises ``InputError``, also where no site is known.
    """
    needed = ("site", "active_layer_thickness_m", "carbon_kg_m2")
    rows = {item["site"]: item for item in read_rows(path, needed, (*needed, "nitrogen_kg_m2"))}
    if not set(rows) & set(places):
        first = next(iter(rows))
        raise InputError(f"{path}: none of its sites has a profile, e.g. '{first}'; {suggest(first, places)}")
    columns = {"thaw": (needed[1], 1.0), "carbon": (needed[2], 1000.0), "nitrogen": ("nitrogen_kg_m2", 1000.0)}
    return {
        name: factor * np.array([number(rows.get(place, {}).get(column, ""), f"{path}: {column}") for place in places])
        for name, (column, factor) in columns.items()
    }
