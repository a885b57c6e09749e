"""Derivatives and rankings of a quantity of a run, labelled by parameter, community, month or layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

import numpy as np
import xarray as xr

from jtem.constants import LAYER_EDGES
from jtem.errors import InputError, suggest
from jtem.front.setup import RunWords, Setup
from jtem.parameters import Handle

if TYPE_CHECKING:
    import jax

    from jtem.assemble.course import Prepared
    from jtem.run import Experiment
    from jtem.study import sensitivity
    from jtem.study.sensitivity import Quantity

WRT = ("parameters", "climate", "initial profile")
METHODS = ("adjoint", "morris", "sobol")
SHOWN = 8
"""Parameters of an ensemble where none are named: those of the largest elasticity."""


def quantity_of(text: str) -> Quantity:
    """``"sum nep 2000-2022"`` as a quantity; raises ``InputError``.

    >>> quantity_of("mean ALT 2000-2009").variable
    'active_layer_thickness'
    """
    from jtem import variables
    from jtem.study.sensitivity import HOW, Quantity

    words = str(text).split()
    window = words[2].split("-") if len(words) == 3 else []
    if len(window) not in (1, 2) or not all(word.isdigit() for word in window):
        raise InputError(
            f'quantity {text!r} is not understood; write "HOW VARIABLE FIRST-LAST", such as "sum nep 2000-2022"'
        )
    if words[0] not in HOW:
        raise InputError(f"quantity {text!r}: {words[0]!r} is unknown; {suggest(words[0], HOW)}")
    variable = variables.find(words[1], f"quantity {text!r}")
    if variable.layer or variable.derived:
        raise InputError(f"quantity {text!r}: {variable.name!r} is not one number a column; choose another variable")
    unit = variable.unit
    if words[0] == "sum":
        unit = unit.replace(" month-1", "").replace(" year-1", "")
    elif variable.yearly == "sum":
        unit = unit.replace("month-1", "year-1")
    return Quantity(str(text), variable.name, variable.yearly, words[0], int(window[0]), int(window[-1]), unit)


@dataclass(frozen=True)
class _Asked:
    """A run that is to be differentiated."""

    prepared: Prepared
    scenario: str
    single: bool
    weights: np.ndarray  # of columns in their cell

    @property
    def experiment(self) -> Experiment:
        return self.prepared.experiment

    @property
    def communities(self) -> list[str]:
        """Names of the communities that occur, in the table's order."""
        table = self.prepared.table
        return [table.communities[k] for k in sorted(set(np.asarray(self.experiment.columns.community).tolist()))]

    def by_cell(self, values: np.ndarray) -> np.ndarray:
        """Columns (column, ...) summed by their share of the cell: (cell, ...)."""
        grid = self.prepared.grid
        result = np.zeros((grid.latitude.size, *values.shape[1:]))
        np.add.at(result, grid.column_cell, values * self.weights.reshape(-1, *[1] * (values.ndim - 1)))
        return result

    def labelled(
        self, values: np.ndarray, dims: Sequence[str], coords: Mapping[str, object], **attrs: object
    ) -> xr.DataArray:
        """An array by cell, a site without its one cell."""
        grid = self.prepared.grid
        place = {"lat": ("cell", grid.latitude), "lon": ("cell", grid.longitude)}
        made = xr.DataArray(values, dims=("cell", *dims), coords={**coords, **place}, attrs=attrs)
        return made.isel(cell=0) if self.single else made


def _asked(setup: Setup, quantity: Quantity, scenario: str, run: RunWords) -> _Asked:
    """The experiment of a quantity's window; raises ``InputError`` where it is not covered."""
    first, last = quantity.first, quantity.last
    if run.get("start") is not None:
        raise InputError("a gradient goes through the equilibrium of the spin-up; leave out start")
    word = run.get("spin_up")
    method = word.get("method", "equilibrium") if isinstance(word, Mapping) else word
    if method == "repeat":
        raise InputError("a gradient goes through the equilibrium; use spin_up='equilibrium' in place of 'repeat'")
    if setup.place is not None and run.get("years") is None:
        run = {**run, "years": (setup.place.first_year, min(last, setup.place.last_year))}
    prepared = setup.prepared(setup.sections(**run))
    experiment = prepared.experiment
    history = experiment.stages[0]
    known = [stage.name for stage in experiment.stages if stage.parent == history.name]
    if scenario and scenario not in known:
        raise InputError(f"scenario {scenario!r} is no stage after history; {suggest(scenario, known or ['(none)'])}")
    if not scenario:
        scenario = history.name if last <= history.last_year or not known else known[0]
    end = history.last_year if scenario == history.name else {s.name: s.last_year for s in experiment.stages}[scenario]
    if first < history.first_year or last > end:
        raise InputError(
            f"the quantity needs {first}-{last} but the run has {history.first_year}-{end}; change the window or the years"
        )
    return _Asked(prepared, scenario, setup.is_site(prepared), np.asarray(prepared.grid.column_fraction, np.float64))


