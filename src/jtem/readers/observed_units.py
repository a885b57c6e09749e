"""Units of observations as tables write them, and what makes house units of them."""

from __future__ import annotations

import calendar
import re

import numpy as np

from jtem.errors import InputError

GRAMS_CARBON_PER_MICROMOLE = 12.011e-6
SECONDS_PER_DAY = 86400.0
FLUX, YEARLY = "gC m-2 month-1", "gC m-2 year-1"

_UNIT_WORDS = (
    (r"[µμ]", "u"), ("²", "2"), ("⁻|−", "-"), ("¹", "1"), (r"\^|\*\*", ""), (r"[·*()_]", " "),
    (r"/\s*([A-Za-z]+)(\d*)", r" \1-\2"), (r"([A-Za-z])-(?!\d)", r"\1-1"),
    (r"\b(?:months?|mon|mo)-1", "month-1"), (r"\b(?:years?|yr|y|a)-1", "year-1"), (r"\b(?:days?)-1", "d-1"),
    (r"\b(?:seconds?|sec)-1", "s-1"), (r"\bg C\b", "gC"), (r"\bkg C\b", "kgC"), (r"\bg N\b", "gN"), (r"\bkg N\b", "kgN"),
    (r"\bumol ?(?:CO2|C)\b", "umol"), (r"\bg CO2\b", "gCO2"),
    (r"(?i)(?:°|deg(?:rees?)?) ?c(?:elsius)?|celsius", "degC"), ("(?i)kelvin", "K"),
    (r"\b(?:t|Mg) ?C? ha-1", "Mg ha-1"), ("(?i)centimet(?:re|er)s?", "cm"), ("(?i)millimet(?:re|er)s?", "mm"),
    ("(?i)met(?:re|er)s?", "m"),
)  # fmt: skip


def plain_unit(unit: str) -> str:
    """A unit in the house's spelling: "gC/m²/day" is "gC m-2 d-1"."""
    for pattern, word in _UNIT_WORDS:
        unit = re.sub(pattern, word, unit)
    return " ".join(unit.split())


def conversion(stream: str, target: str, unit: str, days: float, where: str) -> tuple[float, float]:
    """Factor and offset from ``unit`` to ``target``, the stream's house unit; ``days`` of the month (NaN: not monthly).

    Raises ``InputError`` for a unit that is not known for the stream.
    """
    plain = plain_unit(unit)
    moles = days * SECONDS_PER_DAY * GRAMS_CARBON_PER_MICROMOLE
    choices = {
        FLUX: {"gC m-2 d-1": days, "umol m-2 s-1": moles, "gCO2 m-2 d-1": days * 12.011 / 44.009},
        YEARLY: {"kgC m-2 year-1": 1000.0},
        "mm month-1": {"mm d-1": days},
        "m": {"cm": 0.01, "mm": 0.001},
        "gC m-2": {"kg m-2": 1000.0, "kgC m-2": 1000.0, "g m-2": 1.0, "Mg ha-1": 100.0},
        "gN m-2": {"kg m-2": 1000.0, "kgN m-2": 1000.0, "g m-2": 1.0},
    }.get(target, {})
    if plain in ("", target):
        return 1.0, 0.0
    if target == "degC" and plain in ("C", "K"):
        return 1.0, -273.15 if plain == "K" else 0.0
    if plain not in choices:
        raise InputError(f"{where}: '{stream}' is in {unit!r}, expected {' or '.join((target, *choices))}; convert it")
    return choices[plain], 0.0


def days_in_month(year: float, month: float) -> float:
    """Days of a calendar month (leap years count); NaN where year or month is NaN."""
    return float("nan") if np.isnan(year + month) else float(calendar.monthrange(int(year), int(month))[1])
