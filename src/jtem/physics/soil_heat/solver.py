"""One implicit step of conduction with phase change.

A step is a fixed number of tridiagonal sweeps that find which layers are frozen, freezing or thawed (no gradient flows through
them, and none is needed: the step depends on them only through that choice), followed by one linear solve. Every such solve
conserves energy to rounding.

Equations docs/model.md#h5.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Bool, Float, Int

from jtem.numerics import safe
from jtem.numerics.kernels import derivative_computed_once
from jtem.numerics.layers import over_layers
from jtem.physics.soil_heat import kernels
from jtem.physics.soil_heat.column import ThermalDesign, ThermalProperties, per_layer

INCONSISTENT = 0.1
"""A sub-step is counted as inconsistent where the solve's temperature misses that of the new enthalpy by more (K)."""
PHASE_CHOICE = "soil_thermal_phase"
"""Name under which the phases chosen by the sweeps are kept by ``jax.checkpoint``, so that a gradient need not redo
them."""
KEEP_PHASES = jax.checkpoint_policies.save_only_these_names(PHASE_CHOICE)
"""Checkpoint policy of the month; good for the year too: one byte per layer and sub-step (2.4 kB per cell-year)."""

Line = tuple[Float[Array, "..."], Float[Array, "..."]]
"""Slope and offset of the line ``h = c T - c tau`` of a phase: c and ``c tau``."""


