#!/usr/bin/env bash
# distributed 2026.8.0 beside jax 0.10.2 (CPU, Linux with glibc): in a Dask worker a JAX program asks the system anew for the memory of
# every array at every call.
#
# Surprising: Dask starts its workers with MALLOC_TRIM_THRESHOLD_=65536 (distributed.nanny.pre-spawn-environ), so that freed memory goes
#   back. For glibc any such setting also ends the growth of the size from which an allocation is a mapping of its own, which stays at
#   128 kB. XLA on CPUs allocates results with malloc, so that each one above that is mapped, its pages fault in one by one, and it is
#   unmapped when freed. A plain process has about a twentieth of the faults.
# Why it matters: chunks of columns as tasks of Dask are how land models are run past one machine; the cost (here page faults; a fifth of
#   the time of a model with many results a step) looks like an overhead of the scheduler, which it is not.
# Instead: unset it for workers that run JAX: dask.config.set({"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None})
#   before the first LocalCluster of a process (whose setting later ones inherit), or export a large value where `dask worker` is started (the environment wins over Dask's setting).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6 scipy==1.17.1 \
    dask==2026.8.0 distributed==2026.8.0 2>/dev/null
cd "$work"
cat > task.py <<'PY'
import resource

import jax
import jax.numpy as jnp


@jax.jit
def step(state):
    return [0.9 * pool + 1.0 for pool in state]


def faults(calls=300):
    """Page faults of so many calls, after 20 to warm up, with 16 arrays of 1 MB."""
    state = [jnp.full(2**18, float(k)) for k in range(16)]
    for _ in range(20):
        state = jax.block_until_ready(step(state))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(calls):
        state = jax.block_until_ready(step(state))
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
PY
cat > main.py <<'PY'
import sys

import dask
import distributed
from task import faults

UNSET = {"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None}


def in_worker():
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster:
        with distributed.Client(cluster) as client:
            client.upload_file("task.py")
            return client.submit(faults).result()


if __name__ == "__main__":
    if sys.argv[1] == "unset":
        dask.config.set(UNSET)
    print(faults() if sys.argv[1] == "plain" else in_worker())
PY
export JAX_PLATFORMS=cpu
unset MALLOC_TRIM_THRESHOLD_
for case in plain usual unset; do
    declare "$case=$("$work/venv/bin/python" main.py $case | tail -n 1)"
done
echo "page faults of 300 calls, 16 arrays of 1 MB each: plain process $plain, Dask worker $usual, with the setting unset $unset"
if [ "$usual" -gt $((5 * plain)) ] && [ "$usual" -gt $((5 * unset)) ]; then
    echo "as stated"
else
    echo "CHANGED"
    exit 1
fi
