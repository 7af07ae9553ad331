"""The container format of a document: a binary .glb, recognised by its first bytes, or plain JSON.

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
    """The parts of a file.

    Attributes
    ----------
    json : bytes
        The JSON text of the document.
    binary : memoryview or None
        The binary chunk, to which `buffers[0]` may refer. It is a view of the file without a copy.
    """

    json: bytes
    binary: memoryview | None


def open_container(data: bytes) -> Container:
    """Find the JSON and the binary chunk in a file.

    Two deviations from the specification that some exporters produce are accepted: a JSON chunk that is
    padded with NUL instead of spaces, and bytes after the JSON that are not a chunk, which are ignored.

    Parameters
    ----------
    data : bytes
        glTF JSON or GLB.

    Raises
    ------
    SceneError
        The file begins as a GLB, but is truncated or malformed.
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
        The JSON text of the document.
    pieces : sequence of bytes-like
        The parts of the binary chunk, in order. If there are none, the file has no binary chunk.

    Raises
    ------
    TooLargeError
        The result exceeds the largest size of a GLB.
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
    """Check the header of a GLB, and return the data up to the length that the header gives."""
    if len(view) < _HEADER.size + _CHUNK.size:
        raise SceneError(f"is a GLB of {len(view)} bytes, too short for its headers; send the whole file")
    _, version, length = _HEADER.unpack_from(view)
    if version != 2:
        raise SceneError(f"is a GLB of version {version}; version 2 is supported")
    if length > len(view):
        raise SceneError(f"is a GLB of {length} bytes, of which {len(view)} are here; send the whole file")
    return view[:length]


def _chunk(view: memoryview, begin: int, kind: bytes) -> tuple[memoryview | None, int]:
    """Return the data of a chunk (None if it is of another kind), and its end."""
    if begin + _CHUNK.size > len(view):
        raise SceneError(f"its GLB ends within the header of a chunk, at byte {begin}")
    length, found = _CHUNK.unpack_from(view, begin)
    data = begin + _CHUNK.size
    if data + length > len(view):
        raise SceneError(f"its GLB chunk at byte {begin} is {length} bytes long, beyond the end of the file")
    return (view[data : data + length] if found == kind else None), data + length
