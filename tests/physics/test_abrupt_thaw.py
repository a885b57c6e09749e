"""docs/model.md#t1 to #t6: the inventory of Turetsky et al. (2020), and what a column makes of it."""

import dataclasses
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from equations import a, branch, close

from jtem.physics import abrupt_thaw, permafrost

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import abrupt_thaw as inventory

P = branch("abrupt_thaw")
MATTER = abrupt_thaw.Matter(a([30e3, 35e3, 30e3]), a([5e3, 0.0, 5e3]), a([2e3] * 3))


@pytest.fixture(scope="module")
def run():
    """Every network of the published model under RCP8.5: ours, the solver's, derivative of all emission by rates and trends."""
    found = {}
    for part in inventory.networks("rcp85"):
        given = inventory.arguments(part, "rcp85")

        def everything(rates, trend, part=part):
            area, emitted = inventory.by_jtem(part, rates, trend)
            return emitted[-1, 0], (area, emitted)

        compiled = jax.jit(jax.value_and_grad(everything, argnums=(0, 1), has_aux=True))
        (_, (area, emitted)), gradient = compiled(*given)
        found[part["name"]] = (part, given, np.asarray(area), np.asarray(emitted), gradient, compiled)
    return found


def test_areas_and_emissions_of_the_published_model(run):
    """Against a solver of its own: yearly steps follow rates up to 0.3 a year to 1e-5. Area is kept, no state empties."""
    for part, _, area, emitted, _, _ in run.values():
        exact_area, exact_emitted = inventory.solved(part, "rcp85")
        np.testing.assert_allclose(area, exact_area, rtol=2e-5)
        np.testing.assert_allclose(emitted[99:], exact_emitted[99:], rtol=2e-5)
        np.testing.assert_allclose(area.sum(axis=1), sum(part["area"]), rtol=1e-12)
        assert area.min() > 0.0


def test_totals_are_those_of_the_paper(run):
    """80 +- 19 Pg C by 2300 under RCP8.5, a third of it from slopes, whose active ground is 3 % of abrupt thaw terrain."""
    paper = inventory.published()
    since = {name: emitted[-1] - emitted[99] for name, (_, _, _, emitted, _, _) in run.items()}
    total = np.sum(list(since.values()), axis=0)
    assert total[0] == pytest.approx(76.9, abs=0.1)
    assert abs(total[0] - paper["total_2300_rcp85"]) < paper["total_2300_rcp85_deviation"]
    assert since["hillslope"][0] / total[0] == pytest.approx(paper["hillslope_share"], abs=0.05)
    terrain = sum(sum(part["area"]) for part in paper["network"])
    assert run["hillslope"][2][-1, 1] / terrain == pytest.approx(0.03, abs=0.005)


def test_derivative_of_the_emission_by_every_rate_equals_differences(run):
    for part, (rates, trend), _, _, gradient, compiled in run.values():
        for which, given in ((0, rates), (1, trend)):
            for index in np.ndindex(given.shape):
                step = 1e-7
                moved = [
                    compiled(*[g.at[index].add(sign * step) if k == which else g for k, g in enumerate((rates, trend))])
                    for sign in (1.0, -1.0)
                ]
                slope = (moved[0][0][0] - moved[1][0][0]) / (2 * step)
                # rounding of a sum of some 1e1 to 1e4, over 2e-7, is what the differences are uncertain by
                np.testing.assert_allclose(gradient[which][index], slope, rtol=2e-5, atol=1e-5, err_msg=part["name"])


def years(count, warming=0.03, moves=True, thaw=1.0, p=P, start=None):
    """A column's disturbed ground after ``count`` years, and what each year gave (stacked)."""

    def one(ground, year):
        month = -60.0 + 12.0 * warming * year
        ground = abrupt_thaw.remembered(ground, month, a(20.0))
        return abrupt_thaw.year(ground, MATTER, a(thaw), jnp.asarray(moves), p)

    return jax.lax.scan(one, start or abrupt_thaw.no_ground(a(-5.0)), jnp.arange(float(count)))


def test_carbon_and_nitrogen_of_a_column_are_kept():
    """Undisturbed carbon less what is left of it, and growth of recovered ground, is what lies there and what was emitted."""
    ground, made = years(250)
    share = ground.undisturbed_share
    assert 0.8 < float(share) < 1.0
    came = float((1.0 - share) * 35e3)
    grown = float(made.production.sum() - 20.0 * (1.0 - jnp.concatenate([a([0.0]), made.area[:-1]])).sum())
    emitted = float((made.carbon_dioxide + made.methane).sum())
    lies = float((ground.exposed_carbon + ground.deep_carbon).sum())
    assert lies + emitted == pytest.approx(came + grown, rel=1e-12)
    close(ground.nitrogen.sum(), (1.0 - share) * 2e3, rtol=1e-12)
    assert np.abs(made.carbon_residual).max() < 1e-9 and np.abs(made.nitrogen_residual).max() < 1e-9
    for leaf in (ground.area, ground.exposed_carbon, ground.deep_carbon):
        assert np.asarray(leaf).min() >= 0.0


