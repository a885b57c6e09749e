"""The Zarr store without running the model: same files as from pieces, whole chunks only, status, several processes."""

import json
import shutil
import warnings
from dataclasses import replace

import netCDF4
import numpy as np
import pytest
import xarray as xr
from test_netcdf import ATTRIBUTES, GRID, HISTORY, part, results

from jtem.errors import InputError
from jtem.physics.soil_heat import DEFAULT_EDGES
from jtem.records import Selection, StageInfo
from jtem.writers.checkpoint import ChunkStore
from jtem.writers.netcdf import NetcdfSink
from jtem.writers.together import write_stages

pytest.importorskip("zarr", reason="needs the extra 'distributed' (zarr)")
from jtem.writers.zarr import ZarrStore

STAGES = (HISTORY, StageInfo("warm", 2005, 2007, parent="historical", expose=True))
SELECTION = Selection(
    ("net_primary_production", "soil_temperature"),
    (("net_primary_production", "sum"), ("vegetation_carbon", "last"), ("active_layer_thickness", "year"),
     ("layer_exposed_carbon", "year")),
)  # fmt: skip
CHUNKS = (slice(0, 2), slice(2, 4))


def create(folder, double=True):
    return ZarrStore.create(
        folder / "x.zarr", GRID, STAGES, SELECTION, chunk_columns=2, block_years=3,
        attributes={**ATTRIBUTES, "plan": "text"}, heat_edges=DEFAULT_EDGES, double=double,
    )  # fmt: skip


def work(store: ChunkStore, chunk: int):
    columns = CHUNKS[chunk]
    for stage in STAGES:
        data = results(4, stage.years)
        for first in range(0, stage.years, 3):
            years = slice(first, min(first + 3, stage.years))
            store.write(stage, columns, years, part(data, columns, years))
        store.save(columns, stage.name, {}, {3: "not finite"} if chunk == 1 else {})


def written(folder, replay):
    with NetcdfSink(folder, "x", GRID, attributes=ATTRIBUTES, heat_edges=DEFAULT_EDGES, double=True) as sink:
        replay(sink)
        return sink.finish({})


def test_two_processes_and_a_restart_give_the_files_of_pieces(tmp_path):
    units = [stage.name for stage in STAGES]
    pieces = ChunkStore(tmp_path / "pieces", {"plan": "x"})
    for chunk in (0, 1):
        work(pieces, chunk)
    whole = written(tmp_path / "a", lambda sink: write_stages(pieces, STAGES, sink))

    # the second process starts with the first one's store, and one block is written twice as after a kill
    for i in (1, 0):
        zarr = create(tmp_path)
        store = ChunkStore(tmp_path / "streamed", {"plan": "x"}, results=zarr, units=units)
        zarr.write(STAGES[0], CHUNKS[i], slice(0, 3), part(results(4, 4), CHUNKS[i], slice(0, 3)))
        assert zarr.root["status"][CHUNKS[i]].tolist() == [0, 0]
        work(store, i)
    assert not list((tmp_path / "streamed" / ".jtem-work").rglob("out.*"))
    zarr = ZarrStore.open(tmp_path / "x.zarr")
    assert zarr.root["status"][:].tolist() == [1, 1, 1, 2] and list(zarr.failed()) == [3]
    left = tmp_path / "x.zarr" / "status" / "c" / "0.75c54a88.partial"  # by a process that was killed while it wrote
    left.write_bytes(b"half")
    zarr.tidy()
    assert not left.exists() and (tmp_path / "x.zarr" / "status" / "c" / "0").exists()
    streamed = written(tmp_path / "b", lambda sink: write_stages(store, STAGES, sink))
    alone = written(tmp_path / "c", zarr.replay)
    assert [p.name for p in whole] == [p.name for p in streamed] == [p.name for p in alone] and len(whole) == 4
    for first, *others in zip(whole, streamed, alone, strict=True):
        for other in others:
            with netCDF4.Dataset(first) as a, netCDF4.Dataset(other) as b:
                for name in a.variables:
                    np.testing.assert_array_equal(a[name][:], b[name][:], err_msg=f"{other} {name}")


