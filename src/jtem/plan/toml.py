"""Plan files (TOML) to frozen dataclasses, as their fields declare: type, limits, allowed words, meaning.

A section is a dataclass whose fields are made by :func:`setting` or :func:`choice`. Reading checks a file against them, and
``schema.py`` and the docs describe them, so that a key is explained, limited and read by one line. Unknown keys, wrong types
and impossible values raise ``InputError`` with one sentence that names file, section, key and remedy.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import re
import tomllib
import types
import typing
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from jtem.errors import InputError, suggest

NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
"""What may begin a file name."""
ABOUT = "about"


Content = dict[str, Any]
"""Sections of a plan by name, as TOML has them: tables, and lists of tables."""
Hint = Any
"""The type of a field: a class, or ``tuple[...]``, ``Mapping[...]``, ``X | None`` of classes."""
T = TypeVar("T")


@dataclass(frozen=True)
class About:
    """What a key means and may be.

    ``text``: one sentence. ``low``, ``high``: limits of a number, or of each number of a list. ``words``: allowed words and
    what each becomes. ``entries``: names of the entries of a list of fixed length. ``key``: its name in the file. ``pattern``:
    what a text must match in full, ``expects`` in words. ``gaps``: whether nan stands for what is not known.
    """

    text: str
    low: int | float | None = None
    high: int | float | None = None
    words: Mapping[str, object] | None = None
    entries: tuple[str, ...] = ()
    key: str = ""
    pattern: str = ""
    expects: str = ""
    gaps: bool = False


def _field(about: About, default: object) -> Any:
    if isinstance(default, types.MappingProxyType):
        return dataclasses.field(default_factory=lambda: default, metadata={ABOUT: about})
    return dataclasses.field(default=default, metadata={ABOUT: about})


EMPTY: Mapping[str, Any] = types.MappingProxyType({})


def setting(
    text: str,
    default: object = dataclasses.MISSING,
    *,
    low: int | float | None = None,
    high: int | float | None = None,
    entries: Sequence[str] = (),
    gaps: bool = False,
) -> Any:
    """A key with its meaning and limits; one without ``default`` must be given. ``entries``: of a list of fixed length."""
    return _field(About(text, low, high, entries=tuple(entries), gaps=gaps), default)


def name(text: str, default: object = dataclasses.MISSING) -> Any:
    """A key whose text begins file names."""
    expects = "begins file names; use letters, digits, '-', '_', '.' (not first)"
    return _field(About(text, pattern=NAME, expects=expects), default)


def choice(
    text: str, words: Mapping[str, object] | Collection[str], default: object = dataclasses.MISSING, *, key: str = ""
) -> Any:
    """A key that takes one of some words, or a list of them; a mapping says what each becomes. ``key``: its name in the file."""
    known = words if isinstance(words, Mapping) else {word: word for word in words}
    return _field(About(text, words=known, key=key), default)


@dataclass(frozen=True)
class Key:
    """One key of a section: its name in the file, the field it fills, its type without ``| None``."""

    name: str
    field: str
    kind: Hint
    about: About
    default: object
    needed: bool


@functools.cache
def keys(section: type) -> tuple[Key, ...]:
    """The keys of a section's dataclass, in order."""
    hints = typing.get_type_hints(section)
    made = []
    for part in dataclasses.fields(section):
        about: About = part.metadata[ABOUT]
        factory = part.default_factory
        default = part.default if factory is dataclasses.MISSING else factory()
        needed = default is dataclasses.MISSING
        made.append(Key(about.key or part.name, part.name, _plain_kind(hints[part.name]), about, default, needed))
    return tuple(made)


@dataclass(frozen=True)
class Section:
    """One section of a plan: its dataclass, whether it is written [[name]] any number of times, whether it must be there."""

    name: str
    kind: type
    repeated: bool
    needed: bool


