"""jtem: a JAX-differentiable Terrestrial Ecosystem Model with permafrost carbon.

>>> import jtem
>>> site = jtem.site("US-Prr")
>>> model = jtem.Model(site, permafrost="layered")
>>> model
<jtem model of 'US-Prr': permafrost layered, precision mixed, parameters defaults.toml>

Then ``result = model.run(years=(1979, 2014))``, ``result.annual``, ``model.gradient("sum nep 2000-2014")``: see ``jtem.Model``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOMES = {
    "site": "jtem.front.site",
    "region": "jtem.front.site",
    "known_sites": "jtem.front.site",
    "Place": "jtem.front.site",
    "Model": "jtem.front.model",
    "open": "jtem.front.model",
    "Result": "jtem.front.result",
    "load": "jtem.front.result",
    "plot": "jtem.front.plot",
    "InputError": "jtem.errors",
    "use_all_cores": "jtem.devices",
}
"""Where the public names live; imported when first asked for, so that ``import jtem`` starts nothing."""

__all__ = [
    "InputError", "Model", "Place", "Result", "__version__", "known_sites", "load", "open", "plot", "region", "site",
    "use_all_cores",
]  # fmt: skip

if TYPE_CHECKING:
    from jtem.devices import use_all_cores
    from jtem.errors import InputError
    from jtem.front import plot
    from jtem.front.model import Model, open
    from jtem.front.result import Result, load
    from jtem.front.site import Place, known_sites, region, site


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'jtem' has no attribute '{name}'")
    home = importlib.import_module(_HOMES[name])
    value = home if name == "plot" else getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
