"""Converts a static scene to requests for consecutive frames, in which objects and camera move a little.

All image types of a frame have the same poses. No two frames have, so that no response can come from a cache.
Independent of servers and time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from collections.abc import Sequence as ListOf
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from gltf_render_server.errors import SceneError
from gltf_render_server.gltf.graph import Graph
from gltf_render_server.gltf.schema import Document
from reporting import ScriptError

from .scenes import ImageType, StillScene

__all__ = ["Alternating", "Changing", "Moving", "SceneRequest", "Sequence", "with_size"]

Matrices = NDArray[np.float64]
Node = dict[str, Any]

_SHIFT_M = 0.01
_TURN_RAD = math.radians(3.0)
_ORBIT_RAD = math.radians(2.0)
_SLOWEST, _FASTEST = 0.2, 0.7  # rad per frame
_PLACES = ("matrix", "translation", "rotation", "scale")


@dataclass(frozen=True)
class SceneRequest:
    """The request for one image: the glTF file, and the form fields without the digest."""

    scene: bytes
    fields: dict[str, str]


class Sequence(Protocol):
    """A sequence of requests. The same frame always gives the same bytes."""

    def request(self, frame: int, image_type: ImageType) -> SceneRequest:
        """Return the request for an image of frame number `frame`, 0 or more."""
        ...


class Moving:
    """A static scene with motion added.

    Parameters
    ----------
    scene : StillScene
    seed : int
        Different seeds give different motions.
    width, height : int, optional
        A size that replaces the scene's own; see `with_size`.

    Raises
    ------
    ScriptError
        The scene's documents cannot be parsed, or differ in their nodes.
    """

    def __init__(
        self, scene: StillScene, seed: int = 0, width: int | None = None, height: int | None = None
    ) -> None:
        self._parts = _parsed(scene)
        self._fields = {kind: with_size(fields, width, height) for kind, fields in scene.fields.items()}
        self._motion = _motion_of(scene, self._parts, seed)
        self._nodes_at = lru_cache(maxsize=1)(self._motion.nodes_at)

    def request(self, frame: int, image_type: ImageType) -> SceneRequest:
        """Return the request for an image of frame number `frame`, 0 or more."""
        document = self._parts[image_type] | {"nodes": self._nodes_at(frame)}
        return SceneRequest(msgspec.json.encode(document), dict(self._fields[image_type]))


class Changing:
    """A different scene in each frame. `make` creates it from the frame's number."""

    def __init__(
        self, make: Callable[[int], StillScene], width: int | None = None, height: int | None = None
    ) -> None:
        self._make = lru_cache(maxsize=1)(make)
        self._size = width, height

    def request(self, frame: int, image_type: ImageType) -> SceneRequest:
        """Return the request for an image of frame number `frame`, 0 or more."""
        scene = self._make(frame)
        fields = with_size(scene.fields[image_type], *self._size)
        return SceneRequest(scene.documents[image_type], fields)


class Alternating:
    """Several sequences that take turns, frame by frame."""

    def __init__(self, sequences: ListOf[Sequence]) -> None:
        self._sequences = sequences

    def request(self, frame: int, image_type: ImageType) -> SceneRequest:
        """Return the request for an image of frame number `frame`, 0 or more."""
        return self._sequences[frame % len(self._sequences)].request(frame, image_type)


def with_size(fields: Mapping[str, str], width: int | None, height: int | None) -> dict[str, str]:
    """Return the form for another image size, with the same vertical field of view and pixel aspect.

    Parameters
    ----------
    fields : mapping of str to str
    width, height : int or None
        Px; None = unchanged.
    """
    old_width, old_height = int(fields["width"]), int(fields["height"])
    width, height = width or old_width, height or old_height
    if (width, height) == (old_width, old_height):
        return dict(fields)
    scale = height / old_height
    focal_x, focal_y = float(fields["focal_x"]) * scale, float(fields["focal_y"]) * scale
    numbers = {
        "focal_x": focal_x,
        "focal_y": focal_y,
        "fov_x": 2 * math.atan(width / 2 / focal_x),
        "fov_y": 2 * math.atan(height / 2 / focal_y),
        "center_x": float(fields["center_x"]) * width / old_width,
        "center_y": float(fields["center_y"]) * scale,
    }
    sizes = {"width": str(width), "height": str(height)}
    return {**fields, **sizes, **{name: repr(number) for name, number in numbers.items()}}


