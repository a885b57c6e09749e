"""A site of one's own for tests: a table of a tundra climate with a seasonal cycle and some weather."""

from pathlib import Path

import numpy as np
import pandas as pd

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
