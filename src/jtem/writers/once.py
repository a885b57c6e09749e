"""A Zarr store in which a chunk is written once: the second process that comes with the same chunk leaves it as it is."""

from __future__ import annotations

from zarr.abc.store import Store
from zarr.core.buffer import Buffer
from zarr.storage import WrapperStore


class WriteOnce(WrapperStore[Store]):
    """Another store, whose values never change. Chunks of a run may come twice (a worker that was cut off), always the same."""

    async def set(self, key: str, value: Buffer) -> None:
        """Store a value unless there is one."""
        try:
            await self._store.set_if_not_exists(key, value)
        except OSError:  # a file system without links
            await self._store.set(key, value)
