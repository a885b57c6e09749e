"""Compare jtem, process by process, with the original TEM 6.0.6c at Bonanza Creek, Alaska (boreal forest).

Every function of jtem gets the file's own inputs, parameters and states of the month, so that an error is that of one
process alone. Where TEM 6 uses another form than the papers (docs/validation.md), that form is written here and enters
through the same function slots; the model itself keeps the papers' forms. All in float64.

    python benchmarks/reference_tem6.py --data DIR [--json]

DIR (or the variable JTEM_DATA) holds the folder ``tem_reference``. With --json the last line is one flat JSON object.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from jtem import parameters as parameter_table
from jtem import step
from jtem.constants import CARBON_LAYERS, DAYS_IN_MONTH
from jtem.files import data_path
from jtem.physics import (
    decomposition,
    litter,
    permafrost,
    phenology,
    photosynthesis,
    radiation,
    respiration,
    water,
)
from jtem.physics import soil_heat as ground_heat
from jtem.state import Cell, Forcing

SITE = "tem606_bnz_boreal_forest"
HISTORY_YEARS = 115  # 1901-2015
CYCLE_YEARS = 40  # 1901-1940, repeated three times before the history
EQUILIBRIUM_YEARS = 300
KAPPA = 9.648  # month-1 times C:N scale of TEM 6's maintenance respiration: k = rmmax cneven / 9.648
TEM6_RADIATION_UNIT = 0.4845  # W m-2 per cal cm-2 d-1, as TEM 6 rounds it
DEPTHS_CM = (10, 20, 50, 100)


class DataMissing(FileNotFoundError):
    """The data folder lacks what the comparison needs."""


# --- reading -------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Reference:
    """One run of TEM 6.0.6c: monthly variables, state before its first January, parameters."""

    monthly: dict[str, np.ndarray]
    state: dict
    parameters: dict
    equilibrium_air_temperature: np.ndarray
    equilibrium_precipitation: np.ndarray

    def __getitem__(self, name: str) -> np.ndarray:
        return self.monthly[name]

    @property
    def months(self) -> int:
        """Number of months."""
        return self.monthly["PET"].size

    @property
    def days(self) -> np.ndarray:
        """Days of every month."""
        return np.tile(DAYS_IN_MONTH, self.months // 12)

    @property
    def co2(self) -> np.ndarray:
        """CO2 (ppm) of every month: TEM 6 takes the yearly value as that of July and interpolates between Julys."""
        july = np.arange(self.months // 12) * 12 + 6
        return np.interp(np.arange(self.months), july, self.monthly["in_co2"])

    @property
    def thawed_root_depth(self) -> np.ndarray:
        """ACTLAYER (m); where it is the rooting depth to the file's five digits, just above it: fully thawed.

        The accessible share jumps there from A/(B + 1) = 0.989 to 1, so that the last digit decides over 1.1 %.
        """
        root, depth = self.rooting_depth, self.monthly["ACTLAYER"]
        return np.where(depth > root * (1.0 - 1e-5), root * (1.0 + 1e-5), depth)

    @property
    def rooting_depth(self) -> float:
        """Rooting depth (m) of the file."""
        return self.parameters["derived_for_this_site"]["rootz_m"]

    def before(self, name: str, first: float) -> np.ndarray:
        """The variable of the month before."""
        return np.concatenate([[first], self.monthly[name][:-1]])

    def last_year(self, name: str, first: float, how) -> np.ndarray:
        """A yearly value (``np.max``, ``np.sum``) of the year before, repeated in every month."""
        yearly = how(self.monthly[name].reshape(-1, 12), axis=1)
        return np.concatenate([[first], yearly[:-1]]).repeat(12)


def find_data(argument: Path | None, needed: str) -> Path:
    """The data folder from ``--data`` or JTEM_DATA; raises :class:`DataMissing` with one sentence."""
    folder = argument or (Path(os.environ["JTEM_DATA"]) if os.environ.get("JTEM_DATA") else None)
    if folder is None:
        raise DataMissing(f"no data folder given; pass --data DIR or set JTEM_DATA to the folder that holds '{needed}'")
    if not (folder / needed).exists():
        raise DataMissing(f"{folder} has no '{needed}'; pass the folder that holds it with --data DIR or JTEM_DATA")
    return folder


def read(folder: Path, variant: str = "ref") -> Reference:
    """Read one variant ("ref", "nostm", "nonfeed") of the TEM 6.0.6c run."""
    stem = folder / "tem_reference"
    with xr.open_dataset(stem / f"{SITE}_{variant}.nc") as data:
        months = data.sizes["time"]
        monthly = {str(n): data.monthly.values[i].astype(float) for i, n in enumerate(data["variable"].values)}
        for name in ("in_tair", "in_prec", "in_nirr", "clm_PAR", "clm_GIRR", "clm_CLDINESS"):
            monthly[name] = data[name].values.astype(float)[:months]
        monthly["in_co2"] = data["in_co2"].values.astype(float)
        equilibrium = [data[name].values.astype(float) for name in ("in_tair_eq", "in_prec_eq")]
    state = json.loads((stem / f"{SITE}_{variant}_state_end1900.json").read_text())
    parameters = json.loads((stem / f"{SITE}_parameters.json").read_text())
    return Reference(monthly, state, parameters, *equilibrium)


def community_row(name: str) -> step.Parameters:
    """Default parameters of one community in float64."""
    table = parameter_table.read_table(step.Parameters, [data_path("parameters", "defaults.toml")])
    return step.select_community(parameter_table.build(step.Parameters, table), table.index(name))


def tem6_values(reference: Reference) -> dict[str, float]:
    """Site, vegetation, leaf and rooting parameters of the file in one dictionary."""
    blocks = reference.parameters["parameters"]
    return {**blocks["siteECD"], **blocks["leafECD"], **blocks["rootzECD"], **blocks["vegECD"]}


def tem6_parameters(reference: Reference) -> step.Parameters:
    """Parameters of jtem with every value that the TEM 6 file gives; the rest is the default boreal forest."""
    row, e = community_row("boreal_forest"), tem6_values(reference)
    texture, blocks = reference.parameters["soil_texture_regression"], reference.parameters["parameters"]
    microbes, layers = blocks["microbeECD"], blocks["soilLayerECD"]
    psi = reference.parameters["derived_for_this_site"]["psiplusc"]

    def with_values(branch, **values):
        return dataclasses.replace(branch, **{k: jnp.asarray(v, jnp.float64) for k, v in values.items()})

    def branch(stem: str, cut: str):
        return "1" if psi <= e[cut] else "2"

    def layered(name: str, count: int = 5, scale: float = 1.0):
        return [layers[f"{name}{i}"] * scale for i in range(1, count + 1)]

    cmax, kd = branch("vegcmax", "vegcmaxcut"), branch("microbekd", "microbekdcut")
    return dataclasses.replace(
        row,
        water=with_values(
            row.water,
            porosity_slope=texture["pctpora"],
            porosity_intercept=texture["pctporb"],
            field_capacity_slope=texture["fldcapa"],
            field_capacity_intercept=texture["fldcapb"],
            wilting_point_slope=texture["wiltpta"],
            wilting_point_intercept=texture["wiltptb"],
            rooting_depth_quadratic=e["rootza"],
            rooting_depth_linear=e["rootzb"],
            rooting_depth_constant=e["rootzc"],
            rooting_depth_minimum=e["minrootz"],
        ),
        phenology=with_values(
            row.phenology,
            leaf_minimum=e["minleaf"],
            leaf_evapotranspiration_slope=e["aleaf"],
            leaf_memory=e["bleaf"],
            leaf_offset=e["cleaf"],
            leaf_carbon_maximum=e["leafmxc"],
            leaf_carbon_coefficient=e["kleafc"],
            leaf_carbon_shape=e["cov"],
            specific_leaf_area=e["sla"],
        ),
        photosynthesis=with_values(
            row.photosynthesis,
            maximum_rate_co2_slope=0.0,
            maximum_rate_co2_intercept=0.0,
            maximum_rate_slope=e[f"vegcmax{cmax}a"],
            maximum_rate_intercept=e[f"vegcmax{cmax}b"],
            co2_half_saturation=e["kc"],
            light_half_saturation=e["ki"],
            temperature_minimum=e["tmin"],
            temperature_optimum_minimum=e["toptmin"],
            temperature_optimum_maximum=e["toptmax"],
            temperature_maximum=e["tmax"],
        ),
        litter=with_values(row.litter, carbon_rate=e["vegcfall"], nitrogen_rate=e["vegnfall"]),
        decomposition=with_values(
            row.decomposition,
            rate_slope=e[f"microbekd{kd}a"],
            rate_intercept=e[f"microbekd{kd}b"],
            moisture_minimum=microbes["moistmin"],
            moisture_optimum=microbes["moistopt"],
            moisture_maximum=microbes["moistmax"],
            litter_cn_reference=e["veglcclnc"],
            litter_to_soil_fraction=e["microbepropftos"],
            soil_cn=e["microbecnsoil"],
        ),
        permafrost=with_values(
            row.permafrost,
            tem6_share_maximum=e["soilpropReactA"],
            tem6_share_half=e["soilpropReactB"],
            minimum_active_layer=0.0,  # TEM 6 has its own floor, 0.1 mm, in the file's ACTLAYER
        ),
        soil_thermal=with_values(
            row.soil_thermal,
            layer_thickness=layered("THICK", 4),
            conductivity_thawed=layered("cond"),
            conductivity_frozen=layered("condf"),
            heat_capacity_thawed=layered("spht", scale=1e-3),
            heat_capacity_frozen=layered("sphf", scale=1e-3),
            water_content=layered("WATER"),
        ),
    )


def tem6_cell(reference: Reference) -> Cell:
    """Bonanza Creek as jtem sees it."""
    site = reference.parameters["site"]
    return Cell(
        elevation=jnp.asarray(site["elev"], jnp.float64),
        silt_clay=jnp.asarray(reference.parameters["derived_for_this_site"]["psiplusc"], jnp.float64),
        community=jnp.asarray(0),
        top_of_atmosphere=jnp.asarray(radiation.top_of_atmosphere(np.array([site["lat"]]))[0]),
        soil_carbon_profile=jnp.zeros(CARBON_LAYERS),
    )


# --- TEM 6's own forms: never in the model ---------------------------------------------------------------------------


def tem6_temperature(temperature, p: dict):
    """``h = q^((T-Tref)/10)/(1 + exp(beta-T) + exp(T-gamma))``, ``q = qref exp(-alpha (T-Tref))`` (TEM 6.0.6c)."""
    q10 = p["qref"] * jnp.exp(-p["alpha"] * (temperature - p["tref"]))
    bounds = 1.0 + jnp.exp(p["beta"] - temperature) + jnp.exp(temperature - p["gamma"])
    return q10 ** ((temperature - p["tref"]) / 10.0) / bounds


def tem6_maintenance(air_temperature, p: dict):
    """Function for the slot ``maintenance_respiration``: ``Rm = rmmax C_V/(k + C_V) h(T)``, saturating in C_V."""
    half = p["vegrmmax"] * p["veginitcneven"] / KAPPA

    def maintenance(vegetation_carbon, _temperature_factor, _parameters):
        return p["vegrmmax"] * vegetation_carbon / (half + vegetation_carbon) * tem6_temperature(air_temperature, p)

    return maintenance


def tem6_decomposition(p: dict):
    """Function for the slot ``decomposition_temperature``: TEM 6's h(TSOIL), rate constant at 25 degC."""

    def response(soil_temperature, _sensitivity):
        return tem6_temperature(soil_temperature, p)

    return response


