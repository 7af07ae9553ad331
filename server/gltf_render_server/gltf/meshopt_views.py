"""EXT_meshopt_compression and KHR_meshopt_compression: decompresses buffer views.

A buffer that is only the fallback of compressed views is never read, and need not have any data.
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
    """The compression parameters of a buffer view.

    Source: the specification of EXT_meshopt_compression. KHR_meshopt_compression adds a filter and a codec
    version, which is stored in the streams themselves.
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
    """Find the compressed ones among some buffer views.

    Returns
    -------
    dict of int to (int, Packed)
        For each compressed view, a new view of its stream, which is added to the document, and its
        parameters.

    Raises
    ------
    SceneError
        The extension's data is invalid.
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
    """Decompress compressed views, and redirect them to the decompressed data.

    Parameters
    ----------
    document : Document
        The document, which is changed in place.
    buffers : list of bytes-like
        The buffers of the document, with those of the streams decoded. The decompressed data is appended.
    packed : dict
        The result of `find_packed`.
    limits : Limits

    Raises
    ------
    SceneError
        A stream cannot be decoded.
    TooLargeError
        The decompressed data exceeds a limit.
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
