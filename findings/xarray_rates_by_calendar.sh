#!/usr/bin/env bash
# xarray 2026.9.0 with pandas 3.1.1: a rate of change depends on the calendar of the file, by 10^9.
#
# Surprising: `differentiate("time")` and `integrate("time")` count time in a unit nobody named: nanoseconds for a file with the
#   standard calendar, seconds for the same file with the noleap or 360_day calendar, microseconds for an axis that
#   pandas made. `polyfit("time", 1)` of the same three always is per nanosecond. The length of a month from `time_bnds`
#   is timedelta64[ns] or timedelta64[us] likewise, so `.astype(float) / 1e9` is seconds for one model and thousands
#   of seconds for the next. Nothing is said.
# Why it matters: an ensemble mixes calendars (land models of the CESM family run without leap days, some others with months
#   of 30 days). Code tried on a reanalysis or observations is then wrong by 10^9 (derivatives, integrals) or 10^3 (lengths
#   of months) for some models only; sums that are too small pass as "no change".
# Instead: always name the unit, `differentiate("time", datetime_unit="D")`, and turn lengths into numbers with
#   `.dt.total_seconds()`, never with astype.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile xarray==2026.9.0 pandas==3.1.1 numpy==2.4.6 netCDF4==1.7.5.1.post1 cftime==1.6.6.1 2>/dev/null
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

import numpy as np
import pandas as pd
import xarray as xr

print(f"xarray {xr.__version__}, pandas {pd.__version__}")


def read(calendar):
    """Soil carbon that grows by 1 g m-2 a day, four steps of 365 days with bounds, as a file of that calendar."""
    start = 365.0 * np.arange(4)
    axis = {"units": "days since 2001-01-01", "calendar": calendar, "bounds": "time_bnds"}
    bounds = ("time", "bnds"), np.stack([start, start + 365], 1)
    file = f"{calendar}.nc"
    xr.Dataset({"soc": ("time", start), "time_bnds": bounds}, coords={"time": ("time", start, axis)}).to_netcdf(file)
    return xr.open_dataset(file)


sets = {c: read(c) for c in ("standard", "noleap", "360_day")}
sets["made by pandas"] = sets["standard"].assign_coords(time=pd.date_range("2001-01-01", periods=4, freq="365D"))
slope, fit, named, length = {}, {}, {}, {}
for name, data in sets.items():
    slope[name] = float(data.soc.differentiate("time")[1])
    fit[name] = float(data.soc.polyfit("time", 1).polyfit_coefficients[0])
    named[name] = float(data.soc.differentiate("time", datetime_unit="D")[1])
    step = data.time_bnds.diff("bnds").squeeze() if name != "made by pandas" else data.time.diff("time")
    length[name] = float(step.astype(float)[0])
    print(
        f"{name:15} differentiate {slope[name]:.3e}  polyfit {fit[name]:.3e}  with datetime_unit='D' {named[name]:.3f}"
        f"  one step {length[name]:.4e} as a number ({step.dtype}), {float(step.dt.total_seconds()[0]):.0f} s"
    )

day = 86400.0
as_described = (
    np.isclose(slope["standard"] * day * 1e9, 1)
    and np.isclose(slope["made by pandas"] * day * 1e6, 1)
    and all(np.isclose(slope[c] * day, 1) for c in ("noleap", "360_day"))
    and all(np.isclose(f * day * 1e9, 1, rtol=1e-3) for f in fit.values())
    and all(np.isclose(n, 1) for n in named.values())
    and np.isclose(length["standard"], 365 * day * 1e9)
    and all(np.isclose(length[c], 365 * day * 1e6) for c in ("noleap", "360_day"))
)
print("behaves as described" if as_described else "CHANGED: does not behave as described")
sys.exit(0 if as_described else 1)
PY
