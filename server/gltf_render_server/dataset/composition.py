"""Composes documents, lights and plain meshes into one GLB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import RequestError
from ..gltf.extensions import LIGHTS, VARIANTS
from ..gltf.images import image_type
from ..gltf.keypoints import KEYPOINT
from ..gltf.materials import is_of_drake
from ..gltf.placing import ONE_OBJECT
from .binary import Binary
from .merging import Arrays, Merged, merge
from .scaling import scale_node
from .shot import Document

__all__ = ["Added", "Composition", "Paint", "media_type_of"]

_GENERATOR = "glTF Render Server"
_FLOAT, _UNSIGNED_INT = 5126, 5125
_VERTICES, _INDICES = 34962, 34963
_NAMELESS = "node"
_ROUNDING = 1e-5
_EMISSIVE = "KHR_materials_emissive_strength"

Json = dict[str, Any]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Added:
    """A document that was added to a composition.

    Attributes
    ----------
    root : str
        The name of the node that holds it; empty = it has none of its own.
    objects : tuple of str
        The names of its nodes that are objects of the scene: those that hold meshes, or that are one object
        with all below them.
    names : dict of str to str
        What its named nodes are called now. Of nodes that shared a name in it, the first.
    """

    root: str
    objects: tuple[str, ...]
    names: dict[str, str]


@dataclass(frozen=True)
class Paint:
    """The material of a plain mesh.

    Attributes
    ----------
    colour : tuple of float
        Linear red, green and blue; what the image is multiplied by, if there is one.
    image : bytes or None
        PNG or JPEG.
    roughness, metallic : float
        From 0 to 1.
    glow : float
        How bright it is without any light; 1 = as bright as its colour. It is lit by nothing else then.
    two_sided : bool
        Whether viewers that look at this show its back.
    """

    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)
    image: bytes | None = None
    roughness: float = 1.0
    metallic: float = 0.0
    glow: float = 0.0
    two_sided: bool = True


def media_type_of(data: bytes, where: str) -> str:
    """Return the media type of an image that can be added: a PNG or a JPEG.

    Raises
    ------
    RequestError
        It is neither; ``where`` says what has it.
    """
    kind = image_type(data)
    if kind not in ("image/png", "image/jpeg"):
        raise RequestError(f"{where}: the image is neither PNG nor JPEG")
    return kind


class Composition:
    """Composes a document; the same calls make the same bytes.

    Animations play together: the first one of each document, as each would be shown alone.
    """

    def __init__(self) -> None:
        self._arrays = Arrays()
        self._binary = Binary()
        self._roots: list[int] = []
        self._names: set[str] = set()
        self._merged: dict[str, Merged] = {}
        self._made: dict[bytes, int] = {}
        self._first: Json = {}
        self._animations: list[Json] = []
        self._used: set[str] = set()
        self._required: set[str] = set()
        self._generator = _GENERATOR

    def add(
        self,
        document: Document,
        name: str = "",
        matrix: ArrayLike | None = None,
        extras: Mapping[str, Any] | None = None,
    ) -> Added:
        """Add the content of a document's default scene.

        Parameters
        ----------
        document : Document
            Added twice, it shares meshes, materials and images with itself.
        name : str
            Of the new node that holds it; if it is taken, a number follows. Its own nodes are called
            ``name/child``, but keypoints stay as they are. Empty = its nodes keep their names, but for those
            that are taken, and it has such a node only if there is a matrix.
        matrix : (4, 4) float64, optional
            Where it stands.
        extras : mapping, optional
            Of the new node: with ``"instance": True``, all of it is one object.

        Raises
        ------
        SceneError
            The document is not as the schema says, or refers to what is not there.
        RequestError
            The matrix is none.
        """
        if document.sha256 not in self._merged:
            merged = self._merged[document.sha256] = merge(document, self._arrays, self._binary)
            self._used |= set(merged.used)
            self._required |= set(merged.required)
            if is_of_drake(merged.generator):  # what it means by its materials is told by that alone
                self._generator = merged.generator or ""
        nodes, roots, animations = self._merged[document.sha256].add_nodes(self._arrays)
        root = ""
        if name or matrix is not None or extras:
            members = {"children": roots, "extras": dict(extras or {})}
            root = self._add_node(name, {key: value for key, value in members.items() if value}, matrix)
            roots = [len(self.nodes) - 1]
        else:
            self._roots += roots
        names = self._rename(nodes, root if name else "")
        self._play(animations)
        return Added(root, tuple(self._objects(roots)), names)

    def add_sun(
        self,
        direction: ArrayLike,
        lux: float = 3.0,
        colour: Sequence[float] = (1.0, 1.0, 1.0),
        name: str = "sun",
    ) -> str:
        """Add a sun, and return the name of its node.

        Parameters
        ----------
        direction : (3,) float64
            In which its light travels.
        lux : float
            pi lux show a white surface that faces it as white; but see rule 2 of "Lights that the scene
            brings" in docs/colour.md.
        colour : (3,) float
            Linear red, green and blue.
        name : str
        """
        light = {"type": "directional", "intensity": float(lux), "color": _floats(colour, 3, name)}
        return self._add_light(light, name, _facing(_floats(direction, 3, name)))

    def add_point_light(
        self,
        position: ArrayLike,
        power: float,
        colour: Sequence[float] = (1.0, 1.0, 1.0),
        name: str = "light",
    ) -> str:
        """Add a light that shines in all directions, and return the name of its node.

        Parameters
        ----------
        position : (3,) float64
        power : float
            Lumen in all directions together, 4 pi times its candela; Blender's watts.
        colour : (3,) float
            Linear red, green and blue.
        name : str
        """
        light = {"type": "point", "intensity": power / (4 * np.pi), "color": _floats(colour, 3, name)}
        matrix = np.eye(4)
        matrix[:3, 3] = _floats(position, 3, name)
        return self._add_light(light, name, matrix)

    def add_mesh(
        self,
        vertices: ArrayLike,
        triangles: ArrayLike,
        paint: Paint,
        name: str = "mesh",
        matrix: ArrayLike | None = None,
        *,
        normals: ArrayLike | None = None,
        texcoords: ArrayLike | None = None,
        extras: Mapping[str, Any] | None = None,
    ) -> str:
        """Add a mesh, and return the name of its node.

        Parameters
        ----------
        vertices : (n, 3) float32
        triangles : (m, 3) int
            Counter-clockwise as seen from outside.
        paint : Paint
        name : str
        matrix : (4, 4) float64, optional
        normals : (n, 3) float32, optional
            Without them, it is shaded flat.
        texcoords : (n, 2) float32, optional
            The first is right in the image, the second down.
        extras : mapping, optional
            Of the node, such as its category.

        Raises
        ------
        RequestError
            The image is none that can be shown, or the matrix is none.
        """
        points = np.asarray(vertices, "<f4").reshape(-1, 3)
        attributes = {"POSITION": self._accessor(points, "VEC3")}
        if normals is not None:
            attributes["NORMAL"] = self._accessor(np.asarray(normals, "<f4").reshape(-1, 3), "VEC3")
        if texcoords is not None:
            attributes["TEXCOORD_0"] = self._accessor(np.asarray(texcoords, "<f4").reshape(-1, 2), "VEC2")
        primitive: Json = {"attributes": attributes, "material": self._material(paint, name)}
        primitive["indices"] = self._accessor(np.asarray(triangles, "<u4").reshape(-1, 1), "SCALAR")
        mesh = self._append_once("meshes", {"primitives": [primitive]})
        return self._add_node(name, {"mesh": mesh, **({"extras": dict(extras)} if extras else {})}, matrix)

    def add_image(self, data: bytes, where: str) -> int:
        """Add a PNG or JPEG, and return the index of a texture that repeats it.

        Raises
        ------
        RequestError
            It is neither; ``where`` says what has it.
        """
        kind = media_type_of(data, where)
        view = {"buffer": 0, "byteOffset": self._binary.add(data), "byteLength": len(data)}
        number = self._append_once("bufferViews", view)
        image = self._append_once("images", {"bufferView": number, "mimeType": kind})
        return self._append_once("textures", {"source": image})

    def scale(self, node: int, factor: float) -> None:
        """Scale the node of an index about its own origin, with all below it, at every time of an animation.

        That may append a node.
        """
        scale_node(node, factor, self.nodes, self._roots, filter(None, [self._first, *self._animations]))

    def document(self) -> Document:
        """Return the composed document as a GLB.

        Raises
        ------
        TooLargeError
            It is longer than a GLB can be.
        """
        json: Json = {"asset": {"version": "2.0", "generator": self._generator}, "scene": 0}
        json["scenes"] = [{"nodes": self._roots}]
        arrays = {**self._arrays, "animations": [*filter(None, [self._first]), *self._animations]}
        lights, variants = arrays.pop("lights"), arrays.pop("variants")
        json |= {name: items for name, items in arrays.items() if items}
        extensions = {LIGHTS: {"lights": lights}} if lights else {}
        if variants:
            extensions[VARIANTS] = {"variants": variants}
        if extensions:
            json["extensions"] = extensions
        if self._used | self._required:
            json["extensionsUsed"] = sorted(self._used | self._required)
        if self._required:
            json["extensionsRequired"] = sorted(self._required)
        return Document(self._binary.glb(json))

    @property
    def nodes(self) -> list[Json]:
        """Nodes as glTF. They may be changed in place, but not their order."""
        return self._arrays["nodes"]

    @property
    def meshes(self) -> list[Json]:
        """Meshes as glTF, for reading only."""
        return self._arrays["meshes"]

    @property
    def materials(self) -> list[Json]:
        """Materials as glTF. They may be changed in place, but not their order."""
        return self._arrays["materials"]

    @property
    def generator(self) -> str:
        """The program that wrote the materials; those of Drake need interpretation."""
        return self._generator

    def _add_node(self, name: str, node: Json, matrix: ArrayLike | None) -> str:
        """Add a root node to the scene, and return its name."""
        name = self._free_name(name or _NAMELESS)
        placed = {} if matrix is None else {"matrix": _columns(matrix, name)}
        self._roots.append(self._arrays.append("nodes", {"name": name, **node, **placed}))
        return name

    def _add_light(self, light: Json, name: str, matrix: Matrix) -> str:
        self._used.add(LIGHTS)
        number = self._append_once("lights", light)
        return self._add_node(name, {"extensions": {LIGHTS: {"light": number}}}, matrix)

    def _rename(self, nodes: Sequence[Json], prefix: str) -> dict[str, str]:
        """Give nodes unique names, and return these by the former names."""
        taken = frozenset() if prefix else frozenset(self._names)
        names: dict[str, str] = {}
        for node in nodes:
            own = node.get("name")
            own = own if isinstance(own, str) else ""
            if own.startswith(KEYPOINT):
                new = own
            elif prefix:
                new = self._free_name(f"{prefix}/{own or self._name_of_mesh(node)}")
            else:  # several of one document may share theirs, as before
                new = self._free_name(own) if own in taken else own
            if new:
                self._names.add(new)
                node["name"] = new
                names.setdefault(own, new)
        names.pop("", None)
        return names

    def _name_of_mesh(self, node: Json) -> str:
        mesh = node.get("mesh")
        name = None if mesh is None else self._arrays["meshes"][mesh].get("name")
        return name if isinstance(name, str) and name else _NAMELESS

    def _free_name(self, wanted: str) -> str:
        """Reserve a name, or the first free one of ``wanted.2``, ``wanted.3`` and so on."""
        name, number = wanted, 1
        while name in self._names:
            number += 1
            name = f"{wanted}.{number}"
        self._names.add(name)
        return name

    def _objects(self, roots: Sequence[int]) -> Iterator[str]:
        """Yield the names of the nodes at or below some nodes that are objects.

        Each node counts once, so that a broken document, in which a node is below itself, ends here, too; who
        reads the whole document then says what is wrong with it.
        """
        pending, seen = list(roots)[::-1], set[int]()
        while pending:
            number = pending.pop()
            if number in seen:
                continue
            seen.add(number)
            node = self.nodes[number]
            extras = node.get("extras")
            is_whole = isinstance(extras, dict) and extras.get(ONE_OBJECT) is True
            if is_whole or "mesh" in node:
                yield node.get("name") or ""
            if not is_whole:
                pending += (node.get("children") or ())[::-1]

    def _play(self, animations: Sequence[Json]) -> None:
        """Merge a document's first animation with those of the other documents."""
        if not animations:
            return
        self._animations += animations[1:]
        new = animations[0]
        samplers, channels = (_list(new, name) for name in ("samplers", "channels"))
        if not self._first:
            self._first = {**new, "samplers": samplers, "channels": channels}
            return
        start = len(self._first["samplers"])
        for channel in channels:
            if isinstance(channel, dict) and isinstance(channel.get("sampler"), int):
                is_there = 0 <= channel["sampler"] < len(samplers)
                channel["sampler"] = channel["sampler"] + start if is_there else None
        self._first["samplers"] += samplers
        self._first["channels"] += channels

    def _append_once(self, kind: str, item: Json) -> int:
        """Append an item unless an equal one exists; return its index."""
        key = msgspec.json.encode([kind, item])
        if key not in self._made:
            self._made[key] = self._arrays.append(kind, item)
        return self._made[key]

    def _accessor(self, array: NDArray[Any], kind: str) -> int:
        is_index = kind == "SCALAR"
        data = np.ascontiguousarray(array).tobytes()
        view = {"buffer": 0, "byteOffset": self._binary.add(data), "byteLength": len(data)}
        item: Json = {
            "bufferView": self._append_once(
                "bufferViews", {**view, "target": _INDICES if is_index else _VERTICES}
            ),
            "componentType": _UNSIGNED_INT if is_index else _FLOAT,
            "count": len(array),
            "type": kind,
        }
        if kind == "VEC3":
            item |= {"min": array.min(0).tolist(), "max": array.max(0).tolist()}
        return self._append_once("accessors", item)

    def _material(self, paint: Paint, where: str) -> int:
        colour = _floats(paint.colour, 3, where)
        image = {} if paint.image is None else {"index": self.add_image(paint.image, where)}
        pbr: Json = {"roughnessFactor": float(paint.roughness), "metallicFactor": float(paint.metallic)}
        material: Json = {"alphaMode": "OPAQUE", "doubleSided": paint.two_sided}
        if paint.glow > 0:
            pbr["baseColorFactor"] = [0.0, 0.0, 0.0, 1.0]
            material["emissiveFactor"] = colour
            material |= {"emissiveTexture": image} if image else {}
            if paint.glow != 1:
                self._used.add(_EMISSIVE)
                material["extensions"] = {_EMISSIVE: {"emissiveStrength": float(paint.glow)}}
        else:
            pbr["baseColorFactor"] = [*colour, 1.0]
            pbr |= {"baseColorTexture": image} if image else {}
        return self._append_once("materials", {"pbrMetallicRoughness": pbr, **material})


