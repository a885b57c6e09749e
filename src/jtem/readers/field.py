"""A fixed field on a latitude-longitude grid, and the box of a part of the Earth."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

Box = tuple[float, float, float, float]
"""South, north, west, east in degrees; west of more than east: across the date line."""
WHOLE_EARTH: Box = (-90.0, 90.0, -180.0, 180.0)


def inside_longitudes(longitude: np.ndarray, west: float, east: float, margin: float = 0.0) -> np.ndarray:
    """Which longitudes lie between ``west`` and ``east`` (degrees), also across the date line, bool of their shape."""
    width = east - west if east >= west else east - west + 360.0
    if width + 2 * margin >= 360.0:
        return np.ones(np.shape(longitude), bool)
    slack = 1e-9 if margin == 0 else -1e-9  # the edges of the box belong to it, cells that only touch it do not
    along = (np.asarray(longitude) - west + margin + slack) % 360.0
    return (along >= 0) & (along <= width + 2 * (margin + slack))


@dataclass(frozen=True)
class Map:
    """One variable: ``values`` (lat, lon) float64, NaN where missing, latitude and longitude ascending (degrees).

    ``step``: degrees between latitudes, ``step_lon`` between longitudes (0: the same).
    """

    values: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    step: float
    units: str
    name: str
    where: str
    attributes: dict[str, object] = field(default_factory=dict)
    step_lon: float = 0.0

    @property
    def steps(self) -> tuple[float, float]:
        """Degrees between cell centres along latitude and longitude."""
        return self.step, self.step_lon or self.step
