"""docs/model.md#m1 to #m7: methane of wetland and of dry soil."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from equations import a, branch, close

from jtem.physics import methane

P = branch("methane", "wet_moist_tundra")
NONE = jnp.zeros((0,))


def month(
    p=P, inundated=1.0, filled=1.0, respiration=20.0, temperature=10.0, leaf=1.0, thawed=1.0, layers=NONE, warm=NONE
):
    return methane.month(
        inundated=a(inundated), filled=a(filled), respiration=a(respiration), temperature=a(temperature),
        layer_respiration=a(layers), layer_temperature=a(warm), relative_leaf=a(leaf), thawed_share=a(thawed), p=p,
    )  # fmt: skip


def emitted(gas):
    return float(gas.plant_transport + gas.ebullition + gas.diffusion)


def test_m1_water_table():
    filled = methane.filling(a([0.1, 0.2, 0.25, 0.4]), a([0.1] * 4), a([0.3] * 4))
    close(filled, [0.0, 0.5, 0.75, 1.0])
    close(methane.water_table(filled, P), [0.3, 0.15, 0.075, 0.0])


def test_m3_share_that_becomes_methane():
    share = methane.methane_share(a([22.0, 12.0, 2.0, 80.0]), a(0.2), a(1.33))
    close(share, [0.2, 0.2 / 1.33, 0.2 / 1.33**2, 0.5])


def test_m2_production_by_hand():
    """20 gC at 12 degC, water table at 0.1 m of 0.2 m; a layer that respires 3 gC at 2 degC; a tenth of the ground is wet."""
    made = methane.production(a(0.1), a(0.1), a(20.0), a(12.0), a([3.0]), a([2.0]), P)
    close(made, 0.1 * (20.0 * np.exp(-0.5) * 0.2 / 1.33 + 3.0 * 0.2 / 1.33**2))


def test_m4_to_m6_ways_out_add_up():
    """Where the water stands at the surface only roots oxidise; 60 % by plants in full leaf, of it 40 % oxidised."""
    gas = month()
    made = float(gas.production)
    close(gas.plant_transport, 0.6 * 0.6 * made)
    close(gas.oxidation, 0.6 * 0.4 * made)
    limit = 0.5 * 12.011 / 0.2 * 0.00132 * 365.25 / 12 * 86400 / 1e6
    close(methane.diffusion_limit(a(1.0), P), limit)
    close(gas.diffusion, min(limit, 0.4 * made))
    close(gas.ebullition, 0.4 * made - limit)
    for filled in (0.0, 0.3, 1.0):
        gas = month(filled=filled, leaf=0.4)
        close(gas.production, gas.oxidation + emitted(gas))


def test_a_lower_water_table_and_fewer_leaves_emit_less():
    by_water = [emitted(month(filled=s)) for s in (1.0, 0.7, 0.3, 0.0)]
    assert by_water == sorted(by_water, reverse=True) and by_water[-1] < 0.3 * by_water[0]
    by_warmth = [emitted(month(temperature=t)) for t in (-5.0, 5.0, 15.0)]
    assert by_warmth == sorted(by_warmth)
    assert month(leaf=0.0).plant_transport == 0.0
    assert emitted(month(respiration=0.0)) == 0.0


def test_m7_only_dry_thawed_warm_soil_takes_methane_up():
    close(month(inundated=0.0, filled=0.25).soil_uptake, 0.023 * 0.75)
    close(month(inundated=0.5, filled=0.0, temperature=5.0, thawed=0.5).soil_uptake, 0.5 * 0.023 * 0.5 * 0.5)
    for given in ({"filled": 1.0}, {"temperature": -3.0}, {"thawed": 0.0}, {"inundated": 1.0}):
        assert float(month(**{"inundated": 0.0, "filled": 0.2} | given).soil_uptake) == 0.0


def test_a_year_of_wet_tundra_lies_within_what_chambers_measured():
    """Respiration of 150 gC m-2 in four months: 1 to 30 g CH4 m-2 a year, as tundra wetland and fens (Kuhn et al. 2021)."""
    year = (
        16.043
        / 12.011
        * sum(emitted(month(respiration=r, temperature=t)) for r, t in ((25, 3), (50, 8), (50, 7), (25, 2)))
    )
    assert 1.0 < year < 30.0


@pytest.mark.parametrize("filled", [0.2, 0.8])
def test_slopes_are_those_of_differences(filled):
    names = [f.name for f in dataclasses.fields(P)]

    def out(x):
        p = dataclasses.replace(P, **{name: x[k] for k, name in enumerate(names)})
        n = len(names)
        gas = methane.month(
            inundated=x[0], filled=x[n], respiration=x[n + 1], temperature=x[n + 2], layer_respiration=x[n + 3][None],
            layer_temperature=x[n + 4][None], relative_leaf=x[n + 5], thawed_share=a(0.9), p=p,
        )  # fmt: skip
        return gas.plant_transport + 2.0 * gas.ebullition + 3.0 * gas.diffusion - 4.0 * gas.soil_uptake

    x = jnp.concatenate([jnp.stack([getattr(P, name) for name in names]), a([filled, 20.0, 6.0, 3.0, 1.0, 0.7])])
    gradient = np.asarray(jax.grad(out)(x))
    for k in range(x.size):
        step = 1e-6 * float(abs(x[k]))
        slope = float(out(x.at[k].add(step)) - out(x.at[k].add(-step))) / (2 * step)
        np.testing.assert_allclose(gradient[k], slope, rtol=1e-6, atol=1e-9)
