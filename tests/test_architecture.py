"""The walls of the house (docs/architecture.md): who may import whom, and where xarray, netCDF, optax and blackjax may live."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "jtem"

GROUND = {"constants", "errors", "files", "records"}
BASE = GROUND | {"state", "parameters"}
ALLOWED = {
    "constants": set(),
    "numerics": {"numerics"},
    "errors": set(),
    "records": set(),
    "files": {"errors"},
    "devices": set(),
    "state": {"constants"},
    "parameters": {"constants", "errors"},
    "variables": {"constants", "errors", "parameters", "files"},
    "physics": {"constants", "state", "parameters", "numerics"},
    "step": {"constants", "errors", "state", "parameters", "numerics", "physics", "step"},
    "run": GROUND | {"state", "numerics", "physics", "step", "run"},
    "study": BASE | {"numerics", "physics", "step", "run", "study"},
    "readers": BASE | {"variables", "readers"},
    "writers": GROUND | {"state", "variables", "writers"},
    "calibration_plan": BASE | {"plan", "study", "physics"},
    "calibrate": BASE | {"assemble", "calibration_plan", "plan", "study", "readers", "report"},
    "report": GROUND | {"variables", "report"},
}
LABELLED = {"xarray", "netCDF4", "pandas", "cftime"}


def modules():
    return sorted(path for path in SOURCE.rglob("*.py"))


def room_of(path: Path) -> str:
    first = path.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


def imports(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module == "jtem":
                yield from (f"jtem.{alias.name}" for alias in node.names)
            else:
                yield node.module


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_walls(path):
    room = room_of(path)
    if room in ("__init__", "__main__", "assemble", "commands", "plan"):
        return
    for name in imports(path):
        if name.startswith("jtem."):
            target = name.split(".")[1]
            if room == "physics" and target == "physics":
                own = path.relative_to(SOURCE).parts[1]  # a process may be a folder, which imports its own files
                assert path.name != own and name.split(".")[2] == own, f"{path} imports another process: {name}"
                continue
            assert target == "__version__" or target in ALLOWED[room], f"{room} may not import {name}"
        if name.split(".")[0] in LABELLED:
            assert room in ("readers", "writers", "report"), f"{room} may not import {name}"
        if name.split(".")[0] in ("optax", "blackjax"):
            assert room == "study"


def calls(path: Path, *words: str) -> list[int]:
    """Lines that use one of ``words``, such as "jax.jit", by attribute."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and ast.unparse(node).endswith(words):
            found.append(node.lineno)
    return found


def test_time_is_looped_over_in_one_file():
    """Scans over months and years are in ``run/years.py``; the others are over layers and sub-steps."""
    below = {"physics", "step", "numerics"}
    found = {path for path in modules() if room_of(path) not in below and calls(path, "lax.scan")}
    assert found == {SOURCE / "run" / "years.py"}
    tree = ast.parse((SOURCE / "run" / "years.py").read_text())
    over_months = [
        node.name for node in tree.body if isinstance(node, ast.FunctionDef) and "year_forcing(" in ast.unparse(node)
    ]
    assert over_months == ["year_forcing", "months"]


def test_programs_are_compiled_in_run_and_study():
    for path in modules():
        if room_of(path) not in {"run", "study"}:
            lines = calls(path, "jax.jit", "jax.shard_map", "jax.pmap")
            assert not lines or room_of(path) == "numerics", f"{path} compiles in line {lines[0]}"


def test_the_wall_test_can_fail():
    assert "run" not in ALLOWED["physics"]
    tree = ast.parse("from jtem import run\n")
    node = tree.body[0]
    assert isinstance(node, ast.ImportFrom) and node.module == "jtem"
    assert calls(SOURCE / "run" / "years.py", "lax.scan") and calls(SOURCE / "run" / "batch.py", "jax.jit")