def tem6_evapotranspiration(unreduced, vegetation_carbon, p: phenology.PhenologyParameters, share: float):
    """``EET = INEET ((1-p) + p f(fol))``: TEM 6 lets foliage reduce evapotranspiration."""
    return unreduced * (1.0 - share + share * phenology.foliage(vegetation_carbon, p))


# --- measures ------------------------------------------------------------------------------------------------------


class Measured(NamedTuple):
    """Relative error against the file where its value is above the floor."""

    p95_percent: float
    max_percent: float
    months: int
    floor: float


def relative(ours, theirs, floor: float, where=None) -> Measured:
    """95th percentile and largest relative error (percent) of the months whose file value exceeds ``floor``."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    use = np.abs(theirs) > floor
    if where is not None:
        use &= where
    error = 100.0 * np.abs(ours[use] / theirs[use] - 1.0)
    return Measured(float(np.percentile(error, 95)), float(error.max()), int(use.sum()), floor)


def scores(ours, theirs) -> dict[str, float]:
    """RMSE, bias and correlation."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    return {
        "rmse": float(np.sqrt(np.mean((ours - theirs) ** 2))),
        "bias": float(np.mean(ours - theirs)),
        "r": float(np.corrcoef(ours, theirs)[0, 1]),
    }


def over_months(function, *series) -> np.ndarray:
    """Apply a one-month function to every month."""
    arrays = [jnp.asarray(np.asarray(s, dtype=np.float64)) for s in series]
    return jax.tree.map(np.asarray, jax.jit(jax.vmap(function))(*arrays))


