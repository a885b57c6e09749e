"""The ground of a column: its thermal properties on layers, and what enthalpy says about temperature, ice and thaw.

Ground is described by the volumetric enthalpy ``h`` (MJ m-3), zero where all water is frozen at the lower end of the freezing
interval. Heat is counted in MJ m-2 and time in megaseconds, so that a flux in W m-2 is MJ m-2 per Ms. Arrays are
``(layer, ...)``: written for one column, and run by ``vmap`` on ``(layer, cell)`` arrays
(:func:`jtem.numerics.batching.trailing_batch`).

Equations docs/model.md#h1 to #h4, #h6, #h8, #h9, #h11.
"""

from __future__ import annotations

import dataclasses
import itertools
import math

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jtem.numerics import safe
from jtem.parameters import parameter

LATENT_HEAT = 334.0
"""Latent heat of fusion of soil water (MJ m-3 of water), Goodrich (1978) as in TEM: 334 kJ kg-1 at 1000 kg m-3."""
DEFAULT_EDGES = tuple(
    round(edge, 10)
    for edge in (
        *(0.1 * i for i in range(11)),
        *(1.0 + 0.2 * i for i in range(1, 11)),
        *(3.0 + 0.5 * i for i in range(1, 5)),
        *(6.0, 7.0, 8.5, 10.5, 13.5, 18.5, 26.5, 40.5, 60.5),
    )
)
"""Edges (m) of the default 33 layers: the 25 carbon layers of Liu et al. (2024) to 6 m, then eight to 60.5 m."""
FINE_EDGES = (*(round(0.05 * i, 10) for i in range(11)), *DEFAULT_EDGES[6:])
"""Edges (m) of 38 layers: those of the default, each of the upper 0.5 m in two halves."""
GRIDS = {"default": DEFAULT_EDGES, "fine": FINE_EDGES}
"""Grids by name. Each splits the layers of the default, on which results are reported (:func:`reported_layers`)."""


class SoilThermalParameters(eqx.Module):
    """Thermal properties of the material layers of each community, of its snow and of its surface."""

    layer_thickness: Float[Array, "*types boundary"] = parameter(
        unit="m", description="thickness of every material layer but the last, which reaches the bottom", symbol="thick"
    )
    conductivity_thawed: Float[Array, "*types material"] = parameter(
        unit="W m-1 K-1", description="thermal conductivity, thawed", symbol="condt", scale="log"
    )
    conductivity_frozen: Float[Array, "*types material"] = parameter(
        unit="W m-1 K-1", description="thermal conductivity, frozen", symbol="condf", scale="log"
    )
    heat_capacity_thawed: Float[Array, "*types material"] = parameter(
        unit="MJ m-3 K-1", description="volumetric heat capacity, thawed", symbol="spht", scale="log"
    )
    heat_capacity_frozen: Float[Array, "*types material"] = parameter(
        unit="MJ m-3 K-1", description="volumetric heat capacity, frozen", symbol="sphf", scale="log"
    )
    water_content: Float[Array, "*types material"] = parameter(
        unit="m3 m-3", description="volumetric water content that freezes and thaws", symbol="water"
    )
    snow_density: Float[Array, "*types"] = parameter(
        unit="kg m-3", description="density of snow, which sets its depth and conductivity", symbol="rho_s"
    )
    snow_melt_factor: Float[Array, "*types"] = parameter(
        unit="mm K-1 d-1", description="degree-day melt factor of the thermal snow", symbol="m_f", scale="log"
    )
    snow_half_cover: Float[Array, "*types"] = parameter(
        unit="mm", description="snow water equivalent that covers half of the ground", symbol="", scale="log"
    )
    surface_factor_thaw: Float[Array, "*types"] = parameter(
        unit="1", description="ratio of ground surface to air temperature above 0 degC, snow free", symbol="n_t"
    )
    surface_factor_freeze: Float[Array, "*types"] = parameter(
        unit="1", description="ratio of snow or ground surface to air temperature below 0 degC", symbol="n_f"
    )
    geothermal_heat_flux: Float[Array, "*types"] = parameter(
        unit="W m-2", description="heat flux into the column from below", symbol="gflux"
    )
    freezing_interval: Float[Array, "*types"] = parameter(
        unit="K", description="interval below 0 degC over which soil water freezes", symbol="delta", trainable=False
    )
    deep_snow_density: Float[Array, "*types"] = parameter(
        unit="kg m-3", description="density that cold deep snow settles to", symbol="rho_d"
    )
    snow_load: Float[Array, "*types"] = parameter(
        unit="kg m-2",
        description="what a shallow pack of snow lacks of the density of a deep one, times its depth",
        symbol="L",
    )
    snow_settling_time: Float[Array, "*types"] = parameter(
        unit="d", description="time in which snow settles", symbol="tau_s", scale="log"
    )
    snowfall_ratio: Float[Array, "*types"] = parameter(
        unit="1", description="snow that reaches the ground over snowfall as measured", symbol="f_s", scale="log"
    )
    canopy_transmission: Float[Array, "*types"] = parameter(
        unit="1", description="net radiation of the ground over that above the canopy", symbol="tau"
    )
    surface_wetness: Float[Array, "*types"] = parameter(
        unit="1", description="evaporation of the ground over that of wet ground", symbol="beta"
    )
    aerodynamic_resistance: Float[Array, "*types"] = parameter(
        unit="s m-1", description="resistance to turbulent heat from ground to air", symbol="r_a", scale="log"
    )


