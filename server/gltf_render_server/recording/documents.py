"""Splits documents into text and blobs, and joins them.

Large payloads are cut out of any kind of document.
"""

from __future__ import annotations

import binascii
import hashlib
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import pybase64
from blake3 import blake3

from ..errors import RecordingError
from .blobs import Blobs

__all__ = ["Cut", "Document", "Recipe", "Splitter", "join"]

_BASE64 = b";base64,"
_BINARY_CHUNK = 0x004E4942
_SMALLEST_BYTES = 4096  # smaller payloads stay in the text, where repetition costs nothing
_MOST_URIS = 10_000  # the number of URIs that are searched for
_MOST_KNOWN = 10_000
_LARGEST_BYTES = 2**31  # limit for the size that a recording from an untrusted source states

Encoding = Literal["base64", "raw"]


@dataclass(frozen=True)
class Cut:
    """A payload that was cut out of a document.

    Attributes
    ----------
    gap : int
        The number of bytes of text between the previous cut, or the beginning, and this one.
    encoding : {"base64", "raw"}
        The encoding of the blob in the document.
    blob : str
        The SHA-256 digest of the blob in hex.
    """

    gap: int
    encoding: Encoding
    blob: str


@dataclass(frozen=True)
class Recipe:
    """What is needed to reconstruct a document, byte for byte.

    Attributes
    ----------
    size : int
        The size of the document, bytes.
    sha256 : str
        The SHA-256 digest of the document in hex.
    cuts : tuple of Cut
    text : bytes
        The text that remains without the payloads.
    """

    size: int
    sha256: str
    cuts: tuple[Cut, ...]
    text: bytes


class Document:
    """A document as a client sent it. It may be part of many recorded frames.

    Parameters
    ----------
    source : bytes or callable
        The bytes, or a function that reads them from the recording.
    is_held : bool
        Whether the bytes stay in memory after they were stored.
    """

    def __init__(self, source: bytes | Callable[[], bytes], *, is_held: bool = False) -> None:
        self._source = source
        self._is_held = is_held
        self._stored: tuple[Recipe, Blobs] | None = None

    @property
    def data(self) -> bytes:
        """The bytes, exactly as they were sent.

        Raises
        ------
        RecordingError
            The stored data is damaged or missing.
        """
        return self._source if isinstance(self._source, bytes) else self._source()

    def store(self, splitter: Splitter) -> Recipe:
        """Store the payloads, unless they are stored already. Afterwards, the bytes can be read back."""
        if self._stored is None or not _is_there(*self._stored, splitter.blobs):
            recipe = splitter.split(self.data)
            self._stored = recipe, splitter.blobs
            if not self._is_held:
                self._source = partial(join, recipe, splitter.blobs)
        return self._stored[0]


def _is_there(recipe: Recipe, blobs: Blobs, wanted: Blobs) -> bool:
    """Return whether the stored payloads still exist. Somebody may have emptied the folder."""
    return blobs is wanted and all(cut.blob in blobs for cut in recipe.cuts)


class Splitter:
    """Cuts payloads out of documents, and stores them.

    Parameters
    ----------
    blobs : Blobs
    """

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self._known: OrderedDict[bytes, tuple[Encoding, str]] = OrderedDict()

    def split(self, data: bytes) -> Recipe:
        """Store the payloads of a document. Nothing is assumed about its content.

        Raises
        ------
        OSError
            A payload cannot be stored.
        """
        view, text, cuts, end = memoryview(data), bytearray(), [], 0
        for begin, stop, is_base64 in _payloads(data):
            text += view[end:begin]
            cuts.append(Cut(begin - end, *self._stored(view[begin:stop], is_base64)))
            end = stop
        text += view[end:]
        return Recipe(len(data), hashlib.sha256(data).hexdigest(), tuple(cuts), bytes(text))

    def _stored(self, payload: memoryview, is_base64: bool) -> tuple[Encoding, str]:
        """Store a payload. One that was stored before is recognised by its digest, and not decoded again."""
        key = blake3(payload).digest() + bytes([is_base64])
        known = self._known.get(key)
        if known is None or known[1] not in self.blobs:
            decoded = _decoded(payload) if is_base64 else None
            is_raw = decoded is None
            known = ("raw" if is_raw else "base64"), self.blobs.put(bytes(payload) if is_raw else decoded)
        self._known[key] = known
        self._known.move_to_end(key)
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return known


def join(recipe: Recipe, blobs: Blobs) -> bytes:
    """Reconstruct a document.

    Raises
    ------
    RecordingError
        A blob is missing, or the result differs from what was recorded.
    """
    parts, end, size = [], 0, len(recipe.text)
    for cut in recipe.cuts:
        blob = blobs.get(cut.blob)
        payload = pybase64.b64encode(blob) if cut.encoding == "base64" else blob
        size += len(payload)
        if size > min(recipe.size, _LARGEST_BYTES):
            break
        parts += [recipe.text[end : end + cut.gap], payload]
        end += cut.gap
    data = b"".join([*parts, recipe.text[end:]])
    if hashlib.sha256(data).hexdigest() != recipe.sha256:
        raise RecordingError("the recording is damaged: a document is not what was recorded")
    return data


def _payloads(data: bytes) -> Iterator[tuple[int, int, bool]]:
    """Yield the begin and end of each large payload, and whether it is base64."""
    chunk, end = _binary_chunk(data)
    yield from _uris(data, chunk)
    if end - chunk >= _SMALLEST_BYTES:
        yield chunk, end, False


def _uris(data: bytes, stop: int) -> Iterator[tuple[int, int, bool]]:
    end = 0
    for _ in range(_MOST_URIS):
        mark = data.find(_BASE64, end, stop)
        begin = mark + len(_BASE64)
        end = data.find(b'"', begin, stop) if mark >= 0 else -1
        if end < 0:
            return
        if end - begin >= _SMALLEST_BYTES:
            yield begin, end, True


def _binary_chunk(data: bytes) -> tuple[int, int]:
    """Return the begin and end of a GLB's binary chunk. If there is none, both are the end of the data."""
    begin = 12
    while data.startswith(b"glTF") and begin + 8 <= len(data):
        length, kind = struct.unpack_from("<II", data, begin)
        if kind == _BINARY_CHUNK:
            return begin + 8, min(begin + 8 + length, len(data))
        begin += 8 + length
    return len(data), len(data)


def _decoded(payload: memoryview) -> bytes | None:
    """Decode base64, if encoding the result gives the same text."""
    try:
        decoded = pybase64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if pybase64.b64encode(decoded) == payload else None
