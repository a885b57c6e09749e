"""Files of a release as they are downloaded: one table, a folder, a zip archive, or a folder of zip archives."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from jtem.errors import InputError
from jtem.readers import tables


@dataclass(frozen=True)
class ReleasedFile:
    """One table of a release: ``name`` without folders, ``where`` for messages, ``open`` gives its bytes."""

    name: str
    where: str
    open: Callable[[], contextlib.AbstractContextManager[BinaryIO]]

    def text(self) -> str:
        """The whole text. Raises ``InputError`` where it cannot be read."""
        with self._guarded() as file:
            return tables.decode(file.read(), self.where)

    def lines(self) -> Iterator[str]:
        """Its lines one by one, so that a long table never lies in memory. Raises ``InputError``."""
        with (
            self._guarded() as file,
            io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="") as text,
        ):
            yield from text

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[BinaryIO]:
        try:
            with self.open() as file:
                yield file
        except (OSError, zipfile.BadZipFile, EOFError) as error:
            raise InputError(f"{self.where}: cannot be read ({error}); download it again") from None


def members(path: Path | str) -> list[ReleasedFile]:
    """The tables (``.csv``) of a release by name: of a file, its folder's; of a folder, those below and in its archives.

    Raises ``InputError`` where the path does not exist or an archive cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: file not found; check the name and the data folder")
    if path.suffix.lower() == ".zip":
        return _inside(path)
    if path.is_file():
        return [_plain(each) for each in sorted(path.parent.glob("*.csv"))]
    found = []
    for each in sorted(path.rglob("*")):
        if each.suffix.lower() == ".csv":
            found.append(_plain(each))
        elif each.suffix.lower() == ".zip":
            found += _inside(each)
    return found


def _plain(path: Path) -> ReleasedFile:
    return ReleasedFile(path.name, str(path), lambda: path.open("rb"))


def _inside(archive: Path) -> list[ReleasedFile]:
    def reader(name: str) -> Callable[[], contextlib.AbstractContextManager[BinaryIO]]:
        @contextlib.contextmanager
        def opened() -> Iterator[BinaryIO]:
            with zipfile.ZipFile(archive) as whole, whole.open(name) as file:
                yield file  # type: ignore[misc]

        return opened

    try:
        with zipfile.ZipFile(archive) as whole:
            names = [name for name in whole.namelist() if name.lower().endswith(".csv")]
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{archive}: archive cannot be read ({error}); download it again") from None
    return [ReleasedFile(name.rsplit("/", 1)[-1], f"{archive}:{name}", reader(name)) for name in sorted(names)]
