"""The container of a document: a binary .glb, told by its first bytes, or the JSON alone.

Source: the glTF 2.0 specification, section 4.4 (binary glTF layout).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..errors import SceneError, TooLargeError

__all__ = ["Container", "open_container", "write_container"]

_MAGIC = b"glTF"
_HEADER, _CHUNK = struct.Struct("<4sII"), struct.Struct("<I4s")
_JSON, _BIN = b"JSON", b"BIN\0"
_LONGEST = 2**32 - 1

Data = bytes | memoryview


class Container(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    json : bytes
        The text of the document.
    binary : memoryview or None
        The binary chunk, which `buffers[0]` may stand for; it looks into the file, and copies nothing.
    """

    json: bytes
    binary: memoryview | None


def open_container(data: bytes) -> Container:
    """Find the document and its binary chunk in a file.

    Two things that exporters write against the specification are accepted: a JSON chunk that is padded with
    NUL instead of spaces, and bytes after the JSON that are no chunk, which are ignored.

    Parameters
    ----------
    data : bytes
        glTF JSON or GLB.

    Raises
    ------
    SceneError
        It begins as a GLB, and is not whole.
    """
    if not data.startswith(_MAGIC):
        return Container(data, None)
    view = _checked(memoryview(data))
    json, end = _chunk(view, _HEADER.size, _JSON)
    if json is None:
        raise SceneError("its first GLB chunk must be its JSON")
    is_followed = view[end + _CHUNK.size - len(_BIN) : end + _CHUNK.size] == _BIN
    binary, _ = _chunk(view, end, _BIN) if is_followed else (None, end)
    return Container(bytes(json).rstrip(b" \0"), binary)


def write_container(json: bytes, pieces: Sequence[Data]) -> bytes:
    """Write a GLB.

    Parameters
    ----------
    json : bytes
        The text of the document.
    pieces : sequence of bytes-like
        What follows one another in its binary chunk; it has none if there are none.

    Raises
    ------
    TooLargeError
        It is longer than a GLB can be.
    """
    chunks = [*_padded_chunk(_JSON, [json], b" ")]
    if pieces:
        chunks += _padded_chunk(_BIN, pieces, b"\0")
    length = _HEADER.size + sum(map(len, chunks))
    if length > _LONGEST:
        raise TooLargeError(f"scene: as a GLB it has {length} bytes; that format holds {_LONGEST} at most")
    return b"".join([_HEADER.pack(_MAGIC, 2, length), *chunks])


def _padded_chunk(kind: bytes, pieces: Sequence[Data], filler: bytes) -> Iterator[Data]:
    length = sum(map(len, pieces))
    padding = filler * (-length % 4)
    yield _CHUNK.pack(min(length + len(padding), _LONGEST), kind)
    yield from pieces
    yield padding


def _checked(view: memoryview) -> memoryview:
    """Check the header of a GLB, and return as much as it says that the file is long."""
    if len(view) < _HEADER.size + _CHUNK.size:
        raise SceneError(f"is a GLB of {len(view)} bytes, too short for its headers; send the whole file")
    _, version, length = _HEADER.unpack_from(view)
    if version != 2:
        raise SceneError(f"is a GLB of version {version}; version 2 is supported")
    if length > len(view):
        raise SceneError(f"is a GLB of {length} bytes, of which {len(view)} are here; send the whole file")
    return view[:length]


def _chunk(view: memoryview, begin: int, kind: bytes) -> tuple[memoryview | None, int]:
    """Return a chunk's data, None if it is of another kind, and where it ends."""
    if begin + _CHUNK.size > len(view):
        raise SceneError(f"its GLB ends within the header of a chunk, at byte {begin}")
    length, found = _CHUNK.unpack_from(view, begin)
    data = begin + _CHUNK.size
    if data + length > len(view):
        raise SceneError(f"its GLB chunk at byte {begin} is {length} bytes long, beyond the end of the file")
    return (view[data : data + length] if found == kind else None), data + length
