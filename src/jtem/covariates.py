"""What every grid knows of a place, in one scale: the covariates that parameters may follow (:class:`jtem.parameters.Field`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

LIMIT = 3.0
"""Covariates count no further than this from their centre, in their scale: nothing is extrapolated beyond."""
TOPSOIL, SUBSOIL = 3, 10
"""Layers of 0.1 m of a profile of soil carbon down to 0.3 m and to 1 m."""


class Covariate(NamedTuple):
    """A number of a place: its unit, and the centre and scale (about the mean and deviation north of 45N) taken from it."""

    unit: str
    centre: float
    scale: float


COVARIATES: Mapping[str, Covariate] = {
    "annual_mean_temperature": Covariate("degC", -6.0, 7.0),
    "temperature_range": Covariate("K", 38.0, 10.0),
    "annual_precipitation": Covariate("log mm", 6.0, 0.45),
    "annual_snowfall": Covariate("log mm", 5.0, 0.5),
    "annual_radiation": Covariate("W m-2", 110.0, 20.0),
    "elevation": Covariate("m", 500.0, 800.0),
    "sand": Covariate("percent", 50.0, 18.0),
    "clay": Covariate("percent", 18.0, 8.0),
    "topsoil_carbon": Covariate("log kg m-2", 2.3, 0.6),
    "subsoil_carbon": Covariate("log kg m-2", 2.3, 0.6),
}
"""``temperature_range``: warmest less coldest month; ``annual_snowfall``: precipitation of months below 0 degC; carbon of 0-0.3 m
(``topsoil_carbon``) and of 0.3-1 m (``subsoil_carbon``). Those on log scale are at least 1 mm and 0.1 kg m-2."""
Fields = Mapping[str, np.ndarray]


def covariates(
    air_temperature: np.ndarray,
    precipitation: np.ndarray,
    shortwave_radiation: np.ndarray,
    elevation: np.ndarray,
    sand: np.ndarray,
    clay: np.ndarray,
    soil_carbon: np.ndarray,
) -> dict[str, np.ndarray]:
    """All of :data:`COVARIATES` of columns, (column,), less their centre, by their scale, within :data:`LIMIT`.

    ``air_temperature`` (degC), ``precipitation`` (mm month-1), ``shortwave_radiation`` (W m-2): a mean year, (column, 12);
    ``elevation`` m, ``sand`` and ``clay`` percent (column,); ``soil_carbon``: gC m-2 in layers of which the first ten are of 0.1
    m (column, layer).
    """

    def log(values: np.ndarray, least: float) -> np.ndarray:
        return np.log(np.maximum(values, least))

    found = {
        "annual_mean_temperature": air_temperature.mean(axis=1),
        "temperature_range": np.ptp(air_temperature, axis=1),
        "annual_precipitation": log(precipitation.sum(axis=1), 1.0),
        "annual_snowfall": log(np.where(air_temperature < 0.0, precipitation, 0.0).sum(axis=1), 1.0),
        "annual_radiation": shortwave_radiation.mean(axis=1),
        "elevation": elevation,
        "sand": sand,
        "clay": clay,
        "topsoil_carbon": log(1e-3 * soil_carbon[:, :TOPSOIL].sum(axis=1), 0.1),
        "subsoil_carbon": log(1e-3 * soil_carbon[:, TOPSOIL:SUBSOIL].sum(axis=1), 0.1),
    }
    return {
        name: np.clip((np.asarray(found[name], np.float64) - c.centre) / c.scale, -LIMIT, LIMIT)
        for name, c in COVARIATES.items()
    }


def design_matrix(
    known: Fields, community: Sequence[str], names: Sequence[str], communities: Sequence[str]
) -> np.ndarray:
    """Columns of a linear predictor, (column, 1 + name + community): one, the covariates ``names``, whether a column has each of
    ``communities``.
    """
    columns = [np.ones(len(community)), *(known[name] for name in names)]
    columns += [np.array([c == one for c in community], dtype=np.float64) for one in communities]
    return np.stack(columns, axis=1)
