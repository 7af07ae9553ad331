"""Bytes -> Scene: decoded, repaired, checked, and flattened to what is drawn where."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..errors import SceneError
from . import schema
from .checks import check_geometry, check_indices, is_compressed
from .digests import Digest, Surface, light_digests, shape_digests, surface_digests
from .exposure import light_scale
from .extensions import INSTANCING
from .graph import Graph, check_reach, nearest_rigid, thickened, trs_matrices
from .lights import LightPlacement, place_lights
from .materials import DRAKE_GENERATORS
from .repair import repair_draco, repair_json
from .resources import check_images, check_views, decode_buffers, read_values
from .skins import Pose, check_weights, is_skinned, read_pose

__all__ = ["Placements", "Primitive", "Scene", "parse_scene"]

_FIRST_SURFACE_MODE = 4  # points and lines come before it, and draw nothing
_MOST_PLACEMENTS = 200_000
_DEEPEST = 100  # levels of JSON; glTF itself needs ten, extras a few more
_OWN_WORK = frozenset({INSTANCING})
"""Extensions that are dealt with here, whatever the importer knows."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Primitive:
    """A surface with one material.

    Attributes
    ----------
    mesh, number : int
        Its place in the document, ``$.meshes[mesh].primitives[number]``.
    material : int or None
    has_normals : bool
    is_smoothed : bool
        Whether it is shaded round where its faces meet at less than 30 degrees: Drake writes no normals.
        Anything else that has none is shaded flat, as glTF asks.
    is_compressed : bool
        Whether only the importer can read its geometry.
    weights : tuple of float
        How much of each morph target is added to it.
    pose : bytes
        The matrices of its skin's joints, (n, 4, 4) float64; empty = it has none.
    """

    mesh: int
    number: int
    material: int | None
    has_normals: bool
    is_smoothed: bool = False
    is_compressed: bool = False
    weights: tuple[float, ...] = ()
    pose: bytes = b""


@dataclass(frozen=True)
class Placements:
    """Primitives in the world, in the document's order.

    Attributes
    ----------
    primitive : (n,) int
        Indices into ``Scene.primitives``.
    matrix : (n, 4, 4) float64
        Column vectors, primitive to world; may shear.
    """

    primitive: NDArray[np.intp]
    matrix: Matrix

    def __len__(self) -> int:
        return len(self.primitive)


@dataclass(frozen=True)
class Scene:
    """A document that passed every check.

    Attributes
    ----------
    json : dict
        The document after repairs; not to be changed.
    source : schema.Document
        The same, typed.
    buffers : tuple of bytes
        The document's buffers, decoded; their text is dropped from `json` and `source`.
    camera_to_world : (4, 4) float64
        Pose of the camera ``cameras[0]``, which looks along -z with y up; rigid, column vectors, in the
        file's own world axes.
    primitives : tuple of Primitive
        All surfaces that the default scene shows, once each.
    placements : Placements
        Where they are.
    lights : tuple of LightPlacement
    warnings : tuple of str
        What was dropped or is not drawn, for the log.
    """

    json: dict[str, Any]
    source: schema.Document
    buffers: tuple[bytes, ...]
    camera_to_world: Matrix
    primitives: tuple[Primitive, ...]
    placements: Placements
    lights: tuple[LightPlacement, ...]
    warnings: tuple[str, ...]

    def digest(self, *, materials: bool) -> None:
        """Digest what a picture with or without materials needs; else the renderer would have to wait."""
        _ = (self.surfaces, self.light_sources) if materials else self.shapes

    @cached_property
    def shapes(self) -> tuple[Digest, ...]:
        """For each of `primitives`, what depth and labels see of it."""
        return shape_digests(self)

    @cached_property
    def surfaces(self) -> tuple[Surface, ...]:
        """For each of `primitives`, what a colour picture sees of it."""
        return surface_digests(self)

    @cached_property
    def light_sources(self) -> tuple[Digest, ...]:
        """For each of `lights`, what it sheds."""
        return light_digests(self)

    @cached_property
    def light_scale(self) -> float:
        """What the intensities of `lights` are multiplied by."""
        return light_scale(self)


