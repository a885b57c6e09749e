"""Every notebook runs from a clean checkout: ``pytest -m notebooks -n 0``. Not in the regular suite (a few minutes)."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


def test_there_are_eight_notebooks_and_all_compile():
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{k:02d}" for k in range(1, 9)]
    for path in NOTEBOOKS:
        compile(path.read_text(encoding="utf-8"), path.name, "exec")


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
