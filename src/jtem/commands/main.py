"""The command ``jtem``: its options, and how a mistake of the user or a stop ends (``errors.py`` has the exit codes).

Each command's module is imported when the command runs, so that ``--help`` is quick and the number of devices can be set
before JAX starts.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from jtem import __version__
from jtem.commands import log
from jtem.errors import DONE, STOPPED, TERMINATED, USER_ERROR, InputError, InputNote, Terminated, not_written, suggest
from jtem.files import Inputs, data_folder
from jtem.readers.catalogue import STAMPS


def part_of(text: str) -> tuple[int, int]:
    """``2/8``: the second of eight parts, as (1, 8)."""
    try:
        part, parts = (int(word) for word in text.split("/"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N, e.g. 2/8") from None
    if not 1 <= part <= parts:
        raise argparse.ArgumentTypeError(f"{text!r}: the part must lie within 1..{parts}")
    return part - 1, parts


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, with the nearest word where one is unknown."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where the words are listed."""
        wrong = re.fullmatch(r"argument (\S+): invalid choice: '?(.*?)'? \(choose from (.*)\)", message)
        if wrong:
            what, word, listed = wrong.groups()
            known = re.findall(r"[^\s,']+", listed)
            message = f"{what} {word!r} is unknown; {suggest(word, known)}"
        self.exit(USER_ERROR, f"jtem: {message} ('{self.prog} --help' lists what there is)\n")


def parser() -> argparse.ArgumentParser:
    """All commands and options."""
    top = Parser(prog="jtem", description="A JAX-differentiable Terrestrial Ecosystem Model.")
    top.add_argument("--version", action="version", version=f"jtem {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, action: str, help_text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help_text, description=help_text)
        command.set_defaults(action=action)
        return command

    demo = add(
        "demo", "run.command_demo", "run the embedded default (emulated climate): table, netCDF files, one figure"
    )
    demo.add_argument("--out", type=Path, default=Path("jtem_demo"), metavar="DIR", help="output folder (jtem_demo)")
    run = add("run", "run.command_run", "run a plan")
    add_site_arguments(
        add("site", "site.command_site", "run one site: from a table, by name or by place; first figure")
    )
    add_report_arguments(
        add("report", "report.command_report", "tables and figures of a finished run or of finished calibrations")
    )
    again = add(
        "rerun", "rerun.command_rerun", "make the run of a file again, in another folder, and compare to the bit"
    )
    again.add_argument("file", type=Path, metavar="FILE.nc", help="a file of results or a state that 'jtem run' wrote")
    again.add_argument("--out", type=Path, metavar="DIR", help="output folder (default: NAME_rerun)")
    add_data(again)
    exporting = add(
        "export", "export.command_export", "other files of a finished run: lat-lon grid, ISIMIP, netCDF from Zarr"
    )
    exporting.add_argument("folder", type=Path, metavar="RUN_DIR")
    exporting.add_argument(
        "--profile", choices=("grid", "isimip", "netcdf"), default="grid", help="what to write (grid)"
    )
    exporting.add_argument("--out", type=Path, metavar="DIR", help="folder of the files (default: RUN_DIR/PROFILE)")
    exporting.add_argument(
        "--plan",
        type=Path,
        metavar="PLAN.toml",
        help="isimip: a plan whose words stand in place of the run's (institution and contact of [plan], [isimip])",
    )
    exporting.add_argument("--double", action="store_true", help="netcdf: numbers of 64 bits")
    check = add(
        "check", "check.command_check", "validate a plan and all its inputs; estimate memory and time; run nothing"
    )
    looking = add(
        "inspect", "inspect.command_inspect", "what is understood of netCDF files and tables of a site, before any plan"
    )
    looking.add_argument("files", type=Path, nargs="+", metavar="FILE")
    looking.add_argument("--stamp", choices=STAMPS, default="", help="what a stamp between two months means")
    bringing = add(
        "fetch", "fetch.command_fetch", "fetch public data by name, with its checksum; without a name list them"
    )
    bringing.add_argument("name", nargs="?", metavar="NAME")
    bringing.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="folder of the file (here)")
    ready = add(
        "prepare", "prepare.command_prepare", "turn raw files into one prepared store, once; runs then start in seconds"
    )
    ready.add_argument("--force", action="store_true", help="prepare again over an existing store")
    sensing = add(
        "sensitivity",
        "sensitivity.command_sensitivity",
        "derivatives, Sobol indices and uncertainty of a plan's quantities",
    )
    sensing.add_argument("--no-figures", action="store_true", help="datasets and tables only")
    for command in (run, check, ready, sensing):
        command.add_argument("plan", type=Path, metavar="PLAN.toml")
        add_data(command)
    sensing.add_argument("--out", type=Path, metavar="DIR", help="output folder (default: NAME_sensitivity)")
    add_workers(sensing, "the chunks of columns and the members of ensembles")
    add_run_arguments(run)
    add_calibrate_arguments(
        add("calibrate", "calibrate.command_calibrate", "fit parameters to observations by exact derivatives")
    )
    add_plan_words(add)
    add_tables(add)
    add("warm", "run.command_warm", "compile the demo's programs and keep them, so that the first demo is quick")
    return top


