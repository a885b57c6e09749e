"""Water, carbon and nitrogen close every month in every scheme; exposure is an explicit flux; heat closes to the solver.

Columns: five communities and sites, pools and soil water scattered at random, some pools empty, some parameters off their
defaults; thirteen warming years so that layers thaw, freeze and are exposed.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jtem import run, step
from jtem.physics import nitrogen, permafrost, water
from jtem.physics.permafrost import Thaw
from jtem.records import Named
from sites import BONANZA_CREEK, PLATEAU_MEADOW, TOOLIK, make, parameter_tree

YEARS = 13
MONTHLY = (
    "carbon_residual", "nitrogen_residual", "water_residual", "ecosystem_carbon", "soil_organic_nitrogen", "soil_water",
    "net_primary_production", "heterotrophic_respiration", "gross_primary_production", "autotrophic_respiration",
    "nitrogen_input", "nitrogen_loss", "evapotranspiration", "runoff", "heat_residual", "layer_respiration",
    "heterotrophic_respiration_thawed_permafrost", "net_nitrogen_mineralization", "layer_net_nitrogen_mineralization",
    "net_nitrogen_mineralization_active_layer", "vegetation_carbon", "soil_carbon", "available_nitrogen",
    "labile_nitrogen", "structural_nitrogen", "nitrogen_uptake", "nitrogen_uptake_thawed_permafrost",
    "volumetric_moisture", "volumetric_moisture_20cm", "methane_production", "methane_oxidation", "wetland_methane",
    "methane_plant_transport", "nitrogen_loss_thawed_permafrost", "methane_ebullition", "methane_diffusion",
)  # fmt: skip
ANNUAL = (
    "exposed_carbon", "exposed_nitrogen", "exposed_water", "year_carbon_residual", "year_nitrogen_residual",
    "year_water_residual", "baseline_nitrogen", "layer_exposed_carbon", "rooting_depth", "abrupt_thaw_area",
    "landscape_carbon_balance", "abrupt_thaw_carbon", "abrupt_thaw_exposed_carbon",
)  # fmt: skip
SELECTION = run.Selection(MONTHLY, tuple((name, "year") for name in ANNUAL))
SITES = [
    (BONANZA_CREEK, 0.366, "boreal_forest", 0.0),
    (TOOLIK, 0.3665, "wet_moist_tundra", 1.0),
    (TOOLIK, 0.3706, "alpine_tundra_polar_desert", 0.0),
    (PLATEAU_MEADOW, 0.43, "alpine_meadow", 1.0),
    (BONANZA_CREEK, 0.5, "grassland", 6.0),
]
SCHEMES = (
    "none",
    "tem6",
    "thaw_ratio",
    "layered",
    "layered_concentration",
    pytest.param("thaw_ratio_irreversible", marks=pytest.mark.slow),
    pytest.param("thaw_ratio_inventory", marks=pytest.mark.slow),
    pytest.param("thaw_ratio_concentration", marks=pytest.mark.slow),
)


def scattered(copies=4):
    """Columns, climate: every site ``copies`` times."""
    return make([site for site in SITES for _ in range(copies)], YEARS, warming_per_year=0.3, co2=450.0)


def random_state(design, cells, climate, parameters, seed=3):
    """Initial states with every pool scaled at random; every fourth column has empty vegetation or soil pools."""
    state = run.initial_states(parameters, cells, climate, design=design)
    rng = np.random.default_rng(seed)
    count = cells.elevation.shape[0]

    def scaled(leaf):
        factor = rng.uniform(0.1, 2.0, count)
        factor[rng.random(count) < 0.2] = 0.0
        return leaf * jnp.asarray(factor, leaf.dtype)

    pools = lambda c: (  # noqa: E731
        c.vegetation_carbon, c.structural_nitrogen, c.labile_nitrogen, c.soil.carbon, c.soil.organic_nitrogen,
        c.soil.available_nitrogen,
    )  # fmt: skip
    import equinox as eqx

    carbon = eqx.tree_at(pools, state.carbon, tuple(scaled(leaf) for leaf in pools(state.carbon)))
    snow = jnp.asarray(rng.uniform(0, 300, count), state.water.stores.snowpack.dtype)
    stores = dataclasses.replace(state.water.stores, snowpack=snow, rain_groundwater=0.1 * snow)
    return step.State(state.thermal, step.WaterStateWithThaw(stores, state.water.reference_thaw), carbon)


def design_of(scheme, heat, pools, open_nitrogen, two_water_layers=False, **options):
    """``layered_concentration`` comes with C:N of tissue by photosynthesis, nitrogen of the season (and observed nitrogen)."""
    plain = step.Design(
        permafrost=permafrost.SCHEMES[scheme], heat_dtype=heat, pool_dtype=pools, open_nitrogen=open_nitrogen,
        two_water_layers=two_water_layers, **options,
    )  # fmt: skip
    if scheme != "layered_concentration":
        return plain
    return step.with_processes(
        plain, plant_cn=nitrogen.vegetation_cn_by_photosynthesis, nitrogen_coupling=nitrogen.couple_by_store
    )


def simulate(
    scheme, heat, pools, open_nitrogen=False, baseline=False, root_density_decline=0.0, two=False, observed=True,
    cost_of_roots=0.0, **options,
):  # fmt: skip
    design = design_of(scheme, heat, pools, open_nitrogen, two, **options)
    cells, climate = scattered()
    if scheme == "layered_concentration" and observed:
        cells = dataclasses.replace(cells, soil_nitrogen_profile=cells.soil_carbon_profile / 12.0)
    cast = lambda tree: jax.tree.map(lambda x: x.astype(pools) if x.dtype.kind == "f" else x, tree)  # noqa: E731
    cells, climate = cast(cells), cast(climate)
    parameters = parameter_tree(pools)
    parameters = dataclasses.replace(
        parameters, nitrogen=dataclasses.replace(parameters.nitrogen, loss_rate=parameters.nitrogen.loss_rate + 0.3)
    )
    roots = parameters.permafrost.root_density_decline + root_density_decline
    parameters = dataclasses.replace(
        parameters, permafrost=dataclasses.replace(parameters.permafrost, root_density_decline=roots)
    )
    deep = dataclasses.replace(parameters.roots, construction_cost=parameters.roots.construction_cost + cost_of_roots)
    parameters = dataclasses.replace(parameters, roots=deep)
    climate = dataclasses.replace(climate, nitrogen_input=climate.nitrogen_input + jnp.asarray(0.02, pools))
    before = random_state(design, cells, climate, parameters)
    thaw = jnp.linspace(0.2, 1.5, cells.elevation.shape[0]).astype(pools)
    before = run.begin_permafrost(before, cells, parameters, Thaw(thaw, thaw), design=design)
    controls = run.constant_controls(YEARS, expose=True, baseline=baseline)
    after, out = run.simulate_cells(before, climate, cells, parameters, controls, design=design, selection=SELECTION)
    out = jax.tree.map(lambda x: np.asarray(x, np.float64), out)
    return before, after, climate, out["monthly"], out["annual"]


@pytest.fixture(scope="module", params=SCHEMES)
def closed_run(request):
    return request.param, simulate(request.param, "float32", "float64")


def total(function, state):
    return np.asarray(jax.vmap(function)(state), np.float64)


def check_budgets(before, after, climate, month, year, limit):
    scale_c = np.maximum(np.abs(month["ecosystem_carbon"]), 1.0)
    scale_n = np.maximum(month["soil_organic_nitrogen"], 1.0)
    assert np.abs(month["carbon_residual"] / scale_c).max() <= limit
    assert np.abs(month["nitrogen_residual"] / scale_n).max() <= limit
    assert np.abs(month["water_residual"] / np.maximum(month["soil_water"], 1.0)).max() <= limit
    # the whole run from states and fluxes alone, not trusting the reported residuals
    carbon = total(step.total_carbon, after.carbon) - total(step.total_carbon, before.carbon)
    flux = (month["net_primary_production"] - month["heterotrophic_respiration"]).sum(axis=(1, 2))
    assert np.abs(carbon - flux).max() <= limit * 200 * np.maximum(scale_c.max(), 1.0)
    nitrogen = total(step.total_nitrogen, after.carbon) - total(step.total_nitrogen, before.carbon)
    flux = (month["nitrogen_input"] - month["nitrogen_loss"]).sum(axis=(1, 2)) + year["baseline_nitrogen"].sum(axis=1)
    assert np.abs(nitrogen - flux).max() <= limit * 200 * scale_n.max()
    wet = total(water.total_water, after.water.stores) - total(water.total_water, before.water.stores)
    rain = np.asarray(climate.precipitation, np.float64).sum(axis=(1, 2))
    flux = rain - (month["evapotranspiration"] + month["runoff"]).sum(axis=(1, 2))
    assert np.abs(wet - flux).max() <= limit * 200 * month["soil_water"].max()


def test_budgets_close(closed_run):
    _, (before, after, climate, month, year) = closed_run
    check_budgets(before, after, climate, month, year, 1e-9)
    gpp_balance = month["gross_primary_production"] - month["autotrophic_respiration"]
    np.testing.assert_allclose(gpp_balance, month["net_primary_production"], atol=1e-9)
    for name in ("year_carbon_residual", "year_nitrogen_residual"):
        assert np.abs(year[name]).max() <= 1e-9 * month["ecosystem_carbon"].max()
    assert np.abs(year["year_water_residual"]).max() <= 1e-9 * month["soil_water"].max()


def test_everything_is_finite_and_no_pool_is_negative(closed_run):
    _, (_, after, _, month, year) = closed_run
    for values in (*month.values(), *year.values()):
        assert np.isfinite(values).all()
    for leaf in jax.tree.leaves((after.carbon.soil, after.carbon.store, after.water)):
        assert np.isfinite(np.asarray(leaf)).all()
    for name in ("vegetation_carbon", "soil_carbon", "available_nitrogen", "labile_nitrogen", "structural_nitrogen"):
        assert month[name].min() >= -1e-10, name
    store = after.carbon.store
    for leaf in (store.frozen_carbon, store.thawed_carbon, store.thawed_available_nitrogen):
        assert np.asarray(leaf).min(initial=0.0) >= -1e-9


def test_heat_closes_to_the_solver(closed_run):
    _, (_, _, _, month, _) = closed_run
    assert np.abs(month["heat_residual"]).max() < 2e-2  # MJ m-2 a month, float32 sums of a 60 m column


def test_exposure_is_booked(closed_run):
    scheme, (before, after, _, _, year) = closed_run
    left = np.asarray(before.carbon.store.frozen_carbon.sum(axis=-1) - after.carbon.store.frozen_carbon.sum(axis=-1))
    np.testing.assert_allclose(left, year["exposed_carbon"].sum(axis=1), atol=1e-8)
    np.testing.assert_allclose(year["layer_exposed_carbon"].sum(axis=-1), year["exposed_carbon"], atol=1e-9)
    nitrogen = [
        np.asarray((s.frozen_organic_nitrogen + s.frozen_available_nitrogen).sum(axis=-1))
        for s in (before.carbon.store, after.carbon.store)
    ]
    np.testing.assert_allclose(nitrogen[0] - nitrogen[1], year["exposed_nitrogen"].sum(axis=1), atol=1e-8)
    frozen_water = np.asarray(before.water.stores.frozen_water - after.water.stores.frozen_water)
    np.testing.assert_allclose(frozen_water, year["exposed_water"].sum(axis=1), atol=1e-8)
    if scheme in ("layered", "layered_concentration", "thaw_ratio"):
        assert year["exposed_carbon"].max() > 10.0  # the case does expose carbon
    if scheme in ("none", "tem6"):
        assert np.abs(year["exposed_carbon"]).max() == 0.0


def test_layers_add_up(closed_run):
    scheme, (_, _, _, month, _) = closed_run
    layers = month["layer_respiration"].sum(axis=-1)
    np.testing.assert_allclose(layers, month["heterotrophic_respiration_thawed_permafrost"], atol=1e-9)
    nitrogen = month["layer_net_nitrogen_mineralization"].sum(axis=-1)
    np.testing.assert_allclose(
        nitrogen + month["net_nitrogen_mineralization_active_layer"], month["net_nitrogen_mineralization"], atol=1e-9
    )
    assert (month["nitrogen_uptake_thawed_permafrost"] <= month["nitrogen_uptake"] + 1e-9).all()
    if scheme == "layered":
        assert layers.max() > 0.01


def test_one_concentration_lets_deep_layers_mineralize():
    """Their own nitrogen piles up in ``layered`` until it is immobilised; the root zone's does not answer to theirs."""
    own, shared = (
        simulate(scheme, "float32", "float64", observed=False)[3]["layer_net_nitrogen_mineralization"][..., 15:].sum()
        for scheme in ("layered", "layered_concentration")
    )
    assert shared > 0.0 and shared > own


