"""Files in which a bit flipped, or that were cut off, are refused with a sentence or read as they were."""

import errno
import random
from typing import NamedTuple

import numpy as np
import pytest

from jtem.commands import main as command
from jtem.errors import InputError, not_written
from jtem.writers import checkpoint, states


class Numbers(NamedTuple):
    carbon: np.ndarray = np.linspace(0.0, 1.0, 600).reshape(2, 300)
    water: np.ndarray = np.arange(2.0)


NUMBERS = Numbers()._asdict()


def hurt(content: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.3:
        return content[: rng.randrange(len(content))]
    broken = bytearray(content)
    broken[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(broken)


def test_a_damaged_state_is_never_other_numbers(tmp_path):
    path, rng, refused = tmp_path / "state.nc", random.Random(0), 0
    states.save_state(path, Numbers(), {"parameter_hash": "p"})
    content = path.read_bytes()
    for _ in range(60):
        path.write_bytes(hurt(content, rng))
        try:
            found = states.load_state(path, Numbers(), "p")._asdict()
        except InputError:
            refused += 1
            continue
        for name, values in NUMBERS.items():
            np.testing.assert_array_equal(found[name], values)
    assert refused > 10  # other bits lie in nothing that is read


def test_damaged_work_is_refused(tmp_path):
    store = checkpoint.ChunkStore(tmp_path, {"plan": "p"})
    store.save(slice(0, 2), "spinup", NUMBERS, {1: "why"})
    (path,) = tmp_path.rglob("done.spinup.npz")
    content, rng, refused = path.read_bytes(), random.Random(1), 0
    for _ in range(60):
        path.write_bytes(hurt(content, rng))
        try:
            found = store.load(slice(0, 2), "spinup")
        except InputError as error:
            refused += "unfinished work cannot be read" in str(error) and "--force" in str(error)
            continue
        assert found is not None
        for name, values in NUMBERS.items():
            np.testing.assert_array_equal(found[name], values)
    assert refused > 30
    path.write_bytes(content)
    (failed,) = tmp_path.rglob("failed.spinup.json")
    failed.write_text("{")
    with pytest.raises(InputError, match="unfinished work cannot be read"):
        store.failures(slice(0, 2))


def test_a_damaged_chunk_of_zarr_is_refused(tmp_path):
    pytest.importorskip("zarr", reason="needs the extra 'distributed' (zarr)")
    from test_zarr import CHUNKS, STAGES, create, part, results

    store, years = create(tmp_path), slice(0, 3)
    store.write(STAGES[0], CHUNKS[0], years, part(results(4, STAGES[0].years), CHUNKS[0], years))
    assert next(iter(store.blocks(STAGES[0], CHUNKS[0])))[0] == years
    chunks = [path for path in (tmp_path / "x.zarr" / "historical").rglob("c/*") if path.is_file()]
    chunks += [path for path in (tmp_path / "x.zarr" / "historical").rglob("c/*/*") if path.is_file()]
    path = max((p for p in chunks if "net_primary_production" in str(p)), key=lambda p: p.stat().st_size)
    broken = bytearray(path.read_bytes())
    broken[len(broken) // 2] ^= 4
    path.write_bytes(bytes(broken))
    with pytest.raises(InputError, match="cannot be read"):
        list(store.blocks(STAGES[0], CHUNKS[0]))


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "a.npz"),
            "a file that cannot be written (No space left on device: a.npz)",
        ),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "a file that cannot be written (Disk quota exceeded)"),
        (RuntimeError("NetCDF: HDF error"), "is the disk full?"),
        (OSError(errno.ENOENT, "No such file"), ""),
        (RuntimeError("shapes differ"), ""),
    ],
)
def test_a_full_disk_is_a_sentence_and_a_mistake_of_ours_is_not(error, says, monkeypatch, capsys, tmp_path):
    assert (says in not_written(error)) if says else not_written(error) == ""

    def fails(arguments):
        raise error

    monkeypatch.setattr("jtem.commands.tables.command_variables", fails)
    if not says:
        with pytest.raises(type(error)):
            command.main(["variables"])
        return
    assert command.main(["variables"]) == 2
    assert says in capsys.readouterr().err
