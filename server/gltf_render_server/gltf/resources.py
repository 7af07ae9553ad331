"""Reads the binary data of a document, from a GLB or ``data:`` URIs, into arrays, with checks of its size."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable, Sequence

import numpy as np
import pybase64
from numpy.typing import NDArray

from ..errors import SceneError
from . import schema
from .extensions import BASISU, WEBP

__all__ = [
    "Data",
    "accessor_bytes",
    "accessor_dtype",
    "append_buffer",
    "append_view",
    "as_values",
    "check_views",
    "decode_buffers",
    "decode_more_buffers",
    "decode_uri",
    "image_place",
    "is_draco_view",
    "read_accessor",
    "read_image",
    "read_values",
    "texture_image",
    "view_data",
    "views_of_accessors",
]

_COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
# an accessor without a view is all zeros, so a client could ask for any size with a few bytes
_LARGEST_IMPLIED_BYTES = 64 * 2**20
# the most views that may read one byte; with interleaved vertices, each attribute may have its own view
_MOST_OVERLAP = 16
_FREE_OVERLAP = 16 * 2**20

Data = bytes | NDArray[np.uint8]
"""The data of a buffer. An array is a view of a larger file, which saves a copy."""

Numbers = NDArray[np.integer] | NDArray[np.float32]


def decode_buffers(
    document: schema.Document, views: Iterable[int], binary: memoryview | None = None
) -> list[Data]:
    """Decode each buffer that is used. The other buffers are empty.

    Parameters
    ----------
    document : Document
    views : iterable of int
        The buffer views that are used.
    binary : memoryview, optional
        The binary chunk of a GLB, which is the data of the first buffer.

    Raises
    ------
    SceneError
        A buffer's URI is not a ``data:`` URI and the buffer is not that chunk, or the data is shorter than
        stated.
    """
    decoded: list[Data] = [b""] * len(document.buffers)
    decode_more_buffers(document, decoded, views, binary)
    return decoded


def decode_more_buffers(
    document: schema.Document, buffers: list[Data], views: Iterable[int], binary: memoryview | None = None
) -> None:
    """Decode additional buffers that some views need. Buffers that were decoded before do not change.

    The parameters and errors are those of `decode_buffers`. The list of buffers is changed in place.
    """
    for index in sorted({document.buffer_views[view].buffer for view in views}):
        if len(buffers[index]):
            continue
        buffer, where = document.buffers[index], f"$.buffers[{index}]"
        if index == 0 and buffer.uri is None and binary is not None:
            data: Data = np.frombuffer(binary, np.uint8)
        else:
            data = decode_uri(buffer.uri, f"{where}.uri", may_be_text=True)
        if len(data) < buffer.byte_length:
            raise SceneError(
                f"holds {len(data)} bytes, fewer than its byteLength {buffer.byte_length}", where
            )
        buffers[index] = data


def views_of_accessors(document: schema.Document, accessors: Iterable[int]) -> set[int]:
    """Return the buffer views that accessors use."""
    views: set[int] = set()
    for index in accessors:
        accessor = document.accessors[index]
        if accessor.buffer_view is not None:
            views.add(accessor.buffer_view)
        if accessor.sparse is not None:
            views |= {accessor.sparse.indices.buffer_view, accessor.sparse.values.buffer_view}
    return views


def view_data(document: schema.Document, buffers: Sequence[Data], index: int) -> Data:
    """Return the bytes of a buffer view.

    Raises
    ------
    SceneError
        The view extends beyond the end of its buffer.
    """
    view = document.buffer_views[index]
    _check_view(document, index)
    return buffers[view.buffer][view.byte_offset : view.byte_offset + view.byte_length]


def append_buffer(document: schema.Document, buffers: list[Data], data: bytes) -> int:
    """Add a buffer to a document, and return its index."""
    document.buffers.append(schema.Buffer(len(data)))
    buffers.append(data)
    return len(buffers) - 1


def append_view(document: schema.Document, buffers: list[Data], data: bytes) -> int:
    """Add a buffer with one view of all its data to a document, and return the view's index."""
    document.buffer_views.append(schema.BufferView(append_buffer(document, buffers, data), len(data)))
    return len(document.buffer_views) - 1


