"""Parameters as data: declaration beside the equations, values in TOML, one table for docs, checks and calibration.

Each process file declares its parameters with :func:`parameter`; the values come from ``data/parameters/defaults.toml``
and thin overlays. A parameter tree holds one row per vegetation community; :func:`select_community` takes one row.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from jtem.covariates import COVARIATES, design_matrix
from jtem.errors import InputError, suggest


def parameter(*, unit: str, description: str, symbol: str = "", scale: str = "linear", trainable: bool = True) -> Any:
    """Declare one parameter of a process (wraps ``eqx.field``; no default values in code).

    ``unit``: house unit as text, "1" for a pure number. ``symbol``: TEM's historic or the paper's name.
    ``scale``: "linear" or "log", how calibration sees it. ``trainable=False``: thresholds and initial values, for which a
    derivative of the monthly step is zero or undefined by construction.
    """
    if scale not in ("linear", "log"):
        raise ValueError(f"scale must be 'linear' or 'log', got {scale!r}")
    return eqx.field(
        metadata={
            "unit": unit,
            "description": description,
            "symbol": symbol,
            "scale": scale,
            "trainable": trainable,
        }
    )


Tree = TypeVar("Tree")
"""A tree of parameters."""
Numbers = float | int | list[float]
"""What one community has of a parameter."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One parameter of the table: where it lives, what it means, what it may be."""

    name: str  # branch.field
    unit: str
    description: str
    symbol: str
    scale: str
    trainable: bool
    lower: float
    upper: float
    source: str
    values: dict[str, Numbers]  # community -> value


@dataclasses.dataclass(frozen=True)
class Handle:
    """One way from a parameter's name to its numbers and back: the leaf ``name``, or one ``element`` of it.

    >>> Handle.of("soil_thermal.water_content[1]")
    Handle(name='soil_thermal.water_content', element=1)
    >>> Handle.of("litter.carbon_rate")
    Handle(name='litter.carbon_rate', element=None)
    """

    name: str  # branch.field
    element: int | None = None

    @classmethod
    def of(cls, text: str) -> Handle:
        """The handle of ``"branch.field"`` or ``"branch.field[k]"``."""
        found = re.fullmatch(r"([\w.]+)\[(\d+)\]", text)
        return cls(found[1], int(found[2])) if found else cls(text)

    def __str__(self) -> str:
        """The name that :meth:`of` reads."""
        return self.name if self.element is None else f"{self.name}[{self.element}]"

    def answers(self, word: str) -> bool:
        """Whether ``word`` names it: by its branch, its leaf or its element."""
        return word in (str(self), self.name, self.name.split(".")[0])

    def covered_by(self, other: Handle) -> bool:
        """Whether the other names the same numbers or the whole leaf."""
        return other.name == self.name and other.element in (None, self.element)

    def pick(self, values: np.ndarray) -> np.ndarray:
        """Its numbers among those of the leaf (..., element)."""
        return values if self.element is None else values[..., self.element]

    def leaf(self, tree: PyTree) -> jax.Array:
        """The whole leaf of a parameter tree; raises ``InputError`` for an unknown name."""
        return get(tree, self.name)

    def onto(self, leaf: jax.Array, new: jax.Array) -> jax.Array:
        """``leaf`` of one row with its numbers taken from ``new`` (of the same shape)."""
        return new if self.element is None else leaf.at[self.element].set(new[self.element])

    def put(self, tree: Tree, leaf: jax.Array) -> Tree:
        """The tree with another leaf."""
        get(tree, self.name)
        branch, field = self.name.split(".")
        return eqx.tree_at(lambda tree: getattr(getattr(tree, branch), field), tree, leaf)


@dataclasses.dataclass(frozen=True)
class Field:
    """A parameter that follows the covariates of a place: within ``lower`` and ``upper`` by logit (on log scale where ``scale``
    is "log") of ``constant`` + weights . covariates + what the community adds.

    ``name``: a :class:`Handle`'s. ``weights``: by name of :data:`jtem.covariates.COVARIATES`; ``communities``: what each adds.
    """

    name: str
    lower: float
    upper: float
    scale: str
    constant: float
    weights: Mapping[str, float]
    communities: Mapping[str, float]

    def values(self, known: Mapping[str, np.ndarray], community: Sequence[str]) -> np.ndarray:
        """The parameter of columns (column,), from their covariates (:func:`jtem.covariates.covariates`) and communities."""
        matrix = design_matrix(known, community, tuple(self.weights), tuple(self.communities))
        sum_ = matrix @ np.array([self.constant, *self.weights.values(), *self.communities.values()])
        share = 1.0 / (1.0 + np.exp(-sum_))
        if self.scale == "log":
            return self.lower * (self.upper / self.lower) ** share
        return self.lower + share * (self.upper - self.lower)


