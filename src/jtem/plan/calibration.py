"""The plan of a calibration (TOML): which sites and streams, which years are fitted, which parameters are free.

As strict as a run's plan (``run.py``). What needs the data or the parameter table is checked
in ``readers/observed_sites.py`` and ``assemble/``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jtem.covariates import COVARIATES
from jtem.errors import InputError, suggest
from jtem.physics.permafrost import SCHEMES, PermafrostScheme
from jtem.plan import toml
from jtem.plan.model import PRECISIONS, ModelSection, Precision
from jtem.plan.run import YEARS, DomainSection, check_domain
from jtem.plan.toml import EMPTY, choice, setting
from jtem.readers.catalogue import OBSERVATIONS, SITE_CLIMATES
from jtem.study.calibration.problem import MODES, SCOPES

METHODS = ("levenberg_marquardt", "adam", "lbfgs")
SCALES = ("linear", "log")
ALL = "all"
WEATHER = ("member", "observed")
SURFACES = ("rule", "half_degree")
BOUNDS = ("low", "high")


@dataclass(frozen=True)
class CalibrationSection:
    """Names for people."""

    name: str = toml.name("Name of the calibration; it begins file names and is the folder of its results.")
    title: str = setting("Title for people, in tables and figures.", "")
    references: str = setting("References.", "")
    unavailable: str = setting("Why the case cannot run (data not available).", "")


@dataclass(frozen=True)
class CalibrationModel(ModelSection):
    """As a run's [model]; exact derivatives by default. Scheme ``layered`` is ``none`` here: its layers are empty before
    its base year.
    """

    permafrost: PermafrostScheme = choice("Permafrost scheme; layered is none here.", SCHEMES, SCHEMES["none"])
    precision: Precision = choice("Numbers of heat and of pools.", PRECISIONS, PRECISIONS["float64"])
    soil_heat: bool = setting("Whether soil heat is simulated.", True)


@dataclass(frozen=True)
class DataSection:
    """Observations of one source, and the climate of its sites."""

    source: str = choice("Layout of the observations.", tuple(OBSERVATIONS))
    path: str = setting("File or folder of the observations, relative to the data folder.", "")
    sites: tuple[str, ...] = setting("Sites to use (default: all).", ())
    streams: tuple[str, ...] = setting("Streams to use (default: all).", ())
    climate: str = choice(
        "Where the climate of the sites comes from (default: [domain] where there is one).", tuple(SITE_CLIMATES), ""
    )
    communities: Mapping[str, str] = setting("Vegetation community by site.", EMPTY)
    elevations: Mapping[str, float] = setting("Elevation by site, m.", EMPTY)
    soil_depths: Mapping[str, tuple[float, ...]] = setting("Depths of a tower's soil sensors by site, m.", EMPTY)
    places: Mapping[str, tuple[float, float]] = setting(
        "Place by site, for tables that have none.", EMPTY, entries=("latitude", "longitude")
    )
    depths: tuple[float, ...] = setting("Soil temperature of these depths only, m.", ())
    depth_unit: str = choice("Unit of depths whose table gives none (source boreholes).", ("m", "cm", "mm", "ft"), "")
    years: tuple[int, int] | None = setting("Observations of these years only.", None, entries=YEARS)
    weather: str = choice(
        "Years without measurements: those of the default climate member, or observed anomalies of the zone.",
        WEATHER,
        "member",
    )
    undercatch: bool = choice(
        "Whether a tower's rain is taken as it is, or its months below 0 degC raised to the half-degree normal.",
        {"as_measured": False, "normal": True},
        False,
    )
    snow: bool = choice(
        "Precipitation of cold months at stations: as it is, or what makes the depth of snow that was measured (source alaska).",
        {"normal": False, "measured": True},
        False,
    )
    surface: str = choice(
        "Texture and topsoil carbon of sites, and the community of those without: by rule (no community), or of the nearest "
        "half-degree cell.",
        SURFACES,
        "rule",
    )
    columns: int = setting(
        "Source published: about how many columns of the run plan are simulated (0: all); they stand for the rest.",
        0,
        low=0,
    )


@dataclass(frozen=True)
class PastSection:
    """Before the observations."""

    first: int = setting("First year of history.", 1961, low=1, high=9999)
    spin_up: tuple[int, int] = setting(
        "Years whose mean climate is in equilibrium; they may lie before history.", (1901, 1930), entries=YEARS
    )
    heat_years: int = setting("Years of soil heat alone.", 60, low=10, high=10000)
    climate: str = setting("Climate of these years in [domain].", "historical")


@dataclass(frozen=True)
class ErrorsSection:
    """Standard errors by stream; the largest counts."""

    floor: Mapping[str, float] = setting("Smallest error by stream, in its unit.", EMPTY, low=0.0)
    relative: Mapping[str, float] = setting("Error by stream as a share of the value.", EMPTY, low=0.0)


@dataclass(frozen=True)
class FitSection:
    """Which observations are fitted, by site (or "all") and years; years in neither table are not used."""

    years: Mapping[str, tuple[int, int]] = setting(
        "Years to fit by site (default: all that are not held out).", EMPTY, entries=YEARS
    )
    held_out: Mapping[str, tuple[int, int]] = setting("Years by site that are scored only.", EMPTY, entries=YEARS)
    held_out_sites: tuple[str, ...] = setting("Sites that are scored only.", ())
    held_out_streams: tuple[str, ...] = setting("Streams that are scored only.", ())
    permafrost_error: float = setting(
        "Where thaw depth is observed: standard error, K, of the bound that deeper ground is not above 0 degC on a year's mean "
        "(0: no bound).",
        0.0,
        low=0.0,
    )


@dataclass(frozen=True)
class ParameterSection:
    """One free quantity."""

    name: tuple[str, ...] = setting('Parameter "branch.field" or "branch.field[k]"; several share one factor.')
    bounds: tuple[float, float] = setting("Bounds in the parameter's unit (factor: 1).", entries=BOUNDS)
    label: str = setting("Name in tables (default: the parameter's).", "")
    mode: str = choice("Whether the value itself is free or a factor on it.", MODES, "value")
    scope: str = choice(
        "Whether sites share it, those of a community do, each has its own, or it follows covariates (field).",
        SCOPES,
        "shared",
    )
    covariates: tuple[str, ...] | None = setting(
        "Scope field: what it follows beside the community (default: all; []: nothing else).", None
    )
    deviations: tuple[float, float] = setting(
        "Scope field: standard deviations of the priors, on the logit.", (1.5, 0.5), entries=("constant", "weights")
    )
    scale: str = choice("Scale of the search (default: the table's; factor: log).", SCALES, "")
    start: float | None = setting("Where the search begins (default: the table's value; factor: 1).", None)
    prior: tuple[float, float] | None = setting(
        "Prior, on log scale of the logarithm.", None, entries=("mean", "standard deviation")
    )
    communities: tuple[str, ...] = setting("Communities on which it acts (default: all).", ())
    sites: tuple[str, ...] = setting("Sites on which it acts (default: all).", ())


@dataclass(frozen=True)
class SearchSection:
    """How to search."""

    method: str = choice("Search method.", METHODS, "levenberg_marquardt")
    starts: int = setting("Points to start from, the first at the start values.", 1, low=1)
    spread: float = setting("Standard deviation of the other points, in free coordinates.", 0.5, low=0.0)
    seed: int = setting("Seed of the other points.", 1)
    iterations: int = setting("Most iterations.", 40, low=0)
    decrease: float = setting("Share by which the misfit must fall over four iterations.", 1e-4, low=0.0)
    rate: float = setting("Learning rate of adam.", 0.05, low=1e-12)
    loss_scale: float = setting(
        "Standard errors beyond which a residual counts less and less (Cauchy's loss; 0: squares).", 0.0, low=0.0
    )
    heat_differences: float = setting(
        "Differences for parameters of heat, as a share of their bounds' width (0: exact derivatives).",
        0.0,
        low=0.0,
        high=0.1,
    )


@dataclass(frozen=True)
class ValidationSection:
    """Skill at places that the fit has not seen. Without this section there is no cross-validation."""

    folds: int = setting("Parts of the blocks, each left out of one fit.", 5, low=2, high=50)
    block: tuple[float, float] = setting("Size of a block in degrees.", (5.0, 10.0), entries=("latitude", "longitude"))
    untouched: int = setting(
        "One of how many sites, by the hash of its name, no fit sees at all (0: every site takes part).", 3, low=0
    )


@dataclass(frozen=True)
class PosteriorSection:
    """Draws from the posterior after the search (NUTS; needs blackjax). Without this section nothing is sampled."""

    samples: int = setting("Draws kept of each chain.", 1000, low=4, high=10**6)
    warmup: int = setting("Draws to warm up.", 500, low=20, high=10**6)
    chains: int = setting("Chains.", 4, low=2, high=1000)
    seed: int = setting("Seed of the draws.", 1, low=0, high=2**32 - 1)
    max_depth: int = setting("Most doublings of a trajectory.", 10, low=1, high=15)
    target_acceptance: float = setting("Acceptance that the step is set for.", 0.8, low=0.5, high=0.99)


@dataclass(frozen=True)
class CalibrationPlan:
    """A calibration, checked as far as the file alone allows."""

    calibration: CalibrationSection
    data: tuple[DataSection, ...] = ()
    parameter: tuple[ParameterSection, ...] = ()
    model: CalibrationModel = CalibrationModel()
    domain: DomainSection | None = None
    history: PastSection = PastSection()
    errors: ErrorsSection = ErrorsSection()
    fit: FitSection = FitSection()
    search: SearchSection = SearchSection()
    validation: ValidationSection | None = None
    posterior: PosteriorSection | None = None
    text: str = ""
    where: str = "the plan"


def read(path: Path | str) -> CalibrationPlan:
    """Read and check a calibration plan; raises ``InputError``."""
    return parse(toml.read_text(path), str(path))


def parse(text: str, where: str = "the plan") -> CalibrationPlan:
    """Check the text of a calibration plan; ``where`` is named in errors."""
    plan = CalibrationPlan(**toml.fill(toml.content(text, where), CalibrationPlan, where), text=text, where=where)
    _check(plan)
    return plan


def from_dict(sections: Mapping[str, object], where: str = "the plan") -> CalibrationPlan:
    """A plan from dictionaries, checked as a file is."""
    return parse(toml.text_of(sections, where), where)


def _check(plan: CalibrationPlan) -> None:
    where = plan.where
    for name in ("data", "parameter"):
        if not getattr(plan, name) and not plan.calibration.unavailable:
            raise InputError(f"{where}: write at least one [[{name}]] section, with double brackets")
    if plan.domain is not None:
        check_domain(plan.domain, {plan.history.climate}, where)
    for i, part in enumerate(plan.data, start=1):
        if part.climate == "domain" and plan.domain is None:
            raise InputError(f"{where}: [[data]] {i}: climate 'domain' needs a section [domain]; add a run plan's")
        if part.climate == "tower" and not OBSERVATIONS[part.source].towers:
            raise InputError(
                f"{where}: [[data]] {i}: source '{part.source}' has no climate of its own; use climate_grid"
            )
        if part.snow and part.source != "alaska":
            raise InputError(f"{where}: [[data]] {i}: snow 'measured' is of source 'alaska'; leave it out")
        if part.depth_unit and part.source != "boreholes":
            raise InputError(f"{where}: [[data]] {i}: depth_unit is of source 'boreholes'; leave it out")
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
        low, high = part.bounds
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise InputError(f"{here}: bounds [{low:g}, {high:g}] are not low below high; correct them")
        if part.start is not None and not low < part.start < high:
            raise InputError(f"{here}: start {part.start:g} is not inside its bounds [{low:g}, {high:g}]; move one")
        if part.prior is not None and not part.prior[1] > 0:
            raise InputError(
                f"{here}: prior {list(part.prior)} is [mean, standard deviation]; give a positive deviation"
            )
        if part.scope == "field":
            for name in part.covariates or ():
                if name not in COVARIATES:
                    raise InputError(f"{here}: unknown covariate '{name}'; {suggest(name, COVARIATES)}")
            if part.start is None or part.mode != "value" or part.sites or part.communities or part.prior:
                raise InputError(
                    f"{here}: scope field needs a 'start' and holds at all sites; give it, and leave out mode, prior, sites "
                    "and communities"
                )
            if not min(part.deviations) > 0:
                raise InputError(f"{here}: deviations {list(part.deviations)} are not positive; correct them")
        elif part.covariates is not None:
            raise InputError(f"{here}: 'covariates' are of scope field; set scope = 'field' or leave them out")
        if len(part.name) != 1 and part.mode == "value":
            raise InputError(f"{here}: several parameters share one factor, not one value; set mode = 'factor'")
        label = part.label or part.name[0]
        if label in seen:
            raise InputError(f"{here}: '{label}' is free twice; give each a 'label' of its own")
        seen.add(label)
