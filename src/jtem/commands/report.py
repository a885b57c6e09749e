"""``jtem report``: tables and figures of finished runs, of finished calibrations and of tables of soil profiles."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jtem.errors import DONE, InputError

if TYPE_CHECKING:
    import xarray as xr

    from jtem.plan import Plan
    from jtem.records import Score
    from jtem.report.regional import Files, Region


def command_report(arguments: argparse.Namespace) -> int:
    """Tables and figures of a finished run; the papers' site panels of finished calibrations; soil profiles of a table."""
    from jtem import plan as plans
    from jtem.report import fields, site_panels

    folders: list[Path] = arguments.folders
    if arguments.profiles is not None:
        if folders:
            raise InputError(f"--profiles reports a table of soil profiles on its own; leave {folders[0]} out")
        profile_report(arguments)
        return DONE
    if not folders:
        raise InputError("nothing to report; give the folder of a run or of calibrations, or --profiles TABLE.csv")
    if arguments.by or arguments.simulated is not None:
        raise InputError("--by and --simulated belong to --profiles TABLE.csv; add it or leave them out")
    finished = [site_panels.calibrations(folder) for folder in folders]
    if any(finished):
        for folder, found in zip(folders, finished, strict=True):
            if not found:
                raise InputError(f"{folder}: holds no simulated.csv of a finished calibration, as the other folders do")
        out = arguments.out or (folders[0] / "report" if len(folders) == 1 else Path("calibration_report"))
        calibration_report([path for found in finished for path in found], out, not arguments.no_figures)
        return DONE
    parsed = [(folder, plans.parse(fields.written_plan(folder), f"the plan in {folder}")) for folder in folders]
    if len(parsed) > 1:
        out = arguments.out or Path("factorial_report")
        factorial_report(parsed, out, figures_wanted=not arguments.no_figures)
        return DONE
    ((folder, plan),) = parsed
    out = arguments.out or folder / "report"
    if plan.factorial.scenarios:
        factorial_report(parsed, out, figures_wanted=not arguments.no_figures)
    else:
        run_report(plan, folder, out, figures_wanted=not arguments.no_figures)
    return DONE


# --- runs without a factorial ----------------------------------------------------------------------------------------


def climate_words(plan: Plan) -> str:
    """What climate a run had, for titles."""
    source = plan.domain.source
    if source in ("isimip", "prepared"):
        return f"climate of {plan.prepare.model}" if plan.prepare.model else "prepared climate"
    return {"embedded": "emulated climate", "climate_grid": "half-degree climate"}.get(source, "own climate")


def caption(plan: Plan) -> str:
    """Title of a run with its climate and permafrost scheme."""
    return f"{plan.plan.title or plan.plan.name}: {climate_words(plan)}, '{plan.model.permafrost.name}' permafrost"


def scenario_stages(plan: Plan) -> dict[tuple[str, str, str], str]:
    """Stages of the scenarios by (scenario, "", run): one with ``expose = false`` is its twin's run without thaw.

    Twins have the same climate and years; a scenario without an exposing twin stands alone.
    """
    from jtem.report.regional import WITH_THAW, WITHOUT_THAW

    twins = {(s.climate, s.first, s.last): s.name for s in plan.scenario if s.expose}
    result = {(s.name, "", WITH_THAW): s.name for s in plan.scenario if s.expose}
    for s in plan.scenario:
        if not s.expose:
            twin = twins.get((s.climate, s.first, s.last))
            key = (twin, "", WITHOUT_THAW) if twin else (s.name, "", WITH_THAW)
            result.setdefault(key, s.name)
    return result


def run_report(plan: Plan, folder: Path, out: Path, *, figures_wanted: bool) -> None:
    """A table and figures of a run into ``out``: a page for each site, or one for a region."""
    from jtem.files import prepare_folder
    from jtem.report import fields, page

    stages = [plan.history.name, *(s.name for s in plan.scenario)]
    annual = fields.open_stages(folder, plan.plan.name, stages, "annual")
    if plan.history.name not in annual:
        raise InputError(f"{folder}: the annual file of '{plan.history.name}' is missing; run the plan again")
    prepare_folder(out)
    if figures_wanted and not page.available():
        print(f"no figures: {page.NO_MATPLOTLIB}")
        figures_wanted = False
    first = annual[plan.history.name]
    if "site" in first.variables or fields.cells(first) == 1:
        written = site_report(plan, folder, annual, out, figures_wanted)
    else:
        written = region_report(plan, folder, out / "overview.png" if figures_wanted else None, out / "headline.csv")
    print(f"{len(written)} files in {out}")


