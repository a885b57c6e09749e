"""A calibration problem as PEST control, template and instruction files, and PEST's parameters back into jtem's.

PEST (Doherty; also PEST++ in its compatible version 1 format) runs a model as an external program: it fills the template
with parameter values, runs a command and picks the simulated values out of the model's output with the instructions.
Here the template is a parameter overlay in TOML, which jtem reads as it is, and the output a text file with one line
"name value" an observation (:func:`write_simulated`). PEST's names are short (12 characters for parameters and groups,
20 for observations) and know no case, so a file ``<case>.names.csv`` keeps which short name is whose.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jtem.errors import InputError, suggest
from jtem.study.calibration.case import Case
from jtem.study.calibration.problem import START

PARAMETER_LENGTH, OBSERVATION_LENGTH, GROUP_LENGTH = 12, 20, 12
TRANSFORMS = ("none", "log", "fixed")
RESERVED = ("dum", "none")
FIELD_WIDTH = 25  # of a value in the template: holds any double


@dataclass(frozen=True)
class Parameter:
    """One parameter of the problem: ``name`` is ``branch.field`` (all communities) or ``branch.field:community``.

    ``value`` and bounds in the parameter's own unit; ``transform``: "none", "log" or "fixed"; ``group``: by default the
    branch. ``scale`` and ``offset``: the model gets value * scale + offset (PEST's own columns, 1 and 0 when written).
    """

    name: str
    value: float
    lower: float
    upper: float
    transform: str = "none"
    group: str = ""
    scale: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class Observation:
    """One observation: ``weight`` is 1/standard error (0: carried but not fitted); ``group``: such as the stream."""

    name: str
    value: float
    weight: float
    group: str


@dataclass(frozen=True)
class Problem:
    """Parameters and observations of one calibration."""

    parameters: tuple[Parameter, ...]
    observations: tuple[Observation, ...]


# --- names -----------------------------------------------------------------------------------------------------------


def short_names(names: Sequence[str], length: int) -> dict[str, str]:
    """Short PEST name for each name, in order: lower case letters, digits, ``_`` and ``.``, unique, at most ``length``.

    A name that is already legal stays; others become the end of their last word and a running number. Raises
    ``InputError`` for a name given twice.
    """
    repeated = [name for k, name in enumerate(names) if name in names[:k]]
    if repeated:
        raise InputError(f"'{repeated[0]}' is in the PEST problem twice; give each name once")
    legal = {
        name: name
        for name in names
        if len(name) <= length and re.fullmatch(r"[a-z0-9_.]+", name) and name not in RESERVED
    }
    taken, short = set(legal), {}
    for number, name in enumerate(names, start=1):
        if name in legal:
            short[name] = name
            continue
        field, _, community = name.partition(":")
        word = "_".join(filter(None, (field.rsplit(".", 1)[-1], community)))
        word = re.sub(r"[^a-z0-9_]+", "_", word.lower()).strip("_") or "p"
        tail = f"_{number}"
        while (made := word[: length - len(tail)] + tail) in taken:
            tail += "x"
        taken.add(made)
        short[name] = made
    return short


def read_names(path: Path | str) -> dict[str, dict[str, str]]:
    """``<case>.names.csv`` as ``{"parameter": {short: name}, "observation": {...}, "group": {...}}``."""
    kinds: dict[str, dict[str, str]] = {"parameter": {}, "observation": {}, "group": {}}
    rows = list(csv.reader(_lines(path)))
    if not rows or rows[0] != ["kind", "short", "name"]:
        raise InputError(f"{path}: not a table of PEST names, expected the columns kind, short, name")
    for row in rows[1:]:
        if len(row) != 3 or row[0] not in kinds:
            raise InputError(f"{path}: row {','.join(row)!r} is not kind, short, name; restore the file")
        kinds[row[0]][row[1]] = row[2]
    return kinds


# --- writing ---------------------------------------------------------------------------------------------------------


def write(
    problem: Problem,
    folder: Path | str,
    case: str,
    command: str,
    *,
    model_input: str = "parameters.toml",
    model_output: str = "simulated.txt",
    iterations: int = 30,
) -> dict[str, Path]:
    """Write ``<case>.pst``, ``.tpl``, ``.ins`` and ``.names.csv`` into a folder; returns their paths by ending.

    ``command``: how PEST runs the model; it must read the overlay ``model_input`` and leave ``model_output``. Stop rule
    and damping are PEST's usual ones (relative decrease 0.005 over 4 iterations). Raises ``InputError`` for values outside
    their bounds, logs of what is not positive, weights below zero, repeated names and empty problems.
    """
    check(problem)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    short = short_names([p.name for p in problem.parameters], PARAMETER_LENGTH)
    seen = short_names([o.name for o in problem.observations], OBSERVATION_LENGTH)
    named = [_group(p) for p in problem.parameters], [o.group for o in problem.observations]
    brief = short_names(list(dict.fromkeys([*named[0], *named[1]])), GROUP_LENGTH)
    groups, streams = ({name: brief[name] for name in kind} for kind in named)
    paths = {end: folder / f"{case}.{end}" for end in ("pst", "tpl", "ins", "names.csv")}
    paths["tpl"].write_text("ptf ~\n" + overlay({p.name: _field(short[p.name]) for p in problem.parameters}, "PEST"))
    instructions = "".join(f"l1 w !{seen[o.name]}!\n" for o in problem.observations)
    paths["ins"].write_text("pif @\n" + instructions)
    parameter_rows = []
    for p in problem.parameters:
        limit = "factor" if p.lower > 0 or p.upper < 0 else "relative"
        numbers = " ".join(f"{v:.15e}" for v in (p.value, p.lower, p.upper))
        parameter_rows.append(
            f"{short[p.name]:<12} {p.transform:<6} {limit:<8} {numbers} {groups[_group(p)]:<12} "
            f"{p.scale:.15e} {p.offset:.15e} 1"
        )
    paths["pst"].write_text(
        "\n".join(
            [
                "pcf",
                "* control data",
                "restart estimation",
                f"{len(short)} {len(seen)} {len(groups)} 0 {len(streams)}",
                "1 1 double point 1 0 0",
                "10.0 2.0 0.3 0.03 10",
                "10.0 10.0 0.001",
                "0.1",
                f"{iterations} 0.005 4 4 0.005 4",
                "1 1 1",
                "* parameter groups",
                *(f"{group:<12} relative 0.01 0.0 switch 2.0 parabolic" for group in groups.values()),
                "* parameter data",
                *parameter_rows,
                "* observation groups",
                *streams.values(),
                "* observation data",
                *(
                    f"{seen[o.name]:<20} {o.value:.15e} {o.weight:.15e} {streams[o.group]}"
                    for o in problem.observations
                ),
                "* model command line",
                command,
                "* model input/output",
                f"{paths['tpl'].name} {model_input}",
                f"{paths['ins'].name} {model_output}",
                "",
            ]
        )
    )
    with paths["names.csv"].open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["kind", "short", "name"])
        for kind, table in (("parameter", short), ("observation", seen), ("group", brief)):
            writer.writerows([kind, made, name] for name, made in table.items())
    return paths


def check(problem: Problem) -> None:
    """Raise ``InputError`` for what PEST would refuse or misread."""
    if not problem.parameters or not problem.observations:
        raise InputError("a PEST problem needs parameters and observations; name at least one of each")
    for p in problem.parameters:
        if p.transform not in TRANSFORMS:
            raise InputError(f"transform of '{p.name}' is {p.transform!r}; {suggest(p.transform, TRANSFORMS)}")
        if not (p.lower < p.upper and p.lower <= p.value <= p.upper and math.isfinite(p.lower + p.upper)):
            raise InputError(
                f"'{p.name}' is {p.value:g} with bounds [{p.lower:g}, {p.upper:g}]; give low <= value <= high"
            )
        if p.transform == "log" and p.lower <= 0:
            raise InputError(f"'{p.name}' is log-transformed but its lower bound is {p.lower:g}; give a positive bound")
        if not re.fullmatch(r"\w+\.\w+(:\w+)?", p.name):
            raise InputError(f"'{p.name}' is no parameter name; use branch.field or branch.field:community")
    for o in problem.observations:
        if not math.isfinite(o.value):
            raise InputError(f"observation '{o.name}' has no value; leave it out")
        if not (math.isfinite(o.weight) and o.weight >= 0):
            raise InputError(f"observation '{o.name}' has the weight {o.weight:g}; give 1/standard error or 0")


def _group(parameter: Parameter) -> str:
    return parameter.group or parameter.name.split(".", 1)[0]


def _field(short: str) -> str:
    return f"~{short:<{FIELD_WIDTH - 2}}~"


def overlay(values: Mapping[str, float | str], source: str) -> str:
    """Parameter overlay in TOML from ``{"branch.field" or "branch.field:community": value}``; loads with ``--overlay``."""
    tables: dict[str, dict[str, str]] = {}
    for name, value in values.items():
        field, _, community = name.partition(":")
        tables.setdefault(field, {})[community] = value if isinstance(value, str) else repr(float(value))
    text = ""
    for field, entries in tables.items():
        text += f"[{field}]\nsource = {_quoted(source)}\n"
        if "" in entries:
            text += f"value = {entries['']}\n"
        some = [f"{community} = {value}" for community, value in entries.items() if community]
        text += f"values = {{ {', '.join(some)} }}\n" if some else ""
        text += "\n"
    return text


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'


def write_simulated(problem: Problem, values: Iterable[float], path: Path | str) -> None:
    """Write the model output that the instructions read: one line "name value" for each observation, in order."""
    seen = short_names([o.name for o in problem.observations], OBSERVATION_LENGTH)
    lines = [f"{seen[o.name]} {float(v):.15e}" for o, v in zip(problem.observations, values, strict=True)]
    Path(path).write_text("\n".join(lines) + "\n")


def fill(template: Path | str, values: Mapping[str, float]) -> str:
    """What PEST makes of a template: each field between markers replaced by the value of its (short) name.

    Raises ``InputError`` for a file that is no template or a name without value.
    """
    first, *lines = _lines(template)
    if not re.fullmatch(r"[pP][tT][fF] \S", first.strip()):
        raise InputError(f"{template}: not a PEST template, the first line must be 'ptf' and a marker")
    marker = re.escape(first.strip()[-1])

    def replace(found: re.Match) -> str:
        name = found[1].strip().lower()
        if name not in values:
            raise InputError(f"{template}: no value for '{name}'; {suggest(name, values)}")
        return f"{values[name]:.15e}".rjust(len(found[0]))

    return "\n".join(re.sub(f"{marker}(.*?){marker}", replace, line) for line in lines) + "\n"


# --- reading ---------------------------------------------------------------------------------------------------------


def _lines(path: Path | str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: file cannot be read ({error}); check the name") from None


def _number(text: str, where: str) -> float:
    try:
        return float(text.lower().replace("d", "e"))
    except ValueError:
        raise InputError(f"{where}: {text!r} is not a number; correct it") from None


def read_parameters(path: Path | str, names: Path | str | None = None) -> dict[str, float]:
    """Values of a PEST parameter file (``.par`` or ``.bpa``) by jtem's names, as the model sees them.

    The file has a line of precision and decimal point, then "name value scale offset" a parameter; the model's value is
    value * scale + offset. ``names``: the names file, by default ``<case>.names.csv`` beside it. Use :func:`overlay` to
    turn the result into a parameter overlay. Raises ``InputError`` for names unknown to the names file or missing from
    the parameter file.
    """
    path = Path(path)
    names = path.with_suffix(".names.csv") if names is None else Path(names)
    known = read_names(names)["parameter"]
    lines = [line.split() for line in _lines(path) if line.strip()]
    if not lines or [word.lower() for word in lines[0]][:1] not in (["single"], ["double"]):
        raise InputError(f"{path}: not a PEST parameter file, the first line must be like 'single point'")
    values: dict[str, float] = {}
    for row in lines[1:]:
        short = row[0].lower()
        if short not in known:
            raise InputError(f"{path}: parameter '{short}' is not in {names}; {suggest(short, known)}")
        if len(row) != 4:
            raise InputError(f"{path}: '{' '.join(row)}' is not name, value, scale, offset; correct the line")
        value, scale, offset = (_number(word, f"{path}: {short}") for word in row[1:])
        values[known[short]] = value * scale + offset
    lost = [name for name in known.values() if name not in values]
    if lost:
        raise InputError(f"{path}: no value for '{lost[0]}' ({len(lost)} missing); give the file of the same case")
    return values


def read_control(path: Path | str, names: Path | str | None = None) -> Problem:
    """Parameters and observations of a PEST control file (version 1), with long names where a names file is there.

    Reads files of other programs too: without a names file the names stay as they are; tied parameters count as fixed.
    Comment lines (``#``) are skipped. Raises ``InputError``.
    """
    path = Path(path)
    names = path.with_suffix(".names.csv") if names is None else Path(names)
    long = read_names(names) if names.exists() else {"parameter": {}, "observation": {}, "group": {}}
    lines = [line.strip() for line in _lines(path) if line.strip() and not line.strip().startswith("#")]
    if not lines or not lines[0].lower().startswith("pcf"):
        raise InputError(f"{path}: not a PEST control file, the first line must be 'pcf'")
    if "version=2" in lines[0].lower().replace(" ", ""):
        raise InputError(f"{path}: control file of version 2, expected version 1; write it with 'pcf' alone")
    sections: dict[str, list[list[str]]] = {}
    section = ""
    for line in lines[1:]:
        if line.startswith("*"):
            section = line[1:].strip().lower()
            sections[section] = []
        elif section:
            sections[section].append(line.split())
    for needed in ("control data", "parameter data", "observation data"):
        if needed not in sections:
            raise InputError(f"{path}: section '* {needed}' is missing; complete the control file")
    try:
        count, observations = (int(word) for word in sections["control data"][1][:2])
        parameters = []
        for row in sections["parameter data"][:count]:
            numbers = [_number(word, f"{path}: {row[0]}") for word in (*row[3:6], *row[7:9])]
            kind = row[1].lower()
            parameters.append(
                Parameter(
                    long["parameter"].get(row[0].lower(), row[0]),
                    *numbers[:3],
                    transform="fixed" if kind == "tied" else kind,
                    group=long["group"].get(row[6].lower(), row[6]),
                    scale=numbers[3],
                    offset=numbers[4],
                )
            )
        seen = [
            Observation(
                long["observation"].get(row[0].lower(), row[0]),
                _number(row[1], f"{path}: {row[0]}"),
                _number(row[2], f"{path}: {row[0]}"),
                long["group"].get(row[3].lower(), row[3]),
            )
            for row in sections["observation data"]
        ]
    except (IndexError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: a line has too few entries ({error}); correct the control file") from None
    if len(parameters) != count or len(seen) != observations:
        raise InputError(
            f"{path}: {len(parameters)} parameters and {len(seen)} observations, the control data say {count} and "
            f"{observations}; correct the counts"
        )
    return Problem(tuple(parameters), tuple(seen))


# --- of a case ---------------------------------------------------------------------------------------------------------


def problem_of(case: Case) -> Problem:
    """The same problem for PEST: only single values, shared or by community, can be told to it. Raises ``InputError``."""
    problem, model = case.problem, case.model
    made = []
    for k, free in enumerate(problem.free):
        if free.mode != "value" or free.scope == "site" or free.names[0] in START or "[" in free.names[0]:
            raise InputError(
                f"'{free.label}' cannot be exported to PEST: only values of whole parameters, shared or by community; "
                "change its mode and scope"
            )
        for c in sorted({int(i) for i in model.index[model.applies[:, k], k]}):
            community = model.names[c].partition(":")[2]
            low, high = float(model.transform.lower[c]), float(model.transform.upper[c])
            made.append(
                Parameter(
                    free.names[0] + (f":{community}" if community else ""),
                    float(model.start_values[c]),
                    low,
                    high,
                    "log" if free.scale == "log" else "none",
                )
            )
    o = problem.observations
    seen = [
        Observation(
            f"{problem.sites[o.site[k]]} {problem.channels[o.channel[k]].name} {case.first_year + o.begin[k] // 12}-"
            f"{o.begin[k] % 12 + 1:02d}",
            float(o.value[k]),
            1.0 / float(o.error[k]) if o.fit[k] else 0.0,
            problem.channels[o.channel[k]].name,
        )
        for k in np.flatnonzero(np.isfinite(o.value))
    ]
    return Problem(tuple(made), tuple(seen))


def simulated_of(case: Case, problem: Problem, path: Path) -> None:
    """Write what PEST reads back, at the values of the parameter table (the overlay that PEST filled is a part of it)."""
    model, values = case.model, np.array(case.model.start_values)
    for k, free in enumerate(case.problem.free):
        for s in np.flatnonzero(model.applies[:, k]):
            values[model.index[s, k]] = np.ravel(model.value_in_table(free.names[0], int(s)))[0]
    simulated, _ = model.simulate(values)
    o = case.problem.observations
    write_simulated(problem, simulated[np.isfinite(o.value)], path)
