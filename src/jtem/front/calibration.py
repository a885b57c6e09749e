"""Fit parameters of a model at one site to what was observed there."""

from __future__ import annotations

import dataclasses
import re
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeGuard, TypeVar, Unpack

import numpy as np
import xarray as xr

from jtem.errors import InputError, suggest
from jtem.front.setup import PlanWords, Setup
from jtem.front.site import Table
from jtem.parameters import Handle, ParameterTable
from jtem.readers import observations as reading
from jtem.readers.columns import columns_of, split_unit
from jtem.readers.observed_units import check_celsius, conversion, days_in_month
from jtem.records import Named

if TYPE_CHECKING:
    import pandas as pd

    from jtem.assemble.course import Prepared
    from jtem.study.calibration.least_squares import Search
    from jtem.study.calibration.model import Misfit
    from jtem.study.calibration.problem import Channel, Free, Observations, Problem

Ranges = Sequence[str] | Mapping[str, tuple[float, float]]
"""Names of free parameters, or their bounds by name."""
M = TypeVar("M")


class SearchWords(PlanWords, total=False):
    """Arguments of a fit: see :func:`fit`."""

    units: Mapping[str, str] | None
    errors: Mapping[str, float] | None
    held_out: tuple[int, int] | None
    start: Mapping[str, float] | None
    starts: int
    iterations: int
    seed: int
    heat_differences: float
    progress: bool


@dataclass(frozen=True)
class Fit(Generic[M]):
    """A calibrated model and what the data say about it.

    ``model``: with the fitted values. ``parameters`` (parameter): ``value``, ``start``, ``lower`` and ``upper`` bound,
    ``standard_error``, ends of the 95 % interval, ``at_bound``. ``scores`` (stream, when): n, R2, RMSE, bias ``before`` and
    ``after``. ``simulated`` (observation): stream, year, month, observed, before, after; in the units of the streams. ``misfit``:
    sum of squared errors before and after. ``reason``: why the search stopped. ``notes``: what was assumed or left out.
    """

    model: M
    parameters: xr.Dataset
    scores: xr.Dataset
    simulated: xr.Dataset
    misfit: tuple[float, float]
    reason: str
    seconds: float
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        """Values with their errors, and the misfit."""
        lines = [f"<jtem fit: misfit {self.misfit[0]:.4g} -> {self.misfit[1]:.4g}; {self.reason}"]
        for name in self.parameters["parameter"].values:
            one = self.parameters.sel(parameter=name)
            bound = f", at its {one['at_bound'].item()} bound" if one["at_bound"].item() else ""
            lines.append(
                f"  {name}: {float(one['start']):.4g} -> {float(one['value']):.4g} +- {float(one['standard_error']):.2g}{bound}"
            )
        return "\n".join(lines) + ">"


def fit(
    setup: Setup,
    made: Callable[[Setup], M],
    observations: Table,
    free: Ranges,
    *,
    units: Mapping[str, str] | None = None,
    errors: Mapping[str, float] | None = None,
    held_out: tuple[int, int] | None = None,
    start: Mapping[str, float] | None = None,
    starts: int = 1,
    iterations: int = 50,
    seed: int = 0,
    heat_differences: float = 0.01,
    progress: bool = False,
    **run: Unpack[PlanWords],
) -> Fit[M]:
    """See :meth:`jtem.Model.calibrate`; ``made`` makes the model of the fitted setup.

    ``units``: of columns whose header states none (else the stream's own). ``errors``: one standard error of each stream
    (default: its observations' standard deviation, so that streams weigh alike). ``held_out``: first and last year that are
    scored and not fitted. ``start``: values to start from, in place of the model's. ``starts``: searches, the others from points
    around the first. ``heat_differences``: see ``study.calibration.problem.Problem``.
    """
    from jtem.study.calibration import least_squares
    from jtem.study.calibration.model import Misfit

    place = setup.place
    if place is None or not place.is_site:
        raise InputError("calibrate fits one site; use a calibration plan (jtem calibrate) for several")
    found, notes = observed(observations, place.name, units or {})
    found, more = _with_errors(found, errors or {})
    notes = [*notes, *more]
    known = found["year"].values[np.isfinite(found["year"].values)].astype(int)
    last = int(known.max()) if known.size else place.last_year
    years = run.get("years") or (place.first_year, min(max(last, place.first_year), place.last_year))
    with setup.started():
        prepared = setup.prepared(setup.sections(**{**run, "years": years}))
        history = prepared.experiment.stages[0]
        inside = ~(found["year"].values < history.first_year) & ~(found["year"].values > history.last_year)
        if not inside.all():
            notes.append(f"{int((~inside).sum())} observations outside {years[0]}-{years[1]} left out")
            found = found.isel(observation=inside)
        community = _community(prepared)
        problem = _problem(place.name, prepared, found, community, free, start or {}, held_out, heat_differences)
        misfit = Misfit(problem)
        points = misfit.start + np.random.default_rng(seed).normal(0.0, 1.0, (starts, len(misfit.names)))
        points[0] = misfit.start
        rules = least_squares.Rules(iterations=iterations, longest_step=2.0)
        begin = time.perf_counter()
        searches = least_squares.minimise_many(
            misfit.residuals,
            misfit.jacobian,
            [least_squares.Search(x, rules) for x in points],
            report=tell if progress else None,
        )
        usable = [s for s in searches if s.jacobian is not None]
        if not usable:
            raise InputError(
                "the residuals at the start are not finite: the site has no equilibrium; move the start values"
            )
        best = least_squares.fit_of(min(usable, key=lambda s: s.cost))
        values = misfit.transform.values(best.x)
        # by the program of the search: another one settles soil heat a little differently
        before, after = (misfit.sensitivity(np.tile(v, (starts, 1)))[0][0] for v in (misfit.start_values, values))
        seconds = time.perf_counter() - begin
    rows = least_squares.summary(best, misfit.transform)
    fitted = {name: {community: value} for name, value in zip(misfit.names, values.tolist(), strict=True)}
    simulated = _simulated(found, problem, before, after)
    return Fit(
        model=made(setup.with_parameters(fitted)),
        parameters=_parameters(rows, misfit),
        scores=_scores(simulated),
        simulated=simulated,
        misfit=(float(searches[0].history[0]), float(best.cost)),
        reason=least_squares.REASONS[best.reason],
        seconds=seconds,
        notes=tuple(notes),
    )


