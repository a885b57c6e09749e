import numpy as np
import pytest

from jtem.errors import InputError
from jtem.readers import observations as obs


def write(path, text):
    path.write_text(text.strip() + "\n", encoding="utf-8")
    return path


def test_the_users_table(tmp_path):
    path = write(
        tmp_path / "mine.csv",
        """
# my towers
site,year,month,variable,value,error,unit,depth_m,latitude,longitude,elevation_m,community
A,2004,2,nee,-1.0,0.2,gC m-2 d-1,,65.1,-147.5,210,boreal_forest
A,2004,7,NEE,3.5,,gC m-2 month-1,,65.1,-147.5,210,boreal_forest
A,2004,7,soil_temperature,280.15,,K,0.1,,,,
A,2004,8,gpp,-9999,,,,,,,
A,2005,,alt,>120,,cm,,,,,
A,2006,,alt,63*,5,cm,,,,,
B,,,vegetation_carbon,3.2,0.4,kg m-2,,70.5,-157.4,15,
B,2004,6,gpp,1.0,,umol m-2 s-1,,,,,
""",
    )
    table = obs.read_table(path)
    value, stream = table["value"].values, table["stream"].values
    assert stream.tolist() == [
        "nep",
        "nep",
        "soil_temperature",
        *["active_layer_thickness"] * 2,
        "vegetation_carbon",
        "gpp",
    ]
    assert value[0] == 29.0  # 2004 is a leap year; NEP = -NEE
    assert table["error"].values[0] == pytest.approx(29 * 0.2)
    assert value[1] == -3.5
    assert value[2] == pytest.approx(7.0) and table["depth"].values[2] == 0.1
    assert value[3:5].tolist() == [1.2, 0.63] and table["censored"].values[3:5].tolist() == [">", "?"]
    assert table["error"].values[4] == pytest.approx(0.05) and np.isnan(table["month"].values[4])
    assert value[5] == 3200 and table["error"].values[5] == 400 and np.isnan(table["year"].values[5])
    assert value[6] == pytest.approx(12.011e-6 * 86400 * 30)
    assert table["unit"].values.tolist()[:3] == ["gC m-2 month-1", "gC m-2 month-1", "degC"]
    assert table["latitude"].values.tolist() == [65.1, 70.5]
    assert table["community"].values.tolist() == ["boreal_forest", ""]
    assert table.attrs["notes"].endswith("1 rows without a value left out")

    again = tmp_path / "again.csv"
    obs.write_table(table, again)
    back = obs.read_table(again)
    for name in (*obs.TEXT_FIELDS, *obs.NUMBER_FIELDS, "latitude", "elevation", "community"):
        np.testing.assert_array_equal(back[name].values, table[name].values, err_msg=name)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("site,variable,value\nA,npe,1", r"unknown variable 'npe'; did you mean"),
        ("site,variable,val\nA,nep,1", r"column 'value' is missing; did you mean 'val'"),
        ("site,variable,value,colour\nA,nep,1,red", r"unknown column 'colour'"),
        ("site,variable,value\nA,nep,x1", r"row 2: 'x1' is not a number"),
        ("site,variable,value,unit\nA,nep,1,gC m-2 month-1", r"'nep' at A \(1 in all\) has no month; give 1..12"),
        ("site,year,month,variable,value\nA,2004,13,nep,1", r"month 13, expected 1..12"),
        ("site,year,month,variable,value\nA,2004,1,soil_temperature,1", r"has no depth"),
        ("site,year,month,variable,value,unit,depth_m\nA,2004,1,soil_temperature,280,degC,0.1", r"is 280 at A 2004-01"),
        ("site,year,month,variable,value,unit\nA,2004,1,gpp,1,kg", r"'gpp' is in 'kg', expected gC m-2 month-1 or"),
        (
            "site,variable,value,unit,latitude,longitude\nA,soil_carbon,1,kg m-2,130,62",
            r"exchange latitude and longitude",
        ),
        ("site,variable,value,unit,error\nA,soil_carbon,1,gC m-2,-2", r"error -2 at A"),
        ("site,variable,value,unit\nA,gpp,1,gC m-2 d-1", r"needs year and month"),
        ("site,variable,value", r"table is empty"),
        (
            "site,year,variable,value\nA,2004,alt,5.5",
            r"'active_layer_thickness' has no unit, expected m or cm or mm; give it",
        ),
        ("site,year,month,variable,value\nA,2004,7,gpp,5", r"'gpp' has no unit, expected gC m-2 month-1 or gC m-2 d-1"),
        (
            "site,year,month,variable,value,depth_m\nA,2004,7,soil_temperature,41,0.1",
            r"no unit and the median 41, degC or degF",
        ),
    ],
)
def test_a_bad_table_is_refused_in_one_sentence(tmp_path, body, message):
    with pytest.raises(InputError, match=message) as caught:
        obs.read_table(write(tmp_path / "bad.csv", body))
    assert "bad.csv" in str(caught.value) and "\n" not in str(caught.value)


