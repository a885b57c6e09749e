"""The plan of a calibration (TOML): which sites and streams, which years are fitted, which parameters are free.

As strict as a run's plan (``plan.py``, whose machinery it uses): unknown keys, wrong types and impossible values raise
``InputError`` with one sentence. What needs the data or the parameter table is checked in ``calibrate.py``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jtem.errors import InputError
from jtem.physics.permafrost import SCHEMES, PermafrostScheme
from jtem.plan import PRECISIONS, ModelSection, Precision, _choose, read_text, sections
from jtem.study.calibration.problem import MODES, SCOPES

SOURCES = (
    *("flux_sites", "fluxnet", "alaska", "plateau", "toolik", "active_layer", "calibration_targets"),
    *("embedded", "table"),
)
CLIMATES = ("tower", "climate_grid", "embedded")
METHODS = ("levenberg_marquardt", "adam", "lbfgs")
ALL = "all"


@dataclass(frozen=True)
class CalibrationSection:
    """Names for people; ``unavailable``: why the case cannot run (data not available), else ""."""

    name: str
    title: str = ""
    references: str = ""
    unavailable: str = ""


@dataclass(frozen=True)
class CalibrationModel(ModelSection):
    """As a run's [model]; exact derivatives by default. Scheme ``layered`` is ``none`` here: its layers are empty before
    its base year.
    """

    permafrost: PermafrostScheme = SCHEMES["none"]
    precision: Precision = PRECISIONS["float64"]
    soil_heat: bool = True


@dataclass(frozen=True)
class DataSection:
    """Observations of one source and the climate of its sites.

    ``source``: a layout of ``readers/site_tables`` ("fluxnet": a FLUXNET2015 file; "table": the user's own;
    "embedded": named sites of the embedded climate with observations from the table ``path``). ``path``: relative to the
    data folder. ``sites``, ``streams``: which (default all). ``climate``: "tower" (its own forcing, preceded by
    half-degree anomalies), "climate_grid" or "embedded". ``communities``, ``elevations`` (m), ``soil_depths`` (m, tower
    sensors): by site. ``places``: [latitude, longitude] by site, for tables that have none. ``depths`` (m): soil
    temperature of these depths only. ``years``: observations of these years.
    """

    source: str
    path: str = ""
    sites: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    climate: str = ""
    communities: Mapping[str, str] = field(default_factory=dict)
    elevations: Mapping[str, float] = field(default_factory=dict)
    soil_depths: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    places: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    depths: tuple[float, ...] = ()
    years: tuple[int, int] | None = None


@dataclass(frozen=True)
class PastSection:
    """Before the observations: history begins in ``first``; the equilibrium repeats the mean climate of ``spin_up`` years
    (which may lie before ``first``); ``heat_years`` of soil heat.
    """

    first: int = 1961
    spin_up: tuple[int, int] = (1901, 1930)
    heat_years: int = 60


@dataclass(frozen=True)
class ErrorsSection:
    """Standard errors by stream: ``floor`` in its unit, ``relative`` as a share of the value; the largest counts."""

    floor: Mapping[str, float] = field(default_factory=dict)
    relative: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class FitSection:
    """Years [first, last] by site (or "all"): ``years`` fitted, ``held_out`` scored only. Without ``years`` all that is
    not held out is fitted; years in neither are not used. ``held_out_sites`` are never fitted. ``held_out_streams`` are
    scored only.
    """

    years: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    held_out: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    held_out_sites: tuple[str, ...] = ()
    held_out_streams: tuple[str, ...] = ()


@dataclass(frozen=True)
class ParameterSection:
    """One free quantity: see ``study.calibration.Free``. ``communities``, ``sites``: where it acts (default all)."""

    name: tuple[str, ...]
    bounds: tuple[float, float]
    label: str = ""
    mode: str = "value"
    scope: str = "shared"
    scale: str = ""
    start: float | None = None
    prior: tuple[float, float] | None = None
    communities: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()


@dataclass(frozen=True)
class SearchSection:
    """How to search. ``starts`` points, the first at the start values, others ``spread`` standard deviations (normal, in
    free coordinates) around it. ``decrease``: the stop rule's share over four iterations. ``rate``: of adam.
    ``heat_differences``: see ``study.calibration.Problem``.
    """

    method: str = "levenberg_marquardt"
    starts: int = 1
    spread: float = 0.5
    seed: int = 1
    iterations: int = 40
    decrease: float = 1e-4
    rate: float = 0.05
    heat_differences: float = 0.0


@dataclass(frozen=True)
class PosteriorSection:
    """Draws from the posterior after the search (NUTS; needs blackjax): see ``study.sampling.Settings``. Without this
    section nothing is sampled.
    """

    samples: int = 1000
    warmup: int = 500
    chains: int = 4
    seed: int = 1
    max_depth: int = 10
    target_acceptance: float = 0.8


@dataclass(frozen=True)
class CalibrationPlan:
    """A calibration, checked as far as the file alone allows."""

    calibration: CalibrationSection
    data: tuple[DataSection, ...]
    parameter: tuple[ParameterSection, ...]
    model: CalibrationModel = CalibrationModel()
    history: PastSection = PastSection()
    errors: ErrorsSection = ErrorsSection()
    fit: FitSection = FitSection()
    search: SearchSection = SearchSection()
    posterior: PosteriorSection | None = None
    text: str = ""
    where: str = "the plan"


LISTS = {"data": DataSection, "parameter": ParameterSection}


def read(path: Path | str) -> CalibrationPlan:
    """Read and check a calibration plan; raises ``InputError``."""
    return parse(read_text(path), str(path))


def parse(text: str, where: str = "the plan") -> CalibrationPlan:
    """Check the text of a calibration plan; ``where`` is named in errors."""
    parts = sections(text, where, CalibrationPlan, LISTS, ("calibration",))
    for name in LISTS:
        if not parts[name] and not parts["calibration"].unavailable:
            raise InputError(f"{where}: write at least one [[{name}]] section, with double brackets")
    plan = CalibrationPlan(**parts, text=text, where=where)
    _check(plan)
    return plan


def _check(plan: CalibrationPlan) -> None:
    where = plan.where
    if not re.fullmatch(r"[A-Za-z0-9._-]+", plan.calibration.name):
        raise InputError(
            f"{where}: [calibration] name {plan.calibration.name!r} begins file names; use letters, digits, '-', '_', '.'"
        )
    for i, part in enumerate(plan.data, start=1):
        _choose(part.source, dict.fromkeys(SOURCES), "source", f"{where}: [[data]] {i}")
        if part.climate:
            _choose(part.climate, dict.fromkeys(CLIMATES), "climate", f"{where}: [[data]] {i}")
        if part.climate == "tower" and part.source not in ("flux_sites", "fluxnet"):
            raise InputError(
                f"{where}: [[data]] {i}: source '{part.source}' has no climate of its own; use climate_grid"
            )
        for site, (latitude, longitude) in part.places.items():
            if not (-90.0 <= latitude <= 90.0 and -180.0 <= longitude <= 360.0):
                raise InputError(
                    f"{where}: [[data]] {i}: places of '{site}' [{latitude:g}, {longitude:g}] is not [latitude, longitude] "
                    "in degrees; correct it (swapped?)"
                )
    first, last = plan.history.spin_up
    if last < first:
        raise InputError(f"{where}: [history] spin_up [{first}, {last}] ends before it begins; swap the years")
    for key, table in (("years", plan.fit.years), ("held_out", plan.fit.held_out)):
        for site, (a, b) in table.items():
            if b < a:
                raise InputError(f"{where}: [fit] {key} of {site} [{a}, {b}] ends before it begins; swap the years")
    for site in {*plan.fit.years, *plan.fit.held_out}:
        fitted, held = (t.get(site, t.get(ALL)) for t in (plan.fit.years, plan.fit.held_out))
        if fitted and held and max(fitted[0], held[0]) <= min(fitted[1], held[1]):
            raise InputError(
                f"{where}: [fit] years {list(fitted)} and held_out {list(held)} of {site} overlap; separate them"
            )
    seen: set[str] = set()
    for i, part in enumerate(plan.parameter, start=1):
        here = f"{where}: [[parameter]] {i} ({part.name[0] if part.name else '?'})"
        _choose(part.mode, dict.fromkeys(MODES), "mode", here)
        _choose(part.scope, dict.fromkeys(SCOPES), "scope", here)
        low, high = part.bounds
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise InputError(f"{here}: bounds [{low:g}, {high:g}] are not low below high; correct them")
        if part.start is not None and not low < part.start < high:
            raise InputError(f"{here}: start {part.start:g} is not inside its bounds [{low:g}, {high:g}]; move one")
        if part.prior is not None and not part.prior[1] > 0:
            raise InputError(
                f"{here}: prior {list(part.prior)} is [mean, standard deviation]; give a positive deviation"
            )
        if len(part.name) != 1 and part.mode == "value":
            raise InputError(f"{here}: several parameters share one factor, not one value; set mode = 'factor'")
        label = part.label or part.name[0]
        if label in seen:
            raise InputError(f"{here}: '{label}' is free twice; give each a 'label' of its own")
        seen.add(label)
    _choose(plan.search.method, dict.fromkeys(METHODS), "method", f"{where}: [search]")
    if not 0.0 <= plan.search.heat_differences <= 0.1:
        raise InputError(
            f"{where}: [search] heat_differences is {plan.search.heat_differences:g}, expected a share within 0..0.1"
        )
    for key, low in (("starts", 1), ("iterations", 0)):
        if getattr(plan.search, key) < low:
            raise InputError(f"{where}: [search] {key} is {getattr(plan.search, key)}, expected at least {low}")
    if plan.posterior is not None:
        _check_posterior(plan.posterior, f"{where}: [posterior]")


def _check_posterior(part: PosteriorSection, where: str) -> None:
    for key, low, high in (("samples", 4, 10**6), ("warmup", 20, 10**6), ("chains", 2, 1000), ("max_depth", 1, 15)):
        value = getattr(part, key)
        if not low <= value <= high:
            raise InputError(f"{where} {key} is {value}, expected a number within {low}..{high}")
    if not 0 <= part.seed < 2**32:
        raise InputError(f"{where} seed is {part.seed}, expected a number within 0..{2**32 - 1}")
    if not 0.5 <= part.target_acceptance <= 0.99:
        raise InputError(f"{where} target_acceptance is {part.target_acceptance:g}, expected a share within 0.5..0.99")
