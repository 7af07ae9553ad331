"""The last documents: one that differs from a recent one in where its nodes stand is not read anew.

A simulation sends the whole document for each picture, and most of its bytes are those of the last time. Here
they are compared, which takes a hundredth of the time that it takes to decode, check and digest them. What is
recognised is what was read then, moved. All else is read as if nothing had ever come before, and so is all
that is wrong: nothing of it is kept, and nobody tells what is wrong with it but `read_asset`.
"""

from __future__ import annotations

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

__all__ = ["RecentDocuments"]

_KEY_BYTES = 16
_MOST = 16
_NODES = b'"nodes"'
_TRANSFORMS = ("matrix", "translation", "rotation", "scale")
_COMPARED_BYTES = 2**20  # at once, so that it stays in the processor's cache

Json = dict[str, Any]


class RecentDocuments:
    """Reads documents, and keeps the last ones. Safe on many threads.

    Parameters
    ----------
    most_bytes : int
        What those may take of memory that are kept, about; 0 = none is kept.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._recent: Recent[_Document] = Recent(most_bytes, _MOST)
        self._lock = threading.Lock()

    def read(self, data: bytes, *, extensions: frozenset[str], limits: Limits) -> Asset:
        """Read a document; the result, the errors and the warnings are those of `read_asset`.

        An asset that differs from a recent one in where its nodes stand has that one's key; one that is new
        has none.
        """
        container = open_container(data)
        for known in self._candidates(extensions, limits):
            with suppress(Exception):  # told below, as of any document
                if (nodes := known.moved_nodes(container)) is not None:
                    return self._keyed(known).moved(nodes)
        asset = read_asset(data, extensions=extensions, limits=limits)
        self._keep(_Document(container, asset, extensions, limits))
        return asset

    def _candidates(self, extensions: frozenset[str], limits: Limits) -> list[_Document]:
        """Return those that were used last first, and note that another document is read."""
        with self._lock:
            self._recent.begin_round()
            found = self._recent.values()
        return [known for known in reversed(found) if known.was_read_for == (extensions, limits)]

    def _keyed(self, known: _Document) -> Asset:
        """Return the asset of a document that has come again; from now on, that counts as used."""
        with self._lock:
            self._recent.find(id(known))
            if not known.asset.key:
                known.asset = known.asset.keyed(os.urandom(_KEY_BYTES))
            return known.asset

    def _keep(self, known: _Document) -> None:
        size_bytes = known.nbytes
        if size_bytes <= self._most_bytes:
            with self._lock:
                self._recent.keep(id(known), known, size_bytes)


class _Document:
    """A document that was read, and what a text is compared with to tell whether it is the same, but moved.

    Attributes
    ----------
    container : Container
    asset : Asset
        As it was read; with a key, once the document has come again.
    was_read_for : (frozenset of str, Limits)
    """

    def __init__(
        self, container: Container, asset: Asset, extensions: frozenset[str], limits: Limits
    ) -> None:
        self.container = container
        self.asset = asset
        self.was_read_for = (extensions, limits)
        self._signatures: dict[int, str] = {}

    @property
    def nbytes(self) -> int:
        """About what it takes of memory."""
        text, binary = self.container
        images = sum(len(image.uri or "") for image in self.asset.source.images)
        decoded = 0 if binary is not None else sum(map(len, self.asset.buffers))
        objects = max(0, len(text) - images - decoded * 4 // 3)
        return len(text) + len(binary or b"") + images + decoded + BYTES_OF_AN_OBJECT * objects

    def moved_nodes(self, other: Container) -> dict[int, schema.Node] | None:
        """Return the nodes that stand elsewhere in another document; None = it differs in more than that."""
        text, begin = self.container.json, self._least_begin
        if not other.json.startswith(memoryview(text)[:begin]):
            return None
        span = self._span
        if span is None or not _is_same_outside(other.json, text, span):
            return None
        if not _is_same_binary(self.container.binary, other.binary):
            return None
        nodes = memoryview(other.json)[span.start : len(other.json) - (len(text) - span.stop)]
        if not has_few_values(self._values_outside + count_values(nodes)):
            return None
        return self._moved(split_nodes(nodes))

    def _moved(self, texts: Sequence[msgspec.Raw]) -> dict[int, schema.Node] | None:
        """Return the nodes that are others, if they are as many, and each differs in its transform alone."""
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
    def _least_begin(self) -> int:
        """Where the array of nodes begins at the earliest; to be known at little cost."""
        return self.container.json.find(_NODES)

    @cached_property
    def _span(self) -> slice | None:
        return find_nodes(self.container.json)

    @cached_property
    def _nodes(self) -> list[msgspec.Raw]:
        return split_nodes(memoryview(self.container.json)[self._span or slice(0)])

    @cached_property
    def _values_outside(self) -> int:
        text, span = memoryview(self.container.json), self._span or slice(0)
        return count_values(text[: span.start]) + count_values(text[span.stop :])


def _signature(node: Json) -> str:
    """Tell all of a node but its transform, and which members that has."""
    given = [(name, node[name] is None) for name in _TRANSFORMS if name in node]
    return repr((given, {name: value for name, value in node.items() if name not in _TRANSFORMS}))


def _is_same_outside(text: bytes, other: bytes, span: slice) -> bool:
    """Whether all but a span of the second text is the same in the first."""
    before, after = memoryview(other)[: span.start], memoryview(other)[span.stop :]
    is_long_enough = len(text) >= len(before) + len(after)
    return is_long_enough and text.startswith(before) and text.endswith(after)


def _is_same_binary(first: memoryview | None, second: memoryview | None) -> bool:
    if first is None or second is None or len(first) != len(second):
        return first is second
    one, other = np.frombuffer(first, np.uint8), np.frombuffer(second, np.uint8)
    return all(
        np.array_equal(one[begin : begin + _COMPARED_BYTES], other[begin : begin + _COMPARED_BYTES])
        for begin in range(0, len(one), _COMPARED_BYTES)
    )
