"""Strict by configuration: 64 bit, no implicit dtype or rank promotion, shapes checked at run time for the package."""

import os
from pathlib import Path

from jtem.devices import compiler_flags

os.environ.setdefault("XLA_FLAGS", compiler_flags("--xla_force_host_platform_device_count=2"))
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["JTEM_CACHE"] = "off"  # tests neither read nor write the programs that the user's runs have kept

import jax
import pytest
from jaxtyping import install_import_hook

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

SOURCE = Path(__file__).resolve().parents[1] / "src" / "jtem"
_rooms = [f"jtem.{path.stem}" for path in SOURCE.iterdir() if path.stem not in ("front", "__init__", "__main__")]
# not the door: it answers an argument of a wrong type with a sentence of its own, which tests read
_hook = install_import_hook(_rooms, "beartype.beartype")


def _shared_folder() -> Path | None:
    for base in (os.environ.get("JTEM_SHARED"), Path(__file__).resolve().parents[1].parent / "shared"):
        if base and (Path(base) / "data").is_dir():
            return Path(base)
    return None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with the optional real data sets; tests that need it skip where it is absent."""
    shared = _shared_folder()
    if shared is None:
        pytest.skip(
            "optional real data not present: no 'shared/data' folder beside the repository and JTEM_SHARED not set"
        )
    return shared / "data"
