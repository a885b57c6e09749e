"""The one contract of sources: the datasets of cells and of climate that every reader hands on, made in one place.

A source of a [domain] is a file in this folder with ``open_domain`` (see ``catalogue``), which makes its cells with :func:`cells`
and its climate with :func:`climate`; ``to_model`` checks both before the model sees them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from jtem.records import Attributes, Named

CLIMATE_UNITS = {
    "air_temperature": "degC",
    "precipitation": "mm month-1",
    "shortwave_radiation": "W m-2",
    "nitrogen_input": "gN m-2 month-1",
}
CELL_UNITS = {
    "latitude": "degrees_north",
    "longitude": "degrees_east",
    "area": "km2",
    "elevation": "m",
    "sand": "percent",
    "silt": "percent",
    "clay": "percent",
}
STOCKS = "soil organic carbon in 0-0.3, 0.3-1, 1-2, 2-3 m"
NITROGEN = "soil nitrogen in 0-0.3, 0.3-1, 1-2, 2-3 m"


def cells(
    fields: Attributes,
    community: np.ndarray,
    fraction: np.ndarray,
    title: str,
    soil_organic_carbon: np.ndarray | None = None,
    soil_nitrogen: np.ndarray | None = None,
    soil_carbon_observed: np.ndarray | None = None,
    inundated_fraction: np.ndarray | None = None,
    **attributes: object,
) -> xr.Dataset:
    """Cells of a run.

    ``fields``: each of :data:`CELL_UNITS` in its unit, (cell,) or one number for all cells. ``community``, ``fraction`` (cell,
    share): names of communities ("" for none) and their shares of the cell's area. ``soil_organic_carbon`` (cell, 4): kg m-2 in
    0-0.3, 0.3-1, 1-2 and 2-3 m, NaN where nothing was observed; ``soil_nitrogen`` likewise. ``soil_carbon_observed`` (cell,):
    whether the carbon is observed and not by rule (absent: where no interval is NaN). ``inundated_fraction`` (cell,): share of
    the ground that is wetland, NaN where unknown. ``attributes``: of the dataset.
    """
    count = community.shape[0]
    result: Named = {
        name: ("cell", np.broadcast_to(fields[name], (count,)).astype(np.float64), {"units": unit})
        for name, unit in CELL_UNITS.items()
    }
    result["community"] = (("cell", "share"), community)
    result["community_area_fraction"] = (("cell", "share"), fraction, {"units": "1"})
    if soil_organic_carbon is not None:
        said = {"units": "kg m-2", "long_name": STOCKS}
        result["soil_organic_carbon"] = (("cell", "interval"), soil_organic_carbon, said)
    if soil_nitrogen is not None:
        result["soil_nitrogen"] = (("cell", "interval"), soil_nitrogen, {"units": "kg m-2", "long_name": NITROGEN})
    if soil_carbon_observed is not None:
        result["soil_carbon_observed"] = ("cell", soil_carbon_observed)
    if inundated_fraction is not None:
        result["inundated_fraction"] = ("cell", inundated_fraction, {"units": "1"})
    return xr.Dataset(result, coords={"cell": np.arange(count)}, attrs={"title": title} | attributes)


def climate(
    fields: Mapping[str, np.ndarray],
    first_year: int,
    title: str = "",
    co2: np.ndarray | None = None,
    places: tuple[np.ndarray, np.ndarray] | None = None,
) -> xr.Dataset:
    """Monthly climate of cells.

    ``fields``: of :data:`CLIMATE_UNITS`, (cell, year, 12) each, from ``first_year`` on. ``co2`` (year,): ppm. ``places``:
    latitude and longitude (cell,) of the values in degrees.
    """
    result: Named = {
        name: (("cell", "year", "month"), values, {"units": CLIMATE_UNITS[name]}) for name, values in fields.items()
    }
    if co2 is not None:
        result["co2"] = ("year", co2, {"units": "ppm"})
    count = next(iter(fields.values())).shape[1]
    coordinates: Named = {"year": np.arange(first_year, first_year + count), "month": np.arange(1, 13)}
    if places is not None:
        both = zip(("latitude", "longitude"), places, strict=True)
        coordinates |= {name: ("cell", np.asarray(values, np.float64)) for name, values in both}
    return xr.Dataset(result, coords=coordinates, attrs={"title": title} if title else {})
