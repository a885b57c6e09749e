"""Parameters as data: declaration beside the equations, values in TOML, one table for docs, checks and calibration.

Each process file declares its parameters with :func:`parameter`; the values come from ``data/parameters/defaults.toml``
and thin overlays. A parameter tree holds one row per vegetation community; :func:`select_community` takes one row.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np


def parameter(*, unit: str, description: str, symbol: str = "", scale: str = "linear", trainable: bool = True) -> Any:
    """Declare one parameter of a process (wraps ``eqx.field``; no default values in code).

    ``unit``: house unit as text, "1" for a pure number. ``symbol``: TEM's historic or the paper's name.
    ``scale``: "linear" or "log", how calibration sees it. ``trainable=False``: thresholds and initial values, for which a
    derivative of the monthly step is zero or undefined by construction.
    """
    if scale not in ("linear", "log"):
        raise ValueError(f"scale must be 'linear' or 'log', got {scale!r}")
    return eqx.field(
        metadata={
            "unit": unit,
            "description": description,
            "symbol": symbol,
            "scale": scale,
            "trainable": trainable,
        }
    )
