"""``jtem report --profiles`` from a table with known profiles to tables and figures."""

import csv

import netCDF4
import numpy as np
import pytest

from jtem.commands.main import main
from jtem.report import profiles as shown

DEPTHS = np.array([0.0, 0.3, 1.0, 2.0, 3.0])
HALF_DEPTHS = {"alpine meadow": 0.5, "alpine steppe": 1.3}


@pytest.fixture
def table(tmp_path):
    lines = ["site,latitude,longitude,vegetation,depth_top_m,depth_bottom_m,carbon_kg_m2,nitrogen_kg_m2"]
    for k in range(6):
        vegetation = list(HALF_DEPTHS)[k % 2]
        cumulative = (20.0 + k) * DEPTHS / (HALF_DEPTHS[vegetation] + DEPTHS)
        for top, bottom, stock in zip(DEPTHS, DEPTHS[1:], np.diff(cumulative), strict=False):
            lines.append(
                f"S{k},{33 + k},{90 + k},{vegetation},{top},{bottom},{stock!r},{stock / 12!r}".replace("np.float64", "")
            )
    path = tmp_path / "profiles.csv"
    path.write_text("\n".join(lines).replace("(", "").replace(")", "") + "\n")
    return path


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def active_carbon(k, thaw):
    return (20.0 + k) * thaw / (HALF_DEPTHS[list(HALF_DEPTHS)[k % 2]] + thaw)


def test_tables_and_figures(table, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["report", "--profiles", str(table), "--out", str(out)]) == 0
    rows = {(r["vegetation"], r["element"]): r for r in read(out / "profile_parameters.csv")}
    for vegetation, half_depth in HALF_DEPTHS.items():
        for element in ("carbon", "nitrogen"):
            row = rows[vegetation, element]
            assert float(row["b_m"]) == pytest.approx(half_depth, rel=1e-3)
            assert float(row["b_of_mean_profile_m"]) == pytest.approx(half_depth, rel=1e-3)
            assert (row["profiles"], row["points"], row["b_paper_m"]) == ("3", "9", "")
            assert "Table S1" in row["note"]
    assert 0.5 < float(rows["all", "carbon"]["b_m"]) < 1.3
    assert float(rows["all", "carbon"]["standard_error_m"]) > 0.05
    means = [
        r for r in read(out / "mean_profiles.csv") if (r["vegetation"], r["element"]) == ("alpine meadow", "carbon")
    ]
    amplitudes = np.array([20.0, 22.0, 24.0])
    assert float(means[0]["mean_kg_m2"]) == pytest.approx(22.0 * 0.3 / 0.8, rel=1e-3)
    assert float(means[0]["sd_kg_m2"]) == pytest.approx(amplitudes.std(ddof=1) * 0.3 / 0.8, rel=1e-3)
    assert [r["n"] for r in means] == ["3"] * 4
    assert {p.name for p in out.glob("*.png")} == {
        f"{name}{suffix}.png" for name in ("liu2022_figureS1", "liu2024_figureS1") for suffix in ("", "_nitrogen")
    }
    assert "alpine meadow" in capsys.readouterr().out


def test_active_layers_of_a_table(table, tmp_path, capsys):
    simulated = tmp_path / "run.csv"
    lines = ["site,active_layer_thickness_m,carbon_kg_m2,nitrogen_kg_m2"]
    lines += [f"S{k},2,{1.1 * active_carbon(k, 2.0)},{active_carbon(k, 2.0) / 12}" for k in range(6)]
    simulated.write_text("\n".join(lines) + "\n")
    out = tmp_path / "out"
    arguments = ["report", "--profiles", str(table), "--simulated", str(simulated), "--out", str(out)]
    assert main(arguments) == 0
    rows = {(r["site"], r["stream"]): r for r in read(out / "active_layer_scores.csv")}
    observed = np.array([active_carbon(k, 2.0) for k in range(6)]) * 1000
    together = rows["all", "active_layer_carbon"]
    assert together["n"] == "6" and float(together["bias"]) == pytest.approx(0.1 * observed.mean(), rel=1e-3)
    assert float(together["RMSE"]) == pytest.approx(np.sqrt(np.mean((0.1 * observed) ** 2)), rel=1e-3)
    assert float(rows["all", "active_layer_nitrogen"]["R2"]) == pytest.approx(1.0)
    assert (out / "liu2022_figure2_stocks.png").is_file()
    assert "active_layer_carbon: n 6" in capsys.readouterr().out


def drawn(table, simulated, out, monkeypatch):
    """The figure of stocks: its text, and the points of each label of each panel."""
    import matplotlib.figure

    seen = []
    real = matplotlib.figure.Figure.savefig
    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", lambda f, *a, **k: (seen.append(f), real(f, *a, **k))[1])
    assert main(["report", "--profiles", str(table), "--simulated", str(simulated), "--out", str(out)]) == 0
    figure = seen[-1]
    points = [{line.get_label(): np.transpose(line.get_data()) for line in axis.lines} for axis in figure.axes]
    texts = [axis.get_title(loc="left") + "".join(t.get_text() for t in axis.texts) for axis in figure.axes]
    return (
        figure.get_suptitle(),
        texts,
        points,
        [[line.get_marker() for line in axis.lines[1:]] for axis in figure.axes],
    )