def test_layered_store_and_respiration_are_constant_together():
    """docs/model.md#b2: frozen + thawed + cumulative respiration of the layers stays, layer by layer."""
    before, after, _, month, _ = simulate("layered", "float32", "float64")
    start = np.asarray(before.carbon.store.frozen_carbon + before.carbon.store.thawed_carbon)
    end = np.asarray(after.carbon.store.frozen_carbon + after.carbon.store.thawed_carbon)
    respired = month["layer_respiration"].sum(axis=(1, 2))
    np.testing.assert_allclose(start, end + respired, rtol=1e-9)


def test_thinning_roots_take_less_of_deep_nitrogen_and_budgets_close():
    """Jackson et al. 1996: root density beta^depth; by default all layers within the roots give their nitrogen."""
    spread = simulate("layered", "float32", "float64", root_density_decline=6.0)
    check_budgets(*spread, 1e-9)
    taken = spread[3]["nitrogen_uptake_thawed_permafrost"].sum(axis=(1, 2))
    whole = simulate("layered", "float32", "float64")[3]["nitrogen_uptake_thawed_permafrost"].sum(axis=(1, 2))
    assert whole.max() > 0.1
    assert (taken <= whole + 1e-9).all() and taken.sum() < 0.5 * whole.sum()
    left = np.asarray(spread[1].carbon.store.thawed_available_nitrogen)
    assert left.max() > 0.1 and left.min() >= -1e-9


