"""The meshes that passes look up on, known by their content: what is there is never read again."""

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
    """Arrays of what the corners of each triangle have, (m, 3, c) float32, for the primitives of scenes.

    What no frame has asked for in a while is let go, so that memory does not grow with the scenes that come
    one after another.
    """

    def __init__(self) -> None:
        self._recent: Recent[_Array] = Recent(_MOST_BYTES)
        self._counts: Recent[int] = Recent(_MOST_BYTES)

    def begin_frame(self) -> None:
        """Note that another frame begins, and let go what none of the last ones has asked for."""
        self._recent.begin_round()
        self._counts.begin_round()

    def triangle_count(self, scene: Scene, primitive: int) -> int:
        """Return of how many triangles a primitive consists."""
        key = scene.shapes[primitive]
        return self._counts.get(key, lambda: len(self.corners(scene, primitive)), lambda _: 64)

    def corners(self, scene: Scene, primitive: int) -> _Array:
        """Return where they are, in the primitive's own frame, metres."""

        def read() -> _Array:
            triangles = scene.asset.triangles(scene.primitives[primitive])
            return triangles.vertices[triangles.corners]

        return self._get(("corners", scene.shapes[primitive]), read)

    def box(self, scene: Scene, primitive: int) -> _Array:
        """Return its lowest and its highest corner, (2, 3), in the primitive's own frame, metres."""

        def measure() -> _Array:
            corners = self.corners(scene, primitive)
            return np.stack([corners.min((0, 1)), corners.max((0, 1))])

        return self._get(("box", scene.shapes[primitive]), measure)

    def normals(self, scene: Scene, primitive: int) -> _Array:
        """Return their shading normals, in the primitive's own frame."""
        key = ("normals", scene.meshes[primitive])
        return self._get(key, lambda: scene.asset.normals(scene.primitives[primitive]))

    def texcoords(self, scene: Scene, primitive: int) -> _Array | None:
        """Return their texture coordinates, of the first set; None where there are none."""
        key = ("texcoords", scene.meshes[primitive])
        found = self._get(key, lambda: _some(scene.asset.texcoords(scene.primitives[primitive])))
        return found if len(found) else None

    def _get(self, key: tuple[str, bytes], read: Callable[[], _Array]) -> _Array:
        return self._recent.get(key, read, lambda array: array.nbytes)


def _some(array: _Array | None) -> _Array:
    return np.empty((0, 3, 2), np.float32) if array is None else array