def site_report(
    plan: Plan, folder: Path, annual: Mapping[str, xr.Dataset], out: Path, figures_wanted: bool
) -> list[Path]:
    """Numbers of every site on the screen and in ``sites.csv``, and a page of each."""
    from jtem.files import write_table
    from jtem.report import fields, page, site_page

    monthly = fields.open_stages(folder, plan.plan.name, list(annual), "monthly")
    first = annual[plan.history.name]
    rows: list[tuple[str, ...]] = []
    written: list[Path] = []
    print(caption(plan))
    for cell in range(fields.cells(first)):
        place = fields.place_name(first, cell)
        table = site_page.table(annual, cell)
        print(site_page.as_text(table, place))
        rows += [("site", *table[0])] if not rows else []
        rows += [(place, *row) for row in table[1:]]
        if figures_wanted:
            name = str(first["site"].values[cell]) if "site" in first.variables else plan.plan.name
            figure = site_page.overview(annual, monthly or None, cell=cell, title=f"{place}; {caption(plan)}")
            written.append(page.save(figure, out / f"{re.sub(r'[^A-Za-z0-9._-]+', '_', name)}.png"))
    return [write_table(out / "sites.csv", rows), *written]


def region_report(plan: Plan, folder: Path, figure: Path | None, table: Path | None) -> list[Path]:
    """Headline of a region on the screen and, where paths are given, as a table and as maps and series in a figure."""
    from jtem.report import page, papers, region_page, regional

    last, base = plan.history.last, regional.BASE_YEARS
    ends = {s.last for s in plan.scenario} | {last}
    known = base[0] <= max(ends) and base[1] >= plan.history.first
    region = regional.read(
        {"": regional.Files(folder, plan.plan.name)},
        plan.history.name,
        scenario_stages(plan),
        base if known else plan.base_years,
        plan.plan.title or plan.plan.name,
    )
    paper = papers.find(plan.paper, plan.where)
    lines = region_page.headline(region, regional.published(paper.headline) if paper else {})
    where = "" if region.permafrost else "; no permafrost: totals over all cells"
    print(regional.as_text(lines, caption(plan) + where, paper.short if paper else ""))
    written = [regional.write_lines(table, lines)] if table else []
    if figure and page.available():
        written.append(region_page.draw(region, figure, f"{region.title} - {climate_words(plan)}"))
        print(f"figure: {figure}")
    elif figure:
        print(f"no figure: {page.NO_MATPLOTLIB}")
    return written


# --- calibrations ----------------------------------------------------------------------------------------------------


def calibration_report(folders: Sequence[Path], out: Path, figures_wanted: bool) -> None:
    """The papers' site panels and ``scores_beside_papers.csv`` of finished calibrations, into ``out``."""
    from jtem.files import prepare_folder, write_table
    from jtem.report import page, site_panels
    from jtem.study import scores

    runs = site_panels.read_all(folders)
    prepare_folder(out)
    found = []
    for run in runs:
        seen = run.part != ""
        names = (run.site[seen].tolist(), run.stream[seen].tolist(), run.part[seen].tolist())
        found.append(scores.table(*names, run.after[seen], run.observed[seen]))
    rows = site_panels.beside(runs, found, site_panels.cases())
    lines = site_panels.table(rows)
    written = [write_table(out / "scores_beside_papers.csv", lines)]
    print(f"{'site':16s} {'stream':24s} {'part':9s} {'n':>4s} {'R2':>8s} {'paper':>10s}  figure")
    for line in lines[1:]:
        site, stream, part, n, r2, paper, *_, source, figure, _, note = line
        if source:
            said = note if n == "0" else ""
            print(f"{site:16s} {stream:24s} {part:9s} {n:>4s} {r2:>8s} {paper:>10s}  {source} {figure} {said}".rstrip())
    if figures_wanted and page.available():
        written += site_panels.draw(rows, out)
    elif figures_wanted:
        print(f"no figures: {page.NO_MATPLOTLIB}")
    print(f"{len(written)} files in {out}")


