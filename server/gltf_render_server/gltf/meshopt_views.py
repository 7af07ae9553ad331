"""EXT_meshopt_compression and KHR_meshopt_compression: compressed buffer views become plain ones.

A buffer that is only the fallback of compressed views is never read; nor need it have any data.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

import meshopt
import msgspec
from msgspec import Meta

from ..errors import SceneError
from ..limits import Limits, ask_time
from . import schema
from .decoding import schema_error
from .extensions import EXT_MESHOPT, KHR_MESHOPT
from .resources import Data, append_buffer, view_data

__all__ = ["Packed", "find_packed", "unpack_views"]

_LARGEST_STRIDE = 256


class Packed(msgspec.Struct, rename="camel"):
    """How a buffer view is compressed.

    Source: the specification of EXT_meshopt_compression; KHR_meshopt_compression adds a filter and a version
    of the codec, which streams tell by themselves.
    """

    buffer: Annotated[int, Meta(ge=0)]
    byte_length: Annotated[int, Meta(ge=1)]
    byte_stride: Annotated[int, Meta(ge=2, le=_LARGEST_STRIDE)]
    count: Annotated[int, Meta(ge=1)]
    mode: Literal["ATTRIBUTES", "TRIANGLES", "INDICES"]
    byte_offset: Annotated[int, Meta(ge=0)] = 0
    filter: Literal["NONE", "OCTAHEDRAL", "QUATERNION", "EXPONENTIAL", "COLOR"] = "NONE"


msgspec.json.Decoder(Packed)  # see `decoding`


def find_packed(document: schema.Document, views: Iterable[int]) -> dict[int, tuple[int, Packed]]:
    """Find which of some buffer views are compressed.

    Returns
    -------
    dict of int to (int, Packed)
        For each, a view of its stream, which is added to the document.

    Raises
    ------
    SceneError
        The extension is broken.
    """
    found: dict[int, tuple[int, Packed]] = {}
    for index in sorted(views):
        packed = _read(document, index)
        if packed is not None:
            found[index] = len(document.buffer_views), packed
            document.buffer_views.append(
                schema.BufferView(packed.buffer, packed.byte_length, packed.byte_offset)
            )
    return found


def unpack_views(
    document: schema.Document,
    buffers: list[Data],
    packed: dict[int, tuple[int, Packed]],
    limits: Limits,
) -> None:
    """Decode compressed views, and point them at what comes out.

    Parameters
    ----------
    document : Document
        Changed in place.
    buffers : list of bytes-like
        The document's; those of the streams must be there. What comes out is appended.
    packed : dict
        From `find_packed`.
    limits : Limits

    Raises
    ------
    SceneError
        A stream cannot be decoded.
    TooLargeError
        It is above a limit.
    """
    limits.check_decoded(sum(item.count * item.byte_stride for _, item in packed.values()))
    for index, (stream, item) in packed.items():
        ask_time()
        data = _decode(view_data(document, buffers, stream), item, f"$.bufferViews[{index}]")
        view = document.buffer_views[index]
        view.buffer, view.byte_offset, view.extensions = append_buffer(document, buffers, data), 0, None


def _read(document: schema.Document, index: int) -> Packed | None:
    view = document.buffer_views[index]
    extensions = view.extensions or {}
    name = KHR_MESHOPT if extensions.get(KHR_MESHOPT) is not None else EXT_MESHOPT
    if extensions.get(name) is None:
        return None
    where = f"$.bufferViews[{index}].extensions.{name}"
    try:
        packed = msgspec.convert(extensions[name], Packed)
    except msgspec.ValidationError as error:
        raise schema_error(error, where) from None
    if packed.buffer >= len(document.buffers):
        raise SceneError(f"there is no buffer {packed.buffer}", f"{where}.buffer")
    if packed.count * packed.byte_stride != view.byte_length:
        said = f"{packed.count} times {packed.byte_stride} bytes"
        raise SceneError(f"are {said}, its buffer view is {view.byte_length} bytes", where)
    return packed


def _decode(stream: Data, packed: Packed, where: str) -> bytes:
    kind = None if packed.filter == "NONE" else packed.filter
    if kind is not None and packed.mode != "ATTRIBUTES":
        raise SceneError(f"{packed.mode} take no filter", where)
    try:
        decoded = meshopt.decode_gltf_buffer(
            bytes(stream), packed.count, packed.byte_stride, packed.mode, kind
        )
    except ValueError as error:
        raise SceneError(f"its meshopt stream cannot be decoded: {str(error)[:100]}", where) from None
    return decoded.tobytes()
