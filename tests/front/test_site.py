"""One site from a table, and every way in which a table can be wrong: one sentence each."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import jtem
import sites
from front import places
from jtem.constants import WATTS_TO_TEM_RADIATION
from jtem.errors import InputError, InputNote
from jtem.physics import radiation
from jtem.readers import co2, embedded, place, site_table

PLACE = places.PLACE


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    """The current folder is an empty one, so that sentences name bare files."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_csv_of_months_is_the_climate_of_the_model(in_folder):
    frame = places.months()
    places.written(frame, in_folder)
    place = jtem.site("tower.csv", **PLACE)
    assert place.is_site and place.years == (1990, 2009) and place.climate == "historical"
    climate = place.climate_dataset(1991, 1992)
    expected = frame["tas (degC)"].to_numpy().reshape(-1, 12)[1:3]
    np.testing.assert_array_equal(climate["air_temperature"].values[0], expected)
    assert climate["air_temperature"].attrs["units"] == "degC"
    assert 350 < climate["co2"].values[0] < 360  # of the embedded series
    assert [float(place.cells[name].values[0]) for name in ("latitude", "elevation")] == [68.6, 720.0]
    said = "; ".join(place.inputs)
    for words in (
        "tower.csv",
        "soil texture of the embedded loam",
        "community's mean stocks",
        "CO2: embedded published series",
    ):
        assert words in said


@pytest.mark.parametrize(
    "form", ["semicolon", "tab", "second line", "dates", "frame", "dataset", "netcdf", "suffix", "index"]
)
def test_every_form_of_the_same_table_gives_the_same_numbers(form, in_folder):
    frame = places.months()
    plain = frame.rename(columns=dict(zip(places.HEADER, ("tas", "pr", "rsds"), strict=True)))
    dates = pd.to_datetime(plain[["year", "month"]].assign(day=15))
    units = {"tas": "degC", "pr": "mm month-1", "rsds": "W m-2"}
    given = {}
    if form in ("semicolon", "tab"):
        frame.to_csv("t.csv", index=False, sep={"semicolon": ";", "tab": "\t"}[form])
        table = "t.csv"
    elif form == "second line":
        text = "# a comment\nyear,month,Tair,precip,SWdown\n,,degC,mm month-1,W m-2\n"
        body = plain.to_csv(index=False, header=False)
        (in_folder / "t.csv").write_text(text + body)
        table = "t.csv"
    elif form == "dates":
        named = frame.drop(columns=["year", "month"]).assign(date=dates.dt.strftime("%Y-%m"))
        table = places.written(named, in_folder)
    elif form == "suffix":
        names = {"tas": "ta_degC", "pr": "precip_mm_month", "rsds": "SW_IN_wm2"}
        table = places.written(plain.rename(columns=names), in_folder)
    elif form == "frame":
        table, given = plain, {"units": {"air_temperature": "degC", "precipitation": "mm/month", "rsds": "W/m2"}}
    else:
        indexed = plain.set_index(pd.DatetimeIndex(dates, name="time")).drop(columns=["year", "month"])
        table = indexed.to_xarray()
        for name, unit in units.items():
            table[name].attrs["units"] = unit
        if form == "netcdf":
            table.expand_dims(lat=[68.6], lon=[-149.6]).to_netcdf("t.nc")
            table = "t.nc"
        if form == "index":
            table, given = indexed, {"units": units}
    read = site_table.read(table, **given)  # pyright: ignore[reportArgumentType]
    expected = site_table.read(frame)
    assert read.years.tolist() == list(range(1990, 2010))
    for name, values in expected.fields.items():
        np.testing.assert_array_equal(read.fields[name], values, err_msg=name)


def test_days_are_averaged_and_precipitation_is_summed():
    frame = places.days()
    read = site_table.read(frame, units=places.UNITS)
    january = frame.loc["2001-01", "TA"].mean()
    np.testing.assert_allclose(read.fields["air_temperature"][1, 0], january, rtol=1e-12)
    np.testing.assert_allclose(read.fields["precipitation"][0, :3], [1.25 * 31, 1.25 * 29, 1.25 * 31])
    amounts = site_table.read(frame, units={**places.UNITS, "P": "mm"})  # mm of each day
    np.testing.assert_allclose(amounts.fields["precipitation"], read.fields["precipitation"])
    assert any("daily values" in note for note in read.notes)


