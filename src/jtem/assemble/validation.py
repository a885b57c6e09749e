"""Folds of a blocked cross-validation, by rules that know nothing but places and names."""

from __future__ import annotations

import hashlib

import numpy as np

from jtem.assemble.sites import Sites
from jtem.plan.calibration import ValidationSection


def folds_of(section: ValidationSection | None, found: Sites) -> np.ndarray | None:
    """Fold of each site (site,): blocks in the order of their hash go round the folds; -1 for sites that no fit sees, by the hash
    of their name. None without a section.
    """
    if section is None:
        return None
    latitude, longitude = (found.of_cells(name) for name in ("latitude", "longitude"))
    block = np.stack([latitude // section.block[0], longitude // section.block[1]], axis=1).astype(int)
    order = sorted({tuple(b) for b in block.tolist()}, key=lambda b: hashed(f"{b[0]} {b[1]}"))
    fold = np.array([order.index(tuple(b)) % section.folds for b in block.tolist()])
    untouched = [section.untouched > 0 and hashed(name) % section.untouched == 0 for name in found.names]
    return np.where(untouched, -1, fold)


def hashed(name: str) -> int:
    """A number of a name that is the same everywhere."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16)
