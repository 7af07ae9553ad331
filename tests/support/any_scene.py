"""Random glTF scenes, with all that tells one surface from another, and two cameras that look at them."""

from __future__ import annotations

import copy
import json
import random
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from any_gltf import add_numbers
from compressed import require
from drake_like import (
    add_accessor,
    column_major,
    empty_document,
    label_rgba,
    look_at,
    png_uri,
    sphere,
    translation,
)
from hypothesis import strategies as st
from numpy.typing import NDArray
from raycaster import File

from gltf_render_server.frame import Lens, View

__all__ = ["AnyScene", "Later", "Recipe", "Thing", "odd_scenes", "recipes"]

SIZE = (96, 72)
_NEAR_M = 0.05
_NODES = ("plain", "mirrored", "sheared", "nested", "copies")
HIDDEN_LABEL = 32765
"""Drake's "do not render"."""

Json = dict[str, Any]
Array = NDArray[np.float64]
Mesh = tuple[Array, Array, NDArray[np.intp]]
"""Points, unit normals, triangles."""


@dataclass(frozen=True)
class AnyScene:
    """A document, and from where it is seen."""

    document: Json
    views: tuple[View, ...]
    alpha_threshold: float | None = None
    seed: int = 0
    """Of how things move."""

    @property
    def data(self) -> bytes:
        return json.dumps(self.document).encode()

    def later(self) -> Later:
        """Move some nodes and all cameras a little, and one in five of them far."""
        rng = np.random.default_rng(self.seed)
        unit_m = self.views[0].lens.near / _NEAR_M
        named = [index for index, node in enumerate(self.document["nodes"]) if "name" in node]
        world = File(self.data).world
        poses = {index: _moved_by_chance(world[index], unit_m, rng) for index in named if rng.random() < 0.4}
        views = [
            replace(view, camera_to_world=_moved_by_chance(view.camera_to_world, unit_m, rng))
            for view in self.views
        ]
        return Later(poses, tuple(views))


@dataclass(frozen=True)
class Later:
    """How a scene stands at another moment: the poses of nodes by their numbers, and the views of it."""

    poses: dict[int, Array]
    views: tuple[View, ...]

    @property
    def named_poses(self) -> dict[str, Array]:
        """The poses by the nodes' names."""
        return {_name(index): pose for index, pose in self.poses.items()}


@dataclass(frozen=True)
class Thing:
    """A mesh and where it stands; all else comes of the seeds of all things together.

    So hypothesis makes another scene of each change, where it would change a number of an earlier one.
    """

    shape: str
    has_normals: bool
    has_texcoords: bool
    material: str
    bend: str
    nodes: tuple[str, ...]
    seed: int


@dataclass(frozen=True)
class Recipe:
    """All that a scene is made of: a floor and some things, two metres from two cameras."""

    things: tuple[Thing, ...]
    generator: str
    seed: int
    alpha_threshold: float | None = None

    def scene(self) -> AnyScene:
        rng = np.random.default_rng([self.seed, *(thing.seed for thing in self.things)])
        builder = _Builder(self.generator)
        for thing in (_FLOOR, *self.things):
            builder.add(thing, rng)
        views = (_view(rng, "one"), _view(rng, "other"))
        return AnyScene(builder.finished(), views, self.alpha_threshold, self.seed)


_FLOOR = Thing("sheet", False, True, "plain", "none", ("floor",), 0)


def _thing(chance: random.Random) -> Thing:
    return Thing(
        shape=chance.choice(("box", "ball", "sheet", "strip", "fan", "litter")),
        has_normals=chance.random() < 0.5,
        has_texcoords=chance.random() < 0.5,
        material=chance.choice(("plain", "cut out", "none", "hidden", "blended")),
        bend=chance.choice(("none", "morph", "skin")),
        nodes=tuple(chance.choice(_NODES) for _ in range(chance.randint(1, 3))),
        seed=chance.getrandbits(32),
    )


