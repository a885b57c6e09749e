#!/usr/bin/env bash
# jax 0.10.2 (CPU): a state with an empty array cannot go twice through a program of shard_map that was compiled ahead.
#
# Surprising: an array without elements comes out of a jitted `jax.shard_map` whole (`PartitionSpec()`), whatever `out_specs` says; with
#   elements it comes out split. `jax.jit` takes the result again without a word, but the same function compiled ahead of time
#   (`lower(...).compile()`) refuses its own result: "compiled for input shardings that disagree". On one device nothing happens.
# Why it matters: states of models carry arrays whose size an option turns to 0 (no permafrost layers, no tracers, no age classes). A
#   time loop that was tried with all options on, or on one device, ends in its second block where an option is off.
# Instead: state `out_shardings` of `jax.jit` around the shard_map, or put empty arrays back with `jax.device_put` before each call.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6 scipy==1.17.1 2>/dev/null
cd "$work"
JAX_PLATFORMS=cpu XLA_FLAGS=--xla_force_host_platform_device_count=2 "$work/venv/bin/python" - <<'PY'
import sys

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

print(f"jax {jax.__version__}, {jax.device_count()} devices")
mesh = Mesh(np.array(jax.devices()), ("cell",))
split = NamedSharding(mesh, P("cell"))


def month(state):
    return jax.tree.map(lambda pool: 0.9 * pool, state)


sharded = jax.shard_map(month, mesh=mesh, in_specs=P("cell"), out_specs=P("cell"))
plain, stated = jax.jit(sharded), jax.jit(sharded, out_shardings=split)


def twice(program, state):
    try:
        jax.block_until_ready(program(program(state)))
    except ValueError as error:
        return "refused: " + str(error).split(".")[0]
    return "fine"


found = {}
for layers in (3, 0):
    state = jax.device_put({"soil": np.ones((4, 2), np.float32), "frozen": np.ones((4, layers), np.float32)}, split)
    after = plain(state)
    found[layers] = {
        "frozen comes out": str(after["frozen"].sharding.spec),
        "jit twice": twice(plain, state),
        "compiled twice": twice(plain.lower(state).compile(), state),
        "out_shardings, compiled twice": twice(stated.lower(state).compile(), state),
    }
    for what, said in found[layers].items():
        print(f"{layers} frozen layers, {what:30} {said}")

full, empty = found[3], found[0]
as_described = (
    "cell" in full["frozen comes out"]
    and "cell" not in empty["frozen comes out"]
    and full["compiled twice"] == empty["jit twice"] == empty["out_shardings, compiled twice"] == "fine"
    and "input shardings" in empty["compiled twice"]
)
print("behaves as described" if as_described else "CHANGED: does not behave as described")
sys.exit(0 if as_described else 1)
PY
