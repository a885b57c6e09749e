"""Columns that gave more than they had: their numbers mean nothing, though budgets close."""

from collections.abc import Iterator

import numpy as np

from jtem import step

LEAST_POOL = {"float64": -1e-6, "float32": -1e-1}
"""Least pool (g m-2) by pool precision that is zero but for rounding."""


def columns(state: step.State, count: int, dtype: str) -> Iterator[tuple[int, str]]:
    """Of the first ``count`` columns (leading axis) those with a pool below zero, and its name: what was taken was not there.

    ``dtype``: precision of the pools, which says what is rounding.

    Parameters far from any published set, or functions put in place of the model's, can do this; numbers that follow mean
    nothing, though budgets close.
    """
    carbon = state.carbon
    pools = {
        "vegetation carbon": carbon.vegetation_carbon, "structural nitrogen": carbon.structural_nitrogen,
        "labile nitrogen": carbon.labile_nitrogen, "soil carbon": carbon.soil.carbon,
        "soil organic nitrogen": carbon.soil.organic_nitrogen, "available nitrogen": carbon.soil.available_nitrogen,
    }  # fmt: skip
    for name, values in pools.items():
        yield from ((int(row), name) for row in np.flatnonzero(np.asarray(values)[:count] < LEAST_POOL[dtype]))
