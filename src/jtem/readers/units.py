"""Units of files by a small grammar: the words of this field first, then SI words with powers.

A unit is a factor, an offset and powers of metre, kilogram, second, kelvin, month and year. Months and years stay bases of
their own, because their length depends on the calendar. ``a`` is the year (not the are) and ``C`` and ``N`` behind a mass
are carbon and nitrogen (not coulomb and newton). What is not understood is refused, never guessed.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import numpy as np

from jtem.errors import InputError
from jtem.records import Attributes

SECONDS_PER_DAY = 86400.0
HOUSE_UNITS = {"air_temperature": "degC", "precipitation": "mm month-1", "shortwave_radiation": "W m-2"}
STANDARD_GRAVITY = 9.80665
"""m s-2; divides geopotential (WMO)."""

METRE, KILOGRAM, SECOND, KELVIN, MONTH, YEAR = range(6)
Powers = tuple[int, int, int, int, int, int]
_NONE: Powers = (0, 0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Unit:
    """``value_in_SI = factor * value + offset``; ``powers`` of m, kg, s, K, month, year; ``of`` "C" or "N" or ""."""

    factor: float
    powers: Powers = _NONE
    offset: float = 0.0
    of: str = ""


def _base(place: int, power: int = 1) -> Powers:
    return tuple(power if k == place else 0 for k in range(6))  # pyright: ignore[reportReturnType]


_ENERGY: Powers = (2, 1, -2, 0, 0, 0)
_POWER: Powers = (2, 1, -3, 0, 0, 0)
_ATOMS: dict[str, tuple[float, Powers]] = {"1": (1.0, _NONE), "%": (0.01, _NONE)}
for _words, _factor, _powers in (
    ("m meter meters metre metres gpm", 1.0, _base(METRE)),
    ("km kilometer kilometers kilometre kilometres", 1e3, _base(METRE)),
    ("dm decimeter decimetre", 0.1, _base(METRE)),
    ("cm centimeter centimeters centimetre centimetres", 0.01, _base(METRE)),
    ("mm millimeter millimeters millimetre millimetres", 1e-3, _base(METRE)),
    ("um micrometer micrometre", 1e-6, _base(METRE)),
    ("dam gpdm decameter decameters decametre decametres", 10.0, _base(METRE)),
    ("hm", 100.0, _base(METRE)),
    ("in inch inches", 0.0254, _base(METRE)),
    ("ft foot feet FT", 0.3048, _base(METRE)),
    ("kft", 304.8, _base(METRE)),
    ("yd yard yards", 0.9144, _base(METRE)),
    ("ha hectare hectares", 1e4, _base(METRE, 2)),
    ("l L liter liters litre litres", 1e-3, _base(METRE, 3)),
    ("kg kilogram kilograms", 1.0, _base(KILOGRAM)),
    ("hg", 0.1, _base(KILOGRAM)),
    ("g gram grams", 1e-3, _base(KILOGRAM)),
    ("mg", 1e-6, _base(KILOGRAM)),
    ("Mg t ton tonne tonnes", 1e3, _base(KILOGRAM)),
    ("s sec secs second seconds", 1.0, _base(SECOND)),
    ("min minute minutes", 60.0, _base(SECOND)),
    ("h hr hrs hour hours", 3600.0, _base(SECOND)),
    ("d day days dy", SECONDS_PER_DAY, _base(SECOND)),
    ("wk week weeks", 7 * SECONDS_PER_DAY, _base(SECOND)),
    ("mo mon mth month months", 1.0, _base(MONTH)),
    ("a y yr yrs year years annum", 1.0, _base(YEAR)),
    ("K kelvin", 1.0, _base(KELVIN)),
    ("J joule joules", 1.0, _ENERGY),
    ("kJ", 1e3, _ENERGY),
    ("MJ", 1e6, _ENERGY),
    ("GJ", 1e9, _ENERGY),
    ("Wh", 3600.0, _ENERGY),
    ("kWh", 3.6e6, _ENERGY),
    ("cal calorie calories", 4.186, _ENERGY),
    ("kcal", 4186.0, _ENERGY),
    ("ly langley langleys", 41840.0, (0, 1, -2, 0, 0, 0)),
    ("W watt watts", 1.0, _POWER),
    ("kW", 1e3, _POWER),
    ("mW", 1e-3, _POWER),
    ("percent percentage pct", 0.01, _NONE),
    ("fraction unitless dimensionless", 1.0, _NONE),
):
    _ATOMS.update(dict.fromkeys(_words.split(), (_factor, _powers)))

_CELSIUS = Unit(1.0, _base(KELVIN), 273.15)
_WHOLE = {
    **dict.fromkeys(
        ("degc", "c", "°c", "celsius", "degreescelsius", "degreecelsius", "degreesc", "degreec", "centigrade", "celcius", "oc",
         "ºc"),
        _CELSIUS,
    ),
    **dict.fromkeys(("k", "kelvin", "kelvins", "degk", "degreesk", "degreek", "degreeskelvin", "degreekelvin", "°k"),
                    Unit(1.0, _base(KELVIN))),
    **dict.fromkeys(("degf", "f", "°f", "fahrenheit", "degreesfahrenheit", "degreefahrenheit", "degreesf", "degreef"),
                    Unit(5.0 / 9.0, _base(KELVIN), 273.15 - 32.0 * 5.0 / 9.0)),
    **dict.fromkeys(("permille", "permil", "permill", "‰"), Unit(1e-3)),
    **dict.fromkeys(("massfraction", "weightfraction", "fractionbymass", "fractionbyweight"), Unit(1.0)),
    **dict.fromkeys(("percentbymass", "percentbyweight", "percentofweight", "percentofmass", "masspercent", "%wt", "%weight",
                     "percentweight", "wt%", "weightpercent", "%(weight)", "weight%", "%mass", "mass%"), Unit(0.01)),
}  # fmt: skip
"""Whole units of this field, without blanks, underscores and dots, in lower case."""
_WATER = re.compile(
    r"\b(?:of\s+)?(?:h2o|water|liquid|equivalent|w\.?e\.?|lwe|depth|rain(?:fall)?|precip(?:itation)?)\b"
)
_SUPER = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻−–", "0123456789---")
_TOKEN = re.compile(r"\s*(?:(?P<slash>/|\bper\b)|(?P<close>\))|(?P<open>\()|(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?)"
                    r"|(?P<word>[A-Za-z%]+)(?:\^|\*\*)?(?P<power>[+-]?\d+)?|(?P<times>[*.·×]))")  # fmt: skip


def parse(text: str) -> Unit | None:
    """A unit as a file writes it; None where it is not understood (also for the empty text)."""
    plain = unicodedata.normalize("NFKC", str(text).strip().translate(_SUPER)).replace("{", "").replace("}", "")
    plain = re.sub(r"(?<=[A-Za-z])-(?=[A-Za-z])", " ", plain)  # kW-hr
    whole = _WHOLE.get(re.sub(r"[\s_.]", "", plain).lower())
    if whole is not None:
        return whole
    lower = _WATER.sub(" ", plain.lower())
    if lower.strip() != plain.lower():  # words of water say which mass is meant, not which unit
        plain = re.sub(_WATER.pattern, " ", plain, flags=re.IGNORECASE)
    plain = re.sub(r"([A-Za-z%])\s*\^\s*\(?\s*([+-]?\d+)\s*\)?", r"\1\2", plain)
    plain = re.sub(r"\(\s*(\d+)\s*([A-Za-z]+)\s*\)\s*(?:\^|\*\*)?\s*-1", r" / \1 \2 *", plain)  # (6 hr)-1
    plain = re.sub(r"(?<=\s)(\d+)([A-Za-z]+)-1(?!\d)", r" / \1 \2 *", plain)  # g 100g-1
    return _product(plain) if plain.strip() else None


def _product(text: str) -> Unit | None:
    factor, powers, of = 1.0, [0] * 6, ""
    sign, deep, place, previous = 1, 0, 0, ""
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            return None if text[place:].strip() else Unit(factor, tuple(powers), 0.0, of)  # pyright: ignore[reportArgumentType]
        place = match.end()
        if match["slash"]:
            sign = -1
        elif match["open"]:
            deep += 1
        elif match["close"]:
            deep -= 1
            sign = 1 if deep == 0 else sign
        elif match["times"]:
            sign = sign if deep else 1
        elif match["number"]:
            factor *= float(match["number"]) ** sign
            continue  # the sign holds for the word that the number counts
        else:
            word, power = match["word"], int(match["power"] or 1)
            if abs(power) > 9:
                return None
            if word in ("C", "N") and previous in ("kg", "g", "hg", "Mg", "mg", "t"):
                of = word
                continue
            found = _atom(word)
            if found is None:
                return None
            number, own, said = found
            factor *= number ** (sign * power)
            if said:
                of = said
            powers = [p + sign * power * q for p, q in zip(powers, own, strict=True)]
            previous = word
            sign = sign if deep else 1
    return Unit(factor, tuple(powers), 0.0, of)  # pyright: ignore[reportArgumentType]


def _atom(word: str) -> tuple[float, Powers, str] | None:
    """Factor, powers and substance of one word; glued ones ("Wm", "kgm", "gC", "mmday") are taken apart."""
    if word in _ATOMS:
        return (*_ATOMS[word], "")
    if len(word) > 2 and word.lower() in _ATOMS:
        return (*_ATOMS[word.lower()], "")
    if word in ("gC", "kgC", "hgC", "mgC", "MgC", "tC", "gN", "kgN", "mgN"):
        return (*_ATOMS[word[:-1]], word[-1])
    if word in ("KG", "Kg", "MM", "CM", "KM"):
        return (*_ATOMS[word.lower()], "")
    return None


_GLUED = re.compile(r"\b(W|kW|J|kJ|MJ|kg|g|gC|kgC)(m-?2)")
_GLUED_TIME = re.compile(r"(?<=-2)(s|d|day|h|hr|month|a|yr)-1\b")


def understood(text: str) -> Unit | None:
    """:func:`parse`, also of units without blanks between their words (``Wm-2``, ``kgm-2s-1``, ``mmday-1``)."""
    found = parse(text)
    if found is not None:
        return found
    plain = str(text).strip().translate(_SUPER).replace("^", "").replace("**", "")
    apart = _GLUED_TIME.sub(r" \1-1", _GLUED.sub(r"\1 \2", plain))
    apart = re.sub(r"^(mm|cm|m)(s|d|day|h|hr|month|yr)-1$", r"\1 \2-1", apart)
    return parse(apart) if apart != plain else None


# --- fixed fields ----------------------------------------------------------------------------------------------------


def factor_to(wanted: str, text: str, where: str, name: str, *, hint: str = "") -> float:
    """Factor from the unit of a file to ``wanted``; raises ``InputError`` where they are not of one kind."""
    target, found = understood(wanted), understood(text)
    assert target is not None
    if found is None or found.powers != target.powers or found.offset:
        raise InputError(
            f"{where}: '{name}' is in {text!r}, expected {wanted!r}{hint}; convert it or correct its units attribute"
        )
    return found.factor / target.factor


_HEIGHTS = ("altitude", "height", "elevation", "geopotential", "topograph", "orograph", "dem")
_DATUM = re.compile(
    r"\(?\b(above (the )?((mean )?sea[ _]?level|geoid|ellipsoid)|a\.?\s?(m\.?)?s\.?\s?l\b\.?|msl\b|navd ?88)\)?|geopotential\s",
    re.IGNORECASE,
)


def height_factor(said: Attributes, where: str, name: str) -> float:
    """Factor to metres of a height by its attributes, also of a geopotential (m2 s-2, divided by 9.80665 m s-2).

    Raises ``InputError`` for other units, other quantities by their standard name, and what is positive downwards.
    """
    text, standard = str(said.get("units", "")).strip(), str(said.get("standard_name", "")).lower()
    if standard and not any(word in standard for word in _HEIGHTS):
        raise InputError(f"{where}: '{name}' has standard_name {standard!r}, expected a height; give another variable")
    if str(said.get("positive", "")).lower() == "down":
        raise InputError(f"{where}: '{name}' is positive downwards; turn its sign and drop the attribute 'positive'")
    found = understood(_DATUM.sub("", text).strip() or "m")
    if found is not None and found.powers == (2, 0, -2, 0, 0, 0):
        return found.factor / STANDARD_GRAVITY
    named = standard or ("" if text else str(said.get("long_name", "")).lower())
    if "geopotential" in named and "height" not in named:
        raise InputError(
            f"{where}: '{name}' is a geopotential {f'in {text!r}' if text else 'without units'}; set its units attribute "
            "(m2 s-2, or m)"
        )
    return factor_to("m", _DATUM.sub("", text).strip() or "m", where, name)


# --- climate ---------------------------------------------------------------------------------------------------------

_RATE: Powers = (1, 0, -1, 0, 0, 0)
_MASS_RATE: Powers = (-2, 1, -1, 0, 0, 0)
_LIGHT: Powers = (0, 1, -3, 0, 0, 0)
LIGHT_AMOUNT: Powers = (0, 1, -2, 0, 0, 0)
DEPTH: Powers = (1, 0, 0, 0, 0, 0)
MASS: Powers = (-2, 1, 0, 0, 0, 0)
_WORDS = {
    "air_temperature": "K or degC",
    "precipitation": "kg m-2 s-1, mm d-1 or mm month-1",
    "shortwave_radiation": "W m-2, J m-2 d-1 or MJ m-2 d-1",
}
_NOT_A_MEAN = ("maximum", "minimum", "standard_deviation", "variance", "range", "median", "mode")


def cell_method(said: Attributes) -> str:
    """What ``cell_methods`` says of time: "day" (mean of daily sums), "sum", "mean", "point", another word, or ""."""
    text = re.sub(r"\s+", " ", re.sub(r"\([^)]*\)", "", str(said.get("cell_methods", ""))).lower())
    found = re.findall(r"(?:\w+: )*time: (?:\w+: )*(\w+)(?: (within|over) (\w+))?", text)
    if not found:
        return ""
    if re.search(r"time: sum mean\b", text):  # no sentence of CF
        return "sum, mean"
    if any(method == "sum" and span in ("day", "days") for method, _, span in found) and found[-1][0] == "mean":
        return "day"
    return found[-1][0]


def of_ecmwf(said: Attributes, history: str = "") -> bool:
    """Whether a variable comes from GRIB of ECMWF: accumulations in its monthly means are per day."""
    return any(str(key).startswith("GRIB_") for key in said) or "grib_to_netcdf" in history


def to_house_units(
    name: str,
    values: np.ndarray,
    unit: str | None,
    days: np.ndarray,
    where: str,
    *,
    said: Attributes | None = None,
    step_days: float | None = None,
    per_day: bool = False,
    year_days: float = 365.2425,
) -> np.ndarray:
    """Convert monthly values of one climate variable (time first) to degC, mm month-1 or W m-2.

    ``values``: monthly means or totals, or means over the steps of a finer file (``step_days``: length of its steps).
    ``days`` (time,): days of each month in the file's calendar; ``year_days``: of its year. ``said``: attributes of the
    variable, whose ``cell_methods`` and ``standard_name`` tell rates and amounts apart; ``per_day``: amounts are per day
    (monthly means of ECMWF). Raises ``InputError`` for an absent, unknown or ambiguous unit.
    """
    said = said or {}
    if unit is None or not str(unit).strip():
        raise InputError(
            f"{where}: '{name}' has no units attribute, expected something convertible to {HOUSE_UNITS[name]!r}; add it or give "
            "it under [domain.units]"
        )
    found, method = understood(str(unit)), cell_method(said)
    if method in _NOT_A_MEAN:
        raise InputError(
            f"{where}: cell_methods {str(said['cell_methods'])!r} is not a mean or sum over time; give monthly means"
        )
    days = np.asarray(days, np.float64).reshape(-1, *([1] * (values.ndim - 1)))
    result = None if found is None else _climate(name, values, found, days, where, str(unit), method, step_days, per_day,
                                                 year_days, said)  # fmt: skip
    if result is None:
        raise InputError(
            f"{where}: '{name}' is in {unit!r}, expected {_WORDS[name]}; correct the units attribute, convert it or give "
            "the right unit under [domain.units]"
        )
    return result


def _climate(
    name: str,
    values: np.ndarray,
    unit: Unit,
    days: np.ndarray,
    where: str,
    text: str,
    method: str,
    step_days: float | None,
    per_day: bool,
    year_days: float,
    said: Attributes,
) -> np.ndarray | None:
    if name == "air_temperature":
        if unit.powers != _base(KELVIN) or unit.of:
            return None
        return values * unit.factor + (unit.offset - 273.15)
    if unit.offset or unit.of:
        return None
    timeless = (*unit.powers[:SECOND], unit.powers[SECOND], *unit.powers[KELVIN:MONTH], 0, 0)
    per_month, per_year = unit.powers[MONTH] == -1, unit.powers[YEAR] == -1
    if not per_month and not per_year and timeless != unit.powers:
        return None
    rain, light = name == "precipitation", name == "shortwave_radiation"
    amount = (rain and timeless in (DEPTH, MASS)) or (light and timeless == LIGHT_AMOUNT)
    factor = unit.factor * (1000.0 if timeless[0] == 1 and rain else 1.0)  # mm of water: kg m-2
    if rain and per_month and step_days is not None:
        raise InputError(
            f"{where}: '{name}' of days or parts of a day is in {text!r}, a unit of months; give that of its own steps, such as "
            "'mm d-1', or 'mm' for the amount of each step"
        )
    if amount and (per_month or per_year):
        total = values * factor * (1.0 if per_month else days / year_days)
        return total if rain else total / (SECONDS_PER_DAY * days)
    if per_month or per_year:
        return None
    if amount:
        count = _steps(name, method, step_days, per_day, where, text, said, days)
        total = values * factor * count
        return total if rain else total / (SECONDS_PER_DAY * days)
    if rain and timeless in (_RATE, _MASS_RATE):
        return values * (factor * SECONDS_PER_DAY) * days
    if light and timeless == _LIGHT:
        return values * factor
    return None


def _steps(
    name: str,
    method: str,
    step_days: float | None,
    per_day: bool,
    where: str,
    text: str,
    said: Attributes,
    days: np.ndarray,
) -> np.ndarray:
    """How many times the amount of a file falls in each month; raises ``InputError`` where nothing says it."""
    if step_days is not None:
        return days / step_days
    if method == "day" or (per_day and method != "sum"):
        return days
    standard, text_of = (str(said.get(key, "")) for key in ("standard_name", "long_name"))
    flux = "flux" in standard or "rate" in standard
    daily = bool(re.search(r"\bdaily\b|\bper day\b|\ba day\b", text_of.lower()))
    plain = name == "precipitation" and not flux and not daily and text.strip() not in ("m", "metre")
    if method == "sum" or (method == "" and plain):
        return np.ones_like(days)
    choices = (f"{text} d-1", f"{text} month-1")
    told = "long_name" if daily and not flux else "standard_name"
    why = f"{told} {str(said.get(told))!r}" if flux or daily else "an amount"
    why = f"cell_methods {str(said['cell_methods'])!r}" if method else why
    raise InputError(
        f"{where}: '{name}' is in {text!r} with {why}, which does not say of what time; give {choices[0]!r} or "
        f"{choices[1]!r} as its units attribute or under [domain.units]"
    )