def profile_report(arguments: argparse.Namespace) -> None:
    """Half depths, mean profiles and, beside a run, active-layer stocks of a table of soil profiles."""
    from jtem.files import prepare_folder, write_table
    from jtem.plan import use_precision
    from jtem.readers import soil_profiles
    from jtem.report import page
    from jtem.report import profiles as shown
    from jtem.study import profiles, scores

    path: Path = arguments.profiles
    if not path.is_file() and not path.is_absolute() and "JTEM_DATA" in os.environ:
        path = Path(os.environ["JTEM_DATA"]) / path
    table = soil_profiles.profile_table(path, arguments.by)
    use_precision("float64")
    out: Path = arguments.out or Path(f"{path.stem}_profiles")
    prepare_folder(out)
    for note in str(table.attrs["notes"]).splitlines():
        print(note)
    kind = np.array([str(word) or shown.NOT_STATED for word in table["vegetation"].values])
    names = [shown.ALL, *sorted(set(kind.tolist()) - {shown.NOT_STATED}), shown.NOT_STATED]
    groups = []
    for element in shown.ELEMENTS:
        known = soil_profiles.cumulative_stocks(table, element, estimated=False)
        for name in names:
            mine = [p for p, word in zip(known, kind, strict=True) if name in (shown.ALL, word) and p[0].size]
            if mine:
                points = profiles.shares(mine)
                fit = profiles.fit_half_depth(points)
                mean = profiles.mean_profile(profiles.interval_stocks(mine))
                groups.append(shown.Group(name, element, fit, mean, points, profiles.curve(fit, points)))
    written = [
        write_table(out / "profile_parameters.csv", shown.parameter_table(groups)),
        write_table(out / "mean_profiles.csv", shown.mean_table(groups, profiles.EDGES)),
    ]
    print(f"{'vegetation':32s} {'element':8s} {'b (m)':>7s} {'+-':>6s} {'n':>5s} {'R2':>6s}")
    for element in shown.ELEMENTS:
        for g in shown.largest(groups, element):
            said = f"at its {g.fit.bound} bound" if g.fit.bound else ""
            print(
                f"{g.name[:32]:32s} {element:8s} {g.fit.value:7.2f} {g.fit.standard_error:6.2f} {g.fit.profiles:5d} "
                f"{g.fit.r2:6.2f} {said}".rstrip()
            )
    simulated: Path | None = arguments.simulated
    stocks: list[tuple[str, ...]] = []
    found: list[Score] = []
    if simulated is not None:
        stocks, found = active_layer_comparison(simulated, table, kind)
        written.append(write_table(out / "active_layer_stocks.csv", stocks))
        scores.write(found, out / "active_layer_scores.csv")
        written.append(out / "active_layer_scores.csv")
        for s in found:
            if s.site == scores.ALL or len(found) == 1:
                print(
                    f"{s.stream}: n {s.n}, R2 {s.r2:.2f}, RMSE {s.rmse / 1000:.3g} kg m-2, bias {s.bias / 1000:.3g} kg m-2"
                )
    if not arguments.no_figures and page.available():
        written += shown.draw(groups, profiles.EDGES, path.name, out)
        if simulated is not None:
            places = [np.asarray(table[name].values, dtype=np.float64) for name in ("latitude", "longitude")]
            drawn, source = out / "liu2022_figure2_stocks.png", f"{path.name} and {simulated.name}"
            plateau = bool(shown.on_plateau(*places).any())
            written.append(shown.stocks_figure(drawn, stocks, found, source, plateau=plateau))
    elif not arguments.no_figures:
        print(f"no figures: {page.NO_MATPLOTLIB}")
    print(f"{len(written)} files in {out}")


def active_layer_comparison(
    simulated: Path, table: xr.Dataset, kind: np.ndarray
) -> tuple[list[tuple[str, ...]], list[Score]]:
    """Observed stocks down to the simulated active layer beside the simulated ones: lines of a table, and scores.

    ``simulated``: an annual file of a run (a profile takes the nearest cell whose middle is within the side of its area),
    or a CSV table by site. ``kind`` (place,): vegetation types. Raises ``InputError`` where nothing can be compared.
    """
    from jtem.readers import regrid, soil_profiles
    from jtem.report import profiles as shown
    from jtem.study import profiles

    places = [str(name) for name in table["place"].values]
    if simulated.suffix == ".csv":
        mine = soil_profiles.active_layer_stocks(simulated, places)
    else:
        run = shown.read_run(simulated)
        place = [np.asarray(table[name].values, dtype=np.float64) for name in ("latitude", "longitude")]
        known = np.isfinite(place[0]) & np.isfinite(place[1])
        cell = np.zeros(known.size, dtype=int)
        distance = np.full(known.size, np.inf)
        if known.any():
            cell[known], distance[known] = regrid.nearest_place(
                place[0][known], place[1][known], run.latitude, run.longitude
            )
        inside = distance <= np.sqrt(run.area[cell])
        mine = {name: np.where(inside, getattr(run, name)[cell], np.nan) for name in ("thaw", "carbon", "nitrogen")}
        print(
            f"{int(inside.sum())} of {inside.size} profiles lie in a cell of {simulated.name} (mean of its last "
            f"{shown.YEARS} years)"
        )
    lines: list[tuple[str, ...]] = [shown.STOCK_COLUMNS]
    found = []
    for element in shown.ELEMENTS:
        observed = soil_profiles.stock_above(table, mine["thaw"], element, estimated=False)
        both = np.isfinite(observed) & np.isfinite(mine[element])
        if not both.any():
            continue
        found += profiles.stock_scores(kind[both].tolist(), element, mine[element][both], observed[both])
        for k in np.flatnonzero(both):
            numbers = (mine["thaw"][k], observed[k] / 1000.0, mine[element][k] / 1000.0)
            lines.append((places[k], kind[k], element, *(f"{v:.5g}" for v in numbers)))
    if not found:
        raise InputError(
            f"{simulated}: no profile is known down to the simulated active layer at its place; check that places or sites and "
            "depths match"
        )
    return lines, found