@dataclasses.dataclass(frozen=True)
class ThermalDesign:
    """What fixes the program of the heat model: layers, sub-steps, sweeps, and how it is batched and checkpointed.

    ``layer_edges``: depths (m) of all layer faces from 0 down. ``substeps``: per month; 6 by default, 4 for spin-up,
    10 where accuracy counts. ``sweeps``: "d" and "r" (direct, relaxed) before the final solve.
    ``settling_snow``: the depth of snow is a state. ``lit``: light warms snow-free ground above the air. ``solved``: the
    spin-up solves for the year that repeats. ``from_place``: the materials of a column follow its soil carbon and texture, and
    not the table of its community.
    ``batched=False`` leaves the layout to plain ``vmap``. ``checkpoint``: keep only the chosen phases of a month, and redo
    the rest, in reverse mode. ``on_gpu``: sweeps and solve are kernels of their own where compiled for CUDA.
    """

    layer_edges: tuple[float, ...] = DEFAULT_EDGES
    substeps: int = 6
    sweeps: str = "drdrd"
    settling_snow: bool = False
    lit: bool = False
    solved: bool = False
    from_place: bool = False
    batched: bool = True
    checkpoint: bool = True
    on_gpu: bool = False

    def __post_init__(self):
        edges = self.layer_edges
        if len(edges) < 3 or edges[0] != 0 or any(b <= a for a, b in itertools.pairwise(edges)):
            raise ValueError(f"layer_edges must start at 0 and increase, with two layers or more; got {edges}")
        if not 1 <= self.substeps <= 60:
            raise ValueError(f"substeps must be within 1..60 per month, got {self.substeps}")
        if not self.sweeps or set(self.sweeps) - {"d", "r"}:
            raise ValueError(f"sweeps is a word of the letters d and r, got {self.sweeps!r}")

    @property
    def layers(self) -> int:
        """Number of layers."""
        return len(self.layer_edges) - 1

    @property
    def bottom(self) -> float:
        """Depth of the column (m)."""
        return self.layer_edges[-1]

    @property
    def thickness(self) -> tuple[float, ...]:
        """Thickness of every layer (m)."""
        return tuple(b - a for a, b in zip(self.layer_edges[:-1], self.layer_edges[1:], strict=True))

    @property
    def reported_edges(self) -> tuple[float, ...]:
        """Faces (m) of the layers that results are reported on: the default ones where the grid splits them, else its own."""
        return DEFAULT_EDGES if set(DEFAULT_EDGES) <= set(self.layer_edges) else self.layer_edges

    @property
    def reported_centres(self) -> tuple[float, ...]:
        """Depth of the middle of every reported layer (m)."""
        return tuple((a + b) / 2 for a, b in itertools.pairwise(self.reported_edges))

    @property
    def centres(self) -> tuple[float, ...]:
        """Depth of the middle of every layer (m)."""
        return tuple((a + b) / 2 for a, b in zip(self.layer_edges[:-1], self.layer_edges[1:], strict=True))


