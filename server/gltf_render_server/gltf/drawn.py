"""The parts of a document that are drawn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from . import schema
from .instancing import instance_accessors

__all__ = ["Drawn"]


@dataclass
class Drawn:
    """The primitives that are drawn, and where they are used.

    Attributes
    ----------
    surfaces : dict of int to list of int
        For each drawn mesh, the numbers of its drawn primitives.
    nodes : list of int
        The nodes that draw these meshes, in the document's order.
    reach : dict of int to float
        The largest absolute coordinate in each accessor of positions, including those of morph targets.
    joints : dict of (int, int) to tuple of int
        By mesh and number, the largest joint index in each set of joints of a skinned primitive.
    warnings : list of str
        Messages about what was left out.
    """

    surfaces: dict[int, list[int]] = field(default_factory=dict)
    nodes: list[int] = field(default_factory=list)
    reach: dict[int, float] = field(default_factory=dict)
    joints: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def leave_out(self, mesh: int, number: int, why: str) -> None:
        """Exclude a primitive from drawing, and add a warning."""
        if number in self.surfaces.get(mesh, ()):
            self.surfaces[mesh].remove(number)
        self.warnings.append(f"meshes[{mesh}].primitives[{number}]: {why}; left out")

    def primitives(self, document: schema.Document) -> Iterable[tuple[int, int, schema.Primitive]]:
        """Yield each primitive with its mesh index and its number."""
        for mesh, numbers in self.surfaces.items():
            for number in tuple(numbers):
                yield mesh, number, document.meshes[mesh].primitives[number]

    def materials(self, document: schema.Document) -> set[int]:
        """Return the materials that the primitives use."""
        shown = {primitive.material for _, _, primitive in self.primitives(document)}
        return {material for material in shown if material is not None}

    def accessors(self, document: schema.Document) -> set[int]:
        """Return the accessors that the primitives, instances and skins use."""
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
