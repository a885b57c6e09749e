"""Files: where the packaged data lie, how a file is written whole or not at all, tables as CSV, the output folder."""

from __future__ import annotations

import contextlib
import csv
import functools
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from jtem.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

Anywhere = Any
"""A ``pathlib.Path``, or the path of an object store that has its methods (``upath.UPath``: :func:`place`)."""
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


def data_folder(given: Path | str | None) -> Path | None:
    """The folder of input files: as given, else the variable ``JTEM_DATA``, else none."""
    named = given or os.environ.get(DATA_VARIABLE)
    return Path(named) if named else None


class Inputs:
    """Where the input files that a plan names are looked for, and which were found.

    ``folder``: of input files: as given, else the variable ``JTEM_DATA``, else none. ``found``: each file once, in order, for the
    provenance of what is made of them. Raises ``InputError`` where the folder is none.
    """

    def __init__(self, data: Path | str | None = None):
        self.folder, self.found = data_folder(data), dict[Path, None]()
        if self.folder is not None and not self.folder.is_dir():
            raise InputError(f"{self.folder}: data folder not found; correct --data or the variable {DATA_VARIABLE}")

    def note(self, path: Path) -> Path:
        """Remember an input file; returns it."""
        if path.is_file():
            self.found[path] = None
        return path

    def find(self, name: str, where: str, *, folder: bool = False) -> Path:
        """Path of an input file (or ``folder``) relative to the data folder; raises ``InputError`` where it is absent."""
        _refuse_memory(name, where)
        path = Path(name)
        if not path.is_absolute():
            if self.folder is None:
                raise InputError(
                    f"{where}: {name} is relative to a data folder; give it with --data DIR or the variable {DATA_VARIABLE}"
                )
            path = self.folder / name
        if not (path.is_dir() if folder else path.is_file()):
            what = "folder" if folder else "file"
            raise InputError(
                f"{where}: {what} {path} not found; check the name and the data folder (--data or {DATA_VARIABLE})"
            )
        return self.note(path)

    def here_or(self, name: str, where: str) -> Path:
        """Path of an input file as written from the current folder where there is one, else of the data folder (:meth:`find`)."""
        if Path(name).is_file():
            return self.note(Path(name))
        _refuse_memory(name, where)
        if not Path(name).is_absolute() and self.folder is None:
            raise InputError(
                f"{where}: {name} is not in the current folder; correct its name, or give the folder of the data with --data "
                f"DIR or the variable {DATA_VARIABLE}"
            )
        return self.find(name, where)


def in_memory(given: object) -> str:
    """What a plan calls an input that is no file; :class:`Inputs` refuses it."""
    return f"(the {type(given).__name__})"


def _refuse_memory(name: str, where: str) -> None:
    if name.startswith("(the "):
        raise InputError(
            f"{where}: {name[1:-1]} was in the memory of the Python that wrote this plan; save it as a file (to_csv, to_netcdf) "
            "and name that"
        )


def partial_path(path: Path, process: int | None = None) -> Path:
    """The hidden name beside ``path`` under which this process, or another, writes it until it is whole."""
    return path.with_name(f".{path.name}.partial-{os.getpid() if process is None else process}")


@contextlib.contextmanager
def whole(path: Path | str) -> Iterator[Path]:
    """Write a file whole or not at all: write to the path that this gives; it is renamed to ``path`` at the end.

    An error inside leaves ``path`` as it was and removes what was written.
    """
    path = Path(path)
    partial = partial_path(path)
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> Path:
    """Write a text file (UTF-8), whole or not at all."""
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return Path(path)


