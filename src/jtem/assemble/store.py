"""Sections [prepare] and [domain] of a plan whose source is a store: what it holds, its recipe, and its cells and climate."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jtem.errors import InputError
from jtem.files import Inputs, fetched, place
from jtem.readers import prepare
from jtem.readers import store as stores
from jtem.readers.catalogue import Domain

if TYPE_CHECKING:
    from jtem.plan import Plan


def domain(plan: Plan, inputs: Inputs) -> Domain:
    """The store that ``jtem prepare`` made, as a domain; raises ``InputError`` where it was made with other settings."""
    path = place(plan.prepare.store) if "://" in plan.prepare.store else plan.store
    again = f"run: jtem prepare {plan.where}"
    if not path.is_file():
        raise InputError(f"{plan.where}: prepared store {path} not found; {again}")
    if plan.domain.source == "isimip":
        differing = stores.differences(path, recipe_words(plan))
        if differing:
            raise InputError(f"{path}: prepared with other settings ({', '.join(differing)}); {again} --force")
    have = stores.years(path)
    for name, (first, last) in plan.climate_years.items():
        if name in have and not have[name][0] <= first <= last <= have[name][1]:
            raise InputError(
                f"{path}: climate '{name}' has {have[name][0]}-{have[name][1]}, the plan needs {first}-{last}; "
                f"{again} --force"
            )
    cells, said = stores.read_cells(inputs.note(fetched(path))), (str(path), stores.provenance(path))
    if plan.domain.source == "isimip" or plan.domain.stride == 1:
        return Domain(cells, lambda climate: stores.source(path, climate), said, stored=True)
    kept = np.arange(cells.sizes["cell"])[:: plan.domain.stride]

    def strided(climate: str):
        source, where = stores.source(path, climate)
        return lambda rows, first, last: source(kept[rows], first, last), where

    return Domain(cells.isel(cell=kept), strided, said, stored=True)


def recipe_words(plan: Plan) -> dict[str, object]:
    """The words of a plan that decide what a store holds (not its years, which may be more than needed)."""

    def words(value: object) -> object:
        return {k: list(v) for k, v in value.items()} if isinstance(value, Mapping) else value

    d, part = plan.domain, plan.prepare
    result = {
        f.name: words(getattr(part, f.name)) if f.name != "names" else dict(part.names)
        for f in dataclasses.fields(part)
        if f.name != "store"
    }
    scenarios = {name: list(d.climate.get(name, (name,))) for name in plan.climate_years}
    return result | {
        "source": d.source, "domain": d.domain, "stride": d.stride, "subdivide": d.subdivide, "climate": scenarios,
        "co2": d.co2, "co2_column": d.co2_column, "static": d.static, "cells_soil_carbon": d.soil_carbon,
    }  # fmt: skip


def isimip_recipe(plan: Plan, inputs: Inputs) -> prepare.Recipe:
    """The recipe of a plan with source "isimip", all paths found."""
    d, part = plan.domain, plan.prepare
    where = f"{plan.where}: [prepare]"

    def find(name: str) -> Path | None:
        return inputs.find(name, where) if name else None

    def need(name: str, folder: bool = False) -> Path:
        return inputs.find(name, where, folder=folder)

    climates = {
        name: prepare.Request(d.climate.get(name, (name,)), first, last, part.nitrogen.get(name, ()))
        for name, (first, last) in plan.climate_years.items()
    }
    return prepare.Recipe(
        folder=inputs.find(part.folder, where, folder=True),
        climates=climates,
        vegetation=need(part.vegetation),
        texture=need(part.texture, folder=not Path(part.texture).suffix),
        elevation=need(part.elevation),
        model=part.model,
        member=part.member,
        region=part.region,
        vegetation_kind=part.vegetation_kind,
        texture_layers=find(part.texture_layers),
        land_mask=find(part.land_mask),
        permafrost_map=find(part.permafrost_map),
        permafrost_codes=part.permafrost_codes,
        soil_carbon=tuple(inputs.find(n, where, folder=not Path(n).suffix) for n in part.soil_carbon),
        climate_elevation=find(part.climate_elevation),
        lapse_rate=part.lapse_rate,
        box=part.box,
        resolution=part.resolution,
        stride=d.stride,
        co2=d.co2 if d.co2 in ("embedded", "isimip") else need(d.co2),
        co2_column=d.co2_column,
        names=part.names,
    )
