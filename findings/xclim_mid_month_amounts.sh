#!/usr/bin/env bash
# xclim 0.62.0: monthly rates stamped in mid-month become amounts with the wrong lengths of months, without the promised error.
#
# Surprising: `rate2amount` and `amount2rate` promise a ValueError for an irregular time axis (under Raises) unless `sampling_rate_from_coord=True`. For monthly
#   means stamped in the middle of their months (16 January 12:00, 15 February, ...) they raise nothing: the frequency comes back as
#   None instead of failing, and the step to the next stamp is taken for the month. January counts 29.5 days, July 31, the last
#   month as many as the one before; each is off by up to 1.5 days and belongs half to its neighbour. Stamps at the start or
#   end of months are exact, in every calendar. `convert_units_to` is not concerned.
# Why it matters: mid-month is how CMIP models and CRU TS stamp monthly means. January precipitation is 5 % low and
#   February's 5 % high, the annual sum nearly right, so checks of annual totals pass; monthly water balances, growing season
#   sums and indices of drought that take amounts are biased by the calendar, not by the climate.
# Instead: move stamps first, `pr["time"] = pr.indexes["time"].to_period("M").to_timestamp()` (for cftime dates:
#   `replace(day=1, hour=0)`), or multiply by `pr.time.dt.days_in_month` yourself.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile xclim==0.62.0 xarray==2026.9.0 pandas==3.1.1 numpy==2.4.6 2>/dev/null
cd "$work"
"$work/venv/bin/python" -W ignore - <<'PY'
import sys

import numpy as np
import xarray as xr
import xclim
from xclim.core.units import amount2rate, rate2amount

print(f"xclim {xclim.__version__}, xarray {xr.__version__}")
as_described = True
for calendar in ("standard", "noleap"):
    first = xr.date_range("2001-01-01", periods=13, freq="MS", calendar=calendar, use_cftime=calendar == "noleap")
    middle = first[:-1] + (first[1:] - first[:-1]) / 2
    length = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    for stamps, time in (("start of month", first[:-1]), ("mid-month", middle)):
        rate = xr.DataArray(np.ones(12), dims="time", coords={"time": time}, attrs={"units": "mm d-1"})
        amount = rate2amount(rate, out_units="mm").values
        back = amount2rate(rate.assign_attrs(units="mm").copy(data=length), out_units="mm d-1").values
        print(f"{calendar}, {stamps}: 1 mm d-1 is {amount} mm, {amount.sum():.1f} in the year; infer_freq {xr.infer_freq(rate.time)}")
        if stamps == "mid-month":
            worst = np.abs(amount - length).max()
            print(f"   lengths of months off by up to {worst} days; rates of true monthly sums {back.min():.3f} to {back.max():.3f}, not 1")
            as_described &= worst == 1.5 and amount[0] == 29.5 and amount[-1] == amount[-2] and back.max() > 1.05
        else:
            as_described &= np.allclose(amount, length) and np.allclose(back, 1)
print("behaves as described" if as_described else "CHANGED: does not behave as described")
sys.exit(0 if as_described else 1)
PY
