"""What of a document is drawn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from . import schema
from .instancing import instance_accessors

__all__ = ["Drawn"]


@dataclass
class Drawn:
    """The primitives that are drawn, by what they are and where they are used.

    Attributes
    ----------
    surfaces : dict of int to list of int
        For each mesh that is drawn, the numbers of its primitives that are.
    nodes : list of int
        The nodes that draw them, in the document's order.
    reach : dict of int to float
        For each accessor of positions, also of morph targets, the largest coordinate.
    joints : dict of (int, int) to tuple of int
        For the mesh and number of a primitive that joints have moved, the largest joint of each set.
    warnings : list of str
        What was left out.
    """

    surfaces: dict[int, list[int]] = field(default_factory=dict)
    nodes: list[int] = field(default_factory=list)
    reach: dict[int, float] = field(default_factory=dict)
    joints: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def leave_out(self, mesh: int, number: int, why: str) -> None:
        """Draw the scene without one of its primitives, and say so."""
        if number in self.surfaces.get(mesh, ()):
            self.surfaces[mesh].remove(number)
        self.warnings.append(f"meshes[{mesh}].primitives[{number}]: {why}; left out")

    def primitives(self, document: schema.Document) -> Iterable[tuple[int, int, schema.Primitive]]:
        """Yield the place of each primitive, and itself."""
        for mesh, numbers in self.surfaces.items():
            for number in tuple(numbers):
                yield mesh, number, document.meshes[mesh].primitives[number]

    def materials(self, document: schema.Document) -> set[int]:
        """Return the materials that the primitives show."""
        shown = {primitive.material for _, _, primitive in self.primitives(document)}
        return {material for material in shown if material is not None}

    def accessors(self, document: schema.Document) -> set[int]:
        """Return what the primitives, instances and skins read."""
        used: set[int] = set()
        for _, _, primitive in self.primitives(document):
            for attributes in (primitive.attributes, *(primitive.targets or ())):
                used.update(index for name, index in attributes.items() if not name.startswith("_"))
            if primitive.indices is not None:
                used.add(primitive.indices)
        for node in self.nodes:
            used.update((instance_accessors(document, node) or {}).values())
            skin = document.nodes[node].skin
            matrices = None if skin is None else document.skins[skin].get("inverseBindMatrices")
            if type(matrices) is int and 0 <= matrices < len(document.accessors):
                used.add(matrices)
        return used