class ThermalState(eqx.Module):
    """What the heat model remembers from one month to the next."""

    enthalpy: Float[Array, "layer *cells"]
    """MJ m-3; 0 where all water is frozen at the lower end of the freezing interval."""
    snow: Float[Array, "*cells"]
    """Thermal snow, mm water; separate from the pack of the water balance."""
    maximum_thawed_fraction: Float[Array, "layer *cells"]
    """Largest thawed fraction of each layer in any sub-step of the year so far."""
    maximum_unfrozen_thickness: Float[Array, "*cells"]
    """Largest monthly thickness (m) between the two fronts in the year so far."""
    previous_air_temperature: Float[Array, "*cells"]
    """degC, of the month before."""
    snow_depth: Float[Array, "*cells"] | None = None
    """m, where snow settles."""


class ThermalProperties(eqx.Module):
    """Properties of one column on the layers of the design, and the scalars its surface needs."""

    heat_capacity_frozen: Float[Array, "layer *cells"]
    """MJ m-3 K-1."""
    heat_capacity_thawed: Float[Array, "layer *cells"]
    """MJ m-3 K-1."""
    enthalpy_thawed: Float[Array, "layer *cells"]
    """E (MJ m-3): enthalpy at which the last ice of the layer has melted, at 0 degC."""
    resistance_upper_frozen: Float[Array, "layer *cells"]
    """m2 K W-1, of the upper half of the layer."""
    resistance_upper_thawed: Float[Array, "layer *cells"]
    """m2 K W-1, of the upper half of the layer."""
    resistance_lower_frozen: Float[Array, "layer *cells"]
    """m2 K W-1, of the lower half of the layer."""
    resistance_lower_thawed: Float[Array, "layer *cells"]
    """m2 K W-1, of the lower half of the layer."""
    snow_density: Float[Array, "*cells"]
    """kg m-3."""
    snow_melt_factor: Float[Array, "*cells"]
    """mm K-1 d-1."""
    snow_half_cover: Float[Array, "*cells"]
    """mm."""
    surface_factor_thaw: Float[Array, "*cells"]
    """1."""
    surface_factor_freeze: Float[Array, "*cells"]
    """1."""
    geothermal_heat_flux: Float[Array, "*cells"]
    """W m-2."""
    freezing_interval: Float[Array, "*cells"]
    """K."""
    deep_snow_density: Float[Array, "*cells"] | None = None
    """kg m-3, where snow settles."""
    snow_load: Float[Array, "*cells"] | None = None
    """kg m-2, where snow settles."""
    snow_settling_time: Float[Array, "*cells"] | None = None
    """d, where snow settles."""
    snowfall_ratio: Float[Array, "*cells"] | None = None
    """1, where snow settles."""
    surface_excess: Float[Array, "*cells"] | None = None
    """K, by which light warms snow-free ground above the air in a month, where it does."""


