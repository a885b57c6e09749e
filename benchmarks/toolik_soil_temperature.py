"""Simulated against measured soil temperature at Toolik Lake, Alaska: the uncalibrated heat model on real climate.

Cell (0, 0) of the 1 km Toolik climate, wet tundra column, 300 years of the mean climate of 1901-1930, then 1901-2015.
Compared by depth with the profile measured 1998-2011 (USDA-NRCS), and with the measured maximum thaw of 71-91 cm.
Two more runs show where the error lies: with air temperature and precipitation of the field station where it has them
(1989-2015), and with snow of 225 instead of 280 kg m-3.

    python benchmarks/toolik_soil_temperature.py --data DIR [--json]

DIR (or the variable JTEM_DATA) holds ``toolik`` and ``soil_temperature``. With --json the last line is one flat JSON
object.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from jtem import parameters, step
from jtem.constants import CARBON_LAYERS
from jtem.physics import radiation, soil_heat
from jtem.state import Cell
from reference_tem6 import DataMissing, HeatSeries, community_row, find_data, heat_series, repeated, scores

FIRST_YEAR, LAST_YEAR = 1901, 2015
MEAN_YEARS = 30  # 1901-1930
SPINUP_YEARS = 300
MEASURED_YEARS = (1998, 2011)
DEPTHS_CM = (8.7, 16.0, 23.6, 31.2, 38.7, 46.3, 61.6, 76.8, 97.8)
MEASURED_MAXIMUM_THAW_CM = (71.0, 91.0)
COMMUNITY = "wet_moist_tundra"
LIGHT_SNOW = 225.0  # kg m-3


def read_measured(folder: Path) -> dict[str, np.ndarray]:
    """Monthly station data by column; NaN where missing."""
    with (folder / "soil_temperature" / "toolik_monthly.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) if row[name] else np.nan for row in rows]) for name in rows[0]}


def read_climate(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Air temperature (degC) and precipitation (mm month-1) of cell (0, 0), all months 1901-2015."""
    with xr.open_dataset(folder / "toolik" / "climate_historic_1901-2015.nc", decode_times=False) as data:
        tas, pr = (data[name].values[:, 0, 0].astype(float) for name in ("tas", "pr"))
        return tas, pr


def read_cell(folder: Path) -> Cell:
    """Texture, elevation and light of cell (0, 0)."""
    with xr.open_dataset(folder / "toolik" / "static.nc") as data:
        first = data.isel(x=0, y=0)
        psi = float(first.pct_silt + first.pct_clay) / 100.0
        elevation, latitude = float(first.elevation), float(first.lat)
    return Cell(
        elevation=jnp.asarray(elevation, jnp.float64),
        silt_clay=jnp.asarray(psi, jnp.float64),
        community=jnp.asarray(0),
        top_of_atmosphere=jnp.asarray(radiation.top_of_atmosphere(np.array([latitude]))[0]),
        soil_carbon_profile=jnp.zeros(CARBON_LAYERS),
    )


def position(measured: dict[str, np.ndarray]) -> np.ndarray:
    """Index of every measured month in the series that starts in January 1901."""
    return ((measured["year"] - FIRST_YEAR) * 12 + measured["month"] - 1).astype(int)


