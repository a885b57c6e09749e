"""What a model is made of: a place or a plan, its words, parameters and processes; and the experiment of a run of it."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import xarray as xr

from jtem.errors import InputError, suggest
from jtem.files import Inputs
from jtem.front import edits, plans, running
from jtem.front.plans import Content
from jtem.front.site import Place, site

if TYPE_CHECKING:
    from distributed import Client

    from jtem.assemble.course import Prepared
    from jtem.parameters import ParameterTable
    from jtem.plan.run import Plan

MONTHLY = (
    "air_temperature", "precipitation", "gross_primary_production", "net_primary_production", "autotrophic_respiration",
    "heterotrophic_respiration", "net_ecosystem_production", "evapotranspiration", "runoff",
)  # fmt: skip
"""Monthly variables of a region, unless others are asked for."""
MONTHLY_OF_SITE = (
    *MONTHLY, "soil_temperature", "snow_depth", "volumetric_moisture", "leaf_area_index", "net_nitrogen_mineralization",
    "nitrogen_uptake",
)  # fmt: skip
"""Monthly variables of a site, unless others are asked for."""
ALSO_ANNUAL = (
    "autotrophic_respiration", "evapotranspiration", "runoff", "available_nitrogen", "soil_temperature",
    "carbon_residual", "nitrogen_residual", "water_residual",
)  # fmt: skip
"""Yearly variables beside those that every plan keeps."""
CYCLE_YEARS = 30
"""The spin-up's climate is the mean of so many first years of the place's own, or of all where there are fewer."""
WORDS = (
    "permafrost", "precision", "nitrogen", "soil_water", "roots", "abrupt_thaw", "methane", "deep_nitrogen_losses", "snow",
    "surface", "soil_grid", "soil_columns", "solve_heat", "numerics", "heat_substeps", "carbon_substeps", "tissue_nitrogen",
    "plant_nitrogen", "parameters",
)  # fmt: skip
"""Words of a model that :meth:`Setup.replaced` changes."""


class PlanWords(TypedDict, total=False):
    """What a run's plan says beside its model: see :meth:`jtem.Model.run`."""

    spin_up: str | Mapping[str, object] | None
    years: Sequence[int] | None
    monthly: Sequence[str] | None
    annual: Sequence[str] | None
    base_years: Sequence[int] | None


class RunWords(PlanWords, total=False):
    """Arguments of :meth:`jtem.Model.run`."""

    start: running.Start | None
    progress: bool
    client: Client | None


