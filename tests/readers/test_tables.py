"""Text tables in the forms in which people have them, against one plain table; what cannot be told is refused."""

import numpy as np
import pytest

from jtem.errors import InputError
from jtem.readers import co2, site_table, tables
from jtem.readers import observations as obs

PLAIN = (
    "site,year,month,variable,value,error,depth_m,latitude,longitude\n"
    "Ä,2004,7,soil_temperature,4.5,0.25,0.1,68.625,-149.5\n"
    "Ä,2004,8,soil_temperature,NA,0.5,0.1,68.625,-149.5\n"
    "Ä,2004,9,soil_temperature,-1.125,0.5,0.1,68.625,-149.5\n"
)


def semicolons(text):
    return text.replace(",", ";").replace(".", ",").encode()


LAYOUTS = {
    "plain": PLAIN.encode(),
    "byte order mark": b"\xef\xbb\xbf" + PLAIN.encode(),
    "spreadsheet's code page": PLAIN.encode("cp1252"),
    "unicode text of a spreadsheet": PLAIN.replace(",", "\t").encode("utf-16"),
    "semicolons and decimal commas": semicolons(PLAIN),
    "tabs": PLAIN.replace(",", "\t").encode(),
    "bars": PLAIN.replace(",", " | ").encode(),
    "windows line ends": PLAIN.replace("\n", "\r\n").encode(),
    "quoted": "\n".join(",".join(f'"{f}"' for f in line.split(",")) for line in PLAIN.splitlines()).encode(),
    "quoted decimal commas": "\n".join(
        ",".join(f'"{f.replace(".", ",")}"' for f in line.split(",")) for line in PLAIN.splitlines()
    ).encode(),
    "spaces after commas": PLAIN.replace(",", ", ").encode(),
    "capitals in the header": PLAIN.replace("site,year", "Site,YEAR").replace("latitude,longitude", "Lat,Lon").encode(),
    "empty columns at the end": PLAIN.replace("\n", ",,\n").encode(),
    "empty lines of commas": (PLAIN + ",,,,,,,,\n,,,,,,,,\n").encode(),
    "notes": ("# mine\n" + PLAIN).encode(),
    "missing as -9999": PLAIN.replace("NA", "-9999").encode(),
    "missing as -999.0": PLAIN.replace("NA", "-999.0").encode(),
    "missing as a dash": PLAIN.replace("NA", "-").encode(),
    "missing as nothing": PLAIN.replace("NA", "").encode(),
    "minus of typesetters": PLAIN.replace("-1.125", "\u22121.125").encode(),
    "exponents": PLAIN.replace("-1.125", "-1.125E+00").encode(),
    "dates": PLAIN.replace("site,year,month", "site,date")
    .replace("2004,7", "2004-07-15")
    .replace("2004,8", "2004-08-31T12:00")
    .replace("2004,9", "2004/09/01")
    .encode(),
    "depths in cm": PLAIN.replace("depth_m", "depth_cm").replace(",0.1,", ",10,").encode(),
    "heights": PLAIN.replace(",0.1,", ",-0.1,").encode(),
    "columns of blanks": PLAIN.replace(",", "   ").encode(),
    "missing as spreadsheets say": PLAIN.replace("NA", "#N/A").encode(),
    "short rows": PLAIN.replace("NA,0.5,0.1,68.625,-149.5", "NA").encode(),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_table_is_read_in_every_layout(layout, tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(LAYOUTS[layout])
    table = obs.read_table(path)
    assert table["site"].values.tolist() == ["Ä", "Ä"]
    assert table["value"].values.tolist() == [4.5, -1.125] and table["month"].values.tolist() == [7.0, 9.0]
    assert table["error"].values.tolist() == [0.25, 0.5] and table["depth"].values.tolist() == [0.1, 0.1]
    assert (table["latitude"].values[0], table["longitude"].values[0]) == (68.625, -149.5)
    assert "1 rows without a value left out" in table.attrs["notes"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("4.5,0.25", "4,5,0,25", r"line 2 has 11 fields, the header 9; correct the line \(decimal commas\?\)"),
        ("4.5", '"1,234"', r"row 2: '1,234' is not a number; write it with a decimal point and without thousands"),
        ("4.5", "1_0", r"'1_0' is not a number"),
        ("4.5", "inf", r"'inf' is not a number"),
        ("4.5", "4.5 degC", r"'4.5 degC' is not a number"),
        ("error", "value", r"column 'value' is there twice"),
        ("2004,7", "200,7", r"year 200 of 'soil_temperature', expected a calendar year"),
        ("2004,9", "2004,7", r"'soil_temperature' of Ä 2004-07 is given twice \(4.5 and -1.125 degC\)"),
        ("0.25,0.1", "0.25,-0.1", r"depths of both signs \(-0.1 and 0.1 m\)"),
        (",0.1,", ",100,", r"has the depth 100 m, expected 0..60; give metres \(centimetres\?\)"),
        ("-1.125,0.5,0.1,68.625", "-1.125,0.5,0.1,67.5", r"'Ä' has latitude 68.625 and 67.5; give one"),
    ],
)
def test_what_cannot_be_told_is_refused(old, new, message, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(PLAIN.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=message) as raised:
        obs.read_table(path)
    assert "table.csv" in str(raised.value) and "\n" not in str(raised.value)


def test_depths_in_centimetres_called_metres_are_noticed(tmp_path):
    rows = [f"A,2004,{m},soil_temperature,{t},{d}" for d, t0 in ((5, 12), (20, 9)) for m, t in ((1, -t0), (7, t0))]
    path = tmp_path / "table.csv"
    path.write_text("site,year,month,variable,value,depth_m\n" + "\n".join(rows))
    with pytest.raises(InputError, match=r"of A at 5 m varies by 24.0 degC in a year, .* \(centimetres\?\)"):
        obs.read_table(path)
    header = "site,year,month,variable,value,depth_m\n"
    path.write_text(header + "A,2004,1,soil_temperature,-1,50\nA,2004,8,soil_temperature,3,50\n")
    with pytest.raises(InputError, match=r"of A at 50 m varies by 4.0 degC in a year"):
        obs.read_table(path)
    path.write_text(
        header + "".join(f"A,{year},1,soil_temperature,{-8 + year / 500},20\n" for year in (1980, 2020, 3000 - 500))
    )
    assert obs.read_table(path).sizes["observation"] == 3  # ground that warms through the decades


def test_binary_files_and_spreadsheets_get_one_sentence(tmp_path):
    for name, message in (("a.xls", "save the sheet as CSV"), ("a.csv", "no text"), ("b.csv", "not found")):
        if name != "b.csv":
            (tmp_path / name).write_bytes(b"\xd0\xcf\x11\xe0\0\0\1")
        with pytest.raises(InputError, match=message):
            tables.read_rows(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "value", "mark"),
    [
        *(
            (">120", 120.0, ">"),
            ("> 120", 120.0, ">"),
            (">=120", 120.0, ">"),
            ("≥120", 120.0, ">"),
            ("120+", 120.0, ">"),
        ),
        *(("<45", 45.0, "<"), ("≤45", 45.0, "<"), ("63*", 63.0, "?"), ("63**", 63.0, "?"), ("63a", 63.0, "?")),
        *(("63 (a)", 63.0, "?"), ("(63)", 63.0, "?"), ("~63", 63.0, "?"), ("63†", 63.0, "?"), ("63.5", 63.5, "")),
        *(("-", np.nan, ""), ("inactive", np.nan, ""), ("n/a", np.nan, ""), ("-999", np.nan, ""), (" ", np.nan, "")),
    ],
)
def test_marks_of_thaw_depths(text, value, mark):
    found = tables.inequality(text, "here")
    assert (np.isnan(found[0]) if np.isnan(value) else found[0] == value) and found[1] == mark


@pytest.mark.parametrize("text", ["45-50", "63cm", "dry", "1,5x2", "12/13"])
def test_marks_that_are_none(text):
    with pytest.raises(InputError, match=f"here: {text!r} is not a number"):
        tables.inequality(text, "here")


def test_coordinates_and_dates():
    for text, value in (
        ("68.5", 68.5),
        ("68°30'N", 68.5),
        ("149 36 W", -149.6),
        ("-149.6", -149.6),
        ("68 30 36 N", 68.51),
    ):
        assert tables.degrees(text, "here") == pytest.approx(value)
    for text in ("68 75 N", "north", "6 8 3 0"):
        with pytest.raises(InputError, match="is no coordinate"):
            tables.degrees(text, "here")
    assert tables.date("31.08.2004", "here") == (2004.0, 8.0, 31.0)
    assert tables.date("2004-08", "here")[:2] == (2004.0, 8.0) and np.isnan(tables.date("2004-08", "here")[2])
    with pytest.raises(InputError, match="date '08/09/2004' cannot be told; write YYYY-MM-DD"):
        tables.date("08/09/2004", "here")


def test_quotation_marks_without_end_and_endless_fields(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('year,month,tas (degC),pr (mm month-1),rsds (W m-2)\n2001,1,1,1,"1\n2001,2,1,1,1\n')
    with pytest.raises(InputError, match=r"line 2 opens a quotation mark and does not close it"):
        site_table.read(path)
    for read, header in (
        (obs.read_table, "site,year,variable,value\nA,2001,alt,"),
        (site_table.read, "year,month,tas (degC),pr (mm month-1),rsds (W m-2)\n2001,1,1,1,"),
        (lambda path: co2.read_table(path, 2001, 2001), "year,co2\n2001,"),
    ):
        path.write_text(header + "9" * 140_000 + "\n")
        with pytest.raises(InputError, match=r"field larger than field limit .* is a quotation mark not closed"):
            read(path)
