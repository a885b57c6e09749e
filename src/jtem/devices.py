"""How JAX is started on this machine: one device a core, and the options with which XLA compiles for CPUs."""

from __future__ import annotations

import importlib.metadata
import os

from jtem import compile_cache

CPU_FLAGS = {
    "xla_cpu_prefer_vector_width": "512",
    "xla_backend_extra_options": "xla_cpu_small_while_loop_byte_threshold=8000000",
}
"""Options of XLA that pay on CPUs: vectors of 16 float32 where the processor has them (AVX-512), and loops over up to 8 MB
compiled as one function instead of one call a kernel. Loops over layers have bodies of about 0.1 us: the calls took half of the
time. With 32 MB the demo compiles for 60 s in place of 32, and runs alike.
"""
GRADIENT_FLAGS = {**CPU_FLAGS, "xla_backend_extra_options": "xla_cpu_small_while_loop_byte_threshold=32000000"}
"""The same where gradients are most of the work: with 32 MB they take 5 to 8 % less time."""
FLAGS_OF_VERSION = {"0.10": {"xla_cpu_experimental_ynn_fusion_type": ""}}
"""Options that not every version of jaxlib knows (an unknown one ends the process): 0.10 would hand sums over layers to a
library for matrix products, which no loop can be compiled around."""


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def compiler_flags(given: str, gradients: bool = False) -> str:
    """``XLA_FLAGS`` with the options above (those for ``gradients``), but for those that ``given`` sets already."""
    minor = ".".join(importlib.metadata.version("jaxlib").split(".")[:2])
    flags = {**(GRADIENT_FLAGS if gradients else CPU_FLAGS), **FLAGS_OF_VERSION.get(minor, {})}
    return " ".join([given, *(f"--{name}={value}" for name, value in flags.items() if name not in given)]).strip()


LATE = (
    "JAX was started before jtem: it runs on one CPU device without jtem's compiler options, which takes about twice as long; "
    "call jtem.use_all_cores() before the first JAX operation, or import and use jtem first"
)
"""What it costs when JAX has started already."""


def use_all_cores(gradients: bool = False, devices: int = 0) -> bool:
    """One JAX CPU device a core (or ``devices``) and compiler options for CPUs (those for ``gradients``), if JAX has not started.

    An accelerator stays the default where there is one. ``XLA_FLAGS`` of the environment is kept and added to; where it says
    how many CPU devices there are, that number stays. Compiled programs are kept for later processes (``compile_cache``).
    Returns whether JAX runs, or will run, like that.
    """
    done = _set_up(gradients, devices or usable_cores())
    if done:
        compile_cache.use(usable_cores())
    return done


def _set_up(gradients: bool, devices: int) -> bool:
    """Set devices and options of JAX if that is possible; returns whether they are set."""
    import jax

    given = os.environ.get("XLA_FLAGS", "")
    wanted = compiler_flags(given, gradients)
    if "xla_force_host_platform_device_count" in given:
        os.environ["XLA_FLAGS"] = wanted
        return True
    if getattr(jax.config, "jax_num_cpu_devices", 0) == devices and wanted == given:
        return True  # done before: JAX may have started since, with these options
    try:
        jax.config.update("jax_num_cpu_devices", devices)
    except RuntimeError:  # JAX has started: keep its devices
        return False
    os.environ["XLA_FLAGS"] = wanted
    return True