def _parsed(scene: StillScene) -> dict[ImageType, dict[str, Any]]:
    """Parse each document. Everything but the nodes stays text, so that a frame costs only a copy."""
    parsed: dict[int, dict[str, Any]] = {}
    for image_type, data in scene.documents.items():
        if id(data) not in parsed:
            parsed[id(data)] = _parts(data, f"{scene.name}, {image_type}")
    parts = {image_type: parsed[id(data)] for image_type, data in scene.documents.items()}
    first, *others = parts
    for other in others:
        if parts[other]["nodes"] != parts[first]["nodes"]:
            raise ScriptError(
                f"{scene.name}: the nodes of {first} and {other} differ, so they are not of one frame; "
                "record all image types of one moment"
            )
    return parts


def _parts(data: bytes, what: str) -> dict[str, Any]:
    try:
        parts: dict[str, Any] = dict(msgspec.json.decode(data, type=dict[str, msgspec.Raw]))
        parts["nodes"] = msgspec.json.decode(parts["nodes"], type=list[Node])
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError) as error:
        raise ScriptError(f"{what}: is no glTF document: {error}") from error
    return parts


def _motion_of(scene: StillScene, parts: Mapping[ImageType, dict[str, Any]], seed: int) -> _Motion:
    image_type, data = next(iter(scene.documents.items()))
    nodes = parts[image_type]["nodes"]
    try:
        graph = Graph.from_document(msgspec.json.decode(data, type=Document))
    except (msgspec.MsgspecError, SceneError, IndexError) as error:
        raise ScriptError(f"{scene.name}: its nodes cannot be moved: {error}") from error
    return _Motion(nodes, graph, seed)


class _Motion:
    """The motion of the camera and of the nodes with a mesh; they stay near their original poses."""

    def __init__(self, nodes: list[Node], graph: Graph, seed: int) -> None:
        self._nodes = nodes
        self._moved = [index for index in graph.order if _has(nodes[index], "mesh", "camera")]
        self._is_camera = np.array([_has(nodes[index], "camera") for index in self._moved], bool)
        self._rest = graph.world[self._moved]
        self._from_world = np.linalg.inv(_parents_world(nodes, graph))[self._moved]
        meshes = self._rest[~self._is_camera, :2, 3]
        self._pivot = np.median(meshes, axis=0) if len(meshes) else np.zeros(2)
        rng = np.random.default_rng(seed)
        self._phase = rng.uniform(0, 2 * np.pi, (3, len(self._moved)))
        self._speed = rng.uniform(_SLOWEST, _FASTEST, (3, len(self._moved)))

    def nodes_at(self, frame: int) -> list[Node]:
        """Return all nodes, with a ``matrix`` for those that move."""
        local = self._from_world @ self._world_at(frame)
        local[:, 3] = 0, 0, 0, 1  # removes rounding errors
        columns = local.transpose(0, 2, 1).reshape(-1, 16).tolist()
        nodes = list(self._nodes)
        for index, matrix in zip(self._moved, columns, strict=True):
            kept = {name: value for name, value in nodes[index].items() if name not in _PLACES}
            nodes[index] = kept | {"matrix": matrix}
        return nodes

    def _world_at(self, frame: int) -> Matrices:
        """Rotate each object about itself and move it; rotate the camera about the middle of the scene."""
        swing = np.sin(self._phase + self._speed * frame)
        turns = _turns(np.where(self._is_camera, _ORBIT_RAD, _TURN_RAD) * swing[0])
        places = self._rest[:, :2, 3]
        pivots = np.where(self._is_camera[:, None], self._pivot, places)
        world = turns @ self._rest
        around = (turns[:, :2, :2] @ (places - pivots)[:, :, None])[:, :, 0]
        shift = np.where(self._is_camera, 0.0, _SHIFT_M) * swing[1:]
        world[:, :2, 3] = pivots + around + shift.T
        return world


def _has(node: Node, *names: str) -> bool:
    return any(node.get(name) is not None for name in names)


def _parents_world(nodes: list[Node], graph: Graph) -> Matrices:
    """Return the world matrix of each node's parent, (n, 4, 4)."""
    above = np.tile(np.eye(4), (len(nodes), 1, 1))
    for index in graph.order:
        for child in nodes[index].get("children") or ():
            above[child] = graph.world[index]
    return above


def _turns(angles_rad: Matrices) -> Matrices:
    """Return rotations about the vertical axis, (n, 4, 4)."""
    turns = np.tile(np.eye(4), (len(angles_rad), 1, 1))
    cosine, sine = np.cos(angles_rad), np.sin(angles_rad)
    turns[:, 0, 0], turns[:, 0, 1] = cosine, -sine
    turns[:, 1, 0], turns[:, 1, 1] = sine, cosine
    return turns
