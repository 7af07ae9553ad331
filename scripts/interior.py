"""A furnished room by daylight and lamplight, made with Blender: a .blend that a client's objects join.

The world is z-up, in metres. The table's top is z = 0, where the still life of `tabletop` stands.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tabletop import tabletop

if TYPE_CHECKING:
    import bpy

__all__ = ["save_interior", "still_life_in_a_room"]

_Vector = tuple[float, float, float]

_FLOOR, _CEILING = -0.74, 1.86
_LEFT, _RIGHT, _FRONT, _BACK = -2.4, 2.6, -2.6, 2.0
_WALL = 0.2
_WINDOW_Y, _WINDOW_Z = (-0.9, 0.7), (0.1, 1.5)
_EYE, _TARGET = (1.55, -1.65, 0.72), (-0.12, 0.18, 0.03)
_FOV_Y_RAD = math.radians(50.0)
_OWN_SURROUNDINGS = ("table", "apron", "wall")


def still_life_in_a_room(width: int, height: int) -> tuple[bytes, dict[str, str]]:
    """Return the scene and the form of a client whose still life stands on the room's table."""
    still_life = tabletop()
    gltf = json.loads(still_life.document("color"))
    root, *nodes = gltf["nodes"]
    shown = [n for n, node in enumerate(nodes, start=1) if node["name"] not in _OWN_SURROUNDINGS]
    gltf["nodes"] = [root | {"children": shown}, *nodes]
    camera = next(node for node in nodes if "camera" in node)
    camera["matrix"] = _look_at(_EYE, _TARGET).T.ravel().tolist()
    focal = f"{height / 2 / math.tan(_FOV_Y_RAD / 2):.6f}"
    fields = still_life.fields("color", width, height) | {"focal_x": focal, "focal_y": focal}
    del fields["scene_sha256"]
    return json.dumps(gltf).encode(), fields


def save_interior(path: Path) -> None:
    """Make the room in an empty Blender and save it; what Blender held before is gone."""
    import bpy

    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.engine = "CYCLES"
    _build_shell()
    _build_furniture()
    _build_lights()
    bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=True, compress=True)


def _build_shell() -> None:
    plaster = _material("Plaster", (0.75, 0.72, 0.66), 0.9)
    boards = _textured("Boards", "ShaderNodeTexWave", 1.6, ((0.20, 0.10, 0.04), (0.36, 0.20, 0.09)), 0.32)
    across, along = (_LEFT, _RIGHT), (_FRONT, _BACK)
    high = (_FLOOR, _CEILING)
    _box("Floor", across, along, (_FLOOR - _WALL, _FLOOR), boards)
    _box("Ceiling", across, along, (_CEILING, _CEILING + _WALL), plaster)
    _box("Back Wall", across, (_BACK, _BACK + _WALL), high, plaster)
    _box("Front Wall", across, (_FRONT - _WALL, _FRONT), high, plaster)
    _box("Right Wall", (_RIGHT, _RIGHT + _WALL), along, high, plaster)
    outside = (_LEFT - _WALL, _LEFT)
    (south, north), (sill, lintel) = _WINDOW_Y, _WINDOW_Z
    _box("Wall below the Window", outside, along, (_FLOOR, sill), plaster)
    _box("Wall above the Window", outside, along, (lintel, _CEILING), plaster)
    _box("Wall before the Window", outside, (_FRONT, south), _WINDOW_Z, plaster)
    _box("Wall behind the Window", outside, (north, _BACK), _WINDOW_Z, plaster)
    white = _material("Paint", (0.8, 0.8, 0.78), 0.3)
    middle = (south + north) / 2
    _box("Mullion", (_LEFT - 0.1, _LEFT - 0.06), (middle - 0.03, middle + 0.03), _WINDOW_Z, white)
    _box("Skirting", across, (_BACK - 0.015, _BACK), (_FLOOR, _FLOOR + 0.1), white)


