"""A plan file (TOML) to one checked, frozen object. Words end here: numbers, file names and functions leave.

Unknown keys, wrong types and impossible values raise ``InputError`` with one sentence that names file, key and remedy.
Paths stay as written; they are relative to the data folder (``--data`` or the variable ``JTEM_DATA``) and resolved by
:func:`resolve`.
"""

from __future__ import annotations

import dataclasses
import os
import re
import tomllib
import types
import typing
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jtem import variables
from jtem.errors import InputError, suggest
from jtem.physics.permafrost import SCHEMES, PermafrostScheme
from jtem.run import METHODS
from jtem.run.factorial import FACTORS, PROTOCOLS, Member, Run, stage_name

SOURCES = ("embedded", "table", "toolik", "cf_monthly", "climate_grid", "isimip", "prepared")
DATA_VARIABLE = "JTEM_DATA"
DEFAULT_ANNUAL = (
    "active_layer_thickness",
    "gross_primary_production",
    "net_primary_production",
    "heterotrophic_respiration",
    "heterotrophic_respiration_active_layer",
    "heterotrophic_respiration_thawed_permafrost",
    "net_ecosystem_production",
    "vegetation_carbon",
    "soil_carbon",
    "frozen_carbon",
    "thawed_permafrost_carbon",
    "ecosystem_carbon",
    "exposed_carbon",
)


@dataclass(frozen=True)
class Precision:
    """Dtypes of the heat model and of the pools, and whether JAX must run with 64 bits."""

    name: str
    heat_dtype: str
    pool_dtype: str
    enable_x64: bool


PRECISIONS = {
    "mixed": Precision("mixed", "float32", "float64", True),
    "float64": Precision("float64", "float64", "float64", True),
    "float32": Precision("float32", "float32", "float32", False),
}


def use_precision(word: str) -> Precision:
    """Set JAX to 64 or 32 bits for "mixed", "float64" or "float32"; call it before any array is made."""
    import jax

    precision = _choose(word, PRECISIONS, "precision", "use_precision")
    jax.config.update("jax_enable_x64", precision.enable_x64)
    return precision


@dataclass(frozen=True)
class PlanSection:
    """Names for people: ``name`` begins the file names. ``contact``: "Name <e-mail>", needed for ISIMIP files."""

    name: str
    title: str = ""
    institution: str = "unspecified"
    contact: str = ""
    references: str = ""
    comment: str = ""


@dataclass(frozen=True)
class DomainSection:
    """Cells and their climate.

    ``source`` "embedded": ``domain`` or ``sites``. "toolik" and "cf_monthly": ``climate`` gives the list of files of
    each climate ("historical", "rcp85"), ``static`` the file of fixed fields, ``names`` the names of variables in the
    files where they differ from the usual ones, ``community`` one vegetation for all cells where the file has none.
    ``co2``: "embedded" (scenarios by the name of the climate) or a table with the column ``co2_column``. Every
    ``stride``-th cell is taken.

    "climate_grid" (the real half-degree fields of the data folder): ``domain`` "pan_arctic", "plateau" or "all";
    ``climate`` may give [scenario, member] of a climate, whose name is else the scenario; ``subdivide`` cuts each cell
    into n x n; ``soil_carbon`` "rule" or "statistics". "isimip": raw files named in [prepare], used by
    ``jtem prepare``; ``climate`` gives the scenarios of the protocol whose periods join up.
    "prepared": the store of [prepare].

    "table": one site; ``climate`` gives the table (CSV, netCDF) of each climate, ``latitude``, ``longitude`` (degrees),
    ``elevation`` (m), ``community``, ``texture`` (sand, silt, clay in percent) and ``soil_organic_carbon`` (kg m-2 in 0-0.3,
    0.3-1, 1-2, 2-3 m) say where it lies; what is not given comes from ``static`` or from a stated default. ``names``,
    ``units``: of its columns; ``fill`` "mean": the mean of the same month where months are missing. "embedded" with
    ``latitude`` and ``longitude``: that place under the emulated climate.
    """

    source: str
    domain: str = "pan_arctic"
    sites: tuple[str, ...] = ()
    stride: int = 1
    climate: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    static: str = ""
    co2: str = "embedded"
    co2_column: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    community: str = ""
    subdivide: int = 1
    soil_carbon: str = "rule"
    latitude: float | None = None
    longitude: float | None = None
    elevation: float | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    texture: tuple[float, ...] = ()
    soil_organic_carbon: tuple[float, ...] = ()
    fill: str = ""


