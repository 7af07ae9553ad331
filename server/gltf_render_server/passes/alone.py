"""Each object of a view by itself: what would be seen of it if nothing else were there.

Beyond the image's edges, eight more images of its size stand around it, so a canvas three times as wide and
high is seen. Whatever part of it is asked for, each of its pixels is sampled in the same way.

A render of an object alone is needed only where neither the render of all that is there (`hidden`) nor the
object's own few triangles (`coverage`) tell whether it would be seen.
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
from .windows import Window, farthest_windows, grouped, joined, slack_of, window_within

__all__ = ["Alone", "Silhouette", "canvas_of", "image_of"]

RenderPart = Callable[[View, NDArray[np.bool_], Window], NDArray[np.int32]]
"""Renders a part of a view where only some placements, (n,) bool, are shown: which of them each pixel shows,
(height, width); -1 = none."""

_Tile = tuple[int, int]
_Mask = NDArray[np.bool_]

_IMAGE: _Tile = (0, 0)
_FEW_TRIANGLES = 64  # more take longer than a render


@dataclass(frozen=True)
class Silhouette:
    """What is seen of an object alone in one of the images.

    Attributes
    ----------
    window : Window
        The smallest that holds it, in the plane of the image that was asked for.
    pixels : int
        How many pixels show the object.
    """

    window: Window
    pixels: int
    _bits: NDArray[np.uint8]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Which pixels of the window show the object, (height, width)."""
        size = self.window.width * self.window.height
        flat = np.unpackbits(self._bits, count=size).view(bool)
        return flat.reshape(self.window.height, self.window.width)


class Alone:
    """The silhouettes of all objects of a view; each is rendered when it is first asked for, and once.

    Parameters
    ----------
    render : callable
        See `RenderPart`.
    frame : Frame
    view : View
        Of the frame.
    exact : Exact
        What its pixels show where all of the scene is shown.
    meshes : Meshes
    rounding_px : float
        How far beside its place the back end may draw an edge.
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
        self._slack_m = slack_of(view, frame.scene, meshes, rounding_px)
        self._edges = farthest_windows(view, frame.scene, meshes)
        self._coverages: dict[int, Coverage | None] = {}
        self._known: dict[_Tile, dict[int, Silhouette]] = {}

    def on_image(self) -> dict[int, Silhouette]:
        """Return what is seen of the objects on the image, by their indices; nothing of the others."""
        return self._on_tile(_IMAGE)

    def within(self, canvas: Window) -> Iterator[tuple[int, Silhouette]]:
        """Yield what is seen of objects, by their indices, in each of the images that a canvas touches."""
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
        """Return what is seen of the objects in one of the images."""
        frame = self._tile(tile)
        windows = {index: window_within(edges, frame) for index, edges in enumerate(self._edges)}
        reach = {index: window for index, window in windows.items() if window}
        found: dict[int, Silhouette] = {}
        doubtful: dict[int, Window] = {}
        for index, window in reach.items():
            certain, doubt = self._told(index, window, is_image=tile == _IMAGE)
            _add(found, index, certain, window)
            if (part := _bounds(doubt)) is not None:
                doubtful[index] = part._replace(left=window.left + part.left, top=window.top + part.top)
        for index, mask, window in self._rendered(frame, doubtful, reach):
            _add(found, index, mask, window)
        return dict(sorted(found.items()))

    def _told(self, index: int, window: Window, *, is_image: bool) -> tuple[_Mask, _Mask]:
        """Tell which pixels of a window show an object for certain, and of which only a render tells."""
        if is_image:
            certain, doubt = self._told_by_what_is_seen(index, window)
        else:
            certain, doubt = (np.full((window.height, window.width), value) for value in (False, True))
        coverage = self._coverage(index) if doubt.any() else None
        if coverage is not None:
            covered, possible = coverage.within(window)
            certain |= doubt & covered
            doubt &= possible & ~covered
        return certain, doubt

    def _told_by_what_is_seen(self, index: int, window: Window) -> tuple[_Mask, _Mask]:
        shown, depth = (part[window.slices()] for part in (self._shown, self._depth))
        mine = np.flatnonzero(self._placements.instance == index)
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
        """Return the triangles of an object, where they are few and without holes."""
        if index not in self._coverages:
            self._coverages[index] = self._read_coverage(np.flatnonzero(self._placements.instance == index))
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
        """Render windows of some objects in one of the images; yield each object's mask of its own."""
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
    """Return the image of a view with its amodal margin on each side."""
    lens = view.lens
    left, top = (round(view.amodal_margin * side) for side in (lens.width, lens.height))
    return Window(-left, -top, lens.width + 2 * left, lens.height + 2 * top)


def _add(found: dict[int, Silhouette], index: int, mask: _Mask, window: Window) -> None:
    """Add what a mask of a window shows to what was found of an object."""
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
    """Return the smallest window of a mask that holds all that it shows; None = it shows nothing."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    top, left, bottom, right = rows[0].item(), columns[0].item(), rows[-1].item() + 1, columns[-1].item() + 1
    return Window(left, top, right - left, bottom - top)
