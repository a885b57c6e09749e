"""Towers of today: releases of FLUXNET of 2025-26, of ICOS and AmeriFlux, and AmeriFlux BASE, as they are downloaded.

Names and columns are those of the products (README of AmeriFlux FLUXNET 2021 and BASE 2019, FLUXNET Shuttle v1.3, ICOS ETC
L2 archives); the numbers are invented.
"""

import calendar
import zipfile

import numpy as np
import pytest

from jtem.errors import InputError
from jtem.readers import ameriflux, fluxnet, tables

SITE = "US-Prr"
NAMES = {
    "shuttle": f"AMF_{SITE}_FLUXNET_FLUXMET_MM_2010-2011_v1.3_r1.csv",
    "icos of the shuttle": f"ICOS_{SITE}_FLUXNET_FLUXMET_MM_2010-2011_v1.3_r2.csv",
    "icos archive": f"ICOSETC_{SITE}_FLUXNET_MM_L2.csv",
    "ameriflux": f"AMF_{SITE}_FLUXNET_FULLSET_MM_2010-2011_3-5.csv",
    "fluxnet 2015": f"FLX_{SITE}_FLUXNET2015_FULLSET_MM_2010-2011_1-4.csv",
}
INFO = {
    "shuttle": (
        f"AMF_{SITE}_FLUXNET_BIF_2010-2011_v1.3_r1.csv",
        f"AMF_{SITE}_FLUXNET_BIFVARINFO_MM_2010-2011_v1.3_r1.csv",
    ),
    "icos archive": (f"ICOSETC_{SITE}_SITEINFO_L2.csv", f"ICOSETC_{SITE}_VARINFO_FLUXNET_MM_L2.csv"),
}


def months(threshold="VUT", **changes):
    rows = []
    for year in (2010, 2011):
        for month in range(1, 13):
            row = {"TIMESTAMP": f"{year}{month:02d}", "TA_F": -10.5, "TA_F_QC": 0.9, "SW_IN_F": 100.0, "SW_IN_F_QC": 1}
            row |= {
                "P_F": 1.5,
                "P_F_QC": 0.2,
                "TS_F_MDS_1": 2.5,
                "TS_F_MDS_1_QC": 0.9,
                "TS_F_MDS_2": 1.5,
                "TS_F_MDS_2_QC": 0.8,
            }
            row |= {"NEE_VUT_REF": -9999, "NEE_VUT_REF_QC": -9999}
            row |= {f"NEE_{threshold}_REF": -1.0, f"NEE_{threshold}_REF_QC": 0.8, f"NEE_{threshold}_REF_RANDUNC": 0.1}
            row |= {f"GPP_NT_{threshold}_REF": 2.0, f"GPP_DT_{threshold}_REF": 3.0, f"RECO_NT_{threshold}_REF": 1.5}
            rows.append(row | {"LE_F_MDS": 28.356, "LE_F_MDS_QC": 1} | changes)
    return rows


def text(rows):
    return "\n".join([",".join(rows[0]), *(",".join(str(v) for v in row.values()) for row in rows)]) + "\n"


def badm(*groups, group):
    """Facts by group in the interchange format, one row of too many fields among them."""
    lines = ["SITE_ID,GROUP_ID,VARIABLE_GROUP,VARIABLE,DATAVALUE"]
    for k, facts in enumerate(groups):
        lines += [f"{SITE},{100 + k},{group},{name},{value}" for name, value in facts.items()]
    return (
        "\n".join([*lines, f"{SITE},999,GRP_TEAM,TEAM_NAME,One, Two and Three", f"US-Xyz,7,{group},LOCATION_LAT,1"])
        + "\n"
    )


OLD = {"LOCATION_LAT": "60.0", "LOCATION_LONG": "-140.0", "LOCATION_DATE_START": "20090101"}
NOW = {"LOCATION_LAT": "65.12", "LOCATION_LONG": "-147.49", "LOCATION_DATE_START": "20100601"}
PLACE = badm(OLD, NOW, {"LOCATION_ELEV": "210"}, {"IGBP": "ENF"}, group="GRP_LOCATION")


def sensor(name, height, unit="deg C"):
    return {"VAR_INFO_VARNAME": name, "VAR_INFO_HEIGHT": height, "VAR_INFO_UNIT": unit}


VARIABLES = badm(
    sensor("TS_F_MDS_1", "-0.05"),
    *(sensor("TS_F_MDS_2", "-0.1"), sensor("TS_F_MDS_2", "-0.2")),
    sensor("NEE_VUT_REF", "10", "gC m-2 d-1"),
    group="GRP_VAR_INFO",
)


