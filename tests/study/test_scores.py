import numpy as np
import pytest

from jtem.errors import InputError
from jtem.study import scores


def test_hand_values():
    observed = np.array([1.0, 2.0, 3.0, np.nan, 6.0])
    simulated = np.array([1.5, 2.0, 2.0, 9.0, np.nan])
    n, r2, rmse, bias, correlation = scores.score(simulated, observed)
    assert n == 3
    assert r2 == pytest.approx(1 - (0.25 + 0 + 1) / 2)
    assert rmse == pytest.approx(np.sqrt(1.25 / 3)) and bias == pytest.approx(-0.5 / 3)
    assert correlation == pytest.approx(np.corrcoef([1.5, 2, 2], [1, 2, 3])[0, 1] ** 2)


def test_limits():
    series = np.array([3.0, -1.0, 4.0])
    assert scores.score(series, series) == (3, 1.0, 0.0, 0.0, pytest.approx(1.0))
    _, r2, rmse, bias, correlation = scores.score(2 * series + 1, series)
    assert r2 < 0 and correlation == pytest.approx(1.0) and bias == pytest.approx(3.0) and rmse > bias
    assert scores.score(np.full(3, series.mean()), series)[1] == pytest.approx(0.0)
    n, r2, rmse, bias, correlation = scores.score(np.array([2.0]), np.array([1.0]))
    assert (n, rmse, bias) == (1, 1.0, 1.0) and np.isnan(r2) and np.isnan(correlation)
    assert scores.score(np.array([np.nan]), np.array([1.0]))[0] == 0


def test_table_by_site_stream_and_part(tmp_path):
    site = ["A", "A", "B", "B", "A", "B", "A"]
    stream = ["nep"] * 5 + ["gpp", "gpp"]
    part = ["fit", "fit", "fit", "fit", "held-out", "fit", "held-out"]
    observed = np.array([1.0, 2.0, 3.0, 5.0, 7.0, np.nan, 4.0])
    simulated = np.array([1.0, 3.0, 3.0, 4.0, 8.0, 2.0, 4.0])
    made = scores.table(site, stream, part, simulated, observed)
    assert [(s.site, s.stream, s.part, s.n) for s in made] == [
        ("B", "gpp", "fit", 0),
        ("A", "gpp", "held-out", 1),
        ("A", "nep", "fit", 2),
        ("B", "nep", "fit", 2),
        ("all", "nep", "fit", 4),
        ("A", "nep", "held-out", 1),
    ]
    together = made[4]
    assert together.rmse == pytest.approx(np.sqrt(0.5)) and together.bias == 0.0
    assert together.r2 == pytest.approx(1 - 2 / 8.75)
    path = tmp_path / "scores.csv"
    scores.write(made, path)
    assert path.read_text().splitlines()[0] == "site,stream,part,n,R2,RMSE,bias"
    back = scores.read(path)
    assert [(s.site, s.n) for s in back] == [(s.site, s.n) for s in made] and np.isnan(back[0].rmse)
    assert back[4].r2 == pytest.approx(together.r2, rel=1e-5)
    with pytest.raises(InputError, match="part 'test' is unknown; use fit, blocked, held-out or untouched"):
        scores.table(["A"], ["nep"], ["test"], np.ones(1), np.ones(1))
    path.write_text("a,b\n")
    with pytest.raises(InputError, match="not a score table"):
        scores.read(path)
    with pytest.raises(InputError, match="cannot be read"):
        scores.read(tmp_path / "none.csv")
