"""Where the packaged data lie: in a checkout, an editable install and a plain install."""

from __future__ import annotations

import os
from pathlib import Path

from jtem.errors import InputError

DATA_VARIABLE = "JTEM_DATA"
_PACKAGE = Path(__file__).resolve().parent
_ROOTS = (_PACKAGE / "_data", _PACKAGE.parents[1] / "data")


def data_path(*parts: str) -> Path:
    """Return the path of a packaged data file or folder, for instance ``data_path("embedded", "co2.csv")``.

    A wheel carries the data inside the package (``jtem/_data``); a checkout and an editable install have them in the
    top-level folder ``data``. Raises :class:`jtem.errors.InputError` where neither place has the file.
    """
    for root in _ROOTS:
        path = root.joinpath(*parts)
        if path.exists():
            return path
    wanted = "/".join(parts) or "the data folder"
    raise InputError(f"packaged data {wanted!r} not found under {_ROOTS[0]} or {_ROOTS[1]}; reinstall jtem")


def resolve(name: str, data: Path | str | None, where: str, *, folder: bool = False) -> Path:
    """Path of an input file (or ``folder``) relative to the data folder (``data`` or ``JTEM_DATA``).

    Raises ``InputError`` where it is absent.
    """
    path = Path(name)
    if not path.is_absolute():
        base = data or os.environ.get(DATA_VARIABLE)
        if not base:
            raise InputError(
                f"{where}: {name} is relative to a data folder; give it with --data DIR or the variable {DATA_VARIABLE}"
            )
        path = Path(base) / name
    if not (path.is_dir() if folder else path.is_file()):
        what = "folder" if folder else "file"
        raise InputError(
            f"{where}: {what} {path} not found; check the name and the data folder (--data or {DATA_VARIABLE})"
        )
    return path