def check_views(document: schema.Document, views: Iterable[int], accessors: Iterable[int]) -> None:
    """Check that buffer views lie inside their buffers, and accessors inside their views.

    The check reads no data. It ignores what no accessor and no view uses.

    Raises
    ------
    SceneError
        A view or accessor is out of range, or too many views read the same bytes.
    """
    total = 0
    for index in sorted(views):
        total += document.buffer_views[index].byte_length
        _check_view(document, index)
    used = {document.buffer_views[view].buffer for view in views}
    if total > _MOST_OVERLAP * sum(document.buffers[index].byte_length for index in used) + _FREE_OVERLAP:
        raise SceneError("share the same bytes too often", "$.bufferViews")
    implied = 0
    for index in sorted(accessors):
        accessor = document.accessors[index]
        where = f"$.accessors[{index}]"
        if accessor.component_type not in _COMPONENTS or accessor.type not in _WIDTHS:
            raise SceneError(f"there is no {accessor.type[:20]} of {accessor.component_type}", where)
        if accessor.buffer_view is None:
            implied += accessor.count * _item_bytes(accessor)
            if implied > _LARGEST_IMPLIED_BYTES:
                raise SceneError("too many elements without any data", where)
        else:
            _check_extent(document, accessor, where)
        if accessor.sparse is not None:
            _check_sparse(document, accessor, accessor.sparse, f"{where}.sparse")


def read_accessor(document: schema.Document, buffers: Sequence[Data], index: int) -> Numbers:
    """Read an accessor that has passed `check_views`.

    Returns
    -------
    (count, n) array
        The values in the accessor's component type. n is 1 for SCALAR, 3 for VEC3 and so on. The array is
        read-only if it is not a copy.
    """
    accessor = document.accessors[index]
    dtype, width = accessor_dtype(accessor)
    if accessor.buffer_view is None:
        array: Numbers = np.zeros((accessor.count, width), dtype)
    else:
        view = document.buffer_views[accessor.buffer_view]
        array = np.ndarray(
            (accessor.count, width),
            dtype,
            buffers[view.buffer],
            view.byte_offset + accessor.byte_offset,
            (view.byte_stride or _item_bytes(accessor), dtype.itemsize),
        )
    if accessor.sparse is not None:
        array = _with_sparse(document, buffers, array, accessor.sparse, f"$.accessors[{index}].sparse")
    return array


def read_values(document: schema.Document, buffers: Sequence[Data], index: int) -> Numbers:
    """Read an accessor like `read_accessor`, but convert normalized integers to floats."""
    return as_values(read_accessor(document, buffers, index), document.accessors[index])


def as_values(numbers: Numbers, accessor: schema.Accessor) -> Numbers:
    """Convert numbers of an accessor to values. Only normalized integers change."""
    if not accessor.normalized or numbers.dtype == np.float32:
        return numbers
    return np.maximum(numbers / np.float32(np.iinfo(numbers.dtype.name).max), np.float32(-1))


def is_draco_view(document: schema.Document, buffers: Sequence[Data], index: int) -> bool:
    """Return whether a buffer view contains a Draco stream."""
    view = document.buffer_views[index]
    return bytes(buffers[view.buffer][view.byte_offset :][:5]) == b"DRACO"


def read_image(document: schema.Document, buffers: Sequence[Data], index: int) -> bytes:
    """Return the file of an embedded image.

    Raises
    ------
    SceneError
        The image is not embedded in the document.
    """
    image, where = document.images[index], f"$.images[{index}]"
    if image.uri is not None:
        return decode_uri(image.uri, f"{where}.uri")
    if image.buffer_view is None:
        raise SceneError("has neither uri nor bufferView", where)
    view = document.buffer_views[image.buffer_view]
    return bytes(buffers[view.buffer][view.byte_offset : view.byte_offset + view.byte_length])


def texture_image(document: schema.Document, index: int) -> int:
    """Return the image of a texture: its core source, or else its WebP source.

    Raises
    ------
    SceneError
        The texture has no image.
    """
    texture = document.textures[index]
    webp = (texture.extensions or {}).get(WEBP)
    if texture.source is not None:
        return texture.source
    if webp is None:
        raise SceneError(
            f"its only image needs {BASISU}, which the server cannot read; add a PNG or JPEG source",
            f"$.textures[{index}]",
        )
    return webp["source"]


def image_place(document: schema.Document, index: int) -> tuple[object, int]:
    """Return the location of an embedded image, which is equal for images that share data, and its length.

    Raises
    ------
    SceneError
        The image has no location, or two.
    """
    image, where = document.images[index], f"$.images[{index}]"
    if image.uri is not None and image.buffer_view is not None:
        raise SceneError("has both uri and bufferView", where)
    if image.uri is not None:
        return image.uri, len(image.uri) * 3 // 4
    if image.buffer_view is None:
        raise SceneError("has neither uri nor bufferView", where)
    return image.buffer_view, document.buffer_views[image.buffer_view].byte_length


