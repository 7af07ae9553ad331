"""A cache of recent documents. A document that differs from one only in node transforms is not parsed again.

A simulation sends the whole document for each frame, and most of its bytes do not change. They are compared
here, which takes a hundredth of the time of decoding, checking and digesting them. A recognised document is
the cached one with other node transforms. Every other document is read as if nothing were cached. An invalid
document is never cached, and its errors come only from `read_asset`.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

import msgspec
import numpy as np

from ..limits import Limits
from ..recent import Recent
from . import schema
from .asset import Asset, read_asset
from .container import Container, open_container
from .decoding import BYTES_OF_AN_OBJECT, count_values, decode_nodes, find_nodes, has_few_values, split_nodes
from .repair import drop_composed_rotations

__all__ = ["OpenedDocument", "RecentDocuments"]

_KEY_BYTES = 16
_MOST = 16
_NODES = b'"nodes"'
_TRANSFORMS = ("matrix", "translation", "rotation", "scale")
_COMPARED_BYTES = 2**20  # the chunk size of comparisons, which fits into the processor's cache
_GLANCE_BYTES = 4096  # of a text; the beginnings of different documents differ in them already

Json = dict[str, Any]


class RecentDocuments:
    """A cache of the documents that were read recently. It is thread-safe.

    Parameters
    ----------
    most_bytes : int
        The approximate limit for the memory of the cached documents. With 0, nothing is cached.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._recent: Recent[_Document] = Recent(most_bytes, _MOST)
        self._lock = threading.Lock()

    def open(self, data: bytes) -> OpenedDocument:
        """Return a document that can be asked for its digest and its asset. Nothing is read until then."""
        return OpenedDocument(data, self)

    def values(self) -> list[_Document]:
        """Return the cached documents, the most recently used first."""
        with self._lock:
            return self._recent.values()[::-1]

    def begin_round(self) -> None:
        """Evict the documents that recent rounds have not used. Each document that is read is a round."""
        with self._lock:
            self._recent.begin_round()

    def keyed(self, known: _Document) -> Asset:
        """Return the asset of a document that was recognised, and mark the document as recently used."""
        with self._lock:
            self._recent.find(id(known))
            if not known.asset.key:
                known.asset = known.asset.keyed(os.urandom(_KEY_BYTES))
            return known.asset

    def keep(self, known: _Document) -> None:
        """Cache a document, unless it is too large."""
        size_bytes = known.nbytes
        if size_bytes <= self._most_bytes:
            with self._lock:
                self._recent.keep(id(known), known, size_bytes)


