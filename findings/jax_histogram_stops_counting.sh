#!/usr/bin/env bash
# jax 0.10.2 (CPU): jnp.histogram stops counting at 16,777,216 a bin; segment_sum and weighted bincount lose as much.
#
# Surprising: `jnp.histogram` adds float32 ones one after another, so a bin stops at 2^24 = 16,777,216: one more one changes nothing.
#   `density=True` scales by the sum of the capped counts and still integrates to 1, with the full bins too low and all
#   others too high. `jnp.bincount(weights=...)` and `jax.ops.segment_sum` of float32 add in the same way: a quarter of a sum of
#   30 million numbers is lost, while `jnp.sum` of them, the whole array as one segment, is right to 1e-6, as are
#   `jnp.histogramdd` and `jnp.bincount` without weights, which count in integers.
# Why it matters: 67,000 half-degree land cells times 240 months are 16 million values, times 365 days of one year 24 million. Days without
#   rain or snow, frozen layers and cells without peat pile up in one bin, and sums by biome or country are segment sums.
#   numpy, in double precision by default, gives no hint when code moves over.
# Instead: histograms by `jnp.histogramdd` or by `jnp.bincount(jnp.digitize(x, edges))`; sums by segment in two steps (years first,
#   then cells), by a matrix product with the segments' indicators, or in float64.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6 scipy==1.17.1 2>/dev/null
cd "$work"
JAX_PLATFORMS=cpu "$work/venv/bin/python" - <<'PY'
import sys

import jax
import jax.numpy as jnp
import numpy as np

print(f"jax {jax.__version__}")
CAP = 2**24
dry, wet = 26_000_000, 4_000_000  # days of cells without rain and with rain
rain = np.concatenate([np.full(dry, 0.5, np.float32), np.full(wet, 1.5, np.float32)])
edges = np.array([0.0, 1.0, 2.0], np.float32)

count = np.asarray(jnp.histogram(rain, bins=edges)[0])
density = np.asarray(jnp.histogram(rain, bins=edges, density=True)[0])
integers = np.asarray(jnp.histogramdd(rain[:, None], bins=[edges])[0])
print("numpy.histogram        ", np.histogram(rain, bins=edges)[0], np.histogram(rain, bins=edges, density=True)[0].round(4))
print("jnp.histogram          ", count, density.round(4))
print("jnp.histogramdd        ", integers)

share = np.random.default_rng(0).uniform(1, 2, dry + wet).astype(np.float32)  # e.g. carbon of a cell
one = jnp.zeros(share.size, jnp.int32)
truth = share.sum(dtype=np.float64)
ratio = {
    "jnp.sum": float(jnp.sum(share)) / truth,
    "jax.ops.segment_sum": float(jax.ops.segment_sum(jnp.asarray(share), one, 1)[0]) / truth,
    "jnp.bincount(weights)": float(jnp.bincount(one, weights=share, length=1)[0]) / truth,
}
for name, value in ratio.items():
    print(f"{name:23} {value:.6f} of the sum of {share.size:,} numbers")

as_described = (
    (count == [CAP, wet]).all()
    and np.allclose(density, [CAP / (CAP + wet), wet / (CAP + wet)], atol=1e-4)
    and (integers == [dry, wet]).all()
    and abs(ratio["jnp.sum"] - 1) < 1e-6
    and ratio["jax.ops.segment_sum"] < 0.9
    and ratio["jnp.bincount(weights)"] < 0.9
)
print("behaves as described" if as_described else "CHANGED: does not behave as described")
sys.exit(0 if as_described else 1)
PY
