"""The client's scene in Blender, and how it is updated from one request to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from . import engines
from .importing import Part
from .parts import PartKey, Parts
from .poses import set_world_matrix

__all__ = ["ClientScene", "Layout"]


@dataclass(frozen=True)
class Layout:
    """The objects in a scene, without their positions.

    Attributes
    ----------
    meshes : tuple of PartKey
        The part of each placed mesh.
    lights : tuple of PartKey
        The part of each placed light.
    """

    meshes: tuple[PartKey, ...]
    lights: tuple[PartKey, ...] = ()


class ClientScene:
    """The client's objects in one of Blender's scenes.

    As long as only poses change, Cycles keeps its data of the scene. After any other change, Cycles starts
    anew, because otherwise its order of objects would depend on earlier requests.

    Parameters
    ----------
    target : bpy.types.Scene
        The scene to which the objects are added.
    parts : Parts
        The loaded parts that the objects use.
    """

    def __init__(self, target: bpy.types.Scene, parts: Parts) -> None:
        self._render = target.render
        self._parts = parts
        self._may_persist = engines.may_persist(target)
        self._layout: Layout | None = None
        self._root = root = bpy.data.objects.new("glTF Client", None)
        target.collection.objects.link(root)
        self._meshes = _Row("glTF Client Mesh", target.collection, root)
        self._lights = _Row("glTF Client Light", target.collection, root)

    @property
    def collections(self) -> tuple[bpy.types.Collection, ...]:
        """The collections of the objects, without the empty that is their parent."""
        return (self._meshes.collection, self._lights.collection)

    @property
    def root(self) -> bpy.types.Object:
        """The empty that is the parent of all objects."""
        return self._root

    def show(self, layout: Layout, matrices: NDArray[np.float64]) -> bool:
        """Make the scene show exactly these objects.

        Parameters
        ----------
        layout : Layout
            The objects. Their parts must have been loaded.
        matrices : (n, 4, 4) float64
            The matrices of the meshes and then the lights, from their axes in the client's file to Blender's
            world.

        Returns
        -------
        bool
            Whether anything but poses has changed.
        """
        is_new = layout != self._layout
        if is_new:
            self.forget_render()
            self._layout = None  # stays None if this fails
            self._meshes.fill([self._parts[key] for key in layout.meshes])
            self._lights.fill([self._parts[key] for key in layout.lights])
            self._parts.keep_only({*layout.meshes, *layout.lights})
            self._layout = layout
        self._meshes.place(matrices[: len(layout.meshes)])
        self._lights.place(matrices[len(layout.meshes) :])
        self._render.use_persistent_data = self._may_persist
        return is_new

    def hide(self, hidden: NDArray[np.bool_]) -> None:
        """Let rays pass through some of the meshes, (n,) bool, without unloading them."""
        self._meshes.hide(hidden)

    def number(self, pass_indices: Sequence[int]) -> None:
        """Give each mesh its pass index."""
        if self._meshes.number(pass_indices):
            self.begin_anew()

    def begin_anew(self) -> None:
        """Make Cycles rebuild its data of the scene, and keep that."""
        self.forget_render()
        self._render.use_persistent_data = self._may_persist

    def forget_render(self) -> None:
        """Make Cycles discard its data of the scene."""
        self._render.use_persistent_data = False


class _Row:
    """A list of objects that are reused for different parts and positions.

    The n-th object always has the same name and position in Blender's order, whatever it showed before.
    """

    def __init__(self, name: str, parent: bpy.types.Collection, root: bpy.types.Object) -> None:
        self._name = name
        self._root = root
        self.collection = bpy.data.collections.new(name)
        parent.children.link(self.collection)
        self._items: list[bpy.types.Object] = []
        self._local = np.empty((0, 4, 4))
        self._world = np.empty((0, 4, 4))
        self._hidden = np.empty(0, bool)
        self._pass_indices: list[int] = []

    def fill(self, parts: Sequence[Part[Any]]) -> None:
        """Set up one object for each part."""
        surplus = self._items[len(parts) :]
        del self._items[len(parts) :]
        bpy.data.batch_remove(surplus)
        for item, part in zip(self._items, parts, strict=False):
            if item.data != part.data:
                item.data = part.data
        for part in parts[len(self._items) :]:
            self._append(part)
        self._local = np.array([part.local for part in parts]).reshape(-1, 4, 4)
        self._world = np.full((len(parts), 4, 4), np.nan)
        self.hide(np.zeros(len(parts), bool))
        self._pass_indices = []

    def hide(self, hidden: NDArray[np.bool_]) -> None:
        """Hide some objects, (n,) bool, from camera rays only.

        An object that is hidden from all rays would leave Cycles' scene, which would change the order of
        objects.
        """
        before = np.resize(self._hidden, len(hidden)) if len(self._hidden) else np.zeros(len(hidden), bool)
        for index in np.flatnonzero(hidden != before).tolist():
            self._items[index].visible_camera = not hidden[index]
        self._hidden = hidden

    def number(self, pass_indices: Sequence[int]) -> bool:
        """Set the pass index of each object, and return whether any has changed."""
        if self._pass_indices == list(pass_indices):
            return False
        for item, index in zip(self._items, pass_indices, strict=True):
            item.pass_index = index
        self._pass_indices = list(pass_indices)
        return True

    def place(self, matrices: NDArray[np.float64]) -> None:
        """Move the objects whose matrix has changed; matrices is (n, 4, 4) float64."""
        world = matrices @ self._local
        moved = (world != self._world).any((1, 2))
        for index in np.flatnonzero(moved).tolist():
            set_world_matrix(self._items[index], world[index])
        self._world = world

    def _append(self, part: Part[Any]) -> None:
        item = bpy.data.objects.new(f"{self._name} {len(self._items)}", part.data)
        item.parent = self._root
        self.collection.objects.link(item)
        self._items.append(item)