@dataclass(frozen=True)
class PrepareSection:
    """What ``jtem prepare`` reads and where its store lies (relative to the current folder).

    ``folder``: ISIMIP files, searched with all folders in it; ``model``, ``member``, ``region`` choose among several.
    ``vegetation`` (``vegetation_kind`` "tem", "communities", "biome4", "fractions"), ``texture`` (with
    ``texture_layers`` a raster of HWSD v2 units), ``elevation``, ``land_mask``, ``permafrost_map``
    (``permafrost_codes``: its classes that are permafrost): netCDF maps. ``soil_carbon``: a folder of NCSCDv2 files
    and/or tables of pedons. ``nitrogen``: for each climate the words of its deposition files. ``box``: south, north,
    west, east. ``resolution``: degrees of the run's cells (0: those of the vegetation map). ``lapse_rate``: degC per km
    (0: none), with ``climate_elevation``.
    ``names``: what the files call vegetation, texture parts, elevation, masks.
    """

    store: str = ""
    folder: str = ""
    model: str = ""
    member: str = ""
    region: str = ""
    vegetation: str = ""
    vegetation_kind: str = ""
    texture: str = ""
    texture_layers: str = ""
    elevation: str = ""
    land_mask: str = ""
    permafrost_map: str = ""
    permafrost_codes: tuple[int, ...] = ()
    soil_carbon: tuple[str, ...] = ()
    nitrogen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    climate_elevation: str = ""
    lapse_rate: float = 0.0
    resolution: float = 0.0
    box: tuple[float, float, float, float] = (-90.0, 90.0, -180.0, 180.0)
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelSection:
    """Processes, precision and parameters. ``permafrost`` and ``precision`` are objects already."""

    permafrost: PermafrostScheme = SCHEMES["layered"]
    precision: Precision = PRECISIONS["mixed"]
    heat_substeps: int = 6
    carbon_substeps: int = 4
    open_nitrogen: bool = False
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class SpinUpSection:
    """Years of soil heat alone, years of carbon on periodic heat, cycled climate years, years of cycling the whole.

    ``method`` "repeat": ``years`` repeated years; "equilibrium": the state that the repeated year does not change, and
    ``years`` repeated years only for columns that have none.
    """

    method: str = "repeat"
    heat_years: int = 60
    years: int = 1000
    cycle: tuple[int, int] = (1850, 1860)
    cycle_years: int = 0
    climate: str = "historical"


@dataclass(frozen=True)
class HistorySection:
    """The stage after spin-up."""

    first: int
    last: int
    climate: str = "historical"
    name: str = "historical"


@dataclass(frozen=True)
class ScenarioSection:
    """One future. ``expose``: permafrost thaw moves matter; if not, accessible shares are held unless ``follow``."""

    name: str
    climate: str
    first: int
    last: int
    expose: bool = True
    follow: bool | None = None

    @property
    def follows(self) -> bool:
        """Whether accessible shares follow the active layer."""
        return self.expose if self.follow is None else self.follow


@dataclass(frozen=True)
class FactorialSection:
    """Runs of ``runs`` under each of ``scenarios``, all from the end of history.

    ``runs``: a protocol ("liu2024", "liu2024_all_pairs", "liu2022") or a list of held factors, "" for the transient run and
    e.g. "co2+temperature". ``base_year``: year at which factors are held, of the climate ``base_climate`` (default: the first
    scenario). ``members``: name = [factor on warming since the last ten years of history, relative change of precipitation
    per degC]: an ensemble of our own making.
    """

    runs: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    first: int = 2015
    last: int = 2100
    base_year: int = 2015
    base_climate: str = ""
    members: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def protocol(self) -> tuple[Run, ...]:
        """The rows."""
        if len(self.runs) == 1 and self.runs[0] in PROTOCOLS:
            return PROTOCOLS[self.runs[0]]
        return tuple(
            Run("S_" + "_".join(word.split("+")) if word else "S_Trans", frozenset(word.split("+")) - {""})
            for word in self.runs
        )

    @property
    def ensemble(self) -> tuple[Member, ...]:
        """The members; one unchanged climate where none is named."""
        return tuple(Member(name, *numbers) for name, numbers in self.members.items()) or (Member(),)

    @property
    def stage_names(self) -> tuple[str, ...]:
        """Names of all its stages, in order."""
        return tuple(stage_name(r, s, m) for s in self.scenarios for m in self.ensemble for r in self.protocol)


