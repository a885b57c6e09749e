"""Maps and views: projection by extent, coasts, values of the year, no permafrost in grey."""

import numpy as np
import pytest
import xarray as xr

from jtem.errors import InputError
from jtem.report import maps

pyplot = pytest.importorskip("matplotlib.pyplot", reason="needs the extra 'plots'")


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def view(latitude, longitude) -> maps.MapView:
    return maps.MapView(np.array(latitude, float), np.array(longitude, float), np.full(len(latitude), 2.5e9))


def test_a_region_has_its_own_extent_and_the_arctic_a_pole():
    alaska = view([60.0, 70.0], [-160.0, -140.0])
    assert not alaska.polar and alaska.window[0] < -160.0 < -140.0 < alaska.window[1]
    assert alaska.window[1] - alaska.window[0] < 30.0 and pytest.approx(sum(alaska.window[2:]) / 2) == 65.0
    bering = view([65.0, 66.0], [175.0, -175.0])
    assert bering.window[1] - bering.window[0] < 20.0  # not around the globe
    arctic = view([65.0, 70.0, 60.0, 55.0], [0.0, 90.0, 180.0, -90.0])
    assert arctic.polar
    x, y = arctic.place(np.array([90.0, 60.0]), np.array([0.0, 90.0]))
    np.testing.assert_allclose([x, y], [[0.0, 30.0], [0.0, 0.0]], atol=1e-12)
    assert not view([-60.0, 60.0, 0.0, 0.0], [0.0, 90.0, 180.0, -90.0]).polar  # the globe in degrees


def test_cells_are_drawn_as_large_as_they_are():
    area = np.array([(111.2 * 4) ** 2 * 1e6])  # four degrees of latitude
    found = maps.MapView(np.array([60.0]), np.array([10.0]), area)
    (square,) = found.shapes(np.array([60.0]), np.array([10.0]), area)
    np.testing.assert_allclose(np.ptp(square, axis=0), [8.0, 4.0], rtol=1e-6)  # cos 60 degrees is 1/2


def data(**changes) -> xr.Dataset:
    thaw = np.array([[0.5, 60.5, 2.0], [1.0, 60.5, 3.0], [9.0, 60.5, 4.0]])
    return xr.Dataset(
        {"thawdepth": (("time", "cell"), thaw, {"units": "m"}),
         "nep": (("time", "cell"), np.array([[-1e-9, 1e-9, 2e-9]] * 3), {"units": "kg m-2 s-1"}),
         "areacella": ("cell", np.full(3, 1e9))},
        {"lat": ("cell", [65.0, 66.0, 67.0]), "lon": ("cell", [20.0, 21.0, 22.0]), "year": ("time", [2001, 2002, 2003])},
    )  # fmt: skip


def painted(axes) -> list[np.ndarray]:
    return [c.get_array().data for c in axes.collections if c.get_array() is not None]


def test_a_map_shows_the_mean_of_its_years_and_leaves_out_ground_without_permafrost():
    axes = maps.draw(data(), "active_layer_thickness", year=(2001, 2002))
    np.testing.assert_allclose(np.concatenate(painted(axes)), [0.75, 2.5])
    assert axes.get_title() == "active layer thickness, 2001-2002"
    axes = maps.draw(data(), "thawdepth", year=2003, axes=pyplot.figure().add_subplot())
    np.testing.assert_allclose(np.concatenate(painted(axes)), [9.0, 4.0])
    axes = maps.draw(data(), "nep")  # gC m-2 year-1, negative cells apart
    positive, negative = painted(axes)
    np.testing.assert_allclose(negative, [-1e-9 * 1e3 * 365 * 86400])
    assert positive.size == 2 and "triangles < 0" in axes.figure.axes[-1].get_ylabel()


def test_what_is_not_there_is_one_sentence():
    with pytest.raises(InputError, match="year 2050 of 'nep' is not in the results, which have 2001-2003"):
        maps.draw(data(), "nep", year=2050)
    with pytest.raises(
        InputError, match="'net_primary_production' is not among the annual results; add it to 'annual'"
    ):
        maps.draw(data(), "npp")
    with pytest.raises(InputError, match="unknown output variable 'nepp'; did you mean"):
        maps.draw(data(), "nepp")