@dataclasses.dataclass(frozen=True)
class ParameterTable:
    """All parameters of all communities with unit, bounds and source; origin files for provenance. ``fields``: parameters that
    follow the covariates of a place, in place of what ``entries`` say of them.
    """

    communities: tuple[str, ...]
    titles: dict[str, str]
    entries: dict[str, Entry]
    files: tuple[str, ...]
    fields: tuple[Field, ...] = ()

    def index(self, community: str) -> int:
        """Row of a community; raises ``InputError`` with the nearest known name."""
        if community not in self.communities:
            raise InputError(f"unknown community '{community}'; {suggest(community, self.communities)}")
        return self.communities.index(community)

    def entry(self, name: str) -> Entry:
        """What the table says of ``"branch.field"`` or ``"branch.field[k]"``; raises ``InputError`` for an unknown name."""
        found = self.entries.get(Handle.of(name).name)
        if found is None:
            raise InputError(f"unknown parameter '{name}'; {suggest(name, self.entries)}")
        return found

    def hash(self) -> str:
        """Short hash of every value in the table."""
        text = repr([(n, sorted(e.values.items())) for n, e in sorted(self.entries.items())])
        text += "".join(repr(field) for field in self.fields)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def fields(tree_class: type) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """``("branch.field", metadata)`` of every parameter declared in a tree class of branches."""
    hints = _branch_classes(tree_class)
    for branch, branch_class in hints.items():
        for field in dataclasses.fields(branch_class):
            yield f"{branch}.{field.name}", field.metadata


def _branch_classes(tree_class: type) -> dict[str, type]:
    import typing

    hints = typing.get_type_hints(tree_class)
    return {f.name: hints[f.name] for f in dataclasses.fields(tree_class)}


def read_table(tree_class: type, files: list[Path]) -> ParameterTable:
    """Read ``defaults.toml`` and overlays (later files win) against the declarations of ``tree_class``.

    A file has ``communities = {name = "title"}`` (first file only) and one table per parameter, ``[branch.field]`` with
    ``unit``, ``bounds``, ``source`` and ``value`` (all communities) and/or ``values = {community = value}``. An overlay
    may give only ``value``/``values`` and ``source``. Raises ``InputError`` for unknown names, wrong units, values
    out of bounds, missing parameters.
    """
    declared = dict(fields(tree_class))
    titles: dict[str, str] = {}
    followed: dict[str, Field] = {}
    raw: dict[str, dict[str, Any]] = {}
    for path in files:
        try:
            content = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            raise InputError(f"{path}: parameter file not found; give an existing TOML file") from None
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{path}: parameter file cannot be read ({error}); give a TOML file of UTF-8 text"
            ) from None
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"{path}: not valid TOML ({error}); correct that line") from None
        if not titles:
            titles = content.pop("communities", {})
            if not titles:
                raise InputError(f"{path}: no [communities] table; the first parameter file must name them")
        content.pop("overlay", None)
        new = _fields_of(content.pop("fields", {}), declared, titles, path)
        for branch, block in content.items():
            if not isinstance(block, dict):
                raise InputError(f"{path}: '{branch}' is {block!r}, not a table; {_form(branch, declared)}")
            for name, item in block.items():
                full = f"{branch}.{name}"
                if full not in declared:
                    raise InputError(f"{path}: unknown parameter '{full}'; {suggest(full, declared)}")
                if not isinstance(item, dict):
                    raise InputError(f"{path}: '{full}' is {item!r}, not a table; {_form(full, declared)}")
                _merge(raw, full, item, declared[full], titles, path)
                followed = {k: f for k, f in followed.items() if Handle.of(k).name != full}
        followed |= new
    missing = [name for name in declared if name not in raw]
    if missing:
        raise InputError(f"{files[0]}: no value for parameter '{missing[0]}' ({len(missing)} missing)")
    entries = {}
    for name, metadata in declared.items():
        item = raw[name]
        lacking = [c for c in titles if c not in item["values"]]
        if lacking:
            raise InputError(f"{files[0]}: parameter '{name}' has no value for community '{lacking[0]}'")
        entries[name] = Entry(
            name=name,
            unit=metadata["unit"],
            description=metadata["description"],
            symbol=metadata["symbol"],
            scale=metadata["scale"],
            trainable=metadata["trainable"],
            lower=float(item["bounds"][0]),
            upper=float(item["bounds"][1]),
            source=item["source"],
            values=item["values"],
        )
    for name, field in followed.items():
        _check_field(field, entries[Handle.of(name).name], str(files[-1]))
    table = ParameterTable(tuple(titles), titles, entries, tuple(Path(f).name for f in files), tuple(followed.values()))
    check_order(table, getattr(tree_class, "ORDERED", ()), str(files[-1]))
    return table


