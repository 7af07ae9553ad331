"""The binary data of a document: ``data:`` URIs -> bytes -> arrays, checked against what they claim."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pybase64
from numpy.typing import NDArray
from PIL import (
    Image,
    JpegImagePlugin,  # noqa: F401  these three are else loaded with the first image
    PngImagePlugin,  # noqa: F401
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401
)

from ..errors import SceneError
from . import schema
from .extensions import WEBP

__all__ = [
    "check_images",
    "check_views",
    "decode_buffers",
    "is_draco_view",
    "read_accessor",
    "read_image",
    "read_values",
]

_COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_LARGEST_IMPLIED_BYTES = 64 * 2**20  # an accessor without a view is all zeros, at no cost to who sends it
_LARGEST_IMAGES_PX = 2**30  # all together: many images may share one view; Pillow bounds each
_KTX2 = b"\xabKTX 20\xbb"
_ENDS = {"PNG": b"IEND", "JPEG": b"\xff\xd9", "MPO": b"\xff\xd9"}

Numbers = NDArray[np.integer] | NDArray[np.float32]


def decode_buffers(buffers: Sequence[schema.Buffer]) -> tuple[bytes, ...]:
    """Decode every buffer.

    Raises
    ------
    SceneError
        A buffer refers to anything but a base64 ``data:`` URI, or is shorter than it says.
    """
    decoded = []
    for index, buffer in enumerate(buffers):
        where = f"$.buffers[{index}]"
        data = _decode_uri(buffer.uri, f"{where}.uri")
        if len(data) < buffer.byte_length:
            raise SceneError(
                f"holds {len(data)} bytes, fewer than its byteLength {buffer.byte_length}", where
            )
        decoded.append(data)
    return tuple(decoded)


def check_views(document: schema.Document) -> None:
    """Check that buffer views lie inside their buffers, and accessors inside their views.

    Raises
    ------
    SceneError
        One does not.
    """
    for index, view in enumerate(document.buffer_views):
        if view.byte_offset + view.byte_length > document.buffers[view.buffer].byte_length:
            raise SceneError("reaches beyond the end of its buffer", f"$.bufferViews[{index}]")
    implied = 0
    for index, accessor in enumerate(document.accessors):
        if accessor.buffer_view is None:
            implied += accessor.count * _item_bytes(accessor)
            if implied > _LARGEST_IMPLIED_BYTES:
                raise SceneError("too many elements without any data", f"$.accessors[{index}]")
        else:
            _check_extent(document, accessor, f"$.accessors[{index}]")
        if accessor.sparse is not None:
            _check_sparse(document, accessor, accessor.sparse, f"$.accessors[{index}].sparse")


def read_accessor(document: schema.Document, buffers: Sequence[bytes], index: int) -> Numbers:
    """Read an accessor that `check_views` has passed.

    Returns
    -------
    (count, n) array
        Of the accessor's component type; n is 1 for SCALAR, 3 for VEC3 and so on. Read-only where it can be.
    """
    accessor = document.accessors[index]
    dtype, width = np.dtype(_COMPONENTS[accessor.component_type]), _WIDTHS[accessor.type]
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


def read_values(document: schema.Document, buffers: Sequence[bytes], index: int) -> Numbers:
    """Read an accessor as `read_accessor`, but normalized integers as the floats that they stand for."""
    values = read_accessor(document, buffers, index)
    if not document.accessors[index].normalized or values.dtype == np.float32:
        return values
    return np.maximum(values / np.float32(np.iinfo(values.dtype.name).max), np.float32(-1))


def is_draco_view(document: schema.Document, buffers: Sequence[bytes], index: int) -> bool:
    """Whether a buffer view holds a Draco stream."""
    view = document.buffer_views[index]
    return buffers[view.buffer].startswith(b"DRACO", view.byte_offset)


def check_images(document: schema.Document, buffers: Sequence[bytes]) -> None:
    """Check that every image is a whole PNG, JPEG or WebP of a reasonable size; their headers tell.

    KTX2 images are passed where no texture shows them: the importer is never given one.

    Raises
    ------
    SceneError
        An image is none, is cut short or too large, or refers to anything but a ``data:`` URI.
    """
    shown = _shown_images(document)
    pixels = 0
    for index, image in enumerate(document.images):
        where = f"$.images[{index}]"
        if image.uri is not None and image.buffer_view is not None:
            raise SceneError("has both uri and bufferView", where)
        data = read_image(document, buffers, index)
        if index in shown or not data.startswith(_KTX2):
            pixels += _image_pixels(data, where)
        if pixels > _LARGEST_IMAGES_PX:
            raise SceneError(f"the images have more than {_LARGEST_IMAGES_PX} pixels together", where)


def read_image(document: schema.Document, buffers: Sequence[bytes], index: int) -> bytes:
    """Return an image as it is embedded, a file of its format.

    Raises
    ------
    SceneError
        It is nowhere in the document.
    """
    image, where = document.images[index], f"$.images[{index}]"
    if image.uri is not None:
        return _decode_uri(image.uri, f"{where}.uri")
    if image.buffer_view is None:
        raise SceneError("has neither uri nor bufferView", where)
    view = document.buffer_views[image.buffer_view]
    return buffers[view.buffer][view.byte_offset : view.byte_offset + view.byte_length]


def _shown_images(document: schema.Document) -> set[int | None]:
    """Return the images that the importer is given, by what textures say."""
    shown: set[int | None] = {texture.source for texture in document.textures}
    for texture in document.textures:
        if webp := (texture.extensions or {}).get(WEBP):
            shown.add(webp["source"])
    return shown


def _decode_uri(uri: str | None, where: str) -> bytes:
    if uri is None:
        raise SceneError("is missing; only data: URIs are accepted", where)
    # to the letter as Blender's importer reads it: what it does not take for data, it takes for a path
    head, comma, text = uri.partition(",")
    if not head.startswith("data:") or not comma:
        raise SceneError("only data: URIs are accepted, no files or addresses", where)
    if not head.endswith(";base64"):
        raise SceneError("only data: URIs in base64 are accepted", where)
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        raise SceneError("is not valid base64", where) from None


def _item_bytes(accessor: schema.Accessor) -> int:
    return np.dtype(_COMPONENTS[accessor.component_type]).itemsize * _WIDTHS[accessor.type]


def _check_extent(document: schema.Document, accessor: schema.Accessor, where: str) -> None:
    view = document.buffer_views[accessor.buffer_view or 0]
    item = _item_bytes(accessor)
    stride = view.byte_stride or item
    if stride < item:
        raise SceneError(f"its elements of {item} bytes are longer than the stride {stride}", where)
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
    buffers: Sequence[bytes],
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


def _image_pixels(data: bytes, where: str) -> int:
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as image:
            width, height = image.size
            file_format = image.format or ""
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise SceneError("has more pixels than can be meant", where) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        raise SceneError("is no PNG, JPEG or WebP image", where) from None
    if data.rfind(_ENDS.get(file_format, b"")) < 0:
        raise SceneError(f"this {file_format} image is cut short", where)
    return width * height