def _build_furniture() -> None:
    oak = _textured("Oak", "ShaderNodeTexNoise", 9.0, ((0.30, 0.17, 0.08), (0.52, 0.34, 0.18)), 0.25)
    _box("Table", (-0.75, 0.75), (-0.36, 0.5), (-0.04, 0.0), oak, bevel=0.008)
    for n, (x, y) in enumerate([(-0.7, -0.31), (0.64, -0.31), (-0.7, 0.39), (0.64, 0.39)]):
        _box(f"Leg {n}", (x, x + 0.06), (y, y + 0.06), (_FLOOR, -0.04), oak)
    rug = _textured("Rug", "ShaderNodeTexChecker", 14.0, ((0.45, 0.08, 0.06), (0.55, 0.45, 0.30)), 1.0)
    _box("Rug", (-1.3, 1.2), (-1.1, 1.1), (_FLOOR, _FLOOR + 0.012), rug)
    cloth = _textured("Cloth", "ShaderNodeTexVoronoi", 60.0, ((0.06, 0.10, 0.20), (0.10, 0.17, 0.32)), 0.95)
    _box("Seat", (-0.5, 1.4), (1.0, 1.85), (_FLOOR + 0.12, _FLOOR + 0.45), cloth, bevel=0.06)
    _box("Backrest", (-0.5, 1.4), (1.65, 1.92), (_FLOOR + 0.4, _FLOOR + 0.95), cloth, bevel=0.08)
    canvas = _textured("Canvas", "ShaderNodeTexMagic", 5.0, ((0.7, 0.2, 0.1), (0.1, 0.3, 0.5)), 0.6)
    _box("Picture", (0.0, 0.9), (_BACK - 0.03, _BACK), (0.45, 1.1), canvas)
    brass = _material("Brass", (0.75, 0.52, 0.25), 0.18, metallic=1.0)
    _round("Pole", (-1.2, 1.55, _FLOOR + 0.7), (0.012, 0.012, 0.7), brass, sides=24)
    _ball("Ornament", (0.52, 0.38, 0.07), 0.07, brass)
    _build_shelf(oak)


def _build_shelf(wood: bpy.types.Material) -> None:
    """Build a bookshelf; its books are drawn from a seed."""
    rng = np.random.default_rng(0)
    covers = [_material(f"Cover {n}", tuple(rng.uniform(0.03, 0.6, 3)), 0.5) for n in range(8)]
    depth = (1.68, _BACK)
    for level in range(4):
        bottom = _FLOOR + 0.1 + 0.42 * level
        _box(f"Board {level}", (-2.35, -1.45), depth, (bottom - 0.025, bottom), wood)
        x = -2.32
        while x < -1.55:
            thick, tall = rng.uniform(0.02, 0.055), rng.uniform(0.2, 0.34)
            cover = covers[rng.integers(len(covers))]
            _box(f"Book {level} {x:.3f}", (x, x + thick), (1.74, 1.94), (bottom, bottom + tall), cover)
            x += thick + 0.002


def _build_lights() -> None:
    import bpy

    shade = _material("Shade", (0.85, 0.75, 0.6), 0.8, transmission=0.6)
    _round("Lamp Shade", (-1.2, 1.55, 0.82), (0.17, 0.17, 0.14), shade, sides=48, capped=False)
    lamp: Any = _light("Lamp", "POINT", (-1.2, 1.55, 0.82), 45.0, (1.0, 0.72, 0.45))
    lamp.shadow_soft_size = 0.05
    sun: Any = _light("Sun", "SUN", (-4.0, 0.0, 3.0), 4.0, (1.0, 0.93, 0.82), turn=(0.0, -0.95, 0.35))
    sun.angle = math.radians(0.6)
    middle_y, middle_z = sum(_WINDOW_Y) / 2, sum(_WINDOW_Z) / 2
    portal: Any = _light(
        "Portal", "AREA", (_LEFT - 0.15, middle_y, middle_z), 1.0, (1, 1, 1), turn=(0, -math.pi / 2, 0)
    )
    portal.shape = "RECTANGLE"
    portal.size, portal.size_y = _WINDOW_Z[1] - _WINDOW_Z[0], _WINDOW_Y[1] - _WINDOW_Y[0]
    portal.cycles.is_portal = True
    world = bpy.data.worlds.new("Sky")
    background = _nodes(world).nodes["Background"]
    _set(background, "Color", (0.55, 0.75, 1.0, 1.0))
    _set(background, "Strength", 3.0)
    bpy.context.scene.world = world
    bpy.context.scene.view_settings.exposure = 0.6


def _light(
    name: str, kind: Any, place: _Vector, power: float, colour: _Vector, turn: _Vector = (0.0, 0.0, 0.0)
) -> bpy.types.Light:
    import bpy

    light: Any = bpy.data.lights.new(name, kind)
    light.energy, light.color = power, colour
    item = _link(name, light)
    item.location, item.rotation_euler = place, turn
    return light


