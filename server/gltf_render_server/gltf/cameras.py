"""The cameras of a document: their poses, and their fields of view."""

from __future__ import annotations

import math
from typing import Any

from ..errors import SceneError
from ..limits import ask_time
from ..scene import Scene, SceneCamera, nearest_rigid
from . import schema
from .content import content_of
from .graph import Graph, Matrices
from .materials import is_of_drake

__all__ = ["find_camera", "place_cameras"]


def place_cameras(document: schema.Document, graph: Graph) -> tuple[SceneCamera, ...]:
    """Find the cameras in the default scene. The document's indices must have been checked."""
    placed = []
    for index in graph.order:
        node = document.nodes[index]
        if node.camera is None:
            continue
        ask_time()
        camera = document.cameras[node.camera]
        lens = camera.get("perspective")
        placed.append(
            SceneCamera(
                camera=node.camera,
                node=index,
                name=_name(node.name, camera.get("name")),
                camera_to_world=_rigid(graph, index),
                y_fov_rad=_positive(lens, "yfov"),
                near=_positive(lens, "znear"),
                far=_positive(lens, "zfar"),
            )
        )
    return tuple(placed)


def _rigid(graph: Graph, node: int) -> Matrices:
    """Return the rigid pose nearest to a node's transform, (4, 4), without mirroring or flattening."""
    rigid = nearest_rigid(graph.world[node])
    return graph.rigid(node) if rigid is None else rigid


def find_camera(scene: Scene, number: int = 0) -> SceneCamera:
    """Return the first camera of a scene with a given index in the document.

    Raises
    ------
    SceneError
        There is no such camera.
    """
    for camera in scene.cameras:
        if camera.camera == number:
            return camera
    document = content_of(scene).source
    if not document.cameras and is_of_drake(document.asset.generator):
        raise SceneError(
            "there is no camera. Drake sends none for a scene without any primitive or OBJ: add a tiny "
            "primitive with a perception role, such as a box of 1 mm",
            "$.cameras",
        )
    what = "no node of the scene that is shown holds it" if document.cameras else "there is none"
    raise SceneError(
        f"the scene is seen from cameras[{number}], but {what}; add a camera, and to the scene a node whose "
        f"camera is {number}",
        "$.cameras",
    )


def _name(*values: object) -> str:
    """Return the first value that is a usable name."""
    return next((value for value in values if isinstance(value, str) and value), "")


def _positive(lens: object, name: str) -> float | None:
    """Return a positive number of a camera, or None; an invalid one only matters if that camera is used."""
    value: Any = lens.get(name) if isinstance(lens, dict) else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 < value < math.inf else None
