"""Materials that tell what they are made of: copies that write a material's values instead of being lit.

Cycles adds up what all the surfaces along a ray write, so a surface writes zeros where it is cut out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import bpy

from . import compat

__all__ = ["ALBEDO", "EMISSION", "SURFACE", "unlit_twin"]

ALBEDO = "glTF Albedo"
"""The name of an AOV: the base colour."""
SURFACE = "glTF Surface"
"""The name of an AOV: roughness and metallic, -1 where there are none; and 1 where all this is known."""
EMISSION = "glTF Emission"
"""The name of an AOV: the emitted radiance."""

_TOLERANCE = 1e-6  # as the exact passes compare alpha; what is cut out has an alpha of 0 by now
_HAS_NONE = -1.0


@dataclass(frozen=True)
class _Values:
    """What a shader says: sockets to link from, or to copy the values of; or numbers."""

    albedo: Any = (0.0, 0.0, 0.0)
    roughness: Any = _HAS_NONE
    metallic: Any = _HAS_NONE
    emission: Any = (0.0, 0.0, 0.0)
    strength: Any = 1.0
    alphas: tuple[Any, ...] = ()
    """Factors of its alpha."""
    is_told: bool = True


_UNKNOWN = _Values(is_told=False)
_NOTHING = _Values(alphas=(0.0,), is_told=False)


def unlit_twin(material: bpy.types.Material, solid_from: float | None) -> bpy.types.Material:
    """Make a material that writes the values of another to the AOVs `ALBEDO`, `SURFACE` and `EMISSION`.

    Known are a Principled BSDF, an Emission, what glTF's importer makes of an unlit material, and each of
    these mixed with a Transparent BSDF. All other materials are solid and write zeros.

    Parameters
    ----------
    material : bpy.types.Material
    solid_from : float or None
        The least alpha of what counts as solid; None = all does.

    Returns
    -------
    bpy.types.Material
        It is the caller's to remove.
    """
    has_nodes = compat.has_nodes(material)
    twin: Any = material.copy()
    twin.cycles.emission_sampling = "NONE"  # or Cycles would look for all lamps among its triangles
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
    """Return what the shader that is linked to a socket says."""
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
    if (by := _source(factor)) is not None and by.type == "LIGHT_PATH":  # for all but the camera: unlit
        return _Values(albedo=front.emission, alphas=front.alphas, is_told=front.is_told)
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
    """Return what an input is where nothing is linked to it; without the alpha that Cycles ignores."""
    return socket.default_value[:3] if socket.type == "RGBA" else socket.default_value


class _Writer:
    """Adds nodes to a tree."""

    def __init__(self, tree: Any) -> None:
        self._tree = tree

    def write(self, values: _Values, solid_from: float, surface: Any) -> None:
        """Write values to the AOVs, and link a surface that is only there or not."""
        alpha: Any = 1.0
        least = max(solid_from - _TOLERANCE, _TOLERANCE)
        for factor in values.alphas:
            alpha = self._node("ShaderNodeMath", [alpha, factor], operation="MULTIPLY")
        is_below = self._node("ShaderNodeMath", [alpha, least], operation="LESS_THAN")
        solid = self._node("ShaderNodeMath", [1.0, is_below], operation="SUBTRACT")
        told = float(values.is_told)
        numbers = self._node("ShaderNodeCombineXYZ", [values.roughness, values.metallic, told])
        emission = self._scaled(values.emission, values.strength)
        for name, value in ((ALBEDO, values.albedo), (SURFACE, numbers), (EMISSION, emission)):
            self._node("ShaderNodeOutputAOV", [self._scaled(value, solid)], aov_name=name)
        end = self._node("ShaderNodeEmission", [])  # where it emits nothing, Cycles lets a ray go on
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
        """Give a socket numbers, or what another socket has."""
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
