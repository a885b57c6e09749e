"""Radiation: conversion to TEM's units, cloudiness, photosynthetically active radiation, potential evapotranspiration.

Equations docs/model.md#r1 to #r5.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jtem.constants import DAYS_IN_MONTH, SOLAR_CONSTANT, WATTS_TO_TEM_RADIATION
from jtem.numerics import safe
from jtem.parameters import parameter


class RadiationParameters(eqx.Module):
    """Light and potential evapotranspiration (TEM 4.2 to 6, all versions identical)."""

    cloud_transmission_overcast: Float[Array, "*types"] = parameter(
        unit="1", description="share of top-of-atmosphere light under full cloud", symbol="0.251"
    )
    cloud_transmission_range: Float[Array, "*types"] = parameter(
        unit="1", description="gain of that share from full cloud to clear sky", symbol="0.509"
    )
    par_share_clear: Float[Array, "*types"] = parameter(unit="1", description="PAR share of shortwave, clear sky")
    par_share_cloud: Float[Array, "*types"] = parameter(unit="1", description="gain of the PAR share under full cloud")
    jensen_haise_slope: Float[Array, "*types"] = parameter(
        unit="degF-1", description="Jensen-Haise temperature coefficient"
    )
    jensen_haise_intercept: Float[Array, "*types"] = parameter(unit="1", description="Jensen-Haise constant")
    evaporation_per_radiation: Float[Array, "*types"] = parameter(
        unit="mm cm2 cal-1", description="water evaporated by one unit of radiation"
    )
    minimum_potential_evapotranspiration: Float[Array, "*types"] = parameter(
        unit="mm month-1", description="floor of PET", symbol="PET floor", trainable=False
    )


LATITUDES_AT_ONCE = 256
"""Of which the hours of a year are in memory together (70 kB each)."""


def top_of_atmosphere(latitude: np.ndarray) -> np.ndarray:
    """Monthly mean top-of-atmosphere radiation GIRR (host side, static).

    Source: TEM 4.2/4.3 (docs/model.md#r2): mean over the days of a month of the hourly sum of
    ``S0 / (1 - 0.016729 cos(0.9856 (d - 4)))^2 * max(0, sin(lat) sin(dec) + cos(lat) cos(dec) cos(h))``.

    Shapes: latitude (cell,) degrees; result (cell, 12) cal cm-2 d-1.
    """
    distinct, back = np.unique(np.asarray(latitude, dtype=np.float64), return_inverse=True)
    if distinct.size == 1 < np.size(latitude):
        distinct = np.repeat(distinct, 2)  # numpy sums one row in another order than several
    day = np.arange(1, 366)[None, :, None]
    hour_angle = (np.arange(1, 25) - 12)[None, None, :] * np.pi / 12
    distance = 1.0 - 0.016729 * np.cos(np.deg2rad(0.9856 * (day - 4)))
    declination = np.deg2rad(-23.4856) * np.cos(2 * np.pi * (day + 10) / 365.25)
    month_of_day = np.repeat(np.arange(12), DAYS_IN_MONTH.astype(int))
    result = np.empty((distinct.size, 12))
    for first in range(0, distinct.size, LATITUDES_AT_ONCE):
        part = slice(min(first, max(distinct.size - 2, 0)), first + LATITUDES_AT_ONCE)
        phi = np.deg2rad(distinct[part])[:, None, None]
        cosine = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(hour_angle)
        daily = (SOLAR_CONSTANT / distance**2 * np.maximum(0.0, cosine)).sum(axis=-1)
        result[part] = np.stack([daily[:, month_of_day == m].mean(axis=1) for m in range(12)], axis=1)
    return result[back.reshape(np.shape(latitude))]


def tem_radiation(shortwave_radiation: Float[Array, "*cells"]) -> Float[Array, "*cells"]:
    """NIRR: W m-2 to cal cm-2 d-1; the one conversion of light in jtem."""
    return shortwave_radiation * WATTS_TO_TEM_RADIATION


def cloudiness(
    radiation: Float[Array, "*cells"], top: Float[Array, "*cells"], p: RadiationParameters
) -> Float[Array, "*cells"]:
    """Cloudiness (%) from NIRR and GIRR, ``100 (1 - (NIRR/GIRR - a)/b)`` clipped to 0-100 (TEM 4.3).

    0 if NIRR >= 0.76 GIRR; 50 in the polar night (GIRR = 0), where light is zero anyway.
    """
    share = safe.divide(radiation, top, otherwise=0.0, floor=1e-6)
    cloud = 100.0 * (1.0 - (share - p.cloud_transmission_overcast) / p.cloud_transmission_range)
    return jnp.where(top > 1e-6, safe.clip(cloud, 0.0, 100.0), 50.0)


def radiation_under_cloud(
    top: Float[Array, "*cells"], cloud: Float[Array, "*cells"], p: RadiationParameters
) -> Float[Array, "*cells"]:
    """NIRR (cal cm-2 d-1) from GIRR and cloudiness (%): ``GIRR (a + b (1 - cloud/100))`` (TEM 4.2)."""
    return top * (p.cloud_transmission_overcast + p.cloud_transmission_range * (1.0 - cloud / 100.0))


def photosynthetic_radiation(
    radiation: Float[Array, "*cells"], cloud: Float[Array, "*cells"], p: RadiationParameters
) -> Float[Array, "*cells"]:
    """PAR (cal cm-2 d-1) ``= NIRR (0.45 + 0.2 cloud/100)`` (TEM 4.2)."""
    return radiation * (p.par_share_clear + p.par_share_cloud * cloud / 100.0)


def potential_evapotranspiration(
    air_temperature: Float[Array, "*cells"],
    radiation: Float[Array, "*cells"],
    days: Float[Array, "*cells"],
    p: RadiationParameters,
) -> Float[Array, "*cells"]:
    """PET (mm month-1), Jensen-Haise: ``max(0.001, (0.014 Tf - 0.37) 0.016742 NIRR days)``, Tf in degF.

    All TEM versions; no elevation term. air_temperature degC, radiation cal cm-2 d-1.
    """
    fahrenheit = 1.8 * air_temperature + 32.0
    rate = (p.jensen_haise_slope * fahrenheit + p.jensen_haise_intercept) * p.evaporation_per_radiation * radiation
    return safe.maximum(p.minimum_potential_evapotranspiration, rate * days)