def _fields_of(blocks: object, declared: Collection[str], titles: Collection[str], path: Path) -> dict[str, Field]:
    """Section [fields] of an overlay: a table by parameter with bounds, scale, constant, weights, communities."""
    if not isinstance(blocks, dict):
        raise InputError(f"{path}: 'fields' is {blocks!r}; write tables [fields.\"branch.field\"]")
    made = {}
    for name, block in blocks.items():
        where = f"{path}: [fields.{name!r}]"
        if Handle.of(name).name not in declared:
            raise InputError(f"{where}: unknown parameter; {suggest(Handle.of(name).name, declared)}")
        keys = {"bounds", "scale", "constant", "weights", "communities", "source"}
        if not isinstance(block, dict) or set(block) - keys or not {"bounds", "constant"} <= set(block):
            raise InputError(f"{where}: write bounds, scale, constant, weights, communities and source")
        for key, known in (("weights", COVARIATES), ("communities", titles)):
            given = block.get(key, {})
            if not isinstance(given, dict) or not all(map(_is_number, given.values())):
                raise InputError(f"{where}: {key} is {given!r}; write {key} = {{name = number}}")
            for word in given:
                if word not in known:
                    raise InputError(f"{where}: {key} names the unknown '{word}'; {suggest(word, known)}")
        bounds, scale = block["bounds"], block.get("scale", "linear")
        good = isinstance(bounds, list) and len(bounds) == 2 and all(map(_is_number, bounds)) and bounds[0] < bounds[1]
        if not good or scale not in ("linear", "log") or (scale == "log" and not bounds[0] > 0):
            raise InputError(
                f"{where}: bounds {bounds!r} and scale {scale!r}; give [low, high] and 'linear' or 'log' (low above 0)"
            )
        if not _is_number(block["constant"]):
            raise InputError(f"{where}: constant is {block['constant']!r}, expected a number")
        made[name] = Field(
            name, float(bounds[0]), float(bounds[1]), scale, float(block["constant"]),
            {k: float(v) for k, v in block.get("weights", {}).items()},
            {k: float(v) for k, v in block.get("communities", {}).items()},
        )  # fmt: skip
    return made


def _check_field(field: Field, entry: Entry, where: str) -> None:
    """Raise ``InputError`` where a field names an element that its parameter has not, or reaches out of its bounds."""
    handle = Handle.of(field.name)
    shape = np.shape(next(iter(entry.values.values())))
    if (handle.element is None) == bool(shape) or (shape and handle.element >= shape[0]):
        said = f"one of the elements 0..{shape[0] - 1}" if shape else "no element"
        raise InputError(f"{where}: field '{field.name}' must name {said} of '{handle.name}'; correct it")
    if field.lower < entry.lower or field.upper > entry.upper:
        raise InputError(
            f"{where}: bounds [{field.lower:g}, {field.upper:g}] of field '{field.name}' reach outside the table's "
            f"[{entry.lower:g}, {entry.upper:g}]; narrow them"
        )


def check_order(table: ParameterTable, ordered: Sequence[Sequence[str]], where: str) -> None:
    """Raise ``InputError`` where parameters that an equation takes in rising order are not, in any community."""
    for names in ordered:
        for low, high in itertools.pairwise(names):
            for community in table.communities:
                below, above = (float(np.asarray(table.entries[name].values[community])) for name in (low, high))
                if not below < above:
                    raise InputError(
                        f"{where}: '{high}' is {above:g} for '{community}', not above '{low}' ({below:g}); correct one of them"
                    )


