"""What a state is a state of, beside its numbers: version, parameters, options of the model, columns; written into its file."""

from __future__ import annotations

import hashlib

import numpy as np

from jtem import __version__, step
from jtem.records import Grid
from jtem.state import Cell


def of_state(design: step.Design, columns: Cell, grid: Grid, parameter_hash: str) -> dict[str, str]:
    """What must be the same for a run to go on from a state, as its file says it."""
    found = hashlib.sha256()
    for values in (grid.latitude[grid.column_cell], grid.longitude[grid.column_cell], grid.column_fraction):
        found.update(np.ascontiguousarray(values, np.float64).tobytes())
    found.update(np.ascontiguousarray(columns.community, np.int64).tobytes())
    return {
        "source": f"jtem {__version__}",
        "parameter_hash": parameter_hash,
        "model_options": options(design),
        "columns_sha256": found.hexdigest(),
    }


def options(design: step.Design) -> str:
    """The options of [model] that decide what a state means, as a plan says them; not numbers of steps or layers."""
    ground, none = design.thermal, step.Processes()._asdict()
    words = {
        "permafrost": design.permafrost.name,
        "soil heat": "no" if ground is None else "yes",
        "snow": "settling" if ground is not None and ground.settling_snow else "constant",
        "surface": "light" if ground is not None and ground.lit else "air",
        "soil_columns": "place" if ground is not None and ground.from_place else "community",
        "nitrogen": "open" if design.open_nitrogen else "closed",
        "soil_water": "two_layers" if design.two_water_layers else "one_layer",
        "roots": "follow_thaw" if design.roots_follow_thaw else "fixed",
        "abrupt_thaw": "areas" if design.abrupt_thaw else "none",
        "methane": "wetlands" if design.methane else "none",
        "deep_nitrogen_losses": str(design.deep_nitrogen_losses).lower(),
        "parameters of the place": " ".join(design.own) or "none",
    }
    own = {slot: f for slot, f in design.processes._asdict().items() if f is not none[slot] and slot != "snow_cover"}
    words |= {slot: getattr(function, "__name__", type(function).__name__) for slot, function in own.items()}
    return "; ".join(f"{name} = {word}" for name, word in words.items())
