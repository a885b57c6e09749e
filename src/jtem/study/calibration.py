"""Calibration as one function: parameter values -> periodic heat -> equilibrium -> years of history -> what was observed.

A :class:`Problem` is data: sites with their climate, observations as pieces of monthly channels, and the parameters that
are free. From one compiled simulation of a site (:func:`predict`) come the residuals and their exact Jacobian
(:meth:`Model.residuals`, :meth:`Model.jacobian`; Levenberg-Marquardt) and the log-posterior with its gradient
(:meth:`Model.log_posterior`; optax, NUTS): one misfit behind everything. No year of the spin-up's search is
differentiated: heat and pools carry the implicit derivative of their fixed points (docs/equilibrium.md).

Two savings. A site's columns of the Jacobian are those parameters that act on it (slots), however many sites the
problem has. Heat does not depend on carbon: it is found once where no free parameter acts on it
(:func:`acts_on_heat`), and carbon columns never differentiate it.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jtem import parameters, step
from jtem.constants import MONTHS_PER_YEAR
from jtem.errors import InputError, suggest
from jtem.run import course, equilibrium, spinup, years
from jtem.state import Cell, Climate, Controls
from jtem.study.least_squares import Transform

SCOPES = ("shared", "community", "site")
MODES = ("value", "factor")
START = {
    "start.vegetation_carbon": "vegetation carbon and nitrogen",
    "start.soil_carbon": "soil carbon and organic nitrogen",
}
"""Factors on the pools between equilibrium and history: a site that is not at equilibrium (Carvalhais et al. 2008, Global
Biogeochemical Cycles 22, GB2007, relax the steady state the same way). They belong to a site's past, not to the model."""

SUMS = ("sum", "mean")


def acts_on_heat(name: str) -> bool:
    """Whether a parameter changes soil heat or what heat hands on (thawed roots, snowfall)."""
    return name.startswith(("soil_thermal.", "water.rooting_depth", "water.snowfall_temperature"))


def element_of(name: str) -> tuple[str, int | None]:
    """``"soil_thermal.water_content[1]"`` as (name, 1); without brackets the element is None (all)."""
    found = re.fullmatch(r"([\w.]+)\[(\d+)\]", name)
    return (found[1], int(found[2])) if found else (name, None)


# --- the problem as data ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Free:
    """One free quantity: a parameter's value, or a factor on one or several parameters.

    ``names``: ``branch.field``, ``branch.field[element]`` or a key of :data:`START`. ``scope``: one coordinate for all
    sites, for each community or for each site. ``start``, ``lower``, ``upper``: in the parameter's unit (factor: 1).
    ``start`` None: each site's own value, which must agree within a coordinate (factor: 1). ``prior``: mean and standard
    deviation, on log scale of the logarithm. ``sites``: positions of the sites it acts on, None for all.
    """

    label: str
    names: tuple[str, ...]
    lower: float
    upper: float
    scope: str = "shared"
    mode: str = "value"
    scale: str = "linear"
    start: float | None = None
    prior: tuple[float, float] | None = None
    sites: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Channel:
    """One monthly series of the model that something observed is a piece of.

    ``variables``: monthly outputs that are summed; or ``depth`` (m) of soil temperature; or "active_layer_thickness".
    """

    name: str
    variables: tuple[str, ...] = ()
    depth: float | None = None

    @property
    def needs_carbon(self) -> bool:
        """Whether heat alone cannot give it."""
        return self.depth is None and self.variables not in (("active_layer_thickness",), ("snow_depth",))


@dataclass(frozen=True)
class Observations:
    """What was observed, one row each (all (observation,)); a NaN ``value`` asks for the simulated one only.

    ``site``, ``channel``: positions. ``begin``, ``end``: months since the first January of history, end exclusive.
    ``how``: "sum" or "mean" over them. ``error``: one standard error. ``fit``: part of the misfit (else held out).
    """

    site: np.ndarray
    channel: np.ndarray
    begin: np.ndarray
    end: np.ndarray
    how: np.ndarray
    value: np.ndarray
    error: np.ndarray
    fit: np.ndarray

    @property
    def fitted(self) -> np.ndarray:
        """Observations of the misfit, (observation,) bool."""
        return self.fit & np.isfinite(self.value)


