"""Ground of alpine meadow and steppe from stations of the Qinghai-Tibet Plateau, driven by their own temperature at 10 cm.

    python benchmarks/plateau_columns.py DATA

The stations have no air temperature, and half-degree normals are too cold for them, so a fit to them from the air pays in
parameters what is missing in forcing (docs/calibration.md). Here the column begins at 10 cm: its surface has the measured
temperature, no snow lies on it, and what is fitted is the ground alone: conductivity (thawed, frozen) and water of 0.1-0.4 m and
of what lies below. Fitted to 2003-2010; the stations QT09 and Ch01 and all years after 2010 are held out. Heat capacity follows
the water.

Then the upper 10 cm and the surface: conductivity (thawed, frozen) of 0-0.1 m and the summer factor of the surface, from the mean
year of temperature at 10 cm under the half-degree normals. How far a station's air departs from its cell's is a number of its own
at every station (height; normals of the 20th century), so that what tells is the size of the annual wave and not its mean: at
10 cm it is 14 to 22 degC from January to July under meadow and 24 under steppe. QT09 and Ch01 are held out here too (their
departures are fitted).

Prints what ``data/parameters/plateau_columns.toml`` holds and the scores.
"""

from __future__ import annotations

import csv
import dataclasses
import sys
from collections import defaultdict
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from scipy.optimize import least_squares

from jtem.physics import snow, soil_heat

jax.config.update("jax_enable_x64", True)

