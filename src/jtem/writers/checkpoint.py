"""Work on disk that survives a kill: one folder of finished pieces a chunk of columns, and the files made from them.

A run writes every block of results and every finished unit (spin-up, history, a family of scenarios) of a chunk under a
temporary name and renames it, so that what has its name is whole. Killed at any moment, the next run with the same
plan, parameters and version skips what is finished and does the rest again, bitwise. Several processes may share a
folder, which may be in an object store; of two that did the same unit, the first one's files stay. When all chunks are there,
:meth:`ChunkStore.replay` hands those of a stage to a sink that writes its files.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import PyTree

from jtem.errors import InputError
from jtem.files import Anywhere, remove_tree, write_once
from jtem.records import Block, Sink, StageLike

FOLDER = ".jtem-work"


@runtime_checkable
class BlockStore(Protocol):
    """A store that takes the results while the run goes on and gives them back block by block (``writers.zarr``)."""

    def write(self, stage: StageLike, columns: slice, years: slice, outputs: Block) -> None:
        """Take a block of results."""
        ...

    def blocks(self, stage: StageLike, columns: slice) -> Iterable[tuple[slice, Block]]:
        """Years and results of each block of a stage for a chunk of columns, as they were written."""
        ...

    def mark(self, columns: slice, failed: Mapping[int, str]) -> None:
        """The columns of a chunk are finished."""
        ...


class ChunkStore:
    """A sink with a memory (``run.chunk.Sink`` and ``Checkpoint``), which may be sent to other processes.

    ``identity``: what must be the same to go on (plan, parameters, version, layout). Raises ``InputError`` where the folder
    holds unfinished work of another identity, unless ``fresh``, which discards it. ``results``: a store that takes the results
    instead of this folder, which then remembers only what a restart needs; ``units``: all units of a chunk, after which it is
    marked as finished there.
    """

    def __init__(
        self,
        folder: Anywhere,
        identity: Mapping[str, object],
        *,
        fresh: bool = False,
        keep_states: bool = True,
        results: BlockStore | None = None,
        units: Sequence[str] = (),
    ):
        self.results, self.units = results, tuple(units)
        folder = Path(folder) if isinstance(folder, str) else folder
        self.folder = folder / FOLDER
        self.keep_states = keep_states
        known = self.folder / "identity.json"
        self.resumed = known.is_file() and not fresh
        if fresh or not (
            self.resumed or isinstance(folder, Path)
        ):  # an object store is left without its identity first
            remove_tree(self.folder)
        wanted = json.loads(json.dumps(dict(identity)))
        if self.resumed:
            found = _read(known)
            other = [key for key in {*wanted, *found} if wanted.get(key) != found.get(key)]
            if other:
                raise InputError(
                    f"{self.folder}: holds unfinished work of another run ('{sorted(other)[0]}' differs); finish that run, "
                    "choose another folder with --out, or discard it with --force"
                )
        else:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_once(known, json.dumps(wanted, indent=1).encode())

    # --- run.chunk.Sink ------------------------------------------------------------------------------------------

    def write(self, stage: StageLike, columns: slice, years: slice, outputs: Block) -> None:
        """Keep a block of results of a stage."""
        if self.results is not None:
            self.results.write(stage, columns, years, outputs)
            return
        arrays = {f"{frequency}/{name}": v for frequency, fields in outputs.items() for name, v in fields.items()}
        meta = np.array([columns.start, columns.stop, years.start, years.stop])
        path = self._chunk(columns) / f"out.{stage.name}.{years.start:05d}.npz"
        _save(path, {"slices": meta, **arrays})

    def state(self, stage_name: str, columns: slice, state: PyTree) -> None:
        """Keep a state for the state files (leading column axis)."""
        if self.keep_states:
            leaves = {f"{k:03d}": np.asarray(leaf) for k, leaf in enumerate(jax.tree.leaves(state))}
            _save(self._chunk(columns) / f"state.{stage_name}.npz", leaves)

    # --- run.chunk.Checkpoint --------------------------------------------------------------------------------------

    def load(self, columns: slice, unit: str) -> dict[str, np.ndarray] | None:
        """Arrays of a finished unit, or None."""
        path = self._path(columns) / f"done.{unit}.npz"
        if not path.is_file():
            return None
        return {_plain(key): value for key, value in _load(path).items()}

    def save(self, columns: slice, unit: str, arrays: dict[str, np.ndarray], failed: dict[int, str]) -> None:
        """Remember a finished unit and the failed columns so far."""
        chunk = self._chunk(columns)
        status = {"columns": [columns.start, columns.stop], "failed": {str(c): why for c, why in failed.items()}}
        write_once(chunk / f"failed.{unit}.json", json.dumps(status).encode())
        if self.results is not None and unit == self.units[-1]:
            self.results.mark(columns, failed)
        _save(chunk / f"done.{unit}.npz", arrays)

    def failures(self, columns: slice) -> dict[int, str]:
        """Failed columns of the finished units of a chunk."""
        result: dict[int, str] = {}
        for path in _listed(self._path(columns), "failed.*.json"):
            if path.with_name(f"done.{path.name[7:-5]}.npz").is_file():
                found = _read(path)["failed"]
                result.update({int(column): why for column, why in found.items()})
        return result

    # --- all chunks ---------------------------------------------------------------------------------------------------

    def status(self) -> dict[str, dict[str, object]]:
        """Of every chunk begun: finished units and failed columns."""
        result = {}
        for chunk in _listed(self.folder, "columns.*"):
            start, stop = (int(word) for word in chunk.name.split(".")[1:])
            units = [path.name[5:-4] for path in _listed(chunk, "done.*.npz")]
            failed = self.failures(slice(start, stop))
            result[chunk.name] = {"done": units, "failed": {str(c): why for c, why in failed.items()}}
        return result

    def unfinished(self, chunks: Sequence[slice], units: Sequence[str]) -> list[slice]:
        """Chunks that lack one of the units."""
        return [c for c in chunks if any(not (self._path(c) / f"done.{u}.npz").is_file() for u in units)]

    def replay(self, stage: StageLike, sink: Sink) -> None:
        """Hand all kept results of a stage to ``sink``: chunks in order, blocks in order; one block in memory."""
        for chunk, columns in self._chunks():
            for years, outputs in self._blocks(chunk, stage, columns):
                sink.write(stage, columns, years, outputs)

    def replay_states(self, stages: Sequence[StageLike], structure: PyTree, sink: Sink) -> None:
        """Hand all kept states to ``sink``, chunks in order."""
        for chunk, columns in self._chunks():
            for name in ("spinup", *(stage.name for stage in stages)):
                path = chunk / f"state.{name}.npz"
                if path.is_file():
                    leaves = [leaf for _, leaf in sorted(_load(path).items())]
                    sink.state(name, columns, jax.tree.unflatten(structure, leaves))

    def _chunks(self) -> Iterator[tuple[Anywhere, slice]]:
        for chunk in _listed(self.folder, "columns.*"):
            start, stop = (int(word) for word in chunk.name.split(".")[1:])
            yield chunk, slice(start, stop)

    def _blocks(self, chunk: Anywhere, stage: StageLike, columns: slice) -> Iterator[tuple[slice, Block]]:
        """Blocks of a stage in order, from the folder of a chunk or from the store of results."""
        if self.results is not None:
            yield from self.results.blocks(stage, columns)
            return
        for path in _listed(chunk, f"out.{stage.name}.[0-9]*.npz"):
            if path.name != f"out.{stage.name}.{path.name.split('.')[-2]}.npz":
                continue  # a stage whose name begins with this one's
            outputs: dict[str, dict[str, np.ndarray]] = {"monthly": {}, "annual": {}}
            arrays = _load(path)
            _, _, first, last = (int(v) for v in arrays.pop("slices"))
            for key, values in arrays.items():
                frequency, variable = _plain(key).split("/", 1)
                outputs[frequency][variable] = values
            yield slice(first, last), outputs

    @property
    def begun(self) -> bool:
        """Whether any unit is finished, by this process or another."""
        return any(self.folder.glob("columns.*/done.*.npz"))

    @contextlib.contextmanager
    def at_work(self, keep: bool, shared: bool) -> Iterator[None]:
        """While a run works: where it is stopped, everything is forgotten unless something is finished and is to ``keep``.

        ``shared``: nothing is forgotten, as other processes may be at work.
        """
        try:
            yield
        except BaseException:
            if not (shared or (keep and self.begun)):
                self.remove()
            raise

    def remove(self) -> None:
        """Forget everything: the files are written, or nothing is worth keeping.

        Renamed first, so that a kill leaves no half of it to go on from.
        """
        done = self.folder
        if isinstance(done, Path):
            done = self.folder.with_name(f"{FOLDER}-done")
            remove_tree(done)
            os.replace(self.folder, done)
        else:
            (done / "identity.json").unlink()
        remove_tree(done)

    # --- help ---------------------------------------------------------------------------------------------------------

    def _path(self, columns: slice) -> Anywhere:
        return self.folder / f"columns.{columns.start:09d}.{columns.stop:09d}"

    def _chunk(self, columns: slice) -> Anywhere:
        path = self._path(columns)
        if isinstance(path, Path):
            path.mkdir(exist_ok=True)
        return path


def _plain(key: str) -> str:
    return key.replace("\\", "/")


def _listed(folder: Anywhere, pattern: str) -> list[Anywhere]:
    return sorted(folder.glob(pattern), key=str)


def _load(path: Anywhere) -> dict[str, np.ndarray]:
    """What :func:`_save` wrote, read whole (an object store gives no archive bit by bit); ``InputError`` where it is damaged."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    # a flipped bit may name a way of compression that zipfile has not: NotImplementedError
    except (ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile) as error:
        raise _damaged(path, error) from None


def _read(path: Anywhere) -> dict:
    """A JSON file of this folder; raises ``InputError`` where it is damaged."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Anywhere, error: Exception) -> InputError:
    return InputError(f"{path}: unfinished work cannot be read ({error}); discard it with --force")


def _save(path: Anywhere, arrays: Mapping[str, np.ndarray]) -> None:
    file = io.BytesIO()
    np.savez(file, **{key: np.asarray(value) for key, value in arrays.items()})  # pyright: ignore[reportArgumentType]
    write_once(path, file.getvalue())
