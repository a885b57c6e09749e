"""Cells of the model for places where something was observed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from jtem.errors import InputError, suggest
from jtem.readers import embedded


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
    made = embedded.cell_dataset(
        latitude,
        longitude,
        np.array(elevation, dtype=np.float64),
        np.ones(len(names)),
        slots,
        np.tile([1.0, 0.0], (len(names), 1)),
        "observed sites",
    )
    return made.assign_coords(site=("cell", np.array(names, dtype=object)))
