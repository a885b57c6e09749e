"""Local sensitivity, Hessian-vector products and ensembles of parameters, through the equilibrium."""

from jtem.records import HOW, Adjoint, Quantity, Tangent, elasticity
from jtem.study.sensitivity import ensembles
from jtem.study.sensitivity.derivatives import (
    FORCING_DIRECTIONS,
    Gradient,
    adjoint,
    forward,
    gradient,
    gradient_of,
    hessian_product,
    regional,
    settled,
    tangent,
)
from jtem.study.sensitivity.model import ColumnModel, Vector, model_of, vector_of

__all__ = [
    "FORCING_DIRECTIONS",
    "HOW",
    "Adjoint",
    "ColumnModel",
    "Gradient",
    "Quantity",
    "Tangent",
    "Vector",
    "adjoint",
    "elasticity",
    "ensembles",
    "forward",
    "gradient",
    "gradient_of",
    "hessian_product",
    "model_of",
    "regional",
    "settled",
    "tangent",
    "vector_of",
]
