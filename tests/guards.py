"""Every bound, guard and clip of the physics: where, of what kind, and how often it acts in the experiments.

    python tests/guards.py            compare guards.csv with the code; exit 1 where they differ
    python tests/guards.py --measure  run the plans of :data:`PLANS` and write how often each bound acts

``guards.csv`` has a line for every call of ``numerics/safe.py`` (and of numpy's bounds) in ``physics/``, ``step/`` and
``numerics/``. What each kind means is in docs/limits.md; ``tests/test_limits.py`` keeps both complete.
"""

from __future__ import annotations

import argparse
import ast
import csv
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "jtem"
FILE = ROOT / "tests" / "guards.csv"
ROOMS = ("physics", "step", "numerics")
BOUNDS = {"maximum", "minimum", "clip", "smooth_unit", "divide"}
LIBRARIES = {"safe", "np", "jnp"}
KINDS = ("equation", "stock", "denominator", "rounding", "geometry", "edge", "counted", "limit", "search")

PLANS = {
    "liu2024": ("liu2024/embedded.toml", "", 'name = "ssp585"\nclimate = "ssp585"\nfirst = 2016\nlast = 2100\n'),
    "liu2022": ("liu2022/embedded.toml", "", 'name = "rcp85"\nclimate = "rcp85"\nfirst = 2021\nlast = 2099\n'),
    "beyond": (
        "beyond/embedded.toml",
        'snow = "settling"\nsurface = "light"\nsoil_columns = "place"\nsoil_water = "two_layers"\nnitrogen = "open"\n'
        "deep_nitrogen_losses = true\n",
        'name = "ssp585"\nclimate = "ssp585"\nfirst = 2016\nlast = 2100\n',
    ),
}
"""Plans that are measured, with options and the scenario that takes the place of the factorial. Every :data:`STRIDE`-th cell."""
STRIDE = 3


@dataclass(frozen=True)
class Guard:
    """A bound in the code: ``where`` (file and function), its text, and line and column where it stands."""

    where: str
    bound: str
    place: tuple[int, int]

    @property
    def key(self) -> tuple[str, str]:
        """What names it in the table."""
        return self.where, self.bound


def _is_bound(node: ast.AST) -> bool:
    function = node.func if isinstance(node, ast.Call) else None
    return (
        isinstance(function, ast.Attribute)
        and function.attr in BOUNDS
        and isinstance(function.value, ast.Name)
        and function.value.id in LIBRARIES
    )


def _within(node: ast.AST, file: str, function: str) -> Iterator[Guard]:
    for child in ast.iter_child_nodes(node):
        named = isinstance(child, ast.FunctionDef | ast.ClassDef)
        name = ".".join(filter(None, (function, child.name))) if named else function
        if _is_bound(child):
            assert isinstance(child, ast.Call)
            yield Guard(f"{file}:{name}", ast.unparse(child), (child.lineno, child.col_offset))
        yield from _within(child, file, name)


def in_code() -> list[Guard]:
    """All bounds of the rooms of physics."""
    files = [path for room in ROOMS for path in sorted((SOURCE / room).rglob("*.py")) if path.name != "safe.py"]
    return [
        guard
        for path in files
        for guard in _within(ast.parse(path.read_text()), path.relative_to(SOURCE).as_posix(), "")
    ]


def in_table() -> list[dict[str, str]]:
    """Lines of ``guards.csv``."""
    with FILE.open(newline="") as lines:
        return list(csv.DictReader(lines))


def differences() -> list[str]:
    """What the table lacks, and what of it is no longer in the code."""
    code, table = [guard.key for guard in in_code()], [(line["where"], line["bound"]) for line in in_table()]
    return [f"not in guards.csv: {where}: {bound}" for where, bound in sorted(set(code) - set(table))] + [
        f"not in the code: {where}: {bound}" for where, bound in sorted(set(table) - set(code))
    ]


# --- how often they act --------------------------------------------------------------------------------------------------------

Acted = dict[tuple[str, int, int], list[float]]
"""By file, line and column: evaluations, of them with the first value (or below a clip), and with the second (or above)."""


