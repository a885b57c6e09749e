"""Soil texture and carbon from a folder of SoilGrids 2 rasters, as ISRIC publishes them: a property and depth a file.

Names are ``<property>_<top>-<bottom>cm_<mean|Q0.5>[_...].tif`` (or .vrt); numbers are integers in the mapped units of SoilGrids
(https://www.isric.org/explore/soilgrids/faq-soilgrids): sand, silt, clay g kg-1; ocd hg m-3; soc dg kg-1; bdod cg cm-3; cfvo
cm3 dm-3. Nothing in the files says the unit: texture in percent, as some mirrors have it, is told by the sum of its parts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from jtem.errors import InputError
from jtem.readers import fields, rasters, regrid

_NAME = re.compile(
    r"(?P<property>[a-z]+\d?)_(?P<top>\d+)-(?P<bottom>\d+)cm_(?P<kind>mean|Q0\.5)(?:_[\w.]+)?\.(?:tiff?|vrt)",
    re.IGNORECASE,
)
SUM_TOLERANCE = 0.03
"""Relative: how far rounded parts of texture may be from their sum."""
LARGEST_DENSITY = 2000.0
"""hg m-3: more carbon than any soil has in a cubic metre (pure peat has about 1000)."""

Depths = Mapping[tuple[int, int], Path]
"""(top, bottom) in cm -> file."""


def find(folder: Path | str) -> dict[str, dict[tuple[int, int], Path]]:
    """Files of a folder (with all in it) by property and depth; raises ``InputError`` for two of one kind."""
    result: dict[str, dict[tuple[int, int], Path]] = {}
    for path in sorted(Path(folder).rglob("*")):
        match = _NAME.fullmatch(path.name)
        if match:
            depths = result.setdefault(match["property"].lower(), {})
            depth = int(match["top"]), int(match["bottom"])
            if depth in depths:
                raise InputError(f"{path}: {depths[depth].name} is of the same property and depth; keep one")
            depths[depth] = path
    return result


def _thickness(depths: Depths, top: float, bottom: float, where: str) -> dict[Path, float]:
    """How much of ``top``..``bottom`` (cm) each file stands for, in m; raises ``InputError`` for a gap."""
    parts = {path: (min(low, bottom) - max(high, top)) / 100.0 for (high, low), path in depths.items()}
    parts = {path: part for path, part in parts.items() if part > 0}
    if abs(sum(parts.values()) - (bottom - top) / 100.0) > 1e-9:
        have = ", ".join(f"{a}-{b} cm" for a, b in sorted(depths)) or "none"
        raise InputError(
            f"{where}: depths do not fill {top:g}-{bottom:g} cm once ({have}); add the SoilGrids files that do"
        )
    return parts


def texture(
    folder: Path | str, targets: regrid.Targets, depth_cm: float, box: fields.Box = fields.WHOLE_EARTH
) -> np.ndarray:
    """Sand, silt, clay of the cells down to ``depth_cm``, percent, (cell, 3); NaN where SoilGrids has none.

    Raises ``InputError`` for absent files and for parts that sum to neither 1000 nor 100.
    """
    have = find(folder)
    total = np.zeros((targets.latitude.size, 3))
    for k, part in enumerate(("sand", "silt", "clay")):
        for path, weight in _thickness(have.get(part, {}), 0.0, depth_cm, f"{folder}: '{part}'").items():
            total[:, k] += weight / (depth_cm / 100.0) * regrid.mean(rasters.read(path, box), targets)
    sums = total.sum(axis=1)
    known = sums[np.isfinite(sums) & (sums > 0)]
    total[~(sums > 0)] = np.nan
    if not known.size:
        raise InputError(f"{folder}: SoilGrids has no texture at any cell of the run; check box and files")
    typical = float(np.median(known))
    unit = next((whole for whole in (1000.0, 100.0) if abs(typical / whole - 1.0) <= SUM_TOLERANCE), None)
    if unit is None or np.max(np.abs(known / unit - 1.0)) > 2 * SUM_TOLERANCE:
        raise InputError(
            f"{folder}: sand + silt + clay is {known.min():g}..{known.max():g}, expected 1000 (g kg-1, as published) or 100 "
            "(percent); give the three properties of one release, unchanged"
        )
    return 100.0 * total / sums[:, None]


def carbon(
    folder: Path | str,
    targets: regrid.Targets,
    intervals: Sequence[tuple[float, float]],
    box: fields.Box = fields.WHOLE_EARTH,
) -> np.ndarray:
    """Organic carbon of the cells in ``intervals`` (m), kg m-2, (cell, interval); NaN below the deepest file.

    From the density ocd, else from soc, bdod and cfvo. Raises ``InputError``.
    """
    have = find(folder)
    names = ("ocd",) if "ocd" in have else ("soc", "bdod", "cfvo")
    lost = [name for name in names if name not in have]
    if lost:
        raise InputError(
            f"{folder}: no SoilGrids file of '{lost[0]}'; add those of 'ocd', or of 'soc', 'bdod' and 'cfvo'"
        )
    deepest = max(bottom for _, bottom in have[names[0]])
    densities: dict[Path, np.ndarray] = {}
    result = np.full((targets.latitude.size, len(intervals)), np.nan)
    for k, (top, bottom) in enumerate(intervals):
        if 100 * bottom > deepest:
            continue
        result[:, k] = 0.0
        for path, thickness in _thickness(have[names[0]], 100 * top, 100 * bottom, f"{folder}: '{names[0]}'").items():
            if path not in densities:
                depth = next(d for d, p in have[names[0]].items() if p == path)
                densities[path] = _density([have[name].get(depth) for name in names], names, depth, targets, box)
            result[:, k] += thickness * densities[path]
    return result


def _density(
    paths: Sequence[Path | None], names: Sequence[str], depth: tuple[int, int], targets: regrid.Targets, box: fields.Box
) -> np.ndarray:
    """Carbon density of one depth, kg m-3, (cell,)."""
    found = []
    for path, name in zip(paths, names, strict=True):
        if path is None:
            raise InputError(f"no SoilGrids file of '{name}' at {depth[0]}-{depth[1]} cm; add it")
        field = rasters.read(path, box)
        if not np.issubdtype(np.dtype(str(field.attributes["dtype"])), np.integer):
            raise InputError(
                f"{path}: holds {field.attributes['dtype']}, expected the integers that SoilGrids publishes; a converted "
                "raster does not say its unit, give the original"
            )
        found.append(field)
    if len({field.values.shape for field in found}) > 1:
        raise InputError(f"{paths[0]}: not on the grid of {paths[1]}; give files of one release")
    first = found[0]
    if len(found) == 1:
        values = 0.1 * first.values
    else:
        values = 1e-4 * first.values * 10.0 * found[1].values * (1.0 - found[2].values / 1000.0)
    if np.nanmax(values, initial=0.0) > 0.1 * LARGEST_DENSITY or np.nanmin(values, initial=0.0) < 0:
        raise InputError(
            f"{paths[0]}: carbon of {np.nanmin(values):g}..{np.nanmax(values):g} kg m-3, expected "
            f"0..{0.1 * LARGEST_DENSITY:g}; the raster is not in the units of SoilGrids"
        )
    return regrid.mean(fields.Map(values, first.latitude, first.longitude, first.step, "kg m-3", "carbon", first.where,
                                    step_lon=first.step_lon), targets)  # fmt: skip
