"""States to restart files and back, exactly: every leaf of the state's tree under its readable name."""

from __future__ import annotations

import csv
import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path

import jax
import netCDF4
import numpy as np
from jaxtyping import PyTree

from jtem import __version__
from jtem.errors import InputError
from jtem.files import data_path, prepare_folder, whole
from jtem.writers.stream import CONVENTIONS


def _leaf_names(tree: PyTree) -> list[tuple[str, PyTree]]:
    """Readable names that CF allows (``carbon_soil_carbon``) and leaves of a state."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [
        ("_".join(str(getattr(key, "name", getattr(key, "idx", key))) for key in path), leaf) for path, leaf in leaves
    ]


@functools.cache
def _described() -> dict[str, dict[str, str]]:
    """Attributes of every variable of a state: what it is, and its unit."""
    with data_path("state.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return {row["name"]: {"long_name": row["long_name"], "units": row["unit"]} for row in rows}


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of arrays with their names, types and shapes: what HDF5's checksums of chunks leave out."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        found.update(f"{name} {values.dtype} {values.shape} ".encode() + values.tobytes())
    return found.hexdigest()


def write_state(path: Path, state: PyTree, meta: Mapping[str, str | int | float]) -> None:
    """Write a state (leaves lead with the column axis) to ``path``, which may be a temporary name."""
    with netCDF4.Dataset(path, "w", format="NETCDF4") as target:
        leaves = _leaf_names(state)
        target.createDimension("column", np.shape(leaves[0][1])[0])
        for name, leaf in leaves:
            leaf = np.asarray(leaf)
            if leaf.size == 0:
                continue  # layers that this scheme does not have
            dims = ["column"]
            for length in leaf.shape[1:]:
                dims.append(f"layer_{length}")
                if dims[-1] not in target.dimensions:
                    target.createDimension(dims[-1], length)
            variable = target.createVariable(name, leaf.dtype, tuple(dims), fletcher32=True)
            variable.setncatts(_described().get(name, {}))
            variable[:] = leaf
        title = "state of jtem for a restart, in the model's own units"
        said = {"Conventions": CONVENTIONS, "title": title, "source": f"jtem {__version__}", **meta}
        target.setncatts({**said, "content_sha256": _digest(state_arrays(state))})


def save_state(path: Path | str, state: PyTree, meta: Mapping[str, str | int | float]) -> None:
    """Write a state (leaves lead with the column axis) as netCDF, atomically; ``meta`` has ``parameter_hash``."""
    prepare_folder(Path(path).parent)
    with whole(path) as partial:
        write_state(partial, state, meta)


def load_state(path: Path | str, like: PyTree, parameter_hash: str, *, force: bool = False) -> PyTree:
    """Read a state into the structure of ``like`` (arrays or shapes with a leading column axis), exactly as saved.

    Raises ``InputError`` if the file was written with other parameters (unless ``force``), for other columns or another
    permafrost scheme.
    """
    try:
        with netCDF4.Dataset(path) as source:
            source.set_auto_mask(False)
            arrays = {name: np.asarray(source.variables[name][:]) for name in source.variables}
            known, digest = getattr(source, "parameter_hash", "none"), getattr(source, "content_sha256", "")
            if digest and digest != _digest(arrays):
                raise RuntimeError("its content does not have its checksum")
    except OSError as error:
        raise InputError(f"{path}: state file cannot be read ({error.strerror or error}); check the path") from None
    except (RuntimeError, ValueError, LookupError, AttributeError) as error:  # a checksum, or the file's structure
        raise InputError(f"{path}: state file is damaged ({error}); make it again") from None
    return restored(arrays, known, like, parameter_hash, str(path), force=force)


def restored(
    arrays: Mapping[str, np.ndarray],
    made_with: str,
    like: PyTree,
    parameter_hash: str,
    where: str,
    *,
    force: bool = False,
    anyhow: str = " or force it with --force",
) -> PyTree:
    """The state in the structure of ``like`` from its leaves by name; raises ``InputError`` as :func:`load_state`.

    ``anyhow``: how a caller may insist on other parameters, for the sentence.
    """
    if made_with != parameter_hash and not force:
        raise InputError(
            f"{where}: state was made with parameters {made_with}, this run has {parameter_hash}; use the same parameter "
            f"files{anyhow}"
        )
    arrays = {name.replace(".", "_"): values for name, values in arrays.items()}  # files of before had points in names
    leaves = []
    named = _leaf_names(like)
    for name, leaf in named:
        shape = tuple(leaf.shape)
        if 0 in shape[1:]:
            if name in arrays:
                raise InputError(
                    f"{where}: state has '{name}', which this run does not know; use the same permafrost scheme"
                )
            leaves.append(np.zeros(shape, leaf.dtype))
            continue
        if name not in arrays:
            raise InputError(
                f"{where}: state lacks '{name}'; it was made with another permafrost scheme, other options of [model] "
                "(soil_water, roots, abrupt_thaw) or version"
            )
        values = np.asarray(arrays[name])
        if values.shape != shape:
            raise InputError(
                f"{where}: '{name}' has shape {values.shape}, this run needs {shape}; use the domain, mosaic and "
                "permafrost scheme of the state"
            )
        if values.dtype != leaf.dtype and not force:
            raise InputError(
                f"{where}: '{name}' is {values.dtype}, this run has {leaf.dtype}; use the same precision"
                f"{anyhow.replace(' force it with', '')}"
            )
        leaves.append(values.astype(leaf.dtype))
    extra = set(arrays) - {name for name, _ in named}
    if extra:
        raise InputError(
            f"{where}: state has '{sorted(extra)[0]}', which this run does not know; use the permafrost scheme and the "
            "options of [model] (soil_water, roots, abrupt_thaw) of the state"
        )
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def check_origin(
    said: Mapping[str, object],
    wanted: Mapping[str, str],
    where: str,
    *,
    force: bool = False,
    anyhow: str = " or force it with --force",
) -> None:
    """Refuse a state of another version, other options of the model, other columns; raises ``InputError``.

    ``said``: attributes of the state, ``wanted``: what this run would write (``assemble.origin``); what one of them lacks is not
    compared. ``anyhow``: how a caller may insist, for the sentence.
    """
    if force:
        return
    other = {name for name in wanted if str(said.get(name, wanted[name])) != wanted[name]}
    if "source" in other:
        raise InputError(
            f"{where}: state was written by {said['source']}, this is {wanted['source']}, whose numbers may mean something else; "
            f"make it again{anyhow}"
        )
    if "model_options" in other:
        old, new = _words(said["model_options"]), _words(wanted["model_options"])
        name = next(name for name in (*new, *old) if old.get(name) != new.get(name))
        then, now = old.get(name, "the model's own"), new.get(name, "the model's own")
        raise InputError(
            f"{where}: state was made with {name} = {then}, this run has {now}; use the options of [model] of the state{anyhow}"
        )
    if "columns_sha256" in other:
        raise InputError(
            f"{where}: state is of other columns (places, communities or their shares); use the domain of the state{anyhow}"
        )


def _words(options: object) -> dict[str, str]:
    """Options of the model by name, of a text of ``assemble.origin``."""
    found = {}
    for word in str(options).split("; "):
        name, _, value = word.partition(" = ")
        found[name] = value
    return found


def state_arrays(state: PyTree) -> dict[str, np.ndarray]:
    """Leaves of a state by readable name, without those of no size; what :func:`restored` takes."""
    return {name: np.asarray(leaf) for name, leaf in _leaf_names(state) if np.asarray(leaf).size}


def state_attributes(path: Path | str) -> dict[str, object]:
    """Attributes of a state file: stage, last year, parameter hash, precision, plan."""
    try:
        with netCDF4.Dataset(path) as source:
            return {name: source.getncattr(name) for name in source.ncattrs()}
    except OSError as error:
        raise InputError(f"{path}: state file cannot be read ({error.strerror or error}); check the path") from None
    except RuntimeError as error:
        raise InputError(f"{path}: state file is damaged ({error}); make it again") from None
