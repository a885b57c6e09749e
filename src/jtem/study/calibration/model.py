"""Residuals, Jacobian and log-posterior of a problem, laid out by sites and slots."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from jtem.constants import MONTHS_PER_YEAR
from jtem.covariates import design_matrix
from jtem.errors import InputError
from jtem.parameters import Handle
from jtem.records import Spread
from jtem.study.calibration import misfit
from jtem.study.calibration.least_squares import Transform
from jtem.study.calibration.problem import Free, Problem, check_free

WEIGHT = 20.0
"""Weights of fields are within minus and plus this (for programs that ask for bounds)."""


class Misfit:
    """Residuals, Jacobian and log-posterior of a :class:`Problem`, compiled once.

    Points are free coordinates x (..., coordinate) on the real line (``transform``); residuals are those of fitted
    observations, divided by their errors, then one for each prior. ``names``: labels of the coordinates. ``spread`` calls the
    model of so many ``groups`` of sites, here or on workers; the groups are one batch each, so last bits may differ from those
    of one group. Raises ``InputError`` for a problem that cannot be calibrated; nothing is compiled by then.
    """

    def __init__(self, problem: Problem):
        """Check the problem and lay it out by sites and slots."""
        self.problem = problem
        self.setting = misfit.Setting(
            problem.design,
            problem.heat_years,
            problem.channels,
            tuple((f.names, f.mode) for f in problem.free),
            problem.heat_differences,
            problem.loss_scale,
        )
        self.spread: Spread = itertools.starmap
        self.groups = 1
        self._lay_out_coordinates()
        self._lay_out_observations()
        self._heat: misfit.Heat | None = None
        self._last: tuple[np.ndarray, ...] | None = None

    # --- layout

    def _lay_out_coordinates(self) -> None:
        problem = self.problem
        names, lower, upper, scales, start, prior = [], [], [], [], [], []
        count = len(problem.sites)
        self.index = np.zeros((count, len(problem.free)), dtype=int)
        self.applies = np.zeros((count, len(problem.free)), dtype=bool)
        self.design = np.zeros((count, len(problem.free), 0))
        for k, free in enumerate(problem.free):
            check_free(free, problem)
            if free.scope == "field":
                labels, matrix, about = self._field(free)
                self.applies[:, k], first = True, len(names)
                grown = np.zeros((count, len(problem.free), first + len(labels)))
                grown[:, :, : self.design.shape[2]] = self.design
                grown[:, k, first:] = matrix
                self.design = grown
                names += labels
                lower += [-WEIGHT] * len(labels)
                upper += [WEIGHT] * len(labels)
                scales += ["weight"] * len(labels)
                start += [mean if j == 0 else 0.0 for j, (mean, _) in enumerate(about)]
                prior += about
                continue
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
        self.design = np.pad(self.design, ((0, 0), (0, 0), (0, len(names) - self.design.shape[2])))
        self.fields = [k for k, free in enumerate(problem.free) if free.scope == "field"]
        self.transform = Transform(tuple(names), np.array(lower), np.array(upper), tuple(scales))
        self.start_values = np.array(start)
        self.transform.free(self.start_values)  # refuses a start outside the bounds
        self.prior = prior

    def _field(self, free: Free) -> tuple[list[str], np.ndarray, list[tuple[float, float]]]:
        """Names of the weights of a field, their columns (site, weight), and the prior mean and deviation of each."""
        problem = self.problem
        communities = tuple(dict.fromkeys(problem.communities))
        matrix = design_matrix(problem.covariates, problem.communities, free.covariates, communities)
        labels = [f"{free.label}:{word}" for word in ("constant", *free.covariates, *communities)]
        assert free.start is not None
        bounds = Transform((free.label,), np.array([free.lower]), np.array([free.upper]), (free.scale,))
        begin = float(bounds.free(np.array([free.start]))[0])
        return labels, matrix, [(begin, free.deviations[0]), *[(0.0, free.deviations[1])] * (len(labels) - 1)]

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

    def value_in_table(self, full: str, s: int) -> np.ndarray:
        """A parameter of site ``s`` before anything is fitted; one element where ``full`` names one."""
        handle = Handle.of(full)
        return handle.pick(np.asarray(np.asarray(handle.leaf(self.problem.rows))[s]))

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

        def numbers(tree: PyTree) -> PyTree:
            return jax.tree.map(
                lambda leaf: jnp.asarray(leaf, dtype if np.asarray(leaf).dtype.kind == "f" else None), tree
            )

        self.site = misfit.SiteInputs(
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
        logs = transform.logs
        mean = np.array([0.0 if p is None else p[0] for p in self.prior])
        observed, weight = np.zeros(shape), np.zeros(shape)
        at = (o.site[self.fitted], self.position[self.fitted])
        observed[at], weight[at] = o.value[self.fitted], 1.0 / o.error[self.fitted]
        slots = [f.scale == "log" for f in problem.free]
        bound = np.zeros(shape, dtype=bool)
        if o.bound is not None:
            bound[at] = o.bound[self.fitted]
        self.target = misfit.Target(
            bound=bound if o.bound is not None else None,
            fields=None
            if not self.fields
            else misfit.Fields(
                self.design,
                np.array([f.scope == "field" for f in problem.free]),
                np.array([np.log(f.lower) if log else f.lower for f, log in zip(problem.free, slots, strict=True)]),
                _widths(problem.free),
                np.array(slots),
                transform.weights,
            ),
            index=self.index,
            observed=observed,
            weight=weight,
            low=transform.low,
            width=transform.width,
            logarithmic=logs,
            prior_mean=np.where(logs & (mean > 0), np.log(np.where(mean > 0, mean, 1.0)), mean),
            prior_weight=np.array([0.0 if p is None else 1.0 / p[1] for p in self.prior]),
        )

    def share_out(self, spread: Spread, workers: int) -> None:
        """Have ``spread`` call the model from now on, a group of sites for each of the workers."""
        self.spread, self.groups = spread, min(workers, len(self.problem.sites))

    # --- compiled pieces

    @property
    def names(self) -> tuple[str, ...]:
        """Labels of the coordinates."""
        return self.transform.names

    @property
    def start(self) -> np.ndarray:
        """The start in free coordinates, (coordinate,)."""
        return self.transform.free(self.start_values)

    def heat(self) -> misfit.Heat | None:
        """Heat of all sites where no free parameter acts on it (found once), else None."""
        if self.setting.heat_slots:
            return None
        if self._heat is None:
            self._heat = self._made("heat", self._local(self.start_values), None, axis=0)
        return self._heat

    def _made(self, which: str, local: np.ndarray, heat: misfit.Heat | None, axis: int = 1) -> PyTree:
        """What the program ``which`` makes of all sites, as host arrays with sites on ``axis``, as they are of ``local``."""
        more = () if which == "heat" else (heat,)
        count = len(self.problem.sites)
        size = -(-count // self.groups)
        parts = [np.arange(first, first + size).clip(max=count - 1) for first in range(0, count, size)]  # of one size
        site = jax.tree.map(np.asarray, (self.site, more))

        def task(rows: np.ndarray) -> tuple:
            here, also = jax.tree.map(lambda leaf: leaf[rows], site)
            return which, self.setting, local.take(rows, axis), here, *also

        made = self.spread(misfit.called, map(task, parts))
        return jax.tree.map(lambda *leaves: np.concatenate(leaves, axis).take(np.arange(count), axis), *made)

    def _local(self, values: np.ndarray) -> np.ndarray:
        """Values (..., coordinate) by site and slot (..., site, slot)."""
        dtype = self.problem.design.pool_dtype
        values = np.asarray(values, dtype)
        local = values[..., self.index]
        for k in self.fields:
            local[..., k] = self._field_values(k, values)[0]
        return local

    def _field_values(self, k: int, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A parameter of scope field at the sites (..., site), and its derivative by the sum of weights and covariates."""
        free = self.problem.free[k]
        share = 1.0 / (1.0 + np.exp(-(values @ self.design[:, k].T)))
        width = _widths([free])[0]
        if free.scale == "log":
            made = free.lower * np.exp(share * width)
            return made, made * width * share * (1.0 - share)
        return free.lower + share * width, width * share * (1.0 - share)

    # --- for least squares

    def simulate(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Simulated counterpart of every observation (..., observation) and codes (..., site), for values
        (..., coordinate) in the parameters' own units.
        """
        values = np.asarray(values, dtype=np.float64)
        flat = values.reshape(-1, values.shape[-1])
        out, code = self._made("values", self._local(flat), self.heat())
        o = self.problem.observations
        picked = out[:, o.site, self.position]
        return picked.reshape(*values.shape[:-1], -1), code.reshape(*values.shape[:-1], -1)

    def sensitivity(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Simulated (start, observation) and its derivative by the values (start, observation, coordinate)."""
        if self._last is not None and np.array_equal(self._last[0], values):
            return self._last[1], self._last[2]
        out, code, slope = self._made("jacobian", self._local(values), self.heat())
        o = self.problem.observations
        simulated = np.asarray(out, dtype=np.float64)[:, o.site, self.position]
        local = np.asarray(slope, dtype=np.float64)[:, o.site, self.position]  # (start, observation, slot)
        full = np.zeros((*simulated.shape, len(self.names)))
        rows = np.arange(o.site.size)
        for k in range(len(self.problem.free)):
            if k in self.fields:
                by_sum = local[:, :, k] * self._field_values(k, np.asarray(values))[1][:, o.site]
                full += by_sum[:, :, None] * self.design[o.site, k]
                continue
            on = self.applies[o.site, k]
            full[:, rows[on], self.index[o.site[on], k]] += local[:, on, k]
        self._last = (np.array(values), simulated, full, np.asarray(code))
        return simulated, full

    def codes(self, values: np.ndarray) -> np.ndarray:
        """Result codes of the equilibrium (start, site) at the values (start, coordinate)."""
        self.sensitivity(values)
        assert self._last is not None
        return self._last[3]

    def _lost(self, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Residuals (start, residual) as they count, and their derivative by ``error``: 0 below a bound, Cauchy's loss."""
        o, scale = self.problem.observations, self.problem.loss_scale
        slope = np.ones_like(error)
        if o.bound is not None:
            free = o.bound[self.fitted] & (error < 0)
            error, slope = np.where(free, 0.0, error), np.where(free, 0.0, slope)
        if not scale:
            return error, slope
        square = (error / scale) ** 2
        counted = np.sign(error) * scale * np.sqrt(np.log1p(square))
        near = np.abs(error) < 1e-6 * scale
        steep = np.where(near, 1.0, error / np.where(near, 1.0, counted) / (1.0 + square))
        return counted, slope * steep

    def residuals(self, x: np.ndarray) -> np.ndarray:
        """Residuals (start, residual) at x (start, coordinate).

        The Jacobian is found with them (an accepted point wants it, and it costs little more than the values).
        """
        values = self.transform.values(x)
        simulated, _ = self.sensitivity(values)
        o, t = self.problem.observations, self.target
        made, _ = self._lost((simulated[:, self.fitted] - o.value[self.fitted]) / o.error[self.fitted])
        prior = (self.transform.on_scale(values) - t.prior_mean) * t.prior_weight
        return np.concatenate([made, prior[:, self.with_prior]], axis=1)

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """Derivative of the residuals by x, (start, residual, coordinate)."""
        values, slope = self.transform.values(x), self.transform.slope(x)
        simulated, by_values = self.sensitivity(values)
        o, t = self.problem.observations, self.target
        _, by_error = self._lost((simulated[:, self.fitted] - o.value[self.fitted]) / o.error[self.fitted])
        made = by_values[:, self.fitted] / o.error[self.fitted][:, None] * by_error[:, :, None] * slope[:, None, :]
        logs = self.transform.logs
        by_x = np.where(logs, slope / np.where(logs, values, 1.0), slope) * t.prior_weight
        rows = np.zeros((x.shape[0], self.with_prior.size, x.shape[1]))
        rows[:, np.arange(self.with_prior.size), self.with_prior] = by_x[:, self.with_prior]
        return np.concatenate([made, rows], axis=1)

    # --- for gradients

    def misfit_and_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """The misfit (residuals squared and summed) at x (coordinate,) and its gradient, by one reverse sweep."""
        run_ = misfit.gradient_program(self.setting)
        value, slope = run_(jnp.asarray(x, self.problem.design.pool_dtype), self.site, self.heat(), self._device_target)
        return float(value), np.asarray(slope, dtype=np.float64)

    def log_posterior(self, x: jax.Array | np.ndarray) -> jax.Array:
        """Unnormalised log-density at x (coordinate,) as a traceable function: -misfit/2 and the density of the change of
        variables (within its bounds a parameter without prior is uniform on its scale).
        """
        return misfit.log_density(self.setting)(x, *self.density_arguments())

    def log_posterior_and_gradient(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """:meth:`log_posterior` (start,) and its gradient (start, coordinate) at x (start, coordinate), by the Jacobian: no
        program but that of the search.
        """
        residual, jacobian = self.residuals(x), self.jacobian(x)
        share = 1.0 / (1.0 + np.exp(-x))
        bounded = ~self.transform.weights
        change = -((np.logaddexp(0.0, -x) + np.logaddexp(0.0, x)) * bounded).sum(axis=1)
        value = -0.5 * (residual**2).sum(axis=1) + change
        return value, -np.einsum("sr,src->sc", residual, jacobian) + (1.0 - 2.0 * share) * bounded

    def density_arguments(self) -> tuple[misfit.SiteInputs, misfit.Heat | None, misfit.Target]:
        """What :func:`log_density` reads beside x; handed over and not compiled in, one program serves other observations."""
        return self.site, self.heat(), self._device_target

    @cached_property
    def _device_target(self) -> misfit.Target:
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