def _box(
    name: str,
    x: tuple[float, float],
    y: tuple[float, float],
    z: tuple[float, float],
    material: bpy.types.Material,
    *,
    bevel: float = 0.0,
) -> None:
    corners = [(x[i], y[j], z[k]) for i in (0, 1) for j in (0, 1) for k in (0, 1)]
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    item = _link(name, _mesh(name, lambda mesh: mesh.from_pydata(corners, [], faces), material))
    if bevel:
        modifier: Any = item.modifiers.new("Bevel", "BEVEL")
        modifier.width, modifier.segments = bevel, 4


def _round(
    name: str,
    place: _Vector,
    half: _Vector,
    material: bpy.types.Material,
    *,
    sides: int,
    capped: bool = True,
) -> None:
    """Add an upright cylinder of half extents `half` about `place`."""
    import bmesh

    def fill(mesh: bpy.types.Mesh) -> None:
        shape = bmesh.new()
        bmesh.ops.create_cone(
            shape, cap_ends=capped, segments=sides, radius1=half[0], radius2=half[1], depth=2 * half[2]
        )
        shape.to_mesh(mesh)
        shape.free()

    _link(name, _mesh(name, fill, material)).location = place


def _ball(name: str, place: _Vector, radius: float, material: bpy.types.Material) -> None:
    import bmesh

    def fill(mesh: bpy.types.Mesh) -> None:
        shape = bmesh.new()
        bmesh.ops.create_icosphere(shape, subdivisions=5, radius=radius)
        shape.to_mesh(mesh)
        shape.free()
        mesh.shade_smooth()

    _link(name, _mesh(name, fill, material)).location = place


def _mesh(name: str, fill: Callable[[bpy.types.Mesh], None], material: bpy.types.Material) -> bpy.types.Mesh:
    import bpy

    mesh = bpy.data.meshes.new(name)
    fill(mesh)
    mesh.materials.append(material)
    return mesh


def _link(name: str, data: bpy.types.ID) -> bpy.types.Object:
    import bpy

    item = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(item)
    return item


def _material(
    name: str, colour: Sequence[float], roughness: float, *, metallic: float = 0.0, transmission: float = 0.0
) -> bpy.types.Material:
    import bpy

    material = bpy.data.materials.new(name)
    shader = _nodes(material).nodes["Principled BSDF"]
    _set(shader, "Base Color", (*colour, 1.0))
    _set(shader, "Roughness", roughness)
    _set(shader, "Metallic", metallic)
    _set(shader, "Transmission Weight", transmission)
    return material


def _textured(
    name: str, texture: str, scale: float, colours: tuple[_Vector, _Vector], roughness: float
) -> bpy.types.Material:
    """Make a material between two colours, in the pattern of one of Blender's textures."""
    material = _material(name, colours[0], roughness)
    tree = _nodes(material)
    place = tree.nodes.new("ShaderNodeTexCoord")
    pattern = tree.nodes.new(texture)
    _set(pattern, "Scale", scale)
    ramp: Any = tree.nodes.new("ShaderNodeValToRGB")
    for element, colour in zip(ramp.color_ramp.elements, colours, strict=True):
        element.color = (*colour, 1.0)
    value = next(output for output in pattern.outputs if output.name in ("Fac", "Factor", "Distance"))
    tree.links.new(place.outputs["Object"], pattern.inputs["Vector"])
    tree.links.new(value, ramp.inputs[0])
    tree.links.new(ramp.outputs["Color"], tree.nodes["Principled BSDF"].inputs["Base Color"])
    return material


def _nodes(owner: bpy.types.Material | bpy.types.World) -> bpy.types.NodeTree:
    from gltf_render_server.blender.compat import node_tree

    return node_tree(owner)


def _set(node: bpy.types.Node, name: str, value: object) -> None:
    socket: Any = node.inputs[name]
    socket.default_value = value


def _look_at(eye: _Vector, target: _Vector) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the (4, 4) pose of a camera that looks along its -z axis, its y axis up."""
    back = np.subtract(eye, target)
    back = back / np.linalg.norm(back)
    right = np.cross((0.0, 0.0, 1.0), back)
    right = right / np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3] = np.stack([right, np.cross(back, right), back, eye], axis=-1)
    return pose
