"""The tidy real data around Toolik Field Station, Alaska: 100 cells of 1 km, monthly climate 1901-2100.

Files: ``climate_historic_1901-2015.nc``, ``climate_projected_rcp85_2016-2100.nc`` (CF, handled by ``cf_monthly``),
``static.nc`` and ``co2_annual.csv``; where they come from and their known faults are in
``experiments/toolik/README.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from jtem.errors import InputError
from jtem.readers import cf, cf_monthly, contract, vegetation
from jtem.readers.catalogue import Domain, Find

COMMUNITY_OF_CLASS = {
    "black_spruce_forest": "boreal_forest",
    "white_spruce_forest": "boreal_forest",
    "deciduous_forest": "boreal_forest",
    "shrub_tundra": "wet_moist_tundra",
    "tussock_tundra": "wet_moist_tundra",
    "wet_sedge_tundra": "wet_moist_tundra",
    "heath_tundra": "alpine_tundra_polar_desert",
}
"""Vegetation classes of dvm-dos-tem in the file and the TEM community that stands for each."""


def read_cells(path: Path | str) -> xr.Dataset:
    """Cells of ``static.nc`` in the form of ``docs/architecture.md``; 1 km2 each, soil organic carbon not observed.

    Raises ``InputError`` for a missing variable or an unknown vegetation class.
    """
    where = str(path)
    with cf.open_raw(path) as data:
        here = cf.places(data, where)
        flat = {}
        for name in ("pct_sand", "pct_silt", "pct_clay", "elevation", "veg_class"):
            if name not in data.variables:
                raise InputError(f"{where}: variable '{name}' is missing; give the static.nc of the Toolik set")
            flat[name] = cf.field(data.variables[name], here, f"{where}: {name}")
        meaning = vegetation.flags_of(cf.attributes(data.variables["veg_class"]), "veg_class", where)
    names = [meaning.get(int(code), f"class {int(code)}") for code in flat["veg_class"]]
    unknown = sorted(set(names) - set(COMMUNITY_OF_CLASS))
    if unknown:
        raise InputError(
            f"{where}: unknown vegetation type '{unknown[0]}' in 'veg_class', expected one of "
            f"{', '.join(COMMUNITY_OF_CLASS)}; correct the field"
        )

    count = len(names)
    fields = {"latitude": here.latitude, "longitude": here.longitude, "area": 1.0, "elevation": flat["elevation"]}
    return contract.cells(
        fields | {part: flat[f"pct_{part}"] for part in ("sand", "silt", "clay")},
        np.array([[COMMUNITY_OF_CLASS[n]] for n in names], dtype=object),
        np.ones((count, 1)),
        "Toolik Field Station, 10 x 10 cells of 1 km",
        np.full((count, 4), np.nan),
    )


def open_domain(find: Find, climates: Sequence[str], *, static: str, **keys: Any) -> Domain:
    """The cells of a [domain] with source "toolik"; further keys: those of ``cf_monthly.domain_of``. Raises ``InputError``."""
    del climates
    path = find(static)
    return cf_monthly.domain_of(read_cells(path), path, find, **keys)
