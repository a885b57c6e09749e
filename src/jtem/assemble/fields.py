"""Parameters that follow the covariates of a place, evaluated once when columns are made."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from jtem import step
from jtem.covariates import covariates
from jtem.errors import InputError
from jtem.parameters import Field, ParameterTable
from jtem.state import Cell, Climate

CELLS = 2000
"""Cells whose climate is read at a time."""


def known_of(columns: Cell, year: Sequence[np.ndarray], sand: np.ndarray, clay: np.ndarray) -> dict[str, np.ndarray]:
    """Covariates of columns. ``year``: air temperature, precipitation and radiation of a mean year, (column, 12) each; sand and
    clay percent (column,).
    """
    air, rain, light = (np.asarray(field, np.float64) for field in year)
    return covariates(
        air, rain, light, np.asarray(columns.elevation), sand, clay, np.asarray(columns.soil_carbon_profile)
    )


def mean_year(load: Callable[[np.ndarray], Climate], count: int) -> list[np.ndarray]:
    """Mean year of the climate that ``load`` gives of cells: air temperature, precipitation, radiation, (cell, 12)."""
    parts = []
    for start in range(0, count, CELLS):
        climate = load(np.arange(start, min(start + CELLS, count)))
        fields = (climate.air_temperature, climate.precipitation, climate.shortwave_radiation)
        parts.append([np.asarray(field).mean(axis=1) for field in fields])
    return [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]


def with_own(
    design: step.Design, columns: Cell, known: dict, table: ParameterTable, fields: Sequence[Field] | None = None
) -> tuple[step.Design, Cell]:
    """Design and columns whose cells carry the values of the table's fields (or of some of them)."""
    fields = table.fields if fields is None else fields
    if not fields:
        return design, columns
    placed = design.thermal is not None and design.thermal.from_place
    lost = [field.name for field in fields if field.name.startswith("soil_column.") and not placed]
    if lost:
        raise InputError(
            f"field '{lost[0]}' of an overlay is of columns that follow the place; set [model] soil_columns = 'place' with it"
        )
    community = [table.communities[int(k)] for k in np.asarray(columns.community)]
    own = np.stack([field.values(known, community) for field in fields], axis=1)
    return dataclasses.replace(design, own=tuple(field.name for field in fields)), dataclasses.replace(columns, own=own)