def plan_name(place: Place) -> str:
    """The name of a place as a plan can have it."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", place.name) or "site"


@dataclass(frozen=True)
class Setup:
    """What a model is made of; nothing is computed and JAX does not start before an experiment is asked for.

    ``place``: where it runs, None for a whole plan. ``content``: sections of its plan. ``table``: values of all parameters.
    ``data``: the folder of input files that the plan names. ``processes``: functions in the place of processes, by slot.
    ``changes``: parameters that were changed, as provenance has them.
    """

    place: Place | None
    content: Content
    table: ParameterTable
    data: Path | None = None
    processes: Mapping[str, Callable[..., object]] = dataclasses.field(default_factory=dict)
    changes: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, place: Place | None, content: Content, data: Path | None) -> Setup:
        """The setup of a plan's sections, with the parameters that they name; raises ``InputError`` for wrong words."""
        return cls(place, content, _table(content, data), data)

    @classmethod
    def of_plan(cls, content: Content, where: str, data: Path | None) -> Setup:
        """The setup of a whole plan, checked; raises ``InputError``."""
        _parsed(plans.text_of(content), where)
        Inputs(data)  # is there
        return cls.of(None, content, data)

    # --- what it is ---------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name of the place, or of the plan."""
        return self.place.name if self.place else self.content["plan"].get("name", "plan")

    def communities(self) -> tuple[str, ...]:
        """Names of the plant communities at the place, the largest first."""
        year = None if self.place is None else (self.place.first_year, self.place.first_year)
        prepared = self.prepared(self.sections(years=year))
        weight: dict[str, float] = {}
        for column, row in enumerate(np.asarray(prepared.experiment.columns.community)):
            name = self.table.communities[int(row)]
            weight[name] = weight.get(name, 0.0) + float(prepared.grid.column_fraction[column])
        return tuple(sorted(weight, key=lambda name: -weight[name]))

    def parameter(self, name: str) -> xr.DataArray:
        """Values of a parameter by community; raises ``InputError`` for an unknown name."""
        from jtem.parameters import Handle

        entry, handle = self.table.entry(edits.name_given(name)), Handle.of(name)
        values = np.array([entry.values[c] for c in self.table.communities], dtype=np.float64)
        if handle.element is not None and (values.ndim == 1 or handle.element >= values.shape[1]):
            known = "one number" if values.ndim == 1 else f"{values.shape[1]} numbers, [0] to [{values.shape[1] - 1}]"
            raise InputError(f"'{name}': the parameter has {known}; correct the index")
        values = handle.pick(values)
        dims = ("community", "element")[: values.ndim]
        attributes = {"units": entry.unit, "long_name": entry.description, "bounds": [entry.lower, entry.upper]}
        return xr.DataArray(
            values, dims=dims, coords={"community": list(self.table.communities)}, name=name, attrs=attributes
        )

    def words(self) -> str:
        """The model in words: scheme, precision, parameters, replaced processes."""
        part = self.content.get("model", {})
        own = self._replaced()
        words = f"permafrost {part.get('permafrost', 'layered')}, precision {part.get('precision', 'mixed')}"
        return f"{words}, parameters {', '.join(self._files())}{', ' * bool(own)}{own}"

    def notes(self) -> dict[str, str]:
        """What the files say beside the plan: values that were changed, functions that were replaced."""
        said = {"parameter_files": ", ".join(self._files())}
        return said | ({"processes": self._replaced()} if self.processes else {})

    def _files(self) -> list[str]:
        changed = [f"{name} = {value}" for name, value in self.changes.items()]
        return [*self.table.files, *([f"with {', '.join(changed)}"] if changed else [])]

    def _replaced(self) -> str:
        return ", ".join(f"{slot} by {edits.name_of(function)}" for slot, function in self.processes.items())

    # --- changes ------------------------------------------------------------------------------------------------------

    def with_parameters(self, values: Mapping[str, edits.Values]) -> Setup:
        """Another setup with other values of parameters: see :meth:`jtem.Model.with_parameters`."""
        from jtem import step
        from jtem.parameters import Handle, check_order

        entries, changes = dict(self.table.entries), dict(self.changes)
        for name, value in edits.table_of(values, "with_parameters").items():
            handle = Handle.of(edits.name_given(name))
            if handle.name not in entries:
                raise InputError(f"unknown parameter '{name}'; {suggest(name, entries)}")
            entry = entries[handle.name]
            new = dict(entry.values)
            for community, number in edits.by_community(value, self.table.communities).items():
                if community not in new:
                    raise InputError(f"'{name}': unknown community '{community}'; {suggest(community, new)}")
                new[community] = edits.checked(name, number, handle.element, new[community], entry, community)
            entries[handle.name] = dataclasses.replace(entry, values=new)
            changes[name] = edits.short(value)
        given = [Handle.of(name) for name in edits.table_of(values, "with_parameters")]
        fields = tuple(f for f in self.table.fields if not any(Handle.of(f.name).covered_by(one) for one in given))
        table = dataclasses.replace(self.table, entries=entries, fields=fields)
        check_order(table, step.Parameters.ORDERED, "with_parameters")
        return dataclasses.replace(self, table=table, changes=changes)

    def replaced(self, parts: Mapping[str, object]) -> Setup:
        """Another setup with other parts: see :meth:`jtem.Model.replace`."""
        from jtem import step

        slots = step.Processes._fields
        made = dataclasses.replace(self, content=copy.deepcopy(dict(self.content)))
        for name, value in parts.items():
            if name == "place":
                made = made._at(value)
            elif name in WORDS:
                made = made._with_word(name, value)
            elif name in slots:
                if not callable(value):
                    raise InputError(f"process '{name}' is a {type(value).__name__}, expected a function; give one")
                edits.check_signature(name, value, getattr(step.Processes(), name))
                made = dataclasses.replace(made, processes={**made.processes, name: value})
            else:
                raise InputError(f"unknown process '{name}'; {suggest(name, (*slots, *WORDS, 'place'))}")
        if "parameters" in parts:
            return dataclasses.replace(made, table=_table(made.content, made.data))
        _check_words(made.content.get("model", {}))
        return made

    def _at(self, given: object) -> Setup:
        place = site(given) if isinstance(given, str) else given
        if not isinstance(place, Place):
            raise InputError(f"place is a {type(given).__name__}; make it with jtem.site or jtem.region")
        content = {**self.content, "plan": {"name": plan_name(place)}, "domain": dict(place.section)}
        return dataclasses.replace(self, place=place, content=content)

    def _with_word(self, name: str, value: object) -> Setup:
        edits.refuse_none({name: value})
        if name == "parameters":
            value = edits.files(value)
            if self.changes:
                raise InputError("parameters were changed already; choose the overlays first, then change values")
        section = {**self.content.get("model", {}), name: value}
        return dataclasses.replace(self, content={**self.content, "model": section})

    # --- from here to a plan and an experiment ----------------------------------------------------------------------------

    def sections(
        self,
        *,
        spin_up: str | Mapping[str, object] | None = None,
        years: Sequence[int] | None = None,
        monthly: Sequence[str] | None = None,
        annual: Sequence[str] | None = None,
        base_years: Sequence[int] | None = None,
        **unknown: object,
    ) -> Content:
        """Sections of the plan of a run; raises ``InputError``."""
        if unknown:
            known = ("spin_up", "years", "start", "monthly", "annual", "base_years", "progress")
            name = next(iter(unknown))
            raise InputError(f"a run has no argument '{name}'; {suggest(name, known)}")
        annual = None if annual is None else edits.names_of(annual, "annual")
        monthly = None if monthly is None else edits.names_of(monthly, "monthly")
        if spin_up is not None and not isinstance(spin_up, str | Mapping):
            raise InputError(f"spin_up is {spin_up!r}; give 'equilibrium', 'repeat' or a dictionary of [spinup] keys")
        content: Content = copy.deepcopy(dict(self.content))
        window = None if years is None else edits.pair(years, "years")
        if self.place is not None:
            content |= _of_place(self.place, window, content["model"].get("precision") == "float64", monthly, annual)
        else:
            if window is not None:
                history = content.get("history", {})
                known = _goes_on(window[1], history.get("last", window[1]))
                content["history"] = {**history, "first": window[0], "last": window[1], **known}
                content.pop("scenario", None)
                content.pop("factorial", None)
            output = dict(content.get("output", {}))
            output |= {"annual": list(annual)} if annual is not None else {}
            output |= {"monthly": list(monthly)} if monthly is not None else {}
            if output:
                content["output"] = output
        if spin_up is not None:
            words = {"method": spin_up} if isinstance(spin_up, str) else dict(spin_up)
            content["spinup"] = {**content.get("spinup", {}), **words}
        if base_years is not None:
            content["permafrost"] = {"base_years": list(edits.pair(base_years, "base_years"))}
        return content

    def prepared(self, content: Content) -> Prepared:
        """Everything that the plan of these sections needs, read and checked; raises ``InputError``."""
        from jtem import step
        from jtem.assemble import course

        plan = _parsed(
            plans.text_of(content), self.content["plan"].get("name", "the plan") if self.place else "the plan"
        )
        own = step.Processes()._replace(**self.processes) if self.processes else None
        place = None if self.place is None else self.place.domain
        return course.prepare(plan, self.data, place=place, table=self.table, processes=own)

    def is_site(self, prepared: Prepared) -> bool:
        """Whether results are of one site, without a dimension ``cell``."""
        return self.place.is_site if self.place is not None else prepared.grid.latitude.size == 1

    @contextlib.contextmanager
    def started(self, content: Content | None = None) -> Iterator[None]:
        """JAX as the run of these sections needs it: all cores and CPU options if it has not started, 64 bits where wanted."""
        import jax

        from jtem import devices
        from jtem.plan import PRECISIONS

        if not devices.use_all_cores():
            running.warn_once(devices.LATE)
        word = (self.content if content is None else content).get("model", {}).get("precision", "mixed")
        if word not in PRECISIONS:
            raise InputError(f"the model: precision {word!r} is unknown; {suggest(str(word), PRECISIONS)}")
        with jax.enable_x64(PRECISIONS[word].enable_x64):
            yield