def _recipe(bits: list[bool]) -> Recipe:
    chance = random.Random(sum(bit << place for place, bit in enumerate(bits)))
    return Recipe(
        things=tuple(_thing(chance) for _ in range(chance.randint(2, 5))),
        generator=chance.choice(("a test", "VTK")),
        seed=chance.getrandbits(32),
        alpha_threshold=chance.choice((0.5, None)),
    )


# Hypothesis prefers numbers that stand in the loaded modules, so the scenes would depend on these; bits
# are drawn in the same way whatever else is tested
recipes = st.lists(st.booleans(), min_size=64, max_size=64).map(_recipe)
"""A strategy: recipes of scenes."""


def odd_scenes() -> dict[str, AnyScene]:
    """Scenes that chance hardly makes."""
    kinds = ("plain", "mirrored", "sheared", "nested", "copies")
    things = tuple(
        Thing(shape, index % 2 > 0, True, "plain", bend, (kinds[index % 5],), index)
        for index, (shape, bend) in enumerate(
            [("box", "none"), ("ball", "morph"), ("sheet", "skin"), ("strip", "skin"), ("fan", "none")]
        )
    )
    flat = tuple(Thing("sheet", index % 2 > 0, True, "plain", "none", ("flat",), 0) for index in range(4))
    usual = Recipe(things, "VTK", 1).scene()
    return {
        "far away": _moved(usual, (1e6, -7e5, 3e5)),
        "flattened": Recipe(flat, "VTK", 2).scene(),
        "along the floor": replace(usual, views=tuple(map(_lowered, usual.views))),
        "a thousand times as large": _scaled(usual, 1e3),
        "a thousandth as large": _scaled(usual, 1e-3),
    }


def _moved(scene: AnyScene, by: tuple[float, float, float]) -> AnyScene:
    views = tuple(
        replace(view, camera_to_world=translation(*by) @ view.camera_to_world) for view in scene.views
    )
    return replace(scene, document=_below(scene.document, {"translation": list(by)}), views=views)


def _scaled(scene: AnyScene, by: float) -> AnyScene:
    def larger(view: View) -> View:
        pose, lens = view.camera_to_world.copy(), view.lens
        pose[:3, 3] *= by
        return replace(view, camera_to_world=pose, lens=replace(lens, near=lens.near * by, far=lens.far * by))

    return replace(
        scene,
        document=_below(scene.document, {"scale": [by] * 3}),
        views=tuple(map(larger, scene.views)),
    )


def _below(document: Json, node: Json) -> Json:
    """Put all of a scene below a node."""
    document = copy.deepcopy(document)
    roots = document["scenes"][0]["nodes"]
    document["nodes"].append(node | {"children": roots})
    document["scenes"][0]["nodes"] = [len(document["nodes"]) - 1]
    return document


def _lowered(view: View) -> View:
    """Let a camera look along the floor, two centimetres above it."""
    eye = view.camera_to_world[:3, 3] * (1, 1, 0) + (0, 0, -0.23)
    return replace(view, camera_to_world=look_at(eye.tolist(), (0.0, 0.0, -0.25)))


def _view(rng: np.random.Generator, name: str) -> View:
    width, height = SIZE
    focal = rng.uniform(70, 130)
    center = rng.uniform(0.35, 0.65, 2) * SIZE
    lens = Lens(width, height, focal, focal * rng.uniform(0.8, 1.25), *map(float, center), _NEAR_M, 20.0)
    angle, height_m = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.6)
    eye = 1.7 * np.array([np.cos(angle), np.sin(angle), 0]) + (0, 0, height_m)
    return View(lens, look_at(eye.tolist(), rng.uniform(-0.1, 0.2, 3).tolist()), name)