# --- factorials ------------------------------------------------------------------------------------------------------


def climate_models(found: Sequence[tuple[Path, Plan]]) -> dict[str, Files]:
    """Members of runs reported together, a climate model each: its word in the plan's [prepare], else the plan's name."""
    from jtem.report.regional import Files

    (first_folder, first), *others = found
    for folder, plan in found:
        if not plan.factorial.scenarios or plan.factorial.members:
            raise InputError(
                f"{folder}: only runs of a [factorial] without members of their own are reported together; give one run"
            )
    for folder, plan in others:
        a, b = first.factorial, plan.factorial
        same = {
            "runs": a.runs == b.runs,
            "scenarios": a.scenarios == b.scenarios,
            "base_year": a.base_year == b.base_year,
        }
        same["history"] = (first.history.name, first.history.last) == (plan.history.name, plan.history.last)
        if not all(same.values()):
            key = next(name for name, equal in same.items() if not equal)
            raise InputError(f"{folder}: has another {key} than {first_folder}; report runs of one protocol together")
    words = [plan.prepare.model or plan.plan.name for _, plan in found]
    if len(set(words)) < len(words):
        words = [folder.name for folder, _ in found]
    if len(set(words)) < len(words):
        raise InputError(
            f"{first_folder}: its climate model, plan and folder are called as another's; rename the folder"
        )
    return {word: Files(folder, plan.plan.name) for word, (folder, plan) in zip(words, found, strict=True)}


def read_factorial(found: Sequence[tuple[Path, Plan]]) -> Region:
    """All runs of a factorial, or of several that are the climate models of one protocol."""
    from jtem.report import papers, regional

    folder, plan = found[0]
    f, paper = plan.factorial, papers.find(plan.paper, plan.where)
    if len(found) > 1:
        if paper is not None and not paper.ensemble:
            raise InputError(f"{folder}: {paper.words} have one climate model; report each run on its own")
        files, members = climate_models(found), dict.fromkeys(climate_models(found), "")
    else:
        members = {member.name: member.name for member in f.ensemble}
        files = {name: regional.Files(folder, plan.plan.name) for name in members}
    return regional.read(
        files,
        plan.history.name,
        regional.factorial_stages(f.scenarios, members, [row.name for row in f.protocol]),
        paper.base_years(plan.history.last) if paper else plan.base_years,
        plan.plan.title or plan.plan.name,
    )


def factorial_report(found: Sequence[tuple[Path, Plan]], out: Path, *, figures_wanted: bool) -> None:
    """Report of a plan with ``[factorial]`` into ``out``: headline, tables, closures, figures of its paper, or of none."""
    from jtem.files import prepare_folder
    from jtem.report import page, papers, regional, statements

    _, plan = found[0]
    data = read_factorial(found)
    prepare_folder(out)
    held = {row.name: sorted(row.held) for row in plan.factorial.protocol}
    paper, said = papers.find(plan.paper, plan.where), ""
    if paper is None:
        made = papers.own_report(data, held)
    else:
        notes = papers.differences(plan.paper, plan.domain.source)
        made = paper.report(data, notes, held, plan.factorial.base_year)
        judged = statements.judge(data, plan.paper)
        made.tables["statements"], said = statements.table(judged, plan.paper), statements.summary(judged)
    closed, remark = papers.closure_table(data)
    made.tables["closure"] = closed
    for text in filter(None, (*made.remarks, remark, said)):
        print(text)
    written = papers.write(data, made, out, figures=figures_wanted)
    print(
        regional.as_text(made.lines, plan.plan.title or plan.plan.name, "printed" if paper else "", notes=paper is None)
    )
    if figures_wanted and not page.available():
        print(f"no figures: {page.NO_MATPLOTLIB}")
    print(f"{len(written)} files in {out}")
