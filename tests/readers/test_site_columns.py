"""Months of one site's netCDF files and Datasets: bounds first, as for every other file; light over the daylight."""

import numpy as np
import pytest
import xarray as xr
from layout_files import EAST, NORTH, climate, time, truth, write

from jtem.errors import InputError
from jtem.readers import columns, site_table


def site(path, clock):
    values = {name: array.reshape(-1) for name, array in truth(66.25, -150.25).items()}
    place = {"lat": ((), 66.25, NORTH), "lon": ((), -150.25, EAST)}
    return write(path, clock | place | climate(values, dims=("time",)))


@pytest.mark.parametrize("calendar", ["noleap", "standard"])
@pytest.mark.parametrize(
    "clock", [{"where": "bounds", "stamp": "end"}, {"where": "end"}, {"where": "start"}, {"where": "middle"}]
)
def test_months_of_a_site_are_those_of_the_bounds(tmp_path, calendar, clock):
    path = site(tmp_path / "site.nc", time(calendar=calendar, **clock))
    with xr.open_dataset(path) as opened:
        for table in (path, opened):
            found = site_table.read(table)
            np.testing.assert_allclose(found.fields["air_temperature"].ravel(), truth(66.25, -150.25)["tas"].ravel())


def test_stamps_of_a_site_that_could_mean_two_months_are_refused(tmp_path):
    path = site(tmp_path / "site.nc", time("start"))
    with (
        xr.open_dataset(path) as opened,
        pytest.raises(InputError, match=r"stamps like 1991-04-01, which can mean the month"),
    ):
        columns.columns_of(opened.isel(time=slice(3, 20)), "x")


def test_light_over_the_daylight_of_a_site_is_refused(tmp_path):
    rows = "\n".join(f"1991,{month},-5,30,200,36000" for month in range(1, 13))
    path = tmp_path / "daymet.csv"
    path.write_text(f"year,month,tmean (degC),prcp (mm),srad (W/m^2),dayl (s)\n{rows}\n")
    with pytest.raises(
        InputError, match=r"'srad .*' beside 'dayl .*' is Daymet's mean over the daylight, not over the day"
    ):
        site_table.read(path)
