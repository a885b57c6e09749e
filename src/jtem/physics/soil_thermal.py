"""Soil temperature, freezing and thawing: one-dimensional conduction in enthalpy form, with thermal snow.

The ground of one cell is a column of layers. The unknown is the volumetric enthalpy ``h`` (MJ m-3), zero where all
water is frozen at the lower end of the freezing interval. A month is a fixed number of implicit Euler sub-steps, each
a fixed number of tridiagonal sweeps that find which layers are frozen, freezing or thawed (no gradient flows through
them, and none is needed: the step depends on them only through that choice), followed by one linear solve. Any such
solve conserves energy to rounding.

Inside, time is counted in megaseconds and heat in MJ m-2, so that a flux in W m-2 is MJ m-2 per Ms.
Arrays are ``(layer, ...)``: written for one column, and run by ``vmap`` on ``(layer, cell)`` arrays
(:func:`jtem.numerics.batching.trailing_batch`).
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from jtem.numerics import safe
from jtem.numerics.batching import trailing_batch
from jtem.numerics.kernels import derivative_computed_once
from jtem.parameters import parameter

MONTH = 365.25 / 12 * 86400 / 1e6
"""Length of a month (Ms): soil heat uses twelve equal months."""
MONTH_DAYS = 365.25 / 12
"""Length of a month (d)."""
LATENT_HEAT = 334.0
"""Latent heat of fusion of soil water (MJ m-3 of water), Goodrich (1978) as in TEM: 334 kJ kg-1 at 1000 kg m-3."""
DEEPEST_SNOW = 3000.0
"""Snow above this (mm water) is glacier, and insulates no further."""
COLDEST_AIR, WARMEST_AIR = -90.0, 60.0
"""Air temperature outside these (degC) is held at them."""
INCONSISTENT = 0.1
"""A sub-step is counted as inconsistent where the solve's temperature misses that of the new enthalpy by more (K)."""
PHASE_CHOICE = "soil_thermal_phase"
"""Name under which the phases chosen by the sweeps are kept by ``jax.checkpoint``, so that a gradient need not redo
them."""
KEEP_PHASES = jax.checkpoint_policies.save_only_these_names(PHASE_CHOICE)
"""Checkpoint policy of the month; good for the year too: one byte per layer and sub-step (2.4 kB per cell-year)."""


def _keep_phases_and_solutions(primitive, *arguments, **how):
    """Checkpoint policy of a sub-step: what it takes from the solve is arithmetic of layers, quicker done again than stored."""
    return primitive.name == "custom_linear_solve" or KEEP_PHASES(primitive, *arguments, **how)


C25_B = tuple(
    round(edge, 10)
    for edge in (
        *(0.1 * i for i in range(11)),
        *(1.0 + 0.2 * i for i in range(1, 11)),
        *(3.0 + 0.5 * i for i in range(1, 5)),
        *(6.0, 7.0, 8.5, 10.5, 13.5, 18.5, 26.5, 40.5, 60.5),
    )
)
"""Edges (m) of the default 33 layers: the 25 carbon layers of Liu et al. (2024) to 6 m, then eight to 60.5 m."""


# --- what a column is made of -----------------------------------------------------------------------------------------


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


@dataclasses.dataclass(frozen=True)
class ThermalDesign:
    """What fixes the program of the heat model: layers, sub-steps, sweeps, and how it is batched and checkpointed.

    ``layer_edges``: depths (m) of all layer faces from 0 down. ``substeps``: per month; 6 by default, 4 for spin-up,
    10 where accuracy counts. ``sweeps``: "d" and "r" (direct, relaxed) before the final solve. ``batched=False``
    leaves the layout to plain ``vmap``. ``checkpoint``: keep only the chosen phases of a month, and redo the rest, in
    reverse mode.
    """

    layer_edges: tuple[float, ...] = C25_B
    substeps: int = 6
    sweeps: str = "drdrd"
    batched: bool = True
    checkpoint: bool = True

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


