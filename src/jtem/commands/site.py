"""``jtem site``: one site from a table, by its name or by its place; files, a short table and the first figure."""

from __future__ import annotations

import argparse
import contextlib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jtem.errors import DONE, FAILED_CELLS, InputError
from jtem.files import output_folder, write_text
from jtem.front.model import Model
from jtem.front.result import Result
from jtem.front.site import site

SECONDS_IN_YEAR = 365.0 * 86400.0
ROWS = (
    ("gross primary production", "gpp", 1e3 * SECONDS_IN_YEAR, "gC m-2 yr-1"),
    ("net primary production", "npp", 1e3 * SECONDS_IN_YEAR, "gC m-2 yr-1"),
    ("heterotrophic respiration", "rh", 1e3 * SECONDS_IN_YEAR, "gC m-2 yr-1"),
    ("net ecosystem production", "nep", 1e3 * SECONDS_IN_YEAR, "gC m-2 yr-1"),
    ("evapotranspiration", "evspsbl", SECONDS_IN_YEAR, "mm yr-1"),
    ("vegetation carbon", "cVeg", 1.0, "kgC m-2"),
    ("soil carbon", "cSoil", 1.0, "kgC m-2"),
    ("active layer thickness", "thawdepth", 1.0, "m"),
)

SHELL_WORDS = (
    (r"names=\{'(\w+)': '?([^'}]+)'?\}", r"--name '\1=\2'"),
    (r"units=\{'(\w+)': '([^'}]+)'\}", r"--unit '\1=\2'"),
    (r"choose years=\(first, last\) without gaps, or fill='mean'", "or --fill mean"),
    ("static= a CF file", "--static a CF file"),
)
"""Arguments of ``jtem.site`` as its messages name them, and the options that do the same."""


def in_shell_words(text: str) -> str:
    """A message of ``jtem.site`` with its remedy as options of the command."""
    for python, shell in SHELL_WORDS:
        text = re.sub(python, shell, text)
    return text


def pairs(words: Sequence[str], option: str) -> dict[str, str]:
    """``["precipitation=mm d-1"]`` as a dictionary; raises ``InputError``."""
    result = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise InputError(f"{option} {word!r} is not NAME=VALUE; write it like {option} 'precipitation=mm d-1'")
        result[name.strip()] = value.strip()
    return result


def command_site(arguments: argparse.Namespace) -> int:
    """Run one site and say what came out; its plan, files and figure lie in the output folder."""
    try:
        place = site(
            arguments.table,
            latitude=arguments.latitude,
            longitude=arguments.longitude,
            elevation=arguments.elevation,
            community=arguments.community,
            names=pairs(arguments.name, "--name"),
            units=pairs(arguments.unit, "--unit"),
            texture=tuple(arguments.texture or ()),
            static=arguments.static,
            co2=arguments.co2 or None,
            scenario=arguments.scenario,
            fill=arguments.fill,
        )
    except InputError as error:
        raise InputError(in_shell_words(str(error))) from None
    model = Model(
        place,
        permafrost=arguments.permafrost,
        parameters=arguments.parameters,
        precision=arguments.precision,
    )
    years = tuple(arguments.years) if arguments.years else None
    plan = model.plan(years=years)
    folder = arguments.out or Path(f"{place.name.replace(' ', '_')}_jtem")
    existing = folder / "plan.toml"
    if existing.exists() and not arguments.force:
        raise InputError(f"{existing}: exists already; choose another folder with --out or overwrite with --force")
    model.check(years=years)
    with output_folder(folder):
        for note in place.inputs:
            print(f"  {note}")
        result = model.run(years=years, progress=True)
        written = result.to_netcdf(folder, force=True)
    write_text(existing, plan + "\n")
    print(summary(result))
    print(f"{len(written)} files and plan.toml in {folder}")
    if not arguments.no_figures:
        print(figure(result, folder))
    unbalanced = result.spin_up is not None and not result.spin_up["closed"].any()
    return FAILED_CELLS if result.failed or unbalanced else DONE


def summary(result: Result) -> str:
    """Means of the last ten years, as text."""
    annual = result.annual
    last = annual.isel(time=slice(-10, None))
    years = last["year"].values
    lines = [f"{result.name}, mean of {int(years[0])}-{int(years[-1])}"]
    for label, name, factor, unit in ROWS:
        if name in last:
            lines.append(f"  {label:26}{float(np.mean(last[name].values)) * factor:10.3g} {unit}")
    largest = max(abs(float(result.budget[name].max())) for name in ("carbon_residual", "nitrogen_residual"))
    lines.append(f"  budgets of carbon and nitrogen close to {largest:.1g} kg m-2 a month")
    return "\n".join(lines)


def figure(result: Result, folder: Path) -> str:
    """Draw the overview; what to say of it."""
    from jtem.front import plot

    try:
        drawn = plot.overview(result)
    except InputError as error:
        return f"no figure: {error}"
    path = folder / "overview.png"
    drawn.savefig(path, dpi=120)
    with contextlib.suppress(ImportError):
        from matplotlib import pyplot

        pyplot.close(drawn)
    return f"figure {path}"
