"""The plan of a run: sections, keys, and what one key cannot tell. Words end here: numbers, file names, functions leave.

Paths stay as written; they are relative to the data folder (``--data`` or the variable ``JTEM_DATA``) and resolved by
:func:`jtem.files.resolve`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from jtem import variables
from jtem.errors import InputError, suggest
from jtem.plan import toml
from jtem.plan.model import ModelSection
from jtem.plan.toml import EMPTY, NAME, choice, setting
from jtem.readers.catalogue import LAYOUTS, SOIL_CARBON, SOURCES, STAMPS, VEGETATION_KINDS
from jtem.run import METHODS
from jtem.run.factorial import FACTORS, PROTOCOLS, Member, Run, stage_name

YEARS = ("first year", "last year")
PAPERS = ("liu2022", "liu2024")
"""Papers that ``jtem report`` can put beside a run (``report.papers``)."""
SENSITIVITY_METHODS = ("adjoint", "tangent", "morris", "sobol", "feedback")

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
class PlanSection:
    """Names for people."""

    name: str = toml.name("Name of the run; it begins the file names.")
    title: str = setting("Title for people, in files and figures.", "")
    institution: str = setting("Institution, for the files.", "unspecified")
    contact: str = setting('"Name <e-mail>", needed for ISIMIP files.', "")
    references: str = setting("References, for the files.", "")
    comment: str = setting("Comment, for the files.", "")


@dataclass(frozen=True)
class DomainSection:
    """Cells and their climate. Which keys a source takes is said with each word of ``source``."""

    source: str = choice("Where cells and climate come from.", tuple(SOURCES))
    domain: str = setting("Region of sources that have several, e.g. pan_arctic or plateau.", "pan_arctic")
    sites: tuple[str, ...] = setting("Names of embedded sites, in place of a domain.", ())
    stride: int = setting("Every how many cells one is taken.", 1, low=1, high=10**6)
    climate: Mapping[str, tuple[str, ...]] = setting(
        "For each climate its files; of half-degree fields [scenario, member]; of ISIMIP the scenarios that join up.",
        EMPTY,
    )
    static: str = setting("File of elevation, texture and vegetation.", "")
    co2: str = setting('"embedded" (published series), "isimip", or the file of a table of years and ppm.', "embedded")
    co2_column: str = setting("Column of the CO2 table, or scenario of the embedded series.", "")
    names: Mapping[str, str] = setting("What the files call a variable, latitude, longitude or time.", EMPTY)
    layout: str = choice("Whose files they are, where their names do not tell.", LAYOUTS, "")
    stamp: str = choice("What a stamp between two months means, where no bounds tell.", STAMPS, "")
    units: Mapping[str, str] = setting(
        "Units of a climate variable, or of a column of a site's table, in place of those of the files.", EMPTY
    )
    community: str = setting("One vegetation community for all cells, where the files have none.", "")
    subdivide: int = setting("Into how many by how many pieces each half-degree cell is cut.", 1, low=1, high=50)
    soil_carbon: str = choice("Where soil carbon of half-degree cells comes from.", SOIL_CARBON, "rule")
    latitude: float | None = setting("Latitude of a site in degrees.", None)
    longitude: float | None = setting("Longitude of a site in degrees.", None)
    elevation: float | None = setting("Elevation of a site in m.", None)
    texture: tuple[float, ...] = setting("Sand, silt and clay of a site in percent.", ())
    soil_organic_carbon: tuple[float, ...] = setting(
        "Soil carbon of a site in kg m-2, in 0-0.3, 0.3-1, 1-2 and 2-3 m.", (), gaps=True
    )
    nitrogen_deposition: str = setting(
        "Table of years and nitrogen deposition, its unit in the header, of all cells; needs nitrogen = open of [model].",
        "",
    )
    fill: str = choice("What stands where months of a site's table are missing.", ("", "mean"), "")


@dataclass(frozen=True)
class PrepareSection:
    """What ``jtem prepare`` reads, and where its store lies."""

    store: str = setting("File of the prepared store, relative to the current folder (NAME_prepared.nc).", "")
    folder: str = setting("Folder of ISIMIP files, searched with all folders in it.", "")
    model: str = setting("Climate model, where the folder has several.", "")
    member: str = setting("Ensemble member, where the folder has several.", "")
    region: str = setting("Region in the file names, where the folder has several.", "")
    vegetation: str = setting("Map of vegetation: netCDF or raster.", "")
    vegetation_kind: str = choice("What the vegetation map holds.", VEGETATION_KINDS, "")
    texture: str = setting(
        "NetCDF map of sand, silt and clay, a folder of SoilGrids, or a raster of HWSD v2 units.", ""
    )
    texture_layers: str = setting("Table of layers (HWSD2_LAYERS) that belongs to a raster of HWSD v2 units.", "")
    elevation: str = setting("Map of elevation: netCDF or raster.", "")
    land_mask: str = setting("Map of land: netCDF or raster.", "")
    permafrost_map: str = setting("Map of permafrost: netCDF or raster; other cells are left out.", "")
    permafrost_codes: tuple[int, ...] = setting("Classes of the permafrost map that are permafrost.", ())
    soil_carbon: tuple[str, ...] = setting(
        "Folders of NCSCDv2 or SoilGrids, tables of pedons, HWSD2_LAYERS; first one that knows.", ()
    )
    nitrogen: Mapping[str, tuple[str, ...]] = setting("For each climate the words of its deposition files.", EMPTY)
    climate_elevation: str = setting("Map of the climate's elevation, for the lapse rate.", "")
    lapse_rate: float = setting("Lapse rate in degC per km (0: none).", 0.0, low=0, high=15)
    resolution: float = setting("Degrees of the run's cells (0: those of the vegetation map).", 0.0, low=0, high=10)
    box: tuple[float, float, float, float] = setting(
        "Box in degrees; west above east: across the date line.",
        (-90.0, 90.0, -180.0, 180.0),
        entries=("south", "north", "west", "east"),
    )
    names: Mapping[str, str] = setting("What the maps call vegetation, texture parts, elevation, masks.", EMPTY)


@dataclass(frozen=True)
class SpinUpSection:
    """Soil heat alone, then carbon on periodic heat, then years that cycle."""

    method: str = choice("Whether years are repeated or their equilibrium is solved for.", METHODS, "repeat")
    heat_years: int = setting("Years of soil heat alone.", 60, low=10, high=10000)
    years: int = setting("Repeated years of carbon (equilibrium: of columns without one).", 1000, low=0, high=100000)
    cycle: tuple[int, int] = setting("Years whose mean is repeated, then cycled.", (1850, 1860), entries=YEARS)
    cycle_years: int = setting("Years of cycling the whole model over those years.", 0, low=0, high=100000)
    climate: str = setting("Climate of these years.", "historical")


@dataclass(frozen=True)
class HistorySection:
    """The stage after spin-up."""

    first: int = setting("First year.", low=1, high=9999)
    last: int = setting("Last year.", low=1, high=9999)
    climate: str = setting("Climate of these years.", "historical")
    name: str = toml.name("Name of the stage.", "historical")
    goes_on: bool | None = setting(
        "Whether the climate has the year after `last`, whose January the last December leads to; if not that December is "
        "repeated (default: where every scenario goes on in the same climate).",
        None,
    )


@dataclass(frozen=True)
class ScenarioSection:
    """One future, after history."""

    name: str = toml.name("Name of the stage.")
    climate: str = setting("Climate of these years.")
    first: int = setting("First year: the one after history.", low=1, high=9999)
    last: int = setting("Last year.", low=1, high=9999)
    expose: bool = setting("Whether permafrost thaw moves matter.", True)
    follow: bool | None = setting("Whether accessible shares follow the active layer (default: as expose).", None)
    goes_on: bool = setting("As in [history]: the climate has the year after `last`.", False)

    @property
    def follows(self) -> bool:
        """Whether accessible shares follow the active layer."""
        return self.expose if self.follow is None else self.follow


@dataclass(frozen=True)
class FactorialSection:
    """Runs under each of several scenarios, all from the end of history."""

    runs: tuple[str, ...] = setting(
        'A protocol (liu2024, liu2024_all_pairs, liu2022, beyond), or held factors: "" for the transient run, "co2+temperature".',
        (),
    )
    scenarios: tuple[str, ...] = setting("Climates after history.", ())
    first: int = setting("First year: the one after history.", 2015, low=1, high=9999)
    last: int = setting("Last year.", 2100, low=1, high=9999)
    base_year: int = setting("Year at which factors are held.", 2015, low=1, high=9999)
    base_climate: str = setting("Climate of the base year (default: the first scenario).", "")
    keep_thaw: bool = choice(
        "What runs that hold permafrost keep: the matter that thaw exposes, or also the thaw that water and photosynthesis see.",
        {"matter": False, "matter_and_water": True}, False, key="held_permafrost",
    )  # fmt: skip
    members: Mapping[str, tuple[float, float]] = setting(
        "An ensemble of our own making: factor on the warming, relative change of precipitation per degC.",
        EMPTY,
        low=-10,
        high=10,
        entries=("factor on warming", "change of precipitation per degC"),
    )

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
    """What scheme ``layered`` starts from. ``hyperbola`` and ``observed_nitrogen`` are words in the file."""

    base_years: tuple[int, int] | None = setting(
        "Years whose mean active layer is the base of scheme layered (default: the last five of history).",
        None,
        entries=YEARS,
    )
    hyperbola: bool = choice(
        "Carbon above 3 m in cells without observations: mean stocks of intervals, or the hyperbola fitted to them.",
        {"intervals": False, "hyperbola": True}, False, key="profile",
    )  # fmt: skip
    observed_nitrogen: bool = choice(
        "Nitrogen of frozen layers: by the C:N of the active pool, or observed (else by the C:N of vegetation and depth).",
        {"active_pool": False, "observed": True}, False, key="nitrogen",
    )  # fmt: skip
    profile_scale: float = setting(
        "Factor on carbon and nitrogen of the profiles that frozen layers start from.", 1.0, low=0.1, high=10
    )


@dataclass(frozen=True)
class OutputSection:
    """What is written: names of ``jtem variables``."""

    monthly: tuple[str, ...] = setting("Monthly variables.", ())
    annual: tuple[str, ...] = setting("Yearly variables.", DEFAULT_ANNUAL)
    netcdf: bool = setting("Whether netCDF files are written.", True)
    state: bool = setting("Whether states at the ends of stages are written, to go on from.", True)
    double: bool = setting("Whether numbers have 64 bits, so that budgets close from the files.", False)
    zarr: bool = setting("Whether results stream to a Zarr store while the run goes on.", False)


@dataclass(frozen=True)
class IsimipSection:
    """Words of ISIMIP file names, for ``jtem export --profile isimip``."""

    round: str = setting('Simulation round: "3b" or "3a".', "3b")
    forcing: str = setting("Climate model or data set.", "")
    bias: str = setting("Its adjustment (none in 3a).", "w5e5")
    soc: str = setting("Socio-economic scenario.", "2015soc")
    sens: str = setting("Sensitivity scenario.", "default")
    scenarios: Mapping[str, str] = setting("The protocol's word of a climate, where it is not its name.", EMPTY)


@dataclass(frozen=True)
class ReportSection:
    """What ``jtem report`` puts beside the run."""

    paper: str = choice(
        "Paper whose tables, figures and printed values are shown (default: that of the protocol in [factorial] runs).",
        ("", "none", *PAPERS),
        "",
    )


@dataclass(frozen=True)
class RunSection:
    """How the work is cut."""

    chunk_columns: int = setting("Columns that run at once.", 1024, low=1, high=10**7)
    block_years: int = setting("Years between writing.", 10, low=1, high=1000)
    restart: str = setting("State file to go on from, in place of a spin-up.", "")


@dataclass(frozen=True)
class SensitivitySection:
    """What ``jtem sensitivity`` computes."""

    quantities: Mapping[str, str] = setting(
        'name = "HOW VARIABLE FIRST-LAST" with how one of sum, mean, last, change, e.g. "sum RH_PF 2015-2100".', EMPTY
    )
    methods: tuple[str, ...] = choice("What is computed.", SENSITIVITY_METHODS, ("adjoint",))
    scenarios: tuple[str, ...] = setting("Names of [[scenario]] (default: the first; for feedback all).", ())
    parameters: tuple[str, ...] = setting('Factors of the ensembles: names, "branch.field[k]", or a whole branch.', ())
    directions: tuple[str, ...] = setting(
        "Directions of the tangent: parameters, or warming, precipitation, co2, soil_cycle_warming.",
        ("warming", "co2", "precipitation"),
    )
    outputs: tuple[str, ...] = setting("Yearly variables of the tangent.", ())
    samples: int = setting("Samples of Sobol, a power of 2.", 256, low=2, high=10**6)
    trajectories: int = setting("Trajectories of Morris.", 20, low=2, high=10**5)
    members: int = setting("Members of the feedback's ensemble.", 100, low=10, high=10**6)
    spread: float = setting("Largest relative change of a factor in the ensembles.", 0.2, low=1e-6, high=10)
    covariance: str = setting("CSV of name, value and the rows of the covariance of the feedback.", "")
    prior: float = setting(
        "Without a covariance: one standard deviation as a share of the bounds' width.", 0.1, low=1e-6, high=1
    )
    scales: tuple[float, ...] = setting("Factors on the covariance.", (0.25, 1.0))
    chunk_columns: int = setting("Columns in one program.", 256, low=1, high=10**7)
    seed: int = setting("Seed of the ensembles.", 0)


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
    report: ReportSection = ReportSection()
    sensitivity: SensitivitySection = SensitivitySection()
    text: str = ""
    where: str = "the plan"

    @property
    def paper(self) -> str:
        """The paper that the run repeats, "" for none: as [report] says, else that of the protocol."""
        runs = self.factorial.runs
        protocol = runs[0].split("_")[0] if len(runs) == 1 and runs[0] in PROTOCOLS else ""
        protocol = protocol if protocol in PAPERS else ""
        return {"": protocol, "none": ""}.get(self.report.paper, self.report.paper)

    @property
    def base_years(self) -> tuple[int, int]:
        """Years whose mean active layer is the base: as written, or the last five of history."""
        return self.permafrost.base_years or (max(self.history.first, self.history.last - 4), self.history.last)

    @property
    def climate_years(self) -> dict[str, tuple[int, int]]:
        """First and last year that the stages need of each climate."""
        spin = self.spinup
        needed = [] if self.run.restart else [(spin.climate, *spin.cycle)]
        stages = [(self.history, self.history_goes_on), *((part, part.goes_on) for part in self.scenario)]
        needed += [(part.climate, part.first, part.last + goes_on) for part, goes_on in stages]
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
    def history_goes_on(self) -> bool:
        """Whether the January after history is its climate's own: as written, or where all that follows has it."""
        written = self.history.goes_on
        return self.climates_after == {self.history.climate} if written is None else written

    @property
    def climates_after(self) -> set[str]:
        """Climates of what follows history."""
        return {*(part.climate for part in self.scenario), *self.factorial.scenarios}

    @property
    def store(self) -> Path:
        """Path of the prepared store."""
        return Path(self.prepare.store or f"{self.plan.name}_prepared.nc")

    @property
    def simulated_years(self) -> int:
        """Years of history and scenarios together."""
        rows = len(self.factorial.stage_names) * (self.factorial.last - self.factorial.first + 1)
        return rows + sum(part.last - part.first + 1 for part in (self.history, *self.scenario))


