"""Columns from the data of a place: published values of conductivity, carbon and energy kept, derivatives, and the switch."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jtem import step
from jtem.physics import soil_heat
from jtem.physics.soil_heat import place
from sites import TABLE, TOOLIK, make, parameter_tree

DESIGN = soil_heat.ThermalDesign(from_place=True)
EDGES = np.array(place.CARBON_EDGES)


def row(community="boreal_forest"):
    tree = step.select_community(parameter_tree(), TABLE.index(community))
    return tree.soil_thermal, tree.soil_column


def profile(top, sub, deep=5.0):
    """GC m-2 of 25 layers from densities (kg m-3) of 0-0.3 m, to 1 m and below."""
    middle = 0.5 * (EDGES[1:] + EDGES[:-1])
    return jnp.asarray(1e3 * np.diff(EDGES) * np.select([middle < 0.3, middle < 1.0], [top, sub], deep))


def test_published_conductivities():
    """Peat 0.55 saturated and 0.05 dry (Lawrence and Slater 2008, Table 1), frozen 1.8 (Farouki 1981); sand of 1,600 kg m-3 is
    0.24 dry (Johansen 1975), quartz 7.7; half saturated fine soil (kappa 1.9) has Ke 0.655, peat 0.375 (Cote and Konrad 2005).
    """
    one = jnp.asarray(1.0)
    peat = (jnp.asarray(place.PEAT_POROSITY), jnp.asarray(place.PEAT_SOLIDS), jnp.asarray(place.DRY_PEAT))
    kappa = jnp.asarray(place.KERSTEN_PEAT[0])
    assert place.soil_conductivity(one, *peat, kappa, place.WATER) == pytest.approx(0.55, abs=0.03)
    assert place.soil_conductivity(one, *peat, kappa, place.ICE) == pytest.approx(1.84, abs=0.01)
    assert place.soil_conductivity(0.0 * one, *peat, kappa, place.WATER) == 0.05
    assert place.dry_mineral(jnp.asarray(1.0 - 1600.0 / 2700.0)) == pytest.approx(0.237, abs=0.001)
    assert place.mineral_solids(one) == pytest.approx(7.7)
    assert place.mineral_solids(jnp.asarray(0.05)) == pytest.approx(3.0 * (7.7 / 3.0) ** 0.05)
    assert place.mineral_porosity(one) == pytest.approx(0.363)
    for kappa, expected in ((1.9, 0.655), (0.6, 0.375)):
        made = place.soil_conductivity(0.5 * one, 0.0 * one, one, 0.0 * one, jnp.asarray(kappa), place.WATER)
        assert made == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("top", "sub", "expected"), [(30.0, 10.0, 0.3 * 20 / 65.4), (10.0, 10.0, 0.0), (5.0, 20.0, 0.0), (90.0, 80.0, 0.3)]
)
def test_peat_holds_what_the_subsoil_does_not_explain(top, sub, expected):
    """Thickness from ``h rho_max + (d-h) rho_s = C``, within 0 and 0.3 m."""
    thickness, mineral = place.peat_thickness(profile(top, sub), jnp.asarray(75.4))
    assert thickness == pytest.approx(expected, abs=1e-12)
    if 0 < expected < 0.3:
        assert thickness * 75.4 + (0.3 - thickness) * mineral == pytest.approx(0.3 * top)


def test_materials_stand_where_they_belong():
    """Moss, then peat, mineral soil, rock from its depth on; total thickness is that of moss and soil; water within pores."""
    p, own = row()
    own = dataclasses.replace(own, bedrock_depth=jnp.asarray(1.5))
    made = place.materials(p, own, profile(30.0, 10.0), jnp.asarray(0.6))
    bottom = np.cumsum(made.layer_thickness)
    assert bottom[0] == pytest.approx(0.05)
    assert bottom[2] == pytest.approx(0.35)
    assert bottom[-1] == pytest.approx(6.05)
    assert made.conductivity_thawed.shape == (made.layer_thickness.size + 1,)
    rock = (np.asarray(bottom) > 0.05 + 1.5 + 0.2 - 1e-9)[:-1]
    np.testing.assert_allclose(np.asarray(made.conductivity_thawed[:-2])[rock], place.ROCK_CONDUCTIVITY)
    assert np.all(np.asarray(made.conductivity_thawed[1:10]) < place.ROCK_CONDUCTIVITY)
    assert np.all((np.asarray(made.water_content) > 0) & (np.asarray(made.water_content) <= 0.9))
    assert np.all(np.asarray(made.conductivity_frozen)[:10] > np.asarray(made.conductivity_thawed)[:10] * 0.6)


@pytest.mark.parametrize(
    ("top", "sub", "silt_clay", "bedrock"), [(30.0, 10.0, 0.6, 1.55), (8.0, 10.0, 0.8, 9.0), (90.0, 80.0, 0.95, 0.2)]
)
def test_materials_by_hand(top, sub, silt_clay, bedrock):
    """Every property of every material from the formulas of docs/model.md#h15, one material at a time."""
    p, own = row()
    own = dataclasses.replace(own, bedrock_depth=jnp.asarray(bedrock))
    made = place.materials(p, own, profile(top, sub), jnp.asarray(silt_clay))
    sand, richest = 1.0 - silt_clay, float(own.peat_carbon_density)
    mineral = min(sub, top, richest)
    peat = min(max(0.3 * (top - mineral) / max(richest - mineral, 0.05 * richest), 0.0), 0.3)
    bounds = [0.0, peat, *EDGES[3:]]
    densities = [mineral, *np.where(EDGES[3:-1] < 0.999, sub, 5.0)]
    shares = [1.0, 1.0, *(min(density / richest, 1.0) for density in densities), 0.0]
    wet = [float(own.saturation[0]), *(f * own.saturation[1] + (1 - f) * own.saturation[2] for f in shares[1:])]
    rocky = [0.0, *(min(max((b - bedrock) / max(b - a, 1e-3), 0.0), 1.0) for a, b in itertools.pairwise(bounds)), 0.0]
    thickness = [own.moss_thickness, *np.diff(bounds), max(bedrock - 6.0, 0.0)]
    # edges to 50 m, of which the last bit is 7e-15
    np.testing.assert_allclose(made.layer_thickness, thickness, rtol=0, atol=1e-14)
    quartz_free = 3.0 - min(max((sand - 0.1) / 0.2, 0.0), 1.0)
    dry_density = 2700.0 * (1.0 - (0.489 - 0.126 * sand))
    expected = []
    for f, s, r in zip(shares, wet, rocky, strict=True):

        def mixed(of_mineral, of_peat, f=f):
            return (1.0 - f) * of_mineral + f * of_peat

        pores = mixed(0.489 - 0.126 * sand, 0.9)
        solids = mixed(7.7**sand * quartz_free ** (1.0 - sand), 0.25)
        dry = mixed((0.135 * dry_density + 64.7) / (2700.0 - 0.947 * dry_density), 0.05)
        warmed = (1.0 - pores) * mixed(2.128 * sand + 2.385 * (1.0 - sand), 2.5)
        conducted = []
        for fluid, kappa in (
            (0.57, mixed(3.55 * sand + 1.90 * (1.0 - sand), 0.60)),
            (2.29, mixed(0.95 * sand + 0.85 * (1.0 - sand), 0.25)),
        ):
            full = solids ** (1.0 - pores) * fluid**pores
            conducted.append(dry + (full - dry) * kappa * s / (1.0 + (kappa - 1.0) * s))
        soil = [*conducted, warmed + 4.188 * s * pores, warmed + 2.117 * s * pores, s * pores]
        expected.append((1.0 - r) * np.array(soil) + r * np.array([3.0, 3.0, 2.0, 2.0, 0.01]))
    expected.append(np.array([3.0, 3.0, 2.0, 2.0, 0.01]))
    found = (
        made.conductivity_thawed, made.conductivity_frozen, made.heat_capacity_thawed, made.heat_capacity_frozen,
        made.water_content,
    )  # fmt: skip
    np.testing.assert_allclose(np.stack(found, 1), expected, rtol=1e-13)  # 9e-16 measured


