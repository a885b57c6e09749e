"""Tables of soil profiles: units by column name, layouts, and what is refused."""

import numpy as np
import pytest

from jtem.errors import InputError
from jtem.readers import soil_carbon, soil_profiles


def write(path, text):
    path.write_text(text)
    return path


def test_units_by_column_name(tmp_path):
    metres = write(tmp_path / "m.csv", "site,top_m,bottom_m,carbon_kg_m2,nitrogen_kg_m2\nA,0,0.3,9,0.6\nA,0.3,1,14,\n")
    other = write(
        tmp_path / "cm.csv",
        "# a comment\nsite,depth_top_cm,depth_bottom_cm,carbon_g_m2,nitrogen_g_m2,ecosystem\n"
        "A,0,30,9000,600,alpine meadow\nA,30,100,14000,,alpine meadow\n",
    )
    first, second = (soil_profiles.profile_table(path) for path in (metres, other))
    for name in ("top", "bottom", "carbon", "nitrogen"):
        assert np.allclose(first[name].values, second[name].values, equal_nan=True), name
    assert second["carbon"].values.tolist() == [9000.0, 14000.0] and second["bottom"].values.tolist() == [0.3, 1.0]
    assert first["vegetation"].values.tolist() == [""] and second["vegetation"].values.tolist() == ["alpine meadow"]


def test_which_column_names_the_types(tmp_path):
    head = "site,top_m,bottom_m,carbon_kg_m2,vegetation,ecosystem,community\n"
    path = write(tmp_path / "a.csv", head + "A,0,0.3,9,sedge,meadow,alpine_meadow\n")
    assert soil_profiles.profile_table(path, "ecosystem")["vegetation"].values.tolist() == ["meadow"]
    assert soil_profiles.profile_table(path, "community")["vegetation"].values.tolist() == ["alpine_meadow"]
    with pytest.raises(InputError, match=r"a\.csv: columns 'vegetation' and 'ecosystem' both name types"):
        soil_profiles.profile_table(path)
    with pytest.raises(InputError, match="column 'ecosystems' is missing; did you mean 'ecosystem'"):
        soil_profiles.profile_table(path, "ecosystems")
    path = write(tmp_path / "b.csv", "site,top_m,bottom_m,carbon_kg_m2,community\nA,0,0.3,9,alpine_meadow\n")
    assert soil_profiles.profile_table(path)["vegetation"].values.tolist() == ["alpine_meadow"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("site,top,bottom_m,carbon_kg_m2\nA,0,1,9\n", r"unknown column 'top'; did you mean 'top_m'"),
        (
            "site,top_m,bottom_m\nA,0,1\n",
            r"no column with the carbon of intervals; name it carbon_kg_m2 or carbon_g_m2",
        ),
        (
            "site,top_m,bottom_m,carbon_kg_m2,carbon_g_m2\nA,0,1,9,9000\n",
            "'carbon_kg_m2' and 'carbon_g_m2' both give the carbon",
        ),
        ("site,top_m,bottom_m,carbon_kg_m2\n,0,1,9\n", "an interval has no site"),
        ("site,top_m,bottom_m,carbon_kg_m2\nA,0,1,much\n", "carbon_kg_m2: 'much' is not a number"),
        (
            "site,top_m,bottom_m,carbon_kg_m2\nA,0,1,9000\n",
            r"carbon 9e\+06 g m-2 in 'A', expected 0..1e\+06; correct the value",
        ),
        ("site,top_m,bottom_m,carbon_kg_m2\nA,0,1,-2\n", "carbon -2000 g m-2 in 'A'"),
        ("site,top_m,bottom_m,carbon_kg_m2,latitude\nA,0,1,9,168\n", "latitude 168 of 'A' is impossible"),
        (
            "site,top_m,bottom_m,carbon_kg_m2,vegetation\nA,0,1,9,meadow\nA,1,2,9,steppe\n",
            "'A' has vegetation meadow and steppe; give one",
        ),
    ],
)
def test_what_is_refused(tmp_path, text, message):
    path = write(tmp_path / "profiles.csv", text)
    with pytest.raises(InputError, match=message) as raised:
        soil_profiles.profile_table(path)
    assert str(path) in str(raised.value)


