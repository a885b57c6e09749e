import calendar

import numpy as np
import pytest

from jtem.errors import InputError
from jtem.readers import fluxnet

# the columns of the published monthly SUBSET files, in their order; FULLSET has these and more, JOINTUNC among them
HEADER = (
    "TIMESTAMP,TA_F,TA_F_QC,SW_IN_POT,SW_IN_F,SW_IN_F_QC,LW_IN_F,LW_IN_F_QC,VPD_F,VPD_F_QC,PA_F,PA_F_QC,P_F,P_F_QC,WS_F,"
    "WS_F_QC,USTAR,USTAR_QC,NETRAD,NETRAD_QC,CO2_F_MDS,CO2_F_MDS_QC,TS_F_MDS_1,TS_F_MDS_1_QC,TS_F_MDS_2,TS_F_MDS_2_QC,"
    "SWC_F_MDS_1,SWC_F_MDS_1_QC,G_F_MDS,G_F_MDS_QC,LE_F_MDS,LE_F_MDS_QC,LE_CORR,LE_RANDUNC,H_F_MDS,H_F_MDS_QC,H_CORR,"
    "H_RANDUNC,NEE_VUT_REF,NEE_VUT_REF_QC,NEE_VUT_REF_RANDUNC,NEE_VUT_25,NEE_VUT_50,NEE_VUT_75,NEE_VUT_25_QC,"
    "NEE_VUT_50_QC,NEE_VUT_75_QC,RECO_NT_VUT_REF,RECO_NT_VUT_25,RECO_NT_VUT_50,RECO_NT_VUT_75,GPP_NT_VUT_REF,"
    "GPP_NT_VUT_25,GPP_NT_VUT_50,GPP_NT_VUT_75,RECO_DT_VUT_REF,RECO_DT_VUT_25,RECO_DT_VUT_50,RECO_DT_VUT_75,"
    "GPP_DT_VUT_REF,GPP_DT_VUT_25,GPP_DT_VUT_50,GPP_DT_VUT_75,RECO_SR,RECO_SR_N"
)
FULL = HEADER + ",NEE_VUT_REF_JOINTUNC"
NAME = "FLX_US-Prr_FLUXNET2015_SUBSET_MM_2003-2004_1-4.csv"


def month(stamp, **changes):
    values = dict(zip(FULL.split(","), [stamp] + ["-9999"] * FULL.count(","), strict=True))
    values |= {"TA_F": -10.5, "TA_F_QC": 0.9, "SW_IN_F": 100.0, "SW_IN_F_QC": 1, "P_F": 1.5, "P_F_QC": 0.2}
    values |= {"TS_F_MDS_1": 2.5, "TS_F_MDS_1_QC": 0.9, "TS_F_MDS_2": 1.5, "TS_F_MDS_2_QC": 0.5}
    values |= {"NEE_VUT_REF": -1.0, "NEE_VUT_REF_QC": 0.8, "NEE_VUT_REF_RANDUNC": 0.1, "NEE_VUT_REF_JOINTUNC": 0.2}
    values |= {
        "GPP_NT_VUT_REF": 2.0,
        "GPP_DT_VUT_REF": 3.0,
        "RECO_NT_VUT_REF": 1.5,
        "LE_F_MDS": 28.356,
        "LE_F_MDS_QC": 1,
    }
    return ",".join(str(v) for v in (values | changes).values())


def write(folder, rows, name=NAME):
    path = folder / name
    path.write_text("\n".join([FULL, *rows]) + "\n")
    return path


def two_years(**at):
    return [month(f"{y}{m:02d}", **at.get(f"m{y}{m:02d}", {})) for y in (2003, 2004) for m in range(1, 13)]


def test_units_signs_and_quality(tmp_path):
    changes = {
        "m200301": {"NEE_VUT_REF_QC": 0.5},
        "m200302": {"NEE_VUT_REF": -9999},
        "m200303": {"NEE_VUT_REF_JOINTUNC": -9999},
        "m200401": {"SW_IN_F": -0.4},
    }
    path = write(tmp_path, two_years(**changes))
    tower = fluxnet.read(path, latitude=65.1, longitude=-147.5, elevation=210.0, soil_depths=(0.05, 0.2))
    assert tower.site == "US-Prr" and tower.years == (2003, 2004)
    days = np.array([[calendar.monthrange(y, m)[1] for m in range(1, 13)] for y in (2003, 2004)])
    np.testing.assert_allclose(tower.forcing["precipitation"].values[0], 1.5 * days)
    assert tower.forcing["precipitation"].dims == ("cell", "year", "month")
    assert tower.forcing["air_temperature"].attrs["units"] == "degC"
    assert tower.forcing["shortwave_radiation"].values[0, 1, 0] == 0.0
    assert float(tower.forcing_quality["precipitation"].values[0, 0, 0]) == 0.2
    table = tower.observations
    stream, value, error = (table[n].values for n in ("stream", "value", "error"))
    nep = stream == "nep"
    assert nep.sum() == 22 and (value[nep] > 0).all()
    assert table["month"].values[nep][0] == 3 and value[nep][0] == 31.0
    assert error[nep][0] == pytest.approx(3.1) and error[nep][1] == pytest.approx(
        6.0
    )  # RANDUNC only where JOINTUNC lacks
    assert value[nep][-11] == 29.0  # February of a leap year
    gpp = stream == "gpp"
    assert value[gpp][0] == pytest.approx(28 * 2.5)
    assert error[gpp][0] == pytest.approx(28 * np.hypot(0.5, 0.2))
    reco = stream == "ecosystem_respiration"
    assert value[reco][0] == pytest.approx(28 * 1.5) and error[reco][0] == pytest.approx(28 * 0.2)
    evaporation = stream == "evapotranspiration"
    assert value[evaporation][0] == pytest.approx(31 * 1.0, rel=1e-4)
    ground = stream == "soil_temperature"
    assert set(table["depth"].values[ground]) == {0.05}  # quality of sensor 2 is not above 0.5
    assert "24 of 24 months of soil_temperature at 0.2 m left out" in table.attrs["notes"]
    assert "1 of 23 months of nep left out" in table.attrs["notes"]
    assert "set to 0" in table.attrs["notes"]