def test_half_hours_and_days_of_the_year():
    index = pd.date_range("2001-01-01", "2001-12-31 23:30", freq="30min")
    hours = pd.DataFrame({"TIMESTAMP_START": index.strftime("%Y%m%d%H%M"), "TA": -5.0, "P": 0.05, "SW_IN": 120.0})
    units = {"TA": "degC", "P": "mm", "SW_IN": "W m-2"}
    read = site_table.read(hours, units=units)
    np.testing.assert_allclose(read.fields["precipitation"][0, 0], 0.05 * 48 * 31)
    ends = hours.assign(TIMESTAMP_END=(index + pd.Timedelta("30min")).strftime("%Y%m%d%H%M")).drop(
        columns="TIMESTAMP_START"
    )
    np.testing.assert_allclose(site_table.read(ends, units=units).fields["precipitation"], read.fields["precipitation"])
    days = places.days()
    assert isinstance(days.index, pd.DatetimeIndex)
    by_day = days.reset_index(drop=True).assign(year=days.index.year, doy=days.index.day_of_year)
    np.testing.assert_allclose(
        site_table.read(by_day, units=places.UNITS).fields["air_temperature"],
        site_table.read(days, units=places.UNITS).fields["air_temperature"],
    )


def test_other_units_are_converted():
    frame = places.months().drop(columns=list(places.HEADER))
    month_days = np.tile([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], 20) * 1.0
    month_days[(frame["month"] == 2) & (frame["year"] % 4 == 0)] = 29
    source = places.months()
    frame["tas (K)"] = source["tas (degC)"] + 273.15
    frame["pr (kg m-2 s-1)"] = source["pr (mm month-1)"] / month_days / 86400
    frame["rsds (MJ m-2 d-1)"] = source["rsds (W m-2)"] * 0.0864
    read, expected = site_table.read(frame), site_table.read(source)
    for name in expected.fields:
        np.testing.assert_allclose(read.fields[name], expected.fields[name], rtol=1e-10, atol=1e-9)


def test_cloudiness_becomes_radiation_by_tems_relation():
    frame = places.months().drop(columns=["rsds (W m-2)"]).assign(**{"cloud (%)": 60.0})
    place = jtem.site(frame, **PLACE)
    light = place.climate_dataset(1990, 1990)["shortwave_radiation"].values[0, 0]
    top = radiation.top_of_atmosphere(np.array([68.6]))[0] / WATTS_TO_TEM_RADIATION
    np.testing.assert_allclose(light, top * (0.251 + 0.509 * 0.4), rtol=1e-12)
    row = jax.tree.map(lambda leaf: leaf[0], sites.parameter_tree()).radiation
    same = radiation.radiation_under_cloud(jnp.asarray(top), jnp.full(12, 60.0), row)
    np.testing.assert_allclose(light, same, rtol=1e-12)
    assert any("cloudiness" in note for note in place.inputs)


def test_gaps_are_filled_only_when_asked_for_and_said():
    frame = places.months()
    frame.loc[13, "tas (degC)"] = np.nan  # February 1991
    place = jtem.site(frame, **PLACE, fill="mean")
    others = frame["tas (degC)"][frame["month"] == 2].mean()
    np.testing.assert_allclose(place.climate_dataset(1991, 1991)["air_temperature"].values[0, 0, 1], others)
    assert any("1991-02 (1 month) filled with the mean" in note for note in place.inputs)


def test_co2_of_the_table_of_a_number_and_of_a_file(in_folder):
    frame = places.months().assign(**{"co2 (ppm)": 400.0})
    assert set(jtem.site(frame, **PLACE).climate_dataset()["co2"].values) == {400.0}
    assert set(jtem.site(places.months(), **PLACE, co2=380.0).climate_dataset()["co2"].values) == {380.0}
    (in_folder / "co2.csv").write_text("year,ppm\n" + "\n".join(f"{y},{y - 1600}" for y in range(1990, 2010)))
    np.testing.assert_array_equal(
        jtem.site(places.months(), **PLACE, co2="co2.csv").climate_dataset()["co2"].values, np.arange(390.0, 410.0)
    )


