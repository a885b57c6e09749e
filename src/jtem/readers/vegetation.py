"""Vegetation of the cells: TEM types 1-35 as mosaics, maps of communities, fractions of communities, BIOME4 classes."""

from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from jtem.errors import InputError, suggest
from jtem.files import data_path
from jtem.readers import fields, regrid
from jtem.readers.embedded import rules
from jtem.records import Attributes

KINDS = ("tem", "communities", "biome4", "fractions")
NAMES = ("vegetation", "veg", "vegtype", "vegetation_type", "temveg", "community", "biome4", "biome", "Band1")
SMALLEST_SHARE = 0.02
"""Communities below this share of a cell's vegetated area join the others: every share is a column to simulate."""

Mosaic = Mapping[int, tuple[tuple[str, float], ...]]

_WOODLAND = (("boreal_forest", 0.5), ("wet_moist_tundra", 0.5))
BIOME4: Mosaic = {
    **dict.fromkeys((1, 2, 3), (("tropical_forest", 1.0),)),
    4: (("temperate_deciduous_forest", 1.0),),
    **dict.fromkeys((5, 9), (("temperate_coniferous_forest", 1.0),)),
    **dict.fromkeys((6, 7), (("temperate_coniferous_forest", 0.5), ("temperate_deciduous_forest", 0.5))),
    **dict.fromkeys((8, 10, 11), (("boreal_forest", 1.0),)),
    **dict.fromkeys((12, 13, 14, 15, 16), (("xeric_shrubland", 1.0),)),
    **dict.fromkeys((17, 18), _WOODLAND),
    **dict.fromkeys((19, 20), (("grassland", 1.0),)),
    **dict.fromkeys((22, 23), (("wet_moist_tundra", 1.0),)),
    **dict.fromkeys((24, 25, 26), (("alpine_tundra_polar_desert", 1.0),)),
    **dict.fromkeys((21, 27, 28), ()),
}
"""BIOME4 classes and the TEM communities that stand for them.

Classes 8, 10, 11, 22-26 and 21, 27, 28 follow the check of the real half-degree fields against TEM's own vegetation
(84-85 % of cells agree); the others, warmer or drier, are our choice by name.
"""


@cache
def vegetation_mosaic() -> dict[int, tuple[tuple[str, float], ...]]:
    """The 35 TEM vegetation types: number -> communities with their share of the area (empty: not simulated)."""
    with data_path("vegetation_mosaic.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return {
            int(row["number"]): tuple(
                (row[f"community_{k}"], float(row[f"percent_{k}"]) / 100.0) for k in (1, 2) if row[f"community_{k}"]
            )
            for row in rows
        }


def flags_of(said: Attributes, name: str, where: str) -> dict[int, str]:
    """Codes and their words from flag_values (numbers, or text like "1b, 2b") and flag_meanings; raises ``InputError``."""
    values = said["flag_values"]
    try:
        if isinstance(values, str):
            numbers = [int(re.sub(r"[a-zA-Z]+$", "", text)) for text in re.split(r"[,\s]+", values.strip()) if text]
        else:
            numbers = [int(value) for value in np.atleast_1d(values)]
    except (ValueError, TypeError):
        raise InputError(
            f"{where}: flag_values of '{name}' are {values!r}, expected whole numbers; correct them"
        ) from None
    if str(said.get("_Unsigned", "")).lower() == "true":
        width = np.atleast_1d(values).dtype.itemsize if not isinstance(values, str) else 1
        numbers = [n + (1 << 8 * width) if n < 0 else n for n in numbers]
    words = str(said["flag_meanings"]).replace(",", " ").split()
    if len(words) != len(numbers):
        raise InputError(
            f"{where}: '{name}' has {len(numbers)} flag_values and {len(words)} flag_meanings; correct them"
        )
    return dict(zip(numbers, words, strict=True))


def mosaic_of(said: Attributes, name: str, where: str, kind: str = "") -> Mosaic:
    """What the codes of a vegetation field mean: its own flags, BIOME4 classes or TEM numbers; raises ``InputError``.

    ``said``: attributes of the field. ``kind``: a word of ``KINDS``; by default what the field itself says.
    """
    if kind and kind not in KINDS:
        raise InputError(f"{where}: vegetation_kind '{kind}' is unknown; {suggest(kind, KINDS)}")
    flags = "flag_meanings" in said and "flag_values" in said
    if not kind and not flags and "flag_meanings" in said and "biome4" not in name.lower():
        raise InputError(
            f"{where}: '{name}' has flag_meanings but no flag_values, so that nothing tells its numbers; add flag_values"
        )
    if kind == "biome4" or (not kind and "biome4" in name.lower()):
        return BIOME4
    if kind == "communities" or (not kind and flags):
        if not flags:
            raise InputError(f"{where}: '{name}' has no flag_values and flag_meanings; add them (names of communities)")
        return {
            number: () if word in ("none", "not_simulated") else ((word, 1.0),)
            for number, word in flags_of(said, name, where).items()
        }
    return vegetation_mosaic()


def whole_codes(
    values: np.ndarray, mosaic: Mosaic, name: str, where: str, remedy: str = "correct the field"
) -> np.ndarray:
    """Codes as whole numbers (-1: missing, or 0 where it has no meaning); within 1e-3 of one they are taken as it.

    Raises ``InputError`` for codes that the mosaic lacks.
    """
    nearest = np.round(values)
    with np.errstate(invalid="ignore"):
        averaged = np.abs(values - nearest) > 1e-3
    known = np.isin(nearest, [*mosaic, 0])
    bad = np.isfinite(values) & (averaged | ~known)
    if bad.any():
        code = float(values[bad].flat[0])
        why = " (not a whole number: averaged classes?)" if averaged[bad].flat[0] else ""
        raise InputError(
            f"{where}: unknown vegetation type {code:.9g}{why} in '{name}', expected {min(mosaic)}..{max(mosaic)} (0 or missing: "
            f"not simulated); {remedy}"
        )
    codes = np.where(np.isfinite(values), nearest, -1).astype(int)
    return codes if 0 in mosaic else np.where(codes == 0, -1, codes)


