"""Notebooks with their results: executed on their own, kept in ``build/notebooks``, and shown while their text is the same."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
KEPT = ROOT / "build" / "notebooks"
LONGEST = 1800
"""Seconds after which a cell is given up."""


def notebooks() -> list[Path]:
    """The notebooks in order."""
    return sorted(NOTEBOOKS.glob("*.py"))


def read(path: Path) -> Any:
    """A notebook (text or ipynb) as jupytext reads it."""
    import jupytext

    return jupytext.read(path)


def executed(path: Path, folder: Path = KEPT) -> Any:
    """The kept notebook with its results; None where there is none, or where it was made from another text."""
    kept = folder / f"{path.stem}.ipynb"
    if not kept.is_file():
        return None
    found = read(kept)
    same = [[(cell.cell_type, cell.source) for cell in book.cells] for book in (found, read(path))]
    return found if same[0] == same[1] else None


def execute(path: Path, folder: Path | None = None) -> Any:
    """Run a notebook from a clean kernel in an empty folder; keep it in ``folder`` if one is given (relative ones count from
    here). Raises ``nbclient.exceptions.CellExecutionError``.
    """
    import jupytext
    import nbclient

    book = read(path)
    environment = {name: value for name, value in os.environ.items() if name not in ("XLA_FLAGS", "JAX_PLATFORMS")}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT / "src"), environment.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as work:
        client = nbclient.NotebookClient(
            book, timeout=LONGEST, kernel_name="python3", resources={"metadata": {"path": work}}
        )
        client.execute(env=environment)
    if folder is not None:
        folder = Path(folder).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        jupytext.write(book, folder / f"{path.stem}.ipynb", fmt="ipynb")
    return book