class ThermalMonth(eqx.Module):
    """What one month of soil heat gives: means over its sub-steps, unless said otherwise."""

    temperature: Float[Array, "layer *cells"]
    """degC, of every layer."""
    thawed_fraction: Float[Array, "layer *cells"]
    """1, of every layer; that of the top layer is the thawed share of the month."""
    temperature_10cm: Float[Array, "*cells"]
    """degC, at 0.1 m."""
    temperature_20cm: Float[Array, "*cells"]
    """degC, at 0.2 m."""
    upper_front_depth: Float[Array, "*cells"]
    """m, lower edge of the seasonally frozen top, from the monthly thawed fractions."""
    lower_front_depth: Float[Array, "*cells"]
    """m, lower edge of the thawed ground below it."""
    surface_heat_flux: Float[Array, "*cells"]
    """W m-2 into the column."""
    energy_residual: Float[Array, "*cells"]
    """MJ m-2, heat gained by the column in the month less what crossed its ends: rounding only."""
    inconsistent_steps: Float[Array, "*cells"]
    """Number of sub-steps in which the phases had not settled in some layer."""
    snow_water_equivalent: Float[Array, "*cells"]
    """mm, of the thermal snow."""
    snow_depth: Float[Array, "*cells"]
    """m, of the thermal snow."""


# --- equations --------------------------------------------------------------------------------------------------------


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


def interpolate_air_temperature(
    previous: Float[Array, "*cells"], current: Float[Array, "*cells"], following: Float[Array, "*cells"], substeps: int
) -> Float[Array, "substep *cells"]:
    """Mean air temperature of every sub-step from the monthly means of three months, keeping the mean of the current
    one.

    With e0, e1 the means of neighbouring months at the two ends and ``q = 6 (current - (e0+e1)/2)``,
    ``T(s) = e0 + (e1-e0) s + q s (1-s)``, s in [0, 1], averaged exactly over each sub-step. The month's mean is kept
    exactly; TEM's three straight lines lose 3.4 % of the annual amplitude. Shapes: scalars; result (substep,). Units:
    degC.
    """
    first, last = (previous + current) / 2, (current + following) / 2
    bulge = 6.0 * (current - (first + last) / 2)

    def integral(s: float):
        return first * s + (last - first) * (s * s / 2) + bulge * (s * s / 2 - s**3 / 3)

    at_edges = [integral(j / substeps) for j in range(substeps + 1)]
    return jnp.stack([substeps * (b - a) for a, b in itertools.pairwise(at_edges)])


def degree_day_snow(
    snow: Float[Array, "*cells"],
    air_temperature: Float[Array, "substep *cells"],
    snowfall: Float[Array, "*cells"],
    melt_factor: Float[Array, "*cells"],
) -> tuple[Float[Array, "*cells"], Float[Array, "substep *cells"]]:
    """Thermal snow: ``w_new = max(0, w + snowfall/S - m_f max(T_air, 0) n_s)`` in each of S sub-steps of n_s days.

    Returns the snow at the end of the month and, for every sub-step, the mean of its start and end (mm water).
    Units: snow mm, air temperature degC, snowfall mm month-1, melt factor mm K-1 d-1. Kink where the snow runs out.
    """
    substeps = air_temperature.shape[0]
    melt = safe.maximum(air_temperature, 0.0) * (MONTH_DAYS / substeps) * melt_factor[None]

    def step(snow, melt):
        new = safe.maximum(snow + snowfall / substeps - melt, 0.0)
        return new, (snow + new) / 2

    return lax.scan(step, snow, melt)


