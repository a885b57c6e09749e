#!/usr/bin/env bash
# xarray 2026.9.0 with pandas 3.1.1: interpolation in time compares microseconds with nanoseconds.
#
# Surprising: `series.interp(time=other.time)` gives NaN for dates that lie well inside the series, or with
#   fill_value="extrapolate" a number far outside it, when the series' times have a coarser unit than the wanted ones; a date
#   within the first thousandth of the series gets the value of a date a thousand times as far in. Both axes are counted from
#   the first date, each in its own unit, and the bare counts compared: 400 days in nanoseconds are read as 400,000 days.
#   `sel(method="nearest")` and wanted dates in the coarser unit are right.
# Why it matters: since pandas 3, `pd.date_range` and parsed text dates are datetime64[us], while xarray decodes the times of
#   a netCDF file as datetime64[ns]. A yearly CO2 or nitrogen deposition series from a text file, interpolated to the months
#   of a climate file, is exactly this pair, and "extrapolate" (wanted for the half years at the ends) hides the NaN.
# Instead: give both axes one unit first, e.g. `series.assign_coords(time=series.time.astype(other.time.dtype))`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile xarray==2026.9.0 pandas==3.1.1 numpy==2.4.6 scipy==1.17.1 netCDF4==1.7.5.1.post1 2>/dev/null
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

import numpy as np
import pandas as pd
import xarray as xr

print(f"xarray {xr.__version__}, pandas {pd.__version__}")
years = pd.to_datetime([f"{y}-01-01" for y in range(1960, 2021)])  # as read from a text file
co2 = xr.DataArray(320.0 + 1.5 * np.arange(len(years)), dims="time", coords={"time": years}, name="co2")

days = np.array([15.0, 3650.0, 10957.0, 18262.0])  # 1960, 1969, 1989, 2009
xr.Dataset(coords={"time": ("time", days, {"units": "days since 1960-01-01", "calendar": "standard"})}).to_netcdf("climate.nc")
wanted = xr.open_dataset("climate.nc").time
print("unit of the series:", co2.time.dtype, "  of the file:", wanted.dtype)

right = co2.assign_coords(time=co2.time.astype(wanted.dtype)).interp(time=wanted).values
plain = co2.interp(time=wanted).values
beyond = co2.interp(time=wanted, kwargs={"fill_value": "extrapolate"}).values
nearest = co2.sel(time=wanted, method="nearest").values
print("units made alike     ", right.round(2))
print("as it is             ", plain.round(2))
print("as it is, extrapolate", beyond.round(2))
print("sel(nearest)         ", nearest.round(2))

as_described = (
    co2.time.dtype == "datetime64[us]"
    and wanted.dtype == "datetime64[ns]"
    and np.isfinite(right).all()
    and np.isnan(plain[1:]).all()
    and (beyond[1:] > 10 * right[1:]).all()
    and np.abs(beyond[0] - right[0]) > 10
    and np.abs(nearest - right).max() < 1.5
)
print("behaves as described" if as_described else "CHANGED: does not behave as described")
sys.exit(0 if as_described else 1)
PY