def decode_uri(uri: str | None, where: str, *, may_be_text: bool = False) -> bytes:
    """Decode a ``data:`` URI.

    Parameters
    ----------
    uri : str or None
    where : str
        The location of the URI in the document.
    may_be_text : bool
        Whether a URI without base64 encoding is accepted, too, and ``;BASE64`` in capitals.

    Raises
    ------
    SceneError
        The URI is missing, or is not a valid ``data:`` URI.
    """
    if uri is None:
        raise SceneError("is missing; only data: URIs are accepted", where)
    # This must match Blender's importer exactly, because the importer takes any other URI for a file path.
    # Only buffers may be written in other ways, because these are rewritten for the importer.
    head, comma, text = uri.partition(",")
    if not head.startswith("data:") or not comma:
        raise SceneError("only data: URIs are accepted, no files or addresses", where)
    head = head.lower() if may_be_text else head
    if not head.endswith(";base64"):
        if may_be_text:
            return urllib.parse.unquote_to_bytes(text)
        raise SceneError("only data: URIs in base64 are accepted", where)
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        raise SceneError("is not valid base64", where) from None


def accessor_dtype(accessor: schema.Accessor) -> tuple[np.dtype, int]:
    """Return the component type of an accessor, and the number of components of an element.

    Raises
    ------
    SceneError
        The type does not exist.
    """
    if accessor.component_type not in _COMPONENTS or accessor.type not in _WIDTHS:
        raise SceneError(f"there is no {accessor.type[:20]} of {accessor.component_type}", "$.accessors")
    return np.dtype(_COMPONENTS[accessor.component_type]), _WIDTHS[accessor.type]


def accessor_bytes(accessor: schema.Accessor) -> int:
    """Return the size of an accessor's elements, in bytes."""
    return accessor.count * _item_bytes(accessor)


def _item_bytes(accessor: schema.Accessor) -> int:
    dtype, width = accessor_dtype(accessor)
    return dtype.itemsize * width


def _check_view(document: schema.Document, index: int) -> None:
    view = document.buffer_views[index]
    if view.byte_offset + view.byte_length > document.buffers[view.buffer].byte_length:
        raise SceneError("reaches beyond the end of its buffer", f"$.bufferViews[{index}]")


def _check_extent(document: schema.Document, accessor: schema.Accessor, where: str) -> None:
    view = document.buffer_views[accessor.buffer_view or 0]
    item = _item_bytes(accessor)
    stride = view.byte_stride or item
    if stride < item:
        raise SceneError(f"its elements of {item} bytes are longer than the stride {stride}", where)
    if stride % accessor_dtype(accessor)[0].itemsize:
        raise SceneError(f"the stride {stride} is no multiple of the size of its components", where)
    if accessor.byte_offset + stride * (accessor.count - 1) + item > view.byte_length:
        raise SceneError(f"its {accessor.count} elements reach beyond the end of its buffer view", where)


def _check_sparse(
    document: schema.Document, accessor: schema.Accessor, sparse: schema.Sparse, where: str
) -> None:
    if sparse.count > accessor.count:
        raise SceneError(f"replaces {sparse.count} of {accessor.count} elements", where)
    index_bytes = np.dtype(_COMPONENTS[sparse.indices.component_type]).itemsize
    for name, part, item in (
        ("indices", sparse.indices, index_bytes),
        ("values", sparse.values, _item_bytes(accessor)),
    ):
        view = document.buffer_views[part.buffer_view]
        if part.byte_offset + sparse.count * item > view.byte_length:
            raise SceneError("reaches beyond the end of its buffer view", f"{where}.{name}")


def _with_sparse(
    document: schema.Document,
    buffers: Sequence[Data],
    array: Numbers,
    sparse: schema.Sparse,
    where: str,
) -> Numbers:
    def read(part: schema.SparseIndices | schema.SparseValues, dtype: np.dtype, width: int) -> NDArray:
        view = document.buffer_views[part.buffer_view]
        offset = view.byte_offset + part.byte_offset
        return np.ndarray((sparse.count, width), dtype, buffers[view.buffer], offset)

    positions = read(sparse.indices, np.dtype(_COMPONENTS[sparse.indices.component_type]), 1)[:, 0]
    if positions.max() >= len(array):
        raise SceneError("an index is beyond the last element", f"{where}.indices")
    replaced = array.copy()
    replaced[positions] = read(sparse.values, array.dtype, array.shape[1])
    return replaced