@dataclass(frozen=True)
class Problem:
    """A calibration: everything but the search.

    ``sites``, ``communities``: names (site,). ``cells``: stacked columns. ``rows``: parameters with a leading site axis.
    ``spin_up``: one year a site, fields (site, 12). ``history``: fields (site, year, 12). ``free``: see :class:`Free`.
    """

    sites: tuple[str, ...]
    communities: tuple[str, ...]
    cells: Cell
    rows: step.Parameters
    spin_up: Climate
    history: Climate
    channels: tuple[Channel, ...]
    observations: Observations
    free: tuple[Free, ...]
    design: step.Design
    heat_years: int = 60
    heat_differences: float = 0.0
    """Columns of parameters that act on heat: 0 exact, else central differences over this share of the width between their
    bounds (on their scale). Where ground hovers near 0 degC heat is rough on a small scale (docs/calibration.md): the exact
    slope is then true and useless, the difference is what a search needs."""


class _Site(NamedTuple):
    """What one site's simulation reads; stacked over sites. ``applies``, ``width``, ``logarithmic`` (slot,); picks (pick,)."""

    cell: Cell
    row: step.Parameters
    spin_up: Climate
    history: Climate
    applies: Any
    width: Any
    logarithmic: Any
    channel: Any
    begin: Any
    end: Any
    share: Any


class _Heat(NamedTuple):
    """Heat of a site: periodic year, then the years of history (year, ...)."""

    periodic: spinup.PeriodicHeat
    history: years.HeatYear


@dataclass(frozen=True)
class Setting:
    """What fixes the compiled program."""

    design: step.Design
    heat_years: int
    channels: tuple[Channel, ...]
    slots: tuple[tuple[tuple[str, ...], str], ...]  # (names, mode)
    differences: float = 0.0  # of heat slots: share of their width on their scale; 0: exact derivatives

    @property
    def carbon(self) -> bool:
        """Whether anything observed needs water, carbon or nitrogen."""
        return any(channel.needs_carbon for channel in self.channels)

    @property
    def heat_slots(self) -> tuple[int, ...]:
        """Slots that act on heat."""
        return tuple(k for k, (names, _) in enumerate(self.slots) if any(acts_on_heat(n) for n in names))

    @property
    def carbon_slots(self) -> tuple[int, ...]:
        """Slots that do not."""
        return tuple(k for k in range(len(self.slots)) if k not in self.heat_slots)


# --- one site --------------------------------------------------------------------------------------------------------


def with_values(setting: Setting, local, site: _Site) -> tuple[step.Parameters, dict[str, Any]]:
    """The site's row of parameters with the free values (slot,), and the factors on pools of :data:`START`."""
    row, starts = site.row, {}
    for k, (names, mode) in enumerate(setting.slots):
        for full in names:
            if full in START:
                starts[full] = jnp.where(site.applies[k], local[k], jnp.ones_like(local[k]))
                continue
            name, element = element_of(full)
            leaf = parameters.get(row, name)
            value = local[k].astype(leaf.dtype)
            changed = leaf * value if mode == "factor" else jnp.broadcast_to(value, leaf.shape)
            if element is not None:
                changed = leaf.at[element].set(changed[element])
            row = parameters.replace(row, name, jnp.where(site.applies[k], changed, leaf))
    return row, starts


