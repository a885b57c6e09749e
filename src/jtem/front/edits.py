"""Values and functions that change a model, checked."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from jtem.errors import InputError

if TYPE_CHECKING:
    from jtem.parameters import Entry

Numbers = float | Sequence[float] | np.number | np.ndarray
"""What one community has of a parameter."""
Values = Numbers | Mapping[str, Numbers] | xr.DataArray
"""A parameter of all communities alike, or by community."""


def by_community(value: Values, communities: Sequence[str]) -> dict[str, Numbers]:
    """Numbers of each community that ``value`` speaks of."""
    if isinstance(value, xr.DataArray):
        return {str(name): value.sel(community=name).values for name in value["community"].values}
    return dict(value) if isinstance(value, Mapping) else dict.fromkeys(communities, value)


def files(value: object) -> list[str]:
    """One overlay or several as a list of their names."""
    if isinstance(value, str | Path):
        return [str(value)]
    if isinstance(value, Sequence):
        return [str(one) for one in value]
    raise InputError(f"parameters is a {type(value).__name__}; give the name or path of an overlay, or a list of them")


def checked(
    name: str, number: Numbers, element: int | None, old: Numbers, entry: Entry, community: str
) -> float | list[float]:
    """A new value in the form of the old one; raises ``InputError`` outside the bounds."""
    before = np.asarray(old, dtype=np.float64)
    try:
        given = np.asarray(number, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"'{name}' for '{community}' is {number!r}, expected a number; correct it") from None
    if element is not None:
        if element >= before.size or before.ndim != 1:
            raise InputError(
                f"'{name}': the parameter has {before.size} numbers, [0] to [{before.size - 1}]; correct the index"
            )
        after = before.copy()
        after[element] = given
    elif given.ndim and given.shape != before.shape:
        raise InputError(f"'{name}' has {given.size} numbers, expected {before.size}; give as many")
    else:
        after = np.broadcast_to(given, before.shape)
    if not np.isfinite(after).all() or (after < entry.lower).any() or (after > entry.upper).any():
        raise InputError(
            f"'{name}' = {short(number)} for '{community}' is outside its bounds [{entry.lower:g}, {entry.upper:g}] "
            f"{entry.unit}; choose a value within"
        )
    return after.tolist() if after.ndim else float(after)


def short(value: Values) -> str:
    """A value as provenance has it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {short(part)}" for key, part in value.items()) + "}"
    array = np.asarray(value)
    return (
        f"{float(array):g}"
        if array.ndim == 0 and array.dtype.kind in "iuf"
        else str(np.array2string(array, precision=6))
    )


def table_of(values: object, what: str) -> Mapping[str, Values]:
    """What must be a dictionary by parameter; raises ``InputError`` for anything else."""
    if not isinstance(values, Mapping):
        raise InputError(f"{what} is {values!r}; give a dictionary such as {{'soil_thermal.snow_density': 200.0}}")
    return values


def name_given(name: object) -> str:
    """What must be the name of a parameter; raises ``InputError`` for anything else."""
    if not isinstance(name, str):
        raise InputError(f"a parameter is called {name!r}; give its name, such as 'soil_thermal.snow_density'")
    return name


def names_of(given: object, what: str) -> list[str]:
    """What must be some names; raises ``InputError`` for anything else."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InputError(f"{what} is {given!r}, expected a list of names; give one such as ['npp', 'soil_carbon']")
    return [str(name) for name in given]


def pair(years: Sequence[int], what: str) -> tuple[int, int]:
    """First and last year; raises ``InputError`` for anything else."""
    try:
        first, last = (operator.index(year) for year in years)
    except (TypeError, ValueError):
        raise InputError(f"{what} is {years!r}, expected (first, last); give two years") from None
    if last < first:
        raise InputError(f"{what} ends in {last} before it begins in {first}; swap them")
    return first, last


def name_of(function: Callable[..., object]) -> str:
    """What a function is called."""
    return getattr(function, "__name__", type(function).__name__)


def check_signature(slot: str, function: Callable[..., object], published: Callable[..., object]) -> None:
    """Raise ``InputError`` unless the function can be called with the arguments of the published one."""
    try:
        wanted = inspect.signature(published).parameters.values()
        named = {part.name: None for part in wanted if part.kind is part.KEYWORD_ONLY}
        placed = [None for part in wanted if part.kind in (part.POSITIONAL_ONLY, part.POSITIONAL_OR_KEYWORD)]
        inspect.signature(function).bind(*placed, **named)
    except TypeError:
        names = ", ".join(inspect.signature(published).parameters)
        raise InputError(f"process '{slot}' takes ({names}); give {name_of(function)} the same arguments") from None
    except ValueError:
        return  # a built-in without signature


def refuse_none(words: Mapping[str, object]) -> None:
    """Raise ``InputError`` for a word that is None: a default is what stands where a word is left out."""
    for name, value in words.items():
        if value is None:
            meant = ", or 'none' for ground without permafrost carbon" if name == "permafrost" else ""
            raise InputError(f"{name} is None; leave it out for the default{meant}")
