"""Derivatives of yearly outputs: adjoint (one quantity, everything it depends on), tangent (one direction, all outputs in time),
Hessian-vector products, and :func:`gradient` of any function of the outputs.

``walk`` goes the way of a column and back. A :class:`~jtem.records.Quantity` is a weighted sum of yearly
outputs, so one compiled program serves all. Columns never touch each other: one reverse pass of the sum over columns is the
gradient of every column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np

from jtem import parameters
from jtem.errors import InputError, suggest
from jtem.records import Adjoint, Quantity, Tangent
from jtem.run import Experiment, equilibrium
from jtem.state import Climate
from jtem.study.sensitivity.model import ColumnModel, ScenarioClimate, model_of
from jtem.study.sensitivity.walk import Walk, in_chunks, tied

# --- adjoint -----------------------------------------------------------------------------------------------------------


def adjoint(model: ColumnModel, scenario: str, quantities: Sequence[Quantity]) -> Adjoint:
    """Gradients of all ``quantities`` of all columns with respect to parameters, climate and soil carbon profile."""
    weights = model.weights(quantities).astype(model.chain.design.pool_dtype)
    seeds = np.broadcast_to(weights, (model.columns, *weights.shape))
    y, code, by_vector, by_cycle, by_climates, by_profile = in_chunks(
        model, scenario, model.chunk_columns, Walk.adjoint, seeds
    )

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in by_climates], axis=2)

    def cycle(name: str) -> np.ndarray:
        return getattr(by_cycle, name).sum(axis=2)

    def known(values: np.ndarray) -> np.ndarray:
        return np.where((code == 0).reshape(-1, *[1] * (values.ndim - 1)), values, np.nan)

    return Adjoint(
        scenario=scenario,
        quantities=tuple(quantities),
        value=np.einsum("cvy,qvy->cq", y, weights),
        code=code,
        parameters=known(by_vector),
        air_temperature=known(joined("air_temperature")),
        precipitation=known(joined("precipitation")),
        shortwave_radiation=known(joined("shortwave_radiation")),
        co2=known(joined("co2")),
        cycle_air_temperature=known(cycle("air_temperature")),
        cycle_precipitation=known(cycle("precipitation")),
        cycle_co2=known(cycle("co2")),
        soil_carbon_profile=known(by_profile),
    )


# --- gradient of any function ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Gradient:
    """Derivatives of one number by everything that it depends on; host arrays.

    ``names`` (n,) of trainable parameters in ``units``, ``parameters`` (column, n) by the value of each column's community.
    ``climate``: by history and scenario (column, year, 12), CO2 (column, year); the January after a year is part of its own
    year, so ``following_air_temperature`` is 0. ``cycle``: by the spin-up's mean year (column, 12).
    ``soil_carbon_profile`` (column, layer) per gC m-2. ``outputs``: the outputs that the number was made of. ``code`` (column,):
    0 where the equilibrium was found; elsewhere the derivatives are NaN.
    """

    value: float
    names: tuple[str, ...]
    units: tuple[str, ...]
    parameters: np.ndarray
    climate: Climate
    cycle: Climate
    soil_carbon_profile: np.ndarray
    outputs: dict[str, np.ndarray]
    code: np.ndarray


def gradient(
    experiment: Experiment,
    table: parameters.ParameterTable,
    scenario: str,
    objective: Callable[[Mapping[str, jax.Array]], jax.Array],
    annual: Sequence[tuple[str, str]],
    *,
    settings: equilibrium.Settings | None = None,
) -> Gradient:
    """Derivatives of ``objective`` through the equilibrium, history and ``scenario`` of an experiment, by reverse mode.

    ``objective`` takes yearly outputs by name, each (column, year) over the years of history and scenario, and gives a
    scalar; any function that JAX differentiates. ``annual``: (variable, reduction) of the outputs that it takes. The columns
    run twice, so that it may mix them. Raises ``InputError`` as :func:`~jtem.study.sensitivity.model.model_of` does, and
    where the objective is not a scalar.
    """
    return gradient_of(model_of(experiment, table, [scenario], annual, settings=settings), scenario, objective)


def gradient_of(
    model: ColumnModel, scenario: str, objective: Callable[[Mapping[str, jax.Array]], jax.Array]
) -> Gradient:
    """:func:`gradient` of a model that was made before."""
    y, _ = forward(model, scenario)

    def of(values: jax.Array) -> jax.Array:
        result = jnp.asarray(objective({name: values[:, k] for k, name in enumerate(model.variables)}))
        if result.shape:
            raise InputError(f"the objective gives an array of shape {result.shape}; make it one number")
        return result

    value, seeds = jax.value_and_grad(of)(jnp.asarray(y))
    seeds = np.asarray(seeds)[:, None]
    y, code, by_vector, by_cycle, by_climates, by_profile = in_chunks(
        model, scenario, model.chunk_columns, Walk.adjoint, seeds
    )

    def known(leaf: np.ndarray) -> np.ndarray:
        return np.where((code == 0).reshape(-1, *[1] * (leaf.ndim - 2)), leaf[:, 0], np.nan)

    whole = jax.tree.map(lambda *parts: np.concatenate(parts, axis=2), *by_climates)
    return Gradient(
        value=float(value),
        names=model.vector.names,
        units=model.units,
        parameters=known(by_vector),
        climate=jax.tree.map(known, whole),
        cycle=jax.tree.map(lambda leaf: known(leaf.sum(axis=2)), by_cycle),
        soil_carbon_profile=known(by_profile),
        outputs={name: y[:, k] for k, name in enumerate(model.variables)},
        code=code,
    )


# --- tangent -----------------------------------------------------------------------------------------------------------

FORCING_DIRECTIONS = {"warming": "degC", "precipitation": "percent", "co2": "percent", "soil_cycle_warming": "degC"}
"""Directions through the climate: +1 degC or +1 % in every month of history and scenario; or of the spin-up's cycle alone."""