def site_heat(setting: Setting, local, site: _Site, differentiable: bool = True) -> _Heat:
    """Periodic heat of the spin-up's year, with its implicit derivative, then history."""
    design = setting.design
    row, _ = with_values(setting, local, site)
    derived, state = course.start(row, site.cell, site.spin_up, design=design)
    thermal, periodic = spinup.heat_of_one_year(
        state.thermal,
        site.spin_up,
        site.cell,
        derived,
        years=setting.heat_years,
        design=design,
        differentiable=differentiable,
    )

    def one_year(thermal, climate):
        return years.heat(thermal, climate, site.cell, derived, design=design)

    body = jax.checkpoint(one_year, policy=step.KEEP_PHASES)
    return _Heat(periodic, years.many(body, thermal, site.history)[1])


def _carbon_series(setting: Setting, local, site: _Site, heat: _Heat, names: Sequence[str]):
    """Equilibrium on the periodic heat, then history: named monthly outputs (year, 12) and the solver's code."""
    design = setting.design
    row, starts = with_values(setting, local, site)
    derived, state = course.start(row, site.cell, site.spin_up, design=design)
    found = equilibrium.solve(
        state.water, state.carbon, heat.periodic, site.spin_up, site.cell, derived, design=design, differentiable=True
    )
    wet, carbon = found.water, found.carbon
    if design.permafrost.layers:
        begun = step.State(None, wet, carbon)
        begun = step.begin_permafrost(begun, site.cell, derived, heat.periodic.thaw, design)
        wet, carbon = begun.water, begun.carbon
    carbon = _scaled(carbon, starts)
    controls = Controls(
        baseline=jnp.array(False), expose=jnp.array(bool(design.permafrost.layers)), follow=jnp.array(True)
    )

    def named(month: step.MonthOutput) -> dict[str, Any]:
        fields = years.month_fields(month)
        return {name: fields[name] for name in names}

    def one_year(carried, inputs):
        carried, series, _ = years.pools(carried, *inputs, controls, site.cell, derived, design=design, keep=named)
        return carried, series

    _, series = years.many(jax.checkpoint(one_year), (wet, carbon), (site.history, heat.history))
    return series, found.code


def _scaled(carbon: step.CarbonState, starts: Mapping[str, Any]) -> step.CarbonState:
    """Pools times the factors of :data:`START`; C:N ratios stay."""
    if "start.vegetation_carbon" in starts:
        f = starts["start.vegetation_carbon"]
        carbon = dataclasses.replace(
            carbon,
            vegetation_carbon=carbon.vegetation_carbon * f,
            structural_nitrogen=carbon.structural_nitrogen * f,
            labile_nitrogen=carbon.labile_nitrogen * f,
        )
    if "start.soil_carbon" in starts:
        f = starts["start.soil_carbon"]
        soil = dataclasses.replace(
            carbon.soil, carbon=carbon.soil.carbon * f, organic_nitrogen=carbon.soil.organic_nitrogen * f
        )
        carbon = dataclasses.replace(carbon, soil=soil)
    return carbon


def predict(setting: Setting, local, site: _Site, heat: _Heat):
    """What would be observed at a site, (pick,), and the equilibrium's code (0 where carbon is not needed)."""
    layers = [channel.depth for channel in setting.channels if channel.depth is not None]
    names = sorted({v for c in setting.channels if c.depth is None for v in c.variables} - {"active_layer_thickness"})
    dtype = local.dtype
    code = jnp.zeros((), int)
    fields: dict[str, Any] = vars(heat.history.months)
    if setting.carbon:
        fields, code = _carbon_series(setting, local, site, heat, names)
    length = site.history.co2.shape[0]
    temperature = None
    if layers and setting.design.thermal is not None:
        weights = depth_weights(np.array(layers), setting.design.thermal.centres)
        temperature = heat.history.months.soil_temperature @ jnp.asarray(
            weights, heat.history.months.soil_temperature.dtype
        )
    columns, seen = [], 0
    for channel in setting.channels:
        if channel.depth is not None:
            assert temperature is not None
            series, seen = temperature[..., seen], seen + 1
        elif channel.variables == ("active_layer_thickness",):
            series = jnp.broadcast_to(heat.history.thaw.active_layer_thickness[:, None], (length, MONTHS_PER_YEAR))
        else:
            series = sum(fields[name] for name in channel.variables)
        columns.append(jnp.asarray(series).astype(dtype).reshape(length * MONTHS_PER_YEAR))
    summed = jnp.cumsum(jnp.stack(columns), axis=1)
    summed = jnp.concatenate([jnp.zeros((len(columns), 1), dtype), summed], axis=1)
    return (summed[site.channel, site.end] - summed[site.channel, site.begin]) * site.share, code


