"""ISIMIP files in the published layout: months, calendars, memory by design, and every mistake in one sentence."""

import cftime
import netCDF4
import numpy as np
import pytest
from isimip_files import (
    FILL,
    LATITUDE,
    LONGITUDE,
    daily_values,
    dates,
    name_3b,
    write_daily,
    write_ndep,
    write_tree,
)

from jtem.errors import InputError
from jtem.readers import isimip, isimip_inputs

PLACES = np.array([68.25, 69.25, 68.75]), np.array([-149.25, -150.25, -150.25])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "gfdl-esm4_r1i1p1f1_w5e5_ssp585_tas_global_daily_2015_2020.nc",
            ("ISIMIP3b", "gfdl-esm4", "r1i1p1f1", "ssp585", "tas", "global", 2015, 2020),
        ),
        (
            "ukesm1-0-ll_r1i1p1f2_w5e5_ssp534-over_pr_lat45.0to90.0lon-180.0to180.0_daily_2041_2050.nc",
            ("ISIMIP3b", "ukesm1-0-ll", "r1i1p1f2", "ssp534-over", "pr", "lat45.0to90.0lon-180.0to180.0", 2041, 2050),
        ),
        (
            "gswp3-w5e5_obsclim_rsds_global_daily_1901_1910.nc",
            ("ISIMIP3a", "gswp3-w5e5", "", "obsclim", "rsds", "global", 1901, 1910),
        ),
        (
            "20crv3-era5_counterclim_tas_box_1_daily_2021_2021.nc",
            ("ISIMIP3a", "20crv3-era5", "", "counterclim", "tas", "box_1", 2021, 2021),
        ),
        (
            "tas_day_HadGEM2-ES_rcp85_r1i1p1_EWEMBI_20060101-20101231.nc4",
            ("ISIMIP2b", "hadgem2-es", "r1i1p1", "rcp85", "tas", "global", 2006, 2010),
        ),
        (
            "pr_day_MIROC5_piControl_r1i1p1_EWEMBI_tibet_18610101-18701231.nc4",
            ("ISIMIP2b", "miroc5", "r1i1p1", "picontrol", "pr", "tibet", 1861, 1870),
        ),
    ],
)
def test_names(name, expected):
    said = isimip.parse_name(name)
    assert said is not None
    found = (said.round, said.model, said.member, said.scenario, said.variable, said.region, said.first, said.last)
    assert found == expected


@pytest.mark.parametrize("name", ["landseamask.nc", "co2_ssp585_annual_2015_2100.txt", "tas_monthly_2000.nc"])
def test_other_names_are_not_climate(name):
    assert isimip.parse_name(name) is None


@pytest.mark.parametrize(
    ("calendar", "february"),
    [("proleptic_gregorian", 29), ("noleap", 28), ("365_day", 28), ("360_day", 30), ("standard", 29), ("366_day", 29)],
)
def test_days_to_months_in_any_calendar(tmp_path, calendar, february):
    unit, time = dates(2000, 2001, calendar)
    when = cftime.num2date(time, unit, calendar)
    random = np.random.default_rng(1)
    months = np.array([12 * d.year + d.month - 1 for d in when])
    tas = random.uniform(240, 290, (time.size, 3, 4)).astype(np.float32)
    pr = random.uniform(0, 1e-4, (time.size, 3, 4)).astype(np.float32)
    rsds = random.uniform(0, 300, (time.size, 3, 4)).astype(np.float32)
    for variable, values in (("tas", tas), ("pr", pr), ("rsds", rsds)):
        write_daily(tmp_path / name_3b(variable, 2000, 2001), variable, 2000, 2001, calendar=calendar, values=values)
    files = isimip.find(tmp_path, ["historical"], 2000, 2001)
    years = dict(isimip.monthly_all(files, *PLACES, 2000, 2001))
    assert sorted(years) == [2000, 2001]
    row, column = [2, 0, 1], [2, 0, 0]
    here = months == 12 * 2000 + 1
    assert here.sum() == february
    expected = tas[here].astype(np.float64).mean(axis=0)[row, column] - 273.15
    np.testing.assert_allclose(years[2000]["air_temperature"][:, 1], expected, atol=1e-4)
    expected = 86400.0 * pr[here].astype(np.float64).sum(axis=0)[row, column]
    np.testing.assert_allclose(years[2000]["precipitation"][:, 1], expected, rtol=1e-6)
    here = months == 12 * 2001 + 11
    expected = rsds[here].astype(np.float64).mean(axis=0)[row, column]
    np.testing.assert_allclose(years[2001]["shortwave_radiation"][:, 11], expected, rtol=1e-6)


