"""KHR_draco_mesh_compression: replaces the compressed streams with uncompressed accessors.

Streams are decoded in another process (`draco_process`), because a stream of a few bytes can make the library
allocate any amount of memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Annotated, Any

import msgspec
import numpy as np
from blake3 import blake3
from msgspec import Meta
from numpy.typing import NDArray

from ..errors import SceneError
from ..limits import Limits, ask_time
from ..recent import Recent
from . import schema
from .decoding import schema_error
from .draco_process import Attribute, Decoded, Stream, decode_streams
from .extensions import DRACO
from .resources import Data, accessor_bytes, accessor_dtype, append_view, view_data

__all__ = ["draco_views", "is_draco", "unpack_draco"]

_TRIANGLES, _STRIP = 4, 5
_UNSIGNED_INT = 5125
# the most bytes of a component and of an index in a stream, whatever the accessor's type
_WIDEST, _INDEX = 8, 4
_SLACK_BYTES = 2**20  # allows slightly wrong streams to be decoded, so that the error message can be specific
_MOST_KEPT_BYTES = 256 * 2**20

Place = tuple[int, int, schema.Primitive]
"""The index of a mesh, the number of a primitive in it, and the primitive."""

_Key = tuple[bytes, tuple[int, ...]]
"""The digest of a stream, and the ids of the attributes that are read from it."""


class _Extension(msgspec.Struct, rename="camel"):
    buffer_view: Annotated[int, Meta(ge=0)]
    attributes: dict[str, Annotated[int, Meta(ge=0)]]


@dataclass(frozen=True)
class _Task:
    """The stream of a primitive, and its location in the document."""

    primitive: schema.Primitive
    extension: _Extension
    data: Data
    most_bytes: int
    where: str

    @property
    def key(self) -> _Key:
        return blake3(self.data).digest(), tuple(sorted(self.extension.attributes.values()))


def is_draco(document: schema.Document, primitive: schema.Primitive) -> bool:
    """Return whether a primitive must be decoded. An optional stream has uncompressed data beside it."""
    is_plain = document.accessors[primitive.attributes["POSITION"]].buffer_view is not None
    return not is_plain and DRACO in (primitive.extensions or {})


def draco_views(document: schema.Document, primitives: Iterable[Place]) -> set[int]:
    """Return the buffer views with the streams of the primitives that must be decoded.

    Raises
    ------
    SceneError
        The extension's data is invalid.
    """
    return {
        _read_extension(document, place).buffer_view for place in primitives if is_draco(document, place[2])
    }


def unpack_draco(
    document: schema.Document, buffers: list[Data], primitives: Iterable[Place], limits: Limits
) -> None:
    """Decode the streams of primitives, and replace them with uncompressed accessors.

    Parameters
    ----------
    document : Document
        The document, which is changed in place. Its indices must have been checked.
    buffers : list of bytes-like
        The buffers of the document. The decoded data is appended.
    primitives : iterable of (mesh, number, primitive)
        The primitives that are drawn.
    limits : Limits
        The limits, checked against the sizes that the accessors give before anything is decoded.

    Raises
    ------
    SceneError
        A stream cannot be decoded, or its content does not match the accessors.
    TooLargeError
        The decoded data exceeds a limit.
    UnavailableError
        No stream can be decoded at the moment, whatever its content.
    """
    tasks = [_task(document, buffers, place) for place in primitives if is_draco(document, place[2])]
    limits.check_decoded(sum(_expected_bytes(document, task) for task in tasks))
    for task, decoded in zip(tasks, _decode(tasks), strict=True):
        ask_time()
        _replace_indices(document, buffers, task, decoded)
        for name, id_ in task.extension.attributes.items():
            _replace_attribute(document, buffers, task, name, decoded.attributes.get(id_))
        (task.primitive.extensions or {}).pop(DRACO)


def _read_extension(document: schema.Document, place: Place) -> _Extension:
    mesh, number, primitive = place
    where = f"$.meshes[{mesh}].primitives[{number}].extensions.{DRACO}"
    try:
        extension = msgspec.convert((primitive.extensions or {})[DRACO], _Extension)
    except msgspec.ValidationError as error:
        raise schema_error(error, where) from None
    if extension.buffer_view >= len(document.buffer_views):
        raise SceneError(f"there is no buffer view {extension.buffer_view}", f"{where}.bufferView")
    names = extension.attributes.keys()
    if "POSITION" not in names or not names <= primitive.attributes.keys():
        raise SceneError("must name positions, and only attributes of the primitive", f"{where}.attributes")
    for name in [name for name in names if name.startswith("_")]:
        del extension.attributes[name]  # an application-specific attribute, which is never read
    return extension


def _task(document: schema.Document, buffers: Sequence[Data], place: Place) -> _Task:
    mesh, number, primitive = place
    where = f"$.meshes[{mesh}].primitives[{number}]"
    if primitive.mode not in (_TRIANGLES, _STRIP) or primitive.indices is None:
        raise SceneError(f"{DRACO} is for triangles or a strip, with indices", where)
    extension = _read_extension(document, place)
    data = view_data(document, buffers, extension.buffer_view)
    return _Task(primitive, extension, data, _most_bytes(document, primitive, extension), where)


def _expected_bytes(document: schema.Document, task: _Task) -> int:
    accessors = [document.accessors[task.primitive.attributes[name]] for name in task.extension.attributes]
    accessors.append(document.accessors[task.primitive.indices or 0])
    return sum(accessor_bytes(accessor) for accessor in accessors)


def _most_bytes(document: schema.Document, primitive: schema.Primitive, extension: _Extension) -> int:
    """Return the size of a stream's content according to the accessors, plus some slack."""
    accessors = [document.accessors[primitive.attributes[name]] for name in extension.attributes]
    numbers = sum(accessor.count * accessor_dtype(accessor)[1] for accessor in accessors)
    corners = document.accessors[primitive.indices or 0].count * (3 if primitive.mode == _STRIP else 1)
    return _SLACK_BYTES + _WIDEST * numbers + _INDEX * corners


