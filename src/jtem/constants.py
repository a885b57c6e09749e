"""Physical constants, calendar and house units. Nothing here is a model parameter."""

import numpy as np

DAYS_IN_MONTH = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype=np.float64)
"""Days of the calendar months; TEM knows no leap years."""

MONTHS_PER_YEAR = 12

MONTH_DAYS = 365.25 / 12
"""Days of one of the twelve equal months of soil heat and thermal snow."""

MONTH_MEGASECONDS = 365.25 / 12 * 86400 / 1e6
"""Ms; the same, in the time unit of soil heat."""

WATTS_TO_TEM_RADIATION = 86400.0 / 41860.0
"""W m-2 to cal cm-2 d-1 (2.0640); TEM publishes half-saturation and Jensen-Haise in those units."""

SOLAR_CONSTANT = 1368.0 * 3600.0 / 41860.0
"""cal cm-2 h-1 (TEM: 1368 W m-2)."""

LAYER_EDGES = (
    0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0,
    1.2, 1.4, 1.6, 1.8, 2.0, 2.2, 2.4, 2.6, 2.8, 3.0,
    3.5, 4.0, 4.5, 5.0, 6.0,
)  # fmt: skip
"""m; the 25 permafrost carbon layers of Liu et al. (2024). They are also the first 25 cells of the heat grid."""

CARBON_LAYERS = len(LAYER_EDGES) - 1

UPPER_SOIL = 0.2
"""m; the surface soil whose temperature and, with two layers of soil water, whose moisture decomposition feels."""

PERMAFROST_THAW_LIMIT = 10.0
"""m; ground is permafrost where the active layer is thinner (Liu et al. 2024)."""
EARTH_RADIUS_KM = 6371.0
"""Mean radius of the Earth, for areas and distances of cells."""
