"""Known answers: numbers of every scheme, option and precision, kept in ``tests/golden/model.csv``.

    python tests/golden.py [CASE ...]                  compare all (or some) with what is kept
    python tests/golden.py --refresh "what changed"    keep new ones (of all, or of some), and declare them in CHANGELOG.md

The file is valid only with the line of CHANGELOG.md that bears its digest: whoever changes numbers says so there.
Numbers are compared within a tolerance that holds on other processors and versions of jax (:data:`TOLERANCE`), for they are not
bits; bits are compared by ``benchmarks/bits.py`` on one machine.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np

import model_cases
from jtem.run import years

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "tests" / "golden" / "model.csv"
CHANGELOG = ROOT / "CHANGELOG.md"
TOLERANCE = {"float64": 1e-6, "mixed": 2e-3, "float32": 5e-3}
"""Relative, by precision of the case: soil heat in 32 bits rounds otherwise on another processor, and thaw follows."""

Numbers = dict[tuple[str, str], np.ndarray]
"""By case and variable: a number a place."""


GROUND = {"ground": "layered, float64", "ground, options": "everything, float64"}
"""Cases of soil heat alone, month by month, and the case of the model that each is the ground of."""
CASES = (*GROUND, *model_cases.CASES)


def precision(case: str) -> str:
    """Precision of a case."""
    return str(model_cases.CASES[GROUND.get(case, case)].get("precision", "mixed"))


def of_ground(case: str) -> Numbers:
    """Every third month of the last year of a case of soil heat, some layers, and its state after that year."""
    inputs = model_cases.inputs_of(GROUND[case])
    states, made = jax.jit(
        jax.vmap(lambda s, c, cell: years.heat_years(s, c, cell, inputs.parameters, None, design=inputs.design))
    )(inputs.state.thermal, inputs.climate, inputs.cells)
    found: Numbers = {(case, name): np.asarray(values[:, -1]) for name, values in vars(made.thaw).items()}
    for name, values in vars(made.months).items():
        if name == "heat_residual":
            continue
        for month in range(0, 12, 3):
            at = np.asarray(values[:, -1, month])
            layers = {"": at} if at.ndim == 1 else {f" {layer}": at[:, layer] for layer in (0, 2, 6, 12, 24, 32)}
            found |= {(case, f"{name}{layer} {month + 1}"): row for layer, row in layers.items()}
    for name, values in vars(states).items():
        if values is not None:
            rows = np.asarray(values).reshape(len(values), -1)
            found |= {(case, f"{name} {k}"): rows[:, k] for k in range(0, rows.shape[1], 6)}
    return found


def of_case(case: str) -> Numbers:
    """Yearly results of a case in its last year."""
    if case in GROUND:
        return of_ground(case)
    with jax.enable_x64(precision(case) != "float32"):
        _, found = model_cases.years_of(model_cases.inputs_of(case), 0, model_cases.YEARS)
    return {(case, name): np.asarray(values[:, -1], np.float64) for name, values in found.items()}


def read() -> Numbers:
    """What is known."""
    with FILE.open(newline="") as file:
        rows = [row for row in csv.reader(file) if row and not row[0].startswith("#")]
    return {(case, variable): np.array(values, np.float64) for case, variable, *values in rows[1:]}


def write(numbers: Numbers) -> None:
    """Keep known answers."""
    FILE.parent.mkdir(exist_ok=True)
    with FILE.open("w", newline="") as file:
        file.write(
            "# Last year of every case of tests/model_cases.py at its places; made by tests/golden.py --refresh\n"
        )
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["case", "variable", *(community for _, _, community, _ in model_cases.PLACES)])
        for (case, variable), values in numbers.items():
            rows.writerow([case, variable, *(f"{value:.10g}" for value in values.ravel())])


def digest() -> str:
    """What CHANGELOG.md must say of the file: the begin of its SHA-256."""
    return hashlib.sha256(FILE.read_bytes()).hexdigest()[:12]


def differences(found: Numbers, known: Numbers, tolerance: float) -> Iterator[str]:
    """A sentence for every number that is not the known one; small numbers are compared with the largest of their row."""
    for key, values in found.items():
        if key not in known:
            yield f"{key} is not known"
            continue
        wanted = known[key]
        room = tolerance * np.maximum(np.abs(wanted), 0.05 * np.abs(wanted).max()) + 1e-9
        for row in np.flatnonzero(~(np.abs(values.ravel() - wanted) <= room)):
            yield f"{', '.join(key)}, number {row}: {values.ravel()[row]:.10g}, known {wanted[row]:.10g}"


def declare(what: str) -> None:
    """A line of CHANGELOG.md under its newest heading, in place of lines that declared known answers before."""
    head, mark, rest = CHANGELOG.read_text().partition("\n## ")
    heading, _, body = rest.partition("\n")
    kept = [line for line in body.splitlines(keepends=True) if not line.startswith("- Known answers: ")]
    line = f"- Known answers: {what} (`tests/golden/model.csv`, {digest()}).\n"
    CHANGELOG.write_text(f"{head}{mark}{heading}\n{line}{''.join(kept)}")
    print(line, end="")


def main() -> int:
    """Compare, or keep; the number of differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument(
        "--refresh", metavar="WHAT", help="keep the numbers of now and declare them: what changed, and why"
    )
    words = parser.parse_args()
    if words.refresh:
        made = read() if words.cases else {}
        for case in words.cases or CASES:
            made |= of_case(case)
            print(case, flush=True)
        write(made)
        declare(words.refresh)
        return 0
    known, said = read(), []
    for case in words.cases or CASES:
        found = list(differences(of_case(case), known, TOLERANCE[precision(case)]))
        print(f"{case}: {len(found) or 'no'} differences", flush=True)
        said += found
    print("\n".join(said) or "all as known")
    return len(said)


if __name__ == "__main__":
    from jtem.devices import compiler_flags

    os.environ["XLA_FLAGS"] = compiler_flags(os.environ.get("XLA_FLAGS", ""))
    jax.config.update("jax_enable_x64", True)
    sys.exit(1 if main() else 0)