def depth_weights(depths: np.ndarray, centres: Sequence[float]) -> np.ndarray:
    """Weights (layer, depth) of linear interpolation between the middles of layers, constant beyond the ends."""
    return np.stack([np.interp(depths, centres, row) for row in np.eye(len(centres))])


# --- compiled programs -----------------------------------------------------------------------------------------------
# One a setting and shape, whichever problem asks: compiling takes longer than most searches.


def _site_values(setting: Setting, local, site: _Site, heat):
    return predict(setting, local, site, site_heat(setting, local, site) if heat is None else heat)


def _site_jacobian(setting: Setting, local, site: _Site, heat):
    """Value (pick,), code and derivative (pick, slot).

    Heat slots turn heat; from there one program of carbon serves all slots (each with heat's own turn), so it is compiled
    once, and carbon columns never differentiate heat.
    """
    held, rates, slope = heat, None, None
    slots = setting.carbon_slots if setting.carbon else ()
    if heat is None and setting.differences:
        held = site_heat(setting, local, site, differentiable=False)
        slope = _heat_differences(setting, local, site)
    elif heat is None:
        where = jnp.asarray(setting.heat_slots)
        slots = tuple(sorted((*setting.heat_slots, *slots)))

        def turn(part):
            found = site_heat(setting, local.at[where].set(part), site)
            return found, found

        turned, held = jax.jacfwd(turn, has_aux=True)(local[where])
        by_slot = jnp.asarray([slots.index(k) for k in setting.heat_slots])
        rates = jax.tree.map(
            lambda leaf: (
                jnp.zeros((len(slots), *leaf.shape[:-1]), leaf.dtype).at[by_slot].set(jnp.moveaxis(leaf, -1, 0))
            ),
            turned,
        )

    def column(direction, rate):
        if rate is None:
            return jax.jvp(lambda all_: predict(setting, all_, site, held), (local,), (direction,), has_aux=True)
        return jax.jvp(
            lambda all_, found: predict(setting, all_, site, found), (local, held), (direction, rate), has_aux=True
        )

    if not slots:
        value, code = predict(setting, local, site, held)
    else:
        directions = jnp.eye(local.size, dtype=local.dtype)[jnp.asarray(slots)]
        value, columns, code = jax.vmap(column, out_axes=(None, 0, None))(directions, rates)
    slope = jnp.zeros((value.size, local.size), value.dtype) if slope is None else slope
    return value, code, slope.at[:, jnp.asarray(slots)].set(columns.T) if slots else slope


def _heat_differences(setting: Setting, local, site: _Site):
    """Derivative (pick, slot) by heat slots from central differences, 0 for the others."""

    def moved(all_):
        return predict(setting, all_, site, site_heat(setting, all_, site, differentiable=False))[0]

    where = jnp.asarray(setting.heat_slots)
    size = setting.differences * site.width * jnp.where(site.logarithmic, local, jnp.ones_like(local))
    steps = jnp.diag(size)[where]
    # one batch: value by value would compile as many programs
    up, down = jnp.split(jax.vmap(moved)(jnp.concatenate([local[None] + steps, local[None] - steps])), 2)
    by_slot = ((up - down) / (2.0 * size[where])[:, None]).T
    return jnp.zeros((by_slot.shape[0], local.size), by_slot.dtype).at[:, where].set(by_slot)


@functools.lru_cache(maxsize=32)
def program(which: str, setting: Setting):
    """Compiled "heat" (local, site), or "values" and "jacobian" (local with a leading start axis, site, heat)."""
    if which == "heat":
        return jax.jit(jax.vmap(functools.partial(site_heat, setting)))
    one = {"values": _site_values, "jacobian": _site_jacobian}[which]
    return jax.jit(jax.vmap(jax.vmap(functools.partial(one, setting)), in_axes=(0, None, None)))


