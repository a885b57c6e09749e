"""Elevation, land mask and permafrost-extent map on the cells of a run."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jtem.errors import InputError
from jtem.readers import fields, regrid, vegetation
from jtem.readers.units import factor_to, height_factor

ELEVATION_NAMES = ("elevation", "orog", "elev", "z", "topo", "height", "altitude", "dem")
MASK_NAMES = ("mask", "landseamask", "lsm", "land_mask", "sftlf", "land_fraction", "land_fraction_hwsd")
PERMAFROST_NAMES = ("permafrost", "permafrost_extent", "extent", "perma", "pfr", "class")


def elevation(
    path: Path | str, targets: regrid.Targets, name: str = "", box: fields.Box = fields.WHOLE_EARTH
) -> np.ndarray:
    """Elevation of the cells, m, (cell,); NaN where the file has none. Raises ``InputError``.

    The file may hold any length, or a geopotential, by its units.
    """
    field = fields.need(path, (name,) if name else ELEVATION_NAMES, box)
    factor = height_factor(field.attributes, str(path), field.name)
    field = dataclasses.replace(field, values=field.values * factor)
    values = regrid.mean(field, targets)
    if np.nanmin(values, initial=0.0) < -500 or np.nanmax(values, initial=0.0) > 9000:
        said = "" if factor == 1.0 else f"is in {field.units!r}, expected 'm', and "
        raise InputError(
            f"{path}: '{field.name}' {said}runs {np.nanmin(values):g}..{np.nanmax(values):g} m, expected -500..9000; correct it"
        )
    return values


def land_fraction(
    path: Path | str, targets: regrid.Targets, name: str = "", box: fields.Box = fields.WHOLE_EARTH
) -> np.ndarray:
    """Share of land of the cells, 0..1, (cell,): a mask of 0 and 1, a fraction or percent; missing counts as sea.

    Raises ``InputError`` for other values.
    """
    field = fields.need(path, (name,) if name else MASK_NAMES, box)
    land = _land(field, str(path))
    filled = dataclasses.replace(field, values=np.where(np.isfinite(land), land, 0.0), units="1")
    return np.nan_to_num(regrid.mean(filled, targets))


_LAND, _WATER = re.compile(r"land|soil|continent", re.IGNORECASE), re.compile(r"sea|ocean|water|lake", re.IGNORECASE)


def _land(field: fields.Map, path: str) -> np.ndarray:
    """Share of land of a mask, by its flags, its standard name or its long name where they say which number is land."""
    said = field.attributes
    values = field.values
    if "flag_values" in said and "flag_meanings" in said:
        words = vegetation.flags_of(said, field.name, path)
        land = [n for n, word in words.items() if _LAND.search(word) and not _WATER.search(word.split("_")[0])]
        have = np.unique(values[np.isfinite(values)])
        lost = [n for n in have if n not in words]
        if not land or lost:
            raise InputError(
                f"{path}: flags of '{field.name}' ({', '.join(f'{n}: {w}' for n, w in words.items())}) "
                + (f"lack the value {lost[0]:g}" if land else "name no land")
                + "; correct flag_values and flag_meanings"
            )
        return np.where(np.isfinite(values), np.isin(values, land).astype(np.float64), np.nan)
    scale = factor_to("1", field.units, path, field.name) if field.units else 1.0
    found = scale * values[np.isfinite(values)]
    if found.size and (found.min() < 0 or found.max() > 1.0 + 1e-6):
        raise InputError(
            f"{path}: '{field.name}' runs {found.min() / scale:g}..{found.max() / scale:g} ({field.units or 'no units'}), "
            "expected 0 for sea and 1 for land, or a fraction or percent with its units; convert it"
        )
    standard, text = (str(said.get(k, "")).lower() for k in ("standard_name", "long_name"))
    one = re.search(
        r"\b1\s*(?:[=:]|is|for|means)\s*(\w+)",
        f"{text} {said.get('comment', '')} {said.get('description', '')}".lower(),
    )
    of_land = "land" in standard or (one is not None and bool(_LAND.match(one[1])))
    of_sea = bool(_WATER.search(standard)) or (one is not None and bool(_WATER.match(one[1])))
    if not of_land and not of_sea:
        of_sea = bool(_WATER.search(text)) and not _LAND.search(text)
    if of_land and of_sea:
        raise InputError(
            f"{path}: '{field.name}' calls itself both land and sea ({standard}; {text}); correct its attributes"
        )
    return 1.0 - scale * values if of_sea else scale * values


def permafrost(
    path: Path | str,
    targets: regrid.Targets,
    codes: Sequence[int] = (),
    name: str = "",
    box: fields.Box = fields.WHOLE_EARTH,
) -> np.ndarray:
    """Which cells a permafrost-extent map counts as permafrost (the domain of Liu et al. 2022), bool (cell,).

    ``codes``: the classes of the map that are permafrost, for instance ``[1]``; without them the map must be a share
    of 0..1 (or percent by its units), and half of the area decides. Raises ``InputError``.
    """
    field = fields.need(path, (name,) if name else PERMAFROST_NAMES, box)
    if codes:
        have = np.unique(field.values[np.isfinite(field.values)])
        if not np.isin(have, codes).any():
            raise InputError(
                f"{path}: '{field.name}' has none of the codes {list(codes)} (it has "
                f"{', '.join(f'{c:g}' for c in have[:12])}); correct 'permafrost_codes'"
            )
        return np.sum([regrid.shares(field, targets, float(code)) for code in codes], axis=0) >= 0.5
    found = field.values[np.isfinite(field.values)]
    scale = factor_to("1", field.units, str(path), field.name) if field.units else 1.0
    if found.size and (found.min() < 0 or found.max() * scale > 1.0 + 1e-6):
        raise InputError(
            f"{path}: '{field.name}' runs {found.min():g}..{found.max():g}: classes? say which ones are permafrost with "
            "'permafrost_codes'"
        )
    return np.nan_to_num(scale * regrid.mean(field, targets)) >= 0.5