def add_plan_words(add: Callable[[str, str, str], argparse.ArgumentParser]) -> None:
    """Commands that help to write a plan or a command."""
    beginning = add("new", "new.command_new", "write a commented plan to begin with")
    beginning.add_argument("kind", choices=("site", "region", "factorial", "calibration", "sensitivity"))
    beginning.add_argument("file", type=Path, nargs="?", metavar="FILE", help="where to (default: KIND.toml)")
    beginning.add_argument("--force", action="store_true", help="overwrite the file")
    describing = add("schema", "new.command_schema", "the JSON schema of a plan file, for editors")
    describing.add_argument("kind", choices=("run", "calibration"), nargs="?", default="run")
    completing = add("completion", "new.command_completion", 'a completion script: eval "$(jtem completion bash)"')
    completing.add_argument("shell", choices=("bash", "zsh", "fish"))


def add_tables(add: Callable[[str, str, str], argparse.ArgumentParser]) -> None:
    """Commands that list what there is."""
    listing = add("variables", "tables.command_variables", "list all output variables")
    listing.add_argument("--markdown", action="store_true", help="as a Markdown table")
    values = add("parameters", "tables.command_parameters", "list all parameters with value, unit, bounds and source")
    values.add_argument("--community", metavar="NAME", help="values of one community")
    values.add_argument("--overlay", action="append", default=[], metavar="NAME", help="with an overlay, e.g. liu2024")
    values.add_argument("--markdown", action="store_true", help="as a Markdown table, with sources")
    info = add("info", "tables.command_info", "versions, devices, data, kept programs")
    info.add_argument(
        "--clear-cache", action="store_true", help="remove the compiled programs that earlier runs have kept"
    )


def add_run_arguments(command: argparse.ArgumentParser) -> None:
    """Options of ``jtem run``."""
    command.add_argument("--out", type=Path, metavar="DIR", help="output folder (default: the plan's name)")
    command.add_argument(
        "--force",
        action="store_true",
        help="overwrite files, discard unfinished work; accept a state of other parameters",
    )
    command.add_argument(
        "--resume", action="store_true", help="go on with the unfinished run in the output folder, or refuse"
    )
    command.add_argument(
        "--log", type=Path, metavar="FILE", help="add everything that is said, with the time, to a file"
    )
    command.add_argument(
        "--part",
        type=part_of,
        metavar="I/N",
        help="only every N-th chunk from the I-th (job array); then run without it",
    )
    add_workers(command, "the chunks")
    command.add_argument(
        "--store",
        default="",
        metavar="PLACE",
        help="where results of [output] zarr and unfinished work go (default: the output folder), e.g. s3://bucket/run",
    )


def add_workers(command: argparse.ArgumentParser, what: str) -> None:
    """Options of commands whose work other processes share."""
    command.add_argument(
        "--dask",
        default="",
        metavar="local|ADDRESS|FILE",
        help=f"run {what} on workers of Dask: processes here (local), those of a scheduler (its address, or the JSON file it "
        "wrote), or jobs of Slurm or PBS (a TOML file)",
    )
    command.add_argument(
        "--workers",
        type=int,
        default=0,
        metavar="N",
        help="with --dask local or TOML: how many (default: 1, or as it says)",
    )


