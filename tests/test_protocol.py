"""Protocols as data, passes run apart, work that survives a kill."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jtem import plan, run, step
from jtem.errors import InputError
from jtem.physics import permafrost
from jtem.run import Experiment, SpinUp, Stage
from jtem.run import factorial as protocol
from jtem.writers.checkpoint import ChunkStore
from sites import BONANZA_CREEK, PLATEAU_MEADOW, TOOLIK, make, parameter_tree

ROOT = Path(__file__).resolve().parents[1]
CASES = [
    (BONANZA_CREEK, 0.366, "boreal_forest", 0.0),
    (TOOLIK, 0.3665, "wet_moist_tundra", 1.0),
    (PLATEAU_MEADOW, 0.43, "alpine_meadow", 1.0),
    (BONANZA_CREEK, 0.5, "grassland", 8.0),
] * 4
YEARS = 4
SELECTION = run.Selection(
    ("net_primary_production", "air_temperature", "precipitation", "shortwave_radiation", "co2"),
    (
        ("air_temperature", "mean"),
        ("precipitation", "sum"),
        ("heterotrophic_respiration", "sum"),
        ("soil_carbon", "last"),
        ("exposed_carbon", "year"),
        ("soil_water", "mean"),
    ),
)


class Memory:
    """A sink in memory."""

    def __init__(self):
        self.out, self.states = {}, {}

    def write(self, stage, columns, years, outputs):
        for frequency, fields in outputs.items():
            for name, values in fields.items():
                self.out.setdefault((stage.name, frequency, name), []).append(values)

    def state(self, stage_name, columns, state):
        self.states.setdefault(stage_name, []).append(state)

    def joined(self):
        whole = {key: np.concatenate(parts, axis=1) for key, parts in self.out.items()}
        whole |= {(n, k): leaf for n, s in self.states.items() for k, leaf in enumerate(jax.tree.leaves(s))}
        return whole


def host(climate):
    return jax.tree.map(np.asarray, climate)


def experiment(scheme=permafrost.LAYERED, heat_dtype="float32", passes="auto", spin_up=False, chunk=16, two=False):
    cells, past = make(CASES, YEARS)
    cells = replace(cells, soil_nitrogen_profile=cells.soil_carbon_profile / 15.0)
    _, future = make(CASES, YEARS, warming_per_year=0.8)
    past, future = host(past), host(future)
    wetter = future.precipitation * (1.0 + 0.1 * np.arange(YEARS))[None, :, None]
    future = replace(future, co2=future.co2 + 40.0 * np.arange(YEARS), precipitation=wetter)

    def of(climate):
        return lambda rows: jax.tree.map(lambda leaf: leaf[rows], climate)

    layered = scheme is permafrost.LAYERED
    history = Stage(
        "historical", 2001, 2000 + YEARS, of(past), parent="spinup", expose=not layered,
        begin="base_years" if layered else "start", base_years=(2003, 2004) if layered else None,
    )  # fmt: skip
    runs = [r for r in protocol.LIU2024 if r.name in ("S_Trans", "S_PF", "S_CO2", "S_Temp", "S_Prec", "S_CO2_Temp")]
    scenarios = protocol.expand(
        runs, {"ssp": of(future)}, (), base=of(past), reference=of(past), parent="historical",
        years=(2001 + YEARS, 2000 + 2 * YEARS), layers=True,
    )  # fmt: skip
    design = step.Design(permafrost=scheme, heat_dtype=heat_dtype, two_water_layers=two)
    states = {}
    if not spin_up:
        states["spinup"] = jax.tree.map(
            np.asarray, run.initial_states(parameter_tree(), cells, jax.tree.map(jnp.asarray, past), design=design)
        )
    return Experiment(
        design=design, parameters=parameter_tree(), columns=host(cells), column_cell=np.arange(len(CASES)),
        spin_up=SpinUp(of(past), heat_years=12, years=5) if spin_up else None, stages=(history, *scenarios),
        selection=SELECTION, initial_states=states, chunk_columns=chunk, block_years=3, passes=passes,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("scheme", "heat", "two"),
    [
        (permafrost.LAYERED, "float32", False),
        pytest.param(permafrost.LAYERED, "float32", True, marks=pytest.mark.slow),
        pytest.param(permafrost.THAW_RATIO, "float64", False, marks=pytest.mark.slow),
        pytest.param(permafrost.THAW_RATIO, "float64", True, marks=pytest.mark.slow),
    ],
)
def test_passes_run_apart_give_the_inline_run(scheme, heat, two):
    """Two devices, padded nothing, all runs in one carbon program against each run inline."""
    results = []
    for passes in ("inline", "split"):
        sink = Memory()
        summary = run.run_experiment(experiment(scheme, heat, passes, two=two), sink)
        assert not summary.failed
        results.append(sink.joined())
    inline, split = results
    assert inline.keys() == split.keys() and len(inline) > 20
    for key, values in inline.items():
        # bitwise, but for what the compiler may round apart in programs of another shape (thaw_ratio: one unit in the last place)
        exact = scheme is permafrost.LAYERED
        np.testing.assert_allclose(
            values, split[key], rtol=0 if exact else 1e-13, atol=0 if exact else 1e-12, err_msg=str(key)
        )
    base = split["ssp_S_Trans", "annual", "soil_carbon"]
    assert np.any(split["ssp_S_PF", "annual", "exposed_carbon"] != split["ssp_S_Trans", "annual", "exposed_carbon"])
    assert np.any(base != split["ssp_S_CO2", "annual", "soil_carbon"])
    forcing_is_what_the_factors_say(split)


def test_a_run_that_holds_permafrost_may_keep_the_thaw_that_water_and_plants_see():
    """Ground whose climate is held keeps its thaw anyway; else water and plants differ, and the transient run is as before."""
    plain = experiment()
    climates = {stage.name: stage.climate for stage in plain.stages}
    runs = (*protocol.LIU2024[:2], protocol.Run("S_all", frozenset({"permafrost", "temperature", "precipitation"})))
    rows = []
    for keep in (False, True):
        made = protocol.expand(
            runs, {"ssp": climates["ssp_S_Trans"]}, (), base=climates["historical"], reference=climates["historical"],
            parent="historical", years=(2001 + YEARS, 2000 + 2 * YEARS), layers=True, keep_thaw=keep,
        )  # fmt: skip
        rows += [replace(row, name=f"{row.name}_{keep}") for row in made if keep or row.name != "ssp_S_all"]
    rows.append(replace(rows[-1], name="ssp_S_all_False", thaw_climate=None, thaw_key=None))
    assert run.heat_passes(rows) == 2  # free ground and held ground
    sink = Memory()
    assert not run.run_experiment(replace(plain, stages=(plain.stages[0], *rows)), sink).failed
    found = sink.joined()
    for name in ("soil_water", "heterotrophic_respiration", "soil_carbon"):
        values = {row.name: found[row.name, "annual", name] for row in rows}
        np.testing.assert_array_equal(values["ssp_S_Trans_True"], values["ssp_S_Trans_False"])
        np.testing.assert_array_equal(values["ssp_S_all_True"], values["ssp_S_all_False"])
        assert np.any(values["ssp_S_PF_True"] != values["ssp_S_PF_False"]), name


def forcing_is_what_the_factors_say(results):
    """Forcing in the results: a run's own where its factor is free, the base year's in every year where it is held."""
    _, base = make(CASES, YEARS)
    _, free = make(CASES, YEARS, warming_per_year=0.8)
    air, rain, ppm = (np.asarray(leaf) for leaf in (free.air_temperature, free.precipitation, free.co2))
    rain, ppm = rain * (1.0 + 0.1 * np.arange(YEARS))[None, :, None], ppm + 40.0 * np.arange(YEARS)
    rising = {"air_temperature": air, "precipitation": rain, "co2": np.repeat(ppm[..., None], 12, axis=2)}
    factors = {"air_temperature": "temperature", "precipitation": "precipitation", "co2": "co2"}
    for one in (r for r in protocol.LIU2024 if (f"ssp_{r.name}", "monthly", "co2") in results):
        for name, factor in factors.items():
            kept = np.asarray(getattr(base, name))[:, :1]
            kept = np.broadcast_to(kept[..., None] if name == "co2" else kept, air.shape)
            expected = kept if factor in one.held else rising[name]
            stage = f"ssp_{one.name}"
            np.testing.assert_array_equal(results[stage, "monthly", name], expected, err_msg=f"{stage} {name}")
            if name != "co2":
                year = expected.sum(axis=2) / (12.0 if name == "air_temperature" else 1.0)
                np.testing.assert_allclose(results[stage, "annual", name], year, rtol=1e-13, atol=1e-12)


@pytest.mark.slow
def test_layered_in_float64_is_bitwise_without_fused_multiply_add():
    """In all-float64 the compiler may fuse a multiply-add across heat and carbon; without that instruction all is bitwise."""
    code = (
        "import test_protocol as t; from jtem.physics import permafrost as p; "
        "t.test_passes_run_apart_give_the_inline_run(p.LAYERED, 'float64', False)"
    )
    environment = {
        **os.environ,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2 --xla_cpu_max_isa=AVX",
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT / 'tests'}",
        "JAX_ENABLE_X64": "1",
    }
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=600)


def test_the_protocols_of_the_papers():
    assert len(protocol.LIU2024) == 10 and len(protocol.LIU2022) == 2
    assert len(protocol.PROTOCOLS["liu2024_all_pairs"]) == 11
    text = (ROOT / "experiments" / "liu2024" / "embedded.toml").read_text()
    parsed = plan.parse(text)
    assert len(parsed.factorial.stage_names) == 20 and "ssp585_S_PF_CO2" in parsed.factorial.stage_names
    calls = []

    def load(cells):
        calls.append(len(cells))
        raise AssertionError("stages are data: nothing is loaded when they are made")

    rows = protocol.expand(
        parsed.factorial.protocol, {"ssp126": load, "ssp585": load}, parsed.factorial.ensemble, base=load,
        reference=load, parent="historical", years=(2015, 2100), layers=True,
    )  # fmt: skip
    assert len(rows) == 20 and run.heat_passes(rows) == 7 and not calls
    assert [r.expose for r in rows[:3]] == [True, False, True] and rows[1].follow is False


def test_held_factors_and_members():
    _, climate = make(CASES[:2], 3, warming_per_year=1.0)
    climate = host(climate)
    climate = replace(climate, co2=climate.co2 + np.arange(3.0))
    base = jax.tree.map(lambda leaf: leaf[:, 1:2], climate)
    held = protocol.hold(climate, base, frozenset({"temperature", "co2"}))
    np.testing.assert_array_equal(held.air_temperature, np.repeat(climate.air_temperature[:, 1:2], 3, axis=1))
    np.testing.assert_array_equal(held.co2, np.repeat(climate.co2[:, 1:2], 3, axis=1))
    assert held.precipitation is climate.precipitation and protocol.hold(climate, base, frozenset()) is climate
    np.testing.assert_array_equal(held.following_air_temperature[:, 0], held.air_temperature[:, 1, 0])
    np.testing.assert_array_equal(held.following_air_temperature[:, 2], held.air_temperature[:, 2, 11])
    reference = jax.tree.map(lambda leaf: leaf[:, :1], climate)
    warm = protocol.scale(climate, reference, protocol.Member("warm", 1.5, 0.1))
    np.testing.assert_allclose(warm.air_temperature[:, 2] - climate.air_temperature[:, 0], 3.0)
    np.testing.assert_allclose(warm.precipitation[:, 2], climate.precipitation[:, 2] * 1.3)
    assert protocol.scale(climate, reference, protocol.Member()) is climate


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('runs = "liu2025"', "unknown"),
        ('runs = ["co3"]', "did you mean 'co2'"),
        ("first = 2017", "set its 'first' to 2016"),
        ("base_year = 1700", "base_year"),
        ("members = { a = [1.0] }", "members.a"),
    ],
)
def test_mistakes_in_a_factorial_are_one_sentence(line, message):
    text = (ROOT / "experiments" / "liu2024" / "embedded.toml").read_text()
    key = line.split(" ")[0]
    lines = [old for old in text.splitlines() if not (old.startswith(key + " ") and "20" in old and "19" not in old)]
    lines = [old for old in lines if not old.startswith(f'{key} = "')]
    lines.insert(lines.index("[factorial]") + 1, line)
    with pytest.raises(InputError, match=message):
        plan.parse("\n".join(lines))


# --- kills ------------------------------------------------------------------------------------------------------------


class Stop(Exception):
    """The kill of a test."""


def stopping(store, after):
    """The store, stopping before its n-th write."""
    count = [0]
    real = store.write

    def write(*arguments):
        count[0] += 1
        if count[0] > after:
            raise Stop
        real(*arguments)

    store.write = write
    return store


def test_parameters_are_sent_to_the_devices_once_a_chunk(monkeypatch):
    """Not at each call: copying some two hundred arrays took a third of the time of runs on two devices."""
    if jax.local_device_count() < 2:
        pytest.skip("needs two devices: XLA_FLAGS=--xla_force_host_platform_device_count=2")
    seen, plain = {}, run.batch.Program.__call__

    def call(program, *arguments):
        seen.update({id(leaf): leaf for leaf in jax.tree.leaves(arguments[0])})
        return plain(program, *arguments)

    monkeypatch.setattr(run.batch.Program, "__call__", call)
    whole = experiment(chunk=8)
    run.run_experiment(whole, Memory())
    assert len(seen) == len(run.chunks(whole)) * len(jax.tree.leaves(whole.parameters))
    for leaf in seen.values():
        assert leaf.sharding.is_fully_replicated and leaf.sharding.num_devices == jax.local_device_count()


def test_a_stopped_run_goes_on_bitwise_and_repeats_nothing(tmp_path):
    plain = Memory()
    run.run_experiment(experiment(chunk=8), plain)
    chunks = run.chunks(experiment(chunk=8))
    for after in (0, 3, 15):
        store = stopping(ChunkStore(tmp_path / "a", {"plan": 1}), after)
        with pytest.raises(Stop):
            run.run_experiment(experiment(chunk=8), store)
    assert store.status()[f"columns.{0:09d}.{8:09d}"]["done"]
    store = ChunkStore(tmp_path / "a", {"plan": 1})
    assert store.resumed
    done = {c.start for c in chunks} - {c.start for c in store.unfinished(chunks, run.units(experiment()))}
    summary = run.run_experiment(experiment(chunk=8), store)
    assert 0 in done and summary.column_years == 8 * 6 * YEARS  # only the runs of the second chunk were left
    copy = Memory()
    loaded = experiment(chunk=8)
    for stage in loaded.stages:
        store.replay(stage, copy)
    store.replay_states(loaded.stages, jax.tree.structure(run.state_like(loaded)), copy)
    for (key, expected), (other, found) in zip(sorted_items(plain), sorted_items(copy), strict=True):
        assert key == other
        np.testing.assert_array_equal(expected, found, err_msg=str(key))
    with pytest.raises(InputError, match="another run"):
        ChunkStore(tmp_path / "a", {"plan": 2})
    assert not ChunkStore(tmp_path / "a", {"plan": 2}, fresh=True).resumed


def sorted_items(sink):
    """Blocks of all chunks by stage and name, states by leaf."""
    items = {key: np.concatenate([p.reshape(p.shape[0], -1) for p in parts], axis=1) if len({p.shape[0] for p in parts}) == 1
             else parts for key, parts in sink.out.items()}  # fmt: skip
    items |= {
        ("state", n, str(k)): leaf for n, parts in sink.states.items()
        for k, leaf in enumerate(jax.tree.leaves(jax.tree.map(lambda *x: np.concatenate(x), *parts)))
    }  # fmt: skip
    return sorted(items.items(), key=lambda item: item[0])


def test_parts_of_a_job_array_make_the_whole(tmp_path):
    plain, copy = Memory(), Memory()
    whole = experiment(chunk=8)
    run.run_experiment(whole, plain)
    for part in (1, 0):
        store = ChunkStore(tmp_path, {})
        run.run_experiment(whole, store, only=range(part, 2, 2))
    assert not store.unfinished(run.chunks(whole), run.units(whole))
    for stage in whole.stages:
        store.replay(stage, copy)
    store.replay_states(whole.stages, jax.tree.structure(run.state_like(whole)), copy)
    for (key, expected), (other, found) in zip(sorted_items(plain), sorted_items(copy), strict=True):
        assert key == other
        np.testing.assert_array_equal(expected, found, err_msg=str(key))


def test_a_failed_cell_is_named_and_leaves_its_neighbours_alone():
    good, bad = experiment(), experiment()
    clean = bad.stages[0].climate

    def broken(rows):
        climate = clean(rows)
        air = climate.air_temperature.copy()
        air[rows == 5, 1, 3] = np.nan
        return replace(climate, air_temperature=air)

    bad = replace(bad, stages=(replace(bad.stages[0], climate=broken), *bad.stages[1:]))
    sinks = Memory(), Memory()
    assert not run.run_experiment(good, sinks[0]).failed
    failed = run.run_experiment(bad, sinks[1]).failed
    assert list(failed) == [5] and failed[5].startswith("historical 2002")
    others = np.arange(16) != 5
    for key, values in sinks[0].joined().items():
        np.testing.assert_array_equal(values[others], sinks[1].joined()[key][others], err_msg=str(key))


SMALL = """
[plan]
name = "small"
[domain]
source = "embedded"
domain = "pan_arctic"
stride = 9
[model]
permafrost = "layered"
[spinup]
heat_years = 12
years = 20
cycle = [1850, 1851]
[history]
first = 2000
last = 2014
[factorial]
runs = "liu2024"
scenarios = ["ssp126", "ssp585"]
first = 2015
last = 2026
[output]
state = true
[run]
chunk_columns = 8
block_years = 3
"""


def _same_files(folder: Path, other: Path) -> int:
    """All files of two runs hold the same numbers, states included; returns how many files."""
    import netCDF4

    names = sorted(p.name for p in folder.glob("*.nc"))
    assert names == sorted(p.name for p in other.glob("*.nc"))
    for name in names:
        with netCDF4.Dataset(folder / name) as a, netCDF4.Dataset(other / name) as b:
            assert set(a.variables) == set(b.variables)
            for variable in a.variables:
                np.testing.assert_array_equal(a[variable][:], b[variable][:], err_msg=f"{name} {variable}")
    return len(names)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["job array", "zarr"])
def test_two_processes_give_bitwise_the_states_of_one(how, tmp_path):
    """Two parts of a job array at once, each with its own chunks, into pieces or streaming into one Zarr store: all states and
    results are those of one process.
    """
    if how == "zarr" and importlib.util.find_spec("zarr") is None:
        pytest.skip("needs the extra 'distributed' (zarr)")
    # 32-bit numbers from the store are rounded once more on their way to the file's units: compare 64-bit ones
    one = SMALL.replace("state = true", "state = true\ndouble = true")
    text = one.replace("double = true", "double = true\nzarr = true") if how == "zarr" else one
    (tmp_path / "one.toml").write_text(one)
    (tmp_path / "two.toml").write_text(text)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), *sys.path]),
                   "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "cache"),
                   "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}  # fmt: skip
    environment.pop("XLA_FLAGS", None)

    def start(plan_name, out, *more):
        command = [
            sys.executable,
            "-m",
            "jtem",
            "run",
            str(tmp_path / plan_name),
            "--out",
            str(tmp_path / out),
            *more,
        ]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def end(*processes):
        said = [process.communicate(timeout=900)[0].decode() for process in processes]
        assert [process.returncode for process in processes] == [0] * len(processes), "\n".join(said)
        return said

    end(start("one.toml", "one"))
    said = end(*(start("two.toml", "two", "--part", f"{i}/2") for i in (1, 2)))
    assert all("is done" in text for text in said)
    end(start("two.toml", "two"))
    assert (
        _same_files(tmp_path / "one", tmp_path / "two") == 2 * 21 + 1
    )  # annual and state of every stage, and the spin-up
    if how == "zarr":
        from jtem.writers.zarr import ZarrStore

        assert set(ZarrStore.open(tmp_path / "two" / "small.zarr").root["status"][:].tolist()) == {1}


@pytest.mark.slow
@pytest.mark.parametrize("how", ["files", "zarr"])
def test_ten_kills_at_random_moments_leave_the_same_bytes(how, tmp_path):
    """SIGKILL ten times, resume each time: states and results bitwise those of the uninterrupted run."""
    import xarray as xr

    if how == "zarr" and importlib.util.find_spec("zarr") is None:
        pytest.skip("needs the extra 'distributed' (zarr)")
    text = SMALL.replace("state = true", "state = true\ndouble = true\nzarr = true") if how == "zarr" else SMALL
    (tmp_path / "plan.toml").write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "cache"),
                   "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}  # fmt: skip
    environment.pop("XLA_FLAGS", None)

    def command(out):
        return [sys.executable, "-m", "jtem", "run", str(tmp_path / "plan.toml"), "--out", str(tmp_path / out)]

    subprocess.run(command("whole"), env=environment, check=True, capture_output=True)
    begin = time.monotonic()
    subprocess.run([*command("again"), "--force"], env=environment, check=True, capture_output=True)
    length = time.monotonic() - begin
    random = np.random.default_rng(7)
    kills, folders = 0, []
    while kills < 10:  # a run that gets through is compared; the next kills hit a new one
        folder = f"killed{len(folders)}"
        folders.append(folder)
        while True:
            process = subprocess.Popen(
                command(folder), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            try:
                limit = random.uniform(0.3, 0.9) * length if kills < 10 else 600
                _, errors = process.communicate(timeout=limit)
                # 2: the kill before came when all files were written and only the process was left
                assert process.returncode == 0 or b"exists already" in errors, errors.decode()
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                kills += 1
    print(f"{kills} kills of {len(folders)} runs of {length:.0f} s")
    names = sorted(p.name for p in (tmp_path / "whole").glob("*.nc"))
    assert len(names) == 21 + 22
    for folder in folders:
        assert names == sorted(p.name for p in (tmp_path / folder).glob("*.nc"))
        for name in names:
            paths = (tmp_path / where / name for where in ("whole", folder))
            a, b = (xr.load_dataset(path, decode_times=False) for path in paths)
            for variable in a.variables:
                np.testing.assert_array_equal(a[variable].values, b[variable].values, err_msg=f"{name} {variable}")
        if how == "zarr":
            from jtem.writers.zarr import ZarrStore

            a, b = (ZarrStore.open(tmp_path / where / "small.zarr").root for where in ("whole", folder))
            arrays = [(name, array) for name, array in a.members(max_depth=None) if hasattr(array, "shape")]
            assert len(arrays) > 21
            for name, array in arrays:
                np.testing.assert_array_equal(array[:], b[name][:], err_msg=name)
