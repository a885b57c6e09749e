"""The source "embedded" of plans: embedded domains and sites, or one place of one's own, under the emulated climate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from jtem.readers import embedded, place
from jtem.readers.catalogue import Domain, Find


def open_domain(
    find: Find,
    climates: Sequence[str],
    *,
    domain: str,
    sites: Sequence[str],
    stride: int,
    latitude: float | None = None,
    longitude: float | None = None,
    elevation: float | None = None,
    community: str = "",
    texture: Sequence[float] = (),
    soil_organic_carbon: Sequence[float] = (),
    static: str = "",
) -> Domain:
    """The cells of a [domain] with source "embedded" and their emulated climate; raises ``InputError``.

    With ``latitude`` and ``longitude`` one place of one's own; ``community`` alone changes the vegetation of named sites.
    """
    del climates
    if latitude is not None or longitude is not None:
        where = f"({latitude}, {longitude})"
        position = place.Position(
            place.given(latitude, "latitude", where), place.given(longitude, "longitude", where), elevation, community,
            tuple(texture), tuple(soil_organic_carbon), find(static) if static else None,
        )  # fmt: skip
        return place.emulated_domain(position, where)
    cells = embedded.sites(sites) if sites else embedded.domain(domain)
    if community:
        cells = embedded.with_community(cells, community)
    cells = cells.isel(cell=slice(None, None, stride))

    def source(climate: str):
        def years(rows: np.ndarray, first: int, last: int) -> xr.Dataset:
            return embedded.joined_climate(cells.isel(cell=rows), climate, first, last)

        return years, f"emulated climate '{climate}'"

    named = f"sites {', '.join(sites)}" if sites else f"domain {domain}"
    inputs = (f"embedded {named}", "emulated climate (data/embedded)")
    return Domain(cells, source, inputs, title="emulated climate", documented=True)