def station_climate(
    measured: dict[str, np.ndarray], air: np.ndarray, precipitation: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The gridded climate with the field station's months where it has both values."""
    air, precipitation = air.copy(), precipitation.copy()
    has = np.isfinite(measured["tfs_ta_degC"]) & np.isfinite(measured["tfs_precip_mm"])
    where = position(measured)[has]
    air[where], precipitation[where] = measured["tfs_ta_degC"][has], measured["tfs_precip_mm"][has]
    return air, precipitation


def simulate(
    air: np.ndarray,
    precipitation: np.ndarray,
    spun_up_on: tuple[np.ndarray, np.ndarray],
    cell: Cell,
    row: step.Parameters,
) -> tuple[HeatSeries, soil_heat.ThermalDesign]:
    """Heat pass from 300 years of the mean climate of 1901-1930 through 1901-2015."""
    design = step.Design(heat_dtype="float64")
    site = step.derive(row, cell, design)
    mean_air, mean_precipitation = (x[: MEAN_YEARS * 12].reshape(-1, 12).mean(axis=0) for x in spun_up_on)
    assert site.thermal is not None and design.thermal is not None
    state = soil_heat.initial_state(
        jnp.asarray(mean_air.mean()), jnp.asarray(mean_air[11]), site.thermal, design.thermal
    )
    cycle = repeated(mean_air, SPINUP_YEARS)
    state, _ = heat_series(state, *cycle, np.tile(mean_precipitation, SPINUP_YEARS), site, design)
    _, series = heat_series(state, air, np.append(air[1:], air[-1]), precipitation, site, design)
    return series, design.thermal


def compare_series(
    series: HeatSeries, design: soil_heat.ThermalDesign, measured: dict[str, np.ndarray]
) -> dict[str, float]:
    """RMSE, bias, R2 (squared correlation) by depth, and maximum thaw of the measured years."""
    result: dict[str, float] = {}
    first, last = MEASURED_YEARS
    in_years = (measured["year"] >= first) & (measured["year"] <= last)
    where = position(measured)
    for depth in DEPTHS_CM:
        truth = measured[f"ts_{depth:g}cm_degC"]
        use = in_years & np.isfinite(truth)
        s = scores(series.temperature_at(depth / 100, design)[where[use]], truth[use])
        name = f"soil_temperature_{depth:g}cm".replace(".", "p")
        result |= {f"{name}_rmse_degC": s["rmse"], f"{name}_bias_degC": s["bias"], f"{name}_r2": s["r"] ** 2}
        result["months_compared"] = float(use.sum())
    shallow = measured["ts_8.7cm_degC"]
    summer = in_years & np.isfinite(shallow) & (measured["month"] >= 6) & (measured["month"] <= 8)
    at_depth = series.temperature_at(0.087, design)[where[summer]]
    result["soil_temperature_8p7cm_june_august_bias_degC"] = scores(at_depth, shallow[summer])["bias"]
    thaw = 100.0 * series.active_layer[first - FIRST_YEAR : last - FIRST_YEAR + 1]
    return result | {
        "maximum_thaw_smallest_cm": float(thaw.min()),
        "maximum_thaw_mean_cm": float(thaw.mean()),
        "maximum_thaw_largest_cm": float(thaw.max()),
    }


def climate_differences(
    measured: dict[str, np.ndarray], air: np.ndarray, precipitation: np.ndarray
) -> dict[str, float]:
    """Gridded climate less station, 1998-2011: evidence on where the error of the soil comes from."""
    first, last = MEASURED_YEARS
    where = position(measured)
    result: dict[str, float] = {}
    for name, key in (("nrcs", "nrcs_ta_degC"), ("tfs", "tfs_ta_degC")):
        use = (measured["year"] >= first) & (measured["year"] <= last) & np.isfinite(measured[key])
        result[f"air_temperature_bias_against_{name}_degC"] = scores(air[where[use]], measured[key][use])["bias"]
    use = (measured["year"] >= first) & (measured["year"] <= last) & np.isfinite(measured["tfs_precip_mm"])
    cold = use & ((measured["month"] >= 10) | (measured["month"] <= 4))
    result["october_april_precipitation_ratio_to_tfs"] = float(
        precipitation[where[cold]].sum() / measured["tfs_precip_mm"][cold].sum()
    )
    return result


def compare(folder: Path) -> dict[str, float]:
    """All numbers: the default run, and ``station_climate_`` and ``snow_225_kg_m3_`` for the other two."""
    measured, gridded, cell = read_measured(folder), read_climate(folder), read_cell(folder)
    default = community_row(COMMUNITY)
    light_snow = parameters.Handle.of("soil_thermal.snow_density").put(default, jnp.asarray(LIGHT_SNOW))
    runs = {
        "": (gridded, default),
        "station_climate_": (station_climate(measured, *gridded), default),
        "snow_225_kg_m3_": (gridded, light_snow),
    }
    result: dict[str, float] = {}
    for prefix, (climate, row) in runs.items():
        series, design = simulate(*climate, gridded, cell, row)
        numbers = compare_series(series, design, measured)
        result |= {f"{prefix}{name}": value for name, value in numbers.items()}
    return result | climate_differences(measured, *gridded)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, help="folder that holds toolik/ and soil_temperature/ (default: JTEM_DATA)"
    )
    parser.add_argument("--json", action="store_true", help="print one flat JSON object as the last line")
    arguments = parser.parse_args()
    try:
        folder = find_data(arguments.data, "toolik")
        find_data(folder, "soil_temperature")
    except DataMissing as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    jax.config.update("jax_enable_x64", True)
    numbers = compare(folder)
    low, high = MEASURED_MAXIMUM_THAW_CM
    for name, value in numbers.items():
        print(f"{name:60s} {value:9.3f}")
    print(f"measured maximum thaw {low:.0f}-{high:.0f} cm")
    if arguments.json:
        print(json.dumps({name: float(f"{value:.6g}") for name, value in numbers.items()}))


if __name__ == "__main__":
    main()
