"""Where the packaged data lie: in a checkout, an editable install and a plain install."""

from __future__ import annotations

from pathlib import Path

from jtem.errors import InputError

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
