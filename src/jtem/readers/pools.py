"""Observed pools and yearly fluxes of plant communities, as targets of a calibration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from jtem.errors import InputError, suggest
from jtem.readers.observations import dataset, row
from jtem.readers.tables import number, read_rows

COMMUNITY_OF_TARGET = {
    "black spruce forest": "boreal_forest",
    "white spruce forest": "boreal_forest",
    "deciduous forest": "boreal_forest",
    "shrub tundra": "wet_moist_tundra",
    "tussock tundra": "wet_moist_tundra",
    "wet sedge tundra": "wet_moist_tundra",
    "heath tundra": "alpine_tundra_polar_desert",
}

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
