"""Are the numbers of two netCDF files the same, to the bit?"""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np

from jtem.errors import InputError


def attributes(path: Path) -> dict[str, object]:
    """Global attributes of a netCDF file; raises ``InputError``."""
    with _opened(path) as data:
        return {name: data.getncattr(name) for name in data.ncattrs()}


def difference(before: Path, after: Path) -> str:
    """What differs between the variables of two files, in words; "" where all are bitwise the same. Raises ``InputError``."""
    with _opened(before) as old, _opened(after) as new:
        lost = sorted(set(old.variables) ^ set(new.variables))
        if lost:
            return f"'{lost[0]}' is in one of them alone" + (f" ({len(lost)} such variables)" if len(lost) > 1 else "")
        found = [(name, _apart(old[name], new[name])) for name in old.variables]
    apart = [(name, said, size) for name, (said, size) in found if said]
    if not apart:
        return ""
    name, said, _ = max(apart, key=lambda row: row[2])
    return f"{len(apart)} of {len(found)} variables differ, most of all '{name}': {said}"


def _opened(path: Path) -> netCDF4.Dataset:
    try:
        data = netCDF4.Dataset(path)
    except OSError as error:
        raise InputError(f"{path}: netCDF file cannot be read ({error.strerror or error}); check the path") from None
    data.set_auto_mask(False)
    return data


def _apart(old: netCDF4.Variable, new: netCDF4.Variable) -> tuple[str, float]:
    """What differs in a variable ("": nothing), and how much for an order: the largest difference by the largest number."""
    a, b = np.asarray(old[:]), np.asarray(new[:])
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"{a.dtype} {a.shape} and {b.dtype} {b.shape}", np.inf
    if a.dtype.kind not in "fiu":
        return ("" if a.tolist() == b.tolist() else "other words"), np.inf
    if a.tobytes() == b.tobytes():
        return "", 0.0
    bits = a != b
    bits &= ~((a != a) & (b != b))
    scale = float(np.nanmax(np.abs(a.astype(np.float64)))) or 1.0
    with np.errstate(invalid="ignore"):
        size = float(np.nanmax(np.abs(a.astype(np.float64) - b))) / scale
    return f"{int(bits.sum()):,} of {a.size:,} values, by up to {size:.1e} of the largest", size
