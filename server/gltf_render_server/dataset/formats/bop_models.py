"""The models of a BOP dataset: the model of each object, and the files below ``models/``."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...passes import InstanceRow
from ..records import ObjectRecord
from ..store import StoredItem
from .bop_shapes import Mesh, Origin, Shapes, cofactors
from .diameter import diameter_of

__all__ = ["MM_PER_M", "Models", "PlacedModel", "rigid_and_stretch"]

MM_PER_M = 1000.0

_SAME = 1e-5  # relative to a matrix's largest number; files and simulators store single precision
_FLAT = 1e-6

Floats = NDArray[np.float64]


class PlacedModel(NamedTuple):
    """The model of an object, and its pose in the world.

    Attributes
    ----------
    number : int
        BOP's `obj_id`, from 1.
    rotation : (3, 3) float64
        Model to world.
    translation : (3,) float64
        The position of the model's origin in the world, mm.
    """

    number: int
    rotation: Floats
    translation: Floats


@dataclass(frozen=True)
class _Model:
    """A model that has been written.

    Attributes
    ----------
    number : int
    stretch : (3, 3) float64
        The scale and shear that were applied to the shape, in the object's axes.
    center : (3,) float64
        The centre of the stretched shape's box, metres; it became the model's origin.
    """

    number: int
    stretch: Floats
    center: Floats


@dataclass
class Models:
    """Numbers the different models in the order in which they occur, and writes each one once.

    Objects share a model if their triangles and materials are the same, and their matrices have the same
    scale and shear.

    Parameters
    ----------
    shapes : Shapes
    folder : Path
        The folder for the files of the models.
    """

    shapes: Shapes
    folder: Path
    _known: dict[bytes, list[_Model]] = field(default_factory=dict)
    _infos: dict[str, dict[str, float]] = field(default_factory=dict)
    _sources: dict[str, dict[str, Any]] = field(default_factory=dict)

    def place(self, item: StoredItem, record: ObjectRecord, row: InstanceRow) -> PlacedModel:
        """Return the model of an object and its pose; write the model if it is new.

        Raises
        ------
        DatasetError
            See `Shapes.find`.
        """
        matrix = np.array(record.matrix).reshape(4, 4)
        rotation, stretch = rigid_and_stretch(matrix[:3, :3])
        origin = self.shapes.find(item, record, row)
        model = self._find(origin, stretch) or self._add(origin, stretch, item, record)
        translation = MM_PER_M * (rotation @ model.center + matrix[:3, 3])
        return PlacedModel(model.number, rotation, translation)

    def infos(self) -> dict[str, dict[str, float]]:
        """Return the content of ``models_info.json``: diameters and boxes, by model number, mm."""
        return self._infos

    def sources(self) -> dict[str, dict[str, Any]]:
        """Return the content of ``models_source.json``: the origin of each model, by model number."""
        return self._sources

    def _find(self, origin: Origin, stretch: Floats) -> _Model | None:
        for model in self._known.get(origin.digest, ()):
            if np.abs(model.stretch - stretch).max() <= _SAME * np.abs(model.stretch).max():
                return model
        return None

    def _add(self, origin: Origin, stretch: Floats, item: StoredItem, record: ObjectRecord) -> _Model:
        if np.abs(stretch - np.eye(3)).max() <= _SAME:
            stretch = np.eye(3)
        mesh = self.shapes.read(origin)
        points = mesh.points @ stretch.T
        low, high = points.min(0), points.max(0)
        model = _Model(len(self._infos) + 1, stretch, (low + high) / 2)
        self._known.setdefault(origin.digest, []).append(model)
        points = MM_PER_M * (points - model.center)
        self._write(model, _moved(mesh, points, stretch))
        sizes, half = MM_PER_M * (high - low), MM_PER_M * (low - high) / 2
        self._infos[str(model.number)] = {
            "diameter": diameter_of(points),
            **{f"min_{axis}": value for axis, value in zip("xyz", half.tolist(), strict=True)},
            **{f"size_{axis}": value for axis, value in zip("xyz", sizes.tolist(), strict=True)},
        }
        to_model = np.eye(4)
        to_model[:3] = MM_PER_M * np.column_stack([stretch, -model.center])
        self._sources[str(model.number)] = {
            "name": record.name,
            "category": record.category,
            "file": item.record.assets[origin.sha256],
            "sha256": origin.sha256,
            "object_to_model": to_model.ravel().tolist(),
        }
        return model

    def _write(self, model: _Model, mesh: Mesh) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / f"obj_{model.number:06d}.ply").write_bytes(_ply(mesh))


def rigid_and_stretch(matrix: Floats) -> tuple[Floats, Floats]:
    """Split a matrix into a rotation, and a stretch that comes before it: the polar decomposition.

    Parameters
    ----------
    matrix : (3, 3) float64
        Any matrix.

    Returns
    -------
    rotation : (3, 3) float64
    stretch : (3, 3) float64
        The symmetric matrix of scale and shear; ``rotation @ stretch`` is the matrix. It is negative if the
        matrix mirrors.
    """
    left, sizes, right = np.linalg.svd(matrix)
    rotation = left @ right
    if np.linalg.det(rotation) < 0:
        if sizes[2] > _FLAT * sizes[0]:
            return -rotation, -(right.T * sizes) @ right
        left[:, 2] *= -1
        rotation, sizes = left @ right, sizes * (1, 1, 0)
    return rotation, (right.T * sizes) @ right


def _moved(mesh: Mesh, points: Floats, stretch: Floats) -> Mesh:
    """Return a mesh with stretched points. Mirroring reverses the order of the triangles' corners."""
    normals, corners = mesh.normals @ cofactors(stretch).T, mesh.corners
    if np.linalg.det(stretch) < 0:
        normals, corners = -normals[:, ::-1], corners[:, ::-1]
    length = np.linalg.norm(normals, axis=2, keepdims=True)
    return Mesh(points, corners, normals / np.where(length > 0, length, 1.0))


def _ply(mesh: Mesh) -> bytes:
    """Return an ASCII PLY with a vertex for each different pair of a point and a normal."""
    corners = np.column_stack([mesh.points[mesh.corners.ravel()], mesh.normals.reshape(-1, 3)])
    vertices, numbers = np.unique(corners.astype(np.float32) + np.float32(0), axis=0, return_inverse=True)
    faces = numbers.reshape(-1, 3)
    out = io.BytesIO()
    names = "".join(f"property float {name}\n" for name in ("x", "y", "z", "nx", "ny", "nz"))
    out.write(
        f"ply\nformat ascii 1.0\nelement vertex {len(vertices)}\n{names}"
        f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n".encode()
    )
    np.savetxt(out, vertices, "%.9g")
    np.savetxt(out, np.column_stack([np.full(len(faces), 3), faces]), "%d")
    return out.getvalue()