def community_shares(
    path: Path | str,
    targets: regrid.Targets,
    kind: str = "",
    name: str = "",
    box: fields.Box = fields.WHOLE_EARTH,
) -> dict[str, np.ndarray]:
    """Share of each community in the area of the cells, {community: (cell,)}; what is not simulated is left out.

    ``kind``: "tem" (numbers 1-35 by ``data/vegetation_mosaic.csv``, 0 or missing: not simulated), "communities" (the
    attributes flag_values and flag_meanings name communities), "biome4"; by default what the file itself says.
    A map finer than the run gives the shares of its classes. Raises ``InputError`` for an unknown class or kind.
    """
    field = fields.need(path, (name,) if name else NAMES, box)
    mosaic = mosaic_of(field.attributes, field.name, field.where, kind)
    codes = whole_codes(field.values, mosaic, field.name, field.where, "correct the map or 'vegetation_kind'")
    classes = dataclasses.replace(field, values=codes.astype(np.float64))
    result: dict[str, np.ndarray] = {}
    for number in np.unique(codes[codes >= 0]).tolist():
        if mosaic[number]:
            share = regrid.shares(classes, targets, float(number))
            for community, part in mosaic[number]:
                result[community] = result.get(community, np.zeros(targets.latitude.size)) + part * share
    if not any(np.any(share > 0) for share in result.values()):
        raise InputError(f"{path}: '{field.name}' has no vegetation in the run's cells; check 'box' and the map")
    return result


def fraction_maps(
    path: Path | str, targets: regrid.Targets, communities: Sequence[str], box: fields.Box = fields.WHOLE_EARTH
) -> dict[str, np.ndarray]:
    """Shares from one map a community: variables of the file that are called like communities, 0..1 of the cell.

    ``{community: (cell,)}``. Raises ``InputError`` where the file has none, or for values outside 0..1.
    """
    result = {}
    for community in communities:
        field = fields.read(path, (community,), box, optional=True)
        if field is None:
            continue
        found = field.values[np.isfinite(field.values)]
        scale = 0.01 if field.units in ("%", "percent") else 1.0
        if found.size and (found.min() < 0 or scale * found.max() > 1 + 1e-6):
            raise InputError(
                f"{path}: '{community}' runs {found.min():g}..{found.max():g}, expected a fraction 0..1; correct it"
            )
        filled = dataclasses.replace(
            field, values=np.where(np.isfinite(field.values), scale * field.values, 0.0), units="1"
        )
        result[community] = np.nan_to_num(regrid.mean(filled, targets))
    if not result:
        raise InputError(f"{path}: no variable is called like a community; {suggest('', communities)}")
    return result


def with_plateau(
    shares: Mapping[str, np.ndarray], latitude: np.ndarray, longitude: np.ndarray, annual_precipitation: np.ndarray
) -> dict[str, np.ndarray]:
    """Wet/moist tundra of High Mountain Asia becomes alpine meadow, steppe or desert by annual precipitation.

    High Mountain Asia: 25-45N, 65-105E. ``annual_precipitation``: mm, (cell,). Thresholds as in the embedded domain
    (``data/embedded/rules.toml``: desert below 150 mm, steppe below 400 mm, meadow above).
    """
    limit = rules()["vegetation"]
    result = {name: values.copy() for name, values in shares.items()}
    tundra = result.get("wet_moist_tundra")
    if tundra is None:
        return result
    plateau = (latitude >= 25) & (latitude < 45) & (longitude >= 65) & (longitude <= 105)
    desert = plateau & (annual_precipitation < limit["alpine_desert_below_mm"])
    steppe = plateau & ~desert & (annual_precipitation < limit["alpine_steppe_below_mm"])
    for name, here in (
        ("alpine_desert", desert),
        ("alpine_steppe", steppe),
        ("alpine_meadow", plateau & ~desert & ~steppe),
    ):
        result[name] = result.get(name, np.zeros(tundra.size)) + np.where(here, tundra, 0.0)
    result["wet_moist_tundra"] = np.where(plateau, 0.0, tundra)
    return result


def as_columns(shares: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares as the cell dataset wants them, and the vegetated part of each cell.

    Returns ``community`` (cell, share) names with "" where unused, ``community_area_fraction`` (cell, share) that sums
    to 1 where anything grows, and the vegetated fraction (cell,) before that. Communities below ``SMALLEST_SHARE`` of
    the vegetated area are given to the others in proportion.
    """
    names = sorted(shares)
    table = np.stack([shares[name] for name in names], axis=1)
    vegetated = table.sum(axis=1)
    relative = table / np.where(vegetated > 0, vegetated, 1.0)[:, None]
    relative = np.where(relative < SMALLEST_SHARE, 0.0, relative)
    total = relative.sum(axis=1)
    relative = relative / np.where(total > 0, total, 1.0)[:, None]
    slots = max(int((relative > 0).sum(axis=1).max(initial=0)), 1)
    order = np.argsort(-relative, axis=1, kind="stable")[:, :slots]
    fraction = np.take_along_axis(relative, order, axis=1)
    community = np.where(fraction > 0, np.array(names, dtype=object)[order], "").astype(object)
    return community, fraction, vegetated
