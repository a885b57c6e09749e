"""The papers' site panels from finished calibrations: 2024 Figures 2, 3, S3, S4; 2022 Figures 2 and S2.

A panel is a stream (soil temperature nearest to 10 cm, NEP, GPP, ecosystem respiration) at a site in a part (fitted or held
out), observed against simulated, with our R2 beside the paper's. ``data/published/site_scores.csv`` lists the panels and
what is printed about them; panels without data stay empty and say so.
"""

from __future__ import annotations

import csv
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jtem.errors import InputError
from jtem.files import read_table
from jtem.records import Score
from jtem.report.calibration import BAND
from jtem.report.page import COLOURS, Axes, pyplot, save

TEXT = ("site", "stream", "part")
NUMBERS = ("year", "month", "months", "observed", "before", "after", "spread")
PART_WORDS = {"fit": "fitted", "held-out": "held out"}
PAPER_DEPTH = 0.1
"""m: the papers' soil temperature."""
DEPTH_TOLERANCE = 0.1
"""m: a sensor further from ``PAPER_DEPTH`` is not the papers' soil temperature."""
PLATEAU = "plateau"
PLATEAU_STATIONS = frozenset(("AYKAL", "Ch01", "Ch06", "QT01", "QT04", "QT05", "QT09"))
"""Stations of Zhao et al. (2021), ESSD 13:4207, whose thaw depths stand for the 43 sites of Liu et al. (2022)."""
LABELS = {
    "soil_temperature": "soil temperature (°C)",
    "nep": "NEP (gC m$^{-2}$ month$^{-1}$)",
    "gpp": "GPP (gC m$^{-2}$ month$^{-1}$)",
    "ecosystem_respiration": "respiration (gC m$^{-2}$ month$^{-1}$)",
}
STOCKS = {"active_layer_carbon": "carbon", "active_layer_nitrogen": "nitrogen"}
"""Panels of 2022 Figure 2 that only ``report/profiles.py`` can draw, from a table of soil profiles."""
PAPER_WORDS = {"Liu2024": "Liu et al. (2024)", "Liu2022": "Liu et al. (2022)"}
NO_DATA = "data not available"
COLUMNS = (
    *("site", "stream", "part", "n", "R2", "R2_paper", "squared_correlation", "RMSE", "bias"),
    *("paper", "figure", "run", "note"),
)


@dataclass(frozen=True)
class CalibrationSeries:
    """``simulated.csv`` of a finished calibration: all fields (observation,), in the streams' units.

    ``when``: decimal year of the middle; ``part``: "fit", "held-out" or "" (simulated only, ``observed`` NaN);
    ``before``, ``after``: simulated with the start values and calibrated; ``spread``: standard deviation of ``after``.
    """

    name: str
    site: np.ndarray
    stream: np.ndarray
    part: np.ndarray
    year: np.ndarray
    when: np.ndarray
    observed: np.ndarray
    after: np.ndarray
    spread: np.ndarray


@dataclass(frozen=True)
class PaperPanel:
    """One panel of a paper; ``r2``: as printed ("" where none is); ``lacking``: why its data are not public, or ""."""

    paper: str
    figure: str
    site: str
    ecosystem: str
    stream: str
    part: str
    years: str
    r2: str
    where: str
    lacking: str


@dataclass(frozen=True)
class ScoreBeside:
    """One line of ``scores_beside_papers.csv``: a score of ours with the case it stands beside (either may be absent)."""

    score: Score | None
    case: PaperPanel | None
    run: CalibrationSeries | None
    note: str


# --- reading ---------------------------------------------------------------------------------------------------------


def calibrations(folder: Path) -> list[Path]:
    """Folders of finished calibrations: ``folder`` itself, else those directly inside it, by name; none for a run's."""
    if any(folder.glob("*_annual.nc")):
        return []
    if (folder / "simulated.csv").is_file():
        return [folder]
    return sorted(path.parent for path in folder.glob("*/simulated.csv"))