def add_report_arguments(command: argparse.ArgumentParser) -> None:
    """Options of ``jtem report``."""
    command.add_argument(
        "folders",
        type=Path,
        nargs="*",
        metavar="DIR",
        help="folder of a run; or of calibrations, or a folder that holds them",
    )
    command.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder of the report (default: DIR/report; calibration_report for several)",
    )
    command.add_argument("--no-figures", action="store_true", help="tables only")
    command.add_argument(
        "--profiles", type=Path, metavar="TABLE.csv", help="half depths and mean profiles of a table of soil profiles"
    )
    command.add_argument(
        "--by", default="", metavar="COLUMN", help="with --profiles: the column that names vegetation types"
    )
    command.add_argument(
        "--simulated",
        type=Path,
        metavar="FILE",
        help="with --profiles: annual file of a run (or CSV) whose active layers to score",
    )


def add_data(command: argparse.ArgumentParser) -> None:
    """The option ``--data``."""
    command.add_argument(
        "--data",
        type=Path,
        default=data_folder(None),
        metavar="DIR",
        help="folder of input files (or the variable JTEM_DATA)",
    )


def add_calibrate_arguments(command: argparse.ArgumentParser) -> None:
    """Options of ``jtem calibrate``."""
    command.add_argument("plan", type=Path, metavar="PLAN.toml")
    add_data(command)
    command.add_argument("--out", type=Path, metavar="DIR", help="output folder (default: the plan's name)")
    command.add_argument(
        "--resume",
        action="store_true",
        help="go on with the search, and with the draws of [posterior], in the output folder",
    )
    command.add_argument("--force", action="store_true", help="overwrite the results of a finished calibration")
    command.add_argument(
        "--untouched",
        action="store_true",
        help="score also the sites of [validation] that no fit sees: once, when nothing is changed any more",
    )
    command.add_argument("--overlay", action="append", default=[], metavar="NAME", help="one more parameter overlay")
    command.add_argument("--pest", type=Path, metavar="DIR", help="write the problem as PEST files and stop")
    command.add_argument(
        "--pest-run", type=Path, metavar="FILE", help="one model run for PEST: write its output and stop"
    )
    command.add_argument(
        "--pest-values",
        type=Path,
        metavar="FILE",
        help="PEST's values (what it filled in, or its .par file): for --pest-run (default: values.toml), else written as "
        "calibrated.toml",
    )
    command.add_argument("--verbose", action="store_true", help="what the readers left out")
    add_workers(command, "the sites (of an inverted paper: the chunks of columns)")


def add_site_arguments(command: argparse.ArgumentParser) -> None:
    """Options of ``jtem site``."""
    command.add_argument(
        "table",
        nargs="?",
        metavar="TABLE.csv|NAME",
        help="table of months, days or half-hours with air temperature, precipitation and radiation or cloudiness; or the name "
        "of a known site; without it the emulated climate of the place",
    )
    command.add_argument("--latitude", "--lat", type=float, metavar="DEGREES")
    command.add_argument("--longitude", "--lon", type=float, metavar="DEGREES")
    command.add_argument("--elevation", type=float, metavar="M")
    command.add_argument(
        "--community", default="", metavar="NAME", help="plant community ('jtem parameters' lists them)"
    )
    command.add_argument("--texture", type=float, nargs=3, metavar=("SAND", "SILT", "CLAY"), help="percent")
    command.add_argument("--static", type=Path, metavar="FILE.nc", help="CF file of fixed fields for what is not given")
    command.add_argument(
        "--co2", default="", metavar="FILE|SCENARIO", help="table of year and ppm, or an embedded series"
    )
    command.add_argument("--scenario", default="", metavar="NAME", help="emulated climate after 2014 (ssp126)")
    command.add_argument(
        "--unit", action="append", default=[], metavar="NAME=UNIT", help="unit of a column, repeatable"
    )
    command.add_argument(
        "--name", action="append", default=[], metavar="NAME=COLUMN", help="column of a variable, repeatable"
    )
    command.add_argument(
        "--fill", default="", metavar="mean", help="fill missing months with the mean of the same month"
    )
    command.add_argument(
        "--years", type=int, nargs=2, metavar=("FIRST", "LAST"), help="years to run (all of the table)"
    )
    command.add_argument(
        "--permafrost", default="layered", metavar="SCHEME", help="layered (default), thaw_ratio, tem6, none"
    )
    command.add_argument(
        "--parameters", action="append", default=[], metavar="NAME", help="parameter overlay, repeatable"
    )
    command.add_argument("--precision", default="mixed", metavar="WORD", help="mixed (default), float64, float32")
    command.add_argument("--out", type=Path, metavar="DIR", help="output folder (default: NAME_jtem)")
    command.add_argument("--no-figures", action="store_true", help="files and table only")
    command.add_argument("--force", action="store_true", help="overwrite files")


