"""``--log``: what a command says, with the time, in a file."""

from __future__ import annotations

import contextlib
import datetime
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TextIO

from jtem import __version__
from jtem.errors import InputError


class Tee(io.TextIOBase):
    """A stream that also adds what it is given to a log, line by line with the time."""

    def __init__(self, stream: io.TextIOBase | TextIO, log: IO[str]):
        super().__init__()
        self.stream, self.log, self.rest = stream, log, ""

    def write(self, text: str) -> int:
        """Write, and log every line that is whole; of a line that is rewritten, what stays."""
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            self.log.write(f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S} {line.rpartition(chr(13))[2]}\n")
        if lines:
            self.log.flush()
        return self.stream.write(text)

    def flush(self) -> None:
        """Flush the stream."""
        self.stream.flush()

    def isatty(self) -> bool:
        """Whether a person watches."""
        return self.stream.isatty()

    def fileno(self) -> int:
        """The stream's own."""
        return self.stream.fileno()


@contextlib.contextmanager
def kept(path: Path | None, words: Sequence[str]) -> Iterator[None]:
    """Everything that is said goes to a log, too; raises ``InputError`` where it cannot be written."""
    if path is None:
        yield
        return
    try:
        log = path.open("a", encoding="utf-8")
    except OSError as error:
        raise InputError(f"--log {path}: cannot be written ({error.strerror or error}); choose another file") from None
    with log:
        log.write(f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S} jtem {__version__}: jtem {' '.join(words)}\n")
        out, err = Tee(sys.stdout, log), Tee(sys.stderr, log)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            yield