def _of_place(
    place: Place,
    years: tuple[int, int] | None,
    double: bool,
    monthly: Sequence[str] | None,
    annual: Sequence[str] | None,
) -> Content:
    """Sections of a run at a place: spin-up, history and output; raises ``InputError`` for years it has not."""
    from jtem.plan.run import DEFAULT_ANNUAL, SpinUpSection

    first, last = years or place.years
    if first < place.first_year or last > place.last_year:
        raise InputError(
            f"years {first}-{last} are not covered by the climate of '{place.name}' ({place.first_year}-"
            f"{place.last_year}); choose years within it"
        )
    cycle = [place.first_year, min(place.first_year + CYCLE_YEARS - 1, place.last_year)]
    return {
        "spinup": {
            "method": "equilibrium",
            "cycle": cycle,
            "climate": place.climate,
            "heat_years": SpinUpSection.heat_years,
            "years": SpinUpSection.years,
            "cycle_years": SpinUpSection.cycle_years,
        },
        "history": {"first": first, "last": last, "climate": place.climate, **_goes_on(last, place.last_year)},
        "output": {
            "annual": list(annual if annual is not None else (*DEFAULT_ANNUAL, *ALSO_ANNUAL)),
            "monthly": list(monthly if monthly is not None else MONTHLY_OF_SITE if place.is_site else MONTHLY),
            **({"double": True} if double else {}),
        },
    }


def _goes_on(last: int, known: int) -> Content:
    """What [history] says where its climate is known for years after its last."""
    return {"goes_on": True} if last < known else {}


_MINIMAL = {
    "plan": {"name": "model"},
    "domain": {"source": "embedded"},
    "history": {"first": 1850, "last": 1850},
}


def _check_words(section: Mapping[str, object]) -> None:
    """Refuse wrong words of a model at once."""
    _parsed(plans.text_of({**_MINIMAL, "model": section}), "the model")


def _table(content: Content, data: Path | None) -> ParameterTable:
    """The parameters that a model section names, after a check of its words; raises ``InputError``."""
    from jtem.assemble import model as assembled

    section = dict(content.get("model", {}))
    named = section.get("parameters", [])
    _check_words(section)
    return assembled.table([named] if isinstance(named, str) else named, Inputs(data), "the model")


def _parsed(text: str, where: str) -> Plan:
    from jtem import plan as parsing

    return parsing.parse(text, where)
