#!/usr/bin/env bash
# optimistix 0.1.0: Levenberg-Marquardt returns the first guess as "successful" when residuals are in large or small units.
#
# Surprising: the damping starts at 1 and is added to J'J unscaled, and the inverse of the damping may not fall below the machine
#   epsilon of the dtype: in float32, JAX's default, once 8.4e6 is passed the step becomes exactly zero and a zero step
#   counts as converged. Where J'J is larger than that and the first, almost undamped steps are refused, the result is
#   `RESULTS.successful` with the parameters untouched. With residuals much below 1 the damping of 1 dwarfs J'J instead, the
#   first step is minute, and that counts as converged too, in float64 as well. Dogleg solves all of them with the
#   same tolerances and start; so does MINPACK, whose damping is scaled by the columns of J.
# Why it matters: the same carbon flux is 1 in g m-2 d-1, 1e-8 in kg m-2 s-1 and 1e3 in mg m-2 d-1; a stock of 10 kg m-2 is 1e4 g m-2. A
#   calibration that changes units, or sums over more years, goes on to report its prior as the posterior optimum, and a check of
#   `solution.result` passes.
# Instead: divide residuals by their uncertainties, so that they are of order 1 whatever the units; use `Dogleg`, or float64 and
#   residuals near 1; compare the misfit with that of the start before trusting "successful".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile optimistix==0.1.0 lineax==0.1.1 equinox==0.13.8 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6 scipy==1.17.1 2>/dev/null
cd "$work"
JAX_PLATFORMS=cpu "$work/venv/bin/python" - <<'PY'
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optimistix as ox
import scipy.optimize

print(f"optimistix {ox.__version__}, jax {jax.__version__}")
START, TRUTH = np.array([1.0, 1.0]), np.array([5.0, 0.3])  # respiration of a pool: size times exp(-rate t)
found = {}
for bits in (32, 64):
    jax.config.update("jax_enable_x64", bits == 64)
    t = jnp.linspace(0.0, 10.0, 40)
    for unit in (1e-6, 1e-4, 1.0, 100.0, 1e3, 1e4):

        def residual(p, args, unit=unit, t=t):
            return unit * (p[0] * jnp.exp(-p[1] * t) - TRUTH[0] * jnp.exp(-TRUTH[1] * t))

        line = f"float{bits}, residuals x {unit:g}:"
        for solver in (ox.LevenbergMarquardt, ox.Dogleg):
            s = ox.least_squares(residual, solver(rtol=1e-6, atol=1e-6), jnp.asarray(START), max_steps=500, throw=False)
            p = np.asarray(s.value, float)
            said = "successful" if s.result == ox.RESULTS.successful else "failed"
            where = "truth" if np.allclose(p, TRUTH, rtol=1e-3) else "start" if np.allclose(p, START, rtol=1e-3) else "else"
            found[bits, unit, solver.__name__] = said, where
            line += f"  {solver.__name__} {said}, {int(s.stats['num_steps'])} steps, at {p.round(4)} ({where})"
        print(line)

times = np.linspace(0.0, 10.0, 40)
minpack = [
    scipy.optimize.least_squares(lambda p, u=u: u * (p[0] * np.exp(-p[1] * times) - 5 * np.exp(-0.3 * times)), START, method="lm").x
    for u in (1e-6, 1.0, 1e4)
]
print("MINPACK, residuals x 1e-6, 1, 1e4:", *(m.round(4) for m in minpack))

lost = [(32, 1e-6), (32, 1e-4), (32, 1e3), (32, 1e4), (64, 1e-6), (64, 1e-4)]
as_described = (
    all(found[*k, "LevenbergMarquardt"] == ("successful", "start") for k in lost)
    and all(v == ("successful", "truth") for (b, u, s), v in found.items() if s == "Dogleg" or (b, u) not in lost)
    and np.allclose(minpack, TRUTH, rtol=1e-3)
)
print("behaves as described" if as_described else "CHANGED: does not behave as described")
sys.exit(0 if as_described else 1)
PY