def parse_scene(data: bytes, *, extensions: frozenset[str]) -> Scene:
    """Read a glTF 2.0 JSON document and check all that a back end relies on.

    Parameters
    ----------
    data : bytes
        Resources are embedded as ``data:`` URIs; nothing else is ever opened.
    extensions : frozenset of str
        The extensions that the back end's importer knows.

    Raises
    ------
    SceneError
        Anything is wrong; the message says what and where.
    """
    json = _decode(data)
    warnings = repair_json(json)
    document = _convert(json)
    _check_version(document.asset)
    _check_required(document, extensions | _OWN_WORK)
    if not document.cameras:
        raise _no_camera()
    check_indices(document)
    graph = Graph.from_document(document)
    camera_to_world = _camera_to_world(document, graph)
    buffers = decode_buffers(document.buffers)
    _drop_text_of_buffers(json, document)
    check_views(document)
    repair_draco(document, buffers)
    check_geometry(document, buffers)
    check_images(document, buffers)
    primitives, placements = _placements(document, buffers, graph, warnings)
    lights = place_lights(document, graph, warnings)
    return Scene(json, document, buffers, camera_to_world, primitives, placements, lights, tuple(warnings))


def _decode(data: bytes) -> dict[str, Any]:
    if data.startswith(b"glTF"):
        raise SceneError("is a binary .glb; send the JSON form with embedded resources")
    try:
        json = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SceneError(f"is not JSON: {str(error)[:200]}") from None
    if not isinstance(json, dict):
        raise SceneError(f"must be a JSON object; it is a {type(json).__name__}")
    _check_depth(
        {name: json.get(name) for name in ("materials", "extensions")}
    )  # what the schema leaves open
    return json


def _check_depth(json: object) -> None:
    """Bound what recursive functions here and in the importer will meet."""
    level = [json]
    for _ in range(_DEEPEST):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return
    raise SceneError("is nested too deeply")


def _prepare_schema() -> None:
    """Let msgspec look at the schema's classes, on one thread.

    It does so at their first use, and crashes where two threads use them first at the same time (0.22).
    """
    for kind in (schema.Document, schema.Light):
        msgspec.json.Decoder(kind)


_prepare_schema()


def _convert(json: dict[str, Any]) -> schema.Document:
    try:
        return msgspec.convert(json, schema.Document)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at ")
        raise SceneError(message[:200], where.strip("`")[:200] or "$") from None


def _drop_text_of_buffers(json: dict[str, Any], document: schema.Document) -> None:
    """Let go of what is half of a scene, and travels with it to another process."""
    for buffer in json.get("buffers") or ():
        buffer.pop("uri", None)
    for buffer in document.buffers:
        buffer.uri = None


def _check_version(asset: schema.Asset) -> None:
    for name, version in (("version", asset.version), ("minVersion", asset.min_version)):
        if version is not None and not re.fullmatch(r"2\.[0-9]{1,3}", version):
            raise SceneError(f"glTF {version[:20]} is not supported; glTF 2.0 is", f"$.asset.{name}")


def _check_required(document: schema.Document, known: frozenset[str]) -> None:
    unknown = sorted(set(document.extensions_required) - known)
    if unknown:
        names = ", ".join(name[:60] for name in unknown[:10])
        raise SceneError(
            f"requires {names}, which cannot be read here; export it again without", "$.extensionsRequired"
        )


def _camera_to_world(document: schema.Document, graph: Graph) -> Matrix:
    for index in graph.order:
        if document.nodes[index].camera == 0:
            return nearest_rigid(graph.world[index], f"$.nodes[{index}]")
    raise _no_camera()


def _no_camera() -> SceneError:
    return SceneError(
        "there is no camera. Drake sends none for a scene without any primitive or OBJ: add a tiny primitive "
        "with a perception role, such as a box of 1 mm",
        "$.cameras",
    )


def _placements(
    document: schema.Document, buffers: tuple[bytes, ...], graph: Graph, warnings: list[str]
) -> tuple[tuple[Primitive, ...], Placements]:
    numbers: dict[Primitive, int] = {}
    placed: list[int] = []
    matrices: list[Matrix] = []
    poses: dict[int, Pose] = {}
    for index in graph.order:
        node = document.nodes[index]
        if node.mesh is None:
            continue
        if node.skin is not None and node.skin not in poses:
            poses[node.skin] = read_pose(document, buffers, graph, node.skin)
        pose = None if node.skin is None else poses[node.skin]
        instances = _instances(document, buffers, index, graph.world[index])
        for primitive in _surfaces(document, buffers, index, pose):
            places = instances
            if pose is not None and primitive.pose:
                places = pose.origin[None]
            elif pose is not None and primitive.is_compressed:
                places = (pose.origin @ pose.joints[0])[None]
                warnings.append(f"nodes[{index}]: its skin is compressed; drawn as its first joint holds it")
            elif pose is not None:
                warnings.append(f"nodes[{index}]: its mesh has no joints; drawn without its skin")
            number = numbers.setdefault(primitive, len(numbers))
            if len(placed) + len(places) > _MOST_PLACEMENTS:
                raise SceneError(f"draws more than {_MOST_PLACEMENTS} objects", "$.nodes")
            placed += [number] * len(places)
            matrices.append(places)
    matrix = np.concatenate(matrices) if matrices else np.empty((0, 4, 4))
    return tuple(numbers), Placements(np.array(placed, np.intp), thickened(matrix))