@contextlib.contextmanager
def _notes() -> Iterator[None]:
    """Print notes on the input, each once, when the command has done its work; a mistake ends with its sentence alone."""
    notes: dict[str, InputNote] = {}
    show = warnings.showwarning

    def keep(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if isinstance(message, InputNote):
            known = notes.get(message.about)
            notes[message.about] = known.with_more(message) if known else message
        else:
            show(message, category, *where, **more)

    with warnings.catch_warnings():
        warnings.simplefilter("always", InputNote)
        warnings.showwarning = keep
        yield
    for found in notes.values():
        print(f"note: {found}", file=sys.stderr)


@contextlib.contextmanager
def _told_to_end() -> Iterator[None]:
    """SIGTERM raises :class:`Terminated` where the work is, as Ctrl-C raises KeyboardInterrupt; before and after as it was."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: object) -> NoReturn:
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


GO_ON = {
    "run": (".jtem-work", "finished work is kept in {out}; the same command{unless} goes on from there"),
    "calibrate": ("search.json", "finished work is kept in {out}; the same command with --resume goes on from there"),
}
"""What a command that was stopped may have left in its folder, and how to go on with it; without it, and others, start again."""


def stopped(arguments: argparse.Namespace, by: str) -> str:
    """What to say when work was stopped: that nothing is half-written, and how to go on."""
    out = getattr(arguments, "out", None)
    left, how = GO_ON.get(arguments.command, ("", ""))
    where = str(getattr(arguments, "store", "") or out)
    if not left or out is None or not ("://" in where or (Path(where) / left).exists()):
        return f"jtem: stopped by {by}; nothing half-written is left; the same command starts again"
    unless = " without --force" if getattr(arguments, "force", False) else ""
    return f"jtem: stopped by {by}; {how.format(out=out, unless=unless)}"


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    arguments = parser().parse_args(words)
    try:
        with log.kept(getattr(arguments, "log", None), words):
            return _done(arguments)
    except InputError as error:  # of the log itself
        print(f"jtem: {' '.join(str(error).split())}", file=sys.stderr)
        return USER_ERROR


def _done(arguments: argparse.Namespace) -> int:
    """Do what the command line says; the exit code."""
    try:
        Inputs(getattr(arguments, "data", None))  # is there
        module, _, name = arguments.action.partition(".")
        with _told_to_end(), _notes():
            return getattr(importlib.import_module(f"jtem.commands.{module}"), name)(arguments)
    except InputError as error:
        print(f"jtem: {' '.join(str(error).split())}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print("\n" + stopped(arguments, "Ctrl-C"), file=sys.stderr)
        return STOPPED
    except Terminated:
        print("\n" + stopped(arguments, "SIGTERM"), file=sys.stderr)
        return TERMINATED
    except BrokenPipeError:
        sys.stderr.close()
        return DONE
    except (OSError, RuntimeError) as error:
        if not (reason := not_written(error)):
            raise
        print("\n" + stopped(arguments, reason), file=sys.stderr)
        return USER_ERROR
