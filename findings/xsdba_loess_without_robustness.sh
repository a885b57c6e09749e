#!/usr/bin/env bash
# xsdba 0.7.0: LOESS with no robustness iterations is zero everywhere, so detrending with it removes nothing.
#
# Surprising: `niter` of `loess_smoothing` and `LoessDetrend` is documented as the number of robustness iterations, but it counts the plain fit
#   too: `niter=1` is LOESS without any robustness step, `niter=2` (the default) has one, and `niter=0`, which is how statsmodels
#   (`lowess(..., it=0)`) and R (`lowess(..., iter=0)`) name the plain fit, returns an array of zeros. No error, no warning, no NaN.
# Why it matters: bias adjustment that must keep a model's warming (detrended quantile mapping with such a detrending) takes the trend out
#   first. With `niter=0` the warming stays in the series that is mapped onto the quantiles of the present; the trend put back
#   afterwards is nil. The adjusted series looks plausible. Numbers of iterations taken over from R or statsmodels are one too few.
# Instead: give one more than elsewhere, `niter=1` for the plain fit, and check that the fitted trend is not constant.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile xsdba==0.7.0 xarray==2026.9.0 pandas==3.1.1 numpy==2.4.6 statsmodels==0.15.0 2>/dev/null
cd "$work"
"$work/venv/bin/python" -W ignore - <<'PY'
import sys

import numpy as np
import statsmodels.api
import xarray as xr
import xsdba
from xsdba.detrending import LoessDetrend
from xsdba.loess import loess_smoothing

print(f"xsdba {xsdba.__version__}, statsmodels {statsmodels.__version__}")
years = np.arange(80)
warming = -5.0 + 4.0 * (years / 79.0) ** 2
values = warming + np.random.default_rng(0).normal(0, 0.5, years.size)
values[40] += 8.0  # an odd year, which robustness steps leave out
time = xr.date_range("2001-01-01", periods=years.size, freq="YS")
series = xr.DataArray(values, dims="time", coords={"time": time}, attrs={"units": "degC"}, name="tas")

smooth, left = {}, {}
for steps in (0, 1, 2):
    smooth[steps] = loess_smoothing(series, f=0.4, niter=steps).values
    flat = LoessDetrend(group="time", kind="+", f=0.4, niter=steps).fit(series).detrend(series).values
    left[steps] = np.polyfit(years, flat, 1)[0] * 79
    print(f"xsdba niter={steps}: years 0, 40, 79 {smooth[steps][[0, 40, 79]].round(2)}; trend left after LoessDetrend {left[steps]:.2f} K")
other = {k: statsmodels.api.nonparametric.lowess(values, years, frac=0.4, it=k, return_sorted=False) for k in (0, 1)}
for k, curve in other.items():
    print(f"statsmodels it={k}: years 0, 40, 79 {curve[[0, 40, 79]].round(2)}")

as_described = (
    (smooth[0] == 0).all()
    and abs(left[0] - 4) < 1
    and abs(left[1]) < 0.5
    and abs(smooth[1][40] - other[0][40]) < 0.15
    and abs(smooth[2][40] - other[1][40]) < 0.15
    and smooth[1][40] - smooth[2][40] > 0.3
)
print("behaves as described" if as_described else "CHANGED: does not behave as described")
sys.exit(0 if as_described else 1)
PY
