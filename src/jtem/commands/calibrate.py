"""``jtem calibrate``: parameters fitted to observations, draws of their posterior; or the problem for PEST."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from jtem.assemble.calibration import open_case
from jtem.cluster import sharing
from jtem.commands.run import note
from jtem.errors import DONE, InputError
from jtem.files import output_folder, write_text
from jtem.report import calibration as figures
from jtem.study import scores
from jtem.study.calibration import pest, posterior, results, sampling, search
from jtem.study.calibration.case import Case
from jtem.study.calibration.least_squares import REASONS, summary
from jtem.study.calibration.published import Regional
from jtem.study.calibration.results import Evaluation, units
from jtem.study.calibration.search import Outcome


def command_calibrate(arguments: argparse.Namespace) -> int:
    """Fit parameters to observations; or write the problem for PEST, or one run of it, and stop."""
    case = open_case(arguments.plan, arguments.data, overlays=arguments.overlay)
    print_case(case, arguments.verbose)
    if arguments.pest is not None:
        again = pest_command(arguments)
        for path in pest.write(pest.problem_of(case.model, case.first_year), arguments.pest, case.name, again).values():
            print(f"wrote {path}")
        return DONE
    filled: Path = arguments.pest_values or Path("values.toml")
    if arguments.pest_run is not None:
        values = pest.read_values(filled, case.model.names)
        problem = pest.problem_of(case.model, case.first_year)
        pest.write_simulated(problem, pest.simulated(case.model, values), arguments.pest_run)
        return DONE
    folder: Path = arguments.out or Path(case.name)
    if (folder / "calibrated.toml").exists() and not (arguments.force or arguments.resume):
        raise InputError(
            f"{folder}: holds the results of a finished calibration; choose another folder with --out, go on with --resume, or "
            "overwrite with --force"
        )
    if arguments.pest_values is not None:
        with output_folder(folder):
            text = results.pest_overlay_text(case, pest.read_values(filled, case.model.names), filled.name)
            print(f"wrote {write_text(folder / 'calibrated.toml', text)}")
        return DONE
    with sharing.spread(arguments.dask, arguments.workers, note) as (spread, workers):
        case.model.share_out(spread, workers)
        outcome = fit(case, folder, arguments.resume, arguments.untouched)
        if case.posterior is not None:
            draw(case, outcome, folder, arguments.resume)
    return DONE


def pest_command(arguments: argparse.Namespace) -> str:
    """The command with which PEST runs the model."""
    words = [f"jtem calibrate {arguments.plan.resolve()} --pest-values values.toml --pest-run simulated.txt"]
    words += [f"--data {arguments.data.resolve()}"] if arguments.data else []
    paths = [str(Path(name).resolve()) if Path(name).is_file() else name for name in arguments.overlay]
    return " ".join([*words, *(f"--overlay {name}" for name in paths)])


def print_case(case: Case, verbose: bool) -> None:
    """What is fitted, from what, in which climate."""
    observed = case.problem.observations
    held = int((np.isfinite(observed.value) & ~observed.fit).sum())
    print(
        f"{case.title}: {len(case.problem.sites)} sites, {observed.fitted.sum()} observations to fit, {held} held out, "
        f"{len(case.model.names)} free coordinates"
    )
    for told in case.inputs:
        print(f"  {told}")
    for told in case.notes if verbose else ():
        print(f"  {told}")
    if case.notes and not verbose:
        print(f"  {len(case.notes)} notes about the data (--verbose shows them)")


def say(line: str) -> None:
    """A line at once, whoever reads it."""
    print(line, flush=True)


def fit(case: Case, folder: Path, resume: bool, untouched: bool = False) -> Outcome:
    """Search, validate, write the results and figures, print the scores."""
    with output_folder(folder):
        say("compiling, then searching (misfit of each start; * has stopped)")
        outcome = search.fit(case, folder, resume=resume, say=say)
        result = results.evaluate(case, outcome)
        validation = search.validate(case, folder, resume=resume, say=say)
        found = results.write_results(case, outcome, result, folder, validation, untouched)
        if isinstance(case.model, Regional):
            rows = published_rows(case, result)
            results.table(folder / "published.csv", PUBLISHED_HEAD, rows)
        elif figures.available():
            for s, name in enumerate(case.problem.sites):
                figures.panel(folder / f"fit_{file_name(name)}.png", name, panels(case, result, s))
    print(f"stopped: {REASONS[outcome.fit.reason]}; {outcome.fit.runs} model runs, {outcome.seconds:.0f} s")
    for name, bound in case.model.transform.at_bounds(case.model.transform.values(outcome.fit.x)):
        print(f"  {name} is at its {bound} bound")
    if isinstance(case.model, Regional):
        print_published(published_rows(case, result), outcome)
        say(f"wrote {folder / 'calibrated.toml'}, published.csv, parameters.csv, correlations.csv, singular_values.csv")
        return outcome
    shown = found if validation is None else [s for s in found if s.site == scores.ALL]
    print_scores(shown, results.read_before(folder))
    say(f"wrote {folder / 'calibrated.toml'}, scores.csv, parameters.csv and figures")
    return outcome


PUBLISHED_HEAD = (
    "key",
    "scenario",
    "unit",
    "printed",
    "error",
    "before",
    "after",
    "spread",
    "after over printed",
    "fitted",
)


def published_rows(case: Case, result: Evaluation) -> list[list[str | float]]:
    """Printed numbers beside those of the start and of the fit; ``spread``: what the parameters' uncertainty makes of it."""
    o = case.problem.observations
    return [
        [*channel.name.rsplit(" ", 1), case.units[k], o.value[k], o.error[k], result.before[k], result.after[k], result.spread[k],
         result.after[k] / o.value[k], "yes" if o.fit[k] else "no"]
        for k, channel in enumerate(case.problem.channels)
    ]  # fmt: skip


