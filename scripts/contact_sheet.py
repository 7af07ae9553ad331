"""Combines colour, depth and labels side by side in one image for display."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gltf_render_server.dataset.report.sheet import INK, PAPER, Tile, sheet
from gltf_render_server.false_colours import false_colours, legend
from gltf_render_server.labels import decode_labels

__all__ = ["captioned", "contact_sheet"]

_GAP = 16
_CAPTION = 44


def contact_sheet(
    *,
    color: NDArray[np.uint8],
    depth: NDArray[np.float32],
    label: NDArray[np.uint8],
    names: Mapping[int, str],
) -> NDArray[np.uint8]:
    """Arrange the three images of one frame.

    Parameters
    ----------
    color : (height, width, 3) uint8
    depth : (height, width) float32, metres; 0 = too close, inf = too far
    label : (height, width, 3) uint8, label = red + 256 green; white = none
    names : mapping of label to name

    Returns
    -------
    (sheet height, sheet width, 3) uint8
    """
    height, width = depth.shape
    half = (width // 2, height // 2)
    image = Image.new("RGB", (width + half[0] + 3 * _GAP, height + 2 * _GAP + 2 * _CAPTION + _GAP), PAPER)
    draw = ImageDraw.Draw(image)
    right = width + 2 * _GAP
    lower = _GAP + half[1] + _CAPTION
    numbers = decode_labels(label)
    count = sum(int(number) in names for number in np.unique(numbers))
    image.paste(Image.fromarray(color[..., :3]), (_GAP, _GAP))
    _caption(draw, (_GAP, _GAP + height), "colour, as a client receives it")
    image.paste(Image.fromarray(false_colours(depth, "depth")).resize(half), (right, _GAP))
    _caption(draw, (right, _GAP + half[1]), f"depth: {legend(depth, 'depth')}")
    flat = Image.fromarray(false_colours(numbers, "label")).resize(half, Image.Resampling.NEAREST)
    image.paste(flat, (right, lower))
    _caption(draw, (right, lower + half[1]), f"labels: {count} objects")
    return np.asarray(image)


def captioned(pictures: Mapping[str, NDArray[np.uint8]], columns: int | None = None) -> NDArray[np.uint8]:
    """Arrange images of equal size in rows, each above its caption.

    Parameters
    ----------
    pictures : mapping of caption to (height, width, 3) uint8
    columns : by default all in one row

    Returns
    -------
    (sheet height, sheet width, 3) uint8; both even, as a video's colours need it
    """
    tiles = [Tile(picture, (caption,)) for caption, picture in pictures.items()]
    return sheet(tiles, columns or len(tiles))


def _caption(draw: ImageDraw.ImageDraw, corner: tuple[int, int], text: str) -> None:
    draw.text((corner[0], corner[1] + 8), text, fill=INK, font=ImageFont.load_default(20))
