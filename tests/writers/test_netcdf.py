"""The sink and state files, without running the model."""

from dataclasses import replace

import equinox as eqx
import numpy as np
import pytest
import xarray as xr
from jaxtyping import Array, Float

from jtem.errors import InputError
from jtem.files import prepare_folder
from jtem.physics.soil_heat import DEFAULT_EDGES
from jtem.records import Grid, StageInfo
from jtem.writers.memory import MemorySink
from jtem.writers.netcdf import NetcdfSink
from jtem.writers.states import load_state, save_state, state_attributes

HISTORY = StageInfo("historical", 2001, 2004)
GRID = Grid(
    latitude=np.array([60.0, 65.0, 70.0]),
    longitude=np.array([10.0, 20.0, -30.0]),
    area=np.array([100.0, 200.0, 300.0]),
    column_cell=np.array([0, 1, 1, 2]),
    column_fraction=np.array([1.0, 0.25, 0.75, 1.0]),
)
ATTRIBUTES = {"title": "test", "institution": "unspecified", "parameter_hash": "abc", "precision": "float64"}


def results(columns: int, years: int) -> dict:
    monthly = np.arange(columns * years * 12, dtype=np.float64).reshape(columns, years, 12)
    annual = np.arange(columns * years, dtype=np.float64).reshape(columns, years)
    return {
        "monthly": {
            "net_primary_production": monthly,
            "soil_temperature": np.repeat(monthly[..., None] / 100, 33, axis=-1),
        },
        "annual": {
            "net_primary_production": annual,
            "vegetation_carbon": 1000.0 + annual,
            "active_layer_thickness": np.array([[0.5], [2.0], [60.5], [60.5]]) + np.zeros((columns, years)),
            "layer_exposed_carbon": np.ones((columns, years, 25)),
        },
    }


def part(data: dict, columns: slice, years: slice) -> dict:
    return {f: {n: v[columns, years] for n, v in fields.items()} for f, fields in data.items()}


def write_all(folder, chunks, failed=None):
    data = results(4, 4)
    with NetcdfSink(folder, "t", GRID, attributes=ATTRIBUTES, heat_edges=DEFAULT_EDGES) as sink:
        for columns in chunks:
            for years in (slice(0, 3), slice(3, 4)):
                sink.write(HISTORY, columns, years, part(data, columns, years))
        sink.finish(failed or {}, {"spin_up_closed_columns": 4})
    return data


def test_files_are_cf_with_units_bounds_and_provenance(tmp_path):
    data = write_all(tmp_path, [slice(0, 4)])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t_historical_annual.nc", "t_historical_monthly.nc"]
    with xr.open_dataset(tmp_path / "t_historical_monthly.nc") as monthly:
        assert monthly.attrs["Conventions"] == "CF-1.11"
        assert monthly.attrs["source"].startswith("jtem ")
        assert monthly.attrs["parameter_hash"] == "abc"
        assert monthly["npp"].dims == ("time", "cell")
        assert monthly["tsl"].dims == ("time", "depth", "cell")
        assert monthly["npp"].attrs["units"] == "kg m-2 s-1"
        assert monthly["npp"].attrs["cell_methods"] == "area: mean where land time: mean"
        assert monthly["time"].dt.year.values[-1] == 2004 and monthly["time"].dt.month.values[-1] == 12
        assert monthly["depth_bnds"].values[-1, 1] == 60.5
        expected = data["monthly"]["net_primary_production"][0, 0, 1] / 1000 / (28 * 86400)
        assert monthly["npp"].values[1, 0] == pytest.approx(expected, rel=1e-6)
        assert monthly["tsl"].values[0, 0, 0] == pytest.approx(273.15)
    with xr.open_dataset(tmp_path / "t_historical_annual.nc", decode_times=False) as annual:
        assert annual["year"].values.tolist() == [2001, 2002, 2003, 2004]
        assert annual["time_bnds"].values[-1, 1] == 4 * 365
        assert annual["areacella"].values.tolist() == [1e8, 2e8, 3e8]
        assert annual["layer_exposed_carbon"].dims == ("time", "carbon_depth", "cell")


