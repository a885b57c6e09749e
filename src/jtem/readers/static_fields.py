"""Cells of a run from one netCDF file of fixed fields: elevation, texture, vegetation, area, soil carbon."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr

from jtem.errors import InputError, note, suggest
from jtem.readers import cell_area, cf, contract, layouts, units
from jtem.readers.vegetation import mosaic_of, whole_codes
from jtem.records import Attributes

INTERVALS = np.array([0.0, 0.3, 1.0, 2.0, 3.0])
"""m; edges of the intervals of soil carbon."""


def read_cells(
    path: Path | str,
    names: Mapping[str, str] | None = None,
    community: str = "",
) -> xr.Dataset:
    """Cells from a file of fixed fields, in the form of ``docs/architecture.md``; sea and ice are left out.

    Needs elevation (m, or another length or a geopotential by its units), sand, silt, clay (percent, or fractions by their
    units) and a vegetation field: TEM vegetation numbers 1-35, or flags whose ``flag_meanings`` are community names; without
    the field ``community`` names one for all cells. Optional: area (m2 or km2; see ``cell_area.area`` otherwise),
    soil_organic_carbon (kg m-2; 0-0.3, 0.3-1, 1-2, 2-3 m in a dimension of four), inundated_fraction (share of wetland, in "1" or
    percent). Dimensions of length one are dropped.
    ``names``: what the file calls them, and its ``latitude`` and ``longitude``. Raises ``InputError``.
    """
    where, given = str(path), layouts.check_names(names)
    called = {**layouts.STATIC_NAMES, **{k: v for k, v in given.items() if k in layouts.STATIC_NAMES}}
    with cf.open_raw(path) as data:
        first = next((data.variables[v] for v in called.values() if v in data.variables), None)
        here = cf.places(data, where, given, first)

        def field(name: str) -> tuple[np.ndarray, Attributes]:
            variable = _variable(data, called[name], where)
            return cf.field(variable, here, f"{where}: {called[name]}"), cf.attributes(variable)

        fields = {
            name: _in_house(name, *field(name), called[name], where) for name in ("elevation", "sand", "silt", "clay")
        }
        if called["vegetation"] in data.variables or not community:
            values, said = field("vegetation")
            share_names, shares = _shares(values, said, called["vegetation"], where)
        else:
            everywhere = np.isfinite(fields["elevation"])[:, None]
            share_names, shares = np.where(everywhere, community, "").astype(object), everywhere.astype(np.float64)
        area, origin = cell_area.area(data, here, where, called["area"])
        stocks = None
        if called["soil_organic_carbon"] in data.variables:
            stocks = _stocks(data, called["soil_organic_carbon"], here, where)
        wetland = None
        if called["inundated_fraction"] in data.variables:
            wetland = _share(*field("inundated_fraction"), called["inundated_fraction"], where)
    land = np.nonzero((share_names != "").any(axis=1))[0]
    lost = land[~np.isfinite(here.latitude[land] + here.longitude[land])]
    if lost.size:
        raise InputError(
            f"{where}: {lost.size} cells with vegetation have no latitude or longitude (first: cell {lost[0]}); complete them"
        )
    if not origin and land.size > 1:
        note(
            f"{where}: nothing tells the area of the cells; each counts as 1 km2 (add 'area' in m2 or bounds of lat and lon)"
        )
    flat = {name: values[land] for name, values in fields.items()} | {"area": area[land]}
    flat |= {"latitude": here.latitude[land], "longitude": here.longitude[land]}
    return contract.cells(
        flat,
        share_names[land],
        shares[land],
        Path(path).name,
        None if stocks is None else stocks[land],
        inundated_fraction=None if wetland is None else wetland[land],
    )


def _variable(data: netCDF4.Dataset, name: str, where: str) -> netCDF4.Variable:
    if name not in data.variables:
        raise InputError(
            f"{where}: variable '{name}' is missing; add it or give its name in the file under [domain.names] "
            f"({suggest(name, map(str, data.variables))})"
        )
    return data.variables[name]


def _in_house(name: str, values: np.ndarray, said: Attributes, called: str, where: str) -> np.ndarray:
    """Elevation in m, texture in percent, by the units of the file (without any: taken as they are)."""
    if name == "elevation":
        return values * units.height_factor(said, where, called)
    unit = str(said.get("units", "")).strip()
    if not unit:
        return values
    values = values * (100.0 * units.factor_to("1", unit, where, called, hint=" or 'percent'"))
    return values


def _share(values: np.ndarray, said: Attributes, called: str, where: str) -> np.ndarray:
    """A share (0-1) by the units of the file; raises ``InputError`` for values outside."""
    unit = str(said.get("units", "1")).strip() or "1"
    share = values * units.factor_to("1", unit, where, called, hint=" or 'percent'")
    wrong = (share < 0.0) | (share > 1.0)
    if wrong.any():
        raise InputError(
            f"{where}: '{called}' is {values[wrong][0]:g} {unit} in {int(wrong.sum())} cells, not a share from 0 to 1; correct "
            "the values or the units (1 or percent)"
        )
    return share


def _shares(values: np.ndarray, said: Attributes, called: str, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Community names and shares, each (cell, 2), "" where nothing grows."""
    mosaic = mosaic_of(said, called, where)
    codes = whole_codes(values, mosaic, called, where)
    names = np.full((codes.size, 2), "", dtype=object)
    shares = np.zeros((codes.size, 2))
    for code in np.unique(codes[codes >= 0]):
        for slot, (name, share) in enumerate(mosaic.get(int(code), ())):
            names[codes == code, slot] = name
            shares[codes == code, slot] = share
    return names, shares