def pack(folder, kind, rows=None, how="zip"):
    """A release as it is downloaded: the monthly file, others of its kind, the metadata."""
    name, (site_info, variables) = NAMES[kind], INFO.get(kind, INFO["shuttle"])
    files = {name: text(rows or months()), site_info: PLACE, variables: VARIABLES, "README.txt": "read me"}
    files[name.replace("_MM_", "_YY_")] = "TIMESTAMP,TA_F\n2010,1\n"
    files[f"AMF_{SITE}_FLUXNET_ERA5_MM_1981-2025_v1.3_r1.csv"] = "TIMESTAMP,TA_ERA\n201001,1\n"
    folder.mkdir(exist_ok=True)
    if how != "zip":
        for each, content in files.items():
            (folder / each).write_text(content)
        return folder / name if how == "file" else folder
    with zipfile.ZipFile(folder / "release.zip", "w") as archive:
        for each, content in files.items():
            archive.writestr(f"{name.split('_FLUXNET')[0]}/{each}", content)
    return folder / "release.zip"


@pytest.mark.parametrize("how", ["zip", "folder", "file", "folder of zips"])
@pytest.mark.parametrize("kind", NAMES)
def test_a_release_is_read_as_it_is_downloaded(kind, how, tmp_path):
    path = pack(tmp_path / "release", kind, how="zip" if "zip" in how else how)
    tower = fluxnet.read(path.parent if how == "folder of zips" else path)
    assert tower.site == SITE and tower.years == (2010, 2011)
    table = tower.observations
    assert (table["latitude"].values[0], table["longitude"].values[0], table["elevation"].values[0]) == (
        65.12,
        -147.49,
        210,
    )
    nep = table["stream"].values == "nep"
    days = [calendar.monthrange(y, m)[1] for y in (2010, 2011) for m in range(1, 13)]
    assert table["value"].values[nep].tolist() == days
    np.testing.assert_allclose(tower.forcing["precipitation"].values.ravel(), 1.5 * np.array(days))
    ground = table["stream"].values == "soil_temperature"
    assert set(table["depth"].values[ground]) == {0.05}
    assert "TS_F_MDS_2 lay at 0.1 and 0.2 m in turn" in table.attrs["notes"]
    again = fluxnet.read(path, latitude=66.0, soil_depths=(0.1, 0.3))  # what is given goes before what is stated
    assert again.observations["latitude"].values[0] == 66.0
    assert set(again.observations["depth"].values[again.observations["stream"].values == "soil_temperature"]) == {
        0.1,
        0.3,
    }


def test_constant_threshold_where_there_is_no_other(tmp_path):
    table = fluxnet.read(pack(tmp_path, "shuttle", months("CUT"))).observations
    assert {"nep", "gpp", "ecosystem_respiration"} < set(table["stream"].values)
    assert table["value"].values[0] == 31.0 and table["error"].values[0] == pytest.approx(3.1)
    assert "that of the constant one (CUT) is taken" in table.attrs["notes"]
    path = pack(tmp_path, "shuttle", [{"TIMESTAMP": row["TIMESTAMP"], "TA_F": 1} for row in months()])
    with pytest.raises(InputError, match="column 'NEE_VUT_REF' is missing"):
        fluxnet.read(path, forcing=False)
    with pytest.raises(InputError, match=r"'precipitation' .* is missing in 2010-01 \(P_F, 24 months\)"):
        fluxnet.read(path)


