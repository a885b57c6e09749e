"""The model as an object: a place, its processes and parameters; immutable, so that every change is a new model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack, overload

import numpy as np
import xarray as xr

from jtem.errors import InputError
from jtem.front import edits, plans, running
from jtem.front.plans import Content
from jtem.front.result import Result
from jtem.front.setup import PlanWords, RunWords, Setup, plan_name
from jtem.front.site import Place, Table, site

if TYPE_CHECKING:
    from distributed import Client

    from jtem.front.calibration import Fit, SearchWords
    from jtem.parameters import ParameterTable
    from jtem.plan.run import Plan


@dataclass(frozen=True, repr=False)
class Model:
    """The model at a place.

    ``place``: of :func:`jtem.site` or :func:`jtem.region` (or the name of a known site). ``permafrost``: "layered" (Liu et
    al. 2024), "thaw_ratio" (Liu et al. 2022), "tem6", "none" and others. ``parameters``: overlays over the defaults, by
    name ("jtem_soil_heat") or path. ``precision``: "mixed" (soil heat of 32 bits), "float64" or "float32". ``nitrogen``:
    "closed" or "open". ``soil_water``: of the root zone, "one_layer" or "two_layers". ``roots``: "fixed", or "follow_thaw".
    ``abrupt_thaw``: "none", or "areas". ``methane``: "none", or "wetlands". ``deep_nitrogen_losses``: whether thawed layers
    lose nitrogen. ``snow``: "constant" density, or "settling". ``surface``: as warm as the "air", or "light" warms snow-free
    ground. ``soil_grid``: layers of soil heat, "default" or "fine". ``soil_columns``: the ground's materials, by
    "community" or from soil carbon and texture of the "place". ``solve_heat``: whether its spin-up solves for the year that
    repeats. ``numerics``: "standard", or "fast" (best with five ``heat_substeps``). ``heat_substeps``, ``carbon_substeps``: of a
    month. Raises ``InputError``.

    Nothing is computed and JAX does not start before a method asks for numbers. Compiled programs are shared: a second run of
    the same shape, of this or another model, compiles nothing.

    >>> model = Model("US-Prr", permafrost="none", precision="float64")
    >>> warmer = model.with_parameters({"soil_thermal.snow_density": 200})
    >>> float(model.parameter("soil_thermal.snow_density").sel(community="boreal_forest")) == 200
    False
    >>> float(warmer.parameter("soil_thermal.snow_density").sel(community="boreal_forest"))
    200.0
    """

    setup: Setup

    def __init__(
        self,
        place: Place | str,
        *,
        permafrost: str = "layered",
        parameters: str | Path | Sequence[str | Path] = (),
        precision: str = "mixed",
        nitrogen: str = "closed",
        soil_water: str = "one_layer",
        roots: str = "fixed",
        abrupt_thaw: str = "none",
        methane: str = "none",
        deep_nitrogen_losses: bool = False,
        snow: str = "constant",
        surface: str = "air",
        soil_grid: str = "default",
        soil_columns: str = "community",
        solve_heat: bool = False,
        numerics: str = "standard",
        heat_substeps: int = 6,
        carbon_substeps: int = 4,
        tissue_nitrogen: str = "linear",
        plant_nitrogen: str = "month",
    ):
        if isinstance(place, str):
            place = site(place)
        if not isinstance(place, Place):
            raise InputError(
                f"a model needs a place, found {type(place).__name__}; make it with jtem.site or jtem.region"
            )
        model = {
            "permafrost": permafrost, "parameters": edits.files(parameters), "precision": precision, "nitrogen": nitrogen,
            "soil_water": soil_water, "roots": roots, "abrupt_thaw": abrupt_thaw, "methane": methane,
            "deep_nitrogen_losses": deep_nitrogen_losses, "snow": snow, "surface": surface, "soil_grid": soil_grid,
            "soil_columns": soil_columns, "solve_heat": solve_heat, "numerics": numerics,
            "heat_substeps": heat_substeps,
            "carbon_substeps": carbon_substeps,
            "tissue_nitrogen": tissue_nitrogen, "plant_nitrogen": plant_nitrogen,
        }  # fmt: skip
        edits.refuse_none(model)
        content = {"plan": {"name": plan_name(place)}, "domain": dict(place.section), "model": model}
        object.__setattr__(self, "setup", Setup.of(place, content, None))

    @classmethod
    def of(cls, setup: Setup) -> Model:
        """The model of a setup."""
        made = object.__new__(cls)
        object.__setattr__(made, "setup", setup)
        return made

    @classmethod
    def from_plan(cls, plan: str | Path | Mapping[str, object], data: str | Path | None = None) -> Model:
        """The model of a whole plan: a TOML file, its text, or its sections as a dictionary.

        ``data``: the folder of input files that the plan names (default: the variable ``JTEM_DATA``). ``run()`` then does what
        ``jtem run`` does, in memory. Raises ``InputError``.
        """
        content, where = plans.content_of(plan)
        return cls.of(Setup.of_plan(content, where, Path(data) if data is not None else None))

    # --- what it is ---------------------------------------------------------------------------------------------------

    @property
    def place(self) -> Place | None:
        """Where it runs; None for a whole plan."""
        return self.setup.place

    @property
    def content(self) -> Content:
        """Sections of its plan."""
        return self.setup.content

    @property
    def table(self) -> ParameterTable:
        """Values, units, bounds and sources of all parameters."""
        return self.setup.table

    def parameter(self, name: str) -> xr.DataArray:
        """Values of a parameter by community; raises ``InputError`` for an unknown name."""
        return self.setup.parameter(name)

    @property
    def communities(self) -> tuple[str, ...]:
        """Names of the plant communities at the place, the largest first."""
        return self.setup.communities()

    def __repr__(self) -> str:
        """What it is, in one line."""
        return f"<jtem model of '{self.setup.name}': {self.setup.words()}>"

    # --- changes ------------------------------------------------------------------------------------------------------

    def with_parameters(self, values: Mapping[str, edits.Values]) -> Model:
        """A new model with other values of parameters: a number for all communities, or numbers by community.

        Names are ``branch.field``, or ``branch.field[k]`` for one number of several. Raises ``InputError`` for unknown names
        and for values outside their bounds.
        """
        return self.of(self.setup.with_parameters(values))

    def replace(self, **parts: object) -> Model:
        """A new model with another ``place``, other words of the model, or another function in the place of a process.

        ``model.replace(maintenance_temperature=my_function)`` puts a function of the same arguments into a slot of
        ``jtem.step.Processes``; ``permafrost``, ``parameters`` and the other words are those of :class:`Model`. Raises
        ``InputError`` for an unknown slot.
        """
        return self.of(self.setup.replaced(parts))

    # --- run ----------------------------------------------------------------------------------------------------------

    def run(
        self,
        *,
        spin_up: str | Mapping[str, object] | None = None,
        years: Sequence[int] | None = None,
        start: running.Start | None = None,
        monthly: Sequence[str] | None = None,
        annual: Sequence[str] | None = None,
        base_years: Sequence[int] | None = None,
        progress: bool = False,
        client: Client | None = None,
    ) -> Result:
        """Run the model and return labelled results.

        ``spin_up``: "equilibrium" (default) solves for the state that the mean year of the place's first 30 years does not
        change; "repeat" repeats that year a thousand times; a dictionary gives keys of a plan's [spinup] (``method``, ``cycle``,
        ``years``, ``heat_years``, ``cycle_years``). ``years``: first and last year (default: all of the place's climate).
        ``start``: a result, its ``state``, or a folder or state file to go on from, without spin-up: to the bit the same as if
        both periods were stages of one run. ``monthly``, ``annual``: variables to keep, by any of their names.
        ``base_years``: whose mean active layer fills the frozen stores of "layered" (default: the last five). ``client``: a
        ``distributed.Client``, whose workers then run the chunks of columns and send the results here, bitwise the same.

        Where the spin-up does not close or columns fail, a warning says so. Raises ``InputError``.
        """
        setup = self.setup
        content = setup.sections(spin_up=spin_up, years=years, monthly=monthly, annual=annual, base_years=base_years)
        with setup.started(content):
            prepared = setup.prepared(content)
            if start is not None:
                prepared = running.continued(prepared, start, own_place=setup.place is not None)
            return running.execute(
                prepared, setup.notes(), is_site=setup.is_site(prepared), progress=progress, client=client
            )

    def ensemble(self, values: Mapping[str, Sequence[edits.Values]], **run: Unpack[RunWords]) -> Result:
        """Run the model with many parameter sets as one compiled batch; results lead with ``member``.

        ``values``: numbers of each parameter, one a member (lists of one length). Other arguments are those of :meth:`run`.
        With ``client`` members run apart in chunks of a plan's size, so last bits may differ from a run without it.
        The values stand as coordinates along ``member``. Raises ``InputError``.
        """
        for name, series in edits.table_of(values, "an ensemble").items():
            if isinstance(series, str) or not isinstance(series, Sequence | np.ndarray):
                raise InputError(f"an ensemble's values of '{name}' are {series!r}; give a list, one value a member")
        lengths = {name: len(list(series)) for name, series in values.items()}
        if not lengths or len(set(lengths.values())) != 1 or 0 in lengths.values():
            said = ", ".join(f"{name}: {count}" for name, count in lengths.items()) or "none"
            raise InputError(f"an ensemble needs as many values of each parameter ({said}); give lists of one length")
        if run.pop("start", None) is not None:
            raise InputError("an ensemble starts from its own spin-up; leave out start")
        count, setup = next(iter(lengths.values())), self.setup
        members = [setup.with_parameters({name: series[k] for name, series in values.items()}) for k in range(count)]
        progress, client = run.pop("progress", False), run.pop("client", None)
        content = setup.sections(**run)
        with setup.started(content):
            prepared = setup.prepared(content)
            many = running.of_members(prepared, [member.table for member in members], apart=client is not None)
            result = running.execute(
                many,
                setup.notes(),
                is_site=setup.is_site(prepared),
                progress=bool(progress),
                members=count,
                client=client,
            )
        coordinates = {
            name: ("member", np.asarray(series)) for name, series in values.items() if np.asarray(series).ndim == 1
        }
        stages = {
            stage: {frequency: data.assign_coords(coordinates) for frequency, data in parts.items()}
            for stage, parts in result.stages.items()
        }
        return dataclasses.replace(result, stages=stages)

    @overload
    def gradient(
        self,
        quantity: str,
        wrt: Literal["parameters", "initial profile"] = ...,
        *,
        scenario: str = "",
        **run: Unpack[RunWords],
    ) -> tuple[xr.DataArray, xr.DataArray]: ...
    @overload
    def gradient(
        self, quantity: str, wrt: Literal["climate"], *, scenario: str = "", **run: Unpack[RunWords]
    ) -> tuple[xr.DataArray, xr.Dataset]: ...
    @overload
    def gradient(
        self, quantity: str, wrt: str, *, scenario: str = "", **run: Unpack[RunWords]
    ) -> tuple[xr.DataArray, xr.DataArray | xr.Dataset]: ...
    def gradient(
        self, quantity: str, wrt: str = "parameters", *, scenario: str = "", **run: Unpack[RunWords]
    ) -> tuple[xr.DataArray, xr.DataArray | xr.Dataset]:
        """A quantity of the run and its exact derivative, through the equilibrium of the spin-up.

        ``quantity``: "HOW VARIABLE FIRST-LAST", such as "sum nep 2000-2022" or "mean active_layer_thickness 2000-2022", with how
        one of sum, mean, last, change; of yearly values in house units (gC m-2, m, degC). ``wrt``: "parameters" (labelled by
        ``parameter`` and ``community``, per unit of the parameter), "climate" (by month: air temperature, precipitation,
        radiation; CO2 by year; the spin-up's share included) or "initial profile" (observed soil carbon by ``layer``, per
        gC m-2; layered schemes thaw it in scenarios, not in history). A region has ``cell`` too. Other arguments: ``years`` and
        ``spin_up`` as in :meth:`run`, ``scenario`` for a plan with scenarios.

        Returns value and derivative, NaN where a column has no equilibrium. Raises ``InputError``.
        """
        from jtem.front import derivatives

        return derivatives.gradient(self.setup, quantity, wrt, scenario=scenario, **run)

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
        scenario: str = "",
        **run: Unpack[RunWords],
    ) -> xr.Dataset:
        """Which parameters matter for a quantity, the most important first.

        ``method``: "adjoint" (elasticities of all parameters from one reverse sweep), "morris" (mean elementary effects) or
        "sobol" (shares of the variance) of ``parameters``, which default to the eight of the largest elasticity. ``spread``:
        largest relative change of a parameter in the ensembles, ``samples`` (a power of 2) of Sobol', ``trajectories`` of
        Morris. Other arguments are those of :meth:`gradient`. Raises ``InputError``.
        """
        from jtem.front import derivatives

        size = derivatives.Size(spread, samples, trajectories, seed)
        return derivatives.ranking(self.setup, quantity, method, parameters, size, scenario=scenario, **run)

    def calibrate(
        self,
        observations: Table,
        free: Sequence[str] | Mapping[str, tuple[float, float]],
        **search: Unpack[SearchWords],
    ) -> Fit[Model]:
        """Fit parameters to observations by Levenberg-Marquardt on exact derivatives.

        ``observations``: a CSV path, DataFrame or Dataset with ``year``, ``month`` (or dates) and columns of observed streams
        (``nep``, ``gpp``, ``ecosystem_respiration``, ``evapotranspiration``, ``snow_depth``, ``active_layer_thickness``, pools;
        soil temperature as ``soil_temperature_0.1m``), or in the long form of :mod:`jtem.readers.observations`. ``free``: names
        of parameters, with bounds where they are narrower than the table's. ``search``: see :func:`jtem.front.calibration.fit`.
        Returns a :class:`jtem.front.calibration.Fit` with the calibrated ``model``. Raises ``InputError``.
        """
        from jtem.front import calibration

        return calibration.fit(self.setup, self.of, observations, free, **search)

    # --- the plan of a run ------------------------------------------------------------------------------------------------

    def plan(self, **run: Unpack[PlanWords]) -> str:
        """The plan (TOML) of a run with these arguments of :meth:`run`: ``jtem run`` of it gives the same numbers."""
        return plans.text_of(self.setup.sections(**run))

    def check(self, **run: Unpack[PlanWords]) -> Plan:
        """Read and check everything a run needs, run nothing; the plan as checked. Raises ``InputError``."""
        content = self.setup.sections(**run)
        with self.setup.started(content):
            return self.setup.prepared(content).plan


def open(plan: str | Path | Mapping[str, object], data: str | Path | None = None) -> Model:
    """The model of a whole plan (:meth:`Model.from_plan`)."""
    return Model.from_plan(plan, data)
