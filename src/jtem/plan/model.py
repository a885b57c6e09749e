"""Section [model] of plans: processes, precision and parameters, shared by runs and calibrations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jtem.physics import nitrogen, snow
from jtem.physics.permafrost import SCHEMES, PermafrostScheme
from jtem.physics.soil_heat import GRIDS
from jtem.plan import toml
from jtem.plan.toml import EMPTY, choice, setting


@dataclass(frozen=True)
class Precision:
    """Dtypes of the heat model and of the pools, and whether JAX must run with 64 bits."""

    name: str
    heat_dtype: str
    pool_dtype: str
    enable_x64: bool


PRECISIONS = {
    "mixed": Precision("mixed", "float32", "float64", True),
    "float64": Precision("float64", "float64", "float64", True),
    "float32": Precision("float32", "float32", "float32", False),
}


def use_precision(word: str) -> Precision:
    """Set JAX to 64 or 32 bits for "mixed", "float64" or "float32"; call it before any array is made."""
    import jax

    precision = toml.choose(word, PRECISIONS, "precision", "use_precision")
    jax.config.update("jax_enable_x64", precision.enable_x64)
    return precision


@dataclass(frozen=True)
class ModelSection:
    """Processes, precision and parameters. ``permafrost`` and ``precision`` are objects already."""

    permafrost: PermafrostScheme = choice("Permafrost scheme.", SCHEMES, SCHEMES["layered"])
    precision: Precision = choice("Numbers of heat and of pools.", PRECISIONS, PRECISIONS["mixed"])
    snow: Callable = choice(
        "Whether snow has one density, or settles.",
        {"constant": snow.cover, "settling": snow.settling_cover},
        snow.cover,
    )
    lit_surface: bool = choice("What warms snow-free ground.", {"air": False, "light": True}, False, key="surface")
    soil_grid: str = choice("Layers of soil heat.", tuple(GRIDS), "default")
    soil_columns: bool = choice(
        "Whether the ground's materials are those of the community, or follow soil carbon and texture of the place.",
        {"community": False, "place": True},
        False,
    )
    solve_heat: bool = setting("Whether the spin-up of soil heat solves for the year that repeats.", False)
    fast: bool = choice(
        "How soil heat and thawed layers are computed (docs/performance.md).",
        {"standard": False, "fast": True},
        False,
        key="numerics",
    )
    heat_substeps: int = setting("Steps of soil heat in a month.", 6, low=1, high=60)
    carbon_substeps: int = setting("Steps of carbon and nitrogen in a month.", 4, low=1, high=60)
    open_nitrogen: bool = choice(
        "Whether nitrogen enters and leaves the ecosystem.", {"closed": False, "open": True}, False, key="nitrogen"
    )
    two_water_layers: bool = choice(
        "Whether the water of the root zone is one layer, or 0-20 cm and what lies below.",
        {"one_layer": False, "two_layers": True},
        False,
        key="soil_water",
    )
    roots_follow_thaw: bool = choice(
        "Whether roots keep their depth, or follow the active layer down to the nitrogen of thawed ground.",
        {"fixed": False, "follow_thaw": True},
        False,
        key="roots",
    )
    abrupt_thaw: bool = choice(
        "Whether part of the ground collapses as it thaws (slides, thaw lakes, collapse-scar wetlands) and emits apart.",
        {"none": False, "areas": True},
        False,
    )
    methane: bool = choice(
        "Whether decomposition in wetland gives methane, and dry soil takes it up.",
        {"none": False, "wetlands": True},
        False,
    )
    deep_nitrogen_losses: bool = setting(
        "Whether thawed layers of scheme layered lose available nitrogen with water and as gas.", False
    )
    plant_nitrogen: Callable = choice(
        "Whether each month's growth lives on its own nitrogen, or on a store that lasts the season.",
        {"month": nitrogen.couple, "season": nitrogen.couple_by_store},
        nitrogen.couple,
    )
    plant_cn: Callable = choice(
        "How CO2 changes the C:N of plant tissue: by a line, or as it changes photosynthesis.",
        {"linear": nitrogen.vegetation_cn, "photosynthesis": nitrogen.vegetation_cn_by_photosynthesis},
        nitrogen.vegetation_cn,
        key="tissue_nitrogen",
    )
    parameters: tuple[str, ...] = setting("Overlays of parameters in order: packaged names or TOML files.", ())
    processes: Mapping[str, str] = setting('Own functions for processes: slot = "module:function".', EMPTY)
