"""Units of observations by the grammar of ``units``, and what makes house units of them."""

from __future__ import annotations

import calendar
import re
import statistics
from collections.abc import Sequence

from jtem.errors import InputError
from jtem.readers.units import KELVIN, MONTH, SECOND, SECONDS_PER_DAY, YEAR, understood

GRAMS_CARBON_PER_MICROMOLE = 12.011e-6
FLUX, YEARLY = "gC m-2 month-1", "gC m-2 year-1"
_MOLES = re.compile(r"\b([munµμ]?)mol\s*(?:CO2|C)?(?![a-zA-Z])")
_PREFIX = {"": 1e6, "m": 1e3, "n": 1e-3}
_EXAMPLES = {FLUX: "gC m-2 d-1 or umol m-2 s-1", YEARLY: "kgC m-2 year-1", "mm month-1": "mm d-1", "m": "cm or mm"}


def conversion(stream: str, target: str, unit: str, days: float, where: str) -> tuple[float, float]:
    """Factor and offset from ``unit`` to ``target``, the stream's house unit; ``days`` of the month (NaN: not monthly).

    Moles are of carbon; masses of a flux must say of what (C, N, CO2). Raises ``InputError`` for no unit and for one of another
    kind; soil temperature alone may have none (see :func:`check_celsius`).
    """
    choices = " or ".join(filter(None, (target, _EXAMPLES.get(target, ""))))
    if not unit.strip() and stream != "soil_temperature":
        raise InputError(
            f"{where}: '{stream}' has no unit, expected {choices}; give it in a column 'unit' or in the header, as "
            f"'{stream} ({target})'"
        )
    if unit.strip() in ("", target):
        return 1.0, 0.0
    plain = _MOLES.sub(lambda m: f"{GRAMS_CARBON_PER_MICROMOLE * _PREFIX.get(m[1], 1.0):.12g} gC ", unit)
    plain = re.sub(r"\b([km]?)g\s*CO2(?![a-zA-Z])", rf"{12.011 / 44.009!r} \1gC", plain)
    wanted, found = understood(target), understood(plain)
    assert wanted is not None
    if found is not None and (found.of == wanted.of or (not found.of and target not in (FLUX, YEARLY))):
        factor, powers = found.factor, list(found.powers)
        if target == "mm month-1" and powers[:2] == [-2, 1]:  # kg m-2 of water
            factor, powers[:2] = factor * 1e-3, [1, 0]
        if wanted.powers[MONTH] == -1 and powers[SECOND] == -1 and not powers[YEAR]:
            factor, powers[SECOND], powers[MONTH] = factor * SECONDS_PER_DAY * days, 0, powers[MONTH] - 1
        if tuple(powers) == wanted.powers:  # 15 digits: a day's mean times 29 is 29
            offset = found.offset - wanted.offset if powers[KELVIN] else 0.0
            return float(f"{factor / wanted.factor:.15g}"), round(offset, 9)
    raise InputError(f"{where}: '{stream}' is in {unit!r}, expected {choices}; convert it")


WARM = 15.0
"""degC: ground whose median is above and has no unit may be in degF, in which ground near its thawing point reads 32."""


def check_celsius(values: Sequence[float], where: str) -> None:
    """Refuse soil temperatures without a unit that may be in degF; raises ``InputError``. Kelvin are out of range anyway."""
    if len(values) and statistics.median(values) > WARM:
        raise InputError(
            f"{where}: 'soil_temperature' has no unit and the median {statistics.median(values):g}, degC or degF? give the unit"
        )


def days_in_month(year: float, month: float) -> float:
    """Days of a calendar month (leap years count); NaN where year or month is NaN."""
    return float("nan") if year + month != year + month else float(calendar.monthrange(int(year), int(month))[1])