def _surfaces(
    document: schema.Document, buffers: tuple[bytes, ...], node: int, pose: Pose | None
) -> Iterator[Primitive]:
    is_drakes = document.asset.generator in DRAKE_GENERATORS
    mesh = document.nodes[node].mesh or 0
    for number, primitive in enumerate(document.meshes[mesh].primitives):
        if primitive.mode < _FIRST_SURFACE_MODE or "POSITION" not in primitive.attributes:
            continue
        has_normals = "NORMAL" in primitive.attributes
        is_packed = is_compressed(document, primitive)
        is_posed = pose is not None and is_skinned(primitive) and not is_packed
        if pose is not None and is_posed:
            where = f"$.meshes[{mesh}].primitives[{number}].attributes"
            check_weights(document, buffers, primitive, len(pose.joints), where)
        yield Primitive(
            mesh,
            number,
            primitive.material,
            has_normals,
            is_smoothed=is_drakes and not has_normals,
            is_compressed=is_packed,
            weights=_weights(document, node, mesh, primitive),
            pose=pose.joints.tobytes() if pose is not None and is_posed else b"",
        )


def _weights(
    document: schema.Document, node: int, mesh: int, primitive: schema.Primitive
) -> tuple[float, ...]:
    """Return the weights of a primitive's morph targets: the node's, or else the mesh's, or else zeros."""
    count = len(primitive.targets or ())
    own, shared = document.nodes[node].weights, document.meshes[mesh].weights
    weights = own or shared or [0.0] * count
    if count and len(weights) != count:
        where = f"$.nodes[{node}].weights" if own else f"$.meshes[{mesh}].weights"
        raise SceneError(f"{len(weights)} weights for {count} morph targets", where)
    return tuple(weights[:count])


def _instances(document: schema.Document, buffers: tuple[bytes, ...], index: int, world: Matrix) -> Matrix:
    """Return the world matrices of a node's mesh: one, or as many as EXT_mesh_gpu_instancing says."""
    extension = _member(document.nodes[index].extensions, INSTANCING)
    if extension is None:
        return world[None]
    where = f"$.nodes[{index}].extensions.{INSTANCING}"
    attributes = _member(extension, "attributes")
    if not isinstance(attributes, dict) or not attributes:
        raise SceneError("has no attributes", where)
    columns = {
        name: _instance_attribute(document, buffers, attributes[name], width, f"{where}.attributes.{name}")
        for name, width in (("TRANSLATION", 3), ("ROTATION", 4), ("SCALE", 3))
        if name in attributes
    }
    counts = {len(column) for column in columns.values()}
    if len(counts) != 1:
        raise SceneError("its attributes have different counts, or none is known", where)
    count = counts.pop()
    if count > _MOST_PLACEMENTS:
        raise SceneError(f"draws more than {_MOST_PLACEMENTS} instances", where)
    rotation = columns.get("ROTATION", np.tile([0.0, 0.0, 0.0, 1.0], (count, 1)))
    local = trs_matrices(
        columns.get("TRANSLATION", np.zeros((count, 3))),
        rotation / np.linalg.norm(rotation, axis=1, keepdims=True).clip(1e-9),
        columns.get("SCALE", np.ones((count, 3))),
    )
    matrices = world @ local
    check_reach(matrices, [where] * count)
    return matrices


def _instance_attribute(
    document: schema.Document, buffers: tuple[bytes, ...], accessor: object, width: int, where: str
) -> Matrix:
    if type(accessor) is not int or not 0 <= accessor < len(document.accessors):
        raise SceneError(f"there is no accessor {str(accessor)[:20]}", where)
    values = read_values(document, buffers, accessor)
    if values.shape[1] != width or values.dtype != np.float32 or not np.isfinite(values).all():
        raise SceneError(f"must be {width} finite floats each", where)
    return values.astype(float)


def _member(value: object, name: str) -> Any:
    """Return a member of what may be no object at all: extensions are not in the schema."""
    return value.get(name) if isinstance(value, dict) else None
