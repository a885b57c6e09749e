"""Kinds of files that people reported to other projects, through the commands: each right, or refused in one sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import test_fluxnet as towers
from isimip_files import UNITS, daily_values, name_3b, write_daily, write_map, write_maps
from layout_files import (
    EAST,
    FIRST,
    GRID,
    LAST,
    LATITUDE,
    LONGITUDE,
    NORTH,
    axes,
    climate,
    days,
    on_grid,
    time,
    truth,
    write,
)

from jtem import plan as plans
from jtem.assemble import store
from jtem.assemble.domain import domain
from jtem.commands.main import main
from jtem.files import Inputs
from jtem.readers import co2, fluxnet, observations, soil_carbon
from jtem.study.calibration import pest
from study.test_pest import CONTROL

pytestmark = pytest.mark.filterwarnings("ignore::jtem.errors.InputNote")
END = """
co2_column = "ssp585"

[domain.climate]
historical = [{files}]

[model]
permafrost = "{permafrost}"

[spinup]
years = 5
heat_years = 10
cycle = [{first}, {last}]

[history]
first = {first}
last = {last}
"""
OWN = '[plan]\nname = "kind"\n\n[domain]\nsource = "cf_monthly"\nstatic = "static.nc"\nco2 = "embedded"' + END
RAW = (
    '[plan]\nname = "kind"\n\n[prepare]\nstore = "store.nc"\nfolder = "ISIMIP3b"\nvegetation = "maps/vegetation.nc"\n'
    'texture = "maps/hwsd.nc"\nelevation = "maps/elevation.nc"\nbox = [68.0, 69.5, {box}]\nresolution = 0.5\n\n'
    '[domain]\nsource = "isimip"\nco2 = "embedded"' + END
)


def static(path: Path, place: dict | None = None, dims=GRID, shape=(3, 4), **changed: Any) -> None:
    values = {"elevation": (300.0, "m"), "sand": (40.0, "%"), "silt": (40.0, "%"), "clay": (20.0, "%")}
    fields = {name: (dims, np.full(shape, value), {"units": unit}) for name, (value, unit) in values.items()}
    fields["vegetation"] = (dims, np.full(shape, 4, "i4"), {})
    write(path, (axes() if place is None else place) | fields | changed)


def own(
    folder: Path, files: dict | None = None, place: dict | None = None, dims=GRID, shape=(3, 4), **changed: Any
) -> None:
    """A plan, its climate (``files``: variables put in place) and its fixed fields (``changed``: the same)."""
    spatial = place or axes()
    values = {n: v for n, v in climate().items()} if place is None else {}
    write(folder / "climate.nc", time() | spatial | values | (files or {}))
    static(folder / "static.nc", spatial, dims, shape, **changed)
    words = {"files": '"climate.nc"', "permafrost": "none", "first": FIRST, "last": LAST}
    (folder / "plan.toml").write_text(OWN.format(**words))


def raw(folder: Path, box: str = "-150.5, -148.5", **values: np.ndarray) -> None:
    """A plan of raw ISIMIP files, two years; ``values``: of variables put in place."""
    for name in UNITS:
        path = folder / "ISIMIP3b" / name_3b(name, FIRST, LAST)
        write_daily(path, name, FIRST, LAST, values=values.get(name))
    write_maps(folder)
    words = {"files": '"historical"', "permafrost": "none", "first": FIRST, "last": LAST, "box": box}
    (folder / "plan.toml").write_text(RAW.format(**words))


def change(path: Path, name: str, **said: Any) -> None:
    with netCDF4.Dataset(str(path), "a") as data:
        data[name].setncatts(said)


RIGHT: dict[str, tuple[Callable[[Path], None], dict[str, Any]]] = {}
REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {}
Make = Callable[[Path], None]


def right(**expected: Any) -> Callable[[Make], Make]:
    """Read right; ``expected``: fields of the cells."""

    def keep(make: Make) -> Make:
        RIGHT[make.__name__] = (make, expected)
        return make

    return keep


def refused(sentence: str) -> Callable[[Make], Make]:
    def keep(make: Make) -> Make:
        REFUSED[make.__name__] = (make, sentence)
        return make

    return keep


# --- places and areas ------------------------------------------------------------------------------------------------


@right(area=lambda cells: np.array([1245.0, 1220.0, 1195.0])[((cells["latitude"].values - 66.25) / 0.5).astype(int)])
def area_across_date_line(folder):
    place = axes(longitude=np.array([179.25, 179.75, -179.75, -179.25]))
    own(folder, climate(on_grid(longitude=place["lon"][1])), place)


LAT2, LON2 = np.meshgrid(LATITUDE, LONGITUDE, indexing="ij")
LAT2, LON2 = LAT2 + 0.02 * np.arange(4), LON2 + 0.03 * np.arange(3)[:, None]


def two_dimensional(names=("lat", "lon"), **said: Any) -> dict:
    return {
        names[0]: (("y", "x"), LAT2, NORTH | {"standard_name": "latitude"}),
        names[1]: (("y", "x"), LON2, EAST | {"standard_name": "longitude"}),
    } | said


@right(area=1200.0)
def area_given_as_areacella(folder):
    area = (("y", "x"), np.full((3, 4), 1.2e9), {"units": "m2", "standard_name": "cell_area"})
    files = climate(truth(LAT2, LON2), ("time", "y", "x"))
    own(folder, files, two_dimensional(), ("y", "x"), areacella=area)


@right()
def coordinate_names(folder):
    own(folder, climate(truth(LAT2, LON2), ("time", "y", "x")), two_dimensional(("TLAT", "TLONG")), ("y", "x"))


@right()
def coordinates_in_radians(folder):
    lat, lon = LAT2.ravel(), LON2.ravel()
    place = {name: (("cell",), np.deg2rad(v), {"units": "radian"}) for name, v in (("lat", lat), ("lon", lon))}
    own(folder, climate(truth(lat, lon), ("time", "cell")), place, ("cell",), (12,))


@right()
def fine_grid_with_ponds(folder):
    lat, lon = 68.6 + 0.0009 * np.arange(6), -149.6 + 0.0009 * np.arange(7)
    code = np.full((6, 7), 4, "i4")
    code[1::3, ::2] = 0
    own(
        folder, climate(on_grid(latitude=lat, longitude=lon)), axes(lat, lon), shape=(6, 7), vegetation=(GRID, code, {})
    )


@right(latitude=66.25, longitude=-150.25)
def site_scalar_place(folder):
    place = {"lat": ((), 66.25, NORTH), "lon": ((), -150.25, EAST)}
    own(folder, climate(truth(66.25, -150.25), ("time",)), place, (), ())


@refused("maps/vegetation.nc: no cell between 68..69.5 N and 170..-170 E")
def box_across_the_date_line(folder):
    raw(folder, "170.0, -170.0")


# --- time and climate ------------------------------------------------------------------------------------------------


@refused("stamps of 'time' move through the month .* set the attribute 'calendar' of time")
def calendar_attribute_lost(folder):
    own(folder, time(say=False))


@right()
def other_variable_with_odd_time(folder):
    own(folder, {"step": (("time",), np.arange(24.0), {"units": "hours since analysis"})})


@right()
def precipitation_mean_of_daily_totals(folder):
    said = {"units": "mm", "cell_methods": "time: sum within days time: mean over days"}
    own(folder, {"pr": (("time", *GRID), on_grid()["pr"] / days(), said)})


def noise_alone_is_zero(values):
    """The one value that was noise is 0 (a formula without the noise has some 11 mm there), all others are those of the file."""
    expected = on_grid()["pr"].reshape(24, -1).T.copy()
    expected[0, 0] = 0.0
    return np.allclose(values.reshape(expected.shape), expected, rtol=1e-6, atol=0.0)  # as every layout is held to


@right(precipitation=noise_alone_is_zero)
def precipitation_tiny_negative(folder):
    values = on_grid()["pr"]
    values[0, 0, 0] = -1e-12
    own(folder, {"pr": (("time", *GRID), values, {"units": "mm"})})


@right(precipitation=lambda values: values.min() >= 0.0)
def daily_precipitation_tiny_negative(folder):
    months = np.arange(f"{FIRST}-01", f"{LAST + 1}-01", dtype="datetime64[D]").astype("datetime64[M]").astype(int) % 12
    values = daily_values("pr", months, np.array([69.25, 68.75, 68.25]), np.array([-150.25, -149.75, -149.25, -148.75]))
    values[0, 1, 1] = -1e-20
    raw(folder, pr=values)


@refused(
    "'shortwave_radiation' exceeds the radiation at the top of the atmosphere in .* wrong month, hemisphere or unit"
)
def radiation_in_the_polar_night(folder):
    own(folder, {"rsds": (("time", *GRID), np.full((24, 3, 4), 200.0), {"units": "W m-2"})})


@refused("'shortwave_radiation' exceeds the radiation at the top of the atmosphere")
def half_a_year_off(folder):
    own(folder, climate({name: np.roll(values, 6, axis=0) for name, values in on_grid().items()}))


# --- fixed fields ----------------------------------------------------------------------------------------------------


def field(value: Any, unit: str, **said: Any) -> tuple:
    return GRID, np.broadcast_to(np.asarray(value), (3, 4)).copy(), ({"units": unit} if unit else {}) | said


@right(elevation=300.0)
def elevation_as_geopotential(folder):
    own(folder, elevation=field(300.0 * 9.80665, "m2 s-2", standard_name="surface_geopotential"))


@right(elevation=300.0)
def elevation_in_feet(folder):
    own(folder, elevation=field(300.0 / 0.3048, "feet"))


@right(elevation=300.0)
def static_time_of_one(folder):
    own(folder, elevation=(("time0", *GRID), np.full((1, 3, 4), 300.0), {"units": "m"}))


@refused(r"static.nc: 'elevation' is missing \(NaN\) in cell 6")
def fill_value_of_other_type(folder):
    height = np.full((3, 4), 300.0, "f4")
    height[1, 2] = np.float32(-99.9)
    own(folder, elevation=(GRID, height, {"units": "m", "missing_value": np.float64(-99.9)}))


@right(elevation=300.0)
def map_cells_not_square(folder):
    raw(folder)
    write_map(
        folder / "maps/elevation.nc",
        {"orog": (300.0, "m", {})},
        np.arange(65, 72, 0.9424),
        np.arange(-153.75, -146, 1.25),
    )


@right(community="boreal_forest")
def map_of_unsigned_bytes(folder):
    raw(folder)
    write_map(folder / "maps/vegetation.nc", {"vegetation": (np.full((3, 4), 130 - 256, "i1"), "", {})})
    said = {"_Unsigned": "true", "flag_values": np.array([130], "u1"), "flag_meanings": "boreal_forest"}
    change(folder / "maps/vegetation.nc", "vegetation", **said)


@refused("maps/hwsd.nc: 'T_SAND' and 'T_CLAY' are nowhere above 0.4 percent: fractions under units '%'")
def texture_fraction_called_percent(folder):
    raw(folder)
    write_map(folder / "maps/hwsd.nc", {"T_SAND": (0.4, "%", {}), "T_CLAY": (0.2, "%", {})})


@right(soil_organic_carbon=lambda values: values[0, :2].tolist() == [10.0, 20.0] and np.isnan(values[:, 2:]).all())
def soil_carbon_to_one_metre(folder):
    stocks = np.broadcast_to(np.array([10.0, 20.0, np.nan, np.nan]), (3, 4, 4)).copy()
    own(folder, soil_organic_carbon=((*GRID, "interval"), stocks, {"units": "kg m-2"}))


@right(community=lambda names: names[:, 0].tolist() == ["wet_moist_tundra"] * 4 + ["boreal_forest"] * 8)
def vegetation_flags_as_text(folder):
    code = np.ones((3, 4), "i1")
    code[0] = 2
    own(folder, vegetation=(GRID, code, {"flag_values": "1b, 2b", "flag_meanings": "boreal_forest wet_moist_tundra"}))


@right(community="boreal_forest")
def vegetation_nearly_whole(folder):
    own(folder, vegetation=(GRID, np.full((3, 4), 3.9999995, "f4"), {}))


# --- the commands ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_sentence(tmp_path, monkeypatch, capsys, name):
    make, sentence = REFUSED[name]
    make(tmp_path)
    monkeypatch.chdir(tmp_path)
    command = "prepare" if (tmp_path / "ISIMIP3b").is_dir() else "check"
    assert main([command, "plan.toml", "--data", str(tmp_path)]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("jtem: ") and "\n" not in said
    with pytest.raises(AssertionError, match=sentence):
        raise AssertionError(said)


@pytest.mark.parametrize("name", RIGHT)
def test_read_right(tmp_path, monkeypatch, capsys, name):
    make, expected = RIGHT[name]
    make(tmp_path)
    monkeypatch.chdir(tmp_path)
    of_raw = (tmp_path / "ISIMIP3b").is_dir()
    assert main(["prepare" if of_raw else "check", "plan.toml", "--data", str(tmp_path)]) == 0, capsys.readouterr().err
    plan, found = plans.read("plan.toml"), Inputs(tmp_path)
    if of_raw:
        plan = plans.parse((tmp_path / "plan.toml").read_text().replace('"isimip"', '"prepared"'))
        place = store.domain(plan, found)
    else:
        place = domain(plan.domain, list(plan.climate_years), found, plan.where)
    cells = place.cells
    read = place.source("historical")[0](np.arange(cells.sizes["cell"]), FIRST, LAST)
    if not of_raw:
        exact, count = truth(cells["latitude"].values, cells["longitude"].values), cells.sizes["cell"]
        for word, short in (("air_temperature", "tas"), ("precipitation", "pr"), ("shortwave_radiation", "rsds")):
            if word not in expected:
                found_values = read[word].values.reshape(count, -1).T
                np.testing.assert_allclose(found_values, exact[short], rtol=1e-6, atol=1e-6)
    for field_name, value in expected.items():
        values = (cells if field_name in cells else read)[field_name].values
        if field_name == "area" and callable(value):
            np.testing.assert_allclose(values, value(cells), rtol=1e-3)  # pyright: ignore[reportArgumentType]
        elif callable(value):
            assert value(values)
        elif isinstance(value, float):
            np.testing.assert_allclose(values, value, rtol=1e-6)
        else:
            assert set(values.ravel()) <= {value, ""}


# --- tables ----------------------------------------------------------------------------------------------------------

YEARS = "".join(f"{year},{300 + year % 100}\n" for year in range(1985, 1995))
HEADER = "site,year,month,variable,value,unit,error,depth_m,latitude,longitude\n"


def observed(path: Path) -> list:
    found = observations.read_table(path)
    return [found[name].values.tolist() for name in ("year", "value", "depth", "censored")]


def twelve(path: Path) -> None:
    rows = [towers.month(f"2003{m:02d}", NEE_VUT_REF_QC=str(m % 4)) for m in range(1, 13)]
    towers.write(path, rows, towers.NAME.replace("2003-2004", "2003-2003"))


TABLES: dict[str, tuple[str, Callable[[Path], Any], Any]] = {
    "co2_history_and_future_overlap": (
        "year,co2\n" + YEARS + "1994,450\n",
        lambda path: co2.read_table(path, 1990, 1994),
        "CO2 of 1994 is given twice, 394 in line 11 and 450 in line 12",
    ),
    "co2_semicolons": (
        "year;co2\n" + YEARS.replace(",", ";"),
        lambda path: co2.read_table(path, 1990, 1991).tolist(),
        [390.0, 391.0],
    ),
    "co2_two_scenarios_in_one_table": (
        "scenario,year,co2\n" + "".join(f"{s},1990,{v}\n" for s, v in (("ssp126", 350), ("ssp585", 450))),
        lambda path: co2.read_table(path, 1990, 1990),
        r"rows of several scenarios \(ssp126, ssp585\)",
    ),
    "pedons_with_na": (
        "lat,lon,soc_0_30,soc_0_100,soc_100_200,soc_200_300\n68.1,20.2,10.0,30.0,NA,-9999\n68.4,21,12,33,15,8\n",
        lambda path: np.nan_to_num(soil_carbon.read_pedons(path).stocks, nan=-1.0).tolist(),
        [[10.0, 20.0, -1.0, -1.0], [12.0, 21.0, 15.0, 8.0]],
    ),
    "pest_options_and_notes": (CONTROL, lambda path: [o.value for o in pest.read_control(path).observations], [0.45]),
    "sensor_depth_negative": (
        HEADER + "A,2008,7,soil_temperature,4,degC,,-0.05,68.6,-149.6\n",
        observed,
        [[2008.0], [4.0], [0.05], [""]],
    ),
    "thaw_depth_marks": (
        HEADER
        + "".join(
            f"A,{y},,alt,{text},cm,,,68.6,-149.6\n"
            for y, text in ((2006, "-"), (2007, "63**"), (2008, "inactive"), (2009, "120+"), (2010, "45"))
        ),
        lambda path: observed(path)[:2] + observed(path)[3:],
        [[2007.0, 2009.0, 2010.0], [0.63, 1.2, 0.45], ["?", ">", ""]],
    ),
    "thaw_depth_through_the_summer": (
        HEADER
        + "".join(f"A,2008,{m},thaw_depth,{d},cm,,,68.6,-149.6\n" for m, d in ((6, 18), (7, 34), (8, 45), (9, 48))),
        lambda path: observed(path)[:2],
        [[2008.0], [0.48]],
    ),
    "tower_quality_in_classes": (
        "\n".join([towers.FULL, *(towers.month(f"2003{m:02d}", NEE_VUT_REF_QC=str(m % 4)) for m in range(1, 13))])
        + "\n",
        fluxnet.read,
        "quality 3 in 'NEE_VUT_REF_QC', expected a share of 0..1",
    ),
    "tower_without_reanalysis_rain": (
        "\n".join([towers.FULL + ",P", *(towers.month(f"2003{m:02d}", P_F="-9999") + ",1.5" for m in range(1, 13))])
        + "\n",
        lambda path: fluxnet.read(path).forcing["precipitation"].values[0, 0, :2].tolist(),
        [1.5 * 31, 1.5 * 28],
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(tmp_path, name):
    text, read, expected = TABLES[name]
    path = tmp_path / (towers.NAME.replace("2003-2004", "2003-2003") if name.startswith("tower") else "table.csv")
    path.write_text(text, encoding="utf-8")
    if not isinstance(expected, str):
        assert read(path) == expected
        return
    with pytest.raises(Exception, match=expected) as caught:
        read(path)
    assert (
        type(caught.value).__name__ == "InputError" and path.name in str(caught.value) and "\n" not in str(caught.value)
    )


def test_every_kind_has_its_test():
    assert len(RIGHT) + len(REFUSED) + len(TABLES) == 34
