"""The walls of the house (docs/architecture.md): who may import whom, and where xarray, netCDF, optax and blackjax may live."""

import ast
import importlib
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "jtem"

GROUND = {"constants", "errors", "files", "records"}
BASE = GROUND | {"state", "parameters"}
ALLOWED = {
    "constants": set(),
    "numerics": {"numerics"},
    "errors": set(),
    "records": {"errors"},
    "files": {"errors"},
    "compile_cache": set(),
    "devices": {"compile_cache"},
    "state": {"constants"},
    "parameters": {"constants", "errors"},
    "variables": {"constants", "errors", "parameters", "files"},
    "physics": {"constants", "state", "parameters", "numerics"},
    "step": {"constants", "errors", "state", "parameters", "numerics", "physics", "step"},
    "run": GROUND | {"state", "numerics", "physics", "step", "run"},
    "study": BASE | {"numerics", "physics", "step", "run", "study"},
    "readers": BASE | {"variables", "readers"},
    "front": BASE
    | {
        "variables",
        "devices",
        "plan",
        "readers",
        "physics",
        "step",
        "run",
        "study",
        "writers",
        "report",
        "assemble",
        "front",
    },
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
    if room in ("__init__", "__main__", "plan", "assemble", "commands"):
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
            assert room in ("readers", "writers", "report", "front"), f"{room} may not import {name}"
        if name.split(".")[0] in ("optax", "blackjax"):
            assert room == "study"


MODEL = SOURCE.parents[1] / "docs" / "model.md"


def references(text: str):
    """``docs/model.md#w4`` and the "to #w6, #w8 and #w9" that may follow it."""
    for found in re.findall(r"docs/model\.md((?:(?:, | and | to )?#[a-z]\d+)+)", text):
        yield from re.findall(r"#([a-z]\d+)", found)


def test_every_equation_that_the_code_cites_exists():
    anchors = re.findall(r'<a id="([a-z]\d+)"></a>\*\*([A-Z]\d+)\*\*', MODEL.read_text())
    names = [name for name, _ in anchors]
    assert len(names) == len(set(names)) > 70 and all(name == number.lower() for name, number in anchors)
    cited = {(path.name, name) for path in modules() for name in references(path.read_text())}
    assert len(cited) > 40
    assert not {(file, name) for file, name in cited if name not in names}
    for path in (*modules(), *(SOURCE.parents[1] / "docs").glob("*.md")):
        assert not re.search(r"(?<![\w/])(tem|soil_thermal)\.md", path.read_text()), (
            f"{path} cites a file that is not there"
        )


def test_the_model_page_names_every_function_of_the_physics_and_no_other():
    named = set(re.findall(r"`([a-z_]+\.[A-Za-z_0-9]+)`", MODEL.read_text()))
    rooms = {
        path.stem if path.is_file() else path.name for path in (SOURCE / "physics").iterdir() if path.name[0] != "_"
    }
    for name in named:
        room, function = name.split(".")
        module = importlib.import_module(f"jtem.physics.{room}" if room in rooms else f"jtem.{room}")
        assert callable(getattr(module, function)), name
    here = {
        f"{path.relative_to(SOURCE / 'physics').parts[0].removesuffix('.py')}.{node.name}"
        for path in (SOURCE / "physics").rglob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name[0] != "_"
    }
    assert not here - named - NOT_EQUATIONS


NOT_EQUATIONS = {
    "permafrost.begin_empty", "permafrost.empty_store", "permafrost.no_exposure", "soil_heat.column_temperature",
    "soil_heat.contents_per_step", "soil_heat.enthalpy_at_nodes", "soil_heat.freezing_curve", "soil_heat.implicit_step",
    "soil_heat.per_layer", "soil_heat.state_from_temperature", "soil_heat.unsettled",
}  # fmt: skip
"""Functions that carry an equation named elsewhere, or none."""


def test_every_process_has_its_test_file():
    tests = Path(__file__).parent / "physics"
    for path in (SOURCE / "physics").iterdir():
        if path.name[0] != "_":
            assert (tests / f"test_{path.stem}.py").is_file(), f"tests/physics/test_{path.stem}.py is missing"


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