def test_years_join_over_files_and_scenarios(tmp_path):
    folder = write_tree(tmp_path)
    files = isimip.find(folder, ["historical", "ssp585"], 1995, 2022)
    assert [(f.first, f.last) for f in files["precipitation"]] == [
        (1991, 2000),
        (2001, 2010),
        (2011, 2014),
        (2015, 2020),
        (2021, 2030),
    ]
    assert [year for year, _ in isimip.monthly(files["air_temperature"], *PLACES, 1995, 2022)] == list(
        range(1995, 2023)
    )


def test_never_more_than_a_month_of_days_in_memory(tmp_path, monkeypatch):
    folder = write_tree(tmp_path)
    asked = []
    read = isimip.read_days

    def counted(file, start, stop, rows, columns):
        asked.append((stop - start, rows, columns))
        return read(file, start, stop, rows, columns)

    monkeypatch.setattr(isimip, "read_days", counted)
    files = isimip.find(folder, ["historical"], 1991, 2014)
    stream = isimip.monthly(files["air_temperature"], PLACES[0][:1], PLACES[1][:1], 1991, 2014)
    next(stream)
    assert len(asked) == 12  # lazily: one year, a month at a time
    for _ in stream:
        pass
    assert len(asked) == 24 * 12
    assert max(days for days, _, _ in asked) <= isimip.DAYS_AT_ONCE
    assert all((rows.stop - rows.start, columns.stop - columns.start) == (1, 1) for _, rows, columns in asked)
    with isimip.open_daily(files["air_temperature"][0]) as file, pytest.raises(ValueError, match="at most 31"):
        read(file, 0, 32, slice(None), slice(None))


def test_latitude_either_way_and_longitude_either_convention(tmp_path):
    months = np.array(
        [d.month - 1 for d in cftime.num2date(dates(2000, 2000, "noleap")[1], "days since 1601-01-01", "noleap")]
    )
    values = daily_values("tas", months, LATITUDE, LONGITUDE)
    kept = {}
    for label, lat, lon, data in (
        ("down", LATITUDE, LONGITUDE, values),
        ("up", LATITUDE[::-1], LONGITUDE, values[:, ::-1]),
        ("east", LATITUDE, LONGITUDE + 360.0, values),
    ):
        path = tmp_path / label / name_3b("tas", 2000, 2000)
        write_daily(path, "tas", 2000, 2000, calendar="noleap", latitude=lat, longitude=lon, values=data)
        name = isimip.parse_name(path)
        assert name is not None
        ((_, kept[label]),) = isimip.monthly([name], *PLACES, 2000, 2000)
    np.testing.assert_array_equal(kept["down"], kept["up"])
    np.testing.assert_array_equal(kept["down"], kept["east"])


def test_a_file_of_the_whole_earth(tmp_path):
    """The full 720 x 360 header; only January is there, so it is read below the check of complete years."""
    latitude, longitude = 89.75 - 0.5 * np.arange(360), -179.75 + 0.5 * np.arange(720)
    values = np.full((31, 360, 720), FILL, dtype=np.float32)
    row, column = 42, 60  # 68.75 N, 149.75 W
    values[:, row, column] = 250.0 + np.arange(31)
    path = tmp_path / name_3b("tas", 2000, 2000)
    write_daily(path, "tas", 2000, 2000, latitude=latitude, longitude=longitude, values=values, days=31)
    name = isimip.parse_name(path)
    assert name is not None
    with pytest.raises(InputError, match=r"day 2000-02-01 is missing or out of order"), isimip.open_daily(name):
        pass
    with netCDF4.Dataset(str(path)) as data:
        data.set_auto_maskandscale(False)
        grid = isimip.fields.axes(data, str(path))
        assert (grid.latitude.size, grid.longitude.size, grid.step) == (360, 720, 0.5)
        rows, columns, r, c = isimip.positions(grid, np.array([68.75]), np.array([-149.75]), "x")
        assert (rows, columns) == (slice(row, row + 1), slice(column, column + 1))
        file = isimip.DailyFile(name, data["tas"], grid, np.zeros(31, dtype=int), "x")
        box = isimip.read_days(file, 0, 31, rows, columns)
        assert box.shape == (31, 1, 1) and box[:, r, c].mean() == pytest.approx(265.0)
        valid = np.isfinite(isimip.read_days(file, 0, 1, slice(None), slice(None))[0][grid.rows][:, grid.columns])
    assert valid.sum() == 1
    near = isimip.share_grid(grid, valid, np.array([68.75, 69.25]), np.array([-149.75, -149.75]), "x")
    assert near.moved.tolist() == [False, True] and near.latitude.tolist() == [68.75]
    with pytest.raises(InputError, match=r"no climate within 83 km of the cell \(60.25, 10.25\)"):
        isimip.share_grid(grid, valid, np.array([60.25]), np.array([10.25]), "x")