@dataclass(frozen=True)
class PermafrostSection:
    """``base_years``: mean active layer of these years is the base of scheme ``layered``."""

    base_years: tuple[int, int] | None = None


@dataclass(frozen=True)
class OutputSection:
    """What is written: names of ``jtem variables``. ``double``: numbers of 64 bits, so that budgets close from the files.

    ``zarr``: results stream to a chunked store beside the files while the run goes on, and stay there.
    """

    monthly: tuple[str, ...] = ()
    annual: tuple[str, ...] = DEFAULT_ANNUAL
    netcdf: bool = True
    state: bool = True
    double: bool = False
    zarr: bool = False


@dataclass(frozen=True)
class IsimipSection:
    """Words of ISIMIP file names, for ``jtem export --profile isimip``.

    ``round``: "3b" or "3a"; ``forcing``: the climate model or data set; ``bias``: its adjustment ("" in 3a); ``soc``, ``sens``:
    socio-economic and sensitivity scenario; ``scenarios``: protocol's word of a climate where it is not its name.
    """

    round: str = "3b"
    forcing: str = ""
    bias: str = "w5e5"
    soc: str = "2015soc"
    sens: str = "default"
    scenarios: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunSection:
    """How the work is cut: columns a chunk, years a block; ``restart`` starts history from a state file."""

    chunk_columns: int = 1024
    block_years: int = 10
    restart: str = ""


@dataclass(frozen=True)
class SensitivitySection:
    """What ``jtem sensitivity`` computes.

    ``quantities``: name = "HOW VARIABLE FIRST-LAST" with how one of sum, mean, last, change, e.g.
    "sum RH_PF 2015-2100". ``methods``: any of adjoint, tangent, morris, sobol, feedback. ``scenarios``: names of [[scenario]]
    (default: the first; all of them for feedback). ``parameters``: factors of the ensembles (names, "branch.field[k]" or a whole
    branch). ``directions``: of the tangent, parameters or warming, precipitation, co2, soil_cycle_warming. ``outputs``: yearly
    variables of the tangent. ``samples``: of Sobol (a power of 2); ``trajectories``: of Morris; ``members``: of the feedback's
    ensemble. ``spread``: largest relative change of a factor in the ensembles. ``covariance``: CSV of name, value and the rows of
    the covariance (default: a prior, one standard deviation being ``prior`` of the bounds' width); ``scales``: factors on it.
    ``chunk_columns``: columns in one program.
    """

    quantities: Mapping[str, str] = field(default_factory=dict)
    methods: tuple[str, ...] = ("adjoint",)
    scenarios: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    directions: tuple[str, ...] = ("warming", "co2", "precipitation")
    outputs: tuple[str, ...] = ()
    samples: int = 256
    trajectories: int = 20
    members: int = 100
    spread: float = 0.2
    covariance: str = ""
    prior: float = 0.1
    scales: tuple[float, ...] = (0.25, 1.0)
    chunk_columns: int = 256
    seed: int = 0


SENSITIVITY_METHODS = ("adjoint", "tangent", "morris", "sobol", "feedback")


@dataclass(frozen=True)
class Plan:
    """A whole run, checked. ``text`` is the file as written, for the attributes of outputs."""

    plan: PlanSection
    domain: DomainSection
    history: HistorySection
    model: ModelSection = ModelSection()
    spinup: SpinUpSection = SpinUpSection()
    scenario: tuple[ScenarioSection, ...] = ()
    factorial: FactorialSection = FactorialSection()
    permafrost: PermafrostSection = PermafrostSection()
    output: OutputSection = OutputSection()
    run: RunSection = RunSection()
    prepare: PrepareSection = PrepareSection()
    isimip: IsimipSection = IsimipSection()
    sensitivity: SensitivitySection = SensitivitySection()
    text: str = ""
    where: str = "the plan"

    @property
    def base_years(self) -> tuple[int, int]:
        """Years whose mean active layer is the base: as written, or the last five of history."""
        return self.permafrost.base_years or (max(self.history.first, self.history.last - 4), self.history.last)

    @property
    def climate_years(self) -> dict[str, tuple[int, int]]:
        """First and last year that the stages need of each climate."""
        spin = self.spinup
        needed = [] if self.run.restart else [(spin.climate, *spin.cycle)]
        needed += [(part.climate, part.first, part.last) for part in (self.history, *self.scenario)]
        f = self.factorial
        needed += [(name, f.first, f.last) for name in f.scenarios]
        if f.scenarios and f.base_year > self.history.last:
            needed.append((f.base_climate or f.scenarios[0], f.base_year, f.base_year))
        names = dict.fromkeys(name for name, _, _ in needed)
        return {
            name: (min(a for n, a, _ in needed if n == name), max(b for n, _, b in needed if n == name))
            for name in names
        }

    @property
    def store(self) -> Path:
        """Path of the prepared store."""
        return Path(self.prepare.store or f"{self.plan.name}_prepared.nc")

    @property
    def simulated_years(self) -> int:
        """Years of history and scenarios together."""
        rows = len(self.factorial.stage_names) * (self.factorial.last - self.factorial.first + 1)
        return rows + sum(part.last - part.first + 1 for part in (self.history, *self.scenario))


