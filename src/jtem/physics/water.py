"""Snowpack of the water balance, soil water bucket, evapotranspiration, percolation and runoff.

Vorosmarty et al. (1989) as in TEM 4.2, 4.3 and 6 (docs/model.md#w1 to #w10); one water step per month. The snow that the
*ground* feels is a separate state of the heat model. As an option the water of the root zone stands in two layers, the upper
20 cm and what lies below (docs/model.md#w11 to #w14); the balance of the root zone as a whole is the same.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jtem.constants import UPPER_SOIL
from jtem.numerics import safe
from jtem.parameters import parameter

_DRAINAGE_STEPS = 6
"""Newton steps of :func:`drained`: the first guess is at most 1.38 times the root, and five reach rounding from there."""


class WaterParameters(eqx.Module):
    """Texture regressions, rooting depth, snow and runoff rules."""

    porosity_slope: Float[Array, "*types"] = parameter(
        unit="%", description="porosity per silt+clay share (saturation output only)", trainable=False
    )
    porosity_intercept: Float[Array, "*types"] = parameter(
        unit="%", description="porosity of pure sand (saturation output only)", trainable=False
    )
    field_capacity_slope: Float[Array, "*types"] = parameter(unit="%", description="field capacity per silt+clay share")
    field_capacity_intercept: Float[Array, "*types"] = parameter(unit="%", description="field capacity of pure sand")
    wilting_point_slope: Float[Array, "*types"] = parameter(unit="%", description="wilting point per silt+clay share")
    wilting_point_intercept: Float[Array, "*types"] = parameter(unit="%", description="wilting point of pure sand")
    rooting_depth_quadratic: Float[Array, "*types"] = parameter(
        unit="m", description="rooting depth: coefficient of the squared silt+clay share", symbol="ROOTZA"
    )
    rooting_depth_linear: Float[Array, "*types"] = parameter(
        unit="m", description="rooting depth: coefficient of the silt+clay share", symbol="ROOTZB"
    )
    rooting_depth_constant: Float[Array, "*types"] = parameter(
        unit="m", description="rooting depth: constant", symbol="ROOTZC"
    )
    rooting_depth_minimum: Float[Array, "*types"] = parameter(
        unit="m", description="smallest rooting depth", symbol="MINROOTZ", trainable=False
    )
    snowfall_temperature: Float[Array, "*types"] = parameter(
        unit="degC", description="precipitation is snow below this air temperature", trainable=False
    )
    snowmelt_temperature: Float[Array, "*types"] = parameter(
        unit="degC", description="the pack melts from this air temperature on", trainable=False
    )
    melt_elevation: Float[Array, "*types"] = parameter(
        unit="m", description="above it the pack melts in two months", trainable=False
    )
    high_elevation_melt_fraction: Float[Array, "*types"] = parameter(
        unit="1", description="share of the pack that melts in the first month above melt_elevation"
    )
    evapotranspiration_shape: Float[Array, "*types"] = parameter(
        unit="1", description="curvature of the drying function", symbol="EDPAR"
    )
    storm_rate: Float[Array, "*types"] = parameter(unit="mm-1", description="rate of storm occurrence, 1 - exp(-x R)")
    rain_runoff_fraction: Float[Array, "*types"] = parameter(
        unit="month-1", description="share of the rain groundwater that runs off"
    )
    snow_runoff_fraction: Float[Array, "*types"] = parameter(
        unit="month-1", description="share of the snow groundwater that runs off, late in the melt"
    )
    snow_runoff_fraction_high: Float[Array, "*types"] = parameter(
        unit="month-1", description="the same in the second melt month above melt_elevation"
    )
    snow_runoff_fraction_onset: Float[Array, "*types"] = parameter(
        unit="month-1", description="the same in the first melt month"
    )
    minimum_thawed_depth: Float[Array, "*types"] = parameter(
        unit="m", description="floor of the thawed root zone in the active-layer restriction", trainable=False
    )
    upper_root_share: Float[Array, "*types"] = parameter(
        unit="1", description="share of the roots in the upper 20 cm (two layers of soil water only)"
    )
    drainage_slope: Float[Array, "*types"] = parameter(
        unit="mm d-1", description="drainage out of wet upper soil per silt+clay share (two layers only)"
    )
    drainage_intercept: Float[Array, "*types"] = parameter(
        unit="mm d-1", description="drainage out of wet upper sand (two layers only)", symbol="k1"
    )


class SoilHydraulics(eqx.Module):
    """Root-zone constants of one cell: water contents (m3 m-3), rooting depth (m), drainage out of the upper layer at field
    capacity (mm d-1).
    """

    porosity: Float[Array, "*cells"]
    field_capacity: Float[Array, "*cells"]
    wilting_point: Float[Array, "*cells"]
    rooting_depth: Float[Array, "*cells"]
    drainage: Float[Array, "*cells"]

    @property
    def upper_depth(self) -> Float[Array, "*cells"]:
        """Thickness (m) of the upper layer of soil water: 20 cm, of shallower root zones 90 %."""
        return safe.minimum(UPPER_SOIL, 0.9 * self.rooting_depth)


class WaterState(eqx.Module):
    """Stores in mm, and the air temperatures of the two months before (degC).

    ``upper_water`` is the part of the soil water that stands in the upper 20 cm; None where soil water is one layer.
    """

    soil_water: Float[Array, "*cells"]
    snowpack: Float[Array, "*cells"]
    rain_groundwater: Float[Array, "*cells"]
    snow_groundwater: Float[Array, "*cells"]
    frozen_water: Float[Array, "*cells"]
    previous_air_temperature: Float[Array, "*cells"]
    air_temperature_two_months_ago: Float[Array, "*cells"]
    upper_water: Float[Array, "*cells"] | None = None


class WaterLayers(eqx.Module):
    """Two layers of soil water in a month: what plants reach and what fits of it (mm), thawed share of each (0-1)."""

    upper_available: Float[Array, "*cells"]
    lower_available: Float[Array, "*cells"]
    upper_capacity: Float[Array, "*cells"]
    lower_capacity: Float[Array, "*cells"]
    upper_thawed: Float[Array, "*cells"]
    lower_thawed: Float[Array, "*cells"]


class WaterMonth(eqx.Module):
    """Water fluxes (mm month-1) and states (mm; vsm m3 m-3) of one month."""

    potential_evapotranspiration: Float[Array, "*cells"]
    evapotranspiration: Float[Array, "*cells"]
    rain: Float[Array, "*cells"]
    snowfall: Float[Array, "*cells"]
    snowmelt: Float[Array, "*cells"]
    rain_percolation: Float[Array, "*cells"]
    snow_percolation: Float[Array, "*cells"]
    rain_runoff: Float[Array, "*cells"]
    snow_runoff: Float[Array, "*cells"]
    runoff: Float[Array, "*cells"]
    snowpack: Float[Array, "*cells"]
    soil_water: Float[Array, "*cells"]
    soil_water_mean: Float[Array, "*cells"]
    volumetric_moisture: Float[Array, "*cells"]
    volumetric_moisture_mean: Float[Array, "*cells"]
    volumetric_moisture_20cm: Float[Array, "*cells"]
    volumetric_moisture_20cm_mean: Float[Array, "*cells"]
    available_water: Float[Array, "*cells"]
    saturation: Float[Array, "*cells"]
    rain_groundwater: Float[Array, "*cells"]
    snow_groundwater: Float[Array, "*cells"]
    water_residual: Float[Array, "*cells"]


def rooting_depth(silt_clay: Float[Array, "*cells"], p: WaterParameters) -> Float[Array, "*cells"]:
    """``z_r = max(z_min, za psi^2 + zb psi + zc)`` (m), Liu et al. (2024), TEM 4.3."""
    depth = p.rooting_depth_quadratic * silt_clay**2 + p.rooting_depth_linear * silt_clay + p.rooting_depth_constant
    return safe.maximum(p.rooting_depth_minimum, depth)


def hydraulics(silt_clay: Float[Array, "*cells"], p: WaterParameters) -> SoilHydraulics:
    """Porosity, field capacity, wilting point (fractions 0-1), drainage (mm d-1) linear in silt+clay share psi; rooting
    depth (m).
    """
    return SoilHydraulics(
        porosity=(p.porosity_slope * silt_clay + p.porosity_intercept) / 100.0,
        field_capacity=(p.field_capacity_slope * silt_clay + p.field_capacity_intercept) / 100.0,
        wilting_point=(p.wilting_point_slope * silt_clay + p.wilting_point_intercept) / 100.0,
        rooting_depth=rooting_depth(silt_clay, p),
        drainage=p.drainage_slope * silt_clay + p.drainage_intercept,
    )


def snowfall_and_rain(
    precipitation: Float[Array, "*cells"], air_temperature: Float[Array, "*cells"], p: WaterParameters
) -> tuple[Float[Array, "*cells"], Float[Array, "*cells"]]:
    """All precipitation is snow below the threshold (-1 degC), rain otherwise. mm month-1 each."""
    snow = air_temperature < p.snowfall_temperature
    return jnp.where(snow, precipitation, 0.0), jnp.where(snow, 0.0, precipitation)


def snowmelt(
    snowpack: Float[Array, "*cells"],
    air_temperature: Float[Array, "*cells"],
    previous_air_temperature: Float[Array, "*cells"],
    elevation: Float[Array, "*cells"],
    p: WaterParameters,
) -> Float[Array, "*cells"]:
    """Melt (mm month-1) of the pack of the month's beginning: none below -1 degC; all of it up to 500 m elevation;
    above, half of it in the first melting month, all later (Vorosmarty et al. 1989; TEM 4.3, 6).
    """
    first_melt_month = previous_air_temperature < p.snowmelt_temperature
    high = elevation > p.melt_elevation
    share = jnp.where(high & first_melt_month, p.high_elevation_melt_fraction, 1.0)
    return jnp.where(air_temperature < p.snowmelt_temperature, 0.0, share * snowpack)


def evapotranspiration(
    water_input: Float[Array, "*cells"],
    potential: Float[Array, "*cells"],
    available_water: Float[Array, "*cells"],
    capacity: Float[Array, "*cells"],
    days: Float[Array, "*cells"],
    p: WaterParameters,
) -> Float[Array, "*cells"]:
    """EET (mm month-1): PET where rain + melt R covers it, otherwise the drying bucket of Vorosmarty et al. (1989).

    ``gm = (1 - exp(-5 W/awc))/(1 - exp(-5))``, ``ep = PET/n``, ``def = ep + awc - W``, ``p = 1 - exp(-0.005 R)``,
    ``rb = R/(n p)``, ``ds = rb p (gm + (1 - gm) exp(-ep/rb) - exp(-def/rb)) - ep gm``, ``EET = min(PET, R - n ds)``.
    W = available_water, awc = capacity (mm, at least 1), n = days.
    """
    floored_input = safe.maximum(water_input, 1e-3)
    drying = -jnp.expm1(-p.evapotranspiration_shape * available_water / capacity) / -jnp.expm1(
        -p.evapotranspiration_shape
    )
    daily = potential / days
    deficit = daily + capacity - available_water
    storm_probability = -jnp.expm1(-p.storm_rate * floored_input)
    storm_depth = floored_input / (days * storm_probability)
    gain = (
        storm_depth
        * storm_probability
        * (
            drying
            + (1.0 - drying) * jnp.exp(safe.clip(-daily / storm_depth, -60.0, 0.0))
            - jnp.exp(safe.clip(-deficit / storm_depth, -60.0, 0.0))
        )
    )
    change = jnp.where(water_input > 0.0, gain, 0.0) - daily * drying
    limited = safe.minimum(potential, water_input - days * change)
    return jnp.where(water_input >= potential, potential, limited)


def available_water(
    soil_water: Float[Array, "*cells"],
    thawed_root_depth: Float[Array, "*cells"],
    soil: SoilHydraulics,
    p: WaterParameters,
) -> tuple[Float[Array, "*cells"], Float[Array, "*cells"]]:
    """Water that plants reach in the thawed part of the root zone, and how much of it that part can hold (mm each).

    ``W = max(0, SM z/z_r - 1000 wp z)``, ``awc = max(1, 1000 (fc - wp) z)``; z (m) is the thawed thickness within the root
    zone, from its floor to z_r. Soil water in mm. Nothing else restricts water in frozen ground.
    """
    depth = safe.minimum(soil.rooting_depth, safe.maximum(thawed_root_depth, p.minimum_thawed_depth))
    capacity = safe.maximum((soil.field_capacity - soil.wilting_point) * depth * 1000.0, 1.0)
    available = safe.maximum(0.0, soil_water * depth / soil.rooting_depth - soil.wilting_point * depth * 1000.0)
    return available, capacity


def balance(
    state: WaterState,
    *,
    precipitation: Float[Array, "*cells"],
    snowfall: Float[Array, "*cells"],
    rain: Float[Array, "*cells"],
    melt: Float[Array, "*cells"],
    evapotranspiration: Float[Array, "*cells"],
    potential: Float[Array, "*cells"],
    available: Float[Array, "*cells"],
    capacity: Float[Array, "*cells"],
    air_temperature: Float[Array, "*cells"],
    elevation: Float[Array, "*cells"],
    soil: SoilHydraulics,
    p: WaterParameters,
) -> tuple[WaterState, WaterMonth]:
    """Snowpack, soil water, groundwater and runoff after a month (Vorosmarty et al. 1989; TEM 4.3, 6). Closes water exactly.

    What exceeds ``capacity`` percolates, split by rain and melt; EET takes no more than there is. Fluxes in mm month-1,
    available water and capacity in mm, air temperature degC, elevation m.
    """
    snowpack = state.snowpack + snowfall - melt
    water_input = rain + melt
    evaporated = evapotranspiration
    excess = safe.maximum(0.0, available + water_input - evaporated - capacity)
    rain_percolation = excess * rain / safe.maximum(water_input, 1e-3)
    snow_percolation = excess * melt / safe.maximum(water_input, 1e-3)
    evaporated = safe.minimum(evaporated, available + water_input - rain_percolation - snow_percolation)
    soil_water = state.soil_water + water_input - evaporated - rain_percolation - snow_percolation

    rain_runoff = p.rain_runoff_fraction * (state.rain_groundwater + rain_percolation)
    snow_runoff = snow_runoff_share(
        air_temperature, state.previous_air_temperature, state.air_temperature_two_months_ago, elevation, p
    ) * (state.snow_groundwater + snow_percolation)
    rain_groundwater = state.rain_groundwater + rain_percolation - rain_runoff
    snow_groundwater = state.snow_groundwater + snow_percolation - snow_runoff

    root_zone = 1000.0 * soil.rooting_depth
    mean_soil_water = 0.5 * (state.soil_water + soil_water)
    new_state = WaterState(
        soil_water=soil_water,
        snowpack=snowpack,
        rain_groundwater=rain_groundwater,
        snow_groundwater=snow_groundwater,
        frozen_water=state.frozen_water,
        previous_air_temperature=air_temperature,
        air_temperature_two_months_ago=state.previous_air_temperature,
    )
    residual = total_water(new_state) - total_water(state) - (precipitation - evaporated - rain_runoff - snow_runoff)
    return new_state, WaterMonth(
        potential_evapotranspiration=potential,
        evapotranspiration=evaporated,
        rain=rain,
        snowfall=snowfall,
        snowmelt=melt,
        rain_percolation=rain_percolation,
        snow_percolation=snow_percolation,
        rain_runoff=rain_runoff,
        snow_runoff=snow_runoff,
        runoff=rain_runoff + snow_runoff,
        snowpack=snowpack,
        soil_water=soil_water,
        soil_water_mean=mean_soil_water,
        volumetric_moisture=safe.maximum(0.001, soil_water / root_zone),
        volumetric_moisture_mean=safe.maximum(0.001, mean_soil_water / root_zone),
        volumetric_moisture_20cm=safe.maximum(0.001, soil_water / root_zone),
        volumetric_moisture_20cm_mean=safe.maximum(0.001, mean_soil_water / root_zone),
        available_water=soil_water - soil.wilting_point * root_zone,
        saturation=soil_water / root_zone / soil.porosity,
        rain_groundwater=rain_groundwater,
        snow_groundwater=snow_groundwater,
        water_residual=residual,
    )


# --- two layers of soil water --------------------------------------------------------------------------------------------------


def two_layers(
    soil_water: Float[Array, "*cells"],
    upper_water: Float[Array, "*cells"],
    thawed_root_depth: Float[Array, "*cells"],
    thawed_upper_depth: Float[Array, "*cells"],
    soil: SoilHydraulics,
    p: WaterParameters,
) -> WaterLayers:
    """:func:`available_water` of each layer (docs/model.md#w11): soil water of the root zone and of the upper 20 cm in mm,
    thawed thickness within the root zone and within the upper 20 cm in m.
    """
    upper_depth = soil.upper_depth
    lower_depth = soil.rooting_depth - upper_depth
    upper = safe.clip(thawed_upper_depth, p.minimum_thawed_depth, upper_depth)
    lower = safe.clip(thawed_root_depth - safe.minimum(thawed_upper_depth, upper_depth), 0.0, lower_depth)
    upper_thawed, lower_thawed = upper / upper_depth, lower / lower_depth
    storable = 1000.0 * (soil.field_capacity - soil.wilting_point)
    return WaterLayers(
        upper_available=safe.maximum(0.0, upper_water * upper_thawed - 1000.0 * soil.wilting_point * upper),
        lower_available=safe.maximum(
            0.0, (soil_water - upper_water) * lower_thawed - 1000.0 * soil.wilting_point * lower
        ),
        upper_capacity=safe.maximum(1.0, storable * upper),
        lower_capacity=safe.maximum(0.0, storable * lower),
        upper_thawed=upper_thawed,
        lower_thawed=lower_thawed,
    )


def withdrawn(
    layers: WaterLayers,
    water_input: Float[Array, "*cells"],
    evapotranspiration: Float[Array, "*cells"],
    p: WaterParameters,
) -> tuple[Float[Array, "*cells"], Float[Array, "*cells"]]:
    """EET (mm month-1) out of the upper layer, which has the month's rain and melt, and out of the lower one
    (docs/model.md#w12): by the share of roots in thawed ground; what one layer lacks the other gives.
    """
    upper_roots = p.upper_root_share * layers.upper_thawed
    share = upper_roots / (upper_roots + (1.0 - p.upper_root_share) * layers.lower_thawed)
    reach = layers.upper_available + water_input
    wanted = safe.minimum(share * evapotranspiration, reach)
    lower = safe.minimum(evapotranspiration - wanted, layers.lower_available)
    return safe.minimum(evapotranspiration - lower, reach), lower


def drained(
    water: Float[Array, "*cells"], capacity: Float[Array, "*cells"], conductance: Float[Array, "*cells"]
) -> Float[Array, "*cells"]:
    """What is left (mm) at the end of a month of ``dx/dt = -k (x/capacity)^4`` by one implicit step: ``x + k (x/capacity)^4 =
    water`` (docs/model.md#w13). Water and capacity in mm, conductance k in mm month-1.
    """
    a, b = conductance / capacity, water / capacity
    guess = jax.lax.stop_gradient(safe.minimum(b, jnp.sqrt(jnp.sqrt(b / safe.maximum(a, 1e-6)))))
    for _ in range(_DRAINAGE_STEPS):
        cube = a * guess * guess * guess
        guess = (3.0 * cube * guess + b) / (1.0 + 4.0 * cube)
    return capacity * guess


def upper_water_after(
    upper_water: Float[Array, "*cells"],
    layers: WaterLayers,
    *,
    water_input: Float[Array, "*cells"],
    evapotranspiration: Float[Array, "*cells"],
    days: Float[Array, "*cells"],
    soil: SoilHydraulics,
    p: WaterParameters,
) -> Float[Array, "*cells"]:
    """Water of the upper 20 cm (mm) after a month (docs/model.md#w13): rain and melt enter it, EET is shared with the lower
    layer, the rest drains by gravity as far as the lower layer has room, and above field capacity in any case.

    ``evapotranspiration``: what :func:`balance` took (mm month-1). The lower layer is the rest of the soil water.
    """
    from_upper, from_lower = withdrawn(layers, water_input, evapotranspiration, p)
    filled = layers.upper_available + water_input - from_upper
    room = safe.maximum(0.0, layers.lower_capacity - layers.lower_available + from_lower)
    kept = drained(filled, layers.upper_capacity, days * soil.drainage)
    kept = safe.minimum(layers.upper_capacity, safe.maximum(kept, filled - room))
    return upper_water + water_input - from_upper - (filled - kept)


def with_layers(month: WaterMonth, before: Float[Array, "*cells"], after: Float[Array, "*cells"], soil: SoilHydraulics):
    """The month's outputs with the moisture of the upper 20 cm from its water (mm) at both ends; returns ``WaterMonth``."""
    depth = 1000.0 * soil.upper_depth
    return eqx.tree_at(
        lambda m: (m.volumetric_moisture_20cm, m.volumetric_moisture_20cm_mean),
        month,
        (safe.maximum(0.001, after / depth), safe.maximum(0.001, 0.5 * (before + after) / depth)),
    )


def moisture_below_20cm(
    root_moisture: Float[Array, "*cells"], upper_moisture: Float[Array, "*cells"], soil: SoilHydraulics
) -> Float[Array, "*cells"]:
    """Moisture (m3 m-3) of the root zone below the upper 20 cm from that of both together and that of the upper 20 cm."""
    upper = soil.upper_depth
    below = (root_moisture * soil.rooting_depth - upper_moisture * upper) / (soil.rooting_depth - upper)
    return safe.maximum(0.001, below)


def snow_runoff_share(
    air_temperature: Float[Array, "*cells"],
    previous: Float[Array, "*cells"],
    two_months_ago: Float[Array, "*cells"],
    elevation: Float[Array, "*cells"],
    p: WaterParameters,
) -> Float[Array, "*cells"]:
    """Share of the snow groundwater that runs off (month-1): 0 while freezing; 0.1 in the first melt month; in the second
    0.5, or 0.25 above 500 m; 0.5 later (Vorosmarty et al. 1989; TEM 4.3, 6).
    """
    high = elevation > p.melt_elevation
    second = jnp.where(high, p.snow_runoff_fraction_high, p.snow_runoff_fraction)
    later = jnp.where(two_months_ago < p.snowmelt_temperature, second, p.snow_runoff_fraction)
    share = jnp.where(previous < p.snowmelt_temperature, p.snow_runoff_fraction_onset, later)
    return jnp.where(air_temperature < p.snowmelt_temperature, 0.0, share)


def total_water(state: WaterState) -> Float[Array, "*cells"]:
    """All water of the column (mm)."""
    return state.soil_water + state.snowpack + state.rain_groundwater + state.snow_groundwater + state.frozen_water


def initial_state(
    previous_air_temperature: Float[Array, "*cells"],
    air_temperature_two_months_ago: Float[Array, "*cells"],
    soil: SoilHydraulics,
    layers: bool = False,
) -> WaterState:
    """Field capacity, no snow, no groundwater (docs/model.md#i2); temperatures of December and November (degC). ``layers``:
    whether soil water is two layers.
    """
    zero = jnp.zeros_like(soil.rooting_depth)
    return WaterState(
        soil_water=soil.field_capacity * soil.rooting_depth * 1000.0,
        snowpack=zero,
        rain_groundwater=zero,
        snow_groundwater=zero,
        frozen_water=zero,
        previous_air_temperature=previous_air_temperature,
        air_temperature_two_months_ago=air_temperature_two_months_ago,
        upper_water=soil.field_capacity * soil.upper_depth * 1000.0 if layers else None,
    )


def expose_water(
    state: WaterState, ratio: Float[Array, "*cells"], soil: SoilHydraulics
) -> tuple[WaterState, Float[Array, "*cells"]]:
    """Soil water follows the ratio of active-layer profiles (Liu et al. 2022, scheme A; docs/model.md#p6).

    Returns the new state and the exposed water (mm, negative where it returns to the frozen store). Growth is limited by
    the frozen store, shrinkage by the wilting point; what exceeds field capacity goes to the rain groundwater. Of two layers
    the lower one takes the change, the upper one what the lower cannot (its own limits are those two as well).
    """
    root_zone = 1000.0 * soil.rooting_depth
    wanted = state.soil_water * (ratio - 1.0)
    exposed = safe.maximum(
        safe.minimum(wanted, state.frozen_water),
        safe.minimum(0.0, soil.wilting_point * root_zone - state.soil_water),
    )
    soil_water = state.soil_water + exposed
    overflow = safe.maximum(0.0, soil_water - soil.field_capacity * root_zone)
    new_state = eqx.tree_at(
        lambda s: (s.soil_water, s.rain_groundwater, s.frozen_water),
        state,
        (soil_water - overflow, state.rain_groundwater + overflow, state.frozen_water - exposed),
    )
    if state.upper_water is not None:
        lower_depth = 1000.0 * (soil.rooting_depth - soil.upper_depth)
        upper_water = safe.clip(
            state.upper_water,
            new_state.soil_water - soil.field_capacity * lower_depth,
            new_state.soil_water - soil.wilting_point * lower_depth,
        )
        new_state = eqx.tree_at(lambda s: s.upper_water, new_state, upper_water)
    return new_state, exposed


def snow_on_ground(snowpack: Float[Array, "*cells"]) -> Float[Array, "*cells"]:
    """1 where a pack of more than 0.01 mm lies, else 0 (the tolerance matters: docs/model.md#w10)."""
    return jnp.where(snowpack > 0.01, 1.0, 0.0).astype(snowpack.dtype)
