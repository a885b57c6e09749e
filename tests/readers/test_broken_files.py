"""Files broken by chance: the readers read them or refuse them with one sentence, and never end with a traceback."""

import random

import numpy as np
import pytest
from layout_files import EAST, FIRST, LAST, LATITUDE, LONGITUDE, NORTH, axes, climate, time, truth, write

from jtem.errors import InputError
from jtem.readers import cf_monthly, inspect, regrid, soil_texture, static_fields, surface, to_model, vegetation

pytestmark = pytest.mark.filterwarnings("ignore::jtem.errors.InputNote")
LAT2, LON2 = np.meshgrid(LATITUDE, LONGITUDE, indexing="ij")
ATTRIBUTES = (
    "units", "calendar", "bounds", "standard_name", "axis", "long_name", "coordinates", "cell_methods", "scale_factor",
    "add_offset", "_Unsigned", "missing_value", "valid_range", "valid_min", "flag_values", "flag_meanings", "cell_measures",
    "climatology",
)  # fmt: skip
VALUES = (
    "", "1", "days since 1850-01-01", "degrees_north", "degrees_east", "radian", "m", "K", "noleap", "standard", "time: mean",
    "time: sum", "lat lon", "time", "lat", "some text", 5, 0.0, np.float32(1e20), np.nan, np.array([1, 2, 3]), "X", "Y", "T",
    np.array([0.0, 1e9]), "true", "latitude", "grid_latitude", "area: area", "time_bnds", "months since 1991-01-01", "since",
    "days since 1850-13-41", np.int8(-1), "1b, 2b",
)  # fmt: skip


def whole(rng: random.Random) -> dict[str, list]:
    """A good file of climate and fixed fields: name -> [dimensions, values, attributes]."""
    clock = time(rng.choice(["middle", "start", "end", "bounds", 10.0]), rng.choice(["noleap", "standard", "360_day"]))
    kind = rng.choice(["axes", "two", "list", "place"])
    if kind == "axes":
        content = clock | axes() | climate()
    elif kind == "place":
        place = {"lat": ((), 66.25, NORTH), "lon": ((), -150.25, EAST)}
        content = clock | place | climate(truth(66.25, -150.25), ("time",))
    else:
        dims = ("y", "x") if kind == "two" else ("n",)
        lat, lon = (LAT2, LON2) if kind == "two" else (LAT2.ravel(), LON2.ravel())
        content = (
            clock | {"lat": (dims, lat, NORTH), "lon": (dims, lon, EAST)} | climate(truth(lat, lon), ("time", *dims))
        )
    dims, shape = tuple(d for d in content["tas"][0] if d != "time"), np.shape(content["tas"][1])[1:]
    for name, value, unit in (("elevation", 300.0, "m"), ("sand", 40.0, "percent"), ("silt", 40.0, "percent"),
                              ("clay", 20.0, "percent"), ("vegetation", 4, ""), ("area", 100.0, "km2")):  # fmt: skip
        content[name] = (dims, np.full(shape, value), {"units": unit} if unit else {})
    content["soil_organic_carbon"] = ((*dims, "interval"), np.full((*shape, 4), 10.0), {"units": "kg m-2"})
    return {name: [d, np.array(v), dict(a)] for name, (d, v, a) in content.items()}


def broken(content: dict[str, list], rng: random.Random) -> str:
    """Break one thing of a file; says what."""
    name = rng.choice(list(content))
    dims, values, said = content[name]
    number = values.dtype.kind in "if"
    how = rng.choice(
        ["attribute", "attribute", "attribute", "lose", "drop", "rename", "type", "hole", "constant", "dimension", "extra",
         "turn", "huge", "sign", "scalar", "empty", "text", "swap", "copy"]
    )  # fmt: skip
    if how == "attribute":
        said[rng.choice(ATTRIBUTES)] = rng.choice(VALUES)
    elif how == "lose" and said:
        said.pop(rng.choice(list(said)))
    elif how == "drop":
        content.pop(name)
    elif how == "rename":
        content[rng.choice(["foo", "t2m", "time2", "Lat", "y", "latitude", "LON"])] = content.pop(name)
    elif how == "type" and number:
        content[name][1] = np.clip(np.nan_to_num(values), -100, 100).astype(rng.choice(["i1", "u1", "i4", "f4"]))
    elif how == "hole" and values.dtype.kind == "f" and values.size:
        values.flat[rng.randrange(values.size)] = np.nan
    elif how == "constant" and number:
        content[name][1] = np.full_like(values, rng.choice([0, 1, 5]))
    elif how == "dimension" and dims:
        content[name][0] = tuple(f"{d}_{n}" for d, n in zip(dims, values.shape, strict=True))
    elif how == "extra":
        size = rng.choice([1, 2])
        content[name][:2] = [(f"extra_{size}", *dims), np.stack([values] * size)]
    elif how == "turn" and values.ndim:
        content[name][1] = values[::-1].copy()
    elif how == "huge" and number and values.size:
        content[name][1] = values.astype(float)
        content[name][1].flat[0] = 1e30
    elif how == "sign" and number:
        content[name][1] = -values.astype(float)
    elif how == "scalar" and values.size:
        content[name][:2] = [(), np.array(values.flat[0])]
    elif how == "empty" and dims:
        content[name][:2] = [("zero", *dims[1:]), np.zeros((0, *values.shape[1:]), values.dtype)]
    elif how == "text":
        content[name][1] = np.full(values.shape, "hello")
    elif how == "swap" and values.ndim > 1:
        content[name][:2] = [(dims[1], dims[0], *dims[2:]), np.swapaxes(values, 0, 1).copy()]
    elif how == "copy":
        content[f"{name}_2"] = [dims, values.copy(), dict(said)]
    return f"{how} {name}"


def as_a_run(path) -> None:
    cells = static_fields.read_cells(path)
    to_model.check_cells(cells, ("boreal_forest",), str(path))
    places = cells["latitude"].values, cells["longitude"].values
    found = cf_monthly.read_climate([path], FIRST, LAST, places=places)
    to_model.check_climate(found.assign(co2=("year", np.full(2, 350.0))), FIRST, LAST, str(path))


def as_maps(path) -> None:
    targets = regrid.Targets(LAT2.ravel(), LON2.ravel(), 0.5)
    surface.elevation(path, targets)
    soil_texture.read(path, targets)
    vegetation.community_shares(path, targets)
    surface.land_fraction(path, targets, "vegetation")


@pytest.mark.parametrize("seed", range(3))
def test_files_broken_by_chance(tmp_path, seed):
    rng = random.Random(seed)
    refused = 0
    for k in range(25):
        content = whole(rng)
        done = [broken(content, rng) for _ in range(rng.choice([1, 1, 1, 2, 3])) if content]
        try:
            path = write(tmp_path / f"{k}.nc", {name: tuple(entry) for name, entry in content.items()})
        except (ValueError, TypeError, RuntimeError, IndexError, KeyError):
            continue  # netCDF itself cannot hold such a file
        for read in (as_a_run, as_maps, inspect.describe):
            try:
                read(path)
            except InputError as error:
                refused += 1
                assert "\n" not in str(error) and len(str(error)) > 30, done
            except Exception as error:
                pytest.fail(f"{read.__name__} of a file broken by {done}: {error!r}")
    assert refused > 5
