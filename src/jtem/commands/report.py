"""``jtem report``: tables and figures of finished runs, of finished calibrations and of tables of soil profiles."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jtem.errors import DONE, InputError

if TYPE_CHECKING:
    from jtem.plan import Plan


def report(plan: Plan, folder: Path, *, figure: bool) -> None:
    """Headline table and figure of a run with scenarios, from its files."""
    from jtem.report import diagnostics, figures

    scenarios = [s.name for s in plan.scenario if not s.name.endswith(diagnostics.NO_THAW)]
    results = diagnostics.all_series(folder, plan.plan.name, plan.history.name, scenarios)
    rows = diagnostics.headline(results, scenarios)
    print(diagnostics.text_table(rows, f"{plan.plan.title or plan.plan.name}: emulated climate, 'layered' permafrost"))
    if not figure:
        return
    if not figures.available():
        print("no figure: matplotlib is not installed; run: pip install 'jtem[plots]'")
        return
    past = diagnostics.open_annual(folder, plan.plan.name, plan.history.name)
    maps = [("ALT", past, plan.history.last)]
    maps += [
        (f"ALT, {figures.label(name)}", diagnostics.open_annual(folder, plan.plan.name, name), plan.scenario[0].last)
        for name in scenarios[:2]
    ]
    path = figures.demo_figure(
        folder / f"{plan.plan.name}.png",
        results,
        scenarios,
        maps,
        f"{plan.plan.title or plan.plan.name} - emulated climate",
    )
    print(f"figure: {path}")


def command_report(arguments: argparse.Namespace) -> int:
    """Tables and figures of a finished run; the papers' site panels of finished calibrations; soil profiles of a table."""
    from jtem import plan as plans
    from jtem.report import site_panels

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
    parsed = [(folder, plans.parse(written_plan(folder), f"the plan in {folder}")) for folder in folders]
    if len(parsed) > 1:
        out = arguments.out or Path("factorial_report")
        factorial_report(parsed, out, figures_wanted=not arguments.no_figures)
        return DONE
    ((folder, plan),) = parsed
    if not plan.factorial.scenarios:
        report(plan, folder, figure=not arguments.no_figures)
        return DONE
    factorial_report(parsed, arguments.out or folder / "report", figures_wanted=not arguments.no_figures)
    return DONE


def calibration_report(folders: Sequence[Path], out: Path, figures_wanted: bool) -> None:
    """The papers' site panels and ``scores_beside_papers.csv`` of finished calibrations, into ``out``."""
    from jtem.files import prepare_folder
    from jtem.report import factorial, figures, site_panels
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
    written = [factorial.write_table(out / "scores_beside_papers.csv", lines)]
    print(f"{'site':16s} {'stream':24s} {'part':9s} {'n':>4s} {'R2':>8s} {'paper':>10s}  figure")
    for line in lines[1:]:
        site, stream, part, n, r2, paper, *_, source, figure, _, note = line
        if source:
            said = note if n == "0" else ""
            print(f"{site:16s} {stream:24s} {part:9s} {n:>4s} {r2:>8s} {paper:>10s}  {source} {figure} {said}".rstrip())
    if figures_wanted and figures.available():
        written += site_panels.draw(rows, out)
    elif figures_wanted:
        print("no figures: matplotlib is not installed; run: pip install 'jtem[plots]'")
    print(f"{len(written)} files in {out}")


def profile_report(arguments: argparse.Namespace) -> None:
    """Half depths, mean profiles and, beside a run, active-layer stocks of a table of soil profiles."""
    from jtem.files import prepare_folder
    from jtem.plan import use_precision
    from jtem.readers import soil_profiles
    from jtem.report import factorial, figures
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
        factorial.write_table(out / "profile_parameters.csv", shown.parameter_table(groups)),
        factorial.write_table(out / "mean_profiles.csv", shown.mean_table(groups, profiles.EDGES)),
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
    found: list[Any] = []
    if simulated is not None:
        stocks, found = active_layer_comparison(simulated, table, kind)
        written.append(factorial.write_table(out / "active_layer_stocks.csv", stocks))
        scores.write(found, out / "active_layer_scores.csv")
        written.append(out / "active_layer_scores.csv")
        for s in found:
            if s.site == scores.ALL or len(found) == 1:
                print(
                    f"{s.stream}: n {s.n}, R2 {s.r2:.2f}, RMSE {s.rmse / 1000:.3g} kg m-2, bias {s.bias / 1000:.3g} kg m-2"
                )
    if not arguments.no_figures and figures.available():
        written += shown.draw(groups, profiles.EDGES, path.name, out)
        if simulated is not None:
            places = [np.asarray(table[name].values, dtype=np.float64) for name in ("latitude", "longitude")]
            drawn, source = out / "liu2022_figure2_stocks.png", f"{path.name} and {simulated.name}"
            plateau = bool(shown.on_plateau(*places).any())
            written.append(shown.stocks_figure(drawn, stocks, found, source, plateau=plateau))
    elif not arguments.no_figures:
        print("no figures: matplotlib is not installed; run: pip install 'jtem[plots]'")
    print(f"{len(written)} files in {out}")


