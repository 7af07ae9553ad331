"""Materials of surfaces with holes, for the exact render. Rays pass through the holes."""

from __future__ import annotations

import io
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..scene import AlphaTexture, Cutout, Digest, Wrap
from . import compat

__all__ = ["CutoutMaterials", "give_alpha"]

_ALPHA, _TEXCOORDS = "Alpha", "Alpha Texture"
"""The mesh attributes that these materials use."""

_EXTENSIONS: dict[Wrap, str] = {"repeat": "REPEAT", "mirror": "MIRROR", "clamp": "EXTEND"}
_WRAPPING: dict[Wrap, str] = {"repeat": "WRAP", "mirror": "PINGPONG"}


class CutoutMaterials:
    """A cache of these materials. Meshes with equal materials share one."""

    def __init__(self) -> None:
        self._materials: dict[Digest, tuple[bpy.types.Material, bpy.types.Image | None]] = {}

    def material(self, cutout: Cutout) -> bpy.types.Material:
        """Return the material of a surface. It is kept until `keep_used` finds it unused.

        Raises
        ------
        SceneError
            Its image cannot be decoded.
        """
        key = cutout.material
        if key not in self._materials:
            self._materials[key] = _make_material(cutout.threshold, cutout.texture())
        return self._materials[key][0]

    def keep_used(self) -> None:
        """Remove the materials that no mesh uses."""
        unused = [key for key, (material, _) in self._materials.items() if not material.users]
        gone = [item for key in unused for item in self._materials.pop(key) if item is not None]
        bpy.data.batch_remove(gone)


def give_alpha(mesh: bpy.types.Mesh, cutout: Cutout) -> None:
    """Add to a mesh the attributes that its material uses."""
    target: Any = mesh
    target.uv_layers.new(name=_TEXCOORDS).data.foreach_set("uv", cutout.texcoords().reshape(-1))
    alpha = target.attributes.new(_ALPHA, "FLOAT", "CORNER")
    alpha.data.foreach_set("value", cutout.corners().reshape(-1))


def _make_material(
    threshold: float, texture: AlphaTexture | None
) -> tuple[bpy.types.Material, bpy.types.Image | None]:
    """Make a material that is transparent where the alpha is below a threshold, and its image."""
    material = bpy.data.materials.new("Cutout")
    tree = compat.node_tree(material)
    tree.nodes.clear()
    alpha = _node(tree, "ShaderNodeAttribute", attribute_name=_ALPHA).outputs["Fac"]
    image = None
    if texture is not None:
        image = _make_image(texture.alpha)
        alpha = _math(tree, "MULTIPLY", alpha, _sampled(tree, texture, image))
    mix = _node(tree, "ShaderNodeMixShader")
    tree.links.new(_math(tree, "LESS_THAN", alpha, threshold), mix.inputs[0])
    solid = _node(tree, "ShaderNodeEmission")
    solid.inputs["Strength"].default_value = 0.0
    tree.links.new(solid.outputs[0], mix.inputs[1])
    tree.links.new(_node(tree, "ShaderNodeBsdfTransparent").outputs[0], mix.inputs[2])
    tree.links.new(mix.outputs[0], _node(tree, "ShaderNodeOutputMaterial").inputs["Surface"])
    return material, image


def _make_image(alpha: NDArray[np.uint8]) -> bpy.types.Image:
    """Make a greyscale image. Its rows are upside down, because v points down there."""
    encoded = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(alpha[::-1])).save(encoded, "PNG", compress_level=1)
    image: Any = bpy.data.images.new("Cutout", 8, 8)
    image.pack(data=encoded.getvalue(), data_len=encoded.tell())
    image.source = "FILE"
    image.colorspace_settings.is_data = True
    return image


def _sampled(tree: Any, texture: AlphaTexture, image: bpy.types.Image) -> Any:
    """Add nodes that sample the image, and return their output."""
    across, down = texture.wraps
    place = _node(tree, "ShaderNodeUVMap", uv_map=_TEXCOORDS).outputs[0]
    if across != down:
        place = _wrapped(tree, place, texture.wraps)
    node = _node(
        tree,
        "ShaderNodeTexImage",
        image=image,
        extension=_EXTENSIONS[across] if across == down else "EXTEND",
        interpolation="Linear" if texture.is_smooth else "Closest",
    )
    tree.links.new(place, node.inputs[0])
    return node.outputs["Color"]


def _wrapped(tree: Any, place: Any, wraps: tuple[Wrap, Wrap]) -> Any:
    """Add nodes that wrap coordinates, in the given mode for each axis."""
    apart, together = _node(tree, "ShaderNodeSeparateXYZ"), _node(tree, "ShaderNodeCombineXYZ")
    tree.links.new(place, apart.inputs[0])
    for axis, wrap in enumerate(wraps):
        value = apart.outputs[axis]
        if wrap in _WRAPPING:
            value = _math(tree, _WRAPPING[wrap], value, 1.0, 0.0)
        tree.links.new(value, together.inputs[axis])
    return together.outputs[0]


def _math(tree: Any, operation: str, *values: Any) -> Any:
    """Add a node that computes with numbers and outputs of other nodes."""
    node = _node(tree, "ShaderNodeMath", operation=operation)
    for socket, value in zip(node.inputs, values, strict=False):
        if isinstance(value, float):
            socket.default_value = value
        else:
            tree.links.new(value, socket)
    return node.outputs[0]


def _node(tree: Any, kind: str, **properties: Any) -> Any:
    node = tree.nodes.new(kind)
    for name, value in properties.items():
        setattr(node, name, value)
    return node