def test_cumulative_stocks_end_at_gaps(tmp_path):
    path = write(
        tmp_path / "a.csv",
        "site,top_m,bottom_m,carbon_kg_m2\nA,0.3,1,2\nA,0,0.3,1\nA,1.5,2,4\nB,0.1,1,3\nC,0,1,5\nC,1,2,\nC,2,3,7\n",
    )
    table = soil_profiles.soil_profiles(path)
    (a, stock), b, c = soil_profiles.cumulative_stocks(table)
    assert a.tolist() == [0.3, 1.0] and stock.tolist() == [1000.0, 3000.0]
    assert b[0].size == 0 and c[0].tolist() == [1.0]
    assert soil_profiles.stock_above(table, np.array([0.65, 0.5, 0.5])).tolist()[::2] == [2000.0, 2500.0]


def test_pedons_by_a_column_and_without_what_was_estimated(tmp_path):
    path = write(
        tmp_path / "pedons.csv",
        "pedon,order,veg_class,lat,lon,thaw_depth_cm,soc_0_30,soc_0_100,soc_100_200,soc_200_300,gapfill_code\n"
        "1,Gelisol,forest,55.9,-98.4,90,10.5,55.8,20.2,10.5,x3\n2,Histosol,,56,-98,,10,18,3,,\n",
    )
    table = soil_profiles.profile_table(path)
    assert table["vegetation"].values.tolist() == ["Forest", ""]
    assert soil_profiles.profile_table(path, "order")["vegetation"].values.tolist() == ["Gelisol", "Histosol"]
    assert [p[0].tolist() for p in soil_profiles.cumulative_stocks(table, estimated=False)] == [
        [0.3, 1.0],
        [0.3, 1.0, 2.0],
    ]
    assert soil_profiles.cumulative_stocks(table)[0][0].tolist() == [0.3, 1.0, 2.0, 3.0]
    depth = np.array([1.5, 1.5])
    assert np.isfinite(soil_profiles.stock_above(table, depth)).tolist() == [True, True]
    assert np.isfinite(soil_profiles.stock_above(table, depth, estimated=False)).tolist() == [False, True]
    with pytest.raises(InputError, match="column 'ordre' is missing; did you mean 'order'"):
        soil_profiles.profile_table(path, "ordre")


def test_simulated_active_layers_by_site(tmp_path):
    path = write(tmp_path / "run.csv", "site,active_layer_thickness_m,carbon_kg_m2\nB,1.5,12\nother,1,1\n")
    found = soil_profiles.active_layer_stocks(path, ["A", "B"])
    assert np.isnan(found["carbon"][0]) and found["carbon"][1] == 12000.0 and found["thaw"][1] == 1.5
    assert np.isnan(found["nitrogen"]).all()
    with pytest.raises(InputError, match=r"none of its sites has a profile, e\.g\. 'B'"):
        soil_profiles.active_layer_stocks(path, ["A"])


def test_the_real_profiles(shared_data):
    folder = shared_data / "soil_carbon"
    table = soil_profiles.profile_table(folder / "ncscd_pedons.csv", "order")
    assert table.sizes["place"] == 374
    known = soil_profiles.cumulative_stocks(table)
    upper = [stock[1] for depth, stock in known if depth.size > 1 and depth[1] == 1.0]
    assert np.mean(upper) / 1000 == pytest.approx(47, abs=1)  # the README's mean of 0-1 m
    means = soil_profiles.profile_table(folder / "cn_density_by_vegetation.csv")
    assert means["vegetation"].values.tolist()[2] == "boreal forest"
    assert np.isfinite(means["nitrogen"].values).all()
    with pytest.raises(InputError, match="no other groups"):
        soil_profiles.profile_table(folder / "cn_density_by_vegetation.csv", "order")


ISCN = (
    "site_name,profile_name,lat (dec. deg),long (dec. deg),layer_top (cm),layer_bot (cm),soc (g cm-2),oc (percent),"
    "bd_samp (g cm-3),n_tot (percent),vegclass_local\n"
)


def iscn(folder, *rows):
    return write(folder / "layers.csv", ISCN + "\n".join(rows) + "\n")


