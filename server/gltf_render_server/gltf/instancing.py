"""EXT_mesh_gpu_instancing: draws the mesh of a node several times, as given by instance attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import SceneError
from . import schema
from .extensions import INSTANCING
from .graph import Graph, check_reach, trs_matrices
from .resources import Data, read_values

__all__ = ["Copies", "CopiesBuilder", "instance_accessors", "instance_count"]

_WIDTHS = {"TRANSLATION": 3, "ROTATION": 4, "SCALE": 3}


def instance_accessors(document: schema.Document, node: int) -> dict[str, int] | None:
    """Return the accessors that place a node's instances, by attribute; None if it has no instances.

    A node whose instances have only application-specific attributes gets an empty dictionary.

    Raises
    ------
    SceneError
        The extension's data is invalid.
    """
    attributes = _attributes(document, node)
    if attributes is None:
        return None
    return {name: attributes[name] for name in _WIDTHS if name in attributes}


def instance_count(document: schema.Document, node: int) -> int:
    """Return how many times a node's mesh is drawn, without reading the accessors."""
    attributes = _attributes(document, node)
    return 1 if attributes is None else document.accessors[next(iter(attributes.values()))].count


def _attributes(document: schema.Document, node: int) -> dict[str, int] | None:
    """Return the accessors of all instance attributes, at least one; all have the same count."""
    extensions = document.nodes[node].extensions or {}
    if extensions.get(INSTANCING) is None:
        return None
    where = _where(node)
    extension = extensions[INSTANCING]
    attributes = extension.get("attributes") if isinstance(extension, dict) else None
    if not isinstance(attributes, dict) or not attributes:
        raise SceneError("has no attributes", where)
    for name, accessor in attributes.items():
        if type(accessor) is not int or not 0 <= accessor < len(document.accessors):
            raise SceneError(f"there is no accessor {str(accessor)[:20]}", f"{where}.attributes.{name[:40]}")
    if len({document.accessors[accessor].count for accessor in attributes.values()}) > 1:
        raise SceneError("its attributes have different counts", where)
    return attributes


@dataclass(frozen=True, eq=False)
class Copies:
    """The copies of nodes' meshes. Most nodes have one copy, at the node's own place.

    Attributes
    ----------
    node : (n,) int
        The node of each copy.
    instanced : (m,) int
        The indices of the copies that the extension places.
    local : (m, 4, 4) float64
        The local matrices of these copies relative to their nodes.
    """

    node: NDArray[np.intp]
    instanced: NDArray[np.intp]
    local: NDArray[np.float64]

    def matrices(self, graph: Graph) -> NDArray[np.float64]:
        """Return the world matrices of the copies, (n, 4, 4).

        Raises
        ------
        SceneError
            A copy is too far away.
        """
        matrices = graph.world[self.node]
        placed = matrices[self.instanced] @ self.local
        check_reach(placed, lambda index: _where(int(self.node[self.instanced[index]])))
        matrices[self.instanced] = placed
        return matrices


class CopiesBuilder:
    """Collects the copies of a document's meshes, node by node.

    Parameters
    ----------
    document : Document
    buffers : sequence of bytes-like
    """

    def __init__(self, document: schema.Document, buffers: Sequence[Data]) -> None:
        self._document = document
        self._buffers = buffers
        self._nodes: list[int] = []
        self._instanced: list[int] = []
        self._local: list[NDArray[np.float64]] = []

    def add(self, node: int) -> Sequence[int]:
        """Add the copies of a node, and return their indices.

        Raises
        ------
        SceneError
            An attribute has the wrong type, or is not finite.
        """
        local = _local_matrices(self._document, self._buffers, node)
        if local is None:
            return self.add_once(node)
        numbers = self._add(node, len(local))
        self._instanced += numbers
        self._local.append(local)
        return numbers

    def add_once(self, node: int) -> Sequence[int]:
        """Add a single copy at the node's own place, whatever instances the node has, and return its index.

        A skin, which places the whole mesh, leaves nothing for instances to place.
        """
        return self._add(node, 1)

    def copies(self) -> Copies:
        """Return the copies that were added."""
        local = np.concatenate([np.empty((0, 4, 4)), *self._local])
        return Copies(np.array(self._nodes, np.intp), np.array(self._instanced, np.intp), local)

    def _add(self, node: int, count: int) -> Sequence[int]:
        first = len(self._nodes)
        self._nodes += [node] * count
        return range(first, len(self._nodes))


def _local_matrices(
    document: schema.Document, buffers: Sequence[Data], node: int
) -> NDArray[np.float64] | None:
    """Return the local matrices of a node's instances, (n, 4, 4); None if the node is not instanced."""
    accessors = instance_accessors(document, node)
    if accessors is None:
        return None
    count, where = instance_count(document, node), _where(node)
    columns = {
        name: _attribute(document, buffers, accessor, _WIDTHS[name], f"{where}.attributes.{name}")
        for name, accessor in accessors.items()
    }
    rotation = columns.get("ROTATION", np.tile([0.0, 0.0, 0.0, 1.0], (count, 1)))
    return trs_matrices(
        columns.get("TRANSLATION", np.zeros((count, 3))),
        rotation / np.linalg.norm(rotation, axis=1, keepdims=True).clip(1e-9),
        columns.get("SCALE", np.ones((count, 3))),
    )


def _attribute(
    document: schema.Document, buffers: Sequence[Data], accessor: int, width: int, where: str
) -> NDArray[np.float64]:
    item = document.accessors[accessor]
    values = read_values(document, buffers, accessor)
    is_float = values.dtype == np.float32 or (item.normalized and width == 4)
    if values.shape[1] != width or not is_float or not np.isfinite(values).all():
        raise SceneError(f"must be {width} finite floats each", where)
    return values.astype(float)


def _where(node: int) -> str:
    return f"$.nodes[{node}].extensions.{INSTANCING}"
