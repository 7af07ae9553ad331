"""Meshes as the files that Drake loads: glTF with materials, OBJ for physics or a plain colour."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tabletop.document import Thing, model_of
from tabletop.shapes import Surface
from tabletop.wares import Parts

__all__ = ["Models"]


class Models:
    """Writes meshes into a folder, under the names that it is given.

    Parameters
    ----------
    folder : Path
        Must last as long as what Drake made of the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def gltf(self, name: str, parts: Parts) -> str:
        """Write surfaces with their materials; return the file's path."""
        text = json.dumps(model_of(Thing(name, parts, np.eye(4))), separators=(",", ":"))
        return self._write(f"{name}.gltf", text)

    def obj(self, name: str, surface: Surface) -> str:
        """Write a surface alone, flat shaded; return the file's path."""
        corners = surface.positions[surface.triangles]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        lines = [
            *(f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in surface.positions),
            *(f"vn {x:.6f} {y:.6f} {z:.6f}" for x, y, z in normals),
            *(f"f {a}//{n} {b}//{n} {c}//{n}" for n, (a, b, c) in enumerate(surface.triangles + 1, start=1)),
        ]
        return self._write(f"{name}.obj", "\n".join(lines) + "\n")

    def _write(self, name: str, text: str) -> str:
        path = self._folder / name
        path.write_text(text)
        return str(path)