def test_the_figure_of_stocks_tells_vegetation_types_and_what_is_missing(table, tmp_path, monkeypatch):
    simulated = tmp_path / "run.csv"
    lines = ["site,active_layer_thickness_m,carbon_kg_m2,nitrogen_kg_m2"]
    lines += [f"S{k},2,{1.1 * active_carbon(k, 2.0)},{active_carbon(k, 2.0) / 12}" for k in range(6)]
    simulated.write_text("\n".join(lines) + "\n")
    title, texts, points, marks = drawn(table, simulated, tmp_path / "a", monkeypatch)
    assert "Figure 2" in title and "not available" not in title  # 33-38 N, 90-95 E
    assert "n = 6" in texts[0] and "R$^2$ 1.00" in texts[1] and "kg N" in texts[1]
    assert all(len(set(mine)) == 2 for mine in marks)
    (meadow,) = [v for label, v in points[0].items() if label.startswith("alpine meadow: ") and "n = 3" in label]
    expected = np.array([active_carbon(k, 2.0) for k in (0, 2, 4)])
    # tables hold every digit
    np.testing.assert_allclose(sorted(meadow[:, 0]), sorted(expected), rtol=1e-12)
    np.testing.assert_allclose(meadow[:, 1], 1.1 * meadow[:, 0], rtol=1e-12)
    # no nitrogen, and no place on the plateau
    simulated.write_text("\n".join(line.rsplit(",", 1)[0] for line in lines) + "\n")
    text = table.read_text().splitlines()
    moved = [text[0], *(",".join([p[0], "65", "-150", *p[3:]]) for p in (line.split(",") for line in text[1:]))]
    table.write_text("\n".join(moved) + "\n")
    title, texts, _, _ = drawn(table, simulated, tmp_path / "b", monkeypatch)
    assert "data not available" in title and "data not available" in texts[1] and "not available" not in texts[0]


def annual(path, latitude, longitude, thaw, carbon):
    """An annual file: 12 years, of which the first two must not count."""
    with netCDF4.Dataset(path, "w") as data:
        data.createDimension("time", 12)
        data.createDimension("cell", len(latitude))
        for name, values in (("lat", latitude), ("lon", longitude), ("areacella", np.full(len(latitude), 2.5e9))):
            data.createVariable(name, "f8", ("cell",))[:] = values
        for name, values in (("thawdepth", thaw), ("cSoil", carbon)):
            data.createVariable(name, "f8", ("time", "cell"))[:] = np.vstack(
                [np.full((2, len(values)), 99.0), [values] * 10]
            )


def test_active_layers_of_a_run(table, tmp_path, capsys):
    path = tmp_path / "run_historical_annual.nc"
    carbon = [active_carbon(0, 1.5), active_carbon(1, 2.5)]
    annual(path, [33.1, 34.0], [90.1, 91.0], [1.5, 2.5], carbon)
    out = tmp_path / "out"
    assert main(["report", "--profiles", str(table), "--simulated", str(path), "--no-figures", "--out", str(out)]) == 0
    assert "2 of 6 profiles lie in a cell" in capsys.readouterr().out  # the others are further than 50 km
    rows = read(out / "active_layer_stocks.csv")
    assert [r["site"] for r in rows] == ["S0", "S1"]
    for k, (row, stock, thaw) in enumerate(zip(rows, carbon, (1.5, 2.5), strict=True)):
        assert float(row["active_layer_thickness_m"]) == thaw
        assert float(row["simulated_kg_m2"]) == pytest.approx(stock, rel=1e-4)
        middle = 0.5 * (active_carbon(k, thaw - 0.5) + active_carbon(k, thaw + 0.5))  # uniform within an interval
        assert float(row["observed_kg_m2"]) == pytest.approx(middle, rel=1e-4)
    annual(path, [70.0], [0.0], [1.5], [10.0])
    assert main(["report", "--profiles", str(table), "--simulated", str(path), "--out", str(out)]) == 2
    assert "no profile is known down to the simulated active layer" in capsys.readouterr().err
    annual(path, [33.1, 34.0], [90.1, 91.0], [1.5, 7.0], carbon)  # deeper than the second profile
    assert main(["report", "--profiles", str(table), "--simulated", str(path), "--no-figures", "--out", str(out)]) == 0
    assert [r["site"] for r in read(out / "active_layer_stocks.csv")] == ["S0"]


def test_thawed_carbon_counts_and_other_files_are_refused(tmp_path):
    path = tmp_path / "run_annual.nc"
    annual(path, [33.0], [90.0], [1.5], [10.0])
    with netCDF4.Dataset(path, "a") as data:
        data.createVariable("thawed_permafrost_carbon", "f8", ("time", "cell"))[:] = 2.0
    run = shown.read_run(path)
    assert run.carbon.tolist() == [12000.0] and run.thaw.tolist() == [1.5] and np.isnan(run.nitrogen).all()
    assert run.area.tolist() == [2500.0]
    with netCDF4.Dataset(path, "w") as data:
        data.createDimension("cell", 1)
        for name in ("lat", "lon", "areacella"):
            data.createVariable(name, "f8", ("cell",))[:] = 1.0
    with pytest.raises(shown.InputError, match="variable 'thawdepth' is missing; add active_layer_thickness"):
        shown.read_run(path)
    path.write_text("not netCDF")
    with pytest.raises(shown.InputError, match="not a netCDF file"):
        shown.read_run(path)


def test_arguments_that_do_not_belong_together(table, tmp_path, capsys):
    for arguments, message in (
        (["report"], "nothing to report"),
        (["report", str(tmp_path), "--by", "order"], "--by and --simulated belong to --profiles"),
        (["report", str(tmp_path), "--profiles", str(table)], "on its own"),
        (["report", "--profiles", str(tmp_path / "none.csv")], "file not found"),
    ):
        assert main(arguments) == 2
        assert message in capsys.readouterr().err