@pytest.fixture(
    scope="module",
    params=["layered", *(pytest.param(s, marks=pytest.mark.slow) for s in ("thaw_ratio", "layered_concentration"))],
)
def beyond(request):
    """Roots that follow thaw at a cost, abrupt thaw and methane together; layers lose nitrogen, at rates in float32."""
    options: Named = {"roots_follow_thaw": True, "abrupt_thaw": True, "methane": True}
    if permafrost.SCHEMES[request.param].decomposes_layers:
        options |= {"deep_nitrogen_losses": True, "layer_rate_dtype": "float32"}
    result = simulate(request.param, "float32", "float64", cost_of_roots=200.0, **options)
    check_budgets(*result, 1e-9)
    _, _, _, month, year = result
    for name in ("year_carbon_residual", "year_nitrogen_residual"):
        assert np.abs(year[name]).max() <= 1e-9 * month["ecosystem_carbon"].max()
    return result


def test_roots_follow_thaw_no_further_than_their_maximum(beyond):
    before, after, _, _, year = beyond
    depth = year["rooting_depth"]
    maximum = np.asarray(parameter_tree().roots.maximum_depth)[np.asarray(scattered()[0].community)]
    assert (depth > 0.0).all() and (depth <= maximum[:, None] + 1e-12).all()
    np.testing.assert_array_equal(depth[:, -1], np.asarray(after.carbon.rooting_depth))
    assert np.abs(depth[:, -1] - np.asarray(before.carbon.rooting_depth)).max() > 0.1


