"""Documents <-> text and blobs: large payloads are cut out of the bytes, whatever document these are."""

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
_SMALLEST_BYTES = 4096  # what is smaller stays in the text, where it costs nothing once it repeats
_MOST_URIS = 10_000  # that are looked for
_MOST_KNOWN = 10_000
_LARGEST_BYTES = 2**31  # whatever a recording from elsewhere says of itself

Encoding = Literal["base64", "raw"]


@dataclass(frozen=True)
class Cut:
    """A payload that was cut out.

    Attributes
    ----------
    gap : int
        Bytes of text between the last cut, or the beginning, and this one.
    encoding : {"base64", "raw"}
        How the blob stands in the document.
    blob : str
        SHA-256 of the blob, in hex.
    """

    gap: int
    encoding: Encoding
    blob: str


@dataclass(frozen=True)
class Recipe:
    """How a document is put together again, byte for byte.

    Attributes
    ----------
    size : int
        Of the document, bytes.
    sha256 : str
        Of the document, in hex.
    cuts : tuple of Cut
    text : bytes
        What remains: all but the payloads.
    """

    size: int
    sha256: str
    cuts: tuple[Cut, ...]
    text: bytes


class Document:
    """A document as a client sent it; it may be recorded with many frames.

    Parameters
    ----------
    source : bytes or callable
        The bytes, or what reads them where they are stored.
    is_held : bool
        Whether the bytes stay in memory once they are stored.
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
            What is stored is damaged or gone.
        """
        return self._source if isinstance(self._source, bytes) else self._source()

    def store(self, splitter: Splitter) -> Recipe:
        """Store the payloads, unless they are there; the bytes can be read again from then on."""
        if self._stored is None or not _is_there(*self._stored, splitter.blobs):
            recipe = splitter.split(self.data)
            self._stored = recipe, splitter.blobs
            if not self._is_held:
                self._source = partial(join, recipe, splitter.blobs)
        return self._stored[0]


def _is_there(recipe: Recipe, blobs: Blobs, wanted: Blobs) -> bool:
    """Whether what was stored is where it is wanted; somebody may have emptied the folder."""
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
        """Store the payloads of a document; nothing is taken for granted of what it holds.

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
        """Store a payload; one that was stored before is known by its digest, and not decoded again."""
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
    """Put a document together again.

    Raises
    ------
    RecordingError
        A blob is gone, or the document is not what was recorded.
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
    """Yield where large payloads begin and end, and whether each is base64."""
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
    """Return where the binary chunk of a GLB begins and ends; the end, twice, where there is none."""
    begin = 12
    while data.startswith(b"glTF") and begin + 8 <= len(data):
        length, kind = struct.unpack_from("<II", data, begin)
        if kind == _BINARY_CHUNK:
            return begin + 8, min(begin + 8 + length, len(data))
        begin += 8 + length
    return len(data), len(data)


def _decoded(payload: memoryview) -> bytes | None:
    """Decode base64 if encoding gives the same text again."""
    try:
        decoded = pybase64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if pybase64.b64encode(decoded) == payload else None
