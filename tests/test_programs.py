"""An experiment compiles few programs, and none of them twice."""

import os
import re
import subprocess
import sys
from collections import Counter

PLAN = """
[plan]
name = "few"
[domain]
source = "embedded"
sites = ["Toolik", "US-Prr"]
[model]
permafrost = "layered"
parameters = ["liu2024"]
[spinup]
heat_years = 12
years = 20
cycle = [1995, 1996]
[history]
first = 2005
last = 2014
[permafrost]
base_years = [2010, 2014]
[factorial]
runs = "liu2024"
scenarios = ["ssp126", "ssp585"]
first = 2015
last = 2020
base_year = 2014
[output]
annual = ["active_layer_thickness", "net_primary_production"]
[run]
block_years = 5
"""


def compiled(words, folder):
    """Names of the programs that a command compiles in a process of its own, in order."""
    environment = os.environ | {"JAX_LOG_COMPILES": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "jtem", *map(str, words)], env=environment, cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return re.findall(r"Finished XLA compilation of (\S+) in", done.stderr)


def test_a_factorial_compiles_each_pass_once_and_nothing_small(tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN)
    programs = compiled(["run", "plan.toml", "--out", "out"], tmp_path)
    assert {"jit(spin)", "jit(_heat)", "jit(_water)", "jit(_carbon)", "jit(fill)"} <= set(programs)
    assert max(Counter(programs).values()) == 1, Counter(programs)
    assert len(programs) <= 8, programs