_WORDS = {"permafrost": SCHEMES, "precision": PRECISIONS}
_NITROGEN = {"closed": False, "open": True}
_LIMITS = {
    "stride": (1, 10**6),
    "heat_substeps": (1, 60),
    "carbon_substeps": (1, 60),
    "heat_years": (10, 10000),
    "years": (0, 100000),
    "cycle_years": (0, 100000),
    "first": (1, 9999),
    "last": (1, 9999),
    "base_year": (1, 9999),
    "chunk_columns": (1, 10**7),
    "block_years": (1, 1000),
    "subdivide": (1, 50),
    "lapse_rate": (0, 15),
    "resolution": (0, 10),
    "samples": (2, 10**6),
    "trajectories": (2, 10**5),
    "members": (10, 10**6),
    "spread": (1e-6, 10),
    "prior": (1e-6, 1),
}


def read(path: Path | str) -> Plan:
    """Read and check a plan file; raises ``InputError``."""
    return parse(read_text(path), str(path))


def read_text(path: Path | str) -> str:
    """Text of a plan file; raises ``InputError``."""
    path = Path(path)
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: plan not found; give the path of a TOML file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: plan cannot be read ({error}); give the path of a readable TOML file") from None


def parse(text: str, where: str = "the plan") -> Plan:
    """Check the text of a plan; ``where`` is named in errors."""
    parts = sections(text, where, Plan, {"scenario": ScenarioSection}, ("plan", "domain", "history"))
    result = Plan(**parts, text=text, where=where)
    _check(result)
    return result


