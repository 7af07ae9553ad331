"""What a glTF document holds, read and checked; what is made of it is for the modules above."""

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
        The document after repairs, without its nodes; not to be changed.
    source : schema.Document
        The same with its nodes, typed.
    buffers : tuple of bytes-like
        The document's buffers, decoded; their text is dropped from `json` and `source`.
    """

    json: dict[str, Any]
    source: schema.Document
    buffers: tuple[Data, ...]


def with_nodes(source: schema.Document, changed: Mapping[int, schema.Node]) -> schema.Document:
    """Return a document in which some nodes, by their numbers, are others."""
    if not changed:
        return source
    nodes = list(source.nodes)
    for index, node in changed.items():
        nodes[index] = node
    return msgspec.structs.replace(source, nodes=nodes)


def content_of(scene: Scene) -> Content:
    """Return the document that a scene's surfaces and lights are read from.

    Raises
    ------
    TypeError
        The scene was not read from glTF.
    """
    if not isinstance(scene.asset, Content):
        raise TypeError(f"a scene of glTF is needed, not one of {type(scene.asset).__name__}")
    return scene.asset
