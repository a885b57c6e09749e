#!/usr/bin/env bash
# fsspec 2026.9.0 with CPython's zipfile (3.11 to 3.13): an archive without members cannot be opened over a network.
#
# Surprising: `numpy.savez(path)` without arrays, or a zip of an empty folder, is 22 bytes and opens from a disk as an archive of nothing.
#   From http (and S3: file systems with fsspec's buffered files) it ends in "ValueError: Seek before
#   start of file". zipfile looks for the longer directory of large archives before the end record, by a seek to a negative place, and
#   takes OSError as "not there"; fsspec's files raise ValueError. An archive with one array is long enough that the seek succeeds.
# Why it matters: states, masks and pieces of results whose content an option turns to nothing (no frozen layers, no tracers) are written,
#   listed and checksummed like the others in an object store, and cannot be read again; on a disk the same code passes all tests.
# Instead: read the object whole and open `io.BytesIO` of it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile fsspec==2026.9.0 aiohttp==3.13.2 numpy==2.4.6 2>/dev/null
cd "$work"
no_proxy=127.0.0.1 "$work/venv/bin/python" - <<'PY'
import asyncio
import io
import pathlib
import sys
import threading

import fsspec
import numpy as np
from aiohttp import web

folder = pathlib.Path("files")
folder.mkdir()
np.savez(folder / "none.npz")
np.savez(folder / "one.npz", frozen_carbon=np.arange(3.0))
serving, address = threading.Event(), []


async def serve():
    """Give the folder's files, parts of them included, on a free port."""
    app = web.Application()
    app.router.add_static("/", folder)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
    serving.set()
    await asyncio.Event().wait()


threading.Thread(target=asyncio.run, args=(serve(),), daemon=True).start()
serving.wait()


def names(opened):
    """Names of an archive's arrays, or why it cannot be opened."""
    with opened as file:
        try:
            return np.load(file).files
        except Exception as error:  # noqa: BLE001: what is raised is the finding
            return f"{type(error).__name__}: {error}"


print(f"fsspec {fsspec.__version__}, Python {sys.version.split()[0]}, none.npz has {(folder / 'none.npz').stat().st_size} bytes")
found = {}
for name in ("one.npz", "none.npz"):
    remote = f"{address[0]}/{name}"
    with fsspec.open(remote) as file:
        whole = io.BytesIO(file.read())
    for where, opened in (("disk", open(folder / name, "rb")), ("http", fsspec.open(remote)), ("http, whole", whole)):
        found[name, where] = names(opened)
        print(f"{name:9} {where:12} {found[name, where]}")

one = ["frozen_carbon"]
as_described = (
    all(found["one.npz", where] == one for where in ("disk", "http", "http, whole"))
    and found["none.npz", "disk"] == found["none.npz", "http, whole"] == []
    and found["none.npz", "http"] == "ValueError: Seek before start of file"
)
print("behaves as described" if as_described else "CHANGED: does not behave as described")
sys.exit(0 if as_described else 1)
PY