def print_published(rows: Sequence[Sequence[str | float]], outcome: Outcome) -> None:
    """A table for people, and what the numbers tell of the parameters."""
    print(f"{'number':32s} {'scenario':11s} {'printed':>10s} {'before':>10s} {'after':>10s} {'spread':>10s}")
    for key, scenario, _, printed, _, before, after, spread, *_ in rows:
        print(f"{key:32s} {scenario:11s} {printed:10.4g} {before:10.4g} {after:10.4g} {spread:10.2g}")
    near = sum(abs(float(row[8]) - 1.0) <= 0.25 for row in rows)
    singular = ", ".join(f"{s:.3g}" for s in outcome.fit.singular_values)
    print(f"{near} of {len(rows)} within 25 %; singular values of the Jacobian: {singular}")


def draw(case: Case, outcome: Outcome, folder: Path, resume: bool) -> None:
    """Draw from the posterior, write the draws and their figure, print their summary."""
    with output_folder(folder):
        draws = posterior.sample(case, outcome, folder, resume=resume, say=say)
        drawn, warnings = posterior.write_posterior(case, outcome, draws, folder)
        if figures.available():
            values = case.model.transform.values(draws.kept(posterior.settings_of(case).warmup).x)
            figures.marginals(folder / "posterior.png", case.title, marginals(case, outcome, values))
    print_posterior(drawn, summary(outcome.fit, case.model.transform))
    for warning in warnings:
        print(f"warning: {warning}")
    print(f"wrote {folder / 'posterior.csv'}, posterior_summary.csv and the figure; {draws.seconds:.0f} s of drawing")


def print_posterior(found: Sequence[sampling.PosteriorSummary], laplace: Sequence[Mapping[str, float | str]]) -> None:
    """A table for people; ``laplace``: rows of ``least_squares.summary``."""
    print(f"{'coordinate':44s} {'mean':>10s} {'s.d.':>10s} {'Laplace':>10s} {'error':>10s} {'R-hat':>7s} {'ESS':>7s}")
    for one, row in zip(found, laplace, strict=True):
        print(
            f"{one.name:44s} {one.mean:10.4g} {one.standard_deviation:10.3g} {float(row['value']):10.4g} "
            f"{float(row['standard_error']):10.3g} {one.r_hat:7.3f} {one.effective:7.0f}"
        )


def file_name(name: str) -> str:
    """A site's name as part of a file name."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)


def panels(case: Case, result: Evaluation, site: int) -> list[figures.Panel]:
    """Observed and simulated series of a site, a panel a channel."""
    o, p = case.problem.observations, case.problem
    made = []
    for c, channel in enumerate(p.channels):
        mine = np.flatnonzero((o.site == site) & (o.channel == c))
        if not mine.size:
            continue
        when = case.first_year + (o.begin[mine] + o.end[mine]) / 24.0
        made.append(
            figures.Panel(
                channel.name.replace("_", " "),
                case.units[c],
                when,
                o.value[mine],
                o.error[mine],
                o.fit[mine],
                result.before[mine],
                result.after[mine],
                result.spread[mine],
            )
        )
    return made


def marginals(case: Case, outcome: Outcome, values: np.ndarray) -> list[figures.Marginal]:
    """Draws of each coordinate and the density of the Laplace approximation (normal in free coordinates)."""
    transform, x = case.model.transform, outcome.fit.x
    deviation = np.sqrt(np.diag(outcome.fit.covariance()))
    known = np.isfinite(deviation)
    spread = np.where(known, deviation, 1.0)
    steps = np.linspace(-4.0, 4.0, 161)[:, None]
    points = x + steps * spread
    density = np.exp(-0.5 * steps**2) / (np.sqrt(2.0 * np.pi) * spread) / transform.slope(points)
    density[:, ~known] = np.nan
    grid, flat = transform.values(points), values.reshape(-1, x.size)
    return [
        figures.Marginal(name, unit, flat[:, k], grid[:, k], density[:, k], transform.lower[k], transform.upper[k])
        for k, (name, unit) in enumerate(zip(transform.names, units(case), strict=True))
    ]


def print_scores(found: Sequence[scores.Score], before: Sequence[scores.Score]) -> None:
    """A table for people."""
    old = {(s.site, s.stream, s.part): s for s in before}
    print(f"{'site':12s} {'stream':28s} {'part':9s} {'n':>5s} {'R2 before':>10s} {'R2':>7s} {'RMSE':>9s} {'bias':>9s}")
    for s in found:
        b = old.get((s.site, s.stream, s.part))
        r2 = b.r2 if b else math.nan
        print(f"{s.site:12s} {s.stream:28s} {s.part:9s} {s.n:5d} {r2:10.3f} {s.r2:7.3f} {s.rmse:9.3g} {s.bias:9.3g}")
