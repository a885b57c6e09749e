"""The half-degree climate (normals and anomalies) against air temperature measured at towers."""

import numpy as np

from jtem.readers import site_climates
from jtem.readers import towers as tower_tables

TOWERS = ("US-Prr", "CA-Man", "CA-Qfo", "FI-Hyy", "RU-Fyo", "US-Atq", "FI-Lom", "RU-Cok", "GL-NuF", "CN-Dan", "CN-HaM")


def test_towers_are_neither_warmer_nor_colder_than_the_fields(shared_data):
    """Annual means at the towers' height: no bias that would explain permafrost on too large an area."""
    towers = tower_tables.flux_sites(shared_data / "flux_sites", list(TOWERS))
    missed = []
    for tower in towers.values():
        first, last = tower.years[0], min(tower.years[1], 2014)
        found = tower.observations
        elevation = found["elevation"].values if np.isfinite(found["elevation"].values).all() else None
        cell = site_climates.nearest_half_degree(shared_data, found, 0)
        cells = cell if elevation is None else cell.assign(elevation=("cell", elevation[:1]))
        simulated = site_climates.half_degree(shared_data, found, cells, {})(np.array([0]), first, last)[
            "air_temperature"
        ].values[0]
        measured = np.asarray(tower.forcing["air_temperature"].values[0])[: last - first + 1]
        missed.append(float((measured - simulated).mean()))
    assert abs(np.mean(missed)) < 0.5, dict(zip(towers, np.round(missed, 2), strict=True))  # 0.1 degC
    assert np.std(missed) < 2.0