def tangent(model: ColumnModel, scenario: str, directions: Sequence[str]) -> Tangent:
    """Derivative of all outputs in time along each direction: names of parameters or of :data:`FORCING_DIRECTIONS`."""
    names, units, steps = [], [], []
    drivers = model.drivers[scenario]
    zero = jax.tree.map(np.zeros_like, (model.vectors, drivers))
    for word in directions:
        if word in FORCING_DIRECTIONS:
            names.append(word)
            units.append(FORCING_DIRECTIONS[word])
            steps.append((zero[0], _moved_drivers(drivers, zero[1], word)))
            continue
        try:
            places = model.vector.index([word])
        except InputError:
            known = (*FORCING_DIRECTIONS, *model.vector.names)
            raise InputError(f"unknown direction '{word}' of a tangent; {suggest(word, known)}") from None
        for k in places:
            moved = np.zeros_like(model.vectors)
            moved[:, k] = 1.0
            names.append(model.vector.names[k])
            units.append(model.units[k])
            steps.append((moved, zero[1]))
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves, axis=1), *steps)

    chunk_columns = max(1, model.chunk_columns // len(steps))
    y, code, dy = in_chunks(model, scenario, chunk_columns, Walk.tangent, stacked)
    dy = np.where((code == 0)[:, None, None, None], dy, np.nan)
    return Tangent(scenario, tuple(names), tuple(units), y, dy, code)


def _moved_drivers(drivers: ScenarioClimate, zero: ScenarioClimate, word: str) -> ScenarioClimate:
    if word == "soil_cycle_warming":
        ones = np.ones_like(zero.cycle.air_temperature)
        return zero._replace(cycle=replace(zero.cycle, air_temperature=ones))
    field = {"warming": "air_temperature"}.get(word, word)

    def move(climate: Climate, still: Climate) -> Climate:
        values = getattr(climate, field)
        return tied(replace(still, **{field: np.ones_like(values) if word == "warming" else 0.01 * values}))

    return zero._replace(parts=tuple(move(c, s) for c, s in zip(drivers.parts, zero.parts, strict=True)))


# --- forward and second order ------------------------------------------------------------------------------------------


def forward(model: ColumnModel, scenario: str, vectors: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Outputs (column, variable, year) and equilibrium codes (column,), with other parameters where ``vectors`` are given."""
    if vectors is not None:
        model = replace(model, vectors=vectors.astype(model.vectors.dtype))
    return in_chunks(model, scenario, model.chunk_columns, Walk.forward)


def settled(model: ColumnModel, scenario: str) -> np.ndarray:
    """Whether the equilibrium of each column was found, (column,) of bool; without one a column has no derivative."""
    return forward(model, scenario)[1] == 0


def hessian_product(
    model: ColumnModel, scenario: str, quantities: Sequence[Quantity], direction: np.ndarray, relative: float = 1e-5
) -> np.ndarray:
    """Hessian times ``direction`` (column, n) of every quantity, (column, quantity, n).

    Central difference of two gradients along the direction: the equilibrium's implicit derivative is of first order, so
    differentiating it once more would leave out how the fixed point itself bends. Two adjoint runs whatever the number of
    parameters. ``relative``: step as a share of the parameters' size along the direction.
    """
    size = np.maximum(np.abs(model.vectors), 1e-3)
    reach = np.abs(direction / size).max(axis=1, keepdims=True)
    step_size = relative / np.where(reach > 0, reach, 1.0)
    sides = [
        adjoint(replace(model, vectors=model.vectors + sign * step_size * direction), scenario, quantities).parameters
        for sign in (1.0, -1.0)
    ]
    return (sides[0] - sides[1]) / (2.0 * step_size[:, :, None])


def regional(
    derivative: np.ndarray, vectors: np.ndarray, area: np.ndarray, chosen: np.ndarray | None = None
) -> np.ndarray:
    """Area-weighted sum of d(quantity)/d(ln parameter) over columns, (quantity, n): the effect of one common relative change.

    ``derivative`` (column, quantity, n), ``area`` (column,) m2; columns without a derivative are left out.
    """
    whole = np.isfinite(derivative).all(axis=(1, 2)) if chosen is None else chosen
    return np.einsum("c,cqn,cn->qn", area[whole], derivative[whole], vectors[whole])