def _recorded(acted: Acted) -> dict[str, Callable[..., Any]]:
    """The functions of ``safe`` that also count, by name."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    from jax.core import Tracer

    from jtem.numerics import safe

    def caller() -> tuple[str, int, int] | None:
        frame = sys._getframe(2)
        file = frame.f_code.co_filename
        if not file.startswith(str(SOURCE)) or file.endswith("safe.py"):
            return None
        line, _, column, _ = list(frame.f_code.co_positions())[frame.f_lasti // 2]
        return Path(file).relative_to(SOURCE).as_posix(), line or 0, column or 0

    def counting(place: tuple[str, int, int], value: Any, first: Any, second: Any) -> Any:
        """``value``, and a zero from the host that counts when it is computed."""
        first, second = jnp.broadcast_arrays(jnp.asarray(first), jnp.asarray(second))
        axes = first.ndim

        def count(first: np.ndarray, second: np.ndarray) -> np.ndarray:
            first, second = np.asarray(first), np.asarray(second)
            counts = acted[place]
            counts[0] += first.size
            counts[1] += float(first.sum())
            counts[2] += float(second.sum())
            return np.zeros(first.shape[: first.ndim - axes], np.float32)

        @jax.custom_jvp
        def zero(first: Any, second: Any) -> Any:
            shape = jax.ShapeDtypeStruct((), np.float32)
            return jax.pure_callback(count, shape, first, second, vmap_method="broadcast_all")

        zero.defjvp(lambda primals, tangents: (zero(*primals), jnp.zeros((), np.float32)))
        return value + zero(first, second).astype(value.dtype)

    def wrapped(name: str) -> Callable[..., Any]:
        plain = getattr(safe, name)
        tests: dict[str, Callable[..., Any]] = {
            "maximum": lambda x, y: (x > y, x < y),
            "minimum": lambda x, y: (x < y, x > y),
            "clip": lambda x, low, high: (x < low, x > high),
            "smooth_unit": lambda x: (x < 0.0, x > 1.0),
            "divide": lambda x, y, otherwise=0.0, floor=1e-12: (jnp.abs(y) <= floor, False),
        }

        def function(*arguments: Any, **named: Any) -> Any:
            value, place = plain(*arguments, **named), caller()
            if place is None or not isinstance(value, Tracer):
                return value
            given = [jnp.asarray(x) for x in arguments]
            return counting(place, value, *tests[name](*given, **named))

        return function

    return {name: wrapped(name) for name in sorted(BOUNDS)}


def plan_text(name: str) -> str:
    """A plan of :data:`PLANS` with few cells, a short spin-up and one scenario in place of the factorial."""
    file, model, scenario = PLANS[name]
    text = (ROOT / "experiments" / file).read_text()
    before, factorial = text.split("[factorial]\n")
    text = before + "[[scenario]]\n" + scenario + factorial[factorial.index("[output]") :]
    text = text.replace("[model]\n", "[model]\n" + model).replace("[domain]\n", f"[domain]\nstride = {STRIDE}\n")
    return text.replace("years = 1000\n", "years = 60\n").replace("cycle_years = 200", "cycle_years = 20")


def measure() -> Acted:
    """Run all plans; how often each bound acted."""
    from jtem.commands.main import main
    from jtem.numerics import safe

    acted: Acted = defaultdict(lambda: [0.0, 0.0, 0.0])
    for name, function in _recorded(acted).items():
        setattr(safe, name, function)
    for name in PLANS:
        with tempfile.TemporaryDirectory() as folder:
            plan = Path(folder) / "plan.toml"
            plan.write_text(plan_text(name))
            print(name, main(["run", str(plan), "--out", f"{folder}/out"]), flush=True)
    return acted


def report(acted: Acted) -> Iterator[str]:
    """A line for every bound that was evaluated and acted, and for those never evaluated."""
    kinds = {(line["where"], line["bound"]): line["kind"] for line in in_table()}
    for guard in in_code():
        file = guard.where.split(":")[0]
        evaluations, *acts = acted.get((file, *guard.place), (0.0, 0.0, 0.0))
        first, second = (count / max(evaluations, 1.0) for count in acts)
        yield f"{kinds.get(guard.key, '?'):12s} {evaluations:9.3g} {first:9.3g} {second:9.3g}  {guard.where}  {guard.bound}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--measure", action="store_true")
    if parser.parse_args().measure:
        print("\n".join(report(measure())))
    else:
        found = differences()
        print("\n".join(found) or "guards.csv and the code agree")
        sys.exit(bool(found))