class OpenedDocument:
    """A document that is compared with the recent ones when its digest and its asset are asked for.

    Both depend on the text before the nodes, which is nearly all of it. It is compared only once.

    Parameters
    ----------
    data : bytes
        glTF JSON or GLB.
    recent : RecentDocuments

    Attributes
    ----------
    data : bytes
    """

    def __init__(self, data: bytes, recent: RecentDocuments) -> None:
        self.data = data
        self._recent = recent
        self._alike: _Document | None = None  # a recent one that is known to be the same up to the nodes

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 digest of the data, 64 hex digits.

        If the document equals a cached one up to its nodes, the digest of that part is reused.
        """
        for known in self._recent.values():
            if known.is_same_before_nodes(self.data):
                self._alike = known
                return known.continued_sha256(self.data)
        return hashlib.sha256(self.data).hexdigest()

    def read(self, *, extensions: frozenset[str], limits: Limits) -> Asset:
        """Read the document. The result, the errors and the warnings are those of `read_asset`.

        An asset that differs from a cached one only in node transforms gets that one's key. A new asset has
        no key.
        """
        container = open_container(self.data)
        self._recent.begin_round()
        for known in sorted(self._recent.values(), key=lambda known: known is not self._alike):
            with suppress(Exception):  # the normal reading below reports any error
                if known.was_read_for == (extensions, limits) and (asset := self._moved(known, container)):
                    return asset
        asset = read_asset(self.data, extensions=extensions, limits=limits)
        self._recent.keep(_Document(container, asset, extensions, limits))
        return asset

    def _moved(self, known: _Document, container: Container) -> Asset | None:
        """Return the asset if this is a known document with other node transforms; otherwise None."""
        if known is not self._alike and not known.is_same_before_nodes(container.json):
            return None
        nodes = known.moved_nodes(container)
        return None if nodes is None else self._recent.keyed(known).moved(nodes)


class _Document:
    """A cached document, with what is needed to recognise the same document with other node transforms.

    Attributes
    ----------
    container : Container
    asset : Asset
        The asset as it was read. It gets a key once the document is recognised.
    was_read_for : (frozenset of str, Limits)
    """

    def __init__(
        self, container: Container, asset: Asset, extensions: frozenset[str], limits: Limits
    ) -> None:
        self.container = container
        self.asset = asset
        self.was_read_for = (extensions, limits)
        self._signatures: dict[int, str] = {}
        self._begun: hashlib._Hash | None = None  # of all text before the nodes

    @property
    def nbytes(self) -> int:
        """The approximate memory that the document takes, in bytes."""
        text, binary = self.container
        images = sum(len(image.uri or "") for image in self.asset.source.images)
        decoded = 0 if binary is not None else sum(map(len, self.asset.buffers))
        objects = max(0, len(text) - images - decoded * 4 // 3)
        return len(text) + len(binary or b"") + images + decoded + BYTES_OF_AN_OBJECT * objects

    def is_same_before_nodes(self, text: bytes) -> bool:
        """Return whether another text equals this document's up to the nodes."""
        own = memoryview(self.container.json)
        # the glance is cheap, so it comes before finding the nodes and comparing the whole text
        return text.startswith(own[: self._glance]) and text.startswith(own[: self._span.start])

    def continued_sha256(self, data: bytes) -> str:
        """Return the SHA-256 digest of a file that equals this document's text up to the nodes."""
        begin = self._span.start
        if self._begun is None:
            self._begun = hashlib.sha256(memoryview(self.container.json)[:begin])
        digest = self._begun.copy()
        digest.update(memoryview(data)[begin:])
        return digest.hexdigest()

    def moved_nodes(self, other: Container) -> dict[int, schema.Node] | None:
        """Return the nodes with other transforms in a document that is the same up to the nodes.

        Return None if it differs in anything else.
        """
        after = memoryview(self.container.json)[self._span.stop :]
        begin, end = self._span.start, len(other.json) - len(after)
        if end < begin or not other.json.endswith(after):
            return None
        if not _is_same_binary(self.container.binary, other.binary):
            return None
        nodes = memoryview(other.json)[begin:end]
        if not has_few_values(self._values_outside + count_values(nodes)):
            return None
        return self._moved(split_nodes(nodes))

    def _moved(self, texts: Sequence[msgspec.Raw]) -> dict[int, schema.Node] | None:
        """Return the changed nodes, if their number is the same and they differ only in their transforms."""
        if len(texts) != len(self._nodes):
            return None
        changed = [
            index for index, (own, other) in enumerate(zip(self._nodes, texts, strict=True)) if own != other
        ]
        items = decode_nodes(texts[index] for index in changed)
        for index, item in zip(changed, items, strict=True):
            if self._signature(index) != _signature(item):
                return None
        drop_composed_rotations({"nodes": items})
        transforms = [{name: item.get(name) for name in _TRANSFORMS} for item in items]
        new = msgspec.convert(transforms, list[schema.Node])
        return {
            index: msgspec.structs.replace(
                self.asset.source.nodes[index], **{name: getattr(node, name) for name in _TRANSFORMS}
            )
            for index, node in zip(changed, new, strict=True)
        }

    def _signature(self, index: int) -> str:
        found = self._signatures.get(index)
        if found is None:
            [item] = decode_nodes([self._nodes[index]])
            found = self._signatures[index] = _signature(item)
        return found

    @cached_property
    def _glance(self) -> int:
        """The number of bytes at the beginning that cannot belong to the nodes, limited to a cheap amount."""
        begin = self.container.json.find(_NODES, 0, _GLANCE_BYTES)
        return begin if begin >= 0 else _GLANCE_BYTES - len(_NODES)

    @cached_property
    def _span(self) -> slice:
        """The location of the nodes in the text. If there are none, it is empty, and lies at the end."""
        end = len(self.container.json)
        return find_nodes(self.container.json) or slice(end, end)

    @cached_property
    def _nodes(self) -> list[msgspec.Raw]:
        return split_nodes(memoryview(self.container.json)[self._span])

    @cached_property
    def _values_outside(self) -> int:
        text, span = memoryview(self.container.json), self._span
        return count_values(text[: span.start]) + count_values(text[span.stop :])


def _signature(node: Json) -> str:
    """Return a text that describes a node except for the values of its transform."""
    given = [(name, node[name] is None) for name in _TRANSFORMS if name in node]
    return repr((given, {name: value for name, value in node.items() if name not in _TRANSFORMS}))


def _is_same_binary(first: memoryview | None, second: memoryview | None) -> bool:
    if first is None or second is None or len(first) != len(second):
        return first is second
    one, other = np.frombuffer(first, np.uint8), np.frombuffer(second, np.uint8)
    return all(
        np.array_equal(one[begin : begin + _COMPARED_BYTES], other[begin : begin + _COMPARED_BYTES])
        for begin in range(0, len(one), _COMPARED_BYTES)
    )