def test_budgets_of_the_landscape_close_where_ground_thaws_abruptly(beyond):
    """Column and disturbed ground together, from states alone."""
    before, after, _, month, year = beyond
    ground = after.carbon.ground
    share = np.asarray(jax.vmap(lambda g: g.undisturbed_share)(ground))
    assert 0.9 < share.min() < 0.995 and share.max() <= 1.0  # the warmest has no permafrost
    lies = np.asarray((ground.exposed_carbon + ground.deep_carbon).sum(axis=(1, 2)))
    np.testing.assert_allclose(lies, year["abrupt_thaw_carbon"][:, -1], rtol=1e-12)
    begun, ended = total(step.total_carbon, before.carbon), share * total(step.total_carbon, after.carbon) + lies
    np.testing.assert_allclose(ended - begun, year["landscape_carbon_balance"].sum(axis=1), atol=1e-9 * begun.max())
    exposed = year["abrupt_thaw_exposed_carbon"]
    assert exposed.min() >= -1e-9 and exposed.max() > 5.0
    undisturbed = 1.0 - np.concatenate([np.zeros((share.size, 1)), year["abrupt_thaw_area"][:, :-1]], axis=1)
    flux = (undisturbed * (month["nitrogen_input"] - month["nitrogen_loss"]).sum(axis=2)).sum(axis=1)
    ended = share * total(step.total_nitrogen, after.carbon) + np.asarray(ground.nitrogen.sum(axis=(1, 2)))
    begun = total(step.total_nitrogen, before.carbon)
    np.testing.assert_allclose(ended - begun, flux, atol=1e-9 * begun.max())


