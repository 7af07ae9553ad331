"""Writes meshes as files for Drake: glTF with materials, or OBJ for physics and plain colours."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray

import still_life
from trimesh_document import document_of

__all__ = ["Models", "rounded_box"]


class Models:
    """Writes meshes to a folder, under given names.

    Parameters
    ----------
    folder : Path
        The folder. It must exist as long as Drake uses the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def still_life(self, name: str, pose: NDArray[np.float64] | None = None) -> str:
        """Write an object of the still life, and return the path. See `still_life.model`."""
        return self._gltf(name, still_life.model(name, pose))

    def painted(self, name: str, mesh: trimesh.Trimesh, rgb: Sequence[float], **material: float) -> str:
        """Write a mesh with one linear colour, and return the path.

        Parameters
        ----------
        name : str
        mesh : trimesh.Trimesh
            z-up, metres.
        rgb : (3,), linear
        material : metallicFactor, roughnessFactor
        """
        factors = {"baseColorFactor": [*rgb, 1.0], "metallicFactor": 0.0} | material
        document = document_of(trimesh.Scene(mesh), normals=True)
        document["materials"] = [{"pbrMetallicRoughness": factors}]
        document["meshes"][0]["primitives"][0]["material"] = 0
        root = document["scenes"][0]["nodes"][0]
        document["nodes"][root]["rotation"] = [-(0.5**0.5), 0.0, 0.0, 0.5**0.5]  # from z-up to y-up
        document["nodes"][root].pop("matrix", None)
        return self._gltf(name, document)

    def obj(self, name: str, mesh: trimesh.Trimesh) -> str:
        """Write a mesh without a material, flat shaded, and return the path."""
        path = self._folder / f"{name}.obj"
        corners = mesh.triangles.reshape(-1, 3)
        normals = np.repeat(mesh.face_normals, 3, axis=0)
        faces = np.arange(len(corners)).reshape(-1, 3)
        flat = trimesh.Trimesh(corners, faces, vertex_normals=normals, process=False)
        flat.export(path, include_normals=True)
        return str(path)

    def _gltf(self, name: str, document: dict[str, Any]) -> str:
        path = self._folder / f"{name}.gltf"
        path.write_text(json.dumps(document, separators=(",", ":")))
        return str(path)


def rounded_box(size: Sequence[float], radius: float, subdivisions: int = 2) -> trimesh.Trimesh:
    """Return a box around the origin with rounded edges: the eight octants of a ball, moved apart."""
    ball = trimesh.creation.icosphere(subdivisions, radius=radius)
    corners = np.where(ball.vertices < 0, -1, 1) * (np.divide(size, 2) - radius)
    normals = ball.vertices / radius
    return trimesh.Trimesh(ball.vertices + corners, ball.faces, vertex_normals=normals, process=False)
