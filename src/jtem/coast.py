"""Where land is, from the coastline that jtem carries."""

from __future__ import annotations

import functools

import numpy as np

from jtem.files import data_path

NEAR_COAST = 0.5
"""Degrees within which the simplified coastline does not tell land from sea."""


@functools.cache
def coastline() -> np.ndarray:
    """Coasts of the world (point, 2): longitude, latitude in degrees; lines are told apart by a row of NaN."""
    text = data_path("coastline", "coastline.csv").read_text(encoding="utf-8")
    lines = text.split("longitude,latitude\n", 1)[1].split("\n\n")
    apart = np.full((1, 2), np.nan)
    parts = [np.fromstring(line.replace("\n", ","), sep=",").reshape(-1, 2) for line in lines if line.strip()]
    return np.concatenate([piece for part in parts for piece in (part, apart)])


def on_land(latitude: float, longitude: float) -> bool:
    """Whether a place (degrees) lies on land: it does where the meridian from the North Pole, which is sea, meets the coast an
    odd number of times before it. Islands of less than a degree are sea.
    """
    lon, lat = coastline().T
    east = (longitude + 180.0) % 360.0 - 180.0
    with np.errstate(invalid="ignore", divide="ignore"):
        crossed = (lon[:-1] <= east) != (lon[1:] <= east)
        crossed &= np.isfinite(lon[:-1] + lon[1:])
        share = (east - lon[:-1]) / (lon[1:] - lon[:-1])
        return int(np.sum(crossed & (lat[:-1] + share * (lat[1:] - lat[:-1]) > latitude))) % 2 == 1


def in_open_sea(latitude: float, longitude: float) -> bool:
    """Whether a place and all around it within :data:`NEAR_COAST` degrees (of latitude) is sea."""
    wide = NEAR_COAST / max(np.cos(np.deg2rad(latitude)), 0.1)
    around = [(0.0, 0.0), (NEAR_COAST, 0.0), (-NEAR_COAST, 0.0), (0.0, wide), (0.0, -wide)]
    return not any(on_land(float(np.clip(latitude + y, -90.0, 90.0)), longitude + x) for y, x in around)