# --- the processes ---------------------------------------------------------------------------------------------------


def derived_parameters(reference: Reference) -> dict[str, Measured]:
    """Parameters at the cell against those that TEM 6 derived from texture."""
    p, cell, theirs = tem6_parameters(reference), tem6_cell(reference), reference.parameters["derived_for_this_site"]
    soil = water.hydraulics(cell.silt_clay, p.water)
    pairs = {
        "rooting_depth": (soil.rooting_depth, theirs["rootz_m"]),
        "porosity": (100 * soil.porosity, theirs["porosity_pct"]),
        "field_capacity": (100 * soil.field_capacity, theirs["field_capacity_pct"]),
        "wilting_point": (100 * soil.wilting_point, theirs["wilting_point_pct"]),
        "maximum_photosynthesis": (photosynthesis.maximum_rate(cell.silt_clay, p.photosynthesis), theirs["cmax"]),
        "decomposition_rate": (decomposition.rate_at_0C(cell.silt_clay, p.decomposition), theirs["kdc"]),
        "decay": (decomposition.decay(p.decomposition), theirs["decay"]),
    }
    return {name: relative(np.atleast_1d(ours), np.atleast_1d(file), 0.0) for name, (ours, file) in pairs.items()}


def light(reference: Reference) -> dict[str, np.ndarray]:
    """Radiation (cal cm-2 d-1), cloudiness (%) and PAR of every month from the file's irradiance."""
    p, cell = tem6_parameters(reference).radiation, tem6_cell(reference)
    top = np.tile(np.asarray(cell.top_of_atmosphere), reference.months // 12)
    nirr = over_months(radiation.tem_radiation, reference["in_nirr"])
    cloud = over_months(lambda n, g: radiation.cloudiness(n, g, p), nirr, top)
    par = over_months(lambda n, c: radiation.photosynthetic_radiation(n, c, p), nirr, cloud)
    return {"nirr": nirr, "top": top, "cloud": cloud, "par": par}


def optimum_temperatures(reference: Reference) -> tuple[np.ndarray, np.ndarray]:
    """Topt of every month: with the file's leaf (its states), and with jtem's phenology left free for all years.

    The first gives ``phenology.month`` the EET that yields the file's leaf: jtem's own bookkeeping chooses the month.
    """
    p, s, f = tem6_parameters(reference), reference.state, reference
    largest = f.last_year("EET", s["prveetmx"], np.max)
    leaf_before = f.before("UNRMLEAF", s["prevunrmleaf"])
    free_part = f["UNRMLEAF"] - np.asarray(p.phenology.leaf_memory) * leaf_before - np.asarray(p.phenology.leaf_offset)
    implied = free_part / np.asarray(p.phenology.leaf_evapotranspiration_slope) * largest
    implied = implied * (1.0 + 1e-9)  # a leaf at its cap of 1 in two months must be a tie, not rounding

    def number(x):
        return jnp.asarray(x, jnp.float64)

    start = phenology.PhenologyMemory(
        leaf=number(s["prevunrmleaf"]),
        year_maximum_evapotranspiration=number(0.0),
        year_maximum_leaf=number(-1.0),
        year_temperature_at_maximum_leaf=number(-1e3),
        last_maximum_evapotranspiration=number(s["prveetmx"]),
        last_maximum_leaf=number(s["prvleafmx"]),
        optimum_temperature=number(s["topt"]),
    )

    def one_year(memory, inputs):
        eet, air, last_maximum = inputs
        memory = dataclasses.replace(memory, last_maximum_evapotranspiration=last_maximum)
        optimum = memory.optimum_temperature
        memory, _ = jax.lax.scan(lambda m, x: phenology.month(m, x[0], x[1], p.phenology), memory, (eet, air))
        closed = phenology.close_year(
            memory, p.photosynthesis.temperature_optimum_minimum, p.photosynthesis.temperature_optimum_maximum
        )
        return closed, optimum

    def by_year(x):
        return jnp.asarray(np.asarray(x, dtype=np.float64).reshape(-1, 12))

    maxima = jnp.asarray(largest[::12])
    _, fed = jax.lax.scan(one_year, start, (by_year(implied), by_year(f["in_tair"]), maxima))
    _, free = jax.lax.scan(one_year, start, (by_year(f["EET"]), by_year(f["in_tair"]), maxima))
    return np.asarray(fed).repeat(12), np.asarray(free).repeat(12)


def inferred_optimum(reference: Reference, without_temperature, air, p) -> tuple[np.ndarray, np.ndarray]:
    """Topt that the file's VEGINGPP implies (f_T solved for it), and where that is well conditioned."""
    f = reference["VEGINGPP"] / np.where(without_temperature > 0, without_temperature, np.inf)
    product = (air - float(p.temperature_minimum)) * (air - float(p.temperature_maximum))
    good = (reference["VEGINGPP"] > 1.0) & (f > 0.05) & (f < 0.95) & (air > 0.0)
    distance = np.sqrt(np.maximum(product * (1.0 - 1.0 / np.where(good, f, 1.0)), 0.0))
    return air + distance, good & (distance > 5.0)


def leaves(reference: Reference) -> tuple[np.ndarray, np.ndarray]:
    """Unnormalized and relative leaf of every month from the file's EET, leaf and yearly maxima."""
    p, s, f = tem6_parameters(reference).phenology, reference.state, reference
    leaf = over_months(
        lambda eet, last, before: phenology.unnormalized_leaf(eet, last, before, p),
        f["EET"],
        f.last_year("EET", s["prveetmx"], np.max),
        f.before("UNRMLEAF", s["prevunrmleaf"]),
    )
    relative_leaf = over_months(
        lambda value, last: phenology.relative_leaf(value, last, p),
        f["UNRMLEAF"],
        f.last_year("UNRMLEAF", s["prvleafmx"], np.max),
    )
    return leaf, relative_leaf


def processes(reference: Reference) -> dict[str, Measured]:
    """Each process of jtem alone, fed with the file's inputs and states."""
    p, s, f = tem6_parameters(reference), reference.state, reference
    cell, sun = tem6_cell(reference), light(reference)
    air, days = f["in_tair"], f.days
    elevation = cell.elevation
    result: dict[str, Measured] = {}

    pet = over_months(
        lambda t, n, d: radiation.potential_evapotranspiration(t, n, d, p.radiation), air, sun["nirr"], days
    )
    result["top_of_atmosphere"] = relative(sun["top"] * TEM6_RADIATION_UNIT, f["clm_GIRR"], 1.0)
    result["cloudiness"] = relative(sun["cloud"], f["clm_CLDINESS"], 1.0)
    result["photosynthetic_radiation"] = relative(sun["par"] * TEM6_RADIATION_UNIT, f["clm_PAR"], 1.0)
    result["potential_evapotranspiration"] = relative(pet, f["PET"], 1.0)

    pack_before, air_before = f.before("SNOWPACK", s["prevspack"]), f.before("in_tair", s["prevtair"])
    snow, rain = over_months(lambda pr, t: water.snowfall_and_rain(pr, t, p.water), f["in_prec"], air)
    melt = over_months(
        lambda pack, t, before: water.snowmelt(pack, t, before, elevation, p.water), pack_before, air, air_before
    )
    snow_in_file = f["SNOWPACK"] - pack_before + f["SNOWINF"]
    result["snowfall"] = relative(snow, snow_in_file, 1.0)
    result["rain"] = relative(rain, f["in_prec"] - snow_in_file, 1.0)
    result["snowmelt"] = relative(melt, f["SNOWINF"], 1.0)
    result["snowpack"] = relative(pack_before + snow - melt, f["SNOWPACK"], 1.0)

    carbon_before = f.before("VEGC", s["pools"]["VEGC"])
    carbon = 0.5 * (carbon_before + f["VEGC"])
    foliage = over_months(lambda c: phenology.foliage(c, p.phenology), carbon)
    share = tem6_values(f)["proptrans"]
    foliage_in_file = (f["EET"] / f["INEET"] - (1.0 - share)) / share
    result["foliage"] = relative(foliage, foliage_in_file, 0.01, where=f["INEET"] > 1.0)

    leaf, relative_leaf = leaves(reference)
    result["unnormalized_leaf"] = relative(leaf, f["UNRMLEAF"], 0.01)
    result["relative_leaf"] = relative(relative_leaf, f["LEAF"], 0.01)

    fed_optimum, _ = optimum_temperatures(reference)

    def gpp(optimum, leaf_, foliage_):
        return (
            over_months(
                lambda co2, eet, pet_, par, t, top_, lf, thaw: photosynthesis.climate_limited_rate(
                    cmax=photosynthesis.maximum_rate(cell.silt_clay, p.photosynthesis),
                    co2=co2,
                    evapotranspiration=eet,
                    potential_evapotranspiration=pet_,
                    photosynthetic_radiation=par,
                    air_temperature=t,
                    optimum_temperature=top_,
                    relative_leaf=lf,
                    thawed_share=thaw,
                    p=p.photosynthesis,
                ),
                f.co2,
                f["EET"],
                f["PET"],
                sun["par"],
                air,
                optimum,
                leaf_,
                f["THAWPCT"],
            )
            * foliage_
        )

    potential = gpp(fed_optimum, relative_leaf, foliage)
    result["potential_gpp"] = relative(potential, f["VEGINGPP"], 1.0)
    f_t = over_months(lambda t, top_: photosynthesis.temperature_response(t, top_, p.photosynthesis), air, fed_optimum)
    with_file_leaf = gpp(fed_optimum, f["LEAF"], foliage)
    implied, good = inferred_optimum(f, with_file_leaf / np.where(f_t > 0, f_t, np.inf), air, p.photosynthesis)
    result["optimum_temperature"] = relative(fed_optimum, implied, 1.0, where=good & (fed_optimum - air > 5.0))

    result["litterfall"] = relative(
        over_months(lambda c: c * litter.loss_rate(p.litter.carbon_rate, 1e-3), carbon), f["LTRFALC"], 0.01
    )
    growth = over_months(
        lambda g, m: respiration.growth(g, m, p.respiration.growth_fraction), f["VEGINGPP"], f["RVMAINT"]
    )
    result["npp_without_nitrogen_limitation"] = relative(f["VEGINGPP"] - f["RVMAINT"] - growth, f["VEGINNPP"], 1.0)
    return result


def freeze_thaw_share_piecewise(previous: jax.Array, current: jax.Array, following: jax.Array) -> jax.Array:
    """Thawed share of a month from the 10 cm temperatures (degC) of three months, by the case table of TEM 6.

    Mean of the three over a number that depends on their signs (previous, current, following), clipped to [0, 1].
    Discontinuous: for comparison with TEM only; the model uses the monthly thawed fraction of the top layer.
    """
    before, now, after = previous > 0, current > 0, following > 0
    divisor = jnp.select(
        [
            before & ~now & after,
            before & now & ~after,
            ~before & now & after,
            ~before & ~now & after,
            before & ~now & ~after,
            ~before & now & ~after,
        ],
        [jnp.full_like(current, number) for number in (3.0, 4.0, 6.0, 5.0, 4.0, 3.0)],
        jnp.ones_like(current),
    )
    share = jnp.clip((previous + current + following) / 3.0 / divisor, 0.0, 1.0)
    share = jnp.where(before & now & after, jnp.ones_like(share), share)
    return jnp.where(before | now | after, share, jnp.zeros_like(share))


def thawed_share_from_soil_temperatures(previous: jax.Array, current: jax.Array, following: jax.Array) -> jax.Array:
    """Thawed share of a month from a series of monthly soil temperatures only: exact share of the month above 0 degC of the
    straight lines through the month means, ``(h(E1, T) + h(T, E2))/2``, ``h(a, b) = (a+ + b+)/(|a| + |b| + 1e-6)``.
    """

    def share(a, b):
        return (jnp.maximum(a, 0.0) + jnp.maximum(b, 0.0)) / (jnp.abs(a) + jnp.abs(b) + 1e-6)

    start, end = 0.5 * (previous + current), 0.5 * (current + following)
    return 0.5 * (share(start, current) + share(current, end))


def tem6_forms(reference: Reference) -> dict[str, Measured]:
    """TEM 6's own forms through jtem's slots and functions, against the file: the composition is the same."""
    p, s, f = tem6_parameters(reference), reference.state, reference
    values, microbes = tem6_values(f), f.parameters["parameters"]["microbeECD"]
    result: dict[str, Measured] = {}

    carbon_before = f.before("VEGC", s["pools"]["VEGC"])
    carbon = 0.5 * (carbon_before + f["VEGC"])
    result["tem6_maintenance_respiration"] = relative(
        over_months(lambda c, t: tem6_maintenance(t, values)(c, None, None), carbon, f["in_tair"]), f["RVMAINT"], 0.5
    )
    result["tem6_evapotranspiration_reduction"] = relative(
        over_months(lambda e, c: tem6_evapotranspiration(e, c, p.phenology, values["proptrans"]), f["INEET"], carbon),
        f["EET"],
        0.1,
    )
    dst10 = f["DST10"]
    one_year_ago = np.concatenate([s["dst10"], dst10])[1 : f.months + 1]  # the following calendar month, a year earlier
    thaw = over_months(freeze_thaw_share_piecewise, f.before("DST10", s["prevdst10"]), dst10, one_year_ago)
    result["tem6_thawed_share"] = relative(thaw, f["THAWPCT"], 0.01)

    month = carbon_months(f, p)
    result["tem6_decomposition_in_month"] = relative(month.heterotrophic_respiration, f["CDECOMP"], 1.0)
    result["tem6_maintenance_in_month"] = relative(month.maintenance_respiration, f["RVMAINT"], 0.5)
    result["potential_gpp_in_month"] = relative(month.potential_gross_primary_production, f["VEGINGPP"], 1.0)
    result["litterfall_in_month"] = relative(month.litterfall_carbon, f["LTRFALC"], 0.01)

    soil = 0.5 * (f.before("SOILORGC", s["pools"]["SOILORGC"]) + f["SOILORGC"])
    moisture = 0.5 * (f.before("VSM", s["pools"]["SMOIST"] / 1000 / f.rooting_depth) + f["VSM"])
    d = p.decomposition
    product = over_months(
        lambda kd, c, a, m, t: (
            kd
            * c
            * _access(a, f, p).carbon
            * decomposition.moisture_response(m, d.moisture_minimum, d.moisture_optimum, d.moisture_maximum)
            * tem6_temperature(t, microbes)
        ),
        litter_quality(f, p),
        soil,
        f.thawed_root_depth,
        moisture,
        f["TSOIL"],
    )
    result["tem6_decomposition"] = relative(product, f["CDECOMP"], 1.0)
    return result


def _access(active_layer, reference: Reference, p: step.Parameters) -> permafrost.Access:
    """The share of soil carbon that decomposes, by jtem's scheme ``tem6`` with the month's thawed depth."""
    root = jnp.asarray(reference.rooting_depth, jnp.float64)
    return permafrost.TEM6.access(permafrost.empty_store(0, active_layer), root, p.permafrost)


def litter_quality(reference: Reference, p: step.Parameters) -> np.ndarray:
    """Kd of every month from last year's litter of the file (first year: the state's litter)."""
    s, f = reference.state, reference
    base = decomposition.rate_at_0C(tem6_cell(f).silt_clay, p.decomposition)
    return over_months(
        lambda c, n: decomposition.litter_quality_rate(base, c, n, p.decomposition),
        f.last_year("LTRFALC", s["yrltrfalc"], np.sum),
        f.last_year("LTRFALN", s["yrltrfaln"], np.sum),
    )


def carbon_months(reference: Reference, p: step.Parameters) -> step.CarbonMonth:
    """``step.carbon_month`` with TEM 6's forms in its slots, every month started from the file's own states."""
    s, f, cell = reference.state, reference, tem6_cell(reference)
    values, microbes = tem6_values(f), f.parameters["parameters"]["microbeECD"]
    design = step.Design(permafrost=permafrost.TEM6, heat_dtype="float64")
    site = step.derive(p, cell, design)
    pools = s["pools"]
    optimum, _ = optimum_temperatures(f)
    series = {
        "VEGC": f.before("VEGC", pools["VEGC"]),
        "VSTRUCTN": f.before("VSTRUCTN", pools["VSTRUCTN"]),
        "VSTOREN": f.before("VSTOREN", pools["VSTOREN"]),
        "SOILORGC": f.before("SOILORGC", pools["SOILORGC"]),
        "SOILORGN": f.before("SOILORGN", pools["SOILORGN"]),
        "AVAILN": f.before("AVAILN", pools["SOILNH4"] + pools["SOILNO3"]),
        "leaf": f.before("UNRMLEAF", s["prevunrmleaf"]),
        "last_eet": f.last_year("EET", s["prveetmx"], np.max),
        "last_leaf": f.last_year("UNRMLEAF", s["prvleafmx"], np.max),
        "optimum": optimum,
        "kd": litter_quality(f, p),
        "moisture": 0.5 * (f.before("VSM", pools["SMOIST"] / 1000 / f.rooting_depth) + f["VSM"]),
        "co2": f.co2,
        "top": light(f)["top"],
        "days": f.days,
        "ACTLAYER": f.thawed_root_depth,
        **{n: f[n] for n in ("in_tair", "in_prec", "in_nirr", "EET", "PET", "THAWPCT", "TSOIL")},
    }

    def one(x):
        zero = jnp.zeros_like(x["VEGC"])
        memory = phenology.PhenologyMemory(
            leaf=x["leaf"],
            year_maximum_evapotranspiration=zero,
            year_maximum_leaf=zero,
            year_temperature_at_maximum_leaf=zero,
            last_maximum_evapotranspiration=x["last_eet"],
            last_maximum_leaf=x["last_leaf"],
            optimum_temperature=x["optimum"],
        )
        state = step.CarbonState(
            vegetation_carbon=x["VEGC"],
            structural_nitrogen=x["VSTRUCTN"],
            labile_nitrogen=x["VSTOREN"],
            soil=permafrost.ActivePools(x["SOILORGC"], x["SOILORGN"], x["AVAILN"]),
            store=permafrost.empty_store(0, x["ACTLAYER"]),
            phenology=memory,
            decomposition_rate=x["kd"],
            vegetation_cn=zero + values["vegc2nb"],
            production_cn=zero + s["cneven"],
            year_litter_carbon=zero,
            year_litter_nitrogen=zero,
            year_evapotranspiration=zero,
            year_potential_evapotranspiration=zero,
        )
        forcing = Forcing(
            air_temperature=x["in_tair"],
            next_air_temperature=x["in_tair"],
            precipitation=x["in_prec"],
            shortwave_radiation=x["in_nirr"],
            top_of_atmosphere=x["top"],
            co2=x["co2"],
            nitrogen_input=zero,
            days=x["days"],
        )
        layers = {name: jnp.zeros((design.thermal.layers,)) for name in ("soil_temperature", "thawed_fraction")}
        scalars = {field.name: zero for field in dataclasses.fields(step.HeatMonth)}
        heat = step.HeatMonth(**(scalars | layers))
        heat = dataclasses.replace(heat, freeze_thaw_factor=x["THAWPCT"], surface_soil_temperature=x["TSOIL"])
        moist = water.WaterMonth(**{field.name: zero for field in dataclasses.fields(water.WaterMonth)})
        moist = dataclasses.replace(
            moist,
            evapotranspiration=x["EET"],
            potential_evapotranspiration=x["PET"],
            volumetric_moisture_mean=x["moisture"],
            soil_water_mean=x["moisture"] * 1000.0 * f.rooting_depth,
        )
        with_tem6 = dataclasses.replace(
            design,
            processes=step.Processes(
                maintenance_respiration=tem6_maintenance(x["in_tair"], values),
                decomposition_temperature=tem6_decomposition(microbes),
            ),
        )
        return step.carbon_month(state, forcing, heat, moist, site, with_tem6)[1]

    return jax.jit(jax.vmap(one))(jax.tree.map(jnp.asarray, series))


# --- water -----------------------------------------------------------------------------------------------------------


def evapotranspiration(reference: Reference, thawed_depth: np.ndarray, *, stores_of: str) -> dict[str, float]:
    """EET of jtem's bucket against TEM 6's EET before its foliage reduction, 1901-2015, with a given thawed depth (m).

    ``stores_of``: "run" (jtem's own for all years), "month_start" or "month_middle" (the file's, every month anew). PET
    is the file's. TEM 6 integrates the bucket within the month, which the stores of mid-month imitate.
    """
    p, s, f, cell = tem6_parameters(reference), reference.state, reference, tem6_cell(reference)
    soil = water.hydraulics(cell.silt_clay, p.water)
    count = thawed_depth.size

    def one(stores, x):
        warmth, rain_and_snow = x["in_tair"], x["in_prec"]
        snowfall, rain = water.snowfall_and_rain(rain_and_snow, warmth, p.water)
        melt = water.snowmelt(stores.snowpack, warmth, stores.previous_air_temperature, cell.elevation, p.water)
        available, capacity = water.available_water(stores.soil_water, x["thaw"], soil, p.water)
        evaporated = water.evapotranspiration(rain + melt, x["PET"], available, capacity, x["days"], p.water)
        return water.balance(
            stores,
            precipitation=rain_and_snow,
            snowfall=snowfall,
            rain=rain,
            melt=melt,
            evapotranspiration=evaporated,
            potential=x["PET"],
            available=available,
            capacity=capacity,
            air_temperature=warmth,
            elevation=cell.elevation,
            soil=soil,
            p=p.water,
        )

    forcing = {n: f[n] for n in ("in_prec", "in_tair", "PET")} | {"thaw": thawed_depth, "days": f.days}
    forcing = {name: jnp.asarray(values[:count]) for name, values in forcing.items()}
    pools = s["pools"]
    before = f.before("in_tair", s["prevtair"])
    soil_water = f.before("SMOIST", pools["SMOIST"])
    if stores_of == "month_middle":
        soil_water = 0.5 * (soil_water + f["SMOIST"])
    stores = water.WaterState(
        soil_water=jnp.asarray(soil_water[:count]),
        snowpack=jnp.asarray(f.before("SNOWPACK", s["prevspack"])[:count]),
        rain_groundwater=jnp.asarray(f.before("RGRNDH2O", pools["RGRNDH2O"])[:count]),
        snow_groundwater=jnp.asarray(f.before("SGRNDH2O", pools["SGRNDH2O"])[:count]),
        frozen_water=jnp.zeros(count),
        previous_air_temperature=jnp.asarray(before[:count]),
        air_temperature_two_months_ago=jnp.asarray(np.concatenate([[s["prev2tair"]], before[:-1]])[:count]),
    )
    if stores_of == "run":
        _, months = jax.lax.scan(one, jax.tree.map(lambda x: x[0], stores), forcing)
    else:
        _, months = jax.jit(jax.vmap(one))(stores, forcing)
    ours, theirs = np.asarray(months.evapotranspiration), f["INEET"][:count]
    return scores(ours, theirs) | {"annual_ratio": float(ours.sum() / theirs.sum())}


# --- soil heat -------------------------------------------------------------------------------------------------------


class HeatSeries(NamedTuple):
    """Monthly soil heat of a series of years, and the active layer of each (m)."""

    months: step.HeatMonth
    active_layer: np.ndarray

    def temperature_at(self, depth: float, design: ground_heat.ThermalDesign) -> np.ndarray:
        """Monthly temperature (degC) at a depth (m): the model's own outputs at 10 and 20 cm, else linear."""
        if depth in (0.1, 0.2):
            return getattr(self.months, f"soil_temperature_{round(100 * depth)}cm")
        return over_months(lambda t: ground_heat.layer_temperature_at(t, depth, design), self.months.soil_temperature)


def heat_series(
    state: ground_heat.ThermalState,
    air: np.ndarray,
    following: np.ndarray,
    precipitation: np.ndarray,
    site: step.Column,
    design: step.Design,
) -> tuple[ground_heat.ThermalState, HeatSeries]:
    """The heat pass (``step.heat_month``, ``step.heat_close_year``) over years of monthly climate of one column."""

    def one_month(carried, x):
        zero = jnp.zeros_like(x[0])
        forcing = Forcing(x[0], x[1], x[2], zero, zero, zero, zero, zero)
        return step.heat_month(carried, forcing, site, design)

    def one_year(carried, x):
        carried, months = jax.lax.scan(one_month, carried, x)
        carried, thaw = step.heat_close_year(carried, site, design)
        return carried, (months, thaw.active_layer_thickness)

    by_year = [jnp.asarray(np.asarray(x, np.float64).reshape(-1, 12)) for x in (air, following, precipitation)]
    state, (months, active) = jax.jit(lambda s, x: jax.lax.scan(one_year, s, x))(state, tuple(by_year))
    flat = jax.tree.map(lambda leaf: np.asarray(leaf).reshape(-1, *leaf.shape[2:]), months)
    return state, HeatSeries(flat, np.asarray(active))


def repeated(monthly: np.ndarray, times: int) -> tuple[np.ndarray, np.ndarray]:
    """A cycle repeated, and the month that follows each (it wraps to the cycle's own January)."""
    series = np.tile(monthly, times)
    return series, np.roll(series, -1)


def soil_heat(reference: Reference) -> tuple[HeatSeries, step.Design]:
    """300 years of the equilibrium climate from a uniform column at mean air temperature, three times 1901-1940, then
    1901-2015. Five material layers of TEM 6's file; snow and the rest as jtem's default.
    """
    f = reference
    design = step.Design(heat_dtype="float64")
    site = step.derive(tem6_parameters(f), tem6_cell(f), design)
    air, rain_and_snow = f["in_tair"], f["in_prec"]
    mean = f.equilibrium_air_temperature
    uniform = jnp.full((design.thermal.layers,), mean.mean())
    assert site.thermal is not None and design.thermal is not None
    state = ground_heat.state_from_temperature(uniform, jnp.asarray(mean[11]), site.thermal)
    state, _ = heat_series(
        state,
        *repeated(mean, EQUILIBRIUM_YEARS),
        np.tile(f.equilibrium_precipitation, EQUILIBRIUM_YEARS),
        site,
        design,
    )
    cycle = CYCLE_YEARS * 12
    state, _ = heat_series(state, *repeated(air[:cycle], 3), np.tile(rain_and_snow[:cycle], 3), site, design)
    history = HISTORY_YEARS * 12
    _, series = heat_series(state, air[:history], air[1 : history + 1], rain_and_snow[:history], site, design)
    return series, design


def soil_temperature(reference: Reference, series: HeatSeries, design: step.Design) -> dict[str, float]:
    """Monthly soil temperatures against DST10 to DST100, and the active layer, 1901-2015."""
    count = HISTORY_YEARS * 12
    result: dict[str, float] = {}
    assert design.thermal is not None
    for depth in DEPTHS_CM:
        measured = scores(series.temperature_at(depth / 100, design.thermal), reference[f"DST{depth}"][:count])
        result |= {
            f"soil_temperature_{depth}cm_rmse_degC": measured["rmse"],
            f"soil_temperature_{depth}cm_bias_degC": measured["bias"],
            f"soil_temperature_{depth}cm_r": measured["r"],
        }
    front = reference["FRONTD"][:count].reshape(-1, 12).max(axis=1)
    result["active_layer_median_m"] = float(np.median(series.active_layer))
    result["active_layer_smallest_m"] = float(series.active_layer.min())
    result["active_layer_largest_m"] = float(series.active_layer.max())
    result["file_largest_front_depth_median_m"] = float(np.median(front))
    return result


# --- the papers' forms beside TEM 6's --------------------------------------------------------------------------------


def form_differences(reference: Reference, series: HeatSeries) -> dict[str, float]:
    """What jtem's default forms give on the file's states where TEM 6 has another form (monthly correlation, ratio)."""
    f, row = reference, community_row("boreal_forest")
    values, microbes = tem6_values(f), f.parameters["parameters"]["microbeECD"]
    count = HISTORY_YEARS * 12
    carbon = 0.5 * (f.before("VEGC", f.state["pools"]["VEGC"]) + f["VEGC"])
    ours = over_months(
        lambda c, t: respiration.maintenance(c, respiration.temperature_effect(t, row.respiration), row.respiration),
        carbon,
        f["in_tair"],
    )
    result = {
        "papers_maintenance_respiration_r": scores(ours, f["RVMAINT"])["r"],
        "papers_maintenance_respiration_ratio": float(ours.sum() / f["RVMAINT"].sum()),
    }
    sensitivity = row.decomposition.temperature_sensitivity
    for t in (0, 20):
        t_, ten = jnp.asarray(float(t)), jnp.asarray(10.0)
        warmth = (respiration.temperature_effect(x, row.respiration) for x in (t_, ten))
        pairs = {
            "papers_maintenance": next(warmth) / next(warmth),
            "tem6_maintenance": tem6_temperature(t_, values) / tem6_temperature(ten, values),
            "papers_decomposition": decomposition.temperature_response(t_ - ten, sensitivity),
            "tem6_decomposition": tem6_temperature(t_, microbes) / tem6_temperature(ten, microbes),
        }
        result |= {f"{name}_at_{t}degC_relative_to_10degC": float(v) for name, v in pairs.items()}
    share = over_months(
        thawed_share_from_soil_temperatures,
        f.before("DST10", f.state["prevdst10"]),
        f["DST10"],
        np.append(f["DST10"][1:], f["DST10"][-1]),
    )
    result["thawed_share_of_file_temperatures_r"] = scores(share, f["THAWPCT"])["r"]
    result["thawed_share_of_file_temperatures_mean"] = float(share.mean())
    result["tem6_thawed_share_mean"] = float(f["THAWPCT"].mean())
    for month, name in ((4, "may"), (9, "october")):
        result[f"thawed_share_of_file_temperatures_{name}"] = float(share[month::12].mean())
        result[f"tem6_thawed_share_{name}"] = float(f["THAWPCT"][month::12].mean())
    top = scores(series.months.freeze_thaw_factor, f["THAWPCT"][:count])
    result["freeze_thaw_factor_r"] = top["r"]
    result["freeze_thaw_factor_bias"] = top["bias"]
    return result


def with_unit(name: str, values: dict[str, float]) -> dict[str, float]:
    """Keys ``name_score`` with the unit (mm) where the score has one."""
    return {f"{name}_{k}{'_mm' if k in ('rmse', 'bias') else ''}": v for k, v in values.items()}


def file_properties(reference: Reference, errors: dict[str, np.ndarray]) -> dict[str, float]:
    """What explains the largest errors: how many months, and whether water was short in them; the file's own LAI."""
    p, f = tem6_parameters(reference).phenology, reference
    short = f["INEET"] < f["PET"] * (1.0 - 1e-4)
    result: dict[str, float] = {}
    for name, error in errors.items():
        large = np.abs(error) > 0.005
        result[f"{name}_months_off_by_half_percent"] = float(large.sum())
        result[f"{name}_of_these_with_short_water"] = float((large & short).sum())
        result[f"{name}_of_these_above_file"] = float((large & (error > 0)).sum())
    area = over_months(
        lambda c, leaf: phenology.leaf_area_index(phenology.foliage(c, p), leaf, p), f["VEGC"], f["LEAF"]
    )
    result["file_leaf_area_index_largest_difference_from_its_own_leaf_percent"] = relative(
        area, f["LAI"], 0.01
    ).max_percent
    return result


# --- all of it -------------------------------------------------------------------------------------------------------


def compare(folder: Path) -> tuple[dict[str, Measured], dict[str, float]]:
    """Relative errors by process, and all other numbers."""
    reference = read(folder)
    errors = {f"derived_{k}": v for k, v in derived_parameters(reference).items()}
    errors |= processes(reference) | tem6_forms(reference)
    numbers: dict[str, float] = {}
    fed, free = optimum_temperatures(reference)
    same = float(100 * np.mean(np.abs(fed - free) < 1e-3))
    leaf, relative_leaf = leaves(reference)
    numbers |= file_properties(
        reference,
        {
            "unnormalized_leaf": leaf / reference["UNRMLEAF"] - 1.0,
            "relative_leaf": relative_leaf / reference["LEAF"] - 1.0,
        },
    )
    numbers["optimum_temperature_same_month_in_free_phenology_percent"] = same
    series, design = soil_heat(reference)
    count = HISTORY_YEARS * 12
    depths = {
        "file_thaw": reference.thawed_root_depth[:count],
        "own_thaw": series.months.thawed_root_depth,
        "no_restriction": np.full(count, reference.rooting_depth),
    }
    for name, depth in depths.items():
        for stores in ("run", "month_start", "month_middle"):
            suffix = "" if stores == "run" else f"_file_stores_of_{stores}"
            score = evapotranspiration(reference, depth, stores_of=stores)
            numbers |= with_unit(f"evapotranspiration_{name}{suffix}", score)
    without_heat = read(folder, "nostm")
    always_thawed = evapotranspiration(
        without_heat, np.full(without_heat.months, reference.rooting_depth), stores_of="run"
    )
    numbers |= with_unit("nostm_evapotranspiration", always_thawed)
    errors |= {f"nostm_{k}": v for k, v in processes(without_heat).items() if k in NOSTM_PROCESSES}
    numbers |= soil_temperature(reference, series, design) | form_differences(reference, series)
    return errors, numbers


NOSTM_PROCESSES = ("potential_evapotranspiration", "snowfall", "snowmelt", "snowpack", "foliage", "unnormalized_leaf")
"""What is compared again with the run without soil heat, in which roots are always thawed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder that holds tem_reference/ (default: JTEM_DATA)")
    parser.add_argument("--json", action="store_true", help="print one flat JSON object as the last line")
    arguments = parser.parse_args()
    try:
        folder = find_data(arguments.data, "tem_reference")
    except DataMissing as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    jax.config.update("jax_enable_x64", True)
    errors, numbers = compare(folder)
    print(f"{'process':40s} {'95 %':>9s} {'largest':>9s} {'months':>7s} {'above':>7s}")
    for name, e in errors.items():
        print(f"{name:40s} {e.p95_percent:8.4f}% {e.max_percent:8.3f}% {e.months:7d} {e.floor:7g}")
    for name, value in numbers.items():
        print(f"{name:70s} {value:10.4f}")
    if arguments.json:
        flat = {f"{name}_p95_error_percent": e.p95_percent for name, e in errors.items()}
        flat |= {f"{name}_largest_error_percent": e.max_percent for name, e in errors.items()}
        print(json.dumps({name: float(f"{value:.6g}") for name, value in (flat | numbers).items()}))


if __name__ == "__main__":
    main()