def example(site="A", latitude=65.0):
    rows = [
        obs.row(site, "nep", -4.0, year=2001.0, month=6.0, error=0.5),
        obs.row(site, "nep", 20.0, year=2002.0, month=6.0),
        obs.row(site, "active_layer_thickness", 0.6, year=2001.0, censored="?"),
        obs.row(site, "soil_carbon", 9000.0),
    ]
    return obs.dataset(rows, {site: {"latitude": latitude, "longitude": 10.0}}, "example")


def test_selection_keeps_what_belongs():
    table = obs.join([example("A"), example("B", 70.0)])
    assert obs.select(table, years=[2001]).sizes["observation"] == 6  # long-term means belong to every year
    assert obs.select(table, streams=["nep"], years=[2002])["value"].values.tolist() == [20.0, 20.0]
    assert obs.select(table, exact=True, streams=["active_layer_thickness"]).sizes["observation"] == 0
    one = obs.select(table, sites=["B"])
    assert one["place"].values.tolist() == ["B"] and one["latitude"].values.tolist() == [70.0]
    with pytest.raises(InputError, match="no site 'C'"):
        obs.select(table, sites=["C"])
    with pytest.raises(InputError, match="no stream 'gpp'"):
        obs.select(table, streams=["gpp"])


def test_joining_keeps_places_apart():
    whole = obs.join([example(), example()])
    assert whole.sizes == {"observation": 8, "place": 1} and np.isnan(whole["elevation"].values[0])
    with pytest.raises(InputError, match="site 'A' lies at latitude 65 in one source and 66 in another"):
        obs.join([example(), example(latitude=66.0)])


def test_errors_are_completed_not_guessed():
    floors = {"nep": 1.0, "active_layer_thickness": 0.1, "soil_carbon": 1.0}
    full = obs.with_errors(example(), floors, {"nep": 0.1, "soil_carbon": 0.2})
    assert full["error"].values.tolist() == [1.0, 2.0, 0.1, 1800.0]
    with pytest.raises(InputError, match=r"no error is stated for 'active_layer_thickness' of A 2001 .* in m"):
        obs.with_errors(example(), {"nep": 1.0, "soil_carbon": 10.0})
    with pytest.raises(InputError, match="unknown stream 'npe'"):
        obs.with_errors(example(), {"npe": 1.0})


THAW = "site,year,month,variable,value,unit,error,latitude\n"


def thaw(folder, *rows, latitude=68.6):
    lines = [f"A,{year},{month},{name},{value},cm,3,{latitude}" for year, month, name, value in rows]
    return obs.read_table(write(folder / "thaw.csv", THAW + "\n".join(lines)))


def test_thaw_probed_through_the_summer_is_not_the_active_layer_of_each_day(tmp_path):
    summer = [(2008, m, "thaw_depth", d) for m, d in ((6, 18), (7, 34), (8, 45), (9, 48))]
    table = thaw(tmp_path, *summer, (2009, 7, "thaw_depth", 30), (2010, "", "alt", 50), (2011, 8, "alt", "120+"))
    assert table["value"].values.tolist() == pytest.approx([0.5, 0.48, 0.3, 1.2])
    assert table["censored"].values.tolist() == ["", "", ">", ">"]  # July alone is a bound
    assert table["year"].values.tolist() == [2010, 2008, 2009, 2011] and np.isnan(table["month"].values).all()
    assert (
        "probed on several dates in 1 years" in table.attrs["notes"]
        and "1 active layers are only" in table.attrs["notes"]
    )
    assert obs.select(table, exact=True)["value"].values.tolist() == pytest.approx([0.5, 0.48])
    south = thaw(tmp_path, (2008, 1, "thaw_depth", 20), (2009, 3, "thaw_depth", 30), latitude=-64)
    assert south["censored"].values.tolist() == [">", ""]
    with pytest.raises(InputError, match=r"is given twice \(0.5 and 0.45 m\)"):
        thaw(tmp_path, (2010, "", "alt", 50), (2010, "", "alt", 45))
    with pytest.raises(InputError, match=r"thaw depth of A 2010-08 is given 2 times; give dates, or the mean"):
        thaw(tmp_path, (2010, 8, "thaw_depth", 50), (2010, 8, "thaw_depth", 40))
    points = [
        f"A,{date},alt,{depth},cm" for date, depth in (("2010-08-20", 50), ("2010-08-20", 40), ("2010-08-30", 44))
    ]
    table = obs.read_table(write(tmp_path / "thaw.csv", "site,date,variable,value,unit\n" + "\n".join(points)))
    assert table["value"].values.tolist() == pytest.approx([0.45]) and "their mean is taken" in table.attrs["notes"]
    with pytest.raises(InputError, match=r"'active_layer_thickness' is 50 at A 2010"):
        obs.read_table(write(tmp_path / "thaw.csv", "site,year,variable,value,unit\nA,2010,alt,50,m"))  # cm taken for m