def gradient(
    setup: Setup, quantity: str, wrt: str = "parameters", *, scenario: str = "", **run: Unpack[RunWords]
) -> tuple[xr.DataArray, xr.DataArray | xr.Dataset]:
    """See :meth:`jtem.Model.gradient`."""
    from jtem.study import sensitivity

    if wrt not in WRT:
        raise InputError(f"wrt {wrt!r} is unknown; {suggest(wrt, WRT)}")
    asked_of = quantity_of(str(quantity))
    with setup.started():
        asked = _asked(setup, asked_of, scenario, run)
        experiment = asked.experiment
        first = experiment.stages[0].first_year
        stages = {stage.name: stage for stage in experiment.stages}
        years = np.arange(first, stages[asked.scenario].last_year + 1)
        weights = asked_of.weights(years)

        def objective(outputs: Mapping[str, jax.Array]) -> jax.Array:
            values = outputs[asked_of.variable]
            return (values * weights.astype(values.dtype)[None]).sum()

        found = sensitivity.gradient_of(_built(asked, asked_of), asked.scenario, objective)
    outputs = np.asarray(found.outputs[asked_of.variable], np.float64)
    value = np.where(np.asarray(found.code) == 0, outputs @ weights, np.nan)
    said = {"units": asked_of.unit, "long_name": asked_of.name}
    total = asked.labelled(asked.by_cell(value), (), {}, **said)
    if wrt == "parameters":
        return total, _by_parameter(asked, found, asked_of)
    if wrt == "climate":
        return total, _by_climate(asked, found, asked_of, years)
    middles = 0.5 * (np.array(LAYER_EDGES[1:]) + np.array(LAYER_EDGES[:-1]))
    profile = np.asarray(found.soil_carbon_profile, np.float64)
    depth = ("layer", middles[: profile.shape[1]], {"units": "m", "positive": "down"})
    attrs = {
        "units": f"{asked_of.unit} per gC m-2",
        "long_name": f"derivative of {asked_of.name} by observed soil carbon",
    }
    return total, asked.labelled(asked.by_cell(profile), ("layer",), {"depth": depth}, **attrs)


def _built(asked: _Asked, quantity: Quantity) -> sensitivity.ColumnModel:
    """The run as a function of parameters, climate and profile."""
    from jtem.study import sensitivity

    scenarios = [] if asked.scenario == asked.experiment.stages[0].name else [asked.scenario]
    annual = ((quantity.variable, quantity.reduction),)
    return sensitivity.model_of(asked.experiment, asked.prepared.table, scenarios, annual)


def _by_parameter(asked: _Asked, found: sensitivity.Gradient, quantity: Quantity) -> xr.DataArray:
    """Derivative by parameter and community."""
    names = asked.communities
    table = asked.prepared.table
    row = {table.index(name): k for k, name in enumerate(names)}
    by_column = np.asarray(found.parameters, np.float64)
    spread = np.zeros((by_column.shape[0], by_column.shape[1], len(names)))
    for column, community in enumerate(np.asarray(asked.experiment.columns.community)):
        spread[column, :, row[int(community)]] = by_column[column]
    units = [f"{quantity.unit} per {unit}" for unit in found.units]
    coords = {"parameter": list(found.names), "community": names, "units": ("parameter", units)}
    return asked.labelled(
        asked.by_cell(spread), ("parameter", "community"), coords, long_name=f"derivative of {quantity.name}"
    )


def _by_climate(asked: _Asked, found: sensitivity.Gradient, quantity: Quantity, years: np.ndarray) -> xr.Dataset:
    """Derivative by the months of the climate: history and scenario, and the spin-up through its mean year."""
    content = asked.prepared.plan.spinup
    begin, end = content.cycle
    whole = np.arange(min(begin, years[0]), max(end, years[-1]) + 1)
    same = content.climate == asked.prepared.plan.history.climate
    count = end - begin + 1
    inside = slice(int(years[0] - whole[0]), int(years[-1] - whole[0]) + 1)
    cycle = slice(int(begin - whole[0]), int(end - whole[0]) + 1)
    units = {"air_temperature": "degC", "precipitation": "mm month-1", "shortwave_radiation": "W m-2"}
    months = [f"{year:04d}-{month:02d}-15" for year in whole for month in range(1, 13)]
    time = ("time", np.array(months, dtype="datetime64[ns]"))
    result = {}
    for name in (*units, "co2"):
        monthly = name in units
        by_year = np.asarray(getattr(found.climate, name), np.float64)
        total = np.zeros((by_year.shape[0], whole.size, *by_year.shape[2:]))
        total[:, inside] += by_year
        if same:
            total[:, cycle] += np.asarray(getattr(found.cycle, name), np.float64)[:, None] / count
        values = asked.by_cell(total)
        attrs = {
            "units": f"{quantity.unit} per {units.get(name, 'ppm')}",
            "long_name": f"derivative of {quantity.name} by {name}",
        }
        if monthly:
            flat = values.reshape(values.shape[0], -1)
            result[name] = asked.labelled(flat, ("time",), {"time": time}, **attrs)
        else:
            result[name] = asked.labelled(values, ("year",), {"year": whole}, **attrs)
    return xr.Dataset(result)


