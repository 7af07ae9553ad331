"""Light from all around, for scenes that bring no light of their own."""

from __future__ import annotations

import math
from pathlib import Path

import bpy

from ..errors import SettingsError
from . import compat

__all__ = [
    "DEFAULT_ENVIRONMENT",
    "brings_light",
    "environment_names",
    "find_environment",
    "make_environment",
]

DEFAULT_ENVIRONMENT = "interior"


def environment_names() -> list[str]:
    """Name the HDRIs that Blender ships."""
    return sorted(path.stem for path in _shipped().glob("*.exr"))


def brings_light(scene: bpy.types.Scene) -> bool:
    """Whether a scene has light of its own: a world, a light, or something that glows."""
    if scene.world is not None or any(item.type == "LIGHT" for item in scene.objects):
        return True
    slots = (slot.material for item in scene.objects for slot in item.material_slots)
    return any(_glows(material) for material in set(slots) if material is not None)


def find_environment(environment: str | None) -> Path | None:
    """Find the file of a name or path of the settings; None means the default, "none" means no file.

    Raises
    ------
    SettingsError
        There is no such HDRI.
    """
    if environment == "none":
        return None
    name = environment or DEFAULT_ENVIRONMENT
    shipped = _shipped() / f"{name.lower()}.exr"
    path = shipped if shipped.is_file() else Path(name).expanduser()
    if not path.is_file():
        names = ", ".join(environment_names()) or "the HDRIs that Blender ships (none here)"
        raise SettingsError(f"--environment {name}: neither a file nor one of {names}")
    return path.resolve()


def make_environment(path: Path) -> bpy.types.World:
    """Make a world that is lit by the HDRI at `path`.

    Raises
    ------
    SettingsError
        It cannot be read.
    """
    world = bpy.data.worlds.new("Environment")
    tree = compat.node_tree(world)
    tree.nodes.clear()
    image = tree.nodes.new("ShaderNodeTexEnvironment")
    background = tree.nodes.new("ShaderNodeBackground")
    output = tree.nodes.new("ShaderNodeOutputWorld")
    image.image = _load(path)
    tree.links.new(image.outputs["Color"], background.inputs["Color"])
    tree.links.new(background.outputs["Background"], output.inputs["Surface"])
    return world


def _load(path: Path) -> bpy.types.Image:
    image = bpy.data.images.load(str(path), check_existing=True)
    if 0 in (image.size[0], image.size[1]):
        raise SettingsError(f"--environment {path}: Blender cannot read this image")
    return image


def _shipped() -> Path:
    return Path(bpy.utils.system_resource("DATAFILES", path="studiolights/world"))


def _glows(material: bpy.types.Material) -> bool:
    if material.node_tree is None:
        return False
    return any(_node_glows(node) for node in material.node_tree.nodes)


def _node_glows(node: bpy.types.Node) -> bool:
    if node.type == "EMISSION":
        return True
    if node.type != "BSDF_PRINCIPLED":
        return False
    strength, colour = node.inputs["Emission Strength"], node.inputs["Emission Color"]
    is_black = not colour.is_linked and not any(colour.default_value[:3])
    return (strength.is_linked or not math.isclose(strength.default_value, 0.0)) and not is_black
