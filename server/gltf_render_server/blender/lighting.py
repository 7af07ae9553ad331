"""Light from all around, for scenes that bring no light of their own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..environments import DEFAULT_ENVIRONMENT, ENVIRONMENTS, NO_ENVIRONMENT, Exposure
from ..errors import SettingsError
from . import compat

__all__ = [
    "brings_light",
    "environment_names",
    "find_environment",
    "make_environment",
]

_LARGEST_BAKED_PX = 2048  # the pixels of a larger HDRI do not show behind a scene
_IMPORTANCE_MAP_PX = 512  # the automatic choice costs 3 s a picture, and no eye sees the difference
_EEVEE_SUN_THRESHOLD = 10.0  # radiance above which EEVEE makes a sun of a part of the HDRI
_EEVEE_SUN_ANGLE_RAD = math.radians(5)  # soft edges, as Cycles gives the shadows of the same HDRI


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
    """Find the file of a name or path of the settings; None means the default, `NO_ENVIRONMENT` no file.

    Raises
    ------
    SettingsError
        There is no such HDRI.
    """
    if environment == NO_ENVIRONMENT:
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
    world.cycles.sampling_method = "MANUAL"
    world.cycles.sample_map_resolution = _IMPORTANCE_MAP_PX
    world.use_sun_shadow = True
    world.use_sun_shadow_jitter = True
    world.sun_threshold = _EEVEE_SUN_THRESHOLD
    world.sun_angle = _EEVEE_SUN_ANGLE_RAD
    is_shipped = path.parent == _shipped().resolve()
    exposure = ENVIRONMENTS.get(path.stem, Exposure()) if is_shipped else Exposure()
    image: Any = _load(path)
    if image.is_float and image.size[0] <= _LARGEST_BAKED_PX:
        image = _baked(image, exposure)
    _fill(compat.node_tree(world), image)
    return world


def _fill(tree: bpy.types.NodeTree, image: bpy.types.Image) -> None:
    """Show an image as it is: every further node would be computed for each ray that light is sought by."""
    tree.nodes.clear()
    texture = tree.nodes.new("ShaderNodeTexEnvironment")
    background = tree.nodes.new("ShaderNodeBackground")
    output = tree.nodes.new("ShaderNodeOutputWorld")
    texture.image = image
    tree.links.new(texture.outputs["Color"], background.inputs["Color"])
    tree.links.new(background.outputs["Background"], output.inputs["Surface"])


def _load(path: Path) -> bpy.types.Image:
    image = bpy.data.images.load(str(path), check_existing=False)
    if not image.channels:
        raise SettingsError(f"--environment {path}: Blender cannot read this image")
    return image


def _baked(source: Any, exposure: Exposure) -> bpy.types.Image:
    """Make an image with the exposure in its pixels, smoothed, so that these do not show behind the scene."""
    width, height = source.size
    pixels = np.empty(width * height * 4, np.float32)
    source.pixels.foreach_get(pixels)
    baked = pixels.reshape(height, width, 4)
    baked[..., :3] *= np.multiply(exposure.strength, exposure.tint)
    baked = np.roll(baked, round(exposure.rotation_deg / 360 * width), axis=1)
    baked = _smoothed(np.pad(baked, ((1, 1), (0, 0), (0, 0)), "edge"), 0)[1:-1]
    baked = _smoothed(baked, 1)
    image: Any = bpy.data.images.new("Environment", width, height, float_buffer=True)
    image.pixels.foreach_set(baked.reshape(-1))
    bpy.data.images.remove(source)
    return image


def _smoothed(pixels: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Filter by a cubic B-spline at whole pixels; (height, width, 4) float32, in a circle along `axis`."""
    before, after = np.roll(pixels, 1, axis), np.roll(pixels, -1, axis)
    return (before + after + 4 * pixels) / np.float32(6)


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
