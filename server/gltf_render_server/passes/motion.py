"""The motion passes: where the visible points are at another moment, and whether they are visible then.

In the image of the other moment, the point that a pixel at p shows is at p + flow, in pixels to the right and
down.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..frame import When
from .moved import is_seen
from .table import add_row
from .views import ViewRender

__all__: list[str] = []


def _flow(render: ViewRender, when: When) -> NDArray[np.float32]:
    moved = render.moved(when)
    return moved.image(moved.flow.T.astype(np.float32), np.nan)


def _visible(render: ViewRender, when: When) -> NDArray[np.uint8]:
    moved, there = render.moved(when), render.at(when)
    is_cut = [there.frame.cutout(index) is not None for index in range(len(there.scene.primitives))]
    has_holes = np.array(is_cut, bool)[there.scene.placements.primitive]
    return moved.image(is_seen(moved, there.hits, there.exact, has_holes).astype(np.uint8), 0)


def _flow_forward(render: ViewRender) -> NDArray[np.float32]:
    """How far the point moves in the image until `after`, (height, width, 2) float32, px, right and down.

    NaN = nothing, or it is not in front of the camera then. Bodies move as the poses say, skins and morph
    targets bend them, and what is not the scene's stands still.
    """
    return _flow(render, "after")


def _flow_backward(render: ViewRender) -> NDArray[np.float32]:
    """How far the point is from where it was in the image at `before`, as `flow_forward` tells it."""
    return _flow(render, "before")


def _visible_forward(render: ViewRender) -> NDArray[np.uint8]:
    """Whether the point is seen at `after`, (height, width) uint8: 1 = inside the image and not hidden.

    0 = it is not seen then, or there is nothing.
    """
    return _visible(render, "after")


def _visible_backward(render: ViewRender) -> NDArray[np.uint8]:
    """Whether the point was seen at `before`, (height, width) uint8: 1 = inside the image and not hidden."""
    return _visible(render, "before")


_add_flow = partial(add_row, dtype="float32", unit="px", channels=(2,), needs_triangles=True)
_add_visible = partial(
    add_row, dtype="uint8", unit="1 = seen", nothing=0, needs_triangles=True, renders_moment=True
)
_add_flow("flow_forward", _flow_forward, moment="after")
_add_flow("flow_backward", _flow_backward, moment="before")
_add_visible("visible_forward", _visible_forward, moment="after")
_add_visible("visible_backward", _visible_backward, moment="before")
