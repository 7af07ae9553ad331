"""The triangles of objects for BOP's models, read from the files that were rendered.

A store keeps only the paths and digests of these files, so the files must still exist. An object is looked up
in the item's document; or in the file that contains nothing but the object; or, if the document was changed
before rendering, by its name in the files that the document was made of. The shape must fill the 3D box in
the item's table; otherwise, it is not the one that was rendered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from ...errors import DatasetError, RequestError
from ...gltf import Asset, read_asset
from ...gltf.container import open_container
from ...gltf.decoding import decode
from ...limits import Limits
from ...passes import InstanceRow
from ...scene import Primitive, Scene
from ..embedding import read_document
from ..records import ObjectRecord
from ..store import StoredItem

__all__ = ["Mesh", "Origin", "Shapes", "cofactors"]

_NO_LIMITS = Limits(10**12, 10**12, 10**12, 10**15)
"""The file was rendered before, so no limits are needed."""

_MOST_KNOWN = 4096  # cached objects, of about a kilobyte each
_DECIMALS = 9  # to which the matrices of an object's parts are rounded
_BOX_TOLERANCE = 1e-4  # relative to the box's size, which is stored in single precision

Floats = NDArray[np.float64]


class Mesh(NamedTuple):
    """A mesh of triangles.

    Attributes
    ----------
    points : (n, 3) float64
        Metres.
    corners : (m, 3) int
        Indices into `points`.
    normals : (m, 3, 3) float64
        Shading normals at the corners of the triangles.
    """

    points: Floats
    corners: NDArray[np.intp]
    normals: Floats


@dataclass(frozen=True)
class Origin:
    """Where the shape of an object is read from.

    Attributes
    ----------
    path : Path
    sha256 : str
        The SHA-256 of the glTF document.
    time_s : float
        The time of the document's animation.
    instance : int or None
        The index of the object in the document; None = the whole document.
    digest : bytes
        Origins with equal digests have equal shapes and materials.
    """

    path: Path
    sha256: str
    time_s: float
    instance: int | None
    digest: bytes


class _Part(NamedTuple):
    """A primitive, and its matrix in the object's axes."""

    primitive: Primitive
    matrix: Floats


