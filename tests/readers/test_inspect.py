"""What ``jtem inspect`` says of a file: what the readers understood, problems with their remedy."""

import subprocess
import sys

import numpy as np
import pytest
from layout_files import axes, climate, on_grid, plain, stamps, time, write
from test_sources import daymet, era5

from jtem.commands import main
from jtem.errors import InputError
from jtem.readers import inspect


def test_a_reanalysis_is_understood(tmp_path):
    text = inspect.describe(era5(tmp_path)[1])
    for said in (
        "grid of 3 x 4 (latitude, longitude), 66.25..67.25 N, -150.2..-148.8 E",
        "area: 1195..1245 km2 a cell, from spacing",
        "valid_time, 24 months, 1991-01 to 1992-12 (proleptic_gregorian",
        "tp (valid_time 24, latitude 3, longitude 4): 'm', a length",
        "0 % missing, first values",
        "layout: era5 (precipitation from tp, shortwave_radiation from ssrd)",
    ):
        assert said in text
    assert text.count("|") == 6 and "@" in text  # a map of three rows


def test_a_projection_is_understood(tmp_path):
    text = inspect.describe(daymet(tmp_path)[1])
    assert "grid of 3 x 4 with two-dimensional coordinates (lat, lon)" in text and "by bounds" in text
    assert "layout: part of terraclimate, daymet" in text and text.count("|") == 6


def test_problems_stand_in_the_text(tmp_path, capsys):
    text = inspect.describe(plain(tmp_path / "lost.nc", time("middle", say=False)))
    assert "problem: stamps of 'time' move through the month" in text
    values = on_grid()
    values["tas"] = values["tas"] + 200.0
    values["rsds"][0, 0, 0] = np.nan
    text = inspect.describe(write(tmp_path / "odd.nc", time() | axes() | climate(values, units={"pr": "gallon"})))
    assert (
        "doubtful: 170.835..211.335 degC is no air temperature" in text
        or "is no air temperature; another unit?" in text
    )
    assert "'gallon', not understood" in text and "0.347 % missing" in text
    half = {"time": (("time",), stamps("start")[9:15], {"units": "days since 1850-01-01", "calendar": "noleap"})}
    part = write(tmp_path / "part.nc", half | axes() | climate({n: v[9:15] for n, v in on_grid().items()}))
    assert "problem: 'time' has no bounds and stamps like 1991-10-01" in inspect.describe(part)
    assert main.main(["inspect", str(part), "--stamp", "end"]) == 0
    assert "6 months, 1991-09 to 1992-02" in capsys.readouterr().out
    assert main.main(["inspect", str(tmp_path / "none.nc")]) == 2
    assert "none.nc: file not found" in capsys.readouterr().err
    with pytest.raises(InputError, match="unknown key 'tim'"):
        inspect.describe(part, {"tim": "t"})


def test_a_table_of_a_site(tmp_path, capsys):
    path = tmp_path / "site.csv"
    rows = "".join(f"2001,{m},{m - 10},{20 + m if m != 3 else ''},7\n" for m in range(1, 13))
    path.write_text("year,month,tas (degC),pr (gallon),wind\n" + rows)
    assert main.main(["inspect", str(path)]) == 0
    said = capsys.readouterr().out
    for text in (
        "site.csv (12 rows, months, 2001-01 to 2001-12)",
        "tas: air_temperature, 'degC', -9..2, 0 % missing, first values -9, -8, -7",
        "pr: precipitation, 'gallon', not understood, 21..32, 8.33 % missing, first values 21, 22, 24",
        "wind: not taken",
    ):
        assert text in said
    path.write_text("day,tas\n1,2\n")
    assert main.main(["inspect", str(path)]) == 0
    assert "problem: no dates; add the columns 'year' and 'month', or 'date'" in capsys.readouterr().out


def test_files_are_read_without_starting_jax():
    """A second of start, for which nothing here has any use."""
    modules = "jtem.commands.inspect, jtem.readers.cf_monthly, jtem.readers.isimip, jtem.readers.ground"
    text = f"import sys, {modules}; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", text]).returncode == 0