def test_more_carbon_insulates_more_in_summer():
    """The resistance of the thawed upper metre rises with carbon, and falls with sand."""
    p, own = row()

    def resistance(top, silt_clay):
        column = soil_heat.properties(place.materials(p, own, profile(top, 10.0), jnp.asarray(silt_clay)), DESIGN)
        return float(jnp.sum((column.resistance_upper_thawed + column.resistance_lower_thawed)[:10]))

    assert resistance(50.0, 0.6) > 1.3 * resistance(10.0, 0.6)
    assert resistance(10.0, 0.2) < resistance(10.0, 0.8)


def test_every_number_has_its_derivative():
    """Derivatives of the column's properties by carbon, texture and parameters equal differences."""
    p, own = row("wet_moist_tundra")
    own = dataclasses.replace(own, bedrock_depth=jnp.asarray(2.33), moss_thickness=jnp.asarray(0.043))

    def total(own, carbon, silt_clay):
        made = place.materials(p, own, carbon, silt_clay)
        column = soil_heat.properties(made, DESIGN)
        leaves = (
            column.heat_capacity_frozen,
            column.enthalpy_thawed,
            column.resistance_upper_thawed,
            column.resistance_lower_frozen,
        )
        return sum(jnp.sum(jnp.sin(3.0 * leaf + 0.1 * jnp.arange(leaf.size, dtype=leaf.dtype))) for leaf in leaves)

    at = (own, profile(33.0, 12.0, 7.0), jnp.asarray(0.55))
    slope = jax.grad(total, argnums=(0, 1, 2))(*at)
    flat, tree = jax.tree.flatten(at)
    for k, leaf in enumerate(flat):
        for index in np.ndindex(leaf.shape):
            h = 1e-6 * max(1.0, float(abs(leaf[index])))
            ends = [
                float(total(*jax.tree.unflatten(tree, [*flat[:k], leaf.at[index].add(s * h), *flat[k + 1 :]])))
                for s in (1.0, -1.0)
            ]
            exact = float(jax.tree.leaves(slope)[k][index])
            assert exact == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=2e-5, abs=1e-8), (k, index)


def test_the_step_takes_them_where_asked():
    """``from_place`` changes the column of the step; without it the row of the community stands, to the bit."""
    cells, _ = make([(TOOLIK, 0.4, "wet_moist_tundra", 0.0)], 1)
    cell = jax.tree.map(lambda leaf: leaf[0], cells)
    tree = parameter_tree()
    by_row = step.derive(tree, cell, step.Design())
    by_place = step.derive(tree, cell, step.Design(thermal=DESIGN))
    told = step.select_community(tree, TABLE.index("wet_moist_tundra")).soil_thermal
    plain = soil_heat.properties(jax.tree.map(lambda leaf: leaf.astype("float32"), told), soil_heat.ThermalDesign())
    np.testing.assert_array_equal(by_row.thermal.enthalpy_thawed, plain.enthalpy_thawed)
    assert not np.allclose(by_row.thermal.enthalpy_thawed, by_place.thermal.enthalpy_thawed)
