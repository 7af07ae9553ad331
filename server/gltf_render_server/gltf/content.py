"""The content of a glTF document, after it was read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ..scene import Scene
from . import schema
from .resources import Data

__all__ = ["Content", "content_of", "with_nodes"]


@dataclass(frozen=True, eq=False)
class Content:
    """A document that passed every check.

    Attributes
    ----------
    json : dict
        The document after repairs, without its nodes. It must not be changed.
    source : schema.Document
        The same document with its nodes, as typed objects.
    buffers : tuple of bytes-like
        The decoded buffers. Their URIs are removed from `json` and `source`.
    """

    json: dict[str, Any]
    source: schema.Document
    buffers: tuple[Data, ...]


def with_nodes(source: schema.Document, changed: Mapping[int, schema.Node]) -> schema.Document:
    """Return a copy of a document in which some nodes, given by index, are replaced."""
    if not changed:
        return source
    nodes = list(source.nodes)
    for index, node in changed.items():
        nodes[index] = node
    return msgspec.structs.replace(source, nodes=nodes)


def content_of(scene: Scene) -> Content:
    """Return the document from which a scene was made.

    Raises
    ------
    TypeError
        The scene was not made from glTF.
    """
    if not isinstance(scene.asset, Content):
        raise TypeError(f"a scene of glTF is needed, not one of {type(scene.asset).__name__}")
    return scene.asset