def read(path: Path | str) -> Plan:
    """Read and check a plan file; raises ``InputError``."""
    return parse(toml.read_text(path), str(path))


def parse(text: str, where: str = "the plan") -> Plan:
    """Check the text of a plan; ``where`` is named in errors."""
    plan = Plan(**toml.fill(toml.content(text, where), Plan, where), text=text, where=where)
    _check(plan)
    return plan


def from_dict(sections: Mapping[str, object], where: str = "the plan") -> Plan:
    """A plan from dictionaries, e.g. ``{"plan": {"name": "a"}, "scenario": [{...}]}``, checked as a file is."""
    return parse(toml.text_of(sections, where), where)


def _check(plan: Plan) -> None:
    """What one key cannot tell."""
    where = plan.where
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
    if plan.history.goes_on and plan.climates_after - {plan.history.climate}:
        raise InputError(
            f"{where}: [history] goes_on, but other climates than '{plan.history.climate}' follow; leave goes_on out"
        )
    _check_factorial(plan)
    _check_options(plan)
    names = ["spinup", plan.history.name, *(s.name for s in plan.scenario), *plan.factorial.stage_names]
    for name in names:
        if not re.fullmatch(NAME, name) or names.count(name) > 1:
            raise InputError(
                f"{where}: stage name {name!r} must be unique and of letters, digits, '-', '_', '.'; choose another"
            )
    if plan.domain.nitrogen_deposition and not plan.model.open_nitrogen:
        raise InputError(
            f'{where}: [domain] nitrogen_deposition enters only where nitrogen is open; set nitrogen = "open" in [model]'
        )
    first, last = plan.spinup.cycle
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
    climates = {plan.spinup.climate, plan.history.climate, *(s.climate for s in plan.scenario)}
    climates |= {*plan.factorial.scenarios, plan.factorial.base_climate} - {""}
    check_domain(plan.domain, climates, where)
    variables.selection(plan.output.monthly, plan.output.annual, f"{where}: [output]")
    if not (plan.output.netcdf or plan.output.state or plan.output.zarr):
        raise InputError(
            f"{where}: [output] netcdf, state and zarr are all false, so that nothing is kept; set one to true"
        )


