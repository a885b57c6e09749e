"""What the papers say in words, as checks on a factorial: signs, orderings, shares; ``statements.csv``.

Totals can agree by errors that cancel; orderings seldom do. ``checks`` has what a statement is and compares, ``liu2024`` and
``liu2022`` the sentences.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jtem.errors import InputError
from jtem.report.regional import Region
from jtem.report.statements.checks import Statement, View
from jtem.report.statements.liu2022 import LIU2022
from jtem.report.statements.liu2024 import LIU2024
from jtem.report.statements.liu2024 import PAIRS as PAIRS
from jtem.report.statements.liu2024 import SINGLES as SINGLES

HEADER = ("paper", "place", "statement", "scenario", "jtem", "holds")
PAPERS = {"liu2024": (LIU2024, "S_Trans", "S_PF"), "liu2022": (LIU2022, "S_T", "S_R")}


@dataclass(frozen=True)
class Judged:
    """A statement of one scenario; ``holds`` None where the files lack what it needs (``numbers`` says what)."""

    statement: Statement
    scenario: str
    numbers: str
    holds: bool | None


def judge(f: Region, paper: str) -> list[Judged]:
    """All statements of a paper ("liu2024", "liu2022") on a factorial, scenario by scenario."""
    statements, trans, held = PAPERS[paper]
    return [judged for statement in statements for judged in _judged(f, statement, trans, held)]


def _judged(f: Region, statement: Statement, trans: str, held: str) -> Iterator[Judged]:
    if statement.scenario == "each":
        scenarios = f.scenarios
    elif len(f.scenarios) < 2:
        return
    else:
        scenarios = (f.scenarios[0 if statement.scenario == 0 else -1],)
    for scenario in scenarios:
        try:
            outcome = statement.check(View(f, scenario, trans, held))
        except (InputError, KeyError) as missing:
            said = str(missing) if isinstance(missing, InputError) else f"no run {missing} in the files"
            yield Judged(statement, scenario, said, None)
        else:
            yield Judged(statement, scenario, *outcome)


def table(judged: list[Judged], paper: str) -> list[tuple[str, ...]]:
    """Lines of ``statements.csv``; ``holds`` is true, false, or "not in the files"."""
    words = {True: "true", False: "false", None: "not in the files"}
    rows = [(paper, j.statement.place, j.statement.text, j.scenario, j.numbers, words[j.holds]) for j in judged]
    return [HEADER, *rows]


def summary(judged: list[Judged]) -> str:
    """One sentence for a terminal."""
    known = [j for j in judged if j.holds is not None]
    true = sum(bool(j.holds) for j in known)
    left = len(judged) - len(known)
    share = f" ({100 * true / len(known):.0f} %)" if known else ""
    rest = f"; {left} need variables that the files lack" if left else ""
    return f"statements of the paper that hold: {true} of {len(known)}{share}{rest}"
