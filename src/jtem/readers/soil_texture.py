"""Soil texture: regridded HWSD (netCDF with T_SAND, T_CLAY or sand, clay), a folder of SoilGrids, HWSD v2 units with layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from jtem.errors import InputError
from jtem.readers import fields, rasters, regrid, soilgrids
from jtem.readers.tables import number, read_rows
from jtem.readers.units import understood

NAMES = {
    "sand": ("T_SAND", "sand", "pct_sand", "sand_0_30"),
    "silt": ("T_SILT", "silt", "pct_silt", "silt_0_30"),
    "clay": ("T_CLAY", "clay", "pct_clay", "clay_0_30"),
}
UNIT_NAMES = ("HWSD2_SMU_ID", "HWSD2", "smu_id", "mu_global", "Band1")
PARTS = ("sand", "silt", "clay")
SUM_TOLERANCE = 3.0
"""Percent: printed tables round each part; beyond this the file is refused."""
FILL_KM = 300.0
TOP_DEPTH_CM = 100.0


def read(
    path: Path | str,
    targets: regrid.Targets,
    names: Mapping[str, str] | None = None,
    box: fields.Box = fields.WHOLE_EARTH,
) -> tuple[np.ndarray, np.ndarray]:
    """Sand, silt, clay of the cells, percent, (cell, 3), and which cells were filled from their neighbours (cell,).

    A folder holds SoilGrids (``soilgrids``), of which the upper metre counts. A file needs sand and clay; silt is the difference
    where it has none. Units percent, or fractions with units "1".
    Codes below zero are not soil. Cells without soil data take the nearest with data within 300 km. Raises
    ``InputError``, also where the parts do not add up.
    """
    names = names or {}
    if Path(path).is_dir():
        parts = soilgrids.texture(path, targets, TOP_DEPTH_CM, box)
        return regrid.fill_nearest(parts, targets, FILL_KM, f"{path}: soil texture")
    if rasters.is_raster(path):
        raise InputError(
            f"{path}: one raster cannot hold sand, silt and clay; name the folder of the SoilGrids files, or 'texture_layers' "
            "for a raster of HWSD v2 units"
        )
    found = {
        part: fields.read(path, (names[part],) if names.get(part) else NAMES[part], box, optional=part == "silt")
        for part in PARTS
    }
    values = {}
    largest = 0.0
    for part, field in found.items():
        if field is None:
            continue
        scale = _scale(field)
        soil = np.where(field.values < 0, np.nan, scale * field.values)
        largest = max(largest, float(np.nanmax(soil, initial=0.0)))
        if np.nanmax(soil, initial=0.0) > 100.0 + 1e-6:
            raise InputError(f"{path}: '{field.name}' reaches {np.nanmax(soil):g} percent, expected 0..100; correct it")
        values[part] = dataclasses.replace(field, values=soil, units="percent")
    if 0 < largest <= 1.0 + 1e-6:
        present = [field for field in found.values() if field is not None]
        names_of = " and ".join(f"'{field.name}'" for field in present)
        raise InputError(
            f"{path}: {names_of} are nowhere above {largest:g} percent: fractions under units '{present[0].units}'? set the "
            "units attribute to '1' or multiply by 100"
        )
    silt = 100.0 - values["sand"].values - values["clay"].values if "silt" not in values else values["silt"].values
    fine = np.stack([values["sand"].values, silt, values["clay"].values], axis=-1)
    fine = _complete(fine, str(path))
    layer = values["sand"]
    per_cell = np.stack(
        [
            regrid.mean(dataclasses.replace(layer, values=fine[..., k], name=part), targets)
            for k, part in enumerate(PARTS)
        ],
        axis=1,
    )
    return regrid.fill_nearest(per_cell, targets, FILL_KM, f"{path}: soil texture")


def _scale(field: fields.Map) -> float:
    """Factor to percent."""
    found = understood(field.units)
    if found is None or any(found.powers) or found.offset:
        raise InputError(
            f"{field.where}: '{field.name}' is in {field.units!r}, expected 'percent' or '1'; set its units attribute"
        )
    return 100.0 * found.factor


def _complete(parts: np.ndarray, where: str) -> np.ndarray:
    """Parts (..., 3) that sum to 100; NaN stays. Raises ``InputError`` where they are farther off than rounding."""
    parts = np.where(np.all(np.isfinite(parts), axis=-1, keepdims=True), parts, np.nan)
    total = parts.sum(axis=-1)
    with np.errstate(invalid="ignore"):
        bad = (np.abs(total - 100.0) > SUM_TOLERANCE) | (parts < -SUM_TOLERANCE).any(axis=-1)
        bad &= total > 0  # all zero: HWSD's way to say water, rock or ice
    if bad.any():
        sand, silt, clay = parts[bad][0]
        raise InputError(
            f"{where}: sand {sand:.4g}, silt {silt:.4g}, clay {clay:.4g} percent in {int(bad.sum())} cells, expected a sum "
            "of 100; correct the texture"
        )
    parts = np.maximum(parts, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((total > 0)[..., None], 100.0 * parts / np.where(total > 0, total, 1.0)[..., None], np.nan)


def read_hwsd2_layers(path: Path | str, depth_cm: float = TOP_DEPTH_CM) -> dict[int, tuple[float, float, float]]:
    """Mean sand, silt, clay (percent) of each HWSD v2 unit from a CSV export of the table ``HWSD2_LAYERS``.

    All soils of a unit and their layers down to ``depth_cm`` weigh by SHARE x thickness; rows with negative codes (not
    soil) do not count, and units without any soil are left out. Raises ``InputError`` for absent columns, rows that
    are not numbers and textures that do not sum to 100.
    """
    path = Path(path)
    needed = ("HWSD2_SMU_ID", "SHARE", "TOPDEP", "BOTDEP", "SAND", "SILT", "CLAY")
    total: dict[int, np.ndarray] = {}
    weight: dict[int, float] = {}
    for row in read_rows(path, needed):
        where = f"{path}: line {row.line}"
        unit, share, top, bottom, *parts = (number(row[name], f"{where}: {name}") for name in needed)
        texture = np.array(parts)
        thickness = min(bottom, depth_cm) - top
        if not np.all(texture >= 0) or not thickness > 0 or not share > 0:
            continue
        if abs(texture.sum() - 100.0) > SUM_TOLERANCE:
            raise InputError(
                f"{where} (unit {unit:.0f}): sand + silt + clay is {texture.sum():g}, expected 100; correct it"
            )
        key = int(unit)
        total[key] = total.get(key, np.zeros(3)) + share * thickness * texture / texture.sum() * 100.0
        weight[key] = weight.get(key, 0.0) + share * thickness
    if not total:
        raise InputError(f"{path}: no row with soil; export HWSD2_LAYERS with its values")
    return {key: tuple(float(v) for v in total[key] / weight[key]) for key in total}  # pyright: ignore[reportReturnType]


def read_hwsd2(
    raster: Path | str,
    layers: Path | str,
    targets: regrid.Targets,
    name: str = "",
    box: fields.Box = fields.WHOLE_EARTH,
) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`read` from HWSD v2 unit ids (``HWSD2.bil``, GeoTIFF or netCDF) and their layer table.

    Ids are never averaged.
    """
    return regrid.fill_nearest(
        unit_means(raster, read_hwsd2_layers(layers), layers, targets, name, box),
        targets,
        FILL_KM,
        f"{raster}: soil texture",
    )


def unit_means(
    raster: Path | str,
    table: Mapping[int, Sequence[float] | np.ndarray],
    layers: Path | str,
    targets: regrid.Targets,
    name: str,
    box: fields.Box,
) -> np.ndarray:
    """Area means of numbers by HWSD v2 unit, (cell, n), NaN where no unit of the table lies; raises ``InputError``."""
    field = fields.need(raster, (name,) if name else UNIT_NAMES, box)
    known = np.array(sorted(table))
    values = np.array([table[key] for key in known], dtype=np.float64)
    whole = np.where(np.isfinite(field.values), field.values, -1).astype(int)
    at = np.clip(np.searchsorted(known, whole), 0, known.size - 1)
    hit = known[at] == whole
    if not hit.any():
        raise InputError(f"{raster}: none of its units is in {layers}; give raster and table of the same HWSD version")
    return np.stack(
        [
            regrid.mean(dataclasses.replace(field, values=np.where(hit, values[at, k], np.nan), units=""), targets)
            for k in range(values.shape[1])
        ],
        axis=1,
    )
