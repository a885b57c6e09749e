"""``benchmarks/gpu.py`` runs to its end where there is no GPU, with few cells."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "gpu.py"


@pytest.mark.slow
def test_all_parts_run_and_the_last_line_is_json():
    done = subprocess.run([sys.executable, str(SCRIPT), "--tiny"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["left_out"] == [] and not [name for name in found if name.startswith("failed_")], found
    assert found["factorial_failed"] == 0 and found["factorial_runs"] == 4
    assert found["difference_mixed_net_primary_production"] < 1e-9
    assert found["gradient_ratio_to_forward"] > 0 and found["kernels_fusion"] > 100
    assert {f"forward_mixed_{count}_cells_cell_years_per_second" for count in (4, 8)} <= set(found)