def read(folder: Path) -> CalibrationSeries:
    """``simulated.csv`` of a calibration. Raises ``InputError`` where it is absent or not one."""
    path = folder / "simulated.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give the folder that 'jtem calibrate' wrote") from None
    for name in (*TEXT, *NUMBERS):
        if not rows or name not in rows[0]:
            raise InputError(f"{path}: column '{name}' is missing; give the folder that 'jtem calibrate' wrote")
    number = {}
    for name in NUMBERS:
        try:
            number[name] = np.array([float(row[name] or "nan") for row in rows])
        except ValueError as error:
            raise InputError(f"{path}: column '{name}' holds a word ({error}); calibrate again") from None
    text = {name: np.array([row[name] for row in rows]) for name in TEXT}
    for word in sorted(set(text["part"].tolist()) - {"", *PART_WORDS}):
        raise InputError(f"{path}: part {word!r} is unknown, expected fit, held-out or nothing; calibrate again")
    when = number["year"] + (number["month"] - 1.0 + 0.5 * number["months"]) / 12.0
    kept = {name: number[name] for name in ("year", "observed", "after", "spread")}
    return CalibrationSeries(folder.resolve().name, **text, when=when, **kept)


def read_all(folders: Iterable[Path]) -> list[CalibrationSeries]:
    """Several calibrations. Raises ``InputError`` where two of them hold the same stream of a site."""
    runs = [read(folder) for folder in folders]
    seen: dict[tuple[str, str], str] = {}
    for run in runs:
        for pair in sorted(set(zip(run.site.tolist(), run.stream.tolist(), strict=True))):
            other = seen.setdefault(pair, run.name)
            if other != run.name:
                raise InputError(
                    f"stream '{pair[1]}' of site '{pair[0]}' is in two calibrations, {other} and {run.name}; give one of them"
                )
    return runs


def cases() -> list[PaperPanel]:
    """The papers' panels, in their order."""
    return [PaperPanel(**row) for row in read_table("published", "site_scores.csv")]


# --- beside the papers -----------------------------------------------------------------------------------------------


def channel(run: CalibrationSeries, site: str, stream: str) -> str:
    """The run's name of a stream at a site: for soil temperature the sensor nearest to 10 cm; "" where it has none."""
    names = sorted(set(run.stream[run.site == site].tolist()))
    if stream != "soil_temperature":
        return stream if stream in names else ""
    depths = {name: _depth(name) for name in names if name.startswith("soil_temperature ")}
    near = [name for name, depth in depths.items() if abs(depth - PAPER_DEPTH) <= DEPTH_TOLERANCE + 1e-9]
    return min(near, key=lambda name: (abs(depths[name] - PAPER_DEPTH), depths[name])) if near else ""


def _depth(name: str) -> float:
    """Depth in m of a channel such as ``soil_temperature 0.05 m``; NaN where the name has none."""
    words = name.split(" ")
    return float(words[1]) if len(words) == 3 else float("nan")


def years(run: CalibrationSeries, site: str, name: str, part: str) -> str:
    """First and last observed year of a stream and part, "2011-2012"; "all": all sites; "" where nothing is observed."""
    mine = (run.stream == name) & (run.part == part) & np.isfinite(run.observed)
    found = run.year[mine if site == "all" else mine & (run.site == site)]
    if not found.size:
        return ""
    first, last = int(found.min()), int(found.max())
    return str(first) if first == last else f"{first}-{last}"


def beside(
    runs: Sequence[CalibrationSeries], scores: Sequence[Sequence[Score]], known: Sequence[PaperPanel]
) -> list[ScoreBeside]:
    """Every score of the runs with the cases it belongs to, then the cases that no run holds.

    ``scores``: of each run, in the order of ``runs``.
    """
    rows: list[ScoreBeside] = []
    met: set[PaperPanel] = set()
    for run, found in zip(runs, scores, strict=True):
        for score in found:
            mine = [case for case in known if _stands_for(run, score, case)]
            met.update(mine)
            rows += [ScoreBeside(score, case, run, _note(run, score, case)) for case in mine]
            if not mine:
                rows.append(ScoreBeside(score, None, run, _note(run, score, None)))
    for case in known:
        if case not in met:
            note = f"{NO_DATA}: {case.lacking}" if case.lacking else "not among the calibrations given"
            rows.append(ScoreBeside(None, case, None, note))
    return rows