@functools.cache
def sections(plan: type) -> tuple[Section, ...]:
    """The sections that the dataclass of a plan declares, in order; fields of text are not sections."""
    hints = typing.get_type_hints(plan)
    made = []
    for part in dataclasses.fields(plan):
        kind = _plain_kind(hints[part.name])
        repeated = typing.get_origin(kind) is tuple
        kind = typing.get_args(kind)[0] if repeated else kind
        if dataclasses.is_dataclass(kind):
            needed = part.default is dataclasses.MISSING and part.default_factory is dataclasses.MISSING
            made.append(Section(part.name, typing.cast(type, kind), repeated, needed))
    return tuple(made)


def _plain_kind(hint: Hint) -> Hint:
    """``X | None`` as ``X``."""
    return typing.get_args(hint)[0] if typing.get_origin(hint) is types.UnionType else hint


# --- reading ---------------------------------------------------------------------------------------------------------


TABLES = (".csv", ".tsv", ".txt", ".dat", ".xlsx")
NETCDF = (".nc", ".nc4", ".cdf")
"""Ends of the names of files that are no plans."""


def read_text(path: Path | str) -> str:
    """Text of a plan file; raises ``InputError``."""
    path = Path(path)
    kind = path.suffix.lower() if path.is_file() else ""
    if kind in TABLES:
        raise InputError(
            f"{path}: is a table, not a plan; run it with 'jtem site {path} --latitude ... --longitude ...' (jtem.site)"
        )
    if kind in NETCDF:
        raise InputError(
            f"{path}: is a netCDF file, not a plan; 'jtem inspect {path}' says what is understood of it, 'jtem new region' "
            "writes a plan that names it"
        )
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: plan not found; give the path of a TOML file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: plan cannot be read ({error}); give the path of a readable TOML file") from None