class _Target(NamedTuple):
    """What the misfit reads beside the sites. ``index`` (site, slot); ``observed``, ``weight`` (site, pick); the rest
    (coordinate,); a weight of 0 counts nothing.
    """

    index: Any
    observed: Any
    weight: Any
    low: Any
    width: Any
    logarithmic: Any
    prior_mean: Any
    prior_weight: Any


def misfit(setting: Setting, x, site: _Site, heat, target: _Target):
    """Sum of squared residuals at x (coordinate,), and the log-density of the change of variables to x (for samplers)."""
    on_scale = target.low + jax.nn.sigmoid(x) * target.width
    values = jnp.where(target.logarithmic, jnp.exp(on_scale), on_scale)
    simulated, _ = jax.vmap(functools.partial(_site_values, setting))(values[target.index], site, heat)
    total = (((simulated - target.observed) * target.weight) ** 2).sum()
    total = total + (((on_scale - target.prior_mean) * target.prior_weight) ** 2).sum()
    return total, (jax.nn.log_sigmoid(x) + jax.nn.log_sigmoid(-x)).sum()


@functools.lru_cache(maxsize=32)
def log_density(setting: Setting):
    """The unnormalised log-posterior (x, site, heat, target) -> (), traceable: see :meth:`Model.log_posterior`."""

    def density(x, *rest):
        value, change = misfit(setting, x, *rest)
        return -0.5 * value + change

    return jax.jit(density)  # a piece of its own is traced once, however many loops a sampler lays around it


@functools.lru_cache(maxsize=32)
def gradient_program(setting: Setting):
    """Compiled misfit and its gradient by one reverse sweep: (x, site, heat, target)."""
    return jax.jit(jax.value_and_grad(lambda x, *rest: misfit(setting, x, *rest)[0]))


# --- the model of a problem ------------------------------------------------------------------------------------------


