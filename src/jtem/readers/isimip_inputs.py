"""CO2 and nitrogen deposition of the ISIMIP input folders, recognised by name like the climate of ``isimip``.

Names: ``co2_<scenario>[_annual]_<y0>_<y1>.txt``, ``ndep-<nhx|noy>_<word>..._<y0>_<y1>.nc``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from jtem.errors import InputError
from jtem.readers import co2, fields, isimip
from jtem.readers.units import understood

NITROGEN = ("nhx", "noy")
COUNTERCLIM_CO2 = 296.13  # ppm, ISIMIP3a protocol: counterclim goes with the CO2 of 1901
_CO2 = re.compile(
    rf"^co2_(?P<scenario>{isimip.WORD})_(?:annual_)?(?P<first>\d{{4}})[-_](?P<last>\d{{4}})\.txt$", re.IGNORECASE
)
_NDEP = re.compile(rf"^ndep-(?P<variable>nhx|noy)_(?P<scenario>{isimip.WORD})_(?:.+_)?{isimip.YEARS}", re.IGNORECASE)


# --- CO2 -------------------------------------------------------------------------------------------------------------


def find_co2(folder: Path | str, scenarios: Sequence[str], first_year: int, last_year: int) -> np.ndarray:
    """CO2 (ppm) of the years from ``co2_<scenario>_annual_<y0>_<y1>.txt`` files (two columns), shape (year,).

    ``scenarios``: words whose periods join up. ``counterclim`` without a file has the 296.13 ppm of its protocol.
    Raises ``InputError`` for years that no file has.
    """
    folder = Path(folder)
    found = []
    for path in sorted(folder.rglob("*.txt")):
        match = _CO2.match(path.name)
        if match:
            found.append((match["scenario"].lower(), int(match["first"]), int(match["last"]), path))
    words = [word.lower() for word in scenarios]
    if words == ["counterclim"] and not any(entry[0] == "counterclim" for entry in found):
        return np.full(last_year - first_year + 1, COUNTERCLIM_CO2)
    series: dict[int, float] = {}
    for word in words:
        for scenario, first, last, path in found:
            low, high = max(first, first_year), min(last, last_year)
            if scenario != word or low > high:
                continue
            for year, value in zip(range(low, high + 1), co2.read_table(path, low, high), strict=True):
                if abs(series.setdefault(year, float(value)) - value) > 1e-6:
                    raise InputError(f"{path}: CO2 of {year} is {value:g}, another file has {series[year]:g}; drop one")
    lost = [year for year in range(first_year, last_year + 1) if year not in series]
    if lost:
        have = ", ".join(sorted({entry[3].name for entry in found})) or "none"
        raise InputError(
            f"{folder}: no CO2 of {lost[0]} for {'+'.join(scenarios)} (CO2 files: {have}); add "
            "co2_<scenario>_annual_<y0>_<y1>.txt or set [domain] co2 = 'embedded'"
        )
    return np.array([series[year] for year in range(first_year, last_year + 1)])


# --- nitrogen deposition ---------------------------------------------------------------------------------------------


def find_nitrogen(
    folder: Path | str, words: Sequence[str], first_year: int, last_year: int
) -> dict[str, tuple[isimip.FileName, ...]]:
    """Files of nhx and noy deposition of the years, by variable; ``words``: for instance ("histsoc", "ssp585soc")."""
    folder = Path(folder)
    names = []
    for path in sorted(folder.rglob("ndep-*.nc*")):
        match = _NDEP.match(path.name)
        if match and match["scenario"].lower() in [word.lower() for word in words]:
            variable = match["variable"].lower()
            names.append(
                isimip.FileName(
                    path,
                    "ndep",
                    "",
                    "",
                    match["scenario"].lower(),
                    variable,
                    "",
                    int(match["first"]),
                    int(match["last"]),
                )
            )
    return {
        variable: isimip.chain(
            [name for name in names if name.variable == variable],
            first_year,
            last_year,
            f"{folder}: 'ndep-{variable}' of {'+'.join(words)}",
        )
        for variable in NITROGEN
    }


def nitrogen(
    files: Mapping[str, Sequence[isimip.FileName]],
    latitude: np.ndarray,
    longitude: np.ndarray,
    first_year: int,
    last_year: int,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (year, (cell, 12)) of nitrogen deposition nhx + noy, gN m-2 month-1; one year in memory at a time."""
    streams = [_nitrogen_of(files[variable], latitude, longitude, first_year, last_year) for variable in NITROGEN]
    for (year, reduced), (_, oxidised) in zip(*streams, strict=True):
        yield year, reduced + oxidised


def _nitrogen_of(
    files: Sequence[isimip.FileName], latitude: np.ndarray, longitude: np.ndarray, first_year: int, last_year: int
) -> Iterator[tuple[int, np.ndarray]]:
    for name in files:
        where = f"{name.path}: {name.variable}"
        with fields.open_raw(name.path) as dataset:
            if name.variable not in dataset.variables:
                raise InputError(f"{name.path}: variable '{name.variable}' is missing; fetch the file again")
            variable = dataset.variables[name.variable]
            unit = str(getattr(variable, "units", ""))
            said = understood(unit)
            if said is None or said.powers != (-2, 1, 0, 0, -1, 0) or said.of not in ("", "N") or said.factor != 1e-3:
                raise InputError(f"{where}: units {unit!r}, expected 'g m-2 month-1' (of nitrogen); convert the file")
            years = name.last - name.first + 1
            if variable.ndim != 3 or variable.shape[0] != 12 * years:
                raise InputError(
                    f"{where}: shape {variable.shape}, expected {12 * years} months of {name.first}-{name.last} first; "
                    "fetch the file again"
                )
            grid = fields.axes(dataset, str(name.path))
            if fields.dimensions_of(variable, grid, where) != (1, 2):
                raise InputError(f"{where}: dimensions {variable.dimensions}, expected (time, lat, lon); transpose it")
            january = fields.numbers(variable, (0,), where)[grid.rows][:, grid.columns]
            shared = isimip.share_grid(grid, np.isfinite(january), latitude, longitude, str(name.path))
            at = shared.latitude[shared.index], shared.longitude[shared.index]
            rows, columns, row, column = isimip.positions(grid, *at, where)
            for year in range(max(first_year, name.first), min(last_year, name.last) + 1):
                begin = 12 * (year - name.first)
                box = fields.numbers(variable, (slice(begin, begin + 12), rows, columns), where)
                values = box[:, row, column].T
                if not np.all(np.isfinite(values)) or values.min() < 0 or values.max() > 10:
                    raise InputError(
                        f"{where}: values {np.nanmin(values):g}..{np.nanmax(values):g} g m-2 month-1 in {year} or missing, "
                        "expected 0..10; correct the file"
                    )
                yield year, values