def _stands_for(run: CalibrationSeries, score: Score, case: PaperPanel) -> bool:
    if score.part != case.part or score.n == 0:
        return False
    if case.site == PLATEAU:
        holders = set(run.site[run.stream == score.stream].tolist())
        together = score.site == "all" or len(holders) == 1
        return score.stream == case.stream and together and holders <= PLATEAU_STATIONS
    return score.site == case.site and score.stream == channel(run, case.site, case.stream)


def _note(run: CalibrationSeries, score: Score, case: PaperPanel | None) -> str:
    if score.n == 0:
        return f"{NO_DATA}: no observation in this part"
    span = years(run, score.site, score.stream, score.part)
    if case is None:
        return f"{span}; no panel of the papers"
    notes = [f"{span}; the paper: {case.years}" if case.years else span]
    depth = _depth(score.stream)
    if np.isfinite(depth) and abs(depth - PAPER_DEPTH) > 1e-9:
        notes.append(f"at {depth:g} m; the paper: {PAPER_DEPTH:g} m")
    if case.r2:
        notes.append(f"the paper prints one value for all sites ({case.where})")
    else:
        notes.append("no value printed")
    return "; ".join(notes)


def table(rows: Sequence[ScoreBeside]) -> list[tuple[str, ...]]:
    """Lines of ``scores_beside_papers.csv``, columns :data:`COLUMNS`; what is not known is empty."""
    lines: list[tuple[str, ...]] = [COLUMNS]
    for row in rows:
        s, c = row.score, row.case
        place = (s.site, s.stream, s.part, str(s.n)) if s else (c.site, c.stream, c.part, "0") if c else ("",) * 4
        r2, correlation, rmse, bias = (
            "" if v is None or np.isnan(v) else f"{v:.4g}"
            for v in ((s.r2, s.correlation, s.rmse, s.bias) if s else (None,) * 4)
        )
        paper = (c.r2, c.paper, c.figure) if c else ("", "", "")
        lines.append(
            (*place, r2, paper[0], correlation, rmse, bias, *paper[1:], row.run.name if row.run else "", row.note)
        )
    return lines


# --- figures ---------------------------------------------------------------------------------------------------------

PAGES = (
    ("liu2024_figure2", "Liu2024", "2", ("soil_temperature", "nep"), ("fit",)),
    ("liu2024_figure3", "Liu2024", "3", ("soil_temperature", "nep"), ("held-out",)),
    ("liu2024_figureS3", "Liu2024", "S3", ("gpp", "ecosystem_respiration"), ("fit",)),
    ("liu2024_figureS4", "Liu2024", "S4", ("gpp", "ecosystem_respiration"), ("held-out",)),
    ("liu2022_figure2", "Liu2022", "2", ("soil_temperature", "nep"), ("fit", "held-out")),
    ("liu2022_figureS2", "Liu2022", "S2", ("gpp", "ecosystem_respiration"), ("fit", "held-out")),
)
"""File, paper, figure, streams and parts of a page: a row a site, a column a stream and part."""
STATIONS_ON_A_PAGE = 8


