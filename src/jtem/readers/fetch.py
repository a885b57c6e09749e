"""Public data by name: fetched from an address that does not change, whole or not at all, and only if its checksum is right."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jtem.errors import InputError, suggest
from jtem.files import read_table

PIECE = 1 << 16
PATIENCE = 30.0
"""Seconds without a byte after which an address is given up."""


@dataclass(frozen=True)
class Item:
    """A file that can be fetched: its name in the folder, length in bytes, SHA-256, address, and what it is."""

    name: str
    file: str
    bytes: int
    sha256: str
    address: str
    text: str


def known() -> dict[str, Item]:
    """All items by name, from ``data/fetch.csv``."""
    rows = read_table("fetch.csv")
    return {
        row["name"]: Item(row["name"], row["file"], int(row["bytes"]), row["sha256"], row["address"], row["text"])
        for row in rows
    }


def fetch(name: str, folder: Path, say: Callable[[str], None] = lambda text: None) -> Path:
    """The file of an item in ``folder``, fetched if it is not there; raises ``InputError``.

    What came before a connection broke is kept in a hidden file, and the next call asks for the rest alone.
    """
    items = known()
    if name not in items:
        raise InputError(f"fetch: unknown name '{name}'; {suggest(name, items)}")
    item = items[name]
    path = folder / item.file
    if path.is_file():
        if digest(path) != item.sha256:
            raise InputError(
                f"{path}: exists and is not the '{name}' of its checksum; move it away, or choose another folder"
            )
        return path
    partial = path.with_name(f".{item.file}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _receive(item, partial, say)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        have = partial.stat().st_size if partial.is_file() else 0
        how = f"{have} of {item.bytes} bytes are kept and the same call goes on" if have else "are you offline?"
        raise InputError(f"{item.address}: cannot be fetched ({reason}); {how}") from None
    if digest(partial) != item.sha256:
        partial.unlink()
        raise InputError(f"{item.address}: gave another file than '{name}' (SHA-256 differs); try again later")
    os.replace(partial, path)
    return path


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _receive(item: Item, partial: Path, say: Callable[[str], None]) -> None:
    """Bring ``partial`` to the item's length, from where it is; never further."""
    have = partial.stat().st_size if partial.is_file() else 0
    if have >= item.bytes:
        return
    request = urllib.request.Request(item.address, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        goes_on = answer.status == http.client.PARTIAL_CONTENT
        say(f"{item.bytes} bytes from {item.address}" + (f", from byte {have}" if goes_on else ""))
        with partial.open("ab" if goes_on else "wb") as file:
            left = item.bytes + 1 - (have if goes_on else 0)  # one more, so that a longer file is noticed
            while left > 0 and (piece := answer.read(min(PIECE, left))):
                file.write(piece)
                left -= len(piece)
    if partial.stat().st_size < item.bytes:
        raise http.client.HTTPException("the connection ended early")
