"""A plan's content as a dictionary, and the text that says the same in TOML."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jtem.errors import InputError

Content = dict[str, Any]
"""Sections of a plan by name, as TOML has them: tables, and lists of tables."""


def content_of(plan: str | Path | Mapping[str, object]) -> tuple[Content, str]:
    """Sections of a plan given as a path, a text of TOML or a dictionary, and what to call it in errors."""
    if isinstance(plan, Mapping):
        return {key: _plain(value) for key, value in plan.items()}, "the plan"
    if isinstance(plan, str) and "\n" in plan:
        text, where = plan, "the plan"
    else:
        from jtem.plan import toml

        text, where = toml.read_text(plan), str(plan)
    try:
        return tomllib.loads(text), where
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: not valid TOML ({error}); correct that line") from None


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, Path) else value


def text_of(content: Mapping[str, Any]) -> str:
    """The TOML text of a plan's sections.

    >>> print(text_of({"plan": {"name": "a"}, "scenario": [{"name": "warm", "first": 2015}]}))
    [plan]
    name = "a"
    <BLANKLINE>
    [[scenario]]
    name = "warm"
    first = 2015
    """
    blocks = []
    for name, section in content.items():
        for part in section if isinstance(section, list) else [section]:
            title = f"[[{name}]]" if isinstance(section, list) else f"[{name}]"
            blocks.append("\n".join([title, *(f"{_key(key)} = {_value(value)}" for key, value in part.items())]))
    return "\n\n".join(blocks)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _value(key)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(str(key))} = {_value(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(part) for part in value) + "]"
    raise InputError(f"a plan cannot hold {value!r}; give text, a number, or a list or a table of them")
