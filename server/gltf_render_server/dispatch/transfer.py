"""A frame on its way to a worker: its asset, which is large and stays the same, travels only once.

So do the tables of what is known of each of the asset's surfaces. The worker keeps the last of these parts,
and the server keeps the same account of them for each process, so it knows what a process has. Where they
disagree, the worker says so and the server sends all of it.
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
_MOST_ASSETS = 256  # or tables; an asset has up to five

_Parts = list[tuple[bytes, bytes | None, bool]]
"""The parts of a frame, in order: key, pickled part (None = the process has it), and whether it is kept."""


class AssetMissingError(RenderError):
    """The process does not have a part that it was not sent."""


class RecentAssets(Recent[Any]):
    """The last assets and tables of a process; what the server keeps of them are their sizes."""

    def __init__(self) -> None:
        super().__init__(_MOST_ASSET_BYTES, _MOST_ASSETS)


def part_key(value: object) -> bytes | None:
    """Return what tells a part from all others; empty = it travels with each frame, None = it is no part."""
    return value.key if isinstance(value, Asset | Table) else None


class Packed:
    """A frame, pickled but for its parts.

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
        """Return what a process needs that was sent these parts, and note what it is sent now."""
        parts: _Parts = [(key, self._unless_sent(key, sent), True) for key in self._kept]
        return pickle.dumps((self._small, parts + self._once), pickle.HIGHEST_PROTOCOL)

    def _unless_sent(self, key: bytes, sent: RecentAssets) -> bytes | None:
        if sent.find(key) is not None:
            return None
        data = pickle.dumps(self._kept[key], pickle.HIGHEST_PROTOCOL)
        sent.keep(key, len(data), len(data))
        return data


def unpacked(message: bytes, kept: RecentAssets) -> Frame:
    """Return the frame of a message, with parts that came with it or are kept.

    Raises
    ------
    AssetMissingError
        The process has lost a part; it forgets all of them, as the server does then.
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
