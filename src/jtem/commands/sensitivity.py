"""``jtem sensitivity``: derivatives, indices and propagated uncertainty of a plan's quantities."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from jtem import plan as plans
from jtem import variables
from jtem.assemble.course import Prepared, open_plan
from jtem.assemble.provenance import attributes
from jtem.cluster import sharing
from jtem.commands.run import duration, note
from jtem.errors import DONE, FAILED_CELLS, InputError
from jtem.files import Inputs, output_folder
from jtem.plan.run import Plan, SensitivitySection
from jtem.records import Propagated, Spread
from jtem.report import page
from jtem.report import sensitivity as shown
from jtem.study import sensitivity
from jtem.study.sensitivity import HOW, Quantity, ensembles


def command_sensitivity(arguments: argparse.Namespace) -> int:
    """Derivatives, indices and propagated uncertainty of a plan with [sensitivity]: datasets, tables, figures."""
    begin = time.perf_counter()
    plan = plans.read(arguments.plan)
    if not plan.sensitivity.quantities:
        raise InputError(
            f'{plan.where}: section [sensitivity.quantities] is missing; add e.g. loss = "sum RH_PF 2015-2100"'
        )
    folder: Path = arguments.out or Path(f"{plan.plan.name}_sensitivity")
    with output_folder(folder):
        prepared = open_plan(arguments.plan, arguments.data, gradients=True)
        with sharing.spread(arguments.dask, arguments.workers, note) as (spread, _):
            written, failed = sensitivity_results(prepared, folder, spread, figures_wanted=not arguments.no_figures)
    print(f"{len(written)} files in {folder}, {duration(time.perf_counter() - begin)}")
    return FAILED_CELLS if failed else DONE


def quantity_of(name: str, text: str, where: str) -> Quantity:
    """``"sum RH_PF 2015-2100"`` as a :class:`jtem.study.sensitivity.Quantity`; raises ``InputError``."""
    where = f"{where}: [sensitivity.quantities] {name}"
    words = text.split()
    window = words[2].split("-") if len(words) == 3 else []
    if len(window) not in (1, 2) or not all(word.isdigit() for word in window):
        raise InputError(f'{where} is {text!r}; write "HOW VARIABLE FIRST-LAST" with how one of {", ".join(HOW)}')
    variable = variables.find(words[1], where)
    if variable.layer or variable.derived:
        raise InputError(f"{where}: {variable.name!r} is not one number a column; choose another variable")
    unit = variable.unit
    if words[0] == "sum":
        unit = unit.replace(" month-1", "").replace(" year-1", "")
    else:
        unit = unit.replace("month-1", "year-1") if variable.yearly == "sum" else unit
    return Quantity(name, variable.name, variable.yearly, words[0], int(window[0]), int(window[-1]), unit)


def asked(plan: Plan) -> tuple[list[Quantity], list[variables.Variable]]:
    """Quantities and outputs of [sensitivity], none where a plan has no such section; raises ``InputError``."""
    part = plan.sensitivity
    quantities = [quantity_of(name, text, plan.where) for name, text in part.quantities.items()]
    outputs = [variables.find(name, f"{plan.where}: [sensitivity]") for name in part.outputs]
    if (quantities or outputs) and not plan.scenario:
        raise InputError(f"{plan.where}: a sensitivity needs a [[scenario]]; add one")
    for quantity in quantities:
        quantity.weights(np.arange(plan.history.first, max(s.last for s in plan.scenario) + 1))  # lies within the years
    return quantities, outputs


def read_covariance(path: Path):
    """A table of name, value and one column a name, as ``study.sensitivity.ensembles.Uncertainty``; raises ``InputError``."""
    import csv

    from jtem.study.sensitivity.ensembles import Uncertainty

    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    names = tuple(str(row.get("name")) for row in rows)
    try:
        values = np.array([float(row["value"]) for row in rows])
        covariance = np.array([[float(row[other]) for other in names] for row in rows])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: not a covariance ({error}); write the columns name, value and one named after each parameter"
        ) from None
    return Uncertainty(names, values, covariance.reshape(len(names), len(names)), path.name)


def sensitivity_results(
    prepared: Prepared, folder: Path, spread: Spread, *, figures_wanted: bool
) -> tuple[list[Path], int]:
    """All methods of [sensitivity] into ``folder``; the files and the number of columns without an equilibrium."""
    plan, part, grid = prepared.plan, prepared.plan.sensitivity, prepared.grid
    where = f"{plan.where}: [sensitivity]"
    quantities, outputs = asked(plan)
    known = [s.name for s in plan.scenario]
    chosen = part.scenarios or (tuple(known) if "feedback" in part.methods else tuple(known[:1]))
    annual = dict((q.variable, q.reduction) for q in quantities) | {v.name: v.yearly for v in outputs}
    model = sensitivity.model_of(
        prepared.experiment, prepared.table, chosen, tuple(annual.items()), chunk_columns=part.chunk_columns
    )
    said = attributes(prepared) | {"spin_up": f"{model.chain.heat_years} years of soil heat, then the equilibrium"}
    drawing = figures_wanted and page.available()
    if figures_wanted and not drawing:
        print(f"no figures: {page.NO_MATPLOTLIB}")
    written: list[Path] = []
    print(
        f"{model.columns} columns, {len(model.vector.names)} parameters, {model.years[0]}-{model.years[-1]}", flush=True
    )
    begin, label = time.perf_counter(), ["forward"]

    def tell(scenario: str, done: int, total: int, what: str) -> None:
        print(f"  {label[0]} {scenario}: {done} of {total} {what}, {time.perf_counter() - begin:.0f} s", flush=True)

    print("compiling; the adjoint takes minutes", flush=True)
    model = replace(model, report=tell, spread=spread)
    whole = sensitivity.settled(model, chosen[0])
    failed = int((~whole).sum())
    settled, area = model.take(np.flatnonzero(whole)), sensitivity_area(prepared)[whole]
    if failed:
        print(
            f"{failed} columns have no equilibrium; their derivatives are missing in the files, and ensembles and sums "
            "leave them out",
            file=sys.stderr,
        )
    for scenario in chosen:
        if "adjoint" in part.methods:
            label[0] = "adjoint"
            result = sensitivity.adjoint(model, scenario, quantities)
            data = shown.adjoint_dataset(result, model.axes, grid)
            written.append(shown.write(data, folder / f"adjoint_{scenario}.nc", said))
            print(shown.as_text(data), flush=True)
            for quantity in quantities if drawing else ():
                written.append(shown.tornado(data, quantity.name, folder / f"tornado_{scenario}_{quantity.name}.png"))
                if len(np.unique(model.column_cell)) > 6:
                    written.append(shown.maps(data, quantity.name, folder / f"map_{scenario}_{quantity.name}.png"))
        if "tangent" in part.methods:
            label[0] = "tangent"
            moved = sensitivity.tangent(model, scenario, part.directions)
            data = shown.tangent_dataset(moved, model.axes, grid)
            written.append(shown.write(data, folder / f"tangent_{scenario}.nc", said))
            if drawing:
                names = [v.name for v in outputs] or [q.variable for q in quantities]
                written.append(shown.time_series(data, list(dict.fromkeys(names)), folder / f"tangent_{scenario}.png"))
        for method in ("morris", "sobol"):
            if method not in part.methods:
                continue
            label[0] = method
            size = {"trajectories": part.trajectories} if method == "morris" else {"samples": part.samples}
            found = getattr(ensembles, method)(
                settled, scenario, factors_of(part.parameters, where), quantities, spread=part.spread,
                area=area if settled.columns > 6 else None, seed=part.seed, **size,
            )  # fmt: skip
            data = shown.indices_dataset(found, settled.axes, grid, scenario)
            written.append(shown.write(data, folder / f"{method}_{scenario}.nc", said))
            if drawing:
                written.append(shown.indices(data, folder / f"{method}_{scenario}.png"))
    if "feedback" in part.methods:
        label[0] = "feedback"
        carried = feedback(part, settled, quantities, area, where)
        written.append(shown.write(shown.feedback_dataset(carried), folder / "feedback.nc", said))
        print(feedback_text(carried))
        if drawing:
            written.append(shown.feedback(shown.feedback_dataset(carried), folder / "feedback.png"))
    return written, failed


def feedback(
    part: SensitivitySection,
    settled: sensitivity.ColumnModel,
    quantities: Sequence[sensitivity.Quantity],
    area: np.ndarray,
    where: str,
) -> ensembles.Propagated:
    """Uncertainty of parameters carried to the quantities, by derivatives and by an ensemble; raises ``InputError``."""
    if part.covariance:
        path = Path(part.covariance)
        uncertainty = read_covariance(path if path.is_file() else Inputs().find(part.covariance, where))
    else:
        uncertainty = ensembles.prior(settled, factors_of(part.parameters, where), part.prior)
    units = {q.unit for q in quantities}
    if len(units) > 1:
        raise InputError(f"{where}: quantities of a feedback must share a unit, found {', '.join(sorted(units))}")
    pg = units == {"gC m-2"}
    weights = area * 1e-15 if pg else area / area.sum()
    return ensembles.propagate(
        settled, uncertainty, quantities, weights, samples=part.members, scales=part.scales, seed=part.seed,
        unit="Pg C" if pg else f"{units.pop()} (mean of the area)",
    )  # fmt: skip


def factors_of(names: Sequence[str], where: str) -> Sequence[str]:
    """The parameters of an ensemble; raises ``InputError`` where none is named."""
    if not names:
        raise InputError(f"{where}: 'parameters' is missing; name those that the ensemble varies")
    return names


def sensitivity_area(prepared: Prepared) -> np.ndarray:
    """Area of every column in m2; 1 for named sites, which have none."""
    grid = prepared.grid
    area = np.asarray(grid.area)[grid.column_cell] * np.asarray(grid.column_fraction) * 1e6
    return area if np.isfinite(area).all() and (area > 0).all() else np.ones(area.size)


def feedback_text(result: Propagated) -> str:
    """Linear and sampled uncertainty side by side."""
    lines = [f"uncertainty carried through ({result.source}; {result.unit})"]
    lines.append(f"  {'':42}{'scale':>6}{'best':>10}{'sd linear':>11}{'sd ensemble':>13}{'+-':>8}{'r2':>7}{'runs':>6}")
    for k, scale in enumerate(result.scales):
        for r, (scenario, name) in enumerate(result.rows):
            lines.append(
                f"  {scenario + ': ' + name:42}{scale:6.2g}{result.best[r]:10.4g}{result.linear[k, r]:11.4g}"
                f"{result.deviation[k, r]:13.4g}{result.deviation_error[k, r]:8.2g}{result.agreement[k, r]:7.3f}"
                f"{result.kept[k]:6d}"
            )
    return "\n".join(lines)
