"""Section [model] of a plan to the design of the step, its table of parameters and its columns; for runs and calibrations."""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jtem import parameters, step
from jtem.errors import InputError, suggest
from jtem.files import Inputs, data_path
from jtem.physics import permafrost, radiation, snow
from jtem.physics.soil_heat import GRIDS, ThermalDesign
from jtem.readers import to_model

if TYPE_CHECKING:
    import xarray as xr

    from jtem.plan.model import ModelSection
    from jtem.plan.run import PermafrostSection


FRONT_DEPTH = 3.0
"""m: with fast numerics the phase of ground below changes a sub-step later."""


def design(section: ModelSection, where: str) -> step.Design:
    """The design that a section asks for, with the plan's own functions in their slots; raises ``InputError``."""
    needing = {'roots = "follow_thaw"': section.roots_follow_thaw, 'abrupt_thaw = "areas"': section.abrupt_thaw}
    if section.deep_nitrogen_losses and not section.permafrost.decomposes_layers:
        raise InputError(
            f"{where}: [model] deep_nitrogen_losses needs layers of thawed ground, which permafrost = "
            f'"{section.permafrost.name}" has not; use layered, or leave it out'
        )
    for words in [words for words, asked in needing.items() if asked and not section.permafrost.layers]:
        raise InputError(
            f'{where}: [model] {words} needs matter below the active pool, which permafrost = "{section.permafrost.name}" '
            "has not; use layered or thaw_ratio, or leave it out"
        )
    thermal = ThermalDesign(
        layer_edges=GRIDS[section.soil_grid],
        substeps=section.heat_substeps,
        sweeps="drd" if section.fast or (section.soil_grid == "fine" and section.heat_substeps >= 10) else "drdrd",
        front_depth=FRONT_DEPTH if section.fast else math.inf,
        ahead=section.fast,
        settling_snow=section.snow is snow.settling_cover,
        lit=section.lit_surface,
        solved=section.solve_heat,
        from_place=section.soil_columns,
    )
    made = step.Design(
        permafrost=section.permafrost,
        thermal=thermal,
        carbon_substeps=section.carbon_substeps,
        open_nitrogen=section.open_nitrogen,
        two_water_layers=section.two_water_layers,
        roots_follow_thaw=section.roots_follow_thaw,
        abrupt_thaw=section.abrupt_thaw,
        methane=section.methane,
        deep_nitrogen_losses=section.deep_nitrogen_losses,
        heat_dtype=section.precision.heat_dtype,
        pool_dtype=section.precision.pool_dtype,
        layer_rate_dtype=section.precision.heat_dtype if section.fast else None,
    )
    own = {
        "plant_cn": section.plant_cn, "nitrogen_coupling": section.plant_nitrogen, "snow_cover": section.snow,
    } | functions(section.processes, f"{where}: [model.processes]")  # fmt: skip
    return step.with_processes(made, **own)


def functions(named: Mapping[str, str], where: str) -> dict[str, Callable]:
    """Functions of ``slot = "module:function"``; raises ``InputError`` where there is no such slot, module or function."""
    found: dict[str, Callable] = {}
    for slot, word in named.items():
        if slot not in step.Processes._fields:
            raise InputError(f"{where}: unknown process '{slot}'; {suggest(slot, step.Processes._fields)}")
        module, colon, name = word.partition(":")
        if not (module and colon and name):
            raise InputError(f'{where}: {slot} is {word!r}; write "module:function"')
        try:
            loaded = importlib.import_module(module)
        except Exception as error:  # whatever the user's module raises
            said = f"{type(error).__name__}: {error}"
            raise InputError(
                f"{where}: {slot}: module '{module}' cannot be imported ({said}); run where Python finds it, or set PYTHONPATH"
            ) from None
        function = getattr(loaded, name, None)
        if not callable(function):
            known = [n for n, thing in vars(loaded).items() if callable(thing) and not n.startswith("_")]
            raise InputError(f"{where}: {slot}: module '{module}' has no function '{name}'; {suggest(name, known)}")
        found[slot] = function
    return found


def parameter_files(names: Sequence[str], inputs: Inputs, where: str) -> list[Path]:
    """The defaults and overlays, packaged by name ("liu2024") or a path; raises ``InputError``."""
    files = [data_path("parameters", "defaults.toml")]
    for name in names:
        if name.endswith(".toml"):
            files.append(inputs.here_or(name, where))
            continue
        known = [p.stem for p in files[0].parent.glob("*.toml") if p.stem != "defaults"]
        if name not in known:
            raise InputError(
                f"{where}: unknown parameter overlay {name!r}; {suggest(name, known)} (or give a .toml path)"
            )
        files.append(data_path("parameters", f"{name}.toml"))
    return files


def table(names: Sequence[str], inputs: Inputs, where: str) -> parameters.ParameterTable:
    """The parameters of the defaults and overlays; raises ``InputError``."""
    files = parameter_files(names, inputs, where)
    return parameters.read_table(step.Parameters, files)


def columns(
    cells: xr.Dataset,
    communities: Sequence[str],
    dtype: str,
    where: str,
    permafrost_section: PermafrostSection | None = None,
) -> to_model.ModelCells:
    """Cells as columns, one for each of their communities, with soil carbon (and nitrogen) by layers in ``dtype``; raises
    ``InputError``.
    """
    made = to_model.model_cells(
        cells,
        communities,
        top_of_atmosphere=radiation.top_of_atmosphere,
        carbon_layers=lambda stocks, curve: permafrost.layers_from_intervals(np.asarray(stocks, dtype), curve),
        where=where,
        hyperbola=permafrost_section is not None and permafrost_section.hyperbola,
        nitrogen=permafrost_section is not None and permafrost_section.observed_nitrogen,
    )
    scale = permafrost_section.profile_scale if permafrost_section is not None else 1.0
    if scale == 1.0:
        return made
    carbon, nitrogen = made.columns.soil_carbon_profile, made.columns.soil_nitrogen_profile
    scaled = dataclasses.replace(
        made.columns,
        soil_carbon_profile=scale * np.asarray(carbon),
        soil_nitrogen_profile=None if nitrogen is None else scale * np.asarray(nitrogen),
    )
    return dataclasses.replace(made, columns=scaled)
