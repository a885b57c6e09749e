"""A calibration as data: sites with their climate, observations as pieces of monthly channels, free parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from jtem import parameters, step
from jtem.errors import InputError, suggest
from jtem.state import Cell, Climate

SCOPES = ("shared", "community", "site", "field")
MODES = ("value", "factor")
START = {
    "start.vegetation_carbon": "vegetation carbon and nitrogen",
    "start.soil_carbon": "soil carbon and organic nitrogen",
}
"""Factors on the pools between equilibrium and history: a site that is not at equilibrium (Carvalhais et al. 2008, Global
Biogeochemical Cycles 22, GB2007, relax the steady state the same way). They belong to a site's past, not to the model."""


def acts_on_heat(name: str) -> bool:
    """Whether a parameter changes soil heat or what heat hands on (thawed roots, snowfall)."""
    return name.startswith(("soil_thermal.", "soil_column.", "water.rooting_depth", "water.snowfall_temperature"))


# --- the problem as data ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Free:
    """One free quantity: a parameter's value, or a factor on one or several parameters.

    ``names``: ``branch.field``, ``branch.field[element]`` or a key of :data:`START`. ``scope``: one coordinate for all
    sites, for each community or for each site. ``start``, ``lower``, ``upper``: in the parameter's unit (factor: 1).
    ``start`` None: each site's own value, which must agree within a coordinate (factor: 1). ``prior``: mean and standard
    deviation, on log scale of the logarithm. ``sites``: positions of the sites it acts on, None for all.

    Scope "field": the value is within its bounds by logit (on log scale where asked) of a constant + weights . ``covariates`` +
    what the community adds; ``deviations``: prior standard deviations of the constant about the start, and of weights and
    communities about 0.
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
    covariates: tuple[str, ...] = ()
    deviations: tuple[float, float] = (1.5, 0.5)


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
    bound: np.ndarray | None = None
    """Values that are upper bounds: what is simulated below them is no error (bool; None: none are)."""

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
    covariates: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    """What parameters of scope "field" follow, (site,) each (:func:`jtem.covariates.covariates`)."""
    heat_years: int = 60
    loss_scale: float = 0.0
    """Residuals r count as ``c^2 log(1 + (r/c)^2)`` of this c (Cauchy's loss: far ones count little); 0: as their squares."""
    folds: np.ndarray | None = None
    """Fold of blocked cross-validation of each site, (site,), -1 for sites that no fit sees; None: no validation."""
    heat_differences: float = 0.0
    """Columns of parameters that act on heat: 0 exact, else central differences over this share of the width between their
    bounds (on their scale). Where ground hovers near 0 degC heat is rough on a small scale (docs/calibration.md): the exact
    slope is then true and useless, the difference is what a search needs."""


def check_free(free: Free, problem: Problem) -> None:
    """Raise ``InputError`` for a free quantity that the problem's parameters do not have."""
    if free.scope not in SCOPES:
        raise InputError(f"scope {free.scope!r} of '{free.label}' is unknown; {suggest(free.scope, SCOPES)}")
    if free.mode not in MODES:
        raise InputError(f"mode {free.mode!r} of '{free.label}' is unknown; {suggest(free.mode, MODES)}")
    if free.scope == "field":
        for name in free.covariates:
            if name not in problem.covariates:
                raise InputError(
                    f"'{free.label}' follows the unknown covariate '{name}'; {suggest(name, problem.covariates)}"
                )
        if free.mode != "value" or len(free.names) != 1 or free.start is None or free.sites is not None:
            raise InputError(
                f"'{free.label}' of scope field is one parameter's value at all sites, with a 'start'; leave out mode, sites and "
                "communities"
            )
    known = [name for name, _ in parameters.fields(step.Parameters)]
    for full in free.names:
        if full in START:
            if free.mode != "factor":
                raise InputError(f"'{full}' is a factor on the pools at the start; set mode = 'factor'")
            continue
        handle = parameters.Handle.of(full)
        if handle.name not in known:
            raise InputError(f"unknown parameter '{handle.name}'; {suggest(handle.name, [*known, *START])}")
        shape = np.asarray(handle.leaf(problem.rows)).shape[1:]
        if handle.element is not None and (not shape or handle.element >= shape[0]):
            elements = f"elements 0..{shape[0] - 1}" if shape else "one value and no elements"
            raise InputError(f"'{full}': the parameter has {elements}; correct the index or write the plain name")
        if acts_on_heat(handle.name) and problem.design.thermal is None:
            raise InputError(f"'{full}' acts on soil heat, which this design does not have; leave it out")
