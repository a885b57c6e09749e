"""Every shipped calibration plan as a PEST problem, read back by pyemu."""

import csv
from pathlib import Path

import pytest

from jtem.commands.main import main

ROOT = Path(__file__).resolve().parents[2]
PLANS = [
    path for path in sorted(ROOT.glob("experiments/*/calibration/*.toml")) if "\n[calibration]" in path.read_text()
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::jtem.errors.InputNote")
@pytest.mark.parametrize("plan", PLANS, ids=lambda path: f"{path.parents[1].name}-{path.stem}")
def test_pyemu_reads_the_export_of_every_shipped_plan(plan, shared_data, tmp_path, capsys):
    pyemu = pytest.importorskip("pyemu", reason="pyemu is not installed")
    code = main(["calibrate", str(plan), "--data", str(shared_data), "--pest", str(tmp_path)])
    said = capsys.readouterr().err
    if "data not available" in said:  # the plan says so: observations that are not public
        pytest.skip(said.strip())
    assert code == 0, said
    (path,) = tmp_path.glob("*.pst")
    control = pyemu.Pst(str(path))
    with next(tmp_path.glob("*.names.csv")).open(encoding="utf-8") as file:
        known = [row["short"] for row in csv.DictReader(file) if row["kind"] == "parameter"]
    assert control.npar_adj == len(known) > 0 and control.nobs > 0 and "--pest-run" in control.model_command[0]
    assert sorted(control.parameter_data.parnme) == sorted(known)
    values = control.parameter_data
    assert values.parval1.between(values.parlbnd, values.parubnd).all()