def test_layers_of_the_carbon_network(tmp_path):
    """Layers above the mineral surface have negative depths; a stock is measured or oc x bulk density x thickness."""
    path = iscn(
        tmp_path,
        "S,P1,68.1,-149.2,-10,0,0.4,,,,tundra",
        "S,P1,68.1,-149.2,0,20,,5,1.2,0.3,tundra",
        "S,P1,68.1,-149.2,20,90,2.0,,NA,,tundra",
        "S,P1,68.1,-149.2,90,,,1,,,tundra",
        "S,P2,68.1,-149.2,0,30,1,,,,",
        "S,P2,68.1,-149.2,20,50,1,,,,",
    )
    table = soil_profiles.profile_table(path)
    assert table["place"].values.tolist() == ["S/P1"] and table["vegetation"].values.tolist() == ["tundra"]
    assert table["top"].values.tolist() == pytest.approx([0.0, 0.1, 0.3])
    assert table["carbon"].values.tolist() == pytest.approx([4000.0, 12000.0, 20000.0])  # 0.05 x 1.2 g cm-3 x 20 cm
    assert table["nitrogen"].values[1] == pytest.approx(720.0) and np.isnan(table["nitrogen"].values[0])
    assert "1 layers without depths" in table.attrs["notes"] and "1 profiles with overlapping" in table.attrs["notes"]
    stocks = soil_carbon.read_pedons(path)
    assert stocks.stocks[0, :2].tolist() == pytest.approx([16.0, 20.0]) and np.isnan(stocks.stocks[0, 2:]).all()
    with pytest.raises(InputError, match="no profile with depths and carbon is left"):
        soil_profiles.profile_table(iscn(tmp_path, "S,P1,68.1,-149.2,0,10,,5,,,"))


def test_stocks_of_intervals_come_from_thin_layers_only(tmp_path):
    path = write(
        tmp_path / "a.csv",
        "site,top_cm,bottom_cm,carbon_kg_m2,latitude,longitude\n"
        "A,0,12,3,68,20\nA,12,40,7,68,20\nA,40,100,6,68,20\n"  # horizons: the second is divided at 30 cm
        "B,0,100,30,68,21\nB,100,200,15,68,21\n"  # a stock of 0-1 m says nothing about the upper 30 cm
        "C,0,30,9,68,22\nC,50,100,9,68,22\n",  # a gap
    )
    stocks = soil_profiles.interval_stocks(soil_profiles.profile_table(path), soil_carbon.INTERVALS) / 1000.0
    assert stocks[0, :2].tolist() == pytest.approx([3 + 7 * 18 / 28, 7 * 10 / 28 + 6])
    assert np.isnan(stocks[1, :2]).all() and stocks[1, 2] == 15.0
    assert stocks[2, 0] == 9.0 and np.isnan(stocks[2, 1:]).all()


def test_pedons_for_maps_with_what_is_missing(tmp_path):
    header = "lat,lon,soc_0_30,soc_0_100,soc_100_200,soc_200_300\n"
    path = write(
        tmp_path / "pedons.csv",
        header + "68.1,20.2,10.0,30.0,NA,NA\n68.4,21.0,12.0,33.0,-9999,8.0\n68.5,22,,35,nan,\n68.6,200,1,2,3,4\n",
    )
    found = soil_carbon.read_pedons(path)
    np.testing.assert_allclose(found.stocks, [[10, 20, np.nan, np.nan], [12, 21, np.nan, 8], [1, 1, 3, 4]])
    path.write_text(path.read_text().replace("lat,lon", "latitude,longitude").replace("68.4,21.0", "68.4,"))
    again = soil_carbon.read_pedons(path)
    assert again.latitude.tolist() == [68.1, 68.6] and "1 profiles have no latitude and longitude" in again.notes[-1]
    assert found.longitude.tolist() == pytest.approx([20.2, 21.0, -160.0])
    assert len(found.notes) == 1 and "1 profiles do not tell any of the intervals" in found.notes[0]
    path.write_text(header + "68.1,20.2,100,300,150,\n" * 2)  # t ha-1
    with pytest.raises(InputError, match=r"more than 286 kg m-3 of carbon, .* correct the unit \(t ha-1\?\)"):
        soil_carbon.read_pedons(path)
    path.write_text(header + "68.1,20.2,10,30,15,8\n" * 9 + "68.1,20.2,600,900,,\n")
    with pytest.raises(InputError, match=r"stock 600 kg m-2 of 'pedon 11', expected 0..500"):
        soil_carbon.read_pedons(path)
    path.write_text(header + "68.1,20.2,,,,\n")
    with pytest.raises(InputError, match="no profile with a place and a stock"):
        soil_carbon.read_pedons(path)


def test_heights_in_a_profile_table(tmp_path):
    path = write(tmp_path / "a.csv", "site,top_cm,bottom_cm,carbon_kg_m2\nA,0,-30,9\nA,-30,-100,14\n")
    table = soil_profiles.profile_table(path)
    assert table["top"].values.tolist() == [0.0, 0.3] and table["bottom"].values.tolist() == [0.3, 1.0]
    assert "negative there and were taken as heights" in table.attrs["notes"]
