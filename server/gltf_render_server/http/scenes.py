"""The scene cache: scenes that are uploaded once and rendered many times, by the digest of their bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakValueDictionary

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..errors import SceneNotFoundError, SceneNotKeptError
from ..gltf import Asset
from ..gltf.decoding import BYTES_OF_AN_OBJECT
from ..limits import ask_time
from ..recording import Document
from ..scene import Scene

__all__ = ["CameraDescription", "KeptScene", "SceneDescription", "SceneStore", "keep_asset"]

_MOST_LISTED = 100
_WARNING_CHARACTERS = 300
_LEAST_BYTES = 16 * 1024
"""The least memory that is counted for a scene, however small it is."""

_BYTES_OF_A_WEIGHT = 32
"""The size of a Python float and of its place in a tuple."""


class CameraDescription(msgspec.Struct, frozen=True):
    """A camera in the document of a scene."""

    index: int
    name: str


class SceneDescription(msgspec.Struct, frozen=True):
    """The content of a cached scene.

    The bounds are the lowest and highest x, y and z of what is drawn, in the file's own world axes; null =
    nothing is drawn. They may be larger than necessary for rotated objects.
    """

    scene: str
    bytes: int
    memory_bytes: int
    instances: int
    triangles: int
    bounds: list[list[float]] | None
    cameras: list[CameraDescription]
    animations: list[str]
    warnings: list[str]


@dataclass(frozen=True, eq=False)
class KeptScene:
    """A cached document, which has passed every check.

    Attributes
    ----------
    sha256 : str
        The SHA-256 digest of the file's bytes in lower-case hex digits.
    file_bytes : int
        The length of the file.
    asset : Asset
        The asset, which has a key.
    scene : Scene
        The scene of the asset without poses and at time 0.
    size : int
        The approximate memory that it takes, in bytes.
    document : Document or None
        The original file, if an observer needs it.
    """

    sha256: str
    file_bytes: int
    asset: Asset
    scene: Scene
    size: int
    document: Document | None = None

    @cached_property
    def description(self) -> SceneDescription:
        """A description of its content, of limited length."""
        scene = self.scene
        names = (animation.get("name") for animation in self.asset.json.get("animations") or ())
        triangles, bounds = _measure(scene)
        return SceneDescription(
            scene=self.sha256,
            bytes=self.file_bytes,
            memory_bytes=self.size,
            instances=len(scene.instances),
            triangles=triangles,
            bounds=bounds,
            cameras=[
                CameraDescription(camera.camera, camera.name) for camera in scene.cameras[:_MOST_LISTED]
            ],
            animations=[name if isinstance(name, str) else "" for name in names][:_MOST_LISTED],
            warnings=[warning[:_WARNING_CHARACTERS] for warning in scene.warnings[:_MOST_LISTED]],
        )


def keep_asset(sha256: str, file_bytes: int, asset: Asset, document: Document | None = None) -> KeptScene:
    """Return a cache entry for a checked document, with its digest and its size in memory."""
    asset = asset if asset.key else asset.keyed(bytes.fromhex(sha256))
    scene = asset.scene()
    return KeptScene(sha256, file_bytes, asset, scene, _size(scene, asset, file_bytes), document)


class SceneStore:
    """A cache that evicts the least recently used scenes. It is thread-safe.

    An evicted scene stays in memory until the requests that use it have finished.

    Parameters
    ----------
    max_bytes : int
    most : int, optional
        The limit for the number of scenes.
    """

    def __init__(self, max_bytes: int, most: int | None = None) -> None:
        self._max_bytes = max_bytes
        self._most = most
        self._scenes: OrderedDict[str, KeptScene] = OrderedDict()
        self._uploads: WeakValueDictionary[str, Any] = WeakValueDictionary()
        self._lock = threading.Lock()

    def find(self, sha256: str) -> KeptScene:
        """Return a scene, and mark it as the most recently used.

        Raises
        ------
        SceneNotFoundError
        """
        with self._lock:
            found = self._scenes.get(sha256)
            if found is not None:
                self._scenes.move_to_end(sha256)
                return found
        raise SceneNotFoundError(
            f"scene: this server has none with the digest {sha256}; send it with PUT "
            f"/v1/scenes/{sha256}, then ask again"
        )

    def add(
        self,
        sha256: str,
        make: Callable[[], KeptScene],
        wait: Callable[[threading.Lock], AbstractContextManager[Any]],
    ) -> tuple[KeptScene, bool]:
        """Return a scene, and whether it was made now. If several threads add the same scene, one makes it.

        A scene that is larger than the whole cache is returned, but not cached.

        Parameters
        ----------
        sha256 : str
        make : callable
            Reads and checks the scene.
        wait : callable
            Acquires a lock in a ``with`` statement. It may raise an error while it waits.
        """
        with self._lock:
            upload = self._uploads.setdefault(sha256, threading.Lock())
        with wait(upload):
            try:
                return self.find(sha256), False
            except SceneNotFoundError:
                made = make()
            self._keep(made)
            return made, True

    def discard(self, sha256: str) -> None:
        """Remove a scene from the cache.

        Raises
        ------
        SceneNotFoundError
        """
        self.find(sha256)
        with self._lock:
            self._scenes.pop(sha256, None)

    def check_size(self, scene: KeptScene) -> None:
        """Reject a scene that is too large for the cache.

        Raises
        ------
        SceneNotKeptError
        """
        if scene.size > self._max_bytes:
            raise SceneNotKeptError(
                f"scene: takes {scene.size / 1e6:.1f} MB of memory; this server keeps "
                f"{self._max_bytes / 1e6:g} MB (option --scene-cache-mb): send the scene beside the "
                "frame, as a part of the same form"
            )

    def _keep(self, scene: KeptScene) -> None:
        if scene.size > self._max_bytes:
            return
        with self._lock:
            self._scenes[scene.sha256] = scene
            size = sum(kept.size for kept in self._scenes.values())
            while size > self._max_bytes or (self._most is not None and len(self._scenes) > self._most):
                size -= self._scenes.popitem(last=False)[1].size


def _size(scene: Scene, asset: Asset, file_bytes: int) -> int:
    """Estimate the memory that a scene takes.

    The buffer of a GLB refers to the file, so the whole file stays in memory, in addition to the decoded
    data. Of other files, only the buffers and images stay.
    """
    parts = {name: part for name, part in asset.json.items() if name != "images"}
    text = msgspec.json.encode([parts, asset.source.nodes])
    images = msgspec.json.encode(asset.json.get("images") or [])
    arrays = [scene.placements.primitive, scene.placements.matrix, scene.placements.instance]
    arrays += [scene.instances.node, scene.instances.matrix]
    data = max(file_bytes, sum(map(len, asset.buffers))) + len(images) + asset.animation.nbytes
    data += sum(array.nbytes for array in arrays) + _pose_bytes(scene)
    data += asset.hierarchy.nbytes + asset.rest.nbytes
    return _LEAST_BYTES + data + BYTES_OF_AN_OBJECT * len(text)


def _pose_bytes(scene: Scene) -> int:
    """Return the memory of the joint matrices and morph weights, which primitives share."""
    poses = {id(primitive.pose): len(primitive.pose) for primitive in scene.primitives}
    weights = {id(primitive.weights): len(primitive.weights) for primitive in scene.primitives}
    return sum(poses.values()) + _BYTES_OF_A_WEIGHT * sum(weights.values())


def _measure(scene: Scene) -> tuple[int, list[list[float]] | None]:
    """Count the drawn triangles, and compute their bounds from the transformed box of each primitive."""
    counts, corners = [], []
    for primitive in scene.primitives:
        ask_time()
        triangles = scene.asset.triangles(primitive)
        counts.append(len(triangles.corners))
        corners.append(_box_corners(triangles.vertices))
    if not len(scene.placements):
        return 0, None
    shown = scene.placements.primitive
    points = np.einsum("nij,nkj->nki", scene.placements.matrix, np.array(corners)[shown])[..., :3]
    bounds = [points.min((0, 1)).tolist(), points.max((0, 1)).tolist()]
    return int(np.array(counts)[shown].sum()), bounds


def _box_corners(points: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the corners of the bounding box of points, (8, 4), in homogeneous coordinates."""
    low, high = points.min(0).astype(float), points.max(0).astype(float)
    corners = np.array([*np.ndindex(2, 2, 2)])
    return np.c_[np.where(corners, high, low), np.ones(8)]
