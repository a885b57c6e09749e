"""Texts broken by chance, guided by what they make readers say: plans, parameter files, tables of sites, of observations, of CO2.

    python tests/fuzz.py [SECONDS] [SEED]

Each reader takes a good text changed in one to four places, or two texts crossed. It reads it or raises ``InputError``; whatever
else it raises is a crash. A text that makes a reader say something new joins those that are changed further. Prints what
crashed and how much was tried; exit code 1 for a crash. ``test_fuzz.py`` runs a little of it.
"""

from __future__ import annotations

import random
import re
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from front import places
from jtem import parameters, plan, step
from jtem.errors import InputError
from jtem.files import data_path
from jtem.plan import calibration
from jtem.readers import co2, observations, site_table
from test_wrong_inputs import CAL, GOOD, HEAD, ROWS

PIECES = (
    "", "0", "-1", "nan", "inf", "1e999", "true", "[]", "{}", '"', "'", '"""', "=", ",", ";", "\t", "\n", "\r", "\x00", "\ufeff",
    "#", "[", "]", "[[", "]]", ".", "..", "/", "\\", "é", "\U0001f332", "1850-01-01", "9999999999999999999999", "0x10", "1_000",
    "year", "month", "degC", "-9999", "NA", "--", "historical", "ssp126", "layered", "Toolik", "first", "last", "%", "{a=1}",
)  # fmt: skip

OVERLAY = """
[overlay]
title = "mine"
[respiration.growth_fraction]
source = "me"
value = 0.25
[nitrogen.production_cn]
source = "me"
values = { boreal_forest = 50.0 }
"""


def seeds() -> dict[str, tuple[list[str], Callable[[str, Path], object]]]:
    """Good texts of each reader, and the reader of a text with a path for those that read files."""

    def of_file(read: Callable[[Path], object], suffix: str) -> Callable[[str, Path], object]:
        def reads(text: str, folder: Path) -> object:
            path = folder / f"text{suffix}"
            path.write_bytes(text.encode("utf-8", "surrogateescape"))
            return read(path)

        return reads

    templates = [path.read_text() for path in sorted(data_path("plans").glob("*.toml"))]
    runs = [GOOD, *(text for text in templates if "[calibration]" not in text)]
    table = places.months(2000, 2002).to_csv(index=False)
    defaults = data_path("parameters", "defaults.toml")
    return {
        "plan": (runs, lambda text, _: plan.parse(text)),
        "calibration": ([CAL, *(t for t in templates if "[calibration]" in t)], lambda text, _: calibration.parse(text)),
        "parameters": ([OVERLAY], of_file(lambda path: parameters.read_table(step.Parameters, [defaults, path]), ".toml")),
        "site": ([table], of_file(site_table.read, ".csv")),
        "observations": ([HEAD + ROWS], of_file(observations.read_table, ".csv")),
        "co2": (["year,co2\n" + "".join(f"{y},{300 + y % 100}.5\n" for y in range(2000, 2010))],
                of_file(lambda path: co2.read_table(path, 2000, 2009), ".csv")),
    }  # fmt: skip


def changed(text: str, others: list[str], rng: random.Random) -> str:
    """The text with one to four places changed."""
    for _ in range(rng.randint(1, 4)):
        lines = text.split("\n")
        at, row = rng.randrange(len(text) + 1), rng.randrange(len(lines))
        end = min(len(text), at + rng.choice([0, 1, 1, 2, 5, 20]))
        how = rng.randrange(8)
        if how <= 2:
            text = text[:at] + rng.choice(PIECES) + text[end:]
        elif how == 3:
            text = text[:at] + text[end:]
        elif how == 4:
            text = "\n".join([*lines[:row], *lines[row + 1 :]])
        elif how == 5:
            text = "\n".join([*lines[:row], lines[row], rng.choice(lines), *lines[row + 1 :]])
        elif how == 6:
            numbers = list(re.finditer(r"-?\d+(\.\d+)?", text))
            if numbers:
                one = rng.choice(numbers)
                text = text[: one.start()] + rng.choice(PIECES) + text[one.end() :]
        else:
            other = rng.choice(others)
            text = text[:at] + other[rng.randrange(len(other) + 1) :][: rng.choice([20, 200, 100000])]
    return text


def fuzz(seconds: float, seed: int, most: int = 10**9) -> tuple[int, list[str]]:
    """Tries made and crashes found, in so many seconds (or tries) shared by all readers."""
    rng, crashes, tried = random.Random(seed), {}, 0
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = {name: (list(texts), read, set()) for name, (texts, read) in seeds().items()}
        for name, (texts, read, _) in known.items():
            for text in texts:
                try:
                    read(text, Path(folder))
                except InputError as error:
                    raise AssertionError(f"a good text of '{name}' is refused: {error}") from error
        until = time.monotonic() + seconds
        while time.monotonic() < until and tried < most:
            name = rng.choice(list(known))
            texts, read, said = known[name]
            text, tried = changed(rng.choice(texts), texts, rng), tried + 1
            try:
                read(text, Path(folder))
                words = "read"
            except InputError as error:
                words = str(error)
            except Exception as error:  # a crash is what is looked for
                place = error.__traceback__
                while place is not None and place.tb_next is not None:
                    place = place.tb_next
                line = f"{Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}" if place else ""
                crashes.setdefault(
                    (name, type(error).__name__, line), f"{name}: {error!r} at {line} of {text[-400:]!r}"
                )
                words = f"{type(error).__name__} {line}"
            kind = re.sub(r"'[^']*'|\"[^\"]*\"|[-\d.]+", "", words)[:60]
            if kind not in said and len(texts) < 400:
                said.add(kind)
                texts.append(text)
    return tried, list(crashes.values())


def main(seconds: float, seed: int) -> int:
    tried, crashes = fuzz(seconds, seed)
    for text in crashes:
        print(text)
    print(f"{tried:,} texts in {seconds:.0f} s, {len(crashes)} kinds of crash")
    return len(crashes)


if __name__ == "__main__":
    numbers = [float(word) for word in sys.argv[1:]]
    sys.exit(1 if main(numbers[0] if numbers else 3600.0, int(numbers[1]) if len(numbers) > 1 else 0) else 0)
