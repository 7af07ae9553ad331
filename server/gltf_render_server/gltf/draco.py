"""KHR_draco_mesh_compression: what a stream holds becomes plain accessors, as if it never was compressed.

Streams are decoded by `draco_child`, a process of its own: a few bytes can make the library take any memory.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Annotated, Any

import msgspec
import numpy as np
from blake3 import blake3
from msgspec import Meta
from numpy.typing import NDArray

from ..errors import SceneError
from ..limits import Limits, ask_time, time_left_s
from ..recent import Recent
from . import schema
from .decoding import schema_error
from .extensions import DRACO
from .resources import Data, accessor_bytes, accessor_dtype, append_view, view_data

__all__ = ["draco_views", "is_draco", "unpack_draco"]

_CHILD = Path(__file__).with_name("draco_child.py")
_TRIANGLES, _STRIP = 4, 5
_UNSIGNED_INT = 5125
_SPARE_BYTES = 256 * 2**20
_WORK_SPACE, _COPIES = 16, 3  # of what comes out of the largest stream, and out of all
_LONGEST_S = 60.0
_MOST_KEPT_BYTES = 256 * 2**20

Place = tuple[int, int, schema.Primitive]
"""The numbers of a mesh and of its primitive, and that."""


class _Extension(msgspec.Struct, rename="camel"):
    buffer_view: Annotated[int, Meta(ge=0)]
    attributes: dict[str, Annotated[int, Meta(ge=0)]]


class _Attribute(msgspec.Struct, array_like=True):
    dtype: str
    width: int
    data: bytes

    def values(self) -> NDArray[Any]:
        return np.frombuffer(self.data, self.dtype).reshape(-1, self.width)


class _Decoded(msgspec.Struct):
    indices: bytes
    attributes: dict[int, _Attribute]

    @property
    def size_bytes(self) -> int:
        return len(self.indices) + sum(len(item.data) for item in self.attributes.values())


msgspec.msgpack.Decoder(list[_Decoded | str])  # see `decoding`


@dataclass(frozen=True)
class _Task:
    """A primitive's stream, and where it stands."""

    primitive: schema.Primitive
    extension: _Extension
    stream: Data
    where: str

    @property
    def key(self) -> tuple[bytes, tuple[int, ...]]:
        return blake3(self.stream).digest(), tuple(sorted(self.extension.attributes.values()))


def is_draco(document: schema.Document, primitive: schema.Primitive) -> bool:
    """Whether a primitive must be decoded; an optional stream has plain data beside it."""
    is_plain = document.accessors[primitive.attributes["POSITION"]].buffer_view is not None
    return not is_plain and DRACO in (primitive.extensions or {})


def draco_views(document: schema.Document, primitives: Iterable[Place]) -> set[int]:
    """Return the buffer views that hold the streams of those primitives that must be decoded.

    Raises
    ------
    SceneError
        The extension is broken.
    """
    return {
        _read_extension(document, place).buffer_view for place in primitives if is_draco(document, place[2])
    }


def unpack_draco(
    document: schema.Document, buffers: list[Data], primitives: Iterable[Place], limits: Limits
) -> None:
    """Decode the streams of primitives, and give these plain accessors.

    Parameters
    ----------
    document : Document
        Changed in place; its indices must have been checked.
    buffers : list of bytes-like
        The document's; what comes out of the streams is appended.
    primitives : iterable of (mesh, number, primitive)
        Those that are drawn.
    limits : Limits
        Checked against what accessors say, before anything is decoded.

    Raises
    ------
    SceneError
        A stream cannot be decoded, or does not hold what the accessors say.
    TooLargeError
        It is above a limit.
    """
    tasks = [_task(document, buffers, place) for place in primitives if is_draco(document, place[2])]
    if not tasks:
        return
    expected = [_expected_bytes(document, task) for task in tasks]
    limits.check_decoded(sum(expected))
    memory_bytes = _SPARE_BYTES + _WORK_SPACE * max(expected) + _COPIES * sum(expected)
    for task, decoded in zip(tasks, _decode(tasks, memory_bytes), strict=True):
        ask_time()
        if isinstance(decoded, str):
            what = f"its Draco stream {decoded}; export it again, or without compression"
            raise SceneError(what, task.where)
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
        del extension.attributes[name]  # an application's own, which nothing reads
    return extension