@pytest.mark.parametrize("double", [False, True])
def test_results_in_memory_are_those_of_the_files(tmp_path, double):
    data = results(4, 4)
    data["annual"]["vegetation_carbon"][2, 3] = np.nan
    grid = replace(GRID, communities=np.array(["shrub", "tundra", "tundra"], dtype=object))
    memory = MemorySink(grid, attributes=ATTRIBUTES, heat_edges=DEFAULT_EDGES, double=double)
    with NetcdfSink(tmp_path, "t", grid, attributes=ATTRIBUTES, heat_edges=DEFAULT_EDGES, double=double) as sink:
        for columns in (slice(0, 2), slice(2, 4)):  # the second cell is cut
            for target in (sink, memory):
                target.write(HISTORY, columns, slice(0, 4), part(data, columns, slice(0, 4)))
        sink.finish({3: "not finite"}, {"spin_up_columns": 4})
        memory.finish({3: "not finite"}, {"spin_up_columns": 4})
    for frequency in ("monthly", "annual"):
        with xr.open_dataset(tmp_path / f"t_historical_{frequency}.nc") as file:
            mine = memory.dataset("historical", frequency)
            xr.testing.assert_equal(file.load(), mine)
            assert set(mine.coords) == set(file.coords) >= {"lat", "lon", "year", "community"}
            for name in file.variables:
                assert file[name].dtype == mine[name].dtype
                said = {k: v for k, v in file[name].attrs.items() if k != "flag_values"}
                assert said == {k: v for k, v in mine[name].attrs.items() if k != "flag_values"}, name
            assert {*file.attrs} == {*mine.attrs} and "failed_cells" in mine.attrs
    with pytest.raises(InputError, match="no results 'historcal annual'; did you mean 'historical annual'"):
        memory.dataset("historcal", "annual")


def test_a_variable_is_drawn_by_xarray_alone(tmp_path):
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="needs the extra 'plots'")
    pytest.importorskip("nc_time_axis", reason="needs the extra 'plots' (nc-time-axis)")
    write_all(tmp_path, [slice(0, 4)])
    with xr.open_dataset(tmp_path / "t_historical_monthly.nc") as monthly:
        (line,) = monthly["tsl"].isel(depth=0, cell=0).plot.line()
        assert np.size(line.get_xdata()) == 48
        assert monthly["tsl"].attrs["units_metadata"] == "temperature: on_scale"
        assert "units_metadata" not in monthly["npp"].attrs
    pyplot.close("all")


def test_columns_of_a_cell_are_summed_by_area(tmp_path):
    data = write_all(tmp_path, [slice(0, 4)])
    with xr.open_dataset(tmp_path / "t_historical_annual.nc", decode_times=False) as annual:
        carbon = data["annual"]["vegetation_carbon"]
        expected = (0.25 * carbon[1] + 0.75 * carbon[2]) / 1000
        np.testing.assert_allclose(annual["cVeg"].values[:, 1], expected, rtol=1e-6)
        np.testing.assert_allclose(annual["permafrost_fraction"].values[0], [1.0, 0.25, 0.0])
        np.testing.assert_allclose(annual["thawdepth"].values[0], [0.5, 0.25 * 2 + 0.75 * 10, 60.5])


def test_a_cell_cut_by_a_chunk_is_the_same(tmp_path):
    write_all(tmp_path / "whole", [slice(0, 4)])
    write_all(tmp_path / "cut", [slice(0, 2), slice(2, 4)])
    for frequency in ("monthly", "annual"):
        name = f"t_historical_{frequency}.nc"
        with xr.open_dataset(tmp_path / "whole" / name) as whole, xr.open_dataset(tmp_path / "cut" / name) as cut:
            for variable in whole.data_vars:
                if whole[variable].dtype.kind == "f":
                    np.testing.assert_allclose(cut[variable].values, whole[variable].values, rtol=1e-6)


def test_failed_columns_are_missing_and_named(tmp_path):
    write_all(tmp_path, [slice(0, 4)], failed={2: "historical 2003: npp is not finite"})
    with xr.open_dataset(tmp_path / "t_historical_annual.nc", decode_times=False) as annual:
        assert np.isnan(annual["npp"].values[:, 1]).all()
        assert np.isfinite(annual["npp"].values[:, [0, 2]]).all()
        assert annual["status"].values.tolist() == [1, 2, 1]
        assert "65.000, 20.000" in annual.attrs["failed_cells"]


