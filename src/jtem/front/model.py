"""The model as an object: a place, its processes and parameters; immutable, so that every change is a new model."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import xarray as xr

from jtem.errors import InputError, suggest
from jtem.front import edits, plans, running
from jtem.front.result import Result
from jtem.front.site import Place, site

if TYPE_CHECKING:
    from jtem.assemble.course import Prepared
    from jtem.front.calibration import Fit
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


@dataclass(frozen=True, repr=False)
class Model:
    """The model at a place.

    ``place``: of :func:`jtem.site` or :func:`jtem.region` (or the name of a known site). ``permafrost``: "layered" (Liu et al.
    2024), "thaw_ratio" (Liu et al. 2022), "tem6", "none" and others. ``parameters``: overlays over the defaults, by name
    ("jtem_soil_heat") or path. ``precision``: "mixed" (soil heat of 32 bits), "float64" or "float32". ``nitrogen``: "closed" or
    "open". ``snow``: "constant" density, or "settling". ``freezing`` of soil water: at one "point", or along a "curve".
    ``soil_grid``: layers of soil heat, "default" or "fine". ``solve_heat``: whether its spin-up solves for the year that
    repeats. ``heat_substeps``, ``carbon_substeps``: of a month. Raises ``InputError``.

    Nothing is computed and JAX does not start before a method asks for numbers. Compiled programs are shared: a second run of
    the same shape, of this or another model, compiles nothing.

    >>> model = Model("US-Prr", permafrost="none", precision="float64")
    >>> warmer = model.with_parameters({"soil_thermal.snow_density": 200})
    >>> float(model.parameter("soil_thermal.snow_density").sel(community="boreal_forest")) == 200
    False
    >>> float(warmer.parameter("soil_thermal.snow_density").sel(community="boreal_forest"))
    200.0
    """

    place: Place | None
    content: Mapping[str, Any]
    table: ParameterTable
    data: Path | None = None
    processes: Mapping[str, Callable[..., Any]] = dataclasses.field(default_factory=dict)
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __init__(
        self,
        place: Place | str,
        *,
        permafrost: str = "layered",
        parameters: str | Path | Sequence[str | Path] = (),
        precision: str = "mixed",
        nitrogen: str = "closed",
        snow: str = "constant",
        freezing: str = "point",
        soil_grid: str = "default",
        solve_heat: bool = False,
        heat_substeps: int = 6,
        carbon_substeps: int = 4,
    ):
        if isinstance(place, str):
            place = site(place)
        if not isinstance(place, Place):
            raise InputError(
                f"a model needs a place, found {type(place).__name__}; make it with jtem.site or jtem.region"
            )
        overlays = [parameters] if isinstance(parameters, str | Path) else list(parameters)
        model = {
            "permafrost": permafrost, "parameters": [str(p) for p in overlays], "precision": precision, "nitrogen": nitrogen,
            "snow": snow, "freezing": freezing, "soil_grid": soil_grid, "solve_heat": solve_heat, "heat_substeps": heat_substeps,
            "carbon_substeps": carbon_substeps,
        }  # fmt: skip
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", place.name) or "site"
        content = {"plan": {"name": name}, "domain": dict(place.section), "model": model}
        self._set(place, content, None)

    def _set(self, place: Place | None, content: Mapping[str, Any], data: Path | None, **rest: Any) -> None:
        """Fill the fields of a frozen object, after a check of the words."""
        for key, value in (("place", place), ("content", content), ("data", data)):
            object.__setattr__(self, key, value)
        for key in ("processes", "changes"):
            object.__setattr__(self, key, dict(rest.get(key, {})))
        table = rest.get("table")
        object.__setattr__(self, "table", self._read_table() if table is None else table)

    @classmethod
    def _made(cls, place: Place | None, content: Mapping[str, Any], data: Path | None, **rest: Any) -> Model:
        made = object.__new__(cls)
        made._set(place, content, data, **rest)
        return made

    @classmethod
    def from_plan(cls, plan: str | Path | Mapping[str, Any], data: str | Path | None = None) -> Model:
        """The model of a whole plan: a TOML file, its text, or its sections as a dictionary.

        ``data``: the folder of input files that the plan names (default: the variable ``JTEM_DATA``). ``run()`` then does what
        ``jtem run`` does, in memory. Raises ``InputError``.
        """
        content, where = plans.content_of(plan)
        folder = Path(data) if data is not None else None
        if not (isinstance(plan, str) and "\n" in plan) and not isinstance(plan, Mapping) and folder is None:
            content = _beside(content, Path(where).parent)
        return cls._made(None, content, folder)

    # --- what it is ---------------------------------------------------------------------------------------------------

    def parameter(self, name: str) -> xr.DataArray:
        """Values of a parameter by community; raises ``InputError`` for an unknown name."""
        full, element = edits.element_of(name)
        entry = self.table.entries.get(full)
        if entry is None:
            raise InputError(f"unknown parameter '{name}'; {suggest(name, self.table.entries)}")
        values = np.array([entry.values[c] for c in self.table.communities], dtype=np.float64)
        if element is not None:
            values = values[:, element]
        dims = ("community", "element")[: values.ndim]
        attributes = {"units": entry.unit, "long_name": entry.description, "bounds": [entry.lower, entry.upper]}
        return xr.DataArray(
            values, dims=dims, coords={"community": list(self.table.communities)}, name=name, attrs=attributes
        )

    @property
    def communities(self) -> tuple[str, ...]:
        """Names of the plant communities at the place, the largest first."""
        grid = self._prepared(self._shortest()).grid
        weight: dict[str, float] = {}
        prepared = self._prepared(self._shortest())
        for column, row in enumerate(np.asarray(prepared.experiment.columns.community)):
            name = self.table.communities[int(row)]
            weight[name] = weight.get(name, 0.0) + float(grid.column_fraction[column])
        return tuple(sorted(weight, key=lambda name: -weight[name]))

    def __repr__(self) -> str:
        """What it is, in one line."""
        part = self.content.get("model", {})
        name = self.place.name if self.place else self.content["plan"].get("name", "plan")
        words = f"permafrost {part.get('permafrost', 'layered')}, precision {part.get('precision', 'mixed')}"
        return f"<jtem model of '{name}': {words}, parameters {', '.join(self._files())}{self._replaced()}>"

    def _files(self) -> list[str]:
        changed = [f"{name} = {value}" for name, value in self.changes.items()]
        return [*self.table.files, *([f"with {', '.join(changed)}"] if changed else [])]

    def _replaced(self) -> str:
        names = [f"{slot} by {edits.name_of(function)}" for slot, function in self.processes.items()]
        return f", {', '.join(names)}" if names else ""

    # --- changes ------------------------------------------------------------------------------------------------------

    def with_parameters(self, values: Mapping[str, Any]) -> Model:
        """A new model with other values of parameters: a number for all communities, or numbers by community.

        Names are ``branch.field``, or ``branch.field[k]`` for one number of several. Raises ``InputError`` for unknown names
        and for values outside their bounds.
        """
        entries, changes = dict(self.table.entries), dict(self.changes)
        for name, value in values.items():
            full, element = edits.element_of(name)
            if full not in entries:
                raise InputError(f"unknown parameter '{name}'; {suggest(name, entries)}")
            entry = entries[full]
            by_community = value if isinstance(value, Mapping) else dict.fromkeys(self.table.communities, value)
            if isinstance(value, xr.DataArray):
                by_community = {str(c): value.sel(community=c).values for c in value["community"].values}
            new = dict(entry.values)
            for community, number in by_community.items():
                if community not in new:
                    raise InputError(f"'{name}': unknown community '{community}'; {suggest(community, new)}")
                new[community] = edits.checked(name, number, element, new[community], entry, community)
            entries[full] = dataclasses.replace(entry, values=new)
            changes[name] = edits.short(value)
        table = dataclasses.replace(self.table, entries=entries)
        return self._again(table=table, changes=changes)

    def replace(self, **parts: Any) -> Model:
        """A new model with another ``place``, other words of the model, or another function in the place of a process.

        ``model.replace(maintenance_temperature=my_function)`` puts a function of the same arguments into a slot of
        ``jtem.step.Processes``; ``permafrost``, ``parameters`` and the other words are those of :class:`Model`. Raises
        ``InputError`` for an unknown slot.
        """
        from jtem import step

        slots = step.Processes._fields
        words = (
            "permafrost",
            "precision",
            "nitrogen",
            "snow",
            "freezing",
            "soil_grid",
            "solve_heat",
            "heat_substeps",
            "carbon_substeps",
            "parameters",
        )
        content, processes, place = copy.deepcopy(dict(self.content)), dict(self.processes), self.place
        table: ParameterTable | None = self.table
        for name, value in parts.items():
            if name == "place":
                place = site(value) if isinstance(value, str) else value
                if not isinstance(place, Place):
                    raise InputError(f"place is a {type(value).__name__}; make it with jtem.site or jtem.region")
                content = {**content, "domain": dict(place.section)}
            elif name in words:
                listed = isinstance(value, str | Path)
                value = [str(p) for p in ([value] if listed else value)] if name == "parameters" else value
                content["model"] = {**content.get("model", {}), name: value}
                if name == "parameters":
                    if self.changes:
                        raise InputError(
                            "parameters were changed already; choose the overlays first, then change values"
                        )
                    table = None
            elif name in slots:
                if not callable(value):
                    raise InputError(f"process '{name}' is a {type(value).__name__}, expected a function; give one")
                edits.check_signature(name, value, getattr(step.Processes(), name))
                processes[name] = value
            else:
                raise InputError(f"unknown process '{name}'; {suggest(name, (*slots, *words, 'place'))}")
        return self._made(place, content, self.data, table=table, processes=processes, changes=self.changes)

    def _again(self, **parts: Any) -> Model:
        kept = {"table": self.table, "processes": self.processes, "changes": self.changes} | parts
        return self._made(self.place, self.content, self.data, **kept)

    # --- run ----------------------------------------------------------------------------------------------------------

    def run(
        self,
        *,
        spin_up: str | Mapping[str, Any] | None = None,
        years: Sequence[int] | None = None,
        start: running.Start | None = None,
        monthly: Sequence[str] | None = None,
        annual: Sequence[str] | None = None,
        base_years: Sequence[int] | None = None,
        progress: bool = False,
    ) -> Result:
        """Run the model and return labelled results.

        ``spin_up``: "equilibrium" (default) solves for the state that the mean year of the place's first 30 years does not
        change; "repeat" repeats that year a thousand times; a dictionary gives keys of a plan's [spinup] (``method``, ``cycle``,
        ``years``, ``heat_years``, ``cycle_years``). ``years``: first and last year (default: all of the place's climate).
        ``start``: a result, its ``state``, or a folder or state file to go on from, without spin-up: to the bit the same as if
        both periods were stages of one run. ``monthly``, ``annual``: variables to keep, by any of their names.
        ``base_years``: whose mean active layer fills the frozen stores of "layered" (default: the last five).

        Where the spin-up does not close or columns fail, a warning says so. Raises ``InputError``.
        """
        content = self._content(spin_up=spin_up, years=years, monthly=monthly, annual=annual, base_years=base_years)
        with self._jax(content):
            prepared = self._prepared(content)
            if start is not None:
                prepared = running.continued(prepared, start, own_place=self.place is not None)
            return running.execute(prepared, self._notes(), is_site=self._is_site(prepared), progress=progress)

    def ensemble(self, values: Mapping[str, Sequence[Any]], **run: Any) -> Result:
        """Run the model with many parameter sets as one compiled batch; results lead with ``member``.

        ``values``: numbers of each parameter, one a member (lists of one length). Other arguments are those of :meth:`run`.
        The values stand as coordinates along ``member``. Raises ``InputError``.
        """
        from jtem import run as run_room

        lengths = {name: len(list(series)) for name, series in values.items()}
        if not lengths or len(set(lengths.values())) != 1 or 0 in lengths.values():
            said = ", ".join(f"{name}: {count}" for name, count in lengths.items()) or "none"
            raise InputError(f"an ensemble needs as many values of each parameter ({said}); give lists of one length")
        if run.get("start") is not None:
            raise InputError("an ensemble starts from its own spin-up; leave out start")
        count = next(iter(lengths.values()))
        members = [self.with_parameters({name: series[k] for name, series in values.items()}) for k in range(count)]
        progress = bool(run.pop("progress", False))
        run.pop("start", None)
        content = self._content(**{"spin_up": None, "years": None, "monthly": None, "annual": None, **run})
        with self._jax(content):
            prepared = self._prepared(content)
            trees = [member._tree(prepared) for member in members]
            many = dataclasses.replace(
                prepared,
                experiment=run_room.ensemble(prepared.experiment, trees),
                grid=running.tiled(prepared.grid, count),
            )
            result = running.execute(
                many, self._notes(), is_site=self._is_site(prepared), progress=progress, members=count
            )
        coordinates = {name: ("member", np.asarray(series)) for name, series in values.items() if np.ndim(series) == 1}
        stages = {
            stage: {frequency: data.assign_coords(coordinates) for frequency, data in parts.items()}
            for stage, parts in result.stages.items()
        }
        return dataclasses.replace(result, stages=stages)

    @overload
    def gradient(
        self, quantity: str, wrt: Literal["parameters", "initial profile"] = ..., **run: Any
    ) -> tuple[Any, xr.DataArray]: ...
    @overload
    def gradient(self, quantity: str, wrt: Literal["climate"], **run: Any) -> tuple[Any, xr.Dataset]: ...
    @overload
    def gradient(self, quantity: str, wrt: str, **run: Any) -> tuple[Any, Any]: ...
    def gradient(self, quantity: str, wrt: str = "parameters", **run: Any) -> tuple[Any, Any]:
        """A quantity of the run and its exact derivative, through the equilibrium of the spin-up.

        ``quantity``: "HOW VARIABLE FIRST-LAST", such as "sum nep 2000-2022" or "mean active_layer_thickness 2000-2022", with how
        one of sum, mean, last, change; of yearly values in house units (gC m-2, m, degC). ``wrt``: "parameters" (labelled by
        ``parameter`` and ``community``, per unit of the parameter), "climate" (by month: air temperature, precipitation,
        radiation; CO2 by year; the spin-up's share included) or "initial profile" (observed soil carbon by ``layer``, per
        gC m-2). A region has ``cell`` too. Other arguments: ``years`` and ``spin_up`` as in :meth:`run`, ``scenario`` for a plan
        with scenarios.

        Returns value and derivative, NaN where a column has no equilibrium. Raises ``InputError``.
        """
        from jtem.front import derivatives

        return derivatives.gradient(self, quantity, wrt, **run)

    def sensitivity(
        self,
        quantity: str,
        method: str = "adjoint",
        parameters: Sequence[str] = (),
        *,
        spread: float = 0.2,
        samples: int = 64,
        trajectories: int = 10,
        seed: int = 0,
        **run: Any,
    ) -> xr.Dataset:
        """Which parameters matter for a quantity, the most important first.

        ``method``: "adjoint" (elasticities of all parameters from one reverse sweep), "morris" (mean elementary effects) or
        "sobol" (shares of the variance) of ``parameters``, which default to the eight of the largest elasticity. ``spread``:
        largest relative change of a parameter in the ensembles, ``samples`` (a power of 2) of Sobol', ``trajectories`` of
        Morris. Other arguments are those of :meth:`gradient`. Raises ``InputError``.
        """
        from jtem.front import derivatives

        size = {"spread": spread, "samples": samples, "trajectories": trajectories, "seed": seed}
        return derivatives.ranking(self, quantity, method, parameters, size, **run)

    def calibrate(
        self, observations: Any, free: Sequence[str] | Mapping[str, tuple[float, float]], **search: Any
    ) -> Fit:
        """Fit parameters to observations by Levenberg-Marquardt on exact derivatives.

        ``observations``: a CSV path, DataFrame or Dataset with ``year``, ``month`` (or dates) and columns of observed streams
        (``nep``, ``gpp``, ``ecosystem_respiration``, ``evapotranspiration``, ``snow_depth``, ``active_layer_thickness``, pools;
        soil temperature as ``soil_temperature_0.1m``), or in the long form of :mod:`jtem.readers.observations`. ``free``: names
        of parameters, with bounds where they are narrower than the table's. ``search``: see :func:`jtem.front.calibration.fit`.
        Returns a :class:`jtem.front.calibration.Fit` with the calibrated
        ``model``. Raises ``InputError``.
        """
        from jtem.front import calibration

        return calibration.fit(self, observations, free, **search)

    # --- from here to a plan, an experiment, results --------------------------------------------------------------------

    def plan(self, **run: Any) -> str:
        """The plan (TOML) of a run with these arguments of :meth:`run`: ``jtem run`` of it gives the same numbers."""
        kept = {"spin_up": None, "years": None, "monthly": None, "annual": None, "base_years": None}
        return plans.text_of(self._content(**{**kept, **run}))

    def check(self, **run: Any) -> Plan:
        """Read and check everything a run needs, run nothing; the plan as checked. Raises ``InputError``."""
        kept = {"spin_up": None, "years": None, "monthly": None, "annual": None, "base_years": None}
        content = self._content(**{**kept, **run})
        with self._jax(content):
            return self._prepared(content).plan

    def _content(
        self,
        *,
        spin_up: str | Mapping[str, Any] | None = None,
        years: Sequence[int] | None = None,
        monthly: Sequence[str] | None = None,
        annual: Sequence[str] | None = None,
        base_years: Sequence[int] | None = None,
        **unknown: Any,
    ) -> dict[str, Any]:
        """Sections of the plan of a run."""
        if unknown:
            known = ("spin_up", "years", "start", "monthly", "annual", "base_years", "progress")
            name = next(iter(unknown))
            raise InputError(f"a run has no argument '{name}'; {suggest(name, known)}")
        from jtem.plan.run import DEFAULT_ANNUAL

        content = copy.deepcopy({key: value for key, value in self.content.items()})
        place = self.place
        if years is not None:
            years = edits.pair(years, "years")
        if place is not None:
            first, last = years or place.years
            if first < place.first_year or last > place.last_year:
                raise InputError(
                    f"years {first}-{last} are not covered by the climate of '{place.name}' ({place.first_year}-"
                    f"{place.last_year}); choose years within it"
                )
            cycle = [place.first_year, min(place.first_year + CYCLE_YEARS - 1, place.last_year)]
            content["spinup"] = {"method": "equilibrium", "cycle": cycle, "climate": place.climate}
            content["history"] = {"first": first, "last": last, "climate": place.climate}
            precise = content["model"].get("precision") == "float64"
            content["output"] = {
                "annual": list(annual if annual is not None else (*DEFAULT_ANNUAL, *ALSO_ANNUAL)),
                "monthly": list(monthly if monthly is not None else MONTHLY_OF_SITE if place.is_site else MONTHLY),
                **({"double": True} if precise else {}),
            }
        else:
            if years is not None:
                content["history"] = {**content.get("history", {}), "first": years[0], "last": years[1]}
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

    def _shortest(self) -> dict[str, Any]:
        """A run of one year, where only the place matters."""
        return self._content(years=(self.place.first_year, self.place.first_year)) if self.place else self._content()

    def _read_table(self) -> ParameterTable:
        from jtem.assemble import model as assembled

        section = dict(self.content.get("model", {}))
        named = section.get("parameters", [])
        _parsed(plans.text_of({**_MINIMAL, "model": section}), "the model")  # refuses wrong words at once
        return assembled.table([named] if isinstance(named, str) else named, self.data, "the model")

    def _prepared(self, content: Mapping[str, Any]) -> Prepared:
        from jtem import step
        from jtem.assemble import course

        text = plans.text_of(content)
        plan = _parsed(text, self.content["plan"].get("name", "the plan") if self.place else "the plan")
        own = step.Processes()._replace(**self.processes) if self.processes else None
        place = None if self.place is None else self.place.domain
        return course.prepare(plan, self.data, place=place, table=self.table, processes=own)

    def _notes(self) -> dict[str, str]:
        """What the files say beside the plan: values that were changed, functions that were replaced."""
        said = {"parameter_files": ", ".join(self._files())}
        return said | ({"processes": self._replaced().removeprefix(", ")} if self.processes else {})

    def _is_site(self, prepared: Prepared) -> bool:
        return self.place.is_site if self.place is not None else prepared.grid.latitude.size == 1

    def _tree(self, prepared: Prepared) -> Any:
        from jtem import parameters, step

        return parameters.build(step.Parameters, self.table, prepared.experiment.design.pool_dtype)

    @contextlib.contextmanager
    def _jax(self, content: Mapping[str, Any]) -> Iterator[None]:
        """JAX as this model needs it: all cores and CPU options if it has not started, 64 bits where wanted."""
        import jax

        from jtem import devices
        from jtem.plan import PRECISIONS

        if not devices.use_all_cores():
            running.warn_once(devices.LATE)
        word = content.get("model", {}).get("precision", "mixed")
        if word not in PRECISIONS:
            raise InputError(f"the model: precision {word!r} is unknown; {suggest(str(word), PRECISIONS)}")
        with jax.enable_x64(PRECISIONS[word].enable_x64):
            yield


def open(plan: str | Path | Mapping[str, Any], data: str | Path | None = None) -> Model:
    """The model of a whole plan (:meth:`Model.from_plan`)."""
    return Model.from_plan(plan, data)


_MINIMAL = {
    "plan": {"name": "model"},
    "domain": {"source": "embedded"},
    "history": {"first": 1850, "last": 1850},
}


def _parsed(text: str, where: str) -> Plan:
    from jtem import plan as parsing

    return parsing.parse(text, where)


def _beside(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A plan's own tables lie beside the plan where they are not in the current folder."""
    del folder
    return content
