"""A calibration problem as PEST control, template and instruction files, and PEST's parameters back into jtem's.

PEST (Doherty; also PEST++ in its compatible version 1 format) runs a model as an external program: it fills the template
with parameter values, runs a command and picks the simulated values out of the model's output with the instructions.
Every coordinate of the calibration (:class:`jtem.study.calibration.model.Misfit`), be it a value, one element of a parameter, a
factor on several or the soil carbon of one site, is one PEST parameter; its prior is PEST's prior information. The template is a
TOML table of coordinates that ``jtem calibrate --pest-run`` reads (:func:`read_values`), the output a text file with one line
"name value" an observation (:func:`write_simulated`). PEST's names are short (12 characters for parameters and groups,
20 for observations) and know no case, so a file ``<case>.names.csv`` keeps which short name is whose.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jtem.errors import InputError, suggest
from jtem.study.calibration.model import Misfit

PARAMETER_LENGTH, OBSERVATION_LENGTH, GROUP_LENGTH = 12, 20, 12
TRANSFORMS = ("none", "log", "fixed")
RESERVED = ("dum", "none")
FIELD_WIDTH = 25  # of a value in the template: holds any double
MARKERS = "~#$@!%&"
PRIOR_GROUP = "prior"


@dataclass(frozen=True)
class Parameter:
    """One parameter of the problem: ``name`` is that of a coordinate, such as ``branch.field[0]`` or ``label:site``.

    ``value`` and bounds in the parameter's own unit (factor: 1); ``transform``: "none", "log" or "fixed"; ``group``: by
    default what stands before "." or ":" in the name. ``scale`` and ``offset``: the model gets value * scale + offset
    (PEST's own columns, 1 and 0 when written). ``prior``: mean and standard deviation, for "log" that of the natural
    logarithm, or None.
    """

    name: str
    value: float
    lower: float
    upper: float
    transform: str = "none"
    group: str = ""
    scale: float = 1.0
    offset: float = 0.0
    prior: tuple[float, float] | None = None


@dataclass(frozen=True)
class Observation:
    """One observation: ``weight`` is 1/standard error (0: carried but not fitted); ``group``: such as the stream."""

    name: str
    value: float
    weight: float
    group: str


@dataclass(frozen=True)
class PestProblem:
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
    problem: PestProblem,
    folder: Path | str,
    case: str,
    command: str,
    *,
    model_input: str = "values.toml",
    model_output: str = "simulated.txt",
    iterations: int = 30,
) -> dict[str, Path]:
    """Write ``<case>.pst``, ``.tpl``, ``.ins`` and ``.names.csv`` into a folder; returns their paths by ending.

    ``command``: how PEST runs the model; it must read the values ``model_input`` and leave ``model_output``. Stop rule
    and damping are PEST's usual ones (relative decrease 0.005 over 4 iterations). Raises ``InputError`` for values outside
    their bounds, logs of what is not positive, weights below zero, repeated names and empty problems.
    """
    check(problem)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    short = short_names([p.name for p in problem.parameters], PARAMETER_LENGTH)
    seen = short_names([o.name for o in problem.observations], OBSERVATION_LENGTH)
    priors = [line for p in problem.parameters if (line := _prior(p, short[p.name]))]
    named = [_group(p) for p in problem.parameters], [o.group for o in problem.observations]
    named[1].extend([PRIOR_GROUP] if priors else [])
    brief = short_names(list(dict.fromkeys([*named[0], *named[1]])), GROUP_LENGTH)
    groups, streams = ({name: brief[name] for name in kind} for kind in named)
    priors = [f"pi{k} {line} {streams[PRIOR_GROUP]}" for k, line in enumerate(priors, start=1)]
    paths = {end: folder / f"{case}.{end}" for end in ("pst", "tpl", "ins", "names.csv")}
    marker = next((m for m in MARKERS if not any(m in p.name for p in problem.parameters)), "")
    if not marker:
        raise InputError(
            f"the names of the parameters hold all of {MARKERS}; leave one of these signs out of the labels"
        )
    fields = {p.name: f"{marker}{short[p.name]:<{FIELD_WIDTH - 2}}{marker}" for p in problem.parameters}
    paths["tpl"].write_text(f"ptf {marker}\n" + values_text(fields), encoding="utf-8")
    instructions = "".join(f"l1 w !{seen[o.name]}!\n" for o in problem.observations)
    paths["ins"].write_text("pif @\n" + instructions)
    paths["pst"].write_text(
        "\n".join(
            [
                "pcf",
                "* control data",
                "restart estimation",
                f"{len(short)} {len(seen)} {len(groups)} {len(priors)} {len(streams)}",
                "1 1 double point 1 0 0",
                "10.0 2.0 0.3 0.03 10",
                "10.0 10.0 0.001",
                "0.1",
                f"{iterations} 0.005 4 4 0.005 4",
                "1 1 1",
                "* parameter groups",
                *(f"{group:<12} relative 0.01 0.0 switch 2.0 parabolic" for group in groups.values()),
                "* parameter data",
                *(_parameter_row(p, short[p.name], groups[_group(p)]) for p in problem.parameters),
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
                *(["* prior information", *priors] if priors else []),
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


def check(problem: PestProblem) -> None:
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
        if not p.name.strip() or "\n" in p.name:
            raise InputError(f"{p.name!r} is no name of a parameter; give it a label of one line")
        if p.prior is not None and not (p.prior[1] > 0 and (p.transform != "log" or p.prior[0] > 0)):
            raise InputError(f"prior {list(p.prior)} of '{p.name}' is no mean and deviation; give positive ones")
    for o in problem.observations:
        if not math.isfinite(o.value):
            raise InputError(f"observation '{o.name}' has no value; leave it out")
        if not (math.isfinite(o.weight) and o.weight >= 0):
            raise InputError(f"observation '{o.name}' has the weight {o.weight:g}; give 1/standard error or 0")


def _group(parameter: Parameter) -> str:
    return parameter.group or re.split(r"[.:\[]", parameter.name, maxsplit=1)[0]


def _parameter_row(p: Parameter, short: str, group: str) -> str:
    """PEST's line of parameter data."""
    limit = "factor" if p.lower > 0 or p.upper < 0 else "relative"
    numbers = " ".join(f"{v:.15e}" for v in (p.value, p.lower, p.upper))
    return f"{short:<12} {p.transform:<6} {limit:<8} {numbers} {group:<12} {p.scale:.15e} {p.offset:.15e} 1"


def _prior(parameter: Parameter, short: str) -> str:
    """PEST's line of prior information without label and group; "" where there is none. PEST's logarithm has base 10."""
    if parameter.prior is None or parameter.transform == "fixed":
        return ""
    mean, deviation = parameter.prior
    if parameter.transform == "log":
        return f"1.0 * log({short}) = {math.log10(mean):.15e} {math.log(10.0) / deviation:.15e}"
    return f"1.0 * {short} = {mean:.15e} {1.0 / deviation:.15e}"


def values_text(values: Mapping[str, float | str]) -> str:
    """The model's input: a TOML table of coordinates and their values, which :func:`read_values` reads."""
    rows = [
        f"{json.dumps(name, ensure_ascii=False)} = {value if isinstance(value, str) else repr(float(value))}"
        for name, value in values.items()
    ]
    return "\n".join(
        ["# Values of the free parameters of a calibration, each in its own unit (a factor: 1).", "[values]", *rows, ""]
    )


def read_values(path: Path | str, names: Sequence[str]) -> dict[str, float]:
    """Values of the coordinates ``names`` from the model's input (TOML) or a PEST parameter file (``.par``, ``.bpa``).

    Raises ``InputError`` for an unreadable file and for missing or unknown coordinates.
    """
    path = Path(path)
    if path.suffix.lower() in (".par", ".bpa"):
        found = read_parameters(path)
    else:
        found = {}
        for line in _lines(path):
            if line.strip().startswith('"'):
                row = re.fullmatch(r'\s*("(?:[^"\\]|\\.)*")\s*=\s*(\S+)\s*', line)
                if row is None:
                    raise InputError(f"{path}: {line.strip()!r} is not a name and its value; give what PEST filled")
                name = json.loads(row[1])
                found[name] = _number(row[2], f"{path}: '{name}'")
    for name, value in found.items():
        if name not in names:
            raise InputError(f"{path}: '{name}' is no free parameter of the plan; {suggest(name, names)}")
        if not math.isfinite(value):
            raise InputError(f"{path}: '{name}' is {value!r}, expected a number; give what PEST filled")
    lost = [name for name in names if name not in found]
    if lost:
        raise InputError(f"{path}: no value for '{lost[0]}' ({len(lost)} missing); give the file of the same plan")
    return {name: float(found[name]) for name in names}


def write_simulated(problem: PestProblem, values: Iterable[float], path: Path | str) -> None:
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
        return Path(path).read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise InputError(f"{path}: file cannot be read ({error}); check the name") from None


def _words(path: Path) -> list[list[str]]:
    """Words of the lines; notes (``#``), options (``++``) and empty lines are left out."""
    plain = (line.split("#", 1)[0].split() for line in _lines(path) if not line.lstrip().startswith("++"))
    return [words for words in plain if words]


def _number(text: str, where: str) -> float:
    try:
        return float(text.lower().replace("d", "e"))
    except ValueError:
        raise InputError(f"{where}: {text!r} is not a number; correct it") from None


def read_parameters(path: Path | str, names: Path | str | None = None) -> dict[str, float]:
    """Values of a PEST parameter file (``.par`` or ``.bpa``) by jtem's names, as the model sees them.

    The file has a line of precision and decimal point, then "name value scale offset" a parameter; the model's value is
    value * scale + offset. ``names``: the names file, by default ``<case>.names.csv`` beside it. Raises ``InputError`` for
    names unknown to the names file or missing from the parameter file.
    """
    path = Path(path)
    names = path.with_suffix(".names.csv") if names is None else Path(names)
    known = read_names(names)["parameter"]
    lines = _words(path)
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


def read_control(path: Path | str, names: Path | str | None = None) -> PestProblem:
    """Parameters and observations of a PEST control file (version 1), with long names where a names file is there.

    Reads files of other programs too: without a names file the names stay as they are; tied parameters count as fixed.
    Notes (``#``, after a section's name too) and options of PEST++ (``++``) are left out wherever they stand; prior
    information that is more than one parameter's mean is left out. Raises ``InputError``.
    """
    path = Path(path)
    names = path.with_suffix(".names.csv") if names is None else Path(names)
    long = read_names(names) if names.exists() else {"parameter": {}, "observation": {}, "group": {}}
    lines = _words(path)
    if not lines or lines[0][0].lower() != "pcf":
        raise InputError(f"{path}: not a PEST control file, the first line must be 'pcf'")
    if "version=2" in "".join(lines[0]).lower():
        raise InputError(f"{path}: control file of version 2, expected version 1; write it with 'pcf' alone")
    sections: dict[str, list[list[str]]] = {}
    section = ""
    for words in lines[1:]:
        if words[0].startswith("*"):
            section = " ".join(words).lstrip("* ").lower()
            sections[section] = []
        elif section:
            sections[section].append(words)
    for needed in ("control data", "parameter data", "observation data"):
        if needed not in sections:
            raise InputError(f"{path}: section '* {needed}' is missing; complete the control file")
    try:
        count, observations = (int(word) for word in sections["control data"][1][:2])
        parameters, priors = [], _priors(sections.get("prior information", []), path)
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
                    prior=priors.get(row[0].lower()),
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
    return PestProblem(tuple(parameters), tuple(seen))


def _priors(rows: Sequence[Sequence[str]], path: Path) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation by (short) name from prior information of one parameter; the rest is left out."""
    found = {}
    for row in rows:
        match = re.fullmatch(r"\S+ 1(?:\.0*)? \* (log\()?([^\s()]+)\)? = (\S+) (\S+) \S+", " ".join(row))
        if match:
            mean, weight = (_number(match[k], f"{path}: prior of {match[2]}") for k in (3, 4))
            if weight > 0:
                logarithmic = match[1] is not None
                deviation = (math.log(10.0) if logarithmic else 1.0) / weight
                found[match[2].lower()] = (10.0**mean if logarithmic else mean, deviation)
    return found


# --- the model of a calibration --------------------------------------------------------------------------------------


def problem_of(model: Misfit, first_year: int) -> PestProblem:
    """The same problem for PEST: every coordinate a parameter, every observation that is there with its weight.

    ``first_year``: of history. Observations that are not fitted, and bounds, which PEST has not, have the weight 0.
    """
    parameters = tuple(
        Parameter(
            name,
            float(model.start_values[k]),
            float(model.transform.lower[k]),
            float(model.transform.upper[k]),
            "log" if model.transform.scales[k] == "log" else "none",
            prior=model.prior[k],
        )
        for k, name in enumerate(model.names)
    )
    problem, o = model.problem, model.problem.observations
    observations = tuple(
        Observation(
            f"{problem.sites[o.site[k]]} {problem.channels[o.channel[k]].name} {first_year + o.begin[k] // 12}-"
            f"{o.begin[k] % 12 + 1:02d}" + (f" {o.end[k] - o.begin[k]} months" if o.end[k] - o.begin[k] != 1 else ""),
            float(o.value[k]),
            1.0 / float(o.error[k]) if o.fit[k] and (o.bound is None or not o.bound[k]) else 0.0,
            problem.channels[o.channel[k]].name,
        )
        for k in np.flatnonzero(np.isfinite(o.value))
    )
    return PestProblem(parameters, observations)


def simulated(model: Misfit, values: Mapping[str, float]) -> np.ndarray:
    """Simulated counterparts (observation,) of :func:`problem_of`'s observations at ``values`` by coordinate (at bounds too)."""
    found, _ = model.simulate(np.array([values[name] for name in model.names]))
    return found[np.isfinite(model.problem.observations.value)]
