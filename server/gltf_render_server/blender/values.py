"""Copies of materials that output the material's properties to AOVs instead of being lit.

Cycles adds the values of all surfaces along a ray, so a surface writes zeros where it is cut out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import bpy

from . import compat

__all__ = ["ALBEDO", "EMISSION", "SURFACE", "unlit_twin"]

ALBEDO = "glTF Albedo"
"""The name of the AOV for the base colour."""
SURFACE = "glTF Surface"
"""The name of the AOV for roughness and metallic, which are -1 if there are none, and for 1 if all of this is
known.
"""
EMISSION = "glTF Emission"
"""The name of the AOV for the emitted radiance."""

_TOLERANCE = 1e-6  # as in the exact passes; cut-out surfaces have an alpha of 0 here
_HAS_NONE = -1.0


@dataclass(frozen=True)
class _Values:
    """The properties of a shader: sockets to link from or to copy the values of, or numbers."""

    albedo: Any = (0.0, 0.0, 0.0)
    roughness: Any = _HAS_NONE
    metallic: Any = _HAS_NONE
    emission: Any = (0.0, 0.0, 0.0)
    strength: Any = 1.0
    alphas: tuple[Any, ...] = ()
    """The factors of its alpha."""
    is_known: bool = True


_UNKNOWN = _Values(is_known=False)
_NOTHING = _Values(alphas=(0.0,), is_known=False)


def unlit_twin(material: bpy.types.Material | None, solid_from: float | None) -> bpy.types.Material:
    """Make a material that writes the properties of another to the AOVs `ALBEDO`, `SURFACE` and `EMISSION`.

    Supported are a Principled BSDF, an Emission, the nodes of glTF's importer for an unlit material, and each
    of these mixed with a Transparent BSDF. All other materials are solid and write zeros.

    Parameters
    ----------
    material : bpy.types.Material or None
        None means Blender's default material, which surfaces without a material have.
    solid_from : float or None
        The lowest alpha that counts as solid; None = everything is solid.

    Returns
    -------
    bpy.types.Material
        The new material. The caller has to remove it.
    """
    if material is None:
        twin: Any = bpy.data.materials.new("Default")
        has_nodes = True
    else:
        twin = material.copy()
        has_nodes = compat.has_nodes(material)
    twin.cycles.emission_sampling = "NONE"  # otherwise Cycles would treat all its triangles as light sources
    tree: Any = compat.node_tree(twin)
    output = tree.get_output_node("CYCLES") or tree.nodes.new("ShaderNodeOutputMaterial")
    values = _values_of(output.inputs["Surface"]) if has_nodes else _UNKNOWN
    if output.inputs["Volume"].is_linked:
        values = _NOTHING if not output.inputs["Surface"].is_linked else values
        tree.links.remove(output.inputs["Volume"].links[0])
    if solid_from is None:
        values = replace(values, alphas=())
    _Writer(tree).write(values, solid_from or 0.0, output.inputs["Surface"])
    return twin


def _values_of(shader: Any) -> _Values:
    """Return the properties of the shader that is linked to a socket."""
    node = _source(shader)
    kind = "" if node is None else node.type
    if kind == "BSDF_PRINCIPLED":
        names = ("Base Color", "Roughness", "Metallic", "Emission Color", "Emission Strength")
        return _Values(*(node.inputs[name] for name in names), alphas=(node.inputs["Alpha"],))
    if kind == "EMISSION":
        return _Values(emission=node.inputs["Color"], strength=node.inputs["Strength"])
    if kind == "BSDF_TRANSPARENT":
        return _NOTHING
    if kind == "MIX_SHADER":
        return _mixed(*node.inputs)
    return _UNKNOWN


def _mixed(factor: Any, first: Any, second: Any) -> _Values:
    front, back = _values_of(second), _source(first)
    if back is None or back.type != "BSDF_TRANSPARENT":
        return _UNKNOWN
    # an unlit material: the mix depends on whether this is a camera ray
    if (by := _source(factor)) is not None and by.type == "LIGHT_PATH":
        return _Values(albedo=front.emission, alphas=front.alphas, is_known=front.is_known)
    return replace(front, alphas=(factor, *front.alphas))


def _source(socket: Any) -> Any:
    """Return the node that a socket is linked to, or None."""
    while socket.is_linked:
        node = socket.links[0].from_node
        if node.type != "REROUTE":
            return node
        socket = node.inputs[0]
    return None


def _own_value(socket: Any) -> Any:
    """Return the value of an unlinked input, without the alpha, which Cycles ignores."""
    return socket.default_value[:3] if socket.type == "RGBA" else socket.default_value


class _Writer:
    """Adds nodes to a node tree."""

    def __init__(self, tree: Any) -> None:
        self._tree = tree

    def write(self, values: _Values, solid_from: float, surface: Any) -> None:
        """Write values to the AOVs, and link a surface that is either opaque or transparent."""
        alpha: Any = 1.0
        least = max(solid_from - _TOLERANCE, _TOLERANCE)
        for factor in values.alphas:
            alpha = self._node("ShaderNodeMath", [alpha, factor], operation="MULTIPLY")
        is_below = self._node("ShaderNodeMath", [alpha, least], operation="LESS_THAN")
        solid = self._node("ShaderNodeMath", [1.0, is_below], operation="SUBTRACT")
        known = float(values.is_known)
        numbers = self._node("ShaderNodeCombineXYZ", [values.roughness, values.metallic, known])
        emission = self._scaled(values.emission, values.strength)
        for name, value in ((ALBEDO, values.albedo), (SURFACE, numbers), (EMISSION, emission)):
            self._node("ShaderNodeOutputAOV", [self._scaled(value, solid)], aov_name=name)
        end = self._node("ShaderNodeEmission", [])  # with zero emission, a ray continues in Cycles
        through = self._node("ShaderNodeBsdfTransparent", [])
        self._give(self._node("ShaderNodeMixShader", [solid, through, end]), surface)

    def _scaled(self, vector: Any, scale: Any) -> Any:
        node = self._node("ShaderNodeVectorMath", [vector], operation="SCALE")
        self._give(scale, node.node.inputs["Scale"])
        return node

    def _node(self, kind: str, inputs: Sequence[Any], **settings: Any) -> Any:
        """Add a node, and return its first output, if it has any."""
        node = self._tree.nodes.new(kind)
        for name, value in settings.items():
            setattr(node, name, value)
        for value, socket in zip(inputs, node.inputs, strict=False):
            self._give(value, socket)
        return node.outputs[0] if node.outputs else None

    def _give(self, value: Any, socket: Any) -> None:
        """Set a socket to numbers, or to the value of another socket."""
        if isinstance(value, bpy.types.NodeSocket):
            self._follow(value, socket)
        else:
            socket.default_value = value

    def _follow(self, source: Any, socket: Any) -> None:
        if source.is_output:
            self._tree.links.new(source, socket)
        elif source.is_linked:
            self._tree.links.new(source.links[0].from_socket, socket)
        else:
            self._give(_own_value(source), socket)