def _columns(matrix: ArrayLike, where: str) -> list[float]:
    """Return a matrix as a list in the order of glTF."""
    array = np.asarray(matrix, float)
    if array.shape != (4, 4) or not np.isfinite(array).all():
        raise RequestError(f"{where}: the matrix must be 4 x 4 finite numbers")
    if not (np.abs(array[3] - (0, 0, 0, 1)) < _ROUNDING).all():
        raise RequestError(f"{where}: the last row of the matrix must be 0 0 0 1")
    return array.T.reshape(-1).tolist()


def _floats(values: ArrayLike, count: int, where: str) -> list[float]:
    array = np.asarray(values, float)
    if array.shape != (count,) or not np.isfinite(array).all():
        raise RequestError(f"{where}: must have {count} finite numbers")
    return array.tolist()


def _facing(direction: ArrayLike) -> Matrix:
    """Return a rotation, (4, 4), whose -z axis is a direction."""
    backward = -np.asarray(direction, float)
    length = np.linalg.norm(backward)
    if length < 1e-12:
        raise RequestError("a direction must not have the length zero")
    backward /= length
    right = np.cross(np.eye(3)[np.abs(backward).argmin()], backward)
    right /= np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([right, np.cross(backward, right), backward], 1)
    return matrix


def _list(holder: Json, name: str) -> list[Any]:
    items = holder.get(name)
    return list(items) if isinstance(items, list) else []