def test_what_is_not_given_comes_from_the_map(in_folder):
    grid = {"lat": [68.5, 69.0], "lon": [-150.0, -149.5]}
    fields = {"elevation": 700.0, "sand": 50.0, "silt": 30.0, "clay": 20.0, "vegetation": 4.0}
    made = xr.Dataset({name: (("lat", "lon"), np.full((2, 2), value)) for name, value in fields.items()}, coords=grid)
    made.to_netcdf("static.nc")
    place = jtem.site(places.months(), latitude=68.6, longitude=-149.6, static="static.nc")
    assert [float(place.cells[name].values[0]) for name in ("elevation", "sand", "clay")] == [700.0, 50.0, 20.0]
    assert any("static.nc at (68.50, -149.50)" in note for note in place.inputs)
    given = jtem.site(places.months(), **PLACE, static="static.nc", silt_clay=40)
    assert float(given.cells["elevation"].values[0]) == 720.0 and float(given.cells["sand"].values[0]) == 60.0


def test_vegetation_by_rule_is_said():
    place = jtem.site(places.months(), latitude=68.6, longitude=-149.6, elevation=720)
    assert any(note.startswith("vegetation by rule from the climate: ") for note in place.inputs)


def test_a_known_site_and_any_place_have_emulated_climate():
    known = jtem.site("US-Prr")
    assert known.emulated and "emulated climate (data/embedded)" in known.inputs and known.years == (1850, 2100)
    assert "US-Prr" in jtem.known_sites()
    here = jtem.site(latitude=65.1, longitude=-147.5, community="boreal_forest")
    assert here.emulated and any("of the nearest embedded cell" in note for note in here.inputs)
    assert here.climate_dataset(2013, 2016)["co2"].sizes["year"] == 4  # across the end of history


@pytest.mark.parametrize(
    ("longitude", "says"),
    [
        (37.0, None),
        (-37.0, "the DataFrame: (61, -37) lies in the sea and (61, 37) on land; is the longitude 37? check its sign (western "
                "longitude is negative)"),
        (323.0, "(61, -37) lies in the sea and (61, 37) on land"),
    ],
)  # fmt: skip
def test_a_longitude_in_the_sea_is_pointed_out(longitude, says, recwarn):
    jtem.site(places.months(), **{**PLACE, "latitude": 61.0, "longitude": longitude})
    said = [str(w.message) for w in recwarn if issubclass(w.category, InputNote)]
    assert not said if says is None else len(said) == 1 and says in said[0]


def test_a_longitude_of_another_climate_is_pointed_out(recwarn):
    """A table with the winters of Fairbanks, placed in Yakutia: land, but another climate."""
    there = {"latitude": 65.1, "longitude": -147.5, "elevation": 210, "community": "boreal_forest"}
    air = embedded.normals(jtem.site(**there).cells)["air_temperature"].values[0]
    table = places.months().assign(**{TAS: np.tile(air, 20)})
    jtem.site(table, **there)
    assert not [w for w in recwarn if issubclass(w.category, InputNote)]
    with pytest.warns(
        InputNote, match=r"9 K off the climatology of \(65.1, 147.5\) and 0 K off that of \(65.1, -147.5\); is the"
    ):
        jtem.site(table, **{**there, "longitude": 147.5})


def test_a_map_that_has_the_mirrored_place_says_so(in_folder):
    grid = {"lat": [68.5, 69.0], "lon": [-150.0, -149.5]}
    fields = {"elevation": 700.0, "sand": 50.0, "silt": 30.0, "clay": 20.0, "vegetation": 4.0}
    made = xr.Dataset({name: (("lat", "lon"), np.full((2, 2), value)) for name, value in fields.items()}, coords=grid)
    made.to_netcdf("static.nc")
    with pytest.raises(jtem.InputError, match=r"of \(68.6, 149.6\); it has one at longitude -149.6: check the sign"):
        jtem.site(places.months(), latitude=68.6, longitude=149.6, static="static.nc")


# --- wrong tables: one sentence each -----------------------------------------------------------------------------------


def frame_without(rows):
    frame = places.months()
    return frame.drop(index=rows)


def changed(column, row, value):
    frame = places.months()
    frame.loc[row, column] = value
    return frame


def renamed(**names):
    return places.months().rename(columns={places.HEADER[0]: names["tas"]})