def test_whole_years_have_no_month(tmp_path):
    with pytest.raises(
        InputError, match=r"'net_primary_production' at A 2004-07 .* has a month but is of a whole year"
    ):
        obs.read_table(
            write(
                tmp_path / "a.csv",
                "site,year,month,variable,value,unit\nA,2004,7,net_primary_production,200,gC m-2 year-1",
            )
        )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0, 1, 2, 3), r"quality 3 in 'quality', expected a share of 0..1; classes \(0 measured"),
        ((90, 45), r"quality 90 in 'quality', expected a share of 0..1; percent\?"),
        ((0.5, -1), r"quality -1 in 'quality'"),
    ],
)
def test_flags_that_are_no_shares(tmp_path, values, message):
    rows = [f"A,2004,{k},nep,1,gC m-2 month-1,{value}" for k, value in enumerate(values, start=1)]
    with pytest.raises(InputError, match=message):
        obs.read_table(write(tmp_path / "a.csv", "site,year,month,variable,value,unit,quality\n" + "\n".join(rows)))


@pytest.mark.parametrize(
    ("stream", "unit", "factor"),
    [
        *(
            ("gpp", u, 31.0)
            for u in ("gC m-2 d-1", "gC/m2/day", "g C m^-2 day^-1", "gC m⁻² d⁻¹", "g C m-2 d-1", "gC m**-2 d**-1")
        ),
        *(
            ("gpp", u, 31 * 86400 * 12.011e-6)
            for u in ("umol m-2 s-1", "µmol m-2 s-1", "umolCO2 m-2 s-1", "µmol CO2/m2/s")
        ),
        *(("gpp", u, 1.0) for u in ("gC m-2 month-1", "g C m-2 mon-1", "gC/m2/month")),
        ("gpp", "gCO2 m-2 d-1", 31 * 12.011 / 44.009),
        ("evapotranspiration", "mm/day", 31.0),
        ("vegetation_carbon", "kg C m-2", 1000.0),
        ("vegetation_carbon", "t/ha", 100.0),
        *(
            ("active_layer_thickness", u, f)
            for u, f in (("centimeters", 0.01), ("inches", 0.0254), ("ft", 0.3048), ("CM", 0.01))
        ),
        *(
            ("gpp", u, f)
            for u, f in (("kg C m-2 month-1", 1000.0), ("gC m-2 per day", 31.0), ("mmol m-2 d-1", 31 * 12.011e-3))
        ),
        *(("evapotranspiration", u, f) for u, f in (("kg m-2 s-1", 31 * 86400.0), ("kg m-2 month-1", 1.0))),
    ],
)
def test_units_as_people_write_them(stream, unit, factor):
    assert obs.conversion(stream, obs.STREAMS[stream].unit, unit, 31.0, "here") == (pytest.approx(factor), 0.0)


def test_temperatures_and_units_of_others():
    factor, offset = obs.conversion("soil_temperature", "degC", "degF", np.nan, "here")
    assert 41 * factor + offset == pytest.approx(5.0)
    for unit, offset in (("°C", 0.0), ("deg C", 0.0), ("Celsius", 0.0), ("kelvin", -273.15), ("K", -273.15)):
        assert obs.conversion("soil_temperature", "degC", unit, np.nan, "here") == (1.0, offset)
    for stream, unit in (
        ("gpp", "gC m-2 year-1"),
        ("soil_temperature", "W m-2"),
        ("snow_depth", "kg m-2"),
        ("gpp", "g m-2 d-1"),
    ):
        with pytest.raises(InputError, match=f"'{stream}' is in '{unit}', expected"):
            obs.conversion(stream, obs.STREAMS[stream].unit, unit, 31.0, "here")


def test_places_as_people_write_them(tmp_path):
    text = "site,year,variable,value,unit,latitude,longitude\nA,2004,alt,0.5,m,68.6N,149.6W\nB,2004,alt,0.5,m,68 36,210.4\n"
    table = obs.read_table(write(tmp_path / "a.csv", text))
    assert table["latitude"].values.tolist() == pytest.approx([68.6, 68.6])
    assert table["longitude"].values.tolist() == pytest.approx([-149.6, -149.6])
    with pytest.raises(InputError, match=r"longitude 1496 of 'A' is outside -180..360"):
        obs.read_table(write(tmp_path / "a.csv", text.replace("149.6W", "1496")))
