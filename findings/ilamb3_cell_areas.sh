#!/usr/bin/env bash
# ilamb3 2026.6.15 (needs Python 3.12): cell areas with a sign, so global sums that are negative or nil.
#
# Surprising: `integrate_space` of the new land model benchmarking library makes cell areas from differences of the bounds and
#   keeps their sign. (a) A grid that runs from north to south has negative areas: the world's carbon comes out as minus
#   itself, while `mean=True` is right, as the sign cancels there. (b) `shift_lon`, which brings 0..360 to -180..180,
#   shifts the bounds number by number; the cell west of 180 degrees then reaches from 179.5 to -180 and weighs minus
#   359.5 degrees. The sum over a whole globe with bounds is nil and its mean a quotient of rounding errors.
#   2026.4.20, the newest for Python 3.11, ignores bounds here, takes absolute values and is right in both cases.
# Why it matters: reanalyses and many maps of soil carbon run from north to south, most climate models from 0 to 360 and with
#   bounds (CF asks for them). The cells at 180 degrees are Chukotka and Wrangel Island, where permafrost carbon is, so leaving out the
#   sea does not leave them out. A stock of nil is noticed; a northern mean that one column of cells governs is not.
# Instead: sort latitudes upwards, or put areas of your own (areacella) into the dataset as `cell_measures` before anything is
#   shifted: they are used as they are. Compare the sum of areas with 5.1e14 m2.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=
for candidate in python3 python3.12 python3.13 "$HOME"/.pyenv/versions/3.1[23].*/bin/python; do
  if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then python=$candidate; break; fi
done
if [ -z "$python" ]; then echo "not run: no Python 3.12 or newer found"; exit 2; fi
"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile --no-deps ilamb3==2026.6.15 2>/dev/null # its areas need these few of its dependencies
"$work/venv/bin/pip" install -q --no-compile xarray==2026.9.0 pandas==3.1.1 numpy==2.4.6 scipy==1.17.1 pint==0.25.3 pint-xarray==0.6.1 \
  cf-xarray==0.11.3 cftime==1.6.6.1 matplotlib==3.11.2 pooch==1.9.0 pyyaml==6.0.4 tqdm==4.70.1 dask==2026.8.0 loguru==0.7.3 2>/dev/null
export HOME="$work"
cd "$work"
"$work/venv/bin/python" -W ignore - <<'PY'
import sys

import ilamb3
import numpy as np
import xarray as xr
from ilamb3.dataset import integrate_space, shift_lon

print(f"ilamb3 {ilamb3.__version__}, xarray {xr.__version__}")
EARTH = 4 * np.pi * 6.371e6**2


def grid(south_to_north, longitude):
    """1 kg m-2 everywhere on half-degree cells, with bounds in the order of the axis."""
    edges = np.linspace(-90, 90, 361) if south_to_north else np.linspace(90, -90, 361)
    sides = np.linspace(longitude, longitude + 360, 721)
    both = {"lat": edges, "lon": sides}
    data = xr.Dataset({"cSoil": (("lat", "lon"), np.ones((360, 720)), {"units": "kg m-2"})})
    for name, e in both.items():
        units = "degrees_north" if name == "lat" else "degrees_east"
        data[name] = (name, 0.5 * (e[1:] + e[:-1]), {"units": units, "bounds": f"{name}_bnds"})
        data[f"{name}_bnds"] = ((name, "bnds"), np.stack([e[:-1], e[1:]], 1))
    return data


def show(label, data):
    share = float(integrate_space(data, "cSoil")) / EARTH
    mean = float(integrate_space(data, "cSoil", mean=True))
    print(f"{label:40} sum / area of the globe {share:8.4f}   mean {mean:8.4f}")
    return share, mean


def northern_land(data):
    """Land from 60 to 72 degrees north, 70 % of the columns; 10 kg m-2 in the two columns at 180 degrees, 1 elsewhere."""
    east = data.lon % 360
    carbon = xr.where(abs(east - 180) < 0.5, 10.0, 1.0)
    land = (data.lat > 60) & (data.lat < 72) & (east > 54) & (east < 306)
    return data.assign(cSoil=data.cSoil.copy(data=carbon.where(land).transpose("lat", "lon").values))


def with_areas(data):
    area = abs(np.sin(np.deg2rad(data.lat_bnds)).diff("bnds").squeeze("bnds"))
    area = area * np.deg2rad(0.5) * 6.371e6**2 * xr.ones_like(data.lon)
    return data.assign(cell_measures=area.assign_attrs(units="m2").transpose("lat", "lon"))


plain = show("south to north, -180..180", grid(True, -180))
down = show("north to south, -180..180", grid(False, -180))
east = show("south to north, 0..360", grid(True, 0))
shifted = show("south to north, 0..360, then shift_lon", shift_lon(grid(True, 0)))
kept = show("the same with areas of our own", shift_lon(with_areas(grid(True, 0))))
land = show("northern land, 0..360", northern_land(grid(True, 0)))
land_shifted = show("northern land, 0..360, then shift_lon", shift_lon(northern_land(grid(True, 0))))

as_described = (
    np.allclose([plain, east, kept], 1, atol=1e-3)
    and np.allclose(down, (-1, 1), atol=1e-3)
    and abs(shifted[0]) < 0.01
    and np.isclose(land[1], (502 + 20) / 504, atol=0.01)
    and land_shifted[1] > 10
)
print("behaves as described" if as_described else "CHANGED: does not behave as described")
sys.exit(0 if as_described else 1)
PY