def check_domain(part: DomainSection, climates: Collection[str], where: str) -> None:
    """What a source needs and takes, and whether files are named for the climates that are used; raises ``InputError``."""
    source = SOURCES[part.source]
    for name, what in source.needs:
        if getattr(part, name) is None or getattr(part, name) in ("", (), {}):
            raise InputError(f"{where}: [domain] needs '{name}', {what}; add it")
        if name == "climate":
            for climate in sorted(set(climates) - set(part.climate)):
                raise InputError(
                    f"{where}: climate {climate!r} has no files in [domain.climate]; {suggest(climate, part.climate)}"
                )
    for key in toml.keys(DomainSection):
        given = getattr(part, key.field) != key.default
        if given and key.name not in ("source", "nitrogen_deposition", *source.takes):
            users = [word for word, other in SOURCES.items() if key.name in other.takes]
            raise InputError(
                f"{where}: [domain] source '{part.source}' does not take '{key.name}'; leave it out, or choose a source that "
                f"does ({', '.join(users)})"
            )
    _check_places(part, where)


def _check_places(part: DomainSection, where: str) -> None:
    """Sites, domain and position exclude one another; a site stands once."""
    named = [word for word, given in (
        ("sites", bool(part.sites)), ("domain", part.domain != "pan_arctic"),
        ("latitude", part.latitude is not None or part.longitude is not None),
    ) if given]  # fmt: skip
    if len(named) > 1:
        raise InputError(f"{where}: [domain] '{named[0]}' and '{named[1]}' both say where the cells are; leave one out")
    twice = [site for site in part.sites if part.sites.count(site) > 1]
    if twice:
        raise InputError(f"{where}: [domain] sites has {twice[0]!r} twice; leave one out")