def active_layer_comparison(simulated: Path, table: Any, kind: np.ndarray) -> tuple[list[tuple[str, ...]], list[Any]]:
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


def written_plan(folder: Path) -> str:
    """The plan that a run's files carry."""
    import xarray as xr

    for path in sorted(folder.glob("*_annual.nc")):
        with xr.open_dataset(path, decode_times=False) as data:
            return str(data.attrs["plan"])
    raise InputError(
        f"{folder}: no annual files of a finished run and no simulated.csv; give a folder that 'jtem run' or "
        "'jtem calibrate' wrote"
    )


def climate_models(found: Sequence[tuple[Path, Plan]]) -> dict[str, Any]:
    """Members of runs reported together, a climate model each: its word in the plan's [prepare], else the plan's name."""
    from jtem.report.factorial import Files

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


def factorial_report(found: Sequence[tuple[Path, Plan]], out: Path, *, figures_wanted: bool) -> None:
    """Report of a plan with ``[factorial]`` into ``out``: headline, tables, closures, figures.

    Several runs are the climate models of one protocol, each with its own history.
    """
    import tomllib

    from jtem.files import data_path, prepare_folder
    from jtem.report import factorial, figures, liu2022, liu2024

    folder, plan = found[0]
    f = plan.factorial
    rows = f.protocol
    paper = "liu2022" if {"S_T", "S_R"} <= {row.name for row in rows} else "liu2024"
    if len(found) > 1:
        files = climate_models(found)
        if paper == "liu2024":
            raise InputError(f"{folder}: Liu et al. (2024) have one climate model; report each run on its own")
    else:
        files = {member.name: factorial.Files(folder, plan.plan.name, member.name) for member in f.ensemble}
    prepare_folder(out)
    data = factorial.read_members(
        files,
        plan.history.name,
        f.scenarios,
        [row.name for row in rows],
        (plan.history.last - 9, plan.history.last) if paper == "liu2022" else (2010, 2015),
        plan.plan.title or plan.plan.name,
    )
    reasons = tomllib.loads(data_path("published", "differences.toml").read_text(encoding="utf-8"))
    own = {"embedded": "emulated", "climate_grid": "half_degree"}.get(plan.domain.source, "")
    notes = {**reasons[paper], **reasons.get(f"{paper}_{own}", {})}
    written = []
    if paper == "liu2022":
        lines, tables = liu2022.headline(data, notes)
        worst = liu2022.identities(data)
        print(
            f"identities: SOC_PF and the transfer agree within {max(i.carbon for i in worst):.1e} of SOC, SON_PF within "
            f"{max(i.nitrogen for i in worst):.1e} of SON ({len(worst)} pairs of runs)"
        )
        draw = liu2022.draw
    else:
        lines = liu2024.headline(data, notes)
        sites = tomllib.loads(data_path("embedded", "sites.toml").read_text(encoding="utf-8"))
        tables = {
            "table1": liu2024.sites_table(sites),
            "table2": liu2024.design_table(data, {row.name: sorted(row.held) for row in rows}, f.base_year),
            "effects": liu2024.effects_table(data),
        }
        draw = liu2024.draw
    closed = factorial.closures(data)
    tables["closure"] = [
        ("run", "years", "carbon left over (Pg C)", "carbon (Pg C)", "nitrogen left over (Pg N)", "nitrogen (Pg N)"),
        *(
            (
                c.run,
                str(c.years),
                f"{c.carbon:.2e}",
                f"{c.carbon_stock:.6g}",
                f"{c.nitrogen:.2e}",
                f"{c.nitrogen_stock:.6g}",
            )
            for c in closed
        ),
    ]
    worst_carbon = max(abs(c.carbon) / c.carbon_stock for c in closed)
    worst_nitrogen = max(abs(c.nitrogen) / c.nitrogen_stock for c in closed)
    print(
        f"region: carbon of {len(closed)} runs closes within {worst_carbon:.1e} of its stock over {closed[0].years} years, "
        f"nitrogen within {worst_nitrogen:.1e}"
    )
    written.append(factorial.write_lines(out / "headline.csv", lines))
    written += [factorial.write_table(out / f"{name}.csv", rows_) for name, rows_ in tables.items()]
    print(factorial.as_text(lines, plan.plan.title or plan.plan.name))
    if figures_wanted and figures.available():
        written += draw(data, out)
    elif figures_wanted:
        print("no figures: matplotlib is not installed; run: pip install 'jtem[plots]'")
    print(f"{len(written)} files in {out}")
