"""The buffers of a document, decoded, and what is compressed in them, unpacked."""

from __future__ import annotations

from collections.abc import Iterable

from ..limits import Limits
from . import schema
from .draco import Place, draco_views, unpack_draco
from .materials import is_of_drake
from .meshopt_views import find_packed, unpack_views
from .repair import repair_draco
from .resources import Data, check_views, decode_buffers

__all__ = ["read_buffers"]


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
    packed = find_packed(document, used)
    raw = (used - packed.keys()) | {stream for stream, _ in packed.values()}
    check_views(document, raw, ())
    buffers = decode_buffers(document, raw, binary)
    unpack_views(document, buffers, packed, limits)
    if is_merged:
        repair_draco(document, buffers)
    unpack_draco(document, buffers, primitives, limits)
    return buffers
