"""Every process alone, at any valid input (hypothesis): finite, within its range, derivatives finite and equal to differences."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jtem.physics import decomposition, litter, nitrogen, photosynthesis, radiation, respiration, snow, water
from jtem.physics import phenology as leaves
from jtem.physics.permafrost import layered, profile
from sites import TABLE, parameter_tree

AIR, SOIL, LIGHT, SHARE = (-70.0, 45.0), (-60.0, 45.0), (0.0, 1100.0), (0.0, 1.0)
CARBON, NITROGEN, RAIN, RATE, DEPTH = (0.0, 4e4), (0.0, 500.0), (0.0, 2000.0), (0.0, 50.0), (0.0, 60.0)
ANY = (-np.inf, np.inf)
PARAMETERS = parameter_tree()
TINY = 1e-9


@dataclass(frozen=True)
class Process:
    """``call`` takes the parameters of one community and ``ranges`` by name; each of its results is within ``within``."""

    call: Callable
    ranges: Mapping[str, tuple[float, float]]
    within: tuple[tuple[float, float], ...]
    holds: Callable | None = None


def mineralized(p, share, carbon, organic_nitrogen, available_per_water, immobilization):
    d = p.decomposition
    return decomposition.net_mineralization(
        respiration=share * carbon, carbon=carbon, organic_nitrogen=organic_nitrogen, immobilization=immobilization,
        available_per_water=available_per_water, half_saturation=d.immobilization_half_saturation,
        decay_share=decomposition.decay(d), soil_cn=d.soil_cn,
    )  # fmt: skip


def produced(p, cmax, co2, evapotranspiration, wet, par, air, optimum, leaf, thawed):
    photo = p.photosynthesis
    low, high = photo.temperature_optimum_minimum, photo.temperature_optimum_maximum
    return photosynthesis.climate_limited_rate(
        cmax=cmax, co2=co2, evapotranspiration=evapotranspiration, potential_evapotranspiration=evapotranspiration + wet,
        photosynthetic_radiation=par, air_temperature=air, optimum_temperature=low + optimum * (high - low),
        relative_leaf=leaf, thawed_share=thawed, p=photo,
    )  # fmt: skip


def coupled(p, gpp, maintenance, uptake, labile_share, carbon, structural, labile, litter_share, form=nitrogen.couple):
    n = p.nitrogen
    made = form(
        potential_gpp=gpp, maintenance_respiration=maintenance * carbon, growth_fraction=p.respiration.growth_fraction,
        potential_uptake=uptake, labile_supply=labile_share * labile, litterfall_carbon=litter_share * carbon,
        litterfall_nitrogen=litter_share * structural, vegetation_carbon=carbon, structural_nitrogen=structural,
        labile_nitrogen=labile, production_cn=n.production_cn, vegetation_cn=n.vegetation_cn_minimum, step=0.25, p=n,
    )  # fmt: skip
    spendable = labile_share * labile if form is nitrogen.couple else labile / 0.25
    return (
        made.structural_uptake, made.labile_uptake, made.litterfall_nitrogen, made.resorption, made.growth_respiration,
        uptake - made.structural_uptake - made.labile_uptake, spendable - made.mobilization,
        made.gross_primary_production - made.net_primary_production - made.growth_respiration - maintenance * carbon,
    )  # fmt: skip


def bucket(p, water_input, potential, filled, capacity, days):
    return water.evapotranspiration(water_input, potential, filled * capacity, capacity, days, p.water)


def moisture(p, share):
    d = p.decomposition
    return decomposition.moisture_response(share, d.moisture_minimum, d.moisture_optimum, d.moisture_maximum)


POSITIVE = (0.0, np.inf)
PROCESSES = {
    "cloudiness": Process(
        lambda p, light, top: radiation.cloudiness(light, top, p.radiation), {"light": LIGHT, "top": LIGHT}, ((0.0, 100.0),)
    ),
    "photosynthetic radiation": Process(
        lambda p, light, cloud: radiation.photosynthetic_radiation(light, cloud, p.radiation),
        {"light": LIGHT, "cloud": (0.0, 100.0)}, ((0.0, 1100.0),),
    ),
    "potential evapotranspiration": Process(
        lambda p, air, light, days: radiation.potential_evapotranspiration(air, light, days, p.radiation),
        {"air": AIR, "light": LIGHT, "days": (28.0, 31.0)}, (POSITIVE,),
    ),
    "snow and rain": Process(
        lambda p, rain, air: water.snowfall_and_rain(rain, air, p.water), {"rain": RAIN, "air": AIR}, (RAIN, RAIN),
        lambda found, given: found[0] + found[1] == given["rain"],
    ),
    "snowmelt": Process(
        lambda p, pack, air, before, high: water.snowmelt(pack, air, before, high, p.water),
        {"pack": RAIN, "air": AIR, "before": AIR, "high": (-100.0, 6000.0)}, (POSITIVE,),
        lambda found, given: found[0] <= given["pack"],
    ),
    "evapotranspiration": Process(
        bucket,
        {"water_input": RAIN, "potential": (1e-3, 300.0), "filled": SHARE, "capacity": (1.0, 1000.0), "days": (28.0, 31.0)},
        ((-1e-3, np.inf),), lambda found, given: found[0] <= given["potential"],
    ),
    "leaf": Process(
        lambda p, wet, most, before: leaves.unnormalized_leaf(wet, most, before, p.phenology),
        {"wet": RAIN, "most": RAIN, "before": SHARE}, (SHARE,),
    ),
    "relative leaf": Process(
        lambda p, leaf, most: leaves.relative_leaf(leaf, most, p.phenology), {"leaf": SHARE, "most": SHARE}, (SHARE,)
    ),
    "foliage": Process(lambda p, carbon: leaves.foliage(carbon, p.phenology), {"carbon": CARBON}, (SHARE,)),
    "photosynthesis": Process(
        produced,
        {"cmax": (0.0, 2000.0), "co2": (150.0, 2000.0), "evapotranspiration": (0.0, 300.0), "wet": (1e-3, 300.0),
         "par": LIGHT, "air": AIR, "optimum": SHARE, "leaf": SHARE, "thawed": SHARE}, (POSITIVE,),
        lambda found, given: found[0] <= given["cmax"],
    ),
    "temperature of respiration": Process(
        lambda p, air: respiration.temperature_effect(air, p.respiration), {"air": AIR}, (POSITIVE,)
    ),
    "maintenance": Process(
        lambda p, carbon, air: respiration.maintenance(
            carbon, respiration.temperature_effect(air, p.respiration), p.respiration
        ), {"carbon": CARBON, "air": AIR}, (POSITIVE,),
        lambda found, given: found[0] <= respiration.LARGEST_MAINTENANCE * given["carbon"] * (1 + TINY),
    ),
    "growth": Process(
        lambda p, gpp, rest: respiration.growth(gpp, rest, p.respiration.growth_fraction), {"gpp": RAIN, "rest": RAIN},
        (POSITIVE,), lambda found, given: found[0] <= np.maximum(given["gpp"] - given["rest"], 0.0),
    ),
    "loss within a sub-step": Process(
        lambda p, rate: litter.loss_rate(rate, 0.25), {"rate": (0.0, 1e4)}, (POSITIVE,),
        lambda found, given: found[0] * 0.25 <= 1.0,
    ),
    "moisture of decomposition": Process(moisture, {"share": SHARE}, (SHARE,)),
    "temperature of decomposition": Process(
        lambda p, soil: decomposition.temperature_response(soil, p.decomposition.temperature_sensitivity), {"soil": SOIL},
        (POSITIVE,),
    ),
    "mineralisation": Process(
        mineralized,
        {"share": SHARE, "carbon": (1.0, 4e4), "organic_nitrogen": (1e-2, 3e3), "available_per_water": (0.0, 10.0),
         "immobilization": (0.0, 1.0)}, (ANY, POSITIVE, POSITIVE),
    ),
    "litter quality": Process(
        lambda p, rate, carbon, nitrogen_: decomposition.litter_quality_rate(rate, carbon, nitrogen_, p.decomposition),
        {"rate": (0.0, 1.0), "carbon": (0.0, 3000.0), "nitrogen_": (0.0, 50.0)}, (POSITIVE,),
    ),
    "conductivity for nitrogen": Process(
        lambda p, wet, mm: nitrogen.conductivity_per_water(wet, mm), {"wet": SHARE, "mm": (0.0, 800.0)}, (POSITIVE,)
    ),
    "nitrogen uptake": Process(
        lambda p, nmax, foliage, available, warmth: nitrogen.unlimited_uptake(
            nmax=nmax, foliage=foliage, available=available, temperature_factor=warmth, p=p.nitrogen
        ), {"nmax": RATE, "foliage": SHARE, "available": NITROGEN, "warmth": (0.0, 20.0)}, (POSITIVE,),
        lambda found, given: found[0] <= given["nmax"] * given["foliage"] * given["warmth"] * (1 + TINY),
    ),
    "carbon and nitrogen": Process(
        coupled,
        {"gpp": RAIN, "maintenance": (0.0, 0.25), "uptake": RATE, "labile_share": SHARE, "carbon": (1.0, 4e4),
         "structural": (1e-2, 500.0), "labile": (1e-3, 50.0), "litter_share": SHARE},
        ((-TINY, np.inf),) * 7 + ((-1e-6, 1e-6),),
    ),
    "carbon and nitrogen of a season": Process(
        lambda p, *x: coupled(p, *x, form=nitrogen.couple_by_store),
        {"gpp": RAIN, "maintenance": (0.0, 0.25), "uptake": RATE, "labile_share": SHARE, "carbon": (1.0, 4e4),
         "structural": (1e-2, 500.0), "labile": (1e-3, 50.0), "litter_share": SHARE},
        ((-TINY, np.inf),) * 7 + ((-1e-6, 1e-6),),
    ),
    "nitrogen loss": Process(
        lambda p, available, mm, wet, eet, depth: nitrogen.drained_loss(
            available_nitrogen=available, soil_water=mm, water_input=wet, evapotranspiration=eet, rooting_depth=depth,
            p=p.nitrogen,
        ), {"available": NITROGEN, "mm": (0.0, 800.0), "wet": RAIN, "eet": (0.0, 300.0), "depth": (0.1, 3.0)}, (POSITIVE,),
    ),
    "nitrogen fixation": Process(lambda p, eet: nitrogen.fixation(eet, p.nitrogen), {"eet": RAIN}, (POSITIVE,)),
    "tissue": Process(
        lambda p, wet, co2: nitrogen.vegetation_cn(wet, co2, jnp.ones_like(co2), p.nitrogen),
        {"wet": SHARE, "co2": (150.0, 1200.0)}, (POSITIVE, POSITIVE),
    ),
    "resistance of snow": Process(
        lambda p, mm, density: snow.snow_resistance(mm, density), {"mm": RAIN, "density": (100.0, 600.0)}, (POSITIVE,)
    ),
    "fresh snow": Process(lambda p, air: snow.fresh_snow_density(air), {"air": AIR}, ((60.0, 120.0),)),
    "settled snow": Process(
        lambda p, depth, air, deep, load: snow.settled_density(depth, air, deep, load),
        {"depth": (0.0, 20.0), "air": AIR, "deep": (350.0, 550.0), "load": (50.0, 205.0)}, ((30.0, 900.0),),
    ),
    "carbon above a depth": Process(
        lambda p, depth, half: profile.hyperbolic_share(depth, half, jnp.full_like(depth, 3.0)),
        {"depth": DEPTH, "half": (0.05, 20.0)}, (POSITIVE,),
    ),
    "thawed share of a layer": Process(
        lambda p, thaw, base, top, thick: layered.thawed_share(thaw, base, top[None], (top + thick)[None])[0],
        {"thaw": DEPTH, "base": DEPTH, "top": (0.0, 10.0), "thick": (0.1, 5.0)}, (SHARE,),
    ),
}  # fmt: skip


POINTS = 32
SHARES = arrays(
    np.float64, (POINTS, max(len(process.ranges) for process in PROCESSES.values())), elements=st.floats(0.0, 1.0)
)
ROWS = arrays(np.int64, POINTS, elements=st.integers(0, len(TABLE.communities) - 1))


@pytest.mark.parametrize("name", PROCESSES)
def test_at_any_input(name):
    """The derivative lies between the differences to both sides: at a kink they are two, at a jump one of them is large.

    Not compiled as a whole: single operations on so many points at a time are common to all processes.
    """
    process = PROCESSES[name]
    low, high = (np.array([r[side] for r in process.ranges.values()]) for side in (0, 1))
    step = 1e-6 * (high - low)

    @settings(
        max_examples=4,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
    @given(SHARES, ROWS)
    def holds(shares, rows):
        p = jax.tree.map(lambda leaf: leaf[rows], PARAMETERS)
        shares = shares[:, : low.size]
        x = low + shares * (high - low)
        inside = ((shares > 1e-9) & (shares < 1.0 - 1e-9)).all(axis=1)  # at the ends several kinks may meet

        def plain(*columns):
            found = process.call(p, *columns)
            return found if isinstance(found, tuple) else (found,)

        columns = tuple(jnp.asarray(column) for column in x.T)
        found, pull = jax.vjp(plain, *columns)
        given_ = {name: np.asarray(column) for name, column in zip(process.ranges, columns, strict=True)}
        for one, (least, most) in zip(found, process.within, strict=True):
            assert np.isfinite(one).all() and (np.asarray(one) >= least).all() and (np.asarray(one) <= most).all()
        if process.holds is not None:
            assert np.all(process.holds([np.asarray(one) for one in found], given_))
        none = [jnp.zeros_like(one) for one in found]
        reverse = [pull((*none[:k], jnp.ones_like(one), *none[k + 1 :])) for k, one in enumerate(found)]
        for j, column in enumerate(columns):
            ways = [jnp.ones_like(c) if k == j else jnp.zeros_like(c) for k, c in enumerate(columns)]
            _, forward = jax.jvp(plain, columns, tuple(ways))
            agrees = [np.zeros(POINTS, bool)] * len(found)
            for h in (step[j], step[j] / 50.0):  # the second for points that lie beside a kink
                if all((one | ~inside).all() for one in agrees):
                    break
                above, below = (plain(*columns[:j], column + side * h, *columns[j + 1 :]) for side in (1.0, -1.0))
                for k, value in enumerate(np.asarray(one) for one in found):
                    right, left = (np.asarray(above[k]) - value) / h, (value - np.asarray(below[k])) / h
                    room = 1e-3 * np.maximum(np.abs(left), np.abs(right)) + 1e-13 * np.abs(value).max() / h + 1e-12
                    slope = np.asarray(forward[k])
                    agrees[k] = agrees[k] | (slope >= np.minimum(left, right) - room) & (
                        slope <= np.maximum(left, right) + room
                    )
                    if np.abs(value).max() < 1e-9:  # what closes a balance: differences of it are rounding
                        agrees[k] = agrees[k] | (np.abs(slope) < 1e-9)
            for k, value in enumerate(np.asarray(one) for one in found):
                slope = np.asarray(forward[k])
                assert np.isfinite(slope).all() and (agrees[k] | ~inside).all(), (
                    list(process.ranges)[j],
                    x[~agrees[k]][:3],
                )
                scale = np.abs(value) + step[j] * np.abs(slope)
                np.testing.assert_allclose(
                    slope, reverse[k][j], rtol=1e-9, atol=float(1e-12 * scale.max() / step[j] + 1e-14)
                )

    holds()
