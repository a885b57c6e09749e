"""``jtem prepare``: raw files to one prepared store, once."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from jtem import __version__
from jtem import plan as plans
from jtem.assemble.domain import domain
from jtem.assemble.model import table
from jtem.assemble.store import isimip_recipe, recipe_words
from jtem.errors import DONE, InputError
from jtem.files import Inputs
from jtem.readers import prepare, to_model
from jtem.readers import store as stores


def command_prepare(arguments: argparse.Namespace) -> int:
    """Raw files to one prepared store, once."""
    begin = time.perf_counter()
    plan, found = plans.read(arguments.plan), Inputs(arguments.data)
    path, words = plan.store, recipe_words(plan)
    if "://" in plan.prepare.store:
        raise InputError(
            f"{plan.where}: [prepare] store is {plan.prepare.store}; prepare to a file, copy that to the object store, and give "
            "its address here for runs"
        )
    if plan.domain.source == "prepared":
        raise InputError(f"{plan.where}: [domain] source is 'prepared' already; run the plan, or name the raw source")
    if path.exists() and not arguments.force:
        differing, have = stores.differences(path, words), stores.years(path)
        fits = all(
            name in have and have[name][0] <= a <= b <= have[name][1] for name, (a, b) in plan.climate_years.items()
        )
        if not differing and fits:
            print(f"{path}: prepared already with these settings; nothing to do")
            return DONE
        what = ", ".join(differing) or "years"
        raise InputError(
            f"{path}: exists, prepared with other settings ({what}); use --force or another [prepare] store"
        )
    communities = table(plan.model.parameters, found, f"{plan.where}: [model]").communities
    files: list[Path] = []
    if plan.domain.source == "isimip":
        recipe = isimip_recipe(plan, found)
        cells, notes = prepare.isimip_cells(recipe, communities)
        inputs = [str(recipe.vegetation)]
    else:
        place = domain(plan.domain, list(plan.climate_years), found, plan.where)
        cells, notes, inputs = place.cells, [], place.inputs
    to_model.check_cells(cells, communities, inputs[0])
    climate_cell, offset = None, None
    if plan.domain.source == "isimip":
        climates, sharing, offset, said, files = prepare.isimip_climates(recipe, cells)
        climate_cell, notes = sharing.index, [*notes, *said]
        maps = (recipe.vegetation, recipe.texture, recipe.texture_layers, recipe.elevation, recipe.land_mask)
        maps += (recipe.permafrost_map, recipe.climate_elevation)
        files += [name for name in maps if name is not None]
    else:
        climates = {}
        for name, (first, last) in plan.climate_years.items():
            source, where = place.source(name)
            climates[name] = stores.from_source(source, cells.sizes["cell"], first, last, where, place.documented)
    print(f"preparing {path}: {cells.sizes['cell']:,} cells, climates {', '.join(climates)}", flush=True)
    attributes = {
        "title": plan.plan.title or plan.plan.name,
        "institution": plan.plan.institution,
        "source": f"jtem {__version__} prepare",
        "date_created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "plan": plan.text,
        "recipe": json.dumps(words, sort_keys=True),
        "inputs": "; ".join([f"{name.name} ({name.stat().st_size} bytes)" for name in files] or inputs),
        "notes": "; ".join(notes),
    }
    stores.write(
        path,
        cells,
        climates,
        climate_cell=climate_cell,
        offset=offset,
        attributes=attributes,
        progress=lambda text: print(f"  {text}", file=sys.stderr, flush=True),
    )
    for note in notes:
        print(f"  {note}")
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB in {time.perf_counter() - begin:.1f} s")
    return DONE