def test_forcing_from_the_next_best_column(tmp_path):
    tower = fluxnet.read(pack(tmp_path, "shuttle", months(P_F=-9999, P_F_QC=-9999, P=0.5, TA_F=-9999, TA_ERA=-12.0)))
    assert tower.forcing["precipitation"].values[0, 0, 0] == pytest.approx(15.5)
    assert tower.forcing["air_temperature"].values[0, 0, 0] == -12.0
    assert tower.forcing_quality["air_temperature"].values[0, 0, 0] == 0.0
    assert np.isnan(tower.forcing_quality["precipitation"].values[0, 0, 0])
    assert "P_F is missing in 24 months, taken from P" in tower.observations.attrs["notes"]
    path = pack(tmp_path, "shuttle", months(P_F=-9999, P_F_QC=-9999))
    with pytest.raises(
        InputError, match=r"'precipitation' .* is missing in 2010-01 \(P_F, 24 months\).*'climate_grid'"
    ):
        fluxnet.read(path)
    alone = fluxnet.read(path, forcing=False)
    assert alone.observations.sizes["observation"] > 0
    with pytest.raises(InputError, match=r"the meteorology of US-Prr was not read; choose climate = 'climate_grid'"):
        _ = alone.forcing


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("NEE_VUT_REF_QC", (0, 1, 2, 3), r"quality 3 in 'NEE_VUT_REF_QC', expected a share of 0..1; classes"),
        ("NEE_VUT_REF_QC", (90, 45), r"quality 90 in 'NEE_VUT_REF_QC', expected a share of 0..1; percent\?"),
        ("TS_F_MDS_1_QC", (0, 3), r"quality 3 in 'TS_F_MDS_1_QC'"),
        ("P_F_QC", (2, 1), r"quality 2 in 'P_F_QC'"),
        ("P_F", (25, 30), r"'precipitation' of US-Prr is 10030 mm in 2010, .*sums of the month for mm a day"),
        ("P_F", (0, 0), r"'precipitation' of US-Prr is 0 in all months of 2010; mark what is missing"),
    ],
)
def test_quality_in_classes_or_percent_and_dry_gauges(column, values, message, tmp_path):
    rows = [row | {column: values[k % len(values)]} for k, row in enumerate(months())]
    with pytest.raises(InputError, match=message):
        fluxnet.read(pack(tmp_path, "shuttle", rows))


def test_what_no_release_is(tmp_path):
    path = pack(tmp_path / "a", "shuttle", how="folder")
    (path / INFO["shuttle"][1]).write_text(VARIABLES.replace("gC m-2 d-1", "umolCO2 m-2 s-1"))
    with pytest.raises(InputError, match="NEE_VUT_REF is in 'umolCO2 m-2 s-1' by its variable information"):
        fluxnet.read(path)
    (path / NAMES["shuttle"].replace("r1", "r2")).write_text(text(months()))
    with pytest.raises(InputError, match=r"two monthly files of US-Prr, .*r1.csv and .*r2.csv; name the file"):
        fluxnet.read(path)
    with pytest.raises(InputError, match="no monthly file of FLUXNET"):
        fluxnet.read_release(_empty(tmp_path / "b"))
    with pytest.raises(InputError, match="reanalysis at the tower"):
        fluxnet.read(path / f"AMF_{SITE}_FLUXNET_ERA5_MM_1981-2025_v1.3_r1.csv")
    with pytest.raises(InputError, match="file not found"):
        fluxnet.read(tmp_path / "gone.zip")
    (tmp_path / "bad.zip").write_text("not an archive")
    with pytest.raises(InputError, match=r"bad.zip: archive cannot be read .*download it again"):
        fluxnet.read(tmp_path / "bad.zip")


def _empty(folder):
    folder.mkdir()
    return folder


def test_several_sites_of_a_folder(tmp_path):
    path = pack(tmp_path, "shuttle", how="folder")
    (path / NAMES["shuttle"].replace(SITE, "US-Atq")).write_text(text(months()))
    towers = fluxnet.read_release(path, soil_depths={"US-Atq": (0.1,)})
    assert list(towers) == ["US-Atq", SITE]
    assert np.isnan(towers["US-Atq"].observations["latitude"].values[0])
    assert list(fluxnet.read_release(path, [SITE])) == [SITE]
    with pytest.raises(InputError, match="2 sites; say which to read"):
        fluxnet.read(path)
    with pytest.raises(InputError, match="no site 'US-Pr'; did you mean 'US-Prr'"):
        fluxnet.read_release(path, ["US-Pr"])


# --- AmeriFlux BASE --------------------------------------------------------------------------------------------------

BASE = f"AMF_{SITE}_BASE_HH_3-5.csv"


def intervals(lost=lambda year, month, day, minute: False, year=2011):
    """A year of half-hours: NEE -2 umol m-2 s-1 by day and 1 at night, 0.01 mm, -5 degC."""
    lines = [f"# Site: {SITE}", "# Version: 3-5"]
    lines.append(
        "TIMESTAMP_START,TIMESTAMP_END,FC_1_1_1,FC_SSITC_TEST_1_1_1,SC,LE,TA_1_1_1,TA_PI_F,P,SW_IN,TS_1_1_1,TS_1_2_1"
    )
    for month in range(1, 13):
        for day in range(1, calendar.monthrange(year, month)[1] + 1):
            for minute in range(0, 1440, 30):
                stamps = (f"{year}{month:02d}{day:02d}{m // 60:02d}{m % 60:02d}" for m in (minute, minute + 30))
                flux = -9999 if lost(year, month, day, minute) else -2.0 if 360 <= minute < 1080 else 1.0
                flag = 2 if (day == 1 and minute == 0) else 0
                lines.append(",".join([*stamps, f"{flux},{flag},0.0,28.356,-9999,-5.0,0.01,-1.0,1.5,-0.5"]))
    return "\n".join(lines) + "\n"


