"""Boreholes by depth and CALM's summary sheet."""

import numpy as np
import pytest

from jtem.errors import InputError
from jtem.readers import ground


def daily(header, *months, value=lambda day, k: -2.0 - k, sign=","):
    lines = [header]
    for year, month, days in months:
        for day in range(1, days + 1):
            lines.append(sign.join([f"{year}-{month:02d}-{day:02d}", *(f"{value(day, k)}" for k in range(3))]))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "header",
    [
        *("Date/Depth,0.5,1.0,20.0", "date,0.5 m,1 m,20 m", "Time,ts_50cm_degC,ts_100cm_degC,ts_2000cm_degC"),
        *("Date/Depth,-0.5,-1.0,-20.0", "Date,T_0.5m,T_1.0m,T_20.0m", "date,50 cm,100 cm,2000 cm"),
        *("Date/Depth [cm],50,100,2000", "time,T500mm,T1000mm,T20000mm"),
    ],
)
def test_boreholes_by_depth(header, tmp_path):
    path = tmp_path / "Deadhorse.csv"
    path.write_text(
        daily(
            header,
            (2008, 7, 31),
            (2008, 8, 20),
            value=lambda day, k: -999 if k == 1 and day < 3 else -4 if k == 2 else day - k,
        )
    )
    table = ground.boreholes(path)
    assert table["place"].values.tolist() == ["Deadhorse"] and np.isnan(table["latitude"].values[0])
    july = table["month"].values == 7
    assert table["depth"].values[july].tolist() == [0.5, 1.0, 20.0]
    assert table["value"].values[july].tolist() == pytest.approx([16.0, np.mean(range(3, 32)) - 1, -4.0])
    assert table["quality"].values[july].tolist() == pytest.approx([1.0, 29 / 31, 1.0])
    assert table["depth"].values[~july].tolist() == [20.0]  # twenty days do not make a month near the surface
    assert "2 months with less than 80 % of their days left out" in table.attrs["notes"]


def test_boreholes_with_hours_places_and_months(tmp_path):
    path = tmp_path / "a.csv"
    rows = [
        f"B;68,5;-149,25;2008-07-{d:02d} {h:02d}:00;{t}"
        for d in range(1, 32)
        for h, t in ((0, "1,5"), (6, "1,5"), (12, "3,0"))
    ]
    path.write_text("site;latitude;longitude;date;0,1 m\n" + "\n".join(rows))
    table = ground.boreholes(path)
    assert table["value"].values.tolist() == [2.0] and table["depth"].values.tolist() == [0.1]
    assert (table["latitude"].values[0], table["longitude"].values[0]) == (68.5, -149.25)
    path.write_text("year,month,0,1.0\n2008,7,3.5,-999\n2008,8,2.5,-0.25\n")
    table = ground.boreholes(path, depth_unit="m")
    assert table["value"].values.tolist() == [3.5, 2.5, -0.25] and set(table["quality"].values) == {1.0}


