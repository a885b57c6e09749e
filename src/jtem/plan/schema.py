"""Plans described: a JSON schema for editors, and the reference of keys in the docs, both made from the sections."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping

from jtem.plan.calibration import CalibrationPlan
from jtem.plan.run import Plan
from jtem.plan.toml import NAME, Hint, Key, Section, keys, sections
from jtem.readers.catalogue import OBSERVATIONS, SOURCES

PLANS: Mapping[str, type] = {"run": Plan, "calibration": CalibrationPlan}
Schema = dict[str, object]
_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}


def schema(word: str) -> Schema:
    """JSON schema (draft 2020-12) of a plan file; ``word`` of :data:`PLANS`."""
    plan = PLANS[word]
    parts = sections(plan)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"jtem {word} plan",
        "description": first_paragraph(plan),
        "type": "object",
        "additionalProperties": False,
        "required": [part.name for part in parts if part.needed],
        "properties": {part.name: _section(part) for part in parts},
    }


def _section(part: Section) -> Schema:
    known = keys(part.kind)
    table = {
        "description": first_paragraph(part.kind),
        "type": "object",
        "additionalProperties": False,
        "required": [key.name for key in known if key.needed],
        "properties": {key.name: _key(key) for key in known},
    }
    return {"type": "array", "items": table} if part.repeated else table


def _key(key: Key) -> Schema:
    made = {"description": key.about.text} | _kind(key.kind, key)
    if not key.needed and (default := default_of(key)) not in (None, ""):
        made["default"] = default
    return made


def _kind(kind: Hint, key: Key) -> Schema:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    about = key.about
    if origin is tuple:
        item = _kind(inner[0], key)
        if inner[-1] is not Ellipsis:
            entries = [item | {"title": entry} for entry in about.entries]
            return {"type": "array", "prefixItems": entries, "minItems": len(inner), "maxItems": len(inner)}
        listed = {"type": "array", "items": item}
        return {"anyOf": [item, listed]} if inner[0] is str else listed
    if origin is not None:
        return {"type": "object", "additionalProperties": _kind(inner[1], key)}
    if about.words is not None:
        return {"enum": list(about.words)}
    made: Schema = {"type": _TYPES[kind]}
    if about.pattern:
        made["pattern"] = f"^{NAME}$"
    for word, limit in (("minimum", about.low), ("maximum", about.high)):
        if limit is not None:
            made[word] = limit
    return made


def default_of(key: Key) -> object:
    """The default as a file would have it: words for objects, lists for tuples; None where there is none."""
    value = None if key.needed else key.default
    if key.about.words is not None and typing.get_origin(key.kind) is not tuple:
        return next((word for word, meant in key.about.words.items() if meant == value), None)
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value


def first_paragraph(thing: type) -> str:
    """The first paragraph of a docstring as one line."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())


def markdown(word: str) -> str:
    """All sections and keys of a plan as Markdown tables."""
    lines = [f"## The plan of a {word}", "", first_paragraph(PLANS[word]), ""]
    for part in sections(PLANS[word]):
        title = f"[[{part.name}]]" if part.repeated else f"[{part.name}]"
        lines += [f"### `{title}`", "", first_paragraph(part.kind), ""]
        lines += ["| key | value | default | meaning |", "| --- | --- | --- | --- |"]
        lines += [
            f"| `{key.name}` | {_words(key)} | {_default(key)} | {_cell(key.about.text)} |" for key in keys(part.kind)
        ]
        lines.append("")
        if part.name == "domain":
            lines += ["| source | what it is | keys it takes |", "| --- | --- | --- |"]
            lines += [f"| `{w}` | {s.text} | {', '.join(f'`{key}`' for key in s.takes)} |" for w, s in SOURCES.items()]
            lines.append("")
        if part.name == "data":
            lines += ["| source | what it is |", "| --- | --- |"]
            lines += [f"| `{w}` | {layout.text} |" for w, layout in OBSERVATIONS.items()]
            lines.append("")
    return "\n".join(lines)


def _words(key: Key) -> str:
    """What may be written, in words."""
    kind, about = key.kind, key.about
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    many = {str: "texts", int: "whole numbers", float: "numbers", bool: "true or false"}
    one = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    if about.words is not None:
        listed = ", ".join(f"`{word}`" for word in about.words)
        return f"list of {listed}" if origin is tuple else listed
    table = origin is not None and origin is not tuple
    if table:
        kind = inner[1]
        origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        said = f"[{', '.join(about.entries)}]" if inner[-1] is not Ellipsis else f"list of {many[inner[0]]}"
    else:
        said = one[kind]
    if about.low is not None and about.high is not None:
        said += f" {about.low:g} to {about.high:g}"
    elif about.low is not None:
        said += f" from {about.low:g}"
    return f"table of name = {said}" if table else said


def _default(key: Key) -> str:
    value = default_of(key)
    if key.needed:
        return "needed"
    if value in (None, "", [], {}):
        return ""
    if isinstance(value, list):
        return "`" + ", ".join(map(str, value)) + "`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