class _Builder:
    def __init__(self, generator: str) -> None:
        self.document = empty_document()
        self.document["asset"]["generator"] = generator
        self.document["nodes"] = []
        self.document["images"], self.document["textures"] = [], []

    def finished(self) -> Json:
        for index, node in enumerate(self.document["nodes"]):
            node["name"] = _name(index)
        return {key: value for key, value in self.document.items() if value != []}

    def add(self, thing: Thing, rng: np.random.Generator) -> None:
        mesh, mode = _SHAPES[thing.shape](rng)
        points, normals, corners = mesh
        primitive: Json = {"attributes": {"POSITION": self._floats(points)}}
        if mode == 4:
            primitive["indices"] = self._indices(corners.reshape(-1))
        elif mode:
            primitive["mode"] = mode
        if thing.has_normals:
            leaning = normals + rng.normal(scale=0.1, size=normals.shape)
            primitive["attributes"]["NORMAL"] = self._floats(_unit(leaning))
        if thing.has_texcoords or thing.material == "cut out":
            uv = points @ rng.normal(size=(3, 2)) * 2 + rng.normal(size=2)
            primitive["attributes"]["TEXCOORD_0"] = self._floats(uv)
        if thing.material != "none":
            primitive["material"] = self._material(thing, rng)
        number = len(self.document["meshes"])
        self.document["meshes"].append({"primitives": [primitive]})
        if rng.random() < 0.3:
            self._add_second_primitive(primitive, points, rng)
        bent = {"none": lambda *_: {}, "morph": self._morph, "skin": self._skin}[thing.bend](
            primitive, points, rng
        )
        for kind in thing.nodes[:1] if "skin" in bent else thing.nodes:  # a skin stands in one place
            self._place(kind, {"mesh": number, **bent}, rng)

    def _add_second_primitive(self, first: Json, points: Array, rng: np.random.Generator) -> None:
        """One of another material, which shares nothing but its node."""
        other = points * 0.4 + (0, 0, 0.25)
        triangles = rng.integers(0, len(points), (6, 3))
        primitive = {
            "attributes": {"POSITION": self._floats(other)},
            "indices": self._indices(triangles.reshape(-1)),
            "material": self._add_material(rng),
        }
        del first
        self.document["meshes"][-1]["primitives"].append(primitive)

    def _material(self, thing: Thing, rng: np.random.Generator) -> int:
        material = self._add_material(rng, HIDDEN_LABEL if thing.material == "hidden" else None)
        item = self.document["materials"][material]
        if thing.material == "cut out":
            item["alphaMode"], item["alphaCutoff"] = "MASK", float(rng.uniform(0.2, 0.8))
            pixels = rng.integers(0, 255, (4, 5, 4)).astype(np.uint8)
            pixels[..., 3] = np.where(rng.random((4, 5)) < 0.4, 0, 255)
            self.document["images"].append({"uri": png_uri(pixels)})
            self.document["textures"].append({"source": len(self.document["images"]) - 1})
            item["pbrMetallicRoughness"]["baseColorTexture"] = {"index": len(self.document["textures"]) - 1}
        if thing.material == "blended":
            item["alphaMode"] = "BLEND"
            item["pbrMetallicRoughness"]["baseColorFactor"][3] = float(rng.choice([0.3, 0.9]))
        return material

    def _add_material(self, rng: np.random.Generator, label: int | None = None) -> int:
        factor = label_rgba(int(rng.integers(0, 2000)) if label is None else label)
        pbr = {"baseColorFactor": list(factor), "metallicFactor": 0.0, "roughnessFactor": 1.0}
        self.document["materials"].append({"pbrMetallicRoughness": pbr})
        return len(self.document["materials"]) - 1

    def _morph(self, primitive: Json, points: Array, rng: np.random.Generator) -> Json:
        targets = []
        for _ in range(2):
            target = {"POSITION": self._floats(rng.normal(scale=0.03, size=points.shape))}
            if "NORMAL" in primitive["attributes"]:
                target["NORMAL"] = self._floats(rng.normal(scale=0.2, size=points.shape))
            targets.append(target)
        for item in self.document["meshes"][-1]["primitives"]:
            item["targets"] = copy.deepcopy(targets) if item is primitive else self._still(item, len(targets))
        self.document["meshes"][-1]["weights"] = [0.7, -0.4]
        return {"weights": rng.uniform(-1, 1, 2).tolist()} if rng.random() < 0.5 else {}

    def _still(self, primitive: Json, count: int) -> list[Json]:
        points = self.document["accessors"][primitive["attributes"]["POSITION"]]["count"]
        return [{"POSITION": self._floats(np.zeros((points, 3)))} for _ in range(count)]

    def _skin(self, primitive: Json, points: Array, rng: np.random.Generator) -> Json:
        """Two joints bend it; its node stands elsewhere, and has no say."""
        share = np.clip((points[:, 2] - points[:, 2].min()) / np.ptp(points[:, 2]).clip(1e-3), 0, 1)
        weights = np.stack([1 - share, share, 0 * share, 0 * share], 1).astype("<f4")
        joints = np.tile(np.array([0, 1, 0, 0], "<u1"), (len(points), 1))
        primitive["attributes"]["JOINTS_0"] = add_numbers(self.document, joints, "VEC4")
        primitive["attributes"]["WEIGHTS_0"] = add_numbers(self.document, weights, "VEC4")
        skins = self.document.setdefault("skins", [])
        first = len(self.document["nodes"])
        place = [*rng.uniform(-0.5, 0.5, 2).tolist(), float(rng.uniform(0, 0.4))]
        self.document["nodes"] += [
            {"children": [first + 1], "translation": place, "rotation": _turn(rng)},
            {"rotation": [0.2, 0, 0.1, 0.97], "scale": [1.0, 1.2, 0.8], "translation": [0, 0, 0.05]},
        ]
        self._root(first)
        binds = np.tile(np.eye(4, dtype="<f4").reshape(1, 16), (2, 1))
        matrices = add_numbers(self.document, binds, "MAT4")
        skins.append({"joints": [first, first + 1], "inverseBindMatrices": matrices})
        return {"skin": len(skins) - 1}

    def _place(self, kind: str, node: Json, rng: np.random.Generator) -> None:
        if kind == "floor":
            node |= {"translation": [0, 0, -0.3], "scale": [5, 5, 5]}
            self._root(self._node(node))
            return
        scale = rng.uniform(0.5, 1.3, 3)
        place = [*rng.uniform(-0.6, 0.6, 2).tolist(), float(rng.uniform(-0.1, 0.5))]
        if kind == "flat":
            scale[2] = 0
        if kind == "mirrored":
            scale[rng.integers(3)] *= -1
        if kind == "sheared":
            shear = np.eye(4)
            shear[:3, :3] += rng.uniform(-0.4, 0.4, (3, 3))
            shear[:3, 3] = place
            self._root(self._node(node | {"matrix": column_major(shear)}))
            return
        node |= {"translation": place, "rotation": _turn(rng), "scale": scale.tolist()}
        if kind == "copies" and "skin" not in node:
            attributes = {
                "TRANSLATION": self._floats(rng.uniform(-0.5, 0.5, (3, 3))),
                "SCALE": self._floats(rng.uniform(0.3, 0.9, (3, 3))),
            }
            node["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": attributes}}
            if "extensionsRequired" not in self.document:
                require(self.document, "EXT_mesh_gpu_instancing")
        own = self._node(node)
        if kind == "nested":  # what is turned below what is scaled unevenly is sheared
            above = {"rotation": _turn(rng), "scale": rng.uniform(0.6, 1.3, 3).tolist(), "children": [own]}
            middle = self._node(above)
            own = self._node({"children": [middle], "rotation": _turn(rng), "scale": [1, 0.8, 1.2]})
        self._root(own)

    def _node(self, node: Json) -> int:
        self.document["nodes"].append(node)
        return len(self.document["nodes"]) - 1

    def _root(self, node: int) -> None:
        self.document["scenes"][0]["nodes"].append(node)

    def _floats(self, values: Array) -> int:
        return add_accessor(self.document, np.asarray(values, "<f4"), f"VEC{np.shape(values)[1]}")

    def _indices(self, values: NDArray[np.intp]) -> int:
        return add_accessor(self.document, np.asarray(values, "<u4"), "SCALAR")


