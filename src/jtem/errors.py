"""The one exception that means "the user must change something", and the exit codes of the command."""

from __future__ import annotations

import difflib
import errno
import re
import warnings
from collections.abc import Hashable, Iterable, Mapping

DONE, FAILED_CELLS, USER_ERROR, STOPPED, TERMINATED = 0, 1, 2, 130, 143
"""Exit codes: done; finished but some cells failed (named); the user must change something (one sentence); Ctrl-C; a job
scheduler's SIGTERM.
"""
DIFFERENT = 1
"""Exit code of ``jtem rerun`` where the files are not the same."""
CURABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
"""Errors of writing files that are not the program's."""
MANY = 60
"""Most known words that a message lists."""


class InputError(ValueError):
    """Bad input: one clear sentence that names the file or variable and the remedy."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return what to tell a user who wrote ``name`` where one of ``known`` was meant.

    Gives ``"did you mean 'x'?"`` where something is similar, else what is known. Words that differ in their numbers alone are
    other things (ssp245, ssp585), not slips, but for a single digit (co3, co2) or swapped ones (2042, 2024).
    """
    choices = [str(choice) for choice in known if str(choice)]
    similar = difflib.get_close_matches(str(name), choices, n=1, cutoff=0.5)
    if similar and not _other_number(str(name), similar[0]):
        return f"did you mean {similar[0]!r}?"
    if len(choices) > MANY:
        return f"known: {', '.join(choices[:MANY])}, ... ({len(choices)} in all)"
    return "known: " + ", ".join(choices)


def _other_number(word: str, similar: str) -> bool:
    """Whether two words differ in their numbers of two and more digits alone."""
    mine, other = (re.findall(r"\d\d+", text) for text in (word, similar))
    letters = [re.sub(r"\d\d+", "", text).lower() for text in (word, similar)]
    swapped = sorted("".join(mine)) == sorted("".join(other))
    return bool(mine) and not swapped and letters[0] == letters[1]


def not_written(error: OSError | RuntimeError) -> str:
    """Words for an error of writing files that the user can cure (a full disk, a quota, memory); empty for any other."""
    if isinstance(error, ChildProcessError):
        return str(error)
    if isinstance(error, OSError) and error.errno in CURABLE:
        return f"a file that cannot be written ({error.strerror}{f': {error.filename}' if error.filename else ''})"
    if "NetCDF: " in str(error):  # what the netCDF library makes of a full disk
        return f"a file that cannot be written or read ({error}; is the disk full?)"
    return ""


class Terminated(BaseException):
    """The process was told to end (SIGTERM); raised where it works, so that it leaves nothing half-written."""


class InputNote(UserWarning):
    """Something about the input that a user should know, though the run can go on.

    ``parts``: number of cases by part of the input (a year, a month of a file); their sum stands for ``{count}`` in ``text``.
    ``about``: what it is about, ``text`` where its numbers are the parts': a note about the same is the same note.
    """

    def __init__(self, text: str, parts: Mapping[Hashable, int] | None = None, about: str = ""):
        self.text, self.parts, self.about = text, dict(parts or {}), about or text
        super().__init__(text.replace("{count}", str(sum(self.parts.values()))))

    def with_more(self, other: InputNote) -> InputNote:
        """Return this note with the parts of another one about the same; a part that both have counts once."""
        return InputNote(self.text, self.parts | other.parts, self.about)


def note(text: str, parts: Mapping[Hashable, int] | None = None, about: str = "") -> None:
    """Tell the user: a warning (:class:`InputNote`), so that a caller may collect, show or refuse it."""
    warnings.warn(InputNote(text, parts, about), stacklevel=2)