def snow_conductivity(density: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Thermal conductivity of snow (W m-1 K-1): ``10^(2.650 rho/1000 - 1.652)``, rho in kg m-3.

    Sturm et al. (1997), in the form of TEM.
    """
    return jnp.exp(math.log(10.0) * (2.650e-3 * density - 1.652))


def snow_resistance(
    snow_water_equivalent: Float[Array, "*shape"], density: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Thermal resistance of snow (m2 K W-1): depth over conductivity. Snow in mm water, density kg m-3."""
    depth = safe.clip(snow_water_equivalent, 0.0, DEEPEST_SNOW) / density
    return depth / snow_conductivity(density)


def surface_temperature(
    air_temperature: Float[Array, "*shape"],
    snow_water_equivalent: Float[Array, "*shape"],
    half_cover: Float[Array, "*shape"],
    factor_thaw: Float[Array, "*shape"],
    factor_freeze: Float[Array, "*shape"],
) -> Float[Array, "*shape"]:
    """Temperature (degC) of the snow or ground surface: ``n_t max(T,0) (1-s_c) + n_f min(T,0)``, ``s_c =
    W/(W+W_half)``.

    Snow holds the surface near 0 degC in warm air, and does not under cold air. Snow W in mm water.
    """
    snow = safe.maximum(snow_water_equivalent, 0.0)
    bare = half_cover / (snow + half_cover)
    return factor_thaw * safe.maximum(air_temperature, 0.0) * bare + factor_freeze * safe.minimum(air_temperature, 0.0)


def freeze_thaw_share_piecewise(
    previous: Float[Array, "*shape"], current: Float[Array, "*shape"], following: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
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
    share = safe.clip((previous + current + following) / 3.0 / divisor, 0.0, 1.0)
    share = jnp.where(before & now & after, jnp.ones_like(share), share)
    return jnp.where(before | now | after, share, jnp.zeros_like(share))


def thawed_thickness(
    thawed_fraction: Float[Array, "layer *cells"], depth: Float[Array, "*cells"], design: ThermalDesign
) -> Float[Array, "*cells"]:
    """Thickness (m) of thawed ground between the surface and ``depth`` (m): sum of overlap(layer, depth) phi."""
    top = _layered(design.layer_edges[:-1], thawed_fraction)
    overlap = safe.clip(depth[None] - top, 0.0, _layered(design.thickness, thawed_fraction))
    return jnp.sum(overlap * thawed_fraction, axis=0)


def layer_temperature_at(
    temperature: Float[Array, "layer *cells"], depth: float | Float[Array, "*cells"], design: ThermalDesign
) -> Float[Array, "*cells"]:
    """Temperature (degC) at ``depth`` (m), linear between the middles of the layers, constant beyond the first and
    last.
    """
    centres = _layered(design.centres, temperature)
    depth = jnp.asarray(depth, temperature.dtype)
    depth = jnp.broadcast_to(depth, temperature.shape[1:])[None]
    share = safe.clip((depth - centres[:-1]) / (centres[1:] - centres[:-1]), 0.0, 1.0)
    return temperature[0] + jnp.sum(share * (temperature[1:] - temperature[:-1]), axis=0)


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

    def step(carry, layer):
        frozen_above, connected, phi_above, upper, thickness = carry
        phi, d = layer
        connected = safe.maximum(connected * safe.minimum(2.0 * phi_above, 1.0), safe.minimum(2.0 * frozen_above, 1.0))
        frozen = frozen_above * (1.0 - phi)
        return (frozen, connected, phi, upper + d * frozen, thickness + d * phi * connected), None

    thickness = jnp.asarray(design.thickness, thawed_fraction.dtype)
    (_, _, _, upper, unfrozen), _ = lax.scan(step, (zero + 1.0, zero, zero, zero, zero), (thawed_fraction, thickness))
    return upper, upper + unfrozen


# --- properties and initial state -------------------------------------------------------------------------------------


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

    def overlap(begin, end):
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
    )


def state_from_temperature(
    temperature: Float[Array, " layer"], december_air_temperature: Float[Array, ""], properties: ThermalProperties
) -> ThermalState:
    """State on the first of January with the given soil temperatures (degC), without snow."""
    enthalpy = enthalpy_from_temperature(temperature, *_freezing_curve(properties))
    december_air_temperature = lax.convert_element_type(december_air_temperature, enthalpy.dtype)
    zero = jnp.zeros_like(december_air_temperature)
    return ThermalState(
        enthalpy=enthalpy,
        snow=zero,
        maximum_thawed_fraction=jnp.zeros_like(enthalpy),
        maximum_unfrozen_thickness=zero,
        previous_air_temperature=december_air_temperature,
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


# --- the sub-step -----------------------------------------------------------------------------------------------------


class _Column(eqx.Module):
    """Heat contents of the layers per time step, D = thickness/step: all are heat fluxes, and D drops out of the
    sweeps.
    """

    frozen: Float[Array, "..."]
    """D Cf (W m-2 K-1)."""
    thawed: Float[Array, "..."]
    """D Ct (W m-2 K-1)."""
    melted: Float[Array, "..."]
    """D E (W m-2)."""
    per_melted: Float[Array, "..."]
    """1/(D E) (m2 W-1)."""
    interval: Float[Array, "..."]
    """delta (K)."""
    per_interval: Float[Array, "..."]
    """1/delta (K-1)."""

    def of_layer(self, frozen, thawed, melted) -> _Column:
        """One layer of it, whose contents are given."""
        return dataclasses.replace(self, frozen=frozen, thawed=thawed, melted=melted)

    def for_layers(self) -> _Column:
        """The same, for arithmetic on all layers at once."""
        return dataclasses.replace(self, interval=self.interval[None], per_interval=self.per_interval[None])


def _segment(frozen, thawed, column: _Column):
    """Slope and offset of the line ``h = c T - c tau`` of each phase: c and ``c tau``."""
    c = jnp.where(frozen, column.frozen, jnp.where(thawed, column.thawed, column.melted * column.per_interval))
    return c, -jnp.where(frozen, column.interval * column.frozen, column.melted)


def _phases(x, column: _Column):
    """Which layers of an iterate of heat contents are frozen, and which thawed."""
    return x < 0.0, x > column.melted


def _row(array, i):
    return lax.dynamic_index_in_dim(array, i, keepdims=False)


def _put(array, row, i):
    return lax.dynamic_update_index_in_dim(array, row, i, 0)


def _sweep(x, p, r, column: _Column, conductance, content, surface, kind: str):
    """Sweep ``d`` or ``r``: eliminate with the phases of the iterate ``x``, then solve every layer exactly, from the
    top down.

    Elimination, bottom to top: ``p_{i-1} = g_i (c_i+p_i)/(c_i+p_i+g_i)``, ``r_{i-1} = g_i (h_i + r_i + c_i
    tau_i)/(c_i+p_i+g_i)``, with p = 0 and the geothermal flux as r below the last layer. Then each layer decides its
    phase anew with the layer above already known, so that a front may cross several layers in one sweep. ``r`` goes
    half of the way in heat content. The iterate ``x`` is used only to tell phases.

    x, p and r are written over row by row, from sweep to sweep (of p and r the last rows stay): loops that begin with
    new arrays copy them, a tenth of the heat's time. Loop bodies here have at most eight kernels on a CPU: where XLA does
    not compile the loop as one (see :func:`jtem.devices.use_all_cores`), it runs more than that through a slower,
    concurrent executor.
    """
    layers = content.shape[0]

    def column_of_layer(i):
        return column.of_layer(*(_row(array, i) for array in (column.frozen, column.thawed, column.melted)))

    def up(j, carry):
        p, r, p_all, r_all = carry
        i = layers - 1 - j
        row, g = column_of_layer(i), _row(conductance, i)
        c, c_tau = _segment(*_phases(_row(x, i), row), row)
        share = g / (c + p + g)
        p, r = g - g * share, share * (_row(content, i) + r + c_tau)
        return p, r, _put(p_all, p, i - 1), _put(r_all, r, i - 1)

    _, _, p, r = lax.fori_loop(0, layers - 1, up, (p[-1], r[-1], p, r))

    def down(i, carry):
        above, x = carry
        row, g = column_of_layer(i), _row(conductance, i)
        a = g + _row(p, i)
        gain = _row(content, i) + _row(r, i) + g * above
        c, c_tau = _segment(gain < -a * row.interval, gain > row.melted, row)
        temperature = (gain + c_tau) / (a + c)
        direct = gain - a * temperature  # = c T - c tau
        before = _row(x, i)
        return temperature, _put(x, direct if kind == "d" else before + 0.5 * (direct - before), i)

    _, x = lax.fori_loop(0, layers, down, (surface, x))
    return x, p, r


def _choose_phases(column: _Column, conductance, content, source, surface, sweeps: str):
    """Phase of every layer at the end of the step (0 frozen, 1 freezing, 2 thawed), by the fixed word of sweeps."""

    def sweep_all(carry, word):
        x, p, r = carry
        for kind in word:
            x, p, r = _sweep(x, p, r, column, conductance, content, surface, kind)
        return x, p, r

    pairs = len(sweeps) // 2 if sweeps.startswith("dr") else 0
    while not sweeps.startswith("dr" * pairs):
        pairs -= 1
    zero = jnp.zeros_like(content)
    carry = content, zero, zero.at[-1].set(source)
    if pairs > 1:  # the same program, compiled once
        carry = lax.fori_loop(0, pairs, lambda _, carry: sweep_all(carry, "dr"), carry)
        sweeps = sweeps[2 * pairs :]
    frozen, thawed = _phases(sweep_all(carry, sweeps)[0], column.for_layers())
    return jnp.where(frozen, 0, jnp.where(thawed, 2, 1)).astype(jnp.int8)


def _solve(phase, column: _Column, conductance, content, source, surface):
    """Linear solve ``L`` of the implicit step with the chosen phases: temperatures (degC) and heat contents D h.

    ``(c_i + g_i + g_{i+1}) T_i - g_i T_{i-1} - g_{i+1} T_{i+1} = h_i + c_i tau_i``, surface and geothermal flux at
    the two ends. The matrix is symmetric: its derivative is one more solve with it.
    """
    c, c_tau = _segment(phase == 0, phase == 2, column.for_layers())
    load = (content + c_tau).at[-1].add(source).at[0].add(conductance[0] * surface)

    def conduct(temperature):
        above = jnp.concatenate([jnp.zeros_like(temperature[:1]), temperature[:-1]])
        flux = conductance * (above - temperature)
        below = jnp.concatenate([flux[1:], jnp.zeros_like(flux[:1])])
        return c * temperature - flux + below

    def solve(_, load):
        return _tridiagonal(c, conductance, load)

    temperature = lax.custom_linear_solve(conduct, load, solve, symmetric=True)
    return temperature, c * temperature - c_tau


def _tridiagonal(c, conductance, load):
    """Temperatures of ground with capacities ``c`` and conductances to the layer above, the first one to 0 degC.

    Elimination, bottom to top: ``k = c + g_below q_below``, ``w = 1/(k+g)``, ``q = k w``, ``e = g w = 1-q``, ``y =
    (load + g_below y_below) w``; then from the top ``T = e T_above + y``. Both q and e are kept because each is exact
    where it is small: q in thin layers, e in freezing ones, whose T must be exact to rounding of ``delta``.
    """
    layers = load.shape[0]

    def up(j, carry):
        q, y, g_below, e_all, y_all = carry
        i = layers - 1 - j
        g = _row(conductance, i)
        k = _row(c, i) + g_below * q
        w = 1.0 / (k + g)
        y = (_row(load, i) + g_below * y) * w
        return k * w, y, g, _put(e_all, g * w, i), _put(y_all, y, i)

    def down(i, carry):
        above, e, y = carry
        temperature = _row(e, i) * above + _row(y, i)
        return temperature, e, _put(y, temperature, i)

    zero = jnp.zeros_like(load[0])
    _, _, _, e, y = lax.fori_loop(0, layers, up, (zero, zero, zero, jnp.zeros_like(load), load))
    return lax.fori_loop(0, layers, down, (zero, e, y))[2]


def _conductances(phi, properties: ThermalProperties, snow_resistance):
    """Half resistances at every face, above and below it (m2 K W-1); the first face lies between snow and ground.

    A planar front splits a layer, so its frozen and thawed parts add in series: ``rho = F + phi (G - F)``.
    """
    p = properties
    upper = p.resistance_upper_frozen + phi * (p.resistance_upper_thawed - p.resistance_upper_frozen)
    lower = p.resistance_lower_frozen + phi * (p.resistance_lower_thawed - p.resistance_lower_frozen)
    return jnp.concatenate([snow_resistance[None], lower[:-1]]), upper


def _liquid_fraction(content, column: _Column):
    return safe.clip(content * column.per_melted, 0.0, 1.0)


def _sub_step(content, phi, surface, snow_resistance, column: _Column, properties: ThermalProperties, sweeps: str):
    """One implicit step of heat contents D h; returns the new ones, temperatures, and the resistances at the faces."""
    above, below = derivative_computed_once(_conductances(phi, properties, snow_resistance))
    conductance = 1.0 / (above + below)
    source = properties.geothermal_heat_flux
    phase = _choose_phases(*lax.stop_gradient((column, conductance, content, source, surface)), sweeps)
    phase = checkpoint_name(phase, PHASE_CHOICE)
    temperature, content = derivative_computed_once(_solve(phase, column, conductance, content, source, surface))
    return content, temperature, above, below


def _column(properties: ThermalProperties, per_step: Float[Array, "..."]) -> _Column:
    melted = per_step * properties.enthalpy_thawed
    return _Column(
        frozen=per_step * properties.heat_capacity_frozen,
        thawed=per_step * properties.heat_capacity_thawed,
        melted=melted,
        per_melted=1.0 / melted,
        interval=properties.freezing_interval,
        per_interval=1.0 / properties.freezing_interval,
    )


def sub_step(
    enthalpy: Float[Array, "layer *cells"],
    surface_temperature: Float[Array, "*cells"],
    snow_resistance: Float[Array, "*cells"],
    properties: ThermalProperties,
    time_step: float,
    design: ThermalDesign,
) -> tuple[Float[Array, "layer *cells"], Float[Array, "layer *cells"], Float[Array, "*cells"]]:
    """One implicit step of ``time_step`` (Ms): new enthalpy, temperatures, and heat flux into the surface (W m-2).

    ``(d_i/dt)(h_new - h)_i = g_{i-1/2} (T_{i-1}-T_i) - g_{i+1/2} (T_i-T_{i+1})``, conductances of the old time level,
    surface temperature (degC) above a snow resistance (m2 K W-1), geothermal flux below. The month repeats this.
    """
    per_step = _layered(tuple(d / time_step for d in design.thickness), enthalpy)
    column, content = _column(properties, per_step), enthalpy * per_step
    phi = _liquid_fraction(content, column)
    content, temperature, above, below = _sub_step(
        content, phi, surface_temperature, snow_resistance, column, properties, design.sweeps
    )
    flux = (surface_temperature - temperature[0]) / (above[0] + below[0])
    return content / per_step, temperature, flux


# --- the month and the year -------------------------------------------------------------------------------------------


def month(
    state: ThermalState,
    air_temperature: Float[Array, "*cells"],
    next_air_temperature: Float[Array, "*cells"],
    snowfall: Float[Array, "*cells"],
    properties: ThermalProperties,
    *,
    design: ThermalDesign,
) -> tuple[ThermalState, ThermalMonth]:
    """One month of thermal snow, soil heat and phase change of one column.

    Air temperature (degC) of this month and the next, snowfall (mm month-1 water); at the end of a series repeat the
    last month. ``vmap`` over cells runs at the speed of code written for ``(layer, cell)`` arrays.
    """
    return _program(design, False)(state, air_temperature, next_air_temperature, snowfall, properties)


def month_with_snow_series(
    state: ThermalState,
    air_temperature: Float[Array, ""],
    next_air_temperature: Float[Array, ""],
    snow_water_equivalent: Float[Array, " substep"],
    properties: ThermalProperties,
    *,
    design: ThermalDesign,
) -> tuple[ThermalState, ThermalMonth]:
    """As :func:`month`, with the snow (mm water) in the middle of every sub-step given: for comparison with other
    models.
    """
    return _program(design, True)(state, air_temperature, next_air_temperature, snow_water_equivalent, properties)


@functools.lru_cache(maxsize=64)
def _program(design: ThermalDesign, snow_is_given: bool):
    """The month for a design; one object per design, so that traces and compiled code are shared."""

    def heat_month(state, air_temperature, next_air_temperature, snow, properties):
        return _month(state, air_temperature, next_air_temperature, snow, properties, design, snow_is_given)

    program = heat_month
    if design.checkpoint:
        program = jax.checkpoint(program, prevent_cse=False, policy=KEEP_PHASES)
    return trailing_batch(program) if design.batched else program


def _month(state, air_temperature, next_air_temperature, snow, properties, design: ThermalDesign, snow_is_given: bool):
    substeps, time_step = design.substeps, MONTH / design.substeps
    air = interpolate_air_temperature(state.previous_air_temperature, air_temperature, next_air_temperature, substeps)
    air = safe.clip(air, COLDEST_AIR, WARMEST_AIR)
    if snow_is_given:
        snow_end, water = snow[-1], snow
    else:
        snow_end, water = degree_day_snow(state.snow, air, snow, properties.snow_melt_factor)
    each = functools.partial(_every_substep, substeps=substeps)
    surface = surface_temperature(
        air,
        water,
        each(properties.snow_half_cover),
        each(properties.surface_factor_thaw),
        each(properties.surface_factor_freeze),
    )
    resistance = snow_resistance(water, each(properties.snow_density))

    per_step = _layered(tuple(d / time_step for d in design.thickness), state.enthalpy)
    column = _column(properties, per_step)
    first = state.enthalpy * per_step
    zero, none = jnp.zeros_like(first), jnp.zeros_like(air_temperature)

    def step(carry, forcing):
        content, phi, total, thawed, largest, at_10cm, at_20cm, flux, inconsistent = carry
        surface, resistance = forcing
        content, temperature, above, below = _sub_step(
            content, phi, surface, resistance, column, properties, design.sweeps
        )
        phi = derivative_computed_once(_liquid_fraction(content, column))
        carry = (
            content,
            phi,
            total + temperature,
            thawed + phi,
            safe.maximum(largest, phi),
            at_10cm + _face_temperature(temperature, above, below, 0.1, design),
            at_20cm + _face_temperature(temperature, above, below, 0.2, design),
            flux + (surface - temperature[0]) / (above[0] + below[0]),
            inconsistent + lax.stop_gradient(_unsettled(content, temperature, column)).astype(none.dtype),
        )
        return carry, None

    redone = jax.checkpoint(step, prevent_cse=False, policy=_keep_phases_and_solutions)
    phi = _liquid_fraction(first, column)
    start = (first, phi, zero, zero, state.maximum_thawed_fraction, none, none, none, none)
    (content, _, total, thawed, largest, at_10cm, at_20cm, flux, inconsistent), _ = lax.scan(
        redone, start, (surface, resistance)
    )
    thawed = thawed / substeps
    upper, lower = fronts(thawed, design)
    gained = jnp.sum(content - first, axis=0) - flux - substeps * properties.geothermal_heat_flux
    mean_snow = jnp.mean(water, axis=0)
    new_state = ThermalState(
        enthalpy=content / per_step,
        snow=snow_end,
        maximum_thawed_fraction=largest,
        maximum_unfrozen_thickness=safe.maximum(state.maximum_unfrozen_thickness, lower - upper),
        previous_air_temperature=air_temperature,
    )
    return new_state, ThermalMonth(
        temperature=total / substeps,
        thawed_fraction=thawed,
        temperature_10cm=at_10cm / substeps,
        temperature_20cm=at_20cm / substeps,
        upper_front_depth=upper,
        lower_front_depth=lower,
        surface_heat_flux=flux / substeps,
        energy_residual=gained * time_step,
        inconsistent_steps=inconsistent,
        snow_water_equivalent=mean_snow,
        snow_depth=mean_snow / properties.snow_density,
    )


def close_year(
    state: ThermalState, design: ThermalDesign
) -> tuple[ThermalState, Float[Array, "*cells"], Float[Array, "*cells"]]:
    """End the year: active-layer thickness, largest unfrozen thickness (m), and the state with both maxima reset.

    Active-layer thickness ``sum d_i prod_{j<=i} Fmax_j``, Fmax the largest thawed fraction of the year: ground above
    the first that never thawed. Without permafrost both are the depth of the column; ground that never thaws gives 0.
    The largest unfrozen thickness is that of any month between its two fronts (Liu et al. 2022), but no more than the
    active layer: in a month that is frozen from the surface the first thawed run may be the unfrozen ground below
    permafrost.
    """
    thickness = jnp.asarray(design.thickness, state.enthalpy.dtype)

    def step(carry, layer):
        reached, total = carry
        fraction, d = layer
        reached = reached * fraction
        return (reached, total + d * reached), None

    zero = jnp.zeros_like(state.snow)
    (_, active), _ = lax.scan(step, (zero + 1.0, zero), (state.maximum_thawed_fraction, thickness))
    unfrozen = safe.minimum(state.maximum_unfrozen_thickness, active)
    new_state = dataclasses.replace(
        state,
        maximum_thawed_fraction=jnp.zeros_like(state.maximum_thawed_fraction),
        maximum_unfrozen_thickness=jnp.zeros_like(unfrozen),
    )
    return new_state, active, unfrozen


def reset_deep_profile(
    state: ThermalState,
    annual_mean_temperature: Float[Array, " layer"],
    properties: ThermalProperties,
    design: ThermalDesign,
    depth: float = 3.25,
) -> ThermalState:
    """Replace the slow deep ground by the steady profile under the annual mean temperature of the layer at ``depth``
    (m).

    Below that layer ``T_i = T_{i-1} + q_geo (half resistances of i-1 and i)``, frozen values where ``T_{i-1} < 0``,
    else thawed; the ground above keeps its state. For spin-up (one column); temperatures in degC.
    """
    p = properties
    last = next(i for i, edge in enumerate(design.layer_edges[1:]) if depth < edge or edge == design.bottom)
    below = slice(last + 1, None)
    above = slice(last, -1)
    frozen = p.resistance_lower_frozen[above] + p.resistance_upper_frozen[below]
    thawed = p.resistance_lower_thawed[above] + p.resistance_upper_thawed[below]

    def step(temperature, face):
        temperature = temperature + p.geothermal_heat_flux * jnp.where(temperature < 0.0, *face)
        return temperature, temperature

    _, deep = lax.scan(step, annual_mean_temperature[last], (frozen, thawed))
    cf, ct, melted, interval = _freezing_curve(p)
    enthalpy = enthalpy_from_temperature(deep, cf[below], ct[below], melted[below], interval)
    return dataclasses.replace(state, enthalpy=jnp.concatenate([state.enthalpy[: last + 1], enthalpy]))


def column_temperature(state: ThermalState, properties: ThermalProperties) -> Float[Array, " layer"]:
    """Temperature (degC) of every layer of one column from its enthalpy."""
    return temperature_from_enthalpy(state.enthalpy, *_freezing_curve(properties))


# --- small helpers ----------------------------------------------------------------------------------------------------


def _freezing_curve(p: ThermalProperties):
    return p.heat_capacity_frozen, p.heat_capacity_thawed, p.enthalpy_thawed, p.freezing_interval


def _layered(values: tuple[float, ...], like: Float[Array, "layer *cells"]) -> Float[Array, "..."]:
    """A number per layer, shaped to combine with ``(layer, ...)`` arrays like ``like``."""
    return jnp.asarray(values, like.dtype).reshape((-1,) + (1,) * (like.ndim - 1))


def _every_substep(x: Float[Array, "*cells"], substeps: int) -> Float[Array, "substep *cells"]:
    return jnp.broadcast_to(x[None], (substeps, *x.shape))


def _unsettled(content, temperature, column: _Column):
    """Whether the temperature of the heat contents D h misses that of the solve by more than ``INCONSISTENT`` in a layer."""
    c, c_tau = _segment(*_phases(content, column), column.for_layers())
    return jnp.any(jnp.abs(content + c_tau - c * temperature) > INCONSISTENT * c, axis=0)


def _face_temperature(temperature, above, below, depth: float, design: ThermalDesign):
    """Temperature (degC) at a face of two layers, weighted by the half resistances on its sides.

    ``(T_i rho_up_{i+1} + T_{i+1} rho_lo_i)/(rho_lo_i + rho_up_{i+1})``. Where the layers have no face there, linear
    between their middles.
    """
    face = next((i for i, edge in enumerate(design.layer_edges[1:-1], 1) if math.isclose(edge, depth)), None)
    if face is None:
        return layer_temperature_at(temperature, depth, design)
    weighted = temperature[face - 1] * below[face] + temperature[face] * above[face]
    return weighted / (above[face] + below[face])