def test_thawed_layers_lose_nitrogen(beyond):
    _, after, _, month, _ = beyond
    lost = month["nitrogen_loss_thawed_permafrost"]
    assert lost.min() >= 0.0 and (lost <= month["nitrogen_loss"] + 1e-12).all()
    if after.carbon.store.thawed_carbon.shape[1] > 1:
        assert lost.max() > 1e-4
        assert np.asarray(after.carbon.store.thawed_available_nitrogen).min() >= -1e-9


def test_methane_is_part_of_what_was_decomposed(beyond):
    _, _, _, month, _ = beyond
    made, emitted = month["methane_production"], month["wetland_methane"]
    np.testing.assert_allclose(made, month["methane_oxidation"] + emitted, atol=1e-9)
    ways = sum(month[f"methane_{way}"] for way in ("plant_transport", "ebullition", "diffusion"))
    np.testing.assert_allclose(ways, emitted, atol=1e-9)
    assert emitted.min() >= 0.0 and emitted.max() > 0.0
    assert (made <= 0.5 * 0.14 * month["heterotrophic_respiration"] + 1e-9).all()


def test_root_access_of_layers():
    table = parameter_tree().permafrost
    one = jax.tree.map(lambda leaf: leaf[0], table)
    one = dataclasses.replace(one, root_density_decline=jnp.asarray(-100.0 * np.log(0.943)))
    constants = permafrost.layer_constants(25, jnp.asarray(1.5), jnp.asarray(0.3), one)
    middle = np.cumsum(constants.thickness) - 0.5 * np.asarray(constants.thickness)
    expected = np.where(middle <= 1.5, 0.943 ** (100.0 * middle), 0.0)
    np.testing.assert_allclose(constants.root_access, expected, rtol=1e-12)
    plain = permafrost.layer_constants(
        25, jnp.asarray(1.5), jnp.asarray(0.3), jax.tree.map(lambda leaf: leaf[0], table)
    )
    np.testing.assert_array_equal(plain.root_access, plain.within_roots)


@pytest.mark.parametrize(
    "scheme", [pytest.param(s, marks=() if s == "thaw_ratio" else pytest.mark.slow) for s in permafrost.SCHEMES]
)
def test_two_layers_of_soil_water_close_in_every_scheme(scheme):
    """Budgets as with one layer, and both layers between wilting point and field capacity in every month."""
    result = simulate(scheme, "float32", "float64", two=True)
    check_budgets(*result, 1e-9)
    _, after, _, month, _ = result
    cells, _ = scattered()
    soils = jax.vmap(lambda p, psi: water.hydraulics(psi, p))(
        jax.tree.map(lambda leaf: leaf[cells.community], parameter_tree().water), cells.silt_clay
    )
    upper, depth = np.asarray(soils.upper_depth), np.asarray(soils.rooting_depth)
    share = (upper / depth)[:, None, None]
    below = (month["volumetric_moisture"] - share * month["volumetric_moisture_20cm"]) / (1 - share)
    for moisture in (month["volumetric_moisture_20cm"], below):
        assert (moisture >= np.asarray(soils.wilting_point)[:, None, None] - 1e-9).all()
        assert (moisture <= np.asarray(soils.field_capacity)[:, None, None] + 1e-9).all()
    assert np.abs(month["volumetric_moisture_20cm"] - below).max() > 0.02  # the layers do differ
    stores = after.water.stores
    last = 1000 * upper * month["volumetric_moisture_20cm"][:, -1, -1]
    if not permafrost.SCHEMES[scheme].moves_water:
        np.testing.assert_allclose(np.asarray(stores.upper_water), last, rtol=1e-12)
    assert (np.asarray(stores.upper_water) <= np.asarray(stores.soil_water)).all()


def test_open_nitrogen_and_baseline_close():
    result = simulate("thaw_ratio", "float32", "float64", open_nitrogen=True, baseline=True)
    check_budgets(*result, 1e-9)
    assert result[3]["nitrogen_input"].max() > 0.0
    assert result[3]["nitrogen_loss"].max() > 0.0


@pytest.mark.parametrize("scheme", ["layered", pytest.param("thaw_ratio", marks=pytest.mark.slow)])
def test_float32_closes_to_its_own_precision(scheme):
    before, after, climate, month, year = simulate(scheme, "float32", "float32")
    assert after.carbon.vegetation_carbon.dtype == jnp.float32
    check_budgets(before, after, climate, month, year, 1e-5)
