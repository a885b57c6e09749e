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
    "run": {"constants", "records", "step", "state", "numerics", "physics"},
    "spinup": {"constants", "run", "step", "state", "numerics", "physics"},
    "equilibrium": {"constants", "run", "step", "state", "numerics", "physics", "spinup"},
    "study": {
        "constants",
        "records",
        "run",
        "step",
        "state",
        "numerics",
        "physics",
        "spinup",
        "equilibrium",
        "parameters",
        "study",
        "errors",
    },
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


def test_the_wall_test_can_fail():
    assert "run" not in ALLOWED["physics"]
    tree = ast.parse("from jtem import run\n")
    node = tree.body[0]
    assert isinstance(node, ast.ImportFrom) and node.module == "jtem"