def sections(text: str, where: str, kind: type, lists: Mapping[str, type], needed: Collection[str]) -> dict[str, Any]:
    """Sections of a plan's text as the fields of ``kind`` declare them, by name.

    ``lists``: sections in double brackets and what a row of each is; ``needed``: sections that may not be missing.
    Raises ``InputError``.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: not valid TOML ({error}); correct that line") from None
    known = [f.name for f in dataclasses.fields(kind) if f.name not in ("text", "where")]
    for name in content:
        if name not in known:
            raise InputError(f"{where}: unknown section [{name}]; {suggest(name, known)}")
    parts: dict[str, Any] = {}
    hints = typing.get_type_hints(kind)
    for name in known:
        if name in lists:
            rows = content.get(name, [])
            if not isinstance(rows, list):
                raise InputError(f"{where}: write [[{name}]] sections, with double brackets")
            parts[name] = tuple(_section(row, lists[name], f"{where}: [[{name}]] {i}") for i, row in enumerate(rows, 1))
        elif name in content:
            section = next(iter(typing.get_args(hints[name])), hints[name])  # of an optional section: its type
            parts[name] = _section(content[name], section, f"{where}: [{name}]")
        elif name in needed:
            raise InputError(f"{where}: section [{name}] is missing; add it")
    return parts


def _section(content: Any, kind: type, where: str) -> Any:
    if not isinstance(content, dict):
        raise InputError(f"{where}: must be a table of 'key = value' lines")
    content = dict(content)
    if kind is ModelSection and "nitrogen" in content:
        content["open_nitrogen"] = _choose(content.pop("nitrogen"), _NITROGEN, "nitrogen", where)
    hints = typing.get_type_hints(kind)
    known = ["nitrogen" if n == "open_nitrogen" else n for n in hints]
    for key in content:
        if key not in hints:
            raise InputError(f"{where}: unknown key '{key}'; {suggest(key, known)}")
    for part in dataclasses.fields(kind):
        needed = part.default is dataclasses.MISSING and part.default_factory is dataclasses.MISSING
        if needed and part.name not in content:
            raise InputError(f"{where}: key '{part.name}' is missing; add it")
    return kind(**{key: _value(value, hints[key], key, where) for key, value in content.items()})


def _value(value: Any, hint: Any, key: str, where: str) -> Any:
    """One value as its declared type; words become objects."""
    if key in _WORDS:
        return _choose(value, _WORDS[key], key, where)
    options = typing.get_args(hint) if typing.get_origin(hint) is types.UnionType else (hint,)
    target = options[0]
    if target is float and type(value) is int:
        value = float(value)
    if target is float and isinstance(value, float):
        low, high = _LIMITS.get(key, (value, value))
        if not low <= value <= high:
            raise InputError(f"{where}: '{key}' is {value:g}, expected a number within {low:g}..{high:g}")
        return value
    if target is float:
        raise InputError(f"{where}: '{key}' is {value!r}, expected a number")
    if target in (str, int, bool):
        if type(value) is not target:
            word = {str: "text in quotes", int: "a whole number", bool: "true or false"}[target]
            raise InputError(f"{where}: '{key}' is {value!r}, expected {word}")
        low, high = _LIMITS.get(key, (value, value))
        if isinstance(value, int) and not int(low) <= value <= int(high):
            raise InputError(f"{where}: '{key}' is {value}, expected a number within {low}..{high}")
        return value
    if typing.get_origin(target) is tuple:
        inner = typing.get_args(target)
        if isinstance(value, str) and inner[0] is str:
            value = [value]
        if isinstance(value, list) and inner[0] is float:
            value = [float(item) if type(item) is int else item for item in value]
        if not isinstance(value, list) or any(type(item) is not inner[0] for item in value):
            word = {int: "whole numbers", float: "numbers"}.get(inner[0], "texts")
            raise InputError(f"{where}: '{key}' is {value!r}, expected a list of {word}")
        if inner[-1] is not Ellipsis and len(value) != len(inner):
            wanted = "[first year, last year]" if len(inner) == 2 else "[south, north, west, east]"
            raise InputError(f"{where}: '{key}' has {len(value)} entries, expected {wanted}")
        return tuple(value)
    if not isinstance(value, dict):
        raise InputError(f"{where}: '{key}' is {value!r}, expected a table 'name = value'")
    inner_hint = typing.get_args(target)[1]
    return types.MappingProxyType({k: _value(v, inner_hint, f"{key}.{k}", where) for k, v in value.items()})


def _choose(word: Any, known: Mapping[str, Any], key: str, where: str) -> Any:
    if not isinstance(word, str) or word not in known:
        raise InputError(f"{where}: {key} {word!r} is unknown; {suggest(str(word), known)}")
    return known[word]


def _check(plan: Plan) -> None:
    """What one key cannot tell."""
    where = plan.where
    if not re.fullmatch(r"[A-Za-z0-9._-]+", plan.plan.name):
        raise InputError(
            f"{where}: [plan] name {plan.plan.name!r} begins file names; use letters, digits, '-', '_', '.'"
        )
    if plan.domain.source not in SOURCES:
        raise InputError(
            f"{where}: [domain] source {plan.domain.source!r} is unknown; {suggest(plan.domain.source, SOURCES)}"
        )
    for part, label in [(plan.history, "[history]"), *((s, f"[[scenario]] {s.name}") for s in plan.scenario)]:
        if part.last < part.first:
            raise InputError(
                f"{where}: {label} ends in {part.last} before it begins in {part.first}; swap 'first' and 'last'"
            )
    for s in plan.scenario:
        if s.first != plan.history.last + 1:
            raise InputError(
                f"{where}: [[scenario]] {s.name} begins in {s.first} but history ends in {plan.history.last}; "
                f"set its 'first' to {plan.history.last + 1}"
            )
    _check_factorial(plan)
    names = ["spinup", plan.history.name, *(s.name for s in plan.scenario), *plan.factorial.stage_names]
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9._-]+", name) or names.count(name) > 1:
            raise InputError(
                f"{where}: stage name {name!r} must be unique and of letters, digits, '-', '_', '.'; choose another"
            )
    first, last = plan.spinup.cycle
    if plan.spinup.method not in METHODS:
        raise InputError(
            f"{where}: [spinup] method {plan.spinup.method!r} is unknown; {suggest(plan.spinup.method, METHODS)}"
        )
    if last < first:
        raise InputError(f"{where}: [spinup] cycle [{first}, {last}] ends before it begins; swap the years")
    first, last = plan.base_years
    if not plan.history.first <= first <= last <= plan.history.last:
        raise InputError(
            f"{where}: [permafrost] base_years [{first}, {last}] must lie within history "
            f"{plan.history.first}-{plan.history.last}; change them"
        )
    if plan.domain.source == "isimip":
        _check_isimip(plan)
    if plan.domain.source in ("toolik", "cf_monthly", "table"):
        if not plan.domain.static and plan.domain.source != "table":
            raise InputError(f"{where}: [domain] needs 'static', the file of elevation, texture and vegetation; add it")
        used = {
            plan.spinup.climate,
            plan.history.climate,
            *(s.climate for s in plan.scenario),
            *plan.factorial.scenarios,
        }
        used |= {plan.factorial.base_climate} - {""}
        for name in sorted(used - set(plan.domain.climate)):
            raise InputError(
                f"{where}: climate {name!r} has no files in [domain.climate]; {suggest(name, plan.domain.climate)}"
            )
    variables.selection(plan.output.monthly, plan.output.annual, f"{where}: [output]")
    for word in plan.sensitivity.methods:
        _choose(word, dict.fromkeys(SENSITIVITY_METHODS), "method", f"{where}: [sensitivity]")


def _check_isimip(plan: Plan) -> None:
    """What raw ISIMIP files need."""
    part, where = plan.prepare, f"{plan.where}: [prepare]"
    for key in ("folder", "vegetation", "texture", "elevation"):
        if not getattr(part, key):
            raise InputError(f"{where}: source 'isimip' needs '{key}'; add it (a path in the data folder)")
    south, north, west, east = part.box
    if not (-90 <= south < north <= 90 and -180 <= west < east <= 180):
        raise InputError(f"{where}: box {list(part.box)} is not [south, north, west, east] in degrees; correct it")
    used = plan.climate_years
    for name in part.nitrogen:
        if name not in used:
            raise InputError(f"{where}: nitrogen of climate '{name}', which no stage uses; {suggest(name, used)}")


def _check_factorial(plan: Plan) -> None:
    """Rows, years and base year of ``[factorial]``."""
    f, where = plan.factorial, f"{plan.where}: [factorial]"
    if f == FactorialSection():
        return
    for key in ("runs", "scenarios"):
        if not getattr(f, key):
            raise InputError(f"{where}: '{key}' is missing; add it")
    for word in f.runs:
        lost = [part for part in word.split("+") if part and part not in FACTORS]
        if lost and not (len(f.runs) == 1 and word in PROTOCOLS):
            raise InputError(f"{where}: run {word!r} is unknown; {suggest(lost[0], (*FACTORS, *PROTOCOLS))}")
    if f.first != plan.history.last + 1:
        raise InputError(
            f"{where}: begins in {f.first} but history ends in {plan.history.last}; set its 'first' to "
            f"{plan.history.last + 1}"
        )
    if f.last < f.first:
        raise InputError(f"{where}: ends in {f.last} before it begins in {f.first}; swap 'first' and 'last'")
    if not plan.history.first <= f.base_year <= f.last:
        raise InputError(f"{where}: base_year {f.base_year} must lie within {plan.history.first}-{f.last}; change it")


def resolve(name: str, data: Path | str | None, where: str, *, folder: bool = False) -> Path:
    """Path of an input file (or ``folder``) relative to the data folder (``data`` or ``JTEM_DATA``).

    Raises ``InputError`` where it is absent.
    """
    path = Path(name)
    if not path.is_absolute():
        base = data or os.environ.get(DATA_VARIABLE)
        if not base:
            raise InputError(
                f"{where}: {name} is relative to a data folder; give it with --data DIR or the variable {DATA_VARIABLE}"
            )
        path = Path(base) / name
    if not (path.is_dir() if folder else path.is_file()):
        what = "folder" if folder else "file"
        raise InputError(
            f"{where}: {what} {path} not found; check the name and the data folder (--data or {DATA_VARIABLE})"
        )
    return path
