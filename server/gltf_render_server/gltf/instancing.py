"""EXT_mesh_gpu_instancing: a node's mesh, drawn as often as its attributes say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import SceneError
from . import schema
from .extensions import INSTANCING
from .graph import check_reach, trs_matrices
from .resources import Data, read_values

__all__ = ["instance_accessors", "instance_count", "instance_matrices"]

_WIDTHS = {"TRANSLATION": 3, "ROTATION": 4, "SCALE": 3}


def instance_accessors(document: schema.Document, node: int) -> dict[str, int] | None:
    """Return the accessors that place a node's instances, by attribute; None = it has no instances.

    Those that have an application's own attributes alone are placed by none.

    Raises
    ------
    SceneError
        The extension is broken.
    """
    attributes = _attributes(document, node)
    if attributes is None:
        return None
    return {name: attributes[name] for name in _WIDTHS if name in attributes}


def instance_count(document: schema.Document, node: int) -> int:
    """Tell how often a node's mesh is drawn, without reading anything."""
    attributes = _attributes(document, node)
    return 1 if attributes is None else document.accessors[next(iter(attributes.values()))].count


def _attributes(document: schema.Document, node: int) -> dict[str, int] | None:
    """Return the accessors of all attributes, at least one; they have the same count."""
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


def instance_matrices(
    document: schema.Document, buffers: Sequence[Data], node: int, world: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the world matrices of a node's mesh, (n, 4, 4); world is the node's own.

    Raises
    ------
    SceneError
        An attribute is of the wrong type, not finite, or too far away.
    """
    accessors = instance_accessors(document, node)
    if accessors is None:
        return world[None]
    count, where = instance_count(document, node), _where(node)
    columns = {
        name: _attribute(document, buffers, accessor, _WIDTHS[name], f"{where}.attributes.{name}")
        for name, accessor in accessors.items()
    }
    rotation = columns.get("ROTATION", np.tile([0.0, 0.0, 0.0, 1.0], (count, 1)))
    local = trs_matrices(
        columns.get("TRANSLATION", np.zeros((count, 3))),
        rotation / np.linalg.norm(rotation, axis=1, keepdims=True).clip(1e-9),
        columns.get("SCALE", np.ones((count, 3))),
    )
    matrices = world @ local
    check_reach(matrices, [where] * count)
    return matrices


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
