"""Equation I1 of docs/model.md."""

import numpy as np
from equations import a, along, close

from jtem.physics import initial
from sites import TABLE, parameter_tree


def test_i1_by_hand():
    close(along(lambda psi: initial.pool(psi, a(400.0), a(100.0)), [0, 0.25, 1]), [100.0, 200.0, 500.0])


def test_every_community_starts_with_pools_above_zero():
    p, psi = parameter_tree().initial, a(np.full(len(TABLE.communities), 0.4))
    for name in ("vegetation_carbon", "structural_nitrogen", "labile_nitrogen", "soil_carbon", "soil_organic_nitrogen",
                 "available_nitrogen"):  # fmt: skip
        pools = np.asarray(initial.pool(psi, getattr(p, f"{name}_slope"), getattr(p, f"{name}_intercept")))
        assert (pools > 0).all() and (pools < 1e5).all(), name
