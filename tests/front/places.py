"""A site of one's own for tests: a table of a tundra climate with a seasonal cycle and some weather."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

PLACE = {"latitude": 68.6, "longitude": -149.6, "elevation": 720.0, "community": "wet_moist_tundra"}
HEADER = ("tas (degC)", "pr (mm month-1)", "rsds (W m-2)")
LIGHT = np.array([0.0, 15, 70, 150, 210, 230, 195, 130, 70, 25, 2, 0])


def months(first: int = 1990, last: int = 2009) -> pd.DataFrame:
    """``year``, ``month`` and the three variables, units in the header."""
    years = np.repeat(np.arange(first, last + 1), 12)
    month = np.tile(np.arange(1, 13), last - first + 1)
    weather = np.random.default_rng(7).normal(0.0, 1.5, years.size)
    warm = -8.0 - 17.0 * np.cos(2 * np.pi * (month - 0.8) / 12) + 0.04 * (years - first) + weather
    wet = 26.0 - 20.0 * np.cos(2 * np.pi * (month - 1.2) / 12)
    fields = dict(zip(HEADER, (warm.round(3), wet.round(3), np.tile(LIGHT, last - first + 1)), strict=True))
    return pd.DataFrame({"year": years, "month": month, **fields})


def days(first: int = 2000, last: int = 2002) -> pd.DataFrame:
    """A table of days with dates as index and plain names."""
    index = pd.date_range(f"{first}-01-01", f"{last}-12-31", freq="D")
    season = np.cos(2 * np.pi * (index.day_of_year - 20) / 365)
    light = np.asarray(LIGHT)[index.month - 1]
    return pd.DataFrame({"TA": -8.0 - 17.0 * season, "P": np.full(index.size, 1.25), "SW_IN": light}, index=index)


UNITS = {"TA": "degC", "P": "mm d-1", "SW_IN": "W m-2"}


def written(frame: pd.DataFrame, folder: Path, name: str = "tower.csv") -> Path:
    """The table as CSV."""
    path = Path(folder) / name
    frame.to_csv(path, index=False)
    return path


WET_TUNDRA = 3.0
"""TEM's vegetation number of wet and moist tundra, the community of :data:`PLACE` (4 is boreal forest)."""


def region(folder: Path, first: int = 1990, last: int = 2009) -> Path:
    """``climate.nc`` and ``static.nc`` of two by two cells, one of them sea; vegetation, texture and climate of the site, warmer
    by a degree eastwards.
    """
    frame = months(first, last)
    time = np.array([f"{year:04d}-{month:02d}-15" for year, month in zip(frame["year"], frame["month"], strict=True)])
    grid = {"lat": [68.0, 68.5], "lon": [-150.0, -149.5]}
    fields = {}
    for name, column, unit in zip(("tas", "pr", "rsds"), HEADER, ("degC", "mm month-1", "W m-2"), strict=True):
        values = np.broadcast_to(np.asarray(frame[column])[:, None, None], (len(frame), 2, 2)).copy()
        if name == "tas":
            values[:, :, 1] += 1.0
        fields[name] = (("time", "lat", "lon"), values, {"units": unit})
    xr.Dataset(fields, coords={**grid, "time": time.astype("datetime64[ns]")}).to_netcdf(folder / "climate.nc")
    static = {name: np.full((2, 2), value) for name, value in (("elevation", 300.0), ("sand", 40.0), ("silt", 45.0))}
    static |= {"clay": np.full((2, 2), 15.0), "vegetation": np.array([[WET_TUNDRA] * 2, [0.0, WET_TUNDRA]])}
    made = {name: (("lat", "lon"), values) for name, values in static.items()}
    xr.Dataset(made, coords=grid).to_netcdf(folder / "static.nc")
    return folder