def _box(rng: np.random.Generator) -> tuple[Mesh, int]:
    """Six faces of their own, each with vertices of its own."""
    size = rng.uniform(0.1, 0.25, 3)
    points, normals, corners = [], [], []
    for axis in range(3):
        for side in (-1.0, 1.0):
            u, v = np.eye(3)[(axis + 1) % 3], np.eye(3)[(axis + 2) % 3]
            out = np.eye(3)[axis] * side
            first = len(points)
            points += [out - u - v, out + u - v, out + u + v, out - u + v]
            normals += [out] * 4
            order = (0, 1, 2, 3) if side > 0 else (0, 3, 2, 1)
            corners += [[first + order[0], first + order[1], first + order[2]]]
            corners += [[first + order[0], first + order[2], first + order[3]]]
    return (np.array(points) * size, np.array(normals), np.array(corners)), 4


def _ball(rng: np.random.Generator) -> tuple[Mesh, int]:
    """A wavy ball with triangles at its poles that have no area, as many programs write them."""
    body = sphere(0.22, np.eye(4), 1, 6)
    points = body.vertices.astype(float)
    points *= 1 + 0.15 * np.sin(rng.uniform(3, 9) * points[:, :1] / 0.22)
    return (points, _unit(points), body.triangles.astype(int)), 4


