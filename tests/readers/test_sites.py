import numpy as np
import pytest

from jtem.errors import InputError
from jtem.readers import ground, places, pools, soil_profiles, tables, to_model, towers
from jtem.readers import observations as obs

MONTHLY = (
    "site,year,month,ta_degC,ta_qc,sw_in_W_m2,sw_in_qc,precip_mm,precip_qc,ts1_degC,ts1_qc,ts2_degC,ts2_qc,le_W_m2,le_qc,"
    "nee_gC_m2_mon,nee_qc,nee_p25_gC_m2_mon,nee_p75_gC_m2_mon,reco_nt_gC_m2_mon,gpp_nt_gC_m2_mon,reco_dt_gC_m2_mon,gpp_dt_gC_m2_mon"
)
SITES = "site,name,lat,lon,elev_m,igbp,group,note,first_year,last_year\n"


def write_towers(folder, months=12):
    (folder / "flux_sites.csv").write_text(
        SITES
        + "XX-One,One,65.1,-147.5,210.0,ENF,boreal_forest,,2004,2004\nXX-Two,Two,37.4,101.2,,GRA,alpine_meadow,,2004,2004\n"
    )
    rows = [MONTHLY]
    for site in ("XX-One", "XX-Two"):
        for m in range(1, months + 1):
            nee = "" if m == 1 else "-30.0"
            quality, ground = (0.5 if m == 2 else 0.9), (0.2 if m == 3 else 1.0)
            rows.append(f"{site},2004,{m},-5,0,120,1,33,,1.5,{ground},,,28.356,1,{nee},{quality},-36,-29,40,75,50,65")
    (folder / "flux_sites_monthly.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_towers(tmp_path):
    made = towers.flux_sites(write_towers(tmp_path), soil_depths={"XX-One": (0.1,)})
    assert list(made) == ["XX-One", "XX-Two"]
    one = made["XX-One"]
    table = one.observations
    stream, value, error = (table[n].values for n in ("stream", "value", "error"))
    nep = stream == "nep"
    assert table["month"].values[nep].tolist() == list(range(3, 13)) and set(value[nep]) == {30.0}
    assert error[nep][0] == pytest.approx(7 / 1.349)
    assert set(value[stream == "gpp"]) == {70.0} and set(value[stream == "ecosystem_respiration"]) == {45.0}
    assert error[stream == "gpp"][0] == pytest.approx(np.hypot(5.0, 7 / 1.349))
    assert value[stream == "evapotranspiration"][1] == pytest.approx(29.0, rel=1e-4)
    assert (stream == "soil_temperature").sum() == 11
    assert "soil_temperature" not in made["XX-Two"].observations["stream"].values
    assert float(one.forcing["precipitation"].values[0, 0, 0]) == 33
    assert np.isnan(one.forcing_quality["precipitation"].values).all()
    with pytest.raises(InputError, match="no site 'XX-On'; did you mean 'XX-One'"):
        towers.flux_sites(tmp_path, ["XX-On"])
    with pytest.raises(InputError, match="soil depths are given for 'YY'"):
        towers.flux_sites(tmp_path, soil_depths={"YY": (0.1,)})
    with pytest.raises(InputError, match="no soil temperature ts3"):
        towers.flux_sites(tmp_path, soil_depths=(0.1, 0.2, 0.3))
    with pytest.raises(InputError, match="month 2004-12 of XX-One is missing"):
        towers.flux_sites(write_towers(tmp_path, months=11))


def test_towers_become_cells(tmp_path):
    whole = obs.join([t.observations for t in towers.flux_sites(write_towers(tmp_path)).values()])
    with pytest.raises(InputError, match="site 'XX-Two' has no elevation; give it"):
        places.cells(whole)
    with pytest.raises(InputError, match="no site 'XX'"):
        places.cells(whole, elevations={"XX": 1.0})
    made = places.cells(whole, elevations={"XX-Two": 3250.0}, communities={"XX-One": "wet_moist_tundra"})
    to_model.check_cells(made, ("alpine_meadow", "wet_moist_tundra"), "towers")
    assert made["site"].values.tolist() == ["XX-One", "XX-Two"]
    assert made["community"].values[:, 0].tolist() == ["wet_moist_tundra", "alpine_meadow"]
    assert made["elevation"].values.tolist() == [210.0, 3250.0]


def test_ground_temperature(tmp_path):
    path = tmp_path / "alaska.csv"
    path.write_text(
        "site,code,lat,lon,year,month,snow_depth_m,ta_degC,ts_surface_degC,ts_25cm_degC,ts_100cm_degC,vwc_top_frac\n"
        "IV,1,68.5,-155.7,2001,1,0.4,-20,-15,-9,,0.1\nIV,1,68.5,-155.7,2001,2,,,,-10,-5,\n"
    )
    table = ground.alaska(path)
    assert table["stream"].values.tolist() == [
        "soil_temperature",
        "soil_temperature",
        "snow_depth",
        *["soil_temperature"] * 2,
    ]
    np.testing.assert_array_equal(table["depth"].values, [0.0, 0.25, np.nan, 0.25, 1.0])
    air = ground.air_temperature(path, "ta_degC")
    assert air["IV"]["value"].tolist() == [-20.0] and air["IV"]["month"].tolist() == [1.0]
    path.write_text(path.read_text() + "IV,1,68.9,-155.7,2001,3,,,,-10,-5,\n")
    with pytest.raises(InputError, match=r"site 'IV' has latitude 68.5 and 68.9"):
        ground.alaska(path)

    path = tmp_path / "qtp.csv"
    path.write_text(
        "site,lat,lon,vegetation,year,month,depth_cm,tsoil_degC,n_days\nQ,35.7,94.1,Alpine steppe,2011,2,10,-7.8,21\n"
    )
    table = ground.plateau(path)
    assert table["depth"].values.tolist() == [0.1] and table["quality"].values.tolist() == [0.75]
    assert table["community"].values.tolist() == ["alpine_steppe"]

    path = tmp_path / "toolik.csv"
    path.write_text("year,month,nrcs_ta_degC,ts_0.6cm_degC,ts_97.8cm_degC,tfs_ta_degC\n1998,9,2,1.5,-0.3,2.2\n")
    table = ground.toolik(path)
    assert table["depth"].values.tolist() == pytest.approx([0.006, 0.978])
    assert ground.air_temperature(path, "tfs_ta_degC")["Toolik"]["value"].tolist() == [2.2]
    path.write_text("year,month,nrcs_ta_degC\n1998,9,2\n")
    with pytest.raises(InputError, match="no column of soil temperature"):
        ground.toolik(path)


def test_active_layer_keeps_inequalities(tmp_path):
    path = tmp_path / "calm.csv"
    path.write_text(
        "site,name,country,area,lat,lon,elev_m,year,alt_cm,censored,method\nU3,A,US,N,70.5,-157.4,23,1995,44,0,grid\n"
        "C4 A,T,CA,,69.4,-134.9,17,1993,119,1,tube\nC4 A,T,CA,,69.4,-134.9,17,1994,>130,1,tube\n"
        "C4 A,T,CA,,69.4,-134.9,17,1995,,0,tube\n"
    )
    table = ground.active_layer(path)
    assert table["value"].values.tolist() == [0.44, 1.19, 1.3]
    assert table["censored"].values.tolist() == ["", "?", ">"]
    assert np.isnan(table["error"].values).all() and "1 rows without" in table.attrs["notes"]
    assert obs.select(table, exact=True)["value"].values.tolist() == [0.44]
    path = tmp_path / "qtp.csv"
    path.write_text(
        "site,lat,lon,vegetation,year,alt_cm,deepest_sensor_cm,flag\nQ,35.7,94.1,Alpine meadow,2011,120,160,interpolated\n"
        "Q,35.7,94.1,Alpine meadow,2012,,160,thaw deeper than deepest sensor\n"
    )
    table = ground.active_layer(path)
    assert table["value"].values.tolist() == [1.2, 1.6] and table["censored"].values.tolist() == ["", ">"]
    assert set(table["error"].values) == {0.2}


def test_targets_are_those_observed(tmp_path):
    path = tmp_path / "targets.csv"
    rows = [("NPP", "ALL", "209.77", "g C m-2 yr-1", "field"), ("NPP", "Moss", "27", "g C m-2 yr-1", "field")]
    rows += [("GPP_without_N_limitation", "ALL", "431", "g C m-2 yr-1", "derived")]
    rows += [
        ("dead_moss_C", "ALL", "178", "g C m-2", "default"),
        ("soil_C_fibric_horizon", "ALL", "783", "g C m-2", "field"),
    ]
    rows += [("soil_C_humic_horizon", "ALL", "3448", "g C m-2", "field")]
    rows += [("soil_C_mineral_0_1m", "ALL", "41665", "g C m-2", "field")]
    rows += [("plant_N_uptake", "ALL", "1.59", "g N m-2 yr-1", "literature")]
    names = ("CMT01 black spruce forest", "CMT08 shrubland", "CMT44 shrub tundra")
    text = "site,community,variable,pft,compartment,value,unit,basis,source\n"
    for name in names:
        text += "".join(f'"Somewhere, Alaska",{name},{v},{p},,{x},{u},{b},"s, t"\n' for v, p, x, u, b in rows)
    path.write_text(text)
    table = pools.calibration_targets(path)
    assert table["place"].values.tolist() == [names[0], names[2]]
    assert table["community"].values.tolist() == ["boreal_forest", "wet_moist_tundra"]
    assert table["stream"].values.tolist() == ["net_primary_production", "soil_carbon", "net_primary_production"]
    assert table["value"].values.tolist() == [209.77, 783 + 3448 + 41665, 209.77]
    more = pools.calibration_targets(path, literature=True, leave_out={})
    assert (more["stream"].values == "nitrogen_uptake").sum() == 3
    path.write_text(text.replace("soil_C_humic_horizon", "soil_C_humus"))
    with pytest.raises(InputError, match="unknown variable 'soil_C_humus'; did you mean 'soil_C_humic_horizon'"):
        pools.calibration_targets(path)


def test_soil_profiles(tmp_path):
    path = tmp_path / "profiles.csv"
    path.write_text(
        "site,top_m,bottom_m,carbon_kg_m2,nitrogen_kg_m2,latitude\nA,0,0.3,9,0.6,68\nA,0.3,1.0,14,,68\nB,0.2,0.5,3,0.1,70\n"
    )
    table = soil_profiles.soil_profiles(path)
    assert table["carbon"].values.tolist() == [9000.0, 14000.0, 3000.0]
    assert table["latitude"].values.tolist() == [68.0, 70.0]
    above = soil_profiles.stock_above(table, np.array([0.65, 0.4]))
    assert above[0] == pytest.approx(9000 + 7000) and np.isnan(above[1])  # B begins below the surface
    assert soil_profiles.stock_above(table, np.array([0.15, 0.4]), "nitrogen")[0] == pytest.approx(300.0)
    assert np.isnan(soil_profiles.stock_above(table, np.array([1.2, 0.4]))).all()
    path.write_text("site,top_m,bottom_m,carbon_kg_m2\nA,0,0.5,9\nA,0.3,1.0,14\n")
    with pytest.raises(InputError, match=r"intervals of 'A' overlap at 0.3 m"):
        soil_profiles.soil_profiles(path)
    path.write_text("site,top_m,bottom_m,carbon_kg_m2\nA,0.5,0.3,9\n")
    with pytest.raises(InputError, match=r"interval 0.5-0.3 m of 'A'"):
        soil_profiles.soil_profiles(path)


def test_pedons_and_mean_profiles(tmp_path):
    path = tmp_path / "pedons.csv"
    path.write_text(
        "pedon,profile,lat,lon,basal_depth_cm,thaw_depth_cm,soc_0_30,soc_0_100,soc_100_200,soc_200_300,setting,gapfill_code\n"
        '1,a,55.9,-98.4,220,90,10.5,55.8,20.2,10.5,,"x3, y"\n2,b,56,-98,,,10,8,,,,\n'
        + "".join(f"{k},c,57,-98,,,NA,30,-9999,,,\n" for k in range(3, 25))
    )
    table = soil_profiles.pedons(path)
    assert table["carbon"].values.tolist() == pytest.approx([10500, 45300, 20200, 10500, 10000] + 22 * [30000])
    assert table["estimated"].values.tolist()[:5] == [False, False, True, True, False]
    assert (table["top"].values[-1], table["bottom"].values[-1]) == (0.0, 1.0)  # 0-1 m alone is one interval
    assert table["thaw_depth"].values[0] == 0.9 and "1 pedons left out" in table.attrs["notes"]


def test_the_real_towers(shared_data):
    made = towers.flux_sites(shared_data / "flux_sites", soil_depths=(0.05,))
    assert len(made) == 27
    prr = made["US-Prr"].observations
    assert (prr["stream"].values == "nep").sum() == 47  # months_nee_qc50 of flux_sites.csv
    assert (prr["stream"].values == "soil_temperature").sum() == 49
    # the README's mean over usable months, gC m-2 year-1: FI-Hyy NEE -229, GPP 1139, RECO 917
    hyytiala = made["FI-Hyy"].observations
    for stream, published in (("nep", 229), ("gpp", 1139), ("ecosystem_respiration", 917)):
        mine = obs.select(hyytiala, streams=[stream])
        by_month = [mine["value"].values[mine["month"].values == m].mean() for m in range(1, 13)]
        assert sum(by_month) == pytest.approx(published, rel=0.05), stream
    years = [obs.select(made[s].observations, streams=["nep"])["year"].values.max() for s in ("US-Atq", "GL-ZaH")]
    assert years[0] <= 2006 and years[1] <= 2008  # later years are reserved
    for tower in made.values():
        assert tower.forcing["air_temperature"].shape == (1, tower.years[1] - tower.years[0] + 1, 12)
    whole = obs.join([tower.observations for tower in made.values()])
    lacking = {"US-NR1", "CH-Dav", "IT-Ren"}
    rest = obs.select(whole, sites=[s for s in made if s not in lacking])
    cells = places.cells(rest, elevations={"CN-HaM": 3250.0})
    to_model.check_cells(cells, tuple(set(cells["community"].values.ravel()) - {""}), "towers")
    text = made["US-Prr"].forcing.assign(co2=("year", np.full(5, 390.0)))
    to_model.check_climate(text, 2010, 2014, "US-Prr")


def test_the_real_ground_and_thaw(shared_data):
    folder = shared_data / "soil_temperature"
    assert ground.alaska(folder / "alaska_monthly.csv").sizes["place"] == 46
    assert ground.plateau(folder / "qtp_monthly.csv").sizes == {"observation": 2908, "place": 7}
    assert ground.toolik(folder / "toolik_monthly.csv").sizes["observation"] == 1590
    calm = ground.active_layer(shared_data / "active_layer" / "calm_alt.csv")
    assert calm.sizes == {"observation": 2360, "place": 168} and (calm["censored"].values == "?").sum() == 27
    assert float(np.median(calm["value"].values)) == pytest.approx(0.70)
    plateau = ground.active_layer(shared_data / "active_layer" / "qtp_alt_from_temperature.csv")
    assert plateau.sizes["observation"] == 51 and (plateau["censored"].values == ">").sum() == 9


def test_the_real_pools_and_profiles(shared_data):
    targets = pools.calibration_targets(shared_data / "calibration_targets.csv")
    assert targets.sizes["place"] == 9
    soil = soil_profiles.pedons(shared_data / "soil_carbon" / "ncscd_pedons.csv")
    assert soil.sizes["place"] == 374
    path = shared_data / "soil_carbon" / "cn_density_by_vegetation.csv"
    mean = soil_profiles.mean_profiles(path)
    counts = np.array([int(item["n_cells"]) for item in tables.read_rows(path)], dtype=float)
    for depth, published in ((1.0, 22.8), (2.0, 22.8 + 13.3), (3.0, 22.8 + 13.3 + 12.6)):
        stock = soil_profiles.stock_above(mean, np.full(counts.size, depth)) / 1000.0
        assert np.average(stock, weights=counts) == pytest.approx(published, abs=0.6)
