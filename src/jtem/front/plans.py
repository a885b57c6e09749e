"""A plan's content as a dictionary, and the text that says the same in TOML."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jtem.errors import InputError
from jtem.plan import toml
from jtem.plan.toml import Content


def content_of(plan: str | Path | Mapping[str, object]) -> tuple[Content, str]:
    """Sections of a plan given as a path, a text of TOML or a dictionary, and what to call it in errors."""
    if isinstance(plan, Mapping):
        return toml.plain(plan), "the plan"
    if not isinstance(plan, str | Path):
        raise InputError(
            f"a plan is a {type(plan).__name__}; give a path, the text of a plan or a dictionary of sections"
        )
    if isinstance(plan, str) and "\n" in plan:
        return toml.content(plan, "the plan"), "the plan"
    return toml.content(toml.read_text(plan), str(plan)), str(plan)


def text_of(content: Content) -> str:
    """The TOML text of a plan's sections; raises ``InputError`` for what TOML cannot say.

    >>> print(text_of({"plan": {"name": "a"}, "scenario": [{"name": "warm", "first": 2015}]}))
    [plan]
    name = "a"
    <BLANKLINE>
    [[scenario]]
    name = "warm"
    first = 2015
    <BLANKLINE>
    """
    return toml.text_of(content, "the plan")