def test_little_carbon_limits_the_emission():
    poor = MATTER._replace(exposed_carbon=a([50.0] * 3))
    ground = abrupt_thaw.no_ground(a(-5.0))
    for _ in range(100):
        ground, _ = abrupt_thaw.year(
            abrupt_thaw.remembered(ground, a(-60.0), a(0.0)), poor, a(1.0), jnp.asarray(True), P
        )
        assert np.asarray(ground.exposed_carbon).min() >= 0.0
    rich, _ = years(100, warming=0.0)
    assert float(ground.exposed_carbon.sum()) < 0.02 * float(rich.exposed_carbon.sum())
    assert float(abrupt_thaw.allowed(a(1e3), a(0.0))) == 0.0
    assert float(abrupt_thaw.allowed(a(1.0), a(1e6))) == pytest.approx(1.0, abs=1e-5)


def test_warming_speeds_thaw_up_and_ground_without_permafrost_stays():
    still, warm = (years(50, warming=w)[1] for w in (0.0, 0.1))
    assert float(warm.area[-1]) > float(still.area[-1]) > 0.0
    _, dry = years(50, thaw=12.0)
    assert float(dry.area[-1]) == 0.0 and float(dry.carbon_dioxide.sum()) == 0.0
    rate = abrupt_thaw.thaw_rate(a(2.0), a(1.0), P)
    close(rate, np.asarray(P.thaw_rate) + 2.0 * np.asarray(P.thaw_rate_warming))
    assert float(abrupt_thaw.thaw_rate(a(-50.0), a(1.0), P).max()) == 0.0  # a colder climate does not heal


def test_held_ground_only_remembers_the_temperature():
    ground, made = years(30, warming=0.1, moves=False)
    assert float(ground.area.sum()) == 0.0 and float(made.methane.sum()) == 0.0
    assert float(made.production.sum()) == pytest.approx(600.0)
    assert -5.0 + 0.1 * 29 > float(ground.reference_temperature) > -5.0 + 0.1 * 15


def test_frozen_matter_above_the_depth_of_exposure():
    p = branch("permafrost")
    store = permafrost.empty_store(25, a(0.95))
    layered = np.asarray(permafrost.layers_above(store, a(2.9), p))
    close(layered[[8, 9, 10, 18, 19, 20]], [0.0, 1.0, 1.0, 1.0, 0.5, 0.0])
    ratio = permafrost.empty_store(1, a(0.95))
    assert float(permafrost.reservoir_above(ratio, a(0.5), p)[0]) == 0.0
    assert float(permafrost.reservoir_above(ratio, p.profile_maximum_depth, p)[0]) == pytest.approx(1.0)
    share = [float(permafrost.profile_share(a(z), p)) for z in (0.95, 3.0, float(p.profile_maximum_depth))]
    found = float(permafrost.reservoir_above(ratio, a(3.0), p)[0])
    assert found == pytest.approx((share[1] - share[0]) / (share[2] - share[0])) and 0.0 < found < 1.0
    assert permafrost.nothing_above(permafrost.empty_store(0, a(1.0)), a(3.0), p).size == 0


def test_slopes_of_a_column_are_those_of_differences():
    names = [f.name for f in dataclasses.fields(P) if f.name != "memory"]

    def emitted(x):
        p = dataclasses.replace(P, **{name: x[k] for k, name in enumerate(names)})
        made = years(40, p=p)[1]
        return made.carbon_dioxide.sum() + 3.0 * made.methane.sum() + 0.1 * made.carbon.sum()

    x = jnp.stack([getattr(P, name) for name in names])
    value = jax.jit(emitted)
    gradient = np.asarray(jax.jit(jax.grad(emitted))(x))
    for k, j in np.ndindex(x.shape):
        step = 1e-4 * max(float(abs(x[k, j])), 1e-3)
        slope = float(value(x.at[k, j].add(step)) - value(x.at[k, j].add(-step))) / (2 * step)
        if names[k] in ("active_burial", "stabilized_methane") and float(x[k, j]) == 0.0:
            continue  # an emission that begins has no two-sided slope
        # the second is the rounding of the differences of what a column emits
        np.testing.assert_allclose(gradient[k, j], slope, rtol=1e-5, atol=1e-4, err_msg=f"{names[k]}[{j}]")