class Model:
    """Residuals, Jacobian and log-posterior of a :class:`Problem`, compiled once.

    Points are free coordinates x (..., coordinate) on the real line (``transform``); residuals are those of fitted
    observations, divided by their errors, then one for each prior. ``names``: labels of the coordinates. Raises
    ``InputError`` for a problem that cannot be calibrated; nothing is compiled by then.
    """

    def __init__(self, problem: Problem):
        """Check the problem and lay it out by sites and slots."""
        self.problem = problem
        self.setting = Setting(
            problem.design,
            problem.heat_years,
            problem.channels,
            tuple((f.names, f.mode) for f in problem.free),
            problem.heat_differences,
        )
        self._lay_out_coordinates()
        self._lay_out_observations()
        self._heat: _Heat | None = None
        self._last: tuple[np.ndarray, ...] | None = None

    # --- layout

    def _lay_out_coordinates(self) -> None:
        problem = self.problem
        names, lower, upper, scales, start, prior = [], [], [], [], [], []
        count = len(problem.sites)
        self.index = np.zeros((count, len(problem.free)), dtype=int)
        self.applies = np.zeros((count, len(problem.free)), dtype=bool)
        for k, free in enumerate(problem.free):
            check_free(free, problem)
            mine = range(count) if free.sites is None else free.sites
            groups: dict[str, list[int]] = {}
            for s in mine:
                key = {"shared": "", "community": problem.communities[s], "site": problem.sites[s]}[free.scope]
                groups.setdefault(key, []).append(s)
            for key, members in groups.items():
                label = free.label + (f":{key}" if key else "")
                self.index[members, k], self.applies[members, k] = len(names), True
                names.append(label)
                lower.append(free.lower)
                upper.append(free.upper)
                scales.append(free.scale)
                start.append(self._start(free, members, label))
                prior.append(free.prior)
        if not names:
            raise InputError("no parameter is free; name at least one that acts on the sites")
        self.transform = Transform(tuple(names), np.array(lower), np.array(upper), tuple(scales))
        self.start_values = np.array(start)
        self.transform.free(self.start_values)  # refuses a start outside the bounds
        self.prior = prior

    def _start(self, free: Free, members: Sequence[int], label: str) -> float:
        if free.start is not None:
            return free.start
        if free.mode == "factor":
            return 1.0
        values = [np.asarray(self.value_in_table(free.names[0], s), dtype=float) for s in members]
        flat = np.concatenate([np.ravel(v) for v in values])
        if np.ptp(flat) > 1e-12 * max(1.0, float(np.abs(flat).max())):
            raise InputError(
                f"parameter '{label}' has the values {flat.min():g} to {flat.max():g} at its sites; give a 'start', "
                "choose mode 'factor' or another scope"
            )
        return float(flat[0])

    def value_in_table(self, full: str, s: int):
        """A parameter of site ``s`` before anything is fitted; one element where ``full`` names one."""
        name, element = element_of(full)
        leaf = np.asarray(parameters.get(self.problem.rows, name))[s]
        return leaf if element is None else leaf[element]

    def _lay_out_observations(self) -> None:
        problem, o = self.problem, self.problem.observations
        if not o.fitted.any():
            raise InputError("no observation is left to fit; check sites, streams, years and quality")
        if not np.all(o.error[o.fitted] > 0):
            raise InputError("an observation to fit has no positive error; give one for its stream")
        count = len(problem.sites)
        number = np.bincount(o.site, minlength=count)
        width = int(number.max())
        self.position = np.zeros(o.site.size, dtype=int)
        for s in range(count):
            self.position[o.site == s] = np.arange(number[s])
        shape = (count, width)
        channel, begin, end = (np.zeros(shape, dtype=int) for _ in range(3))
        share = np.zeros(shape)
        at = (o.site, self.position)
        channel[at], begin[at], end[at] = o.channel, o.begin, o.end
        share[at] = np.where(o.how == "sum", 1.0, 1.0 / np.maximum(o.end - o.begin, 1))
        months = problem.history.co2.shape[1] * MONTHS_PER_YEAR
        if np.any(o.begin < 0) or np.any(o.end > months) or np.any(o.end <= o.begin):
            raise InputError("an observation lies outside the years of history; lengthen them")
        dtype = problem.design.pool_dtype

        def numbers(tree):
            return jax.tree.map(
                lambda leaf: jnp.asarray(leaf, dtype if np.asarray(leaf).dtype.kind == "f" else None), tree
            )

        self.site = _Site(
            cell=numbers(problem.cells),
            row=numbers(problem.rows),
            spin_up=numbers(problem.spin_up),
            history=numbers(problem.history),
            applies=jnp.asarray(self.applies),
            width=jnp.asarray(np.tile(_widths(problem.free), (count, 1)), dtype),
            logarithmic=jnp.asarray(np.tile([f.scale == "log" for f in problem.free], (count, 1))),
            channel=jnp.asarray(channel),
            begin=jnp.asarray(begin),
            end=jnp.asarray(end),
            share=jnp.asarray(share, dtype),
        )
        self.fitted = np.flatnonzero(o.fitted)
        self.with_prior = np.flatnonzero([p is not None for p in self.prior])
        transform = self.transform
        logs = np.array([s == "log" for s in transform.scales])
        low, high = (np.where(logs, np.log(np.where(logs, v, 1.0)), v) for v in (transform.lower, transform.upper))
        mean = np.array([0.0 if p is None else p[0] for p in self.prior])
        self.target = _Target(
            index=self.index,
            observed=np.zeros(shape),
            weight=np.zeros(shape),
            low=low,
            width=high - low,
            logarithmic=logs,
            prior_mean=np.where(logs & (mean > 0), np.log(np.where(mean > 0, mean, 1.0)), mean),
            prior_weight=np.array([0.0 if p is None else 1.0 / p[1] for p in self.prior]),
        )
        at = (o.site[self.fitted], self.position[self.fitted])
        self.target.observed[at] = o.value[self.fitted]
        self.target.weight[at] = 1.0 / o.error[self.fitted]

    # --- compiled pieces

    @property
    def names(self) -> tuple[str, ...]:
        """Labels of the coordinates."""
        return self.transform.names

    @property
    def start(self) -> np.ndarray:
        """The start in free coordinates, (coordinate,)."""
        return self.transform.free(self.start_values)

    def heat(self) -> _Heat | None:
        """Heat of all sites where no free parameter acts on it (found once), else None."""
        if self.setting.heat_slots:
            return None
        if self._heat is None:
            self._heat = program("heat", self.setting)(self._local(self.start_values), self.site)
        return self._heat

    def _local(self, values) -> Any:
        """Values (..., coordinate) by site and slot (..., site, slot)."""
        dtype = self.problem.design.pool_dtype
        return jnp.asarray(values, dtype)[..., self.index]

    # --- for least squares

    def simulate(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Simulated counterpart of every observation (..., observation) and codes (..., site), for values
        (..., coordinate) in the parameters' own units.
        """
        values = np.asarray(values, dtype=np.float64)
        flat = values.reshape(-1, values.shape[-1])
        out, code = program("values", self.setting)(self._local(flat), self.site, self.heat())
        o = self.problem.observations
        picked = np.asarray(out)[:, o.site, self.position]
        return picked.reshape(*values.shape[:-1], -1), np.asarray(code).reshape(*values.shape[:-1], -1)

    def sensitivity(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Simulated (start, observation) and its derivative by the values (start, observation, coordinate)."""
        if self._last is not None and np.array_equal(self._last[0], values):
            return self._last[1], self._last[2]
        out, code, slope = program("jacobian", self.setting)(self._local(values), self.site, self.heat())
        o = self.problem.observations
        simulated = np.asarray(out, dtype=np.float64)[:, o.site, self.position]
        local = np.asarray(slope, dtype=np.float64)[:, o.site, self.position]  # (start, observation, slot)
        full = np.zeros((*simulated.shape, len(self.names)))
        rows = np.arange(o.site.size)
        for k in range(len(self.problem.free)):
            on = self.applies[o.site, k]
            full[:, rows[on], self.index[o.site[on], k]] += local[:, on, k]
        self._last = (np.array(values), simulated, full, np.asarray(code))
        return simulated, full

    def codes(self, values: np.ndarray) -> np.ndarray:
        """Result codes of the equilibrium (start, site) at the values (start, coordinate)."""
        self.sensitivity(values)
        assert self._last is not None
        return self._last[3]

    def _on_scale(self, values: np.ndarray) -> np.ndarray:
        logs = np.array([s == "log" for s in self.transform.scales])
        return np.where(logs, np.log(np.where(logs, values, 1.0)), values)

    def residuals(self, x: np.ndarray) -> np.ndarray:
        """Residuals (start, residual) at x (start, coordinate).

        The Jacobian is found with them (an accepted point wants it, and it costs little more than the values).
        """
        values = self.transform.values(x)
        simulated, _ = self.sensitivity(values)
        o, t = self.problem.observations, self.target
        made = (simulated[:, self.fitted] - o.value[self.fitted]) / o.error[self.fitted]
        prior = (self._on_scale(values) - t.prior_mean) * t.prior_weight
        return np.concatenate([made, prior[:, self.with_prior]], axis=1)

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """Derivative of the residuals by x, (start, residual, coordinate)."""
        values, slope = self.transform.values(x), self.transform.slope(x)
        _, by_values = self.sensitivity(values)
        o, t = self.problem.observations, self.target
        made = by_values[:, self.fitted] / o.error[self.fitted][:, None] * slope[:, None, :]
        logs = np.array([s == "log" for s in self.transform.scales])
        by_x = np.where(logs, slope / np.where(logs, values, 1.0), slope) * t.prior_weight
        rows = np.zeros((x.shape[0], self.with_prior.size, x.shape[1]))
        rows[:, np.arange(self.with_prior.size), self.with_prior] = by_x[:, self.with_prior]
        return np.concatenate([made, rows], axis=1)

    # --- for gradients

    def misfit_and_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """The misfit (residuals squared and summed) at x (coordinate,) and its gradient, by one reverse sweep."""
        run_ = gradient_program(self.setting)
        value, slope = run_(jnp.asarray(x, self.problem.design.pool_dtype), self.site, self.heat(), self._device_target)
        return float(value), np.asarray(slope, dtype=np.float64)

    def log_posterior(self, x):
        """Unnormalised log-density at x (coordinate,) as a traceable function: -misfit/2 and the density of the change of
        variables (within its bounds a parameter without prior is uniform on its scale).
        """
        return log_density(self.setting)(x, *self.density_arguments())

    def log_posterior_and_gradient(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """:meth:`log_posterior` (start,) and its gradient (start, coordinate) at x (start, coordinate), by the Jacobian: no
        program but that of the search.
        """
        residual, jacobian = self.residuals(x), self.jacobian(x)
        share = 1.0 / (1.0 + np.exp(-x))
        change = -(np.logaddexp(0.0, -x) + np.logaddexp(0.0, x)).sum(axis=1)
        value = -0.5 * (residual**2).sum(axis=1) + change
        return value, -np.einsum("sr,src->sc", residual, jacobian) + 1.0 - 2.0 * share

    def density_arguments(self) -> tuple[Any, ...]:
        """What :func:`log_density` reads beside x; handed over and not compiled in, one program serves other observations."""
        return self.site, self.heat(), self._device_target

    @cached_property
    def _device_target(self) -> _Target:
        dtype = self.problem.design.pool_dtype
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype if leaf.dtype.kind == "f" else None), self.target)