def _stocks(data: netCDF4.Dataset, name: str, here: cf.Places, where: str) -> np.ndarray:
    """Soil organic carbon (cell, 4), kg m-2, downwards, NaN where nothing was observed."""
    variable = data.variables[name]
    others = [d for d, n in zip(variable.dimensions, variable.shape, strict=True) if d not in here.dims and n != 1]
    unit = units.understood(str(getattr(variable, "units", "")))
    fits = unit is not None and unit.powers == (-2, 1, 0, 0, 0, 0) and unit.of in ("", "C")
    if len(others) != 1 or variable.shape[variable.dimensions.index(others[0])] != 4 or not fits:
        raise InputError(
            f"{where}: '{name}' must have four intervals (0-0.3, 0.3-1, 1-2, 2-3 m) in 'kg m-2', found "
            f"{dict(zip(variable.dimensions, variable.shape, strict=True))} in {getattr(variable, 'units', '')!r}; convert it"
        )
    assert unit is not None
    text = str(getattr(variable, "long_name", "")).lower()
    other = next((word for word in ("cumulative", "organic matter", "inorganic", "anomaly") if word in text), "")
    if other:
        raise InputError(
            f"{where}: '{name}' is {other} by its long_name, expected organic carbon of each interval; convert it"
        )
    stocks = cf.field(variable, here, f"{where}: {name}", lead=(others[0],)).T * unit.factor
    return stocks[:, _downwards(data, others[0], where)]


def _downwards(data: netCDF4.Dataset, name: str, where: str) -> np.ndarray:
    """Order of the four intervals by the depths that their dimension may have: tops, middles or bottoms, in m or cm."""
    if name not in data.variables or np.dtype(data.variables[name].dtype).kind not in "iuf":
        return np.arange(INTERVALS.size - 1)
    variable = data.variables[name]
    unit = units.understood(str(getattr(variable, "units", "")))
    depth = np.abs(cf.numbers(variable, ..., f"{where}: {name}")) * (1.0 if unit is None else unit.factor)
    order, scale = np.argsort(depth), 100.0 if unit is None and depth.max() > 10 else 1.0
    known = (INTERVALS[:-1], INTERVALS[1:], 0.5 * (INTERVALS[:-1] + INTERVALS[1:]))
    if any(np.allclose(depth[order], scale * k, atol=1e-3) for k in known):
        return order
    if unit is None and np.array_equal(depth, np.arange(4) + depth[0]):  # numbers of the intervals
        return np.arange(4)
    raise InputError(
        f"{where}: '{name}' is {', '.join(f'{d:g}' for d in depth)} m, expected the intervals 0-0.3, 0.3-1, 1-2, 2-3 m; sum the "
        "layers to them"
    )