def _task(document: schema.Document, buffers: Sequence[Data], place: Place) -> _Task:
    mesh, number, primitive = place
    where = f"$.meshes[{mesh}].primitives[{number}]"
    if primitive.mode not in (_TRIANGLES, _STRIP) or primitive.indices is None:
        raise SceneError(f"{DRACO} is for triangles or a strip, with indices", where)
    extension = _read_extension(document, place)
    return _Task(primitive, extension, view_data(document, buffers, extension.buffer_view), where)


def _expected_bytes(document: schema.Document, task: _Task) -> int:
    accessors = [document.accessors[task.primitive.attributes[name]] for name in task.extension.attributes]
    accessors.append(document.accessors[task.primitive.indices or 0])
    return sum(accessor_bytes(accessor) for accessor in accessors)


def _replace_indices(document: schema.Document, buffers: list[Data], task: _Task, decoded: _Decoded) -> None:
    """Give a primitive its triangles; a stream has no strips, whatever was put into it."""
    primitive, count = task.primitive, len(decoded.indices) // 4
    said = document.accessors[primitive.indices or 0].count
    fits = count == said if primitive.mode == _TRIANGLES else 3 <= count <= 3 * (said - 2)
    if not fits:
        raise SceneError(f"its Draco stream has {count} indices, its accessor {said}", task.where)
    view = append_view(document, buffers, decoded.indices)
    primitive.indices, primitive.mode = len(document.accessors), _TRIANGLES
    document.accessors.append(schema.Accessor(_UNSIGNED_INT, count, "SCALAR", view))


def _replace_attribute(
    document: schema.Document, buffers: list[Data], task: _Task, name: str, found: _Attribute | None
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
    """Convert to the accessor's type: streams hold some as floats that are whole numbers."""
    if values.dtype.kind != "f" or dtype.kind == "f":
        return values.astype(dtype)
    limits = np.iinfo(dtype.name)
    return np.nan_to_num(np.rint(values)).clip(limits.min, limits.max).astype(dtype)


_kept: Recent[_Decoded] = Recent(_MOST_KEPT_BYTES)
"""The last streams that were decoded: clients send a model with each frame."""

_lock = Lock()


def _decode(tasks: Sequence[_Task], memory_bytes: int) -> list[_Decoded | str]:
    """Decode each stream once; those that were lately decoded, not again."""
    keys = [task.key for task in tasks]
    with _lock:
        known = {key: _kept.find(key) for key in keys}
    found: dict[Hashable, _Decoded | str] = {key: kept for key, kept in known.items() if kept is not None}
    missing = {key: task for key, task in zip(keys, tasks, strict=True) if key not in found}
    if missing:
        streams = [(memoryview(task.stream), key[1]) for key, task in missing.items()]
        for key, decoded in zip(missing, _run_child(streams, memory_bytes), strict=True):
            found[key] = decoded
            if not isinstance(decoded, str) and decoded.size_bytes <= _MOST_KEPT_BYTES:
                with _lock:
                    _kept.keep(key, decoded, decoded.size_bytes)
    return [found[key] for key in keys]


def _run_child(
    streams: Sequence[tuple[memoryview, Sequence[int]]], memory_bytes: int
) -> list[_Decoded | str]:
    paths = os.pathsep.join(path for path in sys.path if path)
    try:
        done = subprocess.run(  # noqa: S603  a program of our own
            [sys.executable, "-P", "-s", str(_CHILD), str(memory_bytes)],
            input=msgspec.msgpack.encode(streams),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=min(_LONGEST_S, max(0.0, time_left_s())),
            env=os.environ | {"PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            check=False,
        )
    except subprocess.TimeoutExpired:
        ask_time()
        return [f"is not decoded within {_LONGEST_S:g} s"] * len(streams)
    try:
        return msgspec.msgpack.decode(done.stdout, type=list[_Decoded | str])
    except msgspec.DecodeError:
        return ["crashes its decoder"] * len(streams)
