"""What fixes the program (:class:`Design`), the parameter tree, and what is derived from both at a column, once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jtem.errors import InputError, suggest
from jtem.parameters import Handle
from jtem.physics import (
    abrupt_thaw,
    decomposition,
    initial,
    litter,
    methane,
    nitrogen,
    permafrost,
    phenology,
    photosynthesis,
    radiation,
    respiration,
    roots,
    soil_heat,
    water,
)
from jtem.state import Cell
from jtem.step.processes import Processes


class Parameters(eqx.Module):
    """One branch per process; leaves hold one value per community (or one row after selection).

    ``ORDERED``: parameters that must rise in this order, for their equations have a pole where they do not.
    """

    ORDERED: ClassVar[tuple[tuple[str, ...], ...]] = (
        (
            "photosynthesis.temperature_minimum", "photosynthesis.temperature_optimum_minimum",
            "photosynthesis.temperature_optimum_maximum", "photosynthesis.temperature_maximum",
        ),
        ("decomposition.moisture_minimum", "decomposition.moisture_optimum", "decomposition.moisture_maximum"),
        ("nitrogen.production_cn_minimum", "nitrogen.production_cn"),
    )  # fmt: skip

    radiation: radiation.RadiationParameters
    water: water.WaterParameters
    soil_thermal: soil_heat.SoilThermalParameters
    soil_column: soil_heat.SoilColumnParameters
    phenology: phenology.PhenologyParameters
    photosynthesis: photosynthesis.PhotosynthesisParameters
    respiration: respiration.RespirationParameters
    litter: litter.LitterParameters
    nitrogen: nitrogen.NitrogenParameters
    decomposition: decomposition.DecompositionParameters
    permafrost: permafrost.PermafrostParameters
    roots: roots.RootParameters
    abrupt_thaw: abrupt_thaw.AbruptThawParameters
    methane: methane.MethaneParameters
    initial: initial.InitialParameters


@dataclass(frozen=True)
class Design:
    """What fixes the compiled program. Hashable; numbers that may change are parameters or controls.

    ``thermal=None``: no soil heat (TEM's snow rule instead). ``heat_dtype`` and ``pool_dtype`` are the two precisions.
    ``two_water_layers``: the water of the root zone stands in two layers, 0-20 cm and below, with drainage between them.
    ``roots_follow_thaw``: rooting depth is a state that the active layer moves, and plants reach nitrogen by root density.
    ``abrupt_thaw``: part of the ground collapses and emits apart.
    ``methane``: decomposition in wetland gives methane.
    ``deep_nitrogen_losses``: thawed layers lose available nitrogen with water and as gas.
    ``layer_rate_dtype``: precision of the rates and mineralisation of thawed layers (None: that of the pools, which they change).
    ``own``: names of the parameters whose values are those of the cell (``Cell.own``) and not of its community.
    ``month_mean_moisture=False``: decomposition and uptake see the moisture of the month's beginning, as TEM does.
    """

    permafrost: permafrost.PermafrostScheme = permafrost.NONE
    thermal: soil_heat.ThermalDesign | None = soil_heat.ThermalDesign()  # noqa: RUF009 - frozen and hashable
    carbon_substeps: int = 4
    open_nitrogen: bool = False
    two_water_layers: bool = False
    roots_follow_thaw: bool = False
    abrupt_thaw: bool = False
    methane: bool = False
    deep_nitrogen_losses: bool = False
    month_mean_moisture: bool = True
    heat_dtype: str = "float32"
    pool_dtype: str = "float64"
    layer_rate_dtype: str | None = None
    own: tuple[str, ...] = ()
    processes: Processes = Processes()  # noqa: RUF009 - immutable

    def __post_init__(self):
        """Refuse combinations without meaning."""
        if self.thermal is None and self.permafrost.needs_heat:
            raise ValueError(
                f"permafrost scheme '{self.permafrost.name}' needs the soil heat model; use 'none' without it"
            )

    def in_rate_precision(self, x: Array) -> Array:
        """A quantity in the precision that rates of the thawed layers are computed in."""
        return x if self.layer_rate_dtype is None else x.astype(self.layer_rate_dtype)

    def in_pool_precision(self, x: Array) -> Array:
        """A quantity of the thawed layers in the precision of the pools that it changes."""
        return x if self.layer_rate_dtype is None else x.astype(self.pool_dtype)

    def on(self, platform: str) -> Design:
        """The same model as it runs best on JAX's ``platform``: on a "gpu" soil heat's sub-steps are kernels of their own."""
        if self.thermal is None or self.thermal.on_gpu == (platform == "gpu"):
            return self
        return dataclasses.replace(self, thermal=dataclasses.replace(self.thermal, on_gpu=platform == "gpu"))


def with_processes(design: Design, **functions: object) -> Design:
    """The design with other functions in the slots named; :class:`Processes` lists slots, signatures and units.

    Each function must be the same object from call to call, for every new one is a new program. Raises ``InputError`` for
    an unknown slot, with the nearest known name, and for what is no function.
    """
    own: dict[str, Callable] = {}
    for name, function in functions.items():
        if name not in Processes._fields:
            raise InputError(f"unknown process {name!r}; {suggest(name, Processes._fields)}")
        if not callable(function):
            raise InputError(
                f"process {name!r} is {function!r}; give a function with the arguments of the published form"
            )
        own[name] = function
    return dataclasses.replace(design, processes=design.processes._replace(**own))


class Column(eqx.Module):
    """Parameters and attributes of one column, derived once: what the monthly equations need."""

    parameters: Parameters
    hydraulics: water.SoilHydraulics
    thermal: soil_heat.ThermalProperties | None
    elevation: Float[Array, "*cells"]
    maximum_photosynthesis: Float[Array, "*cells"]
    maximum_nitrogen_uptake: Float[Array, "*cells"]
    decomposition_rate: Float[Array, "*cells"]
    immobilization: Float[Array, "*cells"]
    decay: Float[Array, "*cells"]
    layers: permafrost.LayerConstants
    inundated_fraction: Float[Array, "*cells"]  # share of the ground that is wetland


def select_community(parameters: Parameters, community: int | Int[Array, ""]) -> Parameters:
    """The row of one community. JAX clamps a bad index silently: it is validated in ``readers/to_model``."""
    row = jax.lax.convert_element_type(community, "uint32")  # without a sign nothing is asked of it, a hundred times
    return jax.tree.map(lambda leaf: jax.lax.dynamic_index_in_dim(leaf, row, keepdims=False), parameters)


def with_own(row: Parameters, cell: Cell, design: Design) -> Parameters:
    """The row with the values that the cell has of its own."""
    if cell.own is None:
        return row
    for k, name in enumerate(design.own):
        handle = Handle.of(name)
        leaf = handle.leaf(row)
        row = handle.put(
            row, handle.onto(leaf, jnp.broadcast_to(jnp.asarray(cell.own)[k].astype(leaf.dtype), leaf.shape))
        )
    return row


def derive(parameters: Parameters, cell: Cell, design: Design) -> Column:
    """Parameters at a cell: select the community, evaluate the texture regressions.

    ``parameters`` with a leading community axis, or one row (as a batch of parameter sets gives).
    """
    rows = parameters.litter.carbon_rate.ndim == 1
    row = select_community(parameters, cell.community) if rows else parameters
    row = with_own(row, cell, design)
    thermal = None
    if design.thermal is not None:
        thermal_row, own = jax.tree.map(
            lambda leaf: leaf.astype(design.heat_dtype), (row.soil_thermal, row.soil_column)
        )
        if design.thermal.from_place:
            thermal_row = soil_heat.materials(thermal_row, own, cell.soil_carbon_profile, cell.silt_clay)
        thermal = soil_heat.properties(thermal_row, design.thermal)
    psi = cell.silt_clay
    hydraulics = water.hydraulics(psi, row.water)
    return Column(
        parameters=row,
        hydraulics=hydraulics,
        thermal=thermal,
        elevation=cell.elevation,
        maximum_photosynthesis=photosynthesis.maximum_rate(psi, row.photosynthesis),
        maximum_nitrogen_uptake=nitrogen.maximum_uptake(psi, row.nitrogen),
        decomposition_rate=decomposition.rate_at_0C(psi, row.decomposition),
        immobilization=decomposition.immobilization_parameter(psi, row.decomposition),
        decay=decomposition.decay(row.decomposition),
        layers=permafrost.layer_constants(
            design.permafrost.layers,
            hydraulics.rooting_depth,
            hydraulics.field_capacity,
            row.permafrost,
        ),
        inundated_fraction=_inundated(cell, row),
    )


def _inundated(cell: Cell, row: Parameters) -> Float[Array, "*cells"]:
    """Wetland's share of a column: of the map where there is one, else that of the community."""
    if cell.inundated_fraction is None:
        return row.methane.inundated_fraction
    return jnp.where(jnp.isnan(cell.inundated_fraction), row.methane.inundated_fraction, cell.inundated_fraction)