def _check_isimip(plan: Plan) -> None:
    """What raw ISIMIP files need."""
    part, where = plan.prepare, f"{plan.where}: [prepare]"
    for key in ("folder", "vegetation", "texture", "elevation"):
        if not getattr(part, key):
            raise InputError(f"{where}: source 'isimip' needs '{key}'; add it (a path in the data folder)")
    south, north, west, east = part.box
    if not (-90 <= south < north <= 90 and -180 <= west <= 360 and -180 <= east <= 360 and west != east):
        raise InputError(
            f"{where}: box {list(part.box)} is not [south, north, west, east] in degrees (west above east: across the date "
            "line); correct it"
        )
    used = plan.climate_years
    for name in part.nitrogen:
        if name not in used:
            raise InputError(f"{where}: nitrogen of climate '{name}', which no stage uses; {suggest(name, used)}")


def _check_options(plan: Plan) -> None:
    """Refuse outputs of processes that are off: they would be zero."""
    m = plan.model
    needs = (
        (("methane_", "wetland_"), m.methane, 'methane = "wetlands"'),
        (
            ("abrupt_thaw_", "landscape_carbon_balance", "undisturbed_production"),
            m.abrupt_thaw,
            'abrupt_thaw = "areas"',
        ),
        (("rooting_depth",), m.roots_follow_thaw, 'roots = "follow_thaw"'),
        (("nitrogen_loss_thawed_permafrost",), m.deep_nitrogen_losses, "deep_nitrogen_losses = true"),
    )
    for asked in (*plan.output.monthly, *plan.output.annual):
        name = next((v.name for v in variables.VARIABLES.values() if asked in (v.name, v.short)), "")
        for begins, on, key in needs:
            if name.startswith(begins) and not on:
                raise InputError(
                    f"{plan.where}: [output] {asked!r} needs {key} in [model]; set it, or leave the output out"
                )


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
    held = {factor for row in f.protocol for factor in row.held}
    for factor, moves, key in (
        ("roots", plan.model.roots_follow_thaw, 'roots = "follow_thaw"'),
        ("abrupt", plan.model.abrupt_thaw, 'abrupt_thaw = "areas"'),
    ):
        if factor in held and not moves:
            raise InputError(
                f"{where}: a run holds {factor!r}, which nothing moves; set {key} in [model], or leave it out"
            )
    if f.first != plan.history.last + 1:
        raise InputError(
            f"{where}: begins in {f.first} but history ends in {plan.history.last}; set its 'first' to "
            f"{plan.history.last + 1}"
        )
    if f.last < f.first:
        raise InputError(f"{where}: ends in {f.last} before it begins in {f.first}; swap 'first' and 'last'")
    if not plan.history.first <= f.base_year <= f.last:
        raise InputError(f"{where}: base_year {f.base_year} must lie within {plan.history.first}-{f.last}; change it")