def draw(rows: Sequence[ScoreBeside], folder: Path) -> list[Path]:
    """The papers' pages for which any run has data, thaw depth on the plateau, and soil temperature at further sites."""
    written = []
    for name, paper, figure, streams, parts in PAGES:
        mine = [
            r for r in rows if r.case and (r.case.paper, r.case.figure) == (paper, figure) and r.case.stream in streams
        ]
        if not any(r.score for r in mine):
            continue
        held = {(r.case.site, r.case.stream, r.case.part): r for r in mine if r.case}
        sites = list(dict.fromkeys(site for site, _, _ in held))
        grid = [[held.get((site, stream, part)) for stream in streams for part in parts] for site in sites]
        title = (
            f"{PAPER_WORDS[paper]}, Figure {figure}: " + " and ".join(PART_WORDS[part] for part in parts) + " months"
        )
        heads = [f"{LABELS[stream]}" for stream in streams for _ in parts]
        written.append(_page(folder / f"{name}.png", title, grid, heads))
    plateau = [r for r in rows if r.case and r.case.site == PLATEAU]
    thaw = [r for r in plateau if r.score and r.run]
    if thaw:
        stocks = [r for r in plateau if not r.score and r.case and r.case.stream in STOCKS]
        written.append(_thaw(folder / "liu2022_figure2_active_layer.png", thaw, stocks))
    further = [
        r
        for r in rows
        if r.score and r.run and r.case is None and r.score.site != "all" and r.score.n
        and r.score.stream == channel(r.run, r.score.site, "soil_temperature")
    ]  # fmt: skip
    held = {(r.score.site, r.score.part): r for r in further if r.score}
    sites = list(dict.fromkeys(site for site, _ in held))
    for first in range(0, len(sites), STATIONS_ON_A_PAGE):
        grid = [[held.get((site, part)) for part in PART_WORDS] for site in sites[first : first + STATIONS_ON_A_PAGE]]
        suffix = f"_{first // STATIONS_ON_A_PAGE + 1}" if len(sites) > STATIONS_ON_A_PAGE else ""
        path = folder / f"soil_temperature_further_sites{suffix}.png"
        title = "Soil temperature near 10 cm at sites beyond the papers' figures"
        written.append(_page(path, title, grid, [LABELS["soil_temperature"]] * 2))
    return written


