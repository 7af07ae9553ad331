"""A cache of mesh data for the passes, with content digests as keys, so that nothing is read twice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..recent import Recent
from ..scene import Scene

__all__ = ["Meshes"]

_MOST_BYTES = 512 * 2**20

_Array = NDArray[np.float32]


class Meshes:
    """A cache of attributes of triangle corners, (m, 3, c) float32, for the primitives of scenes.

    Data that no recent frame has used is evicted, so memory does not grow as one scene follows another.
    """

    def __init__(self) -> None:
        self._recent: Recent[_Array] = Recent(_MOST_BYTES)
        self._counts: Recent[int] = Recent(_MOST_BYTES)

    def begin_frame(self) -> None:
        """Begin another frame, and evict the data that no recent frame has used."""
        self._recent.begin_round()
        self._counts.begin_round()

    def triangle_count(self, scene: Scene, primitive: int) -> int:
        """Return the number of triangles of a primitive."""
        key = scene.shapes[primitive]
        return self._counts.get(key, lambda: len(self.corners(scene, primitive)), lambda _: 64)

    def corners(self, scene: Scene, primitive: int) -> _Array:
        """Return the positions of its triangles' corners, in the primitive's own frame, metres."""

        def read() -> _Array:
            triangles = scene.asset.triangles(scene.primitives[primitive])
            return triangles.vertices[triangles.corners]

        return self._get(("corners", scene.shapes[primitive]), read)

    def box(self, scene: Scene, primitive: int) -> _Array:
        """Return its lowest and highest corners, (2, 3), in the primitive's own frame, metres."""

        def measure() -> _Array:
            corners = self.corners(scene, primitive)
            return np.stack([corners.min((0, 1)), corners.max((0, 1))])

        return self._get(("box", scene.shapes[primitive]), measure)

    def normals(self, scene: Scene, primitive: int) -> _Array:
        """Return the shading normals at its triangles' corners, in the primitive's own frame."""
        key = ("normals", scene.meshes[primitive])
        return self._get(key, lambda: scene.asset.normals(scene.primitives[primitive]))

    def texcoords(self, scene: Scene, primitive: int) -> _Array | None:
        """Return the first set of texture coordinates of its triangles' corners; None if there is none."""
        key = ("texcoords", scene.meshes[primitive])
        found = self._get(key, lambda: _some(scene.asset.texcoords(scene.primitives[primitive])))
        return found if len(found) else None

    def _get(self, key: tuple[str, bytes], read: Callable[[], _Array]) -> _Array:
        return self._recent.get(key, read, lambda array: array.nbytes)


def _some(array: _Array | None) -> _Array:
    return np.empty((0, 3, 2), np.float32) if array is None else array