def tell(searches: Sequence[Search]) -> None:
    """One line of a search's progress on standard error."""
    costs = " ".join(f"{s.cost:.5g}" for s in searches)
    sys.stderr.write(f"iteration {max(len(s.history) for s in searches) - 1:3d}  misfit {costs}\n")


# --- what was observed ------------------------------------------------------------------------------------------------


def observed(table: Table, site: str, units: Mapping[str, str]) -> tuple[xr.Dataset, list[str]]:
    """Observations of one site, in the form of ``readers.observations``, from a wide or a long table; and notes."""
    where = str(table) if isinstance(table, str | Path) else "the observations"
    if isinstance(table, xr.Dataset) and "observation" in table.dims:
        reading.check(table, where)
        return table, []
    if _is_frame(table):
        _refuse_stream({str(c) for c in table.columns}, where)
    if _is_frame(table) and {"variable", "value"} <= {str(c) for c in table.columns}:
        frame = table if "site" in table.columns else table.assign(site=site)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "observations.csv"
            frame.to_csv(path, index=False)
            return reading.read_table(path), []
    if isinstance(table, str | Path) and _is_long(Path(table)):
        return reading.read_table(table), []
    return _wide(table, site, units, where)


def _is_frame(table: Table) -> TypeGuard[pd.DataFrame]:
    return hasattr(table, "columns") and hasattr(table, "assign") and not isinstance(table, xr.Dataset)


def _is_long(path: Path) -> bool:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: table cannot be read ({error}); give the path of a CSV file") from None
    header = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    words = {word.strip() for word in header.split(",")}
    _refuse_stream(words, str(path))
    return {"variable", "value"} <= words


def _refuse_stream(words: set[str], where: str) -> None:
    """Raise ``InputError`` for a table of one observation a row whose column of names has jtem's own word for them."""
    if {"stream", "value"} <= words and "variable" not in words:
        raise InputError(
            f"{where}: a table of one observation a row has the columns variable, year, month and value (error, unit, depth_m "
            "where known); rename its column 'stream' to 'variable'"
        )


