"""The papers whose tables and figures jtem repeats: a row a paper. A plan names its paper with ``[report] paper``."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jtem.errors import InputError, suggest
from jtem.files import data_path
from jtem.report import beyond, liu2022, liu2024, page, region_page, regional
from jtem.report.regional import BASE_YEARS, Region, Report


@dataclass(frozen=True)
class Paper:
    """``words``: as it is cited; ``ensemble``: whether runs of several climate models are reported together; ``base_years``:
    years that tell where permafrost is, from the last year of history; ``headline``: the file of printed values, by region;
    ``report``: of a region, why numbers differ by key, held factors by run, base year.
    """

    words: str
    short: str
    ensemble: bool
    base_years: Callable[[int], tuple[int, int]]
    headline: str
    report: Callable[[Region, dict[str, str], Mapping[str, Sequence[str]], int], Report]


PAPERS = {
    "liu2022": Paper(
        "Liu et al. (2022)", "Liu 2022", True, lambda last: (last - 9, last), "liu2022_headline", liu2022.report
    ),
    "liu2024": Paper(
        "Liu et al. (2024)", "Liu 2024", False, lambda last: BASE_YEARS, "liu2024_headline", liu2024.report
    ),
}
CLIMATE_NOTES = {"embedded": "emulated", "climate_grid": "half_degree"}
"""Sources of climate for which ``differences.toml`` has reasons of their own."""


def find(name: str, where: str) -> Paper | None:
    """The paper of this name, None for "" (none); raises ``InputError`` for an unknown one."""
    if not name:
        return None
    if name not in PAPERS:
        raise InputError(f"{where}: [report] paper {name!r} is unknown; {suggest(name, PAPERS)}")
    return PAPERS[name]


def differences(name: str, source: str) -> dict[str, str]:
    """Why our numbers differ from the paper's, by key. ``source``: of the climate (``[domain] source``)."""
    reasons = tomllib.loads(data_path("published", "differences.toml").read_text(encoding="utf-8"))
    return {**reasons[name], **reasons.get(f"{name}_{CLIMATE_NOTES.get(source, '')}", {})}


def own_report(f: Region, held: Mapping[str, Sequence[str]]) -> Report:
    """The report of a factorial that follows no paper: headline, what each run holds, effects; a page and the effects drawn."""
    runs: list[tuple[str, ...]] = [("run", "held"), *((run, ", ".join(sorted(held[run]))) for run in f.names)]
    needed = ("net_primary_production", "heterotrophic_respiration", "net_ecosystem_production", "vegetation_carbon")
    known = all(r.has(*needed, "soil_carbon", "thawed_permafrost_carbon") for r in f.runs.values())
    tables = {"runs": runs}
    if known and len(f.names) > 1:
        tables["effects"] = region_page.effects_table(f)
    further = all(r.has(*beyond.NEEDED) for r in f.runs.values()) and set(f.names) == set(beyond.COLUMNS)
    if further:
        tables["beyond_the_papers"] = beyond.table(f)

    def draw(region: Region, folder: Path) -> list[Path]:
        written = [region_page.draw(region, folder / "overview.png", region.title)]
        if "effects" in tables:
            written.append(region_page.effects_figure(region, folder / "effects.png"))
        if further:
            written.append(beyond.figure(region, folder / "beyond_the_papers.png"))
            written.append(beyond.map_options(region, folder / "map_options.png"))
        return written

    return Report(region_page.headline(f, {}), tables, draw)


def closure_table(f: Region) -> tuple[list[tuple[str, ...]], str]:
    """``closure.csv`` and the sentence about it; both empty where the files lack what a budget needs."""
    needed = ("ecosystem_carbon", "net_ecosystem_production", "ecosystem_nitrogen", "nitrogen_input", "nitrogen_loss")
    if not all(r.has(*needed) for r in (*f.histories.values(), *f.runs.values())):
        return [], ""
    closed = regional.closures(f)
    table: list[tuple[str, ...]] = [
        ("run", "years", "carbon left over (Pg C)", "carbon (Pg C)", "nitrogen left over (Pg N)", "nitrogen (Pg N)")
    ]
    for c in closed:
        numbers = (f"{c.carbon:.2e}", f"{c.carbon_stock:.6g}", f"{c.nitrogen:.2e}", f"{c.nitrogen_stock:.6g}")
        table.append((c.run, str(c.years), *numbers))
    carbon = max(abs(c.carbon) / c.carbon_stock for c in closed)
    nitrogen = max(abs(c.nitrogen) / c.nitrogen_stock for c in closed)
    said = (
        f"region: carbon of {len(closed)} runs closes within {carbon:.1e} of its stock over {closed[0].years} years, nitrogen "
        f"within {nitrogen:.1e}"
    )
    return table, said


def write(f: Region, made: Report, out: Path, *, figures: bool) -> list[Path]:
    """Tables and, where wanted and possible, figures of a report into ``out``; returns their paths."""
    written = [regional.write_lines(out / "headline.csv", made.lines)]
    written += [regional.write_table(out / f"{name}.csv", rows) for name, rows in made.tables.items() if rows]
    if figures and page.available():
        written += made.draw(f, out)
    return written
