"""``jtem rerun``: the run that a file came from, made again into another folder and compared to the bit."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from jtem import plan as plans
from jtem.assemble import provenance
from jtem.assemble.course import started
from jtem.commands.run import Way, execute
from jtem.errors import DIFFERENT, DONE, InputError
from jtem.files import output_folder
from jtem.writers import compare


def command_rerun(arguments: argparse.Namespace) -> int:
    """Make the run of a file again and say whether the files are the same; exit code 1 where they are not."""
    path: Path = arguments.file
    said = compare.attributes(path)
    text = repeatable(said, path)
    plan = plans.parse(text, f"the plan in {path}")
    folder = arguments.out or Path(f"{plan.plan.name}_rerun")
    if folder.resolve() == path.parent.resolve():
        raise InputError(f"{folder}: is the folder of the file itself; choose another with --out DIR")
    with output_folder(folder):
        prepared = started(plan, arguments.data)
        now = provenance.attributes(prepared)
        if now["parameter_hash"] != said["parameter_hash"]:
            raise InputError(
                f"{path}: was made with parameters {said['parameter_hash']} ({said.get('parameter_files', '')}), its plan now "
                f"gives {now['parameter_hash']}; find the parameter files that it was made with"
            )
        execute(prepared, folder, Way())
    return compared(path, folder, said)


def repeatable(said: Mapping[str, object], path: Path) -> str:
    """The plan that a file carries; raises ``InputError`` where the plan alone does not give the file."""
    if "plan" not in said or "parameter_hash" not in said:
        raise InputError(f"{path}: does not say its plan; give a file that 'jtem run' wrote")
    if "processes" in said:
        raise InputError(
            f"{path}: was made with functions given in Python ({said['processes']}); repeat it with the script that made it"
        )
    if str(said.get("spin_up", "")).startswith("went on from"):
        raise InputError(f"{path}: {said['spin_up']}, in Python; repeat it with the script that made it")
    return str(said["plan"])


def compared(path: Path, folder: Path, said: Mapping[str, object]) -> int:
    """Compare the files of a run beside ``path`` with those of the same names in ``folder``; the exit code."""
    made = sorted(folder.glob("*.nc"))
    pairs = [(path.parent / new.name, new) for new in made if (path.parent / new.name).is_file()]
    if path.name not in [new.name for new in made]:
        raise InputError(
            f"{path}: the run does not write a file of that name ({', '.join(f.name for f in made)}); rename it"
        )
    different = 0
    for old, new in pairs:
        what = compare.difference(old, new)
        different += bool(what)
        print(f"  {old.name}: {what or 'bitwise the same'}")
    for line in provenance.differences(said, compare.attributes(folder / path.name)):
        print(f"  {line}")
    print(f"{len(pairs) - different} of {len(pairs)} files are bitwise the same; those made again are in {folder}")
    return DIFFERENT if different else DONE