def test_subset_files_have_no_joint_uncertainty(tmp_path):
    changes = {"NEE_VUT_25": -1.2, "NEE_VUT_75": -0.9, "NEE_VUT_REF_RANDUNC": 0.1}
    rows = [month(f"2003{m:02d}", **(changes if m > 1 else {})).rsplit(",", 1)[0] for m in range(1, 13)]
    path = tmp_path / NAME.replace("2004", "2003")
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    table = fluxnet.read(path).observations
    error = table["error"].values[table["stream"].values == "nep"]
    assert error[0] == pytest.approx(31 * 0.1)  # random error alone
    assert error[1] == pytest.approx(28 * np.hypot(0.1, 0.3 / 1.349))


def test_doubtful_units_are_told(tmp_path):
    rows = [month(f"2003{m:02d}", GPP_NT_VUT_REF=300.0, GPP_DT_VUT_REF=300.0, NEE_VUT_REF=0.1) for m in range(1, 13)]
    with pytest.raises(InputError, match=r"'gpp' is 9300 at US-Prr 2003-01"):
        fluxnet.read(write(tmp_path, rows, NAME.replace("2004", "2003")))
    rows = [month(f"2003{m:02d}", GPP_NT_VUT_REF=15.0, GPP_DT_VUT_REF=15.0) for m in range(1, 13)]
    tower = fluxnet.read(write(tmp_path, rows, NAME.replace("2004", "2003")))
    assert "US-Prr: GPP of 2003 is 5475 gC m-2, outside 5..4000" in tower.observations.attrs["notes"]
    assert "soil_temperature" not in tower.observations["stream"].values  # no depth, no temperature


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("US-Prr.csv", "not the name of a FLUXNET file"),
        (NAME.replace("_MM_", "_DD_"), "resolution DD, expected monthly"),
        (NAME.replace("2004", "2003"), "years 2003-2004 inside, 2003-2003 in the name"),
        (NAME.replace("SUBSET", "FULLSET").replace("1-4", "beta-4"), None),
    ],
)
def test_the_name_is_read(tmp_path, name, message):
    path = write(tmp_path, two_years(), name)
    if message is None:
        assert fluxnet.read(path).site == "US-Prr"
    else:
        with pytest.raises(InputError, match=message):
            fluxnet.read(path)


def test_bad_files_are_refused(tmp_path):
    rows = two_years()
    with pytest.raises(InputError, match=r"month 2003-06 of US-Prr is missing"):
        fluxnet.read(write(tmp_path, rows[:5] + rows[6:]))
    with pytest.raises(InputError, match=r"month 2003-05 of US-Prr is repeated"):
        fluxnet.read(write(tmp_path, rows[:5] + rows[4:]))
    with pytest.raises(InputError, match=r"'air_temperature' of US-Prr is missing in 2003-01"):
        fluxnet.read(write(tmp_path, two_years(m200301={"TA_F": -9999})))
    with pytest.raises(InputError, match=r"'air_temperature' of US-Prr is 263 in 2003-01"):
        fluxnet.read(write(tmp_path, two_years(m200301={"TA_F": 263})))
    with pytest.raises(InputError, match=r"TIMESTAMP '20030101', expected YYYYMM"):
        fluxnet.read(write(tmp_path, [month("20030101"), *rows[1:]]))
    with pytest.raises(InputError, match=r"no soil temperature 'TS_F_MDS_3' for the depth 0.5 m"):
        fluxnet.read(write(tmp_path, rows), soil_depths=(0.05, 0.1, 0.5))
    path = write(tmp_path, rows)
    path.write_text(path.read_text().replace("NEE_VUT_REF_QC", "NEE_CUT_REF_QC"))
    with pytest.raises(InputError, match=r"column 'NEE_VUT_REF_QC' is missing; did you mean"):
        fluxnet.read(path)
