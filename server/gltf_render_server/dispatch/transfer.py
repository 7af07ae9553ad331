"""A frame on its way to a worker: an asset, which is large and stays the same, travels only once.

The worker keeps the last assets, and the server keeps the same account of them for each process, so it knows
what a process has. Where they disagree, the worker says so and the server sends all of it.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from typing import Any

from ..errors import RenderError
from ..frame import Frame
from ..gltf import Asset
from ..recent import Recent

__all__ = ["AssetMissingError", "Packed", "RecentAssets", "unpacked"]

_MOST_ASSET_BYTES = 256 * 2**20
_MOST_ASSETS = 64

_Parts = list[tuple[bytes, bytes | None]]
"""The assets of a frame, in order: key and pickled asset; None = the process has it."""


class AssetMissingError(RenderError):
    """The process does not have an asset that it was not sent."""


class RecentAssets(Recent[Any]):
    """The last assets of a process; what the server keeps of them are their sizes."""

    def __init__(self) -> None:
        super().__init__(_MOST_ASSET_BYTES, _MOST_ASSETS)


def asset_key(value: object) -> bytes | None:
    """Return what tells an asset from all others; None = it is no asset, and travels with each frame."""
    return (value.key or None) if isinstance(value, Asset) else None


class Packed:
    """A frame, pickled but for its assets.

    Parameters
    ----------
    frame : Frame
    """

    def __init__(self, frame: Frame) -> None:
        file = io.BytesIO()
        packer = _Packer(file)
        packer.dump(frame)
        self._small = file.getvalue()
        self._assets = packer.assets

    def message(self, sent: RecentAssets) -> bytes:
        """Return what a process needs that was sent these assets, and note what it is sent now."""
        parts: _Parts = [(key, self._unless_sent(key, sent)) for key in self._assets]
        return pickle.dumps((self._small, parts), pickle.HIGHEST_PROTOCOL)

    def _unless_sent(self, key: bytes, sent: RecentAssets) -> bytes | None:
        if sent.find(key) is not None:
            return None
        data = pickle.dumps(self._assets[key], pickle.HIGHEST_PROTOCOL)
        sent.keep(key, len(data), len(data))
        return data


def unpacked(message: bytes, kept: RecentAssets) -> Frame:
    """Return the frame of a message, with assets that came with it or are kept.

    Raises
    ------
    AssetMissingError
        The process has lost an asset; it forgets all of them, as the server does then.
    """
    small, parts = pickle.loads(message)  # noqa: S301  the server's own
    assets = {key: _asset(key, data, kept) for key, data in parts}
    return _Unpacker(io.BytesIO(small), assets).load()


def _asset(key: bytes, data: bytes | None, kept: RecentAssets) -> object:
    if data is not None:
        return kept.keep(key, pickle.loads(data), len(data))  # noqa: S301  the server's own
    if (asset := kept.find(key)) is None:
        kept.clear()
        raise AssetMissingError("a worker lacks an asset of the scene")
    return asset


class _Packer(pickle.Pickler):
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.assets: dict[bytes, object] = {}

    def persistent_id(self, obj: object) -> bytes | None:
        key = asset_key(obj)
        if key is not None:
            self.assets[key] = obj
        return key


class _Unpacker(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, assets: Mapping[bytes, object]) -> None:
        super().__init__(file)
        self._assets = assets

    def persistent_load(self, pid: bytes) -> object:
        return self._assets[pid]