def _wide(table: Table, site: str, units: Mapping[str, str], where: str) -> tuple[xr.Dataset, list[str]]:
    """A column a stream, a row a month (or a year, where there is no month)."""
    yearly = False
    if _is_frame(table):
        words = [str(c).lower() for c in table.columns]
        if "year" in words and "month" not in words:
            yearly, table = True, table.assign(month=1)
    columns = columns_of(table, where)
    if columns.minute is not None:
        raise InputError(f"{where}: rows are not months; average them to months, with columns 'year' and 'month'")
    rows, notes, streams = [], [], {}
    known = (*reading.STREAMS, *reading.ALIASES)
    for name in columns.names:
        bare, stated = split_unit(name)
        stream, depth, factor = _stream(bare, where)
        if not stream:
            near = suggest(bare, known)
            if near.startswith("did you mean") and not bare.lower().endswith("_error"):
                notes.append(f"column '{name}' left out ({near})")
            continue
        streams[name] = stream
        unit = units.get(name) or units.get(bare) or stated or columns.units.get(name, "")
        values = columns.numbers(name)
        error = next((columns.numbers(e) for e in (f"{name}_error", f"{bare}_error") if e in columns.names), None)
        given = np.full(values.size, np.nan) if error is None else error
        kind = reading.STREAMS[stream]
        if yearly and kind.period == "month":
            raise InputError(f"{where}: '{name}' needs a month; add the column 'month'")
        if stream == "soil_temperature" and not unit:
            check_celsius(values[np.isfinite(values)].tolist(), f"{where}, '{name}'")
        for k in np.flatnonzero(np.isfinite(values)):
            year = int(columns.year[k])
            month = np.nan if yearly or kind.period == "year" else float(columns.month[k])
            scale, offset = conversion(stream, kind.unit, unit, days_in_month(float(year), month), where)
            value = factor * (values[k] * scale + offset)
            rows.append(
                reading.row(
                    site, stream, value, depth=depth, year=float(year), month=month, error=abs(scale) * given[k]
                )
            )
    if not rows:
        raise InputError(f"{where}: no observed stream among {', '.join(columns.names)}; known: {', '.join(known)}")
    return reading.dataset(rows, {site: {}}, where), notes


def _stream(name: str, where: str) -> tuple[str, float, float]:
    """Stream, depth (m) and sign of a column's name; "" where it is none. Raises ``InputError`` for a depth without a unit."""
    plain = name.strip().lower()
    found = re.fullmatch(r"(?:soil_temperature|tsoil|ts|tsl)_?([\d.]+) ?(m|cm)?", plain)
    if found and not found[2] and not found[1].startswith("0."):
        raise InputError(
            f"{where}: is '{name}' at {found[1]} m or cm, or sensor {found[1]}? name the column with its depth, as 'ts_10cm'"
        )
    if found:
        return "soil_temperature", float(found[1]) * (0.01 if found[2] == "cm" else 1.0), 1.0
    stream = plain if plain in reading.STREAMS else reading.ALIASES.get(plain, "")
    return stream, np.nan, -1.0 if plain in reading.NEGATED else 1.0


def _with_errors(found: xr.Dataset, errors: Mapping[str, float]) -> tuple[xr.Dataset, list[str]]:
    """Errors of all observations; where none is stated the standard deviation of the stream."""
    floor, notes = dict(errors), []
    stream, value, error = (found[name].values for name in ("stream", "value", "error"))
    for name in dict.fromkeys(stream):
        mine = stream == name
        if name in floor or np.isfinite(error[mine]).all():
            continue
        spread = float(value[mine].std()) or float(np.abs(value[mine]).mean()) or 1.0
        floor[str(name)] = spread
        notes.append(f"error of '{name}' not stated: the standard deviation of its values, {spread:.3g}")
    return reading.with_errors(found, floor), notes


# --- the problem ------------------------------------------------------------------------------------------------------


def _community(prepared: Prepared) -> str:
    rows = np.asarray(prepared.experiment.columns.community)
    if rows.size != 1:
        names = ", ".join(prepared.table.communities[int(k)] for k in rows)
        raise InputError(f"the site has {rows.size} communities ({names}); give one community to calibrate")
    return prepared.table.communities[int(rows[0])]


def _problem(
    site: str,
    prepared: Prepared,
    found: xr.Dataset,
    community: str,
    free: Ranges,
    start: Mapping[str, float],
    held_out: tuple[int, int] | None,
    heat_differences: float,
) -> Problem:
    import jax
    import jax.numpy as jnp

    from jtem.physics import permafrost
    from jtem.study.calibration.problem import Problem

    experiment = prepared.experiment
    spin = experiment.spin_up
    assert spin is not None
    cell = experiment.column_cell
    cycle = spin.climate(cell)
    mean = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64).mean(axis=1), cycle)
    mean = dataclasses.replace(mean, following_air_temperature=mean.air_temperature[:, 0])
    history = experiment.stages[0]
    design = experiment.design
    if design.permafrost.fills == "base_years":  # exposes nothing before its base years
        design = dataclasses.replace(design, permafrost=permafrost.NONE)
    table, rows = prepared.table, np.asarray(experiment.columns.community)
    observations, channels = _pieces(found, history.first_year, held_out)
    names = list(free)
    if not names:
        raise InputError("no parameter is free; name at least one")
    return Problem(
        sites=(site,),
        communities=(community,),
        cells=experiment.columns,
        rows=jax.tree.map(lambda leaf: jnp.asarray(leaf)[rows], experiment.parameters),
        spin_up=mean,
        history=history.climate(cell),
        channels=channels,
        observations=observations,
        free=tuple(_free(name, free, table, community, start) for name in names),
        design=design,
        heat_years=spin.heat_years,
        heat_differences=heat_differences,
    )


