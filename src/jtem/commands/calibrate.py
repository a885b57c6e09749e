"""``jtem calibrate``: parameters fitted to observations."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from jtem.assemble.model import parameter_files
from jtem.commands.run import output_folder
from jtem.devices import use_all_cores
from jtem.errors import DONE


def command_calibrate(arguments: argparse.Namespace) -> int:
    """Fit parameters to observations: see ``plan/calibration.py``; or export the problem to PEST and stop."""
    from jtem.plan import calibration as calibration_plan
    from jtem.plan import use_precision

    plan = calibration_plan.read(arguments.plan)
    use_all_cores(gradients=True)
    use_precision(plan.model.precision.name)
    from jtem import calibrate
    from jtem.assemble.sites import build
    from jtem.study.calibration import pest

    files = parameter_files((*plan.model.parameters, *arguments.overlay), arguments.data, f"{plan.where}: [model]")
    data = arguments.data or (Path(os.environ["JTEM_DATA"]) if "JTEM_DATA" in os.environ else None)
    prepared = build(plan, data, files)
    observed = prepared.problem.observations
    held = int((np.isfinite(observed.value) & ~observed.fit).sum())
    print(
        f"{plan.calibration.title or plan.calibration.name}: {len(prepared.problem.sites)} sites, {observed.fitted.sum()} "
        f"observations to fit, {held} held out, {len(prepared.model.names)} free coordinates"
    )
    for note in prepared.notes if arguments.verbose else ():
        print(f"  {note}")
    if prepared.notes and not arguments.verbose:
        print(f"  {len(prepared.notes)} notes about the data (--verbose shows them)")
    if arguments.pest is not None:
        problem = calibrate.pest_problem(prepared)
        again = f"jtem calibrate {arguments.plan.resolve()} --pest-values values.toml --pest-run simulated.txt"
        again += f" --data {data.resolve()}" if data else ""
        paths = [str(Path(name).resolve()) if Path(name).is_file() else name for name in arguments.overlay]
        again += "".join(f" --overlay {name}" for name in paths)
        for path in pest.write(problem, arguments.pest, plan.calibration.name, again).values():
            print(f"wrote {path}")
        return DONE
    if arguments.pest_run is not None:
        calibrate.simulated_for_pest(prepared, arguments.pest_values or Path("values.toml"), arguments.pest_run)
        return DONE
    folder = arguments.out or Path(plan.calibration.name)
    if arguments.pest_values is not None:
        text = calibrate.pest_overlay_text(prepared, arguments.pest_values)
        with output_folder(folder):
            (folder / "calibrated.toml").write_text(text, encoding="utf-8")
        print(f"wrote {folder / 'calibrated.toml'}")
        return DONE
    with output_folder(folder):
        print("compiling, then searching (misfit of each start; * has stopped)", flush=True)
        outcome = calibrate.fit(prepared, folder, resume=arguments.resume, say=lambda line: print(line, flush=True))
        found = calibrate.write_results(prepared, outcome, folder)
    from jtem.study.calibration.least_squares import REASONS, summary

    print(f"stopped: {REASONS[outcome.fit.reason]}; {outcome.fit.runs} model runs, {outcome.seconds:.0f} s")
    for name, bound in prepared.model.transform.at_bounds(prepared.model.transform.values(outcome.fit.x)):
        print(f"  {name} is at its {bound} bound")
    calibrate.print_scores(found, calibrate.read_before(folder), print)
    print(f"wrote {folder / 'calibrated.toml'}, scores.csv, parameters.csv and figures", flush=True)
    if plan.posterior is not None:
        with output_folder(folder):
            draws = calibrate.sample(
                prepared, outcome, folder, resume=arguments.resume, say=lambda line: print(line, flush=True)
            )
            drawn, warnings = calibrate.write_posterior(prepared, outcome, draws, folder)
        calibrate.print_posterior(drawn, summary(outcome.fit, prepared.model.transform), print)
        for warning in warnings:
            print(f"warning: {warning}")
        print(
            f"wrote {folder / 'posterior.csv'}, posterior_summary.csv and the figure; {draws.seconds:.0f} s of drawing"
        )
    return DONE