SITES = {"alpine_meadow": ("QT01", "QT05", "QT09", "Ch01"), "alpine_steppe": ("Ch06",)}
TRANSFERS = {"alpine_steppe": "AYKAL"}  # a desert, which takes the column of steppe: never fitted
HELD_OUT_SITES, LAST_FITTED, YEARS = ("QT09", "Ch01"), 2010, range(2003, 2019)
TOP = 0.1  # m, where the column begins
SPIN_UP = 40  # years of the mean year
ERROR = 0.7  # degC, of a monthly mean: sensors, and a column for all stations
PRIOR = np.log([1.0, 1.5, 0.25, 1.4, 2.0, 0.2])  # conductivity thawed, frozen, water: of 0.1-0.4 m, of what is below
SPREAD = np.array([0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
BOUNDS = np.log([[0.15, 0.2, 0.04, 0.2, 0.3, 0.04], [3.0, 3.5, 0.7, 3.0, 3.5, 0.6]])
DESIGN = soil_heat.ThermalDesign()
TOP_PRIOR = np.log([0.6, 0.9, 1.0])  # conductivity of the upper 10 cm thawed, frozen; summer factor
TOP_SPREAD = np.array([0.5, 0.5, 0.2])
TOP_BOUNDS = np.log([[0.05, 0.06, 0.6], [2.5, 3.0, 1.9]])
DEPARTURE, DEPARTURE_SPREAD = 1.0, 1.5  # degC, of a station's air from its cell's normal


def read(path: Path) -> dict[str, dict[float, np.ndarray]]:
    """Monthly temperature (year, month) of YEARS by site and depth (m), NaN where there is none."""
    series: dict[str, dict[float, np.ndarray]] = defaultdict(dict)
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            depth, year = float(row["depth_cm"]) / 100, int(row["year"])
            if year in YEARS:
                whole = series[row["site"]].setdefault(depth, np.full((len(YEARS), 12), np.nan))
                whole[year - YEARS[0], int(row["month"]) - 1] = float(row["tsoil_degC"])
    return series


def column(x):
    """Properties of the ground below 10 cm from the logarithms of its six numbers."""
    kt1, kf1, w1, kt2, kf2, w2 = jnp.exp(x)
    water = jnp.stack([w1, w1, w2])
    return soil_heat.SoilThermalParameters(
        layer_thickness=jnp.asarray([TOP, 0.4 - 2 * TOP]),
        conductivity_thawed=jnp.stack([kt1, kt1, kt2]),
        conductivity_frozen=jnp.stack([kf1, kf1, kf2]),
        heat_capacity_thawed=1.2 + 4.18 * water,
        heat_capacity_frozen=1.2 + 1.9 * water,
        water_content=water,
        snow_density=jnp.asarray(280.0),
        snow_melt_factor=jnp.asarray(4.0),
        snow_half_cover=jnp.asarray(10.0),
        surface_factor_thaw=jnp.asarray(1.0),
        surface_factor_freeze=jnp.asarray(1.0),
        geothermal_heat_flux=jnp.asarray(0.05),
        freezing_interval=jnp.asarray(0.01),
    )


@jax.jit
def simulate(x, surface):
    """Temperature (year, month, layer) and thaw (m below the column's top) under a surface temperature (year, month)."""
    made = soil_heat.properties(column(x), DESIGN)
    mean = surface.mean(axis=0)
    state = soil_heat.initial_state(mean.mean(), mean[11], made, DESIGN)

    def year(state, months_and_next):
        months, following = months_and_next

        def month(state, now_and_next):
            now, then = now_and_next
            state, out = soil_heat.month(state, now, then, jnp.zeros_like(now), made, cover=snow.cover, design=DESIGN)
            return state, out.temperature

        state, temperature = jax.lax.scan(month, state, (months, jnp.append(months[1:], following)))
        state, thaw, _ = soil_heat.close_year(state, DESIGN)
        return state, (temperature, thaw)

    state, _ = jax.lax.scan(lambda s, _: (year(s, (mean, mean[0]))[0], None), state, None, length=SPIN_UP)
    following = jnp.append(surface[1:, 0], mean[0])
    return jax.lax.scan(year, state, (surface, following))[1]


@jax.jit
def mean_year_at_10cm(top, x, air, snowfall):
    """Temperature (month,) at 10 cm in the year that repeats, of the upper 10 cm ``top`` above the ground ``x``."""
    kt0, kf0, factor = jnp.exp(top)
    ground = column(x)
    row = dataclasses.replace(
        ground,
        layer_thickness=jnp.asarray([TOP, 0.3]),
        conductivity_thawed=ground.conductivity_thawed.at[0].set(kt0),
        conductivity_frozen=ground.conductivity_frozen.at[0].set(kf0),
        surface_factor_thaw=factor,
    )
    made = soil_heat.properties(row, DESIGN)
    state = soil_heat.initial_state(air.mean(), air[11], made, DESIGN)

    def month(state, now):
        state, out = soil_heat.month(state, *now, made, cover=snow.cover, design=DESIGN)
        return state, out.temperature_10cm

    def year(state, _):
        state, found = jax.lax.scan(month, state, (air, jnp.roll(air, -1), snowfall))
        return soil_heat.close_year(state, DESIGN)[0], found

    return jax.lax.scan(year, state, None, length=SPIN_UP)[1][-1]


def normals(folder: Path, data: dict, places: dict) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of every station air temperature (degC) and snowfall (mm) of its cell's normal year, and its own mean year at 10 cm."""
    made = {}
    with xr.open_dataset(folder / "climate_grid" / "climatology_0p5deg.nc") as grid:
        for site, (latitude, longitude) in places.items():
            if TOP not in data[site]:
                continue
            cell = grid.sel(lat=latitude, lon=longitude, method="nearest")
            air = cell["tas"].values.astype(float)
            made[site] = air, np.where(air < -1.0, cell["pr"].values, 0.0), np.nanmean(data[site][TOP], axis=0)
    return made


def transferred(site: str, x, top, year: dict) -> None:
    """How well the mean year at 10 cm of a station that was not fitted is met, at the best departure of its air."""
    air, snowfall, measured = year[site]
    departures = jnp.linspace(-4.0, 8.0, 49)
    many = jax.jit(jax.vmap(mean_year_at_10cm, (None, None, 0, None)))
    for said, upper, ground in (
        ("before", TOP_PRIOR, PRIOR),
        ("ground", np.r_[np.asarray(x)[:2], 0.0], x),
        ("ground and upper 10 cm", top, x),
    ):
        found = many(
            jnp.asarray(upper), jnp.asarray(ground), jnp.asarray(air) + departures[:, None], jnp.asarray(snowfall)
        )
        rmse = np.sqrt(((np.asarray(found) - measured) ** 2).mean(axis=1))
        print(f"  {site}, not fitted, {said}: RMSE {rmse.min():.2f} departure {float(departures[rmse.argmin()]):.1f}")


def fit_top(sites: tuple[str, ...], x, year: dict) -> np.ndarray:
    """The upper 10 cm of a community; prints values, errors and how well the mean year at 10 cm is met; returns logarithms."""
    air, snowfall, measured = (jnp.asarray(np.stack([year[s][k] for s in sites])) for k in range(3))
    fitted = jnp.asarray([0.0 if s in HELD_OUT_SITES else 1.0 for s in sites])

    def modelled(y):
        return jax.vmap(mean_year_at_10cm, (None, None, 0, 0))(y[:3], x, air + y[3:, None], snowfall)

    def misfit(y, weight):
        return ((modelled(y) - measured) * weight[:, None]).ravel()

    def residuals(y, weight):
        departures = (y[3:] - DEPARTURE) / DEPARTURE_SPREAD
        return jnp.concatenate([(y[:3] - TOP_PRIOR) / TOP_SPREAD, departures, misfit(y, weight)])

    function, jacobian = jax.jit(residuals), jax.jit(jax.jacfwd(residuals))
    wide = np.full(len(sites), 8.0)
    bounds = np.r_[TOP_BOUNDS[0], -wide], np.r_[TOP_BOUNDS[1], wide]
    start = np.r_[TOP_PRIOR, np.full(len(sites), DEPARTURE)]

    def solve(begin, weight, held=None):
        """With ``held`` the first three stay: only departures are fitted."""
        low, high = (b.copy() for b in bounds)
        if held is not None:
            low[:3], high[:3] = held - 1e-6, held + 1e-6
        return least_squares(
            lambda y: np.asarray(function(y, weight)), begin, lambda y: np.asarray(jacobian(y, weight)),  # pyright: ignore[reportArgumentType]
            (low, high),
            max_nfev=25,
        )  # fmt: skip

    best = solve(start, fitted)
    error = np.sqrt(np.diag(np.linalg.inv(best.jac.T @ best.jac)))
    for name, value, e in zip(("kt0", "kf0", "n_t"), best.x[:3], error, strict=False):
        print(f"  {name} = {np.exp(value):.4g} (times or over {np.exp(e):.2f})")
    everyone = jnp.ones(len(sites))
    for said, top in (("before", TOP_PRIOR), ("after", best.x[:3])):
        met = solve(np.r_[top, best.x[3:]], everyone, top)
        rmse = np.sqrt((np.asarray(misfit(met.x, everyone)).reshape(len(sites), 12) ** 2).mean(axis=1))
        print(
            f"  {said}: "
            + ", ".join(f"{s} RMSE {r:.2f} departure {d:.1f}" for s, r, d in zip(sites, rmse, met.x[3:], strict=True))
        )
    return best.x[:3]


def filled(top: np.ndarray) -> np.ndarray:
    """The series with the months that lack replaced by the mean of that month."""
    return np.where(np.isfinite(top), top, np.nanmean(top, axis=0))


class Fit:
    """Stations of one community: what was measured where, and what a column gives there."""

    def __init__(self, data: dict, sites: tuple[str, ...]):
        self.sites, self.data = sites, data
        self.surface = jnp.asarray(np.stack([filled(data[s][TOP]) for s in sites]))
        self.depths = [sorted(d for d in data[s] if d > TOP) for s in sites]

    def modelled(self, x):
        """By site (year, month, depth), and thaw below the ground's surface (site, year)."""
        temperature, thaw = jax.vmap(lambda s: simulate(x, s))(self.surface)
        at = lambda t, z: soil_heat.layer_temperature_at(jnp.moveaxis(t, -1, 0), z - TOP, DESIGN)  # noqa: E731
        return [
            jnp.stack([at(t, z) for z in zs], -1) for t, zs in zip(temperature, self.depths, strict=True)
        ], thaw + TOP

    def measured(self, site: int) -> np.ndarray:
        """(year, month, depth); months whose temperature at 10 cm is itself a mean are left out."""
        name = self.sites[site]
        known = np.isfinite(self.data[name][TOP])[..., None]
        return np.where(known, np.stack([self.data[name][z] for z in self.depths[site]], axis=-1), np.nan)

    def chosen(self, site: int, fitted: bool) -> np.ndarray:
        """Which measurements are fitted, or held out."""
        known = np.isfinite(self.measured(site))
        early = (np.asarray(YEARS) <= LAST_FITTED)[:, None, None] & (self.sites[site] not in HELD_OUT_SITES)
        return known & (early if fitted else ~early)

    def residuals(self, x):
        """Weighted misfits and departures from the prior."""
        found, _ = self.modelled(x)
        parts = [(x - PRIOR) / SPREAD]
        for i, values in enumerate(found):
            take = np.nonzero(self.chosen(i, True))
            # a month's error goes on into the next and to the next sensor: about one in six is news
            parts.append((values[take] - self.measured(i)[take]) / ERROR / np.sqrt(6.0))
        return jnp.concatenate(parts)


def score(fit: Fit, x, fitted: bool) -> str:
    """Number, R2, RMSE and bias over all sensors."""
    found, _ = fit.modelled(x)
    takes = [np.nonzero(fit.chosen(i, fitted)) for i in range(len(found))]
    simulated = np.concatenate([np.asarray(v)[t] for v, t in zip(found, takes, strict=True)])
    observed = np.concatenate([fit.measured(i)[t] for i, t in enumerate(takes)])
    error = simulated - observed
    r2 = 1 - (error**2).sum() / ((observed - observed.mean()) ** 2).sum()
    return f"n {error.size}, R2 {r2:.2f}, RMSE {np.sqrt((error**2).mean()):.2f}, bias {error.mean():.2f} degC"


def main(folder: Path) -> None:
    """Fit both communities; print values, standard errors, scores and thaw beside what was measured."""
    data = read(folder / "soil_temperature" / "qtp_monthly.csv")
    thaw: dict[str, list[float]] = defaultdict(list)
    with open(folder / "active_layer" / "qtp_alt_from_temperature.csv", newline="") as file:
        for row in csv.DictReader(file):
            if row["alt_cm"]:
                thaw[row["site"]].append(float(row["alt_cm"]) / 100)
    with open(folder / "soil_temperature" / "qtp_monthly.csv", newline="") as file:
        places = {row["site"]: (float(row["lat"]), float(row["lon"])) for row in csv.DictReader(file)}
    year = normals(folder, data, places)
    for community, sites in SITES.items():
        fit = Fit(data, sites)
        jacobian = jax.jit(jax.jacfwd(fit.residuals))
        residuals = jax.jit(fit.residuals)
        best = least_squares(
            lambda x, r=residuals: np.asarray(r(x)),
            PRIOR,
            lambda x, j=jacobian: np.asarray(j(x)),  # pyright: ignore[reportArgumentType]
            BOUNDS,
            max_nfev=25,
        )
        error = np.sqrt(np.diag(np.linalg.inv(best.jac.T @ best.jac)))
        print(f"{community}: cost {best.cost:.1f} after {best.nfev} runs; {best.message}")
        for name, value, e in zip(("kt1", "kf1", "w1", "kt2", "kf2", "w2"), best.x, error, strict=True):
            print(f"  {name} = {np.exp(value):.4g} (times or over {np.exp(e):.2f})")
        for said, fitted in (("fitted", True), ("held out", False)):
            print(f"  {said}: before {score(fit, PRIOR, fitted)}; after {score(fit, best.x, fitted)}")
        _, found = fit.modelled(jnp.asarray(best.x))
        for site, depths in zip(sites, np.asarray(found), strict=True):
            known = np.isfinite(data[site][TOP]).all(axis=1)
            told = f"{np.mean(thaw[site]):.2f}" if thaw[site] else "-"
            print(f"  thaw at {site}: {depths[known].mean():.2f} m (measured {told} m)")
        top = fit_top(sites, jnp.asarray(best.x), year)
        if community in TRANSFERS:
            transferred(TRANSFERS[community], jnp.asarray(best.x), top, year)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