def _page(path: Path, title: str, grid: Sequence[Sequence[ScoreBeside | None]], heads: Sequence[str]) -> Path:
    """A grid of panels, one row a site; ``heads``: labels of the columns' axes."""
    plt = pyplot()
    width = (5.4 if len(heads) < 3 else 4.1) * len(heads)
    heights = [2.15 if any(row is not None and row.score is not None for row in line) else 0.95 for line in grid]
    figure, axes = plt.subplots(
        len(grid),
        len(heads),
        figsize=(width, sum(heights) + 1.0),
        height_ratios=heights,
        layout="constrained",
        squeeze=False,
    )
    for line, across in zip(grid, axes, strict=True):
        for row, axis, head in zip(line, across, heads, strict=True):
            _panel(axis, row, head)
    handles = [
        plt.Line2D([], [], color="0.1", marker="o", markersize=4, linestyle="", label="observed"),
        plt.Line2D([], [], color=COLOURS[0], linewidth=1.6, label="calibrated model"),
        plt.Rectangle((0, 0), 1, 1, color=COLOURS[0], alpha=0.25, linewidth=0, label="95 % from parameters"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    figure.suptitle(title, fontsize=12)
    return save(figure, path)


def _panel(axis: Axes, row: ScoreBeside | None, head: str) -> None:
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    if row is None or row.score is None or row.run is None:
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[["left", "bottom"]].set_color("0.8")
        if row is not None and row.case is not None:
            axis.set_title(
                f"{row.case.site}, {row.case.ecosystem}, {PART_WORDS[row.case.part]}", loc="left", fontsize=9
            )
            paper = [f"paper: {row.case.years}"] if row.case.years else []
            paper += [f"paper R$^2$ {row.case.r2}"] if row.case.r2 else []
            said = "\n".join([row.note, ", ".join(paper)]).strip()
        else:
            said = "no observation in this part"
        text = "\n".join(textwrap.fill(line, 46) for line in said.split("\n"))
        axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", fontsize=8, color="0.35")
        return
    run, score = row.run, row.score
    here = (run.site == score.site) & (run.stream == score.stream)
    known = here & (run.part == score.part) & np.isfinite(run.observed)
    first, last = run.year[known].min(), run.year[known].max()
    line = np.flatnonzero(here & (run.year >= first) & (run.year <= last) & np.isin(run.part, ("", score.part)))
    line = line[np.argsort(run.when[line], kind="stable")]
    breaks = np.flatnonzero(np.diff(run.when[line]) > 1.5 / 12.0) + 1
    when, after, spread = (np.insert(v[line], breaks, np.nan) for v in (run.when, run.after, run.spread))
    axis.fill_between(when, after - BAND * spread, after + BAND * spread, color=COLOURS[0], alpha=0.25, linewidth=0)
    axis.plot(when, after, color=COLOURS[0], linewidth=1.6)
    axis.plot(run.when[known], run.observed[known], linestyle="", marker="o", markersize=3.6, color="0.1")
    axis.set_xlim(first, last + 1)
    axis.grid(axis="y", color="0.9", linewidth=0.6)
    axis.set_axisbelow(True)
    _whole_years(axis, int(first), int(last) + 1)
    depth = f", {_depth(score.stream):g} m" if np.isfinite(_depth(score.stream)) else ""
    paper = f", paper {row.case.r2}" if row.case is not None and row.case.r2 else ""
    kind = f", {row.case.ecosystem}" if row.case is not None else ""
    theirs = f" (paper: {row.case.years})" if row.case is not None and row.case.years else ""
    span = years(run, score.site, score.stream, score.part)
    axis.set_title(
        f"{score.site}{kind}{depth}, {PART_WORDS[score.part]} {span}{theirs}\n"
        f"R$^2$ {_number(score.r2)}{paper}, n = {score.n}",
        loc="left", fontsize=9,
    )  # fmt: skip
    axis.set_ylabel(head, fontsize=8)


def _number(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2f}"


def _whole_years(axis: Axes, first: int, last: int) -> None:
    """Ticks at the beginning of years, at most nine; months as minor ticks where few years are shown."""
    step = max(1, -(-(last - first) // 8))
    ticks = list(range(first, last + 1, step))
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    if last - first <= 4:
        axis.set_xticks(np.arange(4 * first, 4 * last + 1) / 4.0, minor=True)


def _thaw(path: Path, rows: Sequence[ScoreBeside], lacking: Sequence[ScoreBeside]) -> Path:
    """Active-layer thickness of the plateau's stations, simulated against observed; ``lacking``: stocks without data."""
    plt = pyplot()
    figure, axes = plt.subplots(
        1, 1 + len(lacking), figsize=(5.4 + 2.6 * len(lacking), 5.2), width_ratios=[5.2, *[2.4] * len(lacking)],
        squeeze=False, layout="constrained",
    )  # fmt: skip
    axis = axes[0, 0]
    for empty, row in zip(axes[0, 1:], lacking, strict=True):
        assert row.case is not None
        empty.set_xticks([])
        empty.set_yticks([])
        for spine in empty.spines.values():
            spine.set_color("0.8")
        empty.set_title(f"soil {STOCKS[row.case.stream]} of the active layer", loc="left", fontsize=9)
        text = textwrap.fill(row.note, 26)
        empty.text(0.5, 0.5, text, transform=empty.transAxes, ha="center", va="center", fontsize=8, color="0.35")
    top = 0.0
    for k, row in enumerate(rows):
        assert row.score is not None and row.run is not None and row.case is not None
        run, score = row.run, row.score
        mine = (run.stream == score.stream) & (run.part == score.part) & np.isfinite(run.observed)
        paper = f"\npaper R$^2$ {row.case.r2} ({row.case.where})" if row.case.r2 else ""
        filled = score.part == "fit"
        text = f"{PART_WORDS[score.part]}: R$^2$ {_number(score.r2)}, RMSE {score.rmse:.2f} m, n = {score.n}{paper}"
        axis.plot(
            run.observed[mine], run.after[mine], linestyle="", marker="o" if filled else "s", markersize=5, color=COLOURS[k % 2],
            markerfacecolor=COLOURS[k % 2] if filled else "white", label=text,
        )  # fmt: skip
        top = max(top, run.observed[mine].max(), run.after[mine].max())
    axis.plot([0, 1.05 * top], [0, 1.05 * top], color="0.5", linewidth=0.8, linestyle="--", label="1 : 1")
    axis.set_xlim(0, 1.05 * top)
    axis.set_ylim(0, 1.05 * top)
    axis.set_aspect("equal")
    axis.set_xlabel("observed active-layer thickness (m)", fontsize=9)
    axis.set_ylabel("simulated active-layer thickness (m)", fontsize=9)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.11), fontsize=8, frameon=False)
    figure.suptitle("Liu et al. (2022), Figure 2: active layer on the plateau", fontsize=11)
    return save(figure, path)
