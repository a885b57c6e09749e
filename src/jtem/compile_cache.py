"""Compiled programs kept between processes (JAX's persistent compilation cache), in a folder a processor and set of options.

JAX's own key of a program does not hold all features of the processor, and a program compiled for another processor may end
the process. So the folder's name is a hash of all that decides what XLA makes (:func:`circumstances`); where any of it is
unknown, the cache is off. It is off, too, with accelerators, whose drivers and devices the name does not hold.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import tempfile
import time
import warnings
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jtem import __version__

VARIABLE = "JTEM_CACHE"
JAX_VARIABLE = "JAX_COMPILATION_CACHE_DIR"
LIMIT = 1_000_000_000
"""Bytes of all folders together; the programs not used for longest go when a process starts with more."""
ROOM = 200_000_000
"""Bytes that must be free: a cache must not fill a disk."""
IDENTITY = {"vendor_id", "cpu family", "model", "model name", "stepping", "flags"}
IDENTITY_OF_ARM = {"CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision", "Features"}
"""What Linux says a processor is (/proc/cpuinfo); microcode, frequency and number change without changing programs."""


@dataclass(frozen=True)
class Cache:
    """``folder``: where programs are kept, None where they are not; ``reason``: why not, or who chose the folder."""

    folder: Path | None = None
    reason: str = ""


def processor(text: str) -> str:
    """What identifies the processors that /proc/cpuinfo describes, all of their kinds; empty where features are not told."""
    pairs = {tuple(part.strip() for part in line.split(":", 1)) for line in text.splitlines() if ":" in line}
    for fields in (IDENTITY, IDENTITY_OF_ARM):
        if fields <= {pair[0] for pair in pairs}:
            return "\n".join(sorted(f"{name}={value}" for name, value in pairs if name in fields))
    return ""


def circumstances(cpuinfo: str, cores: int, flags: str) -> dict[str, str]:
    """All that decides which machine code XLA makes of a program, or what may load it; ``cores``: those that may be used."""
    return {
        "processor": processor(cpuinfo),
        "cores": f"{cores} of {os.cpu_count()}",
        "system": f"{platform.system()} {platform.machine()}",
        "jax": importlib.metadata.version("jax"),
        "jaxlib": importlib.metadata.version("jaxlib"),
        "flags": " ".join(sorted(flags.split())),
        "jtem": __version__,
    }


def key(parts: Mapping[str, str]) -> str:
    """Name of the folder of programs made under ``parts``."""
    return "cpu-" + hashlib.sha256(repr(sorted(parts.items())).encode()).hexdigest()[:20]


def root(environment: Mapping[str, str]) -> Path | None:
    """Folder of all keys: JTEM_CACHE, else ``jtem/compiled`` of the user's cache folder; None where that is no absolute path."""
    given = environment.get(VARIABLE, "")
    if given:
        path = Path(os.path.expanduser(given))
        return path if path.is_absolute() else None
    base = Path(environment.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        base = Path(os.path.expanduser("~/.cache"))
    return base / "jtem" / "compiled" if base.is_absolute() else None


def choose(environment: Mapping[str, str], cores: int, cpuinfo: Path = Path("/proc/cpuinfo")) -> Cache:
    """The folder of this process, made and tried, or why there is none. Nothing here fails."""
    import jax

    if not getattr(jax.config, "jax_enable_compilation_cache", True):
        return Cache(None, "JAX_ENABLE_COMPILATION_CACHE switches it off")
    theirs = getattr(jax.config, "jax_compilation_cache_dir", None)
    if theirs:
        return Cache(Path(theirs), JAX_VARIABLE)
    if environment.get(VARIABLE, "").strip().lower() == "off":
        return Cache(None, f"{VARIABLE}=off")
    home = root(environment)
    if home is None:
        return Cache(None, f"{VARIABLE} or the home folder is no absolute path")
    if accelerator():
        return Cache(None, "an accelerator's JAX is installed (JAX_PLATFORMS=cpu leaves it out)")
    try:
        parts = circumstances(cpuinfo.read_text(), cores, environment.get("XLA_FLAGS", ""))
    except OSError:
        return Cache(None, "this system does not tell the processor's features")
    if not parts["processor"]:
        return Cache(None, "this system does not tell the processor's features")
    folder = home / key(parts)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_uid != os.getuid() or found.st_mode & 0o022:
            return Cache(None, f"{folder}: others may write programs into it")
        if shutil.disk_usage(folder).free < ROOM:
            return Cache(None, f"{folder}: less than {ROOM // 1_000_000} MB are free")
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"x")
        remove_broken(folder)
        prune(home)
    except OSError as error:
        return Cache(None, f"{folder}: {error.strerror or error}")
    return Cache(folder, VARIABLE if environment.get(VARIABLE) else "")


