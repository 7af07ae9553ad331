"""Scales nodes of glTF, also those whose scale an animation sets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..gltf.animation import NODE_POINTER
from ..gltf.extensions import POINTER
from .merging import animation_pointer, animation_targets

__all__ = ["scale_node"]

_PLACING = ("matrix", "translation", "rotation", "scale")

Json = dict[str, Any]


def scale_node(
    number: int, factor: float, nodes: list[Json], roots: list[int], animations: Iterable[Json]
) -> None:
    """Scale a node about its own origin, with all that is below it.

    An animation would replace the scale that it sets. Such a node gets a nameless one above it, which takes
    over its place and that part of its animation.

    Parameters
    ----------
    number : int
        The node's index.
    factor : float
    nodes : list of dict
        Changed in place, as are the others.
    roots : list of int
        The nodes that are below no other.
    animations : iterable of dict
        Their broken parts stay as they are.
    """
    found = (target for animation in animations for target in animation_targets(animation))
    targets = [target for target in found if _path(target, number) in _PLACING]
    if any(_path(target, number) == "scale" for target in targets):
        _give_above(number, nodes, roots)
        for target in targets:
            _move(target, len(nodes) - 1)
    node = nodes[number]
    if node.get("matrix") is not None:
        node["matrix"] = [
            factor * value if place < 12 else value for place, value in enumerate(node["matrix"])
        ]
        node["matrix"][3::4] = [0.0, 0.0, 0.0, 1.0]
    else:
        node["scale"] = [factor * side for side in node.get("scale") or (1.0, 1.0, 1.0)]


def _give_above(number: int, nodes: list[Json], roots: list[int]) -> None:
    node, above = nodes[number], len(nodes)
    for siblings in (roots, *(each["children"] for each in nodes if each.get("children"))):
        siblings[:] = [above if each == number else each for each in siblings]
    nodes.append({"children": [number], **{name: node.pop(name) for name in _PLACING if name in node}})


def _path(target: Json, number: int) -> str | None:
    """Return what a channel sets of a node; None if it sets something else."""
    if target.get("path") == "pointer":
        found = NODE_POINTER.fullmatch(animation_pointer(target))
        return found[2] if found and int(found[1]) == number else None
    return target.get("path") if target.get("node") == number else None


def _move(target: Json, number: int) -> None:
    if target["path"] == "pointer":
        path = animation_pointer(target).rpartition("/")[2]
        target["extensions"][POINTER]["pointer"] = f"/nodes/{number}/{path}"
    else:
        target["node"] = number
