"""The coastline that jtem carries, and where land is by it."""

import numpy as np
import pytest

from jtem.coast import coastline, in_open_sea, on_land
from jtem.readers import embedded


def test_the_coastline_covers_the_arctic_and_holds_no_line_across_the_globe():
    coast = coastline()
    longitude, latitude = coast.T
    assert 5000 < len(coast) < 20_000 and np.nanmax(np.abs(longitude)) <= 180.0 and np.nanmax(latitude) > 83.0
    assert np.nanmax(np.abs(np.diff(longitude))) < 30.0
    near = np.hypot(longitude + 156.5, latitude - 71.3)  # Point Barrow lies at the shore
    assert np.nanmin(near) < 0.5


@pytest.mark.parametrize(
    ("place", "land"),
    [
        ((68.6, -149.6), True), ((68.6, 149.6), True), ((72.0, -40.0), True), ((-80.0, 50.0), True), ((67.0, 179.5), True),
        ((61.5, -31.0), False), ((55.0, 323.0), False), ((59.0, -85.0), False), ((42.0, 51.0), False), ((89.0, 0.0), False),
    ],
)  # fmt: skip
def test_land_is_told_from_sea(place, land):
    """Alaska, Siberia, Greenland, Antarctica, the date line; the Atlantic, Hudson Bay, the Caspian, the Pole."""
    assert on_land(*place) is land
    assert in_open_sea(*place) is not land


def test_cells_of_the_embedded_domains_lie_on_land():
    for name, most in (("pan_arctic", 0.02), ("plateau", 0.0)):  # cells of four degrees: some middles are sea
        cells = embedded.domain(name)
        sea = [in_open_sea(*place) for place in zip(cells["latitude"].values, cells["longitude"].values, strict=True)]
        assert np.mean(sea) <= most


def test_the_shore_is_not_open_sea():
    assert not in_open_sea(71.4, -156.5) and not in_open_sea(71.6, -156.5)  # Point Barrow and off it