HEIGHTS = f"Site_ID,Variable,Start_Date,Height,Instrument_Model\n{SITE},TS_1_1_1,,-0.05,x\n{SITE},TA,,3,x\nUS-X,TS_1_2_1,,-9,x\n"


def test_base_is_averaged_over_the_mean_day(tmp_path):
    def lost(year, month, day, minute):  # half of all nights in March
        return month == 3 and day % 2 == 0 and not 360 <= minute < 1080

    with zipfile.ZipFile(tmp_path / f"AMF_{SITE}_BASE-BADM_3-5.zip", "w") as archive:
        archive.writestr(BASE, intervals(lost))
        archive.writestr("BASE_MeasurementHeight_20250101.csv", HEIGHTS)
    path = tmp_path / f"AMF_{SITE}_BASE-BADM_3-5.zip"
    tower = ameriflux.read(path)
    table, days = tower.observations, np.array([calendar.monthrange(2011, m)[1] for m in range(1, 13)])
    nep = table["stream"].values == "nep"
    np.testing.assert_allclose(table["value"].values[nep], 0.5 * 86400 * 12.011e-6 * days)
    quality = table["quality"].values[nep]
    assert quality[2] == pytest.approx(1 - (15 * 24 + 1) / (31 * 48)) and quality[0] == pytest.approx(1 - 1 / (31 * 48))
    np.testing.assert_allclose(table["value"].values[table["stream"].values == "evapotranspiration"], days, rtol=1e-4)
    assert set(table["depth"].values[table["stream"].values == "soil_temperature"]) == {0.05}
    assert "1 soil sensors not read" in table.attrs["notes"]
    assert tower.forcing["air_temperature"].values[0, 0, 0] == -5.0  # filled by the team, TA_1_1_1 is empty
    np.testing.assert_allclose(tower.forcing["precipitation"].values.ravel(), 0.48 * days)
    assert tower.forcing["shortwave_radiation"].values.max() == 0.0
    assert list(fluxnet.read_release(path)) == [SITE]  # a release without a monthly file


def test_base_that_is_too_patchy(tmp_path):
    path = tmp_path / BASE
    path.write_text(intervals(lambda y, m, d, minute: m == 5 and minute < 360))
    table = ameriflux.read(path).observations
    assert 5 not in table["month"].values[table["stream"].values == "nep"]  # no mean day without the night
    path.write_text(path.read_text().replace(",-5.0,0.01,", ",-9999,0.01,", 10_000))
    with pytest.raises(InputError, match=r"TA_PI_F has 0 % of the intervals of 2011-01 .* climate = 'climate_grid'"):
        ameriflux.read(path)
    assert "nep" in ameriflux.read(path, forcing=False).observations["stream"].values
    lines = intervals().splitlines()
    for change, message in (
        ([*lines, lines[-1]], "repeated intervals"),
        ([*lines, "20120101"], "is no interval of 30 or 60 minutes"),
        ([line.replace("TIMESTAMP_END", "END") for line in lines], "column 'TIMESTAMP_END' is missing"),
        ([line.replace("FC_1_1_1", "H") for line in lines], "no column of CO2 flux"),
        (lines[:3], "no intervals"),
    ):
        path.write_text("\n".join(change))
        with pytest.raises(InputError, match=message):
            ameriflux.read(path, forcing=False)


def test_the_column_of_a_variable():
    header = ["TA_1_1_1", "TA_1_2_1", "TA_PI_F", "TA_PI", "TA", "VPD_PI", "TAU"]
    assert (
        ameriflux.choose(header, "TA", filled=False) == "TA"
        and ameriflux.choose(header, "TA", filled=True) == "TA_PI_F"
    )
    assert (
        ameriflux.choose(header[:2], "TA", filled=True) == "TA_1_1_1"
        and ameriflux.choose(header, "P", filled=True) == ""
    )
    assert tables.number("-9999", "here") != tables.number("-9999", "here")
