"""Decodes the buffers of a document, and decompresses the data in them."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import SceneError
from ..limits import Limits, ask_time
from . import schema
from .draco import Place, draco_views, unpack_draco
from .materials import is_of_drake
from .meshopt_views import find_packed, unpack_views
from .repair import repair_draco
from .resources import Data, check_views, decode_more_buffers

__all__ = ["read_buffers", "read_more_views"]


def read_buffers(
    document: schema.Document,
    primitives: Iterable[Place],
    views: set[int],
    limits: Limits,
    binary: memoryview | None = None,
) -> list[Data]:
    """Decode the buffers that are used, and replace Draco and meshopt data with uncompressed data.

    Parameters
    ----------
    document : Document
        The document, which is changed in place. Afterwards, its accessors and views are uncompressed.
    primitives : iterable of (mesh, number, primitive)
        The primitives that are drawn.
    views : set of int
        The buffer views that accessors and images use.
    limits : Limits
    binary : memoryview, optional
        The binary chunk of a GLB.

    Raises
    ------
    SceneError
        A buffer is missing, or a stream cannot be decoded.
    TooLargeError
        The decoded data exceeds a limit.
    """
    primitives = list(primitives)
    streams = draco_views(document, primitives)
    is_merged = bool(streams) and is_of_drake(document.asset.generator)
    used = set(range(len(document.buffer_views))) if is_merged else views | streams
    buffers: list[Data] = [b""] * len(document.buffers)
    _open(document, buffers, used, limits, binary)
    if is_merged:
        repair_draco(document, buffers)
    unpack_draco(document, buffers, primitives, limits)
    return buffers


def read_more_views(
    document: schema.Document,
    buffers: list[Data],
    views: set[int],
    limits: Limits,
    binary: memoryview | None = None,
) -> set[int]:
    """Decode more buffer views after `read_buffers`, and return those that can be read.

    Parameters
    ----------
    document : Document
        The document, which is changed in place as by `read_buffers`. Its buffers still have their URIs.
    buffers : list of bytes-like
        The decoded buffers, which are changed in place.
    views : set of int
    limits : Limits
    binary : memoryview, optional
        The binary chunk of a GLB.

    Raises
    ------
    TooLargeError
        All data together exceeds a limit.
    """
    readable: set[int] = set()
    decoded = 0
    for view in sorted(views):
        ask_time()
        count = len(buffers)
        try:
            _open(document, buffers, {view}, limits, binary)
        except SceneError:
            continue
        readable.add(view)
        decoded += sum(map(len, buffers[count:]))
        limits.check_decoded(decoded)
    return readable


def _open(
    document: schema.Document, buffers: list[Data], views: set[int], limits: Limits, binary: memoryview | None
) -> None:
    """Decode the buffers of some views, and decompress those views that are compressed with meshopt."""
    packed = find_packed(document, views)
    raw = (views - packed.keys()) | {stream for stream, _ in packed.values()}
    check_views(document, raw, ())
    decode_more_buffers(document, buffers, raw, binary)
    unpack_views(document, buffers, packed, limits)