def test_a_finer_run_shares_the_nearest_cell(tmp_path):
    folder = write_tree(tmp_path, {"historical": [(2000, 2000)]}, sea=(0, 3))
    files = isimip.find(folder, ["historical"], 2000, 2000)
    fine = np.array([69.05, 69.15, 69.25, 68.95, 69.25]), np.array([-150.05, -150.35, -150.25, -150.25, -148.75])
    shared = isimip.share(files, *fine)
    assert shared.latitude[shared.index].tolist() == [69.25, 69.25, 69.25, 68.75, 69.25]
    assert shared.longitude[shared.index].tolist() == [-150.25, -150.25, -150.25, -150.25, -149.25]
    assert shared.moved.tolist() == [False] * 4 + [True]  # its own cell is sea


# --- refusals --------------------------------------------------------------------------------------------------------


def refused(folder, match, first=2000, last=2000, **choice):
    with pytest.raises(InputError, match=match):
        files = isimip.find(folder, ["historical"], first, last, **choice)
        for _ in isimip.monthly_all(files, *PLACES, first, last):
            pass


def one_year(tmp_path, **wrong):
    for variable in ("tas", "pr", "rsds"):
        write_daily(tmp_path / name_3b(variable, 2000, 2000), variable, 2000, 2000, **wrong.get(variable, {}))
    return tmp_path


def test_a_missing_decade(tmp_path):
    folder = write_tree(tmp_path, {"historical": [(1991, 2000), (2011, 2014)]})
    refused(
        folder, r"'tas' of historical: years 2001-2010 are missing before gfdl-esm4\S+2011_2014.nc; add the", 1991, 2014
    )
    refused(folder, r"years 2015-2020 are missing \(files have 1991-2014\)", 2011, 2020)
    refused(folder, r"years 1981-1990 are missing before", 1981, 1999)


def test_overlaps_and_several_choices(tmp_path):
    folder = write_tree(tmp_path, {"historical": [(1999, 2000), (2000, 2001)]})
    refused(folder, r"2000_2001.nc begins in 2000, which another file has too; drop one", 1999, 2001)
    write_daily(tmp_path / "b" / name_3b("tas", 2000, 2000, gcm="ukesm1-0-ll", member="r1i1p1f2"), "tas", 2000, 2000)
    refused(tmp_path, r"files of several models \(gfdl-esm4, ukesm1-0-ll\); set 'model' in \[prepare\]")
    refused(tmp_path, r"no files of model 'gfdl-esm5'; did you mean 'gfdl-esm4'\?", model="gfdl-esm5")
    refused(tmp_path / "empty", "folder of ISIMIP files not found")
    with pytest.raises(InputError, match=r"no files of scenario 'ssp126'; known: historical"):
        isimip.find(folder, ["ssp126"], 2015, 2020)


def test_an_absent_variable(tmp_path):
    write_daily(tmp_path / name_3b("tas", 2000, 2000), "tas", 2000, 2000)
    refused(tmp_path, r"'pr' of historical: no file; add the files of this variable")
    write_daily(tmp_path / name_3b("pr", 2000, 2000), "tas", 2000, 2000)
    write_daily(tmp_path / name_3b("rsds", 2000, 2000), "rsds", 2000, 2000)
    refused(tmp_path, r"variable 'pr' is missing although the name of the file says it")


@pytest.mark.parametrize(
    ("variable", "wrong", "match"),
    [
        ("tas", {"units": "degC"}, r"tas: units 'degC', expected 'K' as the ISIMIP protocol says"),
        ("pr", {"units": "mm d-1"}, r"pr: units 'mm d-1', expected 'kg m-2 s-1'"),
        ("rsds", {"units": ""}, r"rsds: units '', expected 'W m-2'"),
        ("tas", {"dims": ("time", "lon", "lat")}, r"dimensions \('time', 'lon', 'lat'\), expected .*; transpose"),
        ("tas", {"latitude": LONGITUDE[:3], "longitude": 68.25 + 0.5 * np.arange(4)}, r"latitude runs .*swapped"),
        ("pr", {"declare_fill": False, "sea": (2, 2)}, r"value 1e\+20 looks like a fill value that the file does"),
        ("rsds", {"sea": (2, 2)}, r"rsds: missing values at 31 cells and days in 2000-01, where the run has land"),
        ("rsds", {"days": 200}, r"day 2000-07-19 is missing or out of order in 'time' \(proleptic_gregorian"),
        ("tas", {"values": np.full((366, 3, 4), -10, "f4")}, r"-10..-10 K in 2000-01.*degrees Celsius labelled K\?"),
        ("pr", {"values": np.full((366, 3, 4), 2.5, "f4")}, r"mm per day labelled kg m-2 s-1\? divide by 86400"),
        ("pr", {"values": np.full((366, 3, 4), -1e-6, "f4")}, r"negative precipitation"),
        ("tas", {"latitude": np.array([69.25, 68.75, 68.0])}, r"'latitude' is not evenly spaced"),
        ("tas", {"latitude": LATITUDE + 10}, r"no cell at \(68.250, -149.250\), which the other files have"),
    ],
)  # fmt: skip
def test_wrong_files(tmp_path, variable, wrong, match):
    refused(one_year(tmp_path, **{variable: wrong}), match)