# --- rankings ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Size:
    """How large an ensemble is: see :meth:`jtem.Model.sensitivity`."""

    spread: float
    samples: int
    trajectories: int
    seed: int


def ranking(
    setup: Setup,
    quantity: str,
    method: str,
    parameters: Sequence[str],
    size: Size,
    *,
    scenario: str = "",
    **run: Unpack[RunWords],
) -> xr.Dataset:
    """See :meth:`jtem.Model.sensitivity`."""
    from jtem.study.sensitivity import ensembles

    if method not in METHODS:
        raise InputError(f"method {method!r} is unknown; {suggest(method, METHODS)}")
    asked_of = quantity_of(quantity)
    chosen = list(parameters)
    first = None
    if method == "adjoint" or not chosen:
        first = _elasticities(setup, quantity, scenario, run)
        if method == "adjoint":
            return (
                first
                if not chosen
                else first.sel(parameter=[n for n in first["parameter"].values if _named(n, chosen)])
            )
        chosen = [str(name) for name in first["parameter"].values[:SHOWN]]
    with setup.started():
        asked = _asked(setup, asked_of, scenario, run)
        built = _built(asked, asked_of)
        area = _area(asked)
        share = area / area.sum()
        if method == "morris":
            found = ensembles.morris(
                built, asked.scenario, chosen, [asked_of], trajectories=size.trajectories, spread=size.spread,
                seed=size.seed, area=share,
            )  # fmt: skip
        else:
            found = ensembles.sobol(
                built, asked.scenario, chosen, [asked_of], samples=size.samples, spread=size.spread, seed=size.seed,
                area=share,
            )  # fmt: skip
    names = {"morris": ("mu", "", "mu_star", "mu_star_interval", "sigma")}.get(
        method, ("first", "first_interval", "total", "total_interval", "")
    )
    arrays = (found.first, found.first_interval, found.total, found.total_interval, found.spread)
    fields = {name: ("parameter", values[0, 0]) for name, values in zip(names, arrays, strict=True) if name}
    key = "mu_star" if method == "morris" else "total"
    order = np.argsort(-np.nan_to_num(fields[key][1], nan=-np.inf))
    said = {
        "quantity": quantity, "method": method, "runs": found.runs, "spread": size.spread,
        "units": asked_of.unit if method == "morris" else "1",
        "chosen": "named" if parameters else f"the {SHOWN} of the largest elasticity",
    }  # fmt: skip
    return xr.Dataset(fields, coords={"parameter": list(found.names)}, attrs=said).isel(parameter=order)


def _named(name: str, wanted: Sequence[str]) -> bool:
    return any(Handle.of(name).answers(word) for word in wanted)


def _area(asked: _Asked) -> np.ndarray:
    """Area of columns; equal where places have none."""
    grid = asked.prepared.grid
    return np.asarray(grid.area, np.float64)[grid.column_cell] * asked.weights


def _elasticities(setup: Setup, quantity: str, scenario: str, run: RunWords) -> xr.Dataset:
    """Percent of the quantity per percent of each parameter, the largest first; over all cells by their area."""
    value, slope = gradient(setup, quantity, "parameters", scenario=scenario, **run)
    assert isinstance(slope, xr.DataArray)
    held = np.zeros((slope.sizes["parameter"], slope.sizes["community"]))
    for k, name in enumerate(slope["parameter"].values):
        held[k] = setup.parameter(str(name)).sel(community=slope["community"].values).values
    area = np.ones(1)
    if "cell" in slope.dims:
        with setup.started():
            asked = _asked(setup, quantity_of(quantity), scenario, run)
        area = np.asarray(asked.prepared.grid.area, np.float64)
        weights = xr.DataArray(area / area.sum(), dims="cell")
        known = value.notnull()
        value, slope = (value.where(known, 0.0) * weights).sum("cell"), (slope.where(known, 0.0) * weights).sum("cell")
    by_community = (
        slope.transpose("parameter", "community") * held / abs(float(value)) if float(value) else slope * np.nan
    )
    total = by_community.sum("community")
    order = np.argsort(-np.abs(total.values))
    made = xr.Dataset(
        {
            "elasticity": ("parameter", total.values, {"units": "percent per percent"}),
            "derivative": (("parameter", "community"), slope.transpose("parameter", "community").values),
        },
        coords={"parameter": slope["parameter"].values, "community": slope["community"].values},
        attrs={"quantity": quantity, "method": "adjoint", "value": float(value), "units": value.attrs.get("units", "")},
    )
    return made.isel(parameter=order)
