"""Bytes -> Scene: decoded, repaired, checked, and flattened to what is drawn where."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SceneError
from ..limits import Limits, ask_time
from . import schema
from .checks import check_geometry, check_indices, is_compressed
from .decoding import convert, decode
from .digests import Digest, Surface, light_digests, shape_digests, surface_digests
from .exposure import light_scale
from .extensions import INSTANCING, VISIBILITY
from .graph import Graph, nearest_rigid, thickened
from .images import check_images, shown_images
from .instancing import instance_matrices
from .lights import LightPlacement, place_lights
from .material_extensions import check_materials
from .materials import is_of_drake
from .repair import repair_draco, repair_json
from .resources import check_views, decode_buffers, views_of_accessors
from .skins import Pose, check_weights, is_skinned, read_pose
from .surfaces import Drawn, find_drawn

__all__ = ["Placements", "Primitive", "Scene", "parse_scene"]

_DEFAULT_LIMITS = Limits()
_LARGEST_WEIGHT = 100  # of a morph target
_OWN_WORK = frozenset({INSTANCING, VISIBILITY})
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


def parse_scene(data: bytes, *, extensions: frozenset[str], limits: Limits = _DEFAULT_LIMITS) -> Scene:
    """Read a glTF 2.0 JSON document and check all that a back end relies on.

    Parameters
    ----------
    data : bytes
        Resources are embedded as ``data:`` URIs; nothing else is ever opened.
    extensions : frozenset of str
        The extensions that the back end's importer knows.
    limits : Limits
        What it may cost; checked before the work is begun.

    Raises
    ------
    SceneError
        Anything is wrong with what is drawn; the message says what and where.
    TooLargeError
        It is above a limit.
    CheckTimeoutError
        Within `time_limit`, the time is over.
    """
    json = decode(data)
    warnings = repair_json(json)
    document = convert(json)
    _check_version(document.asset)
    _check_required(document, extensions | _OWN_WORK)
    if not document.cameras:
        raise _no_camera(document)
    check_indices(document)
    graph = Graph.from_document(document)
    camera_to_world = _camera_to_world(document, graph)
    drawn = find_drawn(document, graph, extensions, limits)
    materials = drawn.materials(document)
    check_materials(json.get("materials") or [], materials, extensions)
    buffers = _checked_buffers(document, drawn, shown_images(json, document, materials))
    _drop_text_of_buffers(json, document)
    repair_draco(document, buffers)
    check_geometry(document, buffers, drawn)
    warnings += drawn.warnings
    warnings += check_images(json, document, buffers, materials, limits)
    primitives, placements = _placements(document, buffers, graph, drawn, warnings)
    lights = place_lights(document, graph, warnings)
    return Scene(json, document, buffers, camera_to_world, primitives, placements, lights, tuple(warnings))


def _checked_buffers(document: schema.Document, drawn: Drawn, images: set[int]) -> tuple[bytes, ...]:
    """Decode the buffers that anything which is drawn reads; all of them where Draco's streams are sought."""
    accessors = drawn.accessors(document)
    views = views_of_accessors(document, accessors)
    views |= {view for index in images if (view := document.images[index].buffer_view) is not None}
    if any(is_compressed(document, primitive) for _, _, primitive in drawn.primitives(document)):
        views |= set(range(len(document.buffer_views)))
    check_views(document, views, accessors)
    return decode_buffers(document, views)


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
    raise _no_camera(document)


def _no_camera(document: schema.Document) -> SceneError:
    if is_of_drake(document.asset.generator):
        return SceneError(
            "there is no camera. Drake sends none for a scene without any primitive or OBJ: add a tiny "
            "primitive with a perception role, such as a box of 1 mm",
            "$.cameras",
        )
    what = "no node of the scene that is shown holds it" if document.cameras else "there is none"
    return SceneError(
        f"the scene is seen from cameras[0], but {what}; add a camera, and to the scene a node whose "
        "camera is 0",
        "$.cameras",
    )


def _placements(
    document: schema.Document,
    buffers: tuple[bytes, ...],
    graph: Graph,
    drawn: Drawn,
    warnings: list[str],
) -> tuple[tuple[Primitive, ...], Placements]:
    numbers: dict[Primitive, int] = {}
    placed: list[int] = []
    matrices: list[Matrix] = []
    poses: dict[int, Pose] = {}
    plain: dict[int, list[Primitive]] = {}  # of meshes whose nodes neither morph nor bend them
    for index in drawn.nodes:
        ask_time()
        node = document.nodes[index]
        mesh = node.mesh or 0
        if not drawn.surfaces[mesh]:  # all were left out since
            continue
        if node.skin is not None and node.skin not in poses:
            poses[node.skin] = read_pose(document, buffers, graph, node.skin)
        pose = None if node.skin is None else poses[node.skin]
        is_plain = pose is None and not node.weights
        if not is_plain or mesh not in plain:
            surfaces = list(_surfaces(document, buffers, index, drawn.surfaces[mesh], pose))
        else:
            surfaces = plain[mesh]
        if is_plain:
            plain[mesh] = surfaces
        instances = instance_matrices(document, buffers, index, graph.world[index])
        for primitive in surfaces:
            places = (
                instances if pose is None else _skinned_place(primitive, pose, instances, index, warnings)
            )
            placed += [numbers.setdefault(primitive, len(numbers))] * len(places)
            matrices.append(places)
    matrix = np.concatenate(matrices) if matrices else np.empty((0, 4, 4))
    return tuple(numbers), Placements(np.array(placed, np.intp), thickened(matrix))


def _skinned_place(
    primitive: Primitive, pose: Pose, instances: Matrix, node: int, warnings: list[str]
) -> Matrix:
    """Return where a primitive of a node with a skin stands, (n, 4, 4): its node's transform has no say."""
    if primitive.pose:
        return pose.origin[None]
    if primitive.is_compressed:
        warnings.append(f"nodes[{node}]: its skin is compressed; drawn as its first joint holds it")
        return (pose.origin @ pose.joints[0])[None]
    warnings.append(f"nodes[{node}]: its mesh has no joints; drawn without its skin")
    return instances


def _surfaces(
    document: schema.Document,
    buffers: tuple[bytes, ...],
    node: int,
    numbers: Sequence[int],
    pose: Pose | None,
) -> Iterator[Primitive]:
    is_drakes = is_of_drake(document.asset.generator)
    mesh = document.nodes[node].mesh or 0
    for number in numbers:
        primitive = document.meshes[mesh].primitives[number]
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
    if any(abs(weight) > _LARGEST_WEIGHT for weight in weights[:count]):
        raise SceneError(f"a morph target weighs more than {_LARGEST_WEIGHT}", f"$.meshes[{mesh}]")
    return tuple(weights[:count])