def _replace_indices(document: schema.Document, buffers: list[Data], task: _Task, decoded: Decoded) -> None:
    """Set the indices of a primitive. A decoded stream always has separate triangles, never strips."""
    primitive, count = task.primitive, len(decoded.indices) // 4
    said = document.accessors[primitive.indices or 0].count
    fits = count == said if primitive.mode == _TRIANGLES else 3 <= count <= 3 * (said - 2)
    if not fits:
        raise SceneError(f"its Draco stream has {count} indices, its accessor {said}", task.where)
    view = append_view(document, buffers, decoded.indices)
    primitive.indices, primitive.mode = len(document.accessors), _TRIANGLES
    document.accessors.append(schema.Accessor(_UNSIGNED_INT, count, "SCALAR", view))


def _replace_attribute(
    document: schema.Document, buffers: list[Data], task: _Task, name: str, found: Attribute | None
) -> None:
    accessor = document.accessors[task.primitive.attributes[name]]
    where = f"{task.where}.attributes.{name[:40]}"
    if found is None:
        raise SceneError("is not in the Draco stream", where)
    values, (dtype, width) = found.values(), accessor_dtype(accessor)
    if values.shape != (accessor.count, width):
        there, said = f"{len(values)} of {found.width}", f"{accessor.count} of {width}"
        raise SceneError(f"has {there} in the Draco stream, {said} in its accessor", where)
    view = append_view(document, buffers, _converted(values, dtype).tobytes())
    task.primitive.attributes[name] = len(document.accessors)
    document.accessors.append(msgspec.structs.replace(accessor, buffer_view=view, byte_offset=0))


def _converted(values: NDArray[Any], dtype: np.dtype) -> NDArray[Any]:
    """Convert values to the accessor's type, because some streams store integers as floats."""
    if values.dtype.kind != "f" or dtype.kind == "f":
        return values.astype(dtype)
    limits = np.iinfo(dtype.name)
    return np.nan_to_num(np.rint(values)).clip(limits.min, limits.max).astype(dtype)


_kept: Recent[Decoded] = Recent(_MOST_KEPT_BYTES)
"""A cache of recently decoded streams, because clients send the same model with each frame."""

_lock = Lock()


def _decode(tasks: Sequence[_Task]) -> list[Decoded]:
    """Decode each distinct stream once. Recently decoded streams come from the cache."""
    keys = [task.key for task in tasks]
    with _lock:
        known = {key: _kept.find(key) for key in keys}
    found = {key: kept for key, kept in known.items() if kept is not None}
    missing: dict[_Key, list[_Task]] = {}
    for key, task in zip(keys, tasks, strict=True):
        if key not in found:
            missing.setdefault(key, []).append(task)
    streams = [
        Stream(some[0].data, ids, max(task.most_bytes for task in some)) for (_, ids), some in missing.items()
    ]
    for (key, some), decoded in zip(
        missing.items(), decode_streams(streams) if streams else (), strict=False
    ):
        if isinstance(decoded, str):
            what = f"its Draco stream {decoded}; export it again, or without compression"
            raise SceneError(what, some[0].where)
        found[key] = decoded
        if decoded.size_bytes <= _MOST_KEPT_BYTES:
            with _lock:
                _kept.keep(key, decoded, decoded.size_bytes)
    return [found[key] for key in keys]