def near_posterior(jacobian: np.ndarray) -> np.ndarray:
    """Covariance (coordinate, coordinate) of a Gaussian near the log-posterior, from the Jacobian of the residuals
    (residual, coordinate) at the best fit: (J'J + 3/pi^2 I)^-1. The second term is the precision of a logistic
    distribution, which a parameter uniform within its bounds has in x, so undetermined coordinates stay finite.
    """
    return np.linalg.inv(jacobian.T @ jacobian + 3.0 / np.pi**2 * np.eye(jacobian.shape[1]))


def _widths(free: Sequence[Free]) -> np.ndarray:
    """Distance between the bounds on each quantity's scale, (slot,)."""
    return np.array([np.log(f.upper / f.lower) if f.scale == "log" else f.upper - f.lower for f in free])


def check_free(free: Free, problem: Problem) -> None:
    """Raise ``InputError`` for a free quantity that the problem's parameters do not have."""
    if free.scope not in SCOPES:
        raise InputError(f"scope {free.scope!r} of '{free.label}' is unknown; {suggest(free.scope, SCOPES)}")
    if free.mode not in MODES:
        raise InputError(f"mode {free.mode!r} of '{free.label}' is unknown; {suggest(free.mode, MODES)}")
    known = [name for name, _ in parameters.fields(step.Parameters)]
    for full in free.names:
        if full in START:
            if free.mode != "factor":
                raise InputError(f"'{full}' is a factor on the pools at the start; set mode = 'factor'")
            continue
        name, element = element_of(full)
        if name not in known:
            raise InputError(f"unknown parameter '{name}'; {suggest(name, [*known, *START])}")
        shape = np.asarray(parameters.get(problem.rows, name)).shape[1:]
        if element is not None and (not shape or element >= shape[0]):
            size = shape[0] if shape else 0
            raise InputError(f"'{full}': the parameter has {size} elements; use 0..{size - 1} or the plain name")
        if acts_on_heat(name) and problem.design.thermal is None:
            raise InputError(f"'{full}' acts on soil heat, which this design does not have; leave it out")
