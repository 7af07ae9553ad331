"""Sends frames to workers. The asset, which is large and rarely changes, is sent only once.

The same applies to the tables of the asset's surfaces. The worker caches the most recent of these parts, and
the server simulates that cache for each process, so it knows which parts a process has. If they disagree, the
worker reports that and the server sends all parts.
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
from ..scene import Table

__all__ = ["AssetMissingError", "Packed", "RecentAssets", "unpacked"]

_MOST_ASSET_BYTES = 256 * 2**20
_MOST_ASSETS = 256  # assets and tables; an asset has up to five tables

_Parts = list[tuple[bytes, bytes | None, bool]]
"""The parts of a frame, in order: the key, the pickled part (None = the process has it), and whether it is
cached.
"""


class AssetMissingError(RenderError):
    """The process does not have a part that the server left out."""


class RecentAssets(Recent[Any]):
    """The cache of recent assets and tables of a process. The server's copy stores only their sizes."""

    def __init__(self) -> None:
        super().__init__(_MOST_ASSET_BYTES, _MOST_ASSETS)


def part_key(value: object) -> bytes | None:
    """Return the key of a part.

    An empty key means that it is sent with each frame, None that it is not a part.
    """
    return value.key if isinstance(value, Asset | Table) else None


class Packed:
    """A pickled frame, with its parts pickled separately.

    Parameters
    ----------
    frame : Frame
    """

    def __init__(self, frame: Frame) -> None:
        file = io.BytesIO()
        packer = _Packer(file)
        packer.dump(frame)
        self._small = file.getvalue()
        self._kept = packer.kept
        self._once: _Parts = [
            (key, pickle.dumps(part, pickle.HIGHEST_PROTOCOL), False) for key, part in packer.once.values()
        ]

    def message(self, sent: RecentAssets) -> bytes:
        """Return the message for a process that has the `sent` parts, and add the new ones to these."""
        parts: _Parts = [(key, self._unless_sent(key, sent), True) for key in self._kept]
        return pickle.dumps((self._small, parts + self._once), pickle.HIGHEST_PROTOCOL)

    def _unless_sent(self, key: bytes, sent: RecentAssets) -> bytes | None:
        if sent.find(key) is not None:
            return None
        data = pickle.dumps(self._kept[key], pickle.HIGHEST_PROTOCOL)
        sent.keep(key, len(data), len(data))
        return data


def unpacked(message: bytes, kept: RecentAssets) -> Frame:
    """Unpickle the frame of a message, with the parts that it contains or that are cached.

    Raises
    ------
    AssetMissingError
        The process has lost a part. It then clears its cache, and so does the server.
    """
    small, parts = pickle.loads(message)  # noqa: S301  the server's own
    found = {key: _part(key, data, kept, is_kept=is_kept) for key, data, is_kept in parts}
    return _Unpacker(io.BytesIO(small), found).load()


def _part(key: bytes, data: bytes | None, kept: RecentAssets, *, is_kept: bool) -> object:
    if data is not None:
        part = pickle.loads(data)  # noqa: S301  the server's own
        return kept.keep(key, part, len(data)) if is_kept else part
    if (part := kept.find(key)) is None:
        kept.clear()
        raise AssetMissingError("the render worker does not have a part of the scene that was not sent again")
    return part


class _Packer(pickle.Pickler):
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.kept: dict[bytes, object] = {}
        self.once: dict[int, tuple[bytes, object]] = {}

    def persistent_id(self, obj: object) -> bytes | None:
        key = part_key(obj)
        if key:
            self.kept[key] = obj
        elif key is not None:
            key, _ = self.once.setdefault(id(obj), (b"%d" % len(self.once), obj))
        return key


class _Unpacker(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, parts: Mapping[bytes, object]) -> None:
        super().__init__(file)
        self._parts = parts

    def persistent_load(self, pid: bytes) -> object:
        return self._parts[pid]