def test_nothing_half_written_stays(tmp_path):
    folder = tmp_path / "out"
    data = results(4, 4)
    with (
        pytest.raises(KeyboardInterrupt),
        NetcdfSink(folder, "t", GRID, attributes=ATTRIBUTES, heat_edges=DEFAULT_EDGES) as sink,
    ):
        sink.write(HISTORY, slice(0, 4), slice(0, 4), data)
        assert any(folder.iterdir())
        raise KeyboardInterrupt
    assert not folder.exists()


def test_unwritable_folder_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"output folder cannot be written.*--out DIR"):
        prepare_folder(tmp_path / "file" / "out")
    with pytest.raises(InputError, match=r"file: is a file, not a folder; choose another with --out DIR"):
        prepare_folder(tmp_path / "file")
    (tmp_path / "a.nc").write_text("x")
    with pytest.raises(InputError, match=r"a.nc: exists already.*--force"):
        prepare_folder(tmp_path, ["a.nc"], force=False)


def test_implausible_values_are_noted(tmp_path):
    with NetcdfSink(tmp_path, "t", GRID, attributes=ATTRIBUTES, heat_edges=DEFAULT_EDGES) as sink:
        sink.write(HISTORY, slice(0, 4), slice(0, 4), {"annual": {"vegetation_carbon": np.full((4, 4), 1e9)}})
        assert "vegetation_carbon" in sink.implausible


class Inner(eqx.Module):
    carbon: Float[Array | np.ndarray, "cells"]
    layers: Float[Array | np.ndarray, "cells layer"]


class Outer(eqx.Module):
    soil: Inner
    nothing: Float[Array | np.ndarray, "cells none"]
    heat: Float[Array | np.ndarray, "cells heat"]


def state() -> Outer:
    random = np.random.default_rng(1)
    return Outer(
        Inner(random.normal(size=3), random.normal(size=(3, 25))),
        np.zeros((3, 0)),
        random.normal(size=(3, 33)).astype(np.float32),
    )


def test_a_state_comes_back_bitwise(tmp_path):
    before = state()
    save_state(tmp_path / "s.nc", before, {"parameter_hash": "abc", "stage": "spinup"})
    after = load_state(tmp_path / "s.nc", before, "abc")
    assert eqx.tree_equal(before, after)
    assert [p.name for p in tmp_path.iterdir()] == ["s.nc"]
    assert state_attributes(tmp_path / "s.nc")["stage"] == "spinup"
    with xr.open_dataset(tmp_path / "s.nc") as file:
        assert "soil_carbon" in file


def test_a_state_that_does_not_fit_is_refused(tmp_path):
    before = state()
    save_state(tmp_path / "s.nc", before, {"parameter_hash": "abc"})
    with pytest.raises(InputError, match=r"parameters abc, this run has xyz.*--force"):
        load_state(tmp_path / "s.nc", before, "xyz")
    load_state(tmp_path / "s.nc", before, "xyz", force=True)
    with pytest.raises(InputError, match="permafrost scheme"):
        load_state(tmp_path / "s.nc", replace(before, nothing=np.zeros((3, 4))), "abc")
    with pytest.raises(InputError, match="shape"):
        load_state(tmp_path / "s.nc", replace(before, heat=np.zeros((3, 5), np.float32)), "abc")
    with pytest.raises(InputError, match="precision"):
        load_state(tmp_path / "s.nc", replace(before, heat=np.zeros((3, 33))), "abc")
    with pytest.raises(InputError, match="cannot be read"):
        load_state(tmp_path / "no.nc", before, "abc")


def test_states_are_joined_over_chunks(tmp_path):
    whole = state()
    with NetcdfSink(tmp_path, "t", GRID, attributes=ATTRIBUTES, heat_edges=DEFAULT_EDGES) as sink:
        for columns in (slice(2, 3), slice(0, 2)):
            part_ = eqx.tree_at(
                lambda s: (s.soil.carbon, s.soil.layers, s.nothing, s.heat),
                whole,
                (whole.soil.carbon[columns], whole.soil.layers[columns], whole.nothing[columns], whole.heat[columns]),
            )
            sink.state("spinup", columns, part_)
        sink.finish({})
    assert eqx.tree_equal(load_state(tmp_path / "t_spinup_state.nc", whole, "abc"), whole)