def test_a_name_that_disagrees_with_the_time(tmp_path):
    one_year(tmp_path)
    (tmp_path / name_3b("tas", 2000, 2000)).rename(tmp_path / name_3b("tas", 2001, 2001))
    for variable in ("pr", "rsds"):
        write_daily(tmp_path / name_3b(variable, 2001, 2001), variable, 2001, 2001)
    refused(tmp_path, r"time runs 2000-2000 but the name says 2001-2001", 2001, 2001)


def test_corrupt_files(tmp_path):
    one_year(tmp_path)
    path = tmp_path / name_3b("rsds", 2000, 2000)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    refused(tmp_path, r"rsds_global_daily_2000_2000.nc: (not a readable netCDF file|\S+ ?values cannot be read)")
    path.write_bytes(b"<html>404</html>")
    refused(tmp_path, r"not a readable netCDF file")


def test_an_unknown_calendar_and_unreadable_time(tmp_path):
    one_year(tmp_path)
    path = tmp_path / name_3b("tas", 2000, 2000)
    with netCDF4.Dataset(str(path), "a") as data:
        data["time"].calendar = "martian"
    refused(tmp_path, r"calendar 'martian' of 'time' is unknown")
    with netCDF4.Dataset(str(path), "a") as data:
        data["time"].calendar, data["time"].units = "noleap", "decades since then"
    refused(tmp_path, r"'time' in 'decades since then' cannot be decoded")


# --- CO2 and nitrogen ------------------------------------------------------------------------------------------------


def test_co2_text_files(tmp_path):
    (tmp_path / "co2_historical_annual_1850_2014.txt").write_text(
        "\n".join(f"{y} {284.73 + 0.7 * (y - 1850):.2f}" for y in range(1850, 2015))
    )
    (tmp_path / "co2_ssp585_annual_2015_2100.txt").write_text(
        "\n".join(f"{y}\t{400 + y - 2015}" for y in range(2015, 2101))
    )
    (tmp_path / "co2_rcp26_2006-2299.txt").write_text("\n".join(f"{y} {380.5}" for y in range(2006, 2300)))
    ppm = isimip_inputs.find_co2(tmp_path, ["historical", "ssp585"], 1850, 2016)
    assert ppm[0] == pytest.approx(284.73) and ppm[-2:].tolist() == [400.0, 401.0]
    assert isimip_inputs.find_co2(tmp_path, ["rcp26"], 2006, 2007).tolist() == [380.5, 380.5]
    assert isimip_inputs.find_co2(tmp_path, ["counterclim"], 1901, 1902).tolist() == [296.13, 296.13]
    with pytest.raises(InputError, match=r"no CO2 of 2015 for historical \(CO2 files: co2_historical"):
        isimip_inputs.find_co2(tmp_path, ["historical"], 2010, 2020)


def test_nitrogen_deposition(tmp_path):
    for variable in ("nhx", "noy"):
        write_ndep(tmp_path, variable, 2000, 2002)
    files = isimip_inputs.find_nitrogen(tmp_path, ["histsoc"], 2001, 2002)
    years = dict(isimip_inputs.nitrogen(files, *PLACES, 2001, 2002))
    np.testing.assert_allclose(years[2001], np.broadcast_to(0.03 + 0.002 * np.arange(12, 24), (3, 12)), rtol=1e-5)
    write_ndep(tmp_path, "noy", 2000, 2002, units="kg m-2 s-1")
    with pytest.raises(InputError, match=r"noy: units 'kg m-2 s-1', expected 'g m-2 month-1'"):
        list(isimip_inputs.nitrogen(files, *PLACES, 2001, 2002))
    write_ndep(tmp_path, "noy", 2000, 2002, months=3)
    with pytest.raises(InputError, match=r"expected 36 months of 2000-2002 first"):
        list(isimip_inputs.nitrogen(files, *PLACES, 2001, 2002))
    with pytest.raises(InputError, match=r"'ndep-nhx' of histsoc: years 2003-2004 are missing"):
        isimip_inputs.find_nitrogen(tmp_path, ["histsoc"], 2001, 2004)
