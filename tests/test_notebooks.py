"""Every notebook runs from a clean checkout: ``pytest -m notebooks -n 0``. Not in the regular suite (a few minutes)."""

import ast
import os
from pathlib import Path

import pytest

import jtem

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


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


@pytest.mark.notebooks
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, tmp_path, monkeypatch):
    """Executed in an empty folder by a kernel of its own; JTEM_NOTEBOOKS keeps the executed notebooks in that folder."""
    jupytext = pytest.importorskip("jupytext")
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    notebook = jupytext.read(path)
    client = nbclient.NotebookClient(
        notebook, timeout=1800, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    if folder := os.environ.get("JTEM_NOTEBOOKS"):
        jupytext.write(notebook, Path(folder) / f"{path.stem}.ipynb", fmt="ipynb")
