"""Environment lighting, for scenes without lights of their own."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..environments import DEFAULT_ENVIRONMENT, ENVIRONMENTS, NO_ENVIRONMENT, Exposure
from ..errors import SettingsError
from . import compat
from .engines import rendered_view_layer

__all__ = [
    "Environments",
    "brings_light",
    "environment_names",
    "find_environment",
]

_LARGEST_BAKED_PX = 2048  # the pixels of larger HDRIs are not visible behind a scene
_IMPORTANCE_MAP_PX = 512  # the automatic size costs 3 s per image, without a visible difference
_MOST_WORLDS = 8  # 8 MB each
_EEVEE_SUN_THRESHOLD = 10.0  # the radiance above which EEVEE replaces a part of the HDRI with a sun
_EEVEE_SUN_ANGLE_RAD = math.radians(5)  # gives soft edges, like those of Cycles' shadows with the same HDRI


def environment_names() -> list[str]:
    """Return the names of the HDRIs that Blender ships."""
    return sorted(path.stem for path in _shipped().glob("*.exr"))


def brings_light(scene: bpy.types.Scene) -> bool:
    """Return whether a scene has its own light: a world, a light, or an emissive material."""
    shown = set(_shown(scene))
    if scene.world is not None or any(item.type == "LIGHT" for item in shown):
        return True
    slots = (slot.material for item in shown for slot in item.material_slots)
    return any(_glows(material) for material in set(slots) if material is not None)


def find_environment(environment: str | None) -> Path | None:
    """Return the file of the settings' HDRI. None means the default, and `NO_ENVIRONMENT` no file.

    Raises
    ------
    SettingsError
        The HDRI does not exist.
    """
    if environment == NO_ENVIRONMENT:
        return None
    name = environment or DEFAULT_ENVIRONMENT
    shipped = _shipped() / f"{name.lower()}.exr"
    path = shipped if shipped.is_file() else Path(name).expanduser()
    if not path.is_file():
        names = ", ".join(environment_names()) or "none, as this Blender ships no HDRIs"
        raise SettingsError(
            f"--environment {name}: there is no such file, and no environment of that name; the names "
            f"are {names}"
        )
    return path.resolve()


class Environments:
    """A cache of worlds that are lit by HDRIs. It evicts the least recently used world."""

    def __init__(self) -> None:
        self._worlds: OrderedDict[tuple[Path, float, float], tuple[bpy.types.World, bpy.types.Image]] = (
            OrderedDict()
        )

    def world(self, path: Path, rotation_deg: float = 0.0, strength: float = 1.0) -> bpy.types.World:
        """Return the world with the HDRI at `path`.

        Parameters
        ----------
        path : Path
        rotation_deg : float
            The rotation about the vertical axis, counter-clockwise as seen from above.
        strength : float
            A factor for the radiance.

        Raises
        ------
        SettingsError
            The file cannot be read.
        """
        key = (path, rotation_deg % 360.0, strength)
        if key not in self._worlds:
            self._worlds[key] = _make_world(*key)
            while len(self._worlds) > _MOST_WORLDS:
                _, (world, image) = self._worlds.popitem(last=False)
                bpy.data.worlds.remove(world)
                bpy.data.images.remove(image)
        self._worlds.move_to_end(key)
        return self._worlds[key][0]


def _make_world(path: Path, rotation_deg: float, strength: float) -> tuple[bpy.types.World, bpy.types.Image]:
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
        image, rotation_deg = _baked(image, exposure, rotation_deg), 0.0
    _fill(compat.node_tree(world), image, rotation_deg, strength)
    return world, image


def _fill(tree: bpy.types.NodeTree, image: bpy.types.Image, rotation_deg: float, strength: float) -> None:
    """Show an image with as few nodes as possible, because each is evaluated for every light ray."""
    tree.nodes.clear()
    texture = tree.nodes.new("ShaderNodeTexEnvironment")
    background = tree.nodes.new("ShaderNodeBackground")
    output = tree.nodes.new("ShaderNodeOutputWorld")
    texture.image = image
    background.inputs["Strength"].default_value = strength
    tree.links.new(texture.outputs["Color"], background.inputs["Color"])
    tree.links.new(background.outputs["Background"], output.inputs["Surface"])
    if rotation_deg:
        direction = tree.nodes.new("ShaderNodeTexCoord")
        turn = tree.nodes.new("ShaderNodeMapping")
        turn.inputs["Rotation"].default_value = (0.0, 0.0, -math.radians(rotation_deg))
        tree.links.new(direction.outputs["Generated"], turn.inputs["Vector"])
        tree.links.new(turn.outputs["Vector"], texture.inputs["Vector"])


def _load(path: Path) -> bpy.types.Image:
    image = bpy.data.images.load(str(path), check_existing=False)
    if not image.channels:
        raise SettingsError(f"--environment {path}: Blender cannot read this image")
    return image


def _baked(source: Any, exposure: Exposure, rotation_deg: float) -> bpy.types.Image:
    """Make an image with the exposure applied, smoothed so that its pixels are not visible behind the scene.

    The exposure's own rotation is rounded to whole pixels, but `rotation_deg` is exact.
    """
    width, height = source.size
    pixels = np.empty(width * height * 4, np.float32)
    source.pixels.foreach_get(pixels)
    baked = pixels.reshape(height, width, 4)
    baked[..., :3] *= np.multiply(exposure.strength, exposure.tint)
    turn = -rotation_deg / 360 * width
    baked = np.roll(baked, round(exposure.rotation_deg / 360 * width) + math.ceil(turn), axis=1)
    baked = _smoothed(np.pad(baked, ((1, 1), (0, 0), (0, 0)), "edge"), 0)[1:-1]
    baked = _smoothed(baked, 1, math.ceil(turn) - turn)
    image: Any = bpy.data.images.new("Environment", width, height, float_buffer=True)
    image.pixels.foreach_set(baked.reshape(-1))
    bpy.data.images.remove(source)
    return image


def _smoothed(pixels: NDArray[np.float32], axis: int, after: float = 0.0) -> NDArray[np.float32]:
    """Filter with a cubic B-spline along `axis`, which wraps around.

    Parameters
    ----------
    pixels : (height, width, 4) float32
    axis : int
    after : float
        The offset after each pixel at which the result is sampled, from 0 to 1.
    """
    one, two, three = (np.roll(pixels, shift, axis) for shift in (1, -1, -2))
    if not after:
        return (one + two + 4 * pixels) / np.float32(6)
    t = after
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, 3 * (t + t**2 - t**3) + 1, t**3)
    smoothed = np.zeros_like(pixels)
    for weight, shifted in zip(weights, (one, pixels, two, three), strict=True):
        smoothed += np.float32(weight / 6) * shifted
    return smoothed


def _shipped() -> Path:
    return Path(bpy.utils.system_resource("DATAFILES", path="studiolights/world"))


def _shown(scene: bpy.types.Scene) -> Iterator[bpy.types.Object]:
    """Yield the rendered objects, with those of instanced collections and of background scenes."""
    yield from _with_instanced(rendered_view_layer(scene).objects)
    if scene.background_set is not None:
        yield from _shown(scene.background_set)


def _with_instanced(objects: Iterable[bpy.types.Object]) -> Iterator[bpy.types.Object]:
    for item in objects:
        if not item.hide_render:
            yield item
            if item.instance_type == "COLLECTION" and item.instance_collection is not None:
                yield from _with_instanced(item.instance_collection.all_objects)


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