def write_table(path: Path | str, rows: Iterable[Sequence[str]]) -> Path:
    """Write rows of text as CSV, whole or not at all."""
    with whole(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return Path(path)


def read_table(*parts: str) -> list[dict[str, str]]:
    """Rows of a packaged CSV table by column; lines that begin with ``#`` are remarks. Raises ``InputError``."""
    with data_path(*parts).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def place(name: str) -> Anywhere:
    """A folder by its name, or a place such as ``s3://bucket/run`` by its address; raises ``InputError``."""
    if "://" not in name:
        return Path(name).absolute()
    try:
        from upath import UPath

        made = UPath(name)
        made.exists()
    except (ImportError, ValueError, OSError) as error:
        raise InputError(
            f"{name}: cannot be reached ({str(error).splitlines()[0]}); correct the address, or install what it needs: pip "
            "install 'jtem[distributed]' s3fs (gcsfs, adlfs)"
        ) from None
    return made


@functools.cache
def fetched(path: Anywhere) -> Path:
    """A file, or the copy of an object that this machine keeps in its folder of temporary files; raises ``InputError``."""
    if isinstance(path, Path):
        return path
    try:
        version = hashlib.sha256(f"{path} {path.fs.ukey(path.path)}".encode()).hexdigest()[:20]
        copy = Path(tempfile.gettempdir()) / f"jtem-{os.getuid()}" / f"{version}-{path.name}"
        copy.parent.mkdir(mode=0o700, exist_ok=True)
        if not copy.is_file():
            with whole(copy) as partial:
                path.fs.get(path.path, str(partial))
    except OSError as error:
        raise InputError(f"{path}: cannot be fetched ({error}); correct the address") from None
    return copy


def write_once(path: Anywhere, content: bytes) -> None:
    """Write a file whole, unless it is there: of processes that write the same file the first one wins."""
    if path.is_file():
        return
    with contextlib.suppress(FileExistsError):
        if not isinstance(path, Path):
            path.fs.pipe_file(path.path, content, mode="create")
            return
        partial = partial_path(path)
        try:
            partial.write_bytes(content)
            _link(partial, path)
        finally:
            partial.unlink(missing_ok=True)


def _link(made: Path, path: Path) -> None:
    """Give a file its name; raises ``FileExistsError`` where that is taken."""
    try:
        os.link(made, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        os.replace(made, path)


def remove_tree(path: Anywhere) -> None:
    """Remove a folder and all in it, if it is there."""
    if isinstance(path, Path):
        shutil.rmtree(path, ignore_errors=True)
    elif path.exists():
        path.fs.rm(path.path, recursive=True)


def prepare_folder(folder: Path | str, files: Sequence[str] = (), force: bool = True) -> bool:
    """Make the output folder and try to write in it, before any computation. Returns whether it was made.

    Raises ``InputError`` where it cannot be written or, unless ``force``, where one of ``files`` exists already.
    """
    folder = Path(folder)
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, trial = tempfile.mkstemp(prefix=".jtem-", dir=folder)
        os.close(handle)
        os.unlink(trial)
    except FileExistsError:
        raise InputError(f"{folder}: is a file, not a folder; choose another with --out DIR") from None
    except OSError as error:
        raise InputError(
            f"{folder}: output folder cannot be written ({error.strerror or error}); choose another with --out DIR"
        ) from None
    for name in files:
        if (folder / name).exists() and not force:
            raise InputError(
                f"{folder / name}: exists already; choose another folder with --out or overwrite with --force"
            )
    return made


LOCK = ".jtem-lock"


@contextlib.contextmanager
def _alone(folder: Path, part: tuple[int, int]) -> Iterator[None]:
    """Hold a folder for this process, or for its part; what is held is free when the process ends, however it ends.

    Raises ``InputError`` where another holds it. Where the file system knows no locks, nothing is held.
    """
    index, count = part
    busy = InputError(f"{folder}: another jtem is at work in it; wait for it, or choose another folder with --out")
    with contextlib.ExitStack() as held:
        names = {LOCK: count > 1}
        if count > 1:
            names[f"{LOCK}.{index + 1}-of-{count}"] = False
        for name, shared in names.items():
            if not _lock(held, folder / name, shared):
                raise busy
        yield


def _lock(held: contextlib.ExitStack, path: Path, shared: bool) -> bool:
    """Whether a file (made if need be) could be locked until ``held`` is left; then it goes, if nobody else has it."""
    if fcntl is None:
        return True
    while True:
        file = held.enter_context(path.open("a"))
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(file.fileno()).st_ino:  # else its last holder has just removed it
                held.callback(_unlock, file, path)
                return True


def _unlock(file: IO[str], path: Path) -> None:
    """Remove a locked file that no other process holds."""
    assert fcntl is not None
    with contextlib.suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()


@contextlib.contextmanager
def output_folder(folder: Path, part: tuple[int, int] = (0, 1)) -> Iterator[None]:
    """The output folder, tried before anything else; a folder made for work that ends in an error goes again.

    Nobody else writes into it meanwhile; those that do other parts (i, n) of the same work do.
    """
    made = prepare_folder(folder)
    try:
        with _alone(folder, part):
            yield
    except BaseException:
        if made:
            with contextlib.suppress(OSError):  # not empty
                folder.rmdir()
        raise
