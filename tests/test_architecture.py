"""The walls of the house (docs/architecture.md): who may import whom, and where xarray, netCDF, optax and blackjax may live."""

import ast
import functools
import importlib
import io
import re
import tokenize
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "jtem"

GROUND = {"constants", "errors", "files", "records"}
BASE = GROUND | {"state", "parameters", "covariates"}
CORE = BASE | {"numerics", "physics", "step", "run", "study"}
ALLOWED = {
    "constants": set(),
    "errors": set(),
    "files": {"errors"},
    "coast": {"files"},
    "records": {"errors"},
    "numerics": {"numerics"},
    "compile_cache": set(),
    "devices": {"compile_cache"},
    "state": {"constants"},
    "covariates": set(),
    "parameters": {"constants", "errors", "covariates"},
    "variables": {"constants", "errors", "files"},
    "physics": {"constants", "state", "parameters", "numerics"},
    "step": {"constants", "errors", "state", "parameters", "numerics", "physics", "step"},
    "run": GROUND | {"state", "numerics", "physics", "step", "run"},
    "study": CORE,
    "readers": BASE | {"coast", "variables", "readers"},
    "writers": GROUND | {"state", "variables", "writers"},
    "report": GROUND | {"coast", "variables", "report"},
    "plan": {
        "errors", "variables", "readers.catalogue", "physics.permafrost", "physics.nitrogen", "physics.snow",
        "physics.soil_heat", "run", "run.factorial", "study.calibration.problem", "covariates", "plan",
    },
    "cluster": GROUND | {"run", "devices", "writers", "cluster"},
    "assemble": CORE | {"variables", "devices", "plan", "readers", "writers.states", "assemble"},
    "front": CORE | {"variables", "devices", "plan", "readers", "writers", "report", "cluster", "assemble", "front"},
    "commands": CORE - {"numerics", "state", "covariates"} | {
        "variables", "devices", "compile_cache", "plan", "readers", "writers", "report", "cluster", "assemble", "front",
        "commands",
    },
    "__main__": {"commands"},
}  # fmt: skip
"""Rooms that a room may import; where only one module of a room is named, no other. ``docs/architecture.md`` says the same."""
LABELLED = {"xarray", "netCDF4", "pandas", "cftime", "zarr"}


