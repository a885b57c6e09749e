import dataclasses

import numpy as np
import pytest

from jtem.errors import InputError
from jtem.study.calibration import pest

FOREST, TUNDRA = "boreal_forest", "wet_moist_tundra"
PROBLEM = pest.PestProblem(
    (
        pest.Parameter("decomposition.temperature_sensitivity", 0.07, 0.03, 0.12, "log"),
        pest.Parameter(f"litter.vegetation_rate:{FOREST}", 0.01, 0.0, 0.1, group="litter fall of all"),
        pest.Parameter(f"litter.vegetation_rate:{TUNDRA}", -0.0123456789012345, -0.1, 0.2, "fixed"),
    ),
    (
        pest.Observation("US-Prr nep 2011-06", 34.5, 0.2, "nep"),
        pest.Observation("US-Prr nep 2011-07", -1.25e-3, 0.25, "nep"),
        pest.Observation("us_atq_thaw", 0.45, 0.0, "active_layer_thickness"),
    ),
)


def test_files_as_pest_wants_them(tmp_path):
    paths = pest.write(PROBLEM, tmp_path, "case", "run_model.sh")
    control = paths["pst"].read_text().splitlines()
    assert control[:4] == ["pcf", "* control data", "restart estimation", "3 3 3 0 2"]
    assert control[4].split()[:4] == ["1", "1", "double", "point"]
    start = control.index("* parameter data") + 1
    rows = [line.split() for line in control[start : start + 3]]
    assert [row[1:3] for row in rows] == [["log", "factor"], ["none", "relative"], ["fixed", "relative"]]
    assert all(len(row) == 10 and len(row[0]) <= 12 and len(row[6]) <= 12 for row in rows)
    seen = [line.split() for line in control[control.index("* observation data") + 1 :][:3]]
    assert all(len(row) == 4 and len(row[0]) <= 20 for row in seen) and seen[2][0] == "us_atq_thaw"
    assert control[control.index("* model command line") + 1] == "run_model.sh"
    assert control[control.index("* model input/output") + 1 :][:2] == [
        "case.tpl values.toml",
        "case.ins simulated.txt",
    ]
    assert paths["ins"].read_text().splitlines()[0] == "pif @"
    assert paths["tpl"].read_text().splitlines()[0] == "ptf ~"


CONTROL = """pcf # by hand
* Control data # note
restart estimation
2 1 1 1 2 # counts
1 1 double point 1 0 0
++ies_num_reals(50)
10 2 0.3 0.03 10
*parameter groups
soil relative 0.01 0 switch 2 parabolic
* parameter data
kdc LOG factor 0.01 0.001 0.1 soil 1 0 1 # rate
++ a note ++ another
snow none relative 2.5D2 100 400 soil 1 0 1
* observation groups
alt
pri
* observation data
alt_2010 0.45 30.0 alt # cm?
++ies_num_reals(50)
* prior information
pi1 1.0 * log(kdc) = -2.0 4.605170185988092 pri
pi2 1.0 * kdc - 2.0 * snow = 0.0 1.0 pri
++ end
"""


def test_options_and_notes_of_others(tmp_path):
    path = tmp_path / "case.pst"
    path.write_text(CONTROL)
    found = pest.read_control(path)
    assert [(p.name, p.value, p.transform) for p in found.parameters] == [("kdc", 0.01, "log"), ("snow", 250.0, "none")]
    assert found.parameters[0].prior == pytest.approx((0.01, 0.5)) and found.parameters[1].prior is None
    assert [(o.name, o.value, o.weight) for o in found.observations] == [("alt_2010", 0.45, 30.0)]


def test_pyemu_reads_what_is_written(tmp_path):
    pyemu = pytest.importorskip("pyemu", reason="pyemu is not installed")
    problem = dataclasses.replace(
        PROBLEM, parameters=tuple(dataclasses.replace(p, prior=(0.07, 0.3)) for p in PROBLEM.parameters[:2])
    )
    control = pyemu.Pst(str(pest.write(problem, tmp_path, "case", "run")["pst"]))
    assert control.npar_adj == 2 and control.nobs == 3 and control.nprior == 2
    assert control.parameter_data.parval1.tolist() == [0.07, 0.01]
    assert control.prior_information.weight.tolist() == pytest.approx([np.log(10.0) / 0.3, 1 / 0.3])


