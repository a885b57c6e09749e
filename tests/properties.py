"""Random columns for tests: valid parameters, states and extreme climates of any number of cells, from a seed.

    python tests/properties.py [CELL_YEARS]

runs every scheme over so many cell-years in all (1,000,000) and says what was found; ``test_properties.py`` runs some of it.
"""

import dataclasses
import itertools
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import model_cases
from jtem import run, step
from jtem.physics import nitrogen, permafrost, radiation
from jtem.physics.permafrost import Thaw
from jtem.state import Cell, Climate
from sites import TABLE

YEARS = 10
RESIDUALS = {
    "carbon_residual": "ecosystem_carbon",
    "nitrogen_residual": "soil_organic_nitrogen",
    "water_residual": "soil_water",
}
POOLS = (
    "vegetation_carbon", "structural_nitrogen", "labile_nitrogen", "soil_carbon", "soil_organic_nitrogen",
    "available_nitrogen", "soil_water", "snow_depth",
)  # fmt: skip
FLUXES = (
    "gross_primary_production", "autotrophic_respiration", "heterotrophic_respiration", "evapotranspiration", "runoff",
    "nitrogen_uptake",
)  # fmt: skip
SELECTION = run.Selection((), tuple((name, "year") for name in ("active_layer_thickness", "exposed_carbon")))
CLIMATES = ("seasons", "coldest", "hottest", "drought", "flood", "night", "first thaw", "refreezing", "jumps", "stormy")


def some_parameters(rng: np.random.Generator, count: int) -> step.Parameters:
    """A tree with one row a cell: rows of communities, three in four with every value off by up to a fifth, within its bounds."""
    rows = rng.integers(0, len(TABLE.communities), count)
    changed = rng.random(count) < 0.75
    entries = {}
    for name, entry in TABLE.entries.items():
        values = np.array([entry.values[c] for c in TABLE.communities], dtype=np.float64)[rows]
        factor = np.where(changed.reshape(-1, *[1] * (values.ndim - 1)), rng.uniform(0.8, 1.2, values.shape), 1.0)
        inside = values * factor if entry.trainable else values
        entries[name] = np.clip(inside, entry.lower, entry.upper)
    for names in step.Parameters.ORDERED:  # as the check of a table wants it
        for lower, upper in itertools.pairwise(names):
            entries[upper] = np.maximum(entries[upper], entries[lower] + 1e-3)
    branches: dict[str, dict[str, jax.Array]] = {}
    for name, values in entries.items():
        branch, field = name.split(".")
        branches.setdefault(branch, {})[field] = jnp.asarray(values)
    kinds = {field.name: field.type for field in dataclasses.fields(step.Parameters)}
    assert branches.keys() == kinds.keys()
    from jtem import parameters

    plain = parameters.build(step.Parameters, TABLE, "float64")
    return step.Parameters(**{name: type(getattr(plain, name))(**fields) for name, fields in branches.items()})


def some_cells(rng: np.random.Generator, count: int) -> Cell:
    """Every elevation, texture, latitude and soil carbon, none of it included."""
    profile = rng.uniform(0.0, 9000.0, (count, 25)) * (rng.random((count, 1)) < 0.9)
    return Cell(
        elevation=jnp.asarray(rng.uniform(-100.0, 6000.0, count)),
        silt_clay=jnp.asarray(rng.uniform(0.01, 1.0, count)),
        community=jnp.arange(count),
        top_of_atmosphere=jnp.asarray(radiation.top_of_atmosphere(rng.uniform(-60.0, 89.9, count))),
        soil_carbon_profile=jnp.asarray(profile),
    )