def _sheet(rng: np.random.Generator) -> tuple[Mesh, int]:
    u, v = np.meshgrid(np.linspace(-0.3, 0.3, 5), np.linspace(-0.3, 0.3, 5), indexing="ij")
    height = 0.02 * np.sin(rng.uniform(4, 9) * u) * np.cos(7 * v)
    points = np.stack([u, v, height], -1).reshape(-1, 3)
    a = (5 * np.arange(4)[:, None] + np.arange(4)).reshape(-1)
    corners = np.concatenate([np.stack([a, a + 5, a + 1], 1), np.stack([a + 1, a + 5, a + 6], 1)])
    return (points, np.tile([0.0, 0.0, 1.0], (25, 1)), corners), 4


def _strip(rng: np.random.Generator) -> tuple[Mesh, int]:
    along = np.linspace(-0.35, 0.35, 7)
    points = np.stack([np.repeat(along, 2), np.tile([-0.1, 0.1], 7), rng.uniform(-0.05, 0.05, 14)], 1)
    return (points, np.tile([0.0, 0.0, -1.0], (14, 1)), np.empty((0, 3), int)), 5


def _fan(rng: np.random.Generator) -> tuple[Mesh, int]:
    angles = np.linspace(0, 1.7 * np.pi, 9)
    rim = np.stack([np.cos(angles), np.sin(angles), rng.uniform(-0.2, 0.2, 9)], 1) * 0.25
    points = np.concatenate([np.zeros((1, 3)), rim])
    return (points, np.tile([0.0, 0.0, 1.0], (10, 1)), np.empty((0, 3), int)), 6


def _litter(rng: np.random.Generator) -> tuple[Mesh, int]:
    """Triangles at random, among vertices that no triangle uses, and some without area."""
    points = rng.uniform(-0.25, 0.25, (30, 3))
    corners = rng.choice(15, (8, 3))
    corners[-1] = corners[-1, 0]
    points[20] = (9, 9, 9)  # unused, and far away
    return (points, _unit(rng.normal(size=(30, 3))), corners), 4


_SHAPES = {
    "box": _box,
    "ball": _ball,
    "sheet": _sheet,
    "strip": _strip,
    "fan": _fan,
    "litter": _litter,
}


def _name(node: int) -> str:
    return f"node {node}"


def _moved_by_chance(matrix: Array, unit_m: float, rng: np.random.Generator) -> Array:
    """Turn what a matrix places about its own origin, and shift it."""
    size = 1.0 if rng.random() < 0.2 else 0.05
    x, y, z = rng.normal(scale=size, size=3)
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    moved = matrix.copy()
    moved[:3, :3] = np.linalg.solve(np.eye(3) - skew, np.eye(3) + skew) @ matrix[:3, :3]  # Cayley's rotation
    moved[:3, 3] += unit_m * rng.normal(scale=size, size=3)
    return moved


def _turn(rng: np.random.Generator) -> list[float]:
    return _unit(rng.normal(size=4)).tolist()


def _unit(vectors: Array) -> Array:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