def liquid_fraction(
    enthalpy: Float[Array, "*shape"], enthalpy_thawed: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Share of the freezable water that is liquid: ``phi = clip(h/E, 0, 1)``, linear on the freezing interval.

    Shapes: any, equal. Units: MJ m-3; result 1. Kinks at h = 0 and h = E.
    """
    return safe.clip(enthalpy / enthalpy_thawed, 0.0, 1.0)


def temperature_from_enthalpy(
    enthalpy: Float[Array, "*shape"],
    heat_capacity_frozen: Float[Array, "*shape"],
    heat_capacity_thawed: Float[Array, "*shape"],
    enthalpy_thawed: Float[Array, "*shape"],
    freezing_interval: Float[Array, ""],
) -> Float[Array, "*shape"]:
    """Temperature (degC) of ground with enthalpy h: ``T = min(h,0)/Cf - delta (1-phi) + max(h-E,0)/Ct``.

    Shapes: any, equal, the freezing interval (K) a scalar. Units: enthalpy MJ m-3, heat capacity MJ m-3 K-1.
    """
    frozen = safe.minimum(enthalpy, 0.0) / heat_capacity_frozen
    thawed = safe.maximum(enthalpy - enthalpy_thawed, 0.0) / heat_capacity_thawed
    return frozen - freezing_interval * (1.0 - liquid_fraction(enthalpy, enthalpy_thawed)) + thawed


def enthalpy_from_temperature(
    temperature: Float[Array, "*shape"],
    heat_capacity_frozen: Float[Array, "*shape"],
    heat_capacity_thawed: Float[Array, "*shape"],
    enthalpy_thawed: Float[Array, "*shape"],
    freezing_interval: Float[Array, ""],
) -> Float[Array, "*shape"]:
    """Enthalpy (MJ m-3) of ground at temperature T (degC), the inverse of :func:`temperature_from_enthalpy`.

    ``Cf (T+delta)`` below -delta, ``E (T+delta)/delta`` up to 0, ``E + Ct T`` above. Shapes and units as there.
    """
    below = heat_capacity_frozen * safe.minimum(temperature + freezing_interval, 0.0)
    within = enthalpy_thawed * safe.clip(1.0 + temperature / freezing_interval, 0.0, 1.0)
    above = heat_capacity_thawed * safe.maximum(temperature, 0.0)
    return below + within + above


def thawed_thickness(
    thawed_fraction: Float[Array, "layer *cells"], depth: Float[Array, "*cells"], edges: tuple[float, ...]
) -> Float[Array, "*cells"]:
    """Thickness (m) of thawed ground between the surface and ``depth`` (m): sum of overlap(layer, depth) phi.

    ``edges``: faces (m) of the layers of ``thawed_fraction``, one more than layers.
    """
    top = per_layer(edges[:-1], thawed_fraction)
    thickness = tuple(b - a for a, b in itertools.pairwise(edges))
    overlap = safe.clip(depth[None] - top, 0.0, per_layer(thickness, thawed_fraction))
    return jnp.sum(overlap * thawed_fraction, axis=0)


def layer_temperature_at(
    temperature: Float[Array, "layer *cells"], depth: float | Float[Array, "*cells"], design: ThermalDesign
) -> Float[Array, "*cells"]:
    """Temperature (degC) at ``depth`` (m), linear between the middles of the layers, constant beyond the first and
    last.
    """
    centres = per_layer(design.centres, temperature)
    depth = jnp.asarray(depth, temperature.dtype)
    depth = jnp.broadcast_to(depth, temperature.shape[1:])[None]
    share = safe.clip((depth - centres[:-1]) / (centres[1:] - centres[:-1]), 0.0, 1.0)
    return temperature[0] + jnp.sum(share * (temperature[1:] - temperature[:-1]), axis=0)


def reported_layers(values: Float[Array, "layer *cells"], design: ThermalDesign) -> Float[Array, "reported *cells"]:
    """Means by thickness over the layers that results are reported on (:attr:`ThermalDesign.reported_edges`)."""
    edges, own = design.reported_edges, design.layer_edges
    if own == edges:
        return values
    first = [own.index(edge) for edge in edges]
    parts = max(b - a for a, b in itertools.pairwise(first))
    total = jnp.zeros_like(values[: len(edges) - 1])
    for part in range(parts):
        index = [min(a + part, b - 1) for a, b in itertools.pairwise(first)]
        share = tuple(
            (own[i + 1] - own[i]) / (high - low) if a + part < b else 0.0
            for i, (a, b), (low, high) in zip(index, itertools.pairwise(first), itertools.pairwise(edges), strict=True)
        )
        total = total + per_layer(share, values) * values[jnp.asarray(index)]
    return total


def fronts(
    thawed_fraction: Float[Array, "layer *cells"], design: ThermalDesign
) -> tuple[Float[Array, "*cells"], Float[Array, "*cells"]]:
    """Upper front z1 and lower front z2 (m) of the thawed ground, from thawed fractions phi.

    ``z1 = sum d_i prod_{j<=i} (1-phi_j)`` is the lower edge of the frozen top; below it ``z2 - z1 = sum d_i phi_i
    kappa_i`` counts the thawed run connected to it, ``kappa_i = max(kappa_{i-1} min(1, 2 phi_{i-1}), min(1, 2
    P_{i-1}))``, ``P_i = P_{i-1} (1-phi_i)``. All frozen: both at the bottom. All thawed: 0 and the bottom.
    Continuous, piecewise smooth.
    """
    zero = jnp.zeros_like(thawed_fraction[0])

    def step(carry: tuple[Array, ...], layer: tuple[Array, ...]) -> tuple[tuple[Array, ...], None]:
        frozen_above, connected, phi_above, upper, thickness = carry
        phi, d = layer
        connected = safe.maximum(connected * safe.minimum(2.0 * phi_above, 1.0), safe.minimum(2.0 * frozen_above, 1.0))
        frozen = frozen_above * (1.0 - phi)
        return (frozen, connected, phi, upper + d * frozen, thickness + d * phi * connected), None

    thickness = jnp.asarray(design.thickness, thawed_fraction.dtype)
    (_, _, _, upper, unfrozen), _ = lax.scan(step, (zero + 1.0, zero, zero, zero, zero), (thawed_fraction, thickness))
    return upper, upper + unfrozen


def properties(p: SoilThermalParameters, design: ThermalDesign) -> ThermalProperties:
    """Put the material layers of one column (one row of the parameters) on the layers of the design.

    Heat capacity and water are averaged by overlap, resistances integrated exactly over the upper and lower half of
    each layer; so thicknesses are differentiable, with kinks where a boundary sits on a face or middle of a layer.
    ``E = 334 theta + delta (Cf + Ct)/2``. Shapes: (boundary,), (material,) and scalars in; (layer,) and scalars out.
    """
    dtype = p.water_content.dtype
    edges, centres, thickness = (jnp.asarray(x, dtype) for x in (design.layer_edges, design.centres, design.thickness))
    boundary = jnp.cumsum(p.layer_thickness)
    top = jnp.concatenate([jnp.zeros((1,), dtype), boundary])
    bottom = jnp.concatenate([boundary, jnp.full((1,), design.bottom, dtype)])

    def overlap(begin: Array, end: Array) -> Array:
        shared = safe.minimum(bottom[None], end[:, None]) - safe.maximum(top[None], begin[:, None])
        return safe.maximum(shared, 0.0)

    upper, lower = overlap(edges[:-1], centres), overlap(centres, edges[1:])
    share = (upper + lower) / thickness[:, None]
    heat_capacity_frozen = share @ p.heat_capacity_frozen
    heat_capacity_thawed = share @ p.heat_capacity_thawed
    latent = LATENT_HEAT * (share @ p.water_content)
    return ThermalProperties(
        heat_capacity_frozen=heat_capacity_frozen,
        heat_capacity_thawed=heat_capacity_thawed,
        enthalpy_thawed=latent + p.freezing_interval * (heat_capacity_frozen + heat_capacity_thawed) / 2,
        resistance_upper_frozen=upper @ (1.0 / p.conductivity_frozen),
        resistance_upper_thawed=upper @ (1.0 / p.conductivity_thawed),
        resistance_lower_frozen=lower @ (1.0 / p.conductivity_frozen),
        resistance_lower_thawed=lower @ (1.0 / p.conductivity_thawed),
        snow_density=p.snow_density,
        snow_melt_factor=p.snow_melt_factor,
        snow_half_cover=p.snow_half_cover,
        surface_factor_thaw=p.surface_factor_thaw,
        surface_factor_freeze=p.surface_factor_freeze,
        geothermal_heat_flux=p.geothermal_heat_flux,
        freezing_interval=p.freezing_interval,
        deep_snow_density=p.deep_snow_density if design.settling_snow else None,
        snow_load=p.snow_load if design.settling_snow else None,
        snow_settling_time=p.snow_settling_time if design.settling_snow else None,
        snowfall_ratio=p.snowfall_ratio if design.settling_snow else None,
    )


def enthalpy_of(temperature: Float[Array, "layer *cells"], p: ThermalProperties) -> Float[Array, "layer *cells"]:
    """Enthalpy (MJ m-3) of ground at temperature (degC)."""
    return enthalpy_from_temperature(temperature, *freezing_curve(p))


def temperature_of(enthalpy: Float[Array, "layer *cells"], p: ThermalProperties) -> Float[Array, "layer *cells"]:
    """Temperature (degC) of ground with enthalpy (MJ m-3), the inverse of :func:`enthalpy_of`."""
    return temperature_from_enthalpy(enthalpy, *freezing_curve(p))


def state_from_temperature(
    temperature: Float[Array, " layer"], december_air_temperature: Float[Array, ""], properties: ThermalProperties
) -> ThermalState:
    """State on the first of January with the given soil temperatures (degC), without snow."""
    enthalpy = enthalpy_of(temperature, properties)
    december_air_temperature = lax.convert_element_type(december_air_temperature, enthalpy.dtype)
    zero = jnp.zeros_like(december_air_temperature)
    return ThermalState(
        enthalpy=enthalpy,
        snow=zero,
        maximum_thawed_fraction=jnp.zeros_like(enthalpy),
        maximum_unfrozen_thickness=zero,
        previous_air_temperature=december_air_temperature,
        snow_depth=None if properties.deep_snow_density is None else zero,
    )


def initial_state(
    mean_air_temperature: Float[Array, ""],
    december_air_temperature: Float[Array, ""],
    properties: ThermalProperties,
    design: ThermalDesign,
) -> ThermalState:
    """State on the first of January from the mean annual air temperature: ``T(z) = T_m + q_geo integral dz/k_frozen``.

    One column, air temperatures in degC; no snow. The December temperature is that of the month before.
    """
    upper, lower = properties.resistance_upper_frozen, properties.resistance_lower_frozen
    above = jnp.cumsum(upper + lower) - lower
    temperature = mean_air_temperature + properties.geothermal_heat_flux * above
    return state_from_temperature(temperature, december_air_temperature, properties)


def column_temperature(state: ThermalState, properties: ThermalProperties) -> Float[Array, " layer"]:
    """Temperature (degC) of every layer of one column from its enthalpy."""
    return temperature_of(state.enthalpy, properties)


def freezing_curve(
    p: ThermalProperties,
) -> tuple[
    Float[Array, "layer *cells"], Float[Array, "layer *cells"], Float[Array, "layer *cells"], Float[Array, "*cells"]
]:
    """What the two conversions of enthalpy and temperature need: both heat capacities, E, and the freezing interval."""
    return p.heat_capacity_frozen, p.heat_capacity_thawed, p.enthalpy_thawed, p.freezing_interval


def per_layer(values: tuple[float, ...], like: Float[Array, "layer *cells"]) -> Float[Array, "..."]:
    """A number per layer, shaped to combine with ``(layer, ...)`` arrays like ``like``."""
    return jnp.asarray(values, like.dtype).reshape((-1,) + (1,) * (like.ndim - 1))


def face_temperature(
    temperature: Float[Array, "layer *cells"],
    above: Float[Array, "layer *cells"],
    below: Float[Array, "layer *cells"],
    depth: float,
    design: ThermalDesign,
) -> Float[Array, "*cells"]:
    """Temperature (degC) at a face of two layers, weighted by the half resistances (m2 K W-1) above and below every face.

    ``(T_i rho_up_{i+1} + T_{i+1} rho_lo_i)/(rho_lo_i + rho_up_{i+1})``. Where the layers have no face at ``depth`` (m),
    linear between their middles.
    """
    face = next((i for i, edge in enumerate(design.layer_edges[1:-1], 1) if math.isclose(edge, depth)), None)
    if face is None:
        return layer_temperature_at(temperature, depth, design)
    weighted = temperature[face - 1] * below[face] + temperature[face] * above[face]
    return weighted / (above[face] + below[face])
