"""The pass with the mask of each whole object, occluded parts included."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import TooLargeError
from ..frame import Frame
from .alone import canvas_of
from .table import add_row
from .views import ViewRender

__all__: list[str] = []

_MOST_PIXELS = 2**29


def _mask_amodal(render: ViewRender) -> NDArray[np.bool_]:
    """Where each object would be seen if nothing else were there, (k, height, width) bool, by its number.

    The mask with the index n is that of the object with the number n + 1. The view's `amodal_margin` makes
    the masks larger than the image; the frame tells the canvas.
    """
    canvas = canvas_of(render.view)
    masks = np.zeros((len(render.scene.instances), canvas.height, canvas.width), bool)
    for index, found in render.alone.within(canvas):
        common = canvas.common(found.window)
        if common is not None:
            part = found.mask[common.slices(found.window.left, found.window.top)]
            masks[index][common.slices(canvas.left, canvas.top)] = part
    return masks


def _check_size(frame: Frame) -> None:
    count = len(frame.scene.instances)
    canvases = [canvas_of(view) for view in frame.views]
    pixels = count * sum(canvas.width * canvas.height for canvas in canvases)
    if pixels > _MOST_PIXELS:
        raise TooLargeError(
            f"passes: mask_amodal: the masks of {count} objects have {pixels} pixels in all views together; "
            f"at most {_MOST_PIXELS} are answered at once: ask for smaller views, or for fewer, or without "
            "amodal_margin"
        )


add_row("mask_amodal", _mask_amodal, "bool", "1", is_stack=True, check=_check_size)
