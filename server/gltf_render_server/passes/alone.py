"""The silhouette of each object of a view alone: the pixels that would show it if nothing else were there.

Eight more images of the same size surround the image, so the canvas is three times as wide and high. A pixel
of the canvas is sampled in the same way, whichever part of the canvas is requested.

An object is rendered alone only if its pixels can be determined neither from the render of the whole scene
(`hidden`) nor from its own few triangles (`coverage`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ..frame import Frame, View
from .coverage import Coverage
from .hidden import may_be_beyond
from .hits import Exact, moved_by
from .meshes import Meshes
from .windows import (
    Window,
    corners_of_boxes,
    farthest_windows,
    grouped,
    joined,
    slack_of,
    window_within,
)

__all__ = ["Alone", "Silhouette", "canvas_of", "image_of"]

RenderPart = Callable[[View, NDArray[np.bool_], Window], NDArray[np.int32]]
"""A function that renders a part of a view with only some placements, (n,) bool. It returns the index of the
placement that each pixel shows, (height, width), or -1 where there is none."""

_Tile = tuple[int, int]
_Mask = NDArray[np.bool_]

_IMAGE: _Tile = (0, 0)
_FEW_TRIANGLES = 64  # the limit up to which this is faster than a render


@dataclass(frozen=True)
class Silhouette:
    """The pixels that show an object alone, in one of the images.

    Attributes
    ----------
    window : Window
        The smallest window that contains the object, in the pixel coordinates of the requested image.
    pixels : int
        The number of pixels that show the object.
    """

    window: Window
    pixels: int
    _bits: NDArray[np.uint8]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The pixels of the window that show the object, (height, width)."""
        size = self.window.width * self.window.height
        flat = np.unpackbits(self._bits, count=size).view(bool)
        return flat.reshape(self.window.height, self.window.width)


