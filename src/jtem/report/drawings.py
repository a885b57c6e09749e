"""The figures of a paper's report: each with the variables without which it is left out, and the remark about that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jtem.report.regional import Region


@dataclass(frozen=True)
class Drawing:
    """``draw`` writes the figure of a region; ``needs``: names of variables; ``groups``: whether it tells communities."""

    name: str
    draw: Callable[[Region, Path], Path]
    needs: tuple[str, ...] = ()
    groups: bool = False

    def lacking(self, f: Region) -> list[str]:
        """What the files of history or of any run lack for it."""
        known = [{*r.totals, *r.means} for r in (*f.histories.values(), *f.runs.values())]
        missing = [f"'{name}'" for name in self.needs if any(name not in names for names in known)]
        return missing + ["the communities of its cells"] * (self.groups and not f.history.groups)


def draw(drawings: Sequence[Drawing], f: Region, folder: Path) -> list[Path]:
    """All figures for which the files suffice into ``folder``; returns their paths."""
    return [d.draw(f, folder / f"{d.name}.png") for d in drawings if not d.lacking(f)]


def left_out(drawings: Sequence[Drawing], f: Region) -> tuple[str, ...]:
    """A sentence for each figure that is left out."""
    return tuple(
        f"{d.name} is left out: the annual files lack {', '.join(missing)}"
        for d in drawings
        if (missing := d.lacking(f))
    )
