"""Every notebook runs from a clean checkout: ``pytest -m notebooks -n 0``. Not in the regular suite (some minutes)."""

import ast
import importlib.util
import os
from pathlib import Path

import pytest

import jtem

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


@pytest.fixture(scope="module")
def rendering():
    """``docs/rendering.py``, with which the documentation site executes the notebooks too."""
    pytest.importorskip("jupytext")
    specification = importlib.util.spec_from_file_location("rendering", ROOT / "docs" / "rendering.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_there_are_nine_notebooks_and_all_compile():
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{k:02d}" for k in range(1, 10)]
    for path in NOTEBOOKS:
        compile(path.read_text(encoding="utf-8"), path.name, "exec")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_use_the_public_interface_alone(path):
    """``import jtem`` and the equations in ``jtem.physics``; no name that begins with an underscore, no plan in a string."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert all(alias.name == "jtem" for alias in node.names if alias.name.startswith("jtem"))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jtem"):
            assert node.module == "jtem.physics"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "jtem":
            assert node.attr in jtem.__all__
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_")
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert "[domain]" not in node.value and "[plan]" not in node.value


def test_results_are_shown_while_the_text_is_the_same(rendering, tmp_path, monkeypatch):
    pytest.importorskip("nbclient")
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "small.py"
    source.write_text("# %% [markdown]\n# # Small\n\n# %%\nimport jtem\n\njtem.__version__\n")
    assert rendering.executed(source, Path("kept")) is None
    rendering.execute(source, Path("kept"))  # a relative folder that is not there yet
    found = rendering.executed(source, tmp_path / "kept")
    assert found.cells[1].outputs[0]["data"]["text/plain"] == repr(jtem.__version__)
    source.write_text(source.read_text().replace("__version__", "__name__"))
    assert rendering.executed(source, Path("kept")) is None


@pytest.mark.notebooks
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, rendering):
    """Executed in an empty folder by a kernel of its own; JTEM_NOTEBOOKS keeps the executed notebooks in that folder."""
    pytest.importorskip("nbclient")
    folder = os.environ.get("JTEM_NOTEBOOKS")
    rendering.execute(path, Path(folder) if folder else None)