def content(text: str, where: str) -> Content:
    """The text of a plan as dictionaries; raises ``InputError``."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: not valid TOML ({error}); correct that line") from None


def fill(given: Content, plan: type, where: str) -> Content:
    """The sections of a plan, checked, by the names of the fields of its dataclass; raises ``InputError``."""
    known = sections(plan)
    for name in given:
        if name not in [part.name for part in known]:
            raise InputError(f"{where}: unknown section [{name}]; {suggest(name, [part.name for part in known])}")
    made: Content = {}
    for part in known:
        if part.repeated:
            rows = given.get(part.name, [])
            if not isinstance(rows, list):
                raise InputError(f"{where}: write [[{part.name}]] sections, with double brackets")
            made[part.name] = tuple(
                fill_section(row, part.kind, f"{where}: [[{part.name}]] {i}") for i, row in enumerate(rows, 1)
            )
        elif part.name in given:
            made[part.name] = fill_section(given[part.name], part.kind, f"{where}: [{part.name}]")
        elif part.needed:
            raise InputError(f"{where}: section [{part.name}] is missing; add it")
    return made


def fill_section(given: object, section: type[T], where: str) -> T:
    """One section from its keys and values; raises ``InputError``."""
    if not isinstance(given, dict):
        raise InputError(f"{where}: must be a table of 'key = value' lines")
    known = {key.name: key for key in keys(section)}
    for name in given:
        if name not in known:
            raise InputError(f"{where}: unknown key '{name}'; {suggest(name, known)}")
    for key in known.values():
        if key.needed and key.name not in given:
            raise InputError(f"{where}: key '{key.name}' is missing; add it")
    return section(**{known[name].field: value_of(value, known[name], where) for name, value in given.items()})


def value_of(value: object, key: Key, where: str) -> object:
    """One value as its key declares it; words become objects. Raises ``InputError``."""
    return _typed(value, key.kind, key.name, key, where)


def choose(word: object, known: Mapping[str, Any] | Collection[str], key: str, where: str) -> Any:
    """What a word stands for; raises ``InputError`` with the nearest one."""
    if not isinstance(word, str) or word not in known:
        raise InputError(f"{where}: {key} {word!r} is unknown; {suggest(str(word), known)}")
    return known[word] if isinstance(known, Mapping) else word


def _typed(value: Any, kind: Hint, label: str, key: Key, where: str) -> object:
    about = key.about
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return _listed(value, inner, label, key, where)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise InputError(f"{where}: '{label}' is {value!r}, expected a table 'name = value'")
        return types.MappingProxyType({k: _typed(v, inner[1], f"{label}.{k}", key, where) for k, v in value.items()})
    if about.words is not None:
        return value if value == key.default else choose(value, about.words, label, where)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise InputError(f"{where}: '{label}' is {value!r}, expected {_KINDS[kind]}")
    if about.pattern and not re.fullmatch(about.pattern, value):
        raise InputError(f"{where} {label} {value!r} {about.expects}")
    if kind in (int, float):
        _check_limits(value, label, about, where)
    return value


_KINDS = {str: "text in quotes", int: "a whole number", bool: "true or false", float: "a number"}
_MANY = {str: "texts", int: "whole numbers", float: "numbers"}


def _check_limits(value: int | float, label: str, about: About, where: str) -> None:
    if not math.isfinite(value) and not (about.gaps and math.isnan(value)):
        raise InputError(f"{where}: '{label}' is {value}, expected a finite number")
    low, high = about.low, about.high
    if (low is None or low <= value) and (high is None or value <= high):
        return
    if low is not None and high is not None:
        expected = f"a number within {_number(low)}..{_number(high)}"
    else:
        expected = f"at least {_number(low)}" if low is not None else f"at most {_number(high or 0)}"
    raise InputError(f"{where}: '{label}' is {_number(value)}, expected {expected}")


def _number(value: int | float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def _listed(value: object, inner: tuple[Hint, ...], label: str, key: Key, where: str) -> tuple:
    about, kind = key.about, inner[0]
    if isinstance(value, str) and kind is str:
        value = [value]
    if isinstance(value, list) and kind is float:
        value = [float(item) if type(item) is int else item for item in value]
    if not isinstance(value, list) or any(type(item) is not kind for item in value):
        raise InputError(f"{where}: '{label}' is {value!r}, expected a list of {_MANY[kind]}")
    if inner[-1] is not Ellipsis and len(value) != len(inner):
        raise InputError(f"{where}: '{label}' has {len(value)} entries, expected [{', '.join(about.entries)}]")
    if about.words is not None:
        return tuple(choose(item, about.words, label, where) for item in value)
    for item in value:
        if isinstance(item, int | float):
            _check_limits(item, label, about, where)
    return tuple(value)


# --- from Python -----------------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """A value of Python as TOML has it: lists for tuples and arrays, texts for paths, numbers for scalars of NumPy."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items() if v is not None}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def dumps(given: Content) -> str:
    """Sections of a plan as the text of a TOML file."""
    lines = []
    for section, rows in given.items():
        for row in rows if isinstance(rows, list) else [rows]:
            lines.append(f"[[{section}]]" if isinstance(rows, list) else f"[{section}]")
            lines += [f"{_key(k)} = {_inline(v)}" for k, v in row.items()]
            lines.append("")
    return "\n".join(lines)


def _key(word: str) -> str:
    return word if re.fullmatch(r"[A-Za-z0-9_-]+", word) else json.dumps(word, ensure_ascii=False)


def _inline(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(k)} = {_inline(v)}" for k, v in value.items()) + " }" if value else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def text_of(given: Mapping[str, object], where: str) -> str:
    """A plan given as dictionaries as the text of a file, so that its checks are a file's; raises ``InputError``."""
    table = plain(given)
    for section, rows in table.items():
        if not isinstance(rows, dict) and not (isinstance(rows, list) and all(isinstance(row, dict) for row in rows)):
            raise InputError(f"{where}: [{section}] must be a table of 'key = value' lines")
    try:
        return dumps(table)
    except TypeError as error:
        raise InputError(f"{where}: {error}; give texts, numbers, true or false, lists and tables of them") from None
