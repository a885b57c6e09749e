"""Methane: the anaerobic share of decomposition, oxidation, transport by plants, bubbles and diffusion; uptake by dry soil.

In the spirit of Zhuang et al. (2004), as a quasi-steady month without a store of gas. Equations docs/model.md#m1 to #m7.
"""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from jtem.constants import MONTH_MEGASECONDS
from jtem.numerics import safe
from jtem.numerics.layers import over_layers, to_layers
from jtem.parameters import parameter

CARBON_PER_MOL = 12.011
"""g of carbon in a mol of methane."""


class MethaneParameters(eqx.Module):
    """Where it is wet, how much methane is made there, and what becomes of it."""

    inundated_fraction: Float[Array, "*types"] = parameter(
        unit="1", description="share of the ground that is wetland, where no map gives it"
    )
    water_table_maximum: Float[Array, "*types"] = parameter(
        unit="m", description="depth of the water table of wetland in ground at the wilting point"
    )
    decomposition_depth: Float[Array, "*types"] = parameter(
        unit="m", description="e-folding depth of the active pool's decomposition", scale="log"
    )
    production_share: Float[Array, "*types"] = parameter(
        unit="1", description="share of anaerobic decomposition that becomes methane at 22 degC", symbol="f_CH4"
    )
    production_q10: Float[Array, "*types"] = parameter(
        unit="1", description="change of that share by 10 K, beyond that of decomposition", symbol="Q10"
    )
    plant_share: Float[Array, "*types"] = parameter(
        unit="1", description="share of methane that plants in full leaf take up and pass on"
    )
    rhizosphere_oxidation: Float[Array, "*types"] = parameter(
        unit="1", description="share of what plants pass on that is oxidised around their roots"
    )
    bubble_concentration: Float[Array, "*types"] = parameter(
        unit="mol m-3", description="concentration at which bubbles form", scale="log"
    )
    diffusivity: Float[Array, "*types"] = parameter(
        unit="m2 Ms-1", description="diffusivity of methane in the water of soil", scale="log"
    )
    oxidation_depth: Float[Array, "*types"] = parameter(
        unit="m",
        description="thickness of unsaturated soil that leaves 37 % of methane passing through it",
        scale="log",
    )
    soil_uptake: Float[Array, "*types"] = parameter(
        unit="gC m-2 month-1", description="uptake of methane from the air by dry thawed soil at 10 degC"
    )


BASE_TEMPERATURE = 22.0
"""degC, of ``production_share`` (295 K)."""


class Methane(NamedTuple):
    """Methane of a month, as carbon per area of the column (gC m-2 month-1); depth of wetland's water table (m)."""

    production: Array
    oxidation: Array
    plant_transport: Array
    ebullition: Array
    diffusion: Array
    soil_uptake: Array
    water_table: Array


def filling(
    moisture: Float[Array, "*cells"], wilting_point: Float[Array, "*cells"], field_capacity: Float[Array, "*cells"]
) -> Float[Array, "*cells"]:
    """``s = (theta - wp)/(fc - wp)``: filling of the root zone, 0 to 1 (docs/model.md#m1)."""
    return safe.smooth_unit((moisture - wilting_point) / (field_capacity - wilting_point))


def water_table(filled: Float[Array, "*cells"], p: MethaneParameters) -> Float[Array, "*cells"]:
    """``z_w = z_max (1 - s)`` (m): depth of the water table in wetland (docs/model.md#m1)."""
    return p.water_table_maximum * (1.0 - filled)


def methane_share(temperature: Float[Array, "..."], share: Array, q10: Array) -> Float[Array, "..."]:
    """``f_CH4 Q10^((T - 22)/10)``, at most a half: two molecules of carbon make one of each gas (docs/model.md#m3)."""
    return safe.minimum(0.5, share * jnp.exp(jnp.log(q10) * (temperature - BASE_TEMPERATURE) / 10.0))


def production(
    inundated: Float[Array, "*cells"],
    depth: Float[Array, "*cells"],
    respiration: Float[Array, "*cells"],
    temperature: Float[Array, "*cells"],
    layer_respiration: Float[Array, "layer *cells"],
    layer_temperature: Float[Array, "layer *cells"],
    p: MethaneParameters,
) -> Float[Array, "*cells"]:
    """``f_w (f(T) e^(-z_w/z_d) R_H + sum_k f(T_k) R_H,k)`` (gC m-2 month-1; docs/model.md#m2).

    Decomposition of the active pool below the water table, and all of the thawed layers, is anaerobic in wetland.
    """
    upper = methane_share(temperature, p.production_share, p.production_q10) * jnp.exp(-depth / p.decomposition_depth)
    layers = layer_respiration.shape[0]
    share = methane_share(layer_temperature, to_layers(p.production_share, layers), to_layers(p.production_q10, layers))
    return inundated * (upper * respiration + over_layers(share * layer_respiration))


def diffusion_limit(inundated: Float[Array, "*cells"], p: MethaneParameters) -> Float[Array, "*cells"]:
    """``f_w D C_b/z_d``: what diffusion carries at most before bubbles form (gC m-2 month-1; docs/model.md#m5)."""
    steep = p.bubble_concentration * CARBON_PER_MOL / p.decomposition_depth
    return inundated * p.diffusivity * MONTH_MEGASECONDS * steep


def month(
    *,
    inundated: Float[Array, "*cells"],
    filled: Float[Array, "*cells"],
    respiration: Float[Array, "*cells"],
    temperature: Float[Array, "*cells"],
    layer_respiration: Float[Array, "layer *cells"],
    layer_temperature: Float[Array, "layer *cells"],
    relative_leaf: Float[Array, "*cells"],
    thawed_share: Float[Array, "*cells"],
    p: MethaneParameters,
) -> Methane:
    """Methane of a month (docs/model.md#m2 to #m7).

    ``inundated``: wetland's share of area; ``filled``: of the root zone (0-1); ``respiration``: of the active pool, and of
    ``layer_respiration`` the thawed layers (gC m-2 month-1); ``thawed_share``: of the month at the surface.
    """
    depth = water_table(filled, p)
    made = production(inundated, depth, respiration, temperature, layer_respiration, layer_temperature, p)
    by_plants = p.plant_share * relative_leaf * made
    left = made - by_plants
    diffusing = safe.minimum(left, diffusion_limit(inundated, p))
    bubbling = left - diffusing
    through = jnp.exp(-depth / p.oxidation_depth)  # both pass the unsaturated soil above the water table
    plant_transport = (1.0 - p.rhizosphere_oxidation) * by_plants
    warmth = safe.smooth_unit(temperature / 10.0) * thawed_share
    return Methane(
        production=made,
        oxidation=by_plants - plant_transport + (1.0 - through) * left,
        plant_transport=plant_transport,
        ebullition=through * bubbling,
        diffusion=through * diffusing,
        soil_uptake=(1.0 - inundated) * p.soil_uptake * warmth * (1.0 - filled),
        water_table=depth,
    )