class HeatContents(eqx.Module):
    """Heat contents of the layers per time step, D = thickness/step: all are heat fluxes, and D drops out of the
    sweeps.

    A *line* is that of a phase, ``h = c T - c tau``: its slope c and ``c tau``.
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

    def of_layer(self, i: int | Int[Array, ""]) -> HeatContents:
        """Those of one layer."""
        rows = (_row(array, i) for array in (self.frozen, self.thawed, self.melted))
        return dataclasses.replace(self, **dict(zip(("frozen", "thawed", "melted"), rows, strict=True)))

    def for_layers(self) -> HeatContents:
        """The same, for arithmetic on all layers at once."""
        return dataclasses.replace(self, interval=self.interval[None], per_interval=self.per_interval[None])

    def _line(self, frozen: Bool[Array, "..."], thawed: Bool[Array, "..."]) -> Line:
        c = jnp.where(frozen, self.frozen, jnp.where(thawed, self.thawed, self.melted * self.per_interval))
        return c, -jnp.where(frozen, self.interval * self.frozen, self.melted)

    def line_of_content(self, x: Float[Array, "..."]) -> Line:
        """Line of the phase that holds heat contents x."""
        return self._line(x < 0.0, x > self.melted)

    def line_of_gain(self, gain: Float[Array, "..."], a: Float[Array, "..."]) -> Line:
        """Line of the phase in which ``h + a T = gain``."""
        return self._line(gain < -a * self.interval, gain > self.melted)

    def line_of_phase(self, phase: Int[Array, "..."]) -> Line:
        """Line of a phase by its number."""
        return self._line(phase == 0, phase == 2)

    def phase(self, x: Float[Array, "..."]) -> Int[Array, "..."]:
        """Phase that holds heat contents x: 0 frozen, 1 freezing, 2 thawed."""
        return jnp.where(x < 0.0, 0, jnp.where(x > self.melted, 2, 1)).astype(jnp.int8)

    def liquid_share(self, content: Float[Array, "layer *cells"]) -> Float[Array, "layer *cells"]:
        """Share of the freezable water that is liquid."""
        return safe.clip(content * self.per_melted, 0.0, 1.0)


def _row(array: Float[Array, "..."], i: int | Int[Array, ""]) -> Float[Array, "..."]:
    return lax.dynamic_index_in_dim(array, i, keepdims=False)


def _put(array: Float[Array, "..."], row: Float[Array, "..."], i: int | Int[Array, ""]) -> Float[Array, "..."]:
    return lax.dynamic_update_index_in_dim(array, row, i, 0)


def _sweep(
    x: Float[Array, "layer *cells"],
    p: Float[Array, "layer *cells"],
    r: Float[Array, "layer *cells"],
    column: HeatContents,
    conductance: Float[Array, "layer *cells"],
    content: Float[Array, "layer *cells"],
    surface: Float[Array, "*cells"],
    kind: str,
    swept: int,
) -> tuple[Float[Array, "layer *cells"], Float[Array, "layer *cells"], Float[Array, "layer *cells"]]:
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
    p, r = _eliminate(x, p, r, column, conductance, content, swept, 1)

    def down(i: Array, carry: tuple[Array, ...]) -> tuple[Array, ...]:
        above, x = carry
        row, g = column.of_layer(i), _row(conductance, i)
        a = g + _row(p, i)
        gain = _row(content, i) + _row(r, i) + g * above
        c, c_tau = row.line_of_gain(gain, a)
        temperature = (gain + c_tau) / (a + c)
        direct = gain - a * temperature  # = c T - c tau
        before = _row(x, i)
        return temperature, _put(x, direct if kind == "d" else before + 0.5 * (direct - before), i)

    _, x = lax.fori_loop(0, swept, down, (surface, x))
    return x, p, r


def _eliminate(
    x: Float[Array, "layer *cells"],
    p: Float[Array, "layer *cells"],
    r: Float[Array, "layer *cells"],
    column: HeatContents,
    conductance: Float[Array, "layer *cells"],
    content: Float[Array, "layer *cells"],
    below: int,
    above: int,
) -> tuple[Float[Array, "layer *cells"], Float[Array, "layer *cells"]]:
    """Rows p and r after layers ``below - 1`` up to ``above`` are eliminated: their rows one layer above each."""

    def up(j: Array, carry: tuple[Array, ...]) -> tuple[Array, ...]:
        p, r, p_all, r_all = carry
        i = below - 1 - j
        row, g = column.of_layer(i), _row(conductance, i)
        c, c_tau = row.line_of_content(_row(x, i))
        share = g / (c + p + g)
        p, r = g - g * share, share * (_row(content, i) + r + c_tau)
        return p, r, _put(p_all, p, i - 1), _put(r_all, r, i - 1)

    _, _, p, r = lax.fori_loop(0, below - above, up, (p[below - 1], r[below - 1], p, r))
    return p, r


def _choose_phases(
    column: HeatContents,
    conductance: Float[Array, "layer *cells"],
    content: Float[Array, "layer *cells"],
    source: Float[Array, "*cells"],
    surface: Float[Array, "*cells"],
    sweeps: str,
    swept: int,
) -> Int[Array, "layer *cells"]:
    """Phase of every layer at the end of the step (its number), by the fixed word of sweeps over the upper ``swept`` layers.

    The layers below keep their phases, so they are eliminated once for all sweeps.
    """

    def sweep_all(carry: tuple[Array, ...], word: str) -> tuple[Array, ...]:
        x, p, r = carry
        for kind in word:
            x, p, r = _sweep(x, p, r, column, conductance, content, surface, kind, swept)
        return x, p, r

    pairs = len(sweeps) // 2 if sweeps.startswith("dr") else 0
    while not sweeps.startswith("dr" * pairs):
        pairs -= 1
    zero = jnp.zeros_like(content)
    p, r = zero, zero.at[-1].set(source)
    if swept < content.shape[0]:
        p, r = _eliminate(content, p, r, column, conductance, content, content.shape[0], swept)
    carry = content, p, r
    if pairs > 1:  # the same program, compiled once
        carry = lax.fori_loop(0, pairs, lambda _, carry: sweep_all(carry, "dr"), carry)
        sweeps = sweeps[2 * pairs :]
    return column.for_layers().phase(sweep_all(carry, sweeps)[0])


def _solve(
    phase: Int[Array, "layer *cells"],
    column: HeatContents,
    conductance: Float[Array, "layer *cells"],
    content: Float[Array, "layer *cells"],
    source: Float[Array, "*cells"],
    surface: Float[Array, "*cells"],
    on_gpu: bool,
) -> tuple[Float[Array, "layer *cells"], Float[Array, "layer *cells"]]:
    """Linear solve ``L`` of the implicit step with the chosen phases: temperatures (degC) and heat contents D h.

    ``(c_i + g_i + g_{i+1}) T_i - g_i T_{i-1} - g_{i+1} T_{i+1} = h_i + c_i tau_i``, surface and geothermal flux at
    the two ends. The matrix is symmetric: its derivative is one more solve with it.
    """
    c, c_tau = column.for_layers().line_of_phase(phase)
    load = (content + c_tau).at[-1].add(source).at[0].add(conductance[0] * surface)

    def conduct(temperature: Array) -> Array:
        above = jnp.concatenate([jnp.zeros_like(temperature[:1]), temperature[:-1]])
        flux = conductance * (above - temperature)
        below = jnp.concatenate([flux[1:], jnp.zeros_like(flux[:1])])
        return c * temperature - flux + below

    def solve(_: Callable[[Array], Array], load: Array) -> Array:
        if on_gpu:
            return lax.platform_dependent(c, conductance, load, cuda=kernels.tridiagonal, default=_tridiagonal)
        return _tridiagonal(c, conductance, load)

    temperature = lax.custom_linear_solve(conduct, load, solve, symmetric=True)
    return temperature, c * temperature - c_tau


def _tridiagonal(
    c: Float[Array, "layer *cells"], conductance: Float[Array, "layer *cells"], load: Float[Array, "layer *cells"]
) -> Float[Array, "layer *cells"]:
    """Temperatures of ground with capacities ``c`` and conductances to the layer above, the first one to 0 degC.

    Elimination, bottom to top: ``k = c + g_below q_below``, ``w = 1/(k+g)``, ``q = k w``, ``e = g w = 1-q``, ``y =
    (load + g_below y_below) w``; then from the top ``T = e T_above + y``. Both q and e are kept because each is exact
    where it is small: q in thin layers, e in freezing ones, whose T must be exact to rounding of ``delta``.
    """
    layers = load.shape[0]

    def up(j: Array, carry: tuple[Array, ...]) -> tuple[Array, ...]:
        q, y, g_below, e_all, y_all = carry
        i = layers - 1 - j
        g = _row(conductance, i)
        k = _row(c, i) + g_below * q
        w = 1.0 / (k + g)
        y = (_row(y_all, i) + g_below * y) * w
        return k * w, y, g, _put(e_all, g * w, i), _put(y_all, y, i)

    def down(i: Array, carry: tuple[Array, ...]) -> tuple[Array, ...]:
        above, e, y = carry
        temperature = _row(e, i) * above + _row(y, i)
        return temperature, e, _put(y, temperature, i)

    zero = jnp.zeros_like(load[0])
    _, _, _, e, y = lax.fori_loop(0, layers, up, (zero, zero, zero, jnp.zeros_like(load), load))
    return lax.fori_loop(0, layers, down, (zero, e, y))[2]


def _conductances(
    phi: Float[Array, "layer *cells"], properties: ThermalProperties, snow_resistance: Float[Array, "*cells"]
) -> tuple[Float[Array, "layer *cells"], Float[Array, "layer *cells"]]:
    """Half resistances at every face, above and below it (m2 K W-1); the first face lies between snow and ground.

    A planar front splits a layer, so its frozen and thawed parts add in series: ``rho = F + phi (G - F)``.
    """
    p = properties
    upper = p.resistance_upper_frozen + phi * (p.resistance_upper_thawed - p.resistance_upper_frozen)
    lower = p.resistance_lower_frozen + phi * (p.resistance_lower_thawed - p.resistance_lower_frozen)
    return jnp.concatenate([snow_resistance[None], lower[:-1]]), upper


def implicit_step(
    content: Float[Array, "layer *cells"],
    phi: Float[Array, "layer *cells"],
    surface: Float[Array, "*cells"],
    snow_resistance: Float[Array, "*cells"],
    column: HeatContents,
    properties: ThermalProperties,
    sweeps: str,
    on_gpu: bool = False,
    swept: int | None = None,
) -> tuple[
    Float[Array, "layer *cells"],
    Float[Array, "layer *cells"],
    Float[Array, "layer *cells"],
    Float[Array, "layer *cells"],
]:
    """One implicit step of heat contents D h; returns the new ones, temperatures, and the resistances at the faces.

    ``swept``: number of upper layers whose phases the sweeps find (None: all); the others keep theirs.
    ``on_gpu``: sweeps and solve are kernels where the program is compiled for CUDA.
    """
    above, below = derivative_computed_once(_conductances(phi, properties, snow_resistance))
    conductance = 1.0 / (above + below)
    source = properties.geothermal_heat_flux
    held = lax.stop_gradient((column, conductance, content, source, surface))
    how = {"sweeps": sweeps, "swept": content.shape[0] if swept is None else swept}
    if on_gpu:
        phase = lax.platform_dependent(
            *held,
            cuda=functools.partial(kernels.choose_phases, **how),
            default=functools.partial(_choose_phases, **how),
        )
    else:
        phase = _choose_phases(*held, **how)
    phase = checkpoint_name(phase, PHASE_CHOICE)
    temperature, content = derivative_computed_once(
        _solve(phase, column, conductance, content, source, surface, on_gpu)
    )
    return content, temperature, above, below


def contents_per_step(properties: ThermalProperties, per_step: Float[Array, "..."]) -> HeatContents:
    """Heat contents of a column for ``per_step``, D = thickness/step (m Ms-1)."""
    melted = per_step * properties.enthalpy_thawed
    return HeatContents(
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
    per_step = per_layer(tuple(d / time_step for d in design.thickness), enthalpy)
    column, content = contents_per_step(properties, per_step), enthalpy * per_step
    phi = column.liquid_share(content)
    content, temperature, above, below = implicit_step(
        content,
        phi,
        surface_temperature,
        snow_resistance,
        column,
        properties,
        design.sweeps,
        design.on_gpu,
        design.swept,
    )
    flux = (surface_temperature - temperature[0]) / (above[0] + below[0])
    return content / per_step, temperature, flux


def unsettled(
    content: Float[Array, "layer *cells"],
    temperature: Float[Array, "layer *cells"],
    column: HeatContents,
) -> Bool[Array, "*cells"]:
    """Whether the temperature of the heat contents D h misses that of the solve by more than ``INCONSISTENT`` in a layer."""
    c, c_tau = column.for_layers().line_of_content(content)
    missed = jnp.abs(content + c_tau - c * temperature) > INCONSISTENT * c
    return over_layers(missed.astype(c.dtype)) > 0.0