class Shapes:
    """Finds and reads the shapes of objects.

    Parameters
    ----------
    folders : sequence of Path
        The folders in which relative paths are looked up, in this order.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._boxes: dict[bytes, Floats] = {}
        self._paths: dict[str, Path] = {}
        self._asset = lru_cache(maxsize=2)(_read)
        self._scene = lru_cache(maxsize=2)(self._read_scene)
        self._origin = lru_cache(maxsize=_MOST_KNOWN)(self._find_origin)
        self._by_name = lru_cache(maxsize=_MOST_KNOWN)(self._find_names)

    def find(self, item: StoredItem, record: ObjectRecord, row: InstanceRow) -> Origin:
        """Return the origin of an object's shape.

        Parameters
        ----------
        item : StoredItem
        record : ObjectRecord
            The object's record in the item.
        row : InstanceRow
            The object's row in the table of any view.

        Raises
        ------
        DatasetError
            A file is missing or was changed, no file contains the object as it was rendered, or a skin bends
            the object.
        """
        box = np.array([row.box_3d.low, row.box_3d.high])
        found = next((origin for origin in self._origins(item, record) if self._fits(origin, box)), None)
        if found is None:
            raise DatasetError(
                f"{item.folder}: BOP needs the triangles of object {record.number} ({record.name[:40]!r}), "
                "but none of the item's files contains it as it was rendered; put the object into a file of "
                "its own, or name it in categories.background, and render the dataset again"
            )
        return found

    def read(self, origin: Origin) -> Mesh:
        """Read a shape in the object's axes."""
        asset, meshes, first = self._asset(origin.path, origin.sha256), [], 0
        for primitive, matrix in _parts(
            self._scene(origin.path, origin.sha256, origin.time_s), origin.instance
        ):
            triangles = asset.triangles(primitive)
            turn = matrix[:3, :3]
            points = triangles.vertices.astype(np.float64) @ turn.T + matrix[:3, 3]
            normals = asset.normals(primitive) @ cofactors(turn).T
            corners = triangles.corners.astype(np.intp)
            if np.linalg.det(turn) < 0:
                corners, normals = corners[:, ::-1], -normals[:, ::-1]
            meshes.append(Mesh(points, corners + first, normals))
            first += len(points)
        return Mesh(*(np.concatenate(arrays) for arrays in zip(*meshes, strict=True)))

    def _origins(self, item: StoredItem, record: ObjectRecord) -> Iterator[Origin]:
        """Yield the possible origins of an object, the likeliest first."""
        item_record, time_s = item.record, item.record.time_s
        if item_record.document in item_record.assets:
            yield self._origin(
                self._path(item, item_record.document), item_record.document, time_s, record.number - 1
            )
        elif record.asset is not None:
            yield self._origin(self._path(item, record.asset), record.asset, time_s, None)
        else:
            for sha256 in item_record.assets:
                path = self._path(item, sha256)
                names = self._by_name(path, sha256, time_s)
                for index in (index for name in _names_before(record.name) for index in names.get(name, ())):
                    yield self._origin(path, sha256, time_s, index)

    def _find_names(self, path: Path, sha256: str, time_s: float) -> dict[str, list[int]]:
        """Return the indices of a document's objects by their names."""
        scene = self._scene(path, sha256, time_s)
        found: dict[str, list[int]] = {}
        for index, node in enumerate(scene.instances.node.tolist()):
            if name := scene.asset.node_name(node):
                found.setdefault(name, []).append(index)
        return found

    def _find_origin(self, path: Path, sha256: str, time_s: float, instance: int | None) -> Origin:
        scene = self._scene(path, sha256, time_s)
        parts = list(_parts(scene, instance))
        if not parts:
            raise DatasetError(
                f"{path}: the file has {len(scene.instances)} objects, which are not those that were rendered"
            )
        if any(primitive.pose for primitive, _ in parts):
            raise DatasetError(
                f"{path}: a skin bends {_name(scene, instance)}, but BOP has rigid models only; "
                "name the object in categories.background of the specification and render the dataset again"
            )
        state = blake3()
        for primitive, matrix in parts:
            state.update(b"".join(scene.asset.surface(primitive)))
            state.update((np.round(matrix, _DECIMALS) + 0.0).tobytes())
        return Origin(path, sha256, time_s, instance, state.digest())

    def _fits(self, origin: Origin, box: Floats) -> bool:
        """Whether a shape fills a box, (2, 3): the box's lowest and highest corner."""
        if origin.digest not in self._boxes:
            points = self.read(origin).points
            self._boxes[origin.digest] = np.stack([points.min(0), points.max(0)])
        size = np.ptp(box, 0).max() + 1e-3 * np.abs(box).max()
        return bool((np.abs(self._boxes[origin.digest] - box) <= _BOX_TOLERANCE * size).all())

    def _path(self, item: StoredItem, sha256: str) -> Path:
        """Return the path of a file with this digest. Each file is digested once."""
        if sha256 not in self._paths:
            self._paths[sha256] = self._find_path(item, sha256)
        return self._paths[sha256]

    def _find_path(self, item: StoredItem, sha256: str) -> Path:
        named = item.record.assets.get(sha256)
        if named is None:
            raise DatasetError(f"{item.folder}: item.json names no asset with the SHA-256 {sha256}")
        found = [path for folder in self._folders if (path := folder / named).is_file()]
        for path in found:
            if _digest(path) == sha256:
                return path
        why = (
            f"{found[0]} has different content now"
            if found
            else f"there is no such file in {_listed(self._folders)}"
        )
        raise DatasetError(
            f"{item.folder}: BOP needs the triangles of {named} with the SHA-256 {sha256}, but {why}; "
            "restore the file that was rendered"
        )

    def _read_scene(self, path: Path, sha256: str, time_s: float) -> Scene:
        return self._asset(path, sha256).scene(time_s=time_s)


def cofactors(matrix: Floats) -> Floats:
    """Return the cofactors of a (3, 3) matrix, which transform normals as the matrix transforms surfaces."""
    a, b, c = matrix
    return np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)])


def _names_before(name: str) -> list[str]:
    """Return the names that a node may have had before composition renamed it to ``name/node``."""
    parts = name.split("/")
    return ["/".join(parts[first:]) for first in range(len(parts))]


def _listed(folders: Sequence[Path]) -> str:
    return " or ".join(map(str, folders))


def _name(scene: Scene, instance: int | None) -> str:
    return (
        "the object" if instance is None else repr(scene.asset.node_name(int(scene.instances.node[instance])))
    )


def _digest(path: Path) -> str | None:
    """Return the digest of a document with its external files; None = it cannot be read as one."""
    try:
        return read_document(path).sha256
    except RequestError:
        return None


def _read(path: Path, sha256: str) -> Asset:
    """Read a document with any required extensions: the back end that rendered it supported them."""
    try:
        data = read_document(path).data
        required = decode(open_container(data).json).get("extensionsRequired") or ()
        return read_asset(data, extensions=frozenset(required), limits=_NO_LIMITS)
    except RequestError as error:
        raise DatasetError(f"{path}: {error}") from error


def _parts(scene: Scene, instance: int | None) -> Iterator[_Part]:
    """Yield the parts of an object in its axes; if `instance` is None, all parts in the scene's axes."""
    placements = scene.placements
    to_object = np.eye(4) if instance is None else np.linalg.pinv(scene.instances.matrix[instance])
    for primitive, matrix, whose in zip(
        placements.primitive.tolist(), placements.matrix, placements.instance.tolist(), strict=True
    ):
        if instance in (None, whose):
            yield _Part(scene.primitives[primitive], to_object @ matrix)
