"""Reads bytes into an `Asset`, a repaired and checked document, from which each `Scene` is made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeGuard

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError, SceneError
from ..limits import Limits
from ..scene import Colour, Digest, Primitive, Scene, Stock, Surface, Table, Triangles
from . import schema
from .animation import Animation, find_animation, morphing_nodes, read_animation
from .cameras import place_cameras
from .checks import check_geometry, check_indices
from .compression import read_buffers
from .container import open_container
from .content import Content, with_nodes
from .cutouts import Cutout, find_cutout
from .decoding import convert, decode
from .digests import Digester
from .drawn import Drawn
from .exposure import Boxes, light_scale
from .extensions import DRACO, EXT_MESHOPT, IGNORED, INSTANCING, KHR_MESHOPT, POINTER, VISIBILITY
from .geometry import read_normals, read_texcoords, read_triangles
from .graph import Graph, Hierarchy, Transforms, check_reach
from .images import check_images, shown_images
from .keypoints import find_keypoints
from .labels import label_colour
from .lights import place_lights
from .material_extensions import check_materials
from .placing import Arrangement
from .repair import repair_json
from .resources import Data, check_views, views_of_accessors
from .surfaces import find_drawn

__all__ = ["Asset", "parse_scene", "read_asset"]

_DEFAULT_LIMITS = Limits()
_ROUNDING = 1e-5
_NAMES = {"bufferViews": "buffer_views"}
_OWN_WORK = frozenset({DRACO, EXT_MESHOPT, INSTANCING, KHR_MESHOPT, POINTER, VISIBILITY})
"""The extensions that this package implements itself, whatever the importer supports."""

_STAYS_HERE = frozenset({"animation", "drawn", "hierarchy", "rest", "_at_rest", "_known"})
"""The members that are not sent to other processes: only making scenes needs them, or they are caches."""

_KNOWN_EXTRAS = ("label", "category")
_LONGEST_EXTRA, _LARGEST_EXTRA = 200, 2**53

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Asset(Content):
    """A glTF document that has passed every check; see `scene.Asset`.

    Attributes
    ----------
    drawn : Drawn
        The parts of the document that are drawn.
    hierarchy : Hierarchy
        The parent of each node.
    rest : Transforms
        The transforms of the nodes at rest.
    animation : Animation
        The animation of the nodes.
    warnings : tuple of str
        Messages for the log about what was dropped or is not drawn.
    key : bytes
        The key under which the asset is cached between frames, whatever the transforms of its nodes. It is
        empty if the asset is used only once.
    """

    drawn: Drawn
    hierarchy: Hierarchy
    rest: Transforms
    animation: Animation
    warnings: tuple[str, ...]
    key: Digest = b""

    def node_name(self, node: int) -> str:
        """See `scene.Asset.node_name`."""
        return _name(self.source.nodes[node])

    def node_extras(self, node: int) -> dict[str, str | int | float | bool]:
        """See `scene.Asset.node_extras`."""
        extras = self.source.nodes[node].extras
        members = extras if isinstance(extras, dict) else {}
        found = {name: members.get(name) for name in _KNOWN_EXTRAS}
        return {name: value for name, value in found.items() if _is_plain(value)}

    @cached_property
    def _known(self) -> _Known:
        return _Known(Content(self.json, self.source, self.buffers))

    @cached_property
    def _at_rest(self) -> Graph:
        return Graph.posed(self.hierarchy, self.rest, self.source.nodes)

    def keyed(self, key: Digest) -> Asset:
        """Return the same asset with a key."""
        keyed = self._sharing(replace(self, key=key))
        vars(keyed)["_at_rest"] = self._at_rest
        return keyed

    def moved(self, nodes: Mapping[int, schema.Node]) -> Asset:
        """Return the same document with other transforms for some nodes.

        All other data and caches are shared.

        Parameters
        ----------
        nodes : mapping of int to Node
            The new nodes by index. They may differ from the old ones only in their transforms.

        Raises
        ------
        SceneError
            A transform is invalid.
        """
        source = with_nodes(self.source, nodes)
        rest = self.rest.moved(nodes, self.hierarchy)
        moved = self._sharing(replace(self, source=source, rest=rest))
        _ = moved._at_rest  # computing it checks the transforms
        return moved

    def _sharing(self, other: Asset) -> Asset:
        vars(other)["_known"] = self._known
        return other

    def __getstate__(self) -> dict[str, Any]:
        """Return the state that a back end needs in another process, where no more scenes are made.

        The transforms of the nodes are not part of it, so it does not depend on them.
        """
        state = dict(self.__dict__)  # a copy, because another thread may add to the dictionary
        state = {name: value for name, value in state.items() if name not in _STAYS_HERE}
        nodes = [schema.Node(name=node.name, extras=node.extras) for node in self.source.nodes]
        state["source"] = msgspec.structs.replace(self.source, nodes=nodes)
        return state

    def shape(self, primitive: Primitive) -> Digest:
        """See `scene.Asset.shape`."""
        return self._known.digester.shape(primitive)

    def mesh(self, primitive: Primitive) -> Digest:
        """See `scene.Asset.mesh`."""
        return self._known.digester.mesh(primitive)

    def surface(self, primitive: Primitive) -> Surface:
        """See `scene.Asset.surface`."""
        return self._known.digester.surface(primitive)

    def triangles(self, primitive: Primitive) -> Triangles:
        """See `scene.Asset.triangles`."""
        return read_triangles(self, primitive)

    def normals(self, primitive: Primitive) -> NDArray[np.float32]:
        """See `scene.Asset.normals`."""
        return read_normals(self, primitive)

    def texcoords(self, primitive: Primitive) -> NDArray[np.float32] | None:
        """See `scene.Asset.texcoords`."""
        return read_texcoords(self, primitive, 0)

    def cutout(self, primitive: Primitive, alpha_threshold: float) -> Cutout | None:
        """See `scene.Asset.cutout`."""
        return find_cutout(self, self._known.digester, primitive, alpha_threshold)

    def light_source(self, light: int, scale: float) -> Digest:
        """See `scene.Asset.light_source`."""
        return self._known.digester.light(light, scale)

    def label(self, primitive: Primitive) -> Colour | None:
        """See `scene.Asset.label`."""
        return label_colour(self.source, primitive.material)

    def light_scale(self, scene: Scene) -> float:
        """See `scene.Asset.light_scale`."""
        return light_scale(scene, self._known.boxes)

    def scene(self, poses: Mapping[str, Matrix] | None = None, time_s: float = 0.0) -> Scene:
        """Return the scene of the document in a given pose and at a given time.

        Parameters
        ----------
        poses : mapping of str to (4, 4) float64, optional
            World matrices by node name, for column vectors. They replace the nodes' own world matrices, and
            the descendants of these nodes move along.
        time_s : float
            The time in the document's animation.

        Raises
        ------
        RequestError
            A pose is invalid, or its name matches no node, or several nodes.
        SceneError
            What is drawn is invalid in these poses.
        """
        changed = self.animation.moved(self.source.nodes, time_s)
        source = with_nodes(self.source, changed)
        if poses or changed:
            transforms = self.rest.moved(changed, self.hierarchy)
            graph = Graph.posed(self.hierarchy, transforms, source.nodes, self._poses(poses or {}))
        else:
            graph = self._at_rest
        arrangement, stock = self._arranged(source, graph)
        placements, instances = arrangement.placed(graph)
        warnings = [*arrangement.warnings]
        keypoints = find_keypoints(source, graph, instances, warnings)
        return Scene(
            asset=self,
            stock=stock,
            placements=placements,
            instances=instances,
            cameras=place_cameras(source, graph),
            lights=place_lights(source, graph, warnings),
            warnings=(*self.warnings, *warnings),
            keypoints=keypoints,
        )

    def _arranged(self, source: schema.Document, graph: Graph) -> tuple[Arrangement, Stock]:
        """Return what is drawn at a moment. Without skins and morphing, it is the same at every moment."""
        if self._known.arranged is None:
            arrangement = Arrangement.of(Content(self.json, source, self.buffers), self.drawn, graph)
            stock = Stock(Table(arrangement.primitives))
            if arrangement.is_posed or self.animation.morphs:
                return arrangement, stock
            self._known.arranged = arrangement, {b"": stock}
        arrangement, stocks = self._known.arranged
        if self.key not in stocks:
            stocks[self.key] = stocks[b""].keyed(self.key + b"surfaces")
        return arrangement, stocks[self.key]

    def _poses(self, poses: Mapping[str, Matrix]) -> dict[int, Matrix]:
        """Return the poses by node index."""
        places = [f"poses[{name[:40]!r}]" for name in poses]
        found: dict[int, Matrix] = {}
        for (name, matrix), where in zip(poses.items(), places, strict=True):
            nodes = self._known.nodes_by_name.get(name, [])
            if not name or len(nodes) != 1:
                raise RequestError(f"{where}: {len(nodes) or 'no'} nodes of the scene have this name")
            found[nodes[0]] = matrix
        matrices = np.array([*found.values()]).reshape(-1, 4, 4)
        is_affine = (np.abs(matrices[:, 3] - (0, 0, 0, 1)) < _ROUNDING).all(1)
        for index in np.flatnonzero(~is_affine).tolist():
            raise RequestError(f"{places[index]}: the last row must be 0 0 0 1")
        check_reach(matrices, lambda index: places[index])
        return found


class _Known:
    """Results that are computed once for a document, independent of the nodes' transforms.

    Attributes
    ----------
    digester : Digester
    boxes : dict
        See `light_scale`.
    arranged : (Arrangement, dict of bytes to Stock) or None
        The arrangement without deformation, and its surfaces by the asset's key. None until it is computed.
    """

    def __init__(self, content: Content) -> None:
        self.digester = Digester(content)
        self.boxes: Boxes = {}
        self.arranged: tuple[Arrangement, dict[Digest, Stock]] | None = None
        self._nodes = content.source.nodes

    @cached_property
    def nodes_by_name(self) -> dict[str, list[int]]:
        """The indices of the nodes that have each name."""
        numbers: dict[str, list[int]] = {}
        for index, node in enumerate(self._nodes):
            numbers.setdefault(_name(node), []).append(index)
        return numbers


def parse_scene(data: bytes, *, extensions: frozenset[str], limits: Limits = _DEFAULT_LIMITS) -> Scene:
    """Read a document, and return its scene; see `read_asset`."""
    return read_asset(data, extensions=extensions, limits=limits).scene()


def read_asset(data: bytes, *, extensions: frozenset[str], limits: Limits = _DEFAULT_LIMITS) -> Asset:
    """Read a glTF 2.0 document, and check everything that a back end relies on.

    Parameters
    ----------
    data : bytes
        GLB or JSON. Its resources are embedded, in the binary chunk or as ``data:`` URIs. Nothing else is
        ever opened.
    extensions : frozenset of str
        The extensions that the back end's importer supports.
    limits : Limits
        The limits for the scene. They are checked before any expensive work.

    Raises
    ------
    SceneError
        A part of the document that is drawn is invalid. The message says what is wrong and where.
    TooLargeError
        The document exceeds a limit.
    CheckTimeoutError
        The time limit set by `time_limit` is over.
    """
    container = open_container(data)
    json = decode(container.json)
    warnings = repair_json(json)
    document = convert(json)
    _check_version(document.asset)
    _check_required(document, extensions | _OWN_WORK | IGNORED)
    check_indices(document)
    hierarchy = Hierarchy.of(document)
    rest = Transforms.of(document.nodes, hierarchy.walk)
    graph = Graph.posed(hierarchy, rest, document.nodes)
    animation = find_animation(document)
    drawn = find_drawn(document, graph, morphing_nodes(document, animation), limits)
    materials = drawn.materials(document)
    check_materials(json.get("materials") or [], materials, extensions)
    images = {
        view
        for index in shown_images(json, document, materials)
        if (view := document.images[index].buffer_view) is not None
    }
    buffers = _buffers(document, drawn, images, limits, container.binary)
    left_out: list[str] = []
    moves = read_animation(document, buffers, animation, limits, left_out, container.binary)
    _write_back(json, document)
    check_geometry(document, buffers, drawn)
    warnings += drawn.warnings
    warnings += check_images(json, document, buffers, materials, limits)
    warnings += left_out
    asset = Asset(json, document, tuple(buffers), drawn, hierarchy, rest, moves, tuple(warnings))
    vars(asset)["_at_rest"] = graph
    return asset


def _buffers(
    document: schema.Document,
    drawn: Drawn,
    images: set[int],
    limits: Limits,
    binary: memoryview | None,
) -> list[Data]:
    """Decode all data that is drawn. Each image becomes a buffer view."""
    views = views_of_accessors(document, drawn.accessors(document)) | images
    buffers = read_buffers(document, drawn.primitives(document), views, limits, binary)
    accessors = drawn.accessors(document)
    check_views(document, views_of_accessors(document, accessors) | images, accessors)
    return buffers


def _name(node: schema.Node) -> str:
    return node.name if isinstance(node.name, str) else ""


def _is_plain(value: object) -> TypeGuard[str | int | float | bool]:
    """Return whether a value is a JSON scalar, and short."""
    if isinstance(value, str):
        return len(value) <= _LONGEST_EXTRA
    return isinstance(value, int | float) and abs(value) < _LARGEST_EXTRA


def _write_back(json: dict[str, Any], document: schema.Document) -> None:
    """Write the decoded document back to JSON, without the text of the buffers and without the nodes.

    The buffers' text would double the size of the scene when it is sent to another process, and the nodes may
    move.
    """
    json.pop("nodes", None)
    for buffer in document.buffers:
        buffer.uri = None
    if len(document.buffers) == len(json.get("buffers") or ()):
        for buffer in json.get("buffers") or ():
            buffer.pop("uri", None)
        return
    for name in ("accessors", "bufferViews", "buffers", "meshes"):
        json[name] = msgspec.to_builtins(getattr(document, _NAMES.get(name, name)))


def _check_version(asset: schema.Asset) -> None:
    version, needed = asset.version, "2.0" if asset.min_version is None else asset.min_version
    if not re.fullmatch(r"2\.[0-9]{1,3}", version):
        raise SceneError(f"glTF {version[:20]} is not supported; glTF 2.0 is", "$.asset.version")
    if needed != "2.0":
        raise SceneError(f"glTF {needed[:20]} is not supported; glTF 2.0 is", "$.asset.minVersion")


def _check_required(document: schema.Document, known: frozenset[str]) -> None:
    unknown = sorted(set(document.extensions_required) - known)
    if unknown:
        names = ", ".join(name[:60] for name in unknown[:10])
        raise SceneError(
            f"requires {names}, which this server cannot read; export it without", "$.extensionsRequired"
        )