TAS, PR, RSDS = places.HEADER
WRONG = {
    "months missing": (
        lambda: frame_without([13, 14, 40]),
        {},
        "the DataFrame: all columns lack 1991-02..1991-03, 1993-05 (3 months); complete the table, choose years=(first, last) "
        "without gaps, or fill='mean' takes the mean of the same month",
    ),
    "a value missing": (
        lambda: changed(TAS, 13, np.nan),
        {},
        "the DataFrame: 'tas (degC)' lacks 1991-02 (1 month); complete the table, choose years=(first, last) without gaps, or "
        "fill='mean' takes the mean of the same month",
    ),
    "column misspelt": (
        lambda: renamed(tas="tmep (degC)"),
        {},
        "the DataFrame: no column of air temperature; is it 'tmep'? Call it 'tas' or give names={'air_temperature': 'tmep'}",
    ),
    "column absent": (
        lambda: places.months().drop(columns=PR),
        {},
        "the DataFrame: no column of precipitation among tas, rsds; add one called 'pr' or give names={'precipitation': ...}",
    ),
    "no radiation": (
        lambda: places.months().drop(columns=RSDS),
        {},
        "the DataFrame: no column of shortwave radiation or cloudiness among tas, pr; add one called 'rsds' or give "
        "names={'shortwave_radiation': ...}",
    ),
    "two columns": (
        lambda: places.months().assign(**{"t2m (degC)": 1.0}),
        {},
        "the DataFrame: both 'tas (degC)' and 't2m (degC)' may be air temperature; choose with names={'air_temperature': "
        "'tas (degC)'}",
    ),
    "a name that is no column": (
        places.months,
        {"names": {"air_temperature": "tass"}},
        "the DataFrame: no column 'tass' (air temperature); did you mean 'tas'?",
    ),
    "a name of no variable": (
        places.months,
        {"names": {"air_temprature": "tas"}},
        "the DataFrame: names has the unknown variable 'air_temprature'; did you mean 'air_temperature'?",
    ),
    "no unit": (
        lambda: renamed(tas="tas"),
        {},
        "the DataFrame: 'tas' has no unit; write it in the header, as 'tas (degC)', or give units={'air_temperature': 'degC'}",
    ),
    "Kelvin without a unit": (
        lambda: renamed(tas="tas").assign(tas=lambda f: f["tas"] + 273.15),
        {},
        "the DataFrame: 'tas' has no unit (its values look like K); write it in the header, as 'tas (K)', or give "
        "units={'air_temperature': 'K'}",
    ),
    "Kelvin called degC": (
        lambda: places.months().assign(**{TAS: lambda f: f[TAS] * 0 + 265.0}),
        {},
        "the DataFrame: 'tas (degC)' has values 265..265 degC, which look like K; correct its unit",
    ),
    "unit unknown": (
        lambda: renamed(tas="tas (furlong)"),
        {},
        "the DataFrame: 'tas (furlong)' is in 'furlong', expected K or degC; correct the unit or convert it",
    ),
    "unit of an unknown column": (
        places.months,
        {"units": {"tsa": "K"}},
        "the DataFrame: units names 'tsa', which is no variable; did you mean 'tas'?",
    ),
    "precipitation negative": (
        lambda: changed(PR, 17, -3.0),
        {},
        "the DataFrame: negative precipitation -3 mm month-1 in 1991-06, expected 0..5000; correct the value or its unit",
    ),
    "rows twice": (
        lambda: pd.concat([places.months(), places.months().iloc[[5]]]),
        {},
        "the DataFrame: month 1990-06 appears 2 times; keep one row",
    ),
    "month 13": (
        lambda: changed("month", 3, 13),
        {},
        "the DataFrame: month 13 in row 4, expected 1..12; correct it",
    ),
    "no dates": (
        lambda: places.months().drop(columns="month"),
        {},
        "the DataFrame: no dates; add the columns 'year' and 'month', or 'date'",
    ),
    "no whole year": (
        lambda: places.months().iloc[3:10],
        {},
        "the DataFrame: no whole year between 1990-04..1990-10; give every month from January to December",
    ),
    "years not covered": (
        places.months,
        {"years": (1985, 2000)},
        "the DataFrame: not all of 1985-2000 between 1990-01..2009-12; give every month from January to December",
    ),
    "latitude and longitude swapped": (
        places.months,
        {"latitude": -149.6, "longitude": 68.6},
        "the DataFrame: latitude -149.6 is outside -90..90; latitude and longitude are swapped, exchange them",
    ),
    "southern latitude": (
        places.months,
        {"latitude": -68.6},
        "the DataFrame: June to August are the warmest months, latitude is -68.6; a northern latitude is positive, write 68.6",
    ),
    "radiation above the sun": (
        lambda: changed(RSDS, 12, 300.0),
        {},
        "the DataFrame: shortwave radiation is 300 W m-2 in 1991-01, above the atmosphere at latitude 68.6 it is 2; check "
        "latitude, months and unit",
    ),
    "radiation in MJ": (
        lambda: places.months().assign(**{RSDS: lambda f: f[RSDS] * 0.0864}),
        {},
        "the DataFrame: 'rsds (W m-2)' has values 0..19.9 W m-2, which look like MJ m-2 d-1; correct its unit",
    ),
    "community unknown": (
        places.months,
        {"community": "wet_tundra"},
        "the DataFrame: community 'wet_tundra' is unknown; did you mean 'wet_moist_tundra'?",
    ),
    "no elevation": (
        places.months,
        {"elevation": None},
        "the DataFrame: elevation is missing; give it in m, or static= a CF file that has it",
    ),
    "no latitude": (places.months, {"latitude": None}, "the site: latitude is missing; give it in degrees"),
    "texture of two": (
        places.months,
        {"texture": (40, 60)},
        "the DataFrame: texture has 2 numbers, expected sand, silt and clay in percent; give three",
    ),
    "fill unknown": (
        places.months,
        {"fill": "zero"},
        "the DataFrame: fill 'zero' is unknown; leave it out or use 'mean', the mean of the same month",
    ),
    "CO2 by year": (
        places.months,
        {"co2": {1990: 350.0}},
        "the DataFrame: CO2 of 1991 is missing; give every year of 1990-2009",
    ),
    "not a table": (
        lambda: 42,
        {},
        "the int: a site needs a CSV or netCDF path, a DataFrame, a Dataset or the name of a known site; give one",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_table_is_refused_with_one_sentence(what):
    make, more, sentence = WRONG[what]
    with pytest.raises(jtem.InputError) as caught:
        jtem.site(make(), **{**PLACE, **more}).climate_dataset()
    assert str(caught.value) == sentence
    assert isinstance(caught.value, ValueError)


def days_without(days):
    frame = places.days()
    return frame.drop(index=frame.index[days])


WRONG_DAYS = {
    "gaps": (
        lambda: days_without(range(40, 60)),
        "the DataFrame: all columns lack 2000-02 (1 month) (months with less than 80% of their values count as missing); "
        "complete the table, choose years=(first, last) without gaps, or fill='mean' takes the mean of the same month",
    ),
    "a day twice": (
        lambda: pd.concat([places.days(), places.days().iloc[[5]]]),
        "the DataFrame: 2000-01-06 appears twice; keep one row",
    ),
    "eight days": (
        lambda: places.days().iloc[::8],
        "the DataFrame: rows are 8 days apart; give months, days, hours or half-hours",
    ),
}


@pytest.mark.parametrize("what", WRONG_DAYS)
def test_days_with_gaps_and_doubles_are_refused(what):
    make, sentence = WRONG_DAYS[what]
    with pytest.raises(jtem.InputError) as caught:
        site_table.read(make(), units=places.UNITS)
    assert str(caught.value) == sentence


WRONG_TEXTS = {
    "not there": (None, "tower.csv: table not found; check the path"),
    "empty": ("year,month,tas (degC)\n", "tower.csv: table is empty; give a header line and rows of numbers"),
    "no header": (
        "1990,1,2.0\n1990,2,3.0\n",
        "tower.csv: no header line; the first line must name the columns, such as 'year,month,tas (degC)'",
    ),
    "ragged": (
        "year,month,tas (degC),pr (mm),rsds (W m-2)\n1990,1,-20,5,0\n1990,2,-20,5\n",
        "tower.csv: line 3 has 4 entries, the header 5; correct the line",
    ),
    "decimal comma": (
        "year;month;tas (degC);pr (mm);rsds (W m-2)\n" + "".join(f"1990;{m};-20,5;5;0\n" for m in range(1, 13)),
        "tower.csv: line 2, 'tas (degC)' is '-20,5', not a number; write a decimal point",
    ),
    "decimal commas in all columns": (
        "year;month;tas (degC);pr (mm);rsds (W m-2)\n" + "".join(f"1990;{m};-20,5;5,1;0,0\n" for m in range(1, 13)),
        "tower.csv: line 2, 'tas (degC)' is '-20,5', not a number; write a decimal point",
    ),
    "date of another form": (
        "date,tas (degC),pr (mm),rsds (W m-2)\n31/12/1990,-20,5,0\n",
        "tower.csv: 'date' is '31/12/1990' in row 1, expected a date like 1981-05-17; write dates that way",
    ),
}


@pytest.mark.parametrize("what", WRONG_TEXTS)
def test_a_text_that_is_no_table_is_refused(what, in_folder):
    text, sentence = WRONG_TEXTS[what]
    if text is not None:
        (in_folder / "tower.csv").write_text(text)
    with pytest.raises(jtem.InputError) as caught:
        jtem.site("tower.csv", **PLACE)
    assert str(caught.value) == sentence


def test_a_misspelt_table_is_said_before_what_else_is_missing(in_folder):
    places.written(places.months(), in_folder)
    with pytest.raises(jtem.InputError, match=r"^towr.csv: table not found; did you mean 'tower.csv'\?$"):
        jtem.site("towr.csv")


def test_unknown_sites_and_scenarios_are_refused():
    with pytest.raises(jtem.InputError) as caught:
        jtem.site("US-Pr")
    assert (
        str(caught.value)
        == "unknown site 'US-Pr'; did you mean 'US-Prr'? (a table is given by a path such as 'tower.csv')"
    )
    with pytest.raises(jtem.InputError) as caught:
        jtem.site("US-Prr", scenario="spp585")
    assert str(caught.value) == "scenario 'spp585' is unknown; did you mean 'ssp585'?"
    with pytest.raises(jtem.InputError) as caught:
        jtem.site("US-Prr", latitude=65.0)
    assert str(caught.value) == "site 'US-Prr' is known with its place; leave latitude and longitude out"
    with pytest.raises(jtem.InputError, match="no emulated climate at latitude -33"):
        jtem.site(latitude=-33.0, longitude=20.0, community="grassland")


def test_several_places_are_a_region():
    data = xr.Dataset(
        {"tas": (("time", "cell"), np.zeros((24, 3)), {"units": "degC"})},
        coords={"time": pd.date_range("2000-01-15", periods=24, freq="MS")},
    )
    with pytest.raises(jtem.InputError) as caught:
        jtem.site(data, **PLACE)
    assert str(caught.value) == "the Dataset: 3 places along 'cell'; choose one, or use jtem.region for all of them"


def test_a_plan_of_a_table_takes_the_co2_of_the_scenario_it_names(in_folder):
    frame = places.months()
    later = frame.assign(year=frame["year"] + 11)  # 2001-2020
    places.written(later, in_folder)

    def opened(column):
        domain = place.open_domain(
            lambda name, here=False: in_folder / name, ("historical",), climate={"historical": ["tower.csv"]}, names={},
            units={}, fill="", co2="embedded", co2_column=column, latitude=68.6, longitude=-149.6, elevation=720.0,
            community="wet_moist_tundra", texture=(), soil_organic_carbon=(), static="",
            sun=lambda latitude: np.full((len(latitude), 12), 1000.0),
        )  # fmt: skip
        return domain.source("historical")[0](np.arange(1), 2011, 2020)["co2"].values, "; ".join(domain.inputs)

    for column in ("ssp126", "ssp585"):
        found, said = opened(column)
        np.testing.assert_array_equal(found, co2.embedded_series(column, 2011, 2020))
        assert f"CO2: embedded published series ({column} after 2014)" in said
        assert "names no scenario" not in said
    assert opened("ssp585")[0][-1] > opened("ssp126")[0][-1]
    with pytest.raises(InputError, match="co2_column 'ssp58' is no embedded series; known: historical, ssp126"):
        opened("ssp58")
    places.written(later.assign(**{"co2 (ppm)": 400.0}), in_folder)
    with pytest.raises(InputError, match=r"tower.csv holds CO2 and .*co2_column is 'ssp585'; leave one of them"):
        opened("ssp585")
