"""Collects the data of several documents in the one buffer of a GLB, and moves their buffer views."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from blake3 import blake3

from ..errors import SceneError
from ..gltf import schema
from ..gltf.container import write_container
from ..gltf.decoding import schema_error
from ..gltf.extensions import EXT_MESHOPT, KHR_MESHOPT

__all__ = ["Binary", "Place", "move_views"]

_ALIGNMENT = 4  # of every component that glTF has
_BEYOND = 2**52

Json = dict[str, Any]
Data = bytes | memoryview

ReadUri = Callable[[str, str], Data]
"""Returns the data of a URI; takes the URI and its place in the document."""


class Place(NamedTuple):
    """The new place of a buffer's data: a buffer, an offset in it, and a length, both in bytes."""

    buffer: int
    offset: int
    length: int


class Binary:
    """The buffers of a composed document: one with all data, and the buffers without data.

    The same data is stored once, however often it is added. Nothing is copied before `glb`.
    """

    def __init__(self) -> None:
        self._pieces: list[Data] = []
        self._length = 0
        self._offsets: dict[bytes, int] = {}
        self._without_data: list[Json] = []

    def add(self, data: Data) -> int:
        """Add data, and return its offset in the first buffer."""
        digest = blake3(data).digest()
        if digest not in self._offsets:
            self._offsets[digest] = self._length
            padding = bytes(-len(data) % _ALIGNMENT)
            self._pieces += [data, padding]
            self._length += len(data) + len(padding)
        return self._offsets[digest]

    def add_buffers(
        self, json: Json, chunk: memoryview | None, read: ReadUri, *, keep_broken: bool = False
    ) -> dict[int, Place]:
        """Add the buffers of a document, and return the new place of each.

        Parameters
        ----------
        json : dict
            The document.
        chunk : memoryview or None
            The binary chunk of its GLB.
        read : callable
        keep_broken : bool
            Whether a buffer whose data is missing is kept without data, because nothing may use it.

        Raises
        ------
        SceneError
            A buffer has less data than its byteLength, or its data is missing.
        """
        try:
            buffers = msgspec.convert(json.get("buffers") or [], list[schema.Buffer])
        except msgspec.ValidationError as error:
            raise schema_error(error, "$.buffers") from None
        places = {}
        for index, buffer in enumerate(buffers):
            try:
                data = _buffer_data(index, buffer, chunk, read)
            except SceneError:
                if not keep_broken:
                    raise
                data = None
            if data is None:
                self._without_data.append(json["buffers"][index])
                places[index] = Place(len(self._without_data), 0, buffer.byte_length)
            else:
                places[index] = Place(0, self.add(data), buffer.byte_length)
        return places

    def glb(self, json: Json) -> bytes:
        """Write a document with these buffers.

        Raises
        ------
        TooLargeError
            The document is larger than a GLB can be.
        """
        if self._without_data and not self._pieces:
            self.add(bytes(_ALIGNMENT))
        json = {name: value for name, value in json.items() if name != "buffers"}
        if self._pieces:
            json["buffers"] = [{"byteLength": self._length}, *self._without_data]
        return write_container(msgspec.json.encode(json), self._pieces)


def _buffer_data(index: int, buffer: schema.Buffer, chunk: memoryview | None, read: ReadUri) -> Data | None:
    """Return ``byteLength`` bytes of a buffer; None = its data is compressed in another buffer."""
    where = f"$.buffers[{index}]"
    if buffer.uri is None and (index > 0 or chunk is None):
        return None
    data = read(buffer.uri, f"{where}.uri") if buffer.uri is not None else chunk or b""
    if len(data) < buffer.byte_length:
        raise SceneError(f"holds {len(data)} bytes, fewer than its byteLength {buffer.byte_length}", where)
    return memoryview(data)[: buffer.byte_length]


def move_views(views: Sequence[Json], places: Mapping[int, Place]) -> None:
    """Change buffer views to the new places of their buffers.

    A view that reaches beyond the end of its buffer still does so afterwards, because nothing may use it.

    Parameters
    ----------
    views : sequence of dict
        A document's buffer views, changed in place.
    places : mapping of int to Place
        The new places of the buffers, by their indices in the document.

    Raises
    ------
    SceneError
        A view names a buffer that does not exist.
    """
    for index, view in enumerate(views):
        for part, where in _looks(view, f"$.bufferViews[{index}]"):
            number, offset, length = part.get("buffer"), part.get("byteOffset") or 0, part.get("byteLength")
            if type(number) is not int or number not in places:
                raise SceneError(f"there is no buffer {str(number)[:20]}", f"{where}.buffer")
            if type(offset) is not int or type(length) is not int or offset < 0 or length < 1:
                raise SceneError("its byteOffset or byteLength is not a number of bytes", where)
            place = places[number]
            is_inside = offset + length <= place.length
            part["buffer"], part["byteOffset"] = place.buffer, offset + place.offset if is_inside else _BEYOND


def _looks(view: Json, where: str) -> Iterator[tuple[Json, str]]:
    """Yield all objects of a buffer view that refer to a buffer: the view, and its compressed forms."""
    yield view, where
    extensions = view.get("extensions")
    for name in (EXT_MESHOPT, KHR_MESHOPT):
        packed = extensions.get(name) if isinstance(extensions, dict) else None
        if isinstance(packed, dict):
            yield packed, f"{where}.extensions.{name}"
