"""Section [model] of a plan: the files of its parameter table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jtem.errors import InputError, suggest


def parameter_files(names: Sequence[str], data: Path | None, where: str) -> list[Path]:
    """The defaults and the overlays of a plan: packaged by name ("liu2024") or a path."""
    from jtem.files import data_path
    from jtem.plan import resolve

    files = [data_path("parameters", "defaults.toml")]
    for name in names:
        if name.endswith(".toml"):
            files.append(Path(name) if Path(name).is_file() else resolve(name, data, where))
        else:
            known = [p.stem for p in files[0].parent.glob("*.toml") if p.stem != "defaults"]
            if name not in known:
                raise InputError(
                    f"{where}: unknown parameter overlay {name!r}; {suggest(name, known)} (or give a .toml path)"
                )
            files.append(data_path("parameters", f"{name}.toml"))
    return files
