"""How JAX is started: the options of XLA, and that a process started so gives the same numbers."""

import json
import os
import subprocess
import sys

import numpy as np

from jtem.devices import CPU_FLAGS, GRADIENT_FLAGS, compiler_flags, usable_cores

HEAT_YEAR = """
import json, sys
if sys.argv[1] == "quick":
    from jtem.devices import use_all_cores
    use_all_cores()
import jax, jax.numpy as jnp
from jtem import parameters, step
from jtem.files import data_path
from jtem.physics import snow, soil_heat
table = parameters.read_table(step.Parameters, [data_path("parameters", "defaults.toml")])
rows = jax.tree.map(lambda x: x[:8].astype("float32"), parameters.build(step.Parameters, table, "float32").soil_thermal)
design = soil_heat.ThermalDesign()
properties = jax.vmap(lambda row: soil_heat.properties(row, design))(rows)
mean = jnp.linspace(-12.0, 1.0, 8, dtype=jnp.float32)
state = jax.vmap(lambda t, p: soil_heat.initial_state(t, t - 15.0, p, design))(mean, properties)
season = -18.0 * jnp.cos(2 * jnp.pi * (jnp.arange(36) % 12) / 12)
@jax.jit
def run(state):
    def month(state, air):
        def one(s, t, p):
            now, following = t + air[0], t + air[1]
            return soil_heat.month(s, now, following, jnp.where(now < -1, 20.0, 0.0), p, cover=snow.cover, design=design)

        return jax.vmap(one)(state, mean, properties)
    return jax.lax.scan(month, state, jnp.stack([season, jnp.roll(season, -1)], axis=1).astype("float32"))
state, out = run(state)
print(json.dumps({"devices": len(jax.devices()), "t": out.temperature.tolist(), "h": state.enthalpy.tolist()}))
"""


def test_options_are_added_once_and_those_given_are_kept():
    added = compiler_flags("")
    assert all(f"--{name}={value}" in added.split() for name, value in CPU_FLAGS.items())
    assert compiler_flags(added) == added
    wider = compiler_flags("", gradients=True)
    assert all(f"--{name}={value}" in wider.split() for name, value in GRADIENT_FLAGS.items()) and wider != added
    given = "--xla_cpu_prefer_vector_width=256 --xla_force_host_platform_device_count=3"
    assert compiler_flags(given).startswith(given) and "width=512" not in compiler_flags(given)


def test_a_process_started_so_gives_the_same_numbers():
    def year(how):
        plain = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
        done = subprocess.run(
            [sys.executable, "-c", HEAT_YEAR, how], env=plain, capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout.splitlines()[-1])

    quick, plain = year("quick"), year("plain")
    assert quick["devices"] == usable_cores()
    # bitwise so on x86-64 with AVX-512; a processor that multiplies and adds in one rounding may differ, as in case 10 of
    # float32 against float64 gives 2e-3 K, here also where phases change
    np.testing.assert_allclose(quick["t"], plain["t"], rtol=0, atol=2e-3)
    np.testing.assert_allclose(quick["h"], plain["h"], rtol=0, atol=2e-2)
