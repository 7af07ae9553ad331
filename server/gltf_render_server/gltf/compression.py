"""The buffers of a document, decoded, and what is compressed in them, unpacked."""

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
    """Decode the buffers that are used, and unpack Draco and meshopt, as if they never were.

    Parameters
    ----------
    document : Document
        Changed in place: afterwards its accessors and views are plain.
    primitives : iterable of (mesh, number, primitive)
        Those that are drawn.
    views : set of int
        The buffer views that accessors and images read.
    limits : Limits
    binary : memoryview, optional
        The binary chunk of a GLB.

    Raises
    ------
    SceneError
        A buffer is not there, or a stream cannot be decoded.
    TooLargeError
        It is above a limit.
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
    """Decode what more buffer views need, after `read_buffers`, and return those of them that can be read.

    Parameters
    ----------
    document : Document
        Changed in place, as by `read_buffers`; its buffers still have their text.
    buffers : list of bytes-like
        Changed in place.
    views : set of int
    limits : Limits
    binary : memoryview, optional
        The binary chunk of a GLB.

    Raises
    ------
    TooLargeError
        Together they are above a limit.
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
    """Decode the buffers that some views need, and unpack those views that are compressed with meshopt."""
    packed = find_packed(document, views)
    raw = (views - packed.keys()) | {stream for stream, _ in packed.values()}
    check_views(document, raw, ())
    decode_more_buffers(document, buffers, raw, binary)
    unpack_views(document, buffers, packed, limits)