def accelerator() -> bool:
    """Whether JAX may run on something else than CPUs: asked before JAX starts."""
    import jax

    platforms = getattr(jax.config, "jax_platforms", None)
    if platforms:
        return platforms != "cpu"
    plugins = importlib.metadata.entry_points(group="jax_plugins")
    return bool(plugins) or any(importlib.util.find_spec(name) for name in ("jax_plugins", "libtpu"))


_cache = Cache(None, "JAX runs as it was started before jtem")


def current() -> Cache:
    """The cache of this process."""
    return _cache


def use(cores: int) -> None:
    """Let JAX keep programs, and load those kept, if JAX has not started or nothing was compiled yet; once a process."""
    import jax

    global _cache
    if _cache.folder is not None:
        return
    _cache = choose(os.environ, cores)
    if _cache.folder is None or _cache.reason == JAX_VARIABLE:
        return
    jax.config.update("jax_compilation_cache_dir", str(_cache.folder))
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    # a folder that is full, or a program cut off: JAX compiles as if there were no cache
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache entry")


def programs(home: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Kept programs below ``home``, of all keys."""
    for path in home.glob("cpu-*/*-cache"):
        with contextlib.suppress(OSError):  # another process removed it
            yield path, path.stat()


def prune(home: Path, limit: int = LIMIT) -> None:
    """Remove the programs not used for longest (read or written) until ``limit`` bytes are left."""
    found = sorted(programs(home), key=lambda item: max(item[1].st_atime, item[1].st_mtime))
    total = sum(status.st_size for _, status in found)
    for path, status in found:
        if total <= limit:
            break
        with contextlib.suppress(OSError):
            path.unlink()
        total -= status.st_size


def remove_broken(folder: Path) -> None:
    """Remove programs written since the last call that were cut off: JAX would fail to read each and never write it again."""
    mark = folder / "checked"
    last = mark.stat().st_mtime if mark.exists() else 0.0
    now = time.time()
    for path in folder.glob("*-cache"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime >= last and not whole(path.read_bytes()):
                path.unlink()
    mark.touch()
    os.utime(mark, (now - 1.0, now - 1.0))  # clocks of file systems are coarse


def whole(content: bytes) -> bool:
    """Whether a kept program is complete: its checksum where it is zlib (zstandard's reader finds cut ones by itself)."""
    if content[:1] != b"\x78":
        return len(content) > 0
    try:
        zlib.decompress(content)
    except zlib.error:
        return False
    return True


def size(home: Path) -> tuple[int, int]:
    """Number of programs of all keys and their bytes."""
    sizes = [status.st_size for _, status in programs(home)]
    return len(sizes), sum(sizes)


def clear() -> tuple[int, int]:
    """Remove all kept programs of all keys; returns how many there were and their bytes."""
    home = root(os.environ)
    if home is None:
        return 0, 0
    before = size(home)
    prune(home, 0)
    after = size(home)
    return before[0] - after[0], before[1] - after[1]


def described() -> str:
    """One line for people: where programs are kept and how much, or why not."""
    cache = current()
    if cache.folder is None:
        return f"off: {cache.reason}"
    if cache.reason == JAX_VARIABLE:
        return f"{cache.folder} ({JAX_VARIABLE}: kept by JAX's own rules, not bounded)"
    here = [path.stat().st_size for path in cache.folder.glob("*-cache")]
    total = size(cache.folder.parent)[1]
    return (
        f"{cache.folder}: {len(here)} programs, {sum(here) / 1e6:.1f} MB; {total / 1e6:.1f} of {LIMIT / 1e6:.0f} MB with those "
        f"of other processors, options and versions; {VARIABLE}=off switches it off, jtem info --clear-cache empties it"
    )