def modules():
    return sorted(path for path in SOURCE.rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(path: Path) -> str:
    first = path.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


@functools.cache
def imports(path: Path) -> list[tuple[str, str]]:
    """Modules that a file imports anywhere, those only for types included, and the name under which the file has them."""
    return list(_imports(path, known_modules()))


@functools.cache
def known_modules() -> set[str]:
    return {module_of(path) for path in modules()}


def _imports(path: Path, known: set[str]):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, alias.asname or alias.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in known else node.module, alias.asname or alias.name


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_walls(path):
    room = room_of(path)
    if room == "__init__":
        return
    for name, _ in imports(path):
        if name.startswith("jtem."):
            target = name.removeprefix("jtem.")
            if room == "physics" and target.startswith("physics"):
                own = path.relative_to(SOURCE).parts[1]  # a process may be a folder, which imports its own files
                assert path.name != own and name.split(".")[2] == own, f"{path} imports another process: {name}"
                continue
            assert {target, target.split(".")[0]} & ALLOWED[room], f"{room} may not import {name}"
        if name.split(".")[0] in LABELLED:
            typed = room in ("assemble", "commands") and name == "xarray"  # datasets are handed on
            assert typed or room in ("readers", "writers", "report", "front"), f"{room} may not import {name}"
        if name.split(".")[0] in ("optax", "blackjax", "SALib"):
            assert room == "study", f"{room} may not import {name}"


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Modules that import each other in a loop; whoever imports nothing is taken away until nobody is left, or a loop."""
    left = {name: set(targets) - {name} for name, targets in graph.items()}
    while True:
        ends = {name for name, targets in left.items() if not targets & left.keys()}
        if not ends:
            break
        left = {name: targets for name, targets in left.items() if name not in ends}
    return [[name, *sorted(targets & left.keys())] for name, targets in left.items()]


def test_no_module_imports_itself_by_way_of_others():
    graph = {module_of(path): {name for name, _ in imports(path)} for path in modules()}
    graph["jtem"] = set()  # the package hands public names on, when asked
    assert len(graph) > 150 and "jtem.errors" in graph["jtem.front.model"]
    assert circles(graph) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == [["a", "b"], ["b", "c"], ["c", "b"]]


OPEN = {"_replace", "_fields", "_asdict"}
"""Names of named tuples that are public in spite of their first letter."""


def private_names(path: Path):
    """Names with a leading underscore that a file takes from another of the package."""
    tree = ast.parse(path.read_text())
    taken = {alias for name, alias in imports(path) if name.startswith("jtem")}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jtem"):
            yield from (a.name for a in node.names if a.name[0] == "_" and a.name[:2] != "__")
        if isinstance(node, ast.Attribute) and node.attr[0] == "_" and node.attr[:2] != "__" and node.attr not in OPEN:
            base = node.value
            if isinstance(base, ast.Name) and base.id in taken:
                yield ast.unparse(node)


def test_no_private_name_crosses_a_file():
    assert {(str(path), name) for path in modules() for name in private_names(path)} == set()


def test_only_commands_print():
    for path in modules():
        tree = ast.parse(path.read_text())
        found = [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == "print"]
        assert not found or room_of(path) == "commands", f"{path} prints in line {found[0]}"


def test_the_page_says_the_same_walls():
    page = (SOURCE.parents[1] / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", page, re.MULTILINE)
    said = {room: set(re.findall(r"`([\w.]+)`", text)) for room, text in rows}
    grouped = {"the ground": GROUND, "the base": BASE, "the core": CORE}
    for room, text in rows:
        for word, names in grouped.items():
            said[room] |= names if word in text else set()
    want = {room: names - {room} for room, names in ALLOWED.items() if room != "__main__"}
    assert {room: names - {room} for room, names in said.items()} == want


def torn(text: str):
    """Lines of a source text whose string goes on in the next line although both would fit into one."""
    before = None
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.STRING:
            follows = before is not None and before.end[0] + 1 == token.start[0]
            if follows and before.start[1] + len(before.string) + len(token.string) - 3 <= 118:
                yield token.start[0]
            before = token
        elif token.type not in (tokenize.NL, tokenize.COMMENT):
            before = None


def test_no_sentence_is_torn():
    """What a line wrapper leaves: pieces of a sentence on lines of their own, words parted by a hyphen, spaces doubled."""
    assert list(torn('raise E(\n    f"{where}: files of one "\n    "region"\n)\n')) == [3]
    for path in modules():
        assert not list(torn(path.read_text())), f"{path}: a sentence is torn in line {next(torn(path.read_text()))}"
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node, clean=False) or ""
                assert not re.search(
                    r"[a-z]-\n|[a-z]{2}- (?!and |or |to )[a-z]{2}|\b(the the|of of|is is|to to)\b", text
                ), path


# --- sizes and types: what may not grow ---------------------------------------------------------------------------------------

LINES, FUNCTION_LINES = 560, 80


def functions(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_file_and_no_function_is_too_long():
    long = {path.name: count for path in modules() if (count := len(path.read_text().splitlines())) > LINES}
    assert long == {}
    lengths = {
        f"{path.name}: {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in modules()
        for node in functions(path)
    }
    assert len(lengths) > 1000
    assert {name: count for name, count in lengths.items() if count > FUNCTION_LINES} == {}


def test_no_class_name_stands_twice():
    found = [
        node.name
        for path in modules()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    assert {name for name in found if found.count(name) > 1} == set()


UNTYPED: dict[str, int] = {}
"""Parameters without an annotation, by room that may have some: none may."""
ANY = 60
"""Most lines of the package that say ``Any``."""


def untyped(path: Path) -> int:
    """Parameters of a file's functions that have no annotation."""
    count = 0
    for node in functions(path):
        a = node.args
        every = [*a.posonlyargs, *a.args, *a.kwonlyargs, *(one for one in (a.vararg, a.kwarg) if one)]
        count += sum(one.annotation is None and one.arg not in ("self", "cls") for one in every)
    return count


def test_untyped_parameters_and_any_become_fewer():
    found: dict[str, int] = {}
    for path in modules():
        found[room_of(path)] = found.get(room_of(path), 0) + untyped(path)
    assert {room: count for room, count in found.items() if count > UNTYPED.get(room, 0)} == {}
    lines = [line for path in modules() for line in path.read_text().splitlines() if re.search(r"\bAny\b", line)]
    assert len(lines) <= ANY


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
    "permafrost.begin_empty", "permafrost.empty_store", "permafrost.no_exposure", "soil_heat.choose_phases",
    "soil_heat.column_temperature", "soil_heat.tridiagonal",
    "soil_heat.contents_per_step", "soil_heat.freezing_curve", "soil_heat.implicit_step",
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
