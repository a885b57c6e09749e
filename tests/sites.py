"""Two sites with printed normals as model input: one row a case, leading cell axis."""

import jax.numpy as jnp
import numpy as np

from jtem import parameters, step
from jtem.constants import WATTS_TO_TEM_RADIATION
from jtem.files import data_path
from jtem.physics import radiation
from jtem.state import Cell, Climate

BONANZA_CREEK = {
    "latitude": 64.5,
    "elevation": 133.0,
    "air_temperature": [-23.4, -19.8, -11.2, -0.8, 8.9, 15.2, 16.4, 13.2, 7, -3.9, -16.1, -21.2],
    "precipitation": [14, 10, 9.4, 8.1, 15, 35, 47, 50, 24, 23, 20, 22],
    "cloud": [62, 60, 58, 58, 62, 68, 70, 74, 74, 74, 68, 64],
}
TOOLIK = {
    "latitude": 68.5,
    "elevation": 720.0,
    "air_temperature": [-23, -22, -22, -13, -1, 8, 11, 7, -0.5, -12, -19, -21],
    "precipitation": [10, 8, 8, 10, 15, 40, 65, 60, 35, 25, 15, 12],
    "cloud": [55, 55, 52, 55, 62, 66, 70, 75, 78, 70, 60, 55],
}
PLATEAU_MEADOW = {
    "latitude": 37.6,
    "elevation": 3250.0,
    "air_temperature": [-14.8, -11.0, -5.5, 0.2, 4.9, 8.1, 10.1, 9.4, 5.4, 0.1, -8.0, -13.1],
    "precipitation": [3, 6, 15, 27, 60, 85, 110, 105, 75, 28, 6, 3],
    "cloud": [35, 40, 45, 48, 52, 58, 58, 55, 58, 42, 32, 32],
}

TABLE = parameters.read_table(step.Parameters, [data_path("parameters", "defaults.toml")])


def parameter_tree(dtype: str = "float64") -> step.Parameters:
    return parameters.build(step.Parameters, TABLE, dtype)


def make(cases, years: int, dtype: str = "float64", co2=340.0, warming_per_year: float = 0.0):
    """``cases``: (site, silt+clay share, community, air temperature offset). Returns cells, climate."""
    top = radiation.top_of_atmosphere(np.array([site["latitude"] for site, *_ in cases]))
    cloud = np.array([site["cloud"] for site, *_ in cases], float)
    light = top * (0.251 + 0.509 * (1 - cloud / 100)) / WATTS_TO_TEM_RADIATION
    air = np.array([np.array(site["air_temperature"]) + offset for site, _, _, offset in cases])
    rain = np.array([site["precipitation"] for site, *_ in cases], float)
    trend = warming_per_year * np.arange(years)
    air = air[:, None, :] + trend[None, :, None]

    def repeated(values):
        return jnp.asarray(np.repeat(values[:, None], years, axis=1), dtype)

    following = np.concatenate([air[:, 1:, 0], air[:, -1:, 0]], axis=1)
    climate = Climate(
        air_temperature=jnp.asarray(air, dtype),
        precipitation=repeated(rain),
        shortwave_radiation=repeated(light),
        co2=jnp.full((len(cases), years), co2, dtype),
        nitrogen_input=jnp.zeros((len(cases), years, 12), dtype),
        following_air_temperature=jnp.asarray(following, dtype),
    )
    profile = np.tile(np.repeat([3000.0, 4000.0, 5000.0], [10, 10, 5]), (len(cases), 1))
    cells = Cell(
        elevation=jnp.asarray([site["elevation"] for site, *_ in cases], dtype),
        silt_clay=jnp.asarray([psi for _, psi, _, _ in cases], dtype),
        community=jnp.asarray([TABLE.index(name) for _, _, name, _ in cases]),
        top_of_atmosphere=jnp.asarray(top, dtype),
        soil_carbon_profile=jnp.asarray(profile, dtype),
    )
    return cells, climate
