"""``jtem export``: other files of a finished run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from jtem.errors import DONE, InputError
from jtem.report.fields import written_plan

if TYPE_CHECKING:
    from jtem.plan import Plan


def command_export(arguments: argparse.Namespace) -> int:
    """Other files of a finished run: on a regular grid, for ISIMIP, or netCDF from its Zarr store."""
    from jtem import plan as plans
    from jtem.files import output_folder, prepare_folder
    from jtem.writers import export
    from jtem.writers.netcdf import NetcdfSink
    from jtem.writers.zarr import ZarrStore

    folder: Path = arguments.folder
    out: Path = arguments.out or folder / arguments.profile
    if arguments.profile == "netcdf":
        stores = sorted(folder.glob("*.zarr"))
        if len(stores) != 1:
            if not stores:
                raise InputError(
                    f"{folder}: holds no Zarr store to turn into netCDF; a run writes one with [output] zarr = true (netCDF "
                    "files come without)"
                )
            raise InputError(f"{folder}: holds {len(stores)} Zarr stores, expected one; give the folder of one run")
        store = ZarrStore.open(stores[0])
        prepare_folder(out)
        said = {k: v for k, v in store.meta.items() if k not in ("stages", "labels", "communities", "units")}
        with NetcdfSink(
            out,
            stores[0].stem,
            store.grid(),
            attributes=said,
            heat_edges=store.root["heat_edges"][:],
            write_states=False,
            double=arguments.double,
        ) as sink:
            store.replay(sink)
            written = sink.finish(store.failed())
    else:
        files = sorted([*folder.glob("*_annual.nc"), *folder.glob("*_monthly.nc")])
        if not files and any(folder.glob("*.zarr")):
            raise InputError(
                f"{folder}: holds a Zarr store and no netCDF files; make them with 'jtem export {folder} --profile netcdf', then "
                f"export {folder / 'netcdf'}"
            )
        plan = plans.parse(written_plan(folder), f"the plan in {folder}")
        if arguments.profile == "isimip":
            said = plans.read(arguments.plan) if arguments.plan else plan
            i, who = said.isimip, (said.plan.institution, said.plan.contact)
            words = export.Words(*who, i.round, i.forcing, i.bias, i.soc, i.sens)
            words = export.checked(words, str(arguments.plan or f"the plan in {folder}"))
            scenarios = {s: i.scenarios.get(c, c) for s, c in climates(plan)}
            with output_folder(out):
                written = export.isimip(files, out, words, scenarios)
        else:
            with output_folder(out):
                written = [export.gridded(path, out / path.name) for path in files]
    if not written:
        raise InputError(
            f"{folder}: has nothing for the profile '{arguments.profile}'; add variables to [output] and run"
        )
    print(f"{len(written)} files in {out}")
    return DONE


def climates(plan: Plan) -> list[tuple[str, str]]:
    """Stage and climate of every stage in which nothing is held."""
    from jtem.run.factorial import stage_name

    f = plan.factorial
    free = [run for run in f.protocol if not run.held] if f.scenarios else []
    result = [(plan.history.name, plan.history.climate), *((s.name, s.climate) for s in plan.scenario if s.expose)]
    return result + [(stage_name(r, s, m), s) for s in f.scenarios for m in f.ensemble for r in free]
