"""Chunks of columns as tasks of Dask: bitwise a plain run, whoever did which part of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from calibration_twins import carbon_twin
from cluster_cases import TINY, plan, same_files
from jtem.cluster import places
from jtem.commands.main import main
from jtem.errors import InputError
from jtem.run import layout

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), *sys.path])}
ENVIRONMENT.pop("XLA_FLAGS", None)
pytest.importorskip("distributed", reason="needs the extra 'distributed' (Dask)")
__all__ = ["plan"]


def test_cases_on_workers():
    """The cases of ``cluster_cases.py``, in a process without the checks of shapes."""
    command = [sys.executable, "-m", "pytest", "-n", "0", "--noconftest", "-p", "no:logging", "tests/cluster_cases.py"]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


def test_layouts_with_the_same_bits():
    from dataclasses import replace

    from jtem.assemble.course import prepare
    from jtem.plan import parse

    experiment = prepare(parse(TINY, "tiny"), None).experiment
    experiment = replace(experiment, column_cell=np.zeros(5000, int), chunk_columns=1024)
    several = "tiles of 128 columns, 1 runs, several devices"
    assert layout.described(experiment, 2) == layout.described(experiment, 4) == several
    assert layout.described(experiment, 1) == several.replace("several devices", "one device")
    assert layout.described(experiment, 8) == several.removeprefix("tiles of ") != layout.described(experiment, 16)


def test_words_that_are_refused(plan, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(places, "CONNECT_SECONDS", 1)
    for place, words in {
        "tcp://127.0.0.1:1": "no scheduler answers",
        "nonsense://x": "give local, a scheduler's address",
        "none.toml": "is no TOML file that can be read",
    }.items():
        assert main(["run", "tiny.toml", "--out", "out", "--dask", place]) == 2
        assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('system = "slrum"', "did you mean 'slurm'"),
        ('system = "slurm"\nworker = 2', "did you mean 'workers'"),
        ('system = "slurm"\n[job]\nqeue = "long"', "did you mean 'queue'"),
        ('system = "pbs"\n[job]\ncores = 4', "cores and memory"),
    ],
)
def test_a_batch_file_with_a_slip(text, words, tmp_path):
    pytest.importorskip("dask_jobqueue", reason="needs dask-jobqueue")
    path = tmp_path / "jobs.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        places.batch(path, 0)


def test_a_job_asks_for_one_task_at_a_time(tmp_path):
    pytest.importorskip("dask_jobqueue", reason="needs dask-jobqueue")
    path = tmp_path / "jobs.toml"
    path.write_text('system = "slurm"\nworkers = 0\n[job]\ncores = 16\nmemory = "32GB"\nqueue = "long"\n')
    with places.batch(path, 0) as cluster:
        script = cluster.job_script()
    assert "#SBATCH -p long" in script and "--cpus-per-task=16" in script
    assert script.rstrip().endswith("--nthreads 1")


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_processes_give_bitwise_the_files_of_one(workers, plan):
    for out, more in (("plain", []), ("many", ["--dask", "local", "--workers", str(workers)])):
        command = [sys.executable, "-m", "jtem", "run", str(plan), "--out", out, *more]
        subprocess.run(command, env=ENVIRONMENT, check=True, timeout=900)
    assert same_files(plan.parent / "plain", plan.parent / "many") == 4


def test_what_dask_logs_of_a_lost_scheduler_is_said_in_words():
    """In a process that has not imported Dask: its import sets the levels of its loggers."""
    code = (
        "import logging, sys; from jtem.cluster import places, sharing; from jtem.errors import InputError\n"
        "assert 'distributed' not in sys.modules; places.CONNECT_SECONDS = 1\n"
        "try:\n    with sharing.spread('tcp://127.0.0.1:1', 0, print): pass\n"
        "except InputError as error: print(error)\n"
        "print(logging.getLogger('distributed.client').getEffectiveLevel() == logging.CRITICAL)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.endswith("True\n") and "no scheduler answers" in done.stdout, (
        done.stderr
    )


@pytest.mark.slow
def test_a_calibration_on_workers_ends_where_one_process_does(tmp_path):
    """Each group of sites is a batch of its own: misfits and parameters to rounding."""
    _, twin, _ = carbon_twin(tmp_path)
    twin.write_text(twin.read_text().replace("iterations = 40", "iterations = 3"))
    found = {}
    for out, more in (("here", []), ("there", ["--dask", "local", "--workers", "2"])):
        command = [sys.executable, "-m", "jtem", "calibrate", str(twin), "--out", str(tmp_path / out), *more]
        done = subprocess.run(command, env=ENVIRONMENT, check=True, timeout=1200, capture_output=True, text=True)
        assert ("2 workers; " in done.stderr) == bool(more)
        (search,) = json.loads((tmp_path / out / "search.json").read_text())["searches"]
        assert search["history"][-1] < 0.5 * search["history"][0]  # both did search
        found[out] = np.array(search["x"])
    # free coordinates after three steps: 2.3e-13 measured, as a group of sites is a batch of its own
    np.testing.assert_allclose(found["there"], found["here"], rtol=0, atol=1e-11)