def test_round_trip_of_the_problem(tmp_path):
    paths = pest.write(PROBLEM, tmp_path, "case", "run")
    back = pest.read_control(paths["pst"])
    groups = ("decomposition", "litter fall of all", "litter")
    expected = tuple(dataclasses.replace(p, group=g) for p, g in zip(PROBLEM.parameters, groups, strict=True))
    assert back == pest.PestProblem(expected, PROBLEM.observations)
    prior = (dataclasses.replace(expected[0], prior=(0.07, 0.25)), dataclasses.replace(expected[1], prior=(0.02, 0.01)))
    paths = pest.write(pest.PestProblem((*prior, expected[2]), PROBLEM.observations), tmp_path, "case", "run")
    back = pest.read_control(paths["pst"]).parameters
    assert [p.prior and pytest.approx(p.prior, rel=1e-12) for p in back] == [(0.07, 0.25), (0.02, 0.01), None]
    assert paths["pst"].read_text().splitlines()[3] == "3 3 3 2 3"
    paths["names.csv"].unlink()
    assert pest.read_control(paths["pst"]).parameters[0].name.startswith("temperatur")


def test_round_trip_of_the_parameters(tmp_path):
    """Template -> values by coordinate, and PEST's answer -> names -> values."""
    names = ["decomposition rate:US-Prr", 'soil_thermal.water_content[0]:"wet" ~']
    some = (pest.Parameter(names[0], 0.9, 0.3, 3.0, "log"), pest.Parameter(names[1], 0.75, 0.1, 2.0))
    paths = pest.write(pest.PestProblem(some, PROBLEM.observations), tmp_path, "case", "run")
    known = pest.read_names(paths["names.csv"])["parameter"]
    assert list(known.values()) == names and all(len(short) <= 12 for short in known)

    values = dict(zip(known, (0.0812345678901234, 1.25), strict=True))
    filled = tmp_path / "values.toml"
    filled.write_text(pest.fill(paths["tpl"], values))
    assert pest.read_values(filled, names) == {names[0]: 0.0812345678901234, names[1]: 1.25}
    filled.write_text(filled.read_text().replace("1.250000000000000e+00", ".125D1"))  # as Fortran writes
    assert pest.read_values(filled, names)[names[1]] == 1.25
    for wrong, message in (
        ((names[0], "decomposition rat:US-Prr"), "is no free parameter of the plan; did you mean"),
        (("8.12", "x.12"), "is not a number"),
        (('"decomposition rate:US-Prr" =', "# gone"), r"no value for 'decomposition rate:US-Prr' \(1 missing\)"),
    ):
        bad = tmp_path / "bad.toml"
        bad.write_text(filled.read_text().replace(*wrong))
        with pytest.raises(InputError, match=message):
            pest.read_values(bad, names)

    answer = tmp_path / "case.par"
    rows = [
        f"  {short.upper()}   {value:.10E}  1.000000  0.000000" for short, value in zip(known, (0.09, 1.5), strict=True)
    ]
    answer.write_text("\n".join(["single point", *rows]) + "\n")
    best = pest.read_parameters(answer)
    assert best == {names[0]: pytest.approx(0.09), names[1]: pytest.approx(1.5)}
    assert pest.read_values(answer, names) == best

    text = answer.read_text()
    answer.with_suffix(".bpa").write_text(text.replace("1.5000000000E+00  1.000000  0.000000", "1.5D0 0.5 0.1"))
    scaled = pest.read_parameters(tmp_path / "case.bpa", paths["names.csv"])
    assert scaled[names[1]] == pytest.approx(0.85)
    answer.write_text("\n".join(text.splitlines()[:2]))
    with pytest.raises(InputError, match=r"case.par: no value for 'soil_thermal.water_content.*' \(1 missing\)"):
        pest.read_parameters(answer)
    answer.write_text("single point\nsomething 1 1 0\n")
    with pytest.raises(InputError, match="parameter 'something' is not in"):
        pest.read_parameters(answer)
    answer.write_text("0.3\n")
    with pytest.raises(InputError, match="not a PEST parameter file"):
        pest.read_parameters(answer)