def some_climate(rng: np.random.Generator, cells: Cell, years: int, hottest: float = 45.0) -> Climate:
    """Each cell has one of :data:`CLIMATES`: -70 to ``hottest`` degC, no rain for years, polar night, first thaw, refreezing,
    jumps.
    """
    count = cells.elevation.shape[0]
    kind = rng.integers(0, len(CLIMATES), count)
    month, year = np.arange(12), np.arange(years)
    mean, size = rng.uniform(-35.0, 25.0, (count, 1, 1)), rng.uniform(0.0, 35.0, (count, 1, 1))
    air = mean - size * np.cos(2 * np.pi * month / 12) + rng.normal(0, 2, (count, years, 12))

    def of(name: str) -> np.ndarray:
        return (kind == CLIMATES.index(name))[:, None, None]

    late = (year >= years // 2)[None, :, None]
    air = np.where(of("coldest"), -70.0 + 0.0 * air, air)
    air = np.where(of("hottest"), hottest - rng.uniform(0, 5, air.shape), air)
    air = np.where(of("first thaw"), np.where(late, 5.0 + air, -30.0 + 0.2 * air), air)
    air = np.where(of("refreezing"), np.where(late, -40.0 + 0.2 * air, 8.0 + 0.2 * air), air)
    air = np.where(of("jumps"), rng.uniform(-70.0, 45.0, air.shape), air)
    air = np.clip(air, -70.0, hottest)
    rain = rng.gamma(0.7, 60.0, (count, years, 12))
    rain = np.where(of("drought"), 0.0, np.where(of("flood"), 2000.0, rain))
    top = np.asarray(cells.top_of_atmosphere)[:, None, :]
    light = top * rng.uniform(0.2, 0.76, (count, years, 12)) / 2.06
    light = np.where(of("night"), 0.0, light)
    following = np.concatenate([air[:, 1:, 0], air[:, -1:, 11]], axis=1)
    return Climate(
        air_temperature=jnp.asarray(air),
        precipitation=jnp.asarray(rain),
        shortwave_radiation=jnp.asarray(light),
        co2=jnp.asarray(rng.uniform(180.0, 1500.0, (count, years))),
        nitrogen_input=jnp.asarray(rng.uniform(0.0, 0.3, (count, years, 12)) * (rng.random((count, 1, 1)) < 0.5)),
        following_air_temperature=jnp.asarray(following),
    )


def some_state(rng: np.random.Generator, state: step.State) -> step.State:
    """Pools from nothing to twice what they are; every sixth of them empty."""

    def scaled(leaf: jax.Array) -> jax.Array:
        factor = rng.uniform(0.0, 2.0, leaf.shape[0]) * (rng.random(leaf.shape[0]) > 1 / 6)
        return leaf * jnp.asarray(factor.reshape(-1, *[1] * (leaf.ndim - 1)), leaf.dtype)

    def pools(carbon: step.CarbonState) -> tuple:
        soil = carbon.soil
        return (carbon.vegetation_carbon, carbon.structural_nitrogen, carbon.labile_nitrogen, soil.carbon,
                soil.organic_nitrogen, soil.available_nitrogen)  # fmt: skip

    carbon = eqx.tree_at(pools, state.carbon, tuple(map(scaled, pools(state.carbon))))
    snow = jnp.asarray(rng.uniform(0, 2000, carbon.vegetation_carbon.shape[0]), state.water.stores.snowpack.dtype)
    stores = dataclasses.replace(state.water.stores, snowpack=snow)
    return step.State(state.thermal, dataclasses.replace(state.water, stores=stores), carbon)


def selection() -> run.Selection:
    """Smallest and largest of a year cannot be asked for: months are, and few of them."""
    return run.Selection((*RESIDUALS, *dict.fromkeys((*RESIDUALS.values(), *POOLS, *FLUXES))), SELECTION.annual)


def design_of(
    scheme: str, open_nitrogen: bool = False, heat: str = "float32", two_layers: bool = False, everything: bool = False
) -> step.Design:
    """``layered_concentration`` comes with C:N of tissue by photosynthesis and nitrogen of the season.

    ``everything``: with all options there are.
    """
    if everything:
        options = {**model_cases.EVERYTHING, "scheme": scheme, "own": False}
        deep = permafrost.SCHEMES[scheme].decomposes_layers
        return model_cases.design_of(**{**options, "deep_nitrogen_losses": deep})
    plain = step.Design(
        permafrost=permafrost.SCHEMES[scheme], open_nitrogen=open_nitrogen, heat_dtype=heat, two_water_layers=two_layers
    )
    own = scheme == "layered_concentration"
    return (
        step.with_processes(
            plain, plant_cn=nitrogen.vegetation_cn_by_photosynthesis, nitrogen_coupling=nitrogen.couple_by_store
        )
        if own
        else plain
    )


def faults(design: step.Design, seed: int, count: int, years: int = YEARS) -> list[str]:
    """What is wrong in a batch of random columns, a sentence each; none where all holds."""
    rng = np.random.default_rng(seed)
    parameters, cells = some_parameters(rng, count), some_cells(rng, count)
    climate = some_climate(rng, cells, years)
    before = some_state(rng, run.initial_states(parameters, cells, climate, design=design))
    thaw = jnp.asarray(rng.choice([0.0, 0.1, 1.0, 3.0, 6.5, 11.0], count))
    before = run.begin_permafrost(before, cells, parameters, Thaw(thaw, thaw), design=design)
    controls = run.constant_controls(years, expose=True)
    after, out = run.simulate_cells(before, climate, cells, parameters, controls, design=design, selection=selection())
    month, year = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), (out["monthly"], out["annual"]))
    found = []

    def check(name: str, bad: np.ndarray) -> None:
        rows = np.flatnonzero(bad.reshape(count, -1).any(axis=1))
        if rows.size:
            found.append(f"{name} in {rows.size} of {count} columns, seed {seed}, first column {rows[0]}")

    for path, leaf in jax.tree_util.tree_leaves_with_path(after):
        if np.asarray(leaf).dtype.kind == "f":
            check(f"state{jax.tree_util.keystr(path)} is not finite", ~np.isfinite(np.asarray(leaf)))
    for name, values in (*month.items(), *year.items()):
        check(f"{name} is not finite", ~np.isfinite(values))
    for name in (*POOLS, *FLUXES):
        check(
            f"{name} is negative", month[name] < (-1e-3 if name == "evapotranspiration" else -1e-9)
        )  # mm: what the bucket owes
    for name, pool in RESIDUALS.items():
        check(f"{name} is not closed", np.abs(month[name]) > 1e-9 * np.maximum(np.abs(month[pool]), 1.0))
    check("active layer above the surface", year["active_layer_thickness"] < 0.0)
    return found


DESIGNS = {
    **{scheme: {"scheme": scheme} for scheme in permafrost.SCHEMES},
    "layered, open nitrogen, float64": {"scheme": "layered", "open_nitrogen": True, "heat": "float64"},
    "thaw_ratio, two layers of water": {"scheme": "thaw_ratio", "two_layers": True},
    "layered_concentration, everything": {"scheme": "layered_concentration", "everything": True},
    "thaw_ratio, everything": {"scheme": "thaw_ratio", "everything": True},
}


def main(total: int) -> int:
    """All designs, so many cell-years together; the number of faults."""
    count, wrong, done = 1000, 0, 0
    batches = -(-total // (len(DESIGNS) * count * YEARS))
    for name, words in DESIGNS.items():
        for seed in range(batches):
            said = faults(design_of(**words), 1000 + seed, count)
            done += count * YEARS
            wrong += len(said)
            for line in said:
                print(f"{name}: {line}", flush=True)
        print(f"{name}: {batches * count * YEARS:,} cell-years", flush=True)
    print(f"{done:,} cell-years of {len(DESIGNS)} designs, {wrong} faults")
    return wrong


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    sys.exit(1 if main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000) else 0)