def _form(name: str, declared: Collection[str]) -> str:
    """How a parameter is written."""
    full = (
        name if name in declared else next((known for known in declared if known.endswith(f".{name}")), "branch.field")
    )
    return f"write [{full}] with lines 'value = ...' and 'source = \"...\"'"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _merge(raw: dict, name: str, item: Mapping, metadata: Mapping, titles: Mapping, path: Path) -> None:
    unknown = set(item) - {"unit", "bounds", "source", "value", "values"}
    if unknown:
        key = sorted(unknown)[0]
        raise InputError(f"{path}: '{name}' has the unknown key '{key}'; use unit, bounds, source, value, values")
    if item.get("unit", metadata["unit"]) != metadata["unit"]:
        raise InputError(
            f"{path}: '{name}' is given in '{item['unit']}' but the model works in '{metadata['unit']}'; convert the value"
        )
    if "value" not in item and "values" not in item:
        raise InputError(f"{path}: '{name}' has neither 'value' nor 'values'; give one, or leave the parameter out")
    if not isinstance(item.get("values", {}), Mapping):
        raise InputError(f"{path}: 'values' of '{name}' is {item['values']!r}; write values = {{community = number}}")
    entry = raw.setdefault(name, {"values": {}, "bounds": None, "source": ""})
    entry["bounds"] = item.get("bounds", entry["bounds"])
    entry["source"] = item.get("source", entry["source"])
    if entry["bounds"] is None or not entry["source"]:
        raise InputError(f"{path}: '{name}' needs 'bounds = [low, high]' and a 'source'")
    if not isinstance(entry["source"], str):
        raise InputError(f"{path}: 'source' of '{name}' is {entry['source']!r}, expected text in quotes")
    bounds = entry["bounds"]
    if not (isinstance(bounds, list) and len(bounds) == 2 and all(map(_is_number, bounds)) and bounds[0] < bounds[1]):
        raise InputError(f"{path}: bounds of '{name}' are {bounds!r}, expected [low, high] with low below high")
    values = dict.fromkeys(titles, item["value"]) if "value" in item else {}
    values.update(item.get("values", {}))
    low, high = bounds
    for community, value in values.items():
        if community not in titles:
            raise InputError(
                f"{path}: '{name}' names the unknown community '{community}'; {suggest(community, titles)}"
            )
        numbers = value if isinstance(value, list) else [value]
        if not numbers or not all(map(_is_number, numbers)):
            raise InputError(f"{path}: '{name}' for '{community}' is {value!r}, expected a number or a list of numbers")
        array = np.asarray(value, dtype=float)
        known = np.shape(next(iter(entry["values"].values()), value))
        if array.shape != known:
            raise InputError(
                f"{path}: '{name}' for '{community}' has {array.size} numbers{' in a list' if array.ndim else ''}, expected "
                f"{f'a list of {known[0]}' if known else 'one'}"
            )
        if not np.all(np.isfinite(array)) or np.any(array < low) or np.any(array > high):
            raise InputError(f"{path}: '{name}' for '{community}' is {value}, outside its bounds [{low}, {high}]")
    entry["values"].update(values)


def build(tree_class: type[Tree], table: ParameterTable, dtype: str = "float64") -> Tree:
    """The parameter tree: one leaf per parameter with a leading community axis, in the given dtype."""
    branches = {}
    for branch, branch_class in _branch_classes(tree_class).items():
        leaves = {}
        for field in dataclasses.fields(branch_class):
            entry = table.entries[f"{branch}.{field.name}"]
            leaves[field.name] = jnp.asarray(
                np.array([entry.values[c] for c in table.communities], dtype=np.float64), dtype=dtype
            )
        branches[branch] = branch_class(**leaves)
    return tree_class(**branches)


def get(parameters: PyTree, name: str) -> jax.Array:
    """Leaf ``branch.field`` of a parameter tree; raises ``InputError`` for an unknown name."""
    node = parameters
    for part in name.split("."):
        if not hasattr(node, part):
            known = [f"{f.name}" for f in dataclasses.fields(node)] if dataclasses.is_dataclass(node) else []
            raise InputError(f"unknown parameter '{name}'; {suggest(part, known)}")
        node = getattr(node, part)
    return node