def _free(name: str, free: Ranges, table: ParameterTable, community: str, start: Mapping[str, float]) -> Free:
    from jtem.study.calibration.problem import Free

    entry = table.entry(name)
    if not entry.trainable:
        raise InputError(f"'{name}' is a threshold or an initial value and cannot be calibrated; choose another")
    value = np.asarray(entry.values[community], dtype=np.float64)
    if Handle.of(name).element is None and value.ndim:
        raise InputError(f"'{name}' has {value.size} numbers; name one of them, such as '{name}[0]'")
    low, high = free[name] if isinstance(free, Mapping) else (entry.lower, entry.upper)
    if not entry.lower <= low < high <= entry.upper:
        raise InputError(
            f"bounds [{low:g}, {high:g}] of '{name}' are not within the table's [{entry.lower:g}, {entry.upper:g}]; narrow them"
        )
    return Free(
        label=name, names=(name,), lower=float(low), upper=float(high), scale=entry.scale, start=start.get(name)
    )


def _pieces(
    found: xr.Dataset, first: int, held_out: tuple[int, int] | None
) -> tuple[Observations, tuple[Channel, ...]]:
    """Observations as pieces of monthly channels."""
    from jtem.study.calibration.problem import Channel, Observations

    channels: dict[Channel, int] = {}
    rows = []
    for k in range(found.sizes["observation"]):
        one = {
            name: found[name].values[k] for name in ("stream", "depth", "year", "month", "value", "error", "censored")
        }
        stream, year, month = str(one["stream"]), float(one["year"]), float(one["month"])
        if stream == "soil_temperature":
            channel = Channel(f"soil_temperature {one['depth']:.2f} m", depth=float(one["depth"]))
        else:
            channel = Channel(stream, reading.STREAMS[stream].variables)
        at = channels.setdefault(channel, len(channels))
        if np.isnan(year):
            begin, end = 0, 12
        elif np.isnan(month):
            begin, end = 12 * int(year - first), 12 * int(year - first) + 12
        else:
            begin = 12 * int(year - first) + int(month) - 1
            end = begin + 1
        how = "sum" if stream in ("net_primary_production", "nitrogen_uptake") else "mean"
        held = held_out is not None and held_out[0] <= year <= held_out[1]
        exact = not one["censored"]
        rows.append((0, at, begin, end, how, float(one["value"]), float(one["error"]), exact and not held))
    if not rows:
        raise InputError("no observation lies within the years of the run; change years or the table")
    return Observations(*[np.array(column) for column in zip(*rows, strict=True)]), tuple(channels)


# --- results ----------------------------------------------------------------------------------------------------------


def _parameters(rows: Sequence[Named], misfit: Misfit) -> xr.Dataset:
    fields = {
        "value": [r["value"] for r in rows],
        "start": misfit.start_values,
        "lower": misfit.transform.lower,
        "upper": misfit.transform.upper,
        "standard_error": [r["standard_error"] for r in rows],
        "interval_low": [r["lower"] for r in rows],
        "interval_high": [r["upper"] for r in rows],
        "at_bound": [r["bound"] for r in rows],
    }
    return xr.Dataset(
        {name: ("parameter", np.asarray(values)) for name, values in fields.items()},
        coords={"parameter": [r["name"] for r in rows]},
    )


def _simulated(found: xr.Dataset, problem: Problem, before: np.ndarray, after: np.ndarray) -> xr.Dataset:
    o = problem.observations
    made = {name: ("observation", found[name].values) for name in ("stream", "depth", "year", "month")}
    made |= {"observed": ("observation", o.value), "error": ("observation", o.error)}
    made |= {"before": ("observation", before), "after": ("observation", after), "fitted": ("observation", o.fit)}
    return xr.Dataset(made)


def _scores(simulated: xr.Dataset) -> xr.Dataset:
    """Scores of each stream before and after, of what was fitted and of what was held out."""
    from jtem.study import scores

    streams = list(dict.fromkeys(simulated["stream"].values.tolist()))
    shape = (len(streams), 2, 2)
    fields = {name: np.full(shape, np.nan) for name in ("n", "r2", "rmse", "bias")}
    for i, stream in enumerate(streams):
        for j, fitted in enumerate((True, False)):
            mine = (simulated["stream"].values == stream) & (simulated["fitted"].values == fitted)
            for k, when in enumerate(("before", "after")):
                if mine.any():
                    n, r2, rmse, bias, _ = scores.score(
                        simulated[when].values[mine], simulated["observed"].values[mine]
                    )
                    for name, value in zip(("n", "r2", "rmse", "bias"), (n, r2, rmse, bias), strict=True):
                        fields[name][i, j, k] = value
    dims = ("stream", "part", "when")
    coords = {"stream": streams, "part": ["fitted", "held out"], "when": ["before", "after"]}
    return xr.Dataset({name: (dims, values) for name, values in fields.items()}, coords=coords)
