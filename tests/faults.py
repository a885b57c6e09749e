"""Faults on purpose: kills at random moments, full disks, damaged files, two runs at once; a table of how each ended.

    python tests/faults.py [--kills 100] [--seed 0] [--list] [NAME ...]

Each work (``prepare``, ``run``, ``zarr``, ``workers``, ``report``, ``calibrate``, ``sensitivity``) is done once undisturbed.
Then it is killed at random moments of that work, three times in a row, and gone on with until it ends: what bears the name of a
result is whole at any moment, and in the end everything is as undisturbed, to the bit. The other faults are functions here.
Exit code 1 where one ended otherwise. A few seconds each with compiled programs kept (JAX_COMPILATION_CACHE_DIR). Full disks need
the right to mount a small tmpfs; without it a limit on the size of files takes its place.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Set
from pathlib import Path

import netCDF4
import numpy as np

from test_provenance import own_files

DATES = {"history", "date_created", "creation_date", "processor", "devices", "xla_flags"}

RUN = """
[plan]
name = "small"
[domain]
source = "embedded"
sites = ["Toolik", "Bonanza Creek"]
[spinup]
heat_years = 12
years = 5
cycle = [1850, 1851]
[history]
first = 2005
last = 2014
[[scenario]]
name = "ssp126"
climate = "ssp126"
first = 2015
last = 2020
[output]
annual = ["npp", "cVeg", "active_layer_thickness"]
monthly = ["gpp"]
state = true
[run]
chunk_columns = 1
block_years = 2
"""
OWN = """
[plan]
name = "own"
[domain]
source = "cf_monthly"
static = "static.nc"
co2_column = "ssp126"
[domain.climate]
historical = ["climate.nc"]
[prepare]
store = "store.nc"
[spinup]
heat_years = 12
years = 5
cycle = [2000, 2001]
[history]
first = 2000
last = 2001
[output]
annual = ["npp"]
state = true
[run]
chunk_columns = 2
"""
CALIBRATION = """
[calibration]
name = "fit"
[model]
permafrost = "none"
[[data]]
source = "embedded"
path = "observed.csv"
[history]
first = 2000
spin_up = [2000, 2004]
[errors]
floor = {soil_temperature = 1.0}
[[parameter]]
name = "soil_thermal.snow_density"
bounds = [150.0, 450.0]
"""
SENSITIVITY = """
[plan]
name = "sens"
[domain]
source = "embedded"
sites = ["Toolik"]
[model]
permafrost = "none"
precision = "float64"
[spinup]
heat_years = 12
cycle = [2004, 2005]
[history]
first = 2014
last = 2014
[[scenario]]
name = "ssp585"
climate = "ssp585"
first = 2015
last = 2016
[sensitivity]
methods = ["adjoint"]
[sensitivity.quantities]
npp = "mean NPP 2015-2016"
"""
OBSERVED = "site,year,month,variable,depth_m,value\n" + "".join(
    f"Toolik,{year},{month},soil_temperature,0.1,{month - 8.0}\n" for year in (2005, 2006) for month in range(1, 13)
)


class Ended(Exception):
    """A fault did not end as documented."""


def expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Ended(otherwise)


# --- commands and what they leave ------------------------------------------------------------------------------------


def heeds_ctrl_c() -> None:
    """Shells let what runs in the background ignore SIGINT; here it is sent on purpose."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Place:
    """A folder with the plans and inputs; results are in folders of their own."""

    def __init__(self, folder: Path, rng: random.Random):
        self.folder, self.rng = folder, rng
        self.environment = {**os.environ, "JTEM_CACHE": "off", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1"}
        for name, text in {
            "run.toml": RUN,
            "zarr.toml": RUN.replace("state = true", "state = true\nzarr = true"),
            "own.toml": OWN,
            "fit.toml": CALIBRATION,
            "sens.toml": SENSITIVITY,
            "observed.csv": OBSERVED,
        }.items():
            (folder / name).write_text(text)
        own_files(folder)
        self._undisturbed: dict[str, Path] = {}
        self._seconds: dict[str, list[float]] = {}
        self._made = 0

    def new(self, name: str) -> Path:
        self._made += 1
        return self.folder / f"{name}-{self._made}"

    def start(self, words: list[str], patch: str = "", **more) -> subprocess.Popen:
        """``jtem words`` in a process; ``patch``: Python that runs before it."""
        ending = "\nimport sys\nfrom jtem.commands.main import main\nsys.exit(main())"
        code = ["-c", patch + ending] if patch else ["-m", "jtem"]
        return subprocess.Popen(
            [sys.executable, *code, *words], cwd=self.folder, env=self.environment, text=True,
            start_new_session=True,
            preexec_fn=heeds_ctrl_c,             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more,
        )  # fmt: skip

    def done(self, words: list[str], patch: str = "", **more) -> tuple[int, str]:
        """Exit code and all that a command said."""
        process = self.start(words, patch, **more)
        said = process.communicate()[0]
        expect("Traceback" not in said, f"traceback: {said.strip().splitlines()[-1] if said.strip() else ''}")
        return process.returncode, said

    def undisturbed(self, name: str) -> Path:
        """Folder of the results of a work that nothing disturbs."""
        if name not in self._undisturbed:
            work, out = WORKS[name], self.new(name)
            work.before(self, out)
            self._seconds[name] = []
            for words in work.words(out):
                begin = children_seconds()
                code, said = self.done(words)
                expect(code == 0, f"undisturbed '{name}' ended with {code}: {said[-300:]}")
                self._seconds[name].append(children_seconds() - begin)
            self._undisturbed[name] = out
        return self._undisturbed[name]

    def kill(self, processes: list[subprocess.Popen], name: str) -> tuple[subprocess.Popen, bool]:
        """SIGKILL to one of them at a random moment of its work, counted in its processor time, for walls depend on neighbours;
        and whether it was still at work.
        """
        self.undisturbed(name)
        victim = self.rng.choice(processes)
        until = self.rng.uniform(0.1, 1.0) * max(self._seconds[name][: len(processes)])
        while victim.poll() is None and processor_seconds(victim.pid) < until:
            time.sleep(0.005)
        hit = victim.poll() is None
        victim.kill()
        return victim, hit


def children_seconds() -> float:
    """Processor time of all processes that were waited for."""
    used = os.times()
    return used.children_user + used.children_system


def processor_seconds(pid: int) -> float:
    """Processor time of a process so far; infinite where it is gone."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("inf")
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def numbers(path: Path) -> dict[str, object]:
    """Everything in a file but dates and seconds, comparable by ``==``."""
    if path.suffix == ".nc":
        found: dict[str, object] = {}

        def walk(group: netCDF4.Dataset | netCDF4.Group, at: str) -> None:
            group.set_auto_mask(False)
            found.update({f"{at}@{n}": str(group.getncattr(n)) for n in group.ncattrs() if n not in DATES})
            for name, variable in group.variables.items():
                values = np.asarray(variable[:])
                found[at + name] = (values.shape, values.tobytes() if values.dtype != object else str(values.tolist()))
            for name, inner in group.groups.items():
                walk(inner, f"{at}{name}/")

        with netCDF4.Dataset(path) as data:
            walk(data, "")
        return found
    if path.suffix == ".png":
        return {"": path.read_bytes()[:8]}
    text = path.read_bytes().decode("utf-8", "replace")
    text = re.sub(r'"(history|date_created|processor|devices|xla_flags)": "[^"]*",?', "", text)
    return {"": re.sub(r'"seconds": [0-9.e+-]+|[0-9.]+ s\b', "", text)}


def results(folder: Path) -> dict[str, Path]:
    """Files that bear the name of a result."""

    def hidden(path: Path) -> bool:
        return any(part.startswith(".") for part in path.relative_to(folder).parts)

    paths = [path for path in folder.rglob("*") if path.is_file() and not hidden(path)]
    return {str(path.relative_to(folder)): path for path in sorted(paths)}


def compare(found: Path, expected: Path, whole: bool = True, besides: str = "", other: Set[str] = frozenset()) -> None:
    """The results of ``found`` are those of ``expected``; all of them where ``whole``; ``other``: what may differ in a file."""
    have, wanted = results(found), results(expected)
    for name, path in have.items():
        if besides and re.search(besides, name):
            continue
        expect(name in wanted, f"{name} is no result of the undisturbed work")
        mine, theirs = numbers(path), numbers(wanted[name])
        differs = [key for key in {*mine, *theirs} - other if mine.get(key) != theirs.get(key)]
        expect(not differs, f"{name} differs from the undisturbed one in {differs[:3]}")
    expect(not whole or set(have) == set(wanted), f"files are missing: {sorted(set(wanted) - set(have))[:3]}")


# --- works and kills -------------------------------------------------------------------------------------------------


class Work:
    """``words``: commands of a work into a folder, one after the other; ``grows``: results that grow while it goes on."""

    def __init__(
        self,
        words: Callable[[Path], list[list[str]]],
        before: Callable[[Place, Path], None] = lambda place, out: None,
        again: Callable[[Path], list[list[str]]] | None = None,
        grows: str = "",
    ):
        self.words, self.before, self.again, self.grows = words, before, again or words, grows


def with_run(place: Place, out: Path) -> None:
    shutil.copytree(place.undisturbed("run"), out)


def with_inputs(place: Place, out: Path) -> None:
    out.mkdir()


def resumed_fit(out: Path) -> list[list[str]]:
    resume = ["--resume"] if (out / "search.json").exists() else []
    return [["calibrate", "fit.toml", "--data", ".", "--out", str(out), *resume, *(["--force"] if not resume else [])]]


def parts(out: Path) -> list[list[str]]:
    run = ["run", "run.toml", "--out", str(out)]
    return [[*run, "--part", "1/2"], [*run, "--part", "2/2"], run]


WORKS = {
    "prepare": Work(
        lambda out: [["prepare", str(out / "own.toml"), "--data", "."]], lambda place, out: prepared_plan(place, out)
    ),
    "run": Work(lambda out: [["run", "run.toml", "--out", str(out)]]),
    "zarr": Work(lambda out: [["run", "zarr.toml", "--out", str(out)]], grows=r"\.zarr/"),
    "workers": Work(parts),
    "report": Work(lambda out: [["report", str(out), "--no-figures"]], with_run),
    "calibrate": Work(
        lambda out: [["calibrate", "fit.toml", "--data", ".", "--out", str(out)]],
        again=resumed_fit,
        grows=r"search\.json",
    ),
    "sensitivity": Work(lambda out: [["sensitivity", "sens.toml", "--out", str(out), "--no-figures"]]),
}
SHARES = {"prepare": 15, "run": 35, "zarr": 15, "workers": 15, "report": 10, "calibrate": 7, "sensitivity": 3}
"""Kills of a hundred."""


def prepared_plan(place: Place, out: Path) -> None:
    """The plan with its store in a folder of its own."""
    out.mkdir()
    (out / "own.toml").write_text(OWN.replace('"store.nc"', f'"{out / "store.nc"}"'))


def killed(place: Place, name: str, kills: int) -> Iterator[int]:
    """SIGKILL that hits, ``kills`` times and up to three in a row before the work may end; yields hits."""
    work, tried = WORKS[name], 0
    expected = place.undisturbed(name)
    while kills > 0:
        out, hits = place.new(name), 0
        work.before(place, out)
        for _ in range(3):
            commands = work.words(out) if not out.exists() else work.again(out)
            processes = [place.start(words) for words in (commands[:-1] or commands)]  # workers at once
            victim, hit = place.kill(processes, name)
            hits, tried = hits + hit, tried + 1
            for process in processes:
                said = process.communicate()[0]
                expect(
                    process is victim or "Traceback" not in said, f"a neighbour of the killed process: {said[-300:]}"
                )
            if out.exists() and name != "prepare":
                compare(out, expected, whole=False, besides=work.grows)
            if hits == kills:
                break
        kills -= hits
        for words in work.again(out):
            code, said = place.done(words)
            finished = "exists already" in said or "finished calibration" in said or "no unfinished" in said
            expect(
                code == 0 or (code == 2 and finished),
                f"after kills '{' '.join(words[:2])}' ended with {code}: {said[-300:]}",
            )
        if name == "prepare":
            mine, theirs = numbers(out / "store.nc"), numbers(expected / "store.nc")
            differs = [k for k in theirs if mine.get(k) != theirs[k] and k not in ("@plan", "@recipe")]
            expect(not differs, f"the store differs in {differs[:3]}")
        else:
            compare(out, expected, besides=r"search\.json")
        yield hits
        shutil.rmtree(out)
        expect(tried < 500, "it never lives long enough to be killed")


# --- other faults: each a function of the place, its first line says what; it raises Ended or returns how it ended -----


def stopped_by_ctrl_c(place: Place) -> str:
    """SIGINT in the middle of a run"""
    return _stopped(place, signal.SIGINT, 130)


def stopped_by_scheduler(place: Place) -> str:
    """SIGTERM in the middle of a run"""
    return _stopped(place, signal.SIGTERM, 143)


def _stopped(place: Place, number: int, code: int) -> str:
    expected = place.undisturbed("run")
    out = place.new("stopped")
    words = ["run", "run.toml", "--out", str(out)]
    process = place.start(words)
    until = time.monotonic() + 600
    while not list(out.glob(".jtem-work/*/done.spinup.npz")) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(number)
    said = process.communicate()[0]
    expect(
        process.returncode == code and "the same command goes on from there" in said,
        f"{process.returncode}: {said[-300:]}",
    )
    expect(not results(out), "results before the end")
    again = place.done([*words, "--resume"])
    expect(again[0] == 0 and "going on" in again[1], again[1][-300:])
    compare(out, expected)
    return f"exit code {code}, work kept, resumed to the same bits"


def disk_full_during_work(place: Place) -> str:
    """A disk that is full while blocks are written"""
    return _full(place, 200)


def disk_full_at_the_end(place: Place) -> str:
    """A disk that is full while the files are written"""
    return _full(place, 700)


def quota(place: Place) -> str:
    """A quota that is used up: no file may grow beyond 50 kB"""
    return _full(place, 200, mount=False)


def _full(place: Place, kilobytes: int, mount: bool = True) -> str:
    expected = place.undisturbed("run")
    disk = place.new("disk")
    disk.mkdir()
    mounted = mount and (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(disk)], capture_output=True
        ).returncode
        == 0
    )
    try:
        words = ["run", "run.toml", "--out", str(disk / "out")]
        limit = (
            ""
            if mounted
            else "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            f"resource.setrlimit(resource.RLIMIT_FSIZE, ({kilobytes << 8}, {kilobytes << 8}))"
        )
        code, said = place.done(words, limit)
        expect(code == 2 and "cannot be written" in said, f"{code}: {said[-300:]}")
        expect(not results(disk / "out"), f"results on a full disk: {list(results(disk / 'out'))[:3]}")
        if mounted:
            subprocess.run(["mount", "-o", "remount,size=100m", str(disk)], check=True)
        code, said = place.done(words)
        expect(code == 0, said[-300:])
        compare(disk / "out", expected)
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(disk)], check=False)
    return (
        f"exit code 2 ({'tmpfs' if mounted else 'limit of file size'}), nothing half-written, resumed to the same bits"
    )


def read_only_folder(place: Place) -> str:
    """A folder that cannot be written"""
    code, said = place.done(["run", "run.toml", "--out", "/proc/jtem"])
    expect(code == 2 and "cannot be written" in said and "compiling" not in said, f"{code}: {said[-300:]}")
    return "exit code 2 before any work"


def out_of_memory(place: Place) -> str:
    """Memory that holds one column of two"""
    patch = """
import jax
from jtem.run import batch
plain = batch.Program.__call__
def call(self, *arguments):
    if jax.tree.leaves(arguments[self.shared:])[0].shape[0] > 1:
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes.")
    return plain(self, *arguments)
batch.Program.__call__ = call
"""
    whole, halves = place.new("whole"), place.new("halves")
    place.environment["XLA_FLAGS"] = "--xla_force_host_platform_device_count=1"
    (place.folder / "two.toml").write_text(RUN.replace("chunk_columns = 1", "chunk_columns = 2"))
    try:
        for out, plan, by in ((whole, "run.toml", ""), (halves, "two.toml", patch)):
            code, said = place.done(["run", plan, "--out", str(out)], by)
            expect(code == 0, said[-300:])
        expect("does not hold 2 columns at once; the run goes on with 1 at a time" in said, said[-300:])
    finally:
        del place.environment["XLA_FLAGS"]
    # states differ in their last bits: the mean year of the spin-up is taken of all columns at once
    compare(halves, whole, other={"@plan"}, besides=r"_state\.nc", whole=False)
    return "halved, said so, the same results"


def two_runs_into_one_folder(place: Place) -> str:
    """Two runs into one folder at once"""
    expected = place.undisturbed("run")
    out = place.new("both")
    words = ["run", "run.toml", "--out", str(out)]
    processes = [place.start(words) for _ in range(2)]
    ends = [(process.communicate()[0], process.returncode) for process in processes]
    codes = sorted(code for _, code in ends)
    expect(codes == [0, 2], str(codes))
    refused = next(said for said, code in ends if code == 2)
    expect("another jtem is at work in it" in refused or "exists already" in refused, refused[-300:])
    compare(out, expected)
    return "one is refused, the other's results are those of one run"


def a_worker_lost(place: Place) -> str:
    """One of two workers is killed and never comes back"""
    expected = place.undisturbed("run")
    out = place.new("lost")
    first, second, run = parts(out)
    process = place.start(second)
    expect(place.done(first)[0] == 0, "the worker that lives")
    process.kill()
    process.communicate()
    code, said = place.done(run)
    expect(code == 0, said[-300:])
    compare(out, expected)
    return "the run without --part does what is left: the same bits"


def a_cell_turns_nan(place: Place) -> str:
    """A cell that turns NaN"""
    expected = place.undisturbed("run")
    patch = """
import dataclasses
import numpy as np
from jtem.run import runner
from jtem import run
plain = run.run_experiment
def broken(experiment, *more):
    cells = experiment.columns
    bad = np.array(cells.silt_clay)
    bad[1] = np.nan
    return plain(dataclasses.replace(experiment, columns=dataclasses.replace(cells, silt_clay=bad)), *more)
run.run_experiment = broken
"""
    out = place.new("nan")
    code, said = place.done(["run", "run.toml", "--out", str(out)], patch)
    expect(code == 1 and "1 of 2 columns failed" in said and "is not finite" in said, f"{code}: {said[-300:]}")
    with (
        netCDF4.Dataset(out / "small_ssp126_annual.nc") as mine,
        netCDF4.Dataset(expected / "small_ssp126_annual.nc") as theirs,
    ):
        expect(bool(np.array_equal(mine["npp"][:, 0], theirs["npp"][:, 0])), "its neighbour differs")
        expect(bool(np.ma.getmaskarray(mine["npp"][:, 1]).all()), "it is not blank in the files")
        expect(list(mine["status"][:]) == [1, 2] or int(mine["status"][1]) == 2, "its status")
    return "exit code 1, named, blank in the files; its neighbour to the bit"


def killed_at(place: Place, words: list[str], out: Path, piece: str) -> None:
    """A command that is killed once a file like ``piece`` is there (or that has ended before)."""
    process = place.start(words)
    while not list(out.glob(piece)) and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.communicate()


def clock_going_backwards(place: Place) -> str:
    """A clock that goes backwards, files from the future"""
    expected = place.undisturbed("run")
    out = place.new("clock")
    words = ["run", "run.toml", "--out", str(out)]
    killed_at(place, words, out, ".jtem-work/*/done.spinup.npz")
    for path in out.rglob("*"):
        os.utime(path, (4e9, 4e9))
    patch = (
        "import time\nplain = time.time\nbegin = plain()\ntime.time = lambda: begin - 100.0 * (plain() - begin) - 1e8"
    )
    code, said = place.done(words, patch)
    expect(code == 0 and "going on" in said, said[-300:])
    compare(out, expected)
    return "resumed to the same bits"


# --- damage ----------------------------------------------------------------------------------------------------------


def damaged_inputs(place: Place) -> str:
    """Raw inputs cut off, or with a flipped bit"""
    return _damage(place, ["climate.nc", "static.nc"], _own_run, raw=True)


def damaged_store(place: Place) -> str:
    """A prepared store cut off, or with a flipped bit"""
    (place.folder / "store.nc").unlink(missing_ok=True)
    code, said = place.done(["prepare", "own.toml", "--data", "."])
    expect(code == 0, said[-300:])
    text = OWN.replace(
        'source = "cf_monthly"\nstatic = "static.nc"\nco2_column = "ssp126"\n[domain.climate]\nhistorical = ["climate.nc"]',
        'source = "prepared"',
    )
    (place.folder / "prepared.toml").write_text(text)

    def check(words: Place) -> tuple[int, str, dict[str, object]]:
        return _read_with(
            "from jtem.readers import store\nimport numpy as np\n"
            "cells = store.read_cells('store.nc')\nread, where = store.source('store.nc', 'historical')\n"
            "climate = read(np.arange(2), 2000, 2001)\n"
            "print({n: np.asarray(v.values).tolist() for d in (cells, climate) for n, v in d.variables.items()})",
            words,
        )

    return _damage(place, ["store.nc"], check)


def damaged_state(place: Place) -> str:
    """A state of a restart cut off, or with a flipped bit"""
    expected = place.undisturbed("run")
    shutil.copy(expected / "small_historical_state.nc", place.folder / "state.nc")

    def check(at: Place) -> tuple[int, str, dict[str, object]]:
        lines = (
            "from pathlib import Path", "import jax, numpy as np", "from jtem.assemble.course import open_plan",
            "from jtem.run import state_like", "from jtem.writers.states import load_state, state_attributes",
            "p = open_plan(Path('run.toml'), None)", "said = state_attributes('state.nc')",
            "like = jax.tree.map(lambda x: jax.ShapeDtypeStruct((2, *x.shape[1:]), x.dtype), state_like(p.experiment))",
            "state = load_state('state.nc', like, p.table.hash())",
            "print([np.asarray(x).tolist() for x in jax.tree.leaves(state)])",
        )  # fmt: skip
        return _read_with("\n".join(lines), at)

    return _damage(place, ["state.nc"], check)


def damaged_work(place: Place) -> str:
    """Unfinished work cut off, or with a flipped bit"""
    expected = place.undisturbed("run")
    out = place.new("work")
    words = ["run", "run.toml", "--out", str(out)]
    killed_at(place, words, out, ".jtem-work/*/done.historical.npz")
    kept, ends = place.new("kept"), []
    shutil.copytree(out, kept)
    files = [path for path in kept.rglob("*") if path.is_file() and not path.name.startswith((".jtem-lock", "status"))]
    for path in place.rng.sample(files, min(6, len(files))):
        shutil.rmtree(out)
        shutil.copytree(kept, out)
        _hurt(out / path.relative_to(kept), place.rng)
        code, said = place.done(words)
        if code == 0:
            compare(out, expected)
        else:
            expect(
                code == 2 and ("--force" in said or "unfinished work" in said), f"{path.name}: {code}: {said[-300:]}"
            )
        ends.append(code)
    return f"{ends.count(2)} refused in one sentence, {ends.count(0)} to the same bits"


def damaged_cache(place: Place) -> str:
    """Kept programs cut off, or with a flipped bit"""
    expected = place.undisturbed("run")
    theirs, cache = place.environment.get("JAX_COMPILATION_CACHE_DIR"), place.new("cache")
    place.environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    place.environment["JTEM_CACHE"] = str(cache)
    try:
        expect(
            place.done(["run", "run.toml", "--out", str(place.new("filled"))])[0] == 0, "the run that fills the cache"
        )
        programs = sorted(cache.rglob("*-cache"))
        expect(len(programs) > 0, "no program was kept")
        for path in programs:
            _hurt(path, place.rng)
        out = place.new("hurt")
        code, said = place.done(["run", "run.toml", "--out", str(out)])
        expect(code == 0, f"{code}: {said[-300:]}")
        compare(out, expected)
    finally:
        place.environment["JTEM_CACHE"] = "off"
        if theirs:
            place.environment["JAX_COMPILATION_CACHE_DIR"] = theirs
    return f"{len(programs)} programs damaged: compiled again, the same bits"


def _own_run(place: Place) -> tuple[int, str, dict[str, object]]:
    return _read_with(
        "import warnings\nwarnings.simplefilter('ignore')\nfrom pathlib import Path\nfrom jtem.assemble.course import open_plan\n"
        "import numpy as np, jax\np = open_plan(Path('own.toml'), Path('.'))\n"
        "c = p.experiment.stages[0].climate(np.arange(2))\n"
        "print([np.asarray(x).tolist() for x in jax.tree.leaves((c, p.experiment.columns))])",
        place,
    )


def _read_with(code: str, place: Place) -> tuple[int, str, dict[str, object]]:
    """What a few lines of Python read: exit code (2: ``InputError``), what was said."""
    text = "from jtem.errors import InputError\nimport sys\ntry:\n" + "".join(
        f"    {line}\n" for line in code.splitlines()
    )
    text += "except InputError as error:\n    sys.exit(str(error))\n"
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=place.folder, env=place.environment, capture_output=True, text=True
    )
    expect(
        "Traceback" not in done.stderr,
        f"traceback: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ''}",
    )
    return (0 if done.returncode == 0 else 2), done.stderr or done.stdout, {"": done.stdout}


def _hurt(path: Path, rng: random.Random) -> str:
    """Cut a file off or flip a bit of it; says which."""
    content = bytearray(path.read_bytes())
    if rng.random() < 0.4 or not content:
        path.write_bytes(content[: rng.randrange(max(1, len(content)))])
        return "cut"
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    return "flipped"


def _damage(
    place: Place, names: list[str], read: Callable[[Place], tuple[int, str, dict[str, object]]], raw: bool = False
) -> str:
    """Damage each file some times: a sentence, or the same numbers; of ``raw`` files flipped numbers cannot be known."""
    code, said, whole = read(place)
    expect(code == 0, f"undamaged: {said[-300:]}")
    ends = {"refused": 0, "the same": 0, "other numbers": 0}
    for name in names:
        path = place.folder / name
        content = path.read_bytes()
        try:
            for _ in range(8):
                path.write_bytes(content)
                how = _hurt(path, place.rng)
                code, said, found = read(place)
                if code == 0:
                    same = found == whole
                    expect(same or (raw and how == "flipped"), f"{name} {how}: other numbers without a word")
                    ends["the same" if same else "other numbers"] += 1
                else:
                    ends["refused"] += 1
        finally:
            path.write_bytes(content)
    return ", ".join(f"{count} {word}" for word, count in ends.items() if count)


FAULTS: Mapping[str, Callable[[Place], str]] = {
    f.__name__: f
    for f in (
        stopped_by_ctrl_c, stopped_by_scheduler, disk_full_during_work, disk_full_at_the_end, quota, read_only_folder,
        out_of_memory, two_runs_into_one_folder, a_worker_lost, a_cell_turns_nan, clock_going_backwards, damaged_inputs,
        damaged_store, damaged_state, damaged_work, damaged_cache,
    )
}  # fmt: skip


def main() -> int:
    """All faults, or those named; the number that ended otherwise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="kills of a work, or a fault (--list)")
    parser.add_argument("--kills", type=int, default=100, help="SIGKILLs in all (100)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="names and what they are")
    arguments = parser.parse_args()
    known = {
        **{name: f"SIGKILL at random moments of '{name}'" for name in WORKS},
        **{n: f.__doc__ for n, f in FAULTS.items()},
    }
    if arguments.list:
        print("\n".join(f"{name:26s} {text}" for name, text in known.items()))
        return 0
    if unknown := [name for name in arguments.names if name not in known]:
        parser.error(f"unknown: {', '.join(unknown)}; --list says what there is")
    wrong = total = 0
    with tempfile.TemporaryDirectory(prefix="jtem-faults-") as folder:
        place = Place(Path(folder), random.Random(arguments.seed))
        for name, text in known.items():
            if arguments.names and name not in arguments.names:
                continue
            begin = time.perf_counter()
            try:
                if name in WORKS:
                    kills = -(-arguments.kills * SHARES[name] // 100)
                    hits = sum(killed(place, name, kills))
                    total += hits
                    said = f"{hits} kills: whole or absent, gone on with to the same bits"
                else:
                    said = FAULTS[name](place)
            except Ended as error:
                wrong, said = wrong + 1, f"WRONG: {' '.join(str(error).split())}"
            print(f"{name:26s} {text}: {said} ({time.perf_counter() - begin:.0f} s)", flush=True)
    print(f"{total} SIGKILLs; {wrong} faults ended otherwise than documented")
    return wrong


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(1 if main() else 0)