def test_rows_of_the_database_since_2026(tmp_path):
    """Several datasets in one file, metres by the database's own definition, readings that it doubts left out."""
    path = tmp_path / "pt.csv"
    lines = ["dataset_id,utc_time,depth,temperature,flag"]
    for day in range(1, 32):
        lines += [f"1203,2014-07-{day:02d} 06:00:00,0.5,{day / 10},", f"77,2014-07-{day:02d} 06:00:00,20,-3.5,"]
        lines += [f"1203,2014-07-{day:02d} 12:00:00,0.5,99,suspicious value - please check"]
    path.write_text("\n".join(lines))
    table = ground.boreholes(path)
    found = dict(zip(table["site"].values, zip(table["depth"].values, table["value"].values, strict=True), strict=True))
    assert found == {"1203": (0.5, pytest.approx(1.6)), "77": (20.0, -3.5)}
    assert "31 readings that a flag calls bad left out" in table.attrs["notes"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,0.5\n1,2\n", r"no column 'date' \(nor 'year' and 'month'\)"),
        ("date,temperature\n2008-07-01,2\n", "no column is named by a depth"),
        ("date,0.5 m,-1.0 m\n2008-07-01,2,1\n", r"heights and depths together \(-1, 0.5\)"),
        ("date,depth_m,temperature\n2008-07-01,2,1\n2008-07-01,-2,1\n", r"heights and depths together \(-2, 2\)"),
        ("date,0.5m\n07/08/2008,2\n", "line 2: date '07/08/2008' cannot be told"),
        ("date,0.5m\n2008-07-01,x\n", "line 2: '0.5m': 'x' is not a number"),
        ("date,0.5m\n2008-07-01,2\n", r"no month has 80 % of its days"),
        (
            "date,5,10,20\n2008-07-01,2,2,2\n",
            "depths without a unit in '5', '10', '20'; .* such as '5 cm', or give depth_unit",
        ),
        ("date,T1,T2\n2008-07-01,2,2\n", "depths without a unit in 'T1', 'T2'"),
        (
            "date,depth,temperature\n2008-07-01,2,2\n",
            "depths without a unit in 'depth'; .* such as 'depth_cm', or give",
        ),
        ("date,50 cm,0.5 m\n2008-07-01,2,2\n", "columns '50 cm' and '0.5 m' are both 0.5 m deep"),
    ],
)
def test_boreholes_that_cannot_be_told(text, message, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as raised:
        ground.boreholes(path)
    assert "a.csv" in str(raised.value) and "\n" not in str(raised.value)


SUMMARY = """CALM: thaw depth at the end of the season (cm);;;;;;;
;;;;;;;
Alaska - North Slope;;;;;;;
;;LAT;LONG;Method;1991;###;1993
U1;Barrow;71 19'N;156 35'W;2a;34;38*;
U2;Barrow CRREL;71,31;-156,58;1;-;>45;120+
U3;No place;;;1;50;;
;;LAT;LONG;Method;1991;###;1993
R1;"Marre-Sale; Yamal";69 43 N;66 45 E;1;inactive;(87);90
"""


def test_the_summary_sheet_of_calm(tmp_path):
    path = tmp_path / "calm.csv"
    path.write_bytes(SUMMARY.encode("cp1252"))
    table = ground.active_layer(path)
    assert table["place"].values.tolist() == ["U1", "U2", "R1"]
    assert table["latitude"].values.tolist() == pytest.approx([71 + 19 / 60, 71.31, 69 + 43 / 60])
    assert table["longitude"].values.tolist() == pytest.approx([-156 - 35 / 60, -156.58, 66.75])
    assert table["value"].values.tolist() == pytest.approx([0.34, 0.38, 0.45, 1.2, 0.87, 0.9])
    assert table["year"].values.tolist() == [1991, 1992, 1992, 1993, 1992, 1993]
    assert table["censored"].values.tolist() == ["", "?", ">", ">", "?", ""]
    assert "1 sites without latitude and longitude left out" in table.attrs["notes"]
    for wrong, message in (
        (("R1;", "U1;"), "line 9: site 'U1' is there twice"),
        (("34;38", "34 cm;38"), "line 5: 1991: '34 cm' is not a number"),
        (("66 45 E", "66 75 E"), "line 9: '66 75 E' is no coordinate"),
        (("LONG", "EAST"), "no column with the longitude"),
    ):
        path.write_text(SUMMARY.replace(*wrong), encoding="utf-8")
        with pytest.raises(InputError, match=message):
            ground.active_layer(path)


def test_a_workbook_needs_openpyxl(tmp_path):
    path = tmp_path / "calm.xlsx"
    path.write_bytes(b"PK")
    with pytest.raises(InputError, match=r"calm.xlsx: (a spreadsheet|workbook cannot be read).*save the sheet as CSV"):
        ground.active_layer(path)


def test_a_sheet_of_a_workbook(tmp_path):
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed")
    book = openpyxl.Workbook()
    for line in SUMMARY.replace(",", ".").replace('"', "").replace("Sale;", "Sale").splitlines():
        book.active.append([field or None for field in line.split(";")])
    book.save(tmp_path / "calm.xlsx")
    assert ground.active_layer(tmp_path / "calm.xlsx").sizes["observation"] == 6


def test_probings_of_the_active_layer(tmp_path):
    path = tmp_path / "a.csv"
    lines = [
        f"A,68,-149,{date},{depth}" for date, depth in (("2008-06-20", 18), ("2008-08-30", 45), ("2008-09-10", 48))
    ]
    path.write_text("site,lat,lon,date,alt_cm\n" + "\n".join(lines))
    table = ground.active_layer(path)
    assert table["value"].values.tolist() == [0.48] and table["year"].values.tolist() == [2008]
    assert np.isnan(table["month"].values).all()
