"""Files of several stages written by several processes: the same files, and nothing left where one of them fails."""

import os
import signal
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from jtem.errors import InputError
from jtem.physics.soil_heat import DEFAULT_EDGES
from jtem.records import Grid, StageInfo
from jtem.writers.checkpoint import ChunkStore
from jtem.writers.netcdf import NetcdfSink
from jtem.writers.together import write_stages

STAGES = [StageInfo("historical", 1990, 2009), StageInfo("a", 2010, 2024, "historical"), StageInfo("b", 2010, 2024)]
GRID = Grid(
    latitude=np.array([60.0, 65.0, 70.0, 71.0]),
    longitude=np.array([10.0, 20.0, -30.0, 5.0]),
    area=np.array([100.0, 200.0, 300.0, 50.0]),
    column_cell=np.array([0, 1, 1, 2, 3]),
    column_fraction=np.array([1.0, 0.25, 0.75, 1.0, 1.0]),
)
CHUNKS, YEARS = (slice(0, 2), slice(2, 5)), 10  # the second cell is cut


class Killed(ChunkStore):
    """A store whose reader is killed at stage b, as by the system when memory is short."""

    def replay(self, stage, sink):
        if stage.name == "b":
            os.kill(os.getpid(), signal.SIGKILL)
        super().replay(stage, sink)


def block(seed: int, columns: slice, years: slice) -> dict:
    random = np.random.default_rng([seed, columns.start, years.start])
    shape = (columns.stop - columns.start, years.stop - years.start)
    annual = {
        "net_primary_production": random.uniform(-1, 900, shape),
        "active_layer_thickness": random.uniform(0.1, 70, shape),
        "layer_exposed_carbon": random.uniform(0, 10, (*shape, 25)),
    }
    annual["net_primary_production"][0, 0] = np.nan if seed else 1e9  # implausible, once
    return {"monthly": {"net_primary_production": random.uniform(-1, 90, (*shape, 12))}, "annual": annual}


def kept(folder: Path, kind: type = ChunkStore) -> ChunkStore:
    store = kind(folder, {"plan": "p"})
    for columns in CHUNKS:
        for number, stage in enumerate(STAGES):
            for first in range(0, stage.years, YEARS):
                years = slice(first, min(first + YEARS, stage.years))
                store.write(stage, columns, years, block(number, columns, years))
    return store


def write(store: ChunkStore, folder: Path, processes: int) -> dict[str, str]:
    told = []
    with NetcdfSink(folder, "t", GRID, attributes={"title": "x"}, heat_edges=DEFAULT_EDGES) as sink:
        write_stages(store, STAGES, sink, processes, lambda done, total: told.append((done, total)))
        sink.finish({4: "not finite"}, {"note": 1})
        assert told == [(1, 3), (2, 3), (3, 3)]
        return dict(sink.implausible)


def content(path: Path) -> dict:
    with netCDF4.Dataset(path) as data:
        data.set_auto_mask(False)
        said = {name: data.getncattr(name) for name in data.ncattrs() if name != "history"}
        arrays = {n: (v.dimensions, v.dtype, v.chunking(), v[...].tolist()) for n, v in data.variables.items()}
        return {"attributes": said, **arrays}


def test_several_processes_write_the_files_of_one(tmp_path):
    store = kept(tmp_path)
    one, several = tmp_path / "one", tmp_path / "several"
    said = write(store, one, 1)
    assert write(store, several, 2) == said and "nppx" not in said and len(said) == 1
    names = sorted(path.name for path in one.iterdir())
    assert len(names) == 6 and names == sorted(path.name for path in several.iterdir())
    for name in names:
        assert content(one / name) == content(several / name), name
    with netCDF4.Dataset(one / "t_a_annual.nc") as data:  # a cell of two columns that are in two chunks
        first, second = (block(1, columns, slice(0, YEARS))["annual"]["layer_exposed_carbon"] for columns in CHUNKS)
        mean = 0.25 * first[1] + 0.75 * second[0]
        scale = data["layer_exposed_carbon"][:YEARS, :, 1] / mean
        np.testing.assert_allclose(scale, scale[0, 0], rtol=1e-6)


def test_an_error_of_one_process_is_raised_here_and_nothing_is_left(tmp_path):
    store = kept(tmp_path)
    piece = next(store.folder.glob("columns.*/out.a.00000.npz"))
    piece.write_bytes(piece.read_bytes()[:100])
    with pytest.raises(InputError, match=r"unfinished work cannot be read .*discard it with --force"):
        write(store, tmp_path / "files", 2)
    assert not (tmp_path / "files").exists()


def test_a_process_that_is_killed(tmp_path):
    store = kept(tmp_path, Killed)
    with pytest.raises(ChildProcessError, match="the end of a process that wrote files"):
        write(store, tmp_path / "files", 2)
    assert not (tmp_path / "files").exists()
