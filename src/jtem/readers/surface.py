"""Elevation, land mask and permafrost-extent map on the cells of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jtem.errors import InputError
from jtem.readers import fields, regrid

ELEVATION_NAMES = ("elevation", "orog", "elev", "z", "topo", "height", "altitude", "dem")
MASK_NAMES = ("mask", "landseamask", "lsm", "land_mask", "sftlf", "land_fraction", "land_fraction_hwsd")
PERMAFROST_NAMES = ("permafrost", "permafrost_extent", "extent", "perma", "pfr", "class")


def elevation(
    path: Path | str, targets: regrid.Targets, name: str = "", box: fields.Box = fields.WHOLE_EARTH
) -> np.ndarray:
    """Elevation of the cells, m, (cell,); NaN where the file has none. Raises ``InputError`` (units other than m)."""
    field = fields.need(path, (name,) if name else ELEVATION_NAMES, box)
    if field.units.lower() not in ("m", "meter", "meters", "metre", "metres", "m asl", "m a.s.l."):
        raise InputError(
            f"{path}: '{field.name}' is in {field.units!r}, expected 'm'; convert it or set its units attribute"
        )
    values = regrid.mean(field, targets)
    if np.nanmin(values, initial=0.0) < -500 or np.nanmax(values, initial=0.0) > 9000:
        raise InputError(
            f"{path}: '{field.name}' runs {np.nanmin(values):g}..{np.nanmax(values):g} m, expected "
            "-500..9000; correct it"
        )
    return values


def land_fraction(
    path: Path | str, targets: regrid.Targets, name: str = "", box: fields.Box = fields.WHOLE_EARTH
) -> np.ndarray:
    """Share of land of the cells, 0..1, (cell,): a mask of 0 and 1, a fraction or percent; missing counts as sea.

    Raises ``InputError`` for other values.
    """
    field = fields.need(path, (name,) if name else MASK_NAMES, box)
    found = field.values[np.isfinite(field.values)]
    scale = 0.01 if field.units in ("%", "percent") else 1.0
    if found.size and (found.min() < 0 or found.max() * scale > 1.0 + 1e-6):
        raise InputError(
            f"{path}: '{field.name}' runs {found.min():g}..{found.max():g} ({field.units or 'no units'}), "
            "expected 0 for "
            "sea and 1 for land, or a fraction or percent with its units; convert it"
        )
    filled = fields.Field(
        np.where(np.isfinite(field.values), scale * field.values, 0.0),
        field.latitude,
        field.longitude,
        field.step,
        "1",
        field.name,
        field.where,
    )
    return np.nan_to_num(regrid.mean(filled, targets))


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
    scale = 0.01 if field.units in ("%", "percent") else 1.0
    if found.size and (found.min() < 0 or found.max() * scale > 1.0 + 1e-6):
        raise InputError(
            f"{path}: '{field.name}' runs {found.min():g}..{found.max():g}: classes? say which ones are "
            "permafrost with "
            "'permafrost_codes'"
        )
    return np.nan_to_num(scale * regrid.mean(field, targets)) >= 0.5