def test_instructions_read_what_the_model_writes(tmp_path):
    paths = pest.write(PROBLEM, tmp_path, "case", "run")
    pest.write_simulated(PROBLEM, [30.0, -2.5e-4, 0.5], tmp_path / "simulated.txt")
    output = (tmp_path / "simulated.txt").read_text().splitlines()
    known = pest.read_names(paths["names.csv"])["observation"]
    found, line = {}, -1
    for instruction in paths["ins"].read_text().splitlines()[1:]:  # "l1": next line; "w": after the next blank
        forward, white, name = instruction.split()
        assert (forward, white) == ("l1", "w") and name[0] == name[-1] == "!"
        line += 1
        found[known[name.strip("!")]] = float(output[line].split()[1])
    assert found == {"US-Prr nep 2011-06": 30.0, "US-Prr nep 2011-07": -2.5e-4, "us_atq_thaw": 0.5}


def test_short_names():
    names = [f"soil_thermal.organic_layer_thickness:{c}" for c in (FOREST, TUNDRA)] + ["litter.k", "Litter.K", "dum"]
    short = pest.short_names(names, 12)
    assert len(set(short.values())) == 5 and all(0 < len(s) <= 12 and s == s.lower() for s in short.values())
    assert short["litter.k"] == "litter.k" and short["dum"] != "dum"
    many = pest.short_names([f"observation number {k}" for k in range(2000)], 20)
    assert len(set(many.values())) == 2000 and max(map(len, many.values())) <= 20
    with pytest.raises(InputError, match="'a' is in the PEST problem twice"):
        pest.short_names(["a", "a"], 12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": 0.5}, r"is 0.5 with bounds \[0.03, 0.12\]; give low <= value <= high"),
        ({"lower": 0.0}, "is log-transformed but its lower bound is 0"),
        ({"transform": "logarithm"}, "did you mean 'log'"),
        ({"name": "two\nlines"}, "is no name of a parameter"),
        ({"prior": (0.07, 0.0)}, "give positive ones"),
    ],
)
def test_bad_parameters(tmp_path, change, message):
    bad = dataclasses.replace(PROBLEM.parameters[0], **change)
    with pytest.raises(InputError, match=message):
        pest.write(pest.PestProblem((bad,), PROBLEM.observations), tmp_path, "case", "run")


def test_bad_observations_and_files(tmp_path):
    for change, message in (({"weight": -1.0}, "has the weight -1"), ({"value": np.nan}, "has no value")):
        bad = dataclasses.replace(PROBLEM.observations[0], **change)
        with pytest.raises(InputError, match=message):
            pest.write(pest.PestProblem(PROBLEM.parameters, (bad,)), tmp_path, "case", "run")
    with pytest.raises(InputError, match="needs parameters and observations"):
        pest.write(pest.PestProblem((), PROBLEM.observations), tmp_path, "case", "run")
    control = pest.write(PROBLEM, tmp_path, "case", "run")["pst"]
    text = control.read_text()
    for new, message in (
        (text.replace("pcf", "pcf version=2"), "version 2"),
        (text.replace("3 3 3 0 2", "4 3 3 0 2"), "3 parameters and 3 observations, the control data say 4 and 3"),
        (text.replace("* parameter data", "* data"), "section .* parameter data. is missing"),
        (text.replace("3.450000000000000e+01", "much"), "'much' is not a number"),
        ("hello", "not a PEST control file"),
    ):
        control.write_text(new)
        with pytest.raises(InputError, match=message):
            pest.read_control(control)
