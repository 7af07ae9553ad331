"""Each object of a view by itself: what would be seen of it if nothing else were there.

Beyond the image's edges, eight more images of its size stand around it, so a canvas three times as wide and
high is seen. Whatever part of it is asked for, each of its pixels is sampled in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ..frame import View
from ..scene import Scene
from .meshes import Meshes
from .windows import Window, farthest_windows, grouped, joined, window_within

__all__ = ["Alone", "Silhouette", "canvas_of", "image_of"]

RenderPart = Callable[[View, NDArray[np.bool_], Window], NDArray[np.int32]]
"""Renders a part of a view where only some placements, (n,) bool, are shown: which of them each pixel shows,
(height, width); -1 = none."""

_Tile = tuple[int, int]
_IMAGE: _Tile = (0, 0)


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
    view : View
    scene : Scene
    meshes : Meshes
    """

    def __init__(self, render: RenderPart, view: View, scene: Scene, meshes: Meshes) -> None:
        self._render = render
        self._view = view
        self._scene = scene
        self._edges = farthest_windows(view, scene, meshes)
        self._known: dict[_Tile, dict[int, Silhouette]] = {}

    def on_image(self) -> dict[int, Silhouette]:
        """Return what is seen of the objects on the image, by their indices; nothing of the others."""
        return self._on_tile(_IMAGE)

    def within(self, canvas: Window) -> Iterator[tuple[int, Silhouette]]:
        """Yield what is seen of objects, by their indices, in each of the images that a canvas touches."""
        for tile in product((-1, 0, 1), (-1, 0, 1)):
            if canvas.common(self._frame(tile)):
                yield from self._on_tile(tile).items()

    def _frame(self, tile: _Tile) -> Window:
        image = image_of(self._view)
        return image._replace(left=tile[0] * image.width, top=tile[1] * image.height)

    def _on_tile(self, tile: _Tile) -> dict[int, Silhouette]:
        if tile not in self._known:
            self._known[tile] = dict(self._rendered(self._frame(tile)))
        return self._known[tile]

    def _rendered(self, frame: Window) -> Iterator[tuple[int, Silhouette]]:
        """Render what may be seen in one of the images."""
        lens, instance = self._view.lens, self._scene.placements.instance
        shifted = replace(lens, center_x=lens.center_x - frame.left, center_y=lens.center_y - frame.top)
        view = replace(self._view, lens=shifted)
        windows = {index: window_within(edges, frame) for index, edges in enumerate(self._edges)}
        for group in grouped({index: window for index, window in windows.items() if window}):
            part = joined(group.values())
            local = part._replace(left=part.left - frame.left, top=part.top - frame.top)
            placement = self._render(view, np.isin(instance, [*group]), local)
            shown = np.append(instance, -1)[placement]
            for index, window in group.items():
                found = _silhouette(shown[window.slices(part.left, part.top)] == index, window)
                if found is not None:
                    yield index, found


def image_of(view: View) -> Window:
    """Return the whole image of a view."""
    return Window(0, 0, view.lens.width, view.lens.height)


def canvas_of(view: View) -> Window:
    """Return the image of a view with its amodal margin on each side."""
    lens = view.lens
    left, top = (round(view.amodal_margin * side) for side in (lens.width, lens.height))
    return Window(-left, -top, lens.width + 2 * left, lens.height + 2 * top)


def _silhouette(mask: NDArray[np.bool_], window: Window) -> Silhouette | None:
    """Cut a mask to what it shows; None = nothing."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    top, left, bottom, right = rows[0].item(), columns[0].item(), rows[-1].item() + 1, columns[-1].item() + 1
    tight = np.ascontiguousarray(mask[top:bottom, left:right])
    where = Window(window.left + left, window.top + top, right - left, bottom - top)
    return Silhouette(where, int(tight.sum()), np.packbits(tight))