class Alone:
    """The silhouettes of all objects of a view. Each is computed once, when it is first requested.

    Parameters
    ----------
    render : callable
        See `RenderPart`.
    frame : Frame
    view : View
        A view of the frame.
    exact : Exact
        The exact render of the whole scene.
    meshes : Meshes
    rounding_px : float
        How far the back end may draw an edge from its true position.
    """

    def __init__(
        self,
        render: RenderPart,
        frame: Frame,
        view: View,
        exact: Exact,
        meshes: Meshes,
        rounding_px: float,
    ) -> None:
        self._render = render
        self._frame = frame
        self._view = view
        self._meshes = meshes
        self._placements = frame.scene.placements
        self._shown = exact.looked_up(self._placements.instance, -1)
        self._depth = exact.depth
        self._to_camera = np.linalg.inv(view.camera_to_world) @ self._placements.matrix
        corners = corners_of_boxes(view, frame.scene, meshes)
        self._slack_m = slack_of(corners, view, rounding_px)
        self._edges = farthest_windows(corners, view, frame.scene)
        self._placed = _by_object(self._placements.instance, len(frame.scene.instances))
        self._coverages: dict[int, Coverage | None] = {}
        self._known: dict[_Tile, dict[int, Silhouette]] = {}

    def on_image(self) -> dict[int, Silhouette]:
        """Return the silhouettes on the image by object index, without objects that have no pixels."""
        return self._on_tile(_IMAGE)

    def within(self, canvas: Window) -> Iterator[tuple[int, Silhouette]]:
        """Yield the silhouettes by object index, for each of the nine images that overlap a canvas."""
        for tile in product((-1, 0, 1), (-1, 0, 1)):
            if canvas.common(self._tile(tile)):
                yield from self._on_tile(tile).items()

    def _tile(self, tile: _Tile) -> Window:
        image = image_of(self._view)
        return image._replace(left=tile[0] * image.width, top=tile[1] * image.height)

    def _on_tile(self, tile: _Tile) -> dict[int, Silhouette]:
        if tile not in self._known:
            self._known[tile] = self._seen(tile)
        return self._known[tile]

    def _seen(self, tile: _Tile) -> dict[int, Silhouette]:
        """Return the silhouettes in one of the nine images, by object index."""
        frame = self._tile(tile)
        windows = {index: window_within(edges, frame) for index, edges in enumerate(self._edges)}
        reach = {index: window for index, window in windows.items() if window}
        found: dict[int, Silhouette] = {}
        doubtful: dict[int, Window] = {}
        for index, window in reach.items():
            certain, doubt = self._decided(index, window, is_image=tile == _IMAGE)
            _add(found, index, certain, window)
            if (part := _bounds(doubt)) is not None:
                doubtful[index] = part._replace(left=window.left + part.left, top=window.top + part.top)
        for index, mask, window in self._rendered(frame, doubtful, reach):
            _add(found, index, mask, window)
        return dict(sorted(found.items()))

    def _decided(self, index: int, window: Window, *, is_image: bool) -> tuple[_Mask, _Mask]:
        """Return which pixels of a window surely show an object, and which are undecided without a render."""
        if is_image:
            certain, doubt = self._decided_by_what_is_seen(index, window)
        else:
            certain, doubt = (np.full((window.height, window.width), value) for value in (False, True))
        coverage = self._coverage(index) if doubt.any() else None
        if coverage is not None:
            covered, possible = coverage.within(window)
            certain |= doubt & covered
            doubt &= possible & ~covered
        return certain, doubt

    def _decided_by_what_is_seen(self, index: int, window: Window) -> tuple[_Mask, _Mask]:
        shown, depth = (part[window.slices()] for part in (self._shown, self._depth))
        mine = self._placed[index]
        certain = shown == index
        doubt = ~certain & np.isfinite(depth)
        rows, columns = np.nonzero(doubt)
        pixels = (rows + window.top) * self._view.lens.width + columns + window.left
        boxes = [
            self._meshes.box(self._frame.scene, each) for each in self._placements.primitive[mine].tolist()
        ]
        doubt[rows, columns] = may_be_beyond(
            depth[rows, columns].astype(float),
            pixels,
            self._view.lens,
            self._to_camera[mine],
            np.array(boxes, float),
            self._slack_m[mine],
        )
        return certain, doubt

    def _coverage(self, index: int) -> Coverage | None:
        """Return the triangles of an object, if they are few and have no holes; else None."""
        if index not in self._coverages:
            self._coverages[index] = self._read_coverage(self._placed[index])
        return self._coverages[index]

    def _read_coverage(self, placed: NDArray[np.intp]) -> Coverage | None:
        scene, primitives = self._frame.scene, self._placements.primitive[placed].tolist()
        if sum(self._meshes.triangle_count(scene, each) for each in primitives) > _FEW_TRIANGLES:
            return None
        if any(self._frame.cutout(each) is not None for each in primitives):
            return None
        corners = [self._meshes.corners(scene, each).astype(float) for each in primitives]
        triangles = [
            moved_by(matrix[None], each.reshape(1, -1, 3)).reshape(-1, 3, 3)
            for matrix, each in zip(self._to_camera[placed], corners, strict=True)
        ]
        return Coverage.of(np.concatenate(triangles), self._view.lens, self._slack_m[placed].max())

    def _rendered(
        self, frame: Window, doubtful: dict[int, Window], reach: dict[int, Window]
    ) -> Iterator[tuple[int, _Mask, Window]]:
        """Render windows of some objects in one of the nine images, and yield the mask of each object."""
        lens, instance = self._view.lens, self._placements.instance
        shifted = replace(lens, center_x=lens.center_x - frame.left, center_y=lens.center_y - frame.top)
        view = replace(self._view, lens=shifted)
        for group in grouped(doubtful, reach):
            part = joined(group.values())
            local = part._replace(left=part.left - frame.left, top=part.top - frame.top)
            placement = self._render(view, np.isin(instance, [*group]), local)
            shown = np.append(instance, -1)[placement]
            for index, window in group.items():
                yield index, shown[window.slices(part.left, part.top)] == index, window


def image_of(view: View) -> Window:
    """Return the whole image of a view."""
    return Window(0, 0, view.lens.width, view.lens.height)


def canvas_of(view: View) -> Window:
    """Return the image of a view extended by its amodal margin on each side."""
    lens = view.lens
    left, top = (round(view.amodal_margin * side) for side in (lens.width, lens.height))
    return Window(-left, -top, lens.width + 2 * left, lens.height + 2 * top)


def _by_object(instance: NDArray[np.integer], count: int) -> list[NDArray[np.intp]]:
    """Return the placements of each of some objects, in their order."""
    order = np.argsort(instance, kind="stable")
    return np.split(order, np.searchsorted(instance[order], np.arange(1, count)))


def _add(found: dict[int, Silhouette], index: int, mask: _Mask, window: Window) -> None:
    """Merge the pixels of a mask into the silhouette that was found so far for an object."""
    shown = _bounds(mask)
    if shown is None:
        return
    where = shown._replace(left=window.left + shown.left, top=window.top + shown.top)
    tight = mask[shown.slices()]
    if (known := found.get(index)) is not None:
        both = joined((where, known.window))
        whole = np.zeros((both.height, both.width), bool)
        whole[where.slices(both.left, both.top)] = tight
        whole[known.window.slices(both.left, both.top)] |= known.mask
        where, tight = both, whole
    found[index] = Silhouette(where, int(tight.sum()), np.packbits(np.ascontiguousarray(tight)))


def _bounds(mask: _Mask) -> Window | None:
    """Return the smallest window that contains all pixels of a mask; None if the mask is empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    top, left, bottom, right = rows[0].item(), columns[0].item(), rows[-1].item() + 1, columns[-1].item() + 1
    return Window(left, top, right - left, bottom - top)