def test_arrays_say_what_they_are(tmp_path):
    zarr = create(tmp_path, double=False)
    array = zarr.root["historical/annual/layer_exposed_carbon"]
    assert array.shape == (4, 25, 4) and array.chunks == (3, 25, 2) and str(array.dtype) == "float32"
    assert (
        array.metadata.dimension_names == ("time", "carbon_depth", "column") and array.attrs["units"] == "gC m-2 year-1"
    )
    assert zarr.root["warm/monthly/net_primary_production"].shape == (36, 4)
    assert zarr.grid().area.tolist() == GRID.area.tolist() and zarr.stages[1].expose


def test_xarray_opens_a_group_without_a_warning_as_the_files_are(tmp_path):
    words = np.array(["shrub", "tundra", "tundra"], dtype=object)
    store = ZarrStore.create(
        tmp_path / "x.zarr", replace(GRID, communities=words), STAGES, SELECTION, chunk_columns=2, block_years=3,
        attributes=ATTRIBUTES, heat_edges=DEFAULT_EDGES,
    )  # fmt: skip
    for columns in CHUNKS:
        for years in (slice(0, 3), slice(3, 4)):
            store.write(STAGES[0], columns, years, part(results(4, 4), columns, years))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with (
            xr.open_zarr(tmp_path / "x.zarr", group="historical/annual", consolidated=True) as annual,
            xr.open_zarr(tmp_path / "x.zarr", group="historical/monthly", consolidated=True) as monthly,
        ):
            assert annual["vegetation_carbon"].dims == ("time", "column")
            assert set(annual.coords) == {"time", "year", "lat", "lon", "areacella", "community", "carbon_depth"}
            assert annual["year"].values.tolist() == [2001, 2002, 2003, 2004]
            assert annual["community"].values.tolist() == ["shrub", "tundra", "tundra", "tundra"]
            assert annual["areacella"].values.tolist() == [1e8, 0.5e8, 1.5e8, 3e8]
            assert annual["lat"].attrs["standard_name"] == "latitude"
            assert monthly["soil_temperature"].attrs["units_metadata"] == "temperature: on_scale"
            assert monthly["time"].dt.month.values[:13].tolist() == [*range(1, 13), 1]
            expected = results(4, 4)["monthly"]["soil_temperature"].reshape(4, 48, 33)[2, :, 5]
            np.testing.assert_allclose(monthly["soil_temperature"].isel(column=2, depth=5).values, expected, rtol=1e-6)


def test_a_store_without_coordinates_stays_readable(tmp_path):
    store = create(tmp_path)
    data = results(4, 4)
    for columns in CHUNKS:
        for years in (slice(0, 3), slice(3, 4)):
            store.write(STAGES[0], columns, years, part(data, columns, years))
    for group in (
        p.parent for p in (tmp_path / "x.zarr").glob("*/*/year")
    ):  # as stores were before they had coordinates
        for name in ("time", "time_bnds", "lat", "lon", "areacella", "depth", "depth_bnds", "carbon_depth"):
            shutil.rmtree(group / name, ignore_errors=True)
        meta = json.loads((group / "zarr.json").read_text())
        meta.pop("consolidated_metadata", None)
        (group / "zarr.json").write_text(json.dumps(meta))
    root = json.loads((tmp_path / "x.zarr" / "zarr.json").read_text())
    root.pop("consolidated_metadata", None)
    (tmp_path / "x.zarr" / "zarr.json").write_text(json.dumps(root))
    old = ZarrStore.open(tmp_path / "x.zarr")
    (years, block), *_ = old.blocks(old.stages[0], CHUNKS[1])
    assert set(block["annual"]) == {name for name, _ in SELECTION.annual} and years == slice(0, 3)
    np.testing.assert_array_equal(block["monthly"]["soil_temperature"], data["monthly"]["soil_temperature"][2:, :3])


def test_part_of_a_chunk_is_refused(tmp_path):
    zarr = create(tmp_path)
    data = results(4, 4)
    for columns, years in ((slice(0, 1), slice(0, 3)), (slice(1, 3), slice(0, 3)), (slice(0, 2), slice(1, 3))):
        with pytest.raises(ValueError, match="do not cover whole chunks"):
            zarr.write(STAGES[0], columns, years, part(data, columns, years))


def test_no_store_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="no Zarr store of a run"):
        ZarrStore.open(tmp_path / "x.zarr")
