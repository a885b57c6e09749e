"""Kept programs: one folder a processor and set of options, off where anything is unknown, never in the way of a run."""

import json
import os
import subprocess
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace

import jax
import pytest

from jtem import compile_cache
from jtem.commands.main import main

X86 = """processor\t: {n}
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: {model}
model name\t: A processor
stepping\t: 7
microcode\t: 0x5003604
cpu MHz\t\t: {speed}
flags\t\t: fpu sse2 {flags}

"""
ARM = """processor\t: 0
BogoMIPS\t: 243.75
Features\t: fp asimd sve
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x1
CPU part\t: 0xd40
CPU revision\t: 1

"""


def x86(n=0, model=85, speed=2500.0, flags="avx2 avx512f"):
    return X86.format(n=n, model=model, speed=speed, flags=flags)


@pytest.fixture(autouse=True)
def no_folder_of_the_user(monkeypatch):
    """JAX's own variable wins over ours: these tests run without one."""
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    config = jax.config  # a test may put another in its place
    before = config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    config.update("jax_compilation_cache_dir", None)
    yield
    config.update("jax_compilation_cache_dir", before)


@pytest.fixture
def cpuinfo(tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text(x86(0) + x86(1))
    return path


@pytest.fixture
def chosen(cpuinfo, tmp_path):
    """The cache of an environment."""
    return lambda cores=2, **words: compile_cache.choose(
        {"JTEM_CACHE": str(tmp_path / "kept"), **words}, cores, cpuinfo
    )


def test_a_processor_is_its_identity_not_its_speed_or_number():
    one = compile_cache.processor(x86(0))
    assert "flags=fpu sse2 avx2 avx512f" in one and "model=85" in one
    assert compile_cache.processor(x86(0, speed=800.0) + x86(1)) == one
    assert compile_cache.processor(x86(flags="avx2")) != one != compile_cache.processor(x86(model=86))
    assert compile_cache.processor(x86(0) + x86(1, model=86)) not in (one, compile_cache.processor(x86(model=86)))
    assert "Features=fp asimd sve" in compile_cache.processor(ARM)


@pytest.mark.parametrize("text", ["", "processor : 0\nisa : rv64imafdc\n", x86().replace("flags", "bugs")])
def test_a_processor_whose_features_are_not_told_is_unknown(text, tmp_path):
    assert compile_cache.processor(text) == ""
    (tmp_path / "cpuinfo").write_text(text)
    found = compile_cache.choose({"JTEM_CACHE": str(tmp_path / "kept")}, 2, tmp_path / "cpuinfo")
    assert found.folder is None and "features" in found.reason and not (tmp_path / "kept").exists()
    assert compile_cache.choose({"JTEM_CACHE": str(tmp_path / "kept")}, 2, tmp_path / "absent").folder is None


def test_every_part_changes_the_folder():
    parts = compile_cache.circumstances(x86(), 2, "--b=2 --a=1")
    assert set(parts) == {"processor", "cores", "system", "jax", "jaxlib", "flags", "jtem"} and all(parts.values())
    assert parts == compile_cache.circumstances(x86(), 2, "--a=1 --b=2")
    assert compile_cache.circumstances(x86(), 3, "")["cores"] != parts["cores"]
    keys = {compile_cache.key(parts)} | {compile_cache.key(parts | {name: "other"}) for name in parts}
    assert len(keys) == len(parts) + 1


def test_the_folder_is_made_for_its_owner_alone_and_follows_flags_and_processor(chosen, cpuinfo):
    first = chosen().folder
    assert first is not None and first.is_dir() and first.stat().st_mode & 0o077 == 0
    assert chosen().folder == first
    assert len({first, chosen(XLA_FLAGS="--xla_x=1").folder, chosen(cores=1).folder}) == 3
    cpuinfo.write_text(x86(flags="avx2"))
    assert chosen().folder != first


def test_where_it_is(tmp_path):
    home = Path(os.path.expanduser("~"))
    assert compile_cache.root({}) == home / ".cache" / "jtem" / "compiled"
    assert compile_cache.root({"XDG_CACHE_HOME": "relative"}) == home / ".cache" / "jtem" / "compiled"
    assert compile_cache.root({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "jtem" / "compiled"
    assert compile_cache.root({"XDG_CACHE_HOME": "/x", "JTEM_CACHE": str(tmp_path)}) == tmp_path
    assert compile_cache.root({"JTEM_CACHE": "yes"}) is None


def test_the_switch_and_jaxs_own_variables_win(chosen, tmp_path, monkeypatch):
    assert chosen(JTEM_CACHE="OFF") == compile_cache.Cache(None, "JTEM_CACHE=off")
    assert chosen(JTEM_CACHE="yes").folder is None
    with monkeypatch.context() as patch:
        patch.setattr(compile_cache, "accelerator", lambda: True)
        assert chosen().folder is None and "accelerator" in chosen().reason
    try:
        jax.config.update("jax_compilation_cache_dir", str(tmp_path / "theirs"))
        assert chosen(JTEM_CACHE="off") == compile_cache.Cache(tmp_path / "theirs", "JAX_COMPILATION_CACHE_DIR")
        jax.config.update("jax_enable_compilation_cache", False)
        assert chosen().folder is None
    finally:
        jax.config.update("jax_enable_compilation_cache", True)
        jax.config.update("jax_compilation_cache_dir", None)
    assert not (tmp_path / "kept").exists() and not (tmp_path / "theirs").exists()


def test_cpus_alone_are_no_accelerator(monkeypatch):
    config = SimpleNamespace(jax_platforms="cpu")
    monkeypatch.setattr(jax, "config", config)
    assert not compile_cache.accelerator()
    config.jax_platforms = "cuda,cpu"
    assert compile_cache.accelerator()
    config.jax_platforms = None
    monkeypatch.setattr(compile_cache.importlib.metadata, "entry_points", lambda group: ["xla_cuda13"])
    assert compile_cache.accelerator()


def test_a_folder_that_cannot_be_used_switches_it_off(chosen, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    assert "Not a directory" in chosen(JTEM_CACHE=str(tmp_path / "file")).reason
    kept = chosen().folder
    kept.chmod(0o777)
    assert chosen().folder is None and "others may write" in chosen().reason
    kept.chmod(0o700)
    with monkeypatch.context() as patch:
        patch.setattr(compile_cache.shutil, "disk_usage", lambda folder: SimpleNamespace(free=10_000_000))
        assert "200 MB are free" in chosen().reason

    def refuse(**_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(compile_cache.tempfile, "TemporaryFile", refuse)
    assert chosen().folder is None and "Read-only file system" in chosen().reason


def program(folder: Path, name: str, content: bytes, age: float = 0.0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-cache"
    path.write_bytes(content)
    then = path.stat().st_mtime - age
    os.utime(path, (then, then))
    return path


def test_programs_not_used_for_longest_go_first_whatever_their_key(tmp_path):
    paths = [program(tmp_path / f"cpu-{k % 2}", f"p{k}", b"x" * 100, age=1000.0 * k) for k in range(5)]
    os.utime(paths[4], (paths[0].stat().st_mtime + 1, paths[4].stat().st_mtime))  # the oldest was read just now
    other = tmp_path / "notes"
    other.write_text("not ours")
    compile_cache.prune(tmp_path, 300)
    assert [path.exists() for path in paths] == [True, True, False, False, True]
    assert compile_cache.size(tmp_path) == (3, 300)
    compile_cache.prune(tmp_path, 300)
    assert compile_cache.size(tmp_path) == (3, 300)
    compile_cache.prune(tmp_path, 0)
    assert compile_cache.size(tmp_path) == (0, 0) and other.exists()


def test_programs_cut_off_are_removed_and_looked_at_once(chosen, monkeypatch):
    folder = chosen().folder
    good = zlib.compress(b"program" * 1000)
    whole, cut, empty = (program(folder, *pair) for pair in (("a", good), ("b", good[:-9]), ("c", b"")))
    changed = program(folder, "d", good[:20] + bytes([good[20] ^ 1]) + good[21:])
    assert chosen().folder == folder
    assert [path.exists() for path in (whole, cut, empty, changed)] == [True, False, False, False]
    os.utime(whole, (1.0, 1.0))
    monkeypatch.setattr(compile_cache, "whole", lambda content: pytest.fail("looked at again"))
    chosen()


def test_info_tells_and_clears(tmp_path, capsys, monkeypatch):
    assert main(["info"]) == 0
    assert "cache     off: JTEM_CACHE=off" in capsys.readouterr().out
    assert main(["warm"]) == 2
    assert "compiled programs are not kept (JTEM_CACHE=off)" in capsys.readouterr().err
    monkeypatch.setenv("JTEM_CACHE", str(tmp_path))
    folder = program(tmp_path / "cpu-1", "a", b"x" * 2_000_000).parent
    monkeypatch.setattr(compile_cache, "_cache", compile_cache.Cache(folder))
    assert main(["info"]) == 0
    assert f"{folder}: 1 programs, 2.0 MB; 2.0 of 1000 MB" in capsys.readouterr().out
    assert main(["info", "--clear-cache"]) == 0
    assert "cleared   1 compiled programs, 2.0 MB" in capsys.readouterr().out
    assert not list(folder.glob("*-cache"))


SMALL = """
import json, warnings
from jtem.devices import use_all_cores
assert use_all_cores()
import jax, jax.numpy as jnp
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name) if name.endswith("cache_hits") else None)
with warnings.catch_warnings(record=True) as said:
    values = jax.jit(lambda x: jnp.sin(x) / 3)(jnp.arange(5.0)).tolist()
print(json.dumps([values, len(hits), len(said)]))
"""


def test_a_second_process_loads_the_same_and_a_spoilt_program_is_compiled_again(tmp_path):
    if not compile_cache.processor(Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""):
        pytest.skip("this system does not tell the processor's features")

    def process(cache=str(tmp_path)):
        environment = {
            key: value for key, value in os.environ.items() if key not in ("XLA_FLAGS", compile_cache.JAX_VARIABLE)
        }
        done = subprocess.run(
            [sys.executable, "-c", SMALL],
            env=environment | {"JTEM_CACHE": cache, "JAX_PLATFORMS": "cpu"},
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout), done.stderr

    (off, none, _), _ = process("off")
    (cold, nothing, _), _ = process()
    kept = sorted(tmp_path.glob("cpu-*/*-cache"))
    (warm, loaded, _), noise = process()
    assert off == cold == warm and none == nothing == 0 and loaded == len(kept) > 0
    assert noise == ""
    spoilt = next(path for path in kept if "lambda" in path.name)
    os.utime(spoilt.parent / "checked", (4e9, 4e9))  # spoilt after this process looked: what another process half wrote
    spoilt.write_bytes(spoilt.read_bytes()[:100])
    (again, loaded, said), noise = process()
    assert again == off and loaded == len(kept) - 1 and said == 0 and noise == ""
